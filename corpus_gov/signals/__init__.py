"""Documents to signals: dense numbers, one row a document. A family is the module of its name in this folder."""

import pkgutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from corpus_gov import schemas
from corpus_gov.errors import ConfigError, IntegrityError, SchemaError

Params: TypeAlias = Mapping[str, Any]
"""What a family may be told; each refuses keys that it does not read."""

Measure: TypeAlias = Callable[[pa.RecordBatch, Params], pa.RecordBatch]
"""
Documents in, one row of numbers per document out, in the same order.

A measure only looks: it never changes, drops or reorders documents, opens no network connection and
keeps no state between calls. Same documents, same parameters, same numbers, on any engine and for any way
of cutting the corpus into batches.
"""


def families() -> tuple[str, ...]:
    """Name every family, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg))


def measure(family: str, documents: pa.RecordBatch, params: Params) -> pa.RecordBatch:
    """Measure one family.

    Args:
        family: module of this folder, such as `quality`.
        documents: DOCUMENTS, n rows.
        params: of the family.

    Returns:
        The family's SCHEMA, n rows, in the order of the documents.

    Raises:
        ConfigError: there is no such family, or it does not read a parameter.
        SchemaError: the family returned other columns or other rows; a bug in it.
    """
    if family not in families():
        raise ConfigError(f"signals: no family {family!r}; the families are {families()!r}")
    module = import_module(f"{__name__}.{family}")
    signals: pa.RecordBatch = module.measure(documents, params)
    schemas.check(signals, module.SCHEMA, f"signals.{family}")
    if not signals.column("doc_id").equals(documents.column("doc_id")):
        raise SchemaError(
            f"signals.{family}: {signals.num_rows!r} rows for {documents.num_rows!r} documents, or another order; "
            "return one row a document, in order"
        )
    return signals


def refuse(family: str, params: Params, known: tuple[str, ...] = ()) -> None:
    """Fail on a parameter that a family does not read.

    Raises:
        ConfigError: names the key and the keys that the family reads.
    """
    if unknown := sorted(set(params) - set(known)):
        raise ConfigError(f"signals.{family}: unknown parameter {unknown[0]!r}; it reads {known!r}")


def checked(model: Path, digest: str) -> bytes:
    """Read a model that the package came with.

    Args:
        model: the file.
        digest: its SHA-256, hex.

    Raises:
        IntegrityError: the file is another.
    """
    data = model.read_bytes()
    if (found := sha256(data).hexdigest()) != digest:
        raise IntegrityError(f"{model.name}: SHA-256 is {found!r}, expected {digest!r}; install the package again")
    return data


def count_field(name: str, doc: str) -> pa.Field:
    """Describe a column of whole numbers."""
    return schemas.field(name, pa.int64(), doc)


def share_field(name: str, doc: str) -> pa.Field:
    """Describe a column of shares, as `share` computes them."""
    return schemas.field(name, pa.int32(), doc, scale=True)


def share(part: np.ndarray, whole: np.ndarray) -> pa.Array:
    """Divide counts, in whole ten-thousandths: rounded half up, 0 where the whole is 0.

    Args:
        part: int64, n counts, none above its whole.
        whole: int64, n counts.

    Returns:
        int32, n rows from 0 to 10,000.
    """
    wholes = np.maximum(whole, 1)
    return pa.array((2 * schemas.SCALE * part + wholes) // (2 * wholes), pa.int32())
