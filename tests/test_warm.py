"""What workers are forked with: everything is loaded, nothing runs, nothing is looked through for garbage."""

import json
import os
import subprocess
import sys

import pytest

WARM = """
import corpus_gov.warm, gc, json, sys, threading
print(json.dumps({
    "threads": threading.active_count(),
    "collects": gc.isenabled(),
    "frozen": gc.get_freeze_count() > 100_000,
    "loaded": sorted({"distributed", "duckdb", "hyperscan", "numba", "presidio_analyzer"} & set(sys.modules)),
}))
"""


@pytest.mark.slow
def test_workers_are_forked_from_a_quiet_process():
    """It has no thread, which no fork would keep; the collector runs, and leaves what was loaded alone."""
    done = subprocess.run([sys.executable, "-c", WARM], env=os.environ, capture_output=True, text=True, check=True)

    assert json.loads(done.stdout.splitlines()[-1]) == {
        "threads": 1,
        "collects": True,
        "frozen": True,
        "loaded": ["distributed", "duckdb", "hyperscan", "numba", "presidio_analyzer"],
    }
