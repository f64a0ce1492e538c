"""What every screen promises, asked of each one that a shipped rule names."""

from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pytest
from documents import documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_gov.rights import EVIDENCE
from corpus_gov.rules import Rule, RulePack, concern, load_packs, shipped
from corpus_gov.schemas import FINDINGS, TEXT_COLUMNS
from corpus_gov.screens import look

FOLDER = Path(str(shipped()))
PACKS = load_packs(
    sorted(
        ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        for path in FOLDER.rglob("*.yaml")
        if path.parent.name != "policies"
    )
)
NAMES = sorted(
    name
    for name in {rule.screen for pack in PACKS for rule in pack.rules}
    if find_spec(f"corpus_gov.screens.{name}")  # others look at something else than documents
)
RULES = {name: concern(PACKS, name) for name in NAMES}
ALL = pytest.mark.parametrize("name", NAMES)
SLOWLY = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

FILLERS = ["", " ", "\n", "。", "字", "𠮷😀", "0", "x", "9" * 30, "文" * 60, "word " * 20]


def columns_of(rule: Rule) -> tuple[str, ...]:
    return rule.params.get("columns", TEXT_COLUMNS)


def categories_of(rule: Rule) -> tuple[str, ...]:
    """Return what findings of a rule may be: a licence that is read sets the category itself."""
    return EVIDENCE if {"named", "creative_commons"} & {*rule.params} else (rule.category,)


def of_texts(pack: RulePack) -> list[Rule]:
    """Leave out rules whose cases are no texts: those about charset labels."""
    return [rule for rule in pack.rules if rule.params.get("what") != "label"]


def texts(pack: RulePack) -> st.SearchStrategy[str]:
    cases = [case for rule in pack.rules for case in (*rule.hits, *rule.misses)]
    codes = [code for case in cases for code in (quote(case, safe=""), quote(quote(case)), quote_plus(case))]
    pieces = st.sampled_from(cases + FILLERS) | st.sampled_from([*codes, "%", "%D5", "+", "%4"])
    return st.lists(pieces | st.text(max_size=2), max_size=5).map("".join)


@st.composite
def batches(draw: st.DrawFn, name: str) -> pa.RecordBatch:
    rows = draw(st.integers(0, 6))
    text = texts(RULES[name])
    given_columns = {
        column: draw(st.lists(st.none() | text, min_size=rows, max_size=rows))
        for column in TEXT_COLUMNS
        if column != "text"
    }
    return documents(draw(st.lists(text, min_size=rows, max_size=rows)), **given_columns)


def planted(rule: Rule, column: str, text: str) -> pa.RecordBatch:
    return documents([text]) if column == "text" else documents(["-"], **{column: text})


def key(finding: dict[str, Any]) -> tuple[Any, ...]:
    return (finding["start"], finding["end"], finding["rule"])


@ALL
def test_names_its_version(name: str) -> None:
    """A screen has a version and the distributions that its findings depend on."""
    module = import_module(f"corpus_gov.screens.{name}")

    assert module.VERSION >= 1
    assert module.LIBRARIES
    assert all(isinstance(library, str) for library in module.LIBRARIES)


@ALL
def test_nothing_in_nothing_out(name: str) -> None:
    """No documents, empty and null columns, and a pack without rules give an empty table of FINDINGS."""
    empty = RulePack(name, 1, ())

    for found in (
        look(name, documents([]), RULES[name]),
        look(name, documents(["", ""], text=["", None]), RULES[name]),
        look(name, documents(["13800138000 版权所有"]), empty),
    ):
        assert found.schema.equals(FINDINGS, check_metadata=True)
        assert found.num_rows == 0


@ALL
def test_every_column_is_looked_at(name: str) -> None:
    """What a rule finds in a text it finds in each of the columns that it covers."""
    for rule in of_texts(RULES[name]):
        for column in columns_of(rule):
            found = look(name, planted(rule, column, rule.hits[0]), RULES[name]).to_pylist()

            assert column in [row["column"] for row in found if row["rule"] == rule.id], (rule.id, column)


@ALL
def test_spans_are_code_points(name: str) -> None:
    """Characters outside the basic plane count as one, and a span cuts out the same value behind them."""
    for rule in of_texts(RULES[name]):
        for hit in rule.hits:
            column, shift = columns_of(rule)[0], "𠮷😀é\n"

            plain = look(name, planted(rule, column, hit), RULES[name]).to_pylist()
            moved = look(name, planted(rule, column, shift + hit), RULES[name]).to_pylist()

            assert [key(row) for row in moved] == [
                (start + len(shift), end + len(shift), id_) for start, end, id_ in map(key, plain)
            ]


@ALL
@SLOWLY
@given(data=st.data())
def test_findings_are_well_formed(name: str, data: st.DataObject) -> None:
    """Findings are rows of FINDINGS about these documents under these rules, sorted, unsealed, inside the text."""
    batch = data.draw(batches(name))
    before = pa.ipc.read_message(batch.serialize()).body.to_pybytes()
    rules = {rule.id: rule for rule in RULES[name].rules}
    rows = {row["doc_id"]: (number, row) for number, row in enumerate(batch.to_pylist())}

    found = look(name, batch, RULES[name])

    assert found.schema.equals(FINDINGS, check_metadata=True)
    found.validate(full=True)
    order = []
    for row in found.to_pylist():
        number, document = rows[row["doc_id"]]
        rule = rules[row["rule"]]
        assert row["text_digest"] == document["text_digest"]
        assert row["version"] == rule.version
        assert row["category"] in categories_of(rule)
        assert row["column"] in columns_of(rule)
        assert 0 <= row["start"] < row["end"] <= len(document[row["column"]])
        # 0 is a mention: the words are there and do not mean it.
        assert row["score"] is None or 0 <= row["score"] <= 10_000
        assert (row["masked"], row["hmac"], row["key_id"]) == (None, None, None)
        order.append((number, TEXT_COLUMNS.index(row["column"]), *key(row)))
    assert order == sorted(set(order))
    assert pa.ipc.read_message(batch.serialize()).body.to_pybytes() == before


@ALL
@SLOWLY
@given(data=st.data())
def test_cuts_do_not_matter(name: str, data: st.DataObject) -> None:
    """Screening the slices of a batch gives what screening the whole gives, and so does doing it again."""
    batch = data.draw(batches(name))
    cuts = sorted({0, batch.num_rows, *data.draw(st.lists(st.integers(0, batch.num_rows), max_size=3))})

    whole = look(name, batch, RULES[name])
    parts = [look(name, batch.slice(a, b - a), RULES[name]) for a, b in pairwise(cuts)]

    assert pa.Table.from_batches(parts, FINDINGS).to_pylist() == whole.to_pylist()
    assert look(name, batch, RULES[name]).equals(whole)


@ALL
@SLOWLY
@given(data=st.data())
def test_order_does_not_matter(name: str, data: st.DataObject) -> None:
    """Shuffled documents have the same findings, in the new order of the documents."""
    batch = data.draw(batches(name))
    order = data.draw(st.permutations(range(batch.num_rows)))
    whole = look(name, batch, RULES[name]).to_pylist()

    found = look(name, batch.take(pa.array(order, pa.int64())), RULES[name]).to_pylist()

    ids = [batch.column("doc_id")[row].as_py() for row in order]
    assert found == [row for id_ in ids for row in whole if row["doc_id"] == id_]
