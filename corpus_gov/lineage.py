"""OpenLineage run events: which run read what and made what. To a file or an address, or to nobody.

Events are plain JSON of OpenLineage 2.0.2 (START, COMPLETE, FAIL, ABORT); its client is not needed for that, and brings
two HTTP clients with it. Datasets are named by the workspace's id, ids of sources and names of releases: no paths, no
addresses, nothing of a document. What cannot be sent is logged and never fails a run.
"""

import http.client
import json
import logging
import os
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from corpus_gov import published
from corpus_gov.config import LineageSettings
from corpus_gov.errors import AlarmError, GateError
from corpus_gov.workspace import Workspace

PRODUCER: Final = "urn:corpus-gov"
SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS: Final = {
    "ProcessingEngineRunFacet": "1-1-1",
    "ParentRunFacet": "1-2-0",
    "ErrorMessageRunFacet": "1-0-1",
    "DatasetVersionDatasetFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
}
"""Facets of the specification that events have, and the version of each."""

URL_ENV: Final = "OPENLINEAGE_URL"
FILE_ENV: Final = "CORPUS_GOV_LINEAGE_FILE"
TIMEOUT_S: Final = 10

log = logging.getLogger(__name__)


def sink(workspace: Workspace) -> LineageSettings:
    """Return where events go: what the environment says, or else `[lineage]` of corpus-gov.toml."""
    url, file = os.environ.get(URL_ENV), os.environ.get(FILE_ENV)
    return LineageSettings(url=url, file=file) if url or file else workspace.settings.lineage


@contextmanager
def of(
    workspace: Workspace, job: str, run: str | None = None, parent: tuple[str, str] | None = None
) -> Iterator[tuple[str, str]]:
    """Send START now, and COMPLETE, FAIL or ABORT (cancelled) at the end.

    Args:
        workspace: what it is about.
        job: ingest, screen or release, or the name of a command or flow, which is their parent.
        run: id of the run, a UUID; a new one by default.
        parent: job and run of what it is part of.

    Yields:
        Job and run: the parent of what is done inside.
    """
    where, made = sink(workspace), (job, run or str(uuid.uuid4()))
    if not (where.url or where.file):
        yield made
        return
    before = workspace.releases()
    send(workspace, where, event(workspace, "START", *made, parent))
    kind, error = "ABORT", None
    try:
        yield made
        kind = "COMPLETE"
    except Exception as raised:
        kind, error = "FAIL", raised
        raise
    finally:
        new = [name for name in workspace.releases() if name not in before] if kind == "COMPLETE" else []
        send(workspace, where, event(workspace, kind, *made, parent, new, error))


def event(
    workspace: Workspace,
    kind: str,
    job: str,
    run: str,
    parent: tuple[str, str] | None = None,
    new: Sequence[str] = (),
    error: Exception | None = None,
) -> dict[str, Any]:
    """Make one event.

    Args:
        workspace: what it is about.
        kind: START, COMPLETE, FAIL or ABORT.
        job: its name.
        run: a UUID.
        parent: job and run of what it is part of.
        new: releases that it published.
        error: what it failed with; its class is told, and of a gate or an alarm its line, which has counts only.
    """
    facets = {"processing_engine": _facet("ProcessingEngineRunFacet", name="corpus-gov", version=version("corpus-gov"))}
    if parent:
        above = {"job": _named(workspace, parent[0]), "run": {"runId": parent[1]}}
        facets["parent"] = _facet("ParentRunFacet", **above)
    if error:
        said = f"{type(error).__name__}: {error}" if isinstance(error, AlarmError | GateError) else type(error).__name__
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", message=said, programmingLanguage="PYTHON")
    inputs, outputs = _datasets(workspace, job)
    return {
        "eventType": kind,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run, "facets": facets},
        "job": _named(workspace, job),
        "inputs": [_named(workspace, name) for name in inputs],
        "outputs": [_named(workspace, name) for name in outputs] + [_release(workspace, name) for name in new],
    }


def send(workspace: Workspace, where: LineageSettings, said: dict[str, Any]) -> None:
    """Append an event to the file, one a line, or post it to the address; what fails is logged."""
    data = json.dumps(said, ensure_ascii=True).encode()
    try:
        if where.file:
            with ((workspace.root or Path.cwd()) / where.file).open("ab") as out:
                out.write(data + b"\n")
        if where.url:
            address = f"{where.url.rstrip('/')}/api/v1/lineage"
            told = urllib.request.Request(address, data, {"Content-Type": "application/json"})  # noqa: S310 - config allows http(s) alone
            with urllib.request.urlopen(told, timeout=TIMEOUT_S):  # noqa: S310 - the same
                pass
    except (OSError, http.client.HTTPException) as error:
        log.warning(
            "lineage: %s, expected to send %s of %s; look at the receiver",
            type(error).__name__,
            said["eventType"],
            said["job"]["name"],
        )


def _datasets(workspace: Workspace, job: str) -> tuple[list[str], list[str]]:
    """Name what a job reads and makes, but for releases, which are named when they are there."""
    sources = [f"sources/{name}" for name in sorted(workspace.dossiers)]
    reads = {
        "ingest": (sources, ["documents"]),
        "screen": (["documents"], ["findings"]),
        "release": (["documents", "findings"], []),
        "run": (sources, []),
        "govern": (sources, []),
        "rescreen": (["documents"], []),
    }
    return reads.get(job, (["documents"], ["documents"]))


def _release(workspace: Workspace, name: str) -> dict[str, Any]:
    """Describe a release: its version is the digest of its statement, as the ledger has it."""
    statement = published.committed(workspace.ledger())[name].subject[published.place(name, published.STATEMENT)]
    rows = workspace.release(name).run["counts"]["documents"]
    return {
        **_named(workspace, f"releases/{name}"),
        "facets": {"version": _facet("DatasetVersionDatasetFacet", datasetVersion=statement)},
        "outputFacets": {"outputStatistics": _facet("OutputStatisticsOutputDatasetFacet", rowCount=rows)},
    }


def _named(workspace: Workspace, name: str) -> dict[str, Any]:
    return {"namespace": f"corpus-gov://{workspace.settings.id}", "name": name}


def _facet(kind: str, /, **said: Any) -> dict[str, Any]:
    place = f"https://openlineage.io/spec/facets/{FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": place, **said}
