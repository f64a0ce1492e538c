"""Near copies of what must never come back: the suppression list keeps keyed band values, and no signature.

A band value is a hash of a few numbers of a minhash signature; whoever has signatures can tell how alike two texts
are, and test a guess. What the list keeps is HMAC-SHA256 of band values under the seal key: without that key nothing
on it can be compared with any text, and with it only as far as a shared band goes. A shared band is no proof, so a
hit is a finding that a policy quarantines by, and never one that removes.
"""

import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import ConfigError
from corpus_gov.relate import findings, near
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import FINDINGS, field, table

VERSION: Final = 1

PRESET: Final = PRESETS["default"]
"""What rows are written with; rows of the others are compared too."""

BAND_BYTES: Final = 16

_DOC_ID = re.compile("[0-9a-f]{32}")

SUPPRESSIONS: Final = table(
    "suppressions",
    1,
    "What must not come back, a row a document (suppression/*.jsonl; a plain list of doc_ids is suppression/*.txt).",
    field("doc_id", pa.string(), "The document; null where not even its id is kept.", null=True),
    field("key_id", pa.string(), "The seal key that `bands` were made with."),
    field("preset", pa.string(), "How the signature was made and cut: its key and the number of bands."),
    field(
        "bands",
        pa.list_(pa.string()),
        "First 16 bytes, hex, of HMAC-SHA256(seal key, preset ‖ 0x00 ‖ band value), one a band; empty where the text "
        "has no token.",
    ),
)


@dataclass(frozen=True)
class Kind:
    """How many shared bands a rule asks for."""

    rule: Rule
    bands: int


def kinds(rules: RulePack) -> tuple[Kind, ...]:
    """Read the rules of screen `reference` about the suppression list: params kind (suppressed) and bands.

    Raises:
        RuleError: params are missing, unknown or out of range.
    """
    found = []
    for rule in rules.rules:
        if rule.params.get("kind") == "suppressed":
            check_params(rule, {"kind": str, "bands": int}, {})
            if rule.params["bands"] < 1:
                raise rule.error(f"params.bands is {rule.params['bands']!r}, expected 1 or more; correct it")
            found.append(Kind(rule, rule.params["bands"]))
    return tuple(found)


def key_of(preset: Preset) -> str:
    """Name all that decides the band values of a preset."""
    return f"{preset.signature_key}-b{preset.bands}"


def keyed_bands(signatures: pa.FixedSizeListArray, preset: Preset, key: bytes) -> pa.FixedSizeListArray:
    """Key the bands of minhash signatures.

    Args:
        signatures: n rows.
        preset: as for the signatures; its key is hashed with each band.
        key: the seal key.

    Returns:
        fixed_size_list<binary>[bands] of BAND_BYTES each, n rows; null where a signature is.
    """
    bands = near.band_keys(near.matrix(signatures), preset.bands, preset.rows)
    start = hmac.new(key, key_of(preset).encode() + b"\0", "sha256")
    values = []
    for band in bands.reshape(-1).astype(">u8"):
        keyed = start.copy()
        keyed.update(band.tobytes())
        values.append(keyed.digest()[:BAND_BYTES])
    mask = pa.array(np.asarray(signatures.is_null()))
    return pa.FixedSizeListArray.from_arrays(pa.array(values, pa.binary()), preset.bands, mask=mask)


def rows(doc_id: Sequence[str | None], text: pa.Array, key: bytes, key_id: str, preset: Preset = PRESET) -> pa.Table:
    """Make the rows that suppress near copies of texts.

    Args:
        doc_id: of each text; None keeps no id.
        text: string or large_string, n rows.
        key: the seal key.
        key_id: its name.
        preset: what to compare.

    Returns:
        SUPPRESSIONS, n rows.
    """
    keyed = keyed_bands(near.signatures(text, preset), preset, key)
    bands = [[value.hex() for value in row] if row is not None else [] for row in keyed.to_pylist()]
    n = len(bands)
    return pa.table([pa.array(doc_id, pa.string()), [key_id] * n, [key_of(preset)] * n, bands], schema=SUPPRESSIONS)


def write(found: pa.Table) -> bytes:
    """Write SUPPRESSIONS as JSON lines."""
    return b"".join(json.dumps(row, sort_keys=True).encode() + b"\n" for row in found.to_pylist())


def read(data: bytes, name: str) -> pa.Table:
    """Read SUPPRESSIONS from JSON lines.

    Raises:
        ConfigError: a line is no such row: a row that nobody reads would suppress nothing.
    """
    found = []
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        try:
            row = json.loads(line)
            _check_row(row)
            found.append(pa.Table.from_pylist([row], schema=SUPPRESSIONS))
        except (pa.ArrowException, ValueError, TypeError, AttributeError, KeyError) as error:
            raise ConfigError(
                f"{name}:{number}: found no row of {SUPPRESSIONS.names!r}, expected one a line; correct or remove it"
            ) from error
    return pa.concat_tables([SUPPRESSIONS.empty_table(), *found])


def _check_row(row: Mapping[str, Any]) -> None:
    """Raise what wrong rows raise anyway, for what Arrow would take."""
    sizes = {len(bytes.fromhex(band)) for band in row["bands"]} | {BAND_BYTES}
    known = row["doc_id"] is None or _DOC_ID.fullmatch(row["doc_id"])
    if row.keys() != set(SUPPRESSIONS.names) or sizes != {BAND_BYTES} or not known or not row["key_id"]:
        raise ValueError("no SUPPRESSIONS row")


def check(listed: pa.Table, key_id: str) -> tuple[Preset, ...]:
    """Return the presets that rows were made with.

    Raises:
        ConfigError: rows were made with another key, or with a preset that is none of ours any more: near copies of
            these documents could come back unseen.
    """
    known = {key_of(preset): preset for preset in PRESETS.values()}
    rows = listed.filter(pc.greater(pc.list_value_length(listed["bands"]), 0))
    for column, found in (("key_id", {key_id}), ("preset", set(known))):
        if lost := sorted(set(pc.unique(rows[column]).to_pylist()) - found):
            raise ConfigError(
                f"suppression/*.jsonl: found rows with {column} {lost[0]!r}, expected one of {sorted(found)!r}; make "
                "these rows anew from the texts, or remove them if near copies may come back"
            )
    return tuple(known[name] for name in sorted(pc.unique(rows["preset"]).to_pylist()))


def hits(text: pa.Array, listed: pa.Table, presets: Iterable[Preset], key: bytes) -> np.ndarray:
    """Count the bands that texts share with the suppressed ones.

    Returns:
        int64, n: the largest number over the presets.
    """
    most = np.zeros(len(text), np.int64)
    for preset in presets:
        mine = listed.filter(pc.equal(listed["preset"], key_of(preset)))
        values = [bytes.fromhex(value) for value in pc.list_flatten(mine["bands"]).to_pylist()]
        bands = keyed_bands(near.signatures(text, preset), preset, key)
        found = np.asarray(pc.is_in(bands.values, value_set=pa.array(values, pa.binary())))
        shared = found.reshape(len(text), preset.bands).sum(axis=1)
        shared[np.asarray(bands.is_null())] = 0
        most = np.maximum(most, shared)
    return most


def compare(
    documents: pa.Table, listed: pa.Table, presets: Iterable[Preset], key: bytes, of: Sequence[Kind]
) -> pa.Table:
    """Make findings of documents that share bands with a suppressed one; the span is the whole text.

    Args:
        documents: doc_id, text_digest, n_chars and text.
        listed: SUPPRESSIONS.
        presets: of `check`.
        key: the seal key.
        of: the rules.

    Returns:
        FINDINGS, by rule, in the order of the documents; the note is the number of shared bands.
    """
    shared = hits(documents["text"].combine_chunks(), listed, presets, key)
    parts = [FINDINGS.empty_table()]
    for kind in of:
        rows = np.flatnonzero(shared >= kind.bands)
        spans = (pa.repeat(pa.scalar(0, pa.int64()), len(rows)), documents["n_chars"].take(pa.array(rows)))
        note = pc.binary_join_element_wise(pa.array(shared[rows]).cast(pa.string()), "bands", " ")
        parts.append(findings.of_rule(documents, rows, kind.rule, spans, note))
    return pa.concat_tables(parts)
