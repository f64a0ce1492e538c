"""The interactive index: which documents of a release are nearest to a text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from corpus_gov.relate import near
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import SCALE

if TYPE_CHECKING:
    from datasketch import MinHashLSH

VERSION: Final = 1

NEAREST: Final = pa.schema([pa.field("doc_id", pa.string()), pa.field("estimate", pa.int32())])
"""Documents with the share of equal minhash values, in ten-thousandths; the best first, then by doc_id."""


@dataclass(frozen=True)
class Index:
    """Minhash signatures of a release with datasketch's index over them."""

    doc_id: pa.Array
    signatures: pa.FixedSizeListArray
    preset: Preset
    lsh: "MinHashLSH"


def index(doc_id: pa.Array, signatures: pa.FixedSizeListArray, preset: Preset) -> Index:
    """Build the index: some 100 µs a document, once for many questions.

    Args:
        doc_id: string, n distinct ids.
        signatures: n rows; those without one are in no answer.
        preset: of the signatures.
    """
    from datasketch import MinHashLSH  # noqa: PLC0415 - 1.7 s that no run pays

    lsh = MinHashLSH(num_perm=preset.permutations, params=(preset.bands, preset.rows))
    values = near.matrix(signatures)
    for row in np.flatnonzero(np.asarray(signatures.is_valid())).tolist():
        lsh.insert(row, near.to_datasketch(values[row], preset), check_duplication=False)
    return Index(doc_id.cast(pa.string()), signatures, preset, lsh)


def nearest(index: Index, text: str, most: int) -> pa.Table:
    """Find the documents nearest to a text.

    Those that share a band come from datasketch's index; where they are fewer than asked for, all signatures are
    compared, so that an answer never stays empty for want of a shared band. The estimate is no verification.

    Args:
        index: of a release.
        text: any text; the document itself is in the answer where it is in the release.
        most: rows at most.

    Returns:
        NEAREST, without documents that share nothing.
    """
    asked = near.signatures(pa.array([text], pa.large_string()), index.preset)
    if asked.null_count:
        return NEAREST.empty_table()
    values, one = near.matrix(index.signatures), near.matrix(asked)[0]
    rows = np.array(sorted(index.lsh.query(near.to_datasketch(one, index.preset))), np.int64)
    if len(rows) < most:
        rows = np.flatnonzero(np.asarray(index.signatures.is_valid()))
    equal = (values[rows] == one).sum(axis=1)
    rows, equal = rows[equal > 0], equal[equal > 0]
    estimate = pa.array(SCALE * equal // index.preset.permutations, pa.int32())
    found = pa.table([index.doc_id.take(pa.array(rows)), estimate], schema=NEAREST)
    return found.sort_by([("estimate", "descending"), ("doc_id", "ascending")]).slice(0, most)
