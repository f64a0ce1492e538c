"""Where records lie in a WARC or ARC file, whatever is wrong with the file.

A frame is found by its own bytes alone: a damaged one is reported and the next is looked for, so that one bad record
never ends a file. Compressed members are opened by `members`; what is inside a frame is read by `warc` and `arc`.
Work is linear in the bytes: no search goes over a byte twice, but for a few lies about lengths that are counted.
"""

import mmap
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from corpus_gov.sources import MAX_RECORD_BYTES

Buffer = bytes | bytearray | mmap.mmap

MAX_HEADER_BYTES: Final = 64 << 10
MAX_PADDING_BYTES: Final = 64 << 10
"""So much padding after a record is looked through for what follows; more is padding as well, but proves nothing."""
REACH: Final = 16 << 10
"""No line that starts a record is longer: WARC's has a dozen bytes, ARC's an address."""
CHUNK: Final = 1 << 20
"""What lies behind is let go in steps of this size."""
RELEASE_BYTES: Final = 32 << 20
"""Pages of a mapped file that lie behind are given back in steps of this size."""
MAX_REWINDS: Final = 16
"""A member too large for memory is opened anew so often for lengths that lied; then they are believed."""

_PADDING = re.compile(rb"[\r\n\x00]*")
_VERSION: Final = rb"WARC/\d\.\d{1,2}[ \t]{0,64}\r{0,8}\n"
_HEADER_END = re.compile(rb"\n(?:\r*(\n)|%s)" % _VERSION)
_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,18})[ \t]*\r*$", re.IGNORECASE | re.MULTILINE)
_URL_RECORD: Final = (
    rb"(?P<uri>[a-z][a-z0-9+.\-]{1,31}:%s) (?P<address>[0-9a-f.:]{1,45}|-) (?P<date>\d{8,18}) "
    rb"(?P<rest>[^\r\n]{0,512}) (?P<length>[\w\-]{1,20})[ \t]{0,64}\r?\n"
)
ARC_LINE: Final = re.compile(_URL_RECORD % rb"[^\r\n]{0,8192}?", re.IGNORECASE)
"""An URL-record of version 1 or 2, whose address may hold spaces. Source: Internet Archive, ARC file format, 1996."""
_ARC_FOLLOWING = re.compile(rb"\n" + _URL_RECORD % rb"[^ \r\n]{0,8192}", re.IGNORECASE)
"""Where one is looked for it may not: a search has to be linear."""

Opened = Callable[[], Iterator[bytes]]


@contextmanager
def mapped(path: str) -> Iterator[Buffer]:
    """Hold the bytes of a file for the length of a `with` block; OSError where it cannot be read."""
    with Path(path).open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            yield b""  # which cannot be mapped
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


@dataclass(frozen=True, slots=True)
class Frame:
    """A record's place in the file and its bytes, or why they cannot be had."""

    offset: int
    length: int
    """Bytes in the file. Records that share one compressed member share its offset and length."""
    data: bytes = b""
    """Header and block, uncompressed."""
    body: int = 0
    """Where the block starts in `data`."""
    reason: str | None = None
    """bad_record, truncated, too_large; of a member also bad_gzip, bad_zstd, bad_lz4, bad_bz2 or bad_xz."""
    form: str = "warc"
    """warc or arc."""
    ordinal: int = 0
    """How many frames of the same member come before."""


class Window:
    """Bytes of a file or member: all of them, or as many as are needed at a time."""

    def __init__(self, data: Buffer, size: int | None = None, opened: Opened | None = None) -> None:
        """Look at `data`, or at the `size` bytes that `opened` yields, the same whenever it is called."""
        self._data: Any = data if opened is None else bytearray()
        self._size = len(data) if size is None else size
        self._opened, self._chunks = opened, opened() if opened else iter(())
        self._rewinds, self._released = MAX_REWINDS, 0
        self.start = 0
        """Where what is held starts: matches count from there."""

    def reaches(self, at: int) -> bool:
        """Tell whether there are bytes up to `at`."""
        return at <= self._size

    def match(self, pattern: re.Pattern[bytes], at: int) -> re.Match[bytes] | None:
        """Match at a place."""
        self._load(at + REACH)
        return pattern.match(self._data, at - self.start)

    def search(self, pattern: re.Pattern[bytes], at: int, stop: int) -> re.Match[bytes] | None:
        """Search between two places."""
        self._load(stop)
        return pattern.search(self._data, at - self.start, stop - self.start)

    def cut(self, at: int, stop: int) -> bytes:
        """Return the bytes between two places."""
        self._load(stop)
        return bytes(self._data[at - self.start : stop - self.start])

    def padded(self, at: int, stop: int) -> int:
        """Return where padding ends that starts at `at`, looking no further than `stop`."""
        self._load(stop)
        match = _PADDING.match(self._data, at - self.start, stop - self.start)
        return self.start + match.end() if match else at

    def unpadded(self, at: int) -> int:
        """Return where padding ends that starts at `at`; it is let go."""
        while (after := self.padded(at, at + MAX_PADDING_BYTES)) == at + MAX_PADDING_BYTES:
            at = after
            self.forget(at)
        return after

    def following(self, grammar: "Grammar", at: int) -> int:
        """Return where the next record seems to start, at or after `at`, or the end; what lies before is let go."""
        at -= 1
        while True:
            self.forget(at)
            upto = self._size if self._opened is None else at + RELEASE_BYTES
            match = self.search(grammar.following, at, upto)
            if match:
                return self.start + match.start() + 1
            if upto >= self._size:
                return self._size
            at = upto - REACH

    def pass_over(self, grammar: "Grammar", at: int, stop: int) -> int | None:
        """Return where the first record seems to start between two places; what is not all there is let go."""
        first = None
        at -= 1
        while first is None or self._opened is not None:
            upto = min(stop, at + RELEASE_BYTES)
            match = None if first is not None else self.search(grammar.following, at, upto)
            if match:
                first = self.start + match.start() + 1
            if upto == stop:
                break
            at = upto - REACH
            self._load(upto)
            self.forget(at)
        return first

    def forget(self, at: int) -> None:
        """Let go of what lies before `at`."""
        if self._opened is None:
            if at - self._released >= RELEASE_BYTES:
                release(self._data, at)
                self._released = at
        elif at - self.start >= CHUNK:
            del self._data[: at - self.start]
            self.start = at

    def can_rewind(self, at: int) -> bool:
        """Tell whether `rewind` may be called."""
        return at >= self.start or self._rewinds > 0

    def rewind(self, at: int) -> None:
        """Go back to what was let go."""
        if at >= self.start or self._opened is None:
            return
        self._rewinds -= 1
        self._data, self.start, self._chunks = bytearray(), 0, self._opened()
        while self.start + len(self._data) < at:
            self.start += len(self._data)
            self._data.clear()
            self._data += next(self._chunks)
        del self._data[: at - self.start]
        self.start = at

    def _load(self, stop: int) -> None:
        if self._opened is None:
            return
        missing = min(stop, self._size) - self.start - len(self._data)
        while missing > 0:
            chunk = next(self._chunks)
            self._data += chunk
            missing -= len(chunk)


def release(data: Buffer, at: int) -> None:
    """Give pages before `at` back to the system: read once, they would count as memory of this process."""
    if isinstance(data, mmap.mmap):
        data.madvise(mmap.MADV_DONTNEED, 0, at - at % mmap.PAGESIZE)


@dataclass(frozen=True, slots=True)
class Grammar:
    """How records of one form begin."""

    form: str
    start: re.Pattern[bytes]
    following: re.Pattern[bytes]
    """`start` after a line end."""
    head: Callable[[Window, int], tuple[int, int] | None]
    """Where the block of the record at a place starts, and how long it says it is; null: that is no header."""


def _warc_head(window: Window, at: int) -> tuple[int, int] | None:
    version = window.match(WARC.start, at)
    if not version:
        return None
    line = window.start + version.end() - 1
    # Whatever comes first: the header's end, or another record because this header never ends.
    end = window.search(_HEADER_END, line, at + MAX_HEADER_BYTES)
    length = window.search(_LENGTH, line, window.start + end.start() + 1) if end and end[1] else None
    return (window.start + end.end(), int(length[1])) if end and length else None


def _arc_head(window: Window, at: int) -> tuple[int, int] | None:
    line = window.match(ARC_LINE, at)
    if not line or not line["length"].isdigit():
        return None
    return window.start + line.end(), int(line["length"])


WARC: Final = Grammar("warc", re.compile(_VERSION), re.compile(rb"[\r\n]" + _VERSION), _warc_head)
ARC: Final = Grammar("arc", ARC_LINE, _ARC_FOLLOWING, _arc_head)


def grammar_of(head: Buffer) -> Grammar | None:
    """Tell by its first bytes how to read a file or member; null: it starts with no record."""
    return next((one for one in (WARC, ARC) if one.start.match(head)), None)


def scan(window: Window, grammar: Grammar) -> Iterator[Frame]:
    """Yield the records of a window in order; every byte but padding lies in a frame."""
    at = 0
    while True:
        at = window.unpadded(at)
        if not window.reaches(at + 1):
            return
        frame = _frame(window, grammar, at)
        yield frame
        at += frame.length
        window.forget(at)


def _frame(window: Window, grammar: Grammar, at: int) -> Frame:
    head = grammar.head(window, at)
    if head is None:
        return Frame(at, window.following(grammar, at + 1) - at, reason="bad_record")
    body, stop = head[0], head[0] + head[1]
    if not window.reaches(stop):
        following = window.following(grammar, body)
        return Frame(at, following - at, reason="bad_record" if window.reaches(following + 1) else "truncated")
    if stop - at > MAX_RECORD_BYTES:
        inside = window.pass_over(grammar, body, stop)
        if inside is None or _ends(window, grammar, stop) or not window.can_rewind(inside):
            return Frame(at, stop - at, reason="too_large")
        window.rewind(inside)
        return Frame(at, inside - at, reason="bad_record")
    if not _ends(window, grammar, stop):
        # Its length is a lie. Too long: it would swallow records that can be seen inside it. Too short: the
        # record is what it says, and the bytes that nobody claims become a frame of their own.
        seen = window.search(grammar.following, body - 1, stop)
        if seen:
            return Frame(at, window.start + seen.start() + 1 - at, reason="bad_record")
    return Frame(at, stop - at, window.cut(at, stop), body - at, form=grammar.form)


def _ends(window: Window, grammar: Grammar, stop: int) -> bool:
    """Tell whether the file ends at a place, but for padding, or another record starts."""
    after = window.padded(stop, stop + MAX_PADDING_BYTES)
    if after == stop + MAX_PADDING_BYTES or not window.reaches(after + 1):
        return True
    return window.match(grammar.start, after) is not None


def frames(data: Buffer) -> Iterator[Frame]:
    """Yield the records of a file that is not compressed."""
    window = Window(data)
    start = window.unpadded(0)
    return scan(window, grammar_of(data[start : start + REACH]) or WARC)


def frame_at(data: Buffer, at: int) -> Frame:
    """Return the frame of `frames` that starts at a place."""
    return _frame(Window(data), grammar_of(data[at : at + REACH]) or WARC, at)
