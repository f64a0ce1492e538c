"""Screening again: the plan says what the run then does, only that is done, and holders learn what to give up."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
import small_corpus

from corpus_gov import artefacts, changes, config, handovers, overdue, release, removals, rescreen
from corpus_gov.engine import Engine
from corpus_gov.errors import AlarmError, ConfigError, IntegrityError, StoreError
from corpus_gov.pipeline import Outcome
from corpus_gov.store import LocalStore
from corpus_gov.workspace import Workspace, open_workspace

TODAY = small_corpus.AS_OF

PACK = """\
pack: own.words
version: 1
updated: '2026-11-01'
why: A test.
rules:
  - id: words.one
    version: 1
    screen: keywords
    params: {{columns: [text, title], words: {{one: [{words}]}}, find: [{{word: one}}]}}
    placeholder: '[WORD]'
    category: A1h
    why: A test.
    legal: [a.1]
    source: This test
    status: stable
    hits: [{first}]
    misses: [x]
"""

POLICY = """\
policy: own
version: 1
why: A test.
needs: [own.words]
clauses:
  - {{id: own.word, spans: [words.one], disposition: redact, category: A4f, legal: [a.1], why: A test.}}
  - {{id: own.ended, when: "source.status = 'expired'", disposition: drop, category: A3a, legal: [a.1], why: A test.}}
  - {{id: own.long, when: "n_chars > {most}", disposition: drop, category: A5b, legal: [a.1], why: A test.}}
election: {{order: [oldest, longest]}}
"""


class Inline(Engine):
    """Runs tasks at once, in the thread that asks."""

    def __enter__(self) -> Self:
        """Start nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop nothing."""

    def map(
        self, _stage: str, function: Callable[[Any], Any], items: Sequence[Any], _sizes: Sequence[int] | None = None
    ) -> list[Any]:
        """Run `function` on every item."""
        return [function(item) for item in items]


@dataclass
class Case:
    """A workspace of 40 documents in three shards, with rules of its own."""

    folder: Path

    def rules(self, words: Sequence[str] = ("bridge",), most: int = 100_000) -> None:
        """Write the pack and the policy."""
        own = self.folder / "rules" / "own"
        own.mkdir(parents=True, exist_ok=True)
        pack = PACK.format(words=", ".join(words), first=words[0])
        (own / "words.yaml").write_text(pack, encoding="utf-8")
        (self.folder / "rules" / "policies").mkdir(exist_ok=True)
        (self.folder / "rules" / "policies" / "own.yaml").write_text(POLICY.format(most=most), encoding="utf-8")

    def open(self) -> Workspace:
        """Open it under its own rules."""
        return open_workspace(self.folder / "w", rules_folder=self.folder / "rules")

    def rescreen(self, as_of: date = TODAY) -> Outcome:
        """Screen it again."""
        return rescreen.rescreen(self.open(), engine=Inline(workers=1), as_of=as_of)

    def plan(self, as_of: date = TODAY, **options: Any) -> dict[str, Any]:
        """Plan that."""
        return rescreen.plan(self.open(), Inline(workers=1), as_of, **options)

    def files(self) -> dict[str, bytes]:
        """Read every file of the workspace."""
        root = self.folder / "w"
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def clean(self, name: str) -> dict[str, bytes]:
        """Read the clean files of a release."""
        start = f"releases/{name}/clean/"
        return {file.removeprefix(start): data for file, data in self.files().items() if file.startswith(start)}

    def new_clean_files(self, outcome: Outcome) -> list[str]:
        """Name the clean tables that a run made, each file of its release being one of the build cache itself."""
        root = self.folder / "w"
        cached = [one["clean"] for one in outcome.run["artefacts"].values()]
        files = sorted((root / "releases" / outcome.release / "clean").rglob("*.parquet"))
        assert all(any(file.samefile(root / name) for name in cached) for file in files)
        before = {one["clean"] for one in self.open().release("r0001").run["artefacts"].values()}
        return sorted({*cached} - before)

    def decisions(self, name: str) -> dict[str, tuple[str, frozenset[str], str | None]]:
        """Return disposition, reasons and released digest by document."""
        rows = self.open().release(name).table("manifest", changes.COLUMNS).to_pylist()
        return {
            row["doc_id"]: (row["disposition"], frozenset(r["code"] for r in row["reasons"]), row["released_digest"])
            for row in rows
        }


def made(folder: Path) -> Case:
    """Make the workspace, with its first release."""
    case = Case(folder)
    case.rules()
    small_corpus.write_inputs(folder / "inputs", 40)
    workspace = small_corpus.make(folder / "w", folder / "inputs")
    settings = config.Settings(
        id=workspace.settings.id, name="small", owner="tests", policy="own", packs=("own.words",),
        near=config.NearSettings(preset="none"),
    )  # fmt: skip
    workspace.store.put("corpus-gov.toml", config.dump_settings(settings).encode())
    case.open().run(engine=Inline(workers=1), as_of=TODAY)
    return case


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Make it once."""
    folder = tmp_path_factory.mktemp("rescreen")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        yield made(folder).folder


@pytest.fixture
def case(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Copy it; inputs stay where they are."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    for part in ("w", "rules", "keys"):
        shutil.copytree(first / part, tmp_path / part)
    return Case(tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name every object that is read from a folder."""
    names: list[str] = []
    inner = LocalStore.read

    def noted(store: LocalStore, name: str, span: Any = None) -> bytes:
        names.append(name)
        return inner(store, name, span)

    monkeypatch.setattr(LocalStore, "read", noted)
    return names


def texts_read(names: Sequence[str]) -> set[str]:
    """Keep what holds texts."""
    return {name for name in names if name.startswith("documents/")}


def test_the_plan_of_nothing_is_nothing(case: Case) -> None:
    """Where nothing changed, nothing is made again, no decision changes, and no release is published."""
    planned, outcome = case.plan(), case.rescreen()

    assert (planned["inputs"], planned["recompute"], planned["relate"]) == ({}, [], False)
    assert planned["changes"] == {
        "exact": True, "documents": 0, "decisions": {}, "reasons_added": {}, "reasons_removed": {},
    }  # fmt: skip
    assert (outcome.release, outcome.published) == ("r0001", False)


def test_the_plan_says_what_the_run_makes(case: Case) -> None:
    """Of changed words the plan names the tables that the run then makes of texts, no other, and writes nothing."""
    case.rules(words=("bridge", "ferry"))
    before = case.files()
    planned = case.plan()
    assert case.files() == before

    case.rescreen()
    families = ("signals.", "findings.", "keys.")
    new = [name for name in {*case.files()} - {*before} if name.startswith("artefacts/") and name.endswith(".parquet")]
    built = [name.split("/")[1] for name in new if name.split("/")[1].startswith(families)]

    assert sorted(built) == sorted(one["family"] for one in planned["recompute"] for _ in range(one["shards"]))
    (row,) = planned["recompute"]
    assert (row["family"], row["shards"], row["why"]) == ("findings.keywords", 3, "rules changed: own.words")
    assert row["documents"] == 40
    assert planned["inputs"].keys() == {"rules_changed"}
    assert planned["changes"]["exact"] is False


def test_an_estimate_of_all_shards_is_what_happens(case: Case) -> None:
    """Where every shard is in the sample, the estimate has the documents whose own decisions change."""
    case.rules(words=("bridge", "ferry"))
    planned = case.plan(share=1.0)["changes"]
    case.rescreen()
    old, new = (case.decisions(name) for name in ("r0001", "r0002"))
    found = {name: {doc for doc, row in rows.items() if any(code.startswith("own.word") for code in row[1])}
             for name, rows in (("old", old), ("new", new))}  # fmt: skip
    moved = found["new"] - found["old"]

    assert planned["decisions"] == {"keep -> redact": len(moved)}
    assert len(moved) > 3
    assert planned["sample"]["shards"] == 3


def test_a_policy_is_planned_exactly_and_reads_no_text(case: Case, read: list[str]) -> None:
    """Of a changed policy the plan gives the decisions of the run, document by document counted; no text is read."""
    case.rules(most=420)
    planned = case.plan()
    assert texts_read(read) == set()
    outcome = case.rescreen()

    said = outcome.run["changes"]
    assert planned["recompute"] == []
    assert {name: planned["changes"][name] for name in ("documents", "decisions", "reasons_added")} == {
        name: said[name] for name in ("documents", "decisions", "reasons_added")
    }
    assert said["decisions"].keys() <= {"keep -> drop", "redact -> drop"}
    assert said["reasons_added"]["own.long"] == said["documents"] > 3
    assert planned["edges"] == 0


def test_a_policy_that_changes_no_outcome_rewrites_no_clean_file(case: Case, read: list[str]) -> None:
    """Where every document stays what it was no text is read, and clean files are those of the release before."""
    case.rules(most=99_999)
    read.clear()
    outcome = case.rescreen()

    assert outcome.release == "r0002"
    assert texts_read(read) == set()
    assert case.new_clean_files(outcome) == []
    assert len(case.clean("r0002")) == 3
    assert case.clean("r0002") == case.clean("r0001")


def test_only_clean_files_with_a_change_are_written(case: Case, read: list[str]) -> None:
    """Where one document goes, its shard alone is read and written; the other clean files are those of before."""
    lengths = {
        row["doc_id"]: len(row["text"]) for row in case.open().release().table("clean", ["doc_id", "text"]).to_pylist()
    }
    longest = sorted(lengths.values())
    case.rules(most=longest[-2])
    read.clear()
    outcome = case.rescreen()

    assert longest[-2] < longest[-1]
    assert outcome.run["changes"]["decisions"] in ({"keep -> drop": 1}, {"redact -> drop": 1})
    assert len(texts_read(read)) == 1
    old, new = case.clean("r0001"), case.clean("r0002")
    assert len(case.new_clean_files(outcome)) == 1
    assert sorted(old[name] == new[name] for name in new) == [False, True, True]
    assert release.verify(case.open().store, "r0001").size == release.verify(case.open().store, "r0002").size == 40


def test_an_expired_contract_counts_by_the_date_alone(case: Case) -> None:
    """A day after a basis ends its documents are dropped; nothing but the date was changed, and the plan said so."""
    workspace = case.open()
    dossier = workspace.dossiers["two"]
    ended = dossier.model_copy(update={"kind": "own", "responsible": "a", "valid_until": TODAY + timedelta(days=30)})
    name = "sources/two.yaml"
    workspace.store.put(name, config.dump_dossier(ended).encode())
    case.rescreen()
    later = TODAY + timedelta(days=31)
    planned, outcome = case.plan(later), case.rescreen(later)

    assert planned["inputs"] == {"sources_status": {"two": "valid -> expired"}, "as_of": f"{TODAY} -> {later}"}
    assert planned["recompute"] == []
    assert planned["changes"]["decisions"] == outcome.run["changes"]["decisions"]
    counts = outcome.run["counts"]["by_source"]
    assert (set(counts["two"]), "keep" in counts["one"]) == ({"drop"}, True)


def test_the_decision_diff_has_every_change(case: Case) -> None:
    """One row for each document with another disposition or another reason, sealed by its digest in run.json."""
    case.rules(words=("bridge", "ferry"), most=420)
    run = case.rescreen().run
    store, old, new = case.open().store, case.decisions("r0001"), case.decisions("r0002")
    rows = {row["doc_id"]: row for row in artefacts.get(store, run["changes"]["artefact"]).to_pylist()}

    assert rows.keys() == {doc for doc in new if old[doc][:2] != new[doc][:2]}
    assert list(rows) == sorted(rows)
    for doc, row in rows.items():
        assert (row["before"], row["after"]) == (old[doc][0], new[doc][0])
        assert set(row["reasons_added"]) == new[doc][1] - old[doc][1]
        assert set(row["reasons_removed"]) == old[doc][1] - new[doc][1]
    assert any("words.one@1" in row["rules_after"] for row in rows.values())
    assert run["changes"]["sha256"] == artefacts.digest(store, run["changes"]["artefact"])
    assert run["changes"]["since"] == "r0001"
    again = changes.decisions(changes.files_of(store, "r0001"), changes.files_of(store, "r0002"))
    assert again.to_pylist() == list(rows.values())


def test_holders_learn_what_to_give_up(case: Case, tmp_path: Path) -> None:
    """The list has each document that was released and is not now, or with other words taken out; and is signed."""
    case.rules(words=("bridge", "ferry"), most=420)
    case.rescreen()
    said = removals.write(case.open(), "r0001", tmp_path / "list")
    old, new = case.decisions("r0001"), case.decisions("r0002")
    rows = {
        row["doc_id"]: row for row in artefacts.decode((tmp_path / "list" / removals.LIST).read_bytes()).to_pylist()
    }

    assert rows.keys() == {doc for doc in old if old[doc][2] and old[doc][2] != new[doc][2]}
    assert {doc for doc, row in rows.items() if row["change"] == "removed"} == {doc for doc in rows if not new[doc][2]}
    assert all((row["released_digest"], row["released_now"]) == (old[doc][2], new[doc][2]) for doc, row in rows.items())
    assert (said["removed"] > 0, said["redacted"] > 0, said["removed"] + said["redacted"]) == (True, True, len(rows))
    found = removals.verify(tmp_path / "list", case.open().signer().vkey)
    assert (found["rows"], found["trusted"]) == (len(rows), [])
    assert release.verify(case.open().store).release == "r0002"


@pytest.mark.parametrize("victim", [removals.LIST, removals.CERTIFICATE])
def test_a_changed_list_is_refused(case: Case, tmp_path: Path, victim: str) -> None:
    """A changed byte of the list or of its certificate does not pass."""
    case.rules(most=420)
    case.rescreen()
    removals.write(case.open(), "r0001", tmp_path / "list")
    path = tmp_path / "list" / victim
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(IntegrityError):
        removals.verify(tmp_path / "list")


def test_a_list_is_for_those_who_hold_a_release(case: Case, tmp_path: Path) -> None:
    """A receiver that the register does not know, and a release that is none or not earlier, are refused."""
    case.rules(most=420)
    case.rescreen()
    workspace = case.open()
    handovers.add(workspace, "r0001", "Lab A", purpose="training", day=TODAY, actor="ann")

    assert removals.owed(workspace)[0]["receivers"] == ["Lab A"]
    assert len(removals.write(workspace, "r0001", tmp_path / "a", receiver="Lab A")["handovers"]) == 1
    for since, receiver in (("r0001", "Lab B"), ("r0009", None), ("r0002", None)):
        with pytest.raises(ConfigError):
            removals.write(workspace, since, tmp_path / "b", receiver=receiver)


def test_a_run_that_is_cut_off_is_finished(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while the release is written, it leaves the release before whole; running again publishes the next."""
    case.rules(most=420)
    inner = LocalStore.put_if_absent

    def failing(store: LocalStore, name: str, data: bytes) -> bool:
        if name.endswith("releases/r0002/run.json"):
            raise StoreError("cut off on purpose")
        return inner(store, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "put_if_absent", failing)
        with pytest.raises(StoreError, match="on purpose"):
            case.rescreen()
    assert case.open().releases() == ["r0001"]
    outcome = case.rescreen()

    assert (outcome.release, outcome.published) == ("r0002", True)
    assert {release.verify(case.open().store, name).size for name in ("r0001", "r0002")} == {40}


def test_what_is_overdue_is_said(case: Case) -> None:
    """Words that nobody went through for a week, and a corpus that nobody screened for a month, sound by name."""
    workspace = case.open()
    when = date.fromisoformat(workspace.release().run["when"][:10])
    names = [row["alarm"] for row in overdue.found(workspace, when + timedelta(days=31))]

    assert overdue.found(workspace, date(2026, 11, 8)) == []
    assert names == ["keywords_overdue:own.words", "rescreening_overdue"]
    rows = overdue.found(workspace, when + timedelta(days=31))
    with pytest.raises(AlarmError, match=r"words of own\.words: last gone through .* run rescreen"):
        overdue.check(rows, [])
    with pytest.raises(ConfigError, match="found 'no'"):
        overdue.check(rows, ["no"])
    overdue.check(rows, ["keywords_overdue", "rescreening_overdue"])
