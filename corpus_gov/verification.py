"""Is a release what was signed? Every claim is checked against the next one, down to the single document.

    checkpoint -> ledger entry -> statement -> files -> tree -> manifest rows -> clean documents

Where documents were erased, signed amendments stand between statement and files: a file that another one took the place
of, and a leaf without a row, are accepted under one that the ledger names, and never otherwise.

An error names the file or document. What a check rests on that cannot be checked from the workspace itself
is listed in `Report.trusted`: the rest of the answer is as good as those assumptions.

Memory: one file at a time, its Parquet decoded, and 32 bytes a document for the tree, then 48 bytes for each
released document.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corpus_gov import amendments, manifest, merkle, published, schemas
from corpus_gov.amendments import Amended
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.keyring import Keyring
from corpus_gov.ledger import TREE, Ledger, dsse_verify
from corpus_gov.published import BATCH_INGESTED, COPY, DOCUMENTS_ERASED, RUN, STATEMENT, TREE_FILE, VKEY, place
from corpus_gov.recount import Rows, check_clean, check_represented, manifest_files, needed, read_checked
from corpus_gov.signatures import AMENDMENT_TYPE, Verifier
from corpus_gov.store import Store


@dataclass(frozen=True)
class Report:
    """What `verify` established; where something does not hold it raises instead.

    Attributes:
        release: the release.
        root: hex, of its manifest.
        size: rows of its manifest.
        counts: rows by disposition.
        checks: name, whether it was done, and what it covered.
        trusted: what had to be taken on trust, one sentence each.
        erased: rows that are gone, under amendments; `counts` are of those that are left.
        unfinished: erasures that were begun and are not done, one sentence each; the next command that writes finishes
            them. The release is whole all the same.
    """

    release: str
    root: str
    size: int
    counts: Mapping[str, int]
    checks: list[tuple[str, bool, str]]
    trusted: list[str]
    erased: int = 0
    unfinished: tuple[str, ...] = ()


def verify(
    store: Store, name: str | None = None, vkey: str | None = None, known: Sequence[bytes] = (), *, deep: bool = True
) -> Report:
    """Check a release against the ledger, and the ledger against what is known of it elsewhere.

    Args:
        store: of the workspace.
        name: the release; the newest by default.
        vkey: the pipeline's public key as kept elsewhere, now or before a rotation; without it the workspace's own copy
            is used, and said so.
        known: checkpoints as kept elsewhere; without them rollback and fork are not excluded, and it is said so.
        deep: also hash every manifest row and every clean document again.

    Raises:
        IntegrityError: something does not hold; names the file or doc_id.
        ConfigError: no such release, or vkey is malformed.
    """
    found = sealed(store, name, vkey, known)
    name, predicate, files, amended = found.name, found.predicate, found.files, found.amended
    read_below = tuple(place(name, part) for part in ("manifest/", "clean/", TREE_FILE))
    for file, digest in files.items():
        if not file.startswith(read_below):
            read_checked(store, file, digest)
    rows = _check_manifest(store, found, deep=deep)
    balance(predicate["counts"], place(name, STATEMENT))
    counts = _check_counts(store, name, predicate, rows, amended)
    batches = _check_batches(store, found.ledger, name, found.entry)
    documents = check_clean(store, name, files, rows, deep=deep)
    represented = check_represented(name, rows, amended.orphans)
    stated, skipped = predicate["counts"], "not looked at, only the digests of the files"
    left = predicate["size"] - len(amended.erased)
    return Report(
        release=name,
        root=predicate["root"],
        size=predicate["size"],
        counts=counts,
        checks=[
            *found.checks,
            ("files", True, f"{len(files)} files have the digests of the statement{_and_amendments(amended)}"),
            ("manifest", deep, f"{left} rows{_and_leaves(amended)} hash to the root" if deep else skipped),
            ("batches", True, f"{batches} batches of the ledger hold the shards that the run names"),
            ("conservation", True, f"{stated['records']} records, {stated['documents']} documents, all accounted for"),
            ("clean", deep, f"{documents} documents are what the manifest says" if deep else skipped),
            ("duplicates", True, f"{represented} dropped copies, each with its released representative"),
        ],
        trusted=found.trusted,
        erased=len(amended.erased),
        unfinished=tuple(_unfinished(store, found.ledger, amended)),
    )


@dataclass(frozen=True)
class Sealed:
    """A release whose statement is what the ledger names and the pipeline signed; its files were not looked at.

    Attributes:
        name: the release.
        ledger: that names it.
        entry: index of the entry that does.
        predicate: of its statement.
        amended: what erasures made of its files.
        checks: as in `Report`.
        trusted: as in `Report`.
    """

    name: str
    ledger: Ledger
    entry: int
    predicate: Mapping[str, Any]
    amended: Amended
    checks: list[tuple[str, bool, str]]
    trusted: list[str]

    @property
    def files(self) -> Mapping[str, str]:
        """Return the SHA-256, hex, of its files in force, by their names in the store."""
        return self.amended.files


def sealed(store: Store, name: str | None, vkey: str | None, known: Sequence[bytes]) -> Sealed:
    """Follow the chain from the public key to a release's statement; arguments and errors as for `verify`."""
    ledger = published.open_ledger(store)
    entries = published.committed(ledger) if ledger else {}
    name = _chosen(store, name, list(entries))
    if ledger is None:
        raise IntegrityError(f"ledger: missing, {name!r} is named by none; restore it from a copy")
    log = ledger.verify(vkey or _own_key(store, name), known)
    copies = _check_copies(store, ledger, log.keys, log.size, name)
    index = entries[name].index
    body = dsse_verify(
        published.read_statement(store, name, entries[name]), log.keys.at(index).vkey, place(name, STATEMENT)
    )
    _check_statement(name, body["predicate"], entries)
    amended = _amended(store, ledger, name, body, log.keys)
    checks = [
        ("ledger", True, f"{log.size} signed entries; extends {log.known} known and {copies} exported checkpoints"),
        ("statement", True, f"signed, and named by entry {index} of the ledger"),
    ]
    if amended.names:
        what = f"{len(amended.erased)} rows erased, {len(amended.purged)} clean documents purged"
        checks.append(("amendments", True, f"{len(amended.names)} signed, and named by the ledger: {what}"))
    trusted = list(_trusted(vkey, log.warnings))
    return Sealed(name, ledger, index, body["predicate"], amended, checks, trusted)


def _amended(store: Store, ledger: Ledger, name: str, statement: Mapping[str, Any], keys: Keyring) -> Amended:
    """Read the amendments of a release, each signed by the key that the pipeline had, and the records of erasures."""
    erasures = [entry for entry in ledger.entries() if entry.type == DOCUMENTS_ERASED]
    for entry in erasures:
        for file, digest in published.recorded(entry):
            read_checked(store, file, digest)
    return amendments.in_force(
        store, erasures, name, statement,
        lambda raw, entry, where: dsse_verify(raw, keys.at(entry.index).vkey, where, AMENDMENT_TYPE),
    )  # fmt: skip


def _unfinished(store: Store, ledger: Ledger, amended: Amended) -> Iterator[str]:
    """Name erasures that a crash cut off: before its entry one counts for nothing, after it old bytes may be left."""
    done = sum(entry.type == DOCUMENTS_ERASED for entry in ledger.entries())
    left = sum(published.optional(store, file, (0, 1)) is not None for file in amended.replaced)
    if left or published.optional(store, published.plan_of(done)) is not None:
        yield f"erasure {published.numbered(done)}: in force, and not everything that it replaced is removed yet"
    if published.optional(store, published.plan_of(done + 1)) is not None:
        yield f"erasure {published.numbered(done + 1)}: begun, and not in force yet"


def _and_amendments(amended: Amended) -> str:
    return " or of its amendments" if amended.names else ""


def _and_leaves(amended: Amended) -> str:
    return f" and {len(amended.erased)} leaves of erased ones" if amended.erased else ""


def _check_batches(store: Store, ledger: Ledger, name: str, index: int) -> int:
    """Compare the shards that the run names with those of the batches that the ledger had before it.

    Raises:
        IntegrityError: a batch was changed, or the release was made from other shards.
    """
    generations: dict[str, int] = {}
    batches = 0
    for entry in ledger.entries():
        if entry.index < index and entry.type in {BATCH_INGESTED, DOCUMENTS_ERASED}:
            batches += entry.type == BATCH_INGESTED
            for file, digest in published.recorded(entry):
                shards = json.loads(read_checked(store, file, digest))["shards"]
                generations |= {shard["shard_id"]: shard["generation"] for shard in shards}
    found = {f"{shard_id}.{generation}" for shard_id, generation in generations.items()}
    named = set(json.loads(store.read(place(name, RUN))).get("shards", ()))
    if named != found:
        raise IntegrityError(
            f"{place(name, RUN)}: names {len(named)} shards, the batches of the ledger hold {len(found)}, and "
            f"{len(named ^ found)} are in one of them only; inputs were left out or slipped in"
        )
    return batches


def intact(store: Store, name: str, entry: Entry, vkey: str) -> bool:
    """Say whether the statement that `entry` names and every file under it are whole; used by recovery."""
    try:
        body = dsse_verify(published.read_statement(store, name, entry), vkey, place(name, STATEMENT))
        for file, digest in published.subjects(body, name).items():
            read_checked(store, file, digest)
    except IntegrityError:
        return False
    return True


def _chosen(store: Store, name: str | None, known: list[str]) -> str:
    if name is None and known:
        return known[-1]
    if name in known:
        return name
    # What was never committed is discarded by the next run. What was, and is no longer named, was cut off.
    if name is not None and published.optional(store, place(name, COPY)) is not None:
        raise IntegrityError(
            f"{place(name)}: was committed once, the ledger names {known!r}; the ledger was cut: restore it from a copy"
        )
    raise ConfigError(f"release {name or 'any'!r}: the ledger names {known!r}; run first, or name one of those")


def _own_key(store: Store, name: str) -> str:
    text = needed(store, place(name, VKEY)).decode(errors="replace").strip()
    try:
        return Verifier.parse(text).vkey
    except ConfigError as error:
        raise IntegrityError(f"{place(name, VKEY)}: holds no public key; restore it, or give the key") from error


def _check_copies(store: Store, ledger: Ledger, keys: Keyring, size: int, name: str) -> int:
    """Hold the ledger against the checkpoints that this and the next release exported, where they are there.

    Whoever cuts the ledger must remember to remove the newer one. That is no proof, but it costs nothing.
    """
    hashes = (published.optional(store, TREE) or b"")[: size * merkle.WIDTH]
    found = 0
    for copy in (place(name, COPY), place(published.after(name), COPY)):
        note = published.optional(store, copy)
        if note is not None:
            checkpoint = keys.open(note, ledger.origin, copy)
            try:
                checkpoint.verify_extended(hashes)
            except IntegrityError as error:
                raise IntegrityError(f"{copy}: {error}") from error
            found += 1
    return found


def _check_statement(name: str, predicate: Mapping[str, Any], entries: Mapping[str, Entry]) -> None:
    """Compare what the statement says of itself with what the ledger says of it."""
    stated = {key: predicate.get(key) for key in ("release", "root", "size", "parent")}
    logged = {key: entries[name].data.get(key) for key in stated}
    names = list(entries)
    before = names[names.index(name) - 1] if names.index(name) else None
    parent = entries[before].subject[place(before, STATEMENT)] if before else None
    if stated != logged or stated["release"] != name or stated["parent"] != parent:
        raise IntegrityError(
            f"{place(name, STATEMENT)}: states {stated!r}, the ledger {logged!r} after {parent!r}; "
            "it is the statement of another release"
        )


def _check_manifest(store: Store, found: Sealed, *, deep: bool) -> Rows:
    name, files, predicate, amended = found.name, found.files, found.predicate, found.amended
    tree = _read_tree(store, found)
    rows = Rows()
    parts = manifest_files(store, name, files, rows, amended)
    leaves = amended.leaves
    if deep:
        size = manifest.verify_files(parts, tree, predicate["root"], leaves)
    else:
        _check_root(tree, found)
        size = sum(table.num_rows for _, table in parts)
    if size + len(leaves) != predicate["size"]:
        raise IntegrityError(
            f"{place(name, TREE_FILE)}: {size} rows and {len(leaves)} erased ones, the statement says "
            f"{predicate['size']}; it is of another release"
        )
    return rows


def checked_tree(store: Store, found: Sealed) -> bytes:
    """Read the tree of a release, and hold it against the root and the leaves of erased rows.

    Raises:
        IntegrityError: it has another root, or an amendment erases a leaf that it does not hold.
    """
    tree = _read_tree(store, found)
    _check_root(tree, found)
    return tree


def _check_root(tree: bytes, found: Sealed) -> None:
    if (root := merkle.root(tree).hex()) != found.predicate["root"]:
        raise IntegrityError(
            f"{place(found.name, TREE_FILE)}: its root is {root!r}, the statement says {found.predicate['root']!r}; "
            "it is of another release"
        )


def _read_tree(store: Store, found: Sealed) -> bytes:
    file, width = place(found.name, TREE_FILE), merkle.WIDTH
    tree = read_checked(store, file, found.files[file])
    if merkle.size(tree) != found.predicate["size"]:
        raise IntegrityError(
            f"{file}: {merkle.size(tree)} leaves, the statement says {found.predicate['size']}; "
            "it is of another release"
        )
    for index, leaf in found.amended.erased.items():
        if tree[index * width : (index + 1) * width].hex() != leaf:
            raise IntegrityError(
                f"{found.amended.names[-1]}: says that leaf {index} was {leaf!r}, the tree has another; "
                "the amendment is of another release"
            )
    return tree


def balance(counts: Mapping[str, Any], where: str) -> None:
    """Check conservation: nothing that came in is unaccounted for.

    `captures` has one row for every record and one more for each further part of a record, so it may exceed
    `records` and never falls below.

    Raises:
        IntegrityError: names `where` and the counts.
    """
    captures, dispositions = counts["captures"], counts["dispositions"]
    # Rows of documents that were erased have no capture any more.
    documents, rows = counts["documents"], counts["documents"] + counts.get("erased", 0)
    unknown = {*captures} - {*schemas.OUTCOMES} | {*dispositions} - {*schemas.DISPOSITIONS}
    whole = counts["records"] <= sum(captures.values()) and documents == captures.get("document", 0)
    if unknown or not whole or rows != sum(dispositions.values()):
        raise IntegrityError(
            f"{where}: {counts['records']} records gave captures {dict(captures)!r}; {documents} documents and "
            f"{rows - documents} erased ones gave {dict(dispositions)!r}; these must balance: report this as a bug"
        )


def _check_counts(
    store: Store, name: str, predicate: Mapping[str, Any], rows: Rows, amended: Amended
) -> dict[str, int]:
    """Compare the counts of the statement with run.json's and with the manifest's own rows; returns those."""
    run = json.loads(needed(store, place(name, RUN)))
    stated = predicate["counts"]
    same = {key: run.get("counts", {}).get(key) for key in stated}
    found = dict(rows.dispositions)
    gone = amended.dispositions
    wanted = {key: number - gone[key] for key, number in stated["dispositions"].items() if number - gone[key]}
    if same != stated or stated["documents"] + stated.get("erased", 0) != predicate["size"] or found != wanted:
        raise IntegrityError(
            f"{place(name, RUN)}: counts {same!r} for {predicate['size']} rows of the manifest with {found!r}, "
            f"the statement says {stated!r}{f', of which {dict(gone)!r} were erased' if gone else ''}; "
            "these must be the same"
        )
    return {key: number - gone[key] for key, number in stated["dispositions"].items()}


def _trusted(vkey: str | None, warnings: Sequence[str]) -> Iterator[str]:
    if not vkey:
        yield "the public key was taken from the workspace itself: whoever holds the folder may have replaced both"
    yield from warnings
