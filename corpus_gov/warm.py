"""What worker processes share: the libraries, loaded once in the process that they are forked from.

Importing this module does it. Every worker would otherwise spend some four seconds of its own on imports, on
compiled kernels and on the language model, and hold them in its own memory. Nothing here may start a thread: a
thread does not live through a fork.
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
    """Import MODULES, and run what every document meets on one: kernels, patterns and models are loaded by that.

    All of it stays for as long as the process, so the garbage collector need not look for what could go: that takes
    a fifth of the time here, and afterwards it would write to pages that workers share.
    """
    gc.disable()
    for name in MODULES:
        import_module(name)
    _look()
    gc.freeze()
    gc.enable()


def _look() -> None:
    """Silence Dask; run every measure, and every screen with the shipped rules, on a document with an address in it."""
    import pyarrow as pa  # noqa: PLC0415 - not before `load` has stopped the garbage collector

    from corpus_gov import config, rules, screens, signals  # noqa: PLC0415
    from corpus_gov.engine import quiet  # noqa: PLC0415
    from corpus_gov.relate.presets import PRESETS  # noqa: PLC0415
    from corpus_gov.schemas import DOCUMENTS  # noqa: PLC0415
    from corpus_gov.stages import FAMILIES, NOT_OF_TEXT, keying  # noqa: PLC0415

    quiet()
    # The other cores are the other workers'.
    pa.set_cpu_count(1)
    document = {field.name: 0 if pa.types.is_integer(field.type) else "a@example.com" for field in DOCUMENTS}
    document |= {field.name: None for field in DOCUMENTS if field.nullable}
    document |= {"doc_id": "0" * 32, "text_digest": "0" * 64}
    batch = pa.RecordBatch.from_pylist([document], schema=DOCUMENTS)
    for family in FAMILIES:
        signals.measure(family, batch, {})
    # Patterns of other packs are compiled by the worker that meets them first.
    packs = rules.load_packs(config.PACKS)
    for screen in sorted({rule.screen for pack in packs for rule in pack.rules}.difference(NOT_OF_TEXT)):
        screens.look(screen, batch, rules.concern(packs, screen))
    for kind in keying.KINDS:
        keying.keys_of(kind, batch, PRESETS["default"])


load()
