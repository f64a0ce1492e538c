"""Documents and rules in, findings out: what a screen is, and how one is run."""

from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Final, NamedTuple, TypeAlias

import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.errors import RuleError, SchemaError
from corpus_gov.kernels import percent
from corpus_gov.rules import Params, Rule, RulePack

Screen: TypeAlias = Callable[[pa.RecordBatch, RulePack], pa.RecordBatch]
"""
Documents and the rules of one concern in, findings out.

A screen only looks: it never changes, drops or reorders documents, opens no network connection and
keeps no state between calls. Same documents, same rules, same findings, on any engine and for any way
of cutting the corpus into batches.
"""

FAILED = "screen.failed"
"""Rule and category of the finding that stands for a document on which a screen raised."""


_FAILED = Rule(
    id=FAILED,
    version=1,
    screen="screens",
    params=Params(),
    category=FAILED,
    why="A text that could not be screened must not pass for one in which nothing was found.",
    legal=(),
    source="corpus_gov.screens",
    status="stable",
    hits=(),
    misses=(),
)


class TimedOutError(RuntimeError):
    """A clock ended a screen: that says nothing about the document, so it stops the run."""


_STOPPING: Final = (RuleError, SchemaError, ImportError, MemoryError, TimedOutError)
"""A wrong rule or a bug is nobody's document; a missing library, memory and time say nothing about the text."""


class Hit(NamedTuple):
    """One finding before it is a row: which document, which column, which code points, which rule."""

    row: int
    column: str
    start: int
    end: int
    rule: Rule
    score: float | None = None
    note: str | None = None


def look(name: str, documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    """Run one screen; where it raises, find out on which documents and say so in the findings.

    Args:
        name: of the module in `corpus_gov.screens`.
        documents: DOCUMENTS, n rows.
        rules: those that name this screen.

    Returns:
        FINDINGS, in the order of the documents. A document on which the screen raised has one finding
        `screen.failed` of it, noted with the class of the exception and nothing else.

    Raises:
        RuleError: there is no such screen, or a rule is wrong.
        SchemaError: the screen returned something else than FINDINGS.
        TimedOutError: something in the screen went by a clock, which no result may depend on.
    """
    try:
        screen: Screen = import_module(f"corpus_gov.screens.{name}").screen
    except ModuleNotFoundError as error:
        if error.name != f"corpus_gov.screens.{name}":
            raise
        first = rules.rules[0].error if rules.rules else RuleError
        raise first(f"found no screen {name!r}; name a module of corpus_gov/screens") from error
    try:
        return _checked(name, screen, documents, rules)
    except _STOPPING:
        raise
    except Exception:
        if documents.num_rows == 0:
            raise
        # Whatever it is: the documents, one by one, show where it comes from.
        return _one_by_one(name, screen, documents, rules)


def everywhere(documents: pa.RecordBatch, column: str, find: Callable[[pa.Array], Iterable[Hit]]) -> Iterator[Hit]:
    """Look at a column as it is and, where it holds addresses, at what their percent-encoding stands for.

    Where a rule finds overlapping spans in several readings, that of the most decoded one is the finding: it is
    the value, and the others have signs of the encoding in them.

    Args:
        documents: DOCUMENTS.
        column: one of TEXT_COLUMNS.
        find: texts to hits in them; `row` counts the texts that it was given.

    Yields:
        Hits in code points of the column as it is.
    """
    if column != "uri":
        yield from find(documents.column(column))
        return
    known: defaultdict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
    for layer in reversed(percent.layers(documents.column(column))):
        for hit, start, end in [
            (hit, *layer.places[hit.row][[hit.start, hit.end]].tolist()) for hit in find(layer.texts)
        ]:
            found = hit._replace(row=int(layer.rows[hit.row]), start=start, end=end)
            if _is_new(found, known):
                yield found
    yield from (hit for hit in find(documents.column(column)) if _is_new(hit, known))


def findings(documents: pa.RecordBatch, hits: Iterable[Hit]) -> pa.RecordBatch:
    """Make the table of what was found.

    Args:
        documents: DOCUMENTS, as the screen got them.
        hits: in any order; scores from 0 to 1.

    Returns:
        FINDINGS, one row a hit, by document, column in the order of TEXT_COLUMNS, span and rule; masked, hmac and
        key_id are null.
    """
    columns = {name: number for number, name in enumerate(schemas.TEXT_COLUMNS)}
    ordered = sorted(hits, key=lambda hit: (hit.row, columns[hit.column], hit.start, hit.end, hit.rule.id))
    rows = pa.array([hit.row for hit in ordered], pa.int64())
    scores = [None if hit.score is None else round(hit.score * schemas.SCALE) for hit in ordered]
    nothing = pa.nulls(len(ordered), pa.string())
    values = {
        "doc_id": documents.column("doc_id").take(rows),
        "text_digest": documents.column("text_digest").take(rows),
        "rule": [hit.rule.id for hit in ordered],
        "version": [hit.rule.version for hit in ordered],
        "column": [hit.column for hit in ordered],
        "start": [hit.start for hit in ordered],
        "end": [hit.end for hit in ordered],
        "score": scores,
        "category": [hit.rule.category for hit in ordered],
        "masked": nothing,
        "hmac": nothing,
        "key_id": nothing,
        "note": [hit.note for hit in ordered],
    }
    return pa.record_batch([pa.array(values[f.name], f.type) for f in schemas.FINDINGS], schema=schemas.FINDINGS)


def _is_new(hit: Hit, known: defaultdict[tuple[int, str], list[tuple[int, int]]]) -> bool:
    spans = known[hit.row, hit.rule.id]
    place = bisect(spans, (hit.start, hit.end))
    # Known spans do not overlap one another: only the neighbours can overlap this one.
    if (place and hit.start < spans[place - 1][1]) or (place < len(spans) and spans[place][0] < hit.end):
        return False
    spans.insert(place, (hit.start, hit.end))
    return True


def _checked(name: str, screen: Screen, documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    found = screen(documents, rules)
    schemas.check(found, schemas.FINDINGS, f"screens.{name}")
    return found


def _one_by_one(name: str, screen: Screen, documents: pa.RecordBatch, rules: RulePack) -> pa.RecordBatch:
    parts = []
    for row in range(documents.num_rows):
        document = documents.slice(row, 1)
        try:
            parts.append(_checked(name, screen, document, rules))
        except _STOPPING:
            raise
        except Exception as error:  # noqa: BLE001 - recorded: the finding quarantines the document
            # The class only: a message may quote the text.
            failed = Hit(0, "text", 0, 0, _FAILED, note=f"{name}:{type(error).__name__}")
            parts.append(findings(document, [failed]))
    return pa.concat_batches(parts)
