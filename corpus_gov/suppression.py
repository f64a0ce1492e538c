"""Put documents on the suppression list, with the keyed values by which they and their near copies are found later."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, barring, published, register, seal
from corpus_gov.errors import ConfigError
from corpus_gov.relate import suppressed
from corpus_gov.stages import read_shard
from corpus_gov.workspace import Workspace


def add(workspace: Workspace, doc_ids: Sequence[str]) -> str:
    """Suppress documents: the next release drops them, they are not stored again, and near copies are held.

    Must come before the texts are gone: band values are made of them.

    Args:
        workspace: an open workspace.
        doc_ids: of documents that it holds.

    Returns:
        The name of the list that was written.

    Raises:
        ConfigError: it holds no document of an id; nothing was written.
    """
    key, wanted = workspace.keys().seal, set(doc_ids)
    parts = [suppressed.SUPPRESSIONS.empty_table()]
    for rows in _documents(workspace, wanted, ("doc_id", "text")):
        text = rows["text"].combine_chunks()
        parts.append(suppressed.rows(rows["doc_id"].to_pylist(), text, key, seal.key_id(key)))
    found = pa.concat_tables(parts).sort_by("doc_id")
    if len(found) < len(wanted):
        lost = min(wanted - set(found["doc_id"].to_pylist()))
        raise ConfigError(
            f"suppression: found no document {lost!r} in any shard, expected all {len(wanted)}; correct the ids, or "
            "write ids alone to suppression/<name>.txt"
        )
    data = suppressed.write(found)
    name = f"suppression/near-{sha256(data).hexdigest()[:16]}.jsonl"
    register.add(workspace.store, name, data)
    return name


def place_of(request: str) -> str:
    """Name the list of a request."""
    return f"suppression/request-{request}.jsonl"


def put(workspace: Workspace, request: str, found: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Write the list of a request; rows that it has already of documents that are gone since stay.

    Args:
        workspace: an open workspace.
        request: its id.
        found: rows of SUPPRESSIONS.

    Returns:
        All of its SUPPRESSIONS.
    """
    name, fresh = place_of(request), suppressed.table_of(found)
    before = published.optional(workspace.store, name)
    old = suppressed.read(before, name) if before is not None else suppressed.SUPPRESSIONS.empty_table()
    gone = pc.and_(pc.is_valid(old["doc_id"]), pc.invert(pc.is_in(old["doc_id"], fresh["doc_id"].combine_chunks())))
    rows = pa.concat_tables([fresh, old.filter(gone)]).sort_by([("doc_id", "ascending"), ("uri", "ascending")])
    data = suppressed.write(rows)
    if data != before:
        register.add(workspace.store, name, data)
    return rows


def rows_of(
    workspace: Workspace, doc_ids: Collection[str], common: Mapping[str, Any], *, own_source: bool = False
) -> list[dict[str, Any]]:
    """Make the rows that keep documents from coming back: by id, text, bytes and address, near copies by bands.

    An address, or bytes that hold several documents, are barred only where all that is held under them goes: what
    stands there now may be something else that nobody asked about.

    Args:
        workspace: an open workspace.
        doc_ids: of documents; those that no shard holds are passed over.
        common: columns that every row gets.
        own_source: let each row hold in the source of its document alone.
    """
    key, wanted = workspace.keys().seal, set(doc_ids)
    columns = ("doc_id", "source_id", "uri", "payload_digest", "text_digest", "text")
    own, found = {"key_id": seal.key_id(key)}, []
    shared = _shared(workspace, wanted) if wanted else frozenset()
    for table in _documents(workspace, wanted, columns):
        bands = suppressed.rows(table["doc_id"].to_pylist(), table["text"].combine_chunks(), key, own["key_id"])
        keyed = {
            name: barring.keyed_array(name, table[column].combine_chunks(), key).to_pylist()
            for name, column in (("uri", "uri"), ("payload", "payload_digest"), ("text", "text_digest"))
        }
        sources = table["source_id"].to_pylist()
        for at, row in enumerate(bands.to_pylist()):
            values = {name: column[at] for name, column in keyed.items()}
            free = {name: None if name != "text" and value in shared else value for name, value in values.items()}
            within = barring.keyed("source", sources[at], key) if own_source else common.get("within")
            found.append({**row, **free, **common, "source_id": sources[at], "within": within})
    return found


def texts(workspace: Workspace, doc_ids: Collection[str]) -> dict[str, str]:
    """Return the texts of documents by id; those that no shard holds are passed over."""
    found: dict[str, str] = {}
    for table in _documents(workspace, doc_ids, ("doc_id", "text")):
        found.update(zip(table["doc_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    return found


def _documents(workspace: Workspace, wanted: Collection[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read some documents, a shard at a time."""
    ids = sorted(wanted)
    for shard in workspace.shards():
        rows = artefacts.chosen(read_shard(workspace.store, shard, "documents"), {"doc_id": ids}, columns)
        if len(rows):
            yield rows


def _shared(workspace: Workspace, wanted: Collection[str]) -> frozenset[str]:
    """Return the keyed addresses and bytes of these documents that others have too."""
    key, ids, columns = (
        workspace.keys().seal,
        pa.array(sorted(wanted), pa.string()),
        ["doc_id", "uri", "payload_digest"],
    )
    mine: dict[str, set[str]] = {"uri": set(), "payload_digest": set()}
    for rows in _documents(workspace, wanted, columns):
        for name, known in mine.items():
            known.update(_forms(name, rows[name]).drop_null().to_pylist())
    found: set[str] = set()
    sets = {name: pa.array(sorted(known), pa.string()) for name, known in mine.items()}
    for shard in workspace.shards():
        table = artefacts.decode(read_shard(workspace.store, shard, "documents"), columns)
        others = table.filter(pc.invert(pc.is_in(table["doc_id"], value_set=ids)))
        for name, known in sets.items() if len(others) else ():
            forms = _forms(name, others[name])
            kind = "uri" if name == "uri" else "payload"
            both = pc.unique(forms.filter(pc.is_in(forms, value_set=known)))
            found.update(barring.keyed(kind, one, key) for one in both.to_pylist())
    return frozenset(found)


def _forms(name: str, column: pa.ChunkedArray) -> pa.Array:
    values = column.combine_chunks()
    if name != "uri":
        return values
    codes = values.dictionary_encode()
    return pa.array([barring.address(one) for one in codes.dictionary.to_pylist()], pa.string()).take(codes.indices)
