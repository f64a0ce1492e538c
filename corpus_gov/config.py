"""What people write about a workspace: corpus-gov.toml. The other file of theirs is `corpus_gov.dossier`."""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StrictBool, StrictInt, model_validator

from corpus_gov import located
from corpus_gov.dossier import REQUIRED, Dossier, SourceId, Target, dump_dossier, load_dossier
from corpus_gov.written import Line, Sha256, Written, checked

__all__ = [
    "PACKS", "REQUIRED", "Dossier", "EngineSettings", "HookSettings", "IngestSettings", "Line", "LineageSettings",
    "ModelCard", "NearSettings", "Reference",
    "RescreenSettings", "ReviewSettings", "Settings", "SourceId", "Target", "Written", "checked",
    "dump_dossier", "dump_settings", "load_dossier", "load_settings",
]  # fmt: skip

NearPreset = Literal["default", "fineweb", "olmo3", "data_juicer", "curator", "none"]

PACKS: Final = (
    "common.pii", "cn.pii", "world.pii", "common.licence", "cn.licence", "common.optout", "common.encoding",
    "common.lines", "common.reference", "cn.harm", "world.harm", "common.poisoning", "common.topic", "common.blocklist",
    "common.aigc", "cn.aigc",
)  # fmt: skip
"""Rule packs in force where corpus-gov.toml names none."""

PackName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$")]


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
    landing: Line | None = None
    """Folder for copies of inputs in buckets while they are read, relative to the workspace folder or absolute; by
    default that for temporary files."""


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
    fields: dict[Target, Line] = Field(default_factory=dict)
    """As for a source: `text = "question"` reads the items from that key or column."""


class ModelCard(Written):
    """A classifier that documents are measured by: [[models]]. Without any, nothing reads as measured by one."""

    card: Line
    """Path of its card, absolute or relative to the workspace folder; the model lies beside it."""
    sha256: Sha256
    """Of the card, which names the model by its own."""


class ReviewSettings(Written):
    """What an override needs."""

    second_actor: StrictBool = False
    """Whether another actor must confirm it, both with keys of their own."""


class RescreenSettings(Written):
    """When what is there must be screened again: [rescreen]."""

    days: Annotated[StrictInt, Field(ge=1)] = 30
    """Age of the newest release from which screening again is overdue."""
    words_days: Annotated[StrictInt, Field(ge=1)] = 7
    """Age of a list of words from which somebody has to go through it (GB/T 45654-2025, B.1.1: weekly)."""


Address = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]


class HookSettings(Written):
    """Whom flows tell of failures and alarms, and what they run first: [hooks]. No shell reads the commands."""

    before: tuple[Line, ...] = ()
    """Program and arguments, run before inputs are read, in the workspace's folder: for example a fetch of opt-outs."""
    command: tuple[Line, ...] = ()
    """Program and arguments; it gets one JSON object on standard input."""
    url: Address | None = None
    """Gets the same object as a POST."""


class LineageSettings(Written):
    """Where OpenLineage events go: [lineage]. Nowhere by default."""

    url: Address | None = None
    """Of the receiver, without /api/v1/lineage."""
    file: Line | None = None
    """One event a line; relative to the workspace folder or absolute."""


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
    reviews: ReviewSettings = ReviewSettings()
    rescreen: RescreenSettings = RescreenSettings()
    hooks: HookSettings = HookSettings()
    lineage: LineageSettings = LineageSettings()
    references: tuple[Reference, ...] = ()
    """Evaluation sets and known-bad texts; names are unique."""
    models: tuple[ModelCard, ...] = ()
    """Classifiers; no label is given by two of them."""

    @model_validator(mode="after")
    def _unique(self) -> "Settings":
        if len({one.name for one in self.references}) < len(self.references):
            raise ValueError("Input should be references with a name each of its own")
        return self


def load_settings(text: str, where: str) -> Settings:
    """Read corpus-gov.toml.

    Args:
        text: its content.
        where: its name in messages.

    Raises:
        ConfigError: file, line, key, what was found and what was expected.
    """
    return checked(Settings, *located.read_toml(text, where), where)


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


def _toml_value(value: Any) -> str:
    # JSON's strings, numbers and lists are TOML's, but for one control character that JSON leaves bare.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
