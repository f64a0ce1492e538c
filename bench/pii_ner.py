"""Measure names by language models (the extra `ner`): recall on labelled persons, and MB/s.

    python bench/pii_ner.py --data ../shared/data [--rows 300]

Beside the rules of form alone: sentences with a word of the rule, and all sentences. Precision is the share of the
names of the model alone that share half with a labelled person. The English set labels all its persons. The Chinese
ones label some of theirs only: there the figure is a lower bound.
"""

import argparse
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pii
import pii_names
import pyarrow as pa
import yaml

from corpus_gov import rules, screens
from corpus_gov.screens import ner

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"
ENGLISH = {
    "language": "en",
    "labels": ("PERSON",),
    "near": (
        "Mr",
        "Mrs",
        "Ms",
        "Dr",
        "name",
        "Name",
        "contact",
        "call",
        "email",
        "phone",
        "sincerely",
        "Regards",
        "dear",
    ),
}
SETS = {"injected_zh": "zh", "multipriv_zh": "zh", "presidio_synth_v2_en": "en"}


def main() -> None:
    """Print one row a set and choice of sentences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=300, help="texts of each set")
    options = parser.parse_args()
    pack = rule_of_page()
    sets = pii.labelled(options.data / "04_pii")
    forms = pii.default_rules()
    print("| set | sentences | persons | recall | precision, model | shown to the model | MB/s, one core |")
    print("|---|---|---|---|---|---|---|")
    for name, language in SETS.items():
        rows = sets[name][:: max(1, len(sets[name]) // options.rows)]
        persons = [[span for span in row.gold if span.entity == pii_names.PERSON] for row in rows]
        texts = [row.text for row in rows]
        found = [
            [(one.start, one.end) for one in line if pii_names.PERSON in one.entities]
            for line in pii.ours(rows, forms, Counter())
        ]
        labels = sum(map(len, persons))
        print(f"| {name} | rules of form alone | {labels} | {recall(persons, found):.3f} | – | – | – |")
        for choice, more in (("with a word", {}), ("all", {"near": (), "share": 10_000, "most": 10_000})):
            rule = told(pack, language, more)
            screens.look("ner", pii.documents(texts[:1]), rule)
            start = time.thread_time()
            hits = screens.look("ner", pii.documents(texts), rule).to_pylist()
            took = time.thread_time() - start
            named: list[list[tuple[int, int]]] = [[] for _ in rows]
            for hit in hits:
                named[int(hit["doc_id"])].append((hit["start"], hit["end"]))
            both = [[*line, *more] for line, more in zip(found, named, strict=True)]
            shown = sum(len(s.encode()) for _, chosen in ner.chosen(rule.rules[0], column(texts)) for _, s in chosen)
            size = sum(len(text.encode()) for text in texts)
            print(
                f"| {name} | {choice} | {labels} | {recall(persons, both):.3f} "
                f"| {precision(persons, named):.3f} of {len(hits):,} | {shown / size:.1%} | {size / took / 1e6:.3f} |",
                flush=True,
            )


def rule_of_page() -> rules.Rule:
    """Read the rule that the documentation gives as an example."""
    body = next(part for part in PAGE.read_text().split("```yaml\n")[1:] if "own.ner" in part).split("```")[0]
    assert yaml.safe_load(body)["pack"] == "own.ner"
    return rules.read_pack(body.encode(), "own/ner.yaml", "own.ner").rules[0]


def told(rule: rules.Rule, language: str, more: dict[str, Any]) -> rules.RulePack:
    """Return the rule for a language, with other params."""
    params = dict(rule.params) | (ENGLISH if language == "en" else {}) | more
    return rules.RulePack("own.ner", 1, (replace(rule, params=rules.Params(tuple(params.items()))),))


def column(texts: list[str]) -> pa.Array:
    """Make a column."""
    return pa.array(texts, pa.large_string())


def recall(persons: list[list[Any]], found: list[list[tuple[int, int]]]) -> float:
    """Return the share of labelled persons that one of the found spans shares half with."""
    hits = sum(
        any(pii.half(pii.Found(*one, frozenset()), label) for one in line)
        for labels, line in zip(persons, found, strict=True)
        for label in labels
    )
    return hits / max(1, sum(map(len, persons)))


def precision(persons: list[list[Any]], found: list[list[tuple[int, int]]]) -> float:
    """Return the share of found spans that share half with one of the labelled persons."""
    right = sum(
        any(pii.half(pii.Found(*one, frozenset()), label) for label in labels)
        for labels, line in zip(persons, found, strict=True)
        for one in line
    )
    return right / max(1, sum(map(len, found)))


if __name__ == "__main__":
    main()
