"""Workers: order of results, errors without arguments, key ranges, a scheduler started by hand."""

import os
import time

import distributed
import psutil
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import engine as engine_module
from corpus_gov.engine import Call, Engine, Failure, in_processes, own_versions, ranges_for, split_by_range
from corpus_gov.errors import ConfigError, CorpusGovError, IntegrityError, SourceError


def double(number: int) -> int:
    return 2 * number


def fail(number: int) -> int:
    raise ValueError(f"secret {number}")


def refuse(number: int) -> int:
    raise IntegrityError(f"item {number}: does not hold")


def die(number: int) -> None:
    os._exit(1)


def eat(number: int) -> None:
    kept = []
    while True:
        kept.append(b"x" * 50_000_000)
        time.sleep(0.02)


def process(number: int) -> int:
    return os.getpid()


def pause_fraction(dask_worker) -> float | bool:
    return dask_worker.memory_manager.memory_pause_fraction


def other_versions() -> tuple[tuple[str, str], ...]:
    """Versions of a machine that has another numba."""
    return tuple((name, "0.0" if name == "numba" else number) for name, number in own_versions())


@pytest.fixture
def quick(monkeypatch):
    """Wait for a scheduler for a second only."""
    monkeypatch.setattr(engine_module, "CONNECT_SECONDS", 1)


@pytest.fixture
def small_cluster():
    """A scheduler with one worker, both in this process; the test may take the worker away."""
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    )
    with local:
        yield local


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order(workers):
    """Results come in the order of the items, whoever is ready first."""
    with Engine(workers=workers) as engine:
        assert engine.map("double", double, list(range(20))) == [2 * n for n in range(20)]
        assert engine.map("double", double, []) == []


def test_errors_keep_their_class_and_lose_their_words():
    """Our own errors arrive as they are; the message of a foreign one, which may quote a text, does not."""
    with Engine(workers=1) as engine:
        with pytest.raises(IntegrityError, match="item 3: does not hold"):
            engine.map("refuse", refuse, [3])
        with pytest.raises(CorpusGovError, match="ValueError") as error:
            engine.map("fail", fail, [3])
    assert "secret" not in str(error.value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dead_worker_says_what_to_do(capfd):
    """A worker that dies again and again fails the run with the remedy; the one started after it has its settings."""
    with Engine(workers=2) as engine:
        with pytest.raises(SourceError, match=r"a worker died.*smaller shards"):
            engine.map("die", die, [1])
        engine._client.wait_for_workers(2, timeout=60)

        assert set(engine._client.run(pause_fraction).values()) == {False}
    assert "WARNING" not in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_one_worker_over_its_limit_fails():
    """A single worker with a limit that needs far more ends the run; it neither hangs nor takes the machine."""
    with Engine(workers=1, memory="600MB") as engine, pytest.raises(SourceError, match="memory limit"):
        engine.map("eat", eat, [1])


def test_one_worker_without_a_limit_runs_here_and_never_pauses():
    """Without --memory one worker is this process, which nothing pauses whatever it holds."""
    with Engine(workers=1) as engine:
        assert engine.map("process", process, [1]) == [os.getpid()]
        (worker,) = engine._client.cluster.workers.values()
        assert worker.memory_manager.memory_limit is None


@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_listens_to_other_machines(workers):
    """Scheduler, workers and their HTTP servers are bound to the loopback interface alone."""
    with Engine(workers=workers) as engine:
        engine.map("process", process, [1])
        processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
        sockets = [socket for one in processes for socket in one.net_connections("inet") if socket.status == "LISTEN"]

    assert sockets
    assert {socket.laddr.ip for socket in sockets} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("workers", "memory", "cores", "expected"),
    [(1, None, 8, False), (2, None, 1, True), (None, None, 1, False), (None, None, 2, True), (1, "4GB", 1, True)],
)
def test_processes_are_started_for_several_workers_or_a_limit(workers, memory, cores, expected, monkeypatch):
    """A machine of one core, and one worker without a limit, load no libraries for processes that never start."""
    monkeypatch.setattr("os.cpu_count", lambda: cores)

    assert in_processes(workers, memory) is expected


@pytest.mark.slow
def test_one_worker_with_a_limit_is_a_process():
    """With --memory one worker is a process of its own, since only that can be ended."""
    with Engine(workers=1, memory="1GB") as engine:
        assert engine.map("process", process, [1]) != [os.getpid()]


@pytest.mark.parametrize(("memory", "problem"), [("lots", "such as '4GB'"), ("100MB", "512MB or more")])
def test_a_senseless_limit_is_refused(memory, problem):
    """A limit that is no size, or that no worker could start under, is a mistake of its author."""
    with pytest.raises(ConfigError, match=problem):
        Engine(workers=1, memory=memory)


def test_scheduler_excludes_local_options():
    """Options of local workers beside an address are a mistake."""
    with pytest.raises(ConfigError, match="leave --workers"):
        Engine(scheduler="tcp://127.0.0.1:1", workers=2)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "http://127.0.0.1:1", "host:port"])
def test_a_scheduler_that_is_not_there(address):
    """An address that nothing answers at is a ConfigError that names it and what to do."""
    start = time.perf_counter()

    with pytest.raises(ConfigError, match=f"{address}.*dask scheduler"), Engine(scheduler=address):
        pass

    assert time.perf_counter() - start < 5


@pytest.mark.usefixtures("quick")
def test_a_scheduler_without_workers(small_cluster):
    """A scheduler that has nobody to do the work is a ConfigError."""
    small_cluster.scale(0)
    small_cluster.sync(small_cluster._correct_state)

    with pytest.raises(ConfigError, match="found no worker"), Engine(scheduler=small_cluster.scheduler_address):
        pass


def test_the_address_of_a_worker_is_no_scheduler(small_cluster):
    """A worker's address in the scheduler's place is named as that."""
    (worker,) = small_cluster.workers.values()

    with pytest.raises(ConfigError, match="found a Worker"), Engine(scheduler=worker.address):
        pass


def test_a_worker_with_another_version_is_refused(small_cluster, monkeypatch):
    """A worker whose numba is not the client's is named with both versions before anything runs."""
    monkeypatch.setattr(engine_module, "own_versions", other_versions)

    with (
        pytest.raises(ConfigError, match=r"worker tcp://.* has numba .* instead of 0\.0"),
        Engine(scheduler=small_cluster.scheduler_address),
    ):
        pass


def test_a_worker_that_joins_late_is_compared_too():
    """A task that arrives at a worker with other versions does not run; without versions to compare it does."""
    refused = Call(double, other_versions())(2)

    assert isinstance(refused, Failure)
    assert refused.kind is ConfigError
    assert "numba" in refused.message
    assert Call(double, own_versions())(2) == Call(double)(2) == 4


def test_versions_are_asked_for_where_nothing_is_installed():
    """A worker without a distribution says so instead of failing."""
    assert engine_module._asking(["no-such-distribution"])() == {"no-such-distribution": "(not installed)"}


@given(st.lists(st.binary(min_size=4, max_size=4), max_size=50), st.integers(1, 9))
def test_ranges_hold_every_row_once_in_order(keys, ranges):
    """Ranges together hold every row, in order of the key, and equal keys share a range."""
    table = pa.table({"key": [key.hex() for key in keys], "row": list(range(len(keys)))})

    parts = split_by_range(table, "key", ranges)

    joined = [key for part in parts for key in part["key"].to_pylist()]
    assert len(parts) == ranges
    assert joined == sorted(table["key"].to_pylist())
    homes = [set(part["key"].to_pylist()) for part in parts]
    assert sum(len(home) for home in homes) == len(set(joined))


def test_number_of_ranges_depends_on_rows_alone():
    """One range for few rows, never none."""
    assert [ranges_for(rows, 100) for rows in (0, 1, 100, 101, 1000)] == [1, 1, 1, 2, 10]
