"""Plan what is missing, build it, decide, release: what the command line, the flows and notebooks call.

    ingest   inputs named in dossiers -> shards of captures, documents, snapshots; a batch in the ledger
    build    shards -> signals, findings, keys; edges and clusters
    decide   facts, policy -> decisions, clean documents, sealed manifest: a draft
    publish  draft -> release, committed in the ledger

Each takes an open workspace and a running engine and can be run again at any time: finished work is found
by its name in the build cache.
"""

import glob
import io
import platform
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import (
    acts,
    alarms,
    artefacts,
    beyond,
    changes,
    config,
    duplicates,
    grouping,
    lineage,
    merkle,
    register,
    release,
    seal,
    tombstones,
)
from corpus_gov import overrides as reviewed
from corpus_gov import policy as policies
from corpus_gov.assessments import assessed
from corpus_gov.counters import Items, of_items, together
from corpus_gov.diversity import described_sources, several
from corpus_gov.engine import LIBRARIES, Engine, Progress, ranges_for, silent
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.intake import Clock, ingest
from corpus_gov.relate import optout
from corpus_gov.schemas import DISPOSITIONS, SCALE
from corpus_gov.stages import Done, Shard, read_shard
from corpus_gov.stages.judging import Judged, JudgeTask, judge_shard
from corpus_gov.stages.looking import BuildTask, artefact_names, build_shard
from corpus_gov.stages.settling import SealTask, SettleTask, foresee_shard, seal_range, settle_shard
from corpus_gov.store import Missing, Store, open_store
from corpus_gov.verdicts import of_sources
from corpus_gov.workspace import SETTINGS, Workspace, init, open_workspace

ROWS_A_RANGE: Final = 65_536
"""Rows of a key range, and of a manifest file: some 120 MB while it is sealed. Each range reads all shards' rows."""

DECIDE_VERSION: Final = 3
"""Raised when facts, policy, apply or seal would make other decisions or rows of the same inputs."""

DECIDE_LIBRARIES: Final = ("duckdb", "numpy", "pyarrow")


@dataclass(frozen=True)
class Draft:
    """A release before it is published: names of its parts in the build cache, and its counts."""

    run_key: str
    as_of: date
    root: str
    size: int
    clean: tuple[release.Part, ...]
    manifest: tuple[release.Part, ...]
    trees: tuple[str, ...]
    counts: Mapping[str, Any]
    run: Mapping[str, Any]
    attribution: tuple[release.Part, ...] = ()
    edits: tuple[release.Part, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        release: its name.
        published: False when nothing had changed since that release.
        run: the content of its run.json.
        recovered: what start-up finished or discarded of an interrupted run.
        rebuilt: artefacts that this run found damaged and built again.
        stages: seconds, documents and bytes of each stage of this run, whether or not it published.
    """

    release: str
    published: bool
    run: Mapping[str, Any]
    recovered: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def run(
    workspace: Workspace,
    *,
    engine: Engine | None = None,
    as_of: date | None = None,
    gate: Callable[[Draft, Workspace], Draft] | None = None,
    force: bool = False,
    accept: Sequence[str] = (),
    reading: bool = True,
    progress: Progress = silent,
) -> Outcome:
    """Ingest what is new, build what is missing, decide, and publish a release.

    Args:
        workspace: an open workspace.
        engine: a running engine; by default one with the workspace's settings is started for this run.
        as_of: the date that expiries are compared with; today by default.
        gate: called with a draft that would be published, and returns it with its results; what it raises stops the
            release.
        force: publish even when nothing has changed.
        accept: names of alarms that must not stop this release.
        reading: whether inputs are looked at; without, what is there is screened again.
        progress: called after each task, where no engine is given.

    Raises:
        ConfigError, RuleError, PolicyError: a file of the workspace is wrong; nothing was released.
        AlarmError: the policy sounds an alarm that was not accepted; nothing was released.
        StoreError: somebody else is writing, or output was not durably written.
        IntegrityError: stored data were changed, or counts do not balance.
    """
    if engine is None:
        settings = workspace.settings.engine
        with Engine(workers=settings.workers, memory=settings.memory, progress=progress) as own:
            return run(workspace, engine=own, as_of=as_of, gate=gate, force=force, accept=accept, reading=reading)
    clock = Clock()
    with workspace.writing(), lineage.of(workspace, "run" if reading else "rescreen") as told:
        if reading:
            with lineage.of(workspace, "ingest", parent=told):
                ingest(workspace, engine, clock)
        else:
            acts.note_changes(workspace)
        day = as_of or datetime.now(UTC).date()
        with lineage.of(workspace, "screen", parent=told):
            clusters = build(workspace, engine, clock, day)
        draft = decide(workspace, engine, clusters, day, clock)
        draft = replace(draft, run={**draft.run, "run_id": told[1]})
        if gate is not None and (force or not _unchanged(workspace, draft)):
            draft = gate(draft, workspace)
        with lineage.of(workspace, "release", parent=told):
            outcome = publish_changed(workspace, draft, clock, force=force, accept=accept)
        return replace(outcome, recovered=tuple(workspace.recovered))


def publish_changed(
    workspace: Workspace,
    draft: Draft,
    clock: Clock | None = None,
    *,
    force: bool = False,
    accept: Sequence[str] = (),
) -> Outcome:
    """Publish the draft, unless the newest release was made from the very same inputs, rules, keys and date.

    Raises:
        AlarmError: the policy sounds an alarm that is not among `accept`.
        StoreError: inputs, rules, overrides or the suppression list have changed since the draft was made.
    """
    with workspace.writing():
        now = _run_key(workspace, workspace.shards(), draft.as_of)
        if now != draft.run_key:
            raise StoreError("publish: the workspace has changed since the draft was made; run again")
        return _publish_changed(workspace, draft, clock, accept, force=force)


def _publish_changed(
    workspace: Workspace, draft: Draft, clock: Clock | None, accept: Sequence[str], *, force: bool
) -> Outcome:
    unchanged = None if force else _unchanged(workspace, draft)
    if not unchanged:
        draft = replace(draft, run={**draft.run, "alarms": alarms.check(draft.run["alarms"], accept)})
    name = unchanged or publish(workspace, draft, clock)
    # Read after `publish`, whose own time the clock has by now.
    rebuilt, stages = (tuple(clock.rebuilt), clock.stages) if clock else ((), {})
    run = workspace.release(name).run
    return Outcome(name, published=not unchanged, run=run, rebuilt=rebuilt, stages=stages)


def _unchanged(workspace: Workspace, draft: Draft) -> str | None:
    releases = workspace.releases()
    if releases and workspace.release(releases[-1]).run.get("run_key") == draft.run_key:
        return releases[-1]
    return None


def build(workspace: Workspace, engine: Engine, clock: Clock | None = None, as_of: date | None = None) -> str | None:
    """Measure, screen and relate every shard; returns what names the relations, None without documents.

    `as_of` is the day on which rows of the suppression list are in force, today by default; `decide` asks for the same.
    """
    started = time.perf_counter()
    context, shards = workspace.context(), workspace.shards()
    policies.check_screened(workspace.policy_in_force(), context.rule_packs())
    sizes = [shard.text_bytes for shard in shards]
    done = engine.map("screen", build_shard, [BuildTask(context, shard) for shard in shards], sizes)
    documents, text_bytes = sum(d.documents for d in done), sum(d.text_bytes for d in done)
    if clock:
        clock.time("screen", started, documents, text_bytes)
        clock.rebuilt += [name for d in done for name in d.rebuilt]
        for d in done:
            for kind, seconds in d.seconds.items():
                clock.add(f"screen: {kind}", seconds, documents, text_bytes)
    started = time.perf_counter()
    clusters = grouping.relate(context, engine, shards, clock.rebuilt if clock else None)
    if clock:
        clock.time("relate", started, documents, text_bytes)
    day = as_of or datetime.now(UTC).date()
    beyond.build(workspace, engine, shards, clusters, partial(_oldest, workspace, shards), day, clock)
    return clusters


@dataclass(frozen=True)
class _Elected:
    """What is known when every document was judged and representatives were elected."""

    shards: Sequence[Shard]
    judged: Sequence[Judged]
    tasks: Sequence[SettleTask]
    tallies: pa.Table
    named: Mapping[str, Mapping[str, str]]
    buried: pa.Table
    ranges: int


def decide(
    workspace: Workspace, engine: Engine, clusters: str | None, as_of: date, clock: Clock | None = None
) -> Draft:
    """Judge every document, elect representatives, clean, and seal the manifest.

    Raises:
        PolicyError: the policy needs what was not screened.
        IntegrityError: counts do not balance.
    """
    started = time.perf_counter()
    found = _elected(workspace, engine, clusters, as_of)
    context, shards, store = workspace.context(), found.shards, workspace.store
    settled = engine.map("apply", settle_shard, found.tasks, [shard.text_bytes for shard in shards])
    erased = tombstones.without_document(store, shards, found.buried)
    alone = tombstones.put(store, erased, workspace.policy_in_force().digest, found.ranges)
    rows = (*(done.names[1] for done in settled), *alone)
    sealing = [SealTask(context, rows, number) for number in range(found.ranges if shards else 0)]
    sealed = engine.map("seal", seal_range, sealing)
    if clock:
        documents = sum(shard.documents for shard in shards)
        clock.time("decide", started, documents, sum(shard.text_bytes for shard in shards))
        clock.rebuilt += [name for done in (*found.judged, *settled, *sealed) for name in done.rebuilt]
    return _draft(workspace, as_of, found, settled, sealed, clusters, erased)


def foresee(
    workspace: Workspace, engine: Engine, clusters: str | None, as_of: date, unverified: list[int]
) -> Iterator[pa.Table]:
    """Decide as `decide` would, and leave it at that: nothing is compared, cleaned or sealed, and no text is read.

    How many comparisons with newly elected representatives are missing is added to `unverified`.

    Yields:
        DECISIONS of each shard.
    """
    found = _elected(workspace, engine, clusters, as_of, unverified)
    for done in engine.map("decide", foresee_shard, found.tasks):
        yield artefacts.get_stream(workspace.store, done.names[0])


def judge_alone(
    workspace: Workspace, engine: Engine, wanted: Sequence[Shard], clusters: str | None, as_of: date
) -> Iterator[tuple[str, str]]:
    """Judge the documents of some shards by what is there of them, each on its own.

    Yields:
        doc_id and disposition.
    """
    refs = {shard.ref for shard in wanted}
    tasks = [task for task in _judging(workspace, clusters, as_of) if task.shard.ref in refs]
    known = set(workspace.store.list("artefacts/findings."))
    tasks = [replace(task, related=tuple(name for name in task.related if name in known)) for task in tasks]
    for done in engine.map("decide", judge_shard, tasks):
        judged = artefacts.get_stream(workspace.store, done.names[0])
        yield from zip(judged["doc_id"].to_pylist(), judged["disposition"].to_pylist(), strict=True)


def _judging(workspace: Workspace, clusters: str | None, as_of: date) -> list[JudgeTask]:
    context, shards = workspace.context(), workspace.shards()
    sources, oldest = workspace.source_facts(as_of), _oldest(workspace, shards)
    snapshots = tuple(shard for shard in shards if shard.snapshots)
    named = beyond.names(workspace, shards, as_of)
    return [
        JudgeTask(
            context=context,
            shard=s,
            source=_source(sources, s),
            snapshots=_near(snapshots, s),
            oldest=oldest,
            related=tuple(named[s.ref].values()),
            told=(clusters, place) if clusters else None,
            ranges=grouping.link_ranges(shards),
        )
        for place, s in enumerate(shards)
    ]


def _elected(
    workspace: Workspace, engine: Engine, clusters: str | None, as_of: date, unverified: list[int] | None = None
) -> _Elected:
    context, shards, store = workspace.context(), workspace.shards(), workspace.store
    sources = workspace.source_facts(as_of)
    oldest, judging = _oldest(workspace, shards), _judging(workspace, clusters, as_of)
    named = beyond.names(workspace, shards, as_of)
    related = {ref: tuple(of_shard.values()) for ref, of_shard in named.items()}
    judged = engine.map("decide", judge_shard, judging, [shard.documents for shard in shards])
    policy = workspace.policy_in_force()
    tallies = _tallies(policy, judged)
    verdicts = artefacts.put_table(store, "sources", policies.judge_sources(policy, tallies))
    overrides = artefacts.put_table(store, "overrides", workspace.overrides())
    twins = duplicates.find(workspace, engine, shards, judged, clusters, verdicts, overrides, as_of, unverified)
    ranges = ranges_for(sum(shard.documents for shard in shards), ROWS_A_RANGE)
    suppressed, buried = workspace.suppressed(as_of), tombstones.listed(workspace.suppressions(as_of))
    graves = artefacts.put_table(store, "tombstones", buried) if len(buried) else None
    settling = [
        SettleTask(
            context=context,
            shard=shard,
            judged=done.names[0],
            described=done.described,
            duplicates=twins,
            place=place,
            oldest=oldest,
            source=_source(sources, shard),
            sources=verdicts,
            overrides=overrides,
            suppressed=suppressed,
            tombstones=graves,
            as_of=as_of,
            ranges=ranges,
            related=related[shard.ref],
        )
        for place, (shard, done) in enumerate(zip(shards, judged, strict=True))
    ]
    return _Elected(shards, judged, settling, tallies, named, buried, ranges)


def _draft(
    workspace: Workspace,
    as_of: date,
    found: _Elected,
    settled: Sequence[Done],
    sealed: Sequence[Done],
    clusters: str | None,
    erased: pa.Table,
) -> Draft:
    store, context, shards = workspace.store, workspace.context(), found.shards
    run_key, related = _run_key(workspace, shards, as_of), found.named
    relations = grouping.relations(clusters or "", shards)
    tree = _joined(store, [done.names[1] for done in sealed])
    counts = _counts(shards, settled, erased) | {
        "superseded": sum(workspace.superseded().values()),
        "verdicts": of_sources(found.tallies.to_pylist()),
        "clusters": grouping.sizes(artefacts.get(store, name) for name in (relations.clusters if clusters else ())),
    }
    if counts["records"] == 0:
        raise ConfigError(f"{workspace.url}: found no record in any input, expected one at least; look at the inputs")
    size = merkle.size(tree)
    if size != counts["documents"] + counts["erased"]:
        raise IntegrityError(
            f"manifest: {size} rows for {counts['documents']} documents and {counts['erased']} that were erased; "
            "nothing was published, run again"
        )
    clean = tuple(
        release.Part(f"clean/{shard.source_id}/{shard.ref}.parquet", done.names[0])
        for shard, done in zip(shards, settled, strict=True)
        if done.counts["clean"]
    )
    attribution = tuple(
        release.Part(f"attribution/{shard.source_id}/{shard.ref}.txt", done.names[3])
        for shard, done in zip(shards, settled, strict=True)
        if done.counts["attributed"]
    )
    edits = tuple(
        release.Part(f"edits/{shard.source_id}/{shard.ref}.parquet", done.names[4])
        for shard, done in zip(shards, settled, strict=True)
        if done.counts["edits"]
    )
    parts = tuple(release.Part(f"manifest/{i:05d}.parquet", done.names[0]) for i, done in enumerate(sealed))
    policy = workspace.policy_in_force()
    run_facts = {
        "run_key": run_key,
        "as_of": as_of.isoformat(),
        "packs": sorted(pack.ref for pack in context.rule_packs()),
        "policy": _described(workspace, policy),
        "provisional": policy.provisional,
        "sources": {source: facts["status"] for source, facts in sorted(workspace.source_facts(as_of).items())},
        "shards": [shard.ref for shard in shards],
        "artefacts": {
            shard.ref: {
                kind: name
                for kind, name in {**artefact_names(context, shard), **related[shard.ref], "told": told}.items()
                if kind.startswith(("signals.", "findings.")) or kind in {"keys.near", "told"}
            }
            | {"statements.optout": one.described.statements, "judged": one.names[0]}
            | {"optouts.states": one.described.optouts}
            | {"described": one.described.table}
            # By name, so that a collection leaves what a later release shares with this one.
            | dict(zip(("clean", "attribution", "edits", "released"), (done.names[0], *done.names[3:]), strict=True))
            for shard, told, one, done in zip(shards, relations.told, found.judged, settled, strict=True)
        },
        "near": context.near,
        "relations": {"edges": relations.edges, "clusters": relations.clusters, "copies": relations.copies}
        if clusters
        else {},
        "counts": counts,
        "alarms": alarms.sounding(policy.alarms, counts),
        "compared": beyond.described(workspace, as_of),
        "assessments": assessed(workspace),
        "overrides": reviewed.described(workspace, [part.artefact for part in parts], as_of),
        "dossiers": described_sources(workspace, as_of),
        "grounds": {
            "sources": workspace.source_facts(as_of),
            "clusters": clusters,
            "overrides": artefacts.put_table(store, "grounds", workspace.overrides()),
            "suppressions": artefacts.put_table(store, "grounds", workspace.suppressions(as_of)),
            "suppressed": artefacts.put_table(store, "grounds", _column(workspace.suppressed(as_of))),
        },
        "diversity": several(workspace.dossiers, counts["languages"]),
    }
    return Draft(
        run_key, as_of, merkle.root(tree).hex(), size, clean, parts,
        tuple(done.names[1] for done in sealed), counts, run_facts, attribution, edits,
    )  # fmt: skip


def _column(doc_ids: Iterable[str]) -> pa.Table:
    return pa.table({"doc_id": pa.array(sorted(doc_ids), pa.string())})


def _joined(store: Store, names: Sequence[str]) -> bytes:
    """Join the leaf hashes of the manifest files: 32 bytes a document, and no second copy of them."""
    tree = io.BytesIO()
    for name in names:
        tree.write(store.read(name))
    return tree.getvalue()


def _described(workspace: Workspace, policy: policies.Policy) -> dict[str, Any]:
    """Write down what the policy said, so that a release explains itself when the policy has changed since."""
    context = workspace.context()
    by_rule = policies.with_cuts(policy, context.rules())
    return {
        "name": policy.name,
        "version": policy.version,
        "digest": policy.digest,
        "clauses": [
            {
                "id": clause.id,
                "when": clause.when.text if clause.when else f"a finding of {', '.join(clause.spans)}",
                "columns": sorted(clause.when.columns) if clause.when else [],
                "disposition": clause.disposition,
                "why": clause.why,
            }
            for clause in policy.clauses
        ]
        + [
            {
                "id": one.id,
                "when": f"a copy or near copy has {' or '.join(one.of)}",
                "columns": [],
                "disposition": one.disposition,
                "why": one.why,
            }
            for one in policy.spreads
        ],
        "placeholders": {
            rule: by_rule[rule].placeholder for rule in sorted(policies.redact_rules(policy, context.rule_packs()))
        },
    }


def _counts(shards: Sequence[Shard], settled: Sequence[Done], erased: pa.Table) -> dict[str, Any]:
    """Add up captures and dispositions, of all and of each source, and check that they balance."""
    outcomes: Counter[str] = Counter()
    dispositions: Counter[str] = Counter(dict.fromkeys(DISPOSITIONS, 0))
    reasons: Counter[str] = Counter()
    by_source: dict[str, Counter[str]] = {}
    copies: Counter[str] = Counter()
    languages: dict[str, Counter[str]] = {}
    items: dict[str, Items] = {}
    for shard, done in zip(shards, settled, strict=True):
        outcomes.update(shard.outcomes)
        dispositions.update(done.counts["dispositions"])
        reasons.update(done.counts["reasons"])
        by_source.setdefault(shard.source_id, Counter()).update(done.counts["dispositions"])
        copies[shard.source_id] += done.counts["duplicates"]
        languages.setdefault(shard.source_id, Counter()).update(done.counts["languages"])
        known = items.get(shard.source_id, Items())
        items[shard.source_id] = together((known, done.counts["items"]))
    records, documents = sum(s.records for s in shards), sum(s.documents for s in shards)
    if outcomes["document"] != documents or dispositions.total() != documents or outcomes.total() < records:
        raise IntegrityError(
            f"conservation: {records} records gave {dict(outcomes)!r}, {documents} documents gave "
            f"{dict(dispositions)!r}; these must balance: nothing was published, report this as a bug"
        )
    for source, code in zip(erased["source_id"].to_pylist(), erased["reason"].to_pylist(), strict=True):
        dispositions["drop"] += 1
        reasons[code] += 1
        by_source.setdefault(source, Counter())["drop"] += 1
    removed = {
        source: round((n["drop"] + n["quarantine"]) * 10_000 / max(1, n.total())) for source, n in by_source.items()
    }
    return {
        "records": records,
        "captures": dict(sorted(outcomes.items())),
        "labelled_files": sum(shard.labelled for shard in shards),
        "documents": documents,
        "erased": len(erased),
        "text_bytes": sum(s.text_bytes for s in shards),
        "dispositions": dict(dispositions),
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        "by_source": {source: dict(sorted(n.items())) for source, n in sorted(by_source.items())},
        "removal_rate": dict(sorted(removed.items())),
        "duplicate_rate": {
            source: round(copies[source] * SCALE / max(1, n.total())) for source, n in sorted(by_source.items())
        },
        "languages": {source: dict(sorted(n.items())) for source, n in sorted(languages.items())},
        "items": of_items(items),
    }


def _source(sources: Mapping[str, Any], shard: Shard) -> Mapping[str, Any]:
    """Return what the dossier says; a dossier that is gone leaves its documents with nothing to rest on."""
    nothing = dict.fromkeys(("basis", "licence", "data_class", "data_grade"))
    missing = {"source_id": shard.source_id, "kind": "unassessed", "status": "missing", "priority": 0, **nothing}
    found: Mapping[str, Any] = sources.get(shard.source_id, missing)
    return found


def _near(snapshots: tuple[Shard, ...], shard: Shard) -> tuple[Shard, ...]:
    """Return the shards that hold snapshots of the same source: what one crawler saw says nothing of another's."""
    return tuple(s for s in snapshots if s.source_id == shard.source_id)


def _run_key(workspace: Workspace, shards: Sequence[Shard], as_of: date) -> str:
    """Digest everything that decisions depend on; equal keys mean equal manifests."""
    context, keys = workspace.context(), workspace.keys()
    return artefacts.digest_of(
        [
            version("corpus-gov"),
            [DECIDE_VERSION, {name: version(name) for name in DECIDE_LIBRARIES}],
            [optout.VERSION, {name: version(name) for name in optout.LIBRARIES}],
            grouping.versions(context),
            [asdict(shard) for shard in shards],
            [artefact_names(context, shard) for shard in shards],
            beyond.names(workspace, shards, as_of),
            workspace.policy_in_force().digest,
            [pack.ref for pack in context.rule_packs()],
            workspace.source_facts(as_of),
            sorted(workspace.suppressed(as_of)),
            tombstones.listed(workspace.suppressions(as_of)).to_pylist(),
            workspace.overrides().to_pylist(),
            as_of.isoformat(),
            seal.key_id(keys.seal),
            seal.key_id(keys.leaf),
        ]
    )


def _tallies(policy: policies.Policy, judged: Sequence[Done]) -> pa.Table:
    rows = [row for done in judged for row in done.counts["tally"]]
    empty = policies.tally(policy, [])
    table = pa.Table.from_pylist(rows, schema=empty.schema)
    numbers = [name for name in table.column_names if name != "source_id"]
    if not numbers:
        return table
    grouped = table.group_by("source_id").aggregate([(name, "sum") for name in numbers])
    return pa.table([grouped["source_id"], *(grouped[f"{n}_sum"] for n in numbers)], schema=empty.schema)


def _oldest(workspace: Workspace, shards: Sequence[Shard]) -> str | None:
    """Collect when repeated documents were captured first; None when nothing was repeated."""
    store, repeating = workspace.store, [shard for shard in shards if shard.outcomes.get("repeat")]
    if not repeating:
        return None
    name = artefacts.name("oldest", [[shard.source_id, shard.digests["captures"]] for shard in repeating])
    if artefacts.ready(store, name) is True:
        return name
    columns = ["doc_id", "fetched_at", "outcome"]
    captures = pa.concat_tables(artefacts.decode(read_shard(store, one, "captures"), columns) for one in repeating)
    captures = captures.filter(pc.equal(captures["outcome"], "repeat"))
    grouped = captures.group_by("doc_id").aggregate([("fetched_at", "min")])
    table = pa.table({"doc_id": grouped["doc_id"], "fetched_at": grouped["fetched_at_min"]}).sort_by("doc_id")
    artefacts.put(store, name, artefacts.encode(table))
    return name


def publish(workspace: Workspace, draft: Draft, clock: Clock | None = None) -> str:
    """Write the draft as a release and commit it in the ledger; returns its name."""
    started = time.perf_counter()
    store = workspace.store
    releases = workspace.releases()
    facts = {
        "run_id": str(uuid.uuid4()),
        **draft.run,
        "who": workspace.settings.owner,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "code_version": version("corpus-gov"),
        "libraries": {name: version(name) for name in LIBRARIES},
        "engine": {"python": platform.python_version(), "machine": platform.machine()},
        **_since(workspace, draft, releases[-1] if releases else None),
        "stages": clock.stages if clock else {},
        "rebuilt": clock.rebuilt if clock else [],
        "parent": releases[-1] if releases else None,
    }
    with workspace.writing() as lease:
        content = release.Content(
            clean=draft.clean,
            attribution=draft.attribution,
            edits=draft.edits,
            manifest=draft.manifest,
            tree=_joined(store, draft.trees),
            root=draft.root,
            size=draft.size,
            run=facts,
        )
        published = release.publish(store, lease, workspace.ledger(), workspace.signer(), content)
    if clock:
        clock.time("publish", started, draft.size, 0)
    return published.name


def _since(workspace: Workspace, draft: Draft, parent: str | None) -> dict[str, Any]:
    """Say what was decided otherwise than in the release before: counts, and where the rows lie."""
    if parent is None:
        return {}
    store = workspace.store
    drafted = (artefacts.get(store, part.artefact, changes.COLUMNS) for part in draft.manifest)
    found = changes.decisions(changes.files_of(store, parent), drafted)
    name, run = artefacts.put_table(store, "changes", found), workspace.release(parent).run
    said = {"since": parent, "artefact": name, "sha256": artefacts.digest(store, name), **changes.summary(found)}
    said["packs_before"], said["policy_before"] = run["packs"], run["policy"]["digest"]
    return {"changes": said}


def trial(url: str | Path, inputs: Sequence[str], source_id: str) -> Workspace:
    """Open or make a workspace for a first try: the given files, one unassessed source, the trial policy."""
    paths = [str(Path(name).absolute()) for name in inputs]
    for name, path in zip(inputs, paths, strict=True):
        if not any(c in name for c in "*?[") and not Path(path).exists():
            raise ConfigError(f"--input {name!r}: found no such file, expected a file, a folder or a pattern")
    try:
        open_store(url).read(SETTINGS)
        workspace = open_workspace(url)
    except Missing:
        workspace = init(url, name=source_id, owner="not stated", policy="trial")
    known = workspace.dossiers.get(source_id)
    if known is not None and known.kind != "unassessed":
        raise ConfigError(
            f"sources/{source_id}.yaml: found a dossier of kind {known.kind!r}, expected none or an unassessed one; "
            "run without --input, or give another --source"
        )
    title = f"First try of {source_id}"
    # A file that is there is meant as it is, brackets and all; anything else is a pattern.
    patterns = tuple(glob.escape(path) if Path(path).exists() else path for path in paths)
    dossier = config.Dossier(source_id=source_id, kind="unassessed", title=title, inputs=patterns)
    register.add(workspace.store, f"sources/{source_id}.yaml", config.dump_dossier(dossier).encode())
    return open_workspace(url, policy="trial")
