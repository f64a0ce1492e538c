"""A gate in front of costly recognisers: one linear-time scan of a whole column says where to look.

A gate is a pattern such that every match of the recogniser contains a match of the gate. The scan reports where
gates end; windows around those ends are all that a recogniser has to see, and what it finds in the windows is
what it would find in the whole texts.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Final, NamedTuple

import hyperscan
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import SourceError
from corpus_gov.kernels import backtracking
from corpus_gov.kernels.columns import Bytes, Offsets, buffers, code_points
from corpus_gov.kernels.compiling import kernel

LONGEST: Final = 4096
"""Most bytes that one match of a pattern may span."""

MAX_SCAN: Final = 2**32 - 1
"""The scanner counts the bytes of a block in 32 bits."""

CONTEXT_BEFORE: Final = 24
"""Code points before a match that a window always holds, where the text has them."""

CONTEXT_AFTER: Final = 8
"""Code points after a match that a window always holds, where the text has them."""

_WIDEST: Final = 4
"""Bytes of the longest code point in UTF-8."""

_END: Final = r"\Z"
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[\^$]", re.DOTALL)
_CLASS = re.compile(r"\[(?!\^)(?:[ -\[^-~]|\\[-.\]])+\]")
"""A class that names what it holds, all of it ASCII, none of it a control character."""
_ANCHORS: Final = frozenset(("^", "$", r"\A", r"\b", r"\B", r"\G", r"\z", r"\Z"))
_AT_MOST = re.compile(r"matches of length (\d+) bytes at most")


class PatternError(ValueError):
    """A pattern cannot be used; whoever read it knows the file and the line and says so."""


class Gate(NamedTuple):
    """What is scanned for, and what is looked for where it is found."""

    pattern: str
    """Scanned for; every match of `expression` contains one of its matches."""
    expression: str
    """For `re` or `regex`: the pattern with its flags and boundaries."""
    reach: int
    """Bytes between the end of a match of `pattern` and the farthest end of the match of `expression` that is meant."""
    unbroken: bool = False
    """No match of `expression` holds white space, a control character or one beyond ASCII."""
    behind: str = ""
    """A class of bytes: `pattern` is only meant where one of them or the end of the text stands behind it."""


class Window(NamedTuple):
    """A stretch of one text around one or more matches of one gate."""

    row: int
    gate: int
    start: int
    """Code points of the text before the window."""
    text: str


def gate(
    pattern: str,
    *,
    first: str | None = None,
    not_before: Sequence[str] = (),
    not_after: Sequence[str] = (),
    then: Sequence[str] = (),
    beyond: int = 0,
    unbroken: bool = False,
) -> Gate:
    r"""Prepare a pattern for `windows`.

    Word boundaries do not work beside Han characters, which are word characters themselves; so boundaries are given
    as what must not stand there.

    Args:
        pattern: without look-around and anchors; a leading (?i) ignores case. Classes such as \d are ASCII.
        first: what to scan for in its place, where that is faster; every match of `pattern` must contain one.
        not_before: no match stands directly behind one of these.
        not_after: no match stands directly before one of these.
        then: every match stands directly before one of these, or at the end of the text; each is short enough to lie
            in CONTEXT_AFTER code points.
        beyond: bytes by which a match of `first` may lie outside of the match of `pattern` that it stands for.
        unbroken: no match holds white space, a control character or one beyond ASCII, so that windows can be small.

    Raises:
        PatternError: a pattern is not one that `longest` accepts, or a boundary is no pattern, or there are too many
            ways to try the whole at one place of a text.
    """
    body = f"(?i:{pattern[4:]})" if pattern.startswith("(?i)") else f"(?:{pattern})"
    before = "".join(f"(?<!{one})" for one in not_before)
    after = "".join(f"(?!{one})" for one in not_after)
    # The end of a window is none of the text for a match that counts: its gate would have put the end further.
    behind = f"(?={'|'.join((*then, _END))})" if then else ""
    ending = _behind(not_after) if first is None and _of_bytes(pattern) else ""
    made = Gate(first or pattern, f"(?a){before}{body}{behind}{after}", longest(pattern) + beyond, unbroken, ending)
    longest(made.pattern)
    try:
        searchable(made.expression)
    except re.error as error:
        raise PatternError(f"its boundaries do not compile: {error}") from error
    return made


@cache
def searchable(expression: str) -> re.Pattern[str]:
    """Compile an expression for `re`, which may try all its ways at each place of a text.

    Raises:
        re.error: it does not compile.
        PatternError: it has more ways than backtracking.MOST, or nobody knows how many.
    """
    compiled = re.compile(expression)
    try:
        ways = backtracking.ways(expression)
    except ValueError as error:
        raise PatternError(str(error)) from error
    if ways > backtracking.MOST:
        raise PatternError(
            f"found {ways:,} ways or more to try at one place of a text, expected at most {backtracking.MOST:,}; "
            "let repeats end at a character that they cannot hold, and put none inside of another"
        )
    return compiled


def _behind(not_after: Sequence[str]) -> str:
    """Return the class of bytes that may stand behind a match as far as classes of `not_after` tell, "" for any."""
    held = "".join(one[1:-1] for one in not_after if _CLASS.fullmatch(one) and not one.endswith("-]"))
    return f"[^{held}]" if held else ""


def _of_bytes(pattern: str) -> bool:
    """Say whether a pattern matches the same whether text is read as characters or as bytes."""
    alone = _TOKEN.sub("", pattern)
    tokens = _TOKEN.findall(pattern)
    return pattern.isascii() and "." not in alone and not any(one[:2] in {"[^", r"\D", r"\S", r"\W"} for one in tokens)


@cache
def longest(pattern: str) -> int:
    """Return how many bytes a match of `pattern` can span.

    Raises:
        PatternError: it can span more than LONGEST, has an anchor, or needs more than linear time.
    """
    # Texts of a column are scanned as one block: an anchor would see the neighbouring text.
    if found := _ANCHORS.intersection(_TOKEN.findall(pattern)):
        raise PatternError(f"found the anchors {sorted(found)!r}, expected none; bound the match by look-around")
    # Asked for nothing but longer matches, the compiler refuses and says how long they can be.
    too_long = (hyperscan.HS_EXT_FLAG_MIN_LENGTH, 0, 0, LONGEST + 1, 0, 0)
    try:
        hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(
            expressions=[pattern.encode()], ids=[0], flags=[hyperscan.HS_FLAG_UTF8], ext=[too_long]
        )
    except hyperscan.error as error:
        if at_most := _AT_MOST.search(str(error)):
            return int(at_most[1])
        if "too large" not in str(error):
            raise PatternError(f"it does not compile for linear-time scanning: {error}") from error
    raise PatternError(f"a match can span more than {LONGEST} bytes; bound its repeats")


def candidates(column: pa.Array, patterns: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find where gates end.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        patterns: the gates.

    Returns:
        Three int64 arrays, ascending by row, pattern, end: row number, pattern number, and the end of a match in
        bytes from the start of its row; exactly what scanning each row alone would report.

    Raises:
        PatternError: a pattern is not one that `longest` accepts.
        SourceError: the column holds more than MAX_SCAN bytes.
    """
    return _candidates(*_buffers(column), tuple((pattern, "") for pattern in patterns))


def windows(column: pa.Array, gates: tuple[Gate, ...]) -> Iterator[Window]:
    """Cut out what a recogniser must see.

    A window goes `reach` and the context beyond each end of a gate; overlapping ones of a gate are one. So no match
    of the expression is cut, and none appears that the whole text would not give: a match that began at a cut edge
    would hold a gate less than `reach` from that edge, and the window would begin earlier.

    Args:
        column: string or large_string; a null counts as the empty string.
        gates: what to look for.

    Yields:
        Windows, ascending by row, then start, then gate.
    """
    data, offsets = _buffers(column)
    rows, numbers, ends = _candidates(data, offsets, tuple((gate.pattern, gate.behind) for gate in gates))
    if rows.size == 0:
        return
    around = np.array([gate.reach for gate in gates], np.int64)[numbers]
    lefts, rights = np.maximum(ends - around, 0), np.minimum(ends + around, np.diff(offsets)[rows])
    if (unbroken := np.array([gate.unbroken for gate in gates])[numbers]).any():
        chosen = np.flatnonzero(unbroken)
        lefts[chosen], rights[chosen] = _unbroken(
            data, offsets[rows[chosen]], ends[chosen], lefts[chosen], rights[chosen]
        )
    starts = np.maximum(lefts - CONTEXT_BEFORE * _WIDEST, 0)
    stops = np.minimum(rights + CONTEXT_AFTER * _WIDEST, np.diff(offsets)[rows])
    if any(gate.behind for gate in gates):
        # What ends at the edge of a window and goes on beyond it has ended no gate: the window must show that.
        stops = _to_an_end(data, offsets, rows, numbers, stops, _goes_on(tuple(gate.behind for gate in gates)))
    first = np.ones(rows.size, bool)
    # Ascending by row, pattern and end; both sides of a window ascend with it: it can overlap only its neighbours.
    first[1:] = (rows[1:] != rows[:-1]) | (numbers[1:] != numbers[:-1]) | (starts[1:] > stops[:-1])
    last = np.append(first[1:], [True])
    rows, numbers, starts, stops = rows[first], numbers[first], starts[first], stops[last]
    base = offsets[rows]
    starts = _snap(data, base + starts, -1, base) - base
    stops = _snap(data, base + stops, 1, offsets[rows + 1]) - base
    order = np.lexsort((numbers, starts, rows))
    rows, numbers, starts, stops = rows[order], numbers[order], starts[order], stops[order]
    before = code_points(data, offsets, rows, starts)
    for i, (row, number, start) in enumerate(zip(rows.tolist(), numbers.tolist(), before.tolist(), strict=True)):
        at = offsets[row]
        yield Window(row, number, start, data[at + starts[i] : at + stops[i]].tobytes().decode())


def places(text: str, patterns: tuple[str, ...]) -> list[tuple[int, int, int]]:
    """Find where patterns match in one text, by the scanner alone, so that no pattern takes more than linear time.

    Args:
        text: any; a match is found wherever it begins, the longest of those that begin at one place.
        patterns: as for `longest`.

    Returns:
        Start and end in code points, and number of the pattern, in this order.

    Raises:
        PatternError: a pattern is not one that `longest` accepts, or its matches have no certain beginning.
    """
    data = np.frombuffer(text.encode(), np.uint8)
    found: dict[tuple[int, int], int] = {}

    def matched(number: int, start: int, end: int, _flags: int, _context: object) -> None:
        found[start, number] = max(end, found.get((start, number), 0))

    database = _places(patterns)
    if data.size:
        scratch = hyperscan.Scratch(database)
        database.scan(data, match_event_handler=matched, scratch=scratch)  # type: ignore[type-var]
    before = np.concatenate(([0], np.cumsum((data & 0xC0) != 0x80)))
    return sorted((int(before[start]), int(before[end]), number) for (start, number), end in found.items())


@cache
def _places(patterns: tuple[str, ...]) -> hyperscan.Database:
    for pattern in patterns:
        longest(pattern)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SOM_LEFTMOST
    try:
        database.compile(
            expressions=[pattern.encode() for pattern in patterns],
            ids=list(range(len(patterns))),
            flags=[flags] * len(patterns),
        )
    except hyperscan.error as error:
        raise PatternError(f"the patterns {patterns!r} do not compile for linear-time search: {error}") from error
    return database


@cache
def _goes_on(behind: tuple[str, ...]) -> np.ndarray:
    """Return bool (gates, 256): what must not stand behind a match; nothing where a gate does not say."""
    every = [bytes([one]) for one in range(256)]
    return np.array([[bool(one) and not re.match(one.encode(), byte) for byte in every] for one in behind], bool)


@kernel
def _to_an_end(data, offsets, rows, numbers, stops, goes_on):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move the right sides of windows, ascending by row and gate, to where a match could end."""
    row, number, begin, end = np.int64(-1), np.int64(-1), np.int64(0), np.int64(0)
    for i in range(rows.shape[0]):
        at, last = offsets[rows[i]] + stops[i], offsets[rows[i] + 1]
        if rows[i] == row and numbers[i] == number and begin <= at <= end:
            # Walked once, however many windows end there.
            stops[i] = end - offsets[row]
            continue
        row, number, begin = rows[i], numbers[i], at
        while at < last and goes_on[number, data[at]]:
            at += 1
        end = at
        stops[i] = at - offsets[row]
    return stops


@kernel
def _unbroken(data, bases, ends, lefts, rights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Move the sides of stretches to the nearest white space, control character or character beyond ASCII."""
    for i in range(ends.shape[0]):
        # The last byte of a gate's match is in the match that is meant.
        at = bases[i] + ends[i] - 1
        left, right = bases[i] + lefts[i], bases[i] + rights[i]
        while at > left and data[at - 1] > 0x20 and data[at - 1] < 0x7F:
            at -= 1
        lefts[i] = at - bases[i]
        at = bases[i] + ends[i]
        while at < right and data[at] > 0x20 and data[at] < 0x7F:
            at += 1
        rights[i] = at - bases[i]
    return lefts, rights


def _buffers(column: pa.Array) -> tuple[Bytes, Offsets]:
    # The slot of a null may hold any bytes; without nulls the buffers are used as they lie.
    return buffers(pc.fill_null(column, "") if column.null_count else column)


_Scanned = tuple[str, str]
"""A pattern, and what must stand behind it, as in Gate."""


def _candidates(
    data: Bytes, offsets: Offsets, patterns: tuple[_Scanned, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    begin, end = int(offsets[0]), int(offsets[-1])
    apart = any(behind for _, behind in patterns)
    if (size := end - begin + apart * (offsets.size - 1)) > MAX_SCAN:
        raise SourceError(f"a column has {size} bytes of text, expected at most {MAX_SCAN}; split the document")
    if begin == end or not patterns:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    lengths = np.diff(offsets)
    if apart:
        # What stands behind a text must not be the text behind it.
        data, offsets = _lines(data, offsets), offsets - begin + np.arange(offsets.size)
        begin, end = 0, size
    scan = _scanner(patterns)
    found = scan(data[begin:end])
    # Texts lie end to end, so one call scans them all. A true match inside a row is never hidden by the row before:
    # gates have no anchors, and the scanner reports the end of every match, whatever precedes or overlaps it.
    # The reverse happens: a match may begin in one row and end in the next. Its end then lies less than the longest
    # match into the row; only such rows are asked again, alone.
    widths = np.array([longest(pattern) for pattern, _ in patterns], np.int64)
    ends, numbers = found[:, 0] + begin, found[:, 1]
    rows = np.searchsorted(offsets, ends, side="left") - 1
    inside = ends - offsets[rows]
    suspect = (inside < widths[numbers]) & (offsets[rows] > begin)
    parts = [np.stack((rows, numbers, inside), axis=1)[~suspect]]
    asked = np.unique(rows[suspect])
    # One byte more than the longest match, for what stands behind it.
    stops = _snap(data, np.minimum(offsets[asked] + widths.max() + 1, offsets[asked + 1]), 1, offsets[asked + 1])
    for row, stop in zip(asked.tolist(), stops.tolist(), strict=True):
        alone = scan(data[offsets[row] : stop])
        parts.append(np.column_stack((np.full(len(alone), row), alone[:, 1], alone[:, 0])))
    every = np.concatenate(parts)
    # The line break that was put behind a text is none of it.
    every = every[every[:, 2] <= lengths[every[:, 0]]]
    every = every[np.lexsort((every[:, 2], every[:, 1], every[:, 0]))]
    # Two matches can end at one place, and a row that was asked again repeats what the first scan saw of it.
    every = every[np.append(np.ones(min(1, len(every)), bool), (every[1:] != every[:-1]).any(axis=1))]
    return every[:, 0], every[:, 1], every[:, 2]


@kernel
def _lines(data, offsets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Copy texts, a line break behind each."""
    n = offsets.shape[0] - 1
    out = np.empty(offsets[n] - offsets[0] + n, np.uint8)
    at = np.int64(0)
    for row in range(n):
        size = offsets[row + 1] - offsets[row]
        out[at : at + size] = data[offsets[row] : offsets[row + 1]]
        out[at + size] = 10
        at += size + 1
    return out


def _scanner(patterns: tuple[_Scanned, ...]) -> Callable[[Bytes], np.ndarray]:
    """Return a function from bytes to int64 (m, 2): end and pattern number; for one thread only."""
    database = _database(patterns)
    # Scratch serves one scan at a time; allocating it is cheap beside a column, sharing it would need a lock.
    scratch = hyperscan.Scratch(database)
    # The byte behind a match belongs to the match of the scanner.
    over = np.array([bool(behind) for _, behind in patterns], np.int64)

    def scan(block: Bytes) -> np.ndarray:
        # A hostile text can end a match at almost every byte: eight bytes each, no Python objects.
        packed = array("q")
        append, count = packed.append, len(patterns)

        def matched(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            append(end * count + number)

        # The stubs say str or bytes; any buffer is scanned where it lies.
        database.scan(block, match_event_handler=matched, scratch=scratch)  # type: ignore[type-var]
        ends, numbers = np.divmod(np.array(packed, np.int64), count)
        return np.stack((ends - over[numbers], numbers), axis=1)

    return scan


@cache
def _database(patterns: tuple[_Scanned, ...]) -> hyperscan.Database:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        # Text is always valid UTF-8; only with this flag do "." and [^。] mean a character rather than a byte. What is
        # the same of bytes is scanned faster as bytes.
        database.compile(
            expressions=[_ended(pattern, behind).encode() for pattern, behind in patterns],
            ids=list(range(len(patterns))),
            flags=[0 if behind else hyperscan.HS_FLAG_UTF8 for _, behind in patterns],
        )
    except hyperscan.error as error:
        raise PatternError(f"the gates {patterns!r} do not compile: {error}") from error
    return database


def _ended(pattern: str, behind: str) -> str:
    if not behind:
        return pattern
    return f"(?i:{pattern[4:]}){behind}" if pattern.startswith("(?i)") else f"(?:{pattern}){behind}"


def _snap(data: Bytes, positions: np.ndarray, step: int, limits: np.ndarray) -> np.ndarray:
    """Move positions by `step` until each is at the start of a character or at its limit."""
    for _ in range(_WIDEST - 1):
        inside = (positions != limits) & ((data[np.minimum(positions, data.size - 1)] & 0xC0) == 0x80)
        positions = np.where(inside, positions + step, positions)
    return positions
