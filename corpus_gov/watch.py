"""Which files of a source are there to be read: patterns, names, links, and whether a file is complete."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from corpus_gov.dossier import Complete, Dossier
from corpus_gov.errors import ConfigError
from corpus_gov.pieces import form_by_name, temporary

_ESCAPED = re.compile(r"\[([*?\[])\]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a dossier's patterns name."""

    path: str
    record_file: str
    """Its logical name: relative to the last folder without a wildcard; bytes that are no UTF-8 as \\xNN."""
    refused: str | None = None
    """Why it is not opened: link_outside, not_a_file or unreadable."""


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

    Args:
        dossier: inputs and complete are read.
        root: what relative patterns begin at.
        now: seconds since 1970, compared with the times of files.

    Raises:
        ConfigError: two files of one logical name.
    """
    inputs = Inputs()
    known: dict[str, Found] = {}
    for pattern in dossier.inputs:
        for one in _expanded(pattern, root):
            if temporary(one.record_file) or _is_marker(one, dossier.complete):
                inputs.waiting += not _is_marker(one, dossier.complete)
                continue
            if not one.refused and not _complete(one.path, dossier.complete, now):
                inputs.waiting += 1
                continue
            if known.setdefault(one.record_file, one) != one:
                raise ConfigError(
                    f"sources/{dossier.source_id}.yaml: inputs hold two files of the logical name {one.record_file!r}; "
                    "use patterns that start at a common folder"
                )
    inputs.files = [one for _, one in sorted(known.items())]
    return inputs


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


def _complete(path: str, complete: Complete | None, now: float) -> bool:
    """Tell whether a file is complete; a marker that is older than the file is of an earlier one."""
    if complete is None:
        return True
    try:
        written = os.stat(path).st_mtime  # noqa: PTH116 - names that are no UTF-8
        if complete.after_seconds is not None:
            return written <= now - complete.after_seconds
        marker = complete.marker or ""
        beside = path + marker if marker.startswith(".") else os.path.join(os.path.dirname(path), marker)  # noqa: PTH118, PTH120
        return os.stat(beside).st_mtime >= written  # noqa: PTH116
    except OSError:
        return False
