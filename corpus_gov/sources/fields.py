"""Which key of a delivery's row is what: by the dossier's field map, or by the usual shapes of other pipelines.

A shape is recognised by its keys alone, row by row, and never guessed: where two keys could be the text, or two
addresses differ, the row is rejected and the reason names those keys (ours, from the lists below; no other key and
no value is ever repeated). A field map in the dossier settles it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from corpus_gov.sources import FIELDS

TEXT_KEYS: Final = ("text", "content", "raw_content", "article", "contents")
"""Keys that hold the text in deliveries without a field map."""

URI_PATHS: Final = ("uri", "url", "metadata.url", "meta.url", "warc_headers.warc-target-uri")
"""Where the address stands in them."""


@dataclass(frozen=True)
class Shape:
    """What another pipeline writes: keys that are always there, and where it keeps what."""

    name: str
    marks: tuple[str, ...]
    paths: Mapping[str, str]


SHAPES: Final = (
    Shape(
        "dolma",
        ("id", "source", "added"),
        {
            "fetched_at": "added",
            "published_at": "created",
            "title": "metadata.title",
            "author": "metadata.author",
            "delivery_ref": "id",
        },
    ),
    Shape(
        "datatrove",
        ("id", "metadata"),
        {
            "fetched_at": "metadata.date",
            "title": "metadata.title",
            "author": "metadata.author",
            "delivery_ref": "id",
        },
    ),
    Shape("fineweb", ("id", "dump", "url", "date"), {"fetched_at": "date", "delivery_ref": "id"}),
    Shape("ccnet", ("raw_content", "url", "date_download"), {"fetched_at": "date_download"}),
    Shape("oscar", ("warc_headers",), {"fetched_at": "warc_headers.warc-date"}),
    Shape("c4", ("url", "timestamp"), {"fetched_at": "timestamp"}),
    Shape("data_juicer", ("meta",), {"fetched_at": "meta.timestamp", "title": "meta.title", "author": "meta.author"}),
)
"""Looked for in this order, beside a text. Sources: the README or data card of each pipeline's data."""

VERSION: Final = 2
"""Raised when a row would be read in another way."""

ABSENT: Final = object()

_OWN: Final = {name: name for name in FIELDS if name != "parts"}


@dataclass(frozen=True, slots=True)
class Names:
    """Our names to the delivery's."""

    paths: Mapping[str, str]
    shape: str | None = None
    """What was recognised, such as `c4` or `plain.content`; null: our own names, or those of a field map."""
    conflict: tuple[str, ...] = ()
    """Keys between which only a field map can choose."""


def mapped(fields: Sequence[tuple[str, str]]) -> Names:
    """Complete a field map: each unmapped name stands for itself, but for `parts`, which only a map can name."""
    return Names(_OWN | dict(fields))


def recognised(row: Mapping[str, Any]) -> Names:
    """Recognise the shape of a JSON object.

    A key counts where it holds something: a blank or null `content` beside a `text` is no second candidate, and
    two that are equal are one.
    """
    texts = [key for key in TEXT_KEYS if key in row and _holds_text(row[key])]
    if len(texts) > 1 and all(row[key] == row[texts[0]] for key in texts):
        texts = texts[:1]
    uris = {path: found for path in URI_PATHS if isinstance(found := value_at(row, path), str) and found.strip()}
    if len(set(uris.values())) == 1:
        uris = dict([next(iter(uris.items()))])
    there = [key for key in TEXT_KEYS if key in row]
    return _names(texts or there[:1], list(uris), row.__contains__, lambda name: value_at(row, name) is not ABSENT)


def recognised_columns(texts: Sequence[str], present: Iterable[str]) -> Names:
    """Recognise the shape of a Parquet file.

    Args:
        texts: those of TEXT_KEYS that are columns of text or lists of it.
        present: paths of all columns and fields of structs; whether they hold values is not looked at.
    """
    paths = frozenset(present)
    return _names(texts, [path for path in URI_PATHS if path in paths], paths.__contains__, paths.__contains__)


def _names(
    texts: Sequence[str], uris: Sequence[str], marked: Callable[[str], bool], present: Callable[[str], bool]
) -> Names:
    if len(texts) > 1 or len(uris) > 1:
        return Names(_OWN, conflict=tuple(texts if len(texts) > 1 else uris))
    shape = next((one for one in SHAPES if all(map(marked, one.marks))), None)
    # Our own names are what they say, also in a row that has another shape.
    theirs = {name: path for name, path in (shape.paths if shape else {}).items() if not present(name)}
    text, uri = texts[0] if texts else "text", uris[0] if uris else "uri"
    label = shape.name if shape else "plain" if (text, uri) != ("text", "uri") else ""
    label += f".{text}" if text != "text" else ""
    return Names(_OWN | theirs | {"text": text, "uri": uri}, label or None)


def _holds_text(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else value is not None and value != []


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a path: a key as it is, else one that descends at dots; ABSENT where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return ABSENT
        value = value[key]
    return value
