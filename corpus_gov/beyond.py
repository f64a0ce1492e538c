"""Findings that rest on more than their shard: repeated lines, bursts, reference sets, the suppression list.

`names` plans them and `build` builds what is missing; judging and applying read them beside those of the screens.
"""

import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from corpus_gov import grouping, references
from corpus_gov.engine import Engine
from corpus_gov.intake import Clock
from corpus_gov.relate import suppressed
from corpus_gov.stages import Shard, bursting, comparing, repeating
from corpus_gov.stages.comparing import Asked
from corpus_gov.workspace import Workspace


def names(workspace: Workspace, shards: Sequence[Shard], as_of: date) -> dict[str, dict[str, str]]:
    """Name the findings of each shard by kind, such as findings.lines.

    Returns:
        By the ref of the shard; names are made of everything that the findings depend on.

    Raises:
        ConfigError: a reference set has no file, or rows of the suppression list cannot be read.
    """
    context, asked = workspace.context(), _asked(workspace, as_of)
    repeated = repeating.finding_names(context, shards)
    planted = bursting.finding_names(context, shards, grouping.versions(context))
    return {
        shard.ref: {
            **({repeating.KIND: repeated[shard.ref]} if repeated else {}),
            **({bursting.KIND: planted[shard.ref]} if planted else {}),
            **comparing.finding_names(context, shard, asked),
        }
        for shard in shards
    }


def build(
    workspace: Workspace,
    engine: Engine,
    shards: Sequence[Shard],
    clusters: str | None,
    oldest: Callable[[], str | None],
    as_of: date,
    clock: Clock | None = None,
) -> None:
    """Build the findings of `names` that are missing; errors as there, and where a set cannot be read.

    Args:
        workspace: open.
        engine: running.
        shards: all of them.
        clusters: of `grouping.relate`.
        oldest: returns what says when repeated documents were captured first; called where bursts are looked for.
        as_of: the day on which rows of the suppression list are in force.
        clock: told how long each step took, and what was built again.
    """
    context = workspace.context()
    documents, text_bytes = sum(s.documents for s in shards), sum(s.text_bytes for s in shards)
    started = time.perf_counter()
    rebuilt = repeating.build(engine, context, shards)
    if clock:
        clock.time("lines", started, documents, text_bytes)
    started = time.perf_counter()
    if context.concern(bursting.SCREEN).rules:
        clustered = bursting.Clustered(clusters, oldest(), tuple(grouping.versions(context)))
        rebuilt += bursting.build(engine, context, shards, clustered)
        if clock:
            clock.time("bursts", started, documents, text_bytes)
    started = time.perf_counter()
    rebuilt += comparing.build(engine, context, shards, _asked(workspace, as_of))
    if clock:
        clock.time("references", started, documents, text_bytes)
        clock.rebuilt += rebuilt


def described(workspace: Workspace, as_of: date) -> dict[str, Any]:
    """Say for run.json what documents were compared with."""
    return dict(comparing.described(_asked(workspace, as_of)))


def _asked(workspace: Workspace, as_of: date) -> Asked:
    sets = references.sets(workspace.settings, workspace.root or Path.cwd())
    return Asked(sets, suppressed.with_bands(workspace.suppressions(as_of)))
