"""What a response or a resource of an archive is: a document, evidence, or nothing to be read and why."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from resiliparse.parse.encoding import detect_mime

from corpus_gov.sources import Record, carriers, http
from corpus_gov.sources.bodies import BodyError, decoded
from corpus_gov.sources.charset import header_label
from corpus_gov.sources.hosts import is_web, path_of

TEXT_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "text/plain", "text/markdown"})
"""Media types whose body becomes a document."""

EVIDENCE: Final = {
    "/robots.txt": "robots",
    "/ai.txt": "ai_txt",
    "/.well-known/ai.txt": "ai_txt",
    "/.well-known/tdmrep.json": "tdmrep",
    "/license.xml": "rsl",
    "/rsl.xml": "rsl",
}
"""Files in which a host says what may be done with its pages."""

RIGHTS_HEADERS: Final = ("link", "x-robots-tag", "content-usage", "tdm-reservation", "tdm-policy")
RSL: Final = "application/rsl+xml"
"""Media type of a licence file, which may lie anywhere."""
_NAMES: Final = tuple(path.rpartition("/")[2] for path in EVIDENCE)
_RIGHTS: Final = tuple((name, name.encode()) for name in RIGHTS_HEADERS)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What an archive says about a record, whatever its form."""

    offset: int
    length: int
    type: str
    uri: str | None
    fetched_at: datetime | None
    content_type: str
    """Of the block: application/http, or the media type of the body itself."""
    is_http: bool

    def known(self) -> dict[str, Any]:
        """Return the fields of Record that it fills."""
        names = ("offset", "length", "type", "uri", "fetched_at")
        return {name: getattr(self, name) for name in names}


def capture(envelope: Envelope, data: bytes, at: int) -> Record:
    """Judge a record by its block, which starts at a place: what the server sent, or a file."""
    known = envelope.known()
    if not is_web(envelope.uri):
        # Crawlers keep their own logs and settings as resources (metadata:, urn:), and answers of DNS.
        return Record(**known, outcome="skipped", reason="scheme")
    if not envelope.is_http:
        return _judged(known, data[at:], envelope.content_type)
    head = http.head(data, at)
    if head is None or head.status is None:
        return Record(**known, outcome="rejected", reason="bad_http")
    known |= said(head)
    try:
        body = decoded(
            data[at + len(head.raw) :],
            http.values(head.fields, b"transfer-encoding"),
            http.values(head.fields, b"content-encoding"),
        )
    except BodyError as error:
        return Record(**known, outcome="rejected", reason=str(error))
    return _judged(known, body, http.value(head.fields, b"content-type"))


def said(head: http.Head) -> dict[str, Any]:
    """Return the fields of Record that the head of a response fills."""
    return {
        "http_status": head.status,
        "headers_digest": sha256(head.raw).hexdigest(),
        "headers": tuple(
            (name, value) for name, raw in _RIGHTS if raw in head.fields for value in http.values(head.fields, raw)
        ),
    }


def _judged(known: dict[str, Any], body: bytes, content_type: str) -> Record:
    status = known.get("http_status")
    media_type, charset = _types(content_type)
    known |= {"payload": body, "media_type": media_type, "charset": charset}
    if evidence := "rsl" if media_type == RSL else _evidence(known["uri"]):
        # A missing robots.txt says something as well: whatever the status, it is kept.
        return Record(**known, outcome="evidence", reason=evidence)
    if status is not None and not 200 <= status <= 299:
        return Record(**known, outcome="skipped", reason=f"status_{status}")
    if not body.strip():
        return Record(**known, outcome="skipped", reason="empty")
    if media_type is None:
        known["media_type"] = media_type = detect_mime(body)
    if media_type not in TEXT_TYPES:
        return Record(**known, outcome="skipped", reason=carriers.reason(body, "content_type"))
    return Record(**known)


@lru_cache(maxsize=1 << 12)
def _types(content_type: str) -> tuple[str | None, str | None]:
    """Return the media type and the charset's label of a header: an archive has few of them, over and over."""
    return content_type.partition(";")[0].strip().lower()[:128] or None, header_label(content_type)


def _evidence(uri: str | None) -> str | None:
    # Addresses are taken apart only where one of the names stands in them.
    if not uri or not any(name in uri for name in _NAMES):
        return None
    return EVIDENCE.get(path_of(uri))
