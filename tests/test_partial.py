"""Verification of a part: one shard, one document, and nothing that lies beside it."""

import json
import shutil
from pathlib import Path

import pytest
from small_release import DISPOSITIONS, doc_id
from test_tampering import CLEAN, MANIFEST, OWN, flip, kinder, replaced, rewrite, write
from typer.testing import CliRunner

from corpus_gov import cli, partial
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.store import LocalStore


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "workspace"
    write(folder, (1, 2))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "workspace"))


@pytest.mark.parametrize("number", range(len(DISPOSITIONS)))
def test_each_document_verifies(number: int, made: Path) -> None:
    """Whether released or not, a document verifies by itself, with the disposition that it has."""
    report = partial.verify_part(LocalStore(made), "r0001", OWN.vkey, doc_id=doc_id(number))

    assert report.counts == {DISPOSITIONS[number]: 1}


@pytest.mark.parametrize("shard", ["s0.0", "s1.0"])
def test_each_shard_verifies(shard: str, made: Path) -> None:
    """A shard's rows come from all manifest files, and its clean documents from its own file."""
    report = partial.verify_part(LocalStore(made), None, OWN.vkey, shard=shard)

    assert sum(report.counts.values()) == 5
    assert report.checks[-1][2].startswith(f"{report.counts['keep'] + report.counts.get('redact', 0)} documents")


def test_a_change_of_the_part_is_found_and_one_beside_it_is_not_looked_at(folder: Path) -> None:
    """A reason of document 3 was edited: document 3 and its shard do not verify, document 2 and the other shard do."""
    rewrite(MANIFEST, kinder)(folder)
    store = LocalStore(folder)

    for part in ({"doc_id": doc_id(3)}, {"shard": "s1.0"}):
        with pytest.raises(IntegrityError, match=f"{MANIFEST}: the row of doc_id '{doc_id(3)}' is not leaf 3"):
            partial.verify_part(store, None, OWN.vkey, **part)
    for part in ({"doc_id": doc_id(2)}, {"shard": "s0.0"}):
        assert partial.verify_part(store, None, OWN.vkey, **part).release == "r0002"


def test_a_changed_text_is_found(folder: Path) -> None:
    """A clean file that is not what the statement says fails for every document in it, and for no other."""
    rewrite(CLEAN, lambda table: replaced(table, "text", 0, "another"))(folder)

    with pytest.raises(IntegrityError, match=CLEAN):
        partial.verify_part(LocalStore(folder), None, OWN.vkey, doc_id=doc_id(0))
    assert partial.verify_part(LocalStore(folder), None, OWN.vkey, doc_id=doc_id(1)).counts == {"keep": 1}


def test_damage_is_named(folder: Path) -> None:
    """A manifest file that cannot be read, and a tree of another root, are integrity errors that name the file."""
    flip(MANIFEST, -20)(folder)
    with pytest.raises(IntegrityError, match=MANIFEST):
        partial.verify_part(LocalStore(folder), None, OWN.vkey, doc_id=doc_id(1))
    flip("releases/r0002/tree", 4)(folder)
    with pytest.raises(IntegrityError, match="releases/r0002/tree"):
        partial.verify_part(LocalStore(folder), None, OWN.vkey, doc_id=doc_id(1))


@pytest.mark.parametrize("part", [{}, {"shard": "s0.0", "doc_id": "00"}, {"shard": "s9.0"}, {"doc_id": "ab" * 16}])
def test_parts_that_are_not_there(part: dict[str, str], made: Path) -> None:
    """One part is asked for, and it must be one of the release."""
    with pytest.raises(ConfigError):
        partial.verify_part(LocalStore(made), None, OWN.vkey, **part)


def test_the_command(made: Path) -> None:
    """`verify --document` and `--shard` say what was looked at."""
    run = CliRunner()
    asked = ["verify", str(made), "--json", "--key", OWN.vkey]
    document = json.loads(run.invoke(cli.app, [*asked, "--document", doc_id(2)]).output)
    shard = run.invoke(cli.app, ["verify", str(made), "--shard", "s1.0"])

    assert document["counts"] == {"redact": 1}
    assert (shard.exit_code, "5 rows are leaves of the root" in shard.output) == (0, True)
