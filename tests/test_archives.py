"""WARC and ARC files in every compression, damaged ones, hostile ones, and revisits."""

import bz2
import gzip
import io
import json
import lzma
import mmap
import random
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
import small_corpus
import zstandard
from fastwarc.stream_io import BrotliWriter, Lz4Writer
from hypothesis import given
from hypothesis import strategies as st
from small_warc import page, record, request, response, zipped

from corpus_gov import artefacts, intake
from corpus_gov.engine import Engine
from corpus_gov.sources import Record, bodies, frames, members, revisits, warc
from corpus_gov.stages import read_shard
from corpus_gov.workspace import open_workspace


class Kept(io.BytesIO):
    """A file whose bytes are there after it was closed."""

    def close(self) -> None:
        """Stay open."""


def lz4(data: bytes) -> bytes:
    """Compress as one lz4 frame."""
    out = Kept()
    with Lz4Writer(out) as writer:
        writer.write(data)
    return out.getvalue()


def brotli(data: bytes) -> bytes:
    out = Kept()
    with BrotliWriter(out) as writer:
        writer.write(data)
    return out.getvalue()


def gz(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


COMPRESS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": gz,
    "zstd": zstandard.compress,
    "lz4": lz4,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
PACK: Final[dict[str, Callable[..., bytes]]] = {
    "plain": lambda *records: b"".join(records),
    **{f"{name}, a member each": lambda *r, c=c: b"".join(map(c, r)) for name, c in COMPRESS.items()},
    **{f"{name}, one member": lambda *r, c=c: c(b"".join(r)) for name, c in COMPRESS.items()},
}
packed = pytest.mark.parametrize("pack", PACK.values(), ids=PACK.keys())


def said(records: list[Record]) -> list[tuple[str, str | None]]:
    return [(one.outcome, one.reason) for one in records]


def covered(data: bytes) -> int:
    """Count the bytes that lie in frames; no two of them share one in part."""
    places = sorted({(one.offset, one.length) for one in warc.records(data)})
    assert all(first + length <= second for (first, length), (second, _) in pairwise(places))
    return sum(length for _, length in places)


# Formats


@packed
def test_every_compression_gives_the_same_records(pack: Callable[..., bytes]) -> None:
    """How an archive is compressed changes the places of its records and nothing else."""
    data = pack(request(), response(page()), response(page("Other"), "http://site.example/other"))

    found = list(warc.records(data))

    assert said(found) == [("skipped", "request"), ("document", None), ("document", None)]
    assert [one.payload for one in found] == [None, page(), page("Other")]


@packed
def test_a_member_too_large_for_memory_gives_the_same_records(
    pack: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window over what a member inflates to finds what is found in the whole."""
    parts = [response(page(text="x" * 3_000), f"http://site.example/{n}") for n in range(20)]
    data = pack(*parts[:9], b"nobody's bytes\r\n", *parts[9:], response(page(), length=9_999_999))
    expected = [(one.outcome, one.reason, one.uri, one.payload) for one in warc.records(data)]
    for name, value in (("IN_MEMORY_BYTES", 100), ("OUT", 700)):
        monkeypatch.setattr(members, name, value)
    for name, value in (("CHUNK", 100), ("REACH", 200), ("RELEASE_BYTES", 1_000)):
        monkeypatch.setattr(frames, name, value)

    found = list(warc.records(data))

    assert [(one.outcome, one.reason, one.uri, one.payload) for one in found] == expected
    assert len(expected) == 22


@pytest.mark.parametrize("version", ["0.17", "0.18", "1.0", "1.1"])
def test_every_version_of_warc_is_read(version: str) -> None:
    """Versions differ in fields that are not asked for."""
    (found,) = warc.records(response(page()).replace(b"WARC/1.0", f"WARC/{version}".encode()))

    assert (found.outcome, found.payload) == ("document", page())


DICTIONARY: Final = zstandard.train_dictionary(2_048, [response(page(str(n), "a b c " * n)) for n in range(300)])


@pytest.mark.parametrize("pack_dictionary", [bytes, zstandard.compress], ids=["plain", "compressed"])
def test_a_zstd_archive_has_its_dictionary_in_its_first_frame(pack_dictionary: Callable[[bytes], bytes]) -> None:
    """The dictionary is read from the skippable frame that the convention names."""
    raw = pack_dictionary(DICTIONARY.as_bytes())
    compress = zstandard.ZstdCompressor(dict_data=DICTIONARY).compress
    data = b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw + compress(request()) + compress(response(page()))

    found = list(warc.records(data))

    assert said(found) == [("skipped", "request"), ("document", None)]
    assert covered(data) == len(data) - 8 - len(raw)


def test_a_damaged_dictionary_makes_each_frame_a_reject() -> None:
    """Without its dictionary a frame cannot be read, and says so."""
    compress = zstandard.ZstdCompressor(dict_data=DICTIONARY).compress
    raw = zstandard.FRAME_HEADER + b"no frame at all"
    data = b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw + compress(response(page())) * 2

    found = list(warc.records(data))

    assert set(said(found)) == {("rejected", "bad_zstd")}
    assert covered(data) == len(data) - 8 - len(raw)


ARC_1: Final = b"filedesc://a.arc 0.0.0.0 20140216050221 text/plain 75\n1 0 LiveWeb Capture\n"
ARC_1_REST: Final = b"URL IP-address Archive-date Content-type Archive-length\n\n"


def arc(uri: str, block: bytes, rest: str = "text/html", date: str = "20140216050221") -> bytes:
    return f"{uri} 10.0.0.1 {date} {rest} {len(block)}\n".encode() + block + b"\n"


HTML: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page()
V2: Final = "text/html 200 - - 150 a.arc.gz"


@packed
@pytest.mark.parametrize("rest", ["text/html", V2], ids=["version 1", "version 2"])
def test_arc_records_are_read(rest: str, pack: Callable[..., bytes]) -> None:
    """Both versions of the line that starts a record are read, in every compression."""
    data = pack(ARC_1 + ARC_1_REST, arc("http://a.example/1", HTML, rest), arc("dns:a.example", b"10.0.0.1", rest))

    header, found, other = warc.records(data)

    assert (header.type, header.outcome, header.reason) == ("arc_header", "skipped", "arc_header")
    assert (found.uri, found.payload, found.http_status) == ("http://a.example/1", page(), 200)
    assert str(found.fetched_at) == "2014-02-16 05:02:21+00:00"
    assert (other.outcome, other.reason) == ("skipped", "scheme")


def test_an_arc_record_without_http_headers_is_its_body() -> None:
    """Some crawlers kept the body alone; its type stands in the line."""
    _, plain, typed, spaced = warc.records(
        ARC_1
        + ARC_1_REST
        + arc("http://a.example/1", b"some text", "text/plain")
        + arc("http://a.example/2", b"some text", "text/plain; charset=gbk 200 - - 9 a.arc")
        + arc("http://a.example/a b", page())
    )

    assert (plain.media_type, plain.payload) == ("text/plain", b"some text")
    assert (typed.media_type, typed.charset) == ("text/plain", "gbk")
    assert (spaced.uri, spaced.outcome) == ("http://a.example/a b", "document")


@pytest.mark.parametrize(
    "damage",
    [b"http://a.example/ 10.0.0.1 20140216050221 text/html -1\n\n", b"http://a.example/ 1 2014 text/html 9\n\n"],
    ids=["length", "date"],
)
def test_a_bad_arc_record_does_not_end_the_file(damage: bytes) -> None:
    """The next line that starts a record is found."""
    good = arc("http://a.example/1", HTML)
    data = ARC_1 + ARC_1_REST + good + damage + good

    assert [one.reason for one in warc.records(data)] == ["arc_header", None, "bad_record", None]


def test_a_segmented_record_is_rejected() -> None:
    """A first segment is not the page."""
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page()
    headers = {"WARC_Target_URI": "http://a.example/", "Content_Type": "application/http", "WARC_Segment_Number": "1"}

    assert said(list(warc.records(record("response", block, **headers)))) == [("rejected", "segmented")]


# Samples

EXPLAINED: Final = {
    # warcio takes a length that is no number for 0. Two of three records and the header say -1 or abc.
    "bad.arc": {"arc_header": (1, 0), "response": (3, 1), "rejected bad_record": (0, 3)},
    # warcio refuses records that share a gzip member; there are six.
    "example-bad.warc.gz.bad": {
        "response": (0, 2),
        "request": (0, 2),
        "revisit": (0, 1),
        "http_200": (0, 1),
        "http_302": (0, 1),
        "ct_text/html": (0, 2),
    },
    # The Content-Length of the second request is one byte short: that byte belongs to nobody.
    "example.warc": {"rejected bad_record": (0, 1)},
}
"""What differs from warcio's counts, theirs and ours, and why."""


@pytest.mark.data
def test_odd_files_give_the_expected_records(shared_data: Path) -> None:
    """Types, status and media types are counted as warcio counts them, but for what is explained."""
    folder = shared_data / "02_warc_samples"
    differing = {}
    for one in json.loads((folder / "expected_records.json").read_text()):
        data = (folder / one["file"]).read_bytes()
        found: Counter[str] = Counter()
        for each in warc.records(data):
            found[each.type if each.type != "unknown" else f"{each.outcome} {each.reason}"] += 1
            if each.http_status and each.type == "response":
                found.update((f"http_{each.http_status}", f"ct_{each.media_type or '?'}"))
        names = {*found, *one["records"]}
        pairs = {name: (one["records"].get(name, 0), found[name]) for name in names}
        if wrong := {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}:
            differing[one["file"]] = wrong
    assert differing == EXPLAINED


@pytest.mark.data
def test_the_sample_in_lz4_has_the_records_of_the_plain_one(shared_data: Path) -> None:
    """The one sample that has no expected counts is a copy of another."""
    folder = shared_data / "02_warc_samples"
    plain, packed_ = (
        [(one.type, one.uri, one.outcome, one.reason, one.payload) for one in warc.records(file.read_bytes())]
        for file in (folder / "resiliparse-warcfile.warc", folder / "resiliparse-warcfile.warc.lz4")
    )

    assert plain == packed_
    assert len(plain) == 50


@pytest.mark.data
def test_a_wet_file_gives_texts_and_a_wat_file_none(shared_data: Path) -> None:
    """Extracted texts are documents of plain text; extracted metadata are skipped as such."""
    folder = shared_data / "02_warc_samples"
    wet, wat = (list(warc.records((folder / f"whirlwind.warc.{name}.gz").read_bytes()))[1:] for name in ("wet", "wat"))

    assert [(one.type, one.outcome, one.media_type) for one in wet] == [("conversion", "document", "text/plain")]
    assert [(one.type, one.outcome, one.reason) for one in wat] == [("metadata", "skipped", "metadata")]


# Damage


GOOD: Final = response(page(), "http://site.example/good")


@pytest.mark.parametrize(
    ("damaged", "expected"),
    [
        (response(page(), length=-5), ["bad_record"]),
        (response(page()).replace(b"Content-Length: ", b"Content-Length: 99999999999999999999"), ["bad_record"]),
        (response(page(), length=10**15), ["bad_record"]),
        (response(page()).replace(b"Content-Length: ", b"Content-Length: x"), ["bad_record"]),
        (b"WARC/1.0\r\n" + b"X-Long: " + b"y" * 200_000 + b"\r\n\r\n", ["bad_record"]),
        (b"WARC/1.0\r\n" + b"X: y\r\n" * 50_000, ["bad_record"]),
        (response(page()).replace(b"\r\n", b"\r"), ["bad_record"]),
        (b"\x00" * 70_000, []),
        (b"\r\n\r\n\x00\r\n", []),
        (response(page()).rstrip(), [None]),
        (response(page()).replace(b"\r\nWARC-Type", "\r\nX-Ünïcode: é\r\nWARC-Type".encode("latin-1")), [None]),
        (response(page()).replace(b"WARC-Type: response", b"WARC-Type:\r\n response"), [None]),
        (response(page(), http=b"no colon\r\nX: \xff\xfe\r\n folded\r\n"), [None]),
        (b"HTTP/1.1 200 OK\r\n\r\nnot a record\r\n", ["bad_record"]),
    ],
    ids=[
        *("negative", "too many digits", "huge", "no number", "endless line", "endless header", "lone CR"),
        *("NUL padding", "odd padding", "no separator", "not ASCII", "folded", "odd HTTP header", "no WARC header"),
    ],
)  # fmt: skip
def test_one_odd_record_does_not_end_a_file(damaged: bytes, expected: list[str | None]) -> None:
    """The records around damage are read, and every byte but padding lies in a frame."""
    data = GOOD + damaged + GOOD

    found = list(warc.records(data))

    assert [one.reason for one in found] == [None, *expected, None]
    assert found[0].payload == found[-1].payload == page()


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "bz2"])
def test_a_damaged_member_is_one_reject_and_the_next_is_read(name: str) -> None:
    """Every compression finds its next member again."""
    compress = COMPRESS[name] if name != "zstd" else zstandard.ZstdCompressor(write_checksum=True).compress
    noise = random.Random(1).randbytes(3_000)
    good, bad = compress(GOOD), bytearray(compress(response(noise, content_type="text/plain")))
    # Most lz4 has no checksum: only a frame that cannot be one is seen to be damaged.
    bad[4 if name == "lz4" else len(bad) // 2] ^= 0xFF
    data = good + bytes(bad) + good

    found = list(warc.records(data))

    assert [one.outcome for one in found] == ["document", "rejected", "document"]
    assert found[1].reason == f"bad_{name}"
    assert covered(data) == len(data)


@pytest.mark.parametrize("name", COMPRESS)
def test_a_cut_archive_gives_what_is_whole(name: str) -> None:
    """The members before a cut are read, and the cut one is one reject."""
    member = COMPRESS[name](GOOD)
    data = member * 2 + member[: len(member) // 2]

    found = list(warc.records(data))

    assert said(found)[:2] == [("document", None)] * 2
    assert said(found)[2:] == [("rejected", "truncated")]
    assert covered(data) == len(data)


def test_whole_records_of_a_cut_member_are_read() -> None:
    """An archive compressed in one go and cut gives its first records."""
    noise = [response(random.Random(n).randbytes(40_000).hex().encode(), content_type="text/plain") for n in range(9)]
    data = gz(b"".join(noise))

    found = list(warc.records(data[: len(data) // 2]))

    assert said(found) == [("document", None)] * 4 + [("rejected", "truncated")]


def test_a_record_longer_than_may_be_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into a worker is a reject by its length, and an archive inside of it is not read."""
    monkeypatch.setattr(frames, "MAX_RECORD_BYTES", 5_000)
    data = GOOD + response(b"x" * 9_000 + b"\r\n" + GOOD * 2) + GOOD

    assert [one.reason for one in warc.records(data)] == [None, "too_large", None]
    assert covered(data) == len(data) - 3 * 4


@pytest.mark.parametrize("rewinds", [16, 0])
def test_a_lie_about_a_great_length_is_found_in_a_stream(rewinds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that is too large for memory is opened again where a length was a lie, so long as it may be."""
    for name, value in (("MAX_RECORD_BYTES", 5_000), ("CHUNK", 100), ("REACH", 200), ("RELEASE_BYTES", 1_000)):
        monkeypatch.setattr(frames, name, value)
    monkeypatch.setattr(frames, "MAX_REWINDS", rewinds)
    monkeypatch.setattr(members, "IN_MEMORY_BYTES", 100)
    data = gz(GOOD + response(b"x", length=9_000) + GOOD * 30)

    found = [one.reason for one in warc.records(data)]

    assert found[:2] == [None, "bad_record" if rewinds else "too_large"]
    assert found.count(None) == 31 if rewinds else found[-1] is None


# Hostile input: limits count work


def lying_window() -> bytes:
    """Return a zstd frame that asks for a window of 1.75 TB."""
    return zstandard.FRAME_HEADER + bytes([0x00, 0xF7]) + b"\x01\x00\x00"


BOMBS: Final = {
    "gzip": lambda: gz(b"\x00" * (400 << 20)),
    "zstd": lambda: zstandard.compress(b"\x00" * (400 << 20)),
    "zstd window": lying_window,
    "bz2": lambda: bz2.compress(b"\x00" * (280 << 20)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_one_reject_and_the_next_member_is_read(name: str) -> None:
    """A member that inflates beyond all measure is given up, and the file goes on."""
    good = COMPRESS[name.partition(" ")[0]](GOOD)

    found = list(warc.records(good + BOMBS[name]() + good))

    assert said(found) == [("document", None), ("rejected", "too_large"), ("document", None)]


HOSTILE: Final = {
    "versions": lambda: b"WARC/1.0\r\n" * 60_000,
    "headers that never end": lambda: (b"WARC/1.0\r\n" + b"a:b\r\n" * 9) * 40_000,
    "lies": lambda: b"WARC/1.0\r\nContent-Length: 1500000\r\n\r\n" * 50_000,
    "carriage returns": lambda: b"WARC/1.0\r\n" + b"\r" * 2_000_000,
    "carriage returns in a body": lambda: response(b"\r" * 2_000_000),
    "blank lines": lambda: b"\r\n" * 1_000_000 + GOOD,
    "folded lines": lambda: response(page(), http=b"X: y\r\n" + b" z\r\n" * 200_000),
    "spaces": lambda: b"WARC/1.0" + b" " * 2_000_000,
    "ARC lines": lambda: ARC_1 + ARC_1_REST + (b"a:" + b" 1 12345678" * 700 + b" !\n") * 250,
    "gzip headers": lambda: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" * 100_000,
    "gzip members that run on": lambda: (gz(b"")[:10] + b"\x00\x0a\x00\xf5\xff") * 60_000,
    "zstd blocks": lambda: zstandard.FRAME_HEADER + b"\x00\x58" + b"\x00\x00\x00" * 400_000,
    "zstd frames that run on": lambda: (zstandard.FRAME_HEADER + b"\x00\x58\x48\x00\x00") * 40_000,
    "empty members": lambda: gz(b"") * 20_000,
    "skippable frames": lambda: zstandard.compress(GOOD) + b"\x50\x2a\x4d\x18\x00\x00\x00\x00" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_work_is_linear_in_hostile_bytes(name: str) -> None:
    """No arrangement of up to two megabytes takes more than seconds."""
    data = HOSTILE[name]()
    started = time.process_time()

    records = sum(1 for _ in warc.records(data))

    assert records <= len(data)
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n", "truncated"),
        (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\nnot a size\r\n", "bad_encoding"),
        (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\nx", "truncated"),
        (b"Content-Encoding: gzip\r\n", gz(page()) + gz(page())[:-3], "truncated"),
        (b"Content-Encoding: zstd\r\n", zstandard.compress(page())[:-3], "truncated"),
        (b"Content-Encoding: zstd\r\n", lying_window(), "too_large"),
        (b"Content-Encoding: br\r\n", brotli(page())[:-3], "bad_encoding"),
        (b"Content-Encoding: " + b"gzip, " * 9 + b"gzip\r\n", page(), "bad_encoding"),
    ],
    ids=["no last chunk", "bad chunk", "huge chunk", "cut member", "cut zstd", "zstd window", "cut br", "many"],
)
def test_a_body_that_ends_early_or_asks_too_much_is_rejected(headers: bytes, body: bytes, reason: str) -> None:
    """Part of a page is not the page."""
    (found,) = warc.records(response(body, http=headers))

    assert (found.outcome, found.reason, found.payload) == ("rejected", reason, None)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gz), ("br", brotli), ("zstd", zstandard.compress)])
def test_a_body_that_inflates_beyond_a_record_is_rejected(
    encoding: str, compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one body may become is bounded."""
    monkeypatch.setattr(bodies, "MAX_RECORD_BYTES", 10_000)

    (found,) = warc.records(response(compress(b"a" * 20_000), http=f"Content-Encoding: {encoding}\r\n".encode()))

    assert (found.outcome, found.reason) == ("rejected", "too_large")


def test_chunks_may_have_extensions_and_trailers() -> None:
    """What servers may add to chunks is no part of the page, and neither are several gzip members."""
    half = len(page()) // 2
    first, second = page()[:half], page()[half:]
    chunks = b"%x;a=b\r\n%s\r\n%x \r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(first), first, len(second), second)

    (chunked,) = warc.records(response(chunks, http=b"Transfer-Encoding: chunked\r\n"))
    (twice,) = warc.records(response(gz(first) + gz(second), http=b"Content-Encoding: gzip\r\n"))

    assert chunked.payload == twice.payload == page()


# Every byte is accounted for

PARTS: Final = (
    *(GOOD, request(), response(page("Ω"), length=60), response(page(), length=5_000), b"junk\r\n", b"WARC/1.0\r\n"),
    *(b"\r\n", b"\x00" * 9, GOOD[:-90], GOOD.rstrip(), b"WARC/1.0\r\nContent-Length: 3\r\n\r\nabc", b"\r", b"\n", b"x"),
    *(b"WARC/1.1\nContent-Length: 0\n\n", arc("http://a.example/", HTML), ARC_1 + ARC_1_REST),
)


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=30), max_size=9).map(b"".join))
def test_every_byte_of_a_plain_file_is_in_a_frame_or_padding(data: bytes) -> None:
    """The lengths of frames and padding add up to the size of the file."""
    places = [(one.offset, one.length) for one in warc.records(data)] if data else []
    padding, at = b"", 0
    for offset, length in places:
        assert offset >= at
        padding += data[at:offset]
        at = offset + length
    padding += data[at:]

    assert not padding.strip(b"\r\n\x00")
    assert sum(length for _, length in places) + len(padding) == len(data)


MEMBERS: Final = {
    name: [compress(part) for part in PARTS if part.strip(b"\r\n\x00")] for name, compress in COMPRESS.items()
}


@given(st.data())
def test_every_byte_of_a_compressed_file_is_in_a_frame_or_padding(draw: st.DataObject) -> None:
    """Whatever is cut, changed or put between members, frames cover all but NULs."""
    name = draw.draw(st.sampled_from(sorted(MEMBERS)))
    picked = draw.draw(st.lists(st.sampled_from(MEMBERS[name]) | st.binary(min_size=1, max_size=9), max_size=5))
    data = bytearray(MEMBERS[name][0] + b"".join(picked))
    for place in draw.draw(st.lists(st.integers(20, max(20, len(data) - 1)), max_size=3)):
        if place < len(data):
            data[place] ^= draw.draw(st.integers(1, 255))
    kept = bytes(data[: draw.draw(st.integers(20, len(data)))])
    places = sorted({(one.offset, one.length) for one in warc.records(kept)})

    rest = bytearray(kept)
    for offset, length in reversed(places):
        del rest[offset : offset + length]

    assert not padding_of(bytes(rest), name)


def padding_of(rest: bytes, name: str) -> bytes:
    """Return what of the bytes outside of frames is no padding: NULs, members of nothing, skippable frames."""
    try:
        emptied = b"" if not rest.strip(b"\x00") else b"".join(frame.data for frame in members.frames_of(rest))
    except ValueError:
        return rest
    return emptied if name else rest


@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_end_the_reading(noise: bytes, place: int, value: int) -> None:
    """A file that is damaged anywhere gives records and never an exception."""
    for pack in PACK.values():
        data = bytearray(pack(GOOD, arc("http://a.example/", HTML), GOOD))
        data[place % len(data)] = value
        data[place % len(data) : place % len(data)] = noise
        assert all(one.outcome in {"document", "skipped", "rejected"} for one in warc.records(bytes(data)))


# Revisits

SHA1: Final = "sha1:B2LTWWPUOYAH7UIPQ7ZUPQ4VMBSVC36A"
SAME: Final = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
UNMODIFIED: Final = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
URI: Final = "http://site.example/page"


def original(http: bytes = b"X-Robots-Tag: noai\r\nLink: </l>; rel=license\r\n", **headers: str) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=gbk\r\n" + http + b"\r\n" + page()
    given_ = {"WARC_Target_URI": URI, "Content_Type": "application/http; msgtype=response"} | headers
    return record("response", block, **given_)


def revisit(head: bytes = b"", uri: str = URI, profile: str = SAME, **headers: str) -> bytes:
    given_ = {"WARC_Target_URI": uri, "WARC_Profile": profile, "Content_Type": "application/http; msgtype=response"}
    return record("revisit", head, **(given_ | {"WARC_Date": "2025-01-01T00:00:00Z"} | headers))


WAYS: Final = {
    "record id": ({"WARC_Record_ID": "<urn:a>"}, {"WARC_Refers_To": "<urn:a>"}),
    "address and time": (
        {"WARC_Date": "2024-05-06T07:08:09Z"},
        {"WARC_Refers_To_Target_URI": URI, "WARC_Refers_To_Date": "2024-05-06T07:08:09Z"},
    ),
    "digest": ({"WARC_Payload_Digest": SHA1}, {"WARC_Payload_Digest": SHA1.lower()}),
}


@packed
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("late", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("uri", [URI, "http://mirror.example/"])
def test_a_revisit_has_the_body_of_its_original(
    uri: str,
    late: int,
    way: str,
    pack: Callable[..., bytes],
) -> None:
    """Wherever in the file the original lies, its body is read at the address and time of the revisit."""
    given_, refers = WAYS[way]
    records = [request(), original(**given_), revisit(uri=uri, **refers)]

    found = list(warc.records(pack(*(reversed(records) if late else records))))

    (again,) = [one for one in found if one.type == "revisit"]
    assert (again.outcome, again.uri, again.payload, again.charset) == ("document", uri, page(), "gbk")
    assert (again.fetched_at and again.fetched_at.year, again.http_status) == (2025, 200)


@pytest.mark.parametrize("way", WAYS)
def test_a_revisit_without_its_original_is_skipped(way: str) -> None:
    """What is not at hand is not invented."""
    elsewhere = {"WARC_Refers_To_Target_URI": "http://x.example/", "WARC_Refers_To_Date": "2001-01-01T00:00:00Z"}

    found = list(warc.records(response(page()) + revisit(**(WAYS[way][1] | elsewhere))))

    assert said(found)[1] == ("skipped", "revisit")


def test_a_revisit_of_a_revisit_is_skipped() -> None:
    """A revisit has no body that another one could mean."""
    found = list(warc.records(revisit(WARC_Record_ID="<urn:a>") + revisit(WARC_Refers_To="<urn:a>")))

    assert said(found) == [("skipped", "revisit")] * 2


def test_headers_of_a_revisit_are_its_own() -> None:
    """What the server said the second time about rights counts for the second time."""
    head = b"HTTP/1.1 200 OK\r\nX-Robots-Tag: all\r\n\r\n"

    _, found = warc.records(original(WARC_Record_ID="<urn:a>") + revisit(head, WARC_Refers_To="<urn:a>"))

    assert (found.http_status, found.headers) == (200, (("x-robots-tag", "all"),))


def test_not_modified_keeps_the_headers_that_it_does_not_repeat() -> None:
    """A 304 updates headers; it is judged by the status of what it confirms."""
    head = b"HTTP/1.1 304 Not Modified\r\nX-Robots-Tag: all\r\n\r\n"
    empty = "sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"
    again = revisit(head, profile=UNMODIFIED, WARC_Refers_To="<urn:a>", WARC_Payload_Digest=empty)

    _, found = warc.records(original(WARC_Record_ID="<urn:a>") + again)

    assert (found.outcome, found.http_status, found.payload) == ("document", 200, page())
    assert found.headers == (("link", "</l>; rel=license"), ("x-robots-tag", "all"))


def test_a_revisit_of_robots_txt_is_evidence() -> None:
    """That a host's opt-out file is unchanged is evidence for the later time."""
    uri = "https://site.example/robots.txt"
    digest = {"WARC_Payload_Digest": SHA1}

    _, found = warc.records(original(**digest, WARC_Target_URI=uri) + revisit(uri=uri, **digest))

    assert (found.outcome, found.reason, found.payload) == ("evidence", "robots", page())


def test_originals_in_other_files_are_found_by_their_places(tmp_path: Path) -> None:
    """Places found in one file serve the revisits of another; a file that has changed since serves none."""
    other = tmp_path / "other.warc.gz"
    other.write_bytes(zipped(request(), original(WARC_Payload_Digest=SHA1)))
    data = revisit(WARC_Payload_Digest=SHA1)
    wanted = revisits.wanted(data)
    places = revisits.places(other.read_bytes(), wanted)
    known = {key: revisits.Place(place.offset, place.ordinal, str(other)) for key, place in places.items()}

    (found,) = warc.records(data, revisits.Originals(data, known))
    other.write_bytes(zipped(request(), request(), request()))
    (changed,) = warc.records(data, revisits.Originals(data, known))

    assert (found.outcome, found.payload) == ("document", page())
    assert (changed.outcome, changed.reason) == ("skipped", "revisit")


def test_looking_for_originals_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member read again and again for its records is given up; revisits stay what they are."""
    monkeypatch.setattr(revisits, "FREE_WORK", 0)
    monkeypatch.setattr(revisits, "WORK_RATIO", 10)
    data = gz(original(WARC_Payload_Digest=SHA1) + revisit(WARC_Payload_Digest=SHA1) * 500)

    found = Counter(said(list(warc.records(data))))

    assert found["skipped", "revisit"] > 400
    assert found["document", None] > 1


def test_pages_of_a_mapped_file_are_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped file is read to its end though what lies behind is let go."""
    monkeypatch.setattr(frames, "RELEASE_BYTES", mmap.PAGESIZE)
    path = tmp_path / "a.warc"
    path.write_bytes(GOOD * 500)

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = list(warc.records(data))

    assert [one.payload for one in found] == [page()] * 500


DOSSIER: Final = """\
source_id: crawl
kind: self_collected
title: Crawl in two files
legal_basis: statutory_exception
inputs: ["inputs/*.warc.gz"]
collector: {agent: examplebot/1.0, period: {first: 2026-10-05, last: 2026-10-06}, robots_policy: not_recorded}
responsible: tests
data_class: web text
data_grade: general
assessments:
  before: {day: 2026-10-01, by: tests, outcome: passed, reference: T-1}
"""


def test_an_intake_resolves_revisits_across_the_files_of_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revisit finds its original in another file of the batch or of an earlier one; each is a capture."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    folder, inputs_ = tmp_path / "w", tmp_path / "w" / "inputs"
    workspace = small_corpus.make(folder, tmp_path)
    for name in (folder / "sources").iterdir():
        name.unlink()
    (folder / "sources" / "crawl.yaml").write_text(DOSSIER)
    inputs_.mkdir()
    mirror = {"WARC_Refers_To_Target_URI": URI, "WARC_Refers_To_Date": "2024-05-06T07:08:09Z"}
    text = page(text="The ferry leaves from the old pier at six in the morning and returns before dark.")
    (inputs_ / "a.warc.gz").write_bytes(
        zipped(revisit(WARC_Payload_Digest=SHA1), revisit(uri="http://x.example/", WARC_Refers_To="<urn:x>"))
    )
    (inputs_ / "b.warc.gz").write_bytes(
        zipped(original(WARC_Payload_Digest=SHA1), response(text, "http://site.example/ferry"))
    )

    with Engine(workers=1) as engine:
        intake.ingest(open_workspace(workspace.url), engine)
        (inputs_ / "c.warc.gz").write_bytes(zipped(revisit(uri="http://mirror.example/", **mirror)))
        intake.ingest(open_workspace(workspace.url), engine)
    opened = open_workspace(workspace.url)
    rows = [
        row
        for shard in opened.shards()
        for row in artefacts.decode(read_shard(opened.store, shard, "captures")).to_pylist()
    ]

    outcomes = Counter((row["record_file"], row["record_type"], row["outcome"], row["reason"]) for row in rows)
    assert outcomes["a.warc.gz", "revisit", "skipped", "revisit"] == 1
    assert outcomes["c.warc.gz", "revisit", "document", None] == 1
    same = [row for row in rows if row["uri"] == URI]
    assert sorted(row["outcome"] for row in same) == ["document", "repeat"]
    assert len({row["doc_id"] for row in same}) == 1
    assert len(rows) == 5
