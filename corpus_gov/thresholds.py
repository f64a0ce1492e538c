"""The numbers that a clause compares facts with: which, and how far a document is from them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_COLUMN: Final = r"[a-z_]\w*(?:\.\w+)*"
_NUMBER: Final = r"-?\d+(?:\.\d+)?"
_COMPARED: Final = re.compile(
    rf"(?:coalesce\(\s*(?P<inner>{_COLUMN})\s*,\s*{_NUMBER}\s*\)|\b(?P<plain>{_COLUMN}))"
    rf"\s*(?P<sign><=|>=|<|>)\s*(?P<limit>{_NUMBER})(?![\w.])"
)
NEAR: Final = 0.1
"""A value is near a limit that it has not crossed within this share of the limit."""
COUNTED: Final = 3
"""Of whole limits from here on, a value one step away is near as well; of 1 every text without one would be."""
LADDER: Final = (0.5, 0.8, 1.25, 2.0)
"""What a limit is multiplied by where nobody said what to try."""


@dataclass(frozen=True)
class Threshold:
    """One comparison of a column with a number.

    Attributes:
        start, stop: where the number stands in the text of the expression.
    """

    column: str
    sign: str
    limit: float
    start: int
    stop: int

    def state(self, value: Any) -> str:
        """Say where a value stands: unknown, crossed, near or clear; crossed where the comparison holds."""
        if not isinstance(value, int | float):
            return "unknown"
        holds = {"<": value < self.limit, "<=": value <= self.limit, ">": value > self.limit, ">=": value >= self.limit}
        if holds[self.sign]:
            return "crossed"
        steps = 1.0 if self.limit >= COUNTED and self.limit == int(self.limit) else 0.0
        # Of a limit of 0 nothing is a tenth: a text without a finding is not near having one.
        return "near" if 0 < max(NEAR * abs(self.limit), steps) >= abs(value - self.limit) else "clear"


def find(expression: str) -> list[Threshold]:
    """List the comparisons of an expression with a number on the right, in their order.

    Comparisons of two columns or of sums have no limit that one number could stand for, and are left out.
    """
    return [
        Threshold(match["inner"] or match["plain"], match["sign"], float(match["limit"]), *match.span("limit"))
        for match in _COMPARED.finditer(expression)
    ]


def variants(expression: str) -> Iterator[str]:
    """Write an expression anew with each of its limits multiplied by each step of LADDER, one at a time.

    A limit of 0 has no multiples and stays; whole limits stay whole.
    """
    for one in find(expression):
        whole = expression[one.start : one.stop].isdigit()
        for step in LADDER:
            limit = round(one.limit * step) if whole else float(f"{one.limit * step:.6g}")
            if limit != one.limit:
                yield f"{expression[: one.start]}{limit}{expression[one.stop :]}"
