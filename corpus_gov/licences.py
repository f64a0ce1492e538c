"""What the name of a licence means: SPDX ids and expressions, and whether they permit or set conditions.

Ids and their categories come from the list that `license-expression` ships (SPDX licence list and LicenseDB,
CC-BY-4.0). Whether a use is allowed by a licence is for the policy (`uses`); here is only what sort of licence it is.
"""

import re
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

PERMITTED: Final = "rights.permitted"
CONDITIONAL: Final = "rights.conditional"

PERMITTING: Final = frozenset({"Permissive", "Public Domain", "Copyleft", "Copyleft Limited"})
"""Categories of LicenseDB whose licences let everybody use, change and pass on, for every purpose."""
UNSTATED: Final = "Unstated License"

LONGEST: Final = 300
"""Characters of an expression; a longer one is text."""

ALIASES: Final = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache2.0": "Apache-2.0",
    "artistic license 2.0": "Artistic-2.0",
    "boost software license 1.0": "BSL-1.0",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "etalab": "etalab-2.0",
    "gnu affero general public license version 3": "AGPL-3.0-only",
    "gnu general public license version 2": "GPL-2.0-only",
    "gnu general public license version 3": "GPL-3.0-only",
    "gnu lesser general public license version 2.1": "LGPL-2.1-only",
    "gnu lesser general public license version 3": "LGPL-3.0-only",
    "gpl v2": "GPL-2.0-only",
    "gpl v3": "GPL-3.0-only",
    "gplv2": "GPL-2.0-only",
    "gplv3": "GPL-3.0-only",
    "isc license": "ISC",
    "lgplv2.1": "LGPL-2.1-only",
    "lgplv3": "LGPL-3.0-only",
    "mit license": "MIT",
    "mozilla public license 2.0": "MPL-2.0",
    "mozilla public license version 2.0": "MPL-2.0",
    "mpl 2.0": "MPL-2.0",
    "odbl": "ODbL-1.0",
    "open government licence 3.0": "OGL-UK-3.0",
    "open government licence v3.0": "OGL-UK-3.0",
    "pddl": "PDDL-1.0",
    "public domain": "LicenseRef-public-domain",
    "the apache license version 2.0": "Apache-2.0",
    "the mit license": "MIT",
    "unlicense": "Unlicense",
    "wtfpl": "WTFPL",
    "zlib license": "Zlib",
}
"""Names as people write them, folded by `_fold`, to ids: only names that leave no doubt about the version."""

_VERSION: Final = r",? ?(?:version |v\.? ?|-)?"
FAMILIES: Final = tuple(
    (re.compile(f"(?i)(?:the )?(?:{name})(?: licen[cs]e)?"), form)
    for name, form in (
        (rf"(?:apache(?: software)?)(?: licen[cs]e)?{_VERSION}([12]\.[01])", "Apache-{}"),
        (rf"(?:mozilla public licen[cs]e|mpl){_VERSION}([12]\.[01])", "MPL-{}"),
        (rf"(?:eclipse public licen[cs]e|epl)(?: -)?{_VERSION}([12]\.0)", "EPL-{}"),
        (rf"(?:european union public licen[cs]e|eupl){_VERSION}(1\.[012])", "EUPL-{}"),
        (rf"(?:common development and distribution licen[cs]e|cddl){_VERSION}(1\.[01])", "CDDL-{}"),
        (rf"(?:sil open font licen[cs]e|ofl){_VERSION}(1\.[01])", "OFL-{}"),
        (rf"artistic licen[cs]e{_VERSION}([12]\.0)", "Artistic-{}"),
        (rf"academic free licen[cs]e{_VERSION}([123]\.[01])", "AFL-{}"),
        (r"(?:new|modified|revised|(?:3|three)[- ]clause) bsd|bsd[ -](?:new|(?:3|three)[- ]clause)", "BSD-3-Clause"),
        (r"(?:simplified|freebsd|(?:2|two)[- ]clause) bsd|bsd[ -](?:simplified|(?:2|two)[- ]clause)", "BSD-2-Clause"),
        (r"mit|expat", "MIT"),
        (r"isc", "ISC"),
    )
)
"""Names of licences with their versions as people write them, and the forms of their ids."""
_GNU: Final = re.compile(
    r"(?i)(?:the )?(?:gnu[ /])?(?:(lesser |library |affero )?general public licen[cs]e|([la]?)gpl)(?: \([la]?gpl\))?"
    r"(?: as published by the free software foundation)?[,;:]? ?(?:either )?(?:version |v\.? ?|-)?([123])(?:\.([0-9]))?"
    r"(?: of the licen[cs]e)?(?:(,? ?(?:or|and) (?:\(at your option\) )?(?:any )?(?:later|newer)(?: versions?)?|\+"
    r"|-or-later)|-only| only)?(?: licen[cs]e)?"
)
"""One of the licences of the GNU project with its version, in the words of its notices or short."""

_SPACE: Final = re.compile(r"[\s,()\"']+")
_BETWEEN: Final = re.compile(r"[\s*#/]+")
_CC: Final = re.compile(
    r"(?i)cc[ -]?((?:by|sa|nc|nd|devnations|sampling)(?:[ -](?:nc|nd|sa))*|zero|0)"
    r"(?:[ -]v?([0-9]\.[0-9]))?(?:[ -]([a-z]{2,3}))?"
)


class Licence(NamedTuple):
    """A licence, or several joined by AND, OR and WITH."""

    id: str
    """SPDX expression; licences that SPDX has no id for have one of LicenseDB, beginning with LicenseRef-scancode-."""
    category: str
    """PERMITTED or CONDITIONAL: of AND the stricter, of OR the milder."""


@lru_cache(maxsize=4096)
def named(text: str) -> Licence | None:
    """Read an SPDX expression, an id of a data card such as `cc-by-sa-4.0`, or a name such as `MIT License`.

    Returns:
        None for what names no licence that the list knows, such as `other`.
    """
    if not text.strip() or len(text) > LONGEST:
        return None
    plain = text.strip().strip("\"'").rstrip(".;,")
    if match := _CC.fullmatch(plain):
        return creative_commons(match[1], match[2], match[3])
    known = ALIASES.get(_fold(plain)) or _of_family(_BETWEEN.sub(" ", plain)) or plain
    if known == "LicenseRef-public-domain":
        return Licence(known, PERMITTED)
    return _parsed(known)


def _of_family(text: str) -> str | None:
    """Name a licence that people write with its version: MPL 2.0, or GNU GPL v2 or later."""
    if match := _GNU.fullmatch(text):
        kind = (match[1] or match[2] or "")[:1].upper()
        later = "or-later" if match[5] else "only"
        return f"{kind}GPL-{match[3]}.{match[4] or 0}-{later}"
    found = ((form, name.fullmatch(text)) for name, form in FAMILIES)
    return next((form.format(*match.groups()) for form, match in found if match), None)


@cache
def _categories() -> dict[str, str]:
    import license_expression  # noqa: PLC0415 - reads a list of a megabyte

    found: dict[str, str] = {}
    for one in license_expression.get_license_index():
        for key in (one.get("spdx_license_key"), *one.get("other_spdx_license_keys", ())):
            if key:
                found[key] = one.get("category") or UNSTATED
    return found


@cache
def _licensing() -> Any:
    import license_expression  # noqa: PLC0415 - reads a list of a megabyte

    return license_expression.get_spdx_licensing()


def _parsed(text: str) -> Licence | None:
    import license_expression  # noqa: PLC0415 - reads a list of a megabyte

    try:
        tree = _licensing().parse(text, validate=True)
    except (license_expression.ExpressionError, license_expression.ExpressionParseError):
        return None
    if tree is None:
        return None
    category = _category(tree)
    return Licence(tree.render(), category) if category else None


def _category(tree: Any) -> str | None:
    """Judge an expression from its leaves; None where one of them says nothing, such as an unstated licence."""
    parts = [_category(one) for one in getattr(tree, "args", ())]
    if parts:
        strict = CONDITIONAL in parts if tree.operator.strip() == "AND" else PERMITTED not in parts
        return None if None in parts else CONDITIONAL if strict else PERMITTED
    # An exception gives more than its licence does.
    symbol = getattr(tree, "license_symbol", tree)
    kind = _categories().get(symbol.key, UNSTATED)
    return None if kind == UNSTATED else PERMITTED if kind in PERMITTING else CONDITIONAL


@lru_cache(maxsize=4096)
def creative_commons(elements: str, number: str | None, port: str | None = None) -> Licence:
    """Name a licence of Creative Commons.

    Args:
        elements: such as `by-nc-sa`, in any case; `zero` and `0` are CC0.
        number: of the version; without one the terms are not certain, and the id is none of SPDX.
        port: of a jurisdiction; one that SPDX has no id for counts as the unported licence.
    """
    plain, own = elements.upper().replace(" ", "-"), (port or "").upper()
    if plain in ("0", "ZERO"):
        return Licence("CC0-1.0", PERMITTED)
    category = CONDITIONAL if {"NC", "ND"} & set(plain.split("-")) else PERMITTED
    if not number:
        return Licence(f"LicenseRef-CC-{plain}", category)
    unported = f"CC-{plain}-{number}"
    return Licence(f"{unported}-{own}" if own and f"{unported}-{own}" in _categories() else unported, category)


def _fold(text: str) -> str:
    return _SPACE.sub(" ", text).strip().lower()
