"""Classifiers: trained from a recipe, the same bytes each time; calibrated; pinned by digest; measured as signals."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import small_corpus
import zstandard
from documents import documents
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from corpus_gov import classifiers, cli, config, pipeline, policy, policyfile, recipes, scores, signals, training
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError, PolicyError
from corpus_gov.facts import facts
from corpus_gov.kernels.passages import MOST, passages
from corpus_gov.schemas import FINDINGS
from corpus_gov.stages import looking
from corpus_gov.workspace import open_workspace

RECIPE = """
name: toy
why: Tells two kinds of nonsense.
seed: 3
shape: {dim: 8, grams: 2, buckets: 2000, epochs: 8, rows: 2000}
data:
  - {name: own, files: [own.jsonl.zst], source: this test, licence: Apache-2.0, use: train, group: family}
  - {name: closed, files: [closed.jsonl], source: this test, licence: none stated, use: test,
     labels: {bet: gambling, fine: clean}}
"""
WORDS = {"gambling": ["下注", "赌场", "casino", "彩金", "返水"], "clean": ["天气", "公园", "weather", "吃饭", "读书"]}


def rows(number: int, seed: int) -> list[dict[str, str]]:
    """Make up texts of ten families a label."""
    chance = random.Random(seed)
    return [
        {"text": " ".join(chance.choices(words, k=9)) + f" {chance.random()}", "label": label, "family": f"{i % 10}"}
        for label, words in WORDS.items()
        for i in range(number)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder with the recipe and its files."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "toy.yaml").write_text(RECIPE, encoding="utf-8")
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows(150, 1)).encode()
    (folder / "own.jsonl.zst").write_bytes(zstandard.compress(lines))
    other = [row | {"label": {"gambling": "bet", "clean": "fine"}[row["label"]]} for row in rows(20, 2)]
    other += [{"text": "nobody asks", "label": "unmapped"}]
    (folder / "closed.jsonl").write_text("\n".join(map(json.dumps, other)) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Train it once; the folder, and the card."""
    out = tmp_path_factory.mktemp("model")
    return out, training.train(recipes.load(data / "toy.yaml"), data, out)


@pytest.fixture(scope="module")
def card(trained: tuple[Path, dict[str, Any]]) -> tuple[str, str]:
    """Path and digest of the card."""
    path = trained[0] / "toy.json"
    return str(path), classifiers.digest_of(path)


def test_the_same_recipe_gives_the_same_bytes(data: Path, trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Model, card and page are the same files when they are made again."""
    training.train(recipes.load(data / "toy.yaml"), data, tmp_path)

    names = sorted(path.name for path in trained[0].iterdir())
    assert names == ["toy.ftz", "toy.json", "toy.md"]
    assert [name for name in names if (tmp_path / name).read_bytes() != (trained[0] / name).read_bytes()] == []


def test_the_card_says_what_the_model_rests_on(trained: tuple[Path, dict[str, Any]]) -> None:
    """Data with digests and licences, sizes of the parts, scores of each set; unmapped rows are left out."""
    _, card = trained

    assert card["may_be_handed_on"] is True
    assert [(one["licence"], one["use"]) for one in card["data"]] == [("Apache-2.0", "train"), ("none stated", "test")]
    assert card["data"][1]["texts"] == {"clean": 20, "gambling": 20}
    assert card["training"]["texts"]["unseen"] == {"clean": 30, "gambling": 30}
    assert set(card["scores"]) == {"own families", "unseen families", "closed"}
    assert card["scores"]["closed"]["macro_f1"] > 9_500
    assert "| closed | test | none stated | this test | 40 |" in training.page(card)


def test_groups_are_never_torn() -> None:
    """All texts of a group and label have one role, but for those held out of training."""
    made = rows(200, 5)
    text, group = [row["text"] for row in made], [row["family"] for row in made]
    label = np.array([["clean", "gambling"].index(row["label"]) for row in made])

    role = training.roles(label, group, text, 1, ["clean", "gambling"])

    seen: dict[tuple[int, str], set[int]] = {}
    for place, name, one in zip(label.tolist(), group, role.tolist(), strict=True):
        seen.setdefault((place, name), set()).add(min(one, training.TRAIN) if one == training.OWN else one)
    assert all(len(found) == 1 for found in seen.values())
    assert set(role.tolist()) == {training.TRAIN, training.OWN, training.CALIBRATION, training.UNSEEN}


def test_a_closed_licence_is_named() -> None:
    """A model trained on texts that do not allow it is marked as not to be handed on."""
    text = RECIPE.replace("licence: Apache-2.0", "licence: CC-BY-NC-4.0")
    recipe = recipes.Recipe.model_validate(recipes.located.read_yaml(text, "toy")[0])

    assert recipe.open() is False


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.pop("label"), r"own\.jsonl:1: KeyError"),
        (lambda row: row.update(label="weather"), r"own\.jsonl:1: found label 'weather'"),
        (lambda row: row.update(text="only one"), "found 1 groups of texts"),
    ],
)
def test_bad_rows_are_named(change: Callable[[dict[str, str]], Any], message: str, data: Path, tmp_path: Path) -> None:
    """A row without a label, one with a label that nobody knows, and too few groups end training with a place."""
    made = [dict(row, family="") for row in rows(9, 1)]
    for row in made:
        change(row)
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, made)) + "\n", encoding="utf-8")
    text = RECIPE.replace("own.jsonl.zst", "own.jsonl")
    recipe = recipes.Recipe.model_validate(recipes.located.read_yaml(text, "toy")[0])
    (tmp_path / "closed.jsonl").write_bytes((data / "closed.jsonl").read_bytes())

    with pytest.raises(ConfigError, match=message):
        training.train(recipe, tmp_path, tmp_path / "out")


def test_the_command_prints_what_to_pin(data: Path, tmp_path: Path) -> None:
    """`corpus-gov train` writes the files, shows the page, and gives the lines for corpus-gov.toml."""
    done = CliRunner().invoke(cli.app, ["train", str(data / "toy.yaml"), str(tmp_path / "out"), "--data", str(data)])

    assert done.exit_code == 0, done.output
    assert classifiers.digest_of(tmp_path / "out" / "toy.json") in done.output
    assert "[[models]]" in done.output


def test_probabilities_follow_the_texts(card: tuple[str, str]) -> None:
    """A text of the label is likely to be so, another is not, and one advertisement in a long page stays visible."""
    page = "天气 公园 吃饭 读书 " * 60
    batch = documents(
        ["下注 彩金 返水 赌场 casino", "天气 公园 weather", page + "\n" + "下注 彩金 返水 赌场 " * 12, ""]
    )

    found = signals.measure("classifiers", batch, {"cards": [card]}).to_pydict()

    advert, plain, mixed, empty = zip(found["gambling"], found["gambling_most"], strict=True)
    assert min(advert) > 8_000
    assert max(plain) < 2_000
    assert mixed[0] < 4_000
    assert mixed[1] > 8_000
    assert empty == (0, 0)
    assert found["fraud"] == [None] * 4


@given(
    st.lists(st.text(st.sampled_from("下注赌天气公园ab1 \n"), max_size=300), min_size=1, max_size=5), st.integers(0, 5)
)
def test_any_cut_gives_the_same_probabilities(card: tuple[str, str], values: list[str], cut: int) -> None:
    """Measuring slices is measuring the whole, with a model too."""
    batch, params = documents(values), {"cards": [card]}

    parts = [signals.measure("classifiers", part, params) for part in (batch.slice(0, cut), batch.slice(cut))]

    assert pa.concat_batches(parts).equals(signals.measure("classifiers", batch, params))


def test_a_label_has_one_model(card: tuple[str, str]) -> None:
    """Two models for one label would leave open which one a policy means."""
    with pytest.raises(ConfigError, match="knows label 'gambling', which a model before it gives"):
        signals.measure("classifiers", documents(["a"]), {"cards": [card, card]})


@pytest.mark.parametrize("which", ["toy.json", "toy.ftz"])
def test_changed_files_are_refused(which: str, trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Neither card nor model may be other than what was pinned."""
    for name in ("toy.json", "toy.ftz"):
        (tmp_path / name).write_bytes((trained[0] / name).read_bytes())
    pinned = classifiers.digest_of(tmp_path / "toy.json")
    (tmp_path / which).write_bytes((tmp_path / which).read_bytes() + b" ")

    with pytest.raises(IntegrityError, match=rf"{which}: SHA-256"):
        classifiers.load(tmp_path / "toy.json", pinned)


def test_a_card_of_another_view_is_refused(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """A model that was trained on texts prepared in another way gives no numbers."""
    changed = trained[1] | {"view": trained[1]["view"] | {"version": 0}}
    (tmp_path / "toy.json").write_text(json.dumps(changed), encoding="utf-8")

    with pytest.raises(ConfigError, match="found format and view"):
        classifiers.load(tmp_path / "toy.json", classifiers.digest_of(tmp_path / "toy.json"))


def judged(clause: str, measured: Mapping[str, pa.Table], batch: pa.RecordBatch) -> pa.Table:
    """Judge documents by one clause."""
    text = f"""
policy: one
version: 1
why: A test.
clauses: [{{id: c, when: "{clause}", disposition: drop, why: A test.}}]
election: {{order: [oldest]}}
"""
    optouts = pa.table({"doc_id": pa.array([], pa.string()), "state": pa.array([], pa.string()),
                        "digest": pa.array([], pa.string())})  # fmt: skip
    known = facts(pa.Table.from_batches([batch]), measured, FINDINGS.empty_table(), optouts, {}, [])
    return policy.judge(policyfile.read(text, "one.yaml"), known)


def test_without_a_model_nothing_reads_as_clean(card: tuple[str, str]) -> None:
    """No family: the clause is an error. No model for the label: not evaluated, which quarantines."""
    batch = documents(["天气 公园"])
    table = pa.Table.from_batches([signals.measure("classifiers", batch, {"cards": [card]})])

    known = judged("classifiers.gambling > 0.9", {"classifiers": table}, batch)
    unknown = judged("classifiers.fraud > 0.9", {"classifiers": table}, batch)

    assert known["disposition"].to_pylist() == ["keep"]
    assert unknown["disposition"].to_pylist() == ["quarantine"]
    with pytest.raises(PolicyError, match=r"found column 'classifiers\.gambling'"):
        judged("classifiers.gambling > 0.9", {}, batch)


def test_settings_name_classifiers() -> None:
    """[[models]] is read and written back."""
    text = f'id = "abcdefgh"\nname = "n"\nowner = "o"\n[[models]]\ncard = "m/harm.json"\nsha256 = "{"0" * 64}"\n'

    settings = config.load_settings(text, "corpus-gov.toml")

    assert settings.models[0].card == "m/harm.json"
    assert config.load_settings(config.dump_settings(settings), "again") == settings


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=200))
def test_calibration_never_falls(pairs: list[tuple[float, bool]]) -> None:
    """A higher raw probability never means a lower one, knots ascend, and nothing is certain."""
    raw, true = np.array([one for one, _ in pairs]), np.array([one for _, one in pairs])

    knots, shares = scores.isotonic(raw, true)

    assert 1 <= len(knots) <= scores.MOST_KNOTS
    assert knots == sorted(set(knots))
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] < 10_000


def test_calibration_finds_the_shares() -> None:
    """Where .2 means one in ten and .8 means nine in ten, the curve says so."""
    raw = np.repeat([0.2, 0.8], 1000)
    true = np.concatenate([np.arange(1000) % 10 == 0, np.arange(1000) % 10 != 0])

    knots, shares = scores.isotonic(raw, true)

    assert knots == [2_000, 8_000]
    assert shares == pytest.approx([1_000, 9_000], abs=10)


def test_scores_are_counted_by_hand() -> None:
    """Precision, recall and F1 of a small table; a label that is never true has no row."""
    found = scores.by_label(np.array([0, 0, 1, 1]), np.array([0, 1, 1, -1]), ["a", "b", "c"])

    assert found["labels"]["a"] == {"precision": 10_000, "recall": 5_000, "f1": 6_667, "texts": 2}
    assert found["labels"]["b"] == {"precision": 5_000, "recall": 5_000, "f1": 5_000, "texts": 2}
    assert found["macro_f1"] == round((6_667 + 5_000) / 2)
    assert set(found["labels"]) == {"a", "b"}


@given(st.lists(st.text(st.sampled_from("中文ａＢ1 \n。🙂é㍍\u200b"), max_size=400), max_size=5))
def test_passages_lose_no_token(values: list[str]) -> None:
    """Passages joined again are the tokens of the whole, none has more than MOST, and rows ascend."""
    cut = passages(pa.array(values, pa.large_string()))

    assert all(0 < len(text.split(" ")) == n <= MOST for text, n in zip(cut.text.to_pylist(), cut.tokens, strict=True))
    assert (np.diff(cut.rows) >= 0).all()
    for row, value in enumerate(values):
        # Without line ends there is nothing but the length to cut at.
        flat = passages(pa.array([value.replace("\n", " ")], pa.large_string()))
        mine = [text for text, at in zip(cut.text.to_pylist(), cut.rows, strict=True) if at == row]
        assert " ".join(mine).split() == " ".join(flat.text.to_pylist()).split()


def test_passages_are_what_the_view_says() -> None:
    """Han characters stand alone, words are folded, every digit is 0, and a long line is cut."""
    cut = passages(pa.array(["你好，World 138-0013\nＡＢＣ", None, "中" * (MOST + 2)], pa.large_string()))

    assert cut.text[0].as_py() == "你 好 world 000 0000 abc"
    assert cut.tokens.tolist() == [6, MOST, 2]
    assert cut.rows.tolist() == [0, 2, 2]


ONE_CLAUSE = """
policy: models
version: 1
why: A test.
clauses: [{id: bets, when: classifiers.gambling > 0.9, disposition: quarantine, why: A test.}]
election: {order: [oldest]}
"""


def test_a_run_measures_by_named_models(card: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace that names a card measures by it, a policy decides by it, and another card gives another artefact."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    rows = [{"text": "下注 彩金 返水 赌场 casino 下注 返水", "uri": "https://a.example/1"},
            {"text": "天气 公园 吃饭 读书 weather", "uri": "https://a.example/2"}]  # fmt: skip
    for name, row in zip(("a.jsonl", "c.jsonl"), rows, strict=True):
        (tmp_path / name).write_text(json.dumps(row) + "\n", encoding="utf-8")
    (tmp_path / "models.yaml").write_text(ONE_CLAUSE, encoding="utf-8")
    workspace = small_corpus.make(tmp_path / "w", tmp_path, policy=str(tmp_path / "models.yaml"))
    settings = tmp_path / "w" / "corpus-gov.toml"
    pinned = f'\n[[models]]\ncard = "{card[0]}"\nsha256 = "{card[1]}"\n'
    settings.write_text(settings.read_text(encoding="utf-8") + pinned, encoding="utf-8")
    workspace = open_workspace(workspace.url)

    with Engine(workers=1) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)

    release = workspace.release(outcome.release)
    decided = release.sql("select uri, disposition from manifest order by uri").fetchall()
    assert decided == [("https://a.example/1", "quarantine"), ("https://a.example/2", "keep")]
    shard = workspace.shards()[0]
    other = replace(workspace.context(), models=((card[0], "0" * 64),))
    names = [looking.artefact_names(context, shard) for context in (workspace.context(), other)]
    assert {kind for kind in names[0] if names[0][kind] != names[1][kind]} == {"signals.classifiers"}
