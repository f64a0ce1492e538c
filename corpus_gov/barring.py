"""What the suppression list keeps out at ingest: records by address, bytes, host or source, and texts once extracted.

The list holds keyed values, so what is compared is keyed too. An address is compared in a form that leaves out what
says nothing about the page: scheme, user, default port, fragment.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels.digests import hmac_hex
from corpus_gov.sources.hosts import PORTS, name_of

COLUMNS: Final = ("uri", "payload", "text", "host", "source")
"""Columns of SUPPRESSIONS that bar; the name of each is hashed before its value, so that none stands for another."""

_ADDRESS: Final = re.compile(r"(?P<scheme>https?|ftp)://(?:[^/?#@\\]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:\\\s]+)"
                             r"(?::(?P<port>\d*))?(?P<rest>[/?][^#]*)?", re.IGNORECASE)  # fmt: skip


def address(uri: str) -> str:
    """Return the form of a URI that addresses are compared in; one of no web scheme is left as it is."""
    found = _ADDRESS.match(uri)
    if not found:
        return uri
    port = found["port"] if found["port"] not in {None, "", PORTS[found["scheme"].lower()]} else ""
    rest = found["rest"] or "/"
    return f"{name_of(found['host'])}{':' if port else ''}{port}{'/' if rest.startswith('?') else ''}{rest}"


def hosts_above(host: str) -> list[str]:
    """Return a host and those that it lies below, without its port."""
    labels = re.sub(r":\d+$", "", host).split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def host_of(uri: str) -> str | None:
    """Return the host of an address, None where it has none."""
    found = _ADDRESS.match(uri)
    return name_of(found["host"]) if found else None


def keyed(kind: str, value: str, key: bytes) -> str:
    """Key one value: HMAC-SHA256(key, kind ‖ 0x00 ‖ value), hex; of kind uri in the form of `address`."""
    plain = address(value) if kind == "uri" else value
    return hmac.digest(key, f"{kind}\0{plain}".encode(), "sha256").hex()


def keyed_array(kind: str, values: pa.Array, key: bytes) -> pa.Array:
    """Key many values; a null stays null.

    Args:
        kind: one of COLUMNS, or another word for what the values are.
        values: string or large_string, n rows.
        key: the seal key.

    Returns:
        string, n rows of 64 hex digits.
    """
    if kind == "uri":
        codes = values.dictionary_encode()
        forms = pa.array([address(one) for one in codes.dictionary.to_pylist()], pa.large_string())
        values = forms.take(codes.indices)
    return hmac_hex(values, key, f"{kind}\0".encode())


@dataclass(frozen=True)
class Barred:
    """What must not come back in one source; keyed values, and the ids in the clear. Travels to workers."""

    ids: frozenset[str] = frozenset()
    uris: frozenset[str] = frozenset()
    payloads: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    whole: bool = False
    """All of the source."""

    @classmethod
    def of(cls, listed: pa.Table, ids: Iterable[str], source_id: str, key: bytes) -> "Barred":
        """Take from the suppression list what concerns a source.

        Args:
            listed: SUPPRESSIONS that are in force.
            ids: doc_ids.
            source_id: the source.
            key: the seal key.
        """
        own = keyed("source", source_id, key)
        rows = listed.filter(pc.fill_null(pc.equal(listed["within"], own), True))  # noqa: FBT003 - null: in all sources
        sets = {name: frozenset(rows[name].drop_null().to_pylist()) for name in COLUMNS}
        uris, payloads, texts, hosts = (sets[name] for name in COLUMNS[:-1])
        return cls(frozenset(ids), uris, payloads, texts, hosts, whole=own in sets["source"])


@dataclass(frozen=True)
class Bar:
    """`Barred` with the key that its values were made with; made where it is used."""

    barred: Barred = field(default_factory=Barred)
    key: bytes = field(default=b"", repr=False)

    def record(self, uri: str | None, payload_digest: str) -> bool:
        """Say whether a record must not be stored, by what is known before it is read."""
        of = self.barred
        return (
            of.whole
            or (bool(of.payloads) and keyed("payload", payload_digest, self.key) in of.payloads)
            or (bool(uri and of.uris) and keyed("uri", uri or "", self.key) in of.uris)
            or (bool(uri and of.hosts) and self.host(host_of(uri or "")))
        )

    def text(self, digest: str) -> bool:
        """Say whether a text must not be stored, by its SHA-256."""
        return keyed("text", digest, self.key) in self.barred.texts

    def rows(self, ids: pa.Array, uris: pa.Array, payloads: pa.Array, texts: pa.Array) -> pa.Array:
        """Say of many records whether they must not be stored; what is null bars nothing.

        Args:
            ids: doc_ids, n rows.
            uris: large_string, n rows.
            payloads: SHA-256 of the bytes, n rows.
            texts: SHA-256 of the texts, n rows.

        Returns:
            boolean, n rows.
        """
        of = self.barred
        found = np.asarray(pc.is_in(ids, value_set=pa.array(sorted(of.ids), pa.string())))
        for kind, values, known in (
            ("uri", uris, of.uris),
            ("payload", payloads, of.payloads),
            ("text", texts, of.texts),
        ):
            if known:
                digests = keyed_array(kind, values, self.key)
                found = found | np.asarray(pc.is_in(digests, value_set=pa.array(sorted(known), pa.string())))
        if of.hosts:
            codes = uris.dictionary_encode()
            each = [self.host(host_of(one)) for one in codes.dictionary.to_pylist()]
            barred = pa.array([*each, False]).take(pc.fill_null(codes.indices.cast(pa.int64()), len(each)))
            found = found | np.asarray(barred)
        return pa.array(found | of.whole)

    def known(self, ids: pa.Array, barred: pa.Array) -> pa.Array:
        """Say which captures show their doc_id: all but those that are barred by another value than that."""
        return pc.or_(pc.invert(barred), pc.is_in(ids, value_set=pa.array(sorted(self.barred.ids), pa.string())))

    def host(self, host: str | None) -> bool:
        """Say whether a host, or one that it lies below, is barred."""
        return host is not None and any(keyed("host", one, self.key) in self.barred.hosts for one in hosts_above(host))


OPEN: Final = Bar()
"""Keeps nothing out."""
