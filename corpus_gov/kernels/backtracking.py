"""How many ways a backtracking engine has to try a pattern at one place of a text, at most, told from the pattern.

Python's `re` tries the ways of a pattern one after another: (a+)+b takes twice as long with each character that
stands there. Packs come from others, and no text may stall a run. So the ways are counted before a pattern is used, and
a pattern with too many is refused.

Counted is what the next character does not settle: where a repeat stops, and which alternatives go on together.
Choices that follow one another multiply. The count is never too low; where a character further on settles a choice, it
is too high.
"""

import re
from collections.abc import Iterator, Sequence
from re import _parser  # type: ignore[attr-defined] # the only parser that reads patterns as `re` does
from typing import Any, Final

MOST: Final = 50_000
"""Ways above which a pattern is refused: some milliseconds at one place of a text. Of the shipped packs, an address
has most, half of it: 24 characters of Chinese anywhere between the town and the street."""

_CAP: Final = 10**12
"""Counts stop here: more is no other answer."""

_LONGEST: Final = 4096
"""Repeats that are counted of a repeat without an end: what is searched has no more bytes than that."""

_PREFIX: Final = 8
"""Characters by which alternatives are told apart."""

_VARIANTS: Final = 16
"""Beginnings of an alternative that are told apart."""

_TOP: Final = 0x10FFFF
_ANY: Final = ((0, _TOP),)
_CATEGORIES: Final = {
    "DIGIT": ((0x30, 0x39),),
    "SPACE": ((0x09, 0x0D), (0x20, 0x20)),
    "WORD": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
}
"""What classes such as \\d stand for: patterns are read with the flag (?a)."""

Set = tuple[tuple[int, int], ...]
"""Code points, as ranges that ascend and do not touch."""

Items = Sequence[tuple[Any, Any]]
"""What the parser makes of a pattern: operators and what they are applied to."""


def ways(expression: str) -> int:
    """Return a bound on the ways of an expression at one place, as `re` goes through them.

    Args:
        expression: for `re`, with the flag (?a); look-around counts as often as it may be asked.

    Raises:
        re.error: it is no expression.
        ValueError: it holds something that has no bound here, such as a reference to a group.
    """
    items = _parser.parse(expression)
    return min(_sequence(items, (), ignore=False) * max(_asked(items, ignore=False), default=1), _CAP)


def _sequence(items: Items, follow: Set, *, ignore: bool) -> int:
    """Count the ways through items that stand one behind the other; `follow` is what may stand behind them."""
    behind = [follow]
    for item in reversed(items):
        first, empty = _first(item, ignore=ignore)
        behind.append(_union(first, behind[-1]) if empty else first)
    behind.reverse()
    count = 1
    for item, after in zip(items, behind[1:], strict=True):
        count = min(count * _item(item, after, ignore=ignore), _CAP)
    return count


def _item(item: tuple[Any, Any], follow: Set, *, ignore: bool) -> int:
    kind, given = str(item[0]), item[1]
    if kind == "SUBPATTERN":
        return _sequence(given[3], follow, ignore=_ignores(given, ignore=ignore))
    if kind == "BRANCH":
        return _branch(given[1], follow, ignore=ignore)
    if kind in {"MAX_REPEAT", "MIN_REPEAT"}:
        return _repeat(given, follow, ignore=ignore)
    # One character, or none: `_first` refuses everything else.
    return 1


def _branch(alternatives: Sequence[Items], follow: Set, *, ignore: bool) -> int:
    """Count alternatives: those that go on together are among the ones that can begin as one of them does."""
    counts = [_sequence(one, follow, ignore=ignore) for one in alternatives]
    begins = [_beginnings(one, ignore=ignore) for one in alternatives]
    return max(
        sum(count for count, begin in zip(counts, begins, strict=True) if _alike(begin, mine)) for mine in begins
    )


def _repeat(given: tuple[int, int, Items], follow: Set, *, ignore: bool) -> int:
    least, most, body = given[0], min(int(given[1]), _LONGEST), given[2]
    first, empty = _begin(body, ignore=ignore)
    each = _sequence(body, _union(first, follow) if most > 1 else follow, ignore=ignore)
    if empty:
        # Once more, with nothing.
        each += most > 1
    elif not _meet(first, follow):
        # The next character says whether it goes on.
        return _power(each, most)
    if each == 1:
        return most - least + 1
    count = 0
    for times in range(least, most + 1):
        if (count := count + _power(each, times)) >= _CAP:
            return _CAP
    return count


def _power(base: int, exponent: int) -> int:
    return 1 if base == 1 else min(base ** min(exponent, 64), _CAP)


def _asked(items: Items, *, ignore: bool) -> Iterator[int]:
    """Count the ways through each look-around: it is gone through anew wherever it is asked."""
    for operator, given in items:
        kind = str(operator)
        if kind in {"ASSERT", "ASSERT_NOT"}:
            yield _sequence(given[1], (), ignore=ignore)
            yield from _asked(given[1], ignore=ignore)
        elif kind == "BRANCH":
            for one in given[1]:
                yield from _asked(one, ignore=ignore)
        elif kind == "SUBPATTERN":
            yield from _asked(given[3], ignore=_ignores(given, ignore=ignore))
        elif kind in {"MAX_REPEAT", "MIN_REPEAT"}:
            yield from _asked(given[2], ignore=ignore)


def _begin(items: Items, *, ignore: bool) -> tuple[Set, bool]:
    """Return the characters that items may begin with, and whether they may be empty."""
    first: Set = ()
    for item in items:
        more, empty = _first(item, ignore=ignore)
        first = _union(first, more)
        if not empty:
            return first, False
    return first, True


def _first(item: tuple[Any, Any], *, ignore: bool) -> tuple[Set, bool]:
    kind, given = str(item[0]), item[1]
    if (one := _character(kind, given, ignore=ignore)) is not None:
        return one, False
    if kind == "SUBPATTERN":
        return _begin(given[3], ignore=_ignores(given, ignore=ignore))
    if kind == "BRANCH":
        parts = [_begin(one, ignore=ignore) for one in given[1]]
        return _union(*(first for first, _ in parts)), any(empty for _, empty in parts)
    if kind in {"MAX_REPEAT", "MIN_REPEAT"}:
        first, empty = _begin(given[2], ignore=ignore)
        return first, empty or given[0] == 0
    if kind in {"ASSERT", "ASSERT_NOT", "AT", "FAILURE"}:
        # It may refuse whatever stands there, and then what came before is tried in another way.
        return _ANY, True
    raise ValueError(f"found {kind.lower()}, whose ways are not known; write it without")


def _beginnings(items: Items, *, ignore: bool) -> list[list[Set]]:
    """Return the ways in which items begin, as classes of their first characters; where one ends, anything goes."""
    done: list[list[Set]] = []
    open_: list[list[Set]] = [[]]
    for number, item in enumerate(items):
        kind, given = str(item[0]), item[1]
        if (one := _character(kind, given, ignore=ignore)) is not None:
            steps = [[one]]
        elif kind == "SUBPATTERN" and len(given[3]) == 1:
            inner = _character(str(given[3][0][0]), given[3][0][1], ignore=_ignores(given, ignore=ignore))
            steps = [[inner]] if inner is not None else []
        elif kind == "MAX_REPEAT" and len(given[2]) == 1 and given[1] == 1:
            inner = _character(str(given[2][0][0]), given[2][0][1], ignore=ignore)
            steps = [[], [inner]] if inner is not None else []
        else:
            steps = []
        if not steps or len(open_) * len(steps) > _VARIANTS:
            first, empty = _begin(items[number:], ignore=ignore)
            return [*done, *([*one, *(() if empty else (first,))] for one in open_)]
        open_ = [[*one, *step] for one in open_ for step in steps]
        done += [one for one in open_ if len(one) >= _PREFIX]
        open_ = [one for one in open_ if len(one) < _PREFIX]
    return [*done, *open_]


def _alike(some: Sequence[Sequence[Set]], others: Sequence[Sequence[Set]]) -> bool:
    return any(all(_meet(*pair) for pair in zip(one, other, strict=False)) for one in some for other in others)


def _character(kind: str, given: Any, *, ignore: bool) -> Set | None:
    """Return the characters of an item that matches exactly one; None for any other item."""
    if kind == "LITERAL":
        return _cased(((given, given),), ignore=ignore)
    if kind == "NOT_LITERAL":
        return _without(_cased(((given, given),), ignore=ignore))
    if kind == "ANY":
        return _ANY
    if kind != "IN":
        return None
    parts = [_of_class(str(one), value) for one, value in given if str(one) != "NEGATE"]
    found = _cased(_union(*parts), ignore=ignore)
    return _without(found) if str(given[0][0]) == "NEGATE" else found


def _of_class(kind: str, given: Any) -> Set:
    if kind == "CATEGORY":
        name = str(given).removeprefix("CATEGORY_")
        known = _CATEGORIES[name.removeprefix("NOT_")]
        return _without(known) if name.startswith("NOT_") else known
    return (given,) if kind == "RANGE" else ((given, given),)


def _ignores(given: tuple[Any, int, int, Items], *, ignore: bool) -> bool:
    return bool((ignore or given[1] & re.IGNORECASE) and not given[2] & re.IGNORECASE)


def _cased(found: Set, *, ignore: bool) -> Set:
    """Add the letters of the other case; with the flag (?a) these are those of ASCII."""
    if not ignore:
        return found
    other = [(max(a, 0x41) + 32, min(b, 0x5A) + 32) for a, b in found if a <= 0x5A and b >= 0x41]
    other += [(max(a, 0x61) - 32, min(b, 0x7A) - 32) for a, b in found if a <= 0x7A and b >= 0x61]
    return _union(found, tuple(other))


def _union(*sets: Set) -> Set:
    made: list[tuple[int, int]] = []
    for first, last in sorted(one for found in sets for one in found):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(last, made[-1][1]))
        else:
            made.append((first, last))
    return tuple(made)


def _without(found: Set) -> Set:
    edges = [-1, *(edge for first, last in found for edge in (first - 1, last)), _TOP]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((before + 1, last) for before, last in pairs if before < last)


def _meet(some: Set, others: Set) -> bool:
    mine = theirs = 0
    while mine < len(some) and theirs < len(others):
        if some[mine][1] < others[theirs][0]:
            mine += 1
        elif others[theirs][1] < some[mine][0]:
            theirs += 1
        else:
            return True
    return False
