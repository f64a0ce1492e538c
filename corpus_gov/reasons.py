"""Lists of reasons, one a document: built, joined, sorted and weighed without a loop over documents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.schemas import DISPOSITIONS, REASON

REASONS: Final = pa.list_(REASON)
"""Type of a column of reasons."""

RELEASED: Final = ("keep", "redact")
"""Dispositions of what a release holds."""

_KEYS: Final = tuple(REASON.field(i).name for i in range(REASON.num_fields))


@dataclass(frozen=True, order=True)
class Reason:
    """One reason, as schemas.REASON describes it."""

    code: str
    disposition: str
    category: str = ""
    legal: str = ""


def build(n: int, cases: Iterable[tuple[Reason, np.ndarray]]) -> pa.Array:
    """Give each of n documents the reasons whose mask is true for it.

    Args:
        n: documents.
        cases: reasons, each with n booleans.

    Returns:
        REASONS, n rows, each sorted.
    """
    cases = list(cases)
    rows = [np.flatnonzero(mask) for _, mask in cases]
    which = np.repeat(np.arange(len(cases)), [len(r) for r in rows])
    values = structs([reason for reason, _ in cases]).take(pa.array(which))
    return _lists(n, np.concatenate([np.zeros(0, np.int64), *rows]), values)


def place(n: int, rows: np.ndarray, said: Sequence[Reason]) -> pa.Array:
    """Give single documents a reason each.

    Args:
        n: documents.
        rows: which of them, one number a reason; a document may have several.
        said: the reasons.

    Returns:
        REASONS, n rows, each sorted.
    """
    return _lists(n, rows, structs(said))


def join(lists: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array:
    """Join columns of reasons row by row; equal reasons become one, a null counts as none.

    Args:
        lists: at least one REASONS, n rows each.

    Returns:
        REASONS, n rows, each sorted.
    """
    whole = [one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for one in lists]
    rows = np.concatenate([np.asarray(pc.list_parent_indices(one)).astype(np.int64) for one in whole])
    return _lists(len(whole[0]), rows, pa.concat_arrays([pc.list_flatten(one).cast(REASON) for one in whole]))


def worst(lists: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return the place in DISPOSITIONS of the worst that any reason of a row asks for; -1 where there is none."""
    whole = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    worst_of = np.full(len(whole), -1, np.int64)
    np.maximum.at(
        worst_of,
        np.asarray(pc.list_parent_indices(whole)),
        ranks(pc.struct_field(pc.list_flatten(whole), "disposition")),
    )
    return worst_of


def ranks(dispositions: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return the place of each disposition in DISPOSITIONS, -1 for null."""
    return np.asarray(pc.fill_null(pc.index_in(dispositions, value_set=pa.array(DISPOSITIONS)), -1)).astype(np.int64)


def names(places: np.ndarray) -> pa.Array:
    """Turn places in DISPOSITIONS into their names; a negative place is null."""
    return pa.array(DISPOSITIONS).take(pa.array(places, mask=places < 0))


def structs(reasons: Sequence[Reason]) -> pa.Array:
    """Return reasons as one array of REASON."""
    return pa.array([{key: getattr(reason, key) for key in _KEYS} for reason in reasons], REASON)


def _lists(n: int, rows: np.ndarray, values: pa.Array) -> pa.Array:
    columns = {"row": pa.array(rows, pa.int64())} | dict(zip(_KEYS, values.flatten(), strict=True))
    table = pa.table(columns).group_by(["row", *_KEYS]).aggregate([])
    table = table.sort_by([(name, "ascending") for name in ("row", *_KEYS)]).combine_chunks()
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(np.bincount(np.asarray(table["row"]), minlength=n), out=offsets[1:])
    fields = [REASON.field(i) for i in range(REASON.num_fields)]
    items = pa.StructArray.from_arrays([_whole(table[name]) for name in _KEYS], fields=fields)
    return pa.ListArray.from_arrays(pa.array(offsets), items, type=REASONS)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()
