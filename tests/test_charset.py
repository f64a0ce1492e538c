"""Charsets: what the bytes say, what the labels say, and which one is believed."""

import base64
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corpus_gov.sources import charset, detection
from corpus_gov.sources.charset import codec_of, decode, header_label, page_label

CHINESE = "本条例自二〇二四年一月一日起施行,由国务院公布。网络数据处理者应当加强网络数据安全防护。"
TRADITIONAL = "本條例自公布之日起施行,由主管機關公布之。個人資料之蒐集、處理及利用,應尊重當事人之權益。"


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_beats_every_label(codec: str) -> None:
    """A byte-order mark decides, whatever header and page say."""
    found = decode(CHINESE.encode(codec), "gbk")

    assert (found.text, found.declared, found.replaced) == (CHINESE, "gbk", 0)


@pytest.mark.parametrize("label", ["gb2312", "GBK", "gb_2312-80", "x-gbk"])
def test_gb_labels_are_read_as_gb18030(label: str) -> None:
    """The web's gb2312 and gbk hold characters that only gb18030 has."""
    text = CHINESE + "镕㐂"

    found = decode(text.encode("gb18030"), label.lower())

    assert (found.text, found.used, found.replaced) == (text, "gb18030", 0)


@pytest.mark.parametrize("label", ["utf-8", "iso-8859-1", "big5", None])
def test_a_gbk_page_under_a_lying_label_is_read(label: str | None) -> None:
    """A label that is wrong does not spoil a Chinese page."""
    page = f"<html><head><title>题</title></head><body>{CHINESE * 4}</body></html>"

    found = decode(page.encode("gbk"), label)

    assert (found.text, found.used, found.declared) == (page, "gb18030", label)


def test_a_big5_page_that_calls_itself_gb2312_is_read() -> None:
    """The two Chinese encodings decode each other without an error: detection tells them apart."""
    found = decode((TRADITIONAL * 4).encode("big5"), "gb2312")

    assert (found.text, found.used) == (TRADITIONAL * 4, "big5hkscs")


@pytest.mark.parametrize("label", ["gb2312", "iso-8859-1", "big5"])
def test_valid_utf8_is_utf8(label: str) -> None:
    """Text that is valid UTF-8 beyond coincidence is not decoded by a label that says otherwise."""
    assert decode(CHINESE.encode(), label).text == CHINESE


def test_a_header_is_believed_before_the_page() -> None:
    """The HTTP header wins over <meta> where both decode the bytes."""
    body = b"<meta charset=windows-1252>\xe4\xf6\xfc"

    found = decode(body, "iso-8859-5")

    assert (found.declared, found.used) == ("iso-8859-5", "iso8859-5")


def test_a_meta_label_counts_without_a_header() -> None:
    """Without a header the page's own label is declared and used."""
    found = decode(b"<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'>" + "日本".encode("cp932"))

    assert (found.declared, found.used) == ("shift_jis", "cp932")
    assert found.text.endswith("日本")


def test_what_does_not_decode_is_counted_in_bytes() -> None:
    """Each byte that does not decode counts, each run of them is marked, and the rest is text."""
    found = decode(CHINESE.encode() + b"\xff\xfe" + CHINESE.encode(), "utf-8")

    assert (found.used, found.replaced) == ("utf-8", 2)
    assert found.text.replace("\ufffd", "") == CHINESE * 2


def test_a_character_cut_at_the_end_is_no_sign_of_another_encoding() -> None:
    """A body cut inside its last character is still read by its own encoding."""
    found = decode((CHINESE * 4).encode("gbk")[:-1], "utf-8")

    assert (found.used, found.replaced) == ("gb18030", 1)
    assert found.text.startswith(CHINESE)


def test_utf16_without_a_mark_is_seen_by_its_zeros() -> None:
    """A page full of NUL is UTF-16, not ASCII."""
    page = f"<html><body><p>plain words</p>{CHINESE}</body></html>"

    assert decode(page.encode("utf-16-le")).text == page


@pytest.mark.parametrize("label", ["utf-7", "unicode_escape", "rot13", "idna", "nonsense", "", None])
def test_labels_that_are_no_encodings_are_not_trusted(label: str | None) -> None:
    """Only encodings of text are taken from a label."""
    assert codec_of(label) is None
    assert decode(b"+ADw-script+AD4-", label).text == "+ADw-script+AD4-"


def test_plain_text_is_not_searched_for_meta() -> None:
    """A label inside plain text is text."""
    assert decode(b"<meta charset=big5> \xe4\xb8\xad", html=False).declared is None


def test_labels_are_found_where_they_stand() -> None:
    """Quoted, spaced and XML labels are read."""
    assert header_label('text/html; Charset = "GBK"') == "gbk"
    assert header_label("text/html") is None
    assert page_label(b'<?xml version="1.0" encoding="EUC-KR"?>') == "euc-kr"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_chinese_without_a_mark_is_seen_by_its_text(codec: str) -> None:
    """Chinese in UTF-16 has hardly a NUL: what tells it is that it makes text."""
    assert decode(CHINESE.encode(codec)).text == CHINESE


@pytest.mark.parametrize("codec", ["hz", "iso2022_jp", "iso2022_kr"])
def test_encodings_in_ascii_are_seen_by_their_escapes(codec: str) -> None:
    """Encodings of escape sequences need no label."""
    text = {"hz": CHINESE.replace("〇", "零"), "iso2022_jp": "日本語の文章です。", "iso2022_kr": "한국어 문장입니다."}[
        codec
    ]

    found = decode(text.encode(codec))

    assert (found.text, found.used) == (text, codec)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("gb18030", "中文"),
        ("gb18030", "联通"),
        ("big5hkscs", "個人資料"),
        ("cp932", "日本語の文章です。カタカナ"),
        ("euc_jp", "日本語の文章です。カタカナ"),
        ("cp949", "한국어 문장입니다. 안녕하세요"),
        ("cp1251", "Правила обработки данных"),
        ("koi8-r", "Правила обработки данных"),
        ("cp866", "Правила обработки данных"),
        ("cp1253", "Προστασία δεδομένων"),
        ("cp1255", "הגנה על נתונים אישיים"),
        ("cp1256", "حماية البيانات الشخصية"),
        ("cp874", "การคุ้มครองข้อมูลส่วนบุคคล"),
        ("cp1252", "Le café est fermé, à bientôt"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("cp1254", "Kişisel verilerin korunması için"),
    ],
)
def test_short_texts_without_a_label(codec: str, text: str) -> None:
    """A word or a line is enough, in every script."""
    assert decode(text.encode(codec), html=False).text == text


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=300), st.sampled_from([None, "utf-8", "gbk", "big5", "utf-16", "hz", "iso-8859-1", "x"]))
@example(b"\xff\xfe\x00", None)
@example(b"~{", "hz")
@example(b"\x1b$)C\x0e", None)
@example(b"\x00\x00\x00\xd8" * 4, None)
def test_any_bytes_are_text(data: bytes, label: str | None) -> None:
    """Whatever the bytes and the label, there is text, and what did not decode is counted within the bytes."""
    found = decode(data, label)

    assert 0 <= found.replaced <= len(data)
    assert ("\ufffd" in found.text) or found.replaced == 0
    assert found == decode(data, label)


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=200))
def test_utf8_is_read_as_it_is(text: str) -> None:
    """What is UTF-8 comes out as it was, and reading what comes out again changes nothing."""
    found = decode(text.encode("utf-8-sig"), html=False)
    again = decode(found.text.encode(), html=False)

    assert (found.text, found.replaced) == (text, 0)
    assert again.text == text.removeprefix("\ufeff")


@pytest.mark.parametrize("piece", [b"\x80", b"\xd6\xd0 ", b"<p>\xff</p>", b"a" * 50 + b"\xe9"])
def test_what_is_scored_is_bounded(piece: bytes) -> None:
    """However long a body is, no more than a sample of it is scored, and it begins with the first strange byte."""
    kept = detection.sample(piece * 200_000)

    assert len(kept) <= detection.SAMPLE_BYTES + 2 * detection.MARGIN
    assert any(byte >= 0x80 for byte in kept[: detection.MARGIN + 2])


def test_pure_utf8_is_not_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detection is not asked where the bytes are UTF-8."""
    monkeypatch.setattr(charset.detection, "scores", None)

    assert decode((CHINESE * 1000).encode(), "gb2312").used == "utf-8"


@pytest.mark.data
def test_reencoded_chinese_is_restored(shared_data: Path) -> None:
    """Real Chinese texts in ten encodings, most with a false or no label, are read right, all but one of a hundred."""
    lines = zstandard.open(shared_data / "09_encodings" / "zh_reencoded.jsonl.zst", "rt", encoding="utf-8")
    rows = [json.loads(line) for line in lines]

    found = [decode(base64.b64decode(row["bytes_b64"]), row["declared"]).text for row in rows]

    # The last byte of some is cut on purpose: the characters before it count.
    right = [text[:-2] == row["text"][: len(text) - 2] for text, row in zip(found, rows, strict=True)]
    assert sum(right) >= 0.99 * len(rows)
