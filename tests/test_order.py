"""How far the order of what two texts share differs."""

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from related_texts import documents_of, edges_of

from corpus_gov.kernels.order import moved


def moved_of(one: list[int], other: list[int]) -> int:
    """Measure one pair of texts."""
    hashes, offsets = np.array([*one, *other], np.uint64), np.array([0, len(one), len(one) + len(other)])
    return int(moved(hashes, offsets, np.array([0]), np.array([1]))[0])


def test_pieces_in_one_order_have_not_moved():
    """What stands between shared pieces, and pieces that one text repeats, moves none of them."""
    assert moved_of([1, 2, 3, 4], [1, 2, 3, 4]) == 0
    assert moved_of([1, 90, 2, 3, 91, 4], [80, 1, 2, 81, 82, 3, 4]) == 0
    assert moved_of([1, 2, 1, 3, 2], [1, 2, 3]) == 0
    assert moved_of([1, 2], [3, 4]) == moved_of([], [1]) == moved_of([], []) == 0


def test_pieces_in_another_order_have_moved():
    """Backwards all but one have moved, with halves changed one half, and one piece that was moved is one piece."""
    assert moved_of(list(range(10)), list(range(10))[::-1]) == 9_000
    assert moved_of(list(range(10)), [*range(5, 10), *range(5)]) == 5_000
    assert moved_of(list(range(10)), [9, *range(9)]) == 1_000


@given(st.lists(st.integers(0, 8), max_size=9), st.lists(st.integers(0, 8), max_size=9))
def test_moved_is_what_the_longest_common_series_leaves(one, other):
    """The share is that outside the longest series of first occurrences that both have in one order, either way."""
    first, second = list(dict.fromkeys(one)), list(dict.fromkeys(other))
    shared = [piece for piece in first if piece in second]
    places = [second.index(piece) for piece in shared]
    longest = max(
        (
            size
            for size in range(1, len(places) + 1)
            for kept in combinations(places, size)
            if list(kept) == sorted(kept)
        ),
        default=0,
    )
    expected = 10_000 * (len(shared) - longest) // len(shared) if shared else 0
    assert moved_of(one, other) == moved_of(other, one) == expected


def test_pages_of_one_form_are_no_spun_copies_of_each_other():
    """Clauses in common in one order, with names of each page between them, make no edge; in another order they do."""
    words = [" ".join(f"w{(at * 7 + word) % 1_009}" for word in range(5)) for at in range(60)]
    forms = ["，".join(f"{one}. {name} is {at}" for at, one in enumerate(words)) for name in ("avx", "sse")]
    shuffled = "，".join(words[at * 23 % 60] for at in range(60))

    def kinds(*texts: str) -> list[str]:
        return edges_of(documents_of(texts))["kind"].to_pylist()

    assert kinds(*forms) == []
    assert kinds(forms[0], shuffled) == ["spun"]
