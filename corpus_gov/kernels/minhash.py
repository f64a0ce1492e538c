"""Minhash signatures of Arrow text columns, bit for bit those of datasketch 2.0, scheme `affine32`."""

from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import Folding
from corpus_gov.kernels.scripts import read_only
from corpus_gov.kernels.shingles import entries, fill

VERSION: Final = 1

_16, _13, _15 = np.uint32(16), np.uint32(13), np.uint32(15)
_START, _CHAIN = np.uint32(0x9747B28C), np.uint32(0xCC9E2D51)
_FMIX_1, _FMIX_2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_32, _0, _EMPTY = np.uint64(32), np.uint64(0), np.uint32(0xFFFFFFFF)
_BLOCK: Final = 2048
_FEW: Final = 256
_MAX_K: Final = 64


@cache
def permutations(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the factors a (odd) and terms b of h -> a·h + b mod 2^32.

    Returns:
        Two uint32 arrays of `count` numbers, read-only.

    Source: datasketch 2.0, scheme affine32; NumPy keeps the stream of RandomState unchanged for good.
    """
    draw = np.random.RandomState(seed)  # this stream is part of the signature
    a = draw.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    b = draw.randint(0, 1 << 32, count, dtype=np.uint32)
    a.flags.writeable = b.flags.writeable = False
    return a, b


def minima(column: pa.Array, folding: Folding, k: int, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the least value of each permutation over the 32-bit hashes of each value's shingles.

    Memory does not depend on the length of a value: it is read in blocks of some thousand tokens.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        folding: the matching view.
        k: tokens of a shingle, at most shingles.MAX_SHINGLE.
        count: permutations.
        seed: of the permutations.

    Returns:
        uint32 (n, count), all ones where a value has no token, and int64 (n): shingles, repeats included.
    """
    out, sizes = np.empty((len(column), count), np.uint32), np.zeros(len(column), np.int64)
    _minima(*read_only(column), *entries(folding), k, *permutations(count, seed), out, sizes)
    return out, sizes


def base_hashes(tokens: np.ndarray, k: int) -> np.ndarray:
    """Hash each run of k tokens as `minima` does before permuting: what a datasketch `hashfunc` would return.

    Args:
        tokens: uint64 of one value, see `shingles.tokens`; fewer than k make one run.
        k: tokens of a run.

    Returns:
        uint32.
    """
    width = min(k, len(tokens))
    out = np.empty(max(len(tokens) - width + 1, 0) if width else 0, np.uint32)
    if width:
        _chain((tokens >> _32).astype(np.uint32), len(tokens), width, out)
    return out


@kernel
def _chain(tokens, n, k, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Hash each run of k of the first n tokens, all runs side by side, one token after another."""
    runs = out[: n - k + 1]
    runs[:] = _START + np.uint32(k)
    for step in range(k):
        following = tokens[step : step + n - k + 1]
        for i in range(runs.shape[0]):
            mixed = np.uint32((runs[i] ^ following[i]) * _CHAIN)
            runs[i] = mixed ^ (mixed >> _15)


@kernel
def _mix(hashes, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Finish hashes as MurmurHash3 does, which datasketch asks for before it permutes."""
    hashes = hashes[:n]
    for i in range(n):
        h = hashes[i]
        h ^= h >> _16
        h = np.uint32(h * _FMIX_1)
        h ^= h >> _13
        h = np.uint32(h * _FMIX_2)
        hashes[i] = h ^ (h >> _16)


@kernel
def _permute(hashes, n, a, b, least):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Lower `least` over many hashes: one permutation after another, the hashes side by side."""
    # A slice from 0, and a comparison rather than min(): only so does the loop become one of vectors.
    hashes = hashes[:n]
    for p in range(a.shape[0]):
        factor, term, low = a[p], b[p], least[p]
        for i in range(hashes.shape[0]):
            value = np.uint32(hashes[i] * factor + term)
            if value < low:  # noqa: PLR1730 - see above
                low = value
        least[p] = low


@kernel
def _permute_few(hashes, n, a, b, least):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Lower `least` over a few hashes: eight of them at a time, the permutations side by side."""
    whole = n // 8 * 8
    for i in range(0, whole, 8):
        h = hashes[i : i + 8]
        h0, h1, h2, h3, h4, h5, h6, h7 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
        for p in range(least.shape[0]):
            factor, term = a[p], b[p]
            low = min(np.uint32(h0 * factor + term), np.uint32(h1 * factor + term))
            next_low = min(np.uint32(h2 * factor + term), np.uint32(h3 * factor + term))
            high = min(np.uint32(h4 * factor + term), np.uint32(h5 * factor + term))
            next_high = min(np.uint32(h6 * factor + term), np.uint32(h7 * factor + term))
            low, high = min(low, next_low), min(high, next_high)
            low = min(low, high)
            least[p] = min(low, least[p])
    for i in range(whole, n):
        h0 = hashes[i]
        for p in range(least.shape[0]):
            least[p] = min(np.uint32(h0 * a[p] + b[p]), least[p])


@kernel
def _lower(tokens, n, k, hashes, a, b, least):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    _chain(tokens, n, k, hashes)
    _mix(hashes, n - k + 1)
    if n < _FEW:
        _permute_few(hashes, n - k + 1, a, b, least)
    else:
        _permute(hashes, n - k + 1, a, b, least)


@kernel
def _minima(data, offsets, entries, more, k, a, b, out, sizes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    # `fill` keeps a margin of 64 tokens, and up to 63 of the block before are held.
    wide, state = np.empty(_BLOCK + 2 * _MAX_K, np.uint64), np.empty(2, np.uint64)
    tokens, hashes = np.empty(wide.shape[0], np.uint32), np.empty(wide.shape[0], np.uint32)
    for row in range(offsets.shape[0] - 1):
        at, stop, held = offsets[row], offsets[row + 1], np.int64(0)
        state[:] = _0
        least = out[row]
        least[:] = _EMPTY
        while at < stop or state[1] != 0:
            at, n = fill(data, at, stop, entries, more, wide, held, state)
            for i in range(held, n):
                tokens[i] = np.uint32(wide[i] >> _32)
            held = n
            if n >= k:
                _lower(tokens, n, k, hashes, a, b, least)
                sizes[row] += n - k + 1
                held = np.int64(k - 1)
                tokens[:held] = tokens[n - held : n]
        if sizes[row] == 0 and held > 0:
            _lower(tokens, held, held, hashes, a, b, least)
            sizes[row] = 1
