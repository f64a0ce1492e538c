"""Inputs to a batch: find what is new, read it, drop repeats, and name the shards in the ledger.

Until a batch is in the ledger its shards count for nothing, so an interrupted intake is simply done again.
"""

import hmac
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from corpus_gov import acts, artefacts, landing, originals, pieces, seal, watch
from corpus_gov.barring import Barred
from corpus_gov.config import Dossier
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.kernels.digests import prefixed
from corpus_gov.kernels.repeats import repeats
from corpus_gov.published import BATCH_INGESTED
from corpus_gov.relate import suppressed
from corpus_gov.sources import Piece
from corpus_gov.stages import Input, Shard, read_shard
from corpus_gov.stages.reading import (
    ID_BYTES,
    TAG_BYTES,
    Ingested,
    IngestTask,
    RepeatTask,
    drop_repeats,
    ingest_piece,
)
from corpus_gov.workspace import Workspace

PIECE_BYTES: Final = 24 * 2**20
"""A Parquet input is cut into pieces of about this size, so that workers end together."""


@dataclass
class Clock:
    """Seconds, documents and bytes of each stage."""

    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    rebuilt: list[str] = field(default_factory=list)
    """Artefacts that were damaged and built again."""

    def time(self, stage: str, started: float, documents: int, text_bytes: int) -> None:
        """Record a stage that has just ended."""
        self.stages[stage] = {
            "seconds": round(time.perf_counter() - started, 3),
            "documents": documents,
            "text_bytes": text_bytes,
        }

    def add(self, stage: str, seconds: float, documents: int, text_bytes: int) -> None:
        """Add time that workers spent in a part of a stage; it may pass the time of the stage itself."""
        part = self.stages.setdefault(stage, {"seconds": 0.0, "documents": documents, "text_bytes": text_bytes})
        part["seconds"] = round(part["seconds"] + seconds, 3)


def ingest(
    workspace: Workspace, engine: Engine, clock: Clock | None = None, now: Callable[[], float] = time.time
) -> int:
    """Read every input that the dossiers name and no batch holds yet; returns how many new shards there are.

    Args:
        workspace: an open workspace.
        engine: a running engine.
        clock: where times are noted.
        now: seconds since 1970; tells which files of a watched folder are complete.

    Raises:
        ConfigError: no dossier, a new source without a single file, or two inputs of one logical name.
        StoreError: a bucket that inputs are in cannot be listed.
        IntegrityError: one doc_id with two texts.
    """
    started, shards, read = time.perf_counter(), list[Shard](), False
    with workspace.writing() as lease:
        _remove_strays(workspace)
        acts.note_changes(workspace)
        if not workspace.dossiers:
            raise ConfigError(f"{workspace.url}: found no dossier, expected sources/<source_id>.yaml; write one first")
        known_sources = {shard.source_id for shard in workspace.shards()}
        files = []
        for dossier in workspace.dossiers.values():
            found = watch.find(dossier, workspace.root or Path.cwd(), now())
            if not found.files and not found.waiting and dossier.source_id not in known_sources:
                raise ConfigError(
                    f"sources/{dossier.source_id}.yaml: inputs {list(dossier.inputs)!r} match no file, expected one at "
                    "least for a source that nothing was read from yet; correct the pattern or take the dossier out"
                )
            files += [(dossier, one) for one in found.files]
        day = datetime.fromtimestamp(now(), UTC).date()
        with landing.rounds(workspace, engine, files) as parts:
            for part in parts:
                if tasks := _tasks(workspace, engine, part, day):
                    made = _without_repeats(workspace, engine, engine.map("ingest", ingest_piece, tasks))
                    lease.check()
                    _commit_batch(workspace, made)
                    shards, read = shards + made, True
    if clock and read:
        clock.time("ingest", started, sum(s.documents for s in shards), sum(s.text_bytes for s in shards))
    return len(shards)


def waiting(workspace: Workspace, now: Callable[[], float] = time.time) -> dict[str, int]:
    """Count the files of each source that are there and not taken yet: unfinished by their name or state."""
    root = workspace.root or Path.cwd()
    found = {source: watch.find(dossier, root, now()).waiting for source, dossier in workspace.dossiers.items()}
    return {source: number for source, number in sorted(found.items()) if number}


def _remove_strays(workspace: Workspace) -> None:
    """Remove shards that no batch names: a crash before the commit left them, and they hold texts.

    A listing may lag; what it does not show yet is removed by a later intake.
    """
    store = workspace.store
    named = {shard.name(table) for shard in workspace.shards() for table in shard.digests}
    for table in ("captures", "documents", "snapshots"):
        for name in store.list(f"{table}/"):
            if name not in named:
                store.delete(name)


def _tasks(
    workspace: Workspace, engine: Engine, files: Sequence[tuple[Dossier, watch.Found]], as_of: date
) -> list[IngestTask]:
    """Make a task of each piece that no batch holds yet."""
    readable = [one.path for _, one in files if not one.refused]
    if readable and engine.workers > 1:
        # Loads the kernel that `_without_repeats` needs, while the workers are still starting.
        repeats(np.empty((0, 2), np.uint64), np.empty(0, np.uint64))
    taken = iter(engine.map("find", pieces.fingerprint, readable))
    known = _known(workspace)
    key = workspace.keys().seal
    of_source: dict[str, list[tuple[Piece, Input]]] = {}
    there: list[Piece] = []
    for dossier, one in files:
        # A refused file has no digest; `fingerprint` gives one or a reason for the others, in their order.
        print_ = pieces.Fingerprint(None, None, one.refused) if one.refused else next(taken)
        if print_.digest is None:
            cut = [pieces.refused(one.path, one.record_file, print_.reason or "unreadable", dossier)]
        else:
            cut = pieces.pieces(one.path, one.record_file, print_.digest, dossier, PIECE_BYTES, print_.stamp)
        there += cut
        source = Input(_name_tag(key, dossier, one), cut[0].file_digest, _input_digest(dossier, one, cut[0]))
        if (dossier.source_id, source.input_digest) not in known:
            of_source.setdefault(dossier.source_id, []).extend((piece, source) for piece in cut)
    referring = originals.attach(engine, [piece for found in of_source.values() for piece, _ in found], there)
    return [
        task
        for found in of_source.values()
        for task in _bundled(workspace, [(referring.get(piece, piece), source) for piece, source in found], as_of)
    ]


def _barred(workspace: Workspace, found: Iterable[tuple[Piece, Input]], as_of: date) -> dict[str, Barred]:
    """Take from the suppression list what concerns the sources that are read."""
    ids, listed, key = workspace.suppressed(as_of), workspace.suppressions(as_of), workspace.keys().seal
    sources = {piece.source_id for piece, _ in found}
    if sources:
        # Rows of another key would keep nothing out.
        suppressed.check(listed, seal.key_id(key))
    return {source: Barred.of(listed, ids, source, key) for source in sorted(sources)}


def _bundled(workspace: Workspace, found: Sequence[tuple[Piece, Input]], as_of: date) -> list[IngestTask]:
    context, limits, barred = workspace.context(), workspace.settings.ingest, _barred(workspace, found, as_of)
    # Pieces are compared by value, and all pieces of one file have its input.
    source = {(piece.record_file, piece.member): one for piece, one in found}
    return [
        IngestTask(
            context,
            piece,
            tuple(source[part.record_file, part.member] for part in piece.members or (piece,)),
            limits.shard_rows,
            limits.shard_bytes,
            barred[piece.source_id],
        )
        for piece in pieces.bundles([piece for piece, _ in found], PIECE_BYTES)
    ]


def _known(workspace: Workspace) -> set[tuple[str, str]]:
    """Return source and input digest of every file that a batch holds."""
    known = {(shard.source_id, shard.input_digest) for shard in workspace.shards()}
    return known | {(shard.source_id, one.input_digest) for shard in workspace.shards() for one in shard.inputs}


def _input_digest(dossier: Dossier, one: watch.Found, piece: Piece) -> str:
    """Digest what a file is and how it is read."""
    form = pieces.form_of(one.record_file, dossier, None if one.refused else one.path)
    how = [dossier.source_id, one.record_file, piece.file_digest, form, dict(dossier.fields)]
    return artefacts.digest_of([*how, dossier.base_uri] if dossier.base_uri else how)


def _name_tag(key: bytes, dossier: Dossier, one: watch.Found) -> str:
    body = prefixed(b"record_file", dossier.source_id.encode(), one.record_file.encode())
    return hmac.new(key, body, sha256).hexdigest()[:32]


def _without_repeats(workspace: Workspace, engine: Engine, done: list[Ingested]) -> list[Shard]:
    """Keep the first of each doc_id: of earlier batches, then in order of source, file digest and place.

    Memory: 30 bytes a document of the workspace; `done` is emptied on the way.
    """
    context, store = workspace.context(), workspace.store
    old = workspace.shards()
    new = sorted(
        (item for part in done for item in zip(part.shards, part.ids, part.tags, strict=True)),
        # By what the files hold, not by their names: which copy stays must not depend on those.
        key=lambda item: (item[0].source_id, item[0].file_digest),
    )
    done.clear()
    shards = [shard for shard, *_ in new]
    starts = np.cumsum([0, *(shard.documents for shard in (*old, *shards))])
    ids, tags = np.empty((starts[-1], 2), np.uint64), np.empty(starts[-1], np.uint64)
    for number, shard in enumerate(old):
        table = artefacts.decode(read_shard(store, shard, "documents"), ["doc_id", "text_digest"])
        place = slice(starts[number], starts[number + 1])
        ids[place] = hex_bytes(table["doc_id"], ID_BYTES).view(np.uint64)
        tags[place] = hex_bytes(table["text_digest"], TAG_BYTES).view(np.uint64).reshape(-1)
    for number in range(len(old) + len(new) - 1, len(old) - 1, -1):
        _, mine, tagged = new.pop()
        place = slice(starts[number], starts[number + 1])
        ids[place], tags[place] = np.frombuffer(mine, np.uint64).reshape(-1, 2), np.frombuffer(tagged, np.uint64)
    again, differs = repeats(ids, tags)
    if differs >= 0:
        raise IntegrityError(
            f"doc_id {ids[differs].tobytes().hex()!r}: the same bytes gave two texts, most likely by two charset "
            "headers of two captures; remove one of the two from the inputs"
        )
    kept, tasks = [], []
    for number, shard in enumerate(shards, len(old)):
        rows = np.flatnonzero(again[starts[number] : starts[number + 1]])
        if len(rows):
            tasks.append(RepeatTask(context, shard, tuple(rows.tolist())))
        else:
            kept.append(shard)
    kept += engine.map("repeats", drop_repeats, tasks)
    for task in tasks:
        # What they were made from is named by no batch; a crash before this leaves files that nothing reads.
        for table in task.shard.digests:
            store.delete(task.shard.name(table))
    return sorted(kept, key=lambda shard: (shard.source_id, shard.shard_id))


def _commit_batch(workspace: Workspace, shards: Sequence[Shard]) -> None:
    """Name the new shards in a batch file and that file in the ledger: from here on they count."""
    outcomes: Counter[str] = Counter()
    for shard in shards:
        outcomes.update(shard.outcomes)
    records = sum(shard.records for shard in shards)
    body = artefacts.canonical({"shards": [asdict(shard) for shard in shards]})
    digest = sha256(body).hexdigest()
    name = f"batches/{digest[:32]}.json"
    workspace.store.put(name, body)
    data = {"records": records, **{f"captures_{k}": v for k, v in sorted(outcomes.items())}, "shards": len(shards)}
    acts.record(workspace, BATCH_INGESTED, {name: digest}, data)
