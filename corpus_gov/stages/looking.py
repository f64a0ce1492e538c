"""Shards to artefacts: measure, screen and key documents, and relate those of one text."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from corpus_gov import artefacts, screens, seal, signals
from corpus_gov.engine import split_by_range
from corpus_gov.relate import exact, links, records
from corpus_gov.schemas import FINDINGS
from corpus_gov.stages import Context, Done, Shard, batches, keying, read_shard, rescreening
from corpus_gov.store import Store


@dataclass(frozen=True)
class BuildTask:
    """A shard whose artefacts are wanted."""

    context: Context
    shard: Shard


def artefact_names(context: Context, shard: Shard) -> dict[str, str]:
    """Name every artefact of a shard by what it is made from: the plan of `build`."""
    content = [shard.source_id, shard.ref, shard.digests["documents"]]
    names = {}
    for family in context.families:
        module = import_module(f"corpus_gov.signals.{family}")
        files = [_digest(str(path), _stamp(path)) for path in getattr(module, "FILES", ())]
        # A card names its model by digest, so its own stands for both.
        files += [digest for _, digest in context.params(family).get("cards", ())]
        names[f"signals.{family}"] = artefacts.name(
            f"signals.{family}", content, module.VERSION, files, libraries=module.LIBRARIES
        )
    for screen in context.screens():
        names[f"findings.{screen}"] = findings_name(context, shard, screen, context.concern(screen).digest)
    names["keys.exact"] = artefacts.name("keys.exact", content, exact.VERSION)
    if preset := keying.preset_of(context):
        names |= keying.artefact_names(content, preset)
    return names


def findings_name(context: Context, shard: Shard, screen: str, digest: str) -> str:
    """Name the findings of a shard by the pack of that digest, which need not be the one in force."""
    module = import_module(f"corpus_gov.screens.{screen}")
    content = [shard.source_id, shard.ref, shard.digests["documents"]]
    made_from = [content, module.VERSION, digest, seal.key_id(context.keys().seal)]
    return artefacts.name(f"findings.{screen}", *made_from, libraries=module.LIBRARIES)


def _stamp(path: Path | str) -> tuple[int, int]:
    found = Path(path).stat()
    return found.st_size, found.st_mtime_ns


# Names are planned several times in a run, for every shard: a file of the same size and time has the same digest.
@lru_cache(maxsize=64)
def _digest(path: str, stamp: tuple[int, int]) -> str:  # noqa: ARG001 - the stamp is part of the key
    return sha256(Path(path).read_bytes()).hexdigest()


def build_shard(task: BuildTask) -> Done:
    """Measure, screen and key a shard: whatever of it is missing or damaged."""
    store = task.context.store()
    names = artefact_names(task.context, task.shard)
    state = {kind: artefacts.ready(store, name) for kind, name in names.items()}
    wanted = [kind for kind, whole in state.items() if whole is not True]
    rebuilt = tuple(names[kind] for kind, whole in state.items() if whole is None)
    seconds = dict.fromkeys(wanted, 0.0)
    if wanted:
        parts: dict[str, list[Any]] = {kind: [] for kind in wanted}
        earlier = _earlier(store, task, wanted)
        for documents in batches(read_shard(store, task.shard, "documents")):
            for kind in wanted:
                start = time.perf_counter()
                parts[kind].append(_look(kind, documents, task.context, earlier))
                seconds[kind] += time.perf_counter() - start
        for kind in wanted:
            _put(store, names[kind], kind, parts[kind])
    return Done(
        task.shard.documents, task.shard.text_bytes, tuple(names.values()), {"built": len(wanted)}, seconds, rebuilt
    )


def _earlier(store: Store, task: BuildTask, wanted: Sequence[str]) -> rescreening.Earlier | None:
    if f"findings.{rescreening.SCREEN}" not in wanted:
        return None
    pack = task.context.concern(rescreening.SCREEN)
    found = rescreening.earlier(store, pack, partial(findings_name, task.context, task.shard, rescreening.SCREEN))
    rescreening.record(store, pack)
    return found


def _look(kind: str, documents: pa.RecordBatch, context: Context, earlier: rescreening.Earlier | None) -> Any:
    if kind in keying.KINDS:
        return keying.keys_of(kind, documents, keying.preset_in_force(context))
    family, _, name = kind.partition(".")
    if family == "signals":
        return signals.measure(name, documents, context.params(name))
    if family == "findings":
        look = partial(_sealed, name, context)
        if earlier and name == rescreening.SCREEN:
            return rescreening.again(documents, earlier, look)
        return look(documents)
    keyed = exact.split(pa.Table.from_batches([documents.select(list(exact.COLUMNS))]))
    return keyed.combine_chunks().to_batches()[0] if len(keyed) else _empty(exact.KEYED)


def _sealed(screen: str, context: Context, documents: pa.RecordBatch) -> pa.RecordBatch:
    found = screens.look(screen, documents, context.concern(screen))
    return seal.seal(documents, found, context.rules(), context.keys().seal)


def _put(store: Store, artefact: str, kind: str, parts: Sequence[Any]) -> None:
    if kind in keying.KINDS:
        keying.put_keys(store, artefact, kind, parts)
    else:
        artefacts.put(store, artefact, _encode_parts(kind, parts))


def _encode_parts(kind: str, parts: Sequence[pa.RecordBatch]) -> bytes:
    family, _, name = kind.partition(".")
    if family == "signals":
        schema = import_module(f"corpus_gov.signals.{name}").SCHEMA
    else:
        schema = FINDINGS if family == "findings" else exact.KEYED
    return artefacts.encode(pa.Table.from_batches(list(parts), schema=schema))


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)


@dataclass(frozen=True)
class SplitTask:
    """Keyed rows of a shard, the number of the shard, and into how many key ranges they are cut."""

    context: Context
    keys: str
    home: int
    ranges: int


def split_keys(task: SplitTask) -> str:
    """Cut the keyed rows of a shard into key ranges; returns the name of the cut."""
    store = task.context.store()
    name = artefacts.name("cuts.exact", task.keys, task.home, task.ranges)
    if artefacts.ready(store, name) is not True:
        rows = artefacts.get(store, task.keys)
        rows = rows.append_column("home", pa.repeat(pa.scalar(task.home, pa.uint32()), len(rows)))
        artefacts.put_ranges(store, name, split_by_range(rows, "key", task.ranges))
    return name


@dataclass(frozen=True)
class JoinTask:
    """One key range of every shard, and into how many parts its links are cut."""

    context: Context
    cuts: tuple[str, ...]
    number: int
    parts: int


def join_keys(task: JoinTask) -> str:
    """Relate the documents of one key range; returns the name of its links."""
    store = task.context.store()
    name = artefacts.name("links.exact", sorted(task.cuts), task.number, task.parts)
    if artefacts.ready(store, name) is not True:
        found = exact.join(artefacts.get_range(store, task.cuts, task.number).combine_chunks())
        links.put(store, name, found, records.number_of(records.heads(found["a"]), task.parts), task.parts)
    return name
