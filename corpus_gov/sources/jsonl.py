"""JSON lines, plain, gzip, zstd, bz2 or xz: one record a line."""

import codecs
from collections.abc import Iterator

from corpus_gov.errors import IntegrityError
from corpus_gov.sources import MAX_RECORD_BYTES, Record, inflate, rows
from corpus_gov.sources.inflate import Source, StreamError
from corpus_gov.sources.rows import Place


class _Count:
    """Line ends that pass, counted apart from the lines that are cut at them."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks, self.ends, self.last = chunks, 0, b"\n"

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.ends += chunk.count(b"\n")
            self.last = chunk[-1:] or self.last
            yield chunk

    @property
    def lines(self) -> int:
        return self.ends + (self.last != b"\n")


def records(source: Source, fields: tuple[tuple[str, str], ...], *, container: bool = False) -> Iterator[Record]:
    """Read every line of a JSONL file; blank lines are no records.

    Args:
        source: the file's bytes, or the file at its start.
        fields: pairs of our name and the delivery's: an unmapped name stands for itself, and a dot descends
            into an object where the name with the dot is not there. Without pairs the usual shapes are recognised
            (`fields.recognised`).
        container: as in `rows.records`.

    Returns:
        One Record a document, with offset and length of its line in the decompressed file; a damaged end is one
        more.

    Raises:
        IntegrityError: a line was lost (a bug).
    """
    at, seen = 0, 0
    counted = _Count(inflate.blocks(source))
    try:
        for line, length in lines(iter(counted)):
            # A byte-order mark before the first line is no part of it.
            text = line.removeprefix(codecs.BOM_UTF8) if at == 0 else line
            text = text.rstrip(b"\r\n")
            if text.strip() or length > MAX_RECORD_BYTES:
                yield from rows.records(text, Place(at, length), fields, container=container)
            at, seen = at + length, seen + 1
    except StreamError as error:
        yield Record(at, 0, "line", "rejected", str(error))
        return
    if counted.lines != seen:
        raise IntegrityError(f"JSONL: the file has {counted.lines!r} lines, {seen!r} were read; report this as a bug")


def lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Cut chunks into lines with their lengths; what exceeds the longest record is counted, not kept."""
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        at = 0
        while (end := chunk.find(b"\n", at) + 1) > 0:
            size += end - at
            if size <= MAX_RECORD_BYTES:
                kept.append(chunk[at:end])
            yield b"".join(kept), size
            kept, size, at = [], 0, end
        size += len(chunk) - at
        kept = [*kept, chunk[at:]] if size <= MAX_RECORD_BYTES else []
    if size:
        yield b"".join(kept), size
