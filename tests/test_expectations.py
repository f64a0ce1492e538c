"""Suites of expectations: parsed with the place of what is wrong, shipped ones kept whole, nothing in them is run."""

import pytest

from corpus_gov import aggregates, expectations
from corpus_gov.errors import ConfigError
from corpus_gov.store import MemoryStore

GOOD = """\
expectations:
  - id: web.enough
    table: sources
    only: {source_id: [web]}
    expect: expect_column_values_to_be_between
    column: released
    min_value: 1000
    says: the crawl gives 1,000 documents
"""

WRONG = {
    "no yaml": ("expectations: [", "mine.yaml:2"),
    "no list": ("expectations: 3\n", "mine.yaml:1: expectations"),
    "empty": ("", "mine.yaml:1: found a NoneType"),
    "another key above": ("rules: []\n", "mine.yaml:1: rules: found an unknown key"),
    "a text for an entry": ("expectations:\n  - web\n", "mine.yaml:2: found a str"),
    "an alias": (GOOD.replace("[web]", "&a [web]"), "mine.yaml:4: found an alias or anchor"),
    "a tag": (GOOD.replace("1000", "!!python/object/apply:os.system [id]"), "mine.yaml:7: found a tag"),
    "an unknown kind": (
        GOOD.replace("expect_column_values_to_be_between", "unexpected_rows_expectation"),
        "mine.yaml:5: expectation 'web.enough': expect: found 'unexpected_rows_expectation'",
    ),
    "a pattern": (
        GOOD.replace("column_values_to_be_between", "column_values_to_match_regex"),
        "mine.yaml:5: expectation 'web.enough': expect: found",
    ),
    "an unknown table": (GOOD.replace("sources", "documents"), "mine.yaml:3: expectation 'web.enough': table: found"),
    "a column of no table": (GOOD.replace("released", "text"), "mine.yaml:6: expectation 'web.enough': column: found"),
    "a column of words": (GOOD.replace("released", "source_id"), "mine.yaml:6: expectation 'web.enough': column"),
    "no bound": (GOOD.replace("    min_value: 1000\n", ""), "found neither min_value nor max_value"),
    "bounds exchanged": (
        GOOD.replace("1000", "2\n    max_value: 1"),
        "mine.yaml:7: expectation 'web.enough': min_value",
    ),
    "not a number": (GOOD.replace("1000", ".nan"), "mine.yaml:7: expectation 'web.enough': min_value: found nan"),
    "no end": (GOOD.replace("1000", ".inf"), "found inf, expected a number"),
    "beyond floats": (GOOD.replace("1000", "1" + "0" * 40), "expected a number"),
    "yes for a number": (GOOD.replace("1000", "yes"), "found True, expected a number"),
    "a parameter of another kind": (GOOD + "    value_set: [1]\n", "mine.yaml:9: expectation 'web.enough': value_set"),
    "rows of no column": (GOOD.replace("{source_id", "{host"), "mine.yaml:4: host: found an unknown key"),
    "rows of no value": (GOOD.replace("[web]", "[]"), "mine.yaml:4: source_id: found []"),
    "rows of another type": (GOOD.replace("[web]", "[1]"), "expected a list of 1 to 1000 texts"),
    "no sentence": (GOOD.replace("says: the", "say: the"), "found an unknown key"),
    "an id with spaces": (GOOD.replace("web.enough", "web enough"), "id: found 'web enough'"),
    "a share of more than one": (GOOD + "    mostly: 1.5\n", "found 1.5, expected a number above 0, at most 1"),
    "no column": (GOOD.replace("    column: released\n", ""), "found no key 'column'"),
}


def test_a_suite_is_read():
    """A good suite gives its expectation, with the sentence for every language."""
    (one,) = expectations.read(GOOD.encode(), "mine.yaml")

    assert (one.id, one.table, one.params) == ("web.enough", "sources", {"column": "released", "min_value": 1000})
    assert one.only == {"source_id": ("web",)}
    assert one.says == {"en": "the crawl gives 1,000 documents", "zh": "the crawl gives 1,000 documents"}
    assert one.where == "mine.yaml:2"


@pytest.mark.parametrize("name", WRONG)
def test_a_malformed_suite_says_where(name):
    """Whatever is wrong with a suite is a ConfigError of one line with file and line; nothing passes silently."""
    text, said = WRONG[name]

    with pytest.raises(ConfigError) as caught:
        expectations.read(text.encode(), "mine.yaml")

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_are_refused():
    """A file that is no UTF-8 is an error of configuration too."""
    with pytest.raises(ConfigError, match="no UTF-8"):
        expectations.read(b"\xff\xfe", "mine.yaml")


def test_the_shipped_suite_has_both_languages_and_every_table():
    """Every shipped expectation says what holds in English and Chinese, and each table is looked at."""
    suites = expectations.load(MemoryStore("expectations-shipped"))

    assert {one.table for one in suites.expectations} == {*aggregates.TABLES}
    assert all(one.says["en"] != one.says["zh"] for one in suites.expectations)
    assert list(suites.files) == ["shipped/release.yaml"]


def test_a_workspace_adds_and_replaces():
    """A suite of the workspace adds expectations, and one under a shipped id takes its place."""
    store = MemoryStore("expectations-own")
    store.put("expectations/mine.yaml", GOOD.encode())
    looser = GOOD.replace("web.enough", "sources.removed").replace("released", "removed_share").replace("1000", "0.1")
    store.put("expectations/other.yaml", looser.encode())

    found = {one.id: one for one in expectations.load(store).expectations}

    assert found["web.enough"].where == "expectations/mine.yaml:2"
    assert found["sources.removed"].params == {"column": "removed_share", "min_value": 0.1}


@pytest.mark.parametrize(
    "files",
    [
        {"expectations/mine.yaml": GOOD.replace("web.enough", "manifest.distinct")},
        {"expectations/a.yaml": GOOD, "expectations/b.yaml": GOOD},
    ],
    ids=["fixed", "twice"],
)
def test_what_is_fixed_or_there_twice_is_refused(files):
    """What holds by construction cannot be loosened, and two suites of a workspace cannot share an id."""
    store = MemoryStore(f"expectations-refused-{len(files)}")
    for name, text in files.items():
        store.put(name, text.encode())

    with pytest.raises(ConfigError, match=r"found the id of .* again"):
        expectations.load(store)
