"""What should have been done by now: lists of words that nobody went through, a corpus that nobody screened again."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final

from corpus_gov.errors import AlarmError, ConfigError
from corpus_gov.workspace import Workspace

WORDS: Final = "keywords_overdue"
SCREENING: Final = "rescreening_overdue"
NAMES: Final = (WORDS, SCREENING)

_SCREEN: Final = "keywords"


def found(workspace: Workspace, today: date) -> list[dict[str, Any]]:
    """List what is overdue on a day.

    Returns:
        alarm (one of NAMES, of a pack followed by a colon and its name), days (None: nobody said when), limit and text,
        ascending by alarm.
    """
    limits, rows = workspace.settings.rescreen, []
    for pack in workspace.context().rule_packs():
        if any(rule.screen == _SCREEN for rule in pack.rules):
            days = (today - date.fromisoformat(pack.updated)).days if pack.updated else None
            if days is None or days > limits.words_days:
                when = "no day on which it was gone through" if days is None else f"last gone through {days} days ago"
                text = f"words of {pack.name}: {when}, at most {limits.words_days} asked for; update `updated`"
                rows.append({"alarm": f"{WORDS}:{pack.name}", "days": days, "limit": limits.words_days, "text": text})
    releases = workspace.releases()
    if releases:
        days = (today - datetime.fromisoformat(workspace.release(releases[-1]).run["when"]).date()).days
        if days > limits.days:
            text = f"screening again: {releases[-1]} is {days} days old, at most {limits.days} asked for; run rescreen"
            rows.append({"alarm": SCREENING, "days": days, "limit": limits.days, "text": text})
    return sorted(rows, key=lambda row: row["alarm"])


def about(name: str) -> bool:
    """Say whether a name given to --accept is of an alarm of this module; the others are of a release."""
    return name.partition(":")[0] in NAMES


def left(rows: Sequence[dict[str, Any]], accepted: Sequence[str]) -> list[dict[str, Any]]:
    """Leave out of the rows of `found` what was accepted: by the name of an alarm, of all packs or of one."""
    return [row for row in rows if not {row["alarm"], row["alarm"].partition(":")[0]} & {*accepted}]


def check(rows: Sequence[dict[str, Any]], accepted: Sequence[str]) -> None:
    """Sound the alarms of `found`; a release is not stopped by them, since it is what mends the second.

    Args:
        rows: of `found`.
        accepted: as for `left`.

    Raises:
        ConfigError: a name is of no alarm.
        AlarmError: one that nobody accepted.
    """
    if unknown := [name for name in accepted if not about(name)]:
        raise ConfigError(f"--accept: found {unknown[0]!r}, expected one of {', '.join(NAMES)}; give such a name")
    if rows := left(rows, accepted):
        said = "; ".join(row["text"] for row in rows)
        names = " ".join(f"--accept {row['alarm']}" for row in rows)
        raise AlarmError(f"overdue: {said}; do it, or run {names}")
