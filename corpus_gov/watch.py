"""Which files of a source are there to be read: patterns, names, links, and whether a file is complete."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from corpus_gov import buckets
from corpus_gov.dossier import Complete, Dossier
from corpus_gov.errors import ConfigError
from corpus_gov.pieces import form_by_name, temporary

IN_BUCKET: Final = "s3://"

_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", re.DOTALL)
_ESCAPED = re.compile(r"\[([*?\[])\]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a dossier's patterns name."""

    path: str
    record_file: str
    """Its logical name: relative to the last folder without a wildcard; bytes that are no UTF-8 as \\xNN."""
    refused: str | None = None
    """Why it is not opened: link_outside, not_a_file or unreadable."""
    object: buckets.Object | None = None
    """What it is in a bucket; `path` is its address then."""


@dataclass(slots=True)
class Inputs:
    """The files of a source at one moment."""

    files: list[Found] = field(default_factory=list)
    """Ascending by logical name."""
    waiting: int = 0
    """Files that are not complete yet, or have the name of an unfinished one."""


def find(dossier: Dossier, root: Path, now: float) -> Inputs:
    """Find the files of a source.

    A file is there as soon as its name is, unless the dossier says when it is complete. Names of unfinished files
    (dot files, x.part, x.tmp…) and markers are passed over. A link that a wildcard finds is not followed out of the
    pattern's folder; a path that is written out is meant as it is. A pattern that names a folder means all in it.
    Patterns that begin with s3:// are about objects of a bucket, whose names are read as paths.

    Args:
        dossier: inputs and complete are read.
        root: what relative patterns begin at.
        now: seconds since 1970, compared with the times of files.

    Raises:
        ConfigError: two files of one logical name, or an address of no bucket.
        StoreError: a bucket cannot be listed.
    """
    inputs, times = Inputs(), dict[str, float]()
    known: dict[str, Found] = {}
    for pattern in dossier.inputs:
        for one in _objects(pattern, times) if pattern.startswith(IN_BUCKET) else _expanded(pattern, root):
            if temporary(one.record_file) or _is_marker(one, dossier.complete):
                inputs.waiting += not _is_marker(one, dossier.complete)
                continue
            if not one.refused and not _complete(one.path, dossier.complete, now, times):
                inputs.waiting += 1
                continue
            if known.setdefault(one.record_file, one) != one:
                raise ConfigError(
                    f"sources/{dossier.source_id}.yaml: inputs hold two files of the logical name {one.record_file!r}; "
                    "use patterns that start at a common folder"
                )
    inputs.files = [one for _, one in sorted(known.items())]
    return inputs


def _objects(pattern: str, times: dict[str, float]) -> Iterator[Found]:
    """Find the objects that a pattern names; times of all that lie there, markers too, are added to `times`."""
    address = _ADDRESS.fullmatch(pattern)
    if address is None:
        raise ConfigError(f"inputs {pattern!r}: expected 's3://BUCKET/PATTERN'; correct the address in the dossier")
    parts = [part for part in (address[2] or "").split("/") if part]
    wild = next((i for i, part in enumerate(parts) if any(c in _ESCAPED.sub("", part) for c in "*?[")), len(parts))
    base = [_ESCAPED.sub(r"\1", part) for part in parts[:wild]]
    rest = parts[wild:] or ["**"]
    listed = {f"{IN_BUCKET}{one.bucket}/{one.name}": one for one in buckets.objects(address[1], "/".join(base))}
    times |= {path: one.written for path, one in listed.items()}
    for path, one in listed.items():
        below = one.name.split("/")[len(base) :]
        if not below and wild == len(parts):
            yield Found(path, base[-1], object=one)
        elif below and _matches(below, rest):
            yield Found(path, "/".join(below), object=one)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Match a name part by part, as `Path.glob` does; ** stands for any number of folders, at the end for all below."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return len(pattern) == 1 or any(_matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _expanded(pattern: str, root: Path) -> Iterator[Found]:
    absolute = Path(pattern) if Path(pattern).is_absolute() else root / pattern
    parts = absolute.parts
    wild = next((i for i, part in enumerate(parts) if any(c in _ESCAPED.sub("", part) for c in "*?[")), None)
    if wild is None:
        named = Path(*(_ESCAPED.sub(r"\1", part) for part in parts))
        if not named.is_dir():
            # It is named, not found: a link is followed wherever it leads.
            if os.path.lexists(named):
                yield Found(str(named), _logical(named, named.parent), None if named.is_file() else _odd(named))
            return
        base, rest = named, "**/*"
    else:
        base, rest = Path(*(_ESCAPED.sub(r"\1", part) for part in parts[:wild])), "/".join(parts[wild:])
    inside = os.path.realpath(base)
    for path in sorted(base.glob(rest)):
        name = _logical(path, base)
        if path.is_symlink() and not _is_inside(path, inside):
            yield Found(str(path), name, "link_outside" if path.exists() else "unreadable")
        elif path.is_file():
            yield Found(str(path), name, None if _is_inside(path, inside) else "link_outside")
        elif not path.is_dir() or form_by_name(name) != "unknown":
            yield Found(str(path), name, _odd(path))
    if "**" in rest:
        yield from (Found(str(path), _logical(path, base), "unreadable") for path in _closed(base))


def _odd(path: Path) -> str:
    return "not_a_file" if path.exists() else "unreadable"


def _is_inside(path: Path, folder: str) -> bool:
    # realpath, unlike resolve, ends on links that lead in a circle.
    return os.path.realpath(path).startswith(folder.rstrip(os.sep) + os.sep)


def _closed(base: Path) -> Iterator[Path]:
    """Yield the folders that cannot be listed; a pattern passes them over without a word."""
    errors: list[OSError] = []
    for _ in os.walk(base, onerror=errors.append):
        pass
    yield from sorted(Path(error.filename) for error in errors)


def _logical(path: Path, base: Path) -> str:
    name = path.relative_to(base).as_posix()
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _is_marker(one: Found, complete: Complete | None) -> bool:
    marker = complete.marker if complete else None
    if marker is None:
        return False
    name = one.record_file.rpartition("/")[2]
    return name.endswith(marker) if marker.startswith(".") else name == marker


def _complete(path: str, complete: Complete | None, now: float, times: Mapping[str, float]) -> bool:
    """Tell whether a file is complete; a marker that is older than the file is of an earlier one."""
    if complete is None:
        return True
    try:
        written = _written(path, times)
        if complete.after_seconds is not None:
            return written <= now - complete.after_seconds
        marker = complete.marker or ""
        beside = path + marker if marker.startswith(".") else os.path.join(os.path.dirname(path), marker)  # noqa: PTH118, PTH120
        return _written(beside, times) >= written
    except (OSError, KeyError):
        return False


def _written(path: str, times: Mapping[str, float]) -> float:
    """Return when a file or an object was written; KeyError where there is no such object."""
    return times[path] if path.startswith(IN_BUCKET) else os.stat(path).st_mtime  # noqa: PTH116 - names that are no UTF-8
