"""Commands: arguments in, facts out. What they do is in `workspace` and `pipeline`, what is shown in `terminal`.

Exit codes: 0 done, 1 a bug, 2 configuration, rules, policy or arguments, 3 an input, 4 the store or another
writer, 5 integrity, 6 an expectation of the gate, 7 an alarm that nobody accepted.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from corpus_gov import arguments, errors, logs, terminal
from corpus_gov.arguments import AsOf, Folder, Json, Key, Known, Memory, PolicyName, Rules, Scheduler, Workers
from corpus_gov.commands import (
    actors,
    assess,
    copies,
    erasures,
    handovers,
    ledger,
    operations,
    optouts,
    overrides,
    proofs,
    report,
    rescreening,
    retention,
    rules,
    sources,
)
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

EXIT: Final[dict[type[errors.CorpusGovError], int]] = {
    errors.ConfigError: 2,
    errors.RuleError: 2,
    errors.PolicyError: 2,
    errors.SourceError: 3,
    errors.StoreError: 4,
    errors.IntegrityError: 5,
    errors.GateError: 6,
    errors.AlarmError: 7,
    errors.SchemaError: 1,
    errors.CorpusGovError: 1,
}

SHOW_ERRORS: Final = "CORPUS_GOV_SHOW_ERRORS"
"""Environment variable; 1 shows exceptions that nobody expected whole, traceback and message."""

app = typer.Typer(
    name="corpus-gov",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Govern a training corpus: ingest, screen, decide, release, verify.",
    epilog="Exit codes: 0 done, 1 a bug, 2 configuration or arguments, 3 an input, 4 store or lease, 5 integrity, "
    "6 a gate's expectation, 7 an alarm.",
)

app.add_typer(actors.app, name="actor")
app.add_typer(actors.keys_app, name="keys")
app.add_typer(erasures.app, name="erase")
app.add_typer(handovers.app, name="handover")
app.add_typer(retention.app, name="hold")
app.add_typer(ledger.app, name="ledger")
app.add_typer(overrides.app, name="override")
app.add_typer(assess.app, name="assess")
app.add_typer(rules.app, name="rules")
app.add_typer(sources.app, name="source")


def main() -> None:
    """Run the command line; errors become one line and an exit code."""
    try:
        app()
    except errors.CorpusGovError as error:
        _end(error)
    except ValueError as error:
        from pydantic import ValidationError  # noqa: PLC0415 - heavy

        if not isinstance(error, ValidationError):
            _unexpected(error)
        _end(arguments.in_one_line(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not show its message
        _unexpected(error)


def _unexpected(error: Exception) -> NoReturn:
    """Say which class of error and where, and no more: what a library says of a value may quote it."""
    if os.environ.get(SHOW_ERRORS) == "1":
        raise error
    typer.echo(
        f"{type(error).__name__} in {errors.place(error)}: this is a bug, please report the line; with "
        f"{SHOW_ERRORS}=1 all of it is shown, which may quote personal data",
        err=True,
    )
    sys.exit(1)


def _end(error: errors.CorpusGovError) -> NoReturn:
    """Print one line and leave with the exit code of the error's nearest class that has one."""
    kind = next(kind for kind in type(error).__mro__ if kind in EXIT)
    if logs.wanted():
        logs.event("error", kind=kind.__name__, message=str(error), exit_code=EXIT[kind])
        sys.exit(EXIT[kind])
    typer.echo(terminal.plain(f"{kind.__name__}: {error}"), err=True)
    sys.exit(EXIT[kind])


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

    called = name or Path(folder).resolve().name or "corpus"
    made = workspace.init(folder, name=called, owner=owner, policy=policy)
    facts = {"workspace": str(folder), "id": made.settings.id, "keys": str(made.keys_folder), "policy": policy}
    if as_json:
        return print_json(facts)
    say(f"Workspace {folder} is ready. Its keys lie in {made.keys_folder}; back them up apart from it.")
    return say(f"Next: write {folder}/sources/<source_id>.yaml, then corpus-gov run {folder}")


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
    from corpus_gov import intake, lineage, standing  # noqa: PLC0415

    workspace = _open(folder, rules=rules)
    with _engine(workspace, workers, memory, scheduler, quiet=as_json) as engine, lineage.of(workspace, "ingest"):
        shards = intake.ingest(workspace, engine)
    counts = standing.captured(workspace)
    if as_json:
        return print_json({"new_shards": shards, "captures": counts})
    say(f"{shards} new shards. Captures by outcome, all batches:")
    return terminal.table(("outcome", "captures"), sorted(counts.items()))


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
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="An alarm that must not stop this run; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Build what is missing and publish a release.

    With --input FILE [FILE…] --source ID the workspace is made where needed and judged by the trial policy.
    """
    from corpus_gov.engine import in_processes, prefork  # noqa: PLC0415

    # Workers load their libraries while this process loads its own; not where there is nothing to run.
    there = "://" in folder or Path(folder, "corpus-gov.toml").is_file()
    if scheduler is None and in_processes(workers, memory) and (inputs or there):
        prefork()
    from corpus_gov import expectations, gate, pipeline  # noqa: PLC0415

    files = list(inputs or [])
    if more and not files:
        raise errors.ConfigError(f"run: found {more!r} after the workspace, expected --input before files")
    if files:
        # `--input a b c WORKSPACE`: a shell's wildcard leaves the workspace as the last word.
        words = [*files, folder, *(more or [])]
        files, folder = words[:-1], words[-1]
        if not source:
            raise errors.ConfigError("run: --input needs --source ID, a name for where the files come from")
        arguments.check_source(source)
        workspace = pipeline.trial(folder, files, source)
        if policy or rules:
            workspace = _open(folder, policy or "trial", rules)
    else:
        workspace = _open(folder, policy, rules)
    # What is wrong with a suite is said before hours of work, not after.
    expectations.load(workspace.store)
    date_of, accepted = arguments.as_date(as_of), tuple(accept or ())
    with _engine(workspace, workers, memory, scheduler, quiet=as_json) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=date_of, gate=gate.gate, force=force, accept=accepted)
    pages = report.beside(workspace, outcome)
    if as_json:
        return print_json(terminal.outcome_facts(outcome) | {"report": pages})
    terminal.summary(str(folder), outcome)
    for page in pages:
        say(f"Report: {folder}/{page}")
    return None


@app.command()
def status(
    folder: Folder,
    disk: Annotated[bool, typer.Option("--disk", help="Count bytes by kind of file too.")] = False,
    as_json: Json = False,
) -> None:
    """Show sources, batches, releases, requests that are due, and what an interrupted run left."""
    from corpus_gov import standing  # noqa: PLC0415

    workspace = _open(folder)
    today = date.today()  # noqa: DTZ011 - a dossier's last day is a local calendar day
    facts = {"workspace": str(folder), **standing.facts(workspace, today)}
    if disk:
        from corpus_gov import usage  # noqa: PLC0415

        facts["disk"] = usage.by_family(workspace.store)
    if as_json:
        return print_json(facts)
    return terminal.status(facts)


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
        return print_json(facts)
    from corpus_gov.explain import lines  # noqa: PLC0415

    return say("\n".join(lines(facts)))


@app.command()
def similar(
    folder: Folder,
    document: Annotated[str, typer.Argument(metavar="DOC_ID|FILE", help="A doc_id, or a text file.")],
    release: Annotated[str | None, typer.Option(help="Release to look in; the newest by default.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="Documents to show.")] = 10,
    as_json: Json = False,
) -> None:
    """Show the documents of a release that are nearest to a document or to a text, with verified similarities."""
    opened = _open(folder).release(release)
    rows = opened.similar(document, most)
    if as_json:
        return print_json({"release": opened.name, "document": document, "similar": rows})
    return terminal.similar(opened.name, rows)


@app.command("find-person", context_settings={"ignore_unknown_options": True})
def find_person(
    folder: Folder,
    release: Annotated[
        list[str] | None, typer.Option(help="Release to look in, may be repeated; all by default.")
    ] = None,
    scan: Annotated[bool, typer.Option("--scan", help="Read the texts too; takes as long as reading them.")] = False,
    workers: Workers = 1,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    as_json: Json = False,
) -> None:
    """List the documents that hold a phone number, e-mail address or id, read from standard input.

    Never give the value as an argument: it would stay in the shell's history. Exit code 0 whether or not it was found;
    5 where a file could not be looked at, and the answer is incomplete.
    """
    from corpus_gov import lookup  # noqa: PLC0415

    arguments.refuse_value_as_word(folder, more)
    with lookup.veiled():
        workspace = _open(folder)
        value = arguments.secret_line()
        with _engine(workspace, workers, None, None, quiet=as_json) if scan else nullcontext() as engine:
            facts = workspace.find_person(value, releases=release, scan=scan, engine=engine)
    if as_json:
        print_json(facts)
    else:
        terminal.found(facts)
    if not facts["complete"]:
        sys.exit(EXIT[errors.IntegrityError])


@app.command()
def whose(
    folder: Folder,
    name: Annotated[
        str | None, typer.Argument(metavar="HOST|URL", help="Host, with all below it, or an address.")
    ] = None,
    release: Annotated[
        list[str] | None, typer.Option(help="Release to look in, may be repeated; all by default.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="consent or delivery: look for a reference, read from standard input.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List everything that is held from a rightsholder's host or address, with its states, release by release.

    With --reference, what is held under a reference to a consent, or from a row of a delivery; the reference tells of a
    person, and is read from standard input so that it does not stay in the shell's history.
    """
    from corpus_gov import holdings  # noqa: PLC0415

    if (name is None) == (reference is None) or reference not in {None, *holdings.REFERENCES}:
        raise errors.ConfigError(
            "whose: expected either a host or URL, or --reference with one of consent, delivery; give one of the two"
        )
    workspace = _open(folder)
    facts = holdings.whose(workspace, name or arguments.secret_line("whose"), release, kind=reference)
    if as_json:
        return print_json(facts)
    return say("\n".join(holdings.lines(facts)))


@app.command()
def diff(
    folder: Folder,
    old: Annotated[str, typer.Argument(metavar="R1", help="Earlier release.")],
    new: Annotated[str, typer.Argument(metavar="R2", help="Later release.")],
    limit: Annotated[int, typer.Option(help="Rows to show.")] = 50,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Only decisions: dispositions, reasons and rules, then and now.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Parquet file to write all rows to.")] = None,
    as_json: Json = False,
) -> None:
    """Show which documents came, went or were decided differently between two releases."""
    from corpus_gov import artefacts, changes, differing  # noqa: PLC0415
    from corpus_gov.store import open_store  # noqa: PLC0415

    store = open_store(str(folder))
    if decisions:
        found = changes.decisions(changes.files_of(store, old), changes.files_of(store, new))
    else:
        found = differing.between(store, old, new)
    if out is not None:
        arguments.write(out, artefacts.encode(found), "--out")
    if as_json:
        return print_json({"old": old, "new": new, "changes": found.to_pylist()})
    return terminal.changes(old, new, len(found), found.slice(0, limit).to_pylist(), found.column_names)


@app.command()
def verify(
    folder: Folder,
    release: Annotated[str | None, typer.Option(help="Release to verify; the newest by default.")] = None,
    known: Known = None,
    key: Key = None,
    shard: Annotated[str | None, typer.Option("--shard", help="Only this shard's rows and clean documents.")] = None,
    document: Annotated[str | None, typer.Option("--document", help="Only this document.")] = None,
    replay: Annotated[
        str | None, typer.Option("--replay", help="Decide again, and compare so many documents, or all.")
    ] = None,
    policy: PolicyName = None,
    rules: Rules = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Check a release offline: signatures, digests, leaves, counts. Exit code 5 where something does not hold."""
    from dataclasses import asdict  # noqa: PLC0415 - a fiftieth of a second

    from corpus_gov import release as releases  # noqa: PLC0415
    from corpus_gov.store import open_store  # noqa: PLC0415

    checkpoints = [arguments.file(path, "--known") for path in known or []]
    store, public = open_store(str(folder)), arguments.vkey(key)
    if replay is not None and (shard or document):
        raise errors.ConfigError("verify: --replay decides a whole release again; leave --shard and --document out")
    compared = arguments.as_sample(replay)
    if shard or document:
        from corpus_gov import partial  # noqa: PLC0415

        report = partial.verify_part(store, release, public, checkpoints, shard=shard, doc_id=document)
    else:
        report = releases.verify(store, release, public, checkpoints)
    replayed = None
    if replay is not None:
        from corpus_gov import replay as replaying  # noqa: PLC0415

        workspace = _open(folder, policy, rules)
        with _engine(workspace, workers, None, None, quiet=as_json) as engine:
            replayed = replaying.replay(
                workspace, report.release, compared, engine=engine, vkey=public, known=checkpoints
            )
    if as_json:
        return print_json(asdict(report) | ({"replay": asdict(replayed)} if replayed else {}))
    terminal.verified(report)
    return terminal.replayed(replayed) if replayed else None


app.command("prove")(proofs.prove)
app.command("verify-proof")(proofs.verify_proof)
app.command("apply")(copies.apply)
app.command("optout-check")(optouts.optout_check)
app.command("rescreen")(rescreening.rescreen)
app.command("retain")(retention.retain)
app.command("removals")(rescreening.removals)
app.command("verify-removals")(rescreening.verify_removals)
app.command("verify-certificate")(erasures.verify_certificate)
app.command("report")(report.report)
app.command("doctor")(operations.doctor)
app.command("gc")(operations.gc)
app.command("schedule")(operations.schedule)


@app.command()
def tune(
    folder: Folder,
    clause: Annotated[str, typer.Argument(metavar="CLAUSE", help="Id of a clause of the policy.")],
    when: Annotated[
        list[str] | None, typer.Option("--when", help="Expression to try instead; may be repeated.")
    ] = None,
    without: Annotated[str | None, typer.Option("--without", help="Rule whose findings are left out.")] = None,
    release: Annotated[str | None, typer.Option(help="Release to look in; the newest by default.")] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, max=1000, help="Documents to name for each try.")] = 5,
    rules: Rules = None,
    policy: PolicyName = None,
    as_json: Json = False,
) -> None:
    """Show how many documents another threshold would decide otherwise; without --when several are tried."""
    from corpus_gov import tune as tuning  # noqa: PLC0415

    opened = _open(folder, policy, rules).release(release)
    found = tuning.tune(opened, clause, tuple(when or ()), without=without, samples=samples)
    if as_json:
        return print_json(found)
    return say("\n".join(tuning.lines(found)))


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="YAML file: which texts, labels and shape.")],
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where model, card and page are written.")],
    data: Annotated[Path, typer.Option("--data", help="Folder that the recipe's files lie in.")],
    as_json: Json = False,
) -> None:
    """Train a classifier from labelled texts, score it on held-out ones, and write its model card."""
    from corpus_gov import classifiers, recipes, training  # noqa: PLC0415

    made = recipes.load(recipe)
    card = training.train(made, data, out)
    path = out / f"{made.name}.json"
    digest = classifiers.digest_of(path)
    if as_json:
        return print_json({"card": str(path), "sha256": digest, **card})
    say(training.page(card))
    return say(f'[[models]]\ncard = "{path}"\nsha256 = "{digest}"')


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to make it.")] = Path("demo"),
    # One by default: the first run on a machine compiles the kernels, and each worker would.
    workers: Workers = 1,
    as_json: Json = False,
) -> None:
    """Make a small scraped corpus, run the whole way over it, and say where to look."""
    from corpus_gov import demo as demonstration  # noqa: PLC0415
    from corpus_gov import gate, pipeline  # noqa: PLC0415

    workspace = demonstration.prepare(folder)
    with _engine(workspace, workers, None, None, quiet=as_json) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=demonstration.AS_OF, gate=gate.gate)
    if as_json:
        return print_json(terminal.outcome_facts(outcome) | {"report": report.beside(workspace, outcome)})
    terminal.summary(str(folder), outcome)
    for page in report.beside(workspace, outcome):
        say(f"Report: {folder}/{page}")
    doc_id = demonstration.an_interesting_document(workspace.release(outcome.release))
    return terminal.where_next(str(folder), outcome.release, doc_id)


def _open(folder: str, policy: str | None = None, rules: Path | None = None) -> "Workspace":
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    return open_workspace(folder, policy=policy, rules_folder=rules)


@contextmanager
def _engine(
    workspace: "Workspace", workers: int | None, memory: str | None, scheduler: str | None, *, quiet: bool
) -> Iterator[Any]:
    from corpus_gov.engine import Engine  # noqa: PLC0415

    settings = workspace.settings.engine
    if scheduler is None:
        workers, memory = workers or settings.workers, memory or settings.memory
    with (
        logs.progress() if logs.wanted() else terminal.progress(quiet=quiet) as progress,
        Engine(workers=workers, memory=memory, scheduler=scheduler, progress=progress) as engine,
    ):
        yield engine


if __name__ == "__main__":
    main()
