"""Replace spans of released documents by typed placeholders: the only module that edits a text.

Spans whose placeholder is empty are cut first, and what other spans have outside of them is replaced. Overlapping
and touching spans become one, under the placeholder of the most severe rule in it. Everything
outside a span is left as it is, a literal "[EMAIL]" too. Only documents with a finding are ever decoded; the
others pass from Arrow buffer to Arrow buffer.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import IntegrityError, RuleError, SchemaError
from corpus_gov.kernels.columns import hex_digits
from corpus_gov.kernels.digests import values
from corpus_gov.rules import Rule
from corpus_gov.schemas import CLEAN

RELEASED: Final = ("keep", "redact")
"""Dispositions whose documents are released."""

EDITED: Final = ("uri", "title", "text")
"""Columns of a released document that hold text, in the order that `released_digest` covers them."""

CLEANED: Final = pa.schema([column for column in CLEAN if column.name not in ("language", "licence", "attribution")])
"""What `apply` returns: CLEAN without the columns that come from signals and screens."""

Span = tuple[int, int, str]
"""First code point, one past the last, rule id."""


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
    # No need to hash the texts here: a shard is checked against its own digest whenever it is read.
    _check_digests(documents, findings)
    released = _released(documents.column("doc_id"), decisions)
    made_of = documents.select(["doc_id", "source_id", *EDITED, "published_at"])
    if not pc.all(released, min_count=0).as_py():
        made_of = made_of.filter(released)
    ids = made_of.column("doc_id")
    wanted = pc.is_in(findings["rule"], value_set=pa.array(sorted(redact_rules), pa.string()))
    spans = findings.filter(pc.and_(wanted, pc.is_in(findings["doc_id"], value_set=ids)))
    columns = {name: made_of.column(name) for name in made_of.schema.names}
    for name in EDITED:
        columns[name] = redact(columns[name], ids, spans.filter(pc.equal(spans["column"], name)), rules)
    columns["released_digest"] = released_digests(*(columns[name] for name in EDITED))
    return pa.RecordBatch.from_arrays([columns[field.name] for field in CLEANED], schema=CLEANED)


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
    if findings.num_rows == 0:
        return column
    placeholders = {name: _placeholder(name, rules) for name in pc.unique(findings["rule"]).to_pylist()}
    names = ("start", "end", "rule")
    spans = zip(locate(doc_ids, findings["doc_id"]), *(findings[name].to_pylist() for name in names), strict=True)
    edited = np.zeros(len(column), np.bool_)
    values = []
    for row, found in groupby(sorted(spans), key=itemgetter(0)):
        text = column[row].as_py() or ""
        in_row = [(start, end, rule) for _, start, end, rule in found]
        for start, end, rule in in_row:
            check_span(start, end, len(text), f"document {doc_ids[row].as_py()!r}: rule {rule!r}")
        edited[row] = True
        values.append("".join(_splice(text, _edits(in_row, rules), placeholders)))
    return pc.replace_with_mask(column, pa.array(edited), pa.array(values, column.type))


def replaced(text: str, spans: Iterable[Span], rules: Mapping[str, Rule]) -> str:
    """Replace spans of one value by placeholders, as `redact` does with a column.

    Raises:
        RuleError: the rule of a span is not in force or has no placeholder.
    """
    found = sorted(spans)
    return "".join(_splice(text, _edits(found, rules), {rule: _placeholder(rule, rules) for _, _, rule in found}))


def released_digests(uri: pa.Array, title: pa.Array, text: pa.Array) -> pa.Array:
    """Digest what is released of each document: SHA-256 over length-prefixed uri, title and text, null as empty.

    Args:
        uri: large_string, n rows.
        title: large_string, n rows.
        text: large_string, n rows.

    Returns:
        string, n rows of 64 hex digits.
    """
    digests = []
    for head, name, body in zip(*(values(column) for column in (uri, title, text)), strict=True):
        # The bytes of prefixed(uri, title, text) without a copy of the text.
        digest = sha256(b"".join((_size(head), head, _size(name), name, _size(body))))
        digest.update(body)
        digests.append(digest.digest())
    return hex_digits(np.frombuffer(b"".join(digests), np.uint8).reshape(-1, sha256().digest_size))


def _size(value: memoryview) -> bytes:
    return len(value).to_bytes(8, "big")


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


def _edits(spans: Iterable[Span], rules: Mapping[str, Rule]) -> list[Span]:
    """Give what is cut and what is replaced, ascending and without overlap."""
    spans = list(spans)
    cuts = list(_union((span for span in spans if not rules[span[2]].placeholder), rules))
    others = (span for span in spans if rules[span[2]].placeholder)
    return sorted([*cuts, *_union(_outside(others, cuts), rules)])


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


def _splice(text: str, spans: Iterable[Span], placeholders: Mapping[str, str]) -> Iterator[str]:
    at = 0
    for start, end, rule in spans:
        yield text[at:start]
        yield placeholders[rule]
        at = end
    yield text[at:]
