import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_store import FaultyStore
from small_release import new_store

from corpus_gov import lease as leases
from corpus_gov.errors import StoreError
from corpus_gov.lease import KEPT, Lease, holder
from corpus_gov.store import TEMPORARY, LocalStore, Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return new_store(request.param, tmp_path)


def leave(store: Store, **changes) -> int:
    """Put a turn into the store as another process would have left it; returns its number."""
    with Lease.take(store, "left behind") as lease:
        turn = replace(lease._turn, **changes)
    store.put(leases._name(turn.fencing), leases._encode(turn))
    return turn.fencing


def test_one_holder_at_a_time(store: Store) -> None:
    """While somebody holds the lease, another one is told who and until when."""
    with Lease.take(store, "alice"), pytest.raises(StoreError, match=f"held by 'alice' .process {os.getpid()}"):
        Lease.take(store, "bob")

    with Lease.take(store, "bob") as lease:
        lease.check()


def test_fencing_numbers_only_grow(store: Store) -> None:
    """Every turn has the next number, across releases."""
    numbers = []
    for _ in range(3):
        with Lease.take(store, "alice") as lease:
            numbers.append(lease.fencing)

    assert numbers == [1, 2, 3]


def test_old_turns_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects of turns long past are removed."""
    monkeypatch.setattr(leases, "KEPT", 2)
    for _ in range(5):
        Lease.take(store, "alice").release()

    left = [store.list("lease/") for _ in range(8)][-1]
    assert KEPT == 100
    assert left == ["lease/00000000000000000004", "lease/00000000000000000005", "lease/latest"]


def test_of_many_takers_one_wins(store: Store) -> None:
    """Threads that take at the same moment get one lease between them."""
    start = threading.Barrier(6)
    won, lost = [], []

    def take() -> None:
        start.wait()
        try:
            won.append(Lease.take(store, "thread"))
        except StoreError:
            lost.append(1)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won[0].check()
    won[0].release()

    assert (len(won), len(lost)) == (1, 5)


def test_a_dead_process_of_this_host_loses_its_turn_at_once(tmp_path: Path) -> None:
    """A killed writer blocks nobody, even when its parent has not reaped it."""
    program = (
        "import os, sys; from corpus_gov.lease import Lease; from corpus_gov.store import LocalStore\n"
        "Lease.take(LocalStore(sys.argv[1]), 'victim', 3600); print('taken', flush=True); sys.stdin.read()"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with victim:
        victim.stdout.readline()
        store = LocalStore(tmp_path)
        with pytest.raises(StoreError, match=f"'victim' .process {victim.pid}"):
            Lease.take(store, "heir")

        victim.kill()
        os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
        with Lease.take(store, "heir") as lease:
            fencing = lease.fencing

    assert fencing == 2


def test_a_reused_process_number_does_not_hold(store: Store) -> None:
    """A living process with the holder's number and another start time is not the holder."""
    number = leave(store, pid=os.getppid(), started="1")

    with Lease.take(store, "heir") as lease:
        assert lease.fencing == number + 1


@pytest.mark.parametrize("elsewhere", [{"host": "elsewhere"}, {"machine": "another boot or container"}])
def test_a_process_elsewhere_holds_until_expiry(store: Store, elsewhere: dict[str, str]) -> None:
    """Whether a process of another host, boot or container lives cannot be known, so its expiry decides."""
    leave(store, pid=1, started="1", expires=time.time() + 3600, **elsewhere)
    with pytest.raises(StoreError, match="left behind"):
        Lease.take(store, "heir")

    leave_expired = replace(holder(store), expires=time.time() - 1)
    store.put(leases._name(leave_expired.fencing), leases._encode(leave_expired))

    with Lease.take(store, "heir") as lease:
        assert lease.fencing == 2


def test_heartbeats_keep_a_short_lease(store: Store) -> None:
    """A lease outlives its time to live while its holder lives."""
    with Lease.take(store, "alice", ttl=0.4) as lease:
        time.sleep(0.8)
        lease.check()
        assert holder(store).owner == "alice"

    assert holder(store) is None


def test_a_lease_that_was_taken_over_fails_its_check(store: Store) -> None:
    """A writer that slept through its expiry is told, and its renewals do not disturb the next holder."""
    with Lease.take(store, "sleeper", ttl=3600) as sleeper:
        store.put(leases._name(sleeper.fencing), leases._encode(replace(sleeper._turn, expires=0.0)))
        with Lease.take(store, "heir") as heir:
            sleeper._put(replace(sleeper._turn, expires=time.time() + 3600))

            with pytest.raises(StoreError, match=r"turn 1 of 'sleeper' is over, now it is that of 'heir'"):
                sleeper.check()
            heir.check()


def test_an_expired_lease_fails_its_check(store: Store) -> None:
    """Without renewals the turn ends for its holder too."""
    with Lease.take(store, "alice") as lease:
        lease._turn = replace(lease._turn, expires=time.time() - 1)

        with pytest.raises(StoreError, match="is over"):
            lease.check()


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("fail_at", [1, 2, 3])
def test_a_crash_while_taking_or_releasing_blocks_nobody(store: Store, fail_at: int, *, persisted: bool) -> None:
    """Whichever write of a turn fails, the next one is taken at once and has a higher number."""
    with Lease.take(store, "first"):
        pass
    with pytest.raises(StoreError, match="on purpose"), Lease.take(FaultyStore(store, fail_at, persisted), "crashing"):
        pass

    with Lease.take(store, "heir") as lease:
        assert lease.fencing in (2, 3)
        lease.check()


def test_a_failed_release_does_not_hide_the_error_of_the_block(store: Store) -> None:
    """What went wrong inside the block is what its caller sees."""
    faulty = FaultyStore(store, fail_at=3)
    with pytest.raises(KeyError, match="cause"), Lease.take(faulty, "crashing"):
        raise KeyError("cause")

    with Lease.take(store, "heir"):
        pass


def test_taking_sweeps_temporary_files(tmp_path: Path) -> None:
    """What a killed writer left half written is gone once the next one starts."""
    store = LocalStore(tmp_path)
    half = tmp_path / f"{TEMPORARY}other-1-00"
    half.write_bytes(b"half")
    os.utime(half, (0, 0))

    Lease.take(store, "heir").release()

    assert not half.exists()


def test_a_damaged_turn_is_named(store: Store) -> None:
    """An unreadable turn stops everybody with its name: nobody can tell whether it is held."""
    number = leave(store)
    store.put(leases._name(number), b"{}")

    with pytest.raises(StoreError, match=leases._name(number)):
        Lease.take(store, "heir")
