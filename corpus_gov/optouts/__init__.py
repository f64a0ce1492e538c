"""What hosts and pages say about machines, one module a protocol: bytes or lines in, statements out.

Nothing is joined or decided here: which snapshot holds for which page is `relate.optout`, what follows is the policy's.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

PROTOCOLS: Final = (
    "robots", "content_signal", "content_usage", "tdmrep", "rsl", "noai", "ai_txt", "data_mining", "payment",
)  # fmt: skip
"""Families that are evaluated, by the name that policies, rules and statements have for them."""

VALUES: Final = ("deny", "unknown", "conditional", "allow")
"""Strictest first: a statement that cannot be read may be a ban, terms that nobody agreed to are no permission."""

TRAINING: Final = frozenset({"train", "tdm", "all"})
"""Uses that the state of a document rests on; others (index, ai_input, images) are recorded and decide nothing."""

Lines = Mapping[str, Sequence[str]]
"""Lines of DOCUMENTS.markup by their kind, such as `http:x-robots-tag`, values in page order."""


class Statement(NamedTuple):
    """One thing that was said about one page."""

    protocol: str
    place: str
    """Where: robots.txt, ai.txt, tdmrep.json, rsl, header, meta, jsonld."""
    scope: str
    """What it speaks for: host, path, url or asset."""
    use: str
    """train, tdm, all, index, ai_input or images."""
    value: str
    """One of VALUES."""
    said: str
    """The words that decided, such as `ai-train=no`, or the agents that are kept out."""
    condition: str | None = None
    """Address of the terms, where they are named."""


def strictest(values: Iterable[str]) -> str | None:
    """Return the strictest of some values, None of none."""
    found = set(values)
    return next((value for value in VALUES if value in found), None)


def lines_of(markup: str) -> dict[str, list[str]]:
    """Split a document's markup into values by kind; notices are left out."""
    found: dict[str, list[str]] = {}
    for line in markup.split("\n"):
        kind, colon, value = line.partition(": ")
        if colon and not kind.startswith("notice"):
            found.setdefault(kind, []).append(value)
    return found
