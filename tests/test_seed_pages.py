"""The five annotated pages: the verdict on each, and which of their defects leave a fact."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import text_facts

from corpus_gov.expressions import evaluate, parse

pytestmark = pytest.mark.data

VERDICTS = {"000": "quarantine", "001": "quarantine", "002": "keep", "003": "quarantine", "004": "drop"}
"""Repair or hold; extract the notice; keep; keep the article and drop the rest; reject."""

FOUND = {
    ("000", "interleaved_columns"): "structure.n_cut_lines > 0",
    ("000", "missing_text"): "structure.n_cut_lines > 0",
    ("000", "broken_paragraph"): "quality.open_line_share > 0",
    ("001", "navigation_headlines"): "quality.n_navigation >= 3",
    ("001", "carousel_numbers"): "structure.n_empty_items >= 10",
    ("001", "link_farm_line"): "structure.longest_line_chars > 800",
    ("001", "repeated_block"): "quality.dup_line_share > 0.3",
    ("001", "licence_statement"): "rights.state = 'conflicting'",
    ("003", "mixed_language"): "language.second_share > 0.15",
    ("003", "empty_widget"): "structure.empty_item_share > 0.4",
    ("004", "illegal_advertisement"): "structure.n_promotions >= 3 AND structure.n_contacts > 0",
    ("004", "scrambled_text"): "structure.article_break_share > 0.4",
    ("004", "glued_numbers"): "structure.glued_share > 0.5",
}
"""What says so of each defect that leaves a trace; none of it holds for the clean page."""

NOT_FOUND = {
    "000": {
        "displaced_heading", "dropped_or_wrong_characters", "probable_factual_error", "several_documents_in_one",
        "split_title", "caption_and_credit_boilerplate", "no_provenance",
    },
    "001": {"comment_rules_boilerplate", "third_party_content", "punctuation", "nbsp"},
    "002": {"leading_and_trailing_space", "no_provenance"},
    "003": {"incomplete_date", "provenance"},
    "004": {"misused_brackets", "farm_footer", "version_stamp"},
}  # fmt: skip
"""Facts that are wrong, characters that are missing, who wrote a text, and marks that clean pages have as well."""

MUST_NOT = {("001", "main_text"), ("004", "sensitive_words_in_legal_context")}
"""Words for crimes where a text forbids them: no rule of harm may speak."""


@pytest.fixture(scope="module")
def pages(shared_data: Path) -> list[dict[str, Any]]:
    """The annotations, by page."""
    found: list[dict[str, Any]] = json.loads((shared_data / "08_seeds" / "defects.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def known(shared_data: Path, pages: list[dict[str, Any]]) -> pa.Table:
    """The facts of the pages."""
    texts = [(shared_data / "08_seeds" / page["file"]).read_text(encoding="utf-8") for page in pages]
    return text_facts.of_texts(texts)


def test_every_defect_is_accounted_for(pages: list[dict[str, Any]]) -> None:
    """Each annotated type of defect is found, or said not to be, or must not be flagged."""
    annotated = {(page["id"], defect["type"]) for page in pages for defect in page["defects"]}

    said = {*FOUND, *MUST_NOT, *((page, kind) for page, kinds in NOT_FOUND.items() for kind in kinds)}
    assert annotated == said


@pytest.mark.parametrize(("defect", "when"), FOUND.items(), ids="-".join)
def test_defects_leave_facts(pages: list[dict[str, Any]], known: pa.Table, defect: tuple[str, str], when: str) -> None:
    """The fact holds for the page with the defect, and not for the clean page."""
    (holds,) = evaluate([parse(when, "tests")], known)
    said = dict(zip((page["id"] for page in pages), holds.to_pylist(), strict=True))

    assert said[defect[0]] is True
    assert said["002"] is False


@pytest.mark.parametrize("name", ["trial", "default"])
def test_verdicts(pages: list[dict[str, Any]], known: pa.Table, name: str) -> None:
    """Each page gets the verdict that its annotator gave, of a source with papers."""
    said = [disposition for disposition, _ in text_facts.judged(name, known)]

    assert dict(zip((page["id"] for page in pages), said, strict=True)) == VERDICTS


def test_the_clean_page_has_no_finding(known: pa.Table) -> None:
    """Nothing speaks of the official page: no personal data, no harm, no reason of quality, and it is kept."""
    clean = known.slice(2, 1).to_pylist()[0]

    spoke = {name: count for family in ("pii", "harm", "poison", "encoding") for name, count in clean[family].items()}
    assert {name for name, count in spoke.items() if count} == set()
    assert text_facts.judged("default", known)[2] == ("keep", [])


def test_words_for_crimes_are_no_crimes(known: pa.Table) -> None:
    """No page has a finding of harm: they forbid and report what the words are for."""
    assert [name for page in known["harm"].to_pylist() for name, count in page.items() if count] == []
