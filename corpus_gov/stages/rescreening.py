"""Screen again by what changed: findings by earlier word lists are carried over, but for documents that may differ.

Beside findings by words lies an outline of the lists that they were made by. Where lists change, the shard's findings
by the nearest earlier lists are found through it, texts are searched for the entries that came or went and nothing
else, and only the documents that have one are screened. The artefact is, byte for byte, what screening all of them
gives.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, screens, wordchanges
from corpus_gov.errors import IntegrityError
from corpus_gov.facts import FAILED
from corpus_gov.rules import RulePack
from corpus_gov.store import Missing, Store, open_store

SCREEN: Final = "keywords"
"""Whose findings follow from which entries stand where."""

FAMILY: Final = "outlines.keywords"

MOST_CHANGED: Final = 0.25
"""Share of changed entries, of those of the lists in force, from which everything is screened at once."""


@dataclass(frozen=True)
class Earlier:
    """Findings of a shard by other lists."""

    findings: pa.Table
    probe: RulePack
    """Finds every document whose findings may be others now."""


def record(store: Store, pack: RulePack) -> None:
    """Write down what findings by this pack depend on, where nobody has."""
    name = _name(pack.digest)
    if artefacts.ready(store, name) is not True:
        body = {"digest": pack.digest, **wordchanges.outline(pack)}
        artefacts.put(store, name, json.dumps(body, sort_keys=True).encode())


def earlier(store: Store, pack: RulePack, findings_by: Callable[[str], str]) -> Earlier | None:
    """Return the findings by the lists that differ least from those in force; None where none are near enough.

    Args:
        store: of the workspace.
        pack: in force, of `rules.concern`.
        findings_by: digest of a pack to the name of the shard's findings by it.
    """
    names = tuple(sorted(name for name in store.list(f"artefacts/{FAMILY}/") if name.endswith(".parquet")))
    for digest, probe in _nearest(store.url, names, pack):
        findings = findings_by(digest)
        if artefacts.ready(store, findings) is True:
            return Earlier(artefacts.get(store, findings), probe)
    return None


def again(
    documents: pa.RecordBatch, before: Earlier, look: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> pa.RecordBatch:
    """Screen the documents of a batch that may differ, and carry over the findings of the others.

    Args:
        documents: DOCUMENTS; n rows.
        before: findings of the shard by other lists.
        look: screens and seals by the lists in force.

    Returns:
        FINDINGS: what `look` gives for all of them.
    """
    ids = documents.column("doc_id")
    known = before.findings.filter(pc.is_in(before.findings["doc_id"], value_set=ids)).combine_chunks()
    asked = screens.look(SCREEN, documents, before.probe).column("doc_id")
    # Where the screen failed, it depends on anything.
    failed = known["doc_id"].filter(pc.equal(known["rule"], FAILED)).combine_chunks()
    touched = pa.concat_arrays([asked, failed])
    fresh = look(documents.filter(pc.is_in(ids, value_set=touched)))
    kept = known.filter(pc.invert(pc.is_in(known["doc_id"], value_set=touched)))
    both = pa.concat_tables([kept, pa.Table.from_batches([fresh])])
    # All findings of a document come from one of the two, in order already.
    order = np.argsort(np.asarray(pc.index_in(both["doc_id"], value_set=ids)), kind="stable")
    return _batch(both.take(pa.array(order)), fresh.schema)


def _batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([table[name].combine_chunks() for name in schema.names], schema=schema)


def _name(digest: str) -> str:
    return artefacts.name(FAMILY, wordchanges.VERSION, digest)


# The names say what the outlines are: for each shard of a run the answer is the same.
@lru_cache(maxsize=4)
def _nearest(url: str, names: tuple[str, ...], pack: RulePack) -> tuple[tuple[str, RulePack], ...]:
    """Return digests of earlier packs, the nearest first, each with the pack that finds the documents that differ."""
    store, now, found = open_store(url), wordchanges.outline(pack), []
    most = MOST_CHANGED * wordchanges.size(now)
    for name in names:
        written = _read(store, name)
        if written is None or written["digest"] == pack.digest:
            continue
        changes = wordchanges.changes(written, now)
        count = sum(map(len, changes.values()))
        if count <= most:
            found.append((count, written["digest"], wordchanges.probe(changes)))
    return tuple((digest, probe) for _, digest, probe in sorted(found, key=lambda one: one[:2]))


def _read(store: Store, name: str) -> dict[str, Any] | None:
    try:
        written: dict[str, Any] = json.loads(artefacts.read(store, name))
    except (IntegrityError, Missing):
        # Only a short cut is lost. Another process may be writing it at this moment.
        return None
    return written if _name(written["digest"]) == name else None
