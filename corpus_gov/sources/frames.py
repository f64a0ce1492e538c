"""Where records lie in a WARC file, whatever is wrong with the file.

A frame is found by its own bytes alone: a damaged one is reported and the next is looked for, so that one
bad record never ends a file. What is inside a frame is read by `warc`.
"""

import mmap
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Final

from corpus_gov.sources import MAX_RECORD_BYTES

Buffer = bytes | mmap.mmap

GZIP: Final = b"\x1f\x8b\x08"
OTHER_COMPRESSION: Final = (b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00")
"""lz4, zstd, bz2, xz."""

MAX_HEADER_BYTES: Final = 64 << 10
MAX_MEMBER_BYTES: Final = 64 << 30
"""What one gzip member may inflate to: a whole archive compressed in one go, but not without end."""
IN_MEMORY_BYTES: Final = 32 << 20
"""A member that inflates to more is kept in an unnamed temporary file."""
CHUNK: Final = 256 << 10
PEEK: Final = 4 << 10

_VERSION = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r*\n")
_NEXT = re.compile(rb"\nWARC/\d\.\d{1,2}[ \t]*\r*\n")
_HEADER_END = re.compile(rb"\r*\n\r*\n")
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r*$", re.IGNORECASE | re.MULTILINE)
_BLANK = re.compile(rb"[\r\n]*")
_PADDING = re.compile(rb"\x00*")


@dataclass(frozen=True, slots=True)
class Frame:
    """A record's place in the file and its bytes, or why they cannot be had."""

    offset: int
    length: int
    """Bytes in the file. Records that share one gzip member share its offset and length."""
    data: bytes = b""
    """WARC header and block, uncompressed."""
    body: int = 0
    """Where the block starts in `data`."""
    reason: str | None = None
    """bad_record, bad_gzip, truncated, too_large or unsupported_compression."""


def frames(data: Buffer) -> Iterator[Frame]:
    """Yield the records of a WARC file, plain or gzip, in order; every byte but padding lies in a frame."""
    if data[:3] == GZIP:
        yield from _gzip_frames(data)
    elif data[:6].startswith(OTHER_COMPRESSION):
        yield Frame(0, len(data), reason="unsupported_compression")
    else:
        yield from _plain_frames(data)


def _plain_frames(data: Buffer) -> Iterator[Frame]:
    at = 0
    while True:
        at = _skip(_BLANK, data, at)
        if at >= len(data):
            return
        frame = _frame(data, at)
        yield frame
        at += frame.length


def _frame(data: Buffer, at: int) -> Frame:
    version = _VERSION.match(data, at)
    if not version:
        return Frame(at, _next(data, at) - at, reason="bad_record")
    end = _HEADER_END.search(data, version.end() - 1, at + MAX_HEADER_BYTES)
    if end and _NEXT.search(data, version.end() - 1, end.end()):
        # This header never ends: the one that does is the next record's.
        end = None
    length = _LENGTH.search(data, at, end.start() + 1) if end else None
    if not end or not length:
        return Frame(at, _next(data, at + 1) - at, reason="bad_record")
    stop = end.end() + int(length[1])
    if stop > len(data):
        following = _next(data, end.end() - 1)
        return Frame(at, following - at, reason="bad_record" if following < len(data) else "truncated")
    after = _skip(_BLANK, data, stop)
    if after < len(data) and not _VERSION.match(data, after):
        # Its length is a lie. Too long: it would swallow records that can be seen inside it. Too short: the
        # record is what it says, and the bytes that nobody claims become a frame of their own.
        inside = _next(data, end.end() - 1)
        if inside < stop:
            return Frame(at, inside - at, reason="bad_record")
    if stop - at > MAX_RECORD_BYTES:
        return Frame(at, stop - at, reason="too_large")
    return Frame(at, stop - at, data[at:stop], end.end() - at)


def _next(data: Buffer, at: int) -> int:
    """Return where the next record seems to start: a version line at the start of a line."""
    match = _NEXT.search(data, at)
    return match.start() + 1 if match else len(data)


def _skip(pattern: re.Pattern[bytes], data: Buffer, at: int) -> int:
    match = pattern.match(data, at)
    return match.end() if match else at


@dataclass(frozen=True, slots=True)
class _Member:
    data: Buffer
    end: int
    reason: str | None


def _gzip_frames(data: Buffer) -> Iterator[Frame]:
    at = 0
    while True:
        # Some writers pad to a block; gzip itself ignores that as well.
        at = _skip(_PADDING, data, at)
        if at >= len(data):
            return
        member = _inflate(data, at)
        end = _next_member(data, at + 1) if member.reason else member.end
        if member.reason == "truncated" and end < len(data):
            # The damage made it run on into members that are sound.
            member = _Member(b"", end, "bad_gzip")
        yield from _member_frames(member, at, end - at)
        at = end


def _member_frames(member: _Member, at: int, length: int) -> Iterator[Frame]:
    if member.reason in {"bad_gzip", "too_large"}:
        # A failed checksum does not say which byte is wrong: nothing in the member is believed.
        yield Frame(at, length, reason=member.reason)
        return
    reported = False
    for frame in _plain_frames(member.data):
        reported = frame.reason is not None
        yield Frame(at, length, frame.data, frame.body, frame.reason)
    if member.reason and not reported:
        yield Frame(at, length, reason=member.reason)


def _inflate(data: Buffer, at: int) -> _Member:
    """Inflate the member at `at`; its end is exact unless it is damaged."""
    inflater, size, step = zlib.decompressobj(31), 0, CHUNK >> 4
    with SpooledTemporaryFile(IN_MEMORY_BYTES) as spool:
        while not inflater.eof:
            chunk = inflater.unconsumed_tail
            if not chunk:
                chunk = data[at : at + step]
                at, step = at + len(chunk), min(step * 2, CHUNK)
            try:
                text = inflater.decompress(chunk, CHUNK)
            except zlib.error:
                return _Member(b"", at, "bad_gzip")
            if not text and not chunk:
                return _Member(_contents(spool, size), at, "truncated")
            spool.write(text)
            size += len(text)
            if size > MAX_MEMBER_BYTES:
                return _Member(b"", at, "too_large")
        return _Member(_contents(spool, size), at - len(inflater.unused_data), None)


def _contents(spool: SpooledTemporaryFile[bytes], size: int) -> Buffer:
    if size > IN_MEMORY_BYTES:
        spool.flush()
        return mmap.mmap(spool.fileno(), size, access=mmap.ACCESS_READ)
    spool.seek(0)
    return spool.read()


def _next_member(data: Buffer, at: int) -> int:
    """Return where the next gzip member begins that holds a WARC record."""
    while (at := data.find(GZIP, at)) >= 0:
        try:
            head = zlib.decompressobj(31).decompress(data[at : at + PEEK], PEEK)
        except zlib.error:
            head = b""
        if _VERSION.match(head):
            return at
        at += 1
    return len(data)
