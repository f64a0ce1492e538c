"""What the screens find, how sure they are, and what becomes of a screen that breaks."""

import logging
import re
import socket
import sys
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any, NoReturn
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pytest
from documents import documents, rule
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.errors import RuleError, SchemaError
from corpus_gov.kernels import percent
from corpus_gov.rules import RulePack, concern, load_packs
from corpus_gov.schemas import FINDINGS, SCALE
from corpus_gov.screens import Hit, TimedOutError, findings, look

PACKS = load_packs(["common.pii", "cn.pii", "common.licence", "cn.licence"])
PII = concern(PACKS, "pii")
LICENCE = concern(PACKS, "licence")


def seen(name: str, text: str, **columns: str) -> list[dict[str, Any]]:
    return look(name, documents([text], **columns), PII if name == "pii" else LICENCE).to_pylist()


def values(name: str, text: str) -> list[tuple[str, str]]:
    return [(row["rule"], text[row["start"] : row["end"]]) for row in seen(name, text)]


# --- a screen that breaks -------------------------------------------------------------------------


def fragile(documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Raise on any batch with a text that says so."""
    texts = documents.column("text").to_pylist()
    if "break" in texts:
        raise ZeroDivisionError(f"secret {texts}")
    return findings(documents, [Hit(row, "text", 0, 1, rules.rules[0]) for row, text in enumerate(texts) if text])


Install = Callable[[Callable[..., Any]], RulePack]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Make a function the screen of a module of its own."""

    def put(screen: Callable[..., Any]) -> RulePack:
        module = ModuleType("corpus_gov.screens.fragile")
        module.screen = screen  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return RulePack("fragile", 1, (rule("own.first", screen="fragile"),))

    return put


def test_a_broken_document_is_recorded(install: Install) -> None:
    """A screen that raises costs the document that made it raise a screen.failed, and no other its findings."""
    batch = documents(["one", "break", "two", ""])

    found = look("fragile", batch, install(fragile))

    assert found.schema.equals(FINDINGS, check_metadata=True)
    assert found.column("doc_id").to_pylist() == batch.column("doc_id").to_pylist()[:3]
    assert found.column("rule").to_pylist() == ["own.first", "screen.failed", "own.first"]
    failed = found.slice(1, 1).to_pylist()[0]
    assert failed["note"] == "fragile:ZeroDivisionError"
    assert (failed["version"], failed["column"], failed["start"], failed["end"]) == (1, "text", 0, 0)
    assert (failed["category"], failed["score"]) == ("screen.failed", None)
    assert found.column("text_digest")[1] == batch.column("text_digest")[1]


@pytest.mark.parametrize("error", [RuleError, SchemaError, MemoryError, TimedOutError])
def test_bugs_stop_the_run(install: Install, error: type[Exception]) -> None:
    """A wrong rule, a broken promise, a lack of memory or of time is no fact about a document."""

    def screen(*_: object) -> NoReturn:
        raise error("stop")

    with pytest.raises(error, match="stop"):
        look("fragile", documents(["a"]), install(screen))


def test_bugs_on_single_documents_stop_the_run(install: Install) -> None:
    """The same holds when the batch as a whole failed of something else."""

    def screen(documents: pa.RecordBatch, _: RulePack) -> NoReturn:
        raise KeyError if documents.num_rows > 1 else RuleError("stop")

    with pytest.raises(RuleError, match="stop"):
        look("fragile", documents(["a", "b"]), install(screen))


def test_a_screen_that_fails_on_nothing_is_a_bug(install: Install) -> None:
    """Without documents there is nobody to record the failure on."""

    def screen(*_: object) -> NoReturn:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        look("fragile", documents([]), install(screen))


def test_a_screen_must_return_findings(install: Install) -> None:
    """Another table than FINDINGS is a bug of the screen that is named."""
    with pytest.raises(SchemaError, match=r"^screens\.fragile: columns differ from findings"):
        look("fragile", documents(["a"]), install(lambda batch, _: batch))


def test_a_missing_dependency_is_not_a_missing_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a screen's own import fails, the error names what it needs."""
    seen("pii", "")
    sys.modules["corpus_gov.screens.pii"]._compiled.cache_clear()
    monkeypatch.delitem(sys.modules, "corpus_gov.recognisers", raising=False)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)

    with pytest.raises(ModuleNotFoundError, match="presidio_analyzer"):
        look("pii", documents(["a@example.com"]), PII)


# --- personal data --------------------------------------------------------------------------------


def test_pii_stands_apart_from_text() -> None:
    """Values are cut out of Han text, punctuation and lines without their neighbours."""
    text = "联系人张三,手机138 0013 8000转,邮箱Zhang.San@Example.COM.\n身份证11010519491231002x号"

    assert values("pii", text) == [
        ("pii.cn_name", "张三"),
        ("pii.cn_aggregate", "张三,手机138 0013 8000转,邮箱Zhang.San@Example.COM.\n身份证11010519491231002x"),
        ("pii.cn_mobile", "138 0013 8000"),
        ("pii.email", "Zhang.San@Example.COM"),
        ("pii.cn_resident_id", "11010519491231002x"),
    ]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("13800138000", 0.6),
        ("手机:13800138000", 0.9),
        ("TEL 13800138000", 0.9),
        ("13800138000 (电话)", 0.9),
        ("手机" + "文" * 24 + "13800138000", 0.6),
        ("手机" + "文" * 22 + "13800138000", 0.9),
        ("手" + "13800138000" + "机", 0.6),
        ("11010519491231002X", 1.0),
    ],
)
def test_pii_scores(text: str, score: float) -> None:
    """A word nearby raises the score of a bare form, and a check digit that holds makes it certain."""
    assert [row["score"] for row in seen("pii", text)] == [round(score * SCALE)]


def test_pii_in_long_texts() -> None:
    """Many values in one long text are all found, each once."""
    text = "".join(f"字{13800138000 + number}, a{number}@example.com;" for number in range(2000))

    rows = seen("pii", text)

    assert len(rows) == len({(row["start"], row["end"]) for row in rows}) == 4000
    assert {text[row["start"] : row["end"]] for row in rows} >= {"13800139999", "a1999@example.com"}


def test_pii_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked for on the network, not even a list of domain endings."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert [row["rule"] for row in seen("pii", "a@example.com")] == ["pii.email"]


def test_pii_logs_nothing(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Presidio's messages about what it recognised reach no log."""
    caplog.set_level(logging.DEBUG)

    seen("pii", "a@example.com 13800138000")

    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_pii_time_out_is_loud() -> None:
    """Presidio only warns when it skips a pattern that ran out of time; here that stops the run."""
    seen("pii", "a@example.com")

    with pytest.raises(TimedOutError, match="presidio"):
        logging.getLogger("presidio-analyzer").warning("Regex pattern '%s' timed out", "x")


def test_pii_searches_without_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presidio's own search, which a clock may end, is never asked, however dense the text is."""
    seen("pii", "a@example.com")
    module = sys.modules["corpus_gov.recognisers"]

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("searched by Presidio")

    monkeypatch.setattr(module.PatternRecognizer, "analyze", refuse)

    assert len(seen("pii", "a@b.cn " * 20_000)) == 20_000


# --- percent-encoded addresses --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://a.example/?mail=wang.fang%40example.org&x=1", [("pii.email", "wang.fang%40example.org")]),
        ("https://a.example/?m=%20wang%40example.org", [("pii.email", "wang%40example.org")]),
        ("https://a.example/?m=wang%2Btag%40example.org", [("pii.email", "wang%2Btag%40example.org")]),
        ("https://a.example/?m=wang@example.org&q=%20", [("pii.email", "wang@example.org")]),
        ("https://a.example/?tel=%2B8613800138000", [("pii.cn_mobile", "%2B8613800138000")]),
        ("https://a.example/?tel=+8613800138000", [("pii.cn_mobile", "+8613800138000")]),
        ("https://a.example/?tel=138%200013%208000", [("pii.cn_mobile", "138%200013%208000")]),
        ("https://a.example/?tel=138+0013+8000", [("pii.cn_mobile", "138+0013+8000")]),
        ("https://a.example/?tel=%31%33800138000", [("pii.cn_mobile", "%31%33800138000")]),
        ("https://a.example/?id=110105+19491231+002X", [("pii.cn_resident_id", "110105+19491231+002X")]),
        ("https://a.example/%F0%A0%AE%B7𠮷?m=a%40b.cn", [("pii.email", "a%40b.cn")]),
        ("https://a.example/%D5%C5/?m=a%40b.cn", [("pii.email", "a%40b.cn")]),
        ("https://a.example/?to=%2F%3Fm%3Dwang%2540example.org", [("pii.email", "wang%2540example.org")]),
        ("https://a.example/%E6%89%8B%E6%9C%BA%ZZ%4?a+b=1+1", []),
    ],
)
def test_encoded_personal_data_in_addresses(uri: str, expected: list[tuple[str, str]]) -> None:
    """In an address, values are found encoded too, each once, as the span of the address as recorded."""
    rows = seen("pii", "-", uri=uri)

    assert [(row["rule"], uri[row["start"] : row["end"]]) for row in rows] == expected


def test_context_in_addresses_is_decoded() -> None:
    """A word that stands encoded before a value raises its score like any other."""
    (row,) = seen("pii", "-", uri="https://a.example/%E6%89%8B%E6%9C%BA13800138000")

    assert row["score"] == round(0.9 * SCALE)


def test_other_columns_are_not_decoded() -> None:
    """A text that shows an encoded sign shows just that."""
    assert seen("pii", "wang%40example.org", title="wang%40example.org") == []


def test_addresses_without_codes_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rows with something to decode are decoded."""
    decoded = []

    def decode(text: str) -> tuple[str, np.ndarray]:
        decoded.append(text)
        return text, np.arange(len(text) + 1)

    monkeypatch.setattr(percent, "_decode", decode)

    layers = percent.layers(pa.array(["https://a.cn/100%", None, "https://a.cn/%41", "a+b", "1+2", ""]))

    assert decoded[:2] == ["https://a.cn/%41", "1+2"]
    assert layers[0].rows.tolist() == [2, 4]


@given(
    st.lists(
        st.sampled_from(["%E5%AD%97", "%41", "%2541", "%D5", "%", "+", "1", "字", "𠮷", "%ff", "%00"]), max_size=12
    )
)
def test_decoded_places_lead_back(parts: list[str]) -> None:
    """One layer is what the standard library decodes, and each of its code points is where its code stands."""
    text = "".join(parts)

    for layer in percent.layers(pa.array([text]))[:1]:
        (places,) = layer.places
        decoded = layer.texts[0].as_py()
        codes = [text[a:b] for a, b in pairwise(places.tolist())]
        plain = re.sub(r"(?<=[0-9])\+(?=[0-9])", " ", text)
        assert len(decoded) == len(codes)
        assert "".join(codes) == text
        # What is no UTF-8 stays encoded here; the standard library replaces it.
        assert unquote(decoded) == unquote(unquote(plain)) or "%D5" in text or "%ff" in text
        assert all(
            char == code or unquote(code) == char or (code, char) == ("+", " ")
            for code, char in zip(codes, decoded, strict=True)
        )


# --- rights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "rules", "notes"),
    [
        (
            "link:license: https://creativecommons.org/licenses/by-sa/4.0/",
            ["licence.cc_url"],
            ["CC-BY-SA-4.0 head page"],
        ),
        (
            "http:link: <http://creativecommons.org/licenses/by/3.0/de/>; rel=license",
            ["licence.cc_url"],
            ["CC-BY-3.0-DE header page"],
        ),
        (
            "meta:dc.rights: CC BY-NC 4.0",
            ["licence.stated", "licence.cc_words"],
            ["CC-BY-NC-4.0 head page"] * 2,
        ),
        ("a:license: /terms", ["licence.linked"], ["LicenseRef-linked body page"]),
        ("a@footer:license: /terms", ["licence.linked"], ["LicenseRef-linked footer site"]),
        ("a:link: https://creativecommons.org/licenses/by/4.0/deed.de", ["licence.cc_url"], ["CC-BY-4.0 body part"]),
        (
            "jsonld@part:license: https://creativecommons.org/licenses/by/3.0/",
            ["licence.cc_url"],
            ["CC-BY-3.0 json part"],
        ),
        ("notice@9/9: 版权所有", ["licence.cn_all_rights"], ["LicenseRef-all-rights-reserved footer site"]),
        (
            "notice@2/9: 知识共享署名-非商业性使用 4.0",
            ["licence.cn_cc_words_limited"],
            ["CC-BY-NC-4.0 body page"],
        ),
        ("front_matter:license: mit", ["licence.stated"], ["MIT file page"]),
        ("front_matter:license: other", [], []),
        ("field:licence: (MIT OR Apache-2.0)", ["licence.stated"], ["MIT_OR_Apache-2.0 field page"]),
        ("http:x-robots-tag: noindex", [], []),
    ],
)
def test_licence_ids(line: str, rules: list[str], notes: list[str]) -> None:
    """Markup lines give the licence id that the licence list has, the place and what it is about."""
    rows = seen("licence", "-", markup=f"notice: -\n{line}\nnotice: -")

    assert [row["rule"] for row in rows] == rules
    assert [row["note"] for row in rows] == notes
    assert {row["column"] for row in rows} <= {"markup"}


@pytest.mark.parametrize(
    ("text", "categories", "notes"),
    [
        ("// SPDX-License-Identifier: CC-BY-NC-4.0", ["rights.conditional"], ["CC-BY-NC-4.0 body page"]),
        ("// SPDX-License-Identifier: MIT OR SSPL-1.0", ["rights.permitted"], ["MIT_OR_SSPL-1.0 body page"]),
        ("// SPDX-License-Identifier: nothing", [], []),
        ("图片：https://creativecommons.org/licenses/by/4.0/", ["rights.permitted"], ["CC-BY-4.0 body part"]),
        ("本文采用 CC BY 4.0 协议。", ["rights.permitted"], ["CC-BY-4.0 body page"]),
    ],
)
def test_licence_sets_category_and_scope(text: str, categories: list[str], notes: list[str]) -> None:
    """What a licence lets people do sets the category, and a picture beside it the scope."""
    rows = seen("licence", text)

    assert list(dict.fromkeys(row["category"] for row in rows)) == categories
    assert list(dict.fromkeys(row["note"] for row in rows)) == notes


def test_licence_keeps_conflicting_evidence() -> None:
    """A free licence and a ban on one page are both findings; which one holds is for the policy."""
    rows = seen("licence", "本文采用 CC BY 4.0 协议。未经许可不得转载。")

    assert [row["category"] for row in rows] == ["rights.permitted", "rights.forbidden"]
    assert [row["score"] for row in rows] == [8_000, 8_000]


def test_licence_leaves_other_columns_alone() -> None:
    """Titles, authors and addresses are about a licence more often than under one."""
    words = "版权所有 https://creativecommons.org/licenses/by/4.0/"

    assert seen("licence", "-", title=words, author=words, uri=words) == []


def test_findings_sort_by_column_order() -> None:
    """Findings of a document come by column as DOCUMENTS lists them, not by name."""
    found = seen("pii", "a@example.com", title="b@example.com", uri="https://x/c@example.com", markup="d@example.com")

    assert [row["column"] for row in found] == ["text", "title", "uri", "markup"]
