"""The first look that leaves out texts: never one in which an entry stands, however it is disguised."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov.kernels import multimatch, wordneeds, wordtokens

ENTRIES = [
    "赌场", "网上赌场", "free money", "viagra", "加v信", "เลข ๗", "ｃａｓｉｎｏ", "後悔药", "ギャンブル", "カジノ広告",
]  # fmt: skip
PIECES = [
    "赌场", "網上賭場", "赌.场", "赌\u200b场", "free", "FREE", "ｆｒｅｅ", " money", "mo\u00adney", "fré\u0301e", "ﬁ",
    "Mone\u0301y", "𝐦𝐨𝐧𝐞𝐲", "viag", "ra", "VIAGRA", "加 Ｖ 信", "casino", "后悔药", "後", "悔", "药藥", "ｷﾞｬﾝﾌﾞﾙ",
    "ギャンブル", "㌕", "カジノ", "廣告", "廣", "告", "เลข", "๗", "7", "x", "。", "\n", " ", "-", "\ufe0f",
]  # fmt: skip


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(ENTRIES), min_size=1, max_size=4, unique=True),
    st.lists(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), max_size=6),
)
def test_no_text_with_an_entry_is_left_out(entries: list[str], texts: list[str]) -> None:
    """Every text in which the whole search finds an entry is one that the first look lets through."""
    column = pa.array(texts, pa.large_string())
    asked = wordneeds.needs(entries)
    assert asked is not None

    rows = wordneeds.rows(column, asked)
    found = multimatch.find(column, multimatch.build(list(dict.fromkeys(wordtokens.forms(entries))))).found

    assert set(found[:, 0].tolist()) <= set(rows.tolist())
    assert np.all(np.diff(rows) > 0)


@pytest.mark.parametrize(
    ("entry", "text", "expected"),
    [
        ("赌场", "赌气的场面", [0]),
        ("赌场", "賭氣", []),
        ("free money", "Money is free", [0]),
        ("free money", "Money is not gratis", []),
        ("free money", "mine\u0301", [0]),
        ("free money", "“quoted” – 100 €", []),
    ],
)
def test_what_is_needed(entry: str, text: str, expected: list[int]) -> None:
    """A text without a character or the letters of an entry is left out, but where letters may be disguised."""
    asked = wordneeds.needs([entry])
    assert asked is not None

    assert wordneeds.rows(pa.array([text, None]), asked).tolist() == expected


@pytest.mark.parametrize(
    "entries", [["no. 7"], ["bad"], ["赌场", "win"], [f"word{chr(97 + n % 26)}{n}x" for n in range(65)]]
)
def test_what_cannot_be_said(entries: list[str]) -> None:
    """Short words and many entries have no first look, so that every text is read."""
    assert wordneeds.needs(entries) is None
