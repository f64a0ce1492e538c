"""What lies in a store: names, bytes and ages of objects. Nothing that must be right depends on it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from corpus_gov.buckets import BucketStore
from corpus_gov.store import TEMPORARY, LocalStore, Store


@dataclass(frozen=True)
class Stored:
    """One object.

    Attributes:
        name: in the store.
        bytes: its size.
        age: seconds since it was written; infinite where the store does not say.
    """

    name: str
    bytes: int
    age: float


def objects(store: Store, prefix: str = "") -> Iterator[Stored]:
    """List objects whose names start with a prefix, in no order; those that go meanwhile are left out."""
    now = time.time()
    if isinstance(store, BucketStore):
        for name, size, written in store.described(prefix):
            yield Stored(name, size, now - written)
    elif isinstance(store, LocalStore):
        for parent, _, files in os.walk(store.root / prefix.rpartition("/")[0]):
            for file in files:
                path = Path(parent, file)
                name = path.relative_to(store.root).as_posix()
                if name.startswith(prefix) and not file.startswith(TEMPORARY):
                    try:
                        found = path.lstat()
                    except FileNotFoundError:
                        continue
                    yield Stored(name, found.st_size, now - found.st_mtime)
    else:
        for name in store.list(prefix):
            yield Stored(name, len(store.read(name)), float("inf"))


def by_family(store: Store) -> dict[str, int]:
    """Sum bytes by folder, those of artefacts by family: such as captures, releases, artefacts/signals.quality."""
    found: dict[str, int] = {}
    for one in objects(store):
        parts = one.name.split("/")
        family = "/".join(parts[:2]) if parts[0] == "artefacts" else parts[0]
        found[family] = found.get(family, 0) + one.bytes
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
