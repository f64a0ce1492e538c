"""Is everything fit for a run? Versions, disk, keys, locks, clock, permissions: what was found, and what to do.

Nothing is changed but one object, `lease/check-…`, that is written and removed again to see whether it can be.
"""

import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import platformdirs
from packaging.requirements import Requirement

from corpus_gov import lease, rotation
from corpus_gov.errors import CorpusGovError
from corpus_gov.keys import SIGNING
from corpus_gov.store import LocalStore

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

State = Literal["ok", "look", "wrong"]

FREE_LEAST: Final = 2_000_000_000
"""Bytes below which a disk is named: a shard, what is made of it, and a release are written beside what is there."""

CLOCK_S: Final = 5.0
"""Seconds by which the clock of a file system may differ; leases compare clocks and last two minutes."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: ok; look: a person should; wrong: a run fails or is not safe.
        found: what was seen.
        advice: what to do; empty where all is well.
    """

    name: str
    state: State
    found: str
    advice: str = ""

    def facts(self) -> dict[str, str]:
        """Return it as a JSON object."""
        return asdict(self)


def examine(workspace: "Workspace | None") -> list[Check]:
    """Look at everything; a look that fails is a finding, not an end."""
    checks = [*_versions(), _room("temporary files", Path(tempfile.gettempdir()))]
    if workspace is None:
        return checks
    for look in (_disk, _permissions, _writable, _clock, _keys, _lock, _interrupted, _models, _sources):
        try:
            checks += look(workspace)
        except CorpusGovError as error:
            checks.append(Check(look.__name__.strip("_"), "wrong", str(error), "see the message"))
    return checks


def _versions() -> Iterator[Check]:
    yield Check("python", "ok", sys.version.split()[0])
    wrong = []
    for line in requires("corpus-gov") or []:
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            wrong.append(f"{needed.name} is not installed")
            continue
        if not needed.specifier.contains(found, prereleases=True):
            wrong.append(f"{needed.name} {found}, expected {needed.specifier}")
    if wrong:
        yield Check("packages", "wrong", "; ".join(wrong), "install with the constraints file of the release")
    else:
        yield Check("packages", "ok", f"all as corpus-gov {version('corpus-gov')} asks")


def _room(name: str, folder: Path) -> Check:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:,.1f} GB free at {place}"
    if free < FREE_LEAST:
        return Check(name, "wrong", found, "free space: a run that fills the disk ends, and the next takes it up")
    return Check(name, "ok", found)


def _disk(workspace: "Workspace") -> Iterator[Check]:
    if workspace.root is not None:
        yield _room("disk of the workspace", workspace.root)
    yield _room("state of flows", platformdirs.user_state_path("corpus-gov"))


def _permissions(workspace: "Workspace") -> Iterator[Check]:
    if workspace.root is None:
        return
    mode = stat.S_IMODE(workspace.root.stat().st_mode)
    if mode & stat.S_IWOTH:
        yield Check("permissions", "wrong", f"mode {mode:04o}: everybody may write", "chmod o-w on the workspace")
    elif mode & stat.S_IROTH:
        yield Check("permissions", "look", f"mode {mode:04o}: everybody may read", "chmod 0700, if not public")
    else:
        yield Check("permissions", "ok", f"mode {mode:04o}")
    if workspace.root.stat().st_uid != os.geteuid():
        yield Check("owner", "look", "the workspace belongs to another user", "run as that user: files are made 0600")


def _writable(workspace: "Workspace") -> Iterator[Check]:
    store, name = workspace.store, f"lease/check-{secrets.token_hex(8)}"
    try:
        first, second = store.put_if_absent(name, b"1"), store.put_if_absent(name, b"2")
        whole = store.read(name) == b"1"
    finally:
        store.delete(name)
    if first and not second and whole:
        yield Check("store", "ok", f"{store.url} can be written, and a name is taken once")
    else:
        yield Check("store", "wrong", "a name was taken twice", "two runs would destroy each other: use another")


def _clock(workspace: "Workspace") -> Iterator[Check]:
    store = workspace.store
    if isinstance(store, LocalStore):
        with tempfile.NamedTemporaryFile(dir=store.root, prefix=".tmp-doctor-") as file:
            apart = os.fstat(file.fileno()).st_mtime - time.time()
        if abs(apart) > CLOCK_S:
            yield Check("clock", "wrong", f"the file system's differs by {apart:+.0f} s", "set both by NTP")
            return
    times = [datetime.fromisoformat(entry.time) for entry in workspace.ledger().entries()]
    ahead = max(times, default=datetime.now(UTC)) - datetime.now(UTC)
    if ahead > timedelta(seconds=CLOCK_S):
        found = f"the ledger's newest entry is {ahead.total_seconds():,.0f} s in the future"
        yield Check("clock", "wrong", found, "set the clock; entries say when things were done")
    else:
        yield Check("clock", "ok", datetime.now(UTC).isoformat(timespec="seconds"))


def _keys(workspace: "Workspace") -> Iterator[Check]:
    workspace.keys()
    where = str(workspace.keys_folder)
    if (workspace.keys_folder / rotation.NEXT).exists():
        yield Check("keys", "look", f"{rotation.NEXT} beside {SIGNING}", "the next run finishes that change of keys")
    ledger = workspace.ledger()
    rotation.refuse_replaced(workspace, ledger)
    if ledger.checkpoint() is not None:
        ledger.verify(None)
    yield Check("keys", "ok", f"{where}, mode and content are right")


def _lock(workspace: "Workspace") -> Iterator[Check]:
    turn = lease.holder(workspace.store)
    if turn is None:
        yield Check("lock", "ok", "nobody is writing")
    else:
        yield Check("lock", "look", f"held by {turn}", "a run, or a machine that died: free at that time")


def _interrupted(workspace: "Workspace") -> Iterator[Check]:
    ledger = workspace.ledger()
    known, claimed = set(workspace.releases()), {n.split("/")[1] for n in workspace.store.list("releases/")}
    if open_ones := sorted(claimed - known):
        yield Check("interrupted", "look", f"{', '.join(open_ones)} not committed", "the next run settles it")
    elif ledger.checkpoint() is None:
        yield Check("interrupted", "ok", "no run yet")
    else:
        yield Check("interrupted", "ok", f"{len(known)} releases, none half written")


def _models(workspace: "Workspace") -> Iterator[Check]:
    lost = [card for card, _ in workspace.context().models if not Path(card).is_file()]
    if lost:
        yield Check("models", "wrong", f"{', '.join(lost)} not there", "restore them, or edit corpus-gov.toml")
    else:
        yield Check("rules", "ok", f"{len(workspace.context().rule_packs())} packs are read, all rules compile")


def _sources(workspace: "Workspace") -> Iterator[Check]:
    if not workspace.dossiers:
        yield Check("sources", "look", "no dossier", "corpus-gov source new")
    elif damaged := workspace.damaged_papers():
        found = f"papers of {', '.join(sorted(damaged))} changed or gone"
        yield Check("sources", "wrong", found, "corpus-gov source check")
    else:
        yield Check("sources", "ok", f"{len(workspace.dossiers)} dossiers, papers as filed")
