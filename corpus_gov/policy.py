"""Facts in, decisions out, in four passes; pure functions of their arguments.

1. `judge` looks at each document alone. 2. `judge_sources` looks at each source, over the tallies of its documents.
3. `elect` chooses who stands for a cluster of duplicates among those that `standing` leaves in the release.
4. `settle` joins all reasons and decides.

What wins, from the top: suppression; a screen that failed; final reasons; an override that has not expired; the
worst of the other reasons; keep. Each level is a floor: what stands below can make the outcome worse, never milder,
so a further finding never releases a document. No reason is ever left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import reasons
from corpus_gov.election import DUPLICATES, elect, representatives, spread, with_spread
from corpus_gov.errors import PolicyError
from corpus_gov.expressions import evaluate, leaves
from corpus_gov.policyfile import Clause, Policy, Tally, load
from corpus_gov.reasons import REASONS, RELEASED, Reason
from corpus_gov.rules import Rule, RulePack
from corpus_gov.schemas import TIME, field, table
from corpus_gov.settlement import OVERRIDES, settle, standing
from corpus_gov.verdicts import wilson

__all__ = [
    "DUPLICATES", "OVERRIDES", "SOURCES", "Policy", "check_screened", "elect", "judge", "judge_sources", "load",
    "reads", "redact_rules", "representatives", "settle", "spread", "standing", "tally", "with_cuts", "with_spread",
]  # fmt: skip

CUT: Final = "…"
"""What a cut leaves: behind a label, the next words would take the place of the value if nothing stood there."""

SOURCES: Final = table(
    "sources",
    1,
    "The verdict on each source.",
    field("source_id", pa.string(), "The dossier."),
    field("disposition", pa.string(), "Worst of the reasons; keep without any."),
    field("reasons", REASONS, "Every reason, sorted."),
    field("final", pa.string(), "Worst of the final reasons.", null=True),
)

RIGHTS_ORDER: Final = ("permitted", "not_protected", "conditional", "unknown", "conflicting", "forbidden")
"""From the safest copy to release to the least safe; the place is rights_rank."""

_FAILED: Final = Reason("screen.failed", "quarantine")


def check_screened(policy: Policy, packs: Sequence[RulePack]) -> None:
    """Fail unless every pack that the policy needs is in force, with rules for all it redacts.

    Raises:
        PolicyError: names the packs that are missing.
    """
    if missing := sorted(set(policy.needs) - {pack.name for pack in packs}):
        raise PolicyError(
            f"{policy.where}: policy {policy.name!r} needs packs {missing!r}, which are not in force; "
            "add them to `packs` of corpus-gov.toml or choose another policy"
        )
    redact_rules(policy, packs)


def reads(policy: Policy) -> frozenset[str]:
    """Return the dotted names of all that clauses, tallies and election read."""
    asked = [
        *(clause.when for clause in policy.clauses),
        *(one.when for one in policy.tallies),
        policy.election.quality,
    ]
    return frozenset(name for one in asked if one is not None for name in one.columns)


def redact_rules(policy: Policy, packs: Sequence[RulePack]) -> frozenset[str]:
    """Return the ids of the rules whose spans the policy redacts.

    Raises:
        PolicyError: no rule in force is meant, or one has no placeholder.
    """
    rules = {rule.id: rule for pack in packs for rule in pack.rules}
    chosen: set[str] = set()
    for clause in policy.clauses:
        for span in clause.spans:
            found = [rules[name] for name in _meant([span], rules)]
            _check_redactable(clause, span, found)
            chosen.update(rule.id for rule in found)
    return frozenset(chosen)


def with_cuts(policy: Policy, rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """Return every rule by id, with CUT for a placeholder where a clause cuts; an empty placeholder stays empty."""
    cuts = [span for clause in policy.clauses if clause.cut for span in clause.spans]
    meant = set(_meant(cuts, rules))
    return {
        name: replace(rule, placeholder=CUT) if name in meant and rule.placeholder != "" else rule
        for name, rule in rules.items()
    }


def judge(policy: Policy, facts: pa.Table) -> pa.Table:
    """Judge each document on its own.

    A clause whose expression is null for a document is a reason "<id>:not_evaluated" that quarantines. Where a
    clause reads counts of rules, its code names those that spoke: "<clause>:<rule>@<version>". Judging a table
    without rows checks the policy against the facts.

    Args:
        policy: in force.
        facts: facts.facts, n rows.

    Returns:
        n rows in the order of `facts`: doc_id, source_id, disposition, reasons, final (worst of the reasons that no
        override makes milder, or null), t_<tally> (null where no pack in force screens for it), rights_rank,
        source_priority, quality, fetched_at, n_chars.

    Raises:
        PolicyError: a clause reads what was not screened or measured, or types do not fit.
    """
    n = len(facts)
    clauses = [clause for clause in policy.clauses if clause.scope == "document"]
    counts = _Counts(facts)
    hits = iter(evaluate([clause.when for clause in clauses if clause.when], facts))
    cases = [case for clause in clauses for case in _cases(clause, next(hits) if clause.when else None, counts)]
    failed = counts.any(["screen.failed"])
    found = reasons.build(n, [(_FAILED, failed), *((reason, mask) for reason, mask, _ in cases)])
    final = reasons.build(n, [(_FAILED, failed), *((reason, mask) for reason, mask, final in cases if final)])
    state = pc.struct_field(facts["rights"], "state")
    return pa.table(
        {
            "doc_id": facts["doc_id"],
            "source_id": facts["source_id"],
            "disposition": reasons.names(np.maximum(reasons.worst(found), 0)),
            "reasons": found,
            "final": reasons.names(reasons.worst(final)),
            **{f"t_{one.id}": _tallied(one, facts, counts) for one in policy.tallies},
            "rights_rank": pc.index_in(state, value_set=pa.array(RIGHTS_ORDER)),
            "source_priority": pc.struct_field(facts["source"], "priority"),
            "quality": _quality(policy, facts),
            "fetched_at": facts["fetched_at"].cast(TIME),
            "n_chars": facts["n_chars"],
        }
    )


def tally(policy: Policy, judged_tables: Iterable[pa.Table]) -> pa.Table:
    """Count documents by source; counts of several calls can be added up or concatenated.

    Args:
        policy: in force.
        judged_tables: of `judge`, any cut of the corpus.

    Returns:
        source_id, documents, removed (neither kept nor redacted by pass 1), t_<tally> (documents counted, null where
        not screened), ascending by source_id.
    """
    schema = pa.schema([("source_id", pa.string()), *((name, pa.int64()) for name in _numbers(policy))])
    parts = [schema.empty_table()]
    for judged in judged_tables:
        removed = pc.invert(pc.is_in(judged["disposition"], value_set=pa.array(RELEASED)))
        counted = [judged[name].cast(pa.int64()) for name in _numbers(policy)[2:]]
        columns = [judged["source_id"], pa.array(np.ones(len(judged), np.int64)), removed.cast(pa.int64()), *counted]
        parts.append(_summed(pa.table(columns, schema=schema)))
    return _summed(pa.concat_tables(parts))


def judge_sources(policy: Policy, tallies: pa.Table) -> pa.Table:
    """Judge each source by the shares of its documents.

    Clauses of scope source read documents (how many), removed and tally.<id> (shares of them, null where not
    screened), and tally_lower.<id> and tally_upper.<id>, between which the share lies with a confidence of 95 %.

    Args:
        policy: in force.
        tallies: of `tally`, concatenated or not.

    Returns:
        SOURCES, one row a source, ascending.
    """
    counted = _summed(tallies)
    documents = counted["documents"].cast(pa.float64())
    shares = {one.id: _share(counted[f"t_{one.id}"], documents) for one in policy.tallies}
    facts = pa.table({"documents": counted["documents"], "removed": _share(counted["removed"], documents)})
    for name, fields in (("tally", shares), *_bounds(policy, counted).items()):
        if fields:
            facts = facts.append_column(name, pa.StructArray.from_arrays(list(fields.values()), names=list(fields)))
    clauses = [clause for clause in policy.clauses if clause.scope == "source"]
    hits = evaluate([clause.when for clause in clauses if clause.when], facts)
    cases = [case for clause, hit in zip(clauses, hits, strict=True) for case in _cases(clause, hit, _Counts(facts))]
    found = reasons.build(len(counted), [(reason, mask) for reason, mask, _ in cases])
    final = reasons.build(len(counted), [(reason, mask) for reason, mask, final in cases if final])
    disposition = reasons.names(np.maximum(reasons.worst(found), 0))
    return pa.table([counted["source_id"], disposition, found, reasons.names(reasons.worst(final))], schema=SOURCES)


class _Counts:
    """Counts of findings in a table of facts, by rule and category, and which rules stand behind each column."""

    def __init__(self, facts: pa.Table) -> None:
        self._facts = facts
        self._fields = {name: f for name, f in leaves(facts.schema).items() if f.metadata and b"rules" in f.metadata}
        self._above: dict[str, np.ndarray | None] = {}
        """By column, where a count is above 0; None where none is, as of most rules in most shards."""
        self.n = len(facts)

    def any(self, columns: Iterable[str]) -> np.ndarray:
        """Say for each document whether one of the counts is above 0."""
        found = np.zeros(self.n, bool)
        for name in columns:
            if name not in self._above:
                top, _, rest = name.partition(".")
                above = np.asarray(pc.greater(pc.struct_field(self._facts[top], [rest]), 0))
                self._above[name] = above if above.any() else None
            if (one := self._above[name]) is not None:
                found |= one
        return found

    def speaking(self, columns: Iterable[str]) -> list[str]:
        """Return the rules, as id@version, behind these columns."""
        behind = [self._fields[name].metadata[b"rules"].decode() for name in columns if name in self._fields]
        return sorted({rule for rules in behind for rule in rules.split(",") if rule})

    def meant(self, spans: Iterable[str]) -> list[str]:
        """Return the columns of counts of the rules that spans mean."""
        rules = [name for name in self._fields if not name.startswith(("category.", "rights.", "screen."))]
        return _meant(spans, rules)

    def below(self, categories: Iterable[str]) -> list[str]:
        """Return the columns of counts of these categories and all below them."""
        wanted = tuple(f"category.{category}" for category in categories)
        return [name for name in self._fields if name.startswith(wanted)]


def _meant(spans: Iterable[str], rules: Iterable[str]) -> list[str]:
    """Return the ids of rules that spans mean: an id, or the beginning of ids with a star behind it."""
    spans = list(spans)
    begin, whole = tuple(span[:-1] for span in spans if span.endswith(".*")), set(spans)
    return [name for name in rules if name in whole or name.startswith(begin)]


def _check_redactable(clause: Clause, span: str, rules: Sequence[Rule]) -> None:
    if not rules:
        raise PolicyError(
            f"{clause.where}: spans: found no rule {span!r} in force, expected the id of one or a prefix such as "
            "'pii.*'; add its pack to `packs` or drop the span"
        )
    for rule in rules:
        if rule.placeholder is None and not clause.cut:
            raise PolicyError(f"{clause.where}: spans: rule {rule.id!r} has no placeholder to redact with; give it one")


def _cases(clause: Clause, hit: pa.Array | None, counts: _Counts) -> list[tuple[Reason, np.ndarray, bool]]:
    """Return every reason that a clause can give, where it gives it, and whether it is final."""
    columns: Sequence[str]
    if clause.when is None or hit is None:
        columns = counts.meant(clause.spans)
        if not columns:
            _check_redactable(clause, clause.spans[0], [])
        applies, unknown = counts.any(columns), np.zeros(counts.n, bool)
    else:
        columns = clause.when.columns
        applies, unknown = np.asarray(pc.fill_null(hit, False)), np.asarray(pc.is_null(hit))  # noqa: FBT003
    behind = {rule: counts.any([rule.partition("@")[0]]) & applies for rule in counts.speaking(columns)}
    spoke = {rule: mask for rule, mask in behind.items() if mask.any()}
    alone = applies & ~np.logical_or.reduce([np.zeros(counts.n, bool), *spoke.values()])

    def reason(code: str, disposition: str = clause.disposition) -> Reason:
        return Reason(code, disposition, clause.category, clause.legal)

    said = [(reason(clause.id), alone, clause.final)]
    said += [(reason(f"{clause.id}:{rule}"), mask, clause.final) for rule, mask in spoke.items()]
    # Unknown is held for a person, and a person may release it: it is never final.
    return [*said, (reason(f"{clause.id}:not_evaluated", "quarantine"), unknown, False)]


def _tallied(one: Tally, facts: pa.Table, counts: _Counts) -> pa.Array:
    if one.when:
        # What could not be evaluated counts against the source.
        return pc.fill_null(evaluate([one.when], facts)[0], True)  # noqa: FBT003
    columns = counts.below(one.categories)
    return pa.array(counts.any(columns)) if columns else pa.nulls(len(facts), pa.bool_())


def _quality(policy: Policy, facts: pa.Table) -> pa.Array:
    if policy.election.quality is None:
        return pa.nulls(len(facts), pa.int64())
    (value,) = evaluate([policy.election.quality], facts, "a number")
    return pc.round(value.cast(pa.float64())).cast(pa.int64())


def _numbers(policy: Policy) -> list[str]:
    return ["documents", "removed", *(f"t_{one.id}" for one in policy.tallies)]


def _summed(tallies: pa.Table) -> pa.Table:
    """Add up the rows of each source; a column without any value stays null."""
    names = tallies.column_names[1:]
    summed = tallies.group_by("source_id").aggregate([(name, "sum") for name in names]).sort_by("source_id")
    columns = [summed["source_id"], *(summed[f"{name}_sum"] for name in names)]
    return pa.table(columns, names=tallies.column_names).cast(tallies.schema)


def _bounds(policy: Policy, counted: pa.Table) -> dict[str, dict[str, pa.Array]]:
    """Return the Wilson bounds of each tally by source; a loop, since sources are few."""
    found: dict[str, dict[str, pa.Array]] = {"tally_lower": {}, "tally_upper": {}}
    n = counted["documents"].to_pylist()
    for one in policy.tallies:
        bad = counted[f"t_{one.id}"].to_pylist()
        pairs = [(None, None) if b is None else wilson(b, of) for b, of in zip(bad, n, strict=True)]
        for side, name in enumerate(found):
            found[name][one.id] = pa.array([pair[side] for pair in pairs], pa.float64())
    return found


def _share(count: pa.ChunkedArray, documents: pa.ChunkedArray) -> pa.Array:
    return pc.divide(count.cast(pa.float64()), documents).combine_chunks()
