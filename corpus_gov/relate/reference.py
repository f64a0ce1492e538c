"""Overlap with reference sets: evaluation sets, known-bad texts, and the suppression list.

Evaluation sets and known-bad texts are indexed by their n-grams (13 tokens, and 8 for short items). The suppression
list keeps no text and no signature, only keyed band values: without the key nobody can test a guess against it.
"""

import hmac
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.kernels import jaccard, shingles
from corpus_gov.kernels.compiling import kernel
from corpus_gov.kernels.folding import Folding
from corpus_gov.relate import near
from corpus_gov.relate.presets import Preset
from corpus_gov.schemas import SCALE

VERSION: Final = 1

NGRAMS: Final = (13, 8)
"""Lengths in tokens: 13 as GPT-3's and RedPajama's decontamination, 8 for items that are shorter."""

OVERLAPS: Final = pa.schema(
    [
        pa.field("doc_id", pa.string()),
        pa.field("reference_id", pa.string()),
        pa.field("shared", pa.int64()),
        pa.field("share_of_reference", pa.int32()),
        pa.field("share_of_document", pa.int32()),
    ]
)
"""Distinct n-grams that a document and an item of a reference set share, and their shares in ten-thousandths;
ascending by doc_id and reference_id."""

SUPPRESSED: Final = pa.schema([pa.field("row", pa.int64()), pa.field("bands", pa.int64())])
"""Rows of a table of documents that share bands with a suppressed one, and how many."""

_FILTER_BITS: Final = 24


@dataclass(frozen=True)
class References:
    """The n-grams of a reference set."""

    ids: pa.Array
    """string, m items."""
    n: int
    folding: Folding
    keys: np.ndarray
    """uint64, distinct within an item, ascending over all."""
    items: np.ndarray
    """int64, the item of each key."""
    sizes: np.ndarray
    """int64, m: distinct n-grams of each item; 0 where an item has no token."""
    filter: np.ndarray
    """uint8: a bit for each value that the upper bits of a key take, so that most n-grams are never searched for."""


def index(ids: pa.Array, text: pa.Array, n: int, folding: Folding) -> References:
    """Index a reference set.

    An item of fewer than n tokens is its own n-gram: it is found only where a document is nothing else. Index short
    items with a smaller n as well.

    Args:
        ids: string, m names.
        text: string or large_string, m texts.
        n: tokens of an n-gram.
        folding: the matching view; that of digits as well makes sums match.
    """
    keys, offsets = jaccard.sets(*shingles.shingles(text, folding, n))
    sizes = np.diff(offsets)
    order = np.argsort(keys, kind="stable")
    present = np.zeros(1 << _FILTER_BITS, np.bool_)
    present[keys >> np.uint64(jaccard.HASH_BITS - _FILTER_BITS)] = True
    items = np.repeat(np.arange(len(sizes)), sizes)
    return References(ids.cast(pa.string()), n, folding, keys[order], items[order], sizes, np.packbits(present))


def overlaps(doc_id: pa.Array, text: pa.Array, references: References) -> pa.Table:
    """Find the items whose n-grams documents have.

    Args:
        doc_id: string, n rows.
        text: string or large_string, n rows, at most jaccard.BLOCK.
        references: the set.

    Returns:
        OVERLAPS; which share is too much the policy says.
    """
    keys, offsets = jaccard.sets(*shingles.shingles(text, references.folding, references.n))
    places = _present(keys, references.filter, np.uint64(jaccard.HASH_BITS - _FILTER_BITS))
    first = np.searchsorted(references.keys, keys[places], "left")
    found = np.searchsorted(references.keys, keys[places], "right") - first
    rows = np.repeat(np.searchsorted(offsets, places, "right") - 1, found)
    # The keys of all hits: each first one and those that follow it.
    steps = np.arange(int(found.sum())) - np.repeat(np.cumsum(found) - found, found)
    items = references.items[np.repeat(first, found) + steps]
    pairs, shared = np.unique(rows * max(len(references.ids), 1) + items, return_counts=True)
    rows, items = np.divmod(pairs, max(len(references.ids), 1))
    columns = [
        doc_id.cast(pa.string()).take(pa.array(rows)),
        references.ids.take(pa.array(items)),
        pa.array(shared, pa.int64()),
        pa.array(SCALE * shared // np.maximum(references.sizes[items], 1), pa.int32()),
        pa.array(SCALE * shared // np.maximum(np.diff(offsets)[rows], 1), pa.int32()),
    ]
    order = [("doc_id", "ascending"), ("reference_id", "ascending")]
    return pa.table(columns, schema=OVERLAPS).sort_by(order)


def keyed_bands(signatures: pa.FixedSizeListArray, preset: Preset, key: bytes) -> pa.FixedSizeListArray:
    """Key the bands of minhash signatures for the suppression list.

    Args:
        signatures: n rows.
        preset: as for the signatures; its key is hashed with each band.
        key: secret.

    Returns:
        fixed_size_list<binary>[bands] of HMAC-SHA256, 16 bytes each, n rows; null where a signature is.
    """
    bands = near.band_keys(near.matrix(signatures), preset.bands, preset.rows)
    start = hmac.new(key, preset.signature_key.encode() + b"\0" + preset.name.encode() + b"\0", "sha256")
    values = []
    for band in bands.reshape(-1).astype(">u8"):
        keyed = start.copy()
        keyed.update(band.tobytes())
        values.append(keyed.digest()[:16])
    mask = pa.array(np.asarray(signatures.is_null()))
    return pa.FixedSizeListArray.from_arrays(pa.array(values, pa.binary()), preset.bands, mask=mask)


def suppressed(bands: pa.FixedSizeListArray, listed: pa.Array) -> pa.Table:
    """Find documents that share bands with a suppressed one.

    A shared band is no proof: such documents are quarantined, never dropped.

    Args:
        bands: of `keyed_bands`, n rows.
        listed: binary, every keyed band of the list.

    Returns:
        SUPPRESSED, ascending by row.
    """
    width = bands.type.list_size
    values = bands.values.slice(bands.offset * width, len(bands) * width)

    hits = np.asarray(pc.is_in(values, value_set=listed)).reshape(len(bands), width).sum(axis=1)
    hits[np.asarray(bands.is_null())] = 0
    rows = np.flatnonzero(hits)
    return pa.table([pa.array(rows), pa.array(hits[rows])], schema=SUPPRESSED)


@kernel
def _present(keys, bits, shift):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    out, n = np.empty(keys.shape[0], np.int64), 0
    for place in range(keys.shape[0]):
        value = np.int64(keys[place] >> shift)
        out[n] = place
        n += (bits[value >> 3] >> (7 - (value & 7))) & 1
    return out[:n].copy()
