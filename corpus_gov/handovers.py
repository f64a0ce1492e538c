"""Handovers: who received which release, so that removals can be told to them.

A handover is handovers/<digest>.json; the ledger's entry has its digest and the release, no name. The file holds a salt
that is keyed by the workspace, so that nobody can guess from the entry alone who received what.
"""

import json
from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from corpus_gov import actors, acts, published
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.signatures import canonical
from corpus_gov.workspace import Workspace

HANDED_OVER: Final = "handed_over"
"""Type of the entry; subject: the handover and the release's statement; data: release."""

_WORDS_MOST: Final = 500


def add(
    workspace: Workspace,
    release: str,
    receiver: str,
    *,
    purpose: str,
    day: date,
    actor: str,
    terms: str = "",
    sign_with: Path | None = None,
) -> dict[str, Any]:
    """Write down that somebody received a release; the same words on the same day are one handover.

    Args:
        workspace: an open workspace.
        release: its name.
        receiver: an organisation or a role, and how it is reached.
        purpose: what they want it for.
        day: when.
        actor: who handed it over.
        terms: what they agreed to, such as a licence or a contract's number.
        sign_with: as for `actors.signer`.

    Raises:
        ConfigError: no such release, it is provisional, or a word is missing.
        StoreError: as for `acts.record`.
    """
    actors.check_name(workspace, actor)
    opened = workspace.release(release)
    if opened.run["provisional"]:
        raise ConfigError(
            f"{release}: is provisional, expected a release under a policy that is not: nobody has yet written down "
            "where its files come from; run with another policy"
        )
    said = {"release": release, "receiver": receiver.strip(), "purpose": purpose.strip(), "terms": terms.strip()}
    if not said["receiver"] or not said["purpose"] or max(map(len, said.values())) > _WORDS_MOST:
        raise ConfigError(f"handover: expected receiver and purpose of 1 to {_WORDS_MOST} characters; say who and why")
    body = said | {"day": day.isoformat(), "actor": actor}
    data = canonical(body | {"salt": acts.commitment(workspace.keys().seal, body)})
    name = f"handovers/{sha256(data).hexdigest()[:16]}.json"
    with workspace.writing():
        if not any(name in entry.subject for entry in _entries(workspace)):
            # The file first: an entry without one would be a handover to nobody.
            workspace.store.put(name, data)
            ledger = workspace.ledger()
            subject = {name: sha256(data).hexdigest(), **published.committed(ledger)[release].subject}
            signer = actors.signer(workspace, actor, sign_with)
            acts.record(workspace, HANDED_OVER, subject, {"release": release}, actor=actor, actor_signer=signer)
    return next(one for one in listed(workspace) if one["handover"] == name)


def listed(workspace: Workspace, releases: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return every handover, oldest first: handover, entry, state, release, receiver, purpose, terms, day, actor.

    One whose file was erased has entry, state, release and actor alone.

    Args:
        workspace: an open workspace.
        releases: only of these; all by default.

    Raises:
        IntegrityError: a handover is not what the ledger says.
    """
    found = []
    for entry in _entries(workspace):
        if not releases or entry.data["release"] in releases:
            name = next(name for name in entry.subject if name.startswith("handovers/"))
            data = published.optional(workspace.store, name)
            if data is not None and sha256(data).hexdigest() != entry.subject[name]:
                raise IntegrityError(f"{name}: is not what entry {entry.index} says; restore it from a copy")
            body = json.loads(data) if data is not None else {"release": entry.data["release"], "actor": entry.actor}
            body.pop("salt", None)
            found.append({"handover": name, "entry": entry.index, "state": entry.state, **body})
    return found


def _entries(workspace: Workspace) -> list[Entry]:
    return [entry for entry in workspace.ledger().entries() if entry.type == HANDED_OVER]
