"""Edges and clusters of a whole corpus: any batches, shards and order give the same; nothing is measured twice."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import small_corpus
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from corpus_gov import artefacts, config, grouping
from corpus_gov.engine import Engine
from corpus_gov.intake import ingest
from corpus_gov.relate import near, records
from corpus_gov.relate.presets import PRESETS
from corpus_gov.stages import relating
from corpus_gov.stages.looking import BuildTask, build_shard
from corpus_gov.workspace import Workspace

PACKS = ("common.encoding",)
EDGES_OF = {"exact", "near", "contained", "spun"}


@pytest.fixture(scope="module")
def engine():
    """Run tasks in this process."""
    with Engine(workers=1) as running:
        yield running


def sentence(rng: np.random.Generator, count: int) -> str:
    """Make a clause of words that hardly ever repeat."""
    return " ".join(f"w{number}" for number in rng.integers(0, 10**9, count))


def corpus(seed: int) -> list[str]:
    """Make texts with near copies, copies, a passage, spun copies, short ones and some that are like no other."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(4):
        clauses = [sentence(rng, 9) for _ in range(30)]
        made += [". ".join(clauses)] * 2
        for _ in range(3):
            changed = clauses.copy()
            for place in rng.choice(30, 2, replace=False):
                changed[place] = sentence(rng, 9)
            made.append(". ".join(changed))
        made += [". ".join(clauses[3:20]), "; ".join(rng.permutation(clauses)), sentence(rng, 60)]
    return [*made, "same words here", "Same words here!", "same words here", "x", "。。。", ""]


def workspace_of(folder: Path, **near_settings: str) -> Workspace:
    """Make a workspace whose one source reads batch*.jsonl."""
    made = small_corpus.make(f"memory://{uuid4().hex}", folder, patterns=("batch*.jsonl", "none.jsonl"))
    del made.dossiers["two"]
    made.settings = made.settings.model_copy(update={"near": config.NearSettings(**near_settings), "packs": PACKS})
    return made


def related(workspace: Workspace, engine: Engine) -> dict[str, bytes]:
    """Ingest what is new and relate everything; returns the bytes of the tables."""
    with workspace.writing():
        ingest(workspace, engine)
        # No signals, and one screen: nothing else than relating is looked at here.
        context = replace(workspace.context(), families=())
        shards = workspace.shards()
        engine.map("screen", build_shard, [BuildTask(context, shard) for shard in shards])
        name = grouping.relate(context, engine, shards)
    assert name
    tables = {"clusters": name, "edges": artefacts.edges_name(name), "made_of": artefacts.made_of_name(name)}
    return {table: artefacts.read(workspace.store, name) for table, name in tables.items()}


def write(folder: Path, number: int, texts: list[tuple[int, str]]) -> None:
    """Write one input file."""
    rows = [json.dumps({"text": text, "uri": f"https://a.example/{place}"}) for place, text in texts]
    (folder / f"batch{number}.jsonl").write_text("\n".join([*rows, ""]), encoding="utf-8")


@settings(max_examples=6, phases=[Phase.generate])
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([3, 7, 1_000]), st.booleans())
def test_batches_shards_and_order_change_nothing(tmp_path_factory, engine, seed, batches, shard_rows, small_ranges):
    """Batches one after another, of any cut and order, give byte for byte the edges and clusters of one run."""
    rng = np.random.default_rng(seed)
    texts = list(enumerate(corpus(seed % 5)))
    folder = tmp_path_factory.mktemp("whole")
    write(folder, 0, texts)
    whole = related(workspace_of(folder), engine)

    folder = tmp_path_factory.mktemp("parts")
    workspace = workspace_of(folder)
    cut = config.IngestSettings(shard_rows=shard_rows)
    workspace.settings = workspace.settings.model_copy(update={"ingest": cut})
    of_batch = rng.integers(0, batches, len(texts))
    with pytest.MonkeyPatch.context() as patch:
        if small_ranges:
            patch.setattr(records, "ROWS_A_PART", 32)
            patch.setattr(grouping, "KEYS_A_RANGE", 128)
            patch.setattr(grouping, "PAIRS_A_RANGE", 8)
            patch.setattr("corpus_gov.relate.blocks.BLOCK_TEXTS", 5)
        for number in range(batches):
            mine = [texts[place] for place in rng.permutation(len(texts)) if of_batch[place] == number]
            write(folder, number, mine)
            parts = related(workspace, engine)

    assert parts == whole
    edges = artefacts.decode(parts["edges"])
    assert set(edges["kind"].to_pylist()) == EDGES_OF


def test_a_second_batch_measures_only_what_it_brought(tmp_path, engine, monkeypatch):
    """What was compared once is not compared again, in the same run or in a later one, whether related or not."""
    asked = []
    monkeypatch.setattr(grouping, "_compare", counting(grouping._compare, asked))
    texts = list(enumerate(corpus(1)))
    workspace = workspace_of(tmp_path)
    write(tmp_path, 0, texts[:20])
    related(workspace, engine)

    write(tmp_path, 1, texts[20:])
    related(workspace, engine)
    related(workspace, engine)

    assert len(asked) == 2
    first, second = (set(zip(p["kind"].tolist(), p["a"].tolist(), p["b"].tolist(), strict=True)) for p in asked)
    assert first
    assert second
    assert not first & second


def counting(function, asked: list):
    """Note the pairs that are compared."""

    def compare(context, engine, shards, pairs):
        asked.append(pairs)
        return function(context, engine, shards, pairs)

    return compare


def test_no_text_stays_behind(tmp_path, engine):
    """Copies of texts that comparisons needed are gone when they are done."""
    workspace = workspace_of(tmp_path)
    write(tmp_path, 0, list(enumerate(corpus(2))))

    related(workspace, engine)

    assert workspace.store.list("artefacts/texts/") == []
    assert workspace.store.list("artefacts/keys.near/")


def test_damaged_values_are_measured_again(tmp_path, engine):
    """What was measured and then damaged is measured again, and the edges are the same."""
    workspace = workspace_of(tmp_path)
    write(tmp_path, 0, list(enumerate(corpus(3))))
    whole = related(workspace, engine)
    store = workspace.store
    for name in store.list("artefacts/"):
        if name.startswith("artefacts/measured.") and name.endswith(".parquet"):
            store.put(name, store.read(name)[:-1] + b"?")
        elif name.startswith(("artefacts/valued/", "artefacts/clusters/")):
            store.delete(name)

    assert related(workspace, engine) == whole


def test_without_a_preset_only_exact_duplicates_are_found(tmp_path, engine):
    """`none` looks for no near duplicates and keeps no signatures."""
    workspace = workspace_of(tmp_path, preset="none")
    write(tmp_path, 0, list(enumerate(corpus(4))))

    tables = related(workspace, engine)

    assert set(artefacts.decode(tables["edges"])["kind"].to_pylist()) == {"exact"}
    assert workspace.store.list("artefacts/keys.near/") == []


def test_one_text_under_many_ids_is_compared_with_nothing(tmp_path, engine, monkeypatch):
    """Three thousand addresses of one text, and texts like no other, are related by digest alone."""
    rng = np.random.default_rng(6)
    asked = []
    monkeypatch.setattr(grouping, "_compare", counting(grouping._compare, asked))
    workspace = workspace_of(tmp_path)
    strangers = [sentence(rng, 40) for _ in range(200)]
    write(tmp_path, 0, list(enumerate([sentence(rng, 200)] * 3_000 + strangers)))

    tables = related(workspace, engine)

    assert asked == []
    assert len(artefacts.decode(tables["edges"])) == 2_999
    assert artefacts.decode(tables["made_of"]).num_rows == 0


def test_a_corpus_without_duplicates_has_no_edges(tmp_path, engine):
    """Texts that have nothing in common give tables without rows."""
    rng = np.random.default_rng(7)
    workspace = workspace_of(tmp_path)
    write(tmp_path, 0, [(number, sentence(rng, 40)) for number in range(50)])

    tables = related(workspace, engine)

    assert [artefacts.decode(table).num_rows for table in tables.values()] == [0, 0, 0]


def test_documents_of_twenty_megabytes(engine):
    """Huge documents are keyed and compared like others, in bounded time."""
    rng = np.random.default_rng(8)
    numbers = rng.integers(0, 10**9, 2_000_000)
    text = " ".join(map(str, numbers.tolist()))
    texts = [text, text.replace("7 ", "8 ", 1), text[: len(text) // 2]]
    digests = [f"{number:032x}" * 2 for number in range(3)]
    columns = {"doc_id": [digest[:32] for digest in digests], "text_digest": digests}
    documents = pa.RecordBatch.from_pydict(columns | {"text": pa.array(texts, pa.large_string())})
    preset = PRESETS["default"]

    rows = relating.keys_of("keys.passages", documents, preset)
    pairs = relating.candidates(rows, np.zeros(len(rows), np.int64), 1, 32, 4)
    asked = np.zeros(len(pairs), records.VALUES)
    asked["a"], asked["b"], asked["kind"] = pairs["a"], pairs["b"], [0, 1, 1]
    names = relating._binary(records.names(documents.column("text_digest")))
    values = relating.measure(asked, pa.table({"name": names, "text": documents.column("text")}), preset)

    assert len(relating.keys_of("keys.near", documents, preset)) == 3
    assert values["value"].tolist()[0] >= 9_990
    assert min(values["value"].tolist()[1:]) > 9_990
    assert values["inner"].tolist()[1:] == [1, 1]


def test_edges_are_those_of_the_relations(tmp_path, engine):
    """The pipeline finds the near edges that the plain functions find over all documents at once."""
    workspace = workspace_of(tmp_path)
    texts = corpus(5)
    write(tmp_path, 0, list(enumerate(texts)))
    edges = artefacts.decode(related(workspace, engine)["edges"])
    shard = workspace.shards()[0]
    documents = artefacts.decode(workspace.store.read(shard.name("documents")))
    preset = PRESETS["default"]

    signatures = near.signatures(documents["text"].combine_chunks(), preset)
    keyed = near.band_rows(
        documents["doc_id"].combine_chunks(), documents["text_digest"].combine_chunks(), signatures, preset
    )
    plain = near.verify(near.candidates(keyed, preset), documents, preset)

    assert edges.filter(pc.equal(edges["kind"], "near")).combine_chunks().equals(plain.combine_chunks())


def rows_of(keys, texts, ids, size: int = 3) -> np.ndarray:
    """Make keyed rows."""
    rows = np.zeros(len(keys), records.KEYED)
    rows["key"], rows["size"] = keys, size
    rows["text"], rows["doc_id"] = texts, ids
    return rows


def test_a_million_identical_documents_cost_no_pairs():
    """Copies of one text are one text: a million of them in sixteen buckets give nothing to compare."""
    n = 1_000_000
    ids = np.arange(2 * n, dtype=np.uint64).view(records.NAME)
    rows = rows_of(np.full(n, 7, np.uint64), b"t" * 16, ids)

    assert len(relating.candidates(rows, np.zeros(n, np.int64), 0, 128, 16)) == 0


def test_a_huge_bucket_of_different_texts_is_paired_with_anchors():
    """A key that a hundred thousand texts share costs anchors times members, not all pairs."""
    n = 100_000
    names = np.sort(np.random.default_rng(1).integers(0, 2**63, 2 * n).astype(np.uint64).view(records.NAME))
    rows = rows_of(np.full(n, 7, np.uint64), names, names)

    pairs = relating.candidates(rows, np.zeros(n, np.int64), 0, 128, 16)

    assert len(pairs) == 16 * n - 16 * 17 // 2
    assert set(pairs["a"].tolist()) == set(names[:16].tolist())


def test_a_giant_component_fills_several_blocks():
    """A component larger than a block is cut into blocks of bounded text, and every pair is in one of them."""
    from corpus_gov.relate import blocks

    n = 2_000
    pairs = np.zeros(n, records.PAIRS)
    pairs["a"], pairs["b"] = b"\x00" * 15 + b"a", [f"{number:016d}".encode() for number in range(n)]
    pairs["bytes_a"] = pairs["bytes_b"] = 1_000

    places, block = blocks.blocks(pairs, most_bytes=100_000)

    assert sorted(places.tolist()) == list(range(n))
    assert (np.diff(block) >= 0).all()
    # One text is the anchor of all; each block repeats it.
    assert np.bincount(block).max() == 99
    wanted = blocks.wanted(pairs[places], block)
    assert len(wanted) == n + block[-1] + 1


@given(st.integers(0, 6), st.integers(0, 6), st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_any_power_of_two_of_ranges_reads_any_other(own_bits, bits, keys):
    """A table cut into one power of two of ranges gives the rows of any other."""
    own, ranges = 1 << own_bits, 1 << bits
    rows = np.zeros(len(keys), records.KEYED)
    rows["key"] = np.array(keys, np.uint64)
    parts = records.cut(rows, rows["key"], own)

    found = []
    for number in range(ranges):
        read = records.joined([parts[part] for part in records.parts_of(number, ranges, own)], records.KEYED)
        found.append(read[records.inside(read["key"], number, ranges)]["key"].tolist())

    assert [key for part in found for key in part] == sorted(keys)


def test_names_are_hex_and_back():
    """Sixteen bytes of a doc_id survive the way, zeros at their end too."""
    ids = pa.array(["00" * 16, "ab" * 15 + "00", "0123456789abcdef" * 2])

    assert records.hexadecimal(records.names(ids)).equals(ids)


def test_presets_of_the_settings_are_those_of_the_code():
    """corpus-gov.toml takes exactly the presets that exist, and none; another is an error that names them."""
    from typing import get_args

    assert set(get_args(config.NearPreset)) == {*PRESETS, "none"}
    text = 'id = "w-12345678"\nname = "n"\nowner = "o"\n[near]\npreset = "fine"\n'
    with pytest.raises(config.ConfigError, match=r"x:5: near.preset: found 'fine', expected .*'fineweb'.*'none'"):
        config.load_settings(text, "x")
