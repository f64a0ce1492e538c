"""Notices: every line that speaks of rights is kept, personal data replaced, names left; licences by name."""

import re

import pyarrow as pa
import pytest
from documents import documents, findings, rule
from resiliparse.parse.html import HTMLTree

from corpus_gov import licences, markup, notices, screens
from corpus_gov.rules import RulePack, load_packs

LINES = [
    "meta:copyright: Example Press",
    "link:license: https://creativecommons.org/licenses/by/4.0/",
    "notice@3/9: 联系电话 13800138000",
    "notice@9/9: © 2024 Li Wei, mail li@example.com. All rights reserved.",
]
MARKUP = "\n".join(LINES)
PAGE = """<html><body><p>Rain.</p><footer><p>© 2023 Example Press</p><p>版权所有 未经许可不得转载</p>
<a rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">licence</a></footer></body></html>"""
MAIL = rule("pii.email", placeholder="[EMAIL]")
NAME = rule("pii.name", placeholder="[NAME]")


def looked(batch: pa.RecordBatch) -> pa.Table:
    rules = tuple(one for pack in load_packs(["common.licence", "cn.licence"]) for one in pack.rules)
    return pa.Table.from_batches([screens.look("licence", batch, RulePack("both", 1, rules))])


def test_lines_with_statements_are_kept_without_personal_data() -> None:
    """Of four lines the three that speak of rights stay, in the order of the page, with an address replaced."""
    batch = documents(["text"], markup=MARKUP)
    start = MARKUP.index("li@example.com")
    personal = findings(batch, [(0, "markup", "pii.email", start, start + 14)])

    kept = notices.notices(
        batch.column("doc_id"), batch.column("markup"), looked(batch), pa.Table.from_batches([personal]),
        {"pii.email": MAIL},
    ).to_pylist()[0]  # fmt: skip

    assert kept == [*LINES[:2], LINES[3].replace("li@example.com", "[EMAIL]")]


def test_statements_name_place_scope_and_rule() -> None:
    """Every statement is there once, the surest first, and a document without any has an empty list."""
    batch = documents(["text", "nothing"], markup=[MARKUP, None])

    first, second = notices.statements(batch.column("doc_id"), looked(batch)).to_pylist()

    assert [one["state"] for one in first][:2] == ["owner", "permitted"]
    assert {one["rule"].partition("@")[0] for one in first} == {
        "licence.cc_url", "licence.holder", "licence.copyright_line", "licence.all_rights_reserved",
    }  # fmt: skip
    assert second == []


def test_attribution_says_what_is_owed() -> None:
    """Licence, author and notices in their own words; nothing where there is none of them."""
    kept = pa.array([["a@footer:license: https://l.example/", "notice@9/9: © 2024 X"], []], pa.list_(pa.string()))

    said = notices.attributions(pa.array(["CC-BY-4.0", None]), pa.array(["Li Wei", "Nobody"]), kept).to_pylist()

    assert said == ["Licence: CC-BY-4.0\nAuthor: Li Wei\nhttps://l.example/\n© 2024 X", None]


def test_notices_of_a_page_are_in_the_rights_record() -> None:
    """What an expression of its own finds in the visible page is in the lines about rights."""
    shown = re.findall(r"© \d{4} [^<]+|版权所有[^<]*", PAGE)

    found = "\n".join(markup.from_page(HTMLTree.parse(PAGE), PAGE, ["Rain.", *shown]))

    assert len(shown) == 2
    assert all(notice in found for notice in shown)
    assert "a@footer:license: https://creativecommons.org/licenses/by-sa/4.0/" in found


@pytest.mark.parametrize(
    ("name", "licence", "category"),
    [
        ("mit", "MIT", licences.PERMITTED),
        ("Apache License, Version 2.0", "Apache-2.0", licences.PERMITTED),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0", licences.CONDITIONAL),
        ("CC BY-SA 3.0 DE", "CC-BY-SA-3.0-DE", licences.PERMITTED),
        ("CC BY 2.5 ZZ", "CC-BY-2.5", licences.PERMITTED),
        ("CC-BY", "LicenseRef-CC-BY", licences.PERMITTED),
        ("GPL-2.0+ WITH Classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0", licences.PERMITTED),
        ("MIT OR SSPL-1.0", "MIT OR SSPL-1.0", licences.PERMITTED),
        ("MIT AND SSPL-1.0", "MIT AND SSPL-1.0", licences.CONDITIONAL),
    ],
)
def test_names_of_licences(name: str, licence: str, category: str) -> None:
    """Ids, expressions and common names give the id of SPDX and the sort of licence."""
    assert licences.named(name) == (licence, category)


@pytest.mark.parametrize("name", ["other", "unknown", "bsd", "see LICENSE", "", "MIT OR", "x" * 400])
def test_no_licence_is_made_up(name: str) -> None:
    """A name that leaves doubt is none."""
    assert licences.named(name) is None
