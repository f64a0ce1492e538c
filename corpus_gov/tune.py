"""What another threshold would change: a clause of the policy, or a rule, tried on the facts of a release.

No text is read again: signals, findings and reasons lie in the build cache and in the manifest. What is said is
exact for the document itself, with its overrides, final reasons and the suppression list. Elections among copies and
verdicts on sources may follow from it; those a run computes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, consents, reasons, thresholds
from corpus_gov.errors import ConfigError
from corpus_gov.expressions import Expression, evaluate, leaves, parse
from corpus_gov.facts import DOCUMENT, FAILED, facts
from corpus_gov.policyfile import SUPPRESSED, Clause, Policy
from corpus_gov.rules import RulePack
from corpus_gov.schemas import DISPOSITIONS, FINDINGS, TIME
from corpus_gov.stages import Shard, read_shard
from corpus_gov.workspace import Release

_QUARANTINE: Final = DISPOSITIONS.index("quarantine")
_MANIFEST: Final = ("doc_id", "uri", "disposition", "reasons", "optout_state", "optout_digest", "consent_hmac")
_ALL_RULES: Final = ("category.", "rights.", "optout.", "ip_risk", "screen.", "aigc.state")
"""Facts that more than one rule stands behind."""


@dataclass(frozen=True)
class Said:
    """What a release says of its n documents, without one clause; places in DISPOSITIONS, -1 for nothing."""

    rest: np.ndarray
    """Worst of the reasons that are not final."""
    floor: np.ndarray
    """Worst of the final ones."""
    asked: np.ndarray
    """What overrides in force ask for."""

    def with_clause(self, clause: Clause, applies: np.ndarray, unknown: np.ndarray) -> np.ndarray:
        """Return the outcome where the clause applies or cannot be evaluated: int64 (n,), places in DISPOSITIONS."""
        place = DISPOSITIONS.index(clause.disposition)
        speaks = np.where(applies, place, -1)
        floor = np.maximum(self.floor, speaks) if clause.final else self.floor
        rest = self.rest if clause.final else np.maximum(self.rest, speaks)
        rest = np.maximum(rest, np.where(unknown, _QUARANTINE, -1))
        below = np.where(self.asked >= 0, self.asked, np.maximum(rest, 0))
        outcome: np.ndarray = np.maximum(floor, below)
        return outcome


def tune(
    release: Release, clause: str, when: Sequence[str] = (), *, without: str | None = None, samples: int = 5
) -> dict[str, Any]:
    """Count the documents whose decision would change.

    Args:
        release: made under the policy in force.
        clause: id of a clause of scope document.
        when: expressions to try in its place; without any, and without `without`, its limits times LADDER.
        without: id of a rule whose findings are left out for this clause.
        samples: documents to name for each expression.

    Returns:
        release, clause, when (as it is), documents, and tries: of each when, applies, unknown, changed ("keep ->
        quarantine": documents) and samples (doc_id, uri, was, becomes, and the values that the expression reads).

    Raises:
        ConfigError: the policy in force is not that of the release, or has no such clause, or the rule is not in force.
        PolicyError: an expression is wrong.
    """
    workspace, run = release.workspace, release.run
    in_force = workspace.policy_in_force()
    if in_force.digest != run["policy"]["digest"]:
        raise ConfigError(f"{release.name}: found another policy in force than the release was made under; run first")
    chosen = _clause(in_force, clause)
    tried = _tried(chosen, when, without)
    manifest = release.table("manifest", _MANIFEST).combine_chunks()
    known = _facts(release, manifest, {name for one in tried for name in one.columns}, without)
    place = pc.index_in(manifest["doc_id"].combine_chunks(), value_set=known["doc_id"].combine_chunks())
    said = said_without(manifest["reasons"], in_force, clause)
    was = reasons.ranks(manifest["disposition"])
    hits = evaluate(tried, known) if tried else []
    return {
        "release": release.name,
        "clause": clause,
        "when": _written(chosen),
        "documents": len(manifest),
        "tries": [
            _try(one, hit.take(place), chosen, said, was, manifest, (known, place), samples)
            for one, hit in zip(tried, hits, strict=True)
        ],
    }


def said_without(lists: pa.ChunkedArray, in_force: Policy, clause: str) -> Said:
    """Weigh the reasons of a manifest, but for those that one clause gave.

    Args:
        lists: REASONS, n rows.
        in_force: the policy that gave them.
        clause: id of the clause.
    """
    whole = lists.combine_chunks()
    flat = pc.list_flatten(whole)
    parents = np.asarray(pc.list_parent_indices(whole))
    codes = pc.struct_field(flat, "code").dictionary_encode()
    ranks = reasons.ranks(pc.struct_field(flat, "disposition"))
    final = {one.id for one in in_force.clauses if one.final} | {SUPPRESSED, FAILED}
    kind = np.array([_kind(code, final, clause) for code in codes.dictionary.to_pylist()] or [0])
    of = kind[np.asarray(codes.indices)] if len(codes) else np.zeros(0, np.int64)
    found = np.full((4, len(whole)), -1, np.int64)
    np.maximum.at(found, (of, parents), ranks)
    return Said(rest=found[0], floor=found[1], asked=found[2])


def _kind(code: str, final: set[str], clause: str) -> int:
    """Sort a reason: 0 counts, 1 is final, 2 is an override in force, 3 is left out."""
    head, _, rest = code.partition(":")
    if head == clause:
        return 3
    if head == "override":
        return 2
    # Unknown is held for a person, and a person may release it: it is never final.
    return int(head in final and rest != "not_evaluated")


def _clause(in_force: Policy, wanted: str) -> Clause:
    found = [one for one in in_force.clauses if one.id == wanted and one.scope == "document"]
    if not found:
        ids = ", ".join(one.id for one in in_force.clauses if one.scope == "document")
        raise ConfigError(f"policy {in_force.name!r}: found no clause {wanted!r} of documents, expected one of {ids}")
    return found[0]


def _written(clause: Clause) -> str:
    return clause.when.text if clause.when else f"a finding of {', '.join(clause.spans)}"


def _tried(clause: Clause, when: Sequence[str], without: str | None) -> list[Expression]:
    if clause.when is None:
        raise ConfigError(f"clause {clause.id!r}: found spans, expected `when`; a redaction has no limit to try")
    texts = list(when) or ([clause.when.text] if without else list(thresholds.variants(clause.when.text)))
    if not texts:
        raise ConfigError(f"clause {clause.id!r}: found no limit in `{clause.when.text}`; give --when")
    return [parse(text, f"--when {text!r}") for text in texts]


def _facts(release: Release, manifest: pa.Table, columns: set[str], without: str | None) -> pa.Table:
    """Join the facts that the expressions read, of all shards."""
    run, workspace = release.run, release.workspace
    as_of = date.fromisoformat(run["as_of"])
    sources, matrix = workspace.source_facts(as_of), workspace.policy_in_force().uses
    packs = _packs(workspace.context().rule_packs(), columns, without)
    of_others = any(name.startswith(("contained.", "spun.")) for name in columns)
    parts = []
    known = set(run["shards"])
    for shard in (one for one in workspace.shards() if one.ref in known):
        names = run["artefacts"].get(shard.ref, {})
        signals = dict(_signals(release, names, columns))
        documents = _documents(release, shard, names, columns)
        findings = _findings(release, names, packs, without)
        relations = artefacts.get(workspace.store, names["told"]) if of_others and "keys.near" in names else None
        optouts, source = _optouts(release, names, manifest), sources.get(shard.source_id, {})
        held = _consents(release, documents["doc_id"], manifest, source)
        table = facts(documents, signals, findings, optouts, source, packs, relations, matrix, held)
        parts.append(_flat(table, columns))
    return pa.concat_tables(parts)


def _optouts(release: Release, names: Mapping[str, str], manifest: pa.Table) -> pa.Table:
    """Return what was in force for the documents, protocol by protocol; of releases that did not keep it the state."""
    if kept := names.get("optouts.states"):
        return artefacts.get(release.workspace.store, kept)
    return manifest.select(["doc_id", "optout_state", "optout_digest"]).rename_columns(["doc_id", "state", "digest"])


def _consents(release: Release, ids: pa.ChunkedArray, manifest: pa.Table, source: Mapping[str, Any]) -> pa.Array:
    place = pc.index_in(ids.combine_chunks(), value_set=manifest["doc_id"].combine_chunks())
    digests = manifest["consent_hmac"].combine_chunks().take(place)
    return consents.states(digests, release.workspace.store, source, release.workspace.keys().seal)


def _flat(table: pa.Table, columns: set[str]) -> pa.Table:
    """Keep what is read; the rest of a million documents would not fit."""
    there = leaves(table.schema)
    tops = {name.split(".")[0] for name in columns if name in there} | {"doc_id"}
    kept = {}
    for top in sorted(tops):
        wanted = sorted(name.partition(".")[2] for name in columns if name.startswith(f"{top}."))
        column = table[top].combine_chunks()
        if wanted and pa.types.is_struct(column.type):
            there_too = [name for name in wanted if column.type.get_field_index(name) >= 0]
            fields = [column.type.field(name) for name in there_too]
            column = pa.StructArray.from_arrays([pc.struct_field(column, [name]) for name in there_too], fields=fields)
        kept[top] = column
    return pa.table(kept)


def _packs(packs: Sequence[RulePack], columns: set[str], without: str | None) -> list[RulePack]:
    """Leave out the rules that nothing reads, since each is a column; and the one that is tried without."""
    known = {rule.id for pack in packs for rule in pack.rules}
    if without is not None and without not in known:
        raise ConfigError(f"--without {without!r}: found no such rule in force; give the id of a rule without version")
    every = any(name.startswith(_ALL_RULES) for name in columns)
    return [replace(pack, rules=tuple(rule for rule in pack.rules if every or rule.id in columns)) for pack in packs]


def _signals(release: Release, names: Mapping[str, str], columns: set[str]) -> Iterator[tuple[str, pa.Table]]:
    for kind, name in sorted(names.items()):
        family = kind.partition(".")[2]
        if kind.startswith("signals.") and any(column.startswith(f"{family}.") for column in columns):
            wanted = sorted({column.partition(".")[2] for column in columns if column.startswith(f"{family}.")})
            # A name that the family does not have is left out here, and is an error of the expression.
            table = artefacts.get(release.workspace.store, name, ["doc_id", *wanted])
            if table.num_columns > 1:
                yield family, table


def _documents(release: Release, shard: Shard, names: Mapping[str, str], columns: set[str]) -> pa.Table:
    """Return what facts need of documents; their file is read only where a clause asks for what stands there alone."""
    if any(name.startswith(("document.", "fetched_at")) for name in columns):
        wanted = ["doc_id", "source_id", "fetched_at", "n_chars", *DOCUMENT]
        return artefacts.decode(read_shard(release.workspace.store, shard, "documents"), wanted)
    measured = artefacts.get(release.workspace.store, names["signals.quality"], ["doc_id", "n_chars"])
    n = len(measured)
    nothing = {name: pa.nulls(n, pa.string()) for name in DOCUMENT}
    source = pa.repeat(pa.scalar(shard.source_id), n)
    return pa.table({"doc_id": measured["doc_id"], "source_id": source, "fetched_at": pa.nulls(n, TIME),
                     "n_chars": measured["n_chars"], **nothing})  # fmt: skip


def _findings(release: Release, names: Mapping[str, str], packs: Sequence[RulePack], without: str | None) -> pa.Table:
    rules = {rule.id for pack in packs for rule in pack.rules}
    if not rules:
        return FINDINGS.empty_table()
    ids = pa.array(sorted((rules | {FAILED}) - {without}))
    parts = [
        artefacts.get(release.workspace.store, name) for kind, name in names.items() if kind.startswith("findings.")
    ]
    found = pa.concat_tables([FINDINGS.empty_table(), *parts])
    return found.filter(pc.is_in(found["rule"], value_set=ids))


def _try(
    tried: Expression, hit: pa.Array, clause: Clause, said: Said, was: np.ndarray, manifest: pa.Table,
    facts_of: tuple[pa.Table, pa.Array], samples: int,
) -> dict[str, Any]:  # fmt: skip
    applies, unknown = np.asarray(pc.fill_null(hit, False)), np.asarray(pc.is_null(hit))  # noqa: FBT003
    becomes = said.with_clause(clause, applies, unknown)
    moved = np.flatnonzero(becomes != was)
    pairs, counts = np.unique(np.stack([was[moved], becomes[moved]]), axis=1, return_counts=True)
    # By doc_id, which says nothing of a document: the first are as good a sample as any, and the same every time.
    shown = pa.array(moved[:samples])
    rows = manifest.select(["doc_id", "uri"]).take(shown).to_pylist()
    known, place = facts_of
    values = [{name: _at(row, name) for name in tried.columns} for row in known.take(place.take(shown)).to_pylist()]
    return {
        "when": tried.text,
        "applies": int(applies.sum()),
        "unknown": int(unknown.sum()),
        "changed": {
            f"{DISPOSITIONS[old]} -> {DISPOSITIONS[new]}": int(count)
            for (old, new), count in zip(pairs.T.tolist(), counts, strict=True)
        },
        "samples": [
            row | {"was": DISPOSITIONS[was[at]], "becomes": DISPOSITIONS[becomes[at]], "values": value}
            for row, at, value in zip(rows, moved[:samples].tolist(), values, strict=True)
        ],
    }


def _at(row: Mapping[str, Any], name: str) -> Any:
    top, _, rest = name.partition(".")
    return row[top][rest] if rest else row[top]


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Render what `tune` returned for a terminal."""
    when = " ".join(found["when"].split())
    yield f"{found['clause']} in {found['release']}, {found['documents']:,} documents: {when}"
    for one in found["tries"]:
        changed = ", ".join(f"{pair}: {count:,}" for pair, count in one["changed"].items()) or "nothing changes"
        unknown = f", unknown for {one['unknown']:,}" if one["unknown"] else ""
        yield f"  {' '.join(one['when'].split())}"
        yield f"    applies to {one['applies']:,}{unknown}; {changed}"
        for row in one["samples"]:
            values = ", ".join(f"{name} = {value}" for name, value in row["values"].items())
            yield f"      {row['doc_id']} {row['was']} -> {row['becomes']}  {row['uri'] or ''}  [{values}]"
