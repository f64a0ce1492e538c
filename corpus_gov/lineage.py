"""OpenLineage run events: which run read what and made what. To a file or an address, or to nobody.

Events are plain JSON of OpenLineage 2.0.2 (START, COMPLETE, FAIL, ABORT); its client is not needed for that, and brings
two HTTP clients with it. Datasets are named by the workspace's id, ids of sources and names of releases: no paths, no
addresses, nothing of a document. What cannot be sent is logged and never fails a run.
"""

import json
import logging
import os
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from corpus_gov.config import LineageSettings
from corpus_gov.workspace import Workspace

PRODUCER: Final = "urn:corpus-gov"
SCHEMA: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACETS: Final = "https://openlineage.io/spec/facets/1-0-0"

URL_ENV: Final = "OPENLINEAGE_URL"
FILE_ENV: Final = "CORPUS_GOV_LINEAGE_FILE"
TIMEOUT_S: Final = 10

log = logging.getLogger(__name__)


def sink(workspace: Workspace) -> LineageSettings:
    """Return where events go: what the environment says, or else `[lineage]` of corpus-gov.toml."""
    url, file = os.environ.get(URL_ENV), os.environ.get(FILE_ENV)
    return LineageSettings(url=url, file=file) if url or file else workspace.settings.lineage


@contextmanager
def of(workspace: Workspace, job: str, run: str | None = None, parent: tuple[str, str] | None = None) -> Iterator[None]:
    """Send START now, and COMPLETE, FAIL or ABORT (cancelled) at the end.

    Args:
        workspace: what it is about.
        job: ingest, screen or release, or the name of a flow, which is their parent.
        run: id of the run, a UUID; a new one by default.
        parent: job and run of the flow that it is part of.
    """
    where, run_id = sink(workspace), run or str(uuid.uuid4())
    if not (where.url or where.file):
        yield
        return
    send(workspace, where, event(workspace, "START", job, run_id, parent))
    kind = "ABORT"
    try:
        yield
        kind = "COMPLETE"
    except Exception:
        kind = "FAIL"
        raise
    finally:
        send(workspace, where, event(workspace, kind, job, run_id, parent))


def event(workspace: Workspace, kind: str, job: str, run: str, parent: tuple[str, str] | None = None) -> dict[str, Any]:
    """Make one event.

    Args:
        workspace: what it is about.
        kind: START, COMPLETE, FAIL or ABORT.
        job: its name.
        run: a UUID.
        parent: job and run of the flow that it is part of.
    """
    facets: dict[str, Any] = {
        "processing_engine": _facet("ProcessingEngine", name="corpus-gov", version=version("corpus-gov"))
    }
    if parent:
        above = {"job": _job(workspace, parent[0]), "run": {"runId": parent[1]}}
        facets["parent"] = _facet("ParentRun", **above)
    inputs, outputs = _datasets(workspace, job, made=kind == "COMPLETE")
    return {
        "eventType": kind,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": run, "facets": facets},
        "job": _job(workspace, job),
        "inputs": [_dataset(workspace, name) for name in inputs],
        "outputs": [_dataset(workspace, name) for name in outputs],
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
    except OSError as error:
        log.warning(
            "lineage: %s, expected to send %s of %s; look at the receiver",
            type(error).__name__,
            said["eventType"],
            said["job"]["name"],
        )


def _datasets(workspace: Workspace, job: str, *, made: bool) -> tuple[list[str], list[str]]:
    sources = [f"sources/{name}" for name in sorted(workspace.dossiers)]
    releases = workspace.releases()
    newest = [f"releases/{releases[-1]}"] if releases and made else []
    flow = {"govern": (sources, newest), "rescreen": (["documents"], newest)}
    own = {"ingest": (sources, ["documents"]), "screen": (["documents"], ["findings"])}
    parts = {"release": (["documents", "findings"], newest)}
    return {**flow, **own, **parts}.get(job, (["documents"], ["documents"]))


def _dataset(workspace: Workspace, name: str) -> dict[str, str]:
    return {"namespace": f"corpus-gov://{workspace.settings.id}", "name": name}


def _job(workspace: Workspace, name: str) -> dict[str, str]:
    return {"namespace": f"corpus-gov://{workspace.settings.id}", "name": name}


def _facet(kind: str, /, **said: Any) -> dict[str, Any]:
    place = f"{FACETS}/{kind}Facet.json#/$defs/{kind}Facet"
    return {"_producer": PRODUCER, "_schemaURL": place, **said}
