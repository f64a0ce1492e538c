"""kernels.textmodel: the same labels and probabilities as the library that trained the model."""

import random
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import textmodel
from corpus_gov.signals import language

KINDS: dict[str, dict[str, Any]] = {
    "words": {"maxn": 0, "loss": "softmax"},
    "characters": {"minn": 1, "maxn": 3, "bucket": 5000, "loss": "softmax"},
    "phrases": {"minn": 2, "maxn": 2, "bucket": 5000, "wordNgrams": 3, "loss": "softmax"},
    "tree": {"minn": 2, "maxn": 3, "bucket": 5000, "loss": "hs"},
    "quantised": {"minn": 2, "maxn": 3, "bucket": 5000, "wordNgrams": 2, "loss": "softmax"},
}
WORDS = ["apple", "river", "stone", "紅葉", "学习", "数据", "o'clock", "naïve", "Straße", "данные", "x", "的"]
TEXTS = st.text(
    st.one_of(st.sampled_from(" \t\x0b\x00<>_é学的данx"), st.characters(exclude_characters="\n", codec="utf-8")),
    max_size=60,
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Train one small model of each kind on seeded nonsense."""
    folder = tmp_path_factory.mktemp("models")
    chance = random.Random(7)
    lines = [
        f"__label__{label} " + " ".join(chance.choices(WORDS, range(1 + label, 13 + label), k=12))
        for label in range(5)
        for _ in range(40 * (label + 1))
    ]
    corpus = folder / "train.txt"
    corpus.write_text("\n".join(lines) + "\n")
    paths = {}
    for name, options in KINDS.items():
        model = fasttext.train_supervised(str(corpus), dim=12, epoch=3, thread=1, verbose=0, seed=1, **options)
        if name == "quantised":
            model.quantize(str(corpus), cutoff=300, qnorm=True, retrain=False, verbose=0)
        paths[name] = folder / f"{name}.bin"
        model.save_model(str(paths[name]))
    return paths


def compare(path: Path, texts: Sequence[str]) -> None:
    """Hold the likeliest label and its probability against the library's."""
    ours, theirs = textmodel.load(path), fasttext.load_model(str(path))
    best, probability = ours.best(pa.array(texts, pa.large_string()))
    for text, place, found in zip(texts, best.tolist(), probability.tolist(), strict=True):
        expected = dict(_pairs(theirs, text))
        if not expected:
            assert place == -1
            continue
        # Two labels may be equally likely but for the order of additions.
        assert expected[ours.labels[place]] == pytest.approx(max(expected.values()), abs=2e-5)
        assert found == pytest.approx(max(expected.values()), abs=2e-5)


def _pairs(model: Any, text: str) -> list[tuple[str, float]]:
    pairs = model.f.predict(text + "\n", 1000, -1.0, "strict")
    return [(label.removeprefix("__label__"), probability) for probability, label in pairs]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS | st.lists(st.sampled_from(WORDS)).map(" ".join), min_size=1, max_size=8))
def test_labels_are_those_of_the_library(kind: str, trained: dict[str, Path], texts: list[str]) -> None:
    """Any text, known words or not, gets the label and probability that the library gives."""
    compare(trained[kind], texts)


@pytest.mark.parametrize("text", ["", " ", "</s>", "stone </s> river", "__label__1", "__label__1 stone", "\x00stone"])
@pytest.mark.parametrize("kind", ["words", "tree", "quantised"])
def test_marks_of_the_format_in_a_text(kind: str, text: str, trained: dict[str, Path]) -> None:
    """The end of a line, labels and NUL inside a text mean what they mean to the library."""
    compare(trained[kind], [text, f"apple {text}"])


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts(kind: str, trained: dict[str, Path]) -> None:
    """More rows than are held back at once, and words with more rows than are remembered, are all added."""
    chance = random.Random(5)
    long_word = "".join(chance.choices(WORDS, k=30))
    compare(trained[kind], [" ".join(chance.choices([*WORDS, long_word], k=3_000))])


def test_the_language_model_agrees() -> None:
    """The model that the package comes with, a pruned and quantised tree, gives the library's labels."""
    texts = ["The quick brown fox", "Der schnelle Fuchs", "быстрая лиса", "الثعلب البني", "a", "国务院", "zażółć gęślą"]
    compare(language.MODEL, texts)


def test_probabilities_add_up(trained: dict[str, Path]) -> None:
    """With softmax the probabilities of a text add up to one, and the largest is that of `best`."""
    model = textmodel.load(trained["characters"])
    texts = pa.array(["apple river", "学习 数据", "的"])

    each, (best, probability) = model.probabilities(texts), model.best(texts)

    assert each.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (each.argmax(axis=1) == best).all()
    assert np.array_equal(each.max(axis=1), probability)


def test_line_breaks_are_spaces(trained: dict[str, Path]) -> None:
    """Where the library refuses a line break, it separates words."""
    model = textmodel.load(trained["phrases"])

    _, probability = model.best(pa.array(["apple river", "apple\nriver"]))

    assert probability[0] == probability[1]


@pytest.mark.parametrize("cut", [0, 3, 8, 60, 100, 2000, -1])
def test_a_cut_file_is_refused(cut: int, trained: dict[str, Path], tmp_path: Path) -> None:
    """A file that ends early is named, with the place."""
    path = tmp_path / "model.bin"
    path.write_bytes(trained["characters"].read_bytes()[:cut])

    with pytest.raises(IntegrityError, match=r"model\.bin: byte \d+ of \d+"):
        textmodel.load(path)


@pytest.mark.parametrize(("place", "value"), [(0, 1), (4, 11), (8 + 4 * 6, 2)])
def test_other_files_are_refused(place: int, value: int, trained: dict[str, Path], tmp_path: Path) -> None:
    """Another magic number, version or loss is refused."""
    data = bytearray(trained["characters"].read_bytes())
    struct.pack_into("<i", data, place, value)
    path = tmp_path / "model.bin"
    path.write_bytes(data)

    with pytest.raises(IntegrityError, match="expected a supervised fastText model"):
        textmodel.load(path)
