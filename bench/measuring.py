"""What the measurements of this folder share: documents of bare texts, files of JSON lines, MB/s on one core."""

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from corpus_gov.schemas import DOCUMENTS

RUNS = 5
"""The median of so many is reported."""
OF_SPEED = 20_000
"""Documents of each set that speed is measured on."""
BATCH = 2_000


def documents(texts: Sequence[str]) -> pa.RecordBatch:
    """Make DOCUMENTS rows of texts; doc_id is the row, 32 hex digits, and everything else is blank."""
    n = len(texts)
    blank = {
        f.name: pa.nulls(n, f.type) if f.nullable else pa.array([0 if pa.types.is_integer(f.type) else ""] * n, f.type)
        for f in DOCUMENTS
    }
    blank |= {"doc_id": pa.array([f"{i:032x}" for i in range(n)]), "text": pa.array(texts, pa.large_string())}
    return pa.RecordBatch.from_pydict(blank, schema=DOCUMENTS)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read a compressed file of JSON lines."""
    with path.open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8", newline="\n"):
            yield json.loads(line)


def speed(bench: Path, measures: Mapping[str, Callable[[pa.RecordBatch], object]]) -> list[float]:
    """Print and return MB/s of measures on one core, on the Chinese and the English set: medians of CPU time."""
    print(f"\n| texts | MB | documents | {' | '.join(f'{name}, MB/s per core' for name in measures)} |")
    print(f"|---|---|---|{'---|' * len(measures)}")
    found = []
    for name in ("zh", "en"):
        texts = pq.read_table(bench / f"{name}.parquet", columns=["text"]).slice(0, OF_SPEED)["text"]
        batches = [documents(texts[at : at + BATCH].to_pylist()) for at in range(0, len(texts), BATCH)]
        size = sum(batch.column("text").nbytes for batch in batches) / 1e6
        rates = [size / seconds(measure, batches) for measure in measures.values()]
        print(f"| {name} | {size:.0f} | {len(texts):,} | {' | '.join(f'{rate:.0f}' for rate in rates)} |", flush=True)
        found += rates
    return found


def seconds(measure: Callable[[pa.RecordBatch], object], batches: Sequence[pa.RecordBatch]) -> float:
    """Return the median CPU time of all batches, after a first call that compiles."""
    measure(batches[0])
    found = []
    for _ in range(RUNS):
        started = time.process_time()
        for batch in batches:
            measure(batch)
        found.append(time.process_time() - started)
    return float(np.median(found))
