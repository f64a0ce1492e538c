"""Policies: what they say, what they refuse, and what wins."""

from collections.abc import Mapping, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from documents import documents, findings, rule
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus_gov import policy
from corpus_gov.errors import IntegrityError, PolicyError
from corpus_gov.facts import facts
from corpus_gov.policyfile import read
from corpus_gov.rules import RulePack, load_packs
from corpus_gov.schemas import DECISIONS, DISPOSITIONS, EDGES, check, field

TODAY = date(2026, 11, 22)
NONE = pa.array([], pa.string())
few = settings(deadline=None, max_examples=25)
"""Each example asks DuckDB a few times."""

RULES = {
    "pii.email": "A4f",
    "pii.cn_mobile": "A4f",
    "pii.cn_resident_id": "A4f",
    "keywords.a": "A1a",
    "keywords.b": "A2c",
    "licence.open": "rights.permitted",
    "licence.limited": "rights.conditional",
    "licence.ban": "rights.forbidden",
    "licence.line": "rights.owner",
    "encoding.mojibake_heavy": "A5b",
    "lines.long_again": "A5b",
    "reference.evaluation": "A5b",
    "reference.evaluation_whole": "A5b",
    "reference.known_bad": "A5b",
    "reference.suppressed": "A4f",
}
# The shipped policies name every rule that they redact.
WORDS = ["cn.harm", "world.harm", "common.poisoning", "common.topic", "common.blocklist"]
PERSONAL = load_packs(["common.pii", "cn.pii", "world.pii", *WORDS])
SHIPPED = {rule.id: rule.category for pack in PERSONAL for rule in pack.rules}
PACKS = tuple(
    RulePack(
        name,
        1,
        tuple(
            rule(id_, category=category, screen=id_.split(".")[0], placeholder="[X]")
            for id_, category in (SHIPPED | RULES).items()
            if id_.startswith(prefix)
        ),
    )
    for name, prefix in [
        ("common.pii", "pii."),
        ("cn.pii", "none."),
        ("world.pii", "secret."),
        ("common.keywords", "keywords."),
        ("common.licence", "licence.o"),
        ("cn.licence", "licence.l"),
        ("own.licence", "licence.b"),
        ("common.optout", "optout."),
        ("common.encoding", "encoding."),
        ("common.lines", "lines."),
        ("common.reference", "reference."),
        ("cn.harm", "harm."),
        ("world.harm", "none."),
        ("common.poisoning", "poison."),
        ("common.topic", "topic."),
        ("common.blocklist", "blocklist."),
    ]
)
SOURCE = {"source_id": "s", "kind": "self_collected", "basis": "consent", "status": "valid", "priority": 0}

TEXT = """
policy: mine
version: 1
why: A test.
needs: [common.pii, common.keywords]
clauses:
  - {id: a1, when: category.A1a > 0, disposition: drop, category: A1a, legal: [b.2, a.1], final: true, why: x}
  - {id: a2, when: category.A2c > 0, disposition: quarantine, category: A2c, why: x}
  - {id: odd, when: quality.symbol_share > 0.5, disposition: drop, why: x}
  - {id: pii, spans: [pii.*], disposition: redact, category: A4f, legal: [cn.pipl.13], final: true, why: x}
  - {id: gate, scope: source, when: tally.illegal > 0.05, disposition: quarantine, final: true, why: x}
  - {id: empty, scope: source, when: removed > 0.5 AND documents > 2, disposition: drop, why: x}
tallies:
  - {id: illegal, categories: [A1, A2]}
  - {id: odd, when: quality.symbol_share > 0.1}
election: {order: [rights, priority, quality, oldest, longest], quality: 10000 * (1 - quality.symbol_share)}
"""
MINE = read(TEXT, "mine.yaml")
PII = TEXT.index("  - {id: pii")


def signals_of(family: str) -> pa.Schema:
    """Return the schema of a family."""
    schema: pa.Schema = import_module(f"corpus_gov.signals.{family}").SCHEMA
    return schema


def nothing(schema: pa.Schema, ids: Sequence[str]) -> pa.Table:
    """Measure nothing in each document: 0, and an unknown language."""
    columns = [
        ids
        if field.name == "doc_id"
        else pa.array(["und" if pa.types.is_string(field.type) else 0] * len(ids), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def known(
    *found: Sequence[str],
    source: Mapping[str, Any] = SOURCE,
    optout: str = "allowed",
    texts: Sequence[str] | None = None,
    **signals: Any,
) -> pa.Table:
    """Build facts of one document an argument, from the rules that found something in it."""
    batch = documents(list(texts) if texts else [f"text {i}" for i in range(len(found))])
    hits = [
        findings(batch, [(row, "text", id_, 0, 1)], category=RULES.get(id_, "screen.failed"))
        for row, ids in enumerate(found)
        for id_ in ids
    ]
    ids = batch.column("doc_id").to_pylist()
    n = len(ids)
    shares = ("replacement_share", "control_share", "dup_line_char_share", "symbol_share")
    columns = {"n_lines": [3] * n, "n_words": [2] * n} | {name: [0] * n for name in shares} | signals
    schema = pa.schema(
        [("doc_id", pa.string()), *(field(c, pa.int32(), "", null=True, scale=c in shares) for c in columns)]
    )
    quality = pa.table([ids, *columns.values()], schema=schema)
    rest = nothing(signals_of("quality"), ids)
    for name in set(rest.column_names).difference(quality.column_names):
        quality = quality.append_column(rest.schema.field(name), rest[name])
    measured = {name: nothing(signals_of(name), ids) for name in ("language", "perplexity", "structure")}
    optouts = pa.table({"doc_id": ids, "state": [optout] * n, "digest": pa.nulls(n, pa.string())})
    table = pa.Table.from_batches([*hits, findings(batch, [])])
    return facts(pa.Table.from_batches([batch]), {"quality": quality, **measured}, table, optouts, source, PACKS)


def verdicts(judged: pa.Table, in_force: policy.Policy = MINE) -> pa.Table:
    return policy.judge_sources(in_force, policy.tally(in_force, [judged]))


def overrides(*rows: Mapping[str, Any]) -> pa.Table:
    base = {"override_id": "o1", "actor": "Reviewer", "expires": None, "legal": ""}
    return pa.Table.from_pylist([base | row for row in rows], schema=policy.OVERRIDES)


def decide(
    table: pa.Table,
    in_force: policy.Policy = MINE,
    *,
    by_hand: pa.Table | None = None,
    suppressed: pa.Array = NONE,
    edges: pa.Table | None = None,
    clusters: Mapping[str, str] | None = None,
) -> pa.Table:
    """Run all passes over one table of facts."""
    judged = policy.judge(in_force, table)
    people = overrides() if by_hand is None else by_hand
    of_source = verdicts(judged, in_force)
    standing = policy.standing(in_force, judged, of_source, people, suppressed, TODAY)
    of = pa.array([(clusters or {}).get(doc_id) for doc_id in judged["doc_id"].to_pylist()], pa.string())
    # Each document has a text of its own: edges alone relate them.
    members = standing.append_column("cluster_id", of).append_column("text_digest", standing["doc_id"])
    members = members.filter(of.is_valid())
    elected = policy.elect(in_force, members, EDGES.empty_table() if edges is None else edges)
    decisions = policy.settle(in_force, judged, of_source, elected, elected, people, suppressed, TODAY)
    check(decisions, DECISIONS, "settle")
    assert decisions["doc_id"].to_pylist() == table["doc_id"].to_pylist()
    return decisions


def codes(decisions: pa.Table) -> list[list[str]]:
    return [[reason["code"] for reason in reasons] for reasons in decisions["reasons"].to_pylist()]


def cluster(table: pa.Table, *pairs: tuple[int, int]) -> dict[str, Any]:
    """Put all documents in one cluster, with verified edges between the given rows."""
    ids = table["doc_id"].to_pylist()
    ends = [sorted((ids[a], ids[b])) for a, b in pairs]
    rows = [{"a": a, "b": b, "kind": "exact", "similarity": 10_000} for a, b in ends]
    return {"clusters": dict.fromkeys(ids, min(ids)), "edges": pa.Table.from_pylist(rows, schema=EDGES)}


# --- what a policy may say


def test_shipped_policies_load() -> None:
    """The three shipped policies are valid and differ in what they call themselves."""
    loaded = [policy.load(name) for name in ("trial", "default", "strict")]

    assert [one.name for one in loaded] == ["trial", "default", "strict"]
    assert [one.provisional for one in loaded] == [True, False, False]
    assert len({one.digest for one in loaded}) == 3
    assert all(clause.why and clause.where for one in loaded for clause in one.clauses)


def test_digest_is_of_what_is_said() -> None:
    """Comments and line breaks do not change the digest, a threshold does."""
    assert read("# remark\n" + TEXT, "x").digest == MINE.digest
    assert read(TEXT.replace("0.05", "0.06"), "mine.yaml").digest != MINE.digest


def test_load_from_a_folder_or_a_path(tmp_path: Path) -> None:
    """An operator's own policy is read by name from a rules folder, or by path."""
    file = tmp_path / "policies" / "mine.yaml"
    file.parent.mkdir()
    file.write_text(TEXT)

    assert policy.load("mine", tmp_path).digest == policy.load(file).digest == policy.load(str(file)).digest
    with pytest.raises(PolicyError, match=r"^rules/policies/mine.yaml:1: found no readable policy"):
        policy.load("mine")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("why: A test.", "why: A test.\nowner: me", r"^mine.yaml:5: owner: found an unknown key"),
        (
            "disposition: drop,",
            "disposition: drop, severity: 3,",
            r"^mine.yaml:7: clause 'a1': severity: found an unkn",
        ),
        ("disposition: drop,", "disposition: keep,", r"^mine.yaml:7: clause 'a1': disposition: found 'keep'"),
        ("final: true", "final: 1", r"^mine.yaml:7: clause 'a1': final: found 1, expected true or false"),
        ("id: a2", "id: a1", r"^mine.yaml:8: clause 'a1': id: found 'a1' twice"),
        ("category.A2c > 0", "(SELECT 1) = 1", r"^mine.yaml:8: clause 'a2': when: found subquery at character 1"),
        ("spans: [pii.*],", "", r"^mine.yaml:10: clause 'pii': disposition: found 'redact', expected spans"),
        ("spans: [pii.*],", "spans: [pii.*], when: 'true',", r"^mine.yaml:10: clause 'pii': disposition: found"),
        ("spans: [pii.*],", "spans: [pii.*], scope: source,", r"^mine.yaml:10: clause 'pii': scope: "),
        ("scope: source", "scope: host", r"^mine.yaml:11: clause 'gate': scope: found 'host', expected one of"),
        ("categories: [A1, A2]", "categories: [B7]", r"^mine.yaml:14: tally 'illegal': categories: found"),
        ("categories: [A1, A2]", "why: x", r"^mine.yaml:14: tally 'illegal': id: expected either categories"),
        ("order: [rights,", "order: [beauty,", r"^mine.yaml:16: order: found"),
        ("order: [rights,", "order: [rights, rights,", r"^mine.yaml:16: order: found .* expected each once"),
        ("oldest, longest], quality: ", "longest], other: ", r"^mine.yaml:16: other: found an unknown key"),
        ("quality, oldest", "oldest", r"^mine.yaml:16: quality: expected an expression exactly where"),
        ("version: 1", "version: one", r"^mine.yaml:3: version: found 'one', expected a whole number"),
        ("legal: [b.2, a.1]", "legal: ['a,b']", r"^mine.yaml:7: clause 'a1': legal: found"),
        ("policy: mine", "policy: &x mine", r"^mine.yaml:2: found an alias or anchor"),
        (
            "needs: [common.pii, common.keywords]\nclauses:",
            "clauses: {}\nneeds:",
            r"^mine.yaml:5: clauses: found a dict",
        ),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str) -> None:
    """Whatever a policy gets wrong is an error with file, line and key."""
    with pytest.raises(PolicyError, match=message):
        read(TEXT.replace(old, new, 1), "mine.yaml")


def test_unscreened_pack_is_refused() -> None:
    """A policy that needs a pack which is not in force stops before anything is decided."""
    policy.check_screened(MINE, PACKS)
    with pytest.raises(PolicyError, match=r"^mine.yaml:5: policy 'mine' needs packs \['common.keywords'\]"):
        policy.check_screened(MINE, [pack for pack in PACKS if pack.name != "common.keywords"])


def test_clause_over_what_was_not_screened_is_refused() -> None:
    """A clause that reads a count which no rule in force gives is an error, even without any document."""
    text = TEXT.replace("category.A2c", "keywords.c")

    with pytest.raises(
        PolicyError, match=r"^mine.yaml:8: clause 'a2': when: found column 'keywords.c', expected one of"
    ):
        policy.judge(read(text, "mine.yaml"), known(("pii.email",)).slice(0, 0))


def test_redact_rules() -> None:
    """Spans name rules or prefixes of rules in force, each of which has a placeholder."""
    assert policy.redact_rules(MINE, PACKS) == {id_ for id_ in SHIPPED if id_.startswith("pii.")}
    with pytest.raises(PolicyError, match=r"^mine.yaml:10: clause 'pii': spans: found no rule 'pii.\*' in force"):
        policy.redact_rules(MINE, PACKS[2:])
    bare = RulePack("common.pii", 1, (rule("pii.email"),))
    with pytest.raises(PolicyError, match=r"rule 'pii.email' has no placeholder"):
        policy.redact_rules(MINE, [bare])


# --- pass 1


def test_every_reason_is_kept_and_names_its_rule() -> None:
    """All clauses that speak are listed, sorted, with the rule that found something and the legal references."""
    decisions = decide(
        known(("pii.email", "keywords.a", "pii.cn_mobile")),
        in_force=read(TEXT[: TEXT.index("  - {id: gate")] + TEXT[TEXT.index("tallies") :], "m"),
    )

    assert decisions["disposition"].to_pylist() == ["drop"]
    assert decisions["reasons"].to_pylist() == [
        [
            {"code": "a1:keywords.a@1", "disposition": "drop", "category": "A1a", "legal": "a.1,b.2"},
            {"code": "pii:pii.cn_mobile@1", "disposition": "redact", "category": "A4f", "legal": "cn.pipl.13"},
            {"code": "pii:pii.email@1", "disposition": "redact", "category": "A4f", "legal": "cn.pipl.13"},
        ]
    ]


def test_null_quarantines() -> None:
    """A clause that cannot be evaluated for a document is a reason of its own, which holds the document."""
    decisions = decide(known((), (), symbol_share=[None, 100]))

    assert decisions["disposition"].to_pylist() == ["quarantine", "keep"]
    assert codes(decisions) == [["odd:not_evaluated"], []]


def test_failed_screen_quarantines() -> None:
    """A document on which a screen failed is held, and no override releases it."""
    table = known(("screen.failed",), ())
    by_hand = overrides({"doc_id": table["doc_id"][0].as_py(), "disposition": "keep"})

    decisions = decide(table, by_hand=by_hand)

    assert decisions["disposition"].to_pylist() == ["quarantine", "keep"]
    assert codes(decisions)[0] == ["override:o1", "screen.failed"]
    assert decisions["actor"].to_pylist() == ["policy", "policy"]


# --- pass 2


def test_source_over_the_gate_is_held() -> None:
    """More than one in twenty documents with illegal content holds every document of the source."""
    held, passed = known(("keywords.b",), *[()] * 18), known(("keywords.b",), *[()] * 19)

    assert set(decide(held)["disposition"].to_pylist()) == {"quarantine"}
    assert all("gate" in reasons for reasons in codes(decide(held)))
    assert decide(passed)["disposition"].to_pylist() == ["quarantine"] + ["keep"] * 19


def test_tallies_can_be_cut_anywhere() -> None:
    """Counts of parts add up to the counts of the whole, and unknown counts against the source."""
    judged = policy.judge(MINE, known(("keywords.a",), (), ("pii.email",), (), symbol_share=[0, 2_000, None, 0]))
    whole = policy.tally(MINE, [judged])

    parts = pa.concat_tables(policy.tally(MINE, [judged.slice(i, 1)]) for i in range(4))

    assert whole.to_pylist() == [{"source_id": "tests", "documents": 4, "removed": 2, "t_illegal": 1, "t_odd": 2}]
    assert policy.tally(MINE, [judged.slice(0, 3), judged.slice(3)]).equals(whole)
    assert policy.judge_sources(MINE, parts).equals(policy.judge_sources(MINE, whole))
    assert policy.tally(MINE, []).schema == whole.schema


def test_share_of_what_nobody_screened_is_unknown() -> None:
    """A tally over categories that no pack in force screens for is null, not 0."""
    text = TEXT.replace("categories: [A1, A2]", "categories: [A5a]")
    in_force = read(text, "m")
    judged = policy.judge(in_force, known(()))

    assert judged["t_illegal"].to_pylist() == [None]
    assert codes(verdicts(judged, in_force)) == [["gate:not_evaluated"]]


# --- pass 3


@pytest.mark.parametrize(
    ("found", "more", "best"),
    [
        ((("licence.open",), ()), {}, 0),
        (((), ("licence.open",)), {}, 1),
        ((("licence.limited",), ("licence.open",)), {}, 1),
        (((), ()), {"symbol_share": [200, 100]}, 1),
        (((), ()), {"texts": ["short", "longer text"]}, 1),
        ((("keywords.b",), ()), {}, 1),
        ((("pii.email",), ()), {"symbol_share": [0, 1]}, 0),
    ],
)
def test_election_order(found: Sequence[Sequence[str]], more: Mapping[str, Any], best: int) -> None:
    """Rights, then quality, then length decide among what may be released."""
    text = TEXT.replace("0.05", "0.9")
    table = known(*found, **more)
    decisions = decide(table, read(text, "m"), **cluster(table, (0, 1)))

    assert decisions["representative_id"].to_pylist()[1 - best] == table["doc_id"][best].as_py()
    assert decisions["disposition"].to_pylist()[1 - best] == "drop"
    assert decisions["edge_similarity"].to_pylist()[1 - best] == 10_000
    assert decisions["representative_id"].to_pylist()[best] is None


def test_election_by_priority_and_age() -> None:
    """The source of higher priority wins, then the older capture, where an unknown age comes last."""
    rows = {"cluster_id": ["c"] * 3, "doc_id": ["1", "2", "3"], "disposition": ["keep"] * 3, "rights_rank": [0] * 3}
    rows |= {"quality": [None] * 3, "n_chars": [1] * 3}
    old = pa.array([None, 5, 7], pa.timestamp("us", tz="UTC"))

    by_age = pa.table(rows | {"source_priority": [1, 1, 1], "fetched_at": old})
    by_source = pa.table(rows | {"source_priority": [1, 1, 2], "fetched_at": old})

    assert policy.representatives(MINE, by_age)["representative_id"].to_pylist() == ["2"]
    assert policy.representatives(MINE, by_source)["representative_id"].to_pylist() == ["3"]


def test_member_without_a_verified_edge_stays() -> None:
    """A relative of a relative is dropped only when it was compared with the representative itself."""
    table = known((), (), (), symbol_share=[0, 1, 2])

    chain = decide(table, **cluster(table, (0, 1), (1, 2)))
    verified = decide(table, **cluster(table, (0, 1), (1, 2), (0, 2)))

    assert chain["disposition"].to_pylist() == ["keep", "drop", "keep"]
    assert verified["disposition"].to_pylist() == ["keep", "drop", "drop"]
    assert codes(verified) == [[], ["duplicate:quality"], ["duplicate:quality"]]


def test_nobody_eligible_means_no_duplicates() -> None:
    """A cluster of which nothing is released loses nobody as a duplicate."""
    table = known(("keywords.a",), ("keywords.b",))

    decisions = decide(table, **cluster(table, (0, 1)))

    assert not any("duplicate" in code for reasons in codes(decisions) for code in reasons)
    assert decisions["cluster_id"].null_count == 0


def test_suppressed_or_overridden_copy_does_not_represent() -> None:
    """A copy that is erased, or that a person drops, is not the one that others give way to."""
    table = known((), (), symbol_share=[0, 1])
    ids = table["doc_id"].to_pylist()

    erased = decide(table, suppressed=pa.array(ids[:1]), **cluster(table, (0, 1)))
    dropped = decide(table, by_hand=overrides({"doc_id": ids[0], "disposition": "drop"}), **cluster(table, (0, 1)))

    assert erased["disposition"].to_pylist() == dropped["disposition"].to_pylist() == ["drop", "keep"]
    assert erased["representative_id"].to_pylist() == dropped["representative_id"].to_pylist() == [ids[1], None]


def test_representative_outside_the_release_is_refused() -> None:
    """Settling an election that was not held among what stands is an error, not a lost document."""
    judged = policy.judge(MINE, known(("keywords.a",), *[()] * 30))
    ids = judged["doc_id"].to_pylist()
    rows = [
        {"doc_id": ids[1], "cluster_id": "c", "representative_id": ids[0], "similarity": 10_000, "decided_by": "doc_id"}
    ]
    elected = pa.Table.from_pylist(rows, schema=policy.DUPLICATES)

    with pytest.raises(IntegrityError, match="is a duplicate of one that is not released"):
        policy.settle(MINE, judged, verdicts(judged), elected, elected, overrides(), NONE, TODAY)


# --- pass 4


@pytest.mark.parametrize(
    ("found", "asks", "expected", "by"),
    [
        ((), "quarantine", "quarantine", "Reviewer"),
        ((), "keep", "keep", "Reviewer"),
        (("keywords.b",), "keep", "keep", "Reviewer"),
        (("keywords.b",), "drop", "drop", "Reviewer"),
        (("keywords.a",), "keep", "drop", "policy"),
        (("keywords.b", "pii.email"), "keep", "redact", "policy"),
        (("pii.email",), "drop", "drop", "Reviewer"),
        (("screen.failed",), "drop", "drop", "Reviewer"),
    ],
)
def test_override(found: Sequence[str], asks: str, expected: str, by: str) -> None:
    """A person decides over reasons that are not final, and can be stricter than those that are."""
    table = known(found, *[()] * 30)
    row = {"doc_id": table["doc_id"][0].as_py(), "disposition": asks, "expires": TODAY, "legal": "x.1"}

    decisions = decide(table, by_hand=overrides(row)).slice(0, 1)

    assert decisions["disposition"].to_pylist() == [expected]
    assert decisions["actor"].to_pylist() == [by]
    assert decisions["override_id"].to_pylist() == ["o1" if by == "Reviewer" else None]
    assert {"code": "override:o1", "disposition": asks, "category": "", "legal": "x.1"} in decisions["reasons"][
        0
    ].as_py()


def test_override_keeps_a_duplicate() -> None:
    """A person can keep a copy; it is then no dropped duplicate, and the reason still stands."""
    table = known((), (), symbol_share=[0, 1])
    by_hand = overrides({"doc_id": table["doc_id"][1].as_py(), "disposition": "keep"})

    decisions = decide(table, by_hand=by_hand, **cluster(table, (0, 1)))

    assert decisions["disposition"].to_pylist() == ["keep", "keep"]
    assert decisions["representative_id"].null_count == 2
    assert codes(decisions)[1] == ["duplicate:quality", "override:o1"]


def test_expired_override_is_listed_and_ignored() -> None:
    """The day after its last day an override changes nothing, and the reasons say that it expired."""
    table = known(("keywords.b",), *[()] * 30)
    row = {"doc_id": table["doc_id"][0].as_py(), "disposition": "keep", "expires": date(2026, 11, 21)}

    decisions = decide(table, by_hand=overrides(row)).slice(0, 1)

    assert decisions["disposition"].to_pylist() == ["quarantine"]
    assert codes(decisions) == [["a2:keywords.b@1", "override.expired:o1"]]
    assert decisions["override_id"].to_pylist() == [None]


def test_worst_of_several_overrides_counts() -> None:
    """People who disagree about a document hold it at the worst of what they ask for."""
    table = known(())
    doc_id = table["doc_id"][0].as_py()
    rows = [{"override_id": f"o{i}", "doc_id": doc_id, "disposition": asks} for i, asks in enumerate(("keep", "drop"))]

    assert decide(table, by_hand=overrides(*rows)).equals(decide(table, by_hand=overrides(*rows[::-1])))
    assert decide(table, by_hand=overrides(*rows))["override_id"].to_pylist() == ["o1"]


def test_override_to_nothing_known_is_refused() -> None:
    """An override that asks for no disposition is an error that names it."""
    with pytest.raises(PolicyError, match=r"override 'o1': found disposition 'retain'"):
        decide(known(()), by_hand=overrides({"doc_id": "x", "disposition": "retain"}))


def test_suppression_is_above_everything() -> None:
    """A suppressed document is dropped whatever people or the policy say."""
    table = known((), ("keywords.b",))
    ids = table["doc_id"]
    by_hand = overrides({"doc_id": ids[0].as_py(), "disposition": "keep"})

    decisions = decide(table, by_hand=by_hand, suppressed=ids.combine_chunks())

    assert decisions["disposition"].to_pylist() == ["drop", "drop"]
    assert all("suppressed" in reasons for reasons in codes(decisions))
    assert decisions["actor"].to_pylist() == ["policy", "policy"]


# --- the shipped policies


PAPERS = {"kind": "commercial", "basis": "contract"}
SILENT = {"basis": None}
BY_LICENCE = {"basis": "licence"}


@pytest.mark.parametrize(
    ("found", "source", "optout", "trial", "default", "strict"),
    [
        ((), {}, "allowed", "keep", "keep", "quarantine"),
        ((), {}, "not_evaluated", "keep", "quarantine", "quarantine"),
        ((), {}, "unknown", "keep", "quarantine", "quarantine"),
        ((), {}, "denied", "drop", "drop", "drop"),
        ((), SILENT, "allowed", "keep", "quarantine", "quarantine"),
        ((), BY_LICENCE, "allowed", "keep", "quarantine", "quarantine"),
        (
            (),
            {"kind": "unassessed", "status": "unassessed", "basis": None},
            "allowed",
            "keep",
            "quarantine",
            "quarantine",
        ),
        ((), PAPERS, "not_evaluated", "keep", "keep", "quarantine"),
        ((), PAPERS | {"status": "expired"}, "not_evaluated", "quarantine", "quarantine", "quarantine"),
        ((), {"status": "invalid"}, "allowed", "quarantine", "quarantine", "quarantine"),
        ((), {"status": None}, "allowed", "quarantine", "quarantine", "quarantine"),
        (("licence.open",), SILENT, "allowed", "keep", "keep", "keep"),
        (("licence.open",), SILENT, "not_evaluated", "keep", "keep", "quarantine"),
        (("licence.open",), PAPERS, "not_evaluated", "keep", "keep", "keep"),
        (("licence.open",), {}, "denied", "drop", "drop", "drop"),
        (("licence.limited",), {}, "allowed", "quarantine", "quarantine", "quarantine"),
        (("licence.limited",), PAPERS, "not_evaluated", "quarantine", "keep", "quarantine"),
        (("licence.ban",), {}, "allowed", "drop", "drop", "drop"),
        (("licence.ban", "licence.open"), {}, "allowed", "quarantine", "quarantine", "quarantine"),
        (("licence.line",), {}, "allowed", "keep", "keep", "quarantine"),
        (("licence.open", "pii.email"), {}, "allowed", "redact", "redact", "redact"),
        (("licence.open", "screen.failed"), {}, "allowed", "quarantine", "quarantine", "quarantine"),
    ],
)
def test_shipped(
    found: Sequence[str], source: Mapping[str, Any], optout: str, trial: str, default: str, strict: str
) -> None:
    """Unknown is kept by trial, kept by default on a basis that holds without a licence, and held by strict."""
    table = known(found, source=SOURCE | source, optout=optout)

    made = {name: decide(table, policy.load(name))["disposition"][0].as_py() for name in ("trial", "default", "strict")}

    assert made == {"trial": trial, "default": default, "strict": strict}


@pytest.mark.parametrize(
    "signals",
    [
        {"n_words": [0]},
        {"replacement_share": [501]},
        {"control_share": [501]},
        {"n_lines": [10], "dup_line_char_share": [7_001]},
    ],
)
@pytest.mark.parametrize("name", ["trial", "default", "strict"])
def test_shipped_quality(name: str, signals: Mapping[str, Any]) -> None:
    """Text that nobody can read is dropped by each of the three."""
    assert decide(known(("licence.open",), **signals), policy.load(name))["disposition"].to_pylist() == ["drop"]


@pytest.mark.parametrize("name", ["trial", "default", "strict"])
def test_shipped_gate_is_open_while_nothing_screens_for_it(name: str) -> None:
    """As long as no pack screens for illegal content, the gate gives no verdict; once one does, it closes."""
    in_force = policy.load(name)
    closed = known(*[("licence.open", "keywords.a")], *[("licence.open",)] * 3)
    unscreened = policy.tally(in_force, [policy.judge(in_force, closed)]).to_pylist()[0] | {"t_illegal": None}
    tallies = pa.Table.from_pylist([unscreened], schema=policy.tally(in_force, []).schema)

    assert policy.judge_sources(in_force, tallies)["disposition"].to_pylist() == ["keep"]
    assert set(decide(closed, in_force)["disposition"].to_pylist()) == {"quarantine"}


# --- properties

RISKS = ["pii.email", "pii.cn_mobile", "pii.cn_resident_id", "keywords.a", "keywords.b"]
found_in_documents = st.lists(st.lists(st.sampled_from(sorted(RULES)), max_size=4), min_size=1, max_size=6)
policies = st.sampled_from(["trial", "default", "strict", "mine"])
people = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(DISPOSITIONS), st.sampled_from([None, TODAY, date(2020, 1, 1)])),
    max_size=3,
)


def by_people(table: pa.Table, rows: Sequence[tuple[int, str, date | None]]) -> pa.Table:
    ids = table["doc_id"].to_pylist()
    return overrides(
        *(
            {"override_id": f"o{n}", "doc_id": ids[i % len(ids)], "disposition": asks, "expires": day}
            for n, (i, asks, day) in enumerate(rows)
        )
    )


def chosen(name: str) -> policy.Policy:
    return MINE if name == "mine" else policy.load(name)


@few
@given(found_in_documents, policies, people, st.integers(0, 5), st.sampled_from(RISKS), st.booleans())
@example(found=[[], []], name="trial", rows=[], at=0, risk="keywords.a", related=True)
def test_more_risk_is_never_milder(
    found: list[list[str]],
    name: str,
    rows: list[tuple[int, str, date | None]],
    at: int,
    risk: str,
    related: bool,  # noqa: FBT001
) -> None:
    """A finding of risk added to a document never makes the document's outcome milder.

    One exception is by design: where the finding closes the gate for the whole source, the copy that stood for the
    document is held too, so that the document is no longer dropped as its duplicate. It is then held with it.
    """
    at %= len(found)
    worse = [[*ids, risk] if i == at else ids for i, ids in enumerate(found)]
    before, after = (
        decide(table, chosen(name), by_hand=by_people(table, rows), **everyone(table, related=related)).to_pylist()[at]
        for table in (known(*found), known(*worse))
    )

    gate_took_its_copy = before["representative_id"] is not None and after["representative_id"] is None
    least = "quarantine" if gate_took_its_copy else before["disposition"]
    assert DISPOSITIONS.index(after["disposition"]) >= DISPOSITIONS.index(least)


def everyone(table: pa.Table, *, related: bool) -> dict[str, Any]:
    pairs = [(i, j) for i in range(len(table)) for j in range(i)]
    return cluster(table, *pairs) if related else {}


@few
@given(found_in_documents, policies, people, st.sets(st.integers(0, 5), max_size=2), st.data())
def test_dropped_duplicates_point_to_released_documents(
    found: list[list[str]], name: str, rows: list[tuple[int, str, date | None]], erased: set[int], data: st.DataObject
) -> None:
    """Whatever people and the policy say, who is dropped as a duplicate has a verified copy in the release."""
    table = known(*found)
    ids = table["doc_id"].to_pylist()
    every = [(i, j) for i in range(len(found)) for j in range(i)]
    pairs = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    related = cluster(table, *pairs)

    decisions = decide(
        table,
        chosen(name),
        by_hand=by_people(table, rows),
        suppressed=pa.array([ids[i] for i in sorted(erased) if i < len(ids)], pa.string()),
        **related,
    ).to_pylist()

    outcome = {row["doc_id"]: row["disposition"] for row in decisions}
    edges = {frozenset((row["a"], row["b"])) for row in related["edges"].to_pylist()}
    for row in decisions:
        dropped_for = row["representative_id"]
        said = any(reason["code"].startswith("duplicate:") for reason in row["reasons"])
        assert (dropped_for is not None) == (said and row["disposition"] == "drop")
        if dropped_for:
            assert outcome[dropped_for] in policy.RELEASED
            assert frozenset((row["doc_id"], dropped_for)) in edges


@few
@given(found_in_documents, policies, st.integers(0, 6), st.randoms(use_true_random=False))
def test_order_and_batching_do_not_matter(found: list[list[str]], name: str, cut: int, random: Any) -> None:
    """Any order and any cut of the facts give each document the same judgement, and sources the same verdict."""
    table, in_force = known(*found), chosen(name)
    order = list(range(len(found)))
    random.shuffle(order)
    whole = policy.judge(in_force, table)

    parts = [policy.judge(in_force, part) for part in (table.take(order).slice(0, cut), table.take(order).slice(cut))]
    joined = pa.concat_tables(parts)

    assert joined.sort_by("doc_id").combine_chunks().equals(whole.sort_by("doc_id").combine_chunks())
    assert policy.tally(in_force, parts).equals(policy.tally(in_force, [whole]))


@few
@given(found_in_documents, people)
def test_all_reasons_are_kept(found: list[list[str]], rows: list[tuple[int, str, date | None]]) -> None:
    """Every rule that found something, and every override, is named by a reason; the worst wins without overrides."""
    table = known(*found)

    decisions = decide(table, by_hand=by_people(table, rows)).to_pylist()

    for ids, row in zip(found, decisions, strict=True):
        said = [reason["code"] for reason in row["reasons"]]
        assert said == sorted(said)
        assert {f"{rule_id}@1" for rule_id in ids if rule_id in RISKS} == {
            c.partition(":")[2] for c in said if "@" in c
        }
        if not any(code.startswith("override:") for code in said):
            asked = [DISPOSITIONS.index(reason["disposition"]) for reason in row["reasons"]]
            assert DISPOSITIONS.index(row["disposition"]) == max(asked, default=0)
