"""Everything that the report of a release says, read once for all languages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final

from corpus_gov import lint, published
from corpus_gov.reporting.counted import Counted, counted
from corpus_gov.workspace import Release

TREND_MOST: Final = 12
"""Releases that the trend shows: the newest up to this one."""

RELEASED: Final = ("keep", "redact")


@dataclass(frozen=True)
class Gathered:
    """What a report is made of.

    Attributes:
        name: of the release.
        corpus: what people call the corpus.
        run: run.json.
        counted: of the release's tables.
        titles: what dossiers that are there now call their source.
        bases: legal basis of those.
        coverage: of the rule packs by `lint`; None where they have changed since.
        trend: name, time and decisions of releases up to this one.
        seal: what verifying must come to.
    """

    name: str
    corpus: str
    run: Mapping[str, Any]
    counted: Counted
    titles: Mapping[str, str]
    coverage: Mapping[str, Any] | None
    updated: Mapping[str, str]
    trend: list[tuple[str, str, Mapping[str, int]]]
    seal: Mapping[str, Any]

    @property
    def counts(self) -> Mapping[str, Any]:
        """The counts of run.json."""
        counts: Mapping[str, Any] = self.run["counts"]
        return counts

    @property
    def released(self) -> int:
        """Documents in the clean corpus."""
        return sum(self.counts["dispositions"].get(name, 0) for name in RELEASED)


def read(release: Release) -> Gathered:
    """Read what the report says.

    Raises:
        IntegrityError: a file of the workspace is not what was written.
        RuleError: a rule pack in force is wrong.
    """
    workspace, run = release.workspace, release.run
    packs = workspace.context().rule_packs()
    same = sorted(pack.ref for pack in packs) == sorted(run["packs"])
    names = workspace.releases()
    earlier = names[: names.index(release.name) + 1][-TREND_MOST:]
    runs = [(name, workspace.release(name).run) for name in earlier]
    return Gathered(
        name=release.name,
        corpus=workspace.settings.name,
        run=run,
        counted=counted(release),
        titles={source: one.title for source, one in workspace.dossiers.items()},
        coverage=lint.lint(packs, date.fromisoformat(run["as_of"])) if same else None,
        updated={pack.name: pack.updated for pack in packs if pack.updated} if same else {},
        trend=[(name, one["when"], one["counts"]["dispositions"]) for name, one in runs],
        seal=_seal(release),
    )


def _seal(release: Release) -> dict[str, Any]:
    store, name = release.workspace.store, release.name
    entry = published.committed(release.workspace.ledger())[name]

    def text(file: str) -> str:
        return (published.optional(store, published.place(name, file)) or b"").decode(errors="replace").strip()

    return {
        "root": entry.data["root"],
        "size": entry.data["size"],
        "entry": entry.index,
        "statement": entry.subject[published.place(name, published.STATEMENT)],
        "run_json": sha256(store.read(published.place(name, published.RUN))).hexdigest(),
        "vkey": text(published.VKEY),
        "checkpoint": text(published.COPY),
    }
