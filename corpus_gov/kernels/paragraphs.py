"""Letters by script, of every value and of each of its longer lines: one pass, for the language of both."""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from functools import cache
from typing import Final, NamedTuple

import numpy as np

from corpus_gov.kernels import scripts
from corpus_gov.kernels.columns import Bytes, Offsets
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.scripts import step

CANTONESE: Final = "嘅咗喺唔佢哋冇嚟啲嗰咁嘢咩乜畀攞諗睇啱噉嚿瞓嗌冚嬲俾"
"""Characters of written Cantonese that other written Chinese has next to no use for."""

MANDARIN: Final = "的了是在這这那們们他她沒没看找"
"""What stands in their place in other written Chinese."""

ENGLISH: Final = ("the", "and", "of", "to", "that", "with")
"""A line with two different ones of these words, as small letters between spaces, is English: next to none of any other
language has them."""

N_COUNTS: Final = scripts.N_CLASSES + 2
CANTONESE_COUNT, MANDARIN_COUNT = scripts.N_CLASSES, scripts.N_CLASSES + 1

_0, _1, _8 = np.uint64(0), np.uint64(1), np.uint64(8)
_WEIGHT: Final = 3
_YUE, _CMN = 16, 19
"""Three classes each, for HAN, HANS and HANT with a mark."""

_SPACED: Final = [f" {word} ".encode() for word in ENGLISH]
_WRITTEN: Final = np.array([int.from_bytes(word, "big") for word in _SPACED], np.uint64)
_MASKS: Final = np.array([(1 << 8 * len(word)) - 1 for word in _SPACED], np.uint64)


class Lines(NamedTuple):
    """Lines with letters enough, of all values, in order."""

    row: np.ndarray
    """int64, of the value."""
    start: np.ndarray
    """int64, byte places in the column's buffer."""
    stop: np.ndarray
    counts: np.ndarray
    """int32 (lines, N_COUNTS), code points by class, then CANTONESE and MANDARIN."""
    english: np.ndarray
    """int64, how many different ones of ENGLISH, two at most; 0 where few letters are Latin."""


@cache
def _kinds() -> np.ndarray:
    """Class of a code point, with classes of their own for CANTONESE and for MANDARIN."""
    kinds = scripts.classes().copy()
    for marked, first in ((CANTONESE, _YUE), (MANDARIN, _CMN)):
        kinds[[ord(each) for each in marked]] += np.uint8(first - scripts.HAN)
    kinds.flags.writeable = False
    return kinds


def measure_paragraphs(data: Bytes, offsets: Offsets, least: int) -> tuple[np.ndarray, Lines]:
    """Count letters by script.

    Args:
        data: of the column, read-only.
        offsets: n + 1.
        least: lines with fewer letters are left out; Han, kana and Hangul count three times.

    Returns:
        int64 (n, N_COUNTS) of whole values; their lines.
    """
    # A line with so many letters has as many bytes at least.
    room = int(offsets[-1] - offsets[0]) // least + len(offsets)
    found, size, places, counts = _measure(data, offsets, _kinds(), least, room)
    return found, Lines(places[:size, 0], places[:size, 1], places[:size, 2], counts[:size], places[:size, 3])


def cut(data: Bytes, starts: np.ndarray, stops: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Copy parts of a buffer, at most `most` bytes of each, whole characters; returns bytes, and offsets, int64."""
    text, ends = _cut(data, starts, stops, most)
    return text, ends


@kernel
def _cut(data, starts, stops, most):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    ends = np.zeros(starts.shape[0] + 1, np.int64)
    for i in range(starts.shape[0]):
        stop = stops[i]
        if stop - starts[i] > most:
            stop = starts[i] + most
            while stop > starts[i] and data[stop] & 0xC0 == 0x80:
                stop -= 1
        ends[i + 1] = ends[i] + stop - starts[i]
    out = np.empty(ends[-1], np.uint8)
    for i in range(starts.shape[0]):
        for k in range(ends[i + 1] - ends[i]):
            out[ends[i] + k] = data[starts[i] + k]
    return out, ends


@kernel
def _measure(data, offsets, kinds, least, room):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((offsets.shape[0] - 1, N_COUNTS), np.int64)
    # Memory that is not written costs nothing.
    places, counts = np.empty((room, 4), np.int64), np.empty((room, N_COUNTS), np.int32)
    size = 0
    # Counters of short lines, and of a long one; two sets of either, taken in turn: adding to the number that was just
    # stored would wait for the store.
    of = np.zeros(128, np.int64)
    for row in range(out.shape[0]):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        of[:64] = 0
        while at < stop:
            begin = at
            while at < stop and data[at] != 10:
                at += _1
            at = min(at + _1, stop)
            # No letter counts for more than its bytes.
            long = 64 if at - begin >= least else 0
            place = begin
            while place < at:
                point, place = step(data, place, at)
                of[long | kinds[point] | np.int64(place & _1) << 5] += 1
            if not long:
                continue
            letters = _folded(of, 64)
            for k in range(N_COUNTS):
                out[row, k] += of[64 + k]
            if letters >= least:
                english = 0
                # Where letters of the Latin script are most, they are a seventh at least: there are seven groups.
                if 7 * of[64 + scripts.LATIN] >= letters:
                    english = _english(data, begin, at)
                places[size, 0], places[size, 1], places[size, 2], places[size, 3] = row, begin, at, english
                for k in range(N_COUNTS):
                    counts[size, k] = of[64 + k]
                size += 1
            of[64:] = 0
        _folded(of, 0)
        for k in range(N_COUNTS):
            out[row, k] += of[k]
    return out, size, places, counts


@inlined
def _folded(of, base):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fold both sets of counters and the marked classes, as N_COUNTS says; returns letters, weighed."""
    for k in range(base, base + 32):
        of[k] += of[k + 32]
    letters = 0
    for k in range(3):
        yue, cmn = of[base + _YUE + k], of[base + _CMN + k]
        of[base + scripts.HAN + k] += yue + cmn
    marked = of[base + _YUE] + of[base + _YUE + 1] + of[base + _YUE + 2]
    other = of[base + _CMN] + of[base + _CMN + 1] + of[base + _CMN + 2]
    of[base + CANTONESE_COUNT], of[base + MANDARIN_COUNT] = marked, other
    for k in range(scripts.LETTER, scripts.N_CLASSES):
        letters += of[base + k] if k < scripts.KANA else _WEIGHT * of[base + k]
    return letters


@kernel
def _english(data, begin, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count different words of ENGLISH; two are enough."""
    seen = window = _0
    for at in range(begin, stop):
        # The last eight bytes.
        window = window << _8 | np.uint64(data[at])
        if data[at] == 32:
            for k in range(_WRITTEN.shape[0]):
                if window & _MASKS[k] == _WRITTEN[k] and not seen >> np.uint64(k) & _1:
                    if seen:
                        return 2
                    seen = _1 << np.uint64(k)
    return 1 if seen else 0
