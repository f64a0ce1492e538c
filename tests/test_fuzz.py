"""Damaged inputs of every format: nothing raises, nothing is left out; `bench/fuzz.py` reads many more."""

import io
import json
import zipfile
from pathlib import Path

import fuzzing
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastwarc.stream_io import Lz4Writer
from small_warc import page, response
from test_ingest import balanced, shards, written

from corpus_gov import pieces
from corpus_gov.sources import Piece, Record, parquet

SEED = 20_261_122
INPUTS = 24
"""Of each format."""


@pytest.mark.parametrize("form", fuzzing.FORMATS)
def test_no_damage_ends_the_intake_or_goes_unaccounted(form: str, tmp_path: Path) -> None:
    """Whatever is done to an input, it ends as captures that balance, cover it and come out the same twice."""
    problems, captures = [], 0
    for number in range(INPUTS):
        data, done = fuzzing.made(form, SEED, number)
        path = written(tmp_path, data, "input")

        told = fuzzing.examine(path, fuzzing.name_of(form, number), fuzzing.dossier(number))

        captures += told.outcomes.total()
        problems += [(number, problem, done) for problem in told.problems]
    assert not problems
    assert captures >= INPUTS


def test_an_input_is_made_again_by_its_number() -> None:
    """Seed, format and number are all it takes to see a problem again."""
    assert all(fuzzing.made(form, 1, 2) == fuzzing.made(form, 1, 2) for form in fuzzing.FORMATS)
    assert fuzzing.made("warc", 1, 2) != fuzzing.made("warc", 1, 3)


def test_what_a_source_raises_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks are not blind: an exception, an invented place and a lost record are each told."""
    path = written(tmp_path, response(page()) + response(page("Other"), "http://site.example/b"))
    how = fuzzing.dossier(0)
    assert fuzzing.examine(path, "input.warc", how).problems == []

    for change, expected in (
        (lambda found: [found[len(found)]], "IndexError"),
        (lambda found: found[:1], "bytes behind the last record"),
        (lambda found: [*found, misplaced(path.stat().st_size)], "behind the end of its file"),
    ):
        with monkeypatch.context() as patch:
            real = fuzzing.ingest.warc.records
            patch.setattr(
                fuzzing.ingest.warc, "records", lambda *given, change=change, real=real: change(list(real(*given)))
            )
            assert any(expected in one for one in fuzzing.examine(path, "input.warc", how).problems), expected


def misplaced(offset: int) -> Record:
    """Return a reject at a place that is not in the file."""
    return Record(offset, 9, "unknown", "rejected", "bad_record")


# What earlier runs found


def small_zip(name: str, data: bytes, method: int) -> bytearray:
    """Return an archive with one member."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), data, method)
    return bytearray(sink.getvalue())


def small_parquet() -> bytes:
    """Return a Parquet file of one row."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["A sentence."]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.html", "a.warc"])
def test_a_damaged_bz2_member_of_a_zip_is_a_reject(name: str, tmp_path: Path) -> None:
    """bz2 says OSError of damage, which was taken for the disk's and ended the run where the member was Parquet."""
    data = small_zip(name, small_parquet(), zipfile.ZIP_BZIP2)
    at = data.index(b"BZh") + 4
    data[at : at + 6] = b"\xff" * 6

    found = shards(written(tmp_path, bytes(data), "a.zip"))

    assert balanced(found) == {"rejected": 1}
    assert found[0].captures["reason"].to_pylist() == ["bad_zip_member"]


def test_a_member_before_the_start_of_its_zip_is_a_reject(tmp_path: Path) -> None:
    """Where bytes are missing before the directory, zipfile looks for a member at a negative place."""
    data = small_zip("a.parquet", small_parquet(), zipfile.ZIP_STORED)
    del data[4:200]

    found = shards(written(tmp_path, bytes(data), "a.zip"))

    assert balanced(found) == {"rejected": 1}
    assert found[0].captures["reason"].to_pylist() == ["bad_zip_member"]


def test_a_brace_that_closes_an_array_is_a_reject(tmp_path: Path) -> None:
    """The bracket was no part of any record; its elements are read all the same."""
    data = b"[" + json.dumps({"text": "A sentence."}).encode() + b"}\n"

    found = shards(written(tmp_path, data, "a.json"))

    rows = [row for one in found for row in one.captures.to_pylist()]
    assert balanced(found) == {"document": 1, "rejected": 1}
    assert [(row["record_offset"], row["record_length"]) for row in rows] == [(1, len(data) - 3), (len(data) - 2, 1)]
    assert rows[1]["reason"] == "json_syntax"


def test_lz4_is_read_by_the_name_of_an_archive(tmp_path: Path) -> None:
    """Archives in lz4 were read only where the dossier named the format; other files in lz4 are not read at all."""
    data = fuzzing.written(Lz4Writer, response(page()))

    assert balanced(shards(written(tmp_path, data, "a.warc.lz4"))) == {"document": 1}
    assert pieces.form_by_name("a.jsonl.lz4") == "unknown"


def test_a_parquet_dictionary_of_one_long_value_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some hundred bytes stood for gigabytes that were decoded at once; steps and a limit bound them."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 4_000, pa.int32()), pa.array(["long " * 2_000]))
    pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet", compression="zstd", store_schema=False)
    monkeypatch.setattr(parquet, "FREE_BYTES", 20 << 20)
    monkeypatch.setattr(parquet, "BATCH_BYTES", 2 << 20)
    piece = Piece("source", str(tmp_path / "a.parquet"), "a.parquet", "0" * 64, "parquet")

    batches = list(parquet.rows(piece))

    whole, last = batches[:-1], batches[-1].to_pylist()[0]
    assert max(one.nbytes for one in whole) < 4 << 20 < 16 << 20 < sum(one.nbytes for one in whole) <= 20 << 20
    assert (last["outcome"], last["reason"]) == ("rejected", "bomb")
    assert sum(one.num_rows for one in whole) + last["record_length"] == 4_000


def test_a_parquet_row_of_too_many_parts_is_a_reject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements that are null take no byte of the file: three hundred bytes became any number of captures."""
    monkeypatch.setattr(parquet, "MAX_PARTS", 3)
    texts = [["one", "two", "three"], [None] * 4, ["four"], ["five", "six"], []]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet")

    found = shards(tmp_path / "a.parquet")

    rows = [row for one in found for row in one.captures.to_pylist()]
    assert balanced(found) == {"document": 6, "rejected": 1, "skipped": 1}
    assert [(row["record_offset"], row["reason"]) for row in rows if row["reason"]] == [
        (1, "too_many_parts"),
        (4, "empty"),
    ]
    assert [row["text"] for one in found for row in one.documents.to_pylist()] == [
        "one", "two", "three", "four", "five", "six",
    ]  # fmt: skip


def test_a_row_group_of_more_rows_than_fit_is_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not decoded at all."""
    monkeypatch.setattr(parquet, "FREE_BYTES", 1 << 20)
    pq.write_table(pa.table({"text": pa.nulls(500_000, pa.string())}), tmp_path / "a.parquet")

    (batch,) = parquet.rows(Piece("source", str(tmp_path / "a.parquet"), "a.parquet", "0" * 64, "parquet"))

    assert batch.select(["reason", "record_length"]).to_pylist() == [{"reason": "bomb", "record_length": 500_000}]


def test_a_column_name_that_is_no_text_is_a_reject(tmp_path: Path) -> None:
    """Names are decoded when a column is asked for, which raised what nobody caught."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["A sentence."], "other": ["x"]}), sink, store_schema=False)
    data = sink.getvalue().replace(b"other", b"\xff\xfeher")

    found = shards(written(tmp_path, data, "a.parquet"))

    assert balanced(found) == {"rejected": 1}
    assert found[0].captures["reason"].to_pylist() == ["bad_parquet"]


BROKEN = [
    ("parquet", 340),  # the name of a column is no text
    ("parquet", 582),  # pyarrow's look at a column's metadata ends the process
    ("parquet", 1_352),  # a row group of -64 rows
    ("arc", 20),  # an ideographic space inside `pre`
    ("warc.lz4", 532),  # text that is spread over several roots
    ("md", 1_454),  # a title that is a number of some thousand digits
]
"""Found with seed 12."""


@pytest.mark.parametrize(("form", "number"), BROKEN)
def test_inputs_that_broke_a_promise_once_are_read(form: str, number: int, tmp_path: Path) -> None:
    """Each of them raised, ended the process, or was captured at an impossible place."""
    path = written(tmp_path, fuzzing.made(form, 12, number)[0], "input")

    told = fuzzing.examine(path, fuzzing.name_of(form, number), fuzzing.dossier(number))

    assert told.problems == []
    assert told.outcomes.total() > 0
