"""Expectations on a draft stop a release, say why, and leave everything where it is."""

import json

import pyarrow as pa
import pytest
import small_corpus

from corpus_gov import aggregates, expectations, gate, pipeline
from corpus_gov.engine import Engine
from corpus_gov.errors import GateError
from corpus_gov.store import MemoryStore

pytestmark = pytest.mark.filterwarnings("ignore")

NEVER = ("erased", "without_reason", "not_screened", "wrongly_released", "odd_duplicates", "kept_against_optout")

SOUND = {
    "manifest": {
        "source_id": ["one", "one"],
        "disposition": ["keep", "drop"],
        "rights_state": ["unknown", "permitted"],
        "documents": [300, 4],
        "distinct_documents": [300, 4],
        **{name: [0, 0] for name in NEVER},
    },
    "sources": {"source_id": ["one", "few"], "released": [300, 1], "removed_share": [0.01, None]},
    "dossiers": {"source_id": ["one"], "released_with_damaged_papers": [0]},
    "signals": {"source_id": ["one"], "signal": ["quality.n_words"], "below": [0], "above": [0]},
    "clean": {"doc_id": ["aa", "bb"], "blank": [0, 0], "digest_differs": [0, 0]},
    "release": {"rows": [304], "expected_rows": [304], "shrunk_share": [None]},
}

FAULTS = {
    "manifest.dispositions": ("manifest", {"disposition": ["keep", "forget"]}),
    "manifest.rights_states": ("manifest", {"rights_state": ["unknown", "allowed"]}),
    "manifest.reasons": ("manifest", {"without_reason": [0, 1]}),
    "manifest.screened": ("manifest", {"not_screened": [1, 0]}),
    "manifest.released_digests": ("manifest", {"wrongly_released": [0, 2]}),
    "manifest.representatives": ("manifest", {"odd_duplicates": [3, 0]}),
    "manifest.optouts": ("manifest", {"kept_against_optout": [1, 0]}),
    "manifest.distinct": ("manifest", {"distinct_documents": [300, 3]}),
    "sources.removed": ("sources", {"removed_share": [0.99, None]}),
    "dossiers.papers": ("dossiers", {"released_with_damaged_papers": [7]}),
    "signals.low": ("signals", {"below": [1]}),
    "signals.high": ("signals", {"above": [2]}),
    "clean.digests": ("clean", {"digest_differs": [0, 1]}),
    "clean.not_blank": ("clean", {"blank": [1, 0]}),
    "clean.distinct": ("clean", {"doc_id": ["aa", "aa"]}),
    "release.balance": ("release", {"rows": [303]}),
    "release.shrunk": ("release", {"shrunk_share": [0.9]}),
}

OWN = """\
expectations:
  - id: one.enough
    table: sources
    only: {source_id: [one]}
    expect: expect_column_values_to_be_between
    column: released
    min_value: 100000
    says: {en: source one gives many documents, zh: 来源一给出许多文档}
"""


def tables(*faults: tuple[str, dict[str, list]]) -> dict[str, pa.Table]:
    """Make tables on which every shipped expectation holds, with some columns changed."""
    columns = {name: dict(values) for name, values in SOUND.items()}
    for name, changed in faults:
        columns[name] |= changed
    return {
        name: pa.table(
            {
                field.name: pa.array(values.get(field.name, [None] * len(next(iter(values.values())))), field.type)
                for field in aggregates.TABLES[name]
            }
        )
        for name, values in columns.items()
    }


def shipped() -> expectations.Suites:
    return expectations.load(MemoryStore("gate-shipped"))


def test_a_sound_draft_passes():
    """Every shipped expectation holds on sound tables, and none is left out of the faults below."""
    results = gate.validate(shipped(), tables())

    assert [one.id for one in results if not one.ok] == []
    assert {one.id for one in results} - {"manifest.not_empty"} == {*FAULTS}


def test_every_fault_fails_its_own_expectation():
    """All faults at once fail one expectation each, and the answer names the row."""
    results = {one.id: one for one in gate.validate(shipped(), tables(*FAULTS.values()))}

    assert {name for name, one in results.items() if not one.ok} == {*FAULTS}
    assert results["manifest.reasons"].seen == (
        "1 of 2 rows: without_reason 1, source_id one, disposition forget, rights_state allowed"
    )
    assert results["sources.removed"].seen == "1 of 2 rows: removed_share 0.99, source_id one"


def test_no_row_is_no_pass():
    """On an empty manifest, and for rows that are not there, expectations fail instead of holding of nothing."""
    found = tables()
    results = gate.validate(shipped(), found | {"manifest": found["manifest"].slice(0, 0)})
    other = expectations.Suites(tuple(expectations.read(OWN.replace("[one]", "[gone]").encode(), "mine.yaml")))

    assert not any(one.ok for one in results if one.table == "manifest")
    assert [(one.ok, one.seen) for one in gate.validate(other, found)] == [(False, "no such row")]


def test_an_exception_inside_is_a_failure(monkeypatch):
    """Where Great Expectations raises instead of answering, the expectation has not held."""
    (one,) = expectations.read(OWN.encode(), "mine.yaml")
    broken = tables()["sources"].set_column(6, "released", pa.array([{"a": 1}, {"a": 2}]))

    (result,) = gate.validate(expectations.Suites((one,)), {"sources": broken})

    assert not result.ok


def test_every_kind_can_be_asked():
    """Each kind of expectation that a suite may name exists in Great Expectations and gives an answer."""
    given = {"column": "released", "column_A": "released", "column_B": "documents", "value_set": [1, 300]}
    asked = tuple(
        expectations.Expectation(
            kind, "sources", kind,
            {key: given.get(key, 1.0 if key == "mostly" else 0) for key in keys if key != "or_equal"}
            | ({"max_value": 1000} if "max_value" in keys else {}),
            {}, fixed=False, says={"en": kind, "zh": kind}, where="here:1",
        )
        for kind, keys in expectations.KINDS.items()
    )  # fmt: skip
    found = tables(("sources", {"documents": [299, 0]}))

    results = {one.id: one for one in gate.validate(expectations.Suites(asked), found)}

    failed = {name for name, one in results.items() if not one.ok}
    assert failed == {"expect_column_values_to_not_be_in_set", "expect_column_pair_values_to_be_equal"}
    assert not [one for one in results.values() if "exception" in one.seen or one.seen == "no answer"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A workspace whose own suite stopped the first run, and which published once the suite was gone."""
    folder = tmp_path_factory.mktemp("gate")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        small_corpus.write_inputs(folder / "inputs", 12)
        opened = small_corpus.make(folder / "w", folder / "inputs")
        opened.store.put("expectations/mine.yaml", OWN.encode())
        with Engine(workers=1) as engine:
            with pytest.raises(GateError) as caught:
                pipeline.run(opened, engine=engine, as_of=small_corpus.AS_OF, gate=gate.gate)
            before = opened.releases(), [one.type for one in opened.ledger().entries()]
            (folder / "w" / "expectations" / "mine.yaml").unlink()
            pipeline.run(opened, engine=engine, as_of=small_corpus.AS_OF, gate=gate.gate)
            yield opened, str(caught.value), *before


def test_a_failed_gate_stops_the_release_and_is_in_the_ledger(stopped):
    """Nothing is released, the message names the expectation, results lie under gates/ and the ledger names them."""
    opened, message, releases, types = stopped
    entry = next(one for one in opened.ledger().entries() if one.type == gate.GATE_FAILED)
    (file,) = entry.subject
    written = json.loads(opened.store.read(file))

    assert releases == []
    assert types[-1] == gate.GATE_FAILED
    assert "one.enough: source one gives many documents (found 1 of 1 rows: released " in message
    assert file in message
    assert entry.data["failed"] == ["one.enough"]
    assert [one["id"] for one in written["results"] if not one["ok"]] == ["one.enough"]
    assert sorted(written["suites"]) == ["expectations/mine.yaml", "shipped/release.yaml"]
    assert opened.store.list("artefacts/manifest/")


def test_a_release_holds_the_results_of_its_gate(stopped):
    """What was expected stands in run.json of the release, all of it held, and no text of a document is in it."""
    opened, *_ = stopped
    results = opened.release().run["gate"]
    texts = [text for text in opened.release().table("clean")["text"].to_pylist() if len(text) > 20]

    assert {one["id"] for one in results} == {one.id for one in shipped().expectations}
    assert all(one["ok"] for one in results)
    assert texts
    assert not [text for text in texts if text[:20] in json.dumps(results, ensure_ascii=False)]


def test_an_unchanged_workspace_is_not_asked_again(stopped):
    """Where nothing would be published, no expectation is evaluated."""
    opened, *_ = stopped

    def refuse(*_):
        raise AssertionError

    with Engine(workers=1) as engine:
        outcome = pipeline.run(opened, engine=engine, as_of=small_corpus.AS_OF, gate=refuse)

    assert not outcome.published
