"""Near copies of what must never come back: the suppression list keeps keyed band values, and no signature.

A band value is a hash of a few numbers of a minhash signature; whoever has signatures can tell how alike two texts
are, and test a guess. What the list keeps is HMAC-SHA256 of band values under the seal key: without that key nothing
on it can be compared with any text, and with it only as far as a shared band goes. A shared band is no proof, so a
hit is a finding that a policy quarantines by, and never one that removes.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov.errors import ConfigError
from corpus_gov.kernels.digests import hmacs
from corpus_gov.relate import findings, near
from corpus_gov.relate.presets import PRESETS, Preset
from corpus_gov.rules import Rule, RulePack, check_params
from corpus_gov.schemas import FINDINGS, field, table

VERSION: Final = 1

PRESET: Final = PRESETS["default"]
"""What rows are written with; rows of the others are compared too."""

BAND_BYTES: Final = 16

_DOC_ID: Final = re.compile("[0-9a-f]{32}")
_KEYED: Final = re.compile("[0-9a-f]{64}")
_WORDS: Final = ("request", "source_id", "reason", "legal")

SUPPRESSIONS: Final = table(
    "suppressions",
    2,
    "What must not come back, a row a document, an address, a host or a source (suppression/*.jsonl; a plain list of "
    "doc_ids is suppression/*.txt). Every keyed value is HMAC-SHA256(seal key, kind ‖ 0x00 ‖ value), hex.",
    field("doc_id", pa.string(), "The document; null where not even its id is kept.", null=True),
    field("key_id", pa.string(), "The seal key that `bands` were made with."),
    field("preset", pa.string(), "How the signature was made and cut: its key and the number of bands."),
    field(
        "bands",
        pa.list_(pa.string()),
        "First 16 bytes, hex, of HMAC-SHA256(seal key, preset ‖ 0x00 ‖ band value), one a band; empty where the text "
        "has no token.",
    ),
    field("uri", pa.string(), "Keyed address: whatever is captured there is barred.", null=True),
    field("payload", pa.string(), "Keyed SHA-256 of decoded bytes that are barred.", null=True),
    field("text", pa.string(), "Keyed SHA-256 of an extracted text that is barred.", null=True),
    field("host", pa.string(), "Keyed host that is barred, with all below it.", null=True),
    field("source", pa.string(), "Keyed source_id of a source that is barred whole.", null=True),
    field("within", pa.string(), "Keyed source_id: the row holds in that source alone; null: in all.", null=True),
    field("expires", pa.date32(), "Last day on which the row holds; null: it does not end.", null=True),
    field("request", pa.string(), "The request that it was written for.", null=True),
    field("source_id", pa.string(), "Of the document that was held; its row in a manifest is a tombstone.", null=True),
    field("reason", pa.string(), "Code of the reason that the tombstone gives.", null=True),
    field("legal", pa.string(), "Legal references of it, comma-separated, sorted, or ''.", null=True),
)

KEYED: Final = ("uri", "payload", "text", "host", "source", "within")
"""Columns that hold keyed values one by one."""

_FIRST: Final = frozenset({"doc_id", "key_id", "preset", "bands"})
"""Columns of version 1, which every row has; of the others those that are null may be left out."""


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
    raw = memoryview(bands.reshape(-1).astype("<u8").tobytes())
    each = (raw[start : start + 8] for start in range(0, len(raw), 8))
    values = [digest[:BAND_BYTES] for digest in hmacs(each, key, key_of(preset).encode() + b"\0")]
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
    made = zip(doc_id, bands, strict=True)
    preset_key = key_of(preset)
    return table_of([{"doc_id": one, "key_id": key_id, "preset": preset_key, "bands": row} for one, row in made])


def table_of(found: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Build SUPPRESSIONS of rows; a column that a row leaves out is null."""
    return pa.Table.from_pylist([dict(row) for row in found], schema=SUPPRESSIONS)


def write(found: pa.Table) -> bytes:
    """Write SUPPRESSIONS as JSON lines; what is null is left out, but for doc_id."""
    lines = []
    for row in found.to_pylist():
        said = {name: value for name, value in row.items() if value is not None or name in _FIRST}
        if row["expires"] is not None:
            said["expires"] = row["expires"].isoformat()
        lines.append(json.dumps(said, sort_keys=True).encode() + b"\n")
    return b"".join(lines)


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
            if row.get("expires") is not None:
                row["expires"] = date.fromisoformat(row["expires"])
            found.append(row)
        except (pa.ArrowException, ValueError, TypeError, AttributeError, KeyError) as error:
            raise ConfigError(
                f"{name}:{number}: found no row of {SUPPRESSIONS.names!r}, expected one a line; correct or remove it"
            ) from error
    return table_of(found)


def _check_row(row: Mapping[str, Any]) -> None:
    """Raise for what is no row; values of other types would fail later, and without their line."""
    sizes = {len(bytes.fromhex(band)) for band in row["bands"]} | {BAND_BYTES}
    known = row["doc_id"] is None or _DOC_ID.fullmatch(row["doc_id"])
    keyed = all(row.get(name) is None or _KEYED.fullmatch(row[name]) for name in KEYED)
    words = all(isinstance(row.get(name) or "", str) for name in (*_WORDS, "key_id", "preset"))
    named = _FIRST <= row.keys() <= set(SUPPRESSIONS.names)
    if not (named and known and keyed and words and row["key_id"]) or sizes != {BAND_BYTES}:
        raise ValueError("no SUPPRESSIONS row")


def check(listed: pa.Table, key_id: str) -> tuple[Preset, ...]:
    """Return the presets that rows were made with.

    Raises:
        ConfigError: rows were made with another key, or with a preset that is none of ours any more: near copies of
            these documents could come back unseen.
    """
    known = {key_of(preset): preset for preset in PRESETS.values()}
    rows = with_bands(listed)
    asked = pc.or_(pc.greater(pc.list_value_length(listed["bands"]), 0), _any_keyed(listed))
    for column, found, of in (("key_id", {key_id}, listed.filter(asked)), ("preset", set(known), rows)):
        if lost := sorted(set(pc.unique(of[column]).to_pylist()) - found):
            raise ConfigError(
                f"suppression/*.jsonl: found rows with {column} {lost[0]!r}, expected one of {sorted(found)!r}; make "
                "these rows anew from the texts, or remove them if near copies may come back"
            )
    return tuple(known[name] for name in sorted(pc.unique(rows["preset"]).to_pylist()))


def with_bands(listed: pa.Table) -> pa.Table:
    """Return the rows that near copies are found by."""
    return listed.filter(pc.greater(pc.list_value_length(listed["bands"]), 0))


def _any_keyed(listed: pa.Table) -> pa.ChunkedArray:
    return reduce(pc.or_, (pc.is_valid(listed[name]) for name in KEYED))


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
