"""Merkle trees of RFC 9162: roots, inclusion proofs and consistency proofs.

A tree is given as `hashes`: its leaf hashes, 32 bytes each, one after the other (the content of a `tree`
file). Section numbers are those of RFC 9162.
"""

from hashlib import sha256
from typing import Final

from corpus_gov.errors import IntegrityError

WIDTH = 32
"""Bytes of a hash."""

Hashes = bytes | memoryview
"""n × 32 bytes."""

BLOCK: Final = 4_096
"""Leaves that are hashed up to their common node at once, a power of two: it bounds what lies beside `hashes`."""


def leaf_hash(data: bytes) -> bytes:
    """Hash one leaf (2.1.1); the 0x00 in front keeps leaves and inner nodes apart."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node (2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


def size(hashes: Hashes) -> int:
    """Count the leaves.

    Raises:
        IntegrityError: the length is no multiple of 32.
    """
    count, rest = divmod(len(hashes), WIDTH)
    if rest:
        raise IntegrityError(f"tree: {len(hashes)} bytes, expected a multiple of {WIDTH}; the file was cut")
    return count


def root(hashes: Hashes) -> bytes:
    """Compute the Merkle tree hash (2.1.1); of no leaves, SHA-256 of nothing.

    Pairing neighbours level by level, an odd last one moving up as it is, splits at the same powers of two
    as the recursive definition.
    """
    if size(hashes) == 0:
        return sha256(b"").digest()
    level = blocks(hashes)
    return _top(level) if size(level) <= BLOCK else root(level)


def blocks(hashes: Hashes) -> bytes:
    """Compute the root of each block of 4,096 leaves.

    A block is a whole subtree, and so is the last one, however many leaves it has: the path of a leaf is its path in
    its block, and then that of its block among these.
    """
    view, step = memoryview(hashes), BLOCK * WIDTH
    return b"".join(_top(bytes(view[at : at + step])) for at in range(0, len(view), step))


def inclusion_proof(hashes: Hashes, index: int) -> list[bytes]:
    """List the hashes that lead from leaf `index` to the root (2.1.3.1).

    Raises:
        IntegrityError: there is no such leaf.
    """
    if not 0 <= index < size(hashes):
        raise IntegrityError(f"tree of {size(hashes)} leaves: no leaf {index}; the index is of another tree")
    proof, level = [], bytes(hashes)
    while len(level) > WIDTH:
        sibling = WIDTH * (index ^ 1)
        if sibling < len(level):
            proof.append(level[sibling : sibling + WIDTH])
        level, index = _above(level), index >> 1
    return proof


def verify_inclusion(leaf: bytes, index: int, tree_size: int, proof: list[bytes], expected_root: bytes) -> None:
    """Check that `leaf` is leaf `index` of the tree with this size and root (2.1.3.2).

    Raises:
        IntegrityError: it is not shown to be.
    """
    if not 0 <= index < tree_size:
        raise IntegrityError(f"inclusion proof: no leaf {index} in a tree of {tree_size}")
    node, last, current = index, tree_size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise IntegrityError(f"inclusion proof: {len(proof)} hashes are more than leaf {index} of {tree_size} has")
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        node, last = node >> 1, last >> 1
    if last or current != expected_root:
        raise IntegrityError(
            f"inclusion proof: leaf {index} of {tree_size} leads to {current.hex()!r}, "
            f"the root is {expected_root.hex()!r}; leaf or proof belongs to another tree"
        )


def consistency_proof(hashes: Hashes, old_size: int) -> list[bytes]:
    """List the hashes that show the first `old_size` leaves to be a prefix (2.1.4.1).

    Empty for an old size of nothing, which every tree extends, and for the full size.

    Raises:
        IntegrityError: the tree is smaller than `old_size`.
    """
    total = size(hashes)
    if not 0 <= old_size <= total:
        raise IntegrityError(f"tree of {total} leaves: no older tree of {old_size} leaves; it was cut")
    if old_size in (0, total):
        return []
    return _subproof(memoryview(hashes), old_size, complete=True)


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: list[bytes]) -> None:
    """Check that the newer tree begins with all leaves of the older one (2.1.4.2).

    Raises:
        IntegrityError: it is not shown to.
    """
    where = f"consistency proof from {old_size} to {new_size} leaves"
    if not 0 <= old_size <= new_size:
        raise IntegrityError(f"{where}: a log never shrinks; this is a rollback")
    if old_size in (0, new_size):
        trivial = sha256(b"").digest() if old_size == 0 else new_root
        if proof or old_root != trivial:
            raise IntegrityError(
                f"{where}: the older root is {old_root.hex()!r}, expected {trivial.hex()!r} and no proof"
            )
        return
    first, second = _two_roots(old_size, old_root, new_size, proof, where)
    if (first, second) != (old_root, new_root):
        raise IntegrityError(f"{where}: the roots do not follow from the proof; the log was forked or rewritten")


def _two_roots(old_size: int, old_root: bytes, new_size: int, proof: list[bytes], where: str) -> tuple[bytes, bytes]:
    # A complete older tree is a node of the newer one and so left out of the proof.
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    if not path:
        raise IntegrityError(f"{where}: the proof is empty")
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise IntegrityError(f"{where}: {len(proof)} hashes are too many")
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise IntegrityError(f"{where}: {len(proof)} hashes are too few")
    return first, second


def _subproof(hashes: memoryview, old_size: int, *, complete: bool) -> list[bytes]:
    total = size(hashes)
    if old_size == total:
        return [] if complete else [root(hashes)]
    split = 1 << (total - 1).bit_length() - 1
    left, right = hashes[: split * WIDTH], hashes[split * WIDTH :]
    if old_size <= split:
        return [*_subproof(left, old_size, complete=complete), root(right)]
    return [*_subproof(right, old_size - split, complete=False), root(left)]


def _top(level: bytes) -> bytes:
    while len(level) > WIDTH:
        level = _above(level)
    return level


def _above(level: bytes) -> bytes:
    """Hash neighbours in pairs; an odd last one moves up."""
    pair = 2 * WIDTH
    paired = len(level) - len(level) % pair
    nodes = [sha256(b"\x01" + level[at : at + pair]).digest() for at in range(0, paired, pair)]
    return b"".join([*nodes, level[paired:]])
