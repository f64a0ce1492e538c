"""The Prefect flows: by themselves on the embedded server, and several at a time on a server that is up."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import small_corpus
from erasing_cases import write_inputs
from test_retention import POLICY

from corpus_gov import keys, release, runs
from corpus_gov.engine import Engine
from corpus_gov.store import open_store
from corpus_gov.workspace import Workspace, open_workspace

CHECKOUT = Path(__file__).parent.parent
AS_OF = small_corpus.AS_OF.isoformat()
PLAIN = {"as_of": AS_OF, "workers": 1}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """Keys and Prefect's state in folders of their own."""
    folder = tmp_path_factory.mktemp("state")
    found = {"CORPUS_GOV_KEYS": str(folder / "keys"), "PREFECT_HOME": str(folder / "prefect")}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", found["CORPUS_GOV_KEYS"])
        yield found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    small_corpus.write_inputs(folder, 30)
    return folder


@pytest.fixture(scope="module")
def cases(state, tmp_path_factory):
    """Start tests/flow_cases.py with its server; give what runs cases, those of one call at the same time."""
    folder = tmp_path_factory.mktemp("cases")
    command = [sys.executable, str(CHECKOUT / "tests" / "flow_cases.py"), str(folder)]
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            command,
            env=os.environ | state,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=CHECKOUT,
        ) as running,
    ):
        assert running.stdin
        assert running.stdout
        assert running.stdout.readline() == "ready\n", (folder / "errors").read_text()

        def run(*asked):
            print(json.dumps(asked), file=running.stdin, flush=True)
            answer = running.stdout.readline()
            assert answer, (folder / "errors").read_text()
            return json.loads(answer)

        yield run
        running.stdin.close()
        running.wait(60)
    # The server's own complaints: SQLite takes one writer at a time.
    assert "locked" not in (folder / "errors").read_text()


@pytest.fixture(scope="module")
def nights(cases, tmp_path_factory):
    """Run the three nights of bench/nightly.py; gives its folder and what it printed."""
    folder = tmp_path_factory.mktemp("nights") / "n"
    (done,) = cases(("nights", {"folder": str(folder)}))
    assert "raised" not in done, done
    return folder, done["printed"]


@pytest.fixture(scope="module")
def pair(cases, inputs, tmp_path_factory):
    """Run `govern` over two workspaces at the same time."""
    folder = tmp_path_factory.mktemp("pair")
    made = [small_corpus.make(folder / "one", inputs, shard_rows=8), renamed(folder / "two", inputs)]
    done = cases(*(("bare", {"folder": one.url, **PLAIN}) for one in made))
    return made, done


def renamed(folder: Path, inputs: Path) -> Workspace:
    """Make a workspace of another id, which has a slot of its own."""
    small_corpus.make(folder, inputs, shard_rows=8)
    settings = folder / "corpus-gov.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("w-test-small", "w-test-other"), encoding="utf-8")
    small_corpus.write_keys(keys.folder("w-test-other"))
    return open_workspace(folder)


def artifacts(state, key: str) -> list[str]:
    """Return the flows' artifacts of a key from Prefect's own database, the newest first; of progress by "progress"."""
    query = "select data from artifact where key = ? or (key is null and type = ?) order by created desc"
    with closing(sqlite3.connect(Path(state["PREFECT_HOME"]) / "prefect.db")) as database:
        return [str(data).replace("\\n", "\n") for (data,) in database.execute(query, (key, key))]


def manifest(workspace: Workspace, name: str) -> dict[str, bytes]:
    """Return the manifest files of a release."""
    files = workspace.store.list(f"releases/{name}/manifest/")
    return {file.rpartition("/")[2]: workspace.store.read(file) for file in files}


def test_three_nights_give_three_releases(nights, state):
    """Another policy, a request to erase and a gate that fails once: three releases, and one that was stopped.

    Every run leaves a summary, a table and a link in Prefect, and nothing of Prefect in the workspace.
    """
    folder, printed = nights
    opened = open_workspace(folder / "w")

    assert "releases ['r0001', 'r0002', 'r0003']" in printed
    assert opened.release().run["stages"].keys() >= {"screen", "relate", "decide"}
    assert not list((folder / "w").rglob("prefect*"))
    (summary, *_), (table, *_) = artifacts(state, "govern-summary"), artifacts(state, "govern-run")
    assert "# Published r0003" in summary
    assert "nothing is kept against an opt-out | yes" in summary
    assert opened.release().run["run_id"] in table
    assert "r0003/report.html" in artifacts(state, "govern-report")[0]


def test_screening_again_leaves_what_a_night_leaves(nights, cases, state, monkeypatch):
    """The weekly flow writes report, summary, table and link, and fails after that where something is overdue.

    The nightly one says the same and sounds the alarm, but does not fail; what was accepted is said by neither.
    """
    folder, _ = nights
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
    told, settings = folder / "told.jsonl", folder / "w" / "corpus-gov.toml"
    settings.write_text(settings.read_text().replace("\ncommand = []", f'\ncommand = ["tee", "-a", "{told}"]'))
    late = {"folder": str(folder / "w"), "as_of": "2027-06-01", "workers": 1}
    environment = {"key_folder": str(folder / "keys")}

    (again,) = cases(("elsewhere", {**environment, "name": "rescreen", **late}))
    accepted = {"accept": ["keywords_overdue", "rescreening_overdue"]}
    (calm,) = cases(("elsewhere", {**environment, "name": "rescreen", **late, **accepted}))
    (night,) = cases(("elsewhere", {**environment, "name": "govern", **late}))

    assert again["raised"] == "AlarmError", again
    opened = open_workspace(folder / "w")
    assert opened.releases()[-1] == "r0004"
    assert opened.store.read("releases/r0004/report.html")
    calm_text, sounded = artifacts(state, "rescreen-summary")[:2]
    assert "# Published r0004" in sounded
    assert "**Overdue**: words of cn.harm" in sounded
    assert opened.release().run["run_id"] in artifacts(state, "rescreen-run")[0]
    assert "r0004/report.html" in artifacts(state, "rescreen-report")[0]
    assert calm["returned"] == night["returned"] == {"release": "r0004", "published": False}
    assert "Overdue" not in calm_text
    assert "**Overdue**: words of cn.harm" in artifacts(state, "govern-summary")[0]
    events = [json.loads(line) for line in told.read_text().replace("}{", "}\n{").splitlines()]
    assert [(one["flow"], one["state"], one["event"]) for one in events] == [
        ("rescreen", "failed", "alarm"), ("govern", "completed", "alarm"),
    ]  # fmt: skip
    assert all("keywords_overdue:cn.harm" in one["alarms"] for one in events)


def test_two_workspaces_are_governed_at_the_same_time(pair):
    """Flows of two workspaces on one server with SQLite both publish, the same documents with the same bytes."""
    made, done = pair

    assert [one.get("returned") for one in done] == [{"release": "r0001", "published": True}] * 2, done
    assert manifest(made[0], "r0001") == manifest(made[1], "r0001")


def test_two_runs_of_one_workspace_take_turns(pair, cases, state):
    """The second waits for the slot: both publish, neither has to try again, and both releases verify."""
    opened = open_workspace(pair[0][1].url)
    days = ("2026-11-02", "2026-11-03")

    done = cases(*(("bare", {"folder": opened.url, "as_of": day, "workers": 1}) for day in days))

    assert sorted(one["returned"]["release"] for one in done) == ["r0002", "r0003"], done
    for name in ("r0002", "r0003"):
        assert release.verify(open_store(opened.url), name, None, []).release == name
    with closing(sqlite3.connect(Path(state["PREFECT_HOME"]) / "prefect.db")) as database:
        assert database.execute("select max(run_count) from task_run").fetchone() == (1,)


def test_another_writer_is_named(pair, cases):
    """While somebody writes without Prefect a run ends with who that is, and leaves the store as it was."""
    opened = open_workspace(pair[0][0].url)

    with opened.writing():
        (done,) = cases(("impatient", {"folder": opened.url, **PLAIN}))

    assert done["raised"] == "StoreError", done
    assert "lease: held by 'corpus-gov'" in done["message"]
    assert opened.releases() == ["r0001"]


def test_a_run_that_was_stopped_is_taken_up(pair, cases, state, inputs, tmp_path):
    """Ctrl-C in the middle of a stage, then Prefect's cancellation in another: nothing is released, and both are said.

    The next run publishes the very manifest of an undisturbed one, and notes its progress stage by stage.
    """
    opened = small_corpus.make(tmp_path / "w", inputs, shard_rows=8)
    told = {"folder": opened.url, **PLAIN}

    (first,) = cases(("interrupted", {"stage": "screen", "how": "SIGINT", **told}))
    ends = [runs.last(opened.store, "govern")]
    (second,) = cases(("interrupted", {"stage": "decide", "how": "SIGTERM", **told}))
    ends.append(runs.last(opened.store, "govern"))
    before, left = len(artifacts(state, "progress")), opened.releases()
    (last,) = cases(("talkative", told))

    # Prefect lets SIGTERM have its way once the flow has ended by it.
    assert (first.get("raised"), second.get("killed")) == ("KeyboardInterrupt", "SIGTERM"), (first, second)
    assert [one and one["state"] for one in ends] == ["cancelled", "cancelled"]
    assert left == []
    assert last["returned"] == {"release": "r0001", "published": True}
    assert manifest(opened, "r0001") == manifest(pair[0][0], "r0001")
    progress = artifacts(state, "progress")
    assert len(progress) > before + 2
    assert set(progress[: len(progress) - before]) == {"100"}


def test_the_flow_takes_what_the_command_takes(cases, state, inputs, tmp_path):
    """Policy, rules and date are options of the flow too; with nothing changed it says which release stands.

    The first run has a server of its own, on the database of the one that is up. The second finds a damaged artefact:
    that is named although nothing was published.
    """
    opened = small_corpus.make(tmp_path / "w", inputs)
    shutil.copytree(CHECKOUT / "rules", tmp_path / "rules")
    options = ("--policy", "strict", "--rules", str(tmp_path / "rules"), "--as-of", AS_OF, "--workers", "1")
    command = [sys.executable, str(CHECKOUT / "flows" / "govern.py"), opened.url, *options]

    first = subprocess.run(command, env=os.environ | state, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    assert first.returncode == 0, first.stderr
    run = opened.release().run
    victim = next((tmp_path / "w" / "artefacts" / "signals.quality").glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-9] + b"x" * 9)
    (again,) = cases(("command", {"words": [opened.url, *options]}))

    assert first.stdout.endswith("published r0001\n")
    assert run["stages"].keys() >= {"ingest", "screen", "relate", "decide"}
    assert (run["policy"]["name"], run["as_of"]) == ("strict", AS_OF)
    assert again["printed"].endswith("unchanged, r0001 stands\n"), again
    summary = artifacts(state, "govern-summary")[0]
    assert "# Unchanged, r0001 stands" in summary
    assert victim.name in summary
    assert "distributed" not in first.stderr + again["printed"]


def test_retention_takes_away_what_is_due(cases, state, tmp_path):
    """The flow erases what the policy says is due, and says so on its page."""
    (tmp_path / "short.yaml").write_text(POLICY, encoding="utf-8")
    write_inputs(tmp_path / "inputs")
    made = small_corpus.make(tmp_path / "w", tmp_path / "inputs", policy=str(tmp_path / "short.yaml"))
    with Engine(workers=1) as engine:
        made.run(engine=engine, as_of=small_corpus.AS_OF)

    (done,) = cases(("retained", {"folder": made.url, "as_of": "2099-01-01"}))

    assert [(one["retention"], one["documents"], one["rows"]) for one in done["returned"]] == [("marked", 1, 0)], done
    assert "- erasure 0001 (marked): 1 documents" in artifacts(state, "retain-summary")[0]
    assert sum(release.verify(made.store, "r0001", made.signer().vkey).counts.values()) == 5


def test_the_flow_refuses_what_is_no_workspace(cases, tmp_path):
    """A folder that is not there ends in one line of usage."""
    (done,) = cases(("command", {"words": [str(tmp_path / "none")]}))

    assert (done["raised"], done["message"]) == ("SystemExit", "2")
    assert "expected the folder of a workspace" in done["printed"]


def test_a_worker_of_the_server_runs_a_deployment(pair, cases):
    """What docs/flows.md says of a server of one's own works: pool, `deploy --all`, a worker that runs a flow."""
    opened = pair[0][0]
    lines = (
        "work-pool create corpus-gov --type process",
        "deploy --all --no-prompt",
        f'deployment run erase/daily --param folder="{opened.url}"',
        "worker start --pool corpus-gov --run-once",
    )

    (done,) = cases(("operator", {"words": lines}))

    assert "raised" not in done, done
    noted = runs.last(opened.store, "erase")
    assert noted is not None, done
    assert noted["state"] == "completed"
    assert noted["flow_run"]


def test_what_was_missed_is_caught_up_once(cases, inputs, tmp_path):
    """A nightly schedule that nobody served for five days is one run that is due, at a true cron line's times."""
    opened = small_corpus.make(tmp_path / "w", inputs)

    (done,) = cases(("scheduled", {"folder": opened.url, "line": "0 2 * * *", "days": 5}))

    assert done.get("returned") == {"due": 1, "cron": ["0 2 * * *"]}, done
