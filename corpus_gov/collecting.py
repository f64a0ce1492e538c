"""Remove artefacts that nothing needs any more: `corpus-gov gc`.

Needed is what a release names in run.json, and what the next run would look for by today's rules and shards. What
stages hand to each other has no list of its own, so it is kept for some days: where it went too early, the next run
builds it again, and no result is lost by it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from corpus_gov import artefacts, usage
from corpus_gov.workspace import Workspace

DAYS: Final = 7
"""Age, by default, at which what no release needs is removed."""

_ROOT: Final = "artefacts/"


@dataclass(frozen=True)
class Collected:
    """What a collection found.

    Attributes:
        removed: objects that went, or would go.
        bytes: of them.
        families: bytes of them by family.
        needed: objects that stay because a release or the next run needs them.
        young: objects that stay because they are younger.
        days: the age asked for.
        last: how many releases keep what they name; None is all.
        done: whether they were removed.
    """

    removed: int
    bytes: int
    families: dict[str, int]
    needed: int
    young: int
    days: float
    last: int | None
    done: bool

    def facts(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def collect(workspace: Workspace, *, days: float = DAYS, last: int | None = None, remove: bool = False) -> Collected:
    """Find, and where asked remove, the artefacts that nothing needs.

    Args:
        workspace: an open workspace.
        days: younger ones stay.
        last: only the newest so many releases keep what they name; of older ones `verify` and `prove` still work, and
            `explain` builds nothing: it says what is gone.
        remove: otherwise nothing is changed.

    Raises:
        StoreError: somebody else is writing; nothing is removed beside a writer.
    """
    if not remove:
        return _collect(workspace, days, last, remove=False)
    with workspace.writing():
        return _collect(workspace, days, last, remove=True)


def _collect(workspace: Workspace, days: float, last: int | None, *, remove: bool) -> Collected:
    store, keep = workspace.store, needed(workspace, last)
    gone: dict[str, int] = {}
    counts = {"removed": 0, "needed": 0, "young": 0}
    # All names first: what is listed while it is removed may be left out.
    for one in sorted(usage.objects(store, _ROOT), key=lambda one: _order(one.name)):
        name = artefacts.unmarked(one.name)
        if name in keep:
            counts["needed"] += 1
        elif one.age < days * 86_400:
            counts["young"] += 1
        else:
            family = one.name.split("/")[1]
            gone[family] = gone.get(family, 0) + one.bytes
            counts["removed"] += 1
            if remove:
                store.delete(one.name)
    return Collected(
        counts["removed"], sum(gone.values()), dict(sorted(gone.items())), counts["needed"], counts["young"], days,
        last, remove,
    )  # fmt: skip


def needed(workspace: Workspace, last: int | None = None) -> frozenset[str]:
    """Name the artefacts that releases name, and those that a run by today's rules would look for."""
    from corpus_gov.stages.looking import artefact_names  # noqa: PLC0415 - imports kernels

    found: set[str] = set()
    releases = workspace.releases()
    for name in releases if last is None else releases[max(0, len(releases) - last) :]:
        found.update(_names(workspace.release(name).run))
    context = workspace.context()
    for shard in workspace.shards():
        found.update(artefact_names(context, shard).values())
    return frozenset(found)


def _names(value: Any) -> Iterator[str]:
    """Find every name of an artefact in a JSON value."""
    if isinstance(value, str):
        if value.startswith(_ROOT):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _names(one)
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)


def _order(name: str) -> tuple[bool, str]:
    # Marks go first: a collection that is cut off leaves nothing that looks whole.
    return (artefacts.unmarked(name) == name, name)


def lines(found: Collected) -> str:
    """Say it in words."""
    what = "Removed" if found.done else "Would remove"
    text = json.dumps(found.families, indent=1) if found.families else "nothing"
    return (
        f"{what} {found.removed:,} objects, {found.bytes / 1e6:,.1f} MB: {text}\n"
        f"{found.needed:,} are needed by a release or the next run, {found.young:,} younger than {found.days:g} days."
        + ("" if found.done else "\nNothing was changed; --remove does it.")
    )
