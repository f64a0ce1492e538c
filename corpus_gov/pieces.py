"""Input files to pieces: what each file is read as, what one worker reads at once, and what is not read."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import file_digest as digest_of
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Final

from corpus_gov.config import Dossier
from corpus_gov.errors import SourceError
from corpus_gov.kernels.digests import prefixed
from corpus_gov.sources import Piece, files, inflate, parquet, supplied, zips

SUFFIXES: Final = {
    ".warc": "warc",
    ".wet": "warc",
    ".wat": "warc",
    ".arc": "warc",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".zip": "zip",
    **{suffix: "html" if "html" in kind else "text" for suffix, kind in files.MEDIA_TYPES.items()},
}
"""Format by file name, after the suffix of a compression is taken off."""

LZ4: Final = ".lz4"

REFUSED: Final = "refused:"
"""Begins the format of what is not read; the class of its capture follows."""

UNSUPPORTED: Final = "unsupported_format"
"""The class of a file of a format that is not read; in some of them a label is looked for."""

BUNDLED: Final = ("html", "text", "unknown", REFUSED.rstrip(":"))
"""Formats with one record a file: small files are read together, or each would be a shard."""
BUNDLE_FILES: Final = 2_000


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


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file was when it was found."""

    digest: str | None
    """Null: it could not be read, or changed meanwhile."""
    stamp: tuple[int, int] | None
    reason: str | None = None
    """unreadable or changed_while_reading."""


def fingerprint(path: str) -> Fingerprint:
    """Take the digest of a file; one that cannot be read, or changes meanwhile, has none."""
    before = stamp(path)
    try:
        found = digest(path)
    except SourceError:
        return Fingerprint(None, before, "unreadable")
    return Fingerprint(found, before) if stamp(path) == before else Fingerprint(None, before, "changed_while_reading")


def stamp(path: str | Path) -> tuple[int, int] | None:
    """Return size and time of change (ns) of a file; null where it cannot be looked at."""
    try:
        found = os.stat(path)  # noqa: PTH116 - names that are no UTF-8
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def pieces(
    path: str | Path,
    record_file: str,
    file_digest: str,
    dossier: Dossier,
    piece_bytes: int,
    seen: tuple[int, int] | None = None,
) -> list[Piece]:
    """Cut a file into what workers read: a Parquet file by row groups, a zip by members, any other as a whole.

    Args:
        path: where the file lies.
        record_file: its logical, source-relative name.
        file_digest: of `digest`.
        dossier: source_id, format (auto: by the name, else by the first bytes), fields and base_uri are read.
        piece_bytes: about so many uncompressed bytes a piece.
        seen: of `stamp`, when the digest was taken; null: now.

    Returns:
        At least one piece, also for a file that cannot be read: `read` reports it.
    """
    form = form_of(record_file, dossier, path)
    fields = tuple(sorted(dict(dossier.fields).items()))
    seen = seen or stamp(path)
    whole = Piece(
        dossier.source_id, str(path), record_file, file_digest, form, fields,
        base_uri=dossier.base_uri, size=seen[0] if seen else 0, stamp=seen,
    )  # fmt: skip
    if form == "zip":
        return _members(whole)
    if form != "parquet":
        return [whole]
    return [replace(whole, first=first, count=count) for first, count in parquet.groups(whole.path, piece_bytes)]


def refused(path: str | Path, record_file: str, reason: str, dossier: Dossier) -> Piece:
    """Return the piece of a file that is not read: one rejected capture with that class."""
    # No byte of it was looked at; the digest of nothing but the reason keeps one capture of it.
    nothing = sha256(prefixed(REFUSED.encode(), reason.encode(), record_file.encode())).hexdigest()
    return Piece(dossier.source_id, str(path), record_file, nothing, REFUSED + reason)


def bundles(found: Sequence[Piece], piece_bytes: int) -> list[Piece]:
    """Put small files of one record each together, up to BUNDLE_FILES and about `piece_bytes` a bundle.

    Args:
        found: pieces of one source.
        piece_bytes: as in `pieces`.

    Returns:
        What cannot be bundled as it was, then bundles; which file of two equal ones comes first does not depend on
        their names.
    """
    single = [piece for piece in found if piece.format.partition(":")[0] in BUNDLED]
    rest = [piece for piece in found if piece.format.partition(":")[0] not in BUNDLED]
    groups: list[list[Piece]] = []
    room = 0
    for piece in sorted(single, key=lambda piece: (piece.file_digest, piece.record_file)):
        if not groups or room < piece.size or len(groups[-1]) >= BUNDLE_FILES:
            groups.append([])
            room = piece_bytes
        groups[-1].append(piece)
        room -= piece.size
    return rest + [_bundle(group) if len(group) > 1 else group[0] for group in groups]


def _bundle(group: list[Piece]) -> Piece:
    contents = sha256(prefixed(*(piece.file_digest.encode() for piece in group))).hexdigest()
    first = group[0]
    return Piece(
        first.source_id, "", first.record_file, contents, "bundle",
        size=sum(piece.size for piece in group), members=tuple(group),
    )  # fmt: skip


def form_of(record_file: str, dossier: Dossier, path: str | Path | None = None) -> str:
    """Return the format that a file is read as: what the dossier says, or its name, or its first bytes.

    Args:
        record_file: its logical name.
        dossier: with `format`.
        path: where it lies; null: it is not looked at.

    Returns:
        A value of SUFFIXES, or `unknown`.
    """
    if supplied.place(record_file):
        return "text"
    if dossier.format != "auto":
        return dossier.format
    form = form_by_name(record_file)
    return _sniffed(path) if form == "unknown" and path is not None else form


def form_by_name(name: str) -> str:
    """Return the format that a name stands for, or `unknown`; lz4 is read in archives only."""
    form = SUFFIXES.get(suffix_of(name), "unknown")
    within = SUFFIXES.get(suffix_of(name[: -len(LZ4)])) if name.lower().endswith(LZ4) else None
    return "warc" if within == "warc" else form


def suffix_of(name: str) -> str:
    """Return the suffix of a name, lower-case, that of a compression aside."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in inflate.SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _sniffed(path: str | Path) -> str:
    """Tell a format by the first bytes; text without a mark of its own is no format that we know."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(inflate.PEEK)
            file.seek(0)
            head = inflate.peek(file)
    except OSError:
        return "unknown"
    if raw.startswith(b"PAR1"):
        return "parquet"
    if raw.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "unknown" if zips.is_other_format(raw) else "zip"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"WARC/", b"filedesc://")):
        return "warc"
    if text[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "html"
    return (
        "json"
        if text.startswith((b'{"', b"{}", b"[{", b"[\n", b"{\n", b"[]", b"{\r\n", b"[\r\n", b"[ {"))
        else "unknown"
    )


def _members(archive: Piece) -> list[Piece]:
    """Make a piece of every member of a zip; the zip itself is one where it holds none or cannot be read."""
    try:
        with Path(archive.path).open("rb") as file:
            found = zips.members(file)
    except zips.ZipError as failure:
        return [replace(archive, format=f"{REFUSED}{failure}")]
    except OSError:
        return [replace(archive, format=f"{REFUSED}unreadable")]
    made = []
    for member in found:
        form = form_by_name(member.name)
        reason = member.reason or {"zip": "nested_archive", "unknown": UNSUPPORTED}.get(form)
        if reason != "unsafe_name" and temporary(member.name):
            reason = "temporary_name"
        made.append(
            replace(
                archive,
                record_file=f"{archive.record_file}!/{member.name}",
                format=f"{REFUSED}{reason}" if reason else form,
                member=member.index,
                size=member.size,
            )
        )
    return made or [archive]


def temporary(name: str) -> bool:
    """Tell names that programs give to files that are not finished or not meant: `.x`, `x.part`, `x.tmp`, `~$x`."""
    parts = PurePosixPath(name).parts
    last = parts[-1].lower() if parts else ""
    hidden = any(part.startswith(".") and part not in {".", ".."} for part in parts) or "__MACOSX" in parts
    return hidden or last.endswith(UNFINISHED) or last.startswith("~$")


UNFINISHED: Final = (".part", ".tmp", ".temp", ".crdownload", ".partial", ".download", ".filepart", ".swp", "~")
"""Ends of names of files that are still being written; dot files are passed over as well."""


def changed(piece: Piece) -> tuple[Piece, ...]:
    """Return the files of a piece that are not any more what they were when their digests were taken."""
    parts = piece.members or (piece,)
    return tuple(one for one in parts if one.stamp is not None and stamp(one.path) not in {None, one.stamp})


def without(piece: Piece, gone: Sequence[Piece]) -> Piece:
    """Return a piece that refuses some of its files as changed_while_reading."""
    marked = {one: replace(one, format=f"{REFUSED}changed_while_reading", first=0, count=None) for one in gone}
    if not piece.members:
        return marked.get(piece, piece)
    return replace(piece, members=tuple(marked.get(one, one) for one in piece.members))
