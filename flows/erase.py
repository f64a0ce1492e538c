"""The daily look at requests to erase: does what is due, and sounds what is overdue.

    python flows/erase.py WORKSPACE [--within DAYS] [--physical] [--policy NAME] [--rules FOLDER] [--as-of DATE]

Takes no workers. It can be stopped at any point: every write of a request can be cut off, and whoever takes the lease
next finishes an erasure that was begun. The next release has the tombstones.
"""

import sys
from datetime import UTC, date, datetime
from typing import Any

# First: it sets what Prefect reads when it is imported.
from common import RETRY, Setting, parsed, recover, run_of
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from corpus_gov import fulfilment, requests
from corpus_gov.errors import AlarmError


@task(task_run_name="look at deadlines as of {as_of}", **RETRY)
def due(setting: Setting, as_of: date, within: int) -> list[str]:
    """List the open requests whose last day is near or past, that of the nearest first."""
    found = requests.listed(setting.open())
    return [one.request for one in found if one.state in requests.OPEN and one.left(as_of) <= within]


@task(task_run_name="fulfil request {name}", **RETRY)
def fulfil(setting: Setting, name: str, as_of: date, physical: bool) -> str:  # noqa: FBT001 - a parameter of the flow
    """Suppress what a request is about, and erase its bytes where both it and the flow say so; returns its state."""
    opened = setting.open()
    erased = physical and requests.read(opened, name).measure == "erase"
    return fulfilment.fulfil(opened, name, today=as_of, physical=erased).state


@task(task_run_name="say what is still open", **RETRY)
def still_open(setting: Setting, as_of: date) -> list[dict[str, Any]]:
    """Return open requests: id, last day, days left, what `due` says of them, and how far they have come."""
    found = [one for one in requests.listed(setting.open()) if one.state in requests.OPEN]
    return [
        {"request": one.request, "deadline": one.deadline, "left": one.left(as_of), "due": one.due(as_of),
         "state": one.state, "documents": len(one.chosen)}
        for one in found
    ]  # fmt: skip


@flow(name="erase", flow_run_name="erase {folder}", persist_result=False)
def erase_flow(
    folder: str,
    as_of: date | None = None,
    within: int = requests.SOON_DAYS,
    physical: bool = False,  # noqa: FBT001, FBT002 - a field of Prefect's form
    policy: str | None = None,
    rules: str | None = None,
) -> dict[str, str]:
    """Fulfil the requests whose deadline is near, and fail where one is overdue.

    Args:
        folder: the workspace.
        as_of: date that deadlines are compared with; today by default.
        within: days before its deadline from which a request is fulfilled.
        physical: erase bytes too, of requests that ask for it; otherwise they are suppressed, and stay open until
            somebody who has looked at what was found says `erase fulfil --physical`.
        policy: use this policy instead of the workspace's own.
        rules: folder of rule packs and policies to use instead of the shipped ones.

    Returns:
        The state of each request that was due, by its id.
    """
    setting, day = Setting(folder, policy, rules), as_of or datetime.now(UTC).date()
    with run_of("erase", setting) as notes:
        recovered = recover(setting)
        done = {name: fulfil(setting, name, day, physical) for name in due(setting, day, within)}
        left = still_open(setting, day)
        said = [*recovered, *(f"- request {name}: {state}" for name, state in done.items())]
        create_markdown_artifact("\n".join(said) or "Nothing is due.", key="erase-summary", description=folder)
        create_table_artifact(left, key="erase-open", description=f"Open requests of {folder}, {day.isoformat()}")
        notes.alarms = tuple(f"request_{one['due']}:{one['request']}" for one in left if one["due"] != "open")
        if late := [one["request"] for one in left if one["due"] == "overdue"]:
            raise AlarmError(
                f"overdue: {len(late)} requests to erase, {', '.join(late[:5])}; look at them with `erase show`, then "
                "`erase fulfil --physical` or `erase refuse`"
            )
    return done


def main() -> None:
    """Run once, from the command line."""
    options = parsed(
        "Fulfil the requests to erase that are due, as a Prefect flow.",
        ("--within", {"type": int, "default": requests.SOON_DAYS, "help": "days before the deadline"}),
        ("--physical", {"action": "store_true", "help": "erase bytes too, where the request asks for that"}),
    )
    done = erase_flow(**options)
    sys.stdout.write("".join(f"{name}: {state}\n" for name, state in done.items()) or "Nothing is due.\n")


if __name__ == "__main__":
    main()
