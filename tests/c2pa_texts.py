"""Manifests of C2PA for tests: boxes, values and variation selectors, written without the code that reads them."""

import struct
from collections.abc import Mapping
from typing import Any


def hidden(manifest: bytes, *, mark: bool = True) -> str:
    """Write a manifest as a run of variation selectors."""
    data = b"C2PATXT\0" + b"\x01" + struct.pack(">I", len(manifest)) + manifest
    signs = "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in data)
    return ("\ufeff" if mark else "") + signs


def manifest(label: str, value: Any) -> bytes:
    """Build a manifest store with one assertion."""
    assertion = jumb(label, box(b"cbor", cbor(value)))
    return jumb("c2pa", jumb("urn:uuid:1", jumb("c2pa.assertions", assertion)))


def jumb(label: str, *content: bytes) -> bytes:
    """Build a superbox with its description."""
    return box(b"jumb", box(b"jumd", b"\0" * 16 + b"\x03" + label.encode() + b"\0") + b"".join(content))


def box(kind: bytes, content: bytes) -> bytes:
    """Build a box."""
    return struct.pack(">I4s", len(content) + 8, kind) + content


def cbor(value: Any) -> bytes:
    """Encode what assertions hold: texts, lists, mappings and true."""
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, Mapping):
        return _head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    return _head(4, len(value)) + b"".join(map(cbor, value))


def _head(major: int, size: int) -> bytes:
    return bytes([major << 5 | size]) if size < 24 else bytes([major << 5 | 24, size])


MADE = manifest("c2pa.actions.v2", {"actions": [{"action": "c2pa.created", "digitalSourceType":
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"}]})  # fmt: skip
TYPED = manifest("c2pa.actions.v2", {"actions": [{"action": "c2pa.created"}]})


def training(use: str) -> bytes:
    """Build a manifest with a training-mining assertion."""
    return manifest("cawg.training-mining", {"entries": {"cawg.ai_training": {"use": use},
                                                         "cawg.ai_inference": {"use": "notAllowed"}}})  # fmt: skip
