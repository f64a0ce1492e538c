"""Bursts: copies and near copies of one text on many sites within hours, as they appear where a text is planted.

News of agencies spread like that too, so a finding is for a person to see and says how many sites it were. A cluster
is looked at as a whole; which of its documents belong to a burst follows from sites and times alone, and so any cut
of the corpus into shards gives the same findings.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.relate.findings import of_rule
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import FINDINGS

VERSION: Final = 1

TIMES: Final = ("published_at", "fetched_at")
"""Columns of DOCUMENTS that a rule may take the time of a document from."""

COLUMNS: Final = ("doc_id", "text_digest", "registered_domain", *TIMES, "n_chars")
"""Of DOCUMENTS: what is read."""

_NEEDED: Final = {"sites": int, "hours": int, "least_chars": int, "times": tuple}

MEMBERS: Final = pa.schema(
    [
        pa.field("cluster_id", pa.string()),
        pa.field("rule", pa.int32()),
        pa.field("site", pa.string()),
        pa.field("time", pa.int64()),
        pa.field("row", pa.int32()),
    ]
)
"""Documents of clusters that a rule counts: time in microseconds, row in the shard."""

HITS: Final = pa.schema(
    [
        pa.field("home", pa.int32()),
        pa.field("row", pa.int32()),
        pa.field("rule", pa.int32()),
        pa.field("sites", pa.int32()),
        pa.field("documents", pa.int32()),
        pa.field("minutes", pa.int64()),
    ]
)
"""Documents in bursts, the number of their shard, and the burst: sites, documents, minutes from first to last."""


class Kind(NamedTuple):
    """A rule, ready to be asked."""

    rule: Rule
    sites: int
    """Fewest registered domains of a burst."""
    width: int
    """Microseconds within which so many have the text."""
    least_chars: int
    times: tuple[str, ...]
    """The first of them that is known is when the document appeared."""


def kinds(pack: RulePack) -> tuple[Kind, ...]:
    """Read what the rules ask for.

    Raises:
        RuleError: a rule says something that this relation does not read.
    """
    return tuple(_kind(rule) for rule in pack.rules)


def _kind(rule: Rule) -> Kind:
    check_params(rule, _NEEDED, {})
    sites, hours, times = (rule.params[name] for name in ("sites", "hours", "times"))
    if sites < 2 or hours < 1:
        raise rule.error(f"found {sites!r} sites in {hours!r} hours, expected 2 or more in 1 or more; raise them")
    if not times or set(times).difference(TIMES):
        raise rule.error(f"params.times is {times!r}, expected some of {TIMES!r}; correct it")
    width = timedelta(hours=hours) // timedelta(microseconds=1)
    return Kind(rule, sites, width, rule.params["least_chars"], times)


def members(documents: pa.Table, clusters: pa.Table, of: tuple[Kind, ...]) -> pa.Table:
    """Pick the documents of a shard that rules count: in a cluster, long enough, with a site and a time.

    Args:
        documents: COLUMNS, n rows.
        clusters: CLUSTERS; of any documents.
        of: the rules.

    Returns:
        MEMBERS, a row for each document and rule.
    """
    place = pc.index_in(documents["doc_id"], value_set=clusters["doc_id"].combine_chunks())
    cluster = clusters["cluster_id"].take(place)
    parts = [MEMBERS.empty_table()]
    for number, kind in enumerate(of):
        time = pc.coalesce(*(documents[name].cast(pa.int64()) for name in kind.times))
        known = [pc.is_valid(column) for column in (cluster, documents["registered_domain"], time)]
        chosen = pc.and_(
            pc.and_(*known[:2]), pc.and_(known[2], pc.greater_equal(documents["n_chars"], kind.least_chars))
        )
        rows = pa.array(np.flatnonzero(np.asarray(chosen)), pa.int32())
        columns = [
            cluster.take(rows).combine_chunks(),
            pa.repeat(pa.scalar(number, pa.int32()), len(rows)),
            documents["registered_domain"].take(rows).combine_chunks(),
            time.take(rows).combine_chunks(),
            rows,
        ]
        parts.append(pa.table(columns, schema=MEMBERS))
    return pa.concat_tables(parts)


def count(rows: pa.Table, of: tuple[Kind, ...]) -> pa.Table:
    """Find the bursts in whole clusters.

    Args:
        rows: MEMBERS with `home`, int32, the number of the shard; clusters are whole.
        of: the rules.

    Returns:
        HITS, ascending by home, row and rule.
    """
    parts = [HITS.empty_table()]
    for number, kind in enumerate(of):
        asked = _of_many_sites(rows.filter(pc.equal(rows["rule"], number)), kind.sites)
        parts += [_hits(asked.slice(low, high - low), number, kind) for low, high in _clusters(asked)]
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in ("home", "row", "rule")])


def _of_many_sites(rows: pa.Table, sites: int) -> pa.Table:
    """Leave out clusters that have not enough sites at any time; few have, and only those are walked through."""
    counted = rows.group_by("cluster_id").aggregate([("site", "count_distinct")])
    many = counted["cluster_id"].filter(pc.greater_equal(counted["site_count_distinct"], sites)).combine_chunks()
    order = [(name, "ascending") for name in ("cluster_id", "time", "home", "row")]
    return rows.filter(pc.is_in(rows["cluster_id"], value_set=many)).sort_by(order).combine_chunks()


def _clusters(rows: pa.Table) -> Iterator[tuple[int, int]]:
    codes = np.asarray(rows["cluster_id"].combine_chunks().dictionary_encode().indices)
    bounds = np.flatnonzero(np.diff(codes, prepend=-1, append=-1)).tolist() if len(rows) else []
    return pairwise(bounds)


def _hits(cluster: pa.Table, number: int, kind: Kind) -> pa.Table:
    times, sites = cluster["time"].to_numpy(), cluster["site"].to_pylist()
    found: dict[str, list[np.ndarray]] = {name: [np.zeros(0, np.int64)] for name in HITS.names}
    for low, high in _bursts(times, sites, kind):
        homes, rows = (cluster[name].to_numpy()[low:high] for name in ("home", "row"))
        said = (len(set(sites[low:high])), high - low, (times[high - 1] - times[low]) // 60_000_000)
        values = (homes, rows, *(np.full(high - low, value) for value in (number, *said)))
        for name, column in zip(HITS.names, values, strict=True):
            found[name].append(column)
    return pa.table([pa.array(np.concatenate(found[f.name]), f.type) for f in HITS], schema=HITS)


def _bursts(times: np.ndarray, sites: list[str], kind: Kind) -> list[tuple[int, int]]:
    """Return the runs of documents that windows with enough sites cover; windows that share one are one burst.

    A window ends at each document and reaches back as far as the rule allows, so that the work is linear.
    """
    inside: Counter[str] = Counter()
    found: list[tuple[int, int]] = []
    first = 0
    for last, site in enumerate(sites):
        inside[site] += 1
        while times[last] - times[first] > kind.width:
            inside[sites[first]] -= 1
            if not inside[sites[first]]:
                del inside[sites[first]]
            first += 1
        if len(inside) < kind.sites:
            continue
        if found and first < found[-1][1]:
            found[-1] = (found[-1][0], last + 1)
        else:
            found.append((first, last + 1))
    return found


def tell(documents: pa.Table, hits: pa.Table, of: tuple[Kind, ...]) -> pa.Table:
    """Make the findings of a shard.

    Args:
        documents: doc_id, text_digest and n_chars of the shard.
        hits: HITS of it.
        of: the rules.

    Returns:
        FINDINGS, by rule and row: a finding is the whole text; note says sites, documents and minutes of the burst.
    """
    parts = [FINDINGS.empty_table()]
    for number, kind in enumerate(of):
        mine = hits.filter(pc.equal(hits["rule"], number)).sort_by("row")
        rows = mine["row"].to_numpy()
        end = documents["n_chars"].take(pa.array(rows)).combine_chunks()
        note = pa.array([_note(row) for row in mine.select(["sites", "documents", "minutes"]).to_pylist()], pa.string())
        spans = (pa.array(np.zeros(len(rows), np.int64)), end)
        parts.append(of_rule(documents, rows, kind.rule, spans, note))
    return pa.concat_tables(parts).combine_chunks()


def _note(burst: Mapping[str, int]) -> str:
    return ",".join(f"{name}:{value}" for name, value in burst.items())
