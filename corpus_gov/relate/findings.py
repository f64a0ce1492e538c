"""Findings of relations: rows that say what a rule found in a document because of another."""

import numpy as np
import pyarrow as pa

from corpus_gov.rules import Rule
from corpus_gov.schemas import FINDINGS


def of_rule(
    documents: pa.Table,
    rows: np.ndarray,
    rule: Rule,
    spans: tuple[pa.Array, pa.Array],
    note: pa.Array,
    score: pa.Array | None = None,
) -> pa.Table:
    """Make the findings of one rule in the texts of documents.

    Args:
        documents: doc_id and text_digest.
        rows: int64, n rows of `documents`.
        rule: what was found.
        spans: first code point and one past the last, n of each.
        note: string, n.
        score: int32 in ten-thousandths, n; null where it is not given.

    Returns:
        FINDINGS, n rows in the order of `rows`.
    """
    n, places = len(rows), pa.array(rows)
    columns = {
        "doc_id": documents["doc_id"].take(places),
        "text_digest": documents["text_digest"].take(places),
        "rule": pa.repeat(pa.scalar(rule.id), n),
        "version": pa.repeat(pa.scalar(rule.version, pa.int32()), n),
        "column": pa.repeat(pa.scalar("text"), n),
        "start": spans[0],
        "end": spans[1],
        "category": pa.repeat(pa.scalar(rule.category), n),
        "note": note,
    }
    if score is not None:
        columns["score"] = score
    return pa.table([columns.get(f.name, pa.nulls(n, f.type)) for f in FINDINGS], schema=FINDINGS)
