"""Plain lists of words or hosts to sealed ones: `corpus-gov rules seal-list`."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from corpus_gov import keys, wordlists, wordseals
from corpus_gov.errors import ConfigError, RuleError
from corpus_gov.screens import blocklist


def seal_file(plain: Path, sealed: Path, *, hosts: bool = False, name: str | None = None) -> dict[str, Any]:
    """Seal a file of plain lists into a new file.

    Args:
        plain: the file.
        sealed: the new one.
        hosts: entries are domains of a blocklist.
        name: id of a key that is there; a new one is made where None.

    Returns:
        `entries`, how many; `key`, its id; `file`, where that lies.

    Raises:
        ConfigError: a file cannot be read or written, there is something in the place of the new one, or no such key.
        RuleError: as for `seal_lists`.
    """
    key = wordseals.load_key(name) if name else secrets.token_bytes(keys.SECRET_BYTES)
    try:
        written = seal_lists(plain.read_bytes(), plain.name, key, hosts=hosts)
        with sealed.open("xb") as file:
            file.write(written)
    except OSError as error:
        raise ConfigError(
            f"{error.filename}: found {error.strerror!r}, expected a file of lists and a new one"
        ) from error
    if not name:
        try:
            wordseals.new_key(key)
        except ConfigError:
            # A list without its key is of no use to anybody.
            sealed.unlink()
            raise
    count = sum(not line.startswith(b"[") for line in written.splitlines())
    return {"entries": count, "key": wordseals.key_id(key), "file": str(wordseals.key_file(wordseals.key_id(key)))}


def seal_lists(data: bytes, where: str, key: bytes, *, hosts: bool = False) -> bytes:
    """Write plain lists as sealed ones, each in the order of its digests.

    Args:
        data: a file of plain lists.
        where: its name in messages.
        key: of the lists, keys.SECRET_BYTES.
        hosts: entries are domains of a blocklist.

    Raises:
        RuleError: the file is wrong, a list in it is sealed already, or an entry is none that could be looked for.
    """
    lines: Callable[[Sequence[str], bytes], list[str]] = blocklist.sealed if hosts else wordseals.words
    head = f"sealed {wordlists.HOSTS if hosts else wordlists.WORDS} {wordseals.key_id(key)}"
    written = []
    for name, listed in wordlists.parse(data, where).items():
        if any(map(wordlists.is_sealed, listed)):
            raise RuleError(f"{where}: found the list {name!r} sealed already, expected plain entries; seal those")
        try:
            written += [f"[{name} {head}]", *lines(wordlists.entries(listed), key)]
        except ValueError as error:
            raise RuleError(f"{where}: the list {name!r} has an entry that {error}; correct it") from error
    return "".join(f"{line}\n" for line in written).encode()
