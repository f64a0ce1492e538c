"""Personal data by form: Presidio recognisers with validators of our own, behind a gate."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from corpus_gov import exposure
from corpus_gov.forms import forms
from corpus_gov.kernels import prefilter, views
from corpus_gov.rules import RulePack
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, everywhere, findings

if TYPE_CHECKING:
    from corpus_gov.recognisers import Recogniser

VERSION: Final = 4
LIBRARIES: Final = ("presidio-analyzer", "hyperscan", "phonenumbers", "python-stdnum")


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find personal data in every text column.

    The value itself is not kept. Texts are read in the reading view (kernels/views.py), so that full-width, circled
    and invisible characters hide nothing; rules that say so (`spelled`) also read numbers that are written in Chinese
    numerals or pulled apart. In the column uri a value is found percent-encoded as well. A value that lies inside of
    a surer one is not found: the surer one is what it is part of.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS.
        rules: those with `screen: pii`; params are explained in docs/rules.md.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; a score of 1 where a check digit holds.

    Raises:
        RuleError: a rule has params that this screen does not read, or a pattern that needs more than linear time.

    Source: the standards that the rules name.
    """
    together = exposure.exposures(rules)
    hits: list[Hit] = []
    for column in TEXT_COLUMNS:
        found = everywhere(documents, column, partial(found_in, column, rules))
        kept = [hit for _, same in _by_row(found) for hit in surest(same)]
        hits += kept
        if together:
            texts = documents.column(column)
            for row, same in _by_row(kept):
                hits += exposure.look(together, list(same), texts[row])
    return findings(documents, hits)


def found_in(column: str, rules: RulePack, texts: pa.Array) -> Iterator[Hit]:
    """Find the values of all rules in texts, each rule by itself: what lies inside of what is left in.

    Args:
        column: what hits name.
        rules: of this screen.
        texts: string or large_string; `row` of a hit counts them.

    Yields:
        Hits in code points of the texts, each value of a rule once.
    """
    seen = views.view(texts)
    best: defaultdict[tuple[int, int, int], dict[int, float]] = defaultdict(dict)
    # Looked up once: the hash of a pack is that of all it says.
    compiled = _compiled(rules)
    for row, start, end, number, score in (*_plain(compiled, seen.text), *_spelled(compiled, seen.text)):
        scores = best[row, start, end]
        scores[number] = max(score, scores.get(number, 0))
    origin: tuple[int, tuple[list[int], list[int]]] = (-1, ([], []))
    for (row, start, end), scores in sorted(best.items()):
        begin, stop = start, end
        if seen.shorter[row]:
            if origin[0] != row:
                begins, ends = views.origins(texts, row)
                origin = (row, (begins.tolist(), ends.tolist()))
            begin, stop = origin[1][0][start], origin[1][1][end - 1]
        for number, score in sorted(scores.items()):
            yield Hit(row, column, begin, stop, compiled.sights[number].rule, score)


def surest(hits: Iterable[Hit]) -> list[Hit]:
    """Leave out the hits of one text that lie inside of a surer one."""
    kept: list[Hit] = []
    around: list[Hit] = []
    # What holds a hit comes before it; of equal spans the surest comes first.
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end, -(hit.score or 0), hit.rule.id)):
        around = [one for one in around if one.end > hit.start]
        if not any(one.end >= hit.end and (one.score or 0) > (hit.score or 0) for one in around):
            kept.append(hit)
        around.append(hit)
    return kept


def _by_row(hits: Iterable[Hit]) -> Iterator[tuple[int, Iterator[Hit]]]:
    return groupby(sorted(hits, key=attrgetter("row")), key=attrgetter("row"))


def _plain(rules: "_Compiled", seen: pa.Array) -> Iterator[tuple[int, int, int, int, float]]:
    for window in prefilter.windows(seen, rules.gates):
        number, form = rules.places[window.gate]
        for one in rules.recognisers()[number].look(form, window.text):
            yield window.row, window.start + one.start, window.start + one.end, number, one.score


def _spelled(rules: "_Compiled", seen: pa.Array) -> Iterator[tuple[int, int, int, int, float]]:
    readings = views.readings(seen)
    if not readings:
        return
    texts = pa.array([reading.text for reading in readings], pa.large_string())
    for window in prefilter.windows(texts, rules.spelled_gates):
        reading = readings[window.row]
        number, form = rules.spelled_places[window.gate]
        for one in rules.recognisers()[number].look(form, window.text):
            if span := views.span(reading, window.start + one.start, window.start + one.end):
                yield reading.row, *span, number, one.score


class _Compiled:
    """The rules of the screen, ready to look: what is scanned for, and for each gate the number of its rule."""

    def __init__(self, rules: RulePack) -> None:
        self.sights = forms(rules)
        self.places = tuple((number, form) for number, sight in enumerate(self.sights) for form in sight.forms)
        self.gates = tuple(form.gate for _, form in self.places)
        self.spelled_places = tuple((number, form) for number, form in self.places if form.spelled)
        self.spelled_gates = tuple(form.gate for _, form in self.spelled_places)
        self._recognisers: tuple[Recogniser, ...] = ()

    def recognisers(self) -> tuple["Recogniser", ...]:
        """Load Presidio, which brings spaCy along: more than a second, which only a text with a candidate is worth."""
        if not self._recognisers:
            from corpus_gov.recognisers import Recogniser  # noqa: PLC0415

            self._recognisers = tuple(map(Recogniser, self.sights))
        return self._recognisers


@cache
def _compiled(rules: RulePack) -> _Compiled:
    return _Compiled(rules)
