"""The gate and the report over a release of a million documents: time and peak memory.

    python bench/report.py FOLDER                    # builds the release where it is not there, then measures both
    python bench/report.py FOLDER --only gate        # one part: gate, report
    python bench/report.py FOLDER --documents 100_000

Rows, clean documents and the tree are those of `million.py`, spread over twenty sources with languages, licences,
rights and opt-out states; beside them lie captures, signals (every column of three families) and findings of personal
data, so that everything is read that a real run reads. Each part runs in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import million
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import acts, artefacts, gate, merkle, pipeline, release, reporting, schemas, verdicts
from corpus_gov.described import described
from corpus_gov.published import BATCH_INGESTED
from corpus_gov.stages import Shard
from corpus_gov.workspace import Workspace, init, open_workspace

SOURCES: Final = 20
FAMILIES: Final = ("quality", "language", "structure")
DAY: Final = date(2026, 11, 1)
LICENCES: Final = (None, "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT", "LicenseRef-terms")
LANGUAGES: Final = ("zh", "en", "ja", "de", "fr", "und")


def spread(rows: pa.Table) -> pa.Table:
    """Give rows sources, languages, licences and states, by their place."""
    place = np.arange(rows.num_rows)
    choices: dict[str, tuple[Any, ...]] = {
        "language": LANGUAGES,
        "rights_licence": LICENCES,
        "rights_state": schemas.RIGHTS_STATES,
        "aigc_state": schemas.AIGC_STATES,
    }
    for step, (name, values) in enumerate(choices.items(), 3):
        column = pa.array(values, pa.string()).take(pa.array(place * step // 7 % len(values)))
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows.set_column(
        rows.schema.get_field_index("source_id"),
        rows.schema.field("source_id"),
        pa.array([f"source-{int(shard[1:3]) % SOURCES:02d}" for shard in rows["shard"].to_pylist()]),
    )


def ingested(workspace: Workspace, rows: pa.Table) -> tuple[list[Shard], dict[str, dict[str, str]]]:
    """Write captures, signals and findings of every shard; returns the shards and the names of artefacts."""
    random, shards, names = np.random.default_rng(7), [], {}
    for ref in pc.unique(rows["shard"]).sort().to_pylist():
        mine = rows.filter(pc.equal(rows["shard"], ref))
        ids, source, n = mine["doc_id"].combine_chunks(), mine["source_id"][0].as_py(), mine.num_rows
        outcome = np.where(np.arange(n + n // 10) < n, "document", "skipped")
        columns = {"outcome": pa.array(outcome), "reason": pa.array(np.where(outcome == "document", None, "no_text"))}
        empty = schemas.CAPTURES
        captures = pa.table(
            [columns.get(f.name, pa.nulls(len(outcome), f.type)).cast(f.type) for f in empty], names=empty.names
        )
        data = artefacts.encode(captures)
        workspace.store.put(f"captures/{source}/{ref}.parquet", data)
        shard_id, generation = ref.split(".")
        shards.append(
            Shard(
                source, shard_id, int(generation), "made", "0" * 64, "0" * 64,
                {"document": n, "skipped": n // 10}, len(outcome), n, 0, n * million.TEXT_CHARS,
                {"captures": sha256(data).hexdigest()},
            )
        )  # fmt: skip
        names[ref] = {f"signals.{family}": signals(workspace, family, ids, random) for family in FAMILIES}
        found = pc.take(ids, pa.array(random.integers(0, n, n // 5)))
        rule = pa.array(["pii.email", "pii.cn_mobile"]).take(pa.array(random.integers(0, 2, len(found))))
        names[ref]["findings.pii"] = artefacts.put_table(
            workspace.store, "findings.pii", pa.table({"doc_id": found, "rule": rule})
        )
    return shards, names


def signals(workspace: Workspace, family: str, ids: pa.Array, random: np.random.Generator) -> str:
    """Write a table of numbers within the bounds of a family's signals."""
    schema, said = import_module(f"corpus_gov.signals.{family}").SCHEMA, described(family)
    columns: dict[str, Any] = {"doc_id": ids}
    for field in schema:
        if pa.types.is_integer(field.type):
            scale = schemas.SCALE if b"scale" in (field.metadata or {}) else 1
            low, high = said[field.name].low or 0, said[field.name].high
            top = int(high * scale) if high is not None else 5_000
            numbers = random.integers(int(low * scale), top, len(ids), endpoint=True)
            columns[field.name] = pa.array(numbers).cast(field.type)
    return artefacts.put_table(workspace.store, f"signals.{family}", pa.table(columns))


def facts(rows: pa.Table, shards: list[Shard], names: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Make run.json of the release."""
    by_source: dict[str, Counter[str]] = {}
    languages: dict[str, Counter[str]] = {}
    grouped = rows.group_by(["source_id", "disposition", "language"]).aggregate([([], "count_all")]).to_pylist()
    for one in grouped:
        by_source.setdefault(one["source_id"], Counter())[one["disposition"]] += one["count_all"]
        languages.setdefault(one["source_id"], Counter())[one["language"]] += one["count_all"]
    dispositions = sum(by_source.values(), Counter())
    drop = dispositions["drop"]
    counts = {
        "records": sum(shard.records for shard in shards),
        "captures": {"document": rows.num_rows, "skipped": sum(shard.outcomes["skipped"] for shard in shards)},
        "documents": rows.num_rows,
        "dispositions": dict(dispositions),
        "text_bytes": rows.num_rows * million.TEXT_CHARS,
        "reasons": {"quality.empty": drop, "personal.redact:pii.email@2": dispositions["redact"]},
        "by_source": {source: dict(n) for source, n in sorted(by_source.items())},
        "removal_rate": dict.fromkeys(by_source, 1_000),
        "duplicate_rate": dict.fromkeys(by_source, 120),
        "languages": {source: dict(n) for source, n in languages.items()},
        "items": {source: {"50": 0, "500": 10, "5000": 20, "sum": 240} for source in by_source},
        "superseded": 0,
        "verdicts": {
            source: {"illegal": vars(verdicts.verdict(9, n.total()))} for source, n in by_source.items()
        },
        "clusters": {"documents": 900, "clusters": 300, "largest": 40, "sizes": {"2": 200, "3-4": 90, "33-64": 10}},
    }  # fmt: skip
    return {
        "run_key": "00" * 32, "run_id": "bench", "as_of": DAY.isoformat(), "packs": million.PACKS, "provisional": True,
        "policy": {"name": "bench", "version": 1, "digest": "11" * 32, "clauses": [],
                   "placeholders": {"pii.email": "[EMAIL]", "pii.cn_mobile": "[PHONE]"}},
        "sources": dict.fromkeys(by_source, "unassessed"), "shards": [shard.ref for shard in shards],
        "artefacts": names, "counts": counts, "alarms": [], "assessments": {}, "overrides": {}, "dossiers": {},
        "diversity": {}, "who": "bench", "when": datetime(2026, 11, 1, tzinfo=UTC).isoformat(), "code_version": "bench",
        "libraries": {}, "engine": {"python": "", "machine": ""}, "stages": {}, "rebuilt": [], "parent": None,
    }  # fmt: skip


def build(folder: Path, count: int) -> None:
    """Publish a release into a new workspace, and keep its draft."""
    workspace = init(folder / "workspace", name="bench", owner="bench", policy="trial")
    rows = spread(million.documents(count))
    shards, names = ingested(workspace, rows)
    run = facts(rows, shards, names)
    with workspace.writing() as lease:
        acts.note_changes(workspace)
        body = artefacts.canonical({"shards": [asdict(shard) for shard in shards]})
        workspace.store.put("batches/bench.json", body)
        acts.record(workspace, BATCH_INGESTED, {"batches/bench.json": sha256(body).hexdigest()}, {})
        parts = replace(million.content(workspace.store, rows, policy="bench"), run=run)
        release.publish(workspace.store, lease, workspace.ledger(), workspace.signer(), parts)
    made = pipeline.Draft(
        run["run_key"], DAY, merkle.root(parts.tree).hex(), count, tuple(parts.clean), tuple(parts.manifest), (),
        run["counts"], run,
    )  # fmt: skip
    draft = {**asdict(made), "as_of": DAY.isoformat()}
    (folder / "draft.json").write_text(json.dumps(draft), encoding="utf-8")


def measure_gate(folder: Path) -> dict[str, object]:
    """Check every expectation on the draft, Great Expectations' import included."""
    body = json.loads((folder / "draft.json").read_text(encoding="utf-8"))
    for kind in ("clean", "manifest"):
        body[kind] = tuple(release.Part(**one) for one in body[kind])
    body = {name: value for name, value in body.items() if name in pipeline.Draft.__dataclass_fields__}
    draft = pipeline.Draft(**{**body, "as_of": DAY, "trees": ()})
    started = time.perf_counter()
    results = gate.check(draft, open_workspace(folder / "workspace"))
    return {"expectations": len(results), "s": round(time.perf_counter() - started, 2)}


def measure_report(folder: Path) -> dict[str, object]:
    """Write the report in both languages, every import included."""
    started = time.perf_counter()
    workspace = open_workspace(folder / "workspace")
    files = reporting.write(workspace, workspace.releases()[-1])
    sizes = [len(workspace.store.read(file)) for file in files]
    return {"files": len(files), "bytes": sizes, "s": round(time.perf_counter() - started, 2)}


PARTS: Final = {"gate": measure_gate, "report": measure_report}


def main() -> None:
    """Build where needed, and measure each part in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    folder = options.folder.absolute()
    os.environ["CORPUS_GOV_KEYS"] = str(folder / "keys")
    if not (folder / "draft.json").is_file():
        build(folder, options.documents)
    if options.only:
        found = PARTS[options.only](folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"part": options.only, **found, "peak MB": round(peak)}), flush=True)
        return
    for part in PARTS:
        subprocess.run([sys.executable, __file__, str(folder), "--only", part], check=True)


if __name__ == "__main__":
    main()
