"""Measure language and script: accuracy beside the raw model, shares of mixed documents, and speed.

    python bench/language.py --data ../shared/data

"raw model" is lid.176 asked as it is: the text up to SAMPLE_POINTS code points, line breaks as spaces, no look at
scripts. A label counts as right when its language is that of the record; zh, yue and wuu are one here, since no
record tells them apart, and so are no, nb and nn, which the model's no covers.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from measuring import documents, rows, speed

from corpus_gov.kernels import textmodel
from corpus_gov.signals import language

SAME = {"yue": "zh", "wuu": "zh", "nb": "no", "nn": "no"}
LEFT_MOST = 0.3
"""Most of a page that may be left in English."""

FLOORS = {"pages": 0.995, "sentences": 0.80, "Hans": 0.99, "Hant": 0.98}
"""Least accuracies; below them the measurement fails."""


def main() -> None:
    """Print a table for each set, then MB/s."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    sets = data / "07_language_id"
    scores = {**labelled(sets), **scripts(sets)}
    for name, floor in FLOORS.items():
        assert scores[name] >= floor, (name, scores[name], floor)
    speed(data / "bench", {"language": lambda batch: language.measure(batch, {})})


def labelled(sets: Path) -> dict[str, float]:
    """Hold ours and the raw model against the labels, by set and kind of text."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    groups["pages"] = list(pages(sets / "libreoffice_docs_8_langs.jsonl.zst"))
    for row in rows(sets / "short_texts_75_langs.jsonl.zst"):
        groups[row["kind"]].append((row["text"], row["lang"]))
    print("| texts | number | ours | raw model | ours, zh ja ko | raw model, zh ja ko |\n|---|---|---|---|---|---|")
    found = {}
    for name, pairs in groups.items():
        texts, labels = [text for text, _ in pairs], np.array([one(label) for _, label in pairs])
        ours = np.array([one(code) for code in measure(texts).column("code").to_pylist()])
        raw = np.array([one(code) for code in raw_model(texts)])
        east = np.isin(labels, ["zh", "ja", "ko"])
        cells = [f"{(guess[mask] == labels[mask]).mean():.4f}" for mask in (east | True, east) for guess in (ours, raw)]
        print(f"| {name} | {len(texts):,} | {' | '.join(cells)} |")
        found[name] = float((ours == labels).mean())
    return found


def pages(path: Path) -> Iterator[tuple[str, str]]:
    """Read help pages that are translated: labels of the others are not true.

    A line counts as left in English when it has no letter outside ASCII; German and French pages by their lines that
    the English pages have too.
    """
    found = list(rows(path))
    english = {line for row in found if row["lang"] == "en-US" for line in row["text"].split("\n")}
    for row in found:
        label = row["lang"].partition("-")[0]
        lines = row["text"].split("\n")
        left = [line for line in lines if line in english or (label not in {"de", "fr"} and line.isascii())]
        if label == "en" or sum(map(len, left)) <= LEFT_MOST * len(row["text"]):
            yield row["text"], label


def scripts(sets: Path) -> dict[str, float]:
    """Hold simplified and traditional against the labels, by source."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows(sets / "zh_hans_hant.jsonl.zst"):
        groups[row["lang"].partition("-")[2], row["source"]].append(row["text"])
    print("\n| script | source | number | right | undecided (Hani) | other |\n|---|---|---|---|---|---|")
    right: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (script, source), texts in sorted(groups.items()):
        found = np.array(measure(texts).column("script").to_pylist())
        n, hit, open_ = len(texts), int((found == script).sum()), int((found == "Hani").sum())
        print(f"| {script} | {source} | {n:,} | {hit / n:.4f} | {open_} | {n - hit - open_} |")
        # An undecided text is no wrong one: many a poem is written alike in both.
        right[script][0] += hit
        right[script][1] += n - open_
    return {script: hit / all_ for script, (hit, all_) in right.items()}


def measure(texts: Sequence[str]) -> pa.RecordBatch:
    """Measure texts by the package."""
    return language.measure(documents(texts), {})


def raw_model(texts: Sequence[str]) -> list[str]:
    """Ask the model alone."""
    model = textmodel.load(language.MODEL)
    best, _ = model.best(pa.array([text[: language.SAMPLE_POINTS] for text in texts], pa.large_string()))
    return [model.labels[place] for place in best]


def one(code: str) -> str:
    """Fold what counts as one language."""
    return SAME.get(code, code)


if __name__ == "__main__":
    main()
