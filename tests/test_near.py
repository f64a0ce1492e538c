"""Candidate pairs of near duplicates, and their verification."""

import json
from io import TextIOWrapper

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.errors import SchemaError
from corpus_gov.kernels import jaccard
from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.relate import near
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.schemas import EDGES

DEFAULT = PRESETS["default"]


def documents_of(texts, first: int = 0) -> pa.Table:
    """Make documents with ids that ascend by row."""
    ids = [f"{number:032x}" for number in range(first, first + len(texts))]
    return pa.table({"doc_id": pa.array(ids), "text": pa.array(texts, pa.large_string())})


def rows_of(documents: pa.Table, preset: Preset = DEFAULT) -> pa.Table:
    """Key the documents by band."""
    text = documents["text"].combine_chunks()
    signatures = near.signatures(text, preset)
    return near.band_rows(documents["doc_id"].combine_chunks(), sha256_hex(text), signatures, preset)


def edges_of(documents: pa.Table, preset: Preset = DEFAULT) -> pa.Table:
    """Relate documents in one go."""
    return near.verify(near.candidates(rows_of(documents, preset), preset), documents, preset)


def words(rng, count: int) -> list[str]:
    """Make words that hardly ever repeat."""
    return [f"w{number}" for number in rng.integers(0, 10**9, count)]


def family(rng, copies: int, changed: int) -> list[str]:
    """Make a text of 200 words and copies of it, each with some words changed."""
    base = words(rng, 200)
    texts = [" ".join(base)]
    for _ in range(copies):
        copy = base.copy()
        for place in rng.choice(200, changed, replace=False):
            copy[place] = words(rng, 1)[0]
        texts.append(" ".join(copy))
    return texts


def test_near_copies_are_edges_with_their_similarity():
    """A copy with one changed word of 200 has 191 of 201 shingles in common, and an unrelated text none."""
    rng = np.random.default_rng(1)
    documents = documents_of([*family(rng, 1, 1), " ".join(words(rng, 200))])

    edges = edges_of(documents)

    assert edges.schema.equals(EDGES)
    assert [(row["a"][-1], row["b"][-1], row["kind"]) for row in edges.to_pylist()] == [("0", "1", "near")]
    assert 9_400 <= edges["similarity"][0].as_py() <= 9_900


@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=9), min_size=1, max_size=8), st.randoms())
def test_common_counts_what_sets_share(texts, source):
    """Sorted sets and their overlap are those of plain Python sets."""
    texts = [[source.choice([3, 5, 2**40, value]) << 20 & 2**64 - 1 for value in text] for text in texts]
    offsets = np.cumsum([0, *map(len, texts)])
    hashes = np.array([value for text in texts for value in text], np.uint64)
    expected = [{value >> 20 for value in text} for text in texts]

    sets = jaccard.sets(hashes, offsets)
    rows = [(a, b) for a in range(len(texts)) for b in range(len(texts))]
    a, b = np.array(rows).T

    assert [sets[0][i:j].tolist() for i, j in zip(sets[1], sets[1][1:], strict=False)] == [sorted(s) for s in expected]
    assert jaccard.common(sets, a, sets, b).tolist() == [len(expected[i] & expected[j]) for i, j in rows]


def test_candidates_that_do_not_reach_the_threshold_are_no_edges():
    """A shared bucket alone relates nobody."""
    documents = documents_of(family(np.random.default_rng(2), 1, 60))
    pairs = pa.table([documents["doc_id"].slice(0, 1), documents["doc_id"].slice(1)], schema=near.PAIRS)

    assert len(near.verify(pairs, documents, DEFAULT)) == 0
    assert len(near.verify(pairs, documents, Preset(5, 16, 7, threshold=100))) == 1


def test_pairs_without_their_texts_are_refused():
    """A pair that names an absent document is a mistake of the caller."""
    pairs = pa.table([["1"], ["2"]], schema=near.PAIRS)

    with pytest.raises(SchemaError, match="texts of both sides"):
        near.verify(pairs, documents_of(["x"]), DEFAULT)


def test_documents_without_tokens_have_no_keys():
    """Empty texts, white space and punctuation are never candidates."""
    assert len(rows_of(documents_of(["", " ", "。。。", "\u200b"]))) == 0


def test_a_million_copies_cost_no_pairs():
    """Copies of one text are related by the exact relation; here one of them stands for all."""
    n = 1_000_000
    ids = pc.cast(pa.array(np.arange(n) + 10**6), pa.string())
    columns = [pa.array(np.full(n, 7, np.uint64)), ids, pa.array(["d"] * n)]

    assert len(near.candidates(pa.table(columns, schema=near.BAND_ROWS), DEFAULT)) == 0


def bucket_of(n: int, key: int = 7) -> pa.Table:
    """Make one bucket of n different texts."""
    names = [f"{number:032x}" for number in range(n)]
    return pa.table([pa.array(np.full(n, key, np.uint64)), names, names], schema=near.BAND_ROWS)


def test_buckets_give_all_pairs_or_pairs_with_anchors():
    """A bucket of the limit gives all pairs, one more gives those with the anchors of smallest digest."""
    preset = Preset(5, 16, 7, bucket=10, anchors=3)

    assert len(near.candidates(bucket_of(10), preset)) == 45
    larger = near.candidates(bucket_of(11), preset).to_pylist()
    assert len(larger) == 10 + 9 + 8
    anchors = {f"{number:032x}" for number in range(3)}
    assert all(anchors & set(row.values()) for row in larger)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_edges_are_a_function_of_the_documents(seed, cuts):
    """Any order of the documents and any cut of the keys into ranges gives the same pairs and edges."""
    rng = np.random.default_rng(seed)
    texts = [text for _ in range(3) for text in family(rng, 3, 12)]
    documents = documents_of([*texts, "short", "Short!", "", "short"])
    preset = Preset(5, 16, 7, bucket=3, anchors=2)
    whole = edges_of(documents, preset)

    shuffled = documents.take(pa.array(rng.permutation(len(documents))))
    rows = rows_of(shuffled, preset)
    ranges = [rows.filter(pc.equal(pa.array(np.asarray(rows["key"]) % cuts), number)) for number in range(cuts)]
    pairs = pa.concat_tables(near.candidates(part, preset) for part in ranges)
    pairs = pairs.group_by(["a", "b"]).aggregate([]).sort_by([("a", "ascending"), ("b", "ascending")])

    assert near.verify(pairs.select(["a", "b"]), shuffled, preset).equals(whole)
    # Of the short texts two differ in punctuation alone, and the third is a copy of the first.
    ids = documents["doc_id"].to_pylist()
    assert {"a": ids[12], "b": ids[13], "kind": "near", "similarity": 10_000} in whole.to_pylist()
    assert ids[14] not in whole["a"].to_pylist() + whole["b"].to_pylist()


def test_a_corpus_without_duplicates_has_no_edges():
    """Unrelated texts give neither candidates nor edges."""
    rng = np.random.default_rng(3)

    assert len(near.candidates(rows_of(documents_of([" ".join(words(rng, 50)) for _ in range(500)])), DEFAULT)) == 0


@pytest.mark.parametrize("text", ["啊" * 3_000_000, "a" * 10_000_000, "字" + "。" * 3_000_000])
def test_huge_texts_of_one_character(text):
    """A huge text of one character has one shingle and relates to its like."""
    documents = documents_of([text, text + "。"])

    assert edges_of(documents)["similarity"].to_pylist() == [10_000]


def test_the_estimate_is_as_good_as_its_number_of_permutations():
    """Over pairs of known similarity the error of the estimate is that of the theory, without bias."""
    rng = np.random.default_rng(5)
    texts = [text for _ in range(150) for text in family(rng, 1, 8)]
    documents = documents_of(texts)
    values = near.matrix(near.signatures(documents["text"].combine_chunks(), DEFAULT))
    sets = near.shingle_sets(documents["text"].combine_chunks(), DEFAULT)
    a, b = np.arange(0, 300, 2), np.arange(1, 300, 2)
    exact = near.similarity(sets, a, sets, b) / 10_000

    error = (values[a] == values[b]).mean(axis=1) - exact

    expected = np.sqrt(np.mean(exact * (1 - exact)) / DEFAULT.permutations)
    assert abs(error.mean()) < 3 * expected / np.sqrt(len(a))
    assert 0.8 * expected < np.sqrt(np.mean(error**2)) < 1.2 * expected


def test_controlled_edits_of_real_texts(shared_data):
    """Of real texts with known edits, removals at the default are right and script makes no difference."""
    path = shared_data / "05_near_duplicates" / "controlled_edits.jsonl.zst"
    with zstandard.open(path, "rb") as file:
        rows = [json.loads(line) for line in TextIOWrapper(file, "utf-8")]
    base = {row["base"]: place for place, row in enumerate(rows) if row["op"] == "base"}
    edits = np.array([place for place, row in enumerate(rows) if row["op"] != "base"])
    bases = np.array([base[rows[place]["base"]] for place in edits])
    sets = near.shingle_sets(pa.array([row["text"] for row in rows], pa.large_string()), DEFAULT)

    removed = near.similarity(sets, bases, sets, edits) >= DEFAULT.threshold

    right = np.array([rows[place]["should_be_duplicate"] for place in edits])
    ops = np.array([rows[place]["op"] for place in edits])
    assert right[removed].mean() >= 0.99
    for op in ("to_traditional", "punct_width", "wrap_boilerplate"):
        assert removed[ops == op].all()
