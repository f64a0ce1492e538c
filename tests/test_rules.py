"""Every rule's own cases, and what a pack may not be."""

import pickle
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import optout_cases
import pyarrow as pa
import pytest
import related_cases
from documents import documents

from corpus_gov.errors import RuleError
from corpus_gov.kernels import prefilter
from corpus_gov.rules import MAX_BYTES, Params, Rule, concern, load_pack, load_packs, read_pack, shipped
from corpus_gov.screens import look
from corpus_gov.stages import NOT_OF_TEXT

FOLDER = Path(str(shipped()))
NAMES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts)
    for path in FOLDER.rglob("*.yaml")
    if path.parent.name != "policies"
)
PACKS = load_packs(NAMES)
RULES = [rule for pack in PACKS for rule in pack.rules]

ENTRY = """\
  - id: pii.example
    version: 1
    screen: pii
    params: {pattern: 'abc', score: 0.5}
    category: A4f
    why: It is an example.
    legal: [cn.pipl.4]
    source: This test
    status: stable
    hits: [abc]
    misses: [ab]
"""
PACK = f"pack: own.example\nversion: 3\nwhy: An example.\nrules:\n{ENTRY}"


def cases(kind: str, *, strict_failure: bool = False) -> list[object]:
    marks = [pytest.mark.xfail(strict=True, reason="known; when it passes, move the case")] if strict_failure else []
    return [
        pytest.param(rule, case, id=f"{rule.id}-{kind}-{number}", marks=marks)
        for rule in RULES
        for number, case in enumerate(getattr(rule, kind))
    ]


def found_in(rule: Rule, case: str) -> bool:
    if rule.screen == "optout":
        return optout_cases.found(rule, case)
    if rule.screen in related_cases.SCREENS:
        return bool(related_cases.found(rule, case))
    column = rule.params.get("columns", ("text",))[0]
    if rule.params.get("what") == "label":
        declared, used = case.split()
        batch = documents(["é"], charset_declared=declared, charset_used=used)
        return rule.id in look(rule.screen, batch, concern(PACKS, rule.screen)).column("rule").to_pylist()
    batch = documents([case if column == "text" else ""], **({} if column == "text" else {column: case}))
    found = look(rule.screen, batch, concern(PACKS, rule.screen)).to_pylist()
    # A score of 0 is a mention, which nothing counts.
    return rule.id in [row["rule"] for row in found if row["score"] != 0]


@pytest.mark.parametrize(("rule", "case"), [*cases("hits"), *cases("known_misses", strict_failure=True)])
def test_found(rule: Rule, case: str) -> None:
    """What a rule says it finds is found by its screen with all other rules in force."""
    assert found_in(rule, case)


@pytest.mark.parametrize(("rule", "case"), [*cases("misses"), *cases("known_false_alarms", strict_failure=True)])
def test_not_found(rule: Rule, case: str) -> None:
    """What a rule says it leaves alone is not found by it."""
    assert not found_in(rule, case)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_complete(rule: Rule) -> None:
    """Every rule has cases of both kinds, legal references and a screen that exists."""
    module = import_module(f"corpus_gov.{'relate' if rule.screen in NOT_OF_TEXT else 'screens'}.{rule.screen}")

    assert rule.hits
    assert rule.misses
    assert rule.legal
    assert module.VERSION >= 1
    assert rule.file.startswith("rules/")
    assert rule.line > 1


@pytest.mark.parametrize("rule", [rule for rule in RULES if "pattern" in rule.params], ids=lambda rule: rule.id)
def test_cheaper_pattern_loses_nothing(rule: Rule) -> None:
    """Every match of a rule in any rule's cases contains what the rule scans for in its place."""
    text = "\n".join(case for other in RULES for case in (*other.hits, *other.misses, *other.known_false_alarms))
    keys = ("first", "not_before", "not_after")
    gate = prefilter.gate(rule.params["pattern"], **{key: rule.params[key] for key in keys if key in rule.params})
    expression = re.compile(gate.expression)
    expected = [match.span() for match in expression.finditer(text)]

    windows = prefilter.windows(pa.array([text], pa.large_string()), (gate,))
    found = [
        (window.start + match.start(), window.start + match.end())
        for window in windows
        for match in expression.finditer(window.text)
    ]

    assert found == expected
    assert expected


def test_rules_are_values() -> None:
    """Packs are hashable, survive pickling, and have the digest of what they say."""
    copies = pickle.loads(pickle.dumps(PACKS))  # noqa: S301 - our own bytes

    assert copies == PACKS
    assert hash(copies) == hash(PACKS)
    assert [copy.ref for copy in copies] == [pack.ref for pack in PACKS]


def test_digest_is_of_content() -> None:
    """Comments and layout leave a pack's digest alone; a changed word does not."""
    pack = read_pack(PACK.encode(), "own/example.yaml", "own.example")
    commented = read_pack(f"# a comment\n{PACK}".encode(), "elsewhere.yaml", "own.example")
    changed = read_pack(PACK.replace("[abc]", "[abcd]").encode(), "own/example.yaml", "own.example")

    assert pack.ref == f"own.example@3:{commented.digest}"
    assert commented == pack
    assert commented.rules[0].line == pack.rules[0].line + 1
    assert changed.digest != pack.digest


def test_concern_is_of_one_screen() -> None:
    """The rules of a screen have one order and one digest, however the packs are ordered."""
    pii = concern(PACKS, "pii")

    assert {rule.screen for rule in pii.rules} == {"pii"}
    assert pii.digest == concern(tuple(reversed(PACKS)), "pii").digest


def test_own_folder(tmp_path: Path) -> None:
    """An operator's folder is read in place of the shipped one."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "example.yaml").write_text(PACK, encoding="utf-8")

    pack = load_pack("own.example", tmp_path)

    assert [rule.name for rule in pack.rules] == ["pii.example@1"]
    assert pack.rules[0].params == Params((("pattern", "abc"), ("score", 0.5)))


def test_ids_are_unique_across_packs(tmp_path: Path) -> None:
    """One rule id in two packs is an error that names both places."""
    (tmp_path / "own").mkdir()
    for name in ("one", "two"):
        (tmp_path / "own" / f"{name}.yaml").write_text(PACK.replace("own.example", f"own.{name}"), encoding="utf-8")

    with pytest.raises(RuleError, match=r"two\.yaml:5.*one\.yaml:5"):
        load_packs(["own.one", "own.two"], tmp_path)


@pytest.mark.parametrize("name", ["cn.nothing", "cn", "../../etc/passwd", "cn.pii.yaml", "policies/default"])
def test_unknown_pack(name: str) -> None:
    """A pack that is not shipped is an error, and a name cannot leave the folder."""
    with pytest.raises(RuleError, match="correct the"):
        load_pack(name)


def edit(old: str, new: str) -> Callable[[], bytes]:
    return lambda: PACK.replace(old, new).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"#" * (MAX_BYTES + 1), r":1: found 4194305 bytes"),
        (lambda: b"pack: \xff", r":1: found no valid UTF-8"),
        (lambda: b"pack: [", r":[12]: found no valid YAML"),
        (lambda: b"", r":1: found a NoneType, expected keys"),
        (edit("version: 3", "version: 0"), r":2: version: found 0, expected a whole number"),
        (edit("version: 3", "version: true"), r":2: version: found True"),
        (edit("version: 3", "versions: 3"), r":2: versions: found an unknown key"),
        (edit("own.example", "own.other"), r":1: pack: found 'own.other', expected 'own.example'"),
        (edit(ENTRY, "  []\n"), r":4: rules: found a list, expected a list with an entry"),
        (edit("    version: 1\n", ""), r":5: rule 'pii.example': found no key 'version'"),
        (edit("    why:", "    whi:"), r":10: rule 'pii.example': whi: found an unknown key"),
        (edit("    why: It is an example.", "    why: ''"), r":10: rule 'pii.example': why: found '', expected text"),
        (edit("pii.example", "Example"), r":5: rule 'Example': id: found 'Example', expected the form"),
        (edit("screen: pii", "screen: ../pii"), r":7: rule 'pii.example': screen: found '../pii'"),
        (edit("status: stable", "status: good"), r":13: rule 'pii.example': status: found 'good'"),
        (edit("hits: [abc]", "hits: [1]"), r":14: rule 'pii.example': hits: found \[1\], expected a list of texts"),
        (edit("hits: [abc]", "hits: []\n    placeholder: EMAIL"), r":15: .*placeholder: found 'EMAIL'"),
        (edit("score: 0.5", "score: 2020-01-01"), r":8: .*params: found a date"),
        (edit("score: 0.5", "1: 0.5"), r":8: .*params: found the key 1, expected text"),
        (edit("{pattern: 'abc', score: 0.5}", "3"), r":8: .*params: found a int, expected keys"),
        (edit("category: A4f", "category: A4f\n    category: A4e"), r":10: category: found the key twice"),
        (edit("why: It", "why: &a It"), r":10: found an alias or anchor"),
        (edit("why: It", "why: !!str It"), r":10: found a tag"),
        (edit("score: 0.5", f"score: {'[' * 50}{']' * 50}"), r":8: found more than"),
        (edit("misses: [ab]\n", f"misses: [ab]\n{ENTRY}"), r":16: rule 'pii.example' .*stands at own/example.yaml:5"),
    ],
)
def test_bad_pack(content: Callable[[], bytes], message: str) -> None:
    """Whatever is wrong in a pack is an error that names file, line and rule."""
    with pytest.raises(RuleError, match=f"^own/example.yaml{message}"):
        read_pack(content(), "own/example.yaml", "own.example")


@pytest.mark.parametrize(
    ("screen", "params", "message"),
    [
        ("pii", "{pattern: abc, score: 0.5, speed: 1}", "unknown key 'speed' in params; screens.pii reads"),
        ("pii", "{pattern: abc}", r"params lack \['score'\]"),
        ("pii", "{pattern: abc, score: high}", "params.score is a str, expected float"),
        ("pii", "{pattern: abc, score: 0.5, validator: magic}", "unknown validator 'magic'"),
        ("pii", "{pattern: abc, score: 0.5, context: [x]}", r"params lack \['context_score'\]"),
        ("pii", "{pattern: abc, score: 0.5, validator: email}", r"params lack \['refused'\]"),
        ("pii", "{pattern: 'a+', score: 0.5}", "bound its repeats"),
        ("pii", "{pattern: '(a|b', score: 0.5}", "does not compile for linear-time scanning"),
        ("pii", "{pattern: '(a)\\1', score: 0.5}", "does not compile for linear-time scanning"),
        ("pii", "{pattern: '^a', score: 0.5}", "found the anchors"),
        ("pii", "{pattern: a, score: 0.5, not_before: ['(']}", "its boundaries do not compile"),
        ("licence", "{pattern: abc}", r"params lack \['columns'\]"),
        ("licence", "{pattern: abc, columns: [text]}", "category is 'A4f', expected one of"),
        ("nothing", "{}", "found no screen 'nothing'"),
    ],
)
def test_bad_params(screen: str, params: str, message: str) -> None:
    """A screen refuses params that it does not read before it looks at any text."""
    content = PACK.replace("screen: pii", f"screen: {screen}").replace("{pattern: 'abc', score: 0.5}", params)
    pack = read_pack(content.encode(), "own/example.yaml", "own.example")

    with pytest.raises(RuleError, match=f"^own/example.yaml:5: rule 'pii.example' .*{message}"):
        look(screen, documents(["a"]), concern([pack], screen))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{pattern: abc, columns: [body]}", r"unknown columns \['body'\]"),
        ("{pattern: abc, columns: [text], licence: 'CC-{1}'}", "names group 1, the pattern has 0"),
        ("{pattern: abc, columns: [text], unless: '('}", "a pattern in params"),
    ],
)
def test_bad_licence_params(params: str, message: str) -> None:
    """The licence screen names what is wrong in a rule of its own category."""
    content = PACK.replace("screen: pii", "screen: licence").replace("{pattern: 'abc', score: 0.5}", params)
    pack = read_pack(content.replace("A4f", "rights.owner").encode(), "own/example.yaml", "own.example")

    with pytest.raises(RuleError, match=message):
        look("licence", documents(["a"]), concern([pack], "licence"))
