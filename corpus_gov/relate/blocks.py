"""Pairs into blocks of bounded text, so that what is alike is compared together and no text is read often."""

from typing import Final

import numpy as np

from corpus_gov.kernels import jaccard
from corpus_gov.kernels.compiling import kernel
from corpus_gov.relate import records
from corpus_gov.relate.clusters import roots

BLOCK_BYTES: Final = 16 * 1024 * 1024
"""Text of a block. Its shingles take some ten times that while they are sorted."""

BLOCK_TEXTS: Final = jaccard.BLOCK // 16

_31, _32, _LOW = np.uint64(31), np.uint64(32), np.uint64(0xFFFFFFFF)

WANTED: Final = np.dtype([("home", "<u4"), ("block", "<u4"), ("text", records.NAME)])
"""A text that a block needs, and the number of a shard that has it."""


def blocks(pairs: records.Columns, most_bytes: int = BLOCK_BYTES) -> tuple[np.ndarray, np.ndarray]:
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
    texts, (a, b) = records.numbered(pairs["a"], pairs["b"])
    sizes = np.zeros(len(texts), np.int64)
    sizes[a], sizes[b] = pairs["bytes_a"], pairs["bytes_b"]
    # By component, then by the greater text, the smaller one and kind; numbers of texts have 31 bits.
    pair = b.astype(np.uint64) << _31 | a.astype(np.uint64)
    places = np.lexsort((pairs["kind"], pair, roots(len(texts), a, b)[a]))
    return places, _fill(a[places], b[places], sizes, most_bytes, BLOCK_TEXTS)


def wanted(pairs: records.Columns, block: np.ndarray) -> np.ndarray:
    """List which text of which shard each block needs, once.

    Args:
        pairs: records.PAIRS.
        block: int64, the block of each.

    Returns:
        WANTED, ascending.
    """
    texts, (a, b) = records.numbered(pairs["a"], pairs["b"])
    home = np.zeros(len(texts), np.uint64)
    home[a], home[b] = pairs["home_a"], pairs["home_b"]
    number = np.concatenate([block, block]).astype(np.uint64) << _32 | np.concatenate([a, b]).astype(np.uint64)
    number = records.distinct(number)
    block, text = number >> _32, (number & _LOW).astype(np.int64)
    at = np.argsort(home[text], kind="stable")
    return records.filled(WANTED, len(at), {"home": home[text][at], "block": block[at], "text": texts[text[at]]})


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
