"""Really Simple Licensing 1.0: what an RSL file permits for a path, and pages and robots.txt that name one.

Source: RSL 1.0 of 2025-12-10. What is prohibited beats what is permitted; where uses are permitted by name, others are
not; of several licences for one content any may be taken, so the mildest holds.
"""

from typing import Final
from xml.etree import ElementTree as ET

from corpus_gov.optouts import VALUES, Lines, Statement
from corpus_gov.optouts.paths import matches, path_of
from corpus_gov.optouts.robots import PLACE, groups

FILE: Final = "rsl"
TRAINING: Final = frozenset({"all", "ai-all", "ai-train"})
FREE: Final = "free"
_MARKS: Final = (b"<!DOCTYPE", b"<!ENTITY")


def of_file(body: bytes, path: str) -> list[Statement]:
    """Read an RSL file for a path: the longest pattern that matches it holds.

    Args:
        body: the file; one with a document type is not read, since entities can grow without bounds.
        path: of `paths.path_of`.

    Returns:
        At most one statement; of value unknown where the file cannot be read; none for XML of another kind.
    """
    if any(mark in body for mark in _MARKS):
        return [Statement("rsl", FILE, "host", "train", "unknown", "document type")]
    try:
        root = ET.fromstring(body)  # noqa: S314 - without a document type there is nothing to expand
    except ET.ParseError:
        return [Statement("rsl", FILE, "host", "train", "unknown", "not readable")]
    if _name(root) != "rsl":
        return []
    fitting = [(len(where), element) for element in root if _name(element) == "content"
               for where in [_where(element)] if where is not None and matches(where, path)]  # fmt: skip
    if not fitting:
        return []
    content = max(fitting, key=lambda one: one[0])[1]
    licences = [_licence(element) for element in content if _name(element) == "license"]
    if not licences:
        return [Statement("rsl", FILE, "path", "train", "unknown", "no licence")]
    value, said, terms = max(licences, key=lambda one: VALUES.index(one[0]))
    return [Statement("rsl", FILE, "path", "train", value, said, terms)]


def named(body: bytes) -> list[Statement]:
    """Return what a robots.txt says by naming a licence file: terms that stand elsewhere."""
    said = [value for group in groups(body) for key, value in group.lines if key == "license" and value]
    return [_elsewhere(PLACE, "host", value) for value in said[:1]]


def of_page(lines: Lines) -> list[Statement]:
    """Return what a page says by naming an RSL file in a link or a header."""
    found = [_elsewhere("meta", "url", value) for value in lines.get("link:rsl", ())[:1]]
    found += [
        _elsewhere("header", "url", header.partition("<")[2].partition(">")[0])
        for header in lines.get("http:link", ())
        if "application/rsl+xml" in header.lower()
    ]
    return found[:1]


def _elsewhere(place: str, scope: str, address: str) -> Statement:
    return Statement("rsl", place, scope, "train", "unknown", "terms not read", address[:2_000] or None)


def _where(content: ET.Element) -> str | None:
    url = content.get("url", "/").strip()
    try:
        return path_of(url) if "://" in url else url
    except ValueError:
        return None


def _licence(licence: ET.Element) -> tuple[str, str, str | None]:
    """Return what one licence says of training, by which words, and where its terms are."""
    permits, prohibits = (_listed(licence, name, "usage") for name in ("permits", "prohibits"))
    if prohibits is not None and prohibits & TRAINING:
        return "deny", f"prohibits {' '.join(sorted(prohibits & TRAINING))}", None
    if permits is not None and not permits & TRAINING:
        return "deny", f"permits {' '.join(sorted(permits))[:40]} alone", None
    payment = next((element for element in licence if _name(element) == "payment"), None)
    limited = [f"{name} {kind}" for name in ("permits", "prohibits") for kind in ("user", "geo")
               if _listed(licence, name, kind)]  # fmt: skip
    kind = FREE if payment is None else payment.get("type", "purchase")
    if kind == FREE and not limited:
        return "allow", "permits training", None
    terms = (element.text for element in licence.iter() if _name(element) in {"server", "standard", "custom"})
    address = next((text.strip()[:2_000] for text in terms if text and text.strip()), None)
    return "conditional", ", ".join([f"payment {kind}"] * (kind != FREE) + limited)[:80], address


def _listed(licence: ET.Element, name: str, kind: str) -> set[str] | None:
    """Return what elements of a name and type list, separated by blanks or commas; None where there is none."""
    found = [element for element in licence if _name(element) == name and element.get("type") == kind]
    return {word.lower() for one in found for word in (one.text or "").replace(",", " ").split()} if found else None


def _name(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]
