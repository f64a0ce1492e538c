"""Shards without some of their documents: the next generation of what an erasure touches.

Captures keep their row, so that counts balance: the outcome becomes `suppressed`, with the reason, and what a guess
about the document could be held against is null. Documents lose the row; snapshots are of hosts, and stay as they are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.schemas import CAPTURES, DOCUMENTS
from corpus_gov.stages import Shard, count_values, read_shard
from corpus_gov.store import Store

HELD = ("document", "repeat")
"""Outcomes of captures that hold or repeat a document."""

BLANK = ("uri", "payload_digest", "headers_digest", "doc_id")
"""Columns of a capture that are null once its document is erased."""


def touched(store: Store, shards: Iterable[Shard], doc_ids: pa.Array) -> Iterator[Shard]:
    """Yield the shards with a capture of one of the documents.

    Raises:
        IntegrityError: a shard is not what its batch recorded.
    """
    for shard in shards:
        captures = artefacts.decode(read_shard(store, shard, "captures"), ["doc_id", "outcome"])
        if pc.any(_concerned(captures, doc_ids), min_count=0).as_py():
            yield shard


def without(store: Store, shard: Shard, doc_ids: pa.Array, reason: str) -> Shard:
    """Write the next generation of a shard, without some documents; the one before stays.

    Args:
        store: of the workspace.
        shard: as it is.
        doc_ids: string; those that are not in the shard do no harm.
        reason: what captures of them say.

    Returns:
        The next generation, as a batch would record it.

    Raises:
        IntegrityError: the shard is not what its batch recorded.
    """
    tables = {
        "captures": _captures(artefacts.decode(read_shard(store, shard, "captures")), doc_ids, reason),
        "documents": _documents(artefacts.decode(read_shard(store, shard, "documents")), doc_ids),
    }
    encoded = {name: artefacts.encode(table) for name, table in tables.items()}
    encoded["snapshots"] = read_shard(store, shard, "snapshots")
    made = replace(
        shard,
        generation=shard.generation + 1,
        outcomes=count_values(tables["captures"]["outcome"]),
        documents=tables["documents"].num_rows,
        text_bytes=int(pc.sum(pc.binary_length(tables["documents"]["text"])).as_py() or 0),
        digests={name: sha256(data).hexdigest() for name, data in encoded.items()},
    )
    for name, data in encoded.items():
        store.put(made.name(name), data)
    return made


def _captures(captures: pa.Table, doc_ids: pa.Array, reason: str) -> pa.Table:
    captures = captures.cast(CAPTURES)
    gone = _concerned(captures, doc_ids)
    said = {"outcome": pa.scalar("suppressed"), "reason": pa.scalar(reason)} | {
        name: pa.scalar(None, CAPTURES.field(name).type) for name in BLANK
    }
    columns = [
        pc.if_else(gone, said[name], captures[name]) if name in said else captures[name] for name in CAPTURES.names
    ]
    return pa.table(columns, schema=CAPTURES)


def _documents(documents: pa.Table, doc_ids: pa.Array) -> pa.Table:
    documents = documents.cast(DOCUMENTS)
    return documents.filter(pc.invert(pc.is_in(documents["doc_id"], value_set=doc_ids)))


def _concerned(captures: pa.Table, doc_ids: pa.Array) -> pa.ChunkedArray:
    held = pc.is_in(captures["outcome"], value_set=pa.array(HELD))
    return pc.and_(held, pc.is_in(captures["doc_id"], value_set=doc_ids))
