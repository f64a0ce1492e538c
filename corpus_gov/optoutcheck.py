"""What a workspace knows of the opt-outs of a host or an address, protocol by protocol, and what follows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts
from corpus_gov.errors import ConfigError
from corpus_gov.explain import in_words
from corpus_gov.relate.optout import evaluate, question
from corpus_gov.schemas import SNAPSHOTS, TEXT, TIME
from corpus_gov.sources.hosts import origin
from corpus_gov.stages import Shard, read_shard
from corpus_gov.workspace import Workspace

MAX_DOCUMENTS: Final = 20
"""Documents of an address that are evaluated one by one."""

_ASKED: Final = ("doc_id", "uri", "host", "fetched_at", "markup")


def check(workspace: Workspace, target: str) -> dict[str, Any]:
    """Evaluate an address, as of the latest snapshots, and every document that came from it, as of its fetch.

    Args:
        workspace: whose snapshots, documents and rules are read; no network.
        target: an address, or a host, which stands for its first page.

    Returns:
        target, uri, host; sources: for each that has anything of the host its snapshots (kind, fetched_at, http_status,
        digest, bytes), state, digest, statements and kept_out (training agents that robots.txt refuses); documents: of
        the address, with doc_id, source_id, fetched_at, state and statements.

    Raises:
        ConfigError: the target is no address and no host, or no rules about opt-outs are in force.
    """
    uri = target if "://" in target else f"https://{target}/"
    host = origin(uri)
    if not host:
        raise ConfigError(f"target {target!r}: found no host, expected https://example.org/page or example.org")
    rules = workspace.context().concern("optout")
    if question(rules) is None:
        raise ConfigError(f"{workspace.url}: no rule optout.robots is in force; name common.optout among the packs")
    sources, documents = [], []
    for source_id, shards in _by_source(workspace.shards()).items():
        dossier = workspace.dossiers.get(source_id)
        agent = dossier.collector.agent if dossier else None
        snapshots = _snapshots(workspace, shards, host)
        found = _documents(workspace, shards, uri) if "://" in target else _page(uri, host).slice(0, 0)
        if not len(snapshots) and not len(found):
            continue
        states, statements = evaluate(_page(uri, host), snapshots, rules, agent)
        sources.append(_known(source_id, agent, snapshots, states, statements))
        states, statements = evaluate(found, snapshots, rules, agent)
        documents += [
            {"doc_id": row["doc_id"], "source_id": source_id, "fetched_at": row["fetched_at"], "state": state,
             "statements": [one for one in statements.to_pylist() if one["doc_id"] == row["doc_id"]]}
            for row, state in zip(found.to_pylist(), states["state"].to_pylist(), strict=True)
        ]  # fmt: skip
    return {"target": target, "uri": uri, "host": host, "sources": sources, "documents": documents}


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Render what `check` returned for a terminal."""
    if not facts["sources"]:
        yield f"{facts['target']}: not evaluated; no snapshot of {facts['host']} and no document of it is held."
    for known in facts["sources"]:
        yield f"{facts['uri']}: {known['state'].upper().replace('_', ' ')}, by source {known['source_id']}"
        for snapshot in known["snapshots"]:
            yield (
                f"  snapshot   {snapshot['kind']}, {snapshot['fetched_at'] or 'time unknown'}, "
                f"status {snapshot['http_status'] or '-'}, {snapshot['bytes']:,} bytes, "
                f"sha256 {snapshot['digest'][:16]}…"
            )
        for said in known["statements"]:
            yield f"  opt-out    {in_words(said)}"
        if known["kept_out"]:
            yield f"  kept out   {', '.join(known['kept_out'])}"
    for document in facts["documents"]:
        yield (
            f"document {document['doc_id']} of {document['source_id']}, fetched {document['fetched_at'] or '-'}: "
            f"{document['state'].replace('_', ' ')}"
        )
        for said in document["statements"]:
            yield f"  opt-out    {in_words(said)}"


def _by_source(shards: Sequence[Shard]) -> dict[str, list[Shard]]:
    found: dict[str, list[Shard]] = {}
    for shard in shards:
        found.setdefault(shard.source_id, []).append(shard)
    return dict(sorted(found.items()))


def _snapshots(workspace: Workspace, shards: Sequence[Shard], host: str) -> pa.Table:
    kept = [SNAPSHOTS.empty_table()]
    for shard in shards:
        if shard.snapshots:
            rows = artefacts.decode(read_shard(workspace.store, shard, "snapshots"))
            kept.append(rows.filter(pc.equal(rows["host"], host)))
    return pa.concat_tables(kept).sort_by([("kind", "ascending"), ("fetched_at", "ascending"), ("digest", "ascending")])


def _documents(workspace: Workspace, shards: Sequence[Shard], uri: str) -> pa.Table:
    kept = [_page(None, None).slice(0, 0)]
    for shard in shards:
        rows = artefacts.decode(read_shard(workspace.store, shard, "documents"), list(_ASKED))
        kept.append(rows.filter(pc.equal(rows["uri"], uri)).cast(kept[0].schema))
    return pa.concat_tables(kept).slice(0, MAX_DOCUMENTS)


def _page(uri: str | None, host: str | None) -> pa.Table:
    """Make the row of a page that nobody fetched: what is in force for it is what was said last."""
    kinds = (pa.string(), TEXT, pa.string(), TIME, TEXT)
    # The port is taken from the address again.
    bare = host if host is None or host.endswith("]") else host.rpartition(":")[0] or host
    row = ("", uri, bare, None, None)
    return pa.table([pa.array([value], kind) for value, kind in zip(row, kinds, strict=True)], names=list(_ASKED))


def _known(
    source_id: str, agent: str | None, snapshots: pa.Table, states: pa.Table, statements: pa.Table
) -> dict[str, Any]:
    kept_out = [one["said"] for one in statements.to_pylist() if one["protocol"] == "robots" and one["value"] == "deny"]
    return {
        "source_id": source_id,
        "agent": agent,
        "snapshots": [
            {name: row[name] for name in ("kind", "fetched_at", "http_status", "digest")} | {"bytes": len(row["body"])}
            for row in snapshots.to_pylist()
        ],
        "state": states["state"][0].as_py(),
        "digest": states["digest"][0].as_py(),
        "statements": statements.to_pylist(),
        "kept_out": kept_out[0].split(", ") if kept_out else [],
    }
