"""Edges and clusters of a corpus: which tasks of stages.looking and stages.relating run, and in what order.

Shards are keyed, ranges of keys give candidate pairs, ranges of pairs bring together what was found of each pair, and
blocks of bounded text are compared. What was measured once is never measured again: it is a function of two texts and
of the preset, and lies in the build cache. So a new batch costs its own signatures, a new sort of the keys, and the
pairs that it brought.
"""

from collections.abc import Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.engine import Engine, ranges_for
from corpus_gov.relate import blocks, contained, exact, records
from corpus_gov.relate import clusters as components
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import EDGES, field, table
from corpus_gov.stages import Context, Shard, relating
from corpus_gov.stages.looking import JoinTask, SplitTask, artefact_names, join_keys, split_keys
from corpus_gov.stages.relating import (
    KINDS,
    BandTask,
    FetchTask,
    MeasureTask,
    PairTask,
    ValueTask,
    cut_bands,
    fetch_texts,
    measure_block,
    measured_family,
    pair_range,
    preset_of,
    value_range,
)
from corpus_gov.store import Store

VERSION: Final = 1

ROWS_A_RANGE: Final = 65_536
"""Documents of a range of text digests."""

KEYS_A_RANGE: Final = 1 << 18
"""Rows of a range of keys: 12 MB, and some times that while they are sorted and paired."""

PAIRS_A_RANGE: Final = 1 << 13
"""Documents for each range of pairs."""

BYTES_A_KEY: Final = 48
"""Text for each key of a passage or clause, about."""

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


def relate(context: Context, engine: Engine, shards: Sequence[Shard]) -> str | None:
    """Relate all documents; returns the name of the clusters, None without documents.

    The names of the edges and of MADE_OF follow from that of the clusters.
    """
    documents = sum(shard.documents for shard in shards)
    if not shards:
        return None
    store, preset = context.store(), preset_of(context)
    names = [artefact_names(context, shard) for shard in shards]
    kinds = ["keys.exact", *(KINDS if preset else ())]
    keys = {kind: [one[kind] for one in names] for kind in kinds}
    made_from = {kind: sorted(of_kind) for kind, of_kind in keys.items()}
    name = artefacts.name("clusters", made_from, versions(context))
    wanted = (name, artefacts.edges_name(name), artefacts.made_of_name(name))
    if not all(artefacts.ready(store, one) is True for one in wanted):
        parts = _exact(context, engine, keys["keys.exact"], documents)
        if preset:
            parts += _near(context, engine, shards, keys, preset)
        edges = pa.concat_tables(parts).sort_by([(column, "ascending") for column in ("a", "b", "kind")])
        equals = edges.filter(pc.is_in(edges["kind"], pa.array(["exact", "near"])))
        artefacts.put(store, artefacts.edges_name(name), artefacts.encode(edges.combine_chunks()))
        artefacts.put(store, artefacts.made_of_name(name), artefacts.encode(made_of(edges)))
        artefacts.put(store, name, artefacts.encode(components.clusters(equals)))
    return name


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
    cuts = engine.map("relate", split_keys, [SplitTask(context, name, ranges) for name in keys])
    joins = [JoinTask(context, tuple(sorted(cuts)), number) for number in range(ranges)]
    return [artefacts.get(context.store(), part) for part in engine.map("relate", join_keys, joins)]


def _near(
    context: Context, engine: Engine, shards: Sequence[Shard], keys: dict[str, list[str]], preset: Preset
) -> list[pa.Table]:
    documents, text = sum(shard.documents for shard in shards), sum(shard.text_bytes for shard in shards)
    bands = engine.map("relate", cut_bands, [BandTask(context, name) for name in keys["keys.near"]])
    cuts = (bands, keys["keys.passages"], keys["keys.clauses"])
    rows = (documents * preset.bands, text // BYTES_A_KEY, text // BYTES_A_KEY)
    pair_ranges = records.power_of_two(documents, PAIRS_A_RANGE)
    tasks = [
        PairTask(context, kind, tuple(cuts[kind]), number, ranges, pair_ranges)
        for kind, ranges in enumerate(records.power_of_two(n, KEYS_A_RANGE) for n in rows)
        for number in range(ranges)
    ]
    pairs = engine.map("relate", pair_range, tasks)
    return [verified(context, engine, shards, pairs, pair_ranges, preset)]


def verified(
    context: Context, engine: Engine, shards: Sequence[Shard], pairs: Sequence[str], ranges: int, preset: Preset
) -> pa.Table:
    """Measure candidate pairs and keep those that are related; arguments as for `measured`.

    Returns:
        EDGES.
    """
    found = measured(context, engine, shards, pairs, ranges, preset)
    return pa.concat_tables([_edges(values, preset) for values in found])


def measured(
    context: Context, engine: Engine, shards: Sequence[Shard], pairs: Sequence[str], ranges: int, preset: Preset
) -> list[np.ndarray]:
    """Measure pairs: those that nobody measured before are compared now.

    Memory: some 200 bytes for each pair that is compared.

    Args:
        context: of the tasks.
        engine: running.
        shards: in the order that the homes of the pairs count.
        pairs: names of records.PAIRS, each cut into `ranges` by the greater text.
        ranges: of each.
        preset: in force.

    Returns:
        VALUED rows of each range, all with a value.
    """
    store = context.store()
    known = [n for n in store.list(f"artefacts/{measured_family(preset)}/") if n.endswith(".parquet")]
    found = _values(context, engine, pairs, known, ranges, complete=False)
    if unknown := [rows[rows["value"] < 0] for rows in found if (rows["value"] < 0).any()]:
        known += _compare(context, engine, shards, np.concatenate(unknown))
        found = _values(context, engine, pairs, sorted(set(known)), ranges, complete=True)
    return found


def _values(
    context: Context, engine: Engine, pairs: Sequence[str], known: Sequence[str], ranges: int, *, complete: bool
) -> list[np.ndarray]:
    tasks = [ValueTask(context, tuple(pairs), tuple(known), number, ranges, complete) for number in range(ranges)]
    store = context.store()
    return [
        np.frombuffer(artefacts.read(store, name), relating.VALUED) for name in engine.map("relate", value_range, tasks)
    ]


def _compare(context: Context, engine: Engine, shards: Sequence[Shard], pairs: np.ndarray) -> list[str]:
    """Compare pairs block by block; returns the names of what was measured."""
    store = context.store()
    places, block = blocks.blocks(pairs)
    pairs = pairs[places]
    asked = np.zeros(len(pairs), records.VALUES)
    for column in ("a", "b", "kind"):
        asked[column] = pairs[column]
    plan = _put_rows(store, "plan.pairs", asked, block)
    wanted = blocks.wanted(pairs, block)
    homes = wanted["home"][records.starts(wanted["home"])].tolist()
    fetch_plan = _put_rows(store, "plan.texts", wanted, wanted["home"])
    fetches = [FetchTask(context, shards[home], fetch_plan, number) for number, home in enumerate(homes)]
    try:
        texts = engine.map("relate", fetch_texts, fetches, [shards[home].text_bytes for home in homes])
        needs = _needs(wanted, dict(zip(homes, texts, strict=True)))
        tasks = [MeasureTask(context, plan, number, parts) for number, parts in enumerate(needs)]
        return engine.map("relate", measure_block, tasks)
    finally:
        # Copies of texts are kept no longer than they are needed, those of an interrupted run neither.
        for name in store.list("artefacts/texts/"):
            store.delete(name)


def _needs(wanted: np.ndarray, names: dict[int, str]) -> list[tuple[tuple[str, int], ...]]:
    """Say for each block which parts of which artefacts hold its texts."""
    firsts = wanted[records.starts(wanted["home"], wanted["block"])]
    found: list[list[tuple[str, int]]] = [[] for _ in range(int(firsts["block"].max()) + 1)]
    for home, of_home in groupby(firsts.tolist(), key=lambda row: row[0]):
        for part, (_, block, _) in enumerate(of_home):
            found[block].append((names[home], part))
    return [tuple(parts) for parts in found]


def _put_rows(store: Store, family: str, rows: np.ndarray, group: np.ndarray) -> str:
    """Store rows under a name made from them, one part for each run of equal numbers of `group`."""
    first = records.starts(group)
    stops = np.append(first[1:], len(rows))
    parts = [rows[low:high].tobytes() for low, high in zip(first, stops, strict=True)]
    name = artefacts.name(family, [sha256(part).hexdigest() for part in parts])
    if artefacts.ready(store, name) is not True:
        artefacts.put_parts(store, name, parts)
    return name


def _edges(values: np.ndarray, preset: Preset) -> pa.Table:
    """Keep the pairs that are related, as EDGES."""
    least = np.array([preset.threshold, contained.THRESHOLD, contained.THRESHOLD])
    values = values[values["value"] >= least[values["kind"]]]
    one, other = values["doc_a"], values["doc_b"]
    # Near: the smaller doc_id first. The others: the document that is inside.
    swapped = np.where(values["kind"] == 0, one > other, values["inner"] == 1)
    columns = [
        records.hexadecimal(np.where(swapped, other, one)),
        records.hexadecimal(np.where(swapped, one, other)),
        pa.array(records.KINDS).take(pa.array(values["kind"])),
        pa.array(values["value"]),
    ]
    return pa.table(columns, schema=EDGES)


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
