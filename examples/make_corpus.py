"""Write the example corpus: a small crawl, a delivery and a reference set, with the answers to all of it.

    python examples/make_corpus.py TARGET

TARGET becomes a workspace without keys: incoming/, sources/, corpus-gov.toml, and answers.json, which says what
the `default` policy must make of every document and why. Everything in it is invented; the prose lies beside
this script in prose.zh.txt and prose.en.txt. The same script writes the same bytes every time.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

HERE: Final = Path(__file__).parent
if str(HERE) not in sys.path:  # `corpus-gov demo` loads this script by its path
    sys.path.insert(0, str(HERE))

from example_answers import Answers, Truth  # noqa: E402
from example_crawl import WEB, write_crawl  # noqa: E402
from example_pages import SENTENCES  # noqa: E402
from example_prose import article  # noqa: E402

AS_OF: Final = "2026-11-01"
DELIVERY: Final = "incoming/delivery.jsonl.zst"
REFERENCE: Final = "incoming/reference.parquet"


@dataclass(frozen=True)
class Row:
    """One row of a delivery, and the truth about it."""

    uri: str
    title: str
    text: str
    truth: Truth


DELIVERY_PLANTS: Final = {
    5: ("mail-zh", "pii.email"),
    14: ("mail-en", "pii.email"),
    21: ("mobile-zh", "pii.cn_mobile"),
    30: ("identity-zh", "pii.cn_resident_id"),
}
REFERENCE_PLANTS: Final = {11: ("mail-en", "pii.email"), 24: ("mobile-zh", "pii.cn_mobile")}
BROKEN: Final = (
    b'{"link": "https://feed.example/cut", "body": "',
    b"[1, 2, 3]",
    b'{"body": "\xff\xfe\xff"}',
    b'{"link": "https://feed.example/no-body"}',
    b'{"link": "https://feed.example/number", "body": 7}',
)
"""Lines that hold no document: cut off, no object, no UTF-8, no text, text of the wrong type."""


def composed(host: str, count: int, truth: Truth, plants: Mapping[int, tuple[str, str]]) -> list[Row]:
    """Compose rows, every third in English; `plants` maps a row to a sentence and the rule that must find it."""
    rows = []
    for n in range(count):
        uri = f"https://{host}/{n:03d}"
        story = article("en" if n % 3 == 2 else "zh", uri)
        name, rule = plants.get(n, ("", ""))
        text = f"{story.text}\n{SENTENCES[name]}" if name else story.text
        rows.append(Row(uri, story.title, text, replace(truth, pii=(rule,)) if rule else truth))
    return rows


def reference_rows() -> list[Row]:
    """Compose the reference set."""
    return composed("reference.example", 40, Truth(papers=True), REFERENCE_PLANTS)


def write_delivery(path: Path, answers: Answers) -> None:
    """Write JSON lines with the supplier's own field names; some are copies, two come twice, some are broken."""
    rows = composed("feed.example", 46, Truth(papers=True), DELIVERY_PLANTS)
    originals = [*rows[1:4], *reference_rows()[:3]]
    for n, row in enumerate(originals):
        rows.append(replace(row, uri=f"https://feed.example/copy/{n}", truth=Truth(papers=True, copy_of=row.uri)))
    lines = []
    for n, row in enumerate(rows):
        published = f"2026-{1 + n % 9:02d}-{1 + n % 28:02d}T06:00:00Z"
        entry = {"link": row.uri, "headline": row.title, "body": row.text, "published": published,
                 "taken": f"2026-09-{1 + n // 2:02d}T06:00:00Z", "consent": f"C-2026-{n:04d}"}  # fmt: skip
        lines.append(json.dumps(entry, ensure_ascii=False).encode())
        answers.document(DELIVERY, "delivery", row.uri, row.truth)
    for line in lines[8:10]:
        lines.append(line)
        answers.record(DELIVERY, "repeat")
    for n, line in enumerate(BROKEN):
        lines.insert(10 + 9 * n, line)
        answers.record(DELIVERY, "rejected")
    path.write_bytes(zstandard.ZstdCompressor(level=6).compress(b"\n".join(lines) + b"\n"))


def write_reference(path: Path, answers: Answers) -> None:
    """Write an openly licensed set as Parquet; one row has no text."""
    columns = [("url", pa.string()), ("title", pa.string()), ("text", pa.string()), ("published", pa.date32())]
    rows: list[dict[str, object]] = [{"url": "https://reference.example/none", "title": "No text"}]
    answers.record(REFERENCE, "skipped")
    for n, row in enumerate(reference_rows()):
        rows.append({"url": row.uri, "title": row.title, "text": row.text, "published": date(2025, 1 + n % 12, 1)})
        answers.document(REFERENCE, "reference", row.uri, row.truth)
    table = pa.Table.from_pylist(rows, schema=pa.schema(columns))
    pq.write_table(table, path, row_group_size=16, compression="zstd")


def make(target: Path) -> Path:
    """Write the example corpus into a folder and return it; a corpus-gov.toml that is there already stays."""
    target = Path(target)
    for name in ("incoming", "sources"):
        (target / name).mkdir(parents=True, exist_ok=True)
    answers = Answers()
    write_crawl(target / WEB, answers)
    write_delivery(target / DELIVERY, answers)
    write_reference(target / REFERENCE, answers)
    for dossier in sorted((HERE / "sources").glob("*.yaml")):
        (target / "sources" / dossier.name).write_bytes(dossier.read_bytes())
    if not (target / "corpus-gov.toml").exists():
        (target / "corpus-gov.toml").write_bytes((HERE / "corpus-gov.toml").read_bytes())
    known = {
        "as_of": AS_OF,
        "policy": "default",
        "records": {file: dict(sorted(counts.items())) for file, counts in sorted(answers.records.items())},
        "dispositions": dict(sorted(Counter(str(one["disposition"]) for one in answers.documents).items())),
        "documents": sorted(answers.documents, key=lambda one: (str(one["source_id"]), str(one["uri"]))),
    }
    (target / "answers.json").write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return target


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_corpus.py TARGET")
    print(f"wrote the example corpus to {make(Path(sys.argv[1]))}")
