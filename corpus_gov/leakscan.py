"""Look for values in every object of a workspace: what a certificate of erasure can say was searched, and found.

An object is searched as it lies, and again as what it holds: the columns of Parquet files and Arrow streams, also of
those in parts, and the strings of JSON with the payloads of envelopes. What announces a format and cannot be read is
named, so that a scan that saw nothing does not pass for one that found nothing.

Not seen: a value that was cut in two, hashed or encrypted, or written in another encoding than UTF-8; look for the
digests of a text beside it (`of_text`).

Memory: one object, and a row group of it.
"""

import json
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError
from corpus_gov.store import Missing, Store

LEAST: Final = 8
"""Bytes of a value; a shorter one would be found by chance."""

_BROKEN: Final = (pa.ArrowException, OSError, ValueError, IntegrityError)


@dataclass(frozen=True)
class Scanned:
    """What was searched and what was found.

    Attributes:
        objects: how many were searched.
        size: bytes of them as they lie.
        found: names of objects with a value in them, each with the label of the value.
        unread: names of objects that announce a format and cannot be read as it.
    """

    objects: int
    size: int
    found: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]


def of_text(text: str) -> dict[str, bytes]:
    """Return what shows that a text is there: itself, and its SHA-256 in hex and as the first bytes of it are kept."""
    data = text.encode()
    digest = sha256(data)
    return {"text": data, "digest": digest.hexdigest().encode(), "digest, 16 bytes": digest.digest()[:16]}


def scan(store: Store, values: Mapping[str, bytes], *, leave_out: Sequence[str] = ()) -> Scanned:
    """Search every object of a store.

    Args:
        store: of the workspace.
        values: what to look for, by a label that gives nothing away.
        leave_out: prefixes of names that are not searched.

    Raises:
        ValueError: there is no value, or one is shorter than LEAST.
    """
    if not values or min(map(len, values.values())) < LEAST:
        raise ValueError(f"values: found {len(values)}, expected one at least, each of {LEAST} bytes or more")
    found, unread, objects, size = set[tuple[str, str]](), [], 0, 0
    for name in store.list():
        if leave_out and name.startswith(tuple(leave_out)):
            continue
        try:
            data = store.read(name)
        except Missing:
            # Removed since, as the turn of another writer is.
            continue
        objects, size = objects + 1, size + len(data)
        found |= {(name, label) for label, value in values.items() if value in name.encode()}
        try:
            for piece in _pieces(store, name, data):
                found |= {(name, label) for label, value in values.items() if value in piece}
        except _BROKEN:
            unread.append(name)
    return Scanned(objects, size, tuple(sorted(found)), tuple(unread))


def _pieces(store: Store, name: str, data: bytes) -> Iterator[bytes]:
    """Yield an object, then everything that is packed in it."""
    yield data
    if artefacts.in_parts(store, name):
        for part in artefacts.get_parts(store, name, 0, artefacts.count_parts(store, name)):
            yield from _unpacked(part)
    else:
        yield from _unpacked(data)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data.startswith(b"PAR1"):
        file = pq.ParquetFile(pa.BufferReader(data))
        for number in range(file.num_row_groups):
            yield from _columns(file.read_row_group(number, use_threads=False))
    elif data.startswith(b"\xff\xff\xff\xff"):
        yield from _columns(artefacts.from_stream(data))
    elif data[:1] in {b"{", b"["}:
        try:
            yield "\n".join(_strings(json.loads(data))).encode("utf-8", "surrogatepass")
        except ValueError:
            # Lines of JSON, each an object.
            yield "\n".join(text for line in data.splitlines() for text in _strings(json.loads(line))).encode()


def _columns(table: pa.Table) -> Iterator[bytes]:
    """Yield the memory of every column; texts lie in it one after the other."""
    for column in table.columns:
        for chunk in column.chunks:
            yield from (buffer.to_pybytes() for buffer in chunk.buffers() if buffer is not None)


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings of JSON of any depth; of an envelope also what its payload says."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _strings(item)
            if key == "payload" and isinstance(item, str):
                try:
                    yield from _strings(json.loads(b64decode(item, validate=True)))
                except (NoBase64, ValueError):
                    continue
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value
