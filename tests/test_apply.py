"""Redaction against a naive model, character by character, and its promises for whole batches."""

import re
from hashlib import sha256
from itertools import groupby
from typing import Any

import pyarrow as pa
import pytest
from documents import by_id, decisions, documents, findings, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov import apply
from corpus_gov.errors import IntegrityError, RuleError, SchemaError
from corpus_gov.kernels.digests import prefixed
from corpus_gov.rules import Rule
from corpus_gov.schemas import check

RULES = by_id(
    rule("pii.email", placeholder="[EMAIL]", severity=2),
    rule("pii.cn_mobile", placeholder="[MOBILE]", severity=2),
    rule("pii.cn_resident_id", placeholder="[ID]", severity=5),
    rule("licence.notice"),
)
REDACT = frozenset({"pii.email", "pii.cn_mobile", "pii.cn_resident_id"})
PATTERNS = {"pii.email": r"[a-z0-9.]+@[a-z0-9]+\.[a-z]+", "pii.cn_mobile": r"(?<!\d)1[3-9]\d{9}(?!\d)"}
PIECES = ["li@a.cn", "wang.w@b.com", "13800138000", "15912345678", "[EMAIL]", "[MOBILE]", "𠮷", "张", "@", ".", " "]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)).map("".join)
WHERE = "uri", "title", "text"


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, str, str, int, int]]]:
    texts = draw(st.lists(st.text("a张𠮷😀[E]", max_size=9), min_size=1, max_size=6))
    rows = [row for row, text in enumerate(texts) if text]
    spans = []
    for row in draw(st.lists(st.sampled_from(rows), max_size=9)) if rows else []:
        start = draw(st.integers(0, len(texts[row]) - 1))
        end = draw(st.integers(start + 1, len(texts[row])))
        spans.append((row, "text", draw(st.sampled_from(sorted(REDACT))), start, end))
    return texts, spans


def model(text: str, spans: list[tuple[int, int, str]]) -> str:
    """Redact as a reader would: colour what any span covers, then write one placeholder for each coloured run."""
    coloured = [bool(names_at(at, spans)) for at in range(len(text))]
    out = ""
    for colour, run in groupby(range(len(text)), key=coloured.__getitem__):
        places = list(run)
        names = {name for at in places for name in names_at(at, spans)}
        worst = min(names, key=lambda name: (-RULES[name].severity, name), default="")
        out += str(RULES[worst].placeholder) if colour else text[places[0] : places[-1] + 1]
    return out


def names_at(at: int, spans: list[tuple[int, int, str]]) -> set[str]:
    return {name for start, end, name in spans if start <= at < end}


def screened(batch: pa.RecordBatch) -> pa.Table:
    spans = [
        (row, column, name, *match.span())
        for row in range(batch.num_rows)
        for column in WHERE
        for name, pattern in PATTERNS.items()
        for match in re.finditer(pattern, batch.column(column)[row].as_py() or "")
    ]
    return pa.Table.from_batches([findings(batch, spans)])


def redacted(text: str, *spans: tuple[int, int, str]) -> str:
    batch = documents([text])
    found = pa.Table.from_batches([findings(batch, [(0, "text", name, start, end) for start, end, name in spans])])
    return str(apply.redact(batch.column("text"), batch.column("doc_id"), found, RULES)[0].as_py())


def applied(batch: pa.RecordBatch, found: pa.Table, *dispositions: str, rules: Any = RULES) -> pa.RecordBatch:
    return apply.apply(batch, found, decisions(batch, dispositions), REDACT, rules)


def none_found(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([findings(batch, [])])


@settings(deadline=None)
@given(texts_with_spans(), st.randoms())
def test_redaction_equals_the_model(case: tuple[list[str], list[Any]], random: Any) -> None:
    """Any spans, overlapping, touching, astral or at the ends, in any order, give what the model gives."""
    texts, spans = case
    batch = documents(texts)
    random.shuffle(spans)
    found = pa.Table.from_batches([findings(batch, spans)])

    cleaned = apply.redact(batch.column("text"), batch.column("doc_id"), found, RULES)

    in_row = [[(start, end, name) for at, _, name, start, end in spans if at == row] for row in range(len(texts))]
    assert cleaned.to_pylist() == [model(text, mine) for text, mine in zip(texts, in_row, strict=True)]


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=4, max_size=4))
def test_redaction_is_idempotent(texts: list[str], titles: list[str]) -> None:
    """Screening and redacting the clean documents again changes nothing."""
    batch = documents(texts, title=titles[: len(texts)])
    keep = ["redact"] * len(texts)
    once = applied(batch, screened(batch), *keep)
    again = documents(once.column("text").to_pylist(), title=once.column("title").to_pylist())

    twice = applied(again, screened(again), *keep)

    assert twice.select(WHERE).equals(once.select(WHERE))
    assert twice.column("released_digest").equals(once.column("released_digest"))


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), st.data())
def test_replay_gives_the_released_digest(texts: list[str], data: st.DataObject) -> None:
    """Documents, findings and decisions alone reproduce every released digest."""
    batch = documents(texts, uri=[f"https://a.cn/{row}" for row in range(len(texts))])
    given_ = [data.draw(st.sampled_from(["keep", "redact", "drop", "quarantine"])) for _ in texts]
    released = applied(batch, screened(batch), *given_)

    replayed = applied(batch, screened(batch), *given_)

    parts = zip(*(released.column(name).to_pylist() for name in WHERE), strict=True)
    expected = [sha256(prefixed(*((part or "").encode() for part in row))).hexdigest() for row in parts]
    assert replayed.column("released_digest").to_pylist() == expected


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 2, "pii.email")], "[EMAIL]cdef"),
        ([(4, 6, "pii.email")], "abcd[EMAIL]"),
        ([(0, 6, "pii.email")], "[EMAIL]"),
        ([(0, 2, "pii.email"), (2, 4, "pii.email")], "[EMAIL]ef"),
        ([(0, 2, "pii.email"), (3, 4, "pii.email")], "[EMAIL]c[EMAIL]ef"),
        ([(0, 5, "pii.email"), (1, 2, "pii.cn_resident_id")], "[ID]f"),
        ([(1, 4, "pii.email"), (1, 4, "pii.cn_mobile")], "a[MOBILE]ef"),
    ],
    ids=["start", "end", "whole", "touching", "apart", "most severe", "tie by id"],
)
def test_spans_become_placeholders(spans: list[tuple[int, int, str]], expected: str) -> None:
    """Each run of covered characters is one placeholder, of the most severe rule, then the first id."""
    assert redacted("abcdef", *spans) == expected


def test_a_literal_placeholder_is_left() -> None:
    """A text that says [EMAIL] itself keeps it."""
    batch = documents(["write to [EMAIL] or li@a.cn"])

    cleaned = applied(batch, screened(batch), "redact")

    assert cleaned.column("text").to_pylist() == ["write to [EMAIL] or [EMAIL]"]


def test_a_column_without_findings_is_not_copied() -> None:
    """Nothing to redact returns the very same column."""
    batch = documents(["a", "b"])
    column = batch.column("text")

    assert apply.redact(column, batch.column("doc_id"), none_found(batch), RULES) is column


def test_only_released_documents_come_out_in_order() -> None:
    """Dropped and quarantined documents have no clean row; the others keep their order and exact columns."""
    batch = documents(["a", "b", "c", "d"], title=["t", None, "v", "w"], uri=[None, "https://b.cn", None, None])
    decided = decisions(batch, ["keep", "drop", "quarantine", "redact"])

    cleaned = apply.apply(batch, none_found(batch), decided.take([3, 1, 0, 2]), REDACT, RULES)

    check(cleaned, apply.CLEANED, "apply")
    assert cleaned.column("text").to_pylist() == ["a", "d"]
    assert cleaned.column("title").to_pylist() == ["t", "w"]
    assert cleaned.column("uri").to_pylist() == [None, None]


def test_an_empty_batch_gives_an_empty_batch() -> None:
    """No documents, no rows, the same columns."""
    batch = documents([])

    cleaned = applied(batch, none_found(batch))

    assert cleaned.num_rows == 0
    check(cleaned, apply.CLEANED, "apply")


def test_every_released_column_is_redacted() -> None:
    """A finding in uri or title is cut there, and a null beside it stays null."""
    batch = documents(["x", "y"], uri=["https://a.cn/?q=li@a.cn", None], title=[None, "li@a.cn"])

    cleaned = applied(batch, screened(batch), "redact", "redact")

    assert cleaned.column("uri").to_pylist() == ["https://a.cn/?q=[EMAIL]", None]
    assert cleaned.column("title").to_pylist() == [None, "[EMAIL]"]


def test_an_override_to_keep_still_redacts() -> None:
    """A person who keeps a document does not release the personal data in it."""
    batch = documents(["li@a.cn"])

    assert applied(batch, screened(batch), "keep").column("text").to_pylist() == ["[EMAIL]"]


def test_findings_outside_the_policy_change_nothing() -> None:
    """Rules that the policy does not redact by, and columns that are not released, are left alone."""
    batch = documents(["abc"], author="li@a.cn")
    spans = [(0, "text", "licence.notice", 0, 2), (0, "author", "pii.email", 0, 7), (0, "text", "screen.failed", 0, 0)]

    cleaned = applied(batch, pa.Table.from_batches([findings(batch, spans)]), "keep")

    assert cleaned.column("text").to_pylist() == ["abc"]


def test_a_slice_of_a_batch_is_redacted_as_a_batch() -> None:
    """Rows before a slice do not shift what is cut in it."""
    batch = documents(["aaaa@b.cn", "张𠮷 li@a.cn", "z"]).slice(1)

    cleaned = applied(batch, screened(batch), "redact", "keep")

    assert cleaned.column("text").to_pylist() == ["张𠮷 [EMAIL]", "z"]


def test_plain_strings_are_redacted_too() -> None:
    """A string column comes back as a string column."""
    batch = documents(["li@a.cn"])

    cleaned = apply.redact(batch.column("text").cast(pa.string()), batch.column("doc_id"), screened(batch), RULES)

    assert cleaned.equals(pa.array(["[EMAIL]"], pa.string()))


def test_another_text_is_refused() -> None:
    """A finding made on another text names the document and stops the run."""
    batch = documents(["li@a.cn", "b"])
    stale = pa.Table.from_batches([findings(batch, [(1, "text", "licence.notice", 0, 1)], text_digest="0" * 64)])

    with pytest.raises(IntegrityError, match=batch.column("doc_id")[1].as_py()):
        applied(batch, stale, "keep", "keep")


def test_a_finding_of_another_batch_is_refused() -> None:
    """A finding whose document is not there is not passed over."""
    batch = documents(["li@a.cn"])

    with pytest.raises(IntegrityError, match="not the document"):
        applied(documents(["other"]), screened(batch), "keep")


def test_a_document_without_decision_is_refused() -> None:
    """A document that nobody decided on is neither released nor dropped in silence."""
    batch = documents(["a", "b"])

    with pytest.raises(IntegrityError, match="no decision"):
        apply.apply(batch, none_found(batch), decisions(batch, ["keep", "keep"]).slice(1), REDACT, RULES)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (2, 1), (-1, 2), (0, 4), (4, 5)])
def test_a_wrong_span_is_refused(start: int, end: int) -> None:
    """An empty span or one outside the text is a bug of a screen, and is never skipped."""
    with pytest.raises(SchemaError, match=f"span {start}:{end} in a value of 3 code points"):
        redacted("abc", (start, end, "pii.email"))


def test_repeated_documents_are_refused() -> None:
    """With a doc_id twice in a batch a finding could mean either row."""
    batch = documents(["li@a.cn", "li@a.cn"], doc_id="0" * 32)

    with pytest.raises(SchemaError, match="repeated doc_id"):
        apply.redact(batch.column("text"), batch.column("doc_id"), screened(batch), RULES)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        pytest.param({}, "'pii.email': found a finding to redact, but the rule is not in force", id="not in force"),
        pytest.param(by_id(rule("pii.email")), "tests.yaml:1: rule 'pii.email'.*no placeholder", id="no placeholder"),
    ],
)
def test_a_rule_must_say_what_to_write(rules: dict[str, Rule], message: str) -> None:
    """Without a placeholder nothing is released."""
    batch = documents(["li@a.cn"])

    with pytest.raises(RuleError, match=message):
        applied(batch, screened(batch), "redact", rules=rules)


def test_errors_hold_no_text() -> None:
    """The message about a wrong span says lengths, not what is written there."""
    batch = documents(["secret li@a.cn"])
    found = pa.Table.from_batches([findings(batch, [(0, "text", "pii.email", 7, 99)])])

    with pytest.raises(SchemaError) as caught:
        applied(batch, found, "redact")

    assert "secret" not in str(caught.value)
    assert "li@" not in str(caught.value)
