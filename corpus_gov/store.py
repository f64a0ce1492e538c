"""Where everything lies: five operations, so that a folder and an object store serve alike.

Rules that hold for every store, and that callers may lean on:

- A name is a relative POSIX path; its object is whole or absent, never half written.
- `put` and `put_if_absent` are durable once they return. When they raise, the object may be there or not.
- `read` sees what was last written under that name, all of it or a span. `list` may lag behind: nothing that
  must be right depends on it, see `register`.
- There is no rename, no lock and no transaction: a commit is one `put_if_absent`.

The lease and the order of writes that make a workspace safe for several processes are in `lease` and `release`.
"""

import os
import re
import secrets
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from errno import EEXIST, EMLINK, ENOTDIR, ENOTSUP, EPERM, EXDEV
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from corpus_gov import folders
from corpus_gov.errors import ConfigError, StoreError

Names: TypeAlias = list[str]
"""Full names, ascending."""

Span: TypeAlias = tuple[int, int]
"""First byte of an object and the one after the last; what lies behind its end is left out."""

TEMPORARY: Final = ".tmp-"
"""Start of the file name of a write under way; no name of an object starts so."""

STALE_S: Final = 24 * 3600.0
"""Age at which a temporary file of another host is given up; writes take minutes at most."""

_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_MEMORY: Final = re.compile(r"memory://(?P<name>[^?]+)(?:\?list_delay=(?P<delay>[0-9]{1,9}))?")


class Missing(StoreError):  # noqa: N818 - what a caller asks, "is it missing?"
    """No object has that name."""


class Store(Protocol):
    """The five operations; see the module for what each promises.

    Every operation raises StoreError for a name that is not a plain relative path, and when the medium fails.
    """

    @property
    def url(self) -> str:
        """What `open_store` takes to open the same store again."""

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Return the object's bytes, or a span of them; raises Missing when there is no object."""

    def put(self, name: str, data: bytes) -> None:
        """Write the object, replacing what was there."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write the object unless the name is taken; of several writers exactly one gets True."""

    def delete(self, name: str) -> None:
        """Remove the object; an absent one is no error, so that a cut-off removal can be repeated."""

    def list(self, prefix: str = "") -> Names:
        """Return names that start with `prefix`; recent changes may not show yet."""


def open_store(url: str | Path) -> Store:
    """Open the store at a folder, in a bucket at `s3://BUCKET/FOLDER`, or of this process at `memory://NAME`.

    `memory://NAME?list_delay=N` is one whose listing lags.

    Raises:
        ConfigError: another scheme, or what follows it is malformed.
    """
    if isinstance(url, str) and url.startswith("overlay://"):
        from corpus_gov import overlay  # noqa: PLC0415 - imports this module

        return overlay.opened(url)
    if isinstance(url, str) and "://" in url:
        if url.startswith("rehearsal://"):
            from corpus_gov.rehearsal import RehearsalStore  # noqa: PLC0415 - imports this module

            return RehearsalStore.opened(url)
        if url.startswith("s3://"):
            from corpus_gov.buckets import BucketStore  # noqa: PLC0415 - imports this module

            return BucketStore(url.rstrip("/"))
        found = _MEMORY.fullmatch(url)
        if found is None:
            raise ConfigError(
                f"store {url!r}: expected a folder, 's3://BUCKET/FOLDER', 'memory://NAME' or 'memory://NAME?list_delay=N'"
            )
        return MemoryStore(found["name"], int(found["delay"] or 0))
    return LocalStore(Path(url))


def check_name(name: str) -> None:
    """Refuse a name that could mean a place outside the store, or two places on two stores.

    Raises:
        StoreError: the name is absolute, climbs, is not normal, or holds a backslash or control character.
    """
    parts = name.split("/")
    if _FORBIDDEN.search(name) or any(part in {"", ".", ".."} or part.startswith(TEMPORARY) for part in parts):
        raise StoreError(f"name {name!r}: expected a relative path such as 'a/b.parquet' without '..', '//' or '\\'")


@dataclass(frozen=True)
class LocalStore:
    """A folder; readable by its owner only.

    A write is: temporary file in the same folder, fsync, rename (or link), fsync of the folder. A crash
    leaves the old object, the new one, or a temporary file that `sweep` removes. Links that lead inside are
    resolved first; then nothing on the way is a link, and `folders` follows none that came since.

    Args:
        root: the folder; made by the first write.
    """

    root: Path

    def __post_init__(self) -> None:
        """Resolve the root once, so that a later change of folder does not move the store."""
        object.__setattr__(self, "root", Path(os.path.realpath(self.root)))

    @property
    def url(self) -> str:
        """The folder."""
        return str(self.root)

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Return the file's bytes, or a span of them; raises Missing when there is no such file."""
        # A name may be a link to a file inside, as a folder on the way may be.
        place = self._locate(name, follow=True)
        with _named(name, "read"):
            try:
                with self._opened(place.parent) as folder:
                    return folders.read(folder, place.name, span)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise Missing(f"{name}: not in the store at {self.root}") from error

    def put(self, name: str, data: bytes) -> None:
        """Write the file, replacing what was there."""
        place = self._locate(name)
        with (
            _named(name, "write"),
            self._opened(place.parent, make=True) as folder,
            _staged(folder, data) as staged,
        ):
            os.replace(staged, place.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write the file unless it is there; of several writers exactly one gets True."""
        place = self._locate(name)
        with _named(name, "write"), self._opened(place.parent, make=True) as folder:
            if _exists(folder, place.name):
                return False
            with _staged(folder, data) as staged:
                try:
                    # Unlike rename, link fails when the name is taken.
                    os.link(staged, place.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
                except FileExistsError:
                    return False
                os.fsync(folder)
                return True

    def share(self, source: str, name: str) -> bool:
        """Give the file `source` another name, unless that one is taken; files are replaced and never changed in place.

        Returns:
            False where nothing was done: the name is taken, or the file system has no hard links.
        """
        old, new = self._locate(source), self._locate(name)
        with _named(name, "write"), self._opened(new.parent, make=True) as folder, self._opened(old.parent) as beside:
            try:
                os.link(old.name, new.name, src_dir_fd=beside, dst_dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                if error.errno in {EEXIST, EXDEV, EPERM, EMLINK, ENOTSUP}:
                    return False
                raise
            os.fsync(folder)
            return True

    def delete(self, name: str) -> None:
        """Remove the file; folders stay, since another process may be about to write into them."""
        place = self._locate(name)
        with _named(name, "delete"):
            try:
                with self._opened(place.parent) as folder:
                    os.unlink(place.name, dir_fd=folder)
                    os.fsync(folder)
            except (FileNotFoundError, NotADirectoryError):
                return

    def list(self, prefix: str = "") -> Names:
        """Return the names of files that start with `prefix`, temporary files left out."""
        if prefix:
            check_name(prefix.removesuffix("/"))
        folder = self.root / prefix.rpartition("/")[0]
        with _named(prefix or ".", "list"):
            names = (path.relative_to(self.root).as_posix() for path in self._walk(folder))
            return sorted(name for name in names if name.startswith(prefix))

    def _walk(self, folder: Path) -> Iterator[Path]:
        for parent, below, files in os.walk(folder):
            for name in [*below, *files]:
                path = Path(parent, name)
                if path.is_symlink():
                    self._inside(path)
            # A linked folder inside the root is not entered: its files are listed under their own names.
            yield from (Path(parent, name) for name in files if not name.startswith(TEMPORARY))

    def _locate(self, name: str, *, follow: bool = False) -> Path:
        """Check a name, and resolve the links of its folder, and its own where they are to be followed.

        This finds the place and guards nothing: `_opened` follows no link, whatever came since.
        """
        check_name(name)
        path = self.root / name
        if not _linked(str(self.root), name):
            return path
        self._inside(path)
        return Path(os.path.realpath(path)) if follow else Path(os.path.realpath(path.parent), path.name)

    def _opened(self, folder: Path, *, make: bool = False) -> AbstractContextManager[int]:
        if not folder.is_relative_to(self.root):
            # A link changed since it was checked.
            raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
        return folders.opened(self.root, folder.relative_to(self.root).parts, make=make)

    def _inside(self, path: Path) -> None:
        real = os.path.realpath(path)
        if not Path(real).is_relative_to(self.root):
            raise StoreError(
                f"{path.relative_to(self.root).as_posix()}: a symbolic link leads to {real!r}, outside "
                f"{str(self.root)!r}; move the files into the workspace"
            )


def _linked(root: str, name: str) -> bool:
    """Say whether a part of a name is a symbolic link; resolving a path takes some fifty times as long as this."""
    path = root
    for part in name.split("/"):
        path = f"{path}/{part}"
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            # What is not there, or cannot be looked at, is met again when it is opened.
            return False
        if stat.S_ISLNK(mode):
            return True
    return False


@contextmanager
def _staged(folder: int, data: bytes) -> Iterator[str]:
    """Hold `data`, synced, in a temporary file of an open folder for the length of a `with` block."""
    name = f"{TEMPORARY}{_host()}-{os.getpid()}-{secrets.token_hex(8)}"
    try:
        folders.write(folder, name, data)
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def sweep(store: Store) -> int:
    """Remove temporary files of writes that will never end; called by whoever has just taken the lease.

    Files of living processes stay: a process that waits for the lease may be writing its claim.

    Returns:
        how many were removed; 0 for a store that has no temporary files.
    """
    if not isinstance(store, LocalStore):
        return 0
    removed = 0
    for parent, _, files in os.walk(store.root):
        for name in files:
            path = Path(parent, name)
            if name.startswith(TEMPORARY) and _abandoned(path):
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _abandoned(path: Path) -> bool:
    host, _, rest = path.name.removeprefix(TEMPORARY).partition("-")
    pid = rest.partition("-")[0]
    if host == _host() and pid.isdecimal():
        return not Path("/proc", pid).exists()
    try:
        return time.time() - path.stat().st_mtime > STALE_S
    except FileNotFoundError:
        return False


def _host() -> str:
    # A dash would end the field; only equality matters.
    return socket.gethostname().replace("-", "_").replace("/", "_")[:64]


@contextmanager
def _named(name: str, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{name}: cannot {verb}: {error.strerror or type(error).__name__}; "
            "free space, permissions and hard links of the file system are the usual causes; then run again"
        ) from error


@dataclass
class _Space:
    """Objects of one memory store."""

    objects: dict[str, bytes] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    unseen: deque[tuple[int, str]] = field(default_factory=deque)
    """Changes that `list` has yet to learn of: the operation at which it does, and the name."""
    operations: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_SPACES: Final[dict[str, _Space]] = {}


@dataclass(frozen=True)
class MemoryStore:
    """Objects in this process, shared by name; a rehearsal of an object store for tests and notebooks.

    A pickled one finds the same objects only in the same process (Dask with one worker); in another
    process it is empty.

    Args:
        name: stores of one name share their objects.
        list_delay: how many further operations pass until `list` learns of a write or delete.
    """

    name: str
    list_delay: int = 0

    @property
    def url(self) -> str:
        """`memory://`, the name and the delay."""
        return f"memory://{self.name}" + (f"?list_delay={self.list_delay}" if self.list_delay else "")

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Return the object's bytes, or a span of them; raises Missing when there is no object."""
        with self._operation(name) as space:
            if name not in space.objects:
                raise Missing(f"{name}: not in the store at {self.url}")
            data = space.objects[name]
            return data if span is None else data[slice(*span)]

    def put(self, name: str, data: bytes) -> None:
        """Write the object, replacing what was there."""
        with self._operation(name) as space:
            space.objects[name] = bytes(data)
            self._change(space, name)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write the object unless the name is taken; of several writers exactly one gets True."""
        with self._operation(name) as space:
            if name in space.objects:
                return False
            space.objects[name] = bytes(data)
            self._change(space, name)
            return True

    def delete(self, name: str) -> None:
        """Remove the object; an absent one is no error."""
        with self._operation(name) as space:
            if space.objects.pop(name, None) is not None:
                self._change(space, name)

    def list(self, prefix: str = "") -> Names:
        """Return names that start with `prefix`, as of `list_delay` operations ago."""
        with self._operation(prefix.removesuffix("/") or "all") as space:
            return sorted(name for name in space.shown if name.startswith(prefix))

    @contextmanager
    def _operation(self, name: str) -> Iterator[_Space]:
        check_name(name)
        space = _SPACES.setdefault(self.name, _Space())
        with space.lock:
            space.operations += 1
            while space.unseen and space.unseen[0][0] <= space.operations:
                changed = space.unseen.popleft()[1]
                (space.shown.add if changed in space.objects else space.shown.discard)(changed)
            yield space

    def _change(self, space: _Space, name: str) -> None:
        space.unseen.append((space.operations + 1 + self.list_delay, name))
