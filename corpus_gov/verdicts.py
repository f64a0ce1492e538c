"""The verdict on a source: how large its share of illegal documents is, and how sure a count makes of it.

GB/T 45654-2025 5.1 a: a source with more than 5 % illegal content is not collected, and of what was collected not
used. The standard counts a source's content without naming a unit; here it is documents. Pure functions of counts.
"""

import hmac
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from corpus_gov.errors import ConfigError
from corpus_gov.schemas import SCALE

LIMIT: Final = 500
"""5 % in ten-thousandths."""

Z: Final = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""

ACCEPT, REJECT, UNDECIDED = "accept", "reject", "undecided"


@dataclass(frozen=True)
class Verdict:
    """What a count says of a source; shares in ten-thousandths, rounded away from the share so that none is promised.

    Attributes:
        counted: documents that were looked at.
        bad: those of them that count against the source.
        verdict: accept where the upper bound is at most the limit, reject where the lower one is above it.
    """

    counted: int
    bad: int
    share: int
    lower: int
    upper: int
    verdict: str


def wilson(bad: int, counted: int) -> tuple[float, float]:
    """Bound a share, two-sided, with a confidence of 95 %.

    Args:
        bad: from 0 to `counted`.
        counted: of nothing nothing is known: the bounds are 0 and 1.

    Raises:
        ConfigError: `bad` is not among `counted`.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not 0 <= bad <= counted:
        raise ConfigError(
            f"verdict: found {bad!r} bad of {counted!r} documents, expected 0 to all of them; count again"
        )
    if counted == 0:
        return 0.0, 1.0
    share, z2 = bad / counted, Z * Z
    middle = share + z2 / (2 * counted)
    spread = Z * math.sqrt(share * (1 - share) / counted + z2 / (4 * counted * counted))
    whole = 1 + z2 / counted
    # At the ends the bounds are exact; rounding would leave a trace of a share.
    lower = 0.0 if bad == 0 else (middle - spread) / whole
    upper = 1.0 if bad == counted else (middle + spread) / whole
    return lower, upper


def verdict(bad: int, counted: int, limit: int = LIMIT) -> Verdict:
    """Judge a source by a count.

    Args:
        bad: documents that count against it.
        counted: documents that were looked at, all or a sample.
        limit: largest share that is accepted, in ten-thousandths.
    """
    lower, upper = wilson(bad, counted)
    said = ACCEPT if upper * SCALE <= limit else REJECT if lower * SCALE > limit else UNDECIDED
    share = round(bad * SCALE / counted) if counted else 0
    return Verdict(counted, bad, share, math.floor(lower * SCALE), math.ceil(upper * SCALE), said)


def of_sources(tallies: Iterable[Mapping[str, Any]], limit: int = LIMIT) -> dict[str, dict[str, Any]]:
    """Judge every source by every tally of the policy, over all of its documents: after collection.

    Args:
        tallies: rows of `policy.tally`: source_id, documents, t_<tally> (null where nobody screened).
        limit: largest share that is accepted, in ten-thousandths.

    Returns:
        source_id → tally → the fields of Verdict; None for a tally that was not screened.
    """
    return {
        row["source_id"]: {
            name.removeprefix("t_"): None if bad is None else vars(verdict(bad, row["documents"], limit))
            for name, bad in row.items()
            if name.startswith("t_")
        }
        for row in tallies
    }


def draw(doc_ids: Iterable[str], seed: bytes, most: int) -> list[str]:
    """Choose a sample that whoever has the seed can draw again: the least HMAC-SHA256 under it.

    Args:
        doc_ids: any order; repeats count once.
        seed: recorded with the sample.
        most: size of the sample; all documents where there are fewer.
    """
    return sorted(set(doc_ids), key=lambda one: hmac.new(seed, one.encode(), sha256).digest())[:most]


def assess(bad: Mapping[str, bool], seed: bytes, most: int, limit: int = LIMIT) -> dict[str, Any]:
    """Judge a source before it is collected, by a sample of what it offers.

    Args:
        bad: doc_id → whether it counts against the source, of the documents at hand.
        seed: of the sample.
        most: its size.
        limit: largest share that is accepted, in ten-thousandths.

    Returns:
        The fields of Verdict, offered (documents at hand), seed (hex) and sample (doc_ids, as drawn).
    """
    sample = draw(bad, seed, most)
    found = vars(verdict(sum(bad[one] for one in sample), len(sample), limit))
    return {**found, "offered": len(bad), "seed": seed.hex(), "sample": sample}
