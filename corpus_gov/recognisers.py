"""The only importer of Presidio: one recogniser a rule of personal data.

Its AnalyzerEngine is not used: it wants a language model and reads whole texts. Nor do its recognisers search:
they would stop by a clock, and compare all that they found in a text with one another. They are given one value
at a time.
"""

import logging
import re
from typing import TYPE_CHECKING

from presidio_analyzer import Pattern, PatternRecognizer

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule
from corpus_gov.screens import TimedOutError

if TYPE_CHECKING:
    from corpus_gov.screens.pii import Validator


class Recogniser(PatternRecognizer):
    """Presidio's pattern recogniser with the rule's validator, and with context by characters.

    Presidio looks for context words among the tokens of a language model; Chinese text has no tokens without one.
    """

    def __init__(self, rule: Rule, gate: prefilter.Gate, validate: "Validator | None") -> None:
        """Bind a rule to its compiled pattern and its validator."""
        self.rule = rule
        self.expression = re.compile(gate.expression)
        self._validate = validate
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
