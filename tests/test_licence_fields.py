"""Licence fields of deliveries: rows of JSON and Parquet say the same, and hostile values say nothing or little."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from documents import documents
from resiliparse.parse.html import HTMLTree

from corpus_gov import markup, screens
from corpus_gov.rules import RulePack, load_packs
from corpus_gov.sources import Piece, jsonl, licences, parquet

ROWS: list[dict[str, Any]] = [
    {"text": "a", "license": "CC-BY-4.0", "metadata": {"license": "CC-BY-4.0", "licence_url": "https://l.example/"}},
    {"text": "b", "license": None, "metadata": {"license": None, "licence_url": None}, "licenses": ["MIT", None]},
    {"text": "c", "license": " \n ", "licenses": [], "rights": {"name": "N", "url": "https://r.example/", "id": None}},
    {"text": "d", "license": "two\nlines: of it", "licenses": ["A"] * 40, "copyright": 7},
    {"text": "e", "license": "x" * 100_000},
]
SAID = [
    ("field:license: CC-BY-4.0", "field:licence_url: https://l.example/"),
    ("field:licenses: MIT",),
    ("field:rights: N", "field:rights: https://r.example/"),
    ("field:license: two lines: of it", "field:licenses: A"),
    (f"field:license: {'x' * 2000}",),
]

RSS = """<rss><channel><copyright>© 2024 X</copyright><cc:license>https://l.example/by</cc:license>
<item><creativeCommons:license>https://l.example/nc</creativeCommons:license></item></channel></rss>"""


def of_lines(*rows: dict[str, Any], fields: tuple[tuple[str, str], ...] = ()) -> list[tuple[str, ...]]:
    """Return what the reader of JSON lines states about rows."""
    return [record.stated for record in jsonl.records(b"\n".join(map(orjson.dumps, rows)), fields)]


def of_columns(table: pa.Table, path: Path, *fields: tuple[str, str]) -> list[tuple[str, ...]]:
    """Return what the reader of Parquet states about rows."""
    pq.write_table(table, path / "a.parquet")
    (rows,) = parquet.rows(Piece("source", str(path / "a.parquet"), "a.parquet", "00", "parquet", fields))
    return [tuple(lines.split("\n")) if lines else () for lines in rows["markup"].to_pylist()]


def test_both_readers_say_the_same(tmp_path: Path) -> None:
    """Fields of a row and of its metadata are lines, each value once and on one line, in JSON and in Parquet."""
    assert of_lines(*ROWS) == SAID
    names = dict.fromkeys(name for row in ROWS for name in row)
    columns = pa.table({name: [row.get(name) for row in ROWS] for name in names})
    assert of_columns(columns, tmp_path) == SAID


@pytest.mark.parametrize(
    "value", [7, 1.5, True, None, [], {}, [[1, "MIT"]], {"terms": "MIT"}, [{"name": 4}], "\x00"[:0]]
)
def test_a_value_of_another_type_says_nothing(value: Any) -> None:
    """Numbers, lists in lists and objects without a name are no statement, and the row is a document all the same."""
    (record,) = jsonl.records(orjson.dumps({"text": "a", "license": value}), ())

    assert (record.outcome, record.stated) == ("document", ())


def test_what_no_reader_expects_ends_no_row(tmp_path: Path) -> None:
    """Bytes that are no text, numbers and lists in lists say nothing; the rows beside them are read."""
    table = pa.table(
        {
            "text": ["a", "b"],
            "license": pa.array([b"\xff\xfe", b"MIT"]),
            "rights": pa.array([1, 2]),
            "licenses": pa.array([[["MIT"]], None]),
            "usage": pa.array(["free", None]).dictionary_encode(),
        }
    )

    assert of_columns(table, tmp_path) == [("field:usage: free",), ("field:license: MIT",)]


def test_a_row_of_many_fields_is_cut() -> None:
    """However many values a row has, a few are kept."""
    row = {"text": "a", **{name: [f"{name} {n}" for n in range(50)] for name in licences.NAMED}}

    (said,) = of_lines(row)

    assert len(said) == licences.MAX_FIELDS


def test_a_field_map_adds_a_name(tmp_path: Path) -> None:
    """The dossier's name for it is read beside the usual ones."""
    row = {"text": "a", "card": {"terms": "MIT"}, "rights": "all"}
    said = ("field:licence: MIT", "field:rights: all")

    assert of_lines(row, fields=(("licence", "card.terms"),)) == [said]
    assert of_columns(pa.Table.from_pylist([row]), tmp_path, ("licence", "card.terms")) == [said]


def test_a_part_has_its_own_terms_or_those_of_its_record(tmp_path: Path) -> None:
    """A part that names a licence is not under that of its record."""
    row = {"license": "CC0-1.0", "docs": [{"text": "a", "license": "MIT"}, {"text": "b", "license": None}]}
    said = [("field:license: MIT",), ("field:license: CC0-1.0",)]

    assert of_lines(row, fields=(("parts", "docs"),)) == said
    assert of_columns(pa.Table.from_pylist([row]), tmp_path, ("parts", "docs")) == said


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("field:license: CC-BY-4.0", "CC-BY-4.0 field page"),
        ("field:licenses: MIT", "MIT field page"),
        ("field:license_url: https://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-NC-4.0 field page"),
        ("field:licence_url: https://example.org/terms", "LicenseRef-linked field page"),
        ("field:rights: © Example Press", "- field page"),
    ],
)
def test_fields_are_evidence(line: str, note: str) -> None:
    """Each kind of field is a statement about the page, at the place `field`."""
    rules = tuple(one for pack in load_packs(["common.licence"]) for one in pack.rules)

    found = screens.look("licence", documents(["text"], markup=line), RulePack("all", 1, rules))

    assert set(found["note"].to_pylist()) == {note}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        (
            RSS,
            [
                "feed:copyright: © 2024 X",
                "feed:license: https://l.example/by",
                "feed@part:license: https://l.example/nc",
            ],
        ),
        (
            "<feed><rights>© Y</rights><link rel='license' href='https://l.example/'/><entry><rights>Z</rights></entry>",
            ["link:license: https://l.example/", "feed:rights: © Y", "feed@part:rights: Z"],
        ),
        ("<p><a rel='cc:license' href='/l'>x</a> <rights>no feed</rights>", ["a:license: /l"]),
    ],
)
def test_what_a_feed_says_that_came_as_a_page(source: str, lines: list[str]) -> None:
    """Rights of a feed are lines about the page, those of an entry about a part of it; a page has none of them."""
    assert markup.from_page(HTMLTree.parse(source), source, []) == lines
