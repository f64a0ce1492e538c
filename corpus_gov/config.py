"""What people write about a workspace: corpus-gov.toml, and one dossier for each source.

A dossier answers where data came from and on what basis it is held (GB/T 45654-2025 5.1, GB/T 45652-2025 6.1,
both in draft numbering). It states; it proves nothing by itself, so it names the papers and their digests.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, ValidationError, model_validator

from corpus_gov import located
from corpus_gov.errors import ConfigError
from corpus_gov.verdicts import REJECT, verdict

Kind = Literal["self_collected", "open_licence", "commercial", "user_input", "synthetic", "own", "unassessed"]
LegalBasis = Literal["licence", "contract", "consent", "public_official", "statutory_exception", "own_content"]
Status = Literal["valid", "expired", "invalid", "unassessed"]
NearPreset = Literal["default", "fineweb", "olmo3", "data_juicer", "curator", "none"]
Target = Literal["text", "uri", "title", "author", "published_at", "fetched_at", "consent_ref", "delivery_ref", "parts"]

REQUIRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "self_collected": ("collector.agent", "collector.period", "collector.robots_policy"),
    "open_licence": ("licence", "licence_file"),
    "commercial": ("contract", "valid_until"),
    "user_input": ("consent", "fields.consent_ref"),
    "synthetic": ("generator.name", "generator.version", "generator.acquired"),
    "own": ("responsible",),
    "unassessed": (),
}
"""What a dossier of each kind must say before it counts as valid (GB/T 45654-2025 5.1 c; 45652 6.1 a, 7.1 b)."""

PACKS: Final = (
    "common.pii", "cn.pii", "world.pii", "common.licence", "cn.licence", "common.optout", "common.encoding",
    "common.lines", "common.reference", "cn.harm", "world.harm", "common.poisoning", "common.topic", "common.blocklist",
)  # fmt: skip
"""Rule packs in force where corpus-gov.toml names none."""

Model = TypeVar("Model", bound="Written")


def _calendar_date(value: Any) -> Any:
    # pydantic reads numbers as Unix times and cuts a time of day off; neither is what an author meant.
    if isinstance(value, datetime) or not isinstance(value, date | str):
        raise ValueError("Input should be a date such as 2027-06-30")  # noqa: TRY004 - pydantic collects ValueError
    return value


Day = Annotated[date, BeforeValidator(_calendar_date)]
Line = Annotated[str, Field(min_length=1, max_length=500)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
SourceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
PackName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")]


class Written(BaseModel):
    """What people write. Frozen; a key that nobody reads is an error, because it is most often a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EngineSettings(Written):
    """Defaults of --workers and --memory."""

    workers: Annotated[StrictInt, Field(ge=1, le=4096)] | None = None
    """Processes; None is one a core."""
    memory: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?[kMGT]i?B$")] | None = None
    """Limit of each worker, such as "4 GiB"."""


class IngestSettings(Written):
    """Where a shard ends: at whichever comes first."""

    shard_bytes: Annotated[StrictInt, Field(ge=1)] = 32 * 1024 * 1024
    """Bytes of text."""
    shard_rows: Annotated[StrictInt, Field(ge=1)] = 50_000


class NearSettings(Written):
    """How documents are compared for near duplicates, containment and spun copies."""

    preset: NearPreset = "default"
    """One of relate/presets.py; "none" looks for exact duplicates alone."""


class Reference(Written):
    """A set of texts that documents are compared with: [[references]]."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
    """Of the set, in notes of findings."""
    kind: Literal["evaluation", "known_bad"]
    """What its items are: questions of a test, or texts that are known to be false or harmful."""
    files: Annotated[tuple[Line, ...], Field(min_length=1)]
    """Globs, relative to the workspace folder or absolute; every format of a source, by name or first bytes."""
    n: Annotated[StrictInt, Field(ge=3, le=64)] = 13
    """Tokens of an n-gram; 8 for items that are shorter than 13. An item of fewer is found only as a whole document."""
    fields: dict[Target, Line] = {}
    """As for a source: `text = "question"` reads the items from that key or column."""


class ModelCard(Written):
    """A classifier that documents are measured by: [[models]]. Without any, nothing reads as measured by one."""

    card: Line
    """Path of its card, absolute or relative to the workspace folder; the model lies beside it."""
    sha256: Sha256
    """Of the card, which names the model by its own."""


class Settings(Written):
    """corpus-gov.toml."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{7,63}$")]
    """Of the workspace; names its folder of keys, so it never changes."""
    name: Line
    owner: Line
    """Who answers for the corpus: an organisation or a role rather than a person."""
    policy: Line = "default"
    """Name of a shipped policy, or path of a YAML file."""
    packs: Annotated[tuple[PackName, ...], Field(min_length=1)] = PACKS
    engine: EngineSettings = EngineSettings()
    ingest: IngestSettings = IngestSettings()
    near: NearSettings = NearSettings()
    references: tuple[Reference, ...] = ()
    """Evaluation sets and known-bad texts; names are unique."""
    models: tuple[ModelCard, ...] = ()
    """Classifiers; no label is given by two of them."""

    @model_validator(mode="after")
    def _unique(self) -> "Settings":
        if len({one.name for one in self.references}) < len(self.references):
            raise ValueError("Input should be references with a name each of its own")
        return self


class Paper(Written):
    """A document that exists outside the workspace: contract, licence text, authorisation."""

    title: Line
    reference: Line
    """Its number, or where it is filed."""
    party: Line | None = None
    """Who gave it."""
    sha256: Sha256 | None = None
    """Of the file; None where only paper exists."""


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


class Generator(Written):
    """The model or service that made synthetic text."""

    name: Line | None = None
    version: Line | None = None
    acquired: Day | None = None


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
    fields: dict[Target, Line] = {}
    """Our name → the delivery's name, for JSON and Parquet; a name that is absent here maps to itself. Without any
    the usual shapes of other pipelines are recognised (docs/inputs.md)."""
    base_uri: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$", max_length=2_000)] | None = None
    """Where files of one record each were served: the URI of a page is that and its logical name."""
    complete: Complete | None = None
    """When a file is taken; without it, as soon as it is there. Names such as x.part and dot files never are."""
    collector: Collector = Collector()
    generator: Generator = Generator()
    contract: Paper | None = None
    licence_file: Paper | None = None
    consent: Paper | None = None
    responsible: Line | None = None
    priority: StrictInt = 0
    """Of two equal copies, the one from the source with the higher number stands for both."""
    valid_until: Day | None = None
    """Last day on which the basis holds."""
    data_class: Line | None = None
    data_grade: Line | None = None
    assessments: Assessments = Assessments()
    notes: Annotated[str, Field(max_length=10_000)] | None = None

    def missing(self) -> tuple[str, ...]:
        """Return the keys that a dossier of this kind needs and this one leaves out."""
        return tuple(key for key in REQUIRED[self.kind] if _at(self, key) is None)

    def status(self, as_of: date) -> Status:
        """Say whether the dossier can carry a decision on that day.

        A failed assessment makes a dossier of any kind invalid; incomplete is reported before expired.
        """
        outcomes = {one.outcome for one in (self.assessments.before, self.assessments.after) if one}
        if "failed" in outcomes:
            return "invalid"
        if self.kind == "unassessed":
            return "unassessed"
        if self.missing():
            return "invalid"
        if self.valid_until is not None and self.valid_until < as_of:
            return "expired"
        return "valid"

    def facts(self, as_of: date) -> dict[str, str | int | None]:
        """Return what a policy may ask about the source."""
        return {
            "source_id": self.source_id,
            "kind": self.kind,
            "basis": self.legal_basis,
            "status": self.status(as_of),
            "licence": self.licence,
            "priority": self.priority,
            "data_class": self.data_class,
            "data_grade": self.data_grade,
        }


def load_settings(text: str, where: str) -> Settings:
    """Read corpus-gov.toml.

    Args:
        text: its content.
        where: its name in messages.

    Raises:
        ConfigError: file, line, key, what was found and what was expected.
    """
    return checked(Settings, *located.read_toml(text, where), where)


def load_dossier(text: str, where: str) -> Dossier:
    """Read a dossier; errors as in `load_settings`. YAML aliases and tags are refused."""
    return checked(Dossier, *located.read_yaml(text, where), where)


def dump_settings(settings: Settings) -> str:
    """Return TOML that `load_settings` reads back to an equal value."""
    data = settings.model_dump(mode="json", exclude_none=True)
    sections = {key: value for key, value in data.items() if isinstance(value, dict) and value}
    references, models = data.pop("references"), data.pop("models")
    lines = [f"{key} = {_toml_value(value)}" for key, value in data.items() if not isinstance(value, dict)]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml_value(value)}" for key, value in values.items())]
    for one in references:
        fields = {f"fields.{key}": value for key, value in one.pop("fields").items()}
        written = (one | fields).items()
        lines += ["", "[[references]]", *(f"{key} = {_toml_value(value)}" for key, value in written)]
    for model in models:
        lines += ["", "[[models]]", *(f"{key} = {_toml_value(value)}" for key, value in model.items())]
    return "\n".join(lines) + "\n"


def dump_dossier(dossier: Dossier) -> str:
    """Return YAML that `load_dossier` reads back to an equal value; what is left at its default stays out."""
    data = dossier.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False, width=100)


def _toml_value(value: Any) -> str:
    # JSON's strings, numbers and lists are TOML's, but for one control character that JSON leaves bare.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _at(model: BaseModel, key: str) -> Any:
    value: Any = model
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part)
    return value


def checked(model: type[Model], data: Any, lines: located.Lines, where: str) -> Model:
    """Turn what was read into a model.

    Args:
        model: of what the file should hold.
        data: the file's content.
        lines: of each key.
        where: name of the file in messages.

    Raises:
        ConfigError: names line, key, what was found and what was expected.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"{where}:1: found {_shown(data)}, expected a mapping of keys; write `key: value` lines")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = sorted(_problem(model, dict(detail), lines) for detail in error.errors(include_url=False))
        line, message = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}:{line}: {message}{more}") from None


def _problem(model: type[BaseModel], detail: dict[str, Any], lines: located.Lines) -> tuple[int, str]:
    """Turn one of pydantic's errors into (line, "key: found …, expected …; do …")."""
    path = tuple(part for part in detail["loc"] if part != "[key]")
    line = next((lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in lines), 1)
    key = ".".join(map(str, path)) or "file"
    if detail["type"] == "extra_forbidden":
        known = ", ".join(_keys(model, path[:-1]))
        return line, f"{key}: found an unknown key, expected one of {known}; correct its spelling or remove it"
    if detail["type"] == "missing":
        return line, f"{key}: found nothing, expected a value; add the key"
    expected = re.sub(r"^(Value error, )?((Input|String|Tuple|Keys) should (be|have) )?", "", detail["msg"])
    return line, f"{key}: found {_shown(detail['input'])}, expected {expected}; correct the value"


def _keys(model: type[BaseModel], path: located.Key) -> list[str]:
    for part in path:
        kind = model.model_fields[str(part)].annotation
        kinds = [one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel)]
        if not kinds:
            return []
        model = kinds[0]
    return list(model.model_fields)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
