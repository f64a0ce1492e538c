"""Pass 1 of decide: the facts of a shard, and each of its documents judged on its own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, policy
from corpus_gov.engine import split_by_range
from corpus_gov.facts import facts
from corpus_gov.relate.optout import evaluate, origins
from corpus_gov.schemas import CLUSTERS, FINDINGS, SNAPSHOTS, TIME
from corpus_gov.stages import Context, Done, Shard, damaged, read_shard
from corpus_gov.stages.clustering import told
from corpus_gov.stages.keying import preset_of
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import Store


@dataclass(frozen=True)
class JudgeTask:
    """A shard to be judged without regard to other documents."""

    context: Context
    shard: Shard
    source: Mapping[str, Any]
    snapshots: tuple[Shard, ...]
    clusters: str | None
    oldest: str | None
    run_key: str
    related: tuple[str, ...] = ()
    """Names of findings that rest on more than the shard."""
    told: tuple[str, int] | None = None
    """What `grouping.relate` tells the shard: arguments of clustering.told_name."""
    ranges: int = 1
    """Into how many ranges of cluster_id members are cut."""


META: Final = (
    "doc_id", "source_id", "payload_digest", "uri", "host", "registered_domain", "fetched_at", "published_at",
    "content_type", "charset_declared", "charset_used", "extractor", "text_digest", "n_chars",
)  # fmt: skip
"""Columns of DOCUMENTS that facts and manifest rows need; no text."""


def judge_shard(task: JudgeTask) -> Done:
    """Pass 1 of decide: join the facts of a shard and judge each document on its own."""
    store, context = task.context.store(), task.context
    name = artefacts.name("judged", task.run_key, task.shard.ref, task.oldest)
    members_name = artefacts.name("members", task.run_key, task.shard.ref, task.clusters, task.oldest, task.ranges)
    in_force = context.policy_in_force()
    wanted = (name, members_name, statements_name(task.run_key, task.shard))
    state = {one: artefacts.ready(store, one) for one in wanted}
    if not all(state.values()):
        documents = artefacts.decode(read_shard(store, task.shard, "documents"), [*META, "markup"])
        # A document that came in more than once is judged by its oldest capture, whichever copy was kept.
        place = documents.schema.get_field_index("fetched_at")
        field = documents.schema.field(place)
        documents = documents.set_column(place, field, oldest_capture(store, task.oldest, documents))
        names = artefact_names(context, task.shard)
        read = policy.reads(in_force) | {"language.code"}
        measured = {
            family: _measured(store, names[f"signals.{family}"], asked)
            for family in context.families
            if (asked := [name.partition(".")[2] for name in sorted(read) if name.startswith(f"{family}.")])
        }
        found = findings_of(store, context, task.shard, task.related)
        optouts, statements = _optouts(store, context, documents, task)
        artefacts.put(store, statements_name(task.run_key, task.shard), artefacts.encode(statements))
        clusters, made_of = told(store, task.told) if task.told else (CLUSTERS.empty_table(), None)
        made_of = made_of if preset_of(context) is not None else None
        known = facts(documents, measured, found, optouts, task.source, context.rule_packs(), made_of, in_force.uses)
        judged = policy.judge(in_force, known)
        artefacts.put(store, name, artefacts.encode(_with_facts(judged, known)))
        members = _members(clusters, judged, documents)
        artefacts.put_ranges(store, members_name, split_by_range(members, "cluster_id", task.ranges))
    tallies = policy.tally(in_force, [artefacts.get(store, name)])
    counts = {"tally": tallies.to_pylist()}
    return Done(task.shard.documents, task.shard.text_bytes, (name, members_name), counts, rebuilt=damaged(state))


def statements_name(run_key: str, shard: Shard) -> str:
    """Name what was said about re-use of the documents of a shard, protocol by protocol."""
    return artefacts.name("statements", run_key, shard.ref)


def _measured(store: Store, artefact: str, wanted: Sequence[str]) -> pa.Table:
    """Read those signals of a family that the policy asks for, of tens that are measured."""
    data = artefacts.read(store, artefact)
    table = artefacts.decode(data, ["doc_id", *wanted])
    # A message about a name that is none lists all that there are.
    return table if table.num_columns > len(wanted) else artefacts.decode(data)


def _optouts(store: Store, context: Context, documents: pa.Table, task: JudgeTask) -> tuple[pa.Table, pa.Table]:
    """Evaluate what the hosts of these documents said; only their snapshots are kept in memory."""
    hosts = origins(documents).unique()
    kept = [SNAPSHOTS.empty_table()]
    for shard in task.snapshots:
        rows = artefacts.decode(read_shard(store, shard, "snapshots"))
        kept.append(rows.filter(pc.is_in(rows["host"], hosts)))
    asked = documents.select(["doc_id", "uri", "host", "fetched_at", "markup"])
    return evaluate(asked, pa.concat_tables(kept), context.concern("optout"), task.source.get("agent"))


def _with_facts(judged: pa.Table, known: pa.Table) -> pa.Table:
    """Carry the facts that the manifest repeats beside the judgement."""
    for prefix, fields in (
        ("rights", ("state", "basis", "licence", "conflict", "train", "redistribute", "commercial")),
        ("optout", ("state", "digest")),
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


def oldest_capture(store: Store, oldest: str | None, documents: pa.Table) -> pa.ChunkedArray:
    """Use the oldest capture of documents that came in more than once."""
    if oldest is None:
        return documents["fetched_at"]
    known = artefacts.get(store, oldest)
    place = pc.index_in(documents["doc_id"], value_set=known["doc_id"].combine_chunks())
    # As whole microseconds: the minimum of two columns is not defined for times.
    mine, other = documents["fetched_at"].cast(pa.int64()), known["fetched_at"].take(place).cast(pa.int64())
    return pc.min_element_wise(mine, other, skip_nulls=True).cast(TIME)
