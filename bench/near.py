"""Measure near duplicates: text to signature, each step, the whole way, accuracy; beside peers that are installed.

    python bench/near.py --data ../shared/data --peers PEERS_PYTHON --work FOLDER

Speeds are MB/s (10^6 bytes of UTF-8 text) of one thread on one core, to which everything is pinned. PEERS_PYTHON is an
environment of `bench/peers.txt` (`make bench-near` builds it and runs this). near_peers.py runs in it on the same
texts, and what it says of accuracy is kept in FOLDER, since that takes half an hour. near_truth.py says what is true
and how it is scored, near_related.py gives our answer by the steps alone, near_pipeline.py by the pipeline itself. The
script asserts that the default is above every peer by F1 on every slice, and that its removals are right.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from near_peers import CLUSTERED, WHOLE, bulk
from near_pipeline import everything, parts_of, ran, speeds
from near_related import Related, nodes_of, related
from near_spun import spun
from near_truth import (
    THRESHOLD,
    Slice,
    by_documents,
    by_labels,
    by_pairs,
    components_removed,
    load,
    read,
    removals,
    said,
    together,
)

from corpus_gov.kernels import minhash, shingles
from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.folding import Folding
from corpus_gov.relate import near
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.schemas import SCALE

LANGUAGES = ("zh", "en")

PEER_MB, WHOLE_MB = 5, 10
"""Peers get so much of each bulk set: for signatures, the slow ones a quarter of it, and for the whole way."""

FEWEST = {"edits": 2_500, "reference": 1_500, "poems": 4_000}
"""Removals of the default: far fewer would be no measurement."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--peers", help="python of an environment that has the peers")
    parser.add_argument("--work", type=Path, default=Path("build/near"), help="where peers' answers are kept")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=WHOLE_MB, help="of each bulk set, for the whole way")
    parser.add_argument("--only", choices=("speed", "accuracy", "error", "spun", "whole", "sweep"), nargs="*")
    options = parser.parse_args()
    parts = options.only or ("speed", "accuracy", "error", "spun", "whole")
    options.work.mkdir(parents=True, exist_ok=True)
    # One core for us and, by inheritance, for the peers.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    if "speed" in parts:
        speed(options)
    if "accuracy" in parts:
        accuracy(options)
    if "error" in parts:
        error(options.data)
    if "spun" in parts:
        spun(options)
    if "whole" in parts:
        whole(options)
    if "sweep" in parts:
        sweep(options.data)


def speed(options: argparse.Namespace) -> None:
    """Print text to signature for every preset, the steps of the default, and the same way of each peer."""
    ours = {}
    for language in LANGUAGES:
        text = column(options.data / "bench" / f"{language}.parquet")
        _, offsets = buffers(text)
        size = (offsets[-1] - offsets[0]) / 1e6
        for name, preset in PRESETS.items():
            args = (text, preset.folding, preset.shingle, preset.permutations, preset.seed)
            seconds, _ = timed(options.runs, minhash.minima, *args)
            row(language, f"signature {name} ({preset.name})", size, len(text), seconds)
            if name == "default":
                ours[language] = size / statistics.median(seconds)
        steps(language, text, size, options.runs)
    if options.peers:
        for answer in ask(options.peers, "speed", str(options.data), str(PEER_MB), str(options.runs)):
            if "error" in answer:
                print(f"| {answer['set']} | {answer['peer']} | failed: {answer['error']} |")
                continue
            there = answer["mb"] / answer["seconds"]
            print(
                f"| {answer['set']} | {answer['peer']} | {there:.2f} MB/s | {answer['docs'] / answer['seconds']:,.0f} "
                f"documents/s | {answer['mb']:.1f} MB | ours {ours[answer['set']] / there:.0f} times |",
                flush=True,
            )


def column(path: Path) -> pa.LargeStringArray:
    """Read the texts of a bulk set."""
    return pq.read_table(path, columns=["text"])["text"].combine_chunks().cast(pa.large_string())


def steps(language: str, text: pa.Array, size: float, runs: int) -> None:
    """Measure what stands between text and edges, step by step."""
    preset, count = PRESETS["default"], len(text)
    seconds, hashed = timed(runs, shingles.shingles, text, preset.folding, preset.shingle)
    row(language, "decode, fold, hash shingles", size, count, seconds)
    hashes = (hashed[0] >> np.uint64(32)).astype(np.uint32)
    least = np.empty((count, preset.permutations), np.uint32)
    given = (hashes, hashed[1], *minhash.permutations(preset.permutations, preset.seed), least)
    seconds, _ = timed(runs, permuted, *given)
    row(language, f"permute ready hashes ({len(hashes):,} of them)", size, count, seconds)
    seconds, sets = timed(runs, near.shingle_sets, text, preset)
    row(language, "shingle sets", size, count, seconds)
    signatures, nodes = near.matrix(near.signatures(text, preset)), nodes_of(text)
    seconds, keys = timed(runs, near.band_keys, signatures, preset.bands, preset.rows)
    row(language, "band keys", size, count, seconds)
    flat = (keys.reshape(-1), np.repeat(nodes, preset.bands), preset.bucket, preset.anchors)
    seconds, (pairs, _) = timed(runs, near.bucketed, *flat)
    row(language, "candidates", size, count, seconds)
    firsts = np.unique(nodes, return_index=True)[1]
    a, b = (firsts[side] for side in near.unpacked(pairs))
    seconds, found = timed(runs, near.similarity, sets, a, sets, b)
    row(language, "similarity of candidates", size, count, seconds)
    print(f"{language}: {len(pairs):,} candidates, {np.count_nonzero(found >= preset.threshold):,} edges")


def permuted(hashes: np.ndarray, offsets: np.ndarray, a: np.ndarray, b: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Permute ready hashes, one call of the kernel a text: beside rensa's kernel for the same."""
    least[:] = 0xFFFFFFFF
    for place in range(len(offsets) - 1):
        mine = hashes[offsets[place] : offsets[place + 1]]
        if len(mine):
            minhash._permute(mine, len(mine), a, b, least[place])  # noqa: SLF001 - the step alone is asked for
    return least


def timed(runs: int, function: Callable, *args: object) -> tuple[list[float], object]:
    """Run a function; the first run compiles and is not counted."""
    result, seconds = function(*args), []
    for _ in range(runs):
        start = time.perf_counter()
        function(*args)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds), result


def row(language: str, step: str, size: float, count: int, seconds: list[float]) -> None:
    """Print the median speed of a step and its range."""
    middle = statistics.median(seconds)
    print(
        f"| {language} | {step} | {size / middle:.0f} MB/s ({size / seconds[-1]:.0f}-{size / seconds[0]:.0f}) | "
        f"{count / middle:,.0f} documents/s | {size:.1f} MB |",
        flush=True,
    )


def accuracy(options: argparse.Namespace) -> None:
    """Print scores of every preset and every peer, slice by slice, and assert ours."""
    pieces = read(options.data)
    answers: dict[str, dict[str, Related]] = {label: {} for label in PRESETS}
    for label, preset in PRESETS.items():
        for name, piece in pieces.items():
            answers[label][name] = related(pa.array(piece.texts, pa.large_string()), preset)
    peers = peer_answers(options) if options.peers else {}
    best: dict[tuple[str, str], float] = {}
    for name, piece in pieces.items():
        rows = {f"ours, {label}": clustered(piece, answers[label][name]) for label in PRESETS}
        scores = printed(piece, rows | answered(peers, name))
        for measure in scores["ours, default"]:
            best[name, measure] = max((one[measure] for label, one in scores.items() if label in CLUSTERED), default=0)
    check(pieces, answers["default"], best)
    by_kind(pieces["edits"], answers, peers)


Clustered = tuple[list[int], set[int], list[tuple[int, int]]]
"""Clusters, numbers of the labelled pairs that are found themselves, and (removed, representative)."""


def answered(peers: dict[tuple[str, str], dict], name: str) -> dict[str, Clustered]:
    """Return what each peer says of a slice, and print who failed."""
    rows = {}
    for peer in CLUSTERED:
        if "labels" in (answer := peers.get((peer, name), {})):
            found = answer["labels"]
            rows[peer] = (found, set(answer["said"]), list(components_removed(found)))
        elif answer:
            print(f"{peer} failed: {answer['error']}")
    return rows


def printed(piece: Slice, rows: dict[str, Clustered]) -> dict[str, dict[str, float]]:
    """Print the tables of a slice; returns the F1 of each measure by row."""
    print(f"\n{piece.name}: precision / recall / F1\n")
    print("| | clusters, by pairs | ARI | clusters, by documents | labelled pairs: themselves | in one cluster |")
    print("|---|---|---|---|---|---|")
    # What the true clusters reach in the last column is its ceiling: a chain joins pairs that are not alike.
    scored(piece, "the truth", piece.clusters, {number for number, pair in enumerate(piece.labelled) if pair[2]})
    scores = {label: scored(piece, label, found, direct) for label, (found, direct, _) in rows.items()}
    print("\n| removed | | right | labels agree, do not | another text put in, no common base | exact >= .7 |")
    print("|---|---|---|---|---|---|")
    for label, (_, _, removed) in rows.items():
        gone = removals(piece, removed)
        print(
            f"| {label} | {gone.count:,} | {gone.precision:.4f} | {gone.labels_agree:,}, {gone.labels_disagree:,} "
            f"| {gone.hosted:,}, {gone.strangers:,} | {gone.exact:,} |",
            flush=True,
        )
    return scores


def clustered(piece: Slice, answer: Related) -> Clustered:
    """Give clusters, numbers of labelled pairs, and removals of ours as those of a peer."""
    return answer.labels, answer.directly(piece.labelled), [(one, other) for one, other, _ in answer.removed]


def scored(piece: Slice, label: str, found: list[int], direct: set[int]) -> dict[str, float]:
    """Print one row; returns the F1 of each measure."""
    pairs, documents = by_pairs(piece.clusters, found), by_documents(piece.clusters, found)
    alone, labelled = by_labels(piece.labelled, said(direct)), by_labels(piece.labelled, together(found))
    print(f"| {label} | {pairs} | {pairs.ari:.3f} | {documents} | {alone} | {labelled} |", flush=True)
    return {"pairs": pairs.f1, "documents": documents.f1, "labelled": labelled.f1, "direct": alone.f1}


def check(pieces: dict[str, Slice], ours: dict[str, Related], best: dict[tuple[str, str], float]) -> None:
    """Assert what RESULTS.md says of the default."""
    for name, piece in pieces.items():
        answer = ours[name]
        gone = removals(piece, [(one, other) for one, other, _ in answer.removed])
        assert gone.precision >= 0.99, (name, gone)
        assert gone.count >= FEWEST.get(name, 0), (name, gone)
        exact = [abs(piece.grams.jaccard(a, b) - value / SCALE) for a, b, value in answer.removed]
        assert max(exact, default=0) < 0.001, (name, "a verified similarity is not the exact one", max(exact))
        if name == "stories":
            continue
        mine = {
            "pairs": by_pairs(piece.clusters, answer.labels).f1,
            "documents": by_documents(piece.clusters, answer.labels).f1,
        }
        if name == "reference":
            # Chains through true clusters join pairs that are labelled apart: nobody who has them all does better.
            mine_of = by_labels(piece.labelled, together(answer.labels)).f1
            assert mine_of >= by_labels(piece.labelled, together(piece.clusters)).f1 - 0.001, mine_of
        else:
            mine["direct"] = by_labels(piece.labelled, said(answer.directly(piece.labelled))).f1
            mine["labelled"] = by_labels(piece.labelled, together(answer.labels)).f1
        for measure, value in mine.items():
            assert value > best.get((name, measure), 0.0), (name, measure, value, best)


def by_kind(piece: Slice, ours: dict[str, dict[str, Related]], peers: dict[tuple[str, str], dict]) -> None:
    """Print the share of each kind of edit that is put with its base: recall, or false ones where it should not be."""
    columns = {f"ours, {label}": ours[label]["edits"].labels for label in ("default", "data_juicer")} | {
        peer: peers[peer, "edits"]["labels"] for peer in CLUSTERED if "labels" in peers.get((peer, "edits"), {})
    }
    totals = Counter(kind for *_, kind in piece.labelled)
    print(f"\n| edit | should be | at least .7 | {' | '.join(columns)} |\n|---|---|---|{'---|' * len(columns)}")
    for kind in sorted(totals):
        should = next(same for *_, same, other in piece.labelled if other == kind)
        cells = [
            sum(found[a] == found[b] for a, b, _, other in piece.labelled if other == kind) / totals[kind]
            for found in columns.values()
        ]
        reach = [piece.grams.jaccard(a, b) >= THRESHOLD for a, b, _, other in piece.labelled if other == kind]
        cells.insert(0, sum(reach) / totals[kind])
        print(f"| {kind} | {'yes' if should else 'no'} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")


def peer_answers(options: argparse.Namespace) -> dict[tuple[str, str], dict]:
    """Return what peers say of each slice, asking only what is not yet in the work folder."""
    kept = options.work / "accuracy.jsonl"
    known = load(kept) if kept.exists() else {}
    with kept.open("a") as file:
        for peer in CLUSTERED:
            for name in ("edits", "reference", "poems", "stories"):
                if (peer, name) not in known:
                    for answer in ask(options.peers, "accuracy", str(options.data), f"{peer}/{name}"):
                        file.write(json.dumps(answer) + "\n")
    return load(kept)


def ask(python: str, *args: str) -> Iterator[dict]:
    """Run near_peers.py in its environment, and give its rows as they come."""
    script = Path(__file__).with_name("near_peers.py")
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen([python, str(script), *args], stdout=subprocess.PIPE, stderr=said) as running,
    ):
        yield from map(json.loads, running.stdout)
        if running.wait():
            said.seek(0)
            print(said.read()[-2000:].decode(errors="replace"), file=sys.stderr)
            raise subprocess.CalledProcessError(running.returncode, args)


def error(data: Path) -> None:
    """Print how far the estimates of each preset are from exact similarities, over all pairs of the reference set."""
    piece = read(data)["reference"]
    text = pa.array(piece.texts, pa.large_string())
    sides = np.array([pair[:2] for pair in piece.labelled]).T
    for name, preset in PRESETS.items():
        values, sets = near.matrix(near.signatures(text, preset)), near.shingle_sets(text, preset)
        exact = near.similarity(sets, sides[0], sets, sides[1]) / SCALE
        off = (values[sides[0]] == values[sides[1]]).mean(axis=1) - exact
        expected = np.sqrt(np.mean(exact * (1 - exact)) / preset.permutations)
        spread = np.sqrt(np.mean(off**2))
        # Pairs share documents, so that their errors are not independent.
        assert spread < 1.25 * expected, (name, spread, expected)
        print(f"| {name} | {preset.name} | {spread:.4f} | {off.mean():+.4f} | {expected:.4f} |")


def whole(options: argparse.Namespace) -> None:
    """Print the whole way from Parquet files to removals: ours by steps and by the pipeline, and each peer's."""
    for language in LANGUAGES:
        texts = bulk(options.data / "bench" / f"{language}.parquet", options.megabytes)
        size, count = sum(len(text.encode()) for text in texts) / 1e6, len(texts)
        source = options.work / f"{language}-{options.megabytes}.parquet"
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), source)
        seconds, kept = timed(max(options.runs, 5), deduplicate, source, options.work / "ours")
        alone = statistics.median(seconds)
        print(f"\n{language}: {size:.1f} MB, {count:,} texts\n")
        print("| | seconds | MB/s | texts/s | kept | steps are so many times as fast | the pipeline is |")
        print("|---|---|---|---|---|---|---|")
        print(f"| ours, steps in memory | {speeds(alone, size, count)} | {kept:,} | | |")
        # The first run reads bytecode and kernels from disk, as peers have done before their time begins.
        runs = sorted([ran(options.work, [source]) for _ in range(4)][1:], key=lambda one: one.seconds)
        mine = runs[1].seconds
        print(f"| ours, the pipeline | {speeds(mine, size, count)} | {runs[1].kept:,} | | |")
        less = mine - runs[1].measuring
        print(f"| of it without measuring quality and language (computed) | {speeds(less, size, count)} | | | |")
        for peer in WHOLE if options.peers else ():
            folder = (options.work / f"{peer}-{language}-{os.getpid()}").absolute()
            folder.mkdir()
            for answer in ask(options.peers, "whole", str(source.absolute()), language, str(folder), peer):
                spent = answer["seconds"]
                print(
                    f"| {peer} | {speeds(spent, size, count)} | {answer['kept']:,} "
                    f"| {spent / alone:.0f} | {spent / mine:.1f} |",
                    flush=True,
                )
        print(f"\nseconds of the pipeline: {parts_of(runs[1])}", flush=True)
    for language in LANGUAGES:
        everything(options.work, options.data / "bench" / f"{language}.parquet")


def deduplicate(source: Path, folder: Path) -> int:
    """Read a Parquet file, relate its texts, write the kept ones and the removals; returns how many are kept.

    Removals are written with row, representative and similarity: what peers do not write.
    """
    folder.mkdir(exist_ok=True)
    table = pq.read_table(source)
    found = related(table["text"].combine_chunks(), PRESETS["default"])
    removed = np.array(found.removed, np.int64).reshape(-1, 3)
    stays = np.ones(len(table), bool)
    stays[removed[:, 0]] = False
    pq.write_table(table.filter(pa.array(stays)), folder / "kept.parquet")
    names = ("row", "representative", "similarity")
    pq.write_table(pa.table(dict(zip(names, removed.T, strict=True))), folder / "removed.parquet")
    return int(stays.sum())


def sweep(data: Path) -> None:
    """Print what other units, shingles, bands and thresholds would find, and how right their removals are by labels.

    Labels alone, since the exact similarity of five tokens would find the default right by definition.
    """
    pieces = read(data)
    names = ("edits", "reference", "poems")
    print(
        "| unit, shingle, bands x rows, threshold | F1: edits, labelled | edits | reference | poems | right by labels |"
    )
    print("|---|---|---|---|---|---|")
    for unit, shingle, bands, rows, threshold in SWEPT:
        preset = Preset(shingle, bands, rows, threshold=threshold, folding=Folding(unit=unit))
        found = {name: related(pa.array(pieces[name].texts, pa.large_string()), preset) for name in names}
        cells = [by_labels(pieces["edits"].labelled, together(found["edits"].labels)).f1]
        cells += [by_pairs(pieces[name].clusters, found[name].labels).f1 for name in names]
        gone = [removals(pieces[name], [pair[:2] for pair in found[name].removed]) for name in names]
        right = ", ".join(f"{one.labels_agree / (one.labels_agree + one.labels_disagree):.4f}" for one in gone)
        print(
            f"| {preset.name} {threshold / SCALE:.2f} | {' | '.join(f'{c:.3f}' for c in cells)} | {right} |", flush=True
        )


SWEPT: Sequence[tuple[str, int, int, int, int]] = (
    *(("token", 5, 22, 5, threshold) for threshold in (6_000, 6_500, 7_000, 7_500, 8_000)),
    *(("token", 5, bands, rows, 7_000) for bands, rows in ((37, 3), (16, 7))),
    *(("token", shingle, 22, 5, threshold) for shingle in (3, 4) for threshold in (7_000, 7_500)),
    *(("character", 5, 22, 5, threshold) for threshold in (7_000, 7_500, 8_000, 8_500)),
    *(("character", 8, 22, 5, threshold) for threshold in (6_500, 7_000, 7_500)),
)
"""Unit, shingle, bands, rows and threshold."""


if __name__ == "__main__":
    main()
