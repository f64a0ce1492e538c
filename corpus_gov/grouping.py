"""Edges and clusters of a corpus: which tasks of the stages run, and in what order.

Shards are keyed, ranges of keys give candidate pairs, ranges of pairs bring together what was found of each pair, and
blocks of bounded text are compared. What was measured once is never measured again: it is a function of two texts and
of the preset, and lies in the build cache. So a new batch costs its own signatures, a new sort of the keys, and the
pairs that it brought.

The client holds names of artefacts, and four bytes for each document that has a copy (`clustering.components`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.engine import Engine, ranges_for
from corpus_gov.relate import clusters, exact, records
from corpus_gov.relate.presets import Preset
from corpus_gov.stages import Context, Shard, clustering, damaged
from corpus_gov.stages.clustering import GroupTask, NumberTask, ResolveTask, ShardTask, TellTask
from corpus_gov.stages.keying import KINDS, preset_of
from corpus_gov.stages.looking import JoinTask, SplitTask, artefact_names, join_keys, split_keys
from corpus_gov.stages.measuring import (
    FetchTask,
    MeasureTask,
    Plan,
    PlanTask,
    fetch_texts,
    measure_block,
    plan_blocks,
    put_fetched,
    texts_name,
)
from corpus_gov.stages.pairing import BandTask, GatherTask, PairTask, cut_bands, gather_range, pair_range
from corpus_gov.stages.valuing import EdgeTask, ValueTask, edge_range, measured_family, value_range
from corpus_gov.store import Store

VERSION: Final = 1

ROWS_A_RANGE: Final = 65_536
"""Documents of a range of text digests."""

KEYS_A_RANGE: Final = 1 << 20
"""Rows of a range of keys: 20 MB, and some times that while they are sorted and paired."""

PAIRS_A_RANGE: Final = 1 << 16
"""Documents for each range of pairs."""

PAIRS_AT_ONCE: Final = 1 << 20
"""Pairs that are laid out in blocks together: a text that is in pairs of several layouts is hashed for each of them."""

ASKED_A_RANGE: Final = 1 << 20
"""Pairs of a range where pairs are asked for and not found."""

LINKS_A_RANGE: Final = 1 << 17
"""Documents for each range of edges and of clusters: elections hold the judged rows of as many, at most."""

BYTES_A_PASSAGE: Final = 96
BYTES_A_CLAUSE: Final = 64
"""Text for each key, about."""

INTERMEDIATE: Final = (
    "cuts.exact", "cuts.texts", "pairs.", "halves", "gathered", "valued", "plan.", "texts", "links.",
)  # fmt: skip
"""Families that serve one run: no later one could name what they hold. Copies of texts are among them."""


@dataclass(frozen=True)
class Relations:
    """Names of what relating gives; ranges are equal parts of all doc_ids."""

    edges: tuple[str, ...]
    """EDGES by ranges of a."""
    clusters: tuple[str, ...]
    """CLUSTERS by ranges of cluster_id."""
    copies: tuple[str, ...]
    """links.LINK inside of these clusters."""
    told: tuple[str, ...]
    """clustering.TOLD of each shard, in their order."""


def relations(key: str, shards: Sequence[Shard]) -> Relations:
    """Name the tables of what `relate` called `key`."""
    families, ranges = ("edges", "clusters", "copies"), range(link_ranges(shards))
    edges, clusters_of, copies = (tuple(artefacts.name(family, key, n) for n in ranges) for family in families)
    return Relations(edges, clusters_of, copies, tuple(clustering.told_name(key, n) for n in range(len(shards))))


def relate(context: Context, engine: Engine, shards: Sequence[Shard], rebuilt: list[str] | None = None) -> str | None:
    """Relate all documents; returns what names the tables (`relations`), None without documents.

    Which of the tables were damaged and built again is added to `rebuilt`.
    """
    if not shards:
        return None
    store, preset = context.store(), preset_of(context)
    keys, key = _keys(context, shards), key_of(context, shards)
    found = relations(key, shards)
    state = {one: artefacts.ready(store, one) for one in (*found.edges, *found.clusters, *found.copies, *found.told)}
    if rebuilt is not None:
        rebuilt += damaged(state)
    if not all(state.values()):
        links = _exact(context, engine, keys["keys.exact"], shards)
        if preset:
            links += _near(context, engine, shards, keys, preset)
        put_relations(context, engine, links, found)
    # Whether or not this run wrote them: a killed one may have left some beside tables that were whole.
    sweep(store)
    return key


def key_of(context: Context, shards: Sequence[Shard]) -> str:
    """Name the relations of these shards: what `relate` returns where there are any."""
    made_from = {kind: sorted(of_kind) for kind, of_kind in _keys(context, shards).items()}
    return artefacts.digest_of([made_from, versions(context), [shard.ref for shard in shards]])


def _keys(context: Context, shards: Sequence[Shard]) -> dict[str, list[str]]:
    names = [artefact_names(context, shard) for shard in shards]
    kinds = ("keys.exact", *(KINDS if preset_of(context) else ()))
    return {kind: [one[kind] for one in names] for kind in kinds}


def link_ranges(shards: Sequence[Shard]) -> int:
    """Choose into how many ranges edges and clusters are cut; a power of two, the same for any cut into shards."""
    return records.power_of_two(sum(shard.documents for shard in shards), LINKS_A_RANGE)


def put_relations(context: Context, engine: Engine, links: tuple[str, ...], found: Relations) -> None:
    """Sort links into edges, unite them to clusters, and tell each shard what concerns its documents.

    Args:
        context: of the tasks.
        engine: running.
        links: names of links (`links.put`), cut into as many parts as there are ranges.
        found: where the tables go.
    """
    store, ranges, shards = context.store(), len(found.edges), len(found.told)
    numbering = [NumberTask(context, links, n, ranges, shards, name) for n, name in enumerate(found.edges)]
    numbered = engine.map("relate", clustering.number_range, numbering)
    counts, nodes = [one.count for one in numbered], [one.nodes for one in numbered]
    halves, firsts = tuple(one.halves for one in numbered), clustering.put_firsts(store, counts)
    resolving = [ResolveTask(context, halves, name, firsts, n) for n, name in enumerate(nodes)]
    pairs = engine.map("relate", clustering.resolve_range, resolving)
    roots = clustering.components(store, pairs, counts)
    grouping = [
        GroupTask(context, links, name, roots_of, firsts, n, ranges)
        for n, (name, roots_of) in enumerate(zip(nodes, roots, strict=True))
    ]
    grouped = tuple(engine.map("relate", clustering.group_range, grouping))
    telling = [
        TellTask(context, grouped, name, n, ranges, shards, found.clusters[n], found.copies[n])
        for n, name in enumerate(nodes)
    ]
    members, made = tuple(engine.map("relate", clustering.tell_range, telling)), tuple(one.made for one in numbered)
    told = [ShardTask(context, members, made, home, name) for home, name in enumerate(found.told)]
    engine.map("relate", clustering.tell_shard, told)


def sweep(store: Store) -> None:
    """Remove what relating needed on the way, texts above all."""
    for family in INTERMEDIATE:
        artefacts.sweep(store, family)


def versions(context: Context) -> list[Any]:
    """Return what decides the edges besides the documents."""
    preset = preset_of(context)
    return [VERSION, clusters.VERSION, exact.VERSION, measured_family(preset) if preset else None]


def sizes(tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Count clusters by size.

    Args:
        tables: CLUSTERS, in parts; no cluster is in two of them.

    Returns:
        documents, clusters, largest (documents of the largest), and sizes: clusters in bins that double, "2", "3-4",
        "5-8" and so on.
    """
    found, documents, largest = np.zeros(64, np.int64), 0, 0
    for table in tables:
        counts = np.asarray(table.group_by("cluster_id").aggregate([("doc_id", "count")])["doc_id_count"])
        found += np.bincount(np.ceil(np.log2(counts)).astype(np.int64), minlength=len(found))
        documents, largest = documents + int(counts.sum()), max(largest, int(counts.max(initial=0)))
    bins = {
        str(1 << power) if power == 1 else f"{(1 << power - 1) + 1}-{1 << power}": int(found[power])
        for power in np.flatnonzero(found).tolist()
    }
    return {"documents": documents, "clusters": int(found.sum()), "largest": largest, "sizes": bins}


def _exact(context: Context, engine: Engine, keys: Sequence[str], shards: Sequence[Shard]) -> tuple[str, ...]:
    ranges = ranges_for(sum(shard.documents for shard in shards), ROWS_A_RANGE)
    cuts = engine.map("relate", split_keys, [SplitTask(context, name, home, ranges) for home, name in enumerate(keys)])
    joins = [JoinTask(context, tuple(sorted(cuts)), number, link_ranges(shards)) for number in range(ranges)]
    return tuple(engine.map("relate", join_keys, joins))


def _near(
    context: Context, engine: Engine, shards: Sequence[Shard], keys: dict[str, list[str]], preset: Preset
) -> tuple[str, ...]:
    documents, text = sum(shard.documents for shard in shards), sum(shard.text_bytes for shard in shards)
    ranges = records.power_of_two(documents, PAIRS_A_RANGE)
    rows = (documents * preset.bands, text // BYTES_A_PASSAGE, text // BYTES_A_CLAUSE)
    key_ranges = [records.power_of_two(n, KEYS_A_RANGE) for n in rows]
    bands = [BandTask(context, name, home, ranges, key_ranges[0]) for home, name in enumerate(keys["keys.near"])]
    texts, cuts = zip(*engine.map("relate", cut_bands, bands), strict=True)
    # A later run cuts the bands of its new shards alone, as long as it has as many ranges.
    artefacts.sweep(context.store(), "cuts.near", cuts)
    by_kind = (cuts, keys["keys.passages"], keys["keys.clauses"])
    tasks = [
        PairTask(context, kind, tuple(names), number, key_ranges[kind], ranges)
        for kind, names in enumerate(by_kind)
        for number in range(key_ranges[kind])
    ]
    found = list(zip(tasks, engine.map("relate", pair_range, tasks), strict=True))
    pairs = tuple(tuple(name for task, name in found if task.kind == kind) for kind in range(len(by_kind)))
    gathering = [GatherTask(context, pairs, texts, number, ranges) for number in range(ranges)]
    halves, gathered = zip(*engine.map("relate", gather_range, gathering), strict=True)
    return verified(context, engine, shards, halves, gathered, preset, link_ranges(shards))


def verified(
    context: Context,
    engine: Engine,
    shards: Sequence[Shard],
    pairs: Sequence[str],
    texts: Sequence[str | None],
    preset: Preset,
    parts: int,
) -> tuple[str, ...]:
    """Measure candidate pairs that nobody measured before, and keep those that are related.

    Args:
        context: of the tasks.
        engine: running.
        shards: in the order that the homes of the pairs count.
        pairs: names of pairing.HALF, or of valuing.ASKED, each cut by a into as many ranges as there are `texts`.
        texts: name of records.TEXTS of each range; None where pairs name both texts.
        preset: in force.
        parts: into how many parts links are cut.

    Returns:
        Names of links (`links.put`), by their first document; of pairs that were asked for by group.
    """
    store, ranges = context.store(), len(texts)
    known = tuple(n for n in store.list(f"artefacts/{measured_family(preset)}/") if n.endswith(".parquet"))
    tasks = [ValueTask(context, tuple(pairs), of, known, number, ranges) for number, of in enumerate(texts)]
    valued = engine.map("relate", value_range, tasks)
    fresh = tuple(_compare(context, engine, shards, valued))
    asked = texts[0] is None
    keeping = [
        EdgeTask(context, name, fresh, known, number, ranges, parts, asked) for number, (name, _) in enumerate(valued)
    ]
    done = engine.map("relate", edge_range, keeping)
    merged = {name for _, name in done}
    for name in (*known, *fresh):
        if name not in merged:
            artefacts.remove(store, name)
    return tuple(name for name, _ in done)


def _compare(context: Context, engine: Engine, shards: Sequence[Shard], valued: Sequence[tuple[str, int]]) -> list[str]:
    """Compare the pairs of `value_range` that have no value, block by block; returns the names of what was measured."""
    plans = engine.map("relate", plan_blocks, [PlanTask(context, names) for names in _waves(valued)])
    homes = sorted({home for plan in plans for home in plan.homes})
    wanted: dict[int, list[tuple[str, int]]] = {home: [] for home in homes}
    for plan in plans:
        for part, home in enumerate(plan.homes):
            wanted[home].append((plan.texts, part))
    fetches = [FetchTask(context, shards[home], tuple(wanted[home])) for home in homes]
    try:
        found = engine.map("relate", fetch_texts, fetches, [shards[home].text_bytes for home in homes])
        tasks = _measuring(context, plans, dict(zip(homes, found, strict=True)))
        return engine.map("relate", measure_block, tasks)
    finally:
        # Copies of texts are kept no longer than they are needed. By name: a list may not have them yet.
        for fetch in fetches:
            artefacts.remove(context.store(), texts_name(fetch))


def _measuring(context: Context, plans: Sequence[Plan], texts: dict[int, str]) -> list[MeasureTask]:
    """Plan the blocks: of each shard, the parts for one layout stand behind those for the layouts before it."""
    first = dict.fromkeys(texts, 0)
    tasks = []
    for plan in plans:
        fetched = put_fetched(context.store(), {home: (texts[home], first[home]) for home in plan.homes})
        tasks += [MeasureTask(context, plan.pairs, plan.needs, fetched, block) for block in range(plan.blocks)]
        for home, parts in zip(plan.homes, plan.parts, strict=True):
            first[home] += parts
    return tasks


def _waves(valued: Sequence[tuple[str, int]]) -> Iterator[tuple[str, ...]]:
    """Put ranges together that have about PAIRS_AT_ONCE pairs without a value."""
    names: list[str] = []
    size = 0
    for name, pairs in valued:
        if pairs:
            names.append(name)
            size += pairs
        if size >= PAIRS_AT_ONCE:
            yield tuple(names)
            names, size = [], 0
    if names:
        yield tuple(names)
