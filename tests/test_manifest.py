"""Sealing, checking and comparing manifests; the format page; the verifier that shares no code."""

import hashlib
import hmac
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus_gov import ledger, manifest, merkle, schemas
from corpus_gov.errors import IntegrityError, SchemaError
from corpus_gov.kernels import rows as kernel

DOCS = Path(__file__).parent.parent / "docs"
KEY = bytes(range(32))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = (DOCS / "manifest-format.md").read_text(encoding="utf-8")


def example(kind: str) -> str:
    """Cut one example out of the format page."""
    found = re.search(rf"^```(?:json|text) {kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found, kind
    return found.group(1)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Turn rows as the page has them into ROWS."""
    times = [row["fetched_at"] for row in rows]
    return pa.Table.from_pylist(
        [
            row
            | {"fetched_at": None if time is None else EPOCH + timedelta(microseconds=time), "shard": "s.1", "row": i}
            for i, (row, time) in enumerate(zip(rows, times, strict=True))
        ],
        schema=manifest.ROWS,
    )


def sealed(n: int, **changes: Any) -> pa.Table:
    first = json.loads(example("row")) | changes
    return manifest.seal_rows(table([first | {"doc_id": f"{i:032x}"} for i in range(n)]), KEY)


def files(whole: pa.Table, *cuts: int) -> list[tuple[str, pa.Table]]:
    bounds = [0, *cuts, whole.num_rows]
    return [(f"manifest/{i}.parquet", whole.slice(a, b - a)) for i, (a, b) in enumerate(pairwise(bounds))]


def tree_of(whole: pa.Table) -> tuple[bytes, str]:
    tree = manifest.tree_bytes(manifest.leaf_hashes(whole))
    return tree, merkle.root(tree).hex()


def without(whole: pa.Table, row: int) -> pa.Table:
    return pa.concat_tables([whole.slice(0, row), whole.slice(row + 1)])


def with_value(whole: pa.Table, row: int, column: str, value: Any) -> pa.Table:
    values = whole.column(column).to_pylist()
    values[row] = value
    place = whole.schema.get_field_index(column)
    return whole.set_column(place, whole.schema.field(place), pa.array(values, whole.schema.field(place).type))


def test_the_page_lists_the_columns_of_the_leaf() -> None:
    """The table of columns on the format page has the names, order, nulls and meanings of the schema."""
    listed = re.findall(r"^\| \d+ \| `(\w+)` \| [\w ]+ \| (yes|no) \| (.+) \|$", PAGE, re.MULTILINE)

    assert listed == [(f.name, "yes" if f.nullable else "no", f.metadata[b"doc"].decode()) for f in schemas.LEAF]


def test_the_page_encodes_values_as_the_kernel_does() -> None:
    """Every value in the page's table of values has the bytes that stand beside it."""
    listed = re.findall(r"^\| `([^|]+)` \| `((?:[0-9a-f]{2})+)` \|$", PAGE, re.MULTILINE)

    strings = pa.list_(pa.string())
    kinds = [pa.string(), pa.string(), pa.string(), pa.bool_(), pa.int64(), strings, strings]
    encoded = [
        kernel.encode(pa.array([json.loads(text)], kind))[0] for (text, _), kind in zip(listed, kinds, strict=True)
    ]

    assert [data.tobytes().hex() for data in encoded] == [expected for _, expected in listed]


def test_the_example_of_the_page_holds() -> None:
    """The rows of the format page give its bytes, salts, leaves and root."""
    first, result = json.loads(example("row")), json.loads(example("result"))
    rows = table([first, *({**first, **change} for change in json.loads(example("changes")))])

    whole = manifest.seal_rows(rows, bytes.fromhex(result["leaf_key"]))
    data, offsets = manifest.encode_rows(whole.select([field.name for field in schemas.LEAF]))

    assert data[: offsets[1]].tobytes().hex() == "".join(example("bytes").split())
    assert whole.column("salt").to_pylist() == result["salts"]
    assert whole.column("leaf_hash").to_pylist() == result["leaves"]
    assert tree_of(whole)[1] == result["root"]


def test_a_salt_is_keyed_and_a_leaf_covers_it() -> None:
    """A salt is the HMAC of the doc_id, and another leaf key gives other salts and leaves for the same rows."""
    one = sealed(2)
    other = manifest.seal_rows(one.select(manifest.ROWS.names), bytes(32))

    assert one.column("salt")[1].as_py() == hmac.new(KEY, f"{1:032x}".encode(), hashlib.sha256).hexdigest()
    assert not set(one.column("leaf_hash").to_pylist()) & set(other.column("leaf_hash").to_pylist())


def test_sealing_is_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices, chunks and the size of the working slice change nothing in any sealed row."""
    whole = sealed(5)
    rows = whole.select(manifest.ROWS.names)
    monkeypatch.setattr(manifest, "SLICE_ROWS", 2)

    pieces = pa.concat_tables([manifest.seal_rows(rows.slice(3), KEY), manifest.seal_rows(rows.slice(0, 3), KEY)])

    assert pieces.sort_by("doc_id").equals(whole)
    assert manifest.seal_rows(rows.slice(0, 0), KEY).schema.equals(schemas.MANIFEST, check_metadata=True)


def test_rows_without_a_needed_value_are_refused() -> None:
    """A null in a column that has none, or a missing column, is a bug and not sealed."""
    rows = sealed(2).select(manifest.ROWS.names)

    with pytest.raises(SchemaError, match="a null in 'policy_digest'"):
        manifest.seal_rows(with_value(rows, 1, "policy_digest", None), KEY)
    with pytest.raises(SchemaError, match=r"missing \['actor'\]"):
        manifest.seal_rows(rows.drop_columns("actor"), KEY)


@given(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3).map(sorted))
@settings(deadline=None, max_examples=30)
def test_an_untouched_manifest_holds_however_it_is_cut(n: int, cuts: list[int]) -> None:
    """The same rows in any number of files, empty ones included, verify against the same tree."""
    whole = sealed(n)

    assert manifest.verify_files(files(whole, *[min(cut, n) for cut in cuts]), *tree_of(whole)) == n


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("reasons", []), ("disposition", "keep"), ("uri", None), ("edge_similarity", 1), ("minor", False),
        ("fetched_at", EPOCH), ("salt", "0" * 64), ("screened", ["cn.pii@1:22222222"]),
    ],
)  # fmt: skip
def test_a_changed_row_is_named(column: str, value: Any) -> None:
    """Any change in any covered column names the doc_id and the file, even with the leaf_hash written anew."""
    whole = sealed(6)
    changed = with_value(whole, 4, column, value)
    honest_looking = with_value(changed, 4, "leaf_hash", manifest.leaf_hashes(changed)[4].tobytes().hex())

    for found in (changed, honest_looking):
        with pytest.raises(IntegrityError, match=rf"manifest/1\.parquet: the row of doc_id '{4:032x}' .*changed"):
            manifest.verify_files(files(found, 3), *tree_of(whole))


@given(st.integers(2, 9), st.data())
@settings(deadline=None, max_examples=30)
def test_a_missing_row_is_named_by_its_place(n: int, data: st.DataObject) -> None:
    """A dropped row is reported with its leaf index and its neighbours, wherever files are cut."""
    row, cut = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, n - 1))
    whole = sealed(n)
    before = f"'{row - 1:032x}'" if row else "None"
    place = f"between doc_ids {before} and '{row + 1:032x}'" if row < n - 1 else f"after doc_id {before}"

    with pytest.raises(IntegrityError, match=rf"no row for leaf {row}.*{place}"):
        manifest.verify_files(files(without(whole, row), cut), *tree_of(whole))


def test_a_file_with_its_own_hashes_only_is_checked_alone() -> None:
    """verify_rows takes one file and its part of the tree; a short file is missing rows at its end."""
    whole = sealed(6)
    hashes = memoryview(tree_of(whole)[0])[2 * 32 : 5 * 32]

    manifest.verify_rows(whole.slice(2, 3), "b.parquet", hashes, first=2, after=f"{1:032x}")
    with pytest.raises(IntegrityError, match=r"b\.parquet: no row for leaf 4, after doc_id .*end of the file"):
        manifest.verify_rows(whole.slice(2, 2), "b.parquet", hashes, first=2)
    with pytest.raises(IntegrityError, match=rf"b\.parquet: the row of doc_id '{5:032x}' is not in the tree"):
        manifest.verify_rows(whole.slice(2, 4), "b.parquet", hashes, first=2)


def test_an_added_row_is_named() -> None:
    """A row that the tree does not hold is named, at the front, in the middle and at the end."""
    whole = sealed(6)

    for row in (0, 3, 5):
        with pytest.raises(IntegrityError, match=rf"the row of doc_id '{row:032x}' is not in the tree"):
            manifest.verify_files(files(whole, 2), *tree_of(without(whole, row)))


def test_rows_out_of_order_or_twice_are_named() -> None:
    """A manifest whose tree was built over unordered or repeated doc_ids does not hold."""
    whole = sealed(3)

    for order in ([0, 2, 1], [0, 1, 1]):
        with pytest.raises(IntegrityError, match=r"doc_id .* is not above"):
            manifest.verify_files([("m.parquet", whole.take(order))], *tree_of(whole.take(order)))


def test_what_lies_outside_the_leaf_is_checked_where_it_can_be() -> None:
    """A wrong leaf_hash column or a salt that is no hex names the doc_id and the file."""
    whole = sealed(3)

    with pytest.raises(IntegrityError, match=rf"m\.parquet: leaf_hash of doc_id '{1:032x}'"):
        manifest.verify_files([("m.parquet", with_value(whole, 1, "leaf_hash", "0" * 64))], *tree_of(whole))
    with pytest.raises(IntegrityError, match=rf"m\.parquet: the salt of doc_id '{1:032x}'"):
        manifest.verify_files([("m.parquet", with_value(whole, 1, "salt", "z" * 64))], *tree_of(whole))


def test_a_changed_tree_is_named() -> None:
    """A tree whose root is not the stated one fails before any row is looked at."""
    whole = sealed(3)
    tree, root = tree_of(whole)

    with pytest.raises(IntegrityError, match="tree: its root is"):
        manifest.verify_files([("m.parquet", whole)], tree[:-32], root)


def test_diff_names_what_changed() -> None:
    """Added, removed and changed documents come in order, with the columns and both dispositions."""
    old = sealed(5)
    new = with_value(with_value(old, 3, "disposition", "keep"), 3, "language", "en").slice(1)
    new = pa.concat_tables([new, sealed(7).slice(6)])

    changes = manifest.diff(old, new)

    assert changes.schema.equals(manifest.DIFF, check_metadata=True)
    assert [tuple(row.values()) for row in changes.to_pylist()] == [
        (f"{0:032x}", "removed", [], "redact", None),
        (f"{3:032x}", "changed", ["language", "disposition"], "redact", "keep"),
        (f"{6:032x}", "added", [], None, "redact"),
    ]


def test_diff_is_blind_to_order_and_keys() -> None:
    """Rows in another order, lists in another order and another leaf key are no difference."""
    old = sealed(4)
    turned = with_value(old, 2, "screened", old.column("screened")[2].as_py()[::-1]).take([3, 1, 0, 2])

    assert manifest.diff(old, manifest.seal_rows(turned.select(manifest.ROWS.names), bytes(32))).num_rows == 0
    assert manifest.diff(old.slice(0, 0), old.slice(0, 0)).num_rows == 0


def release(folder: Path, whole: pa.Table, tree: bytes, root: str) -> Path:
    """Write what the independent verifier reads of a release."""
    (folder / "manifest").mkdir(parents=True)
    for name, part in files(whole, 2):
        pq.write_table(part, folder / name)
    (folder / "tree").write_bytes(tree)
    signer = ledger.Signer("test", Ed25519PrivateKey.generate())
    body = ledger.statement({"tree": hashlib.sha256(tree).hexdigest()}, {"root": root, "size": len(tree) // 32})
    (folder / "statement.json").write_bytes(ledger.dsse_sign(body, signer))
    return folder


def verifier(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", DOCS / "verify_manifest.py", folder], capture_output=True, text=True, check=False
    )


def test_the_independent_verifier_agrees(tmp_path: Path) -> None:
    """The verifier on the docs page accepts a release and prints its root; it imports nothing of ours."""
    whole = sealed(5)
    tree, root = tree_of(whole)

    done = verifier(release(tmp_path / "good", whole, tree, root))

    assert (done.returncode, done.stdout) == (0, f"ok: 5 rows, root {root}\n")
    assert "corpus_gov" not in (DOCS / "verify_manifest.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("fault", ["changed", "missing", "last", "tree", "root", "columns", "renamed", "statement"])
def test_the_independent_verifier_refuses(fault: str, tmp_path: Path) -> None:
    """A changed or missing row, tree, root, column or statement gives exit code 1 and one clear line."""
    whole = sealed(5)
    tree, root = tree_of(whole)
    reasons = whole.schema.get_field_index("reasons")
    turned = [
        {"code": r["code"], "category": r["disposition"], "disposition": r["category"], "legal": r["legal"]}
        for r in whole.column("reasons")[0].as_py()
    ]
    rows, tree, root, expected = {
        "changed": (with_value(whole, 3, "reasons", []), tree, root, f"doc_id {3:032x} is not leaf 3"),
        "missing": (without(whole, 3), tree, root, f"doc_id {4:032x} is not leaf 3"),
        "last": (whole.slice(0, 4), tree, root, "tree has 5 leaves"),
        "tree": (whole, bytes(32) + tree[32:], root, f"doc_id {0:032x} is not leaf 0"),
        "root": (whole, tree, "0" * 64, "statement says"),
        "columns": (whole.rename_columns({"uri": "url"}), tree, root, "columns of the format"),
        "renamed": (whole.set_column(reasons, "reasons", pa.array([turned] * 5)), tree, root, "is not leaf 0"),
        "statement": (whole, tree, root, "cannot be read as a release"),
    }[fault]
    folder = release(tmp_path / fault, rows, tree, root)
    if fault == "statement":
        (folder / "statement.json").write_bytes(b"{}")

    done = verifier(folder)

    assert done.returncode == 1
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
