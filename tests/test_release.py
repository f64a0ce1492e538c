import base64
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from small_release import NOW, content, doc_id, new_ledger, new_store, register

from corpus_gov import artefacts, release, schemas
from corpus_gov.errors import ConfigError, IntegrityError, SchemaError, StoreError
from corpus_gov.lease import Lease
from corpus_gov.ledger import Signer, dsse_verify, entry_name
from corpus_gov.published import optional
from corpus_gov.release import Content
from corpus_gov.store import LocalStore, Missing, Store

SIGNER = Signer("test", Ed25519PrivateKey.from_private_bytes(b"s" * 32))
THIEF = Signer("test", Ed25519PrivateKey.from_private_bytes(b"t" * 32))
STATEMENT = "releases/r0001/statement.json"


def publish(store: Store, made: Content | None = None, signer: Signer = SIGNER) -> release.Release:
    """Publish one release the way a run does."""
    ledger = new_ledger(store)
    with Lease.take(store, "test") as lease:
        release.recover(store, lease, ledger, signer)
        return release.publish(store, lease, ledger, signer, made or content(store), time=NOW)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store = new_store(request.param, tmp_path)
    register(new_ledger(store), SIGNER)
    return store


@pytest.fixture
def published(store: Store) -> list[release.Release]:
    """Two releases; their checkpoints are on the way."""
    return [publish(store), publish(store, content(store, 2))]


def change_table(store: Store, name: str, change) -> None:
    """Write a table of a release anew as valid Parquet."""
    store.put(name, artefacts.encode(change(artefacts.decode(store.read(name)))))


def with_value(table, row, column, value) -> pa.Table:
    """Replace one value of a table."""
    values = table[column].to_pylist()
    values[row] = value
    at = table.schema.get_field_index(column)
    return table.set_column(at, table.schema.field(column), pa.array(values, table.schema.field(column).type))


def test_a_release_verifies(store: Store, published: list[release.Release]) -> None:
    """A published release passes every check, the newest is the default, and nothing but the key is on trust."""
    report = release.verify(store, None, SIGNER.vkey, [published[0].checkpoint])

    assert (report.release, report.root, report.size) == ("r0002", published[1].root, 10)
    assert report.counts == {"keep": 5, "redact": 2, "quarantine": 1, "drop": 2}
    assert [name for name, done, _ in report.checks if done] == [
        *("ledger", "statement", "files", "manifest", "batches", "conservation", "clean", "duplicates")
    ]
    assert report.trusted == []


def test_every_release_stays_verifiable(store: Store, published: list[release.Release]) -> None:
    """A later release leaves the earlier ones as they were."""
    assert release.releases(store) == ["r0001", "r0002"]
    assert release.verify(store, "r0001", SIGNER.vkey).root == published[0].root
    assert published[0].root != published[1].root


def test_what_is_taken_on_trust_is_said(store: Store, published: list[release.Release]) -> None:
    """Without a key and a checkpoint from elsewhere the report names what they would have excluded."""
    report = release.verify(store)

    assert len(report.trusted) == 2
    assert "taken from the workspace itself" in report.trusted[0]
    assert "rollback and fork are not excluded" in report.trusted[1]


def test_a_shallow_check_says_what_it_left_out(store: Store, published: list[release.Release]) -> None:
    """deep=False reads every file and says that rows and documents were not hashed again."""
    checks = release.verify(store, deep=False).checks

    assert [name for name, done, _ in checks if not done] == ["manifest", "clean"]


def test_equal_content_gives_an_equal_root(store: Store) -> None:
    """The root says what is in the manifest and nothing of when it was published."""
    assert publish(store).root == publish(store).root


def test_the_statement_covers_every_file(store: Store, published: list[release.Release]) -> None:
    """The statement names all that is in the folder but the claim, itself and the younger checkpoint copy."""
    outside = {"claim", "checkpoint.txt", "statement.json"}
    named = release.statement_of(store, "r0001")
    there = [store.list("releases/r0001/") for _ in range(8)][-1]

    assert {*named} == {*there} - {f"releases/r0001/{name}" for name in outside}
    assert all(sha256(store.read(name)).hexdigest() == digest for name, digest in named.items())


def test_the_statement_says_what_was_in_force(store: Store, published: list[release.Release]) -> None:
    """Root, size, counts, parent, packs and policy are in the signed statement."""
    predicate = dsse_verify(store.read("releases/r0002/statement.json"), SIGNER.vkey)["predicate"]

    assert predicate["root"] == published[1].root
    assert predicate["parent"] == sha256(store.read(STATEMENT)).hexdigest()
    assert predicate["packs"] == ["common.pii@1:00"]
    assert predicate["policy"]["digest"] == "00"
    assert predicate["counts"]["records"] == 14
    assert predicate["rows"]["manifest/00000.parquet"] == 5


def test_the_exported_checkpoint_is_what_verify_takes(store: Store, published: list[release.Release]) -> None:
    """checkpoint.txt of an older release is a known checkpoint of the newer ones."""
    note = store.read("releases/r0001/checkpoint.txt")

    assert note == published[0].checkpoint
    assert release.verify(store, known=[note]).release == "r0002"


def test_verify_does_without_the_exported_checkpoint(store: Store, published: list[release.Release]) -> None:
    """The copy is a convenience; the next start writes it again."""
    store.delete("releases/r0002/checkpoint.txt")

    assert release.verify(store).release == "r0002"
    with Lease.take(store, "test") as lease:
        assert release.recover(store, lease, new_ledger(store), SIGNER) == ["r0002: exported its checkpoint again"]
        assert release.recover(store, lease, new_ledger(store), SIGNER) == []
    assert store.read("releases/r0002/checkpoint.txt") == published[1].checkpoint


def test_unknown_releases_are_an_error_of_the_caller(store: Store) -> None:
    """A name that was never committed, and a workspace without a release, are no integrity failures."""
    with pytest.raises(ConfigError, match="'any'"):
        release.verify(store)
    publish(store)
    with pytest.raises(ConfigError, match="r0009"):
        release.verify(store, "r0009")
    with pytest.raises(ConfigError, match="r0009"):
        release.statement_of(store, "r0009")


def test_an_empty_store_has_no_releases(tmp_path: Path) -> None:
    """Nothing was ever written: no ledger, no releases, nothing to recover."""
    store = LocalStore(tmp_path)

    assert release.releases(store) == []
    with Lease.take(store, "test") as lease:
        assert release.recover(store, lease, new_ledger(store), SIGNER) == []


# One tamper case a row: what is done to the store, and what the error must name.
TAMPERED = {
    "changed reason": (
        lambda store: change_table(
            store,
            "releases/r0001/manifest/00000.parquet",
            lambda table: with_value(
                table, 3, "reasons", [{"code": "harmless", "disposition": "drop", "category": "", "legal": ""}]
            ),
        ),
        rf"manifest/00000\.parquet.*{doc_id(3)}",
    ),
    "dropped row": (
        lambda store: change_table(
            store,
            "releases/r0001/manifest/00001.parquet",
            lambda table: pa.concat_tables([table.slice(0, 1), table.slice(2)]),
        ),
        rf"manifest/00001\.parquet.*{doc_id(5)}.*{doc_id(7)}",
    ),
    "dropped manifest file": (
        lambda store: store.delete("releases/r0001/manifest/00001.parquet"),
        r"manifest/00001\.parquet: missing",
    ),
    "columns outside of the leaf": (
        lambda store: change_table(
            store, "releases/r0001/manifest/00000.parquet", lambda table: with_value(table, 0, "row", 99)
        ),
        r"manifest/00000\.parquet: SHA-256",
    ),
    "manifest of another schema": (
        lambda store: change_table(
            store, "releases/r0001/manifest/00000.parquet", lambda table: table.drop_columns(["actor"])
        ),
        r"manifest/00000\.parquet: cannot be read as manifest",
    ),
    "no Parquet at all": (
        lambda store: store.put("releases/r0001/manifest/00000.parquet", b"PAR1"),
        r"manifest/00000\.parquet: cannot be read as manifest",
    ),
    "swapped clean shards": (
        lambda store: store.put(
            "releases/r0001/clean/site/s0.0.parquet", store.read("releases/r0001/clean/site/s1.0.parquet")
        ),
        r"clean/site/s0\.0\.parquet: SHA-256",
    ),
    "clean shard of another release": (
        lambda store: store.put(
            "releases/r0001/clean/site/s0.0.parquet", store.read("releases/r0002/clean/site/s0.0.parquet")
        ),
        r"clean/site/s0\.0\.parquet: SHA-256",
    ),
    "changed text": (
        lambda store: change_table(
            store, "releases/r0001/clean/site/s1.0.parquet", lambda table: with_value(table, 0, "text", "poison")
        ),
        r"clean/site/s1\.0\.parquet: SHA-256",
    ),
    "changed run": (lambda store: store.put("releases/r0001/run.json", b"{}"), r"r0001/run\.json: SHA-256"),
    "changed tree": (lambda store: store.put("releases/r0001/tree", bytes(320)), r"r0001/tree: SHA-256"),
    "changed statement": (lambda store: store.put(STATEMENT, b"{}"), r"r0001/statement\.json: SHA-256"),
    "no statement": (lambda store: store.delete(STATEMENT), r"r0001/statement\.json: SHA-256 is None"),
    "statement of another release": (
        lambda store: store.put(STATEMENT, store.read("releases/r0002/statement.json")),
        r"r0001/statement\.json: SHA-256",
    ),
    "replaced key": (
        lambda store: store.put("releases/r0001/vkey", f"{THIEF.vkey}\n".encode()),
        r"ledger/checkpoint.*test",
    ),
    "no key": (lambda store: store.put("releases/r0001/vkey", b"nonsense"), r"r0001/vkey: holds no public key"),
    "foreign checkpoint copy": (
        lambda store: store.put("releases/r0001/checkpoint.txt", THIEF.sign_note("corpus-gov/test\n1\nAA==\n")),
        r"r0001/checkpoint\.txt",
    ),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_tampering_is_found_and_named(store: Store, published: list[release.Release], case: str) -> None:
    """Whatever is changed in a release, verify fails and names the file, and the doc_id where it was a row."""
    tamper, named = TAMPERED[case]

    tamper(store)

    with pytest.raises(IntegrityError, match=named):
        release.verify(store, "r0001")


def test_a_replaced_key_is_found_by_who_has_the_real_one(store: Store, published: list[release.Release]) -> None:
    """With the key from elsewhere, the workspace's copy is a file like any other."""
    store.put("releases/r0001/vkey", f"{THIEF.vkey}\n".encode())

    with pytest.raises(IntegrityError, match=r"r0001/vkey: SHA-256"):
        release.verify(store, "r0001", SIGNER.vkey)


def test_a_workspace_signed_anew_fails_under_the_real_key(tmp_path: Path) -> None:
    """Whoever rewrites all of it with a key of their own is found by the key kept elsewhere, and only by that."""
    store = new_store("local", tmp_path)
    register(new_ledger(store), THIEF)
    publish(store, signer=THIEF)

    assert release.verify(store).trusted[0].startswith("the public key was taken from the workspace")
    with pytest.raises(IntegrityError, match=r"ledger/checkpoint"):
        release.verify(store, None, SIGNER.vkey)


def cut(store: Store, *, forget_copy: bool) -> None:
    """Put ledger and checkpoint back to where they were before the second release."""
    size = 2
    store.put("ledger/checkpoint", store.read("releases/r0001/checkpoint.txt"))
    store.put("ledger/tree", store.read("ledger/tree")[: 32 * size])
    store.delete(entry_name(size))
    if forget_copy:
        store.delete("releases/r0002/checkpoint.txt")


def test_a_cut_ledger_fails_against_a_known_checkpoint(store: Store, published: list[release.Release]) -> None:
    """A rollback that leaves no trace inside is found by the checkpoint kept elsewhere."""
    cut(store, forget_copy=True)

    with pytest.raises(IntegrityError, match="rolled back"):
        release.verify(store, None, SIGNER.vkey, [published[1].checkpoint])


def test_a_perfectly_cut_ledger_passes_without_one_and_says_so(store: Store, published: list[release.Release]) -> None:
    """Without a known checkpoint the older state is whole, and the report does not claim more."""
    cut(store, forget_copy=True)

    report = release.verify(store, None, SIGNER.vkey)

    assert report.release == "r0001"
    assert any("rollback" in note for note in report.trusted)


def test_a_carelessly_cut_ledger_is_found_by_the_exported_copy(store: Store, published: list[release.Release]) -> None:
    """The exported checkpoint of the release that was cut off gives the cut away, to verify and to recovery."""
    cut(store, forget_copy=False)

    with pytest.raises(IntegrityError, match=r"r0002/checkpoint\.txt.*rolled back"):
        release.verify(store)
    with pytest.raises(IntegrityError, match=r"r0002.*ledger was cut"):
        release.verify(store, "r0002")
    with Lease.take(store, "test") as lease, pytest.raises(IntegrityError, match="nothing was removed"):
        release.recover(store, lease, new_ledger(store), SIGNER)
    assert store.read("releases/r0002/statement.json")


def test_a_ledger_without_checkpoint_fails(store: Store, published: list[release.Release]) -> None:
    """Entries that no checkpoint covers are more than a crash leaves."""
    store.delete("ledger/checkpoint")

    with pytest.raises((IntegrityError, ConfigError)):
        release.verify(store, "r0001")
    with Lease.take(store, "test") as lease, pytest.raises(IntegrityError, match="two entries lie beyond"):
        release.recover(store, lease, new_ledger(store), SIGNER)


def test_lost_representatives_are_found(store: Store) -> None:
    """A document dropped for one that the release does not hold is a lost text, whoever signed it."""
    publish(store, content(store, representatives={6: doc_id(3)}))

    with pytest.raises(IntegrityError, match=f"{doc_id(6)}.*{doc_id(3)}"):
        release.verify(store)


def test_clean_documents_must_match_the_manifest(store: Store) -> None:
    """A signed release whose clean text is not what its manifest says fails, naming file and document."""
    made, other = content(store), content(store, 2)
    publish(store, replace(made, clean=[other.clean[0], made.clean[1]]))

    with pytest.raises(IntegrityError, match=rf"clean/site/s0\.0\.parquet: document '{doc_id(0)}'"):
        release.verify(store)


def test_every_released_document_must_be_there(store: Store) -> None:
    """A signed release without one of its clean shards fails, naming a document."""
    made = content(store)
    publish(store, replace(made, clean=made.clean[:1]))

    with pytest.raises(IntegrityError, match=f"no document '{doc_id(1)}'"):
        release.verify(store)


def test_no_document_may_be_there_twice(store: Store) -> None:
    """A signed release that holds a document twice fails, naming it."""
    made = content(store)
    again = replace(made.clean[1], name="clean/site/s2.0.parquet")
    publish(store, replace(made, clean=[*made.clean, again]))

    with pytest.raises(IntegrityError, match=f"document '{doc_id(1)}'.*there twice"):
        release.verify(store)


def test_statement_and_rows_must_have_equal_counts(store: Store) -> None:
    """Counts that balance among themselves and not with the rows fail."""
    made = content(store)
    counts = made.run["counts"] | {"dispositions": dict.fromkeys(schemas.DISPOSITIONS, 0) | {"keep": 10}}
    publish(store, replace(made, run={**made.run, "counts": counts}))

    with pytest.raises(IntegrityError, match=r"run\.json: counts"):
        release.verify(store)


@pytest.mark.parametrize(
    "changed",
    [
        {"records": 99},
        {"documents": 9},
        {"captures": {"document": 9, "skipped": 5}},
        {"captures": {"document": 10, "vanished": 4}},
        {"dispositions": {"keep": 9}},
    ],
)
def test_counts_that_do_not_balance_publish_nothing(store: Store, changed: dict[str, Any]) -> None:
    """Conservation is checked before the first write."""
    made = content(store)

    with pytest.raises(IntegrityError):
        publish(store, replace(made, run={**made.run, "counts": made.run["counts"] | changed}))

    with pytest.raises(Missing):
        store.read("releases/r0001/claim")


def test_a_root_of_another_tree_publishes_nothing(store: Store) -> None:
    """Root, tree and size are held against each other before the first write."""
    made = content(store)

    for wrong in ({"root": "00" * 32}, {"tree": made.tree[:-32]}, {"size": 9}):
        with pytest.raises(IntegrityError, match="nothing was written"):
            publish(store, replace(made, **wrong))


@pytest.mark.parametrize("missing", ["counts", "packs", "policy"])
def test_a_run_without_its_facts_is_a_bug(store: Store, missing: str) -> None:
    """The statement's facts must be there."""
    made = content(store)

    with pytest.raises(SchemaError, match="run facts"):
        publish(store, replace(made, run={k: v for k, v in made.run.items() if k != missing}))


@pytest.mark.parametrize("asked", [1, 2])
def test_a_writer_that_lost_its_lease_after_the_entry_replaces_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    """A process that wakes up after its turn leaves the checkpoint as it is; its successor finishes the entry."""
    made, ledger, number = content(store), new_ledger(store), 0
    before, entry = ledger.checkpoint(), entry_name(sum(1 for _ in ledger.entries()))

    def over(self: Lease) -> None:
        nonlocal number
        number += optional(store, entry) is not None
        if number == asked:
            raise StoreError("lease: over")

    with Lease.take(store, "test") as lease:
        release.recover(store, lease, ledger, SIGNER)
        monkeypatch.setattr(Lease, "check", over)
        with pytest.raises(StoreError, match="over"):
            release.publish(store, lease, ledger, SIGNER, made, time=NOW)
    monkeypatch.undo()
    assert ledger.checkpoint() == before
    assert release.releases(store) == []

    with Lease.take(store, "successor") as lease:
        assert "finished" in release.recover(store, lease, ledger, SIGNER)[0]
    assert release.releases(store) == ["r0001"]
    assert release.verify(store).release == "r0001"


def test_a_changed_artefact_is_not_published(store: Store) -> None:
    """A part that is not what was built stops the release, and the next start cleans up."""
    made = content(store)
    store.put(made.clean[1].artefact, b"bit rot")

    with pytest.raises(IntegrityError, match=made.clean[1].artefact):
        publish(store, made)

    assert release.releases(store) == []
    assert publish(store).name == "r0001"


def test_a_claimed_number_is_left_alone(store: Store) -> None:
    """Without recovery a claim stops the writer: it may be another one's."""
    store.put("releases/r0001/claim", b"{}")

    with Lease.take(store, "test") as lease, pytest.raises(StoreError, match="r0001/claim: already there"):
        release.publish(store, lease, new_ledger(store), SIGNER, content(store))


def test_files_of_a_successor_are_not_replaced(store: Store) -> None:
    """A writer that finds another one's file stops instead of writing over it."""
    store.put("releases/r0001/tree", b"another process")

    with pytest.raises(StoreError, match="r0001/tree: another process wrote it"):
        publish(store)


def test_a_writer_without_the_lease_writes_nothing(store: Store) -> None:
    """After the end of its turn a writer stops before the claim."""
    lease = Lease.take(store, "test")
    lease.release()

    with pytest.raises(StoreError, match="is over"):
        release.publish(store, lease, new_ledger(store), SIGNER, content(store))
    with pytest.raises(StoreError, match="is over"):
        release.recover(store, lease, new_ledger(store), SIGNER)
    with pytest.raises(Missing):
        store.read("releases/r0001/claim")


def test_an_uncovered_entry_of_a_damaged_release_is_taken_back(store: Store, published: list[release.Release]) -> None:
    """An append cut off before the checkpoint is undone when its files did not survive; the number is used again."""
    before = store.read("releases/r0001/checkpoint.txt")
    store.put("ledger/checkpoint", before)
    store.delete("releases/r0002/checkpoint.txt")
    store.put("releases/r0002/tree", b"lost")

    with Lease.take(store, "test") as lease:
        done = release.recover(store, lease, new_ledger(store), SIGNER)

    assert done == [
        f"{entry_name(2)}: taken back, files of r0002 are damaged and no checkpoint covered it",
        "r0002: discarded, its run was interrupted before the commit",
    ]
    assert release.verify(store).release == "r0001"
    assert publish(store).name == "r0002"


def test_a_forged_entry_beyond_the_checkpoint_is_kept_for_a_person(
    store: Store, published: list[release.Release]
) -> None:
    """What the pipeline did not sign was not left by a crash."""
    raw = json.loads(store.read(entry_name(2)))
    raw["signatures"] = {THIEF.verifier.reference: base64.b64encode(bytes(64)).decode()}
    forged = json.dumps(raw | {"index": 3, "data": raw["data"] | {"release": "r0003"}}, sort_keys=True)
    store.put(entry_name(3), forged.replace(", ", ",").replace(": ", ":").encode())

    with Lease.take(store, "test") as lease, pytest.raises(IntegrityError, match="no signature"):
        release.recover(store, lease, new_ledger(store), SIGNER)


def test_a_claim_cannot_remove_what_is_not_its_own(store: Store, published: list[release.Release]) -> None:
    """A claim that lists other files than its release's is refused."""
    claim = {"release": "r0003", "fencing": 1, "files": ["../r0001/tree"]}
    store.put("releases/r0003/claim", json.dumps(claim).encode())

    with Lease.take(store, "test") as lease, pytest.raises(StoreError, match="expected a relative path"):
        release.recover(store, lease, new_ledger(store), SIGNER)
    assert release.verify(store, "r0001")
