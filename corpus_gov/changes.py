"""What became of documents between two manifests: decisions that changed, and copies that holders must give up.

Manifests ascend in doc_id, so two of them are gone through side by side: memory is that of two files of each.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, published, schemas
from corpus_gov.kernels.rows import differ, encode
from corpus_gov.schemas import field, table
from corpus_gov.store import Store

COLUMNS: Final = ("doc_id", "disposition", "reasons", "released_digest")
"""Columns of the manifest that `decisions` and `removed` read."""

_NAMES: Final = pa.list_(pa.string())

CHANGES: Final = table(
    "changes",
    1,
    "Decisions that are others than in the release before: one row a document, ascending.",
    field("doc_id", pa.string(), "The document."),
    field("before", pa.string(), "Its disposition then; null: it was not there.", null=True),
    field("after", pa.string(), "Its disposition now; null: it is not there any more.", null=True),
    field("reasons_added", _NAMES, "Codes of reasons that it did not have then."),
    field("reasons_removed", _NAMES, "Codes of reasons that it has no more."),
    field("rules_before", _NAMES, "Rules (id@version) behind its reasons then."),
    field("rules_after", _NAMES, "Rules (id@version) behind its reasons now."),
)

REMOVALS: Final = table(
    "removals",
    1,
    "Documents that were released and are not any more, or not as they were: one row a document, ascending.",
    field("doc_id", pa.string(), "The document."),
    field("change", pa.string(), "removed: to be given up; redacted: to be exchanged for what is released now."),
    field("released_digest", pa.string(), "Of what was released then."),
    field("released_now", pa.string(), "Of what is released instead; null where nothing is.", null=True),
    field("disposition", pa.string(), "What was decided now; null: it is not in the manifest any more.", null=True),
)


def files_of(store: Store, release: str, columns: Sequence[str] | None = COLUMNS) -> Iterator[pa.Table]:
    """Read the manifest of a release, file by file.

    Raises:
        ConfigError, IntegrityError: as for `published.statement_of`.
    """
    for name in sorted(published.statement_of(store, release)):
        if name.startswith(published.place(release, "manifest/")):
            yield artefacts.decode(store.read(name), columns)


def side_by_side(old: Iterable[pa.Table], new: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Cut two manifests into spans of the same doc_ids.

    Args:
        old: tables of one schema that ascend in doc_id, one after the other.
        new: the same.

    Yields:
        Rows of both that lie in one span of doc_ids; either may have none.
    """
    sides = [_Side(iter(old)), _Side(iter(new))]
    while True:
        for side in sides:
            side.fill()
        if all(side.done for side in sides):
            break
        ends = [side.last for side in sides if not side.done]
        # A side that is at its end has no more to wait for.
        end = max(ends) if len(ends) == 1 else min(ends)
        yield sides[0].upto(end), sides[1].upto(end)


class _Side:
    """One manifest on its way: what was read of it and not given out."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rows = schemas.MANIFEST.empty_table()
        self._ended = False

    @property
    def done(self) -> bool:
        return self._ended and not self._rows.num_rows

    @property
    def last(self) -> str:
        return str(self._rows["doc_id"][-1])

    def fill(self) -> None:
        while not self._ended and not self._rows.num_rows:
            found = next(self._tables, None)
            self._ended = found is None
            self._rows = self._rows if found is None else found

    def upto(self, end: str) -> pa.Table:
        """Give out the rows whose doc_id is not above `end`."""
        count = pc.sum(pc.less_equal(self._rows["doc_id"], end)).as_py() or 0
        given, self._rows = self._rows.slice(0, count), self._rows.slice(count)
        return given


def decisions(old: Iterable[pa.Table], new: Iterable[pa.Table]) -> pa.Table:
    """List the documents whose disposition or reasons are others.

    Args:
        old: manifest of the earlier release, with COLUMNS, as for `side_by_side`.
        new: that of the later one.

    Returns:
        CHANGES; it has as many rows as there are changes.
    """
    return pa.concat_tables([CHANGES.empty_table(), *(_decided(*span) for span in side_by_side(old, new))])


def removed(old: Iterable[pa.Table], new: Iterable[pa.Table]) -> pa.Table:
    """List the documents that were released then, and now not at all or with other words taken out.

    Args:
        old: as for `decisions`.
        new: as for `decisions`.

    Returns:
        REMOVALS.
    """
    return pa.concat_tables([REMOVALS.empty_table(), *(_given_up(*span) for span in side_by_side(old, new))])


def summary(found: pa.Table) -> dict[str, Any]:
    """Count changes, for run.json.

    Args:
        found: CHANGES.

    Returns:
        documents; decisions: "keep -> drop" to documents ("none" for a side that has none), without those that stayed;
        reasons_added and reasons_removed: codes to documents.
    """
    pairs: Counter[str] = Counter()
    for row in found.group_by(["before", "after"]).aggregate([("doc_id", "count")]).to_pylist():
        if row["before"] != row["after"]:
            pairs[f"{row['before'] or 'none'} -> {row['after'] or 'none'}"] = row["doc_id_count"]
    return {
        "documents": found.num_rows,
        "decisions": dict(sorted(pairs.items())),
        **{name: _codes(found[name]) for name in ("reasons_added", "reasons_removed")},
    }


def _codes(column: pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(pc.list_flatten(column)).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(counts, key=lambda one: (-one["counts"], one["values"]))}


def _whole(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()


def _decided(old: pa.Table, new: pa.Table) -> pa.Table:
    place = pc.index_in(_whole(new, "doc_id"), value_set=_whole(old, "doc_id"))
    before, after = old.take(place.drop_null()), new.filter(pc.is_valid(place))
    unlike = np.zeros(after.num_rows, np.bool_)
    for name in ("disposition", "reasons"):
        unlike |= differ(encode(_whole(before, name), name), encode(_whole(after, name), name))
    changed = pa.array(unlike)
    gone = old.filter(pc.invert(pc.is_in(old["doc_id"], value_set=_whole(new, "doc_id"))))
    came = new.filter(pc.is_null(place))
    rows = [
        *_changes(before.filter(changed).to_pylist(), after.filter(changed).to_pylist()),
        *_changes(gone.to_pylist(), [None] * gone.num_rows),
        *_changes([None] * came.num_rows, came.to_pylist()),
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["doc_id"]), schema=CHANGES)


def _changes(old: Sequence[Any], new: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for before, after in zip(old, new, strict=True):
        was, now = _said(before), _said(after)
        yield {
            "doc_id": (after or before)["doc_id"],
            "before": before and before["disposition"],
            "after": after and after["disposition"],
            "reasons_added": sorted(now - was),
            "reasons_removed": sorted(was - now),
            "rules_before": _rules(was),
            "rules_after": _rules(now),
        }


def _said(row: Mapping[str, Any] | None) -> set[str]:
    return {reason["code"] for reason in row["reasons"]} if row else set()


def _rules(codes: Iterable[str]) -> list[str]:
    """Return the rules that codes name: "<clause>:<rule>@<version>"."""
    return sorted({code.partition(":")[2] for code in codes if "@" in code.partition(":")[2]})


def _given_up(old: pa.Table, new: pa.Table) -> pa.Table:
    released = old.filter(pc.is_valid(old["released_digest"]))
    place = pc.index_in(_whole(released, "doc_id"), value_set=_whole(new, "doc_id"))
    now = _whole(new, "released_digest").take(place)
    unlike = pc.fill_null(pc.not_equal(_whole(released, "released_digest"), now), True)  # noqa: FBT003 - pyarrow's own
    change = pc.if_else(pc.is_null(now), "removed", "redacted")
    columns = [
        released["doc_id"],
        change,
        released["released_digest"],
        now,
        _whole(new, "disposition").take(place),
    ]
    return pa.table(columns, names=REMOVALS.names).filter(unlike).cast(REMOVALS)
