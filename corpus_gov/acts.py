"""Acts: what was done to a workspace beside batches and releases, as entries of the ledger.

An entry holds names, digests and plain words; never a text, a value of a person, or an address that was asked about.
What a person's words must not give away is committed to with a salt (`commitment`): without the salt, which is erased
with what it belongs to, nobody can tell what the digest was made of.
"""

import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from corpus_gov import register
from corpus_gov.entries import KEY_ADDED, PIPELINE, Entry
from corpus_gov.signatures import Signer, canonical
from corpus_gov.workspace import Workspace

SOURCES_CHANGED: Final = "sources_changed"
"""Dossiers that came, changed or went since the last entry of this type; subject: digests of those that are there."""

RULES_CHANGED: Final = "rules_changed"
"""Rule packs in force that are other ones than in the last entry of this type; subject: their digests."""

POLICY_CHANGED: Final = "policy_changed"
"""Another policy is in force; subject: its digest."""

OVERRIDES_CHANGED: Final = "overrides_changed"
"""Reviews that came, changed or went by other ways than the two below."""

OVERRIDE_GIVEN: Final = "override_given"
"""A person's own entry for a review; subject: the review."""

OVERRIDE_WITHDRAWN: Final = "override_withdrawn"
"""The entry by which a review was taken back; subject: the review; data: `removed`, its name."""

SUPPRESSION_CHANGED: Final = "suppression_changed"
"""Suppression lists that came, changed or went."""

STATES: Final = (SOURCES_CHANGED, RULES_CHANGED, POLICY_CHANGED, OVERRIDES_CHANGED, SUPPRESSION_CHANGED)


def record(
    workspace: Workspace,
    kind: str,
    subject: Mapping[str, str],
    data: Mapping[str, Any],
    *,
    actor: str = PIPELINE,
    actor_signer: Signer | None = None,
    time: datetime | None = None,
) -> Entry:
    """Write down one act; takes the writer's lease where it is not held.

    Args:
        workspace: an open workspace.
        kind: type of the entry.
        subject: SHA-256, hex, by name of what the act was about.
        data: what else belongs to it; plain values.
        actor: who did it.
        actor_signer: the actor's own key; without it the entry reads "claimed".
        time: when; now by default.

    Raises:
        StoreError: somebody else is writing, or the entry was not durably written.
    """
    with workspace.writing() as lease:
        return workspace.ledger().append(
            kind, subject, data,
            actor=actor, signer=workspace.signer(), time=time or datetime.now(UTC), fencing=lease.fencing,
            actor_signer=actor_signer, still_alone=lease.check,
        )  # fmt: skip


def note_changes(workspace: Workspace) -> list[Entry]:
    """Write down which dossiers, packs, policy, reviews and suppression lists differ from what the ledger last said.

    Nothing is written where nothing changed. What a person changed by hand has no other entry than this.

    Returns:
        The entries that were written.
    """
    with workspace.writing():
        if workspace.ledger().checkpoint() is None:
            # The log begins with the key that signs it, so that a reader of the folder alone knows whom to ask about.
            record(workspace, KEY_ADDED, {}, {"vkey": workspace.signer().vkey})
        known = last_stated(workspace.ledger().entries())
        return [
            record(workspace, kind, *_difference(known[kind], found))
            for kind, found in in_force(workspace).items()
            if found != known[kind]
        ]


def last_stated(entries: Iterable[Entry]) -> dict[str, dict[str, str]]:
    """Return, for each of STATES, the digests by name that the entries leave in force."""
    found: dict[str, dict[str, str]] = {kind: {} for kind in STATES}
    for entry in entries:
        kind = OVERRIDES_CHANGED if entry.type in {OVERRIDE_GIVEN, OVERRIDE_WITHDRAWN} else entry.type
        if kind in found:
            gone = set(entry.data.get("removed", ()))
            stated = {**found[kind], **entry.subject}
            found[kind] = {name: digest for name, digest in stated.items() if name not in gone}
    return found


def commitment(salt: bytes, value: Any) -> str:
    """Commit to a JSON value with a salt of 32 random bytes: HMAC-SHA256, hex.

    Whoever has salt and value can show that they belong to the entry; the digest alone tells nothing.
    """
    return hmac.new(salt, canonical(value), sha256).hexdigest()


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    changed = {name: digest for name, digest in new.items() if old.get(name) != digest}
    data = {
        "added": sorted(set(changed) - set(old)),
        "changed": sorted(set(changed) & set(old)),
        "removed": sorted(set(old) - set(new)),
    }
    return changed, data


def in_force(workspace: Workspace) -> dict[str, dict[str, str]]:
    """Return, for each of STATES, the digests by name of what is in force at this moment."""
    context, policy = workspace.context(), workspace.policy_in_force()
    packs = dict(pack.ref.rsplit(":", 1) for pack in context.rule_packs())
    return {
        SOURCES_CHANGED: _digests(workspace, "sources", ".yaml"),
        RULES_CHANGED: {f"rules/{name}": digest for name, digest in packs.items()},
        POLICY_CHANGED: {f"policies/{policy.name}@{policy.version}": policy.digest},
        OVERRIDES_CHANGED: _digests(workspace, "reviews", ".json"),
        SUPPRESSION_CHANGED: _digests(workspace, "suppression", ".txt") | _digests(workspace, "suppression", ".jsonl"),
    }


def _digests(workspace: Workspace, folder: str, suffix: str) -> dict[str, str]:
    found = register.objects(workspace.store, folder, suffix)
    return {name: sha256(data).hexdigest() for name, data in found.items()}
