"""The documentation says what is there: README's example runs, names and paths exist, tables are as in the code.

python tests/test_docs.py     # writes the sections of docs/tables.md anew from the schemas
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow as pa
import pytest

from corpus_gov import cli, policy, schemas, settlement, signals
from corpus_gov.relate import suppressed
from corpus_gov.rules import load_packs, shipped

CHECKOUT = Path(__file__).parent.parent
DOCS = CHECKOUT / "docs"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

RULES = Path(str(shipped()))
PACK_NAMES = sorted(
    ".".join(path.relative_to(RULES).with_suffix("").parts)
    for path in RULES.rglob("*.yaml")
    if path.parent.name != "policies"
)
PACKS = load_packs(PACK_NAMES)

_FENCE = re.compile(r"^```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_PATH = re.compile(r"[\w.-]+(?:/[\w.*-]+)*/?")
_WRITTEN = (".py", ".md", ".svg", ".ipynb", "Makefile", "pyproject.toml", "constraints.txt")


def text_of(name: str) -> str:
    return (CHECKOUT / name).read_text(encoding="utf-8")


def fenced(page: str, kind: str) -> list[str]:
    return [match["body"] for match in _FENCE.finditer(page) if match["kind"] == kind]


def distribution(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ]", requirement, maxsplit=1)[0]


def requirements() -> list[str]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return sorted({distribution(one) for group in groups for one in group} - {PROJECT["name"]})


def tables() -> dict[str, pa.Schema]:
    """Every table that a user can read: the fixed ones, what people write, and a family of signals each."""
    own = {"overrides": settlement.OVERRIDES, "sources": policy.SOURCES, "suppressions": suppressed.SUPPRESSIONS}
    families = {f"signals.{name}": import_module(f"corpus_gov.signals.{name}").SCHEMA for name in signals.families()}
    return schemas.TABLES | own | families


def kind_of(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {kind_of(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "reason" if kind == schemas.REASON else "struct"
    words = {"large_string": "text", "large_binary": "bytes", "timestamp[us, tz=UTC]": "time", "date32[day]": "day"}
    return words.get(str(kind), str(kind))


def rows(fields: Iterator[pa.Field] | pa.Schema) -> Iterator[str]:
    yield "| column | type | null | meaning |"
    yield "|---|---|---|---|"
    for field in fields:
        kind = kind_of(field.type) + (" /10,000" if b"scale" in (field.metadata or {}) else "")
        doc = field.metadata[b"doc"].decode().replace("|", "\\|")
        yield f"| `{field.name}` | {kind} | {'yes' if field.nullable else 'no'} | {doc} |"


def section(name: str, schema: pa.Schema) -> str:
    """Write one section of docs/tables.md."""
    metadata = schema.metadata
    head = [f"## `{name}`", "", f"{metadata[b'doc'].decode()} Version {metadata[b'version'].decode()}.", ""]
    return "\n".join([*head, *rows(schema)])


def sections() -> dict[str, str]:
    written = {name: section(name, schema) for name, schema in tables().items()}
    reason = (schemas.REASON.field(i) for i in range(schemas.REASON.num_fields))
    return written | {"reason": "\n".join(["## `reason`", "", "One element of `reasons`.", "", *rows(reason)])}


@pytest.mark.parametrize("name", sorted(sections()))
def test_tables_are_described(name: str) -> None:
    """docs/tables.md has every table with every column, type and description as the schema has them."""
    found = {part.split("`", 2)[1]: f"## {part}".strip() for part in text_of("docs/tables.md").split("\n## ")[1:]}

    assert found.get(name) == sections()[name]


def test_no_table_is_described_that_is_not_there() -> None:
    """docs/tables.md keeps no section of a table that was removed or renamed."""
    assert set(re.findall(r"^## `(.+)`$", text_of("docs/tables.md"), re.MULTILINE)) == set(sections())


def test_readme_example_runs(tmp_path: Path) -> None:
    """README's Python example, saved as a script, runs in an empty folder and prints what README says."""
    readme = text_of("README.md")
    (script,) = fenced(readme, "python")
    (expected,) = fenced(readme, "text")
    (tmp_path / "example.py").write_text(script, encoding="utf-8")
    environment = os.environ | {"CORPUS_GOV_KEYS": str(tmp_path / "keys"), "PYTHONIOENCODING": "utf-8"}

    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode() == expected


def test_readme_example_is_short() -> None:
    """The example is at most thirty lines, blank ones and comments included."""
    (script,) = fenced(text_of("README.md"), "python")

    assert len(script.splitlines()) <= 30


def test_readme_lists_every_command_and_exit_code() -> None:
    """Every command stands in README's table, and so does every exit code."""
    readme = text_of("README.md")
    names = [command.name or command.callback.__name__ for command in cli.app.registered_commands]

    assert names
    assert [name for name in names if f"| `corpus-gov {name}" not in readme] == []
    assert [code for code in {0, *cli.EXIT.values()} if f"| {code} |" not in readme] == []


@pytest.mark.parametrize(
    "name",
    [
        *(pack.name for pack in PACKS),
        *(rule.id for pack in PACKS for rule in pack.rules),
        *sorted({rule.screen for pack in PACKS for rule in pack.rules}),
        *(path.stem for path in sorted((RULES / "policies").glob("*.yaml"))),
        *signals.families(),
    ],
)
def test_every_name_is_documented(name: str) -> None:
    """Packs, rules, screens, shipped policies and families of signals are named in docs/rules.md."""
    assert f"`{name}`" in text_of("docs/rules.md")


def test_a_changed_rule_is_in_the_changelog() -> None:
    """A rule whose version was raised, so that findings may change, is named in CHANGELOG.md with that version."""
    changed = [rule.name for pack in PACKS for rule in pack.rules if rule.version > 1]

    assert [name for name in changed if name not in text_of("CHANGELOG.md")] == []


@pytest.mark.parametrize("name", [*requirements(), "hatchling"])
def test_every_dependency_has_its_reason(name: str) -> None:
    """Every distribution that pyproject.toml asks for has a row in docs/dependencies.md."""
    assert f"| `{name}` |" in text_of("docs/dependencies.md")


def importers(module: str) -> set[str]:
    pattern = re.compile(rf"^\s*(?:import|from) {module}\b(?! group)", re.MULTILINE)
    files = [*(CHECKOUT / "corpus_gov").rglob("*.py"), *(CHECKOUT / "flows").rglob("*.py")]
    return {file.relative_to(CHECKOUT).as_posix() for file in files if pattern.search(file.read_text(encoding="utf-8"))}


def test_importers_are_documented() -> None:
    """A module that imports a third party stands in that one's row of docs/dependencies.md, or its folder does."""
    base = {distribution(one) for one in PROJECT["dependencies"]}
    row = re.compile(r"^\| `([\w.-]+)` \|[^|]*\|[^|]*\| ([^|]*) \|$", re.MULTILINE)
    listed = {
        name: tuple(_QUOTED.findall(where))
        for name, where in row.findall(text_of("docs/dependencies.md"))
        if name in base and where != "everywhere"
    }
    provided = [
        (name, module)
        for module, names in packages_distributions().items()
        for name in {one.lower().replace("_", "-") for one in names} & set(listed)
    ]

    undocumented = [
        (module, file) for name, module in provided for file in importers(module) if not file.startswith(listed[name])
    ]

    assert {name for name, _ in provided} == set(listed)
    assert undocumented == []


def test_no_dependency_is_documented_that_is_not_asked_for() -> None:
    """docs/dependencies.md has no row of a distribution that pyproject.toml does not name."""
    documented = re.findall(r"^\| `([\w.-]+)` \|", text_of("docs/dependencies.md"), re.MULTILINE)

    assert sorted(set(documented) - {*requirements(), "hatchling"}) == []


def test_every_bound_is_pinned_in_the_constraints() -> None:
    """constraints.txt has an exact version of everything that pyproject.toml asks for, and no address."""
    lines = text_of("constraints.txt").split()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines}

    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    assert sorted({name.lower() for name in requirements()} - pinned) == []


def test_layout_in_design_is_complete() -> None:
    """The layout with which docs/design.md opens names every module of the package, and none that is gone."""
    layout = fenced(text_of("docs/design.md"), "text")[0]
    there = {path.name for path in (CHECKOUT / "corpus_gov").rglob("*.py")} - {"__init__.py"}
    package = layout.partition("corpus_gov/")[2].partition("\nflows/")[0]

    assert set(re.findall(r"[a-z_]+\.py", package)) - {"__init__.py"} == there


def quoted_paths(page: Path) -> list[str]:
    """Paths of this repository in backticks; names of files in a workspace are none."""
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    words = [word for quote in _QUOTED.findall(prose) for word in quote.split()]
    top = {path.name for path in CHECKOUT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    paths = [word.rstrip(",;:.") for word in words if _PATH.fullmatch(word.rstrip(",;:."))]
    return [path for path in paths if (path.split("/")[0] in top and "/" in path) or path.endswith(_WRITTEN)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_paths_exist(page: Path) -> None:
    """Every path of the repository that a page names in backticks or links to is there."""
    named = quoted_paths(page)
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]

    assert [name for name in named if not any(any(base.glob(name)) for base in (CHECKOUT, page.parent))] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_decisions_are_recorded_in_order() -> None:
    """Architecture decisions are numbered without a gap, and each has its negative consequences."""
    records = sorted((DOCS / "adr").glob("*.md"))

    assert [record.name[:4] for record in records] == [f"{n:04d}" for n in range(1, len(records) + 1)]
    assert [
        record.name for record in records if "## Negative consequences" not in text_of(f"docs/adr/{record.name}")
    ] == []


def test_pictures_can_be_read() -> None:
    """The pictures are well-formed SVG with a title, a description and a background of their own."""
    pictures = sorted(DOCS.glob("*.svg"))

    assert pictures
    for picture in pictures:
        root = ET.parse(picture).getroot()  # noqa: S314 - our own file
        tags = [child.tag.rpartition("}")[2] for child in root]
        assert tags[:2] == ["title", "desc"]
        assert "rect" in tags[:4]


def test_docs_name_no_machine() -> None:
    """No page names a registry, a user's folder or an address inside a network."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)

    assert re.findall(r"pypi\.org|/home/|/work/|localhost|index-url|mirrors?\.\w+", pages) == []


if __name__ == "__main__":
    intro = text_of("docs/tables.md").partition("\n## `")[0].rstrip("\n")
    (DOCS / "tables.md").write_text("\n\n".join([intro, *sections().values()]) + "\n", encoding="utf-8")
