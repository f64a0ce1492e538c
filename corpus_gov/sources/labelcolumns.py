"""What the columns of a Parquet file say of machines as authors: as `labels` does for rows of JSON."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.schemas import TEXT
from corpus_gov.sources import arrays, labels


def paths(schema: pa.Schema) -> Iterator[str]:
    """Yield the paths of the columns, and of the fields of structs under a name of `labels.INNER`, that hold labels."""
    for field in schema:
        if labels.is_named(field.name):
            yield field.name
        elif field.name in labels.INNER and pa.types.is_struct(field.type):
            yield from (f"{field.name}.{child.name}" for child in field.type if labels.is_named(child.name))


def stated(batch: pa.RecordBatch) -> pa.Array:
    """Return the labels of each row, as `labels.lines` does for one.

    Args:
        batch: rows of a delivery; bytes of a label that are no UTF-8 are replaced, so that it is not lost.

    Returns:
        large_string, one a row: lines of markup, null where there is no label.
    """
    found = [path for path in paths(batch.schema) if arrays.at(batch, path) is not None]
    if not found:
        return pa.nulls(batch.num_rows, TEXT)
    columns = [_values(arrays.at(batch, path)) for path in found]
    names = [path.rpartition(".")[2] for path in found]
    return pa.array([_lines(names, row) for row in zip(*columns, strict=True)], TEXT)


def _lines(names: list[str], row: tuple[Any, ...]) -> str | None:
    # A name may stand in the row and in its metadata: each is asked for itself.
    said = (labels.lines("field", {name: value}) for name, value in zip(names, row, strict=True))
    return "\n".join(line for lines in said for line in lines) or None


def joined(first: pa.Array, second: pa.Array) -> pa.Array:
    """Put the lines of two columns under one another, row by row; null where both are."""
    # Not by skipping nulls: that loses rows in which nothing is left.
    return pc.coalesce(pc.binary_join_element_wise(first, second, pa.scalar("\n", TEXT)), first, second)


def _values(column: Any) -> list[Any]:
    column = arrays.decoded(column)
    if pa.types.is_struct(column.type):
        names = [field.name for field in column.type]
        fields = [_values(pc.struct_field(column, [index])) for index in range(len(names))]
        rows = zip(*fields, strict=True) if fields else ((),) * len(column)
        # A field that another row has is null in this one, which JSON would leave out.
        return [{name: one for name, one in zip(names, row, strict=True) if one is not None} or None for row in rows]
    if any(test(column.type) for test in (*arrays.STRINGS, *arrays.BLOBS)):
        blobs = column.cast(pa.large_binary()).to_pylist()
        return [None if blob is None else blob[: 4 * labels.MAX_CHARS].decode(errors="replace") for blob in blobs]
    return [dict(item) if isinstance(item, list) and _is_map(column) else item for item in column.to_pylist()]


def _is_map(column: pa.Array) -> bool:
    return bool(pa.types.is_map(column.type))
