"""Pass 3 of decide, across shards: who stands for a cluster of duplicates, and who is dropped for whom."""

from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov import policy as policies
from corpus_gov.relate import exact
from corpus_gov.schemas import CLUSTERS, EDGES
from corpus_gov.stages import Done, Shard
from corpus_gov.workspace import Workspace


def find(
    workspace: Workspace,
    shards: Sequence[Shard],
    judged: Sequence[Done],
    clusters: str | None,
    verdicts: str,
    as_of: date,
    run_key: str,
) -> dict[str, str]:
    """Elect representatives among the judged documents that have relatives.

    Memory: some 300 bytes for each document that has a relative.

    Args:
        workspace: for its policy, overrides and suppression list.
        shards: all shards.
        judged: of judge_shard, one for each shard.
        clusters: name of CLUSTERS; None without documents.
        verdicts: name of what judge_sources gave.
        as_of: date of the run.
        run_key: part of the names.

    Returns:
        The name of policy.DUPLICATES for each shard, by its ref, that has members.
    """
    store, policy = workspace.store, workspace.policy_in_force()
    parts = []
    for shard, done in zip(shards, judged, strict=True):
        part = artefacts.get(store, done.names[1]) if clusters else CLUSTERS.empty_table()
        if len(part):
            parts.append(part.append_column("shard", pa.repeat(pa.scalar(shard.ref), len(part))))
    if clusters is None or not parts:
        return {}
    suppressed = pa.array(sorted(workspace.suppressed()), pa.string())
    members = policies.standing(
        policy, pa.concat_tables(parts), artefacts.get(store, verdicts), workspace.overrides(), suppressed, as_of
    )
    edges = artefacts.get(store, artefacts.edges_name(clusters))
    elected = policies.elect(policy, members, _completed(policy, members, edges))
    place = pc.index_in(elected["doc_id"], value_set=members["doc_id"].combine_chunks())
    homes = members["shard"].take(place)
    return {
        ref: artefacts.put_table(store, "duplicates", run_key, elected.filter(pc.equal(homes, ref)))
        for ref in sorted(pc.unique(homes).to_pylist())
    }


def _completed(policy: policies.Policy, members: pa.Table, edges: pa.Table) -> pa.Table:
    """Add verified edges from each representative to the members that have none to it yet."""
    elected = policies.representatives(policy, members)
    place = pc.index_in(members["cluster_id"], value_set=elected["cluster_id"].combine_chunks())
    chosen = elected["representative_id"].take(place)
    digest_of = pc.index_in(chosen, value_set=members["doc_id"].combine_chunks())
    pairs = pa.table(
        {
            "x": members["doc_id"], "y": chosen,
            "digest_a": members["text_digest"], "digest_b": members["text_digest"].take(digest_of),
        }
    )  # fmt: skip
    pairs = pairs.filter(pc.and_(pc.is_valid(pairs["y"]), pc.not_equal(pairs["x"], pairs["y"])))
    pairs = pairs.append_column("a", pc.min_element_wise(pairs["x"], pairs["y"]))
    pairs = pairs.append_column("b", pc.max_element_wise(pairs["x"], pairs["y"]))
    found = pa.concat_tables([edges, exact.verify(pairs)])
    return found.group_by(EDGES.names).aggregate([]).cast(EDGES)
