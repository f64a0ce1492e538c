"""How kernels are compiled: without the GIL, and cached on disk for as long as no kernel has changed.

numba's cache on disk asks whether the file of a function has changed. What it compiled into that function from
another file, a decoder or a table of constants, it does not ask about: after an upgrade, code of the old version
would go on giving the old results. So a kernel's cache also depends on a digest of all modules of this folder.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function on its first call; it runs without the GIL."""
    return _compiled(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into the kernels that call it: a call with an array costs more than a short loop."""
    return _compiled(function, inline="always")


@cache
def digest() -> str:
    """Return the SHA-256, hex, over all modules of this folder, by name."""
    found = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        data = path.read_bytes()
        found.update(f"{path.name} {len(data)}\n".encode() + data)
    return found.hexdigest()


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    compiled: Any = njit(nogil=True, cache=True, **options)(function)
    # numba has no public way to say on what else a cache depends; tests/test_compiling.py holds it to this one.
    index = compiled._cache._cache_file  # noqa: SLF001
    index._source_stamp = (index._source_stamp, digest())  # noqa: SLF001
    return compiled
