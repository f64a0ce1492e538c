"""Edges and clusters of a corpus: which tasks of stages.looking and stages.relating run, and in what order.

Shards are keyed, ranges of keys give candidate pairs, ranges of pairs bring together what was found of each pair, and
blocks of bounded text are compared. What was measured once is never measured again: it is a function of two texts and
of the preset, and lies in the build cache. So a new batch costs its own signatures, a new sort of the keys, and the
pairs that it brought.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.engine import Engine, ranges_for
from corpus_gov.relate import blocks, exact, records
from corpus_gov.relate import clusters as components
from corpus_gov.relate.presets import Preset
from corpus_gov.relate.records import runs
from corpus_gov.schemas import EDGES, field, table
from corpus_gov.stages import Context, Shard, damaged
from corpus_gov.stages.looking import JoinTask, SplitTask, artefact_names, join_keys, split_keys
from corpus_gov.stages.relating import (
    KINDS,
    VALUED,
    BandTask,
    EdgeTask,
    FetchTask,
    GatherTask,
    MeasureTask,
    PairTask,
    ValueTask,
    cut_bands,
    edge_range,
    fetch_texts,
    gather_range,
    measure_block,
    measured_family,
    pair_range,
    preset_of,
    texts_name,
    value_range,
)
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

BYTES_A_PASSAGE: Final = 96
BYTES_A_CLAUSE: Final = 64
"""Text for each key, about."""

INTERMEDIATE: Final = (
    "cuts.exact", "edges.exact", "edges.near", "cuts.texts", "cuts.near", "pairs.", "halves", "gathered", "valued",
    "plan.", "texts",
)  # fmt: skip
"""Families that serve one run: no later one could name what they hold. Copies of texts are among them."""

MADE_OF: Final = table(
    "made_of",
    1,
    "Documents that are largely made of another, and of which.",
    field("doc_id", pa.string(), "The document."),
    field("contained_share", pa.int32(), "Largest verified share that stands in another.", null=True, scale=True),
    field("contained_in", pa.string(), "That other.", null=True),
    field("spun_share", pa.int32(), "Largest verified share of clauses from another.", null=True, scale=True),
    field("spun_of", pa.string(), "That other.", null=True),
)


def relate(context: Context, engine: Engine, shards: Sequence[Shard], rebuilt: list[str] | None = None) -> str | None:
    """Relate all documents; returns the name of the clusters, None without documents.

    The names of the edges and of MADE_OF follow from that of the clusters. Which of them were damaged and built again
    is added to `rebuilt`.
    """
    documents = sum(shard.documents for shard in shards)
    if not shards:
        return None
    store, preset = context.store(), preset_of(context)
    # Copies of texts that a killed run left.
    artefacts.sweep(store, "texts")
    names = [artefact_names(context, shard) for shard in shards]
    kinds = ["keys.exact", *(KINDS if preset else ())]
    keys = {kind: [one[kind] for one in names] for kind in kinds}
    made_from = {kind: sorted(of_kind) for kind, of_kind in keys.items()}
    name = artefacts.name("clusters", made_from, versions(context))
    wanted = (name, artefacts.edges_name(name), artefacts.made_of_name(name), told_name(name, shards))
    state = {one: artefacts.ready(store, one) for one in wanted}
    if rebuilt is not None:
        rebuilt += damaged(state)
    if not all(state.values()):
        parts = _exact(context, engine, keys["keys.exact"], documents)
        if preset:
            parts += _near(context, engine, shards, keys, preset)
        _put_relations(store, pa.concat_tables(parts), name, shards)
    return name


def _put_relations(store: Store, edges: pa.Table, name: str, shards: Sequence[Shard]) -> None:
    """Store edges, what follows from them, and for each shard what concerns its documents."""
    edges = edges.sort_by([(column, "ascending") for column in ("a", "b", "kind")]).combine_chunks()
    clusters = components.clusters(edges.filter(pc.is_in(edges["kind"], pa.array(["exact", "near"]))))
    made = made_of(edges)
    artefacts.put_parts(store, told_name(name, shards), _told(edges, clusters, made, len(shards)))
    artefacts.put(store, artefacts.edges_name(name), artefacts.encode(edges.select(EDGES.names).cast(EDGES)))
    artefacts.put(store, artefacts.made_of_name(name), artefacts.encode(made))
    sweep(store)
    artefacts.put(store, name, artefacts.encode(clusters))


def told_name(clusters: str, shards: Sequence[Shard]) -> str:
    """Name what shards are told of clusters and of MADE_OF: a part for each, in their order; see `relating.told`."""
    return artefacts.name("told", clusters, [shard.ref for shard in shards])


def _told(edges: pa.Table, clusters: pa.Table, made: pa.Table, shards: int) -> list[bytes]:
    ids = pa.concat_arrays([chunk for side in "ab" for chunk in edges[side].chunks] or [pa.array([], pa.string())])
    homes = np.concatenate([np.asarray(edges[f"home_{side}"]) for side in "ab"])
    rows = clusters.join(made, "doc_id", join_type="full outer").sort_by("doc_id").combine_chunks()
    home = homes[np.asarray(pc.index_in(rows["doc_id"].combine_chunks(), value_set=ids)).astype(np.int64)]
    order = np.argsort(home, kind="stable")
    bounds = np.searchsorted(home[order], np.arange(shards + 1)).tolist()
    rows = rows.take(pa.array(order)).combine_chunks()
    return [artefacts.stream(rows.slice(low, high - low)) for low, high in pairwise(bounds)]


def sweep(store: Store) -> None:
    """Remove what relating needed on the way, texts above all."""
    for family in INTERMEDIATE:
        artefacts.sweep(store, family)


def versions(context: Context) -> list[Any]:
    """Return what decides the edges besides the documents."""
    preset = preset_of(context)
    return [VERSION, components.VERSION, exact.VERSION, measured_family(preset) if preset else None]


def sizes(clusters: pa.Table) -> dict[str, Any]:
    """Count clusters by size.

    Args:
        clusters: CLUSTERS.

    Returns:
        documents, clusters, largest (documents of the largest), and sizes: clusters in bins that double, "2", "3-4",
        "5-8" and so on.
    """
    counts = np.asarray(clusters.group_by("cluster_id").aggregate([("doc_id", "count")])["doc_id_count"])
    bins = np.ceil(np.log2(counts)).astype(np.int64)
    found = {}
    for power, number in zip(*np.unique(bins, return_counts=True), strict=True):
        low, high = (1 << int(power - 1)) + 1, 1 << int(power)
        found[str(high) if low == high else f"{low}-{high}"] = int(number)
    return {
        "documents": int(counts.sum()),
        "clusters": len(counts),
        "largest": int(counts.max(initial=0)),
        "sizes": found,
    }


def _exact(context: Context, engine: Engine, keys: Sequence[str], documents: int) -> list[pa.Table]:
    ranges = ranges_for(documents, ROWS_A_RANGE)
    cuts = engine.map("relate", split_keys, [SplitTask(context, name, home, ranges) for home, name in enumerate(keys)])
    joins = [JoinTask(context, tuple(sorted(cuts)), number) for number in range(ranges)]
    return [artefacts.get(context.store(), part) for part in engine.map("relate", join_keys, joins)]


def _near(
    context: Context, engine: Engine, shards: Sequence[Shard], keys: dict[str, list[str]], preset: Preset
) -> list[pa.Table]:
    documents, text = sum(shard.documents for shard in shards), sum(shard.text_bytes for shard in shards)
    ranges = records.power_of_two(documents, PAIRS_A_RANGE)
    rows = (documents * preset.bands, text // BYTES_A_PASSAGE, text // BYTES_A_CLAUSE)
    key_ranges = [records.power_of_two(n, KEYS_A_RANGE) for n in rows]
    bands = [BandTask(context, name, home, ranges, key_ranges[0]) for home, name in enumerate(keys["keys.near"])]
    texts, cuts = zip(*engine.map("relate", cut_bands, bands), strict=True)
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
    return [verified(context, engine, shards, halves, gathered, preset)]


def verified(
    context: Context,
    engine: Engine,
    shards: Sequence[Shard],
    pairs: Sequence[str],
    texts: Sequence[str | None],
    preset: Preset,
) -> pa.Table:
    """Measure candidate pairs that nobody measured before, and keep those that are related.

    Memory: some 300 bytes for each of PAIRS_AT_ONCE pairs, and 200 for each edge.

    Args:
        context: of the tasks.
        engine: running.
        shards: in the order that the homes of the pairs count.
        pairs: names of HALF, or of records.PAIRS, each cut by a into as many ranges as there are `texts`.
        texts: name of records.TEXTS of each range; None where pairs name both texts.
        preset: in force.

    Returns:
        relating.HOMED.
    """
    store, ranges = context.store(), len(texts)
    known = tuple(n for n in store.list(f"artefacts/{measured_family(preset)}/") if n.endswith(".parquet"))
    tasks = [ValueTask(context, tuple(pairs), of, known, number, ranges) for number, of in enumerate(texts)]
    valued = engine.map("relate", value_range, tasks)
    fresh = tuple(_compare(context, engine, shards, valued))
    keeping = [EdgeTask(context, name, fresh, known, number, ranges) for number, name in enumerate(valued)]
    done = engine.map("relate", edge_range, keeping)
    merged = {name for _, name in done}
    for name in (*known, *fresh):
        if name not in merged:
            artefacts.remove(store, name)
    return pa.concat_tables(artefacts.get(store, name) for name, _ in done)


def _compare(context: Context, engine: Engine, shards: Sequence[Shard], valued: Sequence[str]) -> list[str]:
    """Compare the pairs of `value_range` that have no value, block by block; returns the names of what was measured."""
    store = context.store()
    plans = [_planned(store, pairs) for pairs in _waves(store, valued)]
    if not plans:
        return []
    homes = sorted({home for plan in plans for home in plan.homes})
    fetches = [
        FetchTask(context, shards[home], tuple((plan.texts, plan.homes[home]) for plan in plans if home in plan.homes))
        for home in homes
    ]
    try:
        found = engine.map("relate", fetch_texts, fetches, [shards[home].text_bytes for home in homes])
        names, first = dict(zip(homes, found, strict=True)), dict.fromkeys(homes, 0)
        tasks = []
        for plan in plans:
            for block, needs in enumerate(plan.needs):
                parts = tuple((names[home], first[home] + part) for home, part in needs)
                tasks.append(MeasureTask(context, plan.pairs, block, parts))
            for home, parts_of_home in plan.parts.items():
                first[home] += parts_of_home
        return engine.map("relate", measure_block, tasks)
    finally:
        # Copies of texts are kept no longer than they are needed. By name: a list may not have them yet.
        for fetch in fetches:
            artefacts.remove(store, texts_name(fetch))


def _waves(store: Store, valued: Sequence[str]) -> Iterator[records.Columns]:
    """Read the pairs without a value, some ranges at a time."""
    parts: list[bytes] = []
    for name in valued:
        parts.append(artefacts.get_part(store, name, 1))
        if sum(map(len, parts)) >= PAIRS_AT_ONCE * VALUED.itemsize:
            yield records.unpacked(parts, VALUED)
            parts = []
    if any(parts):
        yield records.unpacked(parts, VALUED)


@dataclass(frozen=True)
class _Plan:
    """Blocks of some pairs."""

    pairs: str
    """records.VALUES, a part a block."""
    texts: str
    """blocks.WANTED, a part a shard."""
    homes: dict[int, int]
    """Numbers of shards, and the part that each has of `texts`."""
    needs: list[list[tuple[int, int]]]
    """For each block the shards that have its texts, and the which-th block of the shard's this is."""
    parts: dict[int, int]
    """How many blocks need a shard."""


def _planned(store: Store, pairs: records.Columns) -> _Plan:
    """Lay out pairs in blocks."""
    places, block = blocks.blocks(pairs)
    pairs = {field: column[places] for field, column in pairs.items()}
    asked = [records.packed(pairs, records.VALUES, slice(*run)) for run in runs(block)]
    wanted = blocks.wanted(pairs, block)
    by_home = runs(wanted["home"])
    texts = _put_plan(store, "plan.texts", [wanted[low:high].tobytes() for low, high in by_home])
    homes = {int(wanted["home"][low]): part for part, (low, _) in enumerate(by_home)}
    needs: list[list[tuple[int, int]]] = [[] for _ in asked]
    parts: dict[int, int] = {}
    for home, block_of, _ in wanted[records.starts(wanted["home"], wanted["block"])].tolist():
        needs[block_of].append((home, parts.get(home, 0)))
        parts[home] = parts.get(home, 0) + 1
    return _Plan(_put_plan(store, "plan.pairs", asked), texts, homes, needs, parts)


def _put_plan(store: Store, family: str, parts: Sequence[bytes]) -> str:
    """Store parts under a name made from them."""
    name = artefacts.name(family, [sha256(part).hexdigest() for part in parts])
    if artefacts.ready(store, name) is not True:
        artefacts.put_parts(store, name, parts)
    return name


def made_of(edges: pa.Table) -> pa.Table:
    """Say of which other document each is largely made; copies of a text are made of the same.

    Args:
        edges: EDGES.

    Returns:
        MADE_OF, ascending by doc_id.
    """
    copies = edges.filter(pc.equal(edges["kind"], "exact")).select(["a", "b"]).rename_columns(["head", "doc_id"])
    parts = []
    for kind, share, other in (("contained", "contained_share", "contained_in"), ("spun", "spun_share", "spun_of")):
        of_kind = edges.filter(pc.equal(edges["kind"], kind))
        order = [("a", "ascending"), ("similarity", "descending"), ("b", "ascending")]
        of_kind = of_kind.sort_by(order).combine_chunks()
        runs = np.asarray(of_kind["a"].combine_chunks().dictionary_encode().indices)
        best = (
            of_kind.take(pa.array(np.flatnonzero(np.diff(runs, prepend=-1)), pa.int64()))
            .select(["a", "similarity", "b"])
            .rename_columns(["doc_id", share, other])
        )
        spread = copies.join(best, "head", "doc_id", "inner").select(["doc_id", share, other])
        parts.append(pa.concat_tables([best, spread], promote_options="default"))
    found = parts[0].join(parts[1], "doc_id", join_type="full outer")
    return pa.table([found[name] for name in MADE_OF.names], schema=MADE_OF).sort_by("doc_id")
