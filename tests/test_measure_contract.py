"""What every family of signals promises, checked for every module in the folder without naming one."""

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from documents import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import texts

from corpus_gov import schemas, signals
from corpus_gov.errors import ConfigError, SchemaError

pytestmark = pytest.mark.parametrize("family", signals.families())

ASTRAL = ["𠀀𪚥。𠀀", "🙂\n🙂", "𝒜𝒷 text 🙂", "\U0010ffff"]


def module_of(family: str) -> ModuleType:
    return import_module(f"corpus_gov.signals.{family}")


def test_declares_what_the_cache_key_needs(family: str) -> None:
    """Version, installed libraries and existing files are there, and every column is described."""
    module = module_of(family)

    assert module.VERSION >= 1
    assert schemas.name_of(module.SCHEMA) == family
    assert module.SCHEMA.metadata[b"version"] == str(module.VERSION).encode()
    assert all(version(name) for name in module.LIBRARIES)
    assert all(Path(file).is_file() for file in getattr(module, "FILES", ()))
    assert all(column.metadata[b"doc"] for column in module.SCHEMA)
    assert module.SCHEMA.names[0] == "doc_id"
    assert not any(pa.types.is_floating(column.type) for column in module.SCHEMA)


@given(values=st.lists(texts, max_size=5))
@settings(deadline=None, max_examples=50)
def test_one_row_a_document_in_order(family: str, values: list[str]) -> None:
    """The schema is exact, rows follow the documents, and shares lie between 0 and 10,000."""
    batch = documents([*values, *ASTRAL])

    measured = signals.measure(family, batch, {})

    assert measured.schema.equals(module_of(family).SCHEMA, check_metadata=True)
    assert measured.column("doc_id").equals(batch.column("doc_id"))
    nullable = {column.name for column in measured.schema if column.nullable}
    assert all(measured.column(name).null_count == 0 for name in measured.schema.names if name not in nullable)
    scaled = [column.name for column in measured.schema if b"scale" in column.metadata]
    known = [value for name in scaled for value in measured.column(name).drop_null().to_pylist()]
    assert all(0 <= value <= schemas.SCALE for value in known)


@given(values=st.lists(texts, min_size=1, max_size=6), cut=st.integers(0, 6))
@settings(deadline=None, max_examples=50)
def test_any_cut_gives_the_same_rows(family: str, values: list[str], cut: int) -> None:
    """Measuring slices is measuring the whole."""
    batch = documents(values)

    parts = [signals.measure(family, part, {}) for part in (batch.slice(0, cut), batch.slice(cut))]

    assert pa.concat_batches(parts).equals(signals.measure(family, batch, {}))


@given(values=st.lists(texts, max_size=4))
@settings(deadline=None, max_examples=25)
def test_looks_only_and_says_the_same_twice(family: str, values: list[str]) -> None:
    """Documents are unchanged, and a second call gives the same rows."""
    batch = documents([*values, *ASTRAL])
    before = batch.serialize().to_pybytes()

    first, second = (signals.measure(family, batch, {}) for _ in range(2))

    assert first.equals(second, check_metadata=True)
    assert batch.serialize().to_pybytes() == before


def test_no_documents_give_no_rows(family: str) -> None:
    """An empty batch has the schema and nothing else."""
    measured = signals.measure(family, documents([]), {})

    assert measured.schema.equals(module_of(family).SCHEMA, check_metadata=True)
    assert measured.num_rows == 0


def test_null_and_empty_text_measure_alike(family: str) -> None:
    """A null text is an empty one."""
    empty = documents(["", "a", ""])
    text = empty.schema.get_field_index("text")
    nulls = empty.set_column(text, "text", pa.array([None, "a", None], schemas.TEXT))

    assert signals.measure(family, nulls, {}).equals(signals.measure(family, empty, {}))


def test_unknown_parameters_are_refused(family: str) -> None:
    """A parameter that nobody reads is a mistake of the configuration."""
    with pytest.raises(ConfigError, match=rf"signals\.{family}: unknown parameter 'colour'"):
        signals.measure(family, documents(["a"]), {"colour": 1})


def test_rows_of_other_documents_are_refused(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A family that drops a document fails."""
    module = module_of(family)
    whole = module.measure
    monkeypatch.setattr(module, "measure", lambda batch, params: whole(batch.slice(1), params))

    with pytest.raises(SchemaError, match="1 rows for 2 documents"):
        signals.measure(family, documents(["a", "b"]), {})


def test_unknown_families_are_refused(family: str) -> None:
    """The message lists the families that there are."""
    with pytest.raises(ConfigError, match=f"no family 'colour'.*{family}"):
        signals.measure("colour", documents([]), {})
