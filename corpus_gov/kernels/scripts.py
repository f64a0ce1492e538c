"""The class of every code point (script, digit, space …), counts by class, and bounded samples of letters.

The classes rest on the Unicode 3.2 database that every Python carries unchanged, and on whole blocks for
what came later: a newer Python must not change a signal.
"""

from functools import cache
from typing import Final
from unicodedata import ucd_3_2_0

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import Bytes, Offsets, buffers
from corpus_gov.kernels.compiling import inlined, kernel

(
    OTHER,  # format characters, private use, unassigned
    SPACE,  # white space, line ends included
    CONTROL,  # C0 and C1 controls that are not white space
    REPLACEMENT,  # U+FFFD: a decoder met bytes that it could not read
    SYMBOL,  # punctuation, symbols, emoji, and numbers that are not decimal digits
    DIGIT,  # decimal digits of any script
    MARK,  # combining marks
    LETTER,  # letters of scripts that have no class of their own
    LATIN,
    CYRILLIC,
    ARABIC,
    KANA,
    HANGUL,
    HAN,  # Han characters used in both simplified and traditional Chinese, or rare
    HANS,  # in simplified Chinese only
    HANT,  # in traditional Chinese only
) = range(16)
N_CLASSES: Final = 16

_1, _2, _3, _4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_APOSTROPHES = (ord("'"), ord("’"))

LAST: Final = 0x40000
"""Index of the table for every code point from here on: none of them is a letter."""

_BY_CATEGORY: Final = {"L": LETTER, "M": MARK, "N": SYMBOL, "P": SYMBOL, "S": SYMBOL, "Z": SPACE, "C": OTHER}
_EXCEPTIONS: Final = {"Nd": DIGIT, "Cc": CONTROL}

# What Unicode 3.2 does not know is taken by block: nearly all of these are letters, or symbols.
_LATER: Final = (
    (0x0220, 0x1CFF, LETTER), (0x1D00, 0x1DBF, LETTER), (0x1DC0, 0x1DFF, MARK), (0x1E00, 0x1FFF, LETTER),
    (0x20A0, 0x2BFF, SYMBOL), (0x2C00, 0x2DFF, LETTER), (0x2E00, 0x2E7F, SYMBOL), (0x3100, 0x31BF, LETTER),
    (0x31C0, 0x33FF, SYMBOL), (0xA490, 0xABFF, LETTER), (0xD7B0, 0xD7FF, LETTER), (0x10000, 0x1BFFF, LETTER),
    (0x1CF00, 0x1D3FF, SYMBOL), (0x1DF00, 0x1EFFF, LETTER), (0x1F000, 0x1FAFF, SYMBOL),
)  # fmt: skip

# Letters of these blocks get the class of their script.
_LETTERS: Final = (
    (0x0041, 0x024F, LATIN), (0x0250, 0x02AF, LATIN), (0x1D00, 0x1DBF, LATIN), (0x1E00, 0x1EFF, LATIN),
    (0x2C60, 0x2C7F, LATIN), (0xA722, 0xA7FF, LATIN), (0xAB30, 0xAB6F, LATIN), (0xFB00, 0xFB06, LATIN),
    (0xFF21, 0xFF5A, LATIN), (0x0400, 0x052F, CYRILLIC), (0x1C80, 0x1C8F, CYRILLIC), (0xA640, 0xA69F, CYRILLIC),
    (0x0600, 0x06FF, ARABIC), (0x0750, 0x077F, ARABIC), (0x0870, 0x08FF, ARABIC), (0xFB50, 0xFDFF, ARABIC),
    (0xFE70, 0xFEFC, ARABIC), (0x3041, 0x30FF, KANA), (0x31F0, 0x31FF, KANA), (0xFF66, 0xFF9F, KANA),
    (0x1AFF0, 0x1B16F, KANA), (0x1100, 0x11FF, HANGUL), (0x3131, 0x318E, HANGUL), (0xA960, 0xA97F, HANGUL),
    (0xAC00, 0xD7FF, HANGUL), (0xFFA0, 0xFFDC, HANGUL),
)  # fmt: skip

# Han by block, whatever the category: radicals too, which stand for characters in text out of PDF files.
_HAN: Final = (
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x20000, 0x3FFFF),
)  # fmt: skip

_POINTS: Final = (
    (0x09, SPACE), (0x0A, SPACE), (0x0B, SPACE), (0x0C, SPACE), (0x0D, SPACE), (0x85, SPACE), (0xFFFD, REPLACEMENT),
    # These were dashes or spaces in Unicode 3.2 and are invisible format characters since.
    (0x00AD, OTHER), (0x180E, OTHER), (0x200B, OTHER),
    # These choose a form, mostly of an emoji; as marks they would make words of emoji.
    *((selector, OTHER) for selector in range(0xFE00, 0xFE10)),
)  # fmt: skip


@cache
def classes() -> np.ndarray:
    """Build the table of classes, once a process.

    Returns:
        uint8, LAST + 1 rows: the class of the code point min(index, LAST); read-only.
    """
    table = np.full(LAST + 1, OTHER, np.uint8)
    categories = [ucd_3_2_0.category(chr(point)) for point in range(0x20000)]
    table[: len(categories)] = [_EXCEPTIONS.get(name, _BY_CATEGORY[name[0]]) for name in categories]
    unknown = np.zeros(LAST + 1, np.bool_)
    unknown[: len(categories)] = [name == "Cn" for name in categories]
    for first, last, kind in _LATER:
        table[first : last + 1][unknown[first : last + 1]] = kind
    letters = table == LETTER
    for first, last, kind in _LETTERS:
        table[first : last + 1][letters[first : last + 1]] = kind
    for first, last in _HAN:
        table[first : last + 1] = HAN
    for point, kind in _POINTS:
        table[point] = kind
    simplified, traditional = chinese()
    table[[ord(character) for character in simplified]] = HANS
    table[[ord(character) for character in traditional]] = HANT
    table.flags.writeable = False
    return table


def chinese() -> tuple[frozenset[str], frozenset[str]]:
    """Derive the Han characters that only simplified, and only traditional Chinese uses.

    GB 2312 holds the characters of simplified use, Big5 those of traditional use, each in a level of frequent
    and one of rare characters, and Python can decode both. A character of GB 2312 that Big5 lacks is
    simplified; so is one that is frequent there and rare in Big5, such as 体 and 万. A frequent character of
    Big5 that GB 2312 lacks is traditional. A few of either are names and dialect: callers compare counts.

    Returns:
        Two disjoint sets: some 2,200 simplified and 2,000 traditional characters.
    """
    gb_frequent, gb_rare = _decoded("gb2312", 0xB0, 0xD7), _decoded("gb2312", 0xD8, 0xF7)
    big5_frequent, big5_rare = _decoded("big5", 0xA4, 0xC6), _decoded("big5", 0xC9, 0xF9)
    simplified = (gb_frequent | gb_rare) - big5_frequent - big5_rare | gb_frequent & big5_rare
    return simplified, big5_frequent - gb_frequent - gb_rare


def _decoded(codec: str, first: int, last: int) -> frozenset[str]:
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in range(0x40, 0xFF))
    return frozenset(pair.decode(codec, "ignore") for pair in pairs) & frozenset(map(chr, range(0x4E00, 0xA000)))


# Kernels decode with `step`, or in place with the three that take numbers: a call that takes an array costs more than
# all the rest of a loop, because numba counts references at every call. Arrow promises valid UTF-8; where that
# promise is broken the results are some numbers, and no kernel reads beyond a value.


@kernel
def two(lead: int, second: int) -> int:
    """Decode a character of two bytes."""
    return np.uint32((lead & 0x1F) << 6 | (second & 0x3F))  # type: ignore[return-value]


@kernel
def three(lead: int, second: int, third: int) -> int:
    """Decode a character of three bytes."""
    return np.uint32((lead & 0x0F) << 12 | (second & 0x3F) << 6 | (third & 0x3F))  # type: ignore[return-value]


@kernel
def four(lead: int, second: int, third: int, fourth: int) -> int:
    """Decode a character of four bytes; LAST stands for all from there on."""
    return np.uint32(  # type: ignore[return-value]
        min((lead & 0x07) << 18 | (second & 0x3F) << 12 | (third & 0x3F) << 6 | (fourth & 0x3F), 0x40000)
    )


@inlined
def step(data, at, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Decode the character at `at`, and find where the next one begins.

    Args:
        data: uint8.
        at: uint64, below `stop`: numba would test a signed place for Python's counting from the end.
        stop: uint64, the end of the value; nothing from there on is read.

    Returns:
        The code point, uint32, U+FFFD for a character that is cut off; the next place, uint64.
    """
    # Inlined into the loop that calls it, before numba counts references to `data`.
    lead = np.uint32(data[at])
    if lead < 0x80:
        point, after = lead, at + _1
    elif lead < 0xE0 and at + _2 <= stop:
        point, after = two(lead, data[at + _1]), at + _2
    elif lead < 0xF0 and at + _3 <= stop:
        point, after = three(lead, data[at + _1], data[at + _2]), at + _3
    elif at + _4 <= stop:
        point, after = four(lead, data[at + _1], data[at + _2], data[at + _3]), at + _4
    else:
        point, after = np.uint32(0xFFFD), at + _1
    return point, after


@inlined
def put(out, end, point):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Encode a character.

    Args:
        out: uint8, with room for four more bytes.
        end: int64, where to write.
        point: uint32.

    Returns:
        One past the last byte that was written.
    """
    if point < 0x80:
        out[end] = point
        end += 1
    elif point < 0x800:
        out[end], out[end + 1] = 0xC0 | point >> 6, 0x80 | (point & 0x3F)
        end += 2
    elif point < 0x10000:
        out[end], out[end + 1] = 0xE0 | point >> 12, 0x80 | (point >> 6 & 0x3F)
        out[end + 2] = 0x80 | (point & 0x3F)
        end += 3
    else:
        out[end], out[end + 1] = 0xF0 | point >> 18, 0x80 | (point >> 12 & 0x3F)
        out[end + 2], out[end + 3] = 0x80 | (point >> 6 & 0x3F), 0x80 | (point & 0x3F)
        end += 4
    return end


def count(column: pa.Array) -> np.ndarray:
    """Count the code points of each value by class.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.

    Returns:
        int64, n rows of N_CLASSES counts.
    """
    counts: np.ndarray = _count(*read_only(column), classes())
    return counts


def sample(column: pa.Array, points: int) -> pa.Array:
    """Take the first `points` code points of each value that are letters, marks, apostrophes or spaces between them.

    Digits, symbols and line ends say little about the language, and much of a page can be made of them. Any
    run of them becomes one space.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        points: at most so many code points of each value.

    Returns:
        large_string, n rows, without line ends.
    """
    data, offsets = read_only(column)
    text, ends = _sample(data, offsets, classes(), points)
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))


def read_only(column: pa.Array) -> tuple[Bytes, Offsets]:
    """View a column as `buffers` does, always read-only: numba compiles a second kernel for writable arrays."""
    # A null may have bytes behind it that nobody is to see.
    data, offsets = (array.view() for array in buffers(column.fill_null("") if column.null_count else column))
    data.flags.writeable = offsets.flags.writeable = False
    return data, offsets


@kernel
def _count(data, offsets, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((offsets.shape[0] - 1, 16), np.int64)
    # Two sets of counters, taken in turn: adding to the number that was just stored would wait for the store.
    counts = np.zeros(32, np.int64)
    for row in range(out.shape[0]):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        counts[:] = 0
        while at < stop:
            point, at = step(data, at, stop)
            counts[table[point] | np.int64(at & _1) << 4] += 1
        out[row] = counts[:16] + counts[16:]
    return out


@kernel
def _sample(data, offsets, table, points):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    ends = np.zeros(offsets.shape[0], np.int64)
    size = np.int64(0)
    for row in range(offsets.shape[0] - 1):
        size += min(offsets[row + 1] - offsets[row], np.int64(4 * points))
    out = np.empty(size, np.uint8)
    end = np.int64(0)
    for row in range(offsets.shape[0] - 1):
        at, stop, left, gap = np.uint64(offsets[row]), np.uint64(offsets[row + 1]), points, False
        begin = end
        while at < stop and left > 0:
            start = at
            point, at = step(data, at, stop)
            kind = table[point]
            if kind < MARK and point not in _APOSTROPHES:
                gap = gap or kind != OTHER
                continue
            # The space has its room in `out`: what it stands for was at least one byte of the same value.
            if gap and end > begin:
                out[end] = 32
                end, left = end + 1, left - 1
            gap = False
            if left > 0:
                for index in range(start, at):
                    out[end] = data[index]
                    end += 1
                left -= 1
        ends[row + 1] = end
    return out[:end], ends
