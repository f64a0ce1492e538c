"""How surprising the characters of a text are to a model of Chinese and English."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import ngrams, scripts
from corpus_gov.schemas import field
from corpus_gov.signals import Params, refuse

VERSION: Final = 1
LIBRARIES: Final = ("numba", "numpy", "pyarrow")

MODEL: Final = Path(__file__).with_name("models") / "ngrams.xz"
"""What it is, and what it was made of: models/README.md beside it."""
MODEL_DIGEST: Final = "f13dfabe9b4c8ffc857b08ffb2fb35f364eedef770a1f796a49965414955a37e"
FILES: Final = (MODEL,)

SCHEMA: Final = schemas.table(
    "perplexity",
    VERSION,
    "Surprise of the first 4,096 characters, white space in a row being one, to a model of n-grams of up to five "
    "(models/README.md): -log2 of their probability after those before, in thousandths of a bit; 2 to the bits is the "
    "perplexity of a character. 0 to 60,000, and 0 of nothing. Levels differ by language and subject: compare "
    "texts of one source.",
    field("doc_id", pa.string(), "The document."),
    field("n_scored", pa.int64(), "Characters looked at."),
    field("char_bits", pa.int64(), "Of an average character."),
    field(
        "gained_bits",
        pa.int64(),
        "By how much less than by the frequency of characters alone; about 0 or below where they stand in no order. "
        "From -60,000.",
    ),
    field("worst_bits", pa.int64(), "Of an average character of the most surprising 64 in a row; 0 under 64."),
    field("best_bits", pa.int64(), "Of the least surprising 64; 0 under 64."),
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
    if (found := sha256(MODEL.read_bytes()).hexdigest()) != MODEL_DIGEST:
        raise IntegrityError(
            f"{MODEL.name}: SHA-256 is {found!r}, expected {MODEL_DIGEST!r}; install the package again"
        )
    return ngrams.load(MODEL)
