"""Lists of words as plain text files beside the packs that name them.

    # a comment
    [offer]                                   the list that the following entries belong to
    stake money online
    wechat = weixin | vx (pinyin and initials, seen in advertisements)

An entry may have variants behind `=`, apart by `|`, and must then say in brackets where they come from. A list whose
entries nobody may read has keyed hashes in their place (`wordseals` makes them), and says how and under which key:

    [names sealed words1 0123456789abcdef]
    3 1f0c25aa 9b1e…64 hex digits

Files may come from third parties: their size and the number and length of entries are limited, there are no patterns,
and whatever is wrong is an error with file and line.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from corpus_gov.errors import RuleError

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 200_000
"""Of one file, variants included."""
MAX_CHARS: Final = 100
"""Of one entry."""
MAX_VARIANTS: Final = 40
"""Of one entry."""
WORDS: Final = "words1"
"""How entries of keywords are sealed: raised when an entry would have other tokens (`kernels.wordtokens.forms`)."""
HOSTS: Final = "hosts1"
"""How domains of blocklists are sealed."""

Word: TypeAlias = str | dict[str, str | list[str]]
"""An entry as it is written, or with its `variants` and their `source`, or `sealed`: a digest with its `way`, `key`,
`tokens` and, for words, `short`."""

_HEAD = re.compile(r"\[([a-z][a-z0-9_]*)(?: sealed ([a-z]+[0-9]+) ([0-9a-f]{16}))?\]")
_VARIED = re.compile(r"(.+?) = (.+?) \(([^()]{3,200})\)")
_SEALED: Final = {
    WORDS: re.compile(r"([1-9][0-9]?) ([0-9a-f]{8}) ([0-9a-f]{64})"),
    HOSTS: re.compile(r"([1-9][0-9]?) ()([0-9a-f]{64})"),
}
_EXPECTED: Final = {
    WORDS: "a number of tokens, 8 and 64 hex digits",
    HOSTS: "a number of labels and 64 hex digits",
}


def parse(data: bytes, where: str) -> dict[str, list[Word]]:
    """Read one file.

    Args:
        data: UTF-8.
        where: name of the file in messages.

    Returns:
        The entries of each list, in the order of the file.

    Raises:
        RuleError: names file and line.
    """
    lists: dict[str, list[Word]] = {}
    name, way, key, count = "", "", "", 0
    for number, raw in enumerate(_text(data, where).split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{where}:{number}"
        if line.startswith("["):
            name, way, key = _head(line, place)
            lists.setdefault(name, [])
            continue
        if not name:
            raise RuleError(f"{place}: found an entry before a list, expected a line such as [offer]; name its list")
        word = _sealed(line, way, key, place) if way else _word(line, place)
        count += 1 + (len(word["variants"]) if isinstance(word, dict) and "variants" in word else 0)
        if count > MAX_ENTRIES:
            raise RuleError(f"{place}: found more than {MAX_ENTRIES} entries, expected at most that; split the file")
        lists[name].append(word)
    return lists


def is_sealed(word: object) -> bool:
    """Tell an entry that nobody can read, in a list as `parse` or a pack gives it."""
    return not isinstance(word, str) and isinstance(word, Mapping) and "sealed" in word


def entries(words: Sequence[str | Mapping[str, Any]]) -> list[str]:
    """Return the entries of a list with their variants; sealed ones have none that could be read."""
    found: list[str] = []
    for word in words:
        if isinstance(word, str):
            found.append(word)
        elif "word" in word:
            variants = word["variants"]
            assert isinstance(variants, list | tuple)  # noqa: S101 - `parse` and the pack's reader made it so
            found += [str(word["word"]), *map(str, variants)]
    return found


def _text(data: bytes, where: str) -> str:
    if len(data) > MAX_BYTES:
        raise RuleError(f"{where}:1: found {len(data)} bytes, expected at most {MAX_BYTES}; split the file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RuleError(f"{where}:{line}: found no valid UTF-8; save the file as UTF-8") from error


def _head(line: str, place: str) -> tuple[str, str, str]:
    if match := _HEAD.fullmatch(line):
        if match[2] and match[2] not in _SEALED:
            raise RuleError(
                f"{place}: found a list sealed as {match[2]!r}, expected one of {sorted(_SEALED)!r}; seal it again"
            )
        return match[1], match[2] or "", match[3] or ""
    raise RuleError(f"{place}: found {line[:60]!r}, expected the name of a list such as [offer]; correct it")


def _word(line: str, place: str) -> Word:
    if " = " not in line:
        return _checked(line, place)
    match = _VARIED.fullmatch(line)
    if not match:
        raise RuleError(
            f"{place}: found variants without a source, expected `entry = variant | variant (where they come from)`; "
            "say it in brackets"
        )
    variants = [_checked(variant.strip(), place) for variant in match[2].split("|")]
    if len(variants) > MAX_VARIANTS:
        raise RuleError(f"{place}: found {len(variants)} variants, expected at most {MAX_VARIANTS}; write some apart")
    return {"word": _checked(match[1], place), "variants": variants, "source": match[3]}


def _checked(word: str, place: str) -> str:
    if not 0 < len(word) <= MAX_CHARS:
        raise RuleError(f"{place}: found an entry of {len(word)} characters, expected 1 to {MAX_CHARS}; shorten it")
    return word


def _sealed(line: str, way: str, key: str, place: str) -> Word:
    match = _SEALED[way].fullmatch(line)
    if not match:
        raise RuleError(f"{place}: found no sealed entry, expected {_EXPECTED[way]}; write it by `rules seal-list`")
    short = {"short": match[2]} if match[2] else {}
    return {"sealed": match[3], "way": way, "key": key, "tokens": match[1], **short}
