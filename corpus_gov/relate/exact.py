"""Exact duplicates: documents whose extracted text is the same, byte for byte."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.relate import records
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

    The star is enough: equality of digests is transitive.

    Args:
        rows: KEYED with home (uint32, the number of the document's shard), of one key range.

    Returns:
        EDGES of kind exact with home_a and home_b, ascending by (a, b).
    """
    # All of the digest: nothing but this says that the texts are the same.
    keys = hex_bytes(rows["key"], 32).view(records.NAME)
    at = records.order(keys[:, 0], keys[:, 1], records.names(rows["doc_id"]))
    first = records.starts(keys[at, 0], keys[at, 1])
    heads = np.repeat(at[first], np.diff(np.append(first, len(at))))
    rest = np.setdiff1d(np.arange(len(at)), first)
    pairs = rows.take(pa.array(heads[rest])), rows.take(pa.array(at[rest]))
    n = len(rest)
    columns = [
        *(side["doc_id"] for side in pairs),
        pa.repeat(pa.scalar("exact"), n),
        pa.repeat(pa.scalar(SCALE, pa.int32()), n),
    ]
    edges = pa.table(columns, schema=EDGES)
    for name, side in zip(("home_a", "home_b"), pairs, strict=True):
        edges = edges.append_column(name, side["home"])
    return edges.sort_by([("a", "ascending"), ("b", "ascending")])
