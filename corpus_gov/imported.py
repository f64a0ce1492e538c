"""What worker processes share at the least: the libraries, imported once in the process that they are forked from.

Importing this module does it. It is enough for workers that may have nothing to screen, as when only the policy has
changed; `warm` goes on to load kernels, patterns and models. Nothing here may start a thread: a thread does not live
through a fork.
"""

import gc
from importlib import import_module
from typing import Final

MODULES: Final = (
    # What the command itself imports, which Python runs again in a forked process as its main module.
    "corpus_gov.arguments",
    "corpus_gov.terminal",
    "typer",
    "distributed",
    "distributed.nanny",
    "pyarrow.compute",
    "pyarrow.parquet",
    *(f"corpus_gov.stages.{stage}" for stage in ("reading", "looking", "pairing", "measuring", "clustering")),
    *(f"corpus_gov.stages.{stage}" for stage in ("repeating", "comparing", "judging", "electing", "settling")),
)
"""What tasks import, and Dask to run them."""


def load() -> None:
    """Import MODULES and silence Dask.

    All of it stays for as long as the process, so the garbage collector need not look for what could go: that takes a
    fifth of the time here.
    """
    gc.disable()
    for name in MODULES:
        import_module(name)
    from corpus_gov.engine import quiet  # noqa: PLC0415 - not before the collector has stopped

    quiet()
    # The other cores are the other workers'.
    import_module("pyarrow").set_cpu_count(1)
    gc.enable()


load()
