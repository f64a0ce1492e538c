"""Rows of a fixed width that grouping sorts: compact, cut by key without a parse, and compared as whole numbers.

A document stands here by 16 bytes of its doc_id, a text by the first 16 bytes of its SHA-256. Pairs are pairs of
texts: copies of one text need no comparison, and what was measured of two texts holds for all their copies.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import buffers

NAME: Final = np.dtype("S16")
"""16 bytes of a doc_id or of a text's digest; ascending as their hex digits are."""

KEYED: Final = np.dtype(
    [("key", "<u8"), ("text", NAME), ("doc_id", NAME), ("bytes", "<u4"), ("size", "<u4")]
)  # fmt: skip
"""One row a document and key: what `relate` sorts. `size` is the number of keys that the document has."""

PAIRS: Final = np.dtype(
    [
        ("a", NAME), ("b", NAME), ("doc_a", NAME), ("doc_b", NAME), ("home_a", "<u4"), ("home_b", "<u4"),
        ("bytes_a", "<u4"), ("bytes_b", "<u4"), ("shared", "<u4"), ("least", "<u4"), ("kind", "u1"),
    ]
)  # fmt: skip
"""Candidate pairs of texts, a < b: the document of smallest doc_id that has each text, the number of a shard that
holds it, keys in common, and the size of the smaller sketch."""

VALUES: Final = np.dtype([("a", NAME), ("b", NAME), ("kind", "u1"), ("inner", "u1"), ("value", "<i4")])
"""What was measured of two texts, a < b, in ten-thousandths; `inner` is 0 where a is the smaller, else 1."""

KINDS: Final = ("near", "contained", "spun")
"""By number; the first relates equals, of the others one is made of the other."""

ROWS_A_PART: Final = 4_096
"""Rows of one part of a cut, about: 200 KB is little for one read, and much beside its digest."""


def names(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Read the first 32 hex digits of every value.

    Args:
        column: string, n rows of at least 32 lower-case hex digits.

    Returns:
        NAME, n.
    """
    data, offsets = buffers(column)
    digits = data[offsets[:-1, None] + np.arange(32)]
    nibbles = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint8)
    found: np.ndarray = (nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).reshape(-1).view(NAME)
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


def starts(*columns: np.ndarray) -> np.ndarray:
    """Find where runs of equal rows begin; the columns are sorted."""
    n = len(columns[0])
    first = np.ones(n, bool)
    if n:
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(first)


def cut(rows: np.ndarray, keys: np.ndarray, ranges: int) -> list[bytes]:
    """Cut rows into equal ranges of their keys, each sorted by them.

    Args:
        rows: of one of the types above.
        keys: uint64, one a row, uniform.
        ranges: a power of two.
    """
    places = np.argsort(keys, kind="stable")
    edges = np.searchsorted(_number(keys[places], ranges), np.arange(ranges + 1))
    return [rows[places[low:high]].tobytes() for low, high in pairwise(edges)]


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
    return np.asarray(_number(keys, ranges) == number)


def _number(keys: np.ndarray, ranges: int) -> np.ndarray:
    bits = ranges.bit_length() - 1
    # A shift by all 64 bits is none.
    return keys >> np.uint64(64 - bits) if bits else np.zeros(len(keys), np.uint64)


def joined(parts: Sequence[bytes], kind: np.dtype) -> np.ndarray:
    """Read rows that were written one after another."""
    return np.frombuffer(b"".join(parts), kind)
