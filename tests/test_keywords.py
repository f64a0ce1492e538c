"""Words of lists: what disguises them, what combines, what excuses, and how much is reported."""

import time
from pathlib import Path

import pyarrow as pa
import pytest
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov.errors import RuleError
from corpus_gov.kernels import multimatch, wordtokens
from corpus_gov.rules import RulePack, concern, load_pack, read_pack
from corpus_gov.screens import look
from corpus_gov.screens.keywords import MOST_FINDINGS

HEAD = "pack: own.words\nversion: 1\nwhy: A test.\nrules:\n"
RULE = """\
  - id: words.one
    version: 1
    screen: keywords
    params: {%s}
    category: A1h
    why: A test.
    legal: [a.1]
    source: This test
    status: stable
    hits: [x]
    misses: []
"""


def pack(params: str) -> RulePack:
    """Make a pack of one rule over the column text."""
    rule = RULE % f"columns: [text], {params}"
    return concern([read_pack((HEAD + rule).encode(), "own/words.yaml", "own.words")], "keywords")


def found(params: str, *texts: str) -> list[tuple[str, int, str]]:
    """Return what is found in texts: what the span cuts out, score and note."""
    batch = documents(list(texts))
    by_id = dict(zip(batch.column("doc_id").to_pylist(), texts, strict=True))
    rows = look("keywords", batch, pack(params)).to_pylist()
    return [(by_id[row["doc_id"]][row["start"] : row["end"]], row["score"], row["note"]) for row in rows]


def spans(entries: list[str], text: str) -> list[tuple[str, str]]:
    """Return entry and what it matches, for every place in a text."""
    automaton = multimatch.build(wordtokens.forms(entries))
    rows = multimatch.find(pa.array([text]), automaton).found.tolist()
    return [(entries[entry], text[start:end]) for _, entry, start, end in rows]


@pytest.mark.parametrize(
    ("entry", "text", "expected"),
    [
        ("赌场", "網上賭場", ["賭場"]),
        ("赌场", "赌\u200b场", ["赌\u200b场"]),
        ("赌场", "赌.场、赌★场", ["赌.场", "赌★场"]),
        ("网上赌场", "网 上 赌 场", ["网 上 赌 场"]),
        ("网上赌场", "网-上-赌-场", ["网-上-赌-场"]),
        ("网上赌场", "网上 赌场", []),
        ("网上赌场", "网上|赌场", []),
        ("网上赌场", "网上。赌场", []),
        ("网上赌场", "网上\n赌场", []),
        ("加v信", "加 Ｖ 信", ["加 Ｖ 信"]),
        ("加v", "加v123", ["加v"]),
        ("加v", "加video", []),
        ("free money", "FREE\n  Money!", ["FREE\n  Money"]),
        ("free money", "free-money", ["free-money"]),
        ("free money", "free. Money", ["free. Money"]),
        ("free money", "free! Money", []),
        ("free money", "freemoney carefree money", []),
        ("café", "CAFE\u0301 cafe", ["CAFE", "cafe"]),
        ("viagra", "buy VIAGRA now, viagras", ["VIAGRA"]),
    ],
)
def test_disguises(entry: str, text: str, expected: list[str]) -> None:
    """An entry is found in its disguises, and not where words merely meet."""
    assert [span for _, span in spans([entry], text)] == expected


def test_nested_and_overlapping_entries_are_all_found() -> None:
    """Every entry is found at every place, inside of others too."""
    assert spans(["ab cd", "cd", "cd ef", "网站", "赌博网站", "赌博"], "ab cd ef 赌博网站") == [
        ("ab cd", "ab cd"),
        ("cd", "cd"),
        ("cd ef", "cd ef"),
        ("赌博", "赌博"),
        ("赌博网站", "赌博网站"),
        ("网站", "网站"),
    ]


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.text("甲乙丙", min_size=2, max_size=5), min_size=1, max_size=8, unique=True),
    st.lists(st.text("甲乙丙丁。", max_size=40), max_size=4),
)
def test_finds_what_a_plain_search_finds(entries: list[str], texts: list[str]) -> None:
    """Without disguises the places are those that looking for each entry at each position gives."""
    places = multimatch.find(pa.array(texts, pa.large_string()), multimatch.build(wordtokens.forms(entries)))

    assert sorted(map(tuple, places.found.tolist())) == sorted(
        (row, number, at, at + len(entry))
        for row, text in enumerate(texts)
        for number, entry in enumerate(entries)
        for at in range(len(text))
        if text.startswith(entry, at)
    )
    assert places.points.tolist() == [len(text) for text in texts]


def test_buffers_do_not_show() -> None:
    """A word is found wherever it lies in a long text, and counts and places are exact."""
    automaton = multimatch.build(wordtokens.forms(["needle word"]))
    for before in (*range(4080, 4110), 20_000):
        text = "字" * before + " needle word " + "字" * 5000

        places = multimatch.find(pa.array([text]), automaton)

        assert places.found.tolist() == [[0, 0, before + 1, before + 12]]


@pytest.mark.parametrize(
    ("find", "text", "expected"),
    [
        ("{word: a}", "casino here", 1),
        ("{word: a, near: b, within: 5}", "casino bonus", 1),
        ("{word: a, near: b, within: 5}", "casino has no bonus", 0),
        ("{word: a, near: b, within: 5}", "bonus casino", 1),
        ("{word: a, without: b, within: 5}", "casino bonus", 0),
        ("{word: a, without: b, within: 5}", "casino has no bonus", 1),
        ("{word: a, least: 2}", "casino", 0),
        ("{word: a, least: 2}", "casino casino", 2),
        ("{word: a, distinct: 2}", "casino casino", 0),
        ("{word: a, distinct: 2}", "casino slots", 2),
        ("{word: a, distinct: 2, whole: true}", "casino or slots", 1),
        ("{word: a, per: 10}", "casino " + "x " * 40, 1),
        ("{word: a, per: 10}", "casino " + "x " * 60, 0),
        ("{word: a, near: a, within: 3}", "casino", 0),
    ],
)
def test_ways(find: str, text: str, expected: int) -> None:
    """A way applies where its words stand as it says, and nowhere else."""
    assert len(found(f"words: {{a: [casino, slots], b: [bonus]}}, find: [{find}]", text)) == expected


@pytest.mark.parametrize(
    ("allow", "text", "expected"),
    [
        ("{word: p, within: 10}", "police raid casino", [("casino", 0, "mention")]),
        ("{word: p, within: 10}", "casino; far away some police", [("casino", 8000, "a")]),
        ("{word: p, within: 10, then: suppress}", "police raid casino", []),
        ("{word: p, per: 20}", "police and court; then very much later casino", [("casino", 0, "mention")]),
        ("{word: p, per: 20}", "police; then very much later casino", [("casino", 8000, "a")]),
    ],
)
def test_texts_that_report(allow: str, text: str, expected: list[tuple[str, int, str]]) -> None:
    """Near words of reporting, or among many of them, a hit is a mention or nothing."""
    params = f"words: {{a: [casino], p: [police, court]}}, find: [{{word: a, score: 0.8}}], allow: [{allow}]"

    assert found(params, text) == expected


def test_always_is_not_excused() -> None:
    """A way that says so is found whatever stands around it."""
    params = "words: {a: [casino], p: [police]}, find: [{word: a, always: true}], allow: [{word: p, within: 9}]"

    assert found(params, "police casino") == [("casino", 10_000, "a")]


def test_findings_are_bounded_and_say_so() -> None:
    """Beyond the limit one finding goes from the first to the last that is left out, and counts them."""
    text = "casino " * 1000

    rows = found("words: {a: [casino]}, find: [{word: a}]", text)

    assert len(rows) == MOST_FINDINGS + 1
    assert rows[-1][2] == f"more:{1000 - MOST_FINDINGS}"
    assert rows[-1][0].strip() == "casino " * (999 - MOST_FINDINGS) + "casino"


def test_hostile_text_takes_linear_time() -> None:
    """A line that begins every entry at every place takes eight times as long when it is eight times as long."""
    entries = ["甲" * n for n in range(2, 40)] + ["a " * n + "b" for n in range(1, 20)]
    automaton = multimatch.build(wordtokens.forms(entries))
    texts = [pa.array(["甲" * n + "a " * n]) for n in (20_000, 160_000)]
    multimatch.find(texts[0], automaton)

    least = [float("inf")] * 2
    for _ in range(5):
        for i, text in enumerate(texts):
            start = time.thread_time()
            places = multimatch.find(text, automaton)
            least[i] = min(least[i], time.thread_time() - start)

    assert len(places.found) <= wordtokens.MOST * len(entries)
    assert len(places.more) > 0
    assert least[1] < 24 * least[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("words: {a: [x]}, find: [{word: a}]", "the entry 'x' is one character when folded"),
        ("words: {a: ['。。']}, find: [{word: a}]", "the entry '。。' has 0 words or characters"),
        ("words: {a: []}, find: [{word: a}]", "expected entries; write at least one"),
        ("words: {a: [xy]}, find: []", "params.find is empty"),
        ("words: {a: [xy]}, find: [{word: b}]", r"names the list 'b', words has \['a'\]"),
        ("words: {a: [xy]}, find: [{word: a, far: 3}]", "unknown key 'far' in params.find"),
        ("words: {a: [xy]}, find: [{word: a, within: 3000}]", "within is 3000, expected at most 1000"),
        ("words: {a: [xy]}, find: [{word: a, score: 2}]", "score is 2, expected more than 0"),
        ("words: {a: [xy]}, find: [{word: a, least: many}]", "least is a str, expected int"),
        ("words: {a: [xy]}, find: [{word: a}], allow: [{word: a, then: forget}]", "then is 'forget'"),
        ("words: {a: [{word: xy, variants: [yx]}]}, find: [{word: a}]", "expected text, or word, variants and source"),
    ],
)
def test_wrong_rules(params: str, message: str) -> None:
    """What is wrong in a rule is an error with file, line and rule before any text is looked at."""
    with pytest.raises(RuleError, match=f"^own/words.yaml:5: rule 'words.one' .*{message}"):
        found(params, "text")


def slotted(folder: Path, listed: str | None) -> RulePack:
    """Write a pack with a slot, and perhaps its list."""
    (folder / "own").mkdir()
    params = "columns: [text], slot: slots/names.txt, find: [{word: strong}, {word: weak, near: link}]"
    (folder / "own" / "words.yaml").write_text(HEAD + RULE % params, encoding="utf-8")
    if listed is not None:
        (folder / "own" / "slots").mkdir()
        (folder / "own" / "slots" / "names.txt").write_text(listed, encoding="utf-8")
    return load_pack("own.words", folder)


def test_slot_waits_for_its_list(tmp_path: Path) -> None:
    """Without its file a rule with a slot is not in force, and the pack says that it waits."""
    waiting = slotted(tmp_path, None)

    assert waiting.rules == ()
    assert [rule.id for rule in waiting.slots] == ["words.one"]


def test_slot_with_its_list(tmp_path: Path) -> None:
    """With a file the rule is in force under another digest; lists that the file leaves out ask for nothing."""
    filled = slotted(tmp_path, "[strong]\nsome name = sme nm (initials, invented)\n")

    rows = look("keywords", documents(["Some name and sme nm"]), concern([filled], "keywords")).to_pylist()

    assert filled.slots == ()
    assert [(row["start"], row["end"]) for row in rows] == [(0, 9), (14, 20)]
