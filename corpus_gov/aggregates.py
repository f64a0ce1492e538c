"""Tables that expectations look at: counts of a draft by source, and a bounded sample of its clean documents.

Nothing here holds a text or a URI. Memory: one manifest file's columns, one file of signals, or one file of clean
documents at a time, and the aggregates.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import apply, artefacts
from corpus_gov.described import described
from corpus_gov.diversity import described_sources
from corpus_gov.errors import GateError
from corpus_gov.pipeline import Draft
from corpus_gov.schemas import SCALE
from corpus_gov.workspace import Workspace

SMALL_SOURCE: Final = 200
"""Sources and releases with fewer documents have no shares: a share of few says little."""

SAMPLE_FILES: Final = 32
SAMPLE_ROWS: Final = 512
"""Most rows of each file in the sample, from one row group."""

_WORD, _COUNT, _SHARE = pa.string(), pa.int64(), pa.float64()


def _schema(words: Iterable[str], counts: Iterable[str], shares: Iterable[str] = ()) -> pa.Schema:
    kinds = {**dict.fromkeys(words, _WORD), **dict.fromkeys(counts, _COUNT), **dict.fromkeys(shares, _SHARE)}
    return pa.schema(list(kinds.items()))


TABLES: Final[Mapping[str, pa.Schema]] = {
    "manifest": _schema(
        ("source_id", "disposition", "rights_state"),
        (
            "documents", "distinct_documents", "erased", "without_reason", "not_screened", "wrongly_released",
            "odd_duplicates", "kept_against_optout",
        ),
    ),
    "sources": _schema(
        ("source_id",),
        ("documents", "kept", "redacted", "quarantined", "dropped", "released", "unknown_language"),
        ("removed_share", "duplicate_share"),
    ),
    "dossiers": _schema(
        ("source_id", "kind", "status"),
        ("documents", "released", "missing", "damaged", "days_left", "released_with_damaged_papers"),
    ),
    "signals": _schema(
        ("source_id", "signal"), ("documents", "missing", "below", "above"), ("least", "mean", "most")
    ),
    "clean": _schema(("doc_id", "source_id", "language"), ("characters", "blank", "digest_differs")),
    "release": _schema(
        (),
        (
            "records", "rejected", "documents", "erased", "rows", "expected_rows", "released", "released_before",
            "sources", "languages",
        ),
        ("rejected_share", "removed_share", "shrunk_share", "largest_cluster_share"),
    ),
}  # fmt: skip
"""Columns of each table, described in docs/gates.md. Shares are numbers from 0 to 1; counts are of documents."""

NAMED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "manifest": ("source_id", "disposition", "rights_state"),
    "sources": ("source_id",),
    "dossiers": ("source_id",),
    "signals": ("source_id", "signal"),
    "clean": ("doc_id",),
    "release": (),
}
"""Columns that tell a row from the others."""

_COLUMNS: Final = (
    "doc_id", "source_id", "disposition", "rights_state", "optout_state", "reasons", "screened",
    "representative_id", "released_digest",
)  # fmt: skip
"""What is read of the manifest."""

_OF_A_FILE: Final = """
    select source_id, disposition, rights_state, count(*) as documents,
        count(distinct doc_id) as distinct_documents,
        count(*) filter (len(reasons) = 0 and disposition <> 'keep') as without_reason,
        count(*) filter (starts_with(reasons[1].code, 'erasure.')) as erased,
        count(*) filter (len(screened) = 0 and not coalesce(starts_with(reasons[1].code, 'erasure.'), false))
            as not_screened,
        count(*) filter ((released_digest is not null) <> (disposition in ('keep', 'redact'))) as wrongly_released,
        count(*) filter (representative_id is not null and disposition <> 'drop') as odd_duplicates,
        count(*) filter (optout_state = 'denied' and disposition in ('keep', 'redact')) as kept_against_optout
    from manifest group by all order by all
"""

_SUMMED: Final = """
    select source_id, disposition, rights_state,
        sum(columns(* exclude (source_id, disposition, rights_state)))::bigint
    from parts group by all order by all
"""


def built(draft: Draft, workspace: Workspace, names: Iterable[str]) -> dict[str, pa.Table]:
    """Build tables of a draft.

    Args:
        draft: not published yet.
        workspace: that it was made in.
        names: of TABLES.

    Raises:
        GateError: the manifest has no file.
        IntegrityError: an artefact is not what was built.
    """
    return {name: _BUILT[name](draft, workspace).select(TABLES[name].names).cast(TABLES[name]) for name in names}


def manifest(draft: Draft, workspace: Workspace) -> pa.Table:
    """Count the manifest's rows: one of the table for each source, disposition and rights state."""
    connection = duckdb.connect(config={"enable_external_access": "false"})
    # File by file, then summed: a doc_id lies in one file only, so distinct counts add up too.
    parts = []
    for part in draft.manifest:
        connection.register("manifest", artefacts.get(workspace.store, part.artefact, _COLUMNS))
        parts.append(connection.sql(_OF_A_FILE).to_arrow_table())
        connection.unregister("manifest")
    if not parts:
        raise GateError("gate: the manifest has no file, expected one at least; ingest something first")
    connection.register("parts", pa.concat_tables(parts))
    table: pa.Table = connection.sql(_SUMMED).to_arrow_table()
    return table


def sources(draft: Draft, workspace: Workspace) -> pa.Table:
    """Count the documents of each source by disposition."""
    del workspace
    return _table("sources", list(_of_sources(draft.counts)))


def dossiers(draft: Draft, workspace: Workspace) -> pa.Table:
    """Say how the papers of each source stand, and how much is released from it."""
    counted = {row["source_id"]: row for row in _of_sources(draft.counts)}
    papers = described_sources(workspace, draft.as_of)
    rows = []
    for source in sorted({*counted, *papers}):
        one, n = papers.get(source, {}), counted.get(source, {})
        damaged, released = len(one.get("damaged", ())), n.get("released", 0)
        rows.append(
            {
                "source_id": source,
                "kind": one.get("kind", "unassessed"),
                "status": one.get("status", "missing"),
                "documents": n.get("documents", 0),
                "released": released,
                "missing": len(one.get("missing", ())),
                "damaged": damaged,
                "days_left": one.get("days_left"),
                "released_with_damaged_papers": released if damaged else 0,
            }
        )
    return _table("dossiers", rows)


def release(draft: Draft, workspace: Workspace) -> pa.Table:
    """Put the counts of the whole draft in one row, beside those of the release before it."""
    counts = draft.counts
    released, documents = _released(counts["dispositions"]), counts["documents"]
    names = workspace.releases()
    before = _released(workspace.release(names[-1]).run["counts"]["dispositions"]) if names else None
    rejected = counts["captures"].get("rejected", 0)
    # Of a document whose shard no longer holds it, a row of the manifest is left and no count.
    erased = counts.get("erased", 0)
    row = {
        "records": counts["records"],
        "rejected": rejected,
        "documents": documents,
        "erased": erased,
        "rows": draft.size,
        "expected_rows": documents + erased,
        "released": released,
        "released_before": before,
        "sources": len(counts["by_source"]),
        "languages": len({name for of_source in counts["languages"].values() for name in of_source}),
        "rejected_share": rejected / max(1, sum(counts["captures"].values())),
        "removed_share": (documents - released) / max(1, documents),
        "shrunk_share": max(0.0, 1 - released / before) if before and before >= SMALL_SOURCE else None,
        "largest_cluster_share": counts["clusters"]["largest"] / max(1, documents),
    }
    return _table("release", [row])


def signals(draft: Draft, workspace: Workspace) -> pa.Table:
    """Sum up every numeric signal of each source: values below and above what its definition allows, least, mean, most.

    Values are as a policy reads them: shares from 0 to 1.
    """
    found: dict[tuple[str, str], _Summed] = {}
    for shard in workspace.shards():
        for family, name in draft.run["artefacts"].get(shard.ref, {}).items():
            if family.startswith("signals."):
                _sum_up(found, shard.source_id, family.removeprefix("signals."), artefacts.get(workspace.store, name))
    return _table("signals", [one.row(*key) for key, one in sorted(found.items())])


def clean(draft: Draft, workspace: Workspace) -> pa.Table:
    """Sample clean documents, and hash them again: at most SAMPLE_FILES files and SAMPLE_ROWS rows of each.

    Equal drafts give equal samples; the manifest's root is the seed.
    """

    def order(part: Any) -> bytes:
        return sha256(f"{draft.root} {part.name}".encode()).digest()

    chosen = sorted(draft.clean, key=order)[:SAMPLE_FILES]
    parts = [_sampled(artefacts.read(workspace.store, part.artefact), order(part)) for part in chosen]
    return pa.concat_tables([TABLES["clean"].empty_table(), *parts])


_BUILT: Final[Mapping[str, Callable[[Draft, Workspace], pa.Table]]] = {
    "manifest": manifest, "sources": sources, "dossiers": dossiers, "signals": signals, "clean": clean,
    "release": release,
}  # fmt: skip


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=TABLES[name])


def _released(dispositions: Mapping[str, int]) -> int:
    return dispositions.get("keep", 0) + dispositions.get("redact", 0)


def _of_sources(counts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for source, n in counts["by_source"].items():
        documents, released = sum(n.values()), _released(n)
        large = documents >= SMALL_SOURCE
        yield {
            "source_id": source,
            "documents": documents,
            "kept": n.get("keep", 0),
            "redacted": n.get("redact", 0),
            "quarantined": n.get("quarantine", 0),
            "dropped": n.get("drop", 0),
            "released": released,
            "unknown_language": counts["languages"].get(source, {}).get("und", 0),
            "removed_share": (documents - released) / documents if large else None,
            "duplicate_share": counts["duplicate_rate"][source] / SCALE if large else None,
        }


@dataclass
class _Summed:
    """One signal of one source, over its shards; raw values, `scale` of them to one."""

    scale: int
    documents: int = 0
    missing: int = 0
    below: int = 0
    above: int = 0
    total: int = 0
    least: int | None = None
    most: int | None = None

    def row(self, source: str, signal: str) -> dict[str, Any]:
        """Return the row of the table."""
        known = self.documents - self.missing
        return {
            "source_id": source,
            "signal": signal,
            "documents": self.documents,
            "missing": self.missing,
            "below": self.below,
            "above": self.above,
            "least": None if self.least is None else self.least / self.scale,
            "mean": self.total / known / self.scale if known else None,
            "most": None if self.most is None else self.most / self.scale,
        }


def _sum_up(found: dict[tuple[str, str], _Summed], source: str, family: str, table: pa.Table) -> None:
    schema, said = import_module(f"corpus_gov.signals.{family}").SCHEMA, described(family)
    for name in table.column_names:
        if name == "doc_id" or not pa.types.is_integer(table.schema.field(name).type):
            continue
        scale = SCALE if b"scale" in (schema.field(name).metadata or {}) else 1
        one = found.setdefault((source, f"{family}.{name}"), _Summed(scale))
        column, low, high = table[name], said[name].low, said[name].high
        bounds = pc.min_max(column).as_py()
        one.documents += len(column)
        one.missing += column.null_count
        one.total += pc.sum(column, min_count=0).as_py()
        if bounds["min"] is not None:
            one.least = bounds["min"] if one.least is None else min(one.least, bounds["min"])
            one.most = bounds["max"] if one.most is None else max(one.most, bounds["max"])
            if low is not None and bounds["min"] < low * scale:
                one.below += pc.sum(pc.less(column, pa.scalar(low * scale)), min_count=0).as_py()
            if high is not None and bounds["max"] > high * scale:
                one.above += pc.sum(pc.greater(column, pa.scalar(high * scale)), min_count=0).as_py()


def _sampled(data: bytes, seed: bytes) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(data))
    random = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    if not file.num_row_groups:
        return TABLES["clean"].empty_table()
    group = file.read_row_group(int(random.integers(file.num_row_groups))).combine_chunks()
    rows = np.sort(random.permutation(group.num_rows)[:SAMPLE_ROWS])
    taken = group.take(pa.array(rows)).combine_chunks()
    uri, title, text = (taken[name].combine_chunks() for name in ("uri", "title", "text"))
    hashed = apply.released_digests(uri, title, text)
    columns = {
        "doc_id": taken["doc_id"],
        "source_id": taken["source_id"],
        "language": taken["language"],
        "characters": pc.utf8_length(text).cast(_COUNT),
        "blank": pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(text)), 0).cast(_COUNT),
        "digest_differs": pc.not_equal(hashed, taken["released_digest"].combine_chunks()).cast(_COUNT),
    }
    return pa.table(columns, schema=TABLES["clean"])
