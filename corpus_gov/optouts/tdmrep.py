"""TDM Reservation Protocol: the file of a host, and headers and tags of a page, which come before it.

Source: W3C Community Group, final report of 2024-02-02. A reservation that names a policy is conditional: there are
terms to agree to; one without is a refusal.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from corpus_gov.optouts import Lines, Statement
from corpus_gov.optouts.paths import matches

FILE: Final = "tdmrep.json"
MAX_ENTRIES: Final = 10_000
"""Entries of a file that are looked at."""


def of_file(body: bytes, path: str) -> list[Statement]:
    """Read /.well-known/tdmrep.json for a path: the first entry whose location matches holds.

    Args:
        body: the file.
        path: of `paths.path_of`.

    Returns:
        At most one statement; of value unknown where the file is no list of entries, or the entry cannot be read.
    """
    try:
        entries = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [_statement(FILE, "host", "not readable", None)]
    for entry in entries[:MAX_ENTRIES]:
        location = entry.get("location")
        if not isinstance(location, str):
            return [_statement(FILE, "host", "not readable", None)]
        if matches(location, path):
            return [_statement(FILE, "path", _plain(entry.get("tdm-reservation")), _policy(entry))]
    return []


def of_page(lines: Lines) -> list[Statement]:
    """Read the tags of a page or, where it has none, its headers."""
    for kind, place in (("meta", "meta"), ("http", "header")):
        reservation = lines.get(f"{kind}:tdm-reservation")
        policy = lines.get(f"{kind}:tdm-policy")
        if reservation or policy:
            said = reservation[-1].strip() if reservation else None
            return [_statement(place, "url", said, policy[-1].strip() if policy else None)]
    return []


def _statement(place: str, scope: str, reservation: str | None, policy: str | None) -> Statement:
    value = {"1": "conditional" if policy else "deny", "0": "allow"}.get(reservation or "", "unknown")
    said = f"tdm-reservation={(reservation or '')[:20]}" if reservation is not None else "tdm-policy alone"
    return Statement("tdmrep", place, scope, "tdm", value, said, policy[:2_000] if policy else None)


def _plain(value: Any) -> str | None:
    # "1" in quotes is what many write; True is not.
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None


def _policy(entry: Mapping[str, Any]) -> str | None:
    policy = entry.get("tdm-policy")
    return policy if isinstance(policy, str) and policy.strip() else None
