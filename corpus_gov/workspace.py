"""A workspace: where it lies, what is configured in it, and its tables for notebooks.

>>> workspace = corpus_gov.open_workspace("my-corpus")
>>> release = workspace.release()
>>> release.sql("select disposition, count(*) from manifest group by all").df()
"""

import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, config, keys, published, register, schemas
from corpus_gov.buckets import BucketStore
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError, IntegrityError, StoreError
from corpus_gov.lease import Lease
from corpus_gov.ledger import Ledger, Signer
from corpus_gov.policy import OVERRIDES, Policy
from corpus_gov.published import BATCH_INGESTED
from corpus_gov.stages import FAMILIES, Context, Shard, shard_id
from corpus_gov.store import LocalStore, Missing, Store, open_store

SETTINGS: Final = "corpus-gov.toml"
TABLES: Final = ("manifest", "clean", "documents", "captures", "snapshots", "findings", "signals")
"""What `Release.table` and `Release.sql` know."""


@dataclass
class Workspace:
    """An open workspace; nothing is written until a run.

    Attributes:
        url: its folder, s3://bucket/folder, or memory://name in tests.
        settings: corpus-gov.toml.
        dossiers: by source_id.
    """

    url: str
    settings: config.Settings
    dossiers: dict[str, config.Dossier]
    rules_folder: Path | None = None
    policy: str = ""
    recovered: list[str] = field(default_factory=list, repr=False)
    """What taking the lease finished or discarded of an interrupted run."""
    _held: list[Lease] = field(default_factory=list, repr=False)
    _context: Context | None = field(default=None, repr=False)

    @property
    def store(self) -> Store:
        """The five operations on the workspace's files."""
        return open_store(self.url)

    @property
    def root(self) -> Path | None:
        """The folder of a local workspace."""
        store = self.store
        # A rehearsal lies over the workspace that it rehearses.
        store = getattr(store, "base", store)
        return Path(store.root) if isinstance(store, LocalStore) else None

    @property
    def keys_folder(self) -> Path:
        """Where the keys of this workspace lie, outside of it."""
        return keys.folder(self.settings.id)

    def keys(self) -> keys.Keys:
        """Read the keys; ConfigError when they are missing or readable by others."""
        return keys.Keys.load(self.keys_folder, self.root)

    def signer(self) -> Signer:
        """Return the pipeline's signer."""
        return Signer(self.settings.id, self.keys().signing)

    def ledger(self) -> Ledger:
        """Open the ledger."""
        return Ledger(self.store, f"corpus-gov/{self.settings.id}")

    def context(self) -> Context:
        """Return what tasks need, pinned to what rules and policy say.

        Rules are read again when the lease is taken, so an edited pack counts from the next run on, and one run
        goes by one reading of them.
        """
        if self._context is not None:
            return self._context
        models = self._models()
        found = Context(
            url=self.url,
            keys_folder=str(self.keys_folder),
            packs=self.settings.packs,
            rules_folder=str(self.rules_folder) if self.rules_folder else None,
            policy=self.policy or self.settings.policy,
            near=self.settings.near.preset,
            models=models,
            families=(*FAMILIES, "classifiers") if models else FAMILIES,
        ).with_refs()
        if self._held:
            self._context = found
        return found

    def _models(self) -> tuple[tuple[str, str], ...]:
        """Return the classifiers that are named; a relative path starts at the workspace folder."""
        return tuple((str((self.root or Path.cwd()) / one.card), one.sha256) for one in self.settings.models)

    def policy_in_force(self) -> Policy:
        """Load the policy."""
        return self.context().policy_in_force()

    @contextmanager
    def writing(self) -> Iterator[Lease]:
        """Hold the writer's lease; a block inside another shares it.

        Raises:
            StoreError: somebody else is writing.
        """
        from corpus_gov import erasing, release, rotation  # noqa: PLC0415 - imports cryptography and Parquet

        if self._held:
            yield self._held[0]
            return
        with Lease.take(self.store, owner="corpus-gov") as lease:
            self._held.append(lease)
            try:
                # Before anything is appended, whoever writes: an interrupted run is finished or taken back first.
                self.recovered = rotation.settle(self)
                self.recovered += release.recover(self.store, lease, self.ledger(), self.signer())
                self.recovered += erasing.settle(self)
                yield lease
            finally:
                self._held.pop()
                self._context = None

    def damaged_papers(self) -> dict[str, tuple[str, ...]]:
        """Name, by source, the papers of dossiers whose file is gone or not the one that was filed."""
        found = {source: dossier.damaged(self._evidence) for source, dossier in self.dossiers.items()}
        return {source: keys for source, keys in found.items() if keys}

    def source_facts(self, as_of: date) -> dict[str, dict[str, Any]]:
        """Return what a policy may ask about each source on that day, papers compared with their digests."""
        damaged = self.damaged_papers()
        return {source: one.facts(as_of, damaged.get(source, ())) for source, one in self.dossiers.items()}

    def _evidence(self, name: str) -> bytes | None:
        try:
            return self.store.read(name)
        except Missing:
            return None

    def shards(self) -> list[Shard]:
        """Return every live shard, ascending by source and shard: what the committed batches name.

        Raises:
            IntegrityError: a batch is not what the ledger says.
        """
        found = [shard for batch in self._batches() for shard in batch]
        return sorted(found, key=lambda shard: (shard.source_id, shard.shard_id))

    def superseded(self) -> dict[str, int]:
        """Count, by source, the rejected captures of files that a later batch read anew under the same name.

        Rejects belong to a file digest: where a complete file, or another reading, came after a truncated one, what
        the first could not give is no open loss any more. Its captures stay.
        """
        last: dict[tuple[str, str], int] = {}
        batches = list(self._batches())
        for number, batch in enumerate(batches):
            last |= {(shard.source_id, one.name_tag): number for shard in batch for one in shard.inputs}
        found: Counter[str] = Counter()
        for number, batch in enumerate(batches):
            for shard in batch:
                old = (one.rejected for one in shard.inputs if last[shard.source_id, one.name_tag] > number)
                found[shard.source_id] += sum(old)
        return {source: rejected for source, rejected in sorted(found.items()) if rejected}

    def _batches(self) -> Iterator[list[Shard]]:
        entries = list(self.ledger().entries())
        now = self._rewritten(entries)
        for entry in entries:
            if entry.type == BATCH_INGESTED:
                for name, digest in entry.subject.items():
                    body = json.loads(read_batch(self.store, name, digest))
                    yield [now.get(shard["shard_id"]) or Shard(**shard) for shard in body["shards"]]

    def _rewritten(self, entries: Sequence[Entry]) -> dict[str, Shard]:
        """Return the newest generation of each shard that erasures wrote anew, by shard_id."""
        found: dict[str, Shard] = {}
        for entry in entries:
            if entry.type == published.DOCUMENTS_ERASED:
                for name, digest in published.recorded(entry):
                    shards = (Shard(**one) for one in json.loads(read_batch(self.store, name, digest))["shards"])
                    found |= {shard.shard_id: shard for shard in shards}
        return found

    def generations(self) -> dict[str, str]:
        """Return, by shard_id, how shards that erasures wrote anew are named now; releases name them as they were."""
        if published.optional(self.store, published.record_of(1), (0, 1)) is None:
            return {}
        return {shard_id: shard.ref for shard_id, shard in self._rewritten(list(self.ledger().entries())).items()}

    def suppressed(self, as_of: date | None = None) -> frozenset[str]:
        """Return the doc_ids that must not be released or stored again.

        They stand in `suppression/*.txt`, one a line, and in `suppression/*.jsonl`.

        Args:
            as_of: the day that ends of rows are compared with; today by default.
        """
        found: set[str] = set()
        for name, data in register.objects(self.store, "suppression", ".txt").items():
            for number, line in enumerate(data.decode(errors="replace").split(), 1):
                if not re.fullmatch("[0-9a-f]{32}", line):
                    # A line that names no document would quietly suppress nothing.
                    raise ConfigError(
                        f"{name}: word {number} is no doc_id, expected 32 lower-case hex digits; correct it"
                    )
                found.add(line)
        return frozenset(found) | set(self.suppressions(as_of)["doc_id"].drop_null().to_pylist())

    def suppressions(self, as_of: date | None = None) -> pa.Table:
        """Return the rows of the suppression list that are in force (`suppression/*.jsonl`).

        Args:
            as_of: as for `suppressed`.

        Raises:
            ConfigError: a line is no SUPPRESSIONS row.
        """
        from corpus_gov.relate import suppressed  # noqa: PLC0415 - imports kernels

        found = register.objects(self.store, "suppression", ".jsonl")
        parts = [suppressed.read(data, name) for name, data in found.items()]
        rows = pa.concat_tables([suppressed.SUPPRESSIONS.empty_table(), *parts])
        day = pa.scalar(as_of or datetime.now(UTC).date(), pa.date32())
        return rows.filter(pc.fill_null(pc.greater_equal(rows["expires"], day), True))  # noqa: FBT003 - null: no end

    def overrides(self) -> pa.Table:
        """Return what people decided against the policy (`reviews/*.json`, one OVERRIDES row each).

        Where `[reviews] second_actor` is set, what another actor has not confirmed is left out.
        """
        rows = []
        for name, data in register.objects(self.store, "reviews", ".json").items():
            try:
                row = json.loads(data)
                rows.append(row | {"expires": date.fromisoformat(row["expires"])} if row.get("expires") else row)
                pa.Table.from_pylist(rows[-1:], schema=OVERRIDES)
            except (pa.ArrowException, ValueError, TypeError, AttributeError) as error:
                raise ConfigError(
                    f"{name}: found {type(error).__name__}, expected an object with "
                    f"{', '.join(OVERRIDES.names)}; correct or remove it"
                ) from error
        found = pa.Table.from_pylist(rows, schema=OVERRIDES)
        if not rows or not self.settings.reviews.second_actor:
            return found
        from corpus_gov import overrides  # noqa: PLC0415 - imports what signs

        agreed = pa.array(sorted(overrides.confirmed(self)), pa.string())
        return found.filter(pc.is_in(found["override_id"], value_set=agreed))

    def releases(self) -> list[str]:
        """Name the committed releases, oldest first."""
        from corpus_gov import release  # noqa: PLC0415 - imports cryptography and Parquet

        return release.releases(self.store)

    def release(self, name: str | None = None) -> "Release":
        """Open a release, the newest where none is named.

        Raises:
            ConfigError: there is no such release.
        """
        known = self.releases()
        if not known or (name is not None and name not in known):
            raise ConfigError(f"{self.url}: found releases {known!r}, expected {name or 'at least one'!r}; run first")
        return Release(self, name or known[-1])

    def find_person(self, value: str, **options: Any) -> dict[str, Any]:
        """List the documents of each release that hold a value: `corpus_gov.lookup.find_person` with its options."""
        from corpus_gov import lookup  # noqa: PLC0415 - compiles kernels

        return lookup.find_person(self, value, **options)

    def run(self, **options: Any) -> Any:
        """Build what is missing and publish a release: `corpus_gov.pipeline.run` with its options."""
        from corpus_gov import pipeline  # noqa: PLC0415 - imports every stage

        return pipeline.run(self, **options)


@dataclass(frozen=True)
class Release:
    """One published, immutable version of the corpus."""

    workspace: Workspace
    name: str

    @property
    def run(self) -> dict[str, Any]:
        """Return the facts of the run that made it (run.json), shards under the names that erasures gave them since."""
        found: dict[str, Any] = json.loads(self.workspace.store.read(f"releases/{self.name}/run.json"))
        if now := self.workspace.generations():
            found["shards"] = [now.get(shard_id(ref), ref) for ref in found["shards"]]
            found["artefacts"] = {now.get(shard_id(ref), ref): names for ref, names in found["artefacts"].items()}
        return found

    @property
    def files(self) -> list[str]:
        """Name the files that its statement covers."""
        from corpus_gov.release import statement_of  # noqa: PLC0415

        return sorted(statement_of(self.workspace.store, self.name))

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Read one of TABLES whole; `to_pandas()` on the result gives a frame.

        manifest and clean are those of the release; documents, captures, snapshots, findings and signals are
        those of the shards that it was made from. signals has one column a measure, named family.column.

        Raises:
            ConfigError: no such table.
        """
        if name not in TABLES:
            raise ConfigError(f"table {name!r} is not known; expected one of {', '.join(TABLES)}")
        store = self.workspace.store
        if name in ("manifest", "clean"):
            parts = [f for f in self.files if f.startswith(f"releases/{self.name}/{name}/")]
            tables = [artefacts.decode(store.read(part), columns) for part in parts]
        else:
            tables = [self._of_shard(shard, name, columns) for shard in self._shards()]
        if tables:
            return pa.concat_tables(tables)
        schema = schemas.TABLES.get(name, pa.schema([("doc_id", pa.string())]))
        return schema.empty_table().select(list(columns) if columns else schema.names)

    def sql(self, query: str) -> Any:
        """Query the tables with DuckDB: every name of TABLES that the query mentions is a view.

        Returns:
            A duckdb.DuckDBPyRelation; .df(), .arrow() and .fetchall() give the rows.
        """
        import duckdb  # noqa: PLC0415 - heavy

        # Nothing else than these tables can be reached: no file, no network.
        connection = duckdb.connect(config={"enable_external_access": "false"})
        for name in TABLES:
            # A word that is a column here and a table there costs a read, and no wrong answer.
            if re.search(rf"\b{name}\b", query):
                connection.register(name, self.table(name))
        return connection.sql(query)

    def similar(self, document: str | Path, most: int = 10) -> list[dict[str, Any]]:
        """Find the documents nearest to one of the release, by its doc_id, or to the text of a file."""
        from corpus_gov import nearest  # noqa: PLC0415 - datasketch

        return nearest.similar(self, document, most)

    def explain(self, doc_id: str) -> dict[str, Any]:
        """Return all that is known of a document, from its manifest row back to its bytes in the input."""
        from corpus_gov.explain import explain  # noqa: PLC0415

        return explain(self, doc_id)

    def _shards(self) -> list[Shard]:
        known = set(self.run["shards"])
        return [shard for shard in self.workspace.shards() if shard.ref in known]

    def _of_shard(self, shard: Shard, name: str, columns: Sequence[str] | None) -> pa.Table:
        from corpus_gov import stages  # noqa: PLC0415

        store = self.workspace.store
        if name in ("documents", "captures", "snapshots"):
            return artefacts.decode(stages.read_shard(store, shard, name), columns)
        names = {k: v for k, v in self.run["artefacts"].get(shard.ref, {}).items() if k.startswith(f"{name}.")}
        parts = {kind: artefacts.get(store, artefact) for kind, artefact in sorted(names.items())}
        if name == "findings":
            found = pa.concat_tables(list(parts.values())) if parts else schemas.FINDINGS.empty_table()
            return found.select(list(columns)) if columns else found
        return _side_by_side(parts, columns)


def _side_by_side(parts: dict[str, pa.Table], columns: Sequence[str] | None) -> pa.Table:
    """Put the families of signals of one shard beside each other; rows are in the order of its documents."""
    fields: list[pa.Field] = []
    arrays: list[Any] = []
    for kind, part in parts.items():
        family = kind.partition(".")[2]
        for column in part.schema:
            if column.name == "doc_id" and fields:
                continue
            name = column.name if column.name == "doc_id" else f"{family}.{column.name}"
            fields.append(column.with_name(name))
            arrays.append(part[column.name])
    table = pa.table(arrays, schema=pa.schema(fields))
    return table.select(list(columns)) if columns else table


def init(url: str | Path, *, name: str, owner: str, policy: str = "default") -> Workspace:
    """Make a workspace and its keys.

    Args:
        url: a folder that is empty or not there yet.
        name: what people call the corpus.
        owner: who answers for it.
        policy: a shipped policy, or the path of one.

    Raises:
        ConfigError: there is a workspace already, or keys cannot be written outside of it.
    """
    store = open_store(str(url))
    settings = config.Settings(id=f"w-{secrets.token_hex(6)}", name=name, owner=owner, policy=policy)
    if isinstance(store, BucketStore):
        store.check()
    root = Path(store.root) if isinstance(store, LocalStore) else None
    folder = keys.folder(settings.id)
    if _exists(store, SETTINGS):
        raise ConfigError(f"{url}: found {SETTINGS!r}, expected no workspace here; open it, or name another folder")
    keys.Keys.create(folder, root)
    if not store.put_if_absent(SETTINGS, config.dump_settings(settings).encode()):
        raise StoreError(f"{url}: another process made a workspace here at this moment; open that one")
    return open_workspace(url)


def open_workspace(url: str | Path, *, policy: str | None = None, rules_folder: Path | None = None) -> Workspace:
    """Open a workspace.

    Args:
        url: its folder.
        policy: use this policy instead of the one in corpus-gov.toml.
        rules_folder: read rule packs and policies from here instead of the shipped ones.

    Raises:
        ConfigError: no workspace there, or its configuration or a dossier is wrong.
    """
    store = open_store(str(url))
    try:
        text = store.read(SETTINGS).decode()
    except Missing as error:
        raise ConfigError(
            f"{url}: found no {SETTINGS}, expected a workspace; make one with `corpus-gov init`"
        ) from error
    dossiers = {}
    for name, data in register.objects(store, "sources", ".yaml").items():
        dossier = config.load_dossier(data.decode(), name)
        if dossier.source_id != name.removeprefix("sources/").removesuffix(".yaml"):
            raise ConfigError(f"{name}: found source_id {dossier.source_id!r}, expected the name of the file")
        dossiers[dossier.source_id] = dossier
    location = str(url) if "://" in str(url) else str(Path(url).absolute())
    return Workspace(location, config.load_settings(text, SETTINGS), dossiers, rules_folder, policy or "")


def read_batch(store: Store, name: str, digest: str) -> bytes:
    """Return a batch file as the ledger names it.

    Raises:
        IntegrityError: it was changed or is gone.
    """
    try:
        data = store.read(name)
    except Missing as error:
        raise IntegrityError(f"{name}: missing, the ledger names it; restore it from a copy") from error
    if (found := sha256(data).hexdigest()) != digest:
        raise IntegrityError(
            f"{name}: SHA-256 is {found[:12]!r}, the ledger says {digest[:12]!r}; it was changed: restore it"
        )
    return data


def _exists(store: Store, name: str) -> bool:
    try:
        store.read(name)
    except Missing:
        return False
    return True
