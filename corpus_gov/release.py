"""Publish a release, or leave none: the order of writes is the design.

    claim -> clean -> manifest -> tree -> run.json -> vkey -> statement.json -> ledger entry -> tree, checkpoint
                                                                                              = commit
- Readers believe the ledger's checkpoint alone, so nothing above the last write exists for them.
- The claim lists every file before the first is written. Whoever finds it after a crash removes exactly
  those, and needs no listing to do so; then the number is used again.
- Files are written with `put_if_absent`: a process that slept through the end of its lease cannot replace
  a file of the release that its successor made under the same number.
- `recover` runs at every start, crash or not, so that its path is the usual one.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from corpus_gov import artefacts, merkle, published
from corpus_gov.entries import Entry
from corpus_gov.errors import IntegrityError, SchemaError, StoreError
from corpus_gov.lease import Lease
from corpus_gov.ledger import TREE, Ledger, Signer, dsse_sign, entry_name, statement
from corpus_gov.published import (
    CLAIM,
    COPY,
    RELEASE_PUBLISHED,
    RUN,
    STATEMENT,
    TREE_FILE,
    VKEY,
    place,
    releases,
    statement_of,
)
from corpus_gov.store import LocalStore, Store
from corpus_gov.verification import Report, balance, intact, verify

__all__ = [
    "Content",
    "Part",
    "Release",
    "Report",
    "publish",
    "recover",
    "releases",
    "statement_of",
    "verify",
]

POLICY: Final = ("name", "version", "digest")
"""Keys of run["policy"] that the statement repeats; all that it said stands in run.json, which the statement covers."""

COUNTS: Final = ("records", "captures", "documents", "dispositions")
"""Keys of run["counts"] that the statement repeats and `verify` recounts."""

ERASED: Final = "erased"
"""Key of run["counts"], repeated too where it is there: rows of documents that are erased and no shard holds."""


@dataclass(frozen=True)
class Part:
    """A finished table of the build cache, and the file of the release that it becomes."""

    name: str
    """clean/ or edits/<source_id>/<shard>.parquet, manifest/<number>.parquet or attribution/<source_id>/<shard>.txt"""
    artefact: str


@dataclass(frozen=True)
class Content:
    """What a release is made of.

    Attributes:
        clean: in any order.
        manifest: MANIFEST files; by name and inside of each, ascending in doc_id.
        tree: leaf hashes of all rows in that order, 32 bytes each.
        root: hex, over the tree.
        size: rows.
        attribution: text files of what is owed to whom, in any order.
        edits: EDITS files, what makes the clean documents of the stored ones, in any order.
        run: facts of the run; `counts` has COUNTS, `packs` and `policy` say what was in force.
    """

    clean: Sequence[Part]
    manifest: Sequence[Part]
    tree: bytes
    root: str
    size: int
    run: Mapping[str, Any]
    attribution: Sequence[Part] = ()
    edits: Sequence[Part] = ()


@dataclass(frozen=True)
class Release:
    """A committed release.

    Attributes:
        name: such as r0001.
        root: hex, of the manifest.
        size: rows of the manifest.
        checkpoint: the ledger's signed head that covers it; what to keep elsewhere.
    """

    name: str
    root: str
    size: int
    checkpoint: bytes


def publish(
    store: Store,
    lease: Lease,
    ledger: Ledger,
    signer: Signer,
    content: Content,
    *,
    actor: str = "pipeline",
    time: datetime | None = None,
) -> Release:
    """Write a release and commit it; `recover` must have run under the same lease.

    Memory: one part at a time, and the tree.

    Args:
        store: of the workspace; holds the parts too.
        lease: held by this process.
        ledger: of the same store.
        signer: the pipeline's key.
        content: what to publish; its files stay in the build cache.
        actor: who is said to have published it.
        time: written into the ledger; now by default.

    Raises:
        IntegrityError: counts do not balance, or a part is not what was built; nothing was committed.
        SchemaError: `run` lacks a fact that the statement needs.
        StoreError: the lease ended, or output was not durably written; run again.
    """
    _check(content)
    earlier = published.committed(ledger)
    parent = list(earlier)[-1] if earlier else None
    name = published.after(parent)
    files = [part.name for part in (*content.clean, *content.attribution, *content.edits, *content.manifest)]
    claim = {"release": name, "fencing": lease.fencing, "files": [*files, TREE_FILE, RUN, VKEY, STATEMENT]}
    lease.check()
    if not store.put_if_absent(place(name, CLAIM), artefacts.canonical(claim)):
        raise StoreError(f"{place(name, CLAIM)}: already there, expected none after recovery; run again")
    # If we crash from here on, `recover` finds the claim, removes what it lists, and the number is free again.
    rows: dict[str, int] = {}
    digests: dict[str, str] = {}
    cached = {
        part.name: part.artefact for part in (*content.clean, *content.manifest, *content.attribution, *content.edits)
    }
    for file, data in _files(store, signer, content, rows):
        digests[file] = _write(store, lease, place(name, file), data, cached.get(file))
    if sum(rows[part.name] for part in content.manifest) != content.size:
        raise IntegrityError(f"{place(name)}: manifest files hold {rows!r}, expected {content.size} rows; run again")
    before = earlier[parent].subject[place(parent, STATEMENT)] if parent else None
    stated = {"release": name, "root": content.root, "size": content.size, "parent": before}
    envelope = dsse_sign(statement(digests, _predicate(stated, content.run, rows)), signer)
    digest = _write(store, lease, place(name, STATEMENT), envelope)
    # At this point the release is complete and signed, and still nothing to a reader. A crash here discards it
    # like any above: without the ledger's entry nobody can have relied on it.
    entry = {place(name, STATEMENT): digest}
    when = time or datetime.now(UTC)
    lease.check()
    # The append writes the entry, then the ledger's tree, then the checkpoint. A crash between them leaves an
    # entry beyond the checkpoint: `recover` then finds all files whole, and signs what this call would have.
    # BUG: the lease is asked right before each of the last two writes, everything that they need being ready, and a
    # process can still sleep past it inside of the write, and put an older tree or checkpoint back: the store has no
    # write on condition of another object. Nothing is lost: see `_settle`.
    ledger.append(
        RELEASE_PUBLISHED, entry, stated,
        actor=actor, signer=signer, time=when, fencing=lease.fencing, still_alone=lease.check,
    )  # fmt: skip
    # At this point the release is committed. The copy below is a convenience; recovery writes a missing one.
    note = _export(store, ledger, name)
    return Release(name, content.root, content.size, note)


def recover(store: Store, lease: Lease, ledger: Ledger, signer: Signer) -> list[str]:
    """Finish or discard what an interrupted run left; called at every start, before anything is appended.

    Returns:
        One sentence for each thing done; empty after a clean end.

    Raises:
        IntegrityError: what is there was not left by a crash, such as a ledger cut behind a committed release.
        StoreError: the lease ended, or the store failed; run again.
    """
    lease.check()
    done = _settle(store, ledger, signer)
    committed = list(published.committed(ledger))
    last = committed[-1] if committed else None
    name = published.after(last)
    while _discard(store, name):
        done.append(f"{name}: discarded, its run was interrupted before the commit")
        name = published.after(name)
    if last and published.optional(store, place(last, COPY)) is None:
        _export(store, ledger, last)
        done.append(f"{last}: exported its checkpoint again")
    return done


def _check(content: Content) -> None:
    """Refuse content that `verify` would refuse, before anything is written."""
    facts = {*content.run} >= {"counts", "packs", "policy"} and {*content.run["counts"]} >= {*COUNTS}
    facts = facts and {*content.run["policy"]} >= {*POLICY}
    names = [part.name for part in (*content.clean, *content.manifest)]
    folders = [*(["clean"] * len(content.clean)), *(["manifest"] * len(content.manifest))]
    if not facts or [name.partition("/")[0] for name in names] != folders or len({*names}) != len(names):
        raise SchemaError(
            f"release: found run facts {sorted(content.run)!r} and parts {names!r}, expected as Content says"
        )
    found = merkle.root(content.tree).hex()
    rows = content.run["counts"]["documents"] + content.run["counts"].get(ERASED, 0)
    sizes = {merkle.size(content.tree), content.size, rows}
    if found != content.root or len(sizes) != 1:
        raise IntegrityError(
            f"release: the tree has root {found!r}, expected {content.root!r}; tree, manifest and documents have "
            f"{sorted(sizes)!r} rows, expected one number; nothing was written, run again"
        )
    balance(content.run["counts"], "release")


def _files(store: Store, signer: Signer, content: Content, rows: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield every file that the statement covers, in the order of writes, and note the rows of the tables."""
    for part in (*content.clean, *content.manifest):
        data = artefacts.read(store, part.artefact)
        rows[part.name] = _rows(data, part.artefact)
        yield part.name, data
    for part in (*content.attribution, *content.edits):
        yield part.name, artefacts.read(store, part.artefact)
    yield TREE_FILE, content.tree
    yield RUN, artefacts.canonical(content.run)
    yield VKEY, f"{signer.vkey}\n".encode()


def _rows(data: bytes, artefact: str) -> int:
    try:
        return int(pq.read_metadata(io.BytesIO(data)).num_rows)
    except pa.ArrowInvalid as error:
        raise IntegrityError(f"{artefact}: is no Parquet file; remove it and run again, it is built anew") from error


def _predicate(stated: Mapping[str, Any], run: Mapping[str, Any], rows: Mapping[str, int]) -> dict[str, Any]:
    return {
        **stated,
        "counts": {key: run["counts"][key] for key in (*COUNTS, ERASED) if key in run["counts"]},
        "packs": run["packs"],
        "policy": {key: run["policy"][key] for key in POLICY},
        "provisional": bool(run.get("provisional", False)),
        "rows": dict(rows),
    }


def _write(store: Store, lease: Lease, name: str, data: bytes, source: str | None = None) -> str:
    lease.check()
    # What lies in the build cache as it is needs no second copy: neither of a release, nor of the next one.
    if source is not None and isinstance(store, LocalStore) and store.share(source, name):
        # It was held against this when it was read.
        return artefacts.digest(store, source)
    if not store.put_if_absent(name, data) and store.read(name) != data:
        raise StoreError(f"{name}: another process wrote it, expected this run to be alone; run again")
    return sha256(data).hexdigest()


def _export(store: Store, ledger: Ledger, name: str) -> bytes:
    note = ledger.checkpoint()
    if note is None:
        raise IntegrityError(f"{name}: committed, and the ledger has no checkpoint; restore it from a copy")
    store.put(place(name, COPY), note)
    return note


def _settle(store: Store, ledger: Ledger, signer: Signer) -> list[str]:
    """Finish the append that a crash cut off after its entry, or take the entry back."""
    size = sum(1 for _ in ledger.entries())
    raw = published.optional(store, entry_name(size))
    if raw is None:
        return []
    if published.optional(store, entry_name(size + 1)) is not None:
        raise IntegrityError(
            f"{entry_name(size + 1)}: two entries lie beyond the checkpoint, a crash leaves one at most; an older "
            "checkpoint was put back: restore the newest"
        )
    entry = Entry.parse(raw, ledger.origin, size, entry_name(size))
    name = entry.data.get("release") if entry.type == RELEASE_PUBLISHED else None
    if name is None or intact(store, name, entry, signer.vkey):
        ledger.finish(signer)
        return [f"{name or entry_name(size)}: finished, its run was interrupted between ledger entry and checkpoint"]
    entry.verify({signer.verifier.reference: signer.verifier}, signer.verifier, entry_name(size))
    _take_back(store, name, size)
    return [f"{entry_name(size)}: taken back, files of {name} are damaged and no checkpoint covered it"]


def _take_back(store: Store, name: str, index: int) -> None:
    """Remove an entry that no checkpoint ever covered and whose release is damaged."""
    _refuse_committed(store, name)
    # Tree before entry, so that the tree is at every moment that of the checkpoint or of all entries.
    tree = published.optional(store, TREE) or b""
    store.put(TREE, tree[: index * merkle.WIDTH])
    store.delete(entry_name(index))


def _discard(store: Store, name: str) -> bool:
    raw = published.optional(store, place(name, CLAIM))
    if raw is None:
        return False
    _refuse_committed(store, name)
    try:
        files = [place(name, file) for file in json.loads(raw)["files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{place(name, CLAIM)}: lists no files; it was not written by corpus_gov") from error
    for file in files:
        store.delete(file)
    # The claim goes last: as long as files may be left, it says which.
    store.delete(place(name, CLAIM))
    return True


def _refuse_committed(store: Store, name: str) -> None:
    if published.optional(store, place(name, COPY)) is not None:
        raise IntegrityError(
            f"{place(name)}: was committed once, and the ledger does not name it; the ledger was cut or an older one "
            "put back: restore it, nothing was removed"
        )
