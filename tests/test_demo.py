"""The demo's folder: made anew where it is a demo, left alone where it is anything else."""

import pytest

from corpus_gov import demo
from corpus_gov.errors import ConfigError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A demo that was run."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    demo.prepare(tmp_path / "demo")
    (tmp_path / "demo" / "releases").mkdir()
    (tmp_path / "demo" / "releases" / "old").touch()
    return tmp_path / "demo"


def everything(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_earlier_demo_is_replaced(folder):
    """What an earlier demo left is gone, its inputs are there again."""
    demo.prepare(folder)

    assert not (folder / "releases").exists()
    assert (folder / "incoming" / "pages.warc.gz").is_file()


@pytest.mark.parametrize("name", ["notes.txt", "incoming/mine.jsonl", "sources/mine.yaml", "thesis/chapter.txt"])
def test_a_file_of_somebody_else_is_left_alone(folder, name):
    """A file that no demo makes stops it, at the top or among inputs and dossiers; nothing is removed."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine", encoding="utf-8")
    before = everything(folder)

    with pytest.raises(ConfigError, match="which no demo makes"):
        demo.prepare(folder)

    assert everything(folder) == before


def test_another_workspace_is_left_alone(folder):
    """A workspace with an id of its own is no demo, whatever else lies in it."""
    settings = folder / "corpus-gov.toml"
    settings.write_text(settings.read_text().replace('"example-corpus"', '"w-0123456789ab"'), encoding="utf-8")
    before = everything(folder)

    with pytest.raises(ConfigError, match="w-0123456789ab"):
        demo.prepare(folder)

    assert everything(folder) == before


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '{"records": 3}'])
def test_any_answers_file_is_no_demo(tmp_path, content):
    """answers.json alone, as anybody may have one, does not make a folder a demo."""
    (tmp_path / "answers.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"no corpus-gov\.toml"):
        demo.prepare(tmp_path)
    (tmp_path / "corpus-gov.toml").write_bytes((demo.examples() / "corpus-gov.toml").read_bytes())
    with pytest.raises(ConfigError, match="no demo wrote"):
        demo.prepare(tmp_path)

    assert (tmp_path / "answers.json").read_text(encoding="utf-8") == content


def test_a_file_in_the_folders_place_is_left_alone(tmp_path):
    """A file by that name is refused."""
    (tmp_path / "demo").write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match="found a file"):
        demo.prepare(tmp_path / "demo")


def test_a_link_is_removed_and_not_followed(folder, tmp_path):
    """A linked folder of a demo loses the link, not its content."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept").write_text("mine", encoding="utf-8")
    (folder / "artefacts").symlink_to(tmp_path / "elsewhere")

    demo.prepare(folder)

    assert (tmp_path / "elsewhere" / "kept").read_text(encoding="utf-8") == "mine"
    assert not (folder / "artefacts").exists()
