"""Text that is meant for models and not for readers: invisible letters, and words that trigger something.

Lines that give orders to a model are words, and so rules of the screen keywords. Manifests of C2PA, in variation
selectors, say where a text comes from: the screen aigc reads them, and they are no poison.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from itertools import groupby
from operator import itemgetter
from typing import Final

import pyarrow as pa

from corpus_gov import provenance
from corpus_gov.kernels import oddities
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, everywhere, findings

VERSION: Final = 2
LIBRARIES: Final = ("numba", "numpy")

TAGS, INVISIBLE, TRIGGER = "tags", "invisible", "trigger"
MOST_FINDINGS: Final = 64
"""Of one rule in one column of one document; one more says how many there are beyond them."""
_NEEDED: Final = {"what": str, "columns": tuple, "least": int}
_OPTIONAL: Final = {"share": float}


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find what readers do not see or do not read.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names.
        rules: those with `screen: poisoning`. params: `what` is looked for: `tags`, runs of `least` and more invisible
            characters with tag characters among them; `invisible`, such runs without, whole manifests of C2PA left
            out of both; `trigger`, one odd word that
            stands `least` times or more and is a `share` of all words; `columns` to look at.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; score is null; the note of a trigger is
        `times:<how often>`, that of what lies beyond MOST_FINDINGS `more:<how many>`.

    Raises:
        RuleError: a rule has params that this screen does not read.

    Source: Unicode 16, 23.9 (tag characters); the numbers are ours.
    """
    return findings(documents, _hits(documents, _checked(rules)))


@cache
def _checked(rules: RulePack) -> Mapping[str, tuple[Rule, ...]]:
    for rule in rules.rules:
        check_params(rule, _NEEDED, _OPTIONAL)
        if rule.params["what"] not in (TAGS, INVISIBLE, TRIGGER):
            raise rule.error(f"params.what is {rule.params['what']!r}, expected tags, invisible or trigger; choose one")
        if rule.params["least"] < 1 or not 0 <= rule.params.get("share", 0.0) <= 1:
            raise rule.error("params.least is at least 1, share from 0 to 1; correct them")
        if unknown := set(rule.params["columns"]).difference(TEXT_COLUMNS):
            raise rule.error(f"unknown columns {sorted(map(str, unknown))!r}; expected some of {TEXT_COLUMNS!r}")
    return {column: tuple(rule for rule in rules.rules if column in rule.params["columns"]) for column in TEXT_COLUMNS}


def _hits(documents: pa.RecordBatch, by_column: Mapping[str, tuple[Rule, ...]]) -> Iterator[Hit]:
    for column, rules in by_column.items():
        if rules:
            yield from everywhere(documents, column, partial(_found, column, rules))


def _found(column: str, rules: tuple[Rule, ...], texts: pa.Array) -> Iterator[Hit]:
    of_runs = [rule for rule in rules if rule.params["what"] != TRIGGER]
    # One search serves all rules.
    shortest = min((rule.params["least"] for rule in of_runs), default=0)
    runs = list(_runs(texts, oddities.invisible_runs(texts, shortest).tolist())) if of_runs else []
    for rule in of_runs:
        by_row: dict[int, list[tuple[int, int]]] = {}
        for row, start, end, tags in runs:
            if tags == (rule.params["what"] == TAGS) and end - start >= rule.params["least"]:
                by_row.setdefault(row, []).append((start, end))
        for row, spans in by_row.items():
            yield from (Hit(row, column, start, end, rule) for start, end in spans[:MOST_FINDINGS])
            if rest := spans[MOST_FINDINGS:]:
                yield Hit(row, column, rest[0][0], rest[-1][1], rule, note=f"more:{len(rest)}")
    for rule in rules:
        if rule.params["what"] == TRIGGER:
            places = oddities.odd_words(texts, rule.params["least"], rule.params.get("share", 0.0))
            for row, start, end, times in places.tolist():
                yield Hit(row, column, start, end, rule, note=f"times:{times}")


def _runs(texts: pa.Array, runs: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, bool]]:
    """Give what is left of runs without manifests: row, span, whether there are tag characters."""
    for row, of_row in groupby(runs, key=itemgetter(0)):
        text = texts[row].as_py()
        for _, start, end, _ in of_row:
            left = start
            for first, last in (*provenance.stores(text[start:end]), (end - start, end - start)):
                if left < start + first:
                    yield (
                        row,
                        left,
                        start + first,
                        any("\U000e0000" <= sign < "\U000e0080" for sign in text[left : start + first]),
                    )
                left = start + last
