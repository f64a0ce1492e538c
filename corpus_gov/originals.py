"""Before archives are read: where the records lie that their revisits refer to, in any archive of the source.

New archives are inflated once more for it, and only where one has revisits all of its source are. Revisits of a later
batch find what older files hold, so long as these are there; a revisit that found nothing is not read again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from corpus_gov.engine import Engine
from corpus_gov.sources import Piece, revisits
from corpus_gov.sources.frames import mapped
from corpus_gov.sources.revisits import KEY_BYTES, Place


@dataclass(frozen=True)
class Search:
    """An archive to look through."""

    path: str
    keys: bytes
    """Of the records that are looked for, KEY_BYTES each."""


def attach(engine: Engine, new: Sequence[Piece], archives: Sequence[Piece]) -> dict[Piece, Piece]:
    """Tell the archives that are to be read where the originals of their revisits lie.

    Args:
        engine: two maps, over new archives and, where these have revisits, over all of their sources.
        new: pieces to be read, of any format.
        archives: pieces of every file that is there, read before or not, of any format.

    Returns:
        For each new archive with revisits the piece to read in its stead. Of several records that one reference can
        mean, that of the same file counts, then that of the file with the smallest digest, then the first.
    """
    asking = [piece for piece in new if _is_archive(piece)]
    wants = dict(zip(asking, engine.map("revisits", wanted, [piece.path for piece in asking]), strict=True))
    wants = {piece: keys for piece, keys in wants.items() if keys}
    if not wants:
        return {}
    keys_of = {one.source_id: b"" for one in wants}
    for piece, keys in wants.items():
        keys_of[piece.source_id] += keys
    asked = sorted(
        (piece for piece in archives if _is_archive(piece) and piece.source_id in keys_of),
        key=lambda piece: (piece.file_digest, piece.record_file),
    )
    searches = [Search(piece.path, keys_of[piece.source_id]) for piece in asked]
    places: dict[tuple[str, bytes], Place] = {}
    own: dict[str, Mapping[bytes, Place]] = {}
    for piece, found in zip(asked, engine.map("originals", located, searches), strict=True):
        own[piece.path] = found
        for key, place in found.items():
            places.setdefault((piece.source_id, key), place)
    return {piece: _with(piece, keys, own.get(piece.path, {}), places) for piece, keys in wants.items()}


def wanted(path: str) -> bytes:
    """Return the keys of what the revisits of an archive refer to, sorted and joined; none if it cannot be read."""
    try:
        with mapped(path) as data:
            return b"".join(sorted(revisits.wanted(data)))
    except (OSError, ValueError):
        return b""


def located(search: Search) -> dict[bytes, Place]:
    """Return the places of records in an archive by their keys; none if it cannot be read."""
    try:
        with mapped(search.path) as data:
            found = revisits.places(data, _cut(search.keys))
    except (OSError, ValueError):
        return {}
    return {key: replace(place, path=search.path) for key, place in found.items()}


def _is_archive(piece: Piece) -> bool:
    return piece.format == "warc" and piece.member is None


def _with(piece: Piece, keys: bytes, own: Mapping[bytes, Place], places: Mapping[tuple[str, bytes], Place]) -> Piece:
    found = {key: own.get(key) or places.get((piece.source_id, key)) for key in _cut(keys)}
    named = ((key, place.path or piece.path, place.offset, place.ordinal) for key, place in found.items() if place)
    return replace(piece, originals=tuple(named))


def _cut(keys: bytes) -> Iterator[bytes]:
    return (keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES))
