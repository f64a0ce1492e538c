"""Texts as models read them: cut into passages, tokens of the matching view with one space between them.

Han characters stand alone, so that n-grams of words are n-grams of characters there, and no segmenter is asked.
Training and inference call this one function; a model's card holds its VIEW and VERSION.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import SEPARATOR, Folding, joined, read, table
from corpus_gov.kernels.scripts import put, read_only

VERSION: Final = 1

VIEW: Final = Folding(digits=True)
"""Width, case, accents and script do not count; every digit is 0, so that a telephone number is the same word."""

LEAST: Final = 32
"""Tokens: from here on the end of a line ends a passage. Shorter lines are read with the next one."""
MOST: Final = 128
"""Tokens of a passage. Averages over more of them hide an advertisement in a long page."""

_LINE_END: Final = 10
"""Marks the one separator that may end a passage."""


@dataclass(frozen=True)
class Passages:
    """The passages of the values of a column, in the order of the text; a value without a token has none."""

    text: pa.LargeStringArray
    """Tokens with one space between them."""
    rows: np.ndarray
    """int64, row of the column, ascending."""
    tokens: np.ndarray
    """int64, 1 to MOST."""


def passages(column: pa.Array) -> Passages:
    """Cut values into passages.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
    """
    data, offsets = read_only(column)
    size = int(offsets[-1] - offsets[0])
    out = np.empty(max(256, 2 * size), np.uint8)
    found = np.empty((3, len(offsets) + size // LEAST + 2), np.int64)
    done = np.zeros(2, np.int64)
    row = 0
    while (row := _cut(data, offsets, _table(), out, found, done, row)) < len(offsets) - 1:
        out = np.concatenate((out, np.empty(len(out), np.uint8)))
        found = np.concatenate((found, np.empty(found.shape, np.int64)), axis=1)
    end, n = done.tolist()
    rows, ends, tokens = found[:, :n]
    bounds = np.concatenate((np.zeros(1, np.int64), ends))
    text = pa.LargeStringArray.from_buffers(n, pa.py_buffer(bounds), pa.py_buffer(out[:end]))
    return Passages(text, rows, tokens)


@cache
def _table() -> np.ndarray:
    entries, more = table(VIEW)
    marked = entries.copy()
    marked[ord("\n")] = SEPARATOR | _LINE_END
    return joined(marked, more)


@kernel
def _cut(data, offsets, entries, out, found, done, first):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the passages of the rows from `first` on.

    `found`, int64 (3, room), gets row, last byte and tokens of each passage; `done` the bytes and passages of whole
    rows. Returns the first row that there is no room for, or the number of rows.
    """
    for row in range(first, offsets.shape[0] - 1):
        at, stop, pending = np.uint64(offsets[row]), np.uint64(offsets[row + 1]), np.uint32(0)
        begin, end, count, tokens, inside = done[0], done[0], done[1], 0, False
        while at < stop or pending != 0:
            entry, at, pending = read(data, at, stop, entries, pending)
            kind, point = (entry >> 28) & 7, np.uint32(entry & 0x1FFFFF)
            if kind == 0:
                inside = False
                if point == _LINE_END and tokens >= LEAST:
                    if found.shape[1] < count + 2:
                        return row
                    found[0, count], found[1, count], found[2, count] = row, end, tokens
                    begin, count, tokens = end, count + 1, 0
            elif kind < 3:
                if out.shape[0] < end + 8 or found.shape[1] < count + 2:
                    return row
                if kind == 2 or not inside:
                    if tokens == MOST:
                        found[0, count], found[1, count], found[2, count] = row, end, tokens
                        begin, count, tokens = end, count + 1, 0
                    if end > begin:
                        out[end] = 32
                        end += 1
                    tokens += 1
                inside = kind == 1
                end = put(out, end, point)
        if tokens:
            if found.shape[1] < count + 2:
                return row
            found[0, count], found[1, count], found[2, count] = row, end, tokens
            count += 1
        done[0], done[1] = end, count
    return offsets.shape[0] - 1
