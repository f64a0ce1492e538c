"""Bytes of input files to records; one module a format, none of which decides what becomes of a document."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

MAX_RECORD_BYTES: Final = 256 << 20
"""A longer record, line or decoded body is rejected as `too_large`: one record must fit into a worker."""

FIELDS: Final = (
    "text", "uri", "title", "author", "published_at", "fetched_at", "licence", "consent_ref", "delivery_ref", "parts",
)  # fmt: skip
"""What a field map may name; an unmapped name stands for itself, but for `parts`: a list of documents in one row."""

_UNFIT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Piece:
    """What one worker reads: a file, a range of a Parquet file's row groups, a member of a zip, or a bundle of them."""

    source_id: str
    path: str
    record_file: str
    """Logical, source-relative name with `/`, and `!/` before the name of a member; goes into tables, unlike `path`."""
    file_digest: str
    """Of the file as found; of a bundle, over those of its files."""
    format: str
    """warc, jsonl, json, parquet, html, text, bundle, unknown, or `refused:` and why the file is not read."""
    fields: tuple[tuple[str, str], ...] = ()
    """Pairs of our name and the delivery's; a dot in the latter descends into an object."""
    first: int = 0
    """First row group (Parquet)."""
    count: int | None = None
    """Row groups (Parquet); null: the whole file."""
    base_uri: str | None = None
    """Of the dossier: where files that are one record each were served."""
    member: int | None = None
    """Number of the member in the zip at `path`."""
    size: int = 0
    """Bytes to read, about: small files are read together."""
    members: tuple["Piece", ...] = ()
    """Of a bundle."""
    originals: tuple[tuple[bytes, str, int, int], ...] | None = None
    """Of an archive with revisits: keys of what they refer to, with path, offset and ordinal; null: not looked for."""
    stamp: tuple[int, int] | None = None
    """Size and time of change (ns) when the digest was taken; null: not looked at."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a source found it: where it lies, and what it carries or why it carries nothing."""

    offset: int
    """Bytes into the file; of a compressed JSONL file, into what it decompresses to."""
    length: int
    type: str
    outcome: str = "document"
    """What the source can tell: document (carries text), evidence, skipped or rejected."""
    reason: str | None = None
    """The class of a skipped or rejected record; the kind of evidence."""
    fetched_at: datetime | None = None
    uri: str | None = None
    http_status: int | None = None
    headers_digest: str | None = None
    payload: bytes | None = None
    """The body after transfer- and content-decoding; the line, element or file."""
    media_type: str | None = None
    charset: str | None = None
    """The label in the HTTP header."""
    headers: tuple[tuple[str, str], ...] = ()
    """HTTP headers that speak of rights, lower-case names, in a fixed order."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Of a delivery: the mapped fields; of a file: what its front matter says."""
    part: int = 0
    """0 for the record itself, 1… for further documents in it."""
    shape: str | None = None
    """How the fields were found where no map names them: see `fields.Names`."""
    stated: tuple[str, ...] = ()
    """Lines about rights that stand outside of the payload, as `markup` has them."""


def storable(text: str) -> str:
    """Replace NUL and lone surrogates, which Arrow text or its readers refuse, by U+FFFD."""
    try:
        # An order of magnitude faster than a search for surrogates, which hardly any text has.
        text.encode()
    except UnicodeEncodeError:
        return _UNFIT.sub("\ufffd", text)
    return text.replace("\x00", "\ufffd")


def instant(value: object) -> datetime | None:
    """Read an ISO 8601 time; without an offset it counts as UTC, and what is no time is null."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError):
        # The first or last day of the calendar, moved across its end by an offset.
        return None
