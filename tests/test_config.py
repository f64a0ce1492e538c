"""Settings, dossiers and keys: what is read, and what an author is told."""

import pickle
import stat
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import keys
from corpus_gov.config import (
    REQUIRED,
    Dossier,
    EngineSettings,
    Settings,
    Target,
    dump_dossier,
    dump_settings,
    load_dossier,
    load_settings,
)
from corpus_gov.errors import ConfigError
from corpus_gov.keys import Keys
from corpus_gov.sources import FIELDS

TODAY = date(2026, 11, 22)
SETTINGS = """\
id = "river-corpus"
name = "Rivers"
owner = "Data office"

[engine]
workers = 2
memory = "4 GiB"
"""
PLAIN = "source_id: web\nkind: unassessed\ntitle: Pages\ninputs: [incoming/*.warc.gz]\n"
COMPLETE = {
    "self_collected": (
        "collector: {agent: examplebot/1.0, period: {first: 2026-03-01, last: 2026-03-31}, robots_policy: obeyed}\n"
    ),
    "open_licence": "licence: CC-BY-4.0\nlicence_file: {title: Licence, reference: file 7}\n",
    "commercial": (
        "contract: {title: Contract, reference: C-7, party: Example Ltd}\n"
        "commitment: {title: Letter, reference: C-7/2}\nvalid_until: 2027-01-31\n"
    ),
    "user_input": "service: Example chat\nconsent: {title: Terms, reference: T-3}\nfields: {consent_ref: consent}\n",
    "synthetic": (
        "generator: {name: example-model, version: '3', acquired: 2026-02-01, "
        f"assessment: {{title: Safety, reference: S-1, file: evidence/s1.pdf, sha256: {'a' * 64}}}}}\n"
    ),
    "own": "responsible: Editorial desk\n",
}
BAD_DOSSIERS = {
    "unknown key": (PLAIN + "licens: MIT\n", "sources/web.yaml:5: licens: found an unknown key", "licence"),
    "nested unknown key": (PLAIN + "collector:\n  bot: x\n", "sources/web.yaml:6: collector.bot: found an", "agent"),
    "missing key": ("source_id: web\nkind: own\ninputs: [a]\n", "sources/web.yaml:1: title: found nothing", "add"),
    "bad choice": (PLAIN.replace("unassessed", "found"), "sources/web.yaml:2: kind: found 'found'", "'commercial'"),
    "bad id": (PLAIN.replace("web", "Web Site"), "sources/web.yaml:1: source_id: found 'Web Site'", "pattern"),
    "bad field": (PLAIN + "fields:\n  body: text\n", "sources/web.yaml:6: fields.body: found 'body'", "'text'"),
    "number as date": (PLAIN + "valid_until: 20270131\n", "sources/web.yaml:5: valid_until: found 20270131", "date"),
    "time as date": (PLAIN + "valid_until: 2027-01-31 10:00:00\n", "sources/web.yaml:5: valid_until:", "date"),
    "impossible date": (PLAIN + "valid_until: 2027-02-30\n", "sources/web.yaml:1:", "calendar"),
    "period in reverse": (
        PLAIN + "collector:\n  period: {first: 2026-04-01, last: 2026-03-01}\n",
        "sources/web.yaml:6: collector.period: found",
        "not before its first",
    ),
    "boolean as key": (
        PLAIN + "assessments:\n  before: {on: x}\n",
        "sources/web.yaml:6: assessments.before.1: found True",
        "strings",
    ),
    "boolean as text": (PLAIN + "licence: no\n", "sources/web.yaml:5: licence: found False", "string"),
    "boolean as number": (PLAIN + "priority: true\n", "sources/web.yaml:5: priority: found True", "integer"),
    "no inputs": (PLAIN.replace("[incoming/*.warc.gz]", "[]"), "sources/web.yaml:4: inputs: found []", "at least 1"),
    "empty input": (PLAIN.replace("incoming/*.warc.gz", "''"), "sources/web.yaml:4: inputs.0: found ''", "at least 1"),
    "list": ("- a\n", "sources/web.yaml:1: found ['a']", "mapping"),
    "nothing": ("", "sources/web.yaml:1: found None", "mapping"),
    "alias": (PLAIN + "notes: &a x\nlicence: *a\n", "sources/web.yaml:5: found an alias or anchor", "write the value"),
    "tag": (PLAIN + "notes: !!python/name:os.system\n", "sources/web.yaml:5: found a tag", "plain YAML"),
    "repeated key": (PLAIN + "kind: own\n", "sources/web.yaml:5: kind: found the key twice", "remove"),
    "broken": (PLAIN + "notes: 'open\n", "sources/web.yaml:6: found no valid YAML", "quotes"),
    "deep": (PLAIN + "notes: " + "[" * 30 + "]" * 30 + "\n", "sources/web.yaml:5: found more than 20 levels", "out"),
    "long": (PLAIN + "#" * 4_200_000, "sources/web.yaml:1: found 4200", "at most 4194304"),
}
BAD_SETTINGS = {
    "unknown section": (
        SETTINGS + "[engines]\nworkers = 1\n",
        "corpus-gov.toml:8: engines: found an unknown",
        "engine",
    ),
    "unknown key": (SETTINGS + "cores = 3\n", "corpus-gov.toml:8: engine.cores: found an unknown key", "workers"),
    "wrong type": (SETTINGS.replace("= 2", '= "2"'), "corpus-gov.toml:6: engine.workers: found '2'", "integer"),
    "wrong memory": (SETTINGS.replace("4 GiB", "lots"), "corpus-gov.toml:7: engine.memory: found 'lots'", "pattern"),
    "no name": (SETTINGS.replace("name", "title"), "corpus-gov.toml:1: name: found nothing", "(and 1 more)"),
    "short id": (SETTINGS.replace("river-corpus", "r"), "corpus-gov.toml:1: id: found 'r'", "pattern"),
    "broken": ('id = "river\n', "corpus-gov.toml:1: found no valid TOML", "quotes"),
    "no packs": ("packs = []\n" + SETTINGS, "corpus-gov.toml:1: packs: found []", "at least 1"),
}


def test_settings_have_defaults() -> None:
    """Three lines are enough for corpus-gov.toml; everything else has a default."""
    settings = load_settings('id = "river-corpus"\nname = "Rivers"\nowner = "Data office"\n', "corpus-gov.toml")

    assert settings.policy == "default"
    assert "cn.pii" in settings.packs
    assert (settings.engine.workers, settings.ingest.shard_bytes, settings.ingest.shard_rows) == (None, 2**25, 50_000)


@pytest.mark.parametrize(("text", "place", "advice"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_name_line_and_key(text: str, place: str, advice: str) -> None:
    """A mistake in corpus-gov.toml is one line that names the place and what was expected."""
    with pytest.raises(ConfigError) as caught:
        load_settings(text, "corpus-gov.toml")

    assert str(caught.value).startswith(place)
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "place", "advice"), BAD_DOSSIERS.values(), ids=BAD_DOSSIERS)
def test_bad_dossier_names_line_and_key(text: str, place: str, advice: str) -> None:
    """A mistake in a dossier is one line that names the place and what was expected."""
    with pytest.raises(ConfigError) as caught:
        load_dossier(text, "sources/web.yaml")

    assert str(caught.value).startswith(place)
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


@given(name=st.text(min_size=1, max_size=30), workers=st.none() | st.integers(1, 64))
def test_dumped_settings_load_to_an_equal_value(name: str, workers: int | None) -> None:
    """Whatever the name holds, settings survive TOML."""
    settings = Settings(id="river-corpus", name=name, owner="Data office", engine=EngineSettings(workers=workers))

    assert load_settings(dump_settings(settings), "corpus-gov.toml") == settings


@pytest.mark.parametrize("kind", sorted(REQUIRED))
def test_dumped_dossier_loads_to_an_equal_value(kind: str) -> None:
    """A dossier of every kind survives YAML."""
    dossier = load_dossier(PLAIN.replace("unassessed", kind) + COMPLETE.get(kind, ""), "web.yaml")

    assert load_dossier(dump_dossier(dossier), "web.yaml") == dossier


@pytest.mark.parametrize("kind", sorted(COMPLETE))
def test_dossier_without_what_its_kind_needs_is_invalid(kind: str) -> None:
    """A dossier is valid only with everything that its kind asks for, and says what is missing."""
    bare = load_dossier(PLAIN.replace("unassessed", kind), "web.yaml")
    complete = load_dossier(PLAIN.replace("unassessed", kind) + COMPLETE[kind], "web.yaml")

    assert (bare.status(TODAY), bare.missing()) == ("invalid", REQUIRED[bare.kind])
    assert (complete.status(TODAY), complete.missing()) == ("valid", ())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", ["own", "unassessed"])
def test_failed_assessment_makes_a_dossier_invalid(kind: str, when: str) -> None:
    """A source that failed an assessment carries no decision, whatever else its dossier says; a passed one does."""
    text = PLAIN.replace("unassessed", kind) + COMPLETE.get(kind, "")
    assessment = f"assessments: {{{when}: {{day: 2026-03-01, by: Data office, outcome: %s}}}}\n"

    assert load_dossier(text + assessment % "failed", "web.yaml").status(TODAY) == "invalid"
    assert load_dossier(text + assessment % "passed", "web.yaml").status(TODAY) == load_dossier(
        text, "web.yaml"
    ).status(TODAY)


def test_dossier_expires_after_its_last_day() -> None:
    """The last valid day is still valid; the next is not; an incomplete dossier is reported as that."""
    dossier = load_dossier(PLAIN.replace("unassessed", "commercial") + COMPLETE["commercial"], "web.yaml")

    assert dossier.status(date(2027, 1, 31)) == "valid"
    assert dossier.status(date(2027, 2, 1)) == "expired"
    assert dossier.model_copy(update={"contract": None}).status(date(2027, 2, 1)) == "invalid"


def test_unassessed_dossier_never_becomes_valid() -> None:
    """A generated dossier stays unassessed, and its facts say unknown as None."""
    dossier = load_dossier(PLAIN, "web.yaml")

    assert dossier.facts(TODAY) == {
        "source_id": "web",
        "kind": "unassessed",
        "basis": None,
        "status": "unassessed",
        "licence": None,
        "priority": 0,
        "data_class": None,
        "data_grade": None,
        "agent": None,
        "consents": None,
        "material": None,
    }


def test_field_map_names_what_sources_read() -> None:
    """A field map may name exactly what the readers of deliveries look for."""
    assert get_args(Target) == FIELDS


def test_dossier_cannot_be_changed() -> None:
    """A loaded dossier is frozen: what a run was planned with is what it used."""
    dossier = load_dossier(PLAIN, "web.yaml")

    with pytest.raises(ValueError, match="frozen"):
        dossier.kind = "own"

    assert isinstance(dossier, Dossier)


def test_keys_survive_the_folder(tmp_path: Path) -> None:
    """Keys read back are the keys that were made; files are 0600 and the folder 0700."""
    folder = tmp_path / "config" / "river-corpus"

    made = Keys.create(folder, workspace=tmp_path / "workspace")
    read = Keys.load(folder, workspace=tmp_path / "workspace")

    assert (made.seal, made.leaf) == (read.seal, read.leaf)
    assert made.signing.public_key() == read.signing.public_key()
    assert len({made.seal, made.leaf}) == 2
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == dict.fromkeys(
        keys.FILES, 0o600
    )
    assert [entry.name for entry in folder.parent.iterdir()] == ["river-corpus"]


def test_keys_do_not_show_themselves(tmp_path: Path) -> None:
    """Neither repr nor pickle gives a key away."""
    made = Keys.create(tmp_path / "keys")

    assert made.seal.hex() not in repr(made)
    assert repr(made.seal) not in repr(made)
    with pytest.raises(TypeError, match="not picklable"):
        pickle.dumps(made)


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    """A second creation fails and leaves the first keys as they were."""
    made = Keys.create(tmp_path / "keys")

    with pytest.raises(ConfigError, match="never overwritten"):
        Keys.create(tmp_path / "keys")

    assert Keys.load(tmp_path / "keys").seal == made.seal


@pytest.mark.parametrize("name", keys.FILES)
def test_keys_that_others_can_read_are_refused(tmp_path: Path, name: str) -> None:
    """A key file with any permission for group or others is not used."""
    Keys.create(tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(0o640)

    with pytest.raises(ConfigError, match=rf"{name}: found mode 0640, expected 0600"):
        Keys.load(tmp_path / "keys")


def test_open_key_folder_is_refused(tmp_path: Path) -> None:
    """A key folder that others can enter is not used."""
    Keys.create(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o755)

    with pytest.raises(ConfigError, match="found mode 0755, expected 0700"):
        Keys.load(tmp_path / "keys")


@pytest.mark.parametrize("inside", ["", "keys", "ledger/../keys"])
def test_key_folder_inside_the_workspace_is_refused(tmp_path: Path, inside: str) -> None:
    """Keys never lie under the workspace, also not by way of a link."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "link").symlink_to(workspace)

    for folder in (workspace / inside, tmp_path / "link" / inside):
        with pytest.raises(ConfigError, match="inside the workspace"):
            Keys.create(folder, workspace=workspace)
        with pytest.raises(ConfigError, match="inside the workspace"):
            Keys.load(folder, workspace=workspace)

    assert list(workspace.iterdir()) == []


@pytest.mark.parametrize("name", keys.FILES)
@pytest.mark.parametrize("content", [b"", b"6b6579", b"not a key", b"\xff\xfe"])
def test_damaged_key_is_refused_without_being_shown(tmp_path: Path, name: str, content: bytes) -> None:
    """A damaged key file is named; its content is not repeated."""
    Keys.create(tmp_path / "keys")
    (tmp_path / "keys" / name).write_bytes(content)

    with pytest.raises(ConfigError, match=rf"{name}: found no .*restore it") as caught:
        Keys.load(tmp_path / "keys")

    assert "6b6579" not in str(caught.value)


def test_absent_keys_say_how_to_get_them(tmp_path: Path) -> None:
    """A missing folder or file names itself and the ways to restore it."""
    with pytest.raises(ConfigError, match=r"found no key folder .*corpus-gov init"):
        Keys.load(tmp_path / "keys")

    Keys.create(tmp_path / "keys")
    (tmp_path / "keys" / "leaf.key").unlink()

    with pytest.raises(ConfigError, match=r"leaf\.key: cannot read the key"):
        Keys.load(tmp_path / "keys")


def test_key_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CORPUS_GOV_KEYS replaces the folder above the workspaces' key folders."""
    monkeypatch.delenv(keys.ENV, raising=False)
    assert keys.folder("river-corpus").parts[-3:] == ("corpus-gov", "keys", "river-corpus")

    monkeypatch.setenv(keys.ENV, str(tmp_path))
    assert keys.folder("river-corpus") == tmp_path / "river-corpus"
