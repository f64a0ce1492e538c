"""Pass 3 of decide, across shards: who stands for a cluster of duplicates, and who is dropped for whom."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, grouping
from corpus_gov import policy as policies
from corpus_gov.engine import Engine
from corpus_gov.relate import records
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import CLUSTERS, EDGES
from corpus_gov.stages import Done, Shard
from corpus_gov.stages.relating import preset_of
from corpus_gov.workspace import Workspace


def find(
    workspace: Workspace,
    engine: Engine,
    shards: Sequence[Shard],
    judged: Sequence[Done],
    clusters: str | None,
    verdicts: str,
    as_of: date,
    run_key: str,
) -> dict[str, str]:
    """Elect representatives among the judged documents that have relatives.

    Memory: some 400 bytes for each document that has a relative.

    Args:
        workspace: for its policy, overrides and suppression list.
        engine: running; it compares members with their representative where nobody did.
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
    for home, done in enumerate(judged):
        part = artefacts.get(store, done.names[1]) if clusters else CLUSTERS.empty_table()
        if len(part):
            parts.append(part.append_column("home", pa.repeat(pa.scalar(home, pa.uint32()), len(part))))
    if clusters is None or not parts:
        return {}
    suppressed = pa.array(sorted(workspace.suppressed()), pa.string())
    edges = artefacts.get(store, artefacts.edges_name(clusters))
    edges = edges.filter(pc.is_in(edges["kind"], pa.array(["exact", "near"])))
    found = pa.concat_tables(parts).combine_chunks()
    spread = policies.spread(policy, found, edges, suppressed)
    given = pa.table({"doc_id": found["doc_id"], "spread": spread})
    members = policies.standing(
        policy,
        policies.with_spread(found, given),
        artefacts.get(store, verdicts),
        workspace.overrides(),
        suppressed,
        as_of,
    )
    if preset := preset_of(workspace.context()):
        missing = _missing(policy, members, edges)
        edges = pa.concat_tables([edges, _verified(workspace, engine, shards, members, missing, preset)])
    elected = policies.elect(policy, members, edges)
    place = pc.index_in(elected["doc_id"], value_set=members["doc_id"].combine_chunks())
    spread_to = spread.take(place.combine_chunks())
    elected = elected.set_column(elected.schema.get_field_index("spread"), elected.schema.field("spread"), spread_to)
    homes = np.asarray(members["home"].take(place))
    return {
        shards[home].ref: artefacts.put_table(
            store, "duplicates", run_key, elected.filter(pa.array(homes == home)).combine_chunks()
        )
        for home in np.unique(homes).tolist()
    }


def _missing(policy: policies.Policy, members: pa.Table, edges: pa.Table) -> pa.Table:
    """Pair the texts of each cluster with that of its representative where no edge does.

    Only the first representative of a cluster is compared with everybody: so a cluster costs no more comparisons than
    it has texts. Those after it stand for whom candidate pairs led to them.

    Returns:
        x, y: rows of members; one pair of rows for two texts.
    """
    chosen = policies.representatives(policy, members)
    place = pc.index_in(members["cluster_id"], value_set=chosen["cluster_id"].combine_chunks())
    ids, texts = members["doc_id"].combine_chunks(), members["text_digest"].combine_chunks()
    row_of = pc.index_in(chosen["representative_id"], value_set=ids).combine_chunks()
    pairs = pa.table({"x": np.arange(len(members)), "y": row_of.cast(pa.int64()).take(place.combine_chunks())})
    pairs = pairs.filter(pc.is_valid(pairs["y"]))
    digests = texts.dictionary_encode().indices.cast(pa.int64())
    text_of, numbers = np.asarray(digests), np.asarray(pairs["y"])
    x, y = text_of[np.asarray(pairs["x"])], text_of[numbers]
    ends = [pc.index_in(edges[side], value_set=ids).combine_chunks() for side in ("a", "b")]
    inside = pc.and_(ends[0].is_valid(), ends[1].is_valid())
    a, b = (text_of[np.asarray(end.filter(inside)).astype(np.int64)] for end in ends)
    n = len(text_of)
    known = np.concatenate([a * n + b, b * n + a])
    keys = x * n + y
    asked = (x != y) & ~np.isin(keys, known)
    first = np.unique(keys[asked], return_index=True)[1]
    return pairs.filter(pa.array(asked)).take(pa.array(first))


def _verified(
    workspace: Workspace, engine: Engine, shards: Sequence[Shard], members: pa.Table, missing: pa.Table, preset: Preset
) -> pa.Table:
    """Compare pairs of members in tasks; returns those that are near duplicates, as EDGES."""
    if len(missing) == 0:
        return EDGES.empty_table()
    names = {side: members.take(missing[column]) for side, column in (("a", "x"), ("b", "y"))}
    texts = {side: records.names(table["text_digest"]) for side, table in names.items()}
    swapped = texts["a"] > texts["b"]
    pairs: records.Columns = {"kind": np.zeros(len(missing))}
    for side, other in (("a", "b"), ("b", "a")):
        mine, its = names[side], names[other]
        pairs[side] = np.where(swapped, texts[other], texts[side])
        pairs[f"doc_{side}"] = np.where(swapped, records.names(its["doc_id"]), records.names(mine["doc_id"]))
        pairs[f"home_{side}"] = np.where(swapped, its["home"], mine["home"])
        # A code point has four bytes at most; blocks only have to be small enough.
        sizes = [np.minimum(4 * np.asarray(table["n_chars"]), 2**32 - 1) for table in (its, mine)]
        pairs[f"bytes_{side}"] = np.where(swapped, *sizes)
    ranges = records.power_of_two(len(missing), grouping.ASKED_A_RANGE)
    parts, store = records.cut(pairs, records.PAIRS, records.heads(pairs["a"]), ranges), workspace.store
    name = artefacts.name("pairs.asked", [sha256(part).hexdigest() for part in parts])
    artefacts.put_parts(store, name, parts)
    try:
        found = grouping.verified(workspace.context(), engine, shards, [name], [None] * ranges, preset)
        return found.select(EDGES.names).cast(EDGES)
    finally:
        grouping.sweep(store)
