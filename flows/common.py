"""What the flows share: Prefect's environment, retry rules, the setting, one writer at a time, notes and alarms.

Imported before prefect by every flow: prefect reads its settings when it is imported. Prefect's own state lies in the
user's state folder, never in the workspace.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import platformdirs

# The embedded server needs 9 to 17 s for its first start, and stops waiting after 20 unless told otherwise; reports to
# its vendor are off.
os.environ.setdefault("PREFECT_HOME", str(platformdirs.user_state_path("corpus-gov") / "prefect"))
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("DO_NOT_TRACK", "1")

from prefect import runtime, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency

from corpus_gov import hooks, lineage, overdue, pipeline, runs, workspace
from corpus_gov.engine import Engine
from corpus_gov.errors import AlarmError, SourceError, StoreError
from corpus_gov.report import headline

SOON_DAYS: Final = 30
"""Contracts and consents of sources that end within so many days are told of."""

EVERY_S: Final = 10.0
"""Seconds between two notes of progress; a stage that ends sooner has none."""


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
        noted = progress()
        if self.scheduler:
            return Engine(workers=self.workers, memory=self.memory, scheduler=self.scheduler, progress=noted)
        settings = opened.settings.engine
        return Engine(workers=self.workers or settings.workers, memory=self.memory or settings.memory, progress=noted)


@contextmanager
def at_work(setting: Setting) -> Iterator[tuple[workspace.Workspace, Engine]]:
    """Open the workspace and start workers, with the lease held: rules are read once, and nobody else writes meanwhile.

    Raises:
        StoreError: somebody else is writing; names them.
    """
    opened = setting.open()
    with opened.writing(), setting.engine(opened) as engine:
        yield opened, engine


@task(task_run_name="recover what an interrupted run left", **RETRY)
def recover(setting: Setting) -> list[str]:
    """Finish or discard an uncommitted release; returns what was done."""
    opened = setting.open()
    with opened.writing():
        return opened.recovered


@task(task_run_name="look at what is overdue", retries=0, persist_result=False)
def look(setting: Setting, day: date) -> list[dict[str, Any]]:
    """List what should have been done by that day and was not accepted: lists of words, screening again."""
    return overdue.left(overdue.found(setting.open(), day), setting.accept)


@dataclass
class Notes:
    """What a flow says of its run: alarms by name, and the release that stands after it."""

    alarms: tuple[str, ...] = ()
    release: str | None = None


@contextmanager
def run_of(flow: str, setting: Setting) -> Iterator[Notes]:
    """Hold the workspace's only slot for a run; note how it ended, and tell the hooks of failures and alarms.

    The slot orders runs of one Prefect server; the lease of the store holds without it, and across servers.
    """
    opened, notes = setting.open(), Notes()
    slot = f"corpus-gov-{opened.settings.id}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(slot, 1)
    run_id = flow_run()
    with concurrency(slot, strict=True):
        started = datetime.now(UTC)
        state, error = "cancelled", None
        try:
            with lineage.of(opened, flow, run_id):
                yield notes
            state = "completed"
        except Exception as raised:
            state, error = "failed", raised
            raise
        finally:
            # Also where a run is cancelled, which is no Exception.
            runs.note(opened.store, flow, started, state, flow_run=run_id, release=notes.release)
            if state != "completed" or notes.alarms:
                event = "alarm" if notes.alarms or isinstance(error, AlarmError) else "failure"
                facts = {"flow": flow, "flow_run": run_id, "state": state, "release": notes.release}
                hooks.tell(opened, event, error, alarms=list(notes.alarms), **facts)


def flow_run() -> str | None:
    """Return Prefect's id of the run that this is called in."""
    found = runtime.flow_run.id
    return str(found) if found else None


def expiring(opened: workspace.Workspace, as_of: date) -> tuple[str, ...]:
    """Name, for the hooks, the sources whose rights are no longer valid or will soon not be."""
    left = {name: one.days_left(as_of) for name, one in opened.dossiers.items()}
    return tuple(
        f"rights_expiring:{name}" for name, days in sorted(left.items()) if days is not None and days <= SOON_DAYS
    )


def step(opened: workspace.Workspace, job: str) -> AbstractContextManager[tuple[str, str]]:
    """Send lineage of one step of this flow's run: ingest, screen or release."""
    run_id = flow_run()
    parent = (str(runtime.flow_run.flow_name), run_id) if run_id else None
    return lineage.of(opened, job, parent=parent)


def with_flow_run(draft: pipeline.Draft) -> pipeline.Draft:
    """Return the draft with Prefect's id of this run among its facts."""
    return replace(draft, run={**draft.run, "flow_run": flow_run()})


def leave(
    setting: Setting, flow: str, outcome: pipeline.Outcome, summary: str, late: Sequence[dict[str, Any]] = ()
) -> None:
    """Leave in Prefect what a run came to: its summary, a link to the report, and which of our runs made the release.

    Args:
        setting: of the flow.
        flow: its name.
        outcome: of the run.
        summary: Markdown.
        late: of `look`.
    """
    text = "\n\n".join([summary, *(f"**Overdue**: {row['text']}." for row in late)])
    create_markdown_artifact(text, key=f"{flow}-summary", description=f"{headline(outcome)} ({setting.folder})")
    place = f"{setting.folder}/releases/{outcome.release}/report.html"
    address = place if "://" in place else Path(place).absolute().as_uri()
    create_link_artifact(address, link_text=f"Report of {outcome.release}", key=f"{flow}-report")
    rows = [{"what": name, "found": str(value)} for name, value in _said(outcome)]
    create_table_artifact(rows, key=f"{flow}-run", description=f"{outcome.release} ({setting.folder})")


def _said(outcome: pipeline.Outcome) -> Iterator[tuple[str, Any]]:
    yield from (("release", outcome.release), ("published", outcome.published), ("run", outcome.run["run_id"]))
    yield from outcome.run["counts"]["dispositions"].items()
    yield from ((f"seconds of {name}", f"{facts['seconds']:.2f}") for name, facts in outcome.stages.items())


def progress() -> Callable[[str, int, int, Any], None]:
    """Return what an engine calls after each piece of work: it keeps one progress artifact a stage that is long."""
    begun: dict[str, float] = {}
    said: dict[str, float] = {}
    made: dict[str, UUID] = {}

    def show(stage: str, done: int, total: int, _result: Any) -> None:
        now = time.monotonic()
        if now - said.setdefault(stage, begun.setdefault(stage, now)) < EVERY_S and not (
            stage in made and done == total
        ):
            return
        said[stage], share = now, 100.0 * done / max(1, total)
        if stage in made:
            update_progress_artifact(made[stage], share)
        else:
            made[stage] = cast("UUID", create_progress_artifact(share, description=stage))

    return show


def parsed(about: str, *more: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Read the command line of a flow that starts no workers; returns what it is called with.

    Args:
        about: what the flow does.
        more: options of this flow, with what argparse is told of each.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("folder", metavar="WORKSPACE", help="folder of the workspace")
    parser.add_argument("--policy", help="policy to use instead of the workspace's own")
    parser.add_argument("--rules", help="folder of rule packs and policies to use instead")
    parser.add_argument("--as-of", type=date.fromisoformat, help="date that expiries are compared with (today)")
    for name, told in more:
        parser.add_argument(name, **told)
    options = vars(parser.parse_args())
    if not Path(options["folder"]).is_dir():
        parser.error(f"{options['folder']!r}: expected the folder of a workspace")
    options["folder"] = str(Path(options["folder"]).absolute())
    if options["rules"]:
        options["rules"] = str(Path(options["rules"]).absolute())
    return options


def arguments(about: str) -> dict[str, Any]:
    """Read the command line of a flow that starts workers; returns what it is called with."""
    return parsed(
        about,
        ("--workers", {"type": int, "help": "processes"}),
        ("--memory", {"help": 'limit of each worker, such as "4GB"'}),
        ("--scheduler", {"help": "address of a running Dask scheduler, such as tcp://host:8786"}),
        ("--accept", {"action": "append", "default": [], "help": "name of an alarm that must not stop this run"}),
    )
