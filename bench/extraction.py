"""Measure extraction beside trafilatura and resiliparse: quality on the gold sets, and MB/s of HTML on one core.

    python bench/extraction.py --data ../shared/data/01_html_extraction [--cache FOLDER]

Quality is, for each page with a gold text, precision, recall and F1 of the multiset of tokens (a Han character, or a
run of other letters and digits, lower-case), averaged over the pages of a set. Sets of snippets are scored as
trafilatura does: snippets that must be there and are (true positives) or are not, snippets that must not be there and
are (false positives), over the whole set. Pages without a main text are scored by the characters that came out.
Pages are halved by a digest of their id: lists and thresholds were chosen by looking at `dev` alone.
Times are CPU seconds of one process from WARC bytes to text; the libraries read records with our reader, get the body
bytes, and give no title, author, date or markup, as ours does. With --cache a library's texts and times are kept.
"""

import argparse
import logging
import pickle
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import orjson
import trafilatura
import zstandard
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from resiliparse.parse.html import HTMLTree

from corpus_gov import extract as ours
from corpus_gov.sources import Record
from corpus_gov.sources.warc import records

FULL = frozenset({"full_human", "full_human_markdown", "full_selector", "tool_reference"})
"""Kinds of gold that are a whole text."""
NO_TEXT = "no_main_text"
TOKEN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|[^\W\u3400-\u9fff\uf900-\ufaff]+")

Score = tuple[float, float, float]
"""Precision, recall, F1; for NO_TEXT: median, mean, share of pages with at most 50 characters."""


@dataclass(frozen=True)
class Texts:
    """What one extractor gave."""

    by_id: Mapping[str, str]
    seconds: float
    extractors: Counter[str]


def gold(data: Path) -> dict[str, dict]:
    """Read the gold rows by WARC-Record-ID."""
    raw = zstandard.ZstdDecompressor().stream_reader((data / "gold.jsonl.zst").read_bytes()).read()
    return {row["record_id"].strip("<>"): row for row in map(orjson.loads, raw.splitlines())}


def half(row: Mapping) -> str:
    """Return dev or test."""
    return "test" if sha256(row["id"].encode()).digest()[0] % 2 else "dev"


def pages(data: Path, rows: Mapping[str, dict]) -> Iterator[tuple[dict, Record]]:
    """Yield the pages of all WARC files with their gold rows; `url` joins them."""
    by_url = defaultdict(list)
    for row in rows.values():
        by_url[row["warc"], row["url"]].append(row)
    for path in sorted((data / "warc").glob("*.warc.gz")):
        for record in records(path.read_bytes()):
            if waiting := by_url[f"warc/{path.name}", record.uri]:
                yield waiting.pop(0), record


def score(texts: Mapping[str, str], rows: Iterable[Mapping]) -> dict[str, Score]:
    """Score the texts of some rows, by set."""
    full: dict[str, list[Score]] = defaultdict(list)
    snippets: dict[str, Counter[str]] = defaultdict(Counter)
    empty = []
    for row in rows:
        text = texts[row["id"]]
        if row["gold_type"] in FULL:
            full[row["set"]].append(_overlap(tokens(text), tokens(row["text"])))
        elif row["gold_type"] == "snippets":
            snippets[row["set"]] += _snippets(_flat(text), row)
        elif row["gold_type"] == NO_TEXT:
            empty.append(len(text))
    found = {name: (*(statistics.fmean(one) for one in zip(*scores, strict=True)),) for name, scores in full.items()}
    found |= {name: _f1(n["hit"], n["hit"] + n["wrong"], n["hit"] + n["missed"]) for name, n in snippets.items()}
    if empty:
        found[NO_TEXT] = statistics.median(empty), statistics.fmean(empty), sum(n <= 50 for n in empty) / len(empty)
    return found


def tokens(text: str) -> Counter[str]:
    """Count Han characters and words."""
    return Counter(TOKEN.findall(text.lower()))


def _overlap(found: Counter[str], wanted: Counter[str]) -> Score:
    return _f1((found & wanted).total(), found.total(), wanted.total())


def _f1(both: int, found: int, wanted: int) -> Score:
    if not found and not wanted:
        return 1.0, 1.0, 1.0
    precision, recall = both / found if found else 0.0, both / wanted if wanted else 0.0
    return precision, recall, 2 * both / (found + wanted)


def _flat(text: str) -> str:
    return " ".join(text.split())


def _snippets(text: str, row: Mapping) -> Counter[str]:
    wanted, unwanted = row.get("with") or [], row.get("without") or []
    hits = sum(_flat(snippet) in text for snippet in wanted)
    wrong = sum(_flat(snippet) in text for snippet in unwanted)
    return Counter(hit=hits, missed=len(wanted) - hits, wrong=wrong)


def _ours(record: Record) -> tuple[str, str]:
    found = ours.extract(record)
    return found.text, found.extractor


def _trafilatura(record: Record) -> tuple[str, str]:
    return trafilatura.extract(record.payload, include_comments=False) or "", ""


def _resiliparse(record: Record) -> tuple[str, str]:
    body = record.payload or b""
    tree = HTMLTree.parse_from_bytes(body, detect_encoding(body))
    return extract_plain_text(tree, main_content=True), ""


def run(extractor: Callable[[Record], tuple[str, str]], read: list[tuple[dict, Record]], reading: float) -> Texts:
    """Extract all pages."""
    for _, record in read[:3]:
        extractor(record)
    texts, names = {}, Counter()
    started = time.process_time()
    for row, record in read:
        texts[row["id"]], name = extractor(record)
        names[name] += 1
    return Texts(texts, time.process_time() - started + reading, names)


def cached(folder: Path | None, name: str, make: Callable[[], Texts]) -> Texts:
    """Return what is kept under a name, or make it."""
    path = folder and folder / f"bench_{name}.pickle"
    if path and path.exists():
        return pickle.loads(path.read_bytes())  # noqa: S301  # written by this script
    made = make()
    if path:
        path.write_bytes(pickle.dumps(made))
    return made


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/01_html_extraction"))
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    rows = gold(options.data)
    started = time.process_time()
    read = list(pages(options.data, rows))
    reading = time.process_time() - started
    assert len(read) == len(rows), (len(read), len(rows))
    size = sum(len(record.payload or b"") for _, record in read) / 1e6
    results = {"ours": run(_ours, read, reading)}
    for name, extractor in (("trafilatura", _trafilatura), ("resiliparse", _resiliparse)):
        results[name] = cached(options.cache, name, lambda extractor=extractor: run(extractor, read, reading))
    for part in ("dev", "test", "all"):
        chosen = [row for row in rows.values() if part in {half(row), "all"}]
        scores = {name: score(texts.by_id, chosen) for name, texts in results.items()}
        print(f"\n| {part}: {len(chosen)} pages | {' | '.join(scores)} |\n|---|{'---|' * len(scores)}")
        for name in sorted(scores["ours"]):
            form = "{:.0f} / {:.0f} / {:.2f}" if name == NO_TEXT else "{:.3f} / {:.3f} / {:.3f}"
            print(f"| {name} | {' | '.join(form.format(*found[name]) for found in scores.values())} |")
    print(f"\n{size:.1f} MB of HTML; reading {reading:.1f} s of each")
    for name, texts in results.items():
        print(f"{name}: {texts.seconds:.1f} s, {size / texts.seconds:.1f} MB/s")
    print(*(f"{count} {name}" for name, count in results["ours"].extractors.most_common()), sep="\n")


if __name__ == "__main__":
    main()
