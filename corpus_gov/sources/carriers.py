"""Labels of AI-generated content inside of files that are not read as text: PDF, office documents, pictures, film.

A scanner, no reader of formats: it looks for the name AIGC and the object behind it, where they stand uncompressed, and
inflates the few parts in which formats put what they say of themselves. No more than fixed numbers of bytes, parts and
names is looked at, so that a hostile file costs no more than a large one. Nothing of XML is resolved or expanded.
"""

import io
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final

from corpus_gov import aigc
from corpus_gov.sources import zips

MAX_BYTES: Final = 64 << 20
"""So much of a file is looked at."""
MAX_NAMES: Final = 256
"""So many places of the name are read, in a file and in each part of it that is inflated."""
MAX_CHARS: Final = 2_000
"""Of one label, as in other carriers."""
MAX_PARTS: Final = 512
"""Streams of a PDF, chunks of text of a PNG, that are inflated."""
MAX_PART_BYTES: Final = 1 << 20
MAX_INFLATED_BYTES: Final = 16 << 20
"""Of all parts of a file together."""

REASON: Final = "aigc"
"""Begins the reason of a capture of such a file that has a label; the note of `aigc.Label` follows."""

_PDF, _ZIP, _PNG = b"%PDF-", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n"
_STARTS: Final = (
    _PDF, _ZIP, _PNG, b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\x00", b"MM\x00*", b"ID3", b"FLV\x01",
    b"\x1a\x45\xdf\xa3",
)  # fmt: skip
_DESCRIBED: Final = ("docProps/custom.xml", "docProps/core.xml", "docProps/app.xml", "meta.xml")
"""Members of office documents that say what the document is; the last of OpenDocument."""

_NAME = re.compile(rb"AIGC|A\x00I\x00G\x00C")
# Between the name and its value stand quotes, the end of a tag, a NUL, and what XML or EXIF put there.
_VALUE = re.compile(r"AIGC[^{]{0,80}(\{.*)", re.DOTALL)
_NAMED: Final = 80
_REFERENCE = re.compile(rb"/AIGC\s{1,8}([0-9]{1,10})\s{1,8}([0-9]{1,5})\s{1,8}R")
_MAX_REFERENCES: Final = 4
_STRING = re.compile(rb"/AIGC\s{0,8}([(<])(?!<)")
_OBJECT = re.compile(rb"\s{0,8}obj\s{0,8}([(<])(?!<)")
_ESCAPED = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n|[\s\S]))")
_ESCAPES: Final = {
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"b": b"\b",
    b"f": b"\f",
    b"\n": b"",
    b"\r": b"",
    b"\r\n": b"",
}


def reason(data: bytes, otherwise: str) -> str:
    """Return why a file is not read as text: with its label where it has one.

    Args:
        data: the file, or its first MAX_BYTES.
        otherwise: the reason of a file without a label.
    """
    label = read(data)
    return f"{REASON}:{label.note}" if label else otherwise


def head(file: IO[bytes]) -> bytes:
    """Read as much of a file as is looked at; little of one whose first bytes name no format with labels."""
    start = file.read(16)
    return start + file.read(MAX_BYTES - len(start)) if carries(start) else start


def carries(start: bytes) -> bool:
    """Say whether the first bytes are those of a format that labels are looked for in."""
    return start.startswith(_STARTS) or start[4:8] == b"ftyp" or start[:2] in {b"\xff\xfb", b"\xff\xf3"}


def read(data: bytes) -> aigc.Label | None:
    """Read the label of a file of another format than text; never raises for content.

    Of several labels, which the standard does not allow, the one that keeps best to it is returned.

    Source: GB 45438-2025, Annex E; TC260-PG-20258A and 20259A on where files hold it.
    """
    if not carries(data[:16]):
        return None
    found: aigc.Label | None = None
    for said in _said(data[:MAX_BYTES]):
        label = aigc.read(said)
        if label and (found is None or _rank(label) < _rank(found)):
            found = label
            if label.conformance == aigc.CONFORMANCES[0]:
                break
    return found


def _rank(label: aigc.Label) -> tuple[int, bool]:
    # Of one that was decoded in the wrong byte order, no producer can be read.
    return aigc.CONFORMANCES.index(label.conformance), label.producer == "none"


def _said(data: bytes) -> Iterator[str]:
    """Yield what stands behind the name AIGC, wherever in a file it is."""
    if data.startswith(_PDF):
        yield from _info(data)
        parts = _streams(data)
    elif data.startswith(_ZIP):
        for part in _members(data):
            yield from _scanned(part)
        return
    elif data.startswith(_PNG):
        parts = _compressed_chunks(data)
    else:
        parts = iter(())
    yield from _scanned(data)
    for part in parts:
        yield from _info(part)
        yield from _scanned(part)


def _scanned(data: bytes) -> Iterator[str]:
    for match in islice(_NAME.finditer(data), MAX_NAMES):
        for codec, at in _codecs(match):
            window = data[at : at + 2 * (MAX_CHARS + _NAMED)].decode(codec, "replace")
            if value := _VALUE.match(window[window.find("A") :]):
                yield f"AIGC {_object(value[1])}"


def _codecs(match: re.Match[bytes]) -> tuple[tuple[str, int], ...]:
    if match[0] == b"AIGC":
        return (("utf-8", match.start()),)
    # In ASCII both byte orders show the same bytes; only what is said in other letters tells them apart.
    return ("utf-16-le", match.start()), ("utf-16-be", max(match.start() - 1, 0))


def _object(said: str) -> str:
    """Cut an object off where its brackets close, or where nothing belongs to it any more."""
    depth = 0
    for place, letter in enumerate(said[:MAX_CHARS]):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return said[: place + 1]
    return said[:MAX_CHARS]


def _info(data: bytes) -> Iterator[str]:
    """Yield the strings under a key /AIGC of a PDF, there or in the object that the key refers to."""
    for match in islice(_STRING.finditer(data), MAX_NAMES):
        yield f"AIGC {_string(data, match)}"
    for reference in islice(_REFERENCE.finditer(data), _MAX_REFERENCES):
        place = re.search(rb"[\r\n ]%d %d" % (int(reference[1]), int(reference[2])) + _OBJECT.pattern, data)
        if place:
            yield f"AIGC {_string(data, place)}"


def _string(data: bytes, opening: re.Match[bytes]) -> str:
    """Decode a string of a PDF. Source: ISO 32000-1, 7.3.4 and 7.9.2.2."""
    window = data[opening.end() : opening.end() + 6 * MAX_CHARS]
    if opening[1] == b"<":
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", window.partition(b">")[0])
        raw = bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode())
    else:
        raw = _ESCAPED.sub(_unescaped, window[: _closing(window)])
    for mark, codec in ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le")):
        if raw.startswith(mark):
            return raw[2:].decode(codec, "replace")[:MAX_CHARS]
    return raw.decode("utf-8", "replace").removeprefix("\ufeff")[:MAX_CHARS]


def _closing(window: bytes) -> int:
    depth, at = 1, 0
    for match in re.finditer(rb"\\[\s\S]|[()]", window):
        at = match.start()
        depth += (match[0] == b"(") - (match[0] == b")")
        if depth == 0:
            return at
    return len(window)


def _unescaped(match: re.Match[bytes]) -> bytes:
    if match[1]:
        return bytes((int(match[1], 8) & 0xFF,))
    return _ESCAPES.get(match[2], match[2])


def _streams(data: bytes) -> Iterator[bytes]:
    """Yield metadata and objects that a PDF holds deflated; other filters and encryption are not undone."""
    room = MAX_INFLATED_BYTES
    for match in islice(re.finditer(rb"/(?:ObjStm|Metadata)\b", data), MAX_PARTS):
        start = data.find(b"stream", match.end(), match.end() + 512)
        if start >= 0 and room > 0:
            start += 6
            start += 2 if data[start : start + 2] == b"\r\n" else 1
            part = _inflated(data, start, room)
            room -= len(part)
            yield part


def _compressed_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the compressed texts of a PNG with their keywords. Source: PNG (third edition), 5.3 and 11.3.3."""
    at, room, left = len(_PNG), MAX_INFLATED_BYTES, MAX_PARTS
    while at + 8 <= len(data) and left:
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + size] if kind in {b"zTXt", b"iTXt"} and size <= MAX_PART_BYTES else b""
        at += 12 + size
        keyword, _, rest = body.partition(b"\0")
        if kind == b"iTXt" and rest[:1] == b"\1":
            # Behind two flags stand the language and the keyword in it.
            rest = b"\0".join(rest[2:].split(b"\0", 2)[2:])
        elif kind == b"zTXt":
            rest = rest[1:]
        else:
            continue
        part = _inflated(rest, 0, room)
        room, left = room - len(part), left - 1
        yield keyword[:79] + b"\0" + part


def _inflated(data: bytes, start: int, room: int) -> bytes:
    """Inflate at most MAX_PART_BYTES; of what is damaged, nothing."""
    inflater, taken = zlib.decompressobj(), data[start : start + MAX_PART_BYTES]
    try:
        return inflater.decompress(taken, max(1, min(MAX_PART_BYTES, room)))
    except zlib.error:
        return b""


def _members(data: bytes) -> Iterator[bytes]:
    """Yield what office documents say of themselves; of an archive that is damaged or hostile, nothing."""
    file = io.BytesIO(data)
    try:
        for member in zips.members(file):
            if member.name in _DESCRIBED and member.reason is None:
                with zips.opened(file, member.index) as opened:
                    yield opened.read(MAX_PART_BYTES)
    except (zips.ZipError, OSError, *zips.FAILURES):
        return
