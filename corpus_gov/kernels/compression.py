"""How far a text can be shortened by pointing back to what stood before: an estimate of a compression ratio.

The parse is that of fast Lempel-Ziv compressors (the LZ4 block format describes one): one table with the last place
of every six bytes, greedy, so that its time follows the bytes whatever they are.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from typing import Final

import numpy as np

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.phrases import MULTIPLIER

SAMPLE_BYTES: Final = 1 << 13
"""So many bytes of a text are looked at, the first ones."""

LEAST_COPY: Final = 6
"""Bytes that a copy has at least: six letters or two Han characters."""

COPY_BYTES: Final = 3
"""What a copy is taken to cost."""

TABLE: Final = 2048

_SIX_BYTES: Final = np.uint64((1 << 48) - 1)
_1, _6, _8 = np.uint64(1), np.uint64(6), np.uint64(8)


@kernel
def compressed(data, start, stop, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Count the bytes that a greedy parse writes: literals, and COPY_BYTES for a copy.

    Args:
        data: uint8.
        start: uint64, where the value begins.
        stop: uint64, where it or its sample ends.
        table: uint16 (TABLE,), for its use.

    Returns:
        int64, at most stop - start.
    """
    for i in range(np.uint64(2048)):
        table[i] = 0
    at, written = start, np.int64(0)
    while at + _8 <= stop:
        chunk = np.uint64(0)
        for byte in range(_8):
            chunk |= np.uint64(data[at + byte]) << (byte * _8)
        chunk &= _SIX_BYTES
        slot = (chunk * MULTIPLIER) >> np.uint64(53)
        other = start + np.uint64(table[slot]) - _1
        known = table[slot] != 0
        table[slot] = at - start + _1
        if known:
            before = np.uint64(0)
            for byte in range(_8):
                before |= np.uint64(data[other + byte]) << (byte * _8)
            known = before & _SIX_BYTES == chunk
        if known:
            at, other = at + _6, other + _6
            while at < stop and data[at] == data[other]:
                at, other = at + _1, other + _1
            written += 3
            continue
        lead = data[at]
        # Whole characters: copies of Chinese text begin where characters do.
        width = _1 + np.uint64(lead >= 0xC0) + np.uint64(lead >= 0xE0) + np.uint64(lead >= 0xF0)
        at += width
        written += np.int64(width)
    if at < stop:
        written += np.int64(stop - at)
    return written
