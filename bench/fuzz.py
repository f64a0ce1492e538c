"""Read damaged inputs of every format and check that nothing ends the run, takes too long or goes unaccounted.

`python bench/fuzz.py --inputs 50000 --seed N` spreads them over two processes. An input is made again from seed, format
and number (tests/fuzzing.py); those that break a promise are written to the folder given by --keep. A process that ends
with its input, by a crash of a library or after HANG_SECONDS, is a broken promise, and another takes over behind it.
"""

import argparse
import json
import multiprocessing
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

WORKERS = 2
GUARD_SECONDS = 5
"""Of CPU time, for one input."""
HANG_SECONDS = 30
"""Of CPU time: code that Python cannot interrupt ends with its process."""
PEAK_MB = 1_500
SHARE = 40
"""Inputs of one format in a row."""


class TooLongError(BaseException):
    """An input took longer than GUARD_SECONDS; no `except Exception` swallows it."""


def main() -> None:
    """Read the arguments, run, print the table and assert."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="what was told of each input; those that are in it are not read again")
    parser.add_argument("--most", type=int, help="end after so many inputs, for a long run in pieces with one log")
    parser.add_argument("--formats", nargs="+")
    parser.add_argument("--keep", type=Path, help="folder for inputs that break a promise")
    options = parser.parse_args()
    import fuzzing  # noqa: PLC0415 - the path is set above; libraries load in the parent once

    forms = options.formats or list(fuzzing.FORMATS)
    each = -(-options.inputs // len(forms))
    told = [json.loads(line) for line in options.log.read_text().splitlines()] if known(options.log) else []
    there = {(one["format"], one["number"]) for one in told}
    todo = [
        (form, number)
        for first in range(0, each, SHARE)
        for form in forms
        for number in range(first, min(first + SHARE, each))
        if (form, number) not in there
    ][: options.most]
    started = time.perf_counter()
    new = run(todo, options.seed, options.keep)
    if options.log:
        with options.log.open("a") as log:
            log.writelines(json.dumps(one) + "\n" for one in new)
    told += new
    print(f"{len(new):,} inputs in {time.perf_counter() - started:.0f} s of wall time\n")
    print_table(told)
    broken = [one for one in told if one["problems"]]
    for one in broken:
        print(f"seed {options.seed} {one['format']} {one['number']}: {'; '.join(one['problems'])} ({one['done']})")
    assert not broken, f"{len(broken)} inputs"
    assert options.most or len(told) >= options.inputs, len(told)


def known(log: Path | None) -> bool:
    """Tell whether there is a log of earlier pieces of the run."""
    return log is not None and log.exists()


def run(todo: list[tuple[str, int]], seed: int, keep: Path | None) -> list[dict[str, Any]]:
    """Give each worker every second input, and what a dead one left to another; return what was told of each."""
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        left = {worker: todo[worker::WORKERS] for worker in range(WORKERS)}
        living = {worker: start(worker, Path(folder), left[worker], seed, keep) for worker in left}
        while living:
            for worker, one in list(living.items()):
                one.join(0.2)
                if one.is_alive():
                    continue
                del living[worker]
                file = Path(folder) / str(worker)
                found = [json.loads(line) for line in file.read_text().splitlines()]
                file.unlink()
                told += found
                left[worker] = left[worker][len(found) :]
                if left[worker]:
                    form, number = left[worker].pop(0)
                    told.append(dead(form, number, one.exitcode))
                    living[worker] = start(worker, Path(folder), left[worker], seed, keep)
    return told


def start(worker: int, folder: Path, work: list[tuple[str, int]], seed: int, keep: Path | None) -> Any:
    """Start a process that tells of each input in a line of its file as soon as it is done."""
    one = multiprocessing.get_context("spawn").Process(target=read, args=(folder, worker, work, seed, keep))
    one.start()
    return one


def dead(form: str, number: int, code: int | None) -> dict[str, Any]:
    """Tell of an input that its process did not survive."""
    problem = f"the process ended with {code!r}"
    return {"format": form, "number": number, "problems": [problem], "done": "", "seconds": 0.0, "bytes": 0,
            "documents": 0, "outcomes": {}, "reasons": {}, "peak": 0}  # fmt: skip


def read(folder: Path, worker: int, work: list[tuple[str, int]], seed: int, keep: Path | None) -> None:
    """Make and examine inputs."""
    import fuzzing  # noqa: PLC0415 - a process of its own

    def too_long(*_: object) -> None:
        raise TooLongError

    signal.signal(signal.SIGPROF, too_long)
    for number in range(3):  # libraries and kernels load before time is taken
        warm(fuzzing, folder / f"warm{worker}", number)
    path = folder / f"input{worker}"
    with (folder / str(worker)).open("w") as out:
        for form, number in work:
            data, done = fuzzing.made(form, seed, number)
            path.write_bytes(data)
            signal.setitimer(signal.ITIMER_PROF, GUARD_SECONDS)
            signal.setitimer(signal.ITIMER_VIRTUAL, HANG_SECONDS)
            started = time.process_time()
            try:
                told = fuzzing.examine(path, fuzzing.name_of(form, number), fuzzing.dossier(number))
            except TooLongError:
                told = fuzzing.Told([f"more than {GUARD_SECONDS} s"])
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            seconds = time.process_time() - started
            if told.problems and keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{form}-{number}").write_bytes(data)
            line = {"format": form, "number": number, "problems": told.problems, "done": " ".join(done),
                    "seconds": seconds, "bytes": len(data), "documents": told.documents,
                    "outcomes": told.outcomes, "reasons": told.reasons,
                    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}  # fmt: skip
            out.write(json.dumps(line) + "\n")
            out.flush()


def warm(fuzzing: Any, path: Path, number: int) -> None:
    """Read inputs of another seed, so that everything that loads late has loaded."""
    for form in ("warc", "html", "parquet", "zip", "md"):
        path.write_bytes(fuzzing.made(form, -1, number)[0])
        fuzzing.examine(path, f"input.{form}", fuzzing.dossier(number))


def print_table(told: list[dict[str, Any]]) -> None:
    """Print a row for each format."""
    print(
        "| format | inputs | documents | captures | rejected | most frequent classes | slowest, CPU s (number) | MB/s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for form in [*dict.fromkeys(one["format"] for one in told), None]:
        rows = [one for one in told if form in {None, one["format"]}]
        reasons: Counter[str] = sum((Counter(one["reasons"]) for one in rows), Counter())
        captures = sum(sum(one["outcomes"].values()) for one in rows)
        classes = ", ".join(f"{name} {count:,}" for name, count in reasons.most_common(4))
        slowest = max(rows, key=lambda one: one["seconds"])
        speed = sum(one["bytes"] for one in rows) / 1e6 / max(1e-9, sum(one["seconds"] for one in rows))
        cells = (form or "all", f"{len(rows):,}", f"{sum(one['documents'] for one in rows):,}", f"{captures:,}",
                 f"{sum(reasons.values()):,}", classes, f"{slowest['seconds']:.2f} ({slowest['number']})",
                 f"{speed:.2f}")  # fmt: skip
        print("| " + " | ".join(cells) + " |")
    stopped = sum(one["outcomes"].get("stopped", 0) for one in told)
    peak = max(one["peak"] for one in told)
    print(f"\nEvery input read twice; {stopped} ended as one doc_id with two texts; "
          f"peak of a process {peak:,} MB; {len([1 for one in told if one['problems']])} broken promises")  # fmt: skip
    assert peak < PEAK_MB


if __name__ == "__main__":
    main()
