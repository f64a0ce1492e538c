"""Serve the schedule of a workspace: nightly, weekly and daily flows in one process, with a Prefect server of its own.

    python flows/serve.py WORKSPACE [--govern CRON] [--rescreen CRON] [--erase CRON] [--retain CRON] [--physical]
                          [--policy NAME] [--rules FOLDER]

Runs until it is stopped. With PREFECT_API_URL set the server there is used instead. A run that was missed while nothing
served is caught up once, however many times of it have passed.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

# First: it sets what Prefect reads when it is imported.
from common import Setting, parsed
from erase import erase_flow
from govern import govern
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.settings import PREFECT_API_URL, temporary_settings
from rescreen import rescreen_flow
from retain import retain_flow

from corpus_gov import cron, runs

SERVED: Final[Mapping[str, tuple[Flow[..., Any], str]]] = {
    "govern": (govern, "0 2 * * *"),
    "rescreen": (rescreen_flow, "0 4 * * 0"),
    "erase": (erase_flow, "0 6 * * *"),
    "retain": (retain_flow, "30 6 * * *"),
}
"""Each flow and when it runs unless told otherwise, in UTC."""

START_S: Final = 180
"""For a server to answer; it needs 15 to 30 s."""

STOP_S: Final = 10
"""For a server to end by itself."""


@contextmanager
def server() -> Iterator[None]:
    """Run a Prefect server on this host alone, unless one is named by PREFECT_API_URL."""
    if PREFECT_API_URL.value():
        yield
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}/api"
    # A session of its own: Ctrl-C is for the runner, which needs the server until its runs have ended.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as running:  # noqa: S603
        try:
            _wait(running, address)
            os.environ["PREFECT_API_URL"] = address
            with temporary_settings({PREFECT_API_URL: address}):
                yield
        finally:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(STOP_S)
            except subprocess.TimeoutExpired:
                # It waits for connections that this process still holds; its database is whole at any moment.
                running.kill()


def _wait(running: "subprocess.Popen[bytes]", address: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and running.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.5)
    raise SystemExit(
        f"schedule: no Prefect server answered at {address} within {START_S} s; see `prefect server start`"
    )


def deployments(setting: Setting, crons: Mapping[str, str], *, physical: bool) -> dict[str, RunnerDeployment]:
    """Make one deployment a flow; each takes one run at a time."""
    told: dict[str, Any] = {"folder": setting.folder, "policy": setting.policy, "rules": setting.rules}
    made = {}
    for name, line in crons.items():
        parameters = told | ({"physical": physical} if name == "erase" else {})
        found = SERVED[name][0].to_deployment(
            name=setting.open().settings.id, cron=line, parameters=parameters, concurrency_limit=1
        )
        made[name] = found
    return made  # type: ignore[return-value] # to_deployment is sync here, which its type does not say


def serve(setting: Setting, crons: Mapping[str, str], *, physical: bool = False) -> None:
    """Serve until stopped.

    Args:
        setting: workspace, policy and rules.
        crons: cron line by flow; in UTC.
        physical: as for `erase_flow`.
    """
    missed = runs.catch_up(setting.open().store, crons, datetime.now(UTC))
    runner = Runner(name="corpus-gov", limit=1)
    for name, one in deployments(setting, crons, physical=physical).items():
        once(runner.add_deployment(one), again=name in missed)
    sys.stdout.write(f"Serving {', '.join(crons)}" + (f"; catching up {', '.join(missed)}" if missed else "") + "\n")
    sys.stdout.flush()
    # Stopping is the ordinary end.
    with suppress(KeyboardInterrupt):
        asyncio.run(runner.start())


def once(deployment: Any, *, again: bool) -> None:
    """Forget runs whose time passed while nothing served, and order one in their place where a run was missed."""
    with get_client(sync_client=True) as client:
        late = client.read_flow_runs(
            deployment_filter=DeploymentFilter.model_validate({"id": {"any_": [deployment]}}),
            flow_run_filter=FlowRunFilter.model_validate(
                {"state": {"type": {"any_": ["SCHEDULED"]}}, "expected_start_time": {"before_": datetime.now(UTC)}}
            ),
        )
        for one in late:
            client.delete_flow_run(one.id)
        if again:
            client.create_flow_run_from_deployment(deployment)


def main() -> None:
    """Serve, from the command line."""
    options = parsed(
        "Serve the schedule of a workspace.",
        *((f"--{name}", {"default": line, "help": f"cron line in UTC ({line}); never to leave out"})
          for name, (_, line) in SERVED.items()),
        ("--physical", {"action": "store_true", "help": "erase bytes too, where a request asks for that"}),
    )  # fmt: skip
    crons = {name: options[name] for name in SERVED if options[name] != "never"}
    for line in crons.values():
        cron.fields(line)
    with server():
        serve(Setting(options["folder"], options["policy"], options["rules"]), crons, physical=options["physical"])


if __name__ == "__main__":
    main()
