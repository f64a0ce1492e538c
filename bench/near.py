"""Measure near duplicates: text to signature, each step, the whole way, accuracy; beside peers that are installed.

    python bench/near.py --data ../shared/data --peers PEERS_PYTHON --work FOLDER

Speeds are MB/s (10^6 bytes of UTF-8 text) of one thread on one core, to which everything is pinned. PEERS_PYTHON is an
environment of `bench/peers.txt` (`make bench-near` builds it and runs this). near_peers.py runs in it on the same
texts, and what it says of accuracy is kept in FOLDER, since that takes a quarter of an hour. near_truth.py says what is
true and how it is scored. The script asserts that the default is above every peer by F1 on every slice, and that its
removals are right.
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
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from near_peers import CLUSTERED, WHOLE, bulk
from near_truth import Slice, by_documents, by_labels, by_pairs, components_removed, load, read, removals, together

from corpus_gov.kernels import minhash, shingles
from corpus_gov.kernels.columns import buffers
from corpus_gov.kernels.digests import sha256_hex
from corpus_gov.relate import near
from corpus_gov.relate.blocks import roots
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
    parser.add_argument("--only", choices=("speed", "accuracy", "error", "whole", "sweep"), nargs="*")
    options = parser.parse_args()
    parts = options.only or ("speed", "accuracy", "error", "whole")
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


def nodes_of(text: pa.Array) -> np.ndarray:
    """Number texts by their digests: copies of one text have one number."""
    digests = sha256_hex(text)
    return np.asarray(pc.index_in(digests, value_set=pc.unique(digests).sort())).astype(np.int64)


@dataclass(frozen=True)
class Related:
    """Our answer for some texts."""

    labels: list[int]
    removed: list[tuple[int, int, int]]
    """Place, place of the representative, verified similarity in ten-thousandths."""


def related(text: pa.Array, preset: Preset) -> Related:
    """Cluster texts and elect representatives, over the steps of relate.

    The first of a cluster represents it. Who has no verified similarity to it of at least the threshold stays.
    """
    values = near.signatures(text, preset)
    nodes, signed = nodes_of(text), np.flatnonzero(np.asarray(values.is_valid()))
    keys = near.band_keys(near.matrix(values)[signed], preset.bands, preset.rows)
    flat = (keys.reshape(-1), np.repeat(nodes[signed], preset.bands))
    pairs, _ = near.bucketed(*flat, preset.bucket, preset.anchors)
    firsts = np.unique(nodes, return_index=True)[1]
    a, b = (firsts[side] for side in near.unpacked(pairs))
    sets = near.shingle_sets(text, preset)
    kept = near.similarity(sets, a, sets, b) >= preset.threshold
    # Copies of one text are related by their digests; texts without a token are nobody's copies.
    copies = signed[firsts[nodes[signed]] != signed]
    a, b = np.concatenate([a[kept], firsts[nodes[copies]]]), np.concatenate([b[kept], copies])
    found = roots(len(text), a, b)
    removed = np.flatnonzero(found != np.arange(len(text)))
    similarity = near.similarity(sets, found[removed], sets, removed)
    sure = similarity >= preset.threshold
    rows = zip(removed[sure].tolist(), found[removed[sure]].tolist(), similarity[sure].tolist(), strict=True)
    return Related(found.tolist(), list(rows))


def accuracy(options: argparse.Namespace) -> None:
    """Print scores of every preset and every peer, slice by slice, and assert ours."""
    pieces = read(options.data)
    answers = {"default": {}} | {name: {} for name in PRESETS}
    for label, preset in PRESETS.items():
        for name, piece in pieces.items():
            answers[label][name] = related(pa.array(piece.texts, pa.large_string()), preset)
    peers = peer_answers(options) if options.peers else {}
    best: dict[tuple[str, str], float] = {}
    for name, piece in pieces.items():
        print(f"\n{name}: precision / recall / F1\n")
        print("| | clusters, by pairs | ARI | clusters, by documents | labelled pairs | removed | right | by labels |")
        print("|---|---|---|---|---|---|---|---|")
        for label in PRESETS:
            answer = answers[label][name]
            scored(piece, f"ours, {label}", answer.labels, [(one, other) for one, other, _ in answer.removed])
        for peer in CLUSTERED:
            if "labels" in (answer := peers.get((peer, name), {})):
                found = answer["labels"]
                for measure, value in scored(piece, peer, found, list(components_removed(found))).items():
                    best[name, measure] = max(best.get((name, measure), 0.0), value)
            elif answer:
                print(f"| {peer} | failed: {answer['error']} |")
    check(pieces, answers["default"], best)
    by_kind(pieces["edits"], answers["default"]["edits"].labels, peers)


def scored(piece: Slice, label: str, found: list[int], removed: list[tuple[int, int]]) -> dict[str, float]:
    """Print one row; returns the F1 of each measure."""
    pairs, documents = by_pairs(piece.clusters, found), by_documents(piece.clusters, found)
    labelled, gone = by_labels(piece.labelled, together(found)), removals(piece, removed)
    print(
        f"| {label} | {pairs} | {pairs.ari:.3f} | {documents} | {labelled} | {gone.count:,} | "
        f"{gone.precision:.4f} | {gone.labels_agree:,} agree, {gone.labels_disagree:,} do not, "
        f"{gone.unlabelled:,} unlabelled; {gone.exact:,} at least .7 |",
        flush=True,
    )
    return {"pairs": pairs.f1, "documents": documents.f1, "labelled": labelled.f1}


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
        if name != "reference":
            # There chains through a cluster count against who has the larger clusters; RESULTS.md says who is above.
            mine["labelled"] = by_labels(piece.labelled, together(answer.labels)).f1
        for measure, value in mine.items():
            assert value > best.get((name, measure), 0.0), (name, measure, value, best)


def by_kind(piece: Slice, ours: list[int], peers: dict[tuple[str, str], dict]) -> None:
    """Print the share of each kind of edit that is put with its base: recall, or false ones where it should not be."""
    columns = {"ours": ours} | {
        peer: peers[peer, "edits"]["labels"] for peer in CLUSTERED if "labels" in peers.get((peer, "edits"), {})
    }
    totals = Counter(kind for *_, kind in piece.labelled)
    print(f"\n| edit | should be | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    for kind in sorted(totals):
        should = next(same for *_, same, other in piece.labelled if other == kind)
        cells = [
            sum(found[a] == found[b] for a, b, _, other in piece.labelled if other == kind) / totals[kind]
            for found in columns.values()
        ]
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
    """Print the whole way from a Parquet file to written documents and removals, ours and each peer's."""
    for language in LANGUAGES:
        texts = bulk(options.data / "bench" / f"{language}.parquet", WHOLE_MB)
        size = sum(len(text.encode()) for text in texts) / 1e6
        source = options.work / f"{language}-{WHOLE_MB}.parquet"
        pq.write_table(pa.table({"text": pa.array(texts, pa.large_string())}), source)
        seconds, kept = timed(max(options.runs, 5), deduplicate, source, options.work / "ours")
        mine = statistics.median(seconds)
        print(f"| {language} | ours | {mine:.3f} s | {size / mine:.1f} MB/s | {kept:,} of {len(texts):,} kept |")
        for peer in WHOLE if options.peers else ():
            folder = (options.work / f"{peer}-{language}-{os.getpid()}").absolute()
            folder.mkdir()
            for answer in ask(options.peers, "whole", str(source.absolute()), language, str(folder), peer):
                print(
                    f"| {language} | {peer} | {answer['seconds']:.1f} s | {size / answer['seconds']:.2f} MB/s | "
                    f"{answer['kept']:,} of {len(texts):,} kept | ours {answer['seconds'] / mine:.0f} times |",
                    flush=True,
                )


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
    """Print F1 by shingle, bands × rows and threshold: labelled edits, and clusters of the other slices."""
    pieces = read(data)
    print("| shingle | bands × rows | threshold | edits, labelled | edits | reference | poems |")
    print("|---|---|---|---|---|---|---|")
    shapes: Sequence[tuple[int, int, int]] = ((5, 22, 5), (5, 16, 7), (5, 18, 6), (4, 22, 5), (3, 22, 5))
    for shingle, bands, rows in shapes:
        for threshold in (5_000, 6_000, 6_500, 7_000, 7_500, 8_000):
            preset = replace(PRESETS["default"], shingle=shingle, bands=bands, rows=rows, threshold=threshold)
            found = {name: related(pa.array(piece.texts, pa.large_string()), preset) for name, piece in pieces.items()}
            edits = pieces["edits"]
            cells = [by_labels(edits.labelled, together(found["edits"].labels))]
            cells += [by_pairs(pieces[name].clusters, found[name].labels) for name in ("edits", "reference", "poems")]
            print(
                f"| {shingle} | {bands}×{rows} | {threshold / SCALE:.2f} | {' | '.join(map(str, cells))} |", flush=True
            )


if __name__ == "__main__":
    main()
