"""The scheduled retention: take away the bytes that the policy says are due.

    python flows/retain.py WORKSPACE [--policy NAME] [--rules FOLDER] [--as-of DATE]

Takes no workers: an erasure reads and writes a shard at a time. It can be stopped at any point; whoever takes the lease
next finishes it.
"""

import sys
from datetime import UTC, date, datetime
from typing import Any

# First: it sets what Prefect reads when it is imported.
from common import RETRY, Setting, parsed, recover, run_of
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact

from corpus_gov import retention


@task(task_run_name="look at what is due", **RETRY)
def foresee(setting: Setting, as_of: date) -> dict[str, dict[str, int]]:
    """Count, by class of the policy, what is due, held or due later."""
    return retention.counted(retention.due(setting.open(), as_of), as_of)


@task(task_run_name="take bytes away", **RETRY)
def retain(setting: Setting, as_of: date) -> list[dict[str, Any]]:
    """Erase what is due, and leave rows and reasons."""
    return retention.retain(setting.open(), as_of)


@flow(name="retain", flow_run_name="retain {folder}", persist_result=False)
def retain_flow(
    folder: str, as_of: date | None = None, policy: str | None = None, rules: str | None = None
) -> list[dict[str, Any]]:
    """Carry out the retention of a workspace.

    Args:
        folder: the workspace.
        as_of: date that retention is counted up to; today by default.
        policy: use this policy instead of the workspace's own.
        rules: folder of rule packs and policies to use instead of the shipped ones.

    Returns:
        What was done, by class.
    """
    setting = Setting(folder, policy, rules)
    day = as_of or datetime.now(UTC).date()
    with run_of("retain", setting):
        recovered, counts, done = recover(setting), foresee(setting, day), retain(setting, day)
    rows = [f"- {name}: {one['due']} due, {one['held']} held, {one['later']} later" for name, one in counts.items()]
    rows += [f"- erasure {one['erasure']} ({one['retention']}): {one['documents']} documents" for one in done]
    text = "\n".join([*recovered, *rows]) or "Nothing is due."
    create_markdown_artifact(text, key="retain-summary", description=f"Retention of {folder}, {day.isoformat()}")
    return done


def main() -> None:
    """Run once, from the command line."""
    done = retain_flow(**parsed("Take away the bytes that retention says are due, as a Prefect flow."))
    sys.stdout.write(
        "".join(f"{one['retention']}: {one['documents']} documents\n" for one in done) or "Nothing is due.\n"
    )


if __name__ == "__main__":
    main()
