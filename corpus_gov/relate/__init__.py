"""Whatever looks at more than one document.

A relation comes in two halves, so that no step needs more than one shard or one key range in memory:
``split`` keys the rows of one shard, ``join`` relates the rows of one key range of all shards.
"""

from collections.abc import Callable
from typing import TypeAlias

import pyarrow as pa

Split: TypeAlias = Callable[[pa.Table], pa.Table]
"""Documents of one shard in, keyed rows out: a `key` column of lower-case hex, doc_id, and what `join` needs."""

Join: TypeAlias = Callable[[pa.Table], pa.Table]
"""All rows of one key range in, verified EDGES out; any cut of the corpus into shards gives the same edges."""
