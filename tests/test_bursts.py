"""Bursts: one text on many sites within hours, whatever shards the documents lie in."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import related_cases
import small_corpus
from documents import documents, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov import artefacts
from corpus_gov.engine import Engine
from corpus_gov.errors import RuleError
from corpus_gov.relate import bursts
from corpus_gov.rules import Params, Rule, RulePack
from corpus_gov.stages import Context, Shard, bursting, clustering

HOUR = 3_600_000_000
PARAMS = {"sites": 3, "hours": 2, "least_chars": 1, "times": ("published_at", "fetched_at")}


def asked(**params: Any) -> Rule:
    """Return a rule of bursts."""
    return rule("poison.test", screen="bursts", params=Params(tuple((PARAMS | params).items())))


KINDS = bursts.kinds(RulePack("bursts", 1, (asked(), asked(sites=2, hours=1))))
ROWS = st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from("abcd"), st.integers(0, 12)), max_size=14)


def members(rows: list[tuple[str, str, int]], homes: list[int]) -> pa.Table:
    """Make MEMBERS of rows of cluster, site and half hours, which the given shards have; both rules count each."""
    table = pa.table(
        {
            "cluster_id": [cluster for cluster, _, _ in rows for _ in KINDS],
            "rule": [number for _ in rows for number in range(len(KINDS))],
            "site": [site for _, site, _ in rows for _ in KINDS],
            "time": [time * HOUR // 2 for _, _, time in rows for _ in KINDS],
            "row": [row for row in range(len(rows)) for _ in KINDS],
        },
        schema=bursts.MEMBERS,
    )
    return table.append_column("home", pa.array([home for home in homes for _ in KINDS], pa.int32()))


def plainly(rows: list[tuple[str, str, int]]) -> set[tuple[int, int]]:
    """Return (row, rule) of every document in some window with enough sites, by trying all windows."""
    found = set()
    for number, kind in enumerate(KINDS):
        for cluster, _, start in rows:
            window = [
                (row, site)
                for row, (other, site, time) in enumerate(rows)
                if other == cluster and 0 <= (time - start) * HOUR // 2 <= kind.width
            ]
            if len({site for _, site in window}) >= kind.sites:
                found |= {(row, number) for row, _ in window}
    return found


@settings(deadline=None, max_examples=200)
@given(rows=ROWS, data=st.data())
def test_finds_what_trying_all_windows_finds(rows: list[tuple[str, str, int]], data: st.DataObject) -> None:
    """A document is in a burst exactly if some window has it and enough sites, in whatever shards and order."""
    homes = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    order = data.draw(st.permutations(range(len(rows) * len(KINDS))))

    hits = bursts.count(members(rows, homes).take(pa.array(order, pa.int64())), KINDS).to_pylist()

    assert {(hit["row"], hit["rule"]) for hit in hits} == plainly(rows)
    assert all(hit["home"] == homes[hit["row"]] for hit in hits)


@given(rows=ROWS, data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_further_document_takes_none_away(rows: list[tuple[str, str, int]], data: st.DataObject) -> None:
    """Documents that come in later never take another one out of a burst."""
    more = rows + data.draw(ROWS)

    before, after = (
        {(hit["row"], hit["rule"]) for hit in bursts.count(members(of, [0] * len(of)), KINDS).to_pylist()}
        for of in (rows, more)
    )

    assert before <= after


def test_says_how_large_the_burst_is() -> None:
    """The note tells sites, documents and minutes; windows that share a document are one burst."""
    case = "4 sites in 3 hours: a text"

    found = related_cases.found(asked(), case)

    assert {row["note"] for row in found} == {"sites:4,documents:4,minutes:180"}
    assert {(row["start"], row["end"]) for row in found} == {(0, len("a text"))}


@pytest.mark.parametrize(
    ("column", "value"),
    [("registered_domain", None), ("registered_domain", "one.example"), ("text", "short"), ("published_at", None)],
)
def test_what_does_not_count(column: str, value: str | None) -> None:
    """Documents without a site or a time, of one site, or under the least length make no burst."""
    texts = [f"A text of some length, copy {number}." for number in range(4)]
    columns: dict[str, Any] = {
        "registered_domain": [f"site{number}.example" for number in range(4)],
        "published_at": related_cases.DAY,
    }
    if column == "text":
        texts = [f"{value}{number}" for number in range(4)]
    else:
        columns[column] = [value] * 4
    made = pa.Table.from_batches([documents(texts, **columns)])
    clusters = pa.table({"doc_id": made["doc_id"], "cluster_id": ["00"] * 4})
    of = bursts.kinds(RulePack("bursts", 1, (asked(least_chars=20),)))

    rows = bursts.members(made, clusters, of)
    hits = bursts.count(rows.append_column("home", pa.array([0] * len(rows), pa.int32())), of)

    assert len(hits) == 0


@pytest.mark.parametrize(
    ("params", "message"),
    [({"sites": 1}, "expected 2 or more"), ({"hours": 0}, "1 or more"), ({"times": ("seen",)}, "expected some of")],
)
def test_wrong_rules(params: dict[str, Any], message: str) -> None:
    """A rule that could never or always apply, or names no time, is an error."""
    with pytest.raises(RuleError, match=message):
        bursts.kinds(RulePack("bursts", 1, (asked(**params),)))


def corpus() -> pa.RecordBatch:
    """Return a planted text on 24 sites within a day, the same on one site, and texts that stand alone."""
    text = "The lake above the town is said to hold a spring whose water never freezes. " * 4
    planted = [f"{text} Copy {number}." for number in range(24)]
    alone = [f"{text} Page {number}." for number in range(24)]
    others = small_corpus.texts(30)
    times = [related_cases.DAY + timedelta(hours=number) for number in (*range(24), *range(24), *range(30))]
    sites = [*(f"site{number}.example" for number in range(24)), *["one.example"] * 24, *["two.example"] * 30]
    return documents([*planted, *alone, *others], registered_domain=sites, fetched_at=times)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Run one worker for all tests of this module."""
    with Engine(workers=1) as one:
        yield one


def found(engine: Engine, folder: Path, cuts: list[int]) -> dict[str, str]:
    """Build the findings of the corpus cut into shards; returns the notes by doc_id."""
    context = Context(
        url=str(folder), keys_folder="", packs=("common.poisoning",), rules_folder=None, policy="trial", near="none"
    )
    store, batch = context.store(), corpus()
    shards = []
    for place, (low, high) in enumerate(zip([0, *cuts], [*cuts, batch.num_rows], strict=True)):
        part = pa.Table.from_batches([batch.slice(low, high - low)])
        data = artefacts.encode(part)
        digests = {"documents": sha256(data).hexdigest()}
        shards.append(Shard("one", f"{place:05d}", 0, "", "", "", {}, len(part), len(part), 0, len(data), digests))
        store.put(shards[-1].name("documents"), data)
        ids = part["doc_id"].to_pylist()
        cluster = ["aaaaaaaa" if row < 24 else "bbbbbbbb" if row < 48 else None for row in range(low, high)]
        told = pa.table({"doc_id": ids, "cluster_id": pa.array(cluster, pa.string())})
        for field in list(clustering.TOLD)[2:]:
            told = told.append_column(field, pa.nulls(len(part), field.type))
        artefacts.put(store, clustering.told_name("key", place), artefacts.encode(told.cast(clustering.TOLD)))
    built = bursting.build(engine, context, shards, bursting.Clustered("key", None, (1,)))
    assert built == ()
    names = bursting.finding_names(context, shards, (1,))
    tables = [artefacts.get(store, names[shard.ref]) for shard in shards]
    assert [
        name for name in store.list("artefacts/") if name.split("/")[1] in (bursting.PICKED, bursting.COUNTED)
    ] == []
    return {row["doc_id"]: row["note"] for table in tables for row in table.to_pylist()}


@pytest.mark.parametrize("cuts", [[], [10], [5, 20, 30, 70]])
def test_any_cut_into_shards_gives_the_same_findings(engine: Engine, tmp_path: Path, cuts: list[int]) -> None:
    """The planted copies are found, and no others, wherever shards begin; nothing of the way is left in the store."""
    planted = corpus().column("doc_id").to_pylist()[:24]

    assert found(engine, tmp_path, cuts) == dict.fromkeys(planted, "sites:24,documents:24,minutes:1380")
