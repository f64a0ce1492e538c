"""Every write of a whole run fails, before and after it took effect, on both stores; the next run sets it right.

Three kinds of disturbance, so that each case stays short:

- crash: the second run of a workspace fails at one write, and nothing is written after it. Every write of
  lease, ingest, ledger and publish has its case. What workers build lies in the cache already, so that a
  case is spent on the writes that it is about.
- once: with an empty cache the first write of every shard and artefact fails, one in each task of a stage, and the
  store goes on; so do the removals of an interrupted release, one in each attempt.
- first run: an empty workspace, interrupted at its first, second, third … write, until an attempt ends.

Afterwards everything stored is what an undisturbed run stores, but for times and turns.
"""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count, repeat
from pathlib import Path
from typing import Any

import pytest
import small_corpus
from faulty_store import FaultyStore, T

from corpus_gov import artefacts, intake, lease, pipeline, release, rules, stages, workspace
from corpus_gov.engine import Engine
from corpus_gov.errors import IntegrityError, StoreError
from corpus_gov.lease import Lease
from corpus_gov.store import TEMPORARY, LocalStore, MemoryStore, Store
from corpus_gov.workspace import Workspace

WRITES = {
    1: "lease: turn",
    2: "lease: latest turn",
    3: "ledger: source entry",
    4: "ledger: source tree",
    5: "ledger: source checkpoint",
    6: "captures: as read",
    7: "documents: as read",
    8: "snapshots: as read",
    9: "captures: without repeats",
    10: "documents: without repeats",
    11: "snapshots: without repeats",
    12: "captures: removal",
    13: "documents: removal",
    14: "snapshots: removal",
    15: "batches: batch",
    16: "ledger: batch entry",
    17: "ledger: batch tree",
    18: "ledger: batch checkpoint",
    19: "artefacts: pairs without a value",
    20: "artefacts: their digest",
    21: "artefacts: members as they stand",
    22: "artefacts: their digest",
    23: "artefacts: members, mark removed",
    24: "artefacts: members, removal",
    25: "artefacts: pairs, mark removed",
    26: "artefacts: pairs, removal",
    27: "releases: claim",
    28: "releases: clean shard",
    29: "releases: last clean shard",
    30: "releases: manifest",
    31: "releases: edits",
    32: "releases: tree",
    33: "releases: run.json",
    34: "releases: vkey",
    35: "releases: statement.json",
    36: "ledger: release entry",
    37: "ledger: release tree",
    38: "ledger: release checkpoint",
    39: "releases: exported checkpoint",
    40: "lease: end of the turn",
}
"""Every write of the second run where the cache is full, by its folder; the release checkpoint is the commit."""

AT = {what: at for at, what in WRITES.items()}

SHARDS = ("captures/", "documents/", "snapshots/")
CONTENT = (*SHARDS, "batches/", "artefacts/")
"""Where names say what they hold, so that an attempt finds what the one before it finished."""

FAMILIES = (
    "signals.quality", "signals.language", "signals.structure", "signals.perplexity", "findings.aigc",
    "findings.blocklist", "findings.bursts", "findings.encoding", "findings.keywords", "findings.licence",
    "findings.pii", "findings.poisoning", "findings.lines", "keys.exact", "keys.near", "keys.passages",
    "keys.clauses", "edges", "copies", "clusters", "told", "described", "optouts", "statements", "judged", "members",
    "duplicates", "oldest", "attribution", "clean", "decisions", "edits", "released", "rows", "manifest", "tree",
    "changes",
)  # fmt: skip
"""Every family of artefacts that the second run makes; verdicts and overrides are those of the first."""

ON_THE_WAY = ("measured.", "cuts.near", "lines", "ranges.lines")
"""Families that a run asks for only where edges or findings of lines are missing."""

BY_HISTORY = ("artefacts/measured.",)
"""Which pairs were compared together depends on what was known by then, and so after a failure; edges do not."""

CORPUS = {
    "a.jsonl": ("one", "two", "two again"),
    "b.jsonl": ("one", "one again", "three"),
}
"""Documents by file. `one` of b.jsonl is the line of a.jsonl; `again` is the same text at another address."""

DATED = re.compile(r"^ledger/|/(claim|run\.json|statement\.json|checkpoint\.txt)$")
"""Objects that hold a time, the number of a turn, or a digest of such a one."""


@dataclass
class ListedStore(FaultyStore):
    """Lists the names that are written."""

    names: list[str] = field(default_factory=list)

    def _write(self, name: str, write: Callable[[], T]) -> T:
        self.names.append(name)
        return super()._write(name, write)


@dataclass
class StumblingStore(FaultyStore):
    """The first write of each name that starts with one of `prefixes` fails; all else goes on, on any thread."""

    prefixes: tuple[str, ...] = ()
    failed: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _write(self, name: str, write: Callable[[], T]) -> T:
        with self.lock:
            first = name.startswith(self.prefixes) and name not in self.failed
            self.failed |= {name} if first else set()
        done = None if first and not self.persisted else write()
        if first:
            raise StoreError(f"{name}: first write failed on purpose")
        return done


class Inline(Engine):
    """Runs tasks at once, in the thread that asks: the same writes in the same order, in half the time."""

    def map(
        self,
        stage: str,  # noqa: ARG002 - its parent's
        function: Callable[[Any], T],
        items: Sequence[Any],
        sizes: Sequence[int] | None = None,  # noqa: ARG002 - its parent's
    ) -> list[T]:
        """Run `function` on every item."""
        return [function(item) for item in items]


class Abreast(Inline):
    """Runs the other tasks of a stage to their end where one fails, as workers do, and then gives up."""

    def map(
        self,
        stage: str,
        function: Callable[[Any], T],
        items: Sequence[Any],
        sizes: Sequence[int] | None = None,
    ) -> list[T]:
        """Run `function` on every item; raise what was raised first."""
        raised: list[StoreError] = []

        def tried(item: Any) -> T | None:
            try:
                return function(item)
            except StoreError as error:
                raised.append(error)

        done = super().map(stage, tried, items, sizes)
        if raised:
            raise raised[0]
        return done


@dataclass(frozen=True)
class Calm:
    """What undisturbed runs leave.

    Attributes:
        empty: a workspace where nothing was read yet, with everything that runs build in the cache.
        before: a workspace with r0001 of a.jsonl; b.jsonl and a changed dossier wait.
        primed: the same, with everything that the second run builds in the cache.
        after: what the second run leaves, as `contents` gives it.
        new: those names of it that were not there before.
        cached: the tables that the second run added to the build cache, and their bytes.
        root: of its release.
        counts: of its run.json.
        checkpoint: of the ledger after the first run.
    """

    empty: Path
    before: Path
    primed: Path
    after: Mapping[str, bytes]
    new: frozenset[str]
    cached: Mapping[str, bytes]
    root: str
    counts: Mapping[str, Any]
    checkpoint: bytes


@pytest.fixture(scope="module", autouse=True)
def _settings(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(tmp_path_factory.mktemp("keys")))
        # Worked out again for every name of an artefact: more than half the time of runs as small as these.
        patch.setattr(artefacts, "version", cache(artefacts.version))
        patch.setattr(rules, "concern", cache(rules.concern))
        patch.setattr(stages, "_load_packs", cache(stages._load_packs))
        yield


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One worker in this process, whose tasks write to the store of the test."""
    with Engine(workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """Folder of the input files."""
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="module")
def calm(tmp_path_factory, inputs: Path, engine: Engine) -> Calm:
    """Two runs that nothing disturbs."""
    folder = tmp_path_factory.mktemp("calm")
    empty, before, primed, done = (folder / name for name in ("empty", "before", "primed", "done"))
    write_input(inputs, "a.jsonl")
    small_corpus.make(before, inputs)
    # A source without a file would be refused.
    (before / "sources" / "two.yaml").unlink()
    shutil.copytree(before, empty)
    run(LocalStore(before), engine)
    write_input(inputs, "b.jsonl")
    dossier = before / "sources" / "one.yaml"
    dossier.write_text(dossier.read_text(encoding="utf-8") + "notes: changed\n", encoding="utf-8")
    shutil.copytree(before, done)
    outcome = run(LocalStore(done), engine)
    shutil.copytree(before, primed)
    for folder in (empty, primed):
        shutil.copytree(done / "artefacts", folder / "artefacts", dirs_exist_ok=True)
    after, known = contents(LocalStore(done)), contents(LocalStore(before))
    cached = {name for name in LocalStore(done).list("artefacts/") if name.endswith(".parquet")}
    cached -= {*LocalStore(before).list("artefacts/")}
    return Calm(
        empty=empty,
        before=before,
        primed=primed,
        after=after,
        new=frozenset(after.keys() - known.keys()),
        cached={name: LocalStore(done).read(name) for name in cached},
        root=release.verify(LocalStore(done)).root,
        counts=outcome.run["counts"],
        checkpoint=(before / "ledger" / "checkpoint").read_bytes(),
    )


@pytest.fixture(params=["local", "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kinds of store that everything must hold on."""
    return request.param


def write_input(folder: Path, name: str) -> None:
    """Write a file of CORPUS; the text `one` holds an e-mail address."""
    words = dict(zip(("one", "two", "three"), small_corpus.texts(3), strict=True))
    words["one"] += f"\n{small_corpus.CONTACT[0]}"
    rows = [
        {"text": words[key.removesuffix(" again")], "uri": f"https://site.example/{key.replace(' ', '-')}"}
        for key in CORPUS[name]
    ]
    (folder / name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def new_store(kind: str, folder: Path, tmp_path: Path) -> Store:
    """Make a store that holds a copy of the workspace in `folder`."""
    if kind == "local":
        return LocalStore(shutil.copytree(folder, tmp_path / "workspace"))
    store, source = MemoryStore(str(tmp_path), list_delay=5), LocalStore(folder)
    for name in source.list():
        store.put(name, source.read(name))
    settle(store)
    return store


def settle(store: Store) -> list[str]:
    """List until a listing that lags behind has caught up."""
    return [store.list() for _ in range(getattr(store, "list_delay", 0) + 2)][-1]


@contextmanager
def opened(store: Store) -> Iterator[Workspace]:
    """Open the workspace of a store so that everybody gets that very store, workers as well."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (stages, workspace):
            patch.setattr(module, "open_store", lambda _: store)
        yield workspace.open_workspace(store.url)


def run(store: Store, engine: Engine) -> pipeline.Outcome:
    """Run the pipeline on a store."""
    with opened(store) as corpus:
        return pipeline.run(corpus, engine=engine, as_of=small_corpus.AS_OF)


def run_until_done(stores: Iterable[Store], engine: Engine, check: Callable[[], None]) -> pipeline.Outcome:
    """Run on one store after the other, and `check` what each failed attempt left, until one ends."""
    for store in stores:
        try:
            return run(store, engine)
        except StoreError as error:
            if "on purpose" not in str(error):
                raise
            check()
    raise AssertionError


def contents(store: Store) -> dict[str, bytes]:
    """Read everything but the turns of the lease; what is dated reads as b''."""
    names = [name for name in settle(store) if not name.startswith(("lease/", *BY_HISTORY))]
    return {name: b"" if DATED.search(name) else store.read(name) for name in names}


def unfinished(store: Store) -> list[str]:
    """Name what a start finishes or discards."""
    with opened(store) as corpus, Lease.take(store, "test") as held:
        return release.recover(store, held, corpus.ledger(), corpus.signer())


def check_before(store: Store, calm: Calm) -> None:
    """Assert that r0001 is the only release, and whole."""
    assert release.verify(store, None, None, [calm.checkpoint], deep=False).release == "r0001"


def check_whole(store: Store, calm: Calm) -> None:
    """Assert that the ledger goes on from where it was and that each of its releases verifies."""
    names = release.releases(store)
    assert names in (["r0001"], ["r0001", "r0002"])
    for name in names:
        assert release.verify(store, name, None, [calm.checkpoint]).release == name


def check_calm(store: Store, calm: Calm, outcome: pipeline.Outcome) -> None:
    """Assert that everything is as after an undisturbed run, and nothing is left over."""
    report = release.verify(store, None, None, [calm.checkpoint])
    assert (report.release, report.root) == ("r0002", calm.root)
    assert outcome.run["counts"] == calm.counts
    assert contents(store) == calm.after
    assert lease.holder(store) is None
    assert unfinished(store) == []


def check_first(store: Store) -> None:
    """Assert that there is no release, or the first one and whole."""
    assert release.releases(store) in ([], ["r0001"])
    for name in release.releases(store):
        assert release.verify(store, name).release == name


def strays(store: Store) -> list[str]:
    """Name the stored tables of shards that no batch names."""
    with opened(store) as corpus:
        named = {shard.name(table) for shard in corpus.shards() for table in shard.digests}
    return [name for name in settle(store) if name.startswith(SHARDS) and name not in named]


def tables(calm: Calm, family: str = "") -> list[str]:
    """Name what the second run adds to the build cache, without the digests."""
    return sorted(name for name in calm.cached if name.startswith(f"artefacts/{family}"))


def test_the_corpus_has_what_runs_differ_in(calm: Calm) -> None:
    """A repeated line, two duplicates, personal data and every family take part, so that their writes are disturbed."""
    families = {re.sub(r"^(measured\.).*", r"\1", name.split("/")[1]) for name in tables(calm)}
    assert families == {*FAMILIES, *ON_THE_WAY}
    assert calm.counts["captures"] == {"document": 5, "repeat": 1}
    assert calm.counts["dispositions"] == {"keep": 2, "redact": 1, "quarantine": 0, "drop": 2}


def test_the_table_has_every_write(kind: str, calm: Calm, engine: Engine, tmp_path: Path) -> None:
    """A run makes the writes of the table, so that none is left untested, and a full cache changes no result."""
    store = ListedStore(new_store(kind, calm.primed, tmp_path))

    outcome = run(store, engine)

    assert [name.split("/")[0] for name in store.names] == [what.split(":")[0] for what in WRITES.values()]
    check_calm(store.inner, calm, outcome)


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
@pytest.mark.parametrize(
    "fail_at", [at for at, what in WRITES.items() if not what.startswith("artefacts")], ids=WRITES.get
)
def test_a_crash_at_any_write(kind: str, calm: Calm, tmp_path: Path, fail_at: int, *, persisted: bool) -> None:
    """The release before verifies after the crash, and the next run ends as if nothing had happened."""
    store = new_store(kind, calm.primed, tmp_path)

    with pytest.raises(StoreError, match="on purpose"):
        run(FaultyStore(store, fail_at, persisted), Inline())
    check_whole(store, calm)
    outcome = run(store, Inline())

    check_calm(store, calm, outcome)
    assert list(tmp_path.rglob(f"{TEMPORARY}*")) == []


@pytest.mark.parametrize(("kind", "persisted"), [("local", True), ("memory", False)], ids=["persisted", "lost"])
def test_every_write_of_a_shard_or_artefact_fails_once(
    kind: str, calm: Calm, tmp_path: Path, *, persisted: bool
) -> None:
    """Attempt after attempt meets another failure, and the last one ends as if nothing had happened.

    Some dozens of attempts each: the other two pairs of store and fault would only leave the same objects again.
    """
    store = new_store(kind, calm.before, tmp_path)
    disturbed = StumblingStore(store, persisted=persisted, prefixes=CONTENT)

    outcome = run_until_done(repeat(disturbed), Abreast(), lambda: check_before(store, calm))

    assert disturbed.failed >= {name for name in calm.new if name.startswith(CONTENT)}
    check_calm(store, calm, outcome)


def test_tasks_that_outlive_their_run_do_no_harm(kind: str, calm: Calm, engine: Engine, tmp_path: Path) -> None:
    """A failure in a worker ends the run while its other tasks write on; the last run ends as if undisturbed."""
    store = new_store(kind, calm.before, tmp_path)
    prefixes = ("documents/", "artefacts/judged/", "artefacts/clean/")
    disturbed = StumblingStore(store, prefixes=prefixes)

    outcome = run_until_done(repeat(disturbed), engine, lambda: check_whole(store, calm))

    # A task that outlives its run opens the store itself, and then writes what did not fail.
    assert {prefix for prefix in prefixes if any(name.startswith(prefix) for name in disturbed.failed)} == set(prefixes)
    check_calm(store, calm, outcome)


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
def test_the_removal_of_an_interrupted_release_is_interrupted(
    kind: str, calm: Calm, tmp_path: Path, *, persisted: bool
) -> None:
    """Removing each file of a half-written release fails once, and still nothing of it is left in the end."""
    store = new_store(kind, calm.primed, tmp_path)
    with pytest.raises(StoreError, match="on purpose"):
        run(FaultyStore(store, AT["releases: statement.json"], persisted=True), Inline())
    disturbed = StumblingStore(store, persisted=persisted, prefixes=("releases/r0002/",))

    outcome = run_until_done(repeat(disturbed), Inline(), lambda: check_whole(store, calm))

    assert disturbed.failed == {name for name in calm.after if name.startswith("releases/r0002/")}
    check_calm(store, calm, outcome)


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
def test_a_first_run_that_is_interrupted_ever_later(kind: str, calm: Calm, tmp_path: Path, *, persisted: bool) -> None:
    """After each attempt a new workspace has no release or a whole one; in the end the root is that of calm runs."""
    store = new_store(kind, calm.empty, tmp_path)
    disturbed = (FaultyStore(store, fail_at, persisted) for fail_at in count(1))

    outcome = run_until_done(disturbed, Inline(), lambda: check_first(store))

    assert (outcome.release, release.verify(store).root) == ("r0001", calm.root)
    assert outcome.run["counts"] == calm.counts
    assert strays(store) == []
    assert lease.holder(store) is None
    assert unfinished(store) == []


@pytest.mark.parametrize("what", ["ledger: batch entry", "ledger: batch checkpoint"])
def test_ingest_alone_goes_on_after_a_crash(calm: Calm, tmp_path: Path, what: str) -> None:
    """`ingest`, called by itself after a crash, finishes what the crash cut off."""
    store = new_store("memory", calm.primed, tmp_path)
    with pytest.raises(StoreError, match="on purpose"):
        run(FaultyStore(store, AT[what], persisted=True), Inline())

    with opened(store) as corpus:
        intake.ingest(corpus, Inline())

    check_calm(store, calm, run(store, Inline()))


@pytest.mark.parametrize(
    "what", ["releases: claim", "releases: vkey", "ledger: release entry", "ledger: release checkpoint"]
)
def test_publish_alone_goes_on_after_a_crash(calm: Calm, tmp_path: Path, what: str) -> None:
    """`publish_changed`, called again with the same draft after a crash, as a flow does, publishes it once."""
    store = new_store("memory", calm.primed, tmp_path)
    with opened(store) as corpus:
        intake.ingest(corpus, Inline())
        draft = pipeline.decide(corpus, Inline(), pipeline.build(corpus, Inline()), small_corpus.AS_OF)
    # Before its claim a publication makes the two writes of its turn.
    faulty = FaultyStore(store, AT[what] - AT["releases: claim"] + 3, persisted=True)
    with opened(faulty) as corpus, pytest.raises(StoreError, match="on purpose"):
        pipeline.publish_changed(corpus, draft)

    with opened(store) as corpus:
        outcome = pipeline.publish_changed(corpus, draft)

    check_calm(store, calm, outcome)


def test_unfinished_artefacts_are_built_again(kind: str, calm: Calm, tmp_path: Path) -> None:
    """Artefacts that were cut off before their digest was written count for nothing."""
    store = new_store(kind, calm.primed, tmp_path)
    for name in tables(calm):
        store.put(name, calm.cached[name][:20])
        store.delete(name.replace(".parquet", ".sha256"))

    check_calm(store, calm, run(store, Inline()))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_damaged_artefact_is_built_again(calm: Calm, tmp_path: Path, family: str) -> None:
    """Artefacts that are no longer what their digest says are built anew, of whatever family."""
    store = new_store("memory", calm.primed, tmp_path)
    damaged = tables(calm, f"{family}/")
    for name in damaged:
        store.put(name, calm.cached[name][:20])

    outcome = run(store, Inline())

    assert damaged
    check_calm(store, calm, outcome)


@pytest.mark.parametrize("family", ON_THE_WAY)
def test_damage_on_the_way_is_built_again(calm: Calm, tmp_path: Path, family: str) -> None:
    """Where edges and findings of lines have to be made once more, nothing damaged goes into them."""
    store = new_store("memory", calm.primed, tmp_path)
    damaged = tables(calm, family)
    for name in [*damaged, *tables(calm, "clusters/"), *tables(calm, "edges/"), *tables(calm, "findings.lines/")]:
        store.put(name, calm.cached[name][:20])

    outcome = run(store, Inline())

    assert damaged
    check_calm(store, calm, outcome)


@pytest.mark.parametrize("table", ["captures", "documents"])
def test_a_damaged_shard_stops_the_run(kind: str, calm: Calm, tmp_path: Path, table: str) -> None:
    """A flipped byte in a stored shard is an integrity failure that names the file; put right, the run goes on."""
    store = new_store(kind, calm.before, tmp_path)
    with pytest.raises(StoreError, match="on purpose"):
        run(FaultyStore(store, AT["ledger: batch checkpoint"] + 1), Inline())
    for name in (name for name in calm.after if name.startswith(f"{table}/")):
        data = bytearray(calm.after[name])
        data[len(data) // 2] ^= 1
        store.put(name, bytes(data))

    with pytest.raises(IntegrityError, match=rf"^{table}/one/[0-9a-f]{{16}}\.0\.parquet: SHA-256"):
        run(store, Inline())

    check_whole(store, calm)
    for name in (name for name in calm.after if name.startswith(f"{table}/")):
        store.put(name, calm.after[name])
    check_calm(store, calm, run(store, Inline()))
