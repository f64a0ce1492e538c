"""What a person types: the options that commands share, and values checked before anything is made for them."""

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpus_gov.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError

SECRET_MOST = 4096
"""Bytes of standard input that are read for one value."""

Folder = Annotated[str, typer.Argument(metavar="WORKSPACE", help="Folder of the workspace, or s3://BUCKET/FOLDER.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Workers = Annotated[int | None, typer.Option(help="Processes; by default one a core.")]
Memory = Annotated[str | None, typer.Option(help='Limit of each worker, such as "4GB"; one over it ends the run.')]
Scheduler = Annotated[str | None, typer.Option(help="Address of a running Dask scheduler, such as tcp://host:8786.")]
PolicyName = Annotated[str | None, typer.Option("--policy", help="Policy to use instead of the workspace's own.")]
Rules = Annotated[Path | None, typer.Option("--rules", help="Folder of rule packs and policies to use instead.")]
Key = Annotated[str | None, typer.Option("--key", help="Public key, or a file that holds it.")]
Known = Annotated[
    list[Path] | None, typer.Option("--known", help="Checkpoint kept elsewhere; excludes rollback and fork.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Date that expiries are compared with (today).")]


def check_source(text: str) -> None:
    """Refuse a name that no dossier can have, before anything is made for it.

    Raises:
        ConfigError: says what a name may look like.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - help must not wait for it

    from corpus_gov.config import SourceId  # noqa: PLC0415

    try:
        TypeAdapter(SourceId).validate_python(text)
    except ValidationError as error:
        raise ConfigError(
            f"--source: found {text!r}, expected 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first; "
            "give such a name"
        ) from error


def refuse_value_as_word(folder: str, more: "Sequence[str] | None") -> None:
    """Refuse a command line that may hold the value of a look-up; its words are not quoted.

    Raises:
        ConfigError: there are words after the workspace, or the word for it names none.
    """
    if more or not (folder.startswith("s3://") or Path(folder, "corpus-gov.toml").is_file()):
        raise ConfigError(
            "find-person: found words that name no workspace, expected the folder of one and nothing else; give the "
            "value on standard input, and where it was on the command line, remove it from the shell's history"
        )


def secret_line(command: str = "find-person") -> str:
    """Read a value that nobody else may see: typed without echo on a terminal, else the one line of standard input.

    Raises:
        ConfigError: there is no line, more than one, or it is no UTF-8; nothing of it is told.
    """
    problem = f"{command}: found no single line of UTF-8 on standard input, expected one value; pipe it in or type it"
    if sys.stdin.isatty():
        from getpass import getpass  # noqa: PLC0415 - help must not wait for it

        return getpass("Number, address or id (not shown): ")
    try:
        lines = sys.stdin.buffer.read(SECRET_MOST).decode().split("\n")
    except UnicodeDecodeError:
        # The error holds what was read.
        raise ConfigError(problem) from None
    if not lines[0].strip() or any(map(str.strip, lines[1:])):
        raise ConfigError(problem)
    return lines[0]


def as_date(text: str | None, what: str = "--as-of") -> date | None:
    """Read a date that the command line gives as `what`; ConfigError where it is none."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(f"{what} {text!r}: expected a date such as 2026-11-22") from error


def as_sample(text: str | None) -> int | None:
    """Read --replay, a number of documents, or None for all; ConfigError where it is neither."""
    if text is None or text == "all":
        return None
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise ConfigError(f"--replay {text!r}: expected a number of documents from 1 on, or 'all'")
    return int(text)


def file(path: Path, what: str) -> bytes:
    """Read a file that the command line names; ConfigError where it cannot be read.

    Args:
        path: of the file.
        what: the option or argument, for messages.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what} {str(path)!r}: {error.strerror}; expected a file that can be read") from error


def write(path: Path, data: bytes, what: str) -> None:
    """Write a file that the command line names; StoreError where it cannot be written.

    Args:
        path: of the file.
        data: its content.
        what: the option, for messages.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StoreError(f"{str(path)!r}: {error.strerror}; give another file with {what}") from error


def vkey(text: str | None) -> str | None:
    """Return the public key that --key gives, itself or in a file."""
    return Path(text).read_text(encoding="utf-8").strip() if text and Path(text).is_file() else text


def in_one_line(error: "ValidationError") -> ConfigError:
    """Say in one line what is wrong with a value that came from the command line and not from a file."""
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "argument"
    problem = first["msg"].removeprefix("String should have ")
    return ConfigError(f"{where}: found {first['input']!r:.80}, expected {problem}; give another")
