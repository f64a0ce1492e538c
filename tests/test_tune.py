"""Tune: what another threshold would change is what a run under it decides; and thresholds in explanations."""

import json
from pathlib import Path

import pytest
import small_corpus
from typer.testing import CliRunner

from corpus_gov import cli, intake, pipeline, policyfile, thresholds
from corpus_gov.artefacts import decode
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, PolicyError
from corpus_gov.explain import lines as explained
from corpus_gov.stages import read_shard
from corpus_gov.tune import lines, tune
from corpus_gov.workspace import Release, open_workspace

POLICY = """
policy: tried
version: 1
why: A test.
needs: [common.pii]
clauses:
  - {{id: short, when: quality.n_words < {words}, disposition: drop, final: true, why: A test.}}
  - {{id: mail, when: pii.email > 0 AND quality.n_lines >= {lines}, disposition: quarantine, why: A test.}}
  - {{id: unknown, when: source.priority > 5 AND document.charset_declared = 'x', disposition: drop, why: A test.}}
  - {{id: mask, spans: [pii.cn_mobile], disposition: redact, why: A test.}}
election: {{order: [oldest]}}
"""


def policy_of(folder: Path, words: int = 60, least: int = 4) -> Path:
    """Write the policy with other limits."""
    path = folder / f"tried-{words}-{least}.yaml"
    path.write_text(POLICY.format(words=words, lines=least), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Run the small corpus in several shards under the policy; one document with an address has an override."""
    folder = tmp_path_factory.mktemp("tune")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        small_corpus.write_inputs(folder / "inputs")
        workspace = small_corpus.make(folder / "w", folder / "inputs", policy=str(policy_of(folder)), shard_rows=16)
        with Engine(workers=1) as engine:
            intake.ingest(workspace, engine)
            tables = [decode(read_shard(workspace.store, shard, "documents")) for shard in workspace.shards()]
            held = [row["doc_id"] for table in tables for row in table.to_pylist() if "mei.lin@" in row["text"]]
            override = {"override_id": "o1", "doc_id": held[0], "disposition": "keep", "actor": "a person",
                        "expires": None, "legal": ""}  # fmt: skip
            (folder / "w" / "reviews").mkdir(exist_ok=True)
            (folder / "w" / "reviews" / "o1.json").write_text(json.dumps(override), encoding="utf-8")
            pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
        yield workspace.release()


def decided(release: Release, path: Path) -> dict[str, str]:
    """Run the workspace of a release under another policy, without a trace in it: doc_id → disposition."""
    workspace = open_workspace(release.workspace.url, policy=str(path))
    with Engine(workers=1) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
    table = workspace.release(outcome.release).table("manifest", ["doc_id", "disposition"])
    return dict(zip(table["doc_id"].to_pylist(), table["disposition"].to_pylist(), strict=True))


@pytest.mark.parametrize("clause", ["short", "mail", "unknown"])
def test_the_same_expression_changes_nothing(release: Release, clause: str) -> None:
    """Weighed again from the manifest's reasons and the stored facts, every document is decided as it was."""
    when = next(one["when"] for one in release.run["policy"]["clauses"] if one["id"] == clause)

    found = tune(release, clause, [when])

    assert found["documents"] == len(release.table("manifest"))
    assert found["tries"][0]["changed"] == {}


@pytest.mark.parametrize(("clause", "when", "limits"), [
    ("short", "quality.n_words < 90", {"words": 90}),
    ("mail", "pii.email > 0 AND quality.n_lines >= 9", {"least": 9}),
])  # fmt: skip
def test_it_says_what_a_run_decides(
    release: Release, clause: str, when: str, limits: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents that change, and how, are those that differ after a run under the other policy."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(Path(release.workspace.url).parent / "keys"))
    manifest = release.table("manifest", ["doc_id", "disposition", "representative_id"]).to_pylist()
    copies = {row["doc_id"] for row in manifest if row["representative_id"]}
    copies |= {row["representative_id"] for row in manifest}

    found = tune(release, clause, [when], samples=1_000)["tries"][0]
    after = decided(release, policy_of(tmp_path, **limits))

    # Who stands for copies is for an election to say.
    expected = {row["doc_id"]: (row["disposition"], after[row["doc_id"]]) for row in manifest
                if row["disposition"] != after[row["doc_id"]] and row["doc_id"] not in copies}  # fmt: skip
    mine = {row["doc_id"]: (row["was"], row["becomes"]) for row in found["samples"] if row["doc_id"] not in copies}
    assert mine == expected
    assert expected
    assert sum(found["changed"].values()) == len(found["samples"])


def test_no_text_is_read(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals, findings and the manifest are enough."""
    store = type(release.workspace.store)
    read = store.read

    def refused(self: object, name: str, *rest: object) -> bytes:
        assert not name.startswith("documents/")
        assert "/clean/" not in name
        return read(self, name, *rest)

    monkeypatch.setattr(store, "read", refused)

    assert len(tune(release, "mail")["tries"]) >= 4


def test_a_rule_can_be_left_out(release: Release) -> None:
    """Without the findings of its rule the clause speaks for nobody."""
    found = tune(release, "mail", without="pii.email")["tries"][0]

    assert found["applies"] == 0
    assert set(found["changed"]) == {"quarantine -> keep"}


def test_samples_name_what_was_read(release: Release) -> None:
    """Each sample has the values that the expression looked at, and the page of text says so."""
    found = tune(release, "short", ["quality.n_words < 90"], samples=2)

    assert all(set(row["values"]) == {"quality.n_words"} for row in found["tries"][0]["samples"])
    assert all(60 <= row["values"]["quality.n_words"] < 90 for row in found["tries"][0]["samples"])
    assert "keep -> drop" in "\n".join(lines(found))


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"clause": "none"}, ConfigError, "found no clause 'none'"),
    ({"clause": "mask"}, ConfigError, "expected `when`"),
    ({"clause": "short", "without": "pii.none"}, ConfigError, "found no such rule in force"),
    ({"clause": "short", "when": ["quality.colour > 1"]}, PolicyError, "found column 'quality.colour'"),
    ({"clause": "short", "when": ["quality.n_words >"]}, PolicyError, "found no expression"),
])  # fmt: skip
def test_what_cannot_be_tried_is_refused(
    release: Release, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    """Unknown clauses, rules and facts are named."""
    with pytest.raises(error, match=message):
        tune(release, **arguments)


def test_another_policy_is_refused(release: Release, tmp_path: Path) -> None:
    """Facts of one policy are not weighed by another."""
    workspace = open_workspace(release.workspace.url, policy=str(policy_of(tmp_path, 61)))

    with pytest.raises(ConfigError, match="another policy in force"):
        tune(Release(workspace, release.name), "short")


def test_the_command(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    """`corpus-gov tune` tries multiples of the limit and prints a line for each."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(Path(release.workspace.url).parent / "keys"))

    done = CliRunner().invoke(cli.app, ["tune", release.workspace.url, "short", "--release", release.name])

    assert done.exit_code == 0, done.output
    assert [f"quality.n_words < {limit}" in done.output for limit in (30, 48, 75, 120)] == [True] * 4


def test_explanations_show_what_was_near(release: Release) -> None:
    """A document just above a limit is near it, one below has crossed it, and the text says so."""
    signals = release.table("signals", ["doc_id", "quality.n_words"]).to_pylist()
    states = {}
    for row in signals:
        clauses = {one["clause"]: one for one in release.explain(row["doc_id"])["clauses"]}
        states[row["quality.n_words"]] = clauses["short"]["thresholds"][0]["state"]

    assert {state for n, state in states.items() if n < 60} == {"crossed"}
    assert {state for n, state in states.items() if 60 <= n <= 66} == {"near"}
    assert {state for n, state in states.items() if n > 66} == {"clear"}
    near = [row["doc_id"] for row in signals if 60 <= row["quality.n_words"] <= 66]
    assert all("near       short:" in "\n".join(explained(release.explain(one))) for one in near)


@pytest.mark.parametrize(
    ("value", "state"), [(None, "unknown"), (19, "crossed"), (20, "near"), (22, "near"), (23, "clear")]
)
def test_states_of_a_threshold(value: int | None, state: str) -> None:
    """Near is within a tenth of the limit, on the side that does not fire."""
    (found,) = thresholds.find("coalesce(quality.n_words, 0) < 20")

    assert found.state(value) == state


@pytest.mark.parametrize(
    ("when", "value", "state"),
    [
        ("structure.n_cut_lines > 0", 0, "clear"), ("structure.n_cut_lines > 0", 1, "crossed"),
        ("structure.n_promotions >= 3", 2, "near"), ("structure.n_promotions >= 3", 1, "clear"),
        ("quality.n_insets >= 2", 1, "clear"), ("structure.continuity < -100", -95, "near"),
        ("quality.dup_10gram_share > 0.5", 0.46, "near"), ("quality.dup_10gram_share > 0.5", 0.44, "clear"),
    ],
)  # fmt: skip
def test_counts_are_near_by_a_step(when: str, value: float, state: str) -> None:
    """A count is near a limit of three and more by one step, a share by a tenth, and nothing is near a limit of 0."""
    (found,) = thresholds.find(when)

    assert found.state(value) == state


def test_variants_are_expressions_of_the_shipped_policies() -> None:
    """Every clause of the shipped policies can be tried: what is written anew still parses."""
    from corpus_gov.expressions import parse_all

    loaded = [policyfile.load(name) for name in ("default", "gopher", "fineweb2-cmn")]
    texts = [text for one in loaded for clause in one.clauses if clause.when
             for text in thresholds.variants(clause.when.text)]  # fmt: skip

    assert len(parse_all([(text, "here") for text in texts])) == len(texts) > 20
