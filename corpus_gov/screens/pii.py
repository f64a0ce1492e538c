"""Personal data by form: Presidio recognisers with validators of our own, behind a gate.

The only importer of Presidio. Its AnalyzerEngine is not used: it wants a language model and reads whole texts. Nor
do its recognisers search: they would stop by a clock, and compare all that they found in a text with one another.
They are given one value at a time.
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache, partial
from typing import Final

import pyarrow as pa
from presidio_analyzer import Pattern, PatternRecognizer

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, TimedOutError, everywhere, findings

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
    recognisers, gates = _recognisers(rules)
    for column in TEXT_COLUMNS:
        yield from everywhere(documents, column, partial(_found, column, recognisers, gates))


def _found(
    column: str, recognisers: Sequence["Recogniser"], gates: tuple[prefilter.Gate, ...], texts: pa.Array
) -> Iterator[Hit]:
    for window in prefilter.windows(texts, gates):
        recogniser = recognisers[window.gate]
        for match in recogniser.expression.finditer(window.text):
            if (score := recogniser.score(match)) is not None:
                start, end = window.start + match.start(), window.start + match.end()
                yield Hit(window.row, column, start, end, recogniser.rule, score)


@cache
def _recognisers(rules: RulePack) -> tuple[tuple["Recogniser", ...], tuple[prefilter.Gate, ...]]:
    gates = tuple(_gate(rule) for rule in rules.rules)
    return tuple(Recogniser(rule, gate) for rule, gate in zip(rules.rules, gates, strict=True)), gates


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


class Recogniser(PatternRecognizer):
    """Presidio's pattern recogniser with the rule's validator, and with context by characters.

    Presidio looks for context words among the tokens of a language model; Chinese text has no tokens without one.
    """

    def __init__(self, rule: Rule, gate: prefilter.Gate) -> None:
        """Bind a rule to its compiled pattern."""
        self.rule = rule
        self.expression = re.compile(gate.expression)
        self._validate = VALIDATORS.get(rule.params.get("validator", ""))
        words = rule.params.get("context", ())
        self._context = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None
        super().__init__(
            supported_entity=rule.id,
            name=rule.name,
            supported_language="zh",
            # What Presidio is given is the value and nothing else.
            patterns=[Pattern(rule.id, r"(?s)\A.+\Z", rule.params["score"])],
            global_regex_flags=0,
            version=str(rule.version),
        )

    def validate_result(self, pattern_text: str) -> bool | None:
        """Ask the rule's validator."""
        return self._validate(pattern_text, self.rule) if self._validate else None

    def score(self, match: re.Match[str]) -> float | None:
        """Return how sure it is that a match is one, with a context word near or without; None: it is none."""
        results = self.analyze(match[0], self.supported_entities)
        if not results:
            return None
        score: float = results[0].score
        near = self._context is not None and self._context.search(_near(match))
        return max(score, self.rule.params["context_score"]) if near else score


def _near(match: re.Match[str]) -> str:
    text, start, end = match.string, match.start(), match.end()
    # The break keeps a word from forming across the place where the value stood.
    return f"{text[max(0, start - prefilter.CONTEXT_BEFORE) : start]}\n{text[end : end + prefilter.CONTEXT_AFTER]}"


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


class _Loud(logging.Handler):
    """Presidio skips a pattern that runs out of time and only warns; a skipped text would pass for a clean one."""

    def emit(self, record: logging.LogRecord) -> None:
        raise TimedOutError(f"presidio: {record.msg}: a result would depend on the clock; run again on a free machine")


# Nothing of Presidio's reaches a log: its messages may quote what it recognised.
logging.getLogger("presidio-analyzer").handlers[:] = [_Loud(logging.WARNING)]
logging.getLogger("presidio-analyzer").setLevel(logging.WARNING)
logging.getLogger("presidio-analyzer").propagate = False
logging.getLogger("decision_process").handlers.clear()
logging.getLogger("decision_process").propagate = False
