"""The canonical bytes of a row, against a plain encoding written from docs/manifest-format.md."""

import datetime as dt
import struct
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov import schemas
from corpus_gov.errors import SchemaError
from corpus_gov.kernels import rows

TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
REASONS = st.none() | st.lists(
    st.none() | st.fixed_dictionaries({"code": TEXT, "disposition": TEXT, "category": TEXT, "legal": TEXT}), max_size=4
)
COLUMNS = {
    "text": (pa.string(), TEXT),
    "large": (pa.large_string(), TEXT),
    "flag": (pa.bool_(), st.none() | st.booleans()),
    "small": (pa.int32(), st.none() | st.integers(-(2**31), 2**31 - 1)),
    "wide": (pa.int64(), st.none() | st.integers(-(2**63), 2**63 - 1)),
    "time": (schemas.TIME, st.none() | st.datetimes(dt.datetime(1900, 1, 1), timezones=st.just(dt.UTC))),  # noqa: DTZ001
    "screened": (pa.list_(pa.string()), st.none() | st.lists(TEXT, max_size=4)),
    "reasons": (pa.list_(schemas.REASON), REASONS),
    "nested": (pa.large_list(pa.list_(pa.int64())), st.lists(st.lists(st.integers(-9, 9), max_size=3), max_size=3)),
}
TABLES = st.integers(0, 6).flatmap(
    lambda n: st.fixed_dictionaries({k: st.lists(v, min_size=n, max_size=n) for k, (_, v) in COLUMNS.items()})
)
SCHEMA = pa.schema([pa.field(name, kind) for name, (kind, _) in COLUMNS.items()])


def plain(value: Any) -> bytes:
    """Encode one Python value, as a reader of the format page would."""
    if value is None:
        return b"\x00"
    if isinstance(value, bool):
        return b"\x01" + bytes([value])
    if isinstance(value, dt.datetime):
        value = (value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    if isinstance(value, int):
        return b"\x01" + struct.pack(">q", value)
    if isinstance(value, str):
        return b"\x01" + struct.pack(">I", len(value.encode())) + value.encode()
    if isinstance(value, dict):
        return b"\x01" + b"".join(map(plain, value.values()))
    return b"\x01" + struct.pack(">I", len(value)) + b"".join(sorted(map(plain, value)))


def split(encoded: tuple[np.ndarray, np.ndarray]) -> list[bytes]:
    data, offsets = encoded
    return [data[a:b].tobytes() for a, b in pairwise(offsets)]


@given(TABLES)
@settings(deadline=None)
def test_every_type_matches_the_plain_encoding(columns: dict[str, list[Any]]) -> None:
    """A row is the version byte and the encoded columns in order, nulls, nesting and astral characters included."""
    table = pa.table(columns, schema=SCHEMA)

    encoded = split(rows.encode_rows(table))

    assert encoded == [b"\x01" + b"".join(map(plain, row.values())) for row in table.to_pylist()]


@given(TABLES, st.integers(0, 6), st.integers(0, 6))
@settings(deadline=None)
def test_a_slice_encodes_as_the_same_rows_of_the_whole(columns: dict[str, list[Any]], start: int, n: int) -> None:
    """Cutting a table, chunking it or rejoining it changes no byte of any row."""
    table = pa.table(columns, schema=SCHEMA)

    whole = split(rows.encode_rows(table))

    assert split(rows.encode_rows(table.slice(start, n))) == whole[start : start + n]
    assert split(rows.encode_rows(pa.concat_tables([table.slice(0, start), table.slice(start)]))) == whole


def test_the_order_of_a_list_does_not_count() -> None:
    """Two rows whose lists hold the same elements have the same bytes."""
    column = pa.array([["b", "a", None, "aa"], ["aa", None, "b", "a"]])

    first, second = split(rows.encode(column))

    assert first == second


def test_what_lies_under_a_null_does_not_count() -> None:
    """Values hidden under a null struct, list or string never reach the bytes."""
    hidden = pa.array([["x"], ["y", "z"]])
    lists = pa.ListArray.from_arrays(hidden.offsets, hidden.values, mask=pa.array([False, True]))
    structs = pa.StructArray.from_arrays([pa.array(["x", "y"])], ["a"], mask=pa.array([False, True]))

    assert split(rows.encode(lists))[1] == b"\x00"
    assert split(rows.encode(structs))[1] == b"\x00"


@pytest.mark.parametrize("kind", [pa.float64(), pa.uint64(), pa.timestamp("ms", tz="UTC"), pa.binary()])
def test_a_type_outside_the_format_is_refused(kind: pa.DataType) -> None:
    """A float, an unsigned number or another time unit fails with the column's name."""
    with pytest.raises(SchemaError, match=r"column 'share' is"):
        rows.encode_rows(pa.table({"share": pa.array([None], kind)}))


@given(TABLES, TABLES)
@settings(deadline=None)
def test_differ_marks_exactly_the_unlike_rows(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> None:
    """Two encoded columns differ in a row if and only if its values do, lists being without order."""
    n = min(len(one["text"]), len(other["text"]))
    for name, (kind, _) in COLUMNS.items():
        a, b = pa.array(one[name][:n], kind), pa.array(other[name][:n], kind)

        unlike = rows.differ(rows.encode(a), rows.encode(b))

        assert unlike.tolist() == [plain(x) != plain(y) for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)]


def test_an_empty_table_has_no_bytes() -> None:
    """A table without rows encodes to nothing and one offset."""
    data, offsets = rows.encode_rows(pa.table({name: pa.array([], kind) for name, (kind, _) in COLUMNS.items()}))

    assert data.size == 0
    assert offsets.tolist() == [0]
