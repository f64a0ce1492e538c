"""Statements about rights: licences by link or by words, bans, conditions, ownership.

What several statements mean together, and what follows, is for the policy; this screen only says which words
or links stand where.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Final, NamedTuple

import pyarrow as pa

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, everywhere, findings

VERSION: Final = 1
LIBRARIES: Final = ("hyperscan",)

CATEGORIES: Final = ("rights.permitted", "rights.conditional", "rights.forbidden", "rights.owner")

_NEEDED: Final = {"pattern": str, "columns": tuple}
_OPTIONAL: Final = {
    "first": str,
    "not_before": tuple,
    "not_after": tuple,
    "unless": str,
    "licence": str,
    "words": Mapping,
}
_GROUP = re.compile(r"\{(\d)\}")
_BETWEEN_ELEMENTS = re.compile(r"[\s·_‐‑–—－-]+")


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find statements about rights.

    Jurisdiction ports of Creative Commons are noted as the unported licence: the licence list names only some of
    them, and the elements and the version are what a policy asks for.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names.
        rules: those with `screen: licence`. params: `pattern` and the boundaries `not_before`, `not_after`; `first`,
            a cheaper pattern that every match contains; `columns` to look at; `unless`, a pattern that a match must
            not contain; `licence`, the id to note, where {1} is the first group of the match in upper case, element
            by element, after translation by `words`.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; score is null, note is the licence id or null.

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


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    for column, statements in _statements(rules).items():
        yield from everywhere(documents, column, partial(_found, column, statements))


def _found(column: str, statements: tuple[_Statement, ...], texts: pa.Array) -> Iterator[Hit]:
    gates = tuple(statement.gate for statement in statements)
    for window in prefilter.windows(texts, gates):
        rule, _, expression, unless = statements[window.gate]
        for match in expression.finditer(window.text):
            if not (unless and unless.search(match[0])):
                start, end = window.start + match.start(), window.start + match.end()
                yield Hit(window.row, column, start, end, rule, note=_licence(rule, match))


@cache
def _statements(rules: RulePack) -> Mapping[str, tuple[_Statement, ...]]:
    compiled = [_statement(rule) for rule in rules.rules]
    return {
        column: tuple(statement for statement in compiled if column in statement.rule.params["columns"])
        for column in TEXT_COLUMNS
    }


def _statement(rule: Rule) -> _Statement:
    check_params(rule, _NEEDED, _OPTIONAL)
    if rule.category not in CATEGORIES:
        raise rule.error(f"category is {rule.category!r}, expected one of {CATEGORIES!r}; choose one")
    if unknown := set(rule.params["columns"]).difference(TEXT_COLUMNS):
        raise rule.error(f"unknown columns {sorted(map(str, unknown))!r}; expected some of {TEXT_COLUMNS!r}")
    optional = {key: rule.params[key] for key in ("first", "not_before", "not_after") if key in rule.params}
    try:
        gate = prefilter.gate(rule.params["pattern"], **optional)
        unless = re.compile(rule.params["unless"], re.ASCII) if "unless" in rule.params else None
    except (prefilter.PatternError, re.error) as error:
        raise rule.error(f"a pattern in params: {error}") from error
    expression = re.compile(gate.expression)
    if wrong := [n for n in _GROUP.findall(rule.params.get("licence", "")) if int(n) > expression.groups]:
        raise rule.error(f"params.licence names group {wrong[0]}, the pattern has {expression.groups}; correct it")
    return _Statement(rule, gate, expression, unless)


def _licence(rule: Rule, match: re.Match[str]) -> str | None:
    template: str | None = rule.params.get("licence")
    return _GROUP.sub(lambda group: _elements(rule, match[int(group[1])] or ""), template) if template else None


def _elements(rule: Rule, text: str) -> str:
    words: Mapping[str, str] = rule.params.get("words", {})
    elements = (words.get(word.lower(), word.upper()) for word in _BETWEEN_ELEMENTS.split(text))
    return "-".join(element for element in elements if element)
