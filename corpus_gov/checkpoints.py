"""Checkpoints: the signed head of a log, in the C2SP tlog-checkpoint form."""

import re
from base64 import b64encode
from dataclasses import dataclass

from corpus_gov import merkle
from corpus_gov.errors import IntegrityError
from corpus_gov.signatures import Signer, Verifier, decode_base64, open_note


@dataclass(frozen=True)
class Checkpoint:
    """A signed head: the log `origin` had `size` entries with this root; `note` is what to keep elsewhere."""

    origin: str
    size: int
    root: bytes
    note: bytes

    @classmethod
    def sign(cls, origin: str, hashes: bytes, signer: Signer) -> "Checkpoint":
        """Sign the head of a log with these leaf hashes."""
        size, root = merkle.size(hashes), merkle.root(hashes)
        return cls(origin, size, root, signer.sign_note(f"{origin}\n{size}\n{b64encode(root).decode()}\n"))

    @classmethod
    def open(cls, note: bytes, verifier: Verifier, origin: str, where: str) -> "Checkpoint":
        """Read a checkpoint that `verifier` signed for the log `origin`.

        Raises:
            IntegrityError: names `where`.
        """
        lines = open_note(note, verifier, where).split("\n")
        # Further lines before the last are extensions that the format allows and we do not write.
        if len(lines) < 4 or lines[0] != origin:
            raise IntegrityError(f"{where}: origin is {lines[0]!r}, expected {origin!r}; it is of another log")
        size = int(lines[1]) if re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) else -1
        root = decode_base64(lines[2], where)
        if size < 0 or len(root) != merkle.WIDTH:
            raise IntegrityError(f"{where}: found size {lines[1]!r} and root {lines[2]!r}; it is no checkpoint")
        return cls(origin, size, root, note)

    def verify_extended(self, hashes: bytes) -> None:
        """Check that a log with these leaf hashes still begins with what this checkpoint covered.

        Raises:
            IntegrityError: it was rolled back or forked; names this checkpoint.
        """
        where, size = f"known checkpoint of {self.size} entries", merkle.size(hashes)
        if self.size > size:
            raise IntegrityError(f"{where}: the log has {size}; it was rolled back to an earlier state")
        root = merkle.root(hashes[: self.size * merkle.WIDTH])
        if root != self.root:
            raise IntegrityError(
                f"{where}: its root is {self.root.hex()!r}, that of the log at this size {root.hex()!r}; "
                "the log was forked: what that checkpoint covered was rewritten"
            )
