"""Sets of shingles, and the exact overlap of pairs of them."""

from typing import Final

import numpy as np

from corpus_gov.errors import SourceError
from corpus_gov.kernels.compiling import kernel

VERSION: Final = 1

HASH_BITS: Final = 44
"""Bits of a shingle's hash in a set. Two documents of n shingles each share n²/2^44 of them by accident: for a text of
100 MB the similarity is wrong by 10^-6."""

BLOCK: Final = 1 << (64 - HASH_BITS)
"""Most documents that one call may sort together: their numbers share the 64 bits with the hashes."""

Sets = tuple[np.ndarray, np.ndarray]
"""uint64 hashes, ascending and distinct inside each document, and int64, n + 1 offsets into them."""


def sets(hashes: np.ndarray, offsets: np.ndarray) -> Sets:
    """Sort the shingles of each document and leave repeats out.

    Memory: three times the hashes.

    Args:
        hashes: uint64 shingles, see `shingles.shingles`.
        offsets: int64, n + 1; n at most BLOCK.

    Returns:
        Sets of HASH_BITS-bit hashes.

    Raises:
        SourceError: more than BLOCK documents.
    """
    if len(offsets) - 1 > BLOCK:
        raise SourceError(f"{len(offsets) - 1} documents at once, expected at most {BLOCK}; cut them into blocks")
    # With the document's number above the hash one sort of the whole block sorts each document, with vectors.
    keyed = _keyed(hashes, offsets)
    keyed.sort()
    found: Sets = _distinct(keyed, len(offsets) - 1)
    return found


def common(one: Sets, rows_one: np.ndarray, other: Sets, rows_other: np.ndarray) -> np.ndarray:
    """Count the shingles that the sets of each pair share.

    Args:
        one: sets of the first documents.
        rows_one: int64, m rows of `one`.
        other: sets of the second documents; may be the same as `one`.
        rows_other: int64, m rows of `other`.

    Returns:
        int64, m counts.
    """
    counts: np.ndarray = _common(*one, rows_one, *other, rows_other)
    return counts


@kernel
def _keyed(hashes, offsets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(offsets[-1] - offsets[0], np.uint64)
    at = 0
    for row in range(offsets.shape[0] - 1):
        number = np.uint64(row) << np.uint64(44)
        for place in range(offsets[row], offsets[row + 1]):
            out[at] = number | hashes[place] >> np.uint64(20)
            at += 1
    return out


@kernel
def _distinct(keyed, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move distinct hashes to the front, in place, without the numbers of their documents."""
    ends = np.zeros(n + 1, np.int64)
    before, kept = np.uint64(0xFFFFFFFFFFFFFFFF), 0
    for place in range(keyed.shape[0]):
        value = keyed[place]
        if value != before:
            keyed[kept] = value & np.uint64(0xFFFFFFFFFFF)
            kept += 1
            ends[np.int64(value >> np.uint64(44)) + 1] = kept
        before = value
    for row in range(n):
        ends[row + 1] = max(ends[row + 1], ends[row])
    return keyed[:kept].copy(), ends


@kernel
def _common(a, a_offsets, a_rows, b, b_offsets, b_rows):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros(a_rows.shape[0], np.int64)
    for pair in range(out.shape[0]):
        xs = a[a_offsets[a_rows[pair]] : a_offsets[a_rows[pair] + 1]]
        ys = b[b_offsets[b_rows[pair]] : b_offsets[b_rows[pair] + 1]]
        i, j, shared = np.uint64(0), np.uint64(0), 0
        n, m = np.uint64(xs.shape[0]), np.uint64(ys.shape[0])
        # Which side is smaller is a coin toss that no branch predictor wins: both steps are sums of comparisons.
        while i < n and j < m:
            x, y = xs[i], ys[j]
            shared += x == y
            i += np.uint64(x <= y)
            j += np.uint64(y <= x)
        out[pair] = shared
    return out
