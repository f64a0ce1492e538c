"""Revisits: records that say "as before", and the records they mean.

A crawler that sees known bytes again writes a revisit in their place. Its original may lie in the same file or in
another one of the source. Digests are believed as written: they are those of the crawler that wrote both records.
Source: ISO 28500 (WARC 1.1), 6.7; IIPC, recommendations on WARC-Refers-To-Target-URI and WARC-Refers-To-Date, 2013.
"""

import mmap
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from corpus_gov.kernels.digests import prefixed
from corpus_gov.sources import arc, instant
from corpus_gov.sources.frames import Buffer, Frame
from corpus_gov.sources.http import Fields, fields, value
from corpus_gov.sources.members import frame_of, frames_of

KEY_BYTES: Final = 16
ORIGINALS: Final = frozenset({"response", "resource", "conversion"})
WORK_RATIO: Final = 64
FREE_WORK: Final = 4 << 30
"""Bytes read to find originals: these, and so many for each byte of the file; then revisits stay as they are."""
OPEN_FILES: Final = 4

_REVISIT = re.compile(rb"^warc-type[ \t]*:[ \t]*revisit", re.IGNORECASE | re.MULTILINE)
_NOT_MODIFIED: Final = "server-not-modified"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a record lies."""

    offset: int
    ordinal: int = 0
    """Records of the same member before it."""
    path: str | None = None
    """Null: in the file that is being read."""


def meant(found: Fields) -> list[bytes]:
    """Return the keys of the record that a revisit refers to, the surest first."""
    uri, digest = _uri(found, b"warc-target-uri"), _digest(found)
    referred = _uri(found, b"warc-refers-to-target-uri") or uri
    named = [
        ("id", value(found, b"warc-refers-to")),
        ("time", referred, _time(value(found, b"warc-refers-to-date"))),
    ]
    if _NOT_MODIFIED not in value(found, b"warc-profile"):
        # There the digest is that of an empty answer with some crawlers.
        named += [("copy", referred, digest), ("digest", digest)]
    return _keys(named)


def offered(frame: Frame) -> list[bytes]:
    """Return the keys under which a record can be meant; none if it cannot."""
    if frame.reason:
        return []
    if frame.form == "arc":
        line = arc.envelope(frame)
        return _keys([("time", line.uri or "", line.fetched_at.isoformat() if line.fetched_at else "")])
    found = fields(frame.data[: frame.body])
    if value(found, b"warc-type").lower() not in ORIGINALS:
        return []
    uri, digest = _uri(found, b"warc-target-uri"), _digest(found)
    named = [
        ("id", value(found, b"warc-record-id")),
        ("time", uri, _time(value(found, b"warc-date"))),
        ("copy", uri, digest),
        ("digest", digest),
    ]
    return _keys(named)


def wanted(data: Buffer) -> set[bytes]:
    """Return the keys of all records that the revisits of a file refer to."""
    return {
        key
        for frame in frames_of(data)
        if _REVISIT.search(frame.data, 0, frame.body)
        for key in meant(fields(frame.data[: frame.body]))
    }


def places(data: Buffer, keys: Iterable[bytes]) -> dict[bytes, Place]:
    """Find records of a file by their keys: for each key the first one."""
    keys, found = frozenset(keys), dict[bytes, Place]()
    for frame in frames_of(data) if keys else ():
        for key in offered(frame):
            if key in keys:
                found.setdefault(key, Place(frame.offset, frame.ordinal))
    return found


class Originals:
    """The records that the revisits of one file refer to."""

    def __init__(self, data: Buffer, known: Mapping[bytes, Place] | None = None) -> None:
        """Look at the places given; without any, in the file itself, but not before something is asked for."""
        self._data, self._known = data, known
        self._files: dict[str, mmap.mmap] = {}
        self._work = FREE_WORK + WORK_RATIO * len(data)

    def find(self, keys: Iterable[bytes]) -> Frame | None:
        """Return the first record that one of the keys names."""
        if self._known is None:
            self._known = places(self._data, wanted(self._data))
        for key in keys:
            place = self._known.get(key)
            frame = self._frame(place) if place else None
            # The file may have changed since it was looked through.
            if frame and key in offered(frame):
                return frame
        return None

    def _frame(self, place: Place) -> Frame | None:
        data = self._data if place.path is None else self._opened(place.path)
        if data is None or self._work < 0 or place.offset >= len(data):
            return None
        frame, work = frame_of(data, place.offset, place.ordinal)
        self._work -= work
        return frame

    def _opened(self, path: str) -> mmap.mmap | None:
        if path not in self._files:
            try:
                with Path(path).open("rb") as file:
                    opened = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError):
                return None
            while len(self._files) >= OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            self._files[path] = opened
        return self._files[path]


def _keys(named: Iterable[tuple[str, ...]]) -> list[bytes]:
    return [sha256(prefixed(*(part.encode() for part in parts))).digest()[:KEY_BYTES] for parts in named if all(parts)]


def _uri(found: Fields, name: bytes) -> str:
    return value(found, name).strip("<> \t")


def _digest(found: Fields) -> str:
    return value(found, b"warc-payload-digest").lower()


def _time(text: str) -> str:
    time = instant(text)
    return time.isoformat() if time else ""
