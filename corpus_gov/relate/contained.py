"""Documents that are largely inside another, and spun copies: another text's clauses in a different order.

Both follow one way: `passage_sets` or `clause_sets` give the keys of documents, what pairs have in common is counted in
ranges of keys and added up, `likely` picks the pairs worth measuring, and these are measured exactly
(stages/measuring.py). Contained is a document of which the larger one has THRESHOLD of the shingles, without the two
being near duplicates. Spun is one of which the other has as much of the clauses, MOVED of them in another order, and
less of the shingles.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels import jaccard, shingles
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.jaccard import Sets
from corpus_gov.kernels.pieces import CLAUSE_ENDS, pieces
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import SCALE

VERSION: Final = 2

WINDOW: Final = 32
"""Of any so many consecutive shingles at least one is in the sketch."""

CLAUSE_TOKENS: Final = 4
"""Shorter clauses are everywhere."""

LEAST_PASSAGES: Final = 2
"""A document of fewer keys is a sentence or two: it stands in others for no reason."""

LEAST_CLAUSES: Final = 4
"""A document of fewer clauses has no order that could have been changed."""

THRESHOLD: Final = 8_000
"""Least share of the smaller document that the larger one has, in ten-thousandths."""

MOVED: Final = 3_000
"""Least share of the common clauses of a spun copy that stand in another order, in ten-thousandths. Pages of one form,
each with names of its own, have most clauses in common in one order; a shuffle of ten moves more than half of them."""

LIKELY: Final = THRESHOLD // 2
"""Least share of keys in common of a pair that is measured."""

BUCKET: Final = 32
ANCHORS: Final = 4
"""Fewer than of near duplicates: a passage that dozens share is boilerplate, and one holder is enough."""


def clause_hashes(text: pa.Array, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """Hash the clauses of each text.

    Returns:
        uint64 hashes, and int64, n + 1 offsets into them.
    """
    found = pieces(text, CLAUSE_ENDS, preset.folding, CLAUSE_TOKENS)
    return found.hashes, np.searchsorted(found.rows, np.arange(len(text) + 1)).astype(np.int64)


def passage_sets(text: pa.Array, preset: Preset) -> Sets:
    """Sketch texts by winnowing: the least shingle hash of every window, about a sixteenth of all.

    A passage of WINDOW + shingle - 1 tokens that two texts share gives them a key in common, wherever it stands.

    Source: Schleimer, Wilkerson and Aiken, "Winnowing", SIGMOD 2003.
    """
    hashes, offsets = shingles.shingles(text, preset.folding, preset.shingle)
    return jaccard.sets(*_winnow(hashes, offsets, WINDOW))


def clause_sets(text: pa.Array, preset: Preset) -> Sets:
    """Sketch texts by their clauses of at least CLAUSE_TOKENS tokens, whatever their order and punctuation."""
    return jaccard.sets(*clause_hashes(text, preset))


def likely(shared: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Say of which pairs the sketches overlap enough to be measured.

    Args:
        shared: keys in common.
        least: keys of the smaller sketch.
    """
    return np.asarray(shared.astype(np.int64) * SCALE >= least.astype(np.int64) * LIKELY)


def second_inside(sizes: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Say of which pairs the second document is the smaller; of equal ones it is the second.

    Args:
        sizes: of the set of each document.
        a: rows of the first documents.
        b: rows of the second ones.
    """
    return np.asarray(sizes[b] <= sizes[a])


def share_of_smaller(shared: np.ndarray, sizes: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the share of the smaller set of each pair that the larger one has; arguments as for `second_inside`.

    Returns:
        int64 in ten-thousandths, rounded down; 0 where a set is empty.
    """
    return np.asarray(SCALE * shared // np.maximum(np.minimum(sizes[a], sizes[b]), 1))


@kernel
def _winnow(hashes, offsets, window):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out, ends = np.empty(hashes.shape[0], np.uint64), np.zeros(offsets.shape[0], np.int64)
    n = 0
    for row in range(offsets.shape[0] - 1):
        first, last = offsets[row], offsets[row + 1]
        least = first - 1
        for start in range(first, max(last - window, first) + 1 if last > first else first):
            stop = min(start + window, last)
            if least < start:
                # The least one has left the window: look at all of it, on average once in half a window.
                least = start
                for place in range(start + 1, stop):
                    if hashes[place] <= hashes[least]:
                        least = place
                out[n] = hashes[least]
                n += 1
            elif hashes[stop - 1] <= hashes[least]:
                least = stop - 1
                out[n] = hashes[least]
                n += 1
        ends[row + 1] = n
    return out[:n], ends
