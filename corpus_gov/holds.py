"""Legal holds: documents that nothing may remove until somebody says so.

A hold is reviews/<id>.hold, found as overrides are; the ledger's entries have its digest, never its words. It keeps
bytes where they are and decides nothing: a held document can be dropped, and is released or not as the policy says.
"""

import json
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from corpus_gov import actors, acts, register
from corpus_gov.errors import ConfigError
from corpus_gov.signatures import canonical
from corpus_gov.workspace import Workspace

HOLD_GIVEN: Final = "hold_given"
"""Type of the entry by which documents are held; subject: the hold; data: hold_id, documents."""

HOLD_LIFTED: Final = "hold_lifted"
"""Type of the entry by which they are not any more; subject: the hold; data: hold_id."""

_WHY_MOST: Final = 2_000


def give(
    workspace: Workspace,
    doc_ids: Collection[str],
    *,
    why: str,
    actor: str,
    expires: date | None = None,
    sign_with: Path | None = None,
) -> dict[str, Any]:
    """Hold documents; the same words give the same hold.

    Args:
        workspace: an open workspace.
        doc_ids: 32 hex digits each, one at least.
        why: the order or claim, at most 2,000 characters, without values of persons.
        actor: who asks for it.
        expires: last day on which it counts; None for no end.
        sign_with: as for `actors.signer`.

    Raises:
        ConfigError: no document or no reason.
        StoreError: as for `acts.record`.
    """
    actors.check_name(workspace, actor)
    if not doc_ids or not 0 < len(why.strip()) <= _WHY_MOST:
        raise ConfigError(
            f"hold: found {len(doc_ids)} documents and {len(why)} characters of reason, expected one at least and 1 to "
            f"{_WHY_MOST}; say what is held, and why"
        )
    body: dict[str, Any] = {
        "doc_ids": sorted({*doc_ids}),
        "why": why.strip(),
        "actor": actor,
        "expires": expires.isoformat() if expires else None,
    }
    body |= {"hold_id": sha256(canonical(body)).hexdigest()[:12]}
    data, name = canonical(body), _place(body["hold_id"])
    with workspace.writing():
        if name not in _objects(workspace):
            register.add(workspace.store, name, data)
        said = {"hold_id": body["hold_id"], "documents": len(body["doc_ids"])}
        if not _noted(workspace, body["hold_id"]):
            signer = actors.signer(workspace, actor, sign_with)
            acts.record(workspace, HOLD_GIVEN, {name: sha256(data).hexdigest()}, said, actor=actor, actor_signer=signer)
    return body


def lift(workspace: Workspace, hold_id: str, actor: str, sign_with: Path | None = None) -> None:
    """End a hold: its file is removed, and the ledger says so.

    Raises:
        ConfigError: no such hold.
        StoreError: as for `acts.record`.
    """
    actors.check_name(workspace, actor)
    with workspace.writing():
        data = _objects(workspace).get(_place(hold_id))
        if data is None:
            raise ConfigError(f"hold {hold_id!r}: found no such hold; `hold list` shows them")
        signer = actors.signer(workspace, actor, sign_with)
        subject = {_place(hold_id): sha256(data).hexdigest()}
        acts.record(workspace, HOLD_LIFTED, subject, {"hold_id": hold_id}, actor=actor, actor_signer=signer)
        workspace.store.delete(_place(hold_id))


def listed(workspace: Workspace, as_of: date | None = None) -> list[dict[str, Any]]:
    """Return every hold, ascending, with `state`: in force or expired.

    Raises:
        ConfigError: a file under reviews/ is no hold.
    """
    today = as_of or datetime.now(UTC).date()
    found = [_parsed(name, data) for name, data in _objects(workspace).items()]
    for one in found:
        expired = one["expires"] is not None and date.fromisoformat(one["expires"]) < today
        one["state"] = "expired" if expired else "in force"
    return found


def held(workspace: Workspace, as_of: date | None = None) -> frozenset[str]:
    """Return the documents under a hold that is in force; errors as for `listed`."""
    holds = (one for one in listed(workspace, as_of) if one["state"] == "in force")
    return frozenset(doc_id for one in holds for doc_id in one["doc_ids"])


def refuse(workspace: Workspace, doc_ids: Collection[str]) -> None:
    """Stop whoever would remove a held document.

    Raises:
        ConfigError: says how many are held.
    """
    kept = held(workspace) & {*doc_ids}
    if kept:
        raise ConfigError(
            f"erase: {len(kept)} of {len(doc_ids)} documents are under a legal hold, such as {min(kept)!r}; leave them "
            "out, or lift the hold (`hold list`)"
        )


def _parsed(name: str, data: bytes) -> dict[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(data)
        return {key: found[key] for key in ("hold_id", "doc_ids", "why", "actor", "expires")}
    except (ValueError, KeyError, TypeError) as error:
        # A hold that cannot be read would quietly hold nothing.
        raise ConfigError(
            f"{name}: found {type(error).__name__}, expected a hold with hold_id, doc_ids, why, actor and expires; "
            "correct or lift it"
        ) from error


def _noted(workspace: Workspace, hold_id: str) -> bool:
    """Say whether the ledger has a hold that was not lifted since."""
    state = False
    for entry in workspace.ledger().entries():
        if entry.type in {HOLD_GIVEN, HOLD_LIFTED} and entry.data.get("hold_id") == hold_id:
            state = entry.type == HOLD_GIVEN
    return state


def _objects(workspace: Workspace) -> dict[str, bytes]:
    return register.objects(workspace.store, "reviews", ".hold")


def _place(hold_id: str) -> str:
    return f"reviews/{hold_id}.hold"
