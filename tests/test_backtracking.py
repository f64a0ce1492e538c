"""How many ways a pattern has: never counted too low, and too many are refused before a text is read."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from re import _parser  # type: ignore[attr-defined] # what the module under test reads too
from typing import Any

import pytest
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from corpus_gov import cli
from corpus_gov.errors import RuleError
from corpus_gov.kernels import backtracking, prefilter
from corpus_gov.rules import concern, read_pack
from corpus_gov.screens import look

CHARACTERS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", "1", "(?i:A)"])
PATTERNS = st.recursive(
    CHARACTERS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["?", "{2}", "{0,3}", "{1,2}", "{1,3}?", "*"])).map(
            lambda p: f"(?:{p[0]}){p[1]}"
        ),
        inner.map(lambda part: f"{part}(?!{part})"),
    ),
    max_leaves=6,
)


def ends(items: list[tuple[Any, Any]], text: str, at: int, *, ignore: bool = False) -> Iterator[int]:
    """Go through a pattern as `re` does, and yield where each way through it ends."""
    if not items:
        yield at
        return
    kind, given_ = str(items[0][0]), items[0][1]
    for end in one_of(kind, given_, text, at, ignore=ignore):
        yield from ends(items[1:], text, end, ignore=ignore)


def one_of(kind: str, given_: Any, text: str, at: int, *, ignore: bool) -> Iterator[int]:
    if kind == "BRANCH":
        for alternative in given_[1]:
            yield from ends(list(alternative), text, at, ignore=ignore)
    elif kind == "SUBPATTERN":
        yield from ends(list(given_[3]), text, at, ignore=ignore or bool(given_[1] & re.IGNORECASE))
    elif kind == "ASSERT_NOT":
        yield from [] if list(ends(list(given_[1]), text, at, ignore=ignore)) else [at]
    elif kind in {"MAX_REPEAT", "MIN_REPEAT"}:
        yield from repeated(given_, text, at, 0, ignore=ignore)
    elif at < len(text) and matches(kind, given_, text[at], ignore=ignore):
        yield at + 1


def repeated(given_: Any, text: str, at: int, times: int, *, ignore: bool) -> Iterator[int]:
    least, most, body = given_
    if times >= least:
        yield at
    if times < most:
        for end in ends(list(body), text, at, ignore=ignore):
            if end > at or times < least:
                yield from repeated(given_, text, end, times + 1, ignore=ignore)


def matches(kind: str, given_: Any, char: str, *, ignore: bool) -> bool:
    if kind == "IN":
        inside = any(matches(str(one), value, char, ignore=ignore) for one, value in given_ if str(one) != "NEGATE")
        return inside != (str(given_[0][0]) == "NEGATE")
    same = kind == "LITERAL" and (chr(given_) == char or (ignore and chr(given_).lower() == char.lower()))
    return (
        same
        or kind == "ANY"
        or (kind == "CATEGORY" and char.isdecimal())
        or (kind == "NOT_LITERAL" and chr(given_) != char)
    )


@settings(deadline=None, max_examples=300)
@given(PATTERNS, st.text("ab1A", min_size=1, max_size=6))
def test_ways_are_never_counted_too_low(pattern: str, text: str) -> None:
    """However a pattern is made, no text has more ways through it than were counted where all of them are gone."""
    gone = sum(1 for _ in ends(list(_parser.parse(f"(?a){pattern}")), text, 0))

    # The search ends with the first way that is through, unless what follows refuses it.
    assert gone <= backtracking.ways(f"(?a){pattern}(?!)")


@pytest.mark.parametrize(
    ("expression", "ways"),
    [
        ("abc", 1),
        ("[0-9]{1,9}[a-z]", 1),
        ("[0-9]{1,9}[0-9]", 9),
        ("[0-9]{1,9}(?![0-9])", 9),
        ("(?:[0-9]{4} ?){4}", 1),
        ("(?:[a-z]{1,63}[.]){1,9}[0-9]", 1),
        ("(?:ab|ac|b)c", 1),
        ("(?:ab|a)(?:bc|c)", 2),
        ("a(?=[0-9]{0,4}[0-9])", 5),
        ("(?:[0-9]{1,3}){1,3}", 27),
        ("(?:[0-9]{1,3}){1,3}(?=x)", 39),
    ],
)  # fmt: skip
def test_ways_are_those_that_the_next_character_leaves_open(expression: str, ways: int) -> None:
    """A repeat that the next character ends has one way; open ones multiply."""
    assert backtracking.ways(f"(?a){expression}") == ways


HOSTILE = [
    "(?:a{1,20}){1,20}b", "(?:a|a){40}b", "(?:a|aa){1,40}b", "(?:a?){40}b", "(?:a.?){1,40}b", "(?:(?:ab?){1,9}){1,9}c",
    "(?:a|a)" * 30 + "b", "(?i:(?:[a-z]{1,9} ?){1,30})!", "[ab]{0,99}[ab]{0,99}[ab]{0,99}[ab]{0,99}c",
]  # fmt: skip
PACK = """\
pack: own.example
version: 1
why: It comes from somebody else.
rules:
  - id: pii.example
    version: 1
    screen: {screen}
    params: {params}
    category: {category}
    why: It is an example.
    legal: [cn.pipl.4]
    source: This test
    status: stable
    hits: [ab]
    misses: [cd]
"""


def hostile(screen: str, category: str, params: str) -> None:
    content = PACK.format(screen=screen, category=category, params=params)
    pack = read_pack(content.encode(), "own/example.yaml", "own.example")
    look(screen, documents(["a" * 60]), concern([pack], screen))


@pytest.mark.parametrize("pattern", HOSTILE)
def test_hostile_patterns_are_refused(pattern: str) -> None:
    """A pattern that `re` could not end with is an error with file, line, what was found and what to do."""
    message = (
        r"^own/example.yaml:5: rule 'pii.example' .*params.pattern: found [\d,]+ ways or more .* at most 50,000; let"
    )

    with pytest.raises(RuleError, match=message):
        hostile("pii", "A4f", f"{{pattern: '{pattern}', score: 0.5}}")


@pytest.mark.parametrize(
    ("screen", "category", "params"),
    [
        ("pii", "A4f", "{pattern: ab, score: 0.5, not_after: ['(?:a|a){40}b']}"),
        ("pii", "A4f", "{pattern: ab, score: 0.5, then: ['(?:a|a){40}b']}"),
        ("pii", "A4f", "{pattern: ab, score: 0.5, also: [{pattern: '(?:a|a){40}b', score: 0.5}]}"),
        ("licence", "rights.owner", "{pattern: '(?:a|a){40}b', columns: [text]}"),
        ("licence", "rights.owner", "{pattern: 'a{1,60}', columns: [text], unless: '(a+)+b'}"),
    ],
)
def test_hostile_patterns_are_refused_wherever_they_stand(screen: str, category: str, params: str) -> None:
    """Boundaries, further forms and exceptions are searched by the same engine, and are counted too."""
    with pytest.raises(RuleError, match=r"^own/example.yaml:5: .*found [\d,]+ ways or more"):
        hostile(screen, category, params)


@pytest.mark.parametrize("expression", [r"(?a)(a)\1", "(?a)(?>a)b", "(?a)(a)?(?(1)b|c)"])
def test_what_has_no_bound_is_refused(expression: str) -> None:
    """References to groups, and whatever else has no known number of ways, are refused by name."""
    with pytest.raises(prefilter.PatternError, match="whose ways are not known"):
        prefilter.searchable(expression)


def test_the_most_ways_take_no_time_that_matters() -> None:
    """An expression with nearly as many ways as are allowed ends at once where it finds nothing."""
    expression = prefilter.searchable("(?a)a{0,29}a{0,29}a{0,29}b")
    start = time.thread_time()

    assert expression.match("a" * 100) is None
    assert time.thread_time() - start < 1


def test_lint_refuses_a_hostile_pack(tmp_path: Path) -> None:
    """`rules lint` compiles every rule of the packs named, so that what is wrong shows before a run."""
    (tmp_path / "own").mkdir()
    content = PACK.format(screen="pii", category="A4f", params="{pattern: '(?:a|a){40}b', score: 0.5}")
    (tmp_path / "own" / "example.yaml").write_text(content, encoding="utf-8")

    done = CliRunner().invoke(cli.app, ["rules", "lint", "own.example", "--rules", str(tmp_path)])

    assert isinstance(done.exception, RuleError)
    assert "ways or more to try at one place" in str(done.exception)
