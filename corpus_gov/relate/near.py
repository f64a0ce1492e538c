"""Near duplicates: minhash signatures, candidate pairs by bands, and exact similarity of every candidate.

The steps are pure functions over Arrow arrays, so that an engine can run them shard by shard and key range by key
range: `signatures` and `band_rows` look at one shard, `candidates` at all rows of one range of keys, `verify` at any
block of pairs with the texts of both sides. No edge comes from a hash collision: candidates that do not reach the
threshold, shingle by shingle, are no edges.
"""

from hashlib import sha256
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

VERSION: Final = 1

BAND_ROWS: Final = pa.schema(
    [pa.field("key", pa.uint64()), pa.field("doc_id", pa.string()), pa.field("text_digest", pa.string())]
)
"""One row a document and band. Equal keys are a bucket; keys of different bands differ."""

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
    rest, so that a million copies cost no pairs. Of a bucket of at most preset.bucket members all pairs count; of a
    larger one the pairs with the preset.anchors members of smallest SHA-256(doc_id). So the pairs are a function of
    the set of documents, whatever its shards and order, and a bucket costs at most anchors × members.

    Args:
        rows: BAND_ROWS of one range of keys, complete buckets, in any order.
        preset: bucket and anchors.

    Returns:
        PAIRS.
    """
    ids = pc.unique(rows["doc_id"]).sort()
    digests = pc.unique(rows["text_digest"])
    keys = np.asarray(rows["key"].combine_chunks())
    members = _positions(rows["doc_id"], ids)
    texts = _positions(rows["text_digest"], digests)
    order = np.lexsort((members, texts, keys))
    keys, texts, members = keys[order], texts[order], members[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (texts[1:] != texts[:-1])
    keys, members = keys[first], members[first]
    # Members in the order of their digests, so that the anchors of a bucket are its first.
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, np.int64)
    sizes = np.diff(np.append(starts, len(keys)))
    members = members.copy()
    for start, size in zip(starts[sizes > preset.bucket], sizes[sizes > preset.bucket], strict=True):
        members[start : start + size] = _by_digest(members[start : start + size], ids)
    a, b = bucket_pairs(starts, sizes, members, preset.bucket, preset.anchors)
    low, high = np.minimum(a, b).astype(np.uint64), np.maximum(a, b).astype(np.uint64)
    pairs = np.unique(low << np.uint64(32) | high)
    sides = (pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF))
    return pa.table([ids.take(pa.array(side)) for side in sides], schema=PAIRS)


def _by_digest(members: np.ndarray, ids: pa.Array) -> np.ndarray:
    digests = [sha256(doc_id.encode()).digest() for doc_id in ids.take(pa.array(members)).to_pylist()]
    return members[sorted(range(len(digests)), key=digests.__getitem__)]


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
