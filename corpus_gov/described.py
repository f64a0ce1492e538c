"""What a signal means, in what unit, between which bounds, and whose definition it is: read off the schemas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Final

import pyarrow as pa

_SAID: Final = re.compile(r"Source: (.+)\.$")
_REDPAJAMA: Final = "RedPajama-V2 (arXiv:2411.12372)"

SOURCES: Final[Mapping[str, str]] = {
    "quality": "this project, after the field's (docs/tables.md names them)",
    "structure": "this project; the model of continuity: corpus_gov/signals/models/README.md",
    "perplexity": "this project; the model: corpus_gov/signals/models/README.md",
    "language": "lid.176 (Joulin et al. 2016, arXiv:1607.01759) and this project",
    "classifiers": "the cards of the workspace's models",
}
"""Of the signals that do not name one themselves."""

_BITS: Final = "thousandths of a bit"
_UNITS: Final[Mapping[str, tuple[str, float | None, float | None]]] = {
    "structure.continuity": ("thousandths of a natural logarithm", None, None),
    "quality.char_entropy": (_BITS, 0, 18_000),
    "quality.clause_entropy": (_BITS, 0, 3_808),
    "quality.ends_open": ("yes or no", 0, 1),
    "perplexity.gained_bits": (_BITS, -60_000, 60_000),
}
"""Unit and bounds of the signals that their names and types do not tell them of."""


@dataclass(frozen=True)
class Described:
    """One signal.

    Attributes:
        low, high: bounds of the values as a policy reads them; None where there is none.
    """

    description: str
    unit: str
    low: float | None
    high: float | None
    source: str


@cache
def described(family: str) -> Mapping[str, Described]:
    """Describe every signal of a family, by its name.

    Args:
        family: module of corpus_gov.signals.
    """
    schema: pa.Schema = import_module(f"corpus_gov.signals.{family}").SCHEMA
    return {field.name: _described(family, field) for field in schema if field.name != "doc_id"}


def _described(family: str, field: pa.Field) -> Described:
    doc = field.metadata[b"doc"].decode()
    unit, low, high = _UNITS.get(f"{family}.{field.name}") or _unit(field)
    said = _SAID.search(doc)
    source = said[1] if said else _REDPAJAMA if "(rps_" in doc else SOURCES[family]
    return Described(doc, unit, low, high, source)


def _unit(field: pa.Field) -> tuple[str, float | None, float | None]:
    if pa.types.is_string(field.type):
        return "name", None, None
    if b"scale" in field.metadata:
        return "share", 0, 1
    if field.name.endswith("_bits"):
        return _BITS, 0, 60_000
    return "code points" if field.name.endswith("_chars") else "number", 0, None
