"""Cases of the rules that look at more than a document.

`<times> x <text>` of lines, `<document> || <item>` of sets, `<sites> sites in <hours> hours: <text>` of bursts.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from documents import documents

from corpus_gov.relate import bursts, lines, reference, suppressed
from corpus_gov.rules import Rule, RulePack

SCREENS = ("lines", "reference", "bursts")
KEY = b"k" * 32
_LINES = re.compile(r"(\d+)(?: of (\d+))? x (.+)", re.DOTALL)
_BURSTS = re.compile(r"(\d+) sites in (\d+) hours: (.+)", re.DOTALL)
DAY = datetime(2026, 10, 5, tzinfo=UTC)


def found(rule: Rule, case: str) -> list[dict[str, Any]]:
    """Return what a rule finds in its own kind of case; nothing in anything else."""
    pack = RulePack(rule.screen, 1, (rule,))
    return {"lines": _lines, "reference": _reference, "bursts": _bursts}[rule.screen](pack, case)


def corpus(case: str) -> pa.Table | None:
    """Make the documents of a case: one, or all of one host."""
    match = _LINES.fullmatch(case)
    if not match:
        return None
    times, every, text = int(match[1]), match[2], match[3].replace("/", "\n")
    if every is None:
        return pa.Table.from_batches([documents(["\n\n".join([text] * times)])])
    others = [f"Page {number} says what no other page has ever said." for number in range(int(every) - times)]
    return pa.Table.from_batches([documents([text] * times + others, host="example.org")])


def found_lines(corpus: pa.Table, pack: RulePack) -> pa.Table:
    """Look at all documents as one shard."""
    of = lines.kinds(pack)
    split = lines.split(corpus["text"].combine_chunks(), lines.least_tokens(of))
    (hits,) = lines.count([lines.keys(split, corpus, lines.least_tokens(of, ("host", "corpus")))], of)
    return lines.repeats(corpus, split, hits, lines.hosts(corpus), of)


def _lines(pack: RulePack, case: str) -> list[dict[str, Any]]:
    made = corpus(case)
    return [] if made is None else found_lines(made, pack).to_pylist()


def _reference(pack: RulePack, case: str) -> list[dict[str, Any]]:
    text, sign, item = case.partition(" || ")
    if not sign:
        return []
    document, items = pa.Table.from_batches([documents([text])]), pa.array([item], pa.large_string())
    if of := suppressed.kinds(pack):
        listed = suppressed.rows([None], items, KEY, "key")
        return suppressed.compare(document, listed, suppressed.check(listed, "key"), KEY, of).to_pylist()
    indexed = reference.prepare(*reference.index(items, 13), 13)
    return reference.compare(document, indexed, "set", reference.kinds(pack)).to_pylist()


def _bursts(pack: RulePack, case: str) -> list[dict[str, Any]]:
    match = _BURSTS.fullmatch(case)
    if not match:
        return []
    sites, hours, text = int(match[1]), int(match[2]), match[3]
    times = [DAY + timedelta(hours=hours) * number / (sites - 1) for number in range(sites)]
    names = [f"site{number}.example" for number in range(sites)]
    made = pa.Table.from_batches([documents([text] * sites, registered_domain=names, published_at=times)])
    clusters = pa.table({"doc_id": made["doc_id"], "cluster_id": [made["doc_id"][0].as_py()] * sites})
    of = bursts.kinds(pack)
    rows = bursts.members(made, clusters, of)
    hits = bursts.count(rows.append_column("home", pa.repeat(pa.scalar(0, pa.int32()), len(rows))), of)
    return bursts.tell(made, hits, of).to_pylist()
