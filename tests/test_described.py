"""Every signal has a description, a unit, bounds and a source, and keeps to them."""

import pytest
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cuts import BODY

from corpus_gov import signals
from corpus_gov.described import SOURCES, described
from corpus_gov.schemas import SCALE

FAMILIES = tuple(family for family in signals.families() if family != "classifiers")
TEXTS = st.lists(
    st.sampled_from([*BODY, "free money {{x}}", "\n", "1.\n", "【广告】", "ABC def", "赌 场 开 户"])
    | st.text(max_size=9)
)


@pytest.mark.parametrize("family", signals.families())
def test_every_signal_is_described(family: str) -> None:
    """Description, unit and source are there, and bounds for all that is a number; each family has a source."""
    found = described(family)

    assert found or family == "classifiers"
    assert SOURCES[family]
    assert [name for name, one in found.items() if len(one.description) < 10 or not one.description.endswith(".")] == []
    assert [name for name, one in found.items() if not (one.unit and one.source)] == []
    assert {one.unit for one in found.values() if one.low is None} <= {"name", "thousandths of a natural logarithm"}


@pytest.mark.parametrize("family", FAMILIES)
@settings(deadline=None, max_examples=25)
@given(parts=TEXTS)
def test_signals_keep_to_their_bounds(family: str, parts: list[str]) -> None:
    """Whatever a text is made of, its signals lie between the bounds that are stated for them."""
    (row,) = signals.measure(family, documents(["".join(parts)]), {}).to_pylist()

    wrong = []
    for name, one in described(family).items():
        value = row[name] / SCALE if one.unit == "share" else row[name]
        if (one.low is not None and value < one.low) or (one.high is not None and value > one.high):
            wrong.append((name, value))
    assert wrong == []


def test_definitions_of_others_are_named() -> None:
    """A signal that somebody else defined says who."""
    quality = described("quality")

    assert quality["n_words"].source == "RedPajama-V2 (arXiv:2411.12372)"
    assert quality["n_hashes"].source == "Rae et al. 2021 (arXiv:2112.11446)"
    assert quality["n_curly"].source == "C4 (Raffel et al. 2020)"
