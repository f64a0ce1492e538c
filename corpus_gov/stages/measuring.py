"""Comparing pairs of texts that nobody compared before: laid out in blocks, fetched from their shards, measured.

    plan_blocks   pairs without a value of some ranges -> blocks of bounded text, and what each needs of which shard
    fetch_texts   a shard -> the texts that pairs without a value need, cut by block
    measure_block one block of pairs with its texts -> values

The client learns of a plan how many blocks and which shards it has, and no pair.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.kernels import jaccard, order
from corpus_gov.relate import blocks, contained, near, records
from corpus_gov.relate.presets import Preset
from corpus_gov.relate.records import Columns
from corpus_gov.stages import Context, Shard, read_shard
from corpus_gov.stages.keying import preset_in_force
from corpus_gov.stages.valuing import VALUED, measured_family, put_values
from corpus_gov.store import Store

_TEXTS: Final = pa.schema([pa.field("name", pa.binary(16)), pa.field("text", pa.large_string())])

_NEEDS: Final = np.dtype([("home", "<u4"), ("part", "<u4")])
"""For a block: a shard that has texts of it, and the which-th part of what the plan has fetched there they are."""


@dataclass(frozen=True)
class PlanTask:
    """Some ranges of `value_range`, whose pairs without a value are laid out together."""

    context: Context
    valued: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Blocks of some pairs."""

    pairs: str
    """records.VALUES, a part a block."""
    texts: str
    """blocks.WANTED, a part a shard."""
    needs: str
    """Of each block which shards have its texts, a part a block."""
    blocks: int
    homes: tuple[int, ...]
    """Numbers of the shards, in the order of the parts of `texts`."""
    parts: tuple[int, ...]
    """How many blocks need each of these shards."""


def plan_blocks(task: PlanTask) -> Plan:
    """Lay out pairs in blocks."""
    store = task.context.store()
    return planned(store, records.unpacked([artefacts.get_part(store, name, 1) for name in task.valued], VALUED))


def planned(store: Store, pairs: Columns) -> Plan:
    """Lay out pairs in blocks, and store what workers have to know of it.

    Memory: some 300 bytes a pair.

    Args:
        store: where.
        pairs: VALUED, at least one.
    """
    places, block = blocks.blocks(pairs)
    pairs = {field: column[places] for field, column in pairs.items()}
    asked = [records.packed(pairs, records.VALUES, slice(*run)) for run in records.runs(block)]
    wanted = blocks.wanted(pairs, block)
    by_home = records.runs(wanted["home"])
    needed = wanted[records.starts(wanted["home"], wanted["block"])]
    firsts = records.starts(needed["home"])
    parts = np.diff(np.append(firsts, len(needed)))
    needs = records.filled(_NEEDS, len(needed), {"home": needed["home"]})
    needs["part"] = np.arange(len(needed)) - np.repeat(firsts, parts)
    at = np.argsort(needed["block"], kind="stable")
    by_block = records.runs(needed["block"][at])
    return Plan(
        pairs=_put_plan(store, "plan.pairs", asked),
        texts=_put_plan(store, "plan.texts", [wanted[low:high].tobytes() for low, high in by_home]),
        needs=_put_plan(store, "plan.needs", [needs[at[low:high]].tobytes() for low, high in by_block]),
        blocks=len(asked),
        homes=tuple(needed["home"][firsts].tolist()),
        parts=tuple(parts.tolist()),
    )


def _put_plan(store: Store, family: str, parts: Sequence[bytes]) -> str:
    """Store parts under a name made from them."""
    name = artefacts.name(family, [sha256(part).hexdigest() for part in parts])
    if artefacts.ready(store, name) is not True:
        artefacts.put_parts(store, name, parts)
    return name


def put_fetched(store: Store, fetched: Mapping[int, tuple[str, int]]) -> str:
    """Store where the texts of a plan are: for each shard the name of `fetch_texts`, and its first part of the plan."""
    data = json.dumps(sorted((home, *where) for home, where in fetched.items())).encode()
    name = artefacts.name("plan.fetched", sha256(data).hexdigest())
    artefacts.put(store, name, data)
    return name


@dataclass(frozen=True)
class FetchTask:
    """A shard, and which of its texts which blocks need: a part of each plan that needs any."""

    context: Context
    shard: Shard
    plans: tuple[tuple[str, int], ...]


def texts_name(task: FetchTask) -> str:
    """Name what `fetch_texts` writes, so that it can be removed whatever came of it."""
    return artefacts.name("texts", task.shard.ref, task.plans)


def fetch_texts(task: FetchTask) -> str:
    """Write the texts that blocks need, one part a block, plan after plan; returns the name."""
    store = task.context.store()
    name = texts_name(task)
    if artefacts.ready(store, name) is not True:
        documents = artefacts.decode(read_shard(store, task.shard, "documents"), ["text_digest", "text"])
        known = records.names(documents["text_digest"])
        order = np.argsort(known, kind="stable")
        parts = []
        for plan in task.plans:
            rows = np.frombuffer(artefacts.get_part(store, *plan), blocks.WANTED)
            at = order[np.searchsorted(known, rows["text"], sorter=order)]
            for low, high in records.runs(rows["block"]):
                mine = at[low:high]
                parts.append(artefacts.stream(named(known[mine], documents["text"].take(pa.array(mine)))))
        artefacts.put_parts(store, name, parts)
    return name


def named(names: np.ndarray, text: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Put the names of texts beside them, as `measure` takes them."""
    buffer = pa.py_buffer(np.ascontiguousarray(names).tobytes())
    return pa.table(
        [pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(names), [None, buffer]), text], schema=_TEXTS
    )


@dataclass(frozen=True)
class MeasureTask:
    """A block of a plan."""

    context: Context
    pairs: str
    needs: str
    fetched: str
    """Of `put_fetched`."""
    number: int


def measure_block(task: MeasureTask) -> str:
    """Compare the pairs of a block; returns the name of their values, cut by a."""
    store, preset = task.context.store(), preset_in_force(task.context)
    data = artefacts.get_part(store, task.pairs, task.number)
    name = artefacts.name(measured_family(preset), sha256(data).hexdigest())
    if artefacts.ready(store, name) is not True:
        where = {home: (texts, first) for home, texts, first in json.loads(artefacts.read(store, task.fetched))}
        tables = []
        for home, part in np.frombuffer(artefacts.get_part(store, task.needs, task.number), _NEEDS).tolist():
            texts, first = where[home]
            tables.append(artefacts.from_stream(artefacts.get_part(store, texts, first + part)))
        values = measure(records.unpacked([data], records.VALUES), pa.concat_tables(tables).combine_chunks(), preset)
        put_values(store, name, values)
    return name


def measure(pairs: Columns, texts: pa.Table, preset: Preset) -> Columns:
    """Compare pairs of texts, shingle by shingle.

    Args:
        pairs: records.VALUES without values.
        texts: name (binary of 16 bytes) and text, at most jaccard.BLOCK; every text that `pairs` names.
        preset: what to compare.

    Returns:
        records.VALUES; near: Jaccard similarity, contained: share of the smaller one in the larger, 0 where they are
        near duplicates, spun: share of clauses, 0 where they stand in the same order.
    """
    known = np.frombuffer(texts["name"].combine_chunks().buffers()[1], records.NAME)[: len(texts)]
    places = np.argsort(known, kind="stable")
    a, b = (places[np.searchsorted(known, pairs[side], sorter=places)] for side in ("a", "b"))
    text = texts["text"].combine_chunks()
    sets = near.shingle_sets(text, preset)
    sizes = np.diff(sets[1])
    shared = _shared(sets, a, b)
    similar = near.of_union(shared, sizes[a] + sizes[b])
    inside = contained.share_of_smaller(shared, sizes, a, b)
    value = np.where(pairs["kind"] == 0, similar, np.where(similar < preset.threshold, inside, 0))
    inner = contained.second_inside(sizes, a, b)
    value[pairs["kind"] == 2] = 0
    # What is contained stands there in the same order: the clauses of the others alone are looked at.
    if len(spun := np.flatnonzero((pairs["kind"] == 2) & (inside < contained.THRESHOLD))):
        rows = records.distinct(np.concatenate([a[spun], b[spun]]).astype(np.uint64)).astype(np.int64)
        clauses = contained.clause_hashes(text.take(pa.array(rows)), preset)
        said = jaccard.sets(*clauses)
        one, other = np.searchsorted(rows, a[spun]), np.searchsorted(rows, b[spun])
        of_clauses = np.diff(said[1])
        common = jaccard.common(said, one, said, other)
        share = contained.share_of_smaller(common, of_clauses, one, other)
        # Pages of one form have most of their clauses in common too, but in one order.
        much = np.flatnonzero(share >= contained.THRESHOLD)
        share[much[order.moved(*clauses, one[much], other[much]) < contained.MOVED]] = 0
        value[spun] = share
        inner[spun] = contained.second_inside(of_clauses, one, other)
    return {side: pairs[side] for side in ("a", "b", "kind")} | {"inner": inner, "value": value}


def _shared(sets: jaccard.Sets, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Count what pairs share, each pair once: most are candidates of more than one kind."""
    code = a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64)
    pairs = records.distinct(code)
    one, other = near.unpacked(pairs)
    shared: np.ndarray = jaccard.common(sets, one, sets, other)[records.places(pairs, code)]
    return shared
