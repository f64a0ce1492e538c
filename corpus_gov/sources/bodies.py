"""Bodies of responses without their transfer- and content-encodings.

A body that breaks off is rejected as `truncated` although its beginning could be had: it would be a document that the
host never published, under a digest that no whole copy shares.
"""

import io
import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import zstandard
from fastwarc.stream_io import BrotliReader
from isal import isal_zlib
from resiliparse.parse.encoding import detect_mime

from corpus_gov.sources import MAX_RECORD_BYTES
from corpus_gov.sources.members import MAX_WINDOW_BYTES, MemberError, zstd_end

MAX_ENCODINGS: Final = 8
"""Each may multiply the bytes; servers apply one or two."""

GZIP: Final = b"\x1f\x8b"
_IsalError: Any = isal_zlib.error  # its stub does not say that it is a class
_CHUNK_SIZE = re.compile(rb"(?:\r?\n)?([0-9a-fA-F]{1,16})[ \t]{0,16}(?:;[^\r\n]{0,256})?\r?\n")


class BodyError(Exception):
    """A body that cannot be had; carries the class of the reject: bad_encoding, truncated or too_large."""


def decoded(body: bytes, transfer: Iterable[str], content: Iterable[str]) -> bytes:
    """Undo transfer- and content-encodings, outermost first.

    Many archives keep the headers of the wire beside a body that was already decoded: an encoding whose marks are not
    in the body is taken as undone, and so is one that nobody knows.

    Args:
        body: as the record has it.
        transfer: values of Transfer-Encoding.
        content: values of Content-Encoding.

    Raises:
        BodyError: it is damaged, ends early, or is longer than a record may be.
    """
    names = [*_names(transfer), *_names(content)]
    if len(names) > MAX_ENCODINGS:
        raise BodyError("bad_encoding")
    for name in names:
        decode = _DECODERS.get(name)
        body = decode(body) if decode else body
    return body


def _names(lines: Iterable[str]) -> list[str]:
    # The last one named was applied last.
    return [name.strip().lower() for line in lines for name in line.split(",") if name.strip()][::-1]


def _unchunked(body: bytes) -> bytes:
    """Join chunks; trailers are left out. Source: RFC 9112, section 7.1, and bare line feeds."""
    parts: list[bytes] = []
    at = 0
    while line := _CHUNK_SIZE.match(body, at):
        start, size = line.end(), int(line[1], 16)
        if not size:
            return b"".join(parts)
        at = start + size
        if at > len(body):
            raise BodyError("truncated")
        parts.append(body[start:at])
    if at == 0:
        return body
    raise BodyError("bad_encoding" if at + 2 < len(body) else "truncated")


def _gunzipped(body: bytes) -> bytes:
    if body[:2] == GZIP:
        return _members(body)
    if len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0:
        return _inflated(body, 15)[0]  # zlib's own header check (RFC 1950)
    return body


def _undeflated(body: bytes) -> bytes:
    undone = _gunzipped(body)
    if undone is not body:
        return undone
    try:
        return _inflated(body, -15)[0]  # some servers send bare deflate
    except BodyError:
        return body


def _members(body: bytes) -> bytes:
    parts, size = [], 0
    while body[:2] == GZIP:
        text, body = _inflated(body, 31)
        parts.append(text)
        size += len(text)
        if size > MAX_RECORD_BYTES:
            raise BodyError("too_large")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflated(body: bytes, bits: int) -> tuple[bytes, bytes]:
    """Inflate, and return what comes after as well."""
    inflater = isal_zlib.decompressobj(bits)
    try:
        text: bytes = inflater.decompress(body, MAX_RECORD_BYTES + 1)
    except _IsalError:
        raise BodyError("bad_encoding") from None
    if len(text) > MAX_RECORD_BYTES:
        raise BodyError("too_large")
    if not inflater.eof:
        raise BodyError("truncated")
    return text, inflater.unused_data


def _unzstd(body: bytes) -> bytes:
    if not body.startswith(zstandard.FRAME_HEADER):
        return body
    try:
        _, whole = zstd_end(body, 0)
    except MemberError as error:
        raise BodyError("too_large" if str(error) == "too_large" else "bad_encoding") from None
    text = _read(zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES).stream_reader(body), zstandard.ZstdError)
    if not whole:
        raise BodyError("truncated")
    return text


def _unbrotlied(body: bytes) -> bytes:
    try:
        return _read(BrotliReader(io.BytesIO(body)), OSError)
    except BodyError:
        # Brotli has no mark; markup or text that it cannot read was never compressed.
        if body.lstrip()[:1] == b"<" or detect_mime(body).startswith("text/"):
            return body
        raise


def _read(reader: Any, failure: type[Exception]) -> bytes:
    try:
        text: bytes = reader.read(MAX_RECORD_BYTES + 1)
    except failure:
        raise BodyError("bad_encoding") from None
    if len(text) > MAX_RECORD_BYTES:
        raise BodyError("too_large")
    return text


_DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "chunked": _unchunked,
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _undeflated,
    "zstd": _unzstd,
    "br": _unbrotlied,
}
