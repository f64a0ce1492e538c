"""Near duplicates: minhash signatures, candidate pairs by bands, and exact similarity of every candidate.

The steps are pure functions over arrays, so that tasks can run them shard by shard and key range by key range
(stages/pairing.py): `signatures` and `band_keys` look at one shard, `bucketed` at all rows of one range of keys,
`similarity` at any block of pairs with the shingles of both sides. No edge comes from a hash collision: candidates that
do not reach the threshold, shingle by shingle, are no edges.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from corpus_gov.errors import SchemaError
from corpus_gov.kernels import jaccard, minhash, shingles
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.jaccard import Sets
from corpus_gov.relate.presets import ALGORITHM, Preset
from corpus_gov.relate.records import distinct, places, starts
from corpus_gov.schemas import SCALE

if TYPE_CHECKING:
    from datasketch import LeanMinHash

VERSION: Final = 2

_PAIRS_AT_ONCE: Final = 1 << 23
_32: Final = np.uint64(32)


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


def band_keys(values: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Hash each band of each signature together with its number.

    Returns:
        uint64 (n, bands).
    """
    keys: np.ndarray = _band_keys(values, bands, rows)
    return keys


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
    # Ascending by bucket, then by node, each once: numbers are sorted with vectors, rows are not.
    members = distinct(places(distinct(keys), keys).astype(np.uint64) << _32 | nodes.astype(np.uint64))
    first = starts(members >> _32)
    sizes = np.diff(np.append(first, len(members)))
    first, sizes = first[sizes > 1], sizes[sizes > 1]
    found, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    # Some millions of pairs at a time: most are in several buckets, and only distinct ones are kept.
    totals = np.cumsum(_pair_counts(sizes, most, anchors)) // _PAIRS_AT_ONCE
    for low, high in pairwise([*np.searchsorted(totals, np.unique(totals)), len(sizes)]):
        pairs = np.sort(_bucket_pairs(first[low:high], sizes[low:high], members, most, anchors))
        begin = starts(pairs)
        times = np.diff(np.append(begin, len(pairs)))
        more = (pairs[begin], times)
        found, counts = added(*(np.concatenate(c) for c in zip((found, counts), more, strict=True))) if low else more
    return found, counts


def added(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add up the counts of equal values.

    Returns:
        The distinct values, ascending, and the sum of each.
    """
    order = np.argsort(values)
    first = starts(values[order])
    if len(first) == len(values):
        return values[order], counts[order]
    return values[order[first]], np.add.reduceat(counts[order], first)


def unpacked(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both places of the pairs of `bucketed`."""
    return (pairs >> _32).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


def _pair_counts(sizes: np.ndarray, most: int, anchors: int) -> np.ndarray:
    heads_of = np.where(sizes <= most, sizes, anchors)
    return np.asarray(heads_of * sizes - heads_of * (heads_of + 1) // 2)


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
    return of_union(shared, np.diff(one[1])[rows_one] + np.diff(other[1])[rows_other])


def of_union(shared: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Return the similarity of pairs from the shingles that they share and the sum of their sizes; as `similarity`."""
    return np.asarray(SCALE * shared // np.maximum(both - shared, 1))


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
def _bucket_pairs(starts, sizes, members, most, anchors):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Pair the members of each bucket, their lower 32 bits: all of them up to `most`, else with the first `anchors`."""
    count = 0
    for size in sizes:
        # Anchors pair with everyone behind them, among them the anchors that follow.
        heads = size if size <= most else anchors
        count += heads * size - heads * (heads + 1) // 2
    out = np.empty(count, np.uint64)
    at = 0
    for bucket in range(starts.shape[0]):
        start, size = starts[bucket], sizes[bucket]
        heads = size if size <= most else anchors
        for i in range(heads):
            one = members[start + i] << np.uint64(32)
            for j in range(i + 1, size):
                out[at] = one | (members[start + j] & np.uint64(0xFFFFFFFF))
                at += 1
    return out
