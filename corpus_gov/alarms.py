"""Alarms: what stops a release until somebody accepts it by name.

A collection that loses most of its documents, or of which a large part is one cluster, is more often a mistake of a
threshold than what anybody wanted. The policy says from where on; who accepts an alarm says so for one run, and the
release records it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from corpus_gov.errors import AlarmError, ConfigError
from corpus_gov.policyfile import ALARMS, Alarms
from corpus_gov.schemas import SCALE


def sounding(limits: Alarms, counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the alarms that the counts of a run give.

    Args:
        limits: of the policy.
        counts: of run.json.

    Returns:
        alarm (its name, of a source followed by a colon and the source's id), value and limit, both in
        ten-thousandths, ascending by name.
    """
    found = []
    for name in ("removal_rate", "duplicate_rate"):
        limit = getattr(limits, name)
        for source, value in counts[name].items():
            if limit is not None and sum(counts["by_source"][source].values()) >= limits.least_documents:
                found.append((f"{name}:{source}", value, limit))
    if limits.illegal_share is not None:
        for source, by_tally in counts["verdicts"].items():
            said = by_tally.get("illegal")
            # The bounds take the size of a source into account, so that no least number is needed.
            if said is not None and said["lower"] > limits.illegal_share:
                found.append((f"illegal_share:{source}", said["share"], limits.illegal_share))
    if limits.largest_cluster is not None and counts["documents"] >= limits.least_documents:
        value = counts["clusters"]["largest"] * SCALE // max(1, counts["documents"])
        found.append(("largest_cluster", value, limits.largest_cluster))
    return [{"alarm": name, "value": value, "limit": limit} for name, value, limit in sorted(found) if value > limit]


def check(alarms: Sequence[Mapping[str, Any]], accepted: Sequence[str]) -> list[dict[str, Any]]:
    """Stop unless every alarm was accepted.

    Args:
        alarms: of `sounding`.
        accepted: names of alarms; one that does not sound is no error.

    Returns:
        The alarms, for the run row: all of them accepted.

    Raises:
        ConfigError: a name is of no alarm.
        AlarmError: an alarm that nobody accepted.
    """
    if unknown := sorted(name for name in accepted if name.partition(":")[0] not in ALARMS):
        raise ConfigError(
            f"--accept: found {unknown[0]!r}, expected one of {', '.join(ALARMS)}, of a source as removal_rate:SOURCE; "
            "give the name that the message says"
        )
    if left := [one for one in alarms if one["alarm"] not in accepted]:
        said = ", ".join(
            f"{one['alarm']} is {one['value'] / SCALE:.1%} (limit {one['limit'] / SCALE:.1%})" for one in left
        )
        names = " ".join(f"--accept {one['alarm']}" for one in left)
        raise AlarmError(
            f"nothing was released: {said}; look at what was removed, then change the policy or run {names}"
        )
    return [{**one, "accepted": True} for one in alarms]
