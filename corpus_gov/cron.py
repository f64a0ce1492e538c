"""Times that a cron line of five fields names: minute, hour, day of the month, month, day of the week; in UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

_PART: Final = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
_HORIZON_DAYS: Final = 4 * 366 + 1
"""29 February comes within it, unless the century skips it."""


def fields(line: str) -> tuple[frozenset[int], ...]:
    """Return the numbers that each field names; Sunday is 0.

    Lists, ranges and steps of numbers are known; names of months and days, and `@daily`, are not.

    Raises:
        ValueError: the line is none of this form.
    """
    words = line.split()
    if len(words) != len(BOUNDS):
        raise ValueError("Input should be a cron line of five fields such as '0 2 * * *'")
    found = [_numbers(word, *bounds) for word, bounds in zip(words, BOUNDS, strict=True)]
    return (*found[:4], frozenset(day % 7 for day in found[4]))


def following(line: str, after: datetime) -> datetime | None:
    """Return the first time after a moment that the line names; None within four years."""
    return _nearest(line, after.replace(second=0, microsecond=0) + timedelta(minutes=1), 1)


def preceding(line: str, before: datetime) -> datetime | None:
    """Return the last time up to a moment that the line names; None within four years."""
    return _nearest(line, before.replace(second=0, microsecond=0), -1)


def _numbers(word: str, least: int, most: int) -> frozenset[int]:
    numbers: set[int] = set()
    for part in word.split(","):
        said = _PART.fullmatch(part)
        if said is None:
            raise ValueError(
                f"Input should be a cron line whose fields are numbers, *, a-b, */n or lists, not {part!r}"
            )
        first, last, step = said.groups()
        low = int(first) if first else least
        # As in cron, a number with a step goes on to the end.
        high = int(last) if last else low if first and not step else most
        if not least <= low <= high <= most or step == "0":
            raise ValueError(f"Input should be a cron line with {least} to {most} where it has {part!r}")
        numbers.update(range(low, high + 1, int(step or 1)))
    return frozenset(numbers)


def _nearest(line: str, start: datetime, step: int) -> datetime | None:
    minutes, hours, days, months, weekdays = fields(line)
    either = len(days) < 31 and len(weekdays) < 7
    for offset in range(_HORIZON_DAYS):
        day = (start + timedelta(days=offset * step)).date()
        in_month, in_week = day.day in days, day.isoweekday() % 7 in weekdays
        # Where both are limited, cron takes a day that either names.
        if day.month not in months or not (in_month or in_week if either else in_month and in_week):
            continue
        for hour in sorted(hours, reverse=step < 0):
            for minute in sorted(minutes, reverse=step < 0):
                found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if (found - start) * step >= timedelta():
                    return found
    return None
