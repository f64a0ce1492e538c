"""Many words in one pass: where the entries of word lists stand in a column, whatever they are disguised as.

Texts are read as tokens (`wordtokens`). At each token the pair that it makes with the next one, and then the three with
the one after that, are looked up in a bitmap that fits a core's own cache, and only then is the tree of entries walked,
at most LONGEST steps. So time is linear in the text whatever the text is.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.wordtokens import BUFFER, LONGEST, MOST, WORD, fill, folded

_TAIL: Final = LONGEST + 2
_0, _1, _6, _63 = (np.uint64(number) for number in (0, 1, 6, 63))


class Automaton(NamedTuple):
    """Entries, ready to be looked for; arrays are read-only by convention."""

    bitmap: np.ndarray
    """uint64: which first two and first three tokens any entry has, and which tokens and pairs are entries."""
    keys: np.ndarray
    """uint64, open addressing: digest of parent node and token; 0 is free."""
    nodes: np.ndarray
    """int32 beside `keys`: the child."""
    entries: np.ndarray
    """int32 by node: number of the entry that ends there, or -1."""
    n_entries: int


class Places(NamedTuple):
    """Where entries stand."""

    found: np.ndarray
    """int64 (m, 4): row, entry, first and last code point + 1; ascending by row and start; nested ones too."""
    more: np.ndarray
    """int64 (k, 4): row, entry, how often it stands there in all, end of the last; where that is more than MOST."""
    points: np.ndarray
    """int64, n rows: code points."""


def build(forms: Sequence[tuple[int, ...]]) -> Automaton:
    """Build the tree of entries.

    Args:
        forms: distinct, of 1 to LONGEST tokens each.
    """
    flat = np.array([token for form in forms for token in form], np.uint64)
    ends = np.cumsum([0, *map(len, forms)], dtype=np.int64)
    size = 1 << max(6, int(2 * flat.size).bit_length())
    bits = 1 << max(12, int(32 * len(forms)).bit_length())
    bitmap, keys = np.zeros(bits >> 6, np.uint64), np.zeros(size, np.uint64)
    nodes, entries = np.zeros(size, np.int32), np.full(flat.size + 1, -1, np.int32)
    _build(flat, ends, bitmap, keys, nodes, entries)
    return Automaton(bitmap, keys, nodes, entries, len(forms))


def find(column: pa.Array, automaton: Automaton) -> Places:
    """Find the places of all entries.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        automaton: the entries.
    """
    data, offsets = buffers(column.fill_null("") if column.null_count else column)
    # Arrays that grew in the loop would be counted as references at every token: it stops before a text whose places
    # they have no room for.
    found = np.empty((1024 + (offsets[-1] - offsets[0]) // 256, 4), np.int64)
    more = np.empty((64, 4), np.int64)
    points, done = np.zeros(len(offsets) - 1, np.int64), np.zeros(2, np.int64)
    row = 0
    while (row := _find(data, offsets, folded(), *automaton, found, more, points, done, row)) < len(offsets) - 1:
        found, more = (np.concatenate((each, np.empty_like(each))) for each in (found, more))
    written, over = done.tolist()
    return Places(found[:written], more[:over], points)


@inlined
def _mixed(a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Mix two numbers to one, its upper bits well spread."""
    mixed = (a ^ b >> np.uint64(31)) * np.uint64(0x9E3779B97F4A7C15) + b * np.uint64(0xC2B2AE3D27D4EB4F)
    return mixed ^ mixed >> np.uint64(29)


@kernel
def _build(flat, ends, bitmap, keys, nodes, entries):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    mask, pairs = np.uint64(keys.shape[0] - 1), np.uint64(bitmap.shape[0] * 64 - 1)
    made = np.int32(0)
    for number in range(ends.shape[0] - 1):
        begin, node = ends[number], np.int32(0)
        size = ends[number + 1] - begin
        pair = _mixed(flat[begin], flat[begin + 1] if size > 1 else _0)
        bit = pair & pairs
        bitmap[bit >> _6] |= _1 << (bit & _63)
        if size > 1:
            bit = _mixed(pair, flat[begin + 2] if size > 2 else _0) & pairs
            bitmap[bit >> _6] |= _1 << (bit & _63)
        for i in range(begin, ends[number + 1]):
            key = _mixed(flat[i], np.uint64(node + 1)) | np.uint64(1)
            slot = key >> np.uint64(20) & mask
            while keys[slot] != 0 and keys[slot] != key:
                slot = slot + np.uint64(1) & mask
            if keys[slot] == 0:
                made += np.int32(1)
                keys[slot], nodes[slot] = key, made
            node = nodes[slot]
        entries[node] = number


@kernel
def _find(data, offsets, table, bitmap, keys, nodes, entries, count, found, more, points, done, from_row):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Find the places in the texts from `from_row` on; `done` counts those of whole texts, in `found` and in `more`.

    Returns the first row whose places there is no room for, or the number of rows.
    """
    rows = offsets.shape[0] - 1
    tokens, gaps = np.zeros(BUFFER + 4, np.uint64), np.zeros(BUFFER + 4, np.uint8)
    starts, ends = np.zeros(BUFFER + 4, np.int64), np.zeros(BUFFER + 4, np.int64)
    state, digest = np.zeros(11, np.int64), np.zeros(1, np.uint64)
    mask, pairs = np.uint64(keys.shape[0] - 1), np.uint64(bitmap.shape[0] * 64 - 1)
    seen, last, touched = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int32)
    for row in range(from_row, rows):
        state[:] = 0
        state[0] = offsets[row]
        n_touched, written, over = 0, done[0], done[1]
        while True:
            n = fill(data, np.uint64(offsets[row + 1]), table, tokens, gaps, starts, ends, state, digest)
            ended = state[6] == 1
            limit = n if ended else n - _TAIL
            for i in range(limit):
                token = tokens[i]
                pair = _mixed(token, tokens[i + 1])
                bit = pair & pairs
                begins = bitmap[bit >> _6] >> (bit & _63) & _1
                if begins != 0:
                    bit, other = _mixed(pair, tokens[i + 2]) & pairs, _mixed(pair, _0) & pairs
                    begins = (bitmap[bit >> _6] >> (bit & _63) | bitmap[other >> _6] >> (other & _63)) & _1
                if begins == 0:
                    if token < WORD:
                        continue
                    bit = _mixed(token, _0) & pairs
                    if bitmap[bit >> _6] >> (bit & _63) & _1 == 0:
                        continue
                node, at, apart, spaced, joints = np.int32(0), i, 0, 0, 0
                while True:
                    token = tokens[at]
                    key = _mixed(token, np.uint64(node + 1)) | np.uint64(1)
                    slot = key >> np.uint64(20) & mask
                    while keys[slot] != 0 and keys[slot] != key:
                        slot = slot + np.uint64(1) & mask
                    if keys[slot] == 0:
                        break
                    node = nodes[slot]
                    number = entries[node]
                    if number >= 0 and (spaced == 0 or apart == joints):
                        if seen[number] == 0:
                            touched[n_touched] = number
                            n_touched += 1
                        seen[number] += 1
                        last[number] = ends[at]
                        if seen[number] <= MOST:
                            if written == found.shape[0]:
                                return row
                            found[written, 0], found[written, 1] = row, number
                            found[written, 2], found[written, 3] = starts[i], ends[at]
                            written += 1
                    at += 1
                    gap = gaps[at]
                    if gap == 4 or at == n:
                        break
                    if token < WORD and tokens[at] < WORD:
                        joints += 1
                        if gap == 3:
                            break
                        if gap > 0:
                            apart += 1
                            spaced += gap == 1
                    elif gap == 3 and (token < WORD or tokens[at] < WORD):
                        break
            if ended:
                break
            kept = n - limit
            for i in range(kept):
                tokens[i], gaps[i] = tokens[limit + i], gaps[limit + i]
                starts[i], ends[i] = starts[limit + i], ends[limit + i]
            state[5] = kept
        points[row] = state[2]
        for i in range(n_touched):
            number = touched[i]
            if seen[number] > MOST:
                if over == more.shape[0]:
                    return row
                more[over, 0], more[over, 1], more[over, 2], more[over, 3] = row, number, seen[number], last[number]
                over += 1
            seen[number] = 0
        done[0], done[1] = written, over
    return rows
