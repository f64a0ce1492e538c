"""Inputs in buckets: which objects patterns name, and that they are read as files of a folder would be, once."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
import s3_server
import small_corpus
from obstore.store import S3Store
from test_pipeline import root, run

from corpus_gov import buckets, config, intake, landing, register, watch
from corpus_gov.dossier import Complete
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.workspace import Workspace, open_workspace

NAMES = ("a.jsonl", "b.jsonl", "c.jsonl", "in/d.jsonl", "in/deep/e.jsonl", "in/f.jsonl.part", "in/[1].txt")


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Store]:
    """A bucket with objects that hold their names."""
    with s3_server.serving():
        store = S3Store(s3_server.BUCKET)
        for name in NAMES:
            obstore.put(store, f"names/{name}", name.encode())
        yield store


@pytest.fixture
def delivery(bucket, tmp_path, monkeypatch) -> str:
    """The small corpus in a folder of the bucket of its own; gives the folder's name."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    small_corpus.write_inputs(tmp_path / "inputs", 12)
    for file in (tmp_path / "inputs").iterdir():
        obstore.put(bucket, f"{tmp_path.name}/{file.name}", file.read_bytes())
    return tmp_path.name


def made(folder: Path, delivery: str) -> Workspace:
    """Make a workspace whose sources lie in the bucket."""
    workspace = small_corpus.make(folder / "w", folder / "inputs")
    for source, pattern in (("one", "[ab].jsonl"), ("two", "c.jsonl")):
        rewrite(workspace, source, inputs=(f"s3://{s3_server.BUCKET}/{delivery}/{pattern}",))
    return open_workspace(workspace.url)


def rewrite(workspace: Workspace, source: str, **changed: object) -> None:
    """Write a dossier anew."""
    dossier = workspace.dossiers[source].model_copy(update=changed)
    register.add(workspace.store, f"sources/{source}.yaml", config.dump_dossier(dossier).encode())


def land_in(workspace: Workspace, folder: str) -> None:
    """Name the folder for copies."""
    reading = workspace.settings.ingest.model_copy(update={"landing": folder})
    workspace.settings = workspace.settings.model_copy(update={"ingest": reading})


def dossier(*inputs: str, **more: object) -> config.Dossier:
    return config.Dossier(source_id="one", kind="unassessed", title="one", inputs=inputs, **more)


def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the names of the objects that are copied from now on."""
    names: list[str] = []
    real = buckets.copy

    def noting(one: buckets.Object, file: Path) -> bool:
        names.append(one.name.rpartition("/")[2])
        return real(one, file)

    monkeypatch.setattr(buckets, "copy", noting)
    return names


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("names/*.jsonl", ["a.jsonl", "b.jsonl", "c.jsonl"]),
        ("names/[ab].jsonl", ["a.jsonl", "b.jsonl"]),
        ("names/**/*.jsonl", ["a.jsonl", "b.jsonl", "c.jsonl", "in/d.jsonl", "in/deep/e.jsonl"]),
        ("names/in", ["[1].txt", "d.jsonl", "deep/e.jsonl"]),
        ("names/in/*/e.jsonl", ["deep/e.jsonl"]),
        ("names/a.jsonl", ["a.jsonl"]),
        ("names/in/[[]1].txt", ["[1].txt"]),
        ("names/a", []),
        ("n*/a.jsonl", ["names/a.jsonl"]),
    ],
)
def test_patterns_name_objects_as_they_do_files(bucket, pattern, named, tmp_path):
    """Names begin after the last part without a wildcard; an unfinished one waits; a folder is all below it."""
    found = watch.find(dossier(f"s3://{s3_server.BUCKET}/{pattern}"), tmp_path, 0.0)

    assert [one.record_file for one in found.files] == named
    assert found.waiting == (pattern == "names/in")


def test_an_object_is_taken_when_it_is_complete(bucket, tmp_path):
    """A marker beside it, or so many seconds since it was written, are asked of the bucket's listing."""
    pattern = f"s3://{s3_server.BUCKET}/complete/*.jsonl"
    for name in ("a.jsonl", "b.jsonl", "a.jsonl.done"):
        obstore.put(bucket, f"complete/{name}", b"{}")
    written = bucket.head("complete/b.jsonl")["last_modified"].timestamp()

    marked = watch.find(dossier(pattern, complete=Complete(marker=".done")), tmp_path, 0.0)
    young = watch.find(dossier(pattern, complete=Complete(after_seconds=600)), tmp_path, written + 599)
    old = watch.find(dossier(pattern, complete=Complete(after_seconds=600)), tmp_path, written + 601)

    assert ([one.record_file for one in marked.files], marked.waiting) == (["a.jsonl"], 1)
    assert (young.files, young.waiting) == ([], 2)
    assert len(old.files) == 2


@pytest.mark.parametrize("pattern", ["s3://", "s3://B/x", "s3:///x"])
def test_an_address_of_no_bucket_is_refused(pattern, tmp_path):
    """The error names the pattern and what it should be."""
    with pytest.raises(ConfigError, match=r"s3://.*expected 's3://BUCKET/PATTERN'"):
        watch.find(dossier(pattern), tmp_path, 0.0)


def test_objects_are_read_as_files_are(delivery, tmp_path, monkeypatch):
    """The manifest's root is that of the same files in a folder, though they come in rounds, and no copy is left.

    What is known is not fetched again; a new version is, and all objects of a source that is read in another way.
    """
    (tmp_path / "local").mkdir()
    local = small_corpus.make(tmp_path / "local" / "w", tmp_path / "inputs")
    run(local)
    workspace, names = made(tmp_path, delivery), fetched(monkeypatch)
    stale = tmp_path / f"corpus-gov-landing-{workspace.settings.id}-killed"
    stale.mkdir()
    monkeypatch.setattr(landing, "ROUND_BYTES", 1)

    run(workspace)
    same, first = root(workspace), [names.pop() for _ in range(len(names))]
    run(workspace)
    obstore.put(S3Store(s3_server.BUCKET), f"{delivery}/c.jsonl", b'{"text": "Another text about tides."}\n')
    again = run(workspace)
    second = [names.pop() for _ in range(len(names))]
    rewrite(workspace, "two", base_uri="https://two.example/")
    run(open_workspace(workspace.url))

    assert same == root(local)
    assert sorted(first) == ["a.jsonl", "b.jsonl", "c.jsonl"]
    assert second == names == ["c.jsonl"]
    assert again.run["counts"]["documents"] == workspace.release("r0001").run["counts"]["documents"] + 1
    assert not list(tmp_path.glob("corpus-gov-landing-*"))
    noted = workspace.store.read("inputs/one.json")
    assert b"jsonl" not in noted


def test_an_object_that_changed_since_it_was_listed_waits(delivery, tmp_path, monkeypatch):
    """Another version is not read under the name of the listed one; the next intake takes it."""
    workspace, real = made(tmp_path, delivery), buckets.objects

    def outdated(*asked: str) -> list[buckets.Object]:
        return [dataclasses.replace(one, version='"0"') if "a.js" in one.name else one for one in real(*asked)]

    monkeypatch.setattr(buckets, "objects", outdated)
    with Engine(workers=1) as engine:
        first = intake.ingest(workspace, engine)
        monkeypatch.setattr(buckets, "objects", real)
        second = intake.ingest(workspace, engine)

    assert (first, second) == (2, 1)


def test_an_object_that_cannot_be_read_is_a_reject_and_tried_again(delivery, tmp_path, monkeypatch):
    """One object without permission ends no intake: it is a capture with its reason, and no object that was taken."""
    workspace, real = made(tmp_path, delivery), buckets.copy

    def closed(one: buckets.Object, file: Path) -> bool:
        if one.name.endswith("b.jsonl"):
            raise StoreError("closed")
        return real(one, file)

    monkeypatch.setattr(buckets, "copy", closed)
    with Engine(workers=1) as engine:
        intake.ingest(workspace, engine)
        before = [shard.outcomes for shard in workspace.shards()]
        monkeypatch.setattr(buckets, "copy", real)
        intake.ingest(workspace, engine)

    assert sum(one.get("rejected", 0) for one in before) == 3
    assert sum(shard.documents for shard in workspace.shards()) == 12


def test_what_has_no_room_or_no_shared_folder_says_what_to_do(delivery, tmp_path, monkeypatch):
    """A bucket that is not there, a disk that is full and workers that do not see the copies are named."""
    workspace = made(tmp_path, delivery)
    files = [(one, found) for one in workspace.dossiers.values() for found in watch.find(one, tmp_path, 0.0).files]

    with pytest.raises(StoreError, match=r"cannot list at s3://no-such-bucket.*credentials"):
        watch.find(dossier("s3://no-such-bucket/x/*"), tmp_path, 0.0)
    with (
        pytest.raises(ConfigError, match=r"no landing in \[ingest\]"),
        landing.rounds(workspace, Engine(scheduler="tcp://127.0.0.1:1"), files),
    ):
        pass
    land_in(workspace, "none")
    with pytest.raises(ConfigError, match="no folder 'none'"), landing.rounds(workspace, Engine(workers=1), files):
        pass
    land_in(workspace, ".")
    monkeypatch.setattr(landing, "FREE_SHARE", 1 << 62)
    with (
        pytest.raises(StoreError, match=r"found room for 0 bytes.*larger disk"),
        landing.rounds(workspace, Engine(workers=1), files) as parts,
    ):
        next(parts)
