"""Which blocks of a page are its text.

Scores are sums over blocks; those of an element are differences of running sums, because its blocks lie in a row.
Nothing here walks a tree: the work grows with the elements and blocks of a page, not with how they nest.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from corpus_gov.extract.hints import ASIDE_LINE, ASIDE_SHORT, SECTION, Hint
from corpus_gov.kernels.blocks import KINDS, Blocks, Elements

GOOD_SIZE: Final = 30
"""A paragraph has so much text outside of links (see Blocks.size), and a comma or full stop."""
LONG_SIZE: Final = 60
"""Text of this size counts for something without either."""
ENOUGH: Final = 500
"""Weight of an article that may be outweighed by comments, related texts or hidden ones."""
SLIGHT: Final = 600
"""Weight from which on a part is no byline, share bar or caption, whatever its class says."""
TINY: Final = 200
"""Size of a whole page of which everything is kept where nothing looks like text."""
FEW: Final = 30
"""Blocks of a page that may do without a paragraph."""
LINE_BYTES: Final = 400
"""Longer blocks are no lines about the page."""

MOST: Final = 0.85
"""Share of the weight that the element has which holds the text, where nothing names that element."""
NAMED: Final = 0.4
"""The same where its class does."""
TAGGED: Final = 0.5
"""The same where it is an <article> or <main>."""
PART: Final = 0.25
"""Share of the best part's weight that makes another part of the same article."""
MAX_INLINE: Final = 16
"""Elements in one another inside of a line that are looked through."""
LINKED: Final = 0.8
"""Share of links that makes a block a link."""


def _bits(*hints: Hint) -> int:
    return sum(1 << hint for hint in hints)


def _kinds(*names: str) -> np.ndarray:
    return np.array([name in names for name in KINDS])


_STRONG = _bits(Hint.FOOT, Hint.RELATED, Hint.COMMENT, Hint.DIALOG, Hint.NAVIGATION, Hint.GUTTER)
_WEAK = _bits(Hint.SIDE, Hint.SHARE, Hint.ADVERT, Hint.BYLINE, Hint.HIDDEN, Hint.CAPTION)
_LARGE = _bits(Hint.SIDE, Hint.HIDDEN, Hint.ADVERT)
_APART = _bits(Hint.COMMENT, Hint.RELATED, Hint.HIDDEN)
_ROUNDS: Final = ((_STRONG, 0.5), (_WEAK, 0.3))
"""Hints of what is no text, and the share of the page's weight from which on they are not believed."""

_AROUND = _kinds("nav", "footer", "aside", "control", "caption")
_EXEMPT = _kinds("body", "main")
_ARTICLE = _kinds("article", "main")
_HOLDERS = _kinds("block", "article", "main", "section", "body", "cell", "table", "p")
_HEADING = _kinds("heading")
_PROSE = _kinds("p", "li", "heading", "quote", "pre", "cell", "term")
_INSIDE = _kinds("other", "a", "inline", "code", "label")


@dataclass(frozen=True, slots=True)
class Choice:
    """The blocks of a page that are its text."""

    keep: np.ndarray
    """bool, one a block."""
    confidence: float
    """Share of the page's paragraphs that the choice has, 0 to 1; those in menus, footers and comments do not count."""


@dataclass(frozen=True, slots=True)
class _Page:
    """What all steps ask of the elements and blocks."""

    elements: Elements
    blocks: Blocks
    first: np.ndarray
    last: np.ndarray
    size: np.ndarray
    good: np.ndarray
    weight: np.ndarray
    hints: np.ndarray
    """int64, of elements that are all of the lines they stand in: others say nothing about the lines."""
    whole: np.ndarray
    body: np.ndarray
    article: np.ndarray
    exempt: np.ndarray

    def within(self, values: np.ndarray) -> np.ndarray:
        """Sum values of blocks over each element."""
        sums = np.concatenate(([0.0], np.cumsum(values)))
        found: np.ndarray = sums[self.last] - sums[self.first]
        return found

    def covered(self, which: np.ndarray) -> np.ndarray:
        """Mark the blocks of some elements."""
        m = len(self.size)
        steps = np.bincount(self.first[which], minlength=m + 1) - np.bincount(self.last[which], minlength=m + 1)
        found: np.ndarray = np.cumsum(steps)[:m] > 0
        return found


def choose(elements: Elements, blocks: Blocks) -> Choice:
    """Choose the blocks that are the text of a page.

    Parts whose tag or class says that they are something else go first, unless they are most of the page; then
    sections under headings such as "related"; then everything outside of the element that holds the text; then
    lists of links inside. A page that is left without a paragraph gives nothing, except a very short one.
    """
    m = len(blocks.starts)
    if not m:
        return Choice(np.zeros(0, np.bool_), 1.0)
    page = _page(elements, blocks)
    out = _set_apart(page)
    sections = _sections(page, out)
    kept = np.where(out | sections, 0, page.weight)
    parts, named = _parts(page, kept)
    keep = np.zeros(m, np.bool_)
    for at in parts:
        keep[page.first[at] : page.last[at]] = True
    keep &= ~(out | sections | _lists_of_links(page, kept))
    kinds = elements.kind[_holders(page)]
    if not named:
        keep = _trimmed(keep, keep & page.good, _PROSE[kinds])
    alone = _orphans(keep, _HEADING[kinds])
    if (keep & ~alone).any():
        keep &= ~alone
    if not keep.any() and page.size.sum() <= TINY:
        keep[:] = True
    elif not named and m > FEW and not (keep & page.good).any():
        keep[:] = False
    return Choice(keep, _confidence(page, keep, sections))


def _page(elements: Elements, blocks: Blocks) -> _Page:
    size = blocks.size.astype(np.float64)
    text = size - blocks.linked
    mostly_links = blocks.linked * 2 >= size
    good = (text >= GOOD_SIZE) & (((blocks.stops >= 1) & ~mostly_links) | blocks.pre)
    factor = np.where(good, 1.0, np.where(text >= LONG_SIZE, 0.4, 0.1))
    factor[mostly_links] = 0
    first, last = elements.first, np.maximum(elements.last, elements.first)
    sums = np.concatenate(([0.0], np.cumsum(size)))
    whole = elements.size >= 0.8 * (sums[last] - sums[first])
    hints = np.where(whole, elements.hints.astype(np.int64), 0)
    # Mostly it tells to switch scripts on; some pages stand in it as a whole.
    hints[(elements.kind == KINDS.index("noscript")) & whole] |= _bits(Hint.HIDDEN)
    # What people said elsewhere is quoted with the class of its frame.
    hints[_kinds("quote")[elements.kind]] &= ~_bits(Hint.SHARE)
    body = ((elements.hints & _bits(Hint.BODY)) != 0) & _HOLDERS[elements.kind]
    article = _ARTICLE[elements.kind] | ((elements.hints & _bits(Hint.POST)) != 0)
    exempt = _EXEMPT[elements.kind] | (elements.parent < 0)
    return _Page(elements, blocks, first, last, size, good, text * factor, hints, whole, body, article, exempt)


def _around(page: _Page, within: np.ndarray, total: float) -> np.ndarray:
    """Find elements around an article: their classes tell of its author, categories and tags as well."""
    marks = (page.body | page.article) & (within > 0.1 * total)
    marked = np.concatenate(([0], np.cumsum(marks)))
    found: np.ndarray = (marked[page.elements.end] > marked[:-1]) & (~page.body | page.article)
    return found


def _set_apart(page: _Page) -> np.ndarray:
    """Mark blocks in parts that say that they are not the text."""
    out = np.zeros(len(page.size), np.bool_)
    for bits, limit in _ROUNDS:
        kept = np.where(out, 0, page.weight)
        total = kept.sum()
        within = page.within(kept)
        around = _around(page, within, total)
        bad = ((page.hints & bits) != 0) & ~page.body
        if bits == _STRONG:
            bad |= _AROUND[page.elements.kind] & page.whole
            bad &= ~(around & page.article)
        else:
            bad &= ~around & (((page.hints & _LARGE) != 0) | (within < SLIGHT))
        apart = ((page.hints & _APART) != 0) & (total - within >= ENOUGH) & ~around
        # A footer is small beside its page, also where the page has no paragraph but that of the footer.
        apart |= ((page.hints & _bits(Hint.FOOT)) != 0) & (page.elements.size < 0.2 * page.size.sum())
        out |= page.covered(bad & ((within < limit * total) | apart) & ~page.exempt)
    return out


def _sections(page: _Page, out: np.ndarray) -> np.ndarray:
    """Mark lines about the page, and what stands under headings that announce something else than the text."""
    found = np.zeros(len(out), np.bool_)
    blocks = page.blocks
    short = ~out & (page.size <= 120) & (blocks.ends - blocks.starts <= LINE_BYTES)
    places = np.flatnonzero(short)
    data = blocks.text.tobytes()
    columns = (places, blocks.starts[places], blocks.ends[places], page.size[places], blocks.tail[places])
    for k, start, end, size, tail in zip(*(column.tolist() for column in columns), strict=True):
        if found[k]:
            continue
        line = data[start:end].decode()
        if ASIDE_LINE.match(line) or (not tail and size <= 100 and ASIDE_SHORT.match(line)):
            found[k] = True
        elif size <= 60 and SECTION.fullmatch(line):
            found[k : _section_end(page, k)] = True
    return found


def _section_end(page: _Page, k: int) -> int:
    """Return the end of the part of the page that a heading begins."""
    elements = page.elements
    at = int(page.blocks.element[k])
    while at >= 0 and not (page.body[at] or page.article[at] or page.exempt[at]) and elements.first[at] >= k:
        if elements.first[at] == k and elements.last[at] > k + 1:
            return int(elements.last[at])
        at = int(elements.parent[at])
    # It stands beside what follows: up to the next paragraph.
    end = int(elements.last[at]) if at >= 0 else len(page.good)
    paragraphs = np.flatnonzero(page.good[k + 1 : end])
    return k + 1 + int(paragraphs[0]) if len(paragraphs) else max(end, k + 1)


def _parts(page: _Page, kept: np.ndarray) -> tuple[list[int], bool]:
    """Return the elements that hold the text, and whether their tag or class says so."""
    within = page.within(kept)
    total = kept.sum()
    for named, share in ((page.body, NAMED), (page.article, TAGGED)):
        found = np.flatnonzero(named & (within >= share * total) & (within > 0))
        if not len(found):
            continue
        best = within[found].max()
        at = int(found[within[found] >= 0.9 * best][-1])
        # An article may come in several parts, with something between them.
        others = np.flatnonzero(named & (within >= PART * best))
        beside = (page.first[others] >= page.last[at]) | (page.last[others] <= page.first[at])
        return [at, *others[beside].tolist()], True
    # Damaged markup leaves elements beside the root: then it may be that none holds most of the text.
    most = min(MOST * total, within.max())
    return [int(np.flatnonzero(within >= most)[-1]) if total else 0], False


def _lists_of_links(page: _Page, kept: np.ndarray) -> np.ndarray:
    linked = page.blocks.linked
    linky = page.within(linked) > 0.5 * page.within(page.size)
    linky &= page.within(kept) < 0.1 * kept.sum()
    found: np.ndarray = page.covered(linky) | (linked > LINKED * page.size)
    return found


def _holders(page: _Page) -> np.ndarray:
    """Return, for each block, the nearest element that is not inside of a line."""
    kind, parent = page.elements.kind, page.elements.parent
    at = page.blocks.element
    for _ in range(MAX_INLINE):
        inside = _INSIDE[kind[at]] & (parent[at] >= 0)
        if not inside.any():
            break
        at = np.where(inside, parent[at], at)
    return at


def _trimmed(keep: np.ndarray, solid: np.ndarray, prose: np.ndarray) -> np.ndarray:
    """Cut what stands before the first and behind the last paragraph, but for what hangs together with them."""
    places = np.flatnonzero(solid)
    if not len(places):
        return keep
    apart = ~(keep & prose)
    before = np.flatnonzero(apart[: places[0]])
    behind = np.flatnonzero(apart[places[-1] + 1 :])
    trimmed = np.zeros_like(keep)
    begin = int(before[-1]) + 1 if len(before) else 0
    end = int(places[-1]) + 1 + (int(behind[0]) if len(behind) else len(keep))
    trimmed[begin:end] = keep[begin:end]
    return trimmed


def _orphans(keep: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Find headings of which nothing is kept."""
    m = len(keep)
    plain = np.where(heading, m, np.arange(m))
    following = np.minimum.accumulate(plain[::-1])[::-1]
    found: np.ndarray = heading & ~np.concatenate((keep, [False]))[following]
    return found


def _confidence(page: _Page, keep: np.ndarray, sections: np.ndarray) -> float:
    fine = np.where(page.good, page.weight, 0)
    within = page.within(page.weight)
    sure = _AROUND & ~_kinds("aside")
    other = ((page.hints & _bits(Hint.COMMENT, Hint.FOOT)) != 0) & ~_around(page, within, page.weight.sum())
    elsewhere = page.covered((sure[page.elements.kind] & page.whole) | (other & ~page.exempt)) | sections
    rest = fine[~elsewhere].sum()
    return min(float(fine[keep].sum() / rest), 1.0) if rest else 1.0
