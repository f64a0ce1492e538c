"""The notebooks run from top to bottom and show what their prose says, on one demo for all tests and workers."""

import ast
import fcntl
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from corpus_gov import demo
from corpus_gov.errors import ConfigError
from corpus_gov.workspace import init, open_workspace

CHECKOUT = Path(__file__).parent.parent
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))

BY_KERNEL = "01_first_look"
"""Run as Jupyter runs it; a kernel costs more than most of the others, so those run in this process."""

SHOWN = {
    "02_explain_one_document": ("[ID_NUMBER]", "296 rows hash to the root", "is whole"),
    "03_tune_a_rule": (
        "'keep -> quarantine': 18, 'redact -> quarantine': 1}",
        "exactly: drop -> quarantine: 1, keep -> quarantine: 18, redact -> quarantine: 1",
        "('r0002'",
        "is whole",
        "<svg",
    ),
    "04_duplicates_and_clusters": ("22 bands of 5 numbers", "duplicate:priority", "near.barred", "<svg"),
    "05_sources_licences_optouts": (
        "licence.cn_ban_reuse@2",
        "DENIED",
        "delivery: valid -> expired",
        "drop -> quarantine: 3",
        "<svg",
    ),
    "06_personal_data": ("pii.cn_resident_id", "by scan", "[EMAIL]", "<svg"),
    "07_train_a_classifier": ("May be handed on: yes", "('r0002'", "is whole", "<svg"),
}
"""Of each other notebook, what its prose speaks of."""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the demo, beside its keys: whichever worker is first makes it, the others wait."""
    root = tmp_path_factory.getbasetemp()
    root = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "notebooks"
    root.mkdir(exist_ok=True)
    place = root / "place"
    with (root / "lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            patch.setenv("CORPUS_GOV_KEYS", str(root / "keys"))
            patch.delenv(demo.PLACE, raising=False)
            patch.setattr(tempfile, "tempdir", str(root))
            place.write_text(str(demo.ready().root), encoding="utf-8")
        return Path(place.read_text(encoding="utf-8"))


@pytest.fixture
def settled(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point a notebook at the demo, and whatever it writes at a folder of its own."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(made.parent.parent / "keys"))
    monkeypatch.setenv(demo.PLACE, str(made))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def code_of(name: str) -> list[Any]:
    """Return the code cells of a notebook."""
    notebook = nbformat.read(CHECKOUT / "notebooks" / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown_by(name: str) -> str:
    """Run the code cells of a notebook in this process; return all that they print and end in."""
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for cell in code_of(name):
        tree = ast.parse(cell.source)
        last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        with redirect_stdout(io.StringIO()) as printed:
            exec(compile(tree, f"{name}:{cell.id}", "exec"), names)  # noqa: S102 - the project's own cells
            value = eval(compile(last, f"{name}:{cell.id}", "eval"), names) if last else None  # noqa: S307
        shown += [printed.getvalue(), *displayed(value)]
    return "\n".join(shown)


def displayed(value: Any) -> Iterator[str]:
    """Yield what Jupyter would show of the value that a cell ends in: a picture, a whole table, or its repr."""
    if value is None:
        return
    if isinstance(value, pd.DataFrame):
        with pd.option_context("display.max_rows", None, "display.max_columns", None, "display.max_colwidth", None):
            yield value.to_string()
    elif hasattr(value, "_repr_mimebundle_"):
        found = value._repr_mimebundle_()
        yield (found[0] if isinstance(found, tuple) else found)["image/svg+xml"]
    else:
        yield repr(value)


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def exposed(made: Path, shown: str) -> list[str]:
    """Name the findings of personal data whose value, as received, is in what was shown; in the names it is not."""
    release = open_workspace(made).release()
    documents = {row["doc_id"]: row for row in release.table("documents").to_pylist()}
    found = [row for row in release.table("findings").to_pylist() if row["rule"].startswith("pii.")]
    values = [documents[row["doc_id"]][row["column"]][row["start"] : row["end"]] for row in found]
    assert len(values) == 22
    return [f"{row['rule']} of {row['doc_id']}" for row, value in zip(found, values, strict=True) if value in shown]


def test_every_notebook_is_run_here_and_named_in_the_guide() -> None:
    """A notebook is in the table above, in the guide for researchers, and says how to point it at one's own corpus."""
    names = [path.stem for path in NOTEBOOKS]
    guide = (CHECKOUT / "docs" / "howto-researchers.md").read_text(encoding="utf-8")

    assert names == sorted([BY_KERNEL, *SHOWN])
    assert [name for name in names if f"`notebooks/{name}.ipynb`" not in guide] == []
    assert [path.stem for path in NOTEBOOKS if "## With your own workspace" not in path.read_text("utf-8")] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    """What a cell showed is not committed: it would go stale, and may be of somebody's corpus."""
    notebook = nbformat.read(path, as_version=4)

    assert [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs_in_a_kernel(made: Path, settled: Path) -> None:
    """Jupyter runs every cell without an error, shows a picture, and the release is whole."""
    path = CHECKOUT / "notebooks" / f"{BY_KERNEL}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    before = files_of(made)

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(settled)}}).execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs)
    assert "r0001 is whole: 296 rows." in outputs[-1]["text"]
    assert files_of(made) == before
    assert exposed(made, nbformat.writes(notebook)) == []


@pytest.mark.parametrize("name", SHOWN)
def test_notebook_shows_what_it_speaks_of(name: str, made: Path, settled: Path) -> None:
    """Every cell runs without an error or a warning, what the prose tells comes out, and the demo stays as it was."""
    before = files_of(made)

    shown = shown_by(name)

    assert [text for text in SHOWN[name] if text not in shown] == []
    assert "FAIL" not in shown
    assert files_of(made) == before
    assert exposed(made, shown) == []


def test_other_workspaces_are_no_demo(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace of somebody's own is not opened in place of the demo, since notebooks publish in copies of that."""
    monkeypatch.setenv("CORPUS_GOV_KEYS", str(settled / "keys"))
    own = init(settled / "own", name="Mine", owner="me")
    monkeypatch.setenv(demo.PLACE, str(own.root))

    with pytest.raises(ConfigError, match=f"{demo.PLACE}: found the workspace 'w-.*open_workspace"):
        demo.ready(copy=True)


def test_a_demo_that_was_not_run_is_refused(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a release there is nothing to look at, and the message says what to do."""
    demo.prepare(settled / "bare")
    monkeypatch.setenv(demo.PLACE, str(settled / "bare"))

    with pytest.raises(ConfigError, match="run first"):
        demo.ready()
