"""Measure the whole way over the bench corpus: MB/s per core, peak memory, each stage; counts are asserted.

    python bench/bench.py --data ../shared/data/bench --scales 1 4 16 --workers 1 2 --runs 5 3 1

Each run is a process of its own (`corpus-gov run --json`) on a fresh workspace. A corpus of scale n holds
every document n times, each copy in letters of its own: Han characters are exchanged for other Han characters and
Latin letters for other Latin letters, one for one. So copies have the lengths, repeats and duplicates of the original
and are neither duplicates nor near duplicates of it; what rules find in them may differ.
MB are 10^6 bytes of UTF-8 text. A run with n workers has n cores: a library that starts threads of its own
gains nothing from the others. Peak memory is the largest sum, over the process and its workers, of
proportional set sizes, sampled three times a second; beside it stand the peaks of the client alone and of the largest
of the other processes. CPU seconds are those of all its processes, seen by the
same samples. "without language" is computed: wall time less the time spent in language identification,
divided by the workers. A first run, which compiles kernels and bytecode, is not counted.

`--packs spine` runs with the packs and the policy of spine.yaml beside this file, without near duplicates: what there
was when the goals of the spine were set. Families of signals cannot be left out; the table has the time of each.
After the last scale, the growth of peak memory between scales is printed, of the client and the largest worker apart.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from corpus_gov import policyfile
from corpus_gov.keys import Keys

FILES = ("zh", "en")
ROWS = {"zh": 61_888, "en": 38_305}
DOCUMENTS = {"zh": 61_258, "en": 37_288}
"""Rows of the two files, and those that are no exact repeats of another; a run with other counts is no measurement."""

HAN = (0x4E00, 0x9FA5)
HAN_STEP = 1_297
"""Each copy moves Han characters on by this many, round the block: far from each other for any two copies."""

ROWS_AT_ONCE = 5_000

COPIED = pa.schema([("url", pa.large_string()), ("text", pa.large_string())])

WORKSPACE_ID = "w-bench-0001"

SETTINGS = f"""\
id = "{WORKSPACE_ID}"
name = "bench"
owner = "bench"
policy = "trial"
[ingest]
shard_bytes = {{shard_bytes}}
"""

SPINE = Path(__file__).with_name("spine.yaml").absolute()
"""Policy of `--packs spine`; the packs that it needs are those in force."""

DOSSIER = """\
source_id: bench
kind: unassessed
title: Bench corpus
inputs: [{inputs}]
format: parquet
fields: {{text: text, uri: url}}
"""


@dataclass(frozen=True)
class Run:
    """One measured run."""

    scale: int
    workers: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    client_mb: float
    worker_mb: float
    facts: dict


class Peak(NamedTuple):
    """Peaks of memory at one scale, MB."""

    scale: int
    documents: int
    all_mb: float
    client_mb: float
    worker_mb: float


MEASURED = ("peak_mb", "client_mb", "worker_mb")
"""Fields of Run behind those of Peak."""


def main() -> None:
    """Run the grid and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/bench"))
    parser.add_argument("--only", choices=FILES, nargs="*", default=list(FILES))
    parser.add_argument("--scales", type=int, nargs="*", default=[1])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--runs", type=int, nargs="*", default=[5], help="one number, or one for each scale")
    parser.add_argument("--shard-bytes", type=int, default=32 * 2**20)
    parser.add_argument("--packs", choices=("all", "spine"), default="all")
    options = parser.parse_args()
    runs_of = options.runs * len(options.scales) if len(options.runs) == 1 else options.runs
    settings = settings_of(options.packs, options.shard_bytes)
    peaks: dict[int, list[Peak]] = {workers: [] for workers in options.workers}
    with tempfile.TemporaryDirectory(prefix="corpus-gov-bench-") as folder:
        warm_up = list(copies(options.data, options.only[:1], 1, Path(folder)))
        measure(Path(folder), warm_up, 1, max(options.workers), settings)
        for scale, runs in zip(options.scales, runs_of, strict=True):
            inputs = list(copies(options.data, options.only, scale, Path(folder)))
            results = {w: [] for w in options.workers}
            for number in range(runs):
                for workers in options.workers:
                    done = measure(Path(folder), inputs, scale, workers, settings)
                    check(done, options.only)
                    results[workers].append(done)
                    print(f"# scale {scale} workers {workers} run {number}: {done.seconds:.1f} s", file=sys.stderr)
            # The keys are the same for every run here, so any difference of results shows in the root.
            roots = {done.facts["root"] for runs in results.values() for done in runs}
            assert len(roots) == 1, roots
            report(results)
            for workers, measured in results.items():
                documents = measured[0].facts["run"]["counts"]["documents"]
                peaks[workers].append(Peak(scale, documents, *(middle_of(measured, name) for name in MEASURED)))
    growth(peaks)


def settings_of(packs: str, shard_bytes: int) -> str:
    """Return the corpus-gov.toml of a workspace: with all packs, or as `--packs spine` says."""
    settings = SETTINGS.format(shard_bytes=shard_bytes)
    if packs == "all":
        return settings
    needs = json.dumps(list(policyfile.load(SPINE).needs))
    settings = settings.replace('policy = "trial"', f"policy = {json.dumps(str(SPINE))}\npacks = {needs}")
    return f'{settings}[near]\npreset = "none"\n'


def middle_of(runs: Sequence[Run], name: str) -> float:
    """Return the median of one of MEASURED."""
    return statistics.median(getattr(run, name) for run in runs)


def growth(peaks: dict[int, list[Peak]]) -> None:
    """Print how many bytes each further document costs at the peak: of all, of the client, of the largest worker."""
    for workers, at in peaks.items():
        for few, many in pairwise(sorted(at)):
            each = [
                f"{(high - low) * 1e6 / (many.documents - few.documents):+.0f}"
                for low, high in zip(few[2:], many[2:], strict=True)
            ]
            print(
                f"{workers} workers, scale {few.scale} to {many.scale}: {each[0]} bytes a document at the peak, "
                f"client {each[1]}, largest worker {each[2]}"
            )


def copies(data: Path, names: Sequence[str], scale: int, folder: Path) -> Iterator[Path]:
    """Write the corpus `scale` times, each copy distinct; scale 1 is the data as they are."""
    for name in names:
        if scale == 1:
            yield (data / f"{name}.parquet").absolute()
            continue
        for number in range(scale):
            path = folder / f"{name}-{number:02d}.parquet"
            if not path.exists():
                _copy(data / f"{name}.parquet", path, exchanged(number))
            yield path


def exchanged(number: int) -> np.ndarray:
    """Return what each code point becomes in a copy; itself in copy 0.

    A Han character stays one of three bytes and a letter one of one byte, so offsets into UTF-8 stay as they are.
    """
    table = np.arange(0x110000, dtype=np.uint32)
    for first, last, step in ((*HAN, number * HAN_STEP), (ord("a"), ord("z"), number), (ord("A"), ord("Z"), number)):
        table[first : last + 1] = first + (np.arange(last + 1 - first) + step) % (last + 1 - first)
    return table


def _copy(source: Path, path: Path, table: np.ndarray) -> None:
    with pq.ParquetWriter(path, COPIED, compression="zstd", compression_level=3) as file:
        for batch in pq.ParquetFile(source).iter_batches(ROWS_AT_ONCE, columns=COPIED.names):
            # Taken, so that buffers begin where the column does.
            text = batch.column("text").cast(pa.large_string()).take(pa.array(np.arange(len(batch))))
            valid, offsets, data = text.buffers()
            points = np.frombuffer(data.to_pybytes().decode().encode("utf-32-le"), np.uint32)
            other = table[points].tobytes().decode("utf-32-le").encode()
            assert len(other) == data.size, (len(other), data.size)
            text = pa.Array.from_buffers(pa.large_string(), len(batch), [valid, offsets, pa.py_buffer(other)])
            file.write_table(pa.table([batch.column("url").cast(pa.large_string()), text], schema=COPIED))


def measure(folder: Path, inputs: Sequence[Path], scale: int, workers: int, settings: str) -> Run:
    """Make a workspace, run once, and watch the processes."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="workspace-") as name:
        workspace = Path(name) / "w"
        env = os.environ | {"CORPUS_GOV_KEYS": str(folder / "keys")}
        # Users have bytecode on disk; without it every process compiles some thousand modules.
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "corpus_gov.cli"]
        workspace.mkdir(mode=0o700)
        (workspace / "corpus-gov.toml").write_text(settings)
        if not (folder / "keys").exists():
            Keys.create(folder / "keys" / WORKSPACE_ID)
        (workspace / "sources").mkdir(exist_ok=True)
        quoted = ", ".join(json.dumps(str(path)) for path in inputs)
        (workspace / "sources" / "bench.yaml").write_text(DOSSIER.format(inputs=quoted))
        cores = sorted(os.sched_getaffinity(0))[:workers]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "run", str(workspace), "--workers", str(workers), "--json"],
            env=env,
            stdout=subprocess.PIPE,
        )
        psutil.Process(process.pid).cpu_affinity(cores)
        usage = Usage(process.pid)
        output, _ = process.communicate()
        seconds = time.perf_counter() - started
        usage.stop()
        assert process.returncode == 0, process.returncode
        facts = json.loads(output)
        verified = subprocess.run(
            [*command, "verify", str(workspace), "--json"], env=env, check=True, capture_output=True
        )
        facts["root"] = json.loads(verified.stdout)["root"]
        return Run(scale, workers, seconds, usage.cpu_seconds, usage.peak_mb, usage.client_mb, usage.worker_mb, facts)


class Usage:
    """Sample the memory and CPU time of a process and those below it."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._most = 0
        self._mosts: dict[int, int] = {}
        self._spent: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.33):
            try:
                family = [self._process, *self._process.children(recursive=True)]
                sizes = {one.pid: one.memory_full_info().pss for one in family}
                self._most = max(self._most, sum(sizes.values()))
                self._mosts |= {pid: max(size, self._mosts.get(pid, 0)) for pid, size in sizes.items()}
                for one in family:
                    times = one.cpu_times()
                    self._spent[one.pid] = times.user + times.system
            except psutil.Error:
                continue

    def stop(self) -> None:
        """End the sampling."""
        self._stop.set()
        self._thread.join()

    @property
    def peak_mb(self) -> float:
        """The peak, MB."""
        return self._most / 1e6

    @property
    def client_mb(self) -> float:
        """The peak of the process itself, MB."""
        return self._mosts.get(self._process.pid, 0) / 1e6

    @property
    def worker_mb(self) -> float:
        """The peak of the largest process below it, MB; 0 where there is none."""
        return max((most for pid, most in self._mosts.items() if pid != self._process.pid), default=0) / 1e6

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds, up to the last sample of each process."""
        return sum(self._spent.values())


def check(done: Run, names: Sequence[str]) -> None:
    """Refuse a run whose counts are not those of the corpus."""
    counts = done.facts["run"]["counts"]
    records, documents = (done.scale * sum(of[name] for name in names) for of in (ROWS, DOCUMENTS))
    assert counts["records"] == records, (counts["records"], records)
    assert counts["captures"] == {"document": documents, "repeat": records - documents}, counts["captures"]
    assert sum(counts["dispositions"].values()) == counts["documents"] == documents, counts


def report(results: dict[int, list[Run]]) -> None:
    """Print medians: the whole run, then each stage."""
    first = next(iter(results.values()))[0]
    text_mb = first.facts["run"]["counts"]["text_bytes"] / 1e6
    documents = first.facts["run"]["counts"]["documents"]
    print(f"\nscale {first.scale}: {documents:,} documents, {text_mb:,.1f} MB of text")
    print(
        "| workers | runs | seconds (min-max) | CPU seconds | MB/s per core | without language, per core | peak MB "
        "| client, largest worker |"
    )
    print("|---|---|---|---|---|---|---|---|")
    middle = {}
    for workers, runs in results.items():
        seconds = statistics.median(run.seconds for run in runs)
        middle[workers] = seconds
        language = statistics.median(
            run.facts["run"]["stages"]["screen: signals.language"]["seconds"] / workers for run in runs
        )
        spread = f"{min(run.seconds for run in runs):.1f}-{max(run.seconds for run in runs):.1f}"
        peak = statistics.median(run.peak_mb for run in runs)
        cpu = statistics.median(run.cpu_seconds for run in runs)
        client, worker = (statistics.median(getattr(run, name) for run in runs) for name in ("client_mb", "worker_mb"))
        print(
            f"| {workers} | {len(runs)} | {seconds:.1f} ({spread}) | {cpu:.1f} | "
            f"{text_mb / seconds / workers:.1f} | {text_mb / (seconds - language) / workers:.1f} | {peak:,.0f} | "
            f"{client:,.0f}, {worker:,.0f} |"
        )
    if len(middle) > 1:
        low, high = min(middle), max(middle)
        print(f"\n{high} workers are {middle[low] / middle[high]:.2f} times as fast as {low}.")
    print("\n| stage | " + " | ".join(f"{workers} workers: s, MB/s" for workers in results) + " |")
    print("|---|" + "---|" * len(results))
    for stage in first.facts["run"]["stages"]:
        cells = []
        for runs in results.values():
            seconds = statistics.median(run.facts["run"]["stages"][stage]["seconds"] for run in runs)
            cells.append(f"{seconds:.2f}, {text_mb / max(seconds, 1e-3):.0f}")
        print(f"| {stage} | {' | '.join(cells)} |")
    outside = [f"{statistics.median(_outside(run) for run in runs):.2f}" for runs in results.values()]
    print(f"| outside of stages: start and end | {' | '.join(outside)} |")


def _outside(run: Run) -> float:
    """Return the seconds of a run that no stage accounts for; parts of a stage have a colon in their name."""
    stages = run.facts["run"]["stages"]
    return run.seconds - sum(facts["seconds"] for name, facts in stages.items() if ":" not in name)


if __name__ == "__main__":
    main()
