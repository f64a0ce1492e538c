"""signals.quality beside what datatrove 0.10.1 says of the same 23 documents of our own.

`python bench/quality_values.py` wrote the values of quality_values.json; they are pinned, and datatrove is not needed
here. Ratios that our schema has in another form are left out: most frequent words in a row (with spaces and overlaps
there), and shares of repetition in all text instead of in words.
"""

import json
from pathlib import Path

import pytest
from documents import documents

from corpus_gov.schemas import SCALE
from corpus_gov.signals import quality

VALUES = json.loads(Path(__file__).with_name("quality_values.json").read_text(encoding="utf-8"))
BY_NAME = {document["name"]: document for document in VALUES["documents"]}

SHORT = "a short line has fewer than 30 bytes, which is fair to Han characters; there it has 30 code points at most"
CLOSED = "closing quotation marks and brackets, ellipses and the semicolon of Chinese lists end a sentence, too"
TRIMMED = "white space at either end of a line is no part of it"
FOLDED = "capitals of ASCII are the same as small letters, or a text in capitals has no function words"
DIFFERENCES = {
    ("en-bullets", "n_words"): (19, "a bullet is no word"),
    ("en-negative-numbers", "bullet_line_share"): (0, "a dash before a digit is a sign"),
    ("en-ellipses", "terminal_line_share"): (10_000, CLOSED),
    ("en-spam", "mean_line_chars"): (115, TRIMMED),
    ("en-spam", "terminal_line_share"): (10_000, TRIMMED),
    ("en-quotes", "terminal_line_share"): (10_000, CLOSED),
    ("en-quotes", "n_kept_sentences"): (3, CLOSED),
    ("en-capitals", "n_stop_words"): (4, FOLDED),
    ("en-indented", "mean_line_chars"): (24, TRIMMED),
    ("en-indented", "dup_line_char_share"): (3425, TRIMMED),
    ("en-indented", "n_stop_words"): (1, FOLDED),
    ("zh-plain", "short_line_share"): (0, SHORT),
    ("zh-repeated", "short_line_share"): (3333, SHORT),
    ("zh-quotes", "short_line_share"): (2500, SHORT),
    ("zh-quotes", "terminal_line_share"): (10_000, CLOSED),
    ("zh-law", "short_line_share"): (0, SHORT),
    ("zh-law", "terminal_line_share"): (10_000, CLOSED),
    ("zh-numbers", "short_line_share"): (3333, SHORT),
    ("zh-numbers", "terminal_line_share"): (10_000, CLOSED),
    ("zh-bullets", "short_line_share"): (7500, SHORT),
    ("zh-bullets", "bullet_line_share"): (7500, "the middle dot is a bullet in Chinese"),
}
"""(document, column) → our value, and why it is meant to be another than theirs."""


@pytest.mark.parametrize("name", BY_NAME)
def test_values_are_those_of_datatrove_but_for_intended_differences(name: str) -> None:
    """Every column is equal to datatrove's value, or is a named difference with a value of its own."""
    document = BY_NAME[name]
    row = quality.measure(documents([document["text"]]), {}).to_pylist()[0]
    meant = {column: value for (other, column), (value, _) in DIFFERENCES.items() if other == name}

    found = {column: row[column] for column, value in document["values"].items() if not same(row, column, value)}

    assert found == meant


def test_the_values_are_of_the_version_that_is_named() -> None:
    """The pinned values say which datatrove made them, and every difference belongs to one of them."""
    assert VALUES["datatrove"] == "0.10.1"
    assert len(BY_NAME) == 23
    assert all(column in BY_NAME[name]["values"] for name, column in DIFFERENCES)


def same(row: dict[str, int], column: str, value: float) -> bool:
    """Compare a count, or a share in ten-thousandths with a ratio."""
    return row[column] == value if column.startswith(("n_", "mean_")) else abs(row[column] - SCALE * value) <= 0.5001
