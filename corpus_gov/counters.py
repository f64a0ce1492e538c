"""Advisory counters: how many items of personal data a source holds, beside the numbers that a court calls serious.

An item is one value of one rule, however often it stands in a source. Values are told apart by their keyed digests;
each shard hands on its smallest ones alone, so that memory does not grow with the corpus: up to KEPT different items
the count is exact, and above it follows from how close together the smallest digests lie.

Source: Fa Shi [2017] No. 10, article 5: 50 items of whereabouts, communications, credit or property, 500 of lodging,
health or trade, 5,000 of others, or shares of these numbers that add up to one. The estimate: Bar-Yossef et al. (2002),
"Counting distinct elements in a data stream", algorithm 1.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.rules import Rule
from corpus_gov.schemas import SCALE

NUMBERS: Final = (50, 500, 5000)

KEPT: Final = 8_192
"""Smallest digests that are kept of each of NUMBERS: more than the largest of them. The standard error
of an estimate is one divided by the root of this, 1.1 %."""

_BITS: Final = 64
"""Of a digest; two of a million different ones are equal in one case in thirty million."""


@dataclass(frozen=True, eq=False)
class Items:
    """What is known of the items of a source or a part of it."""

    digests: Mapping[int, np.ndarray] = field(default_factory=dict)
    """From each of NUMBERS with any: the smallest of the different digests, uint64, ascending, KEPT at most."""
    unsealed: Mapping[int, int] = field(default_factory=dict)
    """From each of NUMBERS with any: findings without a digest, which count each."""

    def counts(self) -> dict[int, int]:
        """Return how many items there are, from each of NUMBERS."""
        return {
            number: _different(self.digests.get(number, _NONE)) + self.unsealed.get(number, 0) for number in NUMBERS
        }


_NONE: Final = np.zeros(0, np.uint64)


def items(findings: pa.Table, rules: Mapping[str, Rule]) -> Items:
    """Collect the items of personal data by the number that article 5 calls serious.

    Args:
        findings: FINDINGS of one source or of a shard of it, any number of rows; reads rule and hmac.
        rules: every rule in force, by id; `params.counts` is one of NUMBERS.
    """
    digests: dict[int, np.ndarray] = {}
    unsealed: dict[int, int] = {}
    for number in NUMBERS:
        names = sorted(name for name, rule in rules.items() if rule.params.get("counts") == number)
        mine = findings.filter(pc.is_in(findings["rule"], pa.array(names, pa.string())))["hmac"]
        if mine.null_count:
            unsealed[number] = mine.null_count
        if found := pc.unique(mine.drop_null()).to_pylist():
            # The digest is of the rule and the value: its first bytes are as good as random.
            heads = np.array([int(one[: _BITS // 4], 16) for one in found], np.uint64)
            digests[number] = np.unique(heads)[:KEPT]
    return Items(digests, unsealed)


def together(parts: Iterable[Items]) -> Items:
    """Put the parts of a source together; what stands in several of them is one item."""
    every = list(parts)
    digests = {
        number: np.unique(np.concatenate([part.digests.get(number, _NONE) for part in every]))[:KEPT]
        for number in NUMBERS
        if any(number in part.digests for part in every)
    }
    unsealed: Counter[int] = Counter()
    for part in every:
        unsealed.update(part.unsealed)
    return Items(digests, dict(unsealed))


def _different(smallest: np.ndarray) -> int:
    if smallest.size < KEPT:
        return int(smallest.size)
    # The last of the smallest says which part of the range holds as many digests as stand before it.
    return (KEPT - 1) * (1 << _BITS) // int(smallest[-1])


def of_items(sources: Mapping[str, Items]) -> dict[str, dict[str, int]]:
    """Write the counters of sources down for run.json: items by number, and `sum`, in ten-thousandths.

    A source without any is left out.
    """
    counted = {source: known.counts() for source, known in sorted(sources.items())}
    return {
        source: {**{str(number): count for number, count in counts.items()}, "sum": alarm(counts)}
        for source, counts in counted.items()
        if any(counts.values())
    }


def alarm(counted: Mapping[int, int]) -> int:
    """Return the sum of items/number in ten-thousandths: SCALE and above is what article 5 calls serious.

    It is advice for people, not a judgement, and it stops nothing.
    """
    return sum(count * SCALE // number for number, count in counted.items())
