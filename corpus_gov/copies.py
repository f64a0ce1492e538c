"""Copies of a corpus that lie elsewhere: read in parts, and written again without some rows and with others edited.

Parquet and JSON lines, these also compressed. Whatever is not asked about passes as it is: the other columns of a
table, and of a line of JSON every character but the strings that change.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from json.decoder import scanstring  # type: ignore[attr-defined] # of CPython since 2.6, not in the stubs
from pathlib import Path
from typing import IO, Any, Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from corpus_gov.artefacts import ROWS_A_GROUP
from corpus_gov.errors import ConfigError, SourceError
from corpus_gov.pieces import form_by_name
from corpus_gov.schemas import TEXT
from corpus_gov.sources import MAX_RECORD_BYTES
from corpus_gov.sources.inflate import StreamError, blocks
from corpus_gov.sources.jsonl import lines

FORMS: Final = ("parquet", "jsonl")

BYTES_AT_ONCE: Final = 16 << 20
"""Of lines that are looked at together."""

_SPACE: Final = " \t\r\n"


class Part(Protocol):
    """Some rows that follow each other."""

    first: int
    """Number of the first of them, from 1."""

    columns: Mapping[str, pa.Array]
    """Those of doc_id, uri, title and text that are there, large_string."""

    passed: Sequence[str]
    """Names of the other columns."""

    def write(self, kept: np.ndarray, changed: Mapping[str, pa.Array]) -> None:
        """Write the rows of `kept`, and instead of the columns of `changed` those."""


def suffixes(path: Path) -> tuple[str, str]:
    """Return a file's format by its name ("" for another one) and the suffix of its compression."""
    form, packed = form_by_name(path.name), path.suffix.lower()
    return (form if form in FORMS else ""), (packed if packed in {".gz", ".zst", ".bz2", ".xz"} else "")


def check_target(source: Path, target: Path) -> None:
    """Refuse a name for the copy that says another format than the source has.

    Raises:
        ConfigError: it does, or the format cannot be written.
    """
    if suffixes(source)[0] == "":
        raise ConfigError(f"{str(source)!r}: expected a name such as a.parquet, a.jsonl, a.jsonl.gz or a.jsonl.zst")
    if suffixes(source) != suffixes(target) or suffixes(target)[1] not in {"", ".gz", ".zst"}:
        raise ConfigError(f"OUTPUT {str(target)!r}: expected the format of {source.name!r}, plain, .gz or .zst")


@contextmanager
def opened(source: Path, target: Path, names: Mapping[str, str]) -> Iterator[Iterator[Part]]:
    """Read a file in parts, and write what each of them is told to write.

    Args:
        source: Parquet or JSON lines.
        target: the new file; synced once the block ends.
        names: of the columns, by what they are: doc_id, uri, title, text.

    Raises:
        SourceError: the file cannot be read, or a row is no such one; names file and row, and quotes nothing.
    """
    with ExitStack() as stack:
        yield (_tables if suffixes(source)[0] == "parquet" else _lines)(source, target, names, stack)
    with target.open("rb") as written:
        os.fsync(written.fileno())


@dataclass
class _Table:
    first: int
    columns: Mapping[str, pa.Array]
    passed: Sequence[str]
    batch: pa.RecordBatch
    names: Mapping[str, str]
    put: Callable[[pa.RecordBatch], None]

    def write(self, kept: np.ndarray, changed: Mapping[str, pa.Array]) -> None:
        batch = self.batch
        for column, values in changed.items():
            at = batch.schema.get_field_index(self.names[column])
            batch = batch.set_column(at, batch.schema.field(at), values.cast(batch.schema.field(at).type))
        self.put(batch.filter(pa.array(kept)))


def _tables(source: Path, target: Path, names: Mapping[str, str], stack: ExitStack) -> Iterator[Part]:
    try:
        file = stack.enter_context(pq.ParquetFile(source))
        schema = file.schema_arrow
        wanted = {column: name for column, name in names.items() if name in schema.names}
        for column, name in wanted.items():
            _check_column(source, column, schema, name)
        packed = file.metadata.row_group(0).column(0).compression if file.num_row_groups else "ZSTD"
        writer = stack.enter_context(pq.ParquetWriter(target, schema, compression=packed))
        put = stack.enter_context(_grouped(writer))
        first = 1
        for batch in file.iter_batches(ROWS_A_GROUP):
            columns = {column: _texts(batch.column(name), source, first) for column, name in wanted.items()}
            passed = [name for name in schema.names if name not in wanted.values()]
            yield _Table(first, columns, passed, batch, wanted, put)
            first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{source}: cannot be read as Parquet ({type(error).__name__}); give a whole file") from error


def _check_column(source: Path, column: str, schema: pa.Schema, name: str) -> None:
    kind = schema.field(name).type
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    edited = column != "doc_id" and pa.types.is_dictionary(kind)
    if schema.names.count(name) > 1 or edited or not (pa.types.is_string(held) or pa.types.is_large_string(held)):
        raise SourceError(
            f"{source}: column {name!r} is {kind} or there twice, expected one column of text; convert it, or name "
            f"another with --column {column}=NAME"
        )


def _texts(column: pa.Array, source: Path, first: int) -> pa.Array:
    try:
        values = column.cast(TEXT)
        values.validate(full=True)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{source}: rows from {first} on hold text that is no UTF-8; convert the file") from error
    return values


@contextmanager
def _grouped(writer: pq.ParquetWriter) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Collect batches until a row group is full: many small ones would be slow to read."""
    waiting: list[pa.RecordBatch] = []

    def put(batch: pa.RecordBatch, least: int = ROWS_A_GROUP) -> None:
        waiting.append(batch)
        if sum(one.num_rows for one in waiting) >= least:
            writer.write_table(pa.Table.from_batches(waiting))
            waiting.clear()

    yield put
    if any(one.num_rows for one in waiting):
        writer.write_table(pa.Table.from_batches(waiting))


@dataclass
class _Line:
    text: str
    spans: dict[str, tuple[str | None, int, int]]
    """Value of each member asked about, and where it stands."""
    passed: tuple[str, ...]


@dataclass
class _Lines:
    first: int
    columns: Mapping[str, pa.Array]
    passed: Sequence[str]
    found: Sequence[_Line]
    out: Any

    def write(self, kept: np.ndarray, changed: Mapping[str, pa.Array]) -> None:
        for row in np.flatnonzero(kept).tolist():
            line, text = self.found[row], self.found[row].text
            # From behind, so that the places before stay what they are.
            for column, (value, start, end) in sorted(line.spans.items(), key=lambda item: -item[1][1]):
                new = changed[column][row].as_py() if column in changed else value
                if new != value:
                    text = text[:start] + json.dumps(new, ensure_ascii=False) + text[end:]
            self.out.write(text.encode() + b"\n")


def _lines(source: Path, target: Path, names: Mapping[str, str], stack: ExitStack) -> Iterator[Part]:
    try:
        file = stack.enter_context(source.open("rb"))
        out = stack.enter_context(_written(target))
        by_name = {name: column for column, name in names.items()}
        found: list[_Line] = []
        first, held = 1, 0
        for line, length in lines(blocks(file)):
            # A blank line is no row.
            if line.strip() or length > MAX_RECORD_BYTES:
                found.append(_line(line, length, by_name, f"{source}: row {first + len(found)}"))
                held += length
            if held >= BYTES_AT_ONCE or len(found) >= ROWS_A_GROUP:
                yield _part(first, found, out, source)
                found, first, held = [], first + len(found), 0
        if found:
            yield _part(first, found, out, source)
    except (OSError, StreamError) as error:
        what = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(f"{source}: cannot be read ({what}); give a whole file") from error


def _line(line: bytes, length: int, by_name: Mapping[str, str], where: str) -> _Line:
    if length > MAX_RECORD_BYTES:
        raise SourceError(f"{where}: found {length:,} bytes, expected {MAX_RECORD_BYTES:,} at most; split the record")
    try:
        text = line.decode("utf-8-sig" if where.endswith("row 1") else "utf-8").rstrip("\r\n")
        spans, passed = _members(text, by_name)
    except UnicodeDecodeError as error:
        raise SourceError(f"{where}: found no UTF-8, expected JSON in UTF-8; convert the file") from error
    except (ValueError, RecursionError, IndexError) as error:
        raise SourceError(f"{where}: found no JSON object with each key once; correct the line") from error
    for name, column in by_name.items():
        value = spans.get(column, (None, 0, 0))[0]
        if value is not None and not isinstance(value, str):
            raise SourceError(f"{where}: found no string in {name!r}, expected one or null; convert it")
    return _Line(text, spans, passed)


_DECODE: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def _members(text: str, by_name: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Find the members of an object that are asked about, where they stand, and the names of the others."""
    spans: dict[str, Any] = {}
    passed: list[str] = []
    at = _past(text, 0)
    if text[at] != "{":
        raise ValueError(at)
    at, ends = _past(text, at + 1), "{"
    while text[at] != "}" or ends == ",":
        name, at = scanstring(text, at + 1, True) if text[at] == '"' else _not_here(at)  # noqa: FBT003
        at = _past(text, at)
        start = _past(text, at + 1) if text[at] == ":" else _not_here(at)[1]
        value, stop = _DECODE.raw_decode(text, start)
        column = by_name.get(name)
        if column is None:
            passed.append(name)
        elif column in spans:
            raise ValueError(start)
        else:
            kind = str if text[start] == '"' else type(None) if value is None else _Other
            spans[column] = (value if kind is not _Other else _Other(), start, stop)
        at = _past(text, stop)
        ends = text[at]
        if ends not in ",}":
            raise ValueError(at)
        at = _past(text, at + 1) if ends == "," else at
    if _past(text, at + 1) != len(text):
        raise ValueError(at)
    return spans, tuple(passed)


class _Other:
    """What stands in a line where a string should."""


def _not_here(at: int) -> tuple[str, int]:
    raise ValueError(at)


def _past(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _part(first: int, found: Sequence[_Line], out: Any, source: Path) -> Part:
    columns = {}
    for column in {column for line in found for column in line.spans}:
        values = [line.spans.get(column, (None, 0, 0))[0] for line in found]
        try:
            columns[column] = pa.array(values, TEXT)
        except UnicodeEncodeError as error:
            raise SourceError(
                f"{source}: rows {first} to {first + len(found) - 1}: found half a surrogate pair in {column!r}, "
                "which no UTF-8 has; correct the line"
            ) from error
    passed = dict.fromkeys(name for line in found for name in line.passed)
    return _Lines(first, columns, list(passed), found, out)


@contextmanager
def _written(target: Path) -> Iterator[IO[bytes] | BufferedIOBase | Any]:
    with target.open("xb") as file:
        if suffixes(target)[1] == ".gz":
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                yield packed
        elif suffixes(target)[1] == ".zst":
            with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as zipped:
                yield zipped
        else:
            yield file
