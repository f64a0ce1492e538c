"""Input files to shards of captures, documents and snapshots; every record is a capture with an outcome."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest as digest_of
from os import SEEK_END
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import shards
from corpus_gov.config import Dossier
from corpus_gov.drafts import Draft
from corpus_gov.errors import SourceError
from corpus_gov.extract import FIELD_EXTRACTOR
from corpus_gov.shards import Shard, doc_ids, shard_id
from corpus_gov.sources import Piece, Record, jsonl, parquet, warc

COMPRESSION: Final = frozenset({".gz", ".zst"})
SUFFIXES: Final = {
    ".warc": "warc",
    ".wet": "warc",
    ".wat": "warc",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""Format by file name, after the suffix of a compression is taken off."""


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, hex.

    Raises:
        SourceError: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return digest_of(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(
            f"{path}: {error.strerror!r} on reading; check that the file is there and readable"
        ) from error


def pieces(path: str | Path, record_file: str, file_digest: str, dossier: Dossier, piece_bytes: int) -> list[Piece]:
    """Cut a file into what workers read: a Parquet file by row groups, any other as a whole.

    Args:
        path: where the file lies.
        record_file: its logical, source-relative name.
        file_digest: of `digest`.
        dossier: source_id, format (auto: by the name) and fields are read.
        piece_bytes: about so many uncompressed bytes a piece.

    Returns:
        At least one piece, also for a file that cannot be read: `read` reports it.
    """
    form = form_of(record_file, dossier)
    fields = tuple(sorted(dict(dossier.fields).items()))
    whole = Piece(dossier.source_id, str(path), record_file, file_digest, form, fields)
    if form != "parquet":
        return [whole]
    return [
        Piece(whole.source_id, whole.path, record_file, file_digest, form, fields, first, count)
        for first, count in parquet.groups(whole.path, piece_bytes)
    ]


def form_of(record_file: str, dossier: Dossier) -> str:
    """Return the format that a file is read as: what the dossier says, or what its name says; may be `unknown`."""
    return _format(record_file) if dossier.format == "auto" else dossier.format


def _format(name: str) -> str:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in COMPRESSION:
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1] if suffixes else "", "unknown")


def read(
    piece: Piece, *, shard_rows: int, shard_bytes: int, suppressed: frozenset[str] = frozenset()
) -> Iterator[Shard]:
    """Read a piece.

    A record whose bytes and URI came before in the shard is a repeat and gives no second document.

    Args:
        piece: of `pieces`.
        shard_rows: records a shard holds at most.
        shard_bytes: bytes of text a shard holds at most; a longer document is a shard of its own.
        suppressed: doc_ids that must not come back: their captures say so, and hold neither text nor URI.

    Returns:
        At least one shard; the same bytes and parameters give the same shards. A file that cannot be read is
        one rejected capture at offset 0; one without any record, a skipped one.

    Raises:
        IntegrityError: one doc_id came with two texts, or captures and documents do not balance (a bug).
    """
    if piece.format == "parquet":
        cuts = _cut_rows(parquet.rows(piece), shard_rows, shard_bytes)
        for sequence, rows in enumerate(cuts):
            yield _from_rows(piece, shard_id(piece, shard_rows, shard_bytes, sequence), rows, suppressed)
        return
    drafts = _drafts(piece, shard_rows, shard_bytes, suppressed)
    for sequence, draft in enumerate(drafts):
        yield draft.finish(shard_id(piece, shard_rows, shard_bytes, sequence))


def _drafts(piece: Piece, shard_rows: int, shard_bytes: int, suppressed: frozenset[str]) -> Iterator[Draft]:
    draft = Draft(piece, suppressed)
    for record in _records(piece):
        if len(draft.entries) >= shard_rows:
            yield draft
            draft = Draft(piece, suppressed)
        entry = draft.judge(record)
        if entry.size and draft.size and draft.size + entry.size > shard_bytes:
            yield draft
            draft = Draft(piece, suppressed)
        draft.add(entry)
    yield draft


def _records(piece: Piece) -> Iterator[Record]:
    found = False
    try:
        with _mapped(piece.path) as data:
            for record in _parsed(piece, data):
                found = True
                yield record
    except OSError:
        yield Record(0, 0, "unknown", "rejected", "unreadable")
        return
    if not found:
        # It holds no record that could say that it was seen.
        yield Record(0, 0, "unknown", "skipped", "empty")


@contextmanager
def _mapped(path: str) -> Iterator[bytes | mmap.mmap]:
    with Path(path).open("rb") as file:
        if not file.seek(0, SEEK_END):
            yield b""  # which cannot be mapped
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data


def _parsed(piece: Piece, data: bytes | mmap.mmap) -> Iterator[Record]:
    if piece.format == "warc":
        return warc.records(data)
    if piece.format == "jsonl":
        return jsonl.records(data, piece.fields)
    return iter([Record(0, len(data), "unknown", "rejected", "unsupported_format")])


def _cut_rows(batches: Iterator[pa.RecordBatch], shard_rows: int, shard_bytes: int) -> Iterator[pa.Table]:
    """Cut rows into shards by the rule of `_drafts`, without looking at rows one by one."""
    kept: list[pa.RecordBatch] = []
    rows, size = 0, 0
    for batch in batches:
        is_document = np.asarray(pc.equal(batch["outcome"], "document"))
        weights = np.where(is_document, np.asarray(pc.fill_null(pc.binary_length(batch["text"]), 0)), 0)
        ends = np.concatenate([[0], np.cumsum(weights)])
        start = 0
        while start < batch.num_rows:
            fits = int(np.searchsorted(ends, ends[start] + shard_bytes - size, side="right")) - 1
            if size == 0:
                # A document longer than a shard is a shard of its own.
                fits = max(fits, start + 1)
            stop = min(fits, start + shard_rows - rows)
            if stop <= start:
                yield pa.Table.from_batches(kept)
                kept, rows, size = [], 0, 0
                continue
            kept.append(batch.slice(start, stop - start))
            rows, size = rows + stop - start, size + int(ends[stop] - ends[start])
            start = stop
    yield pa.Table.from_batches(kept, parquet.ROWS)


def _from_rows(piece: Piece, identity: str, rows: pa.Table, suppressed: frozenset[str]) -> Shard:
    if rows.num_rows == 0:
        rows = pa.Table.from_batches([parquet.lost(0, 0, "skipped", "empty")])
    rows = rows.combine_chunks()
    column = {name: rows[name].combine_chunks() for name in rows.schema.names}
    ids = doc_ids(piece.source_id, column["uri"], column["payload_digest"])
    candidate = pc.equal(column["outcome"], "document")
    barred = pc.and_(candidate, pc.is_in(ids, value_set=pa.array(sorted(suppressed), pa.string())))
    new = pc.and_(pc.and_not(candidate, barred), _first(ids, pc.and_not(candidate, barred)))
    held = pc.if_else(pc.and_not(candidate, barred), pc.if_else(new, "document", "repeat"), column["outcome"])
    outcome = pc.if_else(barred, "suppressed", held)
    captures = column | {
        "record_type": "row",
        "outcome": outcome,
        "doc_id": pc.if_else(candidate, ids, pa.scalar(None, pa.string())),
        "uri": pc.if_else(barred, pa.scalar(None, column["uri"].type), column["uri"]),
    }
    kept = {name: array.filter(new) for name, array in (column | {"doc_id": ids}).items()}
    n = len(kept["doc_id"])
    documents = shards.documents(piece.source_id, kept | {"extractor": FIELD_EXTRACTOR}, n)
    return shards.bound(identity, shards.captures(piece, captures, rows.num_rows), documents, [])


def _first(ids: pa.Array, among: pa.Array) -> pa.Array:
    """Mark the first row of every id among the marked ones."""
    places = np.flatnonzero(np.asarray(among))
    codes = np.asarray(pc.fill_null(ids.take(pa.array(places)).dictionary_encode().indices, -1))
    mask = np.zeros(len(ids), bool)
    mask[places[np.unique(codes, return_index=True)[1]]] = True
    return pa.array(mask)
