"""How far the order of what two texts share differs."""

from typing import Final

import numpy as np

from corpus_gov.kernels.compiling import kernel
from corpus_gov.schemas import SCALE

VERSION: Final = 1


def moved(hashes: np.ndarray, offsets: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Measure which share of the pieces that two texts have in common stands in another order.

    Pieces that a text repeats count where they stand first. What stays is the longest series of shared pieces that
    stands in the same order in both; the rest has moved. 0 for texts of one order with other pieces between, 9,000
    for 10 pieces backwards, and for a shuffle of n pieces about 1 - 2/sqrt(n).

    Args:
        hashes: uint64 pieces of each text in the order of the text.
        offsets: int64, n + 1 offsets into them.
        one: int64, m rows.
        other: int64, m rows.

    Returns:
        int64 (m) in ten-thousandths, rounded down; 0 where they share nothing.
    """
    found: np.ndarray = _moved(hashes, offsets, one, other, SCALE)
    return found


@kernel
def _moved(hashes, offsets, one, other, scale):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros(one.shape[0], np.int64)
    for pair in range(out.shape[0]):
        first, second = offsets[one[pair]], offsets[other[pair]]
        xs, ys = hashes[first : offsets[one[pair] + 1]], hashes[second : offsets[other[pair] + 1]]
        # Sorting keeps the order of equals, so that the first of them is the first in the text.
        by_x, by_y = np.argsort(xs, kind="mergesort"), np.argsort(ys, kind="mergesort")
        where = np.full(xs.shape[0], -1, np.int64)
        i, j = 0, 0
        while i < xs.shape[0] and j < ys.shape[0]:
            x, y = xs[by_x[i]], ys[by_y[j]]
            if x == y:
                where[by_x[i]] = by_y[j]
            if x <= y:
                i += 1
                while i < xs.shape[0] and xs[by_x[i]] == x:
                    i += 1
            if y <= x:
                j += 1
                while j < ys.shape[0] and ys[by_y[j]] == y:
                    j += 1
        # Patience sorting: ends[k] is the smallest end of a series of k + 1 places that ascends.
        ends, longest, shared = np.empty(xs.shape[0], np.int64), 0, 0
        for place in where:
            if place >= 0:
                shared += 1
                k = np.searchsorted(ends[:longest], place)
                ends[k] = place
                longest = max(longest, k + 1)
        if shared:
            out[pair] = scale * (shared - longest) // shared
    return out
