"""A crawl of twelve documents, each with a fate of its own: what tests/golden/ shows line by line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import small_corpus
from small_warc import record, zipped

from corpus_gov import config, keys
from corpus_gov.store import open_store
from corpus_gov.workspace import Release, Workspace, open_workspace

OPAQUE: Final = ("uri_hmac", "leaf_hash", "salt", "shard", "row")
"""Columns of the manifest that say nothing to a reader; the root covers all but the last two."""
COMMON: Final = ("screened", "policy_digest")
"""Columns that are the same in every row; the first line holds them."""

DOSSIER: Final = """\
source_id: crawl
kind: self_collected
title: Crawl of four invented sites
legal_basis: statutory_exception
inputs: [crawl.warc.gz]
format: warc
collector:
  agent: examplebot/1.0
  period: {first: 2026-10-05, last: 2026-10-06}
  robots_policy: not_recorded
responsible: tests
data_class: web text
data_grade: general
assessments:
  before: {day: 2026-10-01, by: tests, outcome: passed, reference: T-1}
"""

ROBOTS: Final = {
    "open.example": b"User-agent: *\nAllow: /\n",
    "closed.example": b"User-agent: *\nDisallow: /search\n",
    "denied.example": b"User-agent: GPTBot\nDisallow: /\n",
}
"""silent.example was not asked."""

BRIDGE: Final = "The old bridge was rebuilt in stone after the flood. Its three arches carry the road to the market."
STATION: Final = "A weather station needs a shaded box and level ground. Readings are taken at eight every morning."
TEA: Final = "茶叶采摘之后要先摊凉，再下锅翻炒。春茶在清明前采摘，味道最为清香。"
LIBRARY: Final = "图书馆在周末延长开放时间，方便读者借阅。阅览室的灯一直亮到晚上十点。"
CC: Final = '<link rel="license" href="https://creativecommons.org/licenses/{}/4.0/">'
BAN: Final = "<footer>未经本站书面授权，禁止转载。</footer>"

PAGE: Final = "<html><head><title>{}</title>{}</head><body><main><p>{}</p></main>{}</body></html>"


def page(title: str, *lines: str, head: str = "", foot: str = "") -> bytes:
    """Return a page of one paragraph a line."""
    return PAGE.format(title, head, "</p><p>".join(lines), foot).encode()


def captures() -> list[tuple[str, str, str, bytes]]:
    """List responses: address, status, content type, body; one a minute."""
    html, licensed = "text/html; charset=utf-8", page("Bridge", BRIDGE, head=CC.format("by"))
    gbk = PAGE.format("茶", "", TEA, "").encode("gb18030")
    menu = "\n".join(["Home", "News", "About"] * 6).encode()
    rows = [(f"https://{host}/robots.txt", "200 OK", "text/plain", body) for host, body in ROBOTS.items()]
    return [
        *rows,
        ("https://open.example/bridge", "200 OK", html, licensed),
        ("https://open.example/bridge", "200 OK", html, licensed),  # a repeat
        ("https://open.example/bridge?print=1", "200 OK", html, licensed),  # a duplicate
        ("https://open.example/tea", "200 OK", "text/html; charset=gb2312", gbk),
        ("https://open.example/mail", "200 OK", html, page("Station", STATION, "Write to mei.lin@example.org.")),
        (
            "https://open.example/papers",
            "200 OK",
            html,
            page("馆", LIBRARY, "电话138-0013-8000，证件11010519491231002X。"),
        ),
        ("https://open.example/u/13800138000", "200 OK", html, page("Station 13800138000", STATION, BRIDGE)),
        ("https://open.example/limited", "200 OK", html, page("Limited", STATION, STATION, head=CC.format("by-nc"))),
        ("https://open.example/both", "200 OK", html, page("两", TEA, LIBRARY, head=CC.format("by"), foot=BAN)),
        ("https://open.example/menu", "200 OK", "text/plain", menu),
        ("https://closed.example/tea", "200 OK", html, page("茶", LIBRARY, TEA, foot=BAN)),
        ("https://denied.example/station", "200 OK", html, page("Station", BRIDGE, STATION)),
        ("https://silent.example/library", "200 OK", html, page("馆", LIBRARY)),
        ("https://open.example/gone", "404 Not Found", html, page("Gone", "Nothing is here.")),
        ("https://open.example/empty", "200 OK", html, b""),
        ("https://open.example/photo", "200 OK", "image/png", b"\x89PNG\r\n\x1a\n"),
    ]


def write_crawl(path: Path) -> None:
    """Write the WARC: a record about itself, requests and responses in turn, and bytes that are no record."""
    records = [record("warcinfo", b"software: by hand\r\n", Content_Type="application/warc-fields")]
    for minute, (uri, status, content_type, body) in enumerate(captures()):
        at = {"WARC_Target_URI": uri, "WARC_Date": f"2026-10-05T06:{minute:02d}:00Z"}
        get = f"GET {uri} HTTP/1.1\r\n\r\n".encode()
        answer = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n\r\n".encode() + body
        records.append(record("request", get, Content_Type="application/http; msgtype=request", **at))
        records.append(record("response", answer, Content_Type="application/http; msgtype=response", **at))
    path.write_bytes(zipped(*records, b"no record at all"))


def make(folder: Path) -> Workspace:
    """Make a workspace with fixed keys around the crawl; CORPUS_GOV_KEYS says where the keys go."""
    folder.mkdir(parents=True)
    write_crawl(folder / "crawl.warc.gz")
    store = open_store(str(folder))
    settings = config.Settings(id="w-test-golden", name="golden", owner="tests", policy="default")
    store.put("corpus-gov.toml", config.dump_settings(settings).encode())
    store.put("sources/crawl.yaml", DOSSIER.encode())
    small_corpus.write_keys(keys.folder(settings.id))
    return open_workspace(folder)


def manifest_lines(release: Release, root: str) -> list[str]:
    """Return the manifest as JSON lines: root and what is common, then documents by address, without nulls."""
    rows = release.table("manifest").to_pylist()
    common = {name: value for name, value in rows[0].items() if name in COMMON}
    if different := [row["doc_id"] for row in rows if any(row[name] != common[name] for name in COMMON)]:
        raise ValueError(f"{different[0]}: differs in {COMMON}, which stand once for all rows")
    head = {"root": root, "size": len(rows)} | common
    return [_line(head), *_lines(rows, [name for name in rows[0] if name not in (*OPAQUE, *COMMON)])]


def clean_lines(release: Release) -> list[str]:
    """Return the released documents as JSON lines, by address."""
    return _lines(release.table("clean").to_pylist(), ["uri", "title", "text", "language", "licence"])


def _lines(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> list[str]:
    ordered = sorted(rows, key=lambda row: (row["source_id"], row["uri"], row["doc_id"]))
    return [
        _line({"uri": row["uri"]} | {name: row[name] for name in names if row[name] is not None}) for row in ordered
    ]


def _line(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, default=lambda time: time.isoformat())
