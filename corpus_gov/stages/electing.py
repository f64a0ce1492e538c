"""Pass 3 of decide, one range of clusters at a time: who would stand, who was not compared with whom, who stands.

    stand_range  the members of a range of clusters -> what they are without duplicates, and pairs without a value
    elect_range  these, and what was measured of the pairs -> DUPLICATES, a part a shard

Clusters are independent of each other, so no task holds more than a range of them. In between `grouping.verified`
compares the pairs.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, policy
from corpus_gov.policy import Policy
from corpus_gov.relate import links, records
from corpus_gov.relate.records import Columns
from corpus_gov.stages import Context
from corpus_gov.stages.keying import preset_of
from corpus_gov.stages.ranges import put_cut, read_part
from corpus_gov.stages.valuing import ASKED
from corpus_gov.store import Store

VERSION: Final = 1


@dataclass(frozen=True)
class StandTask:
    """The members of one range of clusters, and everything that people and verdicts say about them."""

    context: Context
    members: tuple[str, ...]
    """Of judge_shard, one for each shard."""
    copies: str
    """links.LINK of the range."""
    number: int
    sources: str
    overrides: str
    suppressed: frozenset[str]
    as_of: date
    asked_ranges: int
    """Into how many ranges pairs are cut, by the smaller text."""


@dataclass(frozen=True)
class Standing:
    """What `stand_range` gives."""

    members: str
    asked: str
    """ASKED, in ranges."""
    pairs: int
    """How many of them."""


def stand_range(task: StandTask) -> Standing:
    """Say what becomes of members but for their duplicates, and with which representatives they were not compared."""
    store, in_force = task.context.store(), task.context.policy_in_force()
    said = [task.sources, task.overrides, sorted(task.suppressed), task.as_of.isoformat(), in_force.digest]
    made_from = [list(task.members), task.copies, task.number, said, VERSION]
    name, asked = artefacts.name("standing", *made_from), artefacts.name("pairs.asked", *made_from, task.asked_ranges)
    if artefacts.ready(store, name) is not True or artefacts.ready(store, asked) is not True:
        found, edges = _members(store, task), links.edges(_copies(store, task.copies))
        suppressed = pa.array(sorted(task.suppressed), pa.string())
        spread = policy.spread(in_force, found, edges, suppressed)
        members = policy.standing(
            in_force,
            policy.with_spread(found, pa.table({"doc_id": found["doc_id"], "spread": spread})),
            artefacts.get(store, task.sources),
            artefacts.get(store, task.overrides),
            suppressed,
            task.as_of,
        )
        rows = np.zeros((0, 2), np.int64)
        if preset_of(task.context) is not None:
            rows = missing(in_force, members, edges)
        pairs = pairs_of(members, rows) | {"group": np.full(len(rows), task.number, np.uint32)}
        put_cut(store, asked, pairs, ASKED, records.heads(pairs["a"]), task.asked_ranges)
        artefacts.put(store, name, artefacts.encode(members.append_column("spread", spread)))
    size = sum(map(len, artefacts.get_parts(store, asked, 0, task.asked_ranges)))
    return Standing(name, asked, size // ASKED.itemsize)


def _members(store: Store, task: StandTask) -> pa.Table:
    """Read the members of the range, each with the number of its shard."""
    parts = []
    for home, name in enumerate(task.members):
        part = artefacts.get_range(store, [name], task.number)
        parts.append(part.append_column("home", pa.repeat(pa.scalar(home, pa.uint32()), len(part))))
    return pa.concat_tables(parts).combine_chunks()


def _copies(store: Store, name: str) -> Columns:
    return records.unpacked([artefacts.read(store, name)], links.LINK)


def missing(in_force: Policy, members: pa.Table, edges: pa.Table) -> np.ndarray:
    """Pair the texts of each cluster with that of its representative where no edge does.

    Only the first representative of a cluster is compared with everybody: so a cluster costs no more comparisons than
    it has texts. Those after it stand for whom candidate pairs led to them.

    Args:
        in_force: the policy.
        members: of `standing`.
        edges: EDGES of kinds exact and near.

    Returns:
        int64 (n, 2), rows of members; one pair of rows for two texts.
    """
    chosen = policy.representatives(in_force, members)
    place = pc.index_in(members["cluster_id"], value_set=chosen["cluster_id"].combine_chunks())
    ids, texts = members["doc_id"].combine_chunks(), members["text_digest"].combine_chunks()
    row_of = pc.index_in(chosen["representative_id"], value_set=ids).combine_chunks()
    chosen_row = np.asarray(pc.fill_null(row_of.take(place.combine_chunks()), -1)).astype(np.int64)
    rows = np.flatnonzero(chosen_row >= 0)
    pairs = np.stack([rows, chosen_row[rows]], axis=1)
    text_of = np.asarray(texts.dictionary_encode().indices).astype(np.int64)
    ends = [pc.index_in(edges[side], value_set=ids).combine_chunks() for side in ("a", "b")]
    inside = pc.and_(ends[0].is_valid(), ends[1].is_valid())
    a, b = (text_of[np.asarray(end.filter(inside)).astype(np.int64)] for end in ends)
    n = len(text_of)
    x, y = text_of[pairs].T
    keys = x * n + y
    asked = np.flatnonzero((x != y) & ~np.isin(keys, np.concatenate([a * n + b, b * n + a])))
    return pairs[asked[np.unique(keys[asked], return_index=True)[1]]]


def pairs_of(members: pa.Table, rows: np.ndarray) -> Columns:
    """Write pairs of rows of members as records.PAIRS."""
    of = [members.take(pa.array(side)) for side in rows.T]
    texts, ids = ([records.names(table[name]) for table in of] for name in ("text_digest", "doc_id"))
    homes = [np.asarray(table["home"]) for table in of]
    # A code point has four bytes at most; blocks only have to be small enough.
    sizes = [np.minimum(4 * np.asarray(table["n_chars"]).astype(np.int64), 2**32 - 1) for table in of]
    swapped = texts[0] > texts[1]
    found: Columns = {"kind": np.zeros(len(rows), np.uint8)}
    for name, columns in (("", texts), ("doc_", ids), ("home_", homes), ("bytes_", sizes)):
        found[f"{name}a"], found[f"{name}b"] = (np.where(swapped, *pair) for pair in (columns[::-1], columns))
    return found


@dataclass(frozen=True)
class ElectTask:
    """One range of clusters, and links of the pairs that were compared for it."""

    context: Context
    standing: str
    copies: str
    verified: tuple[str, ...]
    number: int
    shards: int


def elect_range(task: ElectTask) -> str:
    """Elect representatives; returns the name of DUPLICATES, a part a shard."""
    store = task.context.store()
    name = artefacts.name("duplicates", task.standing, task.copies, sorted(task.verified), task.shards, VERSION)
    if artefacts.ready(store, name) is not True:
        members = artefacts.get(store, task.standing).combine_chunks()
        compared = read_part(store, task.verified, links.LINK, task.number)
        edges = links.edges(links.joined([_copies(store, task.copies), compared]))
        elected = policy.elect(task.context.policy_in_force(), members, edges)
        place = pc.index_in(elected["doc_id"], value_set=members["doc_id"].combine_chunks()).combine_chunks()
        spread = elected.schema.get_field_index("spread")
        elected = elected.set_column(spread, elected.schema.field(spread), members["spread"].take(place))
        homes = np.asarray(members["home"].take(place))
        artefacts.put_ranges(
            store, name, [elected.filter(pa.array(homes == home)).combine_chunks() for home in range(task.shards)]
        )
    return name
