import os
import pickle
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import pytest
import s3_server
from small_release import new_store

from corpus_gov import folders
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.store import TEMPORARY, LocalStore, MemoryStore, Missing, Store, _staged, open_store, sweep

KINDS = ("local", "memory", "s3")
BAD_NAMES = ("", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\0b", "a\nb", f"a/{TEMPORARY}b")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3_server.serving() as address:
        yield address


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return open_store(f"{request.getfixturevalue('bucket')}-{secrets.token_hex(4)}")
    return new_store(request.param, tmp_path)


def listed(store: Store, prefix: str) -> list[str]:
    """List until a delayed listing has caught up."""
    return [store.list(prefix) for _ in range(8)][-1]


def test_read_gives_what_put_wrote(store: Store) -> None:
    """What was put is read back, and a second put replaces it."""
    store.put("a/b.parquet", b"one")
    store.put("a/b.parquet", b"")

    assert store.read("a/b.parquet") == b""


@pytest.mark.parametrize(("span", "expected"), [((0, 3), b"abc"), ((2, 4), b"cd"), ((3, 99), b"d"), ((7, 9), b"")])
def test_read_gives_a_span(store: Store, span: tuple[int, int], expected: bytes) -> None:
    """A span is read without the rest; what lies behind the end is left out."""
    store.put("a", b"abcd")

    assert store.read("a", span) == expected


def test_read_of_an_absent_name_is_missing(store: Store) -> None:
    """A name without an object is Missing, which is a StoreError."""
    store.put("a/b", b"")

    for name in ("c", "a", "a/b/c"):
        with pytest.raises(Missing, match=name):
            store.read(name)


def test_put_if_absent_writes_once(store: Store) -> None:
    """The second put_if_absent says no and changes nothing."""
    assert store.put_if_absent("claim", b"mine")
    assert not store.put_if_absent("claim", b"theirs")
    assert store.read("claim") == b"mine"


def test_put_if_absent_has_one_winner(store: Store) -> None:
    """Of eight writers at once exactly one gets True, and its bytes are there."""
    start = threading.Barrier(8)
    won = []

    def write(number: int) -> None:
        start.wait()
        if store.put_if_absent("x/claim", b"%d" % number):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [b"%d" % number for number in won] == [store.read("x/claim")]


def test_delete_tolerates_absence(store: Store) -> None:
    """A deleted object is gone, may be deleted again, and its name is free again."""
    store.put("a/b", b"x")

    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/there")

    with pytest.raises(Missing):
        store.read("a/b")
    assert store.put_if_absent("a/b", b"y")


def test_list_selects_by_prefix(store: Store) -> None:
    """Listing gives full names in ascending order; a prefix may end inside a name."""
    for name in ("r/r0001/b", "r/r0001/a", "r/r0010/c", "s"):
        store.put(name, b"")

    assert listed(store, "") == ["r/r0001/a", "r/r0001/b", "r/r0010/c", "s"]
    assert listed(store, "r/r0001/") == ["r/r0001/a", "r/r0001/b"]
    assert listed(store, "r/r00") == ["r/r0001/a", "r/r0001/b", "r/r0010/c"]
    assert listed(store, "t") == []


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_outside_the_store_are_refused(store: Store, name: str) -> None:
    """Every operation refuses a name that is no plain relative path."""
    for operation in (store.read, store.delete, lambda n: store.put(n, b""), lambda n: store.put_if_absent(n, b"")):
        with pytest.raises(StoreError, match="expected a relative path"):
            operation(name)


def test_list_refuses_to_climb(store: Store) -> None:
    """A prefix is checked like a name."""
    with pytest.raises(StoreError, match="expected a relative path"):
        store.list("../")


def test_a_pickled_store_is_the_same_store(store: Store) -> None:
    """A store that travelled to a task finds what was put before."""
    store.put("a", b"x")

    assert pickle.loads(pickle.dumps(store)).read("a") == b"x"  # noqa: S301 - our own bytes


def test_open_store_reopens_by_url(store: Store) -> None:
    """The url of a store opens it again."""
    store.put("a", b"x")

    assert open_store(store.url).read("a") == b"x"


def test_open_store_refuses_other_schemes() -> None:
    """An address of a kind that is not there is an error of configuration, not a folder of that name."""
    with pytest.raises(ConfigError, match="ftp"):
        open_store("ftp://host/corpus")
    with pytest.raises(ConfigError, match="memory"):
        open_store("memory://")


def test_memory_listing_lags_by_operations() -> None:
    """A listing learns of a write and of a delete only after list_delay further operations; read at once."""
    store = MemoryStore("lagging", list_delay=2)
    store.put("a", b"x")

    assert store.read("a") == b"x"
    assert [store.list(), store.list()] == [[], ["a"]]
    store.delete("a")
    assert [store.list(), store.list(), store.list()] == [["a"], ["a"], []]


def test_memory_stores_of_two_names_share_nothing() -> None:
    """Objects belong to the name of the store."""
    MemoryStore("one").put("a", b"x")

    with pytest.raises(Missing):
        MemoryStore("two").read("a")


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "workspace")


def test_files_are_for_their_owner_only(local: LocalStore) -> None:
    """Folders are made 0700 and files 0600, the root included."""
    local.put("a/b/c", b"x")
    local.put_if_absent("a/b/d", b"x")

    folders = (local.root, local.root / "a", local.root / "a/b")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert {stat.S_IMODE((local.root / name).stat().st_mode) for name in ("a/b/c", "a/b/d")} == {0o600}


@pytest.mark.parametrize("name", ["out/file", "link"])
def test_links_out_of_the_root_are_refused(local: LocalStore, tmp_path: Path, name: str) -> None:
    """A symbolic link to a place outside is followed by no operation."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_bytes(b"secret")
    local.put("a", b"")
    (local.root / "out").symlink_to(tmp_path / "elsewhere")
    (local.root / "link").symlink_to(tmp_path / "elsewhere/file")

    for operation in (local.read, local.delete, lambda n: local.put(n, b""), lambda n: local.put_if_absent(n, b"")):
        with pytest.raises(StoreError, match="symbolic link"):
            operation(name)
    with pytest.raises(StoreError, match="symbolic link"):
        local.list()
    assert (tmp_path / "elsewhere/file").read_bytes() == b"secret"


def test_links_inside_the_root_are_read(local: LocalStore) -> None:
    """A link to a place inside is followed, and its files are listed under their own names."""
    local.put("a/b", b"x")
    (local.root / "c").symlink_to(local.root / "a")

    assert local.read("c/b") == b"x"
    assert local.list() == ["a/b"]


def test_names_without_links_are_not_resolved(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run reads thousands of objects: a path is resolved step by step only where one of its parts is a link."""

    def refuse(path: object, *, strict: bool = False) -> str:
        raise AssertionError(f"resolved {path!r}")

    monkeypatch.setattr(os.path, "realpath", refuse)
    local.put("a/b", b"x")
    local.put("a/b", b"y")

    assert local.read("a/b") == b"y"
    assert not local.put_if_absent("a/b", b"z")
    local.delete("a/b")
    with pytest.raises(Missing):
        local.read("a/b")


def test_a_linked_root_is_fine(tmp_path: Path) -> None:
    """The workspace itself may be reached over a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    LocalStore(tmp_path / "link").put("a", b"x")

    assert (tmp_path / "real/a").read_bytes() == b"x"


@pytest.mark.parametrize("planted", ["a", "a/b"])
def test_a_link_planted_after_the_check_is_not_followed(
    local: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    """A folder or file that turns into a link between the check of a name and its use leads nowhere."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b").write_bytes(b"secret")
    target = tmp_path / "elsewhere" if planted == "a" else tmp_path / "elsewhere/b"
    checked = LocalStore._opened

    def plant(self: LocalStore, folder: Path, *, make: bool = False) -> AbstractContextManager[int]:
        path = self.root / planted
        if not path.is_symlink():
            path.rename(self.root / f"was-{len(list(self.root.iterdir()))}")
            path.symlink_to(target)
        return checked(self, folder, make=make)

    for operation in (local.read, lambda n: local.put(n, b"x"), lambda n: local.put_if_absent(n, b"x"), local.delete):
        local.put("a/b", b"mine")
        with monkeypatch.context() as patch, suppress(StoreError):
            patch.setattr(LocalStore, "_opened", plant)
            assert operation("a/b") != b"secret"
        assert (tmp_path / "elsewhere/b").read_bytes() == b"secret"
        assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["b"]
        (local.root / planted).unlink(missing_ok=True)


def test_writes_are_synced_before_they_show(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """File, name, folder: each is on disk before the next step, also for a folder that is new."""
    steps = []
    for call in ("fsync", "replace", "rename", "link"):
        original = getattr(os, call)

        def traced(*args, _call=call, _original=original, **options) -> None:
            steps.append(_call)
            return _original(*args, **options)

        monkeypatch.setattr(os, call, traced)
    local.put("a", b"x")
    steps.clear()

    local.put("a", b"y")
    local.put_if_absent("b", b"y")
    local.put("new/c", b"y")

    assert steps == [
        *("fsync", "replace", "fsync"),
        *("fsync", "link", "fsync"),
        *("fsync", "fsync", "replace", "fsync"),
    ]


def test_a_failed_write_leaves_the_old_object(local: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the old bytes stay, nothing is left over, and the error says so."""
    local.put("a", b"old")

    def full(_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="a: cannot write: No space left"):
        local.put("a", b"new")

    assert local.read("a") == b"old"
    assert [path.name for path in local.root.iterdir()] == ["a"]


def test_sweep_removes_what_dead_writers_left(local: LocalStore) -> None:
    """Temporary files of dead processes go, those of living ones stay, and none is ever listed."""
    local.put("a/b", b"x")
    local.put("a/c", b"x")
    host = next(iter(_temporary_prefix(local)))
    dead, alive = local.root / "a" / f"{host}-4194304999-00", local.root / "a" / f"{host}-{os.getpid()}-00"
    foreign, old = local.root / "a" / f"{TEMPORARY}other-1-00", local.root / "a" / f"{TEMPORARY}other-2-00"
    for path in (dead, alive, foreign, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    assert local.list() == ["a/b", "a/c"]
    assert sweep(local) == 2
    assert [path.exists() for path in (dead, alive, foreign, old)] == [False, True, True, False]
    assert sweep(MemoryStore("no files")) == 0


def _temporary_prefix(local: LocalStore) -> Iterator[str]:
    """Yield the start of the names of this process's temporary files."""
    with folders.opened(local.root, ()) as folder, _staged(folder, b"") as name:
        yield name.rsplit("-", 2)[0]
