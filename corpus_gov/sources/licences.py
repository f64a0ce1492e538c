"""What a row, or the head of a file, says of its licence and rights, as lines of markup for a screen to read."""

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any, Final

from corpus_gov.sources import storable
from corpus_gov.sources.fields import value_at

RIGHTS: Final = ("licence", "license", "rights", "copyright", "usage")
"""Names of fields that speak of rights, in lower case, in the order in which they are looked for."""
NAMED: Final = (
    *RIGHTS, "licences", "licenses", "licence_url", "license_url", "licence_name", "license_name", "licence_id",
    "license_id", "copyright_holder", "copyright_notice", "rights_holder", "usage_terms",
)  # fmt: skip
"""The same in deliveries, as data cards of published sets and other pipelines call them."""
ALSO: Final = {"spdx_id": "licence", "detected_licenses": "licences", "max_stars_repo_licenses": "licences"}
"""Names that say more than that a licence follows, and what they are called here."""
INNER: Final = ("metadata", "meta")
"""Objects of a row, or beginnings of its names before a dot, in which they stand as well."""
OF_OBJECT: Final = ("spdx_id", "id", "@id", "name", "url")
"""What names a licence that is an object."""

MAX_FIELDS: Final = 16
MAX_ITEMS: Final = 8
"""Lines of a row, and values of a list, that are kept: more are no statement about one text."""
MAX_VALUE_CHARS: Final = 2_000
MAX_VALUE_BITS: Final = 4 * MAX_VALUE_CHARS
"""YAML has whole numbers of any length, which Python refuses to write in digits."""


def lines(fields: Mapping[str, Any], own: str | None = None) -> tuple[str, ...]:
    """Return what a row says of its rights: lines `field:<name>: value`, one a value.

    Args:
        fields: of the row.
        own: path that a field map of the dossier has for `licence`; read as well, and named so.

    Returns:
        In the order of the row, each once; a value that is no text, and no list or object of texts, says nothing.
    """
    levels = [fields, *(inner for name in INNER if isinstance(inner := fields.get(name), Mapping))]
    stated = [("licence", value_at(fields, own))] if own else []
    stated += [(name, value) for level in levels for key, value in level.items() if (name := name_of(key))]
    found = dict.fromkeys(line for name, value in stated for line in written(name, value))
    return tuple(islice(found, MAX_FIELDS))


def name_of(key: Any) -> str | None:
    """Return the name of a field that speaks of rights, None for any other."""
    if not isinstance(key, str):
        return None
    name = key.lower().replace("-", "_")
    for inner in INNER:
        name = name.removeprefix(f"{inner}.")
    return name if name in NAMED else ALSO.get(name)


def written(name: str, value: Any) -> Iterator[str]:
    """Write the texts of a field as lines: itself, those of a list, or what names an object."""
    for item in several(value):
        named = [item.get(key) for key in OF_OBJECT] if isinstance(item, Mapping) else [item]
        for text in named:
            if isinstance(text, str) and (shown := plain(text)):
                yield f"field:{name}: {shown}"


def several(value: Any) -> list[Any]:
    """Return the first MAX_ITEMS values of a list; one that is none alone."""
    return value[:MAX_ITEMS] if isinstance(value, list) else [value]


def plain(value: Any) -> str | None:
    """Return a value on one line: text, number or date; of a list or mapping, its plain values or its name."""
    if isinstance(value, dict):
        value = next((value[key] for key in ("name", "id", "url") if key in value), None)
    if isinstance(value, list):
        value = ", ".join(text for item in value[:64] if not isinstance(item, list) and (text := plain(item)))
    if isinstance(value, date):
        value = value.isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and value.bit_length() > MAX_VALUE_BITS:
        return None
    # Cut before it is folded as well: a value may be a book.
    return storable(" ".join(str(value)[: 2 * MAX_VALUE_CHARS].split()))[:MAX_VALUE_CHARS] or None
