"""Commands about keys: `corpus-gov actor new|add|list` and `corpus-gov keys rotate|show`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov import terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Register people with keys of their own.")
keys_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show or rotate the pipeline's signing key.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A person, or better a role: a-z, 0-9, '.', '_' and '-'.")]


@app.callback()
def about_actors() -> None:
    """Register people with keys of their own."""


@app.command()
def new(
    folder: Folder,
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", help="File for the private key, outside the workspace.")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Make a key for somebody and register it; without --out it lies in the folder of the workspace's keys."""
    from corpus_gov import actors  # noqa: PLC0415 - heavy imports wait until a command needs them

    made = actors.new(_open(folder), name, out)
    if as_json:
        return print_json(vars(made))
    return say(f"{made.name} is registered by entry {made.since}. Public key: {made.vkey}")


@app.command()
def add(
    folder: Folder,
    vkey: Annotated[str, typer.Argument(metavar="KEY", help="Public key: name+id+base64.")],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Register a public key that was made elsewhere; it takes the place of an earlier one of the same name."""
    from corpus_gov import actors  # noqa: PLC0415

    made = actors.add(_open(folder), vkey)
    if as_json:
        return print_json(vars(made))
    return say(f"{made.name} is registered by entry {made.since}.")


@app.command("list")
def list_actors(folder: Folder, as_json: Json = False) -> None:  # noqa: FBT002
    """List who has a key."""
    from corpus_gov import actors  # noqa: PLC0415

    found = sorted(actors.registered(_open(folder)).values(), key=lambda actor: actor.name)
    if as_json:
        return print_json({"actors": [vars(actor) for actor in found]})
    return terminal.table(("actor", "entry", "since", "key"), [(a.name, a.since, a.time, a.vkey) for a in found])


@keys_app.callback()
def about_keys() -> None:
    """Show or rotate the pipeline's signing key."""


@keys_app.command()
def show(folder: Folder, as_json: Json = False) -> None:  # noqa: FBT002
    """Show the public keys that the pipeline signs and signed with."""
    workspace = _open(folder)
    ledger = workspace.ledger()
    known = ledger.verify(None).keys if ledger.checkpoint() else None
    keys = [key.vkey for key in known.pipeline] if known else [workspace.signer().vkey]
    if as_json:
        return print_json({"keys": keys, "in_force": keys[-1], "folder": str(workspace.keys_folder)})
    say(f"In force: {keys[-1]}")
    for old in keys[-2::-1]:
        say(f"before:   {old}")
    return say(f"Private keys lie in {workspace.keys_folder}.")


@keys_app.command()
def rotate(folder: Folder, as_json: Json = False) -> None:  # noqa: FBT002
    """Give the pipeline a new signing key; what the old one signed stays verifiable, and the old one is deleted."""
    from corpus_gov import rotation  # noqa: PLC0415

    entry, signer = rotation.rotate(_open(folder))
    if as_json:
        return print_json({"entry": entry.index, "before": entry.data["before"], "vkey": signer.vkey})
    say(f"Entry {entry.index}: {signer.vkey} signs from now on, the key before it was deleted.")
    return say("Publish the new key, and back up the key folder again. Either key verifies all of the ledger.")


def _open(folder: str) -> "Workspace":
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    return open_workspace(folder)
