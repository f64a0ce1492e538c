"""Commands: arguments in, tables out. What they do is in `workspace` and `pipeline`; this only renders it.

Exit codes: 0 done, 1 a bug, 2 configuration, rules, policy or arguments, 3 an input, 4 the store or another
writer, 5 integrity, 6 an expectation of the gate.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from corpus_gov import errors

if TYPE_CHECKING:
    from pydantic import ValidationError

    from corpus_gov.workspace import Workspace

EXIT: Final[dict[type[errors.CorpusGovError], int]] = {
    errors.ConfigError: 2,
    errors.RuleError: 2,
    errors.PolicyError: 2,
    errors.SourceError: 3,
    errors.StoreError: 4,
    errors.IntegrityError: 5,
    errors.GateError: 6,
    errors.SchemaError: 1,
    errors.CorpusGovError: 1,
}

NAMES: Final = ("keep", "redact", "quarantine", "drop")
"""schemas.DISPOSITIONS, repeated here because that module imports Arrow and help must not."""

STAGES: Final = ("ingest", "screen", "relate", "decide", "publish")

app = typer.Typer(
    name="corpus-gov",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Govern a training corpus: ingest, screen, decide, release, verify.",
    epilog="Exit codes: 0 done, 1 a bug, 2 configuration or arguments, 3 an input, 4 store or lease, 5 integrity, "
    "6 a gate's expectation.",
)

Folder = Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Folder of the workspace.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Workers = Annotated[int | None, typer.Option(help="Processes; by default one a core.")]
Memory = Annotated[str | None, typer.Option(help='Limit of each worker, such as "4GB"; one over it ends the run.')]
Scheduler = Annotated[str | None, typer.Option(help="Address of a running Dask scheduler, such as tcp://host:8786.")]
PolicyName = Annotated[str | None, typer.Option("--policy", help="Policy to use instead of the workspace's own.")]
Rules = Annotated[Path | None, typer.Option("--rules", help="Folder of rule packs and policies to use instead.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Date that expiries are compared with (today).")]


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    try:
        app()
    except errors.CorpusGovError as error:
        _end(error)
    except ValueError as error:
        from pydantic import ValidationError  # noqa: PLC0415 - heavy

        if not isinstance(error, ValidationError):
            raise
        _end(_as_argument(error))


def _end(error: errors.CorpusGovError) -> NoReturn:
    """Print one line and leave with the exit code of the error's nearest class that has one."""
    kind = next(kind for kind in type(error).__mro__ if kind in EXIT)
    typer.echo(f"{kind.__name__}: {error}", err=True)
    sys.exit(EXIT[kind])


def _as_argument(error: "ValidationError") -> errors.ConfigError:
    """Say in one line what is wrong with a value that came from the command line and not from a file."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "argument"
    problem = first["msg"].removeprefix("String should have ")
    return errors.ConfigError(f"{where}: found {first['input']!r:.80}, expected {problem}; give another")


@app.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="What people call the corpus.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it: an organisation or a role.")] = "unnamed owner",
    policy: Annotated[str, typer.Option(help="trial, default, strict, or the path of a policy.")] = "default",
    as_json: Json = False,
) -> None:
    """Make a workspace and its keys."""
    from corpus_gov import workspace  # noqa: PLC0415 - heavy imports wait until a command needs them

    made = workspace.init(folder, name=name or folder.resolve().name or "corpus", owner=owner, policy=policy)
    facts = {"workspace": str(folder), "id": made.settings.id, "keys": str(made.keys_folder), "policy": policy}
    if as_json:
        return _print_json(facts)
    _say(f"Workspace {folder} is ready. Its keys lie in {made.keys_folder}; back them up apart from it.")
    return _say(f"Next: write {folder}/sources/<source_id>.yaml, then corpus-gov run {folder}")


@app.command()
def ingest(
    folder: Folder,
    workers: Workers = None,
    memory: Memory = None,
    scheduler: Scheduler = None,
    rules: Rules = None,
    as_json: Json = False,
) -> None:
    """Read new inputs of every source into captures, snapshots and documents."""
    from corpus_gov import intake  # noqa: PLC0415

    workspace = _open(folder, rules=rules)
    with _engine(workspace, workers, memory, scheduler, quiet=as_json) as engine:
        shards = intake.ingest(workspace, engine)
    counts = _captured(workspace)
    if as_json:
        return _print_json({"new_shards": shards, "captures": counts})
    _say(f"{shards} new shards. Captures by outcome, all batches:")
    return _table(("outcome", "captures"), sorted(counts.items()))


@app.command()
def run(
    folder: Folder,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="Files for a first try without configuration; may be repeated.")
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="Source id for --input.")] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    policy: PolicyName = None,
    rules: Rules = None,
    as_of: AsOf = None,
    workers: Workers = None,
    memory: Memory = None,
    scheduler: Scheduler = None,
    force: Annotated[bool, typer.Option("--force", help="Publish even when nothing has changed.")] = False,
    as_json: Json = False,
) -> None:
    """Build what is missing and publish a release.

    With --input FILE [FILE…] --source ID the workspace is made where needed and judged by the trial policy.
    """
    from corpus_gov import pipeline  # noqa: PLC0415

    files = list(inputs or [])
    if more and not files:
        raise errors.ConfigError(f"run: found {more!r} after the workspace, expected --input before files")
    if files:
        # `--input a b c WORKSPACE`: a shell's wildcard leaves the workspace as the last word.
        words = [*files, str(folder), *(more or [])]
        files, folder = words[:-1], Path(words[-1])
        if not source:
            raise errors.ConfigError("run: --input needs --source ID, a name for where the files come from")
        _check_source(source)
        workspace = pipeline.trial(folder, files, source)
        if policy or rules:
            workspace = _open(folder, policy or "trial", rules)
    else:
        workspace = _open(folder, policy, rules)
    with _engine(workspace, workers, memory, scheduler, quiet=as_json) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=_date(as_of), force=force)
    if as_json:
        return _print_json({"release": outcome.release, "published": outcome.published, "run": outcome.run})
    return _summary(folder, outcome)


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show sources, batches, releases and what an interrupted run left."""
    workspace = _open(folder)
    releases = [(name, workspace.release(name).run) for name in workspace.releases()]
    today = date.today()  # noqa: DTZ011 - a dossier's last day is a local calendar day
    facts: dict[str, Any] = {
        "workspace": str(folder),
        "name": workspace.settings.name,
        "policy": workspace.settings.policy,
        "sources": {source: dossier.status(today) for source, dossier in workspace.dossiers.items()},
        "captures": _captured(workspace),
        "shards": len(workspace.shards()),
        "releases": [
            {"release": name, "when": run["when"], "documents": run["counts"]["documents"],
             "dispositions": run["counts"]["dispositions"], "provisional": run["provisional"]}
            for name, run in releases
        ],
    }  # fmt: skip
    if as_json:
        return _print_json(facts)
    _say(f"{facts['name']} ({folder}), policy {facts['policy']}, {facts['shards']} shards")
    _table(("source", "dossier"), sorted(facts["sources"].items()))
    _table(("outcome", "captures"), sorted(facts["captures"].items()))
    rows = [
        (r["release"], r["when"], r["documents"], *_by_name(r["dispositions"]), "yes" if r["provisional"] else "")
        for r in facts["releases"]
    ]
    return _table(("release", "when", "documents", *NAMES, "provisional"), rows)


@app.command()
def explain(
    folder: Folder,
    doc_id: Annotated[str, typer.Argument(metavar="DOC_ID", help="32 hex digits, or the first of them.")],
    release: Annotated[str | None, typer.Option(help="Release to look in; the newest by default.")] = None,
    as_json: Json = False,
) -> None:
    """Show why a document was kept, redacted, held or dropped, back to its bytes in the input."""
    facts = _open(folder).release(release).explain(doc_id)
    if as_json:
        return _print_json(facts)
    from corpus_gov.explain import lines  # noqa: PLC0415

    return _say("\n".join(lines(facts)))


@app.command()
def diff(
    folder: Folder,
    old: Annotated[str, typer.Argument(metavar="R1", help="Earlier release.")],
    new: Annotated[str, typer.Argument(metavar="R2", help="Later release.")],
    limit: Annotated[int, typer.Option(help="Rows to show.")] = 50,
    as_json: Json = False,
) -> None:
    """Show which documents came, went or were decided differently between two releases."""
    from corpus_gov import manifest  # noqa: PLC0415

    workspace = _open(folder)
    changes = manifest.diff(workspace.release(old).table("manifest"), workspace.release(new).table("manifest"))
    rows = changes.to_pylist()
    if as_json:
        return _print_json({"old": old, "new": new, "changes": rows})
    _say(f"{len(rows)} documents differ between {old} and {new}.")
    names = changes.column_names
    _table(names, [[_cell(row[name]) for name in names] for row in rows[:limit]])
    if len(rows) > limit:
        _say(f"{len(rows) - limit} more; --limit or --json shows them.")
    return None


@app.command()
def verify(
    folder: Folder,
    release: Annotated[str | None, typer.Option(help="Release to verify; the newest by default.")] = None,
    known: Annotated[
        list[Path] | None, typer.Option("--known", help="Checkpoint kept elsewhere; excludes rollback and fork.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Public key, or a file that holds it.")] = None,
    as_json: Json = False,
) -> None:
    """Check a release offline: signatures, digests, leaves, counts. Exit code 5 where something does not hold."""
    from corpus_gov import release as releases  # noqa: PLC0415
    from corpus_gov.store import open_store  # noqa: PLC0415

    vkey = Path(key).read_text(encoding="utf-8").strip() if key and Path(key).is_file() else key
    checkpoints = [_read(path) for path in known or []]
    report = releases.verify(open_store(str(folder)), release, vkey, checkpoints)
    if as_json:
        return _print_json(_plain(report))
    for check, ok, detail in report.checks:
        _say(f"{'ok  ' if ok else 'FAIL'}  {check}: {detail}")
    for note in report.trusted:
        _say(f"note  {note}")
    return _say(f"{report.release} is whole: {report.size} rows.")


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to make it.")] = Path("demo"),
    # One by default: the first run on a machine compiles the kernels, and each worker would.
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Make a small scraped corpus, run the whole way over it, and say where to look."""
    from corpus_gov import demo as demonstration  # noqa: PLC0415
    from corpus_gov import pipeline  # noqa: PLC0415

    workspace = demonstration.prepare(folder)
    with _engine(workspace, workers, None, None, quiet=as_json) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=demonstration.AS_OF)
    if as_json:
        return _print_json({"release": outcome.release, "published": outcome.published, "run": outcome.run})
    _summary(folder, outcome)
    doc_id = demonstration.an_interesting_document(workspace.release(outcome.release))
    _say("\nWhere to look next:")
    _say(f"  {folder}/releases/{outcome.release}/clean/      the cleaned corpus, Parquet")
    _say(f"  {folder}/releases/{outcome.release}/manifest/   one row for every document that came in")
    _say(f"  corpus-gov explain {folder} {doc_id}")
    _say(f"  corpus-gov verify {folder}")
    return _say("  notebooks/01_first_look.ipynb   the same in a notebook")


# --- rendering ------------------------------------------------------------------------------------


def _open(folder: Path, policy: str | None = None, rules: Path | None = None) -> "Workspace":
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    return open_workspace(folder, policy=policy, rules_folder=rules)


def _check_source(text: str) -> None:
    """Refuse a name that no dossier can have, before anything is made for it."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from corpus_gov.config import SourceId  # noqa: PLC0415

    try:
        TypeAdapter(SourceId).validate_python(text)
    except ValidationError as error:
        raise errors.ConfigError(
            f"--source: found {text!r}, expected 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first; "
            "give such a name"
        ) from error


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise errors.ConfigError(f"--as-of {text!r}: expected a date such as 2026-11-22") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise errors.ConfigError(f"--known {str(path)!r}: {error.strerror}; expected a checkpoint file") from error


@contextmanager
def _engine(
    workspace: "Workspace", workers: int | None, memory: str | None, scheduler: str | None, *, quiet: bool
) -> Iterator[Any]:
    from corpus_gov.engine import Engine  # noqa: PLC0415

    settings = workspace.settings.engine
    if scheduler is None:
        workers, memory = workers or settings.workers, memory or settings.memory
    with (
        _progress(quiet=quiet) as progress,
        Engine(workers=workers, memory=memory, scheduler=scheduler, progress=progress) as engine,
    ):
        yield engine


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int, Any], None]]:
    """Show a bar a stage with documents/s, MB/s and time left; on standard error, so that output can be piped."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description:<8}"), BarColumn(), TextColumn("{task.completed:>5}/{task.total}"),
        TextColumn("{task.fields[rate]:>30}"), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    totals: dict[str, list[float]] = {}
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def progress(stage: str, done: int, total: int, result: Any) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, rate="")
                totals[stage] = [0, 0]
            totals[stage][0] += getattr(result, "documents", 0)
            totals[stage][1] += getattr(result, "text_bytes", 0)
            seconds = max(1e-3, bars.tasks[tasks[stage]].elapsed or 0)
            documents, text_bytes = totals[stage]
            rate = f"{documents / seconds:,.0f} documents/s {text_bytes / seconds / 1e6:,.1f} MB/s" if documents else ""
            bars.update(tasks[stage], completed=done, total=total, rate=rate)

        yield progress


def _summary(folder: Path, outcome: Any) -> None:
    """Print the final table: captures, dispositions, reasons, sources, time."""
    run = outcome.run
    counts = run["counts"]
    for line in outcome.recovered:
        _say(f"recovered: {line}")
    state = "published" if outcome.published else "is up to date, nothing has changed since"
    provisional = " (provisional: rights were not settled)" if run["provisional"] else ""
    _say(f"\nRelease {outcome.release} {state}{provisional}: {folder}/releases/{outcome.release}")
    _say(f"{counts['records']} records -> {counts['documents']} documents, policy {run['policy']['name']}\n")
    _table(("captures", "count"), counts["captures"].items())
    _table(("decision", "documents"), zip(NAMES, _by_name(counts["dispositions"]), strict=True))
    reasons = sorted(counts["reasons"].items(), key=lambda item: (-item[1], item[0]))
    _table(("top reasons", "documents"), reasons[:10])
    sources = [
        (source, *_by_name(n), f"{counts['removal_rate'][source] / 100:.1f} %")
        for source, n in counts["by_source"].items()
    ]
    _table(("source", *NAMES, "removed"), sources)
    stages = [
        (name, run["stages"][name]) for stage in STAGES for name in sorted(run["stages"]) if name.startswith(stage)
    ]
    _table(("stage", "seconds", "MB/s"), [_stage_row(*item) for item in stages])


def _by_name(counts: Mapping[str, int]) -> list[int]:
    return [counts.get(name, 0) for name in NAMES]


def _stage_row(stage: str, facts: Mapping[str, float]) -> tuple[str, str, str]:
    rate = facts["text_bytes"] / max(facts["seconds"], 1e-3) / 1e6
    return stage, f"{facts['seconds']:.2f}", f"{rate:,.1f}" if facts["text_bytes"] else ""


def _captured(workspace: "Workspace") -> dict[str, int]:
    counts: dict[str, int] = {}
    for shard in workspace.shards():
        for outcome, n in shard.outcomes.items():
            counts[outcome] = counts.get(outcome, 0) + n
    return counts


def _table(headings: Any, rows: Any) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows = [tuple(row) for row in rows]
    for index, heading in enumerate(headings):
        number = bool(rows) and all(isinstance(row[index], int) for row in rows)
        table.add_column(str(heading), justify="right" if number else "left", overflow="fold")
    for row in rows:
        # Text, not markup: cells may hold names that came from outside.
        table.add_row(*(Text(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row))
    Console().print(table)


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _say(text: str) -> None:
    typer.echo(text)


def _print_json(facts: Any) -> None:
    typer.echo(json.dumps(facts, ensure_ascii=False, indent=1, default=str))


def _plain(report: Any) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    return asdict(report)


if __name__ == "__main__":
    main()
