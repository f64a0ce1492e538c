"""How much of a text its most frequent and its repeated n-grams of tokens make up.

A token is a Han character, or a run of letters, marks and digits of other scripts, so that Chinese text is measured
as English is, without a tokenizer. Shares are of the characters of all tokens, and no character counts twice: they
cannot exceed one.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from typing import Final

import numpy as np

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.phrases import MULTIPLIER

TOP: Final = (1, 2, 3, 4)
"""Lengths of n-grams whose most frequent one is looked for."""

REPEATED: Final = (5, 6, 7, 8, 9, 10)
"""Lengths of n-grams whose every repetition counts."""

LIMIT: Final = 1 << 20
"""So many tokens of a text are looked at, the first ones: memory does not grow with one huge text."""

HAN_BELOW: Final = 0x40001
"""Below it a token is a Han character, by its code point; from there on the hash of a word."""

N_COUNTS: Final = 1 + len(TOP) + len(REPEATED)

_0, _1, _32 = np.uint64(0), np.uint64(1), np.uint64(32)
_LEAST: Final = np.uint64(256)
# An entry of the hash table: 42 bits of the n-gram, one for an n-gram that stood at an earlier place, a count.
_COUNT: Final = np.uint64((1 << 21) - 1)
_SEEN: Final = np.uint64(1 << 21)
_KEY: Final = np.uint64(22)


@kernel
def room(most):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Make the arrays that `repetition` works in, for texts of at most `most` tokens.

    Returns:
        Places, n-grams and slots of the places that may still repeat; a hash table; a tally of Han characters.
    """
    size = _power(np.uint64(most))
    return (
        np.empty(size, np.uint32),
        np.empty(size, np.uint64),
        np.empty(size, np.uint32),
        np.empty(size << _1, np.uint64),
        np.zeros(HAN_BELOW, np.int32),
    )


@kernel
def repetition(tokens, ends, count, seed, work, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Count what n-grams that occur more than once make up.

    Args:
        tokens: uint64, see HAN_BELOW; `count` of them are looked at.
        ends: int32, ends[i] is how many characters the first i tokens have.
        count: of tokens, LIMIT at most.
        seed: uint64; n-grams are told apart by 42 bits and a place in a table, and no page can choose two that are
            alike without knowing it.
        work: what `room` made for as many.
        out: int64 (N_COUNTS,), zeros, where the result goes: distinct tokens; for TOP, the characters covered by the
            n-gram that covers most, of equals the one that does so first, counted without overlaps, 0 where none
            occurs twice; for REPEATED, the characters of n-grams that stood earlier in the text: from left to right,
            each beginning where the last one ended.
    """
    alive = _singles(tokens, ends, np.uint64(count), seed, work, out)
    places, grams, slots, table, _ = work
    last = np.uint64(count) - _1
    for n in range(2, 11):
        if alive == _0:
            return
        length, best = np.uint64(n), np.uint32(0)
        mask = (_power(alive) << _1) - _1
        for i in range(mask + _1):
            table[i] = _0
        most = np.int64(0)
        for j in range(alive):
            gram = grams[j]
            slot = gram & mask
            entry = table[slot]
            while (entry != _0) & ((entry ^ gram) >> _KEY != _0):
                slot = (slot + _1) & mask
                entry = table[slot]
            times = (entry & _COUNT) + _1
            table[slot] = gram >> _KEY << _KEY | times
            slots[j] = slot
            if n <= 4:
                place = np.uint64(places[j])
                chars = np.int64(times) * (ends[place + length] - ends[place])
                if chars > most and times > _1:
                    most, best = chars, np.uint32(slot)
        # What repeats is counted, and made into longer n-grams: one repeats only where both shorter ones in it do.
        # There is no branch on what no processor can foresee.
        covered, free, kept = np.int64(0), _0, _0
        before, gram_before, repeats_before = ~_0, _0, False
        for j in range(alive):
            slot, gram, place = slots[j], grams[j], np.uint64(places[j])
            entry = table[slot]
            repeats = entry & _COUNT > _1
            if n <= 4:
                if (slot == best) & (most > 0) and place >= free:
                    free = place + length
                    covered += ends[free] - ends[place]
            elif repeats & (place >= free):
                if entry & _SEEN != _0:
                    free = place + length
                    covered += ends[free] - ends[place]
                table[slot] = entry | _SEEN
            longer = (gram_before ^ tokens[min(before + length, last)] * length) * MULTIPLIER
            places[kept], grams[kept] = before, longer ^ longer >> _32
            kept += np.uint64(repeats & repeats_before & (before + _1 == place))
            before, gram_before, repeats_before = place, gram, repeats
        out[n] = covered
        alive = kept


@kernel
def _singles(tokens, ends, count, seed, work, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count tokens, and make n-grams of two of those that occur twice; returns their number."""
    places, grams, slots, table, tally = work
    mask = (_power(count) << _1) - _1
    distinct, clean = 0, False
    for i in range(count):
        token = tokens[i]
        if token < HAN_BELOW:
            times = tally[token]
            distinct += times == 0
            tally[token] = times + 1
            continue
        if not clean:
            for k in range(mask + _1):
                table[k] = _0
            clean = True
        slot = token & mask
        entry = table[slot]
        while (entry != _0) & ((entry ^ token) >> _KEY != _0):
            slot = (slot + _1) & mask
            entry = table[slot]
        distinct += entry == _0
        table[slot] = token >> _KEY << _KEY | (entry & _COUNT) + _1
        slots[i] = slot
    most, kept, alive_before, token_before = np.int64(0), _0, False, _0
    for i in range(count):
        token = tokens[i]
        times = np.int64(tally[token] if token < HAN_BELOW else table[slots[i]] & _COUNT)
        if times > 1:
            most = max(most, times * (ends[i + _1] - ends[i]))
        gram = ((token_before ^ seed) * MULTIPLIER ^ token) * MULTIPLIER
        places[kept], grams[kept] = i - _1, gram ^ gram >> _32
        kept += np.uint64(alive_before & (times > 1))
        alive_before, token_before = times > 1, token
    for i in range(count):
        if tokens[i] < HAN_BELOW:
            tally[tokens[i]] = 0
    out[0], out[1] = distinct, most
    return kept


@kernel
def _power(count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the least power of two that is not below count, at least 256."""
    size = _LEAST
    while size < count:
        size <<= _1
    return size
