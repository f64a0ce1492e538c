"""What the columns of a Parquet file say of the rights of its rows: as `licences` does for rows, without a loop."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.schemas import TEXT
from corpus_gov.sources import arrays, licences


def paths(schema: pa.Schema) -> Iterator[tuple[str, str]]:
    """Yield name and path of the columns, and fields of structs, that speak of rights."""
    inner = [(f"{field.name}.", field.type) for field in schema if _is_inner(field)]
    for above, fields in [("", schema), *inner]:
        for field in fields:
            if name := licences.name_of(field.name):
                yield name, f"{above}{field.name}"


def _is_inner(field: pa.Field) -> bool:
    return field.name in licences.INNER and bool(pa.types.is_struct(field.type))


def stated(batch: pa.RecordBatch, own: str) -> pa.Array:
    """Return what each row says of its rights, as `licences.lines` does for one.

    Args:
        batch: rows of a delivery.
        own: path that a field map of the dossier has for `licence`.

    Returns:
        large_string, one a row: lines of markup, null where it says nothing.
    """
    columns = [("licence", own), *paths(batch.schema)]
    said = [_said(name, column) for name, path in columns if (column := arrays.at(batch, path)) is not None]
    if not said:
        return pa.nulls(batch.num_rows, TEXT)
    # Skipping nulls loses rows of a single column; blank lines go below.
    joined = pc.binary_join_element_wise(*said, pa.scalar("\n", TEXT), null_handling="replace").dictionary_encode()
    whole = [
        "\n".join(list(dict.fromkeys(filter(None, lines.split("\n"))))[: licences.MAX_FIELDS]) or None
        for lines in joined.dictionary.to_pylist()
    ]
    return pa.array(whole, TEXT).take(joined.indices)


def _said(name: str, column: pa.Array) -> pa.Array:
    column = arrays.decoded(column)
    if arrays.is_list(column.type):
        return _joined(name, pc.list_slice(column, 0, licences.MAX_ITEMS))
    if pa.types.is_struct(column.type):
        keys = [key for key in licences.OF_OBJECT if column.type.get_field_index(key) >= 0]
        fields = [pc.struct_field(column, [key]) for key in keys]
        said = [_of_text(name, arrays.decoded(field)) for field in fields]
        nothing = pa.nulls(len(column), TEXT)
        return pc.binary_join_element_wise(*said, nothing, pa.scalar("\n", TEXT), null_handling="replace")
    return _of_text(name, column)


def _joined(name: str, lists: pa.Array) -> pa.Array:
    """Say what the items of each list say; a list in a list says nothing."""
    items, parents = pc.list_flatten(lists), np.asarray(pc.list_parent_indices(lists))
    said = pa.nulls(len(items), TEXT) if arrays.is_list(items.type) else _said(name, items)
    kept = np.asarray(pc.is_valid(said))
    ends = np.cumsum(np.bincount(parents[kept], minlength=len(lists)))
    offsets = pa.array(np.concatenate([[0], ends]).astype(np.int32))
    kept_lines = said.filter(pa.array(kept)).cast(pa.string())
    return pc.binary_join(pa.ListArray.from_arrays(offsets, kept_lines), "\n").cast(TEXT)


def _of_text(name: str, column: pa.Array) -> pa.Array:
    raw = arrays.viewed(column)
    if raw is None:
        return pa.nulls(len(column), TEXT)
    text, broken = arrays.storable_text(raw)
    shown = pc.if_else(broken, pa.scalar(None, TEXT), pc.utf8_slice_codeunits(text, 0, 2 * licences.MAX_VALUE_CHARS))
    values = shown.dictionary_encode()
    said = [next(licences.written(name, value), None) for value in values.dictionary.to_pylist()]
    return pa.array(said, TEXT).take(values.indices)
