"""Passes 3 and 4 of decide, then apply and seal: judgements to clean documents and manifest files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import apply, artefacts, counters, manifest, merkle, notices, policy, seal
from corpus_gov.engine import split_by_range
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.schemas import CLEAN, FINDINGS
from corpus_gov.screens import FAILED
from corpus_gov.stages import Context, Done, Shard, batches, count_values, damaged, read_shard
from corpus_gov.stages.judging import META, findings_of, oldest_capture
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import Store


@dataclass(frozen=True)
class SettleTask:
    """A judged shard with everything that other documents and people say about it."""

    context: Context
    shard: Shard
    judged: str
    duplicates: tuple[str, ...]
    """Of elect_range, each with a part for every shard."""
    place: int
    """Of the shard among all."""
    oldest: str | None
    source: Mapping[str, Any]
    sources: str
    overrides: str
    suppressed: frozenset[str]
    as_of: date
    ranges: int
    run_key: str
    related: tuple[str, ...] = ()


def settle_shard(task: SettleTask) -> Done:
    """Passes 3 and 4 of decide for a shard, then apply: clean documents and manifest rows."""
    store = task.context.store()
    made_from = [task.run_key, task.shard.ref, task.judged, task.duplicates, task.place, task.sources, task.overrides]
    clean_name = artefacts.name("clean", *made_from)
    rows_name = artefacts.name("rows", *made_from, task.oldest, task.ranges)
    decisions_name = artefacts.name("decisions", *made_from)
    attribution_name = artefacts.name("attribution", *made_from)
    names = (clean_name, rows_name, decisions_name, attribution_name)
    state = {name: artefacts.ready(store, name) for name in names}
    if not all(state.values()):
        judged = artefacts.get(store, task.judged)
        decisions = _settle(store, task, judged)
        stated = _stated(store, task)
        cleaned = _apply(store, task, decisions, judged, stated)
        rows = _manifest_rows(store, task, decisions, judged, cleaned, stated)
        artefacts.put(store, clean_name, artefacts.encode(cleaned))
        artefacts.put(store, decisions_name, artefacts.encode(decisions))
        artefacts.put(store, attribution_name, notices.page(cleaned))
        artefacts.put_ranges(store, rows_name, split_by_range(rows, "doc_id", task.ranges))
    decisions = artefacts.get(store, decisions_name)
    counts = {
        "dispositions": count_values(decisions["disposition"]),
        "reasons": _count_reasons(decisions),
        "duplicates": len(decisions) - decisions["representative_id"].null_count,
        "clean": pq.read_metadata(pa.BufferReader(artefacts.read(store, clean_name))).num_rows,
        "attributed": len(artefacts.read(store, attribution_name)),
        "languages": count_values(artefacts.get(store, clean_name, ["language"])["language"]),
        "items": _items(store, task),
    }
    return Done(task.shard.documents, task.shard.text_bytes, names, counts, rebuilt=damaged(state))


def _items(store: Store, task: SettleTask) -> counters.Items:
    """Collect the items of personal data that came in, whatever became of their documents."""
    name = artefact_names(task.context, task.shard).get("findings.pii")
    if name is None:
        return counters.Items()
    return counters.items(artefacts.get(store, name, ["rule", "hmac"]), task.context.rules())


def _count_reasons(decisions: pa.Table) -> dict[str, int]:
    codes = pc.struct_field(pc.list_flatten(decisions["reasons"]), "code")
    return count_values(codes) if len(codes) else {}


def _settle(store: Store, task: SettleTask, judged: pa.Table) -> pa.Table:
    in_force = task.context.policy_in_force()
    parts = artefacts.get_range(store, task.duplicates, task.place) if task.duplicates else None
    duplicates = policy.DUPLICATES.empty_table() if parts is None else parts.combine_chunks()
    return policy.settle(
        in_force,
        policy.with_spread(judged, duplicates),
        artefacts.get(store, task.sources),
        duplicates,
        duplicates.select(["doc_id", "cluster_id"]),
        artefacts.get(store, task.overrides),
        pa.array(sorted(task.suppressed), pa.string()),
        task.as_of,
    )


def _stated(store: Store, task: SettleTask) -> pa.Table:
    """Return what was said of the rights of each document: author, rights_evidence and rights_notices."""
    documents = artefacts.decode(read_shard(store, task.shard, "documents"), ["doc_id", "author", "markup"])
    names, rules = artefact_names(task.context, task.shard), task.context.rules()
    ids, author, markup = (documents[name].combine_chunks() for name in ("doc_id", "author", "markup"))
    none = FINDINGS.empty_table()
    found, personal = (
        artefacts.get(store, names[f"findings.{screen}"]) if f"findings.{screen}" in names else none
        for screen in ("licence", "pii")
    )
    hidden = sorted(name for name, rule in rules.items() if rule.placeholder is not None and name not in notices.NAMES)
    failed = personal.filter(pc.equal(personal["rule"], FAILED))["doc_id"].combine_chunks()
    personal = personal.filter(pc.is_in(personal["rule"], pa.array(hidden, pa.string())))
    in_markup, in_author = (personal.filter(pc.equal(personal["column"], name)) for name in ("markup", "author"))
    # What could not be screened is not shown.
    seen = found.filter(pc.invert(pc.is_in(found["doc_id"], value_set=failed)))
    return pa.table(
        {
            "author": apply.redact(author, ids, in_author, rules),
            "rights_evidence": notices.statements(ids, found),
            "rights_notices": notices.notices(ids, markup, seen, in_markup, rules),
        }
    )


def _apply(store: Store, task: SettleTask, decisions: pa.Table, judged: pa.Table, stated: pa.Table) -> pa.Table:
    context = task.context
    found = findings_of(store, context, task.shard, task.related)
    redacted = policy.redact_rules(context.policy_in_force(), context.rule_packs())
    by_rule = policy.with_cuts(context.policy_in_force(), context.rules())
    found = found.filter(pc.is_in(found["rule"], pa.array(sorted(redacted), pa.string())))
    cleaned, at = [], 0
    for documents in batches(read_shard(store, task.shard, "documents")):
        n = documents.num_rows
        mine = found.filter(pc.is_in(found["doc_id"], documents.column("doc_id")))
        batch = apply.apply(documents, mine, decisions.slice(at, n), redacted, by_rule)
        kept = pc.is_in(decisions["disposition"].slice(at, n), pa.array(["keep", "redact"]))
        facts_of = judged.slice(at, n).filter(kept).combine_chunks()
        columns = {name: batch.column(name) for name in batch.schema.names}
        columns |= {"language": facts_of["language_code"], "licence": facts_of["rights_licence"]}
        said = stated.slice(at, n).filter(kept).combine_chunks()
        columns["attribution"] = notices.attributions(
            facts_of["rights_licence"], said["author"], said["rights_notices"]
        )
        cleaned.append(pa.table([columns[f.name] for f in CLEAN], schema=CLEAN))
        at += n
    return pa.concat_tables(cleaned) if cleaned else CLEAN.empty_table()


def _manifest_rows(
    store: Store, task: SettleTask, decisions: pa.Table, judged: pa.Table, cleaned: pa.Table, stated: pa.Table
) -> pa.Table:
    documents = artefacts.decode(read_shard(store, task.shard, "documents"), [*META, "consent_ref"])
    key = task.context.keys().seal
    n = len(documents)
    place = pc.index_in(documents["doc_id"], value_set=cleaned["doc_id"].combine_chunks())
    packs = sorted(pack.ref for pack in task.context.rule_packs())
    in_force = task.context.policy_in_force()
    columns: dict[str, Any] = {name: documents[name] for name in documents.column_names}
    columns |= {name: judged[name] for name in judged.column_names if name not in columns}
    columns |= {name: decisions[name] for name in decisions.column_names}
    columns |= {
        "uri": _redacted_uris(store, task, documents).cast(pa.string()),
        "uri_hmac": seal.uri_hmacs(documents["uri"].combine_chunks(), key),
        "consent_hmac": seal.reference_hmacs(documents["consent_ref"].combine_chunks(), "consent", key),
        "rights_evidence": stated["rights_evidence"],
        "rights_notices": stated["rights_notices"],
        "fetched_at": oldest_capture(store, task.oldest, documents),
        "rights_conflict": pc.fill_null(judged["rights_conflict"], pa.scalar(value=False)),
        "optout_digest": judged["optout_digest"],
        "language": judged["language_code"],
        "data_class": pa.repeat(pa.scalar(task.source.get("data_class"), pa.string()), n),
        "data_grade": pa.repeat(pa.scalar(task.source.get("data_grade"), pa.string()), n),
        "minor": pa.nulls(n, pa.bool_()),
        "screened": pa.array([packs] * n, pa.list_(pa.string())),
        "policy_digest": pa.repeat(pa.scalar(in_force.digest), n),
        "released_digest": cleaned["released_digest"].take(place),
        "shard": pa.repeat(pa.scalar(task.shard.ref), n),
        "row": pa.array(np.arange(n)),
    }
    return pa.table([columns[f.name] for f in manifest.ROWS], schema=manifest.ROWS)


def _redacted_uris(store: Store, task: SettleTask, documents: pa.Table) -> pa.Array:
    """Redact every URI, of dropped documents too: the manifest is handed to others."""
    names = artefact_names(task.context, task.shard)
    uris, by_rule = documents["uri"].combine_chunks(), task.context.rules()
    if "findings.pii" not in names:
        return uris
    everything = artefacts.get(store, names["findings.pii"])
    found = everything.filter(pc.equal(everything["column"], "uri"))
    # The marker of a screen that failed is no span: what could not be screened is not shown.
    failed = everything.filter(pc.equal(everything["rule"], FAILED))["doc_id"]
    unseen = pc.is_in(documents["doc_id"].combine_chunks(), failed.combine_chunks())
    found = found.filter(pc.is_in(found["rule"], pa.array(sorted(by_rule), pa.string())))
    redacted = apply.redact(uris, documents["doc_id"].combine_chunks(), found, by_rule)
    return pc.if_else(unseen, pa.scalar(None, redacted.type), redacted)


@dataclass(frozen=True)
class SealTask:
    """One doc_id range of the manifest."""

    context: Context
    rows: tuple[str, ...]
    number: int
    run_key: str


def seal_range(task: SealTask) -> Done:
    """Write one manifest file: rows of a doc_id range in order, salted and hashed; and its leaf hashes."""
    store = task.context.store()
    made_from = [sorted(task.rows), task.number, task.run_key]
    name, tree = artefacts.name("manifest", *made_from), artefacts.name("tree", *made_from)
    state = {one: artefacts.ready(store, one) for one in (name, tree)}
    if not all(state.values()):
        rows = artefacts.get_range(store, task.rows, task.number)
        sealed = manifest.seal_rows(rows.sort_by("doc_id").combine_chunks(), task.context.keys().leaf)
        artefacts.put(store, name, artefacts.encode(sealed))
        artefacts.put(store, tree, hex_bytes(sealed["leaf_hash"], merkle.WIDTH).tobytes())
    documents = merkle.size(store.read(tree))
    return Done(documents, 0, (name, tree), rebuilt=damaged(state))
