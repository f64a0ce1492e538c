"""kill -9 at random moments: the previous release verifies, and the next run gives the undisturbed root."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_corpus
from test_pipeline import root, run

from corpus_gov import release
from corpus_gov.store import open_store

SCRIPT = """
import sys
from corpus_gov import pipeline
from corpus_gov.engine import Engine
import small_corpus
workspace = pipeline.open_workspace(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
with Engine(workers=1) as engine:
    pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_random_moments(tmp_path, monkeypatch, seed):
    """Each of five kills leaves the release whole; the last run ends as if undisturbed."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    inputs = tmp_path / "inputs"
    small_corpus.write_inputs(inputs, 30)
    calm = small_corpus.make(tmp_path / "calm", inputs)
    run(calm)
    disturbed = small_corpus.make(tmp_path / "disturbed", inputs, shard_rows=4)
    first = run(disturbed).release
    small_corpus.write_inputs(inputs, 45)
    run(calm)
    moments = random.Random(seed)

    for _ in range(5):
        kill_after(moments.uniform(0.0, 1.6), disturbed.url, tmp_path)
        assert release.verify(open_store(disturbed.url), first, None, []).release == first
    run(disturbed)

    assert root(disturbed) == root(calm)


def kill_after(seconds: float, url: str, tmp_path) -> None:
    """Start a run in a process of its own and kill it, with everything it started, after `seconds`."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process.stdin, process.stdout:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
