"""One JSON object of a delivery to records: one for each document in it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from corpus_gov.sources import MAX_RECORD_BYTES, Record, instant, labels, licences, storable
from corpus_gov.sources.fields import ABSENT, TEXT_KEYS, Names, mapped, recognised, value_at

MAX_PARTS: Final = 100_000
"""Documents that one record may hold: each is a capture, and an empty one costs three bytes of input."""

INHERITED: Final = ("uri", "title", "author", "published_at", "fetched_at", "consent_ref")
"""What a part takes from its record where it says nothing itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies in its file."""

    offset: int
    length: int


class _RowError(Exception):
    """Bytes that are no JSON object; carries the class of the reject."""


def records(
    data: bytes, place: Place, fields: tuple[tuple[str, str], ...], *, container: bool = False
) -> Iterator[Record]:
    """Read one JSON object.

    Args:
        data: its bytes.
        place: in the file.
        fields: the field map of the dossier; without one the shape is recognised.
        container: an object that holds no text itself may hold documents: one list of objects among its values,
            or objects only.

    Returns:
        One Record for each part, at least one; part 0 stands for the record in counts.
    """
    if place.length > MAX_RECORD_BYTES:
        yield _reject(place, "too_large")
        return
    try:
        row = _parsed(data)
    except _RowError as error:
        yield _reject(place, str(error))
        return
    names = mapped(fields) if fields else recognised(row)
    if names.conflict:
        yield _reject(place, f"json_field_missing:{'+'.join(names.conflict)}")
        return
    items = _items(row, names, container=container and not fields)
    if items is None:
        yield _record(row, row, names, place, 0, data)
    elif not isinstance(items, list):
        yield _reject(place, "json_field_missing" if items is ABSENT else "json_field_type")
    elif len(items) > MAX_PARTS:
        yield _reject(place, "too_many_parts")
    elif not items:
        yield Record(place.offset, place.length, "line", "skipped", "empty")
    else:
        for part, item in enumerate(items):
            yield _part(item, row, names, place, part, data, listed=bool(fields))


def _reject(place: Place, reason: str) -> Record:
    return Record(place.offset, place.length, "line", "rejected", reason)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError:
        row = _leniently(data)
    if not isinstance(row, dict):
        raise _RowError("json_not_object")
    return row


def _leniently(data: bytes) -> Any:
    """Parse what orjson refuses and many writers produce: lone surrogates in escapes."""
    try:
        return json.loads(data.decode(), parse_constant=_refuse)
    except UnicodeDecodeError:
        raise _RowError("undecodable") from None
    except (ValueError, RecursionError):
        raise _RowError("json_syntax") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _items(row: dict[str, Any], names: Names, *, container: bool) -> Any:
    """Return the parts of a record: None where it is one document, ABSENT where the mapped key is not there."""
    if path := names.paths.get("parts"):
        return value_at(row, path)
    text = value_at(row, names.paths["text"])
    if isinstance(text, list):
        return text
    if not container or any(key in row for key in TEXT_KEYS):
        return None
    lists = [value for value in row.values() if isinstance(value, list) and value and _objects(value)]
    if len(lists) == 1:
        return lists[0]
    return list(row.values()) if row and not lists and _objects(row.values()) else None


def _objects(values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def _part(
    item: Any, row: dict[str, Any], names: Names, place: Place, part: int, data: bytes, *, listed: bool
) -> Record:
    if not isinstance(item, dict):
        return _record({names.paths["text"]: item}, row, names, place, part, data)
    own = names if listed else recognised(item)
    if own.conflict:
        return Record(
            place.offset, place.length, "line", "rejected", f"json_field_missing:{'+'.join(own.conflict)}", part=part
        )
    return _record(item, row, own, place, part, data)


def _record(
    item: Mapping[str, Any], row: Mapping[str, Any], names: Names, place: Place, part: int, data: bytes
) -> Record:
    found = {name: value_at(item, path) for name, path in names.paths.items() if name not in {"parts", "licence"}}
    if item is not row:
        above = {name: value_at(row, names.paths[name]) for name in INHERITED}
        found |= {name: value for name, value in above.items() if found[name] is ABSENT}
    values = {name: storable(value) for name, value in found.items() if isinstance(value, str)}
    stated = labels.lines("field", item) + (labels.lines("field", row) if item is not row else ())
    own = names.paths["licence"]
    # A part with terms of its own is not under those of its record.
    stated += licences.lines(item, own) or (licences.lines(row, own) if item is not row else ())
    known: dict[str, Any] = {
        "offset": place.offset,
        "length": place.length,
        "type": "line",
        "part": part,
        "uri": values.get("uri") or None,
        "fetched_at": instant(values.get("fetched_at")),
        "payload": data,
        "values": values,
        "shape": names.shape,
        "stated": stated,
    }
    if found["text"] is ABSENT:
        return Record(**known, outcome="rejected", reason="json_field_missing")
    if found["text"] is not None and "text" not in values:
        return Record(**known, outcome="rejected", reason="json_field_type")
    if not values.get("text", "").strip():
        return Record(**known, outcome="skipped", reason="empty")
    return Record(**known)
