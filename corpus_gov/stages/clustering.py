"""Links to edges and clusters, a range at a time: no task and not the client holds more than a range of names.

    number_range   one range of documents -> EDGES of which they are `a`, their numbers, what is made of what
    resolve_range  one range of documents -> links of copies as pairs of numbers
    group_range    one range of documents, the smallest number of each one's component -> its cluster
    tell_range     one range of clusters -> CLUSTERS, and the links inside of them
    tell_shard     a shard -> the clusters that its documents are in, and what they are made of

Between `resolve_range` and `group_range` the client unites numbers (`components`): four bytes for each document that
has a copy. Ranges are equal parts of all doc_ids, and clusters go by their smallest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.relate import clusters, links, records
from corpus_gov.relate.records import Columns
from corpus_gov.schemas import CLUSTERS
from corpus_gov.stages import Context
from corpus_gov.stages.ranges import put_cut, read_part
from corpus_gov.store import Store

TOLD: Final = pa.schema(
    [
        pa.field("doc_id", pa.string()),
        pa.field("cluster_id", pa.string()),
        pa.field("contained_share", pa.int32()),
        pa.field("contained_in", pa.string()),
        pa.field("spun_share", pa.int32()),
        pa.field("spun_of", pa.string()),
    ]
)
"""A document that has relatives: its cluster, and of which others it is largely made. Shares are ten-thousandths."""

_PAIR: Final = np.dtype([("a", "<i8"), ("b", "<i8")])
_HALF: Final = np.dtype([("a", "<u4"), ("b", records.NAME)])
"""A link of which one end is numbered inside its range."""
_PLACED: Final = np.dtype([("doc", records.NAME), ("home", "<u4"), ("first", "<u4")])
"""A document, its shard, and the number of the smallest of its cluster inside the range of that one."""
_MEMBER: Final = np.dtype([("doc", records.NAME), ("cluster", records.NAME)])


@dataclass(frozen=True)
class NumberTask:
    """One range of documents: everything that was found of them."""

    context: Context
    links: tuple[str, ...]
    number: int
    ranges: int
    shards: int
    edges: str
    """Where EDGES go."""


@dataclass(frozen=True)
class Numbered:
    """What `number_range` gives."""

    nodes: str
    """links.END of the documents that have copies, ascending: a document's number is its place."""
    halves: str
    """Links of copies, a by its number, cut by b."""
    made: str
    """links.MADE, a part a shard."""
    count: int
    """How many documents are numbered."""


def number_range(task: NumberTask) -> Numbered:
    """Write the EDGES of a range, and number its documents that have copies."""
    store = task.context.store()
    made_from = [sorted(task.links), task.number, task.ranges]
    nodes, halves = (artefacts.name(f"links.{kind}", *made_from) for kind in ("nodes", "halves"))
    made = artefacts.name("links.made", *made_from, task.shards)
    if not all(artefacts.ready(store, name) is True for name in (nodes, halves, made, task.edges)):
        found = links.ordered(read_part(store, task.links, links.LINK, task.number))
        ends = read_part(store, task.links, links.END, task.ranges + task.number)
        copies = links.taken(found, np.flatnonzero(links.are_copies(found)))
        known = links.nodes(copies, ends)
        rows = {"a": np.searchsorted(known["doc"], copies["a"]), "b": copies["b"]}
        put_cut(store, halves, rows, _HALF, records.heads(copies["b"]), task.ranges)
        made_of = links.made_of(found)
        artefacts.put_parts(store, made, records.divided(made_of, links.MADE, made_of["home"], task.shards))
        artefacts.put(store, task.edges, artefacts.encode(links.edges(found)))
        artefacts.put(store, nodes, records.packed(known, links.END))
    return Numbered(nodes, halves, made, len(artefacts.read(store, nodes)) // links.END.itemsize)


@dataclass(frozen=True)
class ResolveTask:
    """One range of documents: the links of which they are `b`."""

    context: Context
    halves: tuple[str, ...]
    nodes: str
    firsts: str
    """Of `put_firsts`."""
    number: int


def resolve_range(task: ResolveTask) -> str:
    """Number both ends of links; returns the name of pairs of numbers."""
    store = task.context.store()
    name = artefacts.name("links.united", list(task.halves), task.nodes, task.firsts, task.number)
    if artefacts.ready(store, name) is not True:
        firsts, known = _firsts(store, task.firsts), _nodes(store, task.nodes)
        parts = [read_part(store, [half], _HALF, task.number) for half in task.halves]
        a = np.concatenate([part["a"] + first for part, first in zip(parts, firsts, strict=False)])
        b = np.searchsorted(known["doc"], np.concatenate([part["b"] for part in parts])) + firsts[task.number]
        artefacts.put(store, name, records.packed({"a": a, "b": b}, _PAIR))
    return name


def components(store: Store, pairs: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
    """Find the components of links, in the client: one range of pairs at a time.

    Memory: four bytes a numbered document.

    Args:
        store: where.
        pairs: of `resolve_range`.
        counts: numbered documents of each range.

    Returns:
        For each range the name of the smallest number of each document's component, int64.
    """
    parent = clusters.singles(sum(counts))
    for name in pairs:
        rows = records.unpacked([artefacts.read(store, name)], _PAIR)
        clusters.unite(parent, rows["a"], rows["b"])
    clusters.settle(parent)
    made_from, names, first = artefacts.digest_of(list(pairs)), [], 0
    for number, count in enumerate(counts):
        names.append(artefacts.name("links.roots", made_from, number))
        artefacts.put(store, names[-1], parent[first : first + count].astype(np.int64).tobytes())
        first += count
    return tuple(names)


def put_firsts(store: Store, counts: Sequence[int]) -> str:
    """Store the first number of each range; returns the name."""
    data = np.cumsum([0, *counts]).astype(np.int64).tobytes()
    name = artefacts.name("links.firsts", sha256(data).hexdigest())
    artefacts.put(store, name, data)
    return name


@dataclass(frozen=True)
class GroupTask:
    """One range of documents: all their links, and the components of those that have copies."""

    context: Context
    links: tuple[str, ...]
    nodes: str
    roots: str
    firsts: str
    number: int
    ranges: int


def group_range(task: GroupTask) -> str:
    """Send documents, and the links between copies, to the ranges of their clusters; returns the name of both."""
    store = task.context.store()
    name = artefacts.name("links.grouped", task.nodes, task.roots, task.number, task.ranges)
    if artefacts.ready(store, name) is not True:
        firsts, known = _firsts(store, task.firsts), _nodes(store, task.nodes)
        roots = np.frombuffer(artefacts.read(store, task.roots), np.int64)
        ranges = np.searchsorted(firsts, roots, side="right") - 1
        placed = {"doc": known["doc"], "home": known["home"], "first": roots - firsts[ranges]}
        found = read_part(store, task.links, links.LINK, task.number)
        found = links.taken(found, np.flatnonzero(links.are_copies(found)))
        of_link = ranges[np.searchsorted(known["doc"], found["a"])]
        by_document = records.divided(placed, _PLACED, ranges, task.ranges)
        artefacts.put_parts(store, name, [*by_document, *records.divided(found, links.LINK, of_link, task.ranges)])
    return name


@dataclass(frozen=True)
class TellTask:
    """One range of clusters."""

    context: Context
    grouped: tuple[str, ...]
    nodes: str
    number: int
    ranges: int
    shards: int
    clusters: str
    """Where CLUSTERS go."""
    copies: str
    """Where links.LINK of copies go."""


def tell_range(task: TellTask) -> str:
    """Write CLUSTERS and the links inside of them; returns the name of what shards are told, a part each."""
    store = task.context.store()
    name = artefacts.name("links.told", sorted(task.grouped), task.number, task.shards)
    if not all(artefacts.ready(store, one) is True for one in (name, task.clusters, task.copies)):
        placed = read_part(store, task.grouped, _PLACED, task.number)
        placed = links.taken(placed, records.order(placed["doc"]))
        found = links.ordered(read_part(store, task.grouped, links.LINK, task.ranges + task.number))
        members = {"doc": placed["doc"], "cluster": _nodes(store, task.nodes)["doc"][placed["first"]]}
        columns = [records.hexadecimal(members[field]) for field in ("doc", "cluster")]
        artefacts.put_parts(store, name, records.divided(members, _MEMBER, placed["home"], task.shards))
        artefacts.put(store, task.clusters, artefacts.encode(pa.table(columns, schema=CLUSTERS)))
        artefacts.put(store, task.copies, records.packed(found, links.LINK))
    return name


@dataclass(frozen=True)
class ShardTask:
    """What a shard is told by all ranges, and where it is put together."""

    context: Context
    members: tuple[str, ...]
    made: tuple[str, ...]
    home: int
    told: str


def tell_shard(task: ShardTask) -> None:
    """Write TOLD of a shard."""
    store = task.context.store()
    if artefacts.ready(store, task.told) is True:
        return
    members = read_part(store, task.members, _MEMBER, task.home)
    made = read_part(store, task.made, links.MADE, task.home)
    columns = {"doc_id": records.hexadecimal(made["doc"])}
    for share, other in (("contained_share", "contained_in"), ("spun_share", "spun_of")):
        shares = links.shares(made[share])
        columns[share] = shares
        columns[other] = pc.if_else(shares.is_valid(), records.hexadecimal(made[other]), None)
    ids = [records.hexadecimal(members[field]) for field in ("doc", "cluster")]
    rows = pa.table(ids, names=["doc_id", "cluster_id"]).join(pa.table(columns), "doc_id", join_type="full outer")
    told = pa.table([rows[name] for name in TOLD.names], schema=TOLD).sort_by("doc_id")
    artefacts.put(store, task.told, artefacts.encode(told))


def told_name(key: str, place: int) -> str:
    """Name TOLD of the shard at a place among all, of what grouping.relate called `key`."""
    return artefacts.name("told", key, place)


def told(store: Store, part: tuple[str, int]) -> tuple[pa.Table, pa.Table]:
    """Read what a shard is told: the rows of CLUSTERS of its documents, and those of what is made of what.

    Args:
        store: where.
        part: arguments of `told_name`.
    """
    found = artefacts.get(store, told_name(*part))
    ids, rest = found.select(["doc_id", "cluster_id"]), found.drop_columns(["cluster_id"])
    members = ids.filter(pc.is_valid(ids["cluster_id"])).cast(CLUSTERS)
    return members, rest.filter(pc.or_kleene(pc.is_valid(rest["contained_in"]), pc.is_valid(rest["spun_of"])))


def _nodes(store: Store, name: str) -> Columns:
    return records.unpacked([artefacts.read(store, name)], links.END)


def _firsts(store: Store, name: str) -> np.ndarray:
    return np.frombuffer(artefacts.read(store, name), np.int64)
