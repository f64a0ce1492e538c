"""Every write of a whole run fails, before and after it took effect, on both stores; the next run sets it right.

Three kinds of disturbance, so that each case stays short:

- crash: the second run of a workspace fails at one write, and nothing is written after it. Every write of
  lease, ingest, ledger and publish has its case. What workers build lies in the cache already, so that a
  case is spent on the writes that it is about.
- once: with an empty cache the first write of every artefact fails, one in each attempt, and the store goes
  on; so do the removals of an interrupted release.
- first run: an empty workspace, interrupted at its first, second, third … write, until an attempt ends.

Afterwards everything stored is what an undisturbed run stores, but for times and turns.
"""

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import small_corpus
from faulty_store import FaultyStore, T

from corpus_gov import artefacts, lease, pipeline, release, stages, workspace
from corpus_gov.engine import Engine
from corpus_gov.errors import StoreError
from corpus_gov.lease import Lease
from corpus_gov.store import TEMPORARY, LocalStore, MemoryStore, Store
from corpus_gov.workspace import Workspace

WRITES = {
    1: "turn",
    2: "latest turn",
    3: "source entry",
    4: "source tree",
    5: "source checkpoint",
    6: "captures",
    7: "documents",
    8: "snapshots",
    9: "captures without repeats",
    10: "documents without repeats",
    11: "batch",
    12: "batch entry",
    13: "batch tree",
    14: "batch checkpoint",
    15: "sources",
    16: "sources mark",
    17: "duplicates of one shard",
    18: "duplicates of one shard mark",
    19: "duplicates of the other",
    20: "duplicates of the other mark",
    21: "overrides",
    22: "overrides mark",
    23: "oldest captures",
    24: "oldest captures mark",
    25: "claim",
    26: "clean shard",
    27: "last clean shard",
    28: "manifest",
    29: "tree of the release",
    30: "run.json",
    31: "vkey",
    32: "statement.json",
    33: "release entry",
    34: "release tree",
    35: "release checkpoint",
    36: "exported checkpoint",
    37: "end of the turn",
}
"""Every write of the second run where the cache is full; the release checkpoint is the commit."""

CORPUS = {
    "a.jsonl": ("one", "two", "two again"),
    "b.jsonl": ("one", "one again", "three"),
}
"""Documents by file. `one` of b.jsonl is the line of a.jsonl; `again` is the same text at another address."""

DATED = re.compile(r"^ledger/|/(claim|run\.json|statement\.json|checkpoint\.txt)$")
"""Objects that hold a time, the number of a turn, or a digest of such a one."""


@dataclass
class StumblingStore(FaultyStore):
    """The first write of each name that starts with `prefix` fails; everything else goes on, also on other threads."""

    prefix: str = ""
    failed: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _write(self, name: str, write: Callable[[], T]) -> T:
        with self.lock:
            first = name.startswith(self.prefix) and name not in self.failed
            self.failed |= {name} if first else set()
        done = None if first and not self.persisted else write()
        if first:
            raise StoreError(f"{name}: first write failed on purpose")
        return done


@dataclass(frozen=True)
class Calm:
    """What undisturbed runs leave.

    Attributes:
        before: a workspace with r0001 of a.jsonl; b.jsonl and a changed dossier wait.
        primed: the same, with everything that the second run builds in the cache.
        after: what the second run leaves, as `contents` gives it.
        root: of its release.
        counts: of its run.json.
        checkpoint: of the ledger after the first run.
    """

    before: Path
    primed: Path
    after: Mapping[str, bytes]
    root: str
    counts: Mapping[str, Any]
    checkpoint: bytes


@pytest.fixture(scope="module", autouse=True)
def _settings(tmp_path_factory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(tmp_path_factory.mktemp("keys")))
        # Read from disk for every name of an artefact: half the time of runs as small as these.
        patch.setattr(artefacts, "version", cache(artefacts.version))
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
    before, primed, done = (folder / name for name in ("before", "primed", "done"))
    write_input(inputs, "a.jsonl")
    small_corpus.make(before, inputs)
    run(LocalStore(before), engine)
    write_input(inputs, "b.jsonl")
    dossier = before / "sources" / "one.yaml"
    dossier.write_text(dossier.read_text(encoding="utf-8") + "notes: changed\n", encoding="utf-8")
    shutil.copytree(before, done)
    outcome = run(LocalStore(done), engine)
    shutil.copytree(before, primed)
    shutil.copytree(done / "artefacts", primed / "artefacts", dirs_exist_ok=True)
    return Calm(
        before=before,
        primed=primed,
        after=contents(LocalStore(done)),
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


def new_store(kind: str, folder: Path | None, tmp_path: Path) -> Store:
    """Make a store that holds a copy of the workspace in `folder`."""
    if kind == "local":
        return LocalStore(shutil.copytree(folder, tmp_path / "workspace") if folder else tmp_path / "workspace")
    store, source = MemoryStore(str(tmp_path), list_delay=5), LocalStore(folder or tmp_path / "none")
    for name in source.list():
        store.put(name, source.read(name))
    settle(store)
    return store


def settle(store: Store) -> list[str]:
    """List until a listing that lags behind has caught up."""
    return [store.list() for _ in range(8)][-1]


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


def run_until_done(disturbed: Callable[[], Store], engine: Engine, check: Callable[[], None]) -> int:
    """Run on one disturbed store after the other until a run ends; returns how many failed."""
    for failures in count():
        try:
            run(disturbed(), engine)
        except StoreError as error:
            assert "on purpose" in str(error)
            check()
        else:
            return failures
    raise AssertionError


def contents(store: Store) -> dict[str, bytes]:
    """Read everything but the turns of the lease; what is dated reads as b''."""
    names = [name for name in settle(store) if not name.startswith("lease/")]
    return {name: b"" if DATED.search(name) else store.read(name) for name in names}


def unfinished(store: Store) -> list[str]:
    """Name what a start finishes or discards."""
    with opened(store) as corpus, Lease.take(store, "test") as held:
        return release.recover(store, held, corpus.ledger(), corpus.signer())


def check_whole(store: Store, calm: Calm) -> None:
    """Assert that r0001 verifies against what was kept of it, and that no release is half there."""
    assert release.verify(store, "r0001", None, [calm.checkpoint]).size == len(CORPUS["a.jsonl"])
    for name in release.releases(store):
        assert release.verify(store, name).release == name


def check_calm(store: Store, calm: Calm, outcome: pipeline.Outcome) -> None:
    """Assert that everything is as after an undisturbed run, and nothing is left over."""
    check_whole(store, calm)
    assert release.verify(store).root == calm.root
    assert outcome.run["counts"] == calm.counts
    assert contents(store) == calm.after
    assert lease.holder(store) is None
    assert unfinished(store) == []


def test_the_corpus_has_what_runs_differ_in(calm: Calm) -> None:
    """A repeated line, two duplicates and personal data take part, so that their writes are disturbed too."""
    assert calm.counts["captures"] == {"document": 5, "repeat": 1}
    assert calm.counts["dispositions"] == {"keep": 2, "redact": 1, "quarantine": 0, "drop": 2}


def test_the_table_has_every_write(kind: str, calm: Calm, engine: Engine, tmp_path: Path) -> None:
    """A run makes the writes of the table, so that none is left untested, and a full cache changes no result."""
    counted = FaultyStore(new_store(kind, calm.primed, tmp_path))

    outcome = run(counted, engine)

    assert counted.writes == len(WRITES)
    check_calm(counted.inner, calm, outcome)


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
@pytest.mark.parametrize("fail_at", WRITES, ids=WRITES.values())
def test_a_crash_at_any_write(
    kind: str, calm: Calm, engine: Engine, tmp_path: Path, fail_at: int, *, persisted: bool
) -> None:
    """The release before verifies after the crash, and the next run ends as if nothing had happened."""
    store = new_store(kind, calm.primed, tmp_path)

    with pytest.raises(StoreError, match="on purpose"):
        run(FaultyStore(store, fail_at, persisted), engine)
    check_whole(store, calm)
    outcome = run(store, engine)

    check_calm(store, calm, outcome)
    assert list(tmp_path.rglob(f"{TEMPORARY}*")) == []
