"""Inputs in buckets: copied to a folder of this machine for the length of an intake, some at a time, and read there.

What was taken is noted by the object's ETag and size, so that it is never fetched again while neither it nor the way in
which its source is read has changed. Names of objects are noted under the key of the seal alone.
"""

import hmac
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from corpus_gov import artefacts, buckets
from corpus_gov.dossier import Dossier
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.kernels.digests import prefixed
from corpus_gov.published import optional
from corpus_gov.watch import Found
from corpus_gov.workspace import Workspace

ROUND_BYTES: Final = 16 * 2**30
"""Copied before they are read and removed; one larger object is a round by itself."""

FREE_SHARE: Final = 2
"""A round takes at most the free space divided by this: shards are written meanwhile."""

Inputs = list[tuple[Dossier, Found]]


@contextmanager
def rounds(workspace: Workspace, engine: Engine, files: Inputs) -> Iterator[Iterator[Inputs]]:
    """Give the files of an intake in rounds: local ones in the first, objects of buckets as copies, when they are new.

    What a round gave is noted as taken when the next one is asked for.

    Args:
        workspace: whose lease is held.
        engine: whose workers read the copies.
        files: of `watch.find`.

    Raises:
        ConfigError: no such folder; workers of a scheduler, and none named that they see.
        StoreError: no room for an object.
    """
    if not any(one.object for _, one in files):
        yield iter([files])
        return
    shared = workspace.settings.ingest.landing
    if engine.elsewhere and shared is None:
        raise ConfigError(
            "inputs on s3:// with --scheduler: found no landing in [ingest] of corpus-gov.toml, expected a folder that "
            "this machine and all workers see; copies of objects are read there"
        )
    base = (workspace.root or Path.cwd()) / (shared or tempfile.gettempdir())
    if not base.is_dir():
        raise ConfigError(f"[ingest] landing: found no folder {shared!r}, expected one for copies of inputs; make it")
    name = f"corpus-gov-landing-{workspace.settings.id}-"
    # Whoever holds the lease is alone: what is here was left by an intake that was killed.
    for left in base.glob(f"{name}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=name, dir=base) as folder:
        yield _rounds(workspace, Path(folder), files)


def _rounds(workspace: Workspace, folder: Path, files: Inputs) -> Iterator[Inputs]:
    taken = _Taken(workspace)
    here = [(dossier, one) for dossier, one in files if one.object is None]
    new = [(dossier, one) for dossier, one in files if one.object and not taken.has(dossier, one)]
    while new or here:
        part = new[: _most(new, folder)]
        new = new[len(part) :]
        copies = [(dossier, _copied(one, folder / f"{n:08d}")) for n, (dossier, one) in enumerate(part)]
        # What changed since it was listed is left for the next intake.
        yield here + [(dossier, one) for dossier, one in copies if one is not None]
        taken.note([found for found, (_, copy) in zip(part, copies, strict=True) if copy and not copy.refused])
        for file in folder.iterdir():
            file.unlink()
        here = []


def _most(new: Inputs, folder: Path) -> int:
    """Return how many of the objects are copied at once: one at least, where there is room for it."""
    room = shutil.disk_usage(folder).free // FREE_SHARE
    total = number = 0
    for _, one in new:
        size = one.object.size if one.object else 0
        total += size
        if number and total > min(room, ROUND_BYTES):
            break
        if size > room:
            raise StoreError(
                f"{folder.parent}: found room for {room:,} bytes, expected {size:,} for a copy of one input of a "
                "bucket; name a folder on a larger disk as landing in [ingest] of corpus-gov.toml"
            )
        number += 1
    return number


def _copied(one: Found, file: Path) -> Found | None:
    """Copy an object; None where it is not the one that was listed any more."""
    assert one.object is not None  # noqa: S101 - of objects alone
    try:
        there = buckets.copy(one.object, file)
    except StoreError:
        return replace(one, refused="unreadable", object=None)
    return replace(one, path=str(file), object=None) if there else None


class _Taken:
    """What was read of buckets: inputs/<source_id>.json in the store has a digest of how by a tag of each object."""

    def __init__(self, workspace: Workspace) -> None:
        self._store = workspace.store
        self._key = workspace.keys().seal
        self._known: dict[str, dict[str, str]] = {}

    def has(self, dossier: Dossier, one: Found) -> bool:
        """Say whether this version of an object was read in the way in which it would be now."""
        return self._of(dossier).get(self._tag(one)) == _how(dossier, one)

    def note(self, found: Inputs) -> None:
        """Write down what was read."""
        for source in {dossier.source_id: dossier for dossier, _ in found}.values():
            known = self._of(source)
            known |= {self._tag(one): _how(d, one) for d, one in found if d.source_id == source.source_id}
            self._store.put(_place(source), artefacts.canonical(known))

    def _of(self, dossier: Dossier) -> dict[str, str]:
        if dossier.source_id not in self._known:
            self._known[dossier.source_id] = json.loads(optional(self._store, _place(dossier)) or b"{}")
        return self._known[dossier.source_id]

    def _tag(self, one: Found) -> str:
        return hmac.new(self._key, prefixed(b"object", one.path.encode()), sha256).hexdigest()[:32]


def _place(dossier: Dossier) -> str:
    return f"inputs/{dossier.source_id}.json"


def _how(dossier: Dossier, one: Found) -> str:
    """Digest a version of an object and the way in which its source is read."""
    assert one.object is not None  # noqa: S101 - of objects alone
    read = [one.record_file, dossier.format, dict(dossier.fields), dossier.base_uri]
    return artefacts.digest_of([one.object.version, one.object.size, *read])
