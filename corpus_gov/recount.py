"""The tables of a release, read again: manifest rows on their way to the tree, clean documents against the rows.

Memory: one file at a time, its Parquet decoded, and 48 bytes for each released document.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import apply, artefacts, published, schemas
from corpus_gov.amendments import Amended
from corpus_gov.errors import IntegrityError, SchemaError
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.published import place
from corpus_gov.store import Store

RELEASED: Final = ("keep", "redact")
"""Dispositions whose documents are in the clean corpus."""

_BROKEN: Final = (pa.ArrowException, OSError)
"""What reading damaged Parquet from memory raises; a changed byte of a file's schema is an OSError."""

_ID: Final = 16
_DIGEST: Final = 32


@dataclass
class Rows:
    """What the check of the clean documents needs of the manifest's rows."""

    ids: list[np.ndarray] = field(default_factory=list)
    """Of released documents, S16, ascending."""
    digests: list[np.ndarray] = field(default_factory=list)
    """Their released_digest, S32."""
    purged: list[np.ndarray] = field(default_factory=list)
    """Those whose clean document is gone."""
    represented: list[np.ndarray] = field(default_factory=list)
    """S16 pairs: a document, and the one that stands for it."""
    dispositions: Counter[str] = field(default_factory=Counter)


def read_checked(store: Store, file: str, digest: str) -> bytes:
    """Read a file of a release.

    Raises:
        IntegrityError: it is missing, or not what the statement says.
    """
    data = needed(store, file)
    if (found := sha256(data).hexdigest()) != digest:
        raise IntegrityError(_changed(file, found, digest))
    return data


def _changed(file: str, found: str, digest: str) -> str:
    return (
        f"{file}: SHA-256 is {found!r}, the statement says {digest!r}; "
        "it was changed after the release: restore it from a copy"
    )


def needed(store: Store, file: str) -> bytes:
    """Read a file that the statement names.

    Raises:
        IntegrityError: it is missing.
    """
    data = published.optional(store, file)
    if data is None:
        raise IntegrityError(f"{file}: missing, the statement names it; restore it from a copy")
    return data


def manifest_files(
    store: Store, name: str, files: Mapping[str, str], rows: Rows, amended: Amended
) -> Iterator[tuple[str, pa.Table]]:
    """Read the manifest of a release one file at a time, in ascending doc_id, and note its rows in `rows`.

    Raises:
        IntegrityError: a file is missing, unreadable, or, told once its rows were looked at, was changed.
    """
    for file, digest in files.items():
        if file.startswith(place(name, "manifest/")):
            data = needed(store, file)
            found = sha256(data).hexdigest()
            table = decode_manifest(data, file)
            check_gone(table, file, amended)
            note_rows(table, file, rows, amended.purged)
            # A changed file goes on to the check of its rows, which names the document; only when every row
            # holds (the file was merely written anew) is the file itself what is wrong.
            yield file, table
            if found != digest:
                raise IntegrityError(_changed(file, found, digest))


def decode_manifest(data: bytes, file: str) -> pa.Table:
    """Read a manifest file.

    Raises:
        IntegrityError: it is none.
    """
    schema = schemas.MANIFEST
    try:
        table = artefacts.decode(data)
        # Another writer of valid Parquet may use another type for the same values.
        table = table.select(schema.names).cast(schema)
        schemas.check(table, schema, file)
    except (*_BROKEN, KeyError, ValueError, SchemaError) as error:
        raise IntegrityError(
            f"{file}: cannot be read as {schemas.name_of(schema)} ({type(error).__name__}); "
            "it was changed after the release: restore it from a copy"
        ) from error
    return table


def check_gone(table: pa.Table, file: str, amended: Amended) -> None:
    """Check that no row is there which an amendment says was erased.

    Raises:
        IntegrityError: names the document.
    """
    if amended.erased:
        gone = pc.is_in(table["leaf_hash"], value_set=pa.array(amended.erased.values(), pa.string()))
        left = table.select(["doc_id"]).filter(gone)
        if left.num_rows:
            raise IntegrityError(
                f"{file}: holds the row of doc_id {left['doc_id'][0].as_py()!r}, erased by {amended.names[-1]} or one "
                "before it; it was put back, or never removed"
            )


def note_rows(table: pa.Table, file: str, rows: Rows, purged: Collection[str] = ()) -> None:
    """Keep of rows of a manifest file what later checks need, 48 bytes for a released row.

    Args:
        table: MANIFEST.
        file: for messages.
        rows: where to keep it.
        purged: leaf hashes of rows whose clean document is gone.

    Raises:
        IntegrityError: a row has a released_digest and is not released, or the other way round.
    """
    table = table.select(["doc_id", "leaf_hash", "disposition", "released_digest", "representative_id"])
    dispositions = table["disposition"]
    rows.dispositions.update({one["values"]: one["counts"] for one in pc.value_counts(dispositions).to_pylist()})
    released = pc.is_in(dispositions, value_set=pa.array(RELEASED))
    odd = table.filter(pc.not_equal(released, pc.is_valid(table["released_digest"])))
    if odd.num_rows:
        raise IntegrityError(
            f"{file}: doc_id {odd['doc_id'][0].as_py()!r} is {odd['disposition'][0].as_py()!r}, and a released_digest "
            "belongs to keep and redact alone; the row was not written by corpus_gov"
        )
    gone = pc.and_(released, pc.is_in(table["leaf_hash"], value_set=pa.array(sorted(purged), pa.string())))
    rows.purged.append(_raw(table.filter(gone)["doc_id"], _ID, file))
    kept = table.filter(pc.and_not(released, gone))
    rows.ids.append(_raw(kept["doc_id"], _ID, file))
    rows.digests.append(_raw(kept["released_digest"], _DIGEST, file))
    copies = table.filter(pc.is_valid(table["representative_id"]))
    pair = [_raw(copies[column], _ID, file) for column in ("doc_id", "representative_id")]
    rows.represented.append(np.stack(pair, axis=1))


def _raw(column: pa.Array | pa.ChunkedArray, width: int, file: str) -> np.ndarray:
    """Turn hex digests into bytes of a fixed width, which sort and compare as they are."""
    try:
        found = hex_bytes(column, width)
    except SchemaError as error:
        raise IntegrityError(
            f"{file}: a digest is not {width} bytes of hex; it was not written by corpus_gov"
        ) from error
    if not pc.all(pc.equal(pc.binary_length(column), 2 * width), min_count=0).as_py():
        raise IntegrityError(f"{file}: a digest is longer than {width} bytes; it was not written by corpus_gov")
    digests: np.ndarray = found.reshape(-1).view(f"S{width}")
    return digests


def check_clean(
    store: Store, name: str, files: Mapping[str, str], rows: Rows, *, deep: bool, only: str | None = None
) -> int:
    """Hash the clean documents again and hold them, one to one, against the released rows of the manifest.

    Args:
        store: of the workspace.
        name: the release.
        files: of the statement.
        rows: of the manifest.
        deep: also hash the documents, not only the files.
        only: look at this document alone.

    Returns:
        How many documents there are.

    Raises:
        IntegrityError: names the file and the document.
    """
    ids, digests = _joined(rows.ids, _ID), _joined(rows.digests, _DIGEST)
    seen = np.zeros(len(ids), bool)
    for file, digest in files.items():
        if file.startswith(place(name, "clean/")):
            data = read_checked(store, file, digest)
            for group in _groups(data, file) if deep else ():
                ours = group if only is None else group.filter(pc.equal(group["doc_id"], only))
                _match(ours, file, ids, digests, seen)
    if deep and not seen.all():
        lost = _hex(ids[int(np.argmin(seen))], _ID)
        raise IntegrityError(
            f"{place(name, 'clean/')}: no document {lost!r}, the manifest releases it; a row is missing"
        )
    return int(seen.sum())


def _groups(data: bytes, file: str) -> Iterator[pa.Table]:
    try:
        parquet = pq.ParquetFile(pa.BufferReader(data))
        for number in range(parquet.num_row_groups):
            group = parquet.read_row_group(number)
            schemas.check(group, schemas.CLEAN, file)
            yield group
    except (*_BROKEN, SchemaError) as error:
        raise IntegrityError(f"{file}: cannot be read as clean documents; it was not written by corpus_gov") from error


def _match(group: pa.Table, file: str, ids: np.ndarray, digests: np.ndarray, seen: np.ndarray) -> None:
    raw = _raw(group["doc_id"], _ID, file)
    computed = apply.released_digests(*(group[name].combine_chunks() for name in ("uri", "title", "text")))
    hashed = _raw(computed, _DIGEST, file)
    at = np.searchsorted(ids, raw)
    known = at < len(ids)
    known[known] = ids[at[known]] == raw[known]
    if not known.all():
        raise _unlike(file, raw, computed, ~known, "the manifest releases no such document")
    twice = seen[at]
    twice[np.delete(np.arange(len(at)), np.unique(at, return_index=True)[1])] = True
    if twice.any():
        raise _unlike(file, raw, computed, twice, "it is there twice")
    stated = pc.fill_null(pc.equal(group["released_digest"].combine_chunks(), computed), False)  # noqa: FBT003
    wrong = (digests[at] != hashed) | ~stated.to_numpy(zero_copy_only=False)
    if wrong.any():
        row = int(np.argmax(wrong))
        both = _hex(digests[at[row]], _DIGEST), group["released_digest"][row].as_py()
        raise _unlike(file, raw, computed, wrong, "the manifest says {!r} and its own column {!r}".format(*both))
    seen[at] = True


def _unlike(file: str, raw: np.ndarray, computed: pa.Array, wrong: np.ndarray, problem: str) -> IntegrityError:
    row = int(np.argmax(wrong))
    return IntegrityError(
        f"{file}: document {_hex(raw[row], _ID)!r} hashes to {computed[row].as_py()!r}, {problem}; "
        "it was not written by apply for this release"
    )


def _hex(value: bytes, width: int) -> str:
    # NumPy drops zero bytes at the end of what it hands out.
    return value.ljust(width, b"\0").hex()


def _joined(parts: list[np.ndarray], width: int) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, f"S{width}")


def check_represented(name: str, rows: Rows, orphans: int = 0) -> int:
    """Check that whatever was dropped as a duplicate has its representative in this very release.

    Args:
        name: the release.
        rows: of the manifest.
        orphans: rows whose representative was erased, as the amendments say.
    """
    ids = _joined([*rows.ids, *rows.purged], _ID)
    pairs = np.concatenate(rows.represented) if rows.represented else np.zeros((0, 2), f"S{_ID}")
    lost = ~np.isin(pairs[:, 1], ids)
    if np.count_nonzero(lost) != orphans:
        copy, kept = (_hex(item, _ID) for item in pairs[int(np.argmax(lost))]) if len(pairs) else ("", "")
        raise IntegrityError(
            f"{place(name, 'manifest/')}: doc_id {copy!r} was dropped for {kept!r}; {np.count_nonzero(lost)} such "
            f"representatives are not in this release, expected {orphans} that were erased; a text was lost: report "
            "this as a bug"
        )
    return len(pairs)
