"""What worker processes share: the libraries, loaded once in the process that they are forked from.

Importing this module does it. Every worker would otherwise spend some four seconds of its own on imports, on
compiled kernels and on the language model, and hold them in its own memory. Nothing here may start a thread: a
thread does not live through a fork.
"""

from typing import Final

import pyarrow as pa

from corpus_gov import config, rules, screens, signals
from corpus_gov.engine import quiet
from corpus_gov.relate.presets import PRESETS
from corpus_gov.schemas import DOCUMENTS
from corpus_gov.stages import FAMILIES, NOT_OF_TEXT, comparing, judging, looking, reading, relating, repeating, settling

STAGES: Final = (reading, looking, relating, repeating, comparing, judging, settling)


def load() -> None:
    """Silence Dask; run every measure, and every screen with the shipped rules, on a document with an address in it."""
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
    for kind in relating.KINDS:
        relating.keys_of(kind, batch, PRESETS["default"])


load()
