"""Hosts and registered domains of URIs, once for each distinct host."""

from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc
import tldextract

PORTS: Final = {"http": "80", "https": "443", "ftp": "21"}
WEB: Final = frozenset({"http", "https", "ftp", "file"})

# RE2; the authority without user information. What is no host here is null, not an error.
_AUTHORITY: Final = r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@\\]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\\\[\]\s]+)"


def is_web(uri: str | None) -> bool:
    """Tell whether a record of this URI can hold a page; one without URI can."""
    if not uri:
        return True
    scheme, colon, _ = uri.partition(":")
    return not colon or scheme.lower() in WEB


def path_of(uri: str | None) -> str:
    """Return the path of a URI, or the empty string where it has none or is no URI."""
    try:
        return urlsplit(uri or "").path
    except ValueError:
        return ""


def hosts(uris: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Find host and registered domain.

    Args:
        uris: large_string, n rows.

    Returns:
        Two string arrays of n rows: the lower-case host in IDNA form, and its registered domain by the
        public suffix list that tldextract ships; null where there is none.
    """
    raw = pc.struct_field(pc.extract_regex(uris, _AUTHORITY), "host")
    encoded = raw.dictionary_encode()
    names = [name_of(host) for host in encoded.dictionary.to_pylist()]
    domains = [registered_domain(name) if name else None for name in names]
    return tuple(pa.array(values, pa.string()).take(encoded.indices) for values in (names, domains))


def origin(uri: str | None) -> str | None:
    """Return the host of a URI as SNAPSHOTS has it: with the port where it is not the scheme's own."""
    try:
        parts = urlsplit(uri or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    name = name_of(f"[{host}]" if host and ":" in host else host or "")
    return name and (f"{name}:{port}" if port is not None and str(port) != PORTS.get(parts.scheme) else name)


@lru_cache(maxsize=1 << 16)
def name_of(host: str) -> str | None:
    """Return a host lower-case and in IDNA form, without the root's dot; null where it is no name."""
    host = host.rstrip(".").lower()
    if not host or host.isascii():
        return host[:255] or None
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return None


@lru_cache(maxsize=1 << 16)
def registered_domain(host: str) -> str | None:
    """Return the domain that its owner registered; null for addresses and bare suffixes.

    Source: the public suffix list's algorithm; a host that no rule matches has its last label as suffix.
    """
    parts = _suffixes(host)
    if parts.suffix or parts.ipv4 or parts.ipv6:
        return parts.top_domain_under_public_suffix or None
    labels = host.split(".")[-2:]
    return ".".join(labels) if len(labels) == 2 and all(labels) else None


# No list is fetched and nothing is written: the snapshot that the installed version ships decides.
_suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
