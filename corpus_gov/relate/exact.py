"""Exact duplicates: documents whose extracted text is the same, byte for byte."""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.relate import links, records
from corpus_gov.relate.records import Columns
from corpus_gov.schemas import SCALE

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


def join(rows: pa.Table) -> Columns:
    """Relate each document to the one of smallest doc_id with the same text.

    The star is enough: equality of digests is transitive.

    Args:
        rows: KEYED with home (uint32, the number of the document's shard), of one key range.

    Returns:
        links.LINK of kind exact.
    """
    # All of the digest: nothing but this says that the texts are the same.
    keys, ids = hex_bytes(rows["key"], 32).view(records.NAME), records.names(rows["doc_id"])
    at = records.order(keys[:, 0], keys[:, 1], ids)
    first = records.starts(keys[at, 0], keys[at, 1])
    heads = np.repeat(at[first], np.diff(np.append(first, len(at))))
    rest = np.setdiff1d(np.arange(len(at)), first)
    home, (a, b) = np.asarray(rows["home"]), (heads[rest], at[rest])
    return {
        "a": ids[a],
        "b": ids[b],
        "home_a": home[a],
        "home_b": home[b],
        "value": np.full(len(rest), SCALE, np.int32),
        "kind": np.full(len(rest), links.EXACT, np.uint8),
    }
