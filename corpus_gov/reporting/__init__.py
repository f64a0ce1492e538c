"""The report of a release: one HTML file in each language, for people who check it without a tool.

    gathered  run.json, tables, ledger -> facts       counted   the manifest's values, counted again
    origins, decided, checked  facts -> sections      charts    numbers -> SVG
    page      sections -> HTML                        printing  HTML -> PDF, by a browser

It is derived: computed from what the statement covers, written beside the release and outside of its seal.
"""

from collections.abc import Iterable

from corpus_gov.published import place
from corpus_gov.reporting import gathered, page, phrases
from corpus_gov.workspace import Workspace


def report(workspace: Workspace, name: str | None = None, languages: Iterable[str] = ("en",)) -> dict[str, str]:
    """Write the report of a release.

    Args:
        workspace: an open workspace.
        name: of the release; the newest by default.
        languages: "en", "zh".

    Returns:
        The HTML of each language.

    Raises:
        ConfigError: no such release or language.
        IntegrityError: a file of the workspace is not what was written.
    """
    tables = [phrases.load(language) for language in languages]
    found = gathered.read(workspace.release(name))
    return {say.language: page.html(found, say) for say in tables}


def file_of(name: str, language: str) -> str:
    """Name the report of a release in the store."""
    return place(name, "report.html" if language == "en" else f"report.{language}.html")


def write(workspace: Workspace, name: str) -> list[str]:
    """Put the report of a release beside it, in every language; returns the names of the files."""
    pages = report(workspace, name, phrases.LANGUAGES)
    for language, text in pages.items():
        workspace.store.put(file_of(name, language), text.encode())
    return [file_of(name, language) for language in pages]
