"""In which language and script a text is written, as a whole and by paragraph."""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import schemas
from corpus_gov.kernels import paragraphs, scripts, textmodel
from corpus_gov.schemas import field
from corpus_gov.signals import Params, checked, count_field, refuse, share, share_field

VERSION: Final = 3
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

LEAST_LETTERS: Final = 40
"""A shorter line says too little of its language: it is no paragraph here. Han, kana and Hangul count three times."""

LINE_POINTS: Final = 60
"""How many code points of letters of a paragraph the model sees."""

ASKED: Final = 4
"""The model is asked about so many paragraphs of a text at most, evenly spread; each stands for those around it."""

SURE: Final = 5_000
"""A paragraph that the model is less sure of, in ten-thousandths, counts for no language: mostly code and names."""

LEAST_CANTONESE: Final = 2
"""A Chinese text is Cantonese with so many of kernels.paragraphs.CANTONESE, and more of them than of MANDARIN."""

SCHEMA: Final = schemas.table(
    "language",
    VERSION,
    "Language by the model lid.176 or by script, and script by counting. A paragraph is a line of 40 letters or more; "
    "Han, kana and Hangul count three times.",
    field("doc_id", pa.string(), "The document."),
    field("code", pa.string(), "Two-letter ISO 639-1 code, three letters where there is none; 'und' without letters."),
    share_field(
        "score",
        "The model's probability of the code; where the script decides (OWN_LANGUAGE), script_share; 0 for 'und'.",
    ),
    field("script", pa.string(), "The script of most letters, one of SCRIPTS; Han, kana and Hangul count three times."),
    share_field("script_share", "Letters of that script in letters, counted in the same way."),
    count_field("n_letters", "Letters, counted in the same way; under 40 the code is little more than a guess."),
    count_field("n_paragraphs", "Paragraphs of known language, by script, words or the model; it sees 4."),
    count_field("n_other", "Those in another language than the code."),
    share_field("own_share", "Letters of paragraphs in the language of the code, in those of all known."),
    field("second", pa.string(), "The other language with most letters in paragraphs; 'und' where there is none."),
    share_field("second_share", "Its letters in those of all known paragraphs."),
)


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Identify language and script.

    The whole text is counted for the script; the model sees a text of fewer than SAMPLE_POINTS bytes as it is, and the
    first SAMPLE_POINTS letters of a longer one. Cantonese is told apart where it is written as it is spoken.

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
    data, offsets = scripts.read_only(text)
    counts, lines = paragraphs.measure_paragraphs(data, offsets, LEAST_LETTERS)
    script, part, letters = _scripts(counts)
    script_share = share(part, letters)
    code = _own(script, counts)
    score = np.where(code == "und", 0, script_share.to_numpy())
    ask = np.flatnonzero((code == "und") & (script != SCRIPTS.index("Zyyy")))
    code[ask], score[ask] = _predict(text.take(pa.array(ask)))
    columns = {
        "doc_id": documents.column("doc_id"),
        "code": pa.array(code, pa.string()),
        "score": pa.array(score, pa.int32()),
        "script": pa.array(np.array(SCRIPTS, object)[script], pa.string()),
        "script_share": script_share,
        "n_letters": letters,
    }
    return pa.RecordBatch.from_pydict(columns | _of_paragraphs(data, lines, code), schema=SCHEMA)


def _own(script: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Codes of scripts of one language, 'und' for any other."""
    code: np.ndarray = np.array([OWN_LANGUAGE.get(name, "und") for name in SCRIPTS], object)[script]
    marked, other = counts[:, paragraphs.CANTONESE_COUNT], counts[:, paragraphs.MANDARIN_COUNT]
    chinese = np.isin(script, [SCRIPTS.index(name) for name in ("Hani", "Hans", "Hant")])
    code[chinese & (marked >= LEAST_CANTONESE) & (marked > other)] = "yue"
    return code


def _of_paragraphs(data: np.ndarray, lines: paragraphs.Lines, code: np.ndarray) -> dict[str, np.ndarray | pa.Array]:
    """Columns on the languages of paragraphs, from lines and the codes of their documents."""
    names = _names()
    zh, yue, en, und = np.searchsorted(names, ["zh", "yue", "en", "und"])
    of_document = np.searchsorted(names, code.astype(str))
    script, _, letters = _scripts(lines.counts)
    found = np.searchsorted(names, [OWN_LANGUAGE.get(name, "und") for name in SCRIPTS])[script]
    own = of_document[lines.row]
    # Few lines of Cantonese have marks enough: they are of their document's kind.
    found[(found == zh) & (own == yue)] = yue
    latin = script == SCRIPTS.index("Latn")
    # One such word is enough where the document is English anyway.
    found[latin & (lines.english > (own != en))] = en
    weight = letters.copy()
    # Less than 6 letters in 10 bytes is code, a table or a list of names.
    prose = ~latin | (10 * letters >= 6 * (lines.stop - lines.start))
    open_ = np.flatnonzero((found == und) & prose)
    # Of each document's open lines every `step`-th is asked about, and stands for `step` of them.
    first = np.searchsorted(lines.row[open_], lines.row[open_])
    step = -(-np.bincount(lines.row[open_], minlength=len(code))[lines.row[open_]] // ASKED)
    asked = open_[(np.arange(len(open_)) - first) % np.maximum(step, 1) == 0]
    weight[open_] *= step
    text, ends = paragraphs.cut(data, lines.start[asked], lines.stop[asked], 4 * LINE_POINTS)
    cut = pa.LargeStringArray.from_buffers(len(asked), pa.py_buffer(ends), pa.py_buffer(text))
    guess, score = _predict(scripts.sample(cut, LINE_POINTS))
    found[asked] = np.where(score >= SURE, np.searchsorted(names, guess.astype(str)), und)
    known = found != und
    return _shares(lines.row[known], found[known], weight[known], of_document)


def _shares(
    row: np.ndarray, found: np.ndarray, weight: np.ndarray, code: np.ndarray
) -> dict[str, np.ndarray | pa.Array]:
    """Sum up paragraphs of known language by document; languages are places in `_names`."""
    n, names = len(code), _names()
    total = np.bincount(row, weight, minlength=n).astype(np.int64)
    other = found != code[row]
    own = total - np.bincount(row[other], weight[other], minlength=n).astype(np.int64)
    pairs, place = np.unique(row[other] * len(names) + found[other], return_inverse=True)
    sums = np.bincount(place, weight[other], minlength=len(pairs)).astype(np.int64)
    # The last of a document, by weight, is its second language; of equals the first by name.
    order = np.lexsort((-pairs, sums, pairs // len(names)))
    rows_, second, second_sum = pairs[order] // len(names), np.full(n, "und", object), np.zeros(n, np.int64)
    second[rows_], second_sum[rows_] = names[pairs[order] % len(names)], sums[order]
    return {
        "n_paragraphs": np.bincount(row, minlength=n),
        "n_other": np.bincount(row[other], minlength=n),
        "own_share": share(own, total),
        "second": pa.array(second, pa.string()),
        "second_share": share(second_sum, total),
    }


def _scripts(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index into SCRIPTS, letters of that script and all letters, from counts by class."""
    # A class at a time: numpy is slow along rows as short as these.
    of = counts.T.astype(np.int64, order="C")
    simplified, traditional = of[scripts.HANS], of[scripts.HANT]
    han = of[scripts.HAN] + simplified + traditional
    kana, hangul = of[scripts.KANA], of[scripts.HANGUL]
    japanese = (kana > 0) & (_KANA * kana >= han + kana)
    korean = (hangul > 0) & (hangul >= han) & ~japanese
    groups = (
        _WEIGHT * np.where(japanese | korean, 0, han),
        of[scripts.LATIN],
        of[scripts.CYRILLIC],
        of[scripts.ARABIC],
        _WEIGHT * (kana + np.where(japanese, han, 0)),
        _WEIGHT * (hangul + np.where(korean, han, 0)),
        of[scripts.LETTER],
    )
    largest, most, letters = np.zeros(len(counts), np.int64), groups[0], groups[0]
    for place, group in enumerate(groups[1:], 1):
        largest[group > most] = place
        most, letters = np.maximum(most, group), letters + group
    chinese = largest == SCRIPTS.index("Hani")
    is_simplified = chinese & (simplified > 0) & (simplified >= _MIXED * traditional)
    is_traditional = chinese & (traditional > 0) & (traditional >= _MIXED * simplified)
    names = [SCRIPTS.index(name) for name in ("Zyyy", "Hans", "Hant")]
    return np.select([letters == 0, is_simplified, is_traditional], names, largest), most, letters


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
def _names() -> np.ndarray:
    """All codes in order, for numbers instead of strings."""
    return np.unique([*_model().labels, *OWN_LANGUAGE.values(), "en", "yue", "und"])


@cache
def _model() -> textmodel.TextModel:
    checked(MODEL, MODEL_DIGEST)
    return textmodel.load(MODEL)
