"""kill -9 at random moments: the previous release verifies, and the next run gives the undisturbed root."""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import small_corpus
from test_pipeline import root, run

from corpus_gov import release
from corpus_gov.engine import prefork
from corpus_gov.store import open_store
from corpus_gov.workspace import open_workspace


@dataclass(frozen=True)
class Waiting:
    """A workspace with a release, inputs that came after it, and the root of an undisturbed run over all of them."""

    folder: Path
    first: str
    root: str


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waiting]:
    """Release 30 documents, add 15, and note what a workspace that nothing happens to comes to."""
    folder = tmp_path_factory.mktemp("waiting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        # Those that are killed are forked from a process that has loaded everything: each start would take seconds.
        prefork()
        inputs = folder / "inputs"
        small_corpus.write_inputs(inputs, 30)
        calm = small_corpus.make(folder / "calm", inputs)
        run(calm)
        disturbed = small_corpus.make(folder / "disturbed", inputs, shard_rows=4)
        first = run(disturbed).release
        small_corpus.write_inputs(inputs, 45)
        run(calm)
        yield Waiting(folder / "disturbed", first, root(calm))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_random_moments(waiting: Waiting, tmp_path: Path, seed: int) -> None:
    """Each of five kills leaves the release whole; the last run ends as if undisturbed."""
    disturbed = open_workspace(shutil.copytree(waiting.folder, tmp_path / "disturbed"))
    moments, inside = random.Random(seed), 0

    for _ in range(5):
        inside += kill_after(moments.uniform(0.0, 1.6), disturbed.url)
        found = release.verify(open_store(disturbed.url), waiting.first, None, [])
        assert found.release == waiting.first
    run(disturbed)

    assert inside, "no kill came before the end of its run"
    assert root(disturbed) == waiting.root


def kill_after(seconds: float, url: str) -> bool:
    """Start a run in a process of its own, kill it with all that it started after `seconds`; say if it still ran."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=run_when_told, args=(url, theirs, dict(os.environ)))
    with ours:
        with theirs:
            process.start()
        assert ours.recv() == "ready"
        ours.send("go")
        time.sleep(seconds)
        ran = not ours.poll()
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
    assert process.exitcode == -signal.SIGKILL
    return ran


def run_when_told(url: str, told: Connection, environment: dict[str, str]) -> None:
    """Run the corpus when the other end says so, in a session of its own; the fork server has an older environment."""
    os.environ.update(environment)
    os.setsid()
    disturbed = open_workspace(url)
    told.send("ready")
    told.recv()
    run(disturbed)
    told.send("done")
    # Ended by whoever started it, for its group to be there until then.
    signal.pause()
