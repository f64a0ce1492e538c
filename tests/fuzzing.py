"""Damaged inputs of every format, each made again by seed, format and number; what has to hold of whatever is read."""

import bz2
import gzip
import io
import json
import logging
import lzma
import random
import re
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from fastwarc.stream_io import BrotliWriter, Lz4Writer
from mutations import Damage
from small_corpus import TOPICS
from small_warc import record, request, response

from corpus_gov import artefacts, ingest, originals, pieces, schemas
from corpus_gov.config import Dossier
from corpus_gov.errors import IntegrityError
from corpus_gov.shards import Shard
from corpus_gov.sources import Piece, inflate, zips
from corpus_gov.sources.members import OTHER_COMPRESSION, frames_of

CANARY: Final = "Quittenbrot"
"""Stands in every text and in no message or log."""
DOCUMENTED: Final = "has bytes and URI of an earlier one"
"""The one thing that a source may raise: one doc_id would have two texts."""
LIMITS: Final = {"shard_rows": 7, "shard_bytes": 4_000}
PIECE_BYTES: Final = 6_000

FREE_TEXT: Final = 64 << 10
TEXT_RATIO: Final = 3
"""One byte of an old charset, or one that does not decode, becomes up to three of UTF-8."""
INFLATED: Final = 5_000
"""The most that any compression here makes of a byte of such short inputs."""

CHARSETS: Final = ("utf-8", "utf-8", "gb18030", "big5", "utf-16", "shift_jis", "hz", "euc-kr", "windows-1252", "utf-32")
RESPONSES: Final = ("https://site.example/a", "https://site.example/b", "https://site.example/robots.txt")


# Inputs


def sentences(source: random.Random, most: int) -> str:
    """Compose a paragraph."""
    return " ".join([CANARY, *(source.choice(TOPICS) for _ in range(source.randint(1, most)))]) + "."


def page(source: random.Random, hurt: Damage) -> bytes:
    """Write a page with navigation, paragraphs, a table, code, notices and comments, in some charset."""
    label = source.choice(CHARSETS)
    body = "".join(f"<p>{sentences(source, 6)}</p>" for _ in range(source.randint(1, 6)))
    html = (
        f"<!DOCTYPE html><html lang=zh><head><meta charset={label}><title>{CANARY} &amp; more</title>"
        f"<meta name=author content='{CANARY}'><meta property='article:published_time' content='2024-05-06T07:08:09Z'>"
        '<script type=\'application/ld+json\'>{"@type": "NewsArticle", "datePublished": "2024-05-06"}</script>'
        "</head><body><nav><ul><li><a href=/a>Home</a><li><a href=/b>About</a></ul></nav><article><h1>Bridge</h1>"
        f"{body}<table><tr><th>a<td>b</table><pre>x = 1\n  y = 2</pre></article><div class=comments><p>{CANARY}!</div>"
        "<footer>© 2024 site.example 京ICP备00000000号 <a rel=license href='https://example.org/by/4.0/'>CC</a></footer>"
    )
    return hurt("html", html.encode(label, "ignore"))


def gz(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def written(writer: Callable[[Any], Any], data: bytes) -> bytes:
    """Compress with a writer that closes its file."""
    out = io.BytesIO()
    out.close, close = lambda: None, out.close  # type: ignore[method-assign]
    with writer(out) as stream:
        stream.write(data)
    done = out.getvalue()
    close()
    return done


PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "": bytes,
    ".gz": gz,
    ".zst": lambda data: zstandard.compress(data, 1),
    ".lz4": lambda data: written(Lz4Writer, data),
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lambda data: lzma.compress(data, preset=0),
}


def packed(source: random.Random, hurt: Damage, suffix: str, parts: Sequence[bytes]) -> bytes:
    """Compress parts each by itself or all together."""
    pack, form = PACKERS[suffix], "gzip" if suffix == ".gz" else "bytes"
    if source.random() < 0.3:
        return hurt(form, pack(b"".join(parts)))
    return b"".join(hurt(form, pack(part)) for part in parts)


def encoded(source: random.Random, hurt: Damage, body: bytes) -> tuple[bytes, bytes]:
    """Encode a body as servers do; returns it and the header lines that say so."""
    lines = b""
    coding = source.choice(["", "", "gzip", "br", "deflate", "zstd"])
    packers = {"gzip": gz, "deflate": zlib.compress, "zstd": zstandard.compress}
    if coding:
        body = packers[coding](body) if coding in packers else written(BrotliWriter, body)
        body = hurt("gzip" if coding == "gzip" else "bytes", body)
        lines += f"Content-Encoding: {coding}\r\n".encode()
    if source.random() < 0.3:
        cuts = [body[at : at + 700] for at in range(0, len(body), 700)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(cut), cut) for cut in cuts) + b"0\r\n\r\n"
        body = hurt("chunked", body)
        lines += b"Transfer-Encoding: chunked\r\n"
    return body, lines


def answer(source: random.Random, hurt: Damage) -> bytes:
    body, lines = encoded(source, hurt, page(source, hurt))
    charset = source.choice(["", "; charset=utf-8", "; charset=gbk"])
    return response(body, source.choice(RESPONSES), content_type="text/html" + charset, http=lines)


def warc(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write an archive of responses, requests, evidence and revisits."""
    parts = [record("warcinfo", b"software: none\r\n")]
    for _ in range(source.randint(1, 4)):
        kind = source.random()
        if kind < 0.7:
            parts.append(answer(source, hurt))
        elif kind < 0.8:
            parts.append(record("revisit", b"", WARC_Target_URI=RESPONSES[0], WARC_Refers_To_Target_URI=RESPONSES[0]))
        else:
            parts.append(request() if kind < 0.9 else response(b"User-agent: *\nDisallow: /\n", RESPONSES[2]))
    return packed(source, hurt, suffix, [hurt("archive", part, parts[0]) for part in parts])


def arc(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write an ARC file, version 1."""
    head = b"1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n"
    parts = [b"filedesc://a.arc 0.0.0.0 20240506070809 text/plain %d\n%s\n" % (len(head), head)]
    for _ in range(source.randint(1, 3)):
        block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + page(source, hurt)
        line = b"https://site.example/a 192.0.2.1 20240506070809 text/html %d\n" % len(block)
        parts.append(line + block + b"\n")
    return packed(source, hurt, suffix, [hurt("archive", part, parts[0]) for part in parts])


def wet(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write text conversions."""
    parts = [
        record("conversion", sentences(source, 30).encode(), WARC_Target_URI=uri, Content_Type="text/plain")
        for uri in RESPONSES
    ]
    return packed(source, hurt, suffix, [hurt("archive", part, parts[0]) for part in parts])


def wat(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write metadata records, of which nothing becomes a document."""
    parts = [
        record("metadata", hurt("json", rows(source)[0]), WARC_Target_URI=uri, Content_Type="application/json")
        for uri in RESPONSES
    ]
    return packed(source, hurt, suffix, [hurt("archive", part, parts[0]) for part in parts])


def rows(source: random.Random) -> list[bytes]:
    """Write objects of deliveries in several shapes, one of them with parts."""
    made: list[dict[str, Any]] = []
    for index in range(source.randint(2, 8)):
        text = sentences(source, 8)
        base = {"url": f"https://site.example/{index}", "title": CANARY}
        made.append(
            source.choice(
                [
                    base | {"text": text},
                    base | {"content": text, "timestamp": "2024-05-06T07:08:09Z"},
                    {"id": index, "source": "x", "added": "2024-05-06T07:08:09Z", "text": text, "metadata": base},
                    base | {"text": [text, text + "!", ""]},
                    base | {"parts": [{"text": text, "title": "one"}, {"text": "two"}]},
                    {"warc_headers": {"warc-target-uri": "https://site.example/"}, "content": text},
                ]
            )
        )
    return [json.dumps(row, ensure_ascii=source.random() < 0.5).encode() for row in made]


def jsonl(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    lines = rows(source)
    plain = hurt("json", b"\n".join(hurt("json", line, lines[0]) for line in lines) + b"\n")
    return packed(source, hurt, suffix, [plain])


def array(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write one array, one object that holds a list, or objects one after another."""
    elements = [hurt("json", one) for one in rows(source)]
    whole = source.choice([b"[\n %s\n]", b'{"data": [%s]}', b"[%s]"]) % b",\n ".join(elements)
    return packed(source, hurt, suffix, [source.choice([whole, whole, b"\n\n".join(elements)])])


def parquet(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write row groups of several shapes and types, in one of Parquet's own compressions."""
    n = source.randint(1, 40)
    texts: list[Any] = [sentences(source, 4) for _ in range(n)]
    shape = source.randrange(5)
    columns: dict[str, Any] = {"text": texts, "url": [f"https://site.example/{row}" for row in range(n)]}
    if shape == 1:
        columns["text"] = pa.array([text.encode() for text in texts], pa.binary())
    elif shape == 2:
        columns["text"] = [[text, text + "!"] for text in texts]
        columns["title"] = pa.array(texts).dictionary_encode()
    elif shape == 3:
        columns["metadata"] = [{"title": text, "date": "2024-05-06"} for text in texts]
        columns["id"] = list(range(n))
    elif shape == 4:
        columns["timestamp"] = pa.array([0] * n, pa.timestamp("ms"))
    sink = io.BytesIO()
    packing = source.choice(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
    pq.write_table(pa.table(columns), sink, row_group_size=11, compression=packing, store_schema=source.random() < 0.5)
    return hurt("parquet", sink.getvalue())


def html(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    return packed(source, hurt, suffix, [page(source, hurt)])


def plain(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    text = "\n\n".join(sentences(source, 9) for _ in range(source.randint(1, 4)))
    return packed(source, hurt, suffix, [hurt("bytes", text.encode(source.choice(CHARSETS), "ignore"))])


def markdown(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write a text with front matter."""
    front = f"title: {CANARY}\nauthors: [a, b]\ndate: 2024-05-06\nurl: https://site.example/c\nlicence: CC-BY-4.0\n"
    text = f"---\n{hurt('front', front.encode()).decode(errors='replace')}---\n# Head\n\n{sentences(source, 9)}\n"
    return packed(source, hurt, suffix, [hurt("front", text.encode(source.choice(("utf-8", "utf-8", "utf-16"))))])


def archive(source: random.Random, hurt: Damage, suffix: str) -> bytes:
    """Write a zip of files of the other formats, some of them where they should not be."""
    inside = {".html": html, ".md": markdown, ".jsonl": jsonl, ".warc.gz": warc, ".json": array, ".parquet": parquet}
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
    names = ("folder/one", "folder/two", "../up", "/etc/x", "folder/二", ".hidden", "C:/x", "a/../../b")
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w") as made:
        warnings.simplefilter("ignore")  # names that come twice
        for _ in range(source.randint(1, 4)):
            ending, build = source.choice(list(inside.items()))
            packing = ".gz" if ending == ".warc.gz" else ""
            info = zipfile.ZipInfo(source.choice(names) + ending)
            made.writestr(info, build(source, hurt, packing), source.choice(methods))
    return hurt("zip", sink.getvalue())


Builder = Callable[[random.Random, Damage, str], bytes]

FORMATS: Final[dict[str, tuple[Builder, str]]] = {
    f"{name}{suffix}": (build, suffix)
    for name, build, suffixes in (
        ("warc", warc, PACKERS),
        ("arc", arc, ("", ".gz")),
        ("wet", wet, ("", ".gz")),
        ("wat", wat, ("", ".gz")),
        ("jsonl", jsonl, ("", ".gz", ".zst", ".bz2", ".xz")),
        ("json", array, ("", ".gz")),
        ("parquet", parquet, ("",)),
        ("html", html, ("", ".gz")),
        ("txt", plain, ("", ".gz")),
        ("md", markdown, ("", ".gz")),
        ("zip", archive, ("",)),
    )
    for suffix in suffixes
}
"""By the suffix of the input's name: what writes such an input, and under which compression."""

FORMS: Final = {"parquet": "parquet", "zip": "zip", "html": "html", "md": "front", "txt": "bytes", "json": "json"}


def made(form: str, seed: int, number: int) -> tuple[bytes, list[str]]:
    """Make an input; returns it and what was done to it, at least one thing."""
    source = random.Random(f"{seed}/{form}/{number}")
    hurt = Damage(source, source.choice((0.0, 0.1, 0.4)))
    build, suffix = FORMATS[form]
    data = build(source, hurt, suffix)
    if not hurt.done or source.random() < 0.2:
        outer = "gzip" if suffix == ".gz" else "bytes" if suffix else FORMS.get(form, "archive")
        data = hurt.surely(outer, data, build(source, Damage(source, 0.0), suffix))
    return data, hurt.done


def name_of(form: str, number: int) -> str:
    """Name an input: one in eight has a name that says nothing of its format."""
    return "input" if number % 8 == 7 else f"input.{form}"


def dossier(number: int) -> Dossier:
    """Return how an input is read: with a field map or an address, or without."""
    how: dict[str, Any] = {"source_id": "source", "format": "auto", "fields": {}, "base_uri": None}
    if number % 5 == 4:
        how["fields"] = {"parts": "parts", "uri": "url"}
    if number % 3 == 2:
        how["base_uri"] = "https://site.example/"
    return Dossier.model_construct(**how)


# Checks


@dataclass
class Told:
    """What came of an input."""

    problems: list[str] = field(default_factory=list)
    documents: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Of what was rejected."""


class _Inline:
    """The engine's map, in this process."""

    def map(self, _: str, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        return [work(item) for item in items]


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, entry: logging.LogRecord) -> None:
        self.lines.append(entry.getMessage())


def examine(path: Path, name: str, how: Dossier) -> Told:
    """Read an input twice as the intake does, and check all that has to hold; raises nothing but what stops a test."""
    told, kept = Told(), _Kept()
    root = logging.getLogger()
    root.addHandler(kept)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            first, second = read(path, name, how), read(path, name, how)
            told.problems += _checked(first, told)
            if not _same(first, second):
                told.problems.append("read twice, it gives other shards")
    except IntegrityError as error:
        told.outcomes["stopped"] += 1
        if DOCUMENTED not in str(error) or CANARY in str(error):
            told.problems.append(f"IntegrityError at {_place(error)}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        told.problems.append(f"{type(error).__name__} at {_place(error)}")
    finally:
        root.removeHandler(kept)
    if any(CANARY in line for line in kept.lines):
        told.problems.append("a log line holds text of the input")
    return told


def read(path: Path, name: str, how: Dossier) -> list[tuple[Piece, list[Shard]]]:
    """Read an input as the intake does: cut into pieces, revisits looked for, small files bundled."""
    cut = pieces.pieces(path, name, pieces.digest(path), how, PIECE_BYTES)
    referring = originals.attach(_Inline(), cut, cut)  # type: ignore[arg-type]
    cut = pieces.bundles([referring.get(piece, piece) for piece in cut], PIECE_BYTES)
    return [(piece, list(ingest.read(piece, **LIMITS))) for piece in cut]


def _place(error: BaseException) -> str:
    frames = [one for one in traceback.extract_tb(error.__traceback__) if "corpus_gov" in one.filename]
    last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno} {last.name}"


def _same(first: list[tuple[Piece, list[Shard]]], second: list[tuple[Piece, list[Shard]]]) -> bool:
    tables = ("captures", "documents", "snapshots")
    flat = [[shard for _, found in one for shard in found] for one in (first, second)]
    return len(flat[0]) == len(flat[1]) and all(
        a.shard_id == b.shard_id and all(getattr(a, table).equals(getattr(b, table)) for table in tables)
        for a, b in zip(*flat, strict=True)
    )


def _checked(found: list[tuple[Piece, list[Shard]]], told: Told) -> Iterator[str]:
    for number, (piece, shards) in enumerate(found):
        captures: list[dict[str, Any]] = []
        for shard in shards:
            yield from _sound(shard, store=number == 0 and shard is shards[0])
            captures += shard.captures.to_pylist()
            told.documents += shard.documents.num_rows
            yield from _bounded(shard)
        told.outcomes.update(row["outcome"] for row in captures)
        told.reasons.update(row["reason"] for row in captures if row["outcome"] == "rejected")
        for one in piece.members or (piece,):
            # A refused second member of one name has captures of its own under it.
            mine = [row for row in captures if row["record_file"] == one.record_file]
            refused = one.format.startswith(pieces.REFUSED)
            yield from _covered(one, [row for row in mine if refused or row["reason"] != "duplicate_name"])


def _sound(shard: Shard, *, store: bool) -> Iterator[str]:
    """Check schemas, UTF-8, outcomes, reasons and balance of one shard, and that it can be stored."""
    tables = {"captures": schemas.CAPTURES, "documents": schemas.DOCUMENTS, "snapshots": schemas.SNAPSHOTS}
    for name, schema in tables.items():
        table = getattr(shard, name)
        schemas.check(table, schema, name)
        table.validate(full=True)
        if any(not one.nullable and table[one.name].null_count for one in schema):
            yield f"{name}: null in a column that has none"
        if store:
            artefacts.encode(table)  # what could not be stored would raise here
    captures = shard.captures.to_pylist()
    here = Counter(row["outcome"] for row in captures)
    if not captures or set(here) - set(schemas.OUTCOMES):
        yield "no capture, or one of an unknown outcome"
    if here["document"] != shard.documents.num_rows or here["evidence"] != shard.snapshots.num_rows:
        yield "captures and documents do not balance"
    for row in captures:
        if (row["outcome"] in {"skipped", "rejected"}) != bool(row["reason"]):
            yield f"outcome {row['outcome']} with reason {row['reason']!r}"
        if row["reason"] and not re.fullmatch(r"[a-z0-9_]+(:[a-z_.\-+]+)?", row["reason"]):
            yield "a reason that is no class"


def _bounded(shard: Shard) -> Iterator[str]:
    """Check that texts are no longer than their records can make them."""
    lengths = {
        row["doc_id"]: row["record_length"] for row in shard.captures.to_pylist() if row["outcome"] == "document"
    }
    kinds = set(shard.captures["record_type"].to_pylist())
    if kinds <= {"row"}:
        return  # a row's length is 1
    ratio = TEXT_RATIO if kinds <= {"line", "file"} else TEXT_RATIO * INFLATED
    for row in shard.documents.to_pylist():
        for name in schemas.TEXT_COLUMNS:
            if len((row[name] or "").encode()) > FREE_TEXT + ratio * lengths[row["doc_id"]]:
                yield f"{name} of {len(row[name])} characters from a record of {lengths[row['doc_id']]} bytes"


def _covered(piece: Piece, captures: list[dict[str, Any]]) -> Iterator[str]:
    """Check that places lie inside of the input and that no byte is left out but padding."""
    if not captures:
        yield f"{piece.format}: a file without a capture"
        return
    if any(row["record_offset"] < 0 or row["record_length"] < 0 for row in captures):
        yield f"{piece.format}: a negative offset or length"
    if piece.format == "parquet":
        yield from _rows_counted(piece, captures)
        return
    data = _bytes_of(piece)
    if data is None or piece.format not in {"warc", "jsonl", "json", "html", "text"}:
        return
    lost = {"truncated", "bad_gzip", "bad_zstd", "bad_bz2", "bad_xz", "bomb", "too_large", "bad_zip_member"}
    spans = sorted({(row["record_offset"], row["record_offset"] + row["record_length"]) for row in captures})
    if spans[-1][1] > len(data):
        yield f"{piece.format}: a record ends behind the end of its file"
    broken = [row["record_offset"] for row in captures if row["reason"] in lost]
    if piece.format != "warc" and broken:
        data = data[: min(broken)]  # what came out of a damaged stream behind this is said to be lost
    at = 0
    for start, stop in spans:
        if start > at and not _is_padding(piece.format, data[at:start]):
            yield f"{piece.format}: bytes between records belong to none"
        at = max(at, stop)
    if not _is_padding(piece.format, data[at:]):
        yield f"{piece.format}: bytes behind the last record belong to none"


def _rows_counted(piece: Piece, captures: list[dict[str, Any]]) -> Iterator[str]:
    if piece.member is not None or any(row["reason"] in {"bad_parquet", "row_count"} for row in captures):
        return
    with pq.ParquetFile(piece.path) as file:
        groups = range(piece.first, file.num_row_groups if piece.count is None else piece.first + piece.count)
        expected = sum(file.metadata.row_group(group).num_rows for group in groups)
    if sum(row["record_length"] for row in captures if row["part"] == 0) != expected:
        yield "parquet: rows are not accounted for"


def _bytes_of(piece: Piece) -> bytes | None:
    """Return what offsets count in; of a damaged stream what could be had."""
    try:
        with Path(piece.path).open("rb") as file:
            if piece.member is None:
                data = file.read()
            else:
                with zips.opened(file, piece.member) as member:
                    data = member.read()
    except (*zips.FAILURES, OSError):
        return None
    if piece.format == "warc":
        return data
    kept = []
    try:
        for block in inflate.blocks(data):
            kept.append(block)  # noqa: PERF402 - what came before the damage is wanted
    except inflate.StreamError:
        pass
    return b"".join(kept)


_BETWEEN: Final = {"warc": b"\r\n\0", "jsonl": b" \t\r\n\v\f\xef\xbb\xbf", "json": b" \t\r\n\v\f,[]\xef\xbb\xbf"}
_SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")


def _is_padding(form: str, data: bytes) -> bool:
    if not data.strip(_BETWEEN.get(form, b"")):
        return True
    if form != "warc":
        return False
    # Members of padding alone hold no record, and skippable frames are not for readers.
    return bool(_SKIPPABLE.match(data)) or (not data.startswith(OTHER_COMPRESSION) and not list(frames_of(data)))
