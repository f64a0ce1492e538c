"""In which language and script a text is written."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import schemas
from corpus_gov.errors import IntegrityError
from corpus_gov.kernels import scripts, textmodel
from corpus_gov.schemas import field
from corpus_gov.signals import Params, refuse, share

VERSION: Final = 2
LIBRARIES: Final = ("numba", "numpy", "pyarrow")

MODEL: Final = Path(__file__).with_name("lid") / "lid.176.ftz"
"""Source and licence: lid/NOTICE.md beside it."""
MODEL_DIGEST: Final = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
FILES: Final = (MODEL,)

SAMPLE_POINTS: Final = 1000
"""How many code points of letters the model sees of a long text. Fewer lose pages that open with text in another
language; more cost time and change nothing (measured at 200 to 2,000 on help pages in eight languages)."""

SCRIPTS: Final = ("Hani", "Latn", "Cyrl", "Arab", "Jpan", "Kore", "other", "Hans", "Hant", "Zyyy")
"""ISO 15924 codes, and `other`. Hani: Han characters of which too few are simplified or traditional only, or both
kinds are mixed. Zyyy: no letters."""

OWN_LANGUAGE: Final = {"Hans": "zh", "Hant": "zh", "Jpan": "ja", "Kore": "ko"}
"""Scripts of one language. Here the model is not asked: of short Chinese texts it takes one in twelve for Japanese,
kana or not, and it is slowest on text without spaces."""

_WEIGHT: Final = 3
"""So many letters of an alphabet say as much as a Han character, kana or Hangul syllable; its bytes of UTF-8, too.
Without it Chinese pages full of names of software are Latin."""

_MIXED: Final = 4
"""One kind of Chinese characters must be so many times as frequent as the other."""

_KANA: Final = 10
"""Han characters belong to Japanese when at least one in so many of them and of kana is kana; a の does not do it."""

SCHEMA: Final = schemas.table(
    "language",
    VERSION,
    "Language by the model lid.176 or by script, and script by counting.",
    field("doc_id", pa.string(), "The document."),
    field("code", pa.string(), "Two-letter ISO 639-1 code, three letters where there is none; 'und' without letters."),
    field(
        "score",
        pa.int32(),
        "The model's probability of the code; where the script decides (OWN_LANGUAGE), script_share; 0 for 'und'.",
        scale=True,
    ),
    field("script", pa.string(), "The script of most letters, one of SCRIPTS; Han, kana and Hangul count three times."),
    field("script_share", pa.int32(), "Letters of that script in letters, counted in the same way.", scale=True),
)


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Identify language and script.

    The whole text is counted for the script; the model sees a text of fewer than SAMPLE_POINTS bytes as it is, and the
    first SAMPLE_POINTS letters of a longer one. Varieties of Chinese are not told apart.

    Args:
        documents: DOCUMENTS, n rows; reads doc_id and text.
        params: none.

    Returns:
        SCHEMA, n rows in the same order.

    Raises:
        ConfigError: params is not empty.
        IntegrityError: the model file is not the one that the package came with.
    """
    refuse("language", params)
    text = documents.column("text")
    script, script_share = _scripts(scripts.count(text))
    code = np.array([OWN_LANGUAGE.get(name, "und") for name in SCRIPTS], object)[script]
    score = np.where(code == "und", 0, script_share.to_numpy())
    ask = np.flatnonzero((code == "und") & (script != SCRIPTS.index("Zyyy")))
    code[ask], score[ask] = _predict(text.take(pa.array(ask)))
    columns = {
        "doc_id": documents.column("doc_id"),
        "code": pa.array(code, pa.string()),
        "score": pa.array(score, pa.int32()),
        "script": pa.array(np.array(SCRIPTS, object)[script], pa.string()),
        "script_share": script_share,
    }
    return pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def _scripts(counts: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """Index into SCRIPTS, and its share, from counts by class."""
    simplified, traditional = counts[:, scripts.HANS], counts[:, scripts.HANT]
    han = counts[:, scripts.HAN] + simplified + traditional
    kana, hangul = counts[:, scripts.KANA], counts[:, scripts.HANGUL]
    japanese = (kana > 0) & (_KANA * kana >= han + kana)
    korean = (hangul > 0) & (hangul >= han) & ~japanese
    groups = np.stack(
        [
            _WEIGHT * np.where(japanese | korean, 0, han),
            counts[:, scripts.LATIN],
            counts[:, scripts.CYRILLIC],
            counts[:, scripts.ARABIC],
            _WEIGHT * (kana + np.where(japanese, han, 0)),
            _WEIGHT * (hangul + np.where(korean, han, 0)),
            counts[:, scripts.LETTER],
        ],
        axis=1,
    )
    largest = groups.argmax(axis=1)
    letters = groups.sum(axis=1)
    chinese = largest == SCRIPTS.index("Hani")
    is_simplified = chinese & (simplified > 0) & (simplified >= _MIXED * traditional)
    is_traditional = chinese & (traditional > 0) & (traditional >= _MIXED * simplified)
    names = [SCRIPTS.index(name) for name in ("Zyyy", "Hans", "Hant")]
    return np.select([letters == 0, is_simplified, is_traditional], names, largest), share(groups.max(axis=1), letters)


def _predict(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Codes and scores of texts that all hold a letter."""
    model = _model()
    # Of a short text every mark says something; in a long one numbers, links and signs only take room.
    short = pc.less(pc.binary_length(text), SAMPLE_POINTS)
    best, probability = model.best(pc.if_else(short, text, scripts.sample(text, SAMPLE_POINTS)))
    # The model's sums of 32-bit floats may exceed 1 a little.
    scores = np.minimum(schemas.SCALE, np.rint(schemas.SCALE * probability.astype(np.float64)))
    codes = np.array([*model.labels, "und"], object)[best]  # -1 is the last
    return codes, scores.astype(np.int64)


@cache
def _model() -> textmodel.TextModel:
    if (found := sha256(MODEL.read_bytes()).hexdigest()) != MODEL_DIGEST:
        raise IntegrityError(
            f"{MODEL.name}: SHA-256 is {found!r}, expected {MODEL_DIGEST!r}; install the package again"
        )
    return textmodel.load(MODEL)
