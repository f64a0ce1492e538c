"""Overrides by command: who gave them, who agreed, what they do to the next release, and when people look again."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from small_corpus import AS_OF, copied, prepared
from typer.testing import CliRunner

from corpus_gov import actors, acts, cli, overrides, pipeline, register
from corpus_gov.config import ReviewSettings
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.workspace import Workspace, open_workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def workspace(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with one release and two actors."""
    made = copied(folder, tmp_path, monkeypatch)
    actors.new(made, "li.na")
    actors.new(made, "wang")
    return made


def release(workspace: Workspace) -> dict[str, Any]:
    """Run, and return the facts of the newest release."""
    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=AS_OF)
    return workspace.release().run


def kept(workspace: Workspace) -> str:
    """Name a document that the rules keep."""
    rows = workspace.release().table("manifest", ("doc_id", "disposition")).to_pylist()
    return min(row["doc_id"] for row in rows if row["disposition"] == "keep")


def drop(workspace: Workspace, doc_id: str, actor: str = "li.na", **options: Any) -> dict[str, Any]:
    """Drop a document by hand."""
    given = {"why": "not ours to train on", "expires": None} | options
    return overrides.give(workspace, doc_id, "drop", actor=actor, **given)


def disposition(workspace: Workspace, doc_id: str) -> tuple[str, str]:
    """What the newest release decided, and who."""
    rows = workspace.release().table("manifest", ("doc_id", "disposition", "actor")).to_pylist()
    return next((row["disposition"], row["actor"]) for row in rows if row["doc_id"] == doc_id)


def test_an_override_decides_until_it_is_withdrawn(workspace: Workspace) -> None:
    """The next release goes by it, run.json counts it, and after its withdrawal the rules decide again."""
    doc_id = kept(workspace)
    given = drop(workspace, doc_id)
    facts = release(workspace)["overrides"]
    decided = disposition(workspace, doc_id)
    overrides.withdraw(workspace, given["override_id"], "wang")
    after = release(workspace)["overrides"]

    assert (given["state"], given["rules_said"]) == ("signed", "keep")
    assert facts == {"counts": {"in force": 1, "waiting": 0, "expired": 0}, "changed": [], "overruled": []}
    assert decided == ("drop", "li.na")
    assert (disposition(workspace, doc_id), after["counts"]["in force"]) == (("keep", "policy"), 0)


def test_the_ledger_has_the_act_and_not_the_words(workspace: Workspace) -> None:
    """Entry and review belong together by digest; the reason stays in the review; nothing is noted twice."""
    given = drop(workspace, kept(workspace), why="what the caller said")
    entry = list(workspace.ledger().entries())[given["entry"]]

    assert (entry.type, entry.actor, entry.state) == (acts.OVERRIDE_GIVEN, "li.na", "signed")
    assert b"what the caller said" not in entry.encode()
    assert acts.note_changes(workspace) == []
    overrides.withdraw(workspace, given["override_id"], "li.na")
    assert acts.note_changes(workspace) == []


def test_the_same_words_are_one_override(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that was interrupted before its entry is finished by the next, and a third adds nothing."""
    doc_id = kept(workspace)
    with monkeypatch.context() as patched:
        patched.setattr(acts, "record", lambda *_, **__: (_ for _ in ()).throw(StoreError("full")))
        with pytest.raises(StoreError):
            drop(workspace, doc_id)
    first, second = drop(workspace, doc_id), drop(workspace, doc_id)

    assert first == second
    assert len(overrides.listed(workspace, AS_OF)) == 1


def test_a_second_actor(workspace: Workspace) -> None:
    """Where two are asked for, an override waits until another actor signed it; neither the same one nor a claim do."""
    strict = Workspace(
        workspace.url,
        workspace.settings.model_copy(update={"reviews": ReviewSettings(second_actor=True)}),
        workspace.dossiers,
    )
    name = drop(strict, kept(strict))["override_id"]
    waiting = overrides.listed(strict, AS_OF)[0]["state"], strict.overrides().num_rows
    for actor in ("li.na", "nobody"):
        with pytest.raises(ConfigError, match="another actor with a key"):
            overrides.confirm(strict, name, actor)
    overrides.confirm(strict, name, "wang")

    assert waiting == ("waiting", 0)
    assert (overrides.listed(strict, AS_OF)[0]["state"], strict.overrides().num_rows) == ("in force", 1)


@pytest.mark.parametrize("change", ["by hand", "claimed", "changed"])
def test_what_two_actors_did_not_sign_waits(change: str, workspace: Workspace) -> None:
    """A file by hand, an override that was only claimed, or a review that was changed afterwards counts for nothing."""
    strict = Workspace(
        workspace.url,
        workspace.settings.model_copy(update={"reviews": ReviewSettings(second_actor=True)}),
        workspace.dossiers,
    )
    given = drop(strict, kept(strict), "somebody" if change == "claimed" else "li.na")
    place = f"reviews/{given['override_id']}.json"
    if change == "by hand":
        review = strict.store.read(place)
        overrides.withdraw(strict, given["override_id"], "li.na")
        register.add(strict.store, place, review.replace(b"not ours", b"not mine"))
    else:
        overrides.confirm(strict, given["override_id"], "wang")
    if change == "changed":
        strict.store.put(place, strict.store.read(place).replace(b'"drop"', b'"keep"'))

    assert strict.overrides().num_rows == 0


def test_rules_that_say_otherwise_now_are_told(workspace: Workspace) -> None:
    """An override whose document the rules judge otherwise than when it was given is named in run.json."""
    doc_id = kept(workspace)
    given = drop(workspace, doc_id)
    place = f"reviews/{given['override_id']}.json"
    review = json.loads(workspace.store.read(place)) | {"rules_said": "quarantine"}
    register.add(workspace.store, place, json.dumps(review).encode())

    assert release(workspace)["overrides"]["changed"] == [
        {"override_id": given["override_id"], "asked": "drop", "now": "keep", "then": "quarantine"}
    ]


def test_an_override_that_something_stronger_wins_over_is_told(workspace: Workspace) -> None:
    """Where a document is suppressed, the override that keeps it is named as overruled."""
    doc_id = kept(workspace)
    name = overrides.give(workspace, doc_id, "keep", why="asked for", actor="wang", expires=None)["override_id"]
    register.add(workspace.store, "suppression/one.txt", doc_id.encode())

    facts = release(workspace)["overrides"]

    assert facts["overruled"] == [{"override_id": name, "asked": "keep", "now": "drop"}]


@pytest.mark.parametrize(
    "options", [{"doc_id": "ab" * 16}, {"disposition": "hide"}, {"why": " "}, {"why": "x" * 2_001}, {"actor": "Li Na"}]
)
def test_what_is_refused(options: dict[str, str], workspace: Workspace) -> None:
    """An unknown document or disposition, no reason, or no name of an actor writes nothing."""
    asked = {"doc_id": kept(workspace), "disposition": "drop", "why": "why", "actor": "wang"} | options
    with pytest.raises(ConfigError):
        overrides.give(workspace, expires=None, **asked)
    assert overrides.listed(workspace, AS_OF) == []


def test_the_commands(workspace: Workspace) -> None:
    """`give` signs with the key that is here, `list` shows states, `confirm` and `withdraw` name their entries."""
    run, url = CliRunner(), workspace.url
    arguments = [url, kept(workspace), "drop", "--why", "see ticket 7", "--actor", "li.na", "--expires", "2026-12-01"]
    made = json.loads(run.invoke(cli.app, ["override", "give", *arguments, "--json"]).output)
    name = made["override_id"]
    confirmed = run.invoke(cli.app, ["override", "confirm", url, name, "--actor", "wang"])
    listed = run.invoke(cli.app, ["override", "list", url, "--as-of", "2026-12-02", "--json"])
    withdrawn = run.invoke(cli.app, ["override", "withdraw", url, name, "--actor", "nobody"])

    assert made["state"] == "signed"
    assert f"{name}: confirmed by entry" in confirmed.output
    assert [one["state"] for one in json.loads(listed.output)["overrides"]] == ["expired"]
    assert f"{name}: withdrawn by entry" in withdrawn.output
    assert open_workspace(url).overrides().num_rows == 0
    assert date.fromisoformat(made["expires"]) == date(2026, 12, 1)
