"""What the metadata of an asset say of data mining: plus:DataMining of the PLUS vocabulary (IPTC, XMP)."""

from typing import Final

from corpus_gov.optouts import Lines, Statement

KINDS: Final = {
    "meta:plus:datamining": "meta",
    "meta:datamining": "meta",
    "jsonld:plus:datamining": "jsonld",
    "jsonld:datamining": "jsonld",
}
"""Lines of markup that hold the property, and where they stood."""

VOCABULARY: Final = {
    "dmi-prohibited": ("all", "deny"),
    "dmi-prohibited-aimltraining": ("train", "deny"),
    "dmi-prohibited-genaimltraining": ("train", "deny"),
    "dmi-prohibited-exceptsearchengineindexing": ("all", "deny"),
    "dmi-prohibited-seeconstraint": ("all", "conditional"),
    "dmi-prohibited-seeembeddedrightsexpr": ("all", "conditional"),
    "dmi-prohibited-seelinkedrightsexpr": ("all", "conditional"),
    "dmi-allowed": ("all", "allow"),
}
"""Last part of the value's address to use and value; DMI-UNSPECIFIED says nothing."""

_NOTHING: Final = "dmi-unspecified"


def of_page(lines: Lines) -> list[Statement]:
    """Read plus:DataMining in the tags and JSON-LD of a page; a value of no vocabulary is unknown."""
    found = []
    for kind, place in KINDS.items():
        for value in lines.get(kind, ()):
            name = value.strip().rstrip("/").rpartition("/")[2].lower()
            if name != _NOTHING:
                use, meaning = VOCABULARY.get(name, ("all", "unknown"))
                found.append(Statement("data_mining", place, "asset", use, meaning, name[:60]))
    return found
