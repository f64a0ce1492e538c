"""What people write into a workspace, found without trusting a listing: dossiers, overrides, suppression lists.

The listing of an object store may lag, and a suppression list that is found late has let its documents through. So
whatever writes such an object adds its name to a register: numbered objects register/<folder>/<number>, each holding
one name, which are read by counting up. Names are found there and by listing: a file that a person puts into a
folder counts as well, on a store other than a folder once the listing shows it.
"""

from collections.abc import Iterator
from typing import Final

from corpus_gov.store import Missing, Store

FOLDERS: Final = ("sources", "reviews", "suppression", "expectations", "requests")


def add(store: Store, name: str, data: bytes) -> None:
    """Write an object of FOLDERS, or replace it, so that everybody finds it from now on.

    Safe beside other writers. Where it raises, the object may be there or not, as with `Store.put`.

    Args:
        store: of the workspace.
        name: such as suppression/2026-11-22.txt.
        data: what it shall hold.
    """
    folder = name.partition("/")[0]
    if folder not in FOLDERS:
        raise ValueError(f"{name}: expected a name in one of {FOLDERS!r}")
    # The object comes first: a name in the register was written once, so nothing there means deleted.
    store.put(name, data)
    known = list(_registered(store, folder))
    while name not in known and not store.put_if_absent(_place(folder, len(known) + 1), name.encode()):
        # Another writer was faster: what it added may be our name.
        known = list(_registered(store, folder))


def objects(store: Store, folder: str, suffix: str) -> dict[str, bytes]:
    """Read every object of a folder whose name ends with `suffix`, ascending by name.

    Args:
        store: of the workspace.
        folder: one of FOLDERS.
        suffix: such as ".yaml".
    """
    found = {}
    for name in sorted({*_registered(store, folder), *store.list(f"{folder}/")}):
        if name.endswith(suffix):
            try:
                found[name] = store.read(name)
            except Missing:
                # Deleted since: the register keeps its name, and a listing may show it for a while.
                continue
    return found


def _registered(store: Store, folder: str) -> Iterator[str]:
    number = 1
    while True:
        try:
            yield store.read(_place(folder, number)).decode()
        except Missing:
            return
        number += 1


def _place(folder: str, number: int) -> str:
    return f"register/{folder}/{number:06d}"
