"""Statements about rights: licences by link, tag or words, bans, conditions, ownership, texts that no right covers.

What several statements mean together is for `facts`, and what follows for the policy; this screen says which words or
links stand where, what they are about, and how sure that makes them. Every one is kept.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache, partial
from typing import Final, NamedTuple

import pyarrow as pa

from corpus_gov import evidence, licences
from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.screens import Hit, everywhere, findings
from corpus_gov.screens.gates import by_column, gated

VERSION: Final = 3
LIBRARIES: Final = ("hyperscan", "license-expression")

CATEGORIES: Final = (
    licences.PERMITTED, licences.CONDITIONAL, "rights.forbidden", "rights.owner", "rights.not_protected",
)  # fmt: skip

_NEEDED: Final = {"pattern": str, "columns": tuple}
_OPTIONAL: Final = {
    "first": str,
    "not_before": tuple,
    "not_after": tuple,
    "unless": str,
    "licence": str,
    "words": Mapping,
    "creative_commons": bool,
    "named": bool,
    "confidence": float,
    "longest": int,
    "edge": int,
}
_GROUP = re.compile(r"\{(\d)\}")
_BETWEEN_ELEMENTS = re.compile(r"[\s·_‐‑–—－-]+")


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find statements about rights.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names.
        rules: those with `screen: licence`. params: `pattern` and the boundaries `not_before`, `not_after`; `first`,
            a cheaper pattern that every match contains; `columns` to look at; `unless`, a pattern that a match must
            not contain; `longest`, code points of a column above which nothing is found; `edge`, code points from
            either end of a text beyond which a match is about a part of it; `confidence`, from 0 to 1, in place of
            that of the place, where it is not about a part. The licence is `licence`, an id, where {1} is the first
            group of the match in upper case, element by element, after translation by `words`; or that of Creative
            Commons with the groups elements, version and port (`creative_commons`; `words` translates the first); or
            what the first group names, an SPDX expression or a common name (`named`): one that names none finds
            nothing. Of the latter two the licence sets the category.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; score is the confidence, and the note is
        `<licence or -> <place> <scope>`, see `corpus_gov.evidence`.

    Raises:
        RuleError: a rule has another category than CATEGORIES, params that this screen does not read, or a pattern
            that needs more than linear time.

    Source: SPDX licence list (ids), Creative Commons (form of the links).
    """
    return findings(documents, _hits(documents, rules))


class _Statement(NamedTuple):
    """A rule with its patterns compiled."""

    rule: Rule
    gate: prefilter.Gate
    expression: re.Pattern[str]
    unless: re.Pattern[str] | None
    longest: int | None
    confidence: float | None
    edge: int | None
    said: tuple[Rule, str | None] | None
    """Of a rule whose matches all say the same, since no group of them names the licence."""


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    for column, statements in _statements(rules).items():
        yield from everywhere(documents, column, partial(_found, column, statements))


def _found(column: str, statements: tuple[_Statement, ...], texts: pa.Array) -> Iterator[Hit]:
    gates = tuple(statement.gate for statement in statements)
    # Windows of one text follow one another for each gate, so a few texts are all that is ever at hand.
    text_of = lru_cache(maxsize=64)(lambda row: texts[row].as_py())
    for window in prefilter.windows(texts, gates):
        statement = statements[window.gate]
        text = ""
        for match in statement.expression.finditer(window.text):
            if statement.unless and statement.unless.search(match[0]):
                continue
            text = text or text_of(window.row)
            if statement.longest is not None and len(text) > statement.longest:
                break
            stated = statement.said or _stated(statement.rule, match)
            if stated is None:
                continue
            start, end = window.start + match.start(), window.start + match.end()
            where = _where(column, text, start, end)
            if column == "text" and statement.edge is not None and statement.edge < min(start, len(text) - end):
                where = evidence.PART
            own = None if where is evidence.PART else statement.confidence
            confidence = where.confidence if own is None else own
            yield Hit(window.row, column, start, end, stated[0], confidence, evidence.note(stated[1], where))


def _where(column: str, text: str, start: int, end: int) -> evidence.Where:
    if column == "markup":
        return evidence.in_markup(text[text.rfind("\n", 0, start) + 1 : end])
    return evidence.in_text(text, start, end) if column == "text" else evidence.HEAD


@cache
def _statements(rules: RulePack) -> Mapping[str, tuple[_Statement, ...]]:
    return by_column(map(_statement, rules.rules))


def _statement(rule: Rule) -> _Statement:
    check_params(rule, _NEEDED, _OPTIONAL)
    gate = gated(rule, CATEGORIES)
    try:
        unless = prefilter.searchable(f"(?a){rule.params['unless']}") if "unless" in rule.params else None
    except (prefilter.PatternError, re.error) as error:
        raise rule.error(f"a pattern in params: {error}") from error
    expression = prefilter.searchable(gate.expression)
    if wrong := [n for n in _GROUP.findall(rule.params.get("licence", "")) if int(n) > expression.groups]:
        raise rule.error(f"params.licence names group {wrong[0]}, the pattern has {expression.groups}; correct it")
    needs = 3 if rule.params.get("creative_commons") else int(bool(rule.params.get("named")))
    if expression.groups < needs:
        raise rule.error(f"the pattern has {expression.groups} groups, expected {needs}; add those of the licence")
    by_match = rule.params.get("creative_commons") or rule.params.get("named")
    licence = rule.params.get("licence")
    said = None if by_match or _GROUP.search(licence or "") else (rule, licence)
    longest, confidence, edge = (rule.params.get(name) for name in ("longest", "confidence", "edge"))
    return _Statement(rule, gate, expression, unless, longest, confidence, edge, said)


def _stated(rule: Rule, match: re.Match[str]) -> tuple[Rule, str | None] | None:
    """Return the rule, in the category of the licence where that sets it, and the licence; None where it names none."""
    if rule.params.get("creative_commons"):
        named = _elements(rule, match[1]) if "words" in rule.params else match[1]
        licence = licences.creative_commons(named, *match.groups()[1:3])
    elif rule.params.get("named"):
        found = licences.named(next(filter(None, match.groups()), ""))
        if found is None:
            return None
        licence = found
    else:
        template: str | None = rule.params.get("licence")
        filled = template and _GROUP.sub(lambda group: _elements(rule, match[int(group[1])] or ""), template)
        return rule, filled
    return _as(rule, licence.category), licence.id


@cache
def _as(rule: Rule, category: str) -> Rule:
    return rule if rule.category == category else replace(rule, category=category)


def _elements(rule: Rule, text: str) -> str:
    words: Mapping[str, str] = rule.params.get("words", {})
    elements = (words.get(word.lower(), word.upper()) for word in _BETWEEN_ELEMENTS.split(text))
    return "-".join(element for element in elements if element)
