"""WARC records: what each is, and its body after transfer- and content-decoding."""

import io
import mmap
import re
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import zstandard
from fastwarc import WarcRecord
from fastwarc.stream_io import BrotliReader, ChunkedReader
from resiliparse.parse.encoding import detect_mime

from corpus_gov.sources import MAX_RECORD_BYTES, Record, instant, storable
from corpus_gov.sources.charset import header_label
from corpus_gov.sources.frames import Frame, frames
from corpus_gov.sources.hosts import is_web, path_of

TYPES: Final = frozenset(
    {"response", "resource", "revisit", "conversion", "request", "metadata", "warcinfo", "continuation"}
)
TEXT_TYPES: Final = frozenset({"text/html", "application/xhtml+xml", "text/plain", "text/markdown"})
"""Media types whose body becomes a document."""

EVIDENCE: Final = {
    "/robots.txt": "robots",
    "/ai.txt": "ai_txt",
    "/.well-known/ai.txt": "ai_txt",
    "/.well-known/tdmrep.json": "tdmrep",
}
"""Files in which a host says what may be done with its pages."""

RIGHTS_HEADERS: Final = ("link", "x-robots-tag", "content-usage", "tdm-reservation", "tdm-policy")

_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}[ \t]*(?:;[^\r\n]{0,256})?\r?\n")
_GZIP_NAMES: Final = frozenset({"gzip", "x-gzip", "deflate"})


class _BodyError(Exception):
    """A body that cannot be had; carries the class of the reject."""


def records(data: bytes | mmap.mmap) -> Iterator[Record]:
    """Read every record of a WARC file, plain or gzip.

    Args:
        data: the file's bytes.

    Returns:
        One Record for each record and for each stretch of the file that is none; never raises for content.
    """
    return map(_record, frames(data))


def _record(frame: Frame) -> Record:
    if frame.reason:
        return Record(frame.offset, frame.length, "unknown", "rejected", frame.reason)
    try:
        # The lenient mode reads bare line feeds and what old crawlers wrote.
        warc = WarcRecord.from_reader(io.BytesIO(frame.data), quirks_mode=True)
        kind = _header(warc.headers, "WARC-Type").lower()
        kind = kind if kind in TYPES else "unknown"
        known: dict[str, Any] = {
            "offset": frame.offset,
            "length": frame.length,
            "type": kind,
            "uri": _header(warc.headers, "WARC-Target-URI").strip("<> \t") or None,
            "fetched_at": instant(_header(warc.headers, "WARC-Date")),
        }
        if kind in {"response", "resource", "conversion"}:
            return _capture(warc, frame, known)
    except (OSError, ValueError, OverflowError):
        return Record(frame.offset, frame.length, "unknown", "rejected", "bad_record")
    return Record(**known, outcome="skipped", reason=kind)


def _capture(warc: Any, frame: Frame, known: dict[str, Any]) -> Record:
    if not is_web(known["uri"]):
        # Crawlers keep their own logs and settings as resources (metadata:, urn:), and answers of DNS.
        return Record(**known, outcome="skipped", reason="scheme")
    if not warc.is_http:
        content_type = _header(warc.headers, "Content-Type")
        return _judged(known, frame.data[frame.body :], content_type)
    warc.parse_http(quirks_mode=True)
    body, http = warc.reader.read(), warc.http_headers
    status = http.status_code
    if status is None or not 100 <= status <= 999:
        return Record(**known, outcome="rejected", reason="bad_http")
    block = len(frame.data) - frame.body
    known["http_status"] = int(status)
    known["headers_digest"] = sha256(frame.data[frame.body : frame.body + block - len(body)]).hexdigest()
    known["headers"] = tuple((name, value) for name in RIGHTS_HEADERS for value in _headers(http, name))
    try:
        body = _decoded(body, _header(http, "Transfer-Encoding"), _header(http, "Content-Encoding"))
    except _BodyError as error:
        return Record(**known, outcome="rejected", reason=str(error))
    return _judged(known, body, _header(http, "Content-Type"))


def _judged(known: dict[str, Any], body: bytes, content_type: str) -> Record:
    status = known.get("http_status")
    media_type = content_type.partition(";")[0].strip().lower()[:128] or None
    known |= {"payload": body, "media_type": media_type, "charset": header_label(content_type)}
    evidence = EVIDENCE.get(path_of(known["uri"]))
    if evidence:
        # A missing robots.txt says something as well: whatever the status, it is kept.
        return Record(**known, outcome="evidence", reason=evidence)
    if status is not None and not 200 <= status <= 299:
        return Record(**known, outcome="skipped", reason=f"status_{status}")
    if not body.strip():
        return Record(**known, outcome="skipped", reason="empty")
    if media_type is None:
        known["media_type"] = media_type = detect_mime(body)
    if media_type not in TEXT_TYPES:
        return Record(**known, outcome="skipped", reason="content_type")
    return Record(**known)


def _decoded(body: bytes, transfer: str, content: str) -> bytes:
    """Undo transfer- and content-encodings, outermost first.

    Many archives keep the headers of the wire beside a body that was already decoded: an encoding whose
    marks are not in the body is taken as undone.
    """
    for name in [*_tokens(transfer), *_tokens(content)]:
        if name == "chunked":
            body = _unchunked(body)
        elif name in _GZIP_NAMES:
            body = _inflated(body, name)
        elif name == "zstd" and body.startswith(zstandard.FRAME_HEADER):
            body = _read(zstandard.ZstdDecompressor().stream_reader(body), zstandard.ZstdError)
        elif name == "br":
            body = _unbrotlied(body)
    return body


def _tokens(value: str) -> list[str]:
    # The last one named was applied last.
    return [token.strip().lower() for token in reversed(value.split(","))]


def _unchunked(body: bytes) -> bytes:
    if not _CHUNK_SIZE.match(body):
        return body
    return _read(ChunkedReader(io.BytesIO(body)), OSError)


def _unbrotlied(body: bytes) -> bytes:
    try:
        return _read(BrotliReader(io.BytesIO(body)), OSError)
    except _BodyError:
        # Brotli has no mark; markup or text that it cannot read was never compressed.
        if body.lstrip()[:1] == b"<" or detect_mime(body).startswith("text/"):
            return body
        raise


def _inflated(body: bytes, name: str) -> bytes:
    if body[:2] == b"\x1f\x8b":
        return _zlib(body, 31)
    if len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0:
        return _zlib(body, 15)  # zlib's own header check (RFC 1950)
    if name != "deflate":
        return body
    try:
        return _zlib(body, -15)  # some servers send bare deflate
    except _BodyError:
        return body


def _zlib(body: bytes, bits: int) -> bytes:
    inflater = zlib.decompressobj(bits)
    try:
        text = inflater.decompress(body, MAX_RECORD_BYTES + 1)
    except zlib.error:
        raise _BodyError("bad_encoding") from None
    if len(text) > MAX_RECORD_BYTES:
        raise _BodyError("too_large")
    if not inflater.eof:
        raise _BodyError("truncated")
    return text


def _read(reader: Any, failure: type[Exception]) -> bytes:
    try:
        text: bytes = reader.read(MAX_RECORD_BYTES + 1)
    except failure:
        raise _BodyError("bad_encoding") from None
    if len(text) > MAX_RECORD_BYTES:
        raise _BodyError("too_large")
    return text


def _header(headers: Any, name: str) -> str:
    return next(iter(_headers(headers, name)), "")


def _headers(headers: Any, name: str) -> list[str]:
    # Bytes that are not UTF-8 come from old servers: Latin-1 loses none of them.
    values = headers.get_bytes_multiple(name.encode())
    return [storable(_text(value)).strip() for value in values]


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
