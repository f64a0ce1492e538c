"""Where a document came from, step by step, and all that is held from a host.

A chain leads from the bytes in the input over the extracted text to the released one; each step names the digest that
the next one starts from, so that every link can be checked alone.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from corpus_gov import artefacts, seal
from corpus_gov.errors import ConfigError
from corpus_gov.published import place, statement_of
from corpus_gov.schemas import SCALE
from corpus_gov.stages import Shard, read_shard

if TYPE_CHECKING:
    from corpus_gov.workspace import Workspace

HELD: Final = (
    "doc_id", "source_id", "uri", "fetched_at", "disposition", "rights_state", "rights_licence", "rights_conflict",
    "rights_basis", "optout_state", "aigc_state", "ip_risk", "text_digest", "released_digest",
)  # fmt: skip
"""What `whose` says of each document."""

REFERENCES: Final = ("consent", "delivery")
"""Kinds of reference that a document is found by: to a record of consent, and to the row of a delivery."""

COUNTED: Final = ("disposition", "rights_state", "optout_state")

_HOST: Final = re.compile(r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9-]{2,63}|localhost|[0-9.]+|\[[0-9a-f:]+\]")


def chain(
    row: Mapping[str, Any],
    captures: Iterable[Mapping[str, Any]],
    shard: Shard,
    released_in: str,
    files: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Write the provenance of a document: every capture of it, the document, and the clean document if there is one.

    Args:
        row: of the manifest.
        captures: CAPTURES rows of the document.
        shard: that holds it.
        released_in: name of the release.
        files: SHA-256 of the files of the release, by name.
    """
    steps: list[dict[str, Any]] = [
        {
            "step": "capture",
            "outcome": one["outcome"],
            "file": one["record_file"],
            "file_sha256": one["file_digest"],
            "record": {"offset": one["record_offset"], "length": one["record_length"], "part": one["part"]},
            "fetched_at": one["fetched_at"],
            "headers_sha256": one["headers_digest"],
            "payload_sha256": one["payload_digest"],
        }
        for one in captures
    ]
    steps.append(
        {
            "step": "document",
            "doc_id": row["doc_id"],
            "from_payload_sha256": row["payload_digest"],
            "extractor": row["extractor"],
            "text_sha256": row["text_digest"],
            "file": shard.name("documents"),
            "file_sha256": shard.digests["documents"],
        }
    )
    if row["released_digest"]:
        # An erasure of others gives shard and file other names; what they share is the shard's id.
        named = place(released_in, f"clean/{shard.source_id}/{shard.shard_id}.")
        name = next((file for file in files if file.startswith(named)), f"{named}{shard.generation}.parquet")
        steps.append(
            {
                "step": "clean document",
                "from_text_sha256": row["text_digest"],
                "disposition": row["disposition"],
                "policy_sha256": row["policy_digest"],
                "released_sha256": row["released_digest"],
                "file": name,
                "file_sha256": files.get(name),
            }
        )
    return steps


def whose(
    workspace: "Workspace", name: str, releases: Sequence[str] | None = None, *, kind: str | None = None
) -> dict[str, Any]:
    """List everything that is held from a host or an address, or under a reference, release by release.

    A host stands for all below it: example.com is news.example.com too. An address or a reference to a consent is
    found by its keyed digest, and so also where the manifest shows it redacted.

    Args:
        workspace: where to look.
        name: host, or URL that begins with a scheme; or a reference.
        releases: which; all by default.
        kind: one of REFERENCES where `name` is a reference, which then is in no answer and no message.

    Returns:
        asked, releases (each with documents of HELD, oldest capture first, and counts by COUNTED), held (different
        documents in all of them), released (those in the newest of these releases' clean corpus).

    Raises:
        ConfigError: this is no host or URL, or there is no such release.
    """
    host, url = _asked(name) if kind is None else ("", None)
    known = workspace.releases()
    if not known or set(releases or ()) - set(known):
        raise ConfigError(f"{workspace.url}: found releases {known!r}, expected those asked for; name one of these")
    column, values = _wanted(workspace, name, kind, host, url)
    answers = [_answer(workspace, one, column, values) for one in releases or known]
    documents = {row["doc_id"] for answer in answers for row in answer["documents"]}
    return {
        "asked": name if kind is None else f"a reference ({kind})",
        "held": len(documents),
        "released": sum(row["released_digest"] is not None for row in answers[-1]["documents"]),
        "releases": answers,
    }


def _wanted(workspace: "Workspace", name: str, kind: str | None, host: str, url: str | None) -> tuple[str, pa.Array]:
    """Return the column of the manifest that tells what was asked for, and the values looked for in it."""
    if kind == "delivery":
        return "doc_id", _of_delivery(workspace, name)
    if kind == "consent":
        return "consent_hmac", seal.reference_hmacs(pa.array([name]), "consent", workspace.keys().seal)
    if url:
        return "uri_hmac", seal.uri_hmacs(pa.array([url], pa.string()), workspace.keys().seal)
    return "doc_id", _of_host(workspace, host)


def lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Render what `whose` returned for a terminal."""
    yield f"{facts['asked']}: {facts['held']} documents are held, {facts['released']} are in the newest clean corpus."
    for answer in facts["releases"]:
        counts = "; ".join(
            ", ".join(f"{n} {value}" for value, n in answer["counts"][column].items()) for column in COUNTED
        )
        counts = f": {counts}" if answer["documents"] else ""
        yield f"{answer['release']}: {len(answer['documents'])} documents{counts}"
        for row in answer["documents"]:
            licence = f" {row['rights_licence']}" if row["rights_licence"] else ""
            yield (
                f"  {row['doc_id']}  {row['disposition']:10}  {row['rights_state']}{licence}, opt-out "
                f"{row['optout_state']}, basis {row['rights_basis'] or '-'}  {row['uri'] or '(address not shown)'}"
            )


def evidence_lines(row: Mapping[str, Any]) -> Iterator[str]:
    """Render the statements on rights of a manifest row, the surest first, and the notices."""
    for one in sorted(row["rights_evidence"], key=lambda said: (-said["score"], said["rule"])):
        named = " ".join(part for part in (one["state"], one["licence"]) if part)
        yield (
            f"  evidence   {named} in {one['place'] or 'unknown'}, of the {one['scope'] or 'page'}, "
            f"confidence {one['score'] / SCALE:.2f}, by {one['rule']}"
        )
    for notice in row["rights_notices"]:
        yield f"  notice     {notice}"


def _asked(name: str) -> tuple[str, str | None]:
    """Return the host, and the URL where one was given."""
    parts = urlsplit(name if "://" in name else f"//{name}")
    try:
        host = (parts.hostname or "").encode("idna").decode().lower()
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host):
        raise ConfigError(f"whose: found {name!r:.80}, expected a host such as example.com, or a URL with its scheme")
    return host, name if "://" in name and (parts.path.strip("/") or parts.query) else None


def _of_host(workspace: "Workspace", host: str) -> pa.Array:
    """Return the documents whose host is that one or lies below it."""
    found = [pa.array([], pa.string())]
    for shard in workspace.shards():
        table = artefacts.decode(read_shard(workspace.store, shard, "documents"), ["doc_id", "host"])
        # A port is no part of the host.
        bare = pc.replace_substring_regex(table["host"], r":\d+$", "")
        mine = pc.or_(pc.equal(bare, host), pc.ends_with(bare, f".{host}"))
        found.append(table["doc_id"].filter(pc.fill_null(mine, False)).combine_chunks())  # noqa: FBT003
    return pa.concat_arrays(found)


def _of_delivery(workspace: "Workspace", reference: str) -> pa.Array:
    """Return the documents of a row of a delivery."""
    found = [pa.array([], pa.string())]
    for shard in workspace.shards():
        table = artefacts.decode(read_shard(workspace.store, shard, "documents"), ["doc_id", "delivery_ref"])
        found.append(table["doc_id"].filter(pc.equal(table["delivery_ref"], reference)).combine_chunks())
    return pa.concat_arrays(found)


def _answer(workspace: "Workspace", release: str, column: str, values: pa.Array) -> dict[str, Any]:
    names = [name for name in statement_of(workspace.store, release) if name.startswith(place(release, "manifest/"))]
    rows: list[dict[str, Any]] = []
    for name in sorted(names):
        table = artefacts.decode(workspace.store.read(name), list(dict.fromkeys([*HELD, column])))
        mine = pc.is_in(table[column], value_set=values)
        rows += table.filter(pc.fill_null(mine, False)).select(list(HELD)).to_pylist()  # noqa: FBT003
    rows.sort(key=lambda row: (str(row["fetched_at"] or ""), row["doc_id"]))
    counts = {column: dict(sorted(Counter(row[column] for row in rows).items())) for column in COUNTED}
    return {"release": release, "counts": counts, "documents": rows}
