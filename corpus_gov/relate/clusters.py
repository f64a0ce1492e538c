"""Connected components of verified edges."""

from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.kernels.compiling import kernel
from corpus_gov.schemas import CLUSTERS

VERSION: Final = 1


def clusters(edges: pa.Table) -> pa.Table:
    """Name each component after its smallest doc_id; the same for any order of the edges.

    Args:
        edges: EDGES.

    Returns:
        CLUSTERS, ascending by doc_id; documents without an edge are in none.
    """
    ids = pa.chunked_array([*edges["a"].chunks, *edges["b"].chunks], pa.string()).unique().sort()
    if len(ids) == 0:
        return CLUSTERS.empty_table()
    ends = [_positions(edges[side], ids) for side in ("a", "b")]
    roots = _roots(len(ids), *ends)
    return pa.table([ids, ids.take(pa.array(roots))], schema=CLUSTERS)


def _positions(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    import pyarrow.compute as pc  # noqa: PLC0415 - 50 ms that importing the relation need not pay

    places = pc.index_in(column, value_set=ids).combine_chunks()
    return np.asarray(places).astype(np.int64)


@kernel
def _roots(n, a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    parent = np.arange(n)
    for i in range(a.shape[0]):
        x, y = a[i], b[i]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        # ids are sorted, so the smaller position is the smaller doc_id: the root does not depend on order.
        if x < y:
            parent[y] = x
        else:
            parent[x] = y
    for i in range(n):
        # Parents only point downwards, so everything below i is settled already.
        parent[i] = parent[parent[i]]
    return parent
