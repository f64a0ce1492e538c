"""Bytes to text: byte-order mark, HTTP header, <meta>, detection; what was declared and what was used.

A label is a claim: many pages lie. It is believed where it decodes the bytes and nothing better explains
them. A page that is valid UTF-8 beyond coincidence is UTF-8; where a label fails or is a single-byte one
(which can never fail) detection speaks.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Final

import charset_normalizer
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

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
    "hz-gb-2312": "hz",
    "ascii": "utf-8",
    "utf_8": "utf-8",
}
# Labels outside of the web's table that deliveries use and that name a text encoding, not a transformation.
EXTRA_LABELS: Final = frozenset({"hz", "hz-gb-2312", "big5hkscs", "cp949", "utf-16-be", "utf-32", "johab"})
MULTIBYTE: Final = frozenset({"gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "johab"})
ESCAPED: Final = frozenset({"hz", "iso2022_jp", "iso2022_kr"})
"""Encodings whose bytes are all ASCII."""

META_BYTES: Final = 4096
"""How far a <meta> or XML declaration is looked for; HTML asks for 1,024, pages do not care."""
SAMPLE_BYTES: Final = 2048
"""Detection costs some 0.4 ms per KiB; this many non-ASCII bytes with their neighbours decide."""
SURE_SEQUENCES: Final = 4
"""So many multi-byte sequences, all valid, are UTF-8 whatever the label says."""
SEARCH_BYTES: Final = 512 << 10
"""How far those are looked for."""
MIN_SAMPLE: Final = 32
"""Fewer bytes than this are too few to overrule a label that decodes."""

MIN_ZEROS: Final = 8
"""Fewer NUL than this are stray ones, not halves of ASCII in UTF-16."""
MAX_BAD_SHARE: Final = 20
"""One byte in so many may fail before an encoding is given up."""

CONTROLS: Final = bytes({*range(0x20)} - {*b"\t\n\v\f\r\x1b"})
"""No text has these; escape begins ISO-2022 sequences."""
_CONTROL_TEXT: Final = CONTROLS.decode()
MIN_CONTROLS: Final = 8
MAX_CONTROL_SHARE: Final = 20

_META = re.compile(rb"<meta[^>]{0,512}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml[^>]{0,256}?encoding\s*=\s*[\"']([A-Za-z0-9_:.-]{2,40})")
_NON_ASCII = re.compile(rb"(?:[\x80-\xff][\x00-\x7f]?){1,512}")
_LABEL = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
# One noncharacter per byte that did not decode; it cannot come out of a decoder of real text.
_MARK = "\U0010ffff"


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
    labels = [codec for codec in map(codec_of, (header, page)) if codec]
    if data.isascii():
        return _decoded(data, _escaped(data, labels), declared)
    if _is_utf8(data, labels):
        return _decoded(data, "utf-8", declared)
    return _decoded(data, _best(data, labels), declared)


def is_binary(data: bytes, used: str) -> bool:
    """Tell whether so many control characters stand in the first bytes that they are no text, whatever decodes them."""
    sample = b"" if used.startswith(("utf-16", "utf-32")) else data[:SAMPLE_BYTES]
    controls = len(sample) - len(sample.translate(None, CONTROLS))
    return controls > MIN_CONTROLS and controls * MAX_CONTROL_SHARE > len(sample)


def page_label(data: bytes) -> str | None:
    """Return the label that the page itself states, lower-case."""
    head = data[:META_BYTES]
    match = _META.search(head) or _XML.search(head)
    return match[1].decode("ascii").lower() if match else None


def codec_of(label: str | None) -> str | None:
    """Return Python's codec for a label, or null where it names no text encoding that we trust.

    UTF-7 and Python's own transformations (idna, unicode_escape, rot13…) are not encodings of pages.
    """
    if not label:
        return None
    web = map_encoding_to_html5(label, fallback_utf8=False) or (label if label in EXTRA_LABELS else None)
    return SUPERSETS.get(web, web) if web else None


def _escaped(data: bytes, labels: list[str]) -> str:
    """Choose between plain ASCII and the encodings that hide in it."""
    if b"~{" in data or b"\x1b$" in data:
        for codec in (*labels, _detected(data[: SAMPLE_BYTES * 4])):
            if codec in ESCAPED and _strict(data, codec):
                return codec
    # UTF-16 text without its mark is full of NUL, which is ASCII too.
    return _wide(data, labels) or "utf-8"


def _wide(data: bytes, labels: list[str]) -> str | None:
    sample = data[:SAMPLE_BYTES]
    if sample.count(0) * 20 < len(sample) and not any(codec.startswith(("utf-16", "utf-32")) for codec in labels):
        return None
    odd, even = sample[1::2].count(0), sample[0::2].count(0)
    wide = "utf-16-le" if odd >= even else "utf-16-be"
    lopsided = max(odd, even) >= MIN_ZEROS and min(odd, even) * 8 <= max(odd, even)
    if not lopsided or not _strict(data, wide):
        return None
    # Binary data is lopsided too, but not text: a control character is a half that is NUL and one below a space.
    text = sample.decode(wide, "replace")
    return wide if sum(map(text.count, _CONTROL_TEXT)) * MAX_CONTROL_SHARE <= len(text) else None


def _is_utf8(data: bytes, labels: list[str]) -> bool:
    if not _strict(data, "utf-8"):
        return False
    if not labels or "utf-8" in labels or labels[0] not in MULTIBYTE:
        return True
    # Every sequence has one lead byte; continuation bytes stand between 0x80 and 0xBF.
    leads = len(data) - len(data.translate(None, bytes(range(0xC0, 0x100))))
    return leads >= SURE_SEQUENCES


def _best(data: bytes, labels: list[str]) -> str:
    wide = _wide(data, labels)
    if wide:
        return wide
    sample = _sample(data)
    detected = _detected(sample)
    named = next((codec for codec in labels if codec != "utf-8" and _strict(data, codec)), None)
    if named and (len(sample) < MIN_SAMPLE or named == detected or detected is None):
        return named
    # A single-byte label decodes anything and the Chinese encodings decode each other: where detection
    # names a multi-byte encoding that fits, it knows more than the label.
    if detected in MULTIBYTE and _strict(data, detected):
        return detected
    if named:
        return named
    candidates = dict.fromkeys([*labels, *([detected] if detected else []), "utf-8"])
    bad = {codec: _bad_bytes(data, codec) for codec in candidates}
    best = min(bad, key=bad.__getitem__)
    # windows-1252 is what browsers fall back to, and it decodes nearly anything: last, and only where the rest is lost.
    return best if bad[best] * MAX_BAD_SHARE <= len(data) else "cp1252"


def _sample(data: bytes) -> bytes:
    """Keep the runs of non-ASCII bytes: tags and scripts only dilute what detection counts."""
    kept, size = [], 0
    for run in _NON_ASCII.finditer(data, 0, SEARCH_BYTES):
        kept.append(run[0])
        size += len(run[0]) + 1
        if size >= SAMPLE_BYTES:
            break
    return b" ".join(kept)


def _detected(sample: bytes) -> str | None:
    web = detect_encoding(sample, html5_compatible=False)
    codec = SUPERSETS.get(web, web) if web else None
    if codec and codec != "utf-8" and _known(codec):
        return codec
    # The first detector answers utf-8 where it does not know (Korean, some Cyrillic).
    match = charset_normalizer.from_bytes(sample).best()
    return SUPERSETS.get(match.encoding, match.encoding) if match else None


def _known(codec: str) -> bool:
    try:
        codecs.lookup(codec)
    except LookupError:
        return False
    return True


def _strict(data: bytes, codec: str) -> bool:
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
