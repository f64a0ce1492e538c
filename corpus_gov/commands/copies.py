"""The command about copies of a corpus that lie elsewhere: `corpus-gov apply`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Json
from corpus_gov.errors import ConfigError
from corpus_gov.terminal import print_json, say

if TYPE_CHECKING:
    from corpus_gov.elsewhere import Applied

ROLES = ("doc_id", "uri", "title", "text")


def apply(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Folder of the release.")],
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The copy: Parquet or JSONL, a file or a folder.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="New file or folder of the same format.")],
    key: Annotated[
        str | None, typer.Option("--key", help="Public key that the release was signed with, or a file that holds it.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="doc_id, uri, title or text = its name in the copy; without a name: none."),
    ] = None,
    uncovered: Annotated[str, typer.Option("--uncovered", help="Rows of no document of the release: drop or keep.")] = (
        "drop"
    ),
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Apply a release to a copy of the corpus that lies elsewhere; exit code 5 where a row is not what was signed."""
    from dataclasses import asdict  # noqa: PLC0415 - heavy imports wait until a command needs them

    from corpus_gov import elsewhere  # noqa: PLC0415

    if uncovered not in {"drop", "keep"}:
        raise ConfigError(f"--uncovered {uncovered!r}: expected 'drop' or 'keep'")
    with terminal.progress(quiet=as_json) as progress:
        made = elsewhere.apply_to(
            manifest, source, target, vkey=arguments.vkey(key), names=_names(column or []),
            keep_uncovered=uncovered == "keep", progress=progress,
        )  # fmt: skip
    if as_json:
        return print_json({"output": str(target), **asdict(made)})
    return say("\n".join(_said(made, target)))


def _names(given: list[str]) -> dict[str, str]:
    names = dict(zip(ROLES, ROLES, strict=True))
    for one in given:
        role, equals, name = one.partition("=")
        if role not in ROLES or not equals:
            raise ConfigError(f"--column {one!r}: expected one of {', '.join(ROLES)}, '=' and a name; correct it")
        names[role] = name
    taken = [name for name in names.values() if name]
    if len(set(taken)) < len(taken):
        raise ConfigError(f"--column: found {taken!r}, expected each name once; '{ROLES[0]}=' says that there is none")
    return {role: name for role, name in names.items() if name}


def _said(made: "Applied", target: Path) -> list[str]:
    stay = made.kept + made.redacted + (made.uncovered if made.uncovered_kept else 0)
    fate = "kept, and nobody screened them" if made.uncovered_kept else "left out"
    found = [
        f"{target}: {stay:,} of {made.rows:,} rows of {made.files:,} files, by {made.release}",
        f"  kept        {made.kept:,}",
        f"  redacted    {made.redacted:,}",
        f"  dropped     {made.dropped:,}",
        f"  held        {made.quarantined:,}, left out",
        f"  repeated    {made.repeats:,}, left out",
        f"  uncovered   {made.uncovered:,}, {fate}",
        f"  compared    {made.whole:,} whole, {made.text_alone:,} by their text alone, {made.unchecked:,} not at all",
        f"  lacking     {made.lacking:,} documents of the release, {made.lacking_released:,} of them released",
    ]
    if made.passed:
        found.append(f"  not looked at, passed on as they are: {', '.join(made.passed)}")
    if made.left:
        found.append(f"  files left out: {', '.join(made.left)}")
    return [*found, *(f"  on trust    {sentence}" for sentence in made.trusted)]
