"""Commands about the ledger: `corpus-gov ledger show|export|prove-consistency|verify-consistency|check-timestamp`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov import arguments
from corpus_gov.arguments import Folder, Json, Key
from corpus_gov.errors import ConfigError
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.ledger import Ledger

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show the ledger, and take its checkpoints away.")

Out = Annotated[Path | None, typer.Option("--out", help="File to write.")]


@app.callback()
def about() -> None:
    """Show the ledger, and take its checkpoints away."""


@app.command()
def show(
    folder: Folder,
    kind: Annotated[str | None, typer.Option("--type", help="Only entries of this type.")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="Newest entries to show.")] = 50,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Show who did what, when, and whether they signed it; signatures are checked first."""
    ledger = _ledger(folder)
    report = ledger.verify(None)
    found = [entry for entry in ledger.entries() if kind in {None, entry.type}][-most:]
    if as_json:
        entries = [asdict(entry) | {"state": entry.state} for entry in found]
        return print_json({"origin": ledger.origin, "size": report.size, "root": report.root, "entries": entries})
    lines = [f"{ledger.origin}: {report.size:,} entries, root {report.root}"]
    for entry in found:
        about, more = sorted(entry.subject)[:1], len(entry.subject) - 1
        words = [entry.type, f"by {entry.actor} ({entry.state})", *about, *([f"and {more} more"] if more > 0 else [])]
        lines.append(f"{entry.index:>6}  {entry.time[:19]}  {' '.join(words)}")
    return say("\n".join(lines))


@app.command()
def export(
    folder: Folder,
    out: Out = None,
    command: Annotated[str | None, typer.Option("--command", help="Command that gets it on standard input.")] = None,
    request: Annotated[
        Path | None, typer.Option("--timestamp-request", help="RFC 3161 request to write, to be sent to an authority.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Take the newest checkpoint elsewhere: to a file, a command, or a request for a time-stamp."""
    from corpus_gov import witness  # noqa: PLC0415 - heavy imports wait until a command needs them

    ledger = _ledger(folder)
    report, note = ledger.verify(None), ledger.checkpoint() or b""
    if not (out or command or request):
        raise ConfigError("export: found no place to take it to; give --out, --command or --timestamp-request")
    if out:
        arguments.write(out, note, "--out")
    if request:
        arguments.write(request, witness.time_stamp_request(note), "--timestamp-request")
    if command:
        witness.hand_to(command, note)
    if as_json:
        return print_json({"size": report.size, "root": report.root})
    return say(f"Checkpoint of {report.size:,} entries, root {report.root}: give it to verify with --known.")


@app.command("prove-consistency")
def prove_consistency(
    folder: Folder,
    old: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="An older checkpoint that was kept.")],
    new: Annotated[Path | None, typer.Option("--new", help="A later one; the newest by default.")] = None,
    out: Out = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Prove that the ledger only grew since a checkpoint, in a file; `verify-consistency` needs no ledger."""
    from corpus_gov import consistency  # noqa: PLC0415
    from corpus_gov.store import open_store  # noqa: PLC0415

    later = arguments.file(new, "--new") if new else None
    data = consistency.prove(open_store(str(folder)), arguments.file(old, "checkpoint"), later)
    shown = consistency.check(data)
    path = out or Path(f"{shown.old}-{shown.new}.consistency.json")
    arguments.write(path, data, "--out")
    if as_json:
        return print_json({"proof": str(path), "bytes": len(data), "old": shown.old, "new": shown.new})
    return say(f"{path}: {len(data):,} bytes, proves that {shown.old:,} entries are the first of {shown.new:,}.")


@app.command("verify-consistency")
def verify_consistency(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="File that `prove-consistency` wrote.")],
    key: Key = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check such a proof without the ledger. Exit code 5 where it does not hold."""
    from corpus_gov import consistency  # noqa: PLC0415

    shown = consistency.check(arguments.file(proof, "proof"), arguments.vkey(key))
    if as_json:
        return print_json(asdict(shown))
    say(f"{shown.origin}: {shown.old:,} entries are the first of {shown.new:,}, root {shown.root}.")
    return say("\n".join(f"  on trust: {sentence}" for sentence in shown.trusted)) if shown.trusted else None


@app.command("check-timestamp")
def check_timestamp(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The checkpoint that was sent.")],
    response: Annotated[Path, typer.Argument(metavar="RESPONSE", help="RFC 3161 response, DER.")],
    root: Annotated[list[Path], typer.Option("--root", help="PEM of a trusted root certificate; may be repeated.")],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say when an authority saw a checkpoint. Exit code 5 where the response does not hold."""
    from corpus_gov import witness  # noqa: PLC0415

    roots = [arguments.file(path, "--root") for path in root]
    when = witness.time_stamped(
        arguments.file(checkpoint, "checkpoint"), arguments.file(response, "response"), roots
    ).isoformat()
    return print_json({"time": when}) if as_json else say(f"{checkpoint} was there at {when}.")


def _ledger(folder: str) -> "Ledger":
    from corpus_gov import published  # noqa: PLC0415
    from corpus_gov.store import open_store  # noqa: PLC0415

    found = published.open_ledger(open_store(str(folder)))
    if found is None:
        raise ConfigError(f"{folder}: found no ledger, expected a workspace with a run; run first")
    return found
