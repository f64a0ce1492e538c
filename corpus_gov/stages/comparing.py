"""Documents beside reference sets and the suppression list: index each set once, then compare each shard with it.

Each set has findings of its own, under a name with its digest: a set that changed is compared again, the others not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from corpus_gov import artefacts, references, seal
from corpus_gov.engine import Engine
from corpus_gov.references import ReferenceSet
from corpus_gov.relate import reference, suppressed
from corpus_gov.schemas import FINDINGS
from corpus_gov.stages import Context, Done, Shard, read_shard
from corpus_gov.store import Store, open_store

SCREEN: Final = "reference"
"""What rules name; relate/reference.py and relate/suppressed.py look for them."""

SUPPRESSED: Final = "findings.suppressed"

COLUMNS: Final = ("doc_id", "text_digest", "n_chars", "text")


@dataclass(frozen=True)
class Asked:
    """What documents are compared with: sets, and rows of the suppression list that have bands."""

    sets: tuple[ReferenceSet, ...]
    listed: pa.Table

    @cached_property
    def listed_digest(self) -> str:
        """Digest of `listed` in any order of its rows."""
        rows = self.listed.to_pylist()
        return artefacts.digest_of(sorted([row["key_id"], row["preset"], row["bands"]] for row in rows))


def finding_names(context: Context, shard: Shard, asked: Asked) -> dict[str, str]:
    """Name the findings of a shard by kind; a set that no rule in force is about has none."""
    pack, content = context.concern(SCREEN), [shard.source_id, shard.ref, shard.digests["documents"]]
    about = {kind.kind for kind in reference.kinds(pack)}
    names = {
        f"findings.reference.{one.name}": artefacts.name(
            "findings.reference", content, one.name, one.kind, one.digest, reference.MADE_BY, pack.digest
        )
        for one in asked.sets
        if one.kind in about
    }
    if len(asked.listed) and suppressed.kinds(pack):
        made_from = [content, asked.listed_digest, suppressed.VERSION, pack.digest]
        names[SUPPRESSED] = artefacts.name(SUPPRESSED, *made_from, seal.key_id(context.keys().seal))
    return names


def build(engine: Engine, context: Context, shards: Sequence[Shard], asked: Asked) -> tuple[str, ...]:
    """Build the findings that are missing; returns those that were damaged and built again.

    Raises:
        ConfigError: a set cannot be read, or rows of the suppression list cannot be compared.
    """
    store = context.store()
    names = [finding_names(context, shard, asked) for shard in shards]
    state = {name: artefacts.ready(store, name) for of in names for name in of.values()}
    wanted = {kind for of in names for kind, name in of.items() if state[name] is not True}
    sets = [one for one in asked.sets if f"findings.reference.{one.name}" in wanted]
    indexes = dict(zip((one.name for one in sets), engine.map("references", index_set, [
        IndexTask(context, one) for one in sets
    ]), strict=True))  # fmt: skip
    listed = None
    if SUPPRESSED in wanted:
        suppressed.check(asked.listed, seal.key_id(context.keys().seal))
        listed = artefacts.put_table(store, "suppressions", asked.listed)
    tasks = []
    for shard, of in zip(shards, names, strict=True):
        missing = {kind: name for kind, name in of.items() if state[name] is not True}
        comparing = tuple(
            Compared(one.name, one.kind, one.n, indexes[one.name], missing[f"findings.reference.{one.name}"])
            for one in sets
            if f"findings.reference.{one.name}" in missing
        )
        if missing:
            tasks.append(CompareTask(context, shard, comparing, listed, missing.get(SUPPRESSED)))
    engine.map("references", compare_shard, tasks, [task.shard.text_bytes for task in tasks])
    return tuple(name for name, whole in state.items() if whole is None)


@dataclass(frozen=True)
class IndexTask:
    """A reference set whose index is wanted."""

    context: Context
    reference: ReferenceSet


def index_set(task: IndexTask) -> str:
    """Index the n-grams of a set; returns the name of the index."""
    store, one = task.context.store(), task.reference
    name = artefacts.name("references", one.digest, reference.MADE_BY)
    if artefacts.ready(store, name) is not True:
        artefacts.put_ranges(store, name, reference.index(references.texts(one), one.n))
    return name


@dataclass(frozen=True)
class Compared:
    """A set by name, kind and index, and where its findings go."""

    name: str
    kind: str
    n: int
    index: str
    findings: str


@dataclass(frozen=True)
class CompareTask:
    """A shard and what it is to be compared with."""

    context: Context
    shard: Shard
    sets: tuple[Compared, ...]
    listed: str | None
    suppressed: str | None
    """Where findings about the suppression list go; None where they are not asked for."""


def compare_shard(task: CompareTask) -> Done:
    """Compare the documents of a shard, a row group at a time."""
    store, context = task.context.store(), task.context
    pack, key = context.concern(SCREEN), context.keys().seal
    parts: dict[str, list[pa.Table]] = {one.findings: [] for one in task.sets}
    if task.suppressed:
        parts[task.suppressed] = []
    listed, kinds = _listed(store, task), suppressed.kinds(pack)
    presets = suppressed.check(listed, seal.key_id(key))
    file = pq.ParquetFile(pa.BufferReader(read_shard(store, task.shard, "documents")))
    for number in range(file.num_row_groups):
        documents = file.read_row_group(number, list(COLUMNS))
        for one in task.sets:
            of = [kind for kind in reference.kinds(pack) if kind.kind == one.kind]
            known = _index(context.url, one.index, one.n)
            parts[one.findings].append(reference.compare(documents, known, one.name, of))
        if task.suppressed:
            parts[task.suppressed].append(suppressed.compare(documents, listed, presets, key, kinds))
    for name, found in parts.items():
        artefacts.put(store, name, artefacts.encode(_ordered(found)))
    return Done(task.shard.documents, task.shard.text_bytes, tuple(parts))


def _ordered(parts: Sequence[pa.Table]) -> pa.Table:
    found = pa.concat_tables([FINDINGS.empty_table(), *parts])
    return found.sort_by([(name, "ascending") for name in ("doc_id", "start", "end", "rule")])


def _listed(store: Store, task: CompareTask) -> pa.Table:
    return artefacts.get(store, task.listed) if task.listed else suppressed.SUPPRESSIONS.empty_table()


@lru_cache(maxsize=4)
def _index(url: str, name: str, n: int) -> reference.References:
    """Read an index once a process, not once a shard."""
    store = open_store(url)
    keys, sizes = (artefacts.get_range(store, [name], number) for number in (0, 1))
    return reference.prepare(keys, sizes, n)


def described(asked: Asked) -> Mapping[str, Any]:
    """Say what run.json tells of what documents were compared with."""
    return {"references": [one.described() for one in asked.sets], "suppressed_near": len(asked.listed)}
