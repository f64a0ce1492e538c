"""Commands of whoever keeps it running: `corpus-gov doctor|gc|schedule`."""

import os
import sys
from typing import Annotated

import typer

from corpus_gov import terminal
from corpus_gov.arguments import Folder, Json, PolicyName, Rules
from corpus_gov.terminal import print_json, say

UNFIT = 2
"""Exit code of `doctor` where something is wrong."""


def doctor(
    folder: Annotated[str | None, typer.Argument(metavar="[WORKSPACE]", help="Without one, the machine alone.")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Look at versions, disk, keys, locks, clock and permissions; exit code 2 where something is wrong."""
    from corpus_gov import doctor as examining  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    checks = examining.examine(open_workspace(folder) if folder else None)
    if as_json:
        print_json([check.facts() for check in checks])
    else:
        rows = [(one.name, one.state, f"{one.found}; {one.advice}" if one.advice else one.found) for one in checks]
        terminal.table(("what", "state", "found, and what to do"), rows)
    if any(check.state == "wrong" for check in checks):
        sys.exit(UNFIT)


def gc(
    folder: Folder,
    remove: Annotated[bool, typer.Option("--remove", help="Do it; otherwise nothing is changed.")] = False,  # noqa: FBT002
    days: Annotated[float, typer.Option(min=0, help="What is younger stays.")] = 7,
    last: Annotated[
        int | None, typer.Option(min=1, help="Only the newest so many releases keep what explains them.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show, and with --remove remove, artefacts that no release and no next run needs."""
    from corpus_gov import collecting  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    found = collecting.collect(open_workspace(folder), days=days, last=last, remove=remove)
    return print_json(found.facts()) if as_json else say(collecting.lines(found))


def schedule(
    folder: Folder,
    nightly: Annotated[str, typer.Option(metavar="CRON", help="The whole run: flows/govern.py.")] = "0 2 * * *",
    weekly: Annotated[str, typer.Option(metavar="CRON", help="Screening again: flows/rescreen.py.")] = "0 4 * * 0",
    erase: Annotated[str, typer.Option(metavar="CRON", help="Requests that are due: flows/erase.py.")] = "0 6 * * *",
    retain: Annotated[str, typer.Option(metavar="CRON", help="Retention: flows/retain.py.")] = "30 6 * * *",
    physical: Annotated[bool, typer.Option("--physical", help="Erase bytes of due requests too.")] = False,  # noqa: FBT002
    policy: PolicyName = None,
    rules: Rules = None,
) -> None:
    """Run the flows at their times until stopped (cron lines in UTC, or never), and catch up once what was missed."""
    from corpus_gov import cron  # noqa: PLC0415
    from corpus_gov.errors import ConfigError  # noqa: PLC0415
    from corpus_gov.rules import shipped  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    opened, options = open_workspace(folder, policy=policy, rules_folder=rules), []
    for flow, line in (("govern", nightly), ("rescreen", weekly), ("erase", erase), ("retain", retain)):
        try:
            if line != "never":
                cron.fields(line)
        except ValueError as error:
            expected = str(error).removeprefix("Input should be ")
            raise ConfigError(f"schedule: found {line!r} for {flow}, expected {expected}; correct it") from None
        options += [f"--{flow}", line]
    options += ["--physical"] if physical else []
    options += [*(("--policy", policy) if policy else ()), *(("--rules", str(rules)) if rules else ())]
    script = str(shipped("flows") / "serve.py")
    # Prefect is imported by flows alone: this process becomes the one that serves.
    os.execv(sys.executable, [sys.executable, script, str(opened.root or folder), *options])  # noqa: S606 - our own script
