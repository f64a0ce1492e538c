"""What went wrong between bytes and text: lost characters, false charset labels, text that was misread before.

Nothing is repaired: a finding of misread text names the recipe that would, for a person to accept.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, findings
from corpus_gov.sources import mojibake
from corpus_gov.sources.charset import codec_of
from corpus_gov.sources.misread import LOST

VERSION: Final = 1
LIBRARIES: Final = ("hyperscan", "numpy", "resiliparse")

REPLACED, LABEL, MISREAD = "replaced", "label", "misread"
_NEEDED: Final = {"what": str, "columns": tuple}
_OPTIONAL: Final = {"share": float}
_RUN = re.compile(f"{LOST}+")


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find what a wrong charset left in a text.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names, charset_declared and charset_used.
        rules: those with `screen: encoding`. params: `what` is looked for: `replaced`, runs of U+FFFD; `label`, a
            declared charset that is not the one used, as an empty span in front of the column; `misread`, text that
            was decoded by a wrong encoding; `columns` to look at; `share`, of the column's code points that must be
            concerned, where the finding goes from the first to the last of them.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; score is null. The note of misread text is
        `repair:<recipe>` or, where characters were lost, `lossy:<recipe>`, for `sources.mojibake.repair`; that of a
        label is `<declared>><used>` in Python's names.

    Raises:
        RuleError: a rule has params that this screen does not read.

    Source: WHATWG Encoding (what labels mean); Unicode, U+FFFD.
    """
    return findings(documents, _hits(documents, _checked(rules)))


@cache
def _checked(rules: RulePack) -> tuple[Rule, ...]:
    for rule in rules.rules:
        check_params(rule, _NEEDED, _OPTIONAL)
        if rule.params["what"] not in (REPLACED, LABEL, MISREAD):
            raise rule.error(f"params.what is {rule.params['what']!r}, expected replaced, label or misread; choose one")
        if unknown := set(rule.params["columns"]).difference(TEXT_COLUMNS):
            raise rule.error(f"unknown columns {sorted(map(str, unknown))!r}; expected some of {TEXT_COLUMNS!r}")
    return rules.rules


def _hits(documents: pa.RecordBatch, rules: tuple[Rule, ...]) -> Iterator[Hit]:
    for column in TEXT_COLUMNS:
        asked = [rule for rule in rules if column in rule.params["columns"]]
        by_what = {what: [rule for rule in asked if rule.params["what"] == what] for what in (REPLACED, LABEL, MISREAD)}
        if by_what[REPLACED] or by_what[MISREAD]:
            yield from _found(documents.column(column), column, by_what)
        for rule in by_what[LABEL]:
            yield from _labels(documents, column, rule)


def _found(texts: pa.Array, column: str, by_what: dict[str, list[Rule]]) -> Iterator[Hit]:
    gates = mojibake.gates()
    rows, numbers, _ = prefilter.candidates(texts, (*(pattern for pattern, _ in gates), LOST))
    suspected: dict[int, set[str]] = defaultdict(set)
    for row, number in np.unique(np.stack((rows, numbers), axis=1), axis=0).tolist():
        suspected[row].update(gates[number][1] if number < len(gates) else ())
    for row, ways in suspected.items():
        text = texts[row].as_py()
        runs = [(run.start(), run.end(), None) for run in _RUN.finditer(text)]
        yield from _about(row, column, by_what[REPLACED], runs, text)
        if by_what[MISREAD] and ways:
            places = [_noted(place) for place in mojibake.find(text, ways)]
            yield from _about(row, column, by_what[MISREAD], places, text)


def _noted(place: mojibake.Place) -> tuple[int, int, str]:
    return place.start, place.end, f"{'repair' if place.exact else 'lossy'}:{place.recipe}"


def _about(
    row: int, column: str, rules: list[Rule], places: Sequence[tuple[int, int, str | None]], text: str
) -> Iterator[Hit]:
    for rule in rules:
        share = rule.params.get("share")
        if share is None:
            yield from (Hit(row, column, start, end, rule, note=note) for start, end, note in places)
        elif places and sum(end - start for start, end, _ in places) >= share * len(text):
            yield Hit(row, column, places[0][0], places[-1][1], rule)


def _labels(documents: pa.RecordBatch, column: str, rule: Rule) -> Iterator[Hit]:
    declared, used = (documents.column(name).cast(pa.string()) for name in ("charset_declared", "charset_used"))
    differ = pc.fill_null(pc.not_equal(declared, used), False)  # noqa: FBT003 - pyarrow's own signature
    for row in np.flatnonzero(np.asarray(differ)).tolist():
        said, real = codec_of(declared[row].as_py()), used[row].as_py()
        text = documents.column(column)[row].as_py()
        # The order of the bytes of UTF-16 is for the mark to say; without a character outside ASCII any label is right.
        if said and said != real and not (said[:6] == real[:6] == "utf-16") and text and not text.isascii():
            yield Hit(row, column, 0, 0, rule, note=f"{said}>{real}")
