"""What a text is made of: characters, words and lines. Counts and shares only; limits are the policy's."""

from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.kernels import scripts, textstats
from corpus_gov.schemas import field
from corpus_gov.signals import Params, refuse, share

VERSION: Final = 1
LIBRARIES: Final = ("numba", "numpy", "pyarrow")

SCHEMA: Final = schemas.table(
    "quality",
    VERSION,
    "Counts and shares of the text. A line ends at U+000A; blank lines are no lines, and white space at either end "
    "of a line is no part of it. A share of nothing is 0.",
    field("doc_id", pa.string(), "The document."),
    field("n_chars", pa.int64(), "Code points."),
    field("n_lines", pa.int64(), "Lines that are not blank."),
    field("n_words", pa.int64(), "Han characters, and runs of letters, marks and digits of other scripts."),
    field("n_urls", pa.int64(), "Occurrences of '://'."),
    field("mean_line_chars", pa.int64(), "Code points of an average line, rounded down."),
    field("han_share", pa.int32(), "Han characters in code points.", scale=True),
    field("letter_share", pa.int32(), "Letters of the Latin script in code points.", scale=True),
    field("digit_share", pa.int32(), "Decimal digits of any script in code points.", scale=True),
    field("symbol_share", pa.int32(), "Punctuation, symbols, emoji, number signs in code points.", scale=True),
    field("whitespace_share", pa.int32(), "White space, line ends included, in code points.", scale=True),
    field("replacement_share", pa.int32(), "U+FFFD, left by a wrong charset, in code points.", scale=True),
    field("control_share", pa.int32(), "Control characters that are not white space in code points.", scale=True),
    field("dup_line_share", pa.int32(), "Lines equal to an earlier line in lines.", scale=True),
    field("dup_line_char_share", pa.int32(), "Code points of such lines in those of all lines.", scale=True),
    field(
        "short_line_share",
        pa.int32(),
        "Lines under 30 bytes of UTF-8 (30 ASCII letters, 10 Han characters) in lines.",
        scale=True,
    ),
    field(
        "terminal_line_share",
        pa.int32(),
        "Lines that end a sentence in lines; 。！？…；”』」） end one, and so does .!? before closing marks.",
        scale=True,
    ),
    field(
        "bullet_line_share", pa.int32(), "Lines that start with a bullet, or a dash and space, in lines.", scale=True
    ),
    field("ellipsis_line_share", pa.int32(), "Lines that end in … or ... in lines.", scale=True),
)


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Count what the texts are made of.

    Nothing here tells a good text from a bad one; that Chinese has no spaces between words, and other
    marks at the end of a sentence, is taken care of.

    Args:
        documents: DOCUMENTS, n rows; reads doc_id and text.
        params: none.

    Returns:
        SCHEMA, n rows in the same order.

    Raises:
        ConfigError: params is not empty.
    """
    refuse("quality", params)
    classes, of = textstats.measure_text(documents.column("text"))
    chars, lines = classes.sum(axis=1), of["n_lines"]
    han = classes[:, [scripts.HAN, scripts.HANS, scripts.HANT]].sum(axis=1)
    columns = {
        "doc_id": documents.column("doc_id"),
        "n_chars": pa.array(chars),
        "n_lines": pa.array(lines),
        "n_words": pa.array(of["n_words"] + han),
        "n_urls": pa.array(of["n_urls"]),
        "mean_line_chars": pa.array(of["line_chars"] // np.maximum(lines, 1)),
        "han_share": share(han, chars),
        "letter_share": share(classes[:, scripts.LATIN], chars),
        "digit_share": share(classes[:, scripts.DIGIT], chars),
        "symbol_share": share(classes[:, scripts.SYMBOL], chars),
        "whitespace_share": share(classes[:, scripts.SPACE], chars),
        "replacement_share": share(classes[:, scripts.REPLACEMENT], chars),
        "control_share": share(classes[:, scripts.CONTROL], chars),
        "dup_line_share": share(of["dup_lines"], lines),
        "dup_line_char_share": share(of["dup_chars"], of["line_chars"]),
        "short_line_share": share(of["short_lines"], lines),
        "terminal_line_share": share(of["terminal_lines"], lines),
        "bullet_line_share": share(of["bullet_lines"], lines),
        "ellipsis_line_share": share(of["ellipsis_lines"], lines),
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)
