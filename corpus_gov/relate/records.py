"""Rows of a fixed width that grouping sorts: compact, cut by key without a parse, and compared as whole numbers.

A document stands here by 16 bytes of its doc_id, a text by the first 16 bytes of its SHA-256, and where very many rows
name texts by the first 8 of them, its head. Pairs are pairs of texts: copies of one text need no comparison, and what
was measured of two texts holds for all their copies. Texts of one head are told apart as soon as names are looked up
(`resolved`), so that a collision costs a comparison and loses nothing.

Tables lie in parts of artefacts column by column (`packed`), so that a kernel reads one without a copy of the others.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.kernels.compiling import kernel

NAME: Final = np.dtype("S16")
"""16 bytes of a doc_id or of a text's digest; ascending as their hex digits are."""

KEYED: Final = np.dtype([("key", "<u8"), ("text", "<u8"), ("size", "<u4")])
"""One row a document and key: what `relate` sorts. `text` is a head; `size` is the number of keys of the document."""

TEXTS: Final = np.dtype([("text", NAME), ("doc_id", NAME), ("bytes", "<u4"), ("home", "<u4")])
"""A text, the smallest doc_id that has it, its bytes, and the number of a shard that holds it."""

COUNTED: Final = np.dtype([("a", "<u8"), ("b", "<u8"), ("shared", "<u4"), ("least", "<u4")])
"""Heads of two texts, a <= b, keys that they have in common, and the size of the smaller sketch."""

PAIRS: Final = np.dtype(
    [
        ("a", NAME), ("b", NAME), ("doc_a", NAME), ("doc_b", NAME), ("home_a", "<u4"), ("home_b", "<u4"),
        ("bytes_a", "<u4"), ("bytes_b", "<u4"), ("kind", "u1"),
    ]
)  # fmt: skip
"""Candidate pairs of texts, a < b: the document of smallest doc_id that has each text, and the number of a shard that
holds it."""

VALUES: Final = np.dtype([("a", NAME), ("b", NAME), ("kind", "u1"), ("inner", "u1"), ("value", "<i4")])
"""What was measured of two texts, a < b, in ten-thousandths; `inner` is 0 where a is the smaller, else 1."""

KINDS: Final = ("near", "contained", "spun")
"""By number; the first relates equals, of the others one is made of the other."""

ROWS_A_PART: Final = 4_096
"""Rows of one part of a cut, about: 80 KB is little for one read, and much beside its digest."""

Columns: TypeAlias = dict[str, np.ndarray]
"""A table of one of the types above, by column."""


def names(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Read the first 32 hex digits of every value.

    Args:
        column: string, n rows of at least 32 lower-case hex digits.

    Returns:
        NAME, n.
    """
    found: np.ndarray = hex_bytes(column, 16).reshape(-1).view(NAME)
    return found


def hexadecimal(found: np.ndarray) -> pa.Array:
    """Write names as 32 hex digits each, a string array."""
    data = np.ascontiguousarray(found).view(np.uint8)
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)[np.stack([data >> 4, data & 15], axis=1)]
    offsets = np.arange(len(found) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(found), pa.py_buffer(offsets), pa.py_buffer(digits.tobytes()))


def order(*columns: np.ndarray) -> np.ndarray:
    """Sort by the first column, then the next; equal rows keep their order.

    Returns:
        int64 places.
    """
    keys: list[np.ndarray] = []
    for column in columns:
        keys += _numbers(column) if column.dtype == NAME else [column]
    return np.lexsort(keys[::-1])


def heads(column: np.ndarray) -> np.ndarray:
    """Return the first 8 bytes of names as numbers, uint64: uniform, and ascending as the names."""
    return _numbers(column)[0]


def _numbers(column: np.ndarray) -> list[np.ndarray]:
    halves = np.ascontiguousarray(column).view(">u8").reshape(-1, 2)
    return [halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64)]


def distinct(values: np.ndarray) -> np.ndarray:
    """Return the distinct numbers of an array, ascending."""
    ordered = np.sort(values)
    kept = np.ones(len(ordered), bool)
    kept[1:] = ordered[1:] != ordered[:-1]
    return ordered[kept]


def places(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Find where numbers stand, or would stand, in ascending ones: np.searchsorted, several times as fast.

    Args:
        known: uint64, ascending; evenly spread ones are found in one step, others by halving.
        asked: uint64.

    Returns:
        int64, as np.searchsorted(known, asked).
    """
    found: np.ndarray = _places(known, asked)
    return found


def numbered(*columns: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Number the distinct names of several columns, ascending.

    Returns:
        NAME, the distinct ones; and for each column the int64 numbers of its names.
    """
    split = [_numbers(column) for column in columns]
    known = distinct(np.concatenate([head for head, _ in split]))
    found = [places(known, head) for head, _ in split]
    tails = np.zeros(len(known), np.uint64)
    for at, (_, tail) in zip(found, split, strict=True):
        tails[at] = tail
    if all((tails[at] == tail).all() for at, (_, tail) in zip(found, split, strict=True)):
        return np.stack([known, tails], axis=1).astype(">u8").reshape(-1).view(NAME), found
    # Two names of one head: hardly ever, and then in full.
    both = np.concatenate(columns)
    at = order(both)
    first = starts(both[at])
    numbers = np.empty(len(both), np.int64)
    numbers[at] = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(both))))
    return both[at[first]], np.split(numbers, np.cumsum([len(column) for column in columns])[:-1])


def starts(*columns: np.ndarray) -> np.ndarray:
    """Find where runs of equal rows begin; the columns are sorted."""
    n = len(columns[0])
    first = np.ones(n, bool)
    if n:
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(first)


def runs(column: np.ndarray) -> list[tuple[int, int]]:
    """Return the bounds of runs of equal values."""
    first = starts(column)
    return list(zip(first.tolist(), np.append(first[1:], len(column)).tolist(), strict=True))


def filled(kind: np.dtype, n: int, columns: Mapping[str, np.ndarray | int]) -> np.ndarray:
    """Make n rows of a type; columns that are not given are 0."""
    rows = np.zeros(n, kind)
    for name, column in columns.items():
        rows[name] = column
    return rows


def packed(rows: Columns, kind: np.dtype, at: np.ndarray | slice = slice(None)) -> bytes:
    """Write rows of a table, column by column."""
    return b"".join(np.ascontiguousarray(rows[name][at], kind[name]).tobytes() for name in kind.names or ())


def unpacked(parts: Sequence[bytes], kind: np.dtype) -> Columns:
    """Read what `packed` wrote, several parts as one table."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in kind.names or ()}
    for part in parts:
        n, start = len(part) // kind.itemsize, 0
        for name, columns in found.items():
            columns.append(np.frombuffer(part, kind[name], n, start))
            start += n * kind[name].itemsize
    return {name: np.concatenate([np.zeros(0, kind[name]), *columns]) for name, columns in found.items()}


def cut(rows: Columns, kind: np.dtype, keys: np.ndarray, ranges: int) -> list[bytes]:
    """Cut a table into equal ranges of keys; inside a range rows keep their order.

    Args:
        rows: of `kind`.
        kind: one of the types above.
        keys: uint64, one a row, uniform.
        ranges: a power of two.
    """
    return divided(rows, kind, number_of(keys, ranges), ranges)


def divided(rows: Columns, kind: np.dtype, numbers: np.ndarray, parts: int) -> list[bytes]:
    """Cut a table into parts by the number of each row's; inside a part rows keep their order.

    Args:
        rows: of `kind`.
        kind: one of the types above.
        numbers: whole numbers below `parts`, one a row.
        parts: how many there are.
    """
    # Numbers of 16 bits are sorted in two passes.
    at = np.argsort(numbers.astype(np.uint16 if parts <= 1 << 16 else np.uint32), kind="stable")
    edges = np.concatenate([[0], np.cumsum(np.bincount(numbers.astype(np.int64), minlength=parts))])
    return [packed(rows, kind, at[low:high]) for low, high in pairwise(edges)]


def by_column(rows: np.ndarray) -> Columns:
    """View rows as a table by column."""
    return {name: rows[name] for name in rows.dtype.names or ()}


def own_ranges(rows: int) -> int:
    """Choose into how many ranges a table is cut that will be read by any power of two of ranges."""
    return power_of_two(rows, ROWS_A_PART)


def power_of_two(rows: int, rows_a_range: int) -> int:
    """Choose the least power of two of ranges that hold so many rows each."""
    return 1 << (max(1, -(-rows // rows_a_range)) - 1).bit_length()


def parts_of(number: int, ranges: int, own: int) -> range:
    """Name the parts of a table cut into `own` ranges that hold the rows of one of `ranges`."""
    if own >= ranges:
        return range(number * (own // ranges), (number + 1) * (own // ranges))
    first = number * own // ranges
    return range(first, first + 1)


def inside(keys: np.ndarray, number: int, ranges: int) -> np.ndarray:
    """Say which keys lie in one of equal ranges."""
    return np.asarray(number_of(keys, ranges) == np.uint64(number))


def number_of(keys: np.ndarray, ranges: int) -> np.ndarray:
    """Return in which of equal ranges each key lies.

    Args:
        keys: uint64.
        ranges: a power of two.
    """
    bits = ranges.bit_length() - 1
    # A shift by all 64 bits is none.
    return keys >> np.uint64(64 - bits) if bits else np.zeros(len(keys), np.uint64)


@kernel
def _places(known, asked):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros(asked.shape[0], np.int64)
    n = known.shape[0]
    if n == 0:
        return out
    low, span = known[0], known[n - 1] - known[0]
    shift = np.uint64(0)
    while span >> shift > np.uint64(2 * n):
        shift += np.uint64(1)
    firsts = np.zeros(np.int64(span >> shift) + 2, np.int64)
    for at in range(n):
        firsts[np.int64((known[at] - low) >> shift) + 1] = at + 1
    for at in range(1, firsts.shape[0]):
        firsts[at] = max(firsts[at], firsts[at - 1])
    for row in range(asked.shape[0]):
        value = asked[row]
        if value <= low:
            continue
        if value > known[n - 1]:
            out[row] = n
            continue
        slot = np.int64((value - low) >> shift)
        start, stop = np.int64(firsts[slot]), np.int64(firsts[slot + 1])
        while start < stop:
            middle = (start + stop) >> 1
            if known[middle] < value:
                start = middle + 1
            else:
                stop = middle
        out[row] = start
    return out
