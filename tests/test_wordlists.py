"""Lists in plain text, blocklists, what is meant for models, and whether lists are enough."""

import json
from datetime import date
from pathlib import Path

import pytest
from documents import documents
from typer.testing import CliRunner

from corpus_gov import cli, wordlists
from corpus_gov.config import PACKS
from corpus_gov.errors import RuleError
from corpus_gov.lint import RISKS, TOTAL_LEAST, lint
from corpus_gov.rules import RulePack, concern, load_pack, load_packs, read_pack
from corpus_gov.screens import look

KEY = "00112233445566aa"
DAY = date(2026, 11, 25)


def test_parse() -> None:
    """Comments, lists, entries and variants with their source are read in the order of the file."""
    text = "# why\n[a]\none\n two = 2wo | tw0 (look-alikes)\n\n[b]\n三\n[a]\nfour\n"

    assert wordlists.parse(text.encode(), "w.txt") == {
        "a": ["one", {"word": "two", "variants": ["2wo", "tw0"], "source": "look-alikes"}, "four"],
        "b": ["三"],
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"one\n", ":1: found an entry before a list"),
        (b"[A]\n", r":1: found '\[A\]', expected the name of a list"),
        (b"[a]\none = 1ne\n", ":2: found variants without a source"),
        (b"[a]\n" + b"x" * 101, ":2: found an entry of 101 characters"),
        (b"[a]\n" + b"x = " + b" | ".join([b"y"] * 41) + b" (many)", ":2: found 41 variants"),
        (b"[a]\n\xff\n", ":2: found no valid UTF-8"),
        (
            f"[a sealed words1 {KEY}]\nname\n".encode(),
            ":2: found no sealed entry, expected a number of tokens, 8 and 64",
        ),
        (f"[a sealed hosts1 {KEY}]\n1 00 {'0' * 64}\n".encode(), ":2: found no sealed entry, expected a number of lab"),
        (f"[a sealed words2 {KEY}]\n".encode(), ":1: found a list sealed as 'words2', expected one of"),
        (f"[a sealed {KEY}{KEY}]\n".encode(), r":1: found '\[a sealed"),
        (b"#" * (wordlists.MAX_BYTES + 1), ":1: found 8388609 bytes"),
        (b"[a]\n" + b"xy\n" * (wordlists.MAX_ENTRIES + 1), ":200002: found more than 200000 entries"),
    ],
)
def test_wrong_lists(data: bytes, message: str) -> None:
    """Whatever is wrong in a list is an error that names file and line."""
    with pytest.raises(RuleError, match=f"^own/w.txt{message}"):
        wordlists.parse(data, "own/w.txt")


def blocking(entries: str, folder: Path) -> RulePack:
    """Make a blocklist from the text of its file."""
    (folder / "own").mkdir()
    (folder / "own" / "hosts.txt").write_text(entries, encoding="utf-8")
    (folder / "own" / "block.yaml").write_text(
        "pack: own.block\nversion: 1\nwhy: x\nrules:\n  - id: block.one\n    version: 1\n    screen: blocklist\n"
        "    params: {columns: [uri], files: [hosts.txt]}\n    category: A1h\n    why: x\n    legal: [a]\n"
        "    source: x\n    status: stable\n    hits: [x]\n    misses: []\n",
        encoding="utf-8",
    )
    return concern([load_pack("own.block", folder)], "blocklist")


def blocked(pack: RulePack, uri: str) -> list[tuple[str, str]]:
    """Return what is found in a URI, and in which lists."""
    rows = look("blocklist", documents(["x"], uri=uri), pack).to_pylist()
    return [(uri[row["start"] : row["end"]], row["note"]) for row in rows]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://bad.example.com/x", [("bad.example.com", "whole")]),
        ("https://notbad.example.com/x", []),
        ("http://A.BAD.example.com:8080/", [("A.BAD.example.com", "whole")]),
        ("https://www.shop.co.uk/", [("www.shop.co.uk", "whole")]),
        ("https://only.example.net/", [("only.example.net", "one")]),
        ("https://www.only.example.net/", []),
        ("https://example.org/spam/page", [("example.org/spam", "one")]),
        ("https://example.org/spammer", []),
        ("https://例子.测试/", [("例子.测试", "whole")]),
        ("https://user@good.example.edu/?u=bad.example.com", []),
    ],
)
def test_blocklist(uri: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    """A domain stands for what is below it, =host for itself, a path for what is below it."""
    text = "[whole]\nbad.example.com\nshop.co.uk\n例子.测试\n[one]\n=only.example.net\nexample.org/spam\n"

    assert blocked(blocking(text, tmp_path), uri) == expected


@pytest.mark.parametrize("entry", ["co.uk", "com", "a b", "ex ample.com", "http://example.com", "*.example.com"])
def test_wrong_hosts(entry: str, tmp_path: Path) -> None:
    """A public suffix, which would block what anybody registers, and what is no domain are errors."""
    with pytest.raises(RuleError, match=r"own/block.yaml:5: .*the entry"):
        blocked(blocking(f"[a]\n{entry}\n", tmp_path), "https://example.com/")


def test_invisible_runs_are_bounded() -> None:
    """Beyond the limit of findings one more says how many there are."""
    pack = concern([load_pack("common.poisoning")], "poisoning")

    rows = look("poisoning", documents(["a\U000e0061\U000e0062\U000e0063" * 100]), pack).to_pylist()

    assert len(rows) == 65
    assert rows[-1]["note"] == "more:36"


def listed(entries: str, category: str = "A1h", updated: str = "2026-11-20") -> RulePack:
    """Make a pack of one rule with these entries."""
    text = (
        f"pack: own.words\nversion: 1\nupdated: '{updated}'\nwhy: x\nrules:\n  - id: words.one\n    version: 1\n"
        f"    screen: keywords\n    params: {{columns: [text], words: {{a: [{entries}]}}, find: [{{word: a}}]}}\n"
        f"    category: {category}\n    why: x\n    legal: [a]\n    source: x\n    status: stable\n    hits: [x]\n"
        "    misses: []\n"
    )
    return read_pack(text.encode(), "own/words.yaml", "own.words")


def test_lint_counts_what_finds_something_of_its_own() -> None:
    """Entries that fold to another or contain a shorter one count for nothing, and are named with the reason."""
    facts = lint([listed("赌场, 賭場, 网上赌场, free money, FREE  money, moneyfree")], DAY)

    assert next(one for one in facts["risks"] if one["risk"] == "A1h")["entries"] == 3
    assert [(one["entry"], one["why"]) for one in facts["left_out"]] == [
        ("賭場", "folds to another entry"),
        ("网上赌场", "contains a shorter entry"),
        ("FREE  money", "folds to another entry"),
    ]
    assert "A1h: 3 entries, 200 asked for, 197 missing" in facts["missing"]


def test_lint_is_met_by_enough_fresh_words() -> None:
    """Ten thousand words over all risks, gone through within a week, meet the minima; older ones do not."""
    words = {risk: ", ".join(f"{risk}x{n}y" for n in range(600)) for risk in RISKS}
    packs = [listed(entries, risk) for risk, entries in words.items()]
    packs = [RulePack(risk, 1, pack.rules, updated=pack.updated) for risk, pack in zip(words, packs, strict=True)]

    assert lint(packs, DAY)["met"]
    assert lint(packs, DAY)["total"] == {"entries": 17 * 600, "least": TOTAL_LEAST}
    assert lint(packs, date(2026, 12, 25))["missing"][0] == "A1a: updated 35 days ago, at most 7 asked for"


def test_lint_of_what_is_shipped_is_plain() -> None:
    """The shipped packs do not meet the minima, and every risk without words has a slot that waits for a list."""
    done = CliRunner().invoke(cli.app, ["rules", "lint", "--json", "--as-of", "2026-11-25", "--check"])
    facts = json.loads(done.stdout)

    assert done.exit_code == 6
    assert not facts["met"]
    assert facts["total"]["entries"] > 2000
    assert all(one["slots"] for one in facts["risks"] if not one["entries"])
    assert {slot["rule"] for slot in facts["slots"]} == {rule.id for pack in load_packs(PACKS) for rule in pack.slots}
