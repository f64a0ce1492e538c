"""signals.language: codes, scripts and shares."""

import io
import json
from pathlib import Path

import pytest
import zstandard
from documents import documents

from corpus_gov.errors import IntegrityError
from corpus_gov.signals import language


def identify(*texts: str) -> list[tuple[str, str]]:
    """Measure texts; (code, script) of each."""
    signals = language.measure(documents(texts), {})
    return list(zip(signals.column("code").to_pylist(), signals.column("script").to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("text", "code", "script"),
    [
        ("国务院办公厅印发了关于进一步优化营商环境的意见。", "zh", "Hans"),
        ("國務院辦公廳印發了關於進一步優化營商環境的意見。", "zh", "Hant"),
        ("The quick brown fox jumps over the lazy dog.", "en", "Latn"),
        ("Der schnelle braune Fuchs springt über den faulen Hund.", "de", "Latn"),
        ("Быстрая бурая лиса перепрыгнула через ленивую собаку.", "ru", "Cyrl"),
        ("الثعلب البني السريع يقفز فوق الكلب الكسول", "ar", "Arab"),
        ("素早い茶色の狐がのろまな犬を飛び越える。", "ja", "Jpan"),
        ("다람쥐 헌 쳇바퀴에 타고파", "ko", "Kore"),
        ("Η γρήγορη καφέ αλεπού πηδάει πάνω από το σκυλί", "el", "other"),
        ("小さい商店の外に売り切れの札", "ja", "Jpan"),
    ],
)
def test_languages(text: str, code: str, script: str) -> None:
    """A plain sentence gets its language and script."""
    assert identify(text) == [(code, script)]


@pytest.mark.parametrize("text", ["", " \n", "12.5 %", "🙂🙂", "。。。", "\ufffd\ufffd", "\x00", "'’'"])
def test_text_without_letters_is_undetermined(text: str) -> None:
    """Without a letter there is no language: 'und', Zyyy, and all numbers are 0."""
    row = language.measure(documents([text]), {}).drop_columns("doc_id").to_pylist()[0]

    names = {"code": "und", "script": "Zyyy", "second": "und"}
    assert row == dict.fromkeys(language.SCHEMA.names[1:], 0) | names


def test_a_few_foreign_words_do_not_change_the_script() -> None:
    """A kana in a Chinese brand, or names of software in a Chinese page, leave it Chinese."""
    brand = "优の良品是一家专门销售休闲零食的连锁店，在全国开设了许多分店。"
    software = "用 Docker 和 Kubernetes 部署 PostgreSQL 时，请先检查网络设置，然后启动服务。"

    assert identify(brand, software) == [("zh", "Hans"), ("zh", "Hans")]


def test_mixed_or_scarce_characters_leave_the_script_undecided() -> None:
    """Han text with both kinds of characters, or with neither, is Hani."""
    assert [script for _, script in identify("国國学學书書车車", "山中一人")] == ["Hani", "Hani"]


def test_script_share_counts_a_han_character_as_three_letters() -> None:
    """Half the weight of this text is Chinese, half is Latin."""
    row = language.measure(documents(["国们abcdef" + "书x" * 3 + "12。 "]), {}).to_pylist()[0]

    assert (row["script"], row["script_share"]) == ("Hans", round(10_000 * 15 / 24))


GERMAN = "Das ist ein ganz gewöhnlicher deutscher Satz mit einigen Wörtern, und noch einer kommt dazu."
ENGLISH = "This is the plain English paragraph that comes with it, and it goes on to the end of the line."
CHINESE = "国务院办公厅印发了关于进一步优化营商环境的意见，要求各地区各部门认真贯彻执行。"


def paragraphs(text: str) -> dict[str, object]:
    """Measure one text."""
    (row,) = language.measure(documents([text]), {}).to_pylist()
    return row


def test_paragraphs_in_two_languages() -> None:
    """A paragraph in another language is counted, whether script, words or the model tell; a short line is none."""
    found = paragraphs(f"{CHINESE}\n{ENGLISH}\nok\n{CHINESE}\n{CHINESE}")
    both = paragraphs(f"{GERMAN}\n{GERMAN}\n{ENGLISH}")

    assert (found["code"], found["n_paragraphs"], found["n_other"], found["second"]) == ("zh", 4, 1, "en")
    assert found["own_share"] + found["second_share"] == 10_000
    assert 1000 < found["second_share"] < 3000
    assert (both["code"], both["n_other"], both["second"]) == ("de", 1, "en")


def test_many_paragraphs_are_asked_about_evenly() -> None:
    """Of more paragraphs than the model is asked about, those asked stand for all."""
    found = paragraphs("\n".join([GERMAN] * 40 + [CHINESE] * 40))

    assert (found["n_paragraphs"], found["second"]) == (40 + language.ASKED, "de")
    assert found["own_share"] + found["second_share"] == 10_000
    assert 3000 < found["second_share"] < 5500


def test_other_texts_of_a_batch_change_nothing() -> None:
    """Words that are remembered from other texts, and those that drive them out, leave every number as it was."""
    # More words than are remembered, some of them long enough to have more n-grams than are kept of one.
    words = [f"{GERMAN[k % 40 : k % 40 + 9]}{k:x}".replace(" ", "en") for k in range(20_000)]
    texts = [GERMAN, *(" ".join(words[at : at + 100]) for at in range(0, 20_000, 100)), GERMAN + " " + "ungewöhn" * 60]
    together = language.measure(documents([*texts, *reversed(texts)]), {}).drop_columns("doc_id").to_pylist()

    assert together == together[::-1]
    assert together[: len(texts)] == [
        language.measure(documents([text]), {}).drop_columns("doc_id").to_pylist()[0] for text in texts
    ]


@pytest.mark.parametrize(
    ("words", "code"),
    [("the and of", "en"), ("the the", "de"), ("of", "de"), ("theand ofto", "de"), ("THE AND", "de")],
)
def test_two_different_english_words_make_a_paragraph_english(words: str, code: str) -> None:
    """In a text of another language two different frequent words between spaces tell English, one twice does not."""
    first, rest = GERMAN.split(" ", 1)
    found = paragraphs(f"{GERMAN}\n{GERMAN}\n{first} {words} {rest}")

    assert (found["code"], found["second"]) == ("de", "en" if code == "en" else "und")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("佢哋而家喺屋企食緊飯，唔知幾時先至返嚟。", "yue"),
        ("我哋聽日去邊度飲茶好呢？你唔使擔心，我已經訂咗枱。", "yue"),
        ("你哋喺度做咩嘢呀？快啲過嚟幫手啦。", "yue"),
        ("落雨喇，你有冇帶遮出街呀？", "zh"),  # one such character alone
        ("他們現在在家裡吃飯，不知道什麼時候回來。", "zh"),
        ("粵語裡的「唔」「嘅」「咗」都是常用的字，它們的用法和普通話的「不」「的」「了」是對應的。", "zh"),
    ],
)
def test_cantonese(text: str, code: str) -> None:
    """Cantonese is told by its own characters, where they outnumber those of other written Chinese."""
    assert paragraphs(text)["code"] == code


def test_line_ends_and_end_of_sentence_tokens_do_not_cut_the_text() -> None:
    """What the model's format reserves is no part of the sample."""
    text = "Das ist ein ganz\n\n</s>\n\ngewöhnlicher deutscher Satz </s> mit einigen Wörtern."

    assert identify(text) == [("de", "Latn")]


def test_a_changed_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that is not the one in the notice stops the run."""
    model = tmp_path / "lid.176.ftz"
    model.write_bytes(b"other")
    monkeypatch.setattr(language, "MODEL", model)
    language._model.cache_clear()

    with pytest.raises(IntegrityError, match=r"lid\.176\.ftz: SHA-256 is"):
        identify("some English text")


def test_the_notice_names_the_model() -> None:
    """Licence, source and digest lie beside the file."""
    notice = (language.MODEL.parent / "NOTICE.md").read_text(encoding="utf-8")

    assert language.MODEL_DIGEST in notice
    assert "Creative Commons Attribution-ShareAlike 3.0" in notice
    assert "https://fasttext.cc/docs/en/language-identification.html" in notice


@pytest.mark.data
def test_simplified_and_traditional_sentences(shared_data: Path) -> None:
    """Of 6,442 sentences at least 99 in 100 get zh and their own script; fewer than 1 in 500 gets the other one."""
    rows = read(shared_data / "07_language_id" / "zh_hans_hant.jsonl.zst")
    found = identify(*(row["text"] for row in rows))
    other = {"zh-Hans": "Hant", "zh-Hant": "Hans"}

    assert len(rows) == 6442
    assert sum(code == "zh" for code, _ in found) >= 0.99 * len(rows)
    assert sum(f"zh-{script}" == row["lang"] for row, (_, script) in zip(rows, found, strict=True)) >= 0.985 * len(rows)
    assert sum(script == other[row["lang"]] for row, (_, script) in zip(rows, found, strict=True)) < len(rows) / 500


@pytest.mark.data
def test_sentences_of_frequent_languages(shared_data: Path) -> None:
    """Seven frequent languages are right in at least 98 of 100 sentences each."""
    rows = read(shared_data / "07_language_id" / "short_texts_75_langs.jsonl.zst")
    for name in ("zh", "en", "ja", "ko", "de", "fr", "ru"):
        sentences = [row["text"] for row in rows if row["lang"] == name and row["kind"] == "sentences"]

        assert sum(code == name for code, _ in identify(*sentences)) >= 0.98 * len(sentences), name


def read(path: Path) -> list[dict[str, str]]:
    """Read JSON lines."""
    with io.TextIOWrapper(zstandard.open(path, "rb"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
