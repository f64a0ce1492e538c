"""A Dask scheduler with two worker processes, started as an operator would by hand."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def cluster(folder: Path, memory: int = 0) -> Iterator[str]:
    """Start them in processes of their own, workers with so many bytes (0 is no limit); give the address; end them."""
    file = folder / "scheduler.json"
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "env": os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        "cwd": folder,
    }
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file), "--nthreads", "1"]
    worker += ["--memory-limit", str(memory)]
    started = [subprocess.Popen([*scheduler, "--no-dashboard", "--scheduler-file", str(file)], **quiet)]
    try:
        started += [
            subprocess.Popen([*worker, "--no-dashboard", "--local-directory", str(folder)], **quiet) for _ in range(2)
        ]
        yield _address(file)
    finally:
        for process in started:
            process.terminate()
            process.wait()


def _address(file: Path) -> str:
    for _ in range(600):
        if file.exists() and file.read_text(encoding="utf-8"):
            return str(json.loads(file.read_text(encoding="utf-8"))["address"])
        time.sleep(0.1)
    raise TimeoutError("the scheduler did not start within a minute")
