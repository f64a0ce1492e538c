"""Everything that is known of one document, from its manifest row back to its bytes in the input."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import ConfigError
from corpus_gov.workspace import Release


def explain(release: Release, doc_id: str) -> dict[str, Any]:
    """Collect the facts of a document.

    Args:
        release: which release's decision to explain.
        doc_id: 32 hex digits, or enough of the first of them to be unique.

    Returns:
        manifest (the row), captures (file, offset, length of every record that held it), source (dossier),
        findings (masked), clauses (each clause of the policy with the values it looked at and whether it
        fired), edits (what the cleaned text changed), relatives (its duplicate cluster). No text of the
        document, and no personal value.

    Raises:
        ConfigError: no such document, or more than one.
    """
    row = _row(release, doc_id)
    doc_id = row["doc_id"]
    findings = _of(release.table("findings"), doc_id)
    workspace = release.workspace
    dossier = workspace.dossiers.get(row["source_id"])
    return {
        "release": release.name,
        "manifest": row,
        "source": dossier.model_dump(mode="json", exclude_none=True) if dossier else None,
        "captures": _of(release.table("captures"), doc_id),
        "findings": findings,
        "clauses": _clauses(release, row),
        "edits": _edits(release, row, findings),
        "relatives": _relatives(release, row),
    }


def _row(release: Release, doc_id: str) -> dict[str, Any]:
    manifest = release.table("manifest")
    rows = manifest.filter(pc.starts_with(manifest["doc_id"], doc_id.lower())).to_pylist()
    if len(rows) != 1:
        raise ConfigError(
            f"{release.name}: {len(rows)} documents begin with {doc_id!r}, expected one; give more of the doc_id"
        )
    found: dict[str, Any] = rows[0]
    return found


def _of(table: pa.Table, doc_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["doc_id"], doc_id)).to_pylist()
    return rows


def _clauses(release: Release, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Evaluate nothing again: show each clause with the recorded values it reads, and whether it spoke."""
    spoke = {reason["code"].split(":")[0] for reason in row["reasons"]}
    signals = (_of(release.table("signals"), row["doc_id"]) or [{}])[0]
    values = {name: _scaled(name, value) for name, value in signals.items()}
    values |= {f"rights.{key}": row[f"rights_{key}"] for key in ("state", "basis", "licence", "conflict")}
    values |= {"optout.state": row["optout_state"], "n_chars": values.get("quality.n_chars")}
    return [
        {
            "clause": clause["id"],
            "fired": clause["id"] in spoke,
            "when": clause["when"],
            "disposition": clause["disposition"],
            "values": {name: values[name] for name in clause["columns"] if name in values},
            "why": clause["why"],
        }
        for clause in release.run["policy"]["clauses"]
    ]


def _scaled(name: str, value: Any) -> Any:
    """Show shares as a policy sees them."""
    if not isinstance(value, int):
        return value
    from importlib import import_module  # noqa: PLC0415 - only for the families at hand

    family, _, column = name.partition(".")
    if not column:
        return value
    field = import_module(f"corpus_gov.signals.{family}").SCHEMA.field(column)
    scale = (field.metadata or {}).get(b"scale")
    return value / int(scale) if scale else value


def _edits(release: Release, row: Mapping[str, Any], findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say which spans of the released text were replaced, by what."""
    if row["disposition"] != "redact":
        return []
    placeholders = release.run["policy"]["placeholders"]
    return [
        {
            "column": f["column"],
            "start": f["start"],
            "end": f["end"],
            "was": f["masked"],
            "now": placeholders[f["rule"]],
            "rule": f"{f['rule']}@{f['version']}",
        }
        for f in findings
        if f["rule"] in placeholders and f["column"] in ("text", "title", "uri")
    ]


def _relatives(release: Release, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    if row["cluster_id"] is None:
        return []
    manifest = release.table("manifest", ["doc_id", "uri", "disposition", "cluster_id", "representative_id"])
    rows: list[dict[str, Any]] = manifest.filter(pc.equal(manifest["cluster_id"], row["cluster_id"])).to_pylist()
    return [other for other in rows if other["doc_id"] != row["doc_id"]]


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Render what `explain` returned for a terminal."""
    row = facts["manifest"]
    yield f"{row['doc_id']}  {row['disposition'].upper()}  in {facts['release']}"
    yield f"  uri        {row['uri']}"
    yield f"  source     {row['source_id']}" + (f" ({facts['source']['kind']})" if facts["source"] else " (no dossier)")
    for capture in facts["captures"]:
        yield (
            f"  captured   {capture['record_file']} bytes {capture['record_offset']}+{capture['record_length']}, "
            f"file sha256 {capture['file_digest'][:16]}…, {capture['fetched_at'] or 'time unknown'}, "
            f"{capture['outcome']}"
        )
    yield f"  payload    sha256 {row['payload_digest']}"
    yield f"  text       sha256 {row['text_digest']}, by {row['extractor']}, language {row['language']}"
    yield (
        f"  rights     {row['rights_state']}, licence {row['rights_licence'] or '-'}, "
        f"basis {row['rights_basis'] or '-'}; opt-out {row['optout_state']}"
    )
    yield f"  screened   {', '.join(pack.split(':')[0] for pack in row['screened'])}"
    yield f"  decided    by {row['actor']} under policy {row['policy_digest'][:16]}…"
    for reason in row["reasons"]:
        legal = f"{reason['category']} {reason['legal']}".rstrip()
        yield f"  reason     {reason['code']} -> {reason['disposition']} {legal}"
    if row["representative_id"]:
        yield f"  duplicate  of {row['representative_id']}, similarity {row['edge_similarity'] / 10_000:.4f}"
    for other in facts["relatives"]:
        yield f"  relative   {other['doc_id']} {other['disposition']} {other['uri']}"
    for finding in facts["findings"]:
        value = finding["masked"] or finding["note"] or ""
        yield (
            f"  finding    {finding['rule']}@{finding['version']} in {finding['column']} "
            f"[{finding['start']}, {finding['end']}) {value}".rstrip()
        )
    for edit in facts["edits"]:
        yield f"  changed    {edit['column']} [{edit['start']}, {edit['end']}) {edit['was'] or ''} -> {edit['now']}"
    for clause in facts["clauses"]:
        values = ", ".join(f"{name} = {value}" for name, value in clause["values"].items())
        mark = "fired " if clause["fired"] else "passed"
        when = " ".join(clause["when"].split())
        yield f"  {mark}     {clause['clause']}: {when}" + (f"   [{values}]" if values else "")
    if row["released_digest"]:
        yield f"  released   sha256 {row['released_digest']}"
