"""The only importer of Presidio: one recogniser a rule of personal data.

Each is an EntityRecognizer that a plain AnalyzerEngine takes as a plug-in (`recognisers`), with a rule's validator,
and with context by characters: Presidio looks for context words among the tokens of a language model, and Chinese
text has no tokens without one. Our own screen hands the same recognisers windows of a column (`look`) instead of
whole texts, and brings no analyser engine: that wants a language model. Nor does Presidio's own search run, which
stops by a clock and compares all that it found in a text with one another.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult

from corpus_gov.forms import Form, Found, Sight, entity_of, forms
from corpus_gov.kernels import views
from corpus_gov.rules import RulePack, concern, load_packs
from corpus_gov.screens import TimedOutError

PACKS: Final = ("common.pii", "cn.pii", "world.pii")
"""Shipped packs with rules of personal data."""


class Recogniser(PatternRecognizer):
    """Presidio's pattern recogniser for the forms of one rule."""

    def __init__(self, sight: Sight, language: str = "zh") -> None:
        """Bind a rule to its compiled forms and its validator."""
        self.sight = sight
        rule = sight.rule
        super().__init__(
            supported_entity=entity_of(rule),
            name=rule.name,
            supported_language=language,
            patterns=[Pattern(rule.id, form.gate.expression, max(form.score, 0.01)) for form in sight.forms],
            context=list(rule.params.get("context", ())),
            global_regex_flags=0,
            version=str(rule.version),
        )

    def validate_result(self, pattern_text: str) -> bool | None:
        """Ask the rule's validator."""
        return self.sight.validate(pattern_text)

    def look(self, form: Form, text: str) -> Iterator[Found]:
        """Find the values of one form in a text that is a reading view or a window of one."""
        return self.sight.look(form, text)

    def analyze(
        self,
        text: str,
        entities: Sequence[str],
        nlp_artifacts: Any = None,  # noqa: ARG002 - Presidio passes it by name
        regex_flags: int | None = None,  # noqa: ARG002 - the same
    ) -> list[RecognizerResult]:
        """Find the values of the rule in a whole text, as AnalyzerEngine asks.

        Args:
            text: any text; spans are of it, whatever the reading view leaves out.
            entities: what is asked for; nothing is looked for unless ours is among them.
            nlp_artifacts: not used.
            regex_flags: not used; a rule's patterns carry their own.

        Returns:
            One result for each value, its context taken into account.
        """
        if entities and self.supported_entities[0] not in entities:
            return []
        column = pa.array([text], pa.large_string())
        seen = views.view(column)
        found: list[tuple[Found, views.Reading | None]] = [
            (one, None) for form in self.sight.forms for one in self.look(form, seen.text[0].as_py())
        ]
        found += [
            (one, reading)
            for reading in views.readings(seen.text)
            for form in self.sight.forms
            if form.spelled
            for one in self.look(form, reading.text)
        ]
        begins, ends = views.origins(column, 0)
        spans = [(views.span(reading, one.start, one.end), one.score) for one, reading in found]
        best: dict[tuple[int, int], float] = {}
        for span, score in spans:
            if span is not None:
                best[span] = max(score, best.get(span, 0))
        return [
            self._result(int(begins[start]), int(ends[end - 1]), score) for (start, end), score in sorted(best.items())
        ]

    def _result(self, start: int, end: int, score: float) -> RecognizerResult:
        metadata = {
            RecognizerResult.RECOGNIZER_NAME_KEY: self.name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
            # The context has been read: Presidio's own enhancer leaves the score alone.
            RecognizerResult.IS_SCORE_ENHANCED_BY_CONTEXT_KEY: True,
        }
        return RecognizerResult(self.supported_entities[0], start, end, score, recognition_metadata=metadata)


def recognisers(language: str = "zh", rules: RulePack | None = None) -> list[Recogniser]:
    """Return a recogniser for each rule of personal data, for the registry of an AnalyzerEngine.

    Args:
        language: that the engine calls them for; what they find does not depend on it.
        rules: of the screen pii; those of the shipped PACKS where None.

    Raises:
        RuleError: a rule has params that the screen pii does not read.
    """
    pack = concern(load_packs(PACKS), "pii") if rules is None else rules
    return [Recogniser(sight, language) for sight in forms(pack)]


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
