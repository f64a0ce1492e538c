"""ARC records, version 1 and 2: one line that says what follows.

Source: Internet Archive, ARC file format, version 1.0 of 1996, and what its crawlers wrote.
"""

import re
from datetime import datetime

from corpus_gov.sources import Record, instant
from corpus_gov.sources.frames import ARC_LINE, Frame
from corpus_gov.sources.http import Fields, fields, value
from corpus_gov.sources.responses import Envelope, capture

HEADER: str = "arc_header"
"""The record that an ARC file begins with; it describes the file."""

_VERSION_2 = re.compile(r"(?P<type>.*?) (?:\d{3}|-) \S+ \S+ (?:\d+|-) \S+")
"""Content type, result code, checksum, location, offset and file name; version 1 has the content type alone."""


def record(frame: Frame) -> Record:
    """Read one sound frame of an ARC file."""
    line = envelope(frame)
    if line.type == HEADER:
        return Record(**line.known(), outcome="skipped", reason=HEADER)
    return capture(line, frame.data, frame.body)


def envelope(frame: Frame) -> Envelope:
    """Read the line that a record begins with.

    Raises:
        ValueError: it is none.
    """
    line = ARC_LINE.match(frame.data)
    if not line:
        raise ValueError
    read: Fields = fields(b"uri:" + line["uri"] + b"\nrest:" + line["rest"])
    uri, rest = value(read, b"uri"), value(read, b"rest")
    second = _VERSION_2.fullmatch(rest)
    return Envelope(
        offset=frame.offset,
        length=frame.length,
        type=HEADER if uri.lower().startswith("filedesc:") else "response",
        uri=uri,
        fetched_at=_time(line["date"].decode()),
        content_type=second["type"] if second else rest,
        # Some crawlers kept bare bodies.
        is_http=frame.data.startswith((b"HTTP/", b"http/"), frame.body),
    )


def _time(digits: str) -> datetime | None:
    """Read a time of 14 digits; some writers add digits or leave the time of day out."""
    digits = digits.ljust(14, "0")
    return instant(f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}")
