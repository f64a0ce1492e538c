"""Payloads to text, title, author, date and markup."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import markup
from corpus_gov.drafts import Draft
from corpus_gov.extract import FIELD_EXTRACTOR, HTML_EXTRACTOR, TEXT_EXTRACTOR, extract
from corpus_gov.kernels.nesting import too_deep
from corpus_gov.sources import Piece, Record

PAGE = """<!doctype html><html><head><title> A
title </title>
<meta name="author" content="N. Author"><meta property="article:published_time" content="2024-05-06T07:08:09Z">
<meta name="Robots" content="noai, noimageai"><meta name="DC.rights" content="held by us">
<meta name="GPTBot" content="noindex"><meta name="viewport" content="width=1"><meta name="tdm-reservation" content="1">
<meta name="description" content="noindex is a word here">
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">
<script type="application/ld+json">{"@graph":[{"license":"https://l.example/","copyrightHolder":{"name":"Holder"}}]}</script>
<!-- AIGC:{"Label":"1","ContentProducer":"p"} -->
</head><body><nav>Home Products About</nav><main><h1>A title</h1>
<p>The main content of the page is a paragraph that is long enough to be recognised as such by anyone.</p>
<p>It has a second paragraph too, about the same length as the first one, so that both are kept.</p></main>
<footer><p>© 2024 Invented Press. All rights reserved.</p><p>未经许可不得转载</p><p>京ICP备00000000号</p>
<a rel="license nofollow" href="/terms">terms</a></footer></body></html>"""


def html(body: str | bytes, *headers: tuple[str, str], charset: str | None = None) -> Record:
    payload = body.encode() if isinstance(body, str) else body
    return Record(0, 1, "response", payload=payload, media_type="text/html", charset=charset, headers=headers)


def test_a_page_gives_its_main_content_and_what_is_known_of_it() -> None:
    """Title, author and date come from the page; navigation and footer are not in the text."""
    found = extract(html(PAGE))

    assert (found.extractor, found.title, found.author) == (HTML_EXTRACTOR, "A title", "N. Author")
    assert found.published_at == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert "second paragraph" in found.text
    assert "Products" not in found.text
    assert (found.charset_declared, found.charset_used, found.replaced) == (None, "utf-8", 0)


def test_what_speaks_of_rights_is_kept_from_the_whole_page() -> None:
    """Headers, tags, linked data, labels and notices outlive the boilerplate, one line each."""
    found = extract(
        html(PAGE, ("link", '</l>; rel="license"'), ("link", "</a.css>; rel=preload"), ("tdm-reservation", "1"))
    )

    lines = (found.markup or "").splitlines()
    assert lines == [
        'http:link: </l>; rel="license"',
        "http:tdm-reservation: 1",
        "meta:robots: noai, noimageai",
        "meta:dc.rights: held by us",
        "meta:gptbot: noindex",
        "meta:tdm-reservation: 1",
        "link:license: https://creativecommons.org/licenses/by/4.0/",
        "a:license: /terms",
        "jsonld:license: https://l.example/",
        "jsonld:copyrightholder: Holder",
        'aigc: AIGC:{"Label":"1","ContentProducer":"p"}',
        "notice: © 2024 Invented Press. All rights reserved.",
        "notice: 未经许可不得转载",
        "notice: 京ICP备00000000号",
    ]


def test_markup_is_bounded() -> None:
    """Neither the number of lines nor a line grows with the page; notices at the end stay."""
    many = "".join(f"<p>© notice {n} {'x' * 3_000}</p>" for n in range(200))

    lines = (extract(html(f"<body>{many}</body>")).markup or "").splitlines()

    assert len(lines) == markup.MAX_LINES
    assert max(map(len, lines)) <= len("notice: ") + markup.MAX_VALUE_CHARS
    assert lines[-1].startswith("notice: © notice 199 ")


def test_a_notice_in_a_long_line_is_kept_with_what_stands_before_it() -> None:
    """A line is cut around the notice, not before it."""
    (line,) = (extract(html(f"<p>{'x ' * 3_000}转载请注明出处</p>")).markup or "").splitlines()

    assert line.endswith("转载请注明出处")
    assert len(line) < markup.MAX_VALUE_CHARS


def test_markup_values_are_single_lines() -> None:
    """A value cannot pretend to be a line of its own."""
    found = extract(html('<meta name="copyright" content="a\nmeta:robots: all">'))

    assert found.markup == "meta:copyright: a meta:robots: all"


@pytest.mark.parametrize("block", ["{", "[" * 5_000, '{"license": null}', "\ufffd", '{"a":' * 500 + "1" + "}" * 500])
def test_broken_linked_data_is_no_markup(block: str) -> None:
    """A block that is no JSON or says nothing is passed over."""
    assert extract(html(f'<script type="application/ld+json">{block}</script>')).markup is None


def test_a_chinese_page_is_decoded_before_anything_is_read() -> None:
    """A page in gbk that calls itself utf-8 gives its title and text."""
    body = (
        "<title>网络数据安全管理条例</title><body><main><p>"
        + "网络数据处理者应当加强数据安全防护。" * 9
        + "</p></main>"
    )

    found = extract(html(body.encode("gbk"), charset="utf-8"))

    assert (found.title, found.charset_declared, found.charset_used) == ("网络数据安全管理条例", "utf-8", "gb18030")
    assert found.text.startswith("网络数据处理者")


def test_plain_text_is_taken_as_it_is() -> None:
    """Plain text is neither parsed nor trimmed; only what Arrow cannot hold is replaced."""
    record = Record(0, 1, "conversion", payload=b" <b>a</b>\x00\n", media_type="text/plain")

    found = extract(record)

    assert (found.extractor, found.text, found.markup) == (TEXT_EXTRACTOR, " <b>a</b>\ufffd\n", None)


def test_fields_of_a_delivery_are_taken_as_they_are() -> None:
    """A delivery's text needs no extraction and has no charset of its own."""
    record = Record(0, 1, "line", payload=b"{}", values={"text": "t", "title": "", "published_at": "2024-05-06"})

    found = extract(record)

    assert (found.extractor, found.text, found.title, found.charset_used) == (FIELD_EXTRACTOR, "t", None, None)
    assert found.published_at == datetime(2024, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize("body", [bytes(range(256)) * 8, b"\x00\x01\x02\x03" * 99], ids=["all", "controls"])
@pytest.mark.parametrize("label", [None, "utf-8", "gbk", "iso-8859-1"])
def test_bytes_that_are_no_text_are_not_readable(body: bytes, label: str | None) -> None:
    """An image or archive served as a page is not passed on as text, whatever its label decodes."""
    found = extract(html(body, charset=label))

    assert (found.reject, found.text) == ("undecodable", "")


@pytest.mark.parametrize("body", ["", "\x00", "<", "plain", "<p>" * 500, "&#0;&#xD800;", "<script>alert(1)</script>"])
def test_odd_pages_give_text_that_arrow_can_hold(body: str) -> None:
    """Empty, broken and hostile markup is no error."""
    found = extract(html(body))

    assert "\x00" not in found.text
    found.text.encode()


# --- pages that would stall a parser ----------------------------------------------------------------


def each(form: str, n: int) -> str:
    return "".join(form.format(i=i) for i in range(n))


HOSTILE = {
    "nested blocks": "<div>" * 32_000,
    "nested and closed": "<div>" * 8_000 + "word" + "</div>" * 8_000,
    "nested lists": "<ul><li>" * 8_000,
    "paragraphs in blocks": "<div><p>" * 8_000,
    "end tags of other elements": "<div></span>" * 8_000,
    "end tags that a block holds": "<span><div></span>" * 8_000,
    "end tags in comments": "<div><!-- </div> -->" * 8_000,
    "end tags in scripts": "<div><script>'</div>'</script>" * 8_000,
    "end tags in attributes": "<div><i title='</div>'></i>" * 8_000,
    "end tags in lists of options": "<div><select></div></select>" * 8_000,
    "end tags in cells": "<div><table><td></div></table>" * 8_000,
    "style that is none": "<svg><style>" + "<div>" * 8_000,
    "upper case": "<DIV>" * 8_000,
    "unclosed formatting": each("<font color={i}>", 4_000),
    "formatting opened again": each("<font color={i}><p>x", 2_000),
    "formatting behind cells": each("<font color={i}><table><td></font></table>", 2_000) + "<p>x" * 2_000,
    "unclosed bold, closed italics": "<b>x" * 20_000 + "</i>" * 20_000,
    "attributes": "<div " + each("a{i}=1 ", 100_000) + ">",
    "options": "<select>" + "<option>x</option>" * 20_000,
}
HARMLESS = {
    "signs": "<" * 1_000_000,
    "paragraphs": "<p>x" * 20_000,
    "items": "<ul>" + "<li>x" * 20_000,
    "rows": "<table>" + "<tr><td>x<td>y" * 20_000,
    "breaks": "x<br>" * 20_000,
    "blocks": "<div>x</div>" * 20_000,
    "links that nobody closed": "<a href=x>x" * 20_000,
    "tags in scripts": "<script>" + "'<div>'" * 20_000 + "</script>",
    "tags in a comment": "<!--" + "<div>" * 20_000 + "-->",
    "tags in an attribute": "<i title='" + "<div>" * 20_000 + "'>",
    "depth of a page": "<div>" * 500 + "x" + "</div>" * 500,
    "countries": "<select>" + "<option>x" * 500 + "</select>",
    "bold": "<p><b>x</b> <i>y</i></p>" * 20_000,
    "tag without an end": "<div " + "x" * 20_000,
}


@pytest.mark.parametrize("page", HOSTILE.values(), ids=HOSTILE)
def test_a_page_that_would_stall_a_parser_is_rejected(page: str) -> None:
    """What takes time beyond its length is not parsed, whatever hides its depth from a count of tags."""
    found = extract(html(f"<p>A page.{page}"))

    assert (found.reject, found.text, found.extractor) == ("too_deep", "", HTML_EXTRACTOR)


@pytest.mark.parametrize("page", HARMLESS.values(), ids=HARMLESS)
def test_a_long_page_is_not_a_deep_one(page: str) -> None:
    """Elements that end without an end tag, and tags that are none, do not count."""
    assert not too_deep(np.frombuffer(page.encode(), np.uint8))


def test_a_deep_page_is_a_rejected_capture() -> None:
    """The capture names the class, and there is no document."""
    entry = Draft(Piece("s", "p", "f", "0" * 64, "warc"), frozenset()).judge(html("<div>" * 8_000))

    assert (entry.capture["outcome"], entry.capture["reason"], entry.document) == ("rejected", "too_deep", None)


MARKS = (
    "<",
    ">",
    "/",
    "!",
    "--",
    "-",
    "'",
    '"',
    "=",
    " ",
    "a",
    "div",
    "<table>",
    "<td>",
    "<b>",
    "</b>",
    "<script",
    "中",
)


@given(st.lists(st.sampled_from(MARKS), max_size=40).map("".join))
def test_any_markup_is_followed_to_its_end(page: str) -> None:
    """Tags that are cut off anywhere, and marks in any order, neither stop the scan nor count as deep."""
    assert not too_deep(np.frombuffer(page.encode(), np.uint8))
