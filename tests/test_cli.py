"""The command line: help at once, exit codes, machine output, tampering named."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import forked
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_corpus

from corpus_gov import cli
from corpus_gov.errors import CorpusGovError, StoreError
from corpus_gov.store import Missing


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return os.environ | {"CORPUS_GOV_KEYS": str(tmp_path_factory.mktemp("keys")), "COLUMNS": "200", "NO_COLOR": "1"}


def started(environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start Python and run the command."""
    command = [sys.executable, "-m", "corpus_gov.cli", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def call(environment, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process that need not load anything."""
    done = forked.run(arguments, environment)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, environment) -> Path:
    """A workspace with one release, made by the one-line first try."""
    folder = tmp_path_factory.mktemp("cli")
    small_corpus.write_inputs(folder / "inputs")
    files = [str(folder / "inputs" / name) for name in ("a.jsonl", "b.jsonl")]
    done = started(environment, "run", "--input", *files, "--source", "try", str(folder / "w"))
    assert done.returncode == 0, done.stderr
    assert "r0001 published (provisional" in done.stdout
    return folder / "w"


def test_help_is_instant(environment):
    """Help takes less than 0.3 s of processor time at best of five: other tests run beside it."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert started(environment, "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    assert min(seconds) < 0.3, seconds


def test_help_imports_nothing_heavy():
    """The command's module loads without Arrow, NumPy, Dask or Prefect."""
    heavy = ("pyarrow", "numpy", "dask", "prefect", "rich.table")
    script = f"import sys, corpus_gov.cli; print([m for m in {heavy} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_status_verify_explain_answer_in_json(environment, workspace):
    """Every command speaks JSON to machines."""
    status = json.loads(call(environment, "status", str(workspace), "--json").stdout)
    report = json.loads(call(environment, "verify", str(workspace), "--json").stdout)
    doc_id = pq.read_table(next((workspace / "releases/r0001/manifest").glob("*.parquet")))["doc_id"][0].as_py()
    facts = json.loads(call(environment, "explain", str(workspace), doc_id, "--json").stdout)

    assert status["releases"][0]["documents"] == report["size"] == 40
    assert facts["manifest"]["doc_id"] == doc_id


def test_a_run_without_a_workspace_is_a_configuration_error(environment, tmp_path):
    """Exit code 2 and one line that says what to do."""
    done = call(environment, "run", str(tmp_path / "none"))

    assert done.returncode == 2
    assert "corpus-gov init" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_then_run_asks_for_a_dossier(environment, tmp_path):
    """A workspace without sources cannot run, and says which file to write."""
    assert call(environment, "init", str(tmp_path / "w")).returncode == 0

    done = call(environment, "run", str(tmp_path / "w"), "--workers", "1")

    assert done.returncode == 2
    assert "sources/<source_id>.yaml" in done.stderr


@pytest.mark.parametrize(
    ("kind", "code", "name"),
    [(Missing, 4, "StoreError"), (StoreError, 4, "StoreError"), (CorpusGovError, 1, "CorpusGovError")],
)
def test_exit_code_of_a_subclass_is_that_of_its_class(monkeypatch, capsys, kind, code, name):
    """An error without an exit code of its own ends as the class above it, in one line."""

    def fail() -> None:
        raise kind("x: not there")

    monkeypatch.setattr(cli, "app", fail)

    with pytest.raises(SystemExit) as end:
        cli.main()

    assert end.value.code == code
    assert capsys.readouterr().err == f"{name}: x: not there\n"


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError])
def test_an_error_that_nobody_expected_keeps_its_message(monkeypatch, capsys, kind):
    """What a library says of a value may quote personal data: class and place are shown, all of it only when asked."""

    def fail() -> None:
        raise kind("cannot read 13800138000")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr().err
    monkeypatch.setenv(cli.SHOW_ERRORS, "1")
    with pytest.raises(kind, match="13800138000"):
        cli.main()

    assert end.value.code == 1
    assert told.startswith(f"{kind.__name__} in corpus_gov/cli.py:")
    assert told.count("\n") == 1
    assert "13800138000" not in told


def test_init_here_takes_the_name_of_the_folder(environment, tmp_path):
    """`init .` names the workspace after the folder that it is run in."""
    folder = tmp_path / "my-corpus"
    folder.mkdir()
    command = [sys.executable, "-m", "corpus_gov.cli", "init", "."]

    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert 'name = "my-corpus"' in (folder / "corpus-gov.toml").read_text()


def test_init_with_an_empty_owner_is_one_line(environment, tmp_path):
    """An argument that the configuration refuses is a ConfigError, and nothing is made."""
    done = call(environment, "init", str(tmp_path / "w"), "--owner", "")

    assert done.returncode == 2
    assert done.stderr == "ConfigError: owner: found '', expected at least 1 character; give another\n"
    assert not (tmp_path / "w").exists()


def test_a_bad_source_name_makes_nothing(environment, tmp_path):
    """--source is looked at before a workspace is made for it."""
    small_corpus.write_inputs(tmp_path / "inputs")

    done = call(
        environment,
        "run",
        "--workers",
        "1",
        "--input",
        str(tmp_path / "inputs/a.jsonl"),
        "--source",
        "My Source",
        str(tmp_path / "w"),
    )

    assert done.returncode == 2
    assert done.stderr.startswith("ConfigError: --source: found 'My Source'")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "w").exists()


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_ends_in_time(environment, workspace):
    """An unreachable --scheduler is a ConfigError with the address within ten seconds of its start."""
    start = time.perf_counter()

    done = call(environment, "run", str(workspace), "--scheduler", "tcp://127.0.0.1:1")

    assert time.perf_counter() - start < 40
    assert done.returncode == 2
    assert "ConfigError: --scheduler 'tcp://127.0.0.1:1'" in done.stderr
    assert "Traceback" not in done.stderr


def test_diff_of_equal_releases_is_empty(environment, workspace):
    """A forced second release of the same inputs differs in nothing."""
    assert (
        call(environment, "run", str(workspace), "--policy", "trial", "--force", "--json", "--workers", "1").returncode
        == 0
    )

    done = call(environment, "diff", str(workspace), "r0001", "r0002", "--json")

    assert json.loads(done.stdout)["changes"] == []


def test_a_damaged_artefact_is_named_though_nothing_is_published(environment, workspace, tmp_path):
    """A run that builds damaged artefacts again says so, in words and in JSON, also where no release comes of it."""
    folder = tmp_path / "w"
    shutil.copytree(workspace, folder)
    when = json.loads((workspace / "releases/r0001/run.json").read_bytes())["as_of"]
    victims = [
        next((folder / "artefacts" / family).glob("*.parquet"))
        for family in ("signals.quality", "judged", "decisions", "manifest")
    ]

    for options, told in (((), "rebuilt: {} was damaged"), (("--json",), '"{}"')):
        for victim in victims:
            victim.write_bytes(victim.read_bytes()[:-9] + b"x" * 9)
        done = call(environment, "run", str(folder), "--policy", "trial", "--as-of", when, "--workers", "1", *options)
        assert done.returncode == 0, done.stderr
        assert [told.format(victim.relative_to(folder)) in done.stdout for victim in victims] == [True] * len(victims)
        assert ("nothing has changed" in done.stdout) if not options else not json.loads(done.stdout)["published"]


def copy(workspace: Path, tmp_path: Path) -> Path:
    """Copy a workspace to tamper with."""
    return Path(shutil.copytree(workspace, tmp_path / "copy"))


def manifest_file(folder: Path) -> Path:
    """Return the manifest of the first release."""
    return next((folder / "releases/r0001/manifest").glob("*.parquet"))


def test_a_changed_reason_is_found(environment, workspace, tmp_path):
    """A manifest rewritten as valid Parquet with one changed reason: exit code 5, naming the doc_id."""
    folder = copy(workspace, tmp_path)
    file = manifest_file(folder)
    table = pq.read_table(file)
    rows = table.to_pylist()
    victim = next(row for row in rows if row["reasons"])
    victim["reasons"] = []
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)

    done = call(environment, "verify", str(folder), "--release", "r0001")

    assert done.returncode == 5
    assert victim["doc_id"] in done.stderr


def test_a_dropped_row_is_found(environment, workspace, tmp_path):
    """A manifest that lost a row: exit code 5, naming the file."""
    folder = copy(workspace, tmp_path)
    file = manifest_file(folder)
    table = pq.read_table(file)
    pq.write_table(pa.concat_tables([table.slice(0, 5), table.slice(6)]), file)

    done = call(environment, "verify", str(folder), "--release", "r0001")

    assert done.returncode == 5
    assert "manifest/00000.parquet" in done.stderr


def test_a_swapped_clean_shard_is_found(environment, workspace, tmp_path):
    """A clean file with another's content: exit code 5, naming the file."""
    folder = copy(workspace, tmp_path)
    file = next((folder / "releases/r0001/clean").rglob("*.parquet"))
    table = pq.read_table(file)
    pq.write_table(table.slice(0, len(table) - 1), file)

    done = call(environment, "verify", str(folder), "--release", "r0001")

    assert done.returncode == 5
    assert file.name in done.stderr


def test_a_cut_ledger_is_found_against_a_known_checkpoint(environment, workspace, tmp_path):
    """Rolling the ledger back to its first release passes without, and fails with, a checkpoint kept elsewhere."""
    known = tmp_path / "known"
    shutil.copy(workspace / "ledger" / "checkpoint", known)
    folder = copy(workspace, tmp_path)
    entries = sorted((folder / "ledger" / "entries").iterdir())
    entries[-1].unlink()

    done = call(environment, "verify", str(folder), "--release", "r0001", "--known", str(known))

    assert done.returncode == 5
    assert "ledger" in done.stderr
