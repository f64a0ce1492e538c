"""Pass 3 of decide, across shards: who stands for a cluster of duplicates, and who is dropped for whom."""

from collections.abc import Sequence
from datetime import date

from corpus_gov import artefacts, grouping
from corpus_gov.engine import Engine
from corpus_gov.relate import records
from corpus_gov.stages import Done, Shard
from corpus_gov.stages.electing import ElectTask, StandTask, elect_range, stand_range
from corpus_gov.stages.keying import preset_of
from corpus_gov.workspace import Workspace


def find(
    workspace: Workspace,
    engine: Engine,
    shards: Sequence[Shard],
    judged: Sequence[Done],
    clusters: str | None,
    verdicts: str,
    overrides: str,
    as_of: date,
    unverified: list[int] | None = None,
) -> tuple[str, ...]:
    """Elect representatives among the judged documents that have relatives, a range of clusters a task.

    Args:
        workspace: for its suppression list.
        engine: running; it compares members with their representative where nobody did.
        shards: all shards.
        judged: of judge_shard, one for each shard.
        clusters: of grouping.relate; None without documents.
        verdicts: name of what judge_sources gave.
        overrides: name of policy.OVERRIDES.
        as_of: date of the run.
        unverified: given by whoever only wants to know what would be elected: how many comparisons with representatives
            are missing is added to it, and none is made.

    Returns:
        Names of policy.DUPLICATES, each with a part for every shard, in their order.
    """
    if clusters is None:
        return ()
    context, store, relations = workspace.context(), workspace.store, grouping.relations(clusters, shards)
    asked_ranges = records.power_of_two(sum(shard.documents for shard in shards), grouping.ASKED_A_RANGE)
    members, suppressed = tuple(done.names[1] for done in judged), workspace.suppressed(as_of)
    standing = engine.map("decide", stand_range, [
        StandTask(
            context, members, copies, number, verdicts, overrides, suppressed, as_of, asked_ranges
        )
        for number, copies in enumerate(relations.copies)
    ])  # fmt: skip
    asked = [one.asked for one in standing if one.pairs]
    preset = preset_of(context)
    compared: tuple[str, ...] = ()
    if unverified is not None:
        unverified.append(sum(one.pairs for one in standing))
    elif preset and asked:
        ranges = [None] * asked_ranges
        compared = grouping.verified(context, engine, shards, asked, ranges, preset, len(relations.copies))
    electing = [
        ElectTask(context, one.members, copies, compared, number, len(shards))
        for number, (one, copies) in enumerate(zip(standing, relations.copies, strict=True))
    ]
    elected = engine.map("decide", elect_range, electing)
    # By name: a list may not have them yet.
    for one in standing:
        for name in (one.members, one.asked):
            artefacts.remove(store, name)
    if asked:
        grouping.sweep(store)
    return tuple(elected)
