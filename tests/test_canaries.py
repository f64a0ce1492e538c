"""Personal values planted everywhere in an input appear nowhere outside `documents`."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import leakscan
import pytest
import small_corpus

MAIL = "qiu.canary@leak-check.example"
PHONE = "13912348765"
CARD = "11010119900307002X"
CANARIES = (MAIL, PHONE, CARD)


def page() -> bytes:
    """A page with canaries in title, text, header, footer and a link."""
    body = " ".join(f"The gauge at lock {n} was read by the keeper before noon." for n in range(20))
    return (
        f"<html><head><title>Ask {MAIL}</title><meta name='author' content='{MAIL}'></head>"
        f"<body><header>Call {PHONE}</header><main><p>{body}</p><p>Card {CARD}, mail {MAIL}.</p></main>"
        f"<footer>© 2026 {MAIL} {PHONE}</footer></body></html>"
    ).encode()


def warc_record(uri: str, payload: bytes, kind: bytes = b"response") -> bytes:
    """One WARC record around an HTTP response."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-Contact: " + MAIL.encode() + b"\r\n\r\n"
    block = http + payload
    head = (
        b"WARC/1.0\r\nWARC-Type: " + kind + b"\r\nWARC-Target-URI: " + uri.encode() + b"\r\n"
        b"WARC-Date: 2026-09-01T10:00:00Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
        b"Content-Type: application/http; msgtype=response\r\nContent-Length: " + str(len(block)).encode() + b"\r\n\r\n"
    )
    return head + block + b"\r\n\r\n"


def plant(inputs: Path) -> None:
    """Write inputs whose names, keys, addresses and broken lines hold canaries too."""
    inputs.mkdir()
    records = [
        warc_record(f"https://site.example/contact?mail={MAIL}&tel={PHONE}", page()),
        warc_record(f"https://site.example/{PHONE}", b"", b"request"),
        warc_record(f"https://site.example/mail?to={MAIL.replace('@', '%40')}", page().replace(b"noon", b"dusk")),
        b"WARC/1.0\r\nbroken " + MAIL.encode() + b"\r\n\r\n",
    ]
    (inputs / f"crawl-{PHONE}.warc.gz").write_bytes(b"".join(gzip.compress(record) for record in records))
    rows = [
        {"text": f"Please write to {MAIL} or call {PHONE}. " * 3, "uri": f"https://b.example/{PHONE}", MAIL: PHONE},
        {"text": 5, "uri": MAIL},
        {"no": CARD},
    ]
    lines = [json.dumps(row) for row in rows]
    (inputs / f"list-{MAIL}.jsonl").write_text("\n".join([*lines, f"broken {CARD}", ""]), encoding="utf-8")


@pytest.mark.slow
def test_canaries_stay_in_documents(tmp_path, monkeypatch):
    """A run from the command line leaves planted values in documents and inputs, and in no other file or output."""
    keys, temp, home = tmp_path / "keys", tmp_path / "temp", tmp_path / "home"
    temp.mkdir()
    home.mkdir()
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(keys))
    plant(tmp_path / "inputs")
    workspace = tmp_path / "w"
    small_corpus.make(workspace, tmp_path / "inputs", patterns=("*.warc.gz", "*.jsonl"))
    for name in ("one", "two"):
        dossier = workspace / "sources" / f"{name}.yaml"
        dossier.write_text(dossier.read_text().replace("format: jsonl", "format: auto"))
    environment = os.environ | {"TMPDIR": str(temp), "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    command = [sys.executable, "-m", "corpus_gov.cli"]
    log = tmp_path / "log"
    log.mkdir()

    for name, arguments in {
        "run": ["run", str(workspace), "--workers", "2"],
        "json": ["run", str(workspace), "--json", "--force"],
        "status": ["status", str(workspace)],
        "verify": ["verify", str(workspace)],
        "explain": ["explain", str(workspace), ""],
    }.items():
        done = subprocess.run([*command, *arguments], env=environment, capture_output=True, check=False)
        (log / f"{name}.log").write_bytes(done.stdout + done.stderr)
        assert done.returncode == 0 or name == "explain", done.stderr.decode()

    leaks = leakscan.scan([workspace, temp, home, keys, log], CANARIES, allow=is_document)
    assert leaks == []
    assert leakscan.scan([workspace / "documents"], CANARIES)


def is_document(path: Path) -> bool:
    """Say whether a file may hold personal data."""
    return path.parent.parent.name == "documents"
