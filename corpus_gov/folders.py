"""Folders opened step by step, so that no symbolic link is followed, whoever plants it and when.

A path that was checked can lead elsewhere a moment later. A descriptor of a folder cannot: each step is opened
within the one before it and refuses a link, and files are then read, written and renamed within the last.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_STEP: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def opened(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Hold a descriptor of root/parts for the length of a `with` block.

    Args:
        root: an absolute path, without links but for what lies above it.
        parts: names of the folders below it, in order.
        make: create what is not there, each folder 0700 and durable.

    Raises:
        OSError: FileNotFoundError where it is not there; NotADirectoryError where a part is a file or a link.
    """
    if make:
        _make(root)
    descriptor = os.open(root, _STEP)
    try:
        for part in parts:
            below = _step(descriptor, part, make=make)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def read(folder: int, name: str, span: tuple[int, int] | None = None) -> bytes:
    """Return the bytes of a file of an open folder, or a span of them; OSError where it is no file, or a link."""
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder), "rb") as file:
        if span is None:
            return file.read()
        file.seek(span[0])
        return file.read(span[1] - span[0])


def write(folder: int, name: str, data: bytes) -> None:
    """Write a new file of an open folder, 0600 and on disk; OSError where the name is taken."""
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _step(folder: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _STEP, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        # Another process made it; whoever did syncs it.
        return os.open(name, _STEP, dir_fd=folder)
    # Without this the file below would be safe and the folder that names it would not.
    os.fsync(folder)
    return os.open(name, _STEP, dir_fd=folder)


def _make(folder: Path) -> None:
    """Create the root and its parents."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
