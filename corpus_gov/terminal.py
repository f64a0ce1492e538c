"""Facts in, lines and tables out: what the commands show. Rich is imported once something is drawn."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from corpus_gov.pipeline import Outcome
    from corpus_gov.replay import Replayed
    from corpus_gov.verification import Report

NAMES: Final = ("keep", "redact", "quarantine", "drop")
"""schemas.DISPOSITIONS, repeated here because that module imports Arrow and help must not."""

ITEMS: Final = ("source, personal data", "items of 50", "items of 500", "items of 5,000", "sum (advice: below 1)")
"""Headings of `item_row`."""

STAGES: Final = ("ingest", "screen", "relate", "decide", "publish")

_OBEYED: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but line feed and tab, and those that turn the direction of a line."""

SHOWN: Final = 10
LABELLED_FILES: Final = "files that were not read as text have a label of AI-generated content"
"""Reasons and rebuilt artefacts that a summary names; --json has all of them."""


def plain(text: str) -> str:
    """Write out what a terminal would obey or turn around; addresses, names and proofs come from outside.

    Line feeds and tabs stay.
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(text: str) -> None:
    """Print a line on standard output."""
    typer.echo(plain(text))


def print_json(facts: Any) -> None:
    """Print one JSON object for machines."""
    # JSON reads what is written out as what it was.
    typer.echo(plain(json.dumps(facts, ensure_ascii=False, indent=1, default=str)))


def table(headings: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a table; a column of whole numbers only is set to the right."""
    from rich import box  # noqa: PLC0415 - help must not wait for it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    cells = [tuple(row) for row in rows]
    for index, heading in enumerate(headings):
        number = bool(cells) and all(isinstance(row[index], int) for row in cells)
        drawn.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in cells:
        # Text, not markup: cells may hold names that came from outside.
        drawn.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else plain(str(cell))) for cell in row))
    Console().print(drawn)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Callable[[str, int, int, Any], None]]:
    """Show a bar a stage with documents/s, MB/s and time left; on standard error, so that output can be piped."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415

    from corpus_gov.kernels import compiling  # noqa: PLC0415

    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description:<8}"), BarColumn(), TextColumn("{task.completed:>5}/{task.total}"),
        TextColumn("{task.fields[rate]:>30}"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    totals: dict[str, list[float]] = {}
    if compiling.cold():
        console.print("First run of this version on this machine: compiling for its processor takes about a minute.")
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int, result: Any) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, rate="")
                totals[stage] = [0, 0]
            totals[stage][0] += getattr(result, "documents", 0)
            totals[stage][1] += getattr(result, "text_bytes", 0)
            seconds = max(1e-3, bars.tasks[tasks[stage]].elapsed or 0)
            documents, text_bytes = totals[stage]
            rate = f"{documents / seconds:,.0f} documents/s {text_bytes / seconds / 1e6:,.1f} MB/s" if documents else ""
            bars.update(tasks[stage], completed=done, total=total, rate=rate)

        yield show


def outcome_facts(outcome: "Outcome") -> dict[str, Any]:
    """Return what --json prints of a run: `run` is run.json of the release, the rest is of this run."""
    return {
        "release": outcome.release,
        "published": outcome.published,
        "recovered": outcome.recovered,
        "rebuilt": outcome.rebuilt,
        "stages": outcome.stages,
        "run": outcome.run,
    }


def item_row(source: str, counted: Mapping[str, int]) -> tuple[str, int, int, int, str]:
    """Return what a source holds of personal data, by the numbers of Fa Shi [2017] No. 10, article 5, and the sum."""
    return source, counted["50"], counted["500"], counted["5000"], f"{counted['sum'] / 10_000:.2f}"


def summary(folder: str, outcome: "Outcome") -> None:
    """Print a run: captures, decisions, reasons, sources, and the time of its stages."""
    run = outcome.run
    counts = run["counts"]
    for line in outcome.recovered:
        say(f"recovered: {line}")
    for name in outcome.rebuilt[:SHOWN]:
        say(f"rebuilt: {name} was damaged and was built again")
    if len(outcome.rebuilt) > SHOWN:
        say(f"rebuilt: {len(outcome.rebuilt) - SHOWN} more; --json names them")
    state = "published" if outcome.published else "is up to date, nothing has changed since"
    provisional = " (provisional: rights were not settled)" if run["provisional"] else ""
    say(f"\nRelease {outcome.release} {state}{provisional}: {folder}/releases/{outcome.release}")
    say(f"{counts['records']} records -> {counts['documents']} documents, policy {run['policy']['name']}\n")
    table(("captures", "count"), counts["captures"].items())
    if counts.get("labelled_files"):
        say(f"{counts['labelled_files']} {LABELLED_FILES}.")
    table(("decision", "documents"), zip(NAMES, _by_name(counts["dispositions"]), strict=True))
    reasons = sorted(counts["reasons"].items(), key=lambda item: (-item[1], item[0]))
    table(("top reasons", "documents"), reasons[:SHOWN])
    sources = [
        (source, *_by_name(n), f"{counts['removal_rate'][source] / 100:.1f} %")
        for source, n in counts["by_source"].items()
    ]
    table(("source", *NAMES, "removed"), sources)
    # A release that stands from before these were counted has none.
    _items(counts.get("items", {}))
    stages = outcome.stages
    order = [(name, stages[name]) for stage in STAGES for name in sorted(stages) if name.startswith(stage)]
    table(("stage", "seconds", "MB/s"), [_stage_row(*item) for item in order])


def status(facts: Mapping[str, Any]) -> None:
    """Print sources, captures and releases of a workspace."""
    say(f"{facts['name']} ({facts['workspace']}), policy {facts['policy']}, {facts['shards']} shards")
    table(("source", "dossier"), sorted(facts["sources"].items()))
    table(("outcome", "captures"), sorted(facts["captures"].items()))
    if facts["labelled_files"]:
        say(f"{facts['labelled_files']} {LABELLED_FILES}.")
    if facts["superseded"]:
        say(f"{facts['superseded']} of the rejected captures are superseded: a later file of the same name was read.")
    for source, number in facts["waiting"].items():
        say(f"{source}: {number} files are not complete yet and were not taken.")
    rows = [
        (r["release"], r["when"], r["documents"], *_by_name(r["dispositions"]), "yes" if r["provisional"] else "")
        for r in facts["releases"]
    ]
    table(("release", "when", "documents", *NAMES, "provisional"), rows)
    _items(facts["items"])
    for what in ("changed", "overruled"):
        for one in facts["overrides"].get(what, ()):
            say(f"override {one['override_id']} is {what}: asked {one['asked']}, the rules say {one['now']} now")
    for state, number in facts["requests"].items():
        if state in {"overdue", "due", "open"}:
            say(f"{number} requests to erase are {state}; `erase list` shows them.")
    table(("flow", "last", "ended", "next", "missed"), [(name, *_by_flow(one)) for name, one in facts["flows"].items()])
    _late(facts)
    if "disk" in facts:
        table(("files", "bytes"), facts["disk"].items())


def _by_flow(one: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(one[name] or "" for name in ("last", "state", "next", "missed"))


def _late(facts: Mapping[str, Any]) -> None:
    """Say what has to be done: bytes that are due to go, and what should have been done by now."""
    for name, one in facts["retention"].items():
        if one["due"]:
            say(f"DUE: the bytes of {one['due']} documents, by retention {name}; `retain` takes them away.")
    for one in facts["overdue"]:
        say(f"OVERDUE: {one['text']}")


def _items(items: Mapping[str, Mapping[str, int]]) -> None:
    if items:
        table(ITEMS, [item_row(source, counted) for source, counted in items.items()])


def changes(old: str, new: str, number: int, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Print the first documents that differ between two releases, and how many there are."""
    say(f"{number} documents differ between {old} and {new}.")
    table(names, [[_cell(row[name]) for name in names] for row in rows])
    if number > len(rows):
        say(f"{number - len(rows)} more; --limit, --json or --out shows them.")


def replayed(found: "Replayed") -> None:
    """Print what deciding a release again came to; differences never come this far."""
    say(f"ok    replay: {found.same} of {found.asked} documents, rows, clean texts and edits, come out the same")
    if found.erased:
        say(f"note  {found.erased} were erased, nobody can decide them again")
    if found.unsettled:
        say(f"note  {found.unsettled} are copies of documents, some of which were erased; they come out otherwise now")
    if found.rebuilt:
        say(f"note  {found.rebuilt} artefacts were not there any more, and were built again from the documents")
    for note in found.notes:
        say(f"note  {note}")


def similar(release: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the documents nearest to another."""
    if not rows:
        say(f"{release}: no document has a shingle in common with it.")
        return
    say(f"{'document':32}  similarity  of it here  of this in it  decision    uri")
    for one in rows:
        similarity, contained, contains = (one[name] / 10_000 for name in ("similarity", "contained", "contains"))
        shares = f"{similarity:10.4f}  {contained:10.4f}  {contains:13.4f}"
        say(f"{one['doc_id']}  {shares}  {one['disposition']:10}  {one['uri'] or ''}".rstrip())


def found(facts: Mapping[str, Any]) -> None:
    """Print what a look-up found, by which method, and what each method cannot find."""
    for answer in facts["releases"]:
        say(f"{answer['release']}: {len(answer['documents'])} documents")
        if rows := [_holder(one) for one in answer["documents"]]:
            table(("document", "source", "decision", "found by", "in", "in the released text"), rows)
        if answer["sealed_with_another_key"]:
            say(f"{answer['sealed_with_another_key']} findings are sealed with another key and were not compared.")
        if answer["screens_failed"]:
            say(f"{answer['screens_failed']} times a screen failed on a document: it may hold the value unseen.")
    for method, how in facts["methods"].items():
        for limit in how["limits"]:
            say(f"by {method}: {limit}.")
    if "scan" not in facts["methods"]:
        say("The texts were not read; --scan does.")
    for one in facts["unread"]:
        say(f"NOT LOOKED AT: {one['file']}: {one['reason']}")


def _holder(one: Mapping[str, Any]) -> tuple[str, ...]:
    columns = dict.fromkeys(f"{p['column']}{'' if p.get('whole', True) else ' (part)'}" for p in one["places"])
    released = {True: "yes", False: "no", None: "-"}[one["released"]]
    return (
        one["doc_id"],
        one["source_id"] or "-",
        one["disposition"] or "-",
        ", ".join(one["by"]),
        ", ".join(columns),
        released,
    )


def verified(report: "Report") -> None:
    """Print each check of a release, and what had to be taken on trust."""
    for check, ok, detail in report.checks:
        say(f"{'ok  ' if ok else 'FAIL'}  {check}: {detail}")
    for note in report.trusted:
        say(f"note  {note}")
    looked = sum(report.counts.values()) + report.erased
    if looked < report.size:
        return say(f"{looked} of the {report.size} rows of {report.release} hold; the others were not looked at.")
    for left in report.unfinished:
        say(f"note  {left}: the next command that writes finishes it")
    if report.erased:
        return say(f"{report.release} is complete: {report.size} rows, {report.erased} of them erased.")
    return say(f"{report.release} is whole: {report.size} rows.")


def where_next(folder: str, release: str, doc_id: str) -> None:
    """Print what to look at after a demo."""
    say("\nWhere to look next:")
    say(f"  {folder}/releases/{release}/clean/      the cleaned corpus, Parquet")
    say(f"  {folder}/releases/{release}/manifest/   one row for every document that came in")
    say(f"  corpus-gov explain {folder} {doc_id}")
    say(f"  corpus-gov verify {folder}")
    say("  notebooks/01_first_look.ipynb   the same in a notebook")


def _by_name(counts: Mapping[str, int]) -> list[int]:
    return [counts.get(name, 0) for name in NAMES]


def _stage_row(stage: str, facts: Mapping[str, float]) -> tuple[str, str, str]:
    rate = facts["text_bytes"] / max(facts["seconds"], 1e-3) / 1e6
    return stage, f"{facts['seconds']:.2f}", f"{rate:,.1f}" if facts["text_bytes"] else ""


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
