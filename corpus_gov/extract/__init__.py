"""A record's payload to text, title, author, date and markup.

Pages are parsed once, taken apart into blocks by a compiled pass over what the parser serialises, and scored by blocks
(`mainpart`). Where the choice leaves out much of what looks like text, a second extractor decides (`thorough`).
"""

from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from resiliparse.parse.html import HTMLTree

from corpus_gov import markup
from corpus_gov.extract import about, thorough
from corpus_gov.extract.hints import HINTS, Hint
from corpus_gov.extract.lines import joined, visible
from corpus_gov.extract.mainpart import choose
from corpus_gov.kernels.blocks import scan
from corpus_gov.kernels.nesting import too_deep
from corpus_gov.sources import Record, instant, storable
from corpus_gov.sources.charset import decode, is_binary

HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
VERSION: Final = 2
"""Raised when the same page would give another text, title, author, date or markup."""
BLOCKS_EXTRACTOR: Final = f"corpus_gov.blocks@{VERSION}+resiliparse@{version('resiliparse')}"
"""Of a text of the fast path; behind a `!` stands what the slow one had to say, where it was asked in vain."""
HTML_EXTRACTOR: Final = f"{BLOCKS_EXTRACTOR}|{thorough.NAME}"
"""Names all that texts of pages depend on."""
TEXT_EXTRACTOR: Final = "text@1"
FIELD_EXTRACTOR: Final = "field@1"

MAX_REPLACED_SHARE: Final = 10
"""A body of which more than one byte in so many does not decode is no text in any encoding that we know."""
MIN_CONFIDENCE: Final = 0.3
"""Below it the slow path is asked: see `mainpart.Choice`. Tuned on one half of the gold sets: bench/RESULTS.md."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a payload holds; `text` is empty where extraction left nothing."""

    extractor: str
    text: str
    title: str | None = None
    author: str | None = None
    published_at: datetime | None = None
    markup: str | None = None
    charset_declared: str | None = None
    charset_used: str | None = None
    replaced: int = 0
    """Bytes that did not decode."""
    reject: str | None = None
    """Why it gives no text: undecodable (too much did not decode for the rest to be text), too_deep (its markup
    would take a parser longer than its length explains)."""


def extract(record: Record) -> Extracted:
    """Make text of a record.

    Of HTML the main text is kept, after everything that speaks of rights was copied to `markup`. Plain text
    and fields of a delivery are taken as they are; NUL and lone surrogates
    become U+FFFD.

    Args:
        record: with outcome "document".

    Returns:
        Text without a limit on its length; times without an offset count as UTC.
    """
    if record.type == "line":
        return _fields(record)
    body = record.payload or b""
    html = record.media_type in HTML_TYPES
    source = decode(body, record.charset, html=html)
    known: dict[str, Any] = {
        "charset_declared": source.declared,
        "charset_used": source.used,
        "replaced": source.replaced,
    }
    if source.replaced * MAX_REPLACED_SHARE > len(body) or is_binary(body, source.used):
        return Extracted(HTML_EXTRACTOR if html else TEXT_EXTRACTOR, "", reject="undecodable", **known)
    text = storable(source.text)
    stated = markup.from_headers(record.headers)
    if not html:
        return Extracted(TEXT_EXTRACTOR, text, markup=_joined(stated), **known)
    if too_deep(np.frombuffer(text.encode(), np.uint8)):
        return Extracted(HTML_EXTRACTOR, "", reject="too_deep", **known)
    return _page(text, stated, known)


def _fields(record: Record) -> Extracted:
    values = record.values
    return Extracted(
        FIELD_EXTRACTOR,
        values["text"],
        title=values.get("title") or None,
        author=values.get("author") or None,
        published_at=instant(values.get("published_at")),
    )


def _page(html: str, stated: list[str], known: dict[str, Any]) -> Extracted:
    tree: Any = HTMLTree.parse(html)
    source = storable(tree.document.html)
    elements, blocks = scan(np.frombuffer(source.encode(), np.uint8), HINTS, int(Hint.HIDDEN))
    shown = visible(blocks)
    metas, linked = about.metas(tree), about.linked(tree)
    lines = (stated + markup.from_page(tree, html, shown))[: markup.MAX_LINES]
    choice = choose(elements, blocks)
    text, extractor = joined(blocks, choice.keep), BLOCKS_EXTRACTOR
    if choice.confidence < MIN_CONFIDENCE:
        other, reason = thorough.text(source, len(elements.kind), elements.depth)
        text, extractor = (text, f"{BLOCKS_EXTRACTOR}!{reason}") if reason else (storable(other), thorough.NAME)
    return Extracted(
        extractor,
        text,
        title=about.title(tree, metas),
        author=about.author(metas, linked, shown),
        published_at=about.published(metas, linked, tree, shown),
        markup=_joined(lines),
        **known,
    )


def _joined(lines: list[str]) -> str | None:
    return "\n".join(lines) or None
