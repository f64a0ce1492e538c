"""Connected components of verified links, four bytes a document."""

from typing import Final

import numpy as np

from corpus_gov.kernels.compiling import kernel

VERSION: Final = 1


def singles(n: int) -> np.ndarray:
    """Return n components of one document each: for each document, by number, one of its component that is no larger.

    The numbers have four bytes, from 2^31 documents on eight.
    """
    return np.arange(n, dtype=np.int32 if n < 1 << 31 else np.int64)


def unite(parent: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Make one component of those of the two ends of each link; any order of the links gives the same components.

    Args:
        parent: of `singles`, changed in place.
        a: int64 numbers of documents.
        b: as many.
    """
    _unite(parent, a, b)


def settle(parent: np.ndarray) -> None:
    """Let each document name the smallest of its component, in place."""
    _settle(parent)


def roots(n: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the smallest of the component of each of n documents; arguments as for `unite`."""
    parent = singles(n)
    unite(parent, a, b)
    settle(parent)
    return parent


@kernel
def _unite(parent, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(a.shape[0]):
        x, y = np.int64(a[i]), np.int64(b[i])
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = np.int64(parent[x])
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = np.int64(parent[y])
        # Numbers are in the order of names, so the smaller number is the smaller name, whatever came first.
        if x < y:
            parent[y] = x
        else:
            parent[x] = y


@kernel
def _settle(parent):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(parent.shape[0]):
        # Parents only point downwards, so everything below i is settled already.
        parent[i] = parent[parent[i]]
