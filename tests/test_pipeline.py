"""What a run promises: the same root whatever the cut, conservation, and nothing done twice."""

import shutil
from pathlib import Path

import pyarrow.compute as pc
import pytest
import small_corpus

from corpus_gov import pipeline, release
from corpus_gov.engine import Engine
from corpus_gov.errors import StoreError
from corpus_gov.store import open_store


def run(workspace, workers: int = 1, **options):
    """Run with an engine of its own."""
    with Engine(workers=workers) as engine:
        return pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF, **options)


def root(workspace) -> str:
    """Verify the newest release and return its root."""
    report = release.verify(open_store(workspace.url), None, None, [])
    return report.root


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    small_corpus.write_inputs(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _keys(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


@pytest.fixture(scope="module")
def first(tmp_path_factory, inputs):
    """A run with one worker and one shard a file, to compare others with."""
    workspace = small_corpus.make(tmp_path_factory.mktemp("first") / "w", inputs)
    outcome = run(workspace)
    return workspace, outcome, root(workspace)


def test_counts_balance(first):
    """Every line is a capture, every document a manifest row with one disposition."""
    _, outcome, _ = first
    counts = outcome.run["counts"]

    assert counts["records"] == 64
    assert counts["captures"] == {"document": 60, "rejected": 3, "repeat": 1}
    assert sum(counts["dispositions"].values()) == counts["documents"] == 60


@pytest.mark.parametrize("shard_rows", [4, 7, 1000])
def test_shard_size_leaves_the_root(first, inputs, tmp_path, shard_rows):
    """The root does not depend on where shards are cut."""
    workspace = small_corpus.make(tmp_path / "w", inputs, shard_rows=shard_rows)

    run(workspace)

    assert root(workspace) == first[2]


def test_workers_leave_the_root(first, inputs, tmp_path):
    """Two processes, over more shards than there are of them, give the root of one."""
    workspace = small_corpus.make(tmp_path / "w", inputs, shard_rows=5)

    run(workspace, workers=2)

    assert root(workspace) == first[2]


def test_memory_store_leaves_the_root(first, inputs):
    """A store without rename, whose listing shows nothing before the run has ended, gives the same root."""
    workspace = small_corpus.make("memory://pipeline-root?list_delay=999999", inputs, shard_rows=9)
    assert workspace.store.list() == []

    run(workspace)

    assert root(workspace) == first[2]


def test_renamed_order_of_files_leaves_the_root(first, inputs, tmp_path):
    """Files that come in another order, under other names and in two runs, give the same root."""
    shuffled = tmp_path / "inputs"
    shuffled.mkdir()
    shutil.copy(inputs / "b.jsonl", shuffled / "a.jsonl")
    shutil.copy(inputs / "c.jsonl", shuffled / "c.jsonl")
    workspace = small_corpus.make(tmp_path / "w", shuffled)
    run(workspace)
    shutil.copy(inputs / "a.jsonl", shuffled / "b.jsonl")

    run(workspace)

    assert root(workspace) == first[2]


def test_second_run_publishes_nothing(first):
    """Without a change there is no new release."""
    workspace, outcome, _ = first

    again = run(workspace)

    assert (again.release, again.published) == (outcome.release, False)


def test_force_publishes_the_same_root(first):
    """A forced release of the same inputs has the same root and names its parent."""
    workspace, outcome, expected = first

    again = run(workspace, force=True)

    assert again.run["parent"] == outcome.release
    assert root(workspace) == expected


def test_duplicates_point_into_the_release(first):
    """Every duplicate drop names a kept or redacted document of the same release."""
    workspace, _, _ = first
    manifest = workspace.release().table("manifest")
    released = manifest.filter(pc.is_in(manifest["disposition"], pa_array(["keep", "redact"])))["doc_id"]
    dropped = manifest.filter(pc.is_valid(manifest["representative_id"]))

    assert len(dropped) == 6
    assert pc.all(pc.is_in(dropped["representative_id"], value_set=released.combine_chunks())).as_py()
    assert set(dropped["edge_similarity"].to_pylist()) == {10_000}


def pa_array(values):
    """Make an Arrow array of strings."""
    import pyarrow as pa

    return pa.array(values)


def test_damaged_artefact_is_built_again(first, inputs, tmp_path):
    """An artefact with a flipped byte is rebuilt, and the root stays."""
    workspace = small_corpus.make(tmp_path / "w", inputs)
    run(workspace)
    victim = next((tmp_path / "w" / "artefacts" / "findings.pii").glob("*.parquet"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(bytes(data))

    run(workspace, force=True)

    assert root(workspace) == first[2]


def test_a_screen_that_breaks_quarantines(inputs, tmp_path, monkeypatch):
    """Documents on which a screen raises are quarantined, never released unscreened."""
    from corpus_gov.screens import licence

    def broken(documents, rules):
        raise ZeroDivisionError

    monkeypatch.setattr(licence, "screen", broken)
    workspace = small_corpus.make(tmp_path / "w", inputs)

    outcome = run(workspace)

    assert outcome.run["counts"]["dispositions"] == {"keep": 0, "redact": 0, "quarantine": 60, "drop": 0}


def test_one_writer_at_a_time(first):
    """A second writer is refused while the first holds the lease."""
    workspace, _, _ = first
    other = pipeline.open_workspace(workspace.url)

    with workspace.writing(), pytest.raises(StoreError), other.writing():
        pass


def test_no_text_leaves_the_documents(first):
    """Tables for readers hold no e-mail address, phone or identity number."""
    workspace, _, _ = first
    opened = workspace.release()

    shown = [str(opened.table(name).to_pylist()) for name in ("manifest", "clean", "captures", "findings", "signals")]

    assert not [value for value in ("mei.lin@", "13800138000", "11010519491231002X") for text in shown if value in text]


def test_sql_sees_the_tables(first):
    """A query over manifest and documents gives DuckDB rows."""
    workspace, _, _ = first

    rows = workspace.release().sql("select count(*) from manifest join documents using (doc_id)").fetchall()

    assert rows == [(60,)]


def test_explain_leads_back_to_the_bytes(first, inputs):
    """From a manifest row to the line of the input that it came from."""
    workspace, _, _ = first
    opened = workspace.release()
    doc_id = opened.table("manifest").filter(pc.field("disposition") == "redact")["doc_id"][0].as_py()

    facts = opened.explain(doc_id)

    capture = facts["captures"][0]
    name = capture["record_file"]
    line = (inputs / name).read_bytes()[capture["record_offset"] :][: capture["record_length"]]
    assert facts["manifest"]["uri"].encode() in line
    assert facts["edits"]
    assert any(clause["fired"] for clause in facts["clauses"])
