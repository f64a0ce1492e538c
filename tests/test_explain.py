"""Explain: all captures of a document, from no more files than it needs."""

import gzip
from collections import Counter

import pyarrow.compute as pc
import pytest
import small_corpus

from corpus_gov import holdings, pipeline
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError
from corpus_gov.explain import lines
from corpus_gov.store import LocalStore


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release of many small shards; source one is compressed, and a later file of it repeats a document."""
    folder = tmp_path_factory.mktemp("explain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        inputs = folder / "inputs"
        small_corpus.write_inputs(inputs)
        for name in ("a", "b"):
            plain = inputs / f"{name}.jsonl"
            (inputs / f"{name}.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
            plain.unlink()
        workspace = small_corpus.make(folder / "w", inputs, patterns=("[ab].jsonl.gz", "c.jsonl"), shard_rows=8)
        with Engine(workers=1) as engine:
            pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
        yield workspace.release()


def repeated(release) -> str:
    """Return the doc_id of the document that came in twice."""
    captures = release.table("captures", ["doc_id", "outcome"])
    return captures.filter(pc.equal(captures["outcome"], "repeat"))["doc_id"][0].as_py()


def test_facts_are_those_of_the_whole_tables(release):
    """For every document captures, findings and relatives are the rows that the whole tables hold."""
    manifest = release.table("manifest").to_pylist()
    captures, findings = release.table("captures").to_pylist(), release.table("findings").to_pylist()
    for row in manifest:
        facts = release.explain(row["doc_id"])
        mine = [capture for capture in captures if capture["doc_id"] == row["doc_id"]]
        kin = {o["doc_id"] for o in manifest if row["cluster_id"] and o["cluster_id"] == row["cluster_id"]}

        assert facts["manifest"] == row
        assert sorted(map(str, facts["captures"])) == sorted(map(str, mine))
        assert facts["findings"] == [finding for finding in findings if finding["doc_id"] == row["doc_id"]]
        assert {other["doc_id"] for other in facts["relatives"]} == kin - {row["doc_id"]}


def test_only_needed_shards_are_read(release, monkeypatch):
    """Beside the document's own shard only captures of its source's shards with repeats are opened, each once."""
    doc_id = repeated(release)
    opened: Counter[str] = Counter()
    read = LocalStore.read

    def counted(store: LocalStore, name: str, span: tuple[int, int] | None = None) -> bytes:
        opened[name] += 1
        return read(store, name, span)

    monkeypatch.setattr(LocalStore, "read", counted)
    facts = release.explain(doc_id)

    shards = {shard.ref: shard for shard in release.workspace.shards()}
    row = facts["manifest"]
    expected = {s.name("captures") for s in shards.values() if s.source_id == "one" and s.outcomes.get("repeat")}
    expected.add(shards[row["shard"]].name("captures"))
    assert len(shards) > len(expected) == 2
    assert {name: n for name, n in opened.items() if name.startswith("captures/")} == dict.fromkeys(expected, 1)
    assert {name for name in opened if name.startswith("documents/")} == set()
    own = {
        n for n in release.run["artefacts"][row["shard"]].values() if n.startswith(("artefacts/sig", "artefacts/fi"))
    }
    of_shard = release.run["artefacts"][row["shard"]]
    relations = {*release.run["relations"]["edges"], *(of_shard[n] for n in ("told", "statements.optout", "judged"))}
    assert {n for n in opened if n.startswith("artefacts/") and n.endswith(".parquet")} == own | relations
    assert [capture["outcome"] for capture in facts["captures"]] == ["document", "repeat"]


def test_places_in_compressed_lines_say_so(release):
    """Offsets of a compressed JSONL file are printed as those of the decompressed stream, others are not."""
    by_source = {row["source_id"]: row["doc_id"] for row in release.table("manifest").to_pylist()}
    compressed, plain = (
        next(line for line in lines(release.explain(by_source[source])) if "captured" in line)
        for source in ("one", "two")
    )

    assert ".jsonl.gz bytes" in compressed
    assert "of the decompressed stream, file sha256" in compressed
    assert "decompressed" not in plain


@pytest.mark.parametrize("prefix", ["", "zz"])
def test_not_exactly_one_document(release, prefix):
    """All documents, or none, are not one."""
    with pytest.raises(ConfigError, match="expected one; give more"):
        release.explain(prefix)


def test_chain_leads_from_the_input_to_the_release(release):
    """Each step starts from the digest that the one before it ends with, and the last is what was released."""
    row = next(row for row in release.table("manifest").to_pylist() if row["released_digest"])

    *captures, document, clean = release.explain(row["doc_id"])["chain"]

    assert {one["step"] for one in captures} == {"capture"}
    assert {one["payload_sha256"] for one in captures} == {document["from_payload_sha256"]}
    assert (document["text_sha256"], clean["released_sha256"]) == (clean["from_text_sha256"], row["released_digest"])
    assert clean["file"] in release.files


def test_whose_finds_a_host_with_all_below_it_and_an_address(release):
    """A host answers for its subdomains, an address for itself, and a host that nothing is from for nothing."""
    rows = [row for row in release.table("manifest").to_pylist() if row["uri"]]
    uri = rows[0]["uri"]
    host = uri.split("/")[2].split(":")[0]
    here = {row["doc_id"] for row in rows if row["uri"].split("/")[2].split(":")[0].endswith(host)}

    of_host = holdings.whose(release.workspace, host)
    of_address = holdings.whose(release.workspace, uri)

    assert {row["doc_id"] for row in of_host["releases"][-1]["documents"]} == here
    assert [row["uri"] for row in of_address["releases"][-1]["documents"]] == [uri]
    assert holdings.whose(release.workspace, f"nobody.{host}")["held"] == 0
    assert any(uri in line for line in holdings.lines(of_address))


@pytest.mark.parametrize("name", ["", "not a host", "http://"])
def test_whose_wants_a_host(release, name):
    """What is neither host nor address is refused before anything is read."""
    with pytest.raises(ConfigError, match="expected a host"):
        holdings.whose(release.workspace, name)
