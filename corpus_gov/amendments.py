"""Amendments: what an erasure changed in a release, signed, and named by the ledger.

A release's statement is never written again. An amendment says which of its files another one took the place of, and
which leaves of the tree have no row any more; it counts once an entry DOCUMENTS_ERASED names its digest. So a file of a
release is right when it is what the statement says, or what the last of a chain of amendments says.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from corpus_gov import published
from corpus_gov.entries import Entry
from corpus_gov.errors import IntegrityError
from corpus_gov.published import DOCUMENTS_ERASED, STATEMENT, place
from corpus_gov.store import Store

FOLDER: Final = "amendments/"

_KEYS: Final = {
    "release": str, "root": str, "size": int, "statement": str, "amendment": str, "erasure": str, "entry": int,
    "replaced": list, "leaves": list, "purged": list, "dispositions": dict, "orphans": int,
}  # fmt: skip
"""Members of an amendment's predicate; docs/manifest-format.md says what they mean."""

Opened = Callable[[bytes, Entry, str], dict[str, Any]]
"""Reads an envelope that an entry names; the last argument is its name, for messages."""


@dataclass
class Amended:
    """A release as erasures left it.

    Attributes:
        files: SHA-256, hex, of the files in force, by their names in the store, in the order of the statement.
        rows: of the tables among them, by name inside the release.
        erased: hash, hex, by index of the leaves whose rows are gone.
        purged: hashes, hex, of leaves whose row is there and whose clean document is gone.
        dispositions: of the rows that are gone.
        orphans: rows whose representative is gone.
        names: of the amendments in the store, oldest first.
        replaced: names in the store of files that others took the place of.
        erasures: their numbers, one for each amendment.
    """

    files: dict[str, str]
    rows: dict[str, int]
    erased: dict[int, str] = field(default_factory=dict)
    purged: set[str] = field(default_factory=set)
    dispositions: Counter[str] = field(default_factory=Counter)
    orphans: int = 0
    names: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    erasures: list[str] = field(default_factory=list)

    @property
    def leaves(self) -> list[int]:
        """Return the leaves whose rows are gone, ascending."""
        return sorted(self.erased)


def decoded(raw: bytes, entry: Entry, where: str) -> dict[str, Any]:  # noqa: ARG001 - an Opened
    """Read an envelope without a look at its signature: the ledger names its digest."""
    return published.decode(raw)


def in_force(
    store: Store, erasures: Iterable[Entry], name: str, statement: Mapping[str, Any], opened: Opened = decoded
) -> Amended:
    """Apply to a release the amendments that the ledger names.

    Args:
        store: of the workspace.
        erasures: entries DOCUMENTS_ERASED, oldest first.
        name: the release.
        statement: its statement.
        opened: reads an amendment; checks its signature where that is asked for.

    Raises:
        IntegrityError: an amendment is missing, was changed, or does not fit to what was there before; names it.
    """
    found = Amended(published.subjects(dict(statement), name), dict(statement["predicate"].get("rows", {})))
    for entry in erasures:
        for file, digest in sorted(entry.subject.items()):
            if file.startswith(place(name, FOLDER)):
                body = opened(_read(store, file, digest, entry), entry, file)
                _apply(found, _predicate(body, file), published.subjects(body, name), file)
                _check(found, body["predicate"], entry, name, statement["predicate"], file)
    return found


def statement_digest(erased: Entry, name: str) -> str | None:
    """Return what an entry says of a release's statement; None where it did not touch the release."""
    return erased.subject.get(place(name, STATEMENT))


def _read(store: Store, file: str, digest: str, entry: Entry) -> bytes:
    raw = published.optional(store, file)
    found = None if raw is None else sha256(raw).hexdigest()
    if raw is None or found != digest:
        raise IntegrityError(
            f"{file}: SHA-256 is {found!r}, entry {entry.index} of the ledger says {digest!r}; "
            "the amendment was changed or removed: restore it from a copy"
        )
    return raw


def _predicate(statement: Mapping[str, Any], file: str) -> dict[str, Any]:
    said = statement.get("predicate")
    if not isinstance(said, dict) or any(type(said.get(key)) is not kind for key, kind in _KEYS.items()):
        raise IntegrityError(f"{file}: no amendment with {', '.join(_KEYS)}; it was not written by corpus_gov")
    return said


def _apply(found: Amended, said: Mapping[str, Any], digests: Mapping[str, str], file: str) -> None:
    name = said["release"]
    try:
        changes = {place(name, one["name"]): one for one in said["replaced"]}
        for old, one in changes.items():
            if found.files.get(old) != one["sha256"]:
                raise IntegrityError(
                    f"{file}: replaces {old!r} of SHA-256 {one['sha256']!r}, the release has {found.files.get(old)!r}; "
                    "it is no amendment of this release"
                )
            found.rows.pop(one["name"], None)
            if one["rows"] is not None:
                found.rows[one["by"]] = one["rows"]
        found.files = dict(_renamed(found.files, changes, digests, name))
        for leaf in said["leaves"]:
            if not 0 <= leaf["index"] < said["size"] or leaf["index"] in found.erased:
                raise IntegrityError(f"{file}: erases leaf {leaf['index']!r}, which is not there; it is forged")
            found.erased[leaf["index"]] = leaf["hash"]
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"{file}: is cut ({type(error).__name__}); it was not written by corpus_gov") from error
    found.purged |= set(said["purged"])
    found.dispositions.update(said["dispositions"])
    found.orphans = said["orphans"]
    found.names.append(file)
    found.replaced += changes
    found.erasures.append(said["erasure"])


def _renamed(
    files: Mapping[str, str], changes: Mapping[str, Mapping[str, Any]], digests: Mapping[str, str], name: str
) -> Iterable[tuple[str, str]]:
    """Put each new file in the place of the old one."""
    for file, digest in files.items():
        if file in changes:
            by = place(name, changes[file]["by"])
            yield by, digests[by]
        else:
            yield file, digest


def _check(
    found: Amended, said: Mapping[str, Any], entry: Entry, name: str, stated: Mapping[str, Any], file: str
) -> None:
    """Hold what an amendment says of itself against where it stands."""
    expected = {
        "release": name,
        "root": stated["root"],
        "size": stated["size"],
        "statement": statement_digest(entry, name),
        "amendment": f"{len(found.names):03d}",
        "entry": entry.index,
    }
    differs = sorted(key for key, value in expected.items() if said[key] != value)
    if differs or file != place(name, f"{FOLDER}{said['amendment']}.json") or entry.type != DOCUMENTS_ERASED:
        raise IntegrityError(
            f"{file}: states another {' and '.join(differs) or 'place'} than entry {entry.index} of the ledger and the "
            "release; it is the amendment of another one"
        )
