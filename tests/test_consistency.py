"""Consistency proofs, exported checkpoints, and a verifier that shares no code with the package and agrees with it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from small_release import NOW, ORIGIN, doc_id
from test_rotation import LAST, NEW, OLD, OTHER, published
from typer.testing import CliRunner

from corpus_gov import cli, consistency, proofs, witness
from corpus_gov.entries import PIPELINE
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.ledger import Ledger
from corpus_gov.signatures import canonical
from corpus_gov.store import LocalStore

VERIFIER = Path(__file__).parent.parent / "docs" / "verify_ledger.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A workspace with three releases under three keys, and the checkpoints that were kept on the way."""
    folder = tmp_path_factory.mktemp("made") / "workspace"
    _, notes = published(LocalStore(folder))
    return folder, notes


@pytest.fixture
def folder(made: tuple[Path, list[bytes]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "workspace"))


def verifier(*words: str | Path) -> tuple[int, str]:
    """Run the script that shares no code; exit code and what it says."""
    done = subprocess.run([sys.executable, VERIFIER, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("at", range(5))
def test_every_kept_checkpoint_is_extended(at: int, made: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    """From each checkpoint to each later one there is a proof that holds under every key, here and independently."""
    store, notes = LocalStore(made[0]), made[1]
    for later in (*notes[at:], None):
        data = consistency.prove(store, notes[at], later)
        assert consistency.check(data, OLD.vkey) == consistency.check(data, LAST.vkey)
    file = tmp_path / "proof.json"
    file.write_bytes(consistency.prove(store, notes[at]))
    code, said = verifier("consistency", file, NEW.vkey)
    assert (code, said[:3]) == (0, "ok:"), said


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "format": lambda proof: proof.update(format="corpus-gov consistency 2"),
    "a part": lambda proof: proof.pop("path"),
    "a shorter path": lambda proof: proof.update(path=proof["path"][1:]),
    "a hash": lambda proof: proof.update(path=[proof["path"][-1], *proof["path"][1:]]),
    "a path of numbers": lambda proof: proof.update(path=[1]),
    "older for newer": lambda proof: proof.update(old=proof["new"], new=proof["old"]),
    "size": lambda proof: proof.update(old=proof["old"].replace("\n2\n", "\n1\n")),
    "rotations": lambda proof: proof.update(rotations=proof["rotations"][:1]),
    "order of rotations": lambda proof: proof.update(rotations=proof["rotations"][::-1]),
    "key": lambda proof: proof.update(vkey=OTHER.vkey),
    "no key": lambda proof: proof.update(vkey=""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_consistency_proof_does_not_hold(change: str, made: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    """A change of any part is an integrity error, and the independent verifier refuses it too."""
    proof = json.loads(consistency.prove(LocalStore(made[0]), made[1][0]))
    CHANGES[change](proof)
    (tmp_path / "proof.json").write_bytes(canonical(proof))

    with pytest.raises(IntegrityError):
        consistency.check(canonical(proof))
    if change != "format":
        assert verifier("consistency", tmp_path / "proof.json")[0] == 1


def test_a_fork_has_no_proof(made: tuple[Path, list[bytes]], folder: Path) -> None:
    """Where the ledger does not extend a checkpoint, no proof is written, and the error says fork or rollback."""
    ledger = Ledger(LocalStore(folder), ORIGIN)
    for _ in range(2):
        ledger.append("note", {}, {}, actor=PIPELINE, signer=LAST, time=NOW)
    newer = ledger.checkpoint() or b""

    with pytest.raises(IntegrityError, match="rolled back"):
        consistency.prove(LocalStore(made[0]), newer)


@pytest.mark.parametrize("key", [OLD.vkey, NEW.vkey, LAST.vkey])
def test_the_independent_verifier_agrees(key: str, made: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    """Ledger and proofs hold under each key, with the checkpoints that were kept."""
    files = []
    for number, note in enumerate(made[1]):
        (tmp_path / str(number)).write_bytes(note)
        files.append(tmp_path / str(number))
    ledger = verifier("ledger", made[0] / "ledger", key, *files)
    (tmp_path / "proof").write_bytes(proofs.prove(LocalStore(made[0]), "r0001", doc_id(3)))

    assert (ledger[0], "5 kept checkpoints" in ledger[1]) == (0, True), ledger
    assert verifier("proof", tmp_path / "proof", key) == (0, f"ok: {doc_id(3)} is drop in r0001\n")


def test_the_independent_verifier_refuses(made: tuple[Path, list[bytes]], folder: Path, tmp_path: Path) -> None:
    """A changed entry, a foreign key, a rolled back ledger and a changed proof are refused by it as well."""
    shutil.copytree(folder, tmp_path / "longer")
    Ledger(LocalStore(tmp_path / "longer"), ORIGIN).append("n", {}, {}, actor=PIPELINE, signer=LAST, time=NOW)
    kept = tmp_path / "longer" / "ledger" / "checkpoint"
    proof = json.loads(proofs.unpacked(proofs.prove(LocalStore(folder), "r0001", doc_id(3))))
    proof["row"]["disposition"] = "keep"
    (tmp_path / "proof").write_bytes(canonical(proof))
    rolled_back = verifier("ledger", folder / "ledger", LAST.vkey, kept)
    entry = folder / "ledger" / "entries" / f"{1:020d}"
    foreign = verifier("ledger", folder / "ledger", OTHER.vkey)
    entry.write_bytes(entry.read_bytes().replace(b'"size":10', b'"size":11'))

    for code, said in (
        rolled_back,
        foreign,
        verifier("ledger", folder / "ledger"),
        verifier("proof", tmp_path / "proof"),
    ):
        assert (code, "does not hold" in said) == (1, True), said
    assert "corpus_gov" not in VERIFIER.read_text(encoding="utf-8")


def test_a_command_takes_the_checkpoint(tmp_path: Path) -> None:
    """A command gets the checkpoint on standard input, without a shell; one that fails is told."""
    copy = f"{sys.executable} -c \"import sys; open('{tmp_path / 'copy'}', 'w').write(sys.stdin.read())\""
    witness.hand_to(copy, b"note\n")

    assert (tmp_path / "copy").read_bytes() == b"note\n"
    for command in ("false", "no-such-command here", ""):
        with pytest.raises(StoreError, match="did not take"):
            witness.hand_to(command, b"note\n")


def test_a_request_for_a_time_stamp() -> None:
    """The request is RFC 3161 over the checkpoint's SHA-256; what is no response or root is refused."""
    pytest.importorskip("rfc3161_client")
    data = witness.time_stamp_request(b"note\n")

    assert data[:2] == bytes([0x30, len(data) - 2])
    assert sha256(b"note\n").digest() in data
    with pytest.raises(ConfigError, match="root"):
        witness.time_stamped(b"note\n", b"", [b"no certificate"])


AUTHORITY = """
[req]
distinguished_name = name
prompt = no
[name]
CN = Test root
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[stamps]
serial = serial
signer_cert = authority.pem
signer_key = authority.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
crypto_device = builtin
ess_cert_id_alg = sha256
"""
STEPS = (
    "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -config a.cnf -extensions root -days 9",
    "req -newkey rsa:2048 -nodes -keyout authority.key -out a.csr -config a.cnf -subj /CN=Authority",
    "x509 -req -in a.csr -CA root.pem -CAkey root.key -set_serial 2 -out authority.pem -extfile a.cnf -extensions tsa",
    "ts -reply -queryfile request -config a.cnf -section stamps -out response",
)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the command openssl as an authority")
def test_a_time_stamp_of_an_authority(tmp_path: Path) -> None:
    """The response of an authority holds for the checkpoint that was sent, under its root alone."""
    pytest.importorskip("rfc3161_client")
    (tmp_path / "a.cnf").write_text(AUTHORITY, encoding="utf-8")
    (tmp_path / "serial").write_text("01", encoding="utf-8")
    (tmp_path / "request").write_bytes(witness.time_stamp_request(b"note\n"))
    for step in STEPS:
        subprocess.run(["openssl", *step.split()], cwd=tmp_path, capture_output=True, check=True)
    response, root = (tmp_path / "response").read_bytes(), (tmp_path / "root.pem").read_bytes()

    assert witness.time_stamped(b"note\n", response, [root]).tzinfo is not None
    for note, given, roots in (
        (b"other\n", response, [root]),
        (b"note\n", response[:-9], [root]),
        (b"note\n", response, [(tmp_path / "authority.pem").read_bytes()]),
    ):
        with pytest.raises(IntegrityError, match="does not hold"):
            witness.time_stamped(note, given, roots)


def test_the_commands(made: tuple[Path, list[bytes]], folder: Path, tmp_path: Path) -> None:
    """`ledger show`, `export`, `prove-consistency` and `verify-consistency` on a workspace and without it."""
    run, old, out = CliRunner(), tmp_path / "old", tmp_path / "proof.json"
    old.write_bytes(made[1][0])
    shown = json.loads(run.invoke(cli.app, ["ledger", "show", str(folder), "--type", "key_rotated", "--json"]).output)
    exported = run.invoke(cli.app, ["ledger", "export", str(folder), "--out", str(tmp_path / "new"), "--json"])
    proved = run.invoke(cli.app, ["ledger", "prove-consistency", str(folder), str(old), "--out", str(out)])
    shutil.rmtree(folder)
    checked = run.invoke(cli.app, ["ledger", "verify-consistency", str(out), "--key", OLD.vkey])

    assert [entry["state"] for entry in shown["entries"]] == ["signed", "signed"]
    assert json.loads(exported.output)["size"] == shown["size"] == 6
    assert (tmp_path / "new").read_bytes() == made[1][-1]
    assert "proves that 2 entries are the first of 6" in proved.output
    assert checked.exit_code == 0
    assert isinstance(run.invoke(cli.app, ["ledger", "export", str(tmp_path)]).exception, ConfigError)
