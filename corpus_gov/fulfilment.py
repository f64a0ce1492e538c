"""Requests from what is asked to what is done: find, suppress, erase. Every step can be cut off and done again.

    ask      request written -> entry in the ledger -> copies found -> request written
    fulfil   copies found again -> suppression list -> request -> entry -> bytes erased -> request -> entry

The suppression list comes before everything that takes bytes away: what was erased must not come back meanwhile.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from corpus_gov import actors, barring, leakscan, requests, seal, suppression, tracing
from corpus_gov.errors import ConfigError
from corpus_gov.published import DOCUMENTS_ERASED
from corpus_gov.relate import near, suppressed
from corpus_gov.requests import ERASURE_ASKED, ERASURE_FULFILLED, ERASURE_REFUSED, Request
from corpus_gov.signatures import Signer
from corpus_gov.tracing import SURE, Asked
from corpus_gov.workspace import Workspace

CONTAINED: Final = ("contained", "holds")
NEAR: Final = ("near", "spun")
OF_SOURCES: Final = ("source", "batch", "contract")

LOOKED_FOR: Final = 16
"""Documents that a search looks for: each costs reading through everything once more."""

_STANDING: Final = {"url": "uri", "host": "host", "text_digest": "text", "near_copy": "text"}
"""What a request keeps out whether or not there is a document yet, and the column that says so."""


def ask(
    workspace: Workspace,
    by: str,
    value: str,
    *,
    requester: str,
    basis: str,
    received: date,
    today: date,
    actor: str,
    deadline: date | None = None,
    reference: str = "",
    within: str | None = None,
    expires: date | None = None,
    measure: str = "erase",
    sign_with: Path | None = None,
) -> Request:
    """Write a request down and find what it is about; the same words are one request.

    Args:
        workspace: an open workspace.
        by: one of tracing.BY.
        value: what is asked by; of near_copy the text itself. It is kept keyed, or not at all.
        requester: one of requests.REQUESTERS.
        basis: legal references, comma-separated, such as eu.gdpr.17.
        received: when it came in.
        today: the day of this act.
        actor: who writes it down.
        deadline: last day for an answer; by default what the basis gives.
        reference: under which the papers are filed elsewhere; nothing of a person.
        within: the only source that it is about.
        expires: last day of the suppression.
        measure: one of requests.MEASURES.
        sign_with: as for `actors.signer`.

    Raises:
        ConfigError: a word or value is none that can be asked by, or the basis gives no deadline.
        StoreError: as for `acts.record`.
    """
    actors.check_name(workspace, actor)
    if by not in tracing.BY:
        raise ConfigError(f"erase: found {by!r} to ask by, expected one of {tracing.BY!r}; choose one")
    legal = ",".join(sorted({one.strip() for one in basis.split(",") if one.strip()}))
    last = deadline or requests.deadline_of(legal, received)
    with workspace.writing():
        keys, bands, seeds, unread = _looked(workspace, by, value)
        said = {
            "requester": requester, "basis": legal, "reference": reference.strip(), "received": received.isoformat(),
            "deadline": last.isoformat(), "by": by, "keys": keys, "bands": bands, "within": within,
            "expires": expires.isoformat() if expires else None, "measure": measure, "actor": actor,
        }  # fmt: skip
        request = _known(workspace, requests.make(workspace, said), today)
        signer = actors.signer(workspace, actor, sign_with)
        data = {name: said[name] for name in ("requester", "basis", "received", "deadline", "measure")}
        # What is asked by is looked up before anything is written: a source or batch that is not there is no request.
        found = _traced(workspace, request, seeds)
        requests.write(workspace, request)
        requests.noted(workspace, request, ERASURE_ASKED, data, signer=signer)
        state = request.state if request.state != "asked" else "found"
        return requests.write(workspace, requests.moved(_with(request, found, unread), state, today))


def fulfil(
    workspace: Workspace,
    name: str,
    *,
    today: date,
    copies: bool = False,
    contained: bool = False,
    alike: bool = False,
    also: Sequence[str] = (),
    physical: bool = False,
    scan: bool = False,
    sign_with: Path | None = None,
) -> Request:
    """Suppress what a request is about, and take its bytes away where that is asked for; may be called again.

    Copies are looked for anew. What is asked for is always suppressed, and its exact copies, but for a request about a
    source, a batch or a contract: what another source holds rests on a basis of its own.

    Args:
        workspace: an open workspace.
        name: id of the request.
        today: the day of this act.
        copies: suppress exact copies in other sources whatever the request is about.
        contained: suppress also documents that hold, or are inside of, such a one.
        alike: suppress also near and spun copies.
        also: doc_ids among those that were found, for example by a person's review.
        physical: erase the bytes too.
        scan: search the whole workspace for the texts of LOOKED_FOR of them afterwards, for the certificate.
        sign_with: as for `actors.signer`.

    Raises:
        ConfigError: no such request, it was refused, or `also` names what was not found.
        StoreError: as for `acts.record`.
    """
    with workspace.writing():
        request = requests.read(workspace, name)
        if request.state == "refused":
            raise ConfigError(f"request {name!r}: was refused, expected an open one; ask again if that has changed")
        signer = actors.signer(workspace, request.actor, sign_with)
        request = _with(request, _traced(workspace, request, {}), {})
        sure = SURE if copies or request.by not in OF_SOURCES else SURE[:1]
        taken = {*sure, *(CONTAINED if contained else ()), *(NEAR if alike else ())}
        if unknown := sorted(set(also) - set(request.documents)):
            raise ConfigError(
                f"request {name!r}: found no document {unknown[0]!r}, expected one that it found; see show"
            )
        chosen = {doc_id for doc_id, (_, how) in request.documents.items() if how in taken} | {*also, *request.chosen}
        request = _suppress(workspace, replace(request, chosen=tuple(sorted(chosen))), today, signer)
        return _erase(workspace, request, today, signer, scan=scan) if physical else request


def refuse(workspace: Workspace, name: str, *, why: str, today: date, sign_with: Path | None = None) -> Request:
    """Close a request without doing what it asks; the words stay in the request.

    Raises:
        ConfigError: no such request, it is closed or suppressed already, or no reason is given.
        StoreError: as for `acts.record`.
    """
    with workspace.writing():
        request = requests.read(workspace, name)
        again = request.state == "refused" and request.why == why.strip()
        if not why.strip() or (request.state not in {"asked", "found"} and not again):
            raise ConfigError(
                f"request {name!r}: is {request.state!r}, expected one of which nothing is done, and a reason; say why"
            )
        signer = actors.signer(workspace, request.actor, sign_with)
        request = requests.write(workspace, requests.moved(request, "refused", today, why=why.strip()))
        requests.noted(workspace, request, ERASURE_REFUSED, {"state": "refused"}, {"why": request.why}, signer)
        return request


def _looked(
    workspace: Workspace, by: str, value: str
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str], dict[str, str]]:
    """Return what is kept of a value, bands of a text, documents that only the value itself finds, what is unread."""
    key = workspace.keys().seal
    if by == "person":
        digests, seeds, unread = tracing.persons(workspace, value)
        return digests, (), seeds, unread
    if by == "near_copy":
        seeds = tracing.near_copies(workspace, value)
        signed = near.signatures(pa.array([value], pa.large_string()), suppressed.PRESET)
        bands = suppressed.keyed_bands(signed, suppressed.PRESET, key)[0].as_py()
        digest = sha256(value.encode()).hexdigest()
        return (barring.keyed("text", digest, key),), tuple(band.hex() for band in bands), seeds, {}
    return tracing.keys_of(by, value, key), (), {}, {}


def _known(workspace: Workspace, request: Request, today: date) -> Request:
    """Return the request as it is there already, with the salt that its entry was made with."""
    try:
        return requests.read(workspace, request.request)
    except ConfigError:
        return requests.moved(request, "asked", today)


def _traced(workspace: Workspace, request: Request, seeds: dict[str, str]) -> tracing.Found:
    # What was found by a value that is not kept is found again by its id.
    kept = request.documents if request.by in {"person", "near_copy"} else {}
    old = {doc_id: how for doc_id, (_, how) in kept.items()}
    return tracing.find(workspace, Asked(request.by, request.keys, {**old, **seeds}, request.within))


def _with(request: Request, found: tracing.Found, unread: dict[str, str]) -> Request:
    documents = {**request.documents, **found.documents}
    known = {one["release"]: one for one in request.releases}
    # A release that holds fewer rows by now has been amended since: what it held is what the requester is told.
    for one in found.releases:
        if one["documents"] >= known.get(one["release"], {"documents": 0})["documents"]:
            known[one["release"]] = one
    return replace(
        request, documents=dict(sorted(documents.items())), releases=tuple(known[name] for name in sorted(known)),
        unread={**found.unread, **unread}, not_related=found.not_related,
    )  # fmt: skip


def _suppress(workspace: Workspace, request: Request, today: date, signer: Signer | None) -> Request:
    key = workspace.keys().seal
    common = {
        "request": request.request, "reason": request.reason, "legal": request.basis,
        "expires": date.fromisoformat(request.expires) if request.expires else None,
        "within": barring.keyed("source", request.within, key) if request.within else None,
    }  # fmt: skip
    own = request.by in OF_SOURCES
    rows = suppression.rows_of(workspace, request.chosen, common, own_source=own)
    suppression.put(workspace, request.request, [*rows, *_standing(workspace, request, common, key)])
    state = "fulfilled" if request.measure == "suppress" or request.state == "fulfilled" else "suppressed"
    request = requests.moved(request, "suppressed", today)
    request = requests.write(workspace, requests.moved(request, state, today))
    said = {"state": "suppressed", "measure": request.measure, "documents": len(request.chosen)}
    more = {"done": "suppressed", "documents": list(request.chosen)}
    requests.noted(workspace, request, ERASURE_FULFILLED, said, more, signer)
    return request


def _standing(workspace: Workspace, request: Request, common: dict[str, Any], key: bytes) -> list[dict[str, Any]]:
    """Make the rows that hold for what is not there yet: an address, a host, a source, a text."""
    row = {"doc_id": None, "key_id": seal.key_id(key), "preset": "", "bands": [], **common}
    if request.by in _STANDING:
        bands = {"preset": suppressed.key_of(suppressed.PRESET), "bands": list(request.bands)} if request.bands else {}
        return [{**row, **bands, _STANDING[request.by]: one} for one in request.keys]
    if request.by in {"source", "contract"}:
        whole = {
            source for source, dossier in workspace.dossiers.items()
            if source in request.keys or (dossier.contract and dossier.contract.reference in request.keys)
        }  # fmt: skip
        return [{**row, "source": barring.keyed("source", one, key)} for one in sorted(whole)]
    return []


def _erase(workspace: Workspace, request: Request, today: date, signer: Signer | None, *, scan: bool) -> Request:
    from corpus_gov import erasing  # noqa: PLC0415 - reads and writes every table

    sought = _sought(workspace, request) if scan else {}
    reason = f"request:{request.request}"
    erasing.erase(workspace, request.chosen, reason=reason, actor=request.actor, actor_signer=signer)
    # From the ledger: an erasure that was cut off is finished by whoever writes next, and reports to nobody.
    done = tuple(
        {**entry.data, "entry": entry.index, "time": entry.time}
        for entry in workspace.ledger().entries()
        if entry.type == DOCUMENTS_ERASED and entry.data["reason"] == reason
    )
    searched = _searched(workspace, sought) if sought else request.searched
    request = replace(request, erased=done, searched=searched)
    request = requests.write(workspace, requests.moved(request, "fulfilled", today))
    said = {"state": "erased", "measure": request.measure, "documents": len(request.chosen)}
    more = {"done": "erased", "documents": list(request.chosen)}
    requests.noted(workspace, request, ERASURE_FULFILLED, said, more, signer)
    return request


def _sought(workspace: Workspace, request: Request) -> dict[str, bytes]:
    """Choose documents by the salt of the request, which nobody knew before, and what shows that they are there."""
    order = sorted(request.chosen, key=lambda doc_id: sha256(f"{request.salt}{doc_id}".encode()).digest())
    texts = suppression.texts(workspace, order[:LOOKED_FOR])
    shown = ((doc_id, label, one) for doc_id in texts for label, one in leakscan.of_text(texts[doc_id]).items())
    return {f"{doc_id} {label}": one for doc_id, label, one in shown if len(one) >= leakscan.LEAST}


def _searched(workspace: Workspace, sought: dict[str, bytes]) -> dict[str, Any]:
    seen = leakscan.scan(workspace.store, sought)
    return {
        "documents": len({label.partition(" ")[0] for label in sought}), "objects": seen.objects, "bytes": seen.size,
        "found": sorted({name for name, _ in seen.found}), "unread": list(seen.unread),
    }  # fmt: skip
