"""The build cache: tables under names that say exactly what they were made from.

A name is a digest of the shard, the family and its version, the rules, parameters and model files, and the
versions of the libraries that the family names. So "resume", "ingest more" and "screen again with new
rules" are one thing: build what is missing. Beside each table lies its SHA-256, written after it: a table
without one was never finished, a table that differs from it is built again and reported.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from corpus_gov.errors import IntegrityError
from corpus_gov.store import Missing, Store

ROWS_A_GROUP: Final = 4_096
"""Rows of a Parquet row group: what is decoded at once when a shard is streamed."""

_ENTRY: Final = struct.Struct("<qq32s")
"""Of the index before the parts of an artefact: first byte, byte after the last, SHA-256."""

COMPRESSION_LEVEL: Final = 1
"""zstd; level 3 writes a third slower for a fifth less space, and everything here is written once a run."""


def name(family: str, *parts: Any, libraries: Sequence[str] = ()) -> str:
    """Return the name of the artefact of `family` made from `parts`.

    Args:
        family: folder under artefacts/, such as "signals.quality".
        parts: everything that the table depends on; JSON values.
        libraries: distributions whose versions change the result.
    """
    body = json.dumps([family, parts, {name: _version(name) for name in libraries}], sort_keys=True)
    return f"artefacts/{family}/{sha256(body.encode()).hexdigest()[:32]}.parquet"


def digest_of(value: Any) -> str:
    """Digest a JSON value, for use as a part of a name."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def encode(table: pa.Table) -> bytes:
    """Write a table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=ROWS_A_GROUP, compression="zstd", compression_level=COMPRESSION_LEVEL)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole Parquet file, or some columns of it."""
    table: pa.Table = pq.ParquetFile(pa.BufferReader(data)).read(None if columns is None else list(columns))
    return table


def put(store: Store, artefact: str, data: bytes) -> None:
    """Store an artefact, then the digest that marks it finished."""
    store.put(artefact, data)
    store.put(_mark(artefact), sha256(data).hexdigest().encode())


def ready(store: Store, artefact: str) -> bool | None:
    """Say whether an artefact is there and whole: True, False when it was never finished, None when it is damaged."""
    try:
        expected = store.read(_mark(artefact)).decode()
    except Missing:
        return False
    try:
        return True if sha256(store.read(artefact)).hexdigest() == expected else None
    except Missing:
        return None


def read(store: Store, artefact: str) -> bytes:
    """Return the bytes of an artefact.

    Raises:
        IntegrityError: they are not what was written; a run builds it again.
    """
    data = store.read(artefact)
    expected = store.read(_mark(artefact)).decode()
    found = sha256(data).hexdigest()
    if found != expected:
        raise IntegrityError(
            f"{artefact}: SHA-256 is {found[:12]!r}, expected {expected[:12]!r}; "
            "it was changed after it was built: run again, and it is built anew"
        )
    return data


def get(store: Store, artefact: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read an artefact as a table; errors as for `read`."""
    return decode(read(store, artefact), columns)


def put_parts(store: Store, artefact: str, parts: Sequence[bytes]) -> None:
    """Store an artefact of parts that are read one at a time: one object, an index before its parts."""
    start, index = _ENTRY.size * len(parts), []
    for part in parts:
        index.append(_ENTRY.pack(start, start + len(part), sha256(part).digest()))
        start += len(part)
    put(store, artefact, b"".join([*index, *parts]))


def get_part(store: Store, artefact: str, number: int) -> bytes:
    """Read one part of an artefact, and nothing of the others.

    Raises:
        IntegrityError: it is not what was written; a run builds it again.
    """
    entry = store.read(artefact, (_ENTRY.size * number, _ENTRY.size * (number + 1)))
    if len(entry) == _ENTRY.size:
        start, stop, digest = _ENTRY.unpack(entry)
        # A damaged index may name any span: no more is read than is there.
        part = store.read(artefact, (start, stop)) if _ENTRY.size <= start <= stop < 1 << 62 else b""
        if len(part) == stop - start and sha256(part).digest() == digest:
            return part
    raise IntegrityError(
        f"{artefact}: part {number} is not what its index says; it was changed after it was built: run again, and "
        "it is built anew"
    )


def count_parts(store: Store, artefact: str) -> int:
    """Return how many parts an artefact has, by its index; `get_part` tells whether they are whole."""
    entry = store.read(artefact, (0, _ENTRY.size))
    # The first part begins where the index ends.
    return int(_ENTRY.unpack(entry)[0]) // _ENTRY.size if len(entry) == _ENTRY.size else 0


def remove(store: Store, artefact: str) -> None:
    """Remove an artefact that nobody will read again; an absent one is no error."""
    store.delete(_mark(artefact))
    store.delete(artefact)


def put_ranges(store: Store, artefact: str, tables: Sequence[pa.Table]) -> None:
    """Store one table a key range, as parts."""
    put_parts(store, artefact, [encode(table) for table in tables])


def get_range(store: Store, artefacts: Iterable[str], number: int) -> pa.Table:
    """Read one key range of several artefacts of `put_ranges` as one table; errors as for `get_part`."""
    return pa.concat_tables(decode(get_part(store, artefact, number)) for artefact in artefacts)


def put_table(store: Store, family: str, run_key: str, table: pa.Table) -> str:
    """Store a table under a name made from its own content; returns the name."""
    data = encode(table)
    artefact = name(family, run_key, sha256(data).hexdigest())
    put(store, artefact, data)
    return artefact


def edges_name(clusters: str) -> str:
    """Name the edges that clusters were made from."""
    return name("edges", clusters)


def made_of_name(clusters: str) -> str:
    """Name the documents that are largely made of others, found with those clusters."""
    return name("made_of", clusters)


def canonical(value: Mapping[str, Any]) -> bytes:
    """Encode a JSON object readably and reproducibly."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n").encode()


def _mark(artefact: str) -> str:
    return artefact.removesuffix(".parquet") + ".sha256"


@cache
def _version(distribution: str) -> str:
    return version(distribution)
