"""No policy, override, dossier or setting makes a labelled document one of a person."""

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from small_corpus import TOPICS

from corpus_gov import actors, overrides, pipeline
from corpus_gov.config import Dossier, Settings
from corpus_gov.dossier import Target
from corpus_gov.engine import Engine
from corpus_gov.policyfile import Clause, Election, Policy, Spread
from corpus_gov.schemas import CLEAN, DISPOSITIONS, MANIFEST
from corpus_gov.settlement import OVERRIDES
from corpus_gov.workspace import Workspace, init, open_workspace

DAY = date(2026, 11, 1)
IMPLICIT = (
    '{"AIGC":{"Label":"1","ContentProducer":"p","ProduceID":"1","ReservedCode1":"",'
    '"ContentPropagator":"p","PropagateID":"1","ReservedCode2":""}}'
)
PAPER = b"The model was found to be safe."
FILED = f"{{title: A, reference: A-1, file: evidence/a1.txt, sha256: {sha256(PAPER).hexdigest()}}}"
MODEL = f"generator: {{name: M, version: '1', acquired: 2026-01-05, assessment: {FILED}}}"
SOURCES = {
    "own": "kind: own\nresponsible: office",
    "unassessed": "kind: unassessed",
    "made": f"kind: synthetic\n{MODEL}",
    "half": "kind: synthetic",
}
CASES = (*DISPOSITIONS, None)
"""What people decide on a document, None for nothing."""


def labelled(number: int, text: str) -> dict[str, Any]:
    """One row with a label: in words, for machines, or as a field that says yes."""
    kinds: tuple[dict[str, Any], ...] = (
        {"text": f"{text}\n本内容由AI生成"},
        {"text": text, "AIGC": IMPLICIT},
        {"text": text, "metadata": {"ai_generated": True}},
    )
    return kinds[number % len(kinds)]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Four sources of different standing, each with labelled documents for each case and a plain one."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    made = init(tmp_path / "w", name="W", owner="office")
    made.store.put("evidence/a1.txt", PAPER)
    for place, (source, said) in enumerate(SOURCES.items()):
        rows = []
        for number in range(len(CASES) + 1):
            topic = TOPICS[(place + number) % len(TOPICS)]
            text = "\n".join(f"{topic} {source} {number}.{line} {'x' * line}." for line in range(1, 8))
            row = {"text": text} if number == len(CASES) else labelled(place + number, text)
            rows.append(row | {"uri": f"https://{source}.example/{number}"})
        (tmp_path / f"{source}.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
        head = f"source_id: {source}\ntitle: T\ninputs: ['{tmp_path / source}.jsonl']\n"
        made.store.put(f"sources/{source}.yaml", f"{head}{said}\n".encode())
    actors.new(made, "li.na")
    return made


@pytest.mark.parametrize("policy", ["trial", "default", "strict"])
def test_a_labelled_document_stays_labelled(workspace: Workspace, policy: str) -> None:
    """Whatever policy, source and people say, manifest and clean corpus say labelled, and of nothing else."""
    settings = workspace.store.read("corpus-gov.toml").decode()
    assert 'policy = "' in settings
    lines = [f'policy = "{policy}"' if line.startswith("policy = ") else line for line in settings.splitlines()]
    workspace.store.put("corpus-gov.toml", "\n".join(lines).encode())
    workspace = open_workspace(workspace.url)
    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=DAY)
        for row in workspace.release().table("manifest", ("doc_id", "uri")).to_pylist():
            if (case := (*CASES, None)[int(row["uri"].rpartition("/")[2])]) is not None:
                overrides.give(workspace, row["doc_id"], case, why="tried", actor="li.na", expires=None)
        pipeline.run(workspace, engine=engine, as_of=DAY)

    states = {row["uri"]: row["aigc_state"] for row in workspace.release().table("manifest").to_pylist()}
    clean = {row["uri"]: row["aigc_state"] for row in workspace.release().table("clean").to_pylist()}
    decided = {row["disposition"] for row in workspace.release().table("manifest", ("disposition",)).to_pylist()}

    with_label = {f"https://{source}.example/{number}" for source in SOURCES for number in range(len(CASES))}
    assert {uri for uri, state in states.items() if state == "labelled"} == with_label
    assert clean
    assert with_label & set(clean)
    assert {uri: states[uri] for uri in clean} == clean
    assert len(decided) > 1


def _keys(model: type[BaseModel], seen: frozenset[type] = frozenset()) -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield name
        for kind in _models(field.annotation):
            if kind not in seen:
                yield from _keys(kind, seen | {kind})


def _models(kind: Any) -> Iterable[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from _models(part)


def test_nothing_that_people_write_names_the_state() -> None:
    """Settings, dossiers, policies, field maps and overrides have no key for labels."""
    grammar = [one.name for kind in (Policy, Clause, Spread, Election) for one in fields(kind)]
    written = [*_keys(Settings), *_keys(Dossier), *get_args(Target), *OVERRIDES.names, *grammar]

    assert {"policy", "kind", "disposition"} < set(written)
    assert [name for name in written if "aigc" in name or "label" in name] == []
    assert "aigc_state" in MANIFEST.names
    assert "aigc_state" in CLEAN.names
