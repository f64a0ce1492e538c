"""Near duplicates: minhash signatures, candidate pairs by bands, and exact similarity of every candidate.

The steps are pure functions over Arrow arrays, so that an engine can run them shard by shard and key range by key
range: `signatures` and `band_rows` look at one shard, `candidates` at all rows of one range of keys, `verify` at any
block of pairs with the texts of both sides. No edge comes from a hash collision: candidates that do not reach the
threshold, shingle by shingle, are no edges.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import SchemaError
from corpus_gov.kernels import jaccard, minhash, shingles
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.jaccard import Sets
from corpus_gov.relate.presets import ALGORITHM, Preset
from corpus_gov.schemas import EDGES, SCALE

if TYPE_CHECKING:
    from datasketch import LeanMinHash

VERSION: Final = 2

BAND_ROWS: Final = pa.schema(
    [pa.field("key", pa.uint64()), pa.field("doc_id", pa.string()), pa.field("text_digest", pa.string())]
)
"""One row a document and band. Equal keys are a bucket; keys of different bands differ."""

_PAIRS_AT_ONCE: Final = 1 << 22

PAIRS: Final = pa.schema([pa.field("a", pa.string()), pa.field("b", pa.string())])
"""Distinct pairs of doc_ids, a < b, ascending."""


def signatures(text: pa.Array, preset: Preset) -> pa.FixedSizeListArray:
    """Compute minhash signatures; a text without a token has none.

    A text of fewer tokens than a shingle has one shingle, all its tokens: it is like another exactly when their
    folded texts are the same.

    Args:
        text: string or large_string, n rows.
        preset: what to compare.

    Returns:
        fixed_size_list<uint32>[preset.permutations], n rows, null where there is no token. The same numbers as
        datasketch's affine32 MinHash of the same shingles.
    """
    count = preset.permutations
    values, sizes = minhash.minima(text, preset.folding, preset.shingle, count, preset.seed)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), count, mask=pa.array(sizes == 0))


def matrix(signatures: pa.FixedSizeListArray) -> np.ndarray:
    """View minhash signatures as an array without copying them.

    Returns:
        uint32 (n, permutations), read-only; rows of null signatures hold all ones.
    """
    width = signatures.type.list_size
    values = signatures.values.slice(signatures.offset * width, len(signatures) * width)
    array: np.ndarray = np.asarray(values).reshape(len(signatures), width)
    return array


def to_datasketch(values: np.ndarray, preset: Preset) -> "LeanMinHash":
    """Wrap one row of `matrix` as a datasketch MinHash that shares its memory."""
    from datasketch import LeanMinHash  # noqa: PLC0415 - 1.7 s that no run pays

    wrapped = LeanMinHash(seed=preset.seed, hashvalues=np.empty(1, np.uint32), scheme=ALGORITHM)
    wrapped.hashvalues = values
    return wrapped


def from_datasketch(minhash: "LeanMinHash", preset: Preset) -> np.ndarray:
    """View the numbers of a datasketch MinHash.

    Raises:
        SchemaError: another scheme, seed or number of permutations than the preset's.
    """
    found = (minhash.scheme, minhash.seed, len(minhash.hashvalues))
    expected = (ALGORITHM, preset.seed, preset.permutations)
    if found != expected:
        raise SchemaError(f"MinHash of (scheme, seed, permutations) {found!r}, expected {expected!r}; compute it anew")
    values: np.ndarray = minhash.hashvalues
    return values


def band_rows(doc_id: pa.Array, text_digest: pa.Array, signatures: pa.FixedSizeListArray, preset: Preset) -> pa.Table:
    """Key documents by their bands.

    Args:
        doc_id: string, n rows.
        text_digest: string, n rows, of the unfolded text.
        signatures: n rows; documents without one have no rows.
        preset: as for the signatures.

    Returns:
        BAND_ROWS, at most n × bands, ascending by key.
    """
    kept = np.flatnonzero(np.asarray(signatures.is_valid()))
    keys = band_keys(matrix(signatures)[kept], preset.bands, preset.rows).reshape(-1)
    order = np.argsort(keys, kind="stable")
    rows = pa.array(kept[order // preset.bands])
    columns = [pa.array(keys[order]), doc_id.take(rows).cast(pa.string()), text_digest.take(rows).cast(pa.string())]
    return pa.table(columns, schema=BAND_ROWS)


def band_keys(values: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Hash each band of each signature together with its number.

    Returns:
        uint64 (n, bands).
    """
    keys: np.ndarray = _band_keys(values, bands, rows)
    return keys


def candidates(rows: pa.Table, preset: Preset) -> pa.Table:
    """Pair the documents of each bucket.

    Copies of one text share every bucket: the one of smallest doc_id stands for them, and exact edges relate the
    rest, so that a million copies cost no pairs. See `bucketed` for which pairs of a bucket count.

    Args:
        rows: BAND_ROWS of one range of keys, complete buckets, in any order.
        preset: bucket and anchors.

    Returns:
        PAIRS.
    """
    firsts = rows.group_by("text_digest").aggregate([("doc_id", "min")]).sort_by("text_digest")
    nodes = _positions(rows["text_digest"], firsts["text_digest"].combine_chunks())
    pairs, _ = bucketed(np.asarray(rows["key"].combine_chunks()), nodes, preset.bucket, preset.anchors)
    ids = firsts["doc_id_min"].combine_chunks()
    one, other = (ids.take(pa.array(side)) for side in unpacked(pairs))
    found = pa.table([pc.min_element_wise(one, other), pc.max_element_wise(one, other)], schema=PAIRS)
    return found.sort_by([("a", "ascending"), ("b", "ascending")])


def bucketed(keys: np.ndarray, nodes: np.ndarray, most: int, anchors: int) -> tuple[np.ndarray, np.ndarray]:
    """Pair the texts of each bucket.

    Of a bucket of at most `most` texts all pairs count; of a larger one the pairs with the `anchors` of smallest
    digest. So the pairs are a function of the set of texts, whatever its shards and order, and a bucket costs at most
    anchors × members.

    Args:
        keys: uint64, one a row; equal keys are a bucket.
        nodes: int64, the place of each row's text among all texts in the order of their digests, below 2^32.
        most: texts of a bucket that gives all pairs.
        anchors: of a larger one.

    Returns:
        Distinct pairs, uint64 of the smaller place and the larger, 32 bits each, ascending; and int64, in how many
        buckets each pair is.
    """
    places = np.lexsort((nodes, keys))
    keys, nodes = keys[places], nodes[places]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (nodes[1:] != nodes[:-1])
    keys, nodes = keys[first], nodes[first]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(starts, len(keys)))
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    found, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    # Some millions of pairs at a time: most are in several buckets, and only distinct ones are kept.
    totals = np.cumsum(_pair_counts(sizes, most, anchors)) // _PAIRS_AT_ONCE
    for low, high in pairwise([*np.searchsorted(totals, np.unique(totals)), len(sizes)]):
        a, b = bucket_pairs(starts[low:high], sizes[low:high], nodes, most, anchors)
        more, times = np.unique(a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64), return_counts=True)
        found, counts = np.concatenate([found, more]), np.concatenate([counts, times])
    found, inverse = np.unique(found, return_inverse=True)
    return found, np.bincount(inverse, weights=counts, minlength=len(found)).astype(np.int64)


def unpacked(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both places of the pairs of `bucketed`."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _pair_counts(sizes: np.ndarray, most: int, anchors: int) -> np.ndarray:
    heads_of = np.where(sizes <= most, sizes, anchors)
    return np.asarray(heads_of * sizes - heads_of * (heads_of + 1) // 2)


def _positions(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    return np.asarray(pc.index_in(column, value_set=ids).combine_chunks()).astype(np.int64)


def shingle_sets(text: pa.Array, preset: Preset) -> Sets:
    """Hash the shingles of each text for verification: ascending, distinct; a text without a token has none.

    Args:
        text: string or large_string, at most jaccard.BLOCK rows.
        preset: folding and shingle.
    """
    return jaccard.sets(*shingles.shingles(text, preset.folding, preset.shingle))


def similarity(one: Sets, rows_one: np.ndarray, other: Sets, rows_other: np.ndarray) -> np.ndarray:
    """Measure the Jaccard similarity of pairs of shingle sets.

    Returns:
        int64 in ten-thousandths, rounded down: 10,000 means that the sets are the same; 0 for two empty ones.
    """
    shared = jaccard.common(one, rows_one, other, rows_other)
    union = np.diff(one[1])[rows_one] + np.diff(other[1])[rows_other] - shared
    return np.asarray(SCALE * shared // np.maximum(union, 1))


def verify(pairs: pa.Table, documents: pa.Table, preset: Preset) -> pa.Table:
    """Measure pairs and keep those that reach the threshold.

    Args:
        pairs: PAIRS.
        documents: doc_id and text of every document that `pairs` names, at most jaccard.BLOCK rows; memory is three
            times 8 bytes a shingle.
        preset: threshold, and what to compare.

    Returns:
        EDGES of kind near, in the order of `pairs`.

    Raises:
        SchemaError: a pair names a document that is not there.
    """
    a, b = sides(pairs, documents)
    sets = shingle_sets(documents["text"].combine_chunks(), preset)
    found = similarity(sets, a, sets, b)
    return edges(pairs, "near", found, found >= preset.threshold)


def sides(pairs: pa.Table, documents: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows of both sides of each pair.

    Raises:
        SchemaError: a pair names a document that is not there.
    """
    ids = documents["doc_id"].combine_chunks()
    found = [pc.index_in(pairs[side], value_set=ids).combine_chunks() for side in ("a", "b")]
    if any(rows.null_count for rows in found):
        raise SchemaError("verify: a pair names a document that is not among the texts; give the texts of both sides")
    return np.asarray(found[0]).astype(np.int64), np.asarray(found[1]).astype(np.int64)


def edges(pairs: pa.Table, kind: str, similarity: np.ndarray, kept: np.ndarray) -> pa.Table:
    """Make EDGES of the pairs that are kept, in their order."""
    rows = pairs.filter(pa.array(kept))
    kinds = pa.repeat(pa.scalar(kind), len(rows))
    return pa.table([rows["a"], rows["b"], kinds, pa.array(similarity[kept], pa.int32())], schema=EDGES)


@kernel
def _band_keys(values, bands, rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty((values.shape[0], bands), np.uint64)
    for i in range(values.shape[0]):
        for band in range(bands):
            h = np.uint64(band + 1) * np.uint64(0x9E3779B97F4A7C15)
            for row in range(band * rows, band * rows + rows):
                h = (h ^ np.uint64(values[i, row])) * np.uint64(0xFF51AFD7ED558CCD)
                h ^= h >> np.uint64(32)
            out[i, band] = h
    return out


@kernel
def bucket_pairs(starts, sizes, members, most, anchors):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Pair the members of each bucket: all of them up to `most`, else with the first `anchors`."""
    count = 0
    for size in sizes:
        # Anchors pair with everyone behind them, among them the anchors that follow.
        heads = size if size <= most else anchors
        count += heads * size - heads * (heads + 1) // 2
    a, b = np.empty(count, np.int64), np.empty(count, np.int64)
    at = 0
    for bucket in range(starts.shape[0]):
        start, size = starts[bucket], sizes[bucket]
        heads = size if size <= most else anchors
        for i in range(heads):
            for j in range(i + 1, size):
                a[at], b[at] = members[start + i], members[start + j]
                at += 1
    return a, b
