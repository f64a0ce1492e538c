"""Classifiers: a fastText model and its card: what it was trained on, how well it does, what its numbers mean.

A card is JSON (`<name>.json`, written by `training`) and names the model file by its SHA-256; who pins the card's
digest has pinned both. Probabilities are calibrated: of passages to which a label is given with .3, three in ten had
it among the texts that the card calls `calibration`. On a corpus where the label is rarer, fewer have.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.kernels import passages, textmodel
from corpus_gov.schemas import SCALE

FORMAT: Final = 1
"""Of the card."""

NONE: Final = "clean"
"""The label of texts that have no other."""

LABELS: Final[dict[str, str]] = {
    "gambling": "invites to bet or play for money",
    "pornography": "offers or asks for sexual content or services",
    "fraud": "lures with money: jobs, investments, prizes, refunds, faked notices",
    "illicit_ad": "advertises what may not be traded: accounts, clicks, data, loans without papers, quack medicine",
    "forged_papers": "sells invoices, certificates, seals or licences",
    "abuse": "insults or degrades persons or groups",
    "spam": "advertises without being asked",
    "low_quality": "reads like random pages of the web rather than like edited text",
    "spun": "was rewritten or shuffled by a machine",
}
"""What classifiers may tell; a model knows some of them and NONE."""


@dataclass(frozen=True)
class Classifier:
    """A model and what its numbers mean.

    Attributes:
        labels: in the order of the model, NONE among them.
        curves: label → raw probabilities, ascending, and what they come to; float64 from 0 to 1.
        digest: SHA-256 of the card.
    """

    name: str
    model: textmodel.TextModel
    labels: tuple[str, ...]
    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    digest: str

    def raw(self, text: pa.Array) -> tuple[np.ndarray, passages.Passages]:
        """Cut texts into passages and ask the model about each.

        Args:
            text: string or large_string, n rows.

        Returns:
            float32 (passages, labels), zeros where the model knows no part; and the passages.
        """
        cut = passages.passages(text)
        return self.model.probabilities(cut.text), cut

    def probabilities(self, text: pa.Array) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Give the calibrated probability of each label but NONE.

        Args:
            text: string or large_string, n rows.

        Returns:
            label → float64 (n,) the mean over the passages, weighed by their tokens: the share of the text that is
            expected to be such; and float64 (n,) that of the likeliest passage. 0 for a text without tokens.
        """
        raw, cut = self.raw(text)
        firsts = np.flatnonzero(np.diff(cut.rows, prepend=-1))
        rows = cut.rows[firsts]
        found = {}
        for place, label in enumerate(self.labels):
            if label == NONE:
                continue
            each = np.where(raw.any(axis=1), np.interp(raw[:, place].astype(np.float64), *self.curves[label]), 0.0)
            mean, most = np.zeros((2, len(text)))
            if len(rows):
                weights = np.add.reduceat(cut.tokens, firsts)
                mean[rows] = np.add.reduceat(each * cut.tokens, firsts) / weights
                most[rows] = np.maximum.reduceat(each, firsts)
            found[label] = (mean, most)
        return found


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a card, hex.

    Raises:
        ConfigError: there is no such file.
    """
    return sha256(_read(path)).hexdigest()


def load(path: Path, expected: str) -> Classifier:
    """Read a classifier; once a process and digest.

    Args:
        path: of the card; the model lies beside it.
        expected: SHA-256 of the card, hex.

    Raises:
        ConfigError: there is no such file, or the card is of another format or made for another view of texts.
        IntegrityError: card or model is not what it was.
    """
    return _loaded(Path(path), expected)


# A process that lives on does not answer for a card that was edited: the digest is part of the key.
@lru_cache(maxsize=8)
def _loaded(path: Path, expected: str) -> Classifier:
    data = _read(path)
    if (found := sha256(data).hexdigest()) != expected:
        raise IntegrityError(
            f"{path.name}: SHA-256 of the card is {found!r}, expected {expected!r}; restore the card, or pin its new "
            "digest after looking at what changed"
        )
    card = _card(data, path)
    model = path.parent / card["model"]["file"]
    if (found := sha256(_read(model)).hexdigest()) != card["model"]["sha256"]:
        raise IntegrityError(
            f"{model.name}: SHA-256 is {found!r}, its card says {card['model']['sha256']!r}; restore it or train again"
        )
    read = textmodel.load(model)
    curves = {
        label: (np.array(curve["raw"]) / SCALE, np.array(curve["probability"]) / SCALE)
        for label, curve in card["calibration"].items()
    }
    return Classifier(card["name"], read, read.labels, curves, expected)


def _card(data: bytes, path: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(data)
        made_for = (card["format"], card["view"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path.name}: found no card ({type(error).__name__}), expected JSON that `corpus-gov train` wrote"
        ) from error
    if made_for != (FORMAT, view()):
        raise ConfigError(
            f"{path.name}: found format and view {made_for!r}, expected {(FORMAT, view())!r}; train it again"
        )
    if unknown := sorted({*card["calibration"]} - {*LABELS}):
        raise ConfigError(
            f"{path.name}: found label {unknown[0]!r}, expected one of {sorted(LABELS)!r}; train it again"
        )
    return card


def view() -> dict[str, Any]:
    """Describe how texts are prepared, as a card holds it."""
    return {
        "folding": passages.VIEW.key,
        "version": passages.VERSION,
        "least_tokens": passages.LEAST,
        "most_tokens": passages.MOST,
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{str(path)!r}: {error.strerror}; expected the card of a classifier with its model beside it"
        ) from error
