"""Lines, paragraphs, clauses and tokens of texts: their spans, and a hash of each in the matching view."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import code_points
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import Folding
from corpus_gov.kernels.scripts import LAST, read_only, step
from corpus_gov.kernels.shingles import entries, fill

VERSION: Final = 1

LINE_ENDS: Final = "\n"
CLAUSE_ENDS: Final = '\n\r\t.,;:!?()[]{}<>|"。，、；：！？．…—·「」『』（）【】《》〈〉“”‘’｛｝［］｜'
"""Whatever ends a clause, or opens one; white space does not: in most scripts it stands between words."""

_0, _1, _2, _4, _7, _32 = (np.uint64(number) for number in (0, 1, 2, 4, 7, 32))
_3 = np.uint64(3)
_CHAIN = np.uint64(0xD6E8FEB86659FD93)
_PARAGRAPH = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True)
class Pieces:
    """Pieces of the values of a column that have a token, in the order of the text."""

    rows: np.ndarray
    """int64, row of the column, ascending."""
    starts: np.ndarray
    """int64, first byte inside the value."""
    stops: np.ndarray
    """int64, one past the last byte inside the value; the end of a line is not part of it."""
    hashes: np.ndarray
    """uint64, the same for pieces of the same folded tokens."""
    tokens: np.ndarray
    """int64."""


@dataclass(frozen=True)
class Lines:
    """Lines and paragraphs of the values of a column; spans hold the white space before, so that a cut leaves none."""

    rows: np.ndarray
    """int64, row of the column."""
    starts: np.ndarray
    """int64, code points: where the white space before it begins."""
    stops: np.ndarray
    """int64, code points, one past its last that is no white space. Where it is the first of its value, one past the
    white space behind it."""
    hashes: np.ndarray
    """uint64, the same for lines of the same folded tokens; a paragraph's is never meant to be that of a line."""
    tokens: np.ndarray
    """int64."""
    sizes: np.ndarray
    """int64, lines that it has: 1 for a line, more for a paragraph."""


def pieces(column: pa.Array, ends: str, folding: Folding, least: int) -> Pieces:
    """Cut values and hash the pieces.

    Args:
        column: string or large_string, n rows; a null has no pieces.
        ends: the code points that separate pieces.
        folding: the matching view.
        least: fewer tokens make no piece.
    """
    data, offsets = read_only(column)
    marks = _marks(ends)
    rows, starts, stops = _spans(data, offsets, marks, _count_ends(data, offsets, marks))
    hashes, tokens = _hashes(data, starts, stops, *entries(folding))
    kept = tokens >= max(least, 1)
    base = offsets[rows[kept]]
    return Pieces(rows[kept], starts[kept] - base, stops[kept] - base, hashes[kept], tokens[kept])


def lines(column: pa.Array, folding: Folding, least: int) -> Lines:
    """Cut values into lines, and into paragraphs: two and more lines with no empty one between them.

    Args:
        column: string or large_string, n rows; a null has none.
        folding: the matching view.
        least: fewer tokens make no line and no paragraph.

    Returns:
        All lines in the order of the text, then all paragraphs.
    """
    data, offsets = read_only(column)
    # Every value has one line more than line ends at most.
    room = int(np.count_nonzero(data[offsets[0] : offsets[-1]] == ord("\n"))) + len(offsets) - 1
    found = np.empty((6, room), np.int64)
    rows, begins, ends, starts, stops, joined = found[:, : _lines(data, offsets, found)]
    hashes, tokens = _hashes(data, begins, ends, *entries(folding))
    last, whole, sums, sizes = _paragraphs(joined, hashes, tokens)
    one, several = tokens >= max(least, 1), (sums >= max(least, 1)) & (sizes > 1)
    first = (last - sizes + 1)[several]
    parts = (
        (rows, rows[first]),
        (starts, starts[first]),
        (stops, stops[last[several]]),
        (hashes, whole[several]),
        (tokens, sums[several]),
        (np.ones(len(rows), np.int64), sizes[several]),
    )
    return Lines(*(np.concatenate((of_lines[one], of_paragraphs)) for of_lines, of_paragraphs in parts))


def token_spans(column: pa.Array, folding: Folding) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find where the tokens of each value stand; the same tokens as those of `shingles.tokens`.

    Args:
        column: string or large_string, n rows; a null has none.
        folding: the matching view.

    Returns:
        int64 first code points, int64 one past the last ones, and int64, n + 1 offsets into both. The tokens of one
        code point that stands for several have one span.
    """
    data, offsets = read_only(column)
    bounds = np.zeros(len(offsets), np.int64)
    _token_spans(data, offsets, *entries(folding), np.empty((0, 2), np.int64), bounds)
    spans = np.empty((bounds[-1], 2), np.int64)
    _token_spans(data, offsets, *entries(folding), spans, bounds)
    rows = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    base = offsets[rows]
    starts, stops = (code_points(data, offsets, rows, spans[:, side] - base) for side in (0, 1))
    return starts, stops, bounds


@cache
def _marks(ends: str) -> np.ndarray:
    marks = np.zeros(LAST + 1, np.bool_)
    marks[[ord(character) for character in ends]] = True
    marks.flags.writeable = False
    return marks


@kernel
def _count_ends(data, offsets, marks):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    n = 0
    for row in range(offsets.shape[0] - 1):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        n += 1
        while at < stop:
            point, at = step(data, at, stop)
            n += marks[point]
    return n


@kernel
def _spans(data, offsets, marks, room):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    # Arrays that grow in this loop would be counted as references at every character: a tenth of the speed.
    rows, starts, stops = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    n = 0
    for row in range(offsets.shape[0] - 1):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        begin = at
        while at < stop:
            here = at
            point, at = step(data, at, stop)
            mark = marks[point]
            if mark or at >= stop:
                end = here if mark else at
                if end > begin:
                    rows[n], starts[n], stops[n] = row, begin, end
                    n += 1
                begin = at
    return rows[:n], starts[:n], stops[:n]


@kernel
def _lines(data, offsets, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write a column of `out` for each line with anything but white space, and return how many there are.

    They are row, first byte, one past the last byte, first and last code point as in Lines, and whether the line
    before is its neighbour.
    """
    n = np.uint64(0)
    for row in range(offsets.shape[0] - 1):
        begin, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        first, joined = n, False
        # Code points before `begin`, and as they were behind the last one that was no white space.
        count, solid = np.uint64(0), np.uint64(0)
        while begin < stop:
            end = begin
            while end < stop and data[end] != 10:
                end += _1
            a, z = begin, end
            while a < end and data[a] <= 32:
                a += _1
            while z > a and data[z - _1] <= 32:
                z -= _1
            # White space of ASCII has a byte a code point.
            count += a - begin
            if a < z:
                if n == first + _1:
                    out[4, first] = count
                points = 0
                for at in range(a, z):
                    # Every code point has exactly one byte that is not a continuation byte.
                    points += (data[at] & 0xC0) != 0x80
                count += np.uint64(points)
                out[0, n], out[1, n], out[2, n] = row, a, z
                out[3, n], out[4, n], out[5, n] = solid, count, joined
                n, solid = n + _1, count
            joined = bool(a < z)
            count += end - z + _1
            begin = end + _1
        if n == first + _1:
            # The last line has no end to be counted where the text has none.
            out[4, first] = count - _1 if data[stop - _1] != 10 else count
    return np.int64(n)


@kernel
def _paragraphs(joined, hashes, tokens):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Hash runs of lines that are neighbours: where each ends, its hash, its tokens, its lines."""
    m = 0
    for line in range(joined.shape[0]):
        m += joined[line] == 0
    last, whole = np.empty(m, np.int64), np.empty(m, np.uint64)
    sums, sizes = np.zeros(m, np.int64), np.zeros(m, np.int64)
    at = -1
    for line in range(joined.shape[0]):
        if joined[line] == 0:
            at += 1
            whole[at] = _PARAGRAPH
        mixed = (whole[at] ^ hashes[line]) * _CHAIN
        whole[at] = mixed ^ (mixed >> _32)
        last[at] = line
        sums[at] += tokens[line]
        sizes[at] += 1
    return last, whole, sums, sizes


@kernel
def _hashes(data, starts, stops, entries, more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    hashes, counts = np.zeros(starts.shape[0], np.uint64), np.zeros(starts.shape[0], np.int64)
    tokens, state = np.empty(1024, np.uint64), np.empty(2, np.uint64)
    for piece in range(starts.shape[0]):
        at, stop = starts[piece], stops[piece]
        state[:] = _0
        running = _0
        while at < stop or state[1] != 0:
            at, n = fill(data, at, stop, entries, more, tokens, 0, state)
            for i in range(n):
                mixed = (running ^ tokens[i]) * _CHAIN
                running = mixed ^ (mixed >> _32)
            counts[piece] += n
        # The number of tokens tells a piece from a longer one that begins with zeros.
        mixed = (running ^ np.uint64(counts[piece])) * _CHAIN
        hashes[piece] = mixed ^ (mixed >> _32)
    return hashes, counts


@kernel
def _token_spans(data, offsets, entries, more, out, bounds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the tokens of each value into `bounds` and, where `out` has room for them, write their spans.

    The rules are those of `shingles.fill`: a word ends before whatever is no letter of it.
    """
    writing = out.shape[0] > 0
    n = 0
    for row in range(offsets.shape[0] - 1):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        inside, begin = _0, at
        while at < stop:
            here = at
            point, at = step(data, at, stop)
            entry = entries[point]
            place = entry >> _3
            expanded = entry & _4 != _0
            while not expanded or (place != _0 and more[place] != _4):
                if expanded:
                    entry, place = more[place], place + _1
                letter, single = entry & _1, entry & _2 != _0
                if inside != _0 and letter == _0:
                    if writing:
                        # What a letter expands to may end a word within one code point.
                        out[n, 0], out[n, 1] = begin, max(here, begin + _1)
                    n += 1
                if inside == _0 and letter != _0:
                    begin = here
                if single:
                    if writing:
                        out[n, 0], out[n, 1] = here, at
                    n += 1
                inside = letter
                if not expanded:
                    break
        if inside != _0:
            if writing:
                out[n, 0], out[n, 1] = begin, stop
            n += 1
        bounds[row + 1] = n
