"""Everything a policy may ask about a document, in one wide table without text.

Signals, counts of findings, the state of rights and opt-outs and what the dossier says are joined by doc_id.
Nothing is judged here but what evidence means for rights: evidence that disagrees is a state of its own, and no
evidence is `unknown`, never `permitted`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import RuleError, SchemaError
from corpus_gov.rights import EVIDENCE, OWNER, Terms, resolve, uses
from corpus_gov.rules import Rule, RulePack
from corpus_gov.schemas import SCALE, TIME

DOCUMENT: Final = (
    "host",
    "registered_domain",
    "content_type",
    "charset_declared",
    "charset_used",
    "extractor",
    "published_at",
)
"""Columns of DOCUMENTS that policies can read as document.*."""

SOURCE: Final[Mapping[str, pa.DataType]] = {
    "kind": pa.string(),
    "basis": pa.string(),
    "status": pa.string(),
    "licence": pa.string(),
    "priority": pa.int64(),
    "data_class": pa.string(),
    "data_grade": pa.string(),
}
"""What the dossier says, readable as source.*."""

MADE_OF: Final = (
    ("contained", "contained_share", "contained_in", "within"),
    ("spun", "spun_share", "spun_of", "of"),
)
"""What policies can read of documents that are made of others: struct, column of the share, column of the other
document, name of that one."""

PLAIN: Final = ("doc_id", "source_id", "fetched_at", "n_chars", "ip_risk")
"""Columns of FACTS that are no struct."""

FAILED: Final = "screen.failed"
"""Rule and category of the finding that stands for a screen that failed on a document."""

Fields = dict[str, tuple[pa.Field, pa.Array]]
"""Field and values by name."""

Columns = dict[str, Fields]
"""Struct name → field name → field and values."""


def facts(
    documents: pa.Table,
    signals: Mapping[str, pa.Table],
    findings: pa.Table,
    optouts: pa.Table,
    source: Mapping[str, Any],
    packs: Sequence[RulePack],
    made_of: pa.Table | None = None,
    matrix: Sequence[Terms] = (),
    consents: pa.Array | None = None,
) -> pa.Table:
    """Join what is known of the documents of one source.

    A rule of id `pii.email` is counted as pii.email, and a struct that signals and rules share has the fields of
    both. Counts are there for every rule and category in force, 0 where nothing was found, so that a column that
    is absent means "not screened". Fields of counts name their rules (id@version, comma-separated) in `rules` of
    their metadata.

    Args:
        documents: n rows with doc_id, source_id, fetched_at, n_chars and DOCUMENT; no text is read.
        signals: family → n rows with doc_id and one column a measure; scaled columns become float64.
        findings: FINDINGS of these documents.
        optouts: doc_id, state, digest; a document without a row was not evaluated.
        source: what the dossier says: source_id and SOURCE; absent keys are null.
        packs: the rules in force.
        made_of: doc_id and the columns of MADE_OF; a document without a row is made of no other. None where nobody
            looked.
        matrix: what each licence allows, as the policy says.
        consents: of consents.states, n rows; None where nobody looked.

    Returns:
        n rows, in the order of `documents`: doc_id, source_id, fetched_at, n_chars, document, source, rights {state,
        basis, licence, conflict, train, redistribute, commercial}, consent {state}, ip_risk, optout {state, digest},
        contained {share, within}, spun {share, of}, category, screen {failed}, one struct a signal family and rule
        prefix.

    Raises:
        SchemaError: signals or findings do not belong to these documents or rules.
        RuleError: the id of a rule is the name of another fact.
    """
    ids = _whole(documents["doc_id"])
    n = len(ids)
    rules = [rule for pack in packs for rule in pack.rules if rule.screen != "optout"]
    # A score of 0 says that the words are there and do not mean it: a mention, for people to read and not to count.
    findings = findings.filter(pc.fill_null(pc.not_equal(findings["score"], 0), True))  # noqa: FBT003 - pyarrow's own
    rows = _rows(findings["doc_id"], ids, "findings")
    columns: Columns = {
        "document": {name: _plain(documents.schema.field(name), documents[name]) for name in DOCUMENT},
        "source": {name: _constant(name, source.get(name), kind, n) for name, kind in SOURCE.items()},
    }
    for family, table in sorted(signals.items()):
        columns[family] = _measures(family, table, ids)
    columns["category"] = _by_category(findings["category"], rows, rules, n)
    columns["screen"] = {"failed": _count("failed", _whole(pc.equal(findings["rule"], FAILED)), rows, n, ())}
    columns["optout"] = _optouts(optouts, ids, columns["category"])
    columns["aigc"] = _aigc(columns, source, rules)
    columns |= _made_of(made_of, ids)
    unseen = "not_checked" if source.get("kind") == "user_input" else "not_needed"
    held = pa.repeat(pa.scalar(unseen), n) if consents is None else consents
    columns["consent"] = {"state": (pa.field("state", pa.string()), held.cast(pa.string()))}
    columns["rights"], ip_risk = _rights(findings, rows, columns, source, rules, matrix)
    _add_rules(columns, findings["rule"], rows, rules, n)
    given = (
        documents["doc_id"],
        documents["source_id"],
        documents["fetched_at"].cast(TIME),
        documents["n_chars"],
        ip_risk,
    )
    plain = {name: _whole(column) for name, column in zip(PLAIN, given, strict=True)}
    return pa.table(plain | {name: _struct(fields) for name, fields in columns.items()})


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _struct(fields: Mapping[str, tuple[pa.Field, pa.Array]]) -> pa.Array:
    return pa.StructArray.from_arrays([a for _, a in fields.values()], fields=[f for f, _ in fields.values()])


def _plain(field: pa.Field, column: pa.ChunkedArray) -> tuple[pa.Field, pa.Array]:
    return pa.field(field.name, field.type), _whole(column)


def _constant(name: str, value: Any, kind: pa.DataType, n: int) -> tuple[pa.Field, pa.Array]:
    return pa.field(name, kind), pa.repeat(pa.scalar(value, kind), n)


def _rows(doc_ids: pa.ChunkedArray, ids: pa.Array, where: str) -> np.ndarray:
    """Return the row of each doc_id."""
    rows = _whole(pc.index_in(doc_ids.cast(ids.type), value_set=ids))
    if rows.null_count:
        raise SchemaError(
            f"{where}: {rows.null_count} rows belong to none of these {len(ids)} documents; give the rows of one shard"
        )
    return np.asarray(rows)


def _measures(family: str, table: pa.Table, ids: pa.Array) -> dict[str, tuple[pa.Field, pa.Array]]:
    if not (len(table) == len(ids) and _whole(table["doc_id"]).cast(ids.type).equals(ids)):
        place = _whole(pc.index_in(ids, value_set=_whole(table["doc_id"]).cast(ids.type)))
        if place.null_count or len(table) != len(ids):
            raise SchemaError(
                f"signals {family!r}: {len(table)} rows for {len(ids)} documents, {place.null_count} of them "
                "without one; a measure returns one row a document"
            )
        table = table.take(place)
    measures = {}
    for field in table.schema:
        if field.name == "doc_id":
            continue
        values = _whole(table[field.name])
        if field.metadata and b"scale" in field.metadata:
            # Whole ten-thousandths divided once give the float that a policy's literal gives too.
            values = pc.divide(values.cast(pa.float64()), float(field.metadata[b"scale"]))
        measures[field.name] = (pa.field(field.name, values.type), values)
    return measures


def _optouts(optouts: pa.Table, ids: pa.Array, category: Fields) -> Fields:
    """Join what hosts and pages said with what the text itself says; by protocol where that is known."""
    place = pc.index_in(ids, value_set=_whole(optouts["doc_id"]).cast(ids.type))
    state = pc.fill_null(_whole(optouts["state"]).cast(pa.string()).take(place), "not_evaluated")
    said = {name: _whole(optouts[name]).cast(pa.string()).take(place) for name in optouts.column_names[1:]}
    said["state"] = _with_text(state, category)
    return {name: (pa.field(name, pa.string()), values) for name, values in said.items()}


def _with_text(state: pa.Array, category: Fields) -> pa.Array:
    """Let a manifest in the text refuse or limit its use: it can make the state stricter, and no milder."""
    nothing = pa.repeat(pa.scalar(False), len(state))  # noqa: FBT003 - pyarrow's own signature
    refused, limited = (
        pc.greater(category[name][1], 0) if name in category else nothing
        for name in ("optout.reserved", "optout.limited")
    )
    limited = pc.and_(limited, pc.invert(pc.is_in(state, value_set=pa.array(["denied", "unknown"]))))
    cases = pa.StructArray.from_arrays([refused, limited], names=list("ab"))
    return pc.case_when(cases, "denied", "conditional", state).cast(pa.string())


def _aigc(columns: Columns, source: Mapping[str, Any], rules: Sequence[Rule]) -> Fields:
    """Say what is known of machines as authors: a label comes before all else, and not looked at is not clean."""
    counts, n = columns["category"], len(columns["screen"]["failed"][1])
    labelled, suspected = (
        pc.greater(counts[name][1], 0) if name in counts else pa.repeat(pa.scalar(False), n)  # noqa: FBT003
        for name in ("aigc.labelled", "aigc.suspected")
    )
    declared = pa.repeat(pa.scalar(source.get("kind") == "synthetic"), n)
    screened = any(rule.screen == "aigc" for rule in rules)
    unseen = pc.or_(pc.greater(columns["screen"]["failed"][1], 0), pa.repeat(pa.scalar(not screened), n))
    cases = pa.StructArray.from_arrays([labelled, declared, suspected, unseen], names=list("abcd"))
    state = pc.case_when(cases, "labelled", "declared", "suspected", "not_screened", "none_found").cast(pa.string())
    spoke = {"rules": ",".join(sorted(rule.name for rule in rules if rule.category in _AIGC))}
    return {"state": (pa.field("state", pa.string(), metadata=spoke), state)}


_AIGC: Final = ("aigc.labelled", "aigc.suspected")


def _made_of(table: pa.Table | None, ids: pa.Array) -> Columns:
    """Return the shares as policies read them; null where nobody looked, 0 where nothing was found."""
    columns: Columns = {}
    for struct, share, other, name in MADE_OF:
        if table is None:
            shares, others = pa.nulls(len(ids), pa.float64()), pa.nulls(len(ids), pa.string())
        else:
            place = pc.index_in(ids, value_set=_whole(table["doc_id"]).cast(ids.type))
            found = _whole(table[share]).take(place).cast(pa.float64())
            shares = pc.fill_null(pc.divide(found, float(SCALE)), 0.0)
            others = _whole(table[other]).cast(pa.string()).take(place)
        columns[struct] = {
            "share": (pa.field("share", pa.float64()), shares),
            name: (pa.field(name, pa.string()), others),
        }
    return columns


def _count(name: str, mask: pa.Array, rows: np.ndarray, n: int, spoke: Iterable[str]) -> tuple[pa.Field, pa.Array]:
    chosen = rows[np.asarray(pc.fill_null(mask, False))]  # noqa: FBT003 - pyarrow's own signature
    field = pa.field(name, pa.int32(), metadata={"rules": ",".join(sorted(spoke))})
    return field, pa.array(np.bincount(chosen, minlength=n).astype(np.int32))


def _counts(column: pa.ChunkedArray, names: Sequence[str], rows: np.ndarray, n: int) -> Iterator[tuple[str, pa.Array]]:
    """Count the findings of each document for each name; sorts once, so that many names cost little."""
    codes = np.asarray(_whole(pc.fill_null(pc.index_in(column, value_set=pa.array(names, pa.string())), -1)))
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(names) + 1))
    for i, name in enumerate(names):
        chosen = rows[order[starts[i] : starts[i + 1]]]
        yield name, pa.array(np.bincount(chosen, minlength=n).astype(np.int32))


def _by_category(
    column: pa.ChunkedArray, rows: np.ndarray, rules: Sequence[Rule], n: int
) -> dict[str, tuple[pa.Field, pa.Array]]:
    spoke: dict[str, list[str]] = {name: [] for name in EVIDENCE}
    for rule in rules:
        spoke.setdefault(rule.category, []).append(rule.name)
    _check_known("category", column, {*spoke, FAILED})
    return {
        name: (pa.field(name, pa.int32(), metadata={"rules": ",".join(sorted(spoke[name]))}), counts)
        for name, counts in _counts(column, sorted(spoke), rows, n)
    }


def _add_rules(columns: Columns, column: pa.ChunkedArray, rows: np.ndarray, rules: Sequence[Rule], n: int) -> None:
    by_id = {rule.id: rule for rule in rules}
    _check_known("rule", column, {*by_id, FAILED})
    for rule_id, counts in _counts(column, sorted(by_id), rows, n):
        prefix, _, name = rule_id.partition(".")
        fields = columns.setdefault(prefix, {})
        if name in fields or prefix in PLAIN:
            rule = by_id[rule_id]
            raise RuleError(f"{rule.file}:{rule.line}: rule {rule_id!r}: a fact has that name already; rename the rule")
        fields[name] = (pa.field(name, pa.int32(), metadata={"rules": by_id[rule_id].name}), counts)


def _check_known(what: str, column: pa.ChunkedArray, known: set[str]) -> None:
    if unknown := sorted(set(pc.unique(column).to_pylist()) - known):
        raise SchemaError(
            f"findings: {what} {unknown[0]!r} is of no rule in force; screen again with the rule packs of this run"
        )


def _rights(
    findings: pa.Table,
    rows: np.ndarray,
    columns: Columns,
    source: Mapping[str, Any],
    rules: Sequence[Rule],
    matrix: Sequence[Terms],
) -> tuple[dict[str, tuple[pa.Field, pa.Array]], pa.Array]:
    """Resolve licence evidence to a state, and say what it means for intellectual property.

    A claim of ownership neither permits nor forbids anything: it leaves the state `unknown`.
    """
    n = len(columns["screen"]["failed"][1])
    found = resolve(findings, rows, n, source.get("material"))
    rights = {"state": found.state, "basis": _constant("", source.get("basis"), pa.string(), n)[1]}
    rights |= {"licence": found.licence, "conflict": found.conflict, **uses(found, matrix)}
    screened = any(rule.screen == "licence" for rule in rules)
    failed = pc.greater(columns["screen"]["failed"][1], 0)
    banned = pc.is_in(found.state, value_set=pa.array(["forbidden", "conflicting"]))
    banned = pc.or_(banned, pc.equal(columns["optout"]["state"][1], "denied"))
    unclear = pc.or_(pc.or_(pc.equal(found.state, "conditional"), found.claimed), found.conflict)
    unclear = pc.or_(unclear, failed if screened else pa.array(np.ones(n, bool)))
    # A signal that nobody evaluated may be a ban.
    open_terms = pa.array(["unknown", "conditional"])
    unclear = pc.or_(unclear, pc.is_in(columns["optout"]["state"][1], value_set=open_terms))
    cases = pa.StructArray.from_arrays([banned, unclear], names=list("ab"))
    ip_risk = pc.case_when(cases, "ban_on_reuse", "unknown", "none_found").cast(pa.string())
    # A claim of ownership does not move the state, so its rules do not speak for it.
    spoke = {"rules": ",".join(sorted(r.name for r in rules if r.category in EVIDENCE and r.category != OWNER))}
    return {
        name: (pa.field(name, values.type, metadata=spoke if name != "basis" else None), values)
        for name, values in rights.items()
    }, ip_risk
