"""Verified relations of two documents as rows of a fixed width: what is sorted and grouped before EDGES are written."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.relate import records
from corpus_gov.relate.records import Columns
from corpus_gov.schemas import EDGES
from corpus_gov.store import Store

KINDS: Final = ("contained", "exact", "near", "spun")
"""By number; ascending, so that numbers sort as the names do."""

EXACT: Final = KINDS.index("exact")
COPIES: Final = (EXACT, KINDS.index("near"))
"""Kinds that make clusters."""

LINK: Final = np.dtype(
    [
        ("a", records.NAME), ("b", records.NAME), ("home_a", "<u4"), ("home_b", "<u4"), ("value", "<i4"),
        ("kind", "u1"),
    ]
)  # fmt: skip
"""A row of EDGES, with the numbers of the shards of both documents."""

END: Final = np.dtype([("doc", records.NAME), ("home", "<u4")])
"""A document that has a copy, and the number of its shard."""

MADE: Final = np.dtype(
    [
        ("doc", records.NAME), ("home", "<u4"), ("contained_share", "<i4"), ("contained_in", records.NAME),
        ("spun_share", "<i4"), ("spun_of", records.NAME),
    ]
)  # fmt: skip
"""A document that is largely made of another, its shard, and of which; a share is -1 where there is none."""

_MADE_OF: Final = (("contained", "contained_share", "contained_in"), ("spun", "spun_share", "spun_of"))


def put(store: Store, name: str, found: Columns, numbers: np.ndarray, parts: int) -> None:
    """Store links by the part that each belongs to, and behind these the second documents of copies by themselves.

    Args:
        store: where.
        name: of the artefact.
        found: LINK.
        numbers: the part of each.
        parts: how many there are of either sort; the second documents go by their names, so it is a power of two.
    """
    copies = np.flatnonzero(are_copies(found))
    ends = {"doc": found["b"][copies], "home": found["home_b"][copies]}
    by_end = records.cut(ends, END, records.heads(ends["doc"]), parts)
    artefacts.put_parts(store, name, [*records.divided(found, LINK, numbers, parts), *by_end])


def are_copies(found: Columns) -> np.ndarray:
    """Say which links are between copies or near copies."""
    return np.isin(found["kind"], COPIES)


def ordered(found: Columns) -> Columns:
    """Sort as EDGES are sorted."""
    return taken(found, records.order(found["a"], found["b"], found["kind"]))


def taken(rows: Columns, at: np.ndarray) -> Columns:
    """Take rows of a table."""
    return {field: column[at] for field, column in rows.items()}


def edges(found: Columns) -> pa.Table:
    """Write links as EDGES, in their order."""
    columns = [
        *(records.hexadecimal(found[side]) for side in "ab"),
        pa.array(KINDS).take(pa.array(found["kind"])),
        pa.array(found["value"], pa.int32()),
    ]
    return pa.table(columns, schema=EDGES)


def nodes(found: Columns, ends: Columns) -> Columns:
    """List the documents that have copies.

    Args:
        found: LINK of copies.
        ends: END of the second documents that belong to the same range.

    Returns:
        END, ascending, each once.
    """
    rows = {
        "doc": np.concatenate([found["a"], ends["doc"]]),
        "home": np.concatenate([found["home_a"], ends["home"]]),
    }
    at = records.order(rows["doc"])
    return taken(rows, at[records.starts(rows["doc"][at])])


def made_of(found: Columns) -> Columns:
    """Say of which other document each is largely made; copies of a text are made of the same.

    Args:
        found: LINK; all of the documents that are `a` in them.

    Returns:
        MADE, each document once.
    """
    best = [_best(found, kind) for kind, _, _ in _MADE_OF]
    docs, first = np.unique(np.concatenate([one["a"] for one in best]), return_index=True)
    rows: Columns = {"doc": docs, "home": np.concatenate([one["home_a"] for one in best])[first]}
    for one, (_, share, other) in zip(best, _MADE_OF, strict=True):
        at = np.searchsorted(docs, one["a"])
        rows[share], rows[other] = np.full(len(docs), -1, np.int32), np.zeros(len(docs), records.NAME)
        rows[share][at], rows[other][at] = one["value"], one["b"]
    copies = taken(found, np.flatnonzero((found["kind"] == EXACT) & np.isin(found["a"], docs)))
    spread = taken(rows, np.searchsorted(docs, copies["a"])) | {"doc": copies["b"], "home": copies["home_b"]}
    return {field: np.concatenate([column, spread[field]]) for field, column in rows.items()}


def _best(found: Columns, kind: str) -> Columns:
    """Keep of the links of one kind that of each `a` which is most similar, of equal ones that of smallest `b`."""
    mine = taken(found, np.flatnonzero(found["kind"] == KINDS.index(kind)))
    mine = taken(mine, records.order(mine["a"], -mine["value"].astype(np.int64), mine["b"]))
    return taken(mine, records.starts(mine["a"]))


def shares(column: np.ndarray) -> pa.Array:
    """Write shares of MADE, null where there is none."""
    return pa.array(column, pa.int32(), mask=column < 0)


def joined(parts: Sequence[Columns]) -> Columns:
    """Put tables of one type behind each other."""
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
