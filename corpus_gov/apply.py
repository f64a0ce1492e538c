"""Replace spans of released documents by typed placeholders: the only module that edits a text.

Findings and rules give edits, and edits give the clean document. Edits say places and placeholders and nothing of the
text, so that a release has them, and whoever holds a copy of the documents gets the same clean texts from them.

Spans whose placeholder is empty are cut first, and what other spans have outside of them is replaced. Overlapping
and touching spans become one, under the placeholder of the most severe rule in it. Everything
outside a span is left as it is, a literal "[EMAIL]" too. Only documents with a finding are ever decoded; the
others pass from Arrow buffer to Arrow buffer.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import IntegrityError, RuleError, SchemaError
from corpus_gov.kernels.columns import hex_digits
from corpus_gov.kernels.digests import sha256_rows
from corpus_gov.kernels.rows import prefixed_rows
from corpus_gov.rules import Rule
from corpus_gov.schemas import CLEAN, EDITS

RELEASED: Final = ("keep", "redact")
"""Dispositions whose documents are released."""

EDITED: Final = ("uri", "title", "text")
"""Columns of a released document that hold text, in the order that `released_digest` covers them."""

_KNOWN: Final = ("language", "licence", "attribution", "aigc_state")
CLEANED: Final = pa.schema([column for column in CLEAN if column.name not in _KNOWN])
"""What `apply` returns: CLEAN without the columns that come from signals and screens."""

Span = tuple[int, int, str]
"""First code point, one past the last, rule id."""

Edit = tuple[int, int, str]
"""First code point, one past the last, what stands there instead."""


def apply(
    documents: pa.RecordBatch,
    findings: pa.Table,
    decisions: pa.Table,
    redact_rules: frozenset[str],
    rules: Mapping[str, Rule],
) -> pa.RecordBatch:
    """Build the clean documents of a batch from what was found and decided.

    Spans are replaced in every released document, whatever its disposition: a person who overrides to `keep`
    answers for the document being in the corpus, not for the personal data in it.

    Args:
        documents: DOCUMENTS, n rows.
        findings: FINDINGS of these documents; of other rules than `redact_rules` only the digest is checked.
        decisions: DECISIONS, at least one for each document, in any order.
        redact_rules: ids of the rules by which the policy redacts.
        rules: every rule in force, by id.

    Returns:
        CLEANED, a row for each document whose disposition is in RELEASED, in the order of `documents`.

    Raises:
        IntegrityError: a finding was made on another text or on no document of the batch, or a document has no
            decision.
        RuleError: a rule to redact by is not in force or has no placeholder.
        SchemaError: a span is empty or reaches outside its column.
    """
    return edited(documents, decisions, edits(documents, findings, decisions, redact_rules, rules))


def edits(
    documents: pa.RecordBatch,
    findings: pa.Table,
    decisions: pa.Table,
    redact_rules: frozenset[str],
    rules: Mapping[str, Rule],
) -> pa.Table:
    """Plan what is replaced in the released documents of a batch; arguments and errors as for `apply`.

    Returns:
        EDITS, in the order of `documents`, then of EDITED, then of their places.
    """
    # No need to hash the texts here: a shard is checked against its own digest whenever it is read.
    _check_digests(documents, findings)
    ids = documents.column("doc_id")
    released = ids.filter(_released(ids, decisions))
    wanted = pc.is_in(findings["rule"], value_set=pa.array(sorted(redact_rules), pa.string()))
    spans = findings.filter(pc.and_(wanted, pc.is_in(findings["doc_id"], value_set=released)))
    rows = []
    for place, name in enumerate(EDITED):
        found = _planned(documents.column(name), ids, spans.filter(pc.equal(spans["column"], name)), rules)
        rows += [(row, place, *edit) for row, of_row in found.items() for edit in of_row]
    rows.sort()
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    names = pa.array(EDITED, pa.string()).take(pa.array(columns[1], pa.int64()))
    values = [ids.take(pa.array(columns[0], pa.int64())), names, *columns[2:]]
    return pa.table([pa.array(value, field.type) for value, field in zip(values, EDITS, strict=True)], schema=EDITS)


def edited(documents: pa.RecordBatch, decisions: pa.Table, planned: pa.Table) -> pa.RecordBatch:
    """Build the clean documents of a batch from what `edits` planned.

    Args:
        documents: DOCUMENTS, n rows.
        decisions: DECISIONS, at least one for each document, in any order.
        planned: EDITS of these documents.

    Returns:
        CLEANED, a row for each document whose disposition is in RELEASED, in the order of `documents`.

    Raises:
        IntegrityError: a document has no decision, or an edit is of no released document of the batch.
        SchemaError: an edit reaches outside its column, or two overlap.
    """
    released = _released(documents.column("doc_id"), decisions)
    made_of = documents.select(["doc_id", "source_id", *EDITED, "published_at"])
    if not pc.all(released, min_count=0).as_py():
        made_of = made_of.filter(released)
    columns = {name: made_of.column(name) for name in made_of.schema.names}
    for name in EDITED:
        mine = by_row(made_of.column("doc_id"), planned.filter(pc.equal(planned["column"], name)))
        columns[name] = replace(columns[name], mine)
    columns["released_digest"] = released_digests(*(columns[name] for name in EDITED))
    return pa.RecordBatch.from_arrays([columns[field.name] for field in CLEANED], schema=CLEANED)


def by_row(doc_ids: pa.Array, planned: pa.Table) -> dict[int, list[Edit]]:
    """Give the edits of one column to the rows that they are of, ascending.

    Args:
        doc_ids: string, n rows without repeats.
        planned: EDITS rows about that column, in any order.

    Raises:
        IntegrityError: the document of an edit is not among `doc_ids`.
        SchemaError: a doc_id is repeated.
    """
    if planned.num_rows == 0:
        return {}
    names = ("start", "end", "placeholder")
    found: dict[int, list[Edit]] = {}
    for row, *edit in zip(
        locate(doc_ids, planned["doc_id"]), *(planned[name].to_pylist() for name in names), strict=True
    ):
        found.setdefault(row, []).append((edit[0], edit[1], edit[2]))
    return {row: sorted(found[row]) for row in sorted(found)}


def replace(column: pa.Array, planned: Mapping[int, Sequence[Edit]]) -> pa.Array:
    """Carry edits out in one column.

    Args:
        column: string or large_string, n rows; is returned as it is when there is no edit.
        planned: by row.

    Raises:
        SchemaError: an edit reaches outside its value, or two overlap.
    """
    if not planned:
        return column
    return substituted(
        column, {row: spliced(column[row].as_py() or "", edits, f"row {row}") for row, edits in planned.items()}
    )


def substituted(column: pa.Array, values: Mapping[int, str]) -> pa.Array:
    """Put values in the place of those of some rows."""
    rows = sorted(values)
    changed = np.zeros(len(column), np.bool_)
    changed[rows] = True
    return pc.replace_with_mask(column, pa.array(changed), pa.array([values[row] for row in rows], column.type))


def spliced(text: str, planned: Iterable[Edit], where: str) -> str:
    """Carry the edits of one value out; they ascend.

    Raises:
        SchemaError: an edit reaches outside the value, or two overlap; names `where`.
    """
    parts, at = [], 0
    for start, end, placeholder in planned:
        check_span(start, end, len(text), where)
        if start < at:
            raise SchemaError(f"{where}: found an edit at {start} before the end of another at {at}; edits are damaged")
        parts += [text[at:start], placeholder]
        at = end
    return "".join([*parts, text[at:]])


def redact(column: pa.Array, doc_ids: pa.Array, findings: pa.Table, rules: Mapping[str, Rule]) -> pa.Array:
    """Replace the spans of findings in one column by placeholders.

    Args:
        column: string or large_string, n rows; is returned as it is when there is no finding.
        doc_ids: string, n rows without repeats.
        findings: FINDINGS rows about that column, in any order.
        rules: every rule in force, by id.

    Returns:
        The column with its type, n rows.

    Raises:
        IntegrityError: a finding's document is not among `doc_ids`.
        RuleError: the rule of a finding is not in force or has no placeholder.
        SchemaError: a span is empty or reaches outside its value, or a doc_id is repeated.
    """
    return replace(column, _planned(column, doc_ids, findings, rules))


def _planned(
    column: pa.Array, doc_ids: pa.Array, findings: pa.Table, rules: Mapping[str, Rule]
) -> dict[int, list[Edit]]:
    """Give the edits that the findings of one column come to, by row; arguments and errors as for `redact`."""
    if findings.num_rows == 0:
        return {}
    for name in pc.unique(findings["rule"]).to_pylist():
        _placeholder(name, rules)
    names = ("start", "end", "rule")
    spans = zip(locate(doc_ids, findings["doc_id"]), *(findings[name].to_pylist() for name in names), strict=True)
    planned = {}
    for row, found in groupby(sorted(spans), key=itemgetter(0)):
        in_row = [(start, end, rule) for _, start, end, rule in found]
        length = len(column[row].as_py() or "")
        for start, end, rule in in_row:
            check_span(start, end, length, f"document {doc_ids[row].as_py()!r}: rule {rule!r}")
        planned[row] = _edits(in_row, rules)
    return planned


def replaced(text: str, spans: Iterable[Span], rules: Mapping[str, Rule]) -> str:
    """Replace spans of one value by placeholders, as `redact` does with a column.

    Raises:
        RuleError: the rule of a span is not in force or has no placeholder.
    """
    found = sorted(spans)
    for _, _, rule in found:
        _placeholder(rule, rules)
    return spliced(text, _edits(found, rules), "notice")


def released_digests(uri: pa.Array, title: pa.Array, text: pa.Array) -> pa.Array:
    """Digest what is released of each document: SHA-256 over length-prefixed uri, title and text, null as empty.

    Args:
        uri: large_string, n rows.
        title: large_string, n rows.
        text: large_string, n rows.

    Returns:
        string, n rows of 64 hex digits.
    """
    return hex_digits(sha256_rows(*prefixed_rows((uri, title, text))))


def locate(doc_ids: pa.Array, wanted: pa.Array | pa.ChunkedArray) -> list[int]:
    """Return the row of each wanted document.

    Raises:
        IntegrityError: a wanted document is not there.
        SchemaError: a doc_id is repeated, so that a finding could mean either row.
    """
    if len(pc.unique(doc_ids)) != len(doc_ids):
        raise SchemaError(f"documents: found a repeated doc_id in {len(doc_ids)} rows; expected each once in a batch")
    rows = pc.index_in(wanted, value_set=doc_ids)
    if rows.null_count:
        missing = wanted.filter(pc.is_null(rows))[0].as_py()
        raise IntegrityError(
            f"document {missing!r}: found a finding of it but not the document among {len(doc_ids)}; "
            "pass a batch together with the findings of that batch"
        )
    return list(rows.to_pylist())


def check_span(start: int, end: int, length: int, where: str) -> None:
    """Fail unless the span holds at least one code point and lies inside a value of `length` code points.

    Raises:
        SchemaError: names `where` and the span.
    """
    if not 0 <= start < end <= length:
        raise SchemaError(
            f"{where}: found span {start}:{end} in a value of {length} code points; expected a span inside it that "
            "is not empty; the screen returned a wrong span"
        )


def _check_digests(documents: pa.RecordBatch, findings: pa.Table) -> None:
    rows = locate(documents.column("doc_id"), findings["doc_id"])
    actual = documents.column("text_digest").take(pa.array(rows, pa.int64()))
    differs = pc.not_equal(findings["text_digest"].combine_chunks(), actual)
    if pc.any(differs, min_count=0).as_py():
        place = pc.index(differs, value=True).as_py()
        doc_id, rule, found = (findings[name][place].as_py() for name in ("doc_id", "rule", "text_digest"))
        raise IntegrityError(
            f"document {doc_id!r}: found a finding of rule {rule!r} on text {found[:12]!r}, expected one on text "
            f"{actual[place].as_py()[:12]!r}; screen the document again"
        )


def _released(doc_ids: pa.Array, decisions: pa.Table) -> pa.Array:
    rows = pc.index_in(doc_ids, value_set=decisions["doc_id"].combine_chunks())
    if rows.null_count:
        missing = doc_ids.filter(pc.is_null(rows))[0].as_py()
        raise IntegrityError(f"document {missing!r}: found no decision, expected one; decide every document first")
    dispositions = decisions["disposition"].combine_chunks().take(rows)
    return pc.is_in(dispositions, value_set=pa.array(RELEASED, pa.string()))


def _placeholder(name: str, rules: Mapping[str, Rule]) -> str:
    if name not in rules:
        raise RuleError(f"rule {name!r}: found a finding to redact, but the rule is not in force; add its pack")
    rule = rules[name]
    if rule.placeholder is None:
        raise rule.error("found no placeholder, but its findings are to be redacted; give it one such as '[EMAIL]'")
    return rule.placeholder


def _edits(spans: Iterable[Span], rules: Mapping[str, Rule]) -> list[Edit]:
    """Give what is cut and what is replaced, ascending and without overlap; every rule has a placeholder."""
    spans = list(spans)
    cuts = list(_union((span for span in spans if not rules[span[2]].placeholder), rules))
    others = (span for span in spans if rules[span[2]].placeholder)
    resolved = sorted([*cuts, *_union(_outside(others, cuts), rules)])
    return [(start, end, _placeholder(rule, rules)) for start, end, rule in resolved]


def _outside(spans: Iterable[Span], cuts: Sequence[Span]) -> Iterator[Span]:
    """Leave of each span what no cut covers; both ascend by start, and cuts do not overlap."""
    ends = [end for _, end, _ in cuts]
    parts = []
    for start, end, rule in spans:
        at = start
        for first, last, _ in cuts[bisect_right(ends, start) :]:
            if first >= end:
                break
            if at < first:
                parts.append((at, first, rule))
            at = last
        if at < end:
            parts.append((at, end, rule))
    return iter(sorted(parts))


def _union(spans: Iterable[Span], rules: Mapping[str, Rule]) -> Iterator[Span]:
    """Join spans, sorted by start, that overlap or touch; the most severe rule names the result, then the first id."""
    joined: list[Span] = []
    for start, end, rule in spans:
        if joined and start <= joined[-1][1]:
            first, last, other = joined.pop()
            worse = min(rule, other, key=lambda name: (-rules[name].severity, name))
            joined.append((first, max(last, end), worse))
        else:
            joined.append((start, end, rule))
    return iter(joined)
