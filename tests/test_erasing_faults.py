"""The fault table of erasure: whatever fails, releases verify as before or as after, and the next start finishes.

A write fails before or after it took effect, and nothing is written after it (a crash, kill -9), or only removals go
through from then on (a full disk). Every write of plan, shards, releases, ledger and clearing up has its case; of those
of the build cache the first and the last of each stage, and all of them in the slow table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from erasing_cases import MARK, Prepared, objects, prepare, texts
from faulty_store import FaultyStore, T

from corpus_gov import erasing, leakscan, release
from corpus_gov.errors import StoreError
from corpus_gov.store import Store
from corpus_gov.workspace import Workspace

WRITES = {
    "plan": "+erasures/0001.plan.json",
    "captures": "+captures/",
    "documents": "+documents/",
    "snapshots": "+snapshots/",
    "first artefact": "+artefacts/",
    "manifest": "+releases/r0001/manifest/",
    "clean documents": "+releases/r0001/clean/",
    "amendment": "+releases/r0001/amendments/",
    "manifest of the second": "+releases/r0002/manifest/",
    "second amendment": "+releases/r0002/amendments/",
    "record": "+erasures/0001.json",
    "ledger entry": "+ledger/entries/",
    "ledger tree": "+ledger/tree",
    "checkpoint": "+ledger/checkpoint",
    "old captures": "-captures/",
    "old snapshots": "-snapshots/",
    "old manifest": "-releases/r0001/manifest/",
    "old clean documents": "-releases/r0002/clean/",
    "first old artefact": "-artefacts/",
    "end of the plan": "-erasures/0001.plan.json",
}
"""The first write (+) or removal (-) of each kind, by the start of its name; the checkpoint is the commit."""

ORDER = list(WRITES)
COMMIT = ORDER.index("checkpoint")


@dataclass
class ListedStore(FaultyStore):
    """Lists the writes and removals; from a full one on only removals go through."""

    names: list[str] = field(default_factory=list)
    full: bool = False

    def put(self, name: str, data: bytes) -> None:
        """Write, or crash."""
        self.names.append(f"+{name}")
        super().put(name, data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write, or crash."""
        self.names.append(f"+{name}")
        return super().put_if_absent(name, data)

    def delete(self, name: str) -> None:
        """Delete, or crash where the disk is not full."""
        self.names.append(f"-{name}")
        if self.full and self.fail_at <= len(self.names):
            self.writes += 1
            return self.inner.delete(name)
        return super().delete(name)

    def _write(self, name: str, write: Callable[[], T]) -> T:
        if self.full and self.fail_at <= len(self.names):
            raise StoreError(f"{name}: no space left, on purpose")
        return super()._write(name, write)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Two releases of five documents."""
    with pytest.MonkeyPatch.context() as patched:
        yield prepare(tmp_path_factory.mktemp("prepared"), patched)


@pytest.fixture(scope="module")
def calm(prepared: Prepared) -> tuple[list[str], dict[str, bytes]]:
    """The writes of an undisturbed erasure, and what it leaves."""
    ours = prepared.copied()
    listed = ListedStore(ours.store)
    disturb(ours, listed, prepared.erased)
    return listed.names, objects(ours)


def disturb(ours: Workspace, store: Store, doc_id: str) -> None:
    """Erase with every write going through `store`."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Workspace, "store", property(lambda _: store))
        erasing.erase(ours, [doc_id], reason="request:1")


def number(writes: list[str], what: str) -> int:
    """Return the place of the first write of a kind, from 1; of what comes after the commit, the first behind it."""
    commit = writes.index(WRITES["checkpoint"]) if ORDER.index(what) > COMMIT else -1
    return next(at for at, name in enumerate(writes, 1) if at > commit and name.startswith(WRITES[what]))


def settled(name: str) -> bool:
    """Say of what names hold the same whatever happened on the way: no times, turns or entries."""
    return not name.startswith(("lease/", "ledger/", "erasures/")) and "/amendments/" not in name


def check(ours: Workspace, doc_id: str, calm: dict[str, bytes], *, committed: bool | None) -> None:
    """Look at a workspace after a failure, start again, and look at what that made of it."""
    vkey = ours.signer().vkey
    there = "erasures/0001.plan.json" in objects(ours)
    for name in ("r0001", "r0002"):
        found = release.verify(ours.store, name, vkey)
        assert committed is None or found.erased == committed
        assert sum(found.counts.values()) == 5 - found.erased
        assert any("erasure 0001" in one for one in found.unfinished) == there

    with ours.writing():
        said = list(ours.recovered)
    assert any("erasure 0001: finished" in one for one in said) == there
    if not there and "erasures/0001.json" not in objects(ours):
        erasing.erase(ours, [doc_id], reason="request:1")

    for name in ("r0001", "r0002"):
        found = release.verify(ours.store, name, vkey)
        assert (found.erased, found.unfinished) == (1, ())
    values = {**leakscan.of_text(texts()[1]), "mark": MARK.encode()}
    assert leakscan.scan(ours.store, values).found == ()
    left = objects(ours)
    assert {name: left[name] for name in left if settled(name)} == {name: calm[name] for name in calm if settled(name)}


# A write that was lost leaves what one that was the last to take effect before it does.
LOST = ("plan", "ledger entry", "checkpoint")


@pytest.mark.parametrize(("what", "persisted"), [*((what, True) for what in WRITES), *((what, False) for what in LOST)])
def test_a_crash_leaves_the_state_before_or_after(
    prepared: Prepared, calm: tuple[list[str], dict[str, bytes]], what: str, *, persisted: bool
) -> None:
    """Every release verifies, whole or with the row erased; the next start finishes, and nothing is left."""
    writes, left = calm
    at = number(writes, what)
    ours = prepared.copied()

    with pytest.raises(StoreError, match="on purpose"):
        disturb(ours, FaultyStore(ours.store, at, persisted), prepared.erased)

    place = ORDER.index(what)
    check(ours, prepared.erased, left, committed=place > COMMIT or (place == COMMIT and persisted))


@pytest.mark.parametrize("what", ["documents", "second amendment", "ledger tree", "first old artefact"])
def test_a_full_disk_is_no_end(prepared: Prepared, calm: tuple[list[str], dict[str, bytes]], what: str) -> None:
    """Where nothing can be written any more, releases verify, and with space again the next start finishes."""
    writes, left = calm
    at = number(writes, what)
    ours = prepared.copied()
    try:
        disturb(ours, ListedStore(ours.store, at, full=True), prepared.erased)
    except StoreError:
        check(ours, prepared.erased, left, committed=ORDER.index(what) > COMMIT)
    else:
        # Only removals were left.
        assert ORDER.index(what) > COMMIT


def test_the_table_has_every_kind_of_write(calm: tuple[list[str], dict[str, bytes]]) -> None:
    """What an erasure writes and removes, leases apart, is one of the kinds of the table, in its order."""
    names = [name for name in calm[0] if not name[1:].startswith("lease/")]
    kinds = {start.partition("/")[0] for start in WRITES.values()}
    # Old documents go with old captures.
    assert {name.partition("/")[0] for name in names} == kinds | {"-documents"}
    assert names[0] == WRITES["plan"]
    assert names[-1] == WRITES["end of the plan"]


@pytest.mark.slow
@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
def test_a_crash_at_any_write_at_all(
    prepared: Prepared, calm: tuple[list[str], dict[str, bytes]], *, persisted: bool
) -> None:
    """As above, at every write there is, those of the build cache too; recovery is cut off as well."""
    writes, left = calm
    for at in range(3, len(writes)):
        ours = prepared.copied()
        with pytest.raises(StoreError, match="on purpose"):
            disturb(ours, FaultyStore(ours.store, at, persisted), prepared.erased)
        faulty = FaultyStore(ours.store, at // 2 + 3, persisted)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Workspace, "store", property(lambda _, faulty=faulty: faulty))
            try:
                with ours.writing():
                    pass
            except StoreError:
                release.verify(faulty, "r0001", ours.signer().vkey)
        check(ours, prepared.erased, left, committed=None)
