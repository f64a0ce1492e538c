"""What an erasure cannot reach: said in every certificate, whether or not anybody asks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from corpus_gov import handovers
from corpus_gov.store import LocalStore

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace


def beyond(workspace: "Workspace", releases: Sequence[str]) -> tuple[str, ...]:
    """Name what still may hold the documents and is not the workspace's to remove.

    Args:
        workspace: an open workspace.
        releases: those that held rows of the documents.
    """
    outside = sorted(source for source, dossier in workspace.dossiers.items() if dossier.inputs)
    given = sum(one.get("release") in releases for one in handovers.listed(workspace))
    local = isinstance(workspace.store, LocalStore)
    return (
        f"input files, which are not the workspace's: of sources {', '.join(outside) or 'none'}",
        "digests of whole input files, kept in captures and batches so that they are not read again",
        f"copies of releases that others received: {given} handovers of {', '.join(releases) or 'no release'}",
        "models that were trained on earlier releases, and whatever was derived from them",
        "backups and snapshots of the storage" if local else "older versions of objects, where the bucket keeps any",
        *(["blocks of the file system that are free and not yet written over"] if local else []),
        "proofs and extracts of rows that were handed out; doc_ids in rows of copies, reviews and samples",
    )
