"""The facts table: counts, signals, rights and opt-outs joined to documents."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from documents import documents, findings, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov.errors import RuleError, SchemaError
from corpus_gov.expressions import leaves
from corpus_gov.facts import facts
from corpus_gov.rights import Terms
from corpus_gov.rules import RulePack
from corpus_gov.schemas import field

BATCH = documents(["one", "two", "three", ""])
IDS = BATCH.column("doc_id").to_pylist()
PACKS = (
    RulePack("common.pii", 1, (rule("pii.email", version=3), rule("pii.cn_mobile"))),
    RulePack(
        "common.licence",
        1,
        (
            rule("licence.cc_url", screen="licence", category="rights.permitted"),
            rule("licence.limited", screen="licence", category="rights.conditional"),
            rule("licence.ban", screen="licence", category="rights.forbidden"),
            rule("licence.line", screen="licence", category="rights.owner"),
            rule("licence.law", screen="licence", category="rights.not_protected"),
        ),
    ),
    RulePack("common.optout", 1, (rule("optout.robots", screen="optout", category="A3a"),)),
)
BY_STATE = {
    "permitted": ("licence.cc_url", "rights.permitted", "CC-BY-4.0 head page"),
    "of a picture": ("licence.cc_url", "rights.permitted", "CC-BY-4.0 body part"),
    "conditional": ("licence.limited", "rights.conditional", "CC-BY-NC-4.0 footer site"),
    "conditions": ("licence.limited", "rights.conditional", "- body page"),
    "forbidden": ("licence.ban", "rights.forbidden", "- body page"),
    "site forbids": ("licence.ban", "rights.forbidden", "- footer site"),
    "owner": ("licence.line", "rights.owner", "LicenseRef-all-rights-reserved footer site"),
    "official": ("licence.law", "rights.not_protected", "LicenseRef-official-text body page"),
}
SOURCE = {"source_id": "tests", "kind": "self_collected", "basis": "consent", "status": "valid", "priority": 2}


def found(*rows: tuple[int, str], **columns: Any) -> pa.Table:
    """Build findings of BATCH from (row, rule id)."""
    return pa.Table.from_batches([findings(BATCH, [(row, "text", rule_id, 0, 1) for row, rule_id in rows], **columns)])


def evidence(*kinds: str) -> pa.Table:
    """Build rights evidence for the first document."""
    parts = [found((0, name), category=category, note=note) for name, category, note in map(BY_STATE.get, kinds)]
    return pa.concat_tables([found(), *parts])


def optouts(*states: str) -> pa.Table:
    rows = [{"doc_id": IDS[i], "state": state, "digest": "ab"} for i, state in enumerate(states)]
    return pa.Table.from_pylist(rows, pa.schema([(n, pa.string()) for n in ("doc_id", "state", "digest")]))


def signal(**columns: Any) -> pa.Table:
    fields = [field("doc_id", pa.string(), "id"), *(field(n, pa.int32(), "x", null=True, scale=True) for n in columns)]
    return pa.table([IDS, *columns.values()], schema=pa.schema(fields))


def build(
    found_: pa.Table | None = None,
    *,
    signals: Mapping[str, pa.Table] | None = None,
    states: pa.Table | None = None,
    source: Mapping[str, Any] = SOURCE,
    packs: tuple[RulePack, ...] = PACKS,
    matrix: tuple[Terms, ...] = (),
) -> pa.Table:
    table = pa.Table.from_batches([BATCH])
    given = found() if found_ is None else found_
    return facts(table, signals or {}, given, states or optouts(), source, packs, matrix=matrix)


def column(table: pa.Table, name: str) -> list[Any]:
    while name not in table.column_names:
        table = table.flatten()
    return table[name].to_pylist()


def test_columns() -> None:
    """Every rule and category in force has a count; what nothing screens for has no column at all."""
    names = list(leaves(build(signals={"quality": signal(han_share=[1, 2, 3, 4])}).schema))

    assert {"pii.email", "pii.cn_mobile", "licence.ban", "category.A4f", "category.rights.owner"} <= set(names)
    assert {"screen.failed", "quality.han_share", "rights.state", "optout.digest", "source.kind", "ip_risk"} <= set(
        names
    )
    assert not {"category.A3a", "optout.robots", "source.source_id", "category.A1a"} & set(names)


def test_counts() -> None:
    """Findings are counted by rule and by category, and a document without any has 0."""
    table = build(found((2, "pii.email"), (2, "pii.email"), (0, "pii.email"), (2, "pii.cn_mobile")))

    assert column(table, "pii.email") == [1, 0, 2, 0]
    assert column(table, "pii.cn_mobile") == [0, 0, 1, 0]
    assert column(table, "category.A4f") == [1, 0, 3, 0]
    assert column(table, "doc_id") == IDS


def test_counts_name_their_rules() -> None:
    """The metadata of a count says which rules it counts, so that a reason can name them."""
    fields = leaves(build().schema)

    assert fields["pii.email"].metadata == {b"rules": b"pii.email@3"}
    assert fields["category.A4f"].metadata == {b"rules": b"pii.cn_mobile@1,pii.email@3"}
    assert fields["rights.state"].metadata == {
        b"rules": b"licence.ban@1,licence.cc_url@1,licence.law@1,licence.limited@1"
    }


@pytest.mark.parametrize(
    ("kinds", "state", "licence", "risk"),
    [
        ((), "unknown", None, "none_found"),
        (("owner",), "unknown", None, "unknown"),
        (("permitted",), "permitted", "CC-BY-4.0", "none_found"),
        (("permitted", "owner"), "permitted", "CC-BY-4.0", "none_found"),
        (("conditional",), "conditional", "CC-BY-NC-4.0", "unknown"),
        (("permitted", "conditions"), "conditional", "CC-BY-4.0", "unknown"),
        (("of a picture",), "unknown", None, "none_found"),
        (("of a picture", "owner"), "unknown", None, "unknown"),
        (("official",), "not_protected", "LicenseRef-official-text", "none_found"),
        (("forbidden",), "forbidden", None, "ban_on_reuse"),
        (("forbidden", "owner"), "forbidden", None, "ban_on_reuse"),
        (("forbidden", "permitted"), "conflicting", "CC-BY-4.0", "ban_on_reuse"),
        (("forbidden", "conditional"), "conflicting", "CC-BY-NC-4.0", "ban_on_reuse"),
    ],
)
def test_rights(kinds: tuple[str, ...], state: str, licence: str | None, risk: str) -> None:
    """Evidence that disagrees conflicts, claims of ownership permit nothing, and silence is unknown."""
    table = build(evidence(*kinds))

    assert column(table, "rights.state") == [state, "unknown", "unknown", "unknown"]
    assert column(table, "rights.conflict")[0] is (state == "conflicting")
    assert column(table, "rights.licence") == [licence, None, None, None]
    assert column(table, "rights.basis")[0] == "consent"
    assert column(table, "ip_risk")[0] == risk


@pytest.mark.parametrize(
    ("kinds", "state", "licence"),
    [
        (("permitted", "conditional"), "conditional", "CC-BY-NC-4.0"),
        (("official", "site forbids"), "not_protected", "LicenseRef-official-text"),
        (("official", "forbidden"), "conflicting", None),
    ],
)
def test_disagreement_is_told_whatever_the_state(kinds: tuple[str, ...], state: str, licence: str | None) -> None:
    """Two licences, and a ban beside a text that nobody owns, are conflicts; a site's own ban does not bind a law."""
    table = build(evidence(*kinds))

    assert (column(table, "rights.state")[0], column(table, "rights.licence")[0]) == (state, licence)
    assert column(table, "rights.conflict") == [True, False, False, False]


@pytest.mark.parametrize(
    ("rules_", "state"), [(("licence.law",), "unknown"), (("licence.law", "licence.cc_url"), "not_protected")]
)
def test_one_sign_is_not_enough_for_an_official_text(rules_: tuple[str, ...], state: str) -> None:
    """Two different rules of half a confidence each make a text official; one of them twice does not."""
    parts = [found((0, name), (0, name), category="rights.not_protected", score=5_000) for name in rules_]

    assert column(build(pa.concat_tables(parts)), "rights.state")[0] == state


def test_uses_follow_the_matrix() -> None:
    """The first row that fits a licence answers; what no row fits is unknown, and a ban excludes every use."""
    matrix = (Terms(("CC-BY-NC*",), ("allowed", "unknown", "excluded")), Terms(("CC-*", "MIT"), ("allowed",) * 3))
    notes = ["CC-BY-NC-4.0", "MIT_OR_CC-BY-NC-4.0", "MIT_AND_CC-BY-NC-4.0", "LicenseRef-linked"]
    parts = [
        found((i, "licence.limited"), category="rights.conditional", note=f"{n} head page") for i, n in enumerate(notes)
    ]
    table = build(pa.concat_tables(parts), matrix=matrix)

    assert column(table, "rights.train") == ["allowed", "allowed", "allowed", "unknown"]
    assert column(table, "rights.redistribute") == ["unknown", "allowed", "unknown", "unknown"]
    assert column(table, "rights.commercial") == ["excluded", "allowed", "excluded", "unknown"]
    assert column(build(evidence("forbidden"), matrix=matrix), "rights.train")[0] == "excluded"
    assert column(build(evidence("permitted", "conditions"), matrix=matrix), "rights.train")[0] == "unknown"


def test_strongest_evidence_names_the_licence() -> None:
    """The surest evidence names the licence, and of equally sure the first by alphabet."""
    rows = [(0, "licence.cc_url")]
    parts = [
        found(*rows, category="rights.permitted", note=note, score=score)
        for note, score in [
            ("CC0-1.0 head page", 9_000),
            ("MIT head page", None),
            ("CC-BY-4.0 head page", 10_000),
            (None, None),
        ]
    ]

    assert column(build(pa.concat_tables(parts)), "rights.licence")[0] == "CC-BY-4.0"
    assert column(build(pa.concat_tables(parts[::-1])), "rights.licence")[0] == "CC-BY-4.0"


def test_risk_is_unknown_when_nothing_looked() -> None:
    """Without a licence screen, or where one failed, no risk found is not reported as none."""
    failed = found((0, "screen.failed"), category="screen.failed", note="licence:ValueError")

    assert column(build(packs=PACKS[:1]), "ip_risk") == ["unknown"] * 4
    assert column(build(failed), "ip_risk") == ["unknown", "none_found", "none_found", "none_found"]
    assert column(build(failed), "screen.failed") == [1, 0, 0, 0]


def test_optouts() -> None:
    """A document without a row was not evaluated; a denial is a ban on re-use, and what is unknown may be one."""
    table = build(states=optouts("denied", "allowed", "unknown"))

    assert column(table, "optout.state") == ["denied", "allowed", "unknown", "not_evaluated"]
    assert column(table, "optout.digest") == ["ab", "ab", "ab", None]
    assert column(table, "ip_risk") == ["ban_on_reuse", "none_found", "unknown", "none_found"]


def test_signals_are_scaled_and_joined_by_id() -> None:
    """Ten-thousandths become floats that equal a literal, whatever the order of the rows."""
    table = signal(han_share=[0, 2_500, 9_999, None])

    whole, shuffled = build(signals={"quality": table}), build(signals={"quality": table.take([2, 0, 3, 1])})

    assert column(whole, "quality.han_share") == [0.0, 0.25, 0.9999, None]
    assert whole.equals(shuffled)


def test_signals_and_rules_can_share_a_struct() -> None:
    """A rule whose prefix is a family adds its count beside the measures."""
    packs = (RulePack("common.quality", 1, (rule("quality.nav", category="A5b"),)),)
    table = build(
        found((1, "quality.nav"), category="A5b"), signals={"quality": signal(share=[1, 2, 3, 4])}, packs=packs
    )

    assert column(table, "quality.nav") == [0, 1, 0, 0]
    assert column(table, "quality.share")[3] == 0.0004


@pytest.mark.parametrize("name", ["quality.share", "doc_id.x", "rights.state"])
def test_rule_must_not_take_the_name_of_another_fact(name: str) -> None:
    """A rule whose count would hide another fact is an error of the pack."""
    packs = (RulePack("common.quality", 1, (rule(name),)),)

    with pytest.raises(RuleError, match=r"^tests.yaml:1: rule '"):
        build(signals={"quality": signal(share=[1, 2, 3, 4])}, packs=packs)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"found_": found((0, "pii.other"))}, r"rule 'pii.other' is of no rule in force"),
        ({"found_": found((0, "pii.email"), category="A1a")}, r"category 'A1a' is of no rule in force"),
        ({"found_": found((0, "pii.email"), doc_id="ff")}, r"findings: 1 rows belong to none of these 4 documents"),
        ({"signals": {"quality": signal(x=[1, 2, 3, 4]).slice(1)}}, r"signals 'quality': 3 rows for 4 documents"),
    ],
)
def test_tables_must_belong_together(case: Mapping[str, Any], message: str) -> None:
    """Rows of other documents or of rules that are not in force are a bug, not a zero."""
    with pytest.raises(SchemaError, match=message):
        build(**case)


def test_source_keys_may_be_absent() -> None:
    """What a dossier does not say is null."""
    table = build(source={"source_id": "tests"})

    assert column(table, "source.basis") == [None] * 4
    assert column(table, "source.priority") == [None] * 4


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([*BY_STATE, "email", "mobile"])), max_size=12),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
def test_order_and_batching_do_not_matter(rows: list[tuple[int, str]], cut: int, random: Any) -> None:
    """Any order of the findings and any cut of the documents give the same facts."""
    names = {
        kind: BY_STATE.get(kind, (f"pii.{'cn_mobile' if kind == 'mobile' else kind}", "A4f", None)) for _, kind in rows
    }
    parts = [found((row, names[kind][0]), category=names[kind][1], note=names[kind][2]) for row, kind in rows]
    whole = build(pa.concat_tables([found(), *parts]))
    random.shuffle(parts)
    shuffled = pa.concat_tables([found(), *parts])

    halves = []
    for ids in (IDS[:cut], IDS[cut:]):
        mine = shuffled.filter(pa.array([doc_id in ids for doc_id in shuffled["doc_id"].to_pylist()], pa.bool_()))
        batch = pa.Table.from_batches([BATCH]).filter(pa.array([doc_id in ids for doc_id in IDS]))
        halves.append(facts(batch, {}, mine, optouts(), SOURCE, PACKS))

    assert pa.concat_tables(halves).combine_chunks().equals(whole.combine_chunks())
