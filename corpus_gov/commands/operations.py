"""Commands of whoever keeps it running: `corpus-gov doctor|gc`."""

import sys
from typing import Annotated

import typer

from corpus_gov import terminal
from corpus_gov.arguments import Folder, Json
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
