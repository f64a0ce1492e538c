"""A cluster of processes that loses a worker while it runs."""

import threading
import time
from pathlib import Path

import psutil
import pytest
import small_corpus
from cluster import cluster
from test_pipeline import root, run

from corpus_gov import pipeline, release
from corpus_gov.engine import Engine
from corpus_gov.errors import SourceError
from corpus_gov.store import open_store


def test_a_killed_worker_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two workers is killed mid-run: the run completes, or ends by name and the next completes; same root."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    small_corpus.write_inputs(tmp_path / "inputs", 60)
    calm = small_corpus.make(tmp_path / "calm", tmp_path / "inputs", shard_rows=4)
    run(calm)
    disturbed = small_corpus.make(tmp_path / "disturbed", tmp_path / "inputs", shard_rows=4)

    with cluster(tmp_path) as address:
        killed: list[int] = []
        killer = threading.Thread(target=kill_a_worker, args=(Path(disturbed.url), tmp_path, killed))
        killer.start()
        try:
            with Engine(scheduler=address) as engine:
                pipeline.run(disturbed, engine=engine, as_of=small_corpus.AS_OF)
        except SourceError as error:
            assert "worker" in str(error)  # noqa: PT017 - either way is right, and both are checked
        killer.join()
        assert len(killed) == 1
        if not disturbed.releases():
            with Engine(scheduler=address) as engine:
                pipeline.run(disturbed, engine=engine, as_of=small_corpus.AS_OF)

    assert root(disturbed) == root(calm)
    assert release.verify(open_store(disturbed.url), None, None, []).release == "r0001"


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
