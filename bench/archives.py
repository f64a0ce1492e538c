"""Measure how archives are read: speed beside warcio and fastwarc, and memory on two extreme files.

`python bench/archives.py speed FOLDER` reads every .warc.gz of a folder; `python bench/archives.py memory` writes a
single gzip member of 2 GB and a million tiny records into a temporary folder, and reads them. Every reader runs in a
process of its own. Peak RSS counts the pages of mapped files that are in memory.
"""

import argparse
import gzip
import mmap
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RUNS = 5
MEMBER_BYTES = 2_000_000_000
TINY = 1_000_000
HEAD = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://site.example/%d\r\n"
REST = b"WARC-Date: 2026-01-01T00:00:00Z\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n"


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "memory", "read"])
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--reader", choices=list(READERS), default="ours")
    parser.add_argument("--only", nargs="+", choices=list(WRITERS), default=list(WRITERS))
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    if options.what == "read":
        read(options.reader, options.paths)
    elif options.what == "speed":
        speed(sorted(options.paths[0].glob("*.warc.gz")), options.runs)
    else:
        memory(options.only)


def ours(path: Path) -> Iterator[int]:
    """Yield the size of each record's payload as we read it."""
    from corpus_gov.sources import warc  # noqa: PLC0415 - each reader is loaded in its own process only

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for record in warc.records(data):
            yield len(record.payload or b"")


def fastwarc(path: Path) -> Iterator[int]:
    """Yield the size of each record's body as fastwarc reads it; bodies are not decoded."""
    from fastwarc import ArchiveIterator  # noqa: PLC0415

    with path.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True):
            yield len(record.reader.read())


def warcio(path: Path) -> Iterator[int]:
    """Yield the size of each record's body as warcio reads it; bodies are decoded."""
    from warcio.archiveiterator import ArchiveIterator  # noqa: PLC0415

    with path.open("rb") as file:
        for record in ArchiveIterator(file):
            yield len(record.content_stream().read())


READERS = {"ours": ours, "fastwarc": fastwarc, "warcio": warcio}


def read(reader: str, paths: list[Path]) -> None:
    """Read files once and print records, bytes, seconds of wall time and peak RSS in MB."""
    # Libraries are loaded and the file is in the system's memory before time is taken.
    next(READERS[reader](paths[0]))
    started, records, size = time.perf_counter(), 0, 0
    for path in paths:
        for length in READERS[reader](path):
            records += 1
            size += length
    seconds = time.perf_counter() - started
    print(records, size, f"{seconds:.3f}", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def measured(reader: str, paths: list[Path]) -> tuple[int, int, float, int]:
    """Run `read` in a process of its own."""
    command = [sys.executable, __file__, "read", *map(str, paths), "--reader", reader]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return int(words[0]), int(words[1]), float(words[2]), int(words[3])


def speed(paths: list[Path], runs: int) -> None:
    """Print medians of all readers over the same files, taken in turn."""
    done = [(name, measured(name, paths)) for _ in range(runs) for name in READERS]
    print("| reader | records | MB of bodies | records/s | MB/s | peak RSS MB |\n|---|---|---|---|---|---|")
    for name in READERS:
        results = [result for reader, result in done if reader == name]
        seconds = statistics.median(result[2] for result in results)
        records, size = results[0][0], results[0][1] / 1e6
        peak = max(result[3] for result in results)
        print(f"| {name} | {records:,} | {size:.1f} | {records / seconds:,.0f} | {size / seconds:.0f} | {peak} |")


def memory(names: list[str]) -> None:
    """Print peak RSS and time on one member of 2 GB and on a million records, beside a file of one record."""
    with tempfile.TemporaryDirectory() as folder:
        print("| file | MB on disk | records | MB of payload | seconds | peak RSS MB |\n|---|---|---|---|---|---|")
        for name in names:
            path = Path(folder) / f"{name}.warc.gz"
            WRITERS[name](path)
            records, size, seconds, peak = measured("ours", [path])
            disk = path.stat().st_size / 1e6
            print(f"| {name} | {disk:.1f} | {records:,} | {size / 1e6:.1f} | {seconds:.1f} | {peak} |", flush=True)
            path.unlink()


def record(number: int, body: bytes) -> bytes:
    """Return a response that says its number."""
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    return HEAD % number + REST % len(block) + block + b"\r\n\r\n"


def write_one(path: Path) -> None:
    """Write one record: what the interpreter and the libraries take."""
    path.write_bytes(gzip.compress(record(0, b"<p>text</p>"), mtime=0))


def write_member(path: Path) -> None:
    """Write varied records as one gzip member."""
    source = random.Random(0)
    noise = [source.randbytes(6_000).hex().encode() for _ in range(64)]
    written = number = 0
    with gzip.open(path, "wb", compresslevel=1) as file:
        while written < MEMBER_BYTES:
            parts = source.sample(noise, 8)
            written += file.write(record(number, b"<p>" + b"</p><p>".join(parts)))
            number += 1


def write_tiny(path: Path) -> None:
    """Write a million records with a member each."""
    with path.open("wb") as file:
        for number in range(TINY):
            file.write(gzip.compress(record(number, b"<p>%d</p>" % number), 1, mtime=0))


WRITERS = {"one": write_one, "member": write_member, "tiny": write_tiny}

if __name__ == "__main__":
    main()
