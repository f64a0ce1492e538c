"""SHA-256 and HMAC-SHA256 of whole columns.

The loop is Python around one OpenSSL call a row: OpenSSL uses the CPU's SHA instructions, and at some
700 MB/s and 1 µs a row it is faster than any loop that we could compile.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels.columns import Bytes, Offsets, buffers, hex_digits

_BLOCK: Final = 64
"""Bytes of a block of SHA-256, to which a key is padded."""


def sha256_rows(data: Bytes, offsets: Offsets) -> np.ndarray:
    """Digest runs of bytes.

    Args:
        data: uint8, the bytes of all.
        offsets: n + 1 offsets into them.

    Returns:
        uint8 (n, 32).
    """
    view = memoryview(data.data)
    return _rows([sha256(view[start:end]).digest() for start, end in pairwise(offsets.tolist())])


def sha256_hex(column: pa.Array) -> pa.Array:
    """Digest every value's UTF-8 bytes; a null stays null.

    Args:
        column: string or large_string, n rows.

    Returns:
        string, n rows of 64 hex digits.
    """
    return _written([sha256(value).digest() for value in values(column)], column)


def hmac_hex(column: pa.Array, key: bytes, prefix: bytes = b"") -> pa.Array:
    """HMAC-SHA256 of prefix ‖ value for every value; a null stays null."""
    return _written(hmacs(values(column), key, prefix), column)


def hmacs(found: Iterable[bytes | memoryview], key: bytes, prefix: bytes = b"") -> list[bytes]:
    """HMAC-SHA256 of prefix ‖ value for every value."""
    # RFC 2104 with both halves begun once: objects of the module hmac cost as much again as their two digests.
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    inner, outer = (sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))
    inner.update(prefix)
    digests = []
    for value in found:
        row, keyed = inner.copy(), outer.copy()
        row.update(value)
        keyed.update(row.digest())
        digests.append(keyed.digest())
    return digests


def prefixed(*parts: bytes) -> bytes:
    """Join byte strings, each after its length (8 bytes, big-endian): no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def values(column: pa.Array) -> Iterator[memoryview]:
    """Give every value's UTF-8 bytes without copying them; a null gives none."""
    data, offsets = buffers(pc.fill_null(column, "") if column.null_count else column)
    view, bounds = memoryview(data.data), offsets.tolist()
    return (view[start:end] for start, end in pairwise(bounds))


def _written(digests: Sequence[bytes], column: pa.Array) -> pa.Array:
    """Write digests as hex digits, null where the column is."""
    digits = hex_digits(_rows(digests))
    return pc.if_else(column.is_valid(), digits, pa.scalar(None, pa.string())) if column.null_count else digits


def _rows(digests: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, sha256().digest_size)
