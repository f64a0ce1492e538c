"""ai.txt: robots-like lines for training, by path or by the suffix of a kind of file (Spawning)."""

import re
from typing import Final
from urllib.parse import urlsplit

from corpus_gov.optouts import Statement
from corpus_gov.optouts.paths import matches

FILE: Final = "ai.txt"
_LINE = re.compile(r"(?im)^[ \t]*(user-agent|allow|disallow)[ \t]*:[ \t]*([^#\n]*?)[ \t\r]*(?:#.*)?$")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")
PAGE: Final = ".html"
"""What an address without a suffix is taken to end in: it leads to a page."""


def of_file(body: bytes, path: str) -> list[Statement]:
    """Read an ai.txt for a path: of the patterns that match, the longest holds, and Allow where two are equal.

    Args:
        body: the file.
        path: of `paths.path_of`.

    Returns:
        At most one statement: none where nothing matches, one of value unknown where no line of it can be read.
    """
    text = body.decode("utf-8-sig", "replace")
    rules = [(match[1].lower(), match[2].strip()) for match in _LINE.finditer(text)]
    if not any(name != "user-agent" for name, _ in rules):
        spoken = any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())
        return [Statement("ai_txt", FILE, "host", "train", "unknown", "not readable")] if spoken else []
    plain = urlsplit(path).path
    asked = plain if _SUFFIX.search(plain) else (plain.rstrip("/") or "/index") + PAGE
    best: tuple[int, bool, str] | None = None
    for name, pattern in rules:
        if name != "user-agent" and (_fits(pattern, path) or _fits(pattern, asked)):
            candidate = len(pattern), name == "allow", pattern
            best = max(best, candidate) if best else candidate
    if best is None:
        return []
    value = "allow" if best[1] else "deny"
    said = f"{'Allow' if best[1] else 'Disallow'}: {best[2][:80]}"
    return [Statement("ai_txt", FILE, "host" if best[2] in {"/", "*"} else "path", "train", value, said)]


def _fits(pattern: str, path: str) -> bool:
    # "*.txt" means files that end so.
    return matches(f"{pattern}$" if pattern.startswith("*.") and not pattern.endswith("$") else pattern, path)
