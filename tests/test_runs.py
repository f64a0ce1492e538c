"""When flows ran and run next, whom they tell, and what lineage says: all without Prefect."""

import ast
import inspect
import json
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import small_corpus
import yaml
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated import parent_run
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.output_statistics_output_dataset import OutputStatisticsOutputDatasetFacet
from openlineage.client.generated.processing_engine_run import ProcessingEngineRunFacet
from openlineage.client.serde import Serde
from typer.testing import CliRunner

from corpus_gov import cli, config, cron, hooks, lineage, rescreen, runs
from corpus_gov.commands import operations
from corpus_gov.engine import Engine
from corpus_gov.errors import AlarmError, ConfigError, GateError
from corpus_gov.store import MemoryStore

NOW = datetime(2026, 11, 23, 0, 30, tzinfo=UTC)  # a Monday


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """A small workspace."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    monkeypatch.delenv(lineage.URL_ENV, raising=False)
    monkeypatch.delenv(lineage.FILE_ENV, raising=False)
    small_corpus.write_inputs(tmp_path / "inputs", 6)
    return small_corpus.make(tmp_path / "w", tmp_path / "inputs")


@contextmanager
def receiver(code=200):
    """Listen on this host; yields the address and what was posted, with its path."""
    told = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.path, json.loads(body)))
            self.send_response(code)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", told
        finally:
            server.shutdown()
            thread.join()


def with_settings(opened, **sections):
    """Return the workspace with other sections in its settings."""
    opened.settings = opened.settings.model_copy(update=sections)
    return opened


@pytest.mark.parametrize(
    ("line", "before", "after"),
    [
        ("0 2 * * *", "2026-11-22T02:00", "2026-11-23T02:00"),
        ("*/20 * * * *", "2026-11-23T00:20", "2026-11-23T00:40"),
        ("30 0 * * *", "2026-11-23T00:30", "2026-11-24T00:30"),
        ("0 4 * * 0", "2026-11-22T04:00", "2026-11-29T04:00"),
        ("0 4 * * 7", "2026-11-22T04:00", "2026-11-29T04:00"),
        ("15,45 22-23 1 * *", "2026-11-01T23:45", "2026-12-01T22:15"),
        ("0 0 13 * 5", "2026-11-20T00:00", "2026-11-27T00:00"),
        ("0 0 29 2 *", "2024-02-29T00:00", "2028-02-29T00:00"),
    ],
)
def test_a_cron_line_names_the_times_around_a_moment(line, before, after):
    """The moment itself counts as the last time; where day and weekday are limited either is enough."""
    assert cron.preceding(line, NOW).isoformat().startswith(before)
    assert cron.following(line, NOW).isoformat().startswith(after)


@pytest.mark.parametrize(
    "line", ["", "0 2 * *", "60 * * * *", "0 2 * * MON", "5-1 * * * *", "*/0 * * * *", "@daily", "0 0 0 * *"]
)
def test_a_line_that_is_no_cron_line_is_refused(line):
    """What is not understood is an error and never a schedule of its own."""
    with pytest.raises(ValueError, match="Input should be"):
        cron.fields(line)


def test_a_day_that_never_comes_is_never_due():
    """30 February ends the search."""
    assert cron.following("0 0 30 2 *", NOW) is None


def test_a_run_that_did_not_start_is_missed_until_one_starts():
    """Missed is what was due longer ago than the grace and has not started since; a run of any end mends it."""
    store = MemoryStore("runs missed")
    runs.serve(store, {"govern": "0 2 * * *"}, NOW - timedelta(days=3))
    late = runs.states(store, NOW)["govern"]
    runs.note(store, "govern", NOW - timedelta(hours=2), "failed", flow_run="x")
    mended = runs.states(store, NOW)["govern"]

    assert late == {"last": None, "state": None, "next": "2026-11-23T02:00+00:00", "missed": "2026-11-22T02:00+00:00"}
    assert mended["missed"] is None
    assert (mended["state"], mended["last"]) == ("failed", "2026-11-22T22:30:00+00:00")
    assert runs.last(store, "govern")["flow_run"] == "x"


def test_a_schedule_that_was_just_begun_has_missed_nothing():
    """Times before anybody served are nobody's; serving the same again does not begin anew."""
    store = MemoryStore("runs begun")
    runs.serve(store, {"erase": "0 6 * * *"}, NOW)
    runs.serve(store, {"erase": "0 6 * * *"}, NOW + timedelta(hours=5))

    assert runs.states(store, NOW + timedelta(hours=6, minutes=29))["erase"]["missed"] is None
    assert runs.states(store, NOW + timedelta(hours=6, minutes=30))["erase"]["missed"] == "2026-11-23T06:00+00:00"
    assert set(runs.states(store, NOW)) == {"erase"}


def test_what_was_missed_is_caught_up_once():
    """However many nights passed unserved, each flow is named once; what ran since, or is not served, is not."""
    store = MemoryStore("runs caught up")
    crons = {"govern": "0 2 * * *", "rescreen": "0 4 * * 0", "erase": "0 6 * * *"}
    runs.serve(store, crons, NOW - timedelta(days=5))
    runs.note(store, "erase", NOW - timedelta(hours=18), "completed")

    # The Sunday before this Monday was a week of its own for rescreen.
    late = runs.catch_up(store, crons, NOW)
    runs.note(store, "govern", NOW, "completed")
    runs.note(store, "rescreen", NOW, "failed")

    assert late == ["govern", "rescreen"]
    assert runs.catch_up(store, crons, NOW + timedelta(minutes=5)) == []
    assert runs.catch_up(store, crons, NOW + timedelta(days=1)) == ["govern", "erase"]
    assert runs.catch_up(store, {"govern": "0 3 * * *"}, NOW + timedelta(days=1)) == ["govern"]


def test_status_shows_what_was_missed(opened):
    """The schedule, its next times and what was missed stand in `status`; JSON and lines."""
    runs.serve(opened.store, {"govern": "0 2 * * *"}, NOW - timedelta(days=5))

    shown = CliRunner().invoke(cli.app, ["status", opened.url])
    facts = json.loads(CliRunner().invoke(cli.app, ["status", opened.url, "--json"]).output)["flows"]["govern"]

    assert facts["last"] is None
    assert datetime.fromisoformat(facts["missed"]).hour == datetime.fromisoformat(facts["next"]).hour == 2
    assert "missed" in shown.output


def test_deployments_of_a_server_have_the_times_of_schedule():
    """Every deployment of prefect.yaml names a flow that is there and the cron line that `schedule` has for it."""
    checkout = Path(__file__).parent.parent
    found = yaml.safe_load((checkout / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    options = inspect.signature(operations.schedule).parameters
    ours = {"govern": "nightly", "rescreen": "weekly", "erase": "erase", "retain": "retain"}

    lines = {}
    for one in found:
        file, _, function = one["entrypoint"].partition(":")
        code = ast.parse((checkout / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in code.body if isinstance(node, ast.FunctionDef)}
        (schedule,) = one["schedules"]
        assert schedule["timezone"] == "UTC"
        lines[Path(file).stem] = schedule["cron"]

    assert lines == {flow: options[option].default for flow, option in ours.items()}
    assert all(cron.fields(line) for line in lines.values())


def test_hooks_are_told_facts(opened, tmp_path):
    """A command reads one JSON object, an address gets the same; of what is no alarm only the class is told."""
    out = tmp_path / "told.json"
    command = (sys.executable, "-c", f"import sys; open({str(out)!r}, 'w').write(sys.stdin.read())")
    with receiver() as (url, told):
        with_settings(opened, hooks=config.HookSettings(command=command, url=url))
        wrong = hooks.tell(opened, "failure", ValueError("13800138000"), flow="govern", state="failed")
        hooks.tell(opened, "alarm", AlarmError("removal_rate:one is 90.0%"), alarms=["removal_rate:one"])

    assert wrong == []
    (_, first), (_, second) = told
    assert first["error"] == "ValueError"
    assert first["message"] is None
    assert "13800138000" not in json.dumps(told)
    assert (second["event"], second["alarms"], second["message"]) == (
        "alarm", ["removal_rate:one"], "removal_rate:one is 90.0%",
    )  # fmt: skip
    assert json.loads(out.read_text())["event"] == "alarm"


@pytest.mark.parametrize("command", [("/no/such/program",), (sys.executable, "-c", "import sys; sys.exit('secret')")])
def test_a_hook_that_fails_is_logged_and_ends_nothing(opened, caplog, command):
    """Neither a command nor an address that fails raises; the line has no address and nothing that was printed."""
    with receiver(500) as (url, told):
        with_settings(opened, hooks=config.HookSettings(command=command, url=f"{url}/key-7"))
        wrong = hooks.tell(opened, "failure")

    assert len(wrong) == len(caplog.records) == 2
    assert len(told) == 1
    assert "key-7" not in caplog.text
    assert "secret" not in caplog.text


def test_the_operators_command_runs_in_the_workspace(opened):
    """`before` may write relative to the workspace; one that fails is said and stops nothing."""
    fetch = (sys.executable, "-c", "open('fetched', 'w').write('x')")

    assert hooks.before(opened) == []
    assert hooks.before(with_settings(opened, hooks=config.HookSettings(before=fetch))) == []
    assert (opened.root / "fetched").read_text() == "x"
    assert "exit code 1" in hooks.before(with_settings(opened, hooks=config.HookSettings(before=("false",))))[0]


def test_lineage_reaches_a_receiver(opened, monkeypatch):
    """A run that ends well is START and COMPLETE of one id; one that fails is FAIL; its parent is the flow's run."""
    parent = ("govern", "01234567-89ab-4def-8123-456789abcdef")
    with receiver() as (url, told):
        monkeypatch.setenv(lineage.URL_ENV, url)
        with lineage.of(opened, "ingest", parent=parent):
            assert len(told) == 1
        with pytest.raises(KeyError), lineage.of(opened, "screen"):
            raise KeyError

    said = [body for _, body in told]
    assert {path for path, _ in told} == {"/api/v1/lineage"}
    assert [(one["eventType"], one["job"]["name"]) for one in said] == [
        ("START", "ingest"), ("COMPLETE", "ingest"), ("START", "screen"), ("FAIL", "screen"),
    ]  # fmt: skip
    assert said[0]["run"]["runId"] == said[1]["run"]["runId"] != said[2]["run"]["runId"]
    assert said[1]["run"]["facets"]["parent"]["run"] == {"runId": parent[1]}
    assert said[3]["run"]["facets"]["errorMessage"]["message"] == "KeyError"
    assert {one["name"] for one in said[0]["inputs"]} == {"sources/one", "sources/two"}
    assert all(one.keys() >= {"eventTime", "producer", "schemaURL", "run", "job"} for one in said)
    assert "inputs/" not in json.dumps(said)


def test_lineage_goes_to_a_file_or_nowhere(opened, tmp_path):
    """A file gets one event a line; without [lineage] nothing is sent; a receiver that is gone ends nothing."""
    with lineage.of(opened, "ingest"):
        pass
    with lineage.of(with_settings(opened, lineage=config.LineageSettings(file="events.jsonl")), "release"):
        pass
    with receiver() as (gone, _):
        pass
    with lineage.of(with_settings(opened, lineage=config.LineageSettings(url=gone)), "release"):
        pass

    lines = (opened.root / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "COMPLETE"]


def test_commands_send_lineage_as_the_specification_has_it(opened, monkeypatch, tmp_path):
    """ingest, run and rescreen tell of themselves and their steps; run.json has the id of the run; to file and address.

    Every event is built again from the classes that OpenLineage's own client makes of its schema: they refuse keys and
    ids that are none, and what they write is what was sent.
    """
    with receiver() as (url, told):
        monkeypatch.setenv(lineage.URL_ENV, url)
        monkeypatch.setenv(lineage.FILE_ENV, str(tmp_path / "events.jsonl"))
        read = CliRunner().invoke(cli.app, ["ingest", opened.url, "--workers", "1", "--json"])
        with Engine(workers=1) as engine:
            outcome = opened.run(engine=engine, as_of=small_corpus.AS_OF)
            opened.run(engine=engine, as_of=small_corpus.AS_OF)
            rescreen.rescreen(opened, engine=engine, as_of=small_corpus.AS_OF, force=True)
            with pytest.raises(GateError):
                opened.run(engine=engine, force=True, gate=refuse)

    assert read.exit_code == 0, read.output
    said = [body for _, body in told]
    assert [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()] == said
    ended = [(one["job"]["name"], one["eventType"], names(one["outputs"])) for one in said if of_end(one)]
    steps = [("ingest", "COMPLETE", ["documents"]), ("screen", "COMPLETE", ["findings"])]
    assert ended == [
        steps[0],
        *steps, ("release", "COMPLETE", ["releases/r0001"]), ("run", "COMPLETE", ["releases/r0001"]),
        *steps, ("release", "COMPLETE", []), ("run", "COMPLETE", []),
        steps[1], ("release", "COMPLETE", ["releases/r0002"]), ("rescreen", "COMPLETE", ["releases/r0002"]),
        *steps, ("run", "FAIL", []),
    ]  # fmt: skip
    whole = [one for one in said if one["job"]["name"] == "run"][:2]
    assert {one["run"]["runId"] for one in whole} == {outcome.run["run_id"]}
    parents = [one["run"]["facets"]["parent"]["run"]["runId"] for one in said if "parent" in one["run"]["facets"]]
    assert parents.count(outcome.run["run_id"]) == 6
    assert said[-1]["run"]["facets"]["errorMessage"]["message"] == "GateError: mine.documents: many documents"
    for one in said:
        assert rebuilt(one) == one


def refuse(draft, workspace):
    """Fail as an expectation that does not hold."""
    raise GateError("mine.documents: many documents")


def of_end(event) -> bool:
    return bool(event["eventType"] != "START")


def names(datasets) -> list[str]:
    return [one["name"] for one in datasets]


FACETS = {
    "processing_engine": ProcessingEngineRunFacet,
    "errorMessage": ErrorMessageRunFacet,
    "version": DatasetVersionDatasetFacet,
    "outputStatistics": OutputStatisticsOutputDatasetFacet,
}


def facets(said):
    """Build facets from their classes."""
    made = {}
    for name, body in said.items():
        own = {key: value for key, value in body.items() if not key.startswith("_")}
        if name == "parent":
            own = {"run": parent_run.Run(**own["run"]), "job": parent_run.Job(**own["job"])}
        made[name] = (parent_run.ParentRunFacet if name == "parent" else FACETS[name])(
            producer=body["_producer"], **own
        )
    return made


def rebuilt(said):
    """Build an event from its classes and write it down again, without what is empty."""
    made = RunEvent(
        eventType=RunState(said["eventType"]),
        eventTime=said["eventTime"],
        producer=said["producer"],
        run=Run(said["run"]["runId"], facets(said["run"]["facets"])),
        job=Job(**said["job"]),
        inputs=[InputDataset(**one) for one in said["inputs"]],
        outputs=[
            OutputDataset(**{key: facets(value) if key.endswith("acets") else value for key, value in one.items()})
            for one in said["outputs"]
        ],
    )
    return without_empty(Serde.to_dict(made))


def without_empty(value):
    if isinstance(value, dict):
        return {key: without_empty(one) for key, one in value.items() if one != {}}
    return [without_empty(one) for one in value] if isinstance(value, list) else value


def test_an_address_must_be_one():
    """A file: address would read this host."""
    with pytest.raises(ConfigError, match=r"hooks\.url"):
        config.load_settings(
            'id = "abcdefgh"\nname = "n"\nowner = "o"\n[hooks]\nurl = "file:///etc"\n', "corpus-gov.toml"
        )
