"""One linear pass over a serialised page: its elements, and its text in blocks.

The page comes from the serialiser of a parser, not from the web: every element that is not void has its end tag, in
order; attribute values stand in double quotes; text has no other character references than &amp; &lt; &gt; &nbsp;.
A block is text that no element of block level and no line break divides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from corpus_gov.kernels.columns import Bytes
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.nesting import raw_end

KINDS: Final = (
    "other", "void", "br", "hr", "skip", "raw", "a", "inline", "block", "p", "heading", "li", "list", "table", "row",
    "cell", "pre", "quote", "article", "main", "section", "header", "footer", "nav", "aside", "form", "figure",
    "caption", "body", "control", "img", "code", "term", "label", "noscript",
)  # fmt: skip
"""What an element is to extraction; `Elements.kind` holds places in this tuple."""
_KIND: Final = {name: place for place, name in enumerate(KINDS)}

TAGS: Final[Mapping[str, str]] = {
    "void": "area base basefont bgsound col embed frame input keygen link meta param source track wbr",
    "img": "img",
    "br": "br",
    "hr": "hr",
    "noscript": "noscript",
    # Nothing inside is text that a reader sees.
    "skip": "head template svg math select datalist object audio video canvas map applet rt rp textarea",
    "control": "button",
    "raw": "script style iframe noembed noframes xmp plaintext",
    "a": "a",
    "inline": "abbr acronym b bdi bdo big cite data del dfn em font i ins kbd mark nobr q ruby s samp small span strike"
    " strong sub sup time tt u var",
    "code": "code",
    "label": "label legend",
    "block": "address center details dialog dir div fieldset frameset hgroup html listing search summary marquee",
    "p": "p",
    "heading": "h1 h2 h3 h4 h5 h6",
    "li": "li",
    "term": "dt dd",
    "list": "ul ol dl menu",
    "table": "table tbody thead tfoot colgroup",
    "row": "tr",
    "cell": "td th",
    "pre": "pre",
    "quote": "blockquote",
    "article": "article",
    "main": "main",
    "section": "section",
    "header": "header",
    "footer": "footer",
    "nav": "nav",
    "aside": "aside",
    "form": "form",
    "figure": "figure",
    "caption": "caption figcaption",
    "body": "body",
}
"""Elements of the HTML Living Standard and older ones by kind; all others divide no text."""

_SEED, _PRIME = 0xCBF29CE484222325, 0x100000001B3
_SLOTS: Final = 1_024
_INLINE_KINDS: Final = frozenset({"other", "void", "img", "skip", "raw", "a", "inline", "code", "label", "control"})
_DIVIDES: Final = np.array([name not in _INLINE_KINDS for name in KINDS])
_RAW_TEXT: Final = frozenset({"script", "style", "iframe", "noembed", "noframes", "xmp", "plaintext"})

(_OTHER, _VOID, _BR, _HR, _SKIP, _RAW, _A, _LI, _ROW, _CELL, _PRE, _IMG, _CONTROL) = (
    _KIND[name]
    for name in ("other", "void", "br", "hr", "skip", "raw", "a", "li", "row", "cell", "pre", "img", "control")
)

_COMMA, _STOP, _END, _CLOSE = 1, 2, 4, 8
"""Bits of a sign: it ends a part of a sentence, does so before a space, ends a block, closes what did."""

ATTRIBUTES: Final = ("class", "id", "role", "itemprop", "style", "hidden", "href", "aria-hidden", "property")
"""Attributes that are looked at; the words of the first four and the last are matched against hints."""


@dataclass(frozen=True, slots=True)
class Hints:
    """Words to find in names of classes, compiled: see `compiled`."""

    steps: np.ndarray
    """int16, states by 28 signs: the next state."""
    masks: np.ndarray
    """uint32, states: bits of the words that end here."""


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a page in page order, n rows."""

    kind: np.ndarray
    """uint8, place in KINDS."""
    parent: np.ndarray
    """int32, row of the parent; -1 for the first."""
    hints: np.ndarray
    """uint32, bits of the hints that its attributes hold."""
    first: np.ndarray
    """int32, the first block that lies in it."""
    last: np.ndarray
    """int32, one past the last block that lies in it."""
    end: np.ndarray
    """int32, one past the row of its last descendant."""
    size: np.ndarray
    """int32, `Blocks.size` of the text that lies in it, also of a part of a block."""
    depth: int
    """How many lie in one another at most."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of a page in page order, m rows, and their text."""

    text: Bytes
    """UTF-8 of all blocks, each with a line feed behind it; white space is collapsed but in `pre`."""
    starts: np.ndarray
    """int32, m: first byte in `text`."""
    ends: np.ndarray
    """int32, m: one past the last byte, the line feed not counted."""
    element: np.ndarray
    """int32, m: the innermost element around its first sign."""
    item: np.ndarray
    """int32, m: the list item around it, or -1."""
    row: np.ndarray
    """int32, m: the table row around it, or -1."""
    cell: np.ndarray
    """int32, m: the table cell around it, or -1."""
    size: np.ndarray
    """int32, m: signs that are no space, CJK ones counting twice: they say as much as two letters."""
    linked: np.ndarray
    """int32, m: the part of `size` inside links."""
    links: np.ndarray
    """int32, m: links that begin in it."""
    stops: np.ndarray
    """int32, m: commas and full stops of any script, where they end a part of a sentence."""
    digits: np.ndarray
    """int32, m: decimal digits."""
    wide: np.ndarray
    """int32, m: CJK signs."""
    tail: np.ndarray
    """bool, m: it ends as a sentence does."""
    pre: np.ndarray
    """bool, m: white space is as in the source."""


def compiled(words: Mapping[int, str]) -> Hints:
    """Compile hints: bit number to words, which are found anywhere in a name; a space stands for its ends.

    Source: Aho and Corasick, Efficient string matching, 1975.
    """
    steps, masks = [[0] * 28], [0]
    for bit, listed in words.items():
        for word in listed.split(","):
            state = 0
            for sign in word:
                symbol = _symbol(sign)
                if not steps[state][symbol]:
                    steps.append([0] * 28)
                    masks.append(0)
                    steps[state][symbol] = len(steps) - 1
                state = steps[state][symbol]
            masks[state] |= 1 << bit
    fail, waiting = [0] * len(steps), [state for state in steps[0] if state]
    for state in waiting:
        for symbol, after in enumerate(steps[state]):
            back = steps[fail[state]][symbol]
            if after:
                fail[after] = back
                masks[after] |= masks[back]
                waiting.append(after)
            else:
                steps[state][symbol] = back
    return Hints(np.array(steps, np.int16), np.array(masks, np.uint32))


def _symbol(sign: str) -> int:
    return ord(sign) - 96 if "a" <= sign <= "z" else 0 if sign == " " else 27


def scan(page: Bytes, hints: Hints, hidden: int) -> tuple[Elements, Blocks]:
    """Take a page apart.

    Args:
        page: HTML as a parser serialises it, UTF-8.
        hints: what to find in class, id, role, itemprop and property.
        hidden: bit to set where an attribute hides the element.
    """
    opening = int(np.count_nonzero(page == 60)) + 2
    elements, blocks, text, n, m, size, depth = _scan(
        page,
        _NAMES,
        _NAME_KINDS,
        _NAME_RAW,
        _ATTRIBUTE_HASHES,
        _DIVIDES,
        _SIGNS,
        hints.steps,
        hints.masks,
        hidden,
        opening,
    )
    kind, parent, mask, first, last, end, inside = (column[:n] for column in elements)
    starts, ends, element, item, row, cell, sizes, linked, links, stops, digits, wide, tail, pre = blocks[:, :m]
    return (
        Elements(kind.astype(np.uint8), parent, mask.astype(np.uint32), first, last, end, inside, depth),
        Blocks(
            *(text[:size], starts, ends, element, item, row, cell, sizes),
            *(linked, links, stops, digits, wide, tail == 1, pre == 1),
        ),
    )


def _hash(name: str) -> int:
    value = _SEED
    for byte in name.encode():
        value = ((value ^ byte) * _PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names, kinds = np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.uint8)
    raw = np.zeros(_SLOTS, np.bool_)
    for kind, listed in TAGS.items():
        for name in listed.split():
            slot = _hash(name) % _SLOTS
            while names[slot]:
                slot = (slot + 1) % _SLOTS
            names[slot], kinds[slot], raw[slot] = _hash(name), _KIND[kind], name in _RAW_TEXT
    return names, kinds, raw


def _signs() -> np.ndarray:
    found = np.zeros(0x10000, np.uint8)
    for bit, signs in (
        (_COMMA, "。，；！？、"),
        (_STOP, ",.!?;"),
        (_END, ".!?。！？…:：;；"),
        (_CLOSE, "\"')”’）」』»]"),
    ):
        for sign in signs:
            found[ord(sign)] |= bit
    return found


_NAMES, _NAME_KINDS, _NAME_RAW = _table()
_SIGNS: Final = _signs()
_DISPLAY, _NONE = np.uint64(_hash("display")), np.uint64(_hash("none"))
_VISIBILITY, _HIDDEN = np.uint64(_hash("visibility")), np.uint64(_hash("hidden"))
_ATTRIBUTE_HASHES: Final = np.array([_hash(name) for name in ATTRIBUTES], np.uint64)


@kernel
def _scan(page, names, name_kinds, name_raw, attributes, divides, signs, steps, masks, hidden, opening):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    n = page.shape[0]
    kind = np.empty(opening, np.int32)
    parent = np.empty(opening, np.int32)
    mask = np.empty(opening, np.int64)
    first = np.empty(opening, np.int32)
    last = np.empty(opening, np.int32)
    end = np.empty(opening, np.int32)
    inside = np.empty(opening, np.int32)
    blocks = np.empty((14, opening), np.int32)
    # A tag is longer than the line feed that it leads to.
    text = np.empty(n + 1, np.uint8)
    made, m, out, seen = 0, 0, 0, 0  # elements, blocks, bytes of text, sizes
    depth, deepest = 0, 0
    current, start = -1, 0  # innermost open element; where the block begins in `text`
    skipped = -1  # the element whose text is passed over
    link, pre, item, row, cell = -1, -1, -1, -1, -1
    size = linked = links = stops = digits = wide = 0
    at_element, space, was_stop, tail = -1, False, 0, 0
    at = 0
    while at <= n:
        flush = at == n
        byte = 0 if flush else page[at]
        if not flush and byte != 60:
            # --- text ---
            if skipped >= 0:
                while at < n and page[at] != 60:
                    at += 1
                continue
            code = np.uint32(byte)
            length = 1
            if byte == 38:  # &amp; &lt; &gt; &nbsp;
                code, length = _reference(page, at, n)
            elif byte >= 0xF0:
                code, length = np.uint32(0x10000), 4
            elif byte >= 0xE0 and at + 2 < n:
                length = 3
                code = (np.uint32(byte & 15) << 12) | (np.uint32(page[at + 1] & 63) << 6) | np.uint32(page[at + 2] & 63)
            elif byte >= 0xC0 and at + 1 < n:
                length = 2
                code = (np.uint32(byte & 31) << 6) | np.uint32(page[at + 1] & 63)
            length = min(length, n - at)
            blank = code <= 32 or code in (0xA0, 0x3000)
            if blank and (pre < 0 or out == start):
                # Inside `pre` line breaks at its beginning go, the indent of its first line stays.
                if pre >= 0 and code not in (10, 13):
                    text[out] = 32
                    out += 1
                space = out > start
                if was_stop == 1:
                    stops += 1
                was_stop = 0
                at += length
                continue
            if space and pre < 0:
                text[out] = 32
                out += 1
            space = False
            if size == 0 and at_element < 0:
                at_element = current
            if blank:
                text[out] = 32 if code in (0xA0, 0x3000) else 10 if code == 13 else byte
                out += 1
                at += length
                continue
            if byte == 38:
                text[out] = code
                out += 1
                at += length
            else:
                for _ in range(length):
                    text[out] = page[at]
                    out += 1
                    at += 1
            broad = code >= 0x2E80 and (code <= 0x9FFF or (0xAC00 <= code <= 0xD7FF) or (0xF900 <= code <= 0xFFEF))
            weight = 2 if broad else 1
            size += weight
            seen += weight
            if broad:
                wide += 1
            if link >= 0:
                linked += weight
            sign = signs[code] if code < signs.shape[0] else 0
            if 48 <= code <= 57:
                digits += 1
            if sign & _COMMA:
                stops += 1
            was_stop = 1 if sign & _STOP else 0
            if sign & _END:
                tail = 1
            elif not sign & _CLOSE:
                # Quotes and brackets may follow the stop of a sentence.
                tail = 0
            continue
        # --- a tag, or the end ---
        closing = False
        k, tag_mask, has_href, raw, after = _OTHER, np.int64(0), False, False, at + 1
        if not flush:
            nxt = page[at + 1] if at + 1 < n else 0
            if nxt in (33, 63):
                at = _comment(page, at, n)
                continue
            closing = nxt == 47
            begin = at + 2 if closing else at + 1
            slot, after = _named(page, begin, n, names)
            if slot >= 0:
                k, raw = int(name_kinds[slot]), name_raw[slot]
            if closing:
                while after < n and page[after] != 62:
                    after += 1
                after += 1
            else:
                tag_mask, has_href, after = _attributes(page, after, n, attributes, steps, masks, hidden)
        if k == _BR and pre >= 0 and size > 0:
            # A line break in `pre` is a line, not the end of the block.
            text[out] = 10
            out += 1
            at = after
            continue
        if flush or divides[k]:
            # --- the block ends ---
            while pre >= 0 and out > start and text[out - 1] <= 32:
                out -= 1
            if size > 0:
                if was_stop == 1:
                    stops += 1
                blocks[0, m], blocks[1, m], blocks[2, m] = start, out, at_element
                blocks[3, m], blocks[4, m], blocks[5, m] = item, row, cell
                blocks[6, m], blocks[7, m], blocks[8, m] = size, linked, links
                blocks[9, m], blocks[10, m], blocks[11, m] = stops, digits, wide
                blocks[12, m], blocks[13, m] = tail, 1 if pre >= 0 else 0
                m += 1
                text[out] = 10
                out += 1
            else:
                out = start
            start = out
            size = linked = links = stops = digits = wide = 0
            at_element, space, was_stop, tail = -1, False, 0, 0
        if flush:
            break
        at = after
        if closing:
            if current < 0:
                continue
            last[current] = m + 1 if size > 0 and first[current] <= m else m
            end[current], inside[current] = made, seen - inside[current]
            if current == skipped:
                skipped = -1
            if current == link:
                link = -1
            if current == pre:
                pre = -1
            if current == item:
                item = _above(kind, parent, current, _LI)
            if current == row:
                row = _above(kind, parent, current, _ROW)
            if current == cell:
                cell = _above(kind, parent, current, _CELL)
            current = parent[current]
            depth -= 1
            continue
        if k in (_VOID, _BR, _HR, _IMG):
            continue
        kind[made], parent[made], mask[made] = k, current, tag_mask
        first[made] = m + 1 if size > 0 else m
        last[made], end[made], inside[made] = m, made + 1, seen
        current = made
        made += 1
        depth += 1
        deepest = max(depth, deepest)
        if skipped < 0 and k in (_SKIP, _RAW, _CONTROL):
            skipped = current
        if raw:
            at = raw_end(page, at, begin, n)
        elif k == _A and has_href and link < 0:
            link = current
            links += 1
        elif k == _PRE and pre < 0:
            pre = current
        elif k == _LI:
            item = current
        elif k == _ROW:
            row, cell = current, -1
        elif k == _CELL:
            cell = current
    while current >= 0:
        last[current], end[current], inside[current] = m, made, seen - inside[current]
        current = parent[current]
    return (kind, parent, mask, first, last, end, inside), blocks, text, made, m, out, deepest


@kernel
def _above(kind, parent, element, wanted):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the nearest ancestor of a kind, or -1."""
    element = parent[element]
    while element >= 0 and kind[element] != wanted:
        element = parent[element]
    return element


@kernel
def _reference(page, at, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the code and the length of a character reference, or those of a bare ampersand."""
    if at + 3 < n and page[at + 2] == 116 and page[at + 3] == 59:
        if page[at + 1] == 108:
            return np.uint32(60), 4
        if page[at + 1] == 103:
            return np.uint32(62), 4
    if at + 4 < n and page[at + 1] == 97 and page[at + 2] == 109 and page[at + 3] == 112 and page[at + 4] == 59:
        return np.uint32(38), 5
    if at + 5 < n and page[at + 1] == 110 and page[at + 2] == 98 and page[at + 3] == 115 and page[at + 5] == 59:
        return np.uint32(0xA0), 6
    return np.uint32(38), 1


@kernel
def _comment(page, at, n):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return where a comment or declaration ends."""
    if at + 3 < n and page[at + 2] == 45 and page[at + 3] == 45:
        at += 4
        while at < n and not (page[at] == 62 and page[at - 1] == 45 and page[at - 2] == 45):
            at += 1
    else:
        while at < n and page[at] != 62:
            at += 1
    return min(at + 1, n)


@kernel
def _named(page, at, n, names):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the slot of a tag's name in the table, or -1, and the place behind the name."""
    value = np.uint64(_SEED)
    while at < n and page[at] > 32 and page[at] != 62 and page[at] != 47:
        value = (value ^ np.uint64(page[at])) * np.uint64(_PRIME)
        at += 1
    slot = np.int64(value % np.uint64(_SLOTS))
    while names[slot] != 0:
        if names[slot] == value:
            return slot, at
        slot = (slot + 1) % _SLOTS
    return -1, at


@kernel
def _attributes(page, at, n, known, steps, masks, hidden):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the hints of a tag, whether it has an href, and the place behind the tag."""
    found, has_href = np.int64(0), False
    while at < n and page[at] != 62:
        if page[at] <= 32 or page[at] == 47:
            at += 1
            continue
        value = np.uint64(_SEED)
        while at < n and page[at] > 32 and page[at] != 61 and page[at] != 62:
            value = (value ^ np.uint64(page[at])) * np.uint64(_PRIME)
            at += 1
        begin = stop = at
        if at + 1 < n and page[at] == 61 and page[at + 1] == 34:
            begin = stop = at + 2
            while stop < n and page[stop] != 34:
                stop += 1
            at = stop + 1
        elif at < n and page[at] == 61:
            at += 1
        if value == known[0] or value == known[1] or value == known[2] or value == known[3] or value == known[8]:
            state = 0
            for place in range(begin - 1, stop + 1):
                byte = page[place] | 32
                # Names are divided by spaces, hyphens and underscores; the quotes stand for spaces as well.
                symbol = 27
                if place < begin or place == stop or byte == 32 or page[place] == 45 or page[place] == 95:
                    symbol = 0
                elif 97 <= byte <= 122:
                    symbol = byte - 96
                state = steps[state, symbol]
                found |= np.int64(masks[state])
        elif value == known[4]:
            if _hides(page, begin, stop):
                found |= np.int64(1) << hidden
        elif value == known[5]:
            found |= np.int64(1) << hidden
        elif value == known[6]:
            has_href = True
        elif value == known[7] and stop - begin == 4 and page[begin] == 116:
            found |= np.int64(1) << hidden
    return found, has_href, at + 1


@kernel
def _hides(page, at, stop):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say whether a style has display:none or visibility:hidden."""
    while at < stop:
        while at < stop and (page[at] <= 32 or page[at] == 59):
            at += 1
        name, value = np.uint64(_SEED), np.uint64(_SEED)
        while at < stop and page[at] != 58 and page[at] != 59:
            if page[at] > 32:
                name = (name ^ np.uint64(page[at] | 32)) * np.uint64(_PRIME)
            at += 1
        if at < stop and page[at] == 58:
            at += 1
            while at < stop and page[at] != 59 and page[at] != 33:
                if page[at] > 32:
                    value = (value ^ np.uint64(page[at] | 32)) * np.uint64(_PRIME)
                at += 1
            while at < stop and page[at] != 59:
                at += 1
        if (name == _DISPLAY and value == _NONE) or (name == _VISIBILITY and value == _HIDDEN):
            return True
    return False
