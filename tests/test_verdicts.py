"""verdicts: Wilson bounds, the three-way verdict, samples that can be drawn again."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import alarms, policy, policyfile, verdicts
from corpus_gov.errors import ConfigError


@pytest.mark.parametrize(
    ("counted", "accepted", "rejected"),
    [(100, 0, 10), (200, 3, 17), (500, 15, 35), (1_000, 36, 64), (4_000, 172, 228)],
)
def test_the_verdict_turns_where_the_arithmetic_says(counted: int, accepted: int, rejected: int) -> None:
    """A sample is accepted up to the largest, rejected from the smallest number whose bounds allow it."""
    said = [verdicts.verdict(bad, counted).verdict for bad in (accepted, accepted + 1, rejected - 1, rejected)]

    assert said == ["accept", "undecided", "undecided", "reject"]


def test_a_small_sample_is_never_accepted() -> None:
    """Of 59 documents none may be bad, and the upper bound is still above 5 %."""
    assert verdicts.verdict(0, 59).verdict == "undecided"
    assert verdicts.verdict(7, 59).verdict == "reject"
    assert verdicts.verdict(0, 0).verdict == "undecided"


def test_bounds_are_those_of_the_formula() -> None:
    """160 of 4,000 lie between 3.44 and 4.65 %."""
    lower, upper = verdicts.wilson(160, 4_000)

    assert (round(lower, 4), round(upper, 4)) == (0.0344, 0.0465)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_bounds_hold_the_share(pair: tuple[int, int]) -> None:
    """The share lies between its bounds, and the bounds between 0 and 1."""
    found = verdicts.verdict(*pair)

    assert 0 <= found.lower <= found.share <= found.upper <= 10_000


@pytest.mark.parametrize("pair", [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(pair: tuple[int, int]) -> None:
    """More bad documents than documents is a mistake of the caller."""
    with pytest.raises(ConfigError, match="expected 0 to all of them"):
        verdicts.verdict(*pair)


def test_sources_are_judged_by_every_tally() -> None:
    """A tally that was not screened has no verdict, which is not the same as a clean source."""
    rows = [
        {"source_id": "a", "documents": 1_000, "removed": 1, "t_illegal": 64, "t_ads": None},
        {"source_id": "b", "documents": 1_000, "removed": 0, "t_illegal": 0, "t_ads": None},
    ]

    found = verdicts.of_sources(rows)

    assert found["a"]["illegal"]["verdict"] == "reject"
    assert found["b"]["illegal"] == {"counted": 1_000, "bad": 0, "share": 0, "lower": 0, "upper": 39,
                                     "verdict": "accept"}  # fmt: skip
    assert found["a"]["ads"] is None


def test_a_sample_can_be_drawn_again() -> None:
    """The same seed draws the same documents whatever their order; another seed draws others."""
    ids = [f"{number:032x}" for number in range(500)]

    first = verdicts.draw(ids, b"seed", 50)

    assert verdicts.draw(reversed(ids), b"seed", 50) == first
    assert len(set(first)) == 50
    assert verdicts.draw(ids, b"other", 50) != first


def test_a_source_is_assessed_before_collection() -> None:
    """The verdict rests on the sample alone, and says how to draw it again."""
    bad = {f"{number:032x}": number % 4 == 0 for number in range(400)}

    found = verdicts.assess(bad, b"audit", 100)

    assert (found["counted"], found["offered"], found["verdict"]) == (100, 400, "reject")
    assert found["bad"] == sum(bad[one] for one in found["sample"])
    assert verdicts.draw(bad, bytes.fromhex(found["seed"]), 100) == found["sample"]


POLICY = """
policy: gate
version: 1
why: A test.
clauses:
  - {id: source.reject, scope: source, when: tally_lower.illegal > 0.05, disposition: drop, why: Surely too much.}
  - {id: source.undecided, scope: source, when: tally_upper.illegal > 0.05, disposition: quarantine, why: Perhaps.}
tallies: [{id: illegal, categories: [A1], why: A test.}]
election: {order: [oldest]}
alarms: {illegal_share: 0.05}
"""


def test_policies_read_the_bounds() -> None:
    """A policy tells rejected, undecided and accepted sources; a source that was not screened is not evaluated."""
    gate = policyfile.read(POLICY, "gate.yaml")
    rows = [("clean", 1_000, 0), ("doubtful", 59, 0), ("rotten", 1_000, 90), ("unscreened", 1_000, None)]
    tallies = pa.table(
        {
            "source_id": [name for name, _, _ in rows],
            "documents": [n for _, n, _ in rows],
            "removed": [0 for _ in rows],
            "t_illegal": pa.array([bad for _, _, bad in rows], pa.int64()),
        }
    )

    found = policy.judge_sources(gate, tallies)

    assert found["disposition"].to_pylist() == ["keep", "quarantine", "drop", "quarantine"]
    assert found["reasons"].to_pylist()[3][0]["code"] == "source.reject:not_evaluated"


def test_the_alarm_sounds_where_a_source_is_surely_illegal() -> None:
    """Only a lower bound above the limit sounds; what was not screened is no alarm, and the policy holds it."""
    rows = [
        {"source_id": "rotten", "documents": 1_000, "t_illegal": 90},
        {"source_id": "doubtful", "documents": 100, "t_illegal": 6},
        {"source_id": "unscreened", "documents": 100, "t_illegal": None},
    ]
    counts = {"removal_rate": {}, "duplicate_rate": {}, "documents": 1_200, "verdicts": verdicts.of_sources(rows)}

    found = alarms.sounding(policyfile.read(POLICY, "gate.yaml").alarms, counts)

    assert found == [{"alarm": "illegal_share:rotten", "value": 900, "limit": 500}]
