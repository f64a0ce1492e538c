"""Words to robots in a page: `noai` and `noimageai` in tags and X-Robots-Tag, and directives to one training agent."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from corpus_gov.optouts import Lines, Statement

EVERY: Final = frozenset({"robots", "googlebot", "bingbot"})
"""Names of tags whose words are read; one to a training agent is read as well."""

_REFUSE: Final = frozenset({"noai"})
_IMAGES: Final = frozenset({"noimageai"})
_CRAWL: Final = frozenset({"noindex", "none"})
"""To an agent that does nothing but collect for training, these refuse training."""

_CHAT: Final = frozenset({"nocache", "noarchive"})
"""To Bing these limit what its answers may use."""

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_AGENT = re.compile(r"[ \t]*([A-Za-z0-9_ -]+?)[ \t]*:(.*)", re.DOTALL)
# Directives of X-Robots-Tag that take a value behind a colon, and are no agents.
_VALUED: Final = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def of_page(lines: Lines, agents: Collection[str]) -> list[Statement]:
    """Read the tags and headers of a page.

    Args:
        lines: of its markup.
        agents: product tokens of training agents.
    """
    named = {agent.lower() for agent in agents}
    found = (one for agent, place, words in _said(lines) for one in _about(agent, place, words, named))
    return list(dict.fromkeys(found))


def _said(lines: Lines) -> Iterator[tuple[str, str, frozenset[str]]]:
    for kind, values in lines.items():
        if kind.startswith("meta:"):
            for value in values:
                yield kind.removeprefix("meta:").replace("_", " "), "meta", frozenset(_WORD.findall(value.lower()))
        elif kind == "http:x-robots-tag":
            for value in values:
                match = _AGENT.match(value)
                agent = match[1].lower() if match and match[1].lower() not in _VALUED else "robots"
                words = match[2] if match and agent != "robots" else value
                yield agent, "header", frozenset(_WORD.findall(words.lower()))


def _about(agent: str, place: str, words: frozenset[str], agents: set[str]) -> Iterator[Statement]:
    known = agent in EVERY or agent in agents
    # `noai` is refused to whomever it is said: it means one thing only. A description may hold the word.
    if words & _REFUSE and (known or place == "header"):
        yield Statement("noai", place, "url", "train", "deny", f"{agent}: noai")
    if words & _IMAGES and (known or place == "header"):
        yield Statement("noai", place, "asset", "images", "deny", f"{agent}: noimageai")
    if agent in agents and words & _CRAWL:
        yield Statement("noai", place, "url", "train", "deny", f"{agent}: {min(words & _CRAWL)}")
    if agent == "bingbot" and words & _CHAT:
        yield Statement("noai", place, "url", "ai_input", "deny", f"{agent}: {min(words & _CHAT)}")
