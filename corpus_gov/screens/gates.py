"""What screens that go by patterns and columns share: a rule's category, columns and pattern, checked and compiled."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, TypeVar

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule
from corpus_gov.schemas import TEXT_COLUMNS


class Gated(Protocol):
    """A rule with its patterns compiled."""

    @property
    def rule(self) -> Rule:
        """The rule."""


_Gated = TypeVar("_Gated", bound=Gated)


def gated(rule: Rule, categories: Collection[str]) -> prefilter.Gate:
    """Return the gate of a rule's `pattern` with its `first`, `not_before` and `not_after`.

    Raises:
        RuleError: the rule has another category, other columns than TEXT_COLUMNS, or a pattern that needs more than
            linear time.
    """
    if rule.category not in categories:
        raise rule.error(f"category is {rule.category!r}, expected one of {tuple(categories)!r}; choose one")
    if unknown := set(rule.params["columns"]).difference(TEXT_COLUMNS):
        raise rule.error(f"unknown columns {sorted(map(str, unknown))!r}; expected some of {TEXT_COLUMNS!r}")
    optional = {key: rule.params[key] for key in ("first", "not_before", "not_after") if key in rule.params}
    try:
        return prefilter.gate(rule.params["pattern"], **optional)
    except (prefilter.PatternError, re.error) as error:
        raise rule.error(f"a pattern in params: {error}") from error


def by_column(compiled: Iterable[_Gated]) -> Mapping[str, tuple[_Gated, ...]]:
    """Group compiled rules by the columns that they look at."""
    compiled = tuple(compiled)
    return {name: tuple(one for one in compiled if name in one.rule.params["columns"]) for name in TEXT_COLUMNS}
