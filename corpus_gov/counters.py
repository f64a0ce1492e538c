"""Advisory counters: how many items of personal data a source holds, beside the numbers that a court calls serious.

Source: Fa Shi [2017] No. 10, article 5: 50 items of whereabouts, communications, credit or property, 500 of lodging,
health or trade, 5,000 of others, or shares of these numbers that add up to one.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.rules import Rule
from corpus_gov.schemas import SCALE

NUMBERS: Final = (50, 500, 5000)


def items(findings: pa.Table, rules: Mapping[str, Rule]) -> dict[int, int]:
    """Count the items of personal data by the number that article 5 calls serious.

    An item is one value of one rule, by its keyed digest; a finding without one counts by itself.

    Args:
        findings: FINDINGS of one source or of a shard of it, any number of rows; reads rule and hmac.
        rules: every rule in force, by id; `params.counts` is one of NUMBERS.

    Returns:
        From each of NUMBERS to how many items there are.
    """
    seen: Counter[int] = Counter(dict.fromkeys(NUMBERS, 0))
    counted = {name: rule.params["counts"] for name, rule in rules.items() if rule.params.get("counts") in NUMBERS}
    mine = findings.select(["rule", "hmac"])
    mine = mine.filter(pc.is_in(mine["rule"], pa.array(sorted(counted), pa.string())))
    sealed = mine.filter(pc.is_valid(mine["hmac"])).group_by(["rule", "hmac"]).aggregate([])
    for rows in (sealed, mine.filter(pc.is_null(mine["hmac"]))):
        for one in pc.value_counts(rows["rule"]).to_pylist():
            seen[counted[one["values"]]] += one["counts"]
    return dict(seen)


def described(counted: Mapping[int, int]) -> dict[str, int]:
    """Write the counters of a source down for run.json: items by number, and `sum`, in ten-thousandths."""
    return {**{str(number): counted.get(number, 0) for number in NUMBERS}, "sum": alarm(counted)}


def alarm(counted: Mapping[int, int]) -> int:
    """Return the sum of items/number in ten-thousandths: SCALE and above is what article 5 calls serious.

    It is advice for people, not a judgement, and it stops nothing.
    """
    return sum(count * SCALE // number for number, count in counted.items())
