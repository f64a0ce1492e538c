"""Near duplicates, containment and spun copies: what workers do, one function a step.

    cut_bands     signatures of a shard -> band rows, cut by key
    pair_range    one range of keys of all shards -> candidate pairs, cut by pair
    value_range   one range of pairs -> each pair once, with what earlier runs measured of it
    fetch_texts   a shard -> the texts that pairs without a value need, cut by block
    measure_block one block of pairs with its texts -> values

Rows are those of relate.records. Every step reads each of its inputs once, and holds one shard, one range or one
block; the client (grouping.py) decides what runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import folding, jaccard, minhash, pieces, shingles
from corpus_gov.kernels.columns import buffers
from corpus_gov.relate import blocks, contained, near, records
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.schemas import SCALE
from corpus_gov.stages import Context, Shard, read_shard
from corpus_gov.store import Missing, Store

VERSION: Final = 2

SKETCHES: Final = {
    "keys.passages": (contained.passage_sets, contained.LEAST_PASSAGES),
    "keys.clauses": (contained.clause_sets, contained.LEAST_CLAUSES),
}
"""Artefacts that are cut as they are built: what gives the keys of texts, and how many a document needs."""

KINDS: Final = ("keys.near", *SKETCHES)
"""Artefacts of a shard, in the order of records.KINDS."""

VALUED: Final = np.dtype([*records.PAIRS.descr, ("inner", "u1"), ("value", "<i4")])
"""Pairs with their value, -1 where nobody measured them."""

_TEXTS: Final = pa.schema([pa.field("name", pa.binary(16)), pa.field("text", pa.large_string())])


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
        "keys.near": artefacts.name("keys.near", list(content), preset.signature_key, VERSION),
        **{kind: artefacts.name(kind, *made_from) for kind in SKETCHES},
    }


def signature_type(preset: Preset) -> np.dtype:
    """Return the type of the rows of keys.near: one a document that has a token."""
    fields = [("text", records.NAME), ("doc_id", records.NAME), ("bytes", "<u4")]
    return np.dtype([*fields, ("minhash", "<u4", (preset.permutations,))])


def keys_of(kind: str, documents: pa.RecordBatch, preset: Preset) -> np.ndarray:
    """Key documents: rows of `signature_type` for keys.near, else records.KEYED."""
    text = documents.column("text")
    offsets = buffers(text)[1]
    named = {
        "text": records.names(documents.column("text_digest")),
        "doc_id": records.names(documents.column("doc_id")),
        "bytes": np.diff(offsets),
    }
    if kind == "keys.near":
        values, sizes = minhash.minima(text, preset.folding, preset.shingle, preset.permutations, preset.seed)
        rows = np.flatnonzero(sizes)
        return _filled(
            signature_type(preset), len(rows), {k: v[rows] for k, v in named.items()} | {"minhash": values[rows]}
        )
    make, least = SKETCHES[kind]
    keys, bounds = make(text, preset)
    sizes = np.diff(bounds)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    kept = sizes[rows] >= least
    rows = rows[kept]
    columns = {k: v[rows] for k, v in named.items()} | {"key": keys[kept], "size": sizes[rows]}
    return _filled(records.KEYED, len(rows), columns)


def put_keys(store: Store, name: str, kind: str, parts: Sequence[np.ndarray]) -> None:
    """Store what `keys_of` gave for the batches of a shard; sketches are cut at once."""
    if kind == "keys.near":
        artefacts.put(store, name, b"".join(part.tobytes() for part in parts))
    else:
        _put_cut(store, name, np.concatenate([np.zeros(0, records.KEYED), *parts]), "key")


def signatures(store: Store, name: str, preset: Preset) -> np.ndarray:
    """Read keys.near of a shard: rows of `signature_type`."""
    return np.frombuffer(artefacts.read(store, name), signature_type(preset))


@dataclass(frozen=True)
class BandTask:
    """The signatures of a shard."""

    context: Context
    keys: str


def cut_bands(task: BandTask) -> str:
    """Key the documents of a shard by their bands; returns the name of the cut."""
    store, preset = task.context.store(), preset_in_force(task.context)
    name = artefacts.name("cuts.near", task.keys, preset.bands, preset.rows, VERSION)
    if artefacts.ready(store, name) is not True:
        signed = signatures(store, task.keys, preset)
        keys = near.band_keys(signed["minhash"], preset.bands, preset.rows).reshape(-1)
        rows = np.repeat(np.arange(len(signed)), preset.bands)
        columns = {field: signed[field][rows] for field in ("text", "doc_id", "bytes")}
        _put_cut(store, name, _filled(records.KEYED, len(rows), columns | {"key": keys, "size": preset.bands}), "key")
    return name


@dataclass(frozen=True)
class PairTask:
    """One range of keys of every shard, in the order of the shards."""

    context: Context
    kind: int
    cuts: tuple[str, ...]
    number: int
    ranges: int
    pair_ranges: int


def pair_range(task: PairTask) -> str:
    """Pair the texts that share a key; returns the name of the pairs, cut into ranges."""
    store, preset = task.context.store(), preset_in_force(task.context)
    limits = (preset.bucket, preset.anchors) if task.kind == 0 else (contained.BUCKET, contained.ANCHORS)
    parts = [task.kind, list(task.cuts), task.number, task.ranges, task.pair_ranges, limits, near.VERSION, VERSION]
    name = artefacts.name(f"pairs.{records.KINDS[task.kind]}", *parts)
    if artefacts.ready(store, name) is not True:
        read = [_read_range(store, cut, records.KEYED, "key", task.number, task.ranges) for cut in task.cuts]
        homes = np.repeat(np.arange(len(read)), [len(part) for part in read])
        found = candidates(np.concatenate(read), homes, task.kind, *limits)
        # By the greater text: of large buckets the smallest texts are the anchors, each with a thousand pairs.
        artefacts.put_parts(store, name, records.cut(found, records.heads(found["b"]), task.pair_ranges))
    return name


def candidates(rows: np.ndarray, homes: np.ndarray, kind: int, most: int, anchors: int) -> np.ndarray:
    """Pair the texts of complete buckets.

    Args:
        rows: records.KEYED.
        homes: int64, the number of the shard of each row.
        kind: of the pairs, see records.KINDS.
        most: as for near.bucketed.
        anchors: as for near.bucketed.

    Returns:
        records.PAIRS, ascending.
    """
    places = np.argsort(rows["key"], kind="stable")
    first = records.starts(rows["key"][places])
    sizes = np.diff(np.append(first, len(rows)))
    # Most keys are of one document: they go before anything is compared.
    kept = places[np.repeat(sizes > 1, sizes)]
    rows, homes = rows[kept], homes[kept]
    places = records.order(rows["text"], rows["doc_id"])
    first = records.starts(rows["text"][places])
    nodes = np.empty(len(rows), np.int64)
    nodes[places] = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(rows))))
    pairs, shared = near.bucketed(rows["key"], nodes, most, anchors)
    one, other = (places[first[side]] for side in near.unpacked(pairs))
    columns: dict[str, Any] = {"kind": kind, "shared": shared}
    for side, at in (("a", one), ("b", other)):
        columns |= {side: rows["text"][at], f"doc_{side}": rows["doc_id"][at], f"bytes_{side}": rows["bytes"][at]}
        columns[f"home_{side}"] = homes[at]
    return _filled(records.PAIRS, len(pairs), columns | {"least": np.minimum(rows["size"][one], rows["size"][other])})


@dataclass(frozen=True)
class ValueTask:
    """One range of the pairs that all tasks of `pair_range` found, and the names of what was measured before."""

    context: Context
    pairs: tuple[str, ...]
    measured: tuple[str, ...]
    number: int
    ranges: int
    complete: bool
    """Every pair has a value by now; otherwise one may lack it."""


def value_range(task: ValueTask) -> str:
    """Bring together what was found of each pair; returns the name of VALUED rows, ascending by kind and pair."""
    store = task.context.store()
    made_from = [list(task.pairs), sorted(task.measured), task.number, task.ranges, task.complete]
    name = artefacts.name("valued", *made_from, VERSION)
    if artefacts.ready(store, name) is not True:
        found = [artefacts.get_part(store, pairs, task.number) for pairs in task.pairs]
        known = [_measured(store, one, task.number, task.ranges) for one in task.measured]
        values = valued(records.joined(found, records.PAIRS), np.concatenate([np.zeros(0, records.VALUES), *known]))
        if task.complete and (lost := int((values["value"] < 0).sum())):
            raise IntegrityError(
                f"range {task.number} of {task.ranges} of candidate pairs: {lost} were measured and have no value; "
                "what was measured was changed since: run again, and it is measured anew"
            )
        artefacts.put(store, name, values.tobytes())
    return name


def valued(pairs: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Add up what ranges of keys found of each pair, and look its value up.

    Args:
        pairs: records.PAIRS of all ranges of keys.
        known: records.VALUES.

    Returns:
        VALUED, the pairs that are worth a comparison, ascending by kind, a and b.
    """
    pairs = pairs[records.order(pairs["kind"], pairs["a"], pairs["b"])]
    first = records.starts(pairs["kind"], pairs["a"], pairs["b"])
    shared = np.add.reduceat(pairs["shared"].astype(np.int64), first) if len(first) else np.zeros(0, np.int64)
    pairs = pairs[first]
    kept = (pairs["kind"] == 0) | (shared * SCALE >= pairs["least"].astype(np.int64) * contained.LIKELY)
    pairs, shared = pairs[kept], shared[kept]
    values = _filled(VALUED, len(pairs), {field: pairs[field] for field in records.PAIRS.names or ()})
    values["shared"], values["value"] = shared, -1
    both = [np.concatenate([known[field], pairs[field]]) for field in ("kind", "a", "b")]
    places = records.order(*both)
    first = records.starts(*(column[places] for column in both))
    # What is known stands before the pair that asks for it: sorting keeps the order of equals.
    source = np.repeat(places[first], np.diff(np.append(first, len(places))))
    answered = (places >= len(known)) & (source < len(known))
    rows = places[answered] - len(known)
    values["value"][rows], values["inner"][rows] = known["value"][source[answered]], known["inner"][source[answered]]
    return values


def _measured(store: Store, name: str, number: int, ranges: int) -> np.ndarray:
    try:
        return _read_range(store, name, records.VALUES, "b", number, ranges)
    except (IntegrityError, Missing):
        # What was damaged is measured again.
        return np.zeros(0, records.VALUES)


@dataclass(frozen=True)
class FetchTask:
    """A shard, and which of its texts which blocks need: one part of a plan."""

    context: Context
    shard: Shard
    plan: str
    number: int


def fetch_texts(task: FetchTask) -> str:
    """Write the texts that blocks need, one part a block; returns the name."""
    store = task.context.store()
    name = artefacts.name("texts", task.plan, task.number)
    if artefacts.ready(store, name) is not True:
        rows = np.frombuffer(artefacts.get_part(store, task.plan, task.number), blocks.WANTED)
        documents = artefacts.decode(read_shard(store, task.shard, "documents"), ["text_digest", "text"])
        texts = records.names(documents["text_digest"])
        places = np.argsort(texts, kind="stable")
        at = places[np.searchsorted(texts, rows["text"], sorter=places)]
        parts = []
        for low, high in _runs(rows["block"]):
            mine = at[low:high]
            columns = [_binary(texts[mine]), documents["text"].take(pa.array(mine)).combine_chunks()]
            parts.append(_ipc(pa.table(columns, schema=_TEXTS)))
        artefacts.put_parts(store, name, parts)
    return name


@dataclass(frozen=True)
class MeasureTask:
    """A block of pairs, and where its texts are: names of `fetch_texts` with the number of a part."""

    context: Context
    plan: str
    number: int
    texts: tuple[tuple[str, int], ...]


def measure_block(task: MeasureTask) -> str:
    """Compare the pairs of a block; returns the name of their values, cut."""
    store, preset = task.context.store(), preset_in_force(task.context)
    data = artefacts.get_part(store, task.plan, task.number)
    name = artefacts.name(measured_family(preset), sha256(data).hexdigest())
    if artefacts.ready(store, name) is not True:
        tables = [_from_ipc(artefacts.get_part(store, texts, part)) for texts, part in task.texts]
        texts = pa.concat_tables(tables).combine_chunks()
        _put_cut(store, name, measure(np.frombuffer(data, records.VALUES), texts, preset), "b")
    return name


def measure(pairs: np.ndarray, texts: pa.Table, preset: Preset) -> np.ndarray:
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
    text, values = texts["text"].combine_chunks(), pairs.copy()
    sets = near.shingle_sets(text, preset)
    values["inner"] = contained.second_inside(sets, a, b)
    by_kind = [np.flatnonzero(pairs["kind"] == kind) for kind in range(len(records.KINDS))]
    values["value"][by_kind[0]] = near.similarity(sets, a[by_kind[0]], sets, b[by_kind[0]])
    values["value"][by_kind[1]] = contained.measure_contained(sets, a[by_kind[1]], b[by_kind[1]], preset)
    if len(spun := by_kind[2]):
        said = contained.clause_sets(text, preset)
        values["value"][spun] = contained.measure_spun(said, sets, a[spun], b[spun], contained.THRESHOLD)
        values["inner"][spun] = contained.second_inside(said, a[spun], b[spun])
    return values


def measured_family(preset: Preset) -> str:
    """Name the folder of what was measured: everything that decides a value, so that later runs can use all of it."""
    made_from = [preset.edge_key, near.VERSION, contained.VERSION, contained.THRESHOLD, VERSION]
    return f"measured.{artefacts.digest_of(made_from)[:16]}"


def _filled(kind: np.dtype, n: int, columns: dict[str, Any]) -> np.ndarray:
    rows = np.zeros(n, kind)
    for name, column in columns.items():
        rows[name] = column
    return rows


def _put_cut(store: Store, name: str, rows: np.ndarray, key: str) -> None:
    keys = records.heads(rows[key]) if rows[key].dtype == records.NAME else rows[key]
    artefacts.put_parts(store, name, records.cut(rows, keys, records.own_ranges(len(rows))))


def _read_range(store: Store, name: str, kind: np.dtype, key: str, number: int, ranges: int) -> np.ndarray:
    """Read one of `ranges` of a table that was cut into another power of two of them."""
    own = artefacts.count_parts(store, name)
    parts = records.parts_of(number, ranges, own)
    rows = records.joined([artefacts.get_part(store, name, part) for part in parts], kind)
    if own >= ranges:
        return rows
    keys = records.heads(rows[key]) if rows[key].dtype == records.NAME else rows[key]
    inside: np.ndarray = rows[records.inside(keys, number, ranges)]
    return inside


def _runs(column: np.ndarray) -> list[tuple[int, int]]:
    first = records.starts(column)
    return list(zip(first.tolist(), np.append(first[1:], len(column)).tolist(), strict=True))


def _binary(found: np.ndarray) -> pa.Array:
    buffer = pa.py_buffer(np.ascontiguousarray(found).tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(found), [None, buffer])


def _ipc(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _from_ipc(data: bytes) -> pa.Table:
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
