"""Pairs into blocks of bounded text, so that what is alike is compared together and no text is read often."""

from typing import Final

import numpy as np

from corpus_gov.kernels import jaccard
from corpus_gov.kernels.compiling import kernel
from corpus_gov.relate import records

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""Text of a block. Its shingles take some ten times that while they are sorted."""

BLOCK_TEXTS: Final = jaccard.BLOCK // 16

WANTED: Final = np.dtype([("home", "<u4"), ("block", "<u4"), ("text", records.NAME)])
"""A text that a block needs, and the number of a shard that has it."""


def blocks(pairs: np.ndarray, most_bytes: int = BLOCK_BYTES) -> tuple[np.ndarray, np.ndarray]:
    """Lay out pairs in blocks.

    Pairs of one component stand together. A block ends before a pair whose texts would make it too large, so a
    component that is too large for one block fills several: pairs with the same second text stay together, and what
    is repeated are the few texts that a large bucket pairs with all others.

    Args:
        pairs: records.PAIRS, n distinct ones.
        most_bytes: text of a block; a block of one pair may have more.

    Returns:
        int64, n: the pairs in the order of their blocks; and int64, n: the block of each pair in that order.
    """
    texts, nodes = np.unique(np.concatenate([pairs["a"], pairs["b"]]), return_inverse=True)
    a, b = nodes[: len(pairs)].astype(np.int64), nodes[len(pairs) :].astype(np.int64)
    sizes = np.zeros(len(texts), np.int64)
    sizes[a], sizes[b] = pairs["bytes_a"], pairs["bytes_b"]
    places = np.lexsort((pairs["kind"], a, b, roots(len(texts), a, b)[a]))
    return places, _fill(a[places], b[places], sizes, most_bytes, BLOCK_TEXTS)


def wanted(pairs: np.ndarray, block: np.ndarray) -> np.ndarray:
    """List which text of which shard each block needs, once.

    Returns:
        WANTED, ascending.
    """
    rows = np.zeros(2 * len(pairs), WANTED)
    for half, side in ((slice(None, len(pairs)), "a"), (slice(len(pairs), None), "b")):
        rows["home"][half], rows["text"][half], rows["block"][half] = pairs[f"home_{side}"], pairs[side], block
    rows = rows[records.order(rows["home"], rows["block"], rows["text"])]
    found: np.ndarray = rows[records.starts(rows["home"], rows["block"], rows["text"])]
    return found


@kernel
def roots(n, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Return the smallest member of the component of each of n nodes; a and b are the ends of its edges."""
    parent = np.arange(n)
    for i in range(a.shape[0]):
        x, y = a[i], b[i]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        # Nodes are in the order of their names, so the smaller place is the smaller name, whatever came first.
        if x < y:
            parent[y] = x
        else:
            parent[x] = y
    for i in range(n):
        # Parents only point downwards, so everything below i is settled already.
        parent[i] = parent[parent[i]]
    return parent


@kernel
def _fill(a, b, sizes, most_bytes, most_texts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(a.shape[0], np.int64)
    held_by = np.full(sizes.shape[0], -1, np.int64)
    block, size, texts = np.int64(0), np.int64(0), np.int64(0)
    for i in range(a.shape[0]):
        x, y = a[i], b[i]
        more, count = np.int64(0), np.int64(0)
        for node in (x, y):
            if held_by[node] != block:
                more += sizes[node]
                count += 1
        if texts and (size + more > most_bytes or texts + count > most_texts):
            block, size, texts = block + 1, np.int64(0), np.int64(0)
            more, count = sizes[x] + sizes[y], np.int64(2)
        held_by[x] = held_by[y] = block
        size, texts = size + more, texts + count
        out[i] = block
    return out
