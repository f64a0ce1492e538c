"""Inputs to shards: read a piece of a file, and drop what an earlier shard holds already."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import apply, artefacts, ingest, pieces, screens
from corpus_gov.barring import Bar, Barred
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.kernels.digests import prefixed
from corpus_gov.schemas import DOCUMENTS, FINDINGS
from corpus_gov.sources import Piece, carriers
from corpus_gov.stages import Context, Input, Shard, count_values, read_shard
from corpus_gov.store import Store

ID_BYTES: Final = 16
TAG_BYTES: Final = 8

NOT_SCREENED: Final = "[NOT_SCREENED]"
"""Stands for the name of a file that the pii screen failed on."""


@dataclass(frozen=True)
class IngestTask:
    """One piece of one input file."""

    context: Context
    piece: Piece
    inputs: tuple[Input, ...]
    """Of the piece, or of each of its members in their order; nothing is counted in them yet."""
    shard_rows: int
    shard_bytes: int
    barred: Barred


@dataclass(frozen=True)
class Ingested:
    """The shards of a piece, and the ids of their documents: 16 bytes each, in order."""

    shards: tuple[Shard, ...]
    ids: tuple[bytes, ...]
    tags: tuple[bytes, ...]
    """First TAG_BYTES of their text digests: enough to see that one id came with two texts."""
    documents: int
    text_bytes: int


def ingest_piece(task: IngestTask) -> Ingested:
    """Read a piece of an input and store its shards; they count once a batch names them.

    A file that changed since its digest was taken gives one reject instead: what was read is not what was named.
    """
    done = _ingest(task, task.piece)
    gone = pieces.changed(task.piece)
    return _ingest(task, pieces.without(task.piece, gone)) if gone else done


def _ingest(task: IngestTask, piece: Piece) -> Ingested:
    store = task.context.store()
    shards, ids, digests = [], [], []
    bar = Bar(task.barred, task.context.keys().seal)
    for shard in ingest.read(piece, shard_rows=task.shard_rows, shard_bytes=task.shard_bytes, bar=bar):
        inputs = _counted(task, shard.captures)
        captures = _redact_captures(shard.captures, task.context)
        tables = {"captures": captures, "documents": shard.documents, "snapshots": shard.snapshots}
        shards.append(_put_shard(store, task, shard.shard_id, tables, inputs))
        ids.append(hex_bytes(shard.documents["doc_id"], ID_BYTES).tobytes())
        digests.append(hex_bytes(shard.documents["text_digest"], TAG_BYTES).tobytes())
    return Ingested(
        tuple(shards),
        tuple(ids),
        tuple(digests),
        sum(shard.documents for shard in shards),
        sum(shard.text_bytes for shard in shards),
    )


def _counted(task: IngestTask, captures: pa.Table) -> tuple[Input, ...]:
    """Count the rejects of each input, before names are redacted; inputs without a capture here are left out."""
    members = task.piece.members or (task.piece,)
    by_name = dict(zip((member.record_file for member in members), task.inputs, strict=True))
    seen = {by_name[name]: 0 for name in captures["record_file"].unique().to_pylist()}
    rejected = captures.filter(pc.equal(captures["outcome"], "rejected"))
    for name, count in count_values(rejected["record_file"]).items():
        seen[by_name[name]] += count
    return tuple(replace(one, rejected=count) for one, count in seen.items())


def _put_shard(
    store: Store, task: IngestTask, shard_id: str, tables: Mapping[str, pa.Table], inputs: tuple[Input, ...]
) -> Shard:
    encoded = {name: artefacts.encode(table) for name, table in tables.items()}
    digests = {name: sha256(data).hexdigest() for name, data in encoded.items()}
    captures, documents = tables["captures"], tables["documents"]
    whole = captures.filter(pc.equal(captures["part"], 0))
    shard = Shard(
        source_id=task.piece.source_id,
        shard_id=_named(shard_id, digests),
        generation=0,
        record_file=captures["record_file"][0].as_py() if len(captures) else "",
        file_digest=task.piece.file_digest,
        input_digest=task.inputs[0].input_digest,
        outcomes=count_values(captures["outcome"]),
        records=len(whole),
        documents=len(documents),
        snapshots=len(tables["snapshots"]),
        text_bytes=int(pc.sum(pc.binary_length(documents["text"])).as_py() or 0),
        digests=digests,
        inputs=inputs,
        labelled=int(pc.sum(pc.starts_with(captures["reason"], f"{carriers.REASON}:")).as_py() or 0),
    )
    for name, data in encoded.items():
        store.put(shard.name(name), data)
    return shard


def _named(shard_id: str, digests: Mapping[str, str]) -> str:
    """Name a shard by its content too: no other content can ever be put in its place."""
    parts = [shard_id, *(digest for _, digest in sorted(digests.items()))]
    return sha256(prefixed(*(part.encode() for part in parts))).hexdigest()[:16]


def _redact_captures(captures: pa.Table, context: Context) -> pa.Table:
    """Take personal data out of file names and URIs: captures travel further than documents."""
    if len(captures) == 0:
        return captures
    ids = pa.array([f"{row:032x}" for row in range(len(captures))], pa.string())
    names = captures["record_file"].combine_chunks().cast(pa.large_string())
    uris = captures["uri"].combine_chunks().cast(pa.large_string())
    blank = {f.name: _blank(f, len(captures)) for f in DOCUMENTS}
    batch = pa.RecordBatch.from_arrays(
        list((blank | {"doc_id": ids, "title": names, "uri": uris}).values()), schema=DOCUMENTS
    )
    pii = context.concern("pii")
    if not pii.rules:
        return captures
    found = pa.Table.from_batches([screens.look("pii", batch, pii)], schema=FINDINGS)
    failed = pc.equal(found["rule"], screens.FAILED)
    unseen = pc.is_in(ids, found["doc_id"].filter(failed).combine_chunks())
    found = found.filter(pc.invert(failed))
    for column, name, unknown in (("record_file", "title", NOT_SCREENED), ("uri", "uri", None)):
        of_column = found.filter(pc.equal(found["column"], name))
        cleaned = apply.redact(batch.column(name), ids, of_column, context.rules()).cast(pa.string())
        # What could not be screened is not shown.
        cleaned = pc.if_else(unseen, pa.scalar(unknown, pa.string()), cleaned)
        place = captures.schema.get_field_index(column)
        captures = captures.set_column(place, captures.schema.field(place), cleaned)
    return captures


def _blank(column: pa.Field, n: int) -> pa.Array:
    if column.nullable:
        return pa.nulls(n, column.type)
    value = 0 if pa.types.is_integer(column.type) else ""
    return pa.repeat(pa.scalar(value, column.type), n)


@dataclass(frozen=True)
class RepeatTask:
    """Documents of a shard that an earlier shard holds already."""

    context: Context
    shard: Shard
    rows: tuple[int, ...]


def drop_repeats(task: RepeatTask) -> Shard:
    """Turn documents that are known already into captures of outcome `repeat`: a new shard, the old one is left."""
    store = task.context.store()
    documents = artefacts.decode(read_shard(store, task.shard, "documents"))
    captures = artefacts.decode(read_shard(store, task.shard, "captures"))
    known = documents["doc_id"].take(pa.array(task.rows, pa.int64()))
    keep = np.ones(len(documents), bool)
    keep[list(task.rows)] = False
    documents = documents.filter(pa.array(keep))
    again = pc.and_(pc.equal(captures["outcome"], "document"), pc.is_in(captures["doc_id"], known.combine_chunks()))
    outcome = pc.if_else(again, "repeat", captures["outcome"])
    place = captures.schema.get_field_index("outcome")
    captures = captures.set_column(place, captures.schema.field(place), outcome)
    encoded = {"captures": artefacts.encode(captures), "documents": artefacts.encode(documents)}
    encoded["snapshots"] = read_shard(store, task.shard, "snapshots")
    digests = {name: sha256(data).hexdigest() for name, data in encoded.items()}
    changed: dict[str, Any] = {
        "shard_id": _named(task.shard.shard_id, digests),
        "outcomes": count_values(captures["outcome"]),
        "documents": len(documents),
        "text_bytes": int(pc.sum(pc.binary_length(documents["text"])).as_py() or 0),
        "digests": digests,
    }
    shard = replace(task.shard, **changed)
    for name, data in encoded.items():
        store.put(shard.name(name), data)
    return shard
