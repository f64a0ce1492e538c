"""signals.quality against a slow implementation that follows the documented definitions word by word."""

import re
from collections import Counter
from fractions import Fraction
from itertools import groupby
from math import log2
from time import process_time

import pyarrow as pa
import pytest
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import texts

from corpus_gov.kernels import characters, phrases, scripts, textstats
from corpus_gov.kernels.compression import COPY_BYTES, LEAST_COPY, SAMPLE_BYTES
from corpus_gov.kernels.repetition import REPEATED, TOP
from corpus_gov.signals import quality

HAN = {scripts.HAN, scripts.HANS, scripts.HANT}


WORDS = st.sampled_from(
    ["The", "to", "of", "terms of use", "JavaScript", "use cookies", "Lorem ipsum", "read more",
     "首页", "年月", "第条",
     "隐私政策", "上一篇", "...", "….", "{{", "${", "</", "#", "＃", "“", "（", "3.14",
     "\ue001", "\u202e", "\U000e0041",
     "。【广告】", "【", "增长%", "一行有三十个以上的汉字" * 3,
     "http://a.b/c?d=1", "x://", "a" * 1001, "same words again and again. ", "，", "、", "!)", "?” "]
)  # fmt: skip
pieces = st.lists(WORDS | st.sampled_from([" ", "\n", "。", "\n\n"]), max_size=40).map("".join)


@given(st.lists(texts | pieces, min_size=1, max_size=3))
@settings(deadline=None, max_examples=300)
def test_agrees_with_the_definitions(values: list[str]) -> None:
    """Every column of every document is what its description says."""
    batch = documents(values)

    signals = quality.measure(batch, {}).drop_columns("doc_id").to_pylist()

    assert [differences(row, naive(value)) for row, value in zip(signals, values, strict=True)] == [{}] * len(values)


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


def differences(found: dict[str, int], expected: dict[str, int]) -> dict[str, tuple[int | None, int | None]]:
    """Name the columns that differ, with both values."""
    pairs = {name: (found.get(name), expected.get(name)) for name in {**found, **expected}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def column(name: str, text: str) -> int:
    """Measure one document."""
    value: int = quality.measure(documents([text]), {}).column(name)[0].as_py()
    return value


def naive(text: str) -> dict[str, int]:
    """Follow the definitions in quality.SCHEMA and in the kernels, in Python and without haste."""
    kinds = [kind(character) for character in text]
    return (
        of_characters(text, kinds) | of_words(text, kinds) | of_lines(text) | of_repetition(text, kinds)
    )  # fmt: skip


def of_characters(text: str, kinds: list[int]) -> dict[str, int]:
    def of_chars(*wanted: int) -> int:
        return share(sum(kind in wanted for kind in kinds), len(text))

    pairs = [characters.PAIRS[i : i + 2] for i in range(0, len(characters.PAIRS), 2)]
    unmatched = sum(abs(text.count(pair[0]) - text.count(pair[1])) for pair in pairs)
    return {
        "n_chars": len(text),
        "han_share": of_chars(*HAN),
        "letter_share": of_chars(scripts.LATIN),
        "capital_share": share(sum("A" <= each <= "Z" for each in text), kinds.count(scripts.LATIN)),
        "digit_share": of_chars(scripts.DIGIT),
        "symbol_share": of_chars(scripts.SYMBOL),
        "whitespace_share": of_chars(scripts.SPACE),
        "replacement_share": of_chars(scripts.REPLACEMENT),
        "control_share": of_chars(scripts.CONTROL),
        "private_share": share(sum("\ue000" <= each <= "\uf8ff" for each in text), len(text)),
        "n_zero_width": sum(each in characters.ZERO_WIDTH for each in text),
        "n_bidi": sum(each in characters.BIDI for each in text),
        "n_tags": sum(0xE0000 <= ord(each) <= 0xE007F for each in text),
        "char_entropy": entropy("".join(chr(min(ord(each), scripts.LAST)) for each in text)),
        "clause_entropy": entropy("".join(each for each in text if each in characters.CLAUSE_MARKS)),
        "unmatched_share": share(unmatched, sum(text.count(each) for each in characters.PAIRS)),
        "n_curly": text.count("{"),
        "n_templates": sum(text.startswith(characters.TEMPLATE, i) for i in range(len(text))),
    }


def of_words(text: str, kinds: list[int]) -> dict[str, int]:
    tokens = tokens_of(text, kinds)
    runs = [token for token in tokens if kind(token[0]) not in HAN]
    letters = sum(any(kind(each) >= scripts.LETTER for each in run) for run in runs)
    han = len(tokens) - len(runs)
    stop_words = [run for run in runs if run in phrases.STOP_WORDS]
    stop_characters = [token for token in tokens if token in phrases.STOP_CHARACTERS]
    found = dict.fromkeys(range(5), 0)
    for line in text.split("\n"):
        for number, count in phrases_of(line):
            found[number] += count
    return {
        "n_words": len(tokens),
        "n_runs": len(runs),
        "run_chars": sum(map(len, runs)),
        "letter_word_share": share(letters + han, len(tokens)),
        "n_hashes": text.count("#") + text.count("＃"),
        "n_ellipses": text.count("…") + text.count("..."),
        "n_stop_words": len(set(stop_words)),
        "n_stop_characters": len(set(stop_characters)),
        "stop_word_share": share(len(stop_words) + len(stop_characters), len(tokens)),
        "n_sentences": sentences(text),
        "n_urls": text.count("://"),
        "url_share": share(urls(text), len(text)),
        "n_javascript": found[phrases.JAVASCRIPT],
        "n_lorem_ipsum": found[phrases.LOREM],
        "n_policy_phrases": found[phrases.POLICY],
        "n_navigation": found[phrases.NAVIGATION],
        "n_insets": sum(text.count(mark + characters.INSET) for mark in characters.AFTER),
        "n_lost_numbers": found[phrases.LOST] + len(re.findall("(?<=[⺀-⿟〇々一-鿿㐀-䶿豈-﫿])%", text)),
    }


def of_lines(text: str) -> dict[str, int]:
    stripped = [strip(line) for line in text.split("\n")]
    lines = [line for line in stripped if line]
    repeats = [line for place, line in enumerate(lines) if line in lines[:place]]
    bodies = [strip(line, textstats.CLOSING) for line in lines]
    line_chars = sum(map(len, lines))
    short = [len(line.encode()) < textstats.SHORT_LINE_BYTES for line in lines]
    ends = [body[-1:] in set(textstats.TERMINAL) for body in bodies]
    trails = [body.endswith((*textstats.ELLIPSES, "...")) for body in bodies]
    going_on = [kind(line[-1]) >= scripts.DIGIT or line[-1] in textstats.BETWEEN for line in lines]
    menus = [len(list(run)) for is_menu, run in groupby(zip(short, ends, strict=True), (True, False).__eq__) if is_menu]
    paragraphs = [tuple(run) for is_text, run in groupby(stripped, bool) if is_text]
    copies = [each for place, each in enumerate(paragraphs) if each in paragraphs[:place]]

    def of_all(chosen: list[bool]) -> int:
        return share(sum(chosen), len(lines))

    return {
        "n_lines": len(lines),
        "n_newlines": text.count("\n"),
        "mean_line_chars": line_chars // max(1, len(lines)),
        "dup_line_share": share(len(repeats), len(lines)),
        "dup_line_char_share": share(sum(map(len, repeats)), line_chars),
        "n_paragraphs": len(paragraphs),
        "dup_paragraph_share": share(len(copies), len(paragraphs)),
        "dup_paragraph_char_share": share(sum(len(line) for each in copies for line in each), line_chars),
        "short_line_share": of_all(short),
        "terminal_line_share": of_all(ends),
        "open_line_share": of_all(
            [len(line.encode()) >= textstats.LONG_LINE_BYTES and not end and on
             for line, end, on in zip(lines, ends, going_on, strict=True)]
        ),
        "list_line_share": share(sum(run for run in menus if run >= textstats.LIST_RUN), len(lines)),
        "bullet_line_share": of_all([opens_item(line) for line in lines]),
        "ellipsis_line_share": of_all(trails),
        "ends_open": int(bool(lines) and not ends[-1] and not short[-1]),
        "n_kept_sentences": kept_sentences(text),
    }  # fmt: skip


def of_repetition(text: str, kinds: list[int]) -> dict[str, int]:
    tokens = tokens_of(text, kinds)
    names = ["top_word", "top_2gram", "top_3gram", "top_4gram", *(f"dup_{n}gram" for n in range(5, 11))]
    _, of, _ = characters.measure_characters(*scripts.read_only(pa.array([text], pa.large_string())))
    # n-grams and the parse have tests of their own.
    parts = [of[name][0] for name in (*(f"top_{n}" for n in TOP), *(f"again_{n}" for n in REPEATED))]
    shares = {f"{name}_share": share(int(part), sum(map(len, tokens))) for name, part in zip(names, parts, strict=True)}
    return shares | {
        "unique_word_share": share(len(set(tokens)), len(tokens)),
        "compressed_share": share(parse(text.encode()[:SAMPLE_BYTES]), min(len(text.encode()), SAMPLE_BYTES)),
    }


def entropy(text: str) -> int:
    counts = Counter(text).values()
    return round(1000 * sum(count / len(text) * log2(len(text) / count) for count in counts))


def tokens_of(text: str, kinds: list[int]) -> list[str]:
    tokens: list[str] = []
    before = False
    for character, each in zip(text, kinds, strict=True):
        inside = scripts.DIGIT <= each <= scripts.HANGUL
        lower = character.lower() if character.isascii() else character
        if inside and before:
            tokens[-1] += lower
        elif inside or each in HAN:
            tokens.append(lower)
        before = inside
    return tokens


def phrases_of(line: str) -> list[tuple[int, int]]:
    """Kinds and counts: English phrases are words in a row, Chinese ones stand letter by letter."""
    tokens = tokens_of(line, [kind(each) for each in line])
    english = [
        (number, sum(tokens[i : i + len(words)] == words for i in range(len(tokens))))
        for number, written in phrases.ENGLISH.items()
        for words in (phrase.split() for phrase in written)
    ]
    chinese = [
        (number, sum(line.startswith(phrase, i) for i in range(len(line))))
        for number, written in phrases.CHINESE.items()
        for phrase in written
    ]
    return english + chinese


def sentences(text: str) -> int:
    """Count ends of sentences with a word before them."""
    count, words_since, pending = 0, False, False
    for character in [*text, " "]:
        each = kind(character)
        is_word = scripts.DIGIT <= each <= scripts.HANGUL or each in HAN
        if is_word:
            words_since, pending = True, False
        elif character in ".!?":
            pending = True
        elif words_since and (character in characters.SENTENCE_ENDS or (pending and each == scripts.SPACE)):
            count, words_since = count + 1, False
        pending = pending and each != scripts.SPACE
    return count


def kept_sentences(text: str) -> int:
    total, before = 0, 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        # A sentence counts where it ends.
        upto = sentences("\n".join(lines[: number + 1]) + "\n")
        here, before = upto - before, upto
        body = strip(line, textstats.CLOSING)
        tokens = tokens_of(line, [kind(each) for each in line])
        bad = sum(count for number, count in phrases_of(line) if number in {phrases.POLICY, phrases.JAVASCRIPT})
        runs = [token for token in tokens if len(token) > characters.LONGEST_WORD]
        ends = body[-1:] in set(textstats.TERMINAL) and not body.endswith((*textstats.ELLIPSES, "..."))
        if strip(line) and ends and len(tokens) >= 3 and not bad and not runs:
            total += here
    return total


def urls(text: str) -> int:
    """Count code points of URLs: the run of letters and digits before ://, and what follows."""
    total, free = 0, 0
    for found in re.finditer(r":(?=//)", text):
        if found.start() < free:
            continue
        begin = found.start()
        while begin > 0 and scripts.DIGIT <= kind(text[begin - 1]) <= scripts.HANGUL:
            begin -= 1
        rest = re.compile(r"[^\x00-\x21\x7f-\U0010ffff'\"()<>]*").match(text, found.start() + 1)
        assert rest
        free = rest.end()
        total += free - begin
    return total


def parse(data: bytes) -> int:
    """Write what kernels.compression counts."""
    table: dict[int, int] = {}
    at, written = 0, 0
    while at + 8 <= len(data):
        chunk = int.from_bytes(data[at : at + LEAST_COPY], "little")
        slot = (chunk * int(phrases.MULTIPLIER) % 2**64) >> 53
        other = table.get(slot, -1)
        table[slot] = at
        if other >= 0 and data[other : other + LEAST_COPY] == data[at : at + LEAST_COPY]:
            at, other = at + LEAST_COPY, other + LEAST_COPY
            while at < len(data) and data[at] == data[other]:
                at, other = at + 1, other + 1
            written += COPY_BYTES
            continue
        width = 1 + (data[at] >= 0xC0) + (data[at] >= 0xE0) + (data[at] >= 0xF0)
        at, written = at + width, written + width
    return written + max(0, len(data) - at)


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


def opens_item(line: str) -> bool:
    return line[0] in textstats.BULLETS or (line[0] in textstats.DASHES and line[1:2] in {" ", "\t"})


def share(part: int, whole: int) -> int:
    """Round half up."""
    return int(Fraction(10_000 * part, max(1, whole)) + Fraction(1, 2))


@pytest.mark.parametrize(
    "unit", ["a", "中", "a ", "://", "【】", "第条", "terms of use ", "。", "\n", "a\n\n", "\U000e0041"]
)
def test_hostile_texts_take_time_that_follows_their_length(unit: str) -> None:
    """A megabyte or two of one thing is measured, in one line or in many, and work grows as the text does."""
    short, long = (unit * (size // len(unit.encode())) for size in (1 << 16, 1 << 21))
    column("n_chars", "warm")

    times = [min(timed(text) for _ in range(3)) for text in (short, long)]

    assert column("n_chars", long) == len(long)
    # 32 times the text; 20 times as much again is left for caches and for a busy machine.
    assert times[1] < 32 * 20 * max(times[0], 0.0005)


def timed(text: str) -> float:
    batch = documents([text])
    started = process_time()
    quality.measure(batch, {})
    return process_time() - started


def test_a_line_of_fifty_megabytes_is_measured() -> None:
    """One line of 50 MB has its counts, and its words in a row are counted in the first LIMIT of them."""
    text = "The water of the river. " * 2_100_000

    row = quality.measure(documents([text]), {}).to_pylist()[0]

    assert (row["n_chars"], row["n_lines"], row["n_words"]) == (len(text), 1, 10_500_000)
    assert row["n_sentences"] == 2_100_000
    assert row["unique_word_share"] == 0
    assert row["dup_10gram_share"] == 10_000
