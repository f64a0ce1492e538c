"""Labels of AI-generated content, in words and for machines, and traces of models.

A label is looked at and left where it is: no rule of this screen has a placeholder, and nothing cuts one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Final, NamedTuple

import pyarrow as pa

from corpus_gov import aigc, provenance
from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.screens import Hit, everywhere, findings
from corpus_gov.screens.gates import by_column, gated

VERSION: Final = 1
LIBRARIES: Final = ("hyperscan", "python-stdnum")

LABELLED: Final = "aigc.labelled"
SUSPECTED: Final = "aigc.suspected"
RESERVED: Final = "optout.reserved"
LIMITED: Final = "optout.limited"
CATEGORIES: Final = (LABELLED, SUSPECTED, RESERVED, LIMITED)

WORDS, EXPLICIT, METADATA, MANIFEST, RESERVATION = "words", "explicit", "metadata", "manifest", "reservation"
_WORDS_OF: Final = ("unless", "vocabulary")
_WHAT: Final = (WORDS, EXPLICIT, METADATA, MANIFEST, RESERVATION)
_NEEDED: Final = {"what": str, "columns": tuple, "pattern": str}
_OPTIONAL: Final = {
    "first": str, "not_before": tuple, "not_after": tuple, "unless": str, "edge": int, "line": int, "sentence": int,
    "vocabulary": str, "rest": int, "use": str,
}  # fmt: skip

_ENDS: Final = "。！？!?；;\n"
"""What a sentence ends with; a full stop as well, where a blank follows."""
_BRACKETS: Final = {"(": ")", "（": "）", "[": "]", "【": "】", "〔": "〕", "［": "］", "<": ">", "*": "*", "—": "—"}
_STRIPPED: Final = " \t\u3000*_#>·-—–~～|｜：:，,。.！!※★◆●▲☆ⓘ⚠️💡🤖"

MENTION: Final = 0.0
"""Score of words that stand where no label stands: for people to read, and not to count."""


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find labels and traces of AI-generated content.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names.
        rules: those with `screen: aigc`. params: `what` is looked for: `words`, wherever they stand; `explicit`, words
            that are one only in the place of a label; `metadata`, an object for machines; `manifest`, variation
            selectors that hold a manifest of C2PA whose content a model made; `reservation`, one that gives training
            the `use` notAllowed or constrained. `pattern` with its boundaries and `first` says where to look, `columns`
            in what. A label's sentence has at most `sentence` characters and none of the words of `unless`, and
            `vocabulary` leaves at most `rest` letters of it; it begins or ends within `edge` characters of the text's
            ends, stands in a line of at most `line` characters, or in brackets.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule; score is 0 for a mention of labelling, else null.
        The note of metadata is that of `aigc.Label`, of a manifest what it claims; others have none.

    Raises:
        RuleError: a rule has another category than CATEGORIES, params that this screen does not read, or a pattern
            that needs more than linear time.

    Source: GB 45438-2025 (explicit labels in text; Annex E); C2PA 2.4, A.8; IPTC NewsCodes, digital source type.
    """
    return findings(documents, _hits(documents, rules))


class _Sought(NamedTuple):
    """A rule with its patterns compiled."""

    rule: Rule
    gate: prefilter.Gate
    expression: re.Pattern[str]
    unless: re.Pattern[str] | None
    vocabulary: re.Pattern[str] | None


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    for column, sought in _compiled(rules).items():
        if sought:
            yield from everywhere(documents, column, partial(_found, column, sought))


def _found(column: str, sought: tuple[_Sought, ...], texts: pa.Array) -> Iterator[Hit]:
    seen: set[tuple[int, int, int]] = set()
    for window in prefilter.windows(texts, tuple(one.gate for one in sought)):
        one = sought[window.gate]
        whole = texts[window.row].as_py() if one.rule.params["what"] in _OF_WHOLE else ""
        for match in one.expression.finditer(window.text):
            start, end = window.start + match.start(), window.start + match.end()
            for at, to, score, note in _READERS[one.rule.params["what"]](one, whole, match[0], start, end):
                # A run that two windows show is one manifest.
                if (window.row, window.gate, at) not in seen:
                    seen.add((window.row, window.gate, at))
                    yield Hit(window.row, column, at, to, one.rule, score=score, note=note)


_Read = Iterable[tuple[int, int, float | None, str | None]]


def _words(one: _Sought, _whole: str, said: str, start: int, end: int) -> _Read:
    if not (one.unless and one.unless.search(said)):
        yield start, end, None, None


def _label(one: _Sought, whole: str, _said: str, start: int, end: int) -> _Read:
    yield start, end, None if _is_label(one, whole, start, end) else MENTION, None


def _metadata(_one: _Sought, _whole: str, said: str, start: int, end: int) -> _Read:
    label = aigc.read(said)
    if label is not None:
        yield start, end, None, label.note


def _manifest(_one: _Sought, whole: str, _said: str, start: int, end: int) -> _Read:
    for wrapper, claims in _claims(whole, start, end):
        if "source" in claims:
            yield wrapper.start, wrapper.end, None, f"c2pa:{claims['source']}"


def _reservation(one: _Sought, whole: str, _said: str, start: int, end: int) -> _Read:
    for wrapper, claims in _claims(whole, start, end):
        if said := [key for key in provenance.TRAINING if claims.get(key) == one.rule.params.get("use", "notAllowed")]:
            yield wrapper.start, wrapper.end, None, f"c2pa:{','.join(said)}"


def _claims(whole: str, start: int, end: int) -> Iterator[tuple[provenance.Wrapper, Mapping[str, str]]]:
    """Read the manifest that a match begins: the pattern sees its first selectors only."""
    while end < len(whole) and (0xFE00 <= ord(whole[end]) <= 0xFE0F or 0xE0100 <= ord(whole[end]) <= 0xE01EF):
        end += 1
    start -= whole[max(start - 1, 0) : start] == provenance.MARK
    for wrapper in provenance.wrappers(whole[start:end]):
        place = wrapper._replace(start=start + wrapper.start, end=start + wrapper.end)
        yield place, provenance.claims(wrapper.manifest)


_READERS: Final[Mapping[str, Callable[[_Sought, str, str, int, int], _Read]]] = {
    WORDS: _words,
    EXPLICIT: _label,
    METADATA: _metadata,
    MANIFEST: _manifest,
    RESERVATION: _reservation,
}
_OF_WHOLE: Final = frozenset({EXPLICIT, MANIFEST, RESERVATION})


def _is_label(one: _Sought, whole: str, start: int, end: int) -> bool:
    """Say whether words stand where a label stands, and say what a label says."""
    params = one.rule.params
    line_start = whole.rfind("\n", 0, start) + 1
    line_end = _first(whole, "\n", end)
    left, right = _sentence(whole, start, end, line_start, line_end)
    sentence = whole[left:right].strip(_STRIPPED)
    if len(sentence) > params["sentence"] or not _says_label(one, sentence):
        return False
    line = whole[line_start:line_end].strip(_STRIPPED)
    if len(line) <= params["line"]:
        # A short line is a label if the rest of it says nothing else.
        return _says_label(one, line)
    if whole[left - 1 : left] in _BRACKETS and whole[right : right + 1] == _BRACKETS[whole[left - 1]]:
        return True
    before, after = len(whole[:left].lstrip()), len(whole[right:].rstrip())
    return before == 0 or right <= params["edge"] or after <= 1 or len(whole) - left <= params["edge"]


def _says_label(one: _Sought, said: str) -> bool:
    """Say whether a sentence has the words of a label and hardly any others."""
    rest = one.vocabulary.sub("", said) if one.vocabulary else ""
    few = sum(map(str.isalnum, rest)) <= one.rule.params.get("rest", 0)
    return few and not (one.unless and one.unless.search(said))


def _sentence(whole: str, start: int, end: int, line_start: int, line_end: int) -> tuple[int, int]:
    """Return the bounds of the sentence or the brackets around a match, inside its line."""
    left, right = start, end
    while left > line_start and whole[left - 1] not in _ENDS and whole[left - 1] not in _BRACKETS:
        if whole[left - 1] in " \t" and whole[left - 2 : left - 1] == ".":
            break
        left -= 1
    closing = _BRACKETS.get(whole[left - 1 : left], "") if left > line_start else ""
    while right < line_end and whole[right] not in _ENDS and whole[right] != closing:
        if whole[right] == "." and whole[right + 1 : right + 2] in {"", " ", "\t", "\n"}:
            break
        right += 1
    return left, right


def _first(whole: str, sign: str, start: int) -> int:
    found = whole.find(sign, start)
    return len(whole) if found < 0 else found


@cache
def _compiled(rules: RulePack) -> Mapping[str, tuple[_Sought, ...]]:
    return by_column(map(_sought, rules.rules))


def _sought(rule: Rule) -> _Sought:
    check_params(rule, _NEEDED, _OPTIONAL)
    params = rule.params
    if params["what"] not in _WHAT:
        raise rule.error(f"params.what is {params['what']!r}, expected one of {_WHAT!r}; choose one")
    if rule.placeholder is not None:
        raise rule.error("found a placeholder, expected none: labels stay in the text; leave it out")
    if params["what"] == EXPLICIT and (missing := sorted({"edge", "line", "sentence"}.difference(params))):
        raise rule.error(f"params lack {missing!r}, which say where a label stands; write them")
    gate = gated(rule, CATEGORIES)
    try:
        unless, vocabulary = (re.compile(params[key], re.ASCII) if key in params else None for key in _WORDS_OF)
    except re.error as error:
        raise rule.error(f"a pattern in params: {error}") from error
    return _Sought(rule, gate, re.compile(gate.expression), unless, vocabulary)
