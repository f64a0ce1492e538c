"""Bursts over the whole corpus: pick what each shard has in clusters, count each range of clusters, tell each shard.

    pick_members   shard, its clusters -> members, cut by cluster    one task a shard
    count_bursts   members of all shards -> hits of each shard       one task a range
    tell_shard     hits of a shard -> findings                       one task a shard

Memory: a shard without its texts, or the members of one range.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.engine import Engine, ranges_for, split_by_range
from corpus_gov.relate import bursts
from corpus_gov.stages import Context, Shard, read_shard
from corpus_gov.stages.clustering import told
from corpus_gov.stages.describing import oldest_capture
from corpus_gov.store import Store

SCREEN: Final = "bursts"
"""What rules name; relate/bursts.py looks for them."""

KIND: Final = "findings.bursts"

ROWS_A_RANGE: Final = 1 << 19
"""Documents of the corpus for each range: some 100 MB where all of them are in clusters."""

PICKED, COUNTED = "picked.bursts", "counted.bursts"
"""Families that serve one run."""


def finding_names(context: Context, shards: Sequence[Shard], related: Sequence[Any]) -> dict[str, str]:
    """Name the findings of every shard, by its ref; none where no rule in force asks for bursts.

    Args:
        context: of the run.
        shards: all of them: what a burst is depends on every one.
        related: what decides the clusters beside the documents.
    """
    pack = context.concern(SCREEN)
    if not pack.rules:
        return {}
    # Captures too: when a document was fetched is when that happened first.
    everything = artefacts.digest_of([bursts.VERSION, pack.digest, list(related), sorted(map(_content, shards))])
    return {shard.ref: artefacts.name(KIND, _content(shard), everything) for shard in shards}


def _content(shard: Shard) -> list[str]:
    return [shard.source_id, shard.ref, shard.digests["documents"], shard.digests.get("captures", "")]


@dataclass(frozen=True)
class Clustered:
    """Where the clusters of the corpus lie."""

    told: str | None
    """Of grouping.relate; None without documents."""
    oldest: str | None
    """When documents that came in more than once were fetched first."""
    related: tuple[Any, ...]
    """As for `finding_names`."""


def build(engine: Engine, context: Context, shards: Sequence[Shard], clustered: Clustered) -> tuple[str, ...]:
    """Build the findings that are missing; returns those that were damaged and built again."""
    store, names = context.store(), finding_names(context, shards, clustered.related)
    state = {ref: artefacts.ready(store, name) for ref, name in names.items()}
    missing = {ref for ref, whole in state.items() if whole is not True}
    if missing:
        _build(engine, context, shards, clustered, {ref: names[ref] for ref in missing})
    # What a killed run left, too.
    for family in (PICKED, COUNTED):
        artefacts.sweep(store, family)
    return tuple(names[ref] for ref, whole in state.items() if whole is None)


def _build(
    engine: Engine, context: Context, shards: Sequence[Shard], clustered: Clustered, missing: Mapping[str, str]
) -> None:
    ranges = ranges_for(sum(shard.documents for shard in shards), ROWS_A_RANGE)
    picking = [PickTask(context, shard, place, clustered, ranges) for place, shard in enumerate(shards)]
    picked = tuple(engine.map(SCREEN, pick_members, picking))
    counting = [CountTask(context, picked, number, len(shards)) for number in range(ranges)]
    counted = tuple(engine.map(SCREEN, count_bursts, counting))
    telling = [
        TellTask(context, shard, place, counted, missing[shard.ref])
        for place, shard in enumerate(shards)
        if shard.ref in missing
    ]
    engine.map(SCREEN, tell_shard, telling)


@dataclass(frozen=True)
class PickTask:
    """A shard whose members of clusters are wanted; its place is that among all shards."""

    context: Context
    shard: Shard
    place: int
    clustered: Clustered
    ranges: int


def pick_members(task: PickTask) -> str:
    """Pick what rules count in a shard; returns the name of a part for each range of clusters."""
    store, clustered = task.context.store(), task.clustered
    pack = task.context.concern(SCREEN)
    name = artefacts.name(PICKED, _content(task.shard), pack.digest, clustered.told, clustered.oldest, task.ranges)
    if artefacts.ready(store, name) is not True:
        rows = bursts.MEMBERS.empty_table()
        if clustered.told is not None:
            clusters, _ = told(store, (clustered.told, task.place))
            rows = bursts.members(_documents(store, task), clusters, bursts.kinds(pack))
        rows = rows.append_column("home", pa.repeat(pa.scalar(task.place, pa.int32()), len(rows)))
        artefacts.put_ranges(store, name, split_by_range(rows, "cluster_id", task.ranges))
    return name


def _documents(store: Store, task: PickTask) -> pa.Table:
    documents = artefacts.decode(read_shard(store, task.shard, "documents"), bursts.COLUMNS)
    place = documents.schema.get_field_index("fetched_at")
    return documents.set_column(place, "fetched_at", oldest_capture(store, task.clustered.oldest, documents))


@dataclass(frozen=True)
class CountTask:
    """One range of clusters of every shard."""

    context: Context
    picked: tuple[str, ...]
    number: int
    shards: int


def count_bursts(task: CountTask) -> str:
    """Find the bursts of one range; returns the name of what it tells, a part for each shard."""
    store, pack = task.context.store(), task.context.concern(SCREEN)
    name = artefacts.name(COUNTED, task.picked, task.number, pack.digest)
    if artefacts.ready(store, name) is not True:
        rows = artefacts.get_range(store, task.picked, task.number)
        hits = bursts.count(rows, bursts.kinds(pack)).combine_chunks()
        bounds = np.searchsorted(hits["home"].to_numpy(), np.arange(task.shards + 1)).tolist()
        parts = [hits.slice(low, high - low) for low, high in pairwise(bounds)]
        artefacts.put_parts(store, name, [artefacts.stream(part) for part in parts])
    return name


@dataclass(frozen=True)
class TellTask:
    """A shard that is told which of its documents are in bursts."""

    context: Context
    shard: Shard
    place: int
    counted: tuple[str, ...]
    name: str


def tell_shard(task: TellTask) -> str:
    """Make the findings of a shard; returns their name."""
    store = task.context.store()
    parts = [artefacts.from_stream(artefacts.get_part(store, one, task.place)) for one in task.counted]
    hits = pa.concat_tables([bursts.HITS.empty_table(), *parts])
    documents = artefacts.decode(read_shard(store, task.shard, "documents"), ["doc_id", "text_digest", "n_chars"])
    found = bursts.tell(documents, hits, bursts.kinds(task.context.concern(SCREEN)))
    artefacts.put(store, task.name, artefacts.encode(found))
    return task.name
