"""Look-up of a person: found by digest and by scan, in every way of writing; the value itself comes out nowhere."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import forked
import leakscan
import pyarrow as pa
import pytest
import small_corpus
from hypothesis import given
from hypothesis import strategies as st

from corpus_gov import lookup, pipeline
from corpus_gov.engine import Engine
from corpus_gov.errors import ConfigError, CorpusGovError
from corpus_gov.kernels import folding

MAIL, PHONE, CARD = "qiu.canary@leak-check.example", "13912348765", "11010119900307002X"
TEXTS = {
    "plain": f"Please write to {MAIL} or call {PHONE} before noon. " * 2,
    "spaced": "联系电话 139-1234-8765，欢迎来电咨询，周末照常营业。" * 2,
    "card": f"申请人的证件号码是{CARD}，请核对后再提交材料。" * 2,
    "numerals": "电话一三九一二三四八七六五，请在上班时间拨打。" * 2,
    "circled": "电话①③⑨①②③④⑧⑦⑥⑤，请在上班时间拨打。" * 2,
    "spelled": "write to qiu dot canary (at) leak-check dot example for the programme of the spring. " * 2,
    "longer": f"The parcel has the number 88{PHONE}77 and is on its way to the north. " * 2,
    "other": "There is nobody in this text about a bridge over the river and a ferry. " * 2,
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Two releases over the texts above; the second has one document more."""
    folder = tmp_path_factory.mktemp("lookup")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_GOV_KEYS", str(folder / "keys"))
        inputs = folder / "inputs"
        inputs.mkdir()
        second = {"card", "other"}
        write(inputs / "a.jsonl", {name: text for name, text in TEXTS.items() if name not in second})
        write(inputs / "c.jsonl", {name: text for name, text in TEXTS.items() if name in second})
        made = small_corpus.make(folder / "w", inputs)
        with Engine(workers=1) as engine:
            pipeline.run(made, engine=engine, as_of=small_corpus.AS_OF)
            write(inputs / "b.jsonl", {"later": f"A later text names {PHONE} once more, on a page of its own. " * 2})
            pipeline.run(made, engine=engine, as_of=small_corpus.AS_OF)
        yield made


def write(path: Path, texts: dict[str, str]) -> None:
    rows = [{"text": text, "uri": f"https://site.example/{name}", "title": name} for name, text in texts.items()]
    rows[0]["uri"] += f"?mail={MAIL.replace('@', '%40')}" if "plain" in texts else ""
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")


def names(workspace, answer, method=None) -> set[str]:
    """Return the titles of the documents of one release's answer."""
    documents = workspace.release(answer["release"]).table("documents", ["doc_id", "title"]).to_pylist()
    titles = {row["doc_id"]: row["title"] for row in documents}
    return {titles[one["doc_id"]] for one in answer["documents"] if method is None or method in one["by"]}


@pytest.mark.parametrize(
    "written",
    [PHONE, "+86 139-1234-8765", "0086 13912348765", "１３９１２３４８７６５", "139\u200b1234\u200b8765"],
    ids=["plain", "plus", "prefix", "full width", "zero width"],
)
def test_every_way_of_writing_is_one_number(workspace, written):
    """By digest a number is found in the documents of every release in which a screen found it, however it is typed."""
    facts = workspace.find_person(written)

    assert [answer["release"] for answer in facts["releases"]] == ["r0001", "r0002"]
    assert names(workspace, facts["releases"][0]) >= {"plain", "spaced"}
    assert names(workspace, facts["releases"][1]) >= {"plain", "spaced", "later"}
    assert not names(workspace, facts["releases"][1]) & {"card", "other", "longer"}
    assert facts["complete"]


@pytest.mark.parametrize(
    ("value", "name"), [(MAIL.upper(), "plain"), ("110101 19900307 002x", "card")], ids=["mail", "id"]
)
def test_addresses_and_ids_are_found(workspace, value, name):
    """Case and spaces do not hide an address or an id."""
    facts = workspace.find_person(value, releases=["r0001"])

    assert name in names(workspace, facts["releases"][0], "digest")


def test_a_scan_finds_what_no_screen_needs_to(workspace):
    """Numerals, circles and dashes are read as digits; what lies inside of a longer number is said to be no whole."""
    (answer,) = workspace.find_person(PHONE, releases=["r0001"], scan=True)["releases"]

    assert names(workspace, answer, "scan") == {"plain", "spaced", "numerals", "circled", "longer"}
    whole = {one["doc_id"] for one in answer["documents"] if any(p.get("whole") for p in one["places"])}
    held = [one for one in answer["documents"] if one["doc_id"] in whole]
    assert names(workspace, {**answer, "documents": held}) == {"plain", "spaced", "numerals", "circled"}


def test_a_scan_finds_spelled_and_encoded_addresses(workspace):
    """An address is found with its signs in words, and percent-encoded in a URI."""
    (answer,) = workspace.find_person(MAIL, releases=["r0001"], scan=True)["releases"]

    assert names(workspace, answer, "scan") == {"plain", "spelled"}
    columns = {place["column"] for one in answer["documents"] for place in one["places"] if place["by"] == "scan"}
    assert columns == {"text", "uri"}


def test_places_are_spans_of_the_text(workspace):
    """Every place is where the value stands in the stored text, in code points."""
    (answer,) = workspace.find_person(PHONE, releases=["r0001"], scan=True)["releases"]
    texts = {row["doc_id"]: row["text"] for row in workspace.release("r0001").table("documents").to_pylist()}

    for one in answer["documents"]:
        for place in one["places"]:
            if place["column"] == "text":
                span = texts[one["doc_id"]][place["start"] : place["end"]]
                assert lookup._folded(span)[0].removeprefix("86") == PHONE


def test_the_released_text_is_told_apart(workspace):
    """What a screen found was replaced in the released text; what only a scan sees may still be there."""
    (answer,) = workspace.find_person(PHONE, releases=["r0001"], scan=True)["releases"]
    released = {one["released"] for one in answer["documents"] if "digest" in one["by"]}
    unscanned = workspace.find_person(PHONE, releases=["r0001"])["releases"][0]["documents"]

    assert released == {False}
    assert {one["released"] for one in unscanned} == {None}


def test_workers_find_the_same(workspace):
    """A scan by two processes gives the answer of a scan by none."""
    alone = workspace.find_person(MAIL, scan=True)
    with Engine(workers=2) as engine:
        together = workspace.find_person(MAIL, scan=True, engine=engine)

    assert together == alone


def test_a_stranger_is_not_found(workspace):
    """A value of nobody in the corpus gives an empty and complete answer."""
    facts = workspace.find_person("nobody.else@other.example", scan=True)

    assert (facts["found"], facts["complete"]) == (0, True)
    assert all(how["limits"] for how in facts["methods"].values())


def test_digits_of_an_address_are_no_number(workspace):
    """An address with a number in it does not find the documents that hold the number."""
    assert workspace.find_person(f"x{PHONE}@other.example")["found"] == 0


@pytest.mark.parametrize(
    "value", ["", "12", "....", "1\n" + PHONE, "9" * 400], ids=["nothing", "short", "dots", "two lines", "long"]
)
def test_values_that_say_nothing_are_refused(workspace, value):
    """Too short, too long or several lines: an error that repeats none of it."""
    with pytest.raises(ConfigError) as caught:
        workspace.find_person(value)

    assert PHONE not in str(caught.value)
    assert "99999" not in str(caught.value)


def test_what_cannot_be_read_is_named(workspace, tmp_path, monkeypatch):
    """A damaged file is named, and the answer says that it is incomplete; the others are looked at."""
    copy = tmp_path / "w"
    subprocess.run(["cp", "-r", str(workspace.root), str(copy)], check=True)
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(workspace.keys_folder.parent))
    from corpus_gov.workspace import open_workspace

    opened = open_workspace(copy)
    damaged = next((copy / "documents" / "two").glob("*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    gone = next((copy / "artefacts" / "findings.pii").glob("*.parquet"))
    gone.unlink()

    facts = opened.find_person(PHONE, scan=True)

    assert not facts["complete"]
    reasons = {one["file"].split("/")[0]: one["reason"] for one in facts["unread"]}
    assert reasons == {"documents": "damaged", "artefacts": "missing: run again"}
    assert "plain" in names(workspace, facts["releases"][1])


@given(st.text(max_size=30), st.text("0123456789一二三〇①９ -.@\u200b", max_size=20))
def test_one_text_folds_as_a_column_does(before, after):
    """The fold that knows places gives what the compiled fold gives."""
    text = (before + after).encode("utf-8", "replace").decode()

    folded, at = lookup._folded(text)

    assert folded == folding.fold(pa.array([text], pa.large_string()), lookup.VIEW)[0].as_py()
    assert len(at) == len(folded)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (PHONE, True), (f"电话{PHONE}。", True), (f"周三{PHONE}", True), (f"tel{PHONE}x", True), (f"0{PHONE}", False),
        (f"{PHONE}1", False), (f"0.{PHONE}", False), (f"86 {PHONE}", True),
    ],
    ids=["alone", "Han", "Han numeral", "letters", "digit before", "digit after", "decimal", "parted"],
)  # fmt: skip
def test_neighbours_decide_what_is_whole(text, whole):
    """A digit on either side makes a number part of a longer one; letters and Han characters do not."""
    start = text.index(PHONE)

    assert lookup._alone(text, start, start + len(PHONE), mail=False) is whole


def call(workspace, value: str, *arguments: str, command: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run the command with the value on standard input."""
    environment = os.environ | {"CORPUS_GOV_KEYS": str(workspace.keys_folder.parent), "COLUMNS": "200"}
    return forked.run(["find-person", *arguments], environment, script=command, given=value.encode())


def held(tmp_path: Path, done: subprocess.CompletedProcess[bytes], *values: str) -> list[leakscan.Leak]:
    """Return what a command's output holds of the values."""
    (tmp_path / "output").write_bytes(done.stdout + done.stderr)
    return leakscan.scan([tmp_path], values)


@pytest.mark.parametrize("options", [(), ("--json",), ("--scan",), ("--scan", "--json", "--workers", "2")])
def test_the_command_does_not_repeat_the_value(workspace, tmp_path, options):
    """Tables and JSON name documents, methods and limits, and nothing of the value."""
    done = call(workspace, PHONE + "\n", str(workspace.root), *options)

    assert done.returncode == 0, done.stderr.decode()
    assert b"digest" in done.stdout
    assert held(tmp_path, done, PHONE, MAIL) == []


@pytest.mark.parametrize(
    "arguments",
    [(PHONE,), ("{w}", PHONE), ("{w}", f"--phone={PHONE}"), (f"--{PHONE}", "{w}"), ("{w}", "-p", PHONE)],
    ids=["for the workspace", "behind it", "option", "as an option", "short option"],
)
def test_a_value_on_the_command_line_is_refused_unread(workspace, tmp_path, arguments):
    """Exit code 2, and a message that does not repeat what was typed but says to remove it from the history."""
    done = call(workspace, PHONE, *(word.format(w=workspace.root) for word in arguments))

    assert done.returncode == 2
    assert b"history" in done.stderr
    assert held(tmp_path, done, PHONE) == []


@pytest.mark.parametrize(
    "value", ["", "\n", f"{PHONE}\n{MAIL}\n", "12\n"], ids=["nothing", "empty line", "two values", "short"]
)
def test_input_that_is_no_value_is_refused(workspace, tmp_path, value):
    """Nothing, several lines, or too little: exit code 2 and one line that holds none of it."""
    done = call(workspace, value, str(workspace.root))

    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert held(tmp_path, done, PHONE, MAIL) == []


def test_a_release_that_is_not_there_is_a_configuration_error(workspace, tmp_path):
    """The message names the releases there are, and not what was asked for."""
    done = call(workspace, PHONE, str(workspace.root), "--release", PHONE)

    assert done.returncode == 2
    assert b"r0002" in done.stderr
    assert held(tmp_path, done, PHONE) == []


BREAK = """
import sys
from corpus_gov import cli, lookup
def broken(value):
    raise ValueError(f"cannot read {value!r}")
lookup._sought = broken
cli.main()
"""


def test_a_bug_does_not_quote_the_value(workspace, tmp_path):
    """An unexpected exception that holds the value ends as one line that names its class."""
    done = call(workspace, PHONE, str(workspace.root), command=BREAK)

    assert done.returncode == 1
    assert b"unexpected ValueError" in done.stderr
    assert held(tmp_path, done, PHONE) == []


def test_veiled_lets_errors_of_our_own_through():
    """What corpus_gov raises on purpose keeps its class and message."""
    with pytest.raises(ConfigError, match="as it is"), lookup.veiled():
        raise ConfigError("as it is")
    with pytest.raises(CorpusGovError) as caught, lookup.veiled():
        raise KeyError(PHONE)
    assert caught.value.__suppress_context__
    assert PHONE not in str(caught.value)


def test_what_travels_shows_nothing(workspace):
    """Neither the task of a worker nor what is sought has the value in its repr."""
    sought = lookup._sought(PHONE)

    assert PHONE not in repr(sought) + repr(lookup.Scan("url", "file", "digest", sought))


def test_a_terminal_does_not_echo(workspace, tmp_path):
    """Typed on a terminal, the value is asked for and not shown."""
    environment = os.environ | {"CORPUS_GOV_KEYS": str(workspace.keys_folder.parent)}
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "corpus_gov.cli", "find-person", str(workspace.root), "--json"]
    with subprocess.Popen(
        command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        while b"not shown" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, PHONE.encode() + b"\n")
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # Linux says so when the other side has closed
                break
            shown += more
    os.close(ours)
    (tmp_path / "shown").write_bytes(shown)

    assert process.returncode == 0, shown.decode()
    assert b'"found": ' in shown
    assert leakscan.scan([tmp_path], [PHONE]) == []
