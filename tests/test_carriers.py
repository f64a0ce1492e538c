"""Labels of AI-generated content in files that are not read as text: PDF, office documents, pictures."""

import io
import random
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_warc import response

from corpus_gov import pipeline, terminal
from corpus_gov.engine import Engine
from corpus_gov.sources import carriers, warc
from corpus_gov.workspace import init, open_workspace

CODE = "001191110102MACQD9K64010000"  # quoted in public guides to the standard; its check digit holds
BARE = (
    f'{{"Label":"1","ContentProducer":"{CODE}","ProduceID":"p-1","ReservedCode1":"r1",'
    f'"ContentPropagator":"{CODE}","PropagateID":"p-1","ReservedCode2":"r2"}}'
)
ANNEX = f'{{"AIGC":{BARE}}}'
CHINESE = ANNEX.replace(CODE, "某公司")
STRICT = "strict:label=1,producer=code,propagator=code"
NAMED = "lenient:label=1,producer=name,propagator=name"
NAMESPACE = 'xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'


def pdf(info: bytes, *objects: bytes) -> bytes:
    """A PDF as far as a scanner sees it: an Info dictionary and objects."""
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, one) for number, one in enumerate((info, *objects), 4))
    return b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + body + b"trailer << /Info 4 0 R >>\n%%EOF\n"


def stream(kind: bytes, said: bytes) -> bytes:
    packed = zlib.compress(said)
    return b"<< /Type /%b /Filter /FlateDecode /Length %d >>\nstream\r\n%b\nendstream" % (kind, len(packed), packed)


def office(properties: str, name: str = "docProps/custom.xml") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(name, properties)
        archive.writestr("word/document.xml", "<w:document/>")
    return made.getvalue()


def custom(value: str) -> str:
    return f'<Properties><property pid="2" name="AIGC"><vt:lpwstr>{value}</vt:lpwstr></property></Properties>'


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
             for kind, body in ((b"IHDR", bytes(13)), *chunks, (b"IEND", b""))]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(segment: bytes) -> bytes:
    return b"\xff\xd8\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + b"\xff\xda" + bytes(40) + b"\xff\xd9"


def xmp(value: str) -> bytes:
    return f"<x:xmpmeta><rdf:Description {NAMESPACE}><TC260:AIGC>{value}</TC260:AIGC></rdf:Description>".encode()


ATTRIBUTE = f"<rdf:Description {NAMESPACE} TC260:AIGC={quoteattr(ANNEX)}/>".replace("'", '"').encode()
ESCAPED = ANNEX.replace('"', "&quot;")
UTF16 = b"\xfe\xff" + CHINESE.encode("utf-16-be").replace(b"\\", b"\\\\").replace(b"(", b"\\(")
LABELLED = {
    "pdf_string": (pdf(b"<< /Title (A) /AIGC (%b) >>" % BARE.encode()), STRICT),
    "pdf_wrapper": (pdf(b"<< /AIGC(%b)>>" % ANNEX.encode()), STRICT),
    "pdf_utf16": (pdf(b"<< /AIGC (%b) >>" % UTF16), NAMED),
    "pdf_hex": (pdf(b"<< /AIGC <FEFF%b> >>" % ANNEX.encode("utf-16-be").hex().encode()), STRICT),
    "pdf_octal": (pdf(b"<< /AIGC (%b) >>" % ANNEX.replace('"', "\\042").encode()), STRICT),
    "pdf_reference": (pdf(b"<< /AIGC 5 0 R >>", b"(%b)" % BARE.encode()), STRICT),
    "pdf_objects": (pdf(b"<<>>", stream(b"ObjStm", b"4 0 << /AIGC (%b) >>" % ANNEX.encode())), STRICT),
    "pdf_metadata": (pdf(b"<<>>", stream(b"Metadata", xmp(ANNEX))), STRICT),
    "xmp_escaped": (pdf(b"<<>>", xmp(ESCAPED)), STRICT),
    "xmp_attribute": (jpeg(b"http://ns.adobe.com/xap/1.0/\0" + ATTRIBUTE), STRICT),
    "docx": (office(custom(ESCAPED)), STRICT),
    "docx_bare": (office(custom(BARE)), STRICT),
    "docx_number": (office(custom(BARE.replace('"1"', "1"))), "lenient:label=1,producer=code,propagator=code"),
    "odt": (office(f'<meta:user-defined meta:name="AIGC">{BARE}</meta:user-defined>', "meta.xml"), STRICT),
    "png_text": (png((b"tEXt", b"AIGC\0" + ANNEX.encode())), STRICT),
    "png_itxt": (png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(ESCAPED))), STRICT),
    "png_packed": (png((b"zTXt", b"AIGC\0\0" + zlib.compress(BARE.encode()))), STRICT),
    "png_itxt_packed": (png((b"iTXt", b"AIGC\0\1\0zh\0\0" + zlib.compress(CHINESE.encode()))), NAMED),
    "jpeg_comment_le": (jpeg(b"Exif\0\0UNICODE\0" + CHINESE.encode("utf-16-le")), NAMED),
    "jpeg_comment_be": (jpeg(b"Exif\0\0UNICODE\0" + CHINESE.encode("utf-16-be")), NAMED),
    "webp": (b"RIFF\x00\x10\x00\x00WEBPXMP " + xmp(ANNEX), STRICT),
    "mp3": (b"ID3\x04\0\0\0\0\x10\0TXXX\0\0\1\0\0\0\3AIGC\0" + ANNEX.encode(), STRICT),
    "mp4": (b"\0\0\0\x18ftypisom" + bytes(8) + b"udta" + ANNEX.encode(), STRICT),
    "value": (png((b"tEXt", b"AIGC\0" + ANNEX.replace('"1"', '"9"').encode())),
              "malformed:label=?,producer=code,propagator=code"),
    "broken_off": (jpeg(b"AIGC\0" + ANNEX[:40].encode()), "lenient:label=1,producer=none,propagator=none"),
    "no_value": (jpeg(b'AIGC\0{"ContentProducer":"p'), "malformed:label=?,producer=none,propagator=none"),
}  # fmt: skip
UNLABELLED = {
    "plain": pdf(b"<< /Title (About AIGC) >>"),
    "namespace": jpeg(xmp("none")),
    "other_object": png((b"tEXt", b'AIGC\0{"course":"painting"}')),
    "document_about": office(custom("see the text")),
    "text_of_a_document": office(ANNEX, "word/document2.xml"),
    "script": f"var AIGC = {ANNEX};".encode(),
    "json": ANNEX.encode(),
    "empty": b"",
}


@pytest.mark.parametrize("case", LABELLED)
def test_label_is_read_where_formats_have_it(case: str) -> None:
    """Raw, escaped, in UTF-16, in hex, deflated: the label of a file is read by the rules of every other carrier."""
    data, expected = LABELLED[case]

    label = carriers.read(data)

    assert label is not None
    assert label.note == expected


@pytest.mark.parametrize("case", UNLABELLED)
def test_file_without_a_label_has_none(case: str) -> None:
    """The name alone, an object of another kind, scripts and data about labels are no label."""
    assert carriers.read(UNLABELLED[case]) is None


def test_the_label_nearest_to_the_standard_is_taken() -> None:
    """Of several labels a strict one is believed before a lenient or a malformed one, in whatever order."""
    bad, lenient = ANNEX.replace('"1"', '"9"'), BARE.replace('"1"', "1")

    label = carriers.read(pdf(b"<< /AIGC (%b) >>" % bad.encode(), xmp(lenient), xmp(ANNEX)))

    assert label is not None
    assert label.note == STRICT


@given(st.sampled_from(sorted(LABELLED)), st.integers(0, 2_000), st.binary(max_size=12))
def test_damaged_file_is_read_without_an_error(case: str, at: int, data: bytes) -> None:
    """Bytes that are changed or cut off anywhere end in a label or in none, never in an error."""
    whole, _ = LABELLED[case]

    for damaged in (whole[:at], whole[:at] + data + whole[at + len(data) :]):
        label = carriers.read(damaged)
        assert label is None or label.note


def test_nothing_of_a_bomb_comes_out() -> None:
    """Parts that inflate to far more than they are get no room, and what XML declares is not expanded."""
    zeros = zlib.compress(bytes(64 << 20), 9)
    bomb = stream(b"ObjStm", bytes(64 << 20))
    entity = f'<!DOCTYPE p [<!ENTITY a "{"x" * 100}"><!ENTITY b "{"&a;" * 100}">]>' + custom("&b;" * 1_000)
    start = time.thread_time()

    assert carriers.read(pdf(b"<<>>", *[bomb] * 40)) is None
    assert carriers.read(png(*[(b"zTXt", b"AIGC\0\0" + zeros)] * 40)) is None
    assert carriers.read(office(" " * (80 << 20))) is None
    assert carriers.read(office(entity)) is None
    assert time.thread_time() - start < 5


@pytest.mark.parametrize(
    "made",
    [
        lambda n: b"%PDF-" + random.Random(1).randbytes(n),
        lambda n: b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(n),
        lambda n: b"%PDF-" + b"/AIGC 4 0 R /ObjStm stream\n" * (n // 27),
        lambda n: b"%PDF-" + b"/AIGC (" * (n // 7),
        lambda n: b"\xff\xd8\xff" + b"AIGC{" * (n // 5),
        lambda n: b"\xff\xd8\xff" + 'AIGC{"'.encode("utf-16-be") * (n // 12),
        lambda n: b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0zTXt\0\0\0\0" * (n // 12),
        lambda n: b"PK\x03\x04" + b"PK\x01\x02" * (n // 4),
    ],
    ids=["noise", "noise_png", "references", "strings", "names", "names_utf16", "chunks", "zip"],
)
def test_time_grows_with_the_file(made: Callable[[int], bytes]) -> None:
    """Eight times the bytes of a hostile or senseless file take no more than a multiple of it."""
    small, large = made(1_250_000), made(10_000_000)
    spent = {len(data): min(_seconds(data) for _ in range(3)) for data in (small, large)}

    assert spent[len(large)] < 30 * max(spent[len(small)], 0.01)


def _seconds(data: bytes) -> float:
    start = time.thread_time()
    carriers.read(data)
    return time.thread_time() - start


def test_capture_of_an_archive_says_its_label() -> None:
    """A labelled picture of a crawl is skipped as before, and its capture says why it matters."""
    data, _ = LABELLED["png_text"]
    found = [
        *warc.records(response(data, content_type="image/png")),
        *warc.records(response(UNLABELLED["plain"], content_type="application/pdf")),
    ]

    assert [(one.outcome, one.reason) for one in found] == [("skipped", f"aigc:{STRICT}"), ("skipped", "content_type")]


def test_a_run_counts_files_with_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files of a folder and members of a zip are rejected with their label, which run.json and the command count."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    made = init(tmp_path / "w", name="W", owner="office")
    incoming = tmp_path / "w" / "incoming"
    incoming.mkdir(exist_ok=True)
    (incoming / "a.txt").write_text("A sentence about ferries that is long enough to be a document of its own.")
    (incoming / "a.pdf").write_bytes(LABELLED["pdf_string"][0])
    (incoming / "b.docx").write_bytes(LABELLED["docx"][0])
    (incoming / "c.png").write_bytes(UNLABELLED["other_object"])
    with zipfile.ZipFile(incoming / "d.zip", "w") as archive:
        archive.writestr("d.pdf", LABELLED["pdf_hex"][0])
        archive.writestr("e.pdf", UNLABELLED["plain"])
    made.store.put(
        "sources/feed.yaml", b"source_id: feed\nkind: own\ntitle: Feed\nresponsible: A\ninputs: [incoming/*]\n"
    )

    with Engine(workers=1) as engine:
        outcome = pipeline.run(open_workspace(tmp_path / "w"), engine=engine, as_of=date(2026, 11, 1))
    captures = open_workspace(tmp_path / "w").release().table("captures")

    rows = captures.select(["record_file", "outcome", "reason"]).to_pylist()
    assert sorted((Path(row["record_file"]).name, row["outcome"], row["reason"]) for row in rows) == [
        ("a.pdf", "rejected", f"aigc:{STRICT}"),
        ("a.txt", "document", None),
        ("b.docx", "rejected", f"aigc:{STRICT}"),
        ("c.png", "rejected", "unsupported_format"),
        ("d.pdf", "rejected", f"aigc:{STRICT}"),
        ("e.pdf", "rejected", "unsupported_format"),
    ]
    counts = outcome.run["counts"]
    assert (counts["labelled_files"], counts["documents"]) == (3, 1)
    terminal.summary("w", outcome)
    assert f"3 {terminal.LABELLED_FILES}" in capsys.readouterr().out
