"""Candidate pairs of near duplicates, and their verification."""

import json
from collections import Counter
from io import TextIOWrapper

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from related_texts import DEFAULT, documents_of, edges_of, keys_of, values_of

from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import jaccard
from corpus_gov.relate import near, records
from corpus_gov.relate.presets import Preset
from corpus_gov.relate.records import Columns
from corpus_gov.schemas import EDGES
from corpus_gov.stages import measuring, pairing, valuing


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
    pairs = np.sort(records.names(documents["text_digest"]))
    asked = {"a": pairs[:1], "b": pairs[1:], "kind": np.zeros(1, np.uint8)}
    texts = measuring.named(records.names(documents["text_digest"]), documents["text"])

    values = asked | measuring.measure(asked, texts, DEFAULT) | {"doc_a": pairs[:1], "doc_b": pairs[1:]}
    values |= {name: np.zeros(1, np.uint32) for name in ("home_a", "home_b", "group")}

    assert 100 < values["value"][0] < DEFAULT.threshold
    assert len(valuing.related(values, DEFAULT)[0]["a"]) == 0
    assert len(valuing.related(values, Preset(5, 16, 7, threshold=100))[0]["a"]) == 1


def test_a_pair_of_no_text_is_refused():
    """A head that no shard has is damage, not a pair fewer."""
    with pytest.raises(IntegrityError, match="a text that no shard has"):
        pairing.resolved(np.array([5], np.uint64), np.array([4, 6], np.uint64))


def test_texts_of_one_head_are_all_compared():
    """Two texts whose digests begin alike are both paired with whatever shares a key with either."""
    heads, known = np.array([7, 9], np.uint64), np.array([7, 7, 8, 9], np.uint64)

    rows, at = pairing.resolved(heads, known)

    assert (rows.tolist(), at.tolist()) == ([0, 0, 1], [0, 1, 3])


def test_documents_without_tokens_have_no_keys():
    """Empty texts, white space and punctuation are never candidates."""
    assert len(keys_of("keys.near", documents_of(["", " ", "。。。", "\u200b"]))["key"]) == 0


def bucket_of(n: int) -> Columns:
    """Make one bucket of n different texts."""
    return {"key": np.full(n, 7, np.uint64), "text": np.arange(n, dtype=np.uint64), "size": np.full(n, 16, np.uint32)}


def test_buckets_give_all_pairs_or_pairs_with_anchors():
    """A bucket of the limit gives all pairs, one more gives those with the anchors of smallest digest."""
    larger = pairing.candidates(bucket_of(11), 10, 3)

    assert len(pairing.candidates(bucket_of(10), 10, 3)["a"]) == 45
    assert len(larger["a"]) == 10 + 9 + 8
    assert set(larger["a"].tolist()) == {0, 1, 2}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=60), st.integers(2, 6), st.integers(1, 3))
def test_candidates_are_those_of_plain_loops(rows, most, anchors):
    """Pairs, and the keys that they share, are those of dictionaries and loops, whatever is there twice."""
    anchors = min(anchors, most)
    buckets: dict[int, set[int]] = {}
    for key, text in rows:
        buckets.setdefault(key, set()).add(text)
    expected: Counter[tuple[int, int]] = Counter()
    for texts in map(sorted, buckets.values()):
        heads = texts if len(texts) <= most else texts[:anchors]
        expected.update((a, b) for a in heads for b in texts if a < b)
    keys, texts = np.array(rows, np.uint64).reshape(-1, 2).T
    sizes = (texts + np.uint64(1)).astype(np.uint32)

    found = pairing.candidates({"key": keys.copy(), "text": texts.copy(), "size": sizes}, most, anchors)

    columns = (found[name].tolist() for name in ("a", "b", "shared", "least"))
    assert list(zip(*columns, strict=True)) == [(a, b, n, a + 1) for (a, b), n in sorted(expected.items())]


@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)), st.integers(0, 60))
def test_places_are_those_of_a_search(known, asked, shift):
    """Numbers are found where np.searchsorted finds them, evenly spread or not."""
    known, asked = (np.array(values, np.uint64) >> np.uint64(shift) for values in (known, [*asked, *known]))
    known = records.distinct(known)

    assert records.places(known, asked).tolist() == np.searchsorted(known, asked).tolist()


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30), st.integers(0, 30))
def test_numbers_of_names_are_their_order(values, cut):
    """Names are numbered as they are sorted, also where two begin alike."""
    names = np.array(values, ">u8").reshape(-1).view(records.NAME)
    cut = min(cut, len(names))

    known, numbers = records.numbered(names[:cut], names[cut:])

    assert known.tolist() == sorted(set(names.tolist()))
    assert [part.tolist() for part in numbers] == [
        np.searchsorted(known, p).tolist() for p in (names[:cut], names[cut:])
    ]


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_edges_are_a_function_of_the_documents(seed, cuts):
    """Any order of the documents and any cut of the keys into ranges gives the same edges."""
    rng = np.random.default_rng(seed)
    texts = [text for _ in range(3) for text in family(rng, 3, 12)]
    documents = documents_of([*texts, "short", "Short!", "", "short"])
    preset = Preset(5, 16, 7, bucket=3, anchors=2)
    whole = edges_of(documents, preset)

    shuffled = documents.take(pa.array(rng.permutation(len(documents))))

    assert edges_of(shuffled, preset, cuts).equals(whole)
    # Of the short texts two differ in punctuation alone, and the third is a copy of the first.
    ids = documents["doc_id"].to_pylist()
    assert {"a": ids[12], "b": ids[13], "kind": "near", "similarity": 10_000} in whole.to_pylist()
    assert ids[14] not in whole["a"].to_pylist() + whole["b"].to_pylist()


def test_a_corpus_without_duplicates_has_no_edges():
    """Unrelated texts give neither candidates nor edges."""
    rng = np.random.default_rng(3)

    assert len(values_of(documents_of([" ".join(words(rng, 50)) for _ in range(500)]))["a"]) == 0


@pytest.mark.parametrize("text", ["啊" * 3_000_000, "a" * 10_000_000, "字" + "。" * 3_000_000])
def test_huge_texts_of_one_character(text):
    """A huge text of one character has one shingle and relates to its like."""
    documents = documents_of([text, text + "。"])

    assert edges_of(documents, kinds=("keys.near",))["similarity"].to_pylist() == [10_000]


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
