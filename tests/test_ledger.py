"""The ledger: appending, finishing, and every way in which it can be made to lie."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import checkpoints, ledger, merkle, signatures
from corpus_gov.errors import ConfigError, IntegrityError, SchemaError, StoreError
from corpus_gov.ledger import CHECKPOINT, TREE, Entry, Ledger, Signer, entry_name
from corpus_gov.store import Missing

ORIGIN = "corpus-gov/test"
WHEN = datetime(2026, 1, 31, 12, tzinfo=UTC)
PIPELINE = Signer("test", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
ALICE = Signer("reviewer.a", Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
MALLORY = Signer("test", Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34))))


class Dict:
    """The five operations over a dict; `fail_at` is the write that raises, before or after it is done."""

    url = "memory://test"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.writes, self.fail_at, self.persisted = 0, -1, False

    def read(self, name: str) -> bytes:
        """Return the bytes, or raise Missing."""
        if name not in self.objects:
            raise Missing(name)
        return self.objects[name]

    def put(self, name: str, data: bytes) -> None:
        """Write, and fail if it is this one's turn."""
        self.writes += 1
        if self.writes != self.fail_at or self.persisted:
            self.objects[name] = data
        if self.writes == self.fail_at:
            raise StoreError("the disk is full")

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write unless it is there."""
        if name in self.objects:
            return False
        self.put(name, data)
        return True

    def delete(self, name: str) -> None:
        """Remove."""
        self.objects.pop(name, None)

    def list(self, prefix: str = "") -> list[str]:
        """Fail: the ledger reads by index."""
        raise AssertionError(f"the ledger must not list {prefix!r}: a listing may lag")


def add(log: Ledger, number: int, **options: Any) -> Entry:
    options = {"actor": "pipeline", "signer": PIPELINE, "time": WHEN} | options
    return log.append("noted", {f"file{number}": "ab" * 32}, {"number": number}, **options)


def filled(n: int, *, salt: int = 0) -> tuple[Dict, Ledger]:
    store = Dict()
    log = Ledger(store, ORIGIN)
    log.append(
        ledger.KEY_ADDED, {}, {"vkey": PIPELINE.vkey, "salt": salt}, actor="pipeline", signer=PIPELINE, time=WHEN
    )
    for i in range(1, n):
        add(log, i)
    return store, log


def change(store: Dict, name: str, **values: Any) -> None:
    """Change fields of a stored entry, keeping its JSON canonical."""
    store.objects[name] = signatures.canonical(json.loads(store.objects[name]) | values)


def recommit(store: Dict, signer: Signer, n: int) -> None:
    """Write tree and checkpoint anew over whatever entries lie in the store, as a holder of the key could."""
    store.objects[TREE] = b"".join(merkle.leaf_hash(store.objects[entry_name(i)]) for i in range(n))
    store.objects[CHECKPOINT] = checkpoints.Checkpoint.sign(ORIGIN, store.objects[TREE], signer).note


def test_a_log_holds_what_was_appended() -> None:
    """Entries come back in order, and the report has size, root and what was not excluded."""
    store, log = filled(3)

    report = log.verify(PIPELINE.vkey)

    assert [entry.index for entry in log.entries()] == [0, 1, 2]
    assert [entry.data["number"] for entry in list(log.entries())[1:]] == [1, 2]
    assert (report.size, report.root, report.pending) == (3, merkle.root(store.objects[TREE]).hex(), 0)
    assert report.warnings == ("no known checkpoint was given: rollback and fork are not excluded",)


def test_an_empty_log_holds() -> None:
    """Before the first entry there is no checkpoint, no entry, nothing to finish and nothing wrong."""
    log = Ledger(Dict(), ORIGIN)

    assert (log.checkpoint(), list(log.entries()), log.finish(PIPELINE)) == (None, [], [])
    assert log.verify(PIPELINE.vkey).size == 0


def test_an_entry_is_canonical_json_with_utc_time() -> None:
    """An entry is stored with sorted keys, no spaces and its time in UTC; a time without zone is refused."""
    store, log = filled(1)

    entry = add(log, 1, time=datetime(2026, 1, 31, 20, tzinfo=timezone(timedelta(hours=8))), fencing=7)

    raw = store.objects[entry_name(1)]
    assert raw == json.dumps(json.loads(raw), sort_keys=True, separators=(",", ":")).encode()
    assert (entry.time, entry.fencing, next(e for e in log.entries() if e.index)) == (
        "2026-01-31T12:00:00.000000Z", 7, entry,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="zone"):
        add(log, 2, time=datetime(2026, 1, 31))  # noqa: DTZ001


def test_who_signed_decides_between_signed_and_claimed() -> None:
    """Another actor's entry is signed only with that actor's own registered key, and claimed without."""
    _, log = filled(1)
    log.append(ledger.KEY_ADDED, {}, {"vkey": ALICE.vkey}, actor="pipeline", signer=PIPELINE, time=WHEN)
    add(log, 2, actor=ALICE.name)
    add(log, 3, actor=ALICE.name, actor_signer=ALICE)

    assert [entry.state for entry in log.entries()] == ["signed", "signed", "claimed", "signed"]
    assert log.verify(PIPELINE.vkey).claimed == (2,)


def test_a_signature_of_an_unregistered_key_is_refused() -> None:
    """A person's signature counts only after an entry registered the key."""
    _, log = filled(1)
    add(log, 1, actor=ALICE.name, actor_signer=ALICE)

    with pytest.raises(IntegrityError, match=rf"{entry_name(1)}: signed by 'reviewer\.a\+.*no earlier entry"):
        log.verify(PIPELINE.vkey)


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_an_interrupted_append_is_finished(write: int, before: int, *, persisted: bool) -> None:
    """Whichever write fails, done or not, the log verifies as before, and finish leaves it whole or unchanged."""
    store, log = filled(before) if before else (Dict(), Ledger(Dict(), ORIGIN))
    log = Ledger(store, ORIGIN)
    store.fail_at, store.persisted = store.writes + write, persisted

    with pytest.raises(StoreError, match="full"):
        add(log, before)

    happened = (write, persisted) == (3, True)
    left = (write, persisted) != (1, False) and not happened
    report = log.verify(PIPELINE.vkey)
    assert (report.size, report.pending) == (before + happened, int(left))
    assert sum("interrupted" in warning for warning in report.warnings) == left
    assert [entry.index for entry in log.finish(PIPELINE)] == [before] * left
    assert log.finish(PIPELINE) == []
    add(log, before + 1)
    assert log.verify(PIPELINE.vkey).size == len(list(log.entries())) == before + 1 + (left or happened)


def test_a_taken_index_stops_the_writer() -> None:
    """An entry beyond the checkpoint, another writer's or an interrupted one's, is never written over."""
    store, log = filled(2)
    store.objects[entry_name(2)] = b"another writer's"

    with pytest.raises(StoreError, match=rf"{entry_name(2)}: already there"):
        add(log, 2)
    assert store.objects[entry_name(2)] == b"another writer's"


def test_finish_signs_nothing_that_it_cannot_check() -> None:
    """An entry beyond the checkpoint that another key signed is not signed over."""
    store, log = filled(2)
    other = Dict()
    other.objects = dict(store.objects)
    recommit(other, MALLORY, 2)
    forged = add(Ledger(other, ORIGIN), 2, signer=MALLORY)
    store.objects[entry_name(2)] = forged.encode()

    with pytest.raises(IntegrityError, match=rf"{entry_name(2)}: no signature of"):
        log.finish(PIPELINE)
    assert len(list(log.entries())) == 2


def cut_entry(store: Dict) -> None:
    store.delete(entry_name(4))


def cut_all(store: Dict) -> None:
    store.delete(entry_name(4))
    store.objects[TREE] = store.objects[TREE][:-32]


def cut_tree(store: Dict) -> None:
    store.objects[TREE] = store.objects[TREE][:-32]


def no_tree(store: Dict) -> None:
    store.delete(TREE)


def longer_tree(store: Dict) -> None:
    store.objects[TREE] += bytes(32)


def swapped(store: Dict) -> None:
    one, other = entry_name(1), entry_name(2)
    store.objects[one], store.objects[other] = store.objects[other], store.objects[one]


def other_data(store: Dict) -> None:
    change(store, entry_name(2), data={"number": 99})


def other_actor(store: Dict) -> None:
    change(store, entry_name(2), actor="somebody")


def other_signature(store: Dict) -> None:
    change(store, entry_name(2), signatures={PIPELINE.verifier.reference: base64.b64encode(bytes(64)).decode()})


def no_signature(store: Dict) -> None:
    change(store, entry_name(2), signatures={})


def more_fields(store: Dict) -> None:
    change(store, entry_name(2), note="x")


def other_type(store: Dict) -> None:
    change(store, entry_name(2), index="2")


def spaces(store: Dict) -> None:
    store.objects[entry_name(2)] += b" "


def garbage(store: Dict) -> None:
    store.objects[entry_name(2)] = b"[" * 100_000


def no_json(store: Dict) -> None:
    store.objects[entry_name(2)] = b"\xff"


def resigned(store: Dict) -> None:
    entry = Entry.parse(store.objects[entry_name(2)], ORIGIN, 2, "")
    later = Entry(**{**vars(entry), "time": "2027-01-01T00:00:00.000000Z"})
    store.objects[entry_name(2)] = later.signed(PIPELINE).encode()


def resigned_with_tree(store: Dict) -> None:
    resigned(store)
    note = store.objects[CHECKPOINT]
    recommit(store, PIPELINE, 5)
    store.objects[CHECKPOINT] = note


def no_checkpoint(store: Dict) -> None:
    store.delete(CHECKPOINT)


def older_checkpoint(store: Dict) -> None:
    store.objects[CHECKPOINT] = checkpoints.Checkpoint.sign(ORIGIN, store.objects[TREE][:64], PIPELINE).note


def other_root(store: Dict) -> None:
    store.objects[CHECKPOINT] = checkpoints.Checkpoint.sign(ORIGIN, bytes(160), PIPELINE).note


def other_size(store: Dict) -> None:
    store.objects[CHECKPOINT] = store.objects[CHECKPOINT].replace(b"\n5\n", b"\n4\n")


def other_origin(store: Dict) -> None:
    store.objects[CHECKPOINT] = checkpoints.Checkpoint.sign("elsewhere", store.objects[TREE], PIPELINE).note


def other_key(store: Dict) -> None:
    recommit(store, MALLORY, 5)


def cut_note(store: Dict) -> None:
    store.objects[CHECKPOINT] = store.objects[CHECKPOINT][:20]


def no_number(store: Dict) -> None:
    store.objects[CHECKPOINT] = PIPELINE.sign_note(f"{ORIGIN}\n05\n{base64.b64encode(bytes(32)).decode()}\n")


FAULTS: list[tuple[Callable[[Dict], None], str]] = [
    (cut_entry, f"{entry_name(4)}: missing"),
    (cut_all, f"{entry_name(4)}: missing"),
    (cut_tree, TREE),
    (no_tree, TREE),
    (longer_tree, TREE),
    (swapped, entry_name(1)),
    (other_data, entry_name(2)),
    (other_actor, entry_name(2)),
    (other_signature, entry_name(2)),
    (no_signature, entry_name(2)),
    (more_fields, entry_name(2)),
    (other_type, entry_name(2)),
    (spaces, entry_name(2)),
    (garbage, entry_name(2)),
    (no_json, entry_name(2)),
    (resigned, entry_name(2)),
    (resigned_with_tree, CHECKPOINT),
    (no_checkpoint, CHECKPOINT),
    (older_checkpoint, CHECKPOINT),
    (other_root, CHECKPOINT),
    (other_size, CHECKPOINT),
    (other_origin, CHECKPOINT),
    (other_key, CHECKPOINT),
    (cut_note, CHECKPOINT),
    (no_number, CHECKPOINT),
]


@pytest.mark.parametrize(("fault", "named"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_verify_names_the_file_that_does_not_hold(fault: Callable[[Dict], None], named: str) -> None:
    """Each way of cutting or changing the log is an IntegrityError that begins with the file's name."""
    store, log = filled(5)
    fault(store)

    with pytest.raises(IntegrityError, match=f"^{named}"):
        log.verify(PIPELINE.vkey)


@pytest.mark.parametrize("fault", [cut_tree, other_root, other_key, cut_note])
def test_append_refuses_a_log_that_does_not_hold(fault: Callable[[Dict], None]) -> None:
    """Nothing is signed on top of a tree or checkpoint that was changed."""
    store, log = filled(5)
    fault(store)
    found = dict(store.objects)

    with pytest.raises(IntegrityError):
        add(log, 5)
    assert store.objects == found


def test_known_checkpoints_exclude_rollback_and_fork() -> None:
    """A log rewritten by a holder of the key verifies by itself, and not against a checkpoint kept elsewhere."""
    store, log = filled(4)
    kept = [log.checkpoint() or b""]
    add(log, 4)
    kept.append(log.checkpoint() or b"")
    rolled_back, forked = filled(4)[1], filled(6, salt=1)[1]

    assert log.verify(PIPELINE.vkey, kept).warnings == ()
    assert log.verify(PIPELINE.vkey, kept).known == 2
    assert rolled_back.verify(PIPELINE.vkey, kept[:1]).size == 4
    with pytest.raises(IntegrityError, match="known checkpoint of 5 entries: the log has 4; it was rolled back"):
        rolled_back.verify(PIPELINE.vkey, kept)
    assert forked.verify(PIPELINE.vkey).size == 6
    with pytest.raises(IntegrityError, match=r"known checkpoint of 4 entries: .*forked"):
        forked.verify(PIPELINE.vkey, kept)
    with pytest.raises(IntegrityError, match="known checkpoint: no signature of"):
        log.verify(PIPELINE.vkey, [checkpoints.Checkpoint.sign(ORIGIN, store.objects[TREE], MALLORY).note])
    with pytest.raises(IntegrityError, match="known checkpoint of 5 entries"):
        Ledger(Dict(), ORIGIN).verify(PIPELINE.vkey, kept[1:])


def test_without_a_key_the_log_is_held_against_its_own() -> None:
    """Without a verifier key the one in the first entry is used, and the report says so."""
    _, log = filled(2)
    nameless = Ledger(Dict(), ORIGIN)
    add(nameless, 0)

    assert any("no verifier key" in warning for warning in log.verify(None).warnings)
    with pytest.raises(ConfigError, match="give the verifier key"):
        nameless.verify(None)


def test_a_writer_at_work_does_not_disturb_verify() -> None:
    """Entries appended while the log is read are checked in a second look, not taken for a fault."""
    store, log = filled(2)
    read, appended = store.read, []

    def busy(name: str) -> bytes:
        if name == TREE and not appended:
            appended.append(True)
            appended.extend([add(log, 2), add(log, 3)])
        return read(name)

    store.read = busy  # type: ignore[method-assign]

    assert log.verify(PIPELINE.vkey).size == 4


def test_proofs_between_two_checkpoints_hold() -> None:
    """An exported pair of checkpoints and a proof show that one extends the other, without the entries."""
    store, log = filled(3)
    old = checkpoints.Checkpoint.open(log.checkpoint() or b"", PIPELINE.verifier, ORIGIN, "old")
    add(log, 3)
    new = checkpoints.Checkpoint.open(log.checkpoint() or b"", PIPELINE.verifier, ORIGIN, "new")

    proof = ledger.consistency_proof(store.objects[TREE], old.size)
    path = ledger.inclusion_proof(store.objects[TREE], 3)

    ledger.verify_consistency(old.size, old.root, new.size, new.root, proof)
    ledger.verify_inclusion(merkle.leaf_hash(store.objects[entry_name(3)]), 3, new.size, path, new.root)


def test_a_checkpoint_is_a_signed_note() -> None:
    """Origin, size, base64 root, an empty line, and a dash, the key's name and base64(key id ‖ signature)."""
    store, log = filled(2)

    origin, size, root, empty, line, end = (log.checkpoint() or b"").decode().split("\n")

    dash, name, encoded = line.split(" ")
    raw = base64.b64decode(encoded)
    assert (origin, size, empty, end, dash, name) == (ORIGIN, "2", "", "", "\N{EM DASH}", "test")
    assert base64.b64decode(root) == merkle.root(store.objects[TREE])
    PIPELINE.key.public_key().verify(raw[4:], f"{origin}\n{size}\n{root}\n".encode())
    assert raw[:4].hex() == PIPELINE.vkey.split("+")[1]


def test_a_note_may_carry_further_signatures_and_lines() -> None:
    """Signatures of witnesses and extension lines do not disturb the reader."""
    store, _ = filled(2)
    root = base64.b64encode(merkle.root(store.objects[TREE])).decode()
    note = ALICE.sign_note(f"{ORIGIN}\n2\n{root}\nextension\n")
    own = PIPELINE.sign_note(f"{ORIGIN}\n2\n{root}\nextension\n").split(b"\n\n")[1]
    store.objects[CHECKPOINT] = note + own

    assert Ledger(store, ORIGIN).verify(PIPELINE.vkey).size == 2


@pytest.mark.parametrize("name", ["", "two words", "a+b", " a", "a\n"])
def test_a_key_name_that_a_note_cannot_carry_is_refused(name: str) -> None:
    """White space and plus signs separate the parts of notes and keys."""
    with pytest.raises(ConfigError, match="key name"):
        Signer(name, PIPELINE.key)


def test_the_text_of_a_key_is_checked() -> None:
    """A verifier key reads back; a changed name, id or key is refused; a published key has its published id."""
    vkey = PIPELINE.vkey

    assert signatures.Verifier.parse(vkey) == PIPELINE.verifier
    for wrong in ("", vkey[1:], vkey.replace("+", "-"), vkey[:-4] + "AAA=", ALICE.vkey.replace("reviewer.a", "b")):
        with pytest.raises(ConfigError, match="verifier key"):
            signatures.Verifier.parse(wrong)
    # The Go checksum database's key, the best-known public key in this form.
    published = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert signatures.Verifier.parse(published).key_id.hex() == "033de0ae"


def test_dsse_signs_what_its_vector_says() -> None:
    """The pre-authentication encoding is that of the DSSE specification."""
    encoded = signatures.pae("http://example.com/HelloWorld", b"hello world")

    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_a_statement_reads_back_under_its_key_only() -> None:
    """An envelope verifies under the key that signed it; any change or another key is refused."""
    body = ledger.statement({"tree": "ab" * 32, "run.json": "cd" * 32}, {"root": "ef" * 32, "size": 3})
    envelope = ledger.dsse_sign(body, PIPELINE)
    outer = json.loads(envelope)
    other = base64.b64encode(signatures.canonical(body | {"subject": []})).decode()

    assert ledger.dsse_verify(envelope, PIPELINE.vkey) == body
    assert [subject["name"] for subject in body["subject"]] == ["run.json", "tree"]
    for wrong in (
        signatures.canonical(outer | {"payload": other}),
        signatures.canonical(outer | {"payloadType": "text/plain"}),
        signatures.canonical(outer | {"signatures": []}),
        signatures.canonical(outer | {"signatures": [{"keyid": PIPELINE.verifier.reference, "sig": "!"}]}),
        signatures.canonical([]),
        b"",
        envelope + b"\n",
        ledger.dsse_sign({"_type": "other"}, PIPELINE),
    ):
        with pytest.raises(IntegrityError, match=r"^r1/statement\.json"):
            ledger.dsse_verify(wrong, PIPELINE.vkey, "r1/statement.json")
    with pytest.raises(IntegrityError, match="signed by"):
        ledger.dsse_verify(envelope, MALLORY.vkey)
    with pytest.raises(SchemaError, match=r"lacks \['size'\]"):
        ledger.statement({}, {"root": ""})


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abé\U0001f600", max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_canonical_json_reads_back(value: Any) -> None:
    """What canonical JSON writes, it reads, and no other bytes of the same value."""
    raw = signatures.canonical(value)

    assert signatures.parse_canonical(raw, "x") == value
    with pytest.raises(IntegrityError, match=r"^x: "):
        signatures.parse_canonical(raw + b" ", "x")


@pytest.mark.parametrize("value", [1.0, {"a": [0.5]}, {1: 2}, 2**53 + 1, "\ud800", b"x", float("nan")])
def test_canonical_json_refuses_what_has_two_forms(value: Any) -> None:
    """Floats, huge numbers, keys that are no strings, bytes and lone surrogates never enter signed bytes."""
    with pytest.raises(SchemaError, match="canonical JSON"):
        signatures.canonical(value)


@pytest.mark.parametrize("raw", [b'{"a":1,"a":2}', b'{"b":1,"a":2}', b'{"a":1.0}', b'"\\u0061"', b"NaN", b""])
def test_json_in_another_form_is_refused(raw: bytes) -> None:
    """A repeated key, unsorted keys, a float, a needless escape: two readers could differ on these."""
    with pytest.raises(IntegrityError):
        signatures.parse_canonical(raw, "x")
