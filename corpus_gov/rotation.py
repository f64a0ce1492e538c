"""Give the pipeline another signing key; what the old one signed stays verifiable.

    next.key in the key folder -> ledger entry signed by both -> tree, checkpoint by the new one -> signing.key replaced

A crash above the ledger's entry leaves next.key alone, which the next start removes; one below it is finished by the
next start, since from the entry on nobody else may sign. The old private key is gone with the last step.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from corpus_gov import keys, published
from corpus_gov.entries import KEY_ROTATED, Entry
from corpus_gov.errors import ConfigError
from corpus_gov.ledger import Ledger, entry_name
from corpus_gov.signatures import Signer, carries

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

NEXT: Final = "next.key"
"""File of the key folder that holds the successor while a rotation is under way."""


def rotate(workspace: "Workspace") -> tuple[Entry, Signer]:
    """Make a new signing key, have the old one name it, and put it in the old one's place.

    Args:
        workspace: an open workspace, with keys.

    Returns:
        The entry, and the signer of everything that follows.

    Raises:
        ConfigError: the key folder cannot be written; nothing was changed.
        StoreError: somebody else is writing, or the entry was not durably written: the next start finishes it or takes
            it back.
    """
    with workspace.writing() as lease:
        old, new = workspace.signer(), Signer(workspace.settings.id, Ed25519PrivateKey.generate())
        if workspace.ledger().checkpoint() is None:
            raise ConfigError(
                f"{workspace.url}: found an empty ledger, expected a run before; keys are as new as it is"
            )
        keys.write_signing(workspace.keys_folder / NEXT, new.key)
        entry = workspace.ledger().rotate(
            old, new, time=datetime.now(UTC), fencing=lease.fencing, still_alone=lease.check
        )
        # At this point the ledger accepts the new key alone. A crash before the next line is finished by `settle`.
        (workspace.keys_folder / NEXT).replace(workspace.keys_folder / keys.SIGNING)
        return entry, new


def settle(workspace: "Workspace") -> list[str]:
    """Finish or take back a rotation that was interrupted; called at every start, before anything is signed.

    Returns:
        One sentence for what was done; empty where nothing was left.

    Raises:
        ConfigError: the key folder holds a key that the ledger replaced.
    """
    folder, ledger = workspace.keys_folder, workspace.ledger()
    if not (folder / NEXT).is_file():
        refuse_replaced(workspace, ledger)
        return []
    new = Signer(workspace.settings.id, keys.read_signing(folder / NEXT))
    old = workspace.signer()
    entry = _rotation(ledger, new)
    if entry is None:
        (folder / NEXT).unlink()
        return ["keys: a rotation was interrupted before its entry; its key was removed"]
    if entry.signatures.keys() != {old.verifier.reference, new.verifier.reference}:
        raise ConfigError(f"{folder}: found a key that is none of entry {entry.index}'s; restore the folder")
    # Where the checkpoint does not cover the entry yet, it is still the old key's.
    ledger.finish(new, old.verifier if _pending(ledger, entry) else None)
    (folder / NEXT).replace(folder / keys.SIGNING)
    return [f"keys: finished the rotation to {new.verifier.reference}, which was interrupted"]


def _rotation(ledger: Ledger, new: Signer) -> Entry | None:
    """Find the entry that names the key, also one beyond the checkpoint."""
    found = list(ledger.entries())
    raw = published.optional(ledger.store, entry_name(len(found)))
    if raw is not None:
        found.append(Entry.parse(raw, ledger.origin, len(found), entry_name(len(found))))
    named = (entry for entry in reversed(found) if entry.type == KEY_ROTATED and entry.data.get("vkey") == new.vkey)
    return next(named, None)


def refuse_replaced(workspace: "Workspace", ledger: Ledger) -> None:
    """Say so where the key was rotated with another copy of the key folder, before a signature does not hold."""
    note = ledger.checkpoint()
    if note is None or carries(note, workspace.signer().verifier):
        return
    own = workspace.signer().vkey
    for entry in ledger.entries():
        if entry.type == KEY_ROTATED and entry.data.get("before") == own:
            raise ConfigError(
                f"{workspace.keys_folder / keys.SIGNING}: found a key that entry {entry.index} of the ledger replaced, "
                "expected its successor; copy the key folder from where the key was rotated"
            )


def _pending(ledger: Ledger, entry: Entry) -> bool:
    return entry.index not in {one.index for one in ledger.entries()}
