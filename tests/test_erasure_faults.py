"""Every write of asking and of fulfilling fails, before and after it took effect; doing it again finishes.

Whatever happens the ledger holds, a request is whole or absent, and nothing is called suppressed that is not listed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from erasure_corpus import TODAY, ask, copied, prepared
from faulty_store import FaultyStore, T

from corpus_gov import erasing, fulfilment, requests, workspace
from corpus_gov.engine import Engine
from corpus_gov.errors import StoreError
from corpus_gov.requests import ERASURE_ASKED, ERASURE_FULFILLED, ERASURE_REFUSED, Request
from corpus_gov.workspace import Workspace

ADDRESS = "https://mill.example/goats"
LEASE = ("lease", "lease")
ENTRY = ("ledger/entries", "ledger/tree", "ledger/checkpoint")

ASKING = (*LEASE, "requests", "register/requests", *ENTRY, "requests", "lease")
FULFILLING = (*LEASE, "suppression", "register/suppression", "requests", *ENTRY, "lease")
ERASING = (*LEASE, "requests", *ENTRY, "lease")
REFUSING = (*LEASE, "requests", *ENTRY, "lease")
"""Every write of each act, by its folder."""


@dataclass
class NamedStore(FaultyStore):
    """Lists the folders that are written to."""

    folders: list[str] = field(default_factory=list)

    def _write(self, name: str, write: Callable[[], T]) -> T:
        parts = name.split("/")
        self.folders.append("/".join(parts[: 1 if parts[0] in {"lease", "requests", "suppression"} else 2]))
        return super()._write(name, write)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with Engine(workers=1) as engine:
        return prepared(tmp_path_factory.mktemp("faults"), engine)


@pytest.fixture
def sound(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    return copied(folder, tmp_path, monkeypatch)


@contextmanager
def on(store: FaultyStore) -> Iterator[Workspace]:
    """Open the workspace of a store so that everybody gets that very store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workspace, "open_store", lambda _: store)
        yield workspace.open_workspace(store.url)


def asked(of: Workspace) -> Request:
    return ask(of, "url", ADDRESS)


def fulfilled(of: Workspace) -> Request:
    return fulfilment.fulfil(of, requests.listed(of)[0].request, today=TODAY)


def erased(of: Workspace) -> Request:
    """Fulfil with bytes; what takes them away has a table of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing, "erase", lambda *_, **__: None)
        return fulfilment.fulfil(of, requests.listed(of)[0].request, today=TODAY, physical=True)


def refused(of: Workspace) -> Request:
    return fulfilment.refuse(of, requests.listed(of)[0].request, why="not theirs", today=TODAY)


ACTS = {
    "ask": ((), asked, ASKING, {ERASURE_ASKED: 1}),
    "fulfil": ((asked,), fulfilled, FULFILLING, {ERASURE_ASKED: 1, ERASURE_FULFILLED: 1}),
    "erase": ((asked, fulfilled), erased, ERASING, {ERASURE_ASKED: 1, ERASURE_FULFILLED: 2}),
    "refuse": ((asked,), refused, REFUSING, {ERASURE_ASKED: 1, ERASURE_REFUSED: 1}),
}
"""What comes before, the act itself, its writes, and the entries that there are afterwards."""


def entries(of: Workspace) -> dict[str, int]:
    found: dict[str, int] = {}
    for entry in of.ledger().entries():
        if entry.type.startswith("erasure"):
            found[entry.type] = found.get(entry.type, 0) + 1
    return found


def check(of: Workspace) -> None:
    """Nothing is half: the ledger holds, requests can be read, what is called suppressed stands on a list."""
    of.ledger().verify(of.signer().vkey, ())
    for request in requests.listed(of):
        listed = of.suppressed(TODAY)
        assert request.state in {"asked", "found", "refused"} or set(request.chosen) <= listed


@pytest.mark.parametrize("act", ACTS)
def test_the_table_has_every_write(sound: Workspace, act: str) -> None:
    """An act makes the writes of the table, so that none is left untested."""
    before, do, writes, _ = ACTS[act]
    for one in before:
        one(sound)
    store = NamedStore(sound.store)

    with on(store) as faulty:
        do(faulty)

    assert tuple(store.folders) == writes


@pytest.mark.parametrize("persisted", [False, True], ids=["lost", "persisted"])
@pytest.mark.parametrize(
    ("act", "fail_at"), [(act, at) for act, (_, _, writes, _) in ACTS.items() for at in range(1, len(writes) + 1)]
)
def test_an_act_that_was_cut_off_is_finished_by_the_next(
    sound: Workspace, act: str, fail_at: int, *, persisted: bool
) -> None:
    """After a failure at any write nothing is half; doing it again comes to the same as doing it once."""
    before, do, _, expected = ACTS[act]
    for one in before:
        one(sound)

    with on(FaultyStore(sound.store, fail_at, persisted)) as faulty, pytest.raises(StoreError, match="on purpose"):
        do(faulty)
    check(sound)
    done = do(sound)

    check(sound)
    assert entries(sound) == expected
    assert done.state == {"ask": "found", "fulfil": "suppressed", "erase": "fulfilled", "refuse": "refused"}[act]
    if act in {"fulfil", "erase"}:
        assert set(done.chosen) == sound.suppressed(TODAY)
