"""A Dask cluster of separate processes: it gives the same root, loses workers, and runs short of memory."""

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
import small_corpus
from cluster import cluster
from test_pipeline import root, run

from corpus_gov import engine as engine_module
from corpus_gov import pipeline, release
from corpus_gov.engine import Engine
from corpus_gov.errors import SourceError
from corpus_gov.store import open_store

LIMIT = 1_000_000_000
"""Bytes of each worker; one that has loaded the kernels has some 400 MB."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with inputs and keys."""
    made = tmp_path_factory.mktemp("cluster")
    small_corpus.write_inputs(made / "inputs", 30)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(made / "keys"))
        yield made


@pytest.fixture(scope="module")
def address(folder):
    """A scheduler with two workers, for all tests here."""
    with cluster(folder, memory=LIMIT) as found:
        yield found


@pytest.fixture(scope="module")
def calm(folder):
    """The root of an undisturbed run."""
    workspace = small_corpus.make(folder / "calm", folder / "inputs")
    run(workspace)
    return root(workspace)


def there(folder, address, name):
    """Make a workspace of many shards, and run it on the cluster."""
    workspace = small_corpus.make(folder / name, folder / "inputs", shard_rows=4)

    def go() -> None:
        with Engine(scheduler=address) as engine:
            pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)

    return workspace, go


def hold(size: int) -> int:
    """Take memory of a worker until it has so much, or give it back; runs in the worker."""
    module = sys.modules["__main__"]
    module.held = None
    module.held = b"x" * max(0, size - psutil.Process().memory_info().rss)
    return psutil.Process().memory_info().rss


def test_a_scheduler_with_two_workers_started_by_hand(address):
    """An engine connects to running workers and uses them."""
    with Engine(scheduler=address) as engine:
        engine._client.wait_for_workers(2, timeout=60)

        assert engine.map("digits", str, list(range(8))) == [str(n) for n in range(8)]


def test_workers_that_are_paused_end_the_run_by_name(folder, address, calm, monkeypatch):
    """Workers near their limit begin nothing: the run says so and what to do, and is taken up when there is memory.

    The root is that of a run without any cluster.
    """
    workspace, go = there(folder, address, "paused")
    with Engine(scheduler=address) as engine:
        engine._client.run(hold, LIMIT * 88 // 100)
        monkeypatch.setattr(engine_module, "PAUSED_SECONDS", 2.0)
        with pytest.raises(SourceError, match=r"workers of --scheduler paused .*dask worker --memory-limit.*run again"):
            pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
        engine._client.run(hold, 0)
    assert workspace.releases() == []

    go()

    assert root(workspace) == calm


def test_a_killed_worker_costs_time_only(folder, address, calm):
    """One of two workers is killed mid-run: the run completes, or ends by name and the next completes; same root."""
    workspace, go = there(folder, address, "disturbed")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(Path(workspace.url), folder, killed), daemon=True)
    killer.start()

    try:
        go()
    except SourceError as error:
        assert "worker" in str(error)  # noqa: PT017 - either way is right, and both are checked
    killer.join(60)
    if not workspace.releases():
        go()

    assert len(killed) == 1
    assert root(workspace) == calm
    assert release.verify(open_store(workspace.url), None, None, []).release == "r0001"


def kill_a_worker(workspace: Path, folder: Path, killed: list[int]) -> None:
    """Kill a worker once the first artefact of a screen is there, so that it dies at work; its nanny starts another."""
    until = time.monotonic() + 120
    while not any((workspace / "artefacts").glob("findings.*/*")):
        assert time.monotonic() < until
        time.sleep(0.01)
    nannies = [one for one in psutil.Process().children() if one.is_running() and is_worker(one, folder)]
    worker = next(one for one in nannies[0].children() if "spawn_main" in " ".join(one.cmdline()))
    worker.kill()
    killed.append(worker.pid)


def is_worker(one: psutil.Process, folder: Path) -> bool:
    """Say whether `cluster` started a process as a worker in that folder."""
    return "distributed.cli.dask_worker" in one.cmdline() and one.cwd() == str(folder)
