"""The reference sets that a workspace names, as they are at this moment: files, digest, texts of their items."""

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import pyarrow as pa

from corpus_gov import artefacts, config, ingest, pieces, watch
from corpus_gov.errors import ConfigError

PIECE_BYTES: Final = 64 << 20
SHARD_ROWS: Final = 50_000
SHARD_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class ReferenceSet:
    """A set of the settings with what its files hold; small, so that tasks can carry it."""

    name: str
    kind: str
    n: int
    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str, str], ...]
    """Path, logical name and SHA-256 of each, in the order of their names."""

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the index: what the files hold, in their order, and how they are read."""
        forms = [pieces.form_of(name, self.dossier(), path) for path, name, _ in self.files]
        return artefacts.digest_of([self.n, self.fields, [digest for *_, digest in self.files], forms])

    def dossier(self) -> config.Dossier:
        """Say how the files are read, as for a source."""
        named = {"source_id": self.name, "title": self.name, "inputs": [path for path, *_ in self.files]}
        return config.Dossier.model_validate(named | {"kind": "unassessed", "fields": dict(self.fields)})

    def described(self) -> dict[str, object]:
        """Say what run.json tells of the set; where its files lie is nobody's business."""
        return {"name": self.name, "kind": self.kind, "n": self.n, "files": len(self.files), "digest": self.digest}


def sets(settings: config.Settings, root: Path) -> tuple[ReferenceSet, ...]:
    """Find the reference sets of a workspace and take the digests of their files.

    Args:
        settings: corpus-gov.toml.
        root: what relative patterns begin at.

    Returns:
        Ascending by name.

    Raises:
        ConfigError: a set has no file, or one that cannot be read: nothing would be compared with it.
        SourceError: a file cannot be read.
    """
    return tuple(_found(one, root) for one in sorted(settings.references, key=lambda one: one.name))


def texts(one: ReferenceSet) -> pa.Array:
    """Read the items of a set, in the order of its files and of the records in each.

    Raises:
        ConfigError: a file was changed since its digest was taken, has a record that cannot be read, or the set has
            no item: what is not read is not found.
    """
    parts = []
    for path, record_file, digest in one.files:
        if pieces.digest(path) != digest:
            raise ConfigError(f"references {one.name!r}: {record_file!r} was changed while it was read; run again")
        for piece in pieces.pieces(path, record_file, digest, one.dossier(), PIECE_BYTES):
            for shard in ingest.read(piece, shard_rows=SHARD_ROWS, shard_bytes=SHARD_BYTES):
                _refuse_losses(one, record_file, shard.captures)
                parts.append(shard.documents["text"])
    items = pa.chunked_array(parts, pa.large_string()).combine_chunks()
    if not len(items):
        raise ConfigError(f"references {one.name!r}: found no text in {len(one.files)} files; correct files or fields")
    return items


def _found(one: config.Reference, root: Path) -> ReferenceSet:
    fields = tuple(sorted(dict(one.fields).items()))
    asked = config.Dossier(source_id=one.name, kind="unassessed", title=one.name, inputs=one.files)
    inputs = watch.find(asked, root, time.time())
    for file in inputs.files:
        if file.refused:
            raise ConfigError(f"references {one.name!r}: {file.record_file!r} is {file.refused}; name another file")
    if not inputs.files or inputs.waiting:
        raise ConfigError(
            f"references {one.name!r}: files {list(one.files)!r} match {len(inputs.files)} files and "
            f"{inputs.waiting} unfinished ones, expected one at least and none unfinished; correct the pattern"
        )
    files = tuple((file.path, file.record_file, _digest(file.path, pieces.stamp(file.path))) for file in inputs.files)
    return ReferenceSet(one.name, one.kind, one.n, fields, files)


# A plan is made several times in a run: a file of the same size and time has the digest that was taken.
@lru_cache(maxsize=1024)
def _digest(path: str, stamp: tuple[int, int] | None) -> str:  # noqa: ARG001 - the stamp is part of the key
    return pieces.digest(path)


def _refuse_losses(one: ReferenceSet, record_file: str, captures: pa.Table) -> None:
    lost = [row for row in captures.select(["outcome", "reason", "record_offset"]).to_pylist()
            if row["outcome"] == "rejected"]  # fmt: skip
    if lost:
        raise ConfigError(
            f"references {one.name!r}: {record_file!r}: found {len(lost)} records that cannot be read, the first at "
            f"{lost[0]['record_offset']} ({lost[0]['reason']}), expected none; correct the file or `fields`"
        )
