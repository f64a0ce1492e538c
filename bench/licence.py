"""Measure what is found of licences and statements on rights: precision and recall, notices kept, and speed.

    python bench/licence.py --data ../shared/data [--part links|words|zh|notices|alarms|speed]

Peers are not installed: `dolma cc_re` and `cc_re_fast` are their published regular expressions, and `C5` its published
search (address of a licence in meta tags, JSON-LD, link and anchor elements), each written anew here. All are given the
raw page. Ids count without port: peers have none. The list of links in the pages was made by regular expressions over
the raw HTML, so that a link in a comment or a script is in it too. Chinese statements in the pages were labelled by
reading them; a page stands here by its id and its label alone.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import regex
import zstandard
from extraction import gold, pages
from language import documents
from resiliparse.parse.html import HTMLTree

from corpus_gov import evidence, licences, screens
from corpus_gov.extract import extract
from corpus_gov.rules import RulePack, load_packs
from corpus_gov.sources.charset import decode

PACKS = ("common.licence", "cn.licence")
PARTS = ("links", "words", "zh", "notices", "alarms", "speed")

_TYPES = "by(?:-nc)?(?:-nd)?(?:-sa)?"
DOLMA = regex.compile(
    r"<(a|A|meta)\s[\w\p{Punct}\s=]*\n*(href|HREF|content)=('|\"|&quot;)?http(s*)://creativecommons\.org/"
    rf"((licenses/(?P<type>{_TYPES}))|(?P<type>publicdomain/(zero|certification|mark)))(?P<version>/\d+\.\d+)?"
)
DOLMA_FAST = re.compile(
    'http[s]?://creativecommons\\.org/licenses/(?P<type>by|by-sa|by-nd|by-nc|by-nc-sa|by-nc-nd|publicdomain)["/ >]'
)
C5 = re.compile(
    r"https?://creativecommons\.org/(?:licenses/(?P<type>by-nc-nd|by-nc-sa|by-nc|by-nd|by-sa|by)/(?P<version>[1-4]\.[05])"
    r"|publicdomain/(?P<free>zero|mark)/1\.0)"
)
C5_PLACES = (
    ("meta[content]", "content"), ("script[type='application/ld+json']", ""),
    ("link[href]", "href"), ("a[href]", "href"),
)  # fmt: skip

ZH = {
    "forbidden": "gne-tests-csdn-1 gne-tests-mingridapan-1 gne-tests-thepaper-1 gne-tests-thepaper-3 "
    "gne-tests-thepaper-5 read-qq gne-tests-hexun-1",
    "conditional": "gne-tests-csdn-1 gne-tests-cjddsb-1 gne-visiable_test-mydrivers-1 read-gmw",
    "owner": "gne-tests-csdn-1 gne-tests-cjddsb-1 gne-tests-cmse-1 gne-tests-gsc-1 gne-tests-hexun-1 gne-tests-ifeng-1 "
    "gne-tests-ifeng-2 gne-tests-ifeng-3 gne-tests-ifeng-ifeng gne-tests-other-1 gne-tests-qq-2 "
    "gne-tests-qq-qq gne-tests-shanxi-1 gne-tests-sxmu-1 gne-visiable_test-021news-1 gne-visiable_test-cmse-1 "
    "gne-visiable_test-mydrivers-1 gne-list-1631 gne-list-1632 gne-list-netease_forum1 read-gmw read-qq "
    "read-youth wmb-7cdb7231",
}
"""State → pages whose Chinese phrases say so; every page with such phrases was looked at, so the others do not."""

ADDRESS = re.compile(r"(?i)creativecommons\.org/(?:licen|public)|SPDX-License-Identifier|spdx\.org/licenses")
"""What makes a mention one for machines."""

NOTICE = re.compile(
    r"(?i)(?:©|&copy;|\(c\)|copyright)\s*(?:©|&copy;|\(c\))?\s*(?:19|20)\d\d|all rights reserved|版权所有|著作权归"
    r"|未经[^<。\n]{0,12}(?:授权|许可|允许)[^<。\n]{0,12}(?:不得|禁止)[^<。\n]{0,8}(?:转载|复制|使用)|转载请注明"
)
"""What is looked for in the visible strings of raw pages, apart from our own rules and words."""

ALARMS = {"news": "xwlb_A", "laws": "laws_cn", "technical": "lctt"}


def rows(path: Path) -> Iterator[dict]:
    """Read a set of JSON lines."""
    raw = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read()
    return map(json.loads, raw.splitlines())


def look(batch: pa.RecordBatch) -> list[dict]:
    """Screen a batch by both packs."""
    rules = tuple(rule for pack in load_packs(PACKS) for rule in pack.rules)
    return screens.look("licence", batch, RulePack("bench", 1, rules)).to_pylist()


def base(licence: str | None) -> str | None:
    """Name a Creative Commons licence without its port, others as they are."""
    match = re.match(r"(CC-[A-Z0-9-]*?-?[0-9]\.[0-9])", licence or "")
    return match[1] if match else licence


def stated(rows_of: Iterable[dict]) -> list[tuple[str, str | None, str]]:
    """Return state, licence and scope of findings."""
    found = list(rows_of)
    ids, _, scopes = evidence.parts(pa.array([row["note"] for row in found], pa.string()))
    return [
        (row["category"].removeprefix("rights."), licence, scope)
        for row, licence, scope in zip(found, ids.to_pylist(), scopes.to_pylist(), strict=True)
    ]


def line(name: str, hit: int, found: int, wanted: int) -> None:
    """Print precision, recall and F1."""
    precision, recall = hit / max(found, 1), hit / max(wanted, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"{name:34} P {precision:.3f}  R {recall:.3f}  F1 {f1:.3f}   ({hit} right of {found} found, {wanted} wanted)")


def read(data: Path, wanted: Callable[[dict], bool]) -> Iterator[tuple[dict, Any, str]]:
    """Yield the pages of 01 with what was extracted and their source."""
    folder = data / "01_html_extraction"
    for row, record in pages(folder, gold(folder)):
        if wanted(row):
            yield row, extract(record), decode(record.payload or b"", record.charset, html=True).text


def as_batch(found: Sequence[Any]) -> pa.RecordBatch:
    """Put extracted pages into DOCUMENTS."""
    batch = documents([one.text for one in found])
    place = batch.schema.get_field_index("markup")
    lines = pa.array([one.markup for one in found], pa.large_string())
    return batch.set_column(place, batch.schema.field(place), lines)


def links(data: Path, signals: dict[str, dict]) -> None:
    """Compare the Creative Commons links of the pages."""
    read_pages = list(read(data, lambda row: row["set"] != "cctv_zh"))
    everything = {(row["id"], one) for row, _, _ in read_pages for one, _ in wanted_links(signals.get(row["id"]))}
    truth = {
        (row["id"], one)
        for row, _, html in read_pages
        for one, path in wanted_links(signals.get(row["id"]))
        if stands(path, html)
    }
    ours: set[tuple[str, str]] = set()
    batch = as_batch([one for _, one, _ in read_pages])
    ids = dict(zip(batch.column("doc_id").to_pylist(), [row["id"] for row, _, _ in read_pages], strict=True))
    found = [one for one in look(batch) if one["rule"] in {"licence.cc_url", "licence.cc0_url", "licence.pdm_url"}]
    for one, (_, licence, _) in zip(found, stated(found), strict=True):
        ours.add((ids[one["doc_id"]], base(licence)))
    peers = {
        "dolma cc_re": lambda html: (m.capturesdict() for m in DOLMA.finditer(html)),
        "C5-style": c5,
    }
    print(f"links: {len(read_pages)} pages, {len(everything)} licences, {len(truth)} not in comments or code alone")
    line("ours", len(ours & truth), len(ours), len(truth))
    line("ours, of all", len(ours & everything), len(ours), len(everything))
    for name, peer in peers.items():
        theirs = {(row["id"], one) for row, _, html in read_pages for one in map(spdx, peer(html)) if one}
        line(name, len(theirs & truth), len(theirs), len(truth))
        line(f"{name}, of all", len(theirs & everything), len(theirs), len(everything))
    # The fast expression has no version: it is scored by elements alone.
    fast = {(r["id"], f"CC-{m['type'].upper()}") for r, _, html in read_pages for m in DOLMA_FAST.finditer(html)}
    bare = {(page, re.sub(r"-[0-9]\.[0-9]$", "", one)) for page, one in truth}
    line("dolma cc_re_fast (no versions)", len(fast & bare), len(fast), len(bare))
    mine = {(page, re.sub(r"-[0-9]\.[0-9]$", "", one or "")) for page, one in ours}
    line("ours, without versions too", len(mine & bare), len(mine), len(bare))
    for page, one in sorted(truth - ours)[:12]:
        print("  missed:", page, one)
    for page, one in sorted(ours - truth, key=str)[:12]:
        print("  not in the list:", page, one)


def stands(path: str, html: str) -> bool:
    """Say whether a link stands where it can be about the page: an attribute that is a link or content, or the text.

    Comments, scripts and styles are about themselves, and descriptions of pictures about these.
    """
    left = re.sub(r"(?is)<!--.*?-->|<script(?![^>]*ld\+json).*?</script>|<style.*?</style>", "", html)
    address = r"creativecommons\.org/" + re.escape(path) + r"(?![0-9.])"
    in_attribute = re.search(rf"(?is)\s(?:href|content|resource|about)\s*=\s*[\"']?[^\"'<>]*{address}", left)
    return bool(in_attribute or re.search(address, re.sub(r"(?s)<[a-zA-Z/!][^>]*>", " ", left)))


def wanted_links(signal: dict | None) -> Iterator[tuple[str, str]]:
    """Read the links that the list has for a page: id and path."""
    for path in (signal or {}).get("cc_links", {}):
        kind, *rest = path.split("/")
        if kind == "publicdomain":
            yield {"zero": "CC0-1.0", "mark": "CC-PDM-1.0"}[rest[0]], path
        elif len(rest) > 1:
            yield f"CC-{rest[0].upper()}-{rest[1]}", path


def c5(html: str) -> Iterator[dict]:
    """Find addresses of licences where C5 looks for them."""
    tree: Any = HTMLTree.parse(html)
    for selector, attribute in C5_PLACES:
        for element in tree.document.query_selector_all(selector)[:]:
            value = (element.getattr(attribute) if attribute else element.text) or ""
            yield from (match.groupdict() for match in C5.finditer(value))


def spdx(match: dict) -> str | None:
    """Name what a peer matched."""
    given = {key: (value[0] if value else None) if isinstance(value, list) else value for key, value in match.items()}
    kind, number = given.get("type") or "", (given.get("version") or "").strip("/")
    if given.get("free") or kind.startswith("publicdomain"):
        return "CC0-1.0" if "zero" in (given.get("free") or kind) else "CC-PDM-1.0"
    return f"CC-{kind.upper()}-{number}" if number else None


def words(data: Path) -> None:
    """Score licence mentions: what each says a text permits."""
    mentions = [row for row in rows(data / "06_licence" / "licence_mentions.jsonl.zst") if row["kind"] != "text"]
    texts = [row["text"].replace("{{", "").replace("}}", "") for row in mentions]
    batch = documents(texts)
    place = {doc_id: i for i, doc_id in enumerate(batch.column("doc_id").to_pylist())}
    found: list[set[tuple[str, str | None]]] = [set() for _ in mentions]
    rows_of = look(batch)
    for row, (state, licence, _) in zip(rows_of, stated(rows_of), strict=True):
        if state in {"permitted", "conditional"}:
            found[place[row["doc_id"]]].add((state, base(licence)))
    url = [bool(ADDRESS.search(text)) for text in texts]
    named = [known(one) for one in mentions]
    in_words = [i for i in range(len(mentions)) if named[i] and not url[i]]
    groups = {
        "machine-readable (addresses, tags)": [i for i in range(len(mentions)) if named[i] and url[i]],
        "Creative Commons in words": [i for i in in_words if mentions[i]["is_cc"]],
        "software licences in words": [i for i in in_words if not mentions[i]["is_cc"]],
    }
    false = [i for i, one in enumerate(mentions) if one["kind"] == "false_positive"]
    for name, places in groups.items():
        for state in ("permitted", "conditional"):
            wanted = {i for i in places if named[i] == f"rights.{state}"}
            # False positives are shared out: those with an address to the first group, others to the statements.
            noise = [i for i in false if url[i] == name.startswith("machine")]
            said = {i for i in (*places, *noise) if any(one[0] == state for one in found[i])}
            line(f"{name[:22]}: {state}", len(said & wanted), len(said), len(wanted))
        if not name.startswith("software"):
            for i in [i for i in places if not found[i]][:6]:
                print("  missed:", repr(texts[i][:90]), mentions[i]["spdx"])
    wrong = [i for i in false if found[i]]
    print(f"false positives: {len(wrong)} of {len(false)}")
    for i in wrong[:5]:
        print("  ", repr(texts[i][:100]), found[i])


def known(mention: dict) -> str | None:
    """Return the category of the licence that a mention is labelled with, None where the list knows none."""
    found = licences.named(mention["spdx"] or "")
    return found.category if found and mention["kind"] != "false_positive" else None


def zh(data: Path, signals: dict[str, dict]) -> None:
    """Score Chinese statements of the pages, state by state."""
    labelled = {state: set(ids.split()) for state, ids in ZH.items()}
    asked = {
        one for one, signal in signals.items() if re.search("[\u4e00-\u9fff]", "".join(signal["zh_rights_phrases"]))
    }
    read_pages = list(read(data, lambda row: row["id"] in asked))
    batch = as_batch([one for _, one, _ in read_pages])
    ids = dict(zip(batch.column("doc_id").to_pylist(), [row["id"] for row, _, _ in read_pages], strict=True))
    found = [row for row in look(batch) if row["rule"].startswith("licence.cn_")]
    for state, wanted in labelled.items():
        said = {ids[row["doc_id"]] for row in found if row["category"] == f"rights.{state}"}
        line(f"Chinese statements: {state}", len(said & wanted), len(said), len(wanted & set(ids.values())))
        print("  missed:", sorted((wanted & set(ids.values())) - said), "more:", sorted(said - wanted))


def notices(data: Path) -> None:
    """Count visible notices of raw pages that are neither in the rights record nor in the text."""
    lost: Counter[str] = Counter()
    seen = 0
    for row, found, html in read(data, bool):
        tree: Any = HTMLTree.parse(html)
        for element in tree.document.query_selector_all("script, style, noscript, template, iframe, svg")[:]:
            element.decompose()
        shown = re.sub(r"\s+", "", tree.body.text if tree.body else "")
        kept = re.sub(r"\s+", "", f"{found.text}\n{found.markup or ''}")
        for match in set(NOTICE.findall(re.sub(r"\s+", " ", tree.body.text if tree.body else ""))):
            seen += 1
            bare = re.sub(r"\s+", "", match)
            if bare in shown and bare not in kept:
                lost[row["set"]] += 1
                if sum(lost.values()) <= 15:
                    print("  lost:", row["id"], repr(match[:60]))
    print(
        f"notices: {seen} different ones on pages, {sum(lost.values())} in neither text nor rights record {dict(lost)}"
    )


def alarms(data: Path) -> None:
    """Count documents of news, laws and technical articles with statements that forbid or permit."""
    table = pq.read_table(data / "bench" / "zh.parquet", columns=["text", "source"])
    for name, source in ALARMS.items():
        texts = table.filter(pc.equal(table["source"], source))["text"].to_pylist()[:2000]
        found = {(row["doc_id"], row["category"]) for row in look(documents(texts))}
        print(f"{name}: {len(texts)} documents,", dict(Counter(category for _, category in found)))


def speed(data: Path) -> None:
    """Time the licence screen on text, the least of three runs."""
    for name in ("zh", "en"):
        texts = pq.read_table(data / "bench" / f"{name}.parquet", columns=["text"])["text"].slice(0, 20_000).to_pylist()
        batch = documents(texts)
        size = sum(len(text.encode()) for text in texts)
        look(batch.slice(0, 10))
        times = []
        for _ in range(3):
            started = time.process_time()
            look(batch)
            times.append(time.process_time() - started)
        print(f"speed {name}: {size / min(times) / 1e6:.1f} MB/s of {size / 1e6:.1f} MB")


def main() -> None:
    """Measure the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=PARTS, action="append")
    asked = parser.parse_args()
    signals = {row["id"]: row for row in rows(asked.data / "06_licence" / "html_licence_signals.jsonl.zst")}
    parts = {"links": lambda: links(asked.data, signals), "zh": lambda: zh(asked.data, signals)}
    parts |= {
        name: (lambda one=one: one(asked.data))
        for name, one in {"words": words, "notices": notices, "alarms": alarms, "speed": speed}.items()
    }
    for name in asked.part or PARTS:
        parts[name]()


if __name__ == "__main__":
    main()
