"""What a shard says of its documents whatever the policy: described once without their texts, read by every decision.

    described   columns that manifest rows repeat, addresses and authors redacted, statements and notices of rights
    optouts     what was in force for each document, and all that was said (statements)

Both depend on documents, findings, snapshots and rules of opt-out, and on no policy. So a change of policy, verdict or
override reads no text, and what became of the inputs shows in the digests of these tables: where they come out the
same, nothing after them is done again.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import apply, artefacts, manifest, notices, seal
from corpus_gov.relate import optout
from corpus_gov.schemas import FINDINGS, SNAPSHOTS, TIME
from corpus_gov.screens import FAILED
from corpus_gov.stages import Context, Shard, damaged, read_shard
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import Store

VERSION: Final = 2
"""Raised when the same documents and findings would be described otherwise."""

META: Final = (
    "doc_id", "source_id", "payload_digest", "host", "registered_domain", "fetched_at", "published_at",
    "content_type", "charset_declared", "charset_used", "extractor", "text_digest", "n_chars",
)  # fmt: skip
"""Columns of DOCUMENTS that facts and manifest rows need as they are; no text and no address."""

OF_RIGHTS: Final = ("author", "rights_evidence", "rights_notices")
"""Columns that attributions are written from."""


@dataclass(frozen=True)
class Asked:
    """A shard to be described.

    Attributes:
        context: of the run.
        shard: which.
        snapshots: shards of the same source that hold some.
        oldest: name of the oldest captures of documents that came in more than once; None where none did.
        agent: that fetched the pages, as the dossier says.
    """

    context: Context
    shard: Shard
    snapshots: tuple[Shard, ...]
    oldest: str | None
    agent: str | None


@dataclass(frozen=True)
class Described:
    """Where the tables of a shard lie.

    Attributes:
        table: name of META, uri (redacted), uri_hmac, consent_hmac, OF_RIGHTS, salt and row, ascending in doc_id.
        optouts: name of relate.optout.OPTOUTS.
        statements: name of relate.optout.STATEMENTS.
        oldest: digest of the captures that are older than the document's own; "" where none is.
        rebuilt: artefacts that were damaged and were built again.
    """

    table: str
    optouts: str
    statements: str
    oldest: str
    rebuilt: tuple[str, ...] = ()


def describe(asked: Asked) -> Described:
    """Build what is missing of a shard's description; a text column is decoded for `markup` alone."""
    store, context, shard = asked.context.store(), asked.context, asked.shard
    named = artefact_names(context, shard)
    of_findings = [named.get(f"findings.{screen}") for screen in ("licence", "pii")]
    content = [shard.source_id, shard.ref, shard.digests["documents"]]
    keys = [seal.key_id(key) for key in (context.keys().seal, context.keys().leaf)]
    name = artefacts.name("described", VERSION, content, of_findings, keys)
    state = {name: artefacts.ready(store, name)}
    if not state[name]:
        artefacts.put(store, name, artefacts.encode(_described(store, context, shard, named)))
    oldest = _oldest_digest(store, asked.oldest, name)
    pack = context.concern("optout")
    seen = [[one.ref, one.digests["snapshots"]] for one in asked.snapshots]
    made_from = [optout.VERSION, content, oldest, seen, pack.digest, asked.agent]
    optouts, statements = (
        artefacts.name(family, *made_from, libraries=optout.LIBRARIES) for family in ("optouts", "statements")
    )
    state |= {one: artefacts.ready(store, one) for one in (optouts, statements)}
    if not (state[optouts] and state[statements]):
        found, said = _optouts(store, asked)
        artefacts.put(store, optouts, artefacts.encode(found))
        artefacts.put(store, statements, artefacts.encode(said))
    return Described(name, optouts, statements, oldest, damaged(state))


def oldest_capture(store: Store, oldest: str | None, documents: pa.Table) -> pa.ChunkedArray:
    """Use the oldest capture of documents that came in more than once."""
    if oldest is None:
        return documents["fetched_at"]
    known = artefacts.get(store, oldest)
    place = pc.index_in(documents["doc_id"], value_set=known["doc_id"].combine_chunks())
    # As whole microseconds: the minimum of two columns is not defined for times.
    mine, other = documents["fetched_at"].cast(pa.int64()), known["fetched_at"].take(place).cast(pa.int64())
    return pc.min_element_wise(mine, other, skip_nulls=True).cast(TIME)


def _oldest_digest(store: Store, oldest: str | None, described: str) -> str:
    if oldest is None:
        return ""
    documents = artefacts.get(store, described, ["doc_id", "fetched_at"])
    own, used = (
        np.asarray(pc.fill_null(column.cast(pa.int64()), -1).combine_chunks())
        for column in (documents["fetched_at"], oldest_capture(store, oldest, documents))
    )
    return "" if np.array_equal(own, used) else sha256(used.tobytes()).hexdigest()


def _described(store: Store, context: Context, shard: Shard, named: dict[str, str]) -> pa.Table:
    data = read_shard(store, shard, "documents")
    documents = artefacts.decode(data, [*META, "uri", "author", "markup", "consent_ref"])
    ids, rules, key = documents["doc_id"].combine_chunks(), context.rules(), context.keys().seal
    uri, author, markup, consent = (
        documents[name].combine_chunks() for name in ("uri", "author", "markup", "consent_ref")
    )
    none = FINDINGS.empty_table()
    found, personal = (
        artefacts.get(store, named[f"findings.{screen}"]) if f"findings.{screen}" in named else none
        for screen in ("licence", "pii")
    )
    failed = personal.filter(pc.equal(personal["rule"], FAILED))["doc_id"].combine_chunks()
    hidden = sorted(name for name, rule in rules.items() if rule.placeholder is not None and name not in notices.NAMES)
    spans = personal.filter(pc.is_in(personal["rule"], pa.array(hidden, pa.string())))
    in_markup, in_author = (spans.filter(pc.equal(spans["column"], name)) for name in ("markup", "author"))
    # What could not be screened is not shown.
    seen = found.filter(pc.invert(pc.is_in(found["doc_id"], value_set=failed)))
    columns: dict[str, Any] = {name: documents[name] for name in META}
    columns |= {
        "uri": _redacted(uri, ids, personal, failed, context).cast(pa.string()),
        "uri_hmac": seal.uri_hmacs(uri, key),
        "consent_hmac": seal.reference_hmacs(consent, "consent", key),
        "author": _shown(apply.redact(author, ids, in_author, rules), ids, failed),
        "rights_evidence": notices.statements(ids, found),
        "rights_notices": notices.notices(ids, markup, seen, in_markup, rules),
        "salt": manifest.salts_of(ids, context.keys().leaf),
        "row": pa.array(np.arange(len(ids))),
    }
    # In the order of the manifest, so that whatever is decided of a range of documents lies together.
    return pa.table(columns).sort_by("doc_id")


def _redacted(uris: pa.Array, ids: pa.Array, personal: pa.Table, failed: pa.Array, context: Context) -> pa.Array:
    """Redact every URI, of dropped documents too: the manifest is handed to others."""
    rules = context.rules()
    found = personal.filter(pc.equal(personal["column"], "uri"))
    # The marker of a screen that failed is no span: what could not be screened is not shown.
    found = found.filter(pc.is_in(found["rule"], pa.array(sorted(rules), pa.string())))
    return _shown(apply.redact(uris, ids, found, rules), ids, failed)


def _shown(column: pa.Array, ids: pa.Array, failed: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(ids, value_set=failed), pa.scalar(None, column.type), column)


def _optouts(store: Store, asked: Asked) -> tuple[pa.Table, pa.Table]:
    """Evaluate what the hosts of these documents said; only their snapshots are kept in memory."""
    data = read_shard(store, asked.shard, "documents")
    documents = artefacts.decode(data, ["doc_id", "uri", "host", "fetched_at", "markup"])
    # A document that came in more than once is judged by its oldest capture, whichever copy was kept.
    place = documents.schema.get_field_index("fetched_at")
    field = documents.schema.field(place)
    documents = documents.set_column(place, field, oldest_capture(store, asked.oldest, documents))
    hosts = optout.origins(documents).unique()
    kept = [SNAPSHOTS.empty_table()]
    for shard in asked.snapshots:
        rows = artefacts.decode(read_shard(store, shard, "snapshots"))
        kept.append(rows.filter(pc.is_in(rows["host"], hosts)))
    return optout.evaluate(documents, pa.concat_tables(kept), asked.context.concern("optout"), asked.agent)
