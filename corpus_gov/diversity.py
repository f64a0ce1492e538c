"""Which sources there are of each language and type, from which countries, and how their papers stand.

GB/T 45654-2025 5.1 b asks for several sources of each language and type, and for domestic beside foreign ones; it gives
no numbers, and neither do we: the report says what there is.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from corpus_gov.dossier import Dossier

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

TYPE: Final = "text"
"""The one type of data that is governed here; texts of one language are a type each (GB/T 45652-2025 6.1 b)."""

SOON: Final = 30
"""Days before its end from which on a basis is said to expire soon."""


def several(dossiers: Mapping[str, Dossier], languages: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Count sources and released documents.

    Args:
        dossiers: by source_id; a source without one is of unknown origin.
        languages: source_id → language → documents released.

    Returns:
        types (type, language, sources, documents, `several`: more than one source; most documents first), origin
        (documents that are domestic, foreign and of unknown origin).
    """
    origin: Counter[str] = Counter(dict.fromkeys(("domestic", "foreign", "unknown"), 0))
    found: dict[str, Counter[str]] = {}
    for source, counted in sorted(languages.items()):
        origin[_origin(dossiers.get(source))] += sum(counted.values())
        for language, documents in counted.items():
            found.setdefault(language, Counter())[source] += documents
    types = [
        {
            "type": TYPE,
            "language": language,
            "sources": sorted(sources),
            "documents": sources.total(),
            "several": len(sources) > 1,
        }
        for language, sources in sorted(found.items(), key=lambda item: (-item[1].total(), item[0]))
    ]
    return {"types": types, "origin": dict(origin)}


def described_sources(workspace: "Workspace", as_of: date) -> dict[str, Any]:
    """Say of every source how its dossier stands on a day, and what is missing, damaged or about to end.

    Returns:
        By source_id: kind, status, missing (keys that the kind needs), advised (keys that an auditor asks for),
        damaged (papers that are not what was filed), valid_until, days_left, expires_soon, responsible.
    """
    damaged = workspace.damaged_papers()
    return {
        source: {
            "kind": one.kind,
            "status": one.status(as_of, damaged.get(source, ())),
            "missing": list(one.missing()),
            "advised": list(one.advised()),
            "damaged": list(damaged.get(source, ())),
            "valid_until": one.valid_until.isoformat() if one.valid_until else None,
            "days_left": (left := one.days_left(as_of)),
            "expires_soon": left is not None and 0 <= left <= SOON,
            "responsible": one.responsible,
        }
        for source, one in sorted(workspace.dossiers.items())
    }


def _origin(dossier: Dossier | None) -> str:
    home = dossier.domestic if dossier else None
    return "unknown" if home is None else "domestic" if home else "foreign"
