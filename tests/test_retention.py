"""Retention: what is due when, what a hold or a review changes, and what is left of a document afterwards."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from erasing_cases import Prepared, objects, prepare, row, texts, write_inputs
from small_corpus import AS_OF, make
from typer.testing import CliRunner

from corpus_gov import cli, holds, leakscan, overrides, pipeline, policyfile, release, retention
from corpus_gov.engine import Engine
from corpus_gov.errors import PolicyError
from corpus_gov.workspace import Workspace

POLICY = """
policy: short
version: 1
why: For tests.
needs: [common.pii]
provisional: true
clauses:
  - id: quality.marked
    when: quality.n_lines > 4
    disposition: quarantine
    category: A2f
    why: One document of the corpus has five lines.
election:
  order: [oldest]
retention:
  - id: marked
    of: [quality.marked]
    days: 30
    reviewed: 3
    why: For tests.
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Five documents, of which the one to erase is quarantined by a clause with a retention of 30 days."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "short.yaml").write_text(POLICY)
    with pytest.MonkeyPatch.context() as patched:
        yield prepare(folder, patched, policy=str(folder / "short.yaml"))


@pytest.fixture
def workspace(prepared: Prepared) -> Workspace:
    return prepared.copied()


def day(workspace: Workspace, later: int = 0) -> date:
    """Return the day of the first release, and some days."""
    first = workspace.release("r0001").run["when"]
    return date.fromisoformat(first[:10]) + timedelta(later)


def test_a_document_is_due_from_its_first_release_on(prepared: Prepared, workspace: Workspace) -> None:
    """Only what is held or dropped for a reason of the class is due, so many days after the release that said so."""
    rows = retention.due(workspace, day(workspace))

    assert [(one.doc_id, one.retention, one.held) for one in rows] == [(prepared.erased, "marked", False)]
    assert (rows[0].since, rows[0].due) == (day(workspace).isoformat(), day(workspace, 30).isoformat())
    assert retention.counted(rows, day(workspace, 29)) == {"marked": {"due": 0, "held": 0, "later": 1}}
    assert retention.counted(rows, day(workspace, 30)) == {"marked": {"due": 1, "held": 0, "later": 0}}


def test_before_its_day_nothing_goes(prepared: Prepared, workspace: Workspace) -> None:
    """The day before the end nothing is written."""
    before = {name for name in objects(workspace) if not name.startswith("lease/")}

    assert retention.retain(workspace, day(workspace, 29)) == []

    assert {name for name in objects(workspace) if not name.startswith("lease/")} == before


def test_bytes_go_and_row_and_reason_stay(prepared: Prepared, workspace: Workspace) -> None:
    """Releases verify with every row; the text is nowhere; the next release has a tombstone that names the class."""
    before = row(workspace, prepared.erased, "r0001")

    done = retention.retain(workspace, day(workspace, 30))

    assert [(one["retention"], one["documents"], one["rows"]) for one in done] == [("marked", 1, 0)]
    assert row(workspace, prepared.erased, "r0001") == before
    assert leakscan.scan(workspace.store, {"text": texts()[1].encode()}).found == ()
    found = release.verify(workspace.store, "r0001", workspace.signer().vkey)
    assert (found.erased, sum(found.counts.values())) == (0, 5)
    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=AS_OF)
    reasons = [one["code"] for one in row(workspace, prepared.erased)["reasons"]]
    assert reasons == ["retention.marked"]
    assert retention.due(workspace, day(workspace, 30)) == []
    assert retention.retain(workspace, day(workspace, 30)) == []


def test_what_is_gone_does_not_come_back(prepared: Prepared, workspace: Workspace, tmp_path: Path) -> None:
    """The same text in another file is not stored again."""
    retention.retain(workspace, day(workspace, 30))
    inputs = Path(next(iter(workspace.dossiers.values())).inputs[0]).parent
    again = inputs / "a.jsonl"
    saved = again.read_text()
    again.write_text(saved + json.dumps({"text": "Something else that was not there before."}) + "\n")
    try:
        with Engine(workers=1) as engine:
            pipeline.run(workspace, engine=engine, as_of=AS_OF)
    finally:
        again.write_text(saved)

    assert leakscan.scan(workspace.store, {"text": texts()[1].encode()}).found == ()


def test_a_hold_keeps_the_bytes(prepared: Prepared, workspace: Workspace) -> None:
    """A held document is listed, and stays; once the hold is lifted it goes."""
    hold = holds.give(workspace, [prepared.erased], why="Case 7", actor="counsel")
    rows = retention.due(workspace, day(workspace, 30))
    assert retention.counted(rows, day(workspace, 30)) == {"marked": {"due": 0, "held": 1, "later": 0}}
    assert retention.retain(workspace, day(workspace, 30)) == []

    holds.lift(workspace, hold["hold_id"], "counsel")

    assert [one["documents"] for one in retention.retain(workspace, day(workspace, 30))] == [1]


def test_a_review_shortens_the_time(prepared: Prepared, workspace: Workspace) -> None:
    """Where a person has decided to drop it, the bytes go so many days after that."""
    overrides.give(workspace, prepared.erased, "drop", why="Seen.", actor="li.na", expires=None)

    (one,) = retention.due(workspace, day(workspace))

    given = [entry.time for entry in workspace.ledger().entries() if entry.type == "override_given"]
    assert one.due == (date.fromisoformat(given[0][:10]) + timedelta(3)).isoformat()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("of: [quality.marked]\n", "of: [quality.other]\n", "expected ids of clauses or spreads of this policy"),
        ("    of: [quality.marked]\n", "", "neither `of` nor categories"),
        ("days: 30", "days: soon", "days: "),
        ("reviewed: 3", "review: 3", "review"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(old: str, new: str, problem: str) -> None:
    """A class that names no clause, none at all, no number of days, or an unknown key, is an error with its line."""
    assert policyfile.read(POLICY, "short.yaml").retention[0].days == 30

    with pytest.raises(PolicyError, match=rf"short\.yaml:\d+: .*{problem}"):
        policyfile.read(POLICY.replace(old, new), "short.yaml")


def test_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`retain --plan` shows what is due, `hold` keeps it, `status` says so, `retain` takes it away."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    write_inputs(tmp_path / "inputs")
    (tmp_path / "short.yaml").write_text(POLICY.replace("days: 30", "days: 0"))
    made = make(tmp_path / "workspace", tmp_path / "inputs", policy=str(tmp_path / "short.yaml"), shard_rows=2)
    with Engine(workers=1) as engine:
        made.run(engine=engine, as_of=AS_OF)
    folder, run = made.url, CliRunner().invoke

    planned = json.loads(run(cli.app, ["retain", folder, "--plan", "--json"]).output)["due"]
    held = run(
        cli.app, ["hold", "give", folder, planned[0]["doc_id"], "--why", "Case 7", "--actor", "counsel", "--json"]
    )
    hold = json.loads(held.output)["hold_id"]
    assert "0 documents are due" in run(cli.app, ["retain", folder, "--plan"]).output
    assert hold in run(cli.app, ["hold", "list", folder]).output
    assert run(cli.app, ["hold", "lift", folder, hold, "--actor", "counsel"]).exit_code == 0
    assert "DUE: the bytes of 1 documents, by retention marked" in run(cli.app, ["status", folder]).output
    done = run(cli.app, ["retain", folder])

    assert done.exit_code == 0
    assert "marked: the bytes of 1 documents are gone, by erasure 0001" in done.output
    assert "Nothing is due." in run(cli.app, ["retain", folder]).output
    assert "r0001 is whole: 5 rows." in run(cli.app, ["verify", folder]).output
