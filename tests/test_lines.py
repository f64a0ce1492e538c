"""Pieces of texts, containment, spun copies and the interactive index."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from related_texts import DEFAULT, counted, documents_of, edges_of, keys_of

from corpus_gov.errors import SourceError
from corpus_gov.kernels import jaccard, shingles
from corpus_gov.kernels.folding import fold
from corpus_gov.kernels.pieces import CLAUSE_ENDS, LINE_ENDS, pieces
from corpus_gov.relate import contained, near, similar
from corpus_gov.stages import pairing

VIEW = DEFAULT.folding


def texts_of(*values: str | None) -> pa.Array:
    """Make a column of texts."""
    return pa.array(values, pa.large_string())


def sentence(rng, count: int = 9) -> str:
    """Make a clause of words that hardly ever repeat."""
    return " ".join(f"w{number}" for number in rng.integers(0, 10**9, count))


@given(st.lists(st.text("aB，,\n 中é", max_size=30), max_size=5), st.sampled_from([LINE_ENDS, CLAUSE_ENDS]))
def test_pieces_are_what_lies_between_the_ends(texts, ends):
    """Spans and token counts are those of splitting in plain Python; equal pieces have equal hashes."""
    found = pieces(texts_of(*texts), ends, VIEW, 1)

    expected = []
    for row, text in enumerate(texts):
        marked = "".join("\n" if character in ends else character for character in text)
        expected += [(row, piece) for piece in marked.split("\n") if fold(texts_of(piece), VIEW)[0].as_py()]
    cut = [
        (row, texts[row].encode()[start:stop].decode())
        for row, start, stop in zip(found.rows.tolist(), found.starts.tolist(), found.stops.tolist(), strict=True)
    ]
    assert cut == expected
    folded = fold(texts_of(*(piece for _, piece in cut)), VIEW).to_pylist()
    assert len(set(folded)) == len(set(found.hashes.tolist()))
    counts = np.diff(shingles.tokens(texts_of(*(piece for _, piece in cut)), VIEW)[1])
    assert found.tokens.tolist() == counts.tolist()


def test_a_document_inside_another_is_contained():
    """A passage of a long document is contained in it; the long documents are not in each other."""
    rng = np.random.default_rng(1)
    long, other = (". ".join(sentence(rng) for _ in range(40)) for _ in range(2))
    passage = long[1_000:2_000]

    edges = edges_of(documents_of([long, other, passage])).to_pylist()

    assert [(row["a"][-2:], row["b"][-2:], row["kind"]) for row in edges] == [("02", "00", "contained")]
    assert edges[0]["similarity"] > 9_500


def test_spun_copies_are_found_by_their_clauses():
    """The same clauses in another order and with other punctuation are spun, not near and not contained."""
    rng = np.random.default_rng(2)
    clauses = [sentence(rng, 5) for _ in range(60)]
    spun = [clauses[place] for place in rng.permutation(60)]
    documents = documents_of(["，".join(clauses), "》《".join(spun), "。".join(sentence(rng, 5) for _ in range(60))])

    edges = edges_of(documents).to_pylist()

    found = [(row["a"][-2:], row["b"][-2:], row["kind"], row["similarity"]) for row in edges]
    # Of sets of one size the document of greater digest is made of the other.
    first = [f"{row:02x}" for row in np.argsort(documents["text_digest"].to_pylist()[:2])]
    assert found == [(first[1], first[0], "spun", 10_000)]


@given(st.integers(0, 2**32), st.integers(1, 4))
def test_shared_keys_of_ranges_add_up(seed, cuts):
    """Counts by ranges of keys add up to the counts of all keys, with small buckets and anchors as well."""
    rng = np.random.default_rng(seed)
    pool = [sentence(rng, 5) for _ in range(8)]
    documents = documents_of(["。".join(rng.permutation(pool)[:5]) for _ in range(12)])
    shuffled = documents.take(pa.array(rng.permutation(len(documents))))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairing, "LIMITS", (4, 2))
        whole, parts = (
            pairing.added(counted("keys.clauses", keys_of("keys.clauses", of), cuts=n), 2)
            for of, n in ((documents, 1), (shuffled, cuts))
        )

    assert len(whole[0]) > 0
    assert [side.tolist() for side in parts] == [side.tolist() for side in whole]


@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(0, 60))
def test_winnowing_keeps_its_promise(seed, before, after):
    """A shared passage of window and shingle gives a shared key, wherever it stands."""
    rng = np.random.default_rng(seed)
    passage = sentence(rng, contained.WINDOW + DEFAULT.shingle - 1)
    texts = texts_of(f"{sentence(rng, before)} {passage}", f"{sentence(rng, after)} {passage} {sentence(rng, before)}")

    keys, bounds = contained.passage_sets(texts, DEFAULT)

    assert set(keys[: bounds[1]].tolist()) & set(keys[bounds[1] :].tolist())


def test_the_nearest_documents_come_first():
    """A text finds itself, then its near copy, and never a document that shares nothing."""
    rng = np.random.default_rng(5)
    text = sentence(rng, 200)
    ids = pa.array(["a", "b", "c", "d"])
    longer = text + " and many more words that nobody else wrote"
    signatures = near.signatures(texts_of(sentence(rng, 200), longer, text, ""), DEFAULT)
    index = similar.index(ids, signatures, DEFAULT)

    assert similar.nearest(index, text, 3)["doc_id"].to_pylist() == ["c", "b"]
    assert similar.nearest(index, text, 1).to_pylist() == [{"doc_id": "c", "estimate": 10_000}]
    assert len(similar.nearest(index, "…", 3)) == 0


def test_more_documents_than_a_block_are_refused():
    """Sets of too many documents at once would mix their numbers with hashes."""
    with pytest.raises(SourceError, match="cut them into blocks"):
        jaccard.sets(np.zeros(0, np.uint64), np.zeros(jaccard.BLOCK + 2, np.int64))
