"""Files about opt-outs that lie beside a crawl: host, port and time by their place, and the state that follows."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import tiny_crawl

from corpus_gov import optoutcheck, pipeline
from corpus_gov.engine import Engine
from corpus_gov.sources import supplied
from corpus_gov.workspace import open_workspace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("optout-snapshots/a.example/robots.txt", ("https://a.example/robots.txt", None)),
        ("in/optout-snapshots/A.example/20260301T120000Z/ai.txt", ("https://a.example/ai.txt", NOON)),
        ("optout-snapshots/a.example_8080/tdmrep.json", ("https://a.example:8080/.well-known/tdmrep.json", None)),
        ("optout-snapshots/a.example/20261301T120000Z/robots.txt", None),
        ("optout-snapshots/a.example/notes.txt", None),
        ("optout-snapshots/robots.txt", None),
        ("robots.txt", None),
    ],
)
def test_place(name: str, expected: tuple[str, datetime | None] | None) -> None:
    """Host, port and time are read off the path; other files are no snapshots."""
    assert supplied.place(name) == expected


def test_a_run_uses_supplied_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reservation and an empty robots.txt that lie beside the crawl decide, and optout-check shows both."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    base = "http://tea.example"
    pages = [(f"{base}/a", "200 OK", "text/html", tiny_crawl.page(base, tiny_crawl.BRIDGE))]
    monkeypatch.setattr(tiny_crawl, "captures", lambda: pages)
    tiny_crawl.make(tmp_path / "w")
    dossier = next((tmp_path / "w" / "sources").glob("*.yaml"))
    said = tmp_path / "w" / "incoming" / "optout-snapshots" / "tea.example" / "20260101T000000Z"
    said.mkdir(parents=True)
    (said / "robots.txt").write_bytes(b"")
    (said / "tdmrep.json").write_bytes(b'[{"location": "/", "tdm-reservation": 1}]')
    text = dossier.read_text(encoding="utf-8")
    dossier.write_text(text.replace("inputs: [", "inputs: [incoming/**/*, "), encoding="utf-8")

    workspace = open_workspace(tmp_path / "w")

    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=date(2026, 11, 1))

    (row,) = workspace.release().table("manifest").to_pylist()
    assert (row["optout_state"], row["disposition"]) == ("denied", "drop")
    facts = optoutcheck.check(workspace, f"{base}/a")
    (known,) = facts["sources"]
    assert [one["kind"] for one in known["snapshots"]] == ["robots", "tdmrep"]
    assert {one["protocol"]: one["value"] for one in known["statements"]} == {"robots": "allow", "tdmrep": "deny"}
    assert [one["state"] for one in facts["documents"]] == ["denied"]
    shown = "\n".join(optoutcheck.lines(facts))
    assert "DENIED" in shown
    assert "tdmrep in tdmrep.json for the path: tdm deny" in shown
    assert "not evaluated" in "\n".join(optoutcheck.lines(optoutcheck.check(workspace, "other.example")))
