"""Screen what is there again, by the rules, lists, models, policy, papers and dates of today.

`plan` says beforehand what that will come to: which tables are missing under the names that they have today and why,
which decisions change, and how long it takes. It rehearses the run in a folder of its own (`rehearsal`) and writes
nothing to the workspace. Where no table has to be made from texts the rehearsal is the decision itself, so the numbers
are exact; otherwise a sample of shards is screened, and the numbers are estimates.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import acts, artefacts, beyond, changes, grouping, pipeline, published, rehearsal
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError
from corpus_gov.stages import Shard
from corpus_gov.stages.looking import BuildTask, artefact_names, build_shard
from corpus_gov.store import Missing, Store
from corpus_gov.workspace import Workspace

SAMPLE: Final = 0.02
"""Share of the shards, one at least, that are screened for an estimate."""

SEED: Final = 20_261_122

_RECORDED: Final = ("signals.", "findings.", "keys.near")
"""Kinds that run.json names: of the others of a shard nothing can be said but whether they are there."""


def rescreen(workspace: Workspace, **options: Any) -> pipeline.Outcome:
    """Build what is missing and publish a release of the documents that are there; options of `pipeline.run`."""
    return pipeline.run(workspace, reading=False, **options)


def plan(
    workspace: Workspace,
    engine: Engine,
    as_of: date,
    *,
    predict: bool = True,
    share: float = SAMPLE,
    seed: int = SEED,
) -> dict[str, Any]:
    """Say what `rescreen` would do, without doing it.

    Args:
        workspace: an open workspace with a release; nothing is written to it.
        engine: running.
        as_of: the date that expiries are compared with.
        predict: whether decisions are rehearsed; whoever goes on to run it knows them soon enough.
        share: of shards that are screened where rules changed, one at least.
        seed: of that sample.

    Returns:
        release, as_of;
        inputs: what differs from that release, by kind;
        recompute: of each family: shards, documents, text_bytes, why;
        relate: whether documents are related anew;
        changes: exact, documents, decisions; of an estimate also the sample; None where nothing was rehearsed;
        edges: comparisons with newly elected representatives that nobody made; None where they are not known yet;
        seconds: predicted; None where no run says.

    Raises:
        ConfigError: there is no release.
    """
    releases = workspace.releases()
    if not releases:
        raise ConfigError(f"{workspace.url}: found no release, expected one to compare with; run first")
    release = workspace.release(releases[-1])
    recompute, relates = _missing(workspace, release.run, as_of), _related(workspace)
    found: dict[str, Any] | None = None
    if predict:
        with tempfile.TemporaryDirectory(prefix="corpus-gov-plan-") as folder:
            url = rehearsal.url_of(Path(folder), workspace.store.url)
            rehearsed = replace(workspace, url=url, _held=[], _context=None)
            if recompute or relates:
                found = _estimated(rehearsed, engine, release.name, as_of, share, seed, relates=relates)
            else:
                found = _exact(rehearsed, engine, release.name, as_of)
    edges = found.pop("edges", None) if found else None
    return {
        "release": release.name,
        "as_of": as_of.isoformat(),
        "inputs": _inputs(workspace, release.name, as_of),
        "recompute": recompute,
        "relate": relates,
        "changes": found,
        "edges": edges,
        "seconds": _seconds(workspace, recompute, relates=relates, workers=engine.workers),
    }


def _inputs(workspace: Workspace, release: str, as_of: date) -> dict[str, Any]:
    """Compare what is in force with what was when the release was committed, and what the date changes."""
    entries = list(workspace.ledger().entries())
    committed = published.committed(workspace.ledger())[release].index
    before, now = acts.last_stated(entries[:committed]), acts.in_force(workspace)
    found: dict[str, Any] = {}
    for kind in acts.STATES:
        old, new = before[kind], now[kind]
        differ = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        if differ:
            found[kind] = differ
    run = workspace.release(release).run
    status = {source: one["status"] for source, one in workspace.source_facts(as_of).items()}
    moved = {
        s: f"{run['sources'].get(s)} -> {one}" for s, one in sorted(status.items()) if run["sources"].get(s) != one
    }
    if moved:
        found["sources_status"] = moved
    if new_shards := {one.ref for one in workspace.shards()} - {*run["shards"]}:
        found["shards_added"] = len(new_shards)
    if run["as_of"] != as_of.isoformat():
        found["as_of"] = f"{run['as_of']} -> {as_of.isoformat()}"
    if run["compared"] != beyond.described(workspace, as_of):
        found["references"] = "other sets, or other files in them"
    return found


def _missing(workspace: Workspace, run: Mapping[str, Any], as_of: date) -> list[dict[str, Any]]:
    """List the families of which a shard has no table under the name that it has today."""
    context, shards, store = workspace.context(), workspace.shards(), workspace.store
    related = beyond.names(workspace, shards, as_of)
    found: dict[tuple[str, str], list[Shard]] = {}
    for shard in shards:
        before = run["artefacts"].get(shard.ref)
        for kind, name in {**artefact_names(context, shard), **related[shard.ref]}.items():
            if not _there(store, name):
                found.setdefault((kind, _why(kind, name, before, run, workspace)), []).append(shard)
    return [
        {
            "family": kind,
            "why": why,
            "shards": len(mine),
            "documents": sum(shard.documents for shard in mine),
            "text_bytes": sum(shard.text_bytes for shard in mine),
        }
        for (kind, why), mine in sorted(found.items())
    ]


def _why(kind: str, name: str, before: Mapping[str, str] | None, run: Mapping[str, Any], workspace: Workspace) -> str:
    if before is None:
        return "the shard is new"
    if not kind.startswith(_RECORDED):
        return "it was not there, or what it is made by is another version"
    if kind not in before:
        return "nobody looked for it then"
    if before[kind] == name:
        return "it was removed from the build cache"
    if kind.startswith("findings."):
        screen, old = kind.partition(".")[2], {ref.partition("@")[0]: ref for ref in run["packs"]}
        packs = [pack for pack in workspace.context().rule_packs() if any(rule.screen == screen for rule in pack.rules)]
        differ = [pack.name for pack in packs if old.get(pack.name) != pack.ref]
        if differ:
            return f"rules changed: {', '.join(sorted(differ))}"
        return "the screen, its libraries, the key, or what it compares with changed"
    return "the measure, its model or its libraries changed"


def _there(store: Store, name: str) -> bool:
    try:
        artefacts.digest(store, name)
    except Missing:
        return False
    return True


def _related(workspace: Workspace) -> bool:
    """Say whether documents have to be related anew: the tables that say so are not there."""
    shards = workspace.shards()
    key = grouping.key_of(workspace.context(), shards)
    return bool(shards) and not all(_there(workspace.store, name) for name in grouping.relations(key, shards).told)


def _exact(workspace: Workspace, engine: Engine, release: str, as_of: date) -> dict[str, Any]:
    """Decide in the rehearsal, and compare with the manifest of the release."""
    pairs: list[int] = []
    key = grouping.key_of(workspace.context(), workspace.shards()) if workspace.shards() else None
    decided = list(pipeline.foresee(workspace, engine, key, as_of, pairs))
    now = pa.concat_tables(one.select(["doc_id", "disposition", "reasons"]) for one in decided).sort_by("doc_id")
    now = now.append_column("released_digest", pa.nulls(len(now), pa.string()))
    rows = changes.decisions(changes.files_of(workspace.store, release), [now])
    # What was erased has a row in manifests and none in any shard.
    rows = rows.filter(pc.is_valid(rows["after"]))
    return {"exact": True, **changes.summary(rows), "edges": sum(pairs)}


def _estimated(
    workspace: Workspace, engine: Engine, release: str, as_of: date, share: float, seed: int, *, relates: bool
) -> dict[str, Any]:
    """Screen some shards in the rehearsal, judge their documents one by one, and scale up."""
    shards = workspace.shards()
    chosen = sorted(random.Random(seed).sample(range(len(shards)), max(1, round(share * len(shards)))))  # noqa: S311
    tasks = [BuildTask(workspace.context(), shards[place]) for place in chosen]
    engine.map("screen", build_shard, tasks)
    known = None if relates else grouping.key_of(workspace.context(), shards)
    judged = pipeline.judge_alone(workspace, engine, [shards[place] for place in chosen], known, as_of)
    documents, looked = sum(shard.documents for shard in shards), sum(shards[place].documents for place in chosen)
    old = {
        row["doc_id"]: _alone(row["reasons"])
        for table in changes.files_of(workspace.store, release, ("doc_id", "reasons", "shard"))
        for row in table.filter(
            pc.is_in(table["shard"], value_set=pa.array([shards[place].ref for place in chosen]))
        ).to_pylist()
    }
    counts: Counter[str] = Counter()
    for doc_id, now in judged:
        before = old.get(doc_id, "none")
        if before != now:
            counts[f"{before} -> {now}"] += 1
    scale = documents / max(1, looked)
    return {
        "exact": False,
        "documents": round(counts.total() * scale),
        "decisions": {pair: round(n * scale) for pair, n in sorted(counts.items())},
        "sample": {
            "shards": len(chosen),
            "of": len(shards),
            "documents": looked,
            "changed": counts.total(),
            "seed": seed,
        },
    }


def _alone(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Return what a document's own reasons ask for: copies, people and sources are left out."""
    order = ("keep", "redact", "quarantine", "drop")
    own = [one["disposition"] for one in reasons if not one["code"].startswith(("duplicate:", "override", "suppress"))]
    return max(own, key=order.index, default="keep")


def _seconds(
    workspace: Workspace, recompute: Sequence[Mapping[str, Any]], *, relates: bool, workers: int
) -> float | None:
    """Predict the seconds of the run from those of earlier ones, newest first."""
    stages: dict[str, Mapping[str, float]] = {}
    for name in reversed(workspace.releases()):
        for stage, facts in workspace.release(name).run["stages"].items():
            stages.setdefault(stage, facts)
    if "decide" not in stages:
        return None
    total = stages["decide"]["seconds"] + stages.get("publish", {}).get("seconds", 0.0)
    for one in recompute:
        facts = stages.get(f"screen: {one['family']}")
        if facts and facts["text_bytes"]:
            total += facts["seconds"] * one["text_bytes"] / facts["text_bytes"] / workers
    if relates and "relate" in stages:
        total += stages["relate"]["seconds"]
    return round(total, 1)


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Render what `plan` returned for a terminal."""
    yield f"Compared with {found['release']}, as of {found['as_of']}:"
    for kind, what in found["inputs"].items():
        names = ", ".join(f"{k}: {v}" for k, v in what.items()) if isinstance(what, dict) else what
        names = ", ".join(names) if isinstance(names, list) else names
        yield f"  {kind.replace('_', ' ')}: {names}"
    if not found["inputs"]:
        yield "  nothing changed"
    for one in found["recompute"]:
        size = f"{one['shards']:,} shards, {one['documents']:,} documents, {one['text_bytes'] / 1e6:,.1f} MB"
        yield f"  made again: {one['family']} of {size}: {one['why']}"
    if not found["recompute"]:
        yield "  made again: nothing that is made of texts"
    if found["relate"]:
        yield "  documents are related anew; pairs that were compared before are not compared again"
    said = found["changes"]
    decisions = ", ".join(f"{pair}: {n:,}" for pair, n in said["decisions"].items()) or "none" if said else ""
    if said and said["exact"]:
        yield f"Decisions that change, exactly: {decisions}; {said['documents']:,} documents with other reasons"
    elif said:
        sample = said["sample"]
        yield (
            f"Decisions that change, about: {decisions}; from {sample['documents']:,} documents of {sample['shards']} "
            f"of {sample['of']} shards, each looked at alone (seed {sample['seed']})"
        )
    if found["edges"]:
        yield f"{found['edges']:,} comparisons with new representatives are still to be made; texts are read for them"
    if found["seconds"] is not None:
        yield f"About {found['seconds']:,.0f} s, by the times of earlier runs"
