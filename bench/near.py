"""Measure near duplicates: text to signature, grouping, verification, accuracy; beside peers where they are installed.

    python bench/near.py --data ../shared/data --peers PEERS_PYTHON

Speeds are MB/s (10^6 bytes of UTF-8 text) of one thread. Accuracy is over clusters: `edits` has 500 bases with known
edits, of which those that should be duplicates belong to the base and the others stand alone; `reference` has the
components of all pairs with an exact Jaccard similarity of at least .7. PEERS_PYTHON runs near_peers.py in an
environment of its own, on the same texts.
"""

import argparse
import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from io import TextIOWrapper
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from corpus_gov.kernels import minhash
from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.relate import near
from corpus_gov.relate.clusters import clusters
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.schemas import SCALE

PEER_MB = 10
"""Peers get this much of each bulk set: some of them do less than one megabyte a second."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peers", help="python of an environment that has the peers")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=("speed", "accuracy", "error"), nargs="*")
    options = parser.parse_args()
    parts = options.only or ("speed", "accuracy", "error")
    if "speed" in parts:
        speed(options.data, options.runs)
    if "accuracy" in parts:
        accuracy(options.data)
    if "error" in parts:
        error(options.data)
    if options.peers:
        peers(options.data, options.peers)


def rows(data: Path, name: str) -> list[dict]:
    """Read one file of near-duplicate data."""
    with zstandard.open(data / "05_near_duplicates" / f"{name}.jsonl.zst", "rb") as file:
        return [json.loads(line) for line in TextIOWrapper(file, "utf-8")]


def speed(data: Path, runs: int) -> None:
    """Measure each step on the bulk sets; the first run compiles and is not counted."""
    for language in ("zh", "en"):
        text = pq.read_table(data / "bench" / f"{language}.parquet", columns=["text"])["text"].combine_chunks()
        text = text.cast(pa.large_string())
        _, offsets = buffers(text)
        megabytes = (offsets[-1] - offsets[0]) / 1e6
        for name, preset in PRESETS.items():
            args = (text, preset.folding, preset.shingle)
            report(
                language,
                f"signature {name} ({preset.name})",
                megabytes,
                runs,
                minhash.minima,
                *args,
                preset.permutations,
                1,
            )
        preset = PRESETS["default"]
        sets = report(language, "shingle sets", megabytes, runs, near.shingle_sets, text, preset)
        signatures = near.signatures(text, preset)
        ids, digests = pa.array([f"{row:032x}" for row in range(len(text))]), sha256_hex(text)
        keyed = report(language, "band rows", megabytes, runs, near.band_rows, ids, digests, signatures, preset)
        pairs = report(language, "candidates", megabytes, runs, near.candidates, keyed, preset)
        a, b = near.sides(pairs, pa.table({"doc_id": ids}))
        found = report(language, "similarity of candidates", megabytes, runs, near.similarity, sets, a, sets, b)
        print(f"{language}: {len(pairs)} candidates, {np.count_nonzero(found >= preset.threshold)} edges")


def report(language: str, step: str, megabytes: float, runs: int, function: Callable, *args: object) -> object:
    """Run a step and print its median speed and its range."""
    result = function(*args)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        function(*args)
        seconds.append(time.perf_counter() - start)
    speeds = sorted(megabytes / second for second in seconds)
    print(f"{language} {step}: {speeds[len(speeds) // 2]:.0f} MB/s ({speeds[0]:.0f} to {speeds[-1]:.0f})", flush=True)
    return result


def gold(data: Path, name: str) -> tuple[list[str], list[int]]:
    """Return texts and the number of each text's true cluster."""
    if name == "edits":
        edits = rows(data, "controlled_edits")
        bases = {row["base"]: place for place, row in enumerate(edits) if row["op"] == "base"}
        return [row["text"] for row in edits], [
            bases[row["base"]] if row["should_be_duplicate"] else place for place, row in enumerate(edits)
        ]
    documents = rows(data, "exact_ref_docs")
    place = {row["id"]: f"{number:06d}" for number, row in enumerate(documents)}
    pairs = [
        sorted((place[row["a"]], place[row["b"]])) for row in rows(data, "exact_ref_pairs") if row["jaccard"] >= 0.7
    ]
    edges = pa.table({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]})
    return [row["text"] for row in documents], labels(edges, len(documents))


def labels(edges: pa.Table, n: int) -> list[int]:
    """Number the cluster of each of n documents whose ids are their numbers."""
    found = {int(row["doc_id"]): int(row["cluster_id"]) for row in clusters(edges).to_pylist()}
    return [found.get(number, number) for number in range(n)]


def accuracy(data: Path) -> None:
    """Print precision, recall, F1 and ARI of every preset, at its threshold and at others for ours."""
    for name in ("edits", "reference"):
        texts, true = gold(data, name)
        for label, preset in PRESETS.items():
            for threshold in (preset.threshold, *((5_000, 6_000, 8_000) if label == "default" else ())):
                chosen = Preset(preset.shingle, preset.bands, preset.rows, threshold, preset.folding)
                found = ours(texts, chosen)
                print(name, label, preset.name, f"threshold {threshold / SCALE:.2f}", scores(true, found), flush=True)


def ours(texts: Sequence[str], preset: Preset) -> list[int]:
    """Cluster texts with our own steps."""
    text = pa.array(texts, pa.large_string())
    documents = pa.table({"doc_id": [f"{number:06d}" for number in range(len(texts))], "text": text})
    keyed = near.band_rows(
        documents["doc_id"].combine_chunks(), sha256_hex(text), near.signatures(text, preset), preset
    )
    edges = near.verify(near.candidates(keyed, preset), documents, preset)
    # What the exact relation adds: copies of one text.
    first: dict[str, int] = {}
    copies = [(first.setdefault(value, number), number) for number, value in enumerate(texts) if value.strip()]
    exact = [(f"{a:06d}", f"{b:06d}") for a, b in copies if a != b]
    both = pa.table({"a": [a for a, _ in exact], "b": [b for _, b in exact]}, schema=near.PAIRS)
    return labels(pa.concat_tables([edges.select(["a", "b"]).cast(near.PAIRS), both]), len(texts))


def scores(true: Sequence[int], found: Sequence[int]) -> str:
    """Compare two clusterings by their pairs."""

    def pairs(counts: Counter) -> int:
        return sum(count * (count - 1) // 2 for count in counts.values())

    both, real, said = pairs(Counter(zip(true, found, strict=True))), pairs(Counter(true)), pairs(Counter(found))
    every = len(true) * (len(true) - 1) // 2
    chance = real * said / every
    ari = (both - chance) / ((real + said) / 2 - chance)
    precision, recall = both / max(said, 1), both / real
    f1 = 2 * both / (real + said)
    return f"precision {precision:.4f} recall {recall:.4f} F1 {f1:.4f} ARI {ari:.4f}"


def error(data: Path) -> None:
    """Print how far the estimates of each preset are from exact similarities, over all pairs of the reference set."""
    documents = rows(data, "exact_ref_docs")
    place = {row["id"]: number for number, row in enumerate(documents)}
    text = pa.array([row["text"] for row in documents], pa.large_string())
    sides = np.array([(place[row["a"]], place[row["b"]]) for row in rows(data, "exact_ref_pairs")]).T
    for name, preset in PRESETS.items():
        values, sets = near.matrix(near.signatures(text, preset)), near.shingle_sets(text, preset)
        exact = near.similarity(sets, sides[0], sets, sides[1]) / SCALE
        off = (values[sides[0]] == values[sides[1]]).mean(axis=1) - exact
        expected = np.sqrt(np.mean(exact * (1 - exact)) / preset.permutations)
        print(
            f"{name} {preset.name}: RMSE {np.sqrt(np.mean(off**2)):.4f}, bias {off.mean():+.4f}, theory {expected:.4f}"
        )


def peers(data: Path, python: str) -> None:
    """Run the peers in their environment and print the same figures."""
    script = Path(__file__).with_name("near_peers.py")
    done = subprocess.run([python, str(script), str(data), str(PEER_MB)], check=True, capture_output=True, text=True)
    true = {name: gold(data, name)[1] for name in ("edits", "reference")}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        if "error" in row:
            print(row["peer"], "failed:", row["error"])
        elif "mb_s" in row:
            print(row["peer"], row["set"], f"{row['mb_s']:.2f} MB/s")
        else:
            print(row["set"], row["peer"], scores(true[row["set"]], row["labels"]), f"{row['seconds']:.1f} s")


if __name__ == "__main__":
    main()
