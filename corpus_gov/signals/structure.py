"""How a text is put together: order of clauses, what was put in, left over or hidden. Limits are the policy's."""

import lzma
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.kernels import clauses, cuts, fragments, scripts
from corpus_gov.schemas import field
from corpus_gov.signals import Params, checked, count_field, refuse, share, share_field

VERSION: Final = 2
LIBRARIES: Final = ("numba", "numpy", "pyarrow")

MODEL: Final = Path(__file__).with_name("models") / "continuity.xz"
"""What it is, and what it was made of: models/README.md beside it."""
MODEL_DIGEST: Final = "67efff1cbbfe41e9aec395a6db567515822d2dfaf7eac251aab0faa372d23c48"
FILES: Final = (MODEL,)

UNIT: Final = 16
"""Weights of the model are in sixteenths of a natural logarithm."""


SCHEMA: Final = schemas.table(
    "structure",
    VERSION,
    "How the text is put together. Counts are from 0, shares from 0 to 1, and 0 of nothing. A clause ends at a mark "
    "or a line end, a sentence at 。！？!?, a full stop before white space, or a line end. Definitions are this "
    "project's, and so are the lists of words in kernels/fragments.py and kernels/clauses.py.",
    field("doc_id", pa.string(), "The document."),
    # --- order
    count_field(
        "n_boundaries", "Boundaries of clauses that were looked at, of the first 512 clauses; 0 under 8 clauses."
    ),
    count_field(
        "continuity",
        "How much better its clauses and marks fit in their order than in others, in thousandths of a natural "
        "logarithm, of an average boundary: low in shuffled text, mostly 100 to 3,000 in written text, 0 where "
        "n_boundaries is 0; noisy under 15. Model: models/README.md.",
    ),
    count_field("n_articles", "第…条 at the beginning of a line or sentence."),
    share_field("article_break_share", "Those whose number is not above that of the one before."),
    count_field(
        "n_cut_lines",
        "Lines of 60 bytes and more of Chinese text that end in a word nothing ends with, such as 以及, or openly "
        "before a line that begins with a particle such as 的; 0 unless three in four of four lines over 89 bytes are "
        "closed.",
    ),
    share_field("crossed_share", "Closing brackets with another kind still open inside, in closing brackets."),
    # --- what was put in
    count_field(
        "n_promotions",
        "Sentences with three different pairs of characters or words of advertising, or two and a contact.",
    ),
    share_field("promotion_share", "Han characters and words of such sentences in all."),
    share_field(
        "alien_share",
        "Han characters of a sentence that stand nowhere else in the text, in its own: the most that a promotional "
        "sentence of eight or more has.",
    ),
    count_field("n_contacts", "Sentences with seven digits in a row, an @ or ://."),
    # --- what was lost or left over
    share_field(
        "glued_share", "Numbers between Han characters that no counter, unit or particle follows, in all of them."
    ),
    count_field("n_empty_items", "Lines of a bullet alone, or of a number under 1,000 and at most two marks."),
    share_field("empty_item_share", "Those in lines that are not blank."),
    count_field("longest_line_chars", "Code points of the longest line."),
    # --- what is hidden
    count_field("n_mixed_words", "Words of Latin letters with Greek or Cyrillic ones that look like Latin."),
    count_field("n_spaced", "Han characters set apart by a space or sign of ASCII, in runs of four or more."),
    count_field("n_stacked_marks", "Combining marks after two others."),
    count_field(
        "n_selectors", "Variation selectors after a letter, a digit or another one, where they choose no form."
    ),
    share_field(
        "other_variant_share", "The rarer of characters of simplified and of traditional Chinese only, in both."
    ),
)


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Measure how texts are put together.

    Args:
        documents: DOCUMENTS, n rows; reads doc_id and text.
        params: none.

    Returns:
        SCHEMA, n rows in the same order.

    Raises:
        ConfigError: params is not empty.
        IntegrityError: the model file is not the one that the package came with.
    """
    refuse("structure", params)
    data, offsets = scripts.read_only(documents.column("text"))
    order = clauses.continuity(data, offsets, _weights())
    of = fragments.measure_fragments(data, offsets)
    boundaries, total = order[:, 0], order[:, 1]
    variants = of["simplified"] + of["traditional"]
    columns = {
        "doc_id": documents.column("doc_id"),
        "n_boundaries": boundaries,
        # Both differences of a boundary, rounded down.
        "continuity": 1000 * total // (2 * UNIT * np.maximum(boundaries, 1)),
        "n_articles": of["ordinals"],
        "article_break_share": share(of["ordinal_breaks"], of["ordinals"]),
        "n_cut_lines": cuts.cut_lines(data, offsets),
        "crossed_share": share(of["crossed"], of["brackets"]),
        "n_promotions": of["promotions"],
        "promotion_share": share(of["promotion_chars"], of["units"]),
        "alien_share": pa.array(of["alien"], pa.int32()),
        "n_contacts": of["contacts"],
        "glued_share": share(of["glued"], of["inner_numbers"]),
        "n_empty_items": of["empty_items"],
        "empty_item_share": share(of["empty_items"], of["lines"]),
        "longest_line_chars": of["longest_line"],
        "n_mixed_words": of["mixed_words"],
        "n_spaced": of["spaced"],
        "n_stacked_marks": of["stacked"],
        "n_selectors": of["selectors"],
        "other_variant_share": share(np.minimum(of["simplified"], of["traditional"]), variants),
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


@cache
def _weights() -> np.ndarray:
    return np.frombuffer(lzma.decompress(checked(MODEL, MODEL_DIGEST)), np.int8)
