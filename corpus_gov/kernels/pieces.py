"""Lines and clauses of texts: their spans, and a hash of each in the matching view."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import Folding
from corpus_gov.kernels.scripts import LAST, read_only, step
from corpus_gov.kernels.shingles import entries, fill

VERSION: Final = 1

LINE_ENDS: Final = "\n"
CLAUSE_ENDS: Final = '\n\r\t.,;:!?()[]{}<>|"。，、；：！？．…—·「」『』（）【】《》〈〉“”‘’｛｝［］｜'
"""Whatever ends a clause, or opens one; white space does not: in most scripts it stands between words."""

_0, _32 = np.uint64(0), np.uint64(32)
_CHAIN = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True)
class Pieces:
    """Pieces of the values of a column that have a token, in the order of the text."""

    rows: np.ndarray
    """int64, row of the column, ascending."""
    starts: np.ndarray
    """int64, first byte inside the value."""
    stops: np.ndarray
    """int64, one past the last byte inside the value; the end of a line is not part of it."""
    hashes: np.ndarray
    """uint64, the same for pieces of the same folded tokens."""
    tokens: np.ndarray
    """int64."""


def pieces(column: pa.Array, ends: str, folding: Folding, least: int) -> Pieces:
    """Cut values and hash the pieces.

    Args:
        column: string or large_string, n rows; a null has no pieces.
        ends: the code points that separate pieces.
        folding: the matching view.
        least: fewer tokens make no piece.
    """
    data, offsets = read_only(column)
    rows, starts, stops = _spans(data, offsets, _marks(ends))
    hashes, tokens = _hashes(data, starts, stops, *entries(folding))
    kept = tokens >= max(least, 1)
    base = offsets[rows[kept]]
    return Pieces(rows[kept], starts[kept] - base, stops[kept] - base, hashes[kept], tokens[kept])


@cache
def _marks(ends: str) -> np.ndarray:
    marks = np.zeros(LAST + 1, np.bool_)
    marks[[ord(character) for character in ends]] = True
    marks.flags.writeable = False
    return marks


@kernel
def _spans(data, offsets, marks):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    room = 1024 + (offsets[-1] - offsets[0]) // 32
    rows, starts, stops = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    n = 0
    for row in range(offsets.shape[0] - 1):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        begin = at
        while at < stop:
            here = at
            point, at = step(data, at, stop)
            mark = marks[point]
            if mark or at >= stop:
                end = here if mark else at
                if end > begin:
                    if n == rows.shape[0]:
                        rows = np.concatenate((rows, np.empty(n, np.int64)))
                        starts = np.concatenate((starts, np.empty(n, np.int64)))
                        stops = np.concatenate((stops, np.empty(n, np.int64)))
                    rows[n], starts[n], stops[n] = row, begin, end
                    n += 1
                begin = at
    return rows[:n], starts[:n], stops[:n]


@kernel
def _hashes(data, starts, stops, entries, more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    hashes, counts = np.zeros(starts.shape[0], np.uint64), np.zeros(starts.shape[0], np.int64)
    tokens, state = np.empty(1024, np.uint64), np.empty(2, np.uint64)
    for piece in range(starts.shape[0]):
        at, stop = starts[piece], stops[piece]
        state[:] = _0
        running = _0
        while at < stop or state[1] != 0:
            at, n = fill(data, at, stop, entries, more, tokens, 0, state)
            for i in range(n):
                mixed = (running ^ tokens[i]) * _CHAIN
                running = mixed ^ (mixed >> _32)
            counts[piece] += n
        # The number of tokens tells a piece from a longer one that begins with zeros.
        mixed = (running ^ np.uint64(counts[piece])) * _CHAIN
        hashes[piece] = mixed ^ (mixed >> _32)
    return hashes, counts
