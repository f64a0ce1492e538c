"""The gate in front of recognisers: complete, exact by row, and zero copies of text."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import hyperscan
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov.errors import SourceError
from corpus_gov.kernels import prefilter
from corpus_gov.kernels.prefilter import LONGEST, PatternError, candidates, gate, longest, windows

MOBILE = r"(?:86)?1[3-9]\d{9}"
ADDRESS = r"[a-z0-9]{1,8}@(?:[a-z0-9]{1,8}\.){1,3}[a-z]{2,4}"
HAN = "未经[^。]{0,6}不得"
PATTERNS = (MOBILE, ADDRESS, HAN)
GATES = (
    gate(MOBILE, not_before=["[0-9A-Za-z]"], not_after=["[0-9A-Za-z]"]),
    gate(ADDRESS, first="[a-z0-9]@[a-z0-9]", not_before=["[a-z0-9]"], not_after=["[a-z0-9]"]),
    gate(HAN),
)

PIECES = ["13800138000", "8613912345678", "138", "a@b.cn", "li@mail.example.com", "x@", "@y.cn", "未经许可不得", "未经"]
FILLERS = ["。", "不得", " ", "電", "𠮷", "é", "\n", "0", "z", ".", "文" * 40, "9" * 30]
TEXTS = st.lists(st.sampled_from(PIECES + FILLERS) | st.text(max_size=3), max_size=12).map("".join)
COLUMNS = st.lists(st.none() | TEXTS, max_size=8)


def column(texts: list[str | None]) -> pa.Array:
    return pa.array(texts, pa.large_string())


@cache
def database() -> hyperscan.Database:
    expressions = [pattern.encode() for pattern in PATTERNS]
    compiled = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    compiled.compile(expressions=expressions, ids=[0, 1, 2], flags=[hyperscan.HS_FLAG_UTF8] * 3)
    return compiled


def ends_of(text: str) -> list[tuple[int, int]]:
    """Scan one text alone, with nothing of the module under test."""
    ends: set[tuple[int, int]] = set()
    database().scan(text.encode(), match_event_handler=lambda number, _, end, *__: ends.add((number, end)))
    return sorted(ends)


def rows_of(texts: list[str | None]) -> list[tuple[int, int, int]]:
    return [(row, *end) for row, text in enumerate(texts) if text for end in ends_of(text)]


@settings(deadline=None)
@given(COLUMNS)
def test_columns_are_scanned_as_rows(texts: list[str | None]) -> None:
    """One scan of the whole column reports exactly what scanning every row alone does."""
    found = candidates(column(texts), PATTERNS)

    assert list(zip(*(part.tolist() for part in found), strict=True)) == rows_of(texts)


@settings(deadline=None)
@given(COLUMNS, st.integers(0, 4), st.integers(0, 4))
def test_slices_are_scanned_as_their_rows(texts: list[str | None], start: int, length: int) -> None:
    """A slice that shares its buffers with a longer column reports its own rows only."""
    found = candidates(column(texts).slice(start, length), PATTERNS)

    assert list(zip(*(part.tolist() for part in found), strict=True)) == rows_of(texts[start : start + length])


@settings(deadline=None)
@given(COLUMNS)
def test_windows_lose_and_invent_nothing(texts: list[str | None]) -> None:
    """Searching the windows gives what searching the whole texts gives, at the same code points."""
    expressions = [re.compile(gate.expression) for gate in GATES]
    expected = sorted(
        (row, number, *match.span())
        for row, text in enumerate(texts)
        for number, expression in enumerate(expressions)
        for match in expression.finditer(text or "")
    )

    found = [
        (window.row, window.gate, window.start + match.start(), window.start + match.end())
        for window in windows(column(texts), GATES)
        for match in expressions[window.gate].finditer(window.text)
    ]

    assert sorted(found) == expected


def test_windows_hold_the_context() -> None:
    """A window holds 24 code points before a match and 8 after it, also where each takes four bytes."""
    text = "𠮷" * 30 + "13800138000" + "𠮷" * 30

    (window,) = windows(column(["", text]), GATES[:1])

    at = window.text.index("138")
    assert window.row == 1
    assert window.start + at == 30
    assert at >= prefilter.CONTEXT_BEFORE
    assert len(window.text) - at - 11 >= prefilter.CONTEXT_AFTER
    assert len(window.text) < len(text)


def test_neighbours_do_not_match_together() -> None:
    """What is only a match when two texts are read as one is none; a true one behind it is not lost."""
    found = candidates(column(["138001", "38000", "1380013", "800013912345678"]), PATTERNS)

    assert [part.tolist() for part in found] == [[3], [0], [15]]


def test_what_stands_behind_is_not_the_next_text() -> None:
    """A number at the end of a text is found whatever the next text begins with; one that goes on is none."""
    texts = column(["13800138000", "0", "x13800138000", "z", "138001380001", ""])

    found = [(window.row, window.text) for window in windows(texts, GATES[:1])]

    assert GATES[0].behind == "[^0-9A-Za-z]"
    assert found == [(0, "13800138000"), (2, "x13800138000")]


@pytest.mark.parametrize("unbroken", [False, True])
def test_no_match_is_cut_out_of_a_longer_one(unbroken: bool) -> None:  # noqa: FBT001
    """Wherever the edge of a window falls in a longer number, its beginning is not taken for a number."""
    one = gate(MOBILE, not_before=["[0-9A-Za-z]"], not_after=["[0-9A-Za-z]"], unbroken=unbroken)
    expression = re.compile(one.expression)

    for gap in range(90):
        text = "13800138000" + "。" * (gap // 3) + " " * (gap % 3) + "13912345678" * 30
        found = [match[0] for window in windows(column([text]), (one,)) for match in expression.finditer(window.text)]

        assert found == (["13800138000"] if gap else [])


def test_a_run_of_digits_is_no_work() -> None:
    """Where a match must not go on, a run of digits ends gates at its own end only."""
    found = list(windows(column(["138" * 100_000, "138" * 100_000 + "13800138000。"]), GATES[:1]))

    assert [(window.row, len(window.text) < 200) for window in found] == [(1, True)]


@pytest.mark.parametrize(
    ("pattern", "not_after", "behind"),
    [
        ("(?i)k{2}", ["[A-Z]", "_x"], "[^A-Z]"),
        ("[a-c]{2}", ["[0-9A-Z_(]", "[.,]"], "[^0-9A-Z_(.,]"),
        ("[^a]{2}", ["[0-9]"], ""),
        (r"\D{2}", ["[0-9]"], ""),
        ("a.", ["[0-9]"], ""),
        (r"a\.[.]", ["[0-9]"], "[^0-9]"),
        ("文", ["[0-9]"], ""),
        ("ab", ["[^0-9]", "[0-9-]", "[一-龥]", r"[\s]"], ""),
    ],
)
def test_what_may_stand_behind(pattern: str, not_after: list[str], behind: str) -> None:
    """Only what is the same of bytes and of characters is scanned with what may stand behind it."""
    assert gate(pattern, not_after=not_after).behind == behind


def test_texts_without_matches() -> None:
    """Columns without rows, without text, without matches and scans without patterns report nothing."""
    for texts in ([], [None], ["", ""], ["文"]):
        assert [len(part) for part in candidates(column(texts), PATTERNS)] == [0, 0, 0]
        assert not list(windows(column(texts), GATES))
    assert [len(part) for part in candidates(column(["13800138000"]), ())] == [0, 0, 0]


def test_text_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scanner sees the column's own buffer, once for all rows."""
    texts = column(["文字" * 1000, "13800138000"])
    seen = []
    scanner = prefilter._scanner

    def spy(patterns: tuple[str, ...]) -> object:
        scan = scanner(patterns)
        return lambda block: seen.append(block.ctypes.data) or scan(block)

    monkeypatch.setattr(prefilter, "_scanner", spy)
    candidates(texts, PATTERNS)

    assert seen[0] == texts.buffers()[2].address
    assert len(seen) == 2  # the second text is so short that its match might have begun in the first


def test_threads_share_a_database() -> None:
    """Scans of the same patterns may run at the same time."""
    texts = column(["文" * 100_000 + "13800138000"] * 20)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: candidates(texts, PATTERNS)[0].size, range(16)))

    assert found == [20] * 16


def test_dense_texts() -> None:
    """A text in which nearly every byte ends a candidate becomes one window."""
    text = "a@b.cn " * 20_000

    (window,) = windows(column([text]), GATES)

    assert window.text == text


def test_too_much_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column beyond the scanner's counter is refused rather than cut."""
    monkeypatch.setattr(prefilter, "MAX_SCAN", 10)

    with pytest.raises(SourceError, match="11 bytes of text, expected at most 10"):
        candidates(column(["123456", "78901"]), PATTERNS)


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("abc", 3),
        ("[^。]{0,12}好", 51),
        (r"a\$", 2),
        ("[$^]", 1),
        (r"[\]^]b", 2),
        ("(?i)k", 3),
        (f"a{{{LONGEST}}}", LONGEST),
    ],
)
def test_longest(pattern: str, size: int) -> None:
    """The longest match is counted in bytes of UTF-8, with every character that case folding adds."""
    assert longest(pattern) == size


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a+", "can span more"),
        (f"a{{{LONGEST + 1}}}", "can span more"),
        ("a.*b", "can span more"),
        ("^a", "anchors"),
        ("a$", "anchors"),
        (r"\ba", "anchors"),
        (r"[a]\b", "anchors"),
        ("(?<!a)b", "does not compile"),
        ("(a", "does not compile"),
        ("a?", "does not compile"),
    ],
)
def test_unusable_patterns(pattern: str, message: str) -> None:
    """A pattern without bounds, with anchors, or beyond linear time is refused."""
    with pytest.raises(PatternError, match=message):
        longest(pattern)
