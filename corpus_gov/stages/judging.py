"""Pass 1 of decide: the facts of a shard, and each of its documents judged on its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, consents, policy
from corpus_gov.engine import split_by_range
from corpus_gov.facts import facts
from corpus_gov.schemas import CLUSTERS, FINDINGS
from corpus_gov.stages import Context, Done, Shard, damaged, describing
from corpus_gov.stages.clustering import TOLD, told, told_name
from corpus_gov.stages.describing import Described
from corpus_gov.stages.keying import preset_of
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import Store

VERSION: Final = 1
"""Raised when the same facts would be judged otherwise."""

LIBRARIES: Final = ("duckdb", "numpy", "pyarrow")


@dataclass(frozen=True)
class JudgeTask:
    """A shard to be judged without regard to other documents."""

    context: Context
    shard: Shard
    source: Mapping[str, Any]
    snapshots: tuple[Shard, ...]
    oldest: str | None
    related: tuple[str, ...] = ()
    """Names of findings that rest on more than the shard."""
    told: tuple[str, int] | None = None
    """What `grouping.relate` tells the shard: arguments of clustering.told_name."""
    ranges: int = 1
    """Into how many ranges of cluster_id members are cut."""


@dataclass(frozen=True, kw_only=True)
class Judged(Done):
    """What `judge_shard` gives beside its counts; `names` are those of the judgements and of the members."""

    described: Described


def judge_shard(task: JudgeTask) -> Judged:
    """Pass 1 of decide: join the facts of a shard and judge each document on its own."""
    store, context, in_force = task.context.store(), task.context, task.context.policy_in_force()
    asked = describing.Asked(context, task.shard, task.snapshots, task.oldest, task.source.get("agent"))
    described = describing.describe(asked)
    name = artefacts.name("judged", *_made_from(store, task, described), libraries=LIBRARIES)
    members_name = artefacts.name("members", name, task.ranges)
    state = {one: artefacts.ready(store, one) for one in (name, members_name)}
    judged = None
    if not all(state.values()):
        judged = _judged(store, task, described, members_name)
        artefacts.put(store, name, artefacts.stream(judged, "lz4"))
    judged = artefacts.get_stream(store, name) if judged is None else judged
    counts = {"tally": policy.tally(in_force, [judged]).to_pylist()}
    rebuilt = (*described.rebuilt, *damaged(state))
    return Judged(
        task.shard.documents, task.shard.text_bytes, (name, members_name), counts, rebuilt=rebuilt, described=described
    )


def _made_from(store: Store, task: JudgeTask, described: Described) -> list[Any]:
    """Return all that judgements follow from: what tables hold, not what they were made of."""
    context, in_force = task.context, task.context.policy_in_force()
    marks = [artefacts.digest(store, name) for name in (described.table, described.optouts)]
    marks += [artefacts.digest(store, name) for name in _read(context, task)]
    related = artefacts.digest(store, told_name(*task.told)) if task.told else None
    packs = [pack.ref for pack in context.rule_packs()]
    return [
        VERSION, task.shard.ref, in_force.digest, packs, marks, described.oldest, dict(task.source), related,
        preset_of(context) is None,
    ]  # fmt: skip


def _read(context: Context, task: JudgeTask) -> list[str]:
    names, asked = artefact_names(context, task.shard), _families(context)
    signals = [names[f"signals.{family}"] for family in asked]
    return [*signals, *(names[f"findings.{screen}"] for screen in context.screens()), *task.related]


def _families(context: Context) -> dict[str, list[str]]:
    """Return the signals that the policy asks for, by family."""
    read = sorted(policy.reads(context.policy_in_force()) | {"language.code"})
    of = {
        family: [name.partition(".")[2] for name in read if name.startswith(f"{family}.")]
        for family in context.families
    }
    return {family: asked for family, asked in of.items() if asked}


def _judged(store: Store, task: JudgeTask, described: Described, members_name: str) -> pa.Table:
    context, in_force = task.context, task.context.policy_in_force()
    table = artefacts.get(store, described.table, [*describing.META, "consent_hmac"])
    documents = with_oldest(store, table, task.oldest)
    names = artefact_names(context, task.shard)
    measured = {
        family: _measured(store, names[f"signals.{family}"], asked) for family, asked in _families(context).items()
    }
    found = findings_of(store, context, task.shard, task.related)
    optouts = artefacts.get(store, described.optouts)
    clusters, made_of = told(store, task.told) if task.told else (CLUSTERS.empty_table(), TOLD.empty_table())
    made_of = made_of if preset_of(context) is not None else None
    held = consents.states(table["consent_hmac"].combine_chunks(), store, task.source, context.keys().seal)
    packs = context.rule_packs()
    known = facts(documents, measured, found, optouts, task.source, packs, made_of, in_force.uses, held)
    judged = policy.judge(in_force, known)
    members = _members(clusters, judged, documents)
    artefacts.put_ranges(store, members_name, split_by_range(members, "cluster_id", task.ranges))
    return _with_facts(judged, known)


def with_oldest(store: Store, documents: pa.Table, oldest: str | None) -> pa.Table:
    """Judge a document that came in more than once by its oldest capture, whichever copy was kept."""
    place = documents.schema.get_field_index("fetched_at")
    fetched = describing.oldest_capture(store, oldest, documents)
    return documents.set_column(place, documents.schema.field(place), fetched)


def _measured(store: Store, artefact: str, wanted: Sequence[str]) -> pa.Table:
    """Read those signals of a family that the policy asks for, of tens that are measured."""
    data = artefacts.read(store, artefact)
    table = artefacts.decode(data, ["doc_id", *wanted])
    # A message about a name that is none lists all that there are.
    return table if table.num_columns > len(wanted) else artefacts.decode(data)


def _with_facts(judged: pa.Table, known: pa.Table) -> pa.Table:
    """Carry the facts that the manifest repeats beside the judgement."""
    for prefix, fields in (
        ("rights", ("state", "basis", "licence", "conflict", "train", "redistribute", "commercial")),
        ("optout", ("state", "digest")),
        ("consent", ("state",)),
        ("aigc", ("state",)),
        ("language", ("code",)),
    ):
        for name in fields:
            judged = judged.append_column(f"{prefix}_{name}", pc.struct_field(known[prefix], name))
    return judged.append_column("ip_risk", known["ip_risk"])


def _members(known: pa.Table, judged: pa.Table, documents: pa.Table) -> pa.Table:
    """Return the judged rows of documents that have relatives, with their cluster and digest."""
    place = pc.index_in(judged["doc_id"], value_set=known["doc_id"].combine_chunks())
    mine = pc.is_valid(place)
    rows = judged.filter(mine).append_column("cluster_id", known["cluster_id"].take(place.filter(mine)))
    return rows.append_column("text_digest", documents["text_digest"].filter(mine))


def findings_of(store: Store, context: Context, shard: Shard, related: Iterable[str] = ()) -> pa.Table:
    """Read all findings of a shard, with those that rest on more than the shard and are named."""
    names = artefact_names(context, shard)
    of_screens = [names[f"findings.{screen}"] for screen in context.screens()]
    parts = [artefacts.get(store, name) for name in (*of_screens, *related)]
    return pa.concat_tables([FINDINGS.empty_table(), *parts])
