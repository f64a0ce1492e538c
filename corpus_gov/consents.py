"""Consents by reference: whether the consent that a document of users rests on is on file, and still holds.

A source of user input names a list of consents; each of its documents has a reference into it. References are compared
by their keyed digests, and none of them leaves the list.
"""

from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from corpus_gov import seal
from corpus_gov.errors import ConfigError
from corpus_gov.store import Missing, Store

COLUMNS: Final = {"consent_ref": pa.string(), "valid_until": pa.date32(), "withdrawn": pa.date32()}
"""Of the list, a CSV file with a header: the reference, the last day, the first day without; days may be empty or
their columns left out."""

STATES: Final = ("valid", "expired", "withdrawn", "unlisted", "missing", "not_checked", "not_needed")
"""`not_checked`: there is a reference, and the source names no list, or one that is not the file that was filed;
`not_needed`: the source is none of user input and names no list."""

_WORST: Final = ("withdrawn", "expired", "valid")
"""Of several rows with one reference the strictest counts."""


def read(data: bytes, where: str) -> pa.Table:
    """Read a list of consents.

    Returns:
        COLUMNS, a row a line; blank references are left out.

    Raises:
        ConfigError: it is no such list; names no value of it.
    """
    options = csv.ConvertOptions(column_types=COLUMNS, strings_can_be_null=True, null_values=[""])
    try:
        found = csv.read_csv(pa.BufferReader(data), convert_options=options)
    except (pa.ArrowException, UnicodeDecodeError):
        # The message may quote a reference.
        found = None
    if found is None or "consent_ref" not in found.column_names or set(found.column_names).difference(COLUMNS):
        raise ConfigError(
            f"{where}: found no list of consents, expected CSV in UTF-8 with the columns {', '.join(COLUMNS)} and "
            "days such as 2026-01-31; correct the file, and file it anew with its sha256"
        ) from None
    whole = {
        name: found[name].combine_chunks() if name in found.column_names else pa.nulls(len(found), kind)
        for name, kind in COLUMNS.items()
    }
    return pa.table(whole).filter(pc.is_valid(whole["consent_ref"]))


def states(digests: pa.Array, store: Store, source: Mapping[str, Any], key: bytes) -> pa.Array:
    """Say for each document what its consent is worth.

    Args:
        digests: keyed digests of references, n rows, null where a document has none.
        store: of the workspace, where the list lies.
        source: what the dossier says: kind, and consents {file, sha256, day} where it names a list.
        key: the workspace's seal key.

    Returns:
        One of STATES, n rows.

    Raises:
        ConfigError: the list is none.
    """
    named = source.get("consents")
    if not named and source.get("kind") != "user_input":
        return pa.repeat(pa.scalar("not_needed"), len(digests))
    listed = _listed(store, named, key) if named else None
    held: pa.Array | pa.Scalar = pa.scalar("not_checked")
    if listed is not None:
        place = pc.index_in(digests, value_set=listed["digest"].combine_chunks())
        held = pc.fill_null(listed["state"].combine_chunks().take(place), "unlisted")
    return pc.if_else(pc.is_valid(digests), held, "missing")


def _listed(store: Store, named: Mapping[str, str], key: bytes) -> pa.Table | None:
    """Return the digest and state of each reference of a list; None where it is not the one that was filed."""
    try:
        data = store.read(named["file"])
    except Missing:
        return None
    if sha256(data).hexdigest() != named["sha256"]:
        return None
    found, day = read(data, named["file"]), pa.scalar(date.fromisoformat(named["day"]), pa.date32())
    gone, over = (
        np.asarray(pc.fill_null(mask.combine_chunks(), False))  # noqa: FBT003 - pyarrow's own signature
        for mask in (pc.less_equal(found["withdrawn"], day), pc.less(found["valid_until"], day))
    )
    rank = pa.array(np.select([gone, over], [0, 1], 2))
    digests = seal.reference_hmacs(found["consent_ref"].combine_chunks(), "consent", key)
    each = pa.table({"digest": digests, "rank": rank}).group_by("digest").aggregate([("rank", "min")])
    return pa.table({"digest": each["digest"], "state": pa.array(_WORST).take(each["rank_min"].combine_chunks())})
