"""Windows of a text that may be entries of a list which nobody can read: found by short keyed hashes of their tokens.

Each token has a hash of its own under a secret key, and a window the exclusive or of those of its tokens, each turned
left by its distance from the end, so that sums over a text give every window at once. What a list keeps of an entry is
32 bits of another keyed hash of that. At each token, for each length that an entry has, a bitmap that fits a core's own
cache is asked for these bits, and only then a table. So time is linear in the text, whatever the text is.

Who calls must confirm what is found: about one window in 2^32 is found for each entry without being it. Hashes are
SipHash-1-3: without the keys, the short hashes tell nothing but which windows are the same.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.wordtokens import BUFFER, LONGEST, MOST, WORD, fill, folded

KEY_BYTES: Final = 32
"""Of a key: two halves, for tokens and for windows."""

_ROOM: Final = 1024
"""Windows that are found and are no entry, before the search begins anew with more room."""
_32, _63, _6, _1 = (np.uint64(number) for number in (32, 63, 6, 1))
_LENGTH_BLOCK: Final = np.uint64(8 << 56)
_SIP: Final = tuple(
    np.uint64(int.from_bytes(b"somepseudorandomlygeneratedbytes"[at : at + 8])) for at in (0, 8, 16, 24)
)


class Hashes(NamedTuple):
    """Short hashes of entries, ready to be looked for; arrays are read-only by convention."""

    bitmap: np.ndarray
    """uint64: which short hashes there are."""
    known: np.ndarray
    """uint64, open addressing: short hash, above it the number of tokens; 0 is free."""
    lengths: np.ndarray
    """int64: numbers of tokens, ascending."""
    key: np.ndarray
    """uint64 (4,)."""


class Windows(NamedTuple):
    """Where windows stand that may be entries."""

    found: np.ndarray
    """int64 (m, 4): row, number of the window, first and last code point + 1; each window at most MOST times a row."""
    more: np.ndarray
    """int64 (k, 4): row, window, how often it stands there in all, end of the last; where that is more than MOST."""
    points: np.ndarray
    """int64, n rows: code points."""
    tokens: list[tuple[int, ...]]
    """Of each window, by its number."""


def prepare(entries: Sequence[tuple[int, int]], key: bytes) -> Hashes:
    """Make entries ready.

    Args:
        entries: number of tokens, from 1 to LONGEST, and short hash of each.
        key: KEY_BYTES.
    """
    bits = 1 << max(12, (64 * len(entries)).bit_length())
    bitmap, known = np.zeros(bits >> 6, np.uint64), np.zeros(1 << max(6, (4 * len(entries)).bit_length()), np.uint64)
    lengths = np.array(sorted({length for length, _ in entries}), np.int64)
    each = np.array([length << 32 | short for length, short in entries], np.uint64)
    _prepare(each, bitmap, known)
    return Hashes(bitmap, known, lengths, np.frombuffer(key, "<u8").copy())


def shorts(forms: Sequence[tuple[int, ...]], key: bytes) -> list[int]:
    """Return the short hash of each folded entry: 32 bits."""
    flat = np.array([token for form in forms for token in form], np.uint64)
    ends = np.cumsum([0, *map(len, forms)], dtype=np.int64)
    found: list[int] = _shorts(flat, ends, np.frombuffer(key, "<u8").copy()).tolist()
    return found


def find(column: pa.Array, hashes: Hashes) -> Windows:
    """Find the windows whose short hash is that of an entry of as many tokens.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        hashes: of the entries.
    """
    data, offsets = buffers(column.fill_null("") if column.null_count else column)
    room = len(hashes.known) + _ROOM
    while (found := _tried(data, offsets, hashes, room)) is None:
        room *= 4
    return found


def _tried(data: np.ndarray, offsets: np.ndarray, hashes: Hashes, room: int) -> Windows | None:
    """Find windows; None where there are more different ones than there is room for."""
    # Arrays that grew in the loop would be counted as references at every token: it stops before a text whose places
    # they have no room for.
    found = np.empty((1024 + (offsets[-1] - offsets[0]) // 256, 4), np.int64)
    more = np.empty((64, 4), np.int64)
    points, done = np.zeros(len(offsets) - 1, np.int64), np.zeros(3, np.int64)
    slots, sums = np.full(1 << (2 * room).bit_length(), -1, np.int32), np.zeros(room, np.uint64)
    tokens, sizes = np.zeros((room, int(hashes.lengths.max(initial=1))), np.uint64), np.zeros(room, np.int64)
    row, made = 0, (slots, sums, tokens, sizes)
    while (row := _find(data, offsets, folded(), hashes, made, (found, more, points, done), row)) < len(offsets) - 1:
        if done[2] == room:
            return None
        found, more = (np.concatenate((each, np.empty_like(each))) for each in (found, more))
    written, over, n = done.tolist()
    windows = [tuple(one[:size]) for one, size in zip(tokens[:n].tolist(), sizes[:n].tolist(), strict=True)]
    return Windows(found[:written], more[:over], points, windows)


@inlined
def _round(v0, v1, v2, v3):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    v0 = v0 + v1
    v2 = v2 + v3
    v1 = (v1 << np.uint64(13) | v1 >> np.uint64(51)) ^ v0
    v3 = (v3 << np.uint64(16) | v3 >> np.uint64(48)) ^ v2
    v0 = v0 << np.uint64(32) | v0 >> np.uint64(32)
    v2 = v2 + v1
    v0 = v0 + v3
    v1 = (v1 << np.uint64(17) | v1 >> np.uint64(47)) ^ v2
    v3 = (v3 << np.uint64(21) | v3 >> np.uint64(43)) ^ v0
    v2 = v2 << np.uint64(32) | v2 >> np.uint64(32)
    return v0, v1, v2, v3


@inlined
def _hashed(value, first, second):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return SipHash-1-3 of eight bytes under the key of these two halves."""
    v0, v1, v2, v3 = first ^ _SIP[0], second ^ _SIP[1], first ^ _SIP[2], second ^ _SIP[3] ^ value
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v3 = v0 ^ value, v3 ^ _LENGTH_BLOCK
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v2 = v0 ^ _LENGTH_BLOCK, v2 ^ np.uint64(255)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    v0, v1, v2, v3 = _round(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


@inlined
def _turned(value, by):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Turn 64 bits left, by 1 to 63."""
    return value << np.uint64(by) | value >> np.uint64(64 - by)


@kernel
def _prepare(entries, bitmap, known):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    bits, mask = np.uint64(bitmap.shape[0] * 64 - 1), np.uint64(known.shape[0] - 1)
    for entry in entries:
        bit = entry & bits
        bitmap[bit >> _6] |= _1 << (bit & _63)
        slot = entry & mask
        while known[slot] != 0 and known[slot] != entry:
            slot = slot + _1 & mask
        known[slot] = entry


@kernel
def _shorts(flat, ends, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros(ends.shape[0] - 1, np.uint64)
    for number in range(out.shape[0]):
        total = np.uint64(0)
        for at in range(ends[number], ends[number + 1]):
            total = _turned(total, 1) ^ _hashed(flat[at], key[0], key[1])
        out[number] = _hashed(total, key[2], key[3]) >> _32
    return out


@kernel
def _hash_all(values, first, second, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the hash of each value; a loop of nothing else runs several at once."""
    for i in range(out.shape[0]):
        out[i] = _hashed(values[i], first, second)


@kernel
def _ending(ends, n, sums, earliest, length, values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the sums of the windows of so many tokens that end at one of n; keeps those ends, and returns their number.

    What no longer entry can end at is not looked at again: lengths ascend.
    """
    kept = 0
    for i in range(n):
        at = ends[i]
        first = at + 1 - length
        if first >= earliest[at]:
            ends[kept], values[kept] = at, sums[at + 1] ^ _turned(sums[first], length)
            kept += 1
    return kept


@kernel
def _summed(tokens, gaps, hashes, begin, n, sums, earliest, bound):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write what tells whether a window may be an entry, token by token.

    sums: of hashes, from index 1. earliest: where a window that ends there can begin. bound: how many characters so far
    stand behind another, how many of these apart, how many of these by spaces.
    """
    for at in range(begin, n):
        sums[at + 1] = _turned(sums[at], 1) ^ hashes[at]
        if at == 0:
            earliest[0], bound[0, 0], bound[0, 1], bound[0, 2] = 0, 0, 0, 0
            continue
        gap, singles = gaps[at], tokens[at] < WORD and tokens[at - 1] < WORD
        words = tokens[at] >= WORD and tokens[at - 1] >= WORD
        earliest[at] = at if gap == 4 or (gap == 3 and not words) else earliest[at - 1]
        bound[at, 0] = bound[at - 1, 0] + singles
        bound[at, 1] = bound[at - 1, 1] + (singles and gap > 0)
        bound[at, 2] = bound[at - 1, 2] + (singles and gap == 1)


@kernel
def _find(data, offsets, table, entries, windows, places, from_row):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Find windows in the texts from `from_row` on; `done` counts those of whole texts, `more` of them, and windows.

    Returns the first row whose windows there is no room for, or the number of rows.
    """
    bitmap, known, lengths, key = entries
    slots, window_sums, window_tokens, sizes = windows
    found, more, points, done = places
    rows, size = offsets.shape[0] - 1, BUFFER + LONGEST + 4
    tokens, gaps = np.zeros(size, np.uint64), np.zeros(size, np.uint8)
    starts, ends = np.zeros(size, np.int64), np.zeros(size, np.int64)
    hashes, sums = np.zeros(size, np.uint64), np.zeros(size + 1, np.uint64)
    values, open_ends = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    earliest, bound = np.zeros(size, np.int64), np.zeros((size, 3), np.int64)
    state, digest = np.zeros(11, np.int64), np.zeros(1, np.uint64)
    bits, mask = np.uint64(bitmap.shape[0] * 64 - 1), np.uint64(known.shape[0] - 1)
    seen, last = np.zeros(sizes.shape[0], np.int64), np.zeros(sizes.shape[0], np.int64)
    touched, slot_mask = np.zeros(sizes.shape[0], np.int64), np.uint64(slots.shape[0] - 1)
    for row in range(from_row, rows):
        state[:] = 0
        state[0] = offsets[row]
        n_touched, written, over, kept = 0, done[0], done[1], 0
        sums[0] = 0
        while True:
            n = fill(data, np.uint64(offsets[row + 1]), table, tokens, gaps, starts, ends, state, digest)
            _hash_all(tokens[kept:n], key[0], key[1], hashes[kept:n])
            _summed(tokens, gaps, hashes, kept, n, sums, earliest, bound)
            n_open = n - kept
            for i in range(n_open):
                open_ends[i] = kept + i
            for length in lengths:
                n_open = _ending(open_ends, n_open, sums, earliest, length, values)
                if n_open == 0:
                    break
                _hash_all(values[:n_open], key[2], key[3], hashes[:n_open])
                for i in range(n_open):
                    short = hashes[i] >> _32
                    bit = short & bits
                    if bitmap[bit >> _6] >> (bit & _63) & _1 == 0:
                        continue
                    at = open_ends[i]
                    first = at + 1 - length
                    apart = bound[at, 1] - bound[first, 1]
                    if bound[at, 2] > bound[first, 2] and apart != bound[at, 0] - bound[first, 0]:
                        continue
                    wanted = np.uint64(length) << _32 | short
                    slot = wanted & mask
                    while known[slot] != 0 and known[slot] != wanted:
                        slot = slot + _1 & mask
                    if known[slot] == 0:
                        continue
                    total = values[i]
                    place = total & slot_mask
                    while slots[place] >= 0 and (window_sums[slots[place]] != total or sizes[slots[place]] != length):
                        place = place + _1 & slot_mask
                    number = np.int64(slots[place])
                    if number < 0:
                        number = done[2]
                        if number == sizes.shape[0]:
                            return row
                        done[2] += 1
                        slots[place], window_sums[number], sizes[number] = number, total, length
                        for j in range(length):
                            window_tokens[number, j] = tokens[first + j]
                    if seen[number] == 0:
                        touched[n_touched] = number
                        n_touched += 1
                    seen[number] += 1
                    last[number] = ends[at]
                    if seen[number] <= MOST:
                        if written == found.shape[0]:
                            return row
                        found[written, 0], found[written, 1] = row, number
                        found[written, 2], found[written, 3] = starts[first], ends[at]
                        written += 1
            if state[6] == 1:
                break
            dropped = max(0, n - LONGEST)
            kept = n - dropped
            sums[0] = sums[dropped]
            for i in range(kept):
                j = dropped + i
                tokens[i], gaps[i], starts[i], ends[i] = tokens[j], gaps[j], starts[j], ends[j]
                sums[i + 1], earliest[i] = sums[j + 1], max(0, earliest[j] - dropped)
                bound[i, 0], bound[i, 1], bound[i, 2] = bound[j, 0], bound[j, 1], bound[j, 2]
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
