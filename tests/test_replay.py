"""Deciding a release again: it comes out the same, and what was changed is found by document and column."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import small_corpus
from typer.testing import CliRunner

from corpus_gov import artefacts, cli, fulfilment, overlay, replay
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.store import LocalStore, MemoryStore, Missing, open_store
from corpus_gov.workspace import Workspace


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_corpus.prepared(tmp_path_factory.mktemp("made"))


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    return small_corpus.copied(made, tmp_path, monkeypatch)


def named(workspace: Workspace, kind: str) -> list[str]:
    """Name the artefacts of a kind that the release rests on."""
    return [names[kind] for names in workspace.release().run["artefacts"].values()]


def forge(workspace: Workspace, artefact: str, table: pa.Table) -> None:
    """Put another table in the place of an artefact, mark and all."""
    artefacts.put(workspace.store, artefact, artefacts.encode(table))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_release_comes_out_the_same(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """Every document, and each sample, comes out the same, and nothing in the workspace changes."""
    before = contents(tmp_path / "workspace")

    every = replay.replay(workspace, documents=None, engine=engine)
    some = replay.replay(workspace, "r0001", 2, engine=engine)

    assert (every.asked, every.same, every.erased, every.rebuilt, every.notes) == (6, 6, 0, 0, ())
    assert (some.asked, some.same) == (2, 2)
    assert contents(tmp_path / "workspace") == before


def test_a_changed_finding_is_found(workspace: Workspace, engine: Engine) -> None:
    """Without a finding the document is kept as it is: row, clean text and edits differ, and each is named."""
    for name in named(workspace, "findings.pii"):
        forge(workspace, name, artefacts.get(workspace.store, name).slice(0, 0))

    with pytest.raises(IntegrityError, match="come out otherwise") as caught:
        replay.replay(workspace, documents=None, engine=engine)

    redacted = workspace.release().table("manifest").filter(pc.field("disposition") == "redact")["doc_id"].to_pylist()
    assert redacted
    for doc_id in redacted:
        assert doc_id in str(caught.value)
    for column in ("manifest.disposition", "manifest.released_digest", "clean.text", "edits.placeholder"):
        assert column in str(caught.value)
    assert "example.org" not in str(caught.value)


def test_a_changed_signal_is_found(workspace: Workspace, engine: Engine) -> None:
    """A signal that a clause reads, and another language, change decisions and are found."""
    for name in named(workspace, "signals.language"):
        table = artefacts.get(workspace.store, name)
        at = table.schema.get_field_index("code")
        forge(workspace, name, table.set_column(at, table.schema.field(at), pa.array(["fr"] * len(table))))

    with pytest.raises(IntegrityError, match=r"manifest\.language"):
        replay.replay(workspace, documents=None, engine=engine)


def test_a_damaged_artefact_is_built_again(workspace: Workspace, engine: Engine) -> None:
    """Evidence that is gone or damaged is built again from the documents, and counted."""
    first, *_ = named(workspace, "findings.pii")
    artefacts.remove(workspace.store, first)
    second = named(workspace, "signals.quality")[0]
    workspace.store.put(second, workspace.store.read(second)[:-1])

    found = replay.replay(workspace, documents=None, engine=engine)

    assert (found.same, found.rebuilt) == (6, 2)


def test_a_clean_text_that_does_not_follow_is_found(workspace: Workspace, engine: Engine) -> None:
    """A release that was sealed with another clean text than its findings give does not come out the same."""
    for name in workspace.store.list("artefacts/clean/"):
        if name.endswith(".parquet"):
            table = artefacts.get(workspace.store, name)
            at = table.schema.get_field_index("licence")
            forge(workspace, name, table.set_column(at, table.schema.field(at), pa.array(["CC0-1.0"] * len(table))))
    workspace.run(engine=engine, as_of=small_corpus.AS_OF, force=True)

    with pytest.raises(IntegrityError, match=r"r0002: \d documents come out otherwise: .*clean\.licence"):
        replay.replay(workspace, documents=None, engine=engine)


def test_a_changed_file_of_the_release_is_found(workspace: Workspace, engine: Engine, tmp_path: Path) -> None:
    """A clean file that is not what the statement says is named before anything is compared with it."""
    file = next((tmp_path / "workspace" / "releases" / "r0001" / "clean").rglob("*.parquet"))
    file.write_bytes(file.read_bytes() + b"x")

    with pytest.raises(IntegrityError, match="r0001/clean/"):
        replay.replay(workspace, documents=None, engine=engine)


def test_another_policy_is_found(workspace: Workspace, engine: Engine) -> None:
    """A policy of other bytes than the release was decided by is refused, with both digests."""
    workspace.policy = "strict"
    with pytest.raises(ConfigError, match="r0001 was decided by"):
        replay.replay(workspace, engine=engine)


def test_what_people_changed_since_does_not_count(workspace: Workspace, engine: Engine) -> None:
    """Overrides, suppressions and dossiers of today say nothing of a release of yesterday."""
    row = workspace.release().table("manifest").slice(0, 1).to_pylist()[0]
    review = {"override_id": "o1", "doc_id": row["doc_id"], "disposition": "drop", "actor": "me", "expires": None}
    workspace.store.put("reviews/o1.json", json.dumps(review | {"legal": ""}).encode())
    workspace.dossiers.clear()

    assert replay.replay(workspace, documents=None, engine=engine).same == 6


def test_what_was_erased_is_said_and_the_rest_comes_out_the_same(workspace: Workspace, engine: Engine) -> None:
    """A tombstone is decided again like any row; of a release whose row is gone that row is counted, and no other."""
    day = date(2026, 11, 20)
    (gone,) = workspace.release().table("manifest", ["doc_id"]).slice(2, 1)["doc_id"].to_pylist()
    name = fulfilment.ask(
        workspace, "doc_id", gone, requester="data_subject", basis="eu.gdpr.17", received=day, today=day, actor="li.na"
    ).request
    fulfilment.fulfil(workspace, name, today=day)
    workspace.run(engine=engine, as_of=small_corpus.AS_OF)

    suppressed = replay.replay(workspace, "r0002", documents=None, engine=engine)
    assert len(fulfilment.fulfil(workspace, name, today=day, physical=True).erased) == 1
    after = replay.replay(workspace, "r0002", documents=None, engine=engine)

    # It has the tombstone, and never had more.
    assert (suppressed.asked, suppressed.same, suppressed.erased, suppressed.notes) == (6, 6, 0, ())
    assert (after.asked, after.same, after.erased, after.unsettled) == (6, 6, 0, 0)
    told = CliRunner().invoke(
        cli.app, ["verify", workspace.url, "--release", "r0001", "--replay", "all", "--workers", "1"]
    )
    assert "r0001 is complete: 6 rows, 1 of them erased." in told.output
    assert "replay: 5 of 6 documents" in told.output
    assert "1 were erased, nobody can decide them again" in told.output


def test_the_sample_follows_from_the_root() -> None:
    """Nobody can choose the sample: it is the same for a root, and another for another root."""
    ids = [f"{number:032x}" for number in range(50)]
    one, other = replay.chosen("a", ids, 10), replay.chosen("b", ids, 10)

    assert one == replay.chosen("a", ids[::-1], 10) == sorted(one)
    assert len({*one}) == 10
    assert one != other
    assert replay.chosen("a", ids, None) == ids


def test_the_command(made: Path, workspace: Workspace, tmp_path: Path) -> None:
    """`verify --replay` says how many came out the same; a number or all is asked for, and nothing else."""
    run, asked = CliRunner(), ["verify", str(tmp_path / "workspace"), "--workers", "1"]

    told = run.invoke(cli.app, [*asked, "--replay", "all"])
    facts = json.loads(run.invoke(cli.app, [*asked, "--replay", "3", "--json"]).output)

    assert (told.exit_code, "replay: 6 of 6 documents" in told.output) == (0, True)
    assert (facts["replay"]["asked"], facts["replay"]["same"]) == (3, 3)
    for wrong in (["--replay", "0"], ["--replay", "some"], ["--replay", "3", "--shard", "x"]):
        assert isinstance(run.invoke(cli.app, [*asked, *wrong]).exception, ConfigError)


def test_an_overlay_hides_and_keeps(tmp_path: Path) -> None:
    """Conclusions of the store below are hidden, evidence shows, and writes and removals stay above."""
    below, above = LocalStore(tmp_path / "below"), MemoryStore(tmp_path.name)
    for name in ("documents/a", "artefacts/clean/a.parquet", "artefacts/findings.pii/a.parquet"):
        below.put(name, name.encode())
    overlay.put_aliases(above, {"artefacts/findings.pii/b.parquet": "artefacts/findings.pii/a.parquet"})
    store = open_store(overlay.Overlay(above, below).url)

    store.put("documents/a", b"new")
    store.put("artefacts/clean/c.parquet", b"c")

    assert (store.read("documents/a"), below.read("documents/a")) == (b"new", b"documents/a")
    assert store.read("artefacts/findings.pii/b.parquet") == b"artefacts/findings.pii/a.parquet"
    assert store.list("artefacts/clean/") == ["artefacts/clean/c.parquet"]
    store.delete("documents/a")
    assert store.read("documents/a") == b"documents/a"
    with pytest.raises(Missing):
        store.read("artefacts/clean/a.parquet")
    with pytest.raises(StoreError):
        store.put_if_absent("ledger/checkpoint", b"")
    with pytest.raises(ConfigError):
        open_store("overlay://x")
