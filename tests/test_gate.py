"""Expectations on the manifest stop a release."""

import pyarrow as pa
import pytest

from corpus_gov import gate
from corpus_gov.errors import GateError

pytestmark = pytest.mark.filterwarnings("ignore")


def aggregates(**changes) -> pa.Table:
    """Make aggregates that satisfy every expectation, with some columns changed."""
    zero = [0, 0]
    columns = {
        "source_id": ["one", "one"],
        "disposition": ["keep", "drop"],
        "rights_state": ["unknown", "permitted"],
        "documents": [300, 4],
        "without_reason": zero,
        "not_screened": zero,
        "wrongly_released": zero,
        "odd_duplicates": zero,
        "kept_against_optout": zero,
        "distinct_documents": [300, 4],
        "removed_share": [0.01, 0.01],
    }
    return pa.table(columns | changes)


FAULTS = {
    "disposition": ["keep", "forget"],
    "rights_state": ["unknown", "allowed"],
    "without_reason": [0, 1],
    "not_screened": [1, 0],
    "wrongly_released": [0, 2],
    "odd_duplicates": [3, 0],
    "kept_against_optout": [1, 0],
    "distinct_documents": [300, 3],
    "removed_share": [0.99, 0.99],
}


def test_a_sound_manifest_passes():
    """Every expectation holds on sound aggregates."""
    results = gate.validate(aggregates())

    assert len(results) == len(FAULTS) + 1
    assert all(result.ok for result in results)


def test_every_fault_fails_its_expectation():
    """All faults at once fail one expectation each, and the empty table fails too."""
    results = gate.validate(aggregates(**FAULTS))

    assert [result.ok for result in results].count(False) == len(FAULTS)
    assert not all(result.ok for result in gate.validate(aggregates().slice(0, 0)))


def test_a_failed_gate_names_what_failed(monkeypatch):
    """The error says which expectation failed and what was counted."""
    monkeypatch.setattr(gate, "aggregates", lambda *_: aggregates(without_reason=[0, 1]))

    with pytest.raises(GateError, match=r"every document that is not kept as it is has a reason \(found \[1\]\)"):
        gate.check(None, None)
