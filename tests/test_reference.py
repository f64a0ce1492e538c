"""Reference sets and the suppression list: what documents share with them, and that the list says nothing by itself."""

import gzip
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import related_cases
import small_corpus
from documents import documents, rule
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import config, pipeline, references, seal, suppression
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, RuleError
from corpus_gov.kernels import shingles
from corpus_gov.relate import near, reference, suppressed
from corpus_gov.relate.presets import PRESETS
from corpus_gov.rules import Params, RulePack
from corpus_gov.workspace import open_workspace

DEFAULT = PRESETS["default"]
KEY, OTHER = b"k" * 32, b"o" * 32


def asking(name: str, **params: Any):
    """Make a rule of screen reference."""
    return rule(f"reference.{name}", screen="reference", params=Params(tuple(params.items())))


def texts_of(*values: str | None) -> pa.Array:
    return pa.array(values, pa.large_string())


def table_of(*texts: str) -> pa.Table:
    return pa.Table.from_batches([documents(texts)])


def sentence(rng, count: int = 9) -> str:
    """Make a clause of words that hardly ever repeat."""
    return " ".join(f"w{number}" for number in rng.integers(0, 10**9, count))


def compared(items: Sequence[str], n: int, share: float, *texts: str) -> list[dict[str, Any]]:
    """Compare documents with a set by one rule."""
    indexed = reference.prepare(*reference.index(texts_of(*items), n), n)
    of = reference.kinds(RulePack("reference", 1, (asking("one", kind="evaluation", share=share),)))
    return reference.compare(table_of(*texts), indexed, "set", of).to_pylist()


def test_items_are_found_with_their_passages():
    """Each passage is a finding with its span, the share of its item and the item; folding makes no difference."""
    rng = np.random.default_rng(3)
    items = [sentence(rng, 30) for _ in range(50)]
    whole, part = items[7].upper().replace(" ", ", "), " ".join(items[9].split()[:15])
    text = f"😀 {sentence(rng, 100)}: {whole}! {sentence(rng, 40)} {part}."

    found = compared(items, 13, 0.1, sentence(rng, 90), text)

    spans = [(text[row["start"] : row["end"]], row["score"], row["note"]) for row in found]
    assert spans == [(whole, 10_000, "set#7"), (part, 1_666, "set#9")]
    assert compared(items, 13, 0.2, text)[0]["note"] == "set#7"
    assert len(compared(items, 13, 0.2, text)) == 1


def test_two_halves_of_an_item_are_two_passages():
    """An item that a document quotes in two places is found in both, with the share of both together."""
    rng = np.random.default_rng(4)
    item = sentence(rng, 40)
    words = item.split()
    one, two = " ".join(words[:20]), " ".join(words[20:])

    found = compared([item], 8, 0.7, f"{two} {sentence(rng, 50)} {one}")

    assert found[0]["start"] == 0
    assert [row["end"] - row["start"] for row in found] == [len(two), len(one)]
    assert {row["score"] for row in found} == {10_000 * 26 // 33}


def test_short_items_are_found_as_whole_documents_only():
    """An item of fewer tokens than an n-gram is found where a document is nothing else, and with a smaller n inside."""
    item, text = "三加四等于几", "三加四等于几"

    assert [(row["start"], row["end"]) for row in compared([item], 13, 1.0, f"《{text}》？")] == [(1, 7)]
    assert compared([item], 13, 0.1, f"问：{text}？答：七。") == []
    assert len(compared([item], 5, 1.0, f"问：{text}？答：七。")) == 1


@given(
    st.lists(st.text("ab中 ", max_size=20), max_size=5),
    st.lists(st.text("ab中 ", max_size=20), max_size=5),
    st.integers(2, 3),
)
def test_overlaps_are_those_of_plain_sets(items, texts, n):
    """Shared n-grams and shares equal those of Python sets and lists of shingles."""
    indexed = reference.prepare(*reference.index(texts_of(*items), n), n)

    found = reference.Met.look(texts_of(*texts), indexed).overlaps

    def grams(text: str) -> list[int]:
        hashes: list[int] = shingles.shingles(texts_of(text), reference.VIEW, n)[0].tolist()
        return hashes

    expected = [
        (
            row,
            item,
            len(shared),
            10_000 * len(shared) // len(set(grams(items[item]))),
            10_000 * sum(gram in shared for gram in grams(text)) // len(grams(text)),
        )
        for row, text in enumerate(texts)
        for item in range(len(items))
        if (shared := set(grams(text)) & set(grams(items[item])))
    ]
    assert [tuple(row.values()) for row in found.to_pylist()] == expected


@given(st.lists(st.text("ab中 ，\n", max_size=30), min_size=1, max_size=6), st.lists(st.integers(0, 6), max_size=3))
def test_findings_do_not_depend_on_the_cut(texts, cuts):
    """Comparing the parts of a corpus gives the findings of comparing it whole, and their spans are in bounds."""
    indexed = reference.prepare(*reference.index(texts_of("a b 中 a b", "中 中 中 b"), 2), 2)
    of = reference.kinds(RulePack("reference", 1, (asking("one", kind="known_bad", share=0.5),)))
    corpus = table_of(*texts)
    bounds = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]

    parts = [reference.compare(corpus.slice(a, b - a), indexed, "set", of) for a, b in pairwise(bounds)]

    whole = reference.compare(corpus, indexed, "set", of)
    assert pa.concat_tables(parts).to_pylist() == whole.to_pylist()
    lengths = dict(zip(corpus["doc_id"].to_pylist(), corpus["n_chars"].to_pylist(), strict=True))
    assert all(0 <= row["start"] < row["end"] <= lengths[row["doc_id"]] for row in whole.to_pylist())


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"kind": "good", "share": 0.5}, "found kind 'good'"),
        ({"kind": "evaluation", "share": 0.0}, "share 0.0"),
        ({"kind": "suppressed", "bands": 0}, "params.bands is 0"),
        ({"kind": "suppressed", "share": 0.5}, "unknown key 'share'"),
    ],
)
def test_wrong_params_are_refused(params, problem):
    """A rule that means nothing is an error that names it."""
    pack = RulePack("reference", 1, (asking("wrong", **params),))

    with pytest.raises(RuleError, match=re.escape(problem)):
        (reference.kinds(pack), suppressed.kinds(pack))


def test_a_near_copy_shares_bands_under_the_same_key_only():
    """A near copy of a suppressed text is hit under the same key; others, empty texts and other keys are not."""
    rng = np.random.default_rng(4)
    text = sentence(rng, 300)
    listed = suppressed.rows(["0" * 32], texts_of(text), KEY, "id")
    asked = texts_of(sentence(rng, 300), text + " more", "", text)

    shared = suppressed.hits(asked, listed, [DEFAULT], KEY)

    assert shared[[0, 2]].tolist() == [0, 0]
    assert shared[1] > 5
    assert shared[3] == DEFAULT.bands
    assert suppressed.hits(asked, listed, [DEFAULT], OTHER).tolist() == [0] * 4


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30).map(" ".join))
def test_the_list_alone_discloses_no_signature(text):
    """Neither a number of the signature nor a plain band value stands in a row, and no row tells that texts are alike.

    Who has the list and the text, but not the key, finds nothing on it; two keys give rows that share nothing.
    """
    column = texts_of(text)
    signature = near.matrix(near.signatures(column, DEFAULT))
    plain = near.band_keys(signature, DEFAULT.bands, DEFAULT.rows).reshape(-1)
    numbers = [*signature.reshape(-1).tolist(), *plain.tolist()]

    row, other = (suppressed.rows([None], column, key, "id") for key in (KEY, OTHER))

    bands = row["bands"].to_pylist()[0]
    written = suppressed.write(row).decode()
    assert len(set(bands)) == DEFAULT.bands
    for number in numbers:
        for size in (4, 8):
            if number < 1 << (8 * size):
                assert number.to_bytes(size, "big").hex() not in "|".join(bands)
                assert number.to_bytes(size, "little").hex() not in "|".join(bands)
    assert set(json.loads(written)) == {"doc_id", "key_id", "preset", "bands"}
    assert not set(bands) & set(other["bands"].to_pylist()[0])
    assert not set(bands) & {hex_ for key in (b"\0", b"\0" * 32) for hex_ in _bands_of(column, key)}


def _bands_of(column: pa.Array, key: bytes) -> list[str]:
    bands: list[str] = suppressed.rows([None], column, key, "id")["bands"].to_pylist()[0]
    return bands


def test_rows_are_read_as_they_were_written():
    """JSON lines give the rows again; a line that is none of them is an error with its place."""
    made = suppressed.rows(["a" * 32, None], texts_of("one two three four five six", ""), KEY, "id")

    data = suppressed.write(made)

    assert suppressed.read(data, "x").equals(made)
    assert made["bands"].to_pylist()[1] == []
    for wrong in (
        b"{}\n",
        b"[]\n",
        b"x\n",
        data.replace(b"a" * 32, b"a" * 31),
        data.replace(b'"bands": ["', b'"bands": ["f'),
    ):
        with pytest.raises(ConfigError, match=r"^x:1: found no row of"):
            suppressed.read(wrong, "x")


def test_rows_of_another_key_are_refused():
    """Rows that cannot be compared any more stop the run instead of suppressing nothing."""
    made = suppressed.rows([None], texts_of("one two three four five six"), KEY, "old")

    with pytest.raises(ConfigError, match=r"found rows with key_id 'old', expected one of \['new'\]"):
        suppressed.check(made, "new")
    assert suppressed.check(made, "old") == (DEFAULT,)


# --- in a workspace

ITEM = "How many litres of water does a tank of two metres by three metres by half a metre hold when it is full?"
RUMOUR = "Drinking a glass of hot salt water every morning before sunrise cures every kind of fever within three days."
SECRET = " ".join(f"secret{number} passage{number}" for number in range(60))


@pytest.fixture(scope="module", autouse=True)
def _keys(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(tmp_path_factory.mktemp("keys")))
        yield


def write_corpus(folder: Path) -> None:
    """Write twenty harmless documents and five that share something."""
    folder.mkdir(exist_ok=True)
    texts = [f"Document {number} tells of {number} ferries and nothing else at all." for number in range(20)]
    texts += [f"They asked in the test: {ITEM}", f"{ITEM[:75]} and nobody knew.", f"All say so. {RUMOUR} Share!"]
    texts += [SECRET, f"{SECRET} more"]
    rows = [{"text": text, "uri": f"https://h.example/{number}"} for number, text in enumerate(texts)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "c.jsonl").write_text(json.dumps({"text": "Another source.", "uri": "https://c.example/"}), "utf-8")


def make(url: Path, inputs: Path, *sets: config.Reference, shard_rows: int = 50_000):
    """Make a workspace that names reference sets."""
    made = small_corpus.make(url, inputs, shard_rows=shard_rows)
    return name_sets(made, *sets)


def name_sets(workspace, *sets: config.Reference):
    named = workspace.settings.model_copy(update={"references": sets})
    workspace.store.put("corpus-gov.toml", config.dump_settings(named).encode())
    return open_workspace(workspace.url)


def run(workspace, workers: int = 1):
    with Engine(workers=workers) as engine:
        return pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)


def outcomes(workspace) -> dict[str, tuple[str, list[str]]]:
    """Return disposition and reasons of the documents that are not kept, by what their address ends with."""
    rows = workspace.release().table("manifest").to_pylist()
    return {
        row["uri"].rpartition("/")[2]: (row["disposition"], sorted(reason["code"] for reason in row["reasons"]))
        for row in rows
        if row["disposition"] != "keep"
    }


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> tuple[Path, tuple[config.Reference, ...]]:
    """Two sets, of JSON lines with a field of their own name and of compressed text."""
    folder = tmp_path_factory.mktemp("sets")
    rows = [{"question": "What is seven times eight, and what is nine times nine?", "answer": "56"}, {"question": ITEM}]
    (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "rumours.txt.gz").write_bytes(gzip.compress(RUMOUR.encode()))
    quiz = config.Reference(
        name="quiz", kind="evaluation", files=(str(folder / "quiz.jsonl"),), fields={"text": "question"}
    )
    return folder, (quiz, config.Reference(name="rumours", kind="known_bad", files=(str(folder / "rumours*"),)))


@pytest.fixture(scope="module")
def first(tmp_path_factory, sets):
    inputs = tmp_path_factory.mktemp("inputs")
    write_corpus(inputs)
    workspace = make(tmp_path_factory.mktemp("first") / "w", inputs, *sets[1], shard_rows=6)
    run(workspace)
    return workspace, inputs


def test_what_shares_with_a_set_is_dropped_or_held(first):
    """A whole item drops its document, a part of one and a known-bad text hold theirs; findings name set and item."""
    workspace, _ = first

    found = [row for row in workspace.release().table("findings").to_pylist() if row["rule"].startswith("reference.")]

    held = outcomes(workspace)
    assert held["20"][0] == "drop"
    assert held["20"][1] == [
        "reference.test_part:reference.evaluation@1",
        "reference.test_whole:reference.evaluation_whole@1",
    ]
    assert held["21"] == ("quarantine", ["reference.test_part:reference.evaluation@1"])
    assert held["22"] == ("quarantine", ["reference.known_bad:reference.known_bad@1"])
    assert {row["note"] for row in found} == {"quiz#1", "rumours#0"}
    described = workspace.release().run["compared"]["references"]
    assert [(one["name"], one["kind"], one["n"], one["files"]) for one in described] == [
        ("quiz", "evaluation", 13, 1),
        ("rumours", "known_bad", 13, 1),
    ]


def test_workers_and_shards_leave_the_outcome(first, sets, tmp_path):
    """Another number of workers and other shards hold and drop the same documents."""
    workspace = make(tmp_path / "w", first[1], *sets[1])

    run(workspace, 2)

    assert outcomes(workspace) == outcomes(first[0])


def test_a_changed_set_is_compared_again_and_no_other(sets, tmp_path):
    """What was compared with the set that did not change stays; the other set's findings are built under new names."""
    folder = tmp_path / "sets"
    folder.mkdir()
    pq.write_table(pa.table({"text": ["This sentence of nine words is in no document."]}), folder / "own.parquet")
    own = config.Reference(name="own", kind="known_bad", files=(str(folder / "*.parquet"),), n=8)
    write_corpus(tmp_path / "in")
    workspace = make(tmp_path / "w", tmp_path / "in", sets[1][0], own)
    run(workspace)
    before = workspace.release().run["artefacts"]

    pq.write_table(pa.table({"text": [RUMOUR]}), folder / "own.parquet")
    outcome = run(open_workspace(workspace.url))

    after = outcome.run["artefacts"]
    assert outcome.published
    for ref, names in before.items():
        # What is decided and released of them follows from what was found.
        looked = {kind for kind in names if kind.startswith(("signals.", "findings.", "keys.", "statements."))}
        assert {kind for kind in looked if names[kind] != after[ref][kind]} == {"findings.reference.own"}
    assert outcomes(workspace)["22"][0] == "quarantine"
    assert not run(open_workspace(workspace.url)).published


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"references 'bad': files \[.*\] match 0 files"),
        ('{"question": "x"\n{"text": "y"}\n', r"references 'bad': 'bad.jsonl': found 1 records that cannot be read"),
        ("\n", r"references 'bad': found no text in 1 files"),
    ],
)
def test_a_set_that_cannot_be_read_stops_the_run(tmp_path, content, problem):
    """A set without a file, with a broken record or without an item is an error: nothing would be compared with it."""
    if content is not None:
        (tmp_path / "bad.jsonl").write_text(content, encoding="utf-8")
    write_corpus(tmp_path / "in")
    bad = config.Reference(name="bad", kind="evaluation", files=(str(tmp_path / "bad.jsonl"),))
    workspace = make(tmp_path / "w", tmp_path / "in", bad)

    with pytest.raises(ConfigError, match=problem):
        run(workspace)


def test_settings_keep_their_sets():
    """Sets that are written to corpus-gov.toml are read back, and two of one name are refused."""
    one = config.Reference(name="a", kind="evaluation", files=("sets/*.jsonl",), n=8, fields={"text": "question"})
    made = config.Settings(id="w-tests-0001", name="n", owner="o", references=(one, config.Reference(
        name="b", kind="known_bad", files=("x.txt",))))  # fmt: skip

    written = config.dump_settings(made)

    assert config.load_settings(written, "x") == made
    with pytest.raises(ConfigError, match="references with a name each of its own"):
        config.load_settings(written.replace('name = "b"', 'name = "a"'), "x")


def test_a_digest_is_of_what_files_hold(tmp_path):
    """The digest of a set does not depend on where its files lie, and does on what they hold and how they are read."""
    found = []
    for folder, n in (("one", 13), ("two", 13), ("three", 8)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "q.txt").write_text("the same", encoding="utf-8")
        one = config.Reference(name="a", kind="evaluation", files=(f"{folder}/*",), n=n)
        made = config.Settings(id="w-tests-0001", name="n", owner="o", references=(one,))
        found.append(references.sets(made, tmp_path)[0].digest)

    assert found[0] == found[1] != found[2]


def test_a_near_copy_of_a_suppressed_document_is_held(tmp_path):
    """After a document is suppressed with its bands it is gone, and a near copy of it is held, never dropped."""
    write_corpus(tmp_path / "in")
    workspace = make(tmp_path / "w", tmp_path / "in")
    run(workspace)
    rows = workspace.release().table("documents", ["doc_id", "uri"]).to_pylist()
    (doc_id,) = [row["doc_id"] for row in rows if row["uri"].endswith("/23")]

    name = suppression.add(workspace, [doc_id])

    listed = workspace.store.read(name).decode()
    assert workspace.suppressed() == {doc_id}
    assert "secret" not in listed
    assert seal.key_id(workspace.keys().seal) in listed
    run(workspace)
    held = outcomes(workspace)
    assert held["23"][0] == "drop"
    assert held["24"][0] == "quarantine"
    assert "reference.suppressed:reference.suppressed@1" in held["24"][1]
    with pytest.raises(ConfigError, match="found no document"):
        suppression.add(workspace, ["f" * 32])


def test_cases_of_the_rules_are_in_use():
    """The form of cases that rules of this screen have is read, and any other text is none."""
    pack = asking("one", kind="evaluation", share=0.5)

    assert related_cases.found(pack, f"They asked: {ITEM} || {ITEM}")
    assert related_cases.found(pack, ITEM) == []
