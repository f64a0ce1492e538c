"""A release applied to copies of its corpus: what stays is the clean corpus, and what is not the corpus is refused."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import small_corpus
import zstandard
from typer.testing import CliRunner

from corpus_gov import cli, elsewhere
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, CorpusGovError, IntegrityError, SourceError
from corpus_gov.workspace import open_workspace

NO_LEDGER = "there is no ledger: what was erased since, and rollback, are not excluded"

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release taken out of its workspace, its key, and the stored (rows.json) and clean documents."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        small_corpus.write_inputs(folder / "inputs", 20)
        with Engine(workers=1) as engine:
            small_corpus.make(folder / "workspace", folder / "inputs").run(engine=engine, as_of=small_corpus.AS_OF)
        release = open_workspace(folder / "workspace").release()
        columns = ["doc_id", "uri", "title", "text"]
        (folder / "rows.json").write_text(json.dumps(release.table("documents", columns).to_pylist()))
        (folder / "clean.json").write_text(json.dumps(release.table("clean", columns).to_pylist()))
    shutil.copytree(folder / "workspace" / "releases" / "r0001", folder / "release")
    for part in ("clean", "tree", "run.json"):
        place = folder / "release" / part
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    (folder / "vkey").write_bytes((folder / "release" / "vkey").read_bytes())
    return folder


@pytest.fixture
def rows(made: Path) -> Rows:
    return json.loads((made / "rows.json").read_text())


@pytest.fixture
def clean(made: Path) -> dict[str, dict[str, Any]]:
    return {row["doc_id"]: row for row in json.loads((made / "clean.json").read_text())}


def put(path: Path, rows: Rows) -> Path:
    """Write a copy in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(data))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(data))
    else:
        path.write_bytes(data)
    return path


def got(path: Path) -> Rows:
    """Read a copy."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return [json.loads(line) for line in data.decode().splitlines()]


def apply(made: Path, source: Path, **options: Any) -> elsewhere.Applied:
    """Apply the release to a copy; the output lies beside it, as out.<suffixes>."""
    key = (made / "vkey").read_text().strip()
    target = source.parent / ("out" + "".join(source.suffixes))
    return elsewhere.apply_to(made / "release", source, target, vkey=key, **options)


@pytest.mark.parametrize("name", ["copy.parquet", "copy.jsonl", "copy.jsonl.gz", "copy.ndjson.zst"])
def test_the_clean_corpus_comes_out(name: str, made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path) -> None:
    """Of the stored documents the clean ones come out, in the order of the copy, other columns as they were."""
    source = put(tmp_path / name, [row | {"number": number} for number, row in enumerate(rows)])

    found = apply(made, source)

    stay = [row["doc_id"] for row in rows if row["doc_id"] in clean]
    written = got(tmp_path / ("out" + "".join(source.suffixes)))
    assert [{key: row[key] for key in ("doc_id", "uri", "title", "text")} for row in written] == [
        clean[doc_id] for doc_id in stay
    ]
    assert [rows[row["number"]]["doc_id"] for row in written] == stay
    assert (found.whole, found.kept + found.redacted) == (len(stay), len(stay))
    assert found.redacted == sum(clean[doc_id] != row for row in rows if (doc_id := row["doc_id"]) in clean) > 0
    assert found.dropped == len(rows) - len(stay) > 0
    assert (found.lacking, found.uncovered, found.passed, found.trusted) == (0, 0, ["number"], [NO_LEDGER])


@pytest.mark.parametrize("columns", [("text",), ("text", "title"), ("text", "uri"), ("uri", "title", "text")])
def test_rows_are_found_by_their_text(
    columns: tuple[str, ...], made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path
) -> None:
    """A copy without doc_ids gives the same clean rows; a copy of a text that gave way is left out."""
    source = put(tmp_path / "copy.jsonl", [{name: row[name] for name in columns} for row in rows])

    found = apply(made, source)

    expected = [json.dumps({name: row[name] for name in columns}) for row in clean.values()]
    assert sorted(json.dumps(row) for row in got(tmp_path / "out.jsonl")) == sorted(expected)
    assert (found.by_text, found.lacking) == (len(rows), 0)
    assert (found.whole if "title" in columns else found.text_alone) == len(clean)


def test_a_line_keeps_what_is_not_edited(made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path) -> None:
    """Numbers, spaces, escapes and order of a line stay to the character; only the edited string changes."""
    row = next(row for row in rows if clean.get(row["doc_id"], row) != row)
    head = '{ "n": 1.10,  "big":123456789012345678901234567890,"e":"\\u00e9", "text" :'
    tail = f', "doc_id":"{row["doc_id"]}","m":{{"text":[1.0]}} }}'
    (tmp_path / "copy.jsonl").write_text(f"{head}{json.dumps(row['text'])}{tail}\n\n", encoding="utf-8")

    found = apply(made, tmp_path / "copy.jsonl")

    expected = f"{head}{json.dumps(clean[row['doc_id']]['text'], ensure_ascii=False)}{tail}\n"
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == expected
    assert (found.rows, found.redacted, found.passed) == (1, 1, ["big", "e", "m", "n"])


def test_a_folder_is_written_whole(made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path) -> None:
    """Files keep their places below the folder; what is no copy is named and left out."""
    put(tmp_path / "copy" / "a" / "one.parquet", rows[:9])
    put(tmp_path / "copy" / "two.jsonl.gz", rows[9:])
    (tmp_path / "copy" / "README").write_text("x")

    found = apply(made, tmp_path / "copy")

    written = [*got(tmp_path / "out" / "a" / "one.parquet"), *got(tmp_path / "out" / "two.jsonl.gz")]
    assert {row["doc_id"]: row for row in written} == clean
    assert (found.files, found.left) == (2, ["README"])


def test_what_the_release_does_not_cover_is_left_out(made: Path, rows: Rows, tmp_path: Path) -> None:
    """Rows of no document are counted and left out, and stay where that was asked for."""
    foreign = {"doc_id": "ab" * 16, "uri": None, "title": None, "text": "another text"}
    source = put(tmp_path / "a.jsonl", [foreign, rows[0] | {"doc_id": None}])

    found = apply(made, source)
    kept = apply(made, put(tmp_path / "k" / "a.jsonl", [foreign]), keep_uncovered=True)

    assert (found.uncovered, found.by_text) == (1, 1)
    assert foreign not in got(tmp_path / "out.jsonl")
    assert (kept.uncovered, kept.rows, got(tmp_path / "k" / "out.jsonl")) == (1, 1, [foreign])
    assert found.lacking == len(rows) - 1


def test_a_clean_copy_passes(made: Path, clean: dict[str, Any], tmp_path: Path) -> None:
    """Whoever holds the clean documents already may apply the release to them: nothing changes."""
    source = put(tmp_path / "a.parquet", list(clean.values()))

    found = apply(made, source)

    assert got(tmp_path / "out.parquet") == list(clean.values())
    assert (found.clean_before > 0, found.redacted) == (True, 0)


def test_a_copy_without_text(made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path) -> None:
    """A table of doc_ids loses the rows that are not released, and it is said that nothing was compared."""
    found = apply(made, put(tmp_path / "a.parquet", [{"doc_id": row["doc_id"], "n": 1} for row in rows]))

    assert {row["doc_id"] for row in got(tmp_path / "out.parquet")} == {*clean}
    assert (found.unchecked, len(found.trusted)) == (len(clean), 2)


def test_names_of_columns(made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path) -> None:
    """Columns may have other names."""
    source = put(tmp_path / "a.jsonl", [{"content": row["text"], "url": row["uri"]} for row in rows])

    found = apply(made, source, names={"text": "content", "uri": "url"})

    assert (found.text_alone, found.passed) == (len(clean), [])


def released(rows: Rows, clean: dict[str, Any]) -> dict[str, Any]:
    return next(row for row in rows if row["doc_id"] in clean)


ODD: dict[str, tuple[Callable[[Rows], Any], type[CorpusGovError], str]] = {
    "another text": (lambda rows: rows[0].update(text="x"), IntegrityError, "row 1: doc_id '{doc_id}': its text"),
    "another title": (lambda rows: rows[0].update(title="x"), IntegrityError, "row 1: doc_id '{doc_id}': its address"),
    "another address": (lambda rows: rows[0].update(uri="x"), IntegrityError, "doc_id '{doc_id}': its address"),
    "no text": (lambda rows: rows[0].update(text=None), IntegrityError, "row 1: doc_id '{doc_id}': its text"),
    "a doc_id twice": (lambda rows: rows.append(rows[0]), SourceError, "row 3: doc_id '{doc_id}' is there a second"),
    "a number for a text": (lambda rows: rows[1].update(text=5), SourceError, "row 2: found no string in 'text'"),
    "a list for a doc_id": (lambda rows: rows[1].update(doc_id=[]), SourceError, "found no string in 'doc_id'"),
    "half a pair": (lambda rows: rows[1].update(text="\ud800"), SourceError, "half a surrogate"),
    "no column": (lambda rows: [row.clear() for row in rows], SourceError, "found neither 'doc_id' nor 'text'"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_not_the_corpus_is_refused(
    case: str, made: Path, rows: Rows, clean: dict[str, Any], tmp_path: Path
) -> None:
    """One odd row, and there is no output; the error names row and doc_id and quotes nothing."""
    change, kind, said = ODD[case]
    first = released(rows, clean)
    chosen = [dict(first), dict(next(row for row in rows if row is not first))]
    change(chosen)
    data = "".join(json.dumps(row) + "\n" for row in chosen)
    (tmp_path / "copy.jsonl").write_text(data, encoding="utf-8")

    with pytest.raises(kind) as caught:
        apply(made, tmp_path / "copy.jsonl")

    assert said.format(doc_id=first["doc_id"]) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["copy.jsonl"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"text": "a', "no JSON object"),
        (b"[1]\n", "no JSON object"),
        (b'{"text": "a", "text": "b"}\n', "no JSON object with each key once"),
        (b'{"text": "a",}\n', "no JSON object"),
        (b'{"text": "a"} x\n', "no JSON object"),
        (b'{"text": "\xff"}\n', "row 1: found no UTF-8"),
        (b'{"a":' * 100_000, "no JSON object"),
        (b"\x1f\x8b\x08\x00", "cannot be read"),
    ],
    ids=["cut", "list", "twice", "comma", "more", "latin-1", "deep", "cut gzip"],
)
def test_lines_that_are_no_rows(data: bytes, said: str, made: Path, tmp_path: Path) -> None:
    """A line that is no object, or could be read in two ways, is an error that names the row."""
    (tmp_path / "a.jsonl").write_bytes(data)
    with pytest.raises(SourceError, match=said):
        apply(made, tmp_path / "a.jsonl")


def test_tables_that_are_no_copies(made: Path, tmp_path: Path) -> None:
    """Columns of another type, text that is no UTF-8, and a file that is no Parquet are errors that name the column."""
    bad = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    for values, said in ((pa.array([1]), "'text' is int64"), (bad, "no UTF-8")):
        pq.write_table(pa.table({"text": values}), tmp_path / "a.parquet")
        with pytest.raises(SourceError, match=said):
            apply(made, tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        apply(made, tmp_path / "a.parquet")


@pytest.mark.parametrize("file", ["statement.json", "manifest/00000.parquet", "edits"])
def test_a_changed_release_is_refused(file: str, made: Path, rows: Rows, tmp_path: Path) -> None:
    """A byte of statement, manifest or edits that is not what was signed ends it before a row is read."""
    shutil.copytree(made / "release", tmp_path / "release")
    place = tmp_path / "release" / file
    place = next(place.rglob("*.parquet")) if place.is_dir() else place
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    source = put(tmp_path / "a.jsonl", rows)

    with pytest.raises(IntegrityError):
        elsewhere.apply_to(tmp_path / "release", source, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_arguments_that_do_not_fit(made: Path, rows: Rows, tmp_path: Path) -> None:
    """An output that is there, another format, another key, and a folder that is no release are refused."""
    source = put(tmp_path / "a.jsonl", rows)
    other = "test+5a3ff5cb+AQyVWHMg0H2rE6lBFyHDM7GNZKe5JJbs9JWZc1xyQHXl"
    for target, release, key in (
        (source, made / "release", None),
        (tmp_path / "b.parquet", made / "release", None),
        (tmp_path / "b.jsonl", tmp_path, None),
        (tmp_path / "b.jsonl", made / "release", other),
    ):
        with pytest.raises((ConfigError, IntegrityError)):
            elsewhere.apply_to(release, source, target, vkey=key)
    assert got(source) == rows


def test_a_part_of_the_manifest(made: Path, rows: Rows, tmp_path: Path) -> None:
    """One file of the manifest is enough, where its release's statement lies above it."""
    source = put(tmp_path / "a.jsonl", rows)

    found = elsewhere.apply_to(made / "release" / "manifest" / "00000.parquet", source, tmp_path / "out.jsonl")

    assert (found.rows, found.lacking, len(found.trusted)) == (len(rows), 0, 2)


def test_the_command(made: Path, rows: Rows, tmp_path: Path) -> None:
    """`apply` says what it did, in words and as JSON, and who is trusted."""
    source, run = put(tmp_path / "a.jsonl", rows), CliRunner()
    asked = ["apply", str(made / "release"), str(source)]

    told = run.invoke(cli.app, [*asked, str(tmp_path / "b.jsonl"), "--key", str(made / "vkey")])
    facts = json.loads(run.invoke(cli.app, [*asked, str(tmp_path / "c.jsonl"), "--column", "uri=", "--json"]).output)

    assert (told.exit_code, "by r0001" in told.output, "the folder's own" in told.output) == (0, True, False)
    assert (facts["rows"], facts["passed"]) == (len(rows), ["uri"])
    for wrong in (["--column", "x=y"], ["--column", "text=doc_id"], ["--uncovered", "maybe"]):
        assert isinstance(run.invoke(cli.app, [*asked, str(tmp_path / "d.jsonl"), *wrong]).exception, ConfigError)


def test_inside_a_workspace_the_ledger_is_asked(made: Path, rows: Rows, tmp_path: Path) -> None:
    """The release's folder in its workspace works as one apart, and a ledger that does not name it is an error."""
    source, home = put(tmp_path / "a.jsonl", rows), shutil.copytree(made / "workspace", tmp_path / "workspace")
    key = (made / "vkey").read_text().strip()

    found = elsewhere.apply_to(home / "releases" / "r0001", source, tmp_path / "out.jsonl", vkey=key)

    assert (found.lacking, NO_LEDGER in found.trusted) == (0, False)
    (home / "ledger" / "checkpoint").unlink()
    with pytest.raises((IntegrityError, ConfigError)):
        elsewhere.apply_to(home / "releases" / "r0001", source, tmp_path / "b.jsonl", vkey=key)
