"""Which releases there are, and what they say of themselves.

A release is committed when the ledger, up to its signed checkpoint, names its statement. A folder under
releases/ says nothing by itself. Everything here reads; whether it is true is the question of `verification`.
"""

import base64
import binascii
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.ledger import CHECKPOINT, Ledger, entry_name
from corpus_gov.store import Missing, Span, Store

if TYPE_CHECKING:
    from corpus_gov.amendments import Amended

RELEASE_PUBLISHED: Final = "release_published"
"""Type of the entry that commits a release; subject: its statement; data: release, root, size, parent."""

BATCH_INGESTED: Final = "batch_ingested"
"""Type of the entry that makes shards count; subject: the batch file that names them."""

DOCUMENTS_ERASED: Final = "documents_erased"
"""Type of the entry by which documents are gone; subject: the erasure's record and every amendment of a release."""

STATEMENT: Final = "statement.json"
CLAIM: Final = "claim"
TREE_FILE: Final = "tree"
RUN: Final = "run.json"
VKEY: Final = "vkey"
COPY: Final = "checkpoint.txt"
"""The ledger's checkpoint right after the commit, to keep elsewhere; outside the statement, since it is younger."""


def place(name: str, file: str = "") -> str:
    """Name a file of a release in the store."""
    return f"releases/{name}/{file}"


def after(name: str | None) -> str:
    """Name the release that follows `name`; r0001 follows None."""
    return f"r{int(name[1:]) + 1 if name else 1:04d}"


def numbered(erasure: int) -> str:
    """Name an erasure by its number, from 1."""
    return f"{erasure:04d}"


def record_of(erasure: int) -> str:
    """Name the record of an erasure in the store: what it did, which shards took the place of which."""
    return f"erasures/{numbered(erasure)}.json"


def plan_of(erasure: int) -> str:
    """Name the plan of an erasure in the store: there from before its first write until after its last."""
    return f"erasures/{numbered(erasure)}.plan.json"


def recorded(entry: Entry) -> list[tuple[str, str]]:
    """Return name and digest of the objects that say which shards there are, of an entry that is about shards."""
    only_record = entry.type == DOCUMENTS_ERASED
    return [item for item in entry.subject.items() if not only_record or item[0].startswith("erasures/")]


def optional(store: Store, name: str, span: Span | None = None) -> bytes | None:
    """Read an object that need not be there, or a span of it."""
    try:
        return store.read(name, span)
    except Missing:
        return None


def open_ledger(store: Store) -> Ledger | None:
    """Open the store's ledger under the origin that it states; None when nothing was ever written to it.

    Raises:
        IntegrityError: the first entry does not say its origin.
    """
    note = optional(store, CHECKPOINT)
    if note is not None:
        return Ledger(store, note.split(b"\n", 1)[0].decode(errors="replace"))
    first = optional(store, entry_name(0))
    if first is None:
        return None
    try:
        return Ledger(store, str(json.loads(first)["origin"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{entry_name(0)}: names no origin; it was changed: restore it from a copy") from error


def committed(ledger: Ledger) -> dict[str, Entry]:
    """Return the entry that commits each release, oldest first.

    Raises:
        IntegrityError: an entry is missing or malformed, or releases do not follow each other.
    """
    found: dict[str, Entry] = {}
    last: str | None = None
    for entry in ledger.entries():
        if entry.type == RELEASE_PUBLISHED:
            name = entry.data.get("release")
            if name != after(last) or list(entry.subject) != [place(name, STATEMENT)]:
                raise IntegrityError(
                    f"{entry_name(entry.index)}: publishes {name!r} with {sorted(entry.subject)!r}, expected "
                    f"{after(last)!r} with its statement; it was not written by corpus_gov"
                )
            found[name] = entry
            last = name
    return found


def releases(store: Store) -> list[str]:
    """Name the committed releases, oldest first; errors as for `committed`."""
    ledger = open_ledger(store)
    return [] if ledger is None else list(committed(ledger))


def statement_of(store: Store, name: str) -> dict[str, str]:
    """Return the SHA-256, hex, of every file of a release as erasures left it, by its name in the store.

    Raises:
        ConfigError: no such release is committed.
        IntegrityError: its statement, or an amendment, is not the one that the ledger names.
    """
    return amended(store, name).files


def amended(store: Store, name: str) -> "Amended":
    """Return a release as erasures left it, signatures not looked at; errors as for `statement_of`."""
    from corpus_gov import amendments  # noqa: PLC0415 - imports this module

    ledger = open_ledger(store)
    entries = committed(ledger) if ledger else {}
    if ledger is None or name not in entries:
        raise ConfigError(f"release {name!r}: not committed, expected one of {list(entries)!r}; name one of those")
    body = decode(read_statement(store, name, entries[name]))
    erasures = (entry for entry in ledger.entries() if entry.type == DOCUMENTS_ERASED)
    return amendments.in_force(store, erasures, name, body)


def read_statement(store: Store, name: str, entry: Entry) -> bytes:
    """Return the statement's envelope as the ledger names it.

    Raises:
        IntegrityError: it is missing, or another one.
    """
    file = place(name, STATEMENT)
    raw = optional(store, file)
    found = None if raw is None else sha256(raw).hexdigest()
    if raw is None or found != entry.subject.get(file):
        raise IntegrityError(
            f"{file}: SHA-256 is {found!r}, entry {entry.index} of the ledger says {entry.subject.get(file)!r}; "
            "it was changed or removed after the commit: restore it from a copy"
        )
    return raw


def decode(envelope: bytes) -> dict[str, Any]:
    """Decode the statement of an envelope whose digest is known; its signature is not looked at."""
    try:
        body: dict[str, Any] = json.loads(base64.b64decode(json.loads(envelope)["payload"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise IntegrityError(f"statement: no envelope ({type(error).__name__}); it was changed or cut") from error
    return body


def subjects(body: dict[str, Any], name: str) -> dict[str, str]:
    """Return the digests that a statement gives, by the files' names in the store, ascending.

    Raises:
        IntegrityError: it is not of the form that `release` writes.
    """
    try:
        return {place(name, item["name"]): item["digest"]["sha256"] for item in body["subject"]}
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"{place(name, STATEMENT)}: names no files; it was not written by corpus_gov") from error
