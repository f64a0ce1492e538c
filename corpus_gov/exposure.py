"""What personal data in one text add up to: people who can be told apart, children, bulk, and leaked tables.

Rules with the param `what` look at what the other rules of the screen found in a text, and make a finding that spans
all of it:

- together: a name with further facts about that person beside it (GB/T 45574-2025, 4.1: general data that are
  sensitive together). What follows the next name is about the next person; what stands before a name is about it
  where no other name stands before.
- beside: a cue such as an age below 14 beside a finding of other rules.
- bulk: so many different places of one class that the text is a collection of them.
- dump: rows of a table in which an account stands beside another number, a name or a password.

Cues are searched by a linear-time scanner: packs may be hostile.

Source: PIPL, articles 4, 28 and 31.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import pyarrow as pa

from corpus_gov.forms import class_of, entity_of
from corpus_gov.kernels import prefilter
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.screens import Hit

_NEEDED: Final = {"what": str, "entity": str, "class": str, "least": int}
_OPTIONAL: Final[Mapping[str, Mapping[str, type]]] = {
    "together": {"names": tuple, "rules": tuple, "cues": tuple, "within": int},
    "beside": {"rules": tuple, "cues": tuple, "within": int},
    "bulk": {"classes": tuple},
    "dump": {"rules": tuple},
}
"""What a rule of each kind also says; all of it is needed."""

_CUE: Final[Mapping[str, type]] = {"pattern": str, "fact": str, "not_behind": str, "not_before": tuple}
"""What a cue says: what is searched for, the fact that it is of, characters that do not stand directly before it, and
words that do not stand directly behind it."""

MOST_WITHIN: Final = 1000
"""Largest `within`, in code points: so much is searched for each name."""

_PAIRED = re.compile(r"[ \t]?(?:-{2,4}|[:|;,\t])[ \t]?[^\s:|;,]{4}")
"""Behind a value: a sign that parts fields, and the next field."""

Look = Callable[[Rule, Sequence[Hit], str], Iterator[tuple[int, int, int]]]
"""From a rule, the hits of a text in order, and the text: first and last code point, and how many it counted."""


@cache
def exposures(rules: RulePack) -> tuple[Rule, ...]:
    """Return the rules that look at what others found, checked.

    Raises:
        RuleError: a rule has params that its kind does not read, lacks one, or has a cue that takes more than linear
            time.
    """
    found = tuple(rule for rule in rules.rules if "what" in rule.params)
    for rule in found:
        what = rule.params["what"]
        if what not in _OPTIONAL:
            raise rule.error(f"params.what is {what!r}, expected one of {sorted(_OPTIONAL)!r}; choose one")
        check_params(rule, {**_NEEDED, **_OPTIONAL[what]}, {"counts": int})
        if "within" in rule.params and not 1 <= rule.params["within"] <= MOST_WITHIN:
            raise rule.error(f"params.within is {rule.params['within']}, expected 1 to {MOST_WITHIN}; correct it")
        if "cues" in rule.params:
            try:
                prefilter.places("", _cues(rule).patterns)
            except prefilter.PatternError as error:
                raise rule.error(f"params.cues: {error}") from error
    return found


class _Cues(NamedTuple):
    """Cues of a rule, by number."""

    patterns: tuple[str, ...]
    facts: tuple[str, ...]
    not_behind: tuple[str, ...]
    not_before: tuple[tuple[str, ...], ...]

    def places(self, text: str, begin: int, end: int) -> Iterator[tuple[int, int, str]]:
        """Find cues in a stretch of a text: start, end and fact, none of which overlap."""
        reach = begin
        # The longest of those that begin at one place comes first.
        for start, stop, number in sorted(
            prefilter.places(text[begin:end], self.patterns), key=lambda one: (one[0], -one[1])
        ):
            at, to = begin + start, begin + stop
            if at < reach or (at and text[at - 1] in self.not_behind[number]):
                continue
            if not text.startswith(self.not_before[number], to):
                reach = to
                yield at, to, self.facts[number]


@cache
def _cues(rule: Rule) -> _Cues:
    given = rule.params["cues"]
    if not given:
        raise rule.error("params.cues is empty, expected one cue at least; add one")
    for one in given:
        if not isinstance(one, Mapping) or "pattern" not in one:
            raise rule.error(f"params.cues: found {one!r}, expected a mapping with a pattern; correct it")
        if wrong := sorted(key for key, value in one.items() if not isinstance(value, _CUE.get(key, ()))):
            raise rule.error(f"params.cues: found {wrong[0]!r} unknown or of a wrong type; a cue has {sorted(_CUE)!r}")
    return _Cues(
        tuple(one["pattern"] for one in given),
        tuple(one.get("fact", one["pattern"]) for one in given),
        tuple(one.get("not_behind", "") for one in given),
        tuple(one.get("not_before", ()) for one in given),
    )


def look(rules: Sequence[Rule], hits: Sequence[Hit], text: pa.Scalar) -> list[Hit]:
    """Find what the hits of one text add up to.

    Args:
        rules: of `exposures`.
        hits: all of one text.
        text: that text; decoded only where a rule has enough to go by.

    Returns:
        One hit for each stretch, noted with how much there is of it, such as "n=23".
    """
    ordered = sorted(hits, key=lambda hit: (hit.start, hit.end, hit.rule.id))
    found = []
    whole: str | None = None
    for rule in rules:
        if not _enough(rule, ordered):
            continue
        whole = whole if whole is not None else text.as_py()
        for start, end, count in _LOOKS[rule.params["what"]](rule, ordered, whole):
            found.append(Hit(ordered[0].row, ordered[0].column, start, end, rule, note=f"n={count}"))
    return found


def _enough(rule: Rule, hits: Sequence[Hit]) -> bool:
    """Say whether a rule can speak at all: most texts have one or two hits."""
    params = rule.params
    if params["what"] == "bulk":
        return sum(class_of(hit.rule) in params["classes"] for hit in hits) >= int(params["least"])
    wanted = params["names"] if params["what"] == "together" else params["rules"]
    least: int = params["least"] if params["what"] == "dump" else 1
    return sum(hit.rule.id in wanted for hit in hits) >= least


def _together(rule: Rule, hits: Sequence[Hit], text: str) -> Iterator[tuple[int, int, int]]:
    params, within, cues = rule.params, int(rule.params["within"]), _cues(rule)
    names: list[Hit] = []
    for hit in hits:
        # Two rules may find the same name.
        if hit.rule.id in params["names"] and (not names or hit.start >= names[-1].end):
            names.append(hit)
    people = [text[name.start : name.end] for name in names]
    # Where the next other person is named, from the last name to the first.
    following = [len(text)] * len(names)
    for number in range(len(names) - 2, -1, -1):
        same = people[number] == people[number + 1]
        following[number] = following[number + 1] if same else names[number + 1].start
    others = [hit for hit in hits if hit.rule.id in params["rules"]]
    starts = [hit.start for hit in others]
    for number, name in enumerate(names):
        end = min(name.end + within, following[number])
        begin = max(name.start - within, 0)
        if number and names[number - 1].end + within > begin:
            # What stands between the two is about the one named before.
            begin = name.start
        facts: dict[str, tuple[int, int]] = {}
        for other in others[bisect_left(starts, begin) : bisect_left(starts, end)]:
            if other.end <= end:
                facts[entity_of(other.rule)] = (other.start, other.end)
        for at, to, fact in cues.places(text, begin, end):
            facts[fact] = (at, to)
        if len(facts) >= params["least"]:
            spans = [(name.start, name.end), *facts.values()]
            yield min(spans)[0], max(stop for _, stop in spans), len(facts)


def _beside(rule: Rule, hits: Sequence[Hit], text: str) -> Iterator[tuple[int, int, int]]:
    params, cues = rule.params, _cues(rule)
    at = 0
    for hit in hits:
        if hit.rule.id not in params["rules"]:
            continue
        begin, end = max(at, hit.start - params["within"]), min(hit.end + params["within"], len(text))
        for start, stop, _ in cues.places(text, begin, end):
            yield start, stop, 1
            at = stop


def _bulk(rule: Rule, hits: Sequence[Hit], _text: str) -> Iterator[tuple[int, int, int]]:
    spans = {(hit.start, hit.end) for hit in hits if class_of(hit.rule) in rule.params["classes"]}
    if len(spans) >= rule.params["least"]:
        yield min(spans)[0], max(end for _, end in spans), len(spans)


def _dump(rule: Rule, hits: Sequence[Hit], text: str) -> Iterator[tuple[int, int, int]]:
    accounts = rule.params["rules"]
    lines: dict[int, set[str]] = {}
    line, at = 0, 0
    first, last = len(text), 0
    for hit in hits:
        line += text.count("\n", at, hit.start)
        at = max(at, hit.start)
        kinds = lines.setdefault(line, set())
        kinds.add(entity_of(hit.rule))
        if hit.rule.id in accounts:
            kinds.add("account")
            if _PAIRED.match(text, hit.end, hit.end + 16):
                kinds.add("paired")
    rows = [number for number, kinds in lines.items() if "account" in kinds and len(kinds) > 2]
    if len(rows) < rule.params["least"] or 2 * len(rows) < max(rows) - min(rows) + 1:
        return
    wanted = set(rows)
    line, at = 0, 0
    for hit in hits:
        line += text.count("\n", at, hit.start)
        at = max(at, hit.start)
        if line in wanted:
            first, last = min(first, hit.start), max(last, hit.end)
    yield first, last, len(rows)


_LOOKS: Final[Mapping[str, Look]] = {"together": _together, "beside": _beside, "bulk": _bulk, "dump": _dump}
