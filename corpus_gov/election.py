"""Pass 3 of decide: who stands for a cluster of duplicates.

A member gives way only to a copy that it was verified against, and only if that copy is in the release. Where
nobody is, nobody gives way: a cluster never vanishes because its members were duplicates of each other. A member
that is too unlike the first representative is not dropped for a chain of others: the best of those that remain stands
beside it, and so on, so that two copies never both stay because a third was elected.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import reasons
from corpus_gov.kernels.compiling import kernel
from corpus_gov.policyfile import SUPPRESSED, Policy, Spread
from corpus_gov.reasons import REASONS, RELEASED, Reason
from corpus_gov.schemas import SCALE, field, table

DUPLICATES: Final = table(
    "duplicates",
    2,
    "Every member of a cluster, and who stands for it.",
    field("doc_id", pa.string(), "The document."),
    field("cluster_id", pa.string(), "Smallest doc_id of the component."),
    field("representative_id", pa.string(), "The copy that stands for it; null: it stays.", null=True),
    field("similarity", pa.int32(), "Verified similarity to that copy.", null=True, scale=True),
    field("decided_by", pa.string(), "What made that copy the better one.", null=True),
    field("spread", REASONS, "What it gets for being a copy of a document that is barred.", null=True),
)

STANDING: Final = "standing"
"""First criterion of every election: that the copy is kept or redacted, but for its duplicates."""

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
    ranked = _ranked(policy, eligible)
    clusters = np.asarray(ranked["cluster_id"].combine_chunks().dictionary_encode().indices)
    first = pa.array(np.flatnonzero(np.diff(clusters, prepend=-1)), pa.int64())
    return pa.table({"cluster_id": ranked["cluster_id"].take(first), "representative_id": ranked["doc_id"].take(first)})


def elect(policy: Policy, members: pa.Table, edges: pa.Table) -> pa.Table:
    """Say who stands for each member of a cluster.

    Args:
        policy: in force.
        members: as for `representatives`, with text_digest: members of one text are copies of each other.
        edges: EDGES of kinds exact and near. One that is less similar than the policy asks for counts for nothing.

    Returns:
        DUPLICATES, one row a member, ascending by doc_id; nothing is spread.
    """
    ranked = _ranked(policy, members)
    texts, first = _texts(ranked)
    a, b, similarity = _between(ranked, texts, edges)
    enough = similarity >= policy.election.least_similarity
    # Edges from the better text to the worse one, by the worse: each text looks at those before it.
    low, high, similarity = np.minimum(a, b)[enough], np.maximum(a, b)[enough], similarity[enough]
    order = np.lexsort((-similarity, low, high))
    offsets = np.searchsorted(high[order], np.arange(len(first) + 1))
    stands_for, value = _stand(_eligible(ranked)[first], offsets, low[order], similarity[order])
    mine = np.where(stands_for[texts] >= 0, first[stands_for[texts]], -1)
    drops = (mine >= 0) & (mine != np.arange(len(texts)))
    columns = [
        ranked["doc_id"],
        ranked["cluster_id"],
        ranked["doc_id"].take(pa.array(mine, mask=~drops)),
        pa.array(np.where(stands_for[texts] == texts, SCALE, value[texts]).astype(np.int32), mask=~drops),
        _decided_by(policy, ranked, mine, drops),
        pa.nulls(len(ranked), REASONS),
    ]
    return pa.table(columns, schema=DUPLICATES).sort_by("doc_id")


def spread(policy: Policy, members: pa.Table, edges: pa.Table, suppressed: pa.Array) -> pa.Array:
    """Say what members get for being copies, or near copies, of documents that are barred.

    Args:
        policy: in force.
        members: columns of `judge`, n rows, with text_digest.
        edges: EDGES of kinds exact and near.
        suppressed: doc_ids.

    Returns:
        REASONS, n rows.
    """
    texts, first = _texts(members)
    a, b, _ = _between(members, texts, edges)
    cases = []
    for one in policy.spreads:
        barred = _barred(one, members, suppressed)
        in_text = np.bincount(texts, weights=barred, minlength=len(first))
        beside = np.zeros(len(first))
        np.add.at(beside, a, in_text[b])
        np.add.at(beside, b, in_text[a])
        # A document is no copy of itself.
        touched = (in_text[texts] - barred + beside[texts]) > 0
        cases.append((Reason(one.id, one.disposition, one.category, one.legal), touched))
    return reasons.build(len(members), cases)


def with_spread(judged: pa.Table, duplicates: pa.Table) -> pa.Table:
    """Add to the reasons of judged documents what was spread to them.

    Args:
        judged: of `judge`.
        duplicates: DUPLICATES, or its columns doc_id and spread.
    """
    known = duplicates["doc_id"].combine_chunks()
    mine = duplicates["spread"].combine_chunks().take(pc.index_in(judged["doc_id"], value_set=known))
    place = judged.schema.get_field_index("reasons")
    return judged.set_column(place, "reasons", reasons.join([judged["reasons"], mine]))


def _ranked(policy: Policy, members: pa.Table) -> pa.Table:
    """Sort members by cluster, and the best copy of each first."""
    order = [_SORTS[name] for name in policy.election.order]
    stands = pa.array(~_eligible(members))
    ranked = members.append_column(STANDING, stands).sort_by(
        [("cluster_id", "ascending"), (STANDING, "ascending"), *order, ("doc_id", "ascending")]
    )
    return ranked.combine_chunks()


def _eligible(members: pa.Table) -> np.ndarray:
    return np.asarray(pc.is_in(members["disposition"], value_set=pa.array(RELEASED)))


def _texts(members: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Number the texts of members as they come; returns the text of each row, and the first row of each text."""
    texts = np.asarray(members["text_digest"].combine_chunks().dictionary_encode().indices).astype(np.int64)
    return texts, np.unique(texts, return_index=True)[1]


def _between(members: pa.Table, texts: np.ndarray, edges: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the edges between different texts, each with its similarity."""
    ids = members["doc_id"].combine_chunks()
    a, b = (np.asarray(pc.fill_null(pc.index_in(edges[side], value_set=ids), -1)).astype(np.int64) for side in "ab")
    inside = (a >= 0) & (b >= 0)
    a, b, similarity = texts[a[inside]], texts[b[inside]], np.asarray(edges["similarity"])[inside].astype(np.int64)
    return a[a != b], b[a != b], similarity[a != b]


def _barred(one: Spread, members: pa.Table, suppressed: pa.Array) -> np.ndarray:
    lists = members["reasons"].combine_chunks()
    codes = pc.struct_field(pc.list_flatten(lists), "code")
    heads = pc.list_element(pc.split_pattern(codes, ":", max_splits=1), 0) if len(codes) else codes
    rows = np.asarray(pc.list_parent_indices(lists))[np.asarray(pc.is_in(heads, value_set=pa.array(one.of)))]
    barred = np.zeros(len(members), bool)
    barred[rows] = True
    if SUPPRESSED in one.of:
        barred |= np.asarray(pc.is_in(members["doc_id"], value_set=suppressed.cast(pa.string())))
    return barred


def _decided_by(policy: Policy, ranked: pa.Table, mine: np.ndarray, drops: np.ndarray) -> pa.Array:
    """Name the first criterion by which the representative is better."""
    names = [STANDING, *policy.election.order, "doc_id"]
    found = np.full(len(ranked), -1, np.int64)
    for place, name in enumerate(names):
        column = ranked[_SORTS[name][0] if name in _SORTS else name].combine_chunks()
        codes = np.asarray(pc.fill_null(column.dictionary_encode().indices, -1))
        found[drops & (found < 0) & (codes != codes[mine])] = place
    return pa.array(names).take(pa.array(found, mask=found < 0))


@kernel
def _stand(eligible, offsets, better, similarity):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Let each text, best first, give way to the best representative that it has an edge to, or else stand itself."""
    stands_for, value = np.full(eligible.shape[0], -1, np.int64), np.zeros(eligible.shape[0], np.int64)
    for text in range(eligible.shape[0]):
        for i in range(offsets[text], offsets[text + 1]):
            if stands_for[better[i]] == better[i]:
                stands_for[text], value[text] = better[i], similarity[i]
                break
        if stands_for[text] < 0 and eligible[text]:
            stands_for[text] = text
    return stands_for, value
