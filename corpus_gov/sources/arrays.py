"""Arrow arrays of any writer to text and times: how a column stores its values makes no difference."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels.columns import buffers
from corpus_gov.schemas import TEXT, TIME
from corpus_gov.sources import instant

STRINGS: Final = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
BLOBS: Final = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)


def decoded(column: pa.Array) -> pa.Array:
    """Return a column without the dictionary that it may be written by."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def is_list(kind: pa.DataType) -> bool:
    """Say whether a column holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def at(batch: pa.RecordBatch, path: str) -> pa.Array | None:
    """Return the column of a name, or the field of structs at a path; None where there is none."""
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


def viewed(array: pa.Array) -> pa.Array | None:
    """View text or bytes as large_string whatever they hold; null where the column is of another type."""
    array = decoded(array)
    if not any(test(array.type) for test in (*STRINGS, *BLOBS)):
        return None
    return array.cast(pa.large_binary()).view(TEXT)


def storable_text(raw: pa.Array) -> tuple[pa.Array, pa.Array]:
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


def strings(array: pa.Array | None, n: int) -> pa.Array:
    """Return an optional column as text: numbers as written, other types and broken values as null."""
    if array is not None and pa.types.is_integer(array.type):
        array = array.cast(TEXT)
    raw = viewed(array) if array is not None else None
    if raw is None:
        return pa.nulls(n, TEXT)
    text, broken = storable_text(raw)
    return pc.if_else(broken, pa.scalar(None, TEXT), text)


def times(array: pa.Array | None, n: int) -> pa.Array:
    """Return an optional column as times: of text those that are ISO 8601, others null."""
    if array is None:
        return pa.nulls(n, TIME)
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return array.cast(
            pa.timestamp("us", array.type.tz if pa.types.is_timestamp(array.type) else None), safe=False
        ).cast(TIME)
    encoded = strings(array, n).dictionary_encode()
    return pa.array([instant(value) for value in encoded.dictionary.to_pylist()], TIME).take(encoded.indices)
