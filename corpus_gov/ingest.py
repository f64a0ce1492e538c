"""Pieces to shards of captures, documents and snapshots; every record is a capture with an outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from errno import EINVAL
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import shards
from corpus_gov.barring import OPEN, Bar
from corpus_gov.drafts import Draft, extractor_of
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.pieces import REFUSED, UNSUPPORTED, suffix_of
from corpus_gov.shards import Shard, doc_ids, shard_id
from corpus_gov.sources import Piece, Record, carriers, files, jsonfile, jsonl, parquet, warc, zips
from corpus_gov.sources.frames import Buffer, mapped
from corpus_gov.sources.revisits import Originals, Place

COPY_BYTES: Final = 1 << 20


def read(piece: Piece, *, shard_rows: int, shard_bytes: int, bar: Bar = OPEN) -> Iterator[Shard]:
    """Read a piece.

    A record whose bytes and URI came before in the shard is a repeat and gives no second document.

    Args:
        piece: of `pieces.pieces` or `pieces.bundles`.
        shard_rows: captures a shard holds at most.
        shard_bytes: bytes of text a shard holds at most; a longer document is a shard of its own.
        bar: what must not come back: its captures say so, and hold neither text, URI nor a digest of what they were.

    Returns:
        At least one shard; the same bytes and parameters give the same shards. A file that cannot be read is
        one rejected capture at offset 0; one without any record, a skipped one.

    Raises:
        IntegrityError: one doc_id came with two texts, or captures and documents do not balance (a bug).
    """
    if piece.format == "parquet":
        yield from _read_columns(piece, shard_rows, shard_bytes, bar)
        return
    drafts = _drafts(piece, shard_rows, shard_bytes, bar)
    for sequence, draft in enumerate(drafts):
        yield draft.finish(shard_id(piece, shard_rows, shard_bytes, sequence))


def _read_columns(piece: Piece, shard_rows: int, shard_bytes: int, bar: Bar) -> Iterator[Shard]:
    try:
        with _on_disk(piece) as path:
            counted = _Rows(parquet.rows(replace(piece, path=path)))
            cuts = _cut_rows(iter(counted), shard_rows, shard_bytes)
            for sequence, rows in enumerate(cuts):
                yield _from_rows(piece, shard_id(piece, shard_rows, shard_bytes, sequence), rows, bar)
            expected = parquet.row_count(path, piece.first, piece.count)
    except _MemberError as error:
        rows = pa.Table.from_batches([parquet.lost(0, 0, "rejected", str(error))])
        yield _from_rows(piece, shard_id(piece, shard_rows, shard_bytes, 0), rows, bar)
        return
    if expected is not None and not counted.odd and counted.rows != expected:
        raise IntegrityError(
            f"{piece.record_file}: its row groups have {expected!r} rows, {counted.rows!r} are accounted for; "
            "report this as a bug"
        )


class _Rows:
    """Rows of a Parquet file that pass, counted apart from the tables that are cut of them."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.batches, self.rows, self.odd = batches, 0, False

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            whole = pc.equal(batch["part"], 0)
            self.rows += pc.sum(batch["record_length"].filter(whole)).as_py() or 0
            self.odd |= bool(pc.any(pc.is_in(batch["reason"], pa.array(["row_count", "bad_parquet"]))).as_py())
            yield batch


def _drafts(piece: Piece, shard_rows: int, shard_bytes: int, bar: Bar) -> Iterator[Draft]:
    draft = Draft(piece, bar)
    for origin, record in _all_records(piece):
        if len(draft.entries) >= shard_rows:
            yield draft
            draft = Draft(piece, bar)
        entry = draft.judge(record, origin)
        if entry.size and draft.size and draft.size + entry.size > shard_bytes:
            yield draft
            draft = Draft(piece, bar)
        draft.add(entry)
    yield draft


def _all_records(piece: Piece) -> Iterator[tuple[Piece, Record]]:
    for one in piece.members or (piece,):
        for record in _records(one):
            yield one, record


def _records(piece: Piece) -> Iterator[Record]:
    found = False
    try:
        for record in _parsed(piece):
            found = True
            yield record
    except OSError:
        yield Record(0, 0, "unknown", "rejected", "unreadable")
        return
    except _MemberError as error:
        yield Record(0, 0, "unknown", "rejected", str(error))
        return
    if not found:
        # It holds no record that could say that it was seen.
        yield Record(0, 0, "unknown", "skipped", "empty")


def _parsed(piece: Piece) -> Iterator[Record]:
    if piece.format.startswith(REFUSED):
        reason = piece.format.removeprefix(REFUSED)
        outcome = "skipped" if reason == "temporary_name" else "rejected"
        if reason == UNSUPPORTED:
            reason = _labelled(piece)
        yield Record(0, piece.size if piece.member is not None else 0, "unknown", outcome, reason)
    elif piece.format == "warc":
        with _on_disk(piece) as path, mapped(path) as data:
            yield from warc.records(data, _originals(piece, data))
    elif piece.format in {"jsonl", "json", "html", "text"}:
        with _opened(piece) as file:
            yield from _streamed(piece, file)
    elif piece.format != "zip":
        yield Record(0, piece.size, "unknown", "rejected", _labelled(piece))


def _labelled(piece: Piece) -> str:
    """Return why a file of a format that is not read is rejected: with the label of AI-generated content in it."""
    try:
        with _opened(piece) as file:
            return carriers.reason(carriers.head(file), UNSUPPORTED)
    except _MemberError:
        # Nothing but a label is looked for: what cannot be had of it changes nothing.
        return UNSUPPORTED


def _originals(piece: Piece, data: Buffer) -> Originals | None:
    if piece.originals is None:
        return None
    return Originals(data, {key: Place(offset, ordinal, path) for key, path, offset, ordinal in piece.originals})


def _streamed(piece: Piece, file: IO[bytes]) -> Iterator[Record]:
    if piece.format == "jsonl":
        return jsonl.records(file, piece.fields)
    if piece.format == "json":
        return jsonfile.records(file, piece.fields)
    name = piece.record_file.rpartition("!/")[2] if piece.member is not None else piece.record_file
    default = "text/html" if piece.format == "html" else "text/plain"
    media_type = files.MEDIA_TYPES.get(suffix_of(name), default)
    if (piece.format == "html") != ("html" in media_type):
        media_type = default
    return files.records(file, name, media_type, piece.base_uri)


class _MemberError(Exception):
    """A member of a zip that is damaged; carries the class of the reject."""


@contextmanager
def _opened(piece: Piece) -> Iterator[IO[bytes]]:
    """Open a file, or the member of a zip, for reading."""
    with Path(piece.path).open("rb") as file:
        if piece.member is None:
            yield file
            return
        try:
            with zips.opened(file, piece.member) as member:
                yield member
        except zips.FAILURES:
            raise _MemberError("bad_zip_member") from None
        except OSError as error:
            # bz2 names damage so, without a number; EINVAL is a place before the file's start that the directory named.
            raise _MemberError("bad_zip_member" if error.errno in {None, EINVAL} else "unreadable") from None


@contextmanager
def _on_disk(piece: Piece) -> Iterator[str]:
    """Return the path of a file; a member of a zip is copied to a temporary one."""
    if piece.member is None:
        yield piece.path
        return
    with NamedTemporaryFile() as copy:
        with _opened(piece) as file:
            while block := file.read(COPY_BYTES):
                copy.write(block)
        copy.flush()
        yield copy.name


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


def _from_rows(piece: Piece, identity: str, rows: pa.Table, bar: Bar) -> Shard:
    if rows.num_rows == 0:
        rows = pa.Table.from_batches([parquet.lost(0, 0, "skipped", "empty")])
    rows = rows.combine_chunks()
    column = {name: rows[name].combine_chunks() for name in rows.schema.names}
    ids = doc_ids(piece.source_id, column["uri"], column["payload_digest"], column["part"])
    candidate = pc.equal(column["outcome"], "document")
    texts = sha256_hex(column["text"]) if bar.barred.texts else ids
    barred = pc.and_(candidate, bar.rows(ids, column["uri"], column["payload_digest"], texts))
    new = pc.and_(pc.and_not(candidate, barred), _first(ids, pc.and_not(candidate, barred)))
    held = pc.if_else(pc.and_not(candidate, barred), pc.if_else(new, "document", "repeat"), column["outcome"])
    outcome = pc.if_else(barred, "suppressed", held)
    captures = column | {
        "record_type": "row",
        "outcome": outcome,
        "doc_id": pc.if_else(pc.and_(candidate, bar.known(ids, barred)), ids, pa.scalar(None, pa.string())),
        **{name: _without(column[name], barred) for name in ("uri", "payload_digest")},
    }
    kept = {name: array.filter(new) for name, array in (column | {"doc_id": ids}).items()}
    n = len(kept["doc_id"])
    shapes = {shape: extractor_of(shape) for shape in column["shape"].unique().to_pylist()}
    extractors = pa.array([shapes[shape] for shape in kept["shape"].to_pylist()], pa.string())
    documents = shards.documents(piece.source_id, kept | {"extractor": extractors}, n)
    return shards.bound(identity, shards.captures(piece, captures, rows.num_rows), documents, [])


def _without(values: pa.Array, where: pa.Array) -> pa.Array:
    return pc.if_else(where, pa.scalar(None, values.type), values)


def _first(ids: pa.Array, among: pa.Array) -> pa.Array:
    """Mark the first row of every id among the marked ones."""
    places = np.flatnonzero(np.asarray(among))
    codes = np.asarray(pc.fill_null(ids.take(pa.array(places)).dictionary_encode().indices, -1))
    mask = np.zeros(len(ids), bool)
    mask[places[np.unique(codes, return_index=True)[1]]] = True
    return pa.array(mask)
