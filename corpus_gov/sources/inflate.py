"""Bytes of a file, plain or compressed, in steps that no compressed input can make large."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import IO, Any, Final

import zstandard

CHUNK: Final = 64 << 10
ZSTD_CHUNK: Final = 1 << 10
"""zstd inflates without a limit on its output: small steps bound what one step can yield."""
PEEK: Final = 4 << 10

MAX_RATIO: Final = 200
"""Text compresses some 3 to 20 times, logs and repetitive JSON up to 100 times; deflate ends at 1,032."""
FREE_BYTES: Final = 1 << 30
"""So much may come out of any file, whatever its ratio."""
XZ_MEMORY: Final = 256 << 20
"""Largest dictionary of an xz stream; `xz -9` uses 64 MiB."""

SUFFIXES: Final = (".gz", ".zst", ".bz2", ".xz")

Source = bytes | IO[bytes]


class StreamError(Exception):
    """A compressed file ends early, is damaged or is a bomb; carries the class of the reject."""


def opened(source: Source) -> IO[bytes]:
    """Return a file of bytes."""
    return BytesIO(source) if isinstance(source, bytes) else source


def blocks(source: Source) -> Iterator[bytes]:
    """Read a file, decompressed where its first bytes say gzip, zstd, bz2 or xz.

    Args:
        source: its bytes, or the file at its start.

    Returns:
        Blocks of a few MiB at most, but for one step of gzip or zstd that expands more (32 to 66 MiB).

    Raises:
        StreamError: what comes out is more than FREE_BYTES and more than MAX_RATIO times what went in (`bomb`), or
            the stream is `truncated` or damaged (`bad_gzip`, `bad_zstd`, `bad_bz2`, `bad_xz`).
        OSError: the file cannot be read.
    """
    file = opened(source)
    head = file.read(6)
    if head[:2] == b"\x1f\x8b":
        return _bounded(_Feed(file, head), lambda: zlib.decompressobj(31), zlib.error, "bad_gzip", CHUNK)
    if head[:4] == zstandard.FRAME_HEADER:
        unzstd = zstandard.ZstdDecompressor().decompressobj
        return _bounded(_Feed(file, head), unzstd, zstandard.ZstdError, "bad_zstd", ZSTD_CHUNK)
    if head[:3] == b"BZh":
        return _bounded(_Feed(file, head), lambda: _Stepped(bz2.BZ2Decompressor()), OSError, "bad_bz2", CHUNK)
    if head == b"\xfd7zXZ\x00":
        unxz = lambda: _Stepped(lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY))  # noqa: E731
        return _bounded(_Feed(file, head), unxz, lzma.LZMAError, "bad_xz", CHUNK)
    return _plain(file, head)


def peek(source: Source) -> bytes:
    """Return the first PEEK bytes as `blocks` gives them; fewer where the file is short or damaged."""
    head = b""
    try:
        for block in blocks(source):
            head += block[:PEEK]
            if len(head) >= PEEK:
                break
    except StreamError:
        pass
    return head[:PEEK]


def whole(source: Source, limit: int) -> bytes:
    """Return a file's bytes.

    Raises:
        StreamError: as in `blocks`, or `too_large`: they are more than `limit`.
    """
    kept, size = [], 0
    for block in blocks(source):
        size += len(block)
        if size > limit:
            raise StreamError("too_large")
        kept.append(block)
    return b"".join(kept)


def _plain(file: IO[bytes], head: bytes) -> Iterator[bytes]:
    if head:
        yield head + file.read(CHUNK)
    while block := file.read(CHUNK):
        yield block


class _Feed:
    """A file with what was read ahead put back before it."""

    def __init__(self, file: IO[bytes], ahead: bytes) -> None:
        self.file, self.ahead, self.given = file, ahead, 0

    def take(self, size: int) -> bytes:
        found = self.ahead[:size]
        self.ahead = self.ahead[size:]
        found = found or self.file.read(size)
        self.given += len(found)
        return found

    def put_back(self, rest: bytes) -> None:
        self.ahead, self.given = rest + self.ahead, self.given - len(rest)


class _Stepped:
    """bz2 and xz with at most CHUNK bytes out of a step: 64 KiB of either can hold more than 1 GiB."""

    def __init__(self, inflater: Any) -> None:
        self.inflater = inflater

    def decompress(self, data: bytes) -> Iterator[bytes]:
        while True:
            yield self.inflater.decompress(data, CHUNK)
            if self.inflater.eof or self.inflater.needs_input:
                return
            data = b""

    @property
    def eof(self) -> bool:
        return bool(self.inflater.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self.inflater.unused_data)


def _bounded(
    feed: _Feed, start: Callable[[], Any], failure: type[Exception], reason: str, step: int
) -> Iterator[bytes]:
    size = 0
    for block in _members(feed, start, failure, reason, step):
        size += len(block)
        if size > FREE_BYTES and size > feed.given * MAX_RATIO:
            raise StreamError("bomb")
        yield block


def _members(
    feed: _Feed, start: Callable[[], Any], failure: type[Exception], reason: str, step: int
) -> Iterator[bytes]:
    """Inflate members, frames or streams, one after another."""
    inflater = start()
    while chunk := feed.take(step):
        try:
            made = inflater.decompress(chunk)
            yield from [made] if isinstance(made, bytes) else made
        except failure:
            raise StreamError(reason) from None
        if inflater.eof:
            # Writers pad gzip and xz members with NUL.
            feed.put_back(inflater.unused_data.lstrip(b"\0"))
            following = feed.take(step).lstrip(b"\0")
            feed.put_back(following)
            if not following:
                return
            inflater = start()
    raise StreamError("truncated")
