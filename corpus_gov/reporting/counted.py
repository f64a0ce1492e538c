"""Numbers of a release, counted again from its tables: columns without text, one file at a time.

Memory: the columns read of one file, and a count for each combination of values.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.stages import read_shard
from corpus_gov.store import Missing
from corpus_gov.workspace import Release

COLUMNS: Final = (
    "source_id", "disposition", "rights_state", "rights_basis", "rights_licence", "optout_state", "aigc_state",
    "language", "minor",
)  # fmt: skip
"""Columns of the manifest by whose values documents are counted."""

_CUBE: Final = f"select {', '.join(COLUMNS)}, count(*)::bigint as n from manifest group by all"  # noqa: S608 - fixed names

Cube = Mapping[tuple[Any, ...], int]


@dataclass(frozen=True)
class Counted:
    """What the report says in numbers beside run.json.

    Attributes:
        cube: documents by the values of COLUMNS.
        outcomes: captures by source and outcome.
        why: captures that were skipped or rejected, by outcome and reason.
        personal: findings and documents by placeholder or, of what is not replaced, by rule.
        missing: files that the last three are counted from and that are not there any more.
    """

    cube: Cube
    outcomes: Mapping[tuple[str, str], int]
    why: Mapping[tuple[str, str], int]
    personal: Mapping[str, tuple[int, int]]
    missing: int

    def by(self, *columns: str, where: Callable[[Mapping[str, Any]], bool] | None = None) -> Counter[Any]:
        """Count documents by the values of one column, or of several as a tuple."""
        places = [COLUMNS.index(name) for name in columns]
        found: Counter[Any] = Counter()
        for values, n in self.cube.items():
            if where is None or where(dict(zip(COLUMNS, values, strict=True))):
                found[values[places[0]] if len(places) == 1 else tuple(values[i] for i in places)] += n
        return found


def counted(release: Release) -> Counted:
    """Count a release.

    Raises:
        IntegrityError: a file of the workspace is not what was written.
    """
    run = release.run
    shards = [shard for shard in release.workspace.shards() if shard.ref in set(run["shards"])]
    outcomes: Counter[tuple[str, str]] = Counter()
    why: Counter[tuple[str, str]] = Counter()
    for shard in shards:
        outcomes.update({(shard.source_id, outcome): n for outcome, n in shard.outcomes.items()})
        if {"skipped", "rejected"} & {*shard.outcomes}:
            data = read_shard(release.workspace.store, shard, "captures")
            why.update(_grouped(artefacts.decode(data, ["outcome", "reason"])))
    names = [one["findings.pii"] for one in run["artefacts"].values() if "findings.pii" in one]
    personal, lost = _personal(release, names)
    return Counted(_cube(release), outcomes, why, personal, lost + len({*run["shards"]}) - len(shards))


def _cube(release: Release) -> Cube:
    found: Counter[tuple[Any, ...]] = Counter()
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        for file in release.files:
            if file.startswith(f"releases/{release.name}/manifest/"):
                connection.register("manifest", artefacts.decode(release.workspace.store.read(file), COLUMNS))
                for *values, n in connection.sql(_CUBE).fetchall():
                    found[tuple(values)] += n
                connection.unregister("manifest")
    return found


def _grouped(captures: pa.Table) -> dict[tuple[str, str], int]:
    counts = captures.group_by(["outcome", "reason"]).aggregate([([], "count_all")]).to_pylist()
    return {(one["outcome"], one["reason"]): one["count_all"] for one in counts if one["reason"] is not None}


def _personal(release: Release, names: Sequence[str]) -> tuple[dict[str, tuple[int, int]], int]:
    """Count findings and documents, and the tables that are gone; a document lies in one shard, so counts add up."""
    placeholders = release.run["policy"]["placeholders"]
    findings: Counter[str] = Counter()
    documents: Counter[str] = Counter()
    lost = 0
    for name in names:
        try:
            table = artefacts.get(release.workspace.store, name, ["rule", "doc_id"])
        except Missing:
            # Of an older release: the build cache was collected, or a shard written anew without an erased document.
            lost += 1
            continue
        pairs = table.group_by(["rule", "doc_id"]).aggregate([([], "count_all")])
        seen = set()
        for rule, doc_id, n in zip(*(pairs[i].to_pylist() for i in pairs.column_names), strict=True):
            kind = placeholders.get(rule, rule).strip("[]")
            findings[kind] += n
            seen.add((kind, doc_id))
        documents.update(kind for kind, _ in seen)
    return {kind: (n, documents[kind]) for kind, n in findings.most_common()}, lost
