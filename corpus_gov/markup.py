"""Lines about rights, taken from a page before its boilerplate goes.

Nothing is judged here: the lines are what screens and opt-out rules read later, and what remains as
evidence of a notice that the cleaned text no longer shows.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from corpus_gov.sources import storable

MAX_VALUE_CHARS: Final = 2_000
MAX_LINES: Final = 64
MAX_JSON_CHARS: Final = 256 << 10
MAX_JSON_NODES: Final = 2_000
MAX_ELEMENTS: Final = 2_000
MAX_NAMES: Final = 8
MAX_ANCESTORS: Final = 16
"""How many tags of a kind, JSON nodes, characters, authors and elements around one are looked at: bounds of work, not
of trust."""
CONTEXT_CHARS: Final = 200
"""What is kept before a notice in a line longer than MAX_VALUE_CHARS."""

RIGHTS_META: Final = re.compile(
    r"robots|googlebot|bingbot|tdm-(?:reservation|policy)|content-usage|aigc|(?:plus:)?datamining|(?:iptc\w*:)?digitalsourcetype|copyright|licen[cs]e|rights(?:-standard)?"
    r"|(?:dc|dcterms)[.:](?:rights|rightsholder|license|accessrights|provenance)(?:[.:].*)?"
)
ROBOT_WORDS: Final = re.compile(r"(?i)(?<![a-z])(?:no(?:image)?ai|noindex|noarchive|nocache|none)(?![a-z])")
"""A directive to one crawler stands in a <meta> named after it: known by its words."""

LD_KEYS: Final = frozenset(
    {
        "license",
        "copyrightHolder",
        "copyrightYear",
        "copyrightNotice",
        "creditText",
        "usageInfo",
        "acquireLicensePage",
        "conditionsOfAccess",
        "isAccessibleForFree",
        "isBasedOn",
        "dataMining",
        "plus:DataMining",
        "digitalSourceType",
        "iptcExt:DigitalSourceType",
        "Iptc4xmpExt:DigitalSourceType",
    }
)
"""schema.org properties of CreativeWork that speak of rights, in JSON-LD and as microdata."""
PART_TYPES: Final = re.compile("(?:Image|Video|Audio|Media)Object|Photograph")
"""schema.org types of what stands on a page and is not the page."""
FOOTER_NAMES: Final = re.compile(r"(?<![a-z])(?:foot|footer|site-?info|copyright|licen[cs]e|bottom)(?![a-z])")
"""In the id or class of an element that is the footer of a page, or its box about the licence."""
LD_BLOCKS: Final = "script[type='application/ld+json' i]"
_ITEMPROPS = ", ".join(f"[itemprop='{key}']" for key in sorted(LD_KEYS))

_LINKS = (
    "link[rel~='license' i], a[rel~='license' i], link[rel~='cc:license' i], a[rel~='cc:license' i], "
    "a[rel~='dct:license' i], a[href*='creativecommons.org/']"
)
"""RDFa names the same relation with a prefix."""

NOTICE_WORDS: Final = (
    "©", "copyright", "licen", "rights reserved", "creative commons", "public domain", "data mining",
    "版权", "版權", "著作权", "著作權", "转载", "轉載", "许可", "許可", "授权", "授權", "知识共享",
    "侵权", "侵權", "侵删", "禁止", "严禁", "嚴禁", "icp备", "icp證", "icp证", "公网安备", "人工智能生成", "ai生成",
    # numbers under which a site may publish, and who answers for it
    "icp備", "icp号", "公安备", "备案", "備案", "许可号", "新闻信息服务", "互联网出版", "刊号", "经营许可",
    "声明", "聲明",
    "举报", "舉報", "联系我们", "聯繫我們", "联系方式", "联系电话", "主办单位", "主办：", "承办单位", "法律顾问",
    "all rights", "(c) ", "imprint", "impressum", "terms of use", "terms of service", "urheberrecht", "droits réservés",
)  # fmt: skip
"""What a line of the page must hold, in lower case, to be kept as a notice."""

FEED_HEAD: Final = 1_000
"""Characters of a source in which a feed that was served as a page names its root."""
_IS_FEED = re.compile(r"(?i)<(?:rss|feed|rdf:rdf)[\s>]")
_FEED_RIGHTS = r"channel > copyright, feed > rights, entry > rights, dc\:rights, creativecommons\:license, cc\:license"
# GB 45438-2025 Annex E gives web pages no carrier; the label is seen in meta tags, comments and scripts.
_AIGC = re.compile(r"AIGC(?:&quot;|\\?[\"'])?\s*[:=>]?\s*\{[^{}]{0,1500}\}")
_SPACE = re.compile(r"\s+")


def from_headers(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Return `http:<name>: value` lines; a Link header only where it is about rights."""
    return [
        _line(f"http:{name}", value)
        for name, value in headers
        if name != "link" or any(word in value.lower() for word in ("licen", "tdm", "copyright", "rights"))
    ][:MAX_LINES]


def from_page(tree: Any, html: str, shown: Sequence[str]) -> list[str]:
    """Return the lines of a parsed page: machine-readable ones in page order, then notices.

    Args:
        tree: resiliparse's HTMLTree of the page.
        html: its source, for labels outside of any element.
        shown: the lines that a reader sees. A notice has its place among them in its kind: `notice@8/9` is the line
            before the last.
    """
    stated = [*_metas(tree), *_links(tree), *_linked_data(tree), *_microdata(tree)]
    stated += _feed(tree) if _IS_FEED.search(html, 0, FEED_HEAD) else []
    stated += [_line("aigc", match[0]) for match in _AIGC.finditer(html)] if "AIGC" in html else []
    stated = list(dict.fromkeys(stated))[:MAX_LINES]
    # Footers stand at the end: where there are too many notices, the last ones stay.
    room = MAX_LINES - len(stated)
    return stated + _notices(shown)[-room:] if room else stated


def _metas(tree: Any) -> Iterator[str]:
    for element in elements(tree, "meta[content]"):
        content = element.getattr("content") or ""
        name = (element.getattr("name") or element.getattr("property") or element.getattr("http-equiv") or "").lower()
        if not name or not content.strip():
            continue
        if RIGHTS_META.fullmatch(name) or (ROBOT_WORDS.search(content[:200]) and "description" not in name):
            yield _line(f"meta:{_SPACE.sub('_', name)[:64]}", content)


def _links(tree: Any) -> Iterator[str]:
    """Yield links to licences: `:license` where the page calls them its own, `:link` where it only has them."""
    for element in elements(tree, _LINKS):
        place = "@footer" if element.tag == "a" and _in_footer(element) else ""
        name = "license" if "licen" in (element.getattr("rel") or "").lower() else "link"
        # A licence file for machines is no licence of this page: its terms are elsewhere.
        name = "rsl" if "rsl+xml" in (element.getattr("type") or "").lower() else name
        yield _line(f"{element.tag}{place}:{name}", element.getattr("href") or "")


def _feed(tree: Any) -> Iterator[str]:
    """Yield what a feed says of its rights; what it says of one entry is about a part."""
    for element in elements(tree, _FEED_RIGHTS):
        place = "@part" if any(one.tag in {"item", "entry"} for one in _around(element)) else ""
        value = element.getattr("rdf:resource") or element.text or ""
        yield _line(f"feed{place}:{element.tag.rpartition(':')[2]}", value)


def _around(element: Any) -> Iterator[Any]:
    """Yield the elements around one, from the inside."""
    for _ in range(MAX_ANCESTORS):
        element = element.parent
        # Outside of the outermost element stands the document, which has no attributes.
        if element is None or element.parent is None:
            return
        yield element


def _in_footer(element: Any) -> bool:
    return any(
        one.tag == "footer" or FOOTER_NAMES.search(f"{one.getattr('id') or ''} {one.getattr('class') or ''}".lower())
        for one in _around(element)
        if one.tag not in {"body", "html"}
    )


def _linked_data(tree: Any) -> Iterator[str]:
    for element in elements(tree, LD_BLOCKS):
        for key, value in linked_data(element.text or ""):
            of, _, name = key.rpartition("/")
            if name in LD_KEYS:
                yield _line(f"jsonld{of and '@'}{of}:{name.lower()}", value)


def linked_data(source: str) -> Iterator[tuple[str, str]]:
    """Yield the properties of a JSON-LD block that have a plain value, a name, an @id or a url.

    Those of a picture, a recording or a logo, which say nothing of the page, are named part/<property>.
    """
    if len(source) > MAX_JSON_CHARS:
        return
    try:
        waiting = [orjson.loads(source)]
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return
    for _ in range(MAX_JSON_NODES):
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, list):
            waiting += reversed(node)
        elif isinstance(node, dict):
            of = "part/" if PART_TYPES.search(str(node.get("@type", ""))) else ""
            for key, value in node.items():
                if (plain := _names(value) if key == "author" else _plain(value)) is not None:
                    yield f"{of}{key}", plain
            waiting += [value for value in reversed(node.values()) if isinstance(value, dict | list)]


def _names(value: Any) -> str | None:
    listed = value if isinstance(value, list) else [value]
    names = [one.get("name") if isinstance(one, dict) else one for one in listed[:MAX_NAMES]]
    return ", ".join(name.strip() for name in names if isinstance(name, str) and name.strip()) or None


def _plain(value: Any) -> str | None:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = next((value[key] for key in ("@id", "url", "name") if isinstance(value.get(key), str)), None)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int) and value != "" else None


def _microdata(tree: Any) -> Iterator[str]:
    for element in elements(tree, _ITEMPROPS):
        value = element.getattr("href") or element.getattr("content") or element.text or ""
        holder = next((one.getattr("itemtype") for one in _around(element) if one.getattr("itemtype")), "")
        place = "@part" if PART_TYPES.search(holder) else ""
        yield _line(f"itemprop{place}:{(element.getattr('itemprop') or '').lower()}", value)


def _notices(shown: Sequence[str]) -> list[str]:
    words = _words("\n".join(shown))
    found: dict[str, str] = {}
    for place, line in enumerate(shown, 1) if words else ():
        lowered = line.lower()
        if places := [at for at in map(lowered.find, words) if at >= 0]:
            start = max(0, min(places) - CONTEXT_CHARS) if len(line) > MAX_VALUE_CHARS else 0
            value = line[start : start + 2 * MAX_VALUE_CHARS]
            found.setdefault(value, _line(f"notice@{place}/{len(shown)}", value))
    return list(found.values())


def _words(text: str) -> list[str]:
    lowered = text.lower()
    return [word for word in NOTICE_WORDS if word in lowered]


def elements(tree: Any, selector: str) -> Sequence[Any]:
    """Return the first MAX_ELEMENTS elements of a selector, in page order."""
    # A slice evaluates the selector once; iteration does so again for every element.
    found: Sequence[Any] = tree.document.query_selector_all(selector)[:MAX_ELEMENTS]
    return found


def _line(kind: str, value: str) -> str:
    return f"{kind}: {storable(_SPACE.sub(' ', value).strip())[:MAX_VALUE_CHARS]}"
