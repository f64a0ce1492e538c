"""Facts of texts by the screens and signals in force, and what a policy makes of them: no store, no other documents."""

from collections.abc import Sequence
from functools import cache

import pyarrow as pa
from documents import documents

from corpus_gov import config, policy, signals
from corpus_gov.facts import facts
from corpus_gov.rules import RulePack, concern, load_packs
from corpus_gov.screens import look
from corpus_gov.stages import FAMILIES, NOT_OF_TEXT

SOURCE = {"source_id": "tests", "kind": "own", "status": "valid", "basis": "own_content", "priority": 0}
"""A source with papers, so that only what the text says speaks."""


def of_texts(texts: Sequence[str], without: Sequence[str] = ()) -> pa.Table:
    """Return the facts of texts as documents of a source with papers, with the default packs but for some screens."""
    batch, packs = documents(list(texts)), _packs()
    named = sorted({rule.screen for pack in packs for rule in pack.rules}.difference(NOT_OF_TEXT, without))
    found = [pa.Table.from_batches([look(name, batch, concern(packs, name))]) for name in named]
    measured = {family: pa.Table.from_batches([signals.measure(family, batch, {})]) for family in FAMILIES}
    nobody = pa.table({name: pa.array([], pa.string()) for name in ("doc_id", "state", "digest")})
    return facts(pa.Table.from_batches([batch]), measured, pa.concat_tables(found), nobody, SOURCE, packs)


def judged(name: str, known: pa.Table) -> list[tuple[str, list[str]]]:
    """Return disposition and codes of the reasons that a shipped policy gives each document, rules left out of them."""
    rows = policy.judge(policy.load(name), known).to_pylist()
    return [(row["disposition"], sorted({one["code"].partition(":")[0] for one in row["reasons"]})) for row in rows]


@cache
def _packs() -> tuple[RulePack, ...]:
    return load_packs(config.PACKS)
