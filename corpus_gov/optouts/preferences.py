"""Preferences by use: Content-Signal lines of robots.txt, Content-Usage lines and headers (IETF AI Preferences).

Both name uses and say yes or no. A use that is not named is neither granted nor refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from corpus_gov.optouts import Lines, Statement
from corpus_gov.optouts.paths import matches
from corpus_gov.optouts.robots import PLACE, lines_for

HEADER: Final = "http:content-usage"
META: Final = "meta:content-usage"

# RFC 9651: a dictionary's key, then a bare item; parameters are read over.
_KEY = r"(?P<key>[a-z*][a-z0-9_.*-]*)"
_ITEM = r"""(?:=(?P<value>"(?:[^"\\]|\\.)*"|\([^()]{0,200}\)|[A-Za-z0-9*!#$%&'+.^_`|~:/?@-]+))?"""
_MEMBER = re.compile(rf"{_KEY}{_ITEM}(?:[ \t]*;[ \t]*[a-z*][a-z0-9_.*-]*(?:=[^;,\"]+|=\"[^\"]*\")?)*")
_SIGNAL = re.compile(r"([A-Za-z-]+)[ \t]*=[ \t]*([A-Za-z-]+)")


def signals(body: bytes, path: str, agents: Iterable[str], uses: Mapping[str, str]) -> list[Statement]:
    """Read the Content-Signal lines of a robots.txt that hold for a path.

    Args:
        body: the file.
        path: of `paths.path_of`.
        agents: whose groups count beside that for every robot.
        uses: signal to use, such as ai-train to train; the value is `yes` or `no`, any other is unknown.
    """
    found = []
    for lines in lines_for(body, "content-signal", agents):
        for said, scope in _for_path(lines, path):
            pairs = [_SIGNAL.fullmatch(part.strip()) for part in said.split(",") if part.strip()]
            named = [(pair[1].lower(), pair[2].lower()) for pair in pairs if pair and pair[1].lower() in uses]
            found += [
                Statement("content_signal", PLACE, scope, uses[key], _SIGNALS.get(value, "unknown"), f"{key}={value}")
                for key, value in named
            ]
            if None in pairs:
                found.append(_unread("content_signal", PLACE, scope))
    return found


_SIGNALS: Final = {"yes": "allow", "no": "deny"}
_TOKENS: Final = {"y": "allow", "n": "deny"}


def usage_of_robots(
    body: bytes, path: str, agents: Iterable[str], training: Sequence[str], others: Mapping[str, str]
) -> list[Statement]:
    """Read the Content-Usage lines of a robots.txt that hold for a path; see `usage`."""
    return [
        statement
        for lines in lines_for(body, "content-usage", agents)
        for said, scope in _for_path(lines, path)
        for statement in usage([said], PLACE, scope, training, others)
    ]


def usage_of_page(lines: Lines, training: Sequence[str], others: Mapping[str, str]) -> list[Statement]:
    """Read the Content-Usage header and tag of a page; see `usage`."""
    return [
        statement
        for kind, place in ((HEADER, "header"), (META, "meta"))
        if kind in lines
        for statement in usage(lines[kind], place, "url", training, others)
    ]


def usage(
    said: Sequence[str], place: str, scope: str, training: Sequence[str], others: Mapping[str, str]
) -> list[Statement]:
    """Read one field of Content-Usage.

    Args:
        said: its lines, which make one dictionary; of a key that comes again the last value counts.
        place: where it stood.
        scope: what it speaks for.
        training: keys that bear on training, the most specific first; the first that is there says what holds.
        others: other keys and their uses.

    Returns:
        A statement for training, where any such key is there, and one for each of the others; one of value unknown
        where the field is no dictionary. Keys that nobody knows are passed over.
    """
    known = _dictionary(", ".join(part for part in said if part.strip()))
    if known is None:
        return [_unread("content_usage", place, scope)]
    found = [(key, "train") for key in training if key in known][:1]
    found += [(key, use) for key, use in others.items() if key in known]
    return [
        Statement("content_usage", place, scope, use, _TOKENS.get(known[key], "unknown"), f"{key}={known[key][:20]}")
        for key, use in found
    ]


def _dictionary(text: str) -> dict[str, str] | None:
    known: dict[str, str] = {}
    at, text = 0, text.strip(" \t")
    while at < len(text):
        member = _MEMBER.match(text, at)
        if not member:
            return None
        # A key alone is true, which is neither y nor n.
        known[member["key"]] = member["value"] or "?1"
        rest = text[member.end() :].lstrip(" \t")
        if rest and (rest[0] != "," or not rest[1:].strip(" \t")):
            return None
        at = len(text) - len(rest[1:].lstrip(" \t"))
    return known


def _for_path(lines: Sequence[str], path: str) -> list[tuple[str, str]]:
    """Return what holds for a path: the lines with the longest of the paths that match it, with their scope."""
    split = [line.partition(" ") if line.startswith("/") else ("", "", line) for line in lines]
    fitting = [(where, said) for where, _, said in split if not where or matches(where, path)]
    longest = max((len(where) for where, _ in fitting), default=0)
    return [(said.strip(), "path" if where else "host") for where, said in fitting if len(where) == longest]


def _unread(protocol: str, place: str, scope: str) -> Statement:
    return Statement(protocol, place, scope, "train", "unknown", "not readable")
