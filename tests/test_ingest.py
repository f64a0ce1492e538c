"""Files to shards: every record is a capture, every document is there once, and nothing raises."""

import gzip
import json
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_warc import page, record, request, response, zipped

from corpus_gov import ingest, pieces
from corpus_gov.barring import Bar, Barred
from corpus_gov.config import Dossier
from corpus_gov.drafts import MAX_SNAPSHOT_BYTES
from corpus_gov.errors import IntegrityError, SourceError
from corpus_gov.schemas import CAPTURES, DOCUMENTS, OUTCOMES, SNAPSHOTS, check
from corpus_gov.shards import Shard, doc_id

SMALL = [
    record("warcinfo", b"software: none\r\n"),
    request(),
    response(page("One", "First page, whose text is long enough for extraction to keep it.")),
    response(b"User-agent: *\nDisallow: /\n", "http://site.example/robots.txt", content_type="text/plain"),
    response(b"", "http://site.example/moved", status="302 Found"),
    record("revisit", b"", WARC_Target_URI="http://site.example/page"),
]


def shards(
    path: Path, *, rows: int = 1_000, size: int = 1 << 20, piece_bytes: int = 1 << 20, **how: object
) -> list[Shard]:
    suppressed = how.pop("suppressed", frozenset())
    dossier = Dossier.model_construct(**{"source_id": "source", "format": "auto", "fields": {}, **how})
    cut = pieces.pieces(path, path.name, pieces.digest(path), dossier, piece_bytes)
    limits = {"shard_rows": rows, "shard_bytes": size, "bar": Bar(Barred(suppressed))}
    return [shard for piece in cut for shard in ingest.read(piece, **limits)]


def written(folder: Path, data: bytes, name: str = "input.warc") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def balanced(found: list[Shard]) -> Counter[str]:
    """Check schemas and conservation of every shard; return the outcomes."""
    outcomes: Counter[str] = Counter()
    for shard in found:
        check(shard.captures, CAPTURES, "captures")
        check(shard.documents, DOCUMENTS, "documents")
        check(shard.snapshots, SNAPSHOTS, "snapshots")
        for table in (shard.captures, shard.documents, shard.snapshots):
            table.validate(full=True)
            assert all(field.nullable or table[field.name].null_count == 0 for field in table.schema)
        here = Counter(shard.captures["outcome"].to_pylist())
        assert here["document"] == shard.documents.num_rows == len(set(shard.documents["doc_id"].to_pylist()))
        assert here["evidence"] == shard.snapshots.num_rows
        assert all(row["reason"] for row in shard.captures.to_pylist() if row["outcome"] in {"skipped", "rejected"})
        outcomes += here
    assert set(outcomes) <= set(OUTCOMES)
    assert len({shard.shard_id for shard in found}) == len(found) > 0
    return outcomes


@pytest.mark.parametrize("data", [b"".join(SMALL), zipped(*SMALL)], ids=["plain", "gzip"])
def test_a_warc_becomes_captures_documents_and_snapshots(data: bytes, tmp_path: Path) -> None:
    """Each record has the outcome that its kind asks for, and the document all that is known of it."""
    (shard,) = shards(written(tmp_path, data))

    assert balanced([shard]) == {"skipped": 4, "document": 1, "evidence": 1}
    assert shard.captures["reason"].to_pylist() == ["warcinfo", "request", None, None, "status_302", "revisit"]
    (document,) = shard.documents.to_pylist()
    assert (document["title"], document["host"], document["registered_domain"]) == (
        "One",
        "site.example",
        "site.example",
    )
    assert document["text_digest"] == sha256(document["text"].encode()).hexdigest()
    assert document["n_chars"] == len(document["text"]) > 0
    (snapshot,) = shard.snapshots.to_pylist()
    assert (snapshot["host"], snapshot["kind"], snapshot["http_status"]) == ("site.example", "robots", 200)
    assert snapshot["digest"] == sha256(snapshot["body"]).hexdigest()


def test_identity_is_source_uri_payload_and_part(tmp_path: Path) -> None:
    """doc_id is what DOCUMENTS says, from the decoded payload."""
    body = page()
    path = written(tmp_path, response(gzip.compress(body), http=b"Content-Encoding: gzip\r\n"))

    (document,) = shards(path)[0].documents.to_pylist()

    digest = sha256(body).hexdigest()
    joined = b"".join(
        len(part).to_bytes(8, "big") + part for part in (b"source", b"http://site.example/page", digest.encode(), b"0")
    )
    assert document["payload_digest"] == digest
    assert document["doc_id"] == sha256(joined).hexdigest()[:32] == doc_id("source", document["uri"], digest)


def test_a_repeat_has_a_capture_and_no_document(tmp_path: Path) -> None:
    """The same bytes from the same place are one document, however often they were fetched."""
    data = response(page()) * 3 + response(page(), "http://site.example/other")

    (shard,) = shards(written(tmp_path, data))

    assert balanced([shard]) == {"document": 2, "repeat": 2}
    assert len(set(shard.captures["doc_id"].to_pylist())) == 2


def test_one_identity_with_two_texts_stops_the_run(tmp_path: Path) -> None:
    """The same bytes under two charsets would be one doc_id with two texts."""
    body = page(text="Le prix est de 5 ¤ net, taxes comprises, pour chaque traversée.").decode().encode("latin-1")
    data = b"".join(
        response(body, content_type=f"text/html; charset={label}") for label in ("iso-8859-1", "iso-8859-15")
    )

    with pytest.raises(IntegrityError, match="offset"):
        shards(written(tmp_path, data))


def test_another_label_with_the_same_text_is_a_repeat(tmp_path: Path) -> None:
    """A header that changed without changing the text is no conflict."""
    data = b"".join(response(page(), content_type=kind) for kind in ("text/html", "text/html; charset=utf-8"))

    assert balanced(shards(written(tmp_path, data))) == {"document": 1, "repeat": 1}


@pytest.mark.parametrize("name", ["input.warc", "input.jsonl", "input.parquet"])
def test_a_suppressed_document_leaves_neither_text_nor_uri(name: str, tmp_path: Path) -> None:
    """What was erased does not come back; that it was seen again is recorded by its id alone."""
    path = tmp_path / name
    if name == "input.parquet":
        pq.write_table(pa.table({"text": ["Known text."], "uri": ["http://site.example/x"]}), path)
    elif name == "input.jsonl":
        path.write_bytes(b'{"text": "Known text.", "uri": "http://site.example/x"}')
    else:
        path.write_bytes(response(page(text="Known text."), "http://site.example/x"))
    (known,) = shards(path)[0].documents["doc_id"].to_pylist()

    (shard,) = shards(path, suppressed=frozenset({known}))

    assert balanced([shard]) == {"suppressed": 1}
    (capture,) = shard.captures.to_pylist()
    assert (capture["doc_id"], capture["uri"]) == (known, None)


def test_pages_without_text_are_skipped_and_garbage_is_rejected(tmp_path: Path) -> None:
    """A shell without text is skipped; bytes that are no text are rejected."""
    data = response(b"<html><body><script>app()</script></body></html>") + response(bytes(range(256)) * 9)

    (shard,) = shards(written(tmp_path, data))

    assert shard.captures.select(["outcome", "reason"]).to_pylist() == [
        {"outcome": "skipped", "reason": "no_text"},
        {"outcome": "rejected", "reason": "undecodable"},
    ]


def test_a_snapshot_is_bounded(tmp_path: Path) -> None:
    """A giant robots.txt is kept up to the limit, with the digest of what is kept."""
    data = response(b"#" * (MAX_SNAPSHOT_BYTES + 9), "http://site.example/robots.txt", content_type="text/plain")

    (snapshot,) = shards(written(tmp_path, data))[0].snapshots.to_pylist()

    assert len(snapshot["body"]) == MAX_SNAPSHOT_BYTES
    assert snapshot["digest"] == sha256(snapshot["body"]).hexdigest()


ROWS = [{"text": f"Row {n} " * (n % 5 + 1), "uri": f"http://site.example/{n % 17}"} for n in range(40)] + [{"text": ""}]


def delivered(folder: Path, form: str) -> Path:
    path = folder / f"input.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=7)
    else:
        path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return path


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize(("rows", "size"), [(1_000, 1 << 20), (3, 1 << 20), (1_000, 50), (1, 1), (7, 33)])
def test_shards_hold_no_more_than_they_may(form: str, rows: int, size: int, tmp_path: Path) -> None:
    """However a delivery is cut, each record is there once, in order, and only one long text exceeds a shard."""
    found = shards(delivered(tmp_path, form), rows=rows, size=size)

    balanced(found)
    texts = [shard.documents["text"].to_pylist() for shard in found]
    assert [text for part in texts for text in part] == [row["text"] for row in ROWS if row["text"]]
    assert all(shard.captures.num_rows <= rows for shard in found)
    assert all(len(part) == 1 or sum(map(len, part)) <= size for part in texts if part)


def test_jsonl_and_parquet_are_cut_alike(tmp_path: Path) -> None:
    """The rule that cuts shards is one, by rows of a table or by records."""
    cuts = [
        [shard.captures.num_rows for shard in shards(delivered(tmp_path, form), rows=7, size=60)]
        for form in ("jsonl", "parquet")
    ]

    assert cuts[0] == cuts[1]


def test_pieces_of_a_parquet_file_hold_it_once(tmp_path: Path) -> None:
    """Row groups read in pieces give the rows of the file, with their places in it."""
    found = shards(delivered(tmp_path, "parquet"), piece_bytes=1)

    balanced(found)
    assert [place for shard in found for place in shard.captures["record_offset"].to_pylist()] == list(range(len(ROWS)))
    assert len(found) == 6


def test_the_columns_of_a_parquet_file_repeat_as_records_do(tmp_path: Path) -> None:
    """Repeats in a Parquet shard are found as in any other; the first one is the document."""
    pq.write_table(pa.table({"text": ["a", "b", "a", None, "a"]}), tmp_path / "input.parquet")

    (shard,) = shards(tmp_path / "input.parquet")

    assert shard.captures["outcome"].to_pylist() == ["document", "document", "repeat", "skipped", "repeat"]
    assert shard.documents["delivery_ref"].to_pylist() == ["input.parquet#0", "input.parquet#1"]


def test_documents_of_both_paths_have_one_identity(tmp_path: Path) -> None:
    """The identity computed by columns is that computed by record."""
    (shard,) = shards(delivered(tmp_path, "parquet"))

    for document in shard.documents.to_pylist():
        assert document["doc_id"] == doc_id("source", document["uri"], sha256(document["text"].encode()).hexdigest())


def test_the_same_bytes_and_parameters_give_the_same_shards(tmp_path: Path) -> None:
    """Neither where the file lies nor when it is read matters; how it is cut and mapped does."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
    one, again = (shards(delivered(folder, "jsonl"), rows=9) for folder in (first, second))

    assert [shard.shard_id for shard in one] == [shard.shard_id for shard in again]
    assert all(
        a.documents.equals(b.documents) and a.captures.equals(b.captures) for a, b in zip(one, again, strict=True)
    )
    ids = {shard.shard_id for shard in one}
    assert ids.isdisjoint(shard.shard_id for shard in shards(first / "input.jsonl", rows=8))
    assert ids.isdisjoint(shard.shard_id for shard in shards(first / "input.jsonl", rows=9, fields={"title": "t"}))
    assert ids.isdisjoint(shard.shard_id for shard in shards(first / "input.jsonl", rows=9, source_id="other"))


@pytest.mark.parametrize(
    ("name", "data", "outcome", "reason"),
    [
        ("a.warc", b"", "skipped", "empty"),
        ("a.jsonl", b"\n\n", "skipped", "empty"),
        ("a.warc", b"\n\n", "skipped", "empty"),
        ("a.warc", b"no archive at all", "rejected", "bad_record"),
        ("a.warc.gz", b"\x1f\x8b\x08garbage", "rejected", "bad_gzip"),
        ("a.parquet", b"PAR1 garbage PAR1", "rejected", "bad_parquet"),
        ("a.parquet", b"", "rejected", "bad_parquet"),
        ("a.docx", b"PK", "rejected", "unsupported_format"),
    ],
)
def test_a_file_without_a_readable_record_is_one_capture(
    name: str, data: bytes, outcome: str, reason: str, tmp_path: Path
) -> None:
    """An unreadable file is one capture at offset 0 that says why."""
    (shard,) = shards(written(tmp_path, data, name))

    balanced([shard])
    (capture,) = shard.captures.to_pylist()
    assert (capture["record_offset"], capture["outcome"], capture["reason"]) == (0, outcome, reason)


def test_a_file_that_is_gone_is_a_reject_but_has_no_digest(tmp_path: Path) -> None:
    """Between digest and reading a file can vanish: reading says so in a capture, hashing in an error."""
    path = written(tmp_path, b"".join(SMALL))
    dossier = Dossier.model_construct(source_id="source", format="auto", fields={})
    (piece,) = pieces.pieces(path, path.name, "00", dossier, 1)
    path.unlink()

    (shard,) = ingest.read(piece, shard_rows=9, shard_bytes=9)

    assert shard.captures["reason"].to_pylist() == ["unreadable"]
    with pytest.raises(SourceError, match="reading"):
        pieces.digest(path)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a/b.WARC.gz", "warc"),
        ("x.warc.wet.gz", "warc"),
        ("x.jsonl.zst", "jsonl"),
        ("x.ndjson", "jsonl"),
        ("x.parquet", "parquet"),
        ("x.gz", "unknown"),
        ("x", "unknown"),
    ],
)
def test_a_format_is_known_by_the_logical_name(name: str, form: str) -> None:
    """Without a format in the dossier the file's name decides, under any compression."""
    dossier = Dossier.model_construct(source_id="source", format="auto", fields={})

    assert {piece.format for piece in pieces.pieces("/nowhere", name, "00", dossier, 1)} == {form}


@pytest.mark.parametrize("zip_it", [False, True], ids=["plain", "gzip"])
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=6
    )
)
def test_no_damage_to_a_warc_raises_or_loses_the_balance(
    *, zip_it: bool, changes: list[tuple[int, bytes, int]], tmp_path: Path
) -> None:
    """Whatever bytes are changed, put in or cut out: reading ends, and every record has an outcome."""
    data = bytearray(zipped(*SMALL) if zip_it else b"".join(SMALL))
    for place, new, gone in changes:
        at = place % (len(data) + 1)
        data[at : at + gone] = new

    found = shards(written(tmp_path, bytes(data)))

    assert balanced(found).total() >= 1


@pytest.mark.data
def test_every_sample_archive_balances_and_holds_what_is_known_of_it(shared_data: Path, tmp_path: Path) -> None:
    """Real and odd archives: the records that another reader counted are there, and each has an outcome."""
    folder = shared_data / "02_warc_samples"
    known = {entry["file"]: entry for entry in json.loads((folder / "expected_records.json").read_text())}
    kinds = ("warcinfo", "response", "request", "revisit", "resource", "metadata", "conversion")

    for path in sorted(folder.iterdir()):
        if path.suffix in {".md", ".json"} or path.name == "SHA256SUMS":
            continue
        found = shards(path, format="warc")

        balanced(found)
        counted = Counter(kind for shard in found for kind in shard.captures["record_type"].to_pylist())
        entry = known.get(path.name, {"records": {}, "error": "unknown"})
        if ".arc" not in path.name and entry["error"] is None:
            assert {kind: counted[kind] for kind in kinds} == {kind: entry["records"].get(kind, 0) for kind in kinds}, (
                path.name
            )


@pytest.mark.data
def test_a_bulk_delivery_keeps_every_row(shared_data: Path) -> None:
    """Pieces and shards of a large Parquet file hold each row once."""
    path = shared_data / "bench" / "en.parquet"

    found = shards(path, rows=10_000, size=8 << 20, piece_bytes=48 << 20, fields={"uri": "url"})

    assert balanced(found).total() == pq.ParquetFile(path).metadata.num_rows
