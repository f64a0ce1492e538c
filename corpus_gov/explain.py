"""Everything that is known of one document, from its manifest row back to its bytes in the input."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pyarrow.compute as pc

from corpus_gov import artefacts, holdings, thresholds
from corpus_gov.described import SOURCES, described
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.facts import MADE_OF
from corpus_gov.published import statement_of
from corpus_gov.rights import USES
from corpus_gov.schemas import SCALE
from corpus_gov.stages import Shard, read_shard, shard_id
from corpus_gov.store import Store
from corpus_gov.workspace import Release

COMPRESSED: Final = (".gz", ".zst", ".bz2", ".xz")
"""Ends of the names of JSONL files whose records are counted in the decompressed stream."""


_RIGHTS: Final = ("state", "basis", "licence", "conflict")


def explain(release: Release, doc_id: str) -> dict[str, Any]:
    """Collect the facts of a document.

    Args:
        release: which release's decision to explain.
        doc_id: 32 hex digits, or enough of the first of them to be unique.

    Returns:
        manifest (the row), captures (file, offset, length of every record that held it), source (dossier),
        findings (masked), rights (state, licence, basis, conflict; what the matrix of uses says of train, redistribute
        and commercial; consent, one of consents.STATES; evidence and notices), clauses (each clause of the policy with
        the values it looked at, whether it fired, and its thresholds: crossed, near within a tenth, clear or unknown),
        optouts (what host and page said of re-use), edits (what the cleaned text changed), chain (capture, document,
        clean document, with the digests between them), relatives (its duplicate cluster), edges (verified relations of
        its text to others: kind, similarity, the other document and which way it goes). No text of the document, and
        no personal value.

    Raises:
        ConfigError: no such document, more than one, or it was erased.
        IntegrityError: a file is not what was written, or the row names a shard that no batch does.
    """
    run = release.run
    row = _row(release, doc_id)
    if row["text_digest"] is None:
        why = row["reasons"][0]
        raise ConfigError(
            f"{release.name}: document {row['doc_id']} was erased ({why['code']}; {why['legal'] or 'no basis said'}), "
            "expected one that is still held; nothing is kept of it but that row"
        )
    home, others = _shards(release, run, row)
    store = release.workspace.store
    findings = _measured(store, run, home, "findings", row["doc_id"])
    signals, made_of = _measured(store, run, home, "signals", row["doc_id"]), _made_of(store, run, row, home)
    dossier = release.workspace.dossiers.get(row["source_id"])
    captures = [
        capture
        for shard in (home, *others)
        for capture in _rows(read_shard(store, shard, "captures"), doc_id=row["doc_id"])
    ]
    return {
        "release": release.name,
        "manifest": row,
        "source": dossier.model_dump(mode="json", exclude_none=True) if dossier else None,
        "captures": captures,
        "chain": holdings.chain(row, captures, home, release.name, statement_of(store, release.name)),
        "findings": [finding for found in findings.values() for finding in found],
        "rights": (rights := _rights(store, run, home, row)),
        "clauses": _clauses(run, row, signals, made_of, rights),
        "optouts": _statements(store, run, home, row["doc_id"]),
        "edits": _edits(run, row, [finding for found in findings.values() for finding in found]),
        "relatives": _relatives(release, row),
        "edges": _edges(store, run, row["doc_id"]),
    }


def _row(release: Release, doc_id: str) -> dict[str, Any]:
    found, holder, whole = 0, b"", ""
    for data in _manifest(release):
        # Few letters may begin many documents: they are counted before a row is read.
        ids = artefacts.decode(data, ["doc_id"])["doc_id"]
        if len(ids := ids.filter(pc.starts_with(ids, doc_id.lower()))):
            found, holder, whole = found + len(ids), data, ids[0].as_py()
    if found != 1:
        raise ConfigError(
            f"{release.name}: {found} documents begin with {doc_id!r}, expected one; give more of the doc_id"
        )
    return _rows(holder, doc_id=whole)[0]


def _manifest(release: Release) -> Iterator[bytes]:
    """Read the files of the manifest, one at a time."""
    for name in release.files:
        if name.startswith(f"releases/{release.name}/manifest/"):
            yield release.workspace.store.read(name)


def _rows(data: bytes, columns: list[str] | None = None, **wanted: str) -> list[dict[str, Any]]:
    """Read the rows of a Parquet file that have the wanted value in any of the named columns."""
    rows: list[dict[str, Any]] = artefacts.chosen(
        data, {name: [one] for name, one in wanted.items()}, columns
    ).to_pylist()
    return rows


def _shards(release: Release, run: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[Shard, list[Shard]]:
    """Return the shard that holds the document, and those of its source that may hold further captures of it.

    Raises:
        IntegrityError: no batch names the shard of the manifest row.
    """
    known = set(run["shards"])
    mine = [s for s in release.workspace.shards() if s.source_id == row["source_id"] and s.ref in known]
    # An erasure of others writes the shard anew; the row says how it was called when the release was made.
    home = [shard for shard in mine if shard.shard_id == shard_id(row["shard"])]
    if not home:
        raise IntegrityError(
            f"{release.name}: the row of {row['doc_id']} names shard {row['shard']!r}, which no batch of source "
            f"{row['source_id']!r} names; restore ledger and batches from a copy"
        )
    # A capture that a document was not made of is there as a repeat, or was barred after the document came in.
    return home[0], [s for s in mine if s is not home[0] and (s.outcomes.get("repeat") or s.outcomes.get("suppressed"))]


def _measured(
    store: Store, run: Mapping[str, Any], shard: Shard, family: str, doc_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Read a document's rows of the shard's artefacts of a family, by the part of their kind after the dot."""
    names = run["artefacts"].get(shard.ref, {})
    return {
        kind.partition(".")[2]: _rows(artefacts.read(store, name), doc_id=doc_id)
        for kind, name in sorted(names.items())
        if kind.startswith(f"{family}.")
    }


def _clauses(
    run: Mapping[str, Any],
    row: Mapping[str, Any],
    signals: Mapping[str, list[dict[str, Any]]],
    made_of: Mapping[str, Any],
    rights: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Evaluate nothing again: show each clause with the recorded values it reads, and whether it spoke."""
    spoke = {reason["code"].split(":")[0] for reason in row["reasons"]}
    values: dict[str, Any] = {}
    for family, rows in signals.items():
        for measured in rows:
            values |= {f"{family}.{name}": _scaled(family, name, value) for name, value in measured.items()}
    values |= {f"rights.{key}": rights[key] for key in (*_RIGHTS, *USES)} | {"consent.state": rights["consent"]}
    values |= made_of
    values |= {"optout.state": row["optout_state"], "aigc.state": row["aigc_state"]}
    values |= {"n_chars": values.get("quality.n_chars")}
    return [
        {
            "clause": clause["id"],
            "fired": clause["id"] in spoke,
            "when": clause["when"],
            "disposition": clause["disposition"],
            "values": {name: values[name] for name in clause["columns"] if name in values},
            "thresholds": [
                {"column": one.column, "sign": one.sign, "limit": one.limit, "state": one.state(values[one.column])}
                | _meaning(one.column)
                for one in thresholds.find(clause["when"])
                if one.column in values
            ],
            "why": clause["why"],
        }
        for clause in run["policy"]["clauses"]
    ]


def _rights(store: Store, run: Mapping[str, Any], shard: Shard, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was found of rights; uses and consent are null where the run did not write them down."""
    found: dict[str, Any] = {}
    if (name := run["artefacts"].get(shard.ref, {}).get("judged")) and artefacts.ready(store, name):
        judged = artefacts.get_stream(store, name)
        mine = judged.filter(pc.equal(judged["doc_id"], row["doc_id"]))
        found = next(iter(mine.select([*(f"rights_{use}" for use in USES), "consent_state"]).to_pylist()), {})
    rights = {name: row[f"rights_{name}"] for name in (*_RIGHTS, "evidence", "notices")}
    rights |= {name: found.get(f"rights_{name}") for name in USES}
    return rights | {"consent": found.get("consent_state")}


def _meaning(column: str) -> dict[str, Any]:
    """Say what a signal is, and in what unit; nothing of other facts."""
    family, _, name = column.partition(".")
    if family not in SOURCES:
        return {}
    found = described(family)[name]
    return {"unit": found.unit, "description": found.description, "source": found.source}


def _made_of(store: Store, run: Mapping[str, Any], row: Mapping[str, Any], shard: Shard) -> dict[str, Any]:
    """Return of which documents it is made, as a policy reads it."""
    name = run["artefacts"].get(shard.ref, {}).get("told")
    if name is None:
        return {}
    found = _rows(artefacts.read(store, name), doc_id=row["doc_id"]) or [{}]
    return {
        f"{struct}.{key}": value
        for struct, share, other, which in MADE_OF
        for key, value in (("share", (found[0].get(share) or 0) / SCALE), (which, found[0].get(other)))
    }


def _statements(store: Store, run: Mapping[str, Any], shard: Shard, doc_id: str) -> list[dict[str, Any]]:
    """Return what hosts and pages said of the document, protocol by protocol."""
    return _measured(store, run, shard, "statements", doc_id).get("optout", [])


def _scaled(family: str, column: str, value: Any) -> Any:
    """Show shares as a policy sees them."""
    if not isinstance(value, int):
        return value
    from importlib import import_module  # noqa: PLC0415 - only for the families at hand

    field = import_module(f"corpus_gov.signals.{family}").SCHEMA.field(column)
    scale = (field.metadata or {}).get(b"scale")
    return value / int(scale) if scale else value


def _edits(run: Mapping[str, Any], row: Mapping[str, Any], findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say which spans of the released text were replaced, by what."""
    if row["disposition"] != "redact":
        return []
    placeholders = run["policy"]["placeholders"]
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
    columns = ["doc_id", "uri", "disposition", "cluster_id", "representative_id"]
    found = (one for data in _manifest(release) for one in _rows(data, columns, cluster_id=row["cluster_id"]))
    return [other for other in found if other["doc_id"] != row["doc_id"]]


def _edges(store: Store, run: Mapping[str, Any], doc_id: str) -> list[dict[str, Any]]:
    """List the edges of a document, and those of the copy that stands for its text."""
    own = _edges_of(store, run, doc_id)
    # Of documents with one text, the smallest has the edges of all.
    heads = {edge["a"] for edge in own if edge["kind"] == "exact" and edge["b"] == doc_id}
    for head in sorted(heads):
        of_head = [edge for edge in _edges_of(store, run, head) if edge["kind"] != "exact"]
        own += [{side: doc_id if edge[side] == head else edge[side] for side in ("a", "b")} | {
            "kind": edge["kind"], "similarity": edge["similarity"]} for edge in of_head]  # fmt: skip
    ways = {("contained", True): "is inside", ("contained", False): "holds",
            ("spun", True): "is made of", ("spun", False): "is what this was made of:"}  # fmt: skip
    return [
        {
            "kind": edge["kind"],
            "similarity": edge["similarity"],
            "other": edge["b"] if edge["a"] == doc_id else edge["a"],
            "way": ways.get((edge["kind"], edge["a"] == doc_id), "is like"),
        }
        for edge in own
    ]


def _edges_of(store: Store, run: Mapping[str, Any], doc_id: str) -> list[dict[str, Any]]:
    """Read the edges with a document at either end, a range at a time."""
    names = run.get("relations", {}).get("edges", ())
    return [edge for name in names for edge in _rows(artefacts.read(store, name), a=doc_id, b=doc_id)]


def _place(capture: Mapping[str, Any]) -> str:
    """Say where in its file a record lies, in the terms of the format."""
    if capture["record_type"] == "row":
        return f"row {capture['record_offset']}"
    place = f"bytes {capture['record_offset']}+{capture['record_length']}"
    compressed = capture["record_type"] in {"line", "file"} and capture["record_file"].lower().endswith(COMPRESSED)
    return f"{place} of the decompressed stream" if compressed else place


def in_words(said: Mapping[str, Any]) -> str:
    """Render one statement about re-use."""
    terms = f", terms at {said['condition']}" if said["condition"] else ""
    words = f" ({said['said']})" if said["said"] else ""
    return (
        f"{said['protocol']} in {said['place']} for the {said['scope']}: {said['use']} {said['value']}{words}{terms}; "
        f"sha256 {said['digest'][:16]}…, {said['fetched_at'] or 'time unknown'}"
    )


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Render what `explain` returned for a terminal."""
    row = facts["manifest"]
    yield f"{row['doc_id']}  {row['disposition'].upper()}  in {facts['release']}"
    yield f"  uri        {row['uri']}"
    yield f"  source     {row['source_id']}" + (f" ({facts['source']['kind']})" if facts["source"] else " (no dossier)")
    for capture in facts["captures"]:
        yield (
            f"  captured   {capture['record_file']} {_place(capture)}, "
            f"file sha256 {capture['file_digest'][:16]}…, {capture['fetched_at'] or 'time unknown'}, "
            f"{capture['outcome']}"
        )
    yield f"  payload    sha256 {row['payload_digest']}"
    yield f"  text       sha256 {row['text_digest']}, by {row['extractor']}, language {row['language']}"
    yield (
        f"  rights     {row['rights_state']}, licence {row['rights_licence'] or '-'}, "
        f"basis {row['rights_basis'] or '-'}; opt-out {row['optout_state']}; AI label {row['aigc_state']}"
    )
    rights = facts["rights"]
    uses = ", ".join(f"{name} {rights[name] or 'not recorded'}" for name in USES)
    yield f"  uses       {uses}; consent {rights['consent'] or 'not recorded'}"
    yield from holdings.evidence_lines(row)
    yield f"  screened   {', '.join(pack.split(':')[0] for pack in row['screened'])}"
    yield f"  decided    by {row['actor']} under policy {row['policy_digest'][:16]}…"
    yield from _decided(facts)
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
        near = any(one["state"] == "near" for one in clause["thresholds"])
        mark = "fired " if clause["fired"] else "near  " if near else "passed"
        when = " ".join(clause["when"].split())
        yield f"  {mark}     {clause['clause']}: {when}" + (f"   [{values}]" if values else "")
    if row["released_digest"]:
        yield f"  released   sha256 {row['released_digest']}"


def _decided(facts: Mapping[str, Any]) -> Iterator[str]:
    row = facts["manifest"]
    for reason in row["reasons"]:
        legal = f"{reason['category']} {reason['legal']}".rstrip()
        yield f"  reason     {reason['code']} -> {reason['disposition']} {legal}"
    if row["representative_id"]:
        yield f"  duplicate  of {row['representative_id']}, similarity {row['edge_similarity'] / 10_000:.4f}"
    for other in facts["relatives"]:
        yield f"  relative   {other['doc_id']} {other['disposition']} {other['uri']}"
    for edge in facts["edges"]:
        yield f"  edge       {edge['kind']} {edge['similarity'] / 10_000:.4f}: {edge['way']} {edge['other']}"
    for said in facts["optouts"]:
        yield f"  opt-out    {in_words(said)}"
