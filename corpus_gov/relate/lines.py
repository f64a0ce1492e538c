"""Repeated lines and paragraphs: within a document, within a host, and across the corpus, as findings with spans.

`split` lists the lines of one shard, `keys` counts its documents by line and host, `count` adds up one range of hashes
over all shards and tells each shard which of its lines are frequent, and `repeats` makes findings of them. Lines are
compared in the matching view; nothing is cut here. No step holds more than a shard or a range of hashes, and the
findings are a function of the set of documents: a document counts once for a line, and the first document of several
is the one of smallest doc_id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels import pieces, shingles
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.kernels.folding import Folding
from corpus_gov.relate import findings
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import FINDINGS, SCALE

VERSION: Final = 1

VIEW: Final = Folding()
"""Case, width, accents, punctuation and traditional characters make no other line; digits do."""

MADE_BY: Final = (VERSION, pieces.VERSION, shingles.VERSION, VIEW.key)
"""What decides the findings beside the documents and the rules."""

UNITS: Final = ("line", "paragraph")
SCOPES: Final = ("document", "host", "corpus")
WHICH: Final = ("later", "first")

LINES: Final = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("hash", pa.uint64()),
        pa.field("start", pa.uint32()),
        pa.field("stop", pa.uint32()),
        pa.field("tokens", pa.uint32()),
        pa.field("size", pa.uint32()),
    ]
)
"""One row a line, then one a paragraph: the row of its document in the shard, hash, span in code points, tokens, and
lines that it has (1 for a line)."""

KEYS: Final = pa.schema(
    [
        pa.field("hash", pa.uint64()),
        pa.field("host", pa.uint64()),
        pa.field("documents", pa.uint32()),
        pa.field("first", pa.uint64()),
    ]
)
"""Documents of a shard that have a line, by host (0: none), and the first 8 bytes of the smallest of their doc_ids."""

HITS: Final = pa.schema(
    [
        pa.field("hash", pa.uint64()),
        pa.field("host", pa.uint64()),
        pa.field("of_host", pa.int64()),
        pa.field("of_corpus", pa.int64()),
        pa.field("first_of_host", pa.uint64()),
        pa.field("first_of_corpus", pa.uint64()),
    ]
)
"""A frequent line of a shard: documents of that host and of all that have it, and the first of them."""

HOSTS: Final = pa.schema([pa.field("host", pa.uint64()), pa.field("documents", pa.int64())])
"""Documents of each host."""

_MIX: Final = np.uint64(0xFF51AFD7ED558CCD)


@dataclass(frozen=True)
class Kind:
    """What a rule of screen `lines` looks for."""

    rule: Rule
    unit: str
    scope: str
    which: str
    tokens: int
    least: int
    share: int
    """In ten-thousandths."""


def kinds(rules: RulePack) -> tuple[Kind, ...]:
    """Read the rules of screen `lines`.

    Params: unit (line, or paragraph of two and more lines), scope (document, host, corpus), tokens (least tokens),
    least (so many times in a document, or in so many documents), which (later, the default: all but the first; or
    first), share (for a host: also in that share of its documents).

    Raises:
        RuleError: params are missing, unknown, or mean nothing together.
    """
    return tuple(_kind(rule) for rule in rules.rules)


def _kind(rule: Rule) -> Kind:
    check_params(rule, {"unit": str, "scope": str, "tokens": int, "least": int}, {"which": str, "share": float})
    share = round(SCALE * rule.params.get("share", 0.0))
    given = {name: rule.params[name] for name in ("unit", "scope", "tokens", "least")}
    found = Kind(rule, which=rule.params.get("which", "later"), share=share, **given)
    for name, known in (("unit", UNITS), ("scope", SCOPES), ("which", WHICH)):
        if getattr(found, name) not in known:
            raise rule.error(f"params.{name} is {getattr(found, name)!r}, expected one of {known!r}; choose one")
    if found.least < 2 or found.tokens < 1 or not 0 <= found.share <= SCALE:
        raise rule.error("expected params.least of 2 or more, tokens of 1 or more, share of 0 to 1; correct them")
    if (found.which == "first" and found.scope == "document") or (found.share and found.scope != "host"):
        raise rule.error("found a first line of a document, or a share of no host; leave `which` or `share` out")
    return found


def least_tokens(of: Sequence[Kind], scopes: Iterable[str] = SCOPES) -> int:
    """Return the least tokens of a line that a rule of these scopes looks at; 0 without one."""
    return min((kind.tokens for kind in of if kind.scope in scopes), default=0)


def split(text: pa.Array, least: int, first_row: int = 0) -> pa.Table:
    """List the lines and paragraphs of texts.

    Args:
        text: string or large_string, n rows.
        least: shorter ones are left out, in tokens.
        first_row: what to count rows from.

    Returns:
        LINES.
    """
    found = pieces.lines(text, VIEW, least)
    columns = (found.rows + first_row, found.hashes, found.starts, found.stops, found.tokens, found.sizes)
    return pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, LINES, strict=True)], schema=LINES)


def host_ids(host: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Hash hosts: the first 8 bytes of SHA-256, uint64; 0 for none."""
    encoded = (host.combine_chunks() if isinstance(host, pa.ChunkedArray) else host).dictionary_encode()
    names = [int.from_bytes(sha256(name.encode()).digest()[:8], "big") for name in encoded.dictionary.to_pylist()]
    places = np.asarray(pc.fill_null(encoded.indices, len(names)))
    found: np.ndarray = np.array([*names, 0], np.uint64)[places]
    return found


def doc_numbers(doc_id: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Read the first 16 hex digits of each doc_id, uint64: ascending as the ids are."""
    found: np.ndarray = hex_bytes(doc_id, 8).reshape(-1).view(">u8").astype(np.uint64)
    return found


def keys(lines: pa.Table, documents: pa.Table, least: int) -> pa.Table:
    """Count the documents of a shard that have each line, by host.

    Args:
        lines: LINES of the shard.
        documents: doc_id and host of its rows.
        least: shorter lines are left out, in tokens; 0 leaves out all.

    Returns:
        KEYS, in no order.
    """
    kept = lines.filter(pc.greater_equal(lines["tokens"], least)) if least else LINES.empty_table()
    rows, hashes = np.asarray(kept["row"]), np.asarray(kept["hash"])
    hosts, numbers = host_ids(documents["host"]), doc_numbers(documents["doc_id"])
    # Most lines are there once: only the others are sorted with care.
    once, order = _alone(hashes)
    single = order[once]
    again = order[~once]
    again = again[np.lexsort((numbers[rows[again]], hosts[rows[again]], hashes[again]))]
    line, host, row = hashes[again], hosts[rows[again]], rows[again]
    new = _changes(line, host)
    starts = np.flatnonzero(new)
    distinct = new | _changes(row)
    counts = np.add.reduceat(distinct.astype(np.uint32), starts) if len(starts) else np.zeros(0, np.uint32)
    columns = [
        np.concatenate((hashes[single], line[starts])),
        np.concatenate((hosts[rows[single]], host[starts])),
        np.concatenate((np.ones(len(single), np.uint32), counts.astype(np.uint32))),
        np.concatenate((numbers[rows[single]], numbers[row[starts]])),
    ]
    return pa.table([pa.array(column) for column in columns], schema=KEYS)


def cut(keys: pa.Table, ranges: int) -> list[pa.Table]:
    """Cut KEYS into equal ranges of hashes."""
    numbers = ((np.asarray(keys["hash"]) >> np.uint64(32)) * np.uint64(ranges) >> np.uint64(32)).astype(np.uint16)
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(ranges + 1))
    ordered = keys.take(pa.array(order))
    return [ordered.slice(a, b - a) for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]


def hosts(documents: pa.Table) -> pa.Table:
    """Count the documents of each host.

    Returns:
        HOSTS, ascending; documents without a host are left out.
    """
    ones = pa.array(np.ones(len(documents), np.int64))
    return _summed(pa.table([pa.array(host_ids(documents["host"])), ones], schema=HOSTS))


def tell_hosts(parts: Sequence[pa.Table]) -> list[pa.Table]:
    """Add up the documents of each host over all shards, and tell each shard those of its hosts.

    Memory: 16 bytes a host and shard that has it.

    Args:
        parts: HOSTS of each shard.

    Returns:
        HOSTS of each shard, ascending.
    """
    total = _summed(pa.concat_tables([HOSTS.empty_table(), *parts]))
    return [total.filter(pc.is_in(total["host"], value_set=part["host"].combine_chunks())) for part in parts]


def _summed(rows: pa.Table) -> pa.Table:
    summed = rows.group_by("host").aggregate([("documents", "sum")]).rename_columns(HOSTS.names)
    return summed.filter(pc.not_equal(summed["host"], pa.scalar(0, pa.uint64()))).sort_by("host")


def count(parts: Sequence[pa.Table], of: Sequence[Kind]) -> list[pa.Table]:
    """Add up one range of hashes over all shards.

    Memory: some 100 bytes a row of the range.

    Args:
        parts: KEYS of each shard.
        of: the rules; what none of them can find is left out.

    Returns:
        HITS of each shard, ascending.
    """
    least = {scope: min((k.least for k in of if k.scope == scope), default=None) for scope in SCOPES}
    rows = pa.concat_tables([KEYS.empty_table(), *parts])
    line, host, documents, first = (np.asarray(rows[name]) for name in KEYS.names)
    shard = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = np.argsort(line)
    starts = np.flatnonzero(_changes(line[order]))
    wanted = min((n for scope, n in least.items() if n and scope != "document"), default=2**62)
    sums = np.add.reduceat(documents[order].astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    places = order[np.repeat(sums >= wanted, np.diff(np.append(starts, len(order))))]
    places = places[np.lexsort((host[places], line[places]))]
    line, host, documents, first = line[places], host[places], documents[places].astype(np.int64), first[places]
    of_corpus, first_of_corpus = _totals(documents, first, _changes(line))
    of_host, first_of_host = _totals(documents, first, _changes(line, host))
    frequent = (of_corpus >= (least["corpus"] or 2**62)) | ((of_host >= (least["host"] or 2**62)) & (host != 0))
    columns = (line, host, of_host, of_corpus, first_of_host, first_of_corpus)
    table = pa.table([pa.array(column[frequent]) for column in columns], schema=HITS)
    mine = shard[places][frequent]
    return [table.filter(pa.array(mine == number)) for number in range(len(parts))]


def repeats(documents: pa.Table, lines: pa.Table, hits: pa.Table, hosts: pa.Table, of: Sequence[Kind]) -> pa.Table:
    """Make findings of the repeated lines of a shard; neighbours that repeat by one rule are one finding.

    A span begins with the white space before the line, so that a cut leaves no empty line. The note tells how many
    lines it has and, of a host or the corpus, in how many documents the rarest of them stands.

    Args:
        documents: doc_id, text_digest and host of the shard's rows.
        lines: LINES of the shard.
        hits: HITS of the shard, all ranges.
        hosts: HOSTS, at least of the shard's.
        of: the rules.

    Returns:
        FINDINGS, by document, start and rule.
    """
    seen = _Seen(documents, lines, hits, hosts)
    parts = [_findings(documents, lines, kind, *seen.chosen(kind)) for kind in of]
    found = pa.concat_tables([FINDINGS.empty_table().add_column(0, "row", pa.array([], pa.int64())), *parts])
    order = [("row", "ascending"), ("start", "ascending"), ("end", "ascending"), ("rule", "ascending")]
    return found.sort_by(order).drop_columns(["row"])


class _Seen:
    """Where the lines of a shard stand in their documents, their hosts and the corpus."""

    def __init__(self, documents: pa.Table, lines: pa.Table, hits: pa.Table, hosts: pa.Table) -> None:
        names = ("row", "hash", "start", "tokens", "size")
        self.row, self.hash, self.start, self.tokens, self.size = (np.asarray(lines[name]) for name in names)
        self.times, self.number = self._within()
        self.number_of = doc_numbers(documents["doc_id"])[self.row]
        self.host = host_ids(documents["host"])[self.row]
        self.hits = hits.append_column("pair", pa.array(_pair(np.asarray(hits["hash"]), np.asarray(hits["host"]))))
        self.hits = self.hits.sort_by("pair")
        at = np.searchsorted(np.asarray(self.hits["pair"]), pair := _pair(self.hash, self.host))
        at[at == len(hits)] = 0
        self.place = np.where(np.asarray(self.hits["pair"])[at] == pair, at, -1) if len(hits) else np.full(len(at), -1)
        known = np.asarray(hosts["host"])
        at = np.searchsorted(known, self.host)
        self.documents = np.append(np.asarray(hosts["documents"]), 1)[np.where(self.host == 0, len(known), at)]

    def _within(self) -> tuple[np.ndarray, np.ndarray]:
        """Count how often each line stands in its document, and the which-th time this one is, from 1."""
        times, number = np.ones(len(self.hash), np.int64), np.ones(len(self.hash), np.int64)
        once, order = _alone(_pair(self.hash, self.row.astype(np.uint64)))
        again = order[~once]
        again = again[np.lexsort((self.start[again], self.hash[again], self.row[again]))]
        starts = np.flatnonzero(_changes(self.row[again], self.hash[again]))
        sizes = np.diff(np.append(starts, len(again)))
        times[again] = np.repeat(sizes, sizes)
        number[again] = np.arange(len(again)) - np.repeat(starts, sizes) + 1
        return times, number

    def chosen(self, kind: Kind) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the places of the lines that a rule finds, and in how many documents each stands."""
        mine = (self.tokens >= kind.tokens) & ((self.size > 1) == (kind.unit == "paragraph"))
        if kind.scope == "document":
            return np.flatnonzero(mine & (self.times >= kind.least) & (self.number > 1)), None
        mine &= self.place >= 0
        of, first = (np.asarray(self.hits[f"{name}_{kind.scope}"]) for name in ("of", "first_of"))
        places = np.flatnonzero(mine)
        counts, leader = of[self.place[places]], first[self.place[places]]
        kept = counts >= kind.least
        kept &= ((self.number_of[places] == leader) & (self.number[places] == 1)) == (kind.which == "first")
        if kind.scope == "host":
            kept &= (self.host[places] != 0) & (SCALE * counts >= kind.share * self.documents[places])
        return places[kept], counts[kept]


def _findings(
    documents: pa.Table, lines: pa.Table, kind: Kind, places: np.ndarray, counts: np.ndarray | None
) -> pa.Table:
    row, start, stop, size = (np.asarray(lines[name])[places] for name in ("row", "start", "stop", "size"))
    new = np.ones(len(places), bool)
    # A span begins where the one before it ends if nothing but white space lies between them.
    new[1:] = (row[1:] != row[:-1]) | (start[1:] > stop[:-1])
    heads = np.flatnonzero(new)
    tails = np.append(heads, len(places))[1:] - 1
    sizes = np.add.reduceat(size, heads) if len(heads) else size
    note = pc.binary_join_element_wise("lines=", pa.array(sizes).cast(pa.string()), "")
    if counts is not None:
        rarest = np.minimum.reduceat(counts, heads) if len(heads) else counts
        note = pc.binary_join_element_wise(note, " documents=", pa.array(rarest).cast(pa.string()), "")
    rows = row[heads].astype(np.int64)
    spans = (pa.array(start[heads].astype(np.int64)), pa.array(stop[tails].astype(np.int64)))
    return findings.of_rule(documents, rows, kind.rule, spans, note).add_column(0, "row", pa.array(rows))


def _pair(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mix two columns into one that tells equal pairs from others."""
    mixed = (one ^ (other * _MIX)) * _MIX
    found: np.ndarray = mixed ^ (mixed >> np.uint64(32))
    return found


def _changes(*columns: np.ndarray) -> np.ndarray:
    """Say where a row differs from the row before it; the first one does."""
    new = np.ones(len(columns[0]), bool)
    new[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return new


def _alone(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an ascending order of values, and for each place in it whether its value is there once."""
    order = np.argsort(values)
    new = np.append(_changes(values[order]), True)
    return new[:-1] & new[1:], order


def _totals(documents: np.ndarray, first: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give every row the sum and the least first document of its group."""
    starts = np.flatnonzero(new)
    if not len(starts):
        return documents, first
    sizes = np.diff(np.append(starts, len(new)))
    sums, least = np.add.reduceat(documents, starts), np.minimum.reduceat(first, starts)
    return np.repeat(sums, sizes), np.repeat(least, sizes)
