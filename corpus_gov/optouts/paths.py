"""Patterns over paths as robots.txt has them: a prefix, with `*` for anything and `$` for the end (RFC 9309, 2.2.3)."""

import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urlsplit

# What stands for itself in a path; all else, and what only quotes such a character, is compared percent-encoded.
_SAFE = "/!#$&'()*+,:;=?@[]~%-._"
_OCTETS = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def path_of(uri: str) -> str:
    """Return path and query of an absolute address in the form that patterns are compared in; `/` for none.

    Raises:
        ValueError: the address cannot be parsed.
    """
    parts = urlsplit(uri)
    return _normal((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


@lru_cache(maxsize=1 << 12)
def matches(pattern: str, path: str) -> bool:
    """Say whether a pattern matches a path of `path_of`; the empty pattern matches nothing.

    Without regular expressions: a pattern of many `*` must not cost more than its length times that of the path.
    """
    if not pattern:
        return False
    ends = pattern.endswith("$")
    first, *rest = _normal(pattern[:-1] if ends else pattern).split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if ends and rest else None
    for part in rest:
        if (found := path.find(part, at)) < 0:
            return False
        at = found + len(part)
    if last is not None:
        return path.endswith(last) and len(path) - len(last) >= at
    return not ends or at == len(path)


def _normal(path: str) -> str:
    """Encode what is not ASCII, and decode octets of characters that need none (RFC 9309, 2.2.2)."""
    return _OCTETS.sub(lambda octets: _octets(octets[0]), quote(path, safe=_SAFE, errors="replace"))


def _octets(encoded: str) -> str:
    return "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-._~") else f"%{byte:02X}"
        for byte in unquote_to_bytes(encoded)
    )
