"""Runs of flows for tests/test_flow.py: each in a child of one process that has loaded what flows need.

    python tests/flow_cases.py FOLDER

starts a Prefect server, writes a line, and reads one JSON list of cases after the other: [[name, {argument: value}]].
The cases of a list run at the same time; the answer is a line with what each returned or raised, and what it printed.
Loading Prefect, Great Expectations and the kernels takes longer than any of these runs.
"""

import json
import os
import signal
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parent.parent
sys.path[:0] = [str(CHECKOUT / "flows"), str(CHECKOUT / "bench"), str(Path(__file__).parent)]
os.environ |= {"GX_ANALYTICS_ENABLED": "false", "PREFECT_LOGGING_TO_API_ENABLED": "false"}

import common
import govern
import great_expectations  # noqa: F401 - loaded here, used by the gate
import serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.runner import Runner
from prefect.utilities.engine import capture_sigterm

from corpus_gov import runs, warm  # noqa: F401 - loads the kernels


def flow(name: str, folder: str, **options: Any) -> dict[str, Any]:
    """Run a flow; returns what became of it."""
    if "as_of" in options:
        options["as_of"] = date.fromisoformat(options["as_of"])
    outcome = serve.SERVED[name][0](folder, **options)
    return {"release": outcome.release, "published": outcome.published}


def elsewhere(key_folder: str, **options: Any) -> dict[str, Any]:
    """Run a flow whose keys lie in another folder."""
    os.environ["CORPUS_GOV_KEYS"] = key_folder
    return flow(**options)


def bare(**options: Any) -> dict[str, Any]:
    """Run `govern` without the pages of its report, which take as long as all the rest."""
    govern.reporting.write = lambda *_: []
    return flow("govern", **options)


def impatient(**options: Any) -> dict[str, Any]:
    """Run `govern` whose tasks are never tried again."""
    govern.recover = common.recover.with_options(retries=0)
    return bare(**options)


def talkative(**options: Any) -> dict[str, Any]:
    """Run `govern` that notes its progress after each piece of work."""
    common.EVERY_S = 0.0
    return bare(**options)


def interrupted(stage: str, how: str, **options: Any) -> dict[str, Any]:
    """Run `govern`, and stop it after the first piece of a stage: by Ctrl-C (SIGINT), or as Prefect does (SIGTERM)."""
    noted = common.progress

    def stopping() -> Any:
        show = noted()

        def stop(now: str, done: int, total: int, result: Any) -> None:
            show(now, done, total, result)
            if now == stage and done < total:
                os.kill(os.getpid(), signal.Signals[how])

        return stop

    common.progress = stopping
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with capture_sigterm():
        return bare(**options)


def retained(folder: str, as_of: str) -> list[dict[str, Any]]:
    """Run `retain`."""
    done: list[dict[str, Any]] = serve.SERVED["retain"][0](folder, as_of=date.fromisoformat(as_of))
    return done


def command(*words: str) -> None:
    """Call the flow as a command."""
    sys.argv[1:] = words
    govern.main()


def operator(*lines: str) -> None:
    """Type lines of Prefect's own command at the checkout."""
    from prefect.cli import app

    for line in lines:
        sys.argv = ["prefect", *line.split()]
        try:
            app()
        except SystemExit as ended:
            if ended.code:
                raise


def nights(folder: str) -> None:
    """Run the three nights of bench/nightly.py."""
    sys.argv[1:] = [folder, "--quick"]
    import nightly

    nightly.main()


def scheduled(folder: str, line: str, days: int) -> dict[str, int]:
    """Serve a schedule that nobody served for some days; returns how many runs Prefect has of it, by their state."""
    setting, now = common.Setting(folder), datetime.now(UTC)
    runs.serve(setting.open().store, {"govern": line}, now - timedelta(days=days))
    missed = runs.catch_up(setting.open().store, {"govern": line}, now)
    ((name, one),) = serve.deployments(setting, {"govern": line}, physical=False).items()
    deployment: Any = Runner(name="corpus-gov").add_deployment(one)
    serve.once(deployment, again=name in missed)
    with get_client(sync_client=True) as client:
        chosen = DeploymentFilter.model_validate({"id": {"any_": [deployment]}})
        due = FlowRunFilter.model_validate({"expected_start_time": {"before_": datetime.now(UTC)}})
        found = client.read_flow_runs(deployment_filter=chosen, flow_run_filter=due)
        schedules = client.read_deployment(deployment).schedules
    return {"due": len(found), "cron": [one.schedule.cron for one in schedules]}


def child(name: str, options: dict[str, Any], file: Path) -> None:
    """Run a case and write down what became of it."""
    with file.with_suffix(".out").open("w") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        words = options.pop("words", ())
        try:
            said = {"returned": globals()[name](*words, **options)}
        except BaseException as error:  # noqa: BLE001 - a case may end by an interrupt, too
            said = {"raised": type(error).__name__, "message": str(error)}
        sys.stdout.flush()
    said["printed"] = file.with_suffix(".out").read_text()
    file.write_text(json.dumps(said))


def answer(pid: int, file: Path) -> dict[str, Any]:
    """Wait for a child; one that was killed has written nothing."""
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"killed": signal.Signals(os.WTERMSIG(status)).name}
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def main() -> None:
    """Serve until standard input ends."""
    folder = Path(sys.argv[1])
    with serve.server():
        print("ready", flush=True)
        for number, line in enumerate(sys.stdin):
            started = {}
            for place, (name, options) in enumerate(json.loads(line)):
                file = folder / f"{number}-{place}.json"
                pid = os.fork()
                if not pid:
                    child(name, options, file)
                    os._exit(0)
                started[pid] = file
            print(json.dumps([answer(*one) for one in started.items()]), flush=True)


if __name__ == "__main__":
    main()
