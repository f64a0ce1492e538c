"""fastText's supervised models over Arrow buffers: their file read into arrays, and one compiled loop for all texts.

The library looks a quantised row up in three tables for each n-gram, one text a call. Here rows are decoded once
(4 bytes × dim × rows) and a text costs a hash and an add for each n-gram. Labels and probabilities are those
of the library, but for the order in which 32-bit floats are added.

Format and algorithm: https://github.com/facebookresearch/fastText (dictionary.cc, productquantizer.cc, loss.cc),
files of version 12.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov.errors import IntegrityError
from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import inlined, kernel

MAGIC: Final = 793_712_314
VERSION: Final = 12
LOSSES: Final = {1: "hs", 3: "softmax"}
"""By their number in the file; others (ns, ova) are not read."""

_ARGUMENTS: Final = struct.Struct("<12id")
_COUNTS: Final = struct.Struct("<iiiqq")
_CENTROIDS: Final = 256
_END: Final = np.uint32(3_617_362_777)
"""Hash of `</s>`, the word that ends every line."""

_PHRASE: Final = np.uint64(116_049_371)

_SLOTS, _ROOM, _WAITING = 1 << 14, 32, 1024
"""So many words are remembered at most, so many rows of each, and so many rows of a text before they are added."""
_LANES: Final = 8
"""Rows have a multiple of so many columns."""
_0, _1, _2, _3, _4, _5, _6, _7, _8 = (np.uint64(n) for n in range(9))
_TINY: Final = 1e-5
"""What the library adds to probabilities before it takes their logarithm."""


class Arrays(NamedTuple):
    """What the compiled loop reads."""

    rows: np.ndarray
    """float32 (words + buckets kept, columns): a column a dimension, or a label where these are fewer; then zeros."""
    output: np.ndarray
    """float32 (outputs, columns): a row a label, or an inner node of the tree of labels."""
    words: np.ndarray
    """int32, open addressing by hash of the word: number of its row, or -1."""
    hashes: np.ndarray
    """uint32, hash of the word in each slot of `words`."""
    starts: np.ndarray
    """int64 (words + 1), where the bytes of each word lie in `spelled`."""
    spelled: np.ndarray
    """uint8."""
    kept: np.ndarray
    """uint64, a bit for each bucket of n-grams that has a row. Most have none, and this fits into a cache."""
    before: np.ndarray
    """int32, row of the first kept bucket of each word of `kept`."""
    bucket: int
    """How many buckets there are."""
    left: np.ndarray
    """int32, of each inner node of the tree; empty with softmax. Below the number of labels: a leaf."""
    right: np.ndarray


@dataclass(frozen=True)
class TextModel:
    """A model in memory.

    Attributes:
        labels: without `__label__`, in the order of the file.
        arrays: for the compiled loop.
        grams: shortest and longest n-gram of characters, in code points.
        word_grams: longest n-gram of words.
    """

    labels: tuple[str, ...]
    arrays: Arrays
    grams: tuple[int, int]
    word_grams: int

    def best(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """Find the likeliest label of each text.

        Args:
            text: string or large_string, n rows; line breaks count as spaces.

        Returns:
            int64 (n,), places in `labels`, -1 where no part of the text is known to the model; and float32 (n,),
            their probabilities.
        """
        if len(self.arrays.left):
            found: tuple[np.ndarray, np.ndarray] = _descents(
                *self._averages(text), self.arrays.output, self.arrays.left, self.arrays.right
            )
            return found
        each = self.probabilities(text)
        best, rows = each.argmax(axis=1), np.arange(len(each))
        return np.where(each[rows, best] > 0, best, -1), each[rows, best]

    def probabilities(self, text: pa.Array) -> np.ndarray:
        """Give the probability of every label, for models whose loss is softmax; arguments as for `best`.

        Returns:
            float32 (n, labels); zeros where no part of the text is known to the model.
        """
        found: np.ndarray = _softmax(*self._averages(text), self.arrays.output)
        return found

    def _averages(self, text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        arrays = self.arrays
        found: tuple[np.ndarray, np.ndarray] = _averages(
            *buffers(text),
            arrays.rows, arrays.words, arrays.hashes, arrays.starts, arrays.spelled, arrays.kept, arrays.before,
            np.uint32(arrays.bucket), *self.grams, self.word_grams,
        )  # fmt: skip
        return found


class _Reader:
    """Reads a model file from front to end."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, path.read_bytes(), 0

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        values = form.unpack_from(self.data, self.at)
        self.at += form.size
        return values

    def array(self, kind: str, count: int) -> np.ndarray:
        values = np.frombuffer(self.data, np.dtype(kind).newbyteorder("<"), count, self.at)
        self.at += values.nbytes
        return values

    def flag(self) -> bool:
        return bool(self.array("u1", 1)[0])

    def entry(self) -> tuple[bytes, int, int]:
        """Read a word or label: its bytes, its count, and 1 for a label."""
        stop = self.data.index(0, self.at)
        word, self.at = self.data[self.at : stop], stop + 1
        count, kind = self.unpack(struct.Struct("<qb"))
        return word, count, kind


def load(path: Path) -> TextModel:
    """Read a model that was trained supervised, quantised or not.

    Raises:
        IntegrityError: it is no such file, it was cut, or it has a loss other than LOSSES.
    """
    reader = _Reader(path)
    try:
        return _parse(reader)
    except (struct.error, ValueError, IndexError) as error:
        raise IntegrityError(
            f"{path.name}: byte {reader.at} of {len(reader.data)}: {error}; expected a supervised fastText model of "
            f"version {VERSION} with a loss of {sorted(LOSSES.values())!r}; train or install it again"
        ) from error


def _parse(reader: _Reader) -> TextModel:
    if reader.unpack(struct.Struct("<ii")) != (MAGIC, VERSION):
        raise ValueError("found another magic number or version")
    dim, _, _, _, _, word_grams, loss, _, bucket, shortest, longest, *_ = reader.unpack(_ARGUMENTS)
    size, n_words, _, _, pruned = reader.unpack(_COUNTS)
    entries = [reader.entry() for _ in range(size)]
    kept = reader.array("i4", 2 * max(0, pruned)).reshape(-1, 2)
    rows = _matrix(reader, dim)
    output = _matrix(reader, dim)
    if pruned < 0:
        grams = np.arange(bucket if longest > 0 or word_grams > 1 else 0)
        places = n_words + grams
    else:
        order = np.argsort(kept[:, 0], kind="stable")
        grams, places = kept[order, 0], n_words + kept[order, 1]
    # Rows of n-grams in the order of their buckets: a row's number is how many kept ones lie before it.
    rows = np.concatenate([rows[:n_words], rows[places]])
    labels = tuple(word.decode().removeprefix("__label__") for word, _, kind in entries if kind)
    if loss not in LOSSES or not labels:
        raise ValueError(f"found loss number {loss!r} and {len(labels)} labels")
    left, right = _tree([count for _, count, kind in entries if kind]) if LOSSES[loss] == "hs" else _no_tree()
    if not len(left) and len(labels) < dim:
        # What follows the average is linear, so that it may as well come first: a row has a number for each label.
        rows, output = rows @ output.T, np.eye(len(labels), dtype=np.float32)
    words = [word for word, _, kind in entries if not kind]
    arrays = Arrays(
        _padded(rows), _padded(output), *_dictionary(words), *_bits(grams, n_words, bucket), max(1, bucket), left, right
    )
    return TextModel(labels, arrays, (shortest, longest), word_grams)


def _padded(matrix: np.ndarray) -> np.ndarray:
    """Add columns of zeros up to a multiple of _LANES."""
    return np.ascontiguousarray(np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % _LANES))))


def _matrix(reader: _Reader, dim: int) -> np.ndarray:
    """Read a matrix, float32 (rows, dim); the flag before it says whether it is quantised."""
    if not reader.flag():
        rows, columns = reader.unpack(struct.Struct("<qq"))
        if columns != dim:
            raise ValueError(f"a matrix has {columns} columns instead of {dim}")
        return np.ascontiguousarray(reader.array("f4", rows * columns).reshape(rows, columns))
    normed = reader.flag()
    rows, columns, codes = reader.unpack(struct.Struct("<qqi"))
    if columns != dim:
        raise ValueError(f"a matrix has {columns} columns instead of {dim}")
    coded = reader.array("u1", codes).reshape(rows, -1)
    decoded = _decoded(reader, coded)
    if normed:
        decoded *= _decoded(reader, reader.array("u1", rows).reshape(rows, 1))
    return decoded


def _decoded(reader: _Reader, codes: np.ndarray) -> np.ndarray:
    """Read the centroids of a product quantiser, and look the codes up."""
    dim, parts, width, last = reader.unpack(struct.Struct("<iiii"))
    centroids = reader.array("f4", dim * _CENTROIDS)
    out = np.empty((len(codes), dim), np.float32)
    for part in range(parts):
        wide = last if part == parts - 1 else width
        table = centroids[part * _CENTROIDS * width :][: _CENTROIDS * wide].reshape(_CENTROIDS, wide)
        out[:, part * width : part * width + wide] = table[codes[:, part]]
    return out


def _dictionary(words: list[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    size = 1 << max(1, 2 * len(words)).bit_length()
    slots, hashes = np.full(size, -1, np.int32), np.zeros(size, np.uint32)
    starts = np.cumsum([0, *map(len, words)])
    spelled = np.frombuffer(b"".join(words), np.uint8)
    _fill(starts, spelled, slots, hashes)
    return slots, hashes, starts, spelled


def _bits(grams: np.ndarray, first: int, bucket: int) -> tuple[np.ndarray, np.ndarray]:
    """Set a bit for each of `grams`, ascending, and count the rows before each word of bits, from `first` on."""
    words = bucket // 64 + 1
    kept = np.zeros(words, np.uint64)
    np.bitwise_or.at(kept, grams // 64, np.uint64(1) << (grams % 64).astype(np.uint64))
    counts = np.bincount(grams // 64, minlength=words)
    return kept, (first + np.cumsum(counts) - counts).astype(np.int32)


def _tree(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Build the tree of labels from how often each was seen, as the library does: counts fall from first to last."""
    n = len(counts)
    weights = [*counts, *([10**15] * (n - 1))]
    left, right = np.empty(n - 1, np.int32), np.empty(n - 1, np.int32)
    leaf, node = n - 1, n
    for inner in range(n, 2 * n - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        weights[inner] = weights[pair[0]] + weights[pair[1]]
        left[inner - n], right[inner - n] = pair
    return left, right


def _no_tree() -> tuple[np.ndarray, np.ndarray]:
    return np.empty(0, np.int32), np.empty(0, np.int32)


@inlined
def _step(hashed, byte):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add a byte to a hash (FNV-1a); the library sign-extends bytes from 128 on."""
    return np.uint32((hashed ^ np.uint32(np.int8(byte))) * np.uint32(16777619))


@kernel
def _fill(starts, spelled, slots, hashes):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    mask = slots.shape[0] - 1
    for word in range(starts.shape[0] - 1):
        hashed = np.uint32(2166136261)
        for at in range(starts[word], starts[word + 1]):
            hashed = _step(hashed, spelled[at])
        slot = hashed & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot], hashes[slot] = word, hashed


@inlined
def _is_space(byte):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return byte <= 32 and (byte == 32 or (9 <= byte <= 13) or byte == 0)


@kernel
def _word(data, start, stop, hashed, words, hashes, starts, spelled):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Find the row of a word; -1 where there is none."""
    mask = words.shape[0] - 1
    slot = hashed & mask
    while words[slot] >= 0:
        word = words[slot]
        if hashes[slot] == hashed and starts[word + 1] - starts[word] == stop - start:
            same = True
            for i in range(stop - start):
                if spelled[starts[word] + i] != data[start + i]:
                    same = False
                    break
            if same:
                return word
        slot = (slot + 1) & mask
    return -1


@inlined
def _row_of(kept, before, gram):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Find the row of a bucket of n-grams, and whether there is one: the other were pruned."""
    bits = kept[gram >> np.uint64(6)]
    place = gram & np.uint64(63)
    # The bits below it, counted side by side.
    x = bits & ((np.uint64(1) << place) - np.uint64(1))
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    row = before[gram >> np.uint64(6)] + np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
    return row, (bits >> place) & np.uint64(1)


@kernel
def _add_all(total, rows, found, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add rows to `total`, one after the other, eight columns at a time: so many sums stay in registers."""
    for column in range(np.uint64(0), np.uint64(rows.shape[1]), np.uint64(_LANES)):
        a, b, c, d = total[column], total[column + _1], total[column + _2], total[column + _3]
        e, f, g, h = total[column + _4], total[column + _5], total[column + _6], total[column + _7]
        for k in range(np.uint64(size)):
            row = np.uint64(found[k])
            a += rows[row, column]
            b += rows[row, column + _1]
            c += rows[row, column + _2]
            d += rows[row, column + _3]
            e += rows[row, column + _4]
            f += rows[row, column + _5]
            g += rows[row, column + _6]
            h += rows[row, column + _7]
        total[column], total[column + _1], total[column + _2], total[column + _3] = a, b, c, d
        total[column + _4], total[column + _5], total[column + _6], total[column + _7] = e, f, g, h


# Arrays one by one, not as a tuple: counting the references of a tuple's members would cost more than the work.
@kernel
def _grams(word, begins, points, kept, before, bucket, rows, shortest, longest, total, found, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put the rows of the n-grams of a word between its marks into `found`, after `size` others.

    Returns how many are there, and how many were added to `total` to make room.
    """
    added = 0
    for first in range(points):
        hashed = np.uint32(2166136261)
        for last in range(first, min(first + longest, points)):
            for at in range(begins[last], begins[last + 1]):
                hashed = _step(hashed, word[at])
            # A mark alone is no n-gram.
            if last - first + 1 >= shortest and (last > first or 0 < first < points - 1):
                row, is_kept = _row_of(kept, before, np.uint64(hashed % bucket))
                if is_kept:
                    if size == found.shape[0]:
                        _add_all(total, rows, found, size)
                        added, size = added + size, 0
                    found[size] = row
                    size += 1
    return size, added


@inlined
def _same(data, one, other, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    same = True
    for i in range(size):
        if data[one + i] != data[other + i]:
            same = False
            break
    return same


@kernel
def _marked(data, start, stop, word, begins):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Copy a word between the marks `<` and `>`, note where its code points begin, and return how many there are."""
    word[0], begins[0] = 60, 0
    points = 1
    for at in range(start, stop):
        word[at - start + 1] = data[at]
        if (data[at] & 0xC0) != 0x80:
            begins[points] = at - start + 1
            points += 1
    size = stop - start + 1
    word[size], begins[points], begins[points + 1] = 62, size, size + 1
    return points + 1


@inlined
def _is_label(data, start, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say whether a word begins with `__label__`, which the library takes for no word."""
    if stop - start < 9:
        return False
    same = True
    for i, byte in enumerate((95, 95, 108, 97, 98, 101, 108, 95, 95)):
        same &= data[start + i] == byte
    return same


@kernel
def _averages(data, offsets, rows, words, hashes, starts, spelled, kept, before, bucket, shortest, longest, word_grams):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Average the rows of all words of each text, of their n-grams and of the end of the line; and count the rows."""
    n = offsets.shape[0] - 1
    totals, counts = np.zeros((n, rows.shape[1]), np.float32), np.zeros(n, np.int64)
    # Hashes of the phrases that end with the last word: of one word, of two …
    phrases = np.zeros(word_grams, np.uint64)
    longest_phrase, buckets = np.uint64(word_grams), np.uint64(bucket)
    most = 0
    for i in range(n):
        most = max(most, offsets[i + 1] - offsets[i])
    marked, begins = np.empty(most + 2, np.uint8), np.empty(most + 4, np.int64)
    # Words that came lately: last bytes, place, length, and how many rows. Texts are made of few words that come again
    # and again: nine of ten need no more than their hash and the rows that were found before.
    slots = 64
    while slots < _SLOTS and slots * 8 < offsets[n] - offsets[0]:
        slots *= 2
    mask, room = np.uint64(slots - 1), np.uint64(_ROOM if longest > 0 else 1)
    known, found = np.zeros((slots, 4), np.uint64), np.empty((slots, np.int64(room)), np.int32)
    # Rows that are still to be added, so that the sums need not wait for what is looked up.
    waiting, full = np.empty(_WAITING, np.int32), np.uint64(_WAITING) - room - longest_phrase - _1
    end_of_line = _word(np.array([60, 47, 115, 62], np.uint8), 0, 4, _END, words, hashes, starts, spelled)
    for i in range(n):
        total = totals[i]
        count, waits, seen, at, stop = np.int64(0), _0, _0, np.uint64(offsets[i]), np.uint64(offsets[i + 1])
        while True:
            while at < stop and _is_space(data[at]):
                at += _1
            first, hashed, packed = at, np.uint32(2166136261), _0
            while at < stop and not _is_space(data[at]):
                hashed = _step(hashed, data[at])
                packed = packed << _8 | np.uint64(data[at])
                at += _1
            size = at - first
            ended = size == _0 or (hashed == _END and size == _4)
            if ended:
                # The end of the line is a word that may have a row of its own, and ends phrases.
                if end_of_line >= 0:
                    waiting[waits] = end_of_line
                    waits += _1
                hashed = _END
            elif data[first] == 95 and _is_label(data, np.int64(first), np.int64(at)):
                continue
            else:
                slot = np.uint64(hashed) & mask
                is_known = known[slot, _0] == packed and known[slot, _2] == size
                if is_known and size > _8:
                    is_known = _same(data, known[slot, _1], first, size)
                if not is_known:
                    of_word, added = 0, 0
                    row = _word(data, np.int64(first), np.int64(at), hashed, words, hashes, starts, spelled)
                    if row >= 0:
                        found[slot, _0], of_word = row, 1
                    if longest > 0:
                        _add_all(total, rows, waiting, waits)
                        count, waits = count + np.int64(waits), _0
                        points = _marked(data, np.int64(first), np.int64(at), marked, begins)
                        of_word, added = _grams(
                            marked, begins, points, kept, before, bucket, rows, shortest, longest, total, found[slot],
                            of_word,
                        )  # fmt: skip
                    known[slot, _0], known[slot, _1], known[slot, _2] = packed, first, _0 if added else size
                    known[slot, _3] = of_word
                    count += added
                for k in range(known[slot, _3]):
                    waiting[waits] = found[slot, k]
                    waits += _1
            # The library keeps hashes as signed 32-bit numbers.
            wide = np.uint64(np.int64(np.int32(hashed)))
            more = min(seen, longest_phrase - _1)
            while more > _0:
                phrases[more] = phrases[more - _1] * _PHRASE + wide
                row, is_kept = _row_of(kept, before, phrases[more] % buckets)
                more -= _1
                waiting[waits] = row
                waits += is_kept
            phrases[_0] = wide
            seen += _1
            if ended:
                break
            if waits > full:
                _add_all(total, rows, waiting, waits)
                count, waits = count + np.int64(waits), _0
        _add_all(total, rows, waiting, waits)
        counts[i] = count = count + np.int64(waits)
        divisor = np.float32(max(count, np.int64(1)))
        for j in range(total.shape[0]):
            total[j] /= divisor
    return totals, counts


@inlined
def _dot(one, other):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    total = np.float32(0)
    for i in range(one.shape[0]):
        total += one[i] * other[i]
    return total


@kernel
def _softmax(totals, counts, output):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((totals.shape[0], output.shape[0]), np.float32)
    for i in range(totals.shape[0]):
        if counts[i]:
            most, total = np.float32(-np.inf), np.float32(0)
            for label in range(output.shape[0]):
                out[i, label] = _dot(output[label], totals[i])
                most = max(most, out[i, label])
            for label in range(output.shape[0]):
                out[i, label] = np.exp(out[i, label] - most)
                total += out[i, label]
            for label in range(output.shape[0]):
                out[i, label] /= total
    return out


@kernel
def _descents(totals, counts, output, left, right):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Walk the tree of labels for each text; returns the likeliest one and its probability."""
    n, labels = totals.shape[0], output.shape[0]
    best, probability = np.full(n, -1, np.int64), np.zeros(n, np.float32)
    stack, scores = np.zeros(2 * labels, np.int64), np.zeros(2 * labels, np.float32)
    for i in range(n):
        if not counts[i]:
            continue
        stack[0], scores[0], depth = 2 * labels - 2, np.float32(0), 1
        most = np.float32(-np.inf)
        while depth:
            depth -= 1
            node, score = stack[depth], scores[depth]
            if score < most:
                continue
            if node < labels:
                if score > most:
                    best[i], most = node, score
                continue
            inner = node - labels
            going_right = np.float32(1 / (1 + np.exp(-_dot(output[inner], totals[i]))))
            # The likelier side is looked at first, so that most of the other is never walked.
            for side in range(2):
                to_right = (side == 1) == (going_right > 0.5)
                share = going_right if to_right else 1 - going_right
                stack[depth] = right[inner] if to_right else left[inner]
                scores[depth] = score + np.float32(np.log(share + _TINY))
                depth += 1
        probability[i] = np.exp(most)
    return best, probability
