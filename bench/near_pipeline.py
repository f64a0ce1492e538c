"""The pipeline's own way from Parquet files to removals in a published release, for near.py.

What runs is `corpus_gov.pipeline.run`: ingest, keys, edges, clusters, decide, apply, seal and publish, all writes with
fsync. The policy asks for nothing but duplicates, and the one rule pack in force looks at no text, so that the run does
little that a deduplicator does not do: it also measures quality and language (peers' pipelines do not), looks for
passages, spun copies and repeated lines, and seals a manifest.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import artefacts, pipeline
from corpus_gov.engine import Engine
from corpus_gov.keys import Keys
from corpus_gov.workspace import Workspace, open_workspace

WORKSPACE_ID = "w-near-0001"

SETTINGS = f"""\
id = "{WORKSPACE_ID}"
name = "near"
owner = "bench"
policy = "{{policy}}"
packs = ["common.optout"]
"""

POLICY = """\
policy: near
version: 1
why: Removes copies and near copies, and nothing else.
clauses:
  - id: never
    when: n_chars < 0
    disposition: drop
    why: A policy has a clause; this one removes nothing.
election:
  order: [oldest]
  least_similarity: 0.7
"""

DOSSIER = """\
source_id: near
kind: unassessed
title: Texts of the measurement
inputs: [{inputs}]
format: parquet
fields: {{text: text}}
"""


class Inline(Engine):
    """Tasks one after another in this process: one core, no start-up of workers."""

    def __init__(self) -> None:
        """Note the seconds of each function."""
        self.workers = 1
        self.seconds: dict[str, float] = {}

    def map(self, _stage: str, function: Callable, items: Sequence, _sizes: Sequence[int] | None = None) -> list:
        """Run a function on every item."""
        start = time.perf_counter()
        done = [function(item) for item in items]
        name = function.__name__
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
        return done


@dataclass(frozen=True)
class Way:
    """One run from files to a release."""

    seconds: float
    stages: dict[str, float]
    functions: dict[str, float]
    documents: int
    kept: int
    workspace: Workspace

    @property
    def measuring(self) -> float:
        """Seconds spent on signals, which say nothing of duplicates."""
        return sum(spent for name, spent in self.stages.items() if name.startswith("screen: signals."))


def way(folder: Path, inputs: Sequence[Path]) -> Way:
    """Make a workspace in an empty folder and run the pipeline once; making it is not counted."""
    prepare(folder, inputs)
    workspace, engine = open_workspace(folder / "w"), Inline()
    start = time.perf_counter()
    done = pipeline.run(workspace, engine=engine)
    seconds = time.perf_counter() - start
    counts = done.run["counts"]
    kept = counts["dispositions"]["keep"]
    removed = sum(number for code, number in counts["reasons"].items() if code.startswith("duplicate"))
    assert kept + removed == counts["documents"], counts
    stages = {name: stage["seconds"] for name, stage in done.stages.items()}
    return Way(seconds, stages, engine.seconds, counts["documents"], kept, workspace)


def prepare(folder: Path, inputs: Sequence[Path]) -> None:
    """Write settings, policy, dossier and keys."""
    os.environ["CORPUS_GOV_KEYS"] = str(folder / "keys")
    (folder / "w" / "sources").mkdir(parents=True, mode=0o700)
    (folder / "w").chmod(0o700)
    (folder / "near.yaml").write_text(POLICY)
    (folder / "w" / "corpus-gov.toml").write_text(SETTINGS.format(policy=folder / "near.yaml"))
    quoted = ", ".join(json.dumps(str(path.absolute())) for path in inputs)
    (folder / "w" / "sources" / "near.yaml").write_text(DOSSIER.format(inputs=quoted))
    Keys.create(folder / "keys" / WORKSPACE_ID)


def written(workspace: Workspace) -> pa.Table:
    """Read doc_id and text of every document."""
    names = [shard.name("documents") for shard in workspace.shards()]
    tables = [artefacts.decode(workspace.store.read(name), ["doc_id", "text"]) for name in names]
    return pa.concat_tables(tables).combine_chunks()


def edges(workspace: Workspace) -> pa.Table:
    """Read the edges that the newest release rests on."""
    run: dict[str, Any] = workspace.release().run
    return pa.concat_tables([artefacts.get(workspace.store, name) for name in run["relations"]["edges"]])


def ran(work: Path, inputs: Sequence[Path]) -> Way:
    """Run the pipeline in a folder of its own, which is removed."""
    with tempfile.TemporaryDirectory(dir=work, prefix="workspace-") as folder:
        return way(Path(folder), inputs)


def speeds(seconds: float, size: float, count: int) -> str:
    """Write seconds, MB/s and texts a second as cells."""
    return f"{seconds:.2f} | {size / seconds:.2f} | {count / seconds:,.0f}"


def parts_of(one: Way) -> str:
    """Write the stages of a run, and the functions of its workers, of at least a fiftieth of it."""
    named = {name: spent for name, spent in {**one.stages, **one.functions}.items() if spent >= one.seconds / 50}
    return ", ".join(f"{name} {spent:.2f}" for name, spent in named.items())


def everything(work: Path, source: Path) -> None:
    """Print the pipeline over a whole bulk set, where no peer ends in minutes."""
    text = pq.read_table(source, columns=["text"])["text"]
    size, one = pc.sum(pc.binary_length(text)).as_py() / 1e6, ran(work, [source])
    print(
        f"\nthe pipeline over all of {source.name}: {size:.1f} MB, {len(text):,} texts, {one.kept:,} of "
        f"{one.documents:,} documents kept | {speeds(one.seconds, size, len(text))}\n\nseconds: {parts_of(one)}",
        flush=True,
    )
