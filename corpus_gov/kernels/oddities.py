"""Characters and tokens that nobody types: invisible letters, and a rare word again and again.

Tag characters (U+E0000 to U+E007F) and the other invisible alphabets spell instructions that a reader does not see and
a tokeniser does. A trigger is a word that stands many times in one text and hardly looks like a word.
"""

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import kernel


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
    return found[:written]


@kernel
def _invisible(data, offsets, least, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the runs that `out` has room for; returns how many there are."""
    written = 0
    for row in range(offsets.shape[0] - 1):
        at, stop, number = offsets[row], offsets[row + 1], 0
        start, tags, flag, before = -1, 0, False, np.uint32(0)
        while at <= stop:
            kind, point = 0, np.uint32(0)
            if at < stop:
                lead = np.uint32(data[at])
                if lead < 0xE0:
                    at += 1 if lead < 0x80 else 2
                elif lead < 0xF0 and at + 3 <= stop:
                    point = (
                        (lead & 0x0F) << 12 | (np.uint32(data[at + 1]) & 0x3F) << 6 | (np.uint32(data[at + 2]) & 0x3F)
                    )
                    at += 3
                    # The joiners of emoji and of Indic and Persian words come alone.
                    marks = (point >= 0x200B and point <= 0x200F) or (point >= 0x202A and point <= 0x202E)
                    joiners = (point >= 0x2060 and point <= 0x206F) or (point >= 0xFE00 and point <= 0xFE0F)
                    kind = 1 if marks or joiners or point == 0xFEFF else 0
                elif at + 4 <= stop:
                    point = (lead & 0x07) << 18 | (np.uint32(data[at + 1]) & 0x3F) << 12
                    point |= (np.uint32(data[at + 2]) & 0x3F) << 6 | (np.uint32(data[at + 3]) & 0x3F)
                    at += 4
                    if point >= 0xE0000 and point <= 0xE007F:
                        kind = 2
                    elif point >= 0xE0100 and point <= 0xE01EF:
                        kind = 1
                else:
                    at += 1
            else:
                at += 1
            if kind:
                if start < 0:
                    start, tags, flag = number, 0, before == 0x1F3F4
                tags += 1 if kind == 2 else 0
            elif start >= 0:
                if number - start >= least and not (flag and number - start == tags):
                    if written < out.shape[0]:
                        out[written, 0], out[written, 1], out[written, 2] = row, start, number
                        out[written, 3] = 1 if tags else 0
                    written += 1
                start = -1
            if kind == 0:
                before = point
            number += 1
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
    found: np.ndarray = _odd(data, offsets, least, share)
    return found


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
        at, stop, number, words, used = offsets[row], offsets[row + 1], 0, 0, 0
        best = np.int64(-1)
        length, vowels, letters, digits, switches, hexes, before = 0, 0, 0, 0, 0, 0, 0
        word, first = np.uint64(0), 0
        while at <= stop:
            byte = np.uint8(data[at]) if at < stop else np.uint8(32)
            low = byte | 32
            is_letter = low >= 97 and low <= 122
            is_digit = byte >= 48 and byte <= 57
            if is_letter or is_digit:
                if length == 0:
                    word, first = np.uint64(0xCBF29CE484222325), number
                    vowels, letters, digits, switches, hexes, before = 0, 0, 0, 0, 0, 0
                word = (word ^ np.uint64(low)) * np.uint64(0x100000001B3)
                length += 1
                kind = 1 if is_letter else 2
                switches += 1 if before != 0 and before != kind else 0
                before = kind
                letters += 1 if is_letter else 0
                digits += 1 if is_digit else 0
                hexes += 1 if is_digit or low <= 102 else 0
                vowel = low == 97 or low == 101 or low == 105 or low == 111 or low == 117 or low == 121
                vowels += 1 if vowel else 0
            else:
                if length > 0 or byte >= 0xE3:
                    words += 1
                if length >= 4 and length <= 24 and letters > 0 and hexes < length:
                    odd = (vowels == 0 and digits == 0 and length >= 5) or switches >= 2
                    if odd:
                        slot = np.int64(word >> np.uint64(40)) & (size - 1)
                        while stamps[slot] == row and keys[slot] != word:
                            slot = (slot + 1) & (size - 1)
                        if stamps[slot] != row and used < size * 3 // 4:
                            stamps[slot], keys[slot], counts[slot], firsts[slot] = row, word, 0, first
                            used += 1
                        if stamps[slot] == row:
                            counts[slot] += 1
                            lasts[slot] = number
                            if counts[slot] >= least and (best < 0 or counts[slot] > counts[best]):
                                best = slot
                length = 0
            # Continuation bytes are no code points of their own.
            if (byte & 0xC0) != 0x80:
                number += 1
            at += 1
        if best >= 0 and counts[best] >= share * words:
            out[written, 0], out[written, 1] = row, firsts[best]
            out[written, 2], out[written, 3] = lasts[best], counts[best]
            written += 1
    return out[:written]
