"""Put documents on the suppression list, with the keyed band values by which near copies are found later."""

from collections.abc import Sequence
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, register, seal
from corpus_gov.errors import ConfigError
from corpus_gov.relate import suppressed
from corpus_gov.stages import read_shard
from corpus_gov.workspace import Workspace


def add(workspace: Workspace, doc_ids: Sequence[str]) -> str:
    """Suppress documents: the next release drops them, they are not stored again, and near copies are held.

    Must come before the texts are gone: band values are made of them.

    Args:
        workspace: an open workspace.
        doc_ids: of documents that it holds.

    Returns:
        The name of the list that was written.

    Raises:
        ConfigError: it holds no document of an id; nothing was written.
    """
    store, key = workspace.store, workspace.keys().seal
    wanted, parts = pa.array(sorted(set(doc_ids)), pa.string()), [suppressed.SUPPRESSIONS.empty_table()]
    for shard in workspace.shards():
        data = read_shard(store, shard, "documents")
        if pc.any(pc.is_in(artefacts.decode(data, ["doc_id"])["doc_id"], value_set=wanted), min_count=0).as_py():
            rows = artefacts.decode(data, ["doc_id", "text"])
            rows = rows.filter(pc.is_in(rows["doc_id"], value_set=wanted))
            text = rows["text"].combine_chunks()
            parts.append(suppressed.rows(rows["doc_id"].to_pylist(), text, key, seal.key_id(key)))
    found = pa.concat_tables(parts).sort_by("doc_id")
    if len(found) < len(wanted):
        lost = sorted(set(wanted.to_pylist()) - set(found["doc_id"].to_pylist()))
        raise ConfigError(
            f"suppression: found no document {lost[0]!r} in any shard, expected all {len(wanted)}; correct the ids, or "
            "write ids alone to suppression/<name>.txt"
        )
    data = suppressed.write(found)
    name = f"suppression/near-{sha256(data).hexdigest()[:16]}.jsonl"
    register.add(store, name, data)
    return name
