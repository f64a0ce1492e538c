"""What operators use: doctor, gc, disk use, lines of JSON."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_corpus
from test_pipeline import root, run
from typer.testing import CliRunner

from corpus_gov import cli, collecting, doctor, logs, release, usage
from corpus_gov.lease import Lease
from corpus_gov.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    small_corpus.write_inputs(tmp_path / "inputs", 30)
    made = small_corpus.make(tmp_path / "w", tmp_path / "inputs", shard_rows=8)
    run(made)
    return made


def states(workspace: Workspace) -> dict[str, str]:
    return {check.name: check.state for check in doctor.examine(workspace)}


def test_a_healthy_workspace_is_fit(workspace: Workspace) -> None:
    """Nothing is wrong with a workspace that has just run, and looking leaves nothing behind."""
    before = sorted(workspace.store.list())

    found = states(workspace)

    assert {name for name, state in found.items() if state == "wrong"} == set()
    assert {"packages", "store", "clock", "keys", "lock", "interrupted", "rules", "sources"} <= found.keys()
    assert sorted(workspace.store.list()) == before


def test_each_fault_is_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open keys, a writer, a full disk, an open folder, a half-written release and a fast clock are all named."""
    seal = workspace.keys_folder / "seal.key"
    seal.chmod(0o644)
    assert states(workspace)["keys"] == "wrong"
    seal.chmod(0o600)
    with Lease.take(workspace.store, owner="someone"):
        assert states(workspace)["lock"] == "look"
    assert workspace.root is not None
    workspace.root.chmod(0o777)
    assert states(workspace)["permissions"] == "wrong"
    workspace.root.chmod(0o700)
    workspace.store.put("releases/r0002/run.json", b"{}")
    assert states(workspace)["interrupted"] == "look"
    workspace.store.delete("releases/r0002/run.json")
    monkeypatch.setattr(doctor, "FREE_LEAST", 1 << 62)
    assert states(workspace)["disk of the workspace"] == "wrong"
    monkeypatch.setattr(time, "time", lambda real=time.time: real() - 3600)
    assert states(workspace)["clock"] == "wrong"


def test_doctor_ends_with_its_code(workspace: Workspace) -> None:
    """The command prints a table or JSON, and exits with 2 where something is wrong."""
    runner = CliRunner()
    healthy = runner.invoke(cli.app, ["doctor", workspace.url, "--json"])
    assert healthy.exit_code == 0, healthy.output
    assert {one["name"] for one in json.loads(healthy.output)} >= {"python", "keys"}
    (workspace.keys_folder / "leaf.key").unlink()

    sick = runner.invoke(cli.app, ["doctor", workspace.url])

    assert sick.exit_code == cli.operations.UNFIT
    # A table folds long words.
    assert "leaf.key" in "".join(sick.output.split())


def test_collection_keeps_what_releases_need(workspace: Workspace) -> None:
    """Whatever is collected, releases verify, documents are explained, and the next run gives the same root."""
    before = root(workspace)
    workspace.store.put("artefacts/signals.quality/dead.parquet", b"old")
    workspace.store.put("artefacts/signals.quality/dead.sha256", b"mark")
    shown = collecting.collect(workspace, days=0)
    assert not shown.done
    assert workspace.store.read("artefacts/signals.quality/dead.parquet") == b"old"

    done = collecting.collect(workspace, days=0, remove=True)

    assert (done.removed, done.bytes, done.needed) == (shown.removed, shown.bytes, shown.needed)
    assert "artefacts/signals.quality/dead.parquet" not in workspace.store.list()
    assert "artefacts/signals.quality/dead.sha256" not in workspace.store.list()
    assert release.verify(workspace.store, None, None, []).release == "r0001"
    doc_id = workspace.release().table("manifest", ["doc_id"])["doc_id"][0].as_py()
    assert workspace.release().explain(doc_id)["chain"]
    run(workspace, force=True)
    assert root(workspace) == before


def test_collection_leaves_the_young(workspace: Workspace) -> None:
    """By default nothing younger than a week goes."""
    found = collecting.collect(workspace)

    assert found.removed == 0
    assert found.young > 0


def test_disk_use_adds_up(workspace: Workspace) -> None:
    """Families hold every byte of the folder but temporary files."""
    assert workspace.root is not None
    whole = sum(path.stat().st_size for path in workspace.root.rglob("*") if path.is_file())

    assert sum(usage.by_family(workspace.store).values()) == whole
    assert any(name.startswith("artefacts/signals.") for name in usage.by_family(workspace.store))


def test_logs_are_lines_of_json(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With CORPUS_GOV_LOG=json stages and errors are objects on standard error; none quotes a document."""
    monkeypatch.setenv(logs.ENV, "json")
    small_corpus.write_inputs(tmp_path / "inputs", 40)
    call = [sys.executable, "-m", "corpus_gov.cli"]

    done = subprocess.run([*call, "run", workspace.url, "--workers", "1"], capture_output=True, check=False, text=True)
    failed = subprocess.run([*call, "diff", workspace.url, "r0001", "r9"], capture_output=True, check=False, text=True)

    assert done.returncode == 0, done.stderr
    stages = [json.loads(line) for line in done.stderr.splitlines()]
    assert {one["stage"] for one in stages if one["event"] == "stage"} >= {"screen", "decide"}
    assert sum(one["documents"] for one in stages if one["stage"] == "screen" and one["done"] == one["total"]) > 0
    error = json.loads(failed.stderr)
    assert (error["kind"], error["exit_code"]) == ("ConfigError", failed.returncode)
