"""Commands about who received a release: `corpus-gov handover add|list`."""

from datetime import date
from typing import Annotated

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.commands.overrides import Actor, SignWith
from corpus_gov.terminal import print_json, say

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Write down who received which release.")


@app.callback()
def about() -> None:
    """Write down who received which release."""


@app.command()
def add(
    folder: Folder,
    release: Annotated[str, typer.Argument(metavar="RELEASE", help="Its name; provisional ones are refused.")],
    receiver: Annotated[
        str, typer.Argument(metavar="RECEIVER", help="An organisation or a role, and how to reach it.")
    ],
    purpose: Annotated[str, typer.Option("--purpose", help="What they want it for.")],
    actor: Actor,
    terms: Annotated[str, typer.Option("--terms", help="What they agreed to.")] = "",
    day: Annotated[str | None, typer.Option("--day", help="When it was handed over; today by default.")] = None,
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Write down that somebody received a release; removals are told to them."""
    from corpus_gov import handovers  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    today = date.today()  # noqa: DTZ011 - the day on the papers is a local one
    made = handovers.add(
        open_workspace(folder), release, receiver, purpose=purpose, terms=terms,
        day=arguments.as_date(day) or today, actor=actor, sign_with=sign_with,
    )  # fmt: skip
    if as_json:
        return print_json(made)
    return say(f"{made['handover']}: {release} to {receiver}, {made['state']} by {actor}, entry {made['entry']}.")


@app.command("list")
def list_handovers(
    folder: Folder,
    release: Annotated[list[str] | None, typer.Option("--release", help="Only of this; may be repeated.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List who received which release, and when."""
    from corpus_gov import handovers  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    found = handovers.listed(open_workspace(folder), release or ())
    if as_json:
        return print_json({"handovers": found})
    columns = ("entry", "release", "receiver", "day", "purpose", "actor", "state")
    return terminal.table(columns, [[one.get(column) for column in columns] for one in found])
