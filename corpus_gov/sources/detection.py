"""Which encoding explains bytes best: the probability of the text that each would make of them.

For every encoding and every language that it is used for, the probability of a bounded sample is computed;
all of them are probabilities of the same bytes, so the highest one wins, and a label is worth so much more. No
training, no clock, no order of anything: the same bytes give the same scores everywhere.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

import numpy as np

from corpus_gov.sources.alphabets import BEYOND, LATIN, LETTERS, table

SAMPLE_BYTES: Final = 2048
"""So many bytes decide."""
SEARCH_BYTES: Final = 512 << 10
"""How far bytes outside ASCII are looked for."""
MARGIN: Final = 24
"""ASCII bytes kept on either side of others; after so many, every multi-byte encoding begins a character."""

BAD: Final = -18.0
"""Of a byte that does not decode."""
WIDE_LEAST: Final = -10.5
"""Mean of a text in UTF-16 is above it; that of other bytes, read as UTF-16, is below -13."""

_EAST: Final = ("hans", "hant", "ja", "ko")
MULTIBYTE: Final[Mapping[str, Mapping[str, float]]] = {
    "gb18030": {"hans": 0.0, "hant": -6.0, "ja": -12.0, "ko": -16.0},
    "big5hkscs": {"hant": 0.0, "hans": -8.0, "ja": -12.0},
    "cp932": {"ja": 0.0},
    "euc_jp": {"ja": 0.0},
    "cp949": {"ko": 0.0},
    "johab": {"ko": -8.0},
}
"""Encodings of two and more bytes a character: language → logarithm of how usual the pair is."""

_WEST = ("de", "fr", "es", "pt", "it", "nl", "sv", "fi", "da", "is", "ca", "sq", "en")
_CENTRAL = ("pl", "cs", "sk", "hu", "ro", "hr", "de", "sq")
_BALTIC = ("et", "lt", "lv")
_SLAVIC = ("ru", "uk", "be", "bg", "sr", "mk")
SINGLE: Final[Mapping[str, tuple[tuple[str, ...], float]]] = {
    "cp1252": (_WEST, 1.0), "cp1250": (_CENTRAL, -1.0), "cp1251": (_SLAVIC, 0.0), "cp1253": (("el",), 0.0),
    "cp1254": (("tr", "de"), -2.0), "cp1255": (("he",), 0.0), "cp1256": (("ar", "fa"), 0.0), "cp1257": (_BALTIC, -1.0),
    "cp1258": (("vi",), -2.0), "cp874": (("th",), 0.0), "koi8-r": (("ru", "bg"), -1.0), "koi8-u": (("uk", "be"), -2.0),
    "iso8859-2": (_CENTRAL, -2.0), "iso8859-3": (("mt", "eo"), -6.0), "iso8859-4": (_BALTIC, -4.0),
    "iso8859-5": (_SLAVIC, -2.0), "iso8859-6": (("ar",), -2.0), "iso8859-7": (("el",), -1.0),
    "iso8859-8": (("he",), -2.0), "iso8859-13": (_BALTIC, -3.0), "iso8859-14": (("cy",), -6.0),
    "iso8859-15": (_WEST, -3.0), "iso8859-16": (("ro",), -5.0), "mac-cyrillic": (_SLAVIC, -2.5),
    "mac-roman": (_WEST, -7.0), "mac-latin2": (_CENTRAL, -9.0), "mac-greek": (("el",), -8.0),
    "mac-turkish": (("tr",), -8.0), "cp866": (("ru", "uk", "be"), -3.0), "cp855": (_SLAVIC, -5.0),
    "cp850": (_WEST, -7.0), "cp852": (_CENTRAL, -7.0), "cp737": (("el",), -7.0), "cp775": (_BALTIC, -9.0),
    "cp857": (("tr",), -8.0), "cp862": (("he",), -7.0),
}  # fmt: skip
"""Encodings of one byte a character: languages, and how usual the encoding is among all."""

# What stands before a byte outside ASCII: another such byte, an ASCII letter, something else.
_BEFORE: Final = {
    "latin": np.log([0.04, 0.7, 0.26]),
    "vi": np.log([0.25, 0.55, 0.2]),
    "other": np.log([0.825, 0.005, 0.17]),
}
_CAPITAL_INSIDE: Final = -4.0
"""Of a capital directly behind a small letter."""
_SIGN_INSIDE: Final = -5.0
"""Of a sign between two letters."""
_ASKED: Final = 8
"""So many of the best are asked for capitals and signs inside of words."""
_SMALL, _CAPITAL, _SIGN, _OTHER = range(4)
_INSIDE: Final = "’'·-\u00ad"
"""Signs that stand inside of words."""

_NUL_SHARE: Final = 20
_HIGH = np.frombuffer(bytes(range(256)), np.uint8) >= 0x80
_LETTER = np.array([bytes((byte,)).isalpha() for byte in range(256)])
_HZ = re.compile(rb"~\{(?:[\x21-\x77][\x21-\x7e])+(?:~\}|~?$|[\x21-\x77]$)")


def sample(data: bytes) -> bytes:
    """Keep what stands around bytes outside ASCII, SAMPLE_BYTES at most: all else only dilutes the scores.

    No character is cut, but for the last one: pieces begin in ASCII.
    """
    for searched in (16 * SAMPLE_BYTES, SEARCH_BYTES):
        high = np.flatnonzero(np.frombuffer(data, np.uint8, count=min(len(data), searched)) & 0x80)
        if high.size >= SAMPLE_BYTES:
            break
    if high.size == 0:
        return data[:SAMPLE_BYTES]
    gaps = np.flatnonzero(np.diff(high) > 2 * MARGIN)
    starts, stops = high[np.append(0, gaps + 1)], high[np.append(gaps, high.size - 1)]
    kept, size = [], 0
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        piece = data[max(0, start - MARGIN) : min(stop + 1 + MARGIN, start + SAMPLE_BYTES - size)]
        kept.append(piece)
        size += len(piece) + 1
        if size >= SAMPLE_BYTES:
            break
    return b" ".join(kept)


def scores(part: bytes, more: Iterable[str] = ()) -> dict[str, float]:
    """Score every encoding.

    Args:
        part: what `sample` kept; neither ASCII alone nor UTF-16.
        more: codecs to score beside MULTIBYTE and SINGLE.

    Returns:
        Codec → natural logarithm of the probability of `part` in its likeliest language.
    """
    found = {codec: _multibyte(part, codec, languages) for codec, languages in MULTIBYTE.items()}
    found["utf-8"] = _utf8(part)
    found |= _single(part)
    for codec in more:
        if codec not in found:
            found[codec] = _multibyte(part, codec, dict.fromkeys((*_EAST, *LETTERS), -6.0))
    return found


MANY: Final = 64
VARIED: Final = 8
"""So many characters of which fewer than so many differ are a pattern of bytes, not a text."""


def wide(data: bytes) -> str | None:
    """Tell UTF-16 and UTF-32 without a mark by the text that they make, or null."""
    head = data[:SAMPLE_BYTES]
    if b"\0\0\0" in head or b"\0\x01\0" in head:
        for codec in ("utf-32-le", "utf-32-be"):
            if len(head) >= 8 and _mean(head[: len(head) // 4 * 4], codec) > WIDE_LEAST:
                return codec
    if head.isascii() and head.count(0) * _NUL_SHARE < len(head):
        return None
    means = {codec: _mean(head[: len(head) // 2 * 2], codec) for codec in ("utf-16-le", "utf-16-be")}
    best = max(means, key=means.__getitem__)
    return best if len(head) >= 8 and means[best] > WIDE_LEAST else None


def escaped(data: bytes) -> str | None:
    """Tell the encodings whose bytes are all ASCII by their escape sequences."""
    if b"\x1b$)C" in data:
        return "iso2022_kr"
    if b"\x1b$" in data:
        return "iso2022_jp_ext" if b"\x1b(I" in data or b"\x1b$(" in data else "iso2022_jp"
    return "hz" if _HZ.search(data) else None


def code_points(text: str) -> np.ndarray:
    """Return the indices of a text in the tables of `alphabets`."""
    return np.minimum(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), BEYOND)


def _mean(part: bytes, codec: str) -> float:
    try:
        points = code_points(part.decode(codec))
    except UnicodeDecodeError as error:
        # Half a surrogate pair at the cut is no sign of anything.
        if error.start < len(part) - 4:
            return -np.inf
        points = code_points(part[: error.start].decode(codec))
    if points.size == 0 or (points.size >= MANY and len(np.unique(points)) < VARIED):
        return -np.inf
    return float(max(weights[points].sum() for weights in (*map(table, _EAST), _alphabets())) / points.size)


@cache
def _alphabets() -> np.ndarray:
    """Take of each character the language that it is most probable in: a bound on all of them."""
    bound: np.ndarray = np.maximum.reduce([table(language) for language in LETTERS])
    return bound


def _multibyte(part: bytes, codec: str, languages: Mapping[str, float]) -> float:
    text = part.decode(codec, "replace")
    bad = text.count("\ufffd")
    # The cut of the sample may go through its last character.
    bad -= text.endswith("\ufffd")
    points = code_points(text.replace("\ufffd", ""))
    outside = points >= 0x80
    words = _LETTER[np.minimum(points, 0x80)]
    # Between letters of ASCII stands no character of two bytes.
    kinds = [int((outside[1:] & before).sum()) for before in (outside[:-1], words[:-1])]
    neighbours = float(_BEFORE["other"] @ [*kinds, max(int(outside.sum()) - sum(kinds), 0)])
    best = max(float(table(language)[points].sum()) + usual for language, usual in languages.items())
    return best + neighbours + bad * BAD


def _utf8(part: bytes) -> float:
    text = part.decode("utf-8", "replace")
    bad = text.count("\ufffd") - text.endswith("\ufffd")
    points = code_points(text)
    # Any language: a sequence of two bytes is one of some 2,000 characters, one of three one of some 20,000.
    plain = table("en")[points[points < 0x80]].sum()
    return float(plain) - 6.0 * int((points >= 0x80).sum()) - 3.0 * int((points >= 0x800).sum()) + bad * BAD


def _single(part: bytes) -> dict[str, float]:
    data = np.frombuffer(part, np.uint8)
    codecs, names, weights, usual, styles = _single_tables()
    before = np.append(np.uint8(0x20), data[:-1])[_HIGH[data]]
    kinds = np.array([_HIGH[before].sum(), _LETTER[before].sum(), 0], np.float64)
    kinds[2] = before.size - kinds.sum()
    every = np.bincount(data, minlength=256).astype(np.float64) @ weights + usual + styles @ kinds
    found: dict[str, float] = {}
    for name, score in zip(names, every.tolist(), strict=True):
        found[name] = max(score, found.get(name, -np.inf))
    for name in sorted(codecs, key=found.__getitem__, reverse=True)[:_ASKED]:
        kind = _kinds(name)[data]
        found[name] += _CAPITAL_INSIDE * int(((kind[:-1] == _SMALL) & (kind[1:] == _CAPITAL)).sum())
        between = (kind[:-2] <= _CAPITAL) & (kind[1:-1] == _SIGN) & (kind[2:] <= _CAPITAL)
        found[name] += _SIGN_INSIDE * int(between.sum())
    return found


@cache
def _single_tables() -> tuple[list[str], list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Build one column a pair of encoding and language: weights of the 256 bytes, prior, weights of neighbours."""
    names, columns, usual, styles = [], [], [], []
    for codec, (languages, prior) in SINGLE.items():
        points = code_points("".join(_byte(byte, codec) for byte in range(256)))
        for language in languages:
            column = table(language)[points].astype(np.float64)
            column[(points == 0xFFFD)] = BAD
            names.append(codec)
            columns.append(column)
            usual.append(prior)
            styles.append(_BEFORE["vi" if language == "vi" else "latin" if language in LATIN else "other"])
    return list(SINGLE), names, np.stack(columns, axis=1), np.array(usual), np.array(styles)


@cache
def _kinds(codec: str) -> np.ndarray:
    """Say what each byte is; capitals of ASCII count as small letters, for names have them inside."""
    kinds = np.full(256, _OTHER, np.uint8)
    for byte in range(256):
        character = _byte(byte, codec)
        # Vowels and tones of Thai and Vietnamese are marks.
        if character.isalpha() or unicodedata.category(character)[0] == "M":
            kinds[byte] = _CAPITAL if byte >= 0x80 and character.isupper() else _SMALL
        elif byte >= 0x80 and character not in _INSIDE:
            kinds[byte] = _SIGN
    return kinds


def _byte(byte: int, codec: str) -> str:
    return bytes((byte,)).decode(codec, "replace")
