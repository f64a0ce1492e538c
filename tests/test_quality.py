"""signals.quality against a slow implementation that follows the documented definitions word by word."""

from fractions import Fraction

import pytest
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import texts

from corpus_gov.kernels import scripts, textstats
from corpus_gov.signals import quality

HAN = {scripts.HAN, scripts.HANS, scripts.HANT}


@given(st.lists(texts, min_size=1, max_size=3))
@settings(deadline=None, max_examples=300)
def test_agrees_with_the_definitions(values: list[str]) -> None:
    """Every column of every document is what its description says."""
    batch = documents(values)

    signals = quality.measure(batch, {}).drop_columns("doc_id").to_pylist()

    assert signals == [naive(value) for value in values]


@pytest.mark.parametrize(
    "line",
    [
        "好。",
        "好！",
        "好？",
        "好…",
        "他说：“好。”",
        "「好」",
        "『好』",
        "（完）",
        "一、甲；",
        "Yes.",
        'He said "no."',
        "So (yes!)",
        "是。\u3000",
    ],
)
def test_lines_that_end_a_sentence(line: str) -> None:
    """Chinese marks, closing quotation marks and brackets end a sentence."""
    assert column("terminal_line_share", line) == 10_000


@pytest.mark.parametrize("line", ["首页", "f(x)", "(12)", '"word"', "第一，", "a;", "价格：", "《书》"])
def test_lines_that_do_not_end_a_sentence(line: str) -> None:
    """Headings, commas, titles and brackets around anything else do not."""
    assert column("terminal_line_share", line) == 0


@pytest.mark.parametrize(
    ("line", "share"),
    [("• a", 10_000), ("·新闻", 10_000), ("- a", 10_000), ("-5", 0), ("——鲁迅", 0), ("**b**", 0), ("-", 0)],
)
def test_lines_that_start_with_a_bullet(line: str, share: int) -> None:
    """A dash is a bullet only before white space: it is also a sign, and the mark before an author's name."""
    assert column("bullet_line_share", line) == share


def test_chinese_is_measured_like_english() -> None:
    """Words, short lines and repeated lines do not rest on spaces."""
    chinese = "这一行有十个以上的汉字。\n短\n这一行有十个以上的汉字。"

    assert column("n_words", chinese) == 11 + 1 + 11
    assert column("short_line_share", chinese) == 3333
    assert column("dup_line_share", chinese) == 3333
    assert column("dup_line_char_share", chinese) == 4800


def test_blank_lines_do_not_repeat() -> None:
    """Blank lines are no lines, whatever white space they hold, and indentation does not make a line another one."""
    text = "a\n\n \n\u3000\n\u3000\u3000a\r\n"

    assert column("n_lines", text) == 2
    assert column("dup_line_share", text) == 5000


def column(name: str, text: str) -> int:
    """Measure one document."""
    value: int = quality.measure(documents([text]), {}).column(name)[0].as_py()
    return value


def naive(text: str) -> dict[str, int]:
    """Follow the definitions in quality.SCHEMA and kernels.textstats, in Python and without haste."""
    kinds = [kind(character) for character in text]
    lines = [stripped for line in text.split("\n") if (stripped := strip(line))]
    repeats = [line for place, line in enumerate(lines) if line in lines[:place]]
    bodies = [strip(line, textstats.CLOSING) for line in lines]
    line_chars = sum(map(len, lines))

    def of_chars(*wanted: int) -> int:
        return share(sum(kind in wanted for kind in kinds), len(text))

    def of_lines(chosen: list[bool]) -> int:
        return share(sum(chosen), len(lines))

    return {
        "n_chars": len(text),
        "n_lines": len(lines),
        "n_words": words(kinds),
        "n_urls": text.count("://"),
        "mean_line_chars": line_chars // max(1, len(lines)),
        "han_share": of_chars(*HAN),
        "letter_share": of_chars(scripts.LATIN),
        "digit_share": of_chars(scripts.DIGIT),
        "symbol_share": of_chars(scripts.SYMBOL),
        "whitespace_share": of_chars(scripts.SPACE),
        "replacement_share": of_chars(scripts.REPLACEMENT),
        "control_share": of_chars(scripts.CONTROL),
        "dup_line_share": share(len(repeats), len(lines)),
        "dup_line_char_share": share(sum(map(len, repeats)), line_chars),
        "short_line_share": of_lines([len(line.encode()) < textstats.SHORT_LINE_BYTES for line in lines]),
        "terminal_line_share": of_lines([body[-1:] in set(textstats.TERMINAL) for body in bodies]),
        "bullet_line_share": of_lines([opens_item(line) for line in lines]),
        "ellipsis_line_share": of_lines([body.endswith((*textstats.ELLIPSES, "...")) for body in bodies]),
    }


def kind(character: str) -> int:
    return int(scripts.classes()[min(ord(character), scripts.LAST)])


def strip(line: str, closing: str = "") -> str:
    """Take white space from both ends, and `closing` from the right one."""
    start, end = 0, len(line)
    while start < end and kind(line[start]) == scripts.SPACE:
        start += 1
    while start < end and (kind(line[end - 1]) == scripts.SPACE or line[end - 1] in closing):
        end -= 1
    return line[start:end]


def words(kinds: list[int]) -> int:
    in_word = [scripts.DIGIT <= each <= scripts.HANGUL for each in kinds]
    starts = [here and not before for here, before in zip(in_word, [False, *in_word], strict=False)]
    return sum(starts) + sum(each in HAN for each in kinds)


def opens_item(line: str) -> bool:
    return line[0] in textstats.BULLETS or (line[0] in textstats.DASHES and line[1:2] in {" ", "\t"})


def share(part: int, whole: int) -> int:
    """Round half up."""
    return int(Fraction(10_000 * part, max(1, whole)) + Fraction(1, 2))
