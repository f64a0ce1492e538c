"""Dossiers: papers that are compared, links that are followed, ends that come near, and the commands about them."""

from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from corpus_gov import cli
from corpus_gov.diversity import described_sources, several
from corpus_gov.dossier import ADVISED, PAPERS, REQUIRED, Dossier, dump_dossier, load_dossier
from corpus_gov.errors import ConfigError
from corpus_gov.workspace import init, open_workspace

TODAY = date(2026, 11, 22)
LETTER = b"The supplier answers for its source."
COMMERCIAL = f"""\
source_id: feed
kind: commercial
title: Feed
inputs: [in/*.jsonl]
country: FR
contract: {{title: Contract, reference: C-7, file: evidence/feed/c7.pdf, sha256: {sha256(LETTER).hexdigest()}}}
commitment: {{title: Letter, reference: C-7/2}}
valid_until: 2026-12-01
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with one bought source whose contract is filed."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    made = init(tmp_path / "w", name="W", owner="office")
    made.store.put("evidence/feed/c7.pdf", LETTER)
    made.store.put("sources/feed.yaml", COMMERCIAL.encode())
    return tmp_path / "w"


def test_a_paper_that_was_changed_makes_the_dossier_invalid(folder: Path) -> None:
    """A paper is compared with its digest whenever the source is asked about; a changed or missing one is named."""
    whole = open_workspace(folder)
    assert whole.source_facts(TODAY)["feed"]["status"] == "valid"

    whole.store.put("evidence/feed/c7.pdf", LETTER + b"!")
    assert (whole.source_facts(TODAY)["feed"]["status"], whole.damaged_papers()) == ("invalid", {"feed": ("contract",)})

    whole.store.delete("evidence/feed/c7.pdf")
    assert whole.damaged_papers() == {"feed": ("contract",)}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("file: evidence/../keys", "evidence"),
        ("file: /etc/passwd", "evidence"),
        ("file: evidence/a.pdf", "sha256 that it had"),
    ],
)
def test_a_paper_lies_in_the_workspace_and_has_a_digest(change: str, problem: str) -> None:
    """A file outside of the folder of papers, or one without its digest, is no paper."""
    with pytest.raises(ConfigError, match=problem):
        load_dossier(COMMERCIAL.replace("reference: C-7/2", f"reference: C-7/2, {change}"), "feed.yaml")


def test_a_synthetic_source_needs_its_assessment_as_a_file(folder: Path) -> None:
    """A name and a number of the assessment are not enough, nor is a file that is gone or was changed."""
    store = open_workspace(folder).store
    paper = f"file: evidence/feed/c7.pdf, sha256: {sha256(LETTER).hexdigest()}"
    text = """\
source_id: made
kind: synthetic
title: Made
inputs: [in/*.jsonl]
generator: {name: M, version: "1", acquired: 2026-01-05, assessment: {title: Safety, reference: S-1, PAPER}}
"""
    bare = load_dossier(text.replace(", PAPER", ""), "made.yaml")
    store.put("sources/made.yaml", text.replace("PAPER", paper).encode())

    assert (bare.status(TODAY), bare.missing()) == ("invalid", ("generator.assessment.file",))
    assert open_workspace(folder).source_facts(TODAY)["made"]["status"] == "valid"
    store.delete("evidence/feed/c7.pdf")
    assert open_workspace(folder).source_facts(TODAY)["made"]["status"] == "invalid"
    assert "generator.assessment" in open_workspace(folder).damaged_papers()["made"]


def test_following_links_is_collecting() -> None:
    """Whoever wrote a list of links, following it is self-collected: no other kind takes one."""
    text = COMMERCIAL + "link_list: {title: List, reference: L-1}\n"

    with pytest.raises(ConfigError, match="kind self_collected"):
        load_dossier(text, "feed.yaml")
    assert load_dossier(text.replace("commercial", "self_collected"), "feed.yaml").link_list is not None


def test_an_end_comes_near(folder: Path) -> None:
    """Days are counted to the last one on which the basis holds."""
    facts = described_sources(open_workspace(folder), TODAY)["feed"]

    assert (facts["days_left"], facts["expires_soon"], facts["damaged"]) == (9, True, [])
    assert described_sources(open_workspace(folder), date(2026, 12, 2))["feed"]["status"] == "expired"


def test_every_kind_says_what_it_asks_for() -> None:
    """Each kind has both lists, and every paper is a key of dossiers."""
    assert set(REQUIRED) == set(ADVISED)
    assert all(key.partition(".")[0] in Dossier.model_fields for key in PAPERS)


def test_sources_are_counted_by_language_and_origin() -> None:
    """A language with one source is told apart from one with several; a source without a country is unknown."""
    home, away = (load_dossier(COMMERCIAL.replace("FR", code), "feed.yaml") for code in ("CN", "FR"))

    found = several({"a": home, "b": away}, {"a": {"zh": 3, "en": 1}, "b": {"zh": 2}, "gone": {"de": 4}})

    assert [(one["language"], one["documents"], one["several"]) for one in found["types"]] == [
        ("zh", 5, True), ("de", 4, False), ("en", 1, False),
    ]  # fmt: skip
    assert found["origin"] == {"domestic": 4, "foreign": 2, "unknown": 4}


def test_commands_write_and_check(folder: Path, tmp_path: Path) -> None:
    """A new dossier loads again with its paper; check names what is missing and ends with 6, an end near with 7."""
    (tmp_path / "letter.txt").write_bytes(LETTER)
    runner = CliRunner()
    new = ["source", "new", str(folder), "poems", "--kind", "open_licence", "--input", "p/*", "--licence", "CC0-1.0"]

    assert runner.invoke(cli.app, ["source", "check", str(folder), "--as-of", "2026-11-22"]).exit_code == 7
    written = runner.invoke(cli.app, [*new, "--paper", f"licence_file={tmp_path / 'letter.txt'}"])
    checked = runner.invoke(cli.app, ["source", "check", str(folder), "--as-of", "2026-12-02"])
    listed = runner.invoke(cli.app, ["source", "list", str(folder), "--as-of", "2026-11-22", "--json"])

    assert written.exit_code == 0, written.output
    made = open_workspace(folder).dossiers["poems"]
    assert (made.status(TODAY), made.licence_file and made.licence_file.file) == ("valid", "evidence/poems/letter.txt")
    assert load_dossier(dump_dossier(made), "poems.yaml") == made
    assert checked.exit_code == 6
    assert "feed: commercial, expired" in checked.output
    assert '"kind": "open_licence"' in listed.output


def test_a_second_dossier_of_one_name_is_refused(folder: Path) -> None:
    """An id that is taken is not written over."""
    again = CliRunner().invoke(
        cli.app, ["source", "new", str(folder), "feed", "--kind", "own", "--input", "x"], standalone_mode=False
    )

    assert isinstance(again.exception, ConfigError)
    assert open_workspace(folder).dossiers["feed"].kind == "commercial"
