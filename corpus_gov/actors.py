"""People who act: each with a key of their own, registered in the ledger by name.

An act that its actor's key signed reads `signed`, any other one `claimed`. The private key is <name>.pem in the folder
actors beside the workspace's keys, or wherever the person keeps it (`sign_with`): whoever runs the pipeline and can
read it can sign in that name.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from corpus_gov import acts, keys
from corpus_gov.entries import KEY_ADDED, PIPELINE, Entry
from corpus_gov.errors import ConfigError
from corpus_gov.signatures import Signer, Verifier
from corpus_gov.workspace import Workspace

FOLDER: Final = "actors"

_NAME: Final = re.compile("[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Actor:
    """Somebody who has a key.

    Attributes:
        name: as entries hold it; a person, or better a role.
        vkey: public key in force.
        since: index of the entry that registers it.
        time: of that entry.
    """

    name: str
    vkey: str
    since: int
    time: str


def registered(workspace: Workspace) -> dict[str, Actor]:
    """Return the actors of a workspace by name; the last key of a name is the one in force."""
    found: dict[str, Actor] = {}
    for entry in workspace.ledger().entries():
        if entry.type == KEY_ADDED and entry.index:
            key = entry.added_key(f"entry {entry.index}")
            if key.name != workspace.settings.id:
                found[key.name] = Actor(key.name, key.vkey, entry.index, entry.time)
    return found


def new(workspace: Workspace, name: str, out: Path | None = None) -> Actor:
    """Make a key for somebody and register it; the key of a run that was interrupted is taken up again.

    Args:
        workspace: an open workspace.
        name: 1 to 64 of a-z, 0-9, '.', '_' and '-'.
        out: file for the private key, outside the workspace; actors/<name>.pem of the key folder by default.

    Raises:
        ConfigError: the name has a key already or is no name, or the file cannot be written.
        StoreError: as for `acts.record`.
    """
    check_name(workspace, name)
    if name in registered(workspace):
        raise ConfigError(f"actor {name!r}: found a key already; `actor add` puts another in its place")
    path = out or workspace.keys_folder / FOLDER / f"{name}.pem"
    keys.refuse_inside(path, workspace.root)
    if not path.exists():
        keys.write_signing(path, Ed25519PrivateKey.generate())
    # A key without an entry is one whose registration was interrupted, and nothing was ever signed with it.
    _register(workspace, Signer(name, keys.read_signing(path)).verifier)
    return registered(workspace)[name]


def add(workspace: Workspace, vkey: str) -> Actor:
    """Register a public key that somebody made elsewhere, also in place of an earlier one of the same name.

    Raises:
        ConfigError: it is no key, or its name is that of the pipeline.
        StoreError: as for `acts.record`.
    """
    key = Verifier.parse(vkey)
    check_name(workspace, key.name)
    known = registered(workspace).get(key.name)
    if known is None or known.vkey != key.vkey:
        _register(workspace, key)
    return registered(workspace)[key.name]


def signer(workspace: Workspace, name: str, sign_with: Path | None = None) -> Signer | None:
    """Return what signs for an actor, or None where their key is not here: then the act is claimed.

    Args:
        workspace: an open workspace.
        name: who acts.
        sign_with: file of the private key; actors/<name>.pem of the key folder by default.

    Raises:
        ConfigError: the file is not the registered key of that name, or is missing though it was named.
    """
    path = sign_with or workspace.keys_folder / FOLDER / f"{name}.pem"
    if sign_with is None and not path.is_file():
        return None
    made, known = Signer(name, keys.read_signing(path)), registered(workspace).get(name)
    if known is None or known.vkey != made.vkey:
        # An entry with the signature of a key that nobody registered could never be verified.
        raise ConfigError(
            f"{path}: found the key {made.verifier.reference!r}, expected the one registered for {name!r}; register it "
            "with `actor add`, or name another file"
        )
    return made


def check_name(workspace: Workspace, name: str) -> None:
    """Refuse a name that no actor can have.

    Raises:
        ConfigError: says what a name may look like.
    """
    if not _NAME.fullmatch(name) or name in {PIPELINE, workspace.settings.id, "policy"}:
        raise ConfigError(
            f"actor {name!r}: expected 1 to 64 of a-z, 0-9, '.', '_' and '-', and not the name of the pipeline; "
            "choose another"
        )


def _register(workspace: Workspace, key: Verifier) -> Entry:
    with workspace.writing():
        if workspace.ledger().checkpoint() is None:
            # The log begins with the pipeline's key, whoever comes first.
            acts.note_changes(workspace)
        return acts.record(workspace, KEY_ADDED, {}, {"vkey": key.vkey})
