"""Arrow columns as the canonical bytes of docs/manifest-format.md, column by column.

A value is a tag, 0x00 for null and 0x01 otherwise, and its payload. Every payload has a fixed length or
carries its length, so no two rows share their bytes. A column is encoded as a whole into one buffer with
offsets; nested types encode their children first and copy them into place.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import SchemaError
from corpus_gov.kernels.columns import Bytes, Offsets, buffers
from corpus_gov.kernels.compiling import kernel

ROW_VERSION = 1
"""First byte of every row; another encoding gets another number."""

_LENGTH: Final = 8


def encode_rows(rows: pa.Table | pa.RecordBatch, heads: np.ndarray | None = None) -> tuple[Bytes, Offsets]:
    """Encode whole rows: the version byte, then every column in the order of the table.

    Memory: about twice the bytes of the result; seal large tables in slices.

    Args:
        rows: n rows.
        heads: uint8 (n, width), bytes to put before the version byte of each row.

    Returns:
        The bytes of all rows, and n + 1 offsets into them.

    Raises:
        SchemaError: a column has a type that the format does not know, such as a float.
    """
    columns = [encode(_whole(rows.column(i)), rows.schema.names[i]) for i in range(rows.num_columns)]
    version = np.full((rows.num_rows, 1), ROW_VERSION, np.uint8)
    return _join([*(_even(part) for part in (heads, version) if part is not None), *columns])


def _even(values: np.ndarray) -> tuple[Bytes, Offsets]:
    """Lay out values of one width, uint8 (n, width)."""
    n, width = values.shape
    return np.ascontiguousarray(values).reshape(-1), np.arange(n + 1, dtype=np.int64) * width


def encode(column: pa.Array, name: str = "value") -> tuple[Bytes, Offsets]:
    """Encode every value of a column, tag included.

    Args:
        column: string, boolean, signed integer, timestamp in µs UTC, list or struct of these; n rows.
        name: for messages.

    Returns:
        The bytes of all values, and n + 1 offsets into them.

    Raises:
        SchemaError: another type.
    """
    kind, n = column.type, len(column)
    if n > 1 and _repeats(column):
        data, offsets = encode(column.slice(0, 1), name)
        return np.tile(data, n), np.arange(n + 1, dtype=np.int64) * offsets[1]
    valid = np.asarray(column.is_valid())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        data, bounds = buffers(column)
        offsets = _offsets(np.where(valid, 5 + np.diff(bounds), 1))
        return _strings(data, bounds, valid, offsets), offsets
    if pa.types.is_boolean(kind):
        return _fixed(column.cast(pa.int8()), valid, 1)
    if pa.types.is_signed_integer(kind) or kind == pa.timestamp("us", tz="UTC"):
        return _fixed(column, valid, 8)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _list(column, valid, name)
    if pa.types.is_struct(kind):
        return _struct(column, valid, name)
    raise SchemaError(f"column {name!r} is {kind}: a sealed row has no such type; use whole numbers, text or lists")


def prefixed_rows(columns: Sequence[pa.Array]) -> tuple[Bytes, Offsets]:
    """Lay out columns row by row, each value after its length in 8 bytes: what `digests.prefixed` gives for one row.

    Args:
        columns: string or large_string, n rows each; a null counts as the empty string.

    Returns:
        The bytes of all rows, and n + 1 offsets into them.
    """
    parts = [buffers(pc.fill_null(column, "") if column.null_count else column) for column in columns]
    offsets: Offsets = np.stack([bounds - bounds[0] for _, bounds in parts]).sum(axis=0)
    offsets += np.arange(len(offsets)) * (_LENGTH * len(parts))
    out, at = np.empty(int(offsets[-1]), np.uint8), offsets[:-1].copy()
    for data, bounds in parts:
        _prefixed(data, bounds, out, at)
    return out, offsets


def _repeats(column: pa.Array) -> bool:
    """Say whether all of two or more rows have the value of the first; of some types never, which costs only time.

    Most columns of a manifest say the same of whole batches, and that of rule packs is most of a row.
    """
    n, kind = len(column), column.type
    if column.null_count:
        return bool(column.null_count == n)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _strings_repeat(column, n)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        bounds = np.asarray(column.offsets)
        each, rest = divmod(int(bounds[-1] - bounds[0]), n)
        if rest or not (np.diff(bounds) == each).all():
            return False
        items = column.values.slice(int(bounds[0]), each * n)
        of_text = pa.types.is_string(items.type) or pa.types.is_large_string(items.type)
        return each == 0 or (of_text and items.null_count == 0 and _strings_repeat(items, n))
    return False


def _strings_repeat(column: pa.Array, n: int) -> bool:
    """Say whether a column, cut into n equal runs of values without a null, has the first run n times."""
    data, bounds = buffers(column)
    lengths = np.diff(bounds).reshape(n, -1)
    size, rest = divmod(int(bounds[-1] - bounds[0]), n)
    if rest or not (lengths == lengths[0]).all():
        return False
    rows = data[bounds[0] : bounds[-1]].reshape(n, size)
    return bool((rows[-1] == rows[0]).all() and (rows == rows[0]).all())


def differ(one: tuple[Bytes, Offsets], other: tuple[Bytes, Offsets]) -> np.ndarray:
    """Tell, for two encoded columns of n rows, in which rows their bytes differ (bool, n)."""
    (a, a_offsets), (b, b_offsets) = one, other
    unlike: np.ndarray = np.diff(a_offsets) != np.diff(b_offsets)
    _differ(a, a_offsets, b, b_offsets, unlike)
    return unlike


def _fixed(column: pa.Array, valid: np.ndarray, width: int) -> tuple[Bytes, Offsets]:
    values = column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    offsets = _offsets(np.where(valid, 1 + width, 1))
    return _integers(np.ascontiguousarray(values), valid, width, offsets), offsets


def _list(column: pa.Array, valid: np.ndarray, name: str) -> tuple[Bytes, Offsets]:
    bounds = np.asarray(column.offsets).astype(np.int64)
    # The child array of a slice is still the whole one: encode only the part that this slice covers.
    first, last = int(bounds[0]), int(bounds[-1])
    data, items = encode(column.values.slice(first, last - first), name)
    bounds -= first
    order = _order(data, items, bounds)
    offsets = _offsets(np.where(valid, 5 + np.diff(items[bounds]), 1))
    return _lists(data, items, bounds, order, valid, offsets), offsets


def _struct(column: pa.Array, valid: np.ndarray, name: str) -> tuple[Bytes, Offsets]:
    n = len(column)
    tags = _even(valid.astype(np.uint8).reshape(n, 1))
    data, offsets = _join([tags, *(encode(column.field(i), name) for i in range(column.type.num_fields))])
    if valid.all():
        return data, offsets
    # Under a null struct its fields may hold anything: only the tag counts.
    kept = _offsets(np.where(valid, np.diff(offsets), 1))
    out = np.empty(int(kept[-1]), np.uint8)
    _scatter(data, offsets[:-1], np.diff(kept), out, kept[:-1].copy())
    return out, kept


def _join(columns: list[tuple[Bytes, Offsets]]) -> tuple[Bytes, Offsets]:
    """Put the bytes of the columns side by side, row by row."""
    offsets: Offsets = np.stack([bounds for _, bounds in columns]).sum(axis=0)
    out, at = np.empty(int(offsets[-1]), np.uint8), offsets[:-1].copy()
    for data, bounds in columns:
        _scatter(data, bounds[:-1], np.diff(bounds), out, at)
    return out, offsets


def _offsets(lengths: np.ndarray) -> Offsets:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


@kernel
def _copy(data, start, length, out, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    # Views that begin at 0: with offsets in the index the compiler allows for negative ones, five times as slow.
    source, target = data[start : start + length], out[at : at + length]
    for k in range(length):
        target[k] = source[k]


@kernel
def _scatter(data, starts, lengths, out, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Copy one segment a row to `at`, and move `at` past it."""
    for i in range(starts.shape[0]):
        _copy(data, starts[i], lengths[i], out, at[i])
        at[i] += lengths[i]


@kernel
def _prefixed(data, bounds, out, at):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Write the length of one value a row and the value to `at`, and move `at` past them."""
    for i in range(at.shape[0]):
        length = bounds[i + 1] - bounds[i]
        for k in range(_LENGTH):
            out[at[i] + k] = (length >> (8 * (_LENGTH - 1 - k))) & 0xFF
        _copy(data, bounds[i], length, out, at[i] + _LENGTH)
        at[i] += _LENGTH + length


@kernel
def _strings(data, bounds, valid, offsets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(offsets[-1], np.uint8)
    for i in range(valid.shape[0]):
        at = offsets[i]
        out[at] = valid[i]
        if valid[i]:
            start, length = bounds[i], bounds[i + 1] - bounds[i]
            for k in range(4):
                out[at + 1 + k] = (length >> (8 * (3 - k))) & 0xFF
            _copy(data, start, length, out, at + 5)
    return out


@kernel
def _integers(values, valid, width, offsets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(offsets[-1], np.uint8)
    for i in range(valid.shape[0]):
        at = offsets[i]
        out[at] = valid[i]
        if valid[i]:
            for k in range(width):
                out[at + 1 + k] = (values[i] >> (8 * (width - 1 - k))) & 0xFF
    return out


@kernel
def _lists(data, items, bounds, order, valid, offsets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(offsets[-1], np.uint8)
    for i in range(valid.shape[0]):
        at = offsets[i]
        out[at] = valid[i]
        if valid[i]:
            count = bounds[i + 1] - bounds[i]
            for k in range(4):
                out[at + 1 + k] = (count >> (8 * (3 - k))) & 0xFF
            at += 5
            for j in range(bounds[i], bounds[i + 1]):
                start, length = items[order[j]], items[order[j] + 1] - items[order[j]]
                _copy(data, start, length, out, at)
                at += length
    return out


@kernel
def _order(data, items, bounds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Number the elements of every list in the order of their bytes.

    Insertion: lists of reasons or packs have a handful of elements and arrive nearly sorted.
    """
    order = np.arange(bounds[-1])
    for i in range(bounds.shape[0] - 1):
        for j in range(bounds[i] + 1, bounds[i + 1]):
            item, k = order[j], j
            while k > bounds[i] and _before(data, items, item, order[k - 1]):
                order[k] = order[k - 1]
                k -= 1
            order[k] = item
    return order


@kernel
def _before(data, items, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    a_length, b_length = items[a + 1] - items[a], items[b + 1] - items[b]
    for k in range(min(a_length, b_length)):
        x, y = data[items[a] + k], data[items[b] + k]
        if x != y:
            return x < y
    return a_length < b_length


@kernel
def _differ(a, a_offsets, b, b_offsets, unlike):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(unlike.shape[0]):
        if not unlike[i]:
            for k in range(a_offsets[i + 1] - a_offsets[i]):
                if a[a_offsets[i] + k] != b[b_offsets[i] + k]:
                    unlike[i] = True
                    break
