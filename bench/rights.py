"""Time all that is looked up of rights after extraction, together: licences, AI labels, opt-outs, states, notices.

    python bench/rights.py --data ../shared/data [--documents 20000]

The texts are those of the bench set. Each gets lines about rights as pages have them (the shares are given below), a
host with a robots.txt for every 20 documents, and a time. MB are those of the texts alone.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from language import documents as batch_of

from corpus_gov import notices, policyfile, rules, screens
from corpus_gov.facts import facts
from corpus_gov.relate import optout
from corpus_gov.rules import load_packs
from corpus_gov.schemas import DOCUMENTS, FINDINGS, SNAPSHOTS, TEXT

PACKS = ("common.licence", "cn.licence", "common.aigc", "cn.aigc", "common.optout")
START = datetime(2026, 3, 1, tzinfo=UTC)
ON_A_HOST = 20
ROBOTS = b"User-agent: *\nDisallow: /private/\n\nUser-agent: GPTBot\nDisallow: /\n"
GOAL = 50
"""MB/s of a core."""

LINES = (
    (2, "meta:robots: index, follow"),
    (3, "meta:copyright: Example Press {n}"),
    (2, "notice@38/40: © 2024 Example Press {n}. All rights reserved."),
    (4, "notice@39/40: 版权所有 未经许可不得转载 京ICP备{n}号"),
    (10, "a@footer:license: https://creativecommons.org/licenses/by-sa/4.0/"),
    (20, "jsonld:license: https://example.org/terms/{n}"),
    (20, "meta:tdm-reservation: 1"),
    (50, "http:x-robots-tag: noai"),
)
"""A line, and on one of how many pages it stands."""


def corpus(texts: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Build documents with lines about rights, and the snapshots of their hosts."""
    batch, n = batch_of(list(texts)), len(texts)
    hosts = [f"h{i // ON_A_HOST}.example" for i in range(n)]
    given: dict[str, Any] = {
        "markup": ["\n".join(line.format(n=i) for every, line in LINES if i % every == 0) or None for i in range(n)],
        "uri": [f"https://{host}/a/{i}" for i, host in enumerate(hosts)],
        "host": hosts,
        "fetched_at": [START + timedelta(minutes=i) for i in range(n)],
    }
    arrays = [
        pa.array(given[field.name], TEXT if field.type == TEXT else field.type)
        if field.name in given
        else batch.column(field.name)
        for field in DOCUMENTS
    ]
    known = [
        {"source_id": "bench", "host": host, "kind": "robots", "fetched_at": START, "http_status": 200,
         "digest": host, "body": ROBOTS}
        for host in dict.fromkeys(hosts)
    ]  # fmt: skip
    return pa.table(arrays, schema=DOCUMENTS), pa.Table.from_pylist(known, schema=SNAPSHOTS)


def steps(table: pa.Table, snapshots: pa.Table, found: dict[str, Any]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is timed; what a step gives goes into `found` for those after it."""
    packs = load_packs(PACKS)
    of = {name: rules.concern(packs, name) for name in ("licence", "aigc", "optout")}
    batch = table.combine_chunks().to_batches()[0]
    ids = table["doc_id"].combine_chunks()
    policy = policyfile.load("default", None)
    source = {"source_id": "bench", "kind": "self_collected", "status": "valid"}

    def look(name: str) -> pa.Table:
        return pa.Table.from_batches([screens.look(name, batch, of[name])])

    def state() -> pa.Table:
        both = pa.concat_tables([found["licence"], found["aigc"]])
        return facts(table, {}, both, found["opt-outs"][0], source, packs, matrix=policy.uses)

    def kept() -> pa.Array:
        said = notices.statements(ids, found["licence"])
        lines = notices.notices(ids, table["markup"].combine_chunks(), found["licence"], FINDINGS.empty_table(), {})
        licences = found["states"]["rights"].combine_chunks().field("licence")
        return said, lines, notices.attributions(licences, table["author"].combine_chunks(), lines)

    yield "licence", lambda: look("licence")
    yield "aigc", lambda: look("aigc")
    yield "opt-outs", lambda: optout.evaluate(table, snapshots, of["optout"])
    yield "states", state
    yield "notices", kept


def check(table: pa.Table, found: dict[str, Any]) -> None:
    """Fail where what was timed did not find what the lines say."""
    n = len(table)
    share = {line: len(range(0, n, every)) for every, line in LINES}
    states = found["states"]["rights"].combine_chunks().field("state").to_pylist()
    assert len(states) == n
    assert sum(bool(one) for one in found["notices"][1].to_pylist()) >= n // 2
    assert sum(one is not None for one in found["notices"][2].to_pylist()) >= n // 2
    denied = found["opt-outs"][0]["state"].to_pylist()
    assert denied.count("denied") == n, "GPTBot is kept out everywhere"
    by_sa = sum("CC-BY-SA-4.0" in str(one) for one in found["notices"][0].to_pylist())
    assert by_sa >= share[LINES[4][1]], by_sa


def main() -> None:
    """Time the steps: of each the least of three runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=20_000)
    asked = parser.parse_args()
    for name in ("zh", "en"):
        texts = pq.read_table(asked.data / "bench" / f"{name}.parquet", columns=["text"])["text"]
        texts = texts.slice(0, asked.documents).to_pylist()
        size = sum(len(text.encode()) for text in texts)
        table, snapshots = corpus(texts)
        found: dict[str, Any] = {}
        total = 0.0
        for step, run in steps(table, snapshots, found):
            if step in {"licence", "aigc"}:
                screens.look(
                    step, table.slice(0, 10).combine_chunks().to_batches()[0], rules.concern(load_packs(PACKS), step)
                )
            times = []
            for _ in range(3):
                started = time.process_time()
                found[step] = run()
                times.append(time.process_time() - started)
            total += min(times)
            print(f"{name} {step:9} {min(times):6.2f} s  {size / min(times) / 1e6:7.1f} MB/s")
        check(table, found)
        print(f"{name} all       {total:6.2f} s  {size / total / 1e6:7.1f} MB/s of {size / 1e6:.1f} MB; goal {GOAL}")


if __name__ == "__main__":
    main()
