"""Formats beside WARC: pages, texts, zips, JSON in its shapes, lists of documents; each byte ends as a capture."""

import bz2
import gzip
import io
import json
import lzma
import stat
import warnings
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from small_warc import page, response
from test_ingest import balanced, shards, written

from corpus_gov.schemas import DOCUMENTS
from corpus_gov.shards import Shard, doc_id
from corpus_gov.sources import files, inflate, jsonfile, jsonl, rows, zips

PAGE = page("Bridge", "The old bridge was rebuilt in stone after the flood, and stands to this day.")


def gzipped(data: bytes) -> bytes:
    """Compress without a time stamp: cases must have the same name in every test process."""
    return gzip.compress(data, mtime=0)


def captured(found: list[Shard]) -> list[tuple[str, str, str | None]]:
    """Return file, outcome and reason of every capture, once all of them balance."""
    balanced(found)
    columns = ("record_file", "outcome", "reason")
    return [tuple(row[name] for name in columns) for one in found for row in one.captures.to_pylist()]


def documents(found: list[Shard]) -> list[dict[str, Any]]:
    """Return the documents of all shards."""
    balanced(found)
    return [row for one in found for row in one.documents.to_pylist()]


def zipped(folder: Path, *members: tuple[str | zipfile.ZipInfo, bytes], name: str = "a.zip") -> Path:
    """Write a zip with these members."""
    with warnings.catch_warnings(), zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # names that come twice
        for member, data in members:
            archive.writestr(member, data)
    return folder / name


# --- pages and texts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.html", PAGE, "text/html"),
        ("a.HTM", PAGE, "text/html"),
        ("a.xhtml", PAGE, "application/xhtml+xml"),
        ("a.html.gz", gzipped(PAGE), "text/html"),
        ("a.txt", b"A line of text.", "text/plain"),
        ("a.md.xz", lzma.compress(b"# Title\n\nA line."), "text/markdown"),
    ],
)
def test_a_file_is_one_record(name: str, data: bytes, media_type: str, tmp_path: Path) -> None:
    """A page or text is one record of its whole file; its media type is that of its name."""
    (shard,) = shards(written(tmp_path, data, name))

    (document,) = documents([shard])
    (capture,) = shard.captures.to_pylist()
    assert (document["content_type"], document["uri"], document["part"]) == (media_type, None, 0)
    assert (capture["record_type"], capture["record_offset"]) == ("file", 0)
    assert capture["record_length"] == len(inflate.whole(data, 1 << 20))


def test_a_page_has_the_address_of_its_place_below_the_base(tmp_path: Path) -> None:
    """With base_uri a file's URI is that and its logical name, without the suffix of a compression."""
    found = shards(written(tmp_path, gzipped(PAGE), "über uns.html.gz"), base_uri="https://site.example/mirror/")

    (document,) = documents(found)
    assert document["uri"] == "https://site.example/mirror/%C3%BCber%20uns.html"
    assert document["host"] == "site.example"


def test_a_robots_file_of_a_mirror_is_evidence(tmp_path: Path) -> None:
    """robots.txt at the root of base_uri is what the host says, not a text; elsewhere it is a text."""
    path = written(tmp_path, b"User-agent: *\nDisallow: /\n", "robots.txt")

    (shard,) = shards(path, base_uri="https://site.example")

    assert captured([shard]) == [("robots.txt", "evidence", None)]
    assert shard.snapshots["host"].to_pylist() == ["site.example"]
    assert captured(shards(path, base_uri="https://site.example/deep")) == [("robots.txt", "document", None)]


FRONT = """---
title: The lock keeper
authors: [Ann Wu, {name: Bo Lin}]
date: 2024-05-06
url: https://site.example/lock
license: CC-BY-4.0
copyright: "© 2024 Example Press"
---
The gauge is read before noon.
"""


@pytest.mark.parametrize("encode", [str.encode, lambda text: text.encode("utf-8-sig"), lambda t: t.encode("utf-16")])
def test_front_matter_is_read_and_taken_off(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    """Title, authors, date and address go to their columns, lines about rights to markup, the rest is the text."""
    data = encode(FRONT)

    (shard,) = shards(written(tmp_path, data, "lock.md"), base_uri="https://other.example/")

    (document,) = documents([shard])
    assert document["text"].strip() == "The gauge is read before noon."
    assert (document["title"], document["author"]) == ("The lock keeper", "Ann Wu, Bo Lin")
    assert document["published_at"].isoformat() == "2024-05-06T00:00:00+00:00"
    assert document["uri"] == "https://site.example/lock"
    assert document["markup"].splitlines() == [
        "front_matter:license: CC-BY-4.0",
        "front_matter:copyright: © 2024 Example Press",
    ]
    front = (
        data[: data.index(encode("The gauge")[-18:])] if data[:2] == b"\xff\xfe" else data[: data.index(b"The gauge")]
    )
    assert shard.captures["headers_digest"].to_pylist() == [sha256(front).hexdigest()]


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "front",
    [
        LAUGHS,
        "a: !!python/object/apply:os.system ['true']\n",
        "a: " + "[" * 3_000 + "\n",
        "title: one\ntitle: two\n",
        "just a line\n",
        "date: 2024-02-30\n",
        "n: " + "9" * 5_000 + "\n",
        "a: [1, 2\n",
        "n: 190:20:30:" + "59:" * 400 + "1.5\n",
        "",
    ],
)
def test_hostile_front_matter_stays_in_the_text(front: str, tmp_path: Path) -> None:
    """YAML that is no plain mapping, or wants to expand, is no front matter; nothing of the file is lost."""
    text = f"---\n{front}---\nThe gauge is read before noon.\n"

    (document,) = documents(shards(written(tmp_path, text.encode(), "a.md")))

    assert document["text"] == text
    assert document["markup"] is None


@pytest.mark.parametrize(
    ("name", "data", "outcome", "reason"),
    [
        ("a.html", b"", "skipped", "empty"),
        ("a.txt", b" \n\n", "skipped", "empty"),
        ("a.txt", b"\xef\xbb\xbf", "skipped", "empty"),
        ("a.md", b"---\ntitle: x\n---\n\n", "skipped", "empty"),
        ("a.html", b"<html><body></body></html>", "skipped", "no_text"),
        ("a.txt", bytes(range(256)) * 9, "rejected", "undecodable"),
        ("a.txt.gz", gzipped(b"text" * 99)[:-9], "rejected", "truncated"),
        ("a.txt.bz2", bz2.compress(b"text" * 99)[:-9], "rejected", "truncated"),
        ("a.txt.xz", b"\xfd7zXZ\x00garbage garbage garbage", "rejected", "bad_xz"),
        (
            "a.docx",
            b"PK\x03\x04" + bytes(22) + b"\x13\x00\x00\x00[Content_Types].xml",
            "rejected",
            "unsupported_format",
        ),
        ("a.pdf", b"%PDF-1.7", "rejected", "unsupported_format"),
        ("a.zip", b"PK\x03\x04 and no end", "rejected", "truncated"),
        ("a.zip", b"no zip", "rejected", "bad_zip"),
        ("a.zip", b"PK\x05\x06" + bytes(18), "skipped", "empty"),
        ("a.zip", b"PK\x05\x06" + bytes(4) + b"\xff\xff" * 6 + bytes(2), "rejected", "bad_zip"),
        ("a.zip", b"PK\x05\x06" + bytes(8) + b"\xff\xff\xff\x7f" + bytes(6), "rejected", "too_many_members"),
        ("a.json", b"", "skipped", "empty"),
        ("a.json", b"[]", "skipped", "empty"),
        ("a.json", b'[{"text": "x"', "rejected", "truncated"),
        ("a.json", b'"text"', "rejected", "json_not_object"),
        ("a.json", b"{" * 2_000, "rejected", "truncated"),
        ("a.json", b"[" * 5_000 + b"]" * 5_000, "rejected", "json_syntax"),
    ],
)
def test_a_file_without_text_says_why(name: str, data: bytes, outcome: str, reason: str, tmp_path: Path) -> None:
    """A file that gives no document is one capture with its class."""
    assert captured(shards(written(tmp_path, data, name))) == [(name, outcome, reason)]


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (response(PAGE), "response"),
        (gzipped(b"<!DOCTYPE html>" + PAGE), "file"),
        (b'{"text": "A line."}\n{"text": "Another."}\n', "line"),
        (b'[{"text": "A line."}]', "line"),
        (b"\xef\xbb\xbf<html>" + PAGE, "file"),
    ],
)
def test_a_name_without_a_suffix_is_known_by_its_first_bytes(data: bytes, form: str, tmp_path: Path) -> None:
    """Where the name says nothing, the content does."""
    (shard,) = shards(written(tmp_path, data, "delivery"))

    assert balanced([shard])["document"] >= 1
    assert set(shard.captures["record_type"].to_pylist()) == {form}


def test_parquet_and_zip_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    """The same holds for formats that are read from their end."""
    pq.write_table(pa.table({"text": ["A row."]}), tmp_path / "rows")
    zipped(tmp_path, ("a.txt", b"A member."), name="archive")

    assert captured(shards(tmp_path / "rows")) == [("rows", "document", None)]
    assert captured(shards(tmp_path / "archive")) == [("archive!/a.txt", "document", None)]


# --- zips -------------------------------------------------------------------------------------------


def test_every_supported_member_of_a_zip_is_read(tmp_path: Path) -> None:
    """Members are read as the files they are, under the name of the archive and their own."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["A row.", "Another row."]}), sink)
    path = zipped(
        tmp_path,
        ("web/", b""),
        ("web/a.html", PAGE),
        ("web/b.warc.gz", gzipped(response(PAGE))),
        ("c.jsonl.zst", zstandard.compress(b'{"text": "A line."}\n')),
        ("d.parquet", sink.getvalue()),
        ("e.md", b"# E\n\nA paragraph."),
        ("f.json", b'[{"text": "An element."}]'),
        ("g.bin", b"\x00\x01"),
    )

    found = shards(path, base_uri="https://site.example/")

    assert sorted(captured(found)) == [
        ("a.zip!/c.jsonl.zst", "document", None),
        ("a.zip!/d.parquet", "document", None),
        ("a.zip!/d.parquet", "document", None),
        ("a.zip!/e.md", "document", None),
        ("a.zip!/f.json", "document", None),
        ("a.zip!/g.bin", "rejected", "unsupported_format"),
        ("a.zip!/web/a.html", "document", None),
        ("a.zip!/web/b.warc.gz", "document", None),
    ]
    digests = {digest for one in found for digest in one.captures["file_digest"].to_pylist()}
    assert digests == {sha256(path.read_bytes()).hexdigest()}
    assert "https://site.example/web/a.html" in [document["uri"] for document in documents(found)]


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_hostile_members_are_rejected_and_the_others_read(tmp_path: Path) -> None:
    """Names that lead out, links, archives in archives, repeated names and bombs are each one reject."""
    path = zipped(
        tmp_path,
        ("../../etc/passwd.txt", b"text"),
        ("/etc/passwd.txt", b"text"),
        ("C:\\windows\\a.txt", b"text"),
        ("a\\..\\..\\b.txt", b"text"),
        (link("link.txt"), b"/etc/passwd"),
        ("inner.zip", b"PK"),
        ("bomb.txt", b"\0" * (zips.FREE_MEMBER_BYTES + 1)),
        ("a.txt", b"First."),
        ("a.txt", b"Second."),
        ("__MACOSX/._a.txt", b"\0\5"),
        (".hidden.txt", b"text"),
        ("good.txt", b"Good."),
    )

    assert sorted(captured(shards(path)), key=str) == sorted(
        [
            ("a.zip!/../../etc/passwd.txt", "rejected", "unsafe_name"),
            ("a.zip!//etc/passwd.txt", "rejected", "unsafe_name"),
            ("a.zip!/C:\\windows\\a.txt", "rejected", "unsafe_name"),
            ("a.zip!/a\\..\\..\\b.txt", "rejected", "unsafe_name"),
            ("a.zip!/link.txt", "rejected", "link"),
            ("a.zip!/inner.zip", "rejected", "nested_archive"),
            ("a.zip!/bomb.txt", "rejected", "bomb"),
            ("a.zip!/a.txt", "document", None),
            ("a.zip!/a.txt", "rejected", "duplicate_name"),
            ("a.zip!/__MACOSX/._a.txt", "skipped", "temporary_name"),
            ("a.zip!/.hidden.txt", "skipped", "temporary_name"),
            ("a.zip!/good.txt", "document", None),
        ],
        key=str,
    )


def test_all_members_together_may_not_be_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are read until all of them inflate to more than an archive of that size may."""
    monkeypatch.setattr(zips, "FREE_BYTES", 25)
    monkeypatch.setattr(zips, "MAX_RATIO", 0)
    path = zipped(tmp_path, *((f"{n}.txt", b"ten bytes " + bytes([48 + n]) * 0) for n in range(4)))

    assert [reason for _, _, reason in captured(shards(path))].count("bomb") == 2


@pytest.mark.parametrize(("flag", "method", "reason"), [(1, 8, "encrypted"), (0, 99, "unsupported_compression")])
def test_a_member_that_cannot_be_opened_is_rejected(flag: int, method: int, reason: str, tmp_path: Path) -> None:
    """Encrypted members and unknown compressions are rejects; nothing is tried on them."""
    path = zipped(tmp_path, ("a.txt", b"text"))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= flag
    data[at + 10] = method
    path.write_bytes(bytes(data))

    assert captured(shards(path)) == [("a.zip!/a.txt", "rejected", reason)]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.warc", "a.parquet"])
def test_a_damaged_member_does_not_end_the_archive(name: str, tmp_path: Path) -> None:
    """A member whose checksum fails is a reject; the next one is read."""
    path = zipped(tmp_path, (name, b"text " * 400), ("b.txt", b"Good."))
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(bytes(data))

    found = captured(shards(path))

    assert (f"a.zip!/{name}", "rejected", "bad_zip_member") in found
    assert ("a.zip!/b.txt", "document", None) in found


def test_names_of_members_may_be_gb18030(tmp_path: Path) -> None:
    """Archives without the mark of UTF-8 come with names in the encoding of the writer's system."""
    info = zipfile.ZipInfo("x" * len("石桥".encode("gb18030")) + ".txt")
    path = zipped(tmp_path, (info, b"text"))
    path.write_bytes(path.read_bytes().replace(b"xxxx", "石桥".encode("gb18030")))

    assert captured(shards(path)) == [("a.zip!/石桥.txt", "document", None)]


# --- compression ------------------------------------------------------------------------------------

COMPRESSIONS = [gzipped, bz2.compress, lzma.compress, zstandard.compress]


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("join", [b"", b"\0" * 8])
def test_every_compression_is_read_through_all_its_members(compress: Callable[[bytes], bytes], join: bytes) -> None:
    """Several members, and what writers pad them with, are one stream."""
    data = compress(b"first ") + join + compress(b"second") + join

    assert inflate.whole(data, 99) == b"first second"


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_a_bomb_ends_at_its_ratio(compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """What inflates far beyond its size is stopped; blocks stay small on the way."""
    monkeypatch.setattr(inflate, "FREE_BYTES", 1 << 20)
    data = compress(b"\0" * (64 << 20))
    sizes = []

    with pytest.raises(inflate.StreamError, match="bomb"):
        sizes.extend(len(block) for block in inflate.blocks(data))

    assert sum(sizes) < 64 << 20


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_lines_in_bz2_and_xz_are_records(compress: Callable[[bytes], bytes]) -> None:
    """JSON lines are read from every compression; a cut file ends with a reject."""
    data = compress(b"".join(b'{"text": "%d"}\n' % n for n in range(99)))

    assert [one.values["text"] for one in jsonl.records(data, ())] == [str(n) for n in range(99)]
    assert [one.reason for one in jsonl.records(data[:-4], ())][-1] == "truncated"


# --- JSON and its shapes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b'[{"text": "one"}, {"text": "two"}]',
        b'\xef\xbb\xbf [\n {"text": "one"}\n,\n{"text": "two"}\n]\n',
        b'{"text": "one"}\n{"text": "two"}\n',
        b'{\n "text": "one"\n}\n{\n "text": "two"\n}\n',
        gzipped(b'[{"text": "one"},{"text": "two"}]'),
    ],
)
def test_a_json_file_may_hold_its_documents_in_several_ways(data: bytes) -> None:
    """An array, lines and objects one after another give the same documents."""
    assert [one.values["text"] for one in jsonfile.records(data, ())] == ["one", "two"]


@pytest.mark.parametrize(
    "data", [b'{"data": [{"text": "one"}, {"text": "two"}], "n": 2}', b'{"a": {"text": "one"}, "b": {"text": "two"}}']
)
def test_an_object_of_documents_is_one_record_of_parts(data: bytes) -> None:
    """What stands in one object belongs to one record."""
    found = list(jsonfile.records(data, ()))

    assert [(one.values["text"], one.part, one.offset, one.length) for one in found] == [
        ("one", 0, 0, len(data)),
        ("two", 1, 0, len(data)),
    ]


def test_a_wrong_element_does_not_end_an_array() -> None:
    """Elements are cut by strings and brackets: a wrong one is a reject with its place."""
    data = b'[{"text": "a]},{\\"\\\\"}, {"text": 1}, nonsense, 7, {"text": "b", "x": [[1], {"y": "}"}]}]'

    found = list(jsonfile.records(data, ()))

    assert [one.reason for one in found] == [None, "json_field_type", "json_syntax", "json_not_object", None]
    assert [data[one.offset : one.offset + one.length] for one in found][2:4] == [b"nonsense", b"7"]


@given(
    texts=st.lists(st.text(max_size=40), max_size=6),
    indent=st.none() | st.integers(0, 2),
    cut=st.integers(1, 40),
    ascii_only=st.booleans(),
)
def test_elements_do_not_depend_on_where_blocks_end(
    texts: list[str], indent: int | None, cut: int, *, ascii_only: bool
) -> None:
    """However a file comes in blocks and whatever its strings hold, its elements are the same."""
    items = [{"text": text, "more": {"list": [text, []]}} for text in texts]
    data = json.dumps(items, indent=indent, ensure_ascii=ascii_only).encode()
    cutter = jsonfile._Cutter()
    found = []

    for at in range(0, len(data) + cut, cut):
        found += cutter.cut(data[at : at + cut], last=at >= len(data))

    assert [json.loads(element) for _, _, element in found] == items
    assert all(data[at : at + length] == element for at, length, element in found)


WHEN = "2024-05-06T07:08:09Z"
SHAPED = {
    "datatrove": (
        {"text": "T", "id": "<urn:1>", "metadata": {"url": "https://a.example/", "date": WHEN, "author": "A"}},
        ("datatrove", "https://a.example/", WHEN, "A"),
    ),
    "dolma": (
        {
            "id": "7",
            "text": "T",
            "source": "s",
            "added": WHEN,
            "created": "2020-01-01",
            "metadata": {"url": "https://a.example/"},
        },
        ("dolma", "https://a.example/", WHEN, None),
    ),
    "data_juicer": (
        {"text": "T", "meta": {"url": "https://a.example/", "author": "A"}},
        ("data_juicer", "https://a.example/", None, "A"),
    ),
    "data_juicer.content": ({"content": "T", "meta": {}}, ("data_juicer.content", None, None, None)),
    "ccnet": (
        {"raw_content": "T", "url": "https://a.example/", "date_download": WHEN, "title": "x", "digest": "y"},
        ("ccnet.raw_content", "https://a.example/", WHEN, None),
    ),
    "c4": ({"text": "T", "timestamp": WHEN, "url": "https://a.example/"}, ("c4", "https://a.example/", WHEN, None)),
    "fineweb": (
        {"text": "T", "id": "i", "dump": "d", "url": "https://a.example/", "date": WHEN},
        ("fineweb", "https://a.example/", WHEN, None),
    ),
    "oscar": (
        {"content": "T", "warc_headers": {"warc-target-uri": "https://a.example/", "warc-date": WHEN}},
        ("oscar.content", "https://a.example/", WHEN, None),
    ),
    "wanjuan": ({"id": "1", "title": "x", "content": "T"}, ("plain.content", None, None, None)),
    "cci": ({"content": "T", "url": "https://a.example/"}, ("plain.content", "https://a.example/", None, None)),
    "article": ({"article": "T"}, ("plain.article", None, None, None)),
    "url": ({"text": "T", "url": "https://a.example/"}, ("plain", "https://a.example/", None, None)),
    "own": ({"text": "T", "uri": "https://a.example/", "author": "A"}, (None, "https://a.example/", None, "A")),
    "own names first": (
        {"text": "T", "timestamp": "2019-01-01", "fetched_at": WHEN, "url": "https://a.example/"},
        ("c4", "https://a.example/", WHEN, None),
    ),
    "blank beside text": ({"text": "T", "content": " ", "article": None}, (None, None, None, None)),
    "equal texts": ({"text": "T", "content": "T"}, (None, None, None, None)),
}


@pytest.mark.parametrize(("row", "expected"), SHAPED.values(), ids=SHAPED)
def test_shapes_of_other_pipelines_are_recognised(
    row: dict[str, Any], expected: tuple[str | None, ...], tmp_path: Path
) -> None:
    """Without a field map the usual shapes are read, and each document says by which one."""
    (document,) = documents(shards(written(tmp_path, json.dumps(row).encode(), "a.jsonl")))

    shape, uri, fetched_at, author = expected
    assert document["text"] == "T"
    assert document["extractor"] == (f"field.{shape}@1" if shape else "field@1")
    assert (document["uri"], document["author"]) == (uri, author)
    assert (document["fetched_at"].strftime("%Y-%m-%dT%H:%M:%SZ") if fetched_at else None) == fetched_at


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"content": "a", "article": "b"}, "json_field_missing:content+article"),
        ({"text": "a", "raw_content": "b"}, "json_field_missing:text+raw_content"),
        (
            {"text": "a", "url": "https://a.example/", "metadata": {"url": "https://b.example/"}},
            "json_field_missing:url+metadata.url",
        ),
        ({"张三": "13800138000"}, "json_field_missing"),
    ],
)
def test_what_could_be_either_is_not_guessed(row: dict[str, Any], reason: str, tmp_path: Path) -> None:
    """Two candidates are a reject that names their keys and no value; a field map settles it."""
    path = written(tmp_path, json.dumps(row).encode(), "a.jsonl")
    key = next(iter(row))

    assert captured(shards(path)) == [("a.jsonl", "rejected", reason)]
    assert captured(shards(path, fields={"text": key})) == [("a.jsonl", "document", None)]


def test_columns_of_parquet_are_recognised_alike(tmp_path: Path) -> None:
    """A Parquet file gives the documents of the same rows in JSON, but for places and digests of the row."""
    for name, (row, _) in SHAPED.items():
        if name in {"data_juicer.content", "blank beside text", "equal texts"}:
            continue  # an empty struct cannot be written; columns count whether or not they hold values
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
        (tmp_path / "a.jsonl").write_text(json.dumps(row))
        columns = ("text", "uri", "title", "author", "fetched_at", "published_at", "extractor", "part")

        pair = [documents(shards(tmp_path / f"a.{form}"))[0] for form in ("parquet", "jsonl")]

        assert [pair[0][column] for column in columns] == [pair[1][column] for column in columns], name


def test_ambiguous_columns_are_one_reject_a_row_group(tmp_path: Path) -> None:
    """In Parquet two columns that could be the text are a reject that counts the rows and names the columns."""
    pq.write_table(pa.table({"text": ["a", "b"], "content": ["c", "d"]}), tmp_path / "a.parquet")

    (shard,) = shards(tmp_path / "a.parquet")

    assert captured([shard]) == [("a.parquet", "rejected", "column_missing:text+content")]
    assert shard.captures["record_length"].to_pylist() == [2]


# --- parts ------------------------------------------------------------------------------------------

LISTED = {"text": ["First text.", " ", "Second text."], "uri": "https://a.example/", "title": "T"}
INNER = {
    "docs": [{"body": "First text.", "uri": "https://b.example/"}, {"body": None}, {"body": "Second text."}],
    "uri": "https://a.example/",
    "title": "T",
}
MAPPED = {"parts": "docs", "text": "body"}


def delivered(folder: Path, rows_: list[dict[str, Any]], form: str) -> Path:
    path = folder / f"a.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows_), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows_)))
    return path


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(("row", "fields", "uris"), [(LISTED, {}, ["a", "a"]), (INNER, MAPPED, ["b", "a"])])
def test_several_documents_of_one_record_are_its_parts(
    form: str, row: dict[str, Any], fields: dict[str, str], uris: list[str], tmp_path: Path
) -> None:
    """Each part is a capture at the record's place; what a part does not say itself its record says."""
    found = shards(delivered(tmp_path, [row, row | {"title": "U"}], form), fields=fields)

    captures = [capture for one in found for capture in one.captures.to_pylist()]
    made = documents(found)
    assert [capture["part"] for capture in captures] == [0, 1, 2, 0, 1, 2]
    assert [capture["outcome"] for capture in captures[:3]] == ["document", "skipped", "document"]
    assert len({(capture["record_offset"], capture["record_length"]) for capture in captures}) == 2
    assert [(document["part"], document["text"]) for document in made[:2]] == [(0, "First text."), (2, "Second text.")]
    assert [document["uri"] for document in made[:2]] == [f"https://{name}.example/" for name in uris]
    assert [document["title"] for document in made[:2]] == ["T", "T"]
    assert [document["delivery_ref"] for document in made[:2]] == [f"a.{form}#0", f"a.{form}#0.2"]
    for document in made:
        ids = (document["uri"], document["payload_digest"], document["part"])
        assert document["doc_id"] == doc_id("source", *ids)


@pytest.mark.parametrize(
    ("row", "fields", "reasons"),
    [
        ({"text": []}, {}, ["empty"]),
        (
            {"text": [1, "x", None, {"text": "y"}, ["z"]]},
            {},
            ["json_field_type", None, "empty", None, "json_field_type"],
        ),
        ({"text": "x"}, {"parts": "docs"}, ["json_field_missing"]),
        ({"docs": "x"}, {"parts": "docs"}, ["json_field_type"]),
        ({"docs": [{"no": 1}]}, {"parts": "docs"}, ["json_field_missing"]),
    ],
)
def test_each_bad_part_has_its_class(
    row: dict[str, Any], fields: dict[str, str], reasons: list[str | None], tmp_path: Path
) -> None:
    """A part that is no text does not cost the others."""
    found = captured(shards(delivered(tmp_path, [row], "jsonl"), fields=fields))

    assert [reason for _, _, reason in found] == reasons


def test_parts_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of endless parts is one reject."""
    monkeypatch.setattr(rows, "MAX_PARTS", 3)

    assert [one.reason for one in jsonl.records(b'{"text": ["", "", "", ""]}', ())] == ["too_many_parts"]


def test_parts_of_one_record_may_lie_in_several_shards(tmp_path: Path) -> None:
    """A shard ends where it is full, also inside a record; each part is there once."""
    found = shards(delivered(tmp_path, [{"text": [f"Text {n}." for n in range(10)]}], "jsonl"), rows=3)

    assert [one.captures.num_rows for one in found] == [3, 3, 3, 1]
    assert [document["part"] for document in documents(found)] == list(range(10))


# --- hostile content --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.html", "a.txt", "a.md", "a.json", "a.jsonl", "a.zip", "a.parquet", "a"])
@given(
    data=st.binary(max_size=200),
    head=st.sampled_from(
        [
            b"",
            b"---\n",
            b"[{",
            b'{"text":',
            b"PK\x03\x04",
            b"<html>",
            b"\x1f\x8b\x08\0",
            b"BZh9",
            b"\xfd7zXZ\0",
            b"\x28\xb5\x2f\xfd",
        ]
    ),
)
def test_no_bytes_raise_or_lose_the_balance(
    name: str, data: bytes, head: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a file holds, under whatever name: reading ends, and there is at least one capture."""
    path = written(tmp_path_factory.mktemp("any"), head + data, name)

    assert balanced(shards(path)).total() >= 1


@given(
    changes=st.lists(st.tuples(st.integers(0, 2_000), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=5)
)
def test_no_damage_to_a_zip_raises_or_loses_the_balance(
    changes: list[tuple[int, bytes, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever bytes of an archive are changed: reading ends, and there is at least one capture."""
    folder = tmp_path_factory.mktemp("zips")
    path = zipped(folder, ("a.html", PAGE), ("b.jsonl", b'{"text": "x"}\n' * 9), ("c.txt", b"text " * 99))
    data = bytearray(path.read_bytes())
    for place, new, gone in changes:
        at = place % (len(data) + 1)
        data[at : at + gone] = new
    path.write_bytes(bytes(data))

    assert balanced(shards(path)).total() >= 1


def test_nul_and_lone_surrogates_end_as_replacement_characters(tmp_path: Path) -> None:
    """What Arrow cannot hold is replaced in every column that a file fills."""
    text = '---\ntitle: "a\\0b"\n---\nA line\x00of text that is long enough.\n'

    (document,) = documents(shards(written(tmp_path, text.encode(), "a.md")))

    assert document["title"] == "a\ufffdb"
    assert "\x00" not in document["text"]
    assert set(document) == set(DOCUMENTS.names)


def test_media_types_and_formats_agree() -> None:
    """Every suffix that has a media type is a format of its kind."""
    from corpus_gov.pieces import SUFFIXES

    assert {suffix: SUFFIXES[suffix] for suffix in files.MEDIA_TYPES} == {
        suffix: "html" if "html" in kind else "text" for suffix, kind in files.MEDIA_TYPES.items()
    }
