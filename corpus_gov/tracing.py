"""Where all copies of what a request asks about lie: in shards, in releases, and with whoever received those.

Shards are read, not the manifest: it may be older, and says nothing of what was erased from it. Memory: 24 bytes a
document, and the text-free columns of one shard.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, barring, handovers, lookup
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.kernels.columns import hex_bytes
from corpus_gov.published import BATCH_INGESTED, place
from corpus_gov.relate import near, records, suppressed
from corpus_gov.stages import Shard, batches, keying, read_shard
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import Missing
from corpus_gov.workspace import Workspace, read_batch

BY: Final = (
    "url", "host", "doc_id", "text_digest", "person", "consent", "source", "batch", "contract", "rights_holder",
    "near_copy",
)  # fmt: skip
"""What a request may ask by. Values of all but doc_id, source, batch and contract are kept keyed."""

PLAIN: Final = ("doc_id", "source", "batch", "contract")

HOW: Final = ("asked", "exact", "contained", "holds", "near", "spun", "perhaps")
"""How a document was found, the surest first: it is what was asked for; its text, or its bytes, are the same; it is
inside of such a one; such a one is inside of it; it is like it; its words were turned around; a scan saw the value of a
person as a part of something longer."""

SURE: Final = ("asked", "exact")

_COLUMNS: Final = {
    "url": ("host", "uri"), "host": ("host",), "consent": ("consent_ref",), "rights_holder": ("author",),
}  # fmt: skip
_KINDS: Final = {"url": "uri", "host": "host", "text_digest": "text", "consent": "consent", "rights_holder": "holder"}
_AT_ONCE: Final = 256
"""Texts that are compared with another at once."""

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Asked:
    """What is looked for.

    Attributes:
        by: one of BY.
        keys: what values of this kind are kept as: keyed, or as they are where `by` is one of PLAIN. Of a person the
            keyed digests of findings; of a near copy the keyed digest of its text.
        seeds: documents that were found by what is not kept: the value of a person, a text.
        within: only in this source.
    """

    by: str
    keys: tuple[str, ...]
    seeds: Mapping[str, str] = field(default_factory=dict)
    within: str | None = None


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        documents: source_id and one of HOW, by doc_id.
        releases: for each that holds some of them: release, documents, dispositions, released, receivers.
        unread: what could not be looked at, with the reason.
        not_related: documents that came after the newest release: only their exact copies are known.
    """

    documents: dict[str, tuple[str, str]]
    releases: list[dict[str, Any]]
    unread: dict[str, str]
    not_related: int


def keys_of(by: str, value: str, key: bytes) -> tuple[str, ...]:
    """Return what is kept of a value that is asked by.

    Raises:
        ConfigError: the value cannot be of that kind.
    """
    plain = value.strip()
    if by == "host":
        plain = barring.host_of(plain if "://" in plain else f"https://{plain}") or ""
    if by == "rights_holder":
        plain = holder(plain)
    digits = {"doc_id": 32, "text_digest": 64}.get(by)
    if not plain or (digits and (len(plain) != digits or not set(plain) <= set("0123456789abcdef"))):
        raise ConfigError(
            f"erase: found no value for {by!r}, expected {f'{digits} lower-case hex digits' if digits else 'one'}"
        )
    return (plain,) if by in PLAIN else (barring.keyed(_KINDS[by], plain, key),)


def holder(name: str) -> str:
    """Return the form of a name that rights holders are compared in."""
    return " ".join(normalize("NFKC", name).casefold().split())


def find(workspace: Workspace, asked: Asked) -> Found:
    """Find every document that is asked for, its copies, and the releases that hold them.

    Raises:
        ConfigError: it asks by a source, batch or contract that is not there.
        IntegrityError: shards, batches or the ledger are not what was recorded.
    """
    shards = [one for one in workspace.shards() if asked.within in {None, one.source_id}]
    index = _Index(workspace, shards, _Matcher(workspace, asked))
    found = {doc_id: (source, "asked") for doc_id, source in index.asked.items()}
    for doc_id, how in asked.seeds.items():
        if doc_id in index:
            found.setdefault(doc_id, (index.source_of(doc_id), how))
    sure = [doc_id for doc_id, (_, how) in found.items() if how in SURE]
    for doc_id, source in index.copies(sure).items():
        found[doc_id] = (source, "exact") if doc_id not in sure else found[doc_id]
    sure = [doc_id for doc_id, (_, how) in found.items() if how in SURE]
    related, unread = _related(workspace, sure)
    for doc_id, how in sorted(related.items(), key=lambda item: HOW.index(item[1])):
        # Of documents with one text the smallest stands for all.
        for twin, source in index.copies([doc_id]).items():
            found.setdefault(twin, (source, how))
    releases = held(workspace, found)
    return Found(dict(sorted(found.items())), releases, unread, _newer(workspace, shards))


def held(workspace: Workspace, doc_ids: Collection[str]) -> list[dict[str, Any]]:
    """Say of each release that has rows of some documents what became of them there, and who received it."""
    wanted, answers = sorted(doc_ids), []
    for name in workspace.releases() if wanted else ():
        said: Counter[str] = Counter()
        for file in workspace.release(name).files:
            if file.startswith(place(name, "manifest/")):
                rows = artefacts.chosen(workspace.store.read(file), {"doc_id": wanted}, ["disposition", "text_digest"])
                said.update(rows.filter(pc.is_valid(rows["text_digest"]))["disposition"].to_pylist())
        if said:
            received = [
                {k: one.get(k) for k in ("receiver", "day", "purpose")} for one in handovers.listed(workspace, [name])
            ]
            answers.append({
                "release": name, "documents": said.total(), "dispositions": dict(sorted(said.items())),
                "released": said["keep"] + said["redact"], "receivers": received,
            })  # fmt: skip
    return answers


def near_copies(workspace: Workspace, text: str) -> dict[str, str]:
    """Find documents that are like a text, verified shingle by shingle: doc_id to "exact" or "near"."""
    preset = suppressed.PRESET
    own = pa.array([text], pa.large_string())
    signed = near.signatures(own, preset)
    if signed.null_count:
        raise ConfigError("erase: found a text without a word, expected one to compare with; give another file")
    bands = near.band_keys(near.matrix(signed), preset.bands, preset.rows)[0]
    found: dict[str, str] = {}
    for shard in workspace.shards():
        for doc_id, similarity in _like(workspace, shard, own, bands):
            if similarity >= preset.threshold:
                found[doc_id] = "near"
    return found


def persons(workspace: Workspace, value: str) -> tuple[tuple[str, ...], dict[str, str], dict[str, str]]:
    """Find documents that hold a value of a person; it leaves in nothing.

    Returns:
        Keyed digests of findings; doc_id to "asked" or "perhaps"; what could not be looked at.
    """
    answer = lookup.held(workspace, value)
    return (
        answer.digests,
        {one: "asked" if sure else "perhaps" for one, sure in answer.documents.items()},
        answer.unread,
    )


class _Matcher:
    """Says which rows of a shard are asked for."""

    def __init__(self, workspace: Workspace, asked: Asked) -> None:
        self.asked, self._key = asked, workspace.keys().seal
        self.columns = _COLUMNS.get(asked.by, ())
        self._whole = self._sources(workspace)
        self._shards = self._of_batches(workspace) if asked.by == "batch" else frozenset()
        self._sealed = _sealed(workspace, asked.keys) if asked.by == "person" else frozenset()

    def rows(self, shard: Shard, table: pa.Table) -> np.ndarray:
        """Return a mask over the documents of a shard."""
        by, keys = self.asked.by, pa.array(self.asked.keys, pa.string())
        if shard.source_id in self._whole or (shard.source_id, shard.shard_id) in self._shards:
            return np.ones(len(table), bool)
        if by in {"doc_id", "person"}:
            ids = pa.array(sorted(self._sealed), pa.string()) if by == "person" else keys
            return np.asarray(pc.is_in(table["doc_id"], value_set=ids))
        if by in {"text_digest", "near_copy"}:
            return _mask(barring.keyed_array("text", table["text_digest"].combine_chunks(), self._key), keys)
        if by == "host":
            return self._hosts(table["host"])
        if by in self._of_column:
            return self._of_column[by](self, table, keys)
        return np.zeros(len(table), bool)

    def _urls(self, table: pa.Table, keys: pa.Array) -> np.ndarray:
        return _mask(barring.keyed_array("uri", table["uri"].combine_chunks(), self._key), keys)

    def _consents(self, table: pa.Table, keys: pa.Array) -> np.ndarray:
        return _mask(barring.keyed_array("consent", table["consent_ref"].combine_chunks(), self._key), keys)

    def _holders(self, table: pa.Table, keys: pa.Array) -> np.ndarray:
        codes = table["author"].combine_chunks().dictionary_encode()
        forms = pa.array([holder(one) for one in codes.dictionary.to_pylist()], pa.string()).take(codes.indices)
        return _mask(barring.keyed_array("holder", forms, self._key), keys)

    _of_column: Final = {"url": _urls, "consent": _consents, "rights_holder": _holders}

    def _hosts(self, column: pa.ChunkedArray) -> np.ndarray:
        codes = column.combine_chunks().dictionary_encode()
        bar = barring.Bar(barring.Barred(hosts=frozenset(self.asked.keys)), self._key)
        each = [bar.host(one) for one in codes.dictionary.to_pylist()]
        return np.asarray(pa.array([*each, False]).take(pc.fill_null(codes.indices.cast(pa.int64()), len(each))))

    def _sources(self, workspace: Workspace) -> frozenset[str]:
        by, keys = self.asked.by, set(self.asked.keys)
        if by == "source":
            found = keys & ({*workspace.dossiers} | {shard.source_id for shard in workspace.shards()})
        elif by == "contract":
            found = {
                one
                for one, dossier in workspace.dossiers.items()
                if dossier.contract and dossier.contract.reference in keys
            }
        elif by == "rights_holder":
            found = {
                one for one, dossier in workspace.dossiers.items()
                if any(paper.party and barring.keyed("holder", holder(paper.party), self._key) in keys
                       for _, paper in dossier.papers())
            }  # fmt: skip
        else:
            return frozenset()
        if not found and by != "rights_holder":
            raise ConfigError(f"erase: found no {by} {min(keys)!r} in any dossier, expected one; correct it")
        return frozenset(found)

    def _of_batches(self, workspace: Workspace) -> frozenset[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for entry in workspace.ledger().entries():
            for name, digest in entry.subject.items() if entry.type == BATCH_INGESTED else ():
                if {str(entry.index), name, name.removeprefix("batches/").removesuffix(".json")} & set(self.asked.keys):
                    body = json.loads(read_batch(workspace.store, name, digest))
                    found |= {(one["source_id"], one["shard_id"]) for one in body["shards"]}
        if not found:
            raise ConfigError(
                f"erase: found no batch {self.asked.keys[0]!r}, expected its name, or the number of its entry in the "
                "ledger; correct it"
            )
        return frozenset(found)


class _Index:
    """Heads of ids, texts and bytes of all documents, and what a matcher says of them; one reading of every shard."""

    def __init__(self, workspace: Workspace, shards: Sequence[Shard], matcher: _Matcher) -> None:
        self._store, self._shards = workspace.store, shards
        self._starts = np.cumsum([0, *(shard.documents for shard in shards)])
        self._ids, self._texts, self._bytes = (np.empty(self._starts[-1], np.uint64) for _ in range(3))
        self.asked: dict[str, str] = {}
        columns = ["doc_id", "text_digest", "payload_digest", "part", *matcher.columns]
        for number, shard in enumerate(shards):
            table = artefacts.decode(read_shard(self._store, shard, "documents"), columns)
            rows = slice(self._starts[number], self._starts[number + 1])
            self._ids[rows], self._texts[rows] = _heads(table["doc_id"]), _heads(table["text_digest"])
            # A record may hold several documents: the same bytes are the same document part by part.
            self._bytes[rows] = _heads(table["payload_digest"]) ^ (np.asarray(table["part"]).astype(np.uint64) * _MIX)
            mine = table["doc_id"].filter(pa.array(matcher.rows(shard, table)))
            self.asked |= dict.fromkeys(mine.to_pylist(), shard.source_id)

    def __contains__(self, doc_id: str) -> bool:
        return bool(self._at([doc_id]))

    def source_of(self, doc_id: str) -> str:
        """Return the source of a document that is there."""
        return self._at([doc_id])[doc_id]

    def copies(self, doc_ids: Iterable[str]) -> dict[str, str]:
        """Return the documents with the text or the bytes of these, and these, with their sources."""
        wanted = [doc_id for doc_id in doc_ids if len(doc_id) == 32]
        heads = np.array([int(doc_id[:16], 16) for doc_id in wanted], np.uint64)
        own = np.isin(self._ids, heads)
        same = np.isin(self._texts, self._texts[own]) | np.isin(self._bytes, self._bytes[own])
        return self._rows(np.flatnonzero(same))

    def _at(self, doc_ids: Collection[str]) -> dict[str, str]:
        heads = np.array([int(doc_id[:16], 16) for doc_id in doc_ids], np.uint64)
        found = self._rows(np.flatnonzero(np.isin(self._ids, heads)))
        return {doc_id: source for doc_id, source in found.items() if doc_id in doc_ids}

    def _rows(self, places: np.ndarray) -> dict[str, str]:
        found: dict[str, str] = {}
        homes = np.searchsorted(self._starts, places, side="right") - 1
        for number in np.unique(homes).tolist():
            shard = self._shards[number]
            ids = artefacts.decode(read_shard(self._store, shard, "documents"), ["doc_id"])["doc_id"]
            mine = ids.take(pa.array(places[homes == number] - self._starts[number]))
            found |= dict.fromkeys(mine.to_pylist(), shard.source_id)
        return found


def _heads(column: pa.ChunkedArray) -> np.ndarray:
    """Return the first 8 bytes of digests as one number each: a chance agreement is one in 2^64 a pair."""
    return hex_bytes(column, 8).view(">u8").reshape(-1).astype(np.uint64)


def _mask(digests: pa.Array, keys: pa.Array) -> np.ndarray:
    return np.asarray(pc.is_in(digests, value_set=keys))


def _sealed(workspace: Workspace, keys: Sequence[str]) -> frozenset[str]:
    """Return the documents with findings of these keyed digests, as the newest release's run made them."""
    found: set[str] = set()
    known = workspace.releases()
    run = workspace.release(known[-1]).run if known else {"artefacts": {}}
    for names in run["artefacts"].values():
        for kind, name in names.items():
            if kind.startswith("findings.") and artefacts.ready(workspace.store, name) is True:
                rows = artefacts.chosen(artefacts.read(workspace.store, name), {"hmac": keys}, ["doc_id"])
                found.update(rows["doc_id"].to_pylist())
    return frozenset(found)


def _related(workspace: Workspace, doc_ids: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the documents beside these along the edges of the newest release, and what could not be read."""
    known = workspace.releases()
    found: dict[str, str] = {}
    unread: dict[str, str] = {}
    for name in workspace.release(known[-1]).run.get("relations", {}).get("edges", ()) if known and doc_ids else ():
        try:
            edges = artefacts.chosen(artefacts.read(workspace.store, name), {"a": doc_ids, "b": doc_ids})
        except (Missing, IntegrityError):
            unread[name] = "relations of the newest release are not in the build cache: run again"
            continue
        mine = set(doc_ids)
        for edge in edges.to_pylist():
            inside = edge["b"] in mine
            other = edge["a"] if inside else edge["b"]
            how = edge["kind"] if edge["kind"] != "contained" or inside else "holds"
            if other not in mine and (other not in found or HOW.index(how) < HOW.index(found[other])):
                found[other] = how
    return found, unread


def _like(workspace: Workspace, shard: Shard, own: pa.Array, bands: np.ndarray) -> Iterator[tuple[str, int]]:
    """Yield the documents of a shard that share a band with a text, and how like it they are."""
    preset, context = suppressed.PRESET, workspace.context()
    data = read_shard(workspace.store, shard, "documents")
    name = artefact_names(context, shard).get("keys.near")
    if name and keying.preset_of(context) == preset and artefacts.ready(workspace.store, name) is True:
        signed = keying.signatures(workspace.store, name, preset)
        ids, values = records.hexadecimal(signed["doc_id"]), np.ascontiguousarray(signed["minhash"])
        tables = [(ids, values)]
    else:
        tables = [
            (batch.column("doc_id"), near.matrix(near.signatures(batch.column("text"), preset)))
            for batch in batches(data)
        ]
    for ids, values in tables:
        shared = (near.band_keys(values, preset.bands, preset.rows) == bands).any(axis=1)
        wanted = ids.filter(pa.array(shared)).to_pylist()
        for start in range(0, len(wanted), _AT_ONCE):
            table = artefacts.chosen(data, {"doc_id": wanted[start : start + _AT_ONCE]}, ["doc_id", "text"])
            texts = pa.concat_arrays([own, table["text"].combine_chunks().cast(pa.large_string())])
            sets, others = near.shingle_sets(texts, preset), np.arange(1, len(texts))
            similar = near.similarity(sets, np.zeros(len(others), np.int64), sets, others)
            yield from zip(table["doc_id"].to_pylist(), similar.tolist(), strict=True)


def _newer(workspace: Workspace, shards: Iterable[Shard]) -> int:
    known = workspace.releases()
    related = set(workspace.release(known[-1]).run["shards"]) if known else set()
    return sum(shard.documents for shard in shards if shard.ref not in related)
