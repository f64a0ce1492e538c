"""The tamper table: each kind of change to a workspace is detected and named by `verify`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_release import NOW, ORIGIN, content, doc_id

from corpus_gov import artefacts, release
from corpus_gov.entries import KEY_ADDED, PIPELINE
from corpus_gov.errors import IntegrityError
from corpus_gov.lease import Lease
from corpus_gov.ledger import Ledger
from corpus_gov.signatures import Signer
from corpus_gov.store import LocalStore

OWN, THIEF = (Signer("test", Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32)) for n in (1, 2))
MANIFEST, CLEAN = "releases/r0002/manifest/00000.parquet", "releases/r0002/clean/site/s0.0.parquet"

ENTRY = f"ledger/entries/{1:020d}"


def write(folder: Path, generations: tuple[int, ...], signer: Signer = OWN) -> LocalStore:
    """Publish a release for each generation."""
    store = LocalStore(folder)
    ledger = Ledger(store, ORIGIN)
    ledger.append(KEY_ADDED, {}, {"vkey": signer.vkey}, actor=PIPELINE, signer=signer, time=NOW)
    for generation in generations:
        with Lease.take(store, "test") as lease:
            release.recover(store, lease, ledger, signer)
            release.publish(store, lease, ledger, signer, content(store, generation), time=NOW)
    return store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "workspace"
    write(folder, (1, 2))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "workspace"))


@pytest.fixture
def known(made: Path) -> list[bytes]:
    """The checkpoint that somebody kept elsewhere."""
    return [(made / "ledger" / "checkpoint").read_bytes()]


def flip(name: str, at: int = -200) -> Callable[[Path], None]:
    """Flip a bit of a byte."""

    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[at] ^= 1
        (folder / name).write_bytes(data)

    return change


def rewrite(name: str, change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    """Write a table again, as valid Parquet, with another content."""

    def changed(folder: Path) -> None:
        table = artefacts.decode((folder / name).read_bytes())
        (folder / name).write_bytes(artefacts.encode(change(table)))

    return changed


def replaced(table: pa.Table, column: str, row: int, value: object) -> pa.Table:
    """Replace one value of a table."""
    values = table[column].to_pylist()
    values[row] = value
    at = table.schema.get_field_index(column)
    return table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))


def kinder(table: pa.Table) -> pa.Table:
    """Edit a reason, and the disposition that it asks for."""
    rows = table["reasons"].to_pylist()
    return replaced(table, "reasons", 3, [{**rows[3][0], "code": "quality.other"}])


TAMPERED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte of the manifest": (flip(MANIFEST), MANIFEST),
    "a byte of a clean shard": (flip(CLEAN), CLEAN),
    "a byte of the tree": (flip("releases/r0002/tree", 40), "releases/r0002/tree"),
    "a byte of the run's facts": (flip("releases/r0002/run.json", 40), r"releases/r0002/run\.json"),
    "a byte of the statement": (flip("releases/r0002/statement.json", 90), r"releases/r0002/statement\.json"),
    "a byte of a ledger entry": (flip(ENTRY), ENTRY),
    "a byte of the ledger's tree": (flip("ledger/tree", 40), "ledger/tree"),
    "a byte of the checkpoint": (flip("ledger/checkpoint", 20), "ledger/checkpoint"),
    "a row dropped": (
        rewrite(MANIFEST, lambda table: pa.concat_tables([table.slice(0, 2), table.slice(3)])),
        f"{MANIFEST}: no row for leaf 2, between doc_ids '{doc_id(1)}' and '{doc_id(3)}'",
    ),
    "rows swapped": (rewrite(MANIFEST, lambda table: table.take(pa.array([0, 2, 1, 3, 4]))), f"{MANIFEST}: .*leaf 1"),
    "a reason edited": (rewrite(MANIFEST, kinder), f"{MANIFEST}: the row of doc_id '{doc_id(3)}'"),
    "a disposition edited": (
        rewrite(MANIFEST, lambda table: replaced(table, "disposition", 4, "drop")),
        f"{MANIFEST}: the row of doc_id '{doc_id(4)}'",
    ),
    "a text edited": (rewrite(CLEAN, lambda table: replaced(table, "text", 0, "another")), CLEAN),
    "a clean document dropped": (rewrite(CLEAN, lambda table: table.slice(1)), CLEAN),
    "written anew, row by row the same": (
        lambda folder: (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes() + b"\0"),
        MANIFEST,
    ),
    "a file removed": (lambda folder: (folder / CLEAN).unlink(), f"{CLEAN}: missing"),
    "a file of another release": (
        lambda folder: (folder / CLEAN).write_bytes((folder / CLEAN.replace("r0002", "r0001")).read_bytes()),
        CLEAN,
    ),
    "a statement of another release": (
        lambda folder: (folder / "releases/r0002/statement.json").write_bytes(
            (folder / "releases/r0001/statement.json").read_bytes()
        ),
        r"releases/r0002/statement\.json",
    ),
    "an entry removed": (lambda folder: (folder / ENTRY).unlink(), f"{ENTRY}: missing"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_change_is_detected_and_named(kind: str, folder: Path) -> None:
    """Without any knowledge from elsewhere: the error names the file, and the document where rows were changed."""
    change, named = TAMPERED[kind]
    change(folder)
    with pytest.raises(IntegrityError, match=named):
        release.verify(LocalStore(folder), None, OWN.vkey)


def roll_back(folder: Path) -> None:
    """Put back the whole workspace as it was after the first release."""
    shutil.rmtree(folder)
    write(folder, (1,))


def fork(folder: Path) -> None:
    """Write another second release, with the true key and everything in its place."""
    shutil.rmtree(folder)
    write(folder, (1, 3))


def replace_key(folder: Path) -> None:
    """Write the same releases again under another key."""
    shutil.rmtree(folder)
    write(folder, (1, 2), THIEF)


HISTORY: dict[str, tuple[Callable[[Path], None], str]] = {
    "rolled back": (roll_back, "known checkpoint of 3 entries: the log has 2; it was rolled back"),
    "forked": (fork, "known checkpoint of 3 entries: .*the log was forked"),
    "another key": (replace_key, "known checkpoint: no signature of"),
}


@pytest.mark.parametrize("kind", HISTORY)
def test_another_history_needs_what_was_kept_elsewhere(kind: str, folder: Path, known: list[bytes]) -> None:
    """Whole in itself, it verifies, and says what it trusts; with a known checkpoint it is detected and named."""
    change, named = HISTORY[kind]
    change(folder)
    alone = release.verify(LocalStore(folder))

    assert any("rollback and fork are not excluded" in sentence for sentence in alone.trusted)
    assert any("whoever holds the folder" in sentence for sentence in alone.trusted)
    with pytest.raises(IntegrityError, match=named):
        release.verify(LocalStore(folder), None, None, known)


def test_another_key_is_detected_by_the_key_as_well(folder: Path) -> None:
    """Whoever kept the public key needs no checkpoint to see that it was replaced."""
    replace_key(folder)
    with pytest.raises(IntegrityError, match="no signature of"):
        release.verify(LocalStore(folder), None, OWN.vkey)


def test_nothing_was_changed(folder: Path, known: list[bytes]) -> None:
    """What was left alone verifies, and with key and checkpoint from elsewhere nothing is taken on trust."""
    assert release.verify(LocalStore(folder), None, OWN.vkey, known).trusted == []
