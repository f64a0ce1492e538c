import struct
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_release import new_store

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError

NAME = "artefacts/cut/0.parquet"
PARTS = (b"one", b"", b"three")


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
