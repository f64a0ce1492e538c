"""What workers do: one function a stage, from names of artefacts to names of artefacts.

Every function here may run twice, on any worker, in any order: it reads what is named in its task, puts
content-addressed artefacts and returns counts. Nothing here decides what runs; that is `pipeline`.

    reading   inputs -> shards            looking   shards -> signals, findings, keys, exact edges
    keying    shards -> keys              pairing   keys -> candidate pairs
    valuing   values of earlier runs      measuring pairs -> values
    clustering links -> edges, clusters   electing  clusters -> who stands for whom
    rescreening  findings by earlier lists -> findings
    repeating lines -> findings           comparing reference sets -> findings
    bursting  clusters, times -> findings
    judging   facts -> judgements         settling  judgements -> decisions, clean documents, manifest
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus_gov import policy as policies
from corpus_gov import rules
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.keys import Keys
from corpus_gov.policy import Policy
from corpus_gov.rules import Rule, RulePack
from corpus_gov.schemas import DOCUMENTS
from corpus_gov.store import Store, open_store

FAMILIES: Final = ("quality", "language", "structure", "perplexity")
"""Modules of corpus_gov.signals that every document is measured by."""

NOT_OF_TEXT: Final = ("optout", "lines", "reference", "bursts")
"""Rules of these screens look at more than a document, and so are modules of `relate`: at snapshots, at the lines of
all documents, at reference sets, at when the copies of a text appeared on which sites."""


@dataclass(frozen=True)
class Context:
    """What every task needs to find its inputs; no secrets, keys are read from their folder by the worker.

    Rules and policy travel by name. `with_refs` pins what they say: a worker that finds other files under the
    same names fails, instead of doing its share of a release by other rules.
    """

    url: str
    keys_folder: str
    packs: tuple[str, ...]
    rules_folder: str | None
    policy: str
    families: tuple[str, ...] = FAMILIES
    pack_refs: tuple[str, ...] = ()
    """name@version:digest of each of `packs`, in their order; empty is not pinned."""
    policy_digest: str = ""
    """Of the policy; empty is not pinned."""
    near: str = "default"
    """Preset of near duplicates (relate/presets.py); "none" looks for none."""
    models: tuple[tuple[str, str], ...] = ()
    """Path of the card and its SHA-256 of each classifier; the family `classifiers` is measured where there is one."""

    def with_refs(self) -> Self:
        """Return this context pinned to what rules and policy say at this moment.

        Raises:
            RuleError, PolicyError: a pack or the policy is wrong.
        """
        packs = _load_packs(self.packs, self.rules_folder)
        policy = policies.load(self.policy, self.folder())
        return replace(self, pack_refs=tuple(pack.ref for pack in packs), policy_digest=policy.digest)

    def params(self, family: str) -> Mapping[str, Any]:
        """Return what a family of signals is told."""
        return {"cards": self.models} if family == "classifiers" else {}

    def store(self) -> Store:
        """Open the workspace's store."""
        return open_store(self.url)

    def keys(self) -> Keys:
        """Read the keys."""
        return _keys(self.keys_folder)

    def rule_packs(self) -> tuple[RulePack, ...]:
        """Load the rule packs in force.

        Raises:
            ConfigError: they are not those that this context is pinned to.
            RuleError: a pack is wrong.
        """
        if self.pack_refs:
            return _pinned_packs(self.packs, self.rules_folder, self.pack_refs)
        return _load_packs(self.packs, self.rules_folder)

    def policy_in_force(self) -> Policy:
        """Load the policy in force.

        Raises:
            ConfigError: it is not the one that this context is pinned to.
            PolicyError: it is wrong.
        """
        if self.policy_digest:
            return _pinned_policy(self.policy, self.rules_folder, self.policy_digest)
        return policies.load(self.policy, self.folder())

    def rules(self) -> Mapping[str, Rule]:
        """Return the rules in force by id."""
        return {rule.id: rule for pack in self.rule_packs() for rule in pack.rules}

    def concern(self, screen: str) -> RulePack:
        """Return the rules in force of one screen as one pack; errors as for `rule_packs`."""
        if self.pack_refs:
            return _pinned_concern(self.packs, self.rules_folder, self.pack_refs, screen)
        return rules.concern(self.rule_packs(), screen)

    def redactions(self) -> tuple[frozenset[str], Mapping[str, Rule]]:
        """Return the ids of the rules whose spans the policy redacts, and every rule with what stands for its spans.

        Raises:
            PolicyError: a rule that it redacts is not in force or has no placeholder.
        """
        if self.policy_digest and self.pack_refs:
            return _pinned_redactions(self)
        policy = self.policy_in_force()
        return policies.redact_rules(policy, self.rule_packs()), policies.with_cuts(policy, self.rules())

    def folder(self) -> Path | None:
        """Return the operator's own folder of rules and policies, where there is one."""
        return Path(self.rules_folder) if self.rules_folder else None

    def screens(self) -> tuple[str, ...]:
        """Name the screens that the rules in force ask for."""
        named = {rule.screen for rule in self.rules().values()}
        return tuple(sorted(named.difference(NOT_OF_TEXT)))


@cache
def _keys(folder: str) -> Keys:
    return Keys.load(Path(folder))


def _load_packs(names: tuple[str, ...], folder: str | None) -> tuple[RulePack, ...]:
    return rules.load_packs(names, Path(folder) if folder else None)


# The digests are part of the key: a process that lives on does not answer for edited files with what it read
# before, and one that has read the pinned files keeps to them to the end of the run.
@lru_cache(maxsize=8)
def _pinned_packs(names: tuple[str, ...], folder: str | None, refs: tuple[str, ...]) -> tuple[RulePack, ...]:
    packs = _load_packs(names, folder)
    for pack, ref in zip(packs, refs, strict=True):
        if pack.ref != ref:
            raise _other_file("pack", pack.name, pack.ref, ref)
    return packs


@lru_cache(maxsize=64)
def _pinned_concern(names: tuple[str, ...], folder: str | None, refs: tuple[str, ...], screen: str) -> RulePack:
    return rules.concern(_pinned_packs(names, folder, refs), screen)


@lru_cache(maxsize=8)
def _pinned_redactions(context: Context) -> tuple[frozenset[str], Mapping[str, Rule]]:
    policy, packs = context.policy_in_force(), context.rule_packs()
    return policies.redact_rules(policy, packs), policies.with_cuts(policy, context.rules())


@lru_cache(maxsize=8)
def _pinned_policy(name: str, folder: str | None, digest: str) -> Policy:
    policy = policies.load(name, Path(folder) if folder else None)
    if policy.digest != digest:
        raise _other_file("policy", policy.name, policy.digest, digest)
    return policy


def _other_file(kind: str, name: str, found: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{kind} {name!r}: found {found!r}, expected {expected!r} as in the process that planned this run; give "
        "every worker the same rules folder and policy, or, where a file was edited meanwhile, run again"
    )


@dataclass(frozen=True)
class Input:
    """One input file that a shard was read from, as a batch records it."""

    name_tag: str
    """Keyed digest of its logical name: whether two files have one name, without the name."""
    file_digest: str
    input_digest: str
    rejected: int = 0
    """Captures of the shard that came from it and were rejected."""


@dataclass(frozen=True)
class Shard:
    """One immutable file of documents with the captures and snapshots that came with it, as a batch records it."""

    source_id: str
    shard_id: str
    generation: int
    record_file: str
    file_digest: str
    input_digest: str
    outcomes: Mapping[str, int]
    records: int
    documents: int
    snapshots: int
    text_bytes: int
    digests: Mapping[str, str]
    inputs: tuple[Input, ...] = ()
    """One, or those of a bundle of small files."""
    labelled: int = 0
    """Captures of files that were not read as text and have a label of AI-generated content."""

    def __post_init__(self) -> None:
        """Turn inputs as a batch has them into values."""
        # Batches are JSON: what was an Input comes back as a mapping.
        made = tuple(one if isinstance(one, Input) else Input(**one) for one in self.inputs)
        object.__setattr__(self, "inputs", made)

    @property
    def ref(self) -> str:
        """Name the shard as the manifest does."""
        return f"{self.shard_id}.{self.generation}"

    def name(self, table: str) -> str:
        """Name the file of one of its tables in the store."""
        return f"{table}/{self.source_id}/{self.ref}.parquet"


def shard_id(ref: str) -> str:
    """Return what all generations of a shard have in common, of the name of one."""
    return ref.rpartition(".")[0]


@dataclass(frozen=True)
class Done:
    """What a task reports: counts for progress and conservation, names for the next stage."""

    documents: int = 0
    text_bytes: int = 0
    names: tuple[str, ...] = ()
    counts: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    rebuilt: tuple[str, ...] = ()


def damaged(state: Mapping[str, bool | None]) -> tuple[str, ...]:
    """Name the artefacts that `artefacts.ready` found damaged, for the summary of the run."""
    return tuple(name for name, whole in state.items() if whole is None)


def read_shard(store: Store, shard: Shard, table: str) -> bytes:
    """Return the bytes of one table of a shard.

    Raises:
        IntegrityError: they are not what the batch recorded.
    """
    data = store.read(shard.name(table))
    if (found := sha256(data).hexdigest()) != shard.digests[table]:
        raise IntegrityError(
            f"{shard.name(table)}: SHA-256 is {found[:12]!r}, its batch says {shard.digests[table][:12]!r}; "
            "it was changed after it was ingested: restore it from a backup"
        )
    return data


def batches(data: bytes) -> Iterator[pa.RecordBatch]:
    """Stream a documents file as record batches, one row group at a time."""
    file = pq.ParquetFile(pa.BufferReader(data))
    for number in range(file.num_row_groups):
        group = file.read_row_group(number).cast(DOCUMENTS).combine_chunks()
        yield from group.to_batches()


def count_values(column: pa.ChunkedArray | pa.Array) -> dict[str, int]:
    """Count each value of a column, sorted by value."""
    counts = pc.value_counts(column).to_pylist()
    return dict(sorted((row["values"], row["counts"]) for row in counts))
