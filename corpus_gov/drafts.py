"""A shard in the making, record by record (Parquet goes by columns: see ingest)."""

from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from typing import Any, Final

from corpus_gov import shards
from corpus_gov.barring import OPEN, Bar
from corpus_gov.errors import IntegrityError
from corpus_gov.extract import FIELD_EXTRACTOR, Extracted, extract
from corpus_gov.schemas import DOCUMENTS
from corpus_gov.sources import Piece, Record, instant
from corpus_gov.sources.hosts import origin

MAX_SNAPSHOT_BYTES: Final = 512 << 10
"""RFC 9309 asks crawlers to read at least 500 KiB of robots.txt; the rest of a longer one is not kept."""

CAPTURED: Final = {
    "offset": "record_offset",
    "length": "record_length",
    "type": "record_type",
    "fetched_at": "fetched_at",
    "uri": "uri",
    "http_status": "http_status",
    "headers_digest": "headers_digest",
    "outcome": "outcome",
    "reason": "reason",
    "part": "part",
}
"""Fields of a Record and the columns of CAPTURES that they fill."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one record gives: a capture, and perhaps a document or a snapshot."""

    capture: dict[str, Any]
    document: dict[str, Any] | None = None
    snapshot: dict[str, Any] | None = None
    reading: tuple[str | None, str | None] = (None, None)
    """What besides the bytes decides the text: media type and charset label."""
    size: int = 0
    """Bytes that it adds to the shard."""


@dataclass(frozen=True, slots=True)
class _Seen:
    reading: tuple[str | None, str | None]
    text: str


@dataclass(slots=True)
class Draft:
    """The entries of one shard so far."""

    piece: Piece
    bar: Bar = OPEN
    entries: list[Entry] = field(default_factory=list)
    size: int = 0
    seen: dict[str, "_Seen"] = field(default_factory=dict)
    _hashed: tuple[bytes | None, str | None] = (None, None)

    def judge(self, record: Record, piece: Piece) -> Entry:
        """Tell what a record gives in this shard, without adding it.

        Args:
            record: the record.
            piece: the file that it came from: this draft's, or one of its bundle.

        Raises:
            IntegrityError: bytes and URI that came before now give another text: one doc_id would mean two.
        """
        entry = self._judge(record, piece)
        entry.capture.update(record_file=piece.record_file, file_digest=piece.file_digest)
        return entry

    def _judge(self, record: Record, piece: Piece) -> Entry:
        digest = self._digest(record.payload)
        if record.outcome == "evidence":
            return self._evidence(record, digest)
        if record.outcome != "document" or digest is None:
            return _entry(record, digest)
        identity = shards.doc_id(self.piece.source_id, record.uri, digest, record.part)
        if identity in self.bar.barred.ids:
            return _suppressed(record, identity)
        if self.bar.record(record.uri, digest):
            return _suppressed(record)
        before = self.seen.get(identity)
        if before and before.reading == _reading(record):
            return _entry(replace(record, outcome="repeat"), digest, identity)
        found = extract(record)
        if found.reject:
            return _entry(replace(record, outcome="rejected", reason=found.reject), digest)
        if not found.text.strip():
            return _entry(replace(record, outcome="skipped", reason="no_text"), digest)
        if self.bar.barred.texts and self.bar.text(sha256(found.text.encode()).hexdigest()):
            return _suppressed(record)
        if before:
            self._check_same(before, found, record, piece)
            return _entry(replace(record, outcome="repeat"), digest, identity)
        document = self._document(record, found, digest, identity, piece)
        # Further parts repeat what their record says of them all: that is counted too, or it could fill the memory.
        counted = ("text", "markup") + (("uri", "title", "author") if record.part else ())
        size = sum(len((document.get(name) or "").encode()) for name in counted)
        return _entry(record, digest, identity, document=document, reading=_reading(record), size=size)

    def add(self, entry: Entry) -> None:
        """Take an entry into the shard."""
        self.entries.append(entry)
        self.size += entry.size
        if entry.document:
            self.seen[entry.document["doc_id"]] = _Seen(entry.reading, entry.document["text"])

    def finish(self, identity: str) -> shards.Shard:
        """Build the shard's tables.

        Raises:
            IntegrityError: captures and documents do not balance.
        """
        made = [entry.document for entry in self.entries if entry.document]
        names = [name for name in DOCUMENTS.names if made and name in made[0]]
        columns = {name: [document[name] for document in made] for name in names or ("text", "uri")}
        captured = {name: [entry.capture[name] for entry in self.entries] for name in (*CAPTURED.values(), *_ADDED)}
        return shards.bound(
            identity,
            shards.captures(self.piece, captured, len(self.entries)),
            shards.documents(self.piece.source_id, columns, len(made)),
            [entry.snapshot for entry in self.entries if entry.snapshot],
        )

    def _digest(self, payload: bytes | None) -> str | None:
        if payload is not self._hashed[0]:
            # The parts of a record share its payload.
            self._hashed = payload, None if payload is None else sha256(payload).hexdigest()
        return self._hashed[1]

    def _check_same(self, before: "_Seen", found: Extracted, record: Record, piece: Piece) -> None:
        if found.text != before.text:
            raise IntegrityError(
                f"{piece.record_file}: the record at offset {record.offset!r} has bytes and URI of an earlier one "
                f"but is read as {_reading(record)!r} instead of {before.reading!r}, which gives another text; "
                "remove one of the two captures from the inputs"
            )

    def _evidence(self, record: Record, digest: str | None) -> Entry:
        host = origin(record.uri)
        if not host:
            return _entry(replace(record, outcome="skipped", reason="no_host"), digest)
        body = (record.payload or b"")[:MAX_SNAPSHOT_BYTES]
        snapshot = {
            "source_id": self.piece.source_id,
            "host": host,
            "kind": record.reason,
            "fetched_at": record.fetched_at,
            "http_status": record.http_status,
            "digest": sha256(body).hexdigest(),
            "body": body,
        }
        return _entry(replace(record, reason=None), digest, snapshot=snapshot, size=len(body))

    def _document(self, record: Record, found: Extracted, digest: str, identity: str, piece: Piece) -> dict[str, Any]:
        made: dict[str, Any] = {name: getattr(found, name) for name in _EXTRACTED}
        reference = record.values.get("delivery_ref")
        if record.type == "line":
            place = f"{record.offset}.{record.part}" if record.part else str(record.offset)
            reference = reference or f"{piece.record_file}#{place}"
            made["extractor"] = extractor_of(record.shape)
        else:
            # What stands before the text of a file is believed before what extraction found in it.
            made |= {name: record.values[name] for name in ("title", "author") if record.values.get(name)}
            made["published_at"] = instant(record.values.get("published_at")) or found.published_at
        made["markup"] = "\n".join([*record.stated, *([found.markup] if found.markup else [])]) or None
        return made | {
            "doc_id": identity,
            "part": record.part,
            "payload_digest": digest,
            "uri": record.uri,
            "fetched_at": record.fetched_at,
            "content_type": record.media_type,
            "delivery_ref": reference,
            "consent_ref": record.values.get("consent_ref"),
        }


def extractor_of(shape: str | None) -> str:
    """Name what took a text from a field: with the shape of the row where it was recognised."""
    name, _, version = FIELD_EXTRACTOR.partition("@")
    return FIELD_EXTRACTOR if shape is None else f"{name}.{shape}@{version}"


_EXTRACTED: Final = tuple(one.name for one in fields(Extracted) if one.name in DOCUMENTS.names)
_ADDED: Final = ("payload_digest", "doc_id", "record_file", "file_digest")


def _reading(record: Record) -> tuple[str | None, str | None]:
    return record.media_type, record.charset


def _suppressed(record: Record, identity: str | None = None) -> Entry:
    # The URI may be what the person asked to have erased, and whoever has the bytes could confirm their digest.
    return _entry(replace(record, outcome="suppressed", uri=None, headers_digest=None), None, identity)


def _entry(record: Record, digest: str | None, identity: str | None = None, **rest: Any) -> Entry:
    capture = {column: getattr(record, name) for name, column in CAPTURED.items()}
    return Entry(capture | {"payload_digest": digest, "doc_id": identity}, **rest)
