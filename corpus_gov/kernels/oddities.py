"""Characters and tokens that nobody types: invisible letters, and a rare word again and again.

Tag characters (U+E0000 to U+E007F) and the other invisible alphabets spell instructions that a reader does not see and
a tokeniser does. A trigger is a word that stands many times in one text and hardly looks like a word.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import Bytes, Offsets, buffers, code_points
from corpus_gov.kernels.compiling import inlined, kernel

_LETTER: Final = 1
_DIGIT: Final = 2
_VOWEL: Final = 4
_NO_HEX: Final = 8
_HAN: Final = 16
"""What a byte can be: bits of `_CLASSES`. A vowel is one of aeiouy; Han stands for the first byte of what is written
without spaces, a word each."""

_CLASSES: Final = np.array(
    [
        _LETTER * (97 <= low <= 122) | _VOWEL * (chr(low) in "aeiouy") | _NO_HEX * (102 < low <= 122)
        if 65 <= byte <= 122
        else _DIGIT * (48 <= byte <= 57) | _HAN * (byte >= 0xE3)
        for byte, low in ((byte, byte | 32) for byte in range(256))
    ],
    np.uint8,
)


def invisible_runs(column: pa.Array, least: int) -> np.ndarray:
    """Find runs of invisible characters that can spell something.

    Counted are tag characters, variation selectors (both blocks), zero-width characters and direction marks; a flag of
    a region (a black flag and tags up to the cancel tag) and a single selector behind a sign are no run.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        least: characters of a run.

    Returns:
        int64 (m, 4): row, first and last code point + 1, 1 where the run has tag characters or else 0.
    """
    data, offsets = buffers(column.fill_null("") if column.null_count else column)
    # An array that grew in the loop would be counted as a reference at every character.
    found = np.zeros((1024, 4), np.int64)
    if (written := _invisible(data, offsets, least, found)) > len(found):
        found = np.zeros((written, 4), np.int64)
        _invisible(data, offsets, least, found)
    return _counted(data, offsets, found[:written])


def _counted(data: Bytes, offsets: Offsets, found: np.ndarray) -> np.ndarray:
    """Turn the second and third column from bytes of a row to code points."""
    for side in (1, 2):
        found[:, side] = code_points(data, offsets, found[:, 0], found[:, side])
    return found


@inlined
def _width(data, at, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the bytes of the invisible character at `at`, 0 where there is another."""
    lead, width = data[at], 0
    if lead == 0xE2 or lead == 0xEF or lead == 0xF3:
        second = data[at + 1] if at + 3 <= stop else 0
        third = data[at + 2] if at + 3 <= stop else 0
        if lead == 0xE2:
            # U+200B to U+200F, U+202A to U+202E; U+2060 to U+206F.
            marks = (third >= 0x8B and third <= 0x8F) or (third >= 0xAA and third <= 0xAE)
            width = 3 if (second == 0x80 and marks) or (second == 0x81 and third >= 0xA0 and third <= 0xAF) else 0
        elif lead == 0xEF:
            # U+FE00 to U+FE0F; U+FEFF.
            width = 3 if (second == 0xB8 and third <= 0x8F) or (second == 0xBB and third == 0xBF) else 0
        elif second == 0xA0 and at + 4 <= stop:
            # U+E0000 to U+E007F; U+E0100 to U+E01EF.
            selector = third >= 0x84 and (third < 0x87 or (third == 0x87 and data[at + 3] < 0xB0))
            width = 4 if third < 0x82 or selector else 0
    return width


@kernel
def _invisible(data, offsets, least, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the runs that `out` has room for, in bytes of their row; returns how many there are."""
    written = 0
    for row in range(offsets.shape[0] - 1):
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            if data[at] < 0x80:
                at += 1
                while at + 4 <= stop and (data[at] | data[at + 1] | data[at + 2] | data[at + 3]) < 0x80:
                    at += 4
                continue
            # Asked here and not in the call, which would count a reference to the array at every character.
            lead = data[at]
            width = _width(data, at, stop) if lead == 0xE2 or lead == 0xEF or lead == 0xF3 else 0
            if width == 0:
                at += 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
                continue
            start, length, tags = at, 0, 0
            # The joiners of emoji and of Indic and Persian words come alone.
            while width > 0:
                length += 1
                tags += 1 if width == 4 and data[at + 2] < 0x82 else 0
                at += width
                width = _width(data, at, stop) if at < stop else 0
            # U+1F3F4, the black flag.
            flag = start - offsets[row] >= 4 and data[start - 4] == 0xF0 and data[start - 3] == 0x9F
            flag = flag and data[start - 2] == 0x8F and data[start - 1] == 0xB4
            if length >= least and not (flag and length == tags):
                if written < out.shape[0]:
                    out[written, 0], out[written, 1] = row, start - offsets[row]
                    out[written, 2], out[written, 3] = at - offsets[row], 1 if tags else 0
                written += 1
    return written


def odd_words(column: pa.Array, least: int, share: float) -> np.ndarray:
    """Find words of ASCII letters and digits that hardly are words and stand in a text again and again.

    Odd is a word of 4 to 24 letters and digits without vowels, or that mixes letters and digits twice or more
    (`x7q9`), apart from hexadecimal numbers; words of program text are odd as well, so that the share decides.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        least: occurrences in the text.
        share: of all words of the text that the occurrences must be.

    Returns:
        int64 (m, 4): row, code points where the first occurrence begins and the last one ends, occurrences; at most one
        word a row, the most frequent.
    """
    data, offsets = buffers(column.fill_null("") if column.null_count else column)
    return _counted(data, offsets, _odd(data, offsets, least, share))


@kernel
def _odd(data, offsets, least, share):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    # One word a row at most: an array that grew would be counted as a reference at every character.
    out = np.zeros((offsets.shape[0] - 1, 4), np.int64)
    written = 0
    # One table for all rows; a slot belongs to a row only while its stamp says so. Once it is three quarters full, new
    # words of that row are no longer counted: a word that makes up a share of a text comes early.
    size = 1 << 12
    keys, stamps = np.zeros(size, np.uint64), np.full(size, -1, np.int64)
    counts, firsts, lasts = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64)
    for row in range(offsets.shape[0] - 1):
        at, stop, words, used = offsets[row], offsets[row + 1], 0, 0
        best = np.int64(-1)
        while at < stop:
            kinds = _CLASSES[data[at]]
            if kinds & (_LETTER | _DIGIT) == 0:
                words += 1 if kinds & _HAN else 0
                at += 1
                continue
            first = at
            at += 1
            while at < stop and _CLASSES[data[at]] & (_LETTER | _DIGIT):
                kinds |= _CLASSES[data[at]]
                at += 1
            # With a Han character right behind it, it is one word.
            words += 1
            if _may_be_odd(at - first, kinds):
                word, switches = np.uint64(0xCBF29CE484222325), 0
                for place in range(first, at):
                    word = (word ^ np.uint64(data[place] | 32)) * np.uint64(0x100000001B3)
                    other = _CLASSES[data[place]] ^ _CLASSES[data[max(place - 1, first)]]
                    switches += 1 if other & _DIGIT else 0
                if switches >= 2 or (kinds & _DIGIT == 0 and at - first >= 5):
                    slot = np.int64(word >> np.uint64(40)) & (size - 1)
                    while stamps[slot] == row and keys[slot] != word:
                        slot = (slot + 1) & (size - 1)
                    if stamps[slot] != row and used < size * 3 // 4:
                        stamps[slot], keys[slot], counts[slot], firsts[slot] = row, word, 0, first - offsets[row]
                        used += 1
                    if stamps[slot] == row:
                        counts[slot] += 1
                        lasts[slot] = at - offsets[row]
                        if counts[slot] >= least and (best < 0 or counts[slot] > counts[best]):
                            best = slot
            at += 1
        if best >= 0 and counts[best] >= share * words:
            out[written, 0], out[written, 1] = row, firsts[best]
            out[written, 2], out[written, 3] = lasts[best], counts[best]
            written += 1
    return out[:written]


@inlined
def _may_be_odd(length, kinds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say whether a word, by its length and the kinds of its bytes, is worth a closer look."""
    plain = length >= 4 and length <= 24 and kinds & _LETTER != 0 and kinds & _NO_HEX != 0
    return plain and (kinds & _DIGIT != 0 or kinds & _VOWEL == 0)
