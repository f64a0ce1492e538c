"""A model of characters in a compact table: how surprising each character is after up to four before it.

An n-gram that was kept has its probability; for any other the probability after the shorter context counts, times the
weight of the longer one (absolute discounting, interpolated: Ney, Essen and Kneser 1994; the probabilities after any
context add up to one). Both are kept in 256 steps, in one table by open addressing that fits into a cache.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

import lzma
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import scripts
from corpus_gov.kernels.columns import Bytes, Offsets
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.scripts import step

ORDER: Final = 5
"""Characters of the longest n-gram."""

BITS: Final = 18
"""The table has 2**BITS slots."""

LIMIT: Final = 4_096
"""So many characters of a text are looked at, the first ones."""

WINDOW: Final = 64
"""Characters of the stretches that `worst` and `best` are looked for among."""

STEPS: Final = 12
"""Steps a bit: probabilities are 2**(-step / STEPS)."""

SYMBOLS: Final = 1 << 16
MAGIC: Final = b"corpus_gov ngrams 1\n"

COUNTS: Final = (
    "characters",  # looked at: white space counts as one space, in a row
    "surprise",  # sum of -log2 of their probabilities, in 1/STEPS
    "alone",  # the same by their frequency alone, without those before
    "worst",  # of a window: the highest and the lowest sum
    "best",
    "windows",
)

_0, _1 = np.uint64(0), np.uint64(1)
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(64 - BITS)
_MASK: Final = np.uint64((1 << BITS) - 1)
_N_COUNTS: Final = len(COUNTS)


@dataclass(frozen=True)
class Model:
    """A model in memory.

    Attributes:
        single: uint8 (SYMBOLS, 2), of each symbol its surprise, and the weight of it as a context, in 1/STEPS bits.
        table: uint32 (2**BITS,), 16 bits of an n-gram's hash, its surprise and its weight; 0 where free.
    """

    single: np.ndarray
    table: np.ndarray

    def write(self, path: Path) -> None:
        """Write the model; the same model gives the same bytes."""
        packed = lzma.compress(self.single.tobytes() + self.table.astype("<u4").tobytes(), preset=9)
        path.write_bytes(MAGIC + packed)

    def measure(self, data: Bytes, offsets: Offsets) -> dict[str, np.ndarray]:
        """Sum up the surprise of values.

        Args:
            data: of the column, read-only.
            offsets: n + 1.

        Returns:
            By the names of COUNTS, int64 (n,).
        """
        found = _measure(data, offsets, symbols(), self.single, self.table)
        return dict(zip(COUNTS, found.T, strict=True))


def load(path: Path) -> Model:
    """Read a model.

    Raises:
        IntegrityError: the file is no model.
    """
    data = path.read_bytes()
    try:
        unpacked = _unpacked(data)
    except (ValueError, lzma.LZMAError) as error:
        raise IntegrityError(
            f"{path.name}: {error}; expected a model that starts with {MAGIC!r}; train or install it again"
        ) from error
    single = np.frombuffer(unpacked, np.uint8, 2 * SYMBOLS).reshape(SYMBOLS, 2)
    return Model(single, np.frombuffer(unpacked, "<u4", offset=2 * SYMBOLS).astype(np.uint32))


def _unpacked(data: bytes) -> bytes:
    if not data.startswith(MAGIC):
        raise ValueError("found another first line")
    unpacked = lzma.decompress(data[len(MAGIC) :])
    if len(unpacked) != 2 * SYMBOLS + 4 * (1 << BITS):
        raise ValueError(f"found {len(unpacked)} bytes of tables")
    return unpacked


@cache
def symbols() -> np.ndarray:
    """By code point the symbol that the model knows it as, uint16: capitals as small letters, one digit, one space."""
    points = np.arange(scripts.LAST + 1)
    found = np.where(points < SYMBOLS, points, 0xFFFD).astype(np.uint16)
    classes = scripts.classes()
    found[ord("A") : ord("Z") + 1] += 32
    found[classes == scripts.DIGIT] = ord("0")
    found[classes == scripts.SPACE] = ord(" ")
    found.flags.writeable = False
    return found


def hashes(text: np.ndarray) -> np.ndarray:
    """Hash the n-grams that end at each place of a text of symbols.

    Returns:
        uint64 (ORDER, len(text)): row n is of those of n + 1 symbols, the first n of them of no n-gram.
    """
    found = np.zeros((ORDER, len(text)), np.uint64)
    with np.errstate(over="ignore"):
        before = np.zeros(len(text), np.uint64)
        for n in range(ORDER):
            back = np.zeros(len(text), np.uint64)
            back[n:] = text[: len(text) - n]
            before = (before ^ back) * _MULTIPLIER
            before = before ^ before >> np.uint64(32)
            found[n] = before
    return found


def table_of(keys: np.ndarray, surprises: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Make the table of a model from hashes of n-grams, in their order."""
    table = np.zeros(1 << BITS, np.uint32)
    _fill(table, keys, surprises.astype(np.uint32), weights.astype(np.uint32))
    return table


@inlined
def _start(key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the first slot of an n-gram, and the 16 bits that it is known by."""
    mixed = key * _MULTIPLIER
    return mixed >> _SHIFT, np.uint32(mixed >> np.uint64(8)) & np.uint32(0xFFFF)


@kernel
def _fill(table, keys, surprises, weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(keys.shape[0]):
        slot, known = _start(keys[i])
        while table[slot] != 0:
            slot = (slot + _1) & _MASK
        # A surprise is never 0, so that no entry is.
        table[slot] = known << np.uint32(16) | max(surprises[i], np.uint32(1)) << np.uint32(8) | weights[i]


@inlined
def _find(table, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the entry of an n-gram, 0 where it was not kept."""
    slot, known = _start(key)
    entry = table[slot]
    while entry != 0 and entry >> np.uint32(16) != known:
        slot = (slot + _1) & _MASK
        entry = table[slot]
    return entry


@kernel
def _measure(data, offsets, symbols, single, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((offsets.shape[0] - 1, _N_COUNTS), np.int64)
    keys, before = np.zeros(ORDER, np.uint64), np.zeros(ORDER, np.uint64)
    last = np.zeros(8, np.uint64)
    for row in range(out.shape[0]):
        at, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        known, weight, characters, surprise, alone, window, worst, best = 0, 0, 0, 0, 0, 0, 0, 1 << 62
        last[:] = 32
        before[:] = _0
        space = True
        while at < stop and characters < LIMIT:
            point, at = step(data, at, stop)
            symbol = np.uint64(symbols[point])
            if symbol == 32:
                if space:
                    continue
                space = True
            else:
                space = False
            place = characters & 7
            last[place] = symbol
            hashed = _0
            for n in range(ORDER):
                hashed = (hashed ^ last[(place - n) & 7]) * _MULTIPLIER
                hashed ^= hashed >> np.uint64(32)
                keys[n] = hashed
            # From the longest n-gram whose context was kept down to one that was kept itself.
            n, paid = known, 0
            entry = np.uint32(0)
            while n > 0:
                entry = _find(table, keys[n])
                if entry != 0:
                    break
                paid += weight
                n -= 1
                if n > 0:
                    context = _find(table, before[n - 1]) if n > 1 else np.uint32(single[last[(place - 1) & 7], 1])
                    weight = np.int64(context & np.uint32(0xFF))
            if n > 0:
                paid += np.int64(entry >> np.uint32(8) & np.uint32(0xFF))
                weight = np.int64(entry & np.uint32(0xFF))
            else:
                paid += np.int64(single[symbol, 0])
                weight = np.int64(single[symbol, 1])
            known = min(n + 1, ORDER - 1)
            if n + 1 > known:
                # The longest n-grams are no contexts: the weight is that of the one that is shorter by one.
                weight = np.int64(_find(table, keys[known - 1]) & np.uint32(0xFF))
            for n in range(ORDER):
                before[n] = keys[n]
            alone += np.int64(single[symbol, 0])
            surprise += paid
            window += paid
            characters += 1
            if characters % WINDOW == 0:
                worst, best = max(worst, window), min(best, window)
                window = 0
        out[row, 0], out[row, 1], out[row, 2] = characters, surprise, alone
        out[row, 5] = characters // WINDOW
        if characters >= WINDOW:
            out[row, 3], out[row, 4] = worst, best
    return out
