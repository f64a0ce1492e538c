"""A release without some documents: new files beside the old ones, and the amendment that puts them in force.

Files of a release that hold rows of a document by its doc_id are written anew without them: clean documents, edits, and
the manifest unless its rows are to stay. Attribution files are made of the clean ones. Each old file is compared with
its digest first: an amendment must never vouch for what somebody else has changed. A table that several releases have
is filtered once, and what it becomes gets one more name for each of them.

Memory: one file, and 48 bytes a row of the manifest.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import artefacts, manifest, notices, published
from corpus_gov.amendments import FOLDER, Amended
from corpus_gov.entries import Entry
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.published import STATEMENT, place
from corpus_gov.recount import decode_manifest, read_checked
from corpus_gov.signatures import AMENDMENT_TYPE, Signer, dsse_sign, statement
from corpus_gov.store import LocalStore, Store
from corpus_gov.workspace import Workspace

_NAMED: Final = re.compile(r"(?P<stem>.+?)(?:\.e[0-9]{4,})?\.(?P<ending>parquet|txt)")


@dataclass(frozen=True)
class Made:
    """What a table of a release became.

    Attributes:
        name: of the new table in the store; "" where the old one holds nothing of the documents.
        digest: its SHA-256, hex.
        rows: that it has.
        gone: doc_ids of the rows that it has no more.
    """

    name: str = ""
    digest: str = ""
    rows: int = 0
    gone: tuple[str, ...] = ()


Known = dict[str, Made]
"""What tables became, by the SHA-256 of the old ones; of one erasure, for all of its releases."""


@dataclass
class _Work:
    """What is written for one release."""

    store: Store
    name: str
    erasure: str
    amended: Amended
    doc_ids: pa.Array
    written: Callable[[str], None]
    known: Known
    replaced: list[dict[str, Any]] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    leaves: list[dict[str, Any]] = field(default_factory=list)
    dispositions: Counter[str] = field(default_factory=Counter)
    purged: list[str] = field(default_factory=list)
    """Doc_ids, and at last leaves, of clean documents that are gone."""
    orphans: int = 0
    """Rows that stay and whose representative goes, where there was none before."""
    ids: list[np.ndarray] = field(default_factory=list)
    represented: list[np.ndarray] = field(default_factory=list)

    def put(self, file: str, data: bytes, rows: int | None) -> tuple[str, str]:
        """Write what takes the place of a file; returns its name and digest."""
        by = _renamed(file, self.erasure)
        self.written(by)
        self.store.put(by, data)
        return self._note(file, by, sha256(data).hexdigest(), rows)

    def share(self, file: str, made: Made) -> None:
        """Let what took the place of the same table in another release take the place of a file."""
        by = _renamed(file, self.erasure)
        self.written(by)
        if not isinstance(self.store, LocalStore) or not self.store.share(made.name, by):
            self.store.put(by, self.store.read(made.name))
        self._note(file, by, made.digest, made.rows)

    def _note(self, file: str, by: str, digest: str, rows: int | None) -> tuple[str, str]:
        inside = len(place(self.name))
        self.digests[by[inside:]] = digest
        self.replaced.append(
            {"name": file[inside:], "sha256": self.amended.files[file], "by": by[inside:], "rows": rows}
        )
        return by, digest


@dataclass(frozen=True)
class Amendment:
    """An amendment that was written; it counts once the ledger names it.

    Attributes:
        name: in the store.
        digest: SHA-256, hex.
        statement: SHA-256, hex, of the release's statement.
        rows: manifest rows that are gone.
        purged: clean documents that are gone while their rows stay.
    """

    name: str
    digest: str
    statement: str
    rows: int
    purged: int


def amend(
    workspace: Workspace,
    name: str,
    doc_ids: pa.Array,
    erasure: str,
    index: int,
    *,
    keep_rows: bool,
    written: Callable[[str], None],
    known: Known,
) -> Amendment | None:
    """Write the files of a release without some documents, and the amendment.

    Args:
        workspace: an open workspace.
        name: the release.
        doc_ids: string.
        erasure: its number.
        index: of the ledger's entry that will name the amendment.
        keep_rows: leave the manifest as it is.
        written: told each name before it is written.
        known: what tables became in other releases by this erasure; takes in those of this one.

    Returns:
        None where the release holds nothing of the documents.

    Raises:
        IntegrityError: a file of the release is not what was sealed; restore it first.
    """
    store = workspace.store
    entry = published.committed(workspace.ledger())[name]
    body = published.decode(published.read_statement(store, name, entry))
    work = _Work(store, name, erasure, published.amended(store, name), doc_ids, written, known)
    if not keep_rows:
        _manifest(work)
    _tables(work)
    if not work.replaced:
        return None
    work.purged = _leaves_of(work) if keep_rows else []
    return _sign(work, entry, body["predicate"], index, workspace.signer(), keep_rows=keep_rows)


def _sign(
    work: _Work, entry: Entry, stated: Mapping[str, Any], index: int, signer: Signer, *, keep_rows: bool
) -> Amendment:
    sealed = entry.subject[place(work.name, STATEMENT)]
    said = {
        **{key: stated[key] for key in ("release", "root", "size")},
        "statement": sealed,
        "amendment": f"{len(work.amended.names) + 1:03d}",
        "erasure": work.erasure,
        "entry": index,
        "replaced": work.replaced,
        "leaves": work.leaves,
        "purged": sorted(work.purged),
        "dispositions": dict(work.dispositions),
        "orphans": work.amended.orphans if keep_rows else _orphans(work),
    }
    envelope = dsse_sign(statement(work.digests, said, AMENDMENT_TYPE), signer)
    file = place(work.name, f"{FOLDER}{said['amendment']}.json")
    work.written(file)
    work.store.put(file, envelope)
    return Amendment(file, sha256(envelope).hexdigest(), sealed, len(work.leaves), len(work.purged))


def _manifest(work: _Work) -> None:
    """Write the manifest's files without the rows, and note their leaves; tombstones stay."""
    first = 0
    for file, digest in work.amended.files.items():
        if not file.startswith(place(work.name, "manifest/")):
            continue
        table = decode_manifest(read_checked(work.store, file, digest), file)
        gone = pc.and_(pc.is_in(table["doc_id"], value_set=work.doc_ids), pc.is_valid(table["payload_digest"]))
        at = np.flatnonzero(np.asarray(gone))
        kept = table.filter(pc.invert(gone))
        if len(at):
            rows = table.take(pa.array(at))
            work.leaves += [
                {"index": manifest.place_of(first + one, work.amended.leaves), "hash": leaf}
                for one, leaf in zip(at.tolist(), rows["leaf_hash"].to_pylist(), strict=True)
            ]
            work.dispositions.update(rows["disposition"].to_pylist())
            work.put(file, artefacts.encode(kept), kept.num_rows)
        first += table.num_rows
        if work.amended.orphans:
            work.ids.append(_names(kept["doc_id"]))
            work.represented.append(_names(kept["representative_id"].drop_null()))
        else:
            # Every representative is there but for those that go now, so no id of the release has to be looked at.
            lost = pc.is_in(kept["representative_id"].drop_null(), value_set=work.doc_ids)
            work.orphans += pc.sum(lost).as_py() or 0


def _tables(work: _Work) -> None:
    """Write every other table that has rows of the documents, and the attribution files that belong to it."""
    for file, digest in work.amended.files.items():
        if not file.endswith(".parquet") or file.startswith(place(work.name, "manifest/")):
            continue
        data = read_checked(work.store, file, digest)
        made = work.known.get(digest)
        if made is None:
            made = work.known[digest] = _filtered(work, file, data)
        elif made.gone:
            work.share(file, made)
        if made.gone and file.startswith(place(work.name, "clean/")):
            work.purged += made.gone
            _attribution(work, file, made)


def _filtered(work: _Work, file: str, data: bytes) -> Made:
    """Write a table without the rows of the documents."""
    if "doc_id" not in pq.read_schema(pa.BufferReader(data)).names:
        return Made()
    ids = artefacts.decode(data, ["doc_id"])["doc_id"]
    gone = pc.is_in(ids, value_set=work.doc_ids)
    if not pc.any(gone, min_count=0).as_py():
        return Made()
    kept = artefacts.decode(data).filter(pc.invert(gone))
    name, digest = work.put(file, artefacts.encode(kept), kept.num_rows)
    return Made(name, digest, kept.num_rows, tuple(ids.filter(gone).to_pylist()))


def _attribution(work: _Work, clean: str, made: Made) -> None:
    page = _stem(clean).replace(place(work.name, "clean/"), place(work.name, "attribution/"), 1)
    for file, digest in work.amended.files.items():
        if _stem(file) == page:
            read_checked(work.store, file, digest)
            kept = artefacts.decode(work.store.read(made.name), list(notices.COLUMNS))
            work.put(file, notices.page(kept), None)


def _leaves_of(work: _Work) -> list[str]:
    """Return the leaves of the rows whose clean documents are gone."""
    gone, leaves = pa.array(work.purged, pa.string()), list[str]()
    for file, digest in work.amended.files.items():
        if file.startswith(place(work.name, "manifest/")):
            rows = artefacts.decode(read_checked(work.store, file, digest), ["doc_id", "leaf_hash"])
            leaves += rows.filter(pc.is_in(rows["doc_id"], value_set=gone))["leaf_hash"].to_pylist()
    return leaves


def _orphans(work: _Work) -> int:
    """Count rows whose representative the manifest does not hold any more."""
    if not work.amended.orphans:
        return work.orphans
    ids, named = np.concatenate(work.ids), np.concatenate(work.represented)
    return int(np.count_nonzero(~np.isin(named, ids)))


def _names(column: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = hex_bytes(column, 16).reshape(-1).view("S16")
    return found


def _stem(file: str) -> str:
    found = _NAMED.fullmatch(file)
    return found["stem"] if found else file


def _renamed(file: str, erasure: str) -> str:
    return f"{_stem(file)}.e{erasure}.{file.rpartition('.')[2]}"
