"""Labels of AI-generated content beside a text: in front matter and in the fields of a delivery."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from corpus_gov.sources import storable

NAME: Final = "aigc"
"""Stands in the name of the field (GB 45438-2025, Annex E), in any case."""

INNER: Final = ("metadata", "meta")
"""Fields of a row in which the label stands as well."""

MAX_CHARS: Final = 2_000


def lines(kind: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the labels among some fields as lines of markup, `<kind>:aigc: <object>`, for a screen to read.

    Args:
        kind: what the fields are: front_matter or field.
        fields: with their values; of a mapping under a name of INNER, those in it.
    """
    levels = [fields, *(inner for name in INNER if isinstance(inner := fields.get(name), Mapping))]
    return tuple(
        f"{kind}:aigc: {text}"
        for level in levels
        for name, value in level.items()
        if isinstance(name, str) and NAME in name.lower() and (text := _text(value))
    )


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        # Front matter holds dates and numbers of any size, which JSON has no form for.
        plain = {str(key): item if _is_small(item) else str(item) for key, item in value.items()}
        inner = next((item for key, item in value.items() if str(key).upper() == "AIGC"), None)
        value = _text(inner) if isinstance(inner, Mapping) else orjson.dumps({"AIGC": plain}).decode()
    return storable(" ".join(value.split()))[:MAX_CHARS] if isinstance(value, str) else ""


def _is_small(value: Any) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 1_000)
