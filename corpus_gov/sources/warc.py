"""Records of WARC and ARC files: what each is, and its body after transfer- and content-decoding."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from corpus_gov.sources import Record, arc, http, instant
from corpus_gov.sources.frames import Buffer, Frame
from corpus_gov.sources.http import Fields, value
from corpus_gov.sources.members import frames_of
from corpus_gov.sources.responses import RIGHTS_HEADERS, Envelope, capture, said
from corpus_gov.sources.revisits import ORIGINALS, Originals, meant

TYPES: Final = frozenset(
    {"response", "resource", "revisit", "conversion", "request", "metadata", "warcinfo", "continuation"}
)

_NOT_MODIFIED: Final = 304


def records(data: Buffer, originals: Originals | None = None) -> Iterator[Record]:
    """Read every record of a WARC or ARC file, compressed or not.

    Args:
        data: the file's bytes.
        originals: where to look for the records that revisits refer to; otherwise in this file.

    Returns:
        One Record for each record and for each stretch of the file that is none; never raises for content.
    """
    originals = originals or Originals(data)
    for frame in frames_of(data):
        yield _record(frame, originals)


def _record(frame: Frame, originals: Originals) -> Record:
    if frame.reason:
        return Record(frame.offset, frame.length, "unknown", "rejected", frame.reason)
    try:
        if frame.form == "arc":
            return arc.record(frame)
        fields = _fields(frame)
        envelope = _envelope(frame, fields)
        if envelope.type == "revisit":
            return _revisit(frame, envelope, originals.find(meant(fields)))
        if envelope.type in ORIGINALS:
            if b"warc-segment-number" in fields:
                # The rest lies in continuation records, often of other files.
                return Record(**envelope.known(), outcome="rejected", reason="segmented")
            return capture(envelope, frame.data, frame.body)
    except (ValueError, OverflowError):
        return Record(frame.offset, frame.length, "unknown", "rejected", "bad_record")
    return Record(**envelope.known(), outcome="skipped", reason=envelope.type)


def _envelope(frame: Frame, fields: Fields) -> Envelope:
    kind = value(fields, b"warc-type").lower()
    content_type = value(fields, b"content-type")
    return Envelope(
        offset=frame.offset,
        length=frame.length,
        type=kind if kind in TYPES else "unknown",
        uri=value(fields, b"warc-target-uri").strip("<> \t") or None,
        fetched_at=instant(value(fields, b"warc-date")),
        content_type=content_type,
        is_http=content_type.partition(";")[0].strip().lower() == "application/http",
    )


def _revisit(frame: Frame, envelope: Envelope, original: Frame | None) -> Record:
    """Read a revisit as the record that it refers to, at its own address and time.

    The body and what decides how it is read are the original's. Status and headers about rights are the revisit's where
    it has a head; that of a 304 has only what changed. Source: ISO 28500 (WARC 1.1), 6.7; RFC 9111, 3.2.
    """
    if original is None:
        return Record(**envelope.known(), outcome="skipped", reason="revisit")
    before = arc.envelope(original) if original.form == "arc" else _envelope(original, _fields(original))
    named = replace(before, **(envelope.known() | {"uri": envelope.uri or before.uri}))
    found = capture(named, original.data, original.body)
    head = http.head(frame.data, frame.body) if envelope.is_http else None
    if found.outcome not in {"document", "evidence"} or head is None or head.status is None:
        return found
    own = said(head)
    if head.status == _NOT_MODIFIED:
        changed = {name for name, _ in own["headers"]}
        kept = [pair for pair in found.headers if pair[0] not in changed]
        merged = sorted([*own["headers"], *kept], key=lambda pair: RIGHTS_HEADERS.index(pair[0]))
        return replace(found, **(own | {"headers": tuple(merged), "http_status": found.http_status}))
    found = replace(found, **own)
    if found.outcome == "document" and not 200 <= head.status <= 299:
        return replace(found, outcome="skipped", reason=f"status_{head.status}")
    return found


def _fields(frame: Frame) -> Fields:
    return http.fields(frame.data[: frame.body])
