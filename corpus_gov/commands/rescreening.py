"""Commands about screening again: `corpus-gov rescreen`, `corpus-gov removals`, `corpus-gov verify-removals`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import AsOf, Folder, Json, Key, Memory, PolicyName, Rules, Scheduler, Workers
from corpus_gov.terminal import print_json, say


def rescreen(
    folder: Folder,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done, and do nothing.")] = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
    policy: PolicyName = None,
    rules: Rules = None,
    as_of: AsOf = None,
    workers: Workers = None,
    memory: Memory = None,
    scheduler: Scheduler = None,
    accept: Annotated[
        list[str] | None, typer.Option("--accept", help="An alarm that must not stop this run; may be repeated.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Screen what is there again by what is in force today: say what that means, do only that, publish a release."""
    from corpus_gov.engine import Engine, in_processes, prefork  # noqa: PLC0415 - heavy imports wait for a command

    # Workers load their libraries while this process loads its own; patterns and models when something is screened.
    if scheduler is None and in_processes(workers, memory):
        prefork("corpus_gov.imported")
    from corpus_gov import rescreen as screening  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    workspace = open_workspace(folder, policy=policy, rules_folder=rules)
    day = arguments.as_date(as_of) or datetime.now(UTC).date()
    settings = workspace.settings.engine
    if scheduler is None:
        workers, memory = workers or settings.workers, memory or settings.memory
    with (
        terminal.progress(quiet=as_json) as progress,
        Engine(workers=workers, memory=memory, scheduler=scheduler, progress=progress) as engine,
    ):
        planned = screening.plan(workspace, engine, day, predict=plan)
        if not as_json:
            say("\n".join(screening.lines(planned)))
        if plan:
            return print_json(planned) if as_json else None
        outcome = screening.rescreen(workspace, engine=engine, as_of=day, accept=tuple(accept or ()))
    if as_json:
        return print_json({"plan": planned, **terminal.outcome_facts(outcome)})
    return terminal.summary(str(folder), outcome)


def removals(
    folder: Folder,
    since: Annotated[str | None, typer.Option("--since", help="Release that somebody holds.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Later release; the newest by default.")] = None,
    receiver: Annotated[str | None, typer.Option("--receiver", help="Who holds it, as `handover` has it.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for list and certificate.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write what holders of an earlier release must give up, signed; without --since say how much that is for each."""
    from corpus_gov import removals as listing  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    workspace = open_workspace(folder)
    if since is None:
        owed = listing.owed(workspace)
        return print_json({"owed": owed}) if as_json else say("\n".join(listing.lines(owed)))
    place = out or Path(f"removals-{since}")
    found = listing.write(workspace, since, place, until=until, receiver=receiver)
    if as_json:
        return print_json({"folder": str(place), **found})
    say(f"{place}: {found['removed']:,} documents to give up, {found['redacted']:,} to exchange, since {since}.")
    return say(f"Whoever has it checks it with: corpus-gov verify-removals {place} --key KEY")


def verify_removals(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="With the list and its certificate.")],
    key: Key = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check a list of removals against its certificate, without the workspace. Exit code 5 where it does not hold."""
    from corpus_gov import removals as listing  # noqa: PLC0415

    found = listing.verify(folder, arguments.vkey(key))
    if as_json:
        return print_json(found)
    of = f"from {found['since']} to {found['until']} of {found['workspace']}"
    say(f"{folder}: {found['rows']:,} documents, {of}, signed")
    return say("\n".join(f"note  {one}" for one in found["trusted"]))
