"""What a section of the report is made of: sentences, tables, charts, commands. Values only; the page escapes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from corpus_gov.reporting.phrases import Phrases
from corpus_gov.schemas import SCALE

ROWS_MOST: Final = 60
"""Rows of a table; the rest is counted and not shown."""


@dataclass(frozen=True)
class Text:
    """A paragraph; `mark` sets it apart: "" or "warn"."""

    text: str
    mark: str = ""


@dataclass(frozen=True)
class Code:
    """Lines to type or compare, in one block."""

    text: str


@dataclass(frozen=True)
class Word:
    """A cell that is a name of ours: set in a fixed width, and broken anywhere."""

    text: str


@dataclass(frozen=True)
class Bar:
    """A cell with a share, drawn as a bar behind its number."""

    share: float


@dataclass(frozen=True)
class Chart:
    """A picture: SVG, and what it shows for those who do not see it."""

    svg: str
    alt: str


@dataclass(frozen=True)
class Table:
    """A table; columns of numbers are set to the right."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""

    def numeric(self, column: int) -> bool:
        """Say whether every cell of a column is a number or a share, or says that there is none."""
        return bool(self.rows) and all(_is_number(row[column]) for row in self.rows)


Block: TypeAlias = Text | Code | Chart | Table


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading of its own."""

    id: str
    title: str
    blocks: list[Block] = field(default_factory=list)


def table(say: Phrases, caption: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Build a table of at most ROWS_MOST rows, and say how many there are beyond."""
    listed = list(rows)
    note = say("more", n=len(listed) - ROWS_MOST) if len(listed) > ROWS_MOST else ""
    return Table(caption, headings, listed[:ROWS_MOST], note)


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | Bar) or (isinstance(cell, str) and (cell == "–" or cell.endswith(" %")))


def percent(part: float, whole: float) -> str:
    """Write a share of a whole; of nothing there is none."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def scaled(share: int) -> str:
    """Write ten-thousandths as per cent."""
    return f"{100 * share / SCALE:.1f} %"
