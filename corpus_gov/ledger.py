"""The ledger: one append-only Merkle log of what was done by whom.

Rules, in the order in which they protect a reader:

1. An entry is written once, at the next free index, and never again (`ledger/entries/<20 digits>`).
2. `ledger/tree` holds the leaf hashes of the entries; it may run ahead of the checkpoint, never behind.
3. The checkpoint (C2SP tlog-checkpoint, a signed note) is written last: what it does not cover did not happen.
4. Every entry carries the signature of the pipeline's key, which can be rotated (`keyring`). One that also carries
   its actor's own reads `signed`; one of another actor that does not reads `claimed`.
5. Entries are found by index, never by listing: a listing may lag behind what was written.

Whoever holds the folder and the key can still write another history. Only a checkpoint that was kept
elsewhere excludes that: `verify(known=…)`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from corpus_gov import merkle
from corpus_gov.checkpoints import Checkpoint
from corpus_gov.entries import KEY_ADDED, KEY_ROTATED, PIPELINE, Entry, utc
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.keyring import Keyring
from corpus_gov.merkle import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from corpus_gov.signatures import Signer, Verifier, carries, dsse_sign, dsse_verify, statement
from corpus_gov.store import Missing, Store

__all__ = [
    "CHECKPOINT",
    "KEY_ADDED",
    "PIPELINE",
    "TREE",
    "Checkpoint",
    "Entry",
    "Ledger",
    "Report",
    "Signer",
    "consistency_proof",
    "dsse_sign",
    "dsse_verify",
    "entry_name",
    "inclusion_proof",
    "statement",
    "verify_consistency",
    "verify_inclusion",
]

CHECKPOINT: Final = "ledger/checkpoint"
TREE: Final = "ledger/tree"


def entry_name(index: int) -> str:
    """Name an entry in the store."""
    return f"ledger/entries/{index:020d}"


def _unasked() -> None:
    """Stand for a lease where none is held."""


@dataclass(frozen=True)
class Report:
    """What `verify` established.

    Attributes:
        size: entries that the checkpoint covers.
        root: hex, over them.
        pending: entries beyond the checkpoint; an interrupted append leaves one, and the next run finishes it.
        claimed: indexes of entries that nobody but the pipeline signed for their actor.
        known: how many known checkpoints the log was shown to extend.
        warnings: what was not excluded, one sentence each.
        keys: which key signed what.
    """

    size: int
    root: str
    pending: int
    claimed: tuple[int, ...]
    known: int
    warnings: tuple[str, ...]
    keys: Keyring


class Ledger:
    """The log in a store.

    Args:
        store: where it lies; one writer at a time, kept apart by the lease and, at the last, by the entry's slot.
        origin: name of the log, the first line of its checkpoints.
    """

    def __init__(self, store: Store, origin: str) -> None:
        if not origin or "\n" in origin:
            raise ConfigError(f"ledger origin {origin!r}: expected one line of text; choose another name")
        self.store = store
        self.origin = origin

    def append(
        self,
        kind: str,
        subject: Mapping[str, str],
        data: Mapping[str, Any],
        *,
        actor: str,
        signer: Signer,
        time: datetime,
        fencing: int = 0,
        actor_signer: Signer | None = None,
        still_alone: Callable[[], None] = _unasked,
    ) -> Entry:
        """Write the next entry and sign the checkpoint over it: when this returns, it happened.

        Args:
            kind: type of the entry, such as "release_published".
            subject: SHA-256, hex, by name of what the entry is about.
            data: plain values, no floats.
            actor: who did it: PIPELINE, or a person by the name of their key.
            signer: the pipeline's key; signs the entry and the checkpoint.
            time: when, with its zone.
            fencing: number of the writer's lease.
            actor_signer: the actor's own key, registered by an earlier KEY_ADDED entry.
            still_alone: called right before each write that replaces something; raises where the lease is over. The
                entry is there by then, and the next start finishes it.

        Raises:
            StoreError: another writer took the index, or the append before this one was interrupted.
            IntegrityError: tree and checkpoint do not belong together, or another key signed the checkpoint.
        """
        return self._append(
            Entry(self.origin, 0, utc(time), actor, kind, dict(subject), dict(data), fencing),
            (signer, *([actor_signer] if actor_signer else [])), signer, still_alone,
        )  # fmt: skip

    def rotate(
        self,
        signer: Signer,
        successor: Signer,
        *,
        time: datetime,
        fencing: int = 0,
        still_alone: Callable[[], None] = _unasked,
    ) -> Entry:
        """Write the entry by which the pipeline takes another key, and sign the checkpoint with that one.

        Args:
            signer: the pipeline's key until now.
            successor: its key from now on, of the same name.
            time: as for `append`.
            fencing: as for `append`.
            still_alone: as for `append`.

        Raises:
            StoreError: as for `append`.
            IntegrityError: as for `append`.
        """
        data = {"before": signer.vkey, "vkey": successor.vkey}
        entry = Entry(self.origin, 0, utc(time), PIPELINE, KEY_ROTATED, {}, data, fencing)
        return self._append(entry, (signer, successor), successor, still_alone)

    def _append(
        self, body: Entry, signers: Sequence[Signer], committer: Signer, still_alone: Callable[[], None]
    ) -> Entry:
        size, hashes = self._head(signers[0].verifier)
        entry = replace(body, index=size).signed(*signers)
        raw = entry.encode()
        if not self.store.put_if_absent(entry_name(size), raw):
            raise StoreError(
                f"{entry_name(size)}: already there, expected a free index; another writer was faster, or an append "
                "was interrupted: run again, which finishes it"
            )
        self._commit(hashes + merkle.leaf_hash(raw), committer, still_alone)
        return entry

    def finish(self, signer: Signer, before: Verifier | None = None) -> list[Entry]:
        """Sign the checkpoint over entries that an interrupted append left beyond it.

        Call it before the first append of a run. Same steps as the second half of an append.

        Args:
            signer: the pipeline's key.
            before: the key that signed the checkpoint which is there, where what was left is a rotation to `signer`.

        Returns:
            Those entries; empty where nothing was left.

        Raises:
            IntegrityError: such an entry is not what the pipeline would have written; nothing was signed.
        """
        size, hashes = self._head(before or signer.verifier)
        if self._read(entry_name(size)) is None:
            return []
        ring = Keyring(self._first(signer.verifier))
        found = list(self._verified(ring))[size:]
        if ring.at(size + len(found)) != signer.verifier:
            raise IntegrityError(
                f"{CHECKPOINT}: to be signed by {signer.verifier.reference!r}, expected "
                f"{ring.pipeline[-1].reference!r}; restore the key folder"
            )
        self._commit(hashes + b"".join(leaf for _, leaf in found), signer)
        return [entry for entry, _ in found]

    def checkpoint(self) -> bytes | None:
        """Return the signed head as stored, to keep elsewhere; None before the first entry."""
        return self._read(CHECKPOINT)

    def entries(self) -> Iterator[Entry]:
        """Read the entries that the checkpoint covers, in order; signatures are the business of `verify`.

        Raises:
            IntegrityError: one is missing or malformed.
        """
        note = self.checkpoint()
        if note is None:
            return
        # Whoever reads entries need not hold any key, so the size is taken as the note states it.
        stated = note.split(b"\n")[1:2]
        if not stated or not stated[0].isdigit():
            raise IntegrityError(f"{CHECKPOINT}: no size in its second line; it was cut or changed")
        for index in range(int(stated[0])):
            yield Entry.parse(self._needed(entry_name(index), int(stated[0])), self.origin, index, entry_name(index))

    def signed_entries(self, verifier: Verifier) -> list[Entry]:
        """Read the entries that the checkpoint covers, with every signature checked.

        Args:
            verifier: the pipeline's key, now or before a rotation.

        Raises:
            IntegrityError: a signature does not hold.
        """
        return [entry for entry, _ in self._verified(Keyring(self._first(verifier)))][: len(list(self.entries()))]

    def verify(self, vkey: str | None, known: Sequence[bytes] = ()) -> Report:
        """Check every entry, the tree, the checkpoint, and that no known checkpoint was rolled back or forked.

        Args:
            vkey: the pipeline's public key, now or before a rotation, kept elsewhere; None takes the one that the log
                itself names.
            known: checkpoints as exported earlier and kept elsewhere.

        Raises:
            IntegrityError: names the file, or the known checkpoint, that does not hold.
            ConfigError: vkey is malformed.
        """
        verifier = Verifier.parse(vkey) if vkey else self._own_key()
        note = self.checkpoint()
        head, signed = (None, verifier) if note is None else self._opened(note, verifier)
        size, root = (head.size, head.root) if head else (0, merkle.root(b""))
        ring = Keyring(self._first(verifier))
        checked = list(self._verified(ring, size))
        tree = self._read(TREE) or b""
        if self.checkpoint() != note:
            # A writer committed meanwhile, so what was read is a mixture of two moments.
            return self.verify(vkey, known)
        if verifier not in ring.pipeline or ring.at(size) != signed:
            raise IntegrityError(
                f"{CHECKPOINT}: signed by {signed.reference!r}, expected {ring.at(size).reference!r} and entries that "
                f"lead to {verifier.reference!r}; it is of another workspace, or a key was replaced"
            )
        hashes = b"".join(leaf for _, leaf in checked)
        covered = hashes[: size * merkle.WIDTH]
        _verify_tree(tree, hashes, covered, root)
        for kept in known:
            ring.open(kept, self.origin, "known checkpoint").verify_extended(covered)
        return Report(
            size=size,
            root=root.hex(),
            pending=len(checked) - size,
            claimed=tuple(entry.index for entry, _ in checked[:size] if entry.claimed),
            known=len(known),
            warnings=tuple(_warnings(vkey, known, len(checked) - size)),
            keys=ring,
        )

    def _verified(self, ring: Keyring, size: int = 0) -> Iterator[tuple[Entry, bytes]]:
        """Read every entry there is, at least `size`, check its signatures, and give it with its leaf hash."""
        index = 0
        while (raw := self._read(entry_name(index))) is not None or index < size:
            raw = raw if raw is not None else self._needed(entry_name(index), size)
            entry = Entry.parse(raw, self.origin, index, entry_name(index))
            ring.admit(entry, entry_name(index))
            yield entry, merkle.leaf_hash(raw)
            index += 1

    def _head(self, verifier: Verifier) -> tuple[int, bytes]:
        """Read the size and the leaf hashes that the checkpoint covers."""
        note = self.checkpoint()
        if note is None:
            return 0, b""
        head = Checkpoint.open(note, verifier, self.origin, CHECKPOINT)
        hashes = (self._read(TREE) or b"")[: head.size * merkle.WIDTH]
        if len(hashes) != head.size * merkle.WIDTH or merkle.root(hashes) != head.root:
            raise IntegrityError(f"{TREE}: does not hold the {head.size} leaves of the checkpoint; restore it")
        return head.size, hashes

    def _commit(self, hashes: bytes, signer: Signer, still_alone: Callable[[], None] = _unasked) -> None:
        # Tree before checkpoint: a reader who finds the checkpoint finds all that it covers. A crash between
        # the two leaves a tree that runs ahead, which every reader cuts to the checkpoint's size.
        # Signed before the question: between it and the write nothing is left to do.
        note = Checkpoint.sign(self.origin, hashes, signer).note
        still_alone()
        self.store.put(TREE, hashes)
        still_alone()
        self.store.put(CHECKPOINT, note)

    def _opened(self, note: bytes, verifier: Verifier) -> tuple[Checkpoint, Verifier]:
        """Open the checkpoint under a key, or under one that entries name after it, which are checked later."""
        signed = verifier
        if not carries(note, verifier):
            later = (one.added_key(entry_name(one.index)) for one in self.entries() if one.type == KEY_ROTATED)
            signed = next((key for key in reversed(list(later)) if carries(note, key)), verifier)
        return Checkpoint.open(note, signed, self.origin, CHECKPOINT), signed

    def _first(self, verifier: Verifier) -> Verifier:
        """Return the key that the log begins with: the one that is given, or before rotations the one it names."""
        raw = self._read(entry_name(0))
        entry = Entry.parse(raw, self.origin, 0, entry_name(0)) if raw is not None else None
        if entry is None or entry.type != KEY_ADDED or verifier.reference in entry.signatures:
            return verifier
        return entry.added_key(entry_name(0))

    def _own_key(self) -> Verifier:
        raw = self._read(entry_name(0))
        entry = Entry.parse(raw, self.origin, 0, entry_name(0)) if raw is not None else None
        if entry is None or entry.type != KEY_ADDED:
            raise ConfigError(f"{entry_name(0)}: the log does not begin with its key; give the verifier key")
        return entry.added_key(entry_name(0))

    def _needed(self, name: str, size: int) -> bytes:
        raw = self._read(name)
        if raw is None:
            raise IntegrityError(f"{name}: missing, the checkpoint covers {size} entries; restore it from a copy")
        return raw

    def _read(self, name: str) -> bytes | None:
        try:
            return self.store.read(name)
        except Missing:
            return None


def _verify_tree(tree: bytes, hashes: bytes, covered: bytes, root: bytes) -> None:
    """Compare tree file, entries and checkpoint; two that agree show which third was changed.

    Args:
        tree: the tree file.
        hashes: of every entry there is.
        covered: of those that the checkpoint covers.
        root: of the checkpoint.
    """
    size = merkle.size(covered)
    if merkle.root(covered) != root:
        pairs = zip(_split(tree), _split(covered), strict=False)
        first = next((index for index, (one, other) in enumerate(pairs) if one != other), None)
        where = CHECKPOINT if first is None else entry_name(first)
        raise IntegrityError(f"{where}: does not agree with the rest of the log; restore the folder from a copy")
    if tree not in {covered, hashes}:
        raise IntegrityError(f"{TREE}: its {len(tree)} bytes are not the {size} entries' hashes; it was cut or changed")
    if len(hashes) > len(covered) + merkle.WIDTH:
        raise IntegrityError(
            f"{CHECKPOINT}: covers {size} entries, {merkle.size(hashes)} are there; an interrupted append leaves "
            "one at most, so an older checkpoint was put back or the checkpoint was removed"
        )


def _warnings(vkey: str | None, known: Sequence[bytes], pending: int) -> Iterator[str]:
    if not known:
        yield "no known checkpoint was given: rollback and fork are not excluded"
    if not vkey:
        yield "no verifier key was given: the log was checked against the key that it names itself"
    if pending:
        yield f"{pending} entry lies beyond the checkpoint: an append was interrupted, the next run finishes it"


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + merkle.WIDTH] for at in range(0, len(hashes), merkle.WIDTH)]
