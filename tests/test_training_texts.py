"""training/: texts that the project writes itself, the same from the same seed, inside of the stated boundary."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpus_gov import recipes
from corpus_gov.classifiers import LABELS, NONE

FOLDER = Path(__file__).parent.parent / "training"
sys.path.insert(0, str(FOLDER))

import write_spun  # noqa: E402
import write_texts  # noqa: E402

NEVER = (
    "未成年",
    "幼女",
    "幼童",
    "萝莉",
    "正太",
    "小学生",
    "初中生",
    "援交",
    "teen",
    "underage",
    "schoolgirl",
    "child",
)
"""Never in what offers or asks for sexual content."""


@pytest.fixture(params=["zh", "en"])
def templates(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Read the templates of a language."""
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{request.param}.yaml").read_text(encoding="utf-8"))
    return loaded


def test_templates_are_whole(templates: dict[str, Any]) -> None:
    """Families have names of their own and labels that classifiers know, and every slot is there."""
    names = [family["family"] for family in templates["families"]]
    written = [text for family in templates["families"] for text in family["templates"]]
    written += [text for values in templates["slots"].values() for text in values]

    assert len(set(names)) == len(names)
    assert {family["label"] for family in templates["families"]} <= {NONE, *LABELS}
    assert {slot for text in written for slot in write_texts._SLOT.findall(text)} <= set(templates["slots"])


def test_every_label_has_families_to_hold_out(templates: dict[str, Any]) -> None:
    """Five families a label are the least that can be dealt out, and hard negatives are among the clean ones."""
    families = defaultdict(list)
    for family in templates["families"]:
        families[family["label"]].append(family["family"])

    assert min(len(names) for names in families.values()) >= 5
    assert sum("warn." in name for name in families[NONE]) >= 5


def test_the_same_seed_gives_the_same_texts(templates: dict[str, Any]) -> None:
    """Texts differ by seed, repeat with it, and no slot is left open."""
    first, again, other = (list(write_texts.texts(templates, seed, 5)) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert not any("{" in row["text"] or not row["text"] for row in first)


def test_the_boundary_holds(templates: dict[str, Any]) -> None:
    """No text that offers sexual content speaks of minors."""
    texts = [row["text"].lower() for row in write_texts.texts(templates, 3, 60) if row["label"] == "pornography"]

    assert texts
    assert [(word, text) for text in texts for word in NEVER if word in text] == []


def test_the_recipe_may_be_handed_on() -> None:
    """The recipe trains on open licences alone; closed sets are only scored."""
    recipe = recipes.load(FOLDER / "harm.yaml")

    assert recipe.open()
    assert {one.name for one in recipe.data if one.use == "test"} >= {"chineseharm", "fbs_sms"}


def test_shuffled_articles() -> None:
    """An article is trained on in one form or held out in both; a shuffle keeps its clauses; the seed says all."""
    articles = ["".join(f"第{i}篇的第{k}句，" for k in range(12)) for i in range(40)]

    train, test = write_spun.rows([*articles, "太短，不用。"], 7)

    assert (train, test) == write_spun.rows(articles, 7) != write_spun.rows(articles, 8)
    assert {row["label"] for row in train} == {row["label"] for row in test} == {"clean", "spun"}
    assert len(train) + len(test) // 2 == len(articles)
    whole = {"".join(sorted(article)) for article in articles}
    assert {"".join(sorted(row["text"])) for row in train + test} == whole
    assert all((row["text"] in articles) == (row["label"] == "clean") for row in train + test)


@pytest.mark.parametrize("name", ["harm", "quality", "spun"])
def test_recipes_are_read(name: str) -> None:
    """Every recipe of the repository can be read; a model of texts of no stated licence may not be handed on."""
    assert recipes.load(FOLDER / f"{name}.yaml").open() == (name == "harm")
