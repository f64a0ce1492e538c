"""Commands about requests to erase: `erase ask|list|show|fulfil|refuse|certificate`, and `verify-certificate`."""

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.commands.overrides import Actor, SignWith
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.requests import Request
    from corpus_gov.workspace import Workspace

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Requests to erase or take down.")

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request; `erase list` shows them.")]


@app.callback()
def about() -> None:
    """Requests to erase or take down."""


@app.command()
def ask(
    folder: Folder,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="url, host, doc_id, text_digest, person, consent, source, batch, contract, rights_holder, near_copy.",
        ),
    ],
    actor: Actor,
    value: Annotated[
        str | None,
        typer.Option("--value", help="What it asks by, - to read it; of near_copy the text's file. Never of a person."),
    ] = None,
    requester: Annotated[
        str, typer.Option("--requester", help="data_subject, rights_holder, authority, contract or own.")
    ] = "data_subject",
    basis: Annotated[str, typer.Option("--basis", help="Legal references, such as eu.gdpr.17,cn.pipl.47.")] = "",
    received: Annotated[
        str | None, typer.Option("--received", help="Day on which it came in; today by default.")
    ] = None,
    deadline: Annotated[str | None, typer.Option("--deadline", help="Last day, where the basis gives none.")] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="Where its papers are filed; nothing of a person.")
    ] = "",
    within: Annotated[str | None, typer.Option("--within", help="Only in this source.")] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="Last day of the suppression.")] = None,
    measure: Annotated[
        str, typer.Option("--measure", help="erase: bytes must go; suppress: releases alone.")
    ] = "erase",
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Write a request down and show what was found; `--by person` reads the value from standard input."""
    from corpus_gov import fulfilment, lookup  # noqa: PLC0415 - heavy imports wait until a command needs them

    today = _today()
    days = {"received": received, "deadline": deadline, "expires": expires}
    read = {name: arguments.as_date(text, f"--{name}") for name, text in days.items()}
    with lookup.veiled():
        request = fulfilment.ask(
            _open(folder), by, _value(by, value), requester=requester, basis=basis, received=read["received"] or today,
            deadline=read["deadline"], reference=reference, within=within, expires=read["expires"], measure=measure,
            actor=actor, today=today, sign_with=sign_with,
        )  # fmt: skip
    return _show(request, today, as_json=as_json)


@app.command("list")
def list_requests(folder: Folder, as_of: arguments.AsOf = None, as_json: Json = False) -> None:  # noqa: FBT002
    """List requests, the nearest deadline first, with what is due and overdue."""
    from corpus_gov import requests  # noqa: PLC0415

    today = arguments.as_date(as_of) or _today()
    found = [_row(one, today) for one in requests.listed(_open(folder))]
    if as_json:
        return print_json({"requests": found})
    for one in found:
        say(
            f"{one['request']}  {one['due']:9}  {one['deadline']}  {one['state']:10}  {one['requester']} by "
            f"{one['asked_by']}: {one['documents']} found, {one['suppressed']} suppressed  {one['reference']}".rstrip()
        )
    return None


@app.command()
def show(folder: Folder, request: RequestId, as_json: Json = False) -> None:  # noqa: FBT002
    """Show what a request found, document by document, and what was done."""
    from corpus_gov import requests  # noqa: PLC0415

    return _show(requests.read(_open(folder), request), _today(), as_json=as_json, each=True)


@app.command()
def fulfil(
    folder: Folder,
    request: RequestId,
    physical: Annotated[bool, typer.Option("--physical", help="Erase the bytes, of all releases.")] = False,  # noqa: FBT002
    copies: Annotated[  # noqa: FBT002
        bool, typer.Option("--copies", help="Of a source, batch or contract: also exact copies in other sources.")
    ] = False,
    contained: Annotated[  # noqa: FBT002
        bool, typer.Option("--contained", help="Also documents that hold such a one, or are inside of it.")
    ] = False,
    near: Annotated[bool, typer.Option("--near", help="Also near and spun copies.")] = False,  # noqa: FBT002
    also: Annotated[list[str] | None, typer.Option("--also", help="A doc_id that it found; may be repeated.")] = None,
    scan: Annotated[  # noqa: FBT002
        bool, typer.Option("--scan", help="With --physical: search the whole workspace afterwards.")
    ] = False,
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Suppress what a request found, and erase its bytes with --physical. Doing it again finishes what was cut off."""
    from corpus_gov import fulfilment  # noqa: PLC0415

    today = _today()
    done = fulfilment.fulfil(
        _open(folder), request, today=today, copies=copies, contained=contained, alike=near, also=also or (),
        physical=physical, scan=scan, sign_with=sign_with,
    )  # fmt: skip
    _show(done, today, as_json=as_json)
    if not as_json:
        say("The next run publishes a release with tombstones in their place.")


@app.command()
def refuse(
    folder: Folder,
    request: RequestId,
    why: Annotated[str, typer.Option("--why", help="The reason, as the requester is told.")],
    sign_with: SignWith = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Close a request without doing what it asks."""
    from corpus_gov import fulfilment  # noqa: PLC0415

    today = _today()
    return _show(
        fulfilment.refuse(_open(folder), request, why=why, today=today, sign_with=sign_with), today, as_json=as_json
    )


@app.command()
def certificate(
    folder: Folder,
    request: RequestId,
    out: Annotated[Path | None, typer.Option("--out", help="File without suffix; erasure-REQUEST by default.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write the certificate for the requester: signed JSON, and the same as Markdown."""
    from corpus_gov import certificates, requests  # noqa: PLC0415

    workspace = _open(folder)
    found = requests.read(workspace, request)
    said = certificates.facts(workspace, found, _today())
    path = out or Path(f"erasure-{request}")
    files = [path.with_name(f"{path.name}.{suffix}") for suffix in ("json", "md")]
    arguments.write(files[0], certificates.sign(workspace, found, said), "--out")
    arguments.write(files[1], certificates.markdown(said).encode(), "--out")
    if as_json:
        return print_json({"certificate": str(files[0]), "markdown": str(files[1]), **said})
    return say(f"{files[0]}: signed by {workspace.signer().verifier.reference}; {files[1]}: the same for people.")


def verify_certificate(
    certificate: Annotated[Path, typer.Argument(metavar="FILE", help="What `erase certificate` wrote, the .json.")],
    key: arguments.Key = None,
    workspace: Annotated[
        str | None, typer.Option("--workspace", help="Look up its keys and entries in the ledger of this workspace.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check the certificate of an erasure, and the Markdown beside it. Exit code 5 where something does not hold."""
    from corpus_gov import certificates  # noqa: PLC0415
    from corpus_gov.errors import IntegrityError  # noqa: PLC0415

    data, ledger = arguments.file(certificate, "certificate"), _open(workspace).ledger() if workspace else None
    found = certificates.check(data, arguments.vkey(key), ledger, where=certificate.name)
    page, text = certificate.with_suffix(".md"), certificates.markdown(found)
    if page != certificate and page.is_file() and page.read_bytes() != text.encode():
        raise IntegrityError(f"{page.name}: says something else than {certificate.name}, which is signed; discard it")
    if as_json:
        return print_json(found)
    say(text)
    say(f"{certificate}: signed by {found['signed_by']}")
    return say("\n".join(f"note  {one}" for one in found["trusted"]))


def _value(by: str, value: str | None) -> str:
    """Return what is asked by: of a person from standard input, of a near copy from a file."""
    from corpus_gov.errors import ConfigError  # noqa: PLC0415

    if by == "person":
        if value is not None:
            raise ConfigError(
                "erase: found --value with --by person, expected the value on standard input; remove it from the "
                "shell's history"
            )
        return arguments.secret_line("erase ask")
    if value == "-":
        return arguments.secret_line("erase ask")
    if value is None:
        raise ConfigError(f"erase: found no --value, expected what is asked by as {by!r}; give one")
    if by == "near_copy":
        return arguments.file(Path(value), "--value").decode(errors="replace")
    return value


def _row(request: "Request", today: date) -> dict[str, Any]:
    return {
        "request": request.request, "state": request.state, "due": request.due(today), "deadline": request.deadline,
        "days_left": request.left(today), "requester": request.requester, "asked_by": request.by,
        "documents": len(request.documents), "suppressed": len(request.chosen), "reference": request.reference,
    }  # fmt: skip


def _show(request: "Request", today: date, *, as_json: bool, each: bool = False) -> None:
    from corpus_gov.tracing import HOW  # noqa: PLC0415

    if as_json:
        said = asdict(request)
        # What commits to the entries, and what is kept keyed, stays where it is.
        shown = {name: said[name] for name in said if name not in {"salt", "keys", "bands"}}
        print_json(shown | _row(request, today))
        return
    say(
        f"{request.request}: {request.state}, asked by {request.by} for {request.requester} "
        f"({request.basis or 'no basis'}), {request.due(today)}, deadline {request.deadline}."
    )
    counts: dict[str, list[str]] = {}
    for source, how in request.documents.values():
        counts.setdefault(how, []).append(source)
    if not counts:
        say("No document was found.")
    for how in (one for one in HOW if one in counts):
        say(f"  {how:10} {len(counts[how]):7} documents in {', '.join(sorted(set(counts[how])))}")
    for one in request.releases:
        who = ", ".join(who["receiver"] for who in one["receivers"]) or "nobody on record"
        say(f"  {one['release']} holds {one['documents']}, {one['released']} in its clean corpus; received by {who}")
    if each:
        chosen = set(request.chosen)
        rows = [
            (doc_id, *said, "yes" if doc_id in chosen else "for review") for doc_id, said in request.documents.items()
        ]
        terminal.table(("document", "source", "found as", "suppressed"), rows)
    for name, why in request.unread.items():
        say(f"NOT LOOKED AT: {name}: {why}")
    if request.not_related:
        say(f"{request.not_related} documents came after the newest release; run first to know their near copies.")
    for done in request.erased:
        amended = ", ".join(done["releases"]) or "no release"
        say(f"erasure {done['erasure']}: bytes of {done['documents']} documents, amended {amended}.")


def _today() -> date:
    return date.today()  # noqa: DTZ011 - a deadline is a local calendar day


def _open(folder: str) -> "Workspace":
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    return open_workspace(folder)
