"""Captures, documents and snapshots of one shard, cut and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import IntegrityError
from corpus_gov.extract import FIELD_EXTRACTOR, HTML_EXTRACTOR, TEXT_EXTRACTOR
from corpus_gov.kernels.digests import prefixed, sha256_hex
from corpus_gov.schemas import CAPTURES, DOCUMENTS, OUTCOMES, SNAPSHOTS, TEXT
from corpus_gov.sources import Piece, fields
from corpus_gov.sources.hosts import hosts

VERSION: Final = 2
"""Raised when the same bytes would give other captures or documents."""


@dataclass(frozen=True)
class Shard:
    """One immutable cut of the corpus; its tables have the schemas of their names."""

    shard_id: str
    captures: pa.Table
    documents: pa.Table
    snapshots: pa.Table


def shard_id(piece: Piece, shard_rows: int, shard_bytes: int, sequence: int) -> str:
    """Return 16 hex digits that the file's bytes, the way of reading and cutting them and the place name."""
    extractors = (HTML_EXTRACTOR, TEXT_EXTRACTOR, FIELD_EXTRACTOR)
    parts: tuple[Any, ...] = (
        *_named(piece),
        *(shard_rows, shard_bytes, VERSION, fields.VERSION, *extractors, sequence),
        *(part for member in piece.members for part in _named(member)),
    )
    return sha256(prefixed(*(str(part).encode() for part in parts))).hexdigest()[:16]


def _named(piece: Piece) -> tuple[Any, ...]:
    return (
        *(piece.source_id, piece.file_digest, piece.record_file, piece.first, piece.count, piece.format),
        *(piece.member, piece.base_uri, orjson.dumps(sorted(piece.fields)).decode()),
    )


def doc_id(source_id: str, uri: str | None, payload_digest: str, part: int = 0) -> str:
    """Return the identity of a document: see DOCUMENTS."""
    parts = (source_id, uri or "", payload_digest, str(part))
    return sha256(prefixed(*(value.encode() for value in parts))).hexdigest()[:32]


def doc_ids(source_id: str, uris: pa.Array, payload_digests: pa.Array, parts: pa.Array) -> pa.Array:
    """Return `doc_id` of many documents.

    Args:
        source_id: the dossier.
        uris: large_string, n rows; null counts as the empty string.
        payload_digests: string, n rows; a null gives null.
        parts: integers, n rows.

    Returns:
        string, n rows.
    """
    binary = pa.large_binary()
    filled = pc.fill_null(uris, "").cast(binary)
    numbers = parts.cast(pa.string()).cast(binary)
    source, digest = prefixed(source_id.encode()), (64).to_bytes(8, "big")
    ends = [source, _lengths(filled), filled, digest, payload_digests.cast(binary), _lengths(numbers), numbers]
    columns = [pa.scalar(end, binary) if isinstance(end, bytes) else end for end in ends]
    joined = pc.binary_join_element_wise(*columns, pa.scalar(b"", binary))
    return pc.utf8_slice_codeunits(sha256_hex(joined.view(TEXT)), 0, 32)


def _lengths(values: pa.Array) -> pa.Array:
    sizes = np.asarray(pc.binary_length(values)).astype(">i8").tobytes()
    return pa.Array.from_buffers(pa.binary(8), len(values), [None, pa.py_buffer(sizes)]).cast(pa.large_binary())


def table(schema: pa.Schema, columns: Mapping[str, Any], n: int) -> pa.Table:
    """Build a table: an array, a list or one value for all rows; a column that is not given is null."""
    arrays = []
    for field in schema:
        value = columns.get(field.name)
        if isinstance(value, pa.ChunkedArray):
            value = value.combine_chunks()
        if not isinstance(value, pa.Array):
            value = (
                pa.array(value, field.type) if isinstance(value, list) else pa.repeat(pa.scalar(value, field.type), n)
            )
        arrays.append(value.cast(field.type))
    return pa.table(arrays, schema=schema)


def documents(source_id: str, columns: Mapping[str, Any], n: int) -> pa.Table:
    """Complete documents by what follows from their columns: host, domain, digest and length of the text.

    Args:
        source_id: the dossier.
        columns: doc_id, part, payload_digest, extractor and text, with whatever else is known; n rows each.
        n: number of documents.
    """
    text = pa.array(columns["text"], TEXT) if isinstance(columns["text"], list) else columns["text"]
    uri = pa.array(columns["uri"], TEXT) if isinstance(columns["uri"], list) else columns["uri"]
    host, domain = hosts(uri)
    derived = {
        "host": host,
        "registered_domain": domain,
        "text_digest": sha256_hex(text),
        "n_chars": pc.utf8_length(text),
    }
    return table(DOCUMENTS, {**columns, **derived, "source_id": source_id, "text": text, "uri": uri}, n)


def bound(identity: str, seen: pa.Table, docs: pa.Table, snapshots: Sequence[Mapping[str, Any]]) -> Shard:
    """Check that the tables balance and bind them.

    Raises:
        IntegrityError: an unknown outcome, or captures and documents that do not match one to one.
    """
    outcomes = seen["outcome"]
    unknown = set(outcomes.unique().to_pylist()) - set(OUTCOMES)
    if unknown:
        raise IntegrityError(
            f"shard {identity}: outcomes {sorted(unknown)!r} are none of {OUTCOMES!r}; a source is wrong"
        )
    made = seen.filter(pc.equal(outcomes, "document"))["doc_id"]
    if not made.equals(docs["doc_id"]) or len(made.unique()) != len(made):
        raise IntegrityError(
            f"shard {identity}: {len(made)!r} captures ended as documents, {docs.num_rows!r} documents were made, "
            f"{len(made.unique())!r} of them distinct; every one must be there once and in order; a source is wrong"
        )
    return Shard(identity, seen, docs, pa.Table.from_pylist(list(snapshots), schema=SNAPSHOTS))


def captures(piece: Piece, columns: Mapping[str, Any], n: int) -> pa.Table:
    """Build CAPTURES of one piece; columns may name the file of each row."""
    same = {"source_id": piece.source_id, "file_digest": piece.file_digest, "record_file": piece.record_file}
    return table(CAPTURES, {**same, **columns}, n)
