"""Parquet deliveries: row groups to columns, without a loop over rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.schemas import TEXT, TIME
from corpus_gov.sources import Piece, arrays, labelcolumns, licencecolumns
from corpus_gov.sources.fields import TEXT_KEYS, Names, mapped, recognised_columns
from corpus_gov.sources.inflate import FREE_BYTES, MAX_RATIO
from corpus_gov.sources.rows import MAX_PARTS

BATCH_ROWS: Final = 16_384
BATCH_BYTES: Final = 64 << 20
STEP_ROWS: Final = 64
"""So many rows are decoded at once: a dictionary of one long value makes any number of copies of it from few bytes."""

ROWS: Final = pa.schema(
    [
        ("record_offset", pa.int64()),
        ("record_length", pa.int64()),
        ("part", pa.int32()),
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
        ("markup", TEXT),
        ("shape", pa.string()),
    ]
)
"""Rows of a delivery on their way to CAPTURES and DOCUMENTS, one for each document of a row; rows count from the
file's start."""

COPIED: Final = ("uri", "title", "author", "published_at", "fetched_at", "consent_ref")
"""What every part of a row says of itself as its row does, unless it says it itself."""

ROW_BYTES: Final = 16
"""What a row costs at least once it is decoded, also where it is null and takes no byte of the file."""

MAX_COPIED_BYTES: Final = 1 << 30
"""A batch of which the parts would repeat more than this is refused: a long title beside a thousand texts."""


FAILURES: Final = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What reading a damaged file raises; the last where a column's name is no UTF-8."""


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
    except FAILURES:
        return [(0, 1)]
    ranges, first, size = [], 0, 0
    for index, bytes_here in enumerate(sizes):
        size += bytes_here
        if size >= piece_bytes or index == len(sizes) - 1:
            ranges.append((first, index + 1 - first))
            first, size = index + 1, 0
    return ranges or [(0, 0)]


def row_count(path: str, first: int, count: int | None) -> int | None:
    """Return how many rows the file says that a range of row groups has; null where it cannot be opened."""
    try:
        with pq.ParquetFile(path) as file:
            last = file.num_row_groups if count is None else min(file.num_row_groups, first + count)
            return sum(int(file.metadata.row_group(index).num_rows) for index in range(first, last))
    except FAILURES:
        return None


def rows(piece: Piece) -> Iterator[pa.RecordBatch]:
    """Read a piece.

    Args:
        piece: of a Parquet file, with its range of row groups.

    Returns:
        Batches of ROWS, of about BATCH_ROWS rows or BATCH_BYTES at most. What cannot be read is one rejected row: a
        whole file (bad_parquet), text column (column_missing, column_type) or row group (bad_row_group, or row_count
        where it holds more or fewer rows than the file says, or bomb where far more comes out than the file has); its
        length is the number of rows lost, as far as the file tells.
        A list of texts, or one of structs that the field map names as `parts`, gives a row for each.
    """
    try:
        with pq.ParquetFile(piece.path, memory_map=True) as file:
            yield from _groups(file, piece)
    except FAILURES:
        yield lost(0, 0, "rejected", "bad_parquet")


def lost(offset: int, length: int, outcome: str, reason: str) -> pa.RecordBatch:
    """Return one row of ROWS for what holds no row of its own."""
    row = {"record_offset": offset, "record_length": length, "part": 0, "outcome": outcome, "reason": reason}
    return pa.RecordBatch.from_pylist([row], schema=ROWS)


def _groups(file: Any, piece: Piece) -> Iterator[pa.RecordBatch]:
    sizes = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    last = len(sizes) if piece.count is None else min(len(sizes), piece.first + piece.count)
    if min(sizes, default=0) < 0:
        yield lost(0, 0, "rejected", "bad_parquet")
        return
    names = mapped(piece.fields) if piece.fields else _recognised(file.schema_arrow)
    columns = _columns(file.schema_arrow, names)
    room = max(FREE_BYTES, MAX_RATIO * Path(piece.path).stat().st_size)
    for group in range(piece.first, last):
        at, end = sum(sizes[:group]), sum(sizes[: group + 1])
        if names.conflict:
            yield lost(at, end - at, "rejected", f"column_missing:{'+'.join(names.conflict)}")
            continue
        if (end - at) * ROW_BYTES > room:
            yield lost(at, end - at, "rejected", "bomb")
            continue
        try:
            steps = file.iter_batches(STEP_ROWS, row_groups=[group], columns=columns, use_threads=False)
            for batch in _gathered(steps):
                made = _rows(batch, at, names, piece.record_file)
                room = _left(room, made)
                yield made
                at += batch.num_rows
        except FAILURES:
            yield lost(at, end - at, "rejected", "bad_row_group")
        except _ColumnError as error:
            yield lost(at, end - at, "rejected", str(error))
        else:
            if at != end:
                # The footer and the pages disagree: what was read is there, the difference is said.
                yield lost(at, max(0, end - at), "rejected", "row_count")


def _left(room: int, made: pa.RecordBatch) -> int:
    if made.nbytes > room:
        raise _ColumnError("bomb")
    return room - int(made.nbytes)


def _gathered(steps: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join what was decoded step by step."""
    kept: list[pa.RecordBatch] = []
    rows, size = 0, 0
    for step in steps:
        plain = [arrays.decoded(column) for column in step.columns]
        kept.append(pa.record_batch(plain, names=step.schema.names))
        lists = [pc.list_flatten(column) for column in plain if arrays.is_list(column.type)]
        rows += max(step.num_rows, *map(len, lists), 0)
        size += kept[-1].nbytes
        if rows >= BATCH_ROWS or size >= BATCH_BYTES:
            yield pa.concat_batches(kept)
            kept, rows, size = [], 0, 0
    if kept:
        yield pa.concat_batches(kept)


def _recognised(schema: pa.Schema) -> Names:
    texts = [name for name in TEXT_KEYS if name in schema.names and _holds_text(schema.field(name).type)]
    there = [name for name in TEXT_KEYS if name in schema.names][:1]
    fields = [field for field in schema if pa.types.is_struct(field.type)]
    inner = [f"{field.name}.{child.name}" for field in fields for child in field.type]
    return recognised_columns(texts or there, [*schema.names, *inner])


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return any(test(kind) for test in (*arrays.STRINGS, *arrays.BLOBS))


def _columns(schema: pa.Schema, names: Names) -> list[str]:
    # A column that is not there is asked for by nobody; a missing text column is found in `_rows`.
    roots = set(schema.names)
    paths = names.paths.values()
    asked = [
        path if path in roots else path.split(".")[0] for path in paths if path in roots or path.split(".")[0] in roots
    ]
    rights = [path for _, path in licencecolumns.paths(schema)]
    return list(dict.fromkeys([*asked, *rights, *labelcolumns.paths(schema)]))


def _rows(batch: pa.RecordBatch, at: int, names: Names, record_file: str) -> pa.RecordBatch:
    found, row, part, many = _parted(batch, names)
    if found["text"] is None:
        raise _ColumnError("column_missing")
    raw = arrays.viewed(found["text"])
    if raw is None:
        raise _ColumnError("column_type")
    text, broken = arrays.storable_text(raw)
    n = len(text)
    # utf8_is_space stops at the first visible character; trimming would copy the text.
    empty = pc.fill_null(pc.or_(pc.equal(text, ""), pc.utf8_is_space(text)), fill_value=True)
    none = pa.scalar(None, pa.string())
    given = {name: arrays.strings(found[name], n) for name in ("uri", "title", "author", "consent_ref", "delivery_ref")}
    given["uri"] = pc.if_else(pc.equal(given["uri"], ""), pa.scalar(None, TEXT), given["uri"])
    held = pc.if_else(broken, "rejected", pc.if_else(empty, "skipped", "document"))
    reason = pc.if_else(broken, "undecodable", pc.if_else(empty, "empty", none))
    columns = given | {
        "record_offset": pa.array(at + row),
        "record_length": pa.array(np.ones(n, np.int64)),
        "part": pa.array(part),
        "outcome": pc.if_else(many, "rejected", held),
        "reason": pc.if_else(many, "too_many_parts", reason),
        "payload_digest": sha256_hex(raw),
        "text": text,
        "published_at": arrays.times(found["published_at"], n),
        "fetched_at": arrays.times(found["fetched_at"], n),
        "delivery_ref": pc.coalesce(given["delivery_ref"], _references(record_file, at + row, part)),
        "markup": labelcolumns.joined(found["labels"], found["markup"]),
        "shape": pa.repeat(pa.scalar(names.shape, pa.string()), n),
    }
    return pa.record_batch([columns[field.name].cast(field.type) for field in ROWS], schema=ROWS)


def _references(record_file: str, row: np.ndarray, part: np.ndarray) -> pa.Array:
    numbers = pa.array(row).cast(pa.string())
    parts = pc.binary_join_element_wise("", pa.array(part).cast(pa.string()), ".")
    places = pc.if_else(pa.array(part > 0), pc.binary_join_element_wise(numbers, parts, ""), numbers)
    return pc.binary_join_element_wise(record_file, places, "#").cast(TEXT)


def _parted(
    batch: pa.RecordBatch, names: Names
) -> tuple[dict[str, pa.Array | None], np.ndarray, np.ndarray, pa.Array | pa.Scalar]:
    """Find the columns of a batch, one row for each document; with row and part of each, and which rows have too many.

    A row of more than MAX_PARTS is one row without a text.
    """
    paths = {name: path for name, path in names.paths.items() if name != "parts"}
    path = names.paths.get("parts")
    listed = arrays.at(batch, path or paths["text"])
    if path and (listed is None or not arrays.is_list(listed.type)):
        raise _ColumnError("column_missing" if listed is None else "column_type")
    if listed is None or not arrays.is_list(listed.type):
        found = {name: arrays.at(batch, path) for name, path in paths.items()} | _beside(batch, paths)
        return found, np.arange(batch.num_rows), np.zeros(batch.num_rows, np.int32), pa.scalar(value=False)
    given = np.asarray(pc.fill_null(pc.list_value_length(listed), 0)).astype(np.int64)
    many = given > MAX_PARTS
    lengths = np.where(many, 0, given)
    # A row without any part is a row all the same.
    counts = np.maximum(lengths, 1)
    row = np.repeat(np.arange(len(lengths)), counts)
    part = (np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)).astype(np.int32)
    own = {name: arrays.at(batch, paths[name]) for name in COPIED} | _beside(batch, paths)
    if sum(_copied(column, counts) for column in own.values()) > MAX_COPIED_BYTES:
        raise _ColumnError("too_many_parts")
    starts = np.cumsum(given) - given
    places = pa.array(starts[row] + part, mask=lengths[row] == 0)
    # Lists of nulls have no values between those of their neighbours once they are flattened.
    items = pc.list_flatten(listed).take(places)
    found = {name: None if column is None else column.take(pa.array(row)) for name, column in own.items()}
    if pa.types.is_struct(items.type):
        inner = pa.RecordBatch.from_struct_array(_plain_struct(items))
        theirs = {name: arrays.at(inner, paths[name]) for name in paths} | _beside(inner, paths)
        # A part with terms of its own is not under those of its record; a label of either is one of the part.
        labelled = labelcolumns.joined(theirs["labels"], found["labels"])
        found = {name: _either(theirs.get(name), found.get(name)) for name in theirs} | {"labels": labelled}
    else:
        found |= {"text": items, "delivery_ref": None}
    return found, row, part, pa.array(many[row])


def _beside(batch: pa.RecordBatch, paths: Mapping[str, str]) -> dict[str, pa.Array]:
    """Return what rows say of their rights, and their labels of generated content, as lines of markup."""
    return {"markup": licencecolumns.stated(batch, paths["licence"]), "labels": labelcolumns.stated(batch)}


def _copied(column: pa.Array | None, counts: np.ndarray) -> int:
    raw = None if column is None else arrays.viewed(column)
    if raw is None:
        return 0
    return int((np.asarray(pc.fill_null(pc.binary_length(raw), 0)).astype(np.int64) * counts).sum())


def _plain_struct(items: pa.Array) -> pa.Array:
    """Return a struct array without nulls of its own: those of its fields say the same."""
    fields = [pc.struct_field(items, index) for index in range(items.type.num_fields)]
    return pa.StructArray.from_arrays(fields, fields=list(items.type))


def _either(first: pa.Array | None, second: pa.Array | None) -> pa.Array | None:
    if first is None or second is None or first.type != second.type:
        return second if first is None else first
    return pc.coalesce(first, second)
