"""Records of WARC, JSONL and Parquet files, sound and damaged."""

import gzip
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from small_warc import page, record, request, response, zipped

from corpus_gov.sources import Piece, Record, instant, jsonl, members, parquet, rows, storable, warc
from corpus_gov.sources.hosts import hosts, origin

TIME = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def gzipped(data: bytes) -> bytes:
    """Compress without a time stamp: cases must have the same name in every test process."""
    return gzip.compress(data, mtime=0)


NO_HTTP = record("response", b"no http", WARC_Target_URI="http://a.example/", Content_Type="application/http")


def classes(records: list[Record]) -> list[tuple[str, str, str | None]]:
    return [(one.type, one.outcome, one.reason) for one in records]


def test_a_plain_warc_gives_every_record_with_its_place() -> None:
    """Offset and length name the bytes of the record in the file."""
    first, second = request(), response(page())

    found = list(warc.records(first + second))

    assert classes(found) == [("request", "skipped", "request"), ("response", "document", None)]
    assert [(one.offset, one.length) for one in found] == [(0, len(first) - 4), (len(first), len(second) - 4)]
    assert (found[1].uri, found[1].http_status, found[1].fetched_at) == ("http://site.example/page", 200, TIME)
    assert (found[1].payload, found[1].media_type) == (page(), "text/html")


def test_a_zipped_warc_gives_the_places_of_its_members() -> None:
    """In a compressed file a record's place is that of its gzip member."""
    members = [gzipped(one) for one in (request(), response(page()))]

    found = list(warc.records(b"".join(members)))

    assert [(one.offset, one.length) for one in found] == [(0, len(members[0])), (len(members[0]), len(members[1]))]
    assert found[1].payload == page()


def test_records_that_share_a_member_share_its_place() -> None:
    """An archive compressed in one go is read; its records lie where the one member lies."""
    data = gzipped(request() + response(page()))

    found = list(warc.records(data))

    assert [(one.offset, one.length) for one in found] == [(0, len(data))] * 2
    assert found[1].payload == page()


def test_a_member_too_large_for_memory_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one member inflates to may exceed memory."""
    monkeypatch.setattr(members, "IN_MEMORY_BYTES", 1_000)
    body = page(text="x" * 5_000)

    found = list(warc.records(gzipped(request() + response(body))))

    assert [one.payload for one in found] == [None, body]


@pytest.mark.parametrize(
    ("kind", "headers", "outcome", "reason"),
    [
        ("warcinfo", {}, "skipped", "warcinfo"),
        ("metadata", {}, "skipped", "metadata"),
        ("revisit", {"WARC_Target_URI": "http://a.example/"}, "skipped", "revisit"),
        ("continuation", {}, "skipped", "continuation"),
        ("invented", {}, "skipped", "unknown"),
        ("resource", {"WARC_Target_URI": "metadata://crawler/log", "Content_Type": "text/plain"}, "skipped", "scheme"),
        ("resource", {"WARC_Target_URI": "http://a.example/x", "Content_Type": "image/png"}, "skipped", "content_type"),
        ("resource", {"WARC_Target_URI": "http://a.example/x", "Content_Type": "text/plain"}, "document", None),
        ("conversion", {"WARC_Target_URI": "<http://a.example/x>", "Content_Type": "text/plain"}, "document", None),
    ],
)
def test_each_record_type_has_its_outcome(kind: str, headers: dict[str, str], outcome: str, reason: str | None) -> None:
    """Only records that carry a page or a text become documents; the others say what they are."""
    (found,) = warc.records(record(kind, b"some text", **headers))

    assert (found.outcome, found.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("data", "outcome", "reason"),
    [
        (response(b"gone", status="404 Not Found"), "skipped", "status_404"),
        (response(b"", status="301 Moved"), "skipped", "status_301"),
        (response(b" \r\n"), "skipped", "empty"),
        (response(b"{}", content_type="application/json"), "skipped", "content_type"),
        (response(b"%PDF-1.7 \x00\x01\x02\xff", content_type=None), "skipped", "content_type"),
        (response(page(), content_type=None), "document", None),
        (response(page(), content_type="TEXT/HTML; charset=utf-8"), "document", None),
        (response(page(), uri="http://[half"), "document", None),
        (NO_HTTP, "rejected", "bad_http"),
    ],
)  # fmt: skip
def test_each_response_has_its_outcome(data: bytes, outcome: str, reason: str | None) -> None:
    """Status, type and emptiness decide before anything is extracted."""
    (found,) = warc.records(data)

    assert (found.outcome, found.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/robots.txt", "robots"),
        ("/robots.txt?x=1", "robots"),
        ("/ai.txt", "ai_txt"),
        ("/.well-known/tdmrep.json", "tdmrep"),
    ],
)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "503 Busy"])
def test_what_a_host_says_about_reuse_is_evidence(path: str, kind: str, status: str) -> None:
    """Opt-out files are evidence whatever their status: that one is missing says something too."""
    (found,) = warc.records(response(b"User-agent: *", f"https://site.example{path}", status=status))

    assert (found.outcome, found.reason, found.payload) == ("evidence", kind, b"User-agent: *")


def _bare(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(page()), page())),
        (b"Content-Encoding: gzip\r\n", gzipped(page())),
        (b"Content-Encoding: deflate\r\n", zlib.compress(page())),
        (b"Content-Encoding: deflate\r\n", _bare(page())),
        (b"Content-Encoding: zstd\r\n", zstandard.compress(page())),
        (b"Content-Encoding: gzip\r\n", page()),
        (b"Content-Encoding: br\r\n", page()),
        (b"Transfer-Encoding: chunked\r\n", page()),
        (b"Content-Encoding: invented\r\n", page()),
    ],
    ids=["chunked", "gzip", "zlib", "deflate", "zstd", "gzip undone", "br undone", "chunked undone", "unknown"],
)
def test_bodies_are_decoded_where_they_are_encoded(headers: bytes, body: bytes) -> None:
    """An encoding is undone; one whose marks are not in the body was undone by the crawler."""
    (found,) = warc.records(response(body, http=headers))

    assert found.payload == page()


def test_gzip_inside_of_chunks_is_decoded() -> None:
    """Encodings are undone from the outside."""
    inner = gzipped(page())
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)

    (found,) = warc.records(response(body, http=b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"))

    assert found.payload == page()


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (b"Content-Encoding: gzip\r\n", gzipped(page())[:-12], "truncated"),
        (b"Content-Encoding: gzip\r\n", gzipped(page())[:12] + b"damage" * 9, "bad_encoding"),
        (b"Content-Encoding: zstd\r\n", zstandard.FRAME_HEADER + b"damage", "bad_encoding"),
        (b"Transfer-Encoding: chunked\r\n", b"ff\r\nshort", "truncated"),
    ],
)
def test_a_body_that_cannot_be_decoded_is_rejected(headers: bytes, body: bytes, reason: str) -> None:
    """A damaged body is a reject with a class, and no payload."""
    (found,) = warc.records(response(body, http=headers))

    assert (found.outcome, found.reason, found.payload, found.http_status) == ("rejected", reason, None, 200)


def test_headers_about_rights_are_kept_and_others_are_not() -> None:
    """Only headers that speak of re-use leave the record, in a fixed order."""
    http = b"Set-Cookie: a=b\r\nX-Robots-Tag: noai\r\nTDM-Reservation: 1\r\n"
    http += b"Link: </l>; rel=license\r\nX-Robots-Tag: noindex\r\n"

    (found,) = warc.records(response(page(), http=http))

    assert found.headers == (
        ("link", "</l>; rel=license"),
        ("x-robots-tag", "noai"),
        ("x-robots-tag", "noindex"),
        ("tdm-reservation", "1"),
    )


@pytest.mark.parametrize(
    ("damaged", "expected"),
    [
        (b"WARC/1.0\r\nno header end\r\n", ["bad_record"]),
        (b"WARC/1.0\r\nWARC-Type: response\r\n\r\nno length\r\n\r\n", ["bad_record"]),
        (b"nobody's bytes\r\n", ["bad_record"]),
        (response(page(), length=50_000), ["bad_record"]),
        (response(page(), length=len(response(page()))), ["bad_record"]),
        (response(page(), length=60), [None, "bad_record"]),
    ],
    ids=["header", "no length", "junk", "length past the end", "length into the next", "length too short"],
)
def test_one_bad_record_does_not_end_a_plain_file(damaged: bytes, expected: list[str | None]) -> None:
    """The records before and after a damaged one are read."""
    good = response(page(), "http://site.example/good")

    found = list(warc.records(good + damaged + good))

    assert [one.reason for one in found] == [None, *expected, None]
    assert found[0].payload == found[-1].payload == page()


def test_one_bad_member_does_not_end_a_zipped_file() -> None:
    """A damaged gzip member is one reject; reading goes on at the next."""
    good, bad = zipped(response(page())), bytearray(zipped(response(page(text="other " * 99))))
    bad[len(bad) // 2] ^= 0xFF

    found = list(warc.records(good + bytes(bad) + good))

    assert [one.reason for one in found] == [None, "bad_gzip", None]
    assert (found[1].offset, found[1].length) == (len(good), len(bad))


@pytest.mark.parametrize("pack", [zipped, lambda *records: b"".join(records)], ids=["gzip", "plain"])
def test_a_cut_file_gives_what_is_whole(pack: object) -> None:
    """Of a file that ends early every whole record is read and the rest is one reject."""
    data = pack(request(), response(page(text="long " * 99)))[:-40]  # type: ignore[operator]

    found = list(warc.records(data))

    assert [one.reason for one in found] == ["request", "truncated"]


@pytest.mark.parametrize("magic", members.OTHER_COMPRESSION)
def test_another_compression_is_one_reject(magic: bytes) -> None:
    """A file in a compression that is not read is rejected as a whole, not searched for records."""
    (found,) = warc.records(magic + response(page()))

    assert (found.offset, found.outcome, found.reason) == (0, "rejected", "unsupported_compression")


LINES = b'\xef\xbb\xbf{"text":"one","meta":{"url":"http://a.example/"}}\r\n\n{"text":"two"}'


@pytest.mark.parametrize(
    "pack",
    [bytes, gzipped, zstandard.compress, lambda d: gzipped(d[:20]) + gzipped(d[20:])],
    ids=["plain", "gzip", "zstd", "two members"],
)
def test_lines_are_records_in_every_compression(pack: object) -> None:
    """Offset and length count in the decompressed file; blank lines and a byte-order mark are no records."""
    found = list(jsonl.records(pack(LINES), (("uri", "meta.url"),)))  # type: ignore[operator]

    assert [(one.offset, one.length, one.values["text"]) for one in found] == [(0, 54, "one"), (55, 14, "two")]
    assert [one.uri for one in found] == ["http://a.example/", None]
    assert found[0].payload == b'{"text":"one","meta":{"url":"http://a.example/"}}'


@pytest.mark.parametrize(
    ("line", "outcome", "reason"),
    [
        (b'{"text": 1}', "rejected", "json_field_type"),
        (b'{"body": "x"}', "rejected", "json_field_missing"),
        (b"[1]", "rejected", "json_not_object"),
        (b"{", "rejected", "json_syntax"),
        (b'{"text": NaN}', "rejected", "json_syntax"),
        (b"[" * 50_000, "rejected", "json_syntax"),
        (b'{"text": "\xff"}', "rejected", "undecodable"),
        (b'{"text": null}', "skipped", "empty"),
        (b'{"text": " "}', "skipped", "empty"),
    ],
)
def test_each_bad_line_has_its_class(line: bytes, outcome: str, reason: str) -> None:
    """A line that holds no text says why, and the next one is read."""
    bad, good = jsonl.records(line + b'\n{"text": "good"}\n', ())

    assert (bad.outcome, bad.reason, good.outcome) == (outcome, reason, "document")


def test_lone_surrogates_and_nul_do_not_reach_text() -> None:
    """What Arrow text cannot hold is replaced, not refused."""
    (found,) = jsonl.records(b'{"text": "a\\ud800b\\u0000c"}', ())

    assert found.values["text"] == "a\ufffdb\ufffdc"
    assert storable("fine") == "fine"


@pytest.mark.parametrize("compress", [gzipped, zstandard.compress], ids=["gzip", "zstd"])
def test_a_cut_compressed_delivery_ends_with_a_reject(compress: object) -> None:
    """Lines before the cut are read; that there was more is one reject."""
    data = compress(b"".join(b'{"text": "%d"}\n' % n for n in range(9)))[:-6]  # type: ignore[operator]

    found = list(jsonl.records(data, ()))

    assert (found[-1].outcome, found[-1].reason) == ("rejected", "truncated")


def test_a_line_longer_than_a_record_may_be_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line too long for memory is counted, not kept."""
    monkeypatch.setattr(jsonl, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(rows, "MAX_RECORD_BYTES", 100)

    long, short = jsonl.records(b'{"text": "%s"}\n{"text": "x"}' % (b"y" * 200), ())

    assert (long.reason, long.length, short.outcome) == ("too_large", 213, "document")


def piece(path: Path, *fields: tuple[str, str], first: int = 0, count: int | None = None) -> Piece:
    return Piece("source", str(path), "part.parquet", "00", "parquet", fields, first, count)


def test_parquet_columns_are_mapped(tmp_path: Path) -> None:
    """Names map to columns and into structs; times are read from text and from dates; numbers become text."""
    table = pa.table(
        {
            "body": ["first", None, " ", "a\x00b"],
            "meta": [{"u": "http://a.example/"}, None, {"u": ""}, {"u": None}],
            "day": ["2024-05-06T07:08:09Z", "2024-05-06T15:08:09+08:00", "soon", None],
            "fetched_at": pa.array([TIME.replace(tzinfo=None)] * 4, pa.timestamp("ms")),
            "grant": [7, 8, None, 9],
        }
    )
    pq.write_table(table, tmp_path / "part.parquet")

    (rows,) = parquet.rows(
        piece(
            tmp_path / "part.parquet",
            ("text", "body"),
            ("uri", "meta.u"),
            ("published_at", "day"),
            ("consent_ref", "grant"),
        )
    )

    found = rows.to_pydict()
    assert found["text"] == ["first", None, " ", "a\ufffdb"]
    assert found["outcome"] == ["document", "skipped", "skipped", "document"]
    assert found["uri"] == ["http://a.example/", None, None, None]
    assert found["published_at"] == [TIME, TIME, None, None]
    assert found["fetched_at"] == [TIME] * 4
    assert found["consent_ref"] == ["7", "8", None, "9"]
    assert found["delivery_ref"] == [f"part.parquet#{row}" for row in range(4)]


def test_parquet_text_that_is_no_utf8_is_rejected(tmp_path: Path) -> None:
    """A row whose bytes are no UTF-8 is a reject; the rows beside it are read."""
    pq.write_table(pa.table({"text": pa.array([b"good", b"\xff\xfe", b"fine"])}), tmp_path / "part.parquet")

    (rows,) = parquet.rows(piece(tmp_path / "part.parquet"))

    assert rows["outcome"].to_pylist() == ["document", "rejected", "document"]
    assert rows["reason"].to_pylist() == [None, "undecodable", None]
    assert rows["text"].to_pylist() == ["good", "", "fine"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_text_of_any_string_type_is_read(kind: pa.DataType, tmp_path: Path) -> None:
    """How a writer stores strings makes no difference."""
    pq.write_table(pa.table({"text": pa.array(["a", "b", "a"]).cast(kind)}), tmp_path / "part.parquet")

    (rows,) = parquet.rows(piece(tmp_path / "part.parquet"))

    assert rows["text"].to_pylist() == ["a", "b", "a"]


@pytest.mark.parametrize(("field", "reason"), [("absent", "column_missing"), ("number", "column_type")])
def test_a_parquet_file_without_text_is_one_reject_a_row_group(field: str, reason: str, tmp_path: Path) -> None:
    """A missing or numeric text column is a reject that counts the rows lost."""
    pq.write_table(pa.table({"number": [1, 2, 3]}), tmp_path / "part.parquet")

    (rows,) = parquet.rows(piece(tmp_path / "part.parquet", ("text", field)))

    assert rows.select(["record_offset", "record_length", "outcome", "reason"]).to_pylist() == [
        {"record_offset": 0, "record_length": 3, "outcome": "rejected", "reason": reason}
    ]


def test_a_damaged_row_group_does_not_end_the_file(tmp_path: Path) -> None:
    """The row groups before and after a damaged one are read."""
    path = tmp_path / "part.parquet"
    pq.write_table(
        pa.table({"text": [f"row {n} " * 9 for n in range(30)]}), path, row_group_size=10, compression="zstd"
    )
    column = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + 8 : column.data_page_offset + 40] = b"\xff" * 32
    path.write_bytes(bytes(data))

    found = [row for batch in parquet.rows(piece(path)) for row in batch.to_pylist()]

    assert [row["record_offset"] for row in found] == [*range(10), 10, *range(20, 30)]
    assert (found[10]["reason"], found[10]["record_length"]) == ("bad_row_group", 10)


def test_row_groups_are_cut_into_pieces_of_about_one_size(tmp_path: Path) -> None:
    """Every row group is in exactly one piece, in order."""
    path = tmp_path / "part.parquet"
    pq.write_table(pa.table({"text": ["x" * 99] * 100}), path, row_group_size=10, use_dictionary=False)

    ranges = parquet.groups(str(path), piece_bytes=2_500)

    assert [group for first, count in ranges for group in range(first, first + count)] == list(range(10))
    assert len(ranges) > 2
    assert parquet.groups(str(tmp_path / "absent"), 1) == [(0, 1)]


def test_hosts_are_lower_case_and_in_idna_form() -> None:
    """Host and registered domain come from the URI alone, by the suffix list that is installed."""
    uris = [
        "HTTP://User@WWW.Example.CO.UK:8080/a",
        "https://例子.中国/",
        "http://10.1.2.3/",
        "urn:x",
        None,
        "http://[::1]/",
        "http://a.b.invented/",
        "http://localhost/",
    ]

    host, domain = hosts(pa.array(uris, pa.large_string()))

    assert host.to_pylist() == [
        "www.example.co.uk",
        "xn--fsqu00a.xn--fiqs8s",
        "10.1.2.3",
        None,
        None,
        "[::1]",
        "a.b.invented",
        "localhost",
    ]
    assert domain.to_pylist() == ["example.co.uk", "xn--fsqu00a.xn--fiqs8s", None, None, None, None, "b.invented", None]


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://A.example:443/robots.txt", "a.example"),
        ("http://a.example:443/robots.txt", "a.example:443"),
        ("http://[::1]:81/", "[::1]:81"),
        ("http://a.example:port/", None),
        (None, None),
    ],
)
def test_an_origin_keeps_a_port_that_is_not_the_schemes_own(uri: str | None, host: str | None) -> None:
    """Opt-out files count for one port: the scheme's own is left out."""
    assert origin(uri) == host


@pytest.mark.parametrize("value", ["soon", "2024-13-01", "", None, 5, "9999-12-31T23:59:59-10:00"])
def test_what_is_no_time_is_null(value: object) -> None:
    """A bad date does not stop a record."""
    assert instant(value) is None
