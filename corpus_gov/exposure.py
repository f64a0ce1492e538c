"""What personal data in one text add up to: people who can be told apart, children, bulk, and leaked tables.

Rules with the param `what` look at what the other rules of the screen found in a text, and make a finding that spans
all of it:

- together: a name with further facts about the person beside it (GB/T 45574-2025, 4.1: general data that are
  sensitive together).
- beside: a cue such as an age below 14 beside a finding of other rules.
- bulk: so many different places of one class that the text is a collection of them.
- dump: rows of a table in which an account stands beside another number, a name or a password.

Source: PIPL, articles 4, 28 and 31; Fa Shi [2017] No. 10, article 5, for the counters.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import pyarrow as pa

from corpus_gov.forms import class_of, entity_of
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.screens import Hit

_NEEDED: Final = {"what": str, "entity": str, "class": str, "least": int}
_OPTIONAL: Final[Mapping[str, Mapping[str, type]]] = {
    "together": {"names": tuple, "rules": tuple, "cues": str, "within": int},
    "beside": {"rules": tuple, "cues": str, "within": int},
    "bulk": {"classes": tuple},
    "dump": {"rules": tuple},
}
"""What a rule of each kind also says; all of it is needed."""

_PAIRED = re.compile(r"[ \t]?(?:-{2,4}|[:|;,\t])[ \t]?[^\s:|;,]{4}")
"""Behind a value: a sign that parts fields, and the next field."""

Look = Callable[[Rule, Sequence[Hit], str], Iterator[tuple[int, int, int]]]
"""From a rule, the hits of a text in order, and the text: first and last code point, and how many it counted."""


@cache
def exposures(rules: RulePack) -> tuple[Rule, ...]:
    """Return the rules that look at what others found, checked.

    Raises:
        RuleError: a rule has params that its kind does not read, or lacks one.
    """
    found = tuple(rule for rule in rules.rules if "what" in rule.params)
    for rule in found:
        what = rule.params["what"]
        if what not in _OPTIONAL:
            raise rule.error(f"params.what is {what!r}, expected one of {sorted(_OPTIONAL)!r}; choose one")
        check_params(rule, {**_NEEDED, **_OPTIONAL[what]}, {"counts": int})
        try:
            re.compile(rule.params.get("cues", ""))
        except re.error as error:
            raise rule.error(f"params.cues: {error}") from error
    return found


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


def items(findings: pa.Table, rules: Mapping[str, Rule]) -> dict[int, int]:
    """Count the items of personal data by the number that article 5 calls serious.

    An item is one value of one rule, by its keyed digest; a finding without one counts by itself.

    Args:
        findings: FINDINGS of a source, any number of rows.
        rules: every rule in force, by id; `params.counts` is 50, 500 or 5000.

    Returns:
        From each of these numbers to how many items there are; Σ items/number ≥ 1 is the advisory alarm.
    """
    seen: Counter[int] = Counter({50: 0, 500: 0, 5000: 0})
    digests = set()
    for name, digest in zip(findings["rule"].to_pylist(), findings["hmac"].to_pylist(), strict=True):
        number = rules[name].params.get("counts") if name in rules else None
        if number is None or (digest is not None and (name, digest) in digests):
            continue
        digests.add((name, digest))
        seen[number] += 1
    return dict(seen)


def alarm(counted: Mapping[int, int]) -> float:
    """Return Σ items/number: 1 and above is what article 5 calls serious. Advice for people, not a judgement."""
    return sum(count / number for number, count in counted.items())


def _enough(rule: Rule, hits: Sequence[Hit]) -> bool:
    """Say whether a rule can speak at all: most texts have one or two hits."""
    params = rule.params
    if params["what"] == "bulk":
        return sum(class_of(hit.rule) in params["classes"] for hit in hits) >= int(params["least"])
    wanted = params["names"] if params["what"] == "together" else params["rules"]
    least: int = params["least"] if params["what"] == "dump" else 1
    return sum(hit.rule.id in wanted for hit in hits) >= least


def _together(rule: Rule, hits: Sequence[Hit], text: str) -> Iterator[tuple[int, int, int]]:
    params = rule.params
    starts = [hit.start for hit in hits]
    label = _compiled(params["cues"])
    reach = 0
    for hit in hits:
        if hit.rule.id not in params["names"] or hit.start < reach:
            continue
        end = hit.end + params["within"]
        facts: dict[Any, int] = {}
        for other in hits[bisect_left(starts, hit.end) : bisect_left(starts, end)]:
            if other.rule.id in params["rules"] and other.end <= end:
                facts[entity_of(other.rule)] = other.end
        for match in label.finditer(text, hit.end, min(end, len(text))):
            facts[match.lastgroup] = match.end()
        if len(facts) >= params["least"]:
            reach = max(facts.values())
            yield hit.start, reach, len(facts)


def _beside(rule: Rule, hits: Sequence[Hit], text: str) -> Iterator[tuple[int, int, int]]:
    params = rule.params
    cue = _compiled(params["cues"])
    at = 0
    for hit in hits:
        if hit.rule.id not in params["rules"]:
            continue
        begin, end = max(at, hit.start - params["within"]), hit.end + params["within"]
        for match in cue.finditer(text, begin, min(end, len(text))):
            yield *match.span(), 1
            at = match.end()


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


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_LOOKS: Final[Mapping[str, Look]] = {"together": _together, "beside": _beside, "bulk": _bulk, "dump": _dump}
