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
from related_texts import documents_of, edges_of, keys_of, values_of

from corpus_gov import artefacts, config, grouping
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError
from corpus_gov.intake import ingest
from corpus_gov.relate import records
from corpus_gov.relate.presets import PRESETS
from corpus_gov.stages import clustering, measuring, pairing
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
        key = grouping.relate(context, engine, shards)
    assert key
    names = grouping.relations(key, shards)
    tables = {table: joined(workspace, getattr(names, table)) for table in ("edges", "clusters")}
    told = [clustering.told(workspace.store, (key, place)) for place in range(len(shards))]
    tables["members"] = pa.concat_tables([members for members, _ in told])
    tables["made_of"] = pa.concat_tables([made_of for _, made_of in told])
    order = {"edges": ("a", "b", "kind")}
    sort_by = {table: [(name, "ascending") for name in order.get(table, ("doc_id",))] for table in tables}
    assert tables["edges"] == tables["edges"].sort_by(sort_by["edges"])
    assert tables["clusters"].sort_by("doc_id") == tables["members"].sort_by("doc_id")
    return {table: artefacts.encode(rows.sort_by(sort_by[table]).combine_chunks()) for table, rows in tables.items()}


def joined(workspace: Workspace, names: tuple[str, ...]) -> pa.Table:
    """Read a table that lies in ranges."""
    return pa.concat_tables([artefacts.get(workspace.store, name) for name in names])


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
            patch.setattr(grouping, "LINKS_A_RANGE", 4)
            patch.setattr(grouping, "PAIRS_AT_ONCE", 20)
            patch.setattr("corpus_gov.artefacts._FIRST_READ", 100)
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
    monkeypatch.setattr(measuring, "planned", counting(measuring.planned, asked))
    texts = list(enumerate(corpus(1)))
    workspace = workspace_of(tmp_path)
    write(tmp_path, 0, texts[:20])
    related(workspace, engine)

    write(tmp_path, 1, texts[20:])
    related(workspace, engine)
    related(workspace, engine)

    assert len(asked) == 2
    first, second = (set(zip(*(p[name].tolist() for name in ("kind", "a", "b")), strict=True)) for p in asked)
    assert first
    assert second
    assert not first & second


def counting(function, asked: list):
    """Note the pairs that are compared."""

    def planned(store, pairs):
        asked.append(pairs)
        return function(store, pairs)

    return planned


def test_only_what_later_runs_use_stays_behind(tmp_path, engine):
    """Copies of texts and everything else on the way is gone when it is done; values lie in one piece a range."""
    workspace = workspace_of(tmp_path)
    for number in range(3):
        write(tmp_path, number, list(enumerate(corpus(number))))
        related(workspace, engine)

    families = {name.split("/")[1] for name in workspace.store.list("artefacts/")}
    measured = {family for family in families if family.startswith("measured.")}
    of_shards = {"findings.encoding", "keys.exact", "keys.near", "keys.passages", "keys.clauses"}
    assert families == of_shards | measured | {"clusters", "copies", "cuts.near", "edges", "told"}
    assert len(measured) == 1
    assert len(workspace.store.list(f"artefacts/{measured.pop()}/")) == 2


def test_an_interrupted_run_leaves_nothing_that_is_used_unseen(tmp_path, engine, monkeypatch):
    """After a run that died late, with everything on the way damaged, the edges are those of an undisturbed run."""
    texts = list(enumerate(corpus(2)))
    (tmp_path / "calm").mkdir()
    write(tmp_path / "calm", 0, texts)
    calm = related(workspace_of(tmp_path / "calm"), engine)
    workspace = workspace_of(tmp_path)
    write(tmp_path, 0, texts)
    with monkeypatch.context() as patch:
        patch.setattr(clustering, "components", broken)
        with pytest.raises(RuntimeError, match="on purpose"):
            related(workspace, engine)
    store = workspace.store
    left = [name for name in store.list("artefacts/") if name.endswith(".parquet")]
    families = {name.split("/")[1] for name in left}
    assert families.issuperset({"cuts.near", "pairs.near", "pairs.spun", "halves", "gathered", "valued", "links.near"})
    # Texts are the exception: those of a run that was killed go when the next one begins.
    assert "texts" not in families
    store.put("artefacts/texts/left.parquet", b"a text")
    for name in left:
        if not name.startswith("artefacts/keys."):
            store.put(name, store.read(name)[:-1] + b"?")

    assert related(workspace, engine) == calm
    assert store.list("artefacts/texts/") == []


def broken(*_):
    """Fail."""
    raise RuntimeError("on purpose")


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
    monkeypatch.setattr(measuring, "planned", counting(measuring.planned, asked))
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

    assert {artefacts.decode(table).num_rows for table in tables.values()} == {0}


@pytest.mark.parametrize("words", [400_000, pytest.param(10_500_000, marks=pytest.mark.slow)])
def test_huge_documents(words):
    """Documents of 4 MB, and of 100 MB, are keyed and compared like others, in bounded time."""
    rng = np.random.default_rng(8)
    text = np.char.zfill(rng.integers(0, 10**9, words).astype("S9"), 9)
    text = b" ".join(text.tolist()).decode()
    documents = documents_of([text, text.replace("7 ", "8 ", 1), text[: len(text) // 2]])
    preset = PRESETS["default"]

    values = values_of(documents)

    assert len(text) == 10 * words - 1
    assert len(keys_of("keys.near", documents)["key"]) == 3 * preset.bands
    found = [records.hexadecimal(values[side]).to_pylist() for side in ("doc_a", "doc_b")]
    rows = {
        (records.KINDS[kind], *sorted((int(a, 16), int(b, 16)))): value
        for kind, a, b, value in zip(values["kind"].tolist(), *found, values["value"].tolist(), strict=True)
    }
    assert rows["near", 0, 1] >= 9_990
    assert min(rows["contained", 0, 2], rows["contained", 1, 2]) > 9_990


def test_edges_are_those_of_the_relations(tmp_path, engine):
    """The pipeline finds the edges that the plain functions find over all documents at once."""
    workspace = workspace_of(tmp_path)
    texts = corpus(5)
    write(tmp_path, 0, list(enumerate(texts)))
    edges = artefacts.decode(related(workspace, engine)["edges"])
    shard = workspace.shards()[0]
    documents = artefacts.decode(workspace.store.read(shard.name("documents")))

    found = edges.filter(pc.not_equal(edges["kind"], "exact")).combine_chunks()

    assert len(found) > 20
    assert found.equals(edges_of(documents, cuts=3))


def rows_of(keys, texts, size: int = 3) -> records.Columns:
    """Make keyed rows."""
    return {"key": keys, "text": texts, "size": np.full(len(keys), size, np.uint32)}


def test_a_million_identical_documents_cost_no_pairs():
    """Copies of one text are one text: a million of them in sixteen buckets give nothing to compare."""
    n = 1_000_000
    keys = np.arange(n, dtype=np.uint64) % np.uint64(16) << np.uint64(40)
    ids = np.arange(2 * n, dtype=np.uint64).view(records.NAME)
    copies = {"text": np.full(n, b"t" * 16, records.NAME), "doc_id": ids[::-1].copy()}

    assert len(pairing.candidates(rows_of(keys, np.full(n, 5, np.uint64)), 128, 16)["a"]) == 0
    assert pairing.first_texts(copies)["doc_id"].tolist() == [ids[0]]


def test_a_huge_bucket_of_different_texts_is_paired_with_anchors():
    """A key that a hundred thousand texts share costs anchors times members, not all pairs."""
    n = 100_000
    texts = np.sort(np.random.default_rng(1).integers(0, 2**63, n).astype(np.uint64))

    pairs = pairing.candidates(rows_of(np.full(n, 7, np.uint64), texts), 128, 16)

    assert len(pairs["a"]) == 16 * n - 16 * 17 // 2
    assert set(pairs["a"].tolist()) == set(texts[:16].tolist())


def test_a_giant_component_fills_several_blocks():
    """A component larger than a block is cut into blocks of bounded text, and every pair is in one of them."""
    from corpus_gov.relate import blocks

    n = 2_000
    rows = np.zeros(n, records.PAIRS)
    rows["a"], rows["b"] = b"\x00" * 15 + b"a", [f"{number:016d}".encode() for number in range(n)]
    rows["bytes_a"] = rows["bytes_b"] = 1_000
    pairs = records.by_column(rows)

    places, block = blocks.blocks(pairs, most_bytes=100_000)

    assert sorted(places.tolist()) == list(range(n))
    assert (np.diff(block) >= 0).all()
    # One text is the anchor of all; each block repeats it.
    assert np.bincount(block).max() == 99
    wanted = blocks.wanted(records.by_column(rows[places]), block)
    assert len(wanted) == n + block[-1] + 1


@given(st.integers(0, 6), st.integers(0, 6), st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_any_power_of_two_of_ranges_reads_any_other(own_bits, bits, keys):
    """A table cut into one power of two of ranges gives the rows of any other."""
    own, ranges = 1 << own_bits, 1 << bits
    keys = np.array(keys, np.uint64)
    rows = rows_of(keys, np.arange(len(keys), dtype=np.uint64))
    parts = records.cut(rows, records.KEYED, keys, own)

    found = []
    for number in range(ranges):
        read = records.unpacked([parts[part] for part in records.parts_of(number, ranges, own)], records.KEYED)
        kept = records.inside(read["key"], number, ranges)
        found.append(sorted(zip(read["key"][kept].tolist(), read["text"][kept].tolist(), strict=True)))

    assert [row for part in found for row in part] == sorted(zip(keys.tolist(), range(len(keys)), strict=True))


def test_names_are_hex_and_back():
    """Sixteen bytes of a doc_id survive the way, zeros at their end too."""
    ids = pa.array(["00" * 16, "ab" * 15 + "00", "0123456789abcdef" * 2])

    assert records.hexadecimal(records.names(ids)).equals(ids)


def test_presets_of_the_settings_are_those_of_the_code():
    """corpus-gov.toml takes exactly the presets that exist, and none; another is an error that names them."""
    from typing import get_args

    assert set(get_args(config.NearPreset)) == {*PRESETS, "none"}
    text = 'id = "w-12345678"\nname = "n"\nowner = "o"\n[near]\npreset = "fine"\n'
    with pytest.raises(ConfigError, match=r"x:5: near.preset: found 'fine', expected .*'fineweb'.*'none'"):
        config.load_settings(text, "x")
