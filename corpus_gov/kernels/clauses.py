"""Clauses of every value and what stands at their boundaries: features of a model of continuity.

A clause is what lies between two marks or line ends. At each boundary there is something to see of whether the second
clause was written to follow the first: what the first ends with, what the second begins with, the mark between them,
what they share. Shuffled text has the same clauses, but not the same boundaries.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

from functools import cache
from typing import Final

import numpy as np

from corpus_gov.kernels import scripts
from corpus_gov.kernels.columns import Bytes, Offsets
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.scripts import step

MARKS: Final = {"，,": 1, "；;": 2, "。！？!?．｡": 3, "：:": 4, "、": 5}
"""Marks by kind; `.`, `,`, `:` and the like of ASCII only before white space, a Han character or the end."""

FUNCTION_CHARACTERS: Final = (
    "的地得了着过吗呢吧啊么之者所以而且并但却则即便就才又再还也都只仅已曾正将要会能可"
    "应当须必需该愿敢肯使令让叫给把被由从自向往朝到至于在对为因如若虽既除非无不没未别"
    "勿莫和与跟同及或比按照据通经过为了关于其此这那哪某每各另他她它们我你您咱自己本是"
    "有等上中下前后内外里间时候日年月今近目随当初先然后接着最终首其次再次一二三四五六"
    "七八九十两几多少很更最太极较非常特尤约达共总即将曾经仍依旧已经刚马什怎谁何第条款"
    "项例说称表示指出认强调介绍告诉问道据悉了解作從對為們來這個與還並將讓則於過後時會"
    "應當須雖既從無沒別據關說稱間裡內點種樣"
)
"""Characters of words that join, refer and introduce. All others are one to the model, so that it learns how clauses
are joined and not what the texts are about that it was trained on."""

FUNCTION_WORDS: Final = (
    "a an the this that these those it its he she they we you "
    "i his her their our your my him them us me who whom whose "
    "which what where when while why how there here is are was were be "
    "been being am has have had do does did will would can could may "
    "might must shall should of in on at to from by with without for "
    "about into onto over under between among through during before after since until against "
    "as than like and or but nor so yet if unless because although though "
    "whereas whether however therefore thus hence moreover furthermore then also too only just even "
    "still already again once not no never all any some each every both either "
    "neither such other another same more most less many few much one two first "
    "second next last finally instead rather indeed otherwise meanwhile said says according "
)

FEATURES: Final = 12
"""How many features a boundary has."""

BITS: Final = 16
"""Features are places in a table of 2**BITS weights."""

LIMIT: Final = 512
"""So many clauses of a text are looked at."""

LEAST: Final = 8
"""A text of fewer boundaries says nothing."""

_STRIDE, _MARK_STRIDE = np.uint64(6), np.uint64(4)
ROUNDS, EVENLY = 4, 400
"""Each boundary is held against one with a clause, and one with a mark, from some boundaries on; ROUNDS times in short
texts, but not more than about EVENLY times in all."""

_SEED: Final = np.uint64(0xA0761D6478BD642F)
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_0, _1, _2, _3, _4, _5, _6, _7, _8 = (np.uint64(n) for n in range(9))
_NO_MARK, _WIDE, _LIMIT = np.uint64(15), np.uint64(42), np.uint64(LIMIT)
_OTHER: Final = np.uint64(0xE7037ED1A0B428DB)
_ONE_DIGIT: Final = np.uint64(((int(_SEED) ^ 48) * int(_MULTIPLIER)) & ((1 << 64) - 1))
_DIGIT: Final = _ONE_DIGIT ^ _ONE_DIGIT >> np.uint64(32)
"""Hash of a number."""
_SHIFT: Final = np.uint64(64 - BITS)
_HAN, _WORD, _SPACE = 1, 2, 4
_MARK: Final = 3  # shift of the kind of mark
_FUNCTION: Final = 64
_OTHER_HAN, _OTHER_WORD, _CAPITAL, _NUMBER = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(7)


@cache
def _kinds() -> np.ndarray:
    """By code point: Han, part of a word, white space, and from bit 3 on the kind of mark."""
    classes = scripts.classes()
    kinds = np.zeros(len(classes), np.uint8)
    kinds[(classes >= scripts.DIGIT) & (classes <= scripts.HANGUL)] = _WORD
    kinds[classes >= scripts.HAN] = _HAN
    kinds[classes == scripts.SPACE] = _SPACE
    for marks, number in MARKS.items():
        kinds[[ord(each) for each in marks]] = number << _MARK
    kinds[ord(".")] = 3 << _MARK
    kinds[[ord(each) for each in FUNCTION_CHARACTERS]] |= _FUNCTION
    kinds.flags.writeable = False
    return kinds


@cache
def _words() -> np.ndarray:
    """Say of each hash of 16 bits whether a word of FUNCTION_WORDS has it."""
    known = np.zeros(1 << 16, np.bool_)
    mask = (1 << 64) - 1
    for word in FUNCTION_WORDS.split():
        hashed = int(_SEED)
        for letter in word:
            hashed = ((hashed ^ ord(letter)) * int(_MULTIPLIER)) & mask
        known[(hashed ^ hashed >> 32) & 0xFFFF] = True
    known.flags.writeable = False
    return known


def boundaries(data: Bytes, offsets: Offsets) -> tuple[np.ndarray, np.ndarray]:
    """Compute the features of all boundaries, to train a model.

    Returns:
        int64 (m,), the row of each boundary; uint16 (m, 3, FEATURES), places in the table of weights: as it is, with
        another clause after it, with another mark between.
    """
    weights = np.zeros(1 << BITS, np.int8)
    sizes = _measure(data, offsets, _kinds(), _words(), weights, np.empty((0, 3, FEATURES), np.uint16))[:, 0]
    found = np.empty((int(sizes.sum()), 3, FEATURES), np.uint16)
    _measure(data, offsets, _kinds(), _words(), weights, found)
    return np.repeat(np.arange(len(sizes)), sizes), found


def continuity(data: Bytes, offsets: Offsets, weights: np.ndarray) -> np.ndarray:
    """Hold the boundaries of each value against others made of the same clauses and marks.

    Args:
        data: of the column, read-only.
        offsets: n + 1.
        weights: int8 (2**BITS,).

    Returns:
        int64 (n, 2): boundaries looked at; the sum over them of twice the weight of a boundary, less those of the two
        others that it is held against.
    """
    found: np.ndarray = _measure(data, offsets, _kinds(), _words(), weights, np.empty((0, 3, FEATURES), np.uint16))
    return found


@inlined
def _place(kind, one, other):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the place of a feature of this kind and two values."""
    hashed = (one ^ np.uint64(kind) * _SEED) * _MULTIPLIER + other * _OTHER
    return (hashed ^ hashed >> np.uint64(32)) * _MULTIPLIER >> _SHIFT


@inlined
def _bits(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the bits that are set."""
    x -= (x >> np.uint64(1)) & np.uint64(0x5555555555555555)
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@inlined
def _shared(signs, bits, i, j):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say how much two clauses share beyond chance, 0 to 7, from their signatures of 256 bits."""
    both = _bits(signs[i, _0] & signs[j, _0]) + _bits(signs[i, _1] & signs[j, _1])
    both += _bits(signs[i, _2] & signs[j, _2]) + _bits(signs[i, _3] & signs[j, _3])
    return np.uint64(min(max(np.int64(both) * 2 - (bits[i] * bits[j] >> 7), 0), 7))


@kernel
def _size(chars):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sort a length into one of eight."""
    size = _0
    while chars > 2 and size < np.uint64(7):
        chars, size = chars * 2 // 3, size + _1
    return size


@kernel
def _note(i, j, between, before, near, far, parts, sizes, marks, places):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write down the features of clause i, a mark, and clause j, whose weights `_measure` adds up."""
    size = sizes[j] << _3 | sizes[i]
    places[0] = _place(1, between, parts[i, _3])
    places[1] = _place(2, between, parts[i, _2])
    places[2] = _place(3, between, parts[j, _1])
    places[3] = _place(4, between, parts[j, _0])
    places[4] = _place(5, parts[i, _2], parts[j, _0])
    places[5] = _place(6, parts[i, _3], between << _WIDE ^ parts[j, _0])
    places[6] = _place(7, between, size)
    places[7] = _place(8, near, size)
    places[8] = _place(9, far << _3 | near, between)
    places[9] = _place(10, parts[i, _0], parts[j, _0])
    places[10] = _place(11, between, marks[j])
    places[11] = _place(12, before << _8 | between, marks[j])


@kernel
def _tables(weights):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add up the weights of features of few values, once for all boundaries.

    Returns:
        int16: features 6 and 7 at mark << 9 | near << 6 | sizes, 8 at far << 7 | near << 4 | mark, 10 and 11 at
        mark before << 8 | mark << 4 | mark after.
    """
    shapes, shares, around = np.zeros(1 << 13, np.int16), np.zeros(1 << 10, np.int16), np.zeros(1 << 12, np.int16)
    for at in range(np.uint64(1 << 13)):
        mark, near, size = at >> np.uint64(9), at >> np.uint64(6) & np.uint64(7), at & np.uint64(63)
        shapes[at] = weights[_place(7, mark, size)] + weights[_place(8, near, size)]
    for at in range(np.uint64(1 << 10)):
        shares[at] = weights[_place(9, at >> np.uint64(4), at & _NO_MARK)]
    for at in range(np.uint64(1 << 12)):
        mark, after = at >> np.uint64(4) & _NO_MARK, at & _NO_MARK
        around[at] = weights[_place(11, mark, after)]
        around[at] += weights[_place(12, at >> np.uint64(8) << np.uint64(8) | mark, after)]
    return shapes, shares, around


# The weight of a boundary is taken apart into what depends on the first clause and the mark, on both clauses, and on
# all three: most of it is the same when another clause or another mark is tried.


@inlined
def _first(weights, parts, i, mark):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add up features 0 and 1."""
    return np.int64(weights[_place(1, mark, parts[i, _3])]) + weights[_place(2, mark, parts[i, _2])]


@inlined
def _both(weights, parts, i, j):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add up features 4 and 9."""
    one = weights[_place(5, parts[i, _2], parts[j, _0])]
    return np.int64(one) + weights[_place(10, parts[i, _0], parts[j, _0])]


@inlined
def _rest(weights, parts, sizes, marks, tables, i, j, mark, before, near, far):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add up all others."""
    shapes, shares, around = tables
    total = np.int64(weights[_place(3, mark, parts[j, _1])]) + weights[_place(4, mark, parts[j, _0])]
    total += weights[_place(6, parts[i, _3], mark << _WIDE ^ parts[j, _0])]
    total += shapes[mark << np.uint64(9) | near << np.uint64(6) | sizes[j] << _3 | sizes[i]]
    return total + shares[far << np.uint64(7) | near << _4 | mark] + around[before << _8 | mark << _4 | marks[j]]


@inlined
def _far(signs, bits, i, j):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say how much the clause before the first one shares with the second."""
    return _shared(signs, bits, i - _1, j) if i > _0 and i - _1 != j else _0


@kernel
def _measure(data, offsets, kinds, known, weights, found):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.zeros((offsets.shape[0] - 1, 2), np.int64)
    signs, parts = np.zeros((LIMIT, 4), np.uint64), np.zeros((LIMIT, 4), np.uint64)
    sizes, marks = np.zeros(LIMIT, np.uint64), np.zeros(LIMIT, np.uint64)
    bits, real = np.zeros(LIMIT, np.int64), np.zeros(LIMIT, np.uint64)
    tables = _tables(weights)
    dumped = 0
    for row in range(out.shape[0]):
        n = _clauses(
            data, np.uint64(offsets[row]), np.uint64(offsets[row + 1]), kinds, known, parts, sizes, marks, signs
        )
        m = _real(n, marks, real)
        if m < LEAST:
            continue
        for i in range(n):
            bits[i] = _bits(signs[i, _0]) + _bits(signs[i, _1]) + _bits(signs[i, _2]) + _bits(signs[i, _3])
        # Short texts are looked at more often: what a boundary is held against is left to chance.
        rounds = max(_1, min(np.uint64(ROUNDS), np.uint64(EVENLY) // m))
        total = np.int64(0)
        for k in range(m):
            i = real[k]
            j, mark, before = i + _1, marks[i], marks[i - _1] if i > _0 else _NO_MARK
            near, far = _shared(signs, bits, i, j), _far(signs, bits, i, j)
            first, both = _first(weights, parts, i, mark), _both(weights, parts, i, j)
            weight = first + both + _rest(weights, parts, sizes, marks, tables, i, j, mark, before, near, far)
            others = np.int64(0)
            for turn in range(rounds):
                other = real[(k + _STRIDE + (k & _3) + _7 * turn) % m] + _1
                if other in (i, j):
                    other = real[(k + _3) % m] + _1
                near_other, far_other = _shared(signs, bits, i, other), _far(signs, bits, i, other)
                others += first + _both(weights, parts, i, other)
                others += _rest(weights, parts, sizes, marks, tables, i, other, mark, before, near_other, far_other)
                other_mark = marks[real[(k + _MARK_STRIDE + k % _3 + _5 * (turn + _1)) % m]]
                others += _first(weights, parts, i, other_mark) + both
                others += _rest(weights, parts, sizes, marks, tables, i, j, other_mark, before, near, far)
                if found.shape[0] != 0 and turn == _0:
                    _note(i, j, mark, before, near, far, parts, sizes, marks, found[dumped, 0])
                    _note(i, other, mark, before, near_other, far_other, parts, sizes, marks, found[dumped, 1])
                    _note(i, j, other_mark, before, near, far, parts, sizes, marks, found[dumped, 2])
            total += np.int64(_2 * rounds) * weight - others
            dumped += 1
        twice = np.int64(_2 * rounds)
        out[row, 0], out[row, 1] = m, (2 * total + twice // 2) // twice
    return out


@kernel
def _real(n, marks, real):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Note the boundaries that are looked at; returns their number."""
    m = _0
    for i in range(n - _1 if n > _0 else n):
        # A line end alone separates headings, items and cells, of which any order may be as good.
        if marks[i] & _7 != _0:
            real[m] = i
            m += _1
    return m


@kernel
def _clauses(data, at, stop, kinds, known, parts, sizes, marks, signs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Cut one value into clauses, LIMIT at most, and note how each begins and ends; returns their number."""
    n, size = _0, np.int64(0)
    first, first2, last, last2, mark, line = _0, _0, _0, _0, _0, _0
    word, in_word, word_chars, tokens, run_han, capital, previous = _0, False, 0, 0, False, False, _0
    signs[0] = _0
    while n < _LIMIT:
        ended = at >= stop
        if ended:
            point, kind = np.uint32(10), np.int64(4)
        else:
            point, at = step(data, at, stop)
            kind = np.int64(kinds[point])
        function = kind & _FUNCTION != 0
        kind &= 63
        if kind == _WORD:
            if not in_word:
                word, in_word, word_chars = _SEED, True, 0
                capital = capital or 65 <= point <= 90
            while True:
                if 65 <= point <= 90:
                    point += np.uint32(32)
                elif 48 <= point <= 57:
                    point = np.uint32(48)
                # Of digits in a row the first one counts.
                if point != 48 or word_chars != 1 or word != _ONE_DIGIT:
                    word = (word ^ np.uint64(point)) * _MULTIPLIER
                    word_chars += 1
                size += 1
                # Most words go on with a letter of one byte.
                if at >= stop or data[at] >= 0x80 or kinds[data[at]] & 63 != _WORD:
                    break
                point = np.uint32(data[at])
                at += _1
            continue
        if in_word:
            in_word, run_han = False, False
            word ^= word >> np.uint64(32)
            if word_chars > 3:
                place = word * _MULTIPLIER >> np.uint64(56)
                signs[n, place >> np.uint64(6)] |= _1 << (place & np.uint64(63))
            if word == _DIGIT:
                word = _NUMBER
            elif not known[word & np.uint64(0xFFFF)]:
                word = _OTHER_WORD
            if tokens == 0:
                first = first2 = word | _CAPITAL if capital and word == _OTHER_WORD else word + np.uint64(capital)
            elif tokens == 1:
                first2 = first * _3 ^ word
            capital = False
            last2, last = last * _3 ^ word, word
            tokens += 1
        if kind == _HAN:
            wide = np.uint64(point)
            if run_han:
                place = (previous << np.uint64(20) ^ wide) * _MULTIPLIER >> np.uint64(56)
                signs[n, place >> np.uint64(6)] |= _1 << (place & np.uint64(63))
            previous = wide
            if not function:
                wide = _OTHER_HAN
            if tokens == 0:
                first = first2 = wide
            elif tokens == 1:
                first2 = first << np.uint64(20) ^ wide
            last2, last = last << np.uint64(20) ^ wide, wide
            run_han = True
            tokens += 1
            size += 1
            continue
        number = np.uint64(kind >> _MARK)
        # 1.5, 10:30, file.txt
        if point < 128 and point != 33 and point != 63 and at < stop and 32 < data[at] < 0xE3:
            number = _0
        if (
            kind == _SPACE
            and not ended
            and (point != 10 or (tokens != 0 and 97 <= data[at if at < stop else at - _1] <= 122))
        ):
            continue  # a line that is only wrapped
        if point != 10 and number == _0:
            run_han = False
            continue
        if tokens == 1 and last == _NUMBER:
            # `1.` before an item belongs to it.
            tokens, run_han = 0, False
            if number != _0 and point != 10:
                continue
        if tokens != 0:
            if n > _0 and marks[n - _1] & _7 == _0 and (n == _1 or marks[n - _2] & _7 == _0):
                # The clause before stands alone on its line.
                n -= _1
                for k in range(_4):
                    signs[n, k], signs[n + _1, k] = signs[n + _1, k], _0
            parts[n, _0], parts[n, _1], parts[n, _2], parts[n, _3] = first, first2, last, last2
            sizes[n], mark, line = _size(size), number, np.uint64(point == 10)
            marks[n] = mark | line << _3
            n += _1
            if n < _LIMIT:
                for k in range(_4):
                    signs[n, k] = _0
            size, tokens, first, first2, last, last2, run_han = np.int64(0), 0, _0, _0, _0, _0, False
        elif n > _0:
            if mark == _0:
                mark = number
            line |= np.uint64(point == 10)
            marks[n - _1] = mark | line << _3
        if ended:
            break
    return n
