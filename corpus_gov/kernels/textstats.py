"""Counts of the characters, words and lines of every value of a column."""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from functools import cache
from secrets import randbits
from typing import Final

import numpy as np

from corpus_gov.kernels.columns import Bytes, Offsets
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.scripts import classes, four, three, two

TERMINAL: Final = ".!?…‥⋯。！？；．｡﹒﹖﹗”」』）‼⁇⁈⁉؟۔।॥։።။។"
"""What ends a sentence. Chinese lines also end with a closing quotation mark, with a full-width bracket, and, in
lists of laws and minutes, with a full-width semicolon."""

CLOSING: Final = "\"')]}’》〉】〕］｝＂＇"
"""What may follow the end of a sentence; says nothing alone: `(a.)` ends one, `f(x)` does not."""

BULLETS: Final = "•‣⁃◦∙·・▪▫■□●○◆◇◈★☆►▶▸➢➤➔→※✓✔❖"
DASHES: Final = "-*+–—"
"""Open a list item like BULLETS, but only before a space or tab: else a number, emphasis or a quotation's author."""

ELLIPSES: Final = "…‥⋯"
"""So does `...`; both as the last thing on a line but for CLOSING."""

BETWEEN: Final = "，、,"
"""Stands between words of one sentence: a line that ends so goes on somewhere else."""

LIST_RUN: Final = 5
"""So many short lines in a row are a menu or a list."""

LONG_LINE_BYTES: Final = 90
"""A line that breaks off is counted from this length, 30 Han characters, on: headings are shorter."""

SHORT_LINE_BYTES: Final = 30
"""A shorter line is short: 30 letters or 10 Han characters, which say about as much. Bytes of UTF-8 are fair here."""

LINE_COUNTS: Final = (
    "n_lines",  # lines that are not blank: all below look at these alone, without white space at either end
    "line_chars",  # code points in them
    "dup_lines",  # lines equal to an earlier line of the same value
    "dup_chars",  # code points in those
    "short_lines",  # under SHORT_LINE_BYTES
    "terminal_lines",  # end with TERMINAL, whatever CLOSING and white space follow
    "bullet_lines",  # start with BULLETS, or with DASHES before a space or tab
    "ellipsis_lines",  # end with ELLIPSES or `...`, whatever CLOSING and white space follow
    "open_lines",  # of LONG_LINE_BYTES or more that end with a letter, a digit or BETWEEN
    "listed_lines",  # in a run of LIST_RUN or more short lines that end no sentence; blank lines do not break it
    "ends_open",  # 1 where the last line ends no sentence and is not short
    "kept_sentences",  # of lines that C4 keeps: an end that is no ellipsis, three words, nothing it drops lines for
    "n_paragraphs",  # runs of lines that are not blank
    "dup_paragraphs",  # those equal, line by line, to an earlier one of the same value
    "dup_paragraph_chars",  # code points in their lines
)

# Bits of the table beside the class.
_CLASS, _BETWEEN, _TERMINAL, _CLOSING, _BULLET = 0x0F, 0x10, 0x20, 0x40, 0x80
_SPACE, _SHORT, _LONG, _DIGIT, _RUN, _N_COUNTS = 1, 30, 90, 5, 5, len(LINE_COUNTS)
_MARKS = _BETWEEN | _TERMINAL | _CLOSING | _BULLET
_1, _2, _3, _4, _8 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4), np.uint64(8)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_DASH_POINTS = tuple(ord(character) for character in DASHES)
_ELLIPSIS_POINTS = tuple(ord(character) for character in ELLIPSES)

# Lines are told apart by their bytes, so no result depends on this number. It keeps a hostile page from choosing
# lines that all fall into one slot of the hash table.
_SEED: Final = np.uint64(randbits(64))


def measure_lines(data: Bytes, offsets: Offsets, info: np.ndarray) -> dict[str, np.ndarray]:
    """Count lines and paragraphs by what they begin and end with, and those that repeat an earlier one.

    A line ends at U+000A or at the end of the value. Blank lines are no lines.

    Args:
        data: of the column, read-only.
        offsets: n + 1.
        info: of every line, as `characters.measure_characters` gives it.

    Returns:
        By the names of LINE_COUNTS, int64 (n,).
    """
    return dict(zip(LINE_COUNTS, _lines(data, offsets, info, _table(), _SEED).T, strict=True))


@cache
def _table() -> np.ndarray:
    kinds = classes()
    table = kinds.copy()
    table[[ord(character) for character in BETWEEN]] |= _BETWEEN
    for characters, bit in ((TERMINAL, _TERMINAL), (CLOSING, _CLOSING), (BULLETS + DASHES, _BULLET)):
        table[[ord(character) for character in characters]] |= bit
    table.flags.writeable = False
    return table


# Positions are unsigned in these loops: numba would test each signed one for Python's counting from the end.


@kernel
def _lines(data, offsets, info, table, seed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count lines by their ends, and those that repeat an earlier one."""
    out = np.zeros((offsets.shape[0] - 1, _N_COUNTS), np.int64)
    # The lines of one value, by open addressing; an empty slot has the end 0, which no line has.
    few_hashes, few_starts, few_ends = np.zeros(256, np.uint64), np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    few_paragraphs = np.zeros(64, np.uint64)
    line = np.uint64(0)
    for row in range(out.shape[0]):
        few_ends[:] = 0
        few_paragraphs[:] = 0
        paragraphs, paragraph, paragraph_chars = few_paragraphs, seed, np.int64(0)
        n_paragraphs, new_paragraphs, again_chars = 0, 0, np.int64(0)
        unfinished, listed, run, ends_open, kept = 0, 0, 0, 0, np.int64(0)
        hashes, starts, ends, mask = few_hashes, few_starts, few_ends, np.uint64(255)
        n_lines, line_chars, distinct, dup_chars, short, terminal, bullet, ellipsis = 0, 0, 0, 0, 0, 0, 0, 0
        following, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        while following < stop:
            start = following
            while following < stop and data[following] != 10:
                following += _1
            end = following
            following += _1
            says = info[line]
            line += _1
            # White space and marks at both ends: what is common is settled here, the rest by a call.
            while start < end and (data[start] == 32 or 9 <= data[start] <= 13):
                start += _1
            while start < end and (data[end - _1] == 32 or 9 <= data[end - _1] <= 13):
                end -= _1
            head = tail = np.uint32(32)
            if start < end:
                head, tail = np.uint32(data[start]), np.uint32(data[end - _1])
            if head >= 0x80 or tail >= 0x80:
                if start + _3 <= end:
                    if 0xE0 <= head < 0xF0:
                        head = three(head, data[start + _1], data[start + _2])
                    if 0xE0 <= data[end - _3] < 0xF0:
                        tail = three(data[end - _3], data[end - _2], tail)
                if not (_is_plain(head, table[head]) and _is_plain(tail, table[tail])):
                    start, end = _trim(data, start, end, table)
                    head = tail = np.uint32(0x80)
            if start == end:
                if paragraph_chars != 0:
                    paragraphs, new = _add(paragraphs, paragraph, new_paragraphs)
                    n_paragraphs, new_paragraphs = n_paragraphs + 1, new_paragraphs + new
                    again_chars += (1 - new) * paragraph_chars
                    paragraph, paragraph_chars = seed, np.int64(0)
                continue
            if not _is_plain(head, table[head]):
                bullet += _opens_item(data, start, end, table)
            ends_sentence = trails_off = between = False
            if not _is_plain(tail, table[tail]):
                ends_sentence, trails_off = _ending(data, start, end, table)
                terminal += ends_sentence
                ellipsis += trails_off
                between = not ends_sentence and _goes_on(data, start, end, table)
            is_short = end - start < _SHORT
            unfinished += end - start >= _LONG and (
                between or (_is_plain(tail, table[tail]) and table[tail] & _CLASS >= _DIGIT)
            )
            ends_open = not (ends_sentence or is_short)
            run = 0 if ends_sentence or not is_short else run + 1
            listed += 1 if run > _RUN else _RUN * (run == _RUN)
            if ends_sentence and not trails_off and says & 7 == 3:
                kept += np.int64(says >> np.uint32(3))
            chars = 0
            for place in range(start, end):
                chars += data[place] & 0xC0 != 0x80
            n_lines += 1
            line_chars += chars
            short += is_short
            paragraph_chars += chars

            line_hash, place = seed, start
            while place + _8 <= end:
                chunk = np.uint64(0)
                for byte in range(_8):
                    chunk |= np.uint64(data[place + byte]) << (byte * _8)
                line_hash = (line_hash ^ chunk) * _MULTIPLIER
                line_hash ^= line_hash >> np.uint64(32)
                place += _8
            while place < end:
                line_hash = (line_hash ^ np.uint64(data[place])) * _MULTIPLIER
                place += _1
            # The product's low bits depend on the low bits of the bytes alone.
            line_hash ^= line_hash >> np.uint64(32)
            paragraph = (paragraph ^ line_hash) * _MULTIPLIER
            paragraph ^= paragraph >> np.uint64(32)
            slot = line_hash & mask
            known = False
            while ends[slot] != 0 and not known:
                if hashes[slot] == line_hash and ends[slot] - starts[slot] == end - start:
                    other, place = starts[slot], start
                    while place < end and data[place] == data[other]:
                        place, other = place + _1, other + _1
                    known = place == end
                if not known:
                    slot = (slot + _1) & mask
            if known:
                dup_chars += chars
                continue
            hashes[slot], starts[slot], ends[slot] = line_hash, start, end
            distinct += 1
            if 2 * distinct > hashes.shape[0]:
                hashes, starts, ends = _grow(hashes, starts, ends)
                mask = np.uint64(hashes.shape[0] - 1)
        if paragraph_chars != 0:
            paragraphs, new = _add(paragraphs, paragraph, new_paragraphs)
            n_paragraphs, new_paragraphs = n_paragraphs + 1, new_paragraphs + new
            again_chars += (1 - new) * paragraph_chars
        out[row, 0], out[row, 1], out[row, 2], out[row, 3] = n_lines, line_chars, n_lines - distinct, dup_chars
        out[row, 4], out[row, 5], out[row, 6], out[row, 7] = short, terminal, bullet, ellipsis
        out[row, 8], out[row, 9], out[row, 10], out[row, 11] = unfinished, listed, ends_open, kept
        out[row, 12], out[row, 13], out[row, 14] = n_paragraphs, n_paragraphs - new_paragraphs, again_chars
    return out


@kernel
def _add(known, key, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put a paragraph into the set of those known, a larger one where it is half full; returns it, 1 if it was new."""
    key |= _1  # 0 is an empty slot
    mask = np.uint64(known.shape[0] - 1)
    slot = (key >> np.uint64(32)) & mask
    while known[slot] != 0:
        if known[slot] == key:
            return known, 0
        slot = (slot + _1) & mask
    known[slot] = key
    if 2 * count < known.shape[0]:
        return known, 1
    wider = np.zeros(2 * known.shape[0], np.uint64)
    mask = np.uint64(wider.shape[0] - 1)
    for old in known:
        if old != 0:
            slot = (old >> np.uint64(32)) & mask
            while wider[slot] != 0:
                slot = (slot + _1) & mask
            wider[slot] = old
    return wider, 1


@kernel
def _grow(hashes, starts, ends):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Copy the hash table into one of twice the size: its memory follows the distinct lines of one value."""
    size = 2 * hashes.shape[0]
    mask = np.uint64(size - 1)
    new_hashes, new_starts, new_ends = np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    for old in range(hashes.shape[0]):
        if ends[old] != 0:
            slot = hashes[old] & mask
            while new_ends[slot] != 0:
                slot = (slot + _1) & mask
            new_hashes[slot], new_starts[slot], new_ends[slot] = hashes[old], starts[old], ends[old]
    return new_hashes, new_starts, new_ends


@kernel
def _is_plain(point, bits):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a character at the end of a line is decoded (no lone byte) and neither white space nor a mark."""
    return not (0x80 <= point < 0x100 or bits & _MARKS or bits & _CLASS == _SPACE)


@kernel
def _point(data, at, end):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Decode the whole character [at, end)."""
    lead = np.uint32(data[at])
    if end - at == _3:
        return three(lead, data[at + _1], data[at + _2])
    if end - at == _2:
        return two(lead, data[at + _1])
    if end - at == _4:
        return four(lead, data[at + _1], data[at + _2], data[at + _3])
    return lead


@kernel
def _trim(data, start, end, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Take white space of any kind from both ends of [start, end)."""
    while start < end:
        after = start + _1
        while after < end and data[after] & 0xC0 == 0x80:
            after += _1
        if table[_point(data, start, after)] & _CLASS != _SPACE:
            break
        start = after
    while start < end:
        at = end - _1
        while at > start and data[at] & 0xC0 == 0x80:
            at -= _1
        if table[_point(data, at, end)] & _CLASS != _SPACE:
            break
        end = at
    return start, end


@kernel
def _opens_item(data, start, end, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether the line starts with a bullet, or with a dash before a space or tab."""
    after = start + _1
    while after < end and data[after] & 0xC0 == 0x80:
        after += _1
    point = _point(data, start, after)
    if not table[point] & _BULLET:
        return False
    return point not in _DASH_POINTS or (after < end and (data[after] == 32 or data[after] == 9))


@kernel
def _goes_on(data, start, end, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether the line ends with a letter or digit after all, or with BETWEEN."""
    at = end - _1
    while at > start and data[at] & 0xC0 == 0x80:
        at -= _1
    bits = table[_point(data, at, end)]
    return bits & _CLASS >= _DIGIT or bits & _BETWEEN != 0


@kernel
def _ending(data, start, end, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether the line ends a sentence, and whether it trails off; walks back over closing marks and white space."""
    while end > start:
        at = end - _1
        while at > start and data[at] & 0xC0 == 0x80:
            at -= _1
        point = _point(data, at, end)
        bits = table[point]
        if not (bits & _CLOSING or bits & _CLASS == _SPACE):
            dots = point == 46 and end - start >= _3 and data[end - _2] == 46 and data[end - _3] == 46
            return bits & _TERMINAL != 0, dots or point in _ELLIPSIS_POINTS
        end = at
    return False, False
