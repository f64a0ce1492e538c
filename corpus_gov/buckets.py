"""A workspace in a bucket: the five operations on S3, or on what speaks like it; and objects that are inputs.

`put_if_absent` is a PUT with If-None-Match, which S3 answers for one writer only; stores that ignore that header must
not be used, and `check` finds them. Credentials, region and endpoint come from the environment (AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT, AWS_ALLOW_HTTP) or from the machine's role, never
from the address.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.store import Missing, Names, Span, check_name

ADDRESS: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<folder>[^/?#]+(?:/[^/?#]+)*))?")

Described: TypeAlias = list[tuple[str, int, float]]

SINGLE_MOST: Final = 1 << 30
"""Bytes up to which an object is written by one request; S3 takes five times as much."""

CHUNK_BYTES: Final = 8 * 2**20
"""Of an input that is copied, in memory at a time."""

_STATUS: Final = re.compile(r"status code: (\d{3} [A-Za-z ]+)")
_NO_BUCKET: Final = "NoSuchBucket"


@dataclass(frozen=True)
class BucketStore:
    """Objects of a bucket below a prefix; a pickled one opens its own connections.

    Args:
        address: s3://BUCKET or s3://BUCKET/FOLDER.
    """

    address: str

    def __post_init__(self) -> None:
        """Check the address."""
        if ADDRESS.fullmatch(self.address) is None:
            raise ConfigError(f"store {self.address!r}: expected 's3://BUCKET' or 's3://BUCKET/FOLDER'")

    @property
    def url(self) -> str:
        """The address."""
        return self.address

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Return the object's bytes, or a span of them; raises Missing when there is no object."""
        check_name(name)
        with _named(name, "read", self.address):
            if span is None:
                return _bytes(_library().get(_opened(self.address), name).bytes())
            # What lies behind the end is left out, and a span that begins there is refused by the store.
            size = int(_library().head(_opened(self.address), name)["size"])
            first, stop = min(span[0], size), min(span[1], size)
            if first >= stop:
                return b""
            return _bytes(_library().get_range(_opened(self.address), name, start=first, end=stop))

    def put(self, name: str, data: bytes) -> None:
        """Write the object, replacing what was there."""
        check_name(name)
        with _named(name, "write", self.address):
            _library().put(_opened(self.address), name, data, use_multipart=len(data) > SINGLE_MOST)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write the object unless the name is taken; of several writers exactly one gets True."""
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - an extra

        check_name(name)
        with _named(name, "write", self.address):
            try:
                _library().put(_opened(self.address), name, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    def delete(self, name: str) -> None:
        """Remove the object; an absent one is no error."""
        check_name(name)
        with _named(name, "delete", self.address):
            try:
                _library().delete(_opened(self.address), name)
            except FileNotFoundError as error:
                if _NO_BUCKET in str(error):
                    raise

    def list(self, prefix: str = "") -> Names:
        """Return names that start with `prefix`."""
        return sorted(name for name, _, _ in self.described(prefix))

    def described(self, prefix: str = "") -> Described:
        """Return name, bytes and time of writing (seconds since 1970) of what `list` names, in no order."""
        if prefix:
            check_name(prefix.removesuffix("/"))
        folder = prefix.rpartition("/")[0]
        with _named(prefix or ".", "list", self.address):
            chunks = _library().list(_opened(self.address), prefix=folder or None)
            found = [
                (str(one["path"]), int(one["size"]), one["last_modified"].timestamp()) for c in chunks for one in c
            ]
        return [one for one in found if one[0].startswith(prefix)]

    def check(self) -> None:
        """Make sure that the bucket can be written and refuses a second writer of a name.

        Raises:
            StoreError: it cannot be reached or written.
            ConfigError: it takes a second writer: two runs at once would destroy each other's work.
        """
        name = f"lease/check-{secrets.token_hex(8)}"
        try:
            self.put_if_absent(name, b"1")
            if self.put_if_absent(name, b"2"):
                raise ConfigError(
                    f"{self.address}: the store wrote a name twice, expected it to honour If-None-Match on PUT; "
                    "update it, or use another"
                )
        finally:
            self.delete(name)


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it was listed: its bucket and name, the version (ETag), size and time of writing."""

    bucket: str
    name: str
    version: str
    size: int
    written: float
    """Seconds since 1970."""


def objects(bucket: str, folder: str) -> list[Object]:
    """List the objects whose names are or begin with a folder's, ascending; without the marks of empty folders.

    Raises:
        StoreError: the bucket cannot be listed.
    """
    address = f"s3://{bucket}"
    with _named(folder or ".", "list", address):
        found = [one for chunk in _library().list(_opened(address), prefix=folder or None) for one in chunk]
        named = [] if not folder else _alone(address, folder)
    return sorted(
        (
            Object(bucket, str(one["path"]), str(one["e_tag"]), int(one["size"]), one["last_modified"].timestamp())
            for one in (*named, *found)
            if not str(one["path"]).endswith("/")
        ),
        key=lambda one: one.name,
    )


def _alone(address: str, name: str) -> list[Any]:
    """Return the object of that very name, which a listing of it as a folder leaves out."""
    try:
        return [_library().head(_opened(address), name)]
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise
        return []


def copy(one: Object, file: Path) -> bool:
    """Copy an object to a file, a chunk at a time; False where another version of it, or none, is there by now.

    Raises:
        StoreError: it cannot be read.
    """
    library, address = _library(), f"s3://{one.bucket}"
    with _named(one.name, "read", address), file.open("wb") as out:
        try:
            found = library.get(_opened(address), one.name, options={"if_match": one.version})
            for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                out.write(chunk)
        except (library.exceptions.PreconditionError, FileNotFoundError):
            return False
    return True


def _library() -> Any:
    try:
        import obstore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "workspaces and inputs on s3:// need the package obstore; install it with `pip install 'corpus-gov[s3]'`"
        ) from error
    return obstore


@cache
def _opened(address: str) -> Any:
    """Open the bucket once a process."""
    _library()
    from obstore.store import S3Store  # noqa: PLC0415 - an extra

    found = ADDRESS.fullmatch(address)
    assert found is not None  # noqa: S101 - checked when the store was made
    return S3Store(found["bucket"], prefix=found["folder"])


def _bytes(data: Any) -> bytes:
    found: bytes = data.to_bytes()
    return found


@contextmanager
def _named(name: str, verb: str, address: str) -> Iterator[None]:
    from_library = _library().exceptions.BaseError
    try:
        yield
    except (from_library, OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and verb == "read" and _NO_BUCKET not in str(error):
            raise Missing(f"{name}: not in the store at {address}") from None
        # The library's own message quotes the request and the answer.
        status = _STATUS.search(str(error))
        found = status[1].strip() if status else type(error).__name__
        raise StoreError(
            f"{name}: cannot {verb} at {address}: {found}; the bucket, credentials, AWS_REGION and AWS_ENDPOINT are "
            "the usual causes; then run again"
        ) from None
