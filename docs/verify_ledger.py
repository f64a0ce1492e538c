# ruff: noqa: INP001 - stands alone on purpose: it shares no code with the package that it checks
"""Check a ledger or a proof: python verify_ledger.py ledger|consistency|proof PATH [KEY [CHECKPOINT…]].

Written from evidence.md and manifest-format.md. PATH is the folder `ledger` of a workspace, or a file. Without a KEY
the ledger's or file's own is taken, which whoever made it may have made too. `proof` also needs `verify_manifest.py`
beside this file, and pyarrow with it.
"""

import base64
import gzip
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ENTRY = b"application/vnd.corpus-gov.entry+json"


def stop(problem: str) -> NoReturn:
    """End with the first thing that does not hold."""
    sys.exit(f"does not hold: {problem}")


def number_of(key: str) -> bytes:
    """Return the key id that follows from name and public key."""
    name, _, raw = key.split("+", 2)
    return sha256(name.encode() + b"\n" + base64.b64decode(raw)).digest()[:4]


def named(key: str) -> str:
    """Name a key as entries do."""
    return key.split("+", 2)[0] + "+" + number_of(key).hex()


def signed(key: str, signature: bytes, message: bytes, what: str) -> None:
    """Check one signature."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(key.split("+", 2)[2])[1:]).verify(signature, message)
    except InvalidSignature:
        stop(f"{what}: signature of {named(key)}")


def node(left: bytes, right: bytes) -> bytes:
    """Hash two nodes."""
    return sha256(b"\x01" + left + right).digest()


def cut(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    at = cut(len(leaves))
    return node(tree_root(leaves[:at]), tree_root(leaves[at:]))


def above(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Follow an inclusion path, RFC 9162, 2.1.3.1, from the root's end."""
    if size == 1:
        return leaf
    at, sibling = cut(size), path.pop()
    if index < at:
        return node(above(leaf, index, at, path), sibling)
    return node(sibling, above(leaf, index - at, size - at, path))


def two_roots(old: int, new: int, path: list[bytes], given: bytes | None) -> tuple[bytes, bytes]:
    """Follow a consistency path, RFC 9162, 2.1.4.1, from its end: the roots of the older and the newer tree."""
    if old == new:
        known = given if given is not None else path.pop()
        return known, known
    at, sibling = cut(new), path.pop()
    if old <= at:
        first, second = two_roots(old, at, path, given)
        return first, node(second, sibling)
    first, second = two_roots(old - at, new - at, path, None)
    return node(sibling, first), node(sibling, second)


def head(note: str, keys: list[tuple[int, str]]) -> tuple[str, int, bytes]:
    """Check a checkpoint, and return the log's name, its size and root."""
    text, _, lines = note.rpartition("\n\n")
    origin, size, root = (text + "\n").split("\n")[:3]
    key = next(key for since, key in reversed(keys) if since <= int(size))
    for line in lines.splitlines():
        _, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded)
        if name == key.split("+", 1)[0] and raw[:4] == number_of(key):
            signed(key, raw[4:], (text + "\n").encode(), "checkpoint")
            return origin, int(size), base64.b64decode(root)
    stop(f"checkpoint of {size} entries: not signed by {named(key)}")


def stored(entry: dict[str, Any]) -> bytes:
    """Write an entry as it is stored."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_entry(entry: dict[str, Any], keys: list[tuple[int, str]], actors: dict[str, str]) -> None:
    """Check an entry's signatures, and learn the key that it adds."""
    what, now = f"entry {entry['index']}", keys[-1][1]
    body = stored({name: value for name, value in entry.items() if name != "signatures"})
    message = b"DSSEv1 %d %s %d %s" % (len(ENTRY), ENTRY, len(body), body)
    known, needed = {named(key): key for key in (now, *actors.values())}, {named(now)}
    added: str = entry["data"]["vkey"] if entry["type"] in {"key_added", "key_rotated"} else ""
    if entry["type"] == "key_rotated":
        known[named(added)] = added
        needed.add(named(added))
        keys.append((entry["index"] + 1, added))
    elif added:
        actors[added.split("+", 1)[0]] = added
    if not needed <= set(entry["signatures"]) <= set(known):
        stop(f"{what}: signed by {sorted(entry['signatures'])}, expected {sorted(needed)}")
    for name, signature in entry["signatures"].items():
        signed(known[name], base64.b64decode(signature), message, what)


def check_ledger(folder: Path, key: str | None, kept: list[str]) -> str:
    """Check every entry, the tree, the checkpoint, and the checkpoints that were kept."""
    note = (folder / "checkpoint").read_text(encoding="utf-8")
    size = int(note.split("\n")[1])
    raws = [(folder / "entries" / f"{index:020d}").read_bytes() for index in range(size)]
    keys: list[tuple[int, str]] = [(0, json.loads(raws[0])["data"]["vkey"])]
    actors: dict[str, str] = {}
    for index, raw in enumerate(raws):
        entry = json.loads(raw)
        if stored(entry) != raw or (entry["index"], entry["origin"]) != (index, note.split("\n")[0]):
            stop(f"entry {index}: not in its stored form, or moved")
        check_entry(entry, keys, actors)
    if key and key not in [one for _, one in keys]:
        stop(f"no key of this ledger is {named(key)}")
    leaves = [sha256(b"\x00" + raw).digest() for raw in raws]
    if (folder / "tree").read_bytes()[: 32 * size] != b"".join(leaves):
        stop("tree: not the hashes of the entries")
    for one in (note, *kept):
        _, covered, root = head(one, keys)
        if covered > size or tree_root(leaves[:covered]) != root:
            stop(f"checkpoint of {covered} entries: the ledger was rolled back or forked")
    return f"{size} entries, {len(kept)} kept checkpoints, root {tree_root(leaves).hex()}"


def lead(proof: dict[str, Any], key: str | None) -> list[tuple[int, str]]:
    """Return the keys that a proof's rotations lead to from the trusted one."""
    rotations = proof["rotations"]
    keys = [(0, rotations[0]["data"]["before"] if rotations else key or proof["vkey"])]
    for entry in rotations:
        check_entry(entry, keys, {})
    if (key or proof["vkey"]) not in [one for _, one in keys]:
        stop("the rotations do not lead to the key")
    return keys


def decoded(path: list[str]) -> list[bytes]:
    """Decode the hashes of a path."""
    return [base64.b64decode(one) for one in path]


def check_consistency(file: Path, key: str | None, _: list[str]) -> str:
    """Check that the newer checkpoint of a consistency proof extends the older one."""
    proof = json.loads(file.read_bytes())
    keys = lead(proof, key)
    (origin, old, first), (other, new, second) = head(proof["old"], keys), head(proof["new"], keys)
    path = decoded(proof["path"])
    if origin != other or not 0 < old <= new or two_roots(old, new, path, first) != (first, second) or path:
        stop(f"{new} entries do not extend {old}")
    return f"{old} entries are the first of {new}, root {second.hex()}"


def check_proof(file: Path, key: str | None, _: list[str]) -> str:
    """Check the proof of a document: row, manifest's root, entry, checkpoint."""
    import verify_manifest  # noqa: PLC0415 - needs pyarrow, which ledgers do not

    raw = file.read_bytes()
    proof = json.loads(gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw)
    keys, entry = lead(proof, key), proof["entry"]
    origin, size, root = head(proof["checkpoint"], keys)
    check_entry(entry, [pair for pair in keys if pair[0] <= entry["index"]], {})
    path = decoded(proof["entry_path"])
    leaf = sha256(b"\x00" + stored(entry)).digest()
    if entry["origin"] != origin or above(leaf, entry["index"], size, path) != root or path:
        stop("the entry is not in the checkpoint")
    row = b"\x01" + b"".join(verify_manifest.encode(proof["row"][name]) for name in verify_manifest.COLUMNS)
    path = decoded(proof["path"])
    leaf = sha256(b"\x00" + bytes.fromhex(proof["salt"]) + row).digest()
    if above(leaf, proof["place"], entry["data"]["size"], path).hex() != entry["data"]["root"] or path:
        stop("the row is not in the manifest")
    return f"{proof['row']['doc_id']} is {proof['row']['disposition']} in {entry['data']['release']}"


CHECKS = {"ledger": check_ledger, "consistency": check_consistency, "proof": check_proof}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in CHECKS:
        sys.exit("usage: python verify_ledger.py ledger|consistency|proof PATH [KEY [CHECKPOINT…]]")
    kept_ones = [Path(name).read_text(encoding="utf-8") for name in sys.argv[4:]]
    try:
        found = CHECKS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None, kept_ones)
    except (OSError, KeyError, IndexError, StopIteration, TypeError, ValueError) as error:
        sys.exit(f"{sys.argv[2]}: cannot be read as a {sys.argv[1]}: {error!r}")
    sys.stdout.write(f"ok: {found}\n")
