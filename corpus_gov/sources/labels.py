"""Labels of AI-generated content beside a text: in front matter and in the fields of a delivery."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from corpus_gov.sources import storable

NAME: Final = "aigc"
"""Stands in the name of the field (GB 45438-2025, Annex E), in any case."""

SAID: Final = ("ai_generated", "is_ai_generated", "machine_generated")
"""Names of fields that are yes or no, as publishers of sets call them; the standard has none."""

_YES: Final = ("true", "yes", "1")

INNER: Final = ("metadata", "meta")
"""Fields of a row in which the label stands as well."""

MAX_CHARS: Final = 2_000


def lines(kind: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels among some fields as lines of markup, `<kind>:aigc: <object>`, for a screen to read.

    Args:
        kind: what the fields are: front_matter or field.
        fields: with their values; of a mapping under a name of INNER, those in it.

    A field of SAID that says yes is the line `<kind>:ai_generated: true`; what says no is no label.
    """
    levels = [fields, *(inner for name in INNER if isinstance(inner := fields.get(name), Mapping))]
    return tuple(
        line
        for level in levels
        for name, value in level.items()
        if isinstance(name, str) and (line := _line(kind, name.lower(), value))
    )


def is_named(name: str) -> bool:
    """Say whether a field of this name may hold a label."""
    return NAME in name.lower() or name.lower().rpartition(".")[2] in SAID


def _line(kind: str, name: str, value: Any) -> str | None:
    if NAME in name:
        return f"{kind}:aigc: {text}" if (text := _text(value)) else None
    if name.rpartition(".")[2] not in SAID or not isinstance(value, str | bool | int):
        return None
    return f"{kind}:ai_generated: true" if str(value)[:8].strip().lower() in _YES else None


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        # Front matter holds dates and numbers of any size, which JSON has no form for.
        plain = {str(key): item if _is_small(item) else str(item) for key, item in value.items()}
        inner = next((item for key, item in value.items() if str(key).upper() == "AIGC"), None)
        value = _text(inner) if isinstance(inner, Mapping) else orjson.dumps({"AIGC": plain}).decode()
    return storable(" ".join(value.split()))[:MAX_CHARS] if isinstance(value, str) else ""


def _is_small(value: Any) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 1_000)
