"""signals.perplexity, and the table of n-grams behind it."""

import lzma
import random
from pathlib import Path

import numpy as np
import pytest
from documents import documents

from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import ngrams
from corpus_gov.signals import perplexity

CHINESE = "为了规范本市公园的建设和管理，保护公园的环境，根据有关法律、法规的规定，结合本市实际，制定本条例。" * 2
ENGLISH = "The function returns the number of rows in the table, or zero if there are none of them. " * 2


def measure(text: str) -> dict[str, int]:
    """Measure one text."""
    (row,) = perplexity.measure(documents([text]), {}).drop_columns("doc_id").to_pylist()
    return row


@pytest.mark.parametrize("text", [CHINESE, ENGLISH])
def test_characters_in_no_order_are_surprising(text: str) -> None:
    """Written text costs far fewer bits than by frequency alone, the same characters shuffled about as many or more."""
    characters = list(text)
    random.Random(1).shuffle(characters)

    written, other = measure(text), measure("".join(characters))

    assert written["gained_bits"] > 2000
    assert other["gained_bits"] < 1000
    assert written["char_bits"] + 2000 < other["char_bits"]
    assert 0 < written["best_bits"] <= written["worst_bits"] < other["best_bits"]


def test_misread_text_is_surprising() -> None:
    """Chinese text read in a wrong charset costs twice as many bits."""
    assert measure(CHINESE.encode().decode("gb18030", "replace"))["char_bits"] > 2 * measure(CHINESE)["char_bits"]


def test_white_space_digits_and_case_are_folded() -> None:
    """Line ends are spaces, a run of them is one, capitals are small letters and all digits are one."""
    assert measure("The  year\n\n2019") == measure("the YEAR 1970")


def test_nothing_has_no_surprise() -> None:
    """An empty text, or white space alone, is all zeros; windows need 64 characters."""
    assert set(measure("").values()) == set(measure(" \n").values()) == {0}
    assert measure("short")["worst_bits"] == 0


def test_only_the_beginning_is_looked_at() -> None:
    """What follows the first 4,096 characters changes nothing."""
    head = CHINESE * 60

    assert measure(head[:4096] + "\x00" * 100_000) == measure(head[:4096])
    assert measure(head)["n_scored"] == 4096


def test_probabilities_after_a_context_add_up_to_one() -> None:
    """Of a frequent context the probabilities of all that may follow sum to 1, but for the rounding to steps."""
    model = perplexity._model()
    followers = model.single[:, 0] < 255
    texts = ["人" + chr(point) for point in np.flatnonzero(followers) if not 0xD800 <= point < 0xE000]
    texts = [text for text in texts if ngrams.symbols()[ord(text[1])] == ord(text[1]) and text[1] != " "]
    columns = documents(texts).column("text")
    data, offsets = (array.copy() for array in ngrams.scripts.read_only(columns))
    data.flags.writeable = offsets.flags.writeable = False

    steps = model.measure(data, offsets)["surprise"] - int(model.single[ord("人"), 0])

    assert 0.9 < float(np.exp2(-steps / ngrams.STEPS).sum()) < 1.1


def test_a_model_is_written_and_read(tmp_path: Path) -> None:
    """What was written is read back the same, in the same bytes."""
    model = perplexity._model()
    model.write(tmp_path / "one.xz")
    again = ngrams.load(tmp_path / "one.xz")
    again.write(tmp_path / "two.xz")

    assert (again.table == model.table).all()
    assert (again.single == model.single).all()
    assert (tmp_path / "one.xz").read_bytes() == (tmp_path / "two.xz").read_bytes()


@pytest.mark.parametrize("data", [b"", b"other\n", ngrams.MAGIC + b"x", ngrams.MAGIC + lzma.compress(b"short")])
def test_a_file_that_is_no_model(tmp_path: Path, data: bytes) -> None:
    """Files that are no model are refused, and by name."""
    path = tmp_path / "odd.xz"
    path.write_bytes(data)

    with pytest.raises(IntegrityError, match=r"^odd\.xz: "):
        ngrams.load(path)


def test_a_changed_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that is not the package's stops the run."""
    model = tmp_path / "ngrams.xz"
    model.write_bytes(b"other")
    monkeypatch.setattr(perplexity, "MODEL", model)
    perplexity._model.cache_clear()

    with pytest.raises(IntegrityError, match=r"ngrams\.xz: SHA-256 is"):
        measure("text")
    perplexity._model.cache_clear()


def test_the_card_names_the_model() -> None:
    """The card beside the model has its digest."""
    assert perplexity.MODEL_DIGEST in perplexity.MODEL.with_name("README.md").read_text(encoding="utf-8")
