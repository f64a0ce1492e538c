"""Measure all that looks at language, quality and harm together: ms a MB and MB/s on one core.

    python bench/families.py --data ../shared/data [--card MODEL.json]

The families language, quality, structure and, with the card of a model, classifiers; the screens keywords, poisoning
and blocklist with the shipped packs; not perplexity. Every fourth of the first 20,000 documents of each set, in batches
of 2,000; CPU time, the best of turns in which all are run one after the other.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from language import documents

from corpus_gov import classifiers, rules, screens
from corpus_gov.signals import measure

PACKS = ("cn.harm", "world.harm", "common.topic", "common.poisoning", "common.blocklist")
DOCUMENTS, STEP, BATCH = 20_000, 4, 2_000


def main() -> None:
    """Print a row for each family and screen, and for all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--card", type=Path, help="of a classifier, with its model beside it")
    asked = parser.parse_args()
    sets = {name: batches(asked.data / "bench" / f"{name}.parquet") for name in ("zh", "en")}
    took: dict[tuple[str, str], float] = {}
    looks = looked(asked.card)
    for _ in range(4):  # the first turn compiles
        for (name, look), (language, found) in ((one, two) for one in looks.items() for two in sets.items()):
            began = time.thread_time()
            for batch in found:
                look(batch)
            seconds = time.thread_time() - began
            took[name, language] = min(took.get((name, language), seconds), seconds)
    size = {language: sum(one.column("text").nbytes for one in found) / 1e6 for language, found in sets.items()}
    for name in looks:
        took["all", "zh"] = took.get(("all", "zh"), 0.0) + took[name, "zh"]
        took["all", "en"] = took.get(("all", "en"), 0.0) + took[name, "en"]
    print("| | zh, ms/MB | MB/s | en, ms/MB | MB/s |\n|---|---|---|---|---|")
    for name in (*looks, "all"):
        each = [took[name, language] / size[language] for language in sets]
        print(f"| {name} | " + " | ".join(f"{1e3 * one:.1f} | {1 / one:.0f}" for one in each) + " |")


def batches(path: Path) -> list[pa.RecordBatch]:
    """Read some documents of a set."""
    texts = pq.read_table(path, columns=["text"])["text"].take(np.arange(0, DOCUMENTS, STEP)).to_pylist()
    return [documents(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]


def looked(card: Path | None) -> Mapping[str, Callable[[pa.RecordBatch], object]]:
    """Name what is measured."""
    named: dict[str, Callable[[pa.RecordBatch], object]] = {
        family: lambda batch, family=family: measure(family, batch, {})  # type: ignore[misc]
        for family in ("language", "quality", "structure")
    }
    if card:
        params = {"cards": ((str(card), classifiers.digest_of(card)),)}
        named["classifiers"] = lambda batch: measure("classifiers", batch, params)
    packs = rules.load_packs(PACKS)
    for name in ("keywords", "poisoning", "blocklist"):
        pack = rules.concern(packs, name)
        named[name] = lambda batch, name=name, pack=pack: screens.look(name, batch, pack)  # type: ignore[misc]
    return named


if __name__ == "__main__":
    main()
