"""Overrides: what people decide against the policy, one document at a time, with a reason and under their name.

A review is reviews/<id>.json: a row of OVERRIDES with `why`, and `rules_said`, what the rules asked for at that time.
The ledger's entry has its digest, never the words. Where `[reviews] second_actor` is set, a review counts once another
actor has confirmed it, and both have signed with keys of their own: a file alone, or the pipeline's word, does not do.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import actors, acts, artefacts, published, reasons, register
from corpus_gov.acts import OVERRIDE_GIVEN, OVERRIDE_WITHDRAWN
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError
from corpus_gov.schemas import DISPOSITIONS
from corpus_gov.signatures import canonical
from corpus_gov.store import Store
from corpus_gov.workspace import Workspace

OVERRIDE_CONFIRMED: Final = "override_confirmed"
"""Type of the entry by which another actor agrees; subject: the review."""

COLUMNS: Final = ("doc_id", "reasons", "override_id")

_WHY_MOST: Final = 2_000


def give(
    workspace: Workspace,
    doc_id: str,
    disposition: str,
    *,
    why: str,
    actor: str,
    expires: date | None,
    legal: str = "",
    sign_with: Path | None = None,
) -> dict[str, Any]:
    """Decide on a document against the rules; the next run goes by it.

    The same words give the same review, so that a call which was interrupted is finished by another.

    Args:
        workspace: an open workspace.
        doc_id: of a document of the newest release.
        disposition: one of DISPOSITIONS.
        why: the reason, at most 2,000 characters; stays in the review, without values of persons.
        actor: who decides.
        expires: last day on which it holds; None for no end.
        legal: references, comma-separated, sorted.
        sign_with: as for `actors.signer`.

    Returns:
        The review, with `state`: signed or claimed.

    Raises:
        ConfigError: no such document or disposition, or no reason.
        StoreError: as for `acts.record`.
    """
    actors.check_name(workspace, actor)
    if disposition not in DISPOSITIONS or not 0 < len(why.strip()) <= _WHY_MOST:
        raise ConfigError(
            f"override: found disposition {disposition!r} and {len(why)} characters of reason, expected one of "
            f"{DISPOSITIONS!r} and 1 to {_WHY_MOST}; say why"
        )
    rows = workspace.release().table("manifest", COLUMNS)
    row = rows.filter(pc.equal(rows["doc_id"], doc_id))
    if not row.num_rows:
        raise ConfigError(f"override: found no document {doc_id!r} in the newest release; correct the id")
    review: dict[str, Any] = {
        "doc_id": doc_id,
        "disposition": disposition,
        "actor": actor,
        "expires": expires.isoformat() if expires else None,
        "legal": legal,
        "why": why.strip(),
    }
    name = f"{doc_id[:8]}-{sha256(canonical(review)).hexdigest()[:8]}"
    review |= {"override_id": name, "rules_said": _rules_say(row)[0]}
    data, place = canonical(review), _place(name)
    with workspace.writing():
        if not (given := _entries(workspace, place, sha256(data).hexdigest())):
            signer = actors.signer(workspace, actor, sign_with)
            # The review first: without it an entry would speak of nothing. What a crash leaves here without an entry
            # of its own is noted by the next run as a file that came.
            register.add(workspace.store, place, data)
            kept = ("override_id", "doc_id", "disposition", "expires", "rules_said")
            said = {key: review[key] for key in kept}
            given = [_record(workspace, OVERRIDE_GIVEN, place, data, said, actor, signer)]
    return review | {"entry": given[0].index, "state": given[0].state}


def confirm(workspace: Workspace, name: str, actor: str, sign_with: Path | None = None) -> Entry:
    """Agree to somebody else's override.

    Raises:
        ConfigError: no such override, the same actor gave it, or there is no key to sign with.
        StoreError: as for `acts.record`.
    """
    with workspace.writing():
        review, data = _review(workspace, name)
        signer = actors.signer(workspace, actor, sign_with)
        if signer is None or review["actor"] == actor:
            raise ConfigError(
                f"override {name!r}: given by {review['actor']!r}, to be confirmed by {actor!r}, expected another "
                "actor with a key; `actor new` makes one"
            )
        return _record(workspace, OVERRIDE_CONFIRMED, _place(name), data, {"override_id": name}, actor, signer)


def withdraw(workspace: Workspace, name: str, actor: str, sign_with: Path | None = None) -> Entry:
    """Take an override back: its review is removed, and the ledger says so.

    Raises:
        ConfigError: no such override.
        StoreError: as for `acts.record`.
    """
    actors.check_name(workspace, actor)
    with workspace.writing():
        _, data = _review(workspace, name)
        signer = actors.signer(workspace, actor, sign_with)
        said = {"override_id": name, "removed": [_place(name)]}
        entry = _record(workspace, OVERRIDE_WITHDRAWN, _place(name), data, said, actor, signer)
        workspace.store.delete(_place(name))
        return entry


def confirmed(workspace: Workspace) -> frozenset[str]:
    """Return the overrides that two actors signed, as signatures show that are checked here.

    Raises:
        IntegrityError: the ledger does not hold.
    """
    entries = workspace.ledger().signed_entries(workspace.signer().verifier)
    digests = {name: sha256(data).hexdigest() for name, data in _reviews(workspace).items()}
    given: dict[str, set[str]] = {}
    agreed: dict[str, set[str]] = {}
    for entry in entries:
        kinds = {OVERRIDE_GIVEN: given, OVERRIDE_CONFIRMED: agreed}
        if entry.type in kinds and not entry.claimed:
            for name, digest in entry.subject.items():
                if digests.get(name) == digest:
                    kinds[entry.type].setdefault(str(entry.data["override_id"]), set()).add(entry.actor)
    return frozenset(name for name, actors_of in given.items() if agreed.get(name, set()) - actors_of)


def listed(workspace: Workspace, as_of: date) -> list[dict[str, Any]]:
    """Return every review, ascending, with `state` (in force, waiting, expired) and `now`, what the rules say today.

    `now` is None where the newest release does not have the document.
    """
    reviews = _stated(workspace, as_of)
    said: dict[str, str] = {}
    if reviews and workspace.releases():
        rows = workspace.release().table("manifest", COLUMNS)
        rows = rows.filter(pc.is_in(rows["doc_id"], value_set=pa.array([one["doc_id"] for one in reviews])))
        said = dict(zip(rows["doc_id"].to_pylist(), _rules_say(rows), strict=True))
    return [one | {"now": said.get(one["doc_id"])} for one in reviews]


def described(workspace: Workspace, manifest: Iterable[str], as_of: date) -> dict[str, Any]:
    """Say for run.json how many overrides there are, and which of them people should look at again.

    Args:
        workspace: an open workspace.
        manifest: names of artefacts with the rows of the release that is being made.
        as_of: the day of the run.

    Returns:
        Counts by state; `changed`: overrides in force whose document the rules judge otherwise than when they were
        given, each with override_id, asked, then, now; `overruled`: those that something above them wins over.
    """
    reviews = _stated(workspace, as_of)
    counts = {state: sum(one["state"] == state for one in reviews) for state in ("in force", "waiting", "expired")}
    ours = {one["doc_id"]: one for one in reviews if one["state"] == "in force"}
    changed, overruled = [], []
    for row, now in _rows(workspace.store, manifest, list(ours)) if ours else ():
        one = ours[row["doc_id"]]
        said = {"override_id": one["override_id"], "asked": one["disposition"], "now": now}
        if one.get("rules_said") not in {None, now}:
            changed.append({**said, "then": one["rules_said"]})
        if row["override_id"] is None:
            overruled.append(said)
    return {"counts": counts, "changed": changed, "overruled": overruled}


def _stated(workspace: Workspace, as_of: date) -> list[dict[str, Any]]:
    """Read every review, with its state on that day."""
    asks = workspace.settings.reviews.second_actor
    agreed = confirmed(workspace) if asks else frozenset()
    reviews = [json.loads(data) for data in _reviews(workspace).values()]
    for one in reviews:
        expired = one.get("expires") is not None and date.fromisoformat(one["expires"]) < as_of
        waiting = asks and one["override_id"] not in agreed
        one["state"] = "expired" if expired else "waiting" if waiting else "in force"
    return reviews


def _rows(store: Store, manifest: Iterable[str], doc_ids: list[str]) -> Iterable[tuple[dict[str, Any], str]]:
    wanted = pa.array(doc_ids)
    for name in manifest:
        table = artefacts.decode(artefacts.read(store, name), list(COLUMNS))
        found = table.filter(pc.is_in(table["doc_id"], value_set=wanted))
        yield from zip(found.to_pylist(), _rules_say(found), strict=True)


def _rules_say(rows: pa.Table) -> list[str]:
    """Return what all reasons but overrides ask for, by rows of a manifest; copies give way whatever the rules say."""
    flat = rows["reasons"].combine_chunks()
    parents, values = pc.list_parent_indices(flat), pc.list_flatten(flat)
    ranks = reasons.ranks(pc.struct_field(values, "disposition"))
    worst = [0] * rows.num_rows
    for parent, code, rank in zip(
        parents.to_pylist(), pc.struct_field(values, "code").to_pylist(), ranks.tolist(), strict=True
    ):
        if not code.startswith(("override:", "override.expired:", "duplicate:")):
            worst[parent] = max(worst[parent], rank)
    return [DISPOSITIONS[rank] for rank in worst]


def _record(
    workspace: Workspace, kind: str, place: str, review: bytes, data: Mapping[str, Any], actor: str, signer: Any
) -> Entry:
    subject = {place: sha256(review).hexdigest()}
    return acts.record(workspace, kind, subject, data, actor=actor, actor_signer=signer)


def _entries(workspace: Workspace, place: str, digest: str) -> list[Entry]:
    """Find the entry of a review that is in force already."""
    if published.optional(workspace.store, place) is None:
        return []
    return [e for e in workspace.ledger().entries() if e.type == OVERRIDE_GIVEN and e.subject.get(place) == digest]


def _review(workspace: Workspace, name: str) -> tuple[dict[str, Any], bytes]:
    data = _reviews(workspace).get(_place(name))
    if data is None:
        raise ConfigError(f"override {name!r}: found no such review; `override list` shows them")
    review: dict[str, Any] = json.loads(data)
    return review, data


def _reviews(workspace: Workspace) -> dict[str, bytes]:
    return register.objects(workspace.store, "reviews", ".json")


def _place(name: str) -> str:
    return f"reviews/{name}.json"
