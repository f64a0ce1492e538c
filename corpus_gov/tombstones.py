"""Tombstones: the manifest rows of documents that were erased on request.

A tombstone says that a document was here, of which source, and why it is gone; nothing that a guess could be held
against. It is the same row whether the document still lies in its shard or not, so that bytes may go between two runs
and the manifest stays as it is.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, manifest
from corpus_gov.engine import split_by_range
from corpus_gov.schemas import DECISIONS, REASON, field, table
from corpus_gov.stages import Shard, read_shard
from corpus_gov.store import Store

PREFIX: Final = "erasure."
"""Start of the code of the reason that a tombstone has, its only one."""

TOMBSTONES: Final = table(
    "tombstones",
    1,
    "Documents that were erased on request, ascending.",
    field("doc_id", pa.string(), "The document."),
    field("source_id", pa.string(), "The dossier."),
    field("reason", pa.string(), "Code of the reason, from PREFIX on."),
    field("legal", pa.string(), "Legal references, comma-separated, sorted, or ''."),
)

_NO_SHARD: Final = {"shard": "", "row": -1}
_SAID: Final = {
    "rights_state": "unknown", "rights_conflict": False, "rights_evidence": [], "rights_notices": [],
    "optout_state": "not_evaluated", "ip_risk": "unknown", "aigc_state": "not_screened", "language": "und",
    "extractor": "none", "disposition": "drop", "screened": [], "actor": "policy", **_NO_SHARD,
}  # fmt: skip
"""What every tombstone says beside its doc_id, source, policy and reason; other columns are null."""


def listed(suppressions: pa.Table) -> pa.Table:
    """Return the documents that get a tombstone; of several requests the first by name gives the reason.

    Args:
        suppressions: SUPPRESSIONS that are in force.
    """
    marked = suppressions.filter(pc.and_(pc.is_valid(suppressions["source_id"]), pc.is_valid(suppressions["reason"])))
    rows = marked.filter(pc.is_valid(marked["doc_id"])).sort_by([("doc_id", "ascending"), ("request", "ascending")])
    ids = rows["doc_id"].combine_chunks()
    _, first = np.unique(np.asarray(ids.dictionary_encode().indices), return_index=True)
    rows = rows.take(pa.array(np.sort(first)))
    legal = pc.fill_null(rows["legal"], "")
    return pa.table([rows["doc_id"], rows["source_id"], rows["reason"], legal], schema=TOMBSTONES)


def without_document(store: Store, shards: Sequence[Shard], buried: pa.Table) -> pa.Table:
    """Return those of TOMBSTONES whose document no shard holds any more."""
    wanted = buried["doc_id"].to_pylist()
    if not wanted:
        return buried
    there = [
        artefacts.chosen(read_shard(store, shard, "documents"), {"doc_id": wanted}, ["doc_id"])["doc_id"]
        for shard in shards
    ]
    ids = pa.chunked_array([chunk for column in there for chunk in column.chunks], pa.string())
    return buried.filter(pc.invert(pc.is_in(buried["doc_id"], value_set=ids.combine_chunks())))


def rows(buried: pa.Table, policy_digest: str) -> pa.Table:
    """Write the manifest rows of TOMBSTONES.

    Returns:
        manifest.ROWS, in the same order.
    """
    n = len(buried)
    given: dict[str, Any] = {
        "doc_id": buried["doc_id"],
        "source_id": buried["source_id"],
        "reasons": _reasons(buried),
        "policy_digest": pa.repeat(pa.scalar(policy_digest), n),
    }
    columns = [
        given[column.name] if column.name in given else pa.array([_SAID.get(column.name)] * n, column.type)
        for column in manifest.ROWS
    ]
    return pa.table(columns, schema=manifest.ROWS)


def over(found: pa.Table, buried: pa.Table, policy_digest: str) -> pa.Table:
    """Put tombstones in the place of manifest rows.

    Args:
        found: manifest.ROWS.
        buried: TOMBSTONES; those of other documents are passed over.
        policy_digest: of the policy in force.

    Returns:
        manifest.ROWS, as many; those that were replaced stand last.
    """
    gone = pc.is_in(found["doc_id"], value_set=buried["doc_id"].combine_chunks())
    mine = buried.filter(pc.is_in(buried["doc_id"], value_set=found["doc_id"].combine_chunks()))
    if not len(mine):
        return found
    return pa.concat_tables([found.filter(pc.invert(gone)), rows(mine, policy_digest)])


def decided(decisions: pa.Table, buried: pa.Table) -> pa.Table:
    """Put into decisions about erased documents what their tombstones say, and nothing else.

    Args:
        decisions: DECISIONS, in which they are dropped already.
        buried: TOMBSTONES.

    Returns:
        DECISIONS, in the same order.
    """
    place = pc.index_in(decisions["doc_id"].combine_chunks(), value_set=buried["doc_id"].combine_chunks())
    gone = pc.is_valid(place)
    if not pc.any(gone, min_count=0).as_py():
        return decisions
    said = {
        "disposition": pa.repeat(pa.scalar("drop"), len(decisions)),
        "reasons": _reasons(buried).take(place),
        "actor": pa.repeat(pa.scalar("policy"), len(decisions)),
    }
    columns = [
        decisions[column.name].combine_chunks()
        if column.name == "doc_id"
        else _either(gone, said.get(column.name, pa.nulls(len(decisions), column.type)), decisions[column.name])
        for column in DECISIONS
    ]
    return pa.table(columns, schema=DECISIONS)


def put(store: Store, erased: pa.Table, policy_digest: str, ranges: int) -> tuple[str, ...]:
    """Store the rows of documents that are gone, in doc_id ranges as `settling` stores those of a shard.

    Returns:
        The name of the artefact, or nothing where there is no such row.
    """
    if not len(erased):
        return ()
    name = artefacts.name("rows", "tombstones", erased.to_pylist(), policy_digest, ranges)
    parts = split_by_range(rows(erased, policy_digest), "doc_id", ranges)
    artefacts.put_parts(store, name, [artefacts.stream(part) for part in parts])
    return (name,)


def _either(gone: pa.Array, said: pa.Array, found: pa.ChunkedArray) -> pa.Array:
    # if_else knows no lists of structs.
    n = len(gone)
    both = pa.concat_arrays([said, found.combine_chunks()])
    return both.take(pa.array(np.where(np.asarray(gone), np.arange(n), np.arange(n, 2 * n))))


def _reasons(buried: pa.Table) -> pa.Array:
    said = zip(buried["reason"].to_pylist(), buried["legal"].to_pylist(), strict=True)
    lists = [[{"code": code, "disposition": "drop", "category": "", "legal": legal}] for code, legal in said]
    return pa.array(lists, pa.list_(REASON))
