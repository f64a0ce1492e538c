"""Which keys count at each entry of a log: the pipeline's own, which may be rotated, and those of registered actors.

Read entry by entry, in order:

1. The pipeline's key signs every entry. One of type KEY_ROTATED names its successor, carries the signatures of both,
   and is covered by a checkpoint of the successor, which signs whatever follows.
2. An actor's key counts from the entry after the KEY_ADDED one that names it, until another key of that name is added.

So whoever holds any of the pipeline's keys, old or new, gets from it to all others by signatures alone.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from corpus_gov.checkpoints import Checkpoint
from corpus_gov.entries import KEY_ADDED, KEY_ROTATED, PIPELINE, Entry
from corpus_gov.errors import IntegrityError
from corpus_gov.signatures import Verifier, carries


@dataclass
class Keyring:
    """The keys of a log, as far as its entries were read.

    Attributes:
        first: the pipeline's key at the beginning.
        rotated: index of each entry that named a successor, with it.
        actors: the key in force of each actor, by name.
    """

    first: Verifier
    rotated: list[tuple[int, Verifier]] = field(default_factory=list)
    actors: dict[str, Verifier] = field(default_factory=dict)

    @property
    def pipeline(self) -> list[Verifier]:
        """All keys that the pipeline had, oldest first."""
        return [self.first, *(key for _, key in self.rotated)]

    def at(self, index: int) -> Verifier:
        """Return the pipeline's key that signs entry `index`, and a checkpoint of so many entries."""
        return next((key for since, key in reversed(self.rotated) if index > since), self.first)

    def admit(self, entry: Entry, where: str) -> None:
        """Check every signature of the next entry, and learn the key that it adds.

        Raises:
            IntegrityError: names `where`.
        """
        now = self.at(entry.index)
        known = {key.reference: key for key in (now, *self.actors.values())}
        if entry.type == KEY_ROTATED:
            new = _successor(entry, now, where)
            entry.verify({**known, new.reference: new}, now, where)
            self.rotated.append((entry.index, new))
            return
        entry.verify(known, now, where)
        if entry.type == KEY_ADDED:
            added = entry.added_key(where)
            if added.name == now.name and added != now:
                raise IntegrityError(
                    f"{where}: adds {added.reference!r} under the pipeline's name, which only {KEY_ROTATED!r} may do; "
                    "it was not written by corpus_gov"
                )
            self.actors[added.name] = added

    def open(self, note: bytes, origin: str, where: str) -> Checkpoint:
        """Read a checkpoint that the pipeline signed with the key that it had at this size.

        Raises:
            IntegrityError: names `where`.
        """
        signed = next((key for key in reversed(self.pipeline) if carries(note, key)), self.pipeline[-1])
        found = Checkpoint.open(note, signed, origin, where)
        if self.at(found.size) != signed:
            raise IntegrityError(
                f"{where}: {found.size} entries signed by {signed.reference!r}, expected "
                f"{self.at(found.size).reference!r}, the pipeline's key at that size; a key was used outside its time"
            )
        return found


def rotations(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return, as JSON for `linked`, what a proof must show of how the pipeline's key came to be another."""
    return [json.loads(entry.encode()) for entry in entries if entry.type == KEY_ROTATED]


def linked(start: Verifier, shown: Sequence[Any], origin: str, where: str) -> Keyring:
    """Return the pipeline's keys that rotations lead to from one of them; each holds by its two signatures alone.

    Args:
        start: any of those keys, trusted.
        shown: of `rotations`, one after the other.
        origin: name of the log.
        where: for messages.

    Raises:
        IntegrityError: a signature does not hold, or none of the keys is `start`.
    """
    entries = [Entry.shown(one, KEY_ROTATED, where) for one in shown]
    ring = Keyring(entries[0].replaced_key(where) if entries else start)
    for entry in entries:
        if entry.origin != origin or (ring.rotated and entry.index <= ring.rotated[-1][0]):
            raise IntegrityError(f"{where}: the rotations are not in the order of one log; it was changed")
        ring.admit(entry, where)
    if start not in ring.pipeline:
        raise IntegrityError(f"{where}: the rotations do not lead to {start.reference!r}; it is of another workspace")
    return ring


def _successor(entry: Entry, now: Verifier, where: str) -> Verifier:
    new = entry.added_key(where)
    if entry.type != KEY_ROTATED or entry.actor != PIPELINE or new.name != now.name or new == now:
        raise IntegrityError(f"{where}: {new.reference!r} is no successor of {now.reference!r}; it was changed")
    if {*entry.signatures} != {now.reference, new.reference}:
        raise IntegrityError(
            f"{where}: signed by {sorted(entry.signatures)!r}, expected the old key {now.reference!r} and the new one "
            f"{new.reference!r}; it was not written by corpus_gov"
        )
    return new
