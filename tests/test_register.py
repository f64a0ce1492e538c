"""Dossiers, overrides and suppression lists are found however late a listing is."""

import json
import threading
from datetime import date
from pathlib import Path

import pytest
import small_corpus
from small_release import new_store

from corpus_gov import register
from corpus_gov.engine import Engine
from corpus_gov.pipeline import run
from corpus_gov.store import MemoryStore, Store
from corpus_gov.workspace import open_workspace

NEVER = 10**6


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return new_store(request.param, tmp_path)


def test_added_objects_are_found(store: Store) -> None:
    """What was added is there at once, in order, with its newest content; another suffix is not asked for."""
    register.add(store, "reviews/b.json", b"old")
    register.add(store, "reviews/a.json", b"a")
    register.add(store, "reviews/note.txt", b"no")
    register.add(store, "reviews/b.json", b"new")

    assert register.objects(store, "reviews", ".json") == {"reviews/a.json": b"a", "reviews/b.json": b"new"}
    assert list(register.objects(store, "reviews", ".json")) == ["reviews/a.json", "reviews/b.json"]


def test_deleted_objects_are_gone(store: Store) -> None:
    """A name whose object was deleted is passed over, and found again once it is added again."""
    register.add(store, "suppression/a.txt", b"a")
    store.delete("suppression/a.txt")
    assert register.objects(store, "suppression", ".txt") == {}

    register.add(store, "suppression/a.txt", b"b")
    assert register.objects(store, "suppression", ".txt") == {"suppression/a.txt": b"b"}


def test_files_put_by_hand_count(tmp_path: Path) -> None:
    """A file that a person put into a folder is found by listing."""
    (tmp_path / "workspace" / "sources").mkdir(parents=True)
    (tmp_path / "workspace" / "sources" / "x.yaml").write_bytes(b"x")

    assert register.objects(new_store("local", tmp_path), "sources", ".yaml") == {"sources/x.yaml": b"x"}


def test_writers_at_once_lose_nothing() -> None:
    """Of many writers at once each has its name in the register exactly once."""
    store = MemoryStore("register-race", NEVER)
    names = [f"reviews/{number % 20}.json" for number in range(40)]
    threads = [threading.Thread(target=register.add, args=(store, name, b"x")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(register.objects(store, "reviews", ".json")) == set(names)


def test_another_folder_is_refused(store: Store) -> None:
    """Only the folders that people write have a register."""
    with pytest.raises(ValueError, match="artefacts/x"):
        register.add(store, "artefacts/x", b"")


def test_suppression_and_overrides_count_before_any_listing_shows_them(tmp_path, monkeypatch) -> None:
    """On a store whose listing shows nothing, a document on the list is dropped and an overridden one held."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    small_corpus.write_inputs(tmp_path / "inputs", 20)
    url = f"memory://register-late?list_delay={NEVER}"
    workspace = small_corpus.make(url, tmp_path / "inputs")
    with Engine(workers=1) as engine:
        run(workspace, engine=engine, as_of=small_corpus.AS_OF)
        kept = workspace.release().table("manifest")
        gone, held = [row["doc_id"] for row in kept.to_pylist() if row["disposition"] == "keep"][:2]
        register.add(workspace.store, "suppression/a.txt", gone.encode())
        row = {"doc_id": held, "disposition": "quarantine", "override_id": "a", "actor": "ann", "legal": ""}
        row |= {"expires": date(2027, 1, 1).isoformat()}
        register.add(workspace.store, "reviews/a.json", json.dumps(row).encode())
        run(open_workspace(url), engine=engine, as_of=small_corpus.AS_OF)

    assert workspace.store.list() == []
    decided = {row["doc_id"]: row["disposition"] for row in workspace.release().table("manifest").to_pylist()}
    assert (decided[gone], decided[held]) == ("drop", "quarantine")
