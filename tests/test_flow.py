"""The Prefect flow: runs by itself on the embedded server, and a failed gate stops the release."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import small_corpus
from cluster import cluster

CHECKOUT = Path(__file__).parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Keys and Prefect's state in folders of their own."""
    folder = tmp_path_factory.mktemp("state")
    return {"CORPUS_GOV_KEYS": str(folder / "keys"), "PREFECT_HOME": str(folder / "prefect")}


def govern(state, workspace, *options: str, script: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the flow in a process of its own, as a user would."""
    command = [sys.executable, *(["-c", script] if script else [str(CHECKOUT / "flows" / "govern.py")])]
    return subprocess.run(
        [*command, str(workspace), *options],
        env=os.environ | state,
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )


BREAK_GATE = """
import sys
from pathlib import Path
sys.path.insert(0, "flows")
import govern
from corpus_gov import errors
suite = Path(sys.argv[1], "expectations", "mine.yaml")
suite.parent.mkdir()
suite.write_text("expectations:\\n  - id: mine.documents\\n    table: release\\n    expect: "
    "expect_column_values_to_be_between\\n    column: documents\\n    min_value: 1000\\n    says: many\\n")
try:
    govern.govern(sys.argv[1], workers=1)
except errors.GateError as error:
    print(type(error).__name__, len(govern.Setting(sys.argv[1]).open().releases()))
suite.unlink()
print(govern.govern(sys.argv[1], workers=1).release)
"""


def test_a_failed_gate_stops_the_release_and_the_next_run_publishes(state, tmp_path, monkeypatch):
    """With an expectation that fails the flow leaves no release; once that is mended it publishes."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", state["CORPUS_GOV_KEYS"])
    small_corpus.write_inputs(tmp_path / "inputs", 30)
    opened = small_corpus.make(tmp_path / "w", tmp_path / "inputs")

    done = govern(state, tmp_path / "w", script=BREAK_GATE)

    assert done.returncode == 0, done.stderr
    assert done.stdout == "GateError 0\nr0001\n"
    assert opened.releases() == ["r0001"]
    assert not list((tmp_path / "w").rglob("prefect*"))
    assert opened.release().run["stages"].keys() >= {"screen", "relate", "decide"}
    assert "# Published r0001" in artifact(state)
    assert "nothing is kept against an opt-out | yes" in artifact(state)


def test_the_flow_takes_what_the_command_takes(state, tmp_path, monkeypatch):
    """Policy, rules, date and scheduler are options of the flow too; with nothing changed it says which release stands.

    The second run has nothing started beforehand. It finds a damaged artefact: that is named although nothing was
    published.
    """
    monkeypatch.setenv("CORPUS_GOV_KEYS", state["CORPUS_GOV_KEYS"])
    small_corpus.write_inputs(tmp_path / "inputs", 30)
    opened = small_corpus.make(tmp_path / "w", tmp_path / "inputs")
    shutil.copytree(CHECKOUT / "rules", tmp_path / "rules")
    options = ("--policy", "strict", "--rules", str(tmp_path / "rules"), "--as-of", "2026-11-01")

    with cluster(tmp_path) as address:
        first = govern(state, tmp_path / "w", *options, "--scheduler", address)
    assert first.returncode == 0, first.stderr
    run = opened.release().run
    victim = next((tmp_path / "w" / "artefacts" / "signals.quality").glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-9] + b"x" * 9)
    again = govern(state, tmp_path / "w", *options)

    assert first.stdout.endswith("published r0001\n")
    assert run["stages"].keys() >= {"ingest", "screen", "relate", "decide"}
    assert (run["policy"]["name"], run["as_of"]) == ("strict", "2026-11-01")
    assert again.stdout.endswith("unchanged, r0001 stands\n")
    summary = artifact(state)
    assert "# Unchanged, r0001 stands" in summary
    assert victim.name in summary
    assert "distributed" not in first.stderr + again.stderr


def test_the_flow_refuses_what_is_no_workspace(state, tmp_path):
    """A folder that is not there ends in one line of usage, before Prefect's server starts."""
    done = govern(state, tmp_path / "none")

    assert done.returncode == 2
    assert "expected the folder of a workspace" in done.stderr


def test_three_nights_give_three_releases(state, tmp_path):
    """Another policy, a request to erase and a gate that fails once: three releases, and one that was stopped."""
    command = [sys.executable, str(CHECKOUT / "bench" / "nightly.py"), str(tmp_path / "n"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)

    assert done.returncode == 0, done.stderr
    assert "releases ['r0001', 'r0002', 'r0003']" in done.stdout


def artifact(state) -> str:
    """Return the text of the flow's last Markdown artifact from Prefect's own database."""
    query = "select data from artifact where key = 'govern-summary' order by created desc limit 1"
    with closing(sqlite3.connect(Path(state["PREFECT_HOME"]) / "prefect.db")) as database:
        (text,) = database.execute(query).fetchone()
    return str(text).replace("\\n", "\n")
