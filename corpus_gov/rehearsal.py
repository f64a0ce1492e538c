"""A store that looks like another one and leaves it as it is: what is written goes to a folder of its own.

So a run can be rehearsed by the very functions that it consists of (`rescreen.plan`). Everything below shows through,
unlike under `overlay`, which makes decisions again that were made.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from corpus_gov.store import LocalStore, Missing, Names, Span, Store, open_store

SCHEME: Final = "rehearsal://"

_BETWEEN: Final = "::"


def url_of(scratch: Path, base: str) -> str:
    """Return what `open_store` opens as a rehearsal.

    Args:
        scratch: a folder that nobody else uses, removed by the caller.
        base: URL of the store below.
    """
    return f"{SCHEME}{scratch.absolute()}{_BETWEEN}{base}"


@dataclass(frozen=True)
class RehearsalStore:
    """Reads `scratch` first and then `base`; writes to `scratch` alone.

    What lies in `base` cannot be removed: a removal is a write, and nothing that is rehearsed reads what it removed.
    """

    scratch: LocalStore
    base: Store

    @classmethod
    def opened(cls, url: str) -> "RehearsalStore":
        """Open the store that `url_of` named."""
        scratch, _, base = url.removeprefix(SCHEME).partition(_BETWEEN)
        return cls(LocalStore(Path(scratch)), open_store(base))

    @property
    def url(self) -> str:
        """What `open_store` takes to open it again."""
        return url_of(self.scratch.root, self.base.url)

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Return the object's bytes, or a span of them; raises Missing when there is no object."""
        try:
            return self.scratch.read(name, span)
        except Missing:
            return self.base.read(name, span)

    def put(self, name: str, data: bytes) -> None:
        """Write to the folder of its own."""
        self.scratch.put(name, data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write to the folder of its own unless the name is taken here or below."""
        return name not in self.base.list(name) and self.scratch.put_if_absent(name, data)

    def delete(self, name: str) -> None:
        """Remove what was written here."""
        self.scratch.delete(name)

    def list(self, prefix: str = "") -> Names:
        """Return the names here and below that start with `prefix`."""
        return sorted({*self.scratch.list(prefix), *self.base.list(prefix)})
