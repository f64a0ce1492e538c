"""Which texts can have any of a few entries at all: a first look that is several times as fast as reading tokens.

An entry with Han characters needs all of them, each in any of the forms that fold to it. An entry of words needs each
four letters of theirs, as plain ASCII; where a text has characters that fold to ASCII letters, or that vanish, anything
may be spelt with them. What a text has is gathered in 64 bits, so that this is for few entries.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import DROPPED, EXPANDED, SINGLE, WORD, Folding, fold
from corpus_gov.kernels.scripts import LAST, step
from corpus_gov.kernels.wordtokens import folded

MOST: Final = 64
"""Things that entries may need in all, and entries."""

_LETTERS: Final = re.compile("[a-z]{4}")
_NEXT: Final = 1 << 31
_POINT: Final = 0x1FFFFF


class Needs(NamedTuple):
    """What entries need; arrays are read-only by convention."""

    of_points: np.ndarray
    """uint64 by code point: the bits of what it may stand for."""
    letters: np.ndarray
    """uint32: four letters, the last in the lowest byte; each has a bit, the first the lowest."""
    wanted: np.ndarray
    """uint64: the bits of each entry."""


def needs(entries: Sequence[str]) -> Needs | None:
    """Say what a text must have so that an entry can stand in it; None where that cannot be said in so many bits.

    Args:
        entries: as lists have them.
    """
    single = _singles()
    asked: list[set[str]] = []
    for entry in fold(pa.array(entries, pa.large_string()), Folding()).to_pylist():
        characters = {one for one in entry if ord(one) in single}
        asked.append(characters or set(_LETTERS.findall(entry)))
    letters = sorted({one for each in asked for one in each if len(one) > 1})
    things = [*letters, *sorted({one for each in asked for one in each if len(one) == 1})]
    if not all(asked) or max(len(things), len(entries)) > MOST:
        return None
    bits = {one: 1 << number for number, one in enumerate(things)}
    of_points = np.zeros(LAST + 1, np.uint64)
    if letters:
        of_points[_disguises()] = (1 << len(letters)) - 1
    for one in things[len(letters) :]:
        of_points[single[ord(one)]] |= np.uint64(bits[one])
    wanted = [sum(bits[one] for one in each) for each in asked]
    spelt = [int.from_bytes(one.encode(), "big") for one in letters]
    return Needs(of_points, np.array(spelt, np.uint32), np.array(wanted, np.uint64))


def rows(column: pa.Array, asked: Needs) -> np.ndarray:
    """Return the rows that have all that some entry needs: int64, ascending.

    Args:
        column: string or large_string; a null counts as the empty string.
        asked: of the entries.
    """
    data, offsets = buffers(column.fill_null("") if column.null_count else column)
    bitmap = np.zeros(256, np.bool_)
    bitmap[asked.letters & 0xFF] = True
    found: np.ndarray = np.flatnonzero(_rows(data, offsets, *asked, bitmap))
    return found


@cache
def _forms() -> Mapping[int, np.ndarray]:
    """Return code points by the entries of the table, kind and all, that they are read as or among."""
    table = folded()
    found: defaultdict[int, list[int]] = defaultdict(list)
    kinds = table[: LAST + 1] >> 28
    for point in np.flatnonzero((kinds == SINGLE >> 28) | (kinds == WORD >> 28)).tolist():
        found[int(table[point])].append(point)
    for point in np.flatnonzero(kinds == EXPANDED >> 28).tolist():
        at = int(table[point]) & _POINT
        while True:
            found[int(table[at]) & ~_NEXT].append(point)
            if not int(table[at]) & _NEXT:
                break
            at += 1
    return {entry: np.array(points) for entry, points in found.items()}


@cache
def _singles() -> Mapping[int, np.ndarray]:
    """Return by folded character, of those that are always tokens by themselves, the code points that stand for it."""
    forms = _forms()
    # Digits of Thai are tokens by themselves, and fold to digits, which make words.
    words = {entry & _POINT for entry in forms if entry >> 28 == WORD >> 28}
    singles = ((entry & _POINT, points) for entry, points in forms.items() if entry >> 28 == SINGLE >> 28)
    return {point: points for point, points in singles if point not in words}


@cache
def _disguises() -> np.ndarray:
    """Return the code points beyond ASCII by which words of ASCII letters can be spelt."""
    kinds = folded()[: LAST + 1] >> 28
    letters = [points for entry, points in _forms().items() if entry >> 28 == WORD >> 28 and entry & _POINT < 128]
    found = np.concatenate([*letters, np.flatnonzero(kinds == DROPPED >> 28)])
    return found[found >= 128]


@kernel
def _rows(data, offsets, of_points, letters, wanted, bitmap):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    found = np.zeros(offsets.shape[0] - 1, np.bool_)
    some = letters.shape[0] > 0
    for row in range(found.shape[0]):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        has, last = np.uint64(0), np.uint32(0)
        while at < stop:
            byte = data[at]
            if byte < 128:
                at += np.uint64(1)
                if not some:
                    continue
                small = np.uint32(byte) + (np.uint32(32) if byte >= 65 and byte <= 90 else np.uint32(0))
                last = np.uint32(last << np.uint32(8) | small)
                if bitmap[last & np.uint32(255)]:
                    for i in range(letters.shape[0]):
                        if letters[i] == last:
                            has |= np.uint64(1) << np.uint64(i)
            else:
                point, at = step(data, at, stop)
                has |= of_points[point]
                last = np.uint32(0)
        for entry in wanted:
            if has & entry == entry:
                found[row] = True
                break
    return found
