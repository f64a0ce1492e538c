"""Actors: keys of their own, what they sign, and whose word an entry is otherwise."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_corpus import make, write_inputs
from typer.testing import CliRunner

from corpus_gov import actors, acts, cli, keys
from corpus_gov.entries import KEY_ADDED
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.signatures import Signer
from corpus_gov.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    write_inputs(tmp_path / "inputs", 6)
    return make(tmp_path / "workspace", tmp_path / "inputs")


def test_an_act_is_signed_by_its_actor(workspace: Workspace) -> None:
    """With the actor's key an entry reads signed, without it claimed; both verify."""
    actors.new(workspace, "li.na")
    signed = acts.record(workspace, "noted", {}, {}, actor="li.na", actor_signer=actors.signer(workspace, "li.na"))
    claimed = acts.record(workspace, "noted", {}, {}, actor="wang", actor_signer=actors.signer(workspace, "wang"))

    assert (signed.state, claimed.state) == ("signed", "claimed")
    assert workspace.ledger().verify(workspace.signer().vkey).claimed == (claimed.index,)


def test_the_first_entry_is_the_pipelines_key(workspace: Workspace) -> None:
    """Also where an actor is registered before anything else, the log begins with the key that signs it."""
    made = actors.new(workspace, "li.na")
    entries = list(workspace.ledger().entries())

    assert entries[0].data["vkey"] == workspace.signer().vkey
    assert (entries[made.since].type, entries[made.since].data["vkey"]) == (KEY_ADDED, made.vkey)


def test_a_private_key_is_its_owners_alone(workspace: Workspace, tmp_path: Path) -> None:
    """Keys are written with mode 0600, never into the workspace, and one that others can read is refused."""
    actors.new(workspace, "li.na")
    path = workspace.keys_folder / actors.FOLDER / "li.na.pem"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="inside the workspace"):
        actors.new(workspace, "wang", tmp_path / "workspace" / "wang.pem")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="0600"):
        actors.signer(workspace, "li.na")


def test_a_key_kept_elsewhere(workspace: Workspace, tmp_path: Path) -> None:
    """A key in a file of its own signs when it is named, and the workspace's key folder has none."""
    actors.new(workspace, "li.na", tmp_path / "stick" / "li.na.pem")

    assert actors.signer(workspace, "li.na") is None
    assert actors.signer(workspace, "li.na", tmp_path / "stick" / "li.na.pem") is not None


def test_a_replaced_key_signs_no_more(workspace: Workspace) -> None:
    """Another key of the same name takes the place of the first, whose earlier entries stay verifiable."""
    actors.new(workspace, "li.na")
    old = actors.signer(workspace, "li.na")
    acts.record(workspace, "noted", {}, {}, actor="li.na", actor_signer=old)
    other = Signer("li.na", Ed25519PrivateKey.generate())
    actors.add(workspace, other.vkey)

    with pytest.raises(ConfigError, match="expected the one registered"):
        actors.signer(workspace, "li.na")
    assert actors.registered(workspace)["li.na"].vkey == other.vkey
    assert workspace.ledger().verify(workspace.signer().vkey).claimed == ()


def test_an_interrupted_registration_is_taken_up(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key whose entry was not written is the one that the next try registers."""
    with monkeypatch.context() as patched:
        patched.setattr(acts, "record", lambda *_, **__: (_ for _ in ()).throw(StoreError("full")))
        with pytest.raises(StoreError):
            actors.new(workspace, "li.na")
    kept = keys.read_signing(workspace.keys_folder / actors.FOLDER / "li.na.pem")

    assert actors.new(workspace, "li.na").vkey == Signer("li.na", kept).vkey


@pytest.mark.parametrize("name", ["", "Li Na", "a+b", "../up", "pipeline", "policy", "w-test-small", "x" * 65])
def test_names_that_nobody_can_have(name: str, workspace: Workspace) -> None:
    """A name is one word that fits a file and a note, and is not the pipeline's."""
    with pytest.raises(ConfigError, match="actor"):
        actors.new(workspace, name)


def test_the_commands(workspace: Workspace) -> None:
    """`actor new`, `add` and `list` show public keys and entries; a second key needs `add`."""
    run = CliRunner()
    made = json.loads(run.invoke(cli.app, ["actor", "new", workspace.url, "li.na", "--json"]).output)
    other = Signer("wang", keys.read_signing(workspace.keys_folder / actors.FOLDER / "li.na.pem"))
    run.invoke(cli.app, ["actor", "add", workspace.url, other.vkey])
    listed = json.loads(run.invoke(cli.app, ["actor", "list", workspace.url, "--json"]).output)["actors"]

    assert [(one["name"], one["vkey"]) for one in listed] == [("li.na", made["vkey"]), ("wang", other.vkey)]
    assert isinstance(run.invoke(cli.app, ["actor", "new", workspace.url, "li.na"]).exception, ConfigError)
