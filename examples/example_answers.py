"""What must come out of the example corpus, collected while its files are written."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

DISPOSITIONS: Final = ("keep", "redact", "quarantine", "drop")
"""From mildest to worst; the worst wins."""


@dataclass(frozen=True)
class Truth:
    """What was planted in a document."""

    rights: str = "unknown"
    """Rights state that the notices on the page lead to."""
    optout: str = "not_evaluated"
    """What the host's robots.txt says to training agents."""
    papers: bool = False
    """It was delivered under a contract or a licence on file: silence on the page and of the host does not matter."""
    pii: tuple[str, ...] = ()
    """Ids of the rules that must speak."""
    copy_of: str | None = None
    """URI of the copy that stands for it."""
    copy_of_denied: bool = False
    """A copy of it lies on a host that says no to training agents."""

    def expected(self) -> tuple[str, list[str]]:
        """Return the disposition under the `default` policy, and a prefix of each reason that must be there.

        Every reason is kept, so a page that is dropped for its host's opt-out still tells of an address on it.
        """
        reasons: dict[str, str] = {}
        if self.optout == "denied":
            reasons["optout.denied"] = "drop"
        if self.rights == "forbidden":
            reasons["rights.forbidden"] = "drop"
        if self.rights in ("conflicting", "conditional"):
            reasons[f"rights.{self.rights}"] = "quarantine"
        if self.rights == "unknown" and self.optout == "not_evaluated" and not self.papers:
            reasons["rights.unknown"] = "quarantine"
        if self.copy_of is not None:
            reasons["duplicate:"] = "drop"
        if self.copy_of_denied and self.copy_of is None:
            reasons["near.barred"] = "quarantine"
        reasons |= {f"personal.redact:{rule}@": "redact" for rule in self.pii}
        return max(reasons.values(), key=DISPOSITIONS.index, default="keep"), sorted(reasons)


@dataclass
class Answers:
    """Known answers, collected while the files are written."""

    records: dict[str, Counter[str]] = field(default_factory=dict)
    documents: list[dict[str, object]] = field(default_factory=list)

    def record(self, file: str, outcome: str) -> None:
        """Count one record of a file."""
        self.records.setdefault(file, Counter())[outcome] += 1

    def document(self, file: str, source_id: str, uri: str, truth: Truth) -> None:
        """Count one record that becomes a document, and say what becomes of it."""
        self.record(file, "document")
        disposition, reasons = truth.expected()
        self.documents.append(
            {
                "source_id": source_id,
                "uri": uri,
                "disposition": disposition,
                "reasons": reasons,
                "representative": truth.copy_of,
            }
        )
