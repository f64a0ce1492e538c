"""A small corpus ready to be published: ten documents, two shards, two manifest files."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from corpus_gov import apply, artefacts, manifest, merkle, schemas
from corpus_gov.ledger import Ledger, Signer
from corpus_gov.release import Content, Part
from corpus_gov.store import LocalStore, MemoryStore, Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ORIGIN = "corpus-gov/test"
LEAF_KEY = b"k" * 32
DISPOSITIONS = ("keep", "keep", "redact", "drop", "quarantine", "keep", "drop", "keep", "redact", "keep")


def doc_id(number: int) -> str:
    """Name document `number`; ascending with it."""
    return f"{number:02x}" * 16


def new_store(kind: str, tmp_path: Path) -> Store:
    """Make an empty store of one of the kinds that everything must hold on."""
    if kind == "local":
        return LocalStore(tmp_path / "workspace")
    return MemoryStore(secrets.token_hex(8), list_delay=5)


def clean_rows(numbers: Sequence[int], generation: int) -> pa.Table:
    """Build CLEAN rows."""
    texts = [f"text {number} of generation {generation}" for number in numbers]
    columns = {
        "doc_id": pa.array([doc_id(n) for n in numbers], pa.string()),
        "source_id": pa.array(["site"] * len(numbers), pa.string()),
        "uri": pa.array([f"https://site.example/{n}" if n % 2 else None for n in numbers], schemas.TEXT),
        "title": pa.array(["Title"] * len(numbers), schemas.TEXT),
        "text": pa.array(texts, schemas.TEXT),
        "language": pa.array(["en"] * len(numbers), pa.string()),
        "licence": pa.nulls(len(numbers), pa.string()),
        "attribution": pa.nulls(len(numbers), schemas.TEXT),
        "published_at": pa.nulls(len(numbers), schemas.TIME),
        "aigc_state": pa.array(["none_found"] * len(numbers), pa.string()),
    }
    columns["released_digest"] = apply.released_digests(columns["uri"], columns["title"], columns["text"])
    return pa.table(columns, schema=schemas.CLEAN)


def manifest_row(number: int, released: Mapping[str, str], representatives: Mapping[int, str]) -> dict[str, Any]:
    """Build one row of the manifest before sealing."""
    digest = sha256(f"{number}".encode()).hexdigest()
    disposition = DISPOSITIONS[number]
    reason = {"code": "quality.short", "disposition": disposition, "category": "", "legal": ""}
    known = {
        "doc_id": doc_id(number), "source_id": "site", "payload_digest": digest, "text_digest": digest,
        "extractor": "test@1", "rights_state": "permitted", "rights_conflict": False,
        "rights_evidence": [], "rights_notices": [], "optout_state": "allowed",
        "ip_risk": "none_found", "aigc_state": "not_screened", "language": "en", "disposition": disposition,
        "reasons": [] if disposition == "keep" else [reason], "screened": ["common.pii@1:00"],
        "policy_digest": "00", "actor": "policy", "released_digest": released.get(doc_id(number)),
        "representative_id": representatives.get(number), "shard": f"s{number % 2}.0", "row": number,
    }  # fmt: skip
    return {name: known.get(name) for name in manifest.ROWS.names}


@cache
def built(generation: int, representatives: tuple[tuple[int, str], ...]) -> tuple[dict[str, bytes], bytes]:
    """Build the Parquet files of a release by name, and its tree."""
    released = [n for n, disposition in enumerate(DISPOSITIONS) if disposition in ("keep", "redact")]
    tables = {f"clean/site/s{i}.0.parquet": clean_rows([n for n in released if n % 2 == i], generation) for i in (0, 1)}
    digests = {}
    for table in tables.values():
        digests |= dict(zip(table["doc_id"].to_pylist(), table["released_digest"].to_pylist(), strict=True))
    rows = [manifest_row(n, digests, dict(representatives)) for n in range(len(DISPOSITIONS))]
    sealed = manifest.seal_rows(pa.Table.from_pylist(rows, schema=manifest.ROWS), LEAF_KEY)
    tables |= {"manifest/00000.parquet": sealed.slice(0, 5), "manifest/00001.parquet": sealed.slice(5)}
    edit = {"doc_id": doc_id(2), "column": "text", "start": 0, "end": 4, "placeholder": "[NAME]"}
    tables["edits/site/s0.0.parquet"] = pa.Table.from_pylist([edit], schema=schemas.EDITS)
    files = {name: artefacts.encode(table) for name, table in tables.items()}
    return files, manifest.tree_bytes(manifest.leaf_hashes(sealed))


def content(store: Store, generation: int = 1, *, representatives: Mapping[int, str] | None = None) -> Content:
    """Build the parts of a release in the build cache; equal arguments give an equal root."""
    made_from = tuple(sorted((representatives or {6: doc_id(5)}).items()))
    files, tree = built(generation, made_from)
    parts = []
    for name, data in files.items():
        artefact = artefacts.name(f"test.{name.partition('/')[0]}", name, generation, made_from)
        artefacts.put(store, artefact, data)
        parts.append(Part(name, artefact))
    counts = {
        "records": 14,
        "captures": {"document": 10, "repeat": 1, "evidence": 1, "skipped": 3},
        "documents": 10,
        "dispositions": {name: DISPOSITIONS.count(name) for name in schemas.DISPOSITIONS},
    }
    run = {"counts": counts, "packs": ["common.pii@1:00"], "policy": {"name": "trial", "version": 1, "digest": "00"}}
    return Content(parts[:2], parts[2:4], tree, merkle.root(tree).hex(), 10, run, edits=parts[4:])


def new_ledger(store: Store) -> Ledger:
    """Open the ledger of a store."""
    return Ledger(store, ORIGIN)


def register(ledger: Ledger, signer: Signer) -> None:
    """Write the first entry of a log, its own key."""
    ledger.append("key_added", {}, {"vkey": signer.vkey}, actor=signer.name, signer=signer, time=NOW)
