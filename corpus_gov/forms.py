"""Rules of personal data, compiled: what is scanned for, what is found there, and how sure that is."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.validators import VALIDATORS

CLASSES: Final = ("personal", "sensitive", "credential", "organisation")
"""What a value is to the law: data of a person, sensitive data of one, a secret, or the number of an organisation."""

NEEDED: Final = {"pattern": str, "score": float}
OPTIONAL: Final = {
    "entity": str,
    "class": str,
    "first": str,
    "not_before": tuple,
    "not_after": tuple,
    "then": tuple,
    "spelled": bool,
    "unbroken": bool,
    "also": tuple,
    "validator": str,
    "checked_score": float,
    "context": tuple,
    "context_score": float,
    "against": tuple,
    # read by validators
    "allowed": tuple,
    "refused": tuple,
    "endings": tuple,
    "regions": tuple,
    "networks": tuple,
    "number": str,
    "lenient": bool,
    "least_bits": float,
    "mixed": bool,
    # read by advisory counters
    "counts": int,
}
_OF_A_FORM: Final = ("pattern", "first", "not_before", "not_after", "then", "spelled", "unbroken", "score")
_WIDEST: Final = 4
"""Bytes of the longest code point in UTF-8."""

_AGAINST_BEFORE: Final = 12
"""Code points before a value in which a word of `against` speaks against it."""

_STOP = re.compile(r"[。!?;]|[.,](?![0-9A-Za-z])")
"""Ends a clause, in the reading view. A label may stand on a line of its own above the value."""

_BREAK = re.compile(rf"\n|{_STOP.pattern}")
"""Parts what is said of one value from what is said of the next."""

_REPLACED_BEFORE = re.compile(r".*(?:(?:^|\[)[A-Z_]*\]|(?<!…)…)", re.DOTALL)
_REPLACED_AFTER = re.compile(r"\[[A-Z_]*(?:\]|$)|…(?!…)")
"""What stands in place of a value that was redacted: a placeholder, perhaps cut off, or one ellipsis. What was said of
that value is no context of another; shorter than the value, it would bring words nearer and values to light."""


class Form(NamedTuple):
    """One way of writing what a rule looks for."""

    gate: prefilter.Gate
    expression: re.Pattern[str]
    score: float
    spelled: bool
    """Digits may be spelled out or pulled apart."""


class Found(NamedTuple):
    """A value in a text, in code points, and how sure it is."""

    start: int
    end: int
    score: float


class Sight:
    """A rule with its forms, its validator and its context."""

    def __init__(self, rule: Rule) -> None:
        """Compile a rule.

        Raises:
            RuleError: its params are not those of the screen pii, or a pattern needs more than linear time.
        """
        self.rule = rule
        _check(rule)
        params = rule.params
        self.forms = tuple(_form(rule, given) for given in (params, *params.get("also", ())))
        self._validate = VALIDATORS[params["validator"]][0] if "validator" in params else None
        self._checked = params.get("checked_score", 1.0)
        self._near = _Words(params["context"]) if "context" in params else None
        self._near_score = params.get("context_score", 0.0)
        self._against = _Words(params["against"]) if "against" in params else None

    def validate(self, value: str) -> bool | None:
        """Ask the validator; None where there is none or it cannot tell."""
        return self._validate(value, self.rule) if self._validate else None

    def look(self, form: Form, text: str) -> Iterator[Found]:
        """Find the values of one form in a reading view or a window of one.

        A pattern with a group reports what the group holds: what stands before it says what it is.
        """
        group = 1 if form.expression.groups else 0
        for match in form.expression.finditer(text):
            start, end = match.span(group)
            if (score := self._score(form, text, start, end)) is not None:
                yield Found(start, end, score)

    def _score(self, form: Form, text: str, start: int, end: int) -> float | None:
        valid = self.validate(text[start:end])
        if valid is False:
            return None
        score = self._checked if valid else form.score
        if self._near is not None or self._against is not None:
            around, against = self._around(text, start, end)
            if self._near is not None and self._near.last(around) is not None:
                score = max(score, self._near_score)
            elif against:
                return None
        # Nothing but the context makes it one where the rule gives the bare form no score.
        return score or None

    def _around(self, text: str, start: int, end: int) -> tuple[str, bool]:
        """Return where words of the context count for a value, and whether a word speaks against it.

        A word against it counts in the clause of the value. Then only context of that clause or behind it counts:
        what was said of another number is no answer to it. Behind the value a clause that begins is about the next.
        """
        before = text[max(0, start - prefilter.CONTEXT_BEFORE) : start]
        if ("]" in before or "…" in before) and (replaced := _REPLACED_BEFORE.match(before)):
            before = before[replaced.end() :]
        if self._against is not None:
            near = before[-_AGAINST_BEFORE:]
            found = self._against.last(near)
            if found is not None and not _STOP.search(near, found):
                breaks = [one.end() for one in _BREAK.finditer(before, 0, len(before) - len(near) + found)]
                return before[max(breaks, default=0) :], True
        after = text[end : end + prefilter.CONTEXT_AFTER]
        if replaced := _REPLACED_AFTER.search(after):
            after = after[: replaced.start()]
        if begins := _BREAK.search(after):
            after = after[: begins.start()]
        # The break keeps a word from forming across the place where the value stood.
        return f"{before}\n{after}", False


def entity_of(rule: Rule) -> str:
    """Name what a rule finds, as Presidio names entities; after its id where it does not say."""
    return str(rule.params.get("entity", rule.id.partition(".")[2].replace(".", "_").upper()))


def class_of(rule: Rule) -> str:
    """Return the class of what a rule finds, one of CLASSES; personal where it does not say."""
    return str(rule.params.get("class", CLASSES[0]))


@cache
def forms(rules: RulePack) -> tuple[Sight, ...]:
    """Compile the rules of the screen, in their order.

    Raises:
        RuleError: a rule has params that the screen does not read, or a pattern that needs more than linear time.
    """
    return tuple(Sight(rule) for rule in rules.rules if "what" not in rule.params)


def _check(rule: Rule) -> None:
    check_params(rule, NEEDED, OPTIONAL)
    if class_of(rule) not in CLASSES:
        raise rule.error(f"params.class is {class_of(rule)!r}, expected one of {CLASSES!r}; choose one")
    validator = rule.params.get("validator")
    if validator and validator not in VALIDATORS:
        raise rule.error(f"unknown validator {validator!r}; expected one of {sorted(VALIDATORS)!r}")
    asked = ("context", "context_score") if "context" in rule.params else ()
    if missing := {*asked, *(VALIDATORS[validator][1] if validator else ())} - rule.params.keys():
        raise rule.error(f"params lack {sorted(missing)!r}, which go with its validator or context; add them")


def _form(rule: Rule, given: Any) -> Form:
    if unknown := sorted(set(given) - set(_OF_A_FORM)) if given is not rule.params else []:
        raise rule.error(f"params.also: unknown key {unknown[0]!r}; a form has {_OF_A_FORM!r}")
    params = {**rule.params, "first": None, **given}
    optional = {key: params[key] for key in ("not_before", "not_after", "then") if key in params}
    optional |= {"first": params["first"], "unbroken": params.get("unbroken", False)}
    if (
        params["first"] is None
        and params["score"] == 0
        and (params.get("checked_score") == 0 or "validator" not in params)
    ):
        # Only a context word makes it one: words are rare, numbers are not.
        words = params["context"]
        widest = max(len(word.encode()) for word in words) + _WIDEST * prefilter.CONTEXT_BEFORE
        optional |= {"first": _words(words), "beyond": widest, "unbroken": False}
    try:
        gate = prefilter.gate(params["pattern"], **optional)
    except prefilter.PatternError as error:
        raise rule.error(f"params.pattern: {error}") from error
    return Form(gate, prefilter.searchable(gate.expression), params["score"], params.get("spelled", False))


def _words(words: tuple[str, ...]) -> str:
    """Return a pattern that is found wherever one of the words is; one in capitals is meant so."""
    return "|".join(re.escape(word) if word.isupper() else f"(?i:{re.escape(word)})" for word in words)


class _Words:
    """Words to look for in a context: one of Latin letters stands by itself, one in capitals is meant so."""

    def __init__(self, words: tuple[str, ...]) -> None:
        capitals = [word for word in words if word.isupper()]
        self._capitals = _any_of(capitals) if capitals else None
        self._others = _any_of([word.lower() for word in words if not word.isupper()])

    def last(self, text: str) -> int | None:
        """Return where the last of the words in a text begins, None where there is none."""
        # Folding a short text costs less than a pattern that ignores case.
        found = [match.start() for match in self._others.finditer(text.lower())]
        if self._capitals is not None:
            found += [match.start() for match in self._capitals.finditer(text)]
        return max(found, default=None)


def _any_of(words: list[str]) -> re.Pattern[str]:
    alone = [re.escape(word) for word in words if word.isascii() and word.isalpha()]
    anywhere = [re.escape(word) for word in words if not (word.isascii() and word.isalpha())]
    parts = [*anywhere, *([rf"(?<![A-Za-z])(?:{'|'.join(alone)})(?![A-Za-z])"] if alone else [])]
    # Without words there is nothing to find.
    return re.compile("|".join(parts) or r"(?!)")
