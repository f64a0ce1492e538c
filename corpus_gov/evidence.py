"""Where evidence of rights stands, what it is about, and how sure that makes it.

A page states a licence in many places: in the header it came with, in its head, its data for machines, its body, its
footer. All of them are kept. Their order is that of the C5 corpus (meta tag, JSON-LD, link, anchor; head before
footer), and what is about a picture or another site does not speak for the page.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

NO_LICENCE: Final = "-"

CONTEXT: Final = 60
"""Code points before and after a statement, on its line, that may say what it is about."""

FOOTER: Final = 4 / 5
"""A notice in the last fifth of the lines of a page is in its footer."""

_PICTURE: Final = re.compile(
    r"(?i)图片|照片|摄影|图源|配图|题图|封面|圖片|photo|image|picture|illustration|\bfig(?:ure|\.)|\.(?:jpe?g|png|gif|svg|webp)"
    r"|flickr|wikimedia|commons\.wikimedia|unsplash|icon|font|video|视频"
)


class Where(NamedTuple):
    """A place and what a statement there is about."""

    place: str
    """header, head, json, field, file, body, footer; dossier."""
    scope: str
    """page; site, what every page of it says; part, a picture or something else on it; source, all of it."""
    confidence: float
    """From 0 to 1: of two statements the surer one names the licence."""


HEADER: Final = Where("header", "page", 0.98)
HEAD: Final = Where("head", "page", 0.9)
BODY: Final = Where("body", "page", 0.8)
PART: Final = Where("body", "part", 0.3)
DOSSIER: Final = Where("dossier", "source", 0.5)
_NOTICE: Final = Where("body", "page", 0.7)
_NOTICE_FOOTER: Final = Where("footer", "site", 0.65)

_MARKUP: Final = {
    ("http", ""): HEADER,
    ("meta", ""): Where("head", "page", 0.95),
    ("jsonld", ""): Where("json", "page", 0.92),
    ("jsonld", "part"): Where("json", "part", 0.3),
    ("link", ""): Where("head", "page", 0.9),
    ("itemprop", ""): Where("body", "page", 0.88),
    ("itemprop", "part"): PART,
    ("field", ""): Where("field", "page", 0.95),
    ("front_matter", ""): Where("file", "page", 0.95),
    ("feed", ""): Where("file", "page", 0.85),
    ("feed", "part"): PART,
    ("a", "license"): Where("body", "page", 0.85),
    ("a", "footer/license"): Where("footer", "site", 0.75),
    ("a", "footer"): Where("footer", "site", 0.7),
    ("a", ""): Where("body", "part", 0.4),
}
"""By the kind of a markup line: what stands before its first colon, and behind its @."""


def in_markup(line: str) -> Where:
    """Place what a line of DOCUMENTS.markup says, such as `a@footer:license: …` or `notice@8/9: …`."""
    kind, _, name = line.partition(": ")[0].partition(":")
    kind, _, place = kind.partition("@")
    if kind == "notice":
        number, _, of = place.partition("/")
        footer = of.isdecimal() and int(of) > 0 and int(number) > FOOTER * int(of)
        return PART if _PICTURE.search(line[:CONTEXT]) else _NOTICE_FOOTER if footer else _NOTICE
    if kind == "a" and name == "license":
        place = "/".join(part for part in (place, name) if part)
    return _MARKUP.get((kind, place), _NOTICE)


def in_text(text: str, start: int, end: int) -> Where:
    """Place what a text says: the words beside it tell whether it is about a picture."""
    before = text[max(0, start - CONTEXT) : start].rpartition("\n")[2]
    after = text[end : end + CONTEXT].partition("\n")[0]
    return PART if _PICTURE.search(before) or _PICTURE.search(after) else BODY


@lru_cache(maxsize=4096)
def note(licence: str | None, where: Where) -> str:
    """Write what a finding adds: licence id or "-", place and scope."""
    # Expressions have spaces in them; no SPDX id has an underscore.
    return f"{(licence or NO_LICENCE).replace(' ', '_')} {where.place} {where.scope}"


def parts(notes: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Take notes apart.

    Returns:
        Licence (null where there is none), place and scope; all null where a note has another form.
    """
    split = pc.extract_regex(notes.cast(pa.string()), r"^(?P<licence>\S+) (?P<place>\S+) (?P<scope>\S+)$")
    licence, place, scope = (pc.struct_field(split, name) for name in ("licence", "place", "scope"))
    licence = pc.if_else(pc.equal(licence, NO_LICENCE), pa.scalar(None, pa.string()), licence)
    return pc.replace_substring(licence, "_", " "), place, scope
