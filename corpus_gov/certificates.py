"""What a requester is given: what was found and how, what was done and when, and what cannot be reached from here.

A certificate is an in-toto Statement in a DSSE envelope, signed with the pipeline's key, about the commitments of the
request's entries in the ledger; the same facts are written as Markdown for people. It holds ids, counts and names of
receivers, no text and no value that was asked by. Who gets it checks it with `check`, without the workspace.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from importlib.metadata import version
from typing import Any, Final

from corpus_gov import lookup, reach, seal
from corpus_gov.errors import IntegrityError
from corpus_gov.ledger import Ledger
from corpus_gov.relate import suppressed
from corpus_gov.requests import ERASURE_ASKED, ERASURE_FULFILLED, ERASURE_REFUSED, Request, place_of
from corpus_gov.signatures import STATEMENT_TYPE, dsse_sign, dsse_verify, stated_key
from corpus_gov.workspace import Workspace

CERTIFICATE_TYPE: Final = "urn:corpus-gov:erasure-certificate:v1"

METHODS: Final = {
    "asked": "the value that was asked by, compared keyed with every stored document",
    "exact": "SHA-256 of the extracted text, and of the bytes, compared with every stored document of every source",
    "related": "relations of the newest release, verified shingle by shingle: near copies, excerpts, spun copies",
    "releases": "manifest rows of every release, by document id",
}
LIMITS: Final = (
    "an address is compared without scheme, user, default port and fragment; another spelling of its path is another",
    "near copies below the similarity of the preset, translations and paraphrases are not found",
    "a person is found where a value is written; a document that speaks of them by other words is not",
)


def facts(workspace: Workspace, request: Request, today: date) -> dict[str, Any]:
    """Collect what the certificate says.

    Raises:
        IntegrityError: the ledger or a release is not what was recorded.
    """
    documents = [
        {"doc_id": doc_id, "source_id": source, "found": how, "state": _state(request, doc_id)}
        for doc_id, (source, how) in request.documents.items()
    ]
    return {
        "request": request.request,
        "reference": request.reference,
        "requester": request.requester,
        "basis": request.basis,
        "received": request.received,
        "deadline": request.deadline,
        "issued": today.isoformat(),
        "workspace": workspace.settings.id,
        "vkey": workspace.signer().vkey,
        "state": request.state,
        "why": request.why,
        "days": dict(request.dates),
        "asked_by": request.by,
        "within": request.within,
        "suppressed_until": request.expires,
        "found": dict(sorted(Counter(one["found"] for one in documents).items())),
        "by_source": dict(sorted(Counter(one["source_id"] for one in documents).items())),
        "documents": documents,
        "releases": list(request.releases),
        "erased": list(request.erased),
        "searched": dict(request.searched),
        "ledger": _entries(workspace, request),
        "methods": _methods(request),
        "versions": _versions(workspace),
        "not_looked_at": dict(request.unread),
        "not_related": request.not_related,
        "beyond": _beyond(workspace, request),
    }


def sign(workspace: Workspace, request: Request, said: Mapping[str, Any]) -> bytes:
    """Return the certificate: `facts` in a signed envelope."""
    body = {
        "_type": STATEMENT_TYPE, "subject": _subjects(request.place, said["ledger"]),
        "predicateType": CERTIFICATE_TYPE, "predicate": dict(said),
    }  # fmt: skip
    return dsse_sign(body, workspace.signer())


def check(
    envelope: bytes, vkey: str | None = None, ledger: Ledger | None = None, *, where: str = "certificate"
) -> dict[str, Any]:
    """Check a certificate: its signature, its type, and that its entries are those of the ledger where that is at hand.

    Args:
        envelope: what `sign` made.
        vkey: the pipeline's public key as kept elsewhere. Without it, and without a ledger, the key that the
            certificate names itself is taken, and `trusted` says so.
        ledger: of the workspace that issued it; it is verified first, by `vkey` where that is given. The certificate
            may be signed by any key that the pipeline had in it.
        where: name of the file, for messages.

    Returns:
        The predicate, with `signed_by` and `trusted`: what was taken on trust, one sentence each.

    Raises:
        IntegrityError: the signature does not hold, it is of another key or no certificate, or the ledger has no such
            entries.
        ConfigError: vkey is malformed.
    """
    trusted = [] if ledger else ["that its entries stand in the ledger was not looked at; give the workspace"]
    if ledger is not None:
        key = _issued(ledger, vkey, stated_key(envelope, where), where)
    elif vkey is not None:
        key = vkey
    else:
        key = stated_key(envelope, where)
        trusted.append("the public key was taken from the certificate itself: whoever wrote it may have made both")
    body = dsse_verify(envelope, key, where, CERTIFICATE_TYPE)
    said = body["predicate"]
    try:
        listed = body["subject"] == _subjects(place_of(said["request"]), said["ledger"])
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"{where}: is cut ({type(error).__name__}); it was not written by corpus_gov") from error
    if not listed:
        raise IntegrityError(f"{where}: is about other entries than it lists; it was not written by corpus_gov")
    if ledger is not None:
        _stand(ledger, said, where)
    return {**said, "signed_by": key, "trusted": trusted}


def _subjects(place: str, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": f"{place}#{one['type']}", "digest": {"sha256": one["commitment"]}} for one in entries]


def _issued(ledger: Ledger, vkey: str | None, key: str, where: str) -> str:
    """Return the key of a certificate, held against those that the pipeline of the ledger had."""
    known = [one.vkey for one in ledger.verify(vkey).keys.pipeline]
    if key not in known:
        raise IntegrityError(
            f"{where}: signed by {key!r}, expected one of the keys of the ledger, {known!r}; it is of another "
            "workspace, or was made by somebody else"
        )
    return key


def _stand(ledger: Ledger, said: Mapping[str, Any], where: str) -> None:
    there = {entry.index: entry for entry in ledger.entries()}
    place = place_of(said["request"])
    for one in said["ledger"]:
        entry = there.get(one["entry"])
        if entry is None or (entry.type, entry.subject.get(place)) != (one["type"], one["commitment"]):
            raise IntegrityError(
                f"{where}: names entry {one['entry']!r} of type {one['type']!r}, which the ledger does not have; the "
                "ledger was rolled back, or it is another one"
            )


def markdown(said: Mapping[str, Any]) -> str:
    """Render `facts` for people."""
    return "\n".join(_lines(said)) + "\n"


def _state(request: Request, doc_id: str) -> str:
    if doc_id not in request.chosen:
        return "for review"
    return "erased" if request.state == "fulfilled" and request.erased else "suppressed"


def _entries(workspace: Workspace, request: Request) -> list[dict[str, Any]]:
    kinds = {ERASURE_ASKED, ERASURE_FULFILLED, ERASURE_REFUSED}
    return [
        {
            "entry": entry.index,
            "type": entry.type,
            "state": entry.data.get("state", "asked"),
            "time": entry.time,
            "commitment": entry.subject[request.place],
            "actor": entry.actor,
            "signed": not entry.claimed,
        }
        for entry in workspace.ledger().entries()
        if entry.type in kinds and request.place in entry.subject
    ]


def _methods(request: Request) -> dict[str, Any]:
    said: dict[str, Any] = {"used": dict(METHODS), "limits": list(LIMITS), "near_preset": suppressed.PRESET.name}
    if request.by == "person":
        said["used"]["person"] = "keyed digests of findings, and a folded scan of the text of every stored document"
        said["limits"] += [*lookup.DIGEST_LIMITS, *lookup.SCAN_LIMITS]
    return said


def _versions(workspace: Workspace) -> dict[str, Any]:
    known = workspace.releases()
    run = workspace.release(known[-1]).run if known else {}
    policy = run.get("policy", {})
    return {
        "corpus-gov": version("corpus-gov"),
        "packs": run.get("packs", []),
        "policy": {name: policy.get(name) for name in ("name", "version", "digest")},
        "newest_release": known[-1] if known else None,
        "key_id": seal.key_id(workspace.keys().seal),
    }


def _beyond(workspace: Workspace, request: Request) -> list[str]:
    said = list(reach.beyond(workspace, [one["release"] for one in request.releases]))
    if request.chosen and not request.erased:
        said.insert(0, "the bytes in the workspace: they were suppressed, not erased")
    return said


def _lines(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Certificate of request {said['request']}"
    yield ""
    rows = [
        ("Reference", said["reference"] or "-"), ("Requester", said["requester"]), ("Basis", said["basis"] or "-"),
        ("Asked by", said["asked_by"]), ("Received", said["received"]), ("Deadline", said["deadline"]),
        ("State", said["state"]), ("Issued", said["issued"]),
    ]  # fmt: skip
    yield from _table(("", ""), rows)
    if said["why"]:
        yield from ("", f"Refused: {said['why']}")
    yield from ("", "## What was found", "")
    columns = ("doc_id", "source_id", "found", "state")
    rows = [tuple(one[name] for name in columns) for one in said["documents"]]
    yield from _table(("document", "source", "found as", "state"), rows)
    if said["not_looked_at"] or said["not_related"]:
        yield ""
    for name, why in sorted(said["not_looked_at"].items()):
        yield f"Not looked at: {name}: {why}."
    if said["not_related"]:
        yield f"{said['not_related']} documents came after the newest release: their near copies are not known yet."
    yield from ("", "## What had been released, and to whom", "")
    yield from _table(
        ("release", "rows", "in the clean corpus", "received by"),
        [
            (one["release"], one["documents"], one["released"],
             "; ".join(f"{who['receiver']} ({who['day']})" for who in one["receivers"]) or "nobody on record")
            for one in said["releases"]
        ],
    )  # fmt: skip
    yield from ("", "## What was done", "")
    yield from _table(
        ("entry of the ledger", "what", "state", "time (UTC)", "by"),
        [
            (e["entry"], e["type"], e["state"], e["time"], f"{e['actor']}{'' if e['signed'] else ' (claimed)'}")
            for e in said["ledger"]
        ],
    )
    for done in said["erased"]:
        yield ""
        yield (
            f"Erasure {done['erasure']} (entry {done['entry']}): bytes of {done['documents']} documents and "
            f"{done['rows']} rows of manifests; releases amended: {', '.join(done['releases']) or 'none'}."
        )
    yield from _search(said)
    yield from ("", "## How", "")
    for name, how in sorted(said["methods"]["used"].items()):
        yield f"- {name}: {how}."
    for limit in said["methods"]["limits"]:
        yield f"- Limit: {limit}."
    versions = said["versions"]
    policy = versions["policy"]
    yield f"- corpus-gov {versions['corpus-gov']}, policy {policy['name']} {policy['version']} ({policy['digest']})."
    yield f"- Near copies by {said['methods']['near_preset']}."
    for pack in versions["packs"]:
        yield f"- Rule pack {pack}."
    yield from ("", "## What cannot be reached from here", "")
    for one in said["beyond"]:
        yield f"- {one}."


def _search(said: Mapping[str, Any]) -> Iterator[str]:
    if not said["erased"]:
        return
    yield ""
    if not (seen := said["searched"]):
        yield "The workspace was not searched afterwards."
        return
    yield (
        f"Afterwards all {seen['objects']} objects of the workspace, {seen['bytes']} bytes, were searched, unpacked, "
        f"for the texts of {seen['documents']} of the documents, drawn at random, and their digests: "
        f"{'found in ' + ', '.join(seen['found']) if seen['found'] else 'found nowhere'}."
    )
    if seen["unread"]:
        yield f"Could not be searched: {', '.join(seen['unread'])}."


def _table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    if not rows:
        yield "Nothing."
        return
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |"
