"""Relate the bench corpus at several sizes: seconds, processor seconds, and the peak of the client and of a worker.

    python bench/scale_corpus.py --data ../shared/data/bench --scales 1 4 16 --workers 2 --work FOLDER

Copy n of the corpus is the corpus with its Han characters moved n * 1,237 places round their block and its Latin
letters n places round the alphabet: another corpus of the same sizes and relations, that is no near copy of the first.
What is measured is `relate` alone, over shards whose keys are there, in an engine with processes of its own.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench import DOSSIER, FILES, SETTINGS, WORKSPACE_ID
from corpus_gov import artefacts, grouping
from corpus_gov.engine import Engine
from corpus_gov.intake import ingest
from corpus_gov.keys import Keys
from corpus_gov.stages.looking import BuildTask, build_shard
from corpus_gov.workspace import Workspace, open_workspace

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
    print("| scale | documents | MB | seconds | processor seconds | client MB | worker MB | edges |")
    for scale in options.scales:
        options.work.mkdir(parents=True)
        try:
            print(measured(options.data, options.only, scale, options.workers, options.work), flush=True)
        finally:
            shutil.rmtree(options.work)


def measured(data: Path, names: Sequence[str], scale: int, workers: int, work: Path) -> str:
    """Ingest and key the corpus, relate it, and return a row."""
    workspace = workspace_of(work, list(copies(data, names, scale, work)))
    context = replace(workspace.context(), families=(), packs=(), pack_refs=())
    with workspace.writing(), Engine(workers=workers, memory="6GB") as engine:
        ingest(workspace, engine)
        shards = workspace.shards()
        engine.map("screen", build_shard, [BuildTask(context, shard) for shard in shards])
    # New processes: what ingest took at its peak is not that of relate.
    with workspace.writing(), Engine(workers=workers, memory="6GB") as engine, watched() as seen:
        start = time.perf_counter()
        name = grouping.relate(context, engine, shards)
        seconds = time.perf_counter() - start
    edges = len(artefacts.get(workspace.store, artefacts.edges_name(name or ""), ["a"]))
    documents, text = sum(shard.documents for shard in shards), sum(shard.text_bytes for shard in shards)
    return (
        f"| {scale} | {documents:,} | {text / 1e6:,.0f} | {seconds:.1f} | {seen['cpu']:.1f} | "
        f"{seen['client'] / 1e6:,.0f} | {seen['worker'] / 1e6:,.0f} | {edges:,} |"
    )


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
        while not ended.wait(0.5):
            for process in [own, *own.children(recursive=True)]:
                try:
                    spent[process.pid] = sum(process.cpu_times()[:2])
                    kind = "client" if process.pid == own.pid else "worker"
                    seen[kind] = max(seen[kind], process.memory_full_info().pss)
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
