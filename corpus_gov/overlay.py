"""A store over another one: what is written lies above, and of the build cache below only evidence shows through.

Replaying a release makes every decision again. So what the run concluded is hidden, what it concluded from is not, and
the workspace below is never written to. Where a name is planned otherwise today than it was then, the overlay reads the
artefact that the release names.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.store import Missing, Names, Span, Store, open_store

SCHEME: Final = "overlay://"

EVIDENCE: Final = ("signals.", "findings.", "keys.", "told/", "edges/", "clusters/", "copies/", "measured.", "grounds/")
"""Families of artefacts that show through: what documents are and how they relate, no judgement."""

ALIASES: Final = "aliases.json"
"""Object above with the names to read instead of others."""


@dataclass(frozen=True)
class Overlay:
    """Two stores as one; `list` gives the names of both."""

    above: Store
    below: Store

    @property
    def url(self) -> str:
        """What `open_store` takes to open the same two again."""
        return f"{SCHEME}{quote(self.above.url, safe='')}|{quote(self.below.url, safe='')}"

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Return the bytes of the upper object, else of the lower one; raises Missing where there is none to see."""
        try:
            return self.above.read(name, span)
        except Missing:
            other = _aliases(self.above.url).get(name, name)
            if not _shown(other):
                raise
            return self.below.read(other, span)

    def put(self, name: str, data: bytes) -> None:
        """Write the object above."""
        self.above.put(name, data)

    def put_if_absent(self, name: str, data: bytes) -> bool:  # noqa: ARG002 - as Store has it
        """Refuse: nothing is committed in an overlay."""
        raise StoreError(f"{name}: an overlay takes no commit; write to the workspace itself")

    def delete(self, name: str) -> None:
        """Remove the object above; below nothing changes."""
        self.above.delete(name)

    def list(self, prefix: str = "") -> Names:
        """Return the names of both that can be read."""
        return sorted({*self.above.list(prefix), *(name for name in self.below.list(prefix) if _shown(name))})


def opened(url: str) -> Overlay:
    """Open the overlay at a URL; ConfigError where it is malformed."""
    above, bar, below = url.removeprefix(SCHEME).partition("|")
    if not (above and bar and below):
        raise ConfigError(f"store {url!r}: expected two URLs with '|' between them; `Overlay.url` writes such")
    return Overlay(open_store(unquote(above)), open_store(unquote(below)))


def put_aliases(above: Store, aliases: dict[str, str]) -> None:
    """Say which artefacts are read instead of others, once and before anything is read."""
    marked = {_mark(name): _mark(other) for name, other in aliases.items()}
    above.put(ALIASES, json.dumps({**aliases, **marked}).encode())


def _mark(artefact: str) -> str:
    return artefact.removesuffix(".parquet") + ".sha256"


def _shown(name: str) -> bool:
    return not name.startswith("artefacts/") or name.removeprefix("artefacts/").startswith(EVIDENCE)


@lru_cache(maxsize=8)
def _aliases(above: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(open_store(above).read(ALIASES))
    return found
