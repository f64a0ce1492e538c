"""Measure the clauses of the shipped policies that look at how a text is made: false positives and what they find.

    python bench/policies.py --data ../shared/data [--policy strict]

Each clause is judged on news and law texts of the bench set, which are clean as far as anybody knows (pages of news are
whole pages, with their menus), on damaged texts of 10_low_quality, and on the seed pages of 08_seeds. Limits were set
by hand after looking at all of these, so that none of the figures is of texts that were not seen.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from keywords import LAW, MOST_FALSE, NEWS, upper
from measuring import documents, rows

from corpus_gov import policy, signals
from corpus_gov.expressions import evaluate
from corpus_gov.facts import facts
from corpus_gov.rules import concern, load_packs
from corpus_gov.screens import look
from corpus_gov.stages import FAMILIES

PACKS = ("cn.harm", "world.harm", "common.poisoning", "common.topic")
SCREENS = ("keywords", "poisoning")
PREFIXES = ("structure.", "topic.", "language.")
"""Of the clauses that are measured."""
FLOORS = {"keyword_stuffing": 0.9, "repeat_block": 0.8, "digits_removed": 0.5, "scramble": 0.4}
"""Least recall by damage; below it the measurement fails."""
BATCH = 4_000


def main() -> None:
    """Print the tables of bench/RESULTS.md and check the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--policy", default="default")
    arguments = parser.parse_args()
    clauses = [
        clause
        for clause in policy.load(arguments.policy).clauses
        if clause.id.startswith(PREFIXES) and clause.when is not None
    ]
    groups, found = [], []
    for names, texts in _batches(arguments.data):
        groups += names
        hits = evaluate([clause.when for clause in clauses if clause.when], known(texts))
        found.append(np.stack([np.asarray(pc.fill_null(hit, True)) for hit in hits], axis=1))  # noqa: FBT003 - pyarrow
    spoke = np.concatenate(found)
    of = np.array(groups)
    false_positives([clause.id for clause in clauses], of, spoke)
    damages(of, spoke)
    for name in sorted({name for name in groups if name.startswith("seed")}):
        said = [clause.id for clause, hit in zip(clauses, spoke[of == name][0], strict=True) if hit]
        print(f"{name}: {', '.join(said) or 'nothing'}")


def known(texts: Sequence[str]) -> pa.Table:
    """Return the facts of texts that clauses on texts read."""
    batch, packs = documents(list(texts)), load_packs(PACKS)
    lengths = pa.array([len(text) for text in texts], pa.int64())
    batch = batch.set_column(batch.schema.get_field_index("n_chars"), "n_chars", lengths)
    measured = {family: pa.Table.from_batches([signals.measure(family, batch, {})]) for family in FAMILIES}
    screened = [pa.Table.from_batches([look(name, batch, concern(packs, name))]) for name in SCREENS]
    nobody = pa.table({name: pa.array([], pa.string()) for name in ("doc_id", "state", "digest")})
    source = {"source_id": "bench"}
    return facts(pa.Table.from_batches([batch]), measured, pa.concat_tables(screened), nobody, source, packs)


def _batches(data: Path) -> Iterator[tuple[list[str], list[str]]]:
    names: list[str] = []
    texts: list[str] = []
    for name, text in _texts(data):
        names.append(name)
        texts.append(text)
        if len(texts) == BATCH:
            yield names, texts
            names, texts = [], []
    if texts:
        yield names, texts


def _texts(data: Path) -> Iterator[tuple[str, str]]:
    for language in ("zh", "en"):
        for row in pq.read_table(data / "bench" / f"{language}.parquet", columns=["source", "text"]).to_pylist():
            if row["source"] in (*NEWS, *LAW):
                yield "news" if row["source"] in NEWS else "law", row["text"]
    for row in rows(data / "10_low_quality" / "degraded_zh.jsonl.zst"):
        yield f"damaged {row['op']}", row["text"]
    for path in sorted((data / "08_seeds").glob("*.txt")):
        yield f"seed {path.name[:3]}", path.read_text(encoding="utf-8")


def false_positives(clauses: Sequence[str], groups: np.ndarray, spoke: np.ndarray) -> None:
    """Print how many news and law texts each clause holds, and all together; fail beyond MOST_FALSE."""
    print("| clause | news | law |\n|---|---|---|")
    of_clauses = [*((name, spoke[:, number]) for number, name in enumerate(clauses)), ("all", np.any(spoke, axis=1))]
    bounds = {}
    for name, hits in of_clauses:
        cells = []
        for group in ("news", "law"):
            mine = np.asarray(hits)[groups == group]
            bounds[name, group] = upper(int(mine.sum()), len(mine))
            assert len(mine) >= 1000
            cells.append(f"{mine.sum()} of {len(mine)} ({mine.mean():.4f}, up to {bounds[name, group]:.4f})")
        print(f"| `{name}` | {' | '.join(cells)} |")
    assert max(bounds.values()) <= MOST_FALSE, bounds


def damages(groups: np.ndarray, spoke: np.ndarray) -> None:
    """Print the share of each damage that any clause holds; fail below FLOORS."""
    counts = Counter(name for name in groups.tolist() if name.startswith("damaged"))
    for name, number in sorted(counts.items()):
        recall = spoke[groups == name].any(axis=1).mean()
        print(f"{name}: {recall:.3f} of {number}")
        assert recall >= FLOORS.get(name.removeprefix("damaged "), 0)


if __name__ == "__main__":
    main()
