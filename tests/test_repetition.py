"""kernels.repetition against a plain reading of its docstring."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.kernels.repetition import REPEATED, TOP, repetition

TEXTS = st.lists(st.sampled_from(["a", "bb", "x9", "学", "习", "é"]), max_size=60).map(" ".join) | st.text(
    st.sampled_from("ab 学习。\n"), max_size=80
)


def plain(text: str) -> tuple[int, list[int], list[int]]:
    """Do what the kernel does, with lists and sets."""
    tokens = re.findall(r"[一-鿿]|[^\W_一-鿿]+", text)
    top = []
    for n in TOP:
        grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        often = {gram: count for gram, count in Counter(grams).items() if count > 1}
        best = max(often, key=lambda gram: often[gram] * sum(map(len, gram)), default=None)
        total, free = 0, 0
        for i, gram in enumerate(grams):
            if gram == best and i >= free:
                total, free = total + sum(map(len, gram)), i + n
        top.append(total)
    again = []
    for n in REPEATED:
        seen, total, i = set(), 0, 0
        while i + n <= len(tokens):
            gram = tuple(tokens[i : i + n])
            if gram in seen:
                total, i = total + sum(map(len, gram)), i + n
            else:
                seen.add(gram)
                i += 1
        again.append(total)
    return sum(map(len, tokens)), top, again


@given(texts=st.lists(TEXTS, max_size=6))
def test_counts_are_those_of_lists_and_sets(texts: list[str]) -> None:
    """Characters, most frequent and repeated n-grams are what lists, counters and sets find."""
    chars, top, again = repetition(pa.array(texts, pa.large_string()))

    found = list(zip(chars.tolist(), top.tolist(), again.tolist(), strict=True))
    assert found == [plain(text) for text in texts]


@pytest.mark.parametrize(("unit", "width"), [("学习", 2), ("word ", 4), ("a", 9000)])
def test_long_texts(unit: str, width: int) -> None:
    """A text of one unit nine thousand times is repetition nearly from end to end; one long word is none."""
    chars, top, again = repetition(pa.array([unit * 9_000 if width < 9000 else unit * width]))

    assert chars[0] == 9_000 * width if width < 9000 else 9000
    shares = np.concatenate([top[0], again[0]]) / chars[0]
    # Between two separate 学习学 stands one 习.
    assert (shares >= 0.75).all() if width < 9000 else (shares == 0).all()


def test_no_text() -> None:
    """Nothing repeats in nothing, and null is nothing."""
    chars, top, again = repetition(pa.array(["", None, "。。。", " \n"]))

    assert not chars.any()
    assert not top.any()
    assert not again.any()
