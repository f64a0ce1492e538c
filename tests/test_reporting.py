"""The report of a release: complete in both languages, true to the tables, harmless to open, and self-contained."""

import re
import string
from collections import Counter
from html import unescape
from html.parser import HTMLParser

import pytest
import small_corpus
from typer.testing import CliRunner

from corpus_gov import artefacts, cli, config, pipeline, reporting, workspace
from corpus_gov.commands import report as command
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.reporting import blocks, charts, gathered, page, phrases, printing
from corpus_gov.schemas import AIGC_STATES, DISPOSITIONS, OPTOUT_STATES, OUTCOMES, RIGHTS_STATES
from corpus_gov.store import Missing

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}\u202eevil"


class Page(HTMLParser):
    """Tables by caption, headings of sections, and every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.headings: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self._rows: list[list[str]] = []
        self._open: list[str] = []
        self._caption = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note a tag, and begin a row, a cell or a caption."""
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag == "table":
            self._rows, self._caption = [], ""
        if tag == "tr":
            self._rows.append([])
        if tag in {"td", "th"}:
            self._rows[-1].append("")
        if tag == "h2":
            self.headings.append("")
        self._open.append(tag)

    def handle_endtag(self, tag):
        """Take up a finished table under its caption."""
        if tag == "table":
            self.tables[self._caption.strip()] = self._rows
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        """Add text to what is open."""
        if "caption" in self._open:
            self._caption += data
        elif {"td", "th"} & {*self._open}:
            self._rows[-1][-1] += data.strip()
        elif "h2" in self._open:
            self.headings[-1] += data


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A workspace with one release, whose dossier and settings hold hostile words."""
    folder = tmp_path_factory.mktemp("reporting")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        made = workspace.open_workspace(small_corpus.prepared(folder) / "workspace")
        dossier = config.Dossier(
            source_id="one", kind="unassessed", title=HOSTILE, inputs=(str(folder / "inputs" / "[ab].jsonl"),)
        )
        made.store.put("sources/one.yaml", config.dump_dossier(dossier).encode())
        yield workspace.open_workspace(made.url)


@pytest.fixture(scope="module")
def pages(opened):
    """The report in both languages."""
    return reporting.report(opened, None, phrases.LANGUAGES)


@pytest.mark.parametrize("language", phrases.LANGUAGES)
def test_the_page_is_self_contained(pages, language):
    """Nothing is loaded, run or sent: no script, no address but of vocabularies, and a policy that forbids all."""
    read = Page(pages[language])
    text = re.sub(r'xmlns(:\w+)?="[^"]*"', "", pages[language])

    assert {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "object", "form", "base", "use"} == set()
    assert [attrs for _, attrs in read.tags if any(name.startswith("on") for name in attrs)] == []
    assert not re.search(r"https?://|url\(|@import|javascript:", text)
    assert "default-src 'none'" in pages[language]


@pytest.mark.parametrize("language", phrases.LANGUAGES)
def test_hostile_words_stay_words(pages, language):
    """A title with markup, braces and characters that turn a line is shown as what it is."""
    read = Page(pages[language])
    (shown,) = {row[1] for row in read.tables[phrases.load(language)("sources.dossiers")] if "alert" in row[1]}

    assert shown == HOSTILE.replace("\u202e", "\\u202e")
    assert "49" not in shown
    assert "\u202e" not in pages[language]


def test_hostile_names_stay_names_in_charts():
    """Names in a chart are text of the picture."""
    svg = charts.stacked({(HOSTILE[8:36], "keep"): 3}, {"keep": "<b>keep"}, others="o", title="<i>n")

    assert "<script" not in svg
    assert "&lt;script&gt;" in svg
    assert "<b>" not in svg


@pytest.mark.parametrize("language", phrases.LANGUAGES)
def test_it_can_be_read_by_everybody(pages, language):
    """It says its language, has one first heading, a heading a section, words for each picture, scopes of headings."""
    read = Page(pages[language])
    pictures = [attrs for tag, attrs in read.tags if tag == "figure"]

    assert dict(read.tags)["html"]["lang"] == phrases.LANGUAGES[language]
    assert [tag for tag, _ in read.tags].count("h1") == 1
    assert len(read.headings) == len(page.SECTIONS)
    assert len(pictures) >= 5
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in pictures)
    assert all("scope" in attrs for tag, attrs in read.tags if tag == "th")
    assert len(read.ids) == len({*read.ids})
    assert {attrs["href"][1:] for tag, attrs in read.tags if tag == "a"} <= {*read.ids}


@pytest.mark.parametrize("language", phrases.LANGUAGES)
def test_numbers_are_those_of_the_manifest(opened, pages, language):
    """Decisions, rights, languages and captures are what the tables say when they are counted another way."""
    say, read, release = phrases.load(language), Page(pages[language]), opened.release()
    rows = release.table("manifest").to_pylist()
    decided = read.tables[say("decided.table")]
    rights = {row[0]: row for row in read.tables[say("rights.table")][1:]}
    languages = {row[0]: row for row in read.tables[say("languages.table")][1:]}
    captures = read.tables[say("came.table")]
    outcomes = Counter(release.table("captures")["outcome"].to_pylist())

    for source in {row["source_id"] for row in rows}:
        counts = Counter(row["disposition"] for row in rows if row["source_id"] == source)
        (shown,) = [row for row in decided if row[0] == source]
        assert shown[1:6] == [str(n) for n in (*(counts[one] for one in DISPOSITIONS), counts.total())]
    for state, n in Counter(row["rights_state"] for row in rows).items():
        assert rights[say.name("rights_state", state)][5] == str(n)
    for name, n in Counter(row["language"] for row in rows).items():
        assert languages[f"{say.name('language', name)} ({name})"][1] == str(n)
    for name, n in outcomes.items():
        assert captures[-1][captures[0].index(say.name("outcome", name))] == str(n)


def test_personal_data_is_counted_and_not_shown(opened, pages):
    """Findings are counted by class, and no value, text, address or id of a document stands in the page."""
    release = opened.release()
    found = Counter(release.table("findings").to_pandas().query("rule == 'pii.email'")["rule"])
    shown = {row[0]: row[2] for row in Page(pages["en"]).tables["Findings by class"][1:]}
    documents = release.table("documents").to_pylist()
    held = [one for row in documents for one in (row["doc_id"], row["uri"], (row["text"] or "")[:24]) if one]

    assert shown.get("e-mail address", "0") == str(found["pii.email"])
    assert held
    assert [one for one in held for text in pages.values() if one in text] == []


def test_what_verifying_must_come_to_is_there(opened, pages):
    """Root, key and checkpoint stand in the page, as the ledger and `verify` have them."""
    seal = gathered.read(opened.release()).seal
    entry = [one for one in opened.ledger().entries() if one.type == "release_published"][-1]

    assert seal["root"] == entry.data["root"]
    assert seal["vkey"] == opened.signer().vkey
    assert [
        value for value in (seal["root"], seal["vkey"], seal["statement"]) if value not in unescape(pages["zh"])
    ] == []
    assert seal["checkpoint"].splitlines()[2] in unescape(pages["zh"])
    assert "corpus-gov verify WORKSPACE --release r0001" in pages["zh"]


def test_both_languages_say_the_same_things():
    """Both tables have the same keys with the same values to fill in, and none is empty or the other's sentence."""
    en, zh = (phrases.load(language).table for language in ("en", "zh"))

    def filled(text):
        return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)

    assert en.keys() == zh.keys()
    assert all(isinstance(text, str) and text.strip() for table in (en, zh) for text in table.values())
    assert {key for key in en if filled(en[key]) != filled(zh[key])} == set()
    assert {key for key, text in zh.items() if not re.search(r"[\u4e00-\u9fff]", text)} <= {"rules.digest"}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("outcome", OUTCOMES), ("disposition", DISPOSITIONS), ("rights_state", RIGHTS_STATES),
        ("optout_state", OPTOUT_STATES), ("aigc_state", AIGC_STATES),
    ],
)  # fmt: skip
def test_every_value_has_a_name(kind, values):
    """Each value of a column with a fixed set has its phrase."""
    assert [value for value in values if f"{kind}.{value}" not in phrases.load("zh").table] == []


def test_a_report_is_written_again_the_same(opened, pages):
    """Written beside the release it is the same page each time; verifying the release does not look at it."""
    files = reporting.write(opened, "r0001")

    assert files == ["releases/r0001/report.html", "releases/r0001/report.zh.html"]
    assert [opened.store.read(file).decode() for file in files] == [pages["en"], pages["zh"]]


def test_an_unknown_language_is_refused(opened):
    """Another language is an error of configuration that names those there are."""
    with pytest.raises(ConfigError, match="en, zh"):
        reporting.report(opened, None, ["fr"])


def test_without_a_browser_there_is_no_pdf(monkeypatch):
    """Where no browser is found the error says how to get on."""
    monkeypatch.setenv(printing.BROWSER, "no-such-browser")

    with pytest.raises(ConfigError, match="print the HTML file"):
        printing.pdf("<p>")


def test_a_browser_that_prints_nothing_is_an_error(monkeypatch):
    """A program that ends without a file is told, not taken for a page."""
    monkeypatch.setenv(printing.BROWSER, "true")

    with pytest.raises(StoreError, match="printed nothing"):
        printing.pdf("<p>")


def test_long_tables_say_what_they_leave_out():
    """Rows beyond the most are counted in a note."""
    built = blocks.table(phrases.load("en"), "c", ("a",), [(n,) for n in range(blocks.ROWS_MOST + 7)])

    assert len(built.rows) == blocks.ROWS_MOST
    assert built.note == "7 more, not shown."


def test_many_sources_are_summed_up_in_charts():
    """A chart of a hundred categories shows the largest, and the rest as others."""
    svg = charts.stacked(
        {(f"s{n:03d}", "keep"): n for n in range(1, 101)}, {"keep": "keep"}, others="others", title="n"
    )

    assert "s100" in svg
    assert "others" in svg
    assert "s001" not in svg


def test_what_was_collected_since_is_said(opened, monkeypatch):
    """Where findings of an older release are gone, the page says that they are left out, and is still written."""
    read = artefacts.get

    def gone(store, name, columns=None):
        if "findings.pii" in name:
            raise Missing(name)
        return read(store, name, columns)

    monkeypatch.setattr(artefacts, "get", gone)
    (text,) = reporting.report(opened).values()

    assert "were replaced or collected since" in text
    assert "No finding of personal data." in text


def test_the_command_writes_the_page(opened, tmp_path):
    """`report` writes the page where it is told to, and refuses a release that is not there."""
    out = tmp_path / "page.html"
    done = CliRunner().invoke(cli.app, ["report", str(opened.url), "r0001", "--language", "zh", "--out", str(out)])
    other = CliRunner().invoke(cli.app, ["report", str(opened.url), "r0009"])

    assert done.exit_code == 0
    assert done.stdout.startswith(f"{out}: the report of r0001, ")
    assert 'lang="zh-CN"' in out.read_text(encoding="utf-8")
    assert isinstance(other.exception, ConfigError)


def test_a_report_that_fails_leaves_the_release(opened, monkeypatch, capsys):
    """An error while the report is written is told, and the run ends as published."""

    def fail(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(reporting, "write", fail)
    outcome = pipeline.Outcome("r0001", published=True, run={})

    assert command.beside(opened, outcome) == []
    assert capsys.readouterr().err == "r0001 is published, its report was not written: the disk is full\n"
