"""Write training texts for the label `spun` from clean articles: half of them with their clauses shuffled.

    python training/write_spun.py ARTICLES.jsonl FOLDER [--seed 7]
    corpus-gov train training/spun.yaml OUT --data FOLDER

ARTICLES has one object with `text` a line. FOLDER gets spun_train.jsonl, where an article is either clean or shuffled,
and spun_test.jsonl with both forms of the articles that are held out: every second one, by digest. The same articles
and seed give the same bytes.
"""

import argparse
import json
import random
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

_CLAUSE = re.compile(r"[^，。；！？,.;!?\n]+[，。；！？,.;!?\n]*\s*")

LEAST = 8
"""Clauses: an article of fewer is left out, since its order says nothing."""


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("articles", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    texts = [json.loads(line)["text"] for line in asked.articles.read_text(encoding="utf-8").splitlines()]
    train, test = rows(texts, asked.seed)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for name, written in (("train", train), ("test", test)):
        lines = [json.dumps(row, ensure_ascii=False) for row in written]
        (asked.folder / f"spun_{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"spun_{name}.jsonl: {len(lines):,} texts")


def rows(texts: Iterable[str], seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Deal articles out, and shuffle; returns what is trained on, and what is held out."""
    train: list[dict[str, str]] = []
    test: list[dict[str, str]] = []
    for text in dict.fromkeys(texts):
        clauses = _CLAUSE.findall(text)
        if len(clauses) < LEAST:
            continue
        # A digest, not the place: an article that is added moves no other one to the other half.
        drawn = sha256(f"{seed}\0{text}".encode()).digest()
        both = list(_forms(text, clauses, random.Random(drawn)))
        if drawn[0] & 1:
            test += both
        else:
            train.append(both[drawn[0] >> 1 & 1])
    return train, test


def _forms(text: str, clauses: list[str], chance: random.Random) -> Iterator[dict[str, str]]:
    yield {"text": text, "label": "clean"}
    moved = clauses.copy()
    chance.shuffle(moved)
    yield {"text": "".join(moved), "label": "spun"}


if __name__ == "__main__":
    main()
