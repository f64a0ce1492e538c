"""The build cache without some documents.

What a release or the next run will ask for, and holds one row a document, is written anew without these rows; all else
is removed, since it is built again on demand and nobody could say what it holds.

- `carry`, before an erasure counts: the artefacts of a shard, filtered, under the names of its next generation.
- `clear`, after it: artefacts that releases name, filtered under their own names; then a sweep of everything that is
  neither named by a release nor part of today's plan.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, published
from corpus_gov.errors import IntegrityError
from corpus_gov.published import RUN, place
from corpus_gov.relate import links, records
from corpus_gov.relate.presets import PRESETS
from corpus_gov.stages import Shard, keying, rescreening, shard_id
from corpus_gov.stages.looking import artefact_names
from corpus_gov.stages.valuing import measured_family, put_values
from corpus_gov.store import Missing, Store
from corpus_gov.workspace import Workspace

OF_NO_DOCUMENT: Final = (
    f"artefacts/{rescreening.FAMILY}/",
    "artefacts/references/",
    "artefacts/nodes/",
    "artefacts/grounds/",
)
"""Folders of what holds nothing of the corpus: outlines of word lists, reference sets, inner nodes of trees, and what
people decided and suppressed, by doc_id and keyed digests."""

_FORMS: Final = {
    b"PAR1": (artefacts.decode, artefacts.encode),
    b"\xff\xff\xff\xff": (artefacts.from_stream, artefacts.stream),
}
"""How tables are read and written, by their first bytes: Parquet, Arrow streams."""

_IDS: Final = ("doc_id", "a", "b")
"""Columns that name a document whose row this is."""


def carry(workspace: Workspace, before: Shard, now: Shard, doc_ids: pa.Array) -> int:
    """Write the artefacts of a shard's next generation from those of the one before; returns how many.

    What cannot be told apart by document (sketches, cut by key) is left for the next run to build.
    """
    store, context = workspace.store, workspace.context()
    old, new = artefact_names(context, before), artefact_names(context, now)
    done = 0
    for kind in sorted({*old} & {*new}):
        if artefacts.ready(store, old[kind]) is True:
            data = _filtered(artefacts.read(store, old[kind]), kind, context.near, doc_ids)
            if data is not None:
                artefacts.put(store, new[kind], data)
                done += 1
    return done


def forget_values(store: Store, texts: Collection[str]) -> int:
    """Take what was measured of some texts out of the values that runs share; returns how many objects changed.

    Args:
        store: of the workspace.
        texts: SHA-256, hex, of texts.
    """
    gone = records.names(pa.array(sorted(texts), pa.string()))
    done = 0
    for preset in PRESETS.values():
        family = measured_family(preset)
        for name in _listed(store, f"artefacts/{family}/"):
            try:
                parts = artefacts.get_parts(store, name, 0, artefacts.count_parts(store, name))
            except IntegrityError:
                # Measured again where it is needed.
                artefacts.remove(store, name)
                continue
            rows = records.unpacked(parts, records.VALUES)
            kept = np.flatnonzero(~(np.isin(rows["a"], gone) | np.isin(rows["b"], gone)))
            if len(kept) < len(rows["a"]):
                left = {field: column[kept] for field, column in rows.items()}
                digest = sha256(records.packed(left, records.VALUES)).hexdigest()
                put_values(store, artefacts.name(family, digest), left)
                artefacts.remove(store, name)
                done += 1
    return done


def clear(workspace: Workspace, touched: Collection[str], doc_ids: pa.Array) -> int:
    """Remove documents from everything that lies in the build cache; returns how many objects changed or went.

    Args:
        workspace: an open workspace, in which the erasure counts already.
        touched: shard_id of each shard that held one of the documents.
        doc_ids: string.
    """
    store, context = workspace.store, workspace.context()
    kept = {name for shard in workspace.shards() for name in artefact_names(context, shard).values()}
    done = 0
    for release in workspace.releases():
        run = json.loads(store.read(place(release, RUN)))
        relations = [(kind, name) for kind, names in run.get("relations", {}).items() for name in names]
        of_shards = [
            (kind, name)
            for ref, names in run.get("artefacts", {}).items()
            if shard_id(ref) in touched
            for kind, name in names.items()
        ]
        for kind, name in [*of_shards, *relations]:
            if name not in kept:
                done += _rewrite(store, name, kind, run.get("near") or "none", doc_ids)
        kept |= {name for names in run.get("artefacts", {}).values() for name in names.values()}
        kept |= {name for _, name in relations}
    return done + _sweep(store, kept)


def _rewrite(store: Store, name: str, kind: str, near: str, doc_ids: pa.Array) -> int:
    """Filter an artefact under its own name; one that nothing can be read of is removed."""
    try:
        data = store.read(name)
    except Missing:
        return 0
    try:
        left = _filtered(data, kind, near, doc_ids)
    except (pa.ArrowException, OSError, ValueError):
        left = None
    if left is None:
        artefacts.remove(store, name)
    elif left != data or artefacts.ready(store, name) is not True:
        artefacts.replace(store, name, left)
    else:
        return 0
    return 1


def _filtered(data: bytes, kind: str, near: str, doc_ids: pa.Array) -> bytes | None:
    """Return an artefact without the rows of some documents; None where its rows name no document."""
    if kind == "keys.near" and near in PRESETS:
        rows = np.frombuffer(data, keying.signature_type(PRESETS[near]))
        kept = rows[~np.isin(rows["doc_id"], records.names(doc_ids))]
        return kept.tobytes() if len(kept) < len(rows) else data
    if kind == "copies":
        ends = records.unpacked([data], links.LINK)
        left = np.flatnonzero(~(np.isin(ends["a"], gone := records.names(doc_ids)) | np.isin(ends["b"], gone)))
        return records.packed(ends, links.LINK, left) if len(left) < len(ends["a"]) else data
    read, write = _FORMS.get(data[:4], (None, None))
    table = read(data) if read else None
    names = [name for name in _IDS if table is not None and name in table.column_names]
    if table is None or write is None or not names:
        return None
    gone = np.zeros(table.num_rows, bool)
    for name in names:
        gone |= np.asarray(pc.is_in(table[name], value_set=doc_ids))
    return write(table.filter(pa.array(~gone))) if gone.any() else data


def _sweep(store: Store, kept: Iterable[str]) -> int:
    """Remove everything from the cache but what is named and what holds nothing of the corpus."""
    stay = set(kept)
    values = tuple(f"artefacts/{measured_family(preset)}/" for preset in PRESETS.values())
    gone = [name for name in _listed(store) if name not in stay and not name.startswith((*OF_NO_DOCUMENT, *values))]
    for name in gone:
        artefacts.remove(store, name)
    return len(gone)


def _listed(store: Store, prefix: str = "artefacts/") -> Iterator[str]:
    """Name the artefacts, whether or not they were finished."""
    named = {artefacts.marked(name) for name in store.list(prefix)}
    return iter(sorted(named))


def texts_of(store: Store, shard: Shard, doc_ids: pa.Array) -> list[str]:
    """Return the digests of the texts of some documents of a shard."""
    data = published.optional(store, shard.name("documents"))
    if data is None:
        return []
    rows = artefacts.chosen(data, {"doc_id": doc_ids.to_pylist()}, ["text_digest"])
    found: list[str] = rows["text_digest"].to_pylist()
    return found
