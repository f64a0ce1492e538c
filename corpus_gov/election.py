"""Pass 3 of decide: who stands for a cluster of duplicates.

A member gives way only to a copy that it was verified against, and only if that copy is in the release. Where
nobody is, nobody gives way: a cluster never vanishes because its members were duplicates of each other.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.policyfile import Policy
from corpus_gov.reasons import RELEASED
from corpus_gov.schemas import field, table

DUPLICATES: Final = table(
    "duplicates",
    1,
    "Every member of a cluster, and who stands for it.",
    field("doc_id", pa.string(), "The document."),
    field("cluster_id", pa.string(), "Smallest doc_id of the component."),
    field("representative_id", pa.string(), "The copy that stands for it; null: it stays.", null=True),
    field("similarity", pa.int32(), "Verified similarity to that copy.", null=True, scale=True),
)

_SORTS: Final[Mapping[str, tuple[str, str]]] = {
    "rights": ("rights_rank", "ascending"),
    "priority": ("source_priority", "descending"),
    "quality": ("quality", "descending"),
    "oldest": ("fetched_at", "ascending"),
    "longest": ("n_chars", "descending"),
}
"""Column and direction of each criterion; what is unknown comes last."""


def representatives(policy: Policy, members: pa.Table) -> pa.Table:
    """Choose the copy that stands for each cluster, by the order that the policy gives; doc_id decides ties.

    Args:
        policy: in force.
        members: columns of `judge`, with the disposition of `standing`, and cluster_id; every member of a cluster.

    Returns:
        cluster_id, representative_id; a cluster without a member that is kept or redacted has no row.
    """
    eligible = members.filter(pc.is_in(members["disposition"], value_set=pa.array(RELEASED)))
    order = [_SORTS[name] for name in policy.election.order]
    ranked = eligible.sort_by([("cluster_id", "ascending"), *order, ("doc_id", "ascending")])
    clusters = np.asarray(ranked["cluster_id"].combine_chunks().dictionary_encode().indices)
    first = pa.array(np.flatnonzero(np.diff(clusters, prepend=-1)), pa.int64())
    return pa.table({"cluster_id": ranked["cluster_id"].take(first), "representative_id": ranked["doc_id"].take(first)})


def elect(policy: Policy, members: pa.Table, edges: pa.Table) -> pa.Table:
    """Say who stands for each member of a cluster.

    Args:
        policy: in force.
        members: as for `representatives`.
        edges: EDGES that were verified; a member without one to the representative stays.

    Returns:
        DUPLICATES, one row a member, ascending by doc_id.
    """
    chosen = representatives(policy, members)
    ids = members["doc_id"].combine_chunks()
    place = pc.index_in(members["cluster_id"], value_set=chosen["cluster_id"].combine_chunks())
    standing_for = chosen["representative_id"].take(place)
    mine = _places(standing_for, ids)
    a, b = _places(edges["a"], ids), _places(edges["b"], ids)
    inside = (a >= 0) & (b >= 0)
    a, b, similarity = a[inside], b[inside], np.asarray(edges["similarity"])[inside]
    best = np.full(len(ids), -1, np.int32)
    for member, other in ((a, b), (b, a)):
        verified = mine[member] == other
        np.maximum.at(best, member[verified], similarity[verified])
    stays = best < 0
    columns = [
        ids,
        members["cluster_id"],
        pc.if_else(pa.array(stays), None, standing_for),
        pa.array(best, mask=stays),
    ]
    return pa.table(columns, schema=DUPLICATES).sort_by("doc_id")


def _places(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.index_in(column, value_set=ids), -1)).astype(np.int64)
