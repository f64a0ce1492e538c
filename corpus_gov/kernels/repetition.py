"""How much of a text its most frequent and its repeated n-grams of tokens make up.

A token is a Han character, or a run of letters, marks and digits of other scripts, so that Chinese text is measured
as English is, without a tokenizer. Shares are of the characters of all tokens, and no character counts twice: they
cannot exceed one.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from functools import cache
from secrets import randbits
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.scripts import DIGIT, HAN, HANGUL, HANS, HANT, classes, read_only, step

TOP: Final = (2, 3, 4)
"""Lengths of n-grams whose most frequent one is looked for."""

REPEATED: Final = (5, 6, 7, 8, 9, 10)
"""Lengths of n-grams whose every repetition counts."""

_LONGEST: Final = REPEATED[-1]
_WORD, _CHARACTER = 1, 2
_FEW: Final = 1 << 16
"""Tokens for which room is made without counting them."""

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_FOLD: Final = np.uint64(32)

# N-grams are told apart by 64 bits. No page can choose two that are alike without knowing this number.
_SEED: Final = np.uint64(randbits(64))


def repetition(column: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count what n-grams that occur more than once make up.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.

    Returns:
        int64 (n,), characters of all tokens; int64 (n, len(TOP)), characters covered by the n-gram that covers most,
        counted without overlaps, 0 where none occurs twice; int64 (n, len(REPEATED)), characters of n-grams that
        stood earlier in the text: from left to right, each beginning where the last one ended.
    """
    data, offsets = read_only(column)
    found = _repetition(data, offsets, _kinds(), _SEED)
    return found[:, 0], found[:, 1 : 1 + len(TOP)], found[:, 1 + len(TOP) :]


@cache
def _kinds() -> np.ndarray:
    """Say of every code point whether it is no token, part of a word, or a token of its own."""
    of = classes()
    kinds = np.zeros(len(of), np.uint8)
    kinds[(of >= DIGIT) & (of <= HANGUL)] = _WORD
    kinds[np.isin(of, (HAN, HANS, HANT))] = _CHARACTER
    kinds.flags.writeable = False
    return kinds


@kernel
def _repetition(data, offsets, kinds, seed):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((offsets.shape[0] - 1, 10), np.int64)
    size, tokens, ends = 0, np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for row in range(out.shape[0]):
        # A token and what separates it from the next have two bytes at least.
        most = (offsets[row + 1] - offsets[row]) // 2 + 2
        if most > _FEW:
            most = _tokens(data, offsets[row], offsets[row + 1], kinds, seed, tokens, ends) + 1
        size = max(size, most)
    size = _power(size)
    tokens, ends = np.zeros(size, np.uint64), np.zeros(size + 1, np.int64)
    grams, alive, slots = np.zeros(size, np.uint64), np.zeros(size, np.bool_), np.zeros(size, np.int64)
    keys, counts = np.zeros(2 * size, np.uint64), np.zeros(2 * size, np.int32)
    for row in range(out.shape[0]):
        count = _tokens(data, offsets[row], offsets[row + 1], kinds, seed, tokens, ends)
        out[row, 0] = ends[count]
        mask = np.uint64(2 * _power(count) - 1)
        grams[:count] = tokens[:count]
        alive[:count] = True
        any_alive = True
        for n in range(2, 11):
            if count < n or not any_alive:
                break
            # An n-gram occurs twice only where the shorter one at its place does.
            any_alive = _count(tokens, grams, alive, slots, count, n, keys, counts, mask)
            if any_alive and n <= 4:
                out[row, n - 1] = _most(alive, slots, ends, count, n, counts)
            elif any_alive:
                out[row, n - 1] = _again(alive, slots, ends, count, n, counts)
    return out


@kernel
def _power(count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the least power of two that is not below count, at least 512."""
    size = 512
    while size < count:
        size *= 2
    return size


@kernel
def _tokens(data, start, stop, kinds, seed, tokens, ends):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Hash the tokens of a text and return their number; ends[i] is how many characters the first i have.

    With empty arrays they are counted only. Growing arrays in this loop would make it ten times as slow.
    """
    wanted = tokens.shape[0] > 0
    count, chars = np.int64(0), np.int64(0)
    hashed = seed
    at, stop = np.uint64(start), np.uint64(stop)
    in_word = False
    if wanted:
        ends[0] = 0
    while at < stop:
        point, at = step(data, at, stop)
        kind = kinds[point]
        if kind == 1:
            if not in_word:
                hashed, in_word = seed, True
            hashed = (hashed ^ np.uint64(point)) * _MULTIPLIER
            hashed ^= hashed >> _FOLD
            chars += 1
            continue
        if in_word:
            in_word = False
            if wanted:
                tokens[count], ends[count + 1] = hashed, chars
            count += 1
        if kind == 2:
            mixed = (seed ^ np.uint64(point)) * _MULTIPLIER
            chars += 1
            if wanted:
                tokens[count], ends[count + 1] = mixed ^ mixed >> _FOLD, chars
            count += 1
    if in_word:
        if wanted:
            tokens[count], ends[count + 1] = hashed, chars
        count += 1
    return count


@kernel
def _count(tokens, grams, alive, slots, count, n, keys, counts, mask):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Make n-grams of shorter ones, count them, and keep alive those that occur twice; returns whether one does."""
    counts[: mask + np.uint64(1)] = 0
    places = count - n + 1
    length = np.uint64(n)
    for i in range(places):
        if alive[i]:
            gram = (grams[i] ^ tokens[i + n - 1] * length) * _MULTIPLIER
            gram ^= gram >> _FOLD
            slot = gram & mask
            while counts[slot] != 0 and keys[slot] != gram:
                slot = (slot + np.uint64(1)) & mask
            grams[i], keys[slot], slots[i] = gram, gram, slot
            counts[slot] += 1
    found = False
    for i in range(places):
        if alive[i]:
            alive[i] = counts[slots[i]] > 1
            found |= alive[i]
    alive[places:count] = False
    return found


@kernel
def _most(alive, slots, ends, count, n, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return how many characters the n-gram covers that covers most, the earliest of equals."""
    best, most = -1, np.int64(0)
    for i in range(count - n + 1):
        if alive[i]:
            covered = counts[slots[i]] * (ends[i + n] - ends[i])
            if covered > most:
                best, most = i, covered
    # Occurrences may overlap, as in `a a a`: counted once more, each from where the last one ended.
    total, free = np.int64(0), best
    for i in range(best, count - n + 1):
        if i >= free and alive[i] and slots[i] == slots[best]:
            total += ends[i + n] - ends[i]
            free = i + n
    return total


@kernel
def _again(alive, slots, ends, count, n, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return how many characters stand in n-grams that stood earlier."""
    total, i = np.int64(0), 0
    while i < count - n + 1:
        if alive[i]:
            if counts[slots[i]] < 0:
                total += ends[i + n] - ends[i]
                i += n
                continue
            counts[slots[i]] = -1
        i += 1
    return total
