"""Group synthetic signatures of tens of millions of documents on disk: time, bytes, peak memory; nothing may be missed.

    python bench/scale.py --documents 20_000_000 --workers 2 --work FOLDER

With the rows, keys, cuts, pairs and links of the pipeline, each step over a pool of workers:

    sign    a shard's signatures are made and written, read again, keyed by band, and cut by key into one file
    pair    one range of keys of all shards gives candidate pairs of heads, cut by the greater one
    gather  one range of pairs of all ranges of keys: each pair once, as links of documents

and then what grouping.py does with links, in a store on disk: number, resolve, unite (in this process), group, tell.

Every twentieth document is a planted copy of an earlier one, in any shard, at a similarity of .7 to 1: each number of
its signature is the other's with that probability. Whatever shares a whole band with its original must come out as a
pair, and nothing else may but copies of one original; the components must be those of these pairs. The band rows take
bands × 20 bytes a document on disk (9 GB for 20 million), the signatures of a shard of 65,536 documents 30 MB, which
are removed once they are cut. The peak of this process is that of the client; what it holds beside four bytes for each
document with a copy are Python, the libraries and the names of parts.
"""

import argparse
import resource
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from corpus_gov import artefacts, grouping
from corpus_gov.kernels.compiling import kernel
from corpus_gov.relate import links, records
from corpus_gov.relate.clusters import roots
from corpus_gov.relate.presets import PRESETS
from corpus_gov.stages import Context
from corpus_gov.stages.pairing import added, band_rows, candidates
from corpus_gov.store import Store, open_store

PRESET = PRESETS["default"]

EVERY = 20
"""One document of so many is a planted copy."""

ROWS_A_RANGE = 1 << 20
"""Band rows of one range of keys: 20 MB."""

PAIRS_A_RANGE = 1 << 20
"""Pairs, as ranges of keys find them, of one range of pairs."""

_ROW = np.dtype([("text", records.NAME), ("minhash", "<u4", (PRESET.permutations,))])


@dataclass(frozen=True)
class Plan:
    """What all tasks share."""

    folder: Path
    documents: int
    shard: int
    """Documents of a shard."""

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.documents // self.shard)

    @property
    def key_ranges(self) -> int:
        """Ranges of keys, a power of two."""
        return records.power_of_two(self.documents * PRESET.bands, ROWS_A_RANGE)

    @property
    def pair_ranges(self) -> int:
        """Ranges of pairs: a planted pair is found in as many ranges of keys as it shares bands, 12 or so."""
        return records.power_of_two(self.documents // EVERY * 12, PAIRS_A_RANGE)


@dataclass(frozen=True)
class Done:
    """What a task says of itself."""

    seconds: float
    cpu: float
    rss: int
    """Peak of the worker so far, bytes."""
    written: int
    read: int
    rows: int


def main() -> None:
    """Run the steps, check, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000_000)
    parser.add_argument("--shard", type=int, default=1 << 16)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True, help="a folder for some 25 GB, removed at the end")
    options = parser.parse_args()
    options.work.mkdir(parents=True)
    try:
        measure(Plan(options.work, options.documents, options.shard), options.workers)
    finally:
        shutil.rmtree(options.work)


def measure(plan: Plan, workers: int) -> None:
    """Run all steps over a pool of workers."""
    print(
        f"{plan.documents:,} documents, {plan.shards} shards of {plan.shard:,}, {PRESET.name}, {plan.key_ranges} "
        f"ranges of keys, {plan.pair_ranges} of pairs, {workers} workers"
    )
    # Workers of one step end with it, so that each step has a peak of its own.
    step("sign", sign, [(plan, number) for number in range(plan.shards)], workers, plan)
    step("pair", pair, [(plan, number) for number in range(plan.key_ranges)], workers, plan)
    step("gather", gather, [(plan, number) for number in range(plan.pair_ranges)], workers, plan)
    context = Context(url=str(plan.folder / "store"), keys_folder="", packs=(), rules_folder=None, policy="")
    shards = [SimpleNamespace(ref=str(number), documents=plan.shard) for number in range(plan.shards)]
    relations = grouping.relations("synthetic", shards)
    roots(2, *np.array([[0], [1]]))  # compiles
    before = peak()
    engine = Pool(workers, plan)
    grouping.put_relations(context, engine, tuple(link_name(n) for n in range(plan.pair_ranges)), relations)
    store = context.store()
    linked = sum(count_of(store, name) for name in relations.copies)
    print(
        f"the client: {peak() / 1e6:,.0f} MB at its peak, {(peak() - before) / 1e6:,.0f} MB above that before these "
        f"steps, {(peak() - before) / plan.documents:.2f} bytes a document; {linked:,} links",
        flush=True,
    )
    pairs = np.concatenate([np.load(plan.folder / f"pairs-{n}.npy") for n in range(plan.pair_ranges)])
    tables = [artefacts.get(store, name) for name in relations.clusters]
    columns = [records.names(pa.concat_tables(tables)[name]) for name in ("doc_id", "cluster_id")]
    nodes, found = (numbers(records.heads(column)) for column in columns)
    check(plan, pairs, nodes, found)


class Pool:
    """What grouping needs of an engine: tasks in processes that end with each step."""

    def __init__(self, workers: int, plan: Plan) -> None:
        """Note how many workers there are, and of what to print figures."""
        self._workers, self._plan = workers, plan

    def map(self, _stage: str, function: Callable, items: Sequence) -> list:
        """Run a function on every item and print a row of the table."""
        found: list = []
        step(function.__name__, timed, [(function, item) for item in items], self._workers, self._plan, found)
        return found


def timed(task: tuple[Callable, object]) -> tuple[Done, object]:
    """Run a task of the pipeline."""
    function, item = task
    clock = Clock()
    result = function(item)
    return clock.done(0, 0, 0), result


def link_name(number: int) -> str:
    """Name the links of one range of pairs."""
    return artefacts.name("links.near", number)


def count_of(store: Store, name: str) -> int:
    """Count links."""
    return len(artefacts.read(store, name)) // links.LINK.itemsize


def step(name: str, task: Callable, tasks: list, workers: int, plan: Plan, found: list | None = None) -> None:
    """Run one step and print a row of the table; what tasks give beside their figures goes to `found`."""
    start = time.perf_counter()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(task, tasks))
    if found is not None:
        found += [result for _, result in done]
        done = [one for one, _ in done]
    seconds = time.perf_counter() - start
    total = {field: sum(getattr(one, field) for one in done) for field in ("cpu", "written", "read", "rows")}
    # Tasks of the pipeline do not count what they read and write.
    counted = total["read"] or total["written"]
    moved = f"{total['read'] / 1e9:.2f} read, {total['written'] / 1e9:.2f} written" if counted else ""
    rows = f"{total['rows']:,} rows" if counted else ""
    print(
        f"| {name} | {len(tasks)} | {seconds:.1f} | {plan.documents / seconds:,.0f} | {total['cpu']:.0f} | "
        f"{moved} | {max(one.rss for one in done) / 1e6:,.0f} MB | {rows} |",
        flush=True,
    )


def sign(task: tuple[Plan, int]) -> Done:
    """Write a shard's signatures, read them, key them by band and cut the keys."""
    plan, number = task
    clock = Clock()
    first, stop = number * plan.shard, min((number + 1) * plan.shard, plan.documents)
    rows = np.zeros(stop - first, _ROW)
    minhash = np.empty((len(rows), PRESET.permutations), np.uint32)
    _signatures(np.int64(first), minhash)
    rows["minhash"], rows["text"] = minhash, names(np.arange(first, stop))
    path = plan.folder / f"signatures-{number}"
    rows.tofile(path)
    made = clock.now()
    keyed = band_rows(np.fromfile(path, _ROW), PRESET)
    parts = records.cut(keyed, records.KEYED, keyed["key"], plan.key_ranges)
    written = write(plan.folder / f"bands-{number}", parts) + path.stat().st_size
    path.unlink()
    return clock.done(len(keyed["key"]), written, written - sum(map(len, parts)), made)


def pair(task: tuple[Plan, int]) -> Done:
    """Pair the texts of one range of keys of all shards."""
    plan, number = task
    clock = Clock()
    read = [part(plan.folder / f"bands-{shard}", number) for shard in range(plan.shards)]
    found = candidates(records.unpacked(read, records.KEYED), PRESET.bucket, PRESET.anchors)
    parts = records.cut(found, records.COUNTED, found["b"], plan.pair_ranges)
    written = write(plan.folder / f"found-{number}", parts)
    return clock.done(len(found["a"]), written, sum(map(len, read)))


def gather(task: tuple[Plan, int]) -> Done:
    """Bring together what ranges of keys found of each pair, once."""
    plan, number = task
    clock = Clock()
    read = [part(plan.folder / f"found-{keys}", number) for keys in range(plan.key_ranges)]
    both = np.stack([numbers(heads) for heads in added(records.unpacked(read, records.COUNTED), 0)])
    np.save(plan.folder / f"pairs-{number}.npy", both.T)
    rows = linked(plan, both)
    parts = grouping.link_ranges([SimpleNamespace(documents=plan.documents)])
    store = open_store(str(plan.folder / "store"))
    links.put(store, link_name(number), rows, records.number_of(records.heads(rows["a"]), parts), parts)
    return clock.done(both.shape[1], both.nbytes, sum(map(len, read)))


def linked(plan: Plan, both: np.ndarray) -> records.Columns:
    """Make links.LINK of pairs of numbers: as of edges, the smaller name is first."""
    one, other = (names(side) for side in both)
    a, b = np.where(one < other, both, both[::-1])
    return {
        "a": names(a),
        "b": names(b),
        "home_a": a // plan.shard,
        "home_b": b // plan.shard,
        "value": np.full(len(a), 10_000),
        "kind": np.full(len(a), links.KINDS.index("near")),
    }


def components(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the components at once: documents with a pair by name, ascending, and the smallest of each one's."""
    known, places = np.unique(names(pairs.reshape(-1)), return_inverse=True)
    places = places.reshape(-1, 2)
    found = roots(len(known), places[:, 0].copy(), places[:, 1].copy())
    return numbers(records.heads(known)), numbers(records.heads(known[found]))


def check(plan: Plan, pairs: np.ndarray, nodes: np.ndarray, found: np.ndarray) -> None:
    """Assert that all planted pairs that share a band were found, and what they are the components of."""
    copies = np.arange(EVERY - 1, plan.documents, EVERY)
    originals, shared = np.empty(len(copies), np.int64), np.empty(len(copies), np.int64)
    _planted(copies, PRESET.bands, PRESET.rows, originals, shared)
    planted = np.stack([originals, copies], axis=1)[shared > 0]
    width = np.int64(plan.documents)
    expected, got = (np.unique(np.sort(rows, axis=1) @ np.array([width, 1])) for rows in (planted, pairs))
    missed, more = np.setdiff1d(expected, got), np.setdiff1d(got, expected)
    similarity = _similarity_of(copies)
    theory = 1 - (1 - similarity**PRESET.rows) ** PRESET.bands
    print(
        f"{len(copies):,} planted copies, {len(expected):,} share a band with their original "
        f"({len(planted) / len(copies):.4f}; theory {theory.mean():.4f}); missed {len(missed)}; "
        f"{len(more):,} other pairs, {len(np.unique(found)):,} components of {len(nodes):,} documents"
    )
    assert len(missed) == 0, missed[:5]
    assert abs(len(planted) / len(copies) - theory.mean()) < 0.005, (len(planted), theory.mean())
    # Copies of one original share bands with each other; other pairs would be an accident of 64 bits.
    family = dict(zip(copies.tolist(), originals.tolist(), strict=True))
    siblings = np.stack(np.divmod(more, width), axis=1)
    assert all(family.get(a, a) == family.get(b, b) for a, b in siblings.tolist())
    true_nodes, true = components(np.concatenate([planted, siblings]))
    # Clusters lie by their smallest document, not by theirs.
    at = np.argsort(names(nodes))
    assert np.array_equal(true_nodes, nodes[at])
    assert np.array_equal(true, found[at])


class Clock:
    """Wall and processor seconds of a task."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def now(self) -> tuple[float, float]:
        """Return seconds so far."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu

    def done(self, rows: int, written: int, read: int, without: tuple[float, float] = (0.0, 0.0)) -> Done:
        """Report; `without` is time that made synthetic data."""
        wall, cpu = self.now()
        return Done(wall - without[0], cpu - without[1], peak(), written, read, rows)


def peak() -> int:
    """Return the peak resident memory of this process, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def names(numbers_of: np.ndarray) -> np.ndarray:
    """Name documents by 16 bytes: eight that look like a digest, then the number."""
    found = np.empty((len(numbers_of), 2), ">u8")
    found[:, 0], found[:, 1] = _mixed(numbers_of.astype(np.uint64)), numbers_of
    return found.reshape(-1).view(records.NAME)


def numbers(heads: np.ndarray) -> np.ndarray:
    """Read the numbers of heads: `_mixed` backwards."""
    return _unmixed(heads).astype(np.int64)


def write(path: Path, parts: Iterable[bytes]) -> int:
    """Write parts one after another, and where each begins; returns the bytes."""
    sizes = [0]
    with path.open("wb") as file:
        for one in parts:
            sizes.append(sizes[-1] + file.write(one))
    np.save(path.with_suffix(".npy"), np.array(sizes))
    return sizes[-1]


def part(path: Path, number: int) -> bytes:
    """Read one part."""
    bounds = np.load(path.with_suffix(".npy"), mmap_mode="r")
    with path.open("rb") as file:
        file.seek(int(bounds[number]))
        return file.read(int(bounds[number + 1] - bounds[number]))


@kernel
def _mixed(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Spread numbers (splitmix64)."""
    x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
def _unmixed(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Undo `_mixed`: both factors have inverses modulo 2^64, and so have the shifts."""
    x = x ^ (x >> np.uint64(31)) ^ (x >> np.uint64(62))
    x = x * np.uint64(0x319642B2D24D8EC3)
    x = x ^ (x >> np.uint64(27)) ^ (x >> np.uint64(54))
    x = x * np.uint64(0x96DE1B173F119089)
    x = x ^ (x >> np.uint64(30)) ^ (x >> np.uint64(60))
    return x * np.uint64(0xF1DE83E19937733D) - np.uint64(1)


@kernel
def _similarity(document):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the share of its original's numbers that a copy has: .7 to 1."""
    return 0.7 + 0.3 * np.float64(_mixed(np.uint64(document) ^ np.uint64(0xA5A5)) >> np.uint64(11)) / 2.0**53


@kernel
def _similarity_of(documents):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out = np.empty(documents.shape[0])
    for i in range(documents.shape[0]):
        out[i] = _similarity(documents[i])
    return out


@kernel
def _original(document):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the document of which a planted copy is one: any earlier one that is no copy; itself where it is none."""
    if document % EVERY != EVERY - 1:
        return np.int64(document)
    found = np.int64(_mixed(np.uint64(document)) % np.uint64(document))
    return found - 1 if found % EVERY == EVERY - 1 else found


@kernel
def _number(document, p):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return np.uint32(_mixed(np.uint64(document) * np.uint64(1024) + np.uint64(p)) >> np.uint64(32))


@kernel
def _own(document, p):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Say whether a copy has a number of its own here."""
    chance = _mixed(np.uint64(document) * np.uint64(1024) + np.uint64(p) ^ np.uint64(0x5555_0000_0000_0000))
    return np.float64(chance >> np.uint64(11)) / 2.0**53 >= _similarity(document)


@kernel
def _signatures(first, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for i in range(out.shape[0]):
        document = first + i
        original = _original(document)
        for p in range(out.shape[1]):
            source = document if original == document or _own(document, p) else original
            out[i, p] = _number(source, p)


@kernel
def _planted(copies, bands, rows, originals, shared):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Find the original of each copy, and in how many bands they agree."""
    for i in range(copies.shape[0]):
        originals[i], shared[i] = _original(copies[i]), 0
        for band in range(bands):
            same = True
            for p in range(band * rows, (band + 1) * rows):
                same &= not _own(copies[i], p)
            shared[i] += same


if __name__ == "__main__":
    main()
