"""Words of lists, alone, near one another, or many of them: what illegal and worthless offers are made of.

A word alone says little: news and judgments name the crimes that they are about. So a rule says which words, near
which others, without which, how often; and which words around them mean that the text reports.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov import wordlists
from corpus_gov.kernels import multimatch
from corpus_gov.rules import Params, Rule, RulePack, check_params
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, everywhere, findings

VERSION: Final = 1
LIBRARIES: Final = ("numba", "numpy")

MOST_FINDINGS: Final = 64
"""Of one rule in one column of one document; one more says how many there are beyond them."""
WITHIN: Final = 20
"""Code points between two words that count as near, where a rule does not say."""
MAX_WITHIN: Final = 1000

_NEEDED: Final = {"columns": tuple, "words": Mapping, "find": tuple}
_OPTIONAL: Final = {"allow": tuple, "files": tuple, "slot": str}
_WAY: Final = {
    "word": str, "near": str, "within": int, "without": str, "least": int, "distinct": int, "per": float,
    "score": float, "always": bool, "whole": bool,
}  # fmt: skip
_ALLOW: Final = {"word": str, "within": int, "per": float, "then": str}
MENTION, SUPPRESS = "mention", "suppress"


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find what rules say about words of lists.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names.
        rules: those with `screen: keywords`. params: `words`, lists by name, from the pack or from the `files` and the
            `slot` beside it; `find`, ways in which the rule applies, each of them enough; `allow`, words that mean
            that the text reports. docs/rules.md says what a way may ask for.

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule. score is that of the way, 0 for a mention; note
        says which lists. Beyond MOST_FINDINGS of a rule in a column one finding goes from the first to the last of
        those that are left out, with the note `more:<how many>`.

    Raises:
        RuleError: a rule has params that this screen does not read, or an entry that nothing could match.
    """
    return findings(documents, _hits(documents, rules))


class _Way(NamedTuple):
    """One way in which a rule applies; lists are numbers, -1 is none."""

    rule: Rule
    word: int
    near: int
    without: int
    within: int
    least: int
    distinct: int
    per: float
    score: float
    always: bool
    whole: bool
    note: str


class _Allow(NamedTuple):
    """Words that mean that a text reports."""

    word: int
    within: int
    per: float
    then: str


class _Rules(NamedTuple):
    """Rules of one column, compiled together."""

    automaton: multimatch.Automaton
    lists: np.ndarray
    """int64 (m, 2): entry and list that it stands in, ascending."""
    ways: tuple[_Way, ...]
    allows: Mapping[str, tuple[_Allow, ...]]


class _Found(NamedTuple):
    """Places of a list in one text, those that overlap an earlier one left out: code points, and entries."""

    starts: list[int]
    ends: list[int]
    entries: list[int]


_NOTHING: Final = _Found([], [], [])


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    for column, compiled in _compiled(rules).items():
        yield from everywhere(documents, column, partial(_looked, column, compiled))


@cache
def _compiled(rules: RulePack) -> dict[str, _Rules]:
    for rule in rules.rules:
        _check(rule)
    by_column = {column: [rule for rule in rules.rules if column in rule.params["columns"]] for column in TEXT_COLUMNS}
    made: dict[tuple[Rule, ...], _Rules] = {}
    for chosen in by_column.values():
        if chosen and tuple(chosen) not in made:
            made[tuple(chosen)] = _compile(chosen)
    return {column: made[tuple(chosen)] for column, chosen in by_column.items() if chosen}


def _check(rule: Rule) -> None:
    check_params(rule, _NEEDED, _OPTIONAL)
    if unknown := set(rule.params["columns"]).difference(TEXT_COLUMNS):
        raise rule.error(f"unknown columns {sorted(map(str, unknown))!r}; expected some of {TEXT_COLUMNS!r}")
    if not rule.params["find"]:
        raise rule.error("params.find is empty, expected one way or more; say which list is looked for")
    for key, known in (("find", _WAY), ("allow", _ALLOW)):
        for way in rule.params.get(key, ()):
            _check_way(rule, key, way, known)


def _check_way(rule: Rule, key: str, way: object, known: Mapping[str, type]) -> None:
    if not isinstance(way, Mapping) or "word" not in way:
        raise rule.error(f"params.{key} has {way!r}, expected keys with `word`; name a list")
    for name, value in way.items():
        if name not in known:
            raise rule.error(f"unknown key {name!r} in params.{key}; screens.keywords reads {sorted(known)!r}")
        right = isinstance(value, int | float) if known[name] is float else isinstance(value, known[name])
        if not right or (isinstance(value, bool) and known[name] is not bool):
            raise rule.error(f"params.{key}: {name} is a {type(value).__name__}, expected {known[name].__name__}")
    for name in ("word", "near", "without"):
        # An operator need not fill every list of a slot.
        if name in way and way[name] not in rule.params["words"] and "slot" not in rule.params:
            raise rule.error(f"params.{key} names the list {way[name]!r}, words has {sorted(rule.params['words'])!r}")
    if not 0 <= way.get("within", WITHIN) <= MAX_WITHIN:
        raise rule.error(f"params.{key}: within is {way['within']!r}, expected at most {MAX_WITHIN}; lower it")
    if not 0 < way.get("score", 1.0) <= 1:
        raise rule.error(f"params.{key}: score is {way['score']!r}, expected more than 0 and at most 1; correct it")
    if way.get("then", MENTION) not in (MENTION, SUPPRESS):
        raise rule.error(f"params.{key}: then is {way['then']!r}, expected mention or suppress; choose one")


def _compile(rules: Sequence[Rule]) -> _Rules:
    written: list[tuple[str, int, Rule]] = []
    by_words: dict[object, int] = {}
    ways: list[_Way] = []
    allows: dict[str, tuple[_Allow, ...]] = {}
    for rule in rules:
        names: dict[str, int] = {"": -1}
        for name, words in rule.params["words"].items():
            # Lists of a file that several rules share are one list.
            if words not in by_words:
                by_words[words] = len(by_words)
                written += [(entry, by_words[words], rule) for entry in _entries(rule, name, words)]
            names[name] = by_words[words]
        ways += [_way(rule, way, names) for way in rule.params["find"] if _is_filled(way, names)]
        allows[rule.id] = tuple(_allow(allow, names) for allow in rule.params.get("allow", ()))
    forms = multimatch.forms([entry for entry, _, _ in written])
    entries: dict[tuple[int, ...], int] = {}
    lists: set[tuple[int, int]] = set()
    for form, (entry, number, rule) in zip(forms, written, strict=True):
        _check_form(rule, entry, form)
        lists.add((entries.setdefault(form, len(entries)), number))
    return _Rules(multimatch.build(list(entries)), np.array(sorted(lists), np.int64), tuple(ways), allows)


def _is_filled(way: Mapping[str, Any], names: Mapping[str, int]) -> bool:
    return all(way[key] in names for key in ("word", "near", "without") if key in way)


def _entries(rule: Rule, name: str, words: object) -> list[str]:
    if not isinstance(words, tuple) or not words:
        raise rule.error(f"the list {name!r} is {words!r}, expected entries; write at least one")
    for word in words:
        if isinstance(word, Params) and set(word) == {"word", "variants", "source"}:
            continue
        if not isinstance(word, str):
            raise rule.error(f"the list {name!r} has {word!r}, expected text, or word, variants and source; correct it")
    return wordlists.entries(words)


def _check_form(rule: Rule, entry: str, form: tuple[int, ...]) -> None:
    if not 1 <= len(form) <= multimatch.LONGEST:
        raise rule.error(f"the entry {entry!r} has {len(form)} words or characters, expected 1 to {multimatch.LONGEST}")
    if len(form) == 1 and not (multimatch.is_word(form[0]) and sum(map(str.isalnum, entry)) > 1):
        raise rule.error(f"the entry {entry!r} is one character when folded, expected two or more; make it longer")


def _way(rule: Rule, way: Mapping[str, Any], names: Mapping[str, int]) -> _Way:
    return _Way(
        rule,
        word=names[way["word"]],
        near=names[way.get("near", "")],
        without=names[way.get("without", "")],
        within=way.get("within", WITHIN),
        least=way.get("least", 1),
        distinct=way.get("distinct", 1),
        per=way.get("per", 0.0),
        score=way.get("score", 1.0),
        always=way.get("always", False),
        whole=way.get("whole", False),
        note="+".join(way[key] for key in ("word", "near") if key in way),
    )


def _allow(allow: Mapping[str, Any], names: Mapping[str, int]) -> _Allow:
    return _Allow(names[allow["word"]], allow.get("within", -1), allow.get("per", 0.0), allow.get("then", MENTION))


def _looked(column: str, rules: _Rules, texts: pa.Array) -> Iterator[Hit]:
    places = multimatch.find(texts, rules.automaton)
    for row, ways, found, more in _texts(places, rules):
        points = int(places.points[row])
        spoken: dict[Rule, dict[tuple[int, int], tuple[float, str]]] = defaultdict(dict)
        beyond: dict[Rule, tuple[int, int]] = {}
        for way in ways:
            for start, end in _of_way(way, found, more, points):
                score = _allowed(way, start, end, found, rules.allows[way.rule.id], points)
                if score is not None and score >= spoken[way.rule].get((start, end), (-1.0, ""))[0]:
                    spoken[way.rule][start, end] = score, way.note if score else MENTION
            if way.word in more and spoken[way.rule]:
                beyond[way.rule] = more[way.word]
        for rule, spans in spoken.items():
            yield from _of_rule(row, column, rule, spans, beyond.get(rule))


def _texts(
    places: multimatch.Places, rules: _Rules
) -> Iterator[tuple[int, list[_Way], dict[int, _Found], dict[int, tuple[int, int]]]]:
    """Give each text that has the lists of some way, with that, and with the places of all lists."""
    found = _by_list(places.found, rules.lists)
    if not len(found):
        return
    asked = _asked(found, places, rules)
    more: defaultdict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for row, number, _, count, end in _by_list(places.more, rules.lists).tolist():
        known, last = more[row].get(number, (0, 0))
        more[row][number] = known + count - multimatch.MOST, max(last, end)
    found = found[np.isin(found[:, 0], np.array(sorted(asked), np.int64))]
    found = found[np.lexsort((-found[:, 4], found[:, 3], found[:, 1], found[:, 0]))]
    bounds = np.searchsorted(found[:, 0], sorted(asked))
    stops = np.searchsorted(found[:, 0], sorted(asked), side="right")
    for row, start, stop in zip(sorted(asked), bounds.tolist(), stops.tolist(), strict=True):
        yield row, asked[row], _unnested(found[start:stop]), more[row]


def _asked(found: np.ndarray, places: multimatch.Places, rules: _Rules) -> dict[int, list[_Way]]:
    """Find out which ways can apply to which rows: whether their words are there, often enough, with some near word."""
    n_lists = int(rules.lists[:, 1].max()) + 1
    there, counts = np.unique(found[:, 0] * n_lists + found[:, 1], return_counts=True)
    rows, numbers = np.divmod(there, n_lists)
    # What was counted beyond the places that are reported is not in these counts: such rows are always looked at.
    counts[np.isin(rows, places.more[:, 0])] = np.iinfo(np.int64).max // 1000
    density = counts * 1000 / np.maximum(places.points[rows], 1)
    asked: defaultdict[int, list[_Way]] = defaultdict(list)
    for way in rules.ways:
        enough = (numbers == way.word) & (counts >= max(way.least, way.distinct)) & (density >= way.per)
        chosen = rows[enough]
        if way.near >= 0:
            chosen = np.intersect1d(chosen, rows[numbers == way.near], assume_unique=True)
        for row in chosen.tolist():
            asked[row].append(way)
    return asked


def _by_list(rows: np.ndarray, lists: np.ndarray) -> np.ndarray:
    """Turn (row, entry, a, b) into (row, list, entry, a, b), a row for each list that the entry stands in."""
    first = np.searchsorted(lists[:, 0], rows[:, 1])
    counts = np.searchsorted(lists[:, 0], rows[:, 1], side="right") - first
    each = np.repeat(np.arange(len(rows)), counts)
    offset = np.arange(len(each)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = rows[each]
    return np.column_stack((chosen[:, 0], lists[first[each] + offset, 1], chosen[:, 1:]))


def _unnested(places: np.ndarray) -> dict[int, _Found]:
    """Group the places of one text by list; of those that overlap in a list the first and longest stays."""
    lists: dict[int, _Found] = {}
    for _, number, entry, start, end in places.tolist():
        known = lists.setdefault(number, _Found([], [], []))
        if not known.ends or start >= known.ends[-1]:
            known.starts.append(start)
            known.ends.append(end)
            known.entries.append(entry)
    return lists


def _of_way(
    way: _Way, found: Mapping[int, _Found], more: Mapping[int, tuple[int, int]], points: int
) -> Iterable[tuple[int, int]]:
    words, near, without = found[way.word], found.get(way.near, _NOTHING), found.get(way.without, _NOTHING)
    chosen = [
        place
        for place, (start, end) in enumerate(zip(words.starts, words.ends, strict=True))
        if (way.near < 0 or _beside(near, start, end, way.within))
        and not (way.without >= 0 and _beside(without, start, end, way.within))
    ]
    count = len(chosen)
    if count and way.near < 0 and way.without < 0:
        count += more.get(way.word, (0, 0))[0]
    if count < way.least or count * 1000 < way.per * points or not chosen:
        return ()
    if way.distinct > 1 and len({words.entries[place] for place in chosen}) < way.distinct:
        return ()
    if way.whole:
        return ((words.starts[chosen[0]], words.ends[chosen[-1]]),)
    return [(words.starts[place], words.ends[place]) for place in chosen]


def _beside(words: _Found, start: int, end: int, within: int) -> bool:
    """Tell whether a word lies within so many code points of a span, and not in it."""
    place = bisect_left(words.starts, end)
    if place < len(words.starts) and words.starts[place] - end <= within:
        return True
    # Words of a list do not overlap one another: at most two of them reach into the span.
    for before in range(place - 1, -1, -1):
        if words.ends[before] <= start:
            return start - words.ends[before] <= within
    return False


def _allowed(
    way: _Way, start: int, end: int, found: Mapping[int, _Found], allows: tuple[_Allow, ...], points: int
) -> float | None:
    """Return the score of a hit: that of the way, or what is left of it in a text that reports; None is none."""
    if way.always:
        return way.score
    for allow in allows:
        words = found.get(allow.word, _NOTHING)
        dense = allow.per and len(words.starts) > 1 and len(words.starts) * 1000 >= allow.per * points
        if dense or (allow.within >= 0 and _beside(words, start, end, allow.within)):
            return 0.0 if allow.then == MENTION else None
    return way.score


def _of_rule(
    row: int,
    column: str,
    rule: Rule,
    spans: Mapping[tuple[int, int], tuple[float, str]],
    beyond: tuple[int, int] | None,
) -> Iterator[Hit]:
    ordered = sorted(spans.items())
    for (start, end), (score, note) in ordered[:MOST_FINDINGS]:
        yield Hit(row, column, start, end, rule, score, note)
    rest = ordered[MOST_FINDINGS:]
    if rest or beyond:
        uncounted, last = beyond or (0, 0)
        start = rest[0][0][0] if rest else ordered[-1][0][1]
        end = max([last, *(span[1] for span, _ in rest)])
        if end > start:
            score = max((score for _, (score, _) in ordered), default=0.0)
            yield Hit(row, column, start, end, rule, score, f"more:{len(rest) + uncounted}")
