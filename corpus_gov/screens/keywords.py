"""Words of lists, alone, near one another, or many of them: what illegal and worthless offers are made of.

A word alone says little: news and judgments name the crimes that they are about. So a rule says which words, near
which others, without which, how often; and which words around them mean that the text reports.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov import wordrules
from corpus_gov.kernels import multimatch
from corpus_gov.kernels.wordtokens import MOST
from corpus_gov.rules import Rule, RulePack
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import Hit, everywhere, findings
from corpus_gov.wordrules import MENTION, Allow, Rules, Way

VERSION: Final = 1
LIBRARIES: Final = ("numba", "numpy")

MOST_FINDINGS: Final = 64
"""Of one rule in one column of one document; one more says how many there are beyond them."""


def screen(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Find what rules say about words of lists.

    Args:
        documents: DOCUMENTS, n rows; reads the TEXT_COLUMNS that a rule names.
        rules: those with `screen: keywords`. params: `words`, lists by name, from the pack or from the `files` and the
            `slot` beside it; `find`, ways in which the rule applies, each of them enough; `allow`, words that mean
            that the text reports. docs/rules.md says what a way may ask for. Lists may be sealed (`wordseals`).

    Returns:
        FINDINGS, 0 or more rows, by document, column, span and rule. score is that of the way, 0 for a mention; note
        says which lists. Beyond MOST_FINDINGS of a rule in a column one finding goes from the first to the last of
        those that are left out, with the note `more:<how many>`.

    Raises:
        RuleError: a rule has params that this screen does not read, an entry that nothing could match, or sealed
            entries whose key is not there.
    """
    return findings(documents, _hits(documents, rules))


class _Found(NamedTuple):
    """Places of a list in one text, those that overlap an earlier one left out: code points, and entries."""

    starts: list[int]
    ends: list[int]
    entries: list[int]


_NOTHING: Final = _Found([], [], [])


def _hits(documents: pa.RecordBatch, rules: RulePack) -> Iterator[Hit]:
    for column, chosen in _compiled(rules).items():
        yield from everywhere(documents, column, partial(_looked, column, chosen))


@cache
def _compiled(rules: RulePack) -> dict[str, Rules]:
    for rule in rules.rules:
        wordrules.check(rule)
    by_column = {column: [rule for rule in rules.rules if column in rule.params["columns"]] for column in TEXT_COLUMNS}
    made: dict[tuple[Rule, ...], Rules] = {}
    for chosen in by_column.values():
        if chosen and tuple(chosen) not in made:
            made[tuple(chosen)] = wordrules.compiled(chosen)
    return {column: made[tuple(chosen)] for column, chosen in by_column.items() if chosen}


def _looked(column: str, rules: Rules, texts: pa.Array) -> Iterator[Hit]:
    places = rules.places(texts)
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
    places: multimatch.Places, rules: Rules
) -> Iterator[tuple[int, list[Way], dict[int, _Found], dict[int, tuple[int, int]]]]:
    """Give each text that has the lists of some way, with that, and with the places of all lists."""
    found = _by_list(places.found, rules.lists)
    if not len(found):
        return
    asked = _asked(found, places, rules)
    more: defaultdict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for row, number, _, count, end in _by_list(places.more, rules.lists).tolist():
        known, last = more[row].get(number, (0, 0))
        more[row][number] = known + count - MOST, max(last, end)
    found = found[np.isin(found[:, 0], np.array(sorted(asked), np.int64))]
    found = found[np.lexsort((-found[:, 4], found[:, 3], found[:, 1], found[:, 0]))]
    bounds = np.searchsorted(found[:, 0], sorted(asked))
    stops = np.searchsorted(found[:, 0], sorted(asked), side="right")
    for row, start, stop in zip(sorted(asked), bounds.tolist(), stops.tolist(), strict=True):
        yield row, asked[row], _unnested(found[start:stop]), more[row]


def _asked(found: np.ndarray, places: multimatch.Places, rules: Rules) -> dict[int, list[Way]]:
    """Find out which ways can apply to which rows: whether their words are there, often enough, with some near word."""
    n_lists = int(rules.lists[:, 1].max()) + 1
    there, counts = np.unique(found[:, 0] * n_lists + found[:, 1], return_counts=True)
    rows, numbers = np.divmod(there, n_lists)
    # What was counted beyond the places that are reported is not in these counts: such rows are always looked at.
    counts[np.isin(rows, places.more[:, 0])] = np.iinfo(np.int64).max // 1000
    density = counts * 1000 / np.maximum(places.points[rows], 1)
    asked: defaultdict[int, list[Way]] = defaultdict(list)
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
    way: Way, found: Mapping[int, _Found], more: Mapping[int, tuple[int, int]], points: int
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
    way: Way, start: int, end: int, found: Mapping[int, _Found], allows: tuple[Allow, ...], points: int
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
