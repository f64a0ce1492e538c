"""Measure what one new keyword costs: findings of a corpus by the shipped lists, and again after an entry was added.

    python bench/new_keyword.py --data ../shared/data

The bench set is stored as shards, as a run does it. Timed is the stage of a run that makes their findings: rules are
read, shards are read from the store and checked, texts searched for the new entry, the documents that have it screened,
and the table written. Nothing but findings by words is missing then. The findings are compared with those of a store
that never had others.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from measuring import documents

from corpus_gov import artefacts
from corpus_gov.keys import Keys
from corpus_gov.rules import shipped
from corpus_gov.stages import Context, Shard
from corpus_gov.stages.looking import BuildTask, artefact_names, build_shard

PACKS = ("cn.harm", "world.harm", "common.topic")
OF_SHARD = 10_000
"""Documents of a shard: some 32 MB, as ingest makes them."""
NEW_WORDS = ("线上棋牌送金币再", "free spins no wager", "线上棋牌送金币")
"""One more a time."""
LEAST_SPEED = 100.0
"""MB/s of text, under what is measured on a quiet machine, so that a busy one does not fail. The goal is 150."""


def main() -> None:
    """Print the table; fail below the floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    print("| texts | MB | whole screen, MB/s | one word more, MB/s |\n|---|---|---|---|")
    rates = []
    for name in ("zh", "en"):
        texts = pq.read_table(given.data / "bench" / f"{name}.parquet", columns=["text"])["text"]
        megabytes = texts.nbytes / 1e6
        with tempfile.TemporaryDirectory() as folder:
            first, again = timed(Path(folder), texts.to_pylist())
        rates.append(megabytes / again)
        print(f"| {name} | {megabytes:.0f} | {megabytes / first:.0f} | {rates[-1]:.0f} |", flush=True)
    assert min(rates) >= LEAST_SPEED, rates


def timed(folder: Path, texts: Sequence[str]) -> tuple[float, float]:
    """Return the CPU seconds of findings by the shipped lists, and of those by one word more, the least of its runs."""
    Keys.create(folder / "keys")
    shutil.copytree(str(shipped()), folder / "rules")
    words = folder / "rules" / "cn" / "words" / "gambling.txt"
    before = words.read_text(encoding="utf-8")
    context, fresh = (context_of(folder, name) for name in ("store", "fresh"))
    parts = [texts[at : at + OF_SHARD] for at in range(0, len(texts), OF_SHARD)]
    shards = [stored((context, fresh), number, part) for number, part in enumerate(parts)]
    first = built(context, shards)
    again = []
    for n in range(1, len(NEW_WORDS) + 1):
        words.write_text("\n".join([before, "[offer]", *NEW_WORDS[:n]]), encoding="utf-8")
        again.append(built(context, shards))
    built(fresh, shards)
    for shard in shards:
        name = artefact_names(context, shard)["findings.keywords"]
        assert artefacts.read(fresh.store(), name) == artefacts.read(context.store(), name)
    return first, min(again)


def context_of(folder: Path, store: str) -> Context:
    """Return what tasks need, with a store of its own."""
    return Context(
        url=str(folder / store), keys_folder=str(folder / "keys"), packs=PACKS, rules_folder=str(folder / "rules"),
        policy="trial", families=(), near="none",
    )  # fmt: skip


def stored(contexts: Sequence[Context], number: int, texts: Sequence[str]) -> Shard:
    """Store the documents of a shard, in each store."""
    data = artefacts.encode(pa.Table.from_batches([documents(texts)]))
    size = sum(len(text.encode()) for text in texts)
    made = Shard(
        "bench", f"{number:05d}", 0, "", "", "", {}, len(texts), len(texts), size, len(data),
        {"documents": sha256(data).hexdigest()},
    )  # fmt: skip
    for context in contexts:
        context.store().put(made.name("documents"), data)
    return made


def built(context: Context, shards: Sequence[Shard]) -> float:
    """Make the findings of all shards; returns the CPU seconds of all threads."""
    # Once a run, where it is planned; each worker reads the rules again, and that is timed.
    pinned = context.with_refs()
    started = time.process_time()
    assert pinned.screens() == ("keywords",), "only words are timed"
    for shard in shards:
        build_shard(BuildTask(pinned, shard))
    return time.process_time() - started


if __name__ == "__main__":
    main()
