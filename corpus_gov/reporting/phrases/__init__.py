"""The texts of the release report, one table of phrases for each language: en.yaml and zh.yaml beside this file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from corpus_gov.errors import ConfigError
from corpus_gov.located import read_yaml

LANGUAGES: Final[Mapping[str, str]] = {"en": "en", "zh": "zh-CN"}
"""Languages of the report, and how HTML names them."""


@dataclass(frozen=True)
class Phrases:
    """The texts of one language; calling it with a key and values gives a sentence."""

    language: str
    table: Mapping[str, str]

    def __call__(self, key: str, **values: Any) -> str:
        """Return a phrase with its values; numbers are grouped. A KeyError is a bug of the caller."""
        return self.table[key].format(**{name: written(value) for name, value in values.items()})

    def name(self, kind: str, value: str | None) -> str:
        """Return what a value is called, such as ("outcome", "repeat"); a value without a phrase stands for itself."""
        return self("unknown") if value is None else self.table.get(f"{kind}.{value}", value)


def written(value: Any) -> str:
    """Write a number with its thousands apart; anything else as it is."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@cache
def load(language: str) -> Phrases:
    """Read the phrases of a language.

    Raises:
        ConfigError: there is no such language.
    """
    if language not in LANGUAGES:
        raise ConfigError(f"--language: found {language!r}, expected one of {', '.join(LANGUAGES)}; give one of those")
    text = files(__package__).joinpath(f"{language}.yaml").read_text(encoding="utf-8")
    table, _ = read_yaml(text, f"{language}.yaml")
    return Phrases(language, table)
