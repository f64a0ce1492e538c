"""The scheduled run: ingest, build, decide, gate, publish, as a Prefect flow of coarse tasks.

    python flows/govern.py WORKSPACE

Runs on Prefect's embedded server with nothing started beforehand. Each task calls the function of the same
name in corpus_gov.pipeline; what must be remembered lies in the workspace, so a run that was stopped is
taken up by the next one. Prefect's own state lies in the user's state folder, never in the workspace.
"""

import os
import sys
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

from corpus_gov import gate, intake, pipeline, release, workspace
from corpus_gov.engine import Engine
from corpus_gov.errors import SourceError, StoreError
from corpus_gov.report import markdown


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


def _engine(opened: workspace.Workspace, workers: int | None) -> Engine:
    settings = opened.settings.engine
    return Engine(workers=workers or settings.workers, memory=settings.memory)


@task(task_run_name="recover what an interrupted run left", **RETRY)
def recover(folder: str) -> list[str]:
    """Finish or discard an uncommitted release."""
    opened = workspace.open_workspace(folder)
    with opened.writing() as lease:
        return release.recover(opened.store, lease, opened.ledger(), opened.signer())


@task(task_run_name="ingest new inputs", **RETRY)
def ingest(folder: str, workers: int | None) -> int:
    """Read inputs that no batch holds yet; returns the number of new shards."""
    opened = workspace.open_workspace(folder)
    with _engine(opened, workers) as engine:
        return intake.ingest(opened, engine)


@task(task_run_name="measure, screen and relate", **RETRY)
def build(folder: str, workers: int | None) -> str | None:
    """Build missing signals, findings and clusters; returns the name of the clusters."""
    opened = workspace.open_workspace(folder)
    with _engine(opened, workers) as engine:
        return pipeline.build(opened, engine)


@task(task_run_name="decide as of {as_of}", **RETRY)
def decide(folder: str, clusters: str | None, as_of: date, workers: int | None) -> pipeline.Draft:
    """Judge, elect, clean and seal; returns the draft, which holds names and counts only."""
    opened = workspace.open_workspace(folder)
    with _engine(opened, workers) as engine:
        return pipeline.decide(opened, engine, clusters, as_of)


@task(task_run_name="check expectations on the manifest", retries=0, persist_result=False)
def check(folder: str, draft: pipeline.Draft) -> list[gate.Result]:
    """Stop here where an expectation fails; never retried, since the same draft fails again."""
    return gate.check(draft, workspace.open_workspace(folder))


@task(task_run_name="publish", **RETRY)
def publish(folder: str, draft: pipeline.Draft) -> pipeline.Outcome:
    """Write and commit the release, unless nothing has changed since the last one."""
    return pipeline.publish_changed(workspace.open_workspace(folder), draft)


@flow(name="govern", flow_run_name="govern {folder}", persist_result=False)
def govern(folder: str, as_of: date | None = None, workers: int | None = None) -> str:
    """Run the whole pipeline over a workspace and publish a release.

    Args:
        folder: the workspace.
        as_of: date that expiries are compared with; today by default.
        workers: processes for the work inside a stage; one a core by default.

    Returns:
        The name of the release.
    """
    recover(folder)
    ingest(folder, workers)
    clusters = build(folder, workers)
    draft = decide(folder, clusters, as_of or datetime.now(UTC).date(), workers)
    results = check(folder, draft)
    outcome = publish(folder, draft)
    create_markdown_artifact(
        markdown(outcome, results), key="govern-summary", description=f"Release {outcome.release} of {folder}"
    )
    return outcome.release


def main() -> None:
    """Run once, from the command line."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"usage: python {sys.argv[0]} WORKSPACE\n{sys.argv[1:]!r}: expected the folder of one workspace")
    sys.stdout.write(f"published {govern(str(Path(sys.argv[1]).absolute()))}\n")


if __name__ == "__main__":
    main()
