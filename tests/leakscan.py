"""Look for planted values in every file of a folder, whatever it is packed or escaped in.

A file is unpacked into pieces: itself, and what its gzip, zstd, bzip2, xz, Parquet or SQLite structure
holds, however nested. Each piece has readings: as it is, with layers of JSON, percent and HTML escapes taken off,
without markup, and with its base64 and hex decoded. Each reading is searched for each value in UTF-8, UTF-16 and
GB 18030, and after NFKC and case folding.

What announces a format and cannot be decoded is reported too: a scan that saw nothing must not pass for one
that found nothing. Not seen: a value that the writer cut in two, encrypted or hashed.
"""

import bz2
import gzip
import html
import io
import lzma
import os
import re
import sqlite3
import tempfile
import zlib
from binascii import a2b_base64, a2b_hex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.parquet as pq
from zstandard import ZstdDecompressor, ZstdError

MIN_CHARS: Final = 8
"""A shorter value would be found by chance."""

MAX_NESTING: Final = 6
MAX_ESCAPED: Final = 3
UNDECODABLE: Final = "undecodable"
"""The `form` reported of what announces a format and does not keep to it."""

BROKEN: Final = (
    OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, ZstdError, sqlite3.Error, pa.ArrowException
)  # fmt: skip
"""What the decoders of FORMATS raise on broken data."""

Pieces = Iterator[tuple[str, bytes]]
"""Where in a file, and the bytes there."""


@dataclass(frozen=True)
class Leak:
    """A value where it should not be: the file, the place in it, and how it is written there."""

    path: Path
    where: str
    form: str
    value: str


def nowhere(path: Path) -> bool:
    """Allow values in no file."""
    return False


def scan(paths: Sequence[Path], values: Sequence[str], *, allow: Callable[[Path], bool] = nowhere) -> list[Leak]:
    """Report every place at and below `paths` that holds one of `values`, in the name or the content of a file.

    Args:
        paths: files and folders; symbolic links below them are not followed, but read as text.
        values: what was planted, at least MIN_CHARS characters each.
        allow: says of a file or folder that values may be there; neither it nor anything below it is looked at.

    Returns:
        One leak for each place and value, with the first form that was seen.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: no value at all, or a short one.
    """
    if not values or min(len(fold(value)) for value in values) < MIN_CHARS:
        raise ValueError(f"values: found {len(values)}; expected at least one, each of {MIN_CHARS} characters or more")
    wanted = {value: spellings(value) for value in values}
    leaks = []
    for path in (inside for top in paths for inside in walk(top, allow)):
        for where, data in contents(path):
            if data is None:
                leaks.append(Leak(path, where, UNDECODABLE, ""))
            else:
                leaks += [Leak(path, where, form, value) for value, form in search(data, wanted)]
    return leaks


def walk(path: Path, allow: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield a path and what is below it, in a stable order."""
    path.lstat()  # raises when there is nothing
    if allow(path):
        return
    yield path
    if path.is_dir() and not path.is_symlink():
        for child in sorted(path.iterdir()):
            yield from walk(child, allow)


def contents(path: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield the name of a path, and every piece of it if it is a file."""
    yield "name", os.fsencode(path.name)
    if path.is_symlink():
        yield "link", os.fsencode(path.readlink())
    elif path.is_file():
        data = path.read_bytes()
        yield from pieces("content", data)
        log = path.with_name(f"{path.name}-wal")
        if log.is_file() and log.stat().st_size:
            yield from unpacked("content with its log", sqlite(data, log.read_bytes()), 0)


# What is in a file: each unpacker yields (where, bytes) and may raise BROKEN.


def pieces(where: str, data: bytes, depth: int = 0) -> Iterator[tuple[str, bytes | None]]:
    """Yield data, then everything that is packed in it; None stands for what cannot be decoded."""
    yield where, data
    for magic, (name, unpack) in FORMATS.items():
        if data.startswith(magic):
            yield from unpacked(f"{where}, {name}", unpack(data), depth)


def unpacked(where: str, inside: Iterable[tuple[str, bytes]], depth: int) -> Iterator[tuple[str, bytes | None]]:
    """Yield the pieces of what an unpacker finds."""
    try:
        if depth == MAX_NESTING:
            raise ValueError("nested too deep")
        for name, inner in inside:
            yield from pieces(f"{where} {name}".rstrip(), inner, depth + 1)
    except BROKEN:
        yield where, None


def stream(opened: Callable[[IO[bytes]], Any]) -> Callable[[bytes], Pieces]:
    """Make an unpacker of a decompressor; it also yields the part before a stream breaks off."""

    def inflate(data: bytes) -> Pieces:
        source, plain = opened(io.BytesIO(data)), bytearray()
        try:
            while block := source.read1(1 << 16):
                plain += block
        finally:
            yield "", bytes(plain)

    return inflate


def parquet(data: bytes) -> Pieces:
    """Yield every column, statistics, names and key-value metadata of a Parquet file."""
    file = pq.ParquetFile(pa.BufferReader(data))
    schema = file.schema_arrow.to_string(truncate_metadata=False, show_field_metadata=True)
    yield from cells("metadata", [file.metadata.metadata, file.schema_arrow.metadata, schema, str(file.schema)])
    for group in range(file.num_row_groups):
        chunks = [file.metadata.row_group(group).column(place) for place in range(file.metadata.num_columns)]
        found = [(chunk.statistics.min, chunk.statistics.max) for chunk in chunks if chunk.is_stats_set]
        yield from cells(f"statistics of row group {group}", found)
        table = file.read_row_group(group)
        for place, name in enumerate(table.column_names):
            yield from cells(f"column {name!r}", table.column(place).to_pylist())


def sqlite(data: bytes, log: bytes = b"") -> Pieces:
    """Yield every column of every table of a database, with what is only in its write-ahead log so far."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "db")
        copy.write_bytes(data)
        copy.with_name("db-wal").write_bytes(log)
        with closing(sqlite3.connect(copy)) as database:
            database.text_factory = bytes
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in [(b"sqlite_master",), *tables]:
                quoted = table.decode().replace('"', '""')
                rows = database.execute(f'SELECT * FROM "{quoted}"')  # noqa: S608
                for column, values in zip([d[0] for d in rows.description], zip(*rows, strict=True), strict=False):
                    yield from cells(f"table {table.decode()!r} column {column!r}", values)


def cells(name: str, values: Any) -> Pieces:
    """Yield nested values as one piece, and again each that is packed itself."""
    flat = list(flatten(values))
    yield name, b"\n".join([b"", *flat])  # so that it does not start like its first cell
    yield from ((f"{name} cell", cell) for cell in flat if cell.startswith(tuple(FORMATS)))


def flatten(value: Any) -> Iterator[bytes]:
    """Yield the single values of lists and mappings of any depth, keys too."""
    if isinstance(value, Mapping):
        yield from flatten(list(value.items()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from flatten(each)
    elif value is not None:
        yield bytes(value) if isinstance(value, bytes | bytearray | memoryview) else str(value).encode()


FORMATS: Final[Mapping[bytes, tuple[str, Callable[[bytes], Pieces]]]] = {
    b"\x1f\x8b": ("gzip", stream(gzip.open)),
    b"\x28\xb5\x2f\xfd": ("zstd", stream(partial(ZstdDecompressor().stream_reader, read_across_frames=True))),
    b"\xfd7zXZ\x00": ("xz", stream(lzma.open)),
    b"BZh91AY&SY": ("bzip2", stream(bz2.open)),
    b"PAR1": ("Parquet", parquet),
    b"SQLite format 3\x00": ("SQLite", sqlite),
}
"""The first bytes of a file or cell, what they announce, and what reads it."""


# How a value may be written.


def search(data: bytes, wanted: Mapping[str, Mapping[bytes, str]]) -> Iterator[tuple[str, str]]:
    """Yield each value that is in the data, with the first form that it is seen in."""
    left = dict(wanted)
    for how, reading in readings(data):
        text = fold(reading.decode("utf-8", "replace"))
        for value, forms in list(left.items()):
            form = next((name for spelling, name in forms.items() if spelling in reading), "")
            if form or fold(value) in text:
                del left[value]
                yield value, ", ".join([*how, form or "folded"])


def spellings(value: str) -> dict[bytes, str]:
    """Return the byte strings that are the value itself, and what each is called."""
    spaced = {value.replace(" ", "+").encode(): "form"}  # unescape leaves the plus that stands for a space
    return spaced | {value.encode(codec): codec for codec in ("gb18030", "utf-16-be", "utf-16-le", "utf-8")}


def fold(text: str) -> str:
    """Remove differences of width, compatibility form and case."""
    return normalize("NFKC", text).casefold()


def readings(data: bytes) -> Iterator[tuple[list[str], bytes]]:
    """Yield data with no to MAX_ESCAPED layers of escapes undone; of each what it is without tags, base64 and hex."""
    seen = {b""}
    for layer in range(MAX_ESCAPED + 1):
        found = {"": data, "untagged": TAG.sub(b"", data), "base64": base64(data), "hex": hexadecimal(data)}
        found["base64, unescaped"] = unescape(found["base64"])
        for name, reading in found.items():
            if reading not in seen:
                seen.add(reading)
                yield ["unescaped"] * layer + [name] * bool(name), reading
        data = unescape(data)
        if data in seen:
            return


def unescape(data: bytes) -> bytes:
    r"""Undo UTF-16 with its mark, \uXXXX, \xXX, \n and the like, %XX, &#x…; and &name;, each once."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", "replace").encode()
    data = unquote_to_bytes(ESCAPED.sub(_unescaped, data))
    if b"&" not in data:
        return data
    return html.unescape(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


ESCAPED: Final = re.compile(rb"""\\(?:(u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*)|x([0-9A-Fa-f]{2})|(["'\\/bfnrt]))""")
TAG: Final = re.compile(rb"<[A-Za-z/!][^<>]{0,999}>")
"""Markup, which may part a value."""


def _unescaped(match: re.Match[bytes]) -> bytes:
    units, byte, char = match.groups()
    if units:
        return bytes.fromhex(re.sub(rb"\\?u", b"", units).decode()).decode("utf-16-be", "replace").encode()
    return bytes.fromhex(byte.decode()) if byte else char.translate(bytes.maketrans(b"bfnrt", b"\b\f\n\r\t"))


def base64(data: bytes) -> bytes:
    """Decode every run of base64, URL-safe or wrapped too, from each of the four characters where it may start."""
    cuts = [run[start:] for run in runs(data) for start in range(4)]
    return a2b_base64(b"AAAA".join(cut + b"A" * (-len(cut) % 4) for cut in cuts))  # A is six zero bits


def hexadecimal(data: bytes) -> bytes:
    """Decode every run of hexadecimal digits from each of the two where it may start."""
    found = re.findall(rb"[0-9A-Fa-f]{16,}", b" ".join(runs(data)))
    return a2b_hex(b"00".join(run[start : len(run) - (len(run) - start) % 2] for run in found for start in range(2)))


def runs(data: bytes) -> list[bytes]:
    """Find what may be base64 or hex; line breaks inside do not count. 11 characters hold 8 bytes."""
    return re.findall(rb"[A-Za-z0-9+/]{11,}", data.translate(bytes.maketrans(b"-_", b"+/"), b"\r\n"))
