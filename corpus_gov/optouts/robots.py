"""robots.txt (RFC 9309): whom it keeps from an address, and its groups for protocols that add lines to them."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from protego import Protego

from corpus_gov.optouts import Statement

MAX_BYTES: Final = 500 * 1024
"""How much of a robots.txt counts (RFC 9309, 2.5)."""

PLACE: Final = "robots.txt"
EXTENSIONS: Final = ("content-signal", "content-usage", "license")
"""Lines of other protocols that are read here; the last stands for the whole file, whatever its group."""

_AGENT_LINE = re.compile(r"\s*user[\s-]*agent[\s:]*([^#]*)", re.IGNORECASE)
_LINE = re.compile(r"[ \t]*([A-Za-z][A-Za-z _-]{0,40}?)[ \t]*:[ \t]*([^#]*)")
# Records that are no rules must not part the agents of a group (RFC 9309, 2.2.4), as they do for the parser.
_OTHER = re.compile(
    r"(?im)^[ \t]*(?:(?:crawl|cache)-?delay|request-?rate|visit-?time|noindex|sitemap|host|clean-param)[ \t]*:[^\r\n]*"
)
# Tokens are letters, "_" and "-"; agents in use have digits and blanks too. What follows a slash is a version.
_TOKEN = re.compile(r"[^/,;()]*")


class Group(NamedTuple):
    """Whom lines are for, and those lines of it that EXTENSIONS names."""

    agents: tuple[str, ...]
    """Product tokens in lower case, or `*`; empty for lines before the first group."""
    lines: tuple[tuple[str, str], ...]


def kept_out(body: bytes, uri: str, agents: Iterable[str]) -> tuple[str, ...]:
    """Return those of the agents that a robots.txt keeps from an address, and `*` where it keeps every other one.

    Groups, longest match, wildcards and tolerance of misspelt directives are protego's. A group for a product that an
    agent's name starts with counts for that agent as well.

    Args:
        body: the file; bytes that are no UTF-8 are replaced, and what is beyond MAX_BYTES is ignored.
        uri: absolute.
        agents: product tokens; "*" need not be among them.

    Raises:
        ValueError: the URI cannot be parsed.
    """
    robots, named = _parsed(body, tuple(agents))
    return tuple(agent for agent in named if not robots.can_fetch(uri, agent))


def statement(body: bytes, uri: str, agents: Iterable[str]) -> Statement:
    """Say what a robots.txt says of an address.

    Raises:
        ValueError: the URI cannot be parsed.
    """
    out = kept_out(body, uri, agents)
    return Statement("robots", PLACE, "url", "train", "deny" if out else "allow", ", ".join(out))


def is_page(body: bytes) -> bool:
    """Recognise the page that many hosts serve, with status 200, for a text file that they do not have."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") or b"\0" in body


@lru_cache(maxsize=64)
def groups(body: bytes) -> tuple[Group, ...]:
    """Read the lines of EXTENSIONS with the groups that they stand in.

    A line of User-agent after any other line of a group begins a new one; Sitemap and lines that nobody knows do not
    come between (RFC 9309, 2.2.4).
    """
    made: list[tuple[list[str], list[tuple[str, str]]]] = [([], [])]
    opened = False
    for line in _text(body).splitlines():
        if not (match := _LINE.match(line)):
            continue
        name, value = match[1].lower(), match[2].strip()
        if _AGENT_LINE.match(line):
            if not opened:
                made.append(([], []))
            made[-1][0].append(token(value))
            opened = True
        elif name in {"allow", "disallow", *EXTENSIONS}:
            opened = False
            if name in EXTENSIONS:
                made[-1][1].append((name, value))
    return tuple(Group(tuple(names), tuple(lines)) for names, lines in made if lines)


def lines_for(body: bytes, name: str, agents: Iterable[str]) -> list[list[str]]:
    """Return the lines of one name for every robot, and for each agent that has lines of its own, one list each.

    Groups for one token are one group (RFC 9309, 2.2.1); lines before the first group are for every robot.
    """
    named = {agent.lower() for agent in agents} | {"*"}
    found: dict[str, list[str]] = {}
    for group in groups(body):
        said = [value for key, value in group.lines if key == name]
        for agent in dict.fromkeys(group.agents or ("*",)):
            if agent in named and said:
                found.setdefault(agent, []).extend(said)
    return list(found.values())


def token(agent: str) -> str:
    """Return the product token of an agent's name or of a line of User-agent, in lower case."""
    match = _TOKEN.match(agent)
    return (match[0] if match else "").strip().lower()


def _text(body: bytes) -> str:
    return body[:MAX_BYTES].decode("utf-8-sig", "replace")


@lru_cache(maxsize=64)
def _parsed(body: bytes, agents: tuple[str, ...]) -> tuple[Protego, tuple[str, ...]]:
    """Parse a file, and pick the agents that it can mean: for all others, "*" gives the same answer."""
    text = _OTHER.sub("", _text(body))
    lines = (_AGENT_LINE.match(line) for line in text.splitlines())
    tokens = {line[1].strip().lower().replace("*", "") for line in lines if line} - {""}
    named = [agent for agent in agents if any(token in agent.lower() for token in tokens)]
    return Protego.parse(text), (*named, "*")
