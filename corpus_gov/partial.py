"""Is one shard, or one document, of a release what was signed? The chain of `verification`, for a part of the rows.

    checkpoint -> ledger entry -> statement -> tree -> the part's manifest rows -> its clean documents

Files that hold nothing of the part are not opened, but for the manifest's: a shard's rows lie in all of them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import manifest, merkle
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.published import place
from corpus_gov.recount import Rows, check_clean, decode_manifest, needed, note_rows
from corpus_gov.store import Store
from corpus_gov.verification import Report, Sealed, checked_tree, sealed


def verify_part(
    store: Store,
    name: str | None = None,
    vkey: str | None = None,
    known: Sequence[bytes] = (),
    *,
    shard: str | None = None,
    doc_id: str | None = None,
) -> Report:
    """Check the rows and clean documents of one shard or one document.

    Args:
        store: of the workspace.
        name: the release; the newest by default.
        vkey: as for `verification.verify`.
        known: as for `verification.verify`.
        shard: its name with generation, as manifest rows and clean files have it.
        doc_id: 32 hex digits; give one of the two.

    Returns:
        What was established; `counts` are the part's.

    Raises:
        IntegrityError: something does not hold; names the file or doc_id.
        ConfigError: the release has no such part, or both or none are given.
    """
    if (shard is None) == (doc_id is None):
        raise ConfigError("verify: found both or none of a shard and a document, expected one; correct the options")
    found = sealed(store, name, vkey, known)
    tree = checked_tree(store, found)
    rows, homes, count = Rows(), set[str](), 0
    for table, file, at in _parts(store, found, shard, doc_id):
        _check_leaves(table, file, tree, at)
        note_rows(table, file, rows, found.amended.purged)
        count += table.num_rows
        pairs = zip(table["source_id"].to_pylist(), table["shard"].to_pylist(), strict=True)
        homes |= {place(found.name, f"clean/{source}/{ref}.") for source, ref in pairs}
    if not count:
        what = f"shard {shard!r}" if shard else f"document {doc_id!r}"
        gone = f"; {len(found.amended.erased)} rows were erased, of whatever documents" if found.amended.erased else ""
        raise ConfigError(f"{found.name}: found no {what}, expected one of its manifest{gone}; `explain` names both")
    # The file that holds them may be one that an erasure wrote, which has a longer name.
    files = {file: digest for file, digest in found.files.items() if file.startswith(tuple(homes))}
    documents = check_clean(store, found.name, files, rows, deep=True, only=doc_id)
    return Report(
        release=found.name,
        root=found.predicate["root"],
        size=found.predicate["size"],
        counts=dict(rows.dispositions),
        checks=[
            *found.checks,
            ("manifest", True, f"{count} rows are leaves of the root"),
            ("clean", True, f"{documents} documents are what the manifest says"),
        ],
        trusted=found.trusted,
        erased=len(found.amended.erased),
    )


def _parts(
    store: Store, found: Sealed, shard: str | None, doc_id: str | None
) -> Iterator[tuple[pa.Table, str, np.ndarray]]:
    """Yield the part's rows of each manifest file that has any, with the file and their places in the tree."""
    column, value = ("shard", shard) if shard else ("doc_id", doc_id)
    first = 0
    for file in found.files:
        if file.startswith(place(found.name, "manifest/")):
            data = needed(store, file)
            if doc_id is None or _may_hold(data, doc_id):
                table = decode_manifest(data, file)
                at = np.flatnonzero(np.asarray(pc.equal(table[column], value)))
                if len(at):
                    places = [manifest.place_of(first + one, found.amended.leaves) for one in at.tolist()]
                    yield table.take(pa.array(at)), file, np.array(places)
            first += found.amended.rows[file.removeprefix(place(found.name))]


def _may_hold(data: bytes, doc_id: str) -> bool:
    """Ask the bounds of a file; one that cannot be read is decoded, which says what is wrong with it."""
    try:
        metadata = pq.read_metadata(pa.BufferReader(data))
    except (pa.ArrowException, OSError):
        return True
    bounds = [metadata.row_group(number).column(0).statistics for number in range(metadata.num_row_groups)]
    return any(one is None or one.min <= doc_id <= one.max for one in bounds)


def _check_leaves(table: pa.Table, file: str, tree: bytes, at: np.ndarray) -> None:
    width = merkle.WIDTH
    leaves = manifest.leaf_hashes(table, file)
    for doc_id, index, leaf in zip(table["doc_id"].to_pylist(), at.tolist(), leaves, strict=True):
        if tree[index * width : (index + 1) * width] != leaf.tobytes():
            raise IntegrityError(f"{file}: the row of doc_id {doc_id!r} is not leaf {index} of the tree; restore it")
