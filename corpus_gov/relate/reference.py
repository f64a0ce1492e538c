"""Overlap with reference sets: evaluation sets, that nothing may be trained on, and texts that are known to be bad.

A set is indexed by the n-grams of its items: runs of n tokens of the matching view, so that case, width, punctuation
and traditional characters hide nothing. `Met` measures how much of an item a document has, `compare` makes findings of
it, with the passages that the two share. Nothing here keeps a text: an index holds hashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import SchemaError
from corpus_gov.kernels import pieces, shingles
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import Folding
from corpus_gov.relate import findings
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import FINDINGS, SCALE

VERSION: Final = 2

VIEW: Final = Folding()

MADE_BY: Final = (VERSION, pieces.VERSION, shingles.VERSION, VIEW.key)
"""What decides overlaps beside the texts, the set and the rules."""

NGRAMS: Final = (13, 8)
"""Lengths in tokens: 13 as GPT-3's and RedPajama's decontamination, 8 for items that are shorter."""

KINDS: Final = ("evaluation", "known_bad")

INDEX: Final = pa.schema([pa.field("key", pa.uint64()), pa.field("item", pa.int64())])
"""The distinct n-grams of each item, ascending by both; items are numbered in the order of the set."""

SIZES: Final = pa.schema([pa.field("size", pa.int64())])
"""Distinct n-grams of each item; 0 where it has no token."""

OVERLAPS: Final = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("item", pa.int64()),
        pa.field("shared", pa.int64()),
        pa.field("share_of_item", pa.int32()),
        pa.field("share_of_document", pa.int32()),
    ]
)
"""Distinct n-grams that a document and an item share; the share of the item's in ten-thousandths, and that of all
n-grams of the document, repeats included. Ascending by row and item."""

_FILTER_BITS: Final = (16, 30)


@dataclass(frozen=True)
class References:
    """The n-grams of a reference set."""

    n: int
    keys: np.ndarray
    """uint64, ascending."""
    items: np.ndarray
    """int64, the item of each key."""
    sizes: np.ndarray
    """int64, one an item."""
    filter: np.ndarray
    """uint8: a bit for each value that the upper bits of a key take, so that most n-grams are never searched for."""
    shift: np.uint64


@dataclass(frozen=True)
class Kind:
    """What a rule of screen `reference` looks for in a set."""

    rule: Rule
    kind: str
    share: int
    """In ten-thousandths."""


def kinds(rules: RulePack) -> tuple[Kind, ...]:
    """Read the rules about reference sets; those about the suppression list are left to relate/suppressed.py.

    Params: kind (of the set: evaluation or known_bad) and share (least share of an item's n-grams that the document
    has).

    Raises:
        RuleError: params are missing, unknown or out of range.
    """
    found = []
    for rule in rules.rules:
        if rule.params.get("kind") == "suppressed":
            continue
        check_params(rule, {"kind": str, "share": float}, {})
        kind, share = rule.params["kind"], rule.params["share"]
        if kind not in KINDS or not 0 < share <= 1:
            raise rule.error(
                f"found kind {kind!r} and share {share!r}, expected one of {KINDS!r} or 'suppressed', and a share "
                "above 0 and at most 1; correct them"
            )
        found.append(Kind(rule, kind, round(SCALE * share)))
    return tuple(found)


def index(text: pa.Array, n: int) -> tuple[pa.Table, pa.Table]:
    """Index a reference set.

    An item of fewer than n tokens is its own n-gram: it is found only where a document is nothing else. Name a set
    with short items twice, with a smaller n as well.

    Args:
        text: string or large_string, m texts.
        n: tokens of an n-gram.

    Returns:
        INDEX, and SIZES of m rows.
    """
    hashes, offsets = shingles.shingles(text, VIEW, n)
    items = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((items, hashes))
    keys, items = hashes[order], items[order]
    new = np.ones(len(keys), bool)
    new[1:] = (keys[1:] != keys[:-1]) | (items[1:] != items[:-1])
    sizes = np.bincount(items[new], minlength=len(offsets) - 1).astype(np.int64)
    return pa.table([keys[new], items[new]], schema=INDEX), pa.table([sizes], schema=SIZES)


def prepare(index: pa.Table, sizes: pa.Table, n: int) -> References:
    """Make an index ready to be searched; arguments as `index` gave them."""
    keys = np.asarray(index["key"])
    least, most = _FILTER_BITS
    bits = min(most, max(least, len(keys).bit_length() + 4))
    shift = np.uint64(64 - bits)
    present = np.zeros(1 << bits, np.bool_)
    present[keys >> shift] = True
    return References(n, keys, np.asarray(index["item"]), np.asarray(sizes["size"]), np.packbits(present), shift)


def compare(documents: pa.Table, references: References, name: str, of: Sequence[Kind]) -> pa.Table:
    """Make findings of what documents share with a set: one for each passage.

    A passage is a run of n-grams of items whose share the rule asks for; n-grams that touch make one passage. The
    score is the largest share of an item in it, and the note names that item by set and number, the first being 0.

    Args:
        documents: doc_id, text_digest and text.
        references: the set.
        name: of the set.
        of: the rules about its kind.

    Returns:
        FINDINGS, by rule, then document and start.
    """
    text = documents["text"].combine_chunks()
    met = Met.look(text, references)
    parts = [_findings(documents, text, met, references, name, kind) for kind in of]
    return pa.concat_tables([FINDINGS.empty_table(), *parts])


@dataclass(frozen=True)
class Met:
    """The n-grams of texts that items have, one row an n-gram and item."""

    rows: np.ndarray
    numbers: np.ndarray
    """The n-gram's number in its text."""
    items: np.ndarray
    overlaps: pa.Table
    """OVERLAPS; which share is too much the rules say."""

    @classmethod
    def look(cls, text: pa.Array, references: References) -> "Met":
        """Look up the n-grams of texts."""
        hashes, offsets = shingles.shingles(text, VIEW, references.n)
        places = _present(hashes, references.filter, references.shift)
        first = np.searchsorted(references.keys, hashes[places], "left")
        found = np.searchsorted(references.keys, hashes[places], "right") - first
        rows = np.repeat(np.searchsorted(offsets, places, "right") - 1, found)
        # The keys of all hits: each first one and those that follow it.
        steps = np.arange(int(found.sum())) - np.repeat(np.cumsum(found) - found, found)
        at = np.repeat(first, found) + steps
        items, numbers = references.items[at], np.repeat(places, found) - offsets[rows]
        return cls(rows, numbers, items, _shares(rows, at, references, offsets))


def _shares(rows: np.ndarray, at: np.ndarray, references: References, offsets: np.ndarray) -> pa.Table:
    """Count distinct n-grams by document and item; `at` is the place of each in the index."""
    m = max(len(references.sizes), 1)
    pairs = rows * m + references.items[at]
    order = np.lexsort((at, pairs))
    pairs, at = pairs[order], at[order]
    new = np.ones(len(pairs), bool)
    new[1:] = pairs[1:] != pairs[:-1]
    distinct = new.copy()
    distinct[1:] |= at[1:] != at[:-1]
    starts = np.flatnonzero(new)
    shared = np.add.reduceat(distinct.astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    every = np.diff(np.append(starts, len(pairs)))
    rows, items = np.divmod(pairs[starts], m)
    columns = [
        rows,
        items,
        shared,
        SCALE * shared // np.maximum(references.sizes[items], 1),
        SCALE * every // np.maximum(np.diff(offsets)[rows], 1),
    ]
    return pa.table([pa.array(c).cast(f.type) for c, f in zip(columns, OVERLAPS, strict=True)], schema=OVERLAPS)


def _findings(documents: pa.Table, text: pa.Array, met: Met, references: References, name: str, kind: Kind) -> pa.Table:
    pairs = met.overlaps.filter(pc.greater_equal(met.overlaps["share_of_item"], kind.share))
    m = max(len(references.sizes), 1)
    wanted = np.asarray(pairs["row"]) * m + np.asarray(pairs["item"])
    mine = np.isin(met.rows * m + met.items, wanted)
    rows, numbers, items = met.rows[mine], met.numbers[mine], met.items[mine]
    shares = np.asarray(pairs["share_of_item"])[np.searchsorted(wanted, rows * m + items)]
    order = np.lexsort((numbers, rows))
    rows, numbers, items, shares = rows[order], numbers[order], items[order], shares[order]
    new = np.ones(len(rows), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (numbers[1:] > numbers[:-1] + references.n)
    heads = np.flatnonzero(new)
    tails = np.append(heads, len(rows))[1:] - 1
    # In each passage the largest share first, then the first item.
    best = np.lexsort((items, -shares, np.cumsum(new)))[heads] if len(heads) else heads
    starts, ends = _code_points(text, rows[heads], numbers[heads], numbers[tails] + references.n)
    note = pc.binary_join_element_wise(name, pa.array(items[best]).cast(pa.string()), "#")
    score = pa.array(shares[best], pa.int32())
    return findings.of_rule(documents, rows[heads], kind.rule, (starts, ends), note, score)


def _code_points(text: pa.Array, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """Turn the first token of each passage, and one past its last, into code points of its text."""
    hit = np.unique(rows)
    starts, stops, bounds = pieces.token_spans(text.take(pa.array(hit)), VIEW)
    place = np.searchsorted(hit, rows)
    if len(rows) and int((first - np.diff(bounds)[place]).max()) >= 0:
        raise SchemaError("reference: an n-gram stands behind the last token of its text; report this as a bug")
    # A text of fewer tokens than an n-gram is one n-gram.
    end = np.minimum(last, np.diff(bounds)[place]) + bounds[place] - 1
    return pa.array(starts[bounds[place] + first]), pa.array(stops[end])


@kernel
def _present(keys, bits, shift):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out, n = np.empty(keys.shape[0], np.int64), 0
    for place in range(keys.shape[0]):
        value = np.int64(keys[place] >> shift)
        out[n] = place
        n += (bits[value >> 3] >> (7 - (value & 7))) & 1
    return out[:n].copy()
