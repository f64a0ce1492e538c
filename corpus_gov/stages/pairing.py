"""Candidate pairs: texts that share a key, and what ranges of keys found of each pair brought together.

    cut_bands     signatures of a shard -> its texts, cut by head, and its band rows, cut by key
    pair_range    one range of keys of all shards -> candidate pairs of heads, cut by the greater one
    gather_range  one range of heads -> each pair that is worth a comparison once, the greater text by its name

Every step reads each of its inputs once, and holds one shard or one range.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels.compiling import kernel
from corpus_gov.relate import contained, near, records
from corpus_gov.relate.presets import Preset
from corpus_gov.relate.records import Columns
from corpus_gov.stages import Context
from corpus_gov.stages.keying import SIGNED_TEXT, preset_in_force, signatures
from corpus_gov.stages.ranges import put_cut, read_range

VERSION: Final = 3

LIMITS: Final = (contained.BUCKET, contained.ANCHORS)
"""Bucket and anchors of SKETCHES; those of near duplicates are the preset's."""

HALF: Final = np.dtype(
    [
        ("a", "<u8"), ("b", records.NAME), ("doc_b", records.NAME), ("home_b", "<u4"), ("bytes_b", "<u4"),
        ("kind", "u1"),
    ]
)  # fmt: skip
"""records.PAIRS of which the smaller text is a head."""


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
    texts_missing, bands_missing = (artefacts.ready(store, one) is not True for one in (texts_name, name))
    if texts_missing or bands_missing:
        signed = signatures(store, task.keys, preset)
        if texts_missing:
            texts = {field: signed[field] for field, _ in SIGNED_TEXT} | {"home": np.full(len(signed), task.home)}
            put_cut(store, texts_name, texts, records.TEXTS, records.heads(signed["text"]), task.text_ranges)
        if bands_missing:
            rows = band_rows(signed, preset)
            put_cut(store, name, rows, records.KEYED, rows["key"], task.ranges)
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
        rows = read_range(store, task.cuts, records.KEYED, "key", task.number, task.ranges)
        found = candidates(rows, *limits)
        # By the greater text: of large buckets the smallest texts are the anchors, each with a thousand pairs.
        put_cut(store, name, found, records.COUNTED, found["b"], task.pair_ranges)
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
        texts = first_texts(read_range(store, task.texts, records.TEXTS, "text", task.number, task.ranges))
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
        put_cut(store, name, halves, HALF, halves["a"], task.ranges)
    return name, texts_name


def half_pairs(a: np.ndarray, b: np.ndarray, kind: int, texts: Columns) -> Columns:
    """Name the greater texts of pairs of heads; returns HALF."""
    rows, at = resolved(b, records.heads(texts["text"]))
    return {"a": a[rows], "kind": np.full(len(rows), kind, np.uint8), **side_of("b", texts, at)}


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


def side_of(side: str, texts: Columns, at: np.ndarray) -> Columns:
    """Say all that pairs say of the texts on one of their sides."""
    found = {side: texts["text"][at], f"doc_{side}": texts["doc_id"][at]}
    return found | {f"home_{side}": texts["home"][at], f"bytes_{side}": texts["bytes"][at]}


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
