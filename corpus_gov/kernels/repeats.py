"""Digests that stand earlier in a column, in a table of row numbers: 5 bytes a row beside the column."""

from typing import Final

import numpy as np

from corpus_gov.kernels.compiling import kernel

_EMPTY: Final = np.uint32(0xFFFFFFFF)


def repeats(ids: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, int]:
    """Mark the rows whose id stands earlier in the column.

    Args:
        ids: uint64 (n, 2), digests: evenly spread. At most 2³² - 1 rows.
        tags: uint64 (n,), what rows of one id are expected to share.

    Returns:
        bool (n,), and the first row whose tag is not that of its id's first row; -1 where there is none.
    """
    slots = np.full(len(ids) * 5 // 4 + 1, _EMPTY)
    again = np.zeros(len(ids), bool)
    return again, int(_repeats(ids, tags, slots, again))


@kernel
def _repeats(ids, tags, slots, again):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    size = np.uint64(slots.shape[0])
    differs = -1
    for row in range(ids.shape[0]):
        at = ids[row, 0] % size
        while slots[at] != _EMPTY:
            first = slots[at]
            if ids[first, 0] == ids[row, 0] and ids[first, 1] == ids[row, 1]:
                again[row] = True
                if differs < 0 and tags[first] != tags[row]:
                    differs = row
                break
            at = (at + np.uint64(1)) % size
        if not again[row]:
            slots[at] = row
    return differs
