"""Arrow string columns as NumPy arrays, hex digits as bytes, and byte spans as code-point spans."""

import string
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.errors import SchemaError
from corpus_gov.kernels.compiling import kernel

Bytes = np.ndarray
"""uint8, the column's value buffer."""
Offsets = np.ndarray
"""int64, n + 1 byte offsets into Bytes."""


def buffers(column: pa.Array | pa.ChunkedArray) -> tuple[Bytes, Offsets]:
    """View a string column without copying its text.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.

    Returns:
        The value buffer, and n + 1 absolute byte offsets into it.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.type != pa.large_string():
        column = column.cast(pa.large_string())
    _, offsets, values = column.buffers()
    n = len(column)
    if n == 0 or offsets is None:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    data = np.frombuffer(values, np.uint8) if values is not None else np.zeros(0, np.uint8)
    return data, np.frombuffer(offsets, np.int64)[column.offset : column.offset + n + 1]


def hex_bytes(column: pa.Array | pa.ChunkedArray, width: int) -> np.ndarray:
    """Read the first `width` bytes of every value of a column of hex digits.

    Args:
        column: string or large_string, n rows of at least 2 * width hex digits.
        width: bytes.

    Returns:
        uint8 (n, width).

    Raises:
        SchemaError: a value is shorter, null, or holds anything else than hex digits there.
    """
    data, offsets = buffers(column)
    out = np.empty((len(offsets) - 1, width), np.uint8)
    if (row := _hex_bytes(data, offsets, out)) >= 0:
        raise SchemaError(f"row {row} of a column of digests: expected {2 * width} hex digits or more; build it anew")
    return out


def hex_digits(values: np.ndarray) -> pa.Array:
    """Write bytes as hex digits: what `hex_bytes` reads.

    Args:
        values: uint8 (n, width).

    Returns:
        string, n rows of 2 * width lower-case hex digits.
    """
    ends = np.arange(len(values) + 1, dtype=np.int32) * np.int32(2 * values.shape[1])
    digits = np.ascontiguousarray(values).tobytes().hex().encode()
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(digits)])


def code_points(data: Bytes, offsets: Offsets, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Convert byte positions, relative to the start of their row, to code-point positions.

    Args:
        data: the value buffer.
        offsets: of the column.
        rows: int64, m row numbers, ascending.
        positions: int64, m byte positions in those rows, ascending inside a row.

    Returns:
        int64, m code-point positions.
    """
    found: np.ndarray = _code_points(data, offsets, rows.astype(np.int64), positions.astype(np.int64))
    return found


_NO_DIGIT: Final = 255
_DIGITS: Final = np.array(
    [int(chr(byte), 16) if chr(byte) in string.hexdigits else _NO_DIGIT for byte in range(256)], np.uint8
)


@kernel
def _hex_bytes(data, offsets, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill `out`; returns the first row that cannot be read, -1 where all could."""
    for row in range(out.shape[0]):
        at = offsets[row]
        if offsets[row + 1] - at < 2 * out.shape[1]:
            return row
        for place in range(out.shape[1]):
            high, low = _DIGITS[data[at + 2 * place]], _DIGITS[data[at + 2 * place + 1]]
            if high == _NO_DIGIT or low == _NO_DIGIT:
                return row
            out[row, place] = high << 4 | low
    return -1


@kernel
def _code_points(data, offsets, rows, positions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(rows.shape[0], np.int64)
    row, at, count = np.int64(-1), np.int64(0), np.int64(0)
    for i in range(rows.shape[0]):
        if rows[i] != row:
            row, at, count = rows[i], offsets[rows[i]], np.int64(0)
        stop = offsets[row] + positions[i]
        while at < stop:
            # Every code point has exactly one byte that is not a continuation byte.
            if (data[at] & 0xC0) != 0x80:
                count += 1
            at += 1
        out[i] = count
    return out
