"""One pass over the characters of every value: counts by class, words, sentences, phrases, n-grams, entropy.

Each code point of a value is counted in one table; what is asked of characters alone (classes, marks, brackets,
invisible characters) is read off the few hundred that are distinct, at the end. The loop itself only decodes, counts
and hashes words, which is what makes it fast.
"""

# In a compiled function numba infers the types.
# mypy: disable-error-code="assignment"

import math
from functools import cache
from typing import Final

import numpy as np

from corpus_gov.kernels import phrases, repetition, scripts
from corpus_gov.kernels.columns import Bytes, Offsets
from corpus_gov.kernels.compiling import inlined, kernel
from corpus_gov.kernels.compression import SAMPLE_BYTES, TABLE, compressed
from corpus_gov.kernels.phrases import MULTIPLIER
from corpus_gov.kernels.scripts import step, three

SENTENCE_ENDS: Final = "。！？｡﹖﹗‼⁇⁈⁉؟۔।॥։።။។"
"""Ends a sentence wherever it stands; `.`, `!` and `?` do before white space or the end, other symbols between."""

CLAUSE_MARKS: Final = "，。、；：！？,.;:!?"
"""What clauses end with; how evenly a text uses them is one of the counts."""

PAIRS: Final = "()[]{}（）［］｛｝【】〔〕《》〈〉「」『』“”"
"""Opening and closing marks in turn. Not ‘ and ’, since the latter is also an apostrophe."""

ZERO_WIDTH: Final = "\u00ad\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff"
BIDI: Final = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
TAGS: Final = (0xE0000, 0xE007F)
"""Unicode tags: letters that nobody sees, but that a model reads."""

TEMPLATE: Final = ("{{", "{%", "${", "<%", "</", "<!")
"""What opens a placeholder or a tag."""

INSET: Final = "【"
AFTER: Final = "。！？；，、"
"""Where a line goes on with INSET after one of these, something was put in: mostly advertising."""

LONGEST_WORD: Final = 1000
"""C4 drops lines with a longer one."""

COUNTS: Final = (
    "n_runs",  # runs of letters, marks and digits of scripts other than Han: the words that are no Han characters
    "run_chars",  # code points in them
    "letter_runs",  # those with a letter
    "n_urls",  # occurrences of ://
    "url_chars",  # code points of URLs: the run before, and printable ASCII but quotes, brackets and <> after
    "dots",  # occurrences of ... that do not overlap
    "n_sentences",  # SENTENCE_ENDS and the like with a word since the last one
    "stop_words",  # different STOP_WORDS
    "stop_word_runs",  # occurrences of those
    # phrases by kind
    "policy", "javascript", "lorem", "navigation",
    "lost",  # percent signs after a Han character, too
    "insets",  # INSET after AFTER
    "templates",  # places where TEMPLATE stands
    "tags",  # TAGS
    "stop_characters",  # different STOP_CHARACTERS
    "stop_character_chars",  # occurrences of those
    "entropy", "clause_entropy",  # of code points, of CLAUSE_MARKS: thousandths of a bit
    "unmatched", "paired",  # opening less closing marks of PAIRS, without sign; all of them
    "hashes", "ellipses", "curly", "zero_width", "bidi", "private", "capitals", "newlines",
    "compressed", "sampled",  # bytes that kernels.compression writes, and reads
    "n_tokens", "token_chars",  # tokens that n-grams are made of, and their code points
    "distinct_tokens",
    *(f"top_{n}" for n in repetition.TOP),
    *(f"again_{n}" for n in repetition.REPEATED),
)  # fmt: skip

_N_CLASSES, _N_COUNTS = 16, len(COUNTS)
_N_GRAMS: Final = COUNTS.index("distinct_tokens")
_WORD, _HAN, _LETTER, _LAST, _END, _SPACE = 1, 2, 4, 8, 16, 32
_GROUPS: Final = ("hashes", "ellipses", "curly", "zero_width", "bidi", "private", "capitals", "newlines")
_STOP, _CLAUSE = len(_GROUPS) + 1, len(_GROUPS) + 2
_N_MARKS: Final = len(CLAUSE_MARKS)
_N_PAIRS: Final = len(PAIRS) // 2
_FIRST_GROUP: Final = COUNTS.index("hashes")
_ENTROPY: Final = COUNTS.index("entropy")
_PHRASES: Final = COUNTS.index("policy")
_BOTTOM: Final = 0x40000
_AFTER: Final = tuple(ord(each) for each in AFTER)
_LOGS: Final = 4096
_UNIT: Final = float(1 << 20)
_SAMPLE, _SLOTS, _LIMIT = np.uint64(SAMPLE_BYTES), TABLE, repetition.LIMIT
_0, _1, _2, _3, _8, _16, _32 = (np.uint64(n) for n in (0, 1, 2, 3, 8, 16, 32))
_TOP_BIT, _LAST_SLOT = np.uint64(1 << 63), np.uint64(1023)


def measure_characters(data: Bytes, offsets: Offsets) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Count what values are made of.

    Args:
        data: of the column, read-only.
        offsets: n + 1.

    Returns:
        int64 (n, N_CLASSES), code points by class; by the names of COUNTS, int64 (n,); uint32, one a line of any
        value in order, blank ones too: its sentences << 3, 4 for a word or phrase that C4 drops lines for, and how
        many words it has, 3 standing for more.
    """
    tables, lists = (scripts.classes(), *_tables()), (*phrases.words(), *phrases.phrases())
    found, lines = _measure(data, offsets, phrases.SEED, tables, lists)
    return found[:, :_N_CLASSES], dict(zip(COUNTS, found[:, _N_CLASSES:].T, strict=True)), lines


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """By code point: what it is in the loop, its group, the number of its pair (negative: closing); and c·log2 c."""
    classes = scripts.classes()
    kinds, groups, pairs = (np.zeros(len(classes), kind) for kind in (np.uint8, np.uint8, np.int8))
    kinds[(classes >= scripts.DIGIT) & (classes <= scripts.HANGUL)] = _WORD
    kinds[(classes >= scripts.LETTER) & (classes <= scripts.HANGUL)] |= _LETTER
    kinds[classes >= scripts.HAN] = _HAN
    kinds[classes == scripts.SPACE] = _SPACE
    kinds[[ord(each) for each in phrases.last_characters()]] |= _LAST
    kinds[[ord(each) for each in SENTENCE_ENDS]] |= _END
    members = {"hashes": "#＃", "ellipses": "…", "curly": "{", "zero_width": ZERO_WIDTH, "bidi": BIDI, "newlines": "\n"}
    for number, name in enumerate(_GROUPS, 1):
        groups[[ord(each) for each in members.get(name, "")]] = number
    groups[0xE000:0xF900] = _GROUPS.index("private") + 1
    groups[ord("A") : ord("Z") + 1] = _GROUPS.index("capitals") + 1
    groups[[ord(each) for each in phrases.STOP_CHARACTERS]] = _STOP
    groups[[ord(each) for each in CLAUSE_MARKS]] = _CLAUSE + np.arange(_N_MARKS)
    pairs[[ord(each) for each in PAIRS]] = np.repeat(np.arange(1, _N_PAIRS + 1), 2) * np.tile([1, -1], _N_PAIRS)
    logs = np.array([round(_UNIT * count * math.log2(count)) if count else 0 for count in range(_LOGS)], np.float64)
    for table in (kinds, groups, pairs, logs):
        table.flags.writeable = False
    return kinds, groups, pairs, logs


@kernel
def _measure(data, offsets, seed, tables, lists):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows = offsets.shape[0] - 1
    out = np.zeros((rows, _N_CLASSES + _N_COUNTS), np.int64)
    lines = np.empty(_lines(data, offsets), np.uint32)
    most = np.int64(0)
    for row in range(rows):
        most = max(most, offsets[row + 1] - offsets[row])
    # A token and what separates it from the next have two bytes at least. Memory that is not written costs nothing.
    most = min(most // 2 + 2, np.int64(_LIMIT))
    tokens, ends, work = np.empty(most, np.uint64), np.empty(most + 1, np.int32), repetition.room(most)
    seen, distinct = np.zeros(_BOTTOM + 1, np.int32), np.empty(_BOTTOM + 1, np.uint32)
    table = np.empty(_SLOTS, np.uint16)
    line = _0
    for row in range(rows):
        start, stop = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        counts = out[row, _N_CLASSES:]
        line, n_distinct = _characters(
            data, start, stop, seed, tables, lists, (seen, distinct, tokens, ends, lines), line, counts
        )
        _summarise(distinct, n_distinct, seen, tables, out[row, :_N_CLASSES], counts)
        stop = min(stop, start + _SAMPLE)
        counts[_N_GRAMS - 4] = compressed(data, start, stop, table)
        counts[_N_GRAMS - 3] = np.int64(stop - start)
        n_tokens = min(counts[_N_GRAMS - 2], np.int64(_LIMIT))
        counts[_N_GRAMS - 2], counts[_N_GRAMS - 1] = n_tokens, ends[n_tokens]
        repetition.repetition(tokens, ends, n_tokens, seed, work, counts[_N_GRAMS:])
    return out, lines


@kernel
def _lines(data, offsets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count the lines of all values, at most one more each than it has line ends."""
    count = np.int64(offsets.shape[0])
    for at in range(np.uint64(offsets[0]), np.uint64(offsets[-1])):
        count += data[at] == 10
    return count


@inlined
def _find(keys, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the slot of the key, or an empty one."""
    slot = (key * MULTIPLIER) >> np.uint64(54)
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + _1) & _LAST_SLOT
    return slot


@kernel
def _characters(data, start, stop, seed, tables, lists, work, line, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Count what one value is made of; returns the next line and how many code points are distinct."""
    _, kinds, _, _, _ = tables
    word_keys, word_numbers, word_last, keys, values = lists
    seen, distinct, tokens, ends, lines = work
    n_distinct, room = _0, np.uint64(tokens.shape[0])
    count, marked, line_tokens, chars = _0, _0, _0, np.int32(0)
    hashed, in_word, word_begin, letters, n_runs, run_chars, letter_runs = seed, False, np.int32(0), 0, 0, 0, 0
    words = _0
    n_sentences, line_sentences, pending, bad = 0, 0, False, np.uint32(0)
    url_until, dots_until = start, start
    at, last = start, False
    ends[0] = 0
    while True:
        if at < stop:
            point, at = step(data, at, stop)
            times = seen[point]
            seen[point] = times + 1
            if times == 0 and point >= 0x80:
                distinct[n_distinct] = point
                n_distinct += _1
            kind = kinds[point]
        elif last:
            break
        else:
            # The end is white space that is not counted, so that words and sentences end as they do elsewhere.
            point, kind, last = np.uint32(0), np.uint8(32), True
        if kind & 1:
            if not in_word:
                hashed, in_word, pending, letters, word_begin = seed, True, False, 0, chars
            while True:
                if 65 <= point <= 90:
                    point += np.uint32(32)
                hashed = (hashed ^ np.uint64(point)) * MULTIPLIER
                letters |= kind
                chars += np.int32(1)
                # Most words go on with a letter of one byte.
                if at >= stop or data[at] >= 0x80:
                    break
                kind = kinds[data[at]]
                if not kind & 1:
                    break
                point = np.uint32(data[at])
                at += _1
                seen[point] += 1
            continue
        length = np.int32(0)
        if in_word:
            in_word = False
            hashed = (hashed ^ hashed >> _32) * MULTIPLIER
            hashed = (hashed ^ hashed >> _32) | _TOP_BIT
            if count < room:
                tokens[count], ends[count + _1] = hashed, chars
            count += _1
            length = chars - word_begin
            n_runs += 1
            run_chars += length
            letter_runs += letters >> 2 & 1
            if length > LONGEST_WORD:
                bad = np.uint32(4)
            number = np.uint64(word_numbers[_find(word_keys, hashed)])
            words = (words << _8 | number) & np.uint64(0xFFFFFFFF)
            if number != _0:
                if number <= _8:
                    counts[7] |= np.int64(_1 << (number - _1))
                    counts[8] += 1
                if word_last[number]:
                    for k in range(_1, np.uint64(5)):
                        if words >> _8 * (k - _1) & np.uint64(0xFF) == _0:
                            break
                        slot = _find(keys, words & ((_1 << (_8 * k)) - _1) | _TOP_BIT)
                        if keys[slot] != 0:
                            counts[_PHRASES + values[slot]] += 1
                            if values[slot] <= 1:
                                bad = np.uint32(4)
        if kind & 2:
            words, pending, han = _0, False, _0
            while True:
                chars += np.int32(1)
                if count < room:
                    tokens[count], ends[count + _1] = np.uint64(point), chars
                count += _1
                han = han << _16 | np.uint64(point & np.uint32(0xFFFF))
                if kind & 8:
                    for k in range(_2, np.uint64(5)):
                        if han >> _16 * (k - _1) == _0:
                            break
                        slot = _find(keys, han & (~_0 >> (np.uint64(64) - _16 * k)))
                        if keys[slot] != 0:
                            counts[_PHRASES + values[slot]] += 1
                            if values[slot] <= 1:
                                bad = np.uint32(4)
                # Most Chinese characters stand before another one of three bytes.
                if at + _3 > stop or not 0xE4 <= data[at] <= 0xE9:
                    break
                point = three(np.uint32(data[at]), data[at + _1], data[at + _2])
                kind = kinds[point]
                if not kind & 2:
                    break
                at += _3
                times = seen[point]
                seen[point] = times + 1
                if times == 0:
                    distinct[n_distinct] = point
                    n_distinct += _1
            continue
        if kind & 32:
            if pending:
                pending = False
                if count > marked:
                    n_sentences, marked = n_sentences + 1, count
            if point == 10 or (last and stop > start and data[stop - _1] != 10):
                sentences = np.uint32(n_sentences - line_sentences)
                lines[line] = sentences << np.uint32(3) | bad | np.uint32(min(count - line_tokens, _3))
                line += _1
                line_tokens, line_sentences, bad, words = count, n_sentences, np.uint32(0), _0
        elif kind & 16:
            if count > marked:
                n_sentences, marked = n_sentences + 1, count
        elif point == 0x3010:
            if at >= start + np.uint64(6):
                before = three(np.uint32(data[at - np.uint64(6)]), data[at - np.uint64(5)], data[at - np.uint64(4)])
                counts[14] += before in _AFTER
        elif point >= 0x40000:
            real = (np.uint32(data[at - np.uint64(4)]) & 7) << 18 | (np.uint32(data[at - _3]) & 63) << 12
            real |= (np.uint32(data[at - _2]) & 63) << 6 | (np.uint32(data[at - _1]) & 63)
            counts[16] += 0xE0000 <= real <= 0xE007F
        elif point < 128:
            following = data[at] if at < stop else np.uint8(0)
            if point == 46:
                pending = True
                if at > dots_until and at + _1 < stop and following == 46 and data[at + _1] == 46:
                    counts[5] += 1
                    dots_until = at + _2
            elif point == 33 or point == 63:
                pending = True
            elif point == 58:
                if at + _1 < stop and following == 47 and data[at + _1] == 47:
                    counts[3] += 1
                    if at > url_until:
                        end = at + _2
                        while end < stop and _in_url(data[end]):
                            end += _1
                        counts[4] += np.int64(length) + np.int64(end - at) + 1
                        url_until = end
            elif point == 37:
                if at >= start + np.uint64(4) and 0xE2 <= data[at - np.uint64(4)] <= 0xEF:
                    before = three(np.uint32(data[at - np.uint64(4)]), data[at - _3], data[at - _2])
                    counts[13] += kinds[before] >> 1 & 1
            elif point == 123:
                counts[15] += following == 123 or following == 37
            elif point == 36:
                counts[15] += following == 123
            elif point == 60:
                counts[15] += following == 37 or following == 47 or following == 33
    counts[0], counts[1], counts[2], counts[6] = n_runs, run_chars, letter_runs, n_sentences
    flags, counts[7] = counts[7], 0
    while flags != 0:
        counts[7] += 1
        flags &= flags - 1
    counts[_N_GRAMS - 2] = np.int64(count)
    return line, n_distinct


@kernel
def _in_url(byte):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say whether a URL goes on: printable ASCII, but no space, quote, <, > or bracket."""
    return 33 < byte < 127 and not (byte == 34 or byte == 39 or byte == 40 or byte == 41 or byte == 60 or byte == 62)


@kernel
def _summarise(distinct, n_distinct, seen, tables, by_class, counts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Read off the distinct code points what is asked of characters alone, and clear their counts."""
    classes, _, groups, pairs, logs = tables
    total, bits = np.int64(0), 0.0
    mark_total, mark_bits = np.int64(0), 0.0
    balance = np.zeros(_N_PAIRS + 1, np.int64)
    for point in range(np.uint64(0x80)):
        if seen[point] != 0:
            distinct[n_distinct] = point
            n_distinct += _1
    for i in range(n_distinct):
        point = np.uint64(distinct[i])
        times = np.int64(seen[point])
        seen[point] = 0
        by_class[classes[point]] += times
        total += times
        log = _log(logs[times & 4095], times)
        bits += log
        pair = pairs[point]
        if pair != 0:
            balance[abs(pair)] += times if pair > 0 else -times
            counts[_ENTROPY + 3] += times
        group = np.int64(groups[point])
        if group == 0:
            continue
        if group < _STOP:
            counts[_FIRST_GROUP + group - 1] += times
        elif group == _STOP:
            counts[_ENTROPY - 2] += 1
            counts[_ENTROPY - 1] += times
        else:
            mark_total += times
            mark_bits += log
    for pair in range(1, _N_PAIRS + 1):
        counts[_ENTROPY + 2] += abs(balance[pair])
    counts[_ENTROPY] = _entropy(total, bits, logs)
    counts[_ENTROPY + 1] = _entropy(mark_total, mark_bits, logs)


@kernel
def _log(short, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return c * log2 c in whole 2**-20, so that sums do not depend on their order."""
    return short if count < 4096 else np.rint(_UNIT * count * math.log2(count))


@kernel
def _entropy(total, bits, logs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    if total == 0:
        return np.int64(0)
    return np.int64(np.rint(1000.0 * (_log(logs[total & 4095], total) - bits) / (_UNIT * total)))
