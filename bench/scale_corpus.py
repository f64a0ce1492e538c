"""Relate the bench corpus at several sizes: seconds, processor seconds, and the peak of the client and of a worker.

    python bench/scale_corpus.py --data ../shared/data/bench --scales 1 4 16 --workers 2 --work FOLDER

Copy n of the corpus is the corpus with its Han characters moved n * 1,237 places round their block and its Latin
letters n places round the alphabet: another corpus of the same sizes and relations, that is no near copy of the first.
What is measured is `relate` alone, over shards whose keys are there, in an engine with processes of its own. The corpus
is made and ingested by another process, so that "client before" is what libraries and the plan of the run take, and
what the client has at its peak above that is what relating costs it.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench import DOSSIER, FILES, SETTINGS, WORKSPACE_ID
from corpus_gov import artefacts, grouping
from corpus_gov.engine import Engine
from corpus_gov.intake import ingest
from corpus_gov.keys import Keys
from corpus_gov.stages import Context
from corpus_gov.stages.looking import BuildTask, build_shard
from corpus_gov.workspace import Workspace, open_workspace

T = TypeVar("T")

HAN = (0x4E00, 0x9FFF - 0x4E00 + 1)
ROWS_AT_ONCE = 2_000
MARK = "\x00"


def main() -> None:
    """Measure each scale and print a row of the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bench"))
    parser.add_argument("--only", choices=FILES, nargs="*", default=list(FILES))
    parser.add_argument("--scales", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True, help="a folder for 20 GB at scale 16; removed at the end")
    options = parser.parse_args()
    options.work.parent.mkdir(parents=True, exist_ok=True)
    print(
        "| scale | documents | MB | seconds | processor seconds | client MB, before and peak | bytes a document | "
        "worker MB | edges |"
    )
    for scale in options.scales:
        options.work.mkdir(parents=True)
        try:
            alone(prepare, options.data, options.only, scale, options.workers, options.work)
            print(alone(measured, scale, options.workers, options.work), flush=True)
        finally:
            shutil.rmtree(options.work)


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """Run a function in a process of its own, which ends with it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def context_of(workspace: Workspace) -> Context:
    """Return a context that asks for keys and nothing else."""
    return replace(workspace.context(), families=(), packs=(), pack_refs=())


def prepare(data: Path, names: Sequence[str], scale: int, workers: int, work: Path) -> None:
    """Ingest and key the corpus."""
    workspace = workspace_of(work, list(copies(data, names, scale, work)))
    with workspace.writing(), Engine(workers=workers, memory="6GB") as engine:
        ingest(workspace, engine)
        engine.map("screen", build_shard, [BuildTask(context_of(workspace), shard) for shard in workspace.shards()])


def measured(scale: int, workers: int, work: Path) -> str:
    """Relate the corpus, and return a row."""
    os.environ["CORPUS_GOV_KEYS"] = str(work / "keys")
    workspace = open_workspace(work / "w")
    context, shards = context_of(workspace), workspace.shards()
    with workspace.writing(), Engine(workers=workers, memory="6GB") as engine:
        # Workers are there, and what runs under Dask is loaded.
        engine.map("screen", build_shard, [BuildTask(context, shard) for shard in shards])
        before = own_bytes()
        with watched() as seen:
            start = time.perf_counter()
            key = grouping.relate(context, engine, shards)
            seconds = time.perf_counter() - start
    names = grouping.relations(key or "", shards).edges
    edges = sum(len(artefacts.get(workspace.store, name, ["a"])) for name in names)
    documents, text = sum(shard.documents for shard in shards), sum(shard.text_bytes for shard in shards)
    return (
        f"| {scale} | {documents:,} | {text / 1e6:,.0f} | {seconds:.1f} | {seen['cpu']:.1f} | "
        f"{before / 1e6:,.0f}, {seen['client'] / 1e6:,.0f} | {(seen['client'] - before) / documents:,.0f} | "
        f"{seen['worker'] / 1e6:,.0f} | {edges:,} |"
    )


def own_bytes() -> int:
    """Return the memory of this process that it shares with no other."""
    return int(psutil.Process().memory_full_info().uss)


def copies(data: Path, names: Sequence[str], scale: int, work: Path) -> Iterator[Path]:
    """Write each copy of each file; copy 0 is the data as they are."""
    for name in names:
        yield (data / f"{name}.parquet").absolute()
        table = pq.read_table(data / f"{name}.parquet", columns=["url", "text"])
        for number in range(1, scale):
            texts = [text for rows in table.to_batches(ROWS_AT_ONCE) for text in moved(rows.column("text"), number)]
            urls = [f"{url}#{number}" for url in table["url"].to_pylist()]
            path = work / f"{name}-{number}.parquet"
            pq.write_table(pa.table({"url": urls, "text": pa.array(texts, pa.large_string())}), path)
            yield path


def moved(texts: pa.Array, number: int) -> list[str]:
    """Move Han characters and Latin letters round; nothing else changes."""
    points = np.frombuffer(MARK.join(texts.to_pylist()).encode("utf-32-le"), np.uint32).copy()
    for first, count, step in ((*HAN, 1_237), (ord("a"), 26, 1), (ord("A"), 26, 1)):
        mine = (points >= first) & (points < first + count)
        points[mine] = first + (points[mine] - first + number * step) % count
    return points.tobytes().decode("utf-32-le").split(MARK)


def workspace_of(work: Path, inputs: Sequence[Path]) -> Workspace:
    """Make a workspace of one source."""
    os.environ["CORPUS_GOV_KEYS"] = str(work / "keys")
    folder = work / "w"
    (folder / "sources").mkdir(parents=True)
    (folder / "corpus-gov.toml").write_text(SETTINGS.format(shard_bytes=32 * 2**20))
    (folder / "sources" / "bench.yaml").write_text(DOSSIER.format(inputs=", ".join(json.dumps(str(p)) for p in inputs)))
    Keys.create(work / "keys" / WORKSPACE_ID)
    return open_workspace(folder)


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Sample this process and those below it: processor seconds of all, peak memory of this one and of any other."""
    own, seen, ended = psutil.Process(), {"cpu": 0.0, "client": 0.0, "worker": 0.0}, threading.Event()
    spent: dict[int, float] = {}
    before = sum(own.cpu_times()[:2])

    def sample() -> None:
        while not ended.wait(0.1):
            for process in [own, *own.children(recursive=True)]:
                try:
                    spent[process.pid] = sum(process.cpu_times()[:2])
                    kind = "client" if process.pid == own.pid else "worker"
                    memory = process.memory_full_info()
                    # What forked workers share counts for all of them.
                    seen[kind] = max(seen[kind], memory.uss if kind == "client" else memory.pss)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        seen["cpu"] = sum(spent.values()) - before


if __name__ == "__main__":
    sys.exit(main())
