"""The only importer of Dask: run a function over shards, and over the groups of a key.

A task takes and returns small picklable values (names of artefacts, counts); tables travel through the
store. A task may run twice, so it only puts content-addressed artefacts. An error inside a task comes back
as a value: Dask would otherwise write the task's arguments, which name input files, to its log.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import pyarrow as pa

from corpus_gov.errors import ConfigError, CorpusGovError, SourceError

T = TypeVar("T")
R = TypeVar("R")

RANGES_MAX: Final = 4096
"""Most key ranges of one grouping; more would make row groups too small to read well."""

Progress = Callable[[str, int, int, Any], None]
"""(stage, done, all, result of the task that just ended)"""


def silent(stage: str, done: int, total: int, result: Any) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a task raised, without its arguments."""

    kind: type[BaseException]
    message: str


@dataclass(frozen=True)
class Call(Generic[T, R]):
    """A function that returns its exception as a Failure."""

    function: Callable[[T], R]

    def __call__(self, item: T) -> R | Failure:
        """Run the function; every exception becomes a value and is raised again by the client."""
        try:
            return self.function(item)
        except CorpusGovError as error:
            return Failure(type(error), str(error))
        except Exception as error:  # noqa: BLE001 - raised again in Engine.map, with its class
            # The message of a foreign exception may quote text of a document; its class and place do not.
            return Failure(RuntimeError, f"{type(error).__name__} in {_place(error)}")


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    place = "unknown"
    while frame is not None:
        code = frame.tb_frame.f_code
        if f"{os.sep}corpus_gov{os.sep}" in code.co_filename:
            place = f"corpus_gov/{code.co_filename.rsplit('corpus_gov' + os.sep, 1)[1]}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place


class Engine:
    """Workers for the length of a `with` block.

    Args:
        workers: processes to start; 1 runs in this process, None starts one a core.
        memory: limit for each worker, such as "4GB"; a worker over it is ended and the run fails loudly.
        scheduler: address of a running Dask scheduler, whose workers must see the same store.
        progress: called in the client after each task.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        memory: str | None = None,
        scheduler: str | None = None,
        progress: Progress = silent,
    ) -> None:
        """Check the arguments; nothing starts yet."""
        if workers is not None and workers < 1:
            raise ConfigError(f"--workers: found {workers!r}, expected 1 or more")
        if scheduler is not None and (workers is not None or memory is not None):
            raise ConfigError("--scheduler: its workers are already running; leave --workers and --memory out")
        self.workers = workers or (os.cpu_count() or 1)
        self.progress = progress
        self._memory = memory
        self._scheduler = scheduler
        self._client: Any = None
        self._spill: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Start the workers, or connect to the scheduler."""
        import dask  # noqa: PLC0415 - half a second that the help page need not pay
        import distributed  # noqa: PLC0415

        # Messages of a worker quote keys and arguments of tasks; failures reach the user through Failure.
        for name in ("distributed", "distributed.worker", "distributed.scheduler", "distributed.nanny"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if self._scheduler is not None:
            self._client = distributed.Client(self._scheduler, set_as_default=False, timeout="30s")
            self.workers = max(1, sum(self._client.nthreads().values()))
            return self
        self._spill = tempfile.TemporaryDirectory(prefix="corpus-gov-")
        settings = {
            "distributed.logging": {"distributed": "critical"},
            "distributed.worker.memory.spill-compression": None,
            # The profiler holds a task's frames in another thread, and an HTML tree must not be dropped there.
            "distributed.worker.profile.enabled": False,
            "temporary-directory": self._spill.name,
        }
        with dask.config.set(settings):
            self._client = distributed.Client(
                processes=self.workers > 1,
                n_workers=self.workers,
                threads_per_worker=1,
                memory_limit=self._memory or "auto",
                dashboard_address="127.0.0.1:0",
                local_directory=self._spill.name,
                set_as_default=False,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started and remove the spill folder."""
        if self._client is not None:
            self._client.close()
            if self._scheduler is None and self._client.cluster is not None:
                self._client.cluster.close()
        if self._spill is not None:
            self._spill.cleanup()

    def map(self, stage: str, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Run `function` on every item; results come in the order of the items.

        Raises:
            CorpusGovError: what a task raised, of the same class.
            SourceError: a worker died, most often because one shard needs more memory than a worker has.
        """
        import distributed  # noqa: PLC0415

        if self._client is None:
            raise RuntimeError("the engine is not running; use it in a with block")
        futures = self._client.map(Call(function), items, pure=False, retries=0)
        place = {future.key: index for index, future in enumerate(futures)}
        results: list[Any] = [None] * len(items)
        completed = distributed.as_completed(futures, loop=self._client.loop, with_results=True)
        try:
            for done, (future, result) in enumerate(completed, 1):
                if isinstance(result, Failure):
                    raise result.kind(result.message)
                results[place[future.key]] = result
                self.progress(stage, done, len(items), result)
        except distributed.KilledWorker as error:
            raise SourceError(
                f"stage {stage!r}: a worker died, most likely over its memory limit; "
                "use fewer --workers, a larger --memory or smaller shards"
            ) from error
        finally:
            self._client.cancel(futures)
        return results

    def group(
        self, stage: str, shards: Sequence[str], ranges: int, reduce: Callable[[tuple[Sequence[str], int]], R]
    ) -> list[R]:
        """Run `reduce` once for each key range of what `split_by_range` wrote for every shard.

        An external sort: each shard's rows lie sorted in one file, a row group a range, so a range is read
        with one small read a shard, and memory is bounded by the largest range.

        Args:
            stage: name for progress.
            shards: names of the split files, one a shard.
            ranges: how many key ranges they were split into.
            reduce: takes (shards, range number).
        """
        return self.map(stage, reduce, [(tuple(shards), number) for number in range(ranges)])


def ranges_for(rows: int, rows_a_range: int) -> int:
    """Choose how many key ranges `rows` rows need; the same for any cut into shards."""
    return max(1, min(RANGES_MAX, -(-rows // rows_a_range)))


def split_by_range(table: pa.Table, key: str, ranges: int) -> list[pa.Table]:
    """Cut a table into `ranges` tables by the first 8 hex digits of `key`, each sorted by it and doc_id.

    Args:
        table: any columns; `key` holds uniformly distributed lower-case hex of at least 8 digits.
        key: name of the column.
        ranges: number of equal ranges of the key space.
    """
    import numpy as np  # noqa: PLC0415

    table = table.combine_chunks()
    order = dict.fromkeys([key, *(name for name in ("doc_id",) if name in table.column_names)])
    table = table.sort_by([(name, "ascending") for name in order])
    numbers = _heads(table[key]) * np.uint64(ranges) >> np.uint64(32)
    bounds = np.searchsorted(numbers, np.arange(ranges + 1))
    return [table.slice(int(a), int(b - a)) for a, b in pairwise(bounds)]


def _heads(column: pa.ChunkedArray) -> Any:
    """Read the first 8 hex digits of every value as a number, uint64."""
    import numpy as np  # noqa: PLC0415

    from corpus_gov.kernels.columns import buffers  # noqa: PLC0415 - numba

    data, offsets = buffers(column)
    digits = data[offsets[:-1, None] + np.arange(8)].astype(np.uint64)
    nibbles = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0"))
    return nibbles @ (np.uint64(16) ** np.arange(7, -1, -1, dtype=np.uint64))
