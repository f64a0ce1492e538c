"""Physical erasure: what is gone, what stays, what verifies, and what the next release makes of it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import small_corpus
from erasing_cases import MARK, Prepared, objects, prepare, row, suppress, texts, write_inputs
from leakscan import scan as scan_files
from small_corpus import AS_OF, make

from corpus_gov import actors, artefacts, erasing, explain, generations, holds, leakscan, pipeline, proofs, release
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.partial import verify_part
from corpus_gov.stages import shard_id
from corpus_gov.workspace import Workspace


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Two releases of five documents."""
    with pytest.MonkeyPatch.context() as patched:
        yield prepare(tmp_path_factory.mktemp("prepared"), patched)


@pytest.fixture
def workspace(prepared: Prepared) -> Workspace:
    return prepared.copied()


def holders(workspace: Workspace) -> set[str]:
    """Name the objects that hold the mark, or a digest of the text that has it."""
    values = {**leakscan.of_text(texts()[1]), "mark": MARK.encode()}
    return {name for name, _ in leakscan.scan(workspace.store, values).found}


def test_nothing_of_the_document_is_left(prepared: Prepared, workspace: Workspace) -> None:
    """Text, title, address and digests are in shards, cache and releases before, and in no object after."""
    before = holders(workspace)
    assert {name.partition("/")[0] for name in before} == {"documents", "captures", "artefacts", "releases"}

    done = erasing.erase(workspace, [prepared.erased], reason="request:1")

    assert holders(workspace) == set()
    assert (done.erasure, done.documents, done.rows, done.purged) == ("0001", 1, 2, 0)
    assert done.releases == ("r0001", "r0002")
    assert done.amendments == ("releases/r0001/amendments/001.json", "releases/r0002/amendments/001.json")
    assert any("input files" in one for one in done.beyond)


def test_releases_verify_under_their_amendments(prepared: Prepared, workspace: Workspace) -> None:
    """Each release keeps root and size, and says how many rows were erased."""
    roots = {name: release.verify(workspace.store, name).root for name in workspace.releases()}

    erasing.erase(workspace, [prepared.erased], reason="request:1")

    for name, root in roots.items():
        found = release.verify(workspace.store, name, workspace.signer().vkey)
        assert (found.root, found.size, found.erased, found.unfinished) == (root, 5, 1, ())
        assert sum(found.counts.values()) == 4
        assert any(check == "amendments" and "1 rows erased" in said for check, _, said in found.checks)


def test_what_stays_is_what_it_was(prepared: Prepared, workspace: Workspace) -> None:
    """Rows of other documents keep every value, salt and leaf; their captures, findings and edges can be explained."""
    other = prepared.doc_ids[0]
    before, explained = row(workspace, other, "r0001"), explain.explain(workspace.release("r0001"), other)

    erasing.erase(workspace, [prepared.erased], reason="request:1")

    assert row(workspace, other, "r0001") == before
    after = explain.explain(workspace.release("r0001"), other)
    assert after["findings"] == explained["findings"]
    assert after["captures"] == explained["captures"]
    assert after["chain"][-1]["released_sha256"] == explained["chain"][-1]["released_sha256"]
    assert after["chain"][-1]["file_sha256"] is not None


def test_captures_stay_and_say_that_they_are_suppressed(prepared: Prepared, workspace: Workspace) -> None:
    """The record and its repeat in another file still balance; what a guess could be held against is null."""
    before = workspace.shards()

    done = erasing.erase(workspace, [prepared.erased], reason="request:1")

    after = workspace.shards()
    assert [shard.records for shard in after] == [shard.records for shard in before]
    assert {shard.ref for shard in after} - {shard.ref for shard in before} == {*done.shards}
    rows = [one for one in workspace.release().table("captures").to_pylist() if one["outcome"] == "suppressed"]
    assert [(one["reason"], *(one[name] for name in generations.BLANK)) for one in rows] == [
        ("request:1", None, None, None, None)
    ] * 2


def test_the_next_release_is_the_one_without_the_document(
    prepared: Prepared, workspace: Workspace, tmp_path: Path
) -> None:
    """Cleaned texts and decisions of the others are those of a corpus that never held it."""
    write_inputs(tmp_path / "inputs")
    for name in ("a", "b"):
        lines = [line for line in (tmp_path / f"inputs/{name}.jsonl").read_text().splitlines() if MARK not in line]
        (tmp_path / f"inputs/{name}.jsonl").write_text("\n".join([*lines, ""]))
    fresh = make(f"memory://{tmp_path.name}", tmp_path / "inputs", shard_rows=2)

    erasing.erase(workspace, [prepared.erased], reason="request:1")

    with Engine(workers=1) as engine:
        for one in (workspace, fresh):
            assert pipeline.run(one, engine=engine, as_of=AS_OF).published
    columns = [name for name in workspace.release().table("manifest").column_names if name not in {"shard", "row"}]
    found, expected = (one.release().table("manifest", columns) for one in (workspace, fresh))
    assert found == expected
    assert release.verify(workspace.store, None, workspace.signer().vkey).erased == 0


def test_artefacts_of_what_stays_are_not_built_again(prepared: Prepared, workspace: Workspace) -> None:
    """Signals and findings of touched shards are filtered; the next run measures and screens nothing."""
    erasing.erase(workspace, [prepared.erased], reason="request:1")
    kinds = ("artefacts/signals.", "artefacts/findings.pii", "artefacts/keys.near", "artefacts/keys.exact")
    before = {name for name in objects(workspace) if name.startswith(kinds)}

    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=AS_OF)

    assert {name for name in objects(workspace) if name.startswith(kinds)} == before


def test_a_second_erasure_amends_what_the_first_left(prepared: Prepared, workspace: Workspace) -> None:
    """Amendments form a chain: leaves of both are gone, and the files of the first are replaced again."""
    erasing.erase(workspace, [prepared.erased], reason="request:1")

    done = erasing.erase(workspace, [prepared.doc_ids[0]], reason="request:2")

    assert (done.erasure, done.amendments[0]) == ("0002", "releases/r0001/amendments/002.json")
    found = release.verify(workspace.store, "r0001", workspace.signer().vkey)
    assert (found.size, found.erased, found.unfinished) == (5, 2, ())
    held = [name for name in objects(workspace) if name.startswith("releases/r0001/manifest/")]
    assert held == ["releases/r0001/manifest/00000.e0002.parquet"]


def test_a_release_after_an_erasure_is_amended_like_any(prepared: Prepared, workspace: Workspace) -> None:
    """A later release names the new generation of the shard, and can lose rows itself."""
    erasing.erase(workspace, [prepared.erased], reason="request:1")
    suppress(workspace, prepared.erased)
    with Engine(workers=1) as engine:
        pipeline.run(workspace, engine=engine, as_of=AS_OF)

    erasing.erase(workspace, [prepared.doc_ids[0]], reason="request:2")

    erased = {name: release.verify(workspace.store, name).erased for name in workspace.releases()}
    assert erased == {"r0001": 2, "r0002": 2, "r0003": 1}
    assert {shard_id(ref) for ref in workspace.release("r0001").run["shards"]} == {
        shard.shard_id for shard in workspace.shards()
    }


def test_rows_may_stay_where_only_the_bytes_go(prepared: Prepared, workspace: Workspace) -> None:
    """With keep_rows the manifest is untouched: it says what was decided and why; the text is in no object."""
    before = row(workspace, prepared.erased, "r0001")

    done = erasing.erase(workspace, [prepared.erased], reason="retention:severe", keep_rows=True)

    assert (done.documents, done.rows, done.purged) == (1, 0, 2)
    assert row(workspace, prepared.erased, "r0001") == before
    found = release.verify(workspace.store, "r0001", workspace.signer().vkey)
    assert (found.erased, sum(found.counts.values())) == (0, 5)
    assert any("1 clean documents purged" in said for _, _, said in found.checks)
    assert {name for name, _ in leakscan.scan(workspace.store, {"text": texts()[1].encode()}).found} == set()
    assert erasing.erase(workspace, [prepared.erased], reason="request:3").rows == 2


def test_ids_that_are_nowhere_change_nothing(workspace: Workspace) -> None:
    """An erasure of nothing writes no entry and no amendment, and says so."""
    size = len(list(workspace.ledger().entries()))

    done = erasing.erase(workspace, ["0" * 32], reason="request:1")

    assert (done.erasure, done.documents, done.amendments, done.entry) == ("", 0, (), -1)
    assert len(list(workspace.ledger().entries())) == size
    assert not any(name.startswith("erasures/") for name in objects(workspace))


def test_the_ledger_says_who_and_why(prepared: Prepared, workspace: Workspace) -> None:
    """The entry names record, amendments and statements by digest, and no document."""
    actors.new(workspace, "li.na")
    when = datetime(2026, 11, 2, 9, tzinfo=UTC)

    done = erasing.erase(
        workspace, [prepared.erased], reason="request:1", actor="li.na",
        actor_signer=actors.signer(workspace, "li.na"), time=when,
    )  # fmt: skip

    entry = list(workspace.ledger().entries())[done.entry]
    assert (entry.type, entry.actor, entry.state) == ("documents_erased", "li.na", "signed")
    assert entry.time.startswith("2026-11-02T09:00:00")
    assert {*entry.subject} == {
        "erasures/0001.json", *done.amendments, "releases/r0001/statement.json", "releases/r0002/statement.json",
    }  # fmt: skip
    assert prepared.erased not in json.dumps([entry.data, *entry.subject])


@pytest.mark.parametrize(("doc_id", "reason"), [("zz", "request:1"), ("0" * 32, "Ms Lin asked")])
def test_malformed_words_are_refused(workspace: Workspace, doc_id: str, reason: str) -> None:
    """An id that is none and a reason that could name somebody are refused before anything is written."""
    with pytest.raises(ConfigError, match="expected 32 hex digits and a word"):
        erasing.erase(workspace, [doc_id], reason=reason)
    assert not any(name.startswith("erasures/") for name in objects(workspace))


def test_what_is_under_a_legal_hold_stays(prepared: Prepared, workspace: Workspace) -> None:
    """A hold stops the erasure until it is lifted or has expired."""
    hold = holds.give(workspace, [prepared.erased], why="Case 7", actor="counsel", expires=date(2099, 1, 1))
    assert holds.held(workspace, date(2099, 1, 2)) == frozenset()
    with pytest.raises(ConfigError, match="1 of 1 documents are under a legal hold"):
        erasing.erase(workspace, [prepared.erased], reason="request:1")

    holds.lift(workspace, hold["hold_id"], "counsel")

    assert erasing.erase(workspace, [prepared.erased], reason="request:1").documents == 1
    assert holds.listed(workspace) == []


def test_a_damaged_file_is_not_vouched_for(prepared: Prepared, workspace: Workspace) -> None:
    """What somebody else changed stops the erasure, which is taken back whole; restored, it goes through."""
    name = next(name for name in objects(workspace) if name.startswith("releases/r0002/clean/one/"))
    whole = workspace.store.read(name)
    before = objects(workspace)
    table = artefacts.decode(whole)
    changed = table.set_column(4, table.schema.field(4), pa.array(["another"] * len(table), pa.large_string()))
    workspace.store.put(name, artefacts.encode(changed))

    with pytest.raises(IntegrityError, match=name):
        erasing.erase(workspace, [prepared.erased], reason="request:1")

    assert {one for one in objects(workspace) if not one.startswith(("lease/", "artefacts/"))} == {
        one for one in before if not one.startswith(("lease/", "artefacts/"))
    }
    workspace.store.put(name, whole)
    assert erasing.erase(workspace, [prepared.erased], reason="request:1").documents == 1


def test_proofs_of_others_hold_and_none_is_made_of_the_erased(prepared: Prepared, workspace: Workspace) -> None:
    """A proof made before still verifies, and so does one made after; of the erased row there is none."""
    others = [doc_id for doc_id in prepared.doc_ids if doc_id != prepared.erased]
    before = {doc_id: proofs.prove(workspace.store, "r0001", doc_id) for doc_id in others}

    erasing.erase(workspace, [prepared.erased], reason="request:1")

    for doc_id, made in before.items():
        again = proofs.check(proofs.prove(workspace.store, "r0001", doc_id), workspace.signer().vkey)
        first = proofs.check(made, workspace.signer().vkey)
        assert (first.doc_id, first.row, first.root) == (again.doc_id, again.row, again.root)
    with pytest.raises(ConfigError, match="it may be one of the 1 that were erased"):
        proofs.prove(workspace.store, "r0001", prepared.erased)


def test_parts_of_a_release_verify(prepared: Prepared, workspace: Workspace) -> None:
    """One document, and one shard under the name that its rows have, are checked at their leaves."""
    name = row(workspace, prepared.doc_ids[0])["shard"]
    erasing.erase(workspace, [prepared.erased], reason="request:1")

    for doc_id in prepared.doc_ids:
        if doc_id != prepared.erased:
            assert sum(verify_part(workspace.store, None, doc_id=doc_id).counts.values()) == 1
    assert verify_part(workspace.store, None, shard=name).erased == 1
    with pytest.raises(ConfigError, match="1 rows were erased"):
        verify_part(workspace.store, None, doc_id=prepared.erased)


def test_a_copy_may_outlive_its_representative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release whose dropped copies stay without their representative verifies, after a second erasure too."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    small_corpus.write_inputs(tmp_path / "inputs", 20)
    made = make(tmp_path / "workspace", tmp_path / "inputs")
    with Engine(workers=1) as engine:
        made.run(engine=engine, as_of=AS_OF)
    rows = made.release().table("manifest").to_pylist()
    named = sorted({one["representative_id"] for one in rows} - {None})
    copy = next(one["doc_id"] for one in rows if one["representative_id"] == named[0])

    for doc_ids, erased in ((named, len(named)), ([copy], len(named) + 1)):
        erasing.erase(made, doc_ids, reason="request:1")
        found = release.verify(made.store, "r0001", made.signer().vkey)
        assert (found.size, found.erased) == (len(rows), erased)


def test_the_verifier_without_the_package_agrees(prepared: Prepared, workspace: Workspace, tmp_path: Path) -> None:
    """docs/verify_manifest.py checks an amended release from its folder alone, and sees a row that went without one."""
    erasing.erase(workspace, [prepared.erased], reason="request:1")
    erasing.erase(workspace, [prepared.doc_ids[3]], reason="request:2")
    for name, data in objects(workspace).items():
        if name.startswith("releases/r0001/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(data)
    folder = tmp_path / "releases/r0001"
    command = [sys.executable, "docs/verify_manifest.py", str(folder)]

    right = subprocess.run(command, capture_output=True, text=True, check=False)
    (rows,) = (folder / "manifest").iterdir()
    rows.write_bytes(artefacts.encode(artefacts.decode(rows.read_bytes()).slice(1)))
    wrong = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.startswith("ok: 5 rows, 2 of them erased, root ")
    assert wrong.returncode == 1
    assert "is not what 002.json says" in wrong.stderr


def test_a_stronger_scan_of_a_folder_agrees(prepared: Prepared, tmp_path: Path) -> None:
    """On disk, whatever it is packed or escaped in, nothing is left, in file names neither.

    Tables that both releases have are one file under two names, before and after.
    """
    made = prepared.on_disk(tmp_path / "workspace")
    assert scan_files([tmp_path / "workspace"], [MARK])

    erasing.erase(made, [prepared.erased], reason="request:1")

    clean = [tmp_path / "workspace/releases" / name / "clean/one" for name in ("r0001", "r0002")]
    ours, theirs = ([one for one in sorted(folder.iterdir()) if ".e0001." in one.name] for folder in clean)
    assert [one.stat().st_ino for one in ours] == [one.stat().st_ino for one in theirs] != []
    assert [release.verify(made.store, name).erased for name in ("r0001", "r0002")] == [1, 1]
    assert scan_files([tmp_path / "workspace"], [MARK, texts()[1]]) == []
