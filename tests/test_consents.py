"""Consents by reference, from the list to the decision; what a dossier says of its texts; look-up by reference."""

import json
from collections.abc import Iterator
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from documents import documents, findings
from typer.testing import CliRunner

from corpus_gov import cli, consents, notices, pipeline, rights, seal
from corpus_gov.dossier import load_dossier
from corpus_gov.errors import ConfigError
from corpus_gov.tune import tune
from corpus_gov.workspace import Workspace, init, open_workspace

TODAY = date(2026, 11, 22)
KEY = b"k" * 32
LIST = b"consent_ref,valid_until,withdrawn\nc-1,2026-11-22,\nc-2,2026-11-21,\nc-3,,2026-11-22\nc-3,,\nc-4,,2027-01-01\n"
REFERENCES = ["c-1", "c-2", "c-3", "c-4", "c-5", None]
HELD = ["valid", "expired", "withdrawn", "valid", "unlisted", "missing"]
DOSSIER = f"""\
source_id: chat
kind: user_input
title: Chat
inputs: [in/*.jsonl]
service: Example chat
legal_basis: consent
consent: {{title: Terms, reference: T-3}}
consents: {{title: List, reference: L-1, file: evidence/list.csv, sha256: {sha256(LIST).hexdigest()}}}
fields: {{consent_ref: consent}}
"""
TEXT = (
    "Gauge {0} was read before noon, the river stood at {1} and fell until the evening, as the keeper of it wrote. " * 3
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a released source of user input, one document a reference."""
    folder = tmp_path_factory.mktemp("consents")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        made = init(folder / "w", name="W", owner="office")
        made.store.put("evidence/list.csv", LIST)
        made.store.put("sources/chat.yaml", DOSSIER.encode())
        rows = [{"text": TEXT.format(n, 3 * n), "consent": one} for n, one in enumerate(REFERENCES, 11)]
        rows[0]["license"] = "CC-BY-NC-4.0"
        made.store.put("in/a.jsonl", "\n".join(map(json.dumps, rows)).encode())
        pipeline.run(open_workspace(folder / "w"), as_of=TODAY)
        yield folder / "w"


def of_release(workspace: Workspace) -> list[dict[str, Any]]:
    """Return the manifest rows, in the order of the references."""
    rows = workspace.release().table("manifest").sort_by([("shard", "ascending"), ("row", "ascending")])
    return rows.to_pylist()


def states(source: dict[str, Any], workspace: Workspace) -> list[str]:
    digests = seal.reference_hmacs(pa.array(REFERENCES), "consent", KEY)
    return consents.states(digests, workspace.store, source, KEY).to_pylist()


def test_what_a_consent_is_worth(folder: Path) -> None:
    """Last days count, the strictest of several rows holds, and what is not in the list is unlisted."""
    facts = load_dossier(DOSSIER, "chat.yaml").facts(TODAY)

    assert states(facts, open_workspace(folder)) == HELD


@pytest.mark.parametrize(
    ("source", "held"),
    [
        ({"kind": "user_input"}, ["not_checked"] * 5 + ["missing"]),
        ({"kind": "commercial"}, ["not_needed"] * 6),
        (
            {"kind": "user_input", "consents": {"file": "evidence/list.csv", "sha256": "00", "day": "2026-11-22"}},
            ["not_checked"] * 5 + ["missing"],
        ),
        (
            {"kind": "user_input", "consents": {"file": "evidence/gone.csv", "sha256": "00", "day": "2026-11-22"}},
            ["not_checked"] * 5 + ["missing"],
        ),
    ],
)
def test_without_a_list_nothing_is_valid(source: dict[str, Any], held: list[str], folder: Path) -> None:
    """A list that is not named, gone, or not the file that was filed, makes no consent valid."""
    assert states(source, open_workspace(folder)) == held


@pytest.mark.parametrize(
    "data",
    [b"", b"a,b\n1,2\n", b"consent_ref,withdrawn\nsecret-7,soon\n", b"consent_ref\n\xff\xfe\n", LIST + b"x,,,,\n"],
)
def test_a_list_that_is_none_says_so_without_its_values(data: bytes) -> None:
    """A file of another form is refused by name, and the message holds no reference."""
    with pytest.raises(ConfigError, match=r"evidence/list\.csv: found no list of consents") as caught:
        consents.read(data, "evidence/list.csv")

    assert "secret" not in str(caught.value)


def test_a_list_lies_in_the_workspace() -> None:
    """A list of consents without its file could not be looked into."""
    with pytest.raises(ConfigError, match="list of consents with its file"):
        load_dossier(DOSSIER.replace(f", file: evidence/list.csv, sha256: {sha256(LIST).hexdigest()}", ""), "chat.yaml")


def test_documents_without_a_valid_consent_are_held(folder: Path) -> None:
    """Under the default policy only what rests on a consent that holds is released; the reasons say why not."""
    rows = of_release(open_workspace(folder))

    codes = [{reason["code"] for reason in row["reasons"] if reason["code"].startswith("consent.")} for row in rows]
    missing = {"consent.missing"}
    assert codes == [set(), missing, {"consent.withdrawn"}, set(), missing, missing]
    assert [row["disposition"] for row in rows][3] == "keep"


def test_explain_shows_uses_and_consent(folder: Path) -> None:
    """What the matrix of uses says of the licence, the consent, and the steps from capture to text with digests."""
    workspace = open_workspace(folder)
    row = of_release(workspace)[0]

    facts = workspace.release().explain(row["doc_id"])

    shown = {name: facts["rights"][name] for name in ("state", "train", "redistribute", "commercial", "consent")}
    assert shown == {
        "state": "conditional", "train": "allowed", "redistribute": "unknown", "commercial": "excluded",
        "consent": "valid",
    }  # fmt: skip
    assert {one["licence"] for one in facts["rights"]["evidence"]} == {"CC-BY-NC-4.0"}
    capture, document = facts["chain"]
    assert (document["from_payload_sha256"], document["text_sha256"]) == (capture["payload_sha256"], row["text_digest"])
    text = CliRunner().invoke(cli.app, ["explain", str(folder), row["doc_id"]]).output
    assert "uses       train allowed, redistribute unknown, commercial excluded; consent valid" in text


def test_tune_sees_rights_opt_outs_and_consents(folder: Path) -> None:
    """An expression may read the matrix of uses, the protocols and the state of consents."""
    found = tune(
        open_workspace(folder).release(),
        "consent.missing",
        ["rights.commercial = 'excluded'", "optout.robots IS NULL", "consent.state = 'withdrawn'"],
    )

    assert [one["applies"] for one in found["tries"]] == [1, 6, 1]


@pytest.mark.parametrize(
    ("kind", "asked", "held"),
    [("consent", "c-3", 1), ("consent", "c-9", 0), ("delivery", "a.jsonl#0", 1), ("delivery", "a.jsonl#1", 0)],
)
def test_documents_are_found_by_reference(kind: str, asked: str, held: int, folder: Path) -> None:
    """A reference comes in on standard input, finds its documents, and is in no answer."""
    answer = CliRunner().invoke(cli.app, ["whose", str(folder), "--reference", kind, "--json"], input=f"{asked}\n")

    assert json.loads(answer.output)["held"] == held
    assert asked not in answer.output


@pytest.mark.parametrize("more", [[], ["example.org", "--reference", "consent"], ["--reference", "name"]])
def test_either_a_host_or_a_reference(more: list[str], folder: Path) -> None:
    """Neither, both, or a reference of another kind is refused."""
    answer = CliRunner().invoke(cli.app, ["whose", str(folder), *more], standalone_mode=False)

    assert isinstance(answer.exception, ConfigError)


def signs(*notes: str) -> pa.Table:
    """Return signs of texts that nobody owns, one a note, of one document; each of another rule."""
    batch = documents(["x"])
    parts = [
        findings(
            batch, [(0, "text", f"licence.sign_{n}", 0, 1)], category="rights.not_protected", note=note, score=5000
        )
        for n, note in enumerate(notes)
    ]
    return pa.Table.from_batches(parts) if parts else pa.Table.from_batches([findings(batch, [])])


@pytest.mark.parametrize(
    ("notes", "material", "state"),
    [
        (["LicenseRef-plain-news body page"], None, "unknown"),
        (["LicenseRef-plain-news body page"], "official_texts", "unknown"),
        (["LicenseRef-plain-news body page"], "plain_news", "not_protected"),
        ([], "plain_news", "unknown"),
        ([], "official_texts", "unknown"),
        (["LicenseRef-official-text body page"], "official_texts", "not_protected"),
        (["LicenseRef-official-text body page"], "plain_news", "unknown"),
        (["LicenseRef-official-text body page", "LicenseRef-plain-news body page"], None, "unknown"),
        (["LicenseRef-official-text body page", "LicenseRef-official-text body page"], None, "not_protected"),
    ],
)
def test_plain_news_needs_a_person_and_a_sign(notes: list[str], material: str | None, state: str) -> None:
    """A dispatch is plain news where the dossier says so of its source; neither is enough alone."""
    found = signs(*notes)

    assert rights.resolve(found, np.zeros(len(found), np.int64), 1, material).state.to_pylist() == [state]


def test_what_a_dossier_says_stands_in_the_evidence() -> None:
    """Each document has the statement of its source beside its own, and a source that says nothing adds none."""
    batch = documents(["x", "y"])
    kept = notices.statements(batch.column("doc_id"), signs("LicenseRef-plain-news body page"))

    both = notices.with_material(kept, "plain_news").to_pylist()

    assert [[one["rule"] for one in row] for row in both] == [
        ["licence.sign_0@1", "dossier.material@1"], ["dossier.material@1"],
    ]  # fmt: skip
    assert both[1][0] | {"rule": ""} == {
        "state": "not_protected", "licence": "LicenseRef-plain-news", "place": "dossier", "scope": "source",
        "rule": "", "score": 5000,
    }  # fmt: skip
    assert notices.with_material(kept, None) is kept


def test_material_needs_a_dossier_that_holds() -> None:
    """A statement with a responsible person counts as long as the dossier is valid."""
    stated = DOSSIER + "material: {kind: plain_news, by: desk, day: 2026-01-02, paper: {title: R, reference: R-1}}\n"

    assert load_dossier(stated, "chat.yaml").facts(TODAY)["material"] == "plain_news"
    assert load_dossier(stated, "chat.yaml").facts(TODAY, ("consents",))["material"] is None
