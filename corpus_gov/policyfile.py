"""Policies as people write them: YAML in, a frozen Policy out, every expression checked.

A clause says when it applies, what it asks for and why; Clause, Tally and Election below explain the keys. Like
rule packs, policies are treated as hostile: limited in size and depth, without aliases, anchors or tags, and
with every unknown key an error.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from corpus_gov import expressions
from corpus_gov.errors import PolicyError
from corpus_gov.expressions import Expression
from corpus_gov.located import Entry, Key
from corpus_gov.rights import ANSWERS, USES, Terms
from corpus_gov.rules import shipped
from corpus_gov.schemas import DISPOSITIONS

ORDER: Final = ("rights", "priority", "quality", "oldest", "longest")
"""What an election can go by; doc_id always decides last."""

SUPPRESSED: Final = "suppressed"
"""Code of the reason that a document on the suppression list has."""

ALARMS: Final = ("removal_rate", "duplicate_rate", "largest_cluster", "illegal_share")
"""What can stop a release; of a source the name of an alarm is followed by a colon and the source's id."""

SCOPES: Final = ("document", "source")
ASKS: Final = DISPOSITIONS[1:]
"""What a clause can ask for; keep is what is left when no clause speaks."""

_ID = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_PACK = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_SPAN = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*(?:\.\*)?")
_LEGAL = re.compile(r"[A-Za-z0-9_.-]+")
_LICENCE = re.compile(r"[A-Za-z0-9.+*-]+")
_CATEGORY = re.compile(r"A[1-5][a-i]?")
_CLAUSE: Final = ("id", "scope", "when", "spans", "disposition", "category", "legal", "final", "cut", "why")
_SPREAD: Final = ("id", "of", "disposition", "category", "legal", "why")
_POLICY: Final = (
    "policy", "version", "why", "needs", "provisional", "uses", "clauses", "tallies", "election", "spreads", "alarms",
    "retention",
)  # fmt: skip
_TERMS: Final = ("licences", *USES, "why")
_RETENTION: Final = ("id", "of", "categories", "days", "reviewed", "why")
_TALLY: Final = ("id", "categories", "when", "why")


@dataclass(frozen=True)
class Clause:
    """When it applies, what it asks for and why; of `when` and `spans` exactly one is set."""

    id: str
    scope: str
    when: Expression | None
    spans: tuple[str, ...]
    """Rules whose spans are redacted, "pii.*" for all of a prefix; the clause applies where one of them found any."""
    disposition: str
    category: str
    legal: str
    """References, sorted, comma-separated."""
    final: bool
    """No override makes it milder."""
    cut: bool
    """Its spans are cut: nothing says what stood there."""
    why: str
    where: str


@dataclass(frozen=True)
class Tally:
    """What is counted in every source: documents with findings of some categories, or those that `when` holds for.

    A category is counted with all below it: A1 is A1a to A1h.
    """

    id: str
    categories: tuple[str, ...]
    when: Expression | None


@dataclass(frozen=True)
class Election:
    """How the representative of a cluster is chosen, and who gives way to it."""

    order: tuple[str, ...]
    quality: Expression | None
    least_similarity: int
    """In ten-thousandths: who is less like the representative stays. 10,000 where the policy does not say: only copies
    that are the same but for case, punctuation and white space give way."""


@dataclass(frozen=True)
class Spread:
    """What near copies of a barred document get for it."""

    id: str
    of: tuple[str, ...]
    """What bars a document: ids of clauses, or "suppressed"."""
    disposition: str
    category: str
    legal: str
    why: str


@dataclass(frozen=True)
class Alarms:
    """What stops a release until somebody accepts it by name; shares in ten-thousandths, None is no limit."""

    least_documents: int
    """Sources and corpora of fewer documents give no alarm: of three copies two are removed."""
    removal_rate: int | None
    """Of the documents of a source, those that are quarantined or dropped."""
    duplicate_rate: int | None
    """Of the documents of a source, those that are dropped as duplicates."""
    largest_cluster: int | None
    """Of all documents, those of the largest cluster."""
    illegal_share: int | None = None
    """Of the documents of a source, those that the tally `illegal` counts: the alarm sounds where even the lower
    Wilson bound of the share is above it."""


@dataclass(frozen=True)
class Retention:
    """How long bytes of documents stay that are held or dropped for reasons of a class; others stay for good."""

    id: str
    of: tuple[str, ...]
    """Ids of clauses and spreads."""
    categories: tuple[str, ...]
    """A1 is A1a to A1h; a reason of one of these, or of one of `of`, is of the class."""
    days: int
    """Days after the first release that gave such a reason, at which the bytes go."""
    reviewed: int | None
    """Days after a person decided to drop the document, where those end earlier."""
    why: str


@dataclass(frozen=True)
class Policy:
    """A policy in force; equal digests mean equal decisions on equal facts."""

    name: str
    version: int
    why: str
    needs: tuple[str, ...]
    provisional: bool
    """Releases under it are marked, and cannot be handed over."""
    clauses: tuple[Clause, ...]
    tallies: tuple[Tally, ...]
    election: Election
    spreads: tuple[Spread, ...]
    alarms: Alarms
    uses: tuple[Terms, ...]
    """What each licence allows; of several rows that fit the first counts."""
    digest: str
    """SHA-256, hex, over what the file says; comments and line breaks do not count."""
    where: str
    """"file:line" of its needs, for messages."""
    retention: tuple[Retention, ...] = ()


def load(name_or_path: str | Path, folder: Path | None = None) -> Policy:
    """Read a policy.

    Args:
        name_or_path: "default" is policies/default.yaml of the rules folder; anything that is no plain name is a path.
        folder: an operator's own rules folder; the shipped one where None.

    Raises:
        PolicyError: there is no such policy, or it breaks a rule of policies; names file and line.
    """
    file: Path | Traversable
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path):
        path = f"policies/{name_or_path}.yaml"
        file = (shipped() if folder is None else folder).joinpath(path)
        where = f"{'rules' if folder is None else folder}/{path}"
    else:
        file, where = Path(name_or_path), str(name_or_path)
    try:
        return read(file.read_bytes().decode(), where)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{where}:1: found no readable policy ({type(error).__name__}), expected a UTF-8 file; "
            "name trial, default, strict or the path of a policy"
        ) from error


@lru_cache(maxsize=16)
def read(text: str, where: str) -> Policy:
    """Parse the text of a policy; `where` is its name in messages.

    Raises:
        PolicyError: names `where`, the line, what was found and what to do.
    """
    top = Entry.read(text, where, PolicyError)
    top.only(_POLICY)
    clauses, tallies = (
        _entries(top, "clauses", "clause", _CLAUSE),
        _entries(top, "tallies", "tally", _TALLY, needed=False),
    )
    election, alarms = top.below("election"), top.below("alarms")
    election.only(("order", "quality", "least_similarity"))
    spreads = _entries(top, "spreads", "spread", _SPREAD, needed=False)
    kept = _entries(top, "retention", "retention", _RETENTION, needed=False)
    texts = [*((c, "when") for c in clauses), *((t, "when") for t in tallies), (election, "quality")]
    parsed = _expressions(texts)
    policy = Policy(
        name=top.text("policy", _NAME),
        version=top.count("version", least=1),
        why=top.text("why"),
        needs=top.texts("needs", _PACK, needed=False),
        provisional=top.flag("provisional"),
        clauses=tuple(_clause(entry, parsed.get((entry.path, "when"))) for entry in clauses),
        tallies=tuple(_tally(entry, parsed.get((entry.path, "when"))) for entry in tallies),
        election=_election(election, parsed.get((election.path, "quality"))),
        spreads=tuple(_spread(entry, [clause.content["id"] for clause in clauses]) for entry in spreads),
        alarms=_alarms(alarms),
        uses=tuple(_terms(entry) for entry in top.entries("uses", "uses", needed=False)),
        digest=sha256(json.dumps(top.content, sort_keys=True, default=str).encode()).hexdigest(),
        where=f"{where}:{top.line('needs')}",
        retention=tuple(_retention(entry, {*_ids(clauses), *_ids(spreads)}) for entry in kept),
    )
    if ("quality" in policy.election.order) != (policy.election.quality is not None):
        raise election.error("quality", "expected an expression exactly where order names 'quality'; give both or none")
    return policy


def _entries(top: Entry, key: str, kind: str, known: Iterable[str], *, needed: bool = True) -> list[Entry]:
    entries = top.entries(key, kind, needed=needed)
    seen: set[str] = set()
    for entry in entries:
        entry.only(known)
        if (name := entry.text("id", _ID)) in seen:
            raise entry.error("id", f"found {name!r} twice, expected it once; rename one")
        seen.add(name)
    return entries


def _expressions(texts: Iterable[tuple[Entry, str]]) -> Mapping[tuple[Key, str], Expression]:
    """Check every expression of the file over one connection."""
    written = [(entry, key) for entry, key in texts if key in entry.content]
    parsed = expressions.parse_all([(entry.text(key), entry.place(key)) for entry, key in written])
    return {(entry.path, key): one for (entry, key), one in zip(written, parsed, strict=True)}


def _clause(entry: Entry, when: Expression | None) -> Clause:
    disposition = entry.choice("disposition", ASKS)
    scope = entry.choice("scope", SCOPES, "document")
    spans = entry.texts("spans", _SPAN, needed=False)
    if (disposition == "redact") != bool(spans) or bool(spans) == (when is not None):
        # Spans are cut wherever their rule found any: a condition beside them could not be kept.
        raise entry.error(
            "disposition", f"found {disposition!r}, expected spans for 'redact' and `when` for the others"
        )
    if scope == "source" and spans:
        raise entry.error("scope", "found a source that is redacted; redact documents")
    if (cut := entry.flag("cut")) and not spans:
        raise entry.error("cut", "found nothing to cut, expected spans beside it; name the rules or drop it")
    return Clause(
        id=entry.text("id", _ID),
        scope=scope,
        when=when,
        spans=spans,
        disposition=disposition,
        category=entry.text("category") if "category" in entry.content else "",
        legal=",".join(sorted(entry.texts("legal", _LEGAL, needed=False))),
        final=entry.flag("final"),
        cut=cut,
        why=entry.text("why"),
        where=entry.place("id").removesuffix(": id"),
    )


def _tally(entry: Entry, when: Expression | None) -> Tally:
    categories = entry.texts("categories", _CATEGORY, needed=False)
    if bool(categories) == (when is not None):
        raise entry.error("id", "expected either categories or `when`; write one of them")
    return Tally(entry.text("id", _NAME), categories, when)


def _election(entry: Entry, quality: Expression | None) -> Election:
    least = entry.share("least_similarity")
    return Election(_order(entry), quality, 10_000 if least is None else least)


def _spread(entry: Entry, clauses: Sequence[str]) -> Spread:
    of = entry.texts("of", _ID)
    if not of or (unknown := set(of) - {*clauses, SUPPRESSED}):
        problem = f"found {sorted(unknown) if of else []!r}, expected ids of clauses of this policy or {SUPPRESSED!r}"
        raise entry.error("of", f"{problem}; correct it")
    legal = ",".join(sorted(entry.texts("legal", _LEGAL, needed=False)))
    category = entry.text("category") if "category" in entry.content else ""
    disposition = entry.choice("disposition", ("quarantine", "drop"))
    return Spread(entry.text("id", _ID), of, disposition, category, legal, entry.text("why"))


def _retention(entry: Entry, known: AbstractSet[str]) -> Retention:
    of, categories = entry.texts("of", _ID, needed=False), entry.texts("categories", _CATEGORY, needed=False)
    if not of and not categories:
        raise entry.error("id", "found neither `of` nor categories, expected one of them at least; say what goes")
    if unknown := sorted({*of} - known):
        raise entry.error("of", f"found {unknown!r}, expected ids of clauses or spreads of this policy; correct it")
    reviewed = entry.count("reviewed") if "reviewed" in entry.content else None
    return Retention(entry.text("id", _ID), of, categories, entry.count("days"), reviewed, entry.text("why"))


def _ids(entries: Iterable[Entry]) -> Iterator[str]:
    return (entry.content["id"] for entry in entries)


def _terms(entry: Entry) -> Terms:
    entry.only(_TERMS)
    entry.text("why")
    return Terms(entry.texts("licences", _LICENCE), tuple(entry.choice(use, ANSWERS) for use in USES))


def _alarms(entry: Entry) -> Alarms:
    if entry.content is None:
        return Alarms(0, None, None, None)
    entry.only(("least_documents", *ALARMS))
    least = entry.count("least_documents") if "least_documents" in entry.content else 0
    return Alarms(least, *(entry.share(name) for name in ALARMS))


def _order(entry: Entry) -> tuple[str, ...]:
    order = entry.texts("order", re.compile("|".join(ORDER)), needed=False)
    if len(set(order)) < len(order):
        raise entry.error("order", f"found {order!r}, expected each once; remove one")
    return order
