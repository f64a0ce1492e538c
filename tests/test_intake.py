"""What an intake promises: nothing is overwritten, names do not matter, nothing vanishes or is shown unseen."""

import json
import shutil

import pytest
import small_corpus

from corpus_gov import intake, pipeline
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.release import verify

pytestmark = pytest.mark.usefixtures("_keys")


@pytest.fixture
def _keys(tmp_path, monkeypatch):
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))


@pytest.fixture(scope="module")
def engine():
    """One worker in this process, for all cases."""
    with Engine(workers=1) as running:
        yield running


@pytest.fixture
def inputs(tmp_path):
    small_corpus.write_inputs(tmp_path / "inputs", 12)
    return tmp_path / "inputs"


def run(workspace, engine, **options):
    """Run and verify; returns the root."""
    pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF, **options)
    return verify(workspace.store).root


def write_rows(path, rows) -> None:
    """Write JSON lines."""
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_another_word_for_the_same_format_reads_nothing_again(tmp_path, engine, inputs):
    """`auto` and the format that it means are one reading: no new shard, nothing overwritten."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    expected = run(workspace, engine)
    dossier = tmp_path / "w" / "sources" / "one.yaml"
    dossier.write_text(dossier.read_text().replace("format: jsonl", "format: auto"))

    again = pipeline.open_workspace(workspace.url)

    assert intake.ingest(again, engine) == 0
    assert run(again, engine) == expected


def test_reading_a_file_in_another_way_leaves_its_shards_alone(tmp_path, engine, inputs):
    """A changed field map reads the file again beside what was read before; no committed shard changes."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    run(workspace, engine)
    before = {path: path.read_bytes() for path in (tmp_path / "w" / "documents").rglob("*.parquet")}
    dossier = tmp_path / "w" / "sources" / "one.yaml"
    dossier.write_text(dossier.read_text() + "fields: {title: uri}\n")

    run(pipeline.open_workspace(workspace.url), engine)

    assert all(path.read_bytes() == data for path, data in before.items())


def test_which_copy_stays_does_not_depend_on_names(tmp_path, engine):
    """Two captures of one page with other times, in files whose names are swapped: the same root."""
    page = {"uri": "https://a.example/", "text": "The lock keeper reads the gauge before noon every day."}
    early, late = page | {"fetched_at": "2026-01-01T00:00:00Z"}, page | {"fetched_at": "2026-02-01T00:00:00Z"}
    other = {"uri": "https://b.example/", "text": page["text"], "fetched_at": "2026-01-15T00:00:00Z"}
    roots = []
    for number, (first, second) in enumerate([("a", "b"), ("b", "a")]):
        folder = tmp_path / f"inputs{number}"
        write_rows(folder / f"{first}.jsonl", [early, other])
        write_rows(folder / f"{second}.jsonl", [late, other])
        write_rows(folder / "c.jsonl", [page | {"uri": "https://c.example/", "text": "Another page about tea."}])
        roots.append(run(small_corpus.make(tmp_path / f"w{number}", folder), engine))

    assert roots[0] == roots[1]


def test_an_edited_batch_is_found(tmp_path, engine, inputs):
    """A shard that is taken out of a batch file stops the next run, and the release no longer verifies."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    run(workspace, engine)
    batch = next((tmp_path / "w" / "batches").iterdir())
    content = json.loads(batch.read_bytes())
    content["shards"].pop()
    batch.write_text(json.dumps(content))

    with pytest.raises(IntegrityError, match="batches/"):
        run(workspace, engine)
    with pytest.raises(IntegrityError, match="batches/"):
        verify(workspace.store)


def test_what_could_not_be_screened_is_not_shown(tmp_path, engine, monkeypatch):
    """Where the pii screen fails, captures and manifest show no address and no file name."""
    from corpus_gov.screens import pii

    def broken(documents, rules):
        raise ZeroDivisionError

    monkeypatch.setattr(pii, "screen", broken)
    write_rows(tmp_path / "inputs" / "a.jsonl", [{"uri": "https://a.example/?m=x@example.org", "text": "A page."}])
    write_rows(tmp_path / "inputs" / "c.jsonl", [{"uri": "https://c.example/", "text": "Other page."}])
    workspace = small_corpus.make(tmp_path / "w", tmp_path / "inputs")

    run(workspace, engine)

    release = workspace.release()
    assert (
        release.table("manifest", ["uri", "disposition"]).to_pylist()
        == [{"uri": None, "disposition": "quarantine"}] * 2
    )
    assert (
        release.table("captures", ["uri", "record_file"]).to_pylist()
        == [{"uri": None, "record_file": "[NOT_SCREENED]"}] * 2
    )


@pytest.mark.parametrize("line", ["A" * 32, "abc", "https://a.example/"])
def test_a_suppression_that_names_no_document_is_an_error(tmp_path, engine, inputs, line):
    """A line that could not suppress anything stops the run instead of being passed over."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    workspace.store.put("suppression/list.txt", f"{'0' * 32}\n{line}\n".encode())

    with pytest.raises(ConfigError, match=r"suppression/list\.txt: word 2"):
        run(workspace, engine)


def test_a_suppressed_document_is_dropped(tmp_path, engine, inputs):
    """A doc_id on the list is dropped, whatever else is said of it."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    run(workspace, engine)
    doc_id = workspace.release().table("manifest", ["doc_id"])["doc_id"][0].as_py()
    workspace.store.put("suppression/list.txt", doc_id.encode())

    run(workspace, engine)

    manifest = workspace.release().table("manifest", ["doc_id", "disposition", "reasons"]).to_pylist()
    row = next(row for row in manifest if row["doc_id"] == doc_id)
    assert row["disposition"] == "drop"
    assert "suppressed" in [reason["code"] for reason in row["reasons"]]


def test_a_broken_review_is_a_configuration_error(tmp_path, engine, inputs):
    """A review that is no JSON stops the run and names the file."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    workspace.store.put("reviews/0001.json", b"{")

    with pytest.raises(ConfigError, match=r"reviews/0001\.json"):
        run(workspace, engine)


def test_a_new_source_without_files_is_an_error(tmp_path, engine, inputs):
    """A pattern that matches nothing is a typo until the source has been read once."""
    workspace = small_corpus.make(tmp_path / "w", inputs, patterns=("*.jsonnl", "c.jsonl"))

    with pytest.raises(ConfigError, match="match no file"):
        run(workspace, engine)


def test_a_source_whose_files_are_gone_stays(tmp_path, engine, inputs):
    """Inputs may be deleted after they were read."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    expected = run(workspace, engine)
    shutil.rmtree(inputs)

    assert run(workspace, engine) == expected


def test_a_file_with_brackets_is_meant_as_it_is(tmp_path, engine):
    """--input names an existing file, even where its name looks like a pattern."""
    write_rows(tmp_path / "inputs" / "b[1].jsonl", [{"uri": "https://a.example/", "text": "A page about tea."}])
    workspace = pipeline.trial(tmp_path / "w", [str(tmp_path / "inputs" / "b[1].jsonl")], "try")

    run(workspace, engine)

    assert len(workspace.release().table("manifest")) == 1


def test_an_interrupted_append_is_finished_by_an_ingest(tmp_path, engine, inputs):
    """Whoever takes the lease next recovers, also when it only ingests."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    run(workspace, engine)
    ledger, entries = tmp_path / "w" / "ledger", sorted((tmp_path / "w" / "ledger" / "entries").iterdir())
    from datetime import UTC, datetime

    checkpoint = (ledger / "checkpoint").read_bytes()
    workspace.ledger().append("note", {}, {}, actor="pipeline", signer=workspace.signer(), time=datetime.now(UTC))
    (ledger / "checkpoint").write_bytes(checkpoint)

    assert intake.ingest(workspace, engine) == 0

    assert sum(1 for _ in workspace.ledger().entries()) == len(entries) + 1


def test_shards_that_no_batch_names_are_removed(tmp_path, engine, inputs):
    """What a crash left before its batch was committed is gone after the next intake; named shards stay."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    expected = run(workspace, engine)
    workspace.store.put("documents/one/0123456789abcdef.0.parquet", b"left by a crash")

    intake.ingest(workspace, engine)

    assert "documents/one/0123456789abcdef.0.parquet" not in workspace.store.list("documents/")
    assert verify(workspace.store).root == expected


def test_a_draft_of_yesterday_is_not_published(tmp_path, engine, inputs):
    """What changed between decide and publish stops the publication."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    intake.ingest(workspace, engine)
    draft = pipeline.decide(workspace, engine, pipeline.build(workspace, engine), small_corpus.AS_OF)
    workspace.store.put("suppression/list.txt", b"0" * 32)

    with pytest.raises(pipeline.StoreError, match="has changed since the draft"):
        pipeline.publish_changed(workspace, draft)


def test_a_dossier_is_not_replaced_by_a_first_try(tmp_path, inputs):
    """--input --source on a workspace with a real dossier of that name is refused."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    dossier = workspace.store.read("sources/one.yaml").decode().replace("kind: unassessed", "kind: own")
    workspace.store.put("sources/one.yaml", dossier.encode())

    with pytest.raises(ConfigError, match="kind 'own'"):
        pipeline.trial(tmp_path / "w", [str(inputs / "a.jsonl")], "one")
