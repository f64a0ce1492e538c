"""Header blocks as WARC and HTTP write them, and as old servers and crawlers did."""

import re
from dataclasses import dataclass
from typing import Final

from corpus_gov.sources import storable

MAX_HEAD_BYTES: Final = 1 << 20
"""A longer head of a response is no head: servers and crawlers stop at 8 to 256 KiB."""

Fields = dict[bytes, list[bytes]]
"""Values by lower-case name, in the order of the header."""

_STATUS = re.compile(rb"[A-Za-z]{1,16}(?:/[\d.]{1,8})?[ \t]{1,16}([1-9]\d\d)(?!\d)")
_END = re.compile(rb"\n\r*\n")
_FOLD = re.compile(rb"\r*\n[ \t]+")


@dataclass(frozen=True, slots=True)
class Head:
    """What comes before the body of a response."""

    status: int | None
    """Null: what is there is no status line."""
    fields: Fields
    raw: bytes
    """All of it, up to the body, the empty line among them."""


def head(data: bytes, at: int = 0) -> Head | None:
    """Read the head of the HTTP response that starts at a place; null where it does not end within bounds."""
    status = _STATUS.match(data, at)
    end = _END.search(data, at, at + MAX_HEAD_BYTES)
    if not end and len(data) - at > MAX_HEAD_BYTES:
        return None
    raw = data[at : end.end() if end else len(data)]
    return Head(int(status[1]) if status else None, fields(raw), raw)


def fields(block: bytes) -> Fields:
    """Read header lines; what is none is passed over."""
    if b"\n " in block or b"\n\t" in block:
        block = _FOLD.sub(b" ", block)
    found: Fields = {}
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def values(found: Fields, name: bytes) -> list[str]:
    """Return all values of a field as text."""
    # Bytes that are not UTF-8 come from old servers: Latin-1 loses none of them.
    return [storable(_text(value)).strip() for value in found.get(name, ())]


def value(found: Fields, name: bytes) -> str:
    """Return the first value of a field as text; empty where there is none."""
    given = found.get(name)
    return storable(_text(given[0])).strip() if given else ""


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
