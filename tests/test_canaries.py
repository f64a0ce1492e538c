"""Personal values planted everywhere in an input appear nowhere outside `documents`.

Not in files, names, caches and keys; not in output, progress bars, logs at their lowest level, error messages and
tracebacks; not in reports; and not in what pytest prints of a test that fails.
"""

import gzip
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import forked
import leakscan
import pytest
import small_corpus
import veil

from corpus_gov import pipeline
from corpus_gov.engine import Engine
from corpus_gov.explain import lines
from corpus_gov.report import markdown
from corpus_gov.schemas import TEXT_COLUMNS
from corpus_gov.screens import FAILED
from corpus_gov.workspace import open_workspace

MAIL = "qiu.canary@leak-check.example"
PHONE = "13912348765"
CARD = "11010119900307002X"
BANK = "6228480402564890018"
WECHAT = "canary_wx_7731"
CANARIES = (MAIL, PHONE, CARD, BANK, WECHAT)


def page() -> bytes:
    """A page with canaries in title, text, header, footer and a link."""
    body = " ".join(f"The gauge at lock {n} was read by the keeper before noon." for n in range(20))
    return (
        f"<html><head><title>Ask {MAIL}</title><meta name='author' content='{MAIL}'></head>"
        f"<body><header>Call {PHONE}</header><main><p>{body}</p><p>Card {CARD}, mail {MAIL}.</p>"
        f"<p>卡号：{BANK}，加微信：{WECHAT}咨询。</p></main>"
        f"<footer>© 2026 {MAIL} {PHONE}</footer></body></html>"
    ).encode()


def warc_record(uri: str, payload: bytes, kind: bytes = b"response") -> bytes:
    """One WARC record around an HTTP response."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nX-Contact: " + MAIL.encode() + b"\r\n\r\n"
    block = http + payload
    head = (
        b"WARC/1.0\r\nWARC-Type: " + kind + b"\r\nWARC-Target-URI: " + uri.encode() + b"\r\n"
        b"WARC-Date: 2026-09-01T10:00:00Z\r\nWARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000001>\r\n"
        b"Content-Type: application/http; msgtype=response\r\nContent-Length: " + str(len(block)).encode() + b"\r\n\r\n"
    )
    return head + block + b"\r\n\r\n"


def plant(inputs: Path) -> None:
    """Write inputs whose names, keys, addresses and broken lines hold canaries too."""
    inputs.mkdir()
    records = [
        warc_record(f"https://site.example/contact?mail={MAIL}&tel={PHONE}", page()),
        warc_record(f"https://site.example/{PHONE}", b"", b"request"),
        warc_record(f"https://site.example/mail?to={MAIL.replace('@', '%40')}", page().replace(b"noon", b"dusk")),
        b"WARC/1.0\r\nbroken " + MAIL.encode() + b"\r\n\r\n",
    ]
    (inputs / f"crawl-{PHONE}.warc.gz").write_bytes(b"".join(gzip.compress(record) for record in records))
    rows = [
        {
            "text": f"Please write to {MAIL} or call {PHONE}. " * 3 + f"银行卡号{BANK}，微信号{WECHAT}。",
            "uri": f"https://b.example/{PHONE}",
            MAIL: PHONE,
        },
        {"text": 5, "uri": MAIL},
        {"no": CARD},
    ]
    lines = [json.dumps(row) for row in rows]
    (inputs / f"list-{MAIL}.jsonl").write_text("\n".join([*lines, f"broken {CARD}", ""]), encoding="utf-8")


CHECKOUT = Path(__file__).parent.parent


@pytest.fixture
def place(tmp_path, monkeypatch) -> dict[str, str]:
    """A workspace over planted inputs, with a home, a folder for temporary files, keys and logs of its own."""
    for name in ("temp", "home", "log"):
        (tmp_path / name).mkdir()
    folders = {
        "CORPUS_GOV_KEYS": tmp_path / "keys", "TMPDIR": tmp_path / "temp", "HOME": tmp_path / "home",
        "XDG_STATE_HOME": tmp_path / "home" / "state",
    }  # fmt: skip
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(folders["CORPUS_GOV_KEYS"]))
    plant(tmp_path / "inputs")
    small_corpus.make(tmp_path / "w", tmp_path / "inputs", patterns=("*.warc.gz", "*.jsonl"))
    for name in ("one", "two"):
        dossier = tmp_path / "w" / "sources" / f"{name}.yaml"
        dossier.write_text(dossier.read_text().replace("format: jsonl", "format: auto"))
    return os.environ | {name: str(folder) for name, folder in folders.items()}


def call(tmp_path: Path, environment: dict[str, str], name: str, *arguments: str, script: str = "") -> int:
    """Run the command, or a script in its place, and keep all that it says in log/; returns the exit code."""
    done = forked.run(arguments, environment, script=script)
    (tmp_path / "log" / f"{name}.log").write_bytes(done.stdout + done.stderr)
    return done.returncode


def leaks(tmp_path: Path) -> list[leakscan.Leak]:
    """Look for the canaries in everything but inputs and `documents`."""
    folders = [path for path in tmp_path.iterdir() if path.name != "inputs"]
    return leakscan.scan(folders, CANARIES, allow=is_document)


def is_document(path: Path) -> bool:
    """Say whether a file may hold personal data."""
    return path.parent.parent.name == "documents"


@pytest.mark.slow
def test_canaries_stay_in_documents(tmp_path, place):
    """Commands leave planted values in documents and inputs, and in no other file or output."""
    w = str(tmp_path / "w")

    assert call(tmp_path, place, "run", "run", w, "--workers", "2") == 0
    assert call(tmp_path, place, "json", "run", w, "--json", "--force", "--workers", "1") == 0
    assert call(tmp_path, place, "status", "status", w) == 0
    assert call(tmp_path, place, "verify", "verify", w) == 0
    assert call(tmp_path, place, "diff", "diff", w, "r0001", "r0002", "--json") == 0
    assert call(tmp_path, place, "explain", "explain", w, "") == 2
    assert call(tmp_path, place, "no release", "explain", w, "", "--release", "r9999") == 2

    assert leaks(tmp_path) == []
    assert leakscan.scan([tmp_path / "w" / "documents"], CANARIES)


LOUD = """
import logging, sys
logging.basicConfig(level=1, filename=sys.argv.pop(1))
# The compiler dumps every instruction at this level.
logging.getLogger("numba").setLevel(logging.WARNING)
from corpus_gov import cli
cli.main()
"""


@pytest.mark.slow
def test_logs_and_reports_hold_no_canary(tmp_path, place):
    """Every logger at its lowest level, what `explain` says of every document, and a run's report in Markdown."""
    folder, log = tmp_path / "w", tmp_path / "log"

    assert call(tmp_path, place, "loud", str(log / "all.log"), "run", str(folder), "--workers", "1", script=LOUD) == 0
    workspace = open_workspace(folder)
    release = workspace.release()
    facts = [release.explain(doc_id) for doc_id in release.table("manifest", ["doc_id"])["doc_id"].to_pylist()]
    (log / "explain.json").write_text(json.dumps(facts, default=str))
    (log / "explain.txt").write_text("\n".join(line for one in facts for line in lines(one)))
    with Engine(workers=1) as engine:
        outcome = pipeline.run(workspace, engine=engine, as_of=small_corpus.AS_OF, force=True)
    (log / "report.md").write_text(markdown(outcome))

    assert (log / "all.log").stat().st_size
    rules = {finding["rule"] for one in facts for finding in one["findings"]}
    assert rules >= {"pii.email", "pii.cn_mobile", "pii.cn_resident_id", "pii.cn_bank_card", "pii.cn_wechat"}
    assert FAILED not in rules
    # Each column that is screened held one: none was left out of the proof.
    assert {finding["column"] for one in facts for finding in one["findings"]} >= set(TEXT_COLUMNS)
    assert leaks(tmp_path) == []


@pytest.mark.slow
def test_progress_bars_hold_no_canary(tmp_path, place):
    """What a run draws on a terminal names stages and rates, and nothing of a text."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "corpus_gov.cli", "run", str(tmp_path / "w"), "--workers", "2"]
    shown = bytearray()
    with subprocess.Popen(command, env=place | {"COLUMNS": "200"}, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        while True:
            try:
                shown += os.read(ours, 1 << 16)
            except OSError:  # Linux says so when the other side has closed
                break
    os.close(ours)
    (tmp_path / "log" / "terminal").write_bytes(shown)

    assert process.returncode == 0, veil.hide(shown.decode())
    assert b"screen" in shown
    assert b"\x1b[" in shown
    assert leaks(tmp_path) == []


BREAK = """
import sys
from corpus_gov import cli, screens, seal, signals
from corpus_gov.screens import licence, pii

def broken(*arguments):
    raise {kind}(str([one.to_pylist() for one in arguments if hasattr(one, "to_pylist")]))

{where} = broken
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "kind", "code"),
    [
        # A screen that raises is a finding, and the run goes on; the rest ends it.
        ("licence.screen", "ValueError", 0),
        ("pii.screen", "ValueError", 0),
        ("signals.measure", "KeyError", 1),
        ("seal.seal", "RuntimeError", 1),
    ],
)
def test_exceptions_that_quote_a_text_are_not_repeated(tmp_path, place, where, kind, code):
    """An exception whose message is the whole batch ends as its class and its place, in findings as on the screen."""
    script = BREAK.format(where=where, kind=kind)

    found = call(tmp_path, place, "broken", "run", str(tmp_path / "w"), "--workers", "1", script=script)

    said = (tmp_path / "log" / "broken.log").read_text()
    assert found == code, veil.hide(said)
    assert code == 0 or f"{kind} in corpus_gov/" in said, veil.hide(said)
    assert leaks(tmp_path) == []


@pytest.mark.slow
def test_the_flow_holds_no_canary(tmp_path, place):
    """Prefect's state, logs and artifacts of a scheduled run, at its lowest level of logging."""
    environment = place | {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_LOGGING_LEVEL": "DEBUG"}
    command = [sys.executable, str(CHECKOUT / "flows" / "govern.py"), str(tmp_path / "w"), "--workers", "1"]

    # Started and not forked: Prefect ends its server when Python ends as it should.
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    (tmp_path / "log" / "flow.log").write_bytes(done.stdout + done.stderr)

    assert done.returncode == 0, veil.hide((tmp_path / "log" / "flow.log").read_text())
    assert list((tmp_path / "prefect").glob("*.db"))
    assert leaks(tmp_path) == []


NUMBERS = (MAIL, PHONE, CARD, BANK)
"""What has a form of its own; the name of an account has none, and is told by the words around it."""

FAILING = """
import logging, sys
from dataclasses import dataclass
import pytest

VALUES = {values!r}
TEXT = "Please write to {{0}} or call {{1}}, card {{2}}.".format(*VALUES)

@dataclass
class Holder:
    value: str

@pytest.fixture
def broken():
    raise ValueError(TEXT)

def test_of_text(): assert TEXT == TEXT.replace("call", "ring")
def test_of_list(): assert [Holder(value) for value in VALUES] == []
def test_of_one(): assert VALUES[0] in ("", VALUES[1] + "!")
def test_of_number(): assert int(VALUES[1]) == 1
def test_of_message(): raise KeyError(TEXT)
def test_of_fixture(broken): pass
def test_of_output():
    print(TEXT); print(TEXT, file=sys.stderr); logging.getLogger().error(TEXT)
    assert False, TEXT
def test_of_match():
    with pytest.raises(ValueError, match="nothing"): raise ValueError(TEXT)

@pytest.mark.data
def test_of_real_data():
    print("Somebody Else")
    assert "Somebody Else" == "nobody"
"""


@pytest.mark.parametrize("options", [[], ["-vv", "--showlocals"], ["--tb=short"], ["--tb=line"], ["-n", "1"]])
def test_failing_tests_print_no_value(tmp_path, options):
    """However an assertion fails and however much is asked for, planted values are hidden; real data more so."""
    (tmp_path / "test_failing.py").write_text(FAILING.format(values=NUMBERS), encoding="utf-8")
    arguments = ["-p", "veil", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), *options]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "tests"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop(veil.SHOW, None)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, str(tmp_path)], env=environment, capture_output=True, check=False
    )

    (tmp_path / "output").write_bytes(done.stdout + done.stderr)
    assert b"8 failed" in done.stdout, veil.hide(done.stdout.decode())
    assert b"1 error" in done.stdout
    assert leakscan.scan([tmp_path / "output"], [*NUMBERS, "Somebody Else"]) == []


def test_what_is_hidden_can_be_shown(tmp_path):
    """SHOW_VALUES=1 is for the developer's own screen; it also proves that the failures above hold the values."""
    (tmp_path / "test_failing.py").write_text(FAILING.format(values=NUMBERS), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "tests"), veil.SHOW: "1"}
    arguments = [
        "-vv",
        "-p",
        "veil",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]

    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], env=environment, capture_output=True, check=False
    )

    (tmp_path / "output").write_bytes(done.stdout)
    shown = {leak.value for leak in leakscan.scan([tmp_path / "output"], [*NUMBERS, "Somebody Else"])}
    assert shown == {*NUMBERS, "Somebody Else"}


def test_the_suite_hides_values_and_its_names_hold_none():
    """Our own tests run under the same hook, and no name of one is a planted value."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "tests/test_canaries.py", "tests/test_lookup.py"],
        cwd=CHECKOUT, capture_output=True, check=True, text=True,
    )  # fmt: skip

    assert "from veil import pytest_runtest_makereport" in (CHECKOUT / "tests" / "conftest.py").read_text()
    assert [value for value in CANARIES if value in done.stdout] == []


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("a li@example.com b", "a <mail> b"),
        ("q=li%40example.com", "q=<mail>"),
        ("138 0013 8000", "<number>"),
        ("11010119900307002X,", "<number>,"),
        ("sha256 1234567890123456789a", "sha256 1234567890123456789a"),
        ("2026-11-22 12:38:57", "2026-11-22 12:38:57"),
        ("left @ right", "left @ right"),
    ],
    ids=["mail", "encoded mail", "parted number", "id", "digest", "time", "sign"],
)
def test_forms_are_hidden(text, hidden):
    """Addresses and long numbers are hidden; digests, times and single signs are not."""
    assert veil.hide(text) == hidden
