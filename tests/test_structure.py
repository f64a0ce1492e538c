"""signals.structure: order of clauses, what was put in, left over or hidden."""

import random
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from documents import documents

from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import clauses, fragments, scripts
from corpus_gov.signals import structure

LAW = "".join(
    f"第{number}条 {sentence}\n"
    for number, sentence in zip(
        "一二三四五六七八",
        (
            "为了规范本市公园的建设和管理，保护公园的环境，根据有关法律、法规的规定，结合本市实际，制定本条例。",
            "本条例所称公园，是指向公众开放，以游览、休息为主要功能，并且有必要设施的绿地。",
            "市人民政府应当加强对公园工作的领导，将公园建设纳入规划，并保障所需的经费。",
            "公园的经营者应当按照批准的设计方案进行建设，不得擅自改变，确需改变的，应当报原部门批准。",
            "任何单位和个人都有保护公园环境的义务，并有权对破坏公园设施的行为进行制止、举报。",
            "有下列情形之一的，由主管部门责令改正，可以处以罚款；情节严重的，依法追究责任。",
            "当事人对处罚决定不服的，可以依法申请复议，也可以向人民法院提起诉讼。",
            "主管部门的工作人员玩忽职守的，由其所在单位给予处分；构成犯罪的，依法追究刑事责任。",
        ),
        strict=True,
    )
)
"""Written for this test in the manner of a by-law."""

NOTICE = (
    "本校图书馆将于下周一起调整开放时间，请各位同学相互转告。"
    "阅览室每天早上八点开门，晚上九点关门。周末照常开放，节假日另行通知。"
)


def measure(text: str) -> dict[str, int]:
    """Measure one text."""
    (row,) = structure.measure(documents([text]), {}).drop_columns("doc_id").to_pylist()
    return row


def shuffled(text: str, seed: int) -> str:
    """Put the clauses of a text into another order; the marks stay."""
    parts = re.split(r"([，。；：、\n]+)", text)
    clauses = [part for part in parts[::2] if part]
    random.Random(seed).shuffle(clauses)
    return "".join(clause + mark for clause, mark in zip(clauses, parts[1::2], strict=True))


def test_shuffled_clauses_do_not_fit() -> None:
    """Clauses in their order fit twice as well as in others on average, and clearly better than in any of ten."""
    whole = measure(LAW)
    others = [measure(shuffled(LAW, seed))["continuity"] for seed in range(10)]

    assert whole["n_boundaries"] >= 20
    assert whole["continuity"] > max(others) + 300
    # Marks keep their places here, and fit one another as before: others are not at 0.
    assert sum(others) / 10 < whole["continuity"] / 2


def test_continuity_adds_the_weights_of_the_features() -> None:
    """The sum that is taken apart for speed is that of the features which the model is trained by."""
    chance = random.Random(7)
    words = ["该项", "工作", "应当", "由", "主管", "负责", "the", "rules", "and", "however", "data", "12"]
    text = "".join(
        f"{' '.join(chance.choices(words, k=chance.randint(2, 9)))}{chance.choice('，。；：、,.')} " for _ in range(390)
    )
    weights = np.random.default_rng(7).integers(-128, 128, 1 << clauses.BITS).astype(np.int8)
    data, offsets = scripts.read_only(pa.array([text]))

    rows, features = clauses.boundaries(data, offsets)
    each = weights[features].astype(np.int64).sum(axis=2)

    # From half of EVENLY boundaries on each is held against one clause and one mark.
    assert len(rows) > clauses.EVENLY // 2
    assert clauses.continuity(data, offsets, weights).tolist() == [[len(rows), int((each @ [2, -1, -1]).sum())]]


def test_few_boundaries_say_nothing() -> None:
    """Under eight boundaries, and in a list of headings, continuity is not measured."""
    assert [measure(text)["n_boundaries"] for text in ("", "一，二，三。", "首页\n新闻\n联系\n" * 20)] == [0, 0, 0]


def test_articles_out_of_order() -> None:
    """An article whose number is not above the last one's breaks the order; mentions inside a sentence do not."""
    text = "第一条 适用本法。\n第三条 依照第一条办理。\n第二条 另行规定。\n第十二条 施行。"

    found = measure(text)

    assert (found["n_articles"], found["article_break_share"]) == (4, 2500)


def test_an_advertisement_inside_a_notice() -> None:
    """One promotional sentence is counted, with its share of the text and that of its characters found nowhere else."""
    clean, injected = measure(NOTICE), measure(NOTICE + "代开各类发票，点数优惠，详询客服微信。")

    assert (clean["n_promotions"], clean["alien_share"]) == (0, 0)
    assert injected["n_promotions"] == 1
    assert 1500 < injected["promotion_share"] < 2500
    assert injected["alien_share"] > 7000


def test_english_promotion() -> None:
    """Three different words of advertising in one sentence are promotional, two are not."""
    assert [measure(text)["n_promotions"] for text in ("Buy cheap loans here.", "Buy something cheap.")] == [1, 0]


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("加 微 信 号", "n_spaced", 4),
        ("加*微*信*号，再说", "n_spaced", 4),
        ("甲、乙、丙、丁", "n_spaced", 0),
        ("总 则", "n_spaced", 0),
        ("p\u0430ypal login", "n_mixed_words", 1),  # a Cyrillic а
        ("paypal \u0430", "n_mixed_words", 0),
        ("10 \u03bcm", "n_mixed_words", 0),
        ("a\u0301\u0301\u0301\u0301", "n_stacked_marks", 2),
        ("a\ufe00\ufe01b", "n_selectors", 2),
        ("❤\ufe0f 1\ufe0f\u20e3", "n_selectors", 0),
        ("葛\U000e0100城", "n_selectors", 0),
        ("([)]", "crossed_share", 5000),
        ("(一)[二]", "crossed_share", 0),
        ("公民12除法律", "glued_share", 10000),
        ("共12个人", "glued_share", 0),
        ("1\n2.\n•\n正文在这里", "n_empty_items", 3),
        ("1999\n12,5 33,1 20", "n_empty_items", 0),
        ("ab\ncdef\n", "longest_line_chars", 4),
        ("见 https://example.org。好", "n_contacts", 1),
        ("国學學學", "other_variant_share", 2500),
    ],
)
def test_columns(text: str, column: str, expected: int) -> None:
    """Each column counts what its description says, and nothing that looks alike."""
    assert measure(text)[column] == expected


@pytest.mark.parametrize(
    "text",
    ["的，" * 300_000, "(" * 500_000, "第" * 300_000, "加 " * 300_000, "\n" * 500_000, "代开发票优惠咨询。" * 30_000],
    ids=["clauses", "brackets", "articles", "spaced", "lines", "promotions"],
)
def test_hostile_texts_are_measured(text: str) -> None:
    """Large texts of one thing are measured as any other; work follows their length."""
    found = measure(text)

    assert found["n_boundaries"] <= 511
    assert all(value >= 0 for name, value in found.items() if name != "continuity")


def test_lists_are_distinct() -> None:
    """Pairs and words of advertising stand once, pairs with two characters."""
    assert len(set(fragments.PROMOTION)) == len(fragments.PROMOTION)
    assert len(set(fragments.PROMOTION_WORDS)) == len(fragments.PROMOTION_WORDS)
    assert {len(pair) for pair in fragments.PROMOTION} == {2}


def test_a_changed_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model file that is not the package's stops the run."""
    model = tmp_path / "continuity.xz"
    model.write_bytes(b"other")
    monkeypatch.setattr(structure, "MODEL", model)
    structure._weights.cache_clear()

    with pytest.raises(IntegrityError, match=r"continuity\.xz: SHA-256 is"):
        measure("text")
    structure._weights.cache_clear()


def test_the_card_names_the_model() -> None:
    """The card beside the model has its digest."""
    assert structure.MODEL_DIGEST in structure.MODEL.with_name("README.md").read_text(encoding="utf-8")


@pytest.mark.data
def test_seed_pages(shared_data: Path) -> None:
    """The spun page has articles out of order and an advertisement, the control page neither; lists have items."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((shared_data / "08_seeds").glob("*.txt"))]
    pages = structure.measure(documents(texts), {}).to_pylist()

    assert pages[4]["article_break_share"] > 3000
    assert pages[4]["n_promotions"] > 0
    assert pages[3]["n_empty_items"] == 9
    assert pages[1]["n_empty_items"] == 15
    assert [pages[2][name] for name in ("n_promotions", "n_empty_items", "article_break_share", "glued_share")] == [
        0
    ] * 4
    assert pages[2]["continuity"] > 2 * pages[4]["continuity"]
