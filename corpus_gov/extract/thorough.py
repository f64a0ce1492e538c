"""The slow path: trafilatura, for pages of which the fast one is not sure."""

import logging
from importlib.metadata import version
from typing import Final

NAME: Final = f"trafilatura@{version('trafilatura')}+lxml@{version('lxml')}"

MAX_BYTES: Final = 1 << 20
MAX_ELEMENTS: Final = 20_000
MAX_DEPTH: Final = 200
MAX_STEPS: Final = 1_000_000
"""Elements times depth: two seconds of a page that is made for it. Larger and deeper pages stay with what the fast path
found: this one copies parts of the tree again and again, and its parser cuts pages that are deeper than 256."""


def text(html: str, elements: int, depth: int) -> tuple[str, str | None]:
    """Extract the text of a page with trafilatura, without comments.

    Args:
        html: a page as a parser serialised it.
        elements: how many elements it has.
        depth: how many lie in one another.

    Returns:
        The text, and why there is none: too_large, empty, or the class of what trafilatura raised.
    """
    if elements > MAX_ELEMENTS or depth > MAX_DEPTH or elements * depth > MAX_STEPS or len(html) > MAX_BYTES:
        return "", "too_large"
    import trafilatura  # noqa: PLC0415  # half a second, and most files have no such page

    # Its messages quote addresses and pages.
    for name in ("trafilatura", "htmldate", "courlan"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        found = trafilatura.extract(html, include_comments=False)
    except MemoryError:
        # It says nothing about the page, and another run would give another text.
        raise
    except Exception as error:  # noqa: BLE001  # whatever it meets in a page: the caller has a result of its own
        return "", type(error).__name__
    return (found, None) if found and found.strip() else ("", "empty")
