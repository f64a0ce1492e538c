"""Acts: what changed between runs stands in the ledger, once, and tells nothing that it must not."""

import json
from pathlib import Path

import pytest
from small_corpus import make, write_inputs

from corpus_gov import acts, register
from corpus_gov.entries import KEY_ADDED
from corpus_gov.errors import IntegrityError
from corpus_gov.workspace import Workspace, open_workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    write_inputs(tmp_path / "inputs", 6)
    return make(tmp_path / "workspace", tmp_path / "inputs")


def review(workspace: Workspace, name: str, disposition: str) -> None:
    """Write an override by hand, as an operator may."""
    row = {"override_id": name, "doc_id": "ab" * 16, "disposition": disposition, "actor": "li.na", "expires": None}
    register.add(workspace.store, f"reviews/{name}.json", json.dumps(row | {"legal": ""}).encode())


def test_the_first_note_has_the_key_and_all_that_is_in_force(workspace: Workspace) -> None:
    """The log begins with the pipeline's key, then says which sources, packs and policy there are."""
    acts.note_changes(workspace)
    entries = list(workspace.ledger().entries())
    assert [entry.type for entry in entries] == [
        KEY_ADDED, acts.SOURCES_CHANGED, acts.RULES_CHANGED, acts.POLICY_CHANGED,
    ]  # fmt: skip
    assert entries[1].data == {"added": ["sources/one.yaml", "sources/two.yaml"], "changed": [], "removed": []}
    assert "rules/cn.pii@" in " ".join(entries[2].subject)


def test_what_did_not_change_is_not_written_again(workspace: Workspace) -> None:
    """A second note writes nothing."""
    acts.note_changes(workspace)
    assert acts.note_changes(workspace) == []


def test_reviews_that_come_change_and_go(workspace: Workspace) -> None:
    """Each change of a file by hand is an entry of its own, and the state that entries leave is the files' state."""
    acts.note_changes(workspace)
    review(workspace, "a", "keep")
    review(workspace, "b", "drop")
    (first,) = acts.note_changes(workspace)
    review(workspace, "b", "keep")
    workspace.store.delete("reviews/a.json")
    (second,) = acts.note_changes(workspace)
    assert first.data == {"added": ["reviews/a.json", "reviews/b.json"], "changed": [], "removed": []}
    assert second.data == {"added": [], "changed": ["reviews/b.json"], "removed": ["reviews/a.json"]}
    stated = acts.last_stated(workspace.ledger().entries())[acts.OVERRIDES_CHANGED]
    assert list(stated) == ["reviews/b.json"]


def test_a_changed_dossier_is_noted(workspace: Workspace) -> None:
    """A dossier with another byte is a changed source."""
    acts.note_changes(workspace)
    name = "sources/one.yaml"
    register.add(workspace.store, name, workspace.store.read(name) + b"\nnotes: moved\n")
    (entry,) = acts.note_changes(open_workspace(workspace.url))
    assert (entry.type, entry.data["changed"]) == (acts.SOURCES_CHANGED, [name])


def test_acts_are_covered_by_the_checkpoint(workspace: Workspace) -> None:
    """An act that was recorded verifies, and does not when its entry is changed."""
    acts.note_changes(workspace)
    made = acts.record(
        workspace, "verdict_given", {"sources/one.yaml": "00" * 32}, {"verdict": "accept"}, actor="li.na"
    )
    assert made.state == "claimed"
    assert workspace.ledger().verify(workspace.signer().vkey).claimed == (made.index,)
    name = f"ledger/entries/{made.index:020d}"
    workspace.store.put(name, workspace.store.read(name).replace(b"accept", b"reject"))
    with pytest.raises(IntegrityError, match=name):
        workspace.ledger().verify(workspace.signer().vkey)


def test_commitments_need_their_salt() -> None:
    """The same value commits to another digest under another salt, and to the same one under the same salt."""
    value = {"kind": "host", "value": "someone.example"}
    one, other = (acts.commitment(salt, value) for salt in (b"1" * 32, b"2" * 32))
    assert one == acts.commitment(b"1" * 32, dict(reversed(value.items())))
    assert one != other
    assert acts.commitment(b"1" * 32, {**value, "value": "another.example"}) != one
