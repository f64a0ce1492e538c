"""What a rule or measure makes of a fixed set of texts changes only with its version."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixed_texts
import golden
import pytest

from corpus_gov.rules import Params, Rule, RulePack

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"
TEXTS = golden.texts()
KNOWN = golden.findings()
EMAIL = next(rule for rule in fixed_texts.rules().values() if rule.id == "pii.email")
EACH = pytest.mark.parametrize("kind", golden.KINDS)


@pytest.fixture(scope="module")
def now() -> dict[str, fixed_texts.Digests]:
    """What is found and measured by the code as it is."""
    return golden.digests(TEXTS)


def told(rule: Rule, key: str, value: object) -> Rule:
    """Return the rule with another value of a parameter."""
    return replace(rule, params=Params(tuple((dict(rule.params) | {key: value}).items())))


@EACH
def test_findings_keep_to_their_version(kind: str, now: dict[str, fixed_texts.Digests]) -> None:
    """What is found or measured under a version never changes."""
    changed = fixed_texts.unversioned(KNOWN[kind], now[kind])

    assert changed == [], "\n".join(map(golden.advice, changed))


@EACH
def test_golden_holds_what_is_shipped(kind: str, now: dict[str, fixed_texts.Digests]) -> None:
    """Every shipped version has an entry, and no other has one."""
    assert sorted(KNOWN[kind]) == sorted(now[kind]), f"a rule or version is new, raised or gone: {golden.WRITE}"


def test_texts_hold_every_case() -> None:
    """Every case of every rule, and our own sentences, are among the texts; none stands there twice."""
    assert [text for text in fixed_texts.cases() if text not in set(TEXTS)] == [], golden.WRITE
    assert len(set(TEXTS)) == len(TEXTS)


def test_no_digest_is_of_nothing() -> None:
    """Every rule finds something in the texts, and every text is measured: what goes blind changes its digest."""
    assert [name for name, one in KNOWN["rules"].items() if not one["rows"]] == []
    assert {one["rows"] for one in KNOWN["signals"].values()} == {len(TEXTS)}


def test_raised_versions_stand_in_the_changelog() -> None:
    """Whoever upgrades can read which rules and measures find something else."""
    raised = [name for kind in golden.KINDS for name in KNOWN[kind] if not name.endswith("@1")]

    assert [name for name in raised if name not in CHANGELOG.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rule: told(rule, "score", 0.31), id="score"),
        pytest.param(lambda rule: told(rule, "not_after", ("[.,]",)), id="rows"),
        pytest.param(lambda rule: told(rule, "not_before", ("[A-Za-z0-9_(]",)), id="span"),
        pytest.param(lambda rule: replace(rule, category="A4e"), id="category"),
    ],
)
def test_a_changed_rule_is_noticed(change: Callable[[Rule], Rule], now: dict[str, fixed_texts.Digests]) -> None:
    """Another score, another category or another row under the old version is named, and the other rules are not."""
    packs = [
        RulePack(pack.name, pack.version, tuple(change(r) if r == EMAIL else r for r in pack.rules))
        for pack in fixed_texts.packs()
    ]

    found = fixed_texts.of_rules(TEXTS, packs)

    assert fixed_texts.unversioned(now["rules"], found) == [EMAIL.name]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"a.b@1": {"rows": 1}}, []),
        ({"a.b@1": {"rows": 2}}, ["a.b@1"]),
        ({"a.b@2": {"rows": 2}}, []),
    ],
)
def test_only_a_raised_version_excuses_a_change(known: Any, expected: list[str]) -> None:
    """The same rows, and other rows under another version, are in order."""
    assert fixed_texts.unversioned(known, {"a.b@1": {"rows": 1}}) == expected


def test_writing_refuses_an_unversioned_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that writes golden files does not write away a change that needs a version."""
    old = json.loads(json.dumps(KNOWN))
    quality = next(name for name in old["signals"] if name.startswith("quality@"))
    old["rules"][EMAIL.name]["sha256"] = old["signals"][quality]["sha256"] = "0" * 64
    (tmp_path / golden.FINDINGS).write_text(json.dumps(old))
    (tmp_path / golden.TEXTS).write_bytes((golden.FOLDER / golden.TEXTS).read_bytes())
    monkeypatch.setattr(golden, "FOLDER", tmp_path)

    with pytest.raises(SystemExit) as refused:
        golden.finding_files()

    first, second = str(refused.value).splitlines()
    assert first.startswith(f"rules/common/pii.yaml:{EMAIL.line}: ")
    assert second.startswith(f"corpus_gov/signals/quality.py: {quality!r} gives other rows")
    assert all("raise its" in line and "Findings may change" in line for line in (first, second))
