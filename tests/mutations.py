"""Ways to damage an input, blind ones and ones that know a format: from a source of chance, bytes and other bytes."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

Mutator = Callable[[random.Random, bytes, bytes], bytes]

MAX_BYTES: Final = 96 << 10
"""No mutation makes an input longer: fifty thousand of them are to be read twice."""

HUGE: Final = (
    b"0", b"-1", b"1", b"65535", b"65536", b"2147483647", b"4294967295", b"4294967296", b"9223372036854775807",
    b"18446744073709551616", b"999999999999999999", b"0x10", b"1e309", b"00000000000000000007", b"+5", b" 5", b"",
)  # fmt: skip
EXTREMES: Final = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _places(source: random.Random, data: bytes, longest: int) -> tuple[int, int]:
    start = source.randint(0, len(data))
    return start, min(len(data), start + source.randint(1, longest))


def _insert(source: random.Random, data: bytes, new: bytes) -> bytes:
    at = source.randint(0, len(data))
    return data[:at] + new + data[at:]


def _amount(source: random.Random, most: int) -> int:
    return int(most ** source.random())


def _replace_one(source: random.Random, data: bytes, pattern: bytes, new: Callable[[re.Match[bytes]], bytes]) -> bytes:
    found = list(re.finditer(pattern, data[:MAX_BYTES], re.IGNORECASE | re.MULTILINE))
    if not found:
        return _insert(source, data, source.randbytes(2))
    one = source.choice(found)
    return data[: one.start()] + new(one) + data[one.end() :]


# Blind


def flip_bits(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Flip up to 16 bits."""
    changed = bytearray(data)
    for _ in range(_amount(source, 16) if data else 0):
        changed[source.randrange(len(data))] ^= 1 << source.randrange(8)
    return bytes(changed)


def delete(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Take a range out."""
    start, stop = _places(source, data, _amount(source, 512))
    return data[:start] + data[stop:]


def duplicate(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Repeat a range, up to some hundred times."""
    start, stop = _places(source, data, _amount(source, 2_048))
    return data[:stop] + data[start:stop] * _amount(source, 300) + data[stop:]


def noise(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Insert random bytes."""
    return _insert(source, data, source.randbytes(_amount(source, 256)))


def truncate(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Cut the end off, anywhere."""
    return data[: source.randint(0, len(data))]


def splice(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Go on with the end of another input."""
    return data[: source.randint(0, len(data))] + other[source.randint(0, len(other)) :]


def nuls(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Insert NUL, line ends or spaces."""
    return _insert(source, data, source.choice([b"\0", b"\r", b"\n", b"\r\n", b" ", b"\t"]) * _amount(source, 3_000))


def number(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Write an extreme in place of a number in digits."""
    return _replace_one(source, data, rb"\d+", lambda _: source.choice(HUGE))


def overwrite(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Write an extreme over one to eight bytes."""
    size = source.choice((1, 2, 4, 8))
    at = source.randint(0, max(0, len(data) - size))
    value = source.choice(EXTREMES) % (1 << 8 * size)
    return data[:at] + value.to_bytes(size, source.choice(("little", "big"))) + data[at + size :]


BLIND: Final = (flip_bits, delete, duplicate, noise, truncate, splice, nuls, number, overwrite)

# Markup

TAGS: Final = (
    b"div", b"p", b"table", b"tr", b"td", b"b", b"a", b"ul", b"li", b"svg", b"math", b"template", b"select", b"option",
    b"frameset", b"form", b"button", b"font", b"nobr", b"plaintext", b"textarea", b"noscript", b"script", b"style",
    b"title", b"pre", b"h1", b"body", b"html", b"head", b"ruby", b"rt", b"mi", b"annotation-xml", b"foreignObject",
)  # fmt: skip
OPENINGS: Final = (
    b"<!--", b"<![CDATA[", b"<script>", b"<style>", b"<textarea>", b"<title>", b"<a href='", b"<!DOCTYPE [", b"</",
    b"<", b"<?xml", b"<plaintext>", b"<base href='javascript:'>", b"<img src=data:,", b"]]>", b"-->",
)  # fmt: skip
LABELS: Final = (
    b"utf-8", b"gbk", b"big5", b"utf-16", b"utf-7", b"iso-2022-jp", b"hz", b"x-user-defined", b"none", b"utf-32",
    b"idna", b"unicode_escape", b"rot13", b"base64", b"punycode", b"iso-2022-kr", b"johab", b"\xff", b"utf-8\0",
)  # fmt: skip


def tag_soup(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Insert tags at random places."""
    for _ in range(_amount(source, 60)):
        tag = source.choice(TAGS)
        data = _insert(source, data, source.choice([b"<%s>", b"</%s>", b"<%s/>", b"<%s <", b"<%s a=b"]) % tag)
    return data


def nest(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Open elements in one another, up to some thousand."""
    tags = b"".join(b"<%s>" % source.choice(TAGS[:16]) for _ in range(source.randint(1, 3)))
    return _insert(source, data, tags * _amount(source, 4_000))


def entities(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Insert many character references."""
    one = source.choice([b"&amp;", b"&#x1F600;", b"&#0;", b"&#xD800;", b"&#99999999999;", b"&nLt;", b"&", b"&lt;p&gt;"])
    return _insert(source, data, one * _amount(source, 5_000))


def attributes(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Insert an element with thousands of attributes, or with a very long one."""
    many = b"".join(b" a%d=%d" % (index, index) for index in range(_amount(source, 4_000)))
    return _insert(source, data, source.choice([b"<div" + many + b">", b"<p class='" + many * 2, b"<a href='" + many]))


def unclosed(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Open something that nothing closes."""
    return _insert(source, data, source.choice(OPENINGS) * _amount(source, 100))


def charset(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Declare another charset, or put a byte-order mark in front."""
    label = source.choice(LABELS)
    if source.random() < 0.3:
        return source.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"\0\0\xfe\xff"]) + data
    return _replace_one(source, data, rb"charset=[\w-]+", lambda _: b"charset=" + label)


# Heads of WARC, ARC and HTTP

KINDS: Final = (b"response", b"revisit", b"resource", b"conversion", b"continuation", b"metadata", b"x", b"")
CODINGS: Final = (
    b"gzip",
    b"deflate",
    b"br",
    b"zstd",
    b"chunked",
    b"x-gzip",
    b"identity",
    b"gzip, " * 9 + b"br",
    b"\xff",
)


def length(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Let Content-Length, or the length at the end of an ARC line, lie."""
    return _replace_one(
        source, data, rb"(?<=content-length: )\d+|\d+(?=\r?\n)", lambda one: _lie(source, int(one[0][:18]))
    )


def _lie(source: random.Random, true: int) -> bytes:
    return source.choice([*HUGE, *(b"%d" % (true + change) for change in (-9, -2, -1, 1, 2, 9, 500))])


def head_line(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Repeat, drop, fold, lengthen or empty a header line."""
    ways = [
        lambda one: one[0] * _amount(source, 200),
        lambda _: b"",
        lambda one: one[0].replace(b": ", b":\r\n\t "),
        lambda one: one[0].replace(b"\r\n", b"x" * _amount(source, 70_000) + b"\r\n"),
        lambda one: one[0].partition(b":")[0] + b":\r\n",
        lambda one: one[0].replace(b"\r\n", b"\n"),
        lambda one: b"\r\n" + one[0],
    ]
    return _replace_one(source, data, rb"^[\w-]+: [^\r\n]*\r\n", source.choice(ways))


def kind(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Give a record another type, or a body another coding."""
    if source.random() < 0.5:
        return _replace_one(source, data, rb"(?<=warc-type: )[^\r\n]+", lambda _: source.choice(KINDS))
    line = source.choice([b"Content-Encoding: ", b"Transfer-Encoding: "]) + source.choice(CODINGS) + b"\r\n"
    return _replace_one(source, data, rb"(?<=\n)content-type: ", lambda one: line + one[0])


def address(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Give a record an odd address or time."""
    odd = [
        b"http://[::1",
        b"http://a:99999999/",
        b"//",
        b"http://\xff/",
        b"data:,x",
        b"http://%00/",
        b"urn:x",
        b"dns:a",
    ]
    odd += [b"https://site.example/robots.txt", b"http://" + b"a" * 5_000, b"http://xn--a/", b"http://\xc2\xad/"]
    return _replace_one(source, data, rb"https?://[^\s\"]+", lambda _: source.choice(odd))


def moment(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Give a record an odd time."""
    odd = [b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"2024-02-30", b"20240506", b"1", b"\xff"]
    return _replace_one(source, data, rb"\d{4}-\d\d-\d\dT[\d:]+Z?", lambda _: source.choice(odd))


def chunk_size(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Let the size of a chunk lie."""
    odd = (b"0", b"1", b"ffffffffffffffff", b"7fffffff", b"-1", b"10000000000000000", b"5;" + b"x" * 300, b"g")
    return _replace_one(source, data, rb"^[0-9a-f]+(?=\r\n)", lambda _: source.choice(odd))


# JSON


def surrogate(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Put an escape of half a character, a NUL or something broken into a string."""
    odd = [
        b"\\ud800",
        b"\\udc00\\ud83d",
        b"\\u0000",
        b"\\uD83D\\uDE00",
        b"\\x",
        b"\\u12",
        b'\\"',
        b"\\",
        b'"',
        b"\xed\xa0\x80",
    ]
    return _replace_one(source, data, rb"(?<=[a-z]) (?=[a-z])", lambda _: source.choice(odd))


def deep(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Put deep brackets in place of a value."""
    opening, closing = source.choice([(b"[", b"]"), (b'{"a":', b"}"), (b"[{", b"}]"), (b'{"metadata":', b"")])
    times = _amount(source, 10_000)
    value = opening * times + source.choice([b"1", b""]) + closing * source.choice([times, 0, times - 1])
    return _replace_one(source, data, rb'(?<=: )("[^"]*"|\d+)', lambda _: value)


def wrong_type(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Put a value of another type, or an extreme number, in place of one."""
    odd = [
        b"null",
        b"true",
        b"[]",
        b"{}",
        b"NaN",
        b"-Infinity",
        b"1" * 5_000,
        b"1e999",
        b'["a", 1, null, {"text": "b"}]',
    ]
    odd += [b'{"title": "x"}', b'[{"text": "one more"}, {"content": "a", "text": "b"}]', b'""', b"-0", b'"\\u0000"']
    return _replace_one(source, data, rb'(?<=: )("[^"]*"|\d+)', lambda _: source.choice(odd))


def key(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Rename a key to another of the usual ones."""
    names = (
        b"text",
        b"content",
        b"raw_content",
        b"url",
        b"uri",
        b"metadata",
        b"meta",
        b"id",
        b"parts",
        b"warc_headers",
    )
    return _replace_one(source, data, rb'"\w+"(?=: )', lambda _: b'"%s"' % source.choice(names))


# Front matter

BOMBS: Final = (
    b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\ntitle: *c\n",
    b"title: !!python/object/apply:os.system [id]\n",
    b"title: !!binary AAAA\n",
    b"? [a, b]\n: c\n",
    b"? {a: b}\n: c\n",
    b"date: 2024-02-30\n",
    b"date: 9999-12-31T23:59:59-23:59\n",
    b"date: 0001-01-01 00:00:00 +23:59\n",
    b"date: 2024-05-06T07:08:09+99:99\n",
    b"title: 0x" + b"f" * 5_000 + b"\n",
    b"title: " + b"9" * 5_000 + b"\n",
    b"title: 190:20:30:15:99:99\n",
    b"title: .inf\nauthor: -.nan\n",
    b"title: 1e999\n",
    b"<<: {title: x}\n",
    b"<<: [1, 2]\n",
    b"title: =\n",
    b"title: " + b"[" * 3_000 + b"\n",
    b"title: " + b"{a: " * 300 + b"\n",
    b"- " * 500 + b"x\n",
    b"url: http://[::1\n",
    b"url: //evil.example/\n",
    b"licence: [[a], {b: c}, null]\n",
    b"title: \x85\xe2\x80\xa8x\n",
    b'title: "\\ud800\\x00\\U0010FFFF"\n',
    b"%YAML 9.9\n---\n",
    b"title: |9\n  x\n",
    b"0: 1\ntrue: 2\nnull: 3\n",
    b"title: a\ntitle: b\n",
    b"authors: [{name: a}, {id: 5}, {}]\n",
)


def front_bomb(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Put something into the front matter that YAML makes much or something odd of."""
    return _replace_one(source, data, rb"^\w+: [^\r\n]*\r?\n", lambda _: source.choice(BOMBS))


# Containers


def gzip_field(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Change flags, checksum or size of a gzip member, or its method."""
    if len(data) < 18:
        return data
    places = [m.start() for m in re.finditer(rb"\x1f\x8b\x08", data)]
    tails = [place - 4 for place in places[1:]] + [len(data) - 4]
    at = source.choice([*(place + source.choice((2, 3, 3, 8, 10)) for place in places), *tails, tails[-1] - 4])
    return data[:at] + source.randbytes(source.choice((1, 4))) + data[at + 1 :]


ZIP_FIELDS: Final = (
    (b"PK\x03\x04", (4, 6, 8, 14, 18, 22, 26, 28)),
    (b"PK\x01\x02", (4, 8, 10, 16, 20, 24, 28, 30, 32, 34, 38, 42)),
    (b"PK\x05\x06", (4, 6, 8, 10, 12, 16, 20)),
)


def zip_field(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Write an extreme into a field of a local header, of the directory or of its end."""
    signature, offsets = source.choice(ZIP_FIELDS)
    places = [match.start() for match in re.finditer(re.escape(signature), data)]
    if not places:
        return overwrite(source, data, other)
    at = source.choice(places) + source.choice(offsets)
    value = source.choice([*EXTREMES, 8, 12, 14, 99, 0o120777 << 16]) & 0xFFFFFFFF
    size = source.choice((2, 4))
    return data[:at] + (value % (1 << 8 * size)).to_bytes(size, "little") + data[at + size :]


def zip_name(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Rename members, so that they lead elsewhere, to names of the same length."""
    odd = source.choice((b"../", b"/et", b"C:\\", b"\0..", b"..\\", b"\xff\xfe/", b"   ", b"a//", b"./."))
    return _replace_one(source, data, rb"folder", lambda one: (odd * 2)[: len(one[0])])


def footer(source: random.Random, data: bytes, other: bytes) -> bytes:
    """Change the footer of a Parquet file, where all that is known of its pages stands, or its length."""
    size = int.from_bytes(data[-8:-4], "little")
    if source.random() < 0.2 or not 0 < size <= len(data) - 8:
        return data[:-8] + source.choice(EXTREMES).to_bytes(4, "little") + data[-4:]
    changed = bytearray(data)
    for _ in range(_amount(source, 12)):
        changed[source.randrange(len(data) - 8 - size, len(data) - 8)] = source.choice(
            (0, 1, 0x7F, 0x80, 0xFF, source.randrange(256))
        )
    return bytes(changed)


STRUCTURED: Final[dict[str, tuple[Mutator, ...]]] = {
    "html": (tag_soup, nest, entities, attributes, unclosed, charset),
    "archive": (length, head_line, kind, address, moment, charset),
    "chunked": (chunk_size,),
    "json": (surrogate, deep, wrong_type, key, address, moment),
    "front": (front_bomb, charset),
    "gzip": (gzip_field,),
    "zip": (zip_field, zip_field, zip_name),
    "parquet": (footer, footer),
    "bytes": (),
}
"""Mutators that know a format; BLIND ones are used with all."""


@dataclass
class Damage:
    """Damages some layers of an input while it is built, the outermost at the latest."""

    source: random.Random
    chance: float = 0.25
    done: list[str] = field(default_factory=list)
    """What was done, for a report."""

    def __call__(self, form: str, data: bytes, other: bytes = b"") -> bytes:
        """Perhaps damage a layer of a form of STRUCTURED."""
        return self.surely(form, data, other) if self.source.random() < self.chance else data

    def surely(self, form: str, data: bytes, other: bytes = b"") -> bytes:
        """Damage a layer, one to three times."""
        for _ in range(_amount(self.source, 3)):
            known = STRUCTURED[form]
            mutate = self.source.choice(known if known and self.source.random() < 0.6 else BLIND)
            self.done.append(f"{form}.{mutate.__name__}")
            data = mutate(self.source, data, other)[:MAX_BYTES]
        return data
