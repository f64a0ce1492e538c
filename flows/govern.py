"""The scheduled run: ingest, build, decide, gate, publish, as a Prefect flow of coarse tasks.

    python flows/govern.py WORKSPACE [--policy NAME] [--rules FOLDER] [--as-of DATE]
                           [--workers N] [--memory SIZE] [--scheduler ADDRESS] [--accept ALARM]

Runs on Prefect's embedded server with nothing started beforehand. Each task calls the function of the same
name in corpus_gov.pipeline; what must be remembered lies in the workspace, so a run that was stopped is
taken up by the next one. Prefect's own state lies in the user's state folder, never in the workspace.
"""

import sys
from datetime import UTC, date, datetime

# First: it sets what Prefect reads when it is imported.
from common import RETRY, Setting, arguments, at_work, expiring, leave, look, recover, run_of, step, with_flow_run
from prefect import flow, task

from corpus_gov import gate, hooks, intake, overdue, pipeline, reporting
from corpus_gov.intake import Clock
from corpus_gov.report import headline, markdown

# Each task has a clock of its own and returns it: one that is tried again does not count its time twice.


@task(task_run_name="run the operator's command before inputs are read", retries=0, persist_result=False)
def prepare(setting: Setting) -> list[str]:
    """Run `before` of [hooks], such as a fetch of opt-outs; returns what went wrong, which stops nothing."""
    return hooks.before(setting.open())


@task(task_run_name="ingest new inputs", **RETRY)
def ingest(setting: Setting) -> Clock:
    """Read inputs that no batch holds yet."""
    clock = Clock()
    with at_work(setting) as (opened, engine), step(opened, "ingest"):
        intake.ingest(opened, engine, clock)
    return clock


@task(task_run_name="measure, screen and relate", **RETRY)
def build(setting: Setting, as_of: date) -> tuple[str | None, Clock]:
    """Build missing signals, findings and clusters; returns the name of the clusters."""
    clock = Clock()
    with at_work(setting) as (opened, engine), step(opened, "screen"):
        return pipeline.build(opened, engine, clock, as_of), clock


@task(task_run_name="decide as of {as_of}, clean and seal", **RETRY)
def decide(setting: Setting, clusters: str | None, as_of: date) -> tuple[pipeline.Draft, Clock]:
    """Judge, elect, clean and seal; returns the draft, which holds names and counts only."""
    clock = Clock()
    with at_work(setting) as (opened, engine):
        return pipeline.decide(opened, engine, clusters, as_of, clock), clock


@task(task_run_name="check expectations on the manifest", retries=0, persist_result=False)
def check(setting: Setting, draft: pipeline.Draft) -> list[gate.Result]:
    """Stop here where an expectation fails; never retried, since the same draft fails again."""
    opened = setting.open()
    with opened.writing():
        return gate.check(draft, opened)


@task(task_run_name="publish the release if anything changed", **RETRY)
def publish(setting: Setting, draft: pipeline.Draft, clock: Clock) -> pipeline.Outcome:
    """Write and commit the release, unless nothing has changed since the last one."""
    opened, accept = setting.open(), [name for name in setting.accept if not overdue.about(name)]
    with step(opened, "release"):
        return pipeline.publish_changed(opened, with_flow_run(draft), clock, accept=accept)


@task(task_run_name="write the report of the release", **RETRY)
def report(setting: Setting, outcome: pipeline.Outcome) -> list[str]:
    """Write the report beside the release; returns the names of its files."""
    return reporting.write(setting.open(), outcome.release)


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
        accept: names of alarms that must not stop this release, or that must not sound.

    Returns:
        What the run came to.
    """
    setting = Setting(folder, policy, rules, workers, memory, scheduler, tuple(accept))
    with run_of("govern", setting) as notes:
        recovered = [*recover(setting), *prepare(setting)]
        read = ingest(setting)
        day = as_of or datetime.now(UTC).date()
        clusters, built = build(setting, day)
        draft, decided = decide(setting, clusters, day)
        results = check(setting, draft)
        outcome = publish(setting, gate.noted(draft, results), together(read, built, decided))
        late = look(setting, day)
        notes.release = outcome.release
        notes.alarms = (*expiring(setting.open(), day), *(row["alarm"] for row in late))
        pages = report(setting, outcome) if outcome.published else []
        leave(setting, "govern", outcome, markdown(outcome, results, recovered, pages), late)
    return outcome


def together(*clocks: Clock) -> Clock:
    """Join the clocks of tasks; each times stages of its own."""
    stages = {stage: facts for clock in clocks for stage, facts in clock.stages.items()}
    return Clock(stages, [name for clock in clocks for name in clock.rebuilt])


def main() -> None:
    """Run once, from the command line."""
    options = arguments("Run the whole pipeline over a workspace, as a Prefect flow.")
    sys.stdout.write(f"{headline(govern(**options))}\n")


if __name__ == "__main__":
    main()
