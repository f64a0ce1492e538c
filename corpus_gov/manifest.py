"""The manifest: one sealed row for every document that ever came in (docs/manifest-format.md).

A row's leaf is SHA-256(0x00 ‖ salt ‖ row). The root over all leaves, in ascending doc_id, is what a release
signs: whoever has the root can check any row, and cannot guess a row whose salt was erased.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import merkle, schemas
from corpus_gov.errors import IntegrityError, SchemaError
from corpus_gov.kernels.columns import hex_bytes, hex_digits
from corpus_gov.kernels.digests import hmac_hex, sha256_rows
from corpus_gov.kernels.rows import differ, encode, encode_rows

__all__ = [
    "DIFF",
    "ROWS",
    "diff",
    "encode_rows",
    "leaf_hashes",
    "place_of",
    "salts_of",
    "seal_rows",
    "tree_bytes",
    "verify_files",
    "verify_rows",
]

SLICE_ROWS: Final = 8_192
"""Rows that are encoded at once; bounds the memory of sealing to some 20 MB beside the table."""

_SALT: Final = r"\A[0-9a-f]{64}\z"
_NAMES: Final = [column.name for column in schemas.LEAF]

ROWS: Final = schemas.table(
    "rows",
    1,
    "Manifest rows before they are sealed.",
    *schemas.LEAF,
    *(schemas.MANIFEST.field(name) for name in ("shard", "row")),
)

DIFF: Final = schemas.table(
    "diff",
    1,
    "How two manifests differ: one row for every document that is not the same in both, ascending.",
    schemas.field("doc_id", pa.string(), "The document."),
    schemas.field("change", pa.string(), "added, removed or changed."),
    schemas.field("columns", pa.list_(pa.string()), "Columns that differ, in the manifest's order; only of changed."),
    schemas.field("before", pa.string(), "Disposition in the older manifest.", null=True),
    schemas.field("after", pa.string(), "Disposition in the newer manifest.", null=True),
)


def salts_of(doc_ids: pa.Array, leaf_key: bytes) -> pa.Array:
    """Return the salt of each document: HMAC-SHA256(leaf_key, doc_id), hex."""
    return hmac_hex(doc_ids, leaf_key)


def seal_rows(rows: pa.Table, leaf_key: bytes, salts: pa.Array | None = None) -> pa.Table:
    """Add salt and leaf hash to rows; each row is sealed on its own, so any cut and order will do.

    Args:
        rows: ROWS, n rows.
        leaf_key: of the workspace; salt = HMAC-SHA256(leaf_key, doc_id).
        salts: of `salts_of`, n rows, where they are known already.

    Returns:
        MANIFEST, n rows, in the same order.

    Raises:
        SchemaError: other columns, or a null where the schema has none.
    """
    schemas.check(rows, ROWS, "manifest rows")
    for column in ROWS:
        if not column.nullable and rows.column(column.name).null_count:
            raise SchemaError(f"manifest rows: a null in {column.name!r}, expected a value; a bug in what made them")
    salted = salts_of(_whole(rows, "doc_id"), leaf_key) if salts is None else salts
    columns = {name: rows.column(name) for name in rows.schema.names} | {"salt": salted}
    hashes = leaf_hashes(pa.table(columns))
    columns["leaf_hash"] = hex_digits(hashes)
    return pa.table([columns[name] for name in schemas.MANIFEST.names], schema=schemas.MANIFEST)


def leaf_hashes(rows: pa.Table, where: str = "manifest") -> np.ndarray:
    """Compute the leaf hashes from the rows themselves, whatever their leaf_hash column says.

    Args:
        rows: the columns of LEAF and `salt`; n rows.
        where: for messages.

    Returns:
        uint8, (n, 32).

    Raises:
        IntegrityError: names the doc_id whose salt is not 64 hex digits.
    """
    parts = [rows.slice(start, SLICE_ROWS) for start in range(0, rows.num_rows, SLICE_ROWS)]
    digests = [sha256_rows(*encode_rows(part.select(_NAMES), _heads(part, where))) for part in parts]
    return np.concatenate(digests) if digests else np.empty((0, merkle.WIDTH), np.uint8)


def tree_bytes(hashes: np.ndarray) -> bytes:
    """Return the content of the `tree` file: the leaf hashes one after the other."""
    return hashes.tobytes()


def place_of(index: int, erased: Sequence[int]) -> int:
    """Return the leaf of the tree that the row at `index` of the rows that are left has.

    Args:
        index: of the row among those that were not erased.
        erased: leaves whose rows were erased, ascending.
    """
    for gone in erased:
        if gone > index:
            break
        index += 1
    return index


def verify_files(
    files: Iterable[tuple[str, pa.Table]], tree: bytes, expected_root: str, erased: Sequence[int] = ()
) -> int:
    """Check all manifest files of a release against its tree and root.

    Args:
        files: name and MANIFEST table of each file, in the order of their doc_ids; read one at a time.
        tree: content of the `tree` file.
        expected_root: hex, from the signed statement.
        erased: leaves of the tree whose rows were erased, ascending; for their hashes the tree is taken at its word.

    Returns:
        The number of rows.

    Raises:
        IntegrityError: names the tree, or the doc_id and file that do not hold.
    """
    found = merkle.root(tree).hex()
    if found != expected_root:
        raise IntegrityError(f"tree: its root is {found!r}, the statement says {expected_root!r}; the file was changed")
    done, last, left = 0, None, _left(tree, erased)
    for name, table in files:
        end = done + table.num_rows
        expected, ahead = left[done * merkle.WIDTH : end * merkle.WIDTH], left[end * merkle.WIDTH :]
        verify_rows(table, name, expected, first=done, after=last, ahead=ahead, erased=erased)
        done = end
        last = table.column("doc_id")[-1].as_py() if table.num_rows else last
    if done != merkle.size(left):
        raise IntegrityError(
            f"manifest: no row for leaf {place_of(done, erased)} of {merkle.size(tree)}, after doc_id {last!r} and to "
            "the end; rows or a file are missing"
        )
    return done


def verify_rows(
    table: pa.Table,
    file_name: str,
    expected_hashes: bytes | memoryview,
    *,
    first: int = 0,
    after: str | None = None,
    ahead: bytes | memoryview = b"",
    erased: Sequence[int] = (),
) -> None:
    """Check the rows of one manifest file against their leaf hashes in the tree.

    Args:
        table: MANIFEST.
        file_name: for messages.
        expected_hashes: those of this file's rows, 32 bytes each.
        first: index of the first of them in the tree, erased leaves not counted.
        after: doc_id of the row before the file.
        ahead: hashes that follow in the tree; only used to tell a missing row from a changed one.
        erased: leaves whose rows were erased, ascending; only used to number the others.

    Raises:
        IntegrityError: names the file, and the doc_id of a changed or foreign row, or the leaf index of a
            missing one and the doc_ids between which it is missing.
        SchemaError: the table is no manifest.
    """
    schemas.check(table, schemas.MANIFEST, file_name)
    hashes = leaf_hashes(table, file_name)
    if (found := tree_bytes(hashes)) != bytes(expected_hashes):
        doc_ids = [after, *table.column("doc_id").to_pylist()]
        here, there = _split(found), _split(bytes(expected_hashes))
        raise IntegrityError(f"{file_name}: {_unlike(here, there, _split(bytes(ahead)), doc_ids, first, erased)}")
    doc_ids = pa.concat_arrays([pa.array([after or ""]), _whole(table, "doc_id").cast(pa.string())])
    rising = pc.less(doc_ids[:-1], doc_ids[1:])
    if (row := pc.index(rising, value=False).as_py()) >= 0:
        doc_id, before, leaf = doc_ids[row + 1].as_py(), doc_ids[row].as_py(), place_of(first + row, erased)
        raise IntegrityError(f"{file_name}: doc_id {doc_id!r} (leaf {leaf}) is not above {before!r}")
    # The column is outside of the leaf, but readers look rows up by it.
    stated, computed = _whole(table, "leaf_hash").cast(pa.string()), hex_digits(hashes)
    if (row := pc.index(pc.equal(stated, computed), value=False).as_py()) >= 0:
        raise IntegrityError(
            f"{file_name}: leaf_hash of doc_id {doc_ids[row + 1].as_py()!r} is {stated[row].as_py()!r}, "
            f"computed {computed[row].as_py()!r}"
        )


def _left(tree: bytes, erased: Sequence[int]) -> bytes:
    """Return a tree file without the leaves whose rows were erased."""
    if not erased:
        return tree
    return bytes(np.delete(np.frombuffer(tree, np.uint8).reshape(-1, merkle.WIDTH), list(erased), axis=0).tobytes())


def _unlike(
    found: list[bytes],
    expected: list[bytes],
    ahead: list[bytes],
    doc_ids: list[str | None],
    first: int,
    erased: Sequence[int],
) -> str:
    """Say which row made the hashes differ: the first one that is missing, foreign or changed."""
    pairs = enumerate(zip(found, expected, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), min(len(found), len(expected)))
    leaf, before = place_of(first + at, erased), doc_ids[at]
    if at == len(found):
        return f"no row for leaf {leaf}, after doc_id {before!r}; rows at the end of the file are missing"
    doc_id = doc_ids[at + 1]
    if found[at] in [*expected, *ahead][at + 1 :]:
        return f"no row for leaf {leaf}, between doc_ids {before!r} and {doc_id!r}; a row is missing there"
    if at == len(expected) or found[at + 1 : at + 2] == expected[at : at + 1]:
        return f"the row of doc_id {doc_id!r} is not in the tree (leaf {leaf}); it was added"
    return (
        f"the row of doc_id {doc_id!r} hashes to {found[at].hex()!r}, expected {expected[at].hex()!r} (leaf {leaf}); "
        "it was changed after the release"
    )


def diff(old: pa.Table, new: pa.Table) -> pa.Table:
    """Compare two manifests document by document; lists compare without order, as the leaf hashes them.

    Args:
        old: the columns of LEAF (any others are not looked at), one row a document.
        new: the same.

    Returns:
        DIFF, one row for every document that is not the same in both, ascending in doc_id.
    """
    here, there = _whole(old, "doc_id"), _whole(new, "doc_id")
    at = pc.index_in(there, value_set=here)
    before, after = old.take(at.drop_null()), new.filter(at.is_valid())
    unlike = np.zeros((after.num_rows, len(_NAMES)), np.bool_)
    for index, name in enumerate(_NAMES):
        unlike[:, index] = differ(encode(_whole(before, name), name), encode(_whole(after, name), name))
    rows, columns = np.nonzero(unlike)
    changed = pa.array(np.unique(rows))
    starts = np.searchsorted(rows, np.append(np.unique(rows), after.num_rows)).astype(np.int32)
    names = pa.ListArray.from_arrays(pa.array(starts), pa.array(_NAMES).take(pa.array(columns)))
    kept, added = before.take(changed), new.filter(at.is_null())
    gone = old.filter(pc.invert(pc.is_in(here, value_set=there)))
    added = new.filter(at.is_null())
    parts = [
        _changes("changed", kept, names, kept.column("disposition"), after.take(changed).column("disposition")),
        _changes("removed", gone, _empty_lists(gone), gone.column("disposition"), None),
        _changes("added", added, _empty_lists(added), None, added.column("disposition")),
    ]
    return pa.concat_tables(parts).sort_by("doc_id")


def _changes(
    change: str, rows: pa.Table, columns: pa.Array, before: pa.ChunkedArray | None, after: pa.ChunkedArray | None
) -> pa.Table:
    n = rows.num_rows
    dispositions = [side if side is not None else pa.nulls(n, pa.string()) for side in (before, after)]
    values = [rows.column("doc_id"), pa.array([change] * n, pa.string()), columns, *dispositions]
    return pa.table(values, names=DIFF.names).cast(DIFF)


def _empty_lists(rows: pa.Table) -> pa.Array:
    return pa.array([[]] * rows.num_rows, pa.list_(pa.string()))


def _heads(rows: pa.Table, where: str) -> np.ndarray:
    """Return what each leaf begins with, 0x00 ‖ salt; uint8 (n, 33)."""
    salts = _whole(rows, "salt")
    right = pc.fill_null(pc.match_substring_regex(salts, _SALT), False)  # noqa: FBT003 - pyarrow's own signature
    if not pc.all(right, min_count=0).as_py():
        doc_id = rows.column("doc_id")[pc.index(right, value=False).as_py()].as_py()
        raise IntegrityError(f"{where}: the salt of doc_id {doc_id!r} is not 64 hex digits; the file was changed")
    heads = np.zeros((len(salts), 1 + merkle.WIDTH), np.uint8)
    heads[:, 1:] = hex_bytes(salts, merkle.WIDTH)
    return heads


def _whole(table: pa.Table, name: str) -> pa.Array:
    return table.column(name).combine_chunks()


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + merkle.WIDTH] for at in range(0, len(hashes), merkle.WIDTH)]
