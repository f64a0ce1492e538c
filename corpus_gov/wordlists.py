"""Lists of words as plain text files beside the packs that name them.

    # a comment
    [offer]                                   the list that the following entries belong to
    stake money online
    wechat = weixin | vx (pinyin and initials, seen in advertisements)

An entry may have variants behind `=`, apart by `|`, and must then say in brackets where they come from. A list whose
entries nobody may read has digests in their place (`sealed`):

    [names sealed 00112233445566778899aabbccddeeff]
    3 1f0c…64 hex digits

Files may come from third parties: their size and the number and length of entries are limited, there are no patterns,
and whatever is wrong is an error with file and line.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from corpus_gov.errors import RuleError

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_ENTRIES: Final = 200_000
"""Of one file, variants included."""
MAX_CHARS: Final = 100
"""Of one entry."""
MAX_VARIANTS: Final = 40
"""Of one entry."""
MAX_TOKENS: Final = 8
"""Of a sealed entry: for each number of tokens a text's windows are digested once."""

Word: TypeAlias = str | dict[str, str | list[str]]
"""An entry as it is written, or with its `variants` and their `source`, or `sealed` with `key` and `tokens`."""

_HEAD = re.compile(r"\[([a-z][a-z0-9_]*)(?: sealed ([0-9a-f]{32,64}))?\]")
_VARIED = re.compile(r"(.+?) = (.+?) \(([^()]{3,200})\)")
_SEALED = re.compile(r"([1-9]) ([0-9a-f]{64})")


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
    name, key, count = "", "", 0
    for number, raw in enumerate(_text(data, where).split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{where}:{number}"
        if line.startswith("["):
            name, key = _head(line, place)
            lists.setdefault(name, [])
            continue
        if not name:
            raise RuleError(f"{place}: found an entry before a list, expected a line such as [offer]; name its list")
        word = _sealed(line, key, place) if key else _word(line, place)
        count += 1 + (len(word["variants"]) if isinstance(word, dict) and "variants" in word else 0)
        if count > MAX_ENTRIES:
            raise RuleError(f"{place}: found more than {MAX_ENTRIES} entries, expected at most that; split the file")
        lists[name].append(word)
    return lists


def seal(tokens: Sequence[int], key: str) -> str:
    """Return the line for a sealed entry.

    Who has the file can try words against it, one by one; it keeps a list from being read, not from being tested.

    Args:
        tokens: the folded entry, as `kernels.multimatch.forms` gives it.
        key: hex digits from the head of the list.
    """
    return f"{len(tokens)} {digest(tokens, bytes.fromhex(key))}"


def digest(tokens: Sequence[int], key: bytes) -> str:
    """Return HMAC-SHA-256, hex, over the tokens of a folded entry, eight bytes each, the lowest first."""
    return hmac.new(key, b"".join(token.to_bytes(8, "little") for token in tokens), sha256).hexdigest()


def entries(words: Sequence[str | Mapping[str, object]]) -> list[str]:
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


def _head(line: str, place: str) -> tuple[str, str]:
    if match := _HEAD.fullmatch(line):
        return match[1], match[2] or ""
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


def _sealed(line: str, key: str, place: str) -> Word:
    match = _SEALED.fullmatch(line)
    if not match or int(match[1]) > MAX_TOKENS:
        raise RuleError(
            f"{place}: found no sealed entry, expected a number of tokens from 1 to {MAX_TOKENS} and 64 hex digits; "
            "write it by corpus_gov.wordlists.seal"
        )
    return {"sealed": match[2], "key": key, "tokens": match[1]}
