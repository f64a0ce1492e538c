"""How surprising the characters of a text are to a model of Chinese and English."""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.kernels import ngrams, scripts
from corpus_gov.schemas import field
from corpus_gov.signals import Params, checked, count_field, refuse

VERSION: Final = 2
LIBRARIES: Final = ("numba", "numpy", "pyarrow")

MODEL: Final = Path(__file__).with_name("models") / "ngrams.xz"
"""What it is, and what it was made of: models/README.md beside it."""
MODEL_DIGEST: Final = "3f10bd6bb8a5b300ec62af60a14c35ae88c3f4f67612fa9b4952e98274ddf42b"
FILES: Final = (MODEL,)

SCHEMA: Final = schemas.table(
    "perplexity",
    VERSION,
    "Surprise of the first 4,096 characters, white space in a row being one, to a model of n-grams of up to five "
    "(models/README.md): -log2 of their probability after those before, in thousandths of a bit; 2 to the bits is the "
    "perplexity of a character. 0 to 60,000, and 0 of nothing. Levels differ by language and subject: compare "
    "texts of one source.",
    field("doc_id", pa.string(), "The document."),
    count_field("n_scored", "Characters looked at."),
    count_field("char_bits", "Of an average character."),
    count_field(
        "gained_bits",
        "By how much less than by the frequency of characters alone; about 0 or below where they stand in no order. "
        "From -60,000.",
    ),
    count_field("worst_bits", "Of an average character of the most surprising 64 in a row; 0 under 64."),
    count_field("best_bits", "Of the least surprising 64; 0 under 64."),
)


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Measure how surprising the characters of texts are.

    Args:
        documents: DOCUMENTS, n rows; reads doc_id and text.
        params: none.

    Returns:
        SCHEMA, n rows in the same order.

    Raises:
        ConfigError: params is not empty.
        IntegrityError: the model file is not the one that the package came with.
    """
    refuse("perplexity", params)
    of = _model().measure(*scripts.read_only(documents.column("text")))
    n = of["characters"]
    columns = {
        "doc_id": documents.column("doc_id"),
        "n_scored": n,
        "char_bits": _bits(of["surprise"], n),
        "gained_bits": _bits(of["alone"] - of["surprise"], n),
        "worst_bits": _bits(of["worst"], np.full_like(n, ngrams.WINDOW)),
        "best_bits": _bits(of["best"], np.full_like(n, ngrams.WINDOW)),
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def _bits(steps: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Average of sums in 1/STEPS bits, in thousandths of a bit, rounded down."""
    bits: np.ndarray = 1000 * steps // (ngrams.STEPS * np.maximum(count, 1))
    return bits


@cache
def _model() -> ngrams.Model:
    checked(MODEL, MODEL_DIGEST)
    return ngrams.load(MODEL)
