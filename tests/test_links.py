"""Links to a heading lead to one; that linked files are there is tested in test_docs.py."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
    *sorted((CHECKOUT / "docs").rglob("*.md")),
]
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that the headings of a page are given by common renderers."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_linked_headings_are_there(page: Path) -> None:
    """Every link with an anchor to this page or another one names a heading of it."""
    parts = [link.partition("#") for link in _LINK.findall(prose(page)) if "://" not in link]
    named = [(page.parent / name if name else page, anchor) for name, _, anchor in parts if anchor]

    assert [(target.name, anchor) for target, anchor in named if anchor not in anchors(target)] == []
