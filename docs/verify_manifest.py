# ruff: noqa: INP001 - stands alone on purpose: it shares no code with the package that it checks
"""Check a release's manifest: python verify_manifest.py RELEASE_FOLDER (needs pyarrow; see manifest-format.md).

Recomputes every leaf from the rows and compares it with `tree`, then the root with statement.json. Where rows were
erased, amendments say which leaves have none, and which files others took the place of. The signatures of statement and
amendments are left to `corpus-gov verify`, or to any DSSE tool, with the key that you were given; whether the ledger
names them is left to verify_ledger.py.
"""

import base64
import json
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = """doc_id source_id uri uri_hmac fetched_at payload_digest text_digest extractor rights_state rights_basis
rights_licence rights_conflict rights_evidence rights_notices optout_state optout_digest ip_risk aigc_state
language consent_hmac data_class data_grade minor disposition reasons screened policy_digest
override_id actor cluster_id representative_id edge_similarity released_digest""".split()  # noqa: SIM905 - thirty lines shorter than a list
AMENDMENT = "urn:corpus-gov:amendment:v1"
OUTSIDE = ["leaf_hash", "salt", "shard", "row"]
STRUCTS = {
    "code": ["code", "disposition", "category", "legal"],
    "state": ["state", "licence", "place", "scope", "rule", "score"],
}  # a reason and a statement on rights, each by a field of its own


def encode(value: object) -> bytes:
    """Encode one value: tag and payload."""
    if value is None:
        return b"\x00"
    if isinstance(value, bool):  # before int: a bool is one
        return b"\x01" + bytes([value])
    if isinstance(value, int):
        return b"\x01" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, str):
        return b"\x01" + len(value.encode()).to_bytes(4, "big") + value.encode()
    if isinstance(value, dict):
        return b"\x01" + b"".join(encode(value[name]) for name in STRUCTS["code" if "code" in value else "state"])
    if isinstance(value, list):
        return b"\x01" + len(value).to_bytes(4, "big") + b"".join(sorted(encode(item) for item in value))
    sys.exit(f"a value of type {type(value).__name__} has no place in a manifest row")


def root(level: list[bytes]) -> bytes:
    """Pair neighbours until one is left; an odd last one moves up."""
    while len(level) > 1:
        pairs = [sha256(b"\x01" + b"".join(level[i : i + 2])).digest() for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0] if level else sha256(b"").digest()


def payload(file: Path) -> dict[str, Any]:
    """Read what an envelope says; its signature is not looked at."""
    said: dict[str, Any] = json.loads(base64.b64decode(json.loads(file.read_bytes())["payload"]))
    return said


def amended(folder: Path, stated: dict[str, Any]) -> tuple[dict[int, bytes], set[str]]:
    """Read the amendments: hash by index of the leaves without a row, and the files that were replaced."""
    erased, replaced = {}, set()
    for number, file in enumerate(sorted((folder / "amendments").glob("*.json")), 1):
        statement = payload(file)
        said, files = statement["predicate"], {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
        same = all(said[key] == stated[key] for key in ("release", "root", "size"))
        if not same or said["amendment"] != f"{number:03d}" or statement["predicateType"] != AMENDMENT:
            sys.exit(f"{file}: is no amendment {number} of this release")
        for one in said["replaced"]:
            replaced.add(one["name"])
            by = folder / one["by"]
            # One that a later amendment replaced again is gone.
            if by.exists() and sha256(by.read_bytes()).hexdigest() != files[one["by"]]:
                sys.exit(f"{by}: is not what {file.name} says")
        for leaf in said["leaves"]:
            if leaf["index"] in erased:
                sys.exit(f"{file}: erases leaf {leaf['index']}, which is gone already")
            erased[leaf["index"]] = bytes.fromhex(leaf["hash"])
    return erased, replaced


def main(folder: Path) -> None:
    """Print "ok" with the root, or stop with the first thing that does not hold."""
    tree = (folder / "tree").read_bytes()
    expected = [tree[i : i + 32] for i in range(0, len(tree), 32)]
    stated = payload(folder / "statement.json")["predicate"]
    erased, replaced = amended(folder, stated)
    leaves, last = list[bytes](), ""
    for file in sorted((folder / "manifest").glob("*.parquet")):
        if f"manifest/{file.name}" in replaced:
            continue
        table = pq.read_table(file)
        if table.schema.names != COLUMNS + OUTSIDE:
            sys.exit(f"{file}: does not have the columns of the format, in their order")
        as_integers = table.column("fetched_at").cast(pa.int64())
        for row in table.set_column(COLUMNS.index("fetched_at"), "fetched_at", as_integers).to_pylist():
            while len(leaves) in erased:
                leaves.append(erased[len(leaves)])
            data = b"\x01" + b"".join(encode(row[name]) for name in COLUMNS)
            leaves.append(sha256(b"\x00" + bytes.fromhex(row["salt"]) + data).digest())
            if leaves[-1:] != expected[len(leaves) - 1 : len(leaves)] or row["doc_id"] <= last:
                sys.exit(f"{file}: doc_id {row['doc_id']} is not leaf {len(leaves) - 1} of the tree (after {last!r})")
            last = row["doc_id"]
    while len(leaves) in erased:
        leaves.append(erased[len(leaves)])
    found = {"root": root(leaves).hex(), "size": len(leaves)}
    if leaves != expected or any(stated[key] != value for key, value in found.items()):
        sys.exit(f"{folder}: rows give {found}, tree has {len(expected)} leaves, statement says {stated}")
    gone = f", {len(erased)} of them erased" if erased else ""
    sys.stdout.write(f"ok: {found['size']} rows{gone}, root {found['root']}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python verify_manifest.py RELEASE_FOLDER")
    try:
        main(Path(sys.argv[1]))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        sys.exit(f"{sys.argv[1]}: cannot be read as a release: {error!r}")
