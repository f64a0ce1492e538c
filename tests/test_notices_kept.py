"""Conservation of notices: what raw pages show of rights is in the text or in the rights record, over real pages."""

import html
import re
from pathlib import Path

import pyarrow as pa
import pytest
from documents import documents

from corpus_gov import notices, screens
from corpus_gov.extract import extract
from corpus_gov.rules import RulePack, load_packs
from corpus_gov.schemas import FINDINGS
from corpus_gov.sources import Record
from corpus_gov.sources.warc import records

SETS = ("gne_zh", "webmainbench", "cx_163_gbk", "readability_tests", "irresearch_big9", "trafilatura_eval", "cctv_zh")
MOST = 40
"""Pages of each set, evenly spread over it."""

NOTICE = re.compile(
    r"(?i)(?:©|\(c\)|copyright)\s*(?:©|\(c\))?\s*(?:19|20)\d\d|all rights reserved|版权所有|著作权归"
    r"|未经[^<。\n]{0,12}(?:授权|许可|允许)[^<。\n]{0,12}(?:不得|禁止)[^<。\n]{0,8}(?:转载|复制|使用)|转载请注明"
)
"""Apart from our own rules and words."""
UNSEEN = re.compile(
    r"(?is)<!--.*?-->|<(script|style|noscript|template|iframe|svg|head|textarea|select|option)\b.*?</\1\s*>"
)
INLINE = re.compile(r"(?i)</?(?:a|b|i|u|em|strong|span|font|small|sup|sub|cite|abbr|time|wbr)\b[^>]*>")


def sampled(path: Path) -> list[Record]:
    """Return the pages of a set."""
    pages = [one for one in records(path.read_bytes()) if one.outcome == "document"]
    return pages[:: max(1, len(pages) // MOST)]


def shown(page: str) -> set[str]:
    """Return the notices among the visible strings of a raw page, by expressions alone."""
    strings = html.unescape(re.sub(r"<[^>]*>", "\n", INLINE.sub("", UNSEEN.sub("\n", page))))
    return {re.sub(r"\s+", "", found[0]) for found in NOTICE.finditer(re.sub(r"[^\S\n]+", " ", strings))}


@pytest.mark.parametrize("name", SETS)
def test_no_notice_of_a_page_is_lost(name: str, shared_data: Path) -> None:
    """Each notice that an expression of its own captures on the raw page is in the text or in the rights record."""
    rules = tuple(one for pack in load_packs(["common.licence", "cn.licence"]) for one in pack.rules)
    pages = sampled(shared_data / "01_html_extraction" / "warc" / f"{name}.warc.gz")
    found = [(one, extract(one)) for one in pages]
    batch = documents([one.text for _, one in found], markup=[one.markup for _, one in found])

    said = pa.Table.from_batches([screens.look("licence", batch, RulePack("all", 1, rules))])
    kept = notices.notices(batch.column("doc_id"), batch.column("markup"), said, FINDINGS.empty_table(), {}).to_pylist()

    lost, seen = [], 0
    for (page, one), lines in zip(found, kept, strict=True):
        record = re.sub(r"\s+", "", "\n".join([one.text, *lines]))
        captured = shown((page.payload or b"").decode(one.charset_used or "utf-8", "replace"))
        seen += len(captured)
        lost += [f"{page.uri}: {notice}" for notice in sorted(captured) if notice not in record]
    assert lost == []
    assert seen > 0
