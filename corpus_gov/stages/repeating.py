"""Repeated lines of the whole corpus: split each shard, count each range of hashes, then tell each shard.

    split_lines   shard -> its lines, and its counts cut by range    one task a shard
    count_lines   counts of all shards -> hits of each shard          one task a range, and one for the hosts
    find_repeats  lines and hits of a shard -> findings               one task a shard

Memory: a shard, or the rows of one range. The names say what the findings are made of, so that `decide` knows them
without a look at what was built.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from corpus_gov import artefacts
from corpus_gov.engine import Engine
from corpus_gov.relate import lines
from corpus_gov.stages import Context, Done, Shard, read_shard

SCREEN: Final = "lines"
"""What rules name; relate/lines.py looks for them."""

KIND: Final = "findings.lines"

TEXT_A_RANGE: Final = 256 << 20
"""Bytes of text whose lines one range counts: some 400 MB of memory where every line has nine words."""

COLUMNS: Final = ("doc_id", "text_digest", "host")


def finding_names(context: Context, shards: Sequence[Shard]) -> dict[str, str]:
    """Name the findings of every shard, by its ref; none where no rule in force asks for lines.

    A line is a repeat because of other documents, so every name depends on all shards.
    """
    pack = context.concern(SCREEN)
    if not pack.rules:
        return {}
    everything = artefacts.digest_of(sorted(_content(shard) for shard in shards))
    made_from = [everything, lines.MADE_BY, pack.digest]
    return {shard.ref: artefacts.name(KIND, _content(shard), *made_from) for shard in shards}


def build(engine: Engine, context: Context, shards: Sequence[Shard]) -> tuple[str, ...]:
    """Build the findings that are missing; returns those that were damaged and built again."""
    store, names = context.store(), finding_names(context, shards)
    state = {ref: artefacts.ready(store, name) for ref, name in names.items()}
    missing = {ref for ref, whole in state.items() if whole is not True}
    if missing:
        _build(engine, context, shards, {ref: names[ref] for ref in missing})
    # What a killed run left.
    artefacts.sweep(store, "counts.lines")
    return tuple(names[ref] for ref, whole in state.items() if whole is None)


def _build(engine: Engine, context: Context, shards: Sequence[Shard], missing: Mapping[str, str]) -> None:
    sizes = [shard.text_bytes for shard in shards]
    ranges = _ranges(sum(sizes))
    splits = [SplitTask(context, shard, ranges) for shard in shards]
    cuts = tuple(done.names for done in engine.map("lines", split_lines, splits, sizes))
    counting = [CountTask(context, tuple(cut for _, cut in cuts), number, ranges) for number in range(ranges + 1)]
    counts = tuple(engine.map("lines", count_lines, counting))
    tasks = [
        FindTask(context, shard, place, cuts[place][0], counts, missing[shard.ref])
        for place, shard in enumerate(shards)
        if shard.ref in missing
    ]
    engine.map("lines", find_repeats, tasks, [task.shard.text_bytes for task in tasks])
    # Any other shard changes the counts: no later run could name these.
    for name in counts:
        artefacts.remove(context.store(), name)


def _content(shard: Shard) -> list[str]:
    return [shard.source_id, shard.ref, shard.digests["documents"]]


def _ranges(text_bytes: int) -> int:
    """Choose a power of two: as a corpus grows, the cuts of earlier shards stay as they are most of the time."""
    return 1 << min(12, max(0, text_bytes // TEXT_A_RANGE).bit_length())


@dataclass(frozen=True)
class SplitTask:
    """A shard whose lines are wanted."""

    context: Context
    shard: Shard
    ranges: int


def split_lines(task: SplitTask) -> Done:
    """Split the texts of a shard; returns the names of its lines, and of its counts by range and of its hosts."""
    store, shard = task.context.store(), task.shard
    of = lines.kinds(task.context.concern(SCREEN))
    least = lines.least_tokens(of)
    everywhere = lines.least_tokens(of, ("host", "corpus"))
    lines_name = artefacts.name("lines", _content(shard), lines.MADE_BY, least)
    cut_name = artefacts.name("ranges.lines", lines_name, everywhere, task.ranges)
    if artefacts.ready(store, lines_name) is not True or artefacts.ready(store, cut_name) is not True:
        data = read_shard(store, shard, "documents")
        if artefacts.ready(store, lines_name) is True:
            found = artefacts.from_stream(artefacts.read(store, lines_name))
        else:
            found = _split(data, least)
            artefacts.put(store, lines_name, artefacts.stream(found))
        documents = artefacts.decode(data, COLUMNS)
        parts = lines.cut(lines.keys(found, documents, everywhere), task.ranges)
        # The hosts are one range more.
        artefacts.put_parts(store, cut_name, [artefacts.stream(part) for part in (*parts, lines.hosts(documents))])
    return Done(shard.documents, shard.text_bytes, (lines_name, cut_name))


def _split(data: bytes, least: int) -> pa.Table:
    file, parts, row = pq.ParquetFile(pa.BufferReader(data)), [lines.LINES.empty_table()], 0
    for number in range(file.num_row_groups):
        text = file.read_row_group(number, ["text"])["text"].combine_chunks()
        parts.append(lines.split(text, least, row))
        row += len(text)
    return pa.concat_tables(parts).combine_chunks()


@dataclass(frozen=True)
class CountTask:
    """One range of hashes of every shard; the one behind the last is that of the hosts."""

    context: Context
    cuts: tuple[str, ...]
    number: int
    ranges: int


def count_lines(task: CountTask) -> str:
    """Count one range over all shards; returns the name of what it tells each of them."""
    store = task.context.store()
    of = lines.kinds(task.context.concern(SCREEN))
    name = artefacts.name("counts.lines", task.cuts, task.number, task.context.concern(SCREEN).digest, lines.MADE_BY)
    if artefacts.ready(store, name) is not True:
        parts = [artefacts.from_stream(artefacts.get_part(store, cut, task.number)) for cut in task.cuts]
        hits = lines.tell_hosts(parts) if task.number == task.ranges else lines.count(parts, of)
        artefacts.put_parts(store, name, [artefacts.stream(part) for part in hits])
    return name


@dataclass(frozen=True)
class FindTask:
    """A shard that is told which of its lines are frequent; its place is that among all shards."""

    context: Context
    shard: Shard
    place: int
    lines: str
    counts: tuple[str, ...]
    name: str


def find_repeats(task: FindTask) -> str:
    """Make the findings of a shard; returns their name."""
    store = task.context.store()
    documents = artefacts.decode(read_shard(store, task.shard, "documents"), COLUMNS)
    *hits, hosts = (artefacts.from_stream(artefacts.get_part(store, count, task.place)) for count in task.counts)
    split = artefacts.from_stream(artefacts.read(store, task.lines))
    of = lines.kinds(task.context.concern(SCREEN))
    found = lines.repeats(documents, split, pa.concat_tables(hits), hosts, of)
    artefacts.put(store, task.name, artefacts.encode(found))
    return task.name
