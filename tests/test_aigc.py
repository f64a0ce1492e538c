"""Labels of AI-generated content: what they say, where they stand, and that nothing loses them."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import c2pa_texts
import pyarrow as pa
import pytest
import tiny_crawl
from documents import documents, rule
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import aigc, pipeline, provenance
from corpus_gov.engine import Engine
from corpus_gov.errors import RuleError
from corpus_gov.facts import facts
from corpus_gov.rules import Params, RulePack, concern, load_packs
from corpus_gov.schemas import AIGC_STATES, FINDINGS
from corpus_gov.screens import look
from corpus_gov.sources import labels

PACKS = load_packs(["common.aigc", "cn.aigc"])
RULES = concern(PACKS, "aigc")
# Both codes are quoted in public guides to the standard and hold their check digits.
CODE, OTHER_CODE = "001191110102MACQD9K64010000", "001191440300708461136T1308L"
ANNEX = (
    f'{{"AIGC":{{"Label":"1","ContentProducer":"{CODE}","ProduceID":"p-1","ReservedCode1":"r1",'
    f'"ContentPropagator":"{OTHER_CODE}","PropagateID":"p-2","ReservedCode2":"r2"}}}}'
)
BODY = "清晨的港口很安静，渔船还没有出发，岸边的灯一盏一盏熄灭，远处的山慢慢显出轮廓。" * 6


def found(text: str = "", **columns: Any) -> list[tuple[str, str | None, bool]]:
    """Return rule, note, and whether it counts."""
    rows = look("aigc", documents([text], **columns), RULES).to_pylist()
    return [(row["rule"], row["note"], row["score"] != 0) for row in rows]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (ANNEX, "strict:label=1,producer=code,propagator=code"),
        (ANNEX.replace('"1"', '"2"'), "strict:label=2,producer=code,propagator=code"),
        (ANNEX.replace(CODE, "some provider"), "lenient:label=1,producer=name,propagator=code"),
        (ANNEX.replace(CODE, CODE.replace("K64", "K65")), "strict:label=1,producer=bad_code,propagator=code"),
        (ANNEX.replace('"1"', "1"), "lenient:label=1,producer=code,propagator=code"),
        (ANNEX.replace('"1"', '"4"'), "malformed:label=?,producer=code,propagator=code"),
        # quotes that the carrier escapes are those of the annex
        (ANNEX.replace('"', "&quot;"), "strict:label=1,producer=code,propagator=code"),
        (ANNEX.replace('"', '\\"'), "strict:label=1,producer=code,propagator=code"),
        (f"AIGC:{ANNEX[8:-1]}", "strict:label=1,producer=code,propagator=code"),
        (ANNEX[8:-1], "lenient:label=1,producer=code,propagator=code"),
        ('AIGC{"Label":"3","ContentProducer":"p"}', "lenient:label=3,producer=name,propagator=none"),
        ("AIGC{Label:'3'", "lenient:label=3,producer=none,propagator=none"),
        ('AIGC{"ContentProducer":"p', "malformed:label=?,producer=none,propagator=none"),
        ('AIGC{"ServiceProvider":"p","ContentId":"9"}', "lenient:label=?,producer=name,propagator=none"),
        ('AIGC{"course":"painting"}', None),
        ("AIGC", None),
    ],
)
def test_implicit_label(raw: str, expected: str | None) -> None:
    """The form of Annex E is strict, what can be read all the same is lenient, a label without a value malformed."""
    label = aigc.read(raw)

    assert (label.note if label else None) == expected


@given(st.text(max_size=60), st.text(alphabet='{}":,\\AIGCLabel123 &quot;', max_size=60))
def test_any_text_is_read_without_an_error(before: str, after: str) -> None:
    """Whatever stands behind a name, reading it ends in a label or in none."""
    label = aigc.read(f"{before}AIGC{after}")

    assert label is None or label.conformance in aigc.CONFORMANCES


@pytest.mark.parametrize(
    "label",
    ["本内容由AI生成", "内容由 AI 生成，请仔细甄别", "以上内容由AI生成，仅供参考", "人工智能生成", "AI合成",
     "本文由人工智能辅助生成", "本文件包含人工智能生成内容，请核实后使用"],
)  # fmt: skip
@pytest.mark.parametrize(
    "place", ["{label}。{body}", "{body}{label}", "{body}\n{label}\n{body}", "{body}（{label}）{body}"]
)
def test_explicit_label_in_its_places(label: str, place: str) -> None:
    """A label counts at the start, at the end, on a line of its own and in brackets."""
    assert found(place.format(label=label, body=BODY)) == [("aigc.cn_label", None, True)]


@pytest.mark.parametrize(
    "text",
    [
        "国家互联网信息办公室等四部门发布《人工智能生成合成内容标识办法》",
        "人工智能生成合成内容标识办法",
        "第二条 符合规定情形的服务提供者开展人工智能生成合成内容标识活动，适用本办法。",
        "平台应当对AI生成的内容添加标识。",
        "如何识别AI生成的图片？",
        "警方提醒，不要相信AI合成的语音。",
        "法院认为，原告利用AI生成的图片具备独创性。",
        f"{BODY}他说这幅画由AI生成，观众并没有看出来。{BODY}",
    ],
)
def test_text_about_labels_has_none(text: str) -> None:
    """News, law and talk about generated content are mentions at most, which nothing counts."""
    assert not any(counts for _, _, counts in found(text))


def test_mention_is_recorded_with_score_zero() -> None:
    """A mention stays visible for people."""
    assert found("平台应当对AI生成的内容添加标识。") == [("aigc.cn_label", None, False)]


def test_manifest_in_variation_selectors() -> None:
    """A manifest that says a model made the text is a label, with its span; one of a typed text is none."""
    text = f"Harbour at dawn.{c2pa_texts.hidden(c2pa_texts.MADE)} And more."
    rows = look("aigc", documents([text]), RULES).to_pylist()

    assert [(row["rule"], row["note"]) for row in rows] == [("aigc.c2pa_manifest", "c2pa:trainedAlgorithmicMedia")]
    assert text[: rows[0]["start"]] + text[rows[0]["end"] :] == "Harbour at dawn. And more."
    assert found(f"Harbour.{c2pa_texts.hidden(c2pa_texts.TYPED)}") == []
    assert found("flag" + "\ufe0f" * 100) == []


@pytest.mark.parametrize(
    ("use", "expected"),
    [("notAllowed", "aigc.c2pa_reserved"), ("constrained", "aigc.c2pa_limited"), ("allowed", None)],
)
def test_manifest_that_refuses_training(use: str, expected: str | None) -> None:
    """A training-mining assertion refuses or limits training; what it says of inference decides nothing."""
    text = f"Harbour.{c2pa_texts.hidden(c2pa_texts.training(use))}"

    assert found(text) == ([(expected, "c2pa:ai_training", True)] if expected else [])


@given(st.integers(0, len(c2pa_texts.MADE)), st.binary(max_size=6))
def test_damaged_manifest_is_read_without_an_error(at: int, data: bytes) -> None:
    """A manifest that is cut or overwritten anywhere says what is left of it, or nothing."""
    for broken in (c2pa_texts.MADE[:at], c2pa_texts.MADE[:at] + data + c2pa_texts.MADE[at + len(data) :], data):
        assert set(provenance.claims(broken)) <= {"source", *provenance.TRAINING}


def test_deep_and_large_values_are_cut_short() -> None:
    """Values in one another without end, and lengths beyond the data, cost no more than the data."""
    deep = c2pa_texts.jumb("c2pa.actions", c2pa_texts.box(b"cbor", b"\x81" * 100_000))
    large = c2pa_texts.jumb("c2pa.actions", c2pa_texts.box(b"cbor", b"\x9b" + b"\xff" * 8))

    assert provenance.claims(deep) == provenance.claims(large) == {}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"AIGC": {"Label": "1", "Other": "p"}}, ('field:aigc: {"AIGC":{"Label":"1","Other":"p"}}',)),
        ({"metadata": {"x_aigc": '{"Label": "1"}'}}, ('field:aigc: {"Label": "1"}',)),
        ({"AIGC": {"AIGC": {"Label": 1}}}, ('field:aigc: {"AIGC":{"Label":1}}',)),
        ({"aigc_score": 0.3, "aigc": None, "AIGC ": []}, ()),
    ],
)  # fmt: skip
def test_labels_beside_a_text(fields: Mapping[str, Any], expected: tuple[str, ...]) -> None:
    """A field whose name holds AIGC is a line of markup, from the row or its metadata."""
    assert labels.lines("field", fields) == expected


def test_a_run_keeps_every_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From page to manifest: labels in comments, tags, text and metadata are labelled, others none_found."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    base = "http://tea.example"
    plain = tiny_crawl.page(base, tiny_crawl.BRIDGE)
    meta = f"<meta name='AIGC' content='{ANNEX}'></head>"
    pages = [
        (f"{base}/robots.txt", "text/plain", b"User-agent: *\nAllow: /\n"),
        (f"{base}/plain", "text/html", plain),
        (f"{base}/meta", "text/html", plain.replace(b"</head>", meta.encode())),
        (f"{base}/comment", "text/html", plain.replace(b"</body>", f"<!-- {ANNEX} --></body>".encode())),
        (f"{base}/hidden", "text/plain", (BODY + c2pa_texts.hidden(c2pa_texts.MADE)).encode()),
        (f"{base}/line", "text/plain", f"{BODY}\n本内容由AI生成".encode()),
    ]
    monkeypatch.setattr(tiny_crawl, "captures", lambda: [(uri, "200 OK", kind, body) for uri, kind, body in pages])
    workspace = tiny_crawl.make(tmp_path / "w")

    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=date(2026, 11, 1))

    rows = workspace.release().table("manifest").to_pylist()
    states = {row["uri"].rpartition("/")[2]: row["aigc_state"] for row in rows}
    assert states == {"plain": "none_found"} | dict.fromkeys(("meta", "comment", "hidden", "line"), "labelled")
    released = workspace.release().table("clean").to_pylist()
    assert {name: states[name] for row in released if (name := row["uri"].rpartition("/")[2])} == {
        row["uri"].rpartition("/")[2]: row["aigc_state"] for row in released
    }
    clean = {row["uri"].rpartition("/")[2]: row["text"] for row in released}
    assert "本内容由AI生成" in clean.get("line", "本内容由AI生成")


def test_states_are_known() -> None:
    """The states of the manifest are those that facts can give, the label first."""
    assert AIGC_STATES == ("labelled", "declared", "suspected", "none_found", "not_screened")


def test_rule_with_a_placeholder_is_an_error() -> None:
    """No rule of this screen can replace a label by anything."""
    params = Params((("what", "words"), ("columns", ("text",)), ("pattern", "x")))
    wrong = rule("aigc.x", screen="aigc", params=params, category="aigc.labelled", placeholder="")

    with pytest.raises(RuleError, match="labels stay in the text"):
        look("aigc", documents(["x"]), RulePack("aigc", 1, (wrong,)))


@pytest.mark.parametrize(
    ("text", "kind", "packs", "expected"),
    [
        ("本内容由AI生成", "self_collected", PACKS, "labelled"),
        ("本内容由AI生成", "synthetic", PACKS, "labelled"),
        ("Harbour at dawn.", "synthetic", PACKS, "declared"),
        ("作为AI助手，我可以帮您整理提纲", "self_collected", PACKS, "suspected"),
        ("Harbour at dawn.", "self_collected", PACKS, "none_found"),
        ("平台应当对AI生成的内容添加标识。", "self_collected", PACKS, "none_found"),
        ("本内容由AI生成", "self_collected", (), "not_screened"),
    ],
)
def test_state(text: str, kind: str, packs: tuple[RulePack, ...], expected: str) -> None:
    """A label comes before what the source declares, that before traces; not screened is not clean."""
    batch = documents([text])
    found = pa.Table.from_batches([look("aigc", batch, concern(packs, "aigc"))] if packs else [], schema=FINDINGS)
    optouts = pa.table({name: pa.array([], pa.string()) for name in ("doc_id", "state", "digest")})

    known = facts(pa.Table.from_batches([batch]), {}, found, optouts, {"kind": kind}, packs)

    assert known["aigc"][0].as_py()["state"] == expected


@pytest.mark.parametrize(
    ("use", "asked", "expected"),
    [("notAllowed", "allowed", "denied"), ("constrained", "allowed", "conditional"),
     ("constrained", "denied", "denied"), ("constrained", "unknown", "unknown"), ("allowed", "allowed", "allowed")],
)  # fmt: skip
def test_manifest_makes_the_state_of_opt_out_stricter_only(use: str, asked: str, expected: str) -> None:
    """A refusal in the text adds to what host and page said, and never makes it milder."""
    batch = documents([f"Harbour.{c2pa_texts.hidden(c2pa_texts.training(use))}"])
    found = pa.Table.from_batches([look("aigc", batch, RULES)])
    optouts = pa.table({"doc_id": batch.column("doc_id"), "state": [asked], "digest": ["ab"]})

    known = facts(pa.Table.from_batches([batch]), {}, found, optouts, {}, PACKS)

    assert known["optout"][0].as_py()["state"] == expected
