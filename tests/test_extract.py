"""Payloads to text, title, author, date and markup."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import markup
from corpus_gov.barring import Bar
from corpus_gov.drafts import Draft
from corpus_gov.extract import BLOCKS_EXTRACTOR, FIELD_EXTRACTOR, HTML_EXTRACTOR, TEXT_EXTRACTOR, extract, thorough
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

    assert (found.extractor, found.title, found.author) == (BLOCKS_EXTRACTOR, "A title", "N. Author")
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
        "a@footer:license: /terms",
        "jsonld:license: https://l.example/",
        "jsonld:copyrightholder: Holder",
        'aigc: AIGC:{"Label":"1","ContentProducer":"p"}',
        "notice@5/8: © 2024 Invented Press. All rights reserved.",
        "notice@6/8: 未经许可不得转载",
        "notice@7/8: 京ICP备00000000号",
    ]


def test_markup_is_bounded() -> None:
    """Neither the number of lines nor a line grows with the page; notices at the end stay."""
    many = "".join(f"<p>© notice {n} {'x' * 3_000}</p>" for n in range(200))

    lines = (extract(html(f"<body>{many}</body>")).markup or "").splitlines()

    assert len(lines) == markup.MAX_LINES
    assert max(map(len, lines)) <= len("notice@200/200: ") + markup.MAX_VALUE_CHARS
    assert lines[-1].startswith("notice@200/200: © notice 199 ")


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


# --- which part of a page is its text ---------------------------------------------------------------

FIRST = (
    "The council met on Tuesday evening to discuss the bridge, which has been closed since the flood of last spring."
)
SECOND = "Engineers said that repairs would take at least two years, and that a ferry could run from April until then."
ZH_FIRST = "市政府周二晚间召开会议，讨论自去年春季洪水以来一直封闭的大桥，多名工程师出席了会议。"
ZH_SECOND = "工程师表示，维修至少需要两年时间，在此期间可以从四月开始运营渡轮，方便两岸居民出行。"


def body(*parts: str) -> str:
    return f"<html><head><title>t</title></head><body>{''.join(parts)}</body></html>"


def paragraphs(*texts: str) -> str:
    return "".join(f"<p>{text}</p>" for text in texts)


def text_of(*parts: str) -> str:
    return extract(html(body(*parts))).text


ARTICLE = f"<div class=article-content>{paragraphs(FIRST, SECOND)}</div>"
PLAIN = f"<div>{paragraphs(FIRST, SECOND)}</div>"
ZH_ARTICLE = f"<div id=zhengwen>{paragraphs(ZH_FIRST, ZH_SECOND)}</div>"
LINKS = "".join(f"<li><a href=/{n}>Another story about something else, part {n}</a></li>" for n in range(9))

AROUND = {
    "navigation": f"<nav><ul>{LINKS}</ul></nav>",
    "list of links without a class": f"<ul>{LINKS}</ul>",
    "side bar": "<div class=sidebar><p>Our readers write to us, every week, about many things.</p></div>",
    "comments": "<div id=comments><p>I think that this is wrong, and so does my neighbour.</p></div>",
    "cookie banner": "<div class=cookie-consent><p>We use cookies, as everybody does, to serve you.</p></div>",
    "share bar": "<div class=share-tools><p>Share this story with friends, on any network.</p></div>",
    "hidden": "<div style='display: none'><p>This paragraph is hidden, and nobody reads it at all.</p></div>",
    "footer": "<footer><p>© 2024 Invented Press, all rights reserved.</p></footer>",
    "related section": "<div><h3>Related articles</h3><p>Something else happened, and it is told elsewhere.</p></div>",
    "words about scripts": "<noscript><p>Please switch scripts on, or this page does not work well.</p></noscript>",
    "script": "<script>var a = 'not text, at all';</script><style>p { color: red, }</style>",
}


@pytest.mark.parametrize("article", [ARTICLE, PLAIN, f"<article>{paragraphs(FIRST, SECOND)}</article>"])
@pytest.mark.parametrize("part", AROUND.values(), ids=AROUND)
def test_what_stands_around_the_text_is_left_out(part: str, article: str) -> None:
    """Parts of a page that are not its text go, whether they come before or behind it."""
    assert text_of(part, article) == text_of(article, part) == f"{FIRST}\n{SECOND}"


ZH_AROUND = {
    "editor": "<p>责任编辑：某某</p>",
    "source": "<p>来源：某某网</p>",
    "neighbours": "<div>上一篇：另一件事情</div><div>下一篇：又一件事情</div>",
    "related": "<div><h3>相关阅读</h3><p>另外一件事情也发生了，请看另一篇报道的内容，谢谢大家。</p></div>",
    "recommended": f"<div class=tuijian><p>{ZH_FIRST[::-1]}</p></div>",
    "share": "<div class=bdsharebuttonbox>分享到：微信 微博 朋友圈</div>",
    "licence numbers": "<div class=footer><p>京ICP备00000000号-1，互联网新闻信息服务许可证00000000000</p></div>",
    "ranking": "<div><h4>点击排行</h4><ul><li>一件事情</li><li>两件事情</li></ul></div>",
    "disclaimer": "<p>免责声明：本文仅代表作者个人观点，与本网无关。</p>",
}


@pytest.mark.parametrize("part", ZH_AROUND.values(), ids=ZH_AROUND)
def test_what_chinese_pages_have_around_the_text_is_left_out(part: str) -> None:
    """Lines of editors and sources, neighbours, related and recommended texts, share bars and licence numbers go."""
    assert text_of(f"<div>{ZH_ARTICLE}{part}</div>") == f"{ZH_FIRST}\n{ZH_SECOND}"


def test_classes_of_categories_do_not_hide_an_article() -> None:
    """An article whose own classes name comments, tags and an author is still the text."""
    classes = "post type-post status-publish category-ads tag-related author-meta comments-open"

    assert text_of(f'<article class="{classes}">{paragraphs(FIRST, SECOND)}</article>') == f"{FIRST}\n{SECOND}"


def test_an_article_in_several_parts_is_whole() -> None:
    """What stands in two containers of the same kind is one text."""
    first, second = (f"<div class=article-content>{paragraphs(one)}</div>" for one in (FIRST, SECOND))

    assert text_of(first, "<div class=advert>Buy something, now.</div>", second) == f"{FIRST}\n{SECOND}"


def test_a_page_for_readers_without_scripts_has_a_text() -> None:
    """Where all of a page stands in `noscript`, that is the page."""
    assert text_of(f"<noscript>{PLAIN}</noscript>") == f"{FIRST}\n{SECOND}"


def test_long_comments_do_not_win() -> None:
    """Comments may be longer than the article."""
    comments = paragraphs(*["I think that this is wrong, and so does my neighbour, who told me yesterday."] * 40)

    found = text_of(f"<div>{paragraphs(*[FIRST, SECOND] * 4)}</div><div id=comments>{comments}</div>")

    assert "neighbour" not in found
    assert found.count(FIRST) == 4


@pytest.mark.parametrize("n", [40, 400])
def test_an_index_page_gives_nothing(n: int) -> None:
    """A page of links and short lines has no text, and is not a document."""
    items = "".join(f"<li><a href=/{i}>事情之{i}，请看报道</a> <span>2024-01-01</span></li>" for i in range(n))

    assert text_of(f"<div class=list><ul>{items}</ul></div>") == ""


def test_a_video_page_gives_its_description_at_most() -> None:
    """Beside a player, its controls and a list of further videos there is one line."""
    player = "<div class=player><span>播放</span><span>全屏</span></div>"
    about = "<p>视频讲述了一座桥的故事，以及住在河边的人们。</p>"
    more = "".join(f"<li><a href=/{i}>00:0{i} 另一个视频</a></li>" for i in range(9))

    assert (
        text_of(player, about, f"<ul>{more}</ul>", *["<div>热榜</div>"] * 30)
        == "视频讲述了一座桥的故事，以及住在河边的人们。"
    )


@pytest.mark.parametrize("page", ["<p>Test", "<h1>Test</h1>", "<a href=x>Test</a>"])
def test_a_tiny_page_is_its_own_text(page: str) -> None:
    """Where there is next to nothing, nothing is left out."""
    assert text_of(page) == "Test"


# --- the form of the text ---------------------------------------------------------------------------


def test_rows_of_a_table_are_lines() -> None:
    """Cells stand in the line of their row, divided by a bar."""
    table = "<table><tr><th>Year<th>Ferries</tr><tr><td>2023<td>4</tr><tr><td>2024<td>6</tr></table>"

    assert text_of(f"<div class=article-content>{paragraphs(FIRST)}{table}{paragraphs(SECOND)}</div>") == (
        f"{FIRST}\nYear | Ferries\n2023 | 4\n2024 | 6\n{SECOND}"
    )


def test_columns_of_a_page_are_no_rows() -> None:
    """A table that only places paragraphs side by side gives paragraphs."""
    table = f"<table><tr><td>{paragraphs(FIRST, SECOND)}</td><td>{paragraphs(SECOND)}</td></tr></table>"

    assert text_of(table) == f"{FIRST}\n{SECOND}\n{SECOND}"


def test_code_keeps_its_white_space() -> None:
    """Lines and indents of `pre` stay, tags inside it go, and so do numbers beside it."""
    code = "<pre><span class=gutter>1</span>\ndef f(x):\n    <b>return</b> x &lt; 1\n\n</pre>"

    assert text_of(f"<div class=article-content>{paragraphs(FIRST)}{code}{paragraphs(SECOND)}</div>").startswith(
        f"{FIRST}\n"
    )
    assert "\ndef f(x):\n    return x < 1\n" in text_of(
        f"<div class=article-content>{paragraphs(FIRST)}{code}{paragraphs(SECOND)}</div>"
    )


def test_items_of_lists_are_marked() -> None:
    """An item is a line; a second paragraph in it is not another item."""
    items = "<ul><li>Bring a coat.<li><p>Bring a ticket.</p><p>It is cheap.</p></ul>"

    assert text_of(f"<div class=article-content>{paragraphs(FIRST)}{items}</div>") == (
        f"{FIRST}\n- Bring a coat.\n- Bring a ticket.\nIt is cheap."
    )


def test_white_space_and_breaks() -> None:
    """White space collapses, also that of no-break and ideographic spaces; a break begins a line."""
    found = text_of(
        f"<div class=article-content><p>\u3000\u3000{ZH_FIRST}&nbsp; \n <b>重要</b><br>{ZH_SECOND}</p></div>"
    )

    assert found == f"{ZH_FIRST} 重要\n{ZH_SECOND}"


def test_a_heading_without_its_section_goes() -> None:
    """What announced a list of links that was left out is left out too."""
    found = text_of(f"<div class=article-content>{paragraphs(FIRST)}<h2>Places to go</h2><ul>{LINKS}</ul></div>")

    assert found == FIRST


# --- title, author, date ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "shown", "title"),
    [
        ("<title>A bridge - Invented Press</title><meta property=og:title content='A bridge'>", "", "A bridge"),
        ("<title>大桥封闭_某某网</title>", "<h1>大桥封闭</h1>", "大桥封闭"),
        ("<title>A bridge</title>", "<h1>Invented Press</h1>", "A bridge"),
        ("", "<h1>A bridge</h1>", "A bridge"),
        ("", "", None),
    ],
)
def test_titles(head: str, shown: str, title: str | None) -> None:
    """The name of the site is no part of a title that stands elsewhere without it."""
    assert extract(html(f"<html><head>{head}</head><body>{shown}{PLAIN}</body></html>")).title == title


@pytest.mark.parametrize(
    ("part", "author"),
    [
        ('<script type=application/ld+json>{"author":{"@type":"Person","name":"A. Writer"}}</script>', "A. Writer"),
        ('<script type=application/ld+json>{"author":[{"name":"A"},{"name":"B"}]}</script>', "A, B"),
        ("<meta name=author content='https://example.org/a'>", None),
        ("<div>作者：张某某 来源：某某网</div>", "张某某"),
        ("<p>By Ann Writer, Staff</p>", "Ann Writer"),
        ("<p>By the river stands a bridge</p>", None),
    ],
)
def test_authors(part: str, author: str | None) -> None:
    """An author is stated for machines or shown in a line; the address of a page and a sentence are no names."""
    assert extract(html(body(part, PLAIN))).author == author


@pytest.mark.parametrize(
    ("part", "time"),
    [
        ("<span>2024年5月6日 07:08</span>", datetime(2024, 5, 6, 7, 8, tzinfo=UTC)),
        ("<span>发布时间：2024-05-06 07:08:09 来源：某某网</span>", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("<span>Published May 6th, 2024</span>", datetime(2024, 5, 6, tzinfo=UTC)),
        ("<span>6 May 2024</span>", datetime(2024, 5, 6, tzinfo=UTC)),
        ("<time datetime=2024-05-06T07:08:00+08:00>today</time>", datetime(2024, 5, 5, 23, 8, tzinfo=UTC)),
        ("<meta name=publishdate content='2024/05/06'>", datetime(2024, 5, 6, tzinfo=UTC)),
        ("<span>2024-13-45</span>", None),
        ("<span>ISBN 20240506</span>", None),
    ],
)
def test_dates(part: str, time: datetime | None) -> None:
    """A date is stated for machines or shown in a short line, Chinese or English; an impossible one is none."""
    assert extract(html(body(part, PLAIN))).published_at == time


# --- the slow path ----------------------------------------------------------------------------------

UNSURE = body(
    *(f"<div class=item><h3>Story {n}</h3>{paragraphs(FIRST, SECOND)}</div>" for n in range(3)),
    f"<div class=entry-content>{paragraphs(FIRST)}</div>" * 2,
    f"<aside>{paragraphs(*[FIRST, SECOND] * 6)}</aside>",
)


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpus_gov.extract.MIN_CONFIDENCE", 2.0)


def test_the_slow_path_is_named(unsure: None) -> None:
    """A text of the slow path says so."""
    found = extract(html(body(ARTICLE)))

    assert (found.extractor, FIRST in found.text) == (thorough.NAME, True)


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (body(ARTICLE, "<i></i>" * 20_001), "too_large"),
        (body(ARTICLE, "<i>" * 201), "too_large"),
        (body(ARTICLE, ("<div>" * 99 + "</div>" * 99) * 102), "too_large"),
    ],
)
def test_a_slow_path_that_is_not_asked_is_named(unsure: None, page: str, reason: str) -> None:
    """Where a page is too large or deep for the slow path, the fast one's text stays, and the reason is on record."""
    found = extract(html(page))

    assert (found.extractor, found.text != "") == (f"{BLOCKS_EXTRACTOR}!{reason}", True)


def test_a_slow_path_that_finds_nothing_is_named(unsure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty answer of the slow path does not replace a text."""
    monkeypatch.setattr("trafilatura.extract", lambda *_args, **_options: None)

    found = extract(html(body(ARTICLE)))

    assert (found.extractor, found.text) == (f"{BLOCKS_EXTRACTOR}!empty", f"{FIRST}\n{SECOND}")


def test_a_slow_path_that_fails_is_named(unsure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the slow path raises, the page keeps the fast one's text, with the class of the error."""

    def failing(*args: object, **options: object) -> str:
        raise RecursionError

    monkeypatch.setattr("trafilatura.extract", failing)

    found = extract(html(body(ARTICLE)))

    assert (found.extractor, found.text) == (f"{BLOCKS_EXTRACTOR}!RecursionError", f"{FIRST}\n{SECOND}")


def test_a_slow_path_without_memory_ends_the_run(unsure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine cannot hold at this moment decides no text: another run would give another one."""

    def failing(*args: object, **options: object) -> str:
        raise MemoryError

    monkeypatch.setattr("trafilatura.extract", failing)

    with pytest.raises(MemoryError):
        extract(html(body(ARTICLE)))


def test_a_script_ends_at_its_own_end_tag_only() -> None:
    """An end tag whose name only begins alike stands in the script; what follows it is no text of the page."""
    script = "<script>var end = '</scripted>这一句话写在脚本里面，读者看不到它，也不应当看到它。';</script>"

    assert text_of(script, PLAIN) == f"{FIRST}\n{SECOND}"


def test_the_same_page_gives_the_same_text() -> None:
    """Nothing depends on what was read before."""
    first = extract(html(PAGE))
    extract(html(UNSURE))

    assert extract(html(PAGE)) == first


# --- large pages ------------------------------------------------------------------------------------

LARGE = {
    "one line": "<p>" + "word, " * 400_000,
    "attributes of one value": "<p class='" + "x " * 500_000 + "'>a</p>",
    "table": "<table>" + "<tr><td>1<td>2<td>3" * 30_000 + "</table>",
    "references": "<p>" + "&amp;&lt;&nbsp;" * 100_000,
    "short lines": "<div>相关阅读</div>" * 30_000,
    "open brackets": "<p>" + "【" * 120 + "</p>" + "<p>(((((((([[[[[[[[</p>" * 20_000,
    "entities": "<!DOCTYPE html ["
    + "".join(f"<!ENTITY e{n} '&e{n - 1};&e{n - 1};'>" for n in range(1, 99))
    + "]><p>&e98;",
}


@pytest.mark.parametrize("page", LARGE.values(), ids=LARGE)
def test_large_pages_are_read(page: str) -> None:
    """Long lines, values, tables and references take no more than their length, and give text that can be stored."""
    found = extract(html(page))

    assert found.reject is None
    assert len(found.text) <= len(page)
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
    piece = Piece("s", "p", "f", "0" * 64, "warc")

    entry = Draft(piece, Bar()).judge(html("<div>" * 8_000), piece)

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
