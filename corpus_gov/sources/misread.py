"""What misread bytes look like: the characters and sequences that `mojibake` looks for."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

LOST: Final = "\ufffd"
MAX_GAP: Final = 40
"""So many ASCII characters may stand between two places of one finding."""

# These follow letters in good text: with one of them, a sequence alone proves little.
COMMON: Final = "“”‘’–—…™®©\u00a0\u00ad«»·´¨°"


@cache
def byte_of(codec: str) -> dict[str, int]:
    """Map characters to bytes; what the encoding leaves open is read as a control character, as browsers do."""
    known = {chr(byte): byte for byte in range(0x80, 0xA0)} if codec.startswith("cp125") else {}
    for byte in range(256):
        character = bytes((byte,)).decode(codec, "ignore")
        known[character or chr(byte)] = byte
    # No byte of UTF-8: it comes out as what it is, lost.
    return known | {LOST: 0xFF}


def high_of(codec: str) -> set[str]:
    """Return what bytes outside ASCII are read as."""
    return {character for character, byte in byte_of(codec).items() if 0x80 <= byte < 0xFF and character != LOST}


def tail_of(codec: str) -> set[str]:
    """Return what bytes inside of a UTF-8 sequence are read as."""
    return {character for character, byte in byte_of(codec).items() if 0x80 <= byte < 0xC0}


def lead_of(codec: str, first: int, last: int, but: str = COMMON) -> set[str]:
    """Return what bytes that begin a UTF-8 sequence are read as."""
    return {one for one, byte in byte_of(codec).items() if first <= byte < last and one not in but + LOST}


def letters() -> set[str]:
    """Return what bytes are read as in Latin-1, and good text does not repeat."""
    return {character for character in high_of("cp1252") if character <= "\xff"} - set(COMMON)


def class_of(characters: set[str]) -> str:
    """Write a class, without its brackets, as ranges: long patterns do not compile."""
    points = sorted(map(ord, characters))
    starts = [point for point in points if chr(point - 1) not in characters]
    ends = [point for point in points if chr(point + 1) not in characters]
    # None of them is ASCII, so none means anything in a class.
    return "".join(
        chr(start) if start == end else f"{chr(start)}-{chr(end)}" for start, end in zip(starts, ends, strict=True)
    )


@cache
def sequences_of(codec: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Compile one misread UTF-8 sequence, and several with only ASCII between them."""
    tail = f"[{class_of({*tail_of(codec), LOST})}]"
    leads = (
        f"[{class_of(lead_of(codec, first, last, ''))}]" for first, last in ((0xC2, 0xE0), (0xE0, 0xF0), (0xF0, 0xF5))
    )
    one = "(?:" + "|".join(f"{lead}{tail}{{{more}}}" for more, lead in enumerate(leads, 1)) + ")"
    return re.compile(one), re.compile(f"{one}(?:[\\x00-\\x7f]{{0,{MAX_GAP}}}{one})*")


@cache
def gb_classes() -> tuple[str, str, str]:
    """Return what GBK makes of the first two bytes of a character, and, in two halves, of any two that begin later."""
    first = _pairs([0xE2, 0xE3, *range(0xE4, 0xEA), 0xEF], range(0x80, 0xC0))
    second = _pairs(range(0x81, 0xC0), [*range(0x80, 0xC0), 0xE2, 0xE3, *range(0xE4, 0xEA), 0xEF])
    low = {character for character in second if character < "\u7000"}
    return class_of(first), class_of(low), class_of((second | {LOST}) - low) + "\ue000-\uf8ff"


def _pairs(leads: Iterable[int], trails: Iterable[int]) -> set[str]:
    pairs = (bytes((lead, trail)).decode("gb18030", "ignore") for lead in leads for trail in trails)
    return {character for character in pairs if len(character) == 1 and not "\ue000" <= character <= "\uf8ff"}


@cache
def gb_run(first: str, low: str, high: str) -> re.Pattern[str]:
    """Compile UTF-8 that was read as GBK, with only ASCII in between, from the classes of `gb_classes`."""
    known = f"[{first}{low}{high}]"
    return re.compile(f"(?:[{first}]{known}+|锟斤拷)(?:[\\x00-\\x7f]{{0,{MAX_GAP}}}{known}+)*")


@cache
def latin_run() -> re.Pattern[str]:
    """Compile bytes outside ASCII that were read as Latin-1, with only ASCII in between."""
    high = f"[{class_of({*high_of('cp1252'), LOST})}]"
    # A lone letter beside it is an accent of good text.
    several = f"(?:{high}[@-~]?){{2,}}"
    return re.compile(f"{several}(?:[\\x00-\\x7f]{{0,{MAX_GAP}}}{several})*")


@cache
def long_run() -> re.Pattern[str]:
    """Compile what is in a text of several characters, and rarely in good text in Latin script."""
    # Second bytes of Big5 and Shift_JIS may be ASCII.
    return re.compile(f"(?:[{class_of(letters())}][@-~]?){{6}}")
