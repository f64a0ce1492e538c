"""What must hold of a draft before it is released: YAML to frozen expectations.

    id: web.enough                                  unique among all suites
    table: sources                                   one of `aggregates.TABLES`
    only: {source_id: [web]}                        rows that it is about; all without it
    expect: expect_column_values_to_be_between      one of KINDS, under its name in Great Expectations
    column: released
    min_value: 1000
    says: {en: the crawl gives 1,000 documents, zh: 抓取来源至少给出一千篇文档}

Suites may come from elsewhere: nothing in them is run, and an expectation that could not say anything (an unknown
column, bounds the wrong way round) is an error where it stands, not a test that passes.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa

from corpus_gov import aggregates, register
from corpus_gov.errors import ConfigError
from corpus_gov.located import Entry
from corpus_gov.rules import shipped
from corpus_gov.store import Store

LANGUAGES: Final = ("en", "zh")
FOLDER: Final = "expectations"
EXPECTATIONS_MOST: Final = 1_000
VALUES_MOST: Final = 1_000

BOUNDS: Final = ("min_value", "max_value")
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "expect_table_row_count_to_be_between": BOUNDS,
    "expect_column_values_to_be_between": ("column", *BOUNDS, "mostly"),
    "expect_column_values_to_be_in_set": ("column", "value_set", "mostly"),
    "expect_column_values_to_not_be_in_set": ("column", "value_set", "mostly"),
    "expect_column_values_to_not_be_null": ("column", "mostly"),
    "expect_column_values_to_be_unique": ("column",),
    "expect_column_distinct_values_to_contain_set": ("column", "value_set"),
    "expect_column_unique_value_count_to_be_between": ("column", *BOUNDS),
    "expect_column_sum_to_be_between": ("column", *BOUNDS),
    "expect_column_min_to_be_between": ("column", *BOUNDS),
    "expect_column_max_to_be_between": ("column", *BOUNDS),
    "expect_column_mean_to_be_between": ("column", *BOUNDS),
    "expect_column_median_to_be_between": ("column", *BOUNDS),
    "expect_column_pair_values_to_be_equal": ("column_A", "column_B", "mostly"),
    "expect_column_pair_values_a_to_be_greater_than_b": ("column_A", "column_B", "or_equal", "mostly"),
}
"""Expectations of Great Expectations that may be asked for, and what each is told. Those that take code, queries or
patterns are left out: a suite is data."""

OF_ANY: Final = frozenset({
    "expect_column_values_to_be_in_set", "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_be_null", "expect_column_values_to_be_unique",
    "expect_column_distinct_values_to_contain_set", "expect_column_unique_value_count_to_be_between",
})  # fmt: skip
"""Those that a column of words can be asked; the others need numbers."""

_KEYS: Final = ("id", "table", "only", "expect", "fixed", "says")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Expectation:
    """One thing that must hold.

    Attributes:
        id: unique.
        table: one of `aggregates.TABLES`.
        kind: one of KINDS.
        params: what the kind is told.
        only: column and values of the rows that it is about; empty is all rows.
        fixed: a workspace cannot replace it.
        says: what holds, by language.
        where: file and line.
    """

    id: str
    table: str
    kind: str
    params: Mapping[str, Any]
    only: Mapping[str, tuple[Any, ...]]
    fixed: bool
    says: Mapping[str, str]
    where: str


@dataclass(frozen=True)
class Suites:
    """All expectations in force, and the SHA-256 of the files that they were read from."""

    expectations: tuple[Expectation, ...]
    files: Mapping[str, str] = field(default_factory=dict)


def load(store: Store) -> Suites:
    """Read the shipped suite and those of a workspace.

    Raises:
        ConfigError: with file and line: a suite is malformed, or replaces what is fixed.
    """
    found: dict[str, Expectation] = {}
    files: dict[str, str] = {}
    own = shipped(FOLDER).joinpath("release.yaml").read_bytes()
    for name, data in {"shipped/release.yaml": own, **register.objects(store, FOLDER, ".yaml")}.items():
        files[name] = sha256(data).hexdigest()
        for one in read(data, name):
            before = found.get(one.id)
            if before and (before.fixed or not before.where.startswith("shipped/")):
                raise ConfigError(
                    f"{one.where}: expectation {one.id!r}: found the id of {before.where} again, expected one of its "
                    "own; rename it"
                )
            found[one.id] = one
    if len(found) > EXPECTATIONS_MOST:
        raise ConfigError(
            f"{FOLDER}/: found {len(found)} expectations, expected at most {EXPECTATIONS_MOST}; remove some"
        )
    return Suites(tuple(found.values()), files)


def read(data: bytes, where: str) -> list[Expectation]:
    """Parse one suite.

    Args:
        data: its content, YAML in UTF-8.
        where: its name in messages.

    Raises:
        ConfigError: says file, line, what was found and what was expected.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{where}:1: found bytes that are no UTF-8, expected YAML in UTF-8; save it as that"
        ) from error
    top = Entry.read(text, where, ConfigError)
    top.only(("expectations",))
    return [_expectation(entry) for entry in top.entries("expectations", "expectation")]


def _expectation(entry: Entry) -> Expectation:
    if not isinstance(entry.content, dict):
        entry.only(_KEYS)
    kind = entry.choice("expect", tuple(KINDS))
    entry.only((*_KEYS, *KINDS[kind]))
    table = entry.choice("table", tuple(aggregates.TABLES))
    schema = aggregates.TABLES[table]
    params = {key: _param(entry, key, kind, schema) for key in KINDS[kind] if key in entry.content}
    _check_params(entry, kind, params)
    where = f"{entry.where}:{entry.line()}"
    return Expectation(
        entry.text("id", _ID), table, kind, params, _only(entry, schema), entry.flag("fixed"), _says(entry), where
    )


def _param(entry: Entry, key: str, kind: str, schema: pa.Schema) -> Any:
    if key.startswith("column"):
        numbers = [name for name in schema.names if kind in OF_ANY or not _of_words(schema, name)]
        return entry.choice(key, tuple(numbers))
    if key == "value_set":
        return list(_values(entry, key, entry.get(key), entry.content.get("column"), schema))
    if key == "or_equal":
        return entry.flag(key)
    value = entry.get(key)
    fits = not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
    if not fits or abs(value) > 2**53 or (key == "mostly" and not 0 < value <= 1):
        expected = "a number above 0, at most 1" if key == "mostly" else "a number"
        raise entry.error(key, f"found {value!r:.80}, expected {expected}; correct it")
    return value


def _check_params(entry: Entry, kind: str, params: Mapping[str, Any]) -> None:
    asked = KINDS[kind]
    missing = [key for key in asked if key.startswith(("column", "value_set")) and key not in params]
    if missing:
        raise entry.error(None, f"found no key {missing[0]!r}; add it")
    if "min_value" in asked:
        low, high = (params.get(key) for key in BOUNDS)
        if low is None and high is None:
            raise entry.error(None, "found neither min_value nor max_value, expected one at least; add it")
        if low is not None and high is not None and low > high:
            raise entry.error("min_value", f"found {low!r} above max_value {high!r}, expected no more; exchange them")


def _of_words(schema: pa.Schema, column: str) -> bool:
    return bool(pa.types.is_string(schema.field(column).type))


def _values(entry: Entry, key: str, values: Any, column: Any, schema: pa.Schema) -> tuple[Any, ...]:
    kinds: tuple[type, ...] = (str,) if column in schema.names and _of_words(schema, column) else (int, float)
    fits = isinstance(values, list) and 0 < len(values) <= VALUES_MOST
    if not fits or any(isinstance(one, bool) or not isinstance(one, kinds) for one in values):
        said = "texts" if kinds == (str,) else "numbers"
        raise entry.error(key, f"found {values!r:.80}, expected a list of 1 to {VALUES_MOST} {said}; write it as [...]")
    return tuple(values)


def _only(entry: Entry, schema: pa.Schema) -> dict[str, tuple[Any, ...]]:
    if "only" not in entry.content:
        return {}
    below = entry.below("only")
    below.only(tuple(schema.names))
    return {column: _values(below, column, values, column, schema) for column, values in below.content.items()}


def _says(entry: Entry) -> dict[str, str]:
    """Return the sentence in each language; one alone stands for all."""
    if isinstance(entry.get("says"), str):
        return dict.fromkeys(LANGUAGES, entry.text("says"))
    below = entry.below("says")
    below.only(LANGUAGES)
    if not below.content:
        raise entry.error("says", f"found nothing, expected a sentence in one of {LANGUAGES!r}; write it")
    said = {language: below.text(language) for language in below.content}
    return {language: said.get(language, next(iter(said.values()))) for language in LANGUAGES}
