"""Every write of an erasure and of a re-screening, lost or kept, and kill -9: whole before or after, never half.

A crash leaves what was stored up to some write: the last one kept, or the next one lost, is the same. So each act is
carried out once, its writes are noted, and every state on the way is made from them, those of the build cache too.
What `verify` says of a state is looked up where it read the very same objects before. That a store which fails, a disk
that is full, and a process that is killed leave such states is shown by some of each.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from erasing_cases import MARK, Prepared, objects, prepare, texts
from faulty_store import FaultyStore, T
from small_corpus import AS_OF

from corpus_gov import erasing, leakscan, release, rescreen, stages, store
from corpus_gov.engine import Engine
from corpus_gov.errors import StoreError
from corpus_gov.release import Report
from corpus_gov.store import MemoryStore
from corpus_gov.workspace import Workspace

Write = tuple[str, bytes | None]
"""A name and what was written under it; None where it was removed."""

SEALED = ("releases/", "ledger/", "erasures/", "batches/")
"""What `verify` reads; a test holds it to that by showing it nothing else."""

PLAN = "erasures/0001.plan.json"
OTHER = "strict"
"""Another policy than the one that the corpus was released by."""


@dataclass
class Made:
    """A workspace, an act on it that went well, and what is known of states on the way."""

    prepared: Prepared
    writes: list[Write]
    left: dict[str, bytes]
    seen: dict[tuple[str, frozenset[tuple[str, bytes]]], Report] = field(default_factory=dict)

    @property
    def commit(self) -> int:
        """The number of the write from which on it counts: the last checkpoint."""
        return max(at for at, (name, _) in enumerate(self.writes, 1) if name == "ledger/checkpoint")

    def after(self, number: int) -> Workspace:
        """Make the workspace that a crash after so many writes leaves."""
        ours = self.prepared.copied()
        for name, data in self.writes[:number]:
            if data is None:
                ours.store.delete(name)
            else:
                ours.store.put(name, data)
        return ours

    def verify(self, ours: Workspace, name: str) -> Report:
        """Verify a release, once for each content of what is sealed."""
        sealed = {one: data for one, data in objects(ours).items() if one.startswith(SEALED)}
        key = (name, frozenset(sealed.items()))
        if key not in self.seen:
            alone = secrets.token_hex(8)
            store._SPACES[alone] = store._Space(sealed, set(sealed))
            self.seen[key] = release.verify(MemoryStore(alone), name, ours.signer().vkey)
        return self.seen[key]


@contextmanager
def noted(of: Workspace) -> Iterator[list[Write]]:
    """Note what is written to the store of a workspace, by whomever."""
    found: list[Write] = []
    put, absent, delete = MemoryStore.put, MemoryStore.put_if_absent, MemoryStore.delete

    def note(store: MemoryStore, name: str, data: bytes | None) -> None:
        if store.url == of.url:
            found.append((name, data))

    def writes(store: MemoryStore, name: str, data: bytes) -> None:
        note(store, name, data)
        put(store, name, data)

    def writes_once(store: MemoryStore, name: str, data: bytes) -> bool:
        if done := absent(store, name, data):
            note(store, name, data)
        return done

    def removes(store: MemoryStore, name: str) -> None:
        note(store, name, None)
        delete(store, name)

    with pytest.MonkeyPatch.context() as patched:
        for name, one in (("put", writes), ("put_if_absent", writes_once), ("delete", removes)):
            patched.setattr(MemoryStore, name, one)
        yield found


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Two releases of five documents; rule packs are read once, since every start would read them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stages, "_load_packs", cache(stages._load_packs))
        yield prepare(tmp_path_factory.mktemp("prepared"), patched)


def carried_out(prepared: Prepared, act: Callable[[Workspace], Any]) -> Made:
    """Carry an act out on a copy of a workspace, and note its writes."""
    ours = prepared.copied()
    with noted(ours) as writes:
        act(ours)
    return Made(prepared, writes, objects(ours))


def erase(doc_id: str, ours: Workspace) -> None:
    """Take the bytes of a document away."""
    erasing.erase(ours, [doc_id], reason="request:1")


def screen(engine: Engine, ours: Workspace) -> bool:
    """Screen again by another policy; says whether there was anything to publish."""
    ours.policy = OTHER
    return rescreen.rescreen(ours, engine=engine, as_of=AS_OF).published


@pytest.fixture(scope="module")
def erased(prepared: Prepared) -> Made:
    return carried_out(prepared, partial(erase, prepared.erased))


@pytest.fixture(scope="module")
def screened(prepared: Prepared, engine: Engine) -> Made:
    return carried_out(prepared, partial(screen, engine))


def settled(name: str) -> bool:
    """Say of what names hold the same whatever happened on the way: no times, turns or entries."""
    return not name.startswith(("lease/", "ledger/", "erasures/")) and "/amendments/" not in name


def finish(made: Made, ours: Workspace) -> None:
    """Start again after a crash of an erasure, and hold what that leaves against an undisturbed one."""
    there = PLAN in objects(ours)
    with ours.writing():
        said = list(ours.recovered)
    assert any("erasure 0001: finished" in one for one in said) == there
    if "erasures/0001.json" not in objects(ours):
        erase(made.prepared.erased, ours)
    left = objects(ours)
    assert {name: left[name] for name in left if settled(name)} == {
        name: data for name, data in made.left.items() if settled(name)
    }
    for name in ("r0001", "r0002"):
        found = made.verify(ours, name)
        assert (found.erased, found.unfinished) == (1, ())


def test_every_write_of_an_erasure(erased: Made) -> None:
    """After each write releases verify, whole or without the row from the checkpoint on; the next start finishes."""
    kinds = {name.partition("/")[0] for name, _ in erased.writes}
    assert kinds == {"lease", "erasures", "captures", "documents", "snapshots", "artefacts", "releases", "ledger"}
    assert PLAN in dict(erased.writes)

    for number in range(len(erased.writes) + 1):
        ours = erased.after(number)
        for name in ("r0001", "r0002"):
            found = erased.verify(ours, name)
            gone = number >= erased.commit
            assert (found.erased, sum(found.counts.values())) == (gone, 5 - gone), number
            assert any("erasure 0001" in one for one in found.unfinished) == (PLAN in objects(ours)), number
        # A table of the cache counts from its mark on: a start from before it is one from behind it with less to do.
        if not (number and erased.writes[number - 1][0].endswith(".sha256")):
            finish(erased, ours)

    values = {**leakscan.of_text(texts()[1]), "mark": MARK.encode()}
    assert leakscan.scan(ours.store, values).found == ()


def test_a_start_that_finishes_an_erasure_may_be_cut_off(erased: Made) -> None:
    """Recovery that is interrupted half way, at points all along the erasure, is finished by the one after it."""
    for number in range(3, len(erased.writes), 24):
        first = erased.after(number)
        with noted(first) as writes, first.writing():
            pass
        ours = erased.after(number)
        for name, data in writes[: len(writes) // 2]:
            ours.store.delete(name) if data is None else ours.store.put(name, data)
        for name in ("r0001", "r0002"):
            erased.verify(ours, name)
        finish(erased, ours)


def test_every_write_of_a_rescreening(screened: Made, engine: Engine) -> None:
    """After each write the releases that are there verify; from each, screening again ends as if undisturbed."""
    roots = {"r0003": screened.verify(screened.after(len(screened.writes)), "r0003").root}
    names = {name for name in screened.left if name.startswith("releases/")}
    points = range(len(screened.writes) + 1)

    for number in points:
        ours = screened.after(number)
        there = ours.releases()
        assert there == ["r0001", "r0002", "r0003"][: 2 + (number >= screened.commit)], number
        for name in there:
            found = screened.verify(ours, name)
            assert (sum(found.counts.values()), found.unfinished) == (5, ()), number
    # Runs read whatever is in the cache: they start from where lease, ledger or releases are written, and at the ends.
    for number in points:
        name = screened.writes[number - 1][0] if number else "releases"
        if name.startswith(("releases", "ledger")) or number == len(screened.writes):
            ours = screened.after(number)
            screen(engine, ours)
            assert ours.releases() == ["r0001", "r0002", "r0003"], number
            assert screened.verify(ours, "r0003").root == roots["r0003"], number
            assert {one for one in objects(ours) if one.startswith("releases/")} == names, number


@dataclass
class FullStore(FaultyStore):
    """From a write on the disk is full: nothing can be written, and removals go through."""

    def delete(self, name: str) -> None:
        """Delete."""
        self.writes += 1
        self.inner.delete(name)

    def _write(self, name: str, write: Callable[[], T]) -> T:
        self.writes += 1
        if self.writes >= self.fail_at:
            raise StoreError(f"{name}: no space left, on purpose")
        return write()


def crashed(prepared: Prepared, failing: Callable[[Workspace], FaultyStore]) -> set[str]:
    """Erase with a store that fails, and name what is left but for leases."""
    ours = prepared.copied()
    faulty = failing(ours)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Workspace, "store", property(lambda _: faulty))
        with pytest.raises(StoreError, match="on purpose"):
            erase(prepared.erased, ours)
    return {name for name in objects(ours) if not name.startswith("lease/")}


def test_what_a_store_that_fails_leaves(prepared: Prepared, erased: Made) -> None:
    """A write that is lost or kept before a crash, and a disk that is full, leave a state of the table above."""
    states = [
        {name for name in objects(erased.after(number)) if not name.startswith("lease/")}
        for number in range(len(erased.writes) + 1)
    ]
    written = [data is not None for _, data in erased.writes]

    for number in range(4, erased.commit + 12, 23):
        for kept in (False, True):
            left = crashed(prepared, lambda ours: FaultyStore(ours.store, number, kept))  # noqa: B023 - called at once
            assert left == states[number - 1 + kept], number
        last = next(at for at in range(number, len(written)) if written[at - 1])
        full = crashed(prepared, lambda ours: FullStore(ours.store, number))  # noqa: B023
        assert full == states[last - 1], number


KILLED = """
import os, signal, sys
from corpus_gov import erasing
from corpus_gov.store import LocalStore
from corpus_gov.workspace import open_workspace

folder, doc_id, act, last = sys.argv[1:]

def deadly(method):
    def write(store, *given):
        done = method(store, *given)
        if any(isinstance(one, str) and one.startswith(last) for one in given):
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return write

for name in ("put", "put_if_absent", "share", "delete"):
    setattr(LocalStore, name, deadly(getattr(LocalStore, name)))
workspace = open_workspace(folder)
if act == "erase":
    erasing.erase(workspace, [doc_id], reason="request:1")
else:
    from corpus_gov import rescreen
    from corpus_gov.engine import Engine
    from small_corpus import AS_OF
    workspace.policy = act
    with Engine(workers=1) as engine:
        rescreen.rescreen(workspace, engine=engine, as_of=AS_OF)
"""


def kill(ours: Workspace, doc_id: str, act: str, last: str) -> None:
    """Carry an act out in a process of its own, which is killed right after the first write under a name."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", KILLED, ours.url, doc_id, act, last]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-400:]


@pytest.mark.parametrize(
    ("last", "there"), [("releases/r0002/amendments/001.json", False), ("ledger/checkpoint", True)]
)
def test_an_erasure_that_is_killed(prepared: Prepared, tmp_path: Path, last: str, *, there: bool) -> None:
    """Kill -9 before and after the commit: releases verify as before or as after, and the next start finishes."""
    ours = prepared.on_disk(tmp_path / "workspace")
    vkey = ours.signer().vkey

    kill(ours, prepared.erased, "erase", last)

    assert [release.verify(ours.store, name, vkey).erased for name in ("r0001", "r0002")] == [there, there]
    # The lease of a process that is gone is taken over.
    with ours.writing():
        assert ours.recovered == ["erasure 0001: finished, it was interrupted"]
    assert [release.verify(ours.store, name, vkey).erased for name in ("r0001", "r0002")] == [1, 1]
    assert leakscan.scan(ours.store, {"mark": MARK.encode()}).found == ()


def test_a_rescreening_that_is_killed(prepared: Prepared, screened: Made, engine: Engine, tmp_path: Path) -> None:
    """Kill -9 in the middle of a release leaves the one before; screening again publishes what was to be."""
    ours = prepared.on_disk(tmp_path / "workspace")

    kill(ours, prepared.erased, OTHER, "releases/r0003/manifest/")

    assert ours.releases() == ["r0001", "r0002"]
    assert release.verify(ours.store, "r0002", ours.signer().vkey).unfinished == ()
    assert screen(engine, ours)
    expected = screened.verify(screened.after(len(screened.writes)), "r0003").root
    assert release.verify(ours.store, "r0003", ours.signer().vkey).root == expected
