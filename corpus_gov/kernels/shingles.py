"""Tokens and shingles of the matching view as hashes, without writing the view out.

A token is hashed over its folded code points (FNV-1a, 64 bits, and a finishing multiplication); a shingle is
the hash of k consecutive tokens. A text of fewer tokens, but at least one, has one shingle: all its tokens, and their
number, so that short texts are alike exactly when their folded texts are the same. A text without tokens has none.

Minhash signatures use the upper 32 bits of a token; verification uses all 64, so that no pair is an edge for a
collision that made it a candidate.
"""

from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import EXPANDED, FINAL, SINGLE, WORD, Folding, table
from corpus_gov.kernels.scripts import four, read_only

VERSION: Final = 1

MAX_SHINGLE: Final = 64
"""Longest shingle, in tokens."""

_PRIME, _FINISH, _CHAIN = np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_0, _1, _2, _3, _4, _6, _7 = (np.uint64(number) for number in (0, 1, 2, 3, 4, 6, 7))
_12, _15, _31, _32 = (np.uint64(number) for number in (12, 15, 31, 32))
_ASCII, _THREE, _FOUR = np.uint64(0x80), np.uint64(0xE0), np.uint64(0xF0)
_BLOCK: Final = 4096

_MARGIN: Final = 64
"""Room for the tokens of one code point: the longest expansion has eighteen."""


def tokens(column: pa.Array, folding: Folding) -> tuple[np.ndarray, np.ndarray]:
    """Hash the tokens of each value.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        folding: the matching view.

    Returns:
        uint64 hashes of all tokens, and int64, n + 1 offsets into them.
    """
    found: tuple[np.ndarray, np.ndarray] = _tokens(*read_only(column), *entries(folding))
    return found


def shingles(column: pa.Array, folding: Folding, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash the shingles of each value, in the order of the text, repeats included.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        folding: the matching view.
        k: tokens of a shingle, 1 to MAX_SHINGLE.

    Returns:
        uint64 hashes of all shingles, and int64, n + 1 offsets into them.
    """
    hashes, offsets = tokens(column, folding)
    found: tuple[np.ndarray, np.ndarray] = _shingles(hashes, offsets, k)
    return found


@cache
def entries(folding: Folding) -> tuple[np.ndarray, np.ndarray]:
    """Prepare a view's table for `fill`, once a process.

    The lowest bits say what an entry is: 1 a letter or digit of a word, 2 a token of its own, 0 a separator, 4 an
    index into the expansions, or nothing where that index is 0. Above them are the folded code point or, for a token
    of its own, its finished hash.

    Returns:
        uint64, an entry a code point, and uint64 expansions, each ended by 4; both read-only.
    """
    points, parts = table(folding)
    wide = _entries(points)
    ends = (parts & np.uint32(FINAL)) != 0
    # An expansion of n parts takes n + 1 places here: every index moves by the number of expansions before it.
    places = np.arange(len(parts)) + np.concatenate(([0], np.cumsum(ends)[:-1]))
    more = np.full(len(parts) + int(ends.sum()), _4, np.uint64)
    more[places] = _entries(parts & np.uint32(~FINAL & 0xFFFFFFFF))
    longer = (points >> 28) == EXPANDED >> 28
    wide[longer] = places[points[longer] & np.uint32(0xFFFFFFF)].astype(np.uint64) << _3 | _4
    wide.flags.writeable = more.flags.writeable = False
    return wide, more


def _entries(points: np.ndarray) -> np.ndarray:
    kinds, points = points >> 28, (points & np.uint32(0xFFFFFFF)).astype(np.uint64)
    # A token of its own is hashed as the word of that one letter.
    hashes = (points << _3 | _1) * _PRIME
    hashes = (hashes ^ (hashes >> _32)) * _FINISH
    hashes = (hashes ^ (hashes >> _32)) & ~_7
    found = np.select(
        [kinds == WORD >> 28, kinds == SINGLE >> 28, kinds == 0], [points << _3 | _1, hashes | _2, _0], _4
    )
    return np.asarray(found, np.uint64)


@kernel
def fill(data, at, stop, entries, more, out, filled, state):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Hash tokens into `out` from `filled` on, until it is full or the value ends.

    Decoding two and three bytes stands here in full: as calls it takes a third longer.

    Args:
        data: the bytes of a column.
        at: where to read.
        stop: one past the last byte of the value.
        entries: of `entries`.
        more: the expansions of `entries`.
        out: uint64; the last _MARGIN places are room for the tokens of one code point.
        filled: places of `out` that are taken.
        state: uint64, 2: the hash of the word that is being read, and whether there is one; begins as (0, 0).

    Returns:
        Where to go on reading, and how many tokens `out` now has; a word that ends with the value is among them.
    """
    n, limit = np.uint64(filled), np.uint64(out.shape[0] - _MARGIN)
    at, stop = np.uint64(at), np.uint64(stop)
    running, inside = state[0], state[1]
    while n < limit and at < stop:
        lead = np.uint64(data[at])
        if lead < _ASCII:
            entry, at = entries[lead], at + _1
            if not entry & _2:
                # The hash of the word so far is always stored, and counts where the word ends here: a branch on the
                # ends of words is wrong so often that it takes as long as all the rest.
                word = (running ^ (running >> _32)) * _FINISH
                out[n] = (word ^ (word >> _32)) & ~_7
                letter = entry & _1
                n += inside & ~letter
                inside, running = letter, ((running ^ entry) * _PRIME) & (_0 - letter)
                continue
        elif lead < _THREE and at + _2 <= stop:
            entry, at = entries[(lead & _31) << _6 | np.uint64(data[at + _1] & 0x3F)], at + _2
        elif lead < _FOUR and at + _3 <= stop:
            middle, last = np.uint64(data[at + _1] & 0x3F), np.uint64(data[at + _2] & 0x3F)
            entry, at = entries[(lead & _15) << _12 | middle << _6 | last], at + _3
        elif at + _4 <= stop:
            entry, at = entries[four(lead, data[at + _1], data[at + _2], data[at + _3])], at + _4
        else:
            entry, at = _0, at + _1
        place = entry >> _3
        if not entry & _4:
            word = (running ^ (running >> _32)) * _FINISH
            out[n] = (word ^ (word >> _32)) & ~_7
            letter = entry & _1
            n += inside & ~letter
            out[n] = entry & ~_7
            n += (entry >> _1) & _1
            inside, running = letter, ((running ^ entry) * _PRIME) & (_0 - letter)
            continue
        while place != 0 and more[place] != _4:
            entry, place = more[place], place + _1
            word = (running ^ (running >> _32)) * _FINISH
            out[n] = (word ^ (word >> _32)) & ~_7
            letter = entry & _1
            n += inside & ~letter
            out[n] = entry & ~_7
            n += (entry >> _1) & _1
            inside, running = letter, ((running ^ entry) * _PRIME) & (_0 - letter)
    if at >= stop:
        word = (running ^ (running >> _32)) * _FINISH
        out[n] = (word ^ (word >> _32)) & ~_7
        n += inside
        running, inside = _0, _0
    state[0], state[1] = running, inside
    return np.int64(at), np.int64(n)


@kernel
def chain(hashes, n, k, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Hash each run of k of the first n tokens into `out`, all runs side by side, one token after another."""
    runs = out[: n - k + 1]
    runs[:] = np.uint64(k)
    for step in range(k):
        following = hashes[step : step + n - k + 1]
        for i in range(runs.shape[0]):
            mixed = (runs[i] ^ following[i]) * _CHAIN
            runs[i] = mixed ^ (mixed >> _32)


@kernel
def _tokens(data, offsets, entries, more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    ends = np.zeros(offsets.shape[0], np.int64)
    out = np.empty(2 * _MARGIN + (offsets[-1] - offsets[0]) // 3, np.uint64)
    state = np.empty(2, np.uint64)
    n = np.int64(0)
    for row in range(offsets.shape[0] - 1):
        at, stop = offsets[row], offsets[row + 1]
        state[:] = _0
        while at < stop or state[1] != 0:
            at, n = fill(data, at, stop, entries, more, out, n, state)
            if n >= out.shape[0] - _MARGIN:
                out = np.concatenate((out, np.empty(out.shape[0], np.uint64)))
        ends[row + 1] = n
    return out[:n], ends


@kernel
def _shingles(hashes, offsets, k):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    ends = np.zeros(offsets.shape[0], np.int64)
    for row in range(offsets.shape[0] - 1):
        n = offsets[row + 1] - offsets[row]
        ends[row + 1] = ends[row] + (n - k + 1 if n >= k else min(n, 1))
    out = np.empty(ends[-1], np.uint64)
    for row in range(offsets.shape[0] - 1):
        n = offsets[row + 1] - offsets[row]
        width = min(n, k)
        if n > 0:
            # Blocks keep the intermediate results in the first cache.
            for start in range(0, n - width + 1, _BLOCK):
                span = min(n - start, _BLOCK + width - 1)
                first = offsets[row] + start
                chain(hashes[first : first + span], span, width, out[ends[row] + start : ends[row + 1]])
    return out, ends
