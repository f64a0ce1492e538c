"""From inputs to a verified release: the examples' known answers, golden files, and real archives."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import golden
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import zstandard

from corpus_gov import demo, pipeline, release
from corpus_gov.engine import Engine
from corpus_gov.pipeline import Outcome
from corpus_gov.store import open_store
from corpus_gov.workspace import Release, Workspace, open_workspace

VERIFIER = Path(__file__).parent.parent / "docs" / "verify_manifest.py"


class Example(NamedTuple):
    """The example corpus after a run, and what should have come of it."""

    workspace: Workspace
    outcome: Outcome
    answers: Mapping[str, Any]

    @property
    def release(self) -> Release:
        """The release that the run published."""
        return self.workspace.release(self.outcome.release)


@pytest.fixture(scope="module", autouse=True)
def _keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


@pytest.fixture(scope="module")
def example(_keys: None, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """One run over the example corpus."""
    folder = tmp_path_factory.mktemp("example") / "demo"
    workspace = demo.prepare(folder)
    with Engine(workers=1) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=demo.AS_OF)
    return Example(workspace, outcome, json.loads((folder / "answers.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def decided(example: Example) -> dict[tuple[str, str], dict[str, Any]]:
    """Manifest rows by source and by the address as it was recorded, not as it was redacted."""
    rows = {row["doc_id"]: row for row in example.release.table("manifest").to_pylist()}
    recorded = example.release.table("documents", ["doc_id", "source_id", "uri"]).to_pylist()
    return {(one["source_id"], one["uri"]): rows[one["doc_id"]] | {"recorded": one["uri"]} for one in recorded}


def test_every_record_ends_as_known(example: Example) -> None:
    """Each file has so many documents, repeats, evidence, skipped and rejected records as the answers say."""
    captures = example.release.table("captures", ["record_file", "part", "outcome"]).to_pylist()

    found: dict[str, Counter[str]] = {}
    for capture in captures:
        found.setdefault(capture["record_file"], Counter())[capture["outcome"]] += 1

    assert found == {Path(file).name: counts for file, counts in example.answers["records"].items()}
    assert len(captures) == example.outcome.run["counts"]["records"]


def test_totals_are_known(example: Example) -> None:
    """So many documents are kept, redacted, quarantined and dropped."""
    counts = example.outcome.run["counts"]

    assert counts["dispositions"] == example.answers["dispositions"]
    assert counts["documents"] == len(example.answers["documents"])
    assert (example.outcome.published, example.outcome.run["provisional"]) == (True, False)


def test_every_document_is_decided_as_known(example: Example, decided: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Each document has the disposition that was planted for it, and no document is without an answer."""
    expected = {(one["source_id"], one["uri"]): one["disposition"] for one in example.answers["documents"]}

    found = {key: row["disposition"] for key, row in decided.items()}

    assert {key: (found.get(key), known) for key, known in expected.items() if found.get(key) != known} == {}
    assert found.keys() == expected.keys()


def test_every_reason_is_among_those_given(example: Example, decided: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Each reason that was planted is told, beside others."""
    codes = {key: [reason["code"] for reason in row["reasons"]] for key, row in decided.items()}

    missing = [
        (one["uri"], reason)
        for one in example.answers["documents"]
        for reason in one["reasons"]
        if not any(code.startswith(reason) for code in codes[one["source_id"], one["uri"]])
    ]

    assert missing == []


def test_copies_are_represented_as_known(example: Example, decided: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Each dropped copy names the original that is released."""
    recorded = {row["doc_id"]: row["recorded"] for row in decided.values()}
    expected = {
        (one["source_id"], one["uri"]): one["representative"]
        for one in example.answers["documents"]
        if one["representative"]
    }

    found = {key: recorded.get(decided[key]["representative_id"]) for key in expected}

    assert {key: (found[key], known) for key, known in expected.items() if found[key] != known} == {}


def test_the_release_verifies(example: Example) -> None:
    """Against the key and the checkpoint that were kept elsewhere nothing is taken on trust."""
    store, vkey = example.workspace.store, example.workspace.signer().vkey

    report = release.verify(store, example.outcome.release, vkey, [store.read("ledger/checkpoint")])

    assert report.counts == example.answers["dispositions"]
    assert report.size == len(example.answers["documents"])
    assert [name for name, done, _ in report.checks if not done] == []


def test_a_stranger_can_verify_the_manifest(example: Example) -> None:
    """The verifier of the documentation, which shares no code with the package, computes the same root."""
    root = release.verify(example.workspace.store, example.outcome.release).root
    folder = Path(str(example.workspace.root), "releases", example.outcome.release)

    done = subprocess.run([sys.executable, str(VERIFIER), str(folder)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, f"ok: {len(example.answers['documents'])} rows, root {root}\n")


def test_a_second_run_publishes_nothing(example: Example) -> None:
    """The same inputs, rules, keys and date leave releases and ledger as they are."""
    workspace = open_workspace(example.workspace.url)
    before = lasting(workspace)

    with Engine(workers=1) as engine:
        again = pipeline.run(workspace, engine=engine, as_of=demo.AS_OF)

    assert (again.release, again.published, again.recovered) == (example.outcome.release, False, ())
    assert lasting(workspace) == before


def lasting(workspace: Workspace) -> dict[str, bytes]:
    """Read all that a release consists of or rests on."""
    folders = ("releases/", "ledger/", "batches/", "documents/", "captures/", "snapshots/")
    return {name: workspace.store.read(name) for folder in folders for name in workspace.store.list(folder)}


@pytest.fixture(scope="module")
def crawl(_keys: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The golden files of the tiny crawl as the code makes them now."""
    return golden.crawl_files(tmp_path_factory.mktemp("golden") / "w")


@pytest.mark.parametrize("name", [golden.MANIFEST, golden.CLEAN])
def test_the_tiny_crawl_is_the_golden_one(crawl: dict[str, str], name: str) -> None:
    """Twelve documents, decided and cleaned line by line as they were last looked at, under the same root."""
    assert crawl[name].split("\n") == golden.read(name).split("\n"), golden.WRITE


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with JSON output."""
    command = [sys.executable, "-m", "corpus_gov.cli", *arguments, "--json"]
    return subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)


def tried(folder: Path, *inputs: str) -> Release:
    """Make a release with the one-line first try, in two processes."""
    done = call("run", "--input", *inputs, "--source", "archive", "--workers", "2", str(folder))
    assert done.returncode == 0, done.stderr
    # Not even what a library only complains about: a user would take it for a failure.
    assert "Traceback" not in done.stderr
    made = json.loads(done.stdout)
    assert (made["release"], made["published"], made["run"]["provisional"]) == ("r0001", True, True)
    return open_workspace(folder).release("r0001")


def assert_balanced(made: Release) -> None:
    """Fail unless records, captures, documents and decisions add up, in the tables and in the signed counts."""
    report = release.verify(open_store(made.workspace.url), made.name)
    captures, counts = made.table("captures", ["part", "outcome", "doc_id"]), made.run["counts"]
    documents = captures.filter(pc.equal(captures["outcome"], "document"))["doc_id"].to_pylist()

    assert pc.sum(pc.equal(captures["part"], 0)).as_py() == counts["records"]
    assert Counter(captures["outcome"].to_pylist()) == counts["captures"]
    assert sorted(documents) == made.table("manifest", ["doc_id"])["doc_id"].to_pylist()
    assert sum(report.counts.values()) == report.size == len(documents) == counts["documents"]
    assert len(made.table("clean", ["doc_id"])) == report.counts["keep"] + report.counts["redact"]


@pytest.mark.data
@pytest.mark.slow
def test_real_pages_reach_a_verified_release(shared_data: Path, tmp_path: Path) -> None:
    """2103 saved pages of seven sets, in several charsets: each is accounted for, and hardly one gives no text."""
    folder = shared_data / "01_html_extraction"
    gold = zstandard.ZstdDecompressor().stream_reader((folder / "gold.jsonl.zst").read_bytes()).read().split(b"\n")
    expected = Counter(Path(json.loads(line)["warc"]).name for line in gold if line)

    made = tried(tmp_path / "w", *map(str, sorted((folder / "warc").glob("*.warc.gz"))))

    captures = made.table("captures", ["record_file", "record_type", "outcome", "reason"])
    responses = captures.filter(pc.equal(captures["record_type"], "response"))
    assert Counter(responses["record_file"].to_pylist()) == expected
    assert len(responses) == 2103
    assert set(responses["reason"].to_pylist()) <= {None, "no_text", "scheme"}
    assert pc.sum(pc.equal(responses["outcome"], "document")).as_py() >= 2080
    assert_balanced(made)


@pytest.mark.data
@pytest.mark.slow
def test_odd_archives_reach_a_verified_release(shared_data: Path, tmp_path: Path) -> None:
    """A folder of old, odd and broken archives, and of files that are none: each file is accounted for."""
    folder = shared_data / "02_warc_samples"

    made = tried(tmp_path / "w", str(folder / "*"))

    captures = made.table("captures", ["record_file", "outcome", "reason"])
    unread = captures.filter(pc.is_in(captures["reason"], pa.array(["unsupported_format"])))
    assert set(captures["record_file"].to_pylist()) == {path.name for path in folder.iterdir()}
    assert [name for name in unread["record_file"].to_pylist() if name.endswith((".warc", ".warc.gz"))] == []
    assert_balanced(made)
