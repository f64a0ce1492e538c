"""Run peers on the texts of near.py, in an environment that has them; JSON lines on standard output.

    PEERS_PYTHON bench/near_peers.py accuracy DATA [PEER[/SLICE]...]
    PEERS_PYTHON bench/near_peers.py speed DATA MEGABYTES RUNS [PEER...]
    PEERS_PYTHON bench/near_peers.py whole INPUT.parquet LANGUAGE FOLDER PEER

`bench/peers.txt` pins the environment. Each peer gets what its documentation recommends for the language of a text
(zh where at least a tenth of it is Han): characters or a Chinese word tokenizer where it has one, words for English. A
peer that fails says so in a row of its own.

`accuracy` clusters every slice of `slices`. `speed` runs what a peer needs from Python strings to minhash signatures
over the start of the bulk sets. `whole` reads a Parquet file, deduplicates it with the peer's own pipeline in one
process, and writes the documents that are kept.
"""

import contextlib
import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from io import TextIOWrapper
from pathlib import Path

import pyarrow.parquet as pq
import zstandard

# ruff: noqa: PLC0415 - one peer may be absent, and none pays for the imports of another

HAN = re.compile(r"[\u4e00-\u9fff]")
DATATROVE = {"zh": "cmn_Hani", "en": "eng"}


def main() -> None:
    """Do one of the three."""
    # What peers print is no row.
    rows, sys.stdout = sys.stdout, sys.stderr
    for row in {"accuracy": accuracy, "speed": speed, "whole": whole}[sys.argv[1]](*sys.argv[2:]):
        print(json.dumps(row), file=rows, flush=True)


def slices(data: Path) -> dict[str, list[str]]:
    """Read the texts of the accuracy slices: known edits, all pairs by exact Jaccard, poems, stories of the same news.

    Returns:
        Texts by slice; poems are both editions of each row, stories titles with descriptions.
    """
    near = data / "05_near_duplicates"
    return {
        "edits": [row["text"] for row in rows_of(near / "controlled_edits.jsonl.zst")],
        "reference": [row["text"] for row in rows_of(near / "exact_ref_docs.jsonl.zst")],
        "poems": [
            text
            for row in rows_of(near / "tang_poem_variant_pairs.jsonl.zst")
            for text in (row["text_a"], row["text_b"])
        ],
        "stories": [
            f"{document['title']} {document['meta'].get('description') or ''}"
            for row in rows_of(near / "news_story_clusters_en.jsonl.zst")
            for document in row["docs"]
        ],
    }


def asked(data: Path) -> dict[str, list[tuple[int, int]]]:
    """List the pairs of places of each slice that have a label, in the order of their files: edits with their bases."""
    near = data / "05_near_duplicates"
    edits = rows_of(near / "controlled_edits.jsonl.zst")
    bases = {row["base"]: place for place, row in enumerate(edits) if row["op"] == "base"}
    place = {row["id"]: number for number, row in enumerate(rows_of(near / "exact_ref_docs.jsonl.zst"))}
    poems = len(rows_of(near / "tang_poem_variant_pairs.jsonl.zst"))
    return {
        "edits": [(bases[row["base"]], number) for number, row in enumerate(edits) if row["op"] != "base"],
        "reference": [(place[row["a"]], place[row["b"]]) for row in rows_of(near / "exact_ref_pairs.jsonl.zst")],
        "poems": [(2 * number, 2 * number + 1) for number in range(poems)],
        "stories": [],
    }


def rows_of(path: Path) -> list[dict]:
    """Read one compressed JSONL file."""
    with zstandard.open(path, "rb") as file:
        return [json.loads(line) for line in TextIOWrapper(file, "utf-8")]


def bulk(path: Path, megabytes: float) -> list[str]:
    """Read the first megabytes (10^6 bytes of UTF-8 text) of a bulk set."""
    texts, size = [], 0
    for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
        size += len(text.encode())
        if size > megabytes * 1e6:
            break
        texts.append(text)
    return texts


@cache
def language(text: str) -> str:
    """Tell zh from en; kept, so that no peer's time has it."""
    return "zh" if 10 * len(HAN.findall(text)) >= len(text) else "en"


def accuracy(data: str, *names: str) -> Iterator[dict]:
    """Cluster every slice with every peer; also the labelled pairs that it finds itself, not through a third text."""
    questions = asked(Path(data))
    for name, _, only in (name.partition("/") for name in names or CLUSTERED):
        for piece, texts in slices(Path(data)).items():
            if only not in ("", piece):
                continue
            row = {"peer": name, "set": piece}
            try:
                start = time.perf_counter()
                said: set[int] = set()
                found = components(noted(CLUSTERED[name](texts), questions[piece], said), len(texts))
            except Exception as error:  # noqa: BLE001 - what a peer cannot do is a result
                yield {**row, "error": f"{type(error).__name__}: {error}"}
                continue
            yield {**row, "seconds": time.perf_counter() - start, "labels": found, "said": sorted(said)}


def noted(
    pairs: Iterable[tuple[int, int]], questions: Sequence[tuple[int, int]], said: set[int]
) -> Iterator[tuple[int, int]]:
    """Pass pairs on, and note the numbers of those that have a label."""
    numbers = {(min(pair), max(pair)): number for number, pair in enumerate(questions)}
    for a, b in pairs:
        if (number := numbers.get((min(a, b), max(a, b)))) is not None:
            said.add(number)
        yield a, b


def speed(data: str, megabytes: str, runs: str, *names: str) -> Iterator[dict]:
    """Time the way from Python strings to minhash signatures; the first text is a warm-up that is not counted."""
    for name in names or SIGNED:
        for piece in ("zh", "en"):
            # A quarter of the usual sample for those that do less than two megabytes a second.
            size = float(megabytes) * (0.25 if name in SLOW else 1)
            texts = bulk(Path(data) / "bench" / f"{piece}.parquet", size)
            row = {"peer": name, "set": piece, "docs": len(texts), "mb": sum(len(t.encode()) for t in texts) / 1e6}
            assert {language(text) for text in texts} <= {"zh", "en"}
            seconds = []
            try:
                for number in range(int(runs) + 1):
                    # rensa's matrix kernel gets ready hashes: making them is not its work.
                    prepare, sign = SIGNED[name]
                    given = prepare(texts if number else texts[:20])
                    start = time.perf_counter()
                    sign(given)
                    seconds.append(time.perf_counter() - start)
            except Exception as error:  # noqa: BLE001 - what a peer cannot do is a result
                yield {**row, "error": f"{type(error).__name__}: {error}"}
                continue
            yield {**row, "seconds": statistics.median(seconds[1:]), "range": [min(seconds[1:]), max(seconds[1:])]}


def components(pairs: Iterable[tuple[int, int]], n: int) -> list[int]:
    """Number the component of each text after its first member."""
    parent = list(range(n))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return [root(place) for place in range(n)]


def buckets(keyed: Iterable[Sequence]) -> Iterator[tuple[int, int]]:
    """Pair the texts that share a band; None has no bands."""
    tables: dict[tuple, list[int]] = {}
    for number, bands in enumerate(keyed):
        for band, key in enumerate(bands or ()):
            bucket = tables.setdefault((band, key), [])
            yield from ((other, number) for other in bucket)
            bucket.append(number)


def character_grams(text: str) -> list[str]:
    """Cut a text as users of token-list libraries do: five characters without white space."""
    joined = "".join(text.lower().split())
    return [joined[start : start + 5] for start in range(max(len(joined) - 4, 1))]


def grams(text: str) -> list[str]:
    """Cut a text by its language: five characters of zh, five words of en."""
    if language(text) == "zh":
        return character_grams(text)
    words = text.lower().split()
    return [" ".join(words[start : start + 5]) for start in range(max(len(words) - 4, 1))]


def each(function: Callable[[str], object]) -> tuple[Callable, Callable]:
    """Run a function on every text; nothing is prepared."""

    def sign(texts: list[str]) -> None:
        for text in texts:
            function(text)

    return lambda texts: texts, sign


def at_once(function: Callable[[list[str]], object]) -> tuple[Callable, Callable]:
    """Run a function on all texts; nothing is prepared."""
    return lambda texts: texts, function


def datasketch_clusters(cut: Callable[[str], list[str]]) -> Callable[[list[str]], Iterator[tuple[int, int]]]:
    """MinHash.bulk's generator and MinHashLSH at .7, 128 permutations."""

    def pairs(texts: list[str]) -> Iterator[tuple[int, int]]:
        from datasketch import MinHash, MinHashLSH

        lsh = MinHashLSH(threshold=0.7, num_perm=128)
        sets = ({gram.encode() for gram in cut(text)} for text in texts)
        for number, signature in enumerate(MinHash.generator(sets, num_perm=128)):
            yield from ((other, number) for other in lsh.query(signature))
            lsh.insert(number, signature)

    return pairs


def datasketch_signatures(texts: list[str]) -> list:
    """MinHash.bulk with its defaults, sets included."""
    from datasketch import MinHash

    return MinHash.bulk([{gram.encode() for gram in grams(text)} for text in texts], num_perm=128)


def datasketch_fast(texts: list[str]) -> list:
    """MinHash.bulk with a faster hash than its default."""
    import xxhash
    from datasketch import MinHash

    sets = [{gram.encode() for gram in grams(text)} for text in texts]
    return MinHash.bulk(sets, num_perm=128, hashfunc=xxhash.xxh32_intdigest)


def rensa_clusters(bands: int) -> Callable[[list[str]], Iterator[tuple[int, int]]]:
    """R-MinHash and its index with 128 permutations; its documentation has 8 bands, 16 are a threshold of .71."""

    def pairs(texts: list[str]) -> Iterator[tuple[int, int]]:
        from rensa import RMinHash, RMinHashLSH

        lsh = RMinHashLSH(threshold=0.8 if bands == 8 else 0.7, num_perm=128, num_bands=bands)
        for number, text in enumerate(texts):
            signature = RMinHash(num_perm=128, seed=42)
            signature.update(grams(text))
            yield from ((other, number) for other in lsh.query(signature))
            lsh.insert(number, signature)

    return pairs


def rensa_each(text: str) -> object:
    """One R-MinHash a text, as its documentation shows."""
    from rensa import RMinHash

    signature = RMinHash(num_perm=128, seed=42)
    signature.update(grams(text))
    return signature.digest()


def rensa_sets(texts: list[str]) -> object:
    """All texts in one call, from token lists."""
    from rensa import RMinHash

    return RMinHash.digest_matrix_from_token_sets([grams(text) for text in texts], num_perm=128, seed=42)


def rensa_words(texts: list[str]) -> object:
    """All texts in one call, from plain words as in its documentation: not shingles, and nothing for zh."""
    from rensa import RMinHash

    return RMinHash.digest_matrix_from_token_sets([text.split() for text in texts], num_perm=128, seed=42)


def rensa_hashes(texts: list[str]) -> tuple:
    """Hash the shingles for rensa's matrix kernel."""
    import numpy as np
    import xxhash

    hashed = [[xxhash.xxh3_64_intdigest(gram) for gram in grams(text)] for text in texts]
    offsets = np.cumsum([0, *map(len, hashed)]).astype(np.uint64)
    return np.array([value for one in hashed for value in one], np.uint64), offsets


def rensa_matrix(given: tuple) -> object:
    """Permute ready hashes."""
    from rensa import RMinHash

    return RMinHash.digest_matrix_from_flat_token_hashes(*given, 128, 42)


@cache
def text_dedup_settings() -> tuple:
    """Read what its script derives from 250 permutations and .7."""
    import numpy as np
    from text_dedup.minhash import RNG
    from text_dedup.utils import optimal_param

    bands, rows = optimal_param(0.7, 250, false_positive_weight=0.5, false_negative_weight=0.5)
    prime = np.uint64((1 << 61) - 1)
    permutations = tuple(RNG.randint(low, prime, size=(250,), dtype=np.uint64) for low in (1, 0))
    return [(band * rows, (band + 1) * rows) for band in range(bands)], permutations, prime


def text_dedup_bands(text: str) -> list | None:
    """Five words, 250 permutations, .7, with the functions of its minhash script."""
    import numpy as np
    from text_dedup.minhash import NON_ALPHA, embed_func
    from text_dedup.utils import xxh3_32hash

    if len(NON_ALPHA.split(text.lower())) < 5:
        return None  # as its script does before it hashes
    ranges, permutations, prime = text_dedup_settings()
    return embed_func(
        text, 0, num_perm=250, ngram_size=5, min_length=5, hashranges=ranges, permutations=permutations,
        hash_func=xxh3_32hash, dtype=np.uint64, max_hash=np.uint32((1 << 32) - 1), modulo_prime=prime,
    )["__signatures__"]  # fmt: skip


@cache
def data_juicer_operator(tokenization: str) -> object:
    """document_minhash_deduplicator, window 5, 256 permutations, .7."""
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator

    return DocumentMinhashDeduplicator(tokenization=tokenization, window_size=5)


def data_juicer_bands(text: str) -> list:
    """Characters for zh and words for en, as its documentation recommends."""
    operator = data_juicer_operator({"zh": "character", "en": "space"}[language(text)])
    return operator.compute_hash({"text": text})["__dj__minhash"]


def data_juicer_characters(text: str) -> list:
    """Characters whatever the language."""
    return data_juicer_operator("character").compute_hash({"text": text})["__dj__minhash"]


@cache
def datatrove_step(code: str) -> object:
    """Its first step, with its defaults: five words, 14 bands of 8 rows."""
    from datatrove.pipeline.dedup.minhash import MinhashDedupSignature

    return MinhashDedupSignature(output_folder="unused", language=code)  # nothing is written there


def datatrove_bands(text: str) -> list | None:
    """Shingles and signatures of its first step, with its word tokenizer of the language."""
    step = datatrove_step(DATATROVE[language(text)])
    shingles = step.get_shingles(text)
    return [tuple(band) for band in step.get_signature(shingles)] if shingles.size else None


def whole(source: str, code: str, folder: str, name: str) -> Iterator[dict]:
    """Deduplicate one Parquet file with the peer's own pipeline."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    start, kept = WHOLE[name](source, code, Path(folder))
    yield {"peer": name, "set": code, "seconds": time.perf_counter() - start, "kept": kept()}


def datatrove_whole(source: str, code: str, folder: Path) -> tuple[float, Callable[[], int]]:
    """Four executors of its documentation, one worker."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import ParquetWriter

    config = MinhashConfig()
    reader = ParquetReader(str(Path(source).parent), glob_pattern=Path(source).name)
    sigs, pairs, removed, out = (str(folder / name) for name in ("signatures", "buckets", "remove", "out"))
    steps = [
        (1, [reader, MinhashDedupSignature(output_folder=sigs, config=config, language=DATATROVE[code])]),
        (config.num_buckets, [MinhashDedupBuckets(input_folder=sigs, output_folder=pairs, config=config)]),
        (1, [MinhashDedupCluster(input_folder=pairs, output_folder=removed, config=config)]),
        (1, [reader, MinhashDedupFilter(input_folder=removed), ParquetWriter(out)]),
    ]
    start = time.perf_counter()
    for number, (tasks, pipeline) in enumerate(steps):
        LocalPipelineExecutor(
            pipeline=pipeline, tasks=tasks, workers=1, logging_dir=str(folder / f"logs{number}")
        ).run()
    return start, lambda: sum(pq.read_metadata(path).num_rows for path in Path(out).glob("*.parquet"))


def data_juicer_whole(source: str, code: str, folder: Path) -> tuple[float, Callable[[], int]]:
    """Its default executor with one operator, one process."""
    from data_juicer.config import init_configs
    from data_juicer.core import DefaultExecutor

    operator = {"tokenization": {"zh": "character", "en": "space"}[code], "window_size": 5}
    (folder / "recipe.yaml").write_text(
        json.dumps(
            {
                "project_name": "near",
                "dataset_path": source,
                "export_path": str(folder / "out.parquet"),
                "np": 1,
                "use_cache": False,
                "open_tracer": False,
                "process": [{"document_minhash_deduplicator": operator}],
            }
        )
    )
    with contextlib.redirect_stdout(sys.stderr):
        settings = init_configs(["--config", str(folder / "recipe.yaml")])
        start = time.perf_counter()
        DefaultExecutor(settings).run()
    return start, lambda: sum(pq.read_metadata(path).num_rows for path in folder.glob("out*.parquet"))


def text_dedup_whole(source: str, _code: str, folder: Path) -> tuple[float, Callable[[], int]]:
    """Its script, one process."""
    from datasets import load_from_disk
    from text_dedup import minhash

    command = [
        "--path", "parquet", "--data_files", source, "--split", "train", "--output", str(folder / "out"),
        "--cache_dir", str(folder / "cache"), "--column", "text", "--num_proc", "1", "--ngram", "5",
        "--num_perm", "250", "--threshold", "0.7", "--hash_func", "xxh3",
    ]  # fmt: skip
    start = time.perf_counter()
    minhash.main(command, standalone_mode=False)
    return start, lambda: len(load_from_disk(str(folder / "out")))


SLOW = {"datatrove", "data_juicer", "data_juicer_characters", "datasketch", "datasketch_xxh32", "text_dedup"}

CLUSTERED: dict[str, Callable[[list[str]], Iterable[tuple[int, int]]]] = {
    "datasketch": datasketch_clusters(grams),
    "datasketch_characters": datasketch_clusters(character_grams),
    "rensa": rensa_clusters(8),
    "rensa_16": rensa_clusters(16),
    "text_dedup": lambda texts: buckets(map(text_dedup_bands, texts)),
    "data_juicer": lambda texts: buckets(map(data_juicer_bands, texts)),
    "data_juicer_characters": lambda texts: buckets(map(data_juicer_characters, texts)),
    "datatrove": lambda texts: buckets(map(datatrove_bands, texts)),
}

SIGNED: dict[str, tuple[Callable, Callable]] = {
    "datasketch": at_once(datasketch_signatures),
    "datasketch_xxh32": at_once(datasketch_fast),
    "rensa": each(rensa_each),
    "rensa_at_once": at_once(rensa_sets),
    "rensa_words": at_once(rensa_words),
    "rensa_ready_hashes": (rensa_hashes, rensa_matrix),
    "text_dedup": each(text_dedup_bands),
    "data_juicer": each(data_juicer_bands),
    "data_juicer_characters": each(data_juicer_characters),
    "datatrove": each(datatrove_bands),
}

WHOLE = {"datatrove": datatrove_whole, "data_juicer": data_juicer_whole, "text_dedup": text_dedup_whole}

if __name__ == "__main__":
    main()
