"""Words that come or go: only documents that have one are screened, and the findings are those of screening all."""

from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import small_corpus
from documents import documents, findings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corpus_gov import artefacts, screens, wordchanges
from corpus_gov.rules import Params, Rule, RulePack, concern, load_pack
from corpus_gov.screens import look
from corpus_gov.stages import Context, Shard, rescreening
from corpus_gov.stages.looking import BuildTask, artefact_names, build_shard

WORDS = ["赌场", "赌", "开户", "网上赌场", "court", "free money", "加v", "no. 7"]
PIECES = [
    "赌场",
    "網上賭場",
    "赌.场",
    " 开 户 ",
    "court",
    "Free  money",
    "加Ｖ",
    "x",
    "。",
    "\n",
    "%E8%B5%8C%E5%9C%BA",
    "no 7",
]
LISTS = ("one", "two", "three")
SLOWLY = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

HEAD = "pack: own.words\nversion: 1\nwhy: A test.\nrules:\n"
RULE = """\
  - id: words.{name}
    version: 1
    screen: keywords
    params:
      columns: [text, title]
      files: [words/own.txt]
      find: [{{word: {name}}}]
    category: A1h
    why: {why}
    legal: [a.1]
    source: This test
    status: stable
    hits: [x]
    misses: []
"""


def frozen(value: Any) -> Any:
    """Make lists and mappings of parameters hashable."""
    if isinstance(value, dict):
        return Params(tuple((key, frozen(item)) for key, item in value.items()))
    return tuple(map(frozen, value)) if isinstance(value, list) else value


@st.composite
def rules(draw: st.DrawFn, number: int) -> Rule:
    """Draw a rule that asks something of three lists."""
    entries = st.sampled_from([word for word in WORDS if word != "赌"])
    words = {name: sorted(draw(st.sets(entries, min_size=1, max_size=4))) for name in LISTS}
    way: dict[str, Any] = {"word": draw(st.sampled_from(LISTS))}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "near": st.sampled_from(LISTS), "without": st.sampled_from(LISTS), "within": st.integers(0, 9),
        "least": st.integers(1, 3), "distinct": st.integers(1, 2), "whole": st.booleans(),
    }  # fmt: skip
    way |= draw(st.fixed_dictionaries({}, optional=optional))
    allow = {"word": draw(st.sampled_from(LISTS)), "within": 3, "then": draw(st.sampled_from(["mention", "suppress"]))}
    columns = draw(st.sampled_from([["text"], ["text", "title"], ["uri"]]))
    params = frozen({"columns": columns, "words": words, "find": [way], "allow": [allow]})
    return Rule(
        id=f"words.r{number}", version=draw(st.integers(1, 2)), screen="keywords", params=params, category="A1h",
        why=draw(st.sampled_from("ab")), legal=(), source="", status="stable", hits=(), misses=(),
    )  # fmt: skip


@st.composite
def pairs_of_packs(draw: st.DrawFn) -> list[RulePack]:
    """Draw a pack and what has become of it: rules change their lists, what they ask, come and go."""
    first = [draw(rules(number)) for number in range(3)]
    second = [
        draw(st.sampled_from([rule, with_lists(rule, draw(rules(number))), draw(rules(number))]))
        for number, rule in enumerate(first)
    ]
    return [RulePack("keywords", 1, tuple(chosen[: draw(st.integers(0, 3))])) for chosen in (first, second)]


def with_lists(rule: Rule, other: Rule) -> Rule:
    """Return the rule with one list of another."""
    words = {**rule.params["words"], "one": other.params["words"]["one"]}
    return Rule(**{**vars(rule), "params": frozen({**rule.params, "words": words})})


TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@SLOWLY
@given(packs=pairs_of_packs(), texts=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=5))
def test_carried_findings_are_those_of_screening_all(packs: list[RulePack], texts: list[tuple[str, str, str]]) -> None:
    """Whatever changes between two packs, what is carried over and screened again is, byte for byte, a full screen."""
    batch = documents([text for text, _, _ in texts], title=[title for _, title, _ in texts],
                      uri=[f"http://a.example/{uri}" for _, _, uri in texts])  # fmt: skip
    before, after = (look("keywords", batch, pack) for pack in packs)
    changed = wordchanges.changes(*map(wordchanges.outline, packs))
    earlier = rescreening.Earlier(pa.Table.from_batches([before]), wordchanges.probe(changed))

    found = rescreening.again(batch, earlier, partial(look, "keywords", rules=packs[1]))

    assert found.equals(after)
    assert artefacts.encode(pa.Table.from_batches([found])) == artefacts.encode(pa.Table.from_batches([after]))


def own_pack(folder: Path, lists: dict[str, list[str]], why: str = "A test.") -> RulePack:
    """Write a pack of one rule a list, and read it."""
    (folder / "own" / "words").mkdir(parents=True, exist_ok=True)
    written = HEAD + "".join(RULE.format(name=name, why=why) for name in lists)
    (folder / "own" / "words.yaml").write_text(written, encoding="utf-8")
    lines = [line for name, entries in lists.items() for line in (f"[{name}]", *entries)]
    (folder / "own" / "words" / "own.txt").write_text("\n".join(lines), encoding="utf-8")
    return load_pack("own.words", folder)


def test_only_entries_that_came_or_went_are_looked_for(tmp_path: Path) -> None:
    """A new entry, a gone one and a new variant are looked for; a new reason for a rule is no change."""
    lists = {"one": ["bridge", "ferry"], "two": ["tea = cha (romanised)", "market"]}
    before = concern([own_pack(tmp_path, lists)], "keywords")
    lists = {"one": ["bridge", "tower"], "two": ["tea = cha | chai (romanised)", "market"]}
    after = concern([own_pack(tmp_path, lists, "Another.")], "keywords")

    changed = wordchanges.changes(wordchanges.outline(before), wordchanges.outline(after))

    assert dict(changed) == {("text", "title"): ("chai", "ferry", "tower")}


def test_a_rule_that_asks_something_else_is_looked_for_whole(tmp_path: Path) -> None:
    """Of a rule that is new, gone or asks something else, every entry of the list that it looks for counts."""
    before = concern([own_pack(tmp_path, {"one": ["bridge", "ferry"], "two": ["tea"]})], "keywords")
    other = Rule(**{**vars(before.rules[0]), "version": 2})
    after = RulePack("keywords", 1, (other,))

    changed = wordchanges.changes(wordchanges.outline(before), wordchanges.outline(after))

    assert dict(changed) == {("text", "title"): ("bridge", "ferry", "tea")}


@pytest.fixture
def screened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents were screened by the lists in force, call by call."""
    counts: list[int] = []

    def counted(name: str, batch: pa.RecordBatch, pack: RulePack) -> pa.RecordBatch:
        if name == "keywords" and any(rule.id.startswith("words.") for rule in pack.rules):
            counts.append(batch.num_rows)
        return look(name, batch, pack)

    monkeypatch.setattr(screens, "look", counted)
    return counts


class Screening:
    """A store with one shard of a small corpus, and a folder of rules that changes."""

    def __init__(self, folder: Path, name: str = "w") -> None:
        """Store the shard."""
        self.rules = folder / "rules"
        small_corpus.write_keys(folder / "keys")
        self.context = Context(
            url=str(folder / name), keys_folder=str(folder / "keys"), packs=("own.words",),
            rules_folder=str(self.rules), policy="trial", families=(), near="none",
        )  # fmt: skip
        data = artefacts.encode(pa.Table.from_batches([documents(small_corpus.texts(80), title="Tea")]))
        self.shard = Shard(
            "one", "00000", 0, "", "", "", {}, 80, 80, 0, len(data), {"documents": sha256(data).hexdigest()}
        )
        self.store = self.context.store()
        self.store.put(self.shard.name("documents"), data)

    def build(self, lists: dict[str, list[str]], why: str = "A test.") -> bytes:
        """Write the lists and build the findings; returns them as they lie in the store."""
        own_pack(self.rules, lists, why)
        done = build_shard(BuildTask(self.context, self.shard))
        assert done.rebuilt == ()
        return self.store.read(self.name())

    def name(self) -> str:
        """Name the findings by the lists as they are now."""
        return artefact_names(self.context, self.shard)["findings.keywords"]


def test_a_new_word_costs_the_documents_that_have_it(tmp_path: Path, screened: list[int]) -> None:
    """After a word is added, only documents with it are screened, and the artefact is that of a full screen."""
    having = sum("ferry" in text for text in small_corpus.texts(80))
    screening = Screening(tmp_path)
    screening.build({"one": ["bridge", "图书馆"], "two": ["rain"]})
    screened.clear()

    found = screening.build({"one": ["bridge", "ferry", "图书馆"], "two": ["rain"]})

    assert 0 < having < 80
    assert screened == [having]
    assert found == Screening(tmp_path, "full").build({"one": ["bridge", "ferry", "图书馆"], "two": ["rain"]})


def test_another_reason_screens_nothing(tmp_path: Path, screened: list[int]) -> None:
    """A pack that says the same for another reason has the findings of before, under its own name."""
    screening = Screening(tmp_path)
    before, name = screening.build({"one": ["bridge"]}), screening.name()
    screened.clear()

    after = screening.build({"one": ["bridge"]}, why="Another.")

    assert screening.name() != name
    assert (after, sum(screened)) == (before, 0)


def test_the_nearest_earlier_lists_are_used(tmp_path: Path, screened: list[int]) -> None:
    """Of several earlier lists the ones that differ least are built on, in whatever order they came."""
    words = ["bridge", "ferry", "rain", "图书馆", "茶叶", "market", "tower", "coal"]
    screening = Screening(tmp_path)
    for lists in (words, words[:7], words[2:]):
        screening.build({"one": lists})
    screened.clear()

    screening.build({"one": [*words, "steel"]})

    assert sum(screened) == 0


def test_other_lists_are_screened_whole(tmp_path: Path, screened: list[int]) -> None:
    """Lists that have little in common with any before are screened at once."""
    screening = Screening(tmp_path)
    screening.build({"one": ["bridge", "ferry"]})
    screened.clear()

    screening.build({"one": ["rain", "图书馆"]})

    assert screened == [80]


def test_a_damaged_outline_costs_a_full_screen(tmp_path: Path, screened: list[int]) -> None:
    """An outline that is not what was written is not believed."""
    words = [f"bridge{number}" for number in range(9)]
    screening = Screening(tmp_path)
    screening.build({"one": words})
    (outline,) = (name for name in screening.store.list("artefacts/outlines.keywords/") if name.endswith(".parquet"))
    screening.store.put(outline, screening.store.read(outline).replace(b"bridge0", b"ferry00"))
    screened.clear()

    screening.build({"one": [*words, "ferry"]})

    assert screened == [80]


def test_where_the_screen_failed_it_looks_again(tmp_path: Path) -> None:
    """A document on which the screen failed is screened again, whether or not it has a changed word."""
    batch = documents(["the bridge", "the ferry"])
    (rule,) = own_pack(tmp_path, {"one": ["bridge"]}).rules
    failed = findings(batch, [(1, "text", "screen.failed", 0, 0)])
    pack = RulePack("keywords", 1, (rule,))
    calls: list[list[str]] = []

    def counted(part: pa.RecordBatch) -> pa.RecordBatch:
        calls.append(part.column("text").to_pylist())
        return look("keywords", part, pack)

    earlier = rescreening.Earlier(pa.Table.from_batches([failed]), wordchanges.probe({}))
    found = rescreening.again(batch, earlier, counted)

    assert calls == [["the ferry"]]
    assert found.num_rows == 0
