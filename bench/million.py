"""A release of a million documents: time and memory to build its tree, verify, prove, diff and apply it elsewhere.

    python bench/million.py FOLDER                  # builds both releases where they are not there, then measures
    python bench/million.py FOLDER --only prove     # one part: tree, verify, prove, diff, apply
    python bench/million.py FOLDER --documents 100_000

Rows are synthetic, with digests, reasons, rights and thirteen packs as real ones have; texts are slices of this
repository's own documentation, 600 characters each. The second release has other reasons in a thousandth of the rows, a
thousandth fewer documents and as many others. Each part runs in a process of its own, so that its peak memory is its
own. With --kept-policy the second release has the policy of the first, else every row differs in `policy_digest`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from corpus_gov import apply, artefacts, differing, elsewhere, manifest, merkle, proofs, release, schemas
from corpus_gov.kernels.columns import hex_digits
from corpus_gov.lease import Lease
from corpus_gov.ledger import Ledger, Signer
from corpus_gov.store import LocalStore

DOCUMENTS: Final = 1_000_000
ROWS_A_FILE: Final = 65_536
SHARDS: Final = 20
TEXT_CHARS: Final = 600
CHANGED: Final = 1_000
"""One of so many rows differs between the two releases, one is gone and one is new."""
ROUNDS: Final = 25

SIGNER: Final = Signer("bench", Ed25519PrivateKey.from_private_bytes(b"b" * 32))
LEAF_KEY: Final = b"l" * 32
NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
PACKS: Final = [f"pack.number{number}@1:{sha256(bytes([number])).hexdigest()}" for number in range(13)]
REASON: Final = {"code": "quality.short:quality.n_chars@2", "disposition": "drop", "category": "", "legal": ""}
FOUND: Final = {"code": "personal:pii.email@1", "disposition": "redact", "category": "A4f", "legal": "cn.pipl.13"}


def documents(count: int, generation: int = 1) -> pa.Table:
    """Make the rows of a release before sealing, manifest.ROWS, ascending in doc_id.

    Args:
        count: rows.
        generation: 2 differs from 1 as the module says.
    """
    shift = (generation - 1) * (count // CHANGED)
    numbers = np.arange(shift, count + shift)
    ids = np.frombuffer(b"".join(sha256(b"%d" % number).digest() for number in numbers.tolist()), np.uint8)
    ids = ids.reshape(-1, 32)
    order = np.lexsort(ids[:, :16].T[::-1])
    ids, numbers = ids[order], numbers[order]
    kind = numbers % 100
    disposition = np.select([kind < 80, kind < 90, kind < 99], ["keep", "redact", "drop"], "quarantine")
    reason = np.where(kind < 80, 0, np.where(kind < 90, 1, 2))
    reason = np.where((numbers % CHANGED == 0) & (generation > 1), 1, reason)
    reasons = pa.array([[], [FOUND], [REASON]], pa.list_(schemas.REASON)).take(pa.array(reason))
    n, doc_id = len(numbers), hex_digits(ids[:, :16])
    texts = clean_texts(numbers)
    uri = pa.array([f"https://site{number % 997}.example/page/{number}" for number in numbers.tolist()], schemas.TEXT)
    title = pa.array(["Title"] * n, schemas.TEXT)
    released = pc.if_else(pa.array(kind < 90), apply.released_digests(uri, title, texts), None)
    same = {
        "source_id": "site", "extractor": "html@3", "rights_state": "unknown", "rights_conflict": False,
        "optout_state": "not_evaluated", "ip_risk": "unknown", "aigc_state": "none_found", "language": "en",
        "policy_digest": sha256(bytes([generation])).hexdigest(), "actor": "policy",
    }  # fmt: skip
    made = {
        "doc_id": doc_id, "uri": uri.cast(pa.string()), "uri_hmac": hex_digits(ids), "disposition": disposition,
        "payload_digest": hex_digits(ids[:, ::-1]), "reasons": reasons, "released_digest": released,
        "text_digest": pa.array([sha256(text).hexdigest() for text in original_texts(numbers)]),
        "screened": pa.array([PACKS], pa.list_(pa.string())).take(pa.array(np.zeros(n, np.int64))),
        "rights_evidence": pa.array([[]] * n, pa.list_(schemas.EVIDENCE)), "row": pa.array(numbers),
        "rights_notices": pa.array([[]] * n, pa.list_(pa.string())),
        "shard": pa.array([f"s{number % SHARDS:02d}.0" for number in numbers.tolist()]),
    }  # fmt: skip
    columns = [
        made.get(
            column.name, pa.nulls(n, column.type) if column.name not in same else pa.array([same[column.name]] * n)
        )
        for column in manifest.ROWS
    ]
    return pa.table(
        [
            pa.array(c).cast(f.type) if isinstance(c, np.ndarray) else c.cast(f.type)
            for c, f in zip(columns, manifest.ROWS, strict=True)
        ],
        schema=manifest.ROWS,
    )


@cache
def prose() -> str:
    """Return this repository's own pages, one after the other."""
    pages = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


def original_texts(numbers: np.ndarray) -> Iterator[bytes]:
    """Yield the text of each document as stored: a slice of prose, and an address in those that are redacted."""
    pages = prose()
    for number in numbers.tolist():
        at = number * 7919 % (len(pages) - TEXT_CHARS)
        contact = "li@site.example " if 80 <= number % 100 < 90 else ""
        yield f"{contact}{number} {pages[at : at + TEXT_CHARS]}".encode()


def clean_texts(numbers: np.ndarray) -> pa.Array:
    """Return the texts as released."""
    return pa.array(
        [text.replace(b"li@site.example", b"[EMAIL]", 1).decode() for text in original_texts(numbers)], schemas.TEXT
    )


def content(store: LocalStore, rows: pa.Table, *, policy: str) -> release.Content:
    """Seal rows and put the parts of a release into the build cache."""
    parts: dict[str, list[release.Part]] = {"clean": [], "edits": [], "manifest": []}

    def put(name: str, table: pa.Table) -> None:
        artefact = artefacts.name("million", name, policy, rows.num_rows)
        artefacts.put(store, artefact, artefacts.encode(table))
        parts[name.partition("/")[0]].append(release.Part(name, artefact))

    tree = bytearray()
    for number, first in enumerate(range(0, rows.num_rows, ROWS_A_FILE)):
        sealed = manifest.seal_rows(rows.slice(first, ROWS_A_FILE), LEAF_KEY)
        tree += manifest.tree_bytes(manifest.leaf_hashes(sealed))
        put(f"manifest/{number:05d}.parquet", sealed)
    kept = rows.filter(pc.is_valid(rows["released_digest"]))
    for shard in pc.unique(kept["shard"]).sort().to_pylist():
        mine = kept.filter(pc.equal(kept["shard"], shard)).combine_chunks()
        put(f"clean/site/{shard}.parquet", _clean(mine))
        redacted = mine.filter(pc.equal(mine["disposition"], "redact"))["doc_id"]
        n = len(redacted)
        same = [pa.array([value] * n) for value in ("text", 0, len("li@site.example"), "[EMAIL]")]
        put(f"edits/site/{shard}.parquet", pa.table([redacted, *same], schema=schemas.EDITS))
    counts = {row["values"]: row["counts"] for row in pc.value_counts(rows["disposition"]).to_pylist()}
    run = {
        "counts": {
            "records": rows.num_rows, "captures": {"document": rows.num_rows}, "documents": rows.num_rows,
            "dispositions": counts,
        },
        "packs": PACKS, "policy": {"name": "bench", "version": 1, "digest": policy},
    }  # fmt: skip
    tree_ = bytes(tree)
    return release.Content(
        parts["clean"], parts["manifest"], tree_, merkle.root(tree_).hex(), rows.num_rows, run, edits=parts["edits"]
    )


def _clean(rows: pa.Table) -> pa.Table:
    n = rows.num_rows
    made = {
        "title": pa.array(["Title"] * n), "text": clean_texts(np.asarray(rows["row"])),
**{name: rows[name] for name in schemas.CLEAN.names if name in rows.column_names and name != "title"},
    }  # fmt: skip
    return pa.table([made.get(f.name, pa.nulls(n, f.type)) for f in schemas.CLEAN], names=schemas.CLEAN.names).cast(
        schemas.CLEAN
    )


def build(folder: Path, count: int = DOCUMENTS, *, kept_policy: bool = False) -> LocalStore:
    """Publish two releases into a store, unless they are there; returns it."""
    store = LocalStore(folder)
    ledger = Ledger(store, "corpus-gov/bench")
    if not release.releases(store):
        ledger.append("key_added", {}, {"vkey": SIGNER.vkey}, actor=SIGNER.name, signer=SIGNER, time=NOW)
    for generation in range(len(release.releases(store)) + 1, 3):
        rows = documents(count, generation)
        if kept_policy:
            at = rows.schema.get_field_index("policy_digest")
            rows = rows.set_column(at, rows.schema.field(at), pa.array(["00" * 32] * rows.num_rows))
        with Lease.take(store, "bench") as lease:
            release.recover(store, lease, ledger, SIGNER)
            release.publish(store, lease, ledger, SIGNER, content(store, rows, policy=str(generation)), time=NOW)
    artefacts.sweep(store, "million")
    return store


def tree(store: LocalStore) -> dict[str, object]:
    """Compute the root of all leaves, and hash all rows of one file."""
    hashes = store.read("releases/r0001/tree")
    started = time.perf_counter()
    merkle.root(hashes)
    root = time.perf_counter() - started
    table = artefacts.decode(store.read("releases/r0001/manifest/00000.parquet"))
    manifest.leaf_hashes(table.slice(0, 10))
    started = time.perf_counter()
    manifest.leaf_hashes(table)
    leaves = time.perf_counter() - started
    return {"root s": round(root, 2), "leaves/s": round(table.num_rows / leaves)}


def verify(store: LocalStore) -> dict[str, object]:
    """Verify the first release: everything, and its manifest alone (without the clean documents)."""
    started = time.perf_counter()
    report = release.verify(store, "r0001", SIGNER.vkey)
    whole = time.perf_counter() - started
    return {"s": round(whole, 2), "rows/s": round(report.size / whole)}


def prove(store: LocalStore) -> dict[str, object]:
    """Prove documents: the first proof of a release, which lays the roots of blocks aside, and then others."""
    ids = artefacts.decode(
        store.read(
            "releases/r0001/manifest/00007.parquet"
            if count_of(store) > 8 * ROWS_A_FILE
            else "releases/r0001/manifest/00000.parquet"
        ),
        ["doc_id"],
    )["doc_id"]
    artefacts.sweep(store, "nodes")
    started = time.perf_counter()
    proofs.prove(store, "r0001", ids[0].as_py())
    first = time.perf_counter() - started
    spent, sizes = [], []
    for round_ in range(ROUNDS):
        started = time.perf_counter()
        made = proofs.prove(store, "r0001", ids[round_ * 97].as_py())
        spent.append(time.perf_counter() - started)
        sizes.append(len(made))
    started = time.perf_counter()
    proofs.check(made, SIGNER.vkey)
    checked = time.perf_counter() - started
    return {
        "first ms": round(first * 1e3), "median ms": round(float(np.median(spent)) * 1e3, 1),
        "bytes": max(sizes), "check ms": round(checked * 1e3, 1),
    }  # fmt: skip


def count_of(store: LocalStore) -> int:
    """Return how many documents the first release has."""
    return len(store.read("releases/r0001/tree")) // merkle.WIDTH


def diff(store: LocalStore) -> dict[str, object]:
    """Compare the two releases."""
    started = time.perf_counter()
    found = differing.between(store, "r0001", "r0002")
    return {"s": round(time.perf_counter() - started, 2), "rows": found.num_rows}


def applied(store: LocalStore) -> dict[str, object]:
    """Apply the first release to a Parquet copy of its documents."""
    copy = Path(store.root, "copy.parquet")
    if not copy.exists():
        rows = documents(count_of(store)).select(["doc_id", "uri", "row"])
        writer = None
        for first in range(0, rows.num_rows, ROWS_A_FILE):
            part = rows.slice(first, ROWS_A_FILE)
            texts = pa.array([text.decode() for text in original_texts(np.asarray(part["row"]))])
            table = pa.table(
                {"doc_id": part["doc_id"], "uri": part["uri"], "title": ["Title"] * len(part), "text": texts}
            )
            writer = writer or pq.ParquetWriter(copy, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=4096)
        if writer:
            writer.close()
    out = Path(store.root, "applied.parquet")
    out.unlink(missing_ok=True)
    started = time.perf_counter()
    made = elsewhere.apply_to(Path(store.root, "releases", "r0001"), copy, out, vkey=SIGNER.vkey)
    spent = time.perf_counter() - started
    return {"s": round(spent, 2), "rows/s": round(made.rows / spent), "kept": made.kept, "redacted": made.redacted}


PARTS: Final[dict[str, Callable[[LocalStore], dict[str, object]]]] = {
    "tree": tree, "verify": verify, "prove": prove, "diff": diff, "apply": applied,
}  # fmt: skip


def main() -> None:
    """Build, and measure each part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--kept-policy", action="store_true")
    parser.add_argument("--only", choices=[*PARTS, "build"])
    asked = parser.parse_args()
    started = time.perf_counter()
    store = build(asked.folder, asked.documents, kept_policy=asked.kept_policy)
    if asked.only in PARTS:
        facts = PARTS[asked.only](store)
        # Not of getrusage: a child begins there with the peak of whoever started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
        print(json.dumps({"part": asked.only, **facts, "peak MB": peak}))
        return
    print(json.dumps({"part": "build", "s": round(time.perf_counter() - started, 1), "documents": count_of(store)}))
    for part in () if asked.only else PARTS:
        subprocess.run([sys.executable, __file__, str(asked.folder), "--only", part], check=True)


if __name__ == "__main__":
    main()
