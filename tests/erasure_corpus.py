"""A workspace of two sources with one page that somebody wants gone, and its copies; and how to ask."""

import json
import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from small_corpus import AS_OF, write_keys

from corpus_gov import config, fulfilment, keys, pipeline, register, requests
from corpus_gov.dossier import Paper
from corpus_gov.engine import Engine
from corpus_gov.store import open_store
from corpus_gov.workspace import Workspace, open_workspace

TODAY = date(2026, 11, 20)
PERSON = "13800138000"
WORDS = (
    "The ferry crosses the wide river at seven in the morning and again at noon when the market opens, and it returns "
    "before the evening bell with baskets of plums, letters for the mill and two goats that belong to the miller."
)
OTHER = (
    "A weather station needs a shaded box on level ground, away from walls, where somebody reads the temperature and "
    "the rainfall every morning at eight and writes both of them into a bound book with numbered pages and a date."
)
PLANTED = "PLANTED-SENTENCE-OF-THE-MILLER"
ERASED = f"{PLANTED}. {WORDS}"
NEARLY = f"{PLANTED}. {WORDS} Today."
ROWS = {
    "one": [
        {"text": ERASED, "uri": "https://mill.example/goats", "author": "Anna Miller", "consent_ref": "consent-17"},
        {"text": NEARLY, "uri": "https://mirror.example/goats"},
        {"text": OTHER, "uri": "https://weather.example/box"},
        {"text": f"{OTHER} Call {PERSON} before noon.", "uri": "https://weather.example/contact"},
    ],
    "two": [
        {"text": ERASED, "uri": "https://copy.example/goats"},
        {"text": f"Green tea is picked before the spring rain. {OTHER[:60]}", "uri": "https://sub.mill.example/tea"},
    ],
}


def prepared(to: Path, engine: Engine) -> Path:
    """Make a workspace with one release over ROWS, and its keys; `copied` gives each test its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(to / "keys"))
        settings = config.Settings(id="w-test-small", name="small", owner="tests", policy="trial")
        store = open_store(str(to / "workspace"))
        store.put("corpus-gov.toml", config.dump_settings(settings).encode())
        (to / "workspace" / "in").mkdir()
        for source, rows in ROWS.items():
            deliver(to / "workspace", f"{source}-1.jsonl", rows)
            contract = Paper(title="Supply", reference=f"C-{source}", party="The Millers' Guild")
            dossier = config.Dossier(
                source_id=source, kind="unassessed", title=source, inputs=(f"in/{source}-*.jsonl",), format="jsonl",
                contract=contract if source == "two" else None,
            )  # fmt: skip
            register.add(store, f"sources/{source}.yaml", config.dump_dossier(dossier).encode())
        write_keys(keys.folder(settings.id))
        run(open_workspace(to / "workspace"), engine)
    return to


def copied(folder: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Copy what `prepared` made, and open it."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(to / "keys"))
    for part in ("workspace", "keys"):
        shutil.copytree(folder / part, to / part)
    return open_workspace(to / "workspace")


def deliver(root: Path, name: str, rows: Sequence[dict[str, str]]) -> None:
    """Write a file that a source takes in."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (root / "in" / name).write_text(lines, encoding="utf-8")


def run(workspace: Workspace, engine: Engine) -> dict[str, Any]:
    """Publish; returns the facts of the newest release."""
    return dict(pipeline.run(workspace, engine=engine, as_of=AS_OF).run)


def ask(workspace: Workspace, by: str, value: str, **said: Any) -> requests.Request:
    """Write a request of a person down, on TODAY."""
    options = {"requester": "data_subject", "basis": "eu.gdpr.17", "received": TODAY, "today": TODAY, "actor": "li.na"}
    return fulfilment.ask(workspace, by, value, **(options | said))
