"""Commands about how long bytes stay: `corpus-gov retain`, `corpus-gov hold give|lift|list`."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keep documents from being erased.")

Actor = Annotated[str, typer.Option("--actor", help="Who acts; signed with their key where it is here.")]
SignWith = Annotated[Path | None, typer.Option("--sign-with", help="File of the actor's private key.")]


def retain(
    folder: Folder,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what is due, and what will be.")] = False,  # noqa: FBT002
    as_of: arguments.AsOf = None,
    policy: Annotated[str | None, typer.Option(help="Use this policy's retention.")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Take away the bytes that the policy's retention says are due; rows and reasons stay."""
    from corpus_gov import retention  # noqa: PLC0415

    workspace, day = _open(folder, policy), arguments.as_date(as_of) or datetime.now(UTC).date()
    if plan:
        rows = retention.due(workspace, day)
        if as_json:
            return print_json({"as_of": day.isoformat(), "due": [vars(row) for row in rows]})
        counts = retention.counted(rows, day)
        table = [(name, one["due"], one["held"], one["later"]) for name, one in counts.items()]
        terminal.table(("retention", "due", "held", "later"), table)
        return say(f"{sum(one['due'] for one in counts.values())} documents are due; nothing was changed.")
    done = retention.retain(workspace, day)
    if as_json:
        return print_json({"as_of": day.isoformat(), "done": done})
    for one in done:
        say(f"{one['retention']}: the bytes of {one['documents']} documents are gone, by erasure {one['erasure']}.")
    return say("Nothing is due." if not done else "Rows and reasons stay in the releases that have them.")


@app.callback()
def about() -> None:
    """Keep documents from being erased."""


@app.command()
def give(
    folder: Folder,
    doc_ids: Annotated[list[str], typer.Argument(metavar="DOC_ID...", help="32 hex digits each.")],
    why: Annotated[str, typer.Option("--why", help="The order or claim, without values of persons.")],
    actor: Actor,
    expires: Annotated[str | None, typer.Option("--expires", help="Last day on which it counts.")] = None,
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Hold documents: nothing erases them until the hold is lifted or has expired."""
    from corpus_gov import holds  # noqa: PLC0415

    last = arguments.as_date(expires) if expires else None
    made = holds.give(_open(folder), doc_ids, why=why, actor=actor, expires=last, sign_with=sign_with)
    if as_json:
        return print_json(made)
    return say(f"{made['hold_id']}: {len(made['doc_ids'])} documents are held.")


@app.command()
def lift(
    folder: Folder,
    hold: Annotated[str, typer.Argument(metavar="HOLD", help="Id of the hold; `hold list` shows them.")],
    actor: Actor,
    sign_with: SignWith = None,
) -> None:
    """End a hold."""
    from corpus_gov import holds  # noqa: PLC0415

    holds.lift(_open(folder), hold, actor, sign_with)
    say(f"{hold}: lifted.")


@app.command("list")
def list_holds(folder: Folder, as_json: Json = False) -> None:  # noqa: FBT002
    """List holds: state, documents, who gave them and until when."""
    from corpus_gov import holds  # noqa: PLC0415

    found = holds.listed(_open(folder), date.today())  # noqa: DTZ011 - a hold's last day is a local calendar day
    if as_json:
        return print_json({"holds": found})
    rows = [(one["hold_id"], one["state"], len(one["doc_ids"]), one["actor"], one["expires"] or "") for one in found]
    return terminal.table(("hold", "state", "documents", "actor", "expires"), rows)


def _open(folder: str, policy: str | None = None) -> "Workspace":
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    return open_workspace(folder, policy=policy)
