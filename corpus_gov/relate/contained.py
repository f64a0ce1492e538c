"""Documents that are largely inside another, and spun copies: another text's clauses in a different order.

Both follow one way: `passages` or `clauses` sketch the documents of a shard, `shared` counts what pairs have in
common in one range of keys (the counts of all ranges add up with `total`), `likely` picks the pairs worth measuring,
and `verify_contained` or `verify_spun` measures them exactly.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels import jaccard, shingles
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.jaccard import Sets
from corpus_gov.kernels.pieces import CLAUSE_ENDS, pieces
from corpus_gov.relate import near
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import SCALE

VERSION: Final = 2

WINDOW: Final = 32
"""Of any so many consecutive shingles at least one is in the sketch."""

CLAUSE_TOKENS: Final = 4
"""Shorter clauses are everywhere."""

LEAST_PASSAGES: Final = 2
"""A document of fewer keys is a sentence or two: it stands in others for no reason."""

LEAST_CLAUSES: Final = 4
"""A document of fewer clauses has no order that could have been changed."""

THRESHOLD: Final = 8_000
"""Least share of the smaller document that the larger one has, in ten-thousandths."""

LIKELY: Final = THRESHOLD // 2
"""Least share of keys in common of a pair that is measured."""

BUCKET: Final = 32
ANCHORS: Final = 4
"""Fewer than of near duplicates: a passage that dozens share is boilerplate, and one holder is enough."""

SKETCHES: Final = pa.schema(
    [pa.field("key", pa.uint64()), pa.field("doc_id", pa.string()), pa.field("size", pa.int64())]
)
"""One row a document and distinct key, with the number of keys that the document has."""

SHARED: Final = pa.schema(
    [
        pa.field("a", pa.string()),
        pa.field("b", pa.string()),
        pa.field("shared", pa.int64()),
        pa.field("least", pa.int64()),
    ]
)
"""Pairs, a < b, with the keys that they share and the size of the smaller sketch; ascending."""


def passages(doc_id: pa.Array, text: pa.Array, preset: Preset) -> pa.Table:
    """Sketch documents by winnowing: the least shingle hash of every window.

    A passage of WINDOW + shingle - 1 tokens that two documents share gives them a key in common, wherever it stands.

    Returns:
        SKETCHES, about a sixteenth as many as shingles.

    Source: Schleimer, Wilkerson and Aiken, "Winnowing", SIGMOD 2003.
    """
    return _sketches(doc_id, passage_sets(text, preset))


def clauses(doc_id: pa.Array, text: pa.Array, preset: Preset) -> pa.Table:
    """Sketch documents by their clauses of at least CLAUSE_TOKENS tokens, whatever their order and punctuation.

    Returns:
        SKETCHES.
    """
    return _sketches(doc_id, clause_sets(text, preset))


def clause_hashes(text: pa.Array, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """Hash the clauses of each text.

    Returns:
        uint64 hashes, and int64, n + 1 offsets into them.
    """
    found = pieces(text, CLAUSE_ENDS, preset.folding, CLAUSE_TOKENS)
    return found.hashes, np.searchsorted(found.rows, np.arange(len(text) + 1)).astype(np.int64)


def passage_sets(text: pa.Array, preset: Preset) -> Sets:
    """Return the keys of `passages` for each text."""
    hashes, offsets = shingles.shingles(text, preset.folding, preset.shingle)
    return _spread(jaccard.sets(*_winnow(hashes, offsets, WINDOW)))


def clause_sets(text: pa.Array, preset: Preset) -> Sets:
    """Return the keys of `clauses` for each text."""
    return _spread(jaccard.sets(*clause_hashes(text, preset)))


def _spread(sets: Sets) -> Sets:
    """Move hashes into the upper bits, so that keys spread over all ranges."""
    return sets[0] << np.uint64(64 - jaccard.HASH_BITS), sets[1]


def _sketches(doc_id: pa.Array, sets: Sets) -> pa.Table:
    keys, bounds = sets
    sizes = np.diff(bounds)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    columns = [pa.array(keys), doc_id.cast(pa.string()).take(pa.array(rows)), pa.array(sizes[rows])]
    return pa.table(columns, schema=SKETCHES)


def shared(sketches: pa.Table, preset: Preset) -> pa.Table:
    """Count the keys that pairs of documents share.

    Buckets are cut to pairs with anchors as those of near duplicates: a key that thousands share is boilerplate.

    Args:
        sketches: SKETCHES of one range of keys, complete buckets.
        preset: bucket and anchors.

    Returns:
        SHARED.
    """
    ids = pc.unique(sketches["doc_id"]).sort()
    members = np.asarray(pc.index_in(sketches["doc_id"], value_set=ids).combine_chunks()).astype(np.int64)
    keys, sizes = (np.asarray(sketches[name].combine_chunks()) for name in ("key", "size"))
    size_of = np.zeros(len(ids), np.int64)
    size_of[members] = sizes
    pairs, times = near.bucketed(keys, members, preset.bucket, preset.anchors)
    a, b = near.unpacked(pairs)
    columns = [
        ids.take(pa.array(a)),
        ids.take(pa.array(b)),
        pa.array(times),
        pa.array(np.minimum(size_of[a], size_of[b])),
    ]
    return pa.table(columns, schema=SHARED)


def total(counts: pa.Table) -> pa.Table:
    """Add up the counts of different ranges of keys.

    Returns:
        SHARED.
    """
    added = counts.group_by(["a", "b"]).aggregate([("shared", "sum"), ("least", "max")])
    return added.rename_columns(list(SHARED.names)).cast(SHARED).sort_by([("a", "ascending"), ("b", "ascending")])


def likely(counts: pa.Table, share: int) -> pa.Table:
    """Pick the pairs whose sketches overlap enough to be measured.

    Args:
        counts: SHARED, complete.
        share: least share of the smaller sketch, in ten-thousandths; half the threshold of the edges loses hardly any.

    Returns:
        near.PAIRS.
    """
    enough = pc.greater_equal(pc.multiply(counts["shared"], SCALE), pc.multiply(counts["least"], share))
    return counts.filter(enough).select(["a", "b"]).cast(near.PAIRS)


def verify_contained(pairs: pa.Table, documents: pa.Table, preset: Preset, threshold: int) -> pa.Table:
    """Keep the pairs of which one is largely inside the other, without the two being near duplicates.

    Args:
        pairs: near.PAIRS.
        documents: doc_id and text of every document that `pairs` names.
        preset: folding, shingle, and the threshold of near duplicates.
        threshold: least share of the smaller document's shingles that the other has, in ten-thousandths.

    Returns:
        EDGES of kind contained: a is inside b, similarity is that share.

    Raises:
        SchemaError: a pair names a document that is not there.
    """
    a, b = near.sides(pairs, documents)
    sets = near.shingle_sets(documents["text"].combine_chunks(), preset)
    return _edges(pairs, "contained", measure_contained(sets, a, b, preset), threshold, second_inside(sets, a, b))


def verify_spun(pairs: pa.Table, documents: pa.Table, preset: Preset, threshold: int) -> pa.Table:
    """Keep the pairs of which one is made of the other's clauses while their shingles differ.

    Args:
        pairs: near.PAIRS.
        documents: doc_id and text of every document that `pairs` names.
        preset: folding, shingle, and the threshold of near duplicates.
        threshold: least share of the smaller set of clauses that the other has, in ten-thousandths.

    Returns:
        EDGES of kind spun: a is made of b, similarity is that share.

    Raises:
        SchemaError: a pair names a document that is not there.
    """
    a, b = near.sides(pairs, documents)
    text = documents["text"].combine_chunks()
    said, sets = clause_sets(text, preset), near.shingle_sets(text, preset)
    return _edges(pairs, "spun", measure_spun(said, sets, a, b, threshold), threshold, second_inside(said, a, b))


def measure_contained(sets: Sets, a: np.ndarray, b: np.ndarray, preset: Preset) -> np.ndarray:
    """Measure the share of the smaller document's shingles that the larger one has; 0 for near duplicates.

    Returns:
        int64 in ten-thousandths.
    """
    share = containment(sets, a, b)
    return np.where(near.similarity(sets, a, sets, b) < preset.threshold, share, 0)


def measure_spun(said: Sets, sets: Sets, a: np.ndarray, b: np.ndarray, threshold: int) -> np.ndarray:
    """Measure the share of the smaller set of clauses that the larger one has; 0 where they stand in the same order.

    Args:
        said: sets of clauses.
        sets: sets of shingles of the same documents.
        a: rows of the first documents.
        b: rows of the second ones.
        threshold: what is inside the other by that share of its shingles is contained, not spun.

    Returns:
        int64 in ten-thousandths.
    """
    return np.where(containment(sets, a, b) < threshold, containment(said, a, b), 0)


def second_inside(sets: Sets, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Say of which pairs the second document is the smaller; of equal ones it is the second."""
    sizes = np.diff(sets[1])
    return np.asarray(sizes[b] <= sizes[a])


def _edges(pairs: pa.Table, kind: str, share: np.ndarray, threshold: int, swapped: np.ndarray) -> pa.Table:
    inner, outer = (pc.if_else(pa.array(swapped), pairs[one], pairs[other]) for one, other in (("b", "a"), ("a", "b")))
    return near.edges(pa.table([inner, outer], names=["a", "b"]), kind, share, share >= threshold)


def containment(sets: Sets, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Measure the share of the smaller set that the larger one has.

    Returns:
        int64 in ten-thousandths, rounded down; 0 where a set is empty.
    """
    sizes = np.diff(sets[1])
    return np.asarray(SCALE * jaccard.common(sets, a, sets, b) // np.maximum(np.minimum(sizes[a], sizes[b]), 1))


@kernel
def _winnow(hashes, offsets, window):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out, ends = np.empty(hashes.shape[0], np.uint64), np.zeros(offsets.shape[0], np.int64)
    n = 0
    for row in range(offsets.shape[0] - 1):
        first, last = offsets[row], offsets[row + 1]
        least = first - 1
        for start in range(first, max(last - window, first) + 1 if last > first else first):
            stop = min(start + window, last)
            if least < start:
                # The least one has left the window: look at all of it, on average once in half a window.
                least = start
                for place in range(start + 1, stop):
                    if hashes[place] <= hashes[least]:
                        least = place
                out[n] = hashes[least]
                n += 1
            elif hashes[stop - 1] <= hashes[least]:
                least = stop - 1
                out[n] = hashes[least]
                n += 1
        ends[row + 1] = n
    return out[:n], ends
