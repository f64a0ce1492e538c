"""Every write of publish and of recovery fails once, before and after it took effect, on both stores.

After sunlight's fault tables: whatever happens, a release is there and verifies, or is not there at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faulty_store import FaultyStore, T
from small_release import NOW, content, new_ledger, new_store, register

from corpus_gov import lease as leases
from corpus_gov import release
from corpus_gov.errors import StoreError
from corpus_gov.lease import Lease
from corpus_gov.ledger import Signer
from corpus_gov.release import Content, Release
from corpus_gov.store import Store

SIGNER = Signer("test", Ed25519PrivateKey.from_private_bytes(b"s" * 32))
WRITES = {
    1: "claim",
    2: "clean shard",
    3: "last clean shard",
    4: "manifest file",
    5: "last manifest file",
    6: "edits",
    7: "tree",
    8: "run.json",
    9: "vkey",
    10: "statement.json",
    11: "ledger entry",
    12: "ledger tree",
    13: "checkpoint",
    14: "exported checkpoint",
}
"""Every write of publish; the checkpoint is the commit."""


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store with one release."""
    store = new_store(request.param, tmp_path)
    register(new_ledger(store), SIGNER)
    start(store)
    return store


def start(store: Store, writes: Store | None = None, made: Content | None = None) -> Release:
    """Recover and publish like a run; `writes` is the store that the publication is written to."""
    writes = writes or store
    made = made or content(store)
    with Lease.take(store, "test") as lease:
        release.recover(store, lease, new_ledger(store), SIGNER)
        return release.publish(writes, lease, new_ledger(writes), SIGNER, made, time=NOW)


def recover(store: Store, writes: Store | None = None) -> list[str]:
    """Start without anything to publish."""
    writes = writes or store
    with Lease.take(store, "test") as lease:
        return release.recover(writes, lease, new_ledger(writes), SIGNER)


def leftovers(store: Store) -> list[str]:
    """Name the files under releases/ that belong to no committed release."""
    there = [store.list("releases/") for _ in range(8)][-1]
    known = tuple(f"releases/{name}/" for name in release.releases(store))
    return [name for name in there if not name.startswith(known)]


def test_the_table_has_every_write(store: Store) -> None:
    """A publication makes the fourteen writes of the table, so that none is left untested."""
    counted = FaultyStore(store)

    start(store, counted)

    assert counted.writes == len(WRITES)


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
@pytest.mark.parametrize("fail_at", WRITES, ids=WRITES.values())
def test_a_crash_leaves_a_whole_release_or_none(store: Store, fail_at: int, *, persisted: bool) -> None:
    """The release before verifies after the crash; a new start finishes or removes what was left, and goes on."""
    made = content(store, 2)

    with pytest.raises(StoreError, match="on purpose"):
        start(store, FaultyStore(store, fail_at, persisted), made)

    assert release.verify(store, "r0001", SIGNER.vkey).size == 10
    committed = fail_at > 13 or (fail_at == 13 and persisted)
    assert release.releases(store) == ["r0001", "r0002"][: 1 + committed]

    recover(store)
    # An entry that reached the ledger is finished, whatever became of the tree and the checkpoint.
    finished = fail_at > 11 or (fail_at == 11 and persisted)
    assert release.releases(store) == ["r0001", "r0002"][: 1 + finished]
    assert leftovers(store) == []
    assert recover(store) == []

    again = start(store, made=made)
    assert again.name == ("r0003" if finished else "r0002")
    assert again.root == made.root
    for name in release.releases(store):
        assert release.verify(store, name, SIGNER.vkey).release == name


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
@pytest.mark.parametrize("crash_at", [1, 5, 10, 11, 12, 13], ids=lambda at: f"crash at {WRITES[at]}")
def test_a_crash_during_recovery_is_recovered_from(store: Store, crash_at: int, *, persisted: bool) -> None:
    """Recovery may be cut off at any of its writes, again and again, and still ends in the same place."""
    made = content(store, 2)
    with pytest.raises(StoreError, match="on purpose"):
        start(store, FaultyStore(store, crash_at, persisted=True), made)

    fail_at, done = 0, False
    while not done:
        fail_at += 1
        faulty = FaultyStore(store, fail_at, persisted)
        try:
            recover(store, faulty)
        except StoreError:
            release.verify(store, "r0001", SIGNER.vkey, deep=False)
        else:
            done = True

    assert leftovers(store) == []
    finished = crash_at >= 11
    assert release.releases(store) == ["r0001", "r0002"][: 1 + finished]
    assert start(store, made=made).root == made.root
    assert release.verify(store, None, SIGNER.vkey).root == made.root


def test_a_crash_of_the_first_release_leaves_nothing(tmp_path: Path) -> None:
    """A workspace whose first run crashed has no release, and its second run makes r0001."""
    store = new_store("local", tmp_path)
    with pytest.raises(StoreError, match="on purpose"):
        start(store, FaultyStore(store, fail_at=10))

    assert release.releases(store) == []
    assert start(store).name == "r0001"
    assert release.verify(store, None, SIGNER.vkey).release == "r0001"


@dataclass
class SleepyStore(FaultyStore):
    """Before write number `fail_at` the writer sleeps, and `meanwhile` happens."""

    meanwhile: Callable[[], object] = print

    def _write(self, name: str, write: Callable[[], T]) -> T:  # noqa: ARG002 - as its parent has it
        self.writes += 1
        if self.writes == self.fail_at:
            self.meanwhile()
        return write()


@pytest.mark.parametrize("asleep_at", range(1, 12), ids=lambda at: f"asleep at {WRITES[at]}")
def test_a_writer_that_slept_through_its_lease_harms_nothing(store: Store, asleep_at: int) -> None:
    """It wakes after another one took over and published under the same number, and fails; that release stays whole."""
    other = content(store, 2)
    sleeper = Lease.take(store, "sleeper")

    def take_over() -> None:
        expired = replace(sleeper._turn, expires=0.0)
        store.put(leases._name(expired.fencing), leases._encode(expired))
        start(store, made=other)

    sleepy = SleepyStore(store, asleep_at, meanwhile=take_over)
    with pytest.raises(StoreError):
        release.publish(sleepy, sleeper, new_ledger(sleepy), SIGNER, content(store, 3), time=NOW)

    assert release.releases(store) == ["r0001", "r0002"]
    assert release.verify(store, None, SIGNER.vkey).root == other.root
    assert recover(store) == []
