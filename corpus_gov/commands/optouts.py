"""The command about opt-outs: `corpus-gov optout-check`."""

from pathlib import Path
from typing import Annotated

import typer

from corpus_gov.arguments import Json
from corpus_gov.terminal import print_json, say


def optout_check(
    target: Annotated[str, typer.Argument(metavar="URL|HOST", help="Address, or host, which stands for its root.")],
    folder: Annotated[Path, typer.Argument(metavar="WORKSPACE", help="Folder of the workspace.")] = Path(),
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Show what a host or page says about training, by protocol and with its evidence. Nothing is fetched."""
    from corpus_gov import optoutcheck  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    facts = optoutcheck.check(open_workspace(folder), target)
    if as_json:
        return print_json(facts)
    return say("\n".join(optoutcheck.lines(facts)))
