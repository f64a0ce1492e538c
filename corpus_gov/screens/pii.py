"""Personal data by form: Presidio recognisers with validators of our own, behind a gate."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, everywhere, findings

if TYPE_CHECKING:
    from corpus_gov.recognisers import Recogniser

VERSION: Final = 1
LIBRARIES: Final = ("presidio-analyzer", "regex", "hyperscan")

_NEEDED: Final = {"pattern": str, "score": float}
_OPTIONAL: Final = {
    "first": str,
    "not_before": tuple,
    "not_after": tuple,
    "validator": str,
    "allowed": tuple,
    "refused": tuple,
    "context": tuple,
    "context_score": float,
}

Validator = Callable[[str, Rule], bool | None]
"""True: certainly one. False: certainly none. None: the form is all there is to go by."""


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find personal data in every text column.

    The value itself is not kept. In the column uri it is found percent-encoded as well. Numbers are found in ASCII
    digits, with or without spaces and hyphens; other digits, and addresses with spelled-out signs, are left to rules
    that normalise first.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS.
        rules: those with `screen: pii`. params: `pattern` and the boundaries `not_before`, `not_after`; `first`, a
            cheaper pattern that every match contains; `score` of the bare form, 0 to 1, and `context_score` where a
            word of `context` stands near; `validator` with the texts that it has `allowed` or `refused`.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; a score of 1 where a check digit holds.

    Raises:
        RuleError: a rule has params that this screen does not read, or a pattern that needs more than linear time.

    Source: GB 11643-1999 (resident identity number), ISO 7064 (mod 11-2).
    """
    return findings(documents, _hits(documents, rules))


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    for column in TEXT_COLUMNS:
        yield from everywhere(documents, column, partial(_found, column, rules))


def _found(column: str, rules: RulePack, texts: pa.Array) -> Iterator[Hit]:
    for window in prefilter.windows(texts, _gates(rules)):
        recogniser = _recognisers(rules)[window.gate]
        for match in recogniser.expression.finditer(window.text):
            if (score := recogniser.score(match)) is not None:
                start, end = window.start + match.start(), window.start + match.end()
                yield Hit(window.row, column, start, end, recogniser.rule, score)


@cache
def _gates(rules: RulePack) -> tuple[prefilter.Gate, ...]:
    return tuple(_gate(rule) for rule in rules.rules)


@cache
def _recognisers(rules: RulePack) -> tuple["Recogniser", ...]:
    # Presidio brings spaCy along: more than a second, which only a text with a candidate is worth.
    from corpus_gov.recognisers import Recogniser  # noqa: PLC0415

    validators = (VALIDATORS.get(rule.params.get("validator", "")) for rule in rules.rules)
    return tuple(map(Recogniser, rules.rules, _gates(rules), validators))


def _gate(rule: Rule) -> prefilter.Gate:
    check_params(rule, _NEEDED, _OPTIONAL)
    if (validator := rule.params.get("validator")) and validator not in VALIDATORS:
        raise rule.error(f"unknown validator {validator!r}; expected one of {sorted(VALIDATORS)!r}")
    asked = ("context", "context_score") if "context" in rule.params else ()
    if missing := {*asked, *_READS.get(validator or "", ())} - rule.params.keys():
        raise rule.error(f"params lack {sorted(missing)!r}, which go with its validator or context; add them")
    optional = {key: rule.params[key] for key in ("first", "not_before", "not_after") if key in rule.params}
    try:
        return prefilter.gate(rule.params["pattern"], **optional)
    except prefilter.PatternError as error:
        raise rule.error(f"params.pattern: {error}") from error


def _resident_id(value: str, rule: Rule) -> bool:
    """Check province (params.allowed), calendar date and the ISO 7064 mod 11-2 check character."""
    digits = re.sub(r"[ -]", "", value).upper()
    try:
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    # mod 11-2: the character at place i from the right weighs 2^i, X counts ten, the sum is 1 modulo 11.
    total = sum((10 if digit == "X" else int(digit)) << i for i, digit in enumerate(reversed(digits)))
    return total % 11 == 1 and digits[:2] in rule.params["allowed"]


def _email(value: str, rule: Rule) -> bool | None:
    """Refuse last labels that are file name endings (params.refused), empty labels and labels with outer hyphens."""
    labels = value.rpartition("@")[2].lower().split(".")
    if labels[-1] in rule.params["refused"] or any(label.startswith("-") or label.endswith("-") for label in labels):
        return False
    return None


VALIDATORS: Final[Mapping[str, Validator]] = {"iso7064_mod11_2": _resident_id, "email": _email}
_READS: Final[Mapping[str, tuple[str, ...]]] = {"iso7064_mod11_2": ("allowed",), "email": ("refused",)}
