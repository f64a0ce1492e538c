"""Values of pairs: looked up where earlier runs measured them, and turned into links where they are large enough.

    value_range  one range of pairs by the smaller text -> both texts, and what earlier runs measured of them
    edge_range   one range of pairs with all values -> links, and the values for later runs in one piece

What was measured is a function of two texts and of the preset, and lies in a folder of its own (`measured_family`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np

from corpus_gov import artefacts
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import order
from corpus_gov.relate import contained, links, near, records
from corpus_gov.relate.presets import Preset
from corpus_gov.relate.records import Columns
from corpus_gov.stages import Context
from corpus_gov.stages.keying import preset_in_force
from corpus_gov.stages.pairing import HALF, resolved, side_of
from corpus_gov.stages.ranges import put_cut, read_range
from corpus_gov.store import Missing, Store

VERSION: Final = 3

ASKED: Final = np.dtype([*records.PAIRS.descr, ("group", "<u4")])
"""Pairs that somebody asks for, with the number of the part in which the answer is wanted."""

VALUED: Final = np.dtype([*ASKED.descr, ("inner", "u1"), ("value", "<i4")])
"""Pairs with their value, -1 where nobody measured them."""


@dataclass(frozen=True)
class ValueTask:
    """One range of pairs by the smaller text, and the names of what was measured before."""

    context: Context
    pairs: tuple[str, ...]
    """pairing.HALF, or ASKED where `texts` is None, cut into ranges by a."""
    texts: str | None
    """records.TEXTS of the range."""
    measured: tuple[str, ...]
    number: int
    ranges: int


def value_range(task: ValueTask) -> tuple[str, int]:
    """Look up what was measured of each pair; returns the name of VALUED, a part with values and one without.

    Beside it stands how many have none.
    """
    store = task.context.store()
    made_from = [list(task.pairs), task.texts, sorted(task.measured), task.number, task.ranges]
    name = artefacts.name("valued", *made_from, VERSION)
    if artefacts.ready(store, name) is not True:
        kind = ASKED if task.texts is None else HALF
        read = [part for one in task.pairs for part in artefacts.get_parts(store, one, task.number, task.number + 1)]
        pairs = records.unpacked(read, kind)
        if task.texts is not None:
            pairs = whole_pairs(pairs, records.unpacked([artefacts.read(store, task.texts)], records.TEXTS))
        value, inner = looked_up(pairs, read_measured(store, task.measured, task.number, task.ranges))
        values = pairs | {"value": value, "inner": inner}
        parts = [records.packed(values, VALUED, np.flatnonzero(kept)) for kept in (value >= 0, value < 0)]
        artefacts.put_parts(store, name, parts)
    return name, len(artefacts.get_part(store, name, 1)) // VALUED.itemsize


def whole_pairs(halves: Columns, texts: Columns) -> Columns:
    """Name the smaller texts of HALF; returns ASKED, of group 0."""
    rows, at = resolved(halves["a"], records.heads(texts["text"]))
    pairs = {field: column[rows] for field, column in halves.items() if field != "a"} | side_of("a", texts, at)
    pairs["group"] = np.zeros(len(rows), np.uint32)
    # Of texts with one head each pair is there twice.
    same = records.heads(pairs["a"]) == records.heads(pairs["b"])
    kept = np.flatnonzero(~same | (pairs["a"] < pairs["b"]))
    return pairs if len(kept) == len(rows) else {field: column[kept] for field, column in pairs.items()}


def looked_up(pairs: Columns, known: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Find the values of pairs.

    Args:
        pairs: a, b and kind.
        known: records.VALUES.

    Returns:
        int32 values, -1 where there is none, and uint8, which text is the smaller.
    """
    value, inner = np.full(len(pairs["a"]), -1, np.int32), np.zeros(len(pairs["a"]), np.uint8)
    if len(known["a"]) and len(pairs["a"]):
        _, (a, b, one, other) = records.numbered(pairs["a"], pairs["b"], known["a"], known["b"])
        asked, there = _coded(a, b, pairs["kind"]), _coded(one, other, known["kind"])
        order = np.argsort(there)
        at = order[np.minimum(records.places(there[order], asked), len(order) - 1)]
        found = there[at] == asked
        value[found], inner[found] = known["value"][at[found]], known["inner"][at[found]]
    return value, inner


def _coded(a: np.ndarray, b: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Write pairs of numbers below 2^31 and a kind as one number."""
    code: np.ndarray = kind.astype(np.uint64) << np.uint64(62) | a.astype(np.uint64) << np.uint64(31)
    code |= b.astype(np.uint64)
    return code


def read_measured(store: Store, names: Sequence[str], number: int, ranges: int) -> Columns:
    """Read records.VALUES of one range by a; what was damaged or removed is measured again."""
    parts = []
    for name in names:
        try:
            parts.append(read_range(store, [name], records.VALUES, "a", number, ranges))
        except (IntegrityError, Missing):
            continue
    found = [records.unpacked([], records.VALUES), *parts]
    return {field: np.concatenate([part[field] for part in found]) for field in found[0]}


def put_values(store: Store, name: str, values: Columns) -> None:
    """Store records.VALUES, cut by a for any number of ranges."""
    ranges = records.own_ranges(len(values["a"]))
    put_cut(store, name, values, records.VALUES, records.heads(values["a"]), ranges)


def measured_family(preset: Preset) -> str:
    """Name the folder of what was measured: everything that decides a value, so that later runs can use all of it."""
    limits = [contained.THRESHOLD, contained.MOVED]
    made_from = [preset.edge_key, near.VERSION, contained.VERSION, order.VERSION, limits, VERSION]
    return f"measured.{artefacts.digest_of(made_from)[:16]}"


@dataclass(frozen=True)
class EdgeTask:
    """One range of `value_range`, what was measured since, and what was measured before."""

    context: Context
    valued: str
    measured: tuple[str, ...]
    known: tuple[str, ...]
    number: int
    ranges: int
    parts: int
    """Into how many parts links are cut."""
    asked: bool
    """Whether these pairs were asked for: their links go by group, others by document."""


def edge_range(task: EdgeTask) -> tuple[str, str]:
    """Keep the pairs that are related; returns the name of their links, and that of all values of the range.

    Raises:
        IntegrityError: a pair has no value.
    """
    store, preset = task.context.store(), preset_in_force(task.context)
    name = artefacts.name("links.near", task.valued, sorted(task.measured), task.parts, task.asked, VERSION)
    parts = [records.unpacked([part], VALUED) for part in artefacts.get_parts(store, task.valued, 0, 2)]
    fresh = read_measured(store, task.measured, task.number, task.ranges)
    parts[1]["value"], parts[1]["inner"] = looked_up(parts[1], fresh)
    values = {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
    if lost := int((values["value"] < 0).sum()):
        raise IntegrityError(
            f"range {task.number} of {task.ranges} of candidate pairs: {lost} were measured and have no value; "
            "what was measured was changed since: run again, and it is measured anew"
        )
    found, groups = related(values, preset)
    by_group = groups if task.asked else records.number_of(records.heads(found["a"]), task.parts)
    links.put(store, name, found, by_group, task.parts)
    return name, _merged(store, task, values, preset)


def _merged(store: Store, task: EdgeTask, values: Columns, preset: Preset) -> str:
    """Store all values of a range in one piece, each once, ascending; returns its name."""
    known = read_measured(store, (*task.known, *task.measured), task.number, task.ranges)
    rows = {field: np.concatenate([values[field], known[field]]) for field in known}
    _, (a, b) = records.numbered(rows["a"], rows["b"])
    code = _coded(a, b, rows["kind"])
    at = np.argsort(code, kind="stable")
    at = at[records.starts(code[at])]
    rows = {field: column[at] for field, column in rows.items()}
    name = artefacts.name(measured_family(preset), sha256(records.packed(rows, records.VALUES)).hexdigest())
    if artefacts.ready(store, name) is not True:
        put_values(store, name, rows)
    return name


def related(values: Columns, preset: Preset) -> tuple[Columns, np.ndarray]:
    """Keep the pairs that are related.

    Args:
        values: VALUED.
        preset: in force.

    Returns:
        links.LINK, and the group of each.
    """
    least = np.array([preset.threshold, contained.THRESHOLD, contained.THRESHOLD])
    kept = np.flatnonzero(values["value"] >= least[values["kind"]])
    kind, one, other = (values[field][kept] for field in ("kind", "doc_a", "doc_b"))
    # Near: the smaller doc_id first. The others: the document that is inside.
    swapped = np.where(kind == 0, one > other, values["inner"][kept] == 1)
    homes = values["home_a"][kept], values["home_b"][kept]
    found = {
        "a": np.where(swapped, other, one),
        "b": np.where(swapped, one, other),
        "home_a": np.where(swapped, *homes[::-1]),
        "home_b": np.where(swapped, *homes),
        "value": values["value"][kept],
        "kind": np.array([links.KINDS.index(name) for name in records.KINDS], np.uint8)[kind],
    }
    return found, values["group"][kept]
