"""The policies of the field on our signals, beside plain readings of the field's own definitions.

The references below are the published definitions, written anew: words are split at white space. Where ours differ on
purpose, a test of its own shows the difference.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from documents import documents, findings
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import expressions, policy, signals
from corpus_gov.facts import facts
from corpus_gov.signals import quality

FAMILIES = ("quality", "language")
FIELD = ("gopher", "c4", "fineweb", "fineweb2-cmn")

WORD = st.sampled_from(["the", "of", "and", "cat", "tree", "water", "green", "over", "7", "2024", "with"])
SENTENCE = st.lists(WORD, min_size=3, max_size=9).map(lambda words: " ".join(words) + ".")
ENGLISH = st.lists(SENTENCE | st.just("- an item") | st.just("and so on ..."), min_size=1, max_size=12).map("\n".join)


def row_of(text: str) -> dict[str, int]:
    """Measure one document."""
    row: dict[str, int] = quality.measure(documents([text]), {}).to_pylist()[0]
    return row


def share(part: float, whole: float) -> int:
    return int((20_000 * part + whole) // (2 * whole))


@pytest.mark.parametrize("name", FIELD)
def test_loads_and_reads_only_what_is_measured(name: str) -> None:
    """Each policy is valid, is marked provisional, and asks for columns that exist."""
    loaded = policy.load(name)

    schemas = {family: signals.measure(family, documents([]), {}).schema.names for family in FAMILIES}
    read = {column for clause in loaded.clauses if clause.when for column in clause.when.columns}
    assert loaded.name == name
    assert loaded.provisional
    assert read
    assert [column for column in read if column.split(".")[1] not in schemas[column.split(".")[0]]] == []


@given(ENGLISH)
def test_gopher_words_agree(text: str) -> None:
    """On plain English, number and length of words, stop words, bullets and ellipses are those of Gopher."""
    row = row_of(text)

    words = re.findall(r"[a-z0-9]+", text)
    lines = text.split("\n")
    stop = {"the", "be", "to", "of", "and", "that", "have", "with"}
    assert (row["n_words"], row["run_chars"]) == (len(words), sum(map(len, words)))
    assert row["n_stop_words"] == len(stop & set(words))
    assert row["letter_word_share"] == share(sum(word.isalpha() for word in words), len(words))
    assert row["bullet_line_share"] == share(sum(line.startswith("- ") for line in lines), len(lines))
    assert row["ellipsis_line_share"] == share(sum(line.endswith("...") for line in lines), len(lines))
    assert row["n_ellipses"] == text.count("...")


@given(ENGLISH)
def test_gopher_repetition_agrees(text: str) -> None:
    """Repeated lines and 5 to 10 words are Gopher's, of the characters of words instead of the whole text."""
    row = row_of(text)

    words, lines = re.findall(r"[a-z0-9]+", text), text.split("\n")
    copies = [line for place, line in enumerate(lines) if line in lines[:place]]
    assert row["dup_line_share"] == share(len(copies), len(lines))
    assert row["dup_line_char_share"] == share(sum(map(len, copies)), sum(map(len, lines)))
    for n in range(5, 11):
        assert row[f"dup_{n}gram_share"] == share(repeated(words, n), sum(map(len, words)))


def repeated(words: Sequence[str], n: int) -> int:
    """Count characters as the reference of Gopher's rule does: from left to right, jumping over what repeats."""
    seen: set[tuple[str, ...]] = set()
    total = place = 0
    while place + n <= len(words):
        gram = tuple(words[place : place + n])
        total += sum(map(len, gram)) if gram in seen else 0
        place += n if gram in seen else 1
        seen.add(gram)
    return total


@given(ENGLISH)
def test_fineweb_lines_agree(text: str) -> None:
    """Ends of lines and line ends a word are those of FineWeb on lines without quotation marks."""
    row = row_of(text)

    lines = text.split("\n")
    assert row["terminal_line_share"] == share(sum(line.endswith((".", "!", "?")) for line in lines), len(lines))
    assert row["n_newlines"] == text.count("\n")


@given(ENGLISH)
def test_c4_sentences_agree(text: str) -> None:
    """Sentences of lines that end in a mark but no ellipsis and have three words are counted."""
    kept = [line for line in text.split("\n") if line.endswith(".") and not line.endswith("...")]

    assert row_of(text)["n_kept_sentences"] == len(kept)


@pytest.mark.parametrize(
    ("text", "name", "ours", "theirs"),
    [
        ("他说：“好。”\n她说：「是」\n（完）\n一、甲；", "terminal_line_share", 10_000, 0),
        ("学习学习学习学习", "top_2gram_share", 10_000, 15_000),
        ("The cat.", "n_stop_words", 1, 0),
        ('He said "no"', "terminal_line_share", 0, 10_000),
        ("一二三四五六七八九十", "n_words", 10, 1),
        ("javascripts", "n_javascript", 0, 1),
    ],
)
def test_intended_differences(text: str, name: str, ours: int, theirs: int) -> None:
    """What the field measures of Chinese lines and words, and with spaces put between words, is not what we do."""
    references: dict[str, Callable[[], int]] = {
        "terminal_line_share": lambda: share(
            sum(line.endswith(tuple(".!?。！？" if "“" in text else ".!?\"'")) for line in text.split("\n")),
            len(text.split("\n")),
        ),
        "top_2gram_share": lambda: round(10_000 * top_with_spaces(["学", "习"] * 4, 2) / len(text)),
        "n_stop_words": lambda: len({"the"} & set(text.split())),
        "n_words": lambda: len(text.split()),
        "n_javascript": lambda: text.count("javascript"),
    }

    assert (row_of(text)[name], references[name]()) == (ours, theirs)


def top_with_spaces(words: Sequence[str], n: int) -> int:
    """Multiply the length of the most frequent n-gram, joined by spaces, by its number, as others do."""
    gram, count = Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1)).most_common(1)[0]
    return len(gram) * count


GOOD = {
    "en": """The river that runs past the old mill was frozen for most of the winter, and nobody could cross it.
People who have farms on the far side had to walk nine miles with their tools to reach a bridge.
In spring the council voted to build a ferry, which took two summers and cost more than anyone expected.
On its first day some two hundred visitors came, among them children that had never seen the other bank.
Since then trade between both halves of the valley has doubled, according to figures from the market office.
An engineer told our reporter she would be happy to see it replaced one day by something more solid.""",
    "zh": """这条河从村子的东边流过，一年里有半年结着冰，人们要到很远的地方去打水。
后来修了一座桥，孩子们上学就不用绕路了。
桥修好的那天，老人都来看，说这辈子没有想到能走过去。
现在河边种满了柳树，夏天在树下乘凉的人很多。""",
}
BAD = {
    "menu": "Home\nNews\nContact\nLogin\n" * 30,
    "salad": " ".join(f"zx{number}qv" for number in range(300)),
    "echo": "the same words of that line\n" * 40,
    "slogan": "一站式服务厂家直销" * 40,
}


def reasons(name: str, text: str) -> set[str]:
    """Name the clauses of a policy that are true of a text."""
    batch = documents([text])
    measured = {family: pa.Table.from_batches([signals.measure(family, batch, {})]) for family in FAMILIES}
    states = pa.table({"doc_id": batch.column("doc_id"), "state": ["allowed"], "digest": pa.nulls(1, pa.string())})
    empty = pa.Table.from_batches([findings(batch, [])])
    table = facts(pa.Table.from_batches([batch]), measured, empty, states, {}, ())
    clauses = [(clause.id, clause.when) for clause in policy.load(name).clauses if clause.when]
    verdicts = expressions.evaluate([when for _, when in clauses], table)
    return {id_ for (id_, _), verdict in zip(clauses, verdicts, strict=True) if verdict[0].as_py() is not False}


@pytest.mark.parametrize(("name", "text"), [*((name, GOOD["en"]) for name in FIELD[:3]), ("fineweb2-cmn", GOOD["zh"])])
def test_good_texts_stay(name: str, text: str) -> None:
    """A text of whole sentences has no reason to go, in English or in Chinese."""
    assert reasons(name, text) == set()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("gopher", BAD["menu"], {"repetition.lines", "repetition.line_chars", "words.stop"}),
        ("gopher", BAD["salad"], {"words.stop"}),
        ("gopher", BAD["echo"], {"repetition.lines", "repetition.again", "repetition.top"}),
        ("c4", BAD["echo"], {"c4.sentences"}),
        ("c4", GOOD["en"] + "\n{x}", {"c4.curly"}),
        ("c4", GOOD["en"] + "\nLorem ipsum dolor.", {"c4.lorem_ipsum"}),
        ("fineweb", BAD["menu"], {"lines.end", "lines.short", "lines.list", "lines.again"}),
        ("fineweb2-cmn", BAD["slogan"], {"repetition.again", "repetition.top", "words.stop", "lines.end"}),
        ("fineweb2-cmn", GOOD["en"], {"language.code", "words.stop"}),
        ("fineweb2-cmn", "短。", {"words.number"}),
    ],
)
def test_bad_texts_have_reasons(name: str, text: str, expected: set[str]) -> None:
    """Menus, word salad, echoes and slogans are told by the clauses that are meant for them."""
    assert expected <= reasons(name, text)
