"""Rotation of the pipeline's key: what was signed stays verifiable under any of its keys, whatever a crash leaves."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from faulty_store import FaultyStore
from small_corpus import make, write_inputs
from small_release import NOW, ORIGIN, content, doc_id, new_store
from typer.testing import CliRunner

from corpus_gov import acts, cli, keys, proofs, release, rotation
from corpus_gov.entries import KEY_ADDED, KEY_ROTATED, PIPELINE
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.lease import Lease
from corpus_gov.ledger import CHECKPOINT, Ledger
from corpus_gov.signatures import Signer, canonical
from corpus_gov.store import Store
from corpus_gov.workspace import Workspace, open_workspace

OLD, NEW, LAST, OTHER = (Signer("test", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in range(1, 5))


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    write_inputs(tmp_path / "inputs", 6)
    made = make(tmp_path / "workspace", tmp_path / "inputs")
    acts.note_changes(made)
    return made


def published(store: Store) -> tuple[Ledger, list[bytes]]:
    """Publish a release under each of three keys; the checkpoints after each step."""
    ledger = Ledger(store, ORIGIN)
    ledger.append(KEY_ADDED, {}, {"vkey": OLD.vkey}, actor=PIPELINE, signer=OLD, time=NOW)
    notes = []
    for generation, (signer, successor) in enumerate([(OLD, NEW), (NEW, LAST), (LAST, None)], 1):
        with Lease.take(store, "test") as lease:
            release.recover(store, lease, ledger, signer)
            notes.append(release.publish(store, lease, ledger, signer, content(store, generation), time=NOW).checkpoint)
        if successor:
            ledger.rotate(signer, successor, time=NOW)
            notes.append(ledger.checkpoint() or b"")
    return ledger, notes


@pytest.mark.parametrize("signer", [OLD, NEW, LAST, None])
def test_each_key_verifies_everything(signer: Signer | None, tmp_path: Path) -> None:
    """Releases of before and after verify from whichever key is trusted, with all checkpoints that were kept."""
    store = new_store("memory", tmp_path)
    ledger, notes = published(store)
    vkey = signer.vkey if signer else None

    assert ledger.verify(vkey, notes).known == 5
    for name in ("r0001", "r0002", "r0003"):
        assert release.verify(store, name, vkey, notes).release == name
        assert proofs.check(proofs.prove(store, name, doc_id(3)), vkey, notes[-1:]).release == name


def test_a_key_of_another_workspace_verifies_nothing(tmp_path: Path) -> None:
    """A key that no rotation leads to is refused, by the ledger as by a proof."""
    store = new_store("memory", tmp_path)
    ledger, _ = published(store)
    proof = proofs.prove(store, "r0001", doc_id(3))

    with pytest.raises(IntegrityError, match="lead to"):
        ledger.verify(OTHER.vkey)
    with pytest.raises(IntegrityError, match="do not lead"):
        proofs.check(proof, OTHER.vkey)


def test_a_rotation_needs_both_signatures(tmp_path: Path) -> None:
    """A successor that the old key did not sign for is refused, and so is one that did not sign itself."""
    store = new_store("memory", tmp_path)
    published(store)
    proof = json.loads(proofs.unpacked(proofs.prove(store, "r0001", doc_id(3))))
    for signer in (OLD, NEW):
        changed = json.loads(json.dumps(proof))
        del changed["rotations"][0]["signatures"][signer.verifier.reference]
        with pytest.raises(IntegrityError, match="rotations"):
            proofs.check(canonical(changed), NEW.vkey)


def test_the_old_key_signs_no_more(tmp_path: Path) -> None:
    """Whoever kept the old key can neither append nor replace the checkpoint."""
    store = new_store("memory", tmp_path)
    ledger, notes = published(store)
    with pytest.raises(IntegrityError, match="no signature"):
        ledger.append("note", {}, {}, actor=PIPELINE, signer=OLD, time=NOW)
    text = notes[-1].rpartition(b"\n\n")[0].decode() + "\n"
    store.put(CHECKPOINT, OLD.sign_note(text))
    with pytest.raises(IntegrityError, match=CHECKPOINT):
        ledger.verify(OLD.vkey)


def test_another_key_under_the_pipelines_name_is_no_actor(tmp_path: Path) -> None:
    """Only a rotation gives the pipeline another key."""
    ledger = Ledger(new_store("memory", tmp_path), ORIGIN)
    ledger.append(KEY_ADDED, {}, {"vkey": OLD.vkey}, actor=PIPELINE, signer=OLD, time=NOW)
    ledger.append(KEY_ADDED, {}, {"vkey": OTHER.vkey}, actor=PIPELINE, signer=OLD, time=NOW)
    with pytest.raises(IntegrityError, match="under the pipeline's name"):
        ledger.verify(OLD.vkey)


def test_a_rotated_workspace_goes_on(workspace: Workspace) -> None:
    """After a rotation the folder holds the new key alone, and what follows is signed by it."""
    old = workspace.signer()
    entry, new = rotation.rotate(workspace)
    acts.record(workspace, "noted", {}, {})

    assert workspace.signer().vkey == new.vkey != old.vkey
    assert sorted(path.name for path in workspace.keys_folder.iterdir()) == sorted(keys.FILES)
    report = workspace.ledger().verify(old.vkey)
    assert [key.vkey for key in report.keys.pipeline] == [old.vkey, new.vkey]
    assert report.size == entry.index + 2


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_crash_is_finished_or_taken_back(
    fail_at: int, *, persisted: bool, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of the three writes fails, the next start has one key that ledger and folder agree on."""
    old = workspace.signer().vkey
    whole = Workspace.ledger

    with workspace.writing(), monkeypatch.context() as patched:
        faulty = FaultyStore(workspace.store, fail_at, persisted)
        patched.setattr(Workspace, "ledger", lambda self: Ledger(faulty, whole(self).origin))
        with pytest.raises(StoreError):
            rotation.rotate(workspace)
    again = open_workspace(workspace.url)
    acts.record(again, "noted", {}, {})

    rotated = [entry for entry in again.ledger().entries() if entry.type == KEY_ROTATED]
    assert len(rotated) == (0 if (fail_at, persisted) == (1, False) else 1)
    assert (again.signer().vkey == old) == (not rotated)
    assert not (again.keys_folder / rotation.NEXT).exists()
    assert again.ledger().verify(old).keys.pipeline[-1].vkey == again.signer().vkey


def test_a_crash_before_the_key_is_put_in_place(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends after the checkpoint leaves the new key beside the old one; the next start replaces it."""
    old = workspace.signer().vkey
    replace = Path.replace

    def crash(path: Path, target: Path) -> Path:
        if path.name == rotation.NEXT:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            rotation.rotate(workspace)

    acts.record(workspace, "noted", {}, {})

    assert workspace.signer().vkey == workspace.ledger().verify(old).keys.pipeline[-1].vkey != old


def test_a_folder_with_the_replaced_key_is_named(workspace: Workspace) -> None:
    """Whoever comes with an older copy of the key folder is told which file to bring."""
    kept = (workspace.keys_folder / keys.SIGNING).read_bytes()
    rotation.rotate(workspace)
    (workspace.keys_folder / keys.SIGNING).write_bytes(kept)
    with pytest.raises(ConfigError, match=r"signing\.key: found a key that entry \d+ of the ledger replaced"):
        acts.record(workspace, "noted", {}, {})


def test_the_commands(workspace: Workspace) -> None:
    """`keys rotate` names both keys, `keys show` all of them; no private key is shown."""
    old, run = workspace.signer(), CliRunner()
    made = json.loads(run.invoke(cli.app, ["keys", "rotate", workspace.url, "--json"]).output)
    shown = run.invoke(cli.app, ["keys", "show", workspace.url])

    assert made["before"] == old.vkey
    assert shown.output.splitlines()[:2] == [f"In force: {made['vkey']}", f"before:   {old.vkey}"]
    assert "PRIVATE" not in shown.output
