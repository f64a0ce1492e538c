"""The reading view: text as patterns see it, each of its code points standing for one of the text.

Full-width and circled letters and digits, dashes, spaces and middle dots of every kind are written as one, traditional
Chinese as simplified, and invisible characters are left out. So a pattern is written once, and what hides a value from
a pattern does not hide it from us. Stored text never changes: places in the view lead back to the text.

Numbers that are spelled out or pulled apart (一三八零零…, 1.3.8.0.0…) get readings of their own: each is written in
plain digits between its neighbours. In running text Chinese numerals are words and are left alone.

The table rests on the Unicode 3.2 database that every Python carries, so that no Python finds other values.
"""

from functools import cache
from typing import Final, NamedTuple
from unicodedata import ucd_3_2_0

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import Bytes, Offsets, buffers, code_points
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import simplified
from corpus_gov.kernels.prefilter import candidates
from corpus_gov.kernels.scripts import put, three, two

DROPPED: Final = np.uint32(0xFFFFFFFF)
"""Stands in the table for code points that the view leaves out."""

LEAST: Final = 7
"""Digits that a spelled number needs: shorter ones are years, prices and lists. `_runs` and SPELLED count on it."""

BEFORE: Final = 24
AFTER: Final = 8
"""Code points of the view around a spelled number that its reading holds."""

_LAST: Final = 0x110000
_PLAIN_BLOCKS: Final = (
    (0xA0, 0x33FF), (0xF900, 0xFAFF), (0xFE10, 0xFE6F), (0xFF00, 0xFFEF), (0x1D400, 0x1D7FF), (0x2F800, 0x2FA1F),
)  # fmt: skip
# Superscripts are footnote marks more often than digits of a number.
_LEFT_ALONE: Final = frozenset("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉ªº")
# Format characters, selectors of a form and the key-cap frame: all of them are invisible or belong to what stands
# before.
_INVISIBLE: Final = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180E),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x20DD, 0x20E0), (0x20E2, 0x20E4), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_FRAMES: Final = np.array([0xFE0E, 0xFE0F, 0x20E3], np.uint32)
"""What may stand behind the last character of a value and belongs to it."""

_SAME: Final = {
    "-": "‐‑‒–—−－﹣﹘",
    " ": "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "·": "•‧∙⋅・･●◦",
    "~": "～∼〜",
}
# Circled digits that Unicode does not decompose: negative, sans-serif and negative sans-serif ones.
_MORE_DIGITS: Final = ((0x2776, 1), (0x2780, 1), (0x278A, 1), (0x24F5, 1))
_ZEROS: Final = "⓪⓿🄋🄌"

_NUMERALS: Final = ("〇零○", "一壹幺", "二贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
_JOINTS: Final = " -.·_~/*+|"
_NUMERAL: Final = f"[{''.join(_NUMERALS)}]"
_ANY: Final = f"[0-9{''.join(_NUMERALS)}]"
_GAP: Final = r"[ \-.·_~/*+|]{0,3}"
SPELLED: Final = (
    # In a run of seven there are four in a row that begin or end with a given one of them.
    f"(?:{_NUMERAL}(?:{_GAP}{_ANY}){{3}}|(?:{_ANY}{_GAP}){{3}}{_NUMERAL})",
    r"(?:[0-9][ \-.·_~/*+|]{1,3}){6}[0-9]",
    r"[0-9]{3} ?[.·_~/*+|] ?[0-9]{3,12} ?[.·_~/*+|] ?[0-9]{2}",
)
"""Where to look for spelled numbers: every one that `readings` returns holds a match of one of these."""


def plain(text: str) -> str:
    """Write the reading view of one text, its spaces at both ends left out."""
    entries, _ = _table()
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kept = bytes(entries[points][entries[points] != DROPPED].tobytes())
    return kept.decode("utf-32-le", "surrogatepass").strip()


def numerals(text: str) -> str:
    """Write the Chinese numerals of a text as digits; for values that are numbers, not for running text."""
    return "".join(_VALUES[char] if char in _VALUES and not char.isascii() else char for char in text)


class View(NamedTuple):
    """A column as patterns see it."""

    text: pa.Array
    """large_string, n rows."""
    shorter: np.ndarray
    """bool, n rows: something was left out, so that places in the view are not places in the text."""


class Reading(NamedTuple):
    """One spelled number in plain digits, between its neighbours."""

    row: int
    text: str
    first: int
    """Where the digits begin in `text`."""
    after: int
    """Code points behind the digits."""
    places: tuple[int, ...]
    """For each code point of `text`: which code point of the row's view it stands for."""


def view(column: pa.Array) -> View:
    """Write the reading view of a column.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
    """
    data, offsets = _filled(column)
    text, ends, dropped = _view(data, offsets, *_table())
    made = pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(text))
    return View(made, dropped)


def origins(column: pa.Array, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the code points of one row's view begin and end in the text, two int64 arrays.

    An end takes in the frame of a key cap, which is no character of its own.
    """
    text = column[row].as_py() or ""
    entries, _ = _table()
    points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    kept = np.flatnonzero(entries[points] != DROPPED)
    ends = kept + 1
    for frame in np.flatnonzero(np.isin(points, _FRAMES)).tolist():
        # A frame belongs to the last character kept before it, unless something else lies between.
        at = int(np.searchsorted(kept, frame)) - 1
        if at >= 0 and ends[at] == frame:
            ends[at] = frame + 1
    return kept, ends


def readings(seen: pa.Array) -> list[Reading]:
    """Read the spelled numbers of a view.

    A number is a run of at least LEAST digits and Chinese numerals, with at most one kind of joint between them. It
    counts as spelled if three of them are numerals, if every digit stands alone, or if three groups or more of three
    digits and more have another joint than a space or a hyphen, which patterns know. A last X belongs to it.

    Args:
        seen: large_string, the text of a View.

    Returns:
        By row and place.
    """
    rows, _, ends = candidates(seen, SPELLED)
    if rows.size == 0:
        return []
    data, offsets = buffers(seen)
    # Each area is walked once, whatever the number of places in it.
    order = np.lexsort((ends, rows))
    areas = _areas(data, offsets, rows[order], ends[order], _kinds())
    found = _runs(data, offsets, areas, _kinds())
    rows, starts, ends = found[:, 0], found[:, 1] - offsets[found[:, 0]], found[:, 2] - offsets[found[:, 0]]
    before = code_points(data, offsets, rows, starts)
    return [
        _reading(data, offsets, row, start, end, first)
        for row, start, end, first in zip(rows.tolist(), starts.tolist(), ends.tolist(), before.tolist(), strict=True)
    ]


def span(reading: Reading | None, start: int, end: int) -> tuple[int, int] | None:
    """Return the span of the view that a span of a reading stands for; None where the spelled number has no part in it.

    Without a reading the span is of the view already.
    """
    if reading is None:
        return start, end
    last = len(reading.text) - reading.after
    return (reading.places[start], reading.places[end - 1] + 1) if start < last and end > reading.first else None


def _reading(data: Bytes, offsets: Offsets, row: int, start: int, end: int, first: int) -> Reading:
    begin, stop = int(offsets[row]), int(offsets[row + 1])
    # Four bytes are the longest code point.
    left = max(begin, begin + start - 4 * BEFORE)
    right = min(stop, begin + end + 4 * AFTER)
    before = data[left : begin + start].tobytes().decode("utf-8", "ignore")[-BEFORE:]
    after = data[begin + end : right].tobytes().decode("utf-8", "ignore")[:AFTER]
    middle = data[begin + start : begin + end].tobytes().decode()
    values = [(place, _VALUES[char]) for place, char in enumerate(middle) if char in _VALUES]
    places = (
        *range(first - len(before), first),
        *(first + place for place, _ in values),
        *range(first + len(middle), first + len(middle) + len(after)),
    )
    return Reading(row, before + "".join(value for _, value in values) + after, len(before), len(after), places)


def _filled(column: pa.Array) -> tuple[Bytes, Offsets]:
    return buffers(column.fill_null("") if column.null_count else column)


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    """Build the entries, once a process: uint32 by code point, and uint8, whether the entry is another one."""
    entries = np.arange(_LAST, dtype=np.uint32)
    for first, last in _PLAIN_BLOCKS:
        for point in range(first, last + 1):
            entries[point] = ord(_plain(chr(point)))
    for same, others in _SAME.items():
        for char in others:
            entries[ord(char)] = ord(same)
    for first, value in _MORE_DIGITS:
        for digit in range(9):
            entries[first + digit] = ord(str(value + digit))
    for char in _ZEROS:
        entries[ord(char)] = ord("0")
    for old, new in simplified().items():
        entries[ord(old)] = ord(new)
    # The view is never longer than the text: its kernel counts on that.
    points = np.arange(_LAST, dtype=np.uint32)
    entries = np.where(_width(entries) > _width(points), points, entries).astype(np.uint32)
    for first, last in _INVISIBLE:
        entries[first : last + 1] = DROPPED
    changed = (entries != points).astype(np.uint8)
    entries.flags.writeable = changed.flags.writeable = False
    return entries, changed


def _plain(char: str) -> str:
    if char in _LEFT_ALONE or ucd_3_2_0.category(char) == "Cn":
        return char
    value = ucd_3_2_0.decimal(char, None)
    if value is not None:
        return str(int(value))
    folded = ucd_3_2_0.normalize("NFKC", char)
    return folded if len(folded) == 1 else char


def _width(points: np.ndarray) -> np.ndarray:
    return 1 + (points > 0x7F).astype(np.int64) + (points > 0x7FF) + (points > 0xFFFF)


_VALUES: Final = {
    **{str(digit): str(digit) for digit in range(10)},
    **{char: str(digit) for digit, chars in enumerate(_NUMERALS) for char in chars},
    "X": "X",
    "x": "X",
}


@cache
def _kinds() -> np.ndarray:
    """Return int8 by code point of the basic plane: 1 a digit, 2 a numeral, 3 a joint."""
    kinds = np.zeros(0x10000, np.int8)
    for char in _VALUES:
        kinds[ord(char)] = 1 if char.isascii() else 2
    kinds[[ord("X"), ord("x")]] = 0
    kinds[[ord(joint) for joint in _JOINTS]] = 3
    kinds.flags.writeable = False
    return kinds


@kernel
def _view(data, offsets, entries, changed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    n = offsets.shape[0] - 1
    out = np.empty(max(1, offsets[n] - offsets[0]), np.uint8)
    ends = np.zeros(n + 1, np.int64)
    dropped = np.zeros(n, np.bool_)
    end = np.int64(0)
    for row in range(n):
        at, stop = offsets[row], offsets[row + 1]
        while at < stop:
            lead = data[at]
            if lead < 0x80:
                # Whole blocks of ASCII are copied at once: the compiler makes one instruction of each loop.
                while at + 32 <= stop:
                    seen = np.uint8(0)
                    for i in range(32):
                        seen |= data[at + i]
                    if seen >= 0x80:
                        break
                    for i in range(32):
                        out[end + i] = data[at + i]
                    at += 32
                    end += 32
                while at < stop and data[at] < 0x80:
                    out[end] = data[at]
                    end += 1
                    at += 1
                continue
            if lead >= 0xE0 and lead < 0xF0:
                second, third = data[at + 1], data[at + 2]
                point = three(np.uint32(lead), second, third)
                at += 3
                if changed[point] == 0:
                    out[end], out[end + 1], out[end + 2] = lead, second, third
                    end += 3
                    continue
            elif lead < 0xE0:
                point = two(np.uint32(lead), data[at + 1])
                at += 2
            else:
                # Not `four`, which has no use for code points above LAST: some of them are invisible.
                point = np.uint32((lead & 0x07) << 18 | (data[at + 1] & 0x3F) << 12)
                point |= np.uint32((data[at + 2] & 0x3F) << 6 | (data[at + 3] & 0x3F))
                at += 4
            point = entries[point]
            if point == 0xFFFFFFFF:
                dropped[row] = True
            else:
                end = put(out, end, point)
        ends[row + 1] = end
    return out[:end], ends, dropped


@kernel
def _areas(data, offsets, rows, ends, kinds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Stretch each place to the digits, numerals and joints around it; those that meet are one."""
    n = rows.shape[0]
    found = np.empty((n, 3), np.int64)
    count, row, done = 0, np.int64(-1), np.int64(0)
    for i in range(n):
        if rows[i] != row:
            row, done = rows[i], offsets[rows[i]]
        at, stop = offsets[row] + ends[i], offsets[row + 1]
        if at <= done:
            continue
        begin = at
        while begin > done:
            before = begin - 1
            while (data[before] & 0xC0) == 0x80:
                before -= 1
            point = np.uint32(data[before])
            if point >= 0xF0:
                break
            if point >= 0xE0:
                point = three(point, data[before + 1], data[before + 2])
            elif point >= 0x80:
                point = two(point, data[before + 1])
            if kinds[point] == 0:
                break
            begin = before
        while at < stop:
            point, size = np.uint32(data[at]), 1
            if point >= 0xF0:
                break
            if point >= 0xE0:
                point, size = three(point, data[at + 1], data[at + 2]), 3
            elif point >= 0x80:
                point, size = two(point, data[at + 1]), 2
            if kinds[point] == 0:
                break
            at += size
        found[count, 0], found[count, 1], found[count, 2] = row, begin, at
        count, done = count + 1, at
    return found[:count]


@kernel
def _runs(data, offsets, areas, kinds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Find the spelled numbers of areas, which hold nothing but digits (1), numerals (2) and joints (3)."""
    found = np.empty((areas.shape[0] + (areas[:, 2] - areas[:, 1]).sum() // 7, 3), np.int64)
    written = 0
    for i in range(areas.shape[0]):
        row, at, stop = areas[i, 0], areas[i, 1], areas[i, 2]
        count, numerals, gaps, group, single, narrowest = 0, 0, 0, 0, True, 1 << 40
        first = last = at
        joint, pending, gap = np.uint32(0), np.uint32(0), 0
        while at <= stop:
            kind, size, point = 0, 1, np.uint32(0)
            if at < stop:
                point = np.uint32(data[at])
                if point >= 0xE0:
                    point, size = three(point, data[at + 1], data[at + 2]), 3
                elif point >= 0x80:
                    point, size = two(point, data[at + 1]), 2
                kind = kinds[point]
            if kind == 3 and gap < 3 and (point == 32 or pending == 0 or pending == 32):
                # Spaces around one sign, or one sign alone, or spaces.
                if count > 0:
                    gap += 1
                    if pending == 0 or point != 32:
                        pending = point
                at += size
                continue
            if (kind == 1 or kind == 2) and count > 0 and (gap == 0 or joint == 0 or joint == pending):
                if gap:
                    gaps, single, narrowest = gaps + 1, single and group == 1, min(narrowest, group)
                    group, joint = 0, pending
                count, group, last = count + 1, group + 1, at + size
                numerals += kind == 2
                gap, pending = 0, np.uint32(0)
                at += size
                continue
            alone = numerals >= 3 or (gaps > 0 and single and group == 1)
            spelled = alone or (gaps > 1 and narrowest >= 3 and group > 1 and joint != 32 and joint != 45)
            if count >= 7 and spelled:
                end = last
                # A last X, alone or behind a joint as the digits are.
                if end < offsets[row + 1] and (data[end] == 88 or data[end] == 120):
                    end += 1
                elif single and end + 1 < offsets[row + 1] and data[end] == joint and data[end + 1] | 32 == 120:
                    end += 2
                found[written, 0], found[written, 1], found[written, 2] = row, first, end
                written += 1
            # What ended the run may begin the next one; the joints between are not read again.
            count, numerals, gaps, group, single, narrowest = 0, 0, 0, 0, True, 1 << 40
            joint, pending, gap = np.uint32(0), np.uint32(0), 0
            if kind == 1 or kind == 2:
                count, group, numerals, first, last = 1, 1, int(kind == 2), at, at + size
            at += size
    return found[:written]
