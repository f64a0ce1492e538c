"""When flows ran, when they run next, and which run was missed.

The last run of each flow is runs/<flow>.json in the store, the schedule that is served runs/schedule.json.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from corpus_gov import cron
from corpus_gov.published import optional
from corpus_gov.signatures import canonical
from corpus_gov.store import Store

FLOWS: Final = ("govern", "rescreen", "erase", "retain")

SCHEDULE: Final = "schedule"

GRACE: Final = timedelta(hours=1)
"""How late a run may start before it counts as missed."""


def note(store: Store, flow: str, started: datetime, state: str, **facts: Any) -> None:
    """Write down how the last run of a flow ended: completed, failed or cancelled."""
    times = {"started": started.isoformat(timespec="seconds"), "ended": datetime.now(UTC).isoformat(timespec="seconds")}
    store.put(_place(flow), canonical({"flow": flow, "state": state, **times, **facts}))


def serve(store: Store, crons: Mapping[str, str], now: datetime) -> None:
    """Write down which flow runs when, from now on; the day on which that began stays while nothing changes.

    Args:
        store: of the workspace.
        crons: cron line by flow.
        now: the moment.
    """
    known = last(store, SCHEDULE)
    if known is None or known["crons"] != dict(crons):
        store.put(_place(SCHEDULE), canonical({"crons": dict(crons), "started": now.isoformat(timespec="seconds")}))


def last(store: Store, flow: str) -> dict[str, Any] | None:
    """Return what `note` wrote last of a flow."""
    data = optional(store, _place(flow))
    return dict(json.loads(data)) if data else None


def states(store: Store, now: datetime) -> dict[str, dict[str, Any]]:
    """Say of every flow that is scheduled or has run: when it ran, how that ended, when it is next, what was missed.

    A run is missed where none has started since the time at which the last one was due, and GRACE is over. A flow that
    has never run is measured from the day on which its schedule was first served.

    Returns:
        last, state, next and missed by flow: ISO times in UTC, None where there is none.
    """
    served = last(store, SCHEDULE) or {"crons": {}, "started": now.isoformat()}
    found: dict[str, dict[str, Any]] = {}
    for flow in FLOWS:
        ran, line = last(store, flow), served["crons"].get(flow)
        if ran or line:
            row: dict[str, Any] = dict.fromkeys(("last", "state", "next", "missed"))
            if ran:
                row |= {"last": ran["started"], "state": ran["state"]}
            if line:
                since = datetime.fromisoformat((ran or served)["started"])
                row |= {"next": _stamp(cron.following(line, now)), "missed": _stamp(_missed(line, since, now))}
            found[flow] = row
    return found


def catch_up(store: Store, crons: Mapping[str, str], now: datetime) -> list[str]:
    """Begin to serve a schedule: write it down as `serve` does, and name each flow that missed a run, once.

    However many times of a flow have passed, one run makes up for them.
    """
    serve(store, crons, now)
    return [name for name, row in states(store, now).items() if row["missed"] and name in crons]


def _missed(line: str, since: datetime, now: datetime) -> datetime | None:
    due = cron.preceding(line, now - GRACE)
    return due if due and since < due else None


def _place(flow: str) -> str:
    return f"runs/{flow}.json"


def _stamp(when: datetime | None) -> str | None:
    return when.isoformat(timespec="minutes") if when else None
