"""Kernels: classes of code points, counts by class, samples, lines of any number; definitions are in test_quality."""

import sys
from unicodedata import category

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import texts

from corpus_gov.kernels import characters, scripts, textstats
from corpus_gov.kernels.scripts import (
    ARABIC,
    CONTROL,
    CYRILLIC,
    DIGIT,
    HAN,
    HANGUL,
    HANS,
    HANT,
    KANA,
    LATIN,
    LETTER,
    MARK,
    OTHER,
    REPLACEMENT,
    SPACE,
    SYMBOL,
)


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        ("aZéßœǅﬁＡẞ", LATIN),
        ("жЖѣԥ", CYRILLIC),
        ("سپگﷲ", ARABIC),
        ("かカーｶゝ", KANA),
        ("한ㄱᄀﾡ", HANGUL),
        ("中人水〇々⼈\uf900𠀀𪚥𰀀", HAN),
        ("国体万这们东车见说对", HANS),
        ("國體萬這們東車見說對", HANT),
        ("Ωאกहߐꦏ𐤀", LETTER),
        ("0９४٣", DIGIT),
        ("\u0301ิ्", MARK),
        ("。！？,.$€①½Ⅳ🙂🧿", SYMBOL),
        (" \t\n\r\x0b\x0c\u0085\u00a0\u2028\u3000", SPACE),
        ("\x00\x1b\x7f\u0080", CONTROL),
        ("\ufffd", REPLACEMENT),
        ("\ufe0f\u200b\u00ad\u200d\ufeff\ue000\U000e0001\U0010ffff", OTHER),
    ],
)
def test_class_of(characters: str, kind: int) -> None:
    """Each character has the class that a reader expects, also when it is younger than Unicode 3.2."""
    kinds = {character: int(scripts.classes()[min(ord(character), scripts.LAST)]) for character in characters}

    assert kinds == dict.fromkeys(characters, kind)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (0x0, 0x2AF),
        (0x400, 0x481),
        (0x620, 0x64A),
        (0x3041, 0x30FF),
        (0x3400, 0x4DB5),
        (0x4E00, 0x9FA5),
        (0xAC00, 0xD7A3),
    ],
)
def test_classes_agree_with_the_running_python(first: int, last: int) -> None:
    """In the blocks of the scripts that we tell apart, letters are what a newer Unicode calls letters."""
    kinds = scripts.classes()[first : last + 1]

    assert [kind >= LETTER for kind in kinds] == [category(chr(point))[0] == "L" for point in range(first, last + 1)]


def test_classes_are_the_same_on_every_python() -> None:
    """The table does not move with the Unicode version of the interpreter: a change here needs new VERSIONs."""
    histogram = np.bincount(scripts.classes(), minlength=scripts.N_CLASSES)

    assert histogram.tolist() == [
        *(15765, 25, 59, 1, 8226, 248, 701, 62359),
        *(1374, 409, 1115, 641, 11686, 154966, 2497, 2073),
    ]


def test_chinese_sets_are_disjoint_and_hold_the_frequent_pairs() -> None:
    """Simplified and traditional forms are told apart, forms of both are in neither set."""
    simplified, traditional = scripts.chinese()

    assert not simplified & traditional
    assert set("国们这说时学开关书买") <= simplified
    assert set("國們這說時學開關書買") <= traditional
    assert not set("的一是不人在有我他中大") & (simplified | traditional)


@given(st.lists(texts, max_size=4))
@settings(deadline=None)
def test_count_agrees_with_python(values: list[str]) -> None:
    """Counting bytes gives the counts of code points."""
    counts = scripts.count(pa.array(values, pa.large_string()))

    table = scripts.classes()
    expected = [
        [sum(table[min(ord(c), scripts.LAST)] == kind for c in value) for kind in range(16)] for value in values
    ]
    assert counts.tolist() == expected


@given(st.lists(texts, min_size=1, max_size=4), st.integers(0, 12))
@settings(deadline=None)
def test_sample_agrees_with_python(values: list[str], points: int) -> None:
    """A sample is the letters, with one space for what lies between them, cut after `points`."""
    sample = scripts.sample(pa.array(values, pa.large_string()), points).to_pylist()

    assert sample == [naive_sample(value)[:points] for value in values]


def naive_sample(value: str) -> str:
    """Spell out what `sample` documents."""
    kept = []
    for character in value:
        kind = scripts.classes()[min(ord(character), scripts.LAST)]
        if kind >= MARK or character in "'’":
            kept.append(character)
        elif kind != OTHER:
            kept.append(" ")
    # Space by space: str.split would also split at characters that are no white space here.
    words = [word for word in "".join(kept).split(" ") if word]
    return " ".join(words)


@pytest.mark.parametrize("tail", [b"\xe4", b"\xe4\xb8", b"\xf0\x9f\x99", b"\xc3", b"\x80", b"\xff\xff\xff\xff"])
def test_broken_utf8_is_counted_without_reading_beyond_the_value(tail: bytes) -> None:
    """A value cut inside a character gives counts; the next value's bytes are not taken for its own."""
    data = b"a" + tail + "中".encode()
    offsets = np.array([0, 1 + len(tail), len(data)], np.int64)
    column = pa.LargeStringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(data))

    assert scripts.count(column)[1].tolist() == [int(kind == HAN) for kind in range(16)]
    assert characters.measure_characters(*scripts.read_only(column))[0][1, HAN] == 1
    assert scripts.count(column)[0, LATIN] == 1


def test_nulls_and_slices_count_as_their_values() -> None:
    """A null is empty even if bytes lie behind it, and a slice does not see its neighbours."""
    column = pa.array(["ab", "国国", None, "x"], pa.large_string())
    validity = pa.py_buffer(bytes([0b1101]))
    hidden = pa.LargeStringArray.from_buffers(4, column.buffers()[1], column.buffers()[2], validity)

    assert scripts.count(column.slice(1, 2))[:, HANS].tolist() == [2, 0]
    assert scripts.count(hidden)[:, HANS].tolist() == [0, 0, 0, 0]


def lines_of(column: pa.Array) -> dict[str, np.ndarray]:
    """Count lines as the quality family does."""
    data, offsets = scripts.read_only(column)
    return textstats.measure_lines(data, offsets, characters.measure_characters(data, offsets)[2])


def test_repeated_lines_are_counted_in_documents_of_any_size() -> None:
    """The table of lines grows with the document: no number of lines ends the count."""
    lines = [f"line {number % 50_000}" for number in range(120_000)]
    column = pa.array(["\n".join(lines), "a\nb"], pa.large_string())

    counts = lines_of(column)

    assert counts["n_lines"].tolist() == [120_000, 2]
    assert counts["dup_lines"].tolist() == [70_000, 0]


@pytest.mark.parametrize("seed", [0, 1, sys.maxsize])
def test_equal_hashes_do_not_make_equal_lines(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With a multiplier of 0 every line has the same hash, and lines are still told apart by their bytes."""
    column = pa.array(["ab\ncd\nab\nabc\n ab", "国\n國\n国"], pa.large_string())
    lines = textstats._lines.py_func
    monkeypatch.setitem(lines.__globals__, "_MULTIPLIER", np.uint64(0))

    info = np.zeros(8, np.uint32)
    counts = lines(*scripts.read_only(column), info, textstats._table(), np.uint64(seed))

    assert counts[:, textstats.LINE_COUNTS.index("dup_lines")].tolist() == [2, 1]


def test_repeated_paragraphs_are_counted_in_documents_of_any_size() -> None:
    """The set of paragraphs grows with the document, and the next document begins with an empty one."""
    column = pa.array(["\n\n".join(f"a\nb {number % 5_000}" for number in range(12_000)), "a\nb 1"], pa.large_string())

    counts = lines_of(column)

    assert counts["n_paragraphs"].tolist() == [12_000, 1]
    assert counts["dup_paragraphs"].tolist() == [7_000, 0]
