"""Measure quality signals: MB/s on one core, low quality found at 1 % false positives, agreement with datatrove.

    python bench/quality.py --data ../shared/data [--peers VENV/bin/python]

The rule for low quality is RULE: a text is bad where any signal is beyond its limit. The limits were set on one half
of 10_low_quality (even numbers) and are reported on the other; what the signals count was thought up with both in
view. With --peers, the interpreter of an environment that has datatrove, its Gopher, C4 and FineWeb filters run over a
small sample in a process of their own: speed, and the share of documents that get the same verdict from our policies
of these names.
"""

import argparse
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from measuring import documents, rows, speed

from corpus_gov import expressions, policy
from corpus_gov.schemas import SCALE
from corpus_gov.signals import quality

RULE = {
    "clause_entropy": 2_550,  # clauses in any order get any mark at their end
    "open_line_share": 1_000,  # lines that break off: two texts in turns, columns read across
    "dup_10gram_share": 3_300,  # blocks that come twice
    "n_insets": 0,  # advertising put between clauses
    "n_lost_numbers": 0,  # digits lost
}
"""Signal → the most that a good text has."""

FLOORS = {
    "scramble": 0.9,
    "interleave_two_docs": 0.8,
    "repeat_block": 0.9,
    "keyword_stuffing": 0.9,
    "digits_removed": 0.75,
}
"""Least recall on the half that was not looked at; what lost whole sentences cannot be told from the text."""
MOST_FALSE = 0.01
LEAST_SPEED = 20.0
"""MB/s, far under what is measured on a quiet machine, so that a busy one does not fail."""

PEERS = """
import json, sys, time
from datatrove.data import Document
from datatrove.pipeline import filters as df
texts = json.load(sys.stdin)
repeats = df.GopherRepetitionFilter()
filters = {
    "gopher": [df.GopherQualityFilter(), repeats],
    "gopher but words.letters": [df.GopherQualityFilter(max_non_alpha_words_ratio=None), repeats],
    "c4": [df.C4QualityFilter()],
    "fineweb": [df.FineWebQualityFilter()],
}
def keeps(some, text):
    return all(each.filter(Document(text=text, id="")) is True for each in some)
for some in filters.values():
    keeps(some, texts[0])
started = time.process_time()
for text in texts:
    for name in ("gopher", "c4", "fineweb"):
        keeps(filters[name], text)
seconds = time.process_time() - started
kept = {name: [keeps(some, text) for text in texts] for name, some in filters.items()}
json.dump({"seconds": seconds, "kept": kept}, sys.stdout)
"""


def main() -> None:
    """Print the tables; fail below a floor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peers", type=Path, help="python of an environment with datatrove")
    given = parser.parse_args()
    low_quality(given.data / "10_low_quality" / "degraded_zh.jsonl.zst")
    speeds = speed(given.data / "bench", {"quality": lambda batch: quality.measure(batch, {})})
    if given.peers:
        peers(given.peers, given.data / "bench")
    assert min(speeds) >= LEAST_SPEED, speeds


def low_quality(path: Path) -> None:
    """Print recall by damage and false positives on both halves."""
    found = list(rows(path))
    signals = quality.measure(documents([row["text"] for row in found]), {}).to_pydict()
    beyond = np.array([np.array(signals[name]) > limit for name, limit in RULE.items()])
    operation = np.array([row["op"] for row in found])
    dev = np.array([int(row["id"].rpartition("-")[2]) % 2 == 0 for row in found])
    print("| damage | texts, tuning half | found | texts, other half | found | by |\n|---|---|---|---|---|---|")
    shares = {}
    for name in ("none", *sorted(set(operation) - {"none"})):
        cells = []
        for half in (dev, ~dev):
            chosen = beyond[:, half & (operation == name)]
            shares[name] = float(chosen.any(axis=0).mean())
            cells.append(f"{chosen.shape[1]} | {shares[name]:.3f}")
        by = ", ".join(
            each for each, hits in zip(RULE, beyond[:, operation == name], strict=True) if hits.mean() >= 0.1
        )
        print(f"| {name} | {' | '.join(cells)} | {by} |")
    false = beyond[:, operation == "none"].any(axis=0).mean()
    print(f"\nfalse positives on both halves: {false:.4f} of {(operation == 'none').sum()}")
    assert shares["none"] <= MOST_FALSE, shares
    for name, floor in FLOORS.items():
        assert shares[name] >= floor, (name, shares[name], floor)


def peers(python: Path, bench: Path, number: int = 150) -> None:
    """Print the speed of datatrove's filters, and how often our policies say the same."""
    print("\n| texts | MB | datatrove, MB/s | same verdict: gopher | gopher but words.letters | c4 | fineweb |")
    print("|---|---|---|---|---|---|---|")
    for name in ("zh", "en"):
        table = pq.read_table(bench / f"{name}.parquet", columns=["text"])
        texts = [
            text for text in table["text"].take(np.arange(0, len(table), len(table) // number)).to_pylist() if text
        ]
        done = subprocess.run(
            [str(python), "-c", PEERS], input=json.dumps(texts), capture_output=True, text=True, check=True
        )
        # Filters may print before.
        theirs = json.loads(done.stdout[done.stdout.index('{"seconds"') :])
        size = sum(len(text.encode()) for text in texts) / 1e6
        same = [np.mean(np.array(kept) == ours(each, texts)) for each, kept in theirs["kept"].items()]
        print(f"| {name} | {size:.1f} | {size / theirs['seconds']:.3f} | {' | '.join(f'{one:.2f}' for one in same)} |")


def ours(name: str, texts: Sequence[str]) -> np.ndarray:
    """Say which texts a policy keeps, without the clauses of others that `fineweb` takes in."""
    batch = quality.measure(documents(texts), {})
    columns = {
        each.name: np.array(batch.column(each.name)) / (SCALE if b"scale" in (each.metadata or {}) else 1)
        for each in batch.schema
        if each.name != "doc_id"
    }
    table = pa.table(
        {"quality": pa.StructArray.from_arrays(list(map(pa.array, columns.values())), names=list(columns))}
    )
    name, _, without = name.partition(" but ")
    clauses = tuple(clause for clause in policy.load(name).clauses if clause.id != without)
    if name == "fineweb":
        clauses = tuple(
            clause for clause in clauses if clause.id in {"lines.end", "lines.short", "lines.again", "lines.list"}
        )
    verdicts = expressions.evaluate([clause.when for clause in clauses if clause.when], table)
    dropped: np.ndarray = np.any([np.array(verdict) for verdict in verdicts], axis=0)
    return ~dropped


if __name__ == "__main__":
    main()
