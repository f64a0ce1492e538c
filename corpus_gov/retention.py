"""Retention: how long the bytes of documents stay that the policy holds or drops, by class of reason.

    releases -> first day of a reason -> due on -> suppression list -> erasure that leaves the rows

The row, the reasons and the digests stay in the releases that have them; later releases have a tombstone. Only what the
newest release holds or drops is due: an override that keeps a document keeps its bytes, and a legal hold does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, erasing, holds, published, suppression
from corpus_gov.acts import OVERRIDE_GIVEN
from corpus_gov.policyfile import Retention
from corpus_gov.published import place
from corpus_gov.stages import read_shard
from corpus_gov.workspace import Workspace

BARRED: Final = ("quarantine", "drop")
"""Dispositions whose documents can be due."""

_READ: Final = ("doc_id", "disposition", "reasons", "payload_digest")


@dataclass(frozen=True)
class Due:
    """A document whose bytes have to go, or will have to.

    Attributes:
        doc_id: the document.
        retention: id of the class, as the policy has it.
        since: day of the release that first gave such a reason.
        due: day from which its bytes may not be there.
        held: under a legal hold, so that they stay.
    """

    doc_id: str
    retention: str
    since: str
    due: str
    held: bool


def due(workspace: Workspace, as_of: date) -> list[Due]:
    """List every document of a class of the policy whose bytes are there, the next one due first.

    Memory: a file of a manifest, and the documents that are of a class.

    Args:
        workspace: an open workspace.
        as_of: the day that legal holds are compared with; what is due later is listed too.

    Raises:
        PolicyError, ConfigError: policy or a hold is wrong.
        IntegrityError: a release or shard is not what was recorded.
    """
    classes, releases = workspace.policy_in_force().retention, workspace.releases()
    if not classes or not releases:
        return []
    held, reviews = holds.held(workspace, as_of), _reviewed(workspace)
    wanted = _of_classes(workspace, releases[-1], classes, None)
    there = _stored(workspace, {doc_id for ids in wanted.values() for doc_id in ids})
    since = _first_days(workspace, releases, classes, {name: ids & there for name, ids in wanted.items()})
    found = []
    for one in classes:
        for doc_id, first in since[one.id].items():
            ends = [first + timedelta(one.days)]
            if one.reviewed is not None and doc_id in reviews:
                ends.append(reviews[doc_id] + timedelta(one.reviewed))
            found.append(Due(doc_id, one.id, first.isoformat(), min(ends).isoformat(), doc_id in held))
    return sorted(_soonest(found), key=lambda row: (row.due, row.doc_id))


def counted(rows: Iterable[Due], as_of: date) -> dict[str, dict[str, int]]:
    """Count, by class, what is due on a day, what a legal hold keeps, and what is due later."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        state = "later" if row.due > as_of.isoformat() else "held" if row.held else "due"
        counts = found.setdefault(row.retention, dict.fromkeys(("due", "held", "later"), 0))
        counts[state] += 1
    return dict(sorted(found.items()))


def retain(workspace: Workspace, as_of: date, rows: Sequence[Due] | None = None) -> list[dict[str, Any]]:
    """Take away the bytes of what is due, class by class; what is not due, or held, stays.

    Before the bytes go, ids, payloads and texts are put on the suppression list, so that they do not come back.

    Args:
        workspace: an open workspace.
        as_of: the day.
        rows: of `due`; looked up where they are not given.

    Returns:
        For each class that had something due: retention, and what `erasing.Erased` says.

    Raises:
        StoreError: somebody else is writing, or output was not durably written: the next start finishes it.
        IntegrityError: as for `erasing.erase`.
    """
    done = []
    with workspace.writing():
        rows = due(workspace, as_of) if rows is None else rows
        for one in workspace.policy_in_force().retention:
            ids = [
                row.doc_id for row in rows if row.retention == one.id and row.due <= as_of.isoformat() and not row.held
            ]
            if ids:
                _bar(workspace, one, ids)
                erased = erasing.erase(workspace, ids, reason=f"retention:{one.id}", keep_rows=True)
                done.append({"retention": one.id, **asdict(erased)})
    return done


def _bar(workspace: Workspace, one: Retention, doc_ids: Sequence[str]) -> None:
    # No address: what is captured there another time may be something else. No near copies: the rules judge those.
    common: dict[str, Any] = {
        "reason": f"retention.{one.id}",
        "request": f"retention-{one.id}",
        "uri": None,
        "preset": "",
        "bands": [],
    }
    suppression.put(workspace, f"retention-{one.id}", suppression.rows_of(workspace, doc_ids, common))


def _soonest(rows: Sequence[Due]) -> Iterable[Due]:
    """Keep of each document the class whose end comes first."""
    found: dict[str, Due] = {}
    for row in rows:
        if row.doc_id not in found or (row.due, row.retention) < (found[row.doc_id].due, found[row.doc_id].retention):
            found[row.doc_id] = row
    return found.values()


def _first_days(
    workspace: Workspace, releases: Sequence[str], classes: Sequence[Retention], wanted: Mapping[str, set[str]]
) -> dict[str, dict[str, date]]:
    """Return, by class, the day of the release that first gave each document such a reason."""
    entries = published.committed(workspace.ledger())
    left = {name: {*ids} for name, ids in wanted.items()}
    found: dict[str, dict[str, date]] = {name: {} for name in wanted}
    for release in releases:
        if not any(left.values()):
            break
        day = datetime.fromisoformat(entries[release].time).date()
        asked = {doc_id for ids in left.values() for doc_id in ids}
        for name, ids in _of_classes(workspace, release, classes, asked).items():
            found[name] |= dict.fromkeys(ids & left[name], day)
            left[name] -= ids
    return found


def _of_classes(
    workspace: Workspace, release: str, classes: Sequence[Retention], among: set[str] | None
) -> dict[str, set[str]]:
    """Return, by class, the documents that a release holds or drops for such a reason."""
    found: dict[str, set[str]] = {one.id: set() for one in classes}
    if among is not None and not among:
        return found
    for file in workspace.release(release).files:
        if file.startswith(place(release, "manifest/")):
            rows = artefacts.decode(workspace.store.read(file), list(_READ))
            barred = pc.is_in(rows["disposition"], value_set=pa.array(BARRED))
            # What has no payload is a tombstone: its bytes are gone.
            rows = rows.filter(pc.and_(barred, pc.is_valid(rows["payload_digest"])))
            if among is not None:
                rows = rows.filter(pc.is_in(rows["doc_id"], value_set=pa.array(sorted(among), pa.string())))
            for one in classes:
                found[one.id].update(rows["doc_id"].filter(pa.array(_concerned(rows, one))).to_pylist())
    return found


def _concerned(rows: pa.Table, one: Retention) -> np.ndarray:
    """Mark the rows with a reason of a class that asks to hold or drop."""
    lists = rows["reasons"].combine_chunks()
    parents, reasons = np.asarray(pc.list_parent_indices(lists)), pc.list_flatten(lists)
    clauses = pc.replace_substring_regex(pc.struct_field(reasons, "code"), ":.*$", "")
    spoke = pc.is_in(clauses, value_set=pa.array(one.of, pa.string()))
    for category in one.categories:
        spoke = pc.or_(spoke, pc.starts_with(pc.struct_field(reasons, "category"), category))
    asks = pc.is_in(pc.struct_field(reasons, "disposition"), value_set=pa.array(BARRED))
    marked = np.zeros(rows.num_rows, bool)
    marked[parents[np.asarray(pc.and_(spoke, asks))]] = True
    return marked


def _stored(workspace: Workspace, doc_ids: set[str]) -> set[str]:
    """Return those of some documents that a shard holds."""
    wanted, found = pa.array(sorted(doc_ids), pa.string()), set[str]()
    for shard in workspace.shards() if doc_ids else ():
        ids = artefacts.decode(read_shard(workspace.store, shard, "documents"), ["doc_id"])["doc_id"]
        found.update(ids.filter(pc.is_in(ids, value_set=wanted)).to_pylist())
    return found


def _reviewed(workspace: Workspace) -> dict[str, date]:
    """Return the day on which a person last decided to drop each document."""
    return {
        str(entry.data["doc_id"]): datetime.fromisoformat(entry.time).date()
        for entry in workspace.ledger().entries()
        if entry.type == OVERRIDE_GIVEN and entry.data.get("disposition") == "drop"
    }
