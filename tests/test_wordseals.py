"""Lists that nobody can read find what the plain ones find, and nothing that is made from them shows an entry."""

import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pytest
import small_corpus
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rescreening import Screening
from typer.testing import CliRunner, Result

from corpus_gov import artefacts, cli, keys, wordchanges, wordlists, wordsealing, wordseals
from corpus_gov.errors import ConfigError, RuleError
from corpus_gov.kernels import multimatch, sealedmatch, wordtokens
from corpus_gov.rules import RulePack, concern, load_pack
from corpus_gov.screens import look
from corpus_gov.stages.looking import BuildTask, build_shard

KEY = bytes(range(32))
ID = wordseals.key_id(KEY)

PACK = """\
pack: own.slots
version: 1
why: A test.
rules:
  - id: slot.one
    version: 1
    screen: {screen}
    params: {{columns: [{column}], slot: slots/own.txt{find}}}
    category: A1d
    why: A test.
    legal: [a.1]
    source: This test
    status: stable
    hits: []
    misses: []
"""
FIND = ", find: [{word: strong}, {word: weak, near: link, within: 9}, {word: many, distinct: 2, whole: true}]"

LISTS = """\
[strong]
网上赌场
free money = fr33 money (look-alikes)
加v
[weak]
赌场
开户
[link]
court
no. 7
[many]
开户
money
赌.场
"""
PIECES = [
    "赌场",
    "網上賭場",
    "赌.场",
    " 开 户 ",
    "court",
    "Free  money",
    "fr33 money",
    "加Ｖ",
    "no 7",
    "x",
    "。",
    "\n",
    " ",
    "-",
]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys lie in a folder of these tests, with the key of the lists among them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("keys")
        patch.setenv(keys.ENV, str(folder))
        wordseals.new_key(KEY)
        yield folder


def pack(folder: Path, listed: bytes, screen: str = "keywords") -> RulePack:
    """Write a pack with a slot and its file, and read it."""
    of_words = screen == "keywords"
    (folder / "own" / "slots").mkdir(parents=True, exist_ok=True)
    text = PACK.format(screen=screen, column="text" if of_words else "uri", find=FIND if of_words else "")
    (folder / "own" / "slots.yaml").write_text(text, encoding="utf-8")
    (folder / "own" / "slots" / "own.txt").write_bytes(listed)
    return load_pack("own.slots", folder)


def sealed(plain: str) -> bytes:
    """Seal lists under the key of these tests."""
    return wordsealing.seal_lists(plain.encode(), "own.txt", KEY)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[RulePack, RulePack]:
    """The same lists, plain and sealed."""
    read = (pack(tmp_path_factory.mktemp("rules"), listed) for listed in (LISTS.encode(), sealed(LISTS)))
    first, second = (concern([one], "keywords") for one in read)
    return first, second


@settings(max_examples=300)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=5))
def test_sealed_lists_find_what_plain_ones_find(both: tuple[RulePack, RulePack], texts: list[str]) -> None:
    """Findings by sealed lists are, row for row, those by the lists that they were made of."""
    plain, hidden = (look("keywords", documents(texts), one) for one in both)

    assert hidden.equals(plain)


@settings(max_examples=200)
@given(
    st.lists(st.text("甲乙ab .", min_size=2, max_size=9), min_size=1, max_size=8),
    st.lists(st.text("甲乙ab .。*-\n", max_size=60), max_size=4),
)
def test_windows_are_those_of_the_plain_search(entries: list[str], texts: list[str]) -> None:
    """Every place of every entry is found, pulled apart or not, and no other."""
    usable = [form for entry, form in zip(entries, wordtokens.forms(entries), strict=True)
              if not wordtokens.unusable(entry, form)]  # fmt: skip
    forms = list(dict.fromkeys(usable)) or [(1, 2)]
    lines = "".join(f"{len(form)} {short:08x} {wordseals.digest(form, wordseals._derived(KEY, 'entries'))}\n"
                    for form, short in zip(forms, sealedmatch.shorts(forms, wordseals._derived(KEY, "windows")),
                                           strict=True))  # fmt: skip
    listed = wordlists.parse(f"[a sealed words1 {ID}]\n{lines}".encode(), "own.txt")["a"]
    column = pa.array(texts, pa.large_string())

    (ready,) = wordseals.ready((entry, number) for number, entry in enumerate(listed) if isinstance(entry, dict))
    places, plain = wordseals.find(column, ready), multimatch.find(column, multimatch.build(forms))

    assert sorted(map(tuple, places.found.tolist())) == sorted(map(tuple, plain.found.tolist()))
    assert places.points.tolist() == plain.points.tolist()


@pytest.mark.parametrize("before", [0, 900, 1023, 1024, 1071, 1072, 1073, 5000])
def test_buffers_and_limits_do_not_show(before: int, tmp_path: Path) -> None:
    """Places across the edges of buffers are found; beyond the limit they are counted, as by a plain list."""
    plain = "[strong]\nfree money\n" + "长" * 48 + "\n"
    text = "字" * before + " free money " * 200 + "长" * 120 + " free money"

    found = [
        look("keywords", documents([text, "x", text]), concern([pack(tmp_path, listed)], "keywords"))
        for listed in (plain.encode(), sealed(plain))
    ]

    assert found[0].num_rows == 2 * 65
    assert found[1].equals(found[0])


def test_more_windows_than_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little room there is for windows at first, all of them are found."""
    forms = wordtokens.forms([f"word{number} other" for number in range(50)])
    hashes = sealedmatch.prepare([(len(form), short) for form, short in zip(forms, sealedmatch.shorts(forms, KEY),
                                                                             strict=True)], KEY)  # fmt: skip
    column = pa.array([". ".join(f"word{number} other" for number in range(50))])
    whole = sealedmatch.find(column, hashes)
    monkeypatch.setattr(sealedmatch, "_ROOM", 1 - len(hashes.known))

    again = sealedmatch.find(column, hashes)

    assert len(whole.found) == 50
    assert (again.found.tolist(), again.tokens) == (whole.found.tolist(), whole.tokens)


def siphash(message: bytes, key: bytes, c: int, d: int) -> int:
    """Compute SipHash-c-d, as its paper says it."""
    k0, k1 = (int.from_bytes(key[at : at + 8], "little") for at in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(value: int, by: int) -> int:
        return (value << by | value >> (64 - by)) & (1 << 64) - 1

    def rounds(count: int) -> None:
        for _ in range(count):
            for a, b, by, other in ((0, 1, 13, 32), (2, 3, 16, 0), (2, 1, 17, 32), (0, 3, 21, 0)):
                v[a] = (v[a] + v[b]) & (1 << 64) - 1
                v[b] = turn(v[b], by) ^ v[a]
                v[a] = turn(v[a], other) if other else v[a]

    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) & 255])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(c)
        v[0] ^= word
    v[2] ^= 255
    rounds(d)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def test_short_hashes_are_as_documented() -> None:
    """A short hash is the upper half of SipHash-1-3 over the turned sum of SipHash-1-3 of the tokens."""
    assert siphash(bytes(range(8)), bytes(range(16)), 2, 4) == 0x93F5F5799A932462  # the paper's vector
    (form,) = wordtokens.forms(["free 赌场"])
    total = 0
    for token in form:
        total = (total << 1 | total >> 63) & (1 << 64) - 1
        total ^= siphash(token.to_bytes(8, "little"), KEY[:16], 1, 3)

    assert sealedmatch.shorts([form], KEY) == [siphash(total.to_bytes(8, "little"), KEY[16:], 1, 3) >> 32]


def test_folding_is_that_of_the_sealed_form() -> None:
    """Entries fold to the tokens that `words1` stands for; who changes this digest raises wordlists.WORDS."""
    said = sha256(wordtokens.folded().tobytes()).hexdigest()

    assert wordlists.WORDS == "words1"
    assert said[:16] == "656b3ca8c626acfa"


def test_no_entry_can_be_read(tmp_path: Path) -> None:
    """Neither the file nor the pack nor what a run stores of it holds an entry."""
    screening = Screening(tmp_path)
    (screening.rules / "own").mkdir(parents=True)
    entries = ["zyzzyva quokka", "ferry", "图书馆"]
    plain = "[one]\n" + "\n".join(entries) + "\n"
    listed = wordsealing.seal_lists(plain.encode(), "own.txt", KEY)
    read = load_sealed(screening, listed)
    found = artefacts.get(screening.store, screening.name())

    assert sum("ferry" in text or "图书馆" in text for text in small_corpus.texts(80)) > 0
    assert len(found) > 0
    stored = [screening.store.read(name) for name in screening.store.list("artefacts/outlines.keywords/")]
    shown = [listed, repr(read).encode(), repr(found.to_pylist()).encode(), *stored]
    assert len(stored) == 4  # two outlines, and the digest of each
    assert [
        entry for entry in entries for one in shown if entry.encode() in one or entry.split()[0].encode() in one
    ] == []
    assert KEY.hex().encode() not in b"".join(shown)


def load_sealed(screening: Screening, listed: bytes) -> RulePack:
    """Build findings by a pack of one rule whose list is sealed."""
    screening.build({"one": ["bridge"]})
    (screening.rules / "own" / "words" / "own.txt").write_bytes(listed)
    assert build_shard(BuildTask(screening.context, screening.shard)).rebuilt == ()
    return load_pack("own.words", screening.rules)


def test_a_new_sealed_entry_is_looked_for_alone(tmp_path: Path) -> None:
    """Of a sealed list that got an entry, texts are searched for that one, and findings are those of a full screen."""
    packs = [concern([pack(tmp_path, sealed(text))], "keywords") for text in (LISTS, LISTS + "[strong]\nferry\n")]

    changes = wordchanges.changes(*map(wordchanges.outline, packs))
    ((entry,),) = changes.values()
    found = look("keywords", documents(["the ferry", "free money"]), wordchanges.probe(changes))

    assert entry["sealed"] in sealed("[strong]\nferry\n").decode()
    assert found.column("start").to_pylist() == [4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.unlink(), "cannot read the key"),
        (lambda file: file.write_text(bytes(32).hex()), f"found the key '{wordseals.key_id(bytes(32))}', expected"),
        (lambda file: file.write_text("short"), "found no 32 bytes in hex"),
        (lambda file: file.chmod(0o644), "found mode 0644, expected 0600"),
    ],
)
@pytest.mark.parametrize("screen", ["keywords", "blocklist"])
def test_without_its_key_nothing_is_screened(
    screen: str, change: Callable[[Path], object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that is lost, another or open to others is an error that names the rule; it is no empty list."""
    monkeypatch.setenv(keys.ENV, str(tmp_path / "keys"))
    wordseals.new_key(KEY)
    plain = b"[strong]\nexample.com\n"
    read = pack(tmp_path, wordsealing.seal_lists(plain, "own.txt", KEY, hosts=screen == "blocklist"), screen)
    change(wordseals.key_file(ID))

    with pytest.raises(RuleError, match=f"^{tmp_path}/own/slots.yaml:5: rule 'slot.one' .*cannot be used: .*{message}"):
        look(screen, documents(["x"]), concern([read], screen))


@pytest.mark.parametrize(
    ("screen", "listed", "message"),
    [
        ("keywords", f"[strong sealed hosts1 {ID}]\n2 {'0' * 64}\n", "sealed as 'hosts1', expected 'words1'"),
        ("keywords", f"[strong sealed words1 {ID}]\n49 {'0' * 8} {'0' * 64}\n", "with 49 tokens, expected at most 48"),
        ("keywords", f"[strong sealed words1 {ID}]\n", "the list 'strong' is .*expected entries"),
        (
            "blocklist",
            f"[strong sealed words1 {ID}]\n2 {'0' * 8} {'0' * 64}\n",
            "sealed as 'words1', expected 'hosts1'",
        ),
    ],
)
def test_lists_sealed_as_something_else(screen: str, listed: str, message: str, tmp_path: Path) -> None:
    """What was sealed for another screen, or by nobody, is an error before any text is looked at."""
    with pytest.raises(RuleError, match=message):
        look(screen, documents(["x"]), concern([pack(tmp_path, listed.encode(), screen)], screen))


def test_sealed_hosts(tmp_path: Path) -> None:
    """A sealed domain stands for what is below it, in whatever form it was written."""
    listed = wordsealing.seal_lists("[secret]\nHidden.example.com\n例子.测试\n".encode(), "own.txt", KEY, hosts=True)
    read = concern([pack(tmp_path, listed, "blocklist")], "blocklist")
    uris = ["https://sub.hidden.example.com/", "https://example.com/", "https://www.例子.测试/x"]

    found = [look("blocklist", documents(["x"], uri=uri), read).column("note").to_pylist() for uri in uris]

    assert found == [["secret"], [], ["secret"]]
    assert b"hidden" not in listed


@pytest.mark.parametrize(
    ("plain", "hosts", "message"),
    [
        ("[a]\n。。\n", False, "the list 'a' has an entry that has 0 words or characters"),
        ("[a]\n赌\n", False, "the list 'a' has an entry that is one character when folded"),
        (f"[a sealed words1 {ID}]\n1 {'0' * 8} {'0' * 64}\n", False, "the list 'a' sealed already"),
        ("[a]\nco.uk\n", True, "the list 'a' has an entry that is a public suffix"),
        ("[a]\n=www.example.com\n", True, "the list 'a' has an entry that is one host alone or a page"),
        ("[a]\nexample.com/x\n", True, "the list 'a' has an entry that is one host alone or a page"),
    ],
)
def test_what_cannot_be_sealed(plain: str, hosts: bool, message: str) -> None:  # noqa: FBT001
    """An entry that nothing could find is an error when it is sealed, which does not quote it."""
    with pytest.raises(RuleError, match=f"^own.txt: .*{message}"):
        wordsealing.seal_lists(plain.encode(), "own.txt", KEY, hosts=hosts)


def test_hostile_text_takes_linear_time() -> None:
    """A text of nothing but windows that may be entries takes eight times as long when it is eight times as long."""
    forms = wordtokens.forms(["甲" * n for n in range(2, 49)])
    shorts = sealedmatch.shorts(forms, KEY)
    hashes = sealedmatch.prepare([(len(form), short) for form, short in zip(forms, shorts, strict=True)], KEY)
    texts = [pa.array(["甲" * n]) for n in (10_000, 80_000)]
    sealedmatch.find(texts[0], hashes)

    least = [float("inf")] * 2
    for _ in range(5):
        for i, text in enumerate(texts):
            start = time.thread_time()
            windows = sealedmatch.find(text, hashes)
            least[i] = min(least[i], time.thread_time() - start)

    assert len(windows.found) == wordtokens.MOST * len(forms)
    assert windows.more[:, 2].max() == 79_999
    assert least[1] < 24 * least[0]


def run(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli.app, ["rules", *map(str, arguments)])


def test_seal_list_command(tmp_path: Path) -> None:
    """The command writes the sealed file and a key of its own; a key that is there can be used again."""
    plain, sealed_file, second = (tmp_path / name for name in ("plain.txt", "own.txt", "second.txt"))
    plain.write_text(LISTS, encoding="utf-8")

    made = json.loads(run("seal-list", plain, sealed_file, "--json").stdout)
    again = json.loads(run("seal-list", plain, second, "--list-key", made["key"], "--json").stdout)
    refused = run("seal-list", plain, sealed_file)

    assert made == again | {"key": made["key"]}
    assert made["entries"] == 11
    assert second.read_bytes() == sealed_file.read_bytes()
    assert Path(made["file"]).stat().st_mode & 0o777 == 0o600
    assert isinstance(refused.exception, ConfigError)
    assert "own.txt: found 'File exists'" in str(refused.exception)
    found = look("keywords", documents(["free money"]), concern([pack(tmp_path, second.read_bytes())], "keywords"))
    assert found.num_rows == 1


def test_lint_counts_sealed_entries(tmp_path: Path) -> None:
    """A slot that was filled says by how many entries, and how many of them are sealed."""
    pack(tmp_path, (sealed("[strong]\n网上赌场\nfree money\n[many]\nfree money\n") + b"[weak]\nmarket\n"))

    done = json.loads(run("lint", "own.slots", "--rules", tmp_path, "--json").stdout)

    (slot,) = done["slots"]
    assert slot["filled"]
    assert (slot["plain"], slot["sealed"]) == (1, 2)
    assert next(one for one in done["risks"] if one["risk"] == "A1d")["sealed"] == 2
