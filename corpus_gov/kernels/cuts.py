"""Chinese lines that are cut in two: where pages of columns were read across, or pieces of two texts stand together.

Lines of a text that mostly end their sentences are looked at with the next line. A line is cut that ends in a word that
nothing ends with, such as a conjunction, or ends openly before a line that begins with a particle, which nothing begins
with. Texts that are set in lines of equal length are left alone: most of their lines are open. Only the ends of lines
are looked at, so that this costs as much as finding them.
"""

from typing import Final

import numpy as np

from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.scripts import four, three, two

LEAST_BYTES: Final = 60
"""Twenty Han characters: what is shorter may be a heading."""

LONG_BYTES: Final = 90
LEAST_LONG: Final = 4
"""Lines that must be long, and of which three in four end what they say."""

_CLOSING: Final = "。！？…；：.!?;:”』」）》】\"')>"

# Written from grammar. Before each word that nothing ends with: the characters that make it the end of another word.
_ENDING: Final = {
    "将": "大上中少名虎麻干健老女猛", "將": "大上中少名虎麻幹健老女猛", "把": "一拖火扫掃车車", "被": "棉毛絮",
    "或": "抑", "但": "不非岂豈", "而": "反然从從进進因", "从": "服听跟自随盲顺遵", "從": "服聽跟自隨盲順遵",
    "让": "转出退谦礼忍辞推", "讓": "轉出退謙禮忍辭推", "且": "尚苟姑暂暫而况況", "跟": "脚腳高", "若": "倘假自",
}  # fmt: skip
_ENDING_PAIRS: Final = (
    "以及", "并且", "按照", "根据", "关于", "对于", "由于", "因为", "为了", "如果", "但是", "而且", "或者", "并将",
    "虽然", "即使", "不仅", "不但", "尽管", "除了", "並且", "根據", "關於", "對於", "由於", "因為", "為了", "並將",
    "雖然", "不僅", "儘管",
)  # fmt: skip
_PARTICLES: Final = {
    "的": "确確士", "了": "解不如却卻然结結", "着": "力眼手重想实火陆装色", "们": "", "們": "", "吗": "啡", "嗎": "啡",
    "呢": "喃子绒絨", "吧": "台檯",
}  # fmt: skip
"""Particles, and the characters with which they begin a word."""


def cut_lines(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Count the lines that are cut in two.

    Args:
        data: UTF-8, uint8, read-only.
        offsets: int64 (n + 1,) into `data`.

    Returns:
        int64 (n,): 0 where fewer than LEAST_LONG lines are long, or more than a quarter of them are open.
    """
    return _cut_lines(data, offsets, *_TABLES)  # type: ignore[no-any-return]


def _sorted(points: list[int]) -> np.ndarray:
    table = np.array(sorted(points), np.int64)
    table.flags.writeable = False
    return table


def _pairs(words: dict[str, str], *, before: bool) -> np.ndarray:
    made = [(other, word) if before else (word, other) for word, others in words.items() for other in others]
    return _sorted([ord(first) << 32 | ord(second) for first, second in made])


_TABLES: Final = (
    _sorted([ord(sign) for sign in _CLOSING]),
    _sorted([ord(word) for word in _ENDING]),
    _pairs(_ENDING, before=True),
    _sorted([ord(pair[0]) << 32 | ord(pair[1]) for pair in _ENDING_PAIRS]),
    _sorted([ord(word) for word in _PARTICLES]),
    _pairs(_PARTICLES, before=False),
)


@kernel
def _decoded(data, at, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the code point at a place, and where the next one stands; 0 at the end."""
    if at >= stop:
        return np.int64(0), at
    lead = np.uint32(data[at])
    if lead < 0x80:
        return np.int64(lead), at + 1
    if lead < 0xE0 and at + 2 <= stop:
        return np.int64(two(lead, data[at + 1])), at + 2
    if lead < 0xF0 and at + 3 <= stop:
        return np.int64(three(lead, data[at + 1], data[at + 2])), at + 3
    if at + 4 <= stop:
        return np.int64(four(lead, data[at + 1], data[at + 2], data[at + 3])), at + 4
    return np.int64(0), at + 1


@kernel
def _before(data, start, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return where the code point before a place begins."""
    at -= 1
    while at > start and data[at] & 0xC0 == 0x80:
        at -= 1
    return at


@kernel
def _has(table, value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    place = np.searchsorted(table, value)
    return place < table.shape[0] and table[place] == value


@kernel
def _is_blank(point):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return point == 0x20 or 0x09 <= point <= 0x0D or point == 0x3000 or point == 0xA0


@kernel
def _trimmed(data, start, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    while start < stop:
        point, following = _decoded(data, start, stop)
        if not _is_blank(point):
            break
        start = following
    while stop > start:
        at = _before(data, start, stop)
        if not _is_blank(_decoded(data, at, stop)[0]):
            break
        stop = at
    return start, stop


@kernel
def _cut_lines(data, offsets, closing, ending, not_ending, ending_pairs, particles, not_particles):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rows = offsets.shape[0] - 1
    found = np.zeros(rows, np.int64)
    for row in range(rows):
        at, end = offsets[row], offsets[row + 1]
        cuts, n_long, n_closed = 0, 0, 0
        # Of the line before: whether it is long enough to be cut, ends openly, or in a word that nothing ends with.
        counts, is_open, dangles = False, False, False
        while at < end:
            stop = at
            while stop < end and data[stop] != 0x0A:
                stop += 1
            first, last = _trimmed(data, at, stop)
            at = stop + 1
            if first == last:
                continue
            head, following = _decoded(data, first, last)
            if counts:
                second = _decoded(data, following, last)[0]
                starts = _has(particles, head) and not _has(not_particles, head << 32 | second)
                cuts += dangles or (is_open and starts)
            place = _before(data, first, last)
            tail = _decoded(data, place, last)[0]
            is_open = not _has(closing, tail)
            if last - first >= LONG_BYTES:
                n_long += 1
                n_closed += not is_open
            counts = last - first >= LEAST_BYTES and head != 0x23
            dangles = False
            if counts and is_open:
                pair = _decoded(data, _before(data, first, place), last)[0] << 32 | tail
                dangles = (_has(ending, tail) and not _has(not_ending, pair)) or _has(ending_pairs, pair)
        if n_long >= LEAST_LONG and 4 * n_closed >= 3 * n_long:
            found[row] = cuts
    return found
