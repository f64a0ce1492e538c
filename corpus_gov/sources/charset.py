"""Bytes to text: byte-order mark, HTTP header, <meta>, detection; what was declared and what was used.

A label is a claim: many pages lie. It is worth so many points beside what the bytes themselves say, and less where it
is one that servers add by themselves. A page that is valid UTF-8 beyond coincidence is UTF-8.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from resiliparse.parse.encoding import map_encoding_to_html5

from corpus_gov.sources import detection

BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

# What the labels mean on the web (WHATWG Encoding), as supersets that Python knows: the web's gb2312 and
# gbk hold characters of gb18030, its big5 those of HKSCS, its shift_jis and euc-kr those of Microsoft.
SUPERSETS: Final = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
    "ascii": "utf-8",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
}
# Labels outside of the web's table that deliveries use: each names a text encoding, not a transformation.
EXTRA_LABELS: Final = {
    "hz": "hz", "hz-gb-2312": "hz", "iso-2022-kr": "iso2022_kr", "big5hkscs": "big5hkscs", "cp936": "gb18030",
    "cp949": "cp949", "johab": "johab", "utf-16-be": "utf-16-be", "utf-32": "utf-32-le",
    "x-mac-cyrillic": "mac-cyrillic",
    **{f"{brand}{page}": f"cp{page}" for brand in ("cp", "ibm") for page in (437, 737, 775, 850, 852, 855, 857, 862)},
}  # fmt: skip

META_BYTES: Final = 4096
"""How far a <meta> or XML declaration is looked for; HTML asks for 1,024, pages do not care."""
CONTROL_BYTES: Final = 2048
"""How far control characters are counted."""
SURE_SEQUENCES: Final = 4
"""So many multi-byte sequences, all valid, are UTF-8 whatever the label says."""

HEADER_WORTH: Final = 24.0
"""What a label of the HTTP header is worth, in the units of `detection.scores`: some five characters' evidence."""
PAGE_WORTH: Final = 16.0
"""What a label of the page itself is worth."""
DEFAULT_WORTH: Final = 6.0
"""What either is worth where it names what servers and editors say when nobody chose."""
DEFAULTS: Final = frozenset({"cp1252", "utf-8"})
BAD_WORTH: Final = 18.0
"""What is taken off for each byte, of the whole body, that does not decode."""

CONTROLS: Final = bytes({*range(0x20)} - {*b"\t\n\v\f\r\x1b"})
"""No text has these; escape begins ISO-2022 sequences."""
MIN_CONTROLS: Final = 8
MAX_CONTROL_SHARE: Final = 20

_META = re.compile(rb"<meta[^>]{0,512}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,256}?encoding\s*=\s*[\"']([A-Za-z0-9_:.-]{2,40})")
_LABEL = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
# One noncharacter per byte that did not decode; it cannot come out of a decoder of real text.
_MARK = "\U0010ffff"
_LEADS: Final = bytes(range(0xC0, 0x100))


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and how it was read."""

    text: str
    declared: str | None
    """The label as written, lower-case: of the header, else of the page."""
    used: str
    """Python's name of the encoding."""
    replaced: int
    """Bytes that did not decode; each run of them is U+FFFD in the text."""


def header_label(content_type: str | None) -> str | None:
    """Return the charset parameter of a Content-Type value, lower-case."""
    match = _LABEL.search(content_type or "")
    return match[1].lower() if match else None


def decode(data: bytes, header: str | None = None, *, html: bool = True) -> Decoded:
    """Decode a body.

    Args:
        data: the body after transfer- and content-decoding.
        header: the label of the HTTP header, or null.
        html: look for <meta> and the XML declaration too.

    Returns:
        Always text: what does not decode in the best encoding found is U+FFFD and counted.

    Source: WHATWG Encoding (labels); HTML, "determining the character encoding" (order).
    """
    page = page_label(data) if html else None
    declared = header or page
    for mark, codec in BOMS:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], codec, declared)
    if data.isascii():
        return _decoded(data, _of_ascii(data), declared)
    labels = _worth({page: PAGE_WORTH} | {header: HEADER_WORTH})
    text = _utf8(data)
    if text is not None and (not detection.MULTIBYTE.keys() & labels or _sequences(data) >= SURE_SEQUENCES):
        return Decoded(text, declared, "utf-8", 0)
    return _decoded(data, _best(data, labels), declared)


def is_binary(data: bytes, used: str) -> bool:
    """Tell whether so many control characters stand in the first bytes that they are no text, whatever decodes them."""
    sample = b"" if used.startswith(("utf-16", "utf-32")) else data[:CONTROL_BYTES]
    controls = len(sample) - len(sample.translate(None, CONTROLS))
    return controls > MIN_CONTROLS and controls * MAX_CONTROL_SHARE > len(sample)


def page_label(data: bytes) -> str | None:
    """Return the label that the page itself states, lower-case."""
    head = data[:META_BYTES]
    match = _META.search(head) or _XML.search(head)
    return match[1].decode("ascii").lower() if match else None


@lru_cache(maxsize=1024)
def codec_of(label: str | None) -> str | None:
    """Return Python's codec for a label, or null where it names no text encoding that we trust.

    UTF-7 and Python's own transformations (idna, unicode_escape, rot13…) are not encodings of pages.
    """
    if not label:
        return None
    web = map_encoding_to_html5(label, fallback_utf8=False)
    return SUPERSETS.get(web, web) if web else EXTRA_LABELS.get(label)


def _of_ascii(data: bytes) -> str:
    """Choose between plain ASCII and the encodings that hide in it."""
    hidden = detection.escaped(data)
    if hidden and _decodes(data, hidden):
        return hidden
    # UTF-16 text without its mark is full of NUL, which is ASCII too.
    return detection.wide(data) or "utf-8"


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _sequences(data: bytes) -> int:
    # Every sequence has one lead byte; continuation bytes stand between 0x80 and 0xBF.
    return len(data) - len(data.translate(None, _LEADS))


def _worth(labels: dict[str | None, float]) -> dict[str, float]:
    """Return what each encoding that a label names is worth; the last one counts of two that mean the same."""
    named = {codec_of(label): worth for label, worth in labels.items()}
    return {codec: DEFAULT_WORTH if codec in DEFAULTS else worth for codec, worth in named.items() if codec}


def _best(data: bytes, labels: dict[str, float]) -> str:
    if wide := detection.wide(data):
        return wide
    found = detection.scores(detection.sample(data), labels)
    for codec, worth in labels.items():
        found[codec] += worth
    best, most = "cp1252", -float("inf")
    # Bytes that do not decode only take away: where the next one is worse without, nothing better follows.
    for codec in sorted(found, key=lambda one: (-found[one], one)):
        if found[codec] <= most:
            break
        total = found[codec] - BAD_WORTH * _failures(data, codec)
        if total > most:
            best, most = codec, total
    return best


def _failures(data: bytes, codec: str) -> int:
    """Count places that do not decode, but for a character that is cut at the end."""
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        text = data.decode(codec, "replace")
        return text.count("\ufffd") - text.endswith("\ufffd")
    return 0


def _decodes(data: bytes, codec: str) -> bool:
    try:
        # Not final: crawlers cut bodies at a size, and half a character at the end is no sign of a wrong encoding.
        codecs.getincrementaldecoder(codec)().decode(data, final=False)
    except UnicodeError:
        return False
    return True


def _bad_bytes(data: bytes, codec: str) -> int:
    return data.decode(codec, "corpus_gov.mark").count(_MARK)


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _MARK * (error.end - error.start), error.end


codecs.register_error("corpus_gov.mark", _mark)


def _decoded(data: bytes, codec: str, declared: str | None) -> Decoded:
    try:
        return Decoded(data.decode(codec), declared, codec, 0)
    except UnicodeError:
        return Decoded(data.decode(codec, "replace"), declared, codec, _bad_bytes(data, codec))
