"""JSON files: one array of documents, one object, or objects one after another; any size in bounded memory.

Elements are cut by following strings and brackets, and parsed one by one: a wrong element does not end the file,
unless it leaves a string or bracket open.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import orjson

from corpus_gov.sources import MAX_RECORD_BYTES, Record, inflate, jsonl, rows
from corpus_gov.sources.inflate import Source, StreamError
from corpus_gov.sources.rows import Place

_SPACE: Final = b" \t\r\n"
# Possessive: what was matched is never tried again, so that a long string costs its length.
_IN_STRING = re.compile(rb"(?:[^\"\\]++|\\.)*+", re.DOTALL)
_OUTSIDE = re.compile(rb"[\"{}\[\],]")


def records(source: Source, fields: tuple[tuple[str, str], ...]) -> Iterator[Record]:
    """Read a JSON file, plain or compressed; a file of JSON lines under this name is read as one.

    Args:
        source: its bytes, or the file at its start.
        fields: as in `jsonl.records`.

    Returns:
        One Record a document: of each element of an array, of each object; an object that holds no text itself
        but one list of objects, or objects only, is one record with these as parts. Offset and length count in
        the decompressed file.
    """
    file = inflate.opened(source)
    start = file.tell()
    lines = _is_lines(inflate.peek(file))
    file.seek(start)
    if lines:
        yield from jsonl.records(file, fields, container=True)
        return
    cutter = _Cutter()
    try:
        for chunk in chain(inflate.blocks(file), [b""]):
            for at, length, data in cutter.cut(chunk, last=not chunk):
                yield from rows.records(data, Place(at, length), fields, container=not cutter.array)
    except StreamError as error:
        yield Record(cutter.start, 0, "line", "rejected", str(error))
        return
    if cutter.open:
        yield Record(cutter.start, cutter.at - cutter.start, "line", "rejected", "truncated")


def _is_lines(head: bytes) -> bool:
    """Tell JSON lines by a first line that is an object of its own, with more behind it."""
    first, end, _ = head.removeprefix(codecs.BOM_UTF8).lstrip(_SPACE).partition(b"\n")
    if not first.startswith(b"{"):
        return False
    if not end:
        # The line is longer than what was looked at. Written out over lines, an object breaks earlier.
        return len(head) >= inflate.PEEK
    try:
        return isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


@dataclass(slots=True)
class _Cutter:
    """Cuts a stream of JSON into the elements of its top-level array, or into its top-level objects."""

    at: int = 0
    """Bytes before the chunk that comes next."""
    start: int = 0
    """Where the element in hand begins."""
    array: bool = False
    depth: int = 0
    in_string: bool = False
    escaped: bool = False
    """The last chunk ended between a backslash and what it escapes."""
    kept: list[bytes] = field(default_factory=list)
    size: int = 0

    @property
    def open(self) -> bool:
        """Whether the file ended inside an element or before the end of its array."""
        return self.depth > 0 or self.in_string

    def cut(self, chunk: bytes, *, last: bool) -> Iterator[tuple[int, int, bytes]]:
        """Yield place, length and bytes of the elements that end in this chunk."""
        place = taken = 0
        if self.at == 0 and chunk.startswith(codecs.BOM_UTF8):
            place = taken = self.start = len(codecs.BOM_UTF8)
        while place < len(chunk):
            if self.in_string:
                place = self._through_string(chunk, place)
                continue
            found = _OUTSIDE.search(chunk, place)
            if not found:
                break
            token, place = found[0], found.end()
            if token == b'"':
                self.in_string = True
                continue
            first = token == b"[" and self.depth == 0
            if first:
                first = not self._keep(chunk[taken : place - 1])
                taken = place - 1
            ends = self._follow(token, first=first)
            if ends or first:
                # The comma or bracket that ends an element of an array is no part of it.
                inside = token in b"}]" and ends == "object"
                self._keep(b"" if first else chunk[taken : place if inside else place - 1])
                stray = token == b"}" and ends == "element"
                yield from self._finish(self.at + place - stray)
                if stray:
                    # A brace closes an array as well as its own bracket does, but is a reject: no byte goes unsaid.
                    self._keep(token)
                    yield from self._finish(self.at + place)
                taken = place
        self._keep(chunk[taken:])
        self.at += len(chunk)
        if last and not self.open:
            yield from self._finish(self.at)

    def _follow(self, token: bytes, *, first: bool) -> str:
        """Count a bracket or comma; say what ends with it: an object, an element or nothing."""
        if token in b"{[":
            self.array = self.array or first
            self.depth += 1
            return ""
        if token == b",":
            return "element" if self.depth == (1 if self.array else 0) else ""
        self.depth -= 1
        if self.depth > 0:
            return ""
        ended = "element" if self.array else "object"
        self.depth, self.array = 0, False
        return ended

    def _through_string(self, chunk: bytes, place: int) -> int:
        found = _IN_STRING.match(chunk, place + self.escaped)
        end = found.end() if found else len(chunk)
        self.in_string = chunk[end : end + 1] != b'"'
        self.escaped = chunk[end : end + 1] == b"\\"
        return end + 1

    def _keep(self, data: bytes) -> bool:
        """Take bytes into the element; what exceeds the longest record is counted, not kept. Tell if it has any."""
        if self.size == 0:
            spaces = len(data) - len(data.lstrip(_SPACE))
            self.start, data = self.start + spaces, data[spaces:]
        self.size += len(data)
        if self.size <= MAX_RECORD_BYTES:
            self.kept.append(data)
        else:
            self.kept.clear()
        return self.size > 0

    def _finish(self, following: int) -> Iterator[tuple[int, int, bytes]]:
        data, start = b"".join(self.kept), self.start
        size = self.size - len(data) + len(data := data.rstrip(_SPACE))
        self.kept, self.size, self.start = [], 0, following
        if size:
            yield start, size, data
