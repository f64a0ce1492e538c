"""Passes 3 and 4 of decide, then apply and seal: judgements to clean documents and manifest files.

Every table is named by what it is made of, down to the rows that count: where a policy, a verdict or an override
changes nothing about the released documents of a shard, its clean file is the one that is there, and no text is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import apply, artefacts, counters, manifest, merkle, notices, policy, seal, tombstones
from corpus_gov.engine import cut_by_range
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.rules import Rule
from corpus_gov.schemas import CLEAN, EDITS
from corpus_gov.stages import Context, Done, Shard, batches, count_values, damaged, describing, read_shard
from corpus_gov.stages.describing import Described
from corpus_gov.stages.judging import findings_of, with_oldest
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import Store

VERSION: Final = 1
"""Raised when the same judgements would be settled, applied or written into rows otherwise."""

LIBRARIES: Final = ("numpy", "pyarrow")


@dataclass(frozen=True)
class SettleTask:
    """A judged shard with everything that other documents and people say about it."""

    context: Context
    shard: Shard
    judged: str
    described: Described
    duplicates: tuple[str, ...]
    """Of elect_range, each with a part for every shard."""
    place: int
    """Of the shard among all."""
    oldest: str | None
    source: Mapping[str, Any]
    sources: str
    overrides: str
    suppressed: frozenset[str]
    tombstones: str | None
    """Name of tombstones.TOMBSTONES; None where nothing was erased."""
    as_of: date
    ranges: int
    related: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cleaned:
    """Names of what a shard's decisions leave of it."""

    clean: str
    attribution: str
    edits: str
    """EDITS: what makes the clean documents of the stored ones."""
    released: str
    """doc_id and released_digest of the clean documents."""

    @property
    def all(self) -> tuple[str, ...]:
        return self.clean, self.attribution, self.edits, self.released


def settle_shard(task: SettleTask) -> Done:
    """Passes 3 and 4 of decide for a shard, then apply: clean documents and manifest rows."""
    store = task.context.store()
    judged = artefacts.get_stream(store, task.judged)
    decisions, decisions_name, rebuilt = _decided(store, task, judged)
    cleaned = _names(store, task, decisions, judged)
    state = {name: artefacts.ready(store, name) for name in cleaned.all}
    if not all(state.values()):
        table, edits = _apply(store, task, decisions, judged)
        artefacts.put(store, cleaned.clean, artefacts.encode(table))
        artefacts.put(store, cleaned.attribution, notices.page(table))
        artefacts.put(store, cleaned.edits, artefacts.encode(edits))
        artefacts.put(store, cleaned.released, artefacts.encode(table.select(["doc_id", "released_digest"])))
    released = artefacts.get(store, cleaned.released)
    made_from = [VERSION, decisions_name, task.judged, cleaned.released, task.described.table, task.described.oldest]
    packs = sorted(pack.ref for pack in task.context.rule_packs())
    rows_name = artefacts.name(
        "rows", *made_from, packs, [task.source.get(name) for name in ("data_class", "data_grade", "material")],
        task.ranges,
        libraries=LIBRARIES,
    )  # fmt: skip
    state |= {rows_name: artefacts.ready(store, rows_name)}
    if not state[rows_name]:
        rows = _manifest_rows(store, task, decisions, judged, released)
        parts = [artefacts.stream(part) for part in cut_by_range(rows, "doc_id", task.ranges)]
        artefacts.put_parts(store, rows_name, parts)
    kept = pc.is_in(decisions["disposition"], pa.array(apply.RELEASED))
    counts = {
        "dispositions": count_values(decisions["disposition"]),
        "reasons": _count_reasons(decisions),
        "duplicates": len(decisions) - decisions["representative_id"].null_count,
        "clean": len(released),
        "attributed": len(artefacts.read(store, cleaned.attribution)),
        "edits": pq.read_metadata(pa.BufferReader(artefacts.read(store, cleaned.edits))).num_rows,
        "languages": count_values(judged["language_code"].filter(kept)),
        "items": _items(store, task),
    }
    names = (cleaned.clean, rows_name, decisions_name, *cleaned.all[1:])
    rebuilt += damaged(state)
    return Done(task.shard.documents, task.shard.text_bytes, names, counts, rebuilt=rebuilt)


def foresee_shard(task: SettleTask) -> Done:
    """Settle a shard and leave it at that; the name is that of its DECISIONS."""
    store = task.context.store()
    _, name, rebuilt = _decided(store, task, artefacts.get_stream(store, task.judged))
    return Done(task.shard.documents, task.shard.text_bytes, (name,), rebuilt=rebuilt)


def _items(store: Store, task: SettleTask) -> counters.Items:
    """Collect the items of personal data that came in, whatever became of their documents."""
    name = artefact_names(task.context, task.shard).get("findings.pii")
    if name is None:
        return counters.Items()
    return counters.items(artefacts.get(store, name, ["rule", "hmac"]), task.context.rules())


def _count_reasons(decisions: pa.Table) -> dict[str, int]:
    codes = pc.struct_field(pc.list_flatten(decisions["reasons"]), "code")
    return count_values(codes) if len(codes) else {}


def _decided(store: Store, task: SettleTask, judged: pa.Table) -> tuple[pa.Table, str, tuple[str, ...]]:
    """Return DECISIONS of the shard, their name, and what was damaged and built again."""
    in_force, ids = task.context.policy_in_force(), judged["doc_id"].combine_chunks()
    overrides, sources = artefacts.get(store, task.overrides), artefacts.get(store, task.sources)
    buried = _buried(store, task)
    # What others are told changes nothing here, and so is no part of the name.
    overrides = overrides.filter(pc.is_in(overrides["doc_id"], value_set=ids))
    verdict = sources.filter(pc.equal(sources["source_id"], task.shard.source_id))
    suppressed = sorted(task.suppressed.intersection(ids.to_pylist())) if task.suppressed else []
    parts = [artefacts.get_part(store, name, task.place) for name in task.duplicates]
    made_from = [
        VERSION, in_force.digest, task.judged, [sha256(part).hexdigest() for part in parts], verdict.to_pylist(),
        overrides.to_pylist(), suppressed, task.as_of.isoformat() if len(overrides) else None,
    ]  # fmt: skip
    if suppressed:
        buried = buried.filter(pc.is_in(buried["doc_id"], value_set=pa.array(suppressed, pa.string())))
        made_from.append(buried.to_pylist())
    name = artefacts.name("decisions", artefacts.digest_of(made_from), libraries=LIBRARIES)
    state = {name: artefacts.ready(store, name)}
    if state[name]:
        return artefacts.get_stream(store, name), name, ()
    tables = [policy.DUPLICATES.empty_table(), *(artefacts.decode(part) for part in parts)]
    duplicates = pa.concat_tables(tables).combine_chunks()
    decisions = policy.settle(
        in_force,
        policy.with_spread(judged, duplicates),
        sources,
        duplicates,
        duplicates.select(["doc_id", "cluster_id"]),
        overrides,
        pa.array(suppressed, pa.string()),
        task.as_of,
    )
    decisions = tombstones.decided(decisions, buried)
    artefacts.put(store, name, artefacts.stream(decisions, "lz4"))
    return decisions, name, damaged(state)


def _buried(store: Store, task: SettleTask) -> pa.Table:
    return artefacts.get(store, task.tombstones) if task.tombstones else tombstones.TOMBSTONES.empty_table()


def _names(store: Store, task: SettleTask, decisions: pa.Table, judged: pa.Table) -> _Cleaned:
    """Name what is left of a shard by all that it follows from, and by no decision on documents that go."""
    kept = pc.is_in(decisions["disposition"], pa.array(apply.RELEASED))
    spans, by_rule = _spans(store, task)
    released = judged.select(["doc_id", "language_code", "rights_licence", "aigc_state"]).filter(kept)
    spans = spans.filter(pc.is_in(spans["doc_id"], value_set=released["doc_id"].combine_chunks()))
    spans = spans.select(["doc_id", "column", "start", "end", "rule", "text_digest"])
    edits = {name: [by_rule[name].placeholder, by_rule[name].severity] for name in pc.unique(spans["rule"]).to_pylist()}
    shard = task.shard
    content = [shard.source_id, shard.ref, shard.digests["documents"], artefacts.digest(store, task.described.table)]
    tables = [sha256(artefacts.stream(table.combine_chunks())).hexdigest() for table in (released, spans)]
    made_from = [VERSION, content, tables, edits]
    return _Cleaned(*(
        artefacts.name(family, *made_from, libraries=LIBRARIES)
        for family in ("clean", "attribution", "edits", "released")
    ))  # fmt: skip


def _spans(store: Store, task: SettleTask) -> tuple[pa.Table, Mapping[str, Rule]]:
    """Return the findings that the policy redacts, and every rule with what stands for its spans."""
    context = task.context
    found = findings_of(store, context, task.shard, task.related)
    redacted, by_rule = context.redactions()
    found = found.filter(pc.is_in(found["rule"], pa.array(sorted(redacted), pa.string())))
    return found, by_rule


def _apply(store: Store, task: SettleTask, decisions: pa.Table, judged: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return CLEAN of the shard, and the EDITS that made it."""
    context = task.context
    found, by_rule = _spans(store, task)
    redacted, _ = context.redactions()
    stated = artefacts.get(store, task.described.table, [*describing.OF_RIGHTS, "row"])
    # Judgements ascend in doc_id, documents lie as they came.
    order = pc.sort_indices(stated["row"])
    stated, judged, decisions = (table.take(order).combine_chunks() for table in (stated, judged, decisions))
    cleaned, planned, at = [CLEAN.empty_table()], [EDITS.empty_table()], 0
    for documents in batches(read_shard(store, task.shard, "documents")):
        n = documents.num_rows
        mine = found.filter(pc.is_in(found["doc_id"], documents.column("doc_id")))
        planned.append(apply.edits(documents, mine, decisions.slice(at, n), redacted, by_rule))
        batch = apply.edited(documents, decisions.slice(at, n), planned[-1])
        kept = pc.is_in(decisions["disposition"].slice(at, n), pa.array(apply.RELEASED))
        facts_of = judged.slice(at, n).filter(kept).combine_chunks()
        columns = {name: batch.column(name) for name in batch.schema.names}
        columns |= {
            "language": facts_of["language_code"],
            "licence": facts_of["rights_licence"],
            "aigc_state": facts_of["aigc_state"],
        }
        said = stated.slice(at, n).filter(kept).combine_chunks()
        columns["attribution"] = notices.attributions(
            facts_of["rights_licence"], said["author"], said["rights_notices"]
        )
        cleaned.append(pa.table([columns[f.name] for f in CLEAN], schema=CLEAN))
        at += n
    return pa.concat_tables(cleaned), pa.concat_tables(planned)


def _manifest_rows(
    store: Store, task: SettleTask, decisions: pa.Table, judged: pa.Table, released: pa.Table
) -> pa.Table:
    documents = with_oldest(store, artefacts.get(store, task.described.table), task.oldest)
    n = len(documents)
    place = pc.index_in(documents["doc_id"], value_set=released["doc_id"].combine_chunks())
    packs = sorted(pack.ref for pack in task.context.rule_packs())
    columns: dict[str, Any] = {name: judged[name] for name in judged.column_names}
    columns |= {name: documents[name] for name in documents.column_names}
    columns |= {name: decisions[name] for name in decisions.column_names}
    columns |= {
        "rights_conflict": pc.fill_null(judged["rights_conflict"], pa.scalar(value=False)),
        "rights_evidence": notices.with_material(
            documents["rights_evidence"].combine_chunks(), task.source.get("material")
        ),
        "optout_digest": judged["optout_digest"],
        "language": judged["language_code"],
        "data_class": pa.repeat(pa.scalar(task.source.get("data_class"), pa.string()), n),
        "data_grade": pa.repeat(pa.scalar(task.source.get("data_grade"), pa.string()), n),
        "minor": pa.nulls(n, pa.bool_()),
        "screened": pa.array([packs] * n, pa.list_(pa.string())),
        "policy_digest": pa.repeat(pa.scalar(task.context.policy_in_force().digest), n),
        "released_digest": released["released_digest"].take(place),
        "shard": pa.repeat(pa.scalar(task.shard.ref), n),
    }
    rows = pa.table([columns[f.name] for f in manifest.ROWS], schema=manifest.ROWS)
    rows = tombstones.over(rows, _buried(store, task), task.context.policy_in_force().digest)
    ids = rows["doc_id"].combine_chunks()
    if not pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py():
        rows = rows.sort_by("doc_id")
    place = pc.index_in(rows["doc_id"], value_set=documents["doc_id"].combine_chunks())
    return rows.append_column("salt", documents["salt"].take(place))


@dataclass(frozen=True)
class SealTask:
    """One doc_id range of the manifest."""

    context: Context
    rows: tuple[str, ...]
    number: int


def seal_range(task: SealTask) -> Done:
    """Write one manifest file: rows of a doc_id range in order, salted and hashed; and its leaf hashes."""
    store, leaf = task.context.store(), task.context.keys().leaf
    parts = sorted(artefacts.part_digest(store, name, task.number) for name in task.rows)
    # By what the parts hold: a range of which no row changed is the file that is there.
    made_from = [VERSION, parts, seal.key_id(leaf)]
    name, tree = (artefacts.name(family, *made_from, libraries=LIBRARIES) for family in ("manifest", "tree"))
    state = {one: artefacts.ready(store, one) for one in (name, tree)}
    if not all(state.values()):
        parts_of = (artefacts.from_stream(artefacts.get_part(store, one, task.number)) for one in task.rows)
        rows = pa.concat_tables(_salted(part, leaf) for part in parts_of).combine_chunks().sort_by("doc_id")
        sealed = manifest.seal_rows(rows.drop_columns(["salt"]), leaf, rows["salt"].combine_chunks())
        artefacts.put(store, name, artefacts.encode(sealed))
        artefacts.put(store, tree, hex_bytes(sealed["leaf_hash"], merkle.WIDTH).tobytes())
    documents = merkle.size(store.read(tree))
    return Done(documents, 0, (name, tree), rebuilt=damaged(state))


def _salted(rows: pa.Table, leaf: bytes) -> pa.Table:
    """Add salts to rows that no shard has."""
    if "salt" in rows.column_names:
        return rows
    return rows.append_column("salt", manifest.salts_of(rows["doc_id"].combine_chunks(), leaf))
