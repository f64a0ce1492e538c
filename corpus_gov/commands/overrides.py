"""Commands about overrides: `corpus-gov override give|confirm|withdraw|list`."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Decide on documents against the rules.")

Actor = Annotated[str, typer.Option("--actor", help="Who acts; signed with their key where it is here.")]
SignWith = Annotated[Path | None, typer.Option("--sign-with", help="File of the actor's private key.")]
Review = Annotated[str, typer.Argument(metavar="OVERRIDE", help="Id of the override; `override list` shows them.")]


@app.callback()
def about() -> None:
    """Decide on documents against the rules."""


@app.command()
def give(
    folder: Folder,
    doc_id: Annotated[str, typer.Argument(metavar="DOC_ID", help="32 hex digits.")],
    disposition: Annotated[str, typer.Argument(metavar="DISPOSITION", help="keep, redact, quarantine or drop.")],
    why: Annotated[str, typer.Option("--why", help="The reason, without values of persons.")],
    actor: Actor,
    expires: Annotated[str | None, typer.Option("--expires", help="Last day on which it holds.")] = None,
    legal: Annotated[str, typer.Option("--legal", help="Legal references, comma-separated.")] = "",
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Decide on a document; never stronger than an erasure, a failed screen or a final reason."""
    from corpus_gov import overrides  # noqa: PLC0415 - heavy imports wait until a command needs them

    made = overrides.give(
        _open(folder), doc_id, disposition, why=why, actor=actor,
        expires=arguments.as_date(expires), legal=legal, sign_with=sign_with,
    )  # fmt: skip
    if as_json:
        return print_json(made)
    say(f"{made['override_id']}: {disposition} where the rules say {made['rules_said']}; {made['state']} by {actor}.")
    return say("The next run goes by it.")


@app.command()
def confirm(
    folder: Folder,
    override: Review,
    actor: Actor,
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Agree to somebody else's override, which counts from then on where `[reviews] second_actor` is set."""
    from corpus_gov import overrides  # noqa: PLC0415

    entry = overrides.confirm(_open(folder), override, actor, sign_with)
    return _told(override, "confirmed", entry.index, as_json=as_json)


@app.command()
def withdraw(
    folder: Folder,
    override: Review,
    actor: Actor,
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Take an override back; the next run goes by the rules again."""
    from corpus_gov import overrides  # noqa: PLC0415

    entry = overrides.withdraw(_open(folder), override, actor, sign_with)
    return _told(override, "withdrawn", entry.index, as_json=as_json)


@app.command("list")
def list_overrides(folder: Folder, as_of: arguments.AsOf = None, as_json: Json = False) -> None:  # noqa: FBT002
    """List overrides: state, what they ask for, what the rules said then and say in the newest release."""
    from corpus_gov import overrides  # noqa: PLC0415

    today = date.today()  # noqa: DTZ011 - an override's last day is a local calendar day
    found = overrides.listed(_open(folder), arguments.as_date(as_of) or today)
    if as_json:
        return print_json({"overrides": found})
    columns = ("override_id", "state", "disposition", "rules_said", "now", "actor", "expires")
    return terminal.table(columns, [[one.get(column) for column in columns] for one in found])


def _told(name: str, done: str, entry: int, *, as_json: bool) -> None:
    if as_json:
        return print_json({"override_id": name, done: True, "entry": entry})
    return say(f"{name}: {done} by entry {entry}.")


def _open(folder: str) -> "Workspace":
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    return open_workspace(folder)
