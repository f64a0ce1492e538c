"""Decide a release again from what it was decided from, and compare: `verify --replay`.

    documents, signals, findings, relations  +  rules, policy, facts of sources, overrides, suppression list, as-of
        -> the decisions, clean documents and edits that the release should have

The pipeline's own `decide` does it, over a store that hides everything the run concluded and takes every write
(`overlay`): nothing in the workspace changes. Rules and policy must be those of the release, byte for byte; facts of
sources, overrides and the suppression list are those that its run laid aside. Evidence that is not there any more is
built again from the documents, and counted. Documents that were erased cannot be decided again, and are counted.

Every document is decided again, since verdicts on sources and the choice among copies rest on all of them; a sample
bounds what is compared. Disk: the clean corpus once more, in the folder for temporary files, as long as it lasts.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from heapq import nsmallest
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, beyond, grouping, manifest, pipeline, published, schemas
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.overlay import Overlay, put_aliases
from corpus_gov.published import RUN, place
from corpus_gov.relate.suppressed import SUPPRESSIONS
from corpus_gov.settlement import OVERRIDES
from corpus_gov.stages import Context, Shard, shard_id
from corpus_gov.stages.looking import artefact_names
from corpus_gov.store import LocalStore, MemoryStore, Store
from corpus_gov.verification import Sealed, sealed
from corpus_gov.workspace import Workspace

SAMPLE: Final = 1_000
"""Documents that are compared unless another number is asked for."""

NAMED: Final = 20
"""Documents that an error names."""

_CLEAN: Final = tuple(name for name in schemas.CLEAN.names if name != "doc_id")
_LEAF: Final = [column.name for column in schemas.LEAF]


@dataclass(frozen=True)
class Replayed:
    """What a replay came to.

    Attributes:
        release: its name.
        root: hex, of its manifest; the sample follows from it.
        asked: documents that were to be compared.
        same: those whose row, clean document and edits came out the same.
        erased: those that are gone, under signed amendments: nobody can decide them again.
        unsettled: those that came out otherwise in a release of which documents were erased, and that are copies of
            others: with whom they were compared then is not known any more.
        rebuilt: artefacts that were not there any more and were built again from the documents.
        notes: what a difference could also come from, one sentence each.
    """

    release: str
    root: str
    asked: int
    same: int
    erased: int
    unsettled: int
    rebuilt: int
    notes: tuple[str, ...]


def replay(
    workspace: Workspace,
    name: str | None = None,
    documents: int | None = SAMPLE,
    *,
    engine: Engine | None = None,
    vkey: str | None = None,
    known: Sequence[bytes] = (),
) -> Replayed:
    """Decide a release again, and compare.

    Args:
        workspace: open, with the rules and the policy of that release, and its keys.
        name: the release; the newest by default.
        documents: how many to compare, chosen by the root; None compares all.
        engine: running; by default one with the workspace's settings is started.
        vkey: as for `verification.verify`.
        known: as for `verification.verify`.

    Raises:
        IntegrityError: a document came out otherwise, or stored data are not what was written; names doc_ids and
            columns.
        ConfigError: rules or policy are others, or the release is from before its grounds were laid aside.
    """
    found = sealed(workspace.store, name, vkey, known)
    if engine is None:
        settings = workspace.settings.engine
        with Engine(workers=settings.workers, memory=settings.memory) as own:
            return _replay(workspace, found, documents, own)
    return _replay(workspace, found, documents, engine)


def chosen(root: str, doc_ids: Sequence[str], documents: int | None) -> list[str]:
    """Choose documents by the root: those with the smallest SHA-256 over root and doc_id, ascending in doc_id."""
    if documents is None:
        return sorted(doc_ids)
    return sorted(nsmallest(documents, doc_ids, key=lambda doc_id: sha256(f"{root}{doc_id}".encode()).digest()))


def _replay(workspace: Workspace, found: Sealed, documents: int | None, engine: Engine) -> Replayed:
    run = workspace.release(found.name).run
    _check_run(workspace, found, run)
    with _past(workspace, found.name, run) as past:
        missing = _evidence(past, run)
        clusters = run["grounds"]["clusters"]
        if missing:
            clusters = pipeline.build(past, engine, as_of=past.as_of)
        draft = pipeline.decide(past, engine, clusters, past.as_of)
        theirs = _rows(workspace.store, found)
        sample = chosen(found.predicate["root"], theirs["doc_id"].to_pylist(), documents)
        wanted = pa.array(sample, pa.string())
        theirs = theirs.filter(pc.is_in(theirs["doc_id"], wanted))
        ours = _made(past.store, [part.artefact for part in draft.manifest], _LEAF, wanted)
        differs = _unlike_rows(theirs, ours)
        gone = _gone(found, theirs, ours) | (set(sample) - set(theirs["doc_id"].to_pylist()))
        for table, parts in (("clean", draft.clean), ("edits", draft.edits)):
            for doc_id, columns in _unlike_parts(workspace.store, past.store, found, table, parts, wanted):
                differs.setdefault(doc_id, []).extend(columns)
    for doc_id in gone:
        differs.pop(doc_id, None)
    unsettled = _unsettled(found, theirs, differs)
    _refuse(found.name, {doc_id: columns for doc_id, columns in differs.items() if doc_id not in unsettled})
    return Replayed(
        release=found.name,
        root=found.predicate["root"],
        asked=len(sample) + len(found.amended.erased) * (documents is None),
        same=len(sample) - len(gone) - len(unsettled),
        erased=len(gone) + len(found.amended.erased) * (documents is None),
        unsettled=len(unsettled),
        rebuilt=len(missing),
        notes=tuple(_notes(run)),
    )


def _check_run(workspace: Workspace, found: Sealed, run: Mapping[str, Any]) -> None:
    """Refuse where rules or policy are not those of the release: what came out would say nothing of it."""
    context = workspace.context()
    said = json.loads(workspace.store.read(place(found.name, RUN)))
    if sha256(workspace.store.read(place(found.name, RUN))).hexdigest() != found.files[place(found.name, RUN)]:
        raise IntegrityError(f"{place(found.name, RUN)}: not what the statement says; `verify` says more")
    if "grounds" not in said:
        raise ConfigError(f"{found.name}: was made before runs laid their grounds aside; publish again to replay")
    packs, policy = sorted(pack.ref for pack in context.rule_packs()), context.policy_in_force().digest
    if policy != run["policy"]["digest"]:
        raise ConfigError(
            f"policy {run['policy']['name']!r}: digest is {policy[:12]!r}, {found.name} was decided by "
            f"{run['policy']['digest'][:12]!r}; give that policy with --policy or --rules"
        )
    if packs != run["packs"] or context.near != run["near"]:
        other = sorted({*packs} ^ {*run["packs"]}) or [context.near]
        raise ConfigError(
            f"{found.name}: was screened with other rules or presets, {other[:4]!r} are in one of both only; give its "
            "rules with --rules, and its settings in corpus-gov.toml"
        )


@dataclass
class Past(Workspace):
    """A workspace as it was for one release: its shards, facts of sources, overrides and suppression list."""

    origin: Workspace | None = None
    then: Mapping[str, Any] | None = None
    """run.json of the release."""

    @property
    def as_of(self) -> date:
        """The date that the release compared expiries with."""
        return date.fromisoformat(self._run["as_of"])

    @property
    def root(self) -> Path | None:
        """The folder of the workspace below."""
        return self.origin.root if self.origin else None

    @property
    def _run(self) -> Mapping[str, Any]:
        return self.then or {}

    def context(self) -> Context:
        """Return what tasks need, reading and writing over the workspace."""
        return replace((self.origin or self).context(), url=self.url)

    def shards(self) -> list[Shard]:
        """Return the shards of the release, as erasures left them."""
        wanted = {shard_id(ref) for ref in self._run["shards"]}
        return [shard for shard in super().shards() if shard.shard_id in wanted]

    def source_facts(self, as_of: date) -> dict[str, dict[str, Any]]:  # noqa: ARG002 - of another day than asked
        """Return what was known of the sources."""
        facts: dict[str, dict[str, Any]] = self._run["grounds"]["sources"]
        return facts

    def overrides(self) -> pa.Table:
        """Return what people had decided."""
        return self._ground("overrides").cast(OVERRIDES)

    def suppressions(self, as_of: date | None = None) -> pa.Table:  # noqa: ARG002 - the day is that of the release
        """Return the rows of the suppression list that were in force."""
        return self._ground("suppressions").cast(SUPPRESSIONS)

    def suppressed(self, as_of: date | None = None) -> frozenset[str]:  # noqa: ARG002
        """Return the doc_ids that were suppressed."""
        return frozenset(self._ground("suppressed")["doc_id"].to_pylist())

    def _ground(self, name: str) -> pa.Table:
        return artefacts.get(self.store, self._run["grounds"][name])


@contextmanager
def _past(workspace: Workspace, name: str, run: Mapping[str, Any]) -> Iterator[Past]:
    """Lay an empty store over the workspace for the length of a block."""
    with tempfile.TemporaryDirectory(prefix="corpus-gov-replay-") as folder:
        in_memory = isinstance(workspace.store, MemoryStore)
        above: Store = MemoryStore(f"replay-{Path(folder).name}") if in_memory else LocalStore(Path(folder))
        past = Past(
            Overlay(above, workspace.store).url, workspace.settings, workspace.dossiers, workspace.rules_folder,
            workspace.policy, origin=workspace, then=run,
        )  # fmt: skip
        put_aliases(above, _aliases(workspace, past, name, run))
        yield past


def _aliases(workspace: Workspace, past: Past, name: str, run: Mapping[str, Any]) -> dict[str, str]:
    """Return, by the name that is planned today, that of the artefact which the release rests on, where it is there."""
    before = json.loads(workspace.store.read(place(name, RUN)))["artefacts"]
    named = {shard_id(ref): names for ref, names in before.items()}
    found = {}
    for kind, planned, shard in _planned(replace(past, url=workspace.url, origin=workspace, then=run)):
        recorded = named.get(shard, {}).get(kind, planned)
        if recorded != planned and artefacts.ready(workspace.store, recorded) is True:
            found[planned] = recorded
    return found


def _planned(past: Past) -> Iterator[tuple[str, str, str]]:
    """Yield kind, planned name and shard_id of the evidence that decisions read."""
    shards = past.shards()
    related = beyond.names(past, shards, past.as_of)
    for shard in shards:
        names = {**artefact_names(past.context(), shard), **related[shard.ref]}
        for kind, planned in names.items():
            if kind.startswith(("signals.", "findings.")):
                yield kind, planned, shard.shard_id


def _evidence(past: Past, run: Mapping[str, Any]) -> list[str]:
    """Name the evidence that is not there any more, or not whole."""
    wanted = [planned for _, planned, _ in _planned(past)]
    if clusters := run["grounds"]["clusters"]:
        relations = grouping.relations(clusters, past.shards())
        wanted += [*relations.edges, *relations.clusters, *relations.copies, *relations.told]
    return [name for name in wanted if not artefacts.ready(past.store, name)]


def _rows(store: Store, found: Sealed) -> pa.Table:
    """Read the rows of the release, columns of LEAF and leaf_hash."""
    parts = [pa.schema([*schemas.LEAF, schemas.MANIFEST.field("leaf_hash")]).empty_table()]
    for file, digest in found.files.items():
        if file.startswith(place(found.name, "manifest/")):
            data = published.optional(store, file)
            if data is None or sha256(data).hexdigest() != digest:
                raise IntegrityError(f"{file}: missing, or not what the statement says; `verify` says more")
            parts.append(artefacts.decode(data, [*_LEAF, "leaf_hash"]).cast(parts[0].schema))
    return pa.concat_tables(parts)


def _made(store: Store, names: Sequence[str], columns: Sequence[str], wanted: pa.Array) -> pa.Table:
    tables = [artefacts.get(store, name, columns) for name in names]
    return pa.concat_tables([table.filter(pc.is_in(table["doc_id"], wanted)) for table in tables])


def _unlike_rows(theirs: pa.Table, ours: pa.Table) -> dict[str, list[str]]:
    """Name the columns of the manifest that differ, by document."""
    found = manifest.diff(theirs.select(_LEAF), ours.cast(theirs.select(_LEAF).schema)).to_pylist()
    return {row["doc_id"]: [f"manifest.{name}" for name in row["columns"]] or [row["change"]] for row in found}


def _unlike_parts(
    below: Store, above: Store, found: Sealed, table: str, parts: Sequence[Any], wanted: pa.Array
) -> Iterator[tuple[str, list[str]]]:
    """Compare one table of the release, shard by shard, and yield what differs."""
    made = {_home(part.name): part.artefact for part in parts}
    files = {
        _home(file.removeprefix(place(found.name))): file
        for file in found.files
        if file.startswith(place(found.name, f"{table}/"))
    }
    for home in sorted({*made, *files}):
        sides = []
        for store, name in ((below, files.get(home)), (above, made.get(home))):
            data = b"" if name is None else store.read(name)
            if store is below and name and sha256(data).hexdigest() != found.files[name]:
                raise IntegrityError(f"{name}: not what the statement says; `verify` says more")
            rows = artefacts.decode(data) if data else None
            sides.append([] if rows is None else rows.filter(pc.is_in(rows["doc_id"], wanted)).to_pylist())
        if sides[0] != sides[1]:
            yield from _unlike(table, *(_by_document(side) for side in sides))


def _home(name: str) -> str:
    """Name the shard of a file, whatever generation or amendment wrote it: source and shard_id."""
    _, source, file = name.split("/")
    return f"{source}/{file.partition('.')[0]}"


def _by_document(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["doc_id"], []).append(row)
    return found


def _unlike(
    table: str, theirs: Mapping[str, Sequence[Mapping[str, Any]]], ours: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[tuple[str, list[str]]]:
    for doc_id in sorted({*theirs, *ours}):
        one, other = theirs.get(doc_id, []), ours.get(doc_id, [])
        if one != other:
            both = [*one, *other]
            names = [name for name in both[0] if [row[name] for row in one] != [row[name] for row in other]]
            yield doc_id, [f"{table}.{name}" for name in names]


def _gone(found: Sealed, theirs: pa.Table, ours: pa.Table) -> set[str]:
    """Name documents of which the row is there and the text was erased."""
    purged = theirs.filter(pc.is_in(theirs["leaf_hash"], pa.array(sorted(found.amended.purged), pa.string())))
    return {*purged["doc_id"].to_pylist()} - {*ours["doc_id"].to_pylist()}


def _unsettled(found: Sealed, theirs: pa.Table, differs: Mapping[str, Sequence[str]]) -> set[str]:
    if not found.amended.names:
        return set()
    copies = theirs.filter(pc.is_valid(theirs["cluster_id"]))["doc_id"].to_pylist()
    return {doc_id for doc_id in copies if doc_id in differs}


def _refuse(name: str, differs: Mapping[str, Sequence[str]]) -> None:
    if not differs:
        return
    shown = "; ".join(
        f"{doc_id} in {', '.join(sorted({*columns}))}" for doc_id, columns in sorted(differs.items())[:NAMED]
    )
    more = f" and {len(differs) - NAMED} more" if len(differs) > NAMED else ""
    raise IntegrityError(
        f"{name}: {len(differs)} documents come out otherwise: {shown}{more}; the release does not follow from what is "
        "stored, or that was changed since"
    )


def _notes(run: Mapping[str, Any]) -> Iterator[str]:
    from importlib.metadata import version  # noqa: PLC0415

    if run["code_version"] != version("corpus-gov"):
        yield f"the release was made by version {run['code_version']}, this is {version('corpus-gov')}"
