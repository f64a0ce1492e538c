"""Text that was decoded by a wrong encoding before it came to us: where it stands, and what would undo it.

Nothing is repaired here: `find` returns places with a recipe, and `repair` replays a recipe on such a place. A recipe
is a chain of steps `written>meant`, joined by `|`: encode by what was wrongly used to read, decode by what was meant.
"""

import re
from bisect import bisect
from collections.abc import Collection, Iterator
from functools import cache
from typing import Final, NamedTuple

from corpus_gov.sources import detection
from corpus_gov.sources.alphabets import table
from corpus_gov.sources.misread import (
    COMMON,
    LOST,
    byte_of,
    class_of,
    gb_classes,
    gb_run,
    high_of,
    latin_run,
    lead_of,
    letters,
    long_run,
    sequences_of,
    tail_of,
)

MAX_LAYERS: Final = 3
"""Text is rarely misread more often, and every layer doubles its length."""
LEAST_GAIN: Final = 14.0
"""By so much, in the units of `detection.scores`, the repaired text must be more probable."""

SINGLE_BYTE: Final = ("cp1252", "cp1250", "iso8859-2", "cp1251", "cp1257", "mac-roman", "cp437")
"""What UTF-8 is misread as; where several explain as much, the first one."""
GB, LATIN = "gb18030", "latin"
"""Ways of misreading besides: UTF-8 read as GBK, East Asian encodings and Cyrillic ones read as Latin-1."""
MEANT: Final = ("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "cp1251", "koi8-r")
"""What is misread as Latin-1."""
_CYRILLIC: Final = ("cp1251", "koi8-r")
LEAST_USUAL: Final = -9.5
"""Mean of East Asian text is above it; that of other bytes, read as such, is below."""

_QUOTES: Final = "“”‘’–—…™"
_SMALL = re.compile(r"[a-z]")
_CAPITAL = re.compile(r"[A-Z]")
_LETTER = re.compile(r"[A-Za-z]")
_CONTROL = re.compile(r"[\x80-\x9f]")


class Place(NamedTuple):
    """Where misread text stands in a text, in code points, and how to undo it."""

    start: int
    end: int
    recipe: str
    exact: bool
    """Whether the recipe brings back every character; else some were lost and come out as U+FFFD."""


def repair(text: str, recipe: str) -> str:
    """Replay a recipe on the text of a place.

    Raises:
        ValueError: the recipe is not one that `find` writes, or the text is not one that it was written for.
    """
    for step in recipe.split("|"):
        written, arrow, meant = step.partition(">")
        if not arrow or written not in (*SINGLE_BYTE, "gb18030") or meant not in (*MEANT, "utf-8"):
            raise ValueError(f"recipe: found {step!r}, expected written>meant of encodings known here; correct it")
        undone = _undone(text, written, meant)
        if undone is None:
            raise ValueError(f"recipe {recipe!r}: the text has characters outside {written}; give the place it is for")
        text = undone
    return text


def find(text: str, suspected: Collection[str] = (GB, LATIN, *SINGLE_BYTE)) -> list[Place]:
    """Find misread text.

    Args:
        text: any; time is linear in its length.
        suspected: ways of misreading that are looked for, as `gates` names them.

    Returns:
        Places that do not overlap, ascending.
    """
    by_codec = [list(_utf8(text, codec)) for codec in SINGLE_BYTE if codec in suspected]
    # Encodings share most of their characters: the one that explains most of the text is the one.
    by_codec.sort(key=lambda places: -sum(place.end - place.start for place in places))
    first = [*(_gb(text) if GB in suspected else ()), *(_latin(text) if LATIN in suspected else ())]
    found: list[Place] = []
    for place in (*first, *(place for places in by_codec for place in places)):
        at = bisect(found, place)
        if (at == 0 or found[at - 1].end <= place.start) and (at == len(found) or place.end <= found[at].start):
            found.insert(at, place)
    return found


@cache
def gates() -> tuple[tuple[str, Collection[str]], ...]:
    """Return what to look for with `prefilter.candidates` before `find`.

    Returns:
        Pairs of a pattern and the ways of misreading that it speaks for; few good texts have any of them.
    """
    first, _, _ = gb_classes()
    others = [codec for codec in SINGLE_BYTE if codec != "cp1251"]
    tail = class_of({LOST}.union(*map(tail_of, others)))
    odd = class_of({LOST}.union(*map(tail_of, others)) - set(COMMON))
    two, three = (
        class_of(set().union(*(lead_of(codec, *span) for codec in others))) for span in ((0xC2, 0xE0), (0xE0, 0xF5))
    )
    russian = class_of({*tail_of("cp1251"), LOST})
    return (
        # Of two characters in UTF-8, six bytes, GBK makes three; the first of them begins with a lead byte.
        (f"[{first}][^\\x00-\\x7f]{{1,2}}[{first}]", (GB,)),
        ("锟斤拷", (GB,)),
        (f"(?:[{class_of(letters())}][@-~]?){{6}}", (LATIN,)),
        (f"[{two}][{odd}]", others),
        (f"[{three}][{tail}]{{2}}", others),
        (f"[ÂÃ][{class_of(tail_of('cp1252'))}]", ("cp1252",)),
        # Letters of Ukrainian and Serbian stand behind Р and С in good words, though not three times.
        (f"(?:[РС][{russian}]){{3}}", ("cp1251",)),
        (f"[вр][{russian}]{{2}}", ("cp1251",)),
    )


def _utf8(text: str, codec: str) -> Iterator[Place]:
    """Find UTF-8 that was read as an encoding of one byte a character."""
    sequence, cluster = sequences_of(codec)
    high = high_of(codec)
    for match in cluster.finditer(text):
        # Misread UTF-8 has no half sequences beside it.
        if text[match.start() - 1 : match.start()] in high or text[match.end() : match.end() + 1] in high:
            continue
        if _convinces(match, sequence.findall(match[0]), codec):
            recipe, exact = _layers(match[0], codec)
            if recipe:
                yield Place(match.start(), match.end(), recipe, exact)


def _convinces(match: re.Match[str], sequences: list[str], codec: str) -> bool:
    """Tell misread text from letters and signs that happen to follow one another."""
    odd = {one for one in sequences if one[0] not in COMMON and not set(one[1:]) <= set(COMMON)}
    if len(sequences) >= 3 and len(odd) >= 2 and codec != "cp437":
        return True
    text, at = match.string, match.start()
    for one in sequences:
        # The same one again says nothing new about it, but what stands around it may.
        at = text.index(one, at)
        if _speaks(one, codec, text[at - 1 : at] if at else "", text[at + len(one) : at + len(one) + 1]):
            return True
        at += len(one)
    return False


def _speaks(one: str, codec: str, before: str, after: str) -> bool:
    """Tell whether one sequence alone is enough: the web is full of misread accents, quotation marks and dashes."""
    lead = byte_of(codec)[one[0]]
    odd = one[0] not in COMMON and not set(one[1:]) <= set(COMMON)
    meant = _undone(one, codec, "utf-8")
    if meant is None or _CONTROL.match(meant):
        return False
    if lead >= 0xE0:
        return odd or (codec == "cp1252" and one.startswith("â™"))
    if codec == "cp1252" and one[0] == "Â":
        return one[1] not in _QUOTES and not before.isupper()
    if codec == "cp1252" and one[0] == "Ã" and odd:
        return True
    if codec == "cp1252" and lead == 0xC3 and not odd:
        return _is_accent(one[1], before, after)
    if codec in ("cp1252", "cp1250", "cp1257") and lead <= 0xC5:
        joined = bool(_SMALL.match(before) or _SMALL.match(after))
        return joined and (odd or (bool(_SMALL.match(after)) and one[1] not in _QUOTES + "\u00a0\u00ad"))
    return codec == "mac-roman" and odd and lead <= 0xC3 and bool(_LETTER.match(before))


def _is_accent(tail: str, before: str, after: str) -> bool:
    """Tell whether Ã with a common sign behind it is an accented letter."""
    if tail in _QUOTES:
        # HÃ”TEL and OÃ™, but neither "Ã’s" nor a quoted Ã.
        return bool(_CAPITAL.match(before)) and not _SMALL.match(after)
    if tail == "\u00a0":
        return bool(_SMALL.match(before) or before == "'")
    return tail in "©¨´®\u00ad" or bool(_SMALL.match(after))


def _layers(text: str, codec: str) -> tuple[str, bool]:
    """Undo one misreading after the other while that makes sense."""
    steps: list[str] = []
    sequence, exact = sequences_of(codec)[0], True
    for _ in range(MAX_LAYERS):
        undone = _undone(text, codec, "utf-8")
        if undone is None:
            break
        steps.append(f"{codec}>utf-8")
        exact, text = LOST not in undone, undone
        again = sequence.findall(text)
        if not any(one[0] in "ÂÃâ√" or not set(one[1:]) <= set(COMMON) for one in again):
            break
    return "|".join(steps), exact


def _gb(text: str) -> Iterator[Place]:
    """Find UTF-8 that was read as GBK, which reads nearly anything."""
    for match in gb_run(*gb_classes()).finditer(text):
        undone = _undone(match[0], "gb18030", "utf-8")
        if undone is None:
            continue
        kept = "".join(character for character in undone if character != LOST and not character.isascii())
        lost = undone.count(LOST)
        # Text that was all lost before it was misread: two marks of loss are three of these characters.
        if "锟斤拷" in match[0] or (lost <= len(kept) >= 2 and _gain(match[0], kept) > LEAST_GAIN):
            yield Place(match.start(), match.end(), "gb18030>utf-8", lost == 0)


def _gain(text: str, undone: str) -> float:
    return _probability(undone) / len(undone.encode()) * len(text.encode("gb18030", "replace")) - _probability(text)


def _probability(text: str) -> float:
    points = detection.code_points(text)
    return max(float(table(language)[points].sum()) for language in ("hans", "hant", "ja", "ko"))


def _latin(text: str) -> Iterator[Place]:
    """Find East Asian text, and Cyrillic, that was read as Latin-1."""
    for match in latin_run().finditer(text):
        data = _encoded(match[0], "cp1252")
        if data is None or not long_run().search(match[0]):
            continue
        # What was UTF-8 and lost a byte is no sign of another encoding.
        whole = sequences_of("cp1252")[0].sub(lambda one: "" if LOST in one[0] else one[0], match[0])
        found = detection.scores(detection.sample(_encoded(whole, "cp1252") or data))
        meant = max(MEANT, key=found.__getitem__)
        as_it_is = max(found[codec] for codec in ("cp1252", "cp1250", "utf-8"))
        undone = data.decode(meant, "replace")
        # Encodings that are alike, as those of Cyrillic, are scored nearly alike.
        if found[meant] < max(found.values()) - LEAST_GAIN / 2 or found[meant] - as_it_is < LEAST_GAIN:
            continue
        if meant in _CYRILLIC or _is_usual(undone):
            yield Place(match.start(), match.end(), f"cp1252>{meant}", LOST not in undone)


def _is_usual(text: str) -> bool:
    high = "".join(character for character in text if not character.isascii())
    return _probability(high) > LEAST_USUAL * len(high)


def _undone(text: str, written: str, meant: str) -> str | None:
    if written in SINGLE_BYTE and meant == "utf-8" and LOST in text:
        # A sequence that lost a byte is one character lost, whatever its other bytes say.
        text = sequences_of(written)[0].sub(lambda one: LOST if LOST in one[0] else one[0], text)
    data = _encoded(text, written)
    return None if data is None else data.decode(meant, "replace")


def _encoded(text: str, codec: str) -> bytes | None:
    """Return the bytes that the text was read from, or null where it cannot have been read from any."""
    if codec == "gb18030":
        try:
            return b"\xff".join(part.encode(codec) for part in text.split(LOST))
        except UnicodeEncodeError:
            return None
    known = byte_of(codec)
    try:
        return bytes(known[character] for character in text)
    except KeyError:
        return None
