"""The scheduled re-screening: say what changed, do only that, gate, publish, and sound what is overdue.

    python flows/rescreen.py WORKSPACE [--policy NAME] [--rules FOLDER] [--as-of DATE]
                             [--workers N] [--memory SIZE] [--scheduler ADDRESS] [--accept ALARM]

A flow of the tasks of flows/govern.py, without intake. It fails, after the release was published, where lists of words
or the re-screening itself are overdue: whoever watches the flow is told, and the release is there all the same.
"""

import sys
from datetime import UTC, date, datetime

# First: it sets what Prefect reads when it is imported.
from common import RETRY, Setting, arguments, at_work, leave, look, recover, run_of
from govern import build, check, decide, publish, report, together
from prefect import flow, task

from corpus_gov import acts, gate, overdue, pipeline, rescreen
from corpus_gov.report import headline, markdown


@task(task_run_name="say what changed", **RETRY)
def foresee(setting: Setting, as_of: date) -> list[str]:
    """Plan the run; returns what the plan says, and notes changes of rules and papers in the ledger."""
    with at_work(setting) as (opened, engine):
        said = list(rescreen.lines(rescreen.plan(opened, engine, as_of, predict=False)))
        acts.note_changes(opened)
    return said


@flow(name="rescreen", flow_run_name="rescreen {folder}", persist_result=False)
def rescreen_flow(
    folder: str,
    as_of: date | None = None,
    workers: int | None = None,
    policy: str | None = None,
    rules: str | None = None,
    memory: str | None = None,
    scheduler: str | None = None,
    accept: tuple[str, ...] = (),
) -> pipeline.Outcome:
    """Screen a workspace again and publish a release where anything has changed; arguments as for `govern`."""
    setting = Setting(folder, policy, rules, workers, memory, scheduler, tuple(accept))
    day = as_of or datetime.now(UTC).date()
    with run_of("rescreen", setting) as notes:
        recovered = recover(setting)
        planned = foresee(setting, day)
        clusters, built = build(setting, day)
        draft, decided = decide(setting, clusters, day)
        results = check(setting, draft)
        outcome = publish(setting, gate.noted(draft, results), together(built, decided))
        late = look(setting, day)
        notes.release, notes.alarms = outcome.release, tuple(row["alarm"] for row in late)
        pages = report(setting, outcome) if outcome.published else []
        text = "\n".join([markdown(outcome, results, recovered, pages), "```", *planned, "```"])
        leave(setting, "rescreen", outcome, text, late)
        overdue.check(late, ())
    return outcome


def main() -> None:
    """Run once, from the command line."""
    options = arguments("Screen a workspace again by today's rules, as a Prefect flow.")
    sys.stdout.write(f"{headline(rescreen_flow(**options))}\n")


if __name__ == "__main__":
    main()
