"""How well a classifier does: precision, recall and F1 by label, and calibration; pure functions of arrays."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from corpus_gov.schemas import SCALE

MOST_KNOTS: Final = 16
"""Of a calibration curve: more would follow the chance of a few hundred texts."""


def by_label(truth: np.ndarray, guess: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Count and divide.

    Args:
        truth: int64, n places in `labels`.
        guess: int64, n places in `labels`; -1 for none of them.
        labels: k of them.

    Returns:
        labels: of each that is true anywhere precision, recall, f1 (in ten-thousandths; precision is None where it
        was never guessed) and texts; macro_f1: the mean of f1 over those labels; texts: n.
    """
    found: dict[str, dict[str, int | None]] = {}
    for place, label in enumerate(labels):
        true, guessed = truth == place, guess == place
        if not true.any():
            continue
        hits, n, said = int((true & guessed).sum()), int(true.sum()), int(guessed.sum())
        found[label] = {
            "precision": _share(hits, said) if said else None,
            "recall": _share(hits, n),
            "f1": _share(2 * hits, n + said),
            "texts": n,
        }
    f1 = [one["f1"] or 0 for one in found.values()]
    return {"labels": found, "macro_f1": round(sum(f1) / len(f1)) if f1 else 0, "texts": len(truth)}


def isotonic(raw: np.ndarray, true: np.ndarray) -> tuple[list[int], list[int]]:
    """Fit the non-decreasing curve from raw probabilities to shares of true ones that is nearest to them.

    Pools are joined until there are MOST_KNOTS; between knots one interpolates. Each pool has two imagined texts more,
    one of either kind (Laplace): no finite number of texts shows a probability of 0 or 1.

    Args:
        raw: float, n probabilities.
        true: bool, n.

    Returns:
        Raw values, strictly ascending, and probabilities, both in ten-thousandths.

    Source: Ayer et al. 1955, pool adjacent violators; n·log n for the sort.
    """
    order = np.argsort(raw, kind="stable")
    x, y = raw[order].astype(np.float64), true[order].astype(np.float64)
    # Equal raw values are one pool from the start, so that the curve is a function.
    values, first = np.unique(np.rint(x * SCALE).astype(np.int64), return_index=True)
    counts = np.diff(first, append=len(x)).astype(np.float64)
    sums = np.add.reduceat(y, first) if len(x) else y
    pools: list[list[float]] = []  # texts, true ones, sum of raw values
    for value, n, hits in zip(values.tolist(), counts.tolist(), sums.tolist(), strict=True):
        pools.append([n, hits, value * n])
        while len(pools) > 1 and _falls(pools[-2], pools[-1]):
            _join(pools, len(pools) - 2)
    while len(pools) > MOST_KNOTS:
        steps = [b[1] / b[0] - a[1] / a[0] for a, b in pairwise(pools)]
        _join(pools, int(np.argmin(steps)))
    knots = [round(total / n) for n, _, total in pools]
    shares = [round(SCALE * (hits + 1) / (n + 2)) for n, hits, _ in pools]
    return knots, np.maximum.accumulate(shares).tolist() if shares else []


def expected_error(probability: np.ndarray, true: np.ndarray, bins: int = 10) -> int:
    """Return the expected calibration error over bins of equal width, in ten-thousandths."""
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(place, probability - true, bins))
    return round(SCALE * float(gaps.sum()) / max(1, len(true)))


def _falls(one: list[float], other: list[float]) -> bool:
    return one[1] * other[0] >= other[1] * one[0]


def _join(pools: list[list[float]], place: int) -> None:
    other = pools.pop(place + 1)
    pools[place] = [mine + theirs for mine, theirs in zip(pools[place], other, strict=True)]


def _share(part: int, whole: int) -> int:
    return (2 * SCALE * part + whole) // (2 * whole) if whole else 0
