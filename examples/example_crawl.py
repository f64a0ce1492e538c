"""The crawl: pages and whatever else a crawler brings home, as gzip'd WARC."""

import gzip
import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from example_answers import Answers
from example_pages import PLAN, Page, page, pages, sites

START: Final = datetime(2026, 10, 5, 8, 0, tzinfo=UTC)
"""First second of the crawl; every record takes seven seconds."""

WEB: Final = "incoming/pages.warc.gz"

RESPONSE: Final = "application/http; msgtype=response"
PNG: Final = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0:~\x9bU\0\0\0\0IEND\xaeB`\x82"


def record(kind: str, uri: str, when: datetime, block: bytes, content_type: str, **headers: str) -> bytes:
    """Return one WARC/1.1 record."""
    identity = uuid.UUID(bytes=hashlib.sha256(f"{kind} {uri} {when}".encode()).digest()[:16], version=4)
    lines = {
        "WARC-Type": kind,
        "WARC-Record-ID": f"<urn:uuid:{identity}>",
        "WARC-Date": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"WARC-Target-URI": uri} if uri else {}),
        **headers,
        "Content-Type": content_type,
        "Content-Length": str(len(block)),
    }
    head = "WARC/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + block + b"\r\n\r\n"


def http(body: bytes, content_type: str, status: str = "200 OK", **headers: str) -> bytes:
    """Return a response as it came over the wire."""
    lines = {"Content-Type": content_type, **headers}
    head = f"HTTP/1.1 {status}\r\n" + "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return head.encode() + b"\r\n" + body


def served(one: Page, number: int) -> bytes:
    """Return a page's response; some are compressed and some chunked, as servers do."""
    content_type = "text/html" if one.site.label_in == "meta" else f"text/html; charset={one.site.label}"
    if number % 9 == 4:
        return http(gzip.compress(one.body, 6, mtime=0), content_type, Content_Encoding="gzip")
    if number % 9 == 7:
        middle = len(one.body) // 2
        parts = (one.body[:middle], one.body[middle:], b"")
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        return http(body, content_type, Transfer_Encoding="chunked")
    return http(one.body, content_type)


class Crawl:
    """Records in the order of the crawl, seven seconds apart, and the answers to them."""

    def __init__(self, answers: Answers) -> None:
        """Start with no record."""
        self.records: list[bytes] = []
        self.answers = answers

    def add(self, outcome: str, kind: str, uri: str, block: bytes, content_type: str = RESPONSE, **more: str) -> None:
        """Add a record that is no document of its own."""
        self.answers.record(WEB, outcome)
        self._append(kind, uri, block, content_type, **more)

    def add_page(self, one: Page, number: int) -> None:
        """Add a page."""
        self.answers.document(WEB, "web", one.uri, one.truth)
        self._append("response", one.uri, served(one, number), RESPONSE)

    def _append(self, kind: str, uri: str, block: bytes, content_type: str, **more: str) -> None:
        when = START + timedelta(seconds=7 * len(self.records))
        self.records.append(record(kind, uri, when, block, content_type, **more))


def crawl_sites(crawl: Crawl) -> None:
    """Add what a crawler is after: robots.txt of each site, then pages, some with their requests."""
    crawl.add("skipped", "warcinfo", "", b"software: examplebot/1.0\r\n", "application/warc-fields")
    for site in sites():
        if site.robots is not None:
            block = http(PLAN["robots"][site.robots].encode(), "text/plain; charset=utf-8")
            crawl.add("evidence", "response", f"https://{site.host}/robots.txt", block)
    for number, one in enumerate(pages()):
        if number % 10 == 0:
            ask = f"GET / HTTP/1.1\r\nHost: {one.site.host}\r\nUser-Agent: examplebot/1.0\r\n\r\n".encode()
            crawl.add("skipped", "request", one.uri, ask, "application/http; msgtype=request")
        crawl.add_page(one, number)


def crawl_oddities(crawl: Crawl) -> None:
    """Add what a crawler also brings home: pages fetched again, missing, moved, empty, or no pages at all."""
    every = pages()
    for one in every[40:45]:
        crawl.add("repeat", "response", one.uri, served(one, 0))
    for one in every[50:53]:
        about = {
            "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest",
            "WARC-Payload-Digest": "sha256:" + hashlib.sha256(one.body).hexdigest(),
        }
        crawl.add("skipped", "revisit", one.uri, http(b"", "text/html"), **about)
    gone = http(b"<html><title>404</title><p>Not found.</p></html>", "text/html", "404 Not Found")
    for n in range(4):
        crawl.add("skipped", "response", f"https://bridge.example/gone/{n}", gone)
    for n in range(2):
        moved = http(b"", "text/html", "301 Moved Permanently", Location=f"https://bridge.example/{n:02d}.html")
        crawl.add("skipped", "response", f"https://bridge.example/old/{n}", moved)
    for n in range(3):
        empty = http(b"<html><head></head><body>\n\n</body></html>", "text/html; charset=utf-8")
        crawl.add("skipped", "response", f"https://river.example/empty/{n}", empty)
    for host in ("river.example", "star.example"):
        crawl.add("skipped", "response", f"https://{host}/logo.png", http(PNG, "image/png"))
    crawl.add("skipped", "metadata", "https://river.example/00.html", b"fetchTimeMs: 12\r\n", "application/warc-fields")


def write_crawl(path: Path, answers: Answers) -> None:
    """Write one gzip member for each record; the last one breaks off, as after a full disk."""
    crawl = Crawl(answers)
    crawl_sites(crawl)
    crawl_oddities(crawl)
    members = [gzip.compress(one, 6, mtime=0) for one in crawl.records]
    block = http(page(sites()[0], "/last.html").body, "text/html; charset=utf-8")
    broken = record("response", "https://river.example/last.html", START + timedelta(days=1), block, RESPONSE)
    cut = gzip.compress(broken, 6, mtime=0)
    answers.record(WEB, "rejected")
    path.write_bytes(b"".join(members) + cut[: len(cut) // 2])
