"""Requests to erase: asked by every kind of key, suppressed, seen again, and told to whoever asked."""

import base64
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import leakscan
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from erasure_corpus import ERASED, NEARLY, OTHER, PERSON, PLANTED, TODAY, ask, copied, deliver, prepared, run
from small_corpus import LEAF, SEAL
from typer.testing import CliRunner

from corpus_gov import (
    barring,
    certificates,
    cli,
    fulfilment,
    requests,
    seal,
    suppression,
    tombstones,
)
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.relate import suppressed
from corpus_gov.signatures import Signer, dsse_sign, dsse_verify
from corpus_gov.workspace import Workspace


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    return prepared(tmp_path_factory.mktemp("erasure"), engine)


@pytest.fixture
def workspace(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    return copied(folder, tmp_path, monkeypatch)


def rows(workspace: Workspace) -> dict[str, dict[str, Any]]:
    return {row["doc_id"]: row for row in workspace.release().table("manifest").to_pylist()}


def ids(workspace: Workspace) -> dict[str, str]:
    """doc_id by address, of what is stored."""
    table = workspace.release("r0001").table("documents", ["doc_id", "uri"]).to_pylist()
    return {row["uri"]: row["doc_id"] for row in table}


def found(request: requests.Request, known: dict[str, str]) -> dict[str, str]:
    """How each document was found, by the host and path of its address."""
    names = {doc_id: uri.removeprefix("https://") for uri, doc_id in known.items()}
    return {names[doc_id]: how for doc_id, (_, how) in request.documents.items()}


COPIES = {"mill.example/goats": "asked", "copy.example/goats": "exact", "mirror.example/goats": "near"}

OF_TWO = {
    "copy.example/goats": "asked", "sub.mill.example/tea": "asked", "mill.example/goats": "exact",
    "mirror.example/goats": "near",
}  # fmt: skip


@pytest.mark.parametrize(
    ("by", "value", "expected"),
    [
        ("url", "HTTP://user@MILL.example:80/goats#top", COPIES),
        ("host", "mill.example", COPIES | {"sub.mill.example/tea": "asked"}),
        ("doc_id", "mill.example/goats", COPIES),
        ("consent", "consent-17", COPIES),
        ("rights_holder", "ANNA  Miller", COPIES),
        ("person", PERSON, {"weather.example/contact": "asked"}),
        ("near_copy", f"{NEARLY} Indeed.",
         dict.fromkeys(("mill.example/goats", "copy.example/goats", "mirror.example/goats"), "near")),
        ("source", "two", OF_TWO),
        ("contract", "C-two", OF_TWO),
    ],
)  # fmt: skip
def test_every_kind_of_question_finds_all_copies(
    workspace: Workspace, by: str, value: str, expected: dict[str, str]
) -> None:
    """What is asked for is found with its exact and near copies in all sources, and with the releases that hold it."""
    known = ids(workspace)
    request = ask(workspace, by, known[f"https://{value}"] if by == "doc_id" else value)

    others = {name: how for name, how in found(request, known).items() if how not in {"contained", "holds", "spun"}}
    assert {name: how for name, how in others.items() if name in expected} == expected
    assert (request.state, request.releases[0]["release"]) == ("found", "r0001")
    assert request.releases[0]["documents"] == len(request.documents)


def test_a_text_digest_is_asked_by_what_the_manifest_says(workspace: Workspace) -> None:
    """The digest of a row of the manifest finds the document and its copies."""
    digest = rows(workspace)[ids(workspace)["https://mill.example/goats"]]["text_digest"]

    assert found(ask(workspace, "text_digest", digest), ids(workspace))["copy.example/goats"] == "asked"


def test_a_batch_is_asked_by_the_number_of_its_entry(workspace: Workspace) -> None:
    """All documents of the shards that the batch brought are found; a batch that is not there is an error."""
    (entry,) = (one for one in workspace.ledger().entries() if one.type == "batch_ingested")

    assert len(ask(workspace, "batch", str(entry.index)).documents) == 6
    with pytest.raises(ConfigError, match="found no batch '77'"):
        ask(workspace, "batch", "77")


def test_what_was_erased_does_not_come_back(workspace: Workspace, engine: Engine) -> None:
    """Same text elsewhere, same page, near copy: the first two end as captures without a word, the third is held."""
    request = fulfilment.fulfil(workspace, ask(workspace, "url", "https://mill.example/goats").request, today=TODAY)
    root = workspace.root
    assert root is not None
    again = "A new page at the old address speaks of PLANTED-NEW-WORDS and of nothing else that anybody knows of yet."
    deliver(root, "one-2.jsonl", [
        {"text": ERASED, "uri": "https://third.example/PLANTED-ADDRESS"},
        {"text": again, "uri": "http://mill.example/goats"},
        {"text": f"{ERASED} Once more.", "uri": "https://fourth.example/goats"},
    ])  # fmt: skip
    facts = run(workspace, engine)
    table = workspace.release().table("captures").to_pylist()
    barred = [row for row in table if row["outcome"] == "suppressed"]
    held = [row for row in rows(workspace).values() if row["uri"] == "https://fourth.example/goats"]

    assert (request.state, facts["counts"]["captures"]["suppressed"]) == ("suppressed", 2)
    assert all(row[name] is None for row in barred for name in ("uri", "doc_id", "payload_digest", "headers_digest"))
    assert held[0]["disposition"] == "quarantine"
    assert leakscan.scan([root], ["PLANTED-NEW-WORDS", "PLANTED-ADDRESS"], allow=lambda path: path == root / "in") == []


def test_tombstones_take_the_place_of_rows(workspace: Workspace, engine: Engine) -> None:
    """The next release says that a document was there and why it is gone, and nothing that could confirm it."""
    known = ids(workspace)
    request = fulfilment.fulfil(workspace, ask(workspace, "url", "https://mill.example/goats").request, today=TODAY)
    facts = run(workspace, engine)
    row = rows(workspace)[known["https://mill.example/goats"]]

    assert row["reasons"] == [
        {"code": "erasure.data_subject", "disposition": "drop", "category": "", "legal": "eu.gdpr.17"}
    ]
    empty = ("uri", "uri_hmac", "fetched_at", "payload_digest", "text_digest", "consent_hmac", "cluster_id")
    assert [row[name] for name in empty] == [None] * len(empty)
    assert (row["disposition"], row["shard"], row["source_id"]) == ("drop", "", "one")
    assert facts["counts"]["reasons"]["erasure.data_subject"] == len(request.chosen) == 2
    assert CliRunner().invoke(cli.app, ["verify", str(workspace.root)]).exit_code == 0
    with pytest.raises(ConfigError, match=r"was erased \(erasure.data_subject; eu.gdpr.17\)"):
        workspace.release().explain(row["doc_id"])


def test_another_copy_stands_where_the_representative_was_erased(workspace: Workspace, engine: Engine) -> None:
    """Of a cluster whose representative goes alone, one of the others is released in its place."""
    before = rows(workspace)
    stand = {row["representative_id"] for row in before.values() if row["representative_id"]}
    (gone,) = stand & {ids(workspace)[f"https://{name}"] for name in COPIES}
    # Only this one: its copies rest on a basis of their own.
    source = before[gone]["source_id"]
    request = ask(workspace, "doc_id", gone, within=source)
    suppression.put(workspace, request.request, suppression.rows_of(workspace, [gone], {"request": request.request}))
    run(workspace, engine)
    after = rows(workspace)

    others = [ids(workspace)[f"https://{name}"] for name in COPIES if ids(workspace)[f"https://{name}"] != gone]
    assert after[gone]["disposition"] == "drop"
    # The policy holds copies of what was suppressed; none of them points to what is gone.
    assert all(after[one]["representative_id"] != gone for one in others)


def test_documents_without_bytes_have_the_same_tombstones(workspace: Workspace, engine: Engine) -> None:
    """A row of the list whose document no shard holds is a row of the manifest, equal to that of one that is there."""
    request = fulfilment.fulfil(workspace, ask(workspace, "url", "https://mill.example/goats").request, today=TODAY)
    first = run(workspace, engine)
    there = rows(workspace)[request.chosen[0]]
    row = suppression.put(workspace, request.request, []).to_pylist()[0]
    gone = {**row, "doc_id": "f" * 32}
    listed = [*suppression.put(workspace, request.request, []).to_pylist(), gone]
    suppression.put(workspace, request.request, listed)
    facts = run(workspace, engine)
    alone = rows(workspace)["f" * 32]

    own = ("doc_id", "leaf_hash", "salt")
    assert {k: v for k, v in alone.items() if k not in own} == {k: v for k, v in there.items() if k not in own}
    assert (first["counts"]["erased"], facts["counts"]["erased"]) == (0, 1)
    assert facts["counts"]["documents"] == 6
    assert sum(facts["counts"]["dispositions"].values()) == 7
    assert CliRunner().invoke(cli.app, ["verify", str(workspace.root)]).exit_code == 0


def test_bytes_are_gone_and_releases_hold(workspace: Workspace, engine: Engine) -> None:
    """After a physical erasure the text is in no file of the workspace, all releases verify, and tombstones stay."""
    root = workspace.root
    assert root is not None
    name = ask(workspace, "url", "https://mill.example/goats").request
    first = fulfilment.fulfil(workspace, name, today=TODAY)
    run(workspace, engine)
    before = rows(workspace)
    done = fulfilment.fulfil(workspace, name, today=TODAY, contained=True, alike=True, physical=True, scan=True)
    again = fulfilment.fulfil(workspace, name, today=TODAY, physical=True)
    facts = run(workspace, engine)
    after = rows(workspace)

    assert leakscan.scan([root], [PLANTED], allow=lambda path: path == root / "in") == []
    assert (done.state, again, facts["counts"]["erased"]) == ("fulfilled", done, len(done.chosen))
    assert len(done.erased) == 1
    assert all(after[one]["leaf_hash"] == before[one]["leaf_hash"] for one in first.chosen)
    for release in workspace.releases():
        result = CliRunner().invoke(cli.app, ["verify", str(root), "--release", release])
        assert result.exit_code == 0, result.output
    # The inputs lie in this workspace, and are not its own to change.
    assert done.searched["found"] == ["in/one-1.jsonl", "in/two-1.jsonl"]
    assert (done.searched["documents"], done.searched["unread"]) == (len(done.chosen), [])
    assert done.searched["objects"] > len(workspace.shards())
    assert again.searched == done.searched
    text = certificates.markdown(certificates.facts(workspace, done, TODAY))
    assert "found in in/one-1.jsonl" in text
    assert "Erasure 0001" in text
    assert "suppressed, not erased" not in text


def test_a_person_is_in_no_file(workspace: Workspace, engine: Engine) -> None:
    """The value that is asked by is in no file but the texts that hold it, nor is what identifies the page."""
    root = workspace.root
    assert root is not None
    asked = [
        "anna-miller-file@private.example",
        "https://private.example/anna-miller-page",
        "private-host-of-anna.example",
    ]
    for by, value in zip(("person", "url", "host"), asked, strict=True):
        fulfilment.fulfil(workspace, ask(workspace, by, value).request, today=TODAY)
    ask(
        workspace,
        "near_copy",
        "PRIVATE-TEXT-SUPPLIED of Anna Miller, with her whole life in some twenty words or more here.",
    )
    run(workspace, engine)

    assert leakscan.scan([root], [*asked, "PRIVATE-TEXT-SUPPLIED"]) == []
    entries = b"".join(entry.encode() for entry in workspace.ledger().entries() if entry.type.startswith("erasure"))
    assert b"li.na" in entries
    assert b"example/" not in entries


def test_the_entry_is_a_salted_commitment(workspace: Workspace) -> None:
    """With the request the entry can be shown to be about it; the same words in another workspace give another one."""
    request = ask(workspace, "url", "https://mill.example/goats")
    (entry,) = (one for one in workspace.ledger().entries() if one.type == requests.ERASURE_ASKED)

    assert entry.subject == {request.place: request.commitment()}
    assert entry.data == {
        "requester": "data_subject", "basis": "eu.gdpr.17", "received": "2026-11-20", "deadline": "2026-12-20",
        "measure": "erase",
    }  # fmt: skip
    assert len(bytes.fromhex(request.salt)) == 32


def test_doing_it_again_changes_nothing(workspace: Workspace) -> None:
    """Asking and fulfilling twice is one request, one list and one entry each."""
    first = fulfilment.fulfil(workspace, ask(workspace, "url", "https://mill.example/goats").request, today=TODAY)
    before = {name: workspace.store.read(name) for name in workspace.store.list() if not name.startswith("lease")}

    again = fulfilment.fulfil(workspace, ask(workspace, "url", "http://mill.example/goats").request, today=TODAY)

    after = {name: workspace.store.read(name) for name in workspace.store.list() if not name.startswith("lease")}
    assert again == first
    assert after == before


def test_an_address_that_others_share_is_not_barred(workspace: Workspace, engine: Engine) -> None:
    """Where several documents have one address, erasing one of them does not keep the others out."""
    root = workspace.root
    assert root is not None
    deliver(root, "one-2.jsonl", [{"text": f"{OTHER} Part {n} of it.", "uri": "https://set.example/"} for n in (1, 2)])
    run(workspace, engine)
    table = workspace.release().table("documents", ["doc_id", "uri"]).to_pylist()
    of_set = sorted(row["doc_id"] for row in table if row["uri"] == "https://set.example/")

    (row,) = suppression.rows_of(workspace, of_set[:1], {})
    both = suppression.rows_of(workspace, of_set, {})

    assert row["uri"] is None
    assert row["text"] is not None
    assert {one["uri"] for one in both} == {barring.keyed("uri", "https://set.example/", workspace.keys().seal)}


def test_a_request_about_a_source_bars_the_source_and_no_other(workspace: Workspace, engine: Engine) -> None:
    """After a contract ended nothing of its source is stored any more; its texts in other sources stay for review."""
    request = ask(workspace, "contract", "C-two", requester="contract", basis="", deadline=date(2026, 12, 1))
    done = fulfilment.fulfil(workspace, request.request, today=TODAY)
    root = workspace.root
    assert root is not None
    deliver(root, "two-2.jsonl", [{"text": "Something that the partner sent after the contract had ended. Really."}])
    deliver(root, "one-2.jsonl", [{"text": ERASED, "uri": "https://mill.example/goats-again"}])
    run(workspace, engine)

    assert len(done.chosen) == 2
    captured = workspace.release().table("captures").to_pylist()
    new = [row["outcome"] for row in captured if row["record_file"].endswith("-2.jsonl")]
    assert sorted(new) == ["document", "suppressed"]


def test_a_row_that_has_expired_bars_nothing(workspace: Workspace, engine: Engine) -> None:
    """After the last day of a suppression its documents are decided on as before, and may come again."""
    request = ask(workspace, "url", "https://mill.example/goats", expires=date(2026, 11, 30))
    done = fulfilment.fulfil(workspace, request.request, today=TODAY)

    assert workspace.suppressed(date(2026, 11, 30)) >= set(done.chosen)
    assert workspace.suppressed(date(2026, 12, 1)) == frozenset()
    assert tombstones.listed(workspace.suppressions(date(2026, 12, 1))).num_rows == 0


def test_a_list_of_another_key_stops_the_intake(workspace: Workspace, engine: Engine) -> None:
    """Keyed values of another seal key would keep nothing out, so nothing is read."""
    done = fulfilment.fulfil(workspace, ask(workspace, "host", "mill.example").request, today=TODAY)
    name = suppression.place_of(done.request)
    other = workspace.store.read(name).replace(seal.key_id(bytes.fromhex(SEAL)).encode(), b"00000000")
    workspace.store.put(name, other)
    root = workspace.root
    assert root is not None
    deliver(root, "one-2.jsonl", [{"text": OTHER, "uri": "https://fifth.example/"}])

    with pytest.raises(ConfigError, match=r"found rows with key_id '00000000'"):
        run(workspace, engine)


def test_what_is_not_sure_waits_for_review(workspace: Workspace) -> None:
    """Near copies are suppressed where that is asked for or a person names them; others cannot be named."""
    known = ids(workspace)
    name = ask(workspace, "url", "https://mill.example/goats").request
    near = known["https://mirror.example/goats"]

    assert near not in fulfilment.fulfil(workspace, name, today=TODAY).chosen
    with pytest.raises(ConfigError, match="found no document 'ffff'"):
        fulfilment.fulfil(workspace, name, today=TODAY, also=["ffff"])
    assert near in fulfilment.fulfil(workspace, name, today=TODAY, also=[near]).chosen
    assert near in fulfilment.fulfil(workspace, name, today=TODAY).chosen


@pytest.mark.parametrize(
    ("basis", "received", "expected"),
    [
        ("eu.gdpr.17", date(2027, 1, 31), date(2027, 2, 28)),
        ("eu.gdpr", date(2026, 12, 5), date(2027, 1, 5)),
        ("cn.pipl.47", date(2026, 11, 20), date(2026, 12, 11)),
        ("us.ca.ccpa", date(2026, 11, 20), date(2027, 1, 4)),
        ("eu.gdpr.17,cn.pipl.47", date(2026, 11, 20), date(2026, 12, 11)),
    ],
)
def test_the_basis_gives_the_deadline(basis: str, received: date, expected: date) -> None:
    """A month, 15 working days or 45 days from the day on which it came in; of several the shortest."""
    assert requests.deadline_of(basis, received) == expected


def test_deadlines_are_told(workspace: Workspace) -> None:
    """A request is open, due within a week, then overdue; one that is closed is what it is; status counts them."""
    request = ask(workspace, "url", "https://mill.example/goats")
    days = {
        date(2026, 12, 1): "open",
        date(2026, 12, 13): "due",
        date(2026, 12, 20): "due",
        date(2026, 12, 21): "overdue",
    }

    assert {day: request.due(day) for day in days} == days
    assert requests.counted(workspace, date(2026, 12, 21)) == {"overdue": 1}
    refused = fulfilment.refuse(workspace, request.request, why="not theirs", today=TODAY)
    assert (refused.state, requests.counted(workspace, date(2026, 12, 21))) == ("refused", {"refused": 1})
    with pytest.raises(ConfigError, match="was refused"):
        fulfilment.fulfil(workspace, request.request, today=TODAY)


@pytest.mark.parametrize(
    ("by", "value", "said", "problem"),
    [
        ("doc_id", "123", {}, "expected 32 lower-case hex digits"),
        ("name", "x", {}, "found 'name' to ask by"),
        ("source", "three", {}, "found no source 'three' in any dossier"),
        ("url", "x", {"basis": "de.bdsg"}, "which gives no deadline"),
        ("url", "x", {"requester": "police"}, "found requester 'police'"),
        ("url", "x", {"within": "three"}, "found no source 'three'"),
        ("url", " ", {}, "found no value for 'url'"),
        ("near_copy", "...", {}, "without a word"),
        ("person", "123", {}, "found a value that cannot be looked up"),
    ],
)
def test_what_cannot_be_asked_is_an_error(
    workspace: Workspace, by: str, value: str, said: dict[str, Any], problem: str
) -> None:
    """One line says what is wrong, and no request is written."""
    with pytest.raises(ConfigError, match=problem):
        ask(workspace, by, value, **said)
    assert requests.listed(workspace) == []


def test_the_certificate_says_what_was_done_and_what_was_not(workspace: Workspace, engine: Engine) -> None:
    """It is signed, names methods, versions, releases and entries, and what cannot be reached; it quotes nothing."""
    request = fulfilment.fulfil(workspace, ask(workspace, "person", PERSON, basis="cn.pipl.47").request, today=TODAY)
    said = certificates.facts(workspace, request, TODAY)
    signed = certificates.sign(workspace, request, said)
    body = dsse_verify(signed, workspace.signer().vkey, "certificate", certificates.CERTIFICATE_TYPE)
    text = certificates.markdown(said)

    assert body["predicate"] == json.loads(json.dumps(said))
    assert {one["digest"]["sha256"] for one in body["subject"]} == {e["commitment"] for e in said["ledger"]}
    assert [entry["type"] for entry in said["ledger"]] == ["erasure_asked", "erasure_fulfilled"]
    assert {one["found"]: one["state"] for one in said["documents"]} == {"asked": "suppressed", "near": "for review"}
    for words in ("nobody on record", "models that were trained", "they were suppressed, not erased", "common.pii@"):
        assert words in text
    assert PERSON not in text
    assert PERSON.encode() not in base64.b64decode(json.loads(signed)["payload"])


def test_the_commands_ask_list_show_fulfil_and_certify(workspace: Workspace, tmp_path: Path) -> None:
    """A person's value comes from standard input alone; every command prints what machines read."""
    root, runner = str(workspace.root), CliRunner()
    person = ["erase", "ask", root, "--by", "person", "--basis", "eu.gdpr.17", "--actor", "li.na", "--json"]
    refused = runner.invoke(cli.app, [*person, "--value", PERSON])
    asked = runner.invoke(cli.app, person, input=PERSON + "\n")
    name = json.loads(asked.output)["request"]
    done = runner.invoke(cli.app, ["erase", "fulfil", root, name, "--json"])
    listed = runner.invoke(cli.app, ["erase", "list", root, "--as-of", "2030-01-01"])
    shown = runner.invoke(cli.app, ["erase", "show", root, name])
    out = tmp_path / "certificate"
    certified = runner.invoke(cli.app, ["erase", "certificate", root, name, "--out", str(out)])
    status = runner.invoke(cli.app, ["status", root, "--json"])

    assert isinstance(refused.exception, ConfigError)
    assert PERSON not in str(refused.exception)
    assert json.loads(done.output)["suppressed"] == 1
    assert "overdue" in listed.output
    assert ids(workspace)["https://weather.example/contact"] in shown.output
    assert certified.exit_code == 0
    assert out.with_name("certificate.md").read_text(encoding="utf-8").startswith(f"# Certificate of request {name}")
    assert sum(json.loads(status.output)["requests"].values()) == 1
    assert PERSON not in asked.output + done.output + listed.output + shown.output + certified.output


def resigned(certificate: bytes, signer: Signer, **changes: Any) -> bytes:
    """Sign what a certificate states, but for some changes, with a key."""
    body = json.loads(base64.b64decode(json.loads(certificate)["payload"]))
    said = body["predicate"] | {name: value for name, value in changes.items() if name in body["predicate"]}
    return dsse_sign(body | {"predicate": said, **{k: v for k, v in changes.items() if k in body}}, signer)


def test_a_certificate_is_checked_by_who_gets_it(workspace: Workspace, tmp_path: Path) -> None:
    """By the key alone, by the ledger, or on its own word; what was changed, or is of another key, is refused."""
    request = fulfilment.fulfil(workspace, ask(workspace, "url", "https://mill.example/goats").request, today=TODAY)
    own, thief = workspace.signer(), Signer("thief", Ed25519PrivateKey.from_private_bytes(b"t" * 32))
    (tmp_path / "vkey").write_text(f"{own.vkey}\n")
    runner, file = CliRunner(), tmp_path / "erasure.json"
    made = runner.invoke(
        cli.app, ["erase", "certificate", workspace.url, request.request, "--out", str(tmp_path / "erasure")]
    )
    whole, ledger = file.read_bytes(), workspace.ledger()

    def check(*options: str) -> Any:
        return runner.invoke(cli.app, ["verify-certificate", str(file), *options])

    by_key, by_ledger = check("--key", str(tmp_path / "vkey"), "--json"), check("--workspace", workspace.url)
    alone = check()
    assert (made.exit_code, by_key.exit_code, by_ledger.exit_code, alone.exit_code) == (0, 0, 0, 0)
    said = json.loads(by_key.output)
    assert (said["request"], said["workspace"], said["signed_by"]) == (request.request, "w-test-small", own.vkey)
    assert [("looked at" in one) for one in said["trusted"]] == [True]
    assert "they were suppressed, not erased" in by_ledger.output
    assert "note" not in by_ledger.output
    assert "the public key was taken from the certificate itself" in alone.output

    (tmp_path / "erasure.md").write_text("# Everything is gone\n")
    assert "says something else than erasure.json" in str(check().exception)
    (tmp_path / "erasure.md").unlink()

    forged = {
        "it was changed": whole.replace(b'"payload":"e', b'"payload":"f', 1),
        "it was changed or cut": whole[:-20],
        r"signed by \['thief.*\], expected .* by 'w-test-small": resigned(whole, thief),
        "it is something else": resigned(whole, own, predicateType="urn:corpus-gov:removals:v1"),
        "about other entries than it lists": resigned(whole, own, ledger=[]),
    }
    for problem, data in forged.items():
        with pytest.raises(IntegrityError, match=problem):
            certificates.check(data, own.vkey)
    # Whoever has another key can make a certificate that stands by itself, and none that stands in this ledger.
    other = resigned(whole, thief, vkey=thief.vkey)
    assert len(certificates.check(other)["trusted"]) == 2
    with pytest.raises(IntegrityError, match="expected one of the keys of the ledger"):
        certificates.check(other, None, ledger)
    entries = [one | {"entry": one["entry"] + 50} for one in said["ledger"]]
    with pytest.raises(IntegrityError, match="which the ledger does not have"):
        certificates.check(resigned(whole, own, ledger=entries), None, ledger)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a.example", "https://A.example:443/", True),
        ("https://a.example/x#y", "http://u:p@a.example:80/x", True),
        ("https://a.example/?q=1", "https://a.example?q=1", True),
        ("https://例子.example/x", "https://xn--fsqu00a.example/x", True),
        ("https://a.example/x", "https://a.example/X", False),
        ("https://a.example:8443/x", "https://a.example/x", False),
        ("urn:x:1", "urn:x:2", False),
    ],
)
def test_addresses_are_compared_without_what_says_nothing(one: str, other: str, *, same: bool) -> None:
    """Scheme, user, default port and fragment do not tell pages apart; path, query and other ports do."""
    assert (barring.address(one) == barring.address(other)) is same


def test_rows_and_records_are_barred_alike() -> None:
    """The answer about one record is that about a row of a column, for every kind of value."""
    import pyarrow as pa

    key = bytes.fromhex(LEAF)
    uris = ["https://a.example/x", "https://b.a.example/", None, "https://c.example/", "https://d.example/"]
    payloads, texts = [f"{n:064x}" for n in range(5)], [f"{n:064x}" for n in range(10, 15)]
    listed = suppressed.table_of([
        {"key_id": "k", "preset": "", "bands": [], column: barring.keyed(column, value, key)}
        for column, value in (("host", "a.example"), ("payload", payloads[2]), ("uri", uris[3]), ("text", texts[4]))
    ])  # fmt: skip
    bar = barring.Bar(barring.Barred.of(listed, (), "one", key), key)
    columns = (pa.array(["0"] * 5), pa.array(uris, pa.large_string()), pa.array(payloads), pa.array(texts))

    singly = [
        bar.record(uri, payload) or bar.text(text) for uri, payload, text in zip(uris, payloads, texts, strict=True)
    ]

    assert bar.rows(*columns).to_pylist() == singly == [True] * 5
    assert barring.OPEN.rows(*columns).to_pylist() == [False] * 5


def test_a_row_within_a_source_bars_nothing_elsewhere() -> None:
    """A row that holds in one source is passed over in others; a source that is barred whole lets nothing in."""
    key = bytes.fromhex(LEAF)
    row = {"key_id": "k", "preset": "", "bands": []}
    listed = suppressed.table_of([
        {**row, "host": barring.keyed("host", "a.example", key), "within": barring.keyed("source", "one", key)},
        {**row, "source": barring.keyed("source", "three", key)},
    ])  # fmt: skip
    bars = {one: barring.Bar(barring.Barred.of(listed, (), one, key), key) for one in ("one", "two", "three")}

    assert {one: bar.record("https://a.example/", "0" * 64) for one, bar in bars.items()} == {
        "one": True, "two": False, "three": True
    }  # fmt: skip
