"""Pass 4 of decide: all reasons of a document, and what wins.

From the top: suppression; a screen that failed; final reasons; an override that has not expired; the worst of the
other reasons; keep. Each level is a floor: what stands below it can make the outcome worse, never milder.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import reasons
from corpus_gov.errors import IntegrityError, PolicyError
from corpus_gov.policyfile import SUPPRESSED, Policy
from corpus_gov.reasons import Reason
from corpus_gov.schemas import DECISIONS, DISPOSITIONS, field, table

OVERRIDES: Final = table(
    "overrides",
    1,
    "What people decided against the policy, document by document.",
    field("override_id", pa.string(), "Of the review that it came from."),
    field("doc_id", pa.string(), "The document."),
    field("disposition", pa.string(), "One of DISPOSITIONS."),
    field("actor", pa.string(), "Who decided."),
    field("expires", pa.date32(), "Last day on which it holds; null: it does not end.", null=True),
    field("legal", pa.string(), "Legal references, comma-separated, sorted, or ''."),
)

_SUPPRESSED: Final = Reason(SUPPRESSED, "drop", "", "cn.pipl.47,eu.gdpr.17")
_DROP: Final = DISPOSITIONS.index("drop")


def standing(
    policy: Policy,
    judged: pa.Table,
    source_reasons: pa.Table,
    overrides: pa.Table,
    suppressed: pa.Array,
    as_of: date,
) -> pa.Table:
    """Replace each disposition by the one that the document would have if it had no duplicates.

    Elections go by it, so that nobody gives way to a copy that a verdict, an override or an erasure takes away.

    Args:
        policy: in force.
        judged: of `judge`, n rows; more columns are passed on.
        source_reasons: of `judge_sources`.
        overrides: OVERRIDES.
        suppressed: doc_ids.
        as_of: the day that overrides are looked at.

    Returns:
        `judged` with another disposition.
    """
    said = _weigh(policy, judged, source_reasons, overrides, suppressed, as_of)
    place = judged.schema.get_field_index("disposition")
    return judged.set_column(place, "disposition", reasons.names(said.outcome(said.remaining)))


def settle(
    policy: Policy,
    judged: pa.Table,
    source_reasons: pa.Table,
    duplicates: pa.Table,
    clusters: pa.Table,
    overrides: pa.Table,
    suppressed: pa.Array,
    as_of: date,
) -> pa.Table:
    """Decide on each document.

    An override in force is a reason "override:<id>" with the disposition it asks for; of several the worst counts.
    An expired one changes nothing and is kept as "override.expired:<id>", which asks for keep, so that a reader
    sees why it no longer holds. Rows for documents that are not in `judged` are passed over.

    Args:
        policy: in force.
        judged: of `judge`, n rows.
        source_reasons: of `judge_sources`.
        duplicates: of `elect`.
        clusters: doc_id, cluster_id.
        overrides: OVERRIDES.
        suppressed: doc_ids.
        as_of: the day that overrides are looked at.

    Returns:
        DECISIONS, n rows in the order of `judged`.

    Raises:
        PolicyError: an override asks for no disposition.
        IntegrityError: a representative is not in the release.
    """
    said = _weigh(policy, judged, source_reasons, overrides, suppressed, as_of)
    ids, n = said.ids, len(said.ids)
    place = _find(ids, duplicates["doc_id"])
    representative = duplicates["representative_id"].combine_chunks().take(place)
    duplicate = np.asarray(pc.is_valid(representative))
    by = pc.if_else(pc.is_valid(representative), duplicates["decided_by"].combine_chunks().take(place), None)
    found = reasons.join([*said.lists, reasons.build(n, _duplicate_cases(by))])
    outcome = said.outcome(np.where(duplicate, _DROP, said.remaining))
    _check_represented(ids, representative, outcome)
    gives_way = pa.array(duplicate & (outcome == _DROP))
    decided = said.decided()
    by_hand = pa.array(np.where(decided, said.override, -1), mask=~decided)
    columns = [
        ids,
        reasons.names(outcome),
        found,
        overrides["override_id"].combine_chunks().take(by_hand),
        pc.fill_null(overrides["actor"].combine_chunks().take(by_hand), "policy"),
        clusters["cluster_id"].combine_chunks().take(_find(ids, clusters["doc_id"])),
        pc.if_else(gives_way, representative, None),
        pc.if_else(gives_way, duplicates["similarity"].combine_chunks().take(place), None),
    ]
    return pa.table(columns, schema=DECISIONS)


def _duplicate_cases(decided_by: pa.Array) -> list[tuple[Reason, np.ndarray]]:
    """Return the reason of each criterion that made another copy the better one, and where it did."""
    codes = decided_by.dictionary_encode()
    places = np.asarray(pc.fill_null(codes.indices, -1))
    return [(Reason(f"duplicate:{one}", "drop"), places == i) for i, one in enumerate(codes.dictionary.to_pylist())]


@dataclass(frozen=True)
class _Said:
    """All that is said about n documents but by their duplicates; dispositions are places in DISPOSITIONS."""

    ids: pa.Array
    lists: list[pa.Array]
    """REASONS of each party."""
    remaining: np.ndarray
    """Worst of policy and source, 0 for nothing."""
    floor: np.ndarray
    """Worst that no override makes milder, -1 for nothing."""
    override: np.ndarray
    """Row of the override in force, -1 for none."""
    asked: np.ndarray
    """What that override asks for, -1 for none."""

    def outcome(self, remaining: np.ndarray) -> np.ndarray:
        """Return what wins, given the worst of the remaining reasons."""
        below: np.ndarray = np.where(self.override >= 0, self.asked, np.maximum(remaining, 0))
        wins: np.ndarray = np.maximum(self.floor, below)
        return wins

    def decided(self) -> np.ndarray:
        """Say where it was the override that decided."""
        return (self.override >= 0) & (self.asked > self.floor)


def _weigh(
    policy: Policy,
    judged: pa.Table,
    source_reasons: pa.Table,
    overrides: pa.Table,
    suppressed: pa.Array,
    as_of: date,
) -> _Said:
    ids = judged["doc_id"].combine_chunks().cast(pa.string())
    n = len(ids)
    source = _find(judged["source_id"].combine_chunks(), source_reasons["source_id"])
    of_source = source_reasons["reasons"].combine_chunks().take(source)
    erased = np.asarray(pc.is_in(ids, value_set=suppressed.cast(pa.string())))
    by_hand, override, asked = _overridden(policy, ids, overrides, as_of)
    floor = np.maximum(
        reasons.ranks(judged["final"]), reasons.ranks(source_reasons["final"].combine_chunks().take(source))
    )
    return _Said(
        ids=ids,
        lists=[judged["reasons"], of_source, reasons.build(n, [(_SUPPRESSED, erased)]), by_hand],
        remaining=np.maximum(np.maximum(reasons.worst(judged["reasons"]), reasons.worst(of_source)), 0),
        floor=np.where(erased, _DROP, floor),
        override=override,
        asked=asked,
    )


def _overridden(
    policy: Policy, ids: pa.Array, overrides: pa.Table, as_of: date
) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """Return the reasons that overrides are, the row of the one in force for each document, and what it asks for."""
    override, asked = np.full(len(ids), -1, np.int64), np.full(len(ids), -1, np.int64)
    unknown = overrides.filter(pc.invert(pc.is_in(overrides["disposition"], value_set=pa.array(DISPOSITIONS))))
    for row in unknown.slice(0, 1).to_pylist():
        raise PolicyError(
            f"override {row['override_id']!r}: found disposition {row['disposition']!r}, expected one of "
            f"{DISPOSITIONS!r} under policy {policy.name!r}; correct the review"
        )
    rows = np.asarray(pc.fill_null(pc.index_in(overrides["doc_id"], value_set=ids), -1))
    here = np.flatnonzero(rows >= 0)
    said: list[Reason] = []
    places: list[int] = []
    ours = zip(here.tolist(), overrides.take(pa.array(here)).to_pylist(), strict=True)
    # A loop over what people decided one by one, in an order that does not depend on that of the table.
    for number, row in sorted(ours, key=lambda pair: str(pair[1]["override_id"])):
        at = int(rows[number])
        expired = row["expires"] is not None and row["expires"] < as_of
        code = f"override.expired:{row['override_id']}" if expired else f"override:{row['override_id']}"
        reason = Reason(code, "keep" if expired else row["disposition"], "", row["legal"] or "")
        said.append(reason)
        places.append(at)
        rank = DISPOSITIONS.index(row["disposition"])
        if not expired and rank > asked[at]:
            override[at], asked[at] = number, rank
    return reasons.place(len(ids), np.array(places, np.int64), said), override, asked


def _check_represented(ids: pa.Array, representative: pa.Array, outcome: np.ndarray) -> None:
    place = np.asarray(pc.fill_null(pc.index_in(representative, value_set=ids, skip_nulls=True), -1))
    gone = (place >= 0) & (outcome[place] > DISPOSITIONS.index("redact"))
    if gone.any():
        raise IntegrityError(
            f"document {ids[int(np.flatnonzero(gone)[0])].as_py()!r} is a duplicate of one that is not released; "
            "elect among the dispositions of `standing`"
        )


def _find(wanted: pa.Array, known: pa.ChunkedArray) -> pa.Array:
    return pc.index_in(wanted.cast(pa.string()), value_set=known.combine_chunks().cast(pa.string()))
