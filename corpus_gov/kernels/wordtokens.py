"""What word lists read: a text as tokens, the same whatever it is disguised as.

Texts and entries are folded by the matching view's table (`folding`): full width, case, accents and traditional
characters are one with the plain form, invisible characters vanish. What is neither letter nor digit separates: an
entry of several words matches across any white space; Han characters may be pulled apart, by signs such as . * _
between any of them, or by spaces, - and / between all of them. Words of other scripts match as whole words.

A token is one Han, kana, Hangul or Thai character, or a run of letters or of digits. Texts are folded through a buffer
of fixed size: memory does not depend on their length. Words are compared by 64-bit digests.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.folding import DROPPED, EXPANDED, SEPARATOR, Folding, joined, read, table
from corpus_gov.kernels.scripts import CONTROL, SPACE, classes

LONGEST: Final = 48
"""Tokens of the longest entry."""

MOST: Final = 64
"""Places of one entry in one text that are reported; further ones are counted."""

BUFFER: Final = 1 << 10
"""Tokens: with their places they fit the first cache of a core."""

WORD: Final = np.uint64(1 << 63)
"""Marks the digest of a word; a code point is smaller."""

# What a run of separators is to an entry; 0 is none. A longer run than three is wide.
_SPACES, _SIGNS, _WIDE, _HARD = 1, 2, 3, 4
_PULLING: Final = " \t\u00a0\u2002\u2003\u2009\u3000-–—/+=|"
_SIGNING: Final = ".*^_~`'·•・…＿★☆♥❤➕"
_EMOJI: Final = ((0x2600, 0x27BF), (0x1F000, 0x1FAFF))
# FNV-1a, 64 bits.
_BASIS: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)


def forms(entries: Sequence[str]) -> list[tuple[int, ...]]:
    """Fold entries as texts are folded; entries with one form match the same places.

    Returns:
        For each entry its tokens: a code point each, or the digest of a word; empty where nothing is left of it.
    """
    column = pa.array(entries, pa.large_string())
    data, offsets = buffers(column)
    tokens, ends = _forms(data, offsets, folded())
    flat = tokens.tolist()
    return [tuple(flat[a:b]) for a, b in zip([0, *ends.tolist()], ends.tolist(), strict=False)]


def is_word(token: int) -> bool:
    """Tell a word from a character that stands for itself."""
    return token >= 1 << 63


def unusable(entry: str, form: tuple[int, ...]) -> str:
    """Say what an entry is, and what it would have to be, where nothing can be looked for by it; "" where it can."""
    if not 1 <= len(form) <= LONGEST:
        return f"has {len(form)} words or characters, expected 1 to {LONGEST}"
    if len(form) == 1 and not (is_word(form[0]) and sum(map(str.isalnum, entry)) > 1):
        return "is one character when folded, expected two or more"
    return ""


@cache
def folded() -> np.ndarray:
    """Return the table that texts and entries are folded by: uint32, read-only."""
    entries, more = table(Folding())
    entries = entries.copy()
    separators = (entries >> 28) == SEPARATOR >> 28
    entries[separators] = _HARD
    entries[separators & (classes()[: entries.size] == SPACE)] = _WIDE
    entries[separators & (classes()[: entries.size] == CONTROL)] = _WIDE
    for first, last in _EMOJI:
        entries[first : last + 1] = np.where(separators[first : last + 1], _SIGNS, entries[first : last + 1])
    for signs, kind in ((_PULLING, _SPACES), (_SIGNING, _SIGNS)):
        for sign in signs:
            if separators[ord(sign)] or entries[ord(sign)] >> 28 == EXPANDED >> 28:
                entries[ord(sign)] = kind
    # Selectors and joiners of emoji are invisible; what has no place in the table ends a word.
    entries[0xFE00:0xFE10] = DROPPED
    return joined(entries, more)


@inlined
def _gap(run, kinds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say what a run of separators, 0 or more of these kinds, is to an entry."""
    return 0 if run == 0 else 4 if kinds & 16 else 3 if kinds & 8 or run > 3 else 2 if kinds & 4 else 1


@kernel
def fill(data, stop, entries, tokens, gaps, starts, ends, state, digest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Read on into the buffers until they are full or the text ends; state is carried from call to call.

    state: byte, pending expansion, code points so far, separators in a row, their kinds, tokens, 1 at the end; what the
    open word is made of (0 none, 1 letters, 2 digits), its gap, its first and last code point. digest: of that word.
    """
    at, pending, number = np.uint64(state[0]), np.uint32(state[1]), state[2]
    run, kinds, n = state[3], state[4], state[5]
    made_of, gap, first, last = state[7], state[8], state[9], state[10]
    word = digest[0]
    full = tokens.shape[0] - 4
    while n < full and (at < stop or pending != 0):
        number += pending == 0
        entry, at, pending = read(data, at, stop, entries, pending)
        kind = (entry >> 28) & 7
        if kind == 1:
            point = entry & 0xFFFFFFF
            same = 2 if point - np.uint32(48) < np.uint32(10) else 1
            if run > 0 or made_of != same:
                if made_of != 0:
                    tokens[n], gaps[n], starts[n], ends[n] = word | WORD, gap, first, last
                    n += 1
                gap = _gap(run, kinds)
                made_of, run, kinds, first, word = same, 0, 0, number - 1, _BASIS
            word = (word ^ np.uint64(point)) * _PRIME
            last = number
        elif kind == 0 or kind == 2:
            if made_of != 0:
                tokens[n], gaps[n], starts[n], ends[n] = word | WORD, gap, first, last
                n, made_of = n + 1, 0
            if kind == 0:
                run += 1
                kinds |= 1 << (entry & 7)
            else:
                tokens[n], gaps[n] = np.uint64(entry & 0xFFFFFFF), _gap(run, kinds)
                starts[n], ends[n] = number - 1, number
                n, run, kinds = n + 1, 0, 0
    if n < full:
        if made_of != 0:
            tokens[n], gaps[n], starts[n], ends[n] = word | WORD, gap, first, last
            n += 1
        # Nothing reads past an end.
        tokens[n], gaps[n] = 0, 4
        state[6] = 1
    state[0], state[1], state[2], state[3], state[4], state[5] = at, pending, number, run, kinds, n
    state[7], state[8], state[9], state[10] = made_of, gap, first, last
    digest[0] = word
    return n


@kernel
def _forms(data, offsets, entries):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows = offsets.shape[0] - 1
    size = np.int64(8)
    for row in range(rows):
        size = max(size, offsets[row + 1] - offsets[row])
    # A few compatibility characters fold to eighteen.
    tokens, gaps = np.zeros(24 * size, np.uint64), np.zeros(24 * size, np.uint8)
    starts, ends = np.zeros(24 * size, np.int64), np.zeros(24 * size, np.int64)
    state, digest = np.zeros(11, np.int64), np.zeros(1, np.uint64)
    out, stops, end = np.zeros(1 << 12, np.uint64), np.zeros(rows, np.int64), 0
    for row in range(rows):
        state[:] = 0
        state[0] = offsets[row]
        n = fill(data, np.uint64(offsets[row + 1]), entries, tokens, gaps, starts, ends, state, digest)
        if out.shape[0] < end + n:
            out = np.concatenate((out, np.zeros(out.shape[0] + n, np.uint64)))
        out[end : end + n] = tokens[:n]
        end += n
        stops[row] = end
    return out[:end], stops
