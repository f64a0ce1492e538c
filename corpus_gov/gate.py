"""The only importer of Great Expectations: expectations on a draft, between decide and publish.

They look at tables of counts and a sample without texts (`aggregates`); what must hold stands in `expectations`. Great
Expectations hashes the whole frame at every call, so there is one call for each table, on a small frame.

A failure stops the release, names what failed, leaves everything where it is, and is written into the ledger.
"""

import contextlib
import io
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import acts, aggregates, artefacts, expectations
from corpus_gov.errors import GateError
from corpus_gov.expectations import Expectation, Suites
from corpus_gov.pipeline import Draft
from corpus_gov.workspace import Workspace

GATE_FAILED: Final = "gate_failed"
"""A draft that was not released; subject: the results; data: `failed`, ids of expectations, and how many were asked."""

SEEN_MOST: Final = 5
"""Rows that a result names."""


@dataclass(frozen=True)
class Result:
    """One expectation: what it says, whether it held, and the counts that it saw.

    Attributes:
        id: of the expectation.
        table: that it is about.
        kind: its name in Great Expectations.
        params: what it was told.
        says: what holds, by language.
        ok: whether it held.
        rows: of the table that it looked at.
        seen: what it found; numbers and names of rows, no text of a document.
        where: file and line of the expectation.
    """

    id: str
    table: str
    kind: str
    params: Mapping[str, Any]
    says: Mapping[str, str]
    ok: bool
    rows: int
    seen: str
    where: str

    @property
    def expectation(self) -> str:
        """What holds, in English."""
        return self.says["en"]


def gate(draft: Draft, workspace: Workspace) -> Draft:
    """Stop the release where an expectation fails: the `gate` of pipeline.run.

    Returns:
        The draft with the results among the facts of its run; errors as for `check`.
    """
    return noted(draft, check(draft, workspace))


def check(draft: Draft, workspace: Workspace) -> list[Result]:
    """Validate a draft against every expectation, shipped and of the workspace.

    Returns:
        The results, all of which hold.

    Raises:
        ConfigError: a suite is malformed; nothing was released.
        GateError: names the expectations that failed; nothing was released, the results lie under gates/ and the
            ledger names them.
    """
    suites = expectations.load(workspace.store)
    tables = aggregates.built(draft, workspace, dict.fromkeys(one.table for one in suites.expectations))
    results = validate(suites, tables)
    failed = [result for result in results if not result.ok]
    if failed:
        file = _write_down(draft, workspace, suites, results)
        named = "; ".join(f"{one.id}: {one.expectation} (found {one.seen})" for one in failed)
        raise GateError(
            f"gate: {len(failed)} of {len(results)} expectations failed: {named}; nothing was released: look at "
            f"{file}, the policy and the inputs, then run again"
        )
    return results


def noted(draft: Draft, results: Sequence[Result]) -> Draft:
    """Return the draft with the results among the facts of its run, which the release's statement covers."""
    return replace(draft, run={**draft.run, "gate": [asdict(one) for one in results]})


def validate(suites: Suites, tables: Mapping[str, pa.Table]) -> list[Result]:
    """Ask Great Expectations, once for each table and choice of rows.

    Args:
        suites: what must hold.
        tables: of `aggregates`, those that the suites name.

    Returns:
        A result for each expectation, in the order of the suites.
    """
    # It shows progress bars and would note the call for its vendor: neither belongs in a nightly run.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with contextlib.redirect_stderr(io.StringIO()):
        import great_expectations as gx  # noqa: PLC0415 - five seconds

        # The second has a level of its own, and tells of a folder each time.
        for name in ("great_expectations", "great_expectations.data_context.types.base"):
            logging.getLogger(name).setLevel(logging.ERROR)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_pandas("draft")
        found: dict[str, Result] = {}
        order = sorted(suites.expectations, key=_rows_of)
        for number, (_, group) in enumerate(groupby(order, key=_rows_of)):
            asked = list(group)
            table = _chosen(tables[asked[0].table], asked[0].only)
            if not table.num_rows and (asked[0].only or asked[0].table == "manifest"):
                # Anything holds of no row: who names rows means that they are there.
                found |= {one.id: _result(one, 0, ok=False, seen="no such row") for one in asked}
                continue
            asset = source.add_dataframe_asset(f"{asked[0].table}.{number}")
            definition = asset.add_batch_definition_whole_dataframe("all")
            batch = definition.get_batch(batch_parameters={"dataframe": table.to_pandas()})
            suite = gx.ExpectationSuite(name=f"release.{number}", expectations=[_asked(gx, one) for one in asked])
            names = list(aggregates.NAMED_BY[asked[0].table])
            said = batch.validate(
                suite, result_format={"result_format": "SUMMARY", "unexpected_index_column_names": names}
            )
            by_id = {str(one.expectation_config.meta["id"]): one for one in said.results}
            # What it does not answer has not held.
            found |= {one.id: _told(one, table.num_rows, by_id.get(one.id)) for one in asked}
    return [found[one.id] for one in suites.expectations]


def _rows_of(one: Expectation) -> tuple[str, str]:
    return one.table, repr(sorted(one.only.items()))


def _chosen(table: pa.Table, only: Mapping[str, Sequence[Any]]) -> pa.Table:
    for column, values in only.items():
        table = table.filter(pc.is_in(table[column], pa.array(values, table[column].type)))
    return table


def _asked(gx: Any, one: Expectation) -> Any:
    kind = getattr(gx.expectations, "".join(word.capitalize() for word in one.kind.split("_")))
    return kind(**one.params, meta={"id": one.id})


def _result(one: Expectation, rows: int, *, ok: bool, seen: str) -> Result:
    params = {**one.params, **({"only": {name: list(values) for name, values in one.only.items()}} if one.only else {})}
    return Result(one.id, one.table, one.kind, params, one.says, ok, rows, seen, one.where)


def _told(one: Expectation, rows: int, answer: Any) -> Result:
    if answer is None:
        return _result(one, rows, ok=False, seen="no answer")
    if _raised(answer.exception_info):
        return _result(one, rows, ok=False, seen="an exception inside the expectation")
    return _result(one, rows, ok=bool(answer.success), seen=_seen(answer.result, ok=bool(answer.success)))


def _raised(info: Any) -> bool:
    """Say whether an exception was raised; it is told of the expectation, or of each of its metrics."""
    if not isinstance(info, Mapping):
        return False
    return bool(info.get("raised_exception")) or any(_raised(value) for value in info.values())


def _seen(result: Mapping[str, Any], *, ok: bool) -> str:
    """Say what was found: of failed rows which, of the others how many."""
    if "observed_value" in result:
        missing = result.get("partial_missing_list")
        return f"{_plain(result['observed_value'])}" + (f", without {_plain(missing)}" if missing else "")
    if ok:
        return f"{result.get('element_count', 0)} rows"
    listed = result.get("partial_unexpected_index_list") or result.get("partial_unexpected_list") or ()
    rows = "; ".join(_row(one) for one in listed[:SEEN_MOST])
    return f"{result.get('unexpected_count', 0)} of {result.get('element_count', 0)} rows: {rows:.400}"


def _row(row: Any) -> str:
    if not isinstance(row, Mapping):
        return str(_plain(row))
    return ", ".join(f"{name} {_plain(value)}" for name, value in row.items())


def _plain(value: Any) -> Any:
    """Turn NumPy's scalars into Python's, which read as numbers."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value.item() if hasattr(value, "item") else value


def _write_down(draft: Draft, workspace: Workspace, suites: Suites, results: Sequence[Result]) -> str:
    """Store the results of a failed gate, and name them in the ledger."""
    body = {
        "run_key": draft.run_key,
        "as_of": draft.as_of.isoformat(),
        "root": draft.root,
        "suites": dict(suites.files),
        "results": [asdict(one) for one in results],
    }
    data = artefacts.canonical(body)
    digest = sha256(data).hexdigest()
    name = f"gates/{digest[:32]}.json"
    workspace.store.put(name, data)
    failed = [one.id for one in results if not one.ok]
    acts.record(
        workspace, GATE_FAILED, {name: digest}, {"failed": failed, "asked": len(results), "run_key": draft.run_key}
    )
    return name
