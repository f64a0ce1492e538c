"""Lists of words that nobody can read, and that texts are searched by all the same.

Of an entry a sealed list keeps how many tokens it has, 32 bits of a keyed hash, by which windows of a text are chosen,
and the HMAC-SHA256 of its tokens, by which a window is confirmed; of a domain, the number of labels and an HMAC-SHA256.
The key is the list's own: 32 random bytes in hex, lists/<id>.key beside the folders of the workspaces' keys, 0600. It
is no key of a workspace, since a list serves several of them and outlives the rotation of their keys. Who has the file
and not the key can neither read the list nor try words against it; who has both can try words, one by one.

A pack, and whatever is made from it, holds hashes and the key's id. Without the key, or with another under its name,
nothing is screened and the run stops.
"""

import hmac
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from corpus_gov import keys, wordlists
from corpus_gov.errors import ConfigError
from corpus_gov.kernels import multimatch, sealedmatch, wordtokens

_LINE: Final = "{tokens} {short:08x} {digest}"


class Sealed(NamedTuple):
    """Entries under one key, ready to be looked for."""

    key: bytes
    hashes: sealedmatch.Hashes
    numbers: Mapping[str, int]
    """Numbers of entries by digest."""


def key_id(key: bytes) -> str:
    """Name a key without showing it: the first 16 hex digits of SHA-256("corpus-gov list key" ‖ key)."""
    return sha256(b"corpus-gov list key" + key).hexdigest()[:16]


def key_file(name: str) -> Path:
    """Return where the key of that id lies."""
    return keys.folder(keys.LISTS) / f"{name}.key"


def new_key(key: bytes) -> str:
    """Put a new key where lists look for it; returns its id.

    Raises:
        ConfigError: it cannot be written.
    """
    keys.write_secret(key_file(key_id(key)), key)
    return key_id(key)


def load_key(name: str) -> bytes:
    """Read the key of that id.

    Raises:
        ConfigError: it is absent, open to other users, malformed, or another key under this name.
    """
    key = keys.read_secret(key_file(name))
    if (found := key_id(key)) != name:
        raise ConfigError(f"{key_file(name)}: found the key {found!r}, expected {name!r}; restore it from your backup")
    return key


def words(entries: Sequence[str], key: bytes) -> list[str]:
    """Return the line of each entry of keywords, one for those that fold to the same.

    Raises:
        ValueError: says what is wrong with an entry, and does not quote it.
    """
    forms = wordtokens.forms(entries)
    for entry, form in zip(entries, forms, strict=True):
        if problem := wordtokens.unusable(entry, form):
            raise ValueError(problem)
    distinct = list(dict.fromkeys(forms))
    shorts = sealedmatch.shorts(distinct, _derived(key, "windows"))
    of_entry = _derived(key, "entries")
    lines = [(digest(form, of_entry), len(form), short) for form, short in zip(distinct, shorts, strict=True)]
    return [_LINE.format(tokens=tokens, short=short, digest=said) for said, tokens, short in sorted(lines)]


def host_digest(domain: str, key: bytes) -> str:
    """Return HMAC-SHA256, hex, of a domain under the list's key."""
    return hmac.digest(_derived(key, "hosts"), domain.encode(), "sha256").hex()


def digest(tokens: Iterable[int], key: bytes) -> str:
    """Return HMAC-SHA256, hex, over the tokens of a folded entry, eight bytes each, the lowest first."""
    return hmac.digest(key, b"".join(token.to_bytes(8, "little") for token in tokens), "sha256").hex()


def ready(entries: Iterable[tuple[Mapping[str, Any], int]]) -> tuple[Sealed, ...]:
    """Make sealed entries ready to be looked for.

    Args:
        entries: as `wordlists.parse` gives them, each with its number.

    Raises:
        ConfigError: as for `load_key`.
        ValueError: an entry was sealed as something else, or has too many tokens.
    """
    by_key: dict[str, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    for entry, number in entries:
        if entry["way"] != wordlists.WORDS:
            raise ValueError(f"sealed as {entry['way']!r}, expected {wordlists.WORDS!r}")
        if int(entry["tokens"]) > wordtokens.LONGEST:
            raise ValueError(f"sealed with {entry['tokens']} tokens, expected at most {wordtokens.LONGEST}")
        by_key[entry["key"]][entry["sealed"]] = int(entry["tokens"]), int(entry["short"], 16), number
    found = []
    for name, listed in sorted(by_key.items()):
        key = load_key(name)
        hashes = sealedmatch.prepare([one[:2] for one in listed.values()], _derived(key, "windows"))
        numbers = {said: number for said, (_, _, number) in listed.items()}
        found.append(Sealed(_derived(key, "entries"), hashes, numbers))
    return tuple(found)


def find(column: pa.Array, sealed: Sealed) -> multimatch.Places:
    """Find the places of sealed entries: the windows that their digests confirm, under the numbers of the entries.

    Args:
        column: string or large_string, n rows; a null counts as the empty string.
        sealed: the entries.
    """
    windows = sealedmatch.find(column, sealed.hashes)
    numbers = np.array([sealed.numbers.get(digest(one, sealed.key), -1) for one in windows.tokens], np.int64)
    return multimatch.Places(_confirmed(windows.found, numbers), _confirmed(windows.more, numbers), windows.points)


def _confirmed(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Put numbers of entries in the place of those of windows; windows that are no entry go."""
    if not len(rows):
        return rows
    rows[:, 1] = numbers[rows[:, 1]]
    return rows[rows[:, 1] >= 0]


def _derived(key: bytes, use: str) -> bytes:
    return hmac.digest(key, f"corpus-gov list {use}".encode(), "sha256")
