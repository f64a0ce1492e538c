"""What a release says of documents, by doc_id and by the digest of their text; for a copy that lies elsewhere.

    public key -> statement.json -> manifest/*.parquet, edits/*.parquet

The release's folder is all that is needed, without ledger and workspace; its clean documents, tree and run.json need
not be there. Nothing is believed that the statement does not name, and no statement that the key did not sign. Inside
a workspace the ledger is checked too, and what was erased since counts as dropped.

Memory: some 150 bytes and the address for each document of the manifest, and the edits.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import apply, artefacts, schemas
from corpus_gov.errors import ConfigError, IntegrityError, SchemaError
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.ledger import dsse_verify
from corpus_gov.published import STATEMENT, VKEY, place
from corpus_gov.recount import decode_manifest, read_checked
from corpus_gov.signatures import Verifier
from corpus_gov.store import LocalStore, Missing
from corpus_gov.verification import sealed

ID: Final = 16
DIGEST: Final = 32

_COLUMNS: Final = ("doc_id", "text_digest", "released_digest", "disposition", "representative_id", "uri", "leaf_hash")
_RELEASED: Final = tuple(schemas.DISPOSITIONS.index(name) for name in apply.RELEASED)


@dataclass(frozen=True)
class Covered:
    """The documents of a release, n of them, ascending in doc_id.

    Attributes:
        release: its name.
        root: hex, of its manifest.
        ids: S16.
        texts: S32, digests of the stored texts.
        released: S32, what the clean documents hash to; zeros where there is none.
        dispositions: places in schemas.DISPOSITIONS.
        gave_way: whether the document was dropped for a copy in the same release.
        uris: as the manifest shows them.
        edits: EDITS, ascending in doc_id.
        edited: S16, their doc_ids.
        touched: whether there are edits of the document.
        by_text: the order in which `texts` ascends.
        in_order: `texts` in that order.
        trusted: what was taken on trust, one sentence each.
    """

    release: str
    root: str
    ids: np.ndarray
    texts: np.ndarray
    released: np.ndarray
    dispositions: np.ndarray
    gave_way: np.ndarray
    uris: pa.ChunkedArray
    edits: pa.Table
    edited: np.ndarray
    touched: np.ndarray
    by_text: np.ndarray
    in_order: np.ndarray
    trusted: tuple[str, ...]

    def places(self, doc_ids: pa.Array) -> np.ndarray:
        """Find documents by doc_id; -1 for what is none of them."""
        ids = pc.fill_null(doc_ids, "")
        known = np.asarray(pc.match_substring_regex(ids, r"\A[0-9a-f]{32}\z"))
        found = np.full(len(ids), -1, np.int64)
        if known.any() and len(self.ids):
            wanted = raw(ids.filter(pa.array(known)), ID, "doc_id")
            at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
            found[known] = np.where(self.ids[at] == wanted, at, -1)
        return found

    def of_texts(self, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find where in `by_text` the documents of each text begin and end."""
        return np.searchsorted(self.in_order, digests), np.searchsorted(self.in_order, digests, "right")

    def edits_of(self, place: int) -> dict[str, list[apply.Edit]]:
        """Return the edits of one document by column, ascending."""
        if not self.touched[place]:
            return {}
        wanted = self.ids[place : place + 1]
        first, stop = (int(np.searchsorted(self.edited, wanted, side)[0]) for side in ("left", "right"))
        found: dict[str, list[apply.Edit]] = {}
        for row in self.edits.slice(first, stop - first).to_pylist():
            found.setdefault(row["column"], []).append((row["start"], row["end"], row["placeholder"]))
        return {column: sorted(of_column) for column, of_column in found.items()}

    def is_released(self, place: int) -> bool:
        """Say whether a document is in the clean corpus."""
        return int(self.dispositions[place]) in _RELEASED

    def doc_id(self, place: int) -> str:
        """Name a document."""
        return bytes(self.ids[place]).ljust(ID, b"\0").hex()


def load(manifest: Path, vkey: str | None = None) -> Covered:
    """Read what a release says.

    Args:
        manifest: the release's folder, or one file or the folder of its manifest, which then lies in that folder.
        vkey: the public key that the release was signed with, kept elsewhere; None takes the folder's own.

    Raises:
        ConfigError: there is no release, vkey is malformed, or the release is from before edits were kept.
        IntegrityError: something is not what was signed; names the file.
    """
    home, below = _home(manifest)
    found = _in_workspace(home, vkey) if (home.parent.parent / "ledger").is_dir() else _alone(home, vkey)
    store, files, base = found.store, found.files, found.base
    names = [name for name in files if name.startswith(f"{base}manifest/") and name.startswith(f"{base}{below}")]
    rows = [decode_manifest(read_checked(store, name, files[name]), name).select(_COLUMNS) for name in names]
    if not names:
        raise ConfigError(f"{manifest}: the statement of {home} names no such manifest file; give the release's folder")
    table = pa.concat_tables(rows)
    of_edits = [name for name in files if name.startswith(f"{base}edits/")]
    if not of_edits and pc.any(pc.equal(table["disposition"], "redact"), min_count=0).as_py():
        raise ConfigError(f"{manifest}: redacts and has no edits, it is from before releases had them; publish again")
    planned = [_edits(read_checked(store, name, files[name]), name) for name in of_edits]
    edits = pa.concat_tables([schemas.EDITS.empty_table(), *planned]).sort_by("doc_id").combine_chunks()
    texts = raw(table["text_digest"], DIGEST, "text_digest")
    ids = _ascending(raw(table["doc_id"], ID, "doc_id"), home)
    order = np.argsort(texts, kind="stable")
    purged = pc.is_in(table["leaf_hash"], value_set=pa.array(sorted(found.purged), pa.string()))
    fate = pc.if_else(purged, "drop", table["disposition"])
    return Covered(
        release=found.stated["release"],
        root=found.stated["root"],
        ids=ids,
        texts=texts,
        released=raw(pc.fill_null(table["released_digest"], "0" * 2 * DIGEST), DIGEST, "released_digest"),
        dispositions=np.asarray(pc.index_in(fate, pa.array(schemas.DISPOSITIONS))).astype(np.int8),
        gave_way=np.asarray(pc.is_valid(table["representative_id"])),
        uris=table["uri"],
        edits=edits,
        edited=(edited := raw(edits["doc_id"], ID, "doc_id")),
        touched=np.isin(ids, edited),
        by_text=order,
        in_order=texts[order],
        trusted=tuple(found.trusted),
    )


@dataclass(frozen=True)
class _Found:
    """Where the files of a release lie, and what the statement says."""

    store: LocalStore
    base: str
    files: Mapping[str, str]
    stated: Mapping[str, Any]
    purged: Collection[str]
    trusted: Sequence[str]


def _in_workspace(home: Path, vkey: str | None) -> _Found:
    store = LocalStore(home.parent.parent)
    found = sealed(store, home.name, vkey, ())
    return _Found(store, place(home.name), found.files, found.predicate, found.amended.purged, found.trusted)


def _alone(home: Path, vkey: str | None) -> _Found:
    store = LocalStore(home)
    key = vkey or _own_key(store, home)
    where = f"{home / STATEMENT}: with the key {Verifier.parse(key).reference!r}"
    body = dsse_verify(_read(store, STATEMENT), key, where)
    files = {item["name"]: item["digest"]["sha256"] for item in body["subject"]}
    own = "the public key is the folder's own: whoever made the folder may have made the key"
    said = "there is no ledger: what was erased since, and rollback, are not excluded"
    return _Found(store, "", files, body["predicate"], (), [said] if vkey else [own, said])


def raw(column: pa.Array | pa.ChunkedArray, width: int, name: str) -> np.ndarray:
    """Turn hex digits into bytes of a fixed width, which sort and compare as they are.

    Raises:
        IntegrityError: a value is no such digest.
    """
    try:
        found = hex_bytes(column, width)
    except SchemaError as error:
        raise IntegrityError(f"{name}: found no {width} bytes of hex; it was not written by corpus_gov") from error
    values: np.ndarray = found.reshape(-1).view(f"S{width}")
    return values


def _home(manifest: Path) -> tuple[Path, str]:
    """Return a release's folder, and how the names of the manifest's files begin that are meant."""
    where = manifest.absolute()
    for home in (where, *where.parents[:2]):
        if (home / STATEMENT).is_file():
            below = where.relative_to(home).as_posix()
            return home, "manifest/" if below == "." else below
    raise ConfigError(
        f"{str(manifest)!r}: found no {STATEMENT} in it or above it, expected the folder of a release; give such a one"
    )


def _own_key(store: LocalStore, home: Path) -> str:
    text = _read(store, VKEY).decode(errors="replace").strip()
    try:
        return Verifier.parse(text).vkey
    except ConfigError as error:
        raise IntegrityError(f"{home / VKEY}: holds no public key; give one with --key") from error


def _read(store: LocalStore, name: str) -> bytes:
    try:
        return store.read(name)
    except Missing as error:
        raise ConfigError(
            f"{store.root / name}: not there; a release has one, give the folder of a whole one"
        ) from error


def _edits(data: bytes, name: str) -> pa.Table:
    try:
        table = artefacts.decode(data)
        schemas.check(table, schemas.EDITS, name)
    except (pa.ArrowException, OSError, SchemaError) as error:
        raise IntegrityError(f"{name}: cannot be read as edits; it was not written by corpus_gov") from error
    return table


def _ascending(ids: np.ndarray, home: Path) -> np.ndarray:
    if len(ids) > 1 and not (ids[:-1] < ids[1:]).all():
        raise IntegrityError(f"{home}: doc_ids of the manifest do not ascend; it was not written by corpus_gov")
    return ids
