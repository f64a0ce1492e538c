"""The Prefect flow: runs by itself on the embedded server, and a failed gate stops the release."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import small_corpus

CHECKOUT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Keys and Prefect's state in folders of their own."""
    folder = tmp_path_factory.mktemp("state")
    return {"CORPUS_GOV_KEYS": str(folder / "keys"), "PREFECT_HOME": str(folder / "prefect")}


def govern(state, workspace, script: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the flow in a process of its own, as a user would."""
    command = [sys.executable, *(["-c", script] if script else [str(CHECKOUT / "flows" / "govern.py")])]
    return subprocess.run(
        [*command, str(workspace)], env=os.environ | state, capture_output=True, text=True, check=False, cwd=CHECKOUT
    )


BREAK_GATE = """
import sys
sys.path.insert(0, "flows")
import govern
from corpus_gov import gate
gate.REMOVED_MAX = -0.5
govern.govern(sys.argv[1])
"""


def test_the_flow_publishes_and_a_failed_gate_does_not(state, tmp_path, monkeypatch):
    """With nothing started beforehand the flow releases; with an expectation that fails it leaves no release."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", state["CORPUS_GOV_KEYS"])
    small_corpus.write_inputs(tmp_path / "inputs", 30)
    opened = small_corpus.make(tmp_path / "w", tmp_path / "inputs")

    stopped = govern(state, tmp_path / "w", BREAK_GATE)
    assert stopped.returncode != 0
    assert "GateError" in stopped.stderr
    assert opened.releases() == []

    done = govern(state, tmp_path / "w")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("published r0001\n")
    assert opened.releases() == ["r0001"]
    assert not list((tmp_path / "w").rglob("prefect*"))
    summary = artifact(state)
    assert "# Release r0001 (published)" in summary
    assert "nothing is kept against an opt-out | yes" in summary


def artifact(state) -> str:
    """Return the text of the flow's Markdown artifact from Prefect's own database."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(Path(state["PREFECT_HOME"]) / "prefect.db")) as database:
        (text,) = database.execute("select data from artifact where key = 'govern-summary'").fetchone()
    return str(text).replace("\\n", "\n")
