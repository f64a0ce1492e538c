"""Handovers: who received which release, in the ledger without a name, and never of a provisional release."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from small_corpus import copied, prepared
from typer.testing import CliRunner

from corpus_gov import acts, cli, handovers
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.workspace import Release, Workspace

RECEIVER = "Ferry Models Ltd, data office"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def provisional(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    return copied(folder, tmp_path, monkeypatch)


@pytest.fixture
def workspace(provisional: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The same, with a release that says that it is not provisional."""
    facts = Release.run
    monkeypatch.setattr(Release, "run", property(lambda self: {**facts.__get__(self), "provisional": False}))
    return provisional


def hand(workspace: Workspace, **changed: Any) -> dict[str, Any]:
    """Hand the release over."""
    options = {"receiver": RECEIVER, "purpose": "pretraining", "day": date(2026, 11, 3), "actor": "li.na"} | changed
    return handovers.add(workspace, "r0001", options.pop("receiver"), **options)


def test_a_handover_is_found_by_release(workspace: Workspace) -> None:
    """It is listed with all that was said, for the release that it was of; the same words are one handover."""
    made = hand(workspace, terms="contract 12")

    assert handovers.listed(workspace) == handovers.listed(workspace, ["r0001"]) == [made]
    assert handovers.listed(workspace, ["r0002"]) == []
    assert hand(workspace, terms="contract 12") == made
    assert (made["receiver"], made["terms"], made["state"]) == (RECEIVER, "contract 12", "claimed")


def test_the_ledger_names_no_receiver(workspace: Workspace) -> None:
    """The entry has digests and the release; once the file is gone, nothing says who it was."""
    made = hand(workspace)
    entry = list(workspace.ledger().entries())[made["entry"]]
    workspace.store.delete(made["handover"])

    assert b"Ferry" not in entry.encode()
    assert entry.subject["releases/r0001/statement.json"]
    assert "receiver" not in handovers.listed(workspace)[0]


def test_an_interrupted_handover_is_finished(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without its entry counts for nothing, and the next call writes the entry for it."""
    with monkeypatch.context() as patched:
        patched.setattr(acts, "record", lambda *_, **__: (_ for _ in ()).throw(StoreError("full")))
        with pytest.raises(StoreError):
            hand(workspace)
    before = handovers.listed(workspace)

    assert (before, len([hand(workspace), *before])) == ([], 1)


def test_a_changed_handover_is_named(workspace: Workspace) -> None:
    """A file that is not what the ledger says is an integrity error."""
    name = hand(workspace)["handover"]
    workspace.store.put(name, workspace.store.read(name).replace(b"Ferry", b"Other"))
    with pytest.raises(IntegrityError, match=name):
        handovers.listed(workspace)


def test_a_provisional_release_is_refused(provisional: Workspace) -> None:
    """Nobody receives what nobody answers for."""
    with pytest.raises(ConfigError, match="provisional"):
        hand(provisional)


@pytest.mark.parametrize("changed", [{"receiver": " "}, {"purpose": ""}, {"terms": "x" * 501}, {"actor": "Li Na"}])
def test_what_is_refused(changed: dict[str, str], workspace: Workspace) -> None:
    """A handover without receiver, purpose or a proper name writes nothing."""
    with pytest.raises(ConfigError):
        hand(workspace, **changed)
    assert handovers.listed(workspace) == []


def test_the_commands(workspace: Workspace) -> None:
    """`handover add` and `list` say who, what and when."""
    run, url = CliRunner(), workspace.url
    words = [url, "r0001", RECEIVER, "--purpose", "tests", "--actor", "li.na", "--day", "2026-11-03"]
    made = run.invoke(cli.app, ["handover", "add", *words])
    listed = json.loads(run.invoke(cli.app, ["handover", "list", url, "--json"]).output)["handovers"]

    assert f"r0001 to {RECEIVER}, claimed by li.na" in made.output
    assert [(one["day"], one["purpose"]) for one in listed] == [("2026-11-03", "tests")]
