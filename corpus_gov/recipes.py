"""Recipes: how a classifier is trained, from which texts, under which licences; YAML that people write."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StrictInt

from corpus_gov import located
from corpus_gov.config import Line, Written, checked
from corpus_gov.errors import ConfigError

OPEN: Final = ("Apache-2.0", "MIT", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "public-domain")
"""SPDX ids of licences under which a model trained on a text may be handed on; of CC BY the card names the author."""


class Shape(Written):
    """The size of the model and the way it is trained."""

    dim: Annotated[StrictInt, Field(ge=2, le=300)] = 16
    grams: Annotated[StrictInt, Field(ge=1, le=5)] = 3
    """Longest n-gram of tokens; of Han characters, since each is a token."""
    buckets: Annotated[StrictInt, Field(ge=1_000, le=20_000_000)] = 200_000
    epochs: Annotated[StrictInt, Field(ge=1, le=100)] = 10
    rate: Annotated[float, Field(gt=0, le=2)] = 0.5
    rows: Annotated[StrictInt, Field(ge=1_000, le=2_000_000)] = 30_000
    """Words and n-grams that the quantised model keeps."""


class Data(Written):
    """Labelled texts: JSON lines (also .gz, .zst) with `text` and `label`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    files: Annotated[tuple[Line, ...], Field(min_length=1)]
    """Relative to the folder that is given with --data."""
    source: Line
    """Who made the texts."""
    licence: Line
    """SPDX id, or what is known of it."""
    use: Literal["train", "test"]
    """test: never trained on, only scored."""
    labels: dict[str, Line] = Field(default_factory=dict)
    """Their label → ours; rows with others are left out. Without any, theirs are ours."""
    group: Line | None = None
    """Key of rows that belong together, such as a template family: never in training and in a score of unseen ones."""
    most: Annotated[StrictInt, Field(ge=1)] | None = None
    """Rows of a label; which, the seed says."""


class Recipe(Written):
    """One classifier."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    why: Line
    seed: Annotated[StrictInt, Field(ge=0, lt=2**31)] = 7
    shape: Shape = Shape()
    data: Annotated[tuple[Data, ...], Field(min_length=1)]

    def open(self) -> bool:
        """Say whether every text that the model is trained on allows handing it on."""
        return all(one.licence in OPEN for one in self.data if one.use == "train")


def load(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: there is no such file, or what is wrong with it, by line and key.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r}: {type(error).__name__}; expected the YAML file of a recipe") from error
    return checked(Recipe, *located.read_yaml(text, path.name), path.name)
