import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.kernels.repeats import repeats


def columns(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Spread small numbers as digests would be, two halves each."""
    ids = np.array([[number * 0x9E3779B97F4A7C15 % 2**64, number] for number, _ in rows], np.uint64).reshape(-1, 2)
    return ids, np.array([tag for _, tag in rows], np.uint64)


@given(rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), max_size=60))
def test_repeats_are_what_a_set_says(rows: list[tuple[int, int]]) -> None:
    """A row repeats when its id was seen; the first row whose tag differs from that of its id's first is named."""
    first: dict[int, int] = {}
    expected, differs = [], -1
    for row, (number, tag) in enumerate(rows):
        expected.append(number in first)
        if first.setdefault(number, tag) != tag and differs < 0:
            differs = row

    again, found = repeats(*columns(rows))

    assert (again.tolist(), found) == (expected, differs)


def test_ids_of_one_slot_are_told_apart() -> None:
    """Ids whose first halves are equal differ by their second halves."""
    ids = np.array([[7, 1], [7, 2], [7, 1], [7, 3]], np.uint64)

    again, differs = repeats(ids, np.zeros(4, np.uint64))

    assert again.tolist() == [False, False, True, False]
    assert differs == -1
