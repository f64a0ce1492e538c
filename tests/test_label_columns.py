"""Labels of AI-generated content in deliveries: Parquet says what JSON says, and no decision takes a label away."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from documents import documents
from hypothesis import given
from hypothesis import strategies as st
from test_licence_fields import of_columns, of_lines

from corpus_gov.facts import facts
from corpus_gov.rules import concern, load_packs
from corpus_gov.schemas import AIGC_STATES, FINDINGS
from corpus_gov.screens import look
from corpus_gov.sources import labels

PACKS = tuple(load_packs(["common.aigc", "cn.aigc"]))
RULES = concern(PACKS, "aigc")


@pytest.mark.parametrize(
    "row",
    [
        {"AIGC": '{"Label":"1","ContentProducer":"p"}'},
        {"aigc": {"Label": "2", "ContentProducer": "p", "ProduceID": "9"}},
        {"metadata": {"x_aigc": '{"Label": "3"}', "other": 4}},
        {"AIGC": {"AIGC": {"Label": "1"}}},
        {"aigc": '{"Label":'},
        {"ai_generated": True},
        {"is_ai_generated": "yes", "aigc": {"Label": 1}},
        {"ai_generated": False, "aigc_score": 0.3},
    ],
)
def test_columns_say_what_fields_say(row: dict[str, Any], tmp_path: Path) -> None:
    """A label is the same line of markup from a row of JSON and from one of Parquet; a row without one has none."""
    rows = [{"text": "a"} | row, {"text": "b"}]
    names = list(rows[0])

    assert of_columns(pa.table({n: [r.get(n) for r in rows] for n in names}), tmp_path) == of_lines(*rows)


def test_label_of_a_record_is_one_of_its_parts(tmp_path: Path) -> None:
    """A part that has a label of its own has that of its record as well."""
    parts = [{"body": "a", "aigc": '{"Label":"1"}'}, {"body": "b", "aigc": None}]
    table = pa.table({"items": [parts], "AIGC": ['{"Label":"2"}']})

    found = of_columns(table, tmp_path, ("parts", "items"), ("text", "body"))

    assert found == [
        ('field:aigc: {"Label":"1"}', 'field:aigc: {"Label":"2"}'),
        ('field:aigc: {"Label":"2"}',),
    ]


def test_label_that_is_no_utf8_is_kept(tmp_path: Path) -> None:
    """Broken bytes in a label are replaced, so that the label is there and the row is a document."""
    table = pa.table({"text": ["a"], "AIGC": pa.array([b'{"Label":"1","ProduceID":"\xff"}'], pa.binary())})

    assert of_columns(table, tmp_path) == [('field:aigc: {"Label":"1","ProduceID":"\ufffd"}',)]


@given(
    st.sampled_from(["self_collected", "open_licence", "commercial", "user_input", "synthetic", "own", "unassessed"]),
    st.dictionaries(st.sampled_from(["basis", "status", "licence", "material"]), st.text(max_size=8)),
    st.sampled_from(["1", "2", "3", "7"]),
)
def test_nothing_a_source_says_takes_a_label_away(kind: str, source: dict[str, str], value: str) -> None:
    """Whatever the dossier says, a document with a label is labelled: strict, readable or malformed."""
    line = labels.lines("field", {"AIGC": {"Label": value, "ContentProducer": "p"}})
    batch = documents(["Harbour at dawn."])
    column = batch.schema.names.index("markup")
    batch = batch.set_column(column, batch.schema.field(column), pa.array(line, pa.large_string()))
    found = pa.Table.from_batches([look("aigc", batch, RULES)], schema=FINDINGS)
    optouts = pa.table({name: pa.array([], pa.string()) for name in ("doc_id", "state", "digest")})

    known = facts(pa.Table.from_batches([batch]), {}, found, optouts, source | {"kind": kind}, PACKS)

    assert known["aigc"][0].as_py()["state"] == AIGC_STATES[0]
    assert orjson.loads(line[0].removeprefix("field:aigc: "))["AIGC"]["Label"] == value
