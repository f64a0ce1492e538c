"""Tables that lie in parts by ranges of a key: what one task cut is read by any other power of two of ranges."""

from collections.abc import Sequence

import numpy as np

from corpus_gov import artefacts
from corpus_gov.relate import records
from corpus_gov.relate.records import Columns
from corpus_gov.store import Store


def put_cut(store: Store, name: str, rows: Columns, kind: np.dtype, keys: np.ndarray, ranges: int) -> None:
    """Store a table, cut into equal ranges of keys; arguments as for records.cut."""
    artefacts.put_parts(store, name, records.cut(rows, kind, keys, ranges))


def read_part(store: Store, names: Sequence[str], kind: np.dtype, number: int) -> Columns:
    """Read one part of each of several tables of a type as one table."""
    return records.unpacked([artefacts.get_part(store, name, number) for name in names], kind)


def read_range(store: Store, names: Sequence[str], kind: np.dtype, key: str, number: int, ranges: int) -> Columns:
    """Read one of `ranges` of tables that were cut into other powers of two of them."""
    read, beyond = [], False
    for name in names:
        own = artefacts.count_parts(store, name)
        parts = records.parts_of(number, ranges, own)
        read += artefacts.get_parts(store, name, parts.start, parts.stop)
        beyond |= own < ranges
    rows = records.unpacked(read, kind)
    if not beyond:
        return rows
    keys = records.heads(rows[key]) if kind[key] == records.NAME else rows[key]
    inside = np.flatnonzero(records.inside(keys, number, ranges))
    return {field: column[inside] for field, column in rows.items()}
