"""How two releases differ, document by document, without reading the rows that are the same.

Two rows of one document are the same where their leaf hashes are: the trees say which are not, and only row groups that
hold one of those are decoded.

Memory: some 100 bytes for each document of both releases, and one manifest file of each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts, manifest, merkle, published, schemas
from corpus_gov.amendments import Amended
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.published import TREE_FILE, place
from corpus_gov.store import Store

_ID = 16
_SCHEMA = pa.schema(list(schemas.LEAF))


def between(store: Store, old: str, new: str) -> pa.Table:
    """Compare two releases; errors as for `published.statement_of`.

    Args:
        store: of the workspace.
        old: name of the earlier release.
        new: name of the later one.

    Returns:
        manifest.DIFF, ascending in doc_id.

    Raises:
        IntegrityError: a tree and its manifest have different numbers of rows; `verify` says more.
    """
    before, after = _Side(store, old), _Side(store, new)
    unlike = ~_same(before, after), ~_same(after, before)
    found = [manifest.DIFF.empty_table()]
    for low, high in _ranges(before, after):
        sides = [side.rows(mask, *side.within(low, high)) for side, mask in zip((before, after), unlike, strict=True)]
        if any(side.num_rows for side in sides):
            found.append(manifest.diff(*sides))
    return pa.concat_tables(found)


@dataclass(frozen=True)
class _Side:
    """One of two releases."""

    store: Store
    name: str

    @cached_property
    def amended(self) -> Amended:
        """The release as erasures left it."""
        return published.amended(self.store, self.name)

    @cached_property
    def files(self) -> list[str]:
        return [file for file in self.amended.files if file.startswith(place(self.name, "manifest/"))]

    @cached_property
    def parts(self) -> list[np.ndarray]:
        """S16 of each file, ascending."""
        return [_ids(artefacts.decode(self.store.read(file), ["doc_id"])) for file in self.files]

    @cached_property
    def ids(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, f"S{_ID}"), *self.parts])

    @cached_property
    def starts(self) -> list[int]:
        """First row of each file, and how many rows there are."""
        return [0, *np.cumsum([len(part) for part in self.parts]).tolist()]

    @cached_property
    def leaves(self) -> np.ndarray:
        """S32 of each row."""
        tree, gone = self.store.read(place(self.name, TREE_FILE)), self.amended.leaves
        if merkle.size(tree) != len(self.ids) + len(gone):
            raise IntegrityError(
                f"{place(self.name, TREE_FILE)}: {merkle.size(tree)} leaves, expected {len(self.ids)} of rows and "
                f"{len(gone)} of erased ones; verify the release"
            )
        return np.delete(np.frombuffer(tree, f"S{merkle.WIDTH}"), gone)

    def within(self, low: bytes, high: bytes | None) -> tuple[int, int]:
        """Return the first row from `low` on, and the first from `high` on."""
        first, stop = (
            int(np.searchsorted(self.ids, np.array([bound], self.ids.dtype))[0]) for bound in (low, high or b"")
        )
        return first, stop if high is not None else len(self.ids)

    def rows(self, mask: np.ndarray, first: int, stop: int) -> pa.Table:
        """Read the columns of LEAF of those rows from `first` to `stop` that are in the mask."""
        found = [_SCHEMA.empty_table()]
        for file, (begin, end) in zip(self.files, pairwise(self.starts), strict=True):
            a, b = max(first, begin), min(stop, end)
            if a < b and mask[a:b].any():
                ids = [value.ljust(_ID, b"\0").hex() for value in self.ids[a:b][mask[a:b]].tolist()]
                chosen = artefacts.chosen(self.store.read(file), {"doc_id": ids}, _SCHEMA.names)
                found.append(chosen.cast(_SCHEMA))
        return pa.concat_tables(found).combine_chunks()


def _ids(table: pa.Table) -> np.ndarray:
    raw: np.ndarray = hex_bytes(table["doc_id"], _ID).reshape(-1).view(f"S{_ID}")
    return raw


def _same(one: _Side, other: _Side) -> np.ndarray:
    """Say of each row of one side whether the other has the same."""
    if not len(other.ids):
        return np.zeros(len(one.ids), bool)
    at = np.minimum(np.searchsorted(other.ids, one.ids), len(other.ids) - 1)
    same: np.ndarray = (other.ids[at] == one.ids) & (other.leaves[at] == one.leaves)
    return same


def _ranges(before: _Side, after: _Side) -> Iterator[tuple[bytes, bytes | None]]:
    """Cut the doc_ids where a file of either release begins."""
    bounds = sorted({bytes(part[0]) for side in (before, after) for part in side.parts if len(part)})
    starts: list[bytes] = [b"", *bounds[1:]]
    yield from zip(starts, [*starts[1:], None], strict=True)
