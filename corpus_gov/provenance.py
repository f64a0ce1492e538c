"""Manifests of C2PA in plain text: bytes as variation selectors, and what their assertions say of AI.

Nothing is verified: a signature would say who made the claim, and a claim is evidence either way.

Source: C2PA 2.4, A.8 (text wrapper); ISO 19566-5 (JUMBF); RFC 8949 (CBOR); CAWG training and data mining 1.1.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import orjson

MAGIC: Final = b"C2PATXT\0"
MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
_HEAD: Final = struct.Struct(">8sBI")
_BOX: Final = struct.Struct(">I4s")
_DESCRIPTION: Final = 17
"""Bytes of a description before its label: a UUID and what follows."""

MAX_DEPTH: Final = 32
MAX_ITEMS: Final = 100_000
"""Bounds of work: how deep boxes and values may lie in one another, how many values one assertion may have."""

GENERATED: Final = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia")
"""Ends of digitalSourceType of content that a model made, wholly or in part (IPTC NewsCodes)."""

TRAINING: Final = ("ai_training", "ai_generative_training", "data_mining")
"""Ends of the keys of a training-mining assertion that bear on training."""

_RUN = re.compile("[\\ufe00-\\ufe0f\\U000e0100-\\U000e01ef]{13,}")


class Wrapper(NamedTuple):
    """A run of variation selectors that holds a manifest."""

    start: int
    end: int
    """Code points; the mark before the run is part of it."""
    manifest: bytes


def wrappers(text: str) -> Iterator[Wrapper]:
    """Find the manifests in a text; runs of variation selectors that hold something else are passed over."""
    for start, end, length, data in _runs(text):
        yield Wrapper(start, end, data[:length])


def stores(text: str) -> Iterator[tuple[int, int]]:
    """Find the wrappers that are what they say: of version 1, whole, with one manifest store and nothing else in them.

    Yields:
        Code points from the mark to the end of the store; what a run has beyond that is none of the wrapper.
    """
    for start, end, length, data in _runs(text, version=1):
        if len(data) >= length and _is_store(data[:length]):
            yield start, end - (len(data) - length)


def _runs(text: str, version: int | None = None) -> Iterator[tuple[int, int, int, bytes]]:
    """Give start and end of each run that begins as a wrapper does, the length that it states, and what follows."""
    for run in _RUN.finditer(text):
        data = bytes(ord(sign) - 0xFE00 if ord(sign) <= 0xFE0F else ord(sign) - 0xE0100 + 16 for sign in run[0])
        magic, said, length = _HEAD.unpack_from(data)
        if magic == MAGIC and version in (None, said):
            start = run.start() - (run.start() > 0 and text[run.start() - 1] == MARK)
            yield start, run.end(), length, data[_HEAD.size :]


def _is_store(data: bytes) -> bool:
    """Say whether bytes are one superbox with the description of a manifest store."""
    if len(data) < 2 * _BOX.size:
        return False
    (size, kind), (inner, described) = _BOX.unpack_from(data), _BOX.unpack_from(data, _BOX.size)
    label = data[2 * _BOX.size + _DESCRIPTION : _BOX.size + inner]
    return (size, kind, described) == (len(data), b"jumb", b"jumd") and label.startswith(b"c2pa\0")


def claims(manifest: bytes) -> dict[str, str]:
    """Return what a manifest store says of AI.

    Returns:
        `source` with the last part of a digitalSourceType of GENERATED, and each of TRAINING with allowed, notAllowed
        or constrained; the strictest where several assertions speak. Empty where nothing can be read.
    """
    found: dict[str, str] = {}
    try:
        for label, value in _assertions(manifest, 0):
            if "training-mining" in label:
                _add_training(value, found)
            for kind in _source_types(value):
                found.setdefault("source", kind)
    except (_BadError, struct.error):
        # A manifest that breaks off says what it said before.
        return found
    return found


class _BadError(ValueError):
    """Bytes that are no CBOR, or more of it than is looked at."""


_STRICT: Final = ("allowed", "constrained", "notAllowed")


def _add_training(value: Any, found: dict[str, str]) -> None:
    entries = value.get("entries") if isinstance(value, Mapping) else None
    for key, entry in entries.items() if isinstance(entries, Mapping) else ():
        name, use = str(key).rpartition(".")[2], entry.get("use") if isinstance(entry, Mapping) else None
        if name in TRAINING and use in _STRICT:
            found[name] = max(use, found.get(name, use), key=_STRICT.index)


def _source_types(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mapping):
            kind = str(node.get("digitalSourceType", "")).rpartition("/")[2]
            if kind in GENERATED:
                yield kind
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _assertions(data: bytes, depth: int, label: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the boxes of JUMBF: label and value of every box that holds CBOR or JSON."""
    at = 0
    while at + 8 <= len(data) and depth < MAX_DEPTH:
        size, kind = struct.unpack_from(">I4s", data, at)
        body, step = (data[at + 8 : at + size], size) if size >= 8 else (data[at + 8 :], len(data))
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            body, step = data[at + 16 : at + size], max(size, 16)
        if kind == b"jumb":
            yield from _assertions(body, depth + 1)
        elif kind == b"jumd" and len(body) > 17 and body[16] & 2:
            label = body[17:].split(b"\0", 1)[0].decode("utf-8", "replace")
        elif kind == b"cbor":
            yield label, _Cbor(body).value(0)
        elif kind == b"json":
            with suppress(orjson.JSONDecodeError):
                yield label, orjson.loads(body)
        at += step


class _Cbor:
    """A reader of one CBOR value: what assertions use of it. Tags are read over, so that no tag can cost anything."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._items = data, 0, 0

    def value(self, depth: int) -> Any:
        """Read the next value."""
        self._items += 1
        if depth > MAX_DEPTH or self._items > MAX_ITEMS:
            raise _BadError
        first = self._take(1)[0]
        major, size = first >> 5, self._size(first & 31)
        if major <= 1:
            return size if major == 0 else -1 - size
        if major == 2:
            return self._take(size)
        if major == 3:
            return self._take(size).decode("utf-8", "replace")
        if major == 4:
            return [self.value(depth + 1) for _ in range(size)]
        if major == 5:
            return {str(self.value(depth + 1)): self.value(depth + 1) for _ in range(size)}
        return self.value(depth + 1) if major == 6 else _SIMPLE.get(size)

    def _size(self, extra: int) -> int:
        if extra < 24:
            return extra
        # Indefinite lengths (31) are none of what C2PA writes: its CBOR is deterministic.
        if extra > 27:
            raise _BadError
        return int.from_bytes(self._take(1 << (extra - 24)))

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise _BadError
        self._at += size
        return self._data[self._at - size : self._at]


_SIMPLE: Final = {20: False, 21: True}
"""Simple values; null, undefined and floats are of no use here and read as None."""
