"""Files that are one record each: HTML pages, plain text, Markdown with front matter."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote, urljoin

from corpus_gov import located
from corpus_gov.errors import ConfigError
from corpus_gov.sources import MAX_RECORD_BYTES, Record, inflate, instant, labels, supplied
from corpus_gov.sources.charset import BOMS
from corpus_gov.sources.hosts import is_web, path_of
from corpus_gov.sources.inflate import Source, StreamError
from corpus_gov.sources.licences import RIGHTS, plain, several
from corpus_gov.sources.responses import EVIDENCE

MEDIA_TYPES: Final = {
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".xht": "application/xhtml+xml",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".text": "text/plain",
}
"""By file name, after the suffix of a compression is taken off."""

MAX_FRONT_BYTES: Final = 64 << 10

TITLE: Final = ("title",)
AUTHOR: Final = ("author", "authors", "by")
DATE: Final = ("date", "published", "published_at", "pubdate")
ADDRESS: Final = ("url", "uri", "canonical", "permalink", "link")
"""Keys of front matter, in the order in which they are looked for; those of rights are `licences.RIGHTS`."""

_FRONT = re.compile(r"---[ \t]*\r?\n(.*?)(?<=\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Front:
    """What stands before the text."""

    size: int = 0
    """Its bytes, a byte-order mark aside."""
    values: dict[str, str] = field(default_factory=dict)
    stated: tuple[str, ...] = ()
    address: str | None = None


def records(source: Source, name: str, media_type: str, base_uri: str | None) -> Iterator[Record]:
    """Read a file as one record.

    Args:
        source: its bytes, or the file at its start, plain or compressed.
        name: its logical name, or that of the member of an archive.
        media_type: one of MEDIA_TYPES; front matter is looked for in text and Markdown.
        base_uri: of the dossier; the URI is that and the name. An address in the front matter comes before it.

    Returns:
        One Record: offset 0, length and payload after decompression. Front matter is taken off the payload, as
        the headers of a page are: its digest stands in headers_digest, and its lines about rights are stated. A
        robots.txt or the like at its place below base_uri is evidence.
    """
    try:
        data = inflate.whole(source, MAX_RECORD_BYTES)
    except StreamError as error:
        yield Record(0, 0, "file", "rejected", str(error))
        return
    front = _front(data) if media_type in {"text/markdown", "text/plain"} else _Front()
    mark = _mark(data)[0]
    body = data if not front.size else mark + data[len(mark) + front.size :]
    of_host = supplied.place(name)
    uri = of_host.uri if of_host else _address(front.address, _located(base_uri, name))
    known: dict[str, Any] = {"offset": 0, "length": len(data), "type": "file", "uri": uri}
    # An empty robots.txt is an answer.
    if not of_host and not body.removeprefix(mark).strip():
        yield Record(**known, outcome="skipped", reason="empty")
        return
    known |= {"payload": body, "media_type": media_type, "values": front.values, "stated": front.stated}
    known["fetched_at"] = of_host.fetched_at if of_host else instant(front.values.get("fetched_at"))
    if front.size:
        known["headers_digest"] = sha256(data[: len(mark) + front.size]).hexdigest()
    if evidence := EVIDENCE.get(path_of(uri)) if uri else None:
        yield Record(**known, outcome="evidence", reason=evidence)
        return
    yield Record(**known)


def _located(base_uri: str | None, name: str) -> str | None:
    if base_uri is None:
        return None
    for suffix in inflate.SUFFIXES:
        name = name.removesuffix(suffix)
    return base_uri.rstrip("/") + "/" + quote(name, errors="replace")


def _address(stated: str | None, otherwise: str | None) -> str | None:
    try:
        found = urljoin(otherwise or "", stated or "") or None
    except ValueError:
        return otherwise
    absolute = found is not None and "://" in found and is_web(found)
    return found if absolute else otherwise


def _mark(data: bytes) -> tuple[bytes, str]:
    return next(((mark, codec) for mark, codec in BOMS if data.startswith(mark)), (b"", "utf-8"))


def _front(data: bytes) -> _Front:
    """Read the YAML between `---` lines with which a file begins.

    What is too long or deep, no mapping, or has aliases, anchors or tags, is no front matter and stays in the text.
    """
    mark, codec = _mark(data)
    head = data[len(mark) : len(mark) + MAX_FRONT_BYTES].decode(
        codec, "surrogateescape" if codec == "utf-8" else "ignore"
    )
    match = _FRONT.match(head)
    if not match:
        return _Front()
    try:
        found, _ = located.read_yaml(
            match[1].encode("utf-8", "surrogateescape").decode(errors="replace"), "front matter"
        )
    except (ConfigError, ArithmeticError, LookupError, TypeError):
        # YAML's own numbers and dates can fail in more ways than as bad syntax.
        return _Front()
    if not isinstance(found, dict):
        return _Front()
    keys = {key.lower(): value for key, value in found.items() if isinstance(key, str)}
    named = {"title": TITLE, "author": AUTHOR, "published_at": DATE}
    values = {name: text for name, options in named.items() if (text := _first(keys, options))}
    stated = tuple(
        f"front_matter:{key}: {text}" for key in RIGHTS for one in several(keys.get(key)) if (text := plain(one))
    )
    stated += labels.lines("front_matter", found)
    size = len(match[0].encode(codec, "surrogateescape" if codec == "utf-8" else "ignore"))
    return _Front(size, values, stated, _first(keys, ADDRESS))


def _first(keys: dict[str, Any], options: tuple[str, ...]) -> str | None:
    return next((text for key in options if (text := plain(keys.get(key)))), None)
