"""Our clusters and removals of some texts in memory, over the steps that the pipeline's tasks run, for near.py."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from near_pipeline import POLICY

from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.policy import elect
from corpus_gov.policyfile import read as read_policy
from corpus_gov.relate import near
from corpus_gov.relate.blocks import roots
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import EDGES, TIME


@dataclass(frozen=True)
class Related:
    """Our answer for some texts."""

    labels: list[int]
    """The first text of each one's cluster."""
    removed: list[tuple[int, int, int]]
    """Place, place of the representative, verified similarity in ten-thousandths."""
    nodes: np.ndarray
    """Copies of one text have one number."""
    pairs: frozenset[tuple[int, int]]
    """Pairs of nodes that are near duplicates."""

    def directly(self, labelled: Sequence[tuple[int, int, bool, str]]) -> set[int]:
        """Number the labelled pairs that are verified themselves, not only through a third text."""
        ends = ((number, int(self.nodes[a]), int(self.nodes[b])) for number, (a, b, *_) in enumerate(labelled))
        return {number for number, a, b in ends if a == b or (min(a, b), max(a, b)) in self.pairs}


def related(text: pa.Array, preset: Preset) -> Related:
    """Cluster texts and elect representatives, over the steps of relate and the pipeline's own election.

    As in the pipeline, every member of a cluster is compared with its first representative; who is too unlike it gives
    way to a later one, or stays.
    """
    values = near.signatures(text, preset)
    nodes, signed = nodes_of(text), np.flatnonzero(np.asarray(values.is_valid()))
    keys = near.band_keys(near.matrix(values)[signed], preset.bands, preset.rows)
    flat = (keys.reshape(-1), np.repeat(nodes[signed], preset.bands))
    pairs, _ = near.bucketed(*flat, preset.bucket, preset.anchors)
    firsts = np.unique(nodes, return_index=True)[1]
    a, b = (firsts[side] for side in near.unpacked(pairs))
    sets = near.shingle_sets(text, preset)
    similarity = near.similarity(sets, a, sets, b)
    kept = similarity >= preset.threshold
    a, b, similarity = a[kept], b[kept], similarity[kept]
    # Copies of one text are related by their digests; texts without a token are nobody's copies.
    copies = signed[firsts[nodes[signed]] != signed]
    found = roots(len(text), np.concatenate([a, firsts[nodes[copies]]]), np.concatenate([b, copies]))
    members = np.flatnonzero(np.bincount(found, minlength=len(text))[found] > 1)
    first = firsts[nodes[found[members]]]
    more = near.similarity(sets, first, sets, firsts[nodes[members]])
    enough = (more >= preset.threshold) & (first != firsts[nodes[members]])
    ends = [np.concatenate(both) for both in ((a, first[enough]), (b, firsts[nodes[members]][enough]))]
    edges = pa.table([*ends, np.concatenate([similarity, more[enough]])], names=["a", "b", "similarity"])
    removed = elected(found, members, nodes, edges, preset.threshold)
    sides = (np.minimum(nodes[a], nodes[b]).tolist(), np.maximum(nodes[a], nodes[b]).tolist())
    return Related(found.tolist(), removed, nodes, frozenset(zip(*sides, strict=True)))


def elected(
    labels: np.ndarray, members: np.ndarray, nodes: np.ndarray, edges: pa.Table, threshold: int
) -> list[tuple[int, int, int]]:
    """Let the pipeline's election say who is removed for whom; of equals the first text stands.

    Args:
        labels: the first text of each one's cluster.
        members: places of the texts that are not alone.
        nodes: of all texts; copies of one text have one number.
        edges: places a and b, similarity.
        threshold: who is less like a representative does not give way to it, in ten-thousandths.
    """
    names = [f"{place:08d}" for place in range(len(labels))]
    ids = pa.array(names, pa.string())
    n = len(members)
    rows = pa.table(
        {
            "doc_id": ids.take(pa.array(members)),
            "cluster_id": ids.take(pa.array(labels[members])),
            "text_digest": ids.take(pa.array(nodes[members])),
            "disposition": pa.repeat("keep", n),
            "fetched_at": pa.nulls(n, TIME),
        }
    )
    a, b = (ids.take(edges[side].combine_chunks()) for side in ("a", "b"))
    columns = [a, b, pa.repeat("near", len(edges)), edges["similarity"].cast(pa.int32())]
    policy = read_policy(POLICY, "near.yaml")
    policy = replace(policy, election=replace(policy.election, least_similarity=threshold))
    answer = elect(policy, rows, pa.table(columns, schema=EDGES))
    answer = answer.filter(pc.is_valid(answer["representative_id"]))
    sides = [map(int, answer[name].to_pylist()) for name in ("doc_id", "representative_id")]
    return list(zip(*sides, answer["similarity"].to_pylist(), strict=True))


def nodes_of(text: pa.Array) -> np.ndarray:
    """Number texts by their digests: copies of one text have one number."""
    digests = sha256_hex(text)
    return np.asarray(pc.index_in(digests, value_set=pc.unique(digests).sort())).astype(np.int64)
