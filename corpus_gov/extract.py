"""A record's payload to text, title, author, date and markup."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

import numpy as np
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from corpus_gov import markup
from corpus_gov.kernels.nesting import too_deep
from corpus_gov.sources import Record, instant, storable
from corpus_gov.sources.charset import decode, is_binary

HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
HTML_EXTRACTOR: Final = f"resiliparse@{version('resiliparse')}"
TEXT_EXTRACTOR: Final = "text@1"
FIELD_EXTRACTOR: Final = "field@1"

MAX_REPLACED_SHARE: Final = 10
"""A body of which more than one byte in so many does not decode is no text in any encoding that we know."""

MAX_BLOCKS: Final = 16
"""JSON-LD blocks that are looked through for a date."""

AUTHOR_META: Final = ("author", "article:author", "dc.creator", "dcterms.creator", "byl")
DATE_META: Final = (
    "article:published_time",
    "og:published_time",
    "datepublished",
    "publishdate",
    "pubdate",
    "dcterms.issued",
    "dc.date.issued",
    "dc.date",
)


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

    HTML goes through resiliparse's main-content extraction as it is, after everything that speaks of rights
    was copied to `markup`. Plain text and fields of a delivery are taken as they are; NUL and lone surrogates
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
    tree = HTMLTree.parse(html)
    metas = list(_metas(tree))
    # Markup first: extraction may change the tree.
    lines = (stated + markup.from_page(tree, html))[: markup.MAX_LINES]
    published = (instant(value) for value in _dates(tree, metas))
    title = storable(tree.title or "").strip()
    return Extracted(
        HTML_EXTRACTOR,
        storable(extract_plain_text(tree, main_content=True)),
        title=title or None,
        author=next((value for key in AUTHOR_META for name, value in metas if name == key), None),
        published_at=next((time for time in published if time), None),
        markup=_joined(lines),
        **known,
    )


def _metas(tree: Any) -> Iterator[tuple[str, str]]:
    for element in markup.elements(tree, "meta[content]"):
        name = element.getattr("name") or element.getattr("property") or element.getattr("itemprop") or ""
        content = storable(element.getattr("content") or "").strip()
        if name and content:
            yield name.lower(), content[: markup.MAX_VALUE_CHARS]


def _dates(tree: Any, metas: list[tuple[str, str]]) -> Iterator[str]:
    yield from (value for key in DATE_META for name, value in metas if name == key)
    for element in markup.elements(tree, markup.LD_BLOCKS)[:MAX_BLOCKS]:
        yield from (value for key, value in markup.linked_data(element.text or "") if key == "datePublished")


def _joined(lines: list[str]) -> str | None:
    return "\n".join(lines) or None
