"""`corpus-gov report`: the report of a release as one HTML file, or printed by a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.errors import CorpusGovError
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.pipeline import Outcome
    from corpus_gov.workspace import Workspace


def beside(workspace: "Workspace", outcome: "Outcome") -> list[str]:
    """Write the report of a release that was just published; returns the names of its files.

    The release stands whatever becomes of its report: an error is told, and the command does not end with it.
    """
    if not outcome.published:
        return []
    from corpus_gov import reporting  # noqa: PLC0415

    try:
        return reporting.write(workspace, outcome.release)
    except CorpusGovError as error:
        problem = f"{outcome.release} is published, its report was not written: {error}"
        typer.echo(terminal.plain(problem), err=True)
        return []


def report(
    folder: Folder,
    release: Annotated[str | None, typer.Argument(metavar="[RELEASE]", help="The newest by default.")] = None,
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; beside the release by default.")] = None,
    as_pdf: Annotated[bool, typer.Option("--pdf", help="Print it as PDF, by an installed Chromium.")] = False,  # noqa: FBT002 - typer
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write the report of a release: one HTML file that anybody can read, from disk and without a tool."""
    from corpus_gov import reporting  # noqa: PLC0415
    from corpus_gov.reporting import printing  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    if as_pdf:
        printing.browser()
    workspace = open_workspace(folder)
    name = workspace.release(release).name
    page = reporting.report(workspace, name, [language])[language]
    data = printing.pdf(page) if as_pdf else page.encode()
    if out is not None:
        arguments.write(out, data, "--out")
        file = str(out)
    else:
        place = reporting.file_of(name, language)
        file = place.removesuffix("html") + "pdf" if as_pdf else place
        # Derived, and outside of the seal: it can be written anew at any time.
        workspace.store.put(file, data)
        file = f"{folder}/{file}"
    facts = {"release": name, "language": language, "file": file, "bytes": len(data)}
    return print_json(facts) if as_json else say(f"{file}: the report of {name}, {len(data):,} bytes")
