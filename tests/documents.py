"""Batches for tests: documents from texts, findings from spans, rules from an id."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa

from corpus_gov.kernels.digests import prefixed
from corpus_gov.rules import Params, Rule
from corpus_gov.schemas import DECISIONS, DOCUMENTS, FINDINGS


def documents(texts: Sequence[str], **columns: Any) -> pa.RecordBatch:
    """Build DOCUMENTS, one row a text, with consistent digests, counts and ids.

    Args:
        texts: the texts; an equal one becomes a further part, so that ids stay distinct.
        columns: any column, as a list of one value a row or as one value for all rows; what is not given is
            derived from the text or null.
    """
    seen: Counter[str] = Counter()
    given = {name: value if isinstance(value, list) else [value] * len(texts) for name, value in columns.items()}
    rows = []
    for place, text in enumerate(texts):
        digest = sha256(text.encode()).hexdigest()
        row: dict[str, Any] = {"source_id": "tests", "part": seen[text], "payload_digest": digest, "uri": None}
        row |= {"text": text, "text_digest": digest, "n_chars": len(text), "extractor": "tests@1"}
        row |= {name: values[place] for name, values in given.items()}
        row.setdefault("doc_id", doc_id(row["source_id"], row["uri"], row["payload_digest"], row["part"]))
        rows.append({field.name: row.get(field.name) for field in DOCUMENTS} | row)
        seen[text] += 1
    return _batch(rows, DOCUMENTS)


def doc_id(source_id: str, uri: str | None, payload_digest: str, part: int) -> str:
    """Make an id as schemas.DOCUMENTS describes it."""
    parts = (source_id, uri or "", payload_digest, str(part))
    return sha256(prefixed(*(value.encode() for value in parts))).hexdigest()[:32]


def findings(batch: pa.RecordBatch, spans: Iterable[tuple[int, str, str, int, int]], **columns: Any) -> pa.RecordBatch:
    """Build FINDINGS of a batch from (row, column, rule, start, end); `columns` are values for all rows."""
    rows = []
    for row, column, rule, start, end in spans:
        ids = {name: batch.column(name)[row].as_py() for name in ("doc_id", "text_digest")}
        span = {"column": column, "rule": rule, "start": start, "end": end, "version": 1, "category": "A4f"}
        rows.append({field.name: None for field in FINDINGS} | ids | span | columns)
    return _batch(rows, FINDINGS)


def decisions(batch: pa.RecordBatch, dispositions: Sequence[str]) -> pa.Table:
    """Build DECISIONS of a batch, one disposition a row."""
    empty = {field.name: None for field in DECISIONS} | {"reasons": [], "actor": "policy"}
    ids = batch.column("doc_id").to_pylist()
    rows = [empty | {"doc_id": id_, "disposition": value} for id_, value in zip(ids, dispositions, strict=True)]
    return pa.Table.from_batches([_batch(rows, DECISIONS)])


def rule(id_: str, **columns: Any) -> Rule:
    """Build a rule of which a test sets only what it looks at."""
    says = {"version": 1, "screen": "pii", "params": Params(), "category": "A4f", "why": "test", "legal": ()}
    says |= {"source": "test", "status": "stable", "hits": (), "misses": (), "file": "tests.yaml", "line": 1}
    return Rule(id=id_, **(says | columns))


def by_id(*rules: Rule) -> Mapping[str, Rule]:
    """Put rules under their ids."""
    return {each.id: each for each in rules}


def _batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    unknown = {name for row in rows for name in row} - set(schema.names)
    if unknown:
        raise ValueError(f"found columns {sorted(unknown)!r}; expected columns of {schema.names!r}")
    return pa.RecordBatch.from_pylist(rows, schema=schema)
