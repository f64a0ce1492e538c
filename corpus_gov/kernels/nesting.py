"""How much work an HTML parser would have with a page: one linear scan that follows its tags without a tree.

Parsers and extractors need time that grows with the square of how deep elements lie, how many formatting elements
stand open where a block begins, and how many attributes a tag has. The scan follows the rules of tree construction
as far as they decide what stays open: an end tag that closes nothing changes nothing, and tables, captions and
templates keep end tags inside. Where it simplifies, it takes the deeper reading.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from corpus_gov.kernels.columns import Bytes
from corpus_gov.kernels.compiling import kernel

MAX_OPEN: Final = 2_048
"""Elements open at one place."""

FREE: Final = 128
"""Steps that every tag may take: what a page costs for its length is no excess."""

MAX_EXCESS: Final = 1_000_000
"""Steps beyond FREE for each tag: 1,500 blocks in one another. A step takes the parser and the extraction up to 0.3 µs;
of 2,102 real pages the worst needs 12,000."""

CLONE: Final = 16
"""Steps that stand for the memory of one more element."""

_INLINE, _VOID, _LOOSE, _BLOCK, _WALL, _TABLE, _CELL, _FORMAT, _RAW, _LAST, _FOREIGN, _ROW = range(12)

_CLASSES: Final[Mapping[int, str]] = {
    # They hold nothing.
    _VOID: "area base basefont bgsound br col embed frame hr image img input keygen link meta param source track wbr",
    # The next of their kind, or the end of what holds them, ends them: they do not pile up.
    _LOOSE: "html head body frameset p li dt dd rp rt rb rtc",
    _BLOCK: "address article aside blockquote button center details dialog dir div dl fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup listing main menu nav noscript ol pre search section summary ul",
    # No end tag of something outside reaches through them, nor do formatting elements.
    _WALL: "applet marquee object template select foreignobject desc annotation-xml mi mo mn ms mtext",
    _TABLE: "table",
    _CELL: "td th caption",
    _ROW: "tr tbody thead tfoot colgroup",
    _FORMAT: "a b big code em font i nobr s small strike strong tt u",
    # Their content is text.
    _RAW: "script style textarea title xmp iframe noembed noframes",
    # Everything behind it is text.
    _LAST: "plaintext",
    _FOREIGN: "svg math",
}
"""Elements of the HTML Living Standard, 13.1.2 and 13.2.4.2; all others are inline."""

_SEED, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


def _hash(name: str) -> int:
    value = int(_SEED)
    for byte in name.encode():
        value = ((value ^ byte) * int(_PRIME)) & 0xFFFFFFFFFFFFFFFF
    return value


_BY_HASH: Final = sorted((_hash(name), kind) for kind, names in _CLASSES.items() for name in names.split())
_HASHES: Final = np.array([value for value, _ in _BY_HASH], np.uint64)
_KINDS: Final = np.array([kind for _, kind in _BY_HASH], np.int64)
_SPECIAL: Final = np.array([_hash(name) for name in ("a", "nobr", "select", "option")], np.uint64)


def too_deep(page: Bytes) -> bool:
    """Say whether parsing a page would take more than its length explains.

    Args:
        page: HTML in UTF-8.

    Returns:
        True where more than MAX_OPEN elements stand open at one place, or the page needs over MAX_EXCESS steps more
        than FREE for each tag: one for each element that a tag stands in or passes, for each element around a
        formatting element that is opened again, for each pair of attributes of a tag, and one for four pairs of
        options of a list.

    Source: HTML Living Standard, 13.2.5 (tokens), 13.2.6 (tree construction).
    """
    found: int = _excess(page, _HASHES, _KINDS, _SPECIAL, MAX_EXCESS)
    return found > MAX_EXCESS


@kernel
def _excess(page, hashes, kinds, special, limit):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the steps beyond FREE for each tag; more than `limit` as soon as they are."""
    # One function: its state is a dozen numbers, and numba passes none of them by reference.
    n = page.shape[0]
    names, opened = np.zeros(MAX_OPEN, np.uint64), np.zeros(MAX_OPEN, np.int64)
    depth = 0
    # The list of active formatting elements: name, whole tag; 0 is a marker that a wall or a cell has set.
    active, tags = np.zeros(MAX_OPEN, np.uint64), np.zeros(MAX_OPEN, np.uint64)
    listed = 0
    foreign, options, excess, at = 0, 0, 0, 0
    while at < n - 1:
        if page[at] != 60:  # <
            at += 1
            continue
        at += 1
        closing = page[at] == 47  # /
        first = at + 1 if closing else at
        if first >= n:
            break
        letter = page[first] | 32
        if letter < 97 or letter > 122:
            at = _skip(page, at, n)
            continue
        at, name, tag, attributes = _tag(page, first, n)
        if at < 0:
            break  # a tag without an end is no tag
        kind = _kind(hashes, kinds, name)
        steps = attributes * attributes
        keep, drop = depth, -1  # what this tag leaves open; which formatting element it takes off the list
        push = not closing and kind not in (_VOID, _LOOSE, _ROW, _RAW, _LAST)
        if closing and kind not in (_VOID, _LOOSE):
            if kind == _FORMAT:
                drop = _last(active, listed, name)
            if kind != _FORMAT or drop >= 0:
                keep, passed = _closed(names, opened, depth, name, kind)
                steps += passed
        elif kind in (_CELL, _ROW):
            keep = _table(opened, depth)
            push = push and keep >= 0
            keep = depth if keep < 0 else keep
        elif push and (name == special[0] or name == special[1]):
            # A link in a link ends the outer one.
            drop = _last(active, listed, name)
            if drop >= 0:
                keep, passed = _closed(names, opened, depth, name, kind)
                steps += passed
        elif not closing and kind == _LAST:
            break
        elif not closing and kind == _RAW and foreign == 0:
            at = raw_end(page, at, first, n)
        if not closing and name == special[2]:
            options = 0
        elif not closing and name == special[3]:
            # For each option the parser goes through those before it; four of them in the time of a step.
            options += 1
            steps += options // 4
        if drop >= 0:
            listed = _unlist(active, tags, listed, drop)
        while depth > keep:
            depth -= 1
            if opened[depth] == _WALL or opened[depth] == _CELL:
                while listed > 0:
                    listed -= 1
                    if active[listed] == 0:
                        break
            elif opened[depth] == _FOREIGN:
                foreign -= 1
        if push:
            if max(depth, listed) == MAX_OPEN:
                return limit + 1
            names[depth], opened[depth] = name, kind
            depth += 1
            if kind == _FOREIGN:
                foreign += 1
            elif kind in (_WALL, _CELL):
                active[listed], tags[listed] = 0, 0
                listed += 1
            elif kind == _FORMAT:
                listed = _list(active, tags, listed, name, tag)
        waiting = 0
        while waiting < listed and active[listed - 1 - waiting] != 0:
            waiting += 1
        # Where a block begins or ends, formatting elements that it closed are opened again inside, each that deep
        # and each in memory of its own.
        again = waiting if kind in (_INLINE, _FORMAT, _VOID) else waiting * (depth + waiting + CLONE)
        excess += max(0, steps + depth + again - FREE)
        if excess > limit:
            return excess
    return excess


@kernel
def _kind(hashes, kinds, name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    low, high = 0, hashes.shape[0]
    while low < high:
        middle = (low + high) // 2
        if hashes[middle] < name:
            low = middle + 1
        else:
            high = middle
    return kinds[low] if low < hashes.shape[0] and hashes[low] == name else _INLINE


@kernel
def _skip(page, at, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return where a comment, declaration or lone sign before `at` ends."""
    if page[at] != 47 and page[at] != 33 and page[at] != 63:  # / ! ?
        return at
    if page[at] != 33 or at + 2 >= n or page[at + 1] != 45 or page[at + 2] != 45:
        while at < n and page[at] != 62:
            at += 1
        return at + 1
    # <!--> and <!---> are whole comments, and --!> ends one as --> does.
    start = at + 3
    at = start
    while at < n:
        if page[at] == 62:
            dashes = at - 1
            if page[dashes] == 33 and dashes > start:
                dashes -= 1
            if at == start or (page[dashes] == 45 and page[dashes - 1] == 45):
                return at + 1
        at += 1
    return n


@kernel
def _tag(page, at, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the place behind a tag (-1: it does not end), hashes of its name and of all of it, its attributes."""
    name, tag, attributes = _SEED, _SEED, 0
    while at < n and page[at] > 32 and page[at] != 47 and page[at] != 62:
        byte = page[at]
        if 65 <= byte <= 90:
            byte |= 32
        name = (name ^ np.uint64(byte)) * _PRIME
        at += 1
    inside = False  # an attribute's name or bare value
    while at < n and page[at] != 62:
        byte = page[at]
        tag = (tag ^ np.uint64(byte)) * _PRIME
        at += 1
        if byte <= 32 or byte == 47:
            inside = False
        elif byte == 61 and inside:
            while at < n and page[at] <= 32:
                at += 1
            if at < n and (page[at] == 34 or page[at] == 39):
                quote = page[at]
                at += 1
                while at < n and page[at] != quote:
                    tag = (tag ^ np.uint64(page[at])) * _PRIME
                    at += 1
                at += 1
                inside = False
            else:
                # A bare value ends at a space only: it may hold / and =.
                while at < n and page[at] > 32 and page[at] != 62:
                    tag = (tag ^ np.uint64(page[at])) * _PRIME
                    at += 1
        elif not inside:
            inside = True
            attributes += 1
    return (at + 1 if at < n else -1), name, (tag ^ name) * _PRIME, attributes


@kernel
def raw_end(page, at, name, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the place of the end tag of an element whose content is no markup, or n.

    Args:
        page: uint8.
        at: where its content begins.
        name: where the name of its start tag begins.
        n: end of the page.
    """
    length = 0
    while name + length < n and page[name + length] > 32 and page[name + length] != 47 and page[name + length] != 62:
        length += 1
    while at + length + 2 < n:
        if page[at] == 60 and page[at + 1] == 47:
            same = 0
            while same < length and (page[at + 2 + same] | 32) == (page[name + same] | 32):
                same += 1
            after = page[at + 2 + length]
            if same == length and (after <= 32 or after in (47, 62)):
                return at
        at += 1
    return n


@kernel
def _last(active, listed, name):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the place of the last formatting element of that name since the last marker, or -1."""
    for place in range(listed - 1, -1, -1):
        if active[place] == 0:
            return -1
        if active[place] == name:
            return place
    return -1


@kernel
def _unlist(active, tags, listed, place):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Take a formatting element off the list; returns its length."""
    for i in range(place, listed - 1):
        active[i], tags[i] = active[i + 1], tags[i + 1]
    return listed - 1


@kernel
def _list(active, tags, listed, name, tag):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Put a formatting element on the list; of equal ones only the last three stay on it. Returns its length."""
    equal, earliest = 0, -1
    for place in range(listed - 1, -1, -1):
        if active[place] == 0:
            break
        if tags[place] == tag:
            equal, earliest = equal + 1, place
    if equal >= 3:
        listed = _unlist(active, tags, listed, earliest)
    active[listed], tags[listed] = name, tag
    return listed + 1


@kernel
def _closed(names, opened, depth, name, kind):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return how many elements stay open behind an end tag, and how many it passed."""
    if kind == _ROW:
        table = _table(opened, depth)
        return (depth if table < 0 else table), 1
    for place in range(depth - 1, -1, -1):
        if names[place] == name:
            return place, depth - place
        wall = opened[place] == _WALL or opened[place] == _TABLE or opened[place] == _CELL
        if kind == _TABLE:
            wall = opened[place] == _WALL
        elif kind == _CELL:
            wall = opened[place] == _WALL or opened[place] == _TABLE
        # What is no block ends at the first block around it; formatting elements are taken out from under it.
        if wall or (kind in (_INLINE, _FORMAT) and opened[place] == _BLOCK):
            return depth, depth - place
    return depth, depth


@kernel
def _table(opened, depth):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return how many elements are open up to the innermost table, or -1 outside of one."""
    for place in range(depth - 1, -1, -1):
        if opened[place] == _TABLE:
            return place + 1
        if opened[place] == _WALL:
            return -1
    return -1
