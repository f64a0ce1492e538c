"""Proofs: what a release says of one document, in a file that is checked without the corpus.

    row and salt -> leaf -> root of the manifest -> entry of the ledger -> checkpoint -> (rotations) -> public key

Each step is checked against the next one, as `verification` does for a whole release. A proof shows the manifest's
row of one document and nothing of any other: the hashes beside the path tell no row, since every leaf has a salt.
docs/manifest-format.md has the form of the file.
"""

import gzip
import json
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import artefacts, manifest, merkle, published, schemas
from corpus_gov.checkpoints import Checkpoint
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError, CorpusGovError, IntegrityError, StoreError
from corpus_gov.keyring import linked, rotations
from corpus_gov.ledger import TREE, entry_name
from corpus_gov.published import RELEASE_PUBLISHED, TREE_FILE, VKEY, place
from corpus_gov.signatures import Verifier, canonical, decode_base64, parse_canonical
from corpus_gov.store import Store

FORMAT: Final = "corpus-gov proof 1"

LARGEST: Final = 1_000_000
"""Bytes of a proof that is read, once unpacked; those that `prove` writes have some five thousand."""

_PACKED: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS

_HEX: Final = 32
_COLUMNS: Final = tuple(column.name for column in schemas.LEAF)
_KEYS: Final = ("checkpoint", "entry", "entry_path", "format", "path", "place", "rotations", "row", "salt", "vkey")


@dataclass(frozen=True)
class Proven:
    """What a proof shows.

    Attributes:
        doc_id: the document.
        row: columns of LEAF; `fetched_at` in microseconds since 1970, UTC.
        release: its name, such as r0001.
        root: hex, of the manifest.
        size: rows of the manifest.
        published: time of the ledger's entry, as the writer's clock said.
        entry: index of that entry.
        origin: name of the ledger.
        covered: entries that the checkpoint covers.
        trusted: what had to be taken on trust, one sentence each.
    """

    doc_id: str
    row: dict[str, Any]
    release: str
    root: str
    size: int
    published: str
    entry: int
    origin: str
    covered: int
    trusted: tuple[str, ...]


def prove(store: Store, release: str | None, doc_id: str) -> bytes:
    """Write a proof of a document's row.

    Memory: one file of the manifest and 32 bytes for each 4,096 documents.

    Args:
        store: of the workspace.
        release: its name; None is the newest.
        doc_id: 32 hex digits.

    Returns:
        The file: canonical JSON, packed by gzip, which takes off a third and more.

    Raises:
        ConfigError: the release or the document is not there.
        IntegrityError: files of release or ledger do not belong together; `verify` says which.
    """
    ledger = published.open_ledger(store)
    entries = published.committed(ledger) if ledger else {}
    name = release or next(reversed(entries), "")
    if ledger is None or name not in entries:
        raise ConfigError(f"release {release or 'any'!r}: the ledger names {list(entries)!r}; name one of those")
    entry, note = entries[name], ledger.checkpoint() or b""
    row, index = _row(store, name, doc_id.lower())
    size = int(note.split(b"\n")[1])
    made = {
        "format": FORMAT,
        "row": {column: row[column] for column in _COLUMNS},
        "salt": row["salt"],
        "place": index,
        "path": _encoded(_path(store, name, entry, index)),
        "entry": json.loads(entry.encode()),
        "entry_path": _encoded(merkle.inclusion_proof(store.read(TREE)[: size * merkle.WIDTH], entry.index)),
        "checkpoint": note.decode(),
        "rotations": rotations(ledger.entries()),
        "vkey": store.read(place(name, VKEY)).decode().strip(),
    }
    # Without a time in its head, so that a proof of one state is always the same file.
    data = gzip.compress(canonical(made), mtime=0)
    check(data)  # whoever gets a proof cannot ask us again
    return data


def unpacked(data: bytes) -> bytes:
    """Return the JSON of a proof, which may come packed or plain.

    Raises:
        IntegrityError: it does not unpack, or is no proof by its size.
    """
    if data[:2] == _PACKED:
        unpacking = zlib.decompressobj(_GZIP)
        try:
            data = unpacking.decompress(data, LARGEST + 1)
        except zlib.error as error:
            raise IntegrityError("proof: does not unpack; it was cut or changed") from error
        if not unpacking.eof or unpacking.unused_data:
            raise IntegrityError(f"proof: cut, or more than {LARGEST} bytes once unpacked; it is no proof")
    if len(data) > LARGEST:
        raise IntegrityError(f"proof: {len(data)} bytes, expected at most {LARGEST}; it is no proof")
    return data


def check(data: bytes, vkey: str | None = None, known: Sequence[bytes] = ()) -> Proven:
    """Check a proof; nothing else is read.

    Args:
        data: the file, packed or plain.
        vkey: the pipeline's public key, now or before a rotation, kept elsewhere; None takes the one in the proof.
        known: checkpoints kept elsewhere. One over as many entries must have the same root; one of another size can
            only be compared by somebody who has the ledger, and is named in `trusted`.

    Raises:
        IntegrityError: names the step that does not hold.
        ConfigError: vkey is malformed.
    """
    proof = _parsed(data)
    key = Verifier.parse(vkey) if vkey else _own_key(proof)
    entry = Entry.shown(proof["entry"], RELEASE_PUBLISHED, "proof: entry")
    ring = linked(key, proof["rotations"], entry.origin, "proof: rotations")
    head = ring.open(proof["checkpoint"].encode(), entry.origin, "proof: checkpoint")
    leaf = merkle.leaf_hash(entry.encode())
    merkle.verify_inclusion(leaf, entry.index, head.size, decoded(proof["entry_path"]), head.root)
    signed = ring.at(entry.index)
    entry.verify({signed.reference: signed}, signed, f"proof: {entry_name(entry.index)}")
    root, size = _stated(entry)
    row = manifest.leaf_hashes(_table(proof), "proof: row")[0].tobytes()
    merkle.verify_inclusion(row, proof["place"], size, decoded(proof["path"]), root)
    return Proven(
        doc_id=proof["row"]["doc_id"],
        row=proof["row"],
        release=str(entry.data["release"]),
        root=root.hex(),
        size=size,
        published=entry.time,
        entry=entry.index,
        origin=entry.origin,
        covered=head.size,
        trusted=tuple(_trusted(vkey, head, [ring.open(one, entry.origin, "known") for one in known])),
    )


def lines(proven: Proven) -> list[str]:
    """Say it for people."""
    row = proven.row
    reasons = ", ".join(reason["code"] for reason in row["reasons"]) or "none"
    return [
        f"{proven.doc_id}: {row['disposition']} in {proven.release}, row of a manifest of {proven.size:,} documents",
        f"  source     {row['source_id']}, {row['uri'] or 'no address'}",
        f"  reasons    {reasons}",
        f"  rights     {row['rights_state']}; opt-out {row['optout_state']}; AI label {row['aigc_state']}",
        f"  text       SHA-256 {row['text_digest']}",
        f"  released   {'SHA-256 ' + row['released_digest'] if row['released_digest'] else 'no'}",
        f"  root       {proven.root}",
        f"  published  {proven.published}, entry {proven.entry} of {proven.covered} in {proven.origin}",
        *(f"  on trust   {sentence}" for sentence in proven.trusted),
    ]


def _row(store: Store, name: str, doc_id: str) -> tuple[dict[str, Any], int]:
    """Find a manifest row and its leaf index; files are tried from where a digest of this value should lie."""
    amended = published.amended(store, name)
    counts = amended.rows
    files = sorted(file for file in counts if file.startswith("manifest/"))
    if len(doc_id) != _HEX or set(doc_id) - set("0123456789abcdef"):
        raise ConfigError(f"doc_id {doc_id!r}: expected 32 hex digits; `explain` shows them")
    at, tried = int(doc_id, 16) * len(files) >> 128, set[int]()
    while 0 <= at < len(files) and at not in tried:
        tried.add(at)
        file = pq.ParquetFile(pa.BufferReader(store.read(place(name, files[at]))))
        found, row, aside = _in_file(file, doc_id)
        before = found + sum(counts[earlier] for earlier in files[:at])
        if row is not None:
            return row, manifest.place_of(before, amended.leaves)
        at += aside
    gone = f"; it may be one of the {len(amended.erased)} that were erased" if amended.erased else ""
    raise ConfigError(f"{name}: no document {doc_id!r}, expected one of its manifest; look at another release{gone}")


def _in_file(file: pq.ParquetFile, doc_id: str) -> tuple[int, dict[str, Any] | None, int]:
    """Return the row's place in a manifest file, the row, and on which side of the file it would be if it is not in."""
    first, aside = 0, -1
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        bounds = group.column(0).statistics
        if bounds is None or bounds.min <= doc_id <= bounds.max:
            rows = file.read_row_group(number, schemas.MANIFEST.names)
            at = pc.index(rows["doc_id"], doc_id).as_py()
            if at >= 0:
                return first + at, _plain(rows.slice(at, 1)), 0
        aside = 1 if bounds is not None and doc_id > bounds.max else aside
        first += group.num_rows
    return first, None, aside


def _plain(row: pa.Table) -> dict[str, Any]:
    """Return one row as JSON values, the time as an integer."""
    at = row.schema.get_field_index("fetched_at")
    plain: dict[str, Any] = row.set_column(at, "fetched_at", row["fetched_at"].cast(pa.int64())).to_pylist()[0]
    return plain


def _path(store: Store, name: str, entry: Entry, index: int) -> list[bytes]:
    """Return the hashes from a leaf to the root; only the leaf's block of the tree is read."""
    nodes, tree = _nodes(store, name, entry), place(name, TREE_FILE)
    first = index - index % merkle.BLOCK
    block = store.read(tree, (first * merkle.WIDTH, (first + merkle.BLOCK) * merkle.WIDTH))
    return [*merkle.inclusion_proof(block, index - first), *merkle.inclusion_proof(nodes, index // merkle.BLOCK)]


def _nodes(store: Store, name: str, entry: Entry) -> bytes:
    """Return the roots of all blocks of a release's tree, from the build cache where they are there."""
    artefact = artefacts.name("nodes", entry.data["root"], merkle.BLOCK)
    if artefacts.ready(store, artefact) is True:
        return artefacts.read(store, artefact)
    nodes = merkle.blocks(store.read(place(name, TREE_FILE)))
    # Whoever may only read a workspace computes them each time.
    with suppress(StoreError):
        artefacts.put(store, artefact, nodes)
    return nodes


def _parsed(data: bytes) -> dict[str, Any]:
    proof = parse_canonical(unpacked(data), "proof")
    kinds = {"entry": dict, "row": dict, "path": list, "entry_path": list, "rotations": list, "place": int}
    if not isinstance(proof, dict) or sorted(proof) != list(_KEYS) or proof["format"] != FORMAT:
        raise IntegrityError(f"proof: expected {FORMAT!r} with {', '.join(_KEYS)}; it was cut, or is another file")
    wrong = [key for key in _KEYS if type(proof[key]) is not kinds.get(key, str)]
    if wrong:
        raise IntegrityError(f"proof: {', '.join(wrong)} of another type than expected; it was changed")
    return proof


def _stated(entry: Entry) -> tuple[bytes, int]:
    root, size = entry.data.get("root"), entry.data.get("size")
    if not isinstance(root, str) or type(size) is not int:
        raise IntegrityError("proof: the entry states no root and size; it was not written by corpus_gov")
    try:
        return bytes.fromhex(root), size
    except ValueError as error:
        raise IntegrityError("proof: the entry's root is no hex; it was not written by corpus_gov") from error


def _table(proof: Mapping[str, Any]) -> pa.Table:
    row = proof["row"]
    if sorted(row) != sorted(_COLUMNS):
        raise IntegrityError("proof: the row does not have the columns of the manifest's format; it was changed")
    try:
        table = pa.Table.from_pylist([row], schema=pa.schema(list(schemas.LEAF)))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise IntegrityError(f"proof: the row has a value of another type ({type(error).__name__})") from error
    return table.append_column("salt", pa.array([proof["salt"]], pa.string()))


def _own_key(proof: Mapping[str, Any]) -> Verifier:
    try:
        return Verifier.parse(proof["vkey"])
    except CorpusGovError as error:
        raise IntegrityError("proof: holds no public key; give one with --key") from error


def _trusted(vkey: str | None, head: Checkpoint, known: Sequence[Checkpoint]) -> list[str]:
    said = [] if vkey else ["the public key is the proof's own: whoever made the proof may have made the key"]
    for one in known:
        if one.size == head.size and one.root != head.root:
            raise IntegrityError(
                f"known checkpoint of {one.size} entries: its root is {one.root.hex()!r}, the proof's "
                f"{head.root.hex()!r}; the log was forked"
            )
    if not any(one.size == head.size for one in known):
        said.append(f"no known checkpoint covers {head.size} entries: that the log was not forked is not shown")
    return said


def _encoded(path: Sequence[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in path]


def decoded(path: Sequence[Any]) -> list[bytes]:
    """Read the hashes of a path.

    Raises:
        IntegrityError: one is no base64 of 32 bytes.
    """
    hashes = [decode_base64(one, "proof: path") if isinstance(one, str) else b"" for one in path]
    if any(len(one) != merkle.WIDTH for one in hashes):
        raise IntegrityError("proof: a hash of a path does not have 32 bytes; it was changed")
    return hashes
