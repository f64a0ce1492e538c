"""One JSON object a line on standard error, for whoever collects logs: stages, counts and errors, never content.

Asked for by CORPUS_GOV_LOG=json. What a stage reports are numbers, what an error says is the line that its user sees.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, Any, Final

ENV: Final = "CORPUS_GOV_LOG"

EVERY_S: Final = 10.0
"""Seconds between two lines of one stage; its first and its last are always written."""


def wanted() -> bool:
    """Say whether lines of JSON are asked for."""
    return os.environ.get(ENV) == "json"


def event(name: str, out: IO[str] | None = None, **facts: Any) -> None:
    """Write one line: time (UTC), event, process, and what is known of it."""
    when = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": when, "event": name, "pid": os.getpid(), **facts}
    print(json.dumps(line, ensure_ascii=True, default=str), file=out or sys.stderr, flush=True)


@contextmanager
def progress(out: IO[str] | None = None) -> Iterator[Callable[[str, int, int, Any], None]]:
    """Write stages as they go on: tasks done and in all, documents, bytes of text, seconds."""
    started: dict[str, float] = {}
    said: dict[str, float] = {}
    totals: dict[str, list[int]] = {}

    def show(stage: str, done: int, total: int, result: Any) -> None:
        now = time.monotonic()
        started.setdefault(stage, now)
        sums = totals.setdefault(stage, [0, 0])
        sums[0] += getattr(result, "documents", 0)
        sums[1] += getattr(result, "text_bytes", 0)
        if stage in said and done < total and now - said[stage] < EVERY_S:
            return
        said[stage] = now
        event(
            "stage", out, stage=stage, done=done, total=total, documents=sums[0], text_bytes=sums[1],
            seconds=round(now - started[stage], 3),
        )  # fmt: skip

    yield show
