"""The tamper table of amendments: a row or document is gone under one that holds, and under nothing else."""

import base64
import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from erasing_cases import Prepared, prepare

from corpus_gov import acts, artefacts, erasing, published, release
from corpus_gov.errors import IntegrityError
from corpus_gov.published import DOCUMENTS_ERASED
from corpus_gov.signatures import AMENDMENT_TYPE, Signer, dsse_sign, statement
from corpus_gov.workspace import Workspace

AMENDMENT = "releases/r0001/amendments/001.json"
MANIFEST = "releases/r0001/manifest/00000.e0001.parquet"
STRANGER = Signer("w-test-small", Ed25519PrivateKey.from_private_bytes(b"x" * 32))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Two releases of five documents, of which one was erased."""
    with pytest.MonkeyPatch.context() as patched:
        made = prepare(tmp_path_factory.mktemp("prepared"), patched)
        erasing.erase(made.workspace, [made.erased], reason="request:1")
        yield made


@pytest.fixture
def workspace(prepared: Prepared) -> Workspace:
    return prepared.copied()


def body(workspace: Workspace, name: str = AMENDMENT) -> dict[str, Any]:
    """Return what an amendment says."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(workspace.store.read(name))["payload"]))
    return found


def signed(workspace: Workspace, name: str, signer: Signer | None = None, **changes: Any) -> bytes:
    """Return an amendment with other values, signed again."""
    said = body(workspace)
    files = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    files = changes.pop("subject", files)
    return dsse_sign(statement(files, said["predicate"] | changes, AMENDMENT_TYPE), signer or workspace.signer())


def admit(workspace: Workspace, release_name: str, data: bytes, name: str) -> None:
    """Write an amendment and the ledger's entry for it, as whoever holds the key could."""
    workspace.store.put(name, data)
    sealed = f"releases/{release_name}/statement.json"
    digest = sha256(workspace.store.read(sealed)).hexdigest()
    acts.record(workspace, DOCUMENTS_ERASED, {name: sha256(data).hexdigest(), sealed: digest}, {})


def edited(workspace: Workspace) -> None:
    """Say that one more leaf is gone."""
    leaves = [*body(workspace)["predicate"]["leaves"], {"index": 0, "hash": "0" * 64}]
    workspace.store.put(AMENDMENT, signed(workspace, AMENDMENT, leaves=leaves))


def put_back(workspace: Workspace) -> None:
    """Put the erased row back from the release that another person kept."""
    table = artefacts.decode(workspace.store.read(MANIFEST))
    ghost = table.slice(0, 1).to_pylist()[0] | {"leaf_hash": body(workspace)["predicate"]["leaves"][0]["hash"]}
    workspace.store.put(
        MANIFEST, artefacts.encode(pa.concat_tables([table, pa.Table.from_pylist([ghost], table.schema)]))
    )


def drop_row(workspace: Workspace) -> None:
    """Drop another row of a file that was amended."""
    table = artefacts.decode(workspace.store.read(MANIFEST))
    workspace.store.put(MANIFEST, artefacts.encode(table.slice(1)))


def drop_clean(workspace: Workspace) -> None:
    """Drop a clean document of a file that was amended."""
    name = next(
        name for name in published.statement_of(workspace.store, "r0001") if "/clean/one/" in name and ".e0001" in name
    )
    workspace.store.put(name, artefacts.encode(artefacts.decode(workspace.store.read(name)).slice(1)))


def forge_without_entry(workspace: Workspace) -> None:
    """Take a row out under an amendment that no entry names."""
    drop_row(workspace)
    workspace.store.put("releases/r0001/amendments/002.json", signed(workspace, AMENDMENT, amendment="002"))


TAMPERED: dict[str, tuple[Callable[[Workspace], object], str]] = {
    "an amendment edited and signed again": (edited, f"{AMENDMENT}: SHA-256 is .*the amendment was changed"),
    "an amendment removed": (lambda ours: ours.store.delete(AMENDMENT), f"{AMENDMENT}: SHA-256 is None"),
    "an erased row put back": (put_back, f"{MANIFEST}: holds the row of doc_id .* erased by {AMENDMENT}"),
    "another row dropped": (drop_row, f"{MANIFEST}: no row for leaf 0"),
    "another clean document dropped": (drop_clean, r"clean/one/.*\.e0001\.parquet: SHA-256 is"),
    "a row dropped under an amendment without an entry": (forge_without_entry, f"{MANIFEST}: no row for leaf 0"),
    "the erasure's record changed": (lambda ours: ours.store.put("erasures/0001.json", b"{}"), r"erasures/0001\.json"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_change_is_detected_and_named(kind: str, workspace: Workspace) -> None:
    """The error names the amendment, or the file and the leaf or document that are wrong."""
    change, named = TAMPERED[kind]
    vkey = workspace.signer().vkey
    assert release.verify(workspace.store, "r0002", vkey).erased == 1
    change(workspace)

    with pytest.raises(IntegrityError, match=named):
        release.verify(workspace.store, "r0001", vkey)


def not_erased(workspace: Workspace, name: str) -> bytes:
    """Say that a leaf is gone whose row is there."""
    table = artefacts.decode(workspace.store.read(MANIFEST))
    leaf = {"index": 0, "hash": table["leaf_hash"][0].as_py()}
    return signed(workspace, name, **next_one(workspace), leaves=[leaf], dispositions={})


def of_nobody(workspace: Workspace, name: str) -> bytes:
    """Say that a leaf is gone which the tree never had."""
    return signed(workspace, name, **next_one(workspace), leaves=[{"index": 0, "hash": "0" * 64}], dispositions={})


def twice(workspace: Workspace, name: str) -> bytes:
    """Erase a leaf that an earlier amendment erased."""
    return signed(workspace, name, **next_one(workspace))


def of_another_file(workspace: Workspace, name: str) -> bytes:
    """Replace a file by what it was not."""
    return signed(workspace, name, **next_one(workspace) | {"replaced": body(workspace)["predicate"]["replaced"]})


def of_another_place(workspace: Workspace, name: str) -> bytes:
    """Give an amendment of another entry."""
    return signed(workspace, name, **next_one(workspace) | {"entry": 0}, leaves=[], dispositions={})


def by_another_key(workspace: Workspace, name: str) -> bytes:
    """Sign with a key that is not the pipeline's."""
    return signed(workspace, name, STRANGER, **next_one(workspace), leaves=[], dispositions={})


def next_one(workspace: Workspace) -> dict[str, Any]:
    """Return what a second amendment, which replaces nothing, says of itself."""
    index = sum(1 for _ in workspace.ledger().entries())
    return {"amendment": "002", "erasure": "0002", "entry": index, "replaced": [], "subject": {}}


FORGED: dict[str, tuple[Callable[[Workspace, str], bytes], str]] = {
    "of a row that is there": (not_erased, "holds the row of doc_id .* erased by"),
    "of a leaf that never was": (of_nobody, "amendments/002.json: says that leaf 0 was"),
    "of a leaf that is gone": (twice, r"amendments/002\.json: erases leaf \d, which is not there"),
    "of files that were replaced before": (of_another_file, r"amendments/002\.json: replaces .*no amendment of this"),
    "of another entry": (of_another_place, r"amendments/002\.json: states another entry"),
    "by another key": (by_another_key, r"amendments/002\.json: .*expected .* by"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_an_amendment_that_the_ledger_names_must_hold_too(kind: str, workspace: Workspace) -> None:
    """Whoever can write entries cannot make a release lose a row that is there, or look as if it had."""
    make, named = FORGED[kind]
    name = "releases/r0001/amendments/002.json"
    admit(workspace, "r0001", make(workspace, name), name)

    with pytest.raises(IntegrityError, match=named):
        release.verify(workspace.store, "r0001", workspace.signer().vkey)


def test_an_amendment_of_another_release_is_none(workspace: Workspace) -> None:
    """What was signed for r0001 cannot be used for r0002."""
    name = "releases/r0002/amendments/002.json"
    admit(workspace, "r0002", workspace.store.read(AMENDMENT), name)

    with pytest.raises(IntegrityError, match=r"r0002/amendments/002\.json"):
        release.verify(workspace.store, "r0002", workspace.signer().vkey)


def test_copies_whose_representative_was_erased_are_counted(workspace: Workspace) -> None:
    """A row that names an erased representative is expected exactly as often as the amendment says."""
    vkey = workspace.signer().vkey
    rows = workspace.release("r0001").table("manifest")
    assert pc.sum(pc.is_valid(rows["representative_id"])).as_py() == 0
    name = "releases/r0001/amendments/002.json"
    admit(
        workspace, "r0001", signed(workspace, name, **next_one(workspace), leaves=[], dispositions={}, orphans=1), name
    )

    with pytest.raises(IntegrityError, match="expected 1 that were erased"):
        release.verify(workspace.store, "r0001", vkey)
