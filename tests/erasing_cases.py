"""A workspace with two releases in memory, that each test gets a copy of, and one document to erase from it."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import small_corpus

from corpus_gov import register, store
from corpus_gov.engine import Engine
from corpus_gov.workspace import Workspace, open_workspace

MARK = "zebra-crossing-4711"
"""Stands in the text, the title and the address of the document to erase, and nowhere else."""

LINES = (
    "The ferry crosses the river at seven and again at noon, and the harbour master rings a bell.",
    "A weather station needs a shaded box and level ground, and somebody who reads it every morning.",
    "Green tea is picked before the spring rain has ended, and dried on bamboo trays in the shade.",
    "The old bridge was rebuilt in stone after the flood, and the mason left his mark on the last arch.",
)


@dataclass(frozen=True)
class Prepared:
    """A workspace to copy, where its keys lie, and its documents by number."""

    workspace: Workspace
    keys: Path
    doc_ids: tuple[str, ...]

    @property
    def erased(self) -> str:
        """The document with MARK."""
        return self.doc_ids[1]

    def copied(self) -> Workspace:
        """Copy the workspace under another name."""
        name = secrets.token_hex(8)
        space = store._SPACES[self.workspace.url.removeprefix("memory://")]
        store._SPACES[name] = store._Space(dict(space.objects), set(space.objects))
        return open_workspace(f"memory://{name}")

    def on_disk(self, folder: Path) -> Workspace:
        """Write the workspace to a folder."""
        for name, data in objects(self.workspace).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / name).write_bytes(data)
        return open_workspace(folder)


def texts() -> list[str]:
    """Compose five texts of four lines each; the second has MARK."""
    made = ["\n".join(f"{line} ({number}-{at})" for at, line in enumerate(LINES)) for number in range(5)]
    made[1] += f"\nThe witness of the {MARK} wrote this down."
    return made


def write_inputs(folder: Path) -> None:
    """Write a.jsonl and b.jsonl of source one, and c.jsonl of source two; b.jsonl repeats what is to be erased."""
    folder.mkdir(parents=True)
    rows = [
        {"text": text, "uri": f"https://site{at}.example/{MARK if at == 1 else at}", "title": f"Page {at}"}
        for at, text in enumerate(texts())
    ]
    rows[1]["title"] = f"On the {MARK}"
    for name, part in {"a": rows[:2], "b": [rows[1], rows[2]], "c": rows[3:]}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")


def prepare(folder: Path, patched: pytest.MonkeyPatch, policy: str = "trial") -> Prepared:
    """Make the workspace: two releases of the same five documents."""
    patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
    write_inputs(folder / "inputs")
    made = small_corpus.make(f"memory://{secrets.token_hex(8)}", folder / "inputs", policy=policy, shard_rows=2)
    with Engine(workers=1) as engine:
        for _ in range(2):
            made.run(engine=engine, as_of=small_corpus.AS_OF, force=True)
    documents = made.release().table("documents", ["doc_id", "uri"]).to_pylist()
    numbered = sorted(documents, key=lambda row: (row["uri"].partition(".")[0], row["doc_id"]))
    return Prepared(made, folder / "keys", tuple(row["doc_id"] for row in numbered))


def objects(workspace: Workspace) -> dict[str, bytes]:
    """Return everything that a workspace in memory stores."""
    return dict(store._SPACES[workspace.url.removeprefix("memory://")].objects)


def row(workspace: Workspace, doc_id: str, release: str | None = None) -> dict[str, Any]:
    """Return a document's row of a manifest."""
    rows: list[dict[str, Any]] = workspace.release(release).table("manifest").to_pylist()
    return next(one for one in rows if one["doc_id"] == doc_id)


def suppress(workspace: Workspace, doc_id: str) -> None:
    """Put a document on the suppression list, by its id alone."""
    register.add(workspace.store, "suppression/test.txt", f"{doc_id}\n".encode())
