"""Zip archives: which members there are, and why one is not read. Nothing is ever unpacked to a path."""

import lzma
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Final

from corpus_gov.sources import storable
from corpus_gov.sources.inflate import FREE_BYTES, MAX_RATIO

MAX_MEMBERS: Final = 200_000
MAX_DIRECTORY_BYTES: Final = 64 << 20
"""The list of members is read at once, in about ten times its size."""
FREE_MEMBER_BYTES: Final = 64 << 20
"""So much may come out of any member, whatever its ratio."""

METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA})
ENCRYPTED: Final = 0x1
UTF8_NAME: Final = 0x800

OTHER_FORMATS: Final = ("[Content_Types].xml", "mimetype", "META-INF/", "AndroidManifest.xml", "word/", "xl/", "ppt/")
"""How the first member of a file is called that is a zip only inside: office documents, books, programs."""

FAILURES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What zipfile and its decompressors raise on damaged archives; OSError is the disk's."""

_DRIVE = re.compile(r"^[A-Za-z]:")
_END: Final = b"PK\x05\x06"
_END64: Final = b"PK\x06\x06"
_END_BYTES: Final = 22
_MAX_COMMENT: Final = 0xFFFF
_OVER32: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of the archive's directory."""

    index: int
    name: str
    size: int
    """Bytes after decompression, as the directory says; no more are ever read."""
    reason: str | None = None
    """Why it is not read: unsafe_name, duplicate_name, not_a_file, link, encrypted, unsupported_compression,
    nested_archive, bomb."""


class ZipError(Exception):
    """An archive whose directory cannot be read; carries the class: bad_zip, truncated, too_many_members."""


def members(file: IO[bytes]) -> list[Member]:
    """List the members of an archive in the order of its directory, folders aside.

    A name that leads upwards, to a root or to a drive, or that came before, is refused, and so are links, other
    archives, what is encrypted, and whatever would inflate to more than FREE_MEMBER_BYTES and MAX_RATIO times its
    size, or all members before it to more than FREE_BYTES and MAX_RATIO times the archive.

    Raises:
        ZipError: there is no directory, or one that is too large.
        OSError: the file cannot be read.
    """
    size = _check_directory(file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except FAILURES:
        raise ZipError("bad_zip") from None
    if len(infos) > MAX_MEMBERS:
        raise ZipError("too_many_members")
    room = max(FREE_BYTES, size * MAX_RATIO)
    found, seen = [], set()
    for index, info in enumerate(infos):
        name = _name(info)
        if info.filename.endswith("/") and not info.file_size:
            continue
        reason = _unsafe(name, info) or _unreadable(info) or ("duplicate_name" if name in seen else None)
        seen.add(name)
        if reason is None:
            room -= info.file_size
            large = info.file_size > max(FREE_MEMBER_BYTES, info.compress_size * MAX_RATIO)
            reason = "bomb" if large or room < 0 else None
        found.append(Member(index, name, info.file_size, reason))
    return found


@contextmanager
def opened(file: IO[bytes], index: int) -> Iterator[IO[bytes]]:
    """Open a member for reading from its start to its end; reading raises one of FAILURES where it is damaged."""
    with zipfile.ZipFile(file) as archive, archive.open(archive.infolist()[index]) as member:
        yield member


def is_other_format(head: bytes) -> bool:
    """Tell a file that is a zip only inside, such as an office document, by the name of its first member."""
    length = int.from_bytes(head[26:28], "little")
    name = head[30 : 30 + length].decode("utf-8", "replace")
    return name.startswith(OTHER_FORMATS)


def _check_directory(file: IO[bytes]) -> int:
    """Find the end record and look at the size of the directory before zipfile reads it; return the file's size."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES - _MAX_COMMENT))
    tail = file.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < _END_BYTES:
        file.seek(0)
        raise ZipError("truncated" if file.read(4) == b"PK\x03\x04" else "bad_zip")
    count, directory = struct.unpack_from("<HI", tail, place + 10)
    if count == 0xFFFF or directory == _OVER32:
        large = tail.rfind(_END64, 0, place)
        if large < 0 or len(tail) - large < 56:
            raise ZipError("bad_zip")
        count, directory = struct.unpack_from("<QQ", tail, large + 32)
    if count > MAX_MEMBERS or directory > MAX_DIRECTORY_BYTES:
        raise ZipError("too_many_members")
    file.seek(0)
    return size


def _name(info: zipfile.ZipInfo) -> str:
    """Return a member's name; one without the mark of UTF-8 is often UTF-8 or GB 18030 all the same."""
    if info.flag_bits & UTF8_NAME or info.orig_filename.isascii():
        return storable(info.orig_filename)
    try:
        raw = info.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return storable(info.orig_filename)
    for codec in ("utf-8", "gb18030"):
        try:
            return storable(raw.decode(codec))
        except UnicodeDecodeError:
            continue
    return storable(info.orig_filename)


def _unsafe(name: str, info: zipfile.ZipInfo) -> str | None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or "\ufffd" in name or parts.is_absolute() or ".." in parts.parts or _DRIVE.match(name):
        return "unsafe_name"
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link"
    odd = info.filename.endswith("/") or (stat.S_IFMT(mode) and not stat.S_ISREG(mode))
    return "not_a_file" if odd else None


def _unreadable(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    return None if info.compress_type in METHODS else "unsupported_compression"
