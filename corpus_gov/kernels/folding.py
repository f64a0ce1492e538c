"""The matching view: text as near duplicates, containment and overlap see it; stored text never changes.

Every code point folds by itself, through one table: compatibility forms and full width (NFKC), case, accents and
points of Latin, Greek, Cyrillic, Hebrew, Arabic and kana (both ways of writing é are one), digits of any script, and,
where it is asked for, traditional to simplified Chinese. What is neither letter nor digit separates; invisible
characters vanish. Like the classes of `scripts`, the table rests on the Unicode 3.2 database that every Python
carries, so a newer Python does not change a minhash signature. Conjoining Hangul jamo are not composed.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final
from unicodedata import ucd_3_2_0

import numpy as np
import pyarrow as pa

from corpus_gov.errors import ConfigError
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.scripts import DIGIT, HANT, KANA, LAST, OTHER, classes, put, read_only, step

VERSION: Final = 1

UNITS: Final = ("token", "character")
"""What a shingle counts: a token is one Han, kana, Hangul, Thai, Lao, Burmese or Khmer character, or a word of another
script; or every letter and digit counts by itself."""

# An entry of the table is a kind in the upper bits and a folded code point, or an index into the expansions, below.
SEPARATOR, WORD, SINGLE, DROPPED, EXPANDED = (kind << 28 for kind in range(5))
FINAL: Final = 1 << 31
"""Marks the last entry of an expansion."""

# Marks that one writer sets and another leaves out: accents, points, harakat, voicing, enclosures.
_OPTIONAL_MARKS: Final = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05C7), (0x0640, 0x0640), (0x064B, 0x0655), (0x0670, 0x0670),
    (0x20D0, 0x20FF), (0x3099, 0x309A), (0xFE20, 0xFE2F),
)  # fmt: skip
# Scripts written without spaces between words: Thai and Lao, Burmese, Khmer.
_UNSPACED: Final = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))
# How each digit from 0 to 9 is written digit by digit: plain, formal and spoken numerals, circles that have no
# compatibility form. Tens and hundreds (十, 百) make a number of another form and stay words.
_NUMERALS: Final = (
    "〇零○◯⓿", "一壹弌幺❶➀➊", "二贰貳弍❷➁➋", "三叁叄參弎❸➂➌", "四肆❹➃➍", "五伍❺➄➎", "六陆陸❻➅➏", "七柒❼➆➐", "八捌❽➇➑",
    "九玖❾➈➒",
)  # fmt: skip
# Only here do single code points of Unicode 3.2 have foldings of their own; elsewhere the table is the identity.
_FOLDED_BLOCKS: Final = ((0, 0x33FF), (0xA000, 0xABFF), (0xF900, 0xFFFF), (0x10400, 0x1044F), (0x1D400, 0x1D7FF),
                         (0x2F800, 0x2FA1F))  # fmt: skip


@dataclass(frozen=True)
class Folding:
    """What the matching view leaves out of account; part of the key of everything computed from it.

    Raises:
        ConfigError: an unknown unit.
    """

    unit: str = "token"
    script: bool = True
    """Traditional and variant Han characters count as the simplified ones."""
    digits: bool = False
    """Every digit counts as 0."""
    numerals: bool = False
    """Chinese numerals and circled digits count as the digits that they stand for: 一三八 is 138."""

    def __post_init__(self) -> None:
        """Refuse a unit that no kernel knows."""
        if self.unit not in UNITS:
            raise ConfigError(f"matching view: unit {self.unit!r}, expected one of {UNITS}; name one of them")

    @property
    def key(self) -> str:
        """Name of this view and of the table's version."""
        return f"fold{VERSION}-{self.unit}{'-hans' * self.script}{'-digits' * self.digits}{'-numerals' * self.numerals}"


@cache
def simplified() -> dict[str, str]:
    """Read the Han characters that fold to another: traditional and variant forms to simplified ones.

    Returns:
        Some 3,200 characters; no value is a key.

    Source: OpenCC 1.4.2, see the head of simplified.txt.
    """
    text = files("corpus_gov.kernels").joinpath("simplified.txt").read_text("utf-8")
    old, new = (line for line in text.splitlines() if not line.startswith("#"))
    return dict(zip(old, new, strict=True))


@cache
def table(folding: Folding) -> tuple[np.ndarray, np.ndarray]:
    """Build the entries of a view, once a process.

    Returns:
        uint32, LAST + 1 entries by code point, and uint32 expansions from index 1; both read-only.
    """
    kinds = _kinds(folding)
    points = np.arange(LAST + 1, dtype=np.uint32)
    entries = np.where((kinds == WORD) | (kinds == SINGLE), kinds | points, kinds).astype(np.uint32)
    if folding.script:
        for old, new in simplified().items():
            entries[ord(old)] = SINGLE | ord(new)
    if folding.numerals:
        for digit, written in enumerate(_NUMERALS):
            entries[[ord(one) for one in written]] = entries[ord("0") + (0 if folding.digits else digit)]
    expansions = [0]
    for first, last in _FOLDED_BLOCKS:
        for point in range(first, last + 1):
            parts = [int(entries[ord(part)]) for part in _decomposed(chr(point))]
            # Digits have no entry of their own value yet: their decimal value decides.
            parts = [_digit(entry, folding) for entry in parts]
            parts = [entry for entry in parts if entry != DROPPED] or [DROPPED]
            if len(parts) == 1:
                entries[point] = parts[0]
            else:
                entries[point] = EXPANDED | len(expansions)
                expansions += parts
                expansions[-1] |= FINAL
    more = np.array(expansions, np.uint32)
    entries.flags.writeable = more.flags.writeable = False
    return entries, more


def joined(entries: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Put a table and its expansions behind one another, for `read`.

    Args:
        entries: uint32, LAST + 1 entries by code point.
        more: uint32, expansions; the last entry of each has FINAL.

    Returns:
        uint32, read-only. Expansions are numbered from its beginning, and all but their last entries have bit 31.
    """
    expanded = (entries >> 28) == EXPANDED >> 28
    found: np.ndarray = np.concatenate(
        (entries + expanded.astype(np.uint32) * np.uint32(len(entries)), more ^ np.uint32(FINAL))
    )
    found.flags.writeable = False
    return found


@cache
def _joined(folding: Folding) -> np.ndarray:
    return joined(*table(folding))


def _kinds(folding: Folding) -> np.ndarray:
    found = classes()
    kinds = np.full(LAST + 1, SEPARATOR, np.uint32)
    kinds[found == OTHER] = DROPPED
    kinds[(found >= DIGIT) & (found <= HANT)] = WORD
    for first, last in _UNSPACED:
        kinds[first : last + 1][kinds[first : last + 1] == WORD] = SINGLE
    kinds[(found >= KANA) & (found <= HANT)] = SINGLE
    if folding.unit == "character":
        kinds[kinds == WORD] = SINGLE
    for first, last in _OPTIONAL_MARKS:
        kinds[first : last + 1] = DROPPED
    return kinds


def _decomposed(character: str) -> str:
    if ucd_3_2_0.category(character) == "Cn":
        return character
    folded = ucd_3_2_0.normalize("NFKC", character).casefold()
    return ucd_3_2_0.normalize("NFKD", folded)


def _digit(entry: int, folding: Folding) -> int:
    point = entry & 0x1FFFFF
    value = ucd_3_2_0.decimal(chr(point), None) if entry >> 28 in (WORD >> 28, SINGLE >> 28) else None
    if value is None:
        return entry
    return entry & ~0x1FFFFF | ord("0") + (0 if folding.digits else int(value))


@inlined
def read(data, at, stop, entries, pending):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Read the next entry: of the character at `at`, or of the expansion that is pending.

    Args:
        data: uint8.
        at: uint64, below `stop` where nothing is pending.
        stop: uint64, the end of the value.
        entries: uint32, as `joined` gives them. One array: with two, numba counts references at every character.
        pending: uint32, where in `entries` an expansion goes on, or 0.

    Returns:
        The entry, uint32, which tells nothing where it is EXPANDED; the next place, uint64; what is pending then.
    """
    if pending != 0:
        index, after = pending, at
    else:
        index, after = step(data, at, stop)
    entry = entries[index]
    then = np.uint32(0)
    if entry >> 30:
        then = np.uint32(entry & 0x1FFFFF) if entry & np.uint32(EXPANDED) else np.uint32(index + np.uint32(1))
    return entry, after, then


def fold(column: pa.Array, folding: Folding) -> pa.Array:
    """Write out the matching view: tokens with one space between words, nothing between single characters.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        folding: the view.

    Returns:
        large_string, n rows; empty where a value has no token.
    """
    data, offsets = read_only(column)
    ends = np.zeros(len(offsets), np.int64)
    # A few compatibility characters fold to eighteen; nearly always twice the bytes are enough.
    out = np.empty(max(64, 2 * (offsets[-1] - offsets[0])), np.uint8)
    row = 0
    while (row := _fold(data, offsets, _joined(folding), out, ends, row)) < len(offsets) - 1:
        out = np.concatenate((out, np.empty(len(out), np.uint8)))
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(out[: ends[-1]]))


@kernel
def _fold(data, offsets, entries, out, ends, first):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the views of the rows from `first` on; returns the first row that `out` has no room for, or their number.

    An array that grew in this loop would be counted as a reference at every character: half of the speed.
    """
    end = ends[first]
    for row in range(first, offsets.shape[0] - 1):
        at, stop, pending = np.uint64(offsets[row]), np.uint64(offsets[row + 1]), np.uint32(0)
        gap, begin, last = False, end, np.uint32(0)
        while at < stop or pending != 0:
            entry, at, pending = read(data, at, stop, entries, pending)
            kind, point = (entry >> 28) & 7, np.uint32(entry & 0x1FFFFF)
            if kind == 0:
                gap = True
            elif kind < 3:
                if out.shape[0] < end + 8:
                    return row
                if gap and end > begin and kind == 1 and last == 1:
                    out[end] = 32
                    end += 1
                gap, last = False, kind
                end = put(out, end, point)
        ends[row + 1] = end
    return offsets.shape[0] - 1
