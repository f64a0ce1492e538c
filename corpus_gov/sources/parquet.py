"""Parquet deliveries: row groups to columns, without a loop over rows."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.schemas import TEXT, TIME
from corpus_gov.sources import Piece, instant, named

BATCH_ROWS: Final = 16_384

ROWS: Final = pa.schema(
    [
        ("record_offset", pa.int64()),
        ("record_length", pa.int64()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("payload_digest", pa.string()),
        ("text", TEXT),
        ("uri", TEXT),
        ("title", TEXT),
        ("author", TEXT),
        ("published_at", TIME),
        ("fetched_at", TIME),
        ("consent_ref", pa.string()),
        ("delivery_ref", pa.string()),
    ]
)
"""Rows of a delivery on their way to CAPTURES and DOCUMENTS; rows count from the file's start."""


class _ColumnError(Exception):
    """The text column is not there or holds no text; carries the class of the reject."""


def groups(path: str, piece_bytes: int) -> list[tuple[int, int]]:
    """Cut a file into ranges of row groups of about `piece_bytes` uncompressed bytes.

    Returns:
        Pairs of first row group and number of row groups; (0, 1) for a file that cannot be opened, so that
        reading it reports that.
    """
    try:
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    except (pa.ArrowException, OSError):
        return [(0, 1)]
    ranges, first, size = [], 0, 0
    for index, bytes_here in enumerate(sizes):
        size += bytes_here
        if size >= piece_bytes or index == len(sizes) - 1:
            ranges.append((first, index + 1 - first))
            first, size = index + 1, 0
    return ranges or [(0, 0)]


def rows(piece: Piece) -> Iterator[pa.RecordBatch]:
    """Read a piece.

    Args:
        piece: of a Parquet file, with its range of row groups.

    Returns:
        Batches of ROWS, at most BATCH_ROWS rows each. What cannot be read is one rejected row: a whole file
        (bad_parquet), text column (column_missing, column_type) or row group (bad_row_group); its length is
        the number of rows lost, as far as the file tells.
    """
    try:
        with pq.ParquetFile(piece.path, memory_map=True) as file:
            yield from _groups(file, piece)
    except (pa.ArrowException, OSError):
        yield lost(0, 0, "rejected", "bad_parquet")


def lost(offset: int, length: int, outcome: str, reason: str) -> pa.RecordBatch:
    """Return one row of ROWS for what holds no row of its own."""
    row = {"record_offset": offset, "record_length": length, "outcome": outcome, "reason": reason}
    return pa.RecordBatch.from_pylist([row], schema=ROWS)


def _groups(file: Any, piece: Piece) -> Iterator[pa.RecordBatch]:
    sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    last = len(sizes) if piece.count is None else min(len(sizes), piece.first + piece.count)
    paths = named(piece.fields)
    columns = _columns(file.schema_arrow, paths)
    for group in range(piece.first, last):
        at, end = sum(sizes[:group]), sum(sizes[: group + 1])
        try:
            for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False):
                yield _rows(batch, at, paths, piece.record_file)
                at += batch.num_rows
        except (pa.ArrowException, OSError):
            yield lost(at, end - at, "rejected", "bad_row_group")
        except _ColumnError as error:
            yield lost(at, end - at, "rejected", str(error))


def _columns(schema: pa.Schema, paths: dict[str, str]) -> list[str]:
    # A column that is not there is asked for by nobody; a missing text column is found in `_rows`.
    roots = set(schema.names)
    return [path for path in paths.values() if path in roots or path.split(".")[0] in roots]


def _rows(batch: pa.RecordBatch, at: int, paths: dict[str, str], record_file: str) -> pa.RecordBatch:
    found = {name: _column(batch, path) for name, path in paths.items()}
    if found["text"] is None:
        raise _ColumnError("column_missing")
    raw = _raw(found["text"])
    if raw is None:
        raise _ColumnError("column_type")
    text, broken = _text(raw)
    n = len(text)
    row = pa.array(np.arange(at, at + n))
    # utf8_is_space stops at the first visible character; trimming would copy the text.
    empty = pc.fill_null(pc.or_(pc.equal(text, ""), pc.utf8_is_space(text)), fill_value=True)
    none = pa.scalar(None, pa.string())
    reference = pc.binary_join_element_wise(record_file, row.cast(pa.string()), "#")
    given = {name: _strings(found[name], n) for name in ("uri", "title", "author", "consent_ref", "delivery_ref")}
    given["uri"] = pc.if_else(pc.equal(given["uri"], ""), pa.scalar(None, TEXT), given["uri"])
    arrays = given | {
        "record_offset": row,
        "record_length": pa.array(np.ones(n, np.int64)),
        "outcome": pc.if_else(broken, "rejected", pc.if_else(empty, "skipped", "document")),
        "reason": pc.if_else(broken, "undecodable", pc.if_else(empty, "empty", none)),
        "payload_digest": sha256_hex(raw),
        "text": text,
        "published_at": _times(found["published_at"], n),
        "fetched_at": _times(found["fetched_at"], n),
        "delivery_ref": pc.coalesce(given["delivery_ref"], reference.cast(TEXT)),
    }
    return pa.record_batch([arrays[field.name].cast(field.type) for field in ROWS], schema=ROWS)


def _column(batch: pa.RecordBatch, path: str) -> pa.Array | None:
    if path in batch.schema.names:
        return batch.column(path)
    root, *keys = path.split(".")
    array = batch.column(root) if root in batch.schema.names else None
    for key in keys:
        if array is None or not pa.types.is_struct(array.type) or array.type.get_field_index(key) < 0:
            return None
        # struct_field, unlike field, keeps the nulls of the struct itself.
        array = pc.struct_field(array, key)
    return array


def _raw(array: pa.Array) -> pa.Array | None:
    """View text or bytes as large_string whatever they hold; null where the column is of another type."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    blobs = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    if not any(kind(array.type) for kind in kinds + blobs):
        return None
    return array.cast(pa.large_binary()).view(TEXT)


def _text(raw: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Make text storable; tell which rows are not UTF-8 (their text becomes empty)."""
    broken = pa.array(np.zeros(len(raw), bool))
    try:
        raw.validate(full=True)
    except pa.ArrowInvalid:
        # Parquet's readers do not check what writers wrote. Only a batch with such a row comes here.
        blobs = raw.view(pa.large_binary()).to_pylist()
        broken = pa.array([blob is not None and not _is_utf8(blob) for blob in blobs])
        raw = pc.if_else(broken, pa.scalar(b"", pa.large_binary()), raw.view(pa.large_binary())).view(TEXT)
    data, offsets = buffers(raw)
    if (data[offsets[0] : offsets[-1]] == 0).any():
        raw = pc.replace_substring(raw, "\x00", "\ufffd")
    return raw, broken


def _is_utf8(blob: bytes) -> bool:
    try:
        blob.decode()
    except UnicodeDecodeError:
        return False
    return True


def _strings(array: pa.Array | None, n: int) -> pa.Array:
    """Return an optional column as text: numbers as written, other types and broken values as null."""
    if array is not None and pa.types.is_integer(array.type):
        array = array.cast(TEXT)
    raw = _raw(array) if array is not None else None
    if raw is None:
        return pa.nulls(n, TEXT)
    text, broken = _text(raw)
    return pc.if_else(broken, pa.scalar(None, TEXT), text)


def _times(array: pa.Array | None, n: int) -> pa.Array:
    if array is None:
        return pa.nulls(n, TIME)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return array.cast(
            pa.timestamp("us", array.type.tz if pa.types.is_timestamp(array.type) else None), safe=False
        ).cast(TIME)
    encoded = _strings(array, n).dictionary_encode()
    return pa.array([instant(value) for value in encoded.dictionary.to_pylist()], TIME).take(encoded.indices)
