"""Cases of the rules about opt-outs: a file of a host, lines of a page, or `status: <number>` of robots.txt."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import pyarrow as pa

from corpus_gov.relate.optout import KINDS, PREFIX, evaluate
from corpus_gov.rules import Rule, RulePack, load_pack
from corpus_gov.schemas import SNAPSHOTS, TIME

DAY = datetime(2026, 3, 1, tzinfo=UTC)
SHIPPED = load_pack("common.optout")
_MARKUP = ("http:", "meta:", "jsonld:", "link:")
_STATUS = "status: "


def found(rule: Rule, case: str) -> bool:
    """Say whether a protocol refuses training, or permits it under conditions only, for a page of the host."""
    name = rule.id.removeprefix(PREFIX)
    if case.startswith(_STATUS):
        table, _ = said("", snapshots({"http_status": _status(case)}))
    elif case.startswith(_MARKUP):
        table, _ = said(case, snapshots({}))
    else:
        kind = name if name in {"tdmrep", "rsl", "ai_txt"} else "robots"
        table, _ = said("", snapshots({"kind": kind, "body": case.encode()}))
    return table[name][0].as_py() in {"deny", "conditional"}


def of_texts(rule: Rule, texts: Sequence[str]) -> list[list[Any]]:
    """Say what a protocol makes of each text, as every file of a host and as the markup of its page."""
    table = _of_texts(tuple(texts))
    values = table[rule.id.removeprefix(PREFIX)].to_pylist()
    return [[number, value] for number, value in enumerate(values) if value is not None]


@cache
def _of_texts(texts: tuple[str, ...]) -> pa.Table:
    hosts = [f"h{number}.example" for number in range(len(texts))]
    asked = [
        {"uri": f"https://{host}/page", "host": host, "markup": text} for host, text in zip(hosts, texts, strict=True)
    ]
    held = [
        {"host": host, "kind": kind, "body": text.encode(), "http_status": _status(text)}
        for host, text in zip(hosts, texts, strict=True)
        for kind in KINDS
    ]
    return evaluate(pages(*asked), snapshots(*held), SHIPPED)[0]


def _status(text: str) -> int:
    """Return the status that a case stands for; 200 for every other text."""
    number = text.removeprefix(_STATUS)
    return int(number) if text.startswith(_STATUS) and number.isdecimal() else 200


def said(markup: str, answers: pa.Table, uri: str = "https://a.example/page", pack: RulePack = SHIPPED) -> Any:
    """Evaluate one page."""
    return evaluate(pages({"uri": uri, "markup": markup}), answers, pack)


def pages(*rows: Mapping[str, Any]) -> pa.Table:
    """Build the columns of documents that are read, of one host."""
    base = {"uri": "https://a.example/private/1", "host": "a.example", "fetched_at": DAY, "markup": None}
    schema = pa.schema(
        [("doc_id", pa.string()), ("uri", pa.large_string()), ("host", pa.string()), ("fetched_at", TIME),
         ("markup", pa.large_string())]
    )  # fmt: skip
    return pa.Table.from_pylist([base | {"doc_id": f"d{i}"} | row for i, row in enumerate(rows)], schema=schema)


def snapshots(*rows: Mapping[str, Any]) -> pa.Table:
    """Build SNAPSHOTS of one host; a robots.txt that allows everything where a row does not say."""
    base = {"source_id": "s", "host": "a.example", "kind": "robots", "fetched_at": DAY, "http_status": 200,
            "body": b"User-agent: *\nDisallow:\n"}  # fmt: skip
    filled = [base | row for row in rows]
    return pa.Table.from_pylist(
        [row | {"digest": sha256(row["body"] + str(row["http_status"]).encode()).hexdigest()} for row in filled],
        schema=SNAPSHOTS,
    )
