"""Compiled code in a cache is never older than what it was compiled from."""

import os
import pkgutil
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from numba.core.registry import CPUDispatcher

from corpus_gov import kernels
from corpus_gov.kernels import compiling

PACKAGE = Path(compiling.__file__).parent.parent

USER = """
from corpus_gov.kernels.base import MEANING, add
from corpus_gov.kernels.compiling import kernel

@kernel
def total(number):
    return add(number) + MEANING
"""
BASE = """
from corpus_gov.kernels.compiling import kernel

MEANING = 100

@kernel
def add(number):
    return number + 1
"""
ASK = """
from corpus_gov.kernels.compiling import cold
from corpus_gov.kernels.user import total
before = cold()
print(total(0), sum(total.stats.cache_hits.values()), int(before), int(cold()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Write a package of two modules, one of which is compiled from the other."""
    folder = tmp_path / "corpus_gov" / "kernels"
    folder.mkdir(parents=True)
    for each in (folder.parent, folder):
        (each / "__init__.py").touch()
    shutil.copy(PACKAGE / "kernels" / "compiling.py", folder)
    (folder / "user.py").write_text(USER, encoding="utf-8")
    (folder / "base.py").write_text(BASE, encoding="utf-8")
    return folder


def answer(folder: Path) -> list[int]:
    """Call the kernel in a process of its own: its result, how often the cache served, if it was cold and still is."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=folder)
    return [int(word) for word in done.stdout.split()]


def test_a_change_in_another_module_is_compiled_anew(tmp_path: Path, package: Path) -> None:
    """A kernel is served from the cache until a module that it was compiled from changes, even by one character."""
    assert answer(tmp_path) == [101, 0, 1, 0]
    assert answer(tmp_path) == [101, 1, 0, 0]

    (package / "base.py").write_text(BASE.replace("+ 1", "+ 2").replace("100", "200"), encoding="utf-8")

    assert answer(tmp_path) == [202, 0, 1, 0]
    assert answer(tmp_path) == [202, 1, 0, 0]


def test_a_change_elsewhere_compiles_nothing_anew(tmp_path: Path, package: Path) -> None:
    """A module that a kernel does not import, itself or by way of others, is none of its business."""
    assert answer(tmp_path) == [101, 0, 1, 0]

    (package / "other.py").write_text("from corpus_gov.kernels import user\n", encoding="utf-8")

    assert answer(tmp_path) == [101, 1, 0, 0]


def test_every_kernel_depends_on_what_it_imports() -> None:
    """No kernel of this package has a cache that asks about its own file alone."""
    names = [f"corpus_gov.kernels.{module.name}" for module in pkgutil.iter_modules(kernels.__path__)]
    modules = [import_module(name) for name in [*names, "corpus_gov.relate.blocks"]]
    found = {
        (value.py_func.__code__.co_filename, f"{module.__name__}.{name}"): value._cache._cache_file._source_stamp
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, CPUDispatcher)
    }

    assert len(found) > 20
    assert [name for (file, name), stamp in found.items() if compiling.digest(Path(file)) not in stamp] == []


def test_imports_are_followed_however_they_are_written() -> None:
    """Modules are found behind `import a.b`, `from a import b`, and lists of names over several lines."""
    keying = PACKAGE / "stages" / "keying.py"
    found = {path.relative_to(PACKAGE).as_posix() for path in compiling._imported(keying)}

    assert {"kernels/folding.py", "kernels/columns.py", "relate/records.py", "stages/__init__.py"} <= found
    assert "kernels/views.py" not in found
