"""The build cache: tables under names that say exactly what they were made from.

A name is a digest of the shard, the family and its version, the rules, parameters and model files, and the
versions of the libraries that the family names. So "resume", "ingest more" and "screen again with new
rules" are one thing: build what is missing. Beside each table lies its SHA-256, written after it: a table
without one was never finished, a table that differs from it is built again and reported.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, reduce
from hashlib import sha256
from importlib.metadata import version
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov.errors import IntegrityError
from corpus_gov.store import Missing, Store

ROWS_A_GROUP: Final = 4_096
"""Rows of a Parquet row group: what is decoded at once when a shard is streamed."""

_ENTRY: Final = struct.Struct("<qq32s")
"""Of the index before the parts of an artefact: first byte, byte after the last, SHA-256."""

_IN_PARTS: Final = "parts "
"""Start of the mark of an artefact in parts; the number of them and the SHA-256 of their index follow."""

_MARKED: Final = ".sha256"

_FIRST_READ: Final = 8_192
"""Bytes that hold the index of 170 parts; of more parts, entries are read as they are asked for."""

_STARTS: Final[dict[tuple[str, str], bytes]] = {}
_STARTS_MOST: Final = 1_024

COMPRESSION_LEVEL: Final = 1
"""zstd; level 3 writes a third slower for a fifth less space, and everything here is written once a run."""


def name(family: str, *parts: Any, libraries: Sequence[str] = ()) -> str:
    """Return the name of the artefact of `family` made from `parts`.

    Args:
        family: folder under artefacts/, such as "signals.quality".
        parts: everything that the table depends on; JSON values.
        libraries: distributions whose versions change the result.
    """
    body = json.dumps([family, parts, {name: _version(name) for name in libraries}], sort_keys=True)
    return f"artefacts/{family}/{sha256(body.encode()).hexdigest()[:32]}.parquet"


def digest_of(value: Any) -> str:
    """Digest a JSON value, for use as a part of a name."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def encode(table: pa.Table) -> bytes:
    """Write a table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        row_group_size=ROWS_A_GROUP,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        # Most columns are digests, texts and numbers, each value another: dictionaries take a sixth of the time, and
        # the files are larger with them.
        use_dictionary=False,
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole Parquet file, or some columns of it."""
    table: pa.Table = pq.ParquetFile(pa.BufferReader(data)).read(None if columns is None else list(columns))
    return table


def chosen(data: bytes, wanted: Mapping[str, Sequence[str]], columns: Sequence[str] | None = None) -> pa.Table:
    """Read some rows of a Parquet file; row groups without one are not decoded further than the columns asked about.

    Not by a filter of the library's own: its threads may still be there when a short command ends.

    Args:
        data: the file.
        wanted: columns of strings with the values looked for; a row with one of them in any of the columns is read.
        columns: of the rows; all by default.
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    names = file.schema_arrow.names if columns is None else list(columns)
    found = [pa.schema([file.schema_arrow.field(name) for name in names]).empty_table()]
    for group in range(file.num_row_groups):
        asked = file.read_row_group(group, list(wanted), use_threads=False)
        masks = [pc.is_in(asked[name], pa.array(list(values), asked[name].type)) for name, values in wanted.items()]
        mask = reduce(pc.or_, masks)
        if pc.any(mask, min_count=0).as_py():
            found.append(file.read_row_group(group, names, use_threads=False).select(names).filter(mask))
    return pa.concat_tables(found)


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    """Write a table as an Arrow stream: what the next step reads and nobody else."""
    sink = pa.BufferOutputStream()
    # Without threads of its own: each task has one core.
    options = pa.ipc.IpcWriteOptions(compression=compression, use_threads=False)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def from_stream(data: bytes) -> pa.Table:
    """Read what `stream` wrote, without a copy where it is not compressed."""
    with pa.ipc.open_stream(pa.BufferReader(data), options=pa.ipc.IpcReadOptions(use_threads=False)) as reader:
        return reader.read_all()


def put(store: Store, artefact: str, data: bytes) -> None:
    """Store an artefact, then the digest that marks it finished."""
    store.put(artefact, data)
    store.put(_mark(artefact), sha256(data).hexdigest().encode())


def ready(store: Store, artefact: str) -> bool | None:
    """Say whether an artefact is there and whole: True, False when it was never finished, None when it is damaged."""
    try:
        expected = store.read(_mark(artefact)).decode()
    except Missing:
        return False
    try:
        return True if _digest(store.read(artefact), expected) == expected else None
    except Missing:
        return None


def digest(store: Store, artefact: str) -> str:
    """Return what tells the content of an artefact from any other, as it was when it was written.

    What is named by it, instead of by the artefact's name, need not be made again where an input came out the same.

    Raises:
        Missing: it was never finished.
    """
    return store.read(_mark(artefact)).decode()


def part_digest(store: Store, artefact: str, number: int) -> str:
    """Return the SHA-256, hex, that the index of an artefact in parts gives for one; `get_part` compares it."""
    start, low, high = _start(store, artefact), _ENTRY.size * number, _ENTRY.size * (number + 1)
    entry = start[low:high] if high <= len(start) else store.read(artefact, (low, high))
    if high > _index_size(start) or len(entry) != _ENTRY.size:
        raise IntegrityError(f"{artefact}: has no part {number}; it was changed after it was built: run again")
    return bytes(_ENTRY.unpack(entry)[2]).hex()


def _digest(data: bytes, like: str) -> str:
    """Digest an artefact as its mark was made: of one in parts, their index, which holds the digests of the parts."""
    if not like.startswith(_IN_PARTS):
        return sha256(data).hexdigest()
    count = like.removeprefix(_IN_PARTS).partition(" ")[0]
    index = data[: _ENTRY.size * int(count)] if count.isdecimal() and len(count) < 10 else b""
    if len(index) % _ENTRY.size == 0 and _parts_mark(index) == like:
        entries = list(_ENTRY.iter_unpack(index))
        view = memoryview(data)
        whole = all(sha256(view[start:stop]).digest() == digest for start, stop, digest in entries)
        if whole and len(data) == (entries[-1][1] if entries else 0):
            return like
    return f"{_IN_PARTS}damaged"


def _parts_mark(index: bytes) -> str:
    return f"{_IN_PARTS}{len(index) // _ENTRY.size} {sha256(index).hexdigest()}"


def read(store: Store, artefact: str) -> bytes:
    """Return the bytes of an artefact.

    Raises:
        IntegrityError: they are not what was written; a run builds it again.
    """
    data = store.read(artefact)
    expected = store.read(_mark(artefact)).decode()
    found = _digest(data, expected)
    if found != expected:
        raise IntegrityError(
            f"{artefact}: SHA-256 is {found[:12]!r}, expected {expected[:12]!r}; "
            "it was changed after it was built: run again, and it is built anew"
        )
    return data


def get(store: Store, artefact: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read an artefact as a table; errors as for `read`."""
    return decode(read(store, artefact), columns)


def get_stream(store: Store, artefact: str) -> pa.Table:
    """Read an artefact that `stream` wrote; errors as for `read`."""
    return from_stream(read(store, artefact))


def put_parts(store: Store, artefact: str, parts: Sequence[bytes]) -> None:
    """Store an artefact of parts that are read one at a time: one object, an index before its parts."""
    start, entries = _ENTRY.size * len(parts), []
    for part in parts:
        entries.append(_ENTRY.pack(start, start + len(part), sha256(part).digest()))
        start += len(part)
    index = b"".join(entries)
    store.put(artefact, b"".join([index, *parts]))
    # The index has the digests of the parts: nothing is hashed twice.
    store.put(_mark(artefact), _parts_mark(index).encode())


def get_part(store: Store, artefact: str, number: int) -> bytes:
    """Read one part of an artefact, and nothing of the others.

    Raises:
        IntegrityError: it is not what was written; a run builds it again.
    """
    return get_parts(store, artefact, number, number + 1)[0]


def get_parts(store: Store, artefact: str, first: int, stop: int) -> list[bytes]:
    """Read neighbouring parts of an artefact with one read; errors as for `get_part`."""
    try:
        return _parts(store, artefact, _start(store, artefact), first, stop)
    except IntegrityError:
        # What is remembered may be of an object that was built again since.
        if _STARTS.pop((store.url, artefact), None) is None:
            raise
        return _parts(store, artefact, _start(store, artefact), first, stop)


def _parts(store: Store, artefact: str, start: bytes, first: int, stop: int) -> list[bytes]:
    size, number = _index_size(start), first
    if stop * _ENTRY.size <= size:
        low, high = _ENTRY.size * first, _ENTRY.size * stop
        index = start[low:high] if high <= len(start) else store.read(artefact, (low, high))
        entries = list(_ENTRY.iter_unpack(index)) if len(index) == high - low else []
        low, high = (entries[0][0], entries[-1][1]) if entries else (0, 0)
        # A damaged index may name any span: no more is read than is there.
        data = memoryview(store.read(artefact, (low, high)) if size <= low <= high < 1 << 62 else b"")
        found = []
        for begin, end, digest in entries:
            part = bytes(data[begin - low : end - low]) if low <= begin <= end else b""
            if len(part) != end - begin or sha256(part).digest() != digest:
                break
            found.append(part)
        if len(found) == stop - first:
            return found
        number += len(found)
    raise IntegrityError(
        f"{artefact}: part {number} is not what its index says; it was changed after it was built: run again, and "
        "it is built anew"
    )


def count_parts(store: Store, artefact: str) -> int:
    """Return how many parts an artefact has, by its index; `get_part` tells whether they are whole."""
    return _index_size(_start(store, artefact)) // _ENTRY.size


def _start(store: Store, artefact: str) -> bytes:
    """Read the first bytes of an artefact once a process: what lies under a name is always the same."""
    key = (store.url, artefact)
    if key not in _STARTS:
        while len(_STARTS) >= _STARTS_MOST:
            _STARTS.pop(next(iter(_STARTS)), None)
        _STARTS[key] = store.read(artefact, (0, _FIRST_READ))
    return _STARTS[key]


def _index_size(start: bytes) -> int:
    # The first part begins where the index ends.
    return max(0, int(_ENTRY.unpack_from(start)[0])) if len(start) >= _ENTRY.size else 0


def remove(store: Store, artefact: str) -> None:
    """Remove an artefact that nobody will read again; an absent one is no error."""
    _STARTS.pop((store.url, artefact), None)
    store.delete(_mark(artefact))
    store.delete(artefact)


def replace(store: Store, artefact: str, data: bytes) -> None:
    """Store another content under the name of an artefact: what is left of it after an erasure.

    Its mark goes first, so that one that is cut off was never finished.
    """
    _STARTS.pop((store.url, artefact), None)
    store.delete(_mark(artefact))
    put(store, artefact, data)


def in_parts(store: Store, artefact: str) -> bool:
    """Say whether an object is an artefact in parts, by its mark; anything else is not."""
    try:
        return artefact.endswith(".parquet") and store.read(_mark(artefact)).startswith(_IN_PARTS.encode())
    except Missing:
        return False


def marked(path: str) -> str:
    """Return the artefact that an object under artefacts/ belongs to: itself, or the one whose digest it holds."""
    return path.removesuffix(_MARKED) + ".parquet" if path.endswith(_MARKED) else path


def sweep(store: Store, family: str, keep: Iterable[str] = ()) -> None:
    """Remove all artefacts of a family, or of those that begin so, but for some.

    Args:
        store: where.
        family: of `name`, or the start of it up to a dot: "plan." are all plans.
        keep: names that stay.
    """
    kept = {path for name in keep for path in (name, _mark(name))}
    # Marks go first: a sweep that is cut off leaves nothing that looks whole.
    names = store.list(f"artefacts/{family}" + ("" if family.endswith(".") else "/"))
    for path in sorted(names, key=lambda path: not path.endswith(_MARKED)):
        if path not in kept:
            _STARTS.pop((store.url, path), None)
            store.delete(path)


def put_ranges(store: Store, artefact: str, tables: Sequence[pa.Table]) -> None:
    """Store one table a key range, as parts."""
    put_parts(store, artefact, [encode(table) for table in tables])


def get_range(store: Store, artefacts: Iterable[str], number: int) -> pa.Table:
    """Read one key range of several artefacts of `put_ranges` as one table; errors as for `get_part`."""
    return pa.concat_tables(decode(get_part(store, artefact, number)) for artefact in artefacts)


def put_table(store: Store, family: str, table: pa.Table) -> str:
    """Store a table under a name made from its own content, unless it is there; returns the name."""
    data = encode(table)
    artefact = name(family, sha256(data).hexdigest())
    if ready(store, artefact) is not True:
        put(store, artefact, data)
    return artefact


def canonical(value: Mapping[str, Any]) -> bytes:
    """Encode a JSON object readably and reproducibly."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n").encode()


def unmarked(path: str) -> str:
    """Return the artefact that an object belongs to: its own name, or that of the artefact which it marks finished."""
    return path.removesuffix(_MARKED) + ".parquet" if path.endswith(_MARKED) else path


def _mark(artefact: str) -> str:
    return artefact.removesuffix(".parquet") + _MARKED


@cache
def _version(distribution: str) -> str:
    return version(distribution)
