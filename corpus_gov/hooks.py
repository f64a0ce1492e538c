"""Whom to tell when a flow fails or an alarm sounds: `[hooks]` of corpus-gov.toml. Facts only, never content.

A command is given one JSON object on standard input, an address the same as a POST. What a hook does cannot change how
a run ends: one that fails is written to the log, and that is all.
"""

import http.client
import json
import logging
import subprocess
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from corpus_gov.errors import AlarmError
from corpus_gov.workspace import Workspace

TIMEOUT_S: Final = 30
"""For one hook that is told something."""

BEFORE_TIMEOUT_S: Final = 3600
"""For the command that is run before inputs are read, such as one that fetches snapshots of opt-outs."""

log = logging.getLogger(__name__)


def tell(
    workspace: Workspace, event: str, error: BaseException | None = None, alarms: Sequence[str] = (), **facts: Any
) -> list[str]:
    """Tell every hook of an event.

    Args:
        workspace: whose [hooks] are read.
        event: failure or alarm.
        error: what the run ended with; its class is told, and of an alarm its line, which has names and rates only.
        alarms: names of alarms that sound.
        facts: plain words and counts.

    Returns:
        What could not be told, one line for each hook that failed.
    """
    body = {
        "event": event,
        "workspace": workspace.settings.id,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "alarms": list(alarms),
        "error": type(error).__name__ if error else None,
        "message": str(error) if isinstance(error, AlarmError) else None,
        **facts,
    }
    data, settings, wrong = json.dumps(body, ensure_ascii=True).encode(), workspace.settings.hooks, []
    if settings.command:
        wrong += _run(workspace, settings.command, data, TIMEOUT_S)
    if settings.url:
        wrong += _post(settings.url, data)
    for line in wrong:
        log.warning(line)
    return wrong


def before(workspace: Workspace) -> list[str]:
    """Run the operator's command before inputs are read, in the workspace's folder; returns a line where it failed."""
    command = workspace.settings.hooks.before
    wrong = _run(workspace, command, b"", BEFORE_TIMEOUT_S) if command else []
    for line in wrong:
        log.warning(line)
    return wrong


def _run(workspace: Workspace, command: Sequence[str], data: bytes, seconds: float) -> list[str]:
    try:
        # What it prints is not ours to repeat: it may quote anything.
        done = subprocess.run(  # noqa: S603 - the operator's own command, no shell
            command, input=data, capture_output=True, timeout=seconds, check=False, cwd=workspace.root
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"hook {command[0]!r}: {type(error).__name__}, expected it to end within {seconds:.0f} s; look at it"]
    return [f"hook {command[0]!r}: exit code {done.returncode}, expected 0; run it by hand"] if done.returncode else []


def _post(url: str, data: bytes) -> list[str]:
    told = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 - config allows http(s) alone
    try:
        with urllib.request.urlopen(told, timeout=TIMEOUT_S):  # noqa: S310 - the same
            return []
    except (OSError, http.client.HTTPException) as error:
        # An address of a hook often has its secret inside: it is never shown.
        return [f"hook by url: {type(error).__name__}, expected an answer below 400; look at the receiver"]
