"""The only importer of Great Expectations: expectations on the manifest, between decide and release.

They look at aggregates, one row for each source, disposition and rights state; never at texts. Great
Expectations hashes the whole frame at every call, so there is one call, on one small frame.
"""

import contextlib
import io
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import pyarrow as pa

from corpus_gov import artefacts
from corpus_gov.errors import GateError
from corpus_gov.pipeline import Draft
from corpus_gov.schemas import DISPOSITIONS, RIGHTS_STATES
from corpus_gov.workspace import Workspace

COLUMNS: Final = (
    "doc_id", "source_id", "disposition", "rights_state", "optout_state", "reasons", "screened",
    "representative_id", "released_digest", "leaf_hash",
)  # fmt: skip
"""What is read of the manifest."""

REMOVED_MAX: Final = 0.98
"""Most of a source that may be removed. Public post-mortems of faulty runs show 97 % and more of whole
collections gone; a source that deserves it is better refused by its dossier."""

SMALL_SOURCE: Final = 200
"""Sources with fewer documents are not held to REMOVED_MAX: a share of few says little."""

QUERY: Final = """
    select source_id, disposition, rights_state, count(*) as documents,
        count(*) filter (len(reasons) = 0 and disposition <> 'keep') as without_reason,
        count(*) filter (len(screened) = 0) as not_screened,
        count(*) filter ((released_digest is not null) <> (disposition in ('keep', 'redact'))) as wrongly_released,
        count(*) filter (representative_id is not null and disposition <> 'drop') as odd_duplicates,
        count(*) filter (optout_state = 'denied' and disposition in ('keep', 'redact')) as kept_against_optout,
        count(distinct doc_id) as distinct_documents
    from manifest group by all order by all
"""

SUM: Final = """
    select source_id, disposition, rights_state,
        sum(columns(* exclude (source_id, disposition, rights_state)))::bigint
    from parts group by all order by all
"""


@dataclass(frozen=True)
class Result:
    """One expectation: what it says, whether it held, and the counts that it saw."""

    expectation: str
    ok: bool
    seen: str


def aggregates(draft: Draft, workspace: Workspace) -> pa.Table:
    """Summarise the draft's manifest: a row for each source, disposition and rights state."""
    connection = duckdb.connect(config={"enable_external_access": "false"})
    # File by file, then summed: a doc_id lies in one file only, so distinct counts add up too.
    parts = []
    for part in draft.manifest:
        connection.register("manifest", artefacts.get(workspace.store, part.artefact, COLUMNS))
        parts.append(connection.sql(QUERY).to_arrow_table())
        connection.unregister("manifest")
    if not parts:
        raise GateError("gate: the manifest has no file, expected one at least; ingest something first")
    connection.register("parts", pa.concat_tables(parts))
    table: pa.Table = connection.sql(SUM).to_arrow_table()
    documents: dict[str, int] = {}
    gone: dict[str, int] = {}
    for row in table.select(["source_id", "disposition", "documents"]).to_pylist():
        source, n = row["source_id"], row["documents"]
        documents[source] = documents.get(source, 0) + n
        gone[source] = gone.get(source, 0) + (n if row["disposition"] in ("quarantine", "drop") else 0)
    shares = [
        gone[source] / documents[source] if documents[source] >= SMALL_SOURCE else 0.0
        for source in table["source_id"].to_pylist()
    ]
    return table.append_column("removed_share", pa.array(shares, pa.float64()))


def check(draft: Draft, workspace: Workspace) -> list[Result]:
    """Validate the draft's manifest against every expectation.

    Returns:
        The results, all of which hold.

    Raises:
        GateError: names the expectations that failed; nothing was released.
    """
    results = validate(aggregates(draft, workspace))
    failed = [f"{result.expectation} (found {result.seen})" for result in results if not result.ok]
    if failed:
        raise GateError(
            f"gate: {len(failed)} of {len(results)} expectations on the manifest failed: {'; '.join(failed)}; "
            "nothing was released: look at the policy and the inputs, then run again"
        )
    return results


def gate(draft: Draft, workspace: Workspace) -> None:
    """Stop the release where an expectation fails: the `gate` of pipeline.run."""
    check(draft, workspace)


def validate(table: pa.Table) -> list[Result]:
    """Run the suite in one call of Great Expectations."""
    # It shows progress bars and would note the call for its vendor: neither belongs in a nightly run.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with contextlib.redirect_stderr(io.StringIO()):
        import great_expectations as gx  # noqa: PLC0415 - five seconds

        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        suite = gx.ExpectationSuite(name="release", expectations=_expectations(gx.expectations))
        frame = table.to_pandas()
        batch = (
            context.data_sources.add_pandas("draft")
            .add_dataframe_asset("manifest")
            .add_batch_definition_whole_dataframe("aggregates")
            .get_batch(batch_parameters={"dataframe": frame})
        )
        found = batch.validate(suite, result_format="BASIC")
    return [_result(one) for one in found.results]


def _expectations(known: Any) -> Sequence[Any]:
    """List what must hold; `notes` is what a person reads when it does not."""
    never = {
        "without_reason": "every document that is not kept as it is has a reason",
        "not_screened": "every document was screened",
        "wrongly_released": "exactly the kept and redacted documents have a released digest",
        "odd_duplicates": "only dropped documents have a representative",
        "kept_against_optout": "nothing is kept against an opt-out",
    }
    return [
        known.ExpectTableRowCountToBeBetween(min_value=1, notes="the manifest is not empty"),
        known.ExpectColumnValuesToBeInSet(
            column="disposition", value_set=list(DISPOSITIONS), notes="every disposition is known"
        ),
        known.ExpectColumnValuesToBeInSet(
            column="rights_state", value_set=list(RIGHTS_STATES), notes="every rights state is known"
        ),
        *(
            known.ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=0, notes=note)
            for name, note in never.items()
        ),
        known.ExpectColumnPairValuesToBeEqual(
            column_A="documents", column_B="distinct_documents", notes="no doc_id stands in two rows"
        ),
        known.ExpectColumnValuesToBeBetween(
            column="removed_share",
            min_value=0,
            max_value=REMOVED_MAX,
            notes=f"no source of {SMALL_SOURCE} documents or more loses over {REMOVED_MAX:.0%}",
        ),
    ]


def _result(one: Any) -> Result:
    expectation = one.expectation_config
    seen = one.result.get("partial_unexpected_list") or one.result.get("observed_value")
    if one.exception_info and one.exception_info.get("raised_exception"):
        return Result(str(expectation.notes), ok=False, seen="an exception inside the expectation")
    return Result(str(expectation.notes), bool(one.success), repr(seen)[:200])
