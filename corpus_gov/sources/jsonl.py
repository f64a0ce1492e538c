"""JSON lines, plain, gzip or zstd: one record a line."""

import codecs
import json
import mmap
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson
import zstandard

from corpus_gov.sources import MAX_RECORD_BYTES, Record, instant, named, storable

CHUNK: Final = 64 << 10
ZSTD_CHUNK: Final = 1 << 10
"""zstd inflates without a limit on its output: small steps bound what one step can yield."""

_MISSING: Final = object()


class _StreamError(Exception):
    """A compressed file ends early or is damaged; carries the class of the reject."""


def records(data: bytes | mmap.mmap, fields: tuple[tuple[str, str], ...]) -> Iterator[Record]:
    """Read every line of a JSONL file; blank lines are no records.

    Args:
        data: the file's bytes.
        fields: pairs of our name and the delivery's; an unmapped name stands for itself, and a dot descends
            into an object where the name with the dot is not there.

    Returns:
        One Record a line, with offset and length in the decompressed file; a damaged end is one more.
    """
    names = named(fields)
    at = 0
    try:
        for line, length in _lines(_inflated(data)):
            # A byte-order mark before the first line is no part of it.
            text = line.removeprefix(codecs.BOM_UTF8) if at == 0 else line
            text = text.rstrip(b"\r\n")
            if text.strip() or length > MAX_RECORD_BYTES:
                yield _record(text, at, length, names)
            at += length
    except _StreamError as error:
        yield Record(at, 0, "line", "rejected", str(error))


def _record(line: bytes, at: int, length: int, names: Mapping[str, str]) -> Record:
    if length > MAX_RECORD_BYTES:
        return Record(at, length, "line", "rejected", "too_large")
    try:
        row = _parsed(line)
    except UnicodeDecodeError:
        return Record(at, length, "line", "rejected", "undecodable")
    except (ValueError, RecursionError):
        return Record(at, length, "line", "rejected", "json_syntax")
    if not isinstance(row, dict):
        return Record(at, length, "line", "rejected", "json_not_object")
    found = {name: _value(row, path) for name, path in names.items()}
    values = {name: storable(value) for name, value in found.items() if isinstance(value, str)}
    known: dict[str, Any] = {
        "offset": at,
        "length": length,
        "type": "line",
        "uri": values.get("uri") or None,
        "fetched_at": instant(values.get("fetched_at")),
        "payload": line,
        "media_type": None,
        "values": values,
    }
    if found["text"] is _MISSING:
        return Record(**known, outcome="rejected", reason="json_field_missing")
    if found["text"] is not None and "text" not in values:
        return Record(**known, outcome="rejected", reason="json_field_type")
    if not values.get("text", "").strip():
        return Record(**known, outcome="skipped", reason="empty")
    return Record(**known)


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # Lone surrogates in escapes are what orjson refuses and many writers produce. A byte that is no
        # UTF-8 ends here, as UnicodeDecodeError.
        return json.loads(line.decode(), parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _value(row: dict[str, Any], path: str) -> Any:
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return _MISSING
        value = value[key]
    return value


def _lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Cut chunks into lines with their lengths; what exceeds the longest record is counted, not kept."""
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        at = 0
        while (end := chunk.find(b"\n", at) + 1) > 0:
            kept.append(chunk[at:end])
            size += end - at
            yield b"".join(kept), size
            kept, size, at = [], 0, end
        size += len(chunk) - at
        kept = [*kept, chunk[at:]] if size <= MAX_RECORD_BYTES else []
    if size:
        yield b"".join(kept), size


def _inflated(data: bytes | mmap.mmap) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        return _members(data, lambda: zlib.decompressobj(31), zlib.error, "bad_gzip", CHUNK)
    if data[:4] == zstandard.FRAME_HEADER:
        return _members(data, zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError, "bad_zstd", ZSTD_CHUNK)
    return (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))


def _members(
    data: bytes | mmap.mmap, opened: Callable[[], Any], failure: type[Exception], reason: str, step: int
) -> Iterator[bytes]:
    """Inflate gzip members or zstd frames, one after another."""
    inflater, at = opened(), 0
    while at < len(data):
        chunk = data[at : at + step]
        at += len(chunk)
        try:
            yield inflater.decompress(chunk)
        except failure:
            raise _StreamError(reason) from None
        if inflater.eof:
            at -= len(inflater.unused_data)
            inflater = opened() if at < len(data) else None
    if inflater is not None:
        raise _StreamError("truncated")
