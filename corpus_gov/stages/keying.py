"""Keys of the documents of a shard: minhash signatures, and sketches by passages and by clauses.

What keys.near holds is kept as it is, for any number of bands and ranges. Sketches are cut by key as they are built.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import folding, jaccard, minhash, pieces, shingles
from corpus_gov.kernels.columns import buffers
from corpus_gov.relate import contained, records
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.stages import Context
from corpus_gov.stages.ranges import put_cut
from corpus_gov.store import Store

VERSION: Final = 3

SIGNED: Final = 2
"""Version of the rows of keys.near."""

SKETCHES: Final = {
    "keys.passages": (contained.passage_sets, contained.LEAST_PASSAGES),
    "keys.clauses": (contained.clause_sets, contained.LEAST_CLAUSES),
}
"""Artefacts that are cut as they are built: what gives the keys of texts, and how many a document needs."""

KINDS: Final = ("keys.near", *SKETCHES)
"""Artefacts of a shard, in the order of records.KINDS."""

SIGNED_TEXT: Final = [("text", records.NAME), ("doc_id", records.NAME), ("bytes", "<u4")]
"""What keys.near says of a text beside its signature."""

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no two keys become one. Ranges go by the first bits, and the least of many hashes begins with zeros."""


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
    return np.dtype([*SIGNED_TEXT, ("minhash", "<u4", (preset.permutations,))])


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
        put_cut(store, name, records.by_column(rows), records.KEYED, rows["key"], records.own_ranges(len(rows)))


def signatures(store: Store, name: str, preset: Preset) -> np.ndarray:
    """Read keys.near of a shard: rows of `signature_type`."""
    return np.frombuffer(artefacts.read(store, name), signature_type(preset))
