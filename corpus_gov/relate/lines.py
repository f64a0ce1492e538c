"""Repeated lines: within a document, within a host, and across the corpus.

`split` lists the lines of one shard, `count` counts documents by line and host for one range of hashes (partial
counts of any cut add up with `total`), and `repeats` gives the spans of the lines that are too frequent. Lines are
compared in the matching view; nothing is cut here.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels.columns import buffers, code_points
from corpus_gov.kernels.folding import Folding
from corpus_gov.kernels.pieces import LINE_ENDS, pieces

VERSION: Final = 1

LEAST_TOKENS: Final = 3
"""A shorter line (a number, a bullet, 分享) is no line: repeats of it say nothing."""

LINES: Final = pa.schema(
    [
        pa.field("hash", pa.uint64()),
        pa.field("doc_id", pa.string()),
        pa.field("host", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
    ]
)
"""One row a line; start and end are code points of the text."""

COUNTS: Final = pa.schema(
    [pa.field("hash", pa.uint64()), pa.field("host", pa.string()), pa.field("documents", pa.int64())]
)
"""Documents that have a line, by host, ascending."""

REPEATS: Final = pa.schema(
    [
        pa.field("doc_id", pa.string()),
        pa.field("scope", pa.string()),
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("count", pa.int64()),
    ]
)
"""Spans of repeated lines, ascending by doc_id, start and scope: document (a second or later occurrence in its
document; count is its number, from 2), host or corpus (count is the documents that have it)."""


def split(documents: pa.Table, folding: Folding, least: int = LEAST_TOKENS) -> pa.Table:
    """List the lines of documents.

    Args:
        documents: doc_id, host and text of DOCUMENTS.
        folding: the matching view.
        least: lines of fewer tokens are left out.

    Returns:
        LINES, in the order of the texts. A document without a host has the host "".
    """
    text = documents["text"].combine_chunks()
    found = pieces(text, LINE_ENDS, folding, least)
    data, offsets = buffers(text)
    spans = [code_points(data, offsets, found.rows, places) for places in (found.starts, found.stops)]
    rows = pa.array(found.rows)
    host = pc.fill_null(documents["host"].combine_chunks().cast(pa.string()), "")
    columns = [
        pa.array(found.hashes),
        documents["doc_id"].combine_chunks().cast(pa.string()).take(rows),
        host.take(rows),
    ]
    return pa.table([*columns, *map(pa.array, spans)], schema=LINES)


def count(lines: pa.Table) -> pa.Table:
    """Count the documents that have each line, by host.

    Args:
        lines: LINES; all rows of a document and hash must be in one call.

    Returns:
        COUNTS.
    """
    once = lines.select(["hash", "host", "doc_id"]).group_by(["hash", "host", "doc_id"]).aggregate([])
    return _sorted(once.group_by(["hash", "host"]).aggregate([("doc_id", "count")]))


def total(counts: pa.Table) -> pa.Table:
    """Add up partial counts of different documents.

    Args:
        counts: COUNTS of several calls, one after another.

    Returns:
        COUNTS.
    """
    return _sorted(counts.group_by(["hash", "host"]).aggregate([("documents", "sum")]))


def _sorted(counts: pa.Table) -> pa.Table:
    named = counts.rename_columns(list(COUNTS.names)).cast(COUNTS)
    return named.sort_by([("hash", "ascending"), ("host", "ascending")])


def repeats(lines: pa.Table, counts: pa.Table, host: int, corpus: int) -> pa.Table:
    """Give the spans of repeated lines.

    Args:
        lines: LINES of whole documents.
        counts: COUNTS of the corpus, at least for every hash of `lines`.
        host: a line of so many documents of a host is the host's.
        corpus: a line of so many documents, whatever their hosts, is everyone's.

    Returns:
        REPEATS.
    """
    sums = counts.group_by("hash").aggregate([("documents", "sum")])
    everywhere = sums.filter(pc.greater_equal(sums["documents_sum"], corpus)).rename_columns(["hash", "count"])
    there = counts.filter(pc.greater_equal(counts["documents"], host)).rename_columns(["hash", "host", "count"])
    parts = [
        _scoped(_later(lines), "document"),
        _scoped(lines.join(there, ["hash", "host"], join_type="inner"), "host"),
        _scoped(lines.join(everywhere, "hash", join_type="inner"), "corpus"),
    ]
    order = [("doc_id", "ascending"), ("start", "ascending"), ("scope", "ascending")]
    return pa.concat_tables(parts).sort_by(order)


def _later(lines: pa.Table) -> pa.Table:
    """Return the second and later occurrences of a line in its document, with their numbers."""
    keys = [np.asarray(lines[name]) for name in ("start", "hash")]
    ids = np.asarray(pc.rank(lines["doc_id"], tiebreaker="dense"))
    order = np.lexsort((keys[0], keys[1], ids))
    same = np.zeros(len(order), bool)
    same[1:] = (ids[order][1:] == ids[order][:-1]) & (keys[1][order][1:] == keys[1][order][:-1])
    place = np.arange(len(order))
    number = place - np.maximum.accumulate(np.where(same, 0, place)) + 1
    later = lines.take(pa.array(order[same]))
    return later.append_column("count", pa.array(number[same], pa.int64()))


def _scoped(lines: pa.Table, scope: str) -> pa.Table:
    scopes = pa.repeat(pa.scalar(scope), len(lines))
    return pa.table([lines["doc_id"], scopes, lines["start"], lines["end"], lines["count"]], schema=REPEATS)
