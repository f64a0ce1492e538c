"""Run peers on the texts of near.py, in an environment that has them; JSON lines on standard output.

    PEERS_PYTHON bench/near_peers.py DATA MEGABYTES [PEER...]

Pinned: datasketch 2.0.0, rensa 0.5.0, text-dedup 0.4.0, py-data-juicer 1.6.1, numpy, pyarrow, zstandard. Each peer
gets what its documentation recommends: words where it splits words, characters where it has an option for Chinese.
A peer that fails says so in a row of its own.
"""

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path

import pyarrow.parquet as pq
import zstandard

Cluster = Callable[[list[str]], Iterable[tuple[int, int]]]
"""Texts in, pairs of duplicates out."""


def main() -> None:
    """Cluster both accuracy sets with every peer, and time it on the start of the bulk sets."""
    data, megabytes = Path(sys.argv[1]), float(sys.argv[2])
    sets = {
        "edits": texts_of(data, "controlled_edits"),
        "reference": texts_of(data, "exact_ref_docs"),
        **{name: bulk(data / "bench" / f"{name}.parquet", megabytes) for name in ("zh", "en")},
    }
    peers = {
        peer.__name__.removeprefix("by_"): peer for peer in (by_datasketch, by_rensa, by_text_dedup, by_data_juicer)
    }
    for peer in (peers[name] for name in sys.argv[3:] or peers):
        for name, texts in sets.items():
            row = {"peer": peer.__name__.removeprefix("by_"), "set": name}
            try:
                start = time.perf_counter()
                pairs = list(peer(texts))
                seconds = time.perf_counter() - start
            except Exception as error:  # noqa: BLE001 - what a peer cannot do is a result
                print(json.dumps({**row, "error": f"{type(error).__name__}: {error}"}), flush=True)
                continue
            if name in {"zh", "en"}:
                size = sum(len(text.encode()) for text in texts) / 1e6
                print(json.dumps({**row, "mb_s": size / seconds}), flush=True)
            else:
                print(json.dumps({**row, "seconds": seconds, "labels": labels(pairs, len(texts))}), flush=True)


def texts_of(data: Path, name: str) -> list[str]:
    """Read the texts of one file of near-duplicate data."""
    with zstandard.open(data / "05_near_duplicates" / f"{name}.jsonl.zst", "rb") as file:
        return [json.loads(line)["text"] for line in TextIOWrapper(file, "utf-8")]


def bulk(path: Path, megabytes: float) -> list[str]:
    """Read the first megabytes of a bulk set."""
    texts, size = [], 0
    for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
        size += len(text.encode())
        if size > megabytes * 1e6:
            break
        texts.append(text)
    return texts


def labels(pairs: Iterable[tuple[int, int]], n: int) -> list[int]:
    """Number the component of each text."""
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


def grams(text: str) -> list[str]:
    """Cut a text as users of token-list libraries do: five characters without white space."""
    joined = "".join(text.lower().split())
    return [joined[start : start + 5] for start in range(max(len(joined) - 4, 1))]


def by_datasketch(texts: list[str]) -> Iterator[tuple[int, int]]:
    """MinHash.bulk and MinHashLSH at .7, 128 permutations."""
    from datasketch import MinHash, MinHashLSH  # noqa: PLC0415 - one peer may be absent

    lsh = MinHashLSH(threshold=0.7, num_perm=128)
    sets = ({gram.encode() for gram in grams(text)} for text in texts)
    for number, signature in enumerate(MinHash.generator(sets, num_perm=128)):
        yield from ((other, number) for other in lsh.query(signature))
        lsh.insert(number, signature)


def by_rensa(texts: list[str]) -> Iterator[tuple[int, int]]:
    """R-MinHash and its index with the defaults of its documentation: 128 permutations, .8, 8 bands."""
    from rensa import RMinHash, RMinHashLSH  # noqa: PLC0415 - one peer may be absent

    lsh = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=8)
    for number, text in enumerate(texts):
        signature = RMinHash(num_perm=128, seed=42)
        signature.update(grams(text))
        yield from ((other, number) for other in lsh.query(signature))
        lsh.insert(number, signature)


def by_text_dedup(texts: list[str]) -> Iterator[tuple[int, int]]:
    """Five words, 250 permutations, .7, with the functions of its minhash script."""
    import numpy as np  # noqa: PLC0415 - one peer may be absent
    from text_dedup.minhash import NON_ALPHA, RNG, embed_func  # noqa: PLC0415 - one peer may be absent
    from text_dedup.utils import optimal_param, xxh3_32hash  # noqa: PLC0415 - one peer may be absent

    bands, rows = optimal_param(0.7, 250, false_positive_weight=0.5, false_negative_weight=0.5)
    prime, most = np.uint64((1 << 61) - 1), np.uint32((1 << 32) - 1)
    permutations = (
        RNG.randint(1, prime, size=(250,), dtype=np.uint64),
        RNG.randint(0, prime, size=(250,), dtype=np.uint64),
    )
    ranges = [(band * rows, (band + 1) * rows) for band in range(bands)]
    tables: list[dict] = [defaultdict(list) for _ in ranges]
    for number, text in enumerate(texts):
        if len(NON_ALPHA.split(text.lower())) < 5:
            continue  # as its script does before it hashes
        found = embed_func(
            text, number, num_perm=250, ngram_size=5, min_length=5, hashranges=ranges, permutations=permutations,
            hash_func=xxh3_32hash, dtype=np.uint64, max_hash=most, modulo_prime=prime,
        )  # fmt: skip
        for table, key in zip(tables, found["__signatures__"], strict=True):
            table[key].append(number)
    for table in tables:
        for members in table.values():
            yield from ((members[0], member) for member in members[1:])


def by_data_juicer(texts: list[str]) -> Iterator[tuple[int, int]]:
    """document_minhash_deduplicator with characters, window 5, 256 permutations, .7."""
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator  # noqa: PLC0415 - one peer may be absent

    operator = DocumentMinhashDeduplicator(tokenization="character", window_size=5)
    tables: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number, text in enumerate(texts):
        sample = operator.compute_hash({"text": text})
        for band, key in enumerate(sample["__dj__minhash"]):
            tables[band, key].append(number)
    for members in tables.values():
        yield from ((members[0], member) for member in members[1:])


if __name__ == "__main__":
    main()
