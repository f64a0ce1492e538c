"""The build cache: tables under names that say exactly what they were made from.

A name is a digest of the shard, the family and its version, the rules, parameters and model files, and the
versions of the libraries that the family names. So "resume", "ingest more" and "screen again with new
rules" are one thing: build what is missing. Beside each table lies its SHA-256, written after it: a table
without one was never finished, a table that differs from it is built again and reported.
"""

import json
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


def encode(groups: pa.Table | Iterable[pa.Table], schema: pa.Schema | None = None) -> bytes:
    """Write a Parquet file: a table cut into row groups, or one row group for each table given."""
    sink = pa.BufferOutputStream()
    if isinstance(groups, pa.Table):
        schema = groups.schema
    if schema is None:
        raise TypeError("encode: a sequence of row groups needs its schema")
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=COMPRESSION_LEVEL) as writer:
        if isinstance(groups, pa.Table):
            writer.write_table(groups, row_group_size=ROWS_A_GROUP)
        else:
            for group in groups:
                # An empty group is written too: readers find a key range by its number.
                writer.write_table(group.cast(schema), row_group_size=max(1, group.num_rows))
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


def get_group(store: Store, artefact: str, number: int) -> pa.Table:
    """Read one row group, the rows of one key range; errors as for `read`."""
    return pq.ParquetFile(pa.BufferReader(read(store, artefact))).read_row_group(number)


def put_table(store: Store, family: str, run_key: str, table: pa.Table) -> str:
    """Store a table under a name made from its own content; returns the name."""
    data = encode(table)
    artefact = name(family, run_key, sha256(data).hexdigest())
    put(store, artefact, data)
    return artefact


def edges_name(clusters: str) -> str:
    """Name the edges that clusters were made from."""
    return name("edges", clusters)


def canonical(value: Mapping[str, Any]) -> bytes:
    """Encode a JSON object readably and reproducibly."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n").encode()


def _mark(artefact: str) -> str:
    return artefact.removesuffix(".parquet") + ".sha256"


@cache
def _version(distribution: str) -> str:
    return version(distribution)
