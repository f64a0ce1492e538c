"""Masks, keyed digests and normal forms."""

import hashlib
import hmac

import pyarrow as pa
import pytest
from documents import by_id, documents, findings, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov import seal
from corpus_gov.errors import ConfigError, IntegrityError, RuleError, SchemaError
from corpus_gov.schemas import FINDINGS, check

KEY = bytes(range(32))
RULES = by_id(
    rule("pii.email", normaliser="email"),
    rule("pii.cn_mobile", normaliser="phone_cn"),
    rule("licence.notice"),
)
VALUES = st.text(st.characters(exclude_categories=["Cs"])) | st.text("aB1２.@+-０86 张é", max_size=16)


def digest(name: str, normal: str, key: bytes = KEY) -> str:
    return hmac.new(key, name.encode() + b"\0" + normal.encode(), hashlib.sha256).hexdigest()


def sealed(text: str, name: str, *, column: str = "text", key: bytes = KEY) -> dict[str, str | None]:
    batch = documents(["" if column != "text" else text], **({} if column == "text" else {column: text}))
    found = seal.seal(batch, findings(batch, [(0, column, name, 0, len(text))]), RULES, key)
    return {field: found.column(field)[0].as_py() for field in ("masked", "hmac", "key_id")}


def test_findings_are_sealed_in_place() -> None:
    """Only the three columns of seal change; rules without a normal form stay unsealed."""
    batch = documents(["𠮷 Li@Example.COM or 138 0013 8000", "CC BY"], uri=["https://a.cn", None])
    spans = [
        (0, "text", "pii.email", 2, 16),
        (0, "text", "pii.cn_mobile", 20, 33),
        (0, "uri", "licence.notice", 0, 5),
        (1, "text", "screen.failed", 0, 0),
    ]
    found = findings(batch, spans)

    result = seal.seal(batch, found, RULES, KEY)

    check(result, FINDINGS, "seal")
    others = [name for name in FINDINGS.names if name not in ("masked", "hmac", "key_id")]
    assert result.select(others).equals(found.select(others))
    assert result.column("masked").to_pylist() == ["Li****OM", "13****00", None, None]
    expected = [digest("pii.email", "li@example.com"), digest("pii.cn_mobile", "+8613800138000"), None, None]
    assert result.column("hmac").to_pylist() == expected
    assert result.column("key_id").to_pylist() == [seal.key_id(KEY), seal.key_id(KEY), None, None]


@pytest.mark.parametrize(
    ("name", "value", "normal"),
    [
        ("email", " Li@Example.COM ", "li@example.com"),
        ("email", "ｌｉ＠example．com", "li@example.com"),
        ("email", "li@例子.中国", "li@xn--fsqu00a.xn--fiqs8s"),
        ("email", "li@例子。中国", "li@xn--fsqu00a.xn--fiqs8s"),
        ("email", "li@XN--FSQU00A.xn--fiqs8s", "li@xn--fsqu00a.xn--fiqs8s"),
        ("email", "li@example.com.", "li@example.com"),
        ("email", f"li@{'A' * 64}.com", f"li@{'a' * 64}.com"),
        ("phone_cn", "13800138000", "+8613800138000"),
        ("phone_cn", "138-0013-8000", "+8613800138000"),
        ("phone_cn", "+86 138 0013 8000", "+8613800138000"),
        ("phone_cn", "（＋８６）１３８００１３８０００", "+8613800138000"),
        ("phone_cn", "8613800138000", "+8613800138000"),
        ("phone_cn", "0086-13800138000", "+8613800138000"),
        ("phone_cn", "010-12345678", "+861012345678"),
        ("phone_cn", "+86 (0)10 1234 5678", "+861012345678"),
        ("phone_cn", "+1 202-555-0100", "+12025550100"),
        ("id_upper", "110105 19491231-002x", "11010519491231002X"),
        ("id_upper", "a123456（3）", "A1234563"),
        ("digits", "６２２２ 0212-3456", "622202123456"),
        ("digits", "٣٤", "34"),
    ],
)
def test_spellings_have_one_normal_form(name: str, value: str, normal: str) -> None:
    """Spellings of one value are one value to look-up."""
    assert seal.NORMALISERS[name](value) == normal


@settings(deadline=None)
@given(st.sampled_from(sorted(seal.NORMALISERS)), VALUES)
def test_normal_forms_take_any_text(name: str, value: str) -> None:
    """Whatever a rule calls a value has a normal form, and that is its own normal form."""
    normal = seal.NORMALISERS[name](value)

    assert seal.NORMALISERS[name](normal) == normal


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="*"), max_size=40))
def test_masks_keep_at_most_four_characters(value: str) -> None:
    """A mask shows at most 4 characters, at most 1 of a value of up to 6, and none of up to 3."""
    shown = seal.mask(value).replace("*", "")

    assert len(shown) <= (4 if len(value) > 10 else 2 if len(value) > 6 else 1 if len(value) > 3 else 0)


def test_masks_hide_the_length() -> None:
    """Long values of any length have masks of one length."""
    assert seal.mask("13800138000") == "13****00"
    assert seal.mask("1" * 500) == "11****11"


def test_uri_escapes_do_not_hide_a_value() -> None:
    """%40 in a URI is the @ that a look-up has."""
    assert sealed("Li%40Example.com", "pii.email", column="uri")["hmac"] == digest("pii.email", "li@example.com")
    assert sealed("Li%2540Example.com", "pii.email", column="uri")["hmac"] == digest("pii.email", "li@example.com")
    assert sealed("li%40a.cn", "pii.email")["hmac"] == digest("pii.email", "li%40a.cn")


def test_digests_depend_on_key_and_rule() -> None:
    """Neither another key nor another rule gives the same digest or key id."""
    other = bytes(32)

    assert sealed("13800138000", "pii.email")["hmac"] != sealed("13800138000", "pii.cn_mobile")["hmac"]
    assert sealed("li@a.cn", "pii.email", key=other)["hmac"] == digest("pii.email", "li@a.cn", other)
    assert sealed("li@a.cn", "pii.email", key=other)["key_id"] == seal.key_id(other) != seal.key_id(KEY)


def test_key_id_is_part_of_a_digest() -> None:
    """A key id is 8 hex digits of a hash with its own prefix."""
    assert seal.key_id(KEY) == hashlib.sha256(b"corpus-gov seal key" + KEY).hexdigest()[:8]


def test_uris_are_digested_for_look_up() -> None:
    """Each URI has its keyed digest, a null none, in a slice too."""
    uris = pa.array(["x", "https://a.cn/", None], pa.large_string()).slice(1)

    assert seal.uri_hmacs(uris, KEY).equals(pa.array([digest("uri", "https://a.cn/"), None], pa.string()))


def test_no_findings_give_no_findings() -> None:
    """An empty table keeps its columns."""
    batch = documents(["a"])

    result = seal.seal(batch, findings(batch, []), RULES, KEY)

    assert result.num_rows == 0
    check(result, FINDINGS, "seal")


def test_an_unknown_normal_form_is_refused_at_once() -> None:
    """A wrong rule stops the run before it finds anything."""
    batch = documents(["a"])
    wrong = by_id(rule("pii.iban", normaliser="iban"))

    with pytest.raises(RuleError, match=r"tests.yaml:1: rule 'pii.iban'.*'iban', expected one of \['account'"):
        seal.seal(batch, findings(batch, []), wrong, KEY)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (3, 9)])
def test_a_wrong_span_is_refused(start: int, end: int) -> None:
    """A span outside the text names document and rule, and shows neither text nor key."""
    batch = documents(["li@a.cn"])

    with pytest.raises(SchemaError) as caught:
        seal.seal(batch, findings(batch, [(0, "text", "pii.email", start, end)]), RULES, KEY)

    assert "'pii.email'" in str(caught.value)
    assert "a.cn" not in str(caught.value)
    assert KEY.hex() not in str(caught.value)


def test_a_finding_of_another_batch_is_refused() -> None:
    """A finding whose document is not there is not passed over."""
    batch = documents(["li@a.cn"])

    with pytest.raises(IntegrityError, match="not the document"):
        seal.seal(documents(["b"]), findings(batch, [(0, "text", "pii.email", 0, 7)]), RULES, KEY)


@pytest.mark.parametrize("key", [b"", b"hunter2"])
def test_a_short_key_is_refused(key: bytes) -> None:
    """A guessable key stops the run and is not shown."""
    with pytest.raises(ConfigError) as caught:
        seal.uri_hmacs(pa.array(["x"]), key)

    assert "hunter2" not in str(caught.value)
