"""How a workspace stands: sources, captures, releases, what is due and what should have been done by now."""

from datetime import UTC, date, datetime
from typing import Any

from corpus_gov import intake, overdue, requests, retention, runs
from corpus_gov.workspace import Workspace


def facts(workspace: Workspace, today: date, now: datetime | None = None) -> dict[str, Any]:
    """Collect what `status` shows, as plain values; no document is read.

    `today` is what deadlines and dossiers are compared with, `now` (the present, unless given) what schedules are.
    """
    stored = [(name, workspace.release(name).run) for name in workspace.releases()]
    newest = stored[-1][1] if stored else {"counts": {}}
    shards = workspace.shards()
    return {
        "name": workspace.settings.name,
        "policy": workspace.settings.policy,
        "sources": {source: one["status"] for source, one in workspace.source_facts(today).items()},
        "captures": captured(workspace),
        "labelled_files": sum(shard.labelled for shard in shards),
        "superseded": sum(workspace.superseded().values()),
        "waiting": intake.waiting(workspace),
        "shards": len(shards),
        "releases": [_release(name, run) for name, run in stored],
        # A release that stands from before these were counted has none.
        "items": newest["counts"].get("items", {}),
        "overrides": newest.get("overrides", {}),
        "requests": requests.counted(workspace, today),
        "retention": retention.counted(retention.due(workspace, today), today),
        "overdue": overdue.found(workspace, today),
        "flows": runs.states(workspace.store, now or datetime.now(UTC)),
    }


def captured(workspace: Workspace) -> dict[str, int]:
    """Count the captures of all batches by outcome."""
    counts: dict[str, int] = {}
    for shard in workspace.shards():
        for outcome, n in shard.outcomes.items():
            counts[outcome] = counts.get(outcome, 0) + n
    return counts


def _release(name: str, run: dict[str, Any]) -> dict[str, Any]:
    counts = run["counts"]
    return {
        "release": name,
        "when": run["when"],
        "documents": counts["documents"],
        "dispositions": counts["dispositions"],
        "provisional": run["provisional"],
    }
