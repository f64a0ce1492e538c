"""Clauses on how a text is put together: each speaks of what it is for, and none of plain texts."""

from functools import cache

import pyarrow as pa
import pytest
import text_facts
from test_cuts import BODY, HEAD
from test_structure import LAW, NOTICE

from corpus_gov import policy
from corpus_gov.stages import FAMILIES

ARTICLES = LAW.splitlines()
PLAIN = (
    LAW, NOTICE, "\n".join(BODY),
    "The ferry crosses the river at seven and again at noon. In winter it does not run when there is ice.\n" * 2,
)  # fmt: skip
AD = "【加微信领取优惠，正规平台，点击注册送彩金】"
BAD = {
    "structure.articles": "\n".join(ARTICLES[place] for place in (4, 1, 6, 0, 7, 2, 5, 3)),
    "structure.cut": "\n".join([*BODY, HEAD, BODY[0]]),
    "structure.promotion": BODY[0] + AD + BODY[1] + AD + BODY[2],
    "structure.numbers": "本馆建于年月，藏书册，其中百分之是近年购入的。第条规定，读者应当在年月日之前归还。",
    "structure.repeated": "\n".join(BODY) * 6,
    "structure.empty_items": "\n".join([BODY[0], *(f"{number}." for number in range(1, 9))]),
    "structure.disguised": "欢 迎 光 临 本 站 免 费 注 册 领 取 礼 品，" + BODY[0],
    "topic.key_field": "患者出现发热和咳嗽，医生诊断为肺炎，用药剂量见处方。本品包治百病，无效退款，三天根治。",
}


@cache
def of_texts(*texts: str) -> pa.Table:
    """Return their facts; nobody looks for personal data, which takes most of the time."""
    return text_facts.of_texts(texts, without=("pii",))


@pytest.mark.parametrize("name", ["trial", "default", "strict"])
def test_each_clause_speaks_of_what_it_is_for(name: str) -> None:
    """A text of each kind has the reason of its clause, and no other one of its group."""
    said = text_facts.judged(name, of_texts(*BAD.values()))

    of_group = [[code for code in codes if code.startswith(("structure.", "topic."))] for _, codes in said]
    assert of_group == [[clause] for clause in BAD]


@pytest.mark.parametrize("name", ["trial", "default", "strict"])
def test_plain_texts_stay(name: str) -> None:
    """A by-law, notices and a note have no reason but what the policy asks of their papers."""
    said = text_facts.judged(name, of_texts(*PLAIN))

    assert {code for _, codes in said for code in codes} <= {"rights.unknown"}


def test_a_farmed_page_is_dropped() -> None:
    """Articles out of order with advertising between them go; either alone is held for a person."""
    advertised = (
        BAD["structure.articles"].replace("公园的经营者", AD + "公园的经营者").replace("任何单位", AD + "任何单位")
    )

    said = text_facts.judged("default", of_texts(advertised, BAD["structure.articles"]))

    assert [disposition for disposition, _ in said] == ["drop", "quarantine"]


@pytest.mark.parametrize("name", ["trial", "default", "strict"])
def test_reads_what_every_document_is_measured_by(name: str) -> None:
    """The clauses read signals that are always measured, with a limit that `explain` and `tune` know."""
    clauses = [one for one in policy.load(name).clauses if one.id.startswith("structure.")]

    assert len(clauses) >= 10
    assert {column.split(".")[0] for one in clauses if one.when for column in one.when.columns} <= {
        *FAMILIES,
        "n_chars",
    }


def test_bursts_are_held_for_a_person() -> None:
    """A document of a burst is quarantined by the policies for use; a first look does not mind."""
    known = of_texts(BODY[0])
    poison = known["poison"].combine_chunks()
    place = poison.type.get_field_index("burst")
    counts = [pa.array([1], pa.int32()) if number == place else one for number, one in enumerate(poison.flatten())]
    struct = pa.StructArray.from_arrays(counts, fields=list(poison.type))
    known = known.set_column(known.schema.get_field_index("poison"), "poison", struct)

    said = [text_facts.judged(name, known)[0] for name in ("trial", "default", "strict")]

    assert [disposition for disposition, _ in said] == ["keep", "quarantine", "quarantine"]
    assert ["poison.burst" in codes for _, codes in said] == [False, True, True]
