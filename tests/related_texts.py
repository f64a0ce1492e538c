"""Documents related in one go by the functions that tasks run: keys, candidates, values, edges."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.relate import links, records
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.relate.records import Columns
from corpus_gov.stages import keying, measuring, pairing, valuing

DEFAULT = PRESETS["default"]


def documents_of(texts: Sequence[str], first: int = 0) -> pa.Table:
    """Make documents with ids that ascend by row."""
    ids = [f"{number:032x}" for number in range(first, first + len(texts))]
    column = pa.array(texts, pa.large_string())
    return pa.table({"doc_id": pa.array(ids), "text_digest": sha256_hex(column), "text": column})


def keys_of(kind: str, documents: pa.Table, preset: Preset = DEFAULT) -> Columns:
    """Key documents as one shard."""
    batches = documents.combine_chunks().to_batches()
    rows = np.concatenate([keying.keys_of(kind, batch, preset) for batch in batches])
    return bands_of(rows, preset) if kind == "keys.near" else records.by_column(rows)


def bands_of(signed: np.ndarray, preset: Preset) -> Columns:
    """Key signatures by band."""
    return pairing.band_rows(signed, preset)


def ranges_of(rows: Columns, cuts: int) -> list[Columns]:
    """Cut keyed rows by key, in any number of ranges."""
    number = rows["key"] % np.uint64(cuts)
    return [{field: column[number == part] for field, column in rows.items()} for part in range(cuts)]


def counted(kind: str, rows: Columns, preset: Preset = DEFAULT, cuts: int = 1) -> Columns:
    """Count the keys that pairs share, range by range."""
    limits = (preset.bucket, preset.anchors) if kind == "keys.near" else pairing.LIMITS
    found = [pairing.candidates(part, *limits) for part in ranges_of(rows, cuts)]
    return {field: np.concatenate([part[field] for part in found]) for field in found[0]}


def texts_of(documents: pa.Table) -> Columns:
    """List the texts of documents."""
    rows = {"text": records.names(documents["text_digest"]), "doc_id": records.names(documents["doc_id"])}
    rows["bytes"] = np.array([len(text.encode()) for text in documents["text"].to_pylist()], np.uint32)
    return pairing.first_texts(rows | {"home": np.zeros(len(documents), np.uint32)})


def values_of(documents: pa.Table, preset: Preset = DEFAULT, cuts: int = 1, kinds=keying.KINDS) -> Columns:
    """Measure all candidate pairs of documents."""
    texts = texts_of(documents)
    found = []
    for kind, name in enumerate(keying.KINDS):
        if name in kinds:
            pairs = pairing.added(counted(name, keys_of(name, documents, preset), preset, cuts), kind)
            found.append(pairing.half_pairs(*pairs, kind, texts))
    halves = {field: np.concatenate([half[field] for half in found]) for field in found[0]}
    pairs = valuing.whole_pairs(halves, texts)
    names = measuring.named(records.names(documents["text_digest"]), documents["text"].combine_chunks())
    return pairs | measuring.measure(pairs, names, preset)


def edges_of(documents: pa.Table, preset: Preset = DEFAULT, cuts: int = 1, kinds=keying.KINDS) -> pa.Table:
    """Relate documents that are no copies of each other."""
    found, _ = valuing.related(values_of(documents, preset, cuts, kinds), preset)
    return links.edges(links.ordered(found))
