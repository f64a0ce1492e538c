"""Requests to erase or to take down: who asks, on what basis, by when, what for, and how far it has come.

A request is requests/<id>.json. What it asks by is kept keyed, under the workspace's seal key, a value of a person not
even so: of that there are the digests that findings have. The ledger's entries commit to it with a salt that lies in
the request alone: once the request is deleted, nobody can tell what an entry was about.
"""

import hmac
import json
import secrets
from calendar import monthrange
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from corpus_gov import acts, published, register
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError
from corpus_gov.signatures import Signer, canonical
from corpus_gov.workspace import Workspace

ERASURE_ASKED: Final = "erasure_asked"
"""Type of the entry; subject: a commitment to what was asked; data: requester, basis, received, deadline."""

ERASURE_FULFILLED: Final = "erasure_fulfilled"
"""Type of the entry; subject: a commitment to what was done; data: state, measure, documents."""

ERASURE_REFUSED: Final = "erasure_refused"
"""Type of the entry; subject: a commitment to what was asked and why it was refused."""

REQUESTERS: Final = ("data_subject", "rights_holder", "authority", "contract", "own")
"""A person, about their data; who holds rights; a platform or an authority; a partner; nobody, we found it."""

MEASURES: Final = ("erase", "suppress")
"""Until when it is not fulfilled: bytes are gone; or no release has them and they do not come back."""

STATES: Final = ("asked", "found", "suppressed", "fulfilled", "refused")

OPEN: Final = STATES[:3]

SOON_DAYS: Final = 7
"""A deadline that is nearer is due."""

DEADLINES: Final = {
    "eu.gdpr": "one month (GDPR Art. 12(3))",
    "uk.gdpr": "one month (UK GDPR Art. 12(3))",
    "cn.pipl": "15 working days (methods for determining unlawful collection by apps, 2019, 6.3)",
    "us.ca.ccpa": "45 days (Cal. Civ. Code 1798.130(a)(2))",
}
"""What a legal basis gives, by the start of its reference; with several the shortest counts."""

_WORKING: Final = 15
_SATURDAY: Final = 5
_WORDS_MOST: Final = 500


@dataclass(frozen=True)
class Request:
    """One request; see docs/erasure.md.

    Attributes:
        request: its id.
        requester: one of REQUESTERS.
        basis: legal references, comma-separated, sorted.
        reference: under which the papers are filed elsewhere; nothing of a person.
        received: ISO date.
        deadline: ISO date.
        by: one of tracing.BY.
        keys: as tracing.Asked has them.
        bands: keyed bands of a text that was supplied; else empty.
        within: the only source that it is about; None for all.
        expires: last day of the suppression; None for no end.
        measure: one of MEASURES.
        actor: who wrote it down.
        salt: hex of 32 random bytes.
        state: one of STATES.
        dates: ISO date by state.
        documents: source_id and how it was found, by doc_id.
        chosen: the documents that are suppressed.
        releases: which held them: of tracing.held.
        unread: what could not be looked at.
        not_related: documents whose relations were not known yet.
        erased: what the ledger says of each erasure of bytes that was made for it, with entry and time.
        searched: what a search of the workspace found after it: documents looked for, objects, bytes, found, unread.
        why: of a refusal.
    """

    request: str
    requester: str
    basis: str
    reference: str
    received: str
    deadline: str
    by: str
    keys: tuple[str, ...]
    bands: tuple[str, ...]
    within: str | None
    expires: str | None
    measure: str
    actor: str
    salt: str
    state: str = "asked"
    dates: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    releases: tuple[Mapping[str, Any], ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    not_related: int = 0
    erased: tuple[Mapping[str, Any], ...] = ()
    searched: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""

    @property
    def place(self) -> str:
        """Its name in the store."""
        return place_of(self.request)

    @property
    def reason(self) -> str:
        """Code of the reason in the tombstones."""
        return f"erasure.{self.requester}"

    def asked(self) -> dict[str, Any]:
        """Return what was asked, which never changes."""
        body = asdict(self)
        return {name: body[name] for name in ASKED} | {"keys": list(self.keys), "bands": list(self.bands)}

    def commitment(self, more: Mapping[str, Any] | None = None) -> str:
        """Commit to what was asked, and to more."""
        return acts.commitment(bytes.fromhex(self.salt), {**self.asked(), **(more or {})})

    def left(self, today: date) -> int:
        """Return the days until the deadline; below 0 it is past."""
        return (date.fromisoformat(self.deadline) - today).days

    def due(self, today: date) -> str:
        """Return "overdue", "due" or "open"; what is closed is its state."""
        if self.state not in OPEN:
            return self.state
        left = self.left(today)
        return "overdue" if left < 0 else "due" if left <= SOON_DAYS else "open"


ASKED: Final = (
    "requester", "basis", "reference", "received", "deadline", "by", "keys", "bands", "within", "expires", "measure",
    "actor",
)  # fmt: skip


def make(workspace: Workspace, said: Mapping[str, Any]) -> Request:
    """Make a request of what was said (ASKED); the same words give the same id.

    Raises:
        ConfigError: a word is none of those that are known, or a date is missing.
    """
    for name, known in (("requester", REQUESTERS), ("measure", MEASURES)):
        if said[name] not in known:
            raise ConfigError(f"erase: found {name} {said[name]!r}, expected one of {known!r}; choose one")
    if max(len(str(said[name])) for name in ("basis", "reference")) > _WORDS_MOST:
        raise ConfigError(f"erase: expected basis and reference of at most {_WORDS_MOST} characters; shorten them")
    if said["within"] is not None and said["within"] not in workspace.dossiers:
        raise ConfigError(f"erase: found no source {said['within']!r} in any dossier, expected one; correct it")
    body = {name: said[name] for name in ASKED}
    words = canonical({**body, "keys": list(said["keys"]), "bands": list(said["bands"])})
    name = hmac.digest(workspace.keys().seal, b"request\0" + words, "sha256").hex()[:12]
    return Request(request=name, salt=secrets.token_hex(32), **body)


def deadline_of(basis: str, received: date) -> date:
    """Return the last day for an answer, by the legal basis.

    Working days are Monday to Friday: public holidays make the true last day later, working weekends earlier.

    Args:
        basis: legal references, comma-separated.
        received: when it came in.

    Raises:
        ConfigError: none of DEADLINES is a basis of it.
    """
    found = [
        _counted(law, received)
        for one in basis.split(",")
        for law in DEADLINES
        if f"{one.strip()}.".startswith(f"{law}.")
    ]
    if not found:
        raise ConfigError(
            f"erase: found basis {basis!r}, which gives no deadline, expected one that begins with one of "
            f"{sorted(DEADLINES)!r}; give --deadline"
        )
    return min(found)


def _counted(law: str, received: date) -> date:
    if law == "us.ca.ccpa":
        return received + timedelta(days=45)
    if law == "cn.pipl":
        day, left = received, _WORKING
        while left:
            day += timedelta(days=1)
            left -= day.weekday() < _SATURDAY
        return day
    year, month = received.year + received.month // 12, received.month % 12 + 1
    return date(year, month, min(received.day, monthrange(year, month)[1]))


def place_of(request: str) -> str:
    """Name the file of a request."""
    return f"requests/{request}.json"


def read(workspace: Workspace, request: str) -> Request:
    """Read a request.

    Raises:
        ConfigError: there is none of that id, or it cannot be read.
    """
    data = published.optional(workspace.store, place_of(request)) if request.isalnum() else None
    if data is None:
        raise ConfigError(f"request {request!r}: found no such request; `erase list` shows them")
    return _parsed(data, place_of(request))


def listed(workspace: Workspace) -> list[Request]:
    """Return every request, that of the nearest deadline first; closed ones last."""
    found = [_parsed(data, name) for name, data in register.objects(workspace.store, "requests", ".json").items()]
    return sorted(found, key=lambda one: (one.state not in OPEN, one.deadline, one.request))


def counted(workspace: Workspace, today: date) -> dict[str, int]:
    """Count requests by what `due` says of them."""
    return dict(sorted(Counter(one.due(today) for one in listed(workspace)).items()))


def write(workspace: Workspace, request: Request) -> Request:
    """Store a request; one that is there as it is is left."""
    data = canonical(asdict(request))
    if published.optional(workspace.store, request.place) != data:
        register.add(workspace.store, request.place, data)
    return request


def moved(request: Request, state: str, day: date, **changes: Any) -> Request:
    """Return a request in another state, with the day on which it came there first."""
    return replace(request, state=state, dates={state: day.isoformat(), **request.dates}, **changes)


def noted(
    workspace: Workspace,
    request: Request,
    kind: str,
    data: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
    signer: Signer | None = None,
) -> Entry:
    """Write an act on a request into the ledger, unless it is there.

    Args:
        workspace: held for writing.
        request: what it is about.
        kind: type of the entry.
        data: plain words and counts.
        more: what it commits to beside what was asked.
        signer: of the actor.
    """
    subject = {request.place: request.commitment(more)}
    for entry in workspace.ledger().entries():
        if entry.type == kind and entry.subject == subject:
            return entry
    return acts.record(workspace, kind, subject, data, actor=request.actor, actor_signer=signer)


def _parsed(data: bytes, name: str) -> Request:
    try:
        body = json.loads(data)
        made = Request(**body)
        tuples: dict[str, Any] = {one: tuple(body[one]) for one in ("keys", "bands", "chosen", "releases", "erased")}
        documents = {doc_id: (source, how) for doc_id, (source, how) in made.documents.items()}
        date.fromisoformat(made.deadline)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ConfigError(
            f"{name}: found no request ({type(error).__name__}), expected what `erase ask` wrote; restore it"
        ) from error
    return replace(made, **tuples, documents=documents)
