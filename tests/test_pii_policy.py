"""What policies make of personal data: placeholder, cut, quarantine, drop; by the basis of the source; and counters."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import small_corpus
from documents import documents

from corpus_gov import policy, standing, terminal
from corpus_gov.engine import Engine
from corpus_gov.errors import PolicyError
from corpus_gov.pipeline import Outcome
from corpus_gov.policyfile import read
from corpus_gov.recognisers import PACKS
from corpus_gov.report import markdown
from corpus_gov.rules import concern, load_packs
from corpus_gov.screens import look
from corpus_gov.workspace import Workspace

POLICY = """
policy: mine
version: 1
why: For tests.
needs: [common.pii, cn.pii]
clauses:
  - {id: personal.cut, spans: [pii.email, pii.cn_name], cut: true, disposition: redact, why: Cut.}
  - {id: personal.redact, spans: [pii.cn_mobile, pii.cn_bank_card], disposition: redact, why: Placeholders.}
  - {id: personal.dump, when: pii.leak_dump > 0, disposition: drop, why: A dump.}
  - id: personal.together
    when: pii.cn_aggregate > 0 AND NOT coalesce(source.basis = 'consent', false)
    disposition: quarantine
    why: A person can be told.
election: {order: [oldest]}
"""
CONTACT = "会议地点另行通知。联系人：张三，手机13800138000，邮箱li@example.com，欢迎来电。"
TEXTS = {
    "contact": CONTACT,
    "mail": "投稿请发li@example.com，三日内答复。电话1380013。",
    "joined": "编号138li@example.com 00138000以前的文章。",
    "card": "卡号6228480402564890018，卡号6228480402564890018。",
    "dump": "".join(f"user{n}@example.com----Passw0rd{n}\n" for n in range(40)),
    "plain": "河边的柳树开始发芽了，公园里有不少人在散步。",
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Outcome]:
    """Run over the same texts from a source with consent and from one without any basis."""
    folder = tmp_path_factory.mktemp("pii")
    for name, texts in (("a", TEXTS), ("b", {"contact": f"第二处。{CONTACT}"})):
        rows = [json.dumps({"text": text, "uri": f"https://{name}.example/{key}"}) for key, text in texts.items()]
        (folder / f"{name}.jsonl").write_text("\n".join([*rows, ""]), encoding="utf-8")
    (folder / "mine.yaml").write_text(POLICY, encoding="utf-8")
    made = small_corpus.make(
        f"memory://{uuid4().hex}", folder, patterns=("a.jsonl", "b.jsonl"), policy=str(folder / "mine.yaml")
    )
    made.dossiers["two"] = made.dossiers["two"].model_copy(update={"legal_basis": "consent"})
    made.settings = made.settings.model_copy(update={"packs": PACKS})
    with Engine(workers=1) as engine:
        return made, made.run(engine=engine, as_of=small_corpus.AS_OF)


def rows_of(workspace: Workspace) -> dict[str, dict[str, Any]]:
    return {row["uri"].removeprefix("https://"): row for row in workspace.release().table("manifest").to_pylist()}


def clean_of(workspace: Workspace) -> dict[str, str]:
    rows = workspace.release().table("clean", ["uri", "text"]).to_pylist()
    return {row["uri"].removeprefix("https://"): row["text"] for row in rows}


def test_each_decision_can_be_asked_for(released: tuple[Workspace, Outcome]) -> None:
    """A policy cuts, replaces, quarantines and drops by what was found; what is not personal is as it was."""
    rows, clean = rows_of(released[0]), clean_of(released[0])

    assert {uri: row["disposition"] for uri, row in rows.items()} == {
        "a.example/contact": "quarantine",
        "a.example/mail": "redact",
        "a.example/joined": "redact",
        "a.example/card": "redact",
        "a.example/dump": "drop",
        "a.example/plain": "keep",
        "b.example/contact": "redact",
    }
    assert clean["a.example/mail"] == "投稿请发…，三日内答复。电话1380013。"
    assert clean["a.example/card"] == "卡号[BANK_CARD]，卡号[BANK_CARD]。"
    assert clean["a.example/plain"] == TEXTS["plain"]


def test_the_basis_of_a_source_decides(released: tuple[Workspace, Outcome]) -> None:
    """The same contact is held where nobody consented, and released with a placeholder and cuts where they did."""
    rows, clean = rows_of(released[0]), clean_of(released[0])

    assert [one["code"] for one in rows["a.example/contact"]["reasons"] if one["disposition"] == "quarantine"] == [
        "personal.together:pii.cn_aggregate@2"
    ]
    assert clean["b.example/contact"] == "第二处。会议地点另行通知。联系人：…，手机[PHONE]，邮箱…，欢迎来电。"


def test_nothing_grows_together_over_a_cut(released: tuple[Workspace, Outcome]) -> None:
    """What was cut is not found again, and digits on both sides of a cut are no new number."""
    clean = clean_of(released[0])
    rules = concern(load_packs(PACKS), "pii")

    again = look("pii", documents(list(clean.values())), rules)

    assert clean["a.example/joined"].startswith("编号…")
    assert again.column("rule").to_pylist() == []


def test_the_release_says_what_stands_in_place_of_values(released: tuple[Workspace, Outcome]) -> None:
    """run.json names the placeholder of every rule that edits: an ellipsis where the policy cuts."""
    said = released[1].run["policy"]["placeholders"]

    assert said == {"pii.cn_bank_card": "[BANK_CARD]", "pii.cn_mobile": "[PHONE]", "pii.cn_name": "…", "pii.email": "…"}


def test_items_are_counted_by_source(released: tuple[Workspace, Outcome], capsys: pytest.CaptureFixture[str]) -> None:
    """The run row counts items of each source, of what came in and not of what was released, and people see them."""
    outcome = released[1]
    items = outcome.run["counts"]["items"]

    assert items == {
        "one": {"50": 1, "500": 0, "5000": 44, "sum": 288},
        "two": {"50": 0, "500": 0, "5000": 3, "sum": 6},
    }
    terminal.summary("folder", outcome)
    assert "items of 5,000" in capsys.readouterr().out
    assert "| one | 1 | 0 | 44 | 0.03 |" in markdown(outcome)


def test_status_shows_the_items_of_the_newest_release(
    released: tuple[Workspace, Outcome], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What people ask for first, `status`, has the advisory counters of each source, and none before a release."""
    empty = small_corpus.make(f"memory://{uuid4().hex}", tmp_path)

    terminal.status({"workspace": "x", **standing.facts(released[0], date(2026, 11, 23))})
    shown = capsys.readouterr().out
    terminal.status({"workspace": "x", **standing.facts(empty, date(2026, 11, 23))})

    assert "items of 5,000" in shown
    assert re.search(r"one +1 +0 +44 +0\.03", shown)
    assert "items of" not in capsys.readouterr().out


def test_a_cut_needs_spans() -> None:
    """A clause that cuts without naming rules is an error with file and line."""
    text = POLICY.replace("when: pii.leak_dump > 0,", "when: pii.leak_dump > 0, cut: true,")

    with pytest.raises(PolicyError, match=r"^mine.yaml:9: clause 'personal.dump': cut: found nothing to cut"):
        read(text, "mine.yaml")


def test_cuts_take_rules_without_a_placeholder() -> None:
    """A rule that has nothing to put in place of a value can be cut, and only cut."""
    packs = load_packs(PACKS)
    text = POLICY.replace("spans: [pii.cn_mobile, pii.cn_bank_card]", "spans: [pii.leak_dump]")

    with pytest.raises(PolicyError, match=r"rule 'pii.leak_dump' has no placeholder"):
        policy.redact_rules(read(text, "mine.yaml"), packs)
    cut = read(text.replace("[pii.leak_dump], ", "[pii.leak_dump], cut: true, "), "mine.yaml")
    assert "pii.leak_dump" in policy.redact_rules(cut, packs)
    rules = policy.with_cuts(cut, {rule.id: rule for pack in packs for rule in pack.rules})
    assert rules["pii.leak_dump"].placeholder == policy.CUT
    assert rules["pii.cn_mobile"].placeholder == "[PHONE]"
