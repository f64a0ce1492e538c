import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_release import new_store

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError

NAME = "artefacts/cut/0.parquet"
PARTS = (b"one", b"", b"three")
CHOSEN = (("one", pa.string()), ("two", pa.string()), ("row", pa.int64()))


@given(parts=st.lists(st.binary(max_size=40), max_size=8))
def test_parts_are_read_one_at_a_time(parts: list[bytes]) -> None:
    """Each part comes back as it was put, whatever its neighbours."""
    store = new_store("memory", Path())

    artefacts.put_parts(store, NAME, parts)

    assert [artefacts.get_part(store, NAME, number) for number in range(len(parts))] == parts
    assert artefacts.ready(store, NAME)


@pytest.mark.parametrize("place", [0, 8, 20, 48 * 3, 48 * 3 + 3])
def test_a_changed_part_is_not_used(place: int) -> None:
    """A flipped bit in the index entry or in the bytes of a part is an integrity error, not another part."""
    store = new_store("memory", Path())
    artefacts.put_parts(store, NAME, PARTS)
    data = bytearray(store.read(NAME))
    data[place] ^= 0x40

    store.put(NAME, bytes(data))

    damaged = 2 if place == 48 * 3 + 3 else 0
    with pytest.raises(IntegrityError, match=f"part {damaged}"):
        artefacts.get_part(store, NAME, damaged)
    assert artefacts.ready(store, NAME) is None


@pytest.mark.parametrize("bounds", [(-5, 3), (0, 1 << 62), (200, 100), (47, 60)])
def test_an_index_that_names_another_place_is_refused(bounds: tuple[int, int]) -> None:
    """Bounds before the parts, behind them or out of order read nothing."""
    store = new_store("memory", Path())
    artefacts.put_parts(store, NAME, PARTS)
    data = bytearray(store.read(NAME))
    struct.pack_into("<qq", data, 0, *bounds)

    store.put(NAME, bytes(data))

    with pytest.raises(IntegrityError, match="part 0"):
        artefacts.get_part(store, NAME, 0)


@pytest.mark.parametrize("length", [0, 20, 48, 48 * 3, 48 * 3 + 2, 48 * 3 + 9])
def test_a_cut_or_longer_artefact_is_damaged(length: int) -> None:
    """An artefact in parts that ends early or late is damaged, wherever that is."""
    store = new_store("memory", Path())
    artefacts.put_parts(store, NAME, PARTS)
    data = store.read(NAME)
    assert len(data) == 48 * 3 + 8

    store.put(NAME, (data + b"?")[:length])

    assert artefacts.ready(store, NAME) is None
    with pytest.raises(IntegrityError, match="built anew"):
        artefacts.read(store, NAME)


@pytest.mark.parametrize("mark", ["", "parts", "parts x y", "parts 3 ?", f"parts {'9' * 5_000} x", "00" * 32])
def test_a_changed_mark_is_damage(mark: str) -> None:
    """Whatever stands where the digest was, nothing counts as whole by it."""
    store = new_store("memory", Path())
    artefacts.put_parts(store, NAME, PARTS)

    store.put(NAME.removesuffix(".parquet") + ".sha256", mark.encode())

    assert artefacts.ready(store, NAME) is None


def test_what_was_built_again_under_a_name_is_read() -> None:
    """What is remembered of an artefact is forgotten as soon as it does not fit."""
    store = new_store("memory", Path())
    artefacts.put_parts(store, NAME, PARTS)
    assert artefacts.get_parts(store, NAME, 0, 3) == list(PARTS)

    artefacts.put_parts(store, NAME, [*PARTS, b"four"])

    assert artefacts.get_parts(store, NAME, 0, 4) == [*PARTS, b"four"]
    artefacts.sweep(store, "cut", keep=[NAME])
    assert artefacts.ready(store, NAME)
    artefacts.sweep(store, "cut")
    assert artefacts.ready(store, NAME) is False


def test_a_part_that_is_not_there_is_refused() -> None:
    """A number behind the last part is an integrity error."""
    store = new_store("memory", Path())
    artefacts.put_parts(store, NAME, PARTS)

    with pytest.raises(IntegrityError, match="part 9"):
        artefacts.get_part(store, NAME, 9)


def test_a_range_joins_the_same_range_of_every_artefact() -> None:
    """One key range of several artefacts is one table, in the order of the artefacts."""
    store = new_store("memory", Path())
    for name, base in (("a.parquet", 0), ("b.parquet", 10)):
        artefacts.put_ranges(store, name, [pa.table({"x": [base]}), pa.table({"x": [base + 1, base + 2]})])

    assert artefacts.get_range(store, ["b.parquet", "a.parquet"], 1)["x"].to_pylist() == [11, 12, 1, 2]


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), max_size=30),
    wanted=st.tuples(st.lists(st.sampled_from("abcde")), st.lists(st.sampled_from("vwxyz"))),
)
def test_chosen_rows_are_those_with_a_wanted_value(
    rows: list[tuple[str, str]], wanted: tuple[list[str], list[str]]
) -> None:
    """Rows that have a wanted value in any of the asked columns are read, in their order, and no others."""
    table = pa.table({"one": [row[0] for row in rows], "two": [row[1] for row in rows], "row": range(len(rows))})
    sink = pa.BufferOutputStream()
    pq.write_table(table.cast(pa.schema(CHOSEN)), sink, row_group_size=4)

    asked = {"one": wanted[0], "two": wanted[1]}
    found = artefacts.chosen(sink.getvalue().to_pybytes(), asked, ["row", "two"])

    kept = [{"row": i, "two": two} for i, (one, two) in enumerate(rows) if one in wanted[0] or two in wanted[1]]
    assert found.to_pylist() == kept
    assert found.column_names == ["row", "two"]
