"""Consistency proofs: that one checkpoint of a ledger extends another, in a file that is checked without the ledger.

    older checkpoint -> path of RFC 9162, 2.1.4 -> newer checkpoint -> (rotations) -> public key

Whoever kept the older one learns that nothing it covered was rewritten or cut off. docs/evidence.md has the form.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from corpus_gov import merkle, published
from corpus_gov.entries import KEY_ADDED
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.keyring import linked, rotations
from corpus_gov.ledger import TREE, Ledger
from corpus_gov.proofs import LARGEST, decoded
from corpus_gov.signatures import Verifier, canonical, parse_canonical
from corpus_gov.store import Store

FORMAT: Final = "corpus-gov consistency 1"

_KEYS: Final = ("format", "new", "old", "path", "rotations", "vkey")


@dataclass(frozen=True)
class Extended:
    """What a consistency proof shows.

    Attributes:
        origin: name of the ledger.
        old: entries of the older checkpoint.
        new: entries of the newer one, which begin with all of the older one's.
        root: hex, of the newer one.
        trusted: what had to be taken on trust, one sentence each.
    """

    origin: str
    old: int
    new: int
    root: str
    trusted: tuple[str, ...]


def prove(store: Store, old: bytes, new: bytes | None = None) -> bytes:
    """Write the proof that a ledger only grew from one checkpoint to another.

    Args:
        store: of the workspace.
        old: a checkpoint that was kept.
        new: a later one; the ledger's own by default.

    Returns:
        The file: canonical JSON.

    Raises:
        IntegrityError: the ledger was rolled back or forked since, or a checkpoint is not the pipeline's.
        ConfigError: there is no ledger.
    """
    ledger = published.open_ledger(store)
    if ledger is None:
        raise ConfigError("consistency: found no ledger, expected a workspace with a run; run first")
    report = ledger.verify(None)
    first = report.keys.open(old, ledger.origin, "older checkpoint")
    last = report.keys.open(new or ledger.checkpoint() or b"", ledger.origin, "newer checkpoint")
    hashes = store.read(TREE)[: report.size * merkle.WIDTH]
    for one in (first, last):
        one.verify_extended(hashes)
    path = merkle.consistency_proof(hashes[: last.size * merkle.WIDTH], first.size)
    made = {
        "format": FORMAT,
        "old": first.note.decode(),
        "new": last.note.decode(),
        "path": [b64encode(one).decode() for one in path],
        "rotations": rotations(ledger.entries()),
        "vkey": _own(ledger),
    }
    return canonical(made)


def check(data: bytes, vkey: str | None = None) -> Extended:
    """Check a consistency proof; nothing else is read.

    Args:
        data: the file.
        vkey: the pipeline's public key, now or before a rotation, kept elsewhere; None takes the proof's own.

    Raises:
        IntegrityError: names the step that does not hold.
        ConfigError: vkey is malformed.
    """
    proof = _parsed(data)
    try:
        key = Verifier.parse(vkey or proof["vkey"])
    except ConfigError as error:
        if vkey:
            raise
        raise IntegrityError("consistency proof: holds no public key; give one with --key") from error
    origin = str(proof["new"]).partition("\n")[0]
    ring = linked(key, proof["rotations"], origin, "consistency proof: rotations")
    old, new = (ring.open(proof[name].encode(), origin, f"consistency proof: {name}") for name in ("old", "new"))
    merkle.verify_consistency(old.size, old.root, new.size, new.root, decoded(proof["path"]))
    own = "the public key is the proof's own: whoever made the proof may have made the key"
    return Extended(origin, old.size, new.size, new.root.hex(), () if vkey else (own,))


def _parsed(data: bytes) -> Mapping[str, Any]:
    proof = parse_canonical(data[: LARGEST + 1], "consistency proof")
    lists = {"path", "rotations"}
    if (
        not isinstance(proof, dict)
        or sorted(proof) != list(_KEYS)
        or proof["format"] != FORMAT
        or any(not isinstance(proof[key], list if key in lists else str) for key in _KEYS)
    ):
        raise IntegrityError(f"consistency proof: expected {FORMAT!r} with {', '.join(_KEYS)}; it is another file")
    return proof


def _own(ledger: Ledger) -> str:
    """Return the key that the ledger begins with."""
    first = next(ledger.entries())
    if first.type != KEY_ADDED:
        raise IntegrityError("ledger: does not begin with its key; it was not written by corpus_gov")
    return first.added_key("entry 0").vkey
