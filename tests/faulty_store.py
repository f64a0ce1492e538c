"""A store that crashes: its n-th write fails, and nothing is written after it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from corpus_gov.errors import StoreError
from corpus_gov.store import Span, Store

T = TypeVar("T")


@dataclass
class FaultyStore:
    """Passes on to `inner` until write number `fail_at` (from 1).

    Args:
        inner: the real store.
        fail_at: the write that fails; 0 for none.
        persisted: whether it fails after it took effect, as when an answer is lost on the way.
    """

    inner: Store
    fail_at: int = 0
    persisted: bool = False
    writes: int = 0

    @property
    def url(self) -> str:
        """The inner store's."""
        return self.inner.url

    def read(self, name: str, span: Span | None = None) -> bytes:
        """Read; a reader never fails."""
        return self.inner.read(name, span)

    def list(self, prefix: str = "") -> list[str]:
        """List; a reader never fails."""
        return self.inner.list(prefix)

    def put(self, name: str, data: bytes) -> None:
        """Write, or crash."""
        self._write(name, lambda: self.inner.put(name, data))

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write, or crash."""
        return self._write(name, lambda: self.inner.put_if_absent(name, data))

    def delete(self, name: str) -> None:
        """Delete, or crash."""
        self._write(name, lambda: self.inner.delete(name))

    def _write(self, name: str, write: Callable[[], T]) -> T:
        self.writes += 1
        if not self.fail_at or self.writes < self.fail_at:
            return write()
        if self.writes == self.fail_at and self.persisted:
            write()
        raise StoreError(f"{name}: write {self.writes} crashed on purpose")
