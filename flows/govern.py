"""The scheduled run: ingest, build, decide, gate, publish, as a Prefect flow of coarse tasks.

    python flows/govern.py WORKSPACE [--policy NAME] [--rules FOLDER] [--as-of DATE]
                           [--workers N] [--memory SIZE] [--scheduler ADDRESS] [--accept ALARM]

Runs on Prefect's embedded server with nothing started beforehand. Each task calls the function of the same
name in corpus_gov.pipeline; what must be remembered lies in the workspace, so a run that was stopped is
taken up by the next one. Prefect's own state lies in the user's state folder, never in the workspace.
"""

import argparse
import os
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import platformdirs

# Before prefect is imported: it reads its settings then. The embedded server needs 9 to 17 s for its first
# start, and stops waiting after 20 unless told otherwise; reports to its vendor are off.
os.environ.setdefault("PREFECT_HOME", str(platformdirs.user_state_path("corpus-gov") / "prefect"))
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("DO_NOT_TRACK", "1")

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State, TaskRun

from corpus_gov import gate, intake, pipeline, workspace
from corpus_gov.engine import Engine
from corpus_gov.errors import SourceError, StoreError
from corpus_gov.intake import Clock
from corpus_gov.report import headline, markdown


def worth_retrying(_task: Any, _run: TaskRun, state: State) -> bool:
    """Retry what may pass by itself: a lease held by another, a worker that died, a disk that was full."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, SourceError | StoreError | OSError)


RETRY: dict[str, Any] = {
    "retries": 2,
    "retry_delay_seconds": [30, 120],
    "retry_condition_fn": worth_retrying,
    "persist_result": False,
}


@dataclass(frozen=True)
class Setting:
    """What every task needs to open the workspace and start its workers; see `govern` for the fields."""

    folder: str
    policy: str | None = None
    rules: str | None = None
    workers: int | None = None
    memory: str | None = None
    scheduler: str | None = None
    accept: tuple[str, ...] = ()

    def open(self) -> workspace.Workspace:
        """Open the workspace under this run's policy and rules."""
        rules = Path(self.rules) if self.rules else None
        return workspace.open_workspace(self.folder, policy=self.policy, rules_folder=rules)

    def engine(self, opened: workspace.Workspace) -> Engine:
        """Make the engine: this run's options, or else the workspace's own."""
        if self.scheduler:
            return Engine(workers=self.workers, memory=self.memory, scheduler=self.scheduler)
        settings = opened.settings.engine
        return Engine(workers=self.workers or settings.workers, memory=self.memory or settings.memory)


# Each task has a clock of its own and returns it: one that is tried again does not count its time twice.


@task(task_run_name="recover what an interrupted run left", **RETRY)
def recover(setting: Setting) -> list[str]:
    """Finish or discard an uncommitted release; returns what was done."""
    opened = setting.open()
    with opened.writing():
        return opened.recovered


@task(task_run_name="ingest new inputs", **RETRY)
def ingest(setting: Setting) -> Clock:
    """Read inputs that no batch holds yet."""
    opened, clock = setting.open(), Clock()
    with setting.engine(opened) as engine:
        intake.ingest(opened, engine, clock)
    return clock


@task(task_run_name="measure, screen and relate", **RETRY)
def build(setting: Setting) -> tuple[str | None, Clock]:
    """Build missing signals, findings and clusters; returns the name of the clusters."""
    opened, clock = setting.open(), Clock()
    with setting.engine(opened) as engine:
        return pipeline.build(opened, engine, clock), clock


@task(task_run_name="decide as of {as_of}, clean and seal", **RETRY)
def decide(setting: Setting, clusters: str | None, as_of: date) -> tuple[pipeline.Draft, Clock]:
    """Judge, elect, clean and seal; returns the draft, which holds names and counts only."""
    opened, clock = setting.open(), Clock()
    with setting.engine(opened) as engine:
        return pipeline.decide(opened, engine, clusters, as_of, clock), clock


@task(task_run_name="check expectations on the manifest", retries=0, persist_result=False)
def check(setting: Setting, draft: pipeline.Draft) -> list[gate.Result]:
    """Stop here where an expectation fails; never retried, since the same draft fails again."""
    return gate.check(draft, setting.open())


@task(task_run_name="publish the release if anything changed", **RETRY)
def publish(setting: Setting, draft: pipeline.Draft, clock: Clock) -> pipeline.Outcome:
    """Write and commit the release, unless nothing has changed since the last one."""
    return pipeline.publish_changed(setting.open(), draft, clock, accept=setting.accept)


@flow(name="govern", flow_run_name="govern {folder}", persist_result=False)
def govern(
    folder: str,
    as_of: date | None = None,
    workers: int | None = None,
    policy: str | None = None,
    rules: str | None = None,
    memory: str | None = None,
    scheduler: str | None = None,
    accept: tuple[str, ...] = (),
) -> pipeline.Outcome:
    """Run the whole pipeline over a workspace and publish a release where anything has changed.

    Args:
        folder: the workspace.
        as_of: date that expiries are compared with; today by default.
        workers: processes for the work inside a stage; by default what the workspace says, else one a core.
        policy: use this policy instead of the workspace's own.
        rules: folder of rule packs and policies to use instead of the shipped ones.
        memory: limit of each worker, such as "4GB".
        scheduler: address of a running Dask scheduler; then neither workers nor memory.
        accept: names of alarms that must not stop this release.

    Returns:
        What the run came to.
    """
    setting = Setting(folder, policy, rules, workers, memory, scheduler, tuple(accept))
    recovered = recover(setting)
    read = ingest(setting)
    clusters, built = build(setting)
    draft, decided = decide(setting, clusters, as_of or datetime.now(UTC).date())
    results = check(setting, draft)
    outcome = publish(setting, draft, _together(read, built, decided))
    text = markdown(outcome, results, recovered)
    create_markdown_artifact(text, key="govern-summary", description=f"{headline(outcome)} ({folder})")
    return outcome


def _together(*clocks: Clock) -> Clock:
    """Join the clocks of tasks; each times stages of its own."""
    stages = {stage: facts for clock in clocks for stage, facts in clock.stages.items()}
    return Clock(stages, [name for clock in clocks for name in clock.rebuilt])


def main() -> None:
    """Run once, from the command line."""
    parser = argparse.ArgumentParser(description="Run the whole pipeline over a workspace, as a Prefect flow.")
    parser.add_argument("folder", metavar="WORKSPACE", help="folder of the workspace")
    parser.add_argument("--policy", help="policy to use instead of the workspace's own")
    parser.add_argument("--rules", help="folder of rule packs and policies to use instead")
    parser.add_argument("--as-of", type=date.fromisoformat, help="date that expiries are compared with (today)")
    parser.add_argument("--workers", type=int, help="processes")
    parser.add_argument("--memory", help='limit of each worker, such as "4GB"')
    parser.add_argument("--scheduler", help="address of a running Dask scheduler, such as tcp://host:8786")
    parser.add_argument("--accept", action="append", default=[], help="name of an alarm that must not stop this run")
    options = vars(parser.parse_args())
    if not Path(options["folder"]).is_dir():
        parser.error(f"{options['folder']!r}: expected the folder of a workspace")
    options["folder"] = str(Path(options["folder"]).absolute())
    if options["rules"]:
        options["rules"] = str(Path(options["rules"]).absolute())
    sys.stdout.write(f"{headline(govern(**options))}\n")


if __name__ == "__main__":
    main()
