"""One dossier for each source: where data came from, and on what basis it is held.

A dossier states; it proves nothing by itself, so it names the papers and their digests, and the files that lie in the
workspace are compared with them (GB/T 45654-2025 5.1, GB/T 45652-2025 6.1, both in draft numbering).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, Field, StrictInt, model_validator

from corpus_gov import located
from corpus_gov.verdicts import REJECT, verdict
from corpus_gov.written import Day, Line, Sha256, Written, checked

Kind = Literal["self_collected", "open_licence", "commercial", "user_input", "synthetic", "own", "unassessed"]
LegalBasis = Literal["licence", "contract", "consent", "public_official", "statutory_exception", "own_content"]
Status = Literal["valid", "expired", "invalid", "unassessed"]
Target = Literal[
    "text", "uri", "title", "author", "published_at", "fetched_at", "licence", "consent_ref", "delivery_ref", "parts"
]

REQUIRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "self_collected": ("collector.agent", "collector.period", "collector.robots_policy"),
    "open_licence": ("licence", "licence_file"),
    "commercial": ("contract", "commitment", "valid_until"),
    "user_input": ("service", "consent", "fields.consent_ref"),
    "synthetic": ("generator.name", "generator.version", "generator.acquired", "generator.assessment.file"),
    "own": ("responsible",),
    "unassessed": (),
}
"""What a dossier of each kind must say before it counts as valid (GB/T 45654-2025 5.1 c; 45652 6.1 a, 7.1 b)."""

ADVISED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "self_collected": ("responsible", "country", "collector.rate", "collector.impact", "collector.record",
                       "assessments.before", "assessments.after"),
    "open_licence": ("responsible", "country", "licence_file.sha256", "assessments.before", "assessments.after"),
    "commercial": ("responsible", "country", "contract.party", "contract.sha256", "commitment.sha256",
                   "assessments.before", "assessments.after"),
    "user_input": ("responsible", "country", "consent.sha256", "consents", "assessments.before", "assessments.after"),
    "synthetic": ("responsible", "assessments.before", "assessments.after"),
    "own": ("country", "assessments.before", "assessments.after"),
    "unassessed": ("kind",),
}  # fmt: skip
"""What an auditor asks for beyond that (GB/T 45654-2025 5.1 a, b, c): `source check` names what is not there."""

EVIDENCE: Final = "evidence/"
"""Folder of the workspace that the files of papers lie in."""

HOME: Final = "CN"
"""Sources of this country are domestic (GB/T 45654-2025 5.1 b)."""

PAPERS: Final = (
    "contract", "commitment", "licence_file", "consent", "consents", "link_list", "collector.record",
    "generator.assessment", "material.paper",
)  # fmt: skip
"""Keys of a dossier that hold a paper."""

Place = Annotated[str, Field(pattern=rf"^{EVIDENCE}[^\s/\\.][^/\\]*(/[^\s/\\.][^/\\]*)*$", max_length=500)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]

SourceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Paper(Written):
    """A document that exists outside the workspace: contract, licence text, authorisation."""

    title: Line
    reference: Line
    """Its number, or where it is filed."""
    party: Line | None = None
    """Who gave it."""
    sha256: Sha256 | None = None
    """Of the file; None where only paper exists."""
    file: Annotated[str, Field(pattern=r"^evidence/[^\s/\\.][^/\\]*(/[^\s/\\.][^/\\]*)*$", max_length=500)] | None = (
        None
    )
    """Where the file lies in the workspace; it is compared with its digest at every run."""

    @model_validator(mode="after")
    def _with_digest(self) -> "Paper":
        if self.file is not None and self.sha256 is None:
            raise ValueError("Input should be a file with the sha256 that it had when it was filed")
        return self


class Period(Written):
    """First and last day, both included."""

    first: Day
    last: Day

    @model_validator(mode="after")
    def _in_order(self) -> "Period":
        if self.last < self.first:
            raise ValueError("Input should be a period whose last day is not before its first")
        return self


class Collector(Written):
    """Who fetched pages, when, and how it treated what hosts forbid."""

    agent: Line | None = None
    """User agent as sent."""
    period: Period | None = None
    robots_policy: Literal["obeyed", "ignored", "not_recorded"] | None = None
    rate: Line | None = None
    """How fast, such as "1 request a second and host"."""
    impact: Line | None = None
    """What was done so that the hosts were not burdened."""
    record: Paper | None = None
    """The log of the crawl."""


class Generator(Written):
    """The model or service that made synthetic text."""

    name: Line | None = None
    version: Line | None = None
    acquired: Day | None = None
    assessment: Paper | None = None
    """Of the model's or service's safety; only with its file, so that it is the one that was filed."""


class Assessment(Written):
    """One assessment of a source (GB/T 45654-2025 5.1 a: before collection and after)."""

    day: Day
    by: Line
    outcome: Literal["passed", "failed"]
    reference: Line | None = None
    """Where the report is filed."""
    documents: Annotated[StrictInt, Field(ge=1)] | None = None
    """Documents that were looked at, all of the source or a sample."""
    illegal: Annotated[StrictInt, Field(ge=0)] | None = None
    """Those of them with illegal or harmful content; `verdicts.verdict` says what follows from it."""

    @model_validator(mode="after")
    def _counted(self) -> "Assessment":
        if (self.documents is None) != (self.illegal is None):
            raise ValueError("Input should be documents and illegal, or neither")
        if self.documents is not None and self.illegal is not None:
            if self.illegal > self.documents:
                raise ValueError("Input should be a count of illegal documents among those looked at")
            if self.outcome == "passed" and verdict(self.illegal, self.documents).verdict == REJECT:
                raise ValueError("Input should be 'failed': by the count more than 5 % of the source is illegal")
        return self


class Assessments(Written):
    """Before collection, and of what was collected."""

    before: Assessment | None = None
    after: Assessment | None = None


class Material(Written):
    """What somebody found all texts of a source to be that no right covers (Copyright Law of the PRC, article 5)."""

    kind: Literal["official_texts", "plain_news"]
    """Laws, decisions and the like with their official translations; or plain facts of news and nothing else."""
    by: Line
    """Who answers for it."""
    day: Day
    paper: Paper
    """What the finding rests on: how many texts were read, and by whom."""


class Complete(Written):
    """When a file of a watched folder counts as complete: one of the two."""

    after_seconds: Annotated[StrictInt, Field(ge=1, le=30 * 24 * 3600)] | None = None
    """So long nothing was written to it."""
    marker: Annotated[str, Field(pattern=r"^[^/\s\\]{1,100}$")] | None = None
    """A file that says so: with a dot at its start, such as ".done", behind the name of the file itself; any other
    name, such as "_SUCCESS", in its folder."""

    @model_validator(mode="after")
    def _one_of_two(self) -> "Complete":
        if (self.after_seconds is None) == (self.marker is None):
            raise ValueError("Input should be either after_seconds or marker")
        return self


class Dossier(Written):
    """sources/<source_id>.yaml."""

    source_id: SourceId
    kind: Kind
    title: Line
    legal_basis: LegalBasis | None = None
    """What the source's owner relies on; None is unknown, and stays unknown."""
    licence: Line | None = None
    """SPDX id or own id of the licence for the source as a whole."""
    inputs: Annotated[tuple[Line, ...], Field(min_length=1)]
    """Globs, relative to the workspace folder or absolute."""
    format: Literal["auto", "warc", "jsonl", "json", "parquet", "html", "text", "zip"] = "auto"
    """auto: by the name of each file, and by its first bytes where the name says nothing."""
    fields: dict[Target, Line] = Field(default_factory=dict)
    """Our name → the delivery's name, for JSON and Parquet; a name that is absent here maps to itself. Without any
    the usual shapes of other pipelines are recognised (docs/inputs.md)."""
    base_uri: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=2_000)] | None = None
    """Where files of one record each were served: the URI of a page is that and its logical name."""
    complete: Complete | None = None
    """When a file is taken; without it, as soon as it is there. Names such as x.part and dot files never are."""
    collector: Collector = Collector()
    generator: Generator = Generator()
    contract: Paper | None = None
    commitment: Paper | None = None
    """The supplier's word, with proof, on source, quality and safety; without it a delivery must not be used."""
    licence_file: Paper | None = None
    consent: Paper | None = None
    """The record by which users agreed."""
    consents: Paper | None = None
    """The list of consents that references of documents lead to: a CSV file, see `consents.COLUMNS`."""
    material: Material | None = None
    """Only with a sign in the text itself is a document of such a source `not_protected`."""
    service: Line | None = None
    """Through which users gave their input."""
    link_list: Paper | None = None
    """The list of addresses that was followed. Whoever follows a list collects himself, whoever wrote it."""
    country: Country | None = None
    """ISO 3166-1 code of where the source comes from."""
    responsible: Line | None = None
    priority: StrictInt = 0
    """Of two equal copies, the one from the source with the higher number stands for both."""
    valid_until: Day | None = None
    """Last day on which the basis holds."""
    data_class: Line | None = None
    data_grade: Line | None = None
    assessments: Assessments = Assessments()
    notes: Annotated[str, Field(max_length=10_000)] | None = None

    @model_validator(mode="after")
    def _links(self) -> "Dossier":
        if self.link_list is not None and self.kind not in {"self_collected", "unassessed"}:
            raise ValueError("Input should be of kind self_collected: following a list of links is collecting oneself")
        return self

    @model_validator(mode="after")
    def _listed(self) -> "Dossier":
        if self.consents is not None and self.consents.file is None:
            raise ValueError("Input should be a list of consents with its file: every run looks references up in it")
        return self

    def missing(self) -> tuple[str, ...]:
        """Return the keys that a dossier of this kind needs and this one leaves out."""
        return tuple(key for key in REQUIRED[self.kind] if _at(self, key) is None)

    def advised(self) -> tuple[str, ...]:
        """Return the keys that an auditor asks for and this dossier leaves out."""
        if self.kind == "unassessed":
            return ADVISED[self.kind]
        return tuple(key for key in ADVISED[self.kind] if _at(self, key) is None)

    def papers(self) -> Iterator[tuple[str, Paper]]:
        """Yield every paper with its key."""
        for key in PAPERS:
            if (paper := _at(self, key)) is not None:
                yield key, paper

    def damaged(self, read: Callable[[str], bytes | None]) -> tuple[str, ...]:
        """Return the keys of papers whose file is gone or not the one that was filed.

        Args:
            read: a file of the workspace by name, None where there is none.
        """
        found = []
        for key, paper in self.papers():
            data = read(paper.file) if paper.file else None
            if paper.file and (data is None or sha256(data).hexdigest() != paper.sha256):
                found.append(key)
        return tuple(found)

    def days_left(self, as_of: date) -> int | None:
        """Return how many days the basis still holds, 0 on the last one; None where it has no end."""
        return None if self.valid_until is None else (self.valid_until - as_of).days

    @property
    def domestic(self) -> bool | None:
        """Whether the source is of HOME; None where the dossier does not say."""
        return None if self.country is None else self.country == HOME

    def status(self, as_of: date, damaged: tuple[str, ...] = ()) -> Status:
        """Say whether the dossier can carry a decision on that day.

        A failed assessment, and a paper that is not the one that was filed, make a dossier of any kind invalid;
        incomplete is reported before expired.

        Args:
            as_of: the day.
            damaged: of `damaged`.
        """
        outcomes = {one.outcome for one in (self.assessments.before, self.assessments.after) if one}
        if "failed" in outcomes or damaged:
            return "invalid"
        if self.kind == "unassessed":
            return "unassessed"
        if self.missing():
            return "invalid"
        if self.valid_until is not None and self.valid_until < as_of:
            return "expired"
        return "valid"

    def facts(self, as_of: date, damaged: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return what a policy may ask about the source, and what its documents are judged by."""
        status, listed = self.status(as_of, damaged), self.consents
        consents = {"file": listed.file, "sha256": listed.sha256, "day": as_of.isoformat()} if listed else None
        return {
            "source_id": self.source_id,
            "kind": self.kind,
            "agent": self.collector.agent,
            "basis": self.legal_basis,
            "status": status,
            "consents": consents,
            # A statement whose paper is gone, or of a dossier that does not hold, is none.
            "material": self.material.kind if self.material and status == "valid" else None,
            "licence": self.licence,
            "priority": self.priority,
            "data_class": self.data_class,
            "data_grade": self.data_grade,
        }


def load_dossier(text: str, where: str) -> Dossier:
    """Read a dossier; errors as in `load_settings`. YAML aliases and tags are refused."""
    return checked(Dossier, *located.read_yaml(text, where), where)


def dump_dossier(dossier: Dossier) -> str:
    """Return YAML that `load_dossier` reads back to an equal value; what is left at its default stays out."""
    data = dossier.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=100)


def _at(model: BaseModel, key: str) -> Any:
    value: Any = model
    for part in key.split("."):
        if value is None:
            return None
        value = value.get(part) if isinstance(value, dict) else getattr(value, part)
    return value
