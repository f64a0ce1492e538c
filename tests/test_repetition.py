"""kernels.repetition against a plain reading of its docstring."""

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.kernels import characters, repetition, scripts
from corpus_gov.kernels.repetition import REPEATED, TOP

TEXTS = st.lists(st.sampled_from(["a", "bb", "x9", "学", "习", "é"]), max_size=60).map(" ".join) | st.text(
    st.sampled_from("ab 学习。\n"), max_size=80
)


def measured(*texts: str | None) -> list[tuple[int, int, list[int], list[int]]]:
    """Return distinct tokens, characters, most frequent and repeated n-grams of each text."""
    _, of, _ = characters.measure_characters(*scripts.read_only(pa.array(texts, pa.large_string())))
    names = ["distinct_tokens", "token_chars", *(f"top_{n}" for n in TOP), *(f"again_{n}" for n in REPEATED)]
    rows = np.stack([of[name] for name in names], axis=1).tolist()
    return [(row[0], row[1], row[2 : 2 + len(TOP)], row[2 + len(TOP) :]) for row in rows]


def plain(text: str) -> tuple[int, int, list[int], list[int]]:
    """Do what the kernel does, with lists and sets."""
    tokens = re.findall(r"[一-鿿]|[^\W_一-鿿]+", re.sub("[A-Z]", lambda letter: letter[0].lower(), text))
    top = []
    for n in TOP:
        grams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
        counts: Counter[tuple[str, ...]] = Counter()
        best, most = None, 0
        for gram in grams:
            counts[gram] += 1
            if counts[gram] > 1 and counts[gram] * sum(map(len, gram)) > most:
                best, most = gram, counts[gram] * sum(map(len, gram))
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
    return len(set(tokens)), sum(map(len, tokens)), top, again


@given(texts=st.lists(TEXTS, max_size=6))
def test_counts_are_those_of_lists_and_sets(texts: list[str]) -> None:
    """Tokens, characters, most frequent and repeated n-grams are what lists, counters and sets find."""
    assert measured(*texts) == [plain(text) for text in texts]


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(100, 3000), kinds=st.integers(2, 400))
def test_long_texts_are_counted_like_short_ones(seed: int, size: int, kinds: int) -> None:
    """Random texts of thousands of words and Han characters, with copied passages, give the same counts."""
    rng = np.random.default_rng(seed)
    tokens = [chr(0x4E00 + n) if n % 3 else f"w{n} " for n in rng.integers(0, kinds, size)]
    text = "".join(tokens + tokens[size // 3 : size // 2] + tokens[: size // 4])

    assert measured(text) == [plain(text)]


@pytest.mark.parametrize(("unit", "width"), [("学习", 2), ("word ", 4), ("a", 9000)])
def test_one_unit_again_and_again(unit: str, width: int) -> None:
    """A text of one unit nine thousand times is repetition nearly from end to end; one long word is none."""
    ((_, chars, top, again),) = measured(unit * 9_000 if width < 9000 else unit * width)

    assert chars == (9_000 * width if width < 9000 else 9000)
    shares = np.array(top[1:] + again) / chars
    # Between two separate 学习学 stands one 习.
    assert (shares >= 0.75).all() if width < 9000 else (shares == 0).all()


def test_only_the_first_tokens_of_a_huge_text_are_looked_at() -> None:
    """What comes after LIMIT tokens changes no count of tokens."""
    head = "".join(chr(0x4E00 + n % 20_000) for n in range(repetition.LIMIT))

    assert measured(head) == measured(head + "学习" * 1000)


def test_no_text() -> None:
    """Nothing repeats in nothing, and null is nothing."""
    assert measured("", None, "。。。", " \n") == [(0, 0, [0] * len(TOP), [0] * len(REPEATED))] * 4
