"""The writer's lease: one process at a time writes releases and the ledger of a store.

- Turns are numbered. Turn n is the object lease/<n>, claimed by `put_if_absent`: of two processes exactly
  one gets it. The number is the fencing number; it only grows, across releases and crashes.
- The holder alone renews its own turn's object. A process that slept through its expiry can therefore
  renew only a turn that is over: it never undoes a take-over.
- lease/latest names a recent turn, to start looking from; it may be old, so `_newest` looks further. Nothing
  is found by listing.
- A turn ends by release, by expiry, or at once when its process is dead and was of this host.

Expiry compares clocks of two hosts: keep them within a fraction of the time to live.
"""

import json
import os
import secrets
import socket
import threading
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from corpus_gov.errors import CorpusGovError, StoreError
from corpus_gov.store import Missing, Store, sweep

TTL_S: Final = 120.0
"""How long a turn lasts without renewal; also how long others wait after the holder's host died."""

RENEWALS: Final = 4
"""Renewals in one time to live: three may fail before the turn ends."""

KEPT: Final = 100
"""Past turns whose objects stay, so that no process is so slow that it claims a number twice."""

_LATEST: Final = "lease/latest"

_active: Final[set[str]] = set()
"""Tokens of the turns that this process holds; a turn of this process that is not here was cut off."""


@dataclass(frozen=True)
class Turn:
    """What lease/<fencing> holds."""

    fencing: int
    owner: str
    host: str
    machine: str
    """Boot and PID namespace: a process number means something only within them."""
    pid: int
    started: str
    """Start time of the process, in ticks since boot: a process number is used again, with another start."""
    token: str
    expires: float
    """Seconds since 1970."""
    released: bool = False

    @property
    def over(self) -> bool:
        """Whether somebody else may have the next turn."""
        return self.released or time.time() >= self.expires or self._dead()

    def _dead(self) -> bool:
        if (self.host, self.machine) != (socket.gethostname(), _machine()):
            return False
        if self.pid == os.getpid() and self.started == _started(self.pid):
            return self.token not in _active
        return _started(self.pid) != self.started

    def __str__(self) -> str:
        """Name the holder for a message."""
        until = datetime.fromtimestamp(self.expires, UTC).isoformat(timespec="seconds")
        return f"{self.owner!r} (process {self.pid} on {self.host!r}, turn {self.fencing}, until {until})"


class Lease:
    """A held turn; renewed by a thread until it is released. Use it in a `with` block."""

    def __init__(self, store: Store, turn: Turn, ttl: float) -> None:
        """Start renewing; `take` is the way to get a lease."""
        self._store = store
        self._turn = turn
        self._ttl = ttl
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="corpus-gov lease", daemon=True)
        self._thread.start()

    @classmethod
    def take(cls, store: Store, owner: str, ttl: float = TTL_S) -> Self:
        """Take the next turn, then remove temporary files that dead writers left.

        Args:
            store: of the workspace.
            owner: who writes, for the message that others get.
            ttl: seconds that the turn lasts without renewal.

        Raises:
            StoreError: somebody else has the turn; names them.
        """
        newest = _newest(store)
        if newest is not None and not newest.over:
            raise _held(newest)
        number = newest.fencing + 1 if newest else 1
        me = os.getpid()
        turn = Turn(
            fencing=number,
            owner=owner,
            host=socket.gethostname(),
            machine=_machine(),
            pid=me,
            started=_started(me),
            token=secrets.token_hex(8),
            expires=time.time() + ttl,
        )
        # Active before the claim can be seen: another thread would take a claim without it for cut off.
        _active.add(turn.token)
        try:
            _claim(store, turn)
            sweep(store)
        except BaseException:
            _active.discard(turn.token)
            raise
        return cls(store, turn, ttl)

    @property
    def fencing(self) -> int:
        """The number of this turn; written into what it commits."""
        return self._turn.fencing

    def check(self) -> None:
        """Make sure that the turn is still ours; called before everything that others must not see twice.

        Raises:
            StoreError: it expired, or somebody else took over.
        """
        after = _find(self._store, self.fencing + 1)
        # Last, so that the time that the store took to answer counts.
        expired = self._ended.is_set() or time.time() >= self._turn.expires
        if expired or after is not None:
            raise StoreError(
                f"lease: turn {self.fencing} of {self._turn.owner!r} is over"
                f"{f', now it is that of {after}' if after else ''}; this process slept or lost the store: run again"
            )

    def release(self) -> None:
        """End the turn; a second call does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        # Should this write fail, the turn still ends: at once on this host, elsewhere when it expires.
        _active.discard(self._turn.token)
        self._put(replace(self._turn, released=True))

    def __enter__(self) -> Self:
        """Return the lease."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release; a failure to do so never hides the error that ended the block."""
        try:
            self.release()
        except StoreError:
            if error is None:
                raise

    def _beat(self) -> None:
        while not self._ended.wait(self._ttl / RENEWALS):
            renewed = replace(self._turn, expires=time.time() + self._ttl)
            try:
                self._put(renewed)
            except CorpusGovError:
                # The turn runs on until its expiry; `check` then tells the writer, who alone can stop.
                continue
            self._turn = renewed

    def _put(self, turn: Turn) -> None:
        self._store.put(_name(turn.fencing), _encode(turn))


def holder(store: Store) -> Turn | None:
    """Return the turn of whoever is writing now, or None."""
    newest = _newest(store)
    return None if newest is None or newest.over else newest


def _newest(store: Store) -> Turn | None:
    try:
        number = int(store.read(_LATEST))
    except Missing:
        number = 1
    turn = _find(store, number)
    while (after := _find(store, turn.fencing + 1 if turn else number)) is not None:
        turn = after
    return turn


def _claim(store: Store, turn: Turn) -> None:
    if not store.put_if_absent(_name(turn.fencing), _encode(turn)):
        raise _held(_read(store, turn.fencing))
    # If we crash here, the next process finds our turn by looking on from lease/latest.
    store.put(_LATEST, str(turn.fencing).encode())
    if turn.fencing > KEPT:
        store.delete(_name(turn.fencing - KEPT))


def _find(store: Store, number: int) -> Turn | None:
    try:
        return _read(store, number)
    except Missing:
        return None


def _read(store: Store, number: int) -> Turn:
    raw = store.read(_name(number))
    try:
        return Turn(**json.loads(raw))
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{_name(number)}: found {type(error).__name__}, expected a turn as this version writes it; "
            "if no process writes here, delete that object"
        ) from error


def _encode(turn: Turn) -> bytes:
    return json.dumps(asdict(turn), sort_keys=True).encode()


def _held(turn: Turn) -> StoreError:
    return StoreError(f"lease: held by {turn}, expected it to be free; wait for that run or end it, then run again")


def _name(number: int) -> str:
    return f"lease/{number:020d}"


def _started(pid: int) -> str:
    """Return the start time of a process, or '' when there is none (or only its unreaped rest)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    # The name of the program is in brackets and may hold spaces; fields 3 (state) and 22 (start) follow it.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        # Unknown, so that no process is ever taken for dead: others wait for the expiry.
        return f"unknown {secrets.token_hex(8)}"
