"""A run's summary as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from corpus_gov.pipeline import Outcome
from corpus_gov.terminal import ITEMS, item_row


def headline(outcome: Outcome) -> str:
    """Say in a few words what a run came to."""
    return f"published {outcome.release}" if outcome.published else f"unchanged, {outcome.release} stands"


def markdown(
    outcome: Outcome, checks: Sequence[Any] = (), recovered: Sequence[str] = (), pages: Sequence[str] = ()
) -> str:
    """Summarise a run.

    Args:
        outcome: of the run; captures, decisions, reasons and sources are those of its release, stages its own.
        checks: the expectations that were checked.
        recovered: what start-up finished or discarded of an interrupted run.
        pages: files of the release's report.
    """
    counts = outcome.run["counts"]
    parts = [
        f"# {headline(outcome).capitalize()}",
        f"As of {outcome.run['as_of']}, policy {outcome.run['policy']['name']} "
        f"version {outcome.run['policy']['version']}" + (", **provisional**" if outcome.run["provisional"] else ""),
        f"{counts['records']} records gave {counts['documents']} documents.",
        _table(("captures", "count"), counts["captures"].items()),
        _table(("decision", "documents"), counts["dispositions"].items()),
        _table(("reason", "documents"), sorted(counts["reasons"].items(), key=lambda item: (-item[1], item[0]))[:10]),
        _table(("source", "decisions", "removed"), _sources(counts)),
        _table(ITEMS, (item_row(source, n) for source, n in counts.get("items", {}).items())),
        _table(("expectation", "held"), ((check.expectation, "yes" if check.ok else "**no**") for check in checks)),
        _table(("stage", "seconds"), ((name, f"{facts['seconds']:.2f}") for name, facts in outcome.stages.items())),
        *(f"Report: `{page}`" for page in pages),
        *(f"Recovered: {line}." for line in recovered),
        *(f"Rebuilt: `{name}` was damaged and was built again." for name in outcome.rebuilt),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _sources(counts: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for source, dispositions in counts["by_source"].items():
        decisions = ", ".join(f"{n} {name}" for name, n in dispositions.items())
        yield source, decisions, f"{counts['removal_rate'][source] / 100:.1f} %"


def _table(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}", *lines])


def _cell(value: Any) -> str:
    # Names of sources and reasons are ours, yet a bar would still break the table.
    return str(value).replace("|", "\\|")
