"""What worker processes that screen share: kernels, patterns and models, loaded in the process they are forked from.

Importing this module does it. Every worker would otherwise spend some four seconds of its own on imports, on
compiled kernels and on the language model, and hold them in its own memory. Nothing here may start a thread: a
thread does not live through a fork.
"""

import gc
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

from corpus_gov import imported  # noqa: F401 - before what is loaded here
from corpus_gov.engine import can_fork
from corpus_gov.kernels import compiling


def load() -> None:
    """Run what every document meets on one: kernels, patterns and models are loaded by that, and stay.

    What stays is kept out of the garbage collector's sight, which would write to pages that workers share.
    """
    gc.disable()
    looks = _looks()
    _compile(looks)
    for look in looks:
        look()
    gc.freeze()
    gc.enable()


def _compile(looks: Sequence[Callable[[], object]]) -> None:
    """Compile what the cache on disk does not hold, in as many processes as there are cores.

    Each begins elsewhere among the looks and goes through all of them; what another one has compiled meanwhile comes
    from the cache. Alone it takes a minute and a half, once on every machine and after every upgrade.
    """
    if not compiling.cold():
        return
    cores = os.cpu_count() or 1
    children = []
    for core in range(cores if can_fork() else 0):
        first = core * len(looks) // cores
        if (child := os.fork()) == 0:
            # What fails fails again in the parent, where it is seen.
            with ExitStack() as leaving:
                leaving.callback(os._exit, 0)
                for look in (*looks[first:], *looks[:first]):
                    look()
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _looks() -> list[Callable[[], object]]:
    """Return every measure, and every screen with the shipped rules, of a document with an address."""
    import pyarrow as pa  # noqa: PLC0415 - not before `load` has stopped the garbage collector

    from corpus_gov import config, rules, screens, signals  # noqa: PLC0415
    from corpus_gov.relate.presets import PRESETS  # noqa: PLC0415
    from corpus_gov.schemas import DOCUMENTS  # noqa: PLC0415
    from corpus_gov.stages import FAMILIES, NOT_OF_TEXT, keying  # noqa: PLC0415

    document = {field.name: 0 if pa.types.is_integer(field.type) else "a@example.com" for field in DOCUMENTS}
    document |= {field.name: None for field in DOCUMENTS if field.nullable}
    document |= {"doc_id": "0" * 32, "text_digest": "0" * 64}
    batch = pa.RecordBatch.from_pylist([document], schema=DOCUMENTS)
    # Patterns of other packs are compiled by the worker that meets them first.
    packs = rules.load_packs(config.PACKS)
    asked = sorted({rule.screen for pack in packs for rule in pack.rules}.difference(NOT_OF_TEXT))
    return [
        *(partial(signals.measure, family, batch, {}) for family in FAMILIES),
        *(partial(screens.look, screen, batch, rules.concern(packs, screen)) for screen in asked),
        *(partial(keying.keys_of, kind, batch, PRESETS["default"]) for kind in keying.KINDS),
    ]


load()
