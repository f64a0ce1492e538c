"""How kernels are compiled: without the GIL, and cached on disk until something changes that they are made of.

numba's cache on disk asks whether the file of a function has changed. What it compiled into that function from
another file, a decoder or a table of constants, it does not ask about: after an upgrade, code of the old version
would go on giving the old results. So a kernel's cache also depends on a digest of its module and of all modules of
this package that it imports, and that these import.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from numba import njit

_PACKAGE: Final = Path(__file__).parent.parent
_KERNELS: Final[list[Any]] = []
_MOST: Final = 0.75
"""Share of kernels that a cache may lack and be a filled one: many are compiled by the first document that asks."""

_IMPORTS: Final = re.compile(
    rf"^\s*(?:from|import) ({_PACKAGE.name}[\w.]*)(?: import (\([^)]*\)|[^\n]*))?", re.MULTILINE
)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call; it runs without the GIL."""
    compiled = _compiled(function)
    _KERNELS.append(compiled)
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into the kernels that call it: a call with an array costs more than a short loop."""
    return _compiled(function, inline="always")


@cache
def digest(module: Path) -> str:
    """Return the SHA-256, hex, over a module of this package and all that it imports of this package, by name."""
    closure, asked = {module}, [module]
    while asked:
        more = closure.symmetric_difference(closure.union(_imported(asked.pop())))
        closure |= more
        asked += more
    found = sha256()
    for path in sorted(closure):
        data = path.read_bytes()
        found.update(f"{path.stem} {len(data)}\n".encode() + data)
    return found.hexdigest()


@cache
def _imported(module: Path) -> frozenset[Path]:
    """Return the files of this package that a module names in its imports, in functions too."""
    return frozenset(_files(module.read_text(encoding="utf-8")))


def _files(text: str) -> Iterator[Path]:
    for imported in _IMPORTS.finditer(text):
        base = _PACKAGE.parent.joinpath(*imported[1].split("."))
        # What is imported from a package may be a module of it.
        for path in (base, *(base / name for name in re.findall(r"\w+", imported[2] or ""))):
            yield from (one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file())


def cold() -> bool:
    """Say whether the cache on disk was never filled, by the kernels of the modules that this process has imported."""
    held = [bool(compiled._cache._cache_file._load_index()) for compiled in _KERNELS]  # noqa: SLF001 - see _compiled
    return held.count(False) > _MOST * len(held)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    compiled: Any = njit(nogil=True, cache=True, **options)(function)
    # numba has no public way to say on what else a cache depends; tests/test_compiling.py holds it to this one.
    index = compiled._cache._cache_file  # noqa: SLF001
    index._source_stamp = (index._source_stamp, digest(Path(function.__code__.co_filename)))  # noqa: SLF001
    return compiled
