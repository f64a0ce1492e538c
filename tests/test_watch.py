"""Watched folders: which files are taken and when, and what a complete file makes of its truncated predecessor."""

import gzip
import json
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
import small_corpus
from small_warc import page, response

from corpus_gov import config, intake, pieces, pipeline, watch
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError
from corpus_gov.release import verify
from corpus_gov.workspace import Workspace

pytestmark = pytest.mark.usefixtures("_keys")

NOW = 1_800_000_000.0
PLAIN = {"source_id": "one", "kind": "unassessed", "title": "one", "inputs": ("in/**/*",)}
LINE = b'{"text": "A line of text.", "uri": "https://a.example/"}\n'


@pytest.fixture
def _keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))


@pytest.fixture(scope="module")
def engine():
    """One worker in this process, for all cases."""
    with Engine(workers=1) as running:
        yield running


def put(path: Path, data: bytes = LINE, *, age: float = 1_000) -> Path:
    """Write a file that was last written to `age` seconds before NOW."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (NOW - age, NOW - age))
    return path


def find(root: Path, **dossier: object) -> watch.Inputs:
    return watch.find(config.Dossier(**(PLAIN | dossier)), root, NOW)


def names(found: watch.Inputs) -> list[tuple[str, str | None]]:
    return [(one.record_file, one.refused) for one in found.files]


def made(tmp_path: Path, **dossier: object) -> Workspace:
    """Make a workspace whose source `one` reads the folder `in`, `two` one fixed file."""
    put(tmp_path / "fixed" / "c.jsonl", b'{"text": "Always there.", "uri": "https://c.example/"}\n')
    put(tmp_path / "fixed" / "a.jsonl")
    small_corpus.make(tmp_path / "w", tmp_path / "fixed")
    one = config.Dossier(**(PLAIN | {"inputs": (str(tmp_path / "in" / "**" / "*"),)} | dossier))
    (tmp_path / "w" / "sources" / "one.yaml").write_text(config.dump_dossier(one))
    return pipeline.open_workspace(str(tmp_path / "w"))


def outcomes(workspace: Workspace, source: str = "one") -> dict[str, int]:
    """Add up the captures of a source by outcome."""
    counts: dict[str, int] = {}
    for shard in workspace.shards():
        for outcome, number in shard.outcomes.items() if shard.source_id == source else ():
            counts[outcome] = counts.get(outcome, 0) + number
    return counts


# --- which files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [".a.jsonl", "a.jsonl.part", "a.tmp", "a.jsonl.crdownload", "~$a.jsonl", ".cache/a.jsonl", "a.jsonl~"]
)
def test_names_of_unfinished_files_are_never_taken(name: str, tmp_path: Path) -> None:
    """A file that a program is still writing, by its name, waits whatever its age."""
    put(tmp_path / "in" / name, age=10**6)

    found = find(tmp_path)

    assert (found.files, found.waiting) == ([], 1)


@pytest.mark.parametrize(("age", "taken"), [(0, 0), (59, 0), (60, 1), (-600, 0)])
def test_a_file_is_complete_when_nothing_was_written_for_a_while(age: float, taken: int, tmp_path: Path) -> None:
    """after_seconds compares the last write with the given time; one from the future waits."""
    put(tmp_path / "in" / "a.jsonl", age=age)

    found = find(tmp_path, complete={"after_seconds": 60})

    assert (len(found.files), found.waiting) == (taken, 1 - taken)


@pytest.mark.parametrize(("marker", "beside"), [(".done", "a.jsonl.done"), ("_SUCCESS", "_SUCCESS")])
def test_a_marker_says_that_a_file_is_complete(marker: str, beside: str, tmp_path: Path) -> None:
    """A marker belongs to a file or to its folder, is no input itself, and is not older than what it speaks of."""
    path = put(tmp_path / "in" / "a.jsonl", age=100)
    waits = find(tmp_path, complete={"marker": marker})
    put(tmp_path / "in" / beside, b"", age=50)

    assert (waits.files, waits.waiting) == ([], 1)
    assert names(find(tmp_path, complete={"marker": marker})) == [("a.jsonl", None)]
    put(path, age=10)
    assert find(tmp_path, complete={"marker": marker}).waiting == 1


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    """A link that a wildcard finds is read where it stays inside; otherwise it is refused, and never opened."""
    outside = put(tmp_path / "secret" / "s.jsonl")
    inside = put(tmp_path / "in" / "a.jsonl")
    for name, target in (("b.jsonl", inside), ("c.jsonl", outside), ("d", tmp_path / "secret"), ("e.jsonl", "e.jsonl")):
        (tmp_path / "in" / name).symlink_to(target)
    (tmp_path / "in" / "f.jsonl").symlink_to(tmp_path / "gone")

    assert names(find(tmp_path)) == [
        ("a.jsonl", None),
        ("b.jsonl", None),
        ("c.jsonl", "link_outside"),
        ("d", "link_outside"),
        ("e.jsonl", "unreadable"),
        ("f.jsonl", "unreadable"),
    ]
    assert names(find(tmp_path, inputs=("in/*/*",))) == [("d/s.jsonl", "link_outside")]


def test_a_link_that_is_written_out_is_followed(tmp_path: Path) -> None:
    """Whoever names a path means what it leads to."""
    put(tmp_path / "store" / "s.jsonl")
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "store" / "s.jsonl")

    assert names(find(tmp_path, inputs=("a.jsonl",))) == [("a.jsonl", None)]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder with the name of an input and a pipe are reported, not opened; other folders are looked into."""
    put(tmp_path / "in" / "sub" / "a.jsonl")
    put(tmp_path / "in" / "b.jsonl" / "c.jsonl")
    os.mkfifo(tmp_path / "in" / "p.jsonl")

    assert names(find(tmp_path)) == [
        ("b.jsonl", "not_a_file"),
        ("b.jsonl/c.jsonl", None),
        ("p.jsonl", "not_a_file"),
        ("sub/a.jsonl", None),
    ]


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a pattern cannot look into is a reject, not silence."""
    put(tmp_path / "in" / "a.jsonl")

    def walk(base: Path, onerror: object) -> list[object]:
        onerror(OSError(13, "Permission denied", str(base / "closed")))
        return []

    monkeypatch.setattr(watch, "os", SimpleNamespace(**vars(os) | {"walk": walk}))

    assert names(find(tmp_path)) == [("a.jsonl", None), ("closed", "unreadable")]


def test_names_that_are_no_utf8_are_shown_as_bytes(tmp_path: Path) -> None:
    """A file name is bytes; what is no UTF-8 in it is written out."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(LINE)

    assert names(find(tmp_path)) == [("caf\\xe9.jsonl", None)]


def test_a_folder_means_all_that_is_in_it(tmp_path: Path) -> None:
    """A pattern without a wildcard may name a folder, brackets and all."""
    put(tmp_path / "in [1]" / "web" / "a.html", b"<p>x")
    put(tmp_path / "in [1]" / "b.txt")

    assert names(find(tmp_path, inputs=("in [[]1]",))) == [("b.txt", None), ("web/a.html", None)]


def test_two_files_of_one_logical_name_are_an_error(tmp_path: Path) -> None:
    """Two patterns with other folders may not give one name to two files."""
    put(tmp_path / "x" / "a.jsonl")
    put(tmp_path / "y" / "a.jsonl")

    with pytest.raises(ConfigError, match="logical name"):
        find(tmp_path, inputs=("x/*", "y/*"))


@pytest.mark.parametrize(
    "complete", [{}, {"after_seconds": 5, "marker": ".done"}, {"marker": "a/b"}, {"after_seconds": 0}]
)
def test_complete_says_one_thing(complete: dict[str, object]) -> None:
    """A dossier names a time or a marker."""
    with pytest.raises(ValueError, match=r"after_seconds|marker"):
        config.Dossier(**(PLAIN | {"complete": complete}))


# --- intake -----------------------------------------------------------------------------------------


def test_files_are_taken_when_they_are_complete(tmp_path: Path, engine: Engine) -> None:
    """An intake leaves incomplete files, counts them, and takes them once the clock has moved on."""
    put(tmp_path / "in" / "a.jsonl", age=0)
    workspace = made(tmp_path, complete={"after_seconds": 60})

    assert intake.ingest(workspace, engine, now=lambda: NOW + 59) == 1
    assert (outcomes(workspace), intake.waiting(workspace, lambda: NOW + 59)) == ({}, {"one": 1})
    assert intake.ingest(workspace, engine, now=lambda: NOW + 60) == 1
    assert (outcomes(workspace), intake.waiting(workspace, lambda: NOW + 60)) == ({"document": 1}, {})


@pytest.mark.parametrize("form", ["jsonl.gz", "warc.gz", "zip"])
def test_a_complete_file_supersedes_the_rejects_of_its_truncated_predecessor(
    form: str, tmp_path: Path, engine: Engine
) -> None:
    """Documents of both are there once, the old rejects stay captures and are no open loss any more."""
    texts = [
        f"The lock keeper of gate {n} reads the gauge before noon every day, and writes it down." for n in range(9)
    ]
    if form == "jsonl.gz":
        rows = "".join(
            json.dumps({"text": text, "uri": f"https://a.example/{n}"}) + "\n" for n, text in enumerate(texts)
        )
        whole = gzip.compress(rows.encode(), 0, mtime=0)
    else:
        pages = [response(page(text=text), f"https://a.example/{n}") for n, text in enumerate(texts)]
        whole = b"".join(gzip.compress(one, mtime=0) for one in pages)
    if form == "zip":
        from test_files import zipped

        (tmp_path / "in").mkdir()
        path = zipped(tmp_path / "in", ("a.warc.gz", whole), name="a.zip")
        whole, cut = path.read_bytes(), path.read_bytes()[:-300]
    else:
        path, cut = tmp_path / "in" / f"a.{form}", whole[: len(whole) * 2 // 3]
    put(path, cut)
    workspace = made(tmp_path)
    pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)
    before = outcomes(workspace)
    put(path, whole)

    done = pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)

    after = outcomes(workspace)
    assert before["rejected"] == after["rejected"] == 1
    assert workspace.superseded() == {"one": 1}
    assert done.run["counts"]["superseded"] == 1
    assert after["document"] == 9
    assert after.get("repeat", 0) == before.get("document", 0)
    assert verify(workspace.store).size == 10


def test_rejects_of_another_file_are_not_superseded(tmp_path: Path, engine: Engine) -> None:
    """Only a file of the same name counts as the complete one, and what it rejects itself is open."""
    put(tmp_path / "in" / "a.jsonl", LINE + b"{broken\n{broken\n")
    workspace = made(tmp_path)
    intake.ingest(workspace, engine)
    put(tmp_path / "in" / "b.jsonl", b'{"text": "Another line."}\n')
    intake.ingest(workspace, engine)
    assert workspace.superseded() == {}

    put(tmp_path / "in" / "a.jsonl", LINE + b"{broken\n")
    intake.ingest(workspace, engine)

    assert outcomes(workspace)["rejected"] == 3
    assert workspace.superseded() == {"one": 2}


def test_another_field_map_supersedes_what_the_first_could_not_read(tmp_path: Path, engine: Engine) -> None:
    """The same file, read in another way, replaces the rejects of the first reading."""
    put(tmp_path / "in" / "a.jsonl", b'{"body": "A line."}\n{"body": "Another line."}\n')
    workspace = made(tmp_path)
    intake.ingest(workspace, engine)

    again = made(tmp_path, fields={"text": "body"})
    intake.ingest(again, engine)

    assert outcomes(again) == {"rejected": 2, "document": 2}
    assert again.superseded() == {"one": 2}


def test_a_folder_of_small_files_is_few_shards_and_read_once(tmp_path: Path, engine: Engine) -> None:
    """Pages and texts are read together; a new one later reads only that one; a fixed one supersedes its reject."""
    for number in range(30):
        put(tmp_path / "in" / f"{number}.txt", f"Text number {number}.".encode())
    put(tmp_path / "in" / "bad.txt", bytes(range(256)) * 9)
    put(tmp_path / "in" / "odd.bin", b"\0\1")
    workspace = made(tmp_path, base_uri="https://a.example/")

    assert intake.ingest(workspace, engine) == 2
    assert outcomes(workspace) == {"document": 30, "rejected": 2}
    assert intake.ingest(workspace, engine) == 0
    put(tmp_path / "in" / "new.txt", b"A new text.")
    put(tmp_path / "in" / "bad.txt", b"A good text.")
    assert intake.ingest(workspace, engine) == 1
    assert outcomes(workspace) == {"document": 32, "rejected": 2}
    assert workspace.superseded() == {"one": 1}


def test_one_bad_file_never_ends_an_intake(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be opened is a capture of its own, once; the files beside it are read."""
    put(tmp_path / "in" / "a.jsonl")
    put(tmp_path / "in" / "locked.jsonl")
    os.mkfifo(tmp_path / "in" / "p.jsonl")
    (tmp_path / "in" / "out.jsonl").symlink_to(put(tmp_path / "secret.jsonl", b'{"text": "secret"}\n'))
    (tmp_path / "in" / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(b'{"text": "Named in Latin-1."}\n')
    workspace, sound = made(tmp_path), pieces.digest

    def digest(path: str) -> str:
        if path.endswith("locked.jsonl"):
            raise pieces.SourceError("locked")
        return sound(path)

    monkeypatch.setattr(pieces, "digest", digest)
    intake.ingest(workspace, engine)

    assert intake.ingest(workspace, engine) == 0
    captures = [row for one in workspace.shards() for row in _captures(workspace, one) if one.source_id == "one"]
    assert sorted((row["record_file"], row["outcome"], row["reason"]) for row in captures) == [
        ("a.jsonl", "document", None),
        ("caf\\xe9.jsonl", "document", None),
        ("locked.jsonl", "rejected", "unreadable"),
        ("out.jsonl", "rejected", "link_outside"),
        ("p.jsonl", "rejected", "not_a_file"),
    ]
    monkeypatch.undo()
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(tmp_path / "keys"))
    put(tmp_path / "in" / "locked.jsonl", b'{"text": "Open now."}\n')
    intake.ingest(workspace, engine)
    assert workspace.superseded() == {"one": 1}


def _captures(workspace: Workspace, shard: object) -> list[dict[str, object]]:
    from corpus_gov import artefacts, stages

    return artefacts.decode(stages.read_shard(workspace.store, shard, "captures")).to_pylist()


@pytest.mark.parametrize("bundle", [False, True])
def test_a_file_that_changes_while_it_is_read_is_a_reject(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, *, bundle: bool
) -> None:
    """What was read is not what was hashed: none of it counts; the next intake reads the file as it is then."""
    names_ = ["a.txt", "b.txt"] if bundle else ["a.jsonl"]
    for name in names_:
        put(tmp_path / "in" / name, LINE + name.encode() if bundle else LINE)
    workspace, sound = made(tmp_path), pieces.bundles

    def bundles(*given: object) -> list[pieces.Piece]:
        put(tmp_path / "in" / names_[0], LINE + LINE.replace(b"a.ex", b"b.ex"), age=5)
        return sound(*given)

    monkeypatch.setattr(pieces, "bundles", bundles)
    intake.ingest(workspace, engine)
    monkeypatch.setattr(pieces, "bundles", sound)

    captures = [row for one in workspace.shards() for row in _captures(workspace, one) if one.source_id == "one"]
    assert [(row["record_file"], row["reason"]) for row in captures if row["outcome"] == "rejected"] == [
        (names_[0], "changed_while_reading")
    ]
    assert outcomes(workspace).get("document", 0) == len(names_) - 1
    intake.ingest(workspace, engine)
    assert workspace.superseded() == {"one": 1}


def test_a_first_try_takes_a_folder_of_everything(tmp_path: Path, engine: Engine) -> None:
    """--input with a folder reads every format in it; what is of no format is a reject."""
    put(tmp_path / "in" / "web" / "a.html", page("A", "The first ferry leaves at seven, the second one at noon."))
    put(tmp_path / "in" / "b.md", b"---\ntitle: B\n---\nA paragraph.\n")
    put(tmp_path / "in" / "c.json", b'[{"content": "An element."}]')
    put(tmp_path / "in" / "d.jsonl", LINE)
    put(tmp_path / "in" / "e.css", b"p { color: red }")
    workspace = pipeline.trial(tmp_path / "w", [str(tmp_path / "in")], "one")

    pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF)

    assert outcomes(workspace) == {"document": 4, "rejected": 1}
    assert verify(workspace.store).size == 4


def test_other_people_cannot_read_what_an_intake_copies(tmp_path: Path) -> None:
    """A member of a zip that needs a file of its own lies in one that only its owner can read, and is gone after."""
    from test_files import zipped
    from test_ingest import shards

    from corpus_gov import ingest

    seen = []
    sound = ingest.mapped

    def mapped(path: str) -> object:
        seen.append((path, stat.S_IMODE(Path(path).stat().st_mode)))
        return sound(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "mapped", mapped)
        shards(zipped(tmp_path, ("a.warc", response(page()))))

    assert [mode for _, mode in seen] == [0o600]
    assert not Path(seen[0][0]).exists()
