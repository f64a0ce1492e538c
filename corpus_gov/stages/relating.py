"""Near duplicates, containment and spun copies: what workers do, one function a step.

    cut_bands     signatures of a shard -> its texts, cut by head, and its band rows, cut by key
    pair_range    one range of keys of all shards -> candidate pairs of heads, cut by the greater one
    gather_range  one range of heads -> each pair that is worth a comparison once, the greater text by its name
    value_range   one range of pairs by the smaller text -> both texts, and what earlier runs measured of them
    fetch_texts   a shard -> the texts that pairs without a value need, cut by block
    measure_block one block of pairs with its texts -> values
    edge_range    one range of pairs with all values -> edges, and the values for later runs in one piece

Rows are those of relate.records. Every step reads each of its inputs once, and holds one shard, one range or one
block; the client (grouping.py) decides what runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import folding, jaccard, minhash, order, pieces, shingles
from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.compiling import kernel
from corpus_gov.relate import blocks, contained, near, records
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.relate.records import Columns
from corpus_gov.schemas import CLUSTERS, EDGES
from corpus_gov.stages import Context, Shard, read_shard
from corpus_gov.store import Missing, Store

VERSION: Final = 3

SKETCHES: Final = {
    "keys.passages": (contained.passage_sets, contained.LEAST_PASSAGES),
    "keys.clauses": (contained.clause_sets, contained.LEAST_CLAUSES),
}
"""Artefacts that are cut as they are built: what gives the keys of texts, and how many a document needs."""

KINDS: Final = ("keys.near", *SKETCHES)
"""Artefacts of a shard, in the order of records.KINDS."""

LIMITS: Final = (contained.BUCKET, contained.ANCHORS)
"""Bucket and anchors of SKETCHES; those of near duplicates are the preset's."""

HALF: Final = np.dtype(
    [
        ("a", "<u8"), ("b", records.NAME), ("doc_b", records.NAME), ("home_b", "<u4"), ("bytes_b", "<u4"),
        ("kind", "u1"),
    ]
)  # fmt: skip
"""records.PAIRS of which the smaller text is a head."""

VALUED: Final = np.dtype([*records.PAIRS.descr, ("inner", "u1"), ("value", "<i4")])
"""Pairs with their value, -1 where nobody measured them."""

HOMED: Final = pa.schema([*EDGES, pa.field("home_a", pa.uint32()), pa.field("home_b", pa.uint32())])
"""EDGES with the numbers of the shards of both documents."""

_SIGNED: Final = [("text", records.NAME), ("doc_id", records.NAME), ("bytes", "<u4")]
_TEXTS: Final = pa.schema([pa.field("name", pa.binary(16)), pa.field("text", pa.large_string())])

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no two keys become one. Ranges go by the first bits, and the least of many hashes begins with zeros."""

SIGNED: Final = 2
"""Version of the rows of keys.near."""


def preset_of(context: Context) -> Preset | None:
    """Return the preset in force; None where near duplicates are not looked for."""
    return PRESETS.get(context.near)


def preset_in_force(context: Context) -> Preset:
    """Return the preset in force, for tasks that nobody makes without one."""
    preset = preset_of(context)
    if preset is None:
        raise IntegrityError(f"near preset {context.near!r} names nothing to compare by; report this as a bug")
    return preset


def artefact_names(content: Sequence[str], preset: Preset) -> dict[str, str]:
    """Name the artefacts of KINDS of a shard.

    Args:
        content: what says which shard it is.
        preset: in force.
    """
    kernels = [shingles.VERSION, folding.VERSION, jaccard.VERSION, pieces.VERSION]
    made_from = [list(content), preset.folding.key, preset.shingle, contained.VERSION, kernels, VERSION]
    return {
        "keys.near": artefacts.name("keys.near", list(content), preset.signature_key, SIGNED),
        **{kind: artefacts.name(kind, *made_from) for kind in SKETCHES},
    }


def signature_type(preset: Preset) -> np.dtype:
    """Return the type of the rows of keys.near: one a document that has a token."""
    return np.dtype([*_SIGNED, ("minhash", "<u4", (preset.permutations,))])


def keys_of(kind: str, documents: pa.RecordBatch, preset: Preset) -> np.ndarray:
    """Key documents: rows of `signature_type` for keys.near, else records.KEYED."""
    text = documents.column("text")
    names = records.names(documents.column("text_digest"))
    if kind == "keys.near":
        values, sizes = minhash.minima(text, preset.folding, preset.shingle, preset.permutations, preset.seed)
        rows = np.flatnonzero(sizes)
        columns = {
            "text": names[rows],
            "doc_id": records.names(documents.column("doc_id"))[rows],
            "bytes": np.diff(buffers(text)[1])[rows],
            "minhash": values[rows],
        }
        return records.filled(signature_type(preset), len(rows), columns)
    make, least = SKETCHES[kind]
    keys, bounds = make(text, preset)
    sizes = np.diff(bounds)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    kept = sizes[rows] >= least
    rows = rows[kept]
    columns = {"key": keys[kept] * _MIX, "text": records.heads(names)[rows], "size": sizes[rows]}
    return records.filled(records.KEYED, len(rows), columns)


def put_keys(store: Store, name: str, kind: str, parts: Sequence[np.ndarray]) -> None:
    """Store what `keys_of` gave for the batches of a shard; sketches are cut at once."""
    if kind == "keys.near":
        artefacts.put(store, name, b"".join(part.tobytes() for part in parts))
    else:
        rows = np.concatenate([np.zeros(0, records.KEYED), *parts])
        _put_cut(store, name, records.by_column(rows), records.KEYED, rows["key"], records.own_ranges(len(rows)))


def signatures(store: Store, name: str, preset: Preset) -> np.ndarray:
    """Read keys.near of a shard: rows of `signature_type`."""
    return np.frombuffer(artefacts.read(store, name), signature_type(preset))


@dataclass(frozen=True)
class BandTask:
    """The signatures of a shard, the number of the shard, and into how many ranges its texts and bands are cut."""

    context: Context
    keys: str
    home: int
    text_ranges: int
    ranges: int


def cut_bands(task: BandTask) -> tuple[str, str]:
    """Cut the texts of a shard by head and its bands by key; returns the names of both cuts."""
    store, preset = task.context.store(), preset_in_force(task.context)
    texts_name = artefacts.name("cuts.texts", task.keys, task.home, task.text_ranges, VERSION)
    name = artefacts.name("cuts.near", task.keys, preset.bands, preset.rows, task.ranges, VERSION)
    if artefacts.ready(store, texts_name) is not True or artefacts.ready(store, name) is not True:
        signed = signatures(store, task.keys, preset)
        heads = records.heads(signed["text"])
        texts = {field: signed[field] for field, _ in _SIGNED} | {"home": np.full(len(signed), task.home)}
        _put_cut(store, texts_name, texts, records.TEXTS, heads, task.text_ranges)
        rows = band_rows(signed, preset)
        _put_cut(store, name, rows, records.KEYED, rows["key"], task.ranges)
    return texts_name, name


def band_rows(signed: np.ndarray, preset: Preset) -> Columns:
    """Key documents by their bands; returns records.KEYED."""
    keys = near.band_keys(signed["minhash"], preset.bands, preset.rows).reshape(-1)
    texts = np.repeat(records.heads(signed["text"]), preset.bands)
    return {"key": keys, "text": texts, "size": np.full(len(keys), preset.bands, np.uint32)}


@dataclass(frozen=True)
class PairTask:
    """One range of keys of every shard."""

    context: Context
    kind: int
    cuts: tuple[str, ...]
    number: int
    ranges: int
    pair_ranges: int


def pair_range(task: PairTask) -> str:
    """Pair the texts that share a key; returns the name of the pairs, cut into ranges."""
    store, preset = task.context.store(), preset_in_force(task.context)
    limits = (preset.bucket, preset.anchors) if task.kind == 0 else LIMITS
    parts = [task.kind, sorted(task.cuts), task.number, task.ranges, task.pair_ranges, limits, near.VERSION, VERSION]
    name = artefacts.name(f"pairs.{records.KINDS[task.kind]}", *parts)
    if artefacts.ready(store, name) is not True:
        rows = _read_range(store, task.cuts, records.KEYED, "key", task.number, task.ranges)
        found = candidates(rows, *limits)
        # By the greater text: of large buckets the smallest texts are the anchors, each with a thousand pairs.
        _put_cut(store, name, found, records.COUNTED, found["b"], task.pair_ranges)
    return name


def candidates(rows: Columns, most: int, anchors: int) -> Columns:
    """Pair the texts of complete buckets.

    Args:
        rows: records.KEYED.
        most: as for near.bucketed.
        anchors: as for near.bucketed.

    Returns:
        records.COUNTED, each pair once.
    """
    # Most keys are of one document: they go before anything is sorted.
    kept = _again(rows["key"])
    keys, texts = rows["key"][kept], rows["text"][kept]
    known = records.distinct(texts)
    nodes = records.places(known, texts)
    sizes = np.zeros(len(known), np.uint32)
    sizes[nodes] = rows["size"][kept]
    pairs, shared = near.bucketed(keys, nodes, most, anchors)
    a, b = near.unpacked(pairs)
    return {"a": known[a], "b": known[b], "shared": shared, "least": np.minimum(sizes[a], sizes[b])}


@dataclass(frozen=True)
class GatherTask:
    """One range of heads: the pairs of which the greater text is there, by kind, and the texts of all shards."""

    context: Context
    pairs: tuple[tuple[str, ...], ...]
    texts: tuple[str, ...]
    number: int
    ranges: int


def gather_range(task: GatherTask) -> tuple[str, str]:
    """Bring together what was found of each pair; returns the names of HALF, cut by a, and of the range's TEXTS."""
    store = task.context.store()
    made_from = [[sorted(names) for names in task.pairs], list(task.texts), task.number, task.ranges, VERSION]
    name, texts_name = artefacts.name("halves", *made_from), artefacts.name("gathered", *made_from)
    if artefacts.ready(store, name) is not True or artefacts.ready(store, texts_name) is not True:
        texts = first_texts(_read_range(store, task.texts, records.TEXTS, "text", task.number, task.ranges))
        known = records.heads(texts["text"])
        found = []
        for kind, names in enumerate(task.pairs):
            read = [part for one in names for part in artefacts.get_parts(store, one, task.number, task.number + 1)]
            a, b = added(records.unpacked(read, records.COUNTED), kind)
            if kind == 0:
                # Texts of one head are no pair of heads: they are compared on suspicion.
                alike = known[1:][known[1:] == known[:-1]]
                a, b = np.concatenate([a, alike]), np.concatenate([b, alike])
            found.append(half_pairs(a, b, kind, texts))
        halves = {field: np.concatenate([half[field] for half in found]) for field in found[0]}
        artefacts.put(store, texts_name, records.packed(texts, records.TEXTS))
        _put_cut(store, name, halves, HALF, halves["a"], task.ranges)
    return name, texts_name


def half_pairs(a: np.ndarray, b: np.ndarray, kind: int, texts: Columns) -> Columns:
    """Name the greater texts of pairs of heads; returns HALF."""
    rows, at = resolved(b, records.heads(texts["text"]))
    return {"a": a[rows], "kind": np.full(len(rows), kind, np.uint8), **_side("b", texts, at)}


def first_texts(rows: Columns) -> Columns:
    """Keep of the documents that have one text the one of smallest doc_id.

    Args:
        rows: records.TEXTS.

    Returns:
        records.TEXTS, ascending by text.
    """
    at = records.order(rows["text"], rows["doc_id"])
    at = at[records.starts(rows["text"][at])]
    return {field: column[at] for field, column in rows.items()}


def added(counted: Columns, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Add up what ranges of keys found of each pair, and keep those that are worth a comparison.

    Args:
        counted: records.COUNTED of one kind, complete.
        kind: of records.KINDS; near duplicates are all worth it.

    Returns:
        Heads of both texts of each, ascending.
    """
    known = [records.distinct(counted[side]) for side in ("a", "b")]
    a, b = (records.places(heads, counted[side]).astype(np.uint64) for heads, side in zip(known, "ab", strict=True))
    code = a << np.uint64(32) | b
    if kind == 0:
        pairs = records.distinct(code)
    else:
        at = np.argsort(code)
        first = records.starts(code[at])
        shared = np.add.reduceat(counted["shared"][at].astype(np.int64), first) if len(first) else np.zeros(0, np.int64)
        pairs = code[at[first]][contained.likely(shared, counted["least"][at[first]])]
    a, b = near.unpacked(pairs)
    return known[0][a], known[1][b]


def resolved(heads: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the texts of heads.

    Args:
        heads: uint64.
        known: uint64, ascending, heads of texts; several texts may have one.

    Returns:
        int64, places of `heads`, repeated where several texts have one, and int64, the place of a text for each.

    Raises:
        IntegrityError: a head is of no text.
    """
    first = records.starts(known)
    at = records.places(known[first], heads)
    if len(heads) and (not len(first) or (known[first][np.minimum(at, len(first) - 1)] != heads).any()):
        raise IntegrityError("candidate pairs: found a text that no shard has; run again, and report this as a bug")
    counts = np.diff(np.append(first, len(known)))[at] if len(heads) else np.zeros(0, np.int64)
    rows = np.repeat(np.arange(len(heads)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, first[at[rows]] + within


def _side(side: str, texts: Columns, at: np.ndarray) -> Columns:
    found = {side: texts["text"][at], f"doc_{side}": texts["doc_id"][at]}
    return found | {f"home_{side}": texts["home"][at], f"bytes_{side}": texts["bytes"][at]}


@dataclass(frozen=True)
class ValueTask:
    """One range of pairs by the smaller text, and the names of what was measured before."""

    context: Context
    pairs: tuple[str, ...]
    """HALF, or records.PAIRS where `texts` is None, cut into ranges by a."""
    texts: str | None
    """records.TEXTS of the range."""
    measured: tuple[str, ...]
    number: int
    ranges: int


def value_range(task: ValueTask) -> str:
    """Look up what was measured of each pair; returns the name of VALUED: a part with values, and one without."""
    store = task.context.store()
    made_from = [list(task.pairs), task.texts, sorted(task.measured), task.number, task.ranges]
    name = artefacts.name("valued", *made_from, VERSION)
    if artefacts.ready(store, name) is not True:
        kind = records.PAIRS if task.texts is None else HALF
        read = [part for one in task.pairs for part in artefacts.get_parts(store, one, task.number, task.number + 1)]
        pairs = records.unpacked(read, kind)
        if task.texts is not None:
            pairs = whole_pairs(pairs, records.unpacked([artefacts.read(store, task.texts)], records.TEXTS))
        value, inner = looked_up(pairs, read_measured(store, task.measured, task.number, task.ranges))
        values = pairs | {"value": value, "inner": inner}
        parts = [records.packed(values, VALUED, np.flatnonzero(kept)) for kept in (value >= 0, value < 0)]
        artefacts.put_parts(store, name, parts)
    return name


def whole_pairs(halves: Columns, texts: Columns) -> Columns:
    """Name the smaller texts of HALF; returns records.PAIRS."""
    rows, at = resolved(halves["a"], records.heads(texts["text"]))
    pairs = {field: column[rows] for field, column in halves.items() if field != "a"} | _side("a", texts, at)
    # Of texts with one head each pair is there twice.
    same = records.heads(pairs["a"]) == records.heads(pairs["b"])
    kept = np.flatnonzero(~same | (pairs["a"] < pairs["b"]))
    return pairs if len(kept) == len(rows) else {field: column[kept] for field, column in pairs.items()}


def looked_up(pairs: Columns, known: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Find the values of pairs.

    Args:
        pairs: a, b and kind.
        known: records.VALUES.

    Returns:
        int32 values, -1 where there is none, and uint8, which text is the smaller.
    """
    value, inner = np.full(len(pairs["a"]), -1, np.int32), np.zeros(len(pairs["a"]), np.uint8)
    if len(known["a"]) and len(pairs["a"]):
        _, (a, b, one, other) = records.numbered(pairs["a"], pairs["b"], known["a"], known["b"])
        asked, there = _coded(a, b, pairs["kind"]), _coded(one, other, known["kind"])
        order = np.argsort(there)
        at = order[np.minimum(records.places(there[order], asked), len(order) - 1)]
        found = there[at] == asked
        value[found], inner[found] = known["value"][at[found]], known["inner"][at[found]]
    return value, inner


def _coded(a: np.ndarray, b: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Write pairs of numbers below 2^31 and a kind as one number."""
    code: np.ndarray = kind.astype(np.uint64) << np.uint64(62) | a.astype(np.uint64) << np.uint64(31)
    code |= b.astype(np.uint64)
    return code


def read_measured(store: Store, names: Sequence[str], number: int, ranges: int) -> Columns:
    """Read records.VALUES of one range by a; what was damaged or removed is measured again."""
    parts = []
    for name in names:
        try:
            parts.append(_read_range(store, [name], records.VALUES, "a", number, ranges))
        except (IntegrityError, Missing):
            continue
    found = [records.unpacked([], records.VALUES), *parts]
    return {field: np.concatenate([part[field] for part in found]) for field in found[0]}


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
    """A block of pairs, and where its texts are: names of `fetch_texts` with the number of a part."""

    context: Context
    plan: str
    number: int
    texts: tuple[tuple[str, int], ...]


def measure_block(task: MeasureTask) -> str:
    """Compare the pairs of a block; returns the name of their values, cut by a."""
    store, preset = task.context.store(), preset_in_force(task.context)
    data = artefacts.get_part(store, task.plan, task.number)
    name = artefacts.name(measured_family(preset), sha256(data).hexdigest())
    if artefacts.ready(store, name) is not True:
        tables = [artefacts.from_stream(artefacts.get_part(store, texts, part)) for texts, part in task.texts]
        values = measure(records.unpacked([data], records.VALUES), pa.concat_tables(tables).combine_chunks(), preset)
        put_values(store, name, values)
    return name


def put_values(store: Store, name: str, values: Columns) -> None:
    """Store records.VALUES, cut by a for any number of ranges."""
    ranges = records.own_ranges(len(values["a"]))
    _put_cut(store, name, values, records.VALUES, records.heads(values["a"]), ranges)


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


@dataclass(frozen=True)
class EdgeTask:
    """One range of `value_range`, what was measured since, and what was measured before."""

    context: Context
    valued: str
    measured: tuple[str, ...]
    known: tuple[str, ...]
    number: int
    ranges: int


def edge_range(task: EdgeTask) -> tuple[str, str]:
    """Keep the pairs that are related; returns the name of their EDGES, and that of all values of the range.

    Raises:
        IntegrityError: a pair has no value.
    """
    store, preset = task.context.store(), preset_in_force(task.context)
    name = artefacts.name("edges.near", task.valued, sorted(task.measured), VERSION)
    parts = [records.unpacked([part], VALUED) for part in artefacts.get_parts(store, task.valued, 0, 2)]
    fresh = read_measured(store, task.measured, task.number, task.ranges)
    parts[1]["value"], parts[1]["inner"] = looked_up(parts[1], fresh)
    values = {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
    if lost := int((values["value"] < 0).sum()):
        raise IntegrityError(
            f"range {task.number} of {task.ranges} of candidate pairs: {lost} were measured and have no value; "
            "what was measured was changed since: run again, and it is measured anew"
        )
    artefacts.put(store, name, artefacts.encode(edges(values, preset)))
    return name, _merged(store, task, values, preset)


def _merged(store: Store, task: EdgeTask, values: Columns, preset: Preset) -> str:
    """Store all values of a range in one piece, each once, ascending; returns its name."""
    known = read_measured(store, (*task.known, *task.measured), task.number, task.ranges)
    rows = {field: np.concatenate([values[field], known[field]]) for field in known}
    _, (a, b) = records.numbered(rows["a"], rows["b"])
    code = _coded(a, b, rows["kind"])
    at = np.argsort(code, kind="stable")
    at = at[records.starts(code[at])]
    rows = {field: column[at] for field, column in rows.items()}
    name = artefacts.name(measured_family(preset), sha256(records.packed(rows, records.VALUES)).hexdigest())
    if artefacts.ready(store, name) is not True:
        put_values(store, name, rows)
    return name


def edges(values: Columns, preset: Preset) -> pa.Table:
    """Keep the pairs that are related.

    Args:
        values: VALUED.
        preset: in force.

    Returns:
        EDGES with home_a and home_b, the numbers of the shards of both.
    """
    least = np.array([preset.threshold, contained.THRESHOLD, contained.THRESHOLD])
    kept = np.flatnonzero(values["value"] >= least[values["kind"]])
    kind, one, other = (values[field][kept] for field in ("kind", "doc_a", "doc_b"))
    # Near: the smaller doc_id first. The others: the document that is inside.
    swapped = np.where(kind == 0, one > other, values["inner"][kept] == 1)
    homes = values["home_a"][kept], values["home_b"][kept]
    columns = [
        records.hexadecimal(np.where(swapped, other, one)),
        records.hexadecimal(np.where(swapped, one, other)),
        pa.array(records.KINDS).take(pa.array(kind)),
        pa.array(values["value"][kept], pa.int32()),
        *(pa.array(np.where(swapped, *order)) for order in (homes[::-1], homes)),
    ]
    return pa.table(columns, schema=HOMED)


def told(store: Store, part: tuple[str, int]) -> tuple[pa.Table, pa.Table]:
    """Read what a shard is told: the rows of CLUSTERS, and those of what is made of what, of its documents."""
    found = artefacts.from_stream(artefacts.get_part(store, *part))
    ids, rest = found.select(["doc_id", "cluster_id"]), found.drop_columns(["cluster_id"])
    clusters = ids.filter(pc.is_valid(ids["cluster_id"])).cast(CLUSTERS)
    return clusters, rest.filter(pc.or_kleene(pc.is_valid(rest["contained_in"]), pc.is_valid(rest["spun_of"])))


def measured_family(preset: Preset) -> str:
    """Name the folder of what was measured: everything that decides a value, so that later runs can use all of it."""
    limits = [contained.THRESHOLD, contained.MOVED]
    made_from = [preset.edge_key, near.VERSION, contained.VERSION, order.VERSION, limits, VERSION]
    return f"measured.{artefacts.digest_of(made_from)[:16]}"


def _put_cut(store: Store, name: str, rows: Columns, kind: np.dtype, keys: np.ndarray, ranges: int) -> None:
    artefacts.put_parts(store, name, records.cut(rows, kind, keys, ranges))


def _read_range(store: Store, names: Sequence[str], kind: np.dtype, key: str, number: int, ranges: int) -> Columns:
    """Read one of `ranges` of tables that were cut into other powers of two of them."""
    read, beyond = [], False
    for name in names:
        own = artefacts.count_parts(store, name)
        parts = records.parts_of(number, ranges, own)
        read += artefacts.get_parts(store, name, parts.start, parts.stop)
        beyond |= own < ranges
    rows = records.unpacked(read, kind)
    if not beyond:
        return rows
    keys = records.heads(rows[key]) if kind[key] == records.NAME else rows[key]
    inside = np.flatnonzero(records.inside(keys, number, ranges))
    return {field: column[inside] for field, column in rows.items()}


@kernel
def _again(keys):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the places of keys that may be there more than once: all that are, and few others."""
    bits = 10
    while (np.int64(1) << (bits - 3)) < keys.shape[0] and bits < 34:
        bits += 1
    shift = np.uint64(64 - bits)
    seen = np.zeros(1 << (bits - 2), np.uint8)
    # Keys of a range share their first bits: a product moves the others there.
    for key in keys:
        slot = (key * np.uint64(0xD6E8FEB86659FD93)) >> shift
        two = (slot & np.uint64(3)) << np.uint64(1)
        state = seen[slot >> np.uint64(2)]
        once = np.uint8(1 << two)
        seen[slot >> np.uint64(2)] = state | (once << 1 if state & once else once)
    out, n = np.empty(keys.shape[0], np.int64), 0
    for place in range(keys.shape[0]):
        slot = (keys[place] * np.uint64(0xD6E8FEB86659FD93)) >> shift
        out[n] = place
        n += (seen[slot >> np.uint64(2)] >> (((slot & np.uint64(3)) << np.uint64(1)) + np.uint64(1))) & 1
    return out[:n].copy()
