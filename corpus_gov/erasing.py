"""Physical erasure: bytes leave shards, build cache and every release. The order of writes is the design.

    plan -> next generations, cache -> release files, amendments -> record -> ledger entry -> tree, checkpoint
                                                                                           = in force
         -> old generations, old release files, rest of the cache removed -> plan removed

- Nothing is written over before the entry: new objects lie beside the old ones under names of their own, so that a
  reader finds either everything as it was or, from the checkpoint on, everything without the documents.
- The plan names the documents before the first write and goes with the last. `settle` runs at every start: a plan whose
  erasure is not in force is carried out again from its beginning, one whose erasure is, is cleared up to its end.
- What is found damaged on the way is not vouched for: the erasure is taken back, and the error names the file.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import pyarrow as pa

from corpus_gov import acts, amending, forgetting, generations, holds, published
from corpus_gov.artefacts import canonical
from corpus_gov.entries import PIPELINE
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.published import DOCUMENTS_ERASED, STATEMENT, place
from corpus_gov.reach import beyond
from corpus_gov.signatures import Signer
from corpus_gov.stages import Shard
from corpus_gov.store import sweep
from corpus_gov.workspace import Workspace

_ID: Final = re.compile(r"[0-9a-f]{32}")
_REASON: Final = re.compile(r"[a-z][a-z0-9_.:/-]{0,79}")


@dataclass(frozen=True)
class Erased:
    """What an erasure came to.

    Attributes:
        erasure: its number, such as 0001; "" where nothing was there to erase.
        documents: how many of the documents lay in shards.
        rows: rows of manifests that are gone, of all releases together.
        purged: clean documents that are gone while their rows stay, of all releases together.
        shards: the generations that took the place of the touched ones, as manifest rows name shards.
        artefacts: objects of the build cache that were written anew or removed.
        releases: those that were amended.
        amendments: names of their signed amendments in the store.
        entry: index of the ledger's entry; -1 where there is none.
        beyond: what cannot be reached from here, one sentence each.
    """

    erasure: str
    documents: int
    rows: int
    purged: int
    shards: tuple[str, ...]
    artefacts: int
    releases: tuple[str, ...]
    amendments: tuple[str, ...]
    entry: int
    beyond: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """What is to be done; there as long as it is not done."""

    number: int
    doc_ids: tuple[str, ...]
    reason: str
    keep_rows: bool
    actor: str
    time: str
    shards: tuple[Mapping[str, Any], ...]
    """Generations that hold the documents, as batches record them."""

    @classmethod
    def read(cls, raw: bytes) -> "_Plan":
        """Read a plan as it is stored."""
        said: dict[str, Any] = json.loads(raw)
        return cls(**{**said, "doc_ids": tuple(said["doc_ids"]), "shards": tuple(said["shards"])})

    @property
    def name(self) -> str:
        """Its name in the store."""
        return published.plan_of(self.number)

    @property
    def ids(self) -> pa.Array:
        """Its documents as a column."""
        return pa.array(self.doc_ids, pa.string())

    @property
    def before(self) -> list[Shard]:
        """The touched shards as they were."""
        return [Shard(**shard) for shard in self.shards]


def erase(
    workspace: Workspace,
    doc_ids: Collection[str],
    *,
    reason: str,
    keep_rows: bool = False,
    actor: str = PIPELINE,
    actor_signer: Signer | None = None,
    time: datetime | None = None,
) -> Erased:
    """Remove documents from shards, build cache and every release, under signed amendments.

    Put them on the suppression list first: that is made of their texts, and keeps them from coming back.

    Memory: one shard or file of a release at a time, and 48 bytes a manifest row.

    Args:
        workspace: an open workspace.
        doc_ids: 32 hex digits each; those that are nowhere do no harm.
        reason: a stable word such as "request:7" or "retention:severe"; captures and the ledger's entry say it.
        keep_rows: leave the rows of manifests, and so what was decided and why; only texts go.
        actor: who asked for it.
        actor_signer: the actor's own key; without it the entry reads "claimed".
        time: written into the ledger; now by default.

    Raises:
        ConfigError: an id or the reason is malformed, or a document is under a legal hold; nothing was written.
        IntegrityError: a shard or a file of a release is not what was sealed; nothing is in force.
        StoreError: somebody else is writing, or output was not durably written: the next start finishes it.
    """
    wrong = sorted(one for one in doc_ids if not _ID.fullmatch(one))
    if wrong or not _REASON.fullmatch(reason):
        raise ConfigError(
            f"erase: found ids {wrong[:3]!r} and reason {reason!r}, expected 32 hex digits and a word of a-z, 0-9 and "
            "_.:/- that says nothing of anybody; correct them"
        )
    with workspace.writing():
        holds.refuse(workspace, doc_ids)
        wanted = pa.array(sorted({*doc_ids}), pa.string())
        touched = generations.touched(workspace.store, workspace.shards(), wanted)
        plan = _Plan(
            number=_in_force(workspace) + 1,
            doc_ids=tuple(wanted.to_pylist()),
            reason=reason,
            keep_rows=keep_rows,
            actor=actor,
            time=(time or datetime.now(UTC)).isoformat(),
            shards=tuple(asdict(shard) for shard in touched),
        )
        # From here on whoever takes the lease next finds the plan, and carries it out.
        workspace.store.put(plan.name, canonical(asdict(plan)))
        return _carry_out(workspace, plan, actor_signer)


def settle(workspace: Workspace) -> list[str]:
    """Finish an erasure that was interrupted; called at every start, before anything is appended.

    Returns:
        One sentence for what was done; empty where nothing was left.

    Raises:
        IntegrityError, StoreError: as for `erase`.
    """
    done = _in_force(workspace)
    said = []
    for number in (done, done + 1) if done else (1,):
        raw = published.optional(workspace.store, published.plan_of(number))
        if raw is None:
            continue
        plan = _Plan.read(raw)
        if number > done:
            _carry_out(workspace, plan, None)
        else:
            _clear_up(workspace, plan)
        said.append(f"erasure {published.numbered(number)}: finished, it was interrupted")
    return said


def _in_force(workspace: Workspace) -> int:
    return sum(entry.type == DOCUMENTS_ERASED for entry in workspace.ledger().entries())


def _carry_out(workspace: Workspace, plan: _Plan, actor_signer: Signer | None) -> Erased:
    written: list[str] = []
    try:
        now, cached = _write_shards(workspace, plan, written)
        index = sum(1 for _ in workspace.ledger().entries())
        amended = _amend(workspace, plan, index, written)
    except IntegrityError:
        # Nothing counts yet. What is damaged must be restored by somebody, and others must be able to write meanwhile.
        for name in (*written, plan.name):
            workspace.store.delete(name)
        raise
    if not now and not amended:
        workspace.store.delete(plan.name)
        return Erased("", 0, 0, 0, (), 0, (), (), -1, beyond(workspace, ()))
    documents = sum(old.documents - new.documents for old, new in zip(plan.before, now, strict=True))
    _commit(workspace, plan, now, amended, documents, actor_signer)
    # At this point the erasure is in force. What follows only removes what nobody reads any more.
    cached += _clear_up(workspace, plan)
    return Erased(
        erasure=published.numbered(plan.number),
        documents=documents,
        rows=sum(one.rows for one in amended.values()),
        purged=sum(one.purged for one in amended.values()),
        shards=tuple(shard.ref for shard in now),
        artefacts=cached,
        releases=tuple(amended),
        amendments=tuple(one.name for one in amended.values()),
        entry=index,
        beyond=beyond(workspace, tuple(amended)),
    )


def _write_shards(workspace: Workspace, plan: _Plan, written: list[str]) -> tuple[list[Shard], int]:
    """Write the next generations and their part of the build cache."""
    store, now, cached, texts = workspace.store, [], 0, set[str]()
    for shard in plan.before:
        made = generations.without(store, shard, plan.ids, plan.reason)
        written += [made.name(table) for table in made.digests]
        texts |= {*forgetting.texts_of(store, shard, plan.ids)}
        cached += forgetting.carry(workspace, shard, made, plan.ids)
        now.append(made)
    return now, cached + (forgetting.forget_values(store, texts) if texts else 0)


def _amend(workspace: Workspace, plan: _Plan, index: int, written: list[str]) -> dict[str, amending.Amendment]:
    found = {}
    known: amending.Known = {}
    for name in workspace.releases():
        made = amending.amend(
            workspace, name, plan.ids, published.numbered(plan.number), index,
            keep_rows=plan.keep_rows, written=written.append, known=known,
        )  # fmt: skip
        if made is not None:
            found[name] = made
    return found


def _commit(
    workspace: Workspace,
    plan: _Plan,
    now: list[Shard],
    amended: Mapping[str, amending.Amendment],
    documents: int,
    actor_signer: Signer | None,
) -> None:
    said = {
        "erasure": published.numbered(plan.number),
        "reason": plan.reason,
        "documents": documents,
        "rows": sum(one.rows for one in amended.values()),
        "purged": sum(one.purged for one in amended.values()),
        "releases": list(amended),
    }
    record = canonical({**said, "time": plan.time, "shards": [asdict(shard) for shard in now]})
    name = published.record_of(plan.number)
    workspace.store.put(name, record)
    subject = {name: sha256(record).hexdigest()}
    for release, one in amended.items():
        subject |= {one.name: one.digest, place(release, STATEMENT): one.statement}
    acts.record(
        workspace, DOCUMENTS_ERASED, subject, said,
        actor=plan.actor, actor_signer=actor_signer, time=datetime.fromisoformat(plan.time),
    )  # fmt: skip


def _clear_up(workspace: Workspace, plan: _Plan) -> int:
    """Remove what the erasure replaced; it can be cut off and repeated at any point."""
    store = workspace.store
    for shard in plan.before:
        for table in shard.digests:
            store.delete(shard.name(table))
    for name in workspace.releases():
        for file in published.amended(store, name).replaced:
            store.delete(file)
    cached = forgetting.clear(workspace, {shard.shard_id for shard in plan.before}, plan.ids)
    sweep(store)
    # The plan goes last: as long as anything may be left, it says of what.
    store.delete(plan.name)
    return cached
