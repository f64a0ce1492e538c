"""What a requester is given: what was found and how, what was done and when, and what cannot be reached from here.

A certificate is an in-toto Statement in a DSSE envelope, signed with the pipeline's key, about the commitments of the
request's entries in the ledger; the same facts are written as Markdown for people. It holds ids, counts and names of
receivers, no text and no value that was asked by.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.metadata import version
from typing import Any, Final

from corpus_gov import lookup, reach, seal
from corpus_gov.relate import suppressed
from corpus_gov.requests import ERASURE_ASKED, ERASURE_FULFILLED, ERASURE_REFUSED, Request
from corpus_gov.signatures import STATEMENT_TYPE, dsse_sign
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
    digests = [(entry["type"], entry["commitment"]) for entry in said["ledger"]]
    subject = [{"name": f"{request.place}#{kind}", "digest": {"sha256": digest}} for kind, digest in digests]
    body = {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": CERTIFICATE_TYPE, "predicate": dict(said)}
    return dsse_sign(body, workspace.signer())


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
    yield from _table(("document", "source", "found as", "state"), [tuple(one.values()) for one in said["documents"]])
    if said["not_looked_at"] or said["not_related"]:
        yield ""
    for name, why in said["not_looked_at"].items():
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
    for name, how in said["methods"]["used"].items():
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
