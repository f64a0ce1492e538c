"""From near copies to decisions: elections, drops over verified edges, barred documents, alarms, explanations."""

import json
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import small_corpus
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import alarms, artefacts, grouping, nearest, pipeline, terminal
from corpus_gov.engine import Engine
from corpus_gov.errors import AlarmError, ConfigError, PolicyError
from corpus_gov.policyfile import Alarms, read
from corpus_gov.schemas import CLUSTERS
from corpus_gov.stages import electing
from corpus_gov.workspace import Workspace

POLICY = """
policy: mine
version: 1
why: For tests.
clauses:
  - id: length.short
    when: n_chars < 5
    disposition: drop
    why: Short.
  - id: host.barred
    when: document.host = 'barred.example'
    disposition: drop
    final: true
    why: Barred.
  - id: made_of.contained
    when: coalesce(contained.share, 0) >= 0.9
    disposition: quarantine
    why: An excerpt.
  - id: made_of.spun
    when: coalesce(spun.share, 0) >= 0.9
    disposition: quarantine
    why: Spun.
election:
  order: [longest]
  least_similarity: 0.7
spreads:
  - id: near.barred
    of: [suppressed, host.barred]
    disposition: quarantine
    why: A copy of it.
alarms:
  least_documents: 4
  duplicate_rate: 0.6
"""


@pytest.fixture(scope="module")
def engine():
    """Run tasks in this process."""
    with Engine(workers=1) as running:
        yield running


def words(rng: np.random.Generator, count: int) -> list[str]:
    """Make words that hardly ever repeat."""
    return [f"w{number}" for number in rng.integers(0, 10**9, count)]


def changed(rng: np.random.Generator, base: list[str], count: int) -> list[str]:
    """Change some words."""
    copy = base.copy()
    for place in rng.choice(len(base), count, replace=False):
        copy[place] = words(rng, 1)[0]
    return copy


def workspace_of(folder: Path, texts: dict[str, str], policy: str = POLICY, packs=("common.encoding",)) -> Workspace:
    """Make a workspace with one source and a document an address."""
    rows = [json.dumps({"text": text, "uri": f"https://{uri}"}) for uri, text in texts.items()]
    (folder / "a.jsonl").write_text("\n".join([*rows, ""]), encoding="utf-8")
    (folder / "mine.yaml").write_text(policy, encoding="utf-8")
    url = f"memory://{uuid4().hex}"
    made = small_corpus.make(url, folder, patterns=("a.jsonl", "none"), policy=str(folder / "mine.yaml"))
    del made.dossiers["two"]
    made.settings = made.settings.model_copy(update={"packs": packs})
    return made


def rows_of(workspace: Workspace, release: str | None = None) -> dict[str, dict]:
    """Return the manifest by address."""
    rows = workspace.release(release).table("manifest").to_pylist()
    return {row["uri"].removeprefix("https://"): row for row in rows}


def codes(row: dict) -> list[str]:
    """Return the codes of the reasons of a row."""
    return [reason["code"] for reason in row["reasons"]]


@pytest.fixture(scope="module")
def near_copies(tmp_path_factory, engine) -> Workspace:
    """Run over a text with near copies, copies, an excerpt, a spun copy and strangers."""
    rng = np.random.default_rng(1)
    base = words(rng, 300)
    clauses = [" ".join(words(rng, 9)) for _ in range(30)]
    texts = {
        "a.example/longest": " ".join([*base, "end", "of", "it"]),
        "a.example/near": " ".join(changed(rng, base, 2)),
        "b.example/near": " ".join(changed(rng, base, 3)),
        "a.example/stranger": " ".join(words(rng, 300)),
        "a.example/clauses": ". ".join(clauses),
        "a.example/excerpt": ". ".join(clauses[5:20]),
        "b.example/spun": "; ".join(rng.permutation(clauses)),
        "c.example/x": "x",
        "c.example/marks": "。。。。。。",
        "c.example/one": "a" * 100_000,
    }
    texts["b.example/copy"] = texts["b.example/near"]
    workspace = workspace_of(tmp_path_factory.mktemp("near"), texts)
    workspace.run(engine=engine, as_of=small_corpus.AS_OF)
    return workspace


def test_near_copies_give_way_to_the_elected_one(near_copies):
    """Near copies and copies of them are dropped for the longest, each with its own verified similarity."""
    rows = rows_of(near_copies)
    best = rows["a.example/longest"]

    assert best["disposition"] == "keep"
    for uri in ("a.example/near", "b.example/near", "b.example/copy"):
        assert rows[uri]["disposition"] == "drop"
        assert rows[uri]["representative_id"] == best["doc_id"]
        assert codes(rows[uri]) == ["duplicate:longest"]
        assert 8_000 < rows[uri]["edge_similarity"] < 10_000
    assert rows["b.example/near"]["edge_similarity"] == rows["b.example/copy"]["edge_similarity"]


def test_what_is_made_of_another_is_a_fact_for_policies(near_copies):
    """An excerpt and a spun copy are held, with the other document named; neither joins a cluster."""
    rows = rows_of(near_copies)

    # Its clauses stand in one text in their order, and in the spun one in another.
    assert codes(rows["a.example/excerpt"]) == ["made_of.contained", "made_of.spun"]
    # Of two texts with the same clauses one is of the other; which one their digests say.
    assert sorted(codes(rows["a.example/clauses"]) + codes(rows["b.example/spun"])) == ["made_of.spun"]
    assert {rows[uri]["cluster_id"] for uri in ("a.example/excerpt", "b.example/spun")} == {None}


def test_odd_texts_are_no_duplicates(near_copies):
    """One character, marks and one repeated letter relate to nobody."""
    rows = rows_of(near_copies)

    for uri in ("c.example/x", "c.example/marks", "c.example/one", "a.example/stranger"):
        assert rows[uri]["cluster_id"] is None


def test_run_row_has_the_sizes_of_clusters(near_copies):
    """The run row counts clusters in bins that double, and what duplicates took from each source."""
    counts = near_copies.release().run["counts"]

    assert counts["clusters"] == {"documents": 4, "clusters": 1, "largest": 4, "sizes": {"3-4": 1}}
    assert counts["duplicate_rate"] == {"one": 2_727}


def test_explain_shows_edges(near_copies):
    """Every edge of a document is shown with kind, value and the other document; a copy has those of its text."""
    rows, release = rows_of(near_copies), near_copies.release()

    excerpt = release.explain(rows["a.example/excerpt"]["doc_id"])
    edges = {name: release.explain(rows[name]["doc_id"])["edges"] for name in ("b.example/near", "b.example/copy")}

    (inside,) = [edge for edge in excerpt["edges"] if edge["kind"] == "contained"]
    assert (inside["way"], inside["other"]) == ("is inside", rows["a.example/clauses"]["doc_id"])
    fired = {clause["clause"]: clause["values"] for clause in excerpt["clauses"] if clause["fired"]}
    assert fired["made_of.contained"]["contained.share"] == inside["similarity"] / 10_000
    others = [{edge["other"] for edge in of_one if edge["kind"] == "near"} for of_one in edges.values()]
    assert others[0] == others[1]
    assert rows["a.example/longest"]["doc_id"] in others[0]


def test_similar_finds_and_verifies(near_copies, tmp_path, capsys):
    """The nearest documents of a document and of a file come with verified similarities, the most similar first."""
    rows, release = rows_of(near_copies), near_copies.release()
    base = rows["a.example/longest"]["doc_id"]

    found = release.similar(base[:12], 2)

    assert {one["doc_id"] for one in release.similar(base)} >= {rows["a.example/near"]["doc_id"]}
    assert found[0]["doc_id"] == rows["a.example/near"]["doc_id"]
    assert found[0]["similarity"] == rows["a.example/near"]["edge_similarity"]
    assert len(found) == 2
    assert found[0]["disposition"] == "drop"
    terminal.similar(release.name, found)
    terminal.similar(release.name, [])
    shown = capsys.readouterr().out
    assert f"{found[0]['doc_id']}  {found[0]['similarity'] / 10_000:10.4f}" in shown
    assert "no document has a shingle in common" in shown
    file = tmp_path / "text.txt"
    file.write_text("no such words anywhere here", encoding="utf-8")
    assert release.similar(file) == []
    file.write_text("。。", encoding="utf-8")
    assert nearest.Nearest.of(release).like("。。") == []


def test_similar_refuses_what_it_cannot_find(near_copies):
    """A doc_id that no document has is an error that says what to give."""
    with pytest.raises(ConfigError, match="0 documents with words begin with 'ffff_', expected one, or a file"):
        near_copies.release().similar("ffff_")


def test_a_barred_document_bars_its_near_copies(tmp_path, engine):
    """Copies and near copies of a barred or suppressed document are held, and none of them represents another."""
    rng = np.random.default_rng(2)
    one, two = words(rng, 200), words(rng, 200)
    texts = {
        "barred.example/a": " ".join(one),
        "a.example/copy": " ".join(one),
        "a.example/near": " ".join(changed(rng, one, 2)),
        "b.example/two": " ".join(two),
        "b.example/near": " ".join(changed(rng, two, 2)),
    }
    workspace = workspace_of(tmp_path, texts)
    workspace.run(engine=engine, as_of=small_corpus.AS_OF)
    before = rows_of(workspace)
    gone = before["b.example/two"]["doc_id"]
    workspace.store.put("suppression/list.txt", f"{gone}\n".encode())
    workspace.run(engine=engine, as_of=small_corpus.AS_OF)
    after = rows_of(workspace)

    assert codes(before["a.example/copy"]) == codes(before["a.example/near"]) == ["near.barred"]
    assert before["barred.example/a"]["disposition"] == "drop"
    assert {before[uri]["disposition"] for uri in ("b.example/two", "b.example/near")} == {"keep", "drop"}
    assert after["b.example/two"]["disposition"] == "drop"
    assert after["b.example/near"]["disposition"] == "quarantine"
    assert codes(after["b.example/near"]) == ["near.barred"]


def test_a_new_representative_is_compared_with_its_cluster(tmp_path, engine, monkeypatch):
    """Where no candidate pair leads to the elected one, members are compared with it, and only those of the cluster."""
    rng = np.random.default_rng(3)
    base = words(rng, 300)
    texts = {f"a.example/{n}": " ".join(changed(rng, base, 3) + ["x"] * n) for n in range(6)}
    texts |= {f"b.example/{n}": " ".join(words(rng, 100)) for n in range(3)}
    workspace = workspace_of(tmp_path, texts)
    best = []

    def without_best(policy, members, edges):
        """Forget all edges of the elected one but one that keeps it in the cluster."""
        best.append(policies_representatives(policy, members)["representative_id"][0].as_py())
        near_best = pc.or_(pc.equal(edges["a"], best[0]), pc.equal(edges["b"], best[0]))
        return missing_of(policy, members, edges.filter(pc.invert(near_best)))

    from corpus_gov import policy as policies

    policies_representatives, missing_of = policies.representatives, electing.missing
    monkeypatch.setattr(electing, "missing", without_best)
    asked = []
    verified_of = grouping.verified

    def verified(context, engine, shards, pairs, *rest):
        """Note the pairs that are asked for."""
        asked.append(artefacts.get_part(workspace.store, pairs[0], 0))
        return verified_of(context, engine, shards, pairs, *rest)

    monkeypatch.setattr(grouping, "verified", verified)

    workspace.run(engine=engine, as_of=small_corpus.AS_OF)

    rows = rows_of(workspace)
    dropped = [row for row in rows.values() if row["disposition"] == "drop"]
    assert len(dropped) == 5
    assert {row["representative_id"] for row in dropped} == set(best)
    assert len(asked[-1]) // electing.ASKED.itemsize == 5


def test_ranges_of_clusters_change_no_election(tmp_path, engine, monkeypatch):
    """Whether clusters lie in one range or in sixteen, the same documents stand for the same, over the same edges."""
    rng = np.random.default_rng(6)
    texts = {}
    for family in range(8):
        base = words(rng, 200)
        texts |= {f"{family}.example/{n}": " ".join(changed(rng, base, n)) for n in (0, 4, 8)}
        texts[f"{family}.example/copy"] = " ".join(base)
    columns = ("disposition", "cluster_id", "representative_id", "edge_similarity", "reasons")
    found = []
    for number, documents in enumerate((1 << 17, 2)):
        monkeypatch.setattr(grouping, "LINKS_A_RANGE", documents)
        monkeypatch.setattr(grouping, "ASKED_A_RANGE", documents)
        folder = tmp_path / str(number)
        folder.mkdir()
        workspace = workspace_of(folder, texts)
        run = workspace.run(engine=engine, as_of=small_corpus.AS_OF, accept=["duplicate_rate:one"]).run
        rows = {uri: [row[name] for name in columns] for uri, row in rows_of(workspace).items()}
        found.append((len(run["relations"]["clusters"]), run["counts"]["clusters"], rows))

    (one, *whole), (many, *parts) = found
    assert (one, many) == (1, 16)
    assert parts == whole
    assert whole[0]["clusters"] == 8
    assert sum(row[2] is not None for row in whole[1].values()) >= 16


def test_alarms_stop_a_release_until_they_are_accepted(tmp_path, engine):
    """More duplicates than the policy expects stop the release; accepted by name, they stand in the run row."""
    rng = np.random.default_rng(4)
    base = words(rng, 100)
    workspace = workspace_of(tmp_path, {f"a.example/{n}": " ".join(changed(rng, base, 1)) for n in range(8)})

    with pytest.raises(AlarmError, match=r"duplicate_rate:one is 87.5% \(limit 60.0%\).*--accept duplicate_rate:one"):
        workspace.run(engine=engine, as_of=small_corpus.AS_OF)
    with pytest.raises(ConfigError, match="--accept: found 'dupl'"):
        workspace.run(engine=engine, as_of=small_corpus.AS_OF, accept=["dupl"])
    outcome = workspace.run(engine=engine, as_of=small_corpus.AS_OF, accept=["duplicate_rate:one"])
    again = workspace.run(engine=engine, as_of=small_corpus.AS_OF)

    expected = {"alarm": "duplicate_rate:one", "value": 8_750, "limit": 6_000, "accepted": True}
    assert outcome.run["alarms"] == [expected]
    assert not again.published


def test_alarms_by_limits():
    """Alarms sound above their limits alone, and not for a handful of documents."""
    counts = {
        "documents": 100, "by_source": {"a": {"drop": 60, "keep": 30}, "b": {"keep": 10}},
        "removal_rate": {"a": 6_667, "b": 0}, "duplicate_rate": {"a": 6_000, "b": 0},
        "clusters": {"largest": 21},
    }  # fmt: skip

    found = alarms.sounding(Alarms(20, 6_000, 6_000, 2_000), counts)

    assert [one["alarm"] for one in found] == ["largest_cluster", "removal_rate:a"]
    assert alarms.sounding(Alarms(101, 0, 0, 0), counts) == []
    assert alarms.sounding(Alarms(0, None, None, None), counts) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("least_similarity: 0.7", "least_similarity: 7", r"least_similarity: found 7, expected a number from 0 to 1"),
        ("of: [suppressed, host.barred]", "of: [host.other]", r"of: found \['host.other'\], expected ids of clauses"),
        (
            "duplicate_rate: 0.6",
            "duplicates: 0.6",
            r"duplicates: found an unknown key, expected one of .*'removal_rate'",
        ),
        (
            "disposition: quarantine\n    why: A copy",
            "disposition: keep\n    why: A copy",
            "found 'keep', expected one of",
        ),
    ],
)
def test_policies_say_what_is_wrong(old, new, message):
    """A wrong value under election, spreads or alarms is an error with file, line and key."""
    with pytest.raises(PolicyError, match=rf"mine.yaml:\d+: .*{message}"):
        read(POLICY.replace(old, new), "mine.yaml")


@given(st.lists(st.integers(1, 40), max_size=30))
def test_sizes_count_every_cluster_once(sizes):
    """Bins of cluster sizes add up to the clusters, whatever their sizes."""
    ids = [f"{number:02d}" for number, size in enumerate(sizes) for _ in range(size + 1)]
    found = grouping.sizes([pa.table([pa.array(ids, pa.string())] * 2, schema=CLUSTERS)])

    assert sum(found["sizes"].values()) == found["clusters"] == len(sizes)
    assert found["largest"] == max((size + 1 for size in sizes), default=0)
    assert found["documents"] == sum(size + 1 for size in sizes)


def test_the_pipeline_needs_no_near_duplicates(tmp_path, engine):
    """With the preset none, exact duplicates are dropped and policies see no shares."""
    rng = np.random.default_rng(5)
    text = " ".join(words(rng, 50))
    workspace = workspace_of(tmp_path, {"a.example/1": text, "a.example/2": text, "a.example/3": text + " more"})
    near = workspace.settings.near.model_copy(update={"preset": "none"})
    workspace.settings = workspace.settings.model_copy(update={"near": near})

    workspace.run(engine=engine, as_of=small_corpus.AS_OF)

    rows = rows_of(workspace)
    assert sorted(row["disposition"] for row in rows.values()) == ["drop", "keep", "keep"]
    with pytest.raises(ConfigError, match="found no signatures, expected a run with near duplicates"):
        workspace.release().similar(rows["a.example/1"]["doc_id"])
    assert pipeline.DECIDE_VERSION == 3
