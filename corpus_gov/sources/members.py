"""Compressed archives, member by member: gzip, zstd, lz4, bz2 and xz, whether records have members of their own or not.

A damaged member is one reject and the next is looked for. Nothing is held of a member but a window, however much it
inflates to: a long one is inflated twice, first to see that it is sound. Limits count bytes.
"""

import bz2
import io
import lzma
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import zstandard
from fastwarc.stream_io import Lz4Reader
from isal import isal_zlib

from corpus_gov.sources.frames import (
    REACH,
    RELEASE_BYTES,
    WARC,
    Buffer,
    Frame,
    Window,
    frame_at,
    frames,
    grammar_of,
    release,
    scan,
)

OTHER_COMPRESSION: Final = (b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x1f\x9d", b"\x02\x21\x4c\x18")
"""zip, 7z, compress and the old frames of lz4: archives are not written so."""

IN_MEMORY_BYTES: Final = 32 << 20
"""A member that inflates to more is not held, but inflated again piece by piece."""
FREE_BYTES: Final = 256 << 20
MAX_RATIO: Final = 256
"""A member that exceeds both is `too_large`: pages compress to a fifth, the same page over and over to a hundredth."""
FREE_WASTE: Final = 128 << 20
WASTE_RATIO: Final = 64
"""So many bytes, and these for each byte of the file, are read and written in vain; then what is left is one reject."""
MAX_WINDOW_BYTES: Final = 128 << 20
"""What a member may ask to be kept for looking back; zstd's own limit unless told otherwise."""
MAX_DICTIONARY_BYTES: Final = 32 << 20

FIRST: Final = 32 << 10
STEP: Final = 256 << 10
OUT: Final = 1 << 20
PEEK: Final = 4 << 10

_NULS = re.compile(rb"\x00*")
_IsalError: Any = isal_zlib.error  # its stub does not say that it is a class
_LINE_ENDS: Final = b"\r\n\x00"
_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_ZSTD_DICTIONARY: Final = b"\x5d\x2a\x4d\x18"
"""The skippable frame that holds it. Source: IIPC, Zstandard Compression for WARC Files 1.0."""
_BZ2_STARTS: Final = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")


class MemberError(Exception):
    """A member that cannot be inflated; carries the class of the reject."""


@dataclass(slots=True)
class _Progress:
    at: int
    """The next byte to read; in the end, the first after the member."""
    size: int = 0
    """Bytes inflated so far."""


Inflate = Callable[[Buffer, _Progress, int], Iterator[bytes]]
"""Yields what a member inflates to, at most so many bytes at a time; raises MemberError."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A compression: how a member starts, how it is inflated, and the class of the reject where it cannot be."""

    magic: bytes
    inflate: Inflate
    reason: str


@dataclass(frozen=True, slots=True)
class _Member:
    at: int
    end: int
    size: int
    head: bytes
    data: bytes | None
    """What it inflates to, unless that is too much to hold."""
    reason: str | None


def frames_of(data: Buffer) -> Iterator[Frame]:
    """Yield the records of a WARC or ARC file, compressed or not, in order; all bytes but padding lie in a frame.

    Padding is NUL and line ends, members of nothing else, and the skippable frames of zstd and lz4.
    """
    codec = _codec_of(data)
    if codec:
        return _Archive(data, codec).frames()
    if data[:6].startswith(OTHER_COMPRESSION):
        return iter([Frame(0, len(data), reason="unsupported_compression")])
    return frames(data)


def frame_of(data: Buffer, offset: int, ordinal: int) -> tuple[Frame | None, int]:
    """Return one frame of `frames_of` by its place, and how many bytes were read for it.

    There is none where the place is wrong, and where its member is too large to hold.
    """
    codec = _codec_of(data)
    if not codec:
        found = frame_at(data, offset)
        return found, len(found.data)
    archive = _Archive(data, codec)
    member = archive.member(offset)
    if member.data is None:
        return None, member.size
    return next((frame for frame in archive.frames_in(member) if frame.ordinal == ordinal), None), member.size


class _Archive:
    """A compressed file."""

    def __init__(self, data: Buffer, codec: Codec) -> None:
        self._data, self._codec = data, codec
        self._grammar = WARC
        self._waste = FREE_WASTE + WASTE_RATIO * len(data)

    def frames(self) -> Iterator[Frame]:
        at = released = 0
        while (at := self._skip(at)) < len(self._data):
            member = self.member(at)
            yield from self.frames_in(member)
            at = member.end
            if at - released >= RELEASE_BYTES:
                release(self._data, at)
                released = at

    def frames_in(self, member: _Member) -> Iterator[Frame]:
        at, length = member.at, member.end - member.at
        if member.reason not in {None, "truncated"}:
            # A failed checksum does not say which byte is wrong: nothing in the member is believed.
            yield Frame(at, length, reason=member.reason)
            return
        if member.data is not None:
            window = Window(member.data)
        else:
            window = Window(b"", member.size, lambda: self._codec.inflate(self._data, _Progress(at), OUT))
        self._grammar = grammar_of(member.head.lstrip(_LINE_ENDS)) or self._grammar
        ordinal, last = -1, None
        for ordinal, found in enumerate(scan(window, self._grammar)):
            if last:
                yield last
            last = Frame(at, length, found.data, found.body, found.reason, found.form, ordinal)
        if last and not (member.reason and last.reason):
            yield last
        if member.reason:
            # It takes the place of a last record that cannot be whole.
            yield Frame(at, length, reason=member.reason, ordinal=ordinal + 1)

    def member(self, at: int) -> _Member:
        progress, reason = _Progress(at), None
        kept: list[bytes] = []
        head = b""
        try:
            for text in self._codec.inflate(self._data, progress, OUT):
                head = head or text[:REACH]
                progress.size += len(text)
                kept.append(text)
                if progress.size > IN_MEMORY_BYTES:
                    kept.clear()
                _check_ratio(progress, at)
        except MemberError as damage:
            reason = str(damage)
        end = progress.at
        if reason:
            end = self._next(at + 1)
            self._waste -= progress.size + max(progress.at - end, 0)
            if reason == "truncated" and end < len(self._data):
                # The damage made it run on into members that are sound.
                reason = self._codec.reason
        held = None if progress.size > IN_MEMORY_BYTES else kept[0] if len(kept) == 1 else b"".join(kept)
        return _Member(at, end, progress.size, head, held, reason)

    def _skip(self, at: int) -> int:
        """Return where padding ends: some writers fill up a block, and frames may hold what is not for readers."""
        while True:
            nuls = _NULS.match(self._data, at)
            at = nuls.end() if nuls else at
            if self._codec.reason not in {"bad_zstd", "bad_lz4"} or not _SKIPPABLE.match(self._data, at):
                return at
            end = at + 8 + _number(self._data, at + 4, 4)
            if end > len(self._data):
                return at
            at = end

    def _next(self, at: int) -> int:
        """Return where the next member begins that holds a record."""
        while self._waste > 0 and (at := self._data.find(self._codec.magic, at)) >= 0:
            progress = _Progress(at)
            try:
                head = next(self._codec.inflate(self._data, progress, PEEK), b"")
            except MemberError:
                head = b""
            if grammar_of(head):
                return at
            self._waste -= PEEK + progress.at - at
            at += 1
        return len(self._data)


def _codec_of(data: Buffer) -> Codec | None:
    head = bytes(data[:10])
    if head.startswith(_ZSTD_DICTIONARY):
        return Codec(zstandard.FRAME_HEADER, _zstd(_dictionary(data)), "bad_zstd")
    if head.startswith(b"BZh") and not head[4:].startswith(_BZ2_STARTS):
        return None
    return next((codec for codec in CODECS if head.startswith(codec.magic)), None)


def _gzip(data: Buffer, progress: _Progress, out: int) -> Iterator[bytes]:
    if any(flags & 0xE0 for flags in data[progress.at + 3 : progress.at + 4]):
        raise MemberError("bad_gzip")  # reserved; RFC 1952, 2.3.1.2
    inflater, chunk, step = isal_zlib.decompressobj(31), b"", FIRST
    while not inflater.eof:
        if not chunk:
            chunk = _take(data, progress, step)
            step = min(step * 2, STEP)
        try:
            text = inflater.decompress(chunk, out)
        except _IsalError:
            raise MemberError("bad_gzip") from None
        if text:
            yield text
        elif not chunk:
            raise MemberError("truncated")
        chunk = inflater.unconsumed_tail
    progress.at -= len(inflater.unused_data)


def _stepwise(opened: Callable[[], Any], failure: type[Exception], reason: str) -> Inflate:
    def inflate(data: Buffer, progress: _Progress, out: int) -> Iterator[bytes]:
        inflater = opened()
        while not inflater.eof:
            chunk = _take(data, progress, STEP) if inflater.needs_input else b""
            if inflater.needs_input and not chunk:
                raise MemberError("truncated")
            try:
                text = inflater.decompress(chunk, out)
            except failure:
                raise MemberError(reason) from None
            if text:
                yield text
        progress.at -= len(inflater.unused_data)

    return inflate


def _check_ratio(progress: _Progress, start: int) -> None:
    if progress.size > FREE_BYTES + MAX_RATIO * (progress.at - start):
        raise MemberError("too_large")


def _take(data: Buffer, progress: _Progress, size: int) -> bytes:
    chunk = bytes(data[progress.at : progress.at + size])
    progress.at += len(chunk)
    if progress.at % RELEASE_BYTES < len(chunk):
        release(data, progress.at)
    return chunk


def _framed(
    measured: Callable[[Buffer, int], tuple[int, bool]],
    opened: Callable[[Any], Any],
    failure: type[Exception],
    reason: str,
) -> Inflate:
    """Inflate by a library that reads frames; where they end and whether they are whole their block sizes tell."""

    def inflate(data: Buffer, progress: _Progress, out: int) -> Iterator[bytes]:
        start = progress.at
        progress.at, whole = measured(data, start)
        reader = opened(_Range(data, start, progress.at))
        try:
            while text := reader.read(out):
                yield text
        except failure:
            if whole:
                raise MemberError(reason) from None
        if not whole:
            raise MemberError("truncated")

    return inflate


class _Range(io.RawIOBase):
    """A part of a file's bytes as a stream."""

    def __init__(self, data: Buffer, start: int, stop: int) -> None:
        self._data, self._start, self._at, self._stop = data, start, start, stop

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (self._start, self._at, self._stop)[whence]
        return self._at - self._start

    def readinto(self, buffer: Any) -> int:
        chunk = self._data[self._at : min(self._at + len(buffer), self._stop)]
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        return len(chunk)


def _zstd(dictionary: zstandard.ZstdCompressionDict | None = None) -> Inflate:
    one = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=MAX_WINDOW_BYTES)
    return _framed(zstd_end, one.stream_reader, zstandard.ZstdError, "bad_zstd")


def _dictionary(data: Buffer) -> zstandard.ZstdCompressionDict | None:
    """Read the dictionary of all frames; one that cannot be had makes each of them a reject."""
    body = bytes(data[8 : 8 + min(_number(data, 4, 4), MAX_DICTIONARY_BYTES)])
    if body.startswith(zstandard.FRAME_HEADER):
        try:
            body = (
                zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
                .stream_reader(body)
                .read(MAX_DICTIONARY_BYTES)
            )
        except zstandard.ZstdError:
            return None
    return zstandard.ZstdCompressionDict(body) if body else None


def zstd_end(data: Buffer, at: int) -> tuple[int, bool]:
    """Return where a frame ends and whether it is whole. Source: RFC 8878, section 3.1.1."""
    size = len(data)
    if data[at : at + 4] != zstandard.FRAME_HEADER or at + 6 > size:
        raise MemberError("truncated" if at + 6 > size else "bad_zstd")
    descriptor = data[at + 4]
    single, content = descriptor >> 5 & 1, (descriptor >> 5 & 1, 2, 4, 8)[descriptor >> 6]
    dictionary = (0, 1, 2, 4)[descriptor & 3]
    start = at + 5 + (1 - single) + dictionary
    if single:
        window = _number(data, start, content)
    else:
        exponent, mantissa = data[at + 5] >> 3, data[at + 5] & 7
        window = (1 << (10 + exponent)) // 8 * (8 + mantissa)
    if window > MAX_WINDOW_BYTES:
        raise MemberError("too_large")
    at, last = start + content, False
    while not last:
        if at + 3 > size:
            return size, False
        block = _number(data, at, 3)
        last, kind = bool(block & 1), block >> 1 & 3
        if kind == 3:
            raise MemberError("bad_zstd")
        at += 3 + (1 if kind == 1 else block >> 3)
    at += 4 * (descriptor >> 2 & 1)
    return min(at, size), at <= size


def _lz4_end(data: Buffer, at: int) -> tuple[int, bool]:
    """Return where a frame ends and whether it is whole. Source: LZ4 frame format 1.6."""
    size = len(data)
    if at + 7 > size:
        raise MemberError("truncated")
    flags = data[at + 4]
    if flags >> 6 != 1:
        raise MemberError("bad_lz4")
    at += 7 + 8 * (flags >> 3 & 1) + 4 * (flags & 1)
    while at + 4 <= size and (block := _number(data, at, 4)):
        at += 4 + (block & 0x7FFFFFFF) + 4 * (flags >> 4 & 1)
    at += 4 + 4 * (flags >> 2 & 1)
    return min(at, size), at <= size


def _number(data: Buffer, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "little")


CODECS: Final = (
    Codec(b"\x1f\x8b\x08", _gzip, "bad_gzip"),
    Codec(zstandard.FRAME_HEADER, _zstd(), "bad_zstd"),
    Codec(b"\x04\x22\x4d\x18", _framed(_lz4_end, Lz4Reader, OSError, "bad_lz4"), "bad_lz4"),
    Codec(b"BZh", _stepwise(bz2.BZ2Decompressor, OSError, "bad_bz2"), "bad_bz2"),
    Codec(
        b"\xfd7zXZ\x00",
        _stepwise(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_WINDOW_BYTES), lzma.LZMAError, "bad_xz"),
        "bad_xz",
    ),
)
"""Compressions that are read."""
