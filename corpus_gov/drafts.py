"""A shard in the making, record by record (Parquet goes by columns: see ingest)."""

from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from corpus_gov import shards
from corpus_gov.errors import IntegrityError
from corpus_gov.extract import Extracted, extract
from corpus_gov.schemas import DOCUMENTS
from corpus_gov.sources import Piece, Record
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
    suppressed: frozenset[str]
    entries: list[Entry] = field(default_factory=list)
    size: int = 0
    seen: dict[str, "_Seen"] = field(default_factory=dict)

    def judge(self, record: Record) -> Entry:
        """Tell what a record gives in this shard, without adding it.

        Raises:
            IntegrityError: bytes and URI that came before now give another text: one doc_id would mean two.
        """
        digest = None if record.payload is None else sha256(record.payload).hexdigest()
        if record.outcome == "evidence":
            return self._evidence(record, digest)
        if record.outcome != "document" or digest is None:
            return _entry(record, digest)
        identity = shards.doc_id(self.piece.source_id, record.uri, digest)
        if identity in self.suppressed:
            # The URI may be what the person asked to have erased.
            return _entry(replace(record, outcome="suppressed", uri=None), digest, identity)
        before = self.seen.get(identity)
        if before and before.reading == _reading(record):
            return _entry(replace(record, outcome="repeat"), digest, identity)
        found = extract(record)
        if found.reject:
            return _entry(replace(record, outcome="rejected", reason=found.reject), digest)
        if not found.text.strip():
            return _entry(replace(record, outcome="skipped", reason="no_text"), digest)
        if before:
            self._check_same(before, found, record)
            return _entry(replace(record, outcome="repeat"), digest, identity)
        size = len(found.text.encode()) + len((found.markup or "").encode())
        document = self._document(record, found, digest, identity)
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

    def _check_same(self, before: "_Seen", found: Extracted, record: Record) -> None:
        if found.text != before.text:
            raise IntegrityError(
                f"{self.piece.record_file}: the record at offset {record.offset!r} has bytes and URI of an earlier one "
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

    def _document(self, record: Record, found: Extracted, digest: str, identity: str) -> dict[str, Any]:
        made = {name: value for name, value in asdict(found).items() if name in DOCUMENTS.names}
        reference = record.values.get("delivery_ref")
        if record.type == "line" and not reference:
            reference = f"{self.piece.record_file}#{record.offset}"
        return made | {
            "doc_id": identity,
            "payload_digest": digest,
            "uri": record.uri,
            "fetched_at": record.fetched_at,
            "content_type": record.media_type,
            "delivery_ref": reference,
            "consent_ref": record.values.get("consent_ref"),
        }


_ADDED: Final = ("payload_digest", "doc_id")


def _reading(record: Record) -> tuple[str | None, str | None]:
    return record.media_type, record.charset


def _entry(record: Record, digest: str | None, identity: str | None = None, **rest: Any) -> Entry:
    capture = {column: getattr(record, name) for name, column in CAPTURED.items()}
    return Entry(capture | {"payload_digest": digest, "doc_id": identity}, **rest)
