"""Connected components of verified edges."""

from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov.relate.blocks import roots
from corpus_gov.schemas import CLUSTERS

VERSION: Final = 1


def clusters(edges: pa.Table) -> pa.Table:
    """Name each component after its smallest doc_id; the same for any order of the edges.

    Args:
        edges: EDGES of kinds exact and near; that one document is made of another makes no copies of them.

    Returns:
        CLUSTERS, ascending by doc_id; documents without an edge are in none.
    """
    ids = pa.chunked_array([*edges["a"].chunks, *edges["b"].chunks], pa.string()).unique().sort()
    if len(ids) == 0:
        return CLUSTERS.empty_table()
    ends = [_positions(edges[side], ids) for side in ("a", "b")]
    smallest = roots(len(ids), *ends)
    return pa.table([ids, ids.take(pa.array(smallest))], schema=CLUSTERS)


def _positions(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    import pyarrow.compute as pc  # noqa: PLC0415 - 50 ms that importing the relation need not pay

    places = pc.index_in(column, value_set=ids).combine_chunks()
    return np.asarray(places).astype(np.int64)
