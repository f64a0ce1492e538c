"""Title, author and time of a page: what it states for machines, else what it shows."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from corpus_gov import markup
from corpus_gov.sources import instant, storable

MAX_BLOCKS: Final = 16
"""JSON-LD blocks that are looked through."""
MAX_LINES: Final = 400
"""Lines of the page, from its beginning, in which a date or an author is looked for."""
MAX_LINE_CHARS: Final = 120
"""Longer lines are text, and the dates in them are not those of the page."""
MAX_NAME_CHARS: Final = 64

TITLE_META: Final = ("og:title", "twitter:title", "dc.title", "dcterms.title")
AUTHOR_META: Final = ("author", "article:author", "dc.creator", "dcterms.creator", "byl", "parsely-author")
DATE_META: Final = (
    "article:published_time",
    "og:published_time",
    "og:release_date",
    "datepublished",
    "publishdate",
    "pubdate",
    "publish_date",
    "parsely-pub-date",
    "dcterms.issued",
    "dc.date.issued",
    "dc.date",
    "date",
)

_TIME = r"(?:[\sT|]{0,4}(?P<hour>\d{1,2})[:：](?P<minute>\d{2})(?:[:：](?P<second>\d{2}))?)?"
_NUMBERS: Final = re.compile(
    rf"(?<!\d)(?P<year>(?:19|20)\d{{2}})(?:年|[-/.])\s?(?P<month>\d{{1,2}})(?:月|[-/.])\s?(?P<day>\d{{1,2}})日?(?!\d){_TIME}"
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_NAMES: Final = tuple(
    re.compile(rf"(?i)(?<!\w){form}(?!\d)")
    for form in (
        rf"{_MONTH}\s(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s(?P<year>(?:19|20)\d{{2}})",
        rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s{_MONTH},?\s(?P<year>(?:19|20)\d{{2}})",
    )
)
_AUTHOR_ZH: Final = re.compile(r"(?:^|[\s|（(])(?:作者|撰文|记者|文)[:：/]\s*(?P<name>[^\s|:：,，。；;（(]{2,20})")
_AUTHOR_EN: Final = re.compile(r"^(?:[Bb]y|BY)[:\s]\s*(?P<name>[A-Z][\w.'’-]+(?:\s[A-Z][\w.'’-]+){1,3})(?=$|[\s,|·•-])")
_NO_NAME: Final = re.compile(r"https?://|www\.|^\W*$")


def metas(tree: Any) -> list[tuple[str, str]]:
    """Return names, lower-case, and contents of the <meta> elements."""
    return list(_metas(tree))


def _metas(tree: Any) -> Iterator[tuple[str, str]]:
    for element in markup.elements(tree, "meta[content]"):
        name = element.getattr("name") or element.getattr("property") or element.getattr("itemprop") or ""
        content = storable(element.getattr("content") or "").strip()
        if name and content:
            yield name.lower(), content[: markup.MAX_VALUE_CHARS]


def linked(tree: Any) -> list[tuple[str, str]]:
    """Return the properties of the JSON-LD blocks."""
    blocks = markup.elements(tree, markup.LD_BLOCKS)[:MAX_BLOCKS]
    return [pair for element in blocks for pair in markup.linked_data(element.text or "")]


def title(tree: Any, stated: Sequence[tuple[str, str]]) -> str | None:
    """Return the title: of two that say the same, the one without the name of the site."""
    whole = storable(tree.title or "").strip()
    for own in _values(stated, TITLE_META):
        if not whole or own in whole:
            return own
    heads = markup.elements(tree, "h1")
    head = storable(heads[0].text or "").strip() if len(heads) == 1 else ""
    return (head if head and (not whole or head in whole) else whole)[: markup.MAX_VALUE_CHARS] or None


def author(stated: Sequence[tuple[str, str]], linked: Sequence[tuple[str, str]], lines: Sequence[str]) -> str | None:
    """Return the author as the page states or shows it; the address of a page is no name."""
    named = [*_values(stated, AUTHOR_META), *(value for key, value in linked if key == "author")]
    if found := next((name for name in named if len(name) <= MAX_NAME_CHARS * 4 and not _NO_NAME.search(name)), None):
        return found
    for line in lines[:MAX_LINES]:
        if len(line) <= MAX_LINE_CHARS and (match := _AUTHOR_ZH.search(line) or _AUTHOR_EN.search(line)):
            return match["name"][:MAX_NAME_CHARS]
    return None


def published(
    stated: Sequence[tuple[str, str]], linked: Sequence[tuple[str, str]], tree: Any, lines: Sequence[str]
) -> datetime | None:
    """Return the time of publication; without an offset it counts as UTC."""
    named = [*_values(stated, DATE_META), *(value for key, value in linked if key == "datePublished")]
    named += [element.getattr("datetime") or "" for element in markup.elements(tree, "time[datetime]")[:1]]
    times = (instant(value) or _shown(value[:MAX_LINE_CHARS]) for value in named)
    if found := next((time for time in times if time), None):
        return found
    shown = (_shown(line) for line in lines[:MAX_LINES] if len(line) <= MAX_LINE_CHARS)
    return next((time for time in shown if time), None)


def _values(stated: Sequence[tuple[str, str]], names: Sequence[str]) -> list[str]:
    return [value for wanted in names for name, value in stated if name == wanted]


def _shown(line: str) -> datetime | None:
    if match := _NUMBERS.search(line):
        part = {name: int(value) for name, value in match.groupdict().items() if value}
        clock = f"{part.get('hour', 0):02}:{part.get('minute', 0):02}:{part.get('second', 0):02}"
        return instant(f"{part['year']}-{part['month']:02}-{part['day']:02}T{clock}")
    for form in _NAMES:
        if match := form.search(line):
            month = _MONTHS.index(match["name"].lower()) + 1
            return instant(f"{match['year']}-{month:02}-{int(match['day']):02}")
    return None
