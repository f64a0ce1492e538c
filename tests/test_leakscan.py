"""The leak scanner finds a planted value in every format and form that it promises, and nothing else."""

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import leakscan
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

VALUE = "Zhang.Wei张伟@canary.example"
OTHER = "13912340000"
FILLER = " ".join(f"{number}: nothing to see here, Wei" for number in range(300))
"""Enough ordinary text that a compressor does not keep the letters of VALUE as they are."""


def json_escaped(value: str) -> str:
    return json.dumps({"a": value})


def shifted(value: bytes, by: int) -> str:
    return base64.b64encode(b"x" * by + value + b"yy").decode()


def full_width(value: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in value)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "full width": full_width,
    "JSON": json_escaped,
    "JSON in JSON": lambda value: json_escaped(json_escaped(value)),
    "repr of bytes": lambda value: repr(value.encode()),
    "percent": quote,
    "percent, every byte": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "form": lambda value: f"q={quote_plus('a b ' + value)}",
    "percent twice": lambda value: quote(quote(value)),
    "HTML, decimal": lambda value: "".join(f"&#{ord(char)};" for char in value),
    "HTML, hexadecimal": lambda value: "".join(f"&#x{ord(char):x};" for char in value),
    "HTML in JSON": lambda value: json_escaped(html.escape(value).replace("@", "&commat;")),
    "HTML, marked up": lambda value: value[:5] + "<mark class='hit'>" + value[5:9] + "</mark>" + value[9:],
    "base64, 0": lambda value: shifted(value.encode(), 0),
    "base64, 1": lambda value: shifted(value.encode(), 1),
    "base64, 2": lambda value: shifted(value.encode(), 2),
    "base64 after letters": lambda value: "data" + shifted(value.encode(), 1),
    "base64, URL-safe": lambda value: base64.urlsafe_b64encode(b"\xfb\xff" + value.encode()).decode().rstrip("="),
    "base64, wrapped": lambda value: base64.encodebytes(b"z" * 50 + value.encode()).decode(),
    "base64, wrapped in JSON": lambda value: json_escaped(base64.encodebytes(b"z" * 50 + value.encode()).decode()),
    "base64 of UTF-16": lambda value: shifted(value.encode("utf-16-le"), 1),
    "base64 of JSON": lambda value: shifted(json_escaped(value).encode(), 2),
    "base64 in percent": lambda value: quote(shifted(b"\xff\xfe\xfb" + value.encode(), 0), safe=""),
    "hex": lambda value: value.encode().hex(),
    "hex, upper case, odd place": lambda value: "A" + value.encode().hex().upper(),
}


def write(path: Path, text: str) -> None:
    path.write_bytes((FILLER + "\n" + text + "\n" + FILLER).encode())


def packed(pack: Callable[[bytes], bytes]) -> Callable[[Path, str], None]:
    return lambda path, text: path.write_bytes(pack((FILLER + text).encode()))


def parquet(column: Callable[[str], pa.Array]) -> Callable[[Path, str], None]:
    def plant(path: Path, text: str) -> None:
        pq.write_table(pa.table({"a": column(text)}), path, compression="zstd", write_statistics=False)

    return plant


def parquet_statistics(path: Path, text: str) -> None:
    pq.write_table(pa.table({"a": [text, "z"]}), path, compression="zstd")


def parquet_metadata(path: Path, text: str) -> None:
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"note": text}), path)


def parquet_field_metadata(path: Path, text: str) -> None:
    inner = pa.field("b", pa.int32(), metadata={"doc": text})
    pq.write_table(pa.table({"a": pa.array([{"b": 1}], pa.struct([inner]))}), path)


def database(path: Path, text: str, *, then: str = "SELECT 1") -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('CREATE TABLE "odd ""name" (a, b)')
        connection.execute('INSERT INTO "odd ""name" VALUES (1, ?)', [text])
        connection.commit()
        connection.execute("PRAGMA secure_delete = off")
        connection.execute(then)


def sqlite_of_gzip(path: Path, text: str) -> None:
    database(path, gzip.compress(text.encode()))  # type: ignore[arg-type]


def sqlite_utf16(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA encoding = 'UTF-16le'")
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (?)", [text])


def notebook(path: Path, text: str) -> None:
    cell = {"cell_type": "code", "source": [], "outputs": [{"data": {"text/plain": [text]}}]}
    path.write_text(json.dumps({"cells": [cell], "nbformat": 4}))


def nested(path: Path, text: str) -> None:
    inner = io.BytesIO()
    pq.write_table(pa.table({"a": [gzip.compress(text.encode())]}), inner, write_statistics=False)
    path.write_bytes(zstandard.compress(gzip.compress(inner.getvalue())))


FORMATS: dict[str, Callable[[Path, str], None]] = {
    "raw.log": write,
    "utf-16.csv": lambda path, text: path.write_bytes(text.encode("utf-16")),
    "utf-16be.bin": lambda path, text: path.write_bytes(b"\0\0" + text.encode("utf-16-be")),
    "gb18030.txt": lambda path, text: path.write_bytes(text.encode("gb18030")),
    "page.html": lambda path, text: write(path, f"<p>{text}</p>"),
    "report.json": lambda path, text: path.write_text(json_escaped(text)),
    "notes.ipynb": notebook,
    "a.gz": packed(gzip.compress),
    "members.gz": packed(lambda data: gzip.compress(b"first") + gzip.compress(data)),
    "cut.gz": packed(lambda data: gzip.compress(data + FILLER[::-1].encode())[:-9]),
    "a.zst": packed(zstandard.compress),
    "frames.zst": packed(lambda data: zstandard.compress(b"first") + zstandard.compress(data)),
    "a.bz2": packed(bz2.compress),
    "a.xz": packed(lzma.compress),
    "text.parquet": parquet(lambda text: pa.array([FILLER, FILLER + text], pa.large_string())),
    "binary.parquet": parquet(lambda text: pa.array([FILLER.encode() + text.encode()])),
    "dictionary.parquet": parquet(lambda text: pa.array([FILLER + text] * 3).dictionary_encode()),
    "nested.parquet": parquet(lambda text: pa.array([[{"b": {"c": [FILLER + text]}}]])),
    "map.parquet": parquet(lambda text: pa.array([[(FILLER + text, 1)]], pa.map_(pa.string(), pa.int8()))),
    "statistics.parquet": parquet_statistics,
    "metadata.parquet": parquet_metadata,
    "fields.parquet": parquet_field_metadata,
    "a.sqlite": database,
    "deleted.sqlite": lambda path, text: database(path, text, then='DELETE FROM "odd ""name"'),
    "utf-16.sqlite": sqlite_utf16,
    "blob.sqlite": sqlite_of_gzip,
    "nested.zst": nested,
}


def found(folder: Path) -> set[str]:
    return {leak.value for leak in leakscan.scan([folder], [VALUE, OTHER]) if leak.form != leakscan.UNDECODABLE}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found(tmp_path: Path, form: str) -> None:
    """A value is found however it is escaped; what was not planted is not."""
    write(tmp_path / "a.log", FORMS[form](VALUE))

    assert found(tmp_path) == {VALUE}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_unpacked(tmp_path: Path, name: str) -> None:
    """A value is found wherever it is packed, by the content and not by the name of the file."""
    FORMATS[name](tmp_path / "a", VALUE)

    assert found(tmp_path) == {VALUE}


@pytest.mark.parametrize("name", ["a.gz", "a.zst", "text.parquet", "nested.parquet", "a.sqlite", "nested.zst"])
def test_forms_are_found_inside_formats(tmp_path: Path, name: str) -> None:
    """Unpacking and unescaping work together."""
    for number, form in enumerate(FORMS.values()):
        FORMATS[name](tmp_path / f"{number}", form(VALUE))

    leaks = leakscan.scan([tmp_path], [VALUE])

    assert {int(leak.path.name) for leak in leaks} == set(range(len(FORMS)))


@pytest.mark.parametrize("name", ["a.gz", "a.zst", "text.parquet", "nested.parquet", "nested.zst"])
def test_packed_values_are_not_in_the_raw_bytes(tmp_path: Path, name: str) -> None:
    """The cases above prove unpacking: a plain search would not have seen the value."""
    FORMATS[name](tmp_path / "a", VALUE)

    assert VALUE.encode() not in (tmp_path / "a").read_bytes()


def test_the_log_of_a_database_is_read(tmp_path: Path) -> None:
    """A row that so far is only in SQLite's write-ahead log is found, also when it is compressed."""
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("CREATE TABLE t (a)")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("INSERT INTO t VALUES (?)", [gzip.compress(VALUE.encode())])
        connection.execute("INSERT INTO t VALUES (?)", [OTHER])
        connection.commit()

        leaks = leakscan.scan([tmp_path], [VALUE, OTHER])

    assert {(leak.path.name, leak.value) for leak in leaks} == {("db", VALUE), ("db", OTHER), ("db-wal", OTHER)}


@pytest.mark.parametrize("name", [VALUE, quote(VALUE), VALUE.upper()])
def test_names_of_files_and_folders_are_read(tmp_path: Path, name: str) -> None:
    """A value in a name is found, raw and escaped, in a link's target too."""
    (tmp_path / f"{name}.d").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / f"{name}.txt").touch()
    (tmp_path / "link").symlink_to(f"/nowhere/{name}")

    leaks = leakscan.scan([tmp_path], [VALUE])

    assert [(leak.path.name, leak.where) for leak in leaks] == [
        (f"{name}.d", "name"), (f"{name}.txt", "name"), ("link", "link"),
    ]  # fmt: skip


def test_a_leak_says_where_it_is(tmp_path: Path) -> None:
    """File, place, form and value are enough to find the culprit."""
    nested(tmp_path / "a", json_escaped(VALUE))

    assert leakscan.scan([tmp_path], [VALUE]) == [
        leakscan.Leak(tmp_path / "a", "content, zstd, gzip, Parquet column 'a' cell, gzip", "unescaped, utf-8", VALUE)
    ]


def test_clean_folders_have_no_leaks(tmp_path: Path) -> None:
    """Every format without the value, and digits in order by chance, raise no alarm."""
    for name, plant in FORMATS.items():
        if name != "cut.gz":
            plant(tmp_path / name, "zhang.wei@other.example 1391234 0000 139123")
    pq.write_table(pa.table({"a": [1391234, 0]}), tmp_path / "integers.parquet")

    assert leakscan.scan([tmp_path], [VALUE, OTHER]) == []


def test_integers_are_read(tmp_path: Path) -> None:
    """A number that is stored as an integer is found as its digits."""
    pq.write_table(pa.table({"a": [int(OTHER)]}), tmp_path / "a")

    assert found(tmp_path) == {OTHER}


def test_allowed_places_are_not_looked_at(tmp_path: Path) -> None:
    """Nothing at or below an allowed path is reported."""
    for name in ("documents", "other"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / VALUE, VALUE)

    leaks = leakscan.scan([tmp_path], [VALUE], allow=lambda path: path.name == "documents")

    assert {leak.path.parent.name for leak in leaks} == {"other"}


@pytest.mark.parametrize("magic", [b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"PAR1", b"SQLite format 3\0"])
def test_what_cannot_be_decoded_is_reported(tmp_path: Path, magic: bytes) -> None:
    """A broken file is not passed over as clean."""
    (tmp_path / "a").write_bytes(magic + b"broken" * 99)

    assert [leak.form for leak in leakscan.scan([tmp_path], [VALUE])] == [leakscan.UNDECODABLE]


def test_nesting_has_a_limit(tmp_path: Path) -> None:
    """What is packed too often is reported, not followed for ever."""
    data = VALUE.encode()
    for _ in range(leakscan.MAX_NESTING + 2):
        data = gzip.compress(data)
    (tmp_path / "a").write_bytes(data)

    assert [leak.form for leak in leakscan.scan([tmp_path], [VALUE])] == [leakscan.UNDECODABLE]


@pytest.mark.parametrize("values", [[], ["1234567"], [VALUE, "short"]])
def test_short_values_are_refused(tmp_path: Path, values: list[str]) -> None:
    """A value that chance would find, or none at all, is an error."""
    with pytest.raises(ValueError, match="at least one, each of 8"):
        leakscan.scan([tmp_path], values)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    """A scan of nothing fails."""
    with pytest.raises(FileNotFoundError):
        leakscan.scan([tmp_path / "gone"], [VALUE])
