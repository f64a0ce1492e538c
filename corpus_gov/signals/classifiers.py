"""What trained models make of a text: calibrated probabilities, by label.

The family measures where a workspace names classifiers ([[models]] in corpus-gov.toml). Where it names none, there is
no column, and a policy that reads one fails as unscreened; where no model knows a label, its columns are null, and a
clause that reads them is not evaluated. Neither reads as clean.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.classifiers import LABELS, Classifier, load
from corpus_gov.errors import ConfigError
from corpus_gov.schemas import SCALE, field
from corpus_gov.signals import Params, refuse

VERSION: Final = 1
LIBRARIES: Final = ("numba", "numpy", "pyarrow")


def _fields() -> Iterator[pa.Field]:
    for label, meaning in LABELS.items():
        yield field(
            label, pa.int32(), f"Expected share of the text that {meaning}; by passages, weighed by tokens.",
            null=True, scale=True,
        )  # fmt: skip
        yield field(
            f"{label}_most", pa.int32(), f"Probability of the likeliest passage: {meaning}.", null=True, scale=True
        )


SCHEMA: Final = schemas.table(
    "classifiers",
    VERSION,
    "Calibrated probabilities by the classifiers of the workspace; null where none knows the label.",
    field("doc_id", pa.string(), "The document."),
    *_fields(),
)


def measure(documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Ask every classifier about every passage.

    Args:
        documents: DOCUMENTS, n rows; reads doc_id and text.
        params: cards, pairs of the path of a card and its SHA-256; none without it.

    Returns:
        SCHEMA, n rows in the same order.

    Raises:
        ConfigError: an unknown parameter, a card that cannot be read, or two models for one label.
        IntegrityError: a card or model is not the one that was named.
    """
    refuse("classifiers", params, ("cards",))
    columns: dict[str, pa.Array] = {}
    for classifier in (load(Path(path), digest) for path, digest in params.get("cards", ())):
        _check_new(classifier, columns)
        for label, (mean, most) in classifier.probabilities(documents.column("text")).items():
            columns[label], columns[f"{label}_most"] = _scaled(mean), _scaled(most)
    nothing = pa.nulls(documents.num_rows, pa.int32())
    given = {"doc_id": documents.column("doc_id")} | {name: columns.get(name, nothing) for name in SCHEMA.names[1:]}
    return pa.RecordBatch.from_pydict(given, schema=SCHEMA)


def _check_new(classifier: Classifier, columns: dict[str, pa.Array]) -> None:
    if twice := sorted({*classifier.labels} & {*columns}):
        raise ConfigError(
            f"models: {classifier.name!r} knows label {twice[0]!r}, which a model before it gives; name one of them"
        )


def _scaled(values: np.ndarray) -> pa.Array:
    return pa.array(np.rint(SCALE * np.clip(values, 0, 1)).astype(np.int32))
