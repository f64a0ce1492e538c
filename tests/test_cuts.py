"""Chinese lines that are cut in two."""

import random

import pytest
from documents import documents
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov.signals import structure

BODY = (
    "市图书馆从下个月起延长开放时间，周末的阅览室一直开到晚上十点，方便下班之后来读书的市民。",
    "馆长介绍说，去年来馆的读者比前年多了三成，其中一半以上是附近几所学校的学生和他们的家长。",
    "新的书架已经装好，三楼的儿童阅览区也重新布置过，孩子们可以坐在地毯上听志愿者讲故事。",
    "借书证可以在一楼大厅办理，带上身份证件就行，不收任何费用，当天就能把想看的书借回家去。",
    "为了节约用电，大厅的灯在闭馆半小时以后会自动熄灭，工作人员会提前到各层提醒还在看书的人。",
)
"""Written for this test."""
HEAD, TAIL = "负责采购的同事告诉记者，他们正在联系几家出版社，希望通过集中采购等方式将", "的书单整理出来交给读者投票。"
WORDS = [
    *BODY,
    HEAD,
    TAIL,
    "# 标题",
    "目录",
    "",
    "　　",
    HEAD[:-1],
    "了解更多请到一楼大厅的服务台咨询值班的工作人员好了",
]


def cut(text: str) -> int:
    """Count the cut lines of a text."""
    count: int = structure.measure(documents([text]), {}).column("n_cut_lines")[0].as_py()
    return count


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (BODY, 0),
        ((*BODY, HEAD, BODY[0]), 1),
        ((*BODY, HEAD[:-1], TAIL), 1),
        ((*BODY, "", HEAD, "", "　　" + TAIL), 1),
        ((*BODY, HEAD[:-1], BODY[1]), 0),
        ((*BODY, HEAD[:-1], "了解更多请到一楼大厅。"), 0),
        ((*BODY, HEAD[:-1] + "大将", BODY[1]), 0),
        ((*BODY, "# " + HEAD, BODY[0]), 0),
        ((*BODY, "这一行写得太短而", BODY[0]), 0),
        ((*BODY[:2], HEAD, TAIL), 0),
        ((*BODY, BODY[0][:-1] + "以及", BODY[1], BODY[2][:-1] + "以及"), 1),
    ],
)
def test_what_is_cut(lines: tuple[str, ...], expected: int) -> None:
    """A line that ends in a word nothing ends with is cut, and an open one before a particle; headings are not."""
    assert cut("\n".join(lines)) == expected


def test_lines_of_equal_length_are_left_alone() -> None:
    """A text that is set in lines of equal length has none, wherever its lines happen to end."""
    text = "".join(BODY) * 4

    assert [cut("\n".join(text[at : at + width] for at in range(0, len(text), width))) for width in (35, 40, 50)] == [
        0
    ] * 3


def test_columns_read_across_are_cut() -> None:
    """Where a paragraph is cut at any place and another put in between, some cuts show; whole paragraphs have none."""
    text = "，".join(line.strip("。") for line in BODY)
    source = random.Random(1)
    pages = []
    for _ in range(20):
        at = source.randrange(30, len(text) - 30)
        pages.append("\n".join([*BODY, text[:at], BODY[0], text[at:] + "。", *BODY]))

    assert sum(cut(page) > 0 for page in pages) >= 1
    assert cut("\n".join([*BODY, *BODY])) == 0


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=12), st.sampled_from(["\n", "\n\n", "\r\n"]))
def test_blank_lines_and_ends_do_not_count(lines: list[str], between: str) -> None:
    """Whatever stands between the lines, only the lines count; a text never has more cuts than lines."""
    plain = [line.replace("\n", "").replace("\r", "") for line in lines]

    found = cut(between.join(plain))

    assert found == cut("\n \n".join(plain))
    assert 0 <= found < max(1, len(plain))
