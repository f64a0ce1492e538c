"""The only importer of Dask: run a function over items, such as shards or key ranges.

A task takes and returns small picklable values (names of artefacts, counts); tables travel through the
store. A task may run twice, so it only puts content-addressed artefacts. An error inside a task comes back
as a value: Dask would otherwise write the task's arguments, which name input files, to its log.
"""

import asyncio
import logging
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from multiprocessing import forkserver
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar
from uuid import uuid4

from corpus_gov.errors import ConfigError, CorpusGovError, SourceError, place

if TYPE_CHECKING:
    # Not loaded here: `prefork` is to begin before anything else does.
    import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")

RANGES_MAX: Final = 4096
"""Most key ranges of one grouping; more would make row groups too small to read well."""

CONNECT_SECONDS: Final = 10
"""How long a scheduler has to answer, and then to have a worker."""

PAUSED_SECONDS: Final = 60.0
"""How long the workers of a scheduler may do nothing, all of them paused or gone, before a stage is given up."""

LIBRARIES: Final = (
    "pyarrow", "numpy", "numba", "duckdb", "hyperscan", "resiliparse", "fastwarc", "presidio-analyzer", "trafilatura",
    "lxml",
)  # fmt: skip
"""Written into run.json with their versions; families name what their own results depend on."""

MUST_AGREE: Final = ("corpus-gov", *LIBRARIES)
"""Distributions whose versions are the client's on every worker: a release is made by one version of each."""

MEMORY_LEAST: Final = 512_000_000
"""Bytes below which a worker that has loaded the libraries would be ended before it did anything."""

SOCKET_FOLDER_MOST: Final = 70
"""Bytes; of the 107 that Linux gives a socket's path, multiprocessing adds some 30."""

_MEMORY = re.compile(r"[0-9]+(\.[0-9]+)? ?[kMGT]i?B")

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
    """A function that returns its exception as a Failure.

    Attributes:
        function: what to run.
        versions: of MUST_AGREE in the client, where a worker may have others; one that joins late is caught too.
    """

    function: Callable[[T], R]
    versions: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __call__(self, item: T) -> R | Failure:
        """Run the function; every exception becomes a value and is raised again by the client."""
        try:
            if self.versions and self.versions != own_versions():
                _refuse_other("a worker", dict(own_versions()), dict(self.versions))
            return self.function(item)
        except CorpusGovError as error:
            return Failure(type(error), str(error))
        except Exception as error:  # noqa: BLE001 - raised again in Engine.map, with its class
            # The message of a foreign exception may quote text of a document; its class and place do not.
            message = f"{type(error).__name__} in {place(error)}: this is a bug, please report the line"
            return Failure(CorpusGovError, message)


@cache
def own_versions() -> tuple[tuple[str, str], ...]:
    """Return the versions of MUST_AGREE in this process."""
    return tuple((name, version(name)) for name in MUST_AGREE)


def _refuse_other(where: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    """Raise ConfigError where versions differ."""
    differ = [f"{name} {found[name]} instead of {own}" for name, own in expected.items() if found[name] != own]
    if differ:
        raise ConfigError(
            f"--scheduler: {where} has {', '.join(differ)}; install the versions of this machine on every worker"
        )


def quiet() -> None:
    """Keep Dask's own messages out of sight: they quote keys and arguments of tasks; failures travel as Failure."""
    for name in ("distributed", "distributed.worker", "distributed.scheduler", "distributed.nanny"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def in_processes(workers: int | None, memory: str | None) -> bool:
    """Say whether an engine of these arguments starts processes; arguments as for Engine."""
    return memory is not None or (workers or os.cpu_count() or 1) > 1


def can_fork() -> bool:
    """Say whether workers are forked from a process that has loaded the libraries, or start from nothing.

    Frameworks of macOS do not live through a fork, and Windows has none. The path of the fork server's socket must
    be short: it lies in the folder for temporary files.
    """
    return sys.platform == "linux" and len(os.fsencode(tempfile.gettempdir())) <= SOCKET_FOLDER_MOST


def prefork(module: str = "corpus_gov.warm") -> None:
    """Begin to load what workers need in the process that they will be forked from; returns at once.

    A second call does nothing. The process ends with this one.

    Args:
        module: what to load, by being imported; `corpus_gov.imported` where it may turn out that nothing is screened.
    """
    if can_fork():
        multiprocessing.get_context("forkserver").set_forkserver_preload([module])
        forkserver.ensure_running()


class Engine:
    """Workers for the length of a `with` block.

    Args:
        workers: processes to start, None for one a core. 1 without `memory` starts none: tasks run in this
            process, in a thread, without a limit.
        memory: limit for each worker, such as "4GB"; there is a process then even for one worker. A worker that
            reaches 95 % of it is ended, and the run fails with SourceError. Where it is None, each of several
            workers gets an equal share of the machine's memory.
        scheduler: address of a running Dask scheduler, whose workers must see the same store and have the same
            versions of MUST_AGREE; what they do when memory runs short is their own configuration.
        progress: called in the client after each task.

    Raises:
        ConfigError: an argument is wrong; on entering the block: the scheduler cannot be reached or has no
            worker, or a worker has other versions.
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
        if memory is not None:
            _check_memory(memory)
        self.workers = workers or (os.cpu_count() or 1)
        self.progress = progress
        self._memory = memory
        self._scheduler = scheduler
        self._connected: Any = None
        self._starting: Future[Any] | None = None
        self._started = ExitStack()

    @property
    def elsewhere(self) -> bool:
        """Whether the workers are those of a scheduler, which may run on other machines."""
        return self._scheduler is not None

    def __enter__(self) -> Self:
        """Begin to start the workers, or connect to the scheduler; `map` waits for workers that are still starting."""
        try:
            if self._scheduler is None:
                self._start()
            else:
                self._connect(self._scheduler)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started and remove the workers' folder."""
        self._stop()

    def _start(self) -> None:
        import dask  # noqa: PLC0415 - half a second that the help page need not pay
        import distributed  # noqa: PLC0415

        # Not before the import, which sets the levels of its loggers itself.
        quiet()
        folder = self._started.enter_context(tempfile.TemporaryDirectory(prefix="corpus-gov-"))
        processes = in_processes(self.workers, self._memory)
        settings = {
            "distributed.logging": {"distributed": "critical"},
            # Workers hold no tables, so there is nothing to spill; and a worker that pauses because memory is
            # short waits for memory that nobody frees: it would hang for ever without a word. Only the limit
            # itself ends it.
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.worker.memory.pause": False,
            "distributed.worker.memory.terminate": 0.95,
            # The profiler holds a task's frames in another thread, and an HTML tree must not be dropped there.
            "distributed.worker.profile.enabled": False,
            # Dask watches itself fifty times a second, in the process that works where there is one worker: that took
            # a tenth of its time. Nobody looks at what it notes down.
            "distributed.admin.tick.interval": "1s",
            "distributed.admin.system-monitor.interval": "10s",
            "distributed.scheduler.active-memory-manager.start": False,
            # A worker asks for its next task when it has none: one that lay waiting behind a long task would be
            # begun last, while other workers have nothing to do.
            "distributed.scheduler.worker-saturation": 1.0,
            "temporary-directory": folder,
        }
        # For as long as workers run: one that is started again after it died reads them anew.
        self._started.enter_context(dask.config.set(settings))
        if processes and can_fork():
            self._started.enter_context(dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}))
            # Dask puts its own preloads into the context once; ours stand after them.
            distributed.utils.get_mp_context()
            prefork()
        options = {
            "processes": processes,
            "n_workers": self.workers,
            "threads_per_worker": 1,
            # 0 is no limit: this process cannot be ended and started again.
            "memory_limit": (self._memory or "auto") if processes else 0,
            # Nothing of ours listens where other machines can reach it. Within one process there is no socket but
            # those of the two HTTP servers, and `host` is refused.
            "host": "127.0.0.1" if processes else None,
            "dashboard_address": "127.0.0.1:0",
            "worker_dashboard_address": "127.0.0.1:0",
            "local_directory": folder,
            "set_as_default": False,
            # A fork server has the environment of the moment when it started; workers get that of now.
            **({"env": dict(os.environ)} if processes else {}),
        }
        # In a thread: until the workers are there, the client lists inputs.
        starter = self._started.enter_context(ThreadPoolExecutor(1))
        self._starting = starter.submit(distributed.Client, **options)

    @property
    def _client(self) -> Any:
        """The Dask client, once it and its workers have started; None before and after the block."""
        if self._starting is not None:
            starting, self._starting = self._starting, None
            self._connected = starting.result()
        return self._connected

    def _connect(self, address: str) -> None:
        """Connect to a running scheduler and compare the versions of its workers with ours."""
        import distributed  # noqa: PLC0415

        quiet()
        _check_scheduler(address)
        try:
            self._connected = distributed.Client(address, set_as_default=False, timeout=CONNECT_SECONDS)
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError as error:
            raise ConfigError(
                f"--scheduler {address!r}: found no worker within {CONNECT_SECONDS} s, expected one at least; "
                "start one with `dask worker`"
            ) from error
        expected = dict(own_versions())
        for worker, found in sorted(self._client.run(_asking(MUST_AGREE)).items()):
            _refuse_other(f"worker {worker}", found, expected)
        self.workers = max(1, sum(self._client.nthreads().values()))

    def _stop(self) -> None:
        try:
            client = self._client
            if client is not None:
                client.close()
                if self._scheduler is None and client.cluster is not None:
                    client.cluster.close()
        finally:
            self._connected = None
            self._started.close()

    def map(
        self, stage: str, function: Callable[[T], R], items: Sequence[T], sizes: Sequence[int] | None = None
    ) -> list[R]:
        """Run `function` on every item; results come in the order of the items.

        Args:
            stage: name for progress.
            function: what to run; a function of a module.
            items: what it takes.
            sizes: about how much work each item is, in any unit. The largest start first, so that workers end
                together.

        Raises:
            CorpusGovError: what a task raised, of the same class.
            SourceError: a worker died, most often because one shard needs more memory than a worker has; or those of a
                scheduler have been paused for a minute, which they are near their limit.
        """
        import distributed  # noqa: PLC0415

        if self._client is None:
            raise RuntimeError("the engine is not running; use it in a with block")
        call = Call(function, own_versions() if self._scheduler is not None else ())
        order = sorted(range(len(items)), key=lambda index: -sizes[index] if sizes is not None else 0)
        # Tasks without dependencies start in the order of their keys.
        call_id = uuid4().hex[:8]
        keys = [f"{stage}-{call_id}-{number:08d}" for number in range(len(items))]
        futures = self._client.map(call, [items[index] for index in order], key=keys, pure=False, retries=0)
        places = {future.key: index for future, index in zip(futures, order, strict=True)}
        results: list[Any] = [None] * len(items)
        completed = distributed.as_completed(futures, loop=self._client.loop, with_results=True)
        remedy = "use fewer --workers, a larger --memory or smaller shards"
        if self._scheduler is not None:
            remedy = "give them more (`dask worker --memory-limit`) or make smaller shards, then run again"
        try:
            with _given_up(self._client, futures) if self._scheduler is not None else nullcontext(Event()) as stuck:
                for done, (future, result) in enumerate(completed, 1):
                    if stuck.is_set():
                        raise SourceError(
                            f"stage {stage!r}: found all workers of --scheduler paused or gone for "
                            f"{PAUSED_SECONDS:.0f} s, most likely near their memory limit; {remedy}"
                        )
                    if isinstance(result, Failure):
                        raise result.kind(result.message)
                    results[places[future.key]] = result
                    self.progress(stage, done, len(items), result)
        except distributed.KilledWorker as error:
            raise SourceError(f"stage {stage!r}: a worker died, most likely over its memory limit; {remedy}") from error
        finally:
            self._client.cancel(futures)
        return results


@contextmanager
def _given_up(client: Any, futures: Sequence[Any]) -> Iterator[Event]:
    """Cancel tasks that nobody will do: all workers have been paused or gone for PAUSED_SECONDS; says so by the event.

    A worker that is paused begins nothing until memory is free, and near its limit nothing frees it.
    """
    ended, stuck = Event(), Event()

    def look() -> None:
        since = time.monotonic()
        while not ended.wait(PAUSED_SECONDS / 10):
            workers = client.scheduler_info(n_workers=-1)["workers"].values()
            # One that is paused may still end what it has begun.
            if any(one["status"] != "paused" or one["metrics"]["task_counts"].get("executing") for one in workers):
                since = time.monotonic()
            elif time.monotonic() - since >= PAUSED_SECONDS:
                stuck.set()
                client.cancel(futures)
                return

    watching = Thread(target=look, name="corpus-gov workers", daemon=True)
    watching.start()
    try:
        yield stuck
    finally:
        ended.set()
        watching.join()


def _check_memory(memory: str) -> None:
    import dask.utils  # noqa: PLC0415

    if not _MEMORY.fullmatch(memory):
        raise ConfigError(f"--memory: found {memory!r}, expected a size such as '4GB'; correct it")
    if dask.utils.parse_bytes(memory) < MEMORY_LEAST:
        raise ConfigError(
            f"--memory: found {memory!r}, expected {MEMORY_LEAST // 1_000_000}MB or more: "
            "the libraries alone take most of that; give more, or leave it out"
        )


def _check_scheduler(address: str) -> None:
    """Ask who is there before a client is made: one that could not connect keeps trying when it is closed."""
    try:
        # In a thread of its own, because a notebook's thread runs an event loop already.
        with ThreadPoolExecutor(1) as pool:
            kind = pool.submit(asyncio.run, asyncio.wait_for(_kind(address), CONNECT_SECONDS)).result()
    except Exception as error:  # what is no scheduler may answer anything
        raise ConfigError(
            f"--scheduler {address!r}: found nothing that answers within {CONNECT_SECONDS} s ({type(error).__name__}), "
            "expected a running Dask scheduler; start it with `dask scheduler`, or correct the address"
        ) from error
    if kind != "Scheduler":
        raise ConfigError(
            f"--scheduler {address!r}: found a {kind}, expected a scheduler; give the scheduler's address"
        )


async def _kind(address: str) -> str:
    import distributed  # noqa: PLC0415

    security = distributed.Security().get_connection_args("client")
    async with distributed.core.rpc(address, timeout=CONNECT_SECONDS, connection_args=security) as there:
        return str((await there.identity())["type"])


def _asking(names: Sequence[str]) -> Callable[[], dict[str, str]]:
    """Return a function that reads versions where it runs."""

    # A function inside a function travels by value: it runs also where corpus_gov is not installed.
    def installed() -> dict[str, str]:
        import importlib.metadata  # noqa: PLC0415

        found = {}
        for name in names:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                found[name] = "(not installed)"
        return found

    return installed


def ranges_for(rows: int, rows_a_range: int) -> int:
    """Choose how many key ranges `rows` rows need; the same for any cut into shards."""
    return max(1, min(RANGES_MAX, -(-rows // rows_a_range)))


def split_by_range(table: "pa.Table", key: str, ranges: int) -> "list[pa.Table]":
    """Cut a table into `ranges` tables by the first 8 hex digits of `key`, each sorted by it and doc_id.

    Args:
        table: any columns; `key` holds uniformly distributed lower-case hex of at least 8 digits.
        key: name of the column.
        ranges: number of equal ranges of the key space.
    """
    table = table.combine_chunks()
    order = dict.fromkeys([key, *(name for name in ("doc_id",) if name in table.column_names)])
    return cut_by_range(table.sort_by([(name, "ascending") for name in order]), key, ranges)


def cut_by_range(table: "pa.Table", key: str, ranges: int) -> "list[pa.Table]":
    """Cut a table that ascends by `key` as `split_by_range` does; nothing is copied."""
    import numpy as np  # noqa: PLC0415

    numbers = _heads(table[key]) * np.uint64(ranges) >> np.uint64(32)
    bounds = np.searchsorted(numbers, np.arange(ranges + 1))
    return [table.slice(int(a), int(b - a)) for a, b in pairwise(bounds)]


def _heads(column: "pa.ChunkedArray") -> Any:
    """Read the first 8 hex digits of every value as a number, uint64."""
    import numpy as np  # noqa: PLC0415

    from corpus_gov.kernels.columns import hex_bytes  # noqa: PLC0415 - numba

    return hex_bytes(column, 4).view(">u4").reshape(-1).astype(np.uint64)
