"""Proofs of single documents: what holds, what a change of any part breaks, and an independent reader."""

import base64
import gzip
import importlib.util
import json
import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_release import DISPOSITIONS, NOW, content, doc_id, new_ledger, new_store, register
from typer.testing import CliRunner

from corpus_gov import cli, merkle, proofs, release, terminal
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.lease import Lease
from corpus_gov.ledger import Signer
from corpus_gov.signatures import canonical
from corpus_gov.store import Store, open_store

SIGNER = Signer("test", Ed25519PrivateKey.from_private_bytes(b"s" * 32))
OTHER = Signer("test", Ed25519PrivateKey.from_private_bytes(b"t" * 32))
VERIFIER = Path(__file__).parent.parent / "docs" / "verify_manifest.py"


def publish(store: Store) -> release.Release:
    """Publish a small release."""
    ledger = new_ledger(store)
    register(ledger, SIGNER)
    with Lease.take(store, "test") as lease:
        release.recover(store, lease, ledger, SIGNER)
        return release.publish(store, lease, ledger, SIGNER, content(store), time=NOW)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made = new_store(request.param, tmp_path)
    publish(made)
    return made


@pytest.fixture
def proof() -> dict[str, Any]:
    """The proof of one document of a release, to be changed."""
    store = open_store(f"memory://{secrets.token_hex(8)}")
    publish(store)
    return json.loads(proofs.unpacked(proofs.prove(store, None, doc_id(6))))


def test_every_document_is_proven(store: Store) -> None:
    """The proof of each document holds by itself and says what the manifest says."""
    for number, disposition in enumerate(DISPOSITIONS):
        proven = proofs.check(proofs.prove(store, "r0001", doc_id(number)), SIGNER.vkey)
        assert (proven.doc_id, proven.row["disposition"], proven.size) == (doc_id(number), disposition, 10)


def test_a_proof_is_the_same_twice(store: Store) -> None:
    """The second proof reads the cached roots of blocks and has the same bytes."""
    assert proofs.prove(store, None, doc_id(3)) == proofs.prove(store, None, doc_id(3))


def test_nothing_of_other_documents_is_shown(store: Store) -> None:
    """A proof holds neither names, digests nor salts of other documents."""
    data = proofs.unpacked(proofs.prove(store, None, doc_id(4))).decode()
    assert doc_id(4) in data
    for number in {*range(10)} - {4}:
        assert doc_id(number) not in data
        assert sha256(f"{number}".encode()).hexdigest() not in data


def reason(row: dict[str, Any]) -> None:
    row["reasons"] = []


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "reasons": lambda proof: reason(proof["row"]),
    "disposition": lambda proof: proof["row"].update(disposition="keep"),
    "a time that is no number": lambda proof: proof["row"].update(fetched_at="yesterday"),
    "a column": lambda proof: proof["row"].pop("uri"),
    "salt": lambda proof: proof.update(salt="0" * 64),
    "a salt that is no hex": lambda proof: proof.update(salt="salt"),
    "place": lambda proof: proof.update(place=proof["place"] + 1),
    "a negative place": lambda proof: proof.update(place=-1),
    "a shorter path": lambda proof: proof["path"].pop(),
    "a longer path": lambda proof: proof["path"].append(proof["path"][0]),
    "a hash of the path": lambda proof: proof["path"].__setitem__(0, base64.b64encode(b"x" * 32).decode()),
    "a path of numbers": lambda proof: proof.update(path=[1]),
    "a short hash": lambda proof: proof.update(path=["eHg="]),
    "root": lambda proof: proof["entry"]["data"].update(root="0" * 64),
    "a root that is no hex": lambda proof: proof["entry"]["data"].update(root="root"),
    "size": lambda proof: proof["entry"]["data"].update(size=11),
    "no size": lambda proof: proof["entry"]["data"].pop("size"),
    "time": lambda proof: proof["entry"].update(time="2020-01-01T00:00:00.000000Z"),
    "type of the entry": lambda proof: proof["entry"].update(type="key_added"),
    "an entry without an index": lambda proof: proof["entry"].pop("index"),
    "index of the entry": lambda proof: proof["entry"].update(index=0),
    "path of the entry": lambda proof: proof["entry_path"].clear(),
    "checkpoint": lambda proof: proof.update(checkpoint=proof["checkpoint"].replace("\n2\n", "\n3\n")),
    "a checkpoint of another log": lambda proof: proof.update(checkpoint="x" + proof["checkpoint"]),
    "key": lambda proof: proof.update(vkey=OTHER.vkey),
    "a key that is none": lambda proof: proof.update(vkey="key"),
    "rotations": lambda proof: proof.update(rotations=[proof["entry"]]),
    "rotations of numbers": lambda proof: proof.update(rotations=[1]),
    "format": lambda proof: proof.update(format="corpus-gov proof 2"),
    "a missing part": lambda proof: proof.pop("salt"),
    "a part of another type": lambda proof: proof.update(path="path"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_proof_does_not_hold(change: str, proof: dict[str, Any]) -> None:
    """A change of any part is an integrity error that speaks of the proof."""
    CHANGES[change](proof)
    with pytest.raises(IntegrityError, match="proof"):
        proofs.check(canonical(proof))


BOMB = gzip.compress(b"0" * (proofs.LARGEST + 1))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff", b'{"a": 1}', b"0" * (proofs.LARGEST + 1), b"\x1f\x8b", BOMB, BOMB[:-9], b"\x1f\x8b\0"],
)
def test_what_is_no_proof(data: bytes) -> None:
    """Other files are integrity errors in one line."""
    with pytest.raises(IntegrityError) as caught:
        proofs.check(data)
    assert "\n" not in str(caught.value)


def test_another_key_is_refused(proof: dict[str, Any]) -> None:
    """A proof does not hold under a key that did not sign the ledger."""
    with pytest.raises(IntegrityError, match="signature"):
        proofs.check(canonical(proof), OTHER.vkey)


def test_known_checkpoints(proof: dict[str, Any]) -> None:
    """A known checkpoint of the same size must have the same root; without one the answer says what is not shown."""
    known = proof["checkpoint"].encode()
    assert proofs.check(canonical(proof), SIGNER.vkey, [known]).trusted == ()
    assert len(proofs.check(canonical(proof)).trusted) == 2
    forked = SIGNER.sign_note(
        "\n".join([*proof["checkpoint"].split("\n")[:2], base64.b64encode(b"f" * 32).decode(), ""])
    )
    with pytest.raises(IntegrityError, match="forked"):
        proofs.check(canonical(proof), SIGNER.vkey, [forked])


@pytest.mark.parametrize("asked", ["ab" * 16, "00", "zz" * 16])
def test_a_document_that_is_not_there(store: Store, asked: str) -> None:
    """Asking for another document, or for no doc_id, is a clear error."""
    with pytest.raises(ConfigError, match="expected"):
        proofs.prove(store, None, asked)


def test_a_release_that_is_not_there(store: Store) -> None:
    """Asking for another release names those there are."""
    with pytest.raises(ConfigError, match="r0001"):
        proofs.prove(store, "r0009", doc_id(1))


@pytest.mark.parametrize("size", [1, 2, 4_095, 4_096, 4_097, 9_000])
def test_paths_through_blocks(size: int) -> None:
    """The path in a leaf's block and then that of the block is the path of RFC 9162."""
    hashes = b"".join(sha256(str(number).encode()).digest() for number in range(size))
    nodes = merkle.blocks(hashes)
    for index in {0, size // 2, size - 1}:
        first = index - index % merkle.BLOCK
        block = hashes[first * merkle.WIDTH : (first + merkle.BLOCK) * merkle.WIDTH]
        path = merkle.inclusion_proof(block, index - first) + merkle.inclusion_proof(nodes, index // merkle.BLOCK)
        assert path == merkle.inclusion_proof(hashes, index)


def test_an_independent_reader_agrees(proof: dict[str, Any]) -> None:
    """Leaf, path and root follow from the format's description, with code that shares none of the package's."""
    spec = importlib.util.spec_from_file_location("verify_manifest", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    row = b"\x01" + b"".join(reader.encode(proof["row"][name]) for name in reader.COLUMNS)
    node = sha256(b"\x00" + bytes.fromhex(proof["salt"]) + row).digest()
    path = [base64.b64decode(one) for one in proof["path"]]
    assert root_of(node, proof["place"], proof["entry"]["data"]["size"], path).hex() == proof["entry"]["data"]["root"]


def root_of(node: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Follow a path by the recursive definition of RFC 9162, 2.1.3.1."""
    if size == 1:
        assert path == []
        return node
    split = 1 << (size - 1).bit_length() - 1
    *rest, sibling = path
    if index < split:
        return sha256(b"\x01" + root_of(node, index, split, rest) + sibling).digest()
    return sha256(b"\x01" + sibling + root_of(node, index - split, size - split, rest)).digest()


def test_the_commands(tmp_path: Path) -> None:
    """`prove` writes a file, `verify-proof` reads it and nothing else; a changed one is an integrity error."""
    store = open_store(str(tmp_path / "workspace"))
    publish(store)
    file, key = tmp_path / "one.json", tmp_path / "key"
    key.write_text(SIGNER.vkey)
    run = CliRunner()
    made = run.invoke(cli.app, ["prove", str(tmp_path / "workspace"), doc_id(2), "--out", str(file), "--json"])
    assert json.loads(made.output)["bytes"] == file.stat().st_size
    (tmp_path / "workspace").rename(tmp_path / "away")
    seen = run.invoke(cli.app, ["verify-proof", str(file), "--key", str(key)])
    assert seen.exit_code == 0
    assert f"{doc_id(2)}: redact in r0001" in seen.output
    file.write_bytes(proofs.unpacked(file.read_bytes()).replace(b'"redact"', b'"keep"', 1))
    assert isinstance(run.invoke(cli.app, ["verify-proof", str(file)]).exception, IntegrityError)


def test_an_address_cannot_speak_to_the_terminal() -> None:
    """Control characters of an address are written out, as text and in JSON, where reading it gives them back."""
    address = "https://a.example/\x1b]0;x\x07\x9b2J\u202e"
    written = "https://a.example/\\u001b]0;x\\u0007\\u009b2J\\u202e"

    assert terminal.plain(address + "\n\t字") == written + "\n\t字"
    assert json.loads(terminal.plain(json.dumps({"uri": address}, ensure_ascii=False))) == {"uri": address}
