"""Exact duplicates: documents whose extracted text is the same, byte for byte."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.schemas import EDGES, SCALE

VERSION: Final = 1
COLUMNS: Final = ("doc_id", "text_digest", "n_chars")
"""What `split` reads of DOCUMENTS."""

KEYED: Final = pa.schema([pa.field("key", pa.string()), pa.field("doc_id", pa.string())])


def split(documents: pa.Table) -> pa.Table:
    """Key documents by the digest of their text.

    Empty documents have no key: they share a digest, yet say nothing of each other.

    Args:
        documents: COLUMNS of DOCUMENTS, n rows.

    Returns:
        KEYED, at most n rows.
    """
    documents = documents.filter(pc.greater(documents["n_chars"], 0))
    return pa.table([documents["text_digest"], documents["doc_id"]], schema=KEYED)


def join(rows: pa.Table) -> pa.Table:
    """Relate each document to the one of smallest doc_id with the same text.

    The star is enough: equality of digests is transitive, and `verify` gives any other pair that is asked for.

    Args:
        rows: KEYED, of one key range.

    Returns:
        EDGES of kind exact, ascending by (a, b).
    """
    first = rows.group_by("key").aggregate([("doc_id", "min"), ("doc_id", "count")])
    first = first.filter(pc.greater(first["doc_id_count"], 1))
    pairs = rows.join(first, "key", join_type="inner")
    pairs = pairs.filter(pc.not_equal(pairs["doc_id"], pairs["doc_id_min"]))
    return _edges(pairs["doc_id_min"], pairs["doc_id"])


def verify(pairs: pa.Table) -> pa.Table:
    """Keep the pairs whose texts are the same.

    Args:
        pairs: a, b (a < b), digest_a, digest_b.

    Returns:
        EDGES of kind exact.
    """
    same = pairs.filter(pc.equal(pairs["digest_a"], pairs["digest_b"]))
    return _edges(same["a"], same["b"])


def _edges(a: pa.ChunkedArray, b: pa.ChunkedArray) -> pa.Table:
    n = len(a)
    columns = [a, b, pa.repeat(pa.scalar("exact"), n), pa.repeat(pa.scalar(SCALE, pa.int32()), n)]
    return pa.table(columns, schema=EDGES).sort_by([("a", "ascending"), ("b", "ascending")])
