"""Sampling audits: samples that can be drawn again, verdicts in the ledger, and what follows from them."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import small_corpus
from typer.testing import CliRunner

from corpus_gov import actors, assessments, cli, pipeline
from corpus_gov.dossier import Assessment
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.workspace import Workspace, open_workspace

SEED = bytes(16)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A small workspace with a release and few rules; tests add samples to it."""
    folder = tmp_path_factory.mktemp("assessments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        small_corpus.write_inputs(folder / "in")
        workspace = small_corpus.make(folder / "w", folder / "in")
        with Engine(workers=1) as engine:
            pipeline.run(workspace, engine=engine, as_of=date(2026, 11, 1))
        yield open_workspace(folder / "w")


def sheet(sample: assessments.Sample, bad: int) -> list[dict[str, str]]:
    """Fill in a sheet: so many documents with a risk."""
    return [{"doc_id": doc_id, "risk": "A1h" if place < bad else "none"} for place, doc_id in enumerate(sample.doc_ids)]


def reported(workspace: Workspace, sample: assessments.Sample) -> dict[str, Any]:
    """Return what is said of one sample."""
    (found,) = (one for one in assessments.report(workspace) if one["sample"] == sample.digest)
    return found


def test_a_sample_is_drawn_again_by_its_seed(released: Workspace) -> None:
    """The same seed draws the same documents, another one draws others; what is drawn was released."""
    first, again = (assessments.draw(released, "technical", None, SEED, 20) for _ in range(2))
    other = assessments.draw(released, "technical", None, b"other", 20)

    manifest = released.release().table("manifest", ("doc_id", "disposition")).to_pylist()
    kept = {row["doc_id"] for row in manifest if row["disposition"] in ("keep", "redact")}
    assert first == again
    assert first.doc_ids != other.doc_ids
    assert len(first.doc_ids) == 20
    assert set(first.doc_ids) <= kept
    assert first.offered == len(kept)


@pytest.mark.parametrize(("bad", "verdict"), [(0, "accept"), (1, "undecided"), (20, "reject")])
def test_the_verdict_on_a_source_follows_from_its_bounds(
    released: Workspace, bad: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accept, reject or undecided at the limit of the kind, and the dossier takes what was decided."""
    # Of forty documents nobody could be sure of 5 %.
    monkeypatch.setitem(assessments.KINDS, "source", assessments.Kind(1_000, 1_000, 0, "a test"))
    sample = assessments.draw(released, "source", "one", bytes([bad]))
    assessments.record(released, sample.digest[:12], sheet(sample, bad), "mei")

    found = reported(released, sample)

    said = assessments.for_dossier(found)
    assert (found["verdict"], found["counted"], found["bad"]) == (verdict, len(sample.doc_ids), bad)
    assert found["by"] == ["mei"]
    assert (said is None) == (verdict == "undecided")
    if said:
        taken = Assessment(**{**said, "day": date.fromisoformat(said["day"])})
        assert taken.outcome == {"accept": "passed", "reject": "failed"}[verdict]


def test_half_a_sample_is_accepted_by_nobody(released: Workspace) -> None:
    """Until every document was looked at the verdict is undecided; a later verdict replaces an earlier one."""
    sample = assessments.draw(released, "manual", None, b"half")
    rows = sheet(sample, 1)
    assessments.record(released, sample.digest, rows[:5], "mei")
    before = reported(released, sample)
    assessments.record(released, sample.digest, [{**rows[0], "risk": "none"}, *rows[5:]], "li")
    after = reported(released, sample)

    assert (before["verdict"], before["counted"], before["bad"]) == ("undecided", 5, 1)
    assert (after["counted"], after["bad"], after["by"]) == (len(rows), 0, ["li", "mei"])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"doc_id": "00", "risk": "none"}, "is not in the sample"),
        ({"risk": "none"}, "is not in the sample"),
        ({"doc_id": 0, "risk": "bad"}, "expected 'none' or an id"),
    ],
)
def test_wrong_verdicts(released: Workspace, row: dict[str, Any], message: str) -> None:
    """A document that was not drawn, and a risk that is none, are refused, and nothing is written."""
    sample = assessments.draw(released, "manual", None, b"wrong")
    row = {name: sample.doc_ids[0] if value == 0 else value for name, value in row.items()}
    entries = len(list(released.ledger().entries()))

    with pytest.raises(ConfigError, match=message):
        assessments.record(released, sample.digest, [row], "mei")

    assert len(list(released.ledger().entries())) == entries


def test_too_small_a_sample_is_refused(released: Workspace) -> None:
    """A sample smaller than the kind asks for is an error, and so is an unknown source or sample."""
    with pytest.raises(ConfigError, match="expected"):
        assessments.draw(released, "manual", None, SEED, 3)
    with pytest.raises(ConfigError, match="found none with documents"):
        assessments.draw(released, "source", "nobody", SEED)
    with pytest.raises(ConfigError, match="found 0 of that name"):
        assessments.record(released, "0" * 16, [], "mei")


def test_changed_samples_are_found(released: Workspace) -> None:
    """A sample in the store that is not what the ledger says is an integrity error."""
    sample = assessments.draw(released, "manual", None, b"changed")
    name = f"assessments/sample.{sample.digest}.json"
    data = released.store.read(name)
    released.store.put(name, data.replace(b"manual", b"Manual"))

    with pytest.raises(IntegrityError, match="not what the ledger says"):
        assessments.report(released)

    released.store.put(name, data)


def test_the_command_goes_the_whole_way(released: Workspace, tmp_path: Path) -> None:
    """Draw writes a sheet, record takes it filled in, report says what follows and what a dossier takes."""
    folder, run = str(released.root), CliRunner().invoke
    path = tmp_path / "sheet.jsonl"
    options = ["--kind", "source", "--source", "one", "--seed", "c0ffee", "--out", str(path), "--json"]
    drawn = json.loads(run(cli.app, ["assess", "draw", folder, *options]).stdout)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps({**row, "risk": "A1f"}) + "\n" for row in rows), encoding="utf-8")

    recorded = run(cli.app, ["assess", "record", folder, drawn["digest"][:12], str(path), "--by", "mei", "--json"])
    said = json.loads(run(cli.app, ["assess", "report", folder, "--json"]).stdout)["assessments"]
    shown = run(cli.app, ["assess", "report", folder])

    assert json.loads(recorded.stdout)["bad"] == len(rows) == drawn["drawn"]
    (one,) = (one for one in said if one["sample"] == drawn["digest"])
    assert (one["verdict"], one["dossier"]["outcome"], one["risks"]) == ("reject", "failed", {"A1f": len(rows)})
    assert "reject" in shown.stdout
    assert assessments.assessed(released)["source source:one"]["verdict"] == "reject"


def test_verdicts_of_a_registered_actor_are_signed(released: Workspace) -> None:
    """An actor's verdicts carry their signature where the key is here; the word of anybody else is claimed."""
    sample = assessments.draw(released, "technical", None, b"signed", 20)
    actors.new(released, "wang.fang")

    assessments.record(released, sample.digest, sheet(sample, 0), "wang.fang")
    assessments.record(released, sample.digest, sheet(sample, 0), "somebody else")

    given = [entry for entry in released.ledger().entries() if entry.type == assessments.VERDICTS_GIVEN]
    assert [(entry.actor, entry.state) for entry in given[-2:]] == [
        ("wang.fang", "signed"),
        ("somebody else", "claimed"),
    ]
