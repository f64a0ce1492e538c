"""The tables: one Arrow schema each, every column described, versioned in the schema's metadata.

Digests are lower-case hex. Spans are half-open code-point offsets into the named column. Times are UTC
microseconds. A share or score is an integer count of 1/10,000 (metadata ``scale``), so that no float is
ever compared or sealed.
"""

from typing import Final

import pyarrow as pa

from corpus_gov.errors import SchemaError

SCALE: Final = 10_000
"""Shares and scores are stored as whole ten-thousandths."""

TEXT: Final = pa.large_string()
TIME: Final = pa.timestamp("us", tz="UTC")

OUTCOMES: Final = ("document", "repeat", "evidence", "skipped", "suppressed", "rejected")
"""What a record can end as; `skipped` and `rejected` name their class in `reason`."""

DISPOSITIONS: Final = ("keep", "redact", "quarantine", "drop")
"""From mildest to worst: the worst wins inside a level of precedence."""

RIGHTS_STATES: Final = ("permitted", "not_protected", "conditional", "forbidden", "conflicting", "unknown")
"""`not_protected`: a law, a decision or another text that copyright does not cover, with evidence for it."""

OPTOUT_STATES: Final = ("allowed", "denied", "conditional", "unknown", "not_evaluated")
"""`not_evaluated`: no snapshot of the host's opt-out files was at hand; never read as allowed."""
AIGC_STATES: Final = ("labelled", "declared", "suspected", "none_found", "not_screened")
"""A label of AI-generated content; a source that says so; traces of it; nothing of these. Nothing clears a label."""

TEXT_COLUMNS: Final = ("text", "title", "uri", "author", "markup")
"""The columns of DOCUMENTS that every screen looks at, in this order."""


def field(name: str, kind: pa.DataType, doc: str, *, null: bool = False, scale: bool = False) -> pa.Field:
    """Describe one column; `scale` marks whole ten-thousandths."""
    metadata = {"doc": doc} | ({"scale": str(SCALE)} if scale else {})
    return pa.field(name, kind, nullable=null, metadata=metadata)


def table(name: str, version: int, doc: str, *fields: pa.Field) -> pa.Schema:
    """Bind fields to a named, versioned table."""
    return pa.schema(fields, metadata={"table": name, "version": str(version), "doc": doc})


def check(batch: pa.RecordBatch | pa.Table, schema: pa.Schema, where: str) -> None:
    """Fail unless `batch` has exactly the columns of `schema`, in order and of the same types.

    Raises:
        SchemaError: names `where`, the first differing column, and both types.
    """
    if batch.schema.names != schema.names:
        found, expected = set(batch.schema.names), set(schema.names)
        raise SchemaError(
            f"{where}: columns differ from {name_of(schema)}: missing {sorted(expected - found)!r}, "
            f"unexpected {sorted(found - expected)!r} or out of order; return exactly that schema"
        )
    for mine, theirs in zip(batch.schema, schema, strict=True):
        if mine.type != theirs.type:
            raise SchemaError(f"{where}: column {mine.name!r} is {mine.type}, {name_of(schema)} has {theirs.type}")


def name_of(schema: pa.Schema) -> str:
    """Return the table's name, for messages."""
    name: bytes = (schema.metadata or {}).get(b"table", b"?")
    return name.decode()


CAPTURES: Final = table(
    "captures",
    1,
    "One row for every record of every input file (and one more for each further part of a record).",
    field("source_id", pa.string(), "The dossier that the file belongs to."),
    field("file_digest", pa.string(), "SHA-256 of the input file as found; rejects belong to it."),
    field("record_file", pa.string(), "Source-relative logical name of the file; personal data in it is redacted."),
    field("record_offset", pa.int64(), "Where the record starts: bytes in the file, or the row number in Parquet."),
    field("record_length", pa.int64(), "Bytes of the record in the file (compressed if it is); 1 for a Parquet row."),
    field(
        "record_type", pa.string(), "Of a WARC record its type; line (also of a JSON array), row, file; else unknown."
    ),
    field("part", pa.int32(), "0 for the record itself, 1… for further documents in it; records = rows with part 0."),
    field("fetched_at", TIME, "From the record; null when it does not say.", null=True),
    field("uri", pa.string(), "Target URI; personal data in it is redacted.", null=True),
    field("http_status", pa.int32(), "Of a response.", null=True),
    field("payload_digest", pa.string(), "SHA-256 of the body after transfer- and content-decoding.", null=True),
    field("headers_digest", pa.string(), "SHA-256 of the HTTP headers as received, or of front matter.", null=True),
    field("outcome", pa.string(), "One of OUTCOMES."),
    field("doc_id", pa.string(), "Of the document that the record holds or repeats.", null=True),
    field("reason", pa.string(), "Why it was skipped or rejected: a stable class, never content.", null=True),
)

SNAPSHOTS: Final = table(
    "snapshots",
    1,
    "What a host said about re-use at a time: robots.txt, ai.txt, tdmrep.json, licence files.",
    field("source_id", pa.string(), "The dossier that the capture belongs to."),
    field("host", pa.string(), "Lower-case host, with port where it is not the scheme's own."),
    field("kind", pa.string(), "robots, ai_txt, tdmrep, licence."),
    field("fetched_at", TIME, "From the record.", null=True),
    field("http_status", pa.int32(), "Status the file was served with.", null=True),
    field("digest", pa.string(), "SHA-256 of the body."),
    field("body", pa.large_binary(), "As received after decoding; at most 512 KiB."),
)

DOCUMENTS: Final = table(
    "documents",
    1,
    "Extracted text and what is known of it, personal data in the clear.",
    field(
        "doc_id",
        pa.string(),
        "First 16 bytes, hex, of SHA-256 over length-prefixed (source_id, uri or '', payload_digest, part).",
    ),
    field("source_id", pa.string(), "The dossier."),
    field("part", pa.int32(), "Index of the document inside its record."),
    field("payload_digest", pa.string(), "SHA-256 of the decoded body."),
    field("uri", TEXT, "Target URI as recorded.", null=True),
    field("host", pa.string(), "Lower-case host of the URI, IDNA form.", null=True),
    field("registered_domain", pa.string(), "By the public suffix list.", null=True),
    field("fetched_at", TIME, "From the record.", null=True),
    field("published_at", TIME, "From the page or delivery.", null=True),
    field("author", TEXT, "From the page or delivery.", null=True),
    field("content_type", pa.string(), "Media type without parameters.", null=True),
    field("charset_declared", pa.string(), "As the header or the page says.", null=True),
    field("charset_used", pa.string(), "The one that decoded the bytes.", null=True),
    field("extractor", pa.string(), "name@version of what made the text."),
    field("title", TEXT, "Of the page or delivery.", null=True),
    field("text", TEXT, "Main content."),
    field("text_digest", pa.string(), "SHA-256 of the text in UTF-8."),
    field("n_chars", pa.int64(), "Code points of the text."),
    field("delivery_ref", pa.string(), "Data set and row of a delivery.", null=True),
    field("consent_ref", pa.string(), "Keyed reference to a consent record.", null=True),
    field(
        "markup",
        TEXT,
        "Lines 'kind: value' of rights-relevant headers, tags and notices, taken before boilerplate goes.",
        null=True,
    ),
)

FINDINGS: Final = table(
    "findings",
    1,
    "What a screen saw: sparse rows, none of which changes anything.",
    field("doc_id", pa.string(), "The document."),
    field("text_digest", pa.string(), "Of the text that was screened; apply refuses another."),
    field("rule", pa.string(), "Rule id."),
    field("version", pa.int32(), "Rule version."),
    field("column", pa.string(), "One of TEXT_COLUMNS."),
    field("start", pa.int64(), "First code point of the span."),
    field("end", pa.int64(), "One past the last code point."),
    field("score", pa.int32(), "Confidence; null where the rule is yes or no.", null=True, scale=True),
    field("category", pa.string(), "Risk or entity id, as the rule says."),
    field("masked", pa.string(), "At most 4 characters of the value; set by seal.", null=True),
    field("hmac", pa.string(), "Keyed digest of the normal form; set by seal.", null=True),
    field("key_id", pa.string(), "Which key; set by seal.", null=True),
    field("note", pa.string(), "What the rule adds, such as a licence id; never a value from the text.", null=True),
)

EDGES: Final = table(
    "edges",
    2,
    "Verified relations of two documents; of documents with one text that of smallest doc_id stands for all, but in"
    " kind exact.",
    field("a", pa.string(), "Smaller doc_id; of contained and spun the document that is made of the other."),
    field("b", pa.string(), "Larger doc_id; of contained and spun the document that the other is made of."),
    field("kind", pa.string(), "exact, near, contained, spun."),
    field(
        "similarity",
        pa.int32(),
        "Verified: of near the Jaccard similarity of shingles, of contained the share of a's shingles that b has, of "
        "spun the share of a's clauses.",
        scale=True,
    ),
)

CLUSTERS: Final = table(
    "clusters",
    1,
    "Connected components of edges with two or more documents.",
    field("doc_id", pa.string(), "The document."),
    field("cluster_id", pa.string(), "Smallest doc_id of the component."),
)

REASON: Final = pa.struct(
    [
        field("code", pa.string(), "Clause of the policy, with the rule's id@version where a rule spoke."),
        field("disposition", pa.string(), "What this reason asks for."),
        field("category", pa.string(), "Risk id, or '' ."),
        field("legal", pa.string(), "Legal references, comma-separated, sorted, or ''."),
    ]
)

DECISIONS: Final = table(
    "decisions",
    1,
    "What the policy made of a document, before anything was changed.",
    field("doc_id", pa.string(), "The document."),
    field("disposition", pa.string(), "One of DISPOSITIONS."),
    field("reasons", pa.list_(REASON), "Every reason, sorted; empty only for keep."),
    field("override_id", pa.string(), "The person's override that set the disposition.", null=True),
    field("actor", pa.string(), "Who decided: 'policy' or the override's actor."),
    field("cluster_id", pa.string(), "Of a document with relatives.", null=True),
    field("representative_id", pa.string(), "The copy that stands for a dropped duplicate.", null=True),
    field("edge_similarity", pa.int32(), "Verified similarity to the representative.", null=True, scale=True),
)

EVIDENCE: Final = pa.struct(
    [
        field("state", pa.string(), "What it says: permitted, conditional, forbidden, owner, not_protected."),
        field("licence", pa.string(), "SPDX id or own id of the licence it names.", null=True),
        field("place", pa.string(), "Where: header, head, json, field, file, body, footer, dossier.", null=True),
        field("scope", pa.string(), "What it is about: page, site, part (such as a picture on it), source.", null=True),
        field("rule", pa.string(), "id@version of the rule that found it."),
        field("score", pa.int32(), "Confidence.", scale=True),
    ]
)

LEAF: Final = (
    field("doc_id", pa.string(), "The document."),
    field("source_id", pa.string(), "The dossier."),
    field("uri", pa.string(), "Redacted where a finding lies in it.", null=True),
    field("uri_hmac", pa.string(), "Keyed digest of the URI, for look-up.", null=True),
    field("fetched_at", TIME, "Oldest capture.", null=True),
    field("payload_digest", pa.string(), "SHA-256 of the decoded body; null in a tombstone.", null=True),
    field("text_digest", pa.string(), "SHA-256 of the extracted text; null in a tombstone.", null=True),
    field("extractor", pa.string(), "name@version; none in a tombstone."),
    field("rights_state", pa.string(), "One of RIGHTS_STATES."),
    field("rights_basis", pa.string(), "Legal basis from the dossier.", null=True),
    field("rights_licence", pa.string(), "SPDX id or own id of the licence found.", null=True),
    field("rights_conflict", pa.bool_(), "Evidence disagrees."),
    field("rights_evidence", pa.list_(EVIDENCE), "Every statement on rights that was found, sorted by its bytes."),
    field("rights_notices", pa.list_(pa.string()), "Lines that speak of rights, redacted but for names."),
    field("optout_state", pa.string(), "One of OPTOUT_STATES."),
    field("optout_digest", pa.string(), "SHA-256 of what decided it: a snapshot or a line of markup.", null=True),
    field("ip_risk", pa.string(), "Main intellectual-property risk: none_found, ban_on_reuse, unknown."),
    field("aigc_state", pa.string(), "One of AIGC_STATES: what is known of machines as authors."),
    field("language", pa.string(), "Detected language, or und."),
    field("consent_hmac", pa.string(), "Keyed digest of the reference to a consent record, for look-up.", null=True),
    field("data_class", pa.string(), "From the dossier.", null=True),
    field("data_grade", pa.string(), "From the dossier.", null=True),
    field("minor", pa.bool_(), "A sign of a minor was found; null when nothing screened for it.", null=True),
    field("disposition", pa.string(), "One of DISPOSITIONS."),
    field("reasons", pa.list_(REASON), "Every reason, sorted."),
    field("screened", pa.list_(pa.string()), "name@version:digest of every rule pack applied, sorted."),
    field("policy_digest", pa.string(), "SHA-256 of the policy."),
    field("override_id", pa.string(), "The override that set the disposition.", null=True),
    field("actor", pa.string(), "Who decided."),
    field("cluster_id", pa.string(), "Smallest doc_id of the duplicate cluster.", null=True),
    field("representative_id", pa.string(), "The copy that stands for a dropped duplicate.", null=True),
    field("edge_similarity", pa.int32(), "Verified similarity to it.", null=True, scale=True),
    field(
        "released_digest",
        pa.string(),
        "SHA-256 over the cleaned uri, title and text; null when not released.",
        null=True,
    ),
)
"""The columns that the leaf hash covers, in order (docs/manifest-format.md)."""

MANIFEST: Final = table(
    "manifest",
    1,
    "One row for every document that ever came in.",
    *LEAF,
    field("leaf_hash", pa.string(), "SHA-256(0x00 ‖ salt ‖ row)."),
    field("salt", pa.string(), "HMAC-SHA256(leaf key, doc_id); deleted with the row on erasure."),
    field("shard", pa.string(), "Where the document lies: shard_id.generation."),
    field("row", pa.int64(), "Row in that shard."),
)

CLEAN: Final = table(
    "clean",
    2,
    "The released corpus.",
    field("doc_id", pa.string(), "The document."),
    field("source_id", pa.string(), "The dossier."),
    field("uri", TEXT, "Cleaned.", null=True),
    field("title", TEXT, "Cleaned.", null=True),
    field("text", TEXT, "Cleaned."),
    field("language", pa.string(), "Detected language, or und."),
    field("licence", pa.string(), "Licence found.", null=True),
    field("attribution", TEXT, "Licence, author and notices that go with the text; personal data replaced.", null=True),
    field("aigc_state", pa.string(), "One of AIGC_STATES, as in the manifest: labelled is never said to be human."),
    field("published_at", TIME, "From the page or delivery.", null=True),
    field("released_digest", pa.string(), "SHA-256 over length-prefixed (uri or '', title or '', text)."),
)

EDITS: Final = table(
    "edits",
    1,
    "What stands where in released documents instead of what was there: places and placeholders, nothing of the text.",
    field("doc_id", pa.string(), "The document."),
    field("column", pa.string(), "uri, title or text."),
    field("start", pa.int64(), "First code point that is replaced; edits of a column do not overlap."),
    field("end", pa.int64(), "One past the last code point."),
    field("placeholder", pa.string(), "What stands there instead; '' where it was cut."),
)

TABLES: Final = {
    name_of(schema): schema
    for schema in (CAPTURES, SNAPSHOTS, DOCUMENTS, FINDINGS, EDGES, CLUSTERS, DECISIONS, MANIFEST, CLEAN, EDITS)
}
"""Every fixed table by name; signals are built by their measures and described in `signals`."""
