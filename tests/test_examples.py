"""The example corpus: the same bytes every time, and answers that cover every record."""

import json
import re
import sys
from collections import Counter
from datetime import date
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecordType

from corpus_gov.config import load_dossier, load_settings

EXAMPLES = Path(__file__).parent.parent / "examples"


@cache
def script() -> ModuleType:
    """Load the script by its path, as `corpus-gov demo` does."""
    spec = spec_from_file_location("make_corpus", EXAMPLES / "make_corpus.py")
    module = module_from_spec(spec)
    sys.modules["make_corpus"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One corpus for all tests that only read it."""
    return script().make(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def answers(corpus: Path) -> dict[str, Any]:
    """The known answers."""
    return json.loads((corpus / "answers.json").read_text())


@pytest.fixture(scope="module")
def responses(corpus: Path) -> list[tuple[str, str, bytes]]:
    """Target URI, media type and decoded body of every response that can be read."""
    with (corpus / script().WEB).open("rb") as stream:
        return [
            (record.headers["WARC-Target-URI"], record.http_headers.get("Content-Type", ""), record.reader.read())
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, auto_decode="all")
        ]


def test_same_bytes_every_time(corpus: Path, tmp_path: Path) -> None:
    """Two runs write the same files with the same bytes."""
    again = script().make(tmp_path)

    names = sorted(str(path.relative_to(corpus)) for path in corpus.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(again)) for path in again.rglob("*") if path.is_file())
    assert [name for name in names if (corpus / name).read_bytes() != (again / name).read_bytes()] == []


def test_settings_of_a_workspace_stay(tmp_path: Path) -> None:
    """A corpus-gov.toml that is in the target already is not replaced."""
    (tmp_path / "corpus-gov.toml").write_text("mine")

    script().make(tmp_path)

    assert (tmp_path / "corpus-gov.toml").read_text() == "mine"


def test_configuration_loads(corpus: Path, answers: dict[str, Any]) -> None:
    """Settings and dossiers are valid on the day of the answers, and every input exists."""
    settings = load_settings((corpus / "corpus-gov.toml").read_text(), "corpus-gov.toml")
    dossiers = {path.stem: load_dossier(path.read_text(), path.name) for path in (corpus / "sources").glob("*.yaml")}

    assert settings.policy == answers["policy"]
    assert {name: dossier.source_id for name, dossier in dossiers.items()} == {
        name: name for name in ("web", "delivery", "reference")
    }
    assert {dossier.status(date.fromisoformat(answers["as_of"])) for dossier in dossiers.values()} == {"valid"}
    assert sorted(name for dossier in dossiers.values() for name in dossier.inputs) == sorted(answers["records"])
    assert all((corpus / name).is_file() for name in answers["records"])


def test_answers_cover_every_record_of_the_crawl(corpus: Path, answers: dict[str, Any]) -> None:
    """Each whole record of the WARC has an outcome; the one that breaks off is the only one rejected."""
    with (corpus / script().WEB).open("rb") as stream:
        whole = sum(1 for _ in ArchiveIterator(stream, parse_http=False))
    counts = answers["records"][script().WEB]

    # A reader may stop before the record that breaks off or hand its beginning out.
    assert sum(counts.values()) - whole in (0, 1)
    assert counts["rejected"] == 1
    assert counts["evidence"] == 7


def test_answers_cover_every_record_of_the_deliveries(corpus: Path, answers: dict[str, Any]) -> None:
    """Each line and each row has an outcome."""
    data = zstandard.ZstdDecompressor().decompress((corpus / script().DELIVERY).read_bytes())
    rows = pq.ParquetFile(corpus / script().REFERENCE).metadata.num_rows

    assert sum(answers["records"][script().DELIVERY].values()) == data.count(b"\n")
    assert sum(answers["records"][script().REFERENCE].values()) == rows


def test_answers_cover_every_document(answers: dict[str, Any]) -> None:
    """Every document has one answer, every disposition occurs, and each but keep has a reason."""
    documents = answers["documents"]

    assert len(documents) == sum(counts["document"] for counts in answers["records"].values())
    assert len({(one["source_id"], one["uri"]) for one in documents}) == len(documents)
    assert Counter(one["disposition"] for one in documents) == answers["dispositions"]
    assert set(answers["dispositions"]) == {"keep", "redact", "quarantine", "drop"}
    assert [one["uri"] for one in documents if bool(one["reasons"]) == (one["disposition"] == "keep")] == []


def test_representatives_are_released(answers: dict[str, Any]) -> None:
    """Every copy names a document that is kept or redacted, and is the reason for its drop."""
    released = {one["uri"] for one in answers["documents"] if one["disposition"] in ("keep", "redact")}
    copies = [one for one in answers["documents"] if one["representative"]]

    assert len(copies) == 22
    assert {one["disposition"] for one in copies} == {"drop"}
    assert {one["representative"] for one in copies} <= released


def test_pages_called_gb2312_need_more_than_gb2312(responses: list[tuple[str, str, bytes]]) -> None:
    """GBK pages labelled gb2312 decode as gb18030, and some of them not as what they call themselves."""
    bodies = {uri: body for uri, _, body in responses if uri.startswith(("https://tea.", "https://weather."))}
    pages = [body for body in bodies.values() if body.startswith(b"<!DOCTYPE")]

    assert len(pages) == 54
    assert all("鿿" not in body.decode("gb18030") and "</article>" in body.decode("gb18030") for body in pages)
    assert any(_fails(body, "gb2312") for body in pages)
    assert all(_fails(body, "utf-8") for body in pages)


def test_prose_is_long_and_varied(corpus: Path) -> None:
    """Articles have 300 to 1500 characters, and no two that are not meant to be copies come near each other."""
    articles = {page.uri: page for page in sys.modules["example_pages"].pages()}
    texts = [
        sys.modules["example_prose"].article(page.site.lang, page.uri).text
        for page in articles.values()
        if page.uri.startswith(f"https://{page.site.host}/") and "?" not in page.uri
    ]
    texts += [row.text for row in script().reference_rows()]
    # A quarter of the shingles, chosen by content, estimates the similarity well enough and is four times as fast.
    shingles = [{text[n : n + 5] for n in range(len(text) - 4) if ord(text[n]) % 4 == 0} for text in texts]

    assert min(map(len, texts)) >= 300
    assert max(map(len, texts)) <= 1500
    assert max(len(a & b) / len(a | b) for a, b in combinations(shingles, 2)) < 0.65


def test_personal_data_are_test_vectors(corpus: Path, responses: list[tuple[str, str, bytes]]) -> None:
    """Every planted value is one of the documented test vectors, and each lies where a rule must find it."""
    everything = b"\n".join(body for _, _, body in responses).decode("utf-8", "replace")

    for value in ("reader-desk@example.com", "post@example.org", "13800138000", "19212345678"):
        assert value in everything
    assert b"11010519491231002X" in b"".join(body for _, _, body in responses)
    assert {found.rpartition("@")[2] for found in _addresses(everything)} == {"example.com", "example.org"}


def _fails(body: bytes, charset: str) -> bool:
    try:
        body.decode(charset)
    except UnicodeDecodeError:
        return True
    return False


def _addresses(text: str) -> set[str]:
    return set(re.findall(r"[\w.-]+@[\w-]+\.[a-z]+", text, flags=re.ASCII))
