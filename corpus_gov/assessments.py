"""Sampling audits: a random sample that anybody can draw again, what people found in it, and what follows from that.

    draw     documents, seed -> sample            an entry of the ledger names the digest of both
    record   what a person found -> verdicts      an entry with counts, the verdicts lie beside the sample
    report   all verdicts -> shares, bounds       accept, reject or undecided

GB/T 45654-2025 B.2.1 (draft numbering): 4,000 documents by people, 96 % of them without any risk; a tenth of all by
technical means, 98 %; and 5.1 a: a source of which more than 5 % is illegal is not used, before collection or after.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from corpus_gov import actors, acts, artefacts, verdicts
from corpus_gov.entries import Entry
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.signatures import canonical
from corpus_gov.stages import read_shard
from corpus_gov.workspace import Workspace

SAMPLE_DRAWN: Final = "sample_drawn"
"""A sample for an assessment; subject: digest of the sample."""

VERDICTS_GIVEN: Final = "verdicts_given"
"""What somebody found in documents of a sample; subject: digests of the sample and of the verdicts."""

_RISK: Final = re.compile(r"A[1-5][a-k]?")
_RELEASED: Final = ("keep", "redact")


@dataclass(frozen=True)
class Kind:
    """What a kind of assessment asks for."""

    limit: int
    """Largest share of documents with a risk, in ten-thousandths."""
    least: int
    """Documents of a sample, or all where there are fewer."""
    share: int
    """Least share of all documents in a sample, in ten-thousandths."""
    asks: str


KINDS: Final[Mapping[str, Kind]] = {
    "manual": Kind(400, 4_000, 0, "4,000 documents or all, 96 % without a risk (GB/T 45654-2025 B.2.1 a)"),
    "technical": Kind(200, 1, 1_000, "a tenth of all documents, 98 % without a risk (GB/T 45654-2025 B.2.1 b)"),
    "source": Kind(verdicts.LIMIT, 1_000, 0, "at most 5 % illegal or harmful (GB/T 45654-2025 5.1 a)"),
}


@dataclass(frozen=True)
class Sample:
    """Documents that were drawn, in the order of the draw, and what they were drawn from."""

    digest: str
    kind: str
    of: str
    """release:<name> or source:<id>."""
    seed: str
    offered: int
    doc_ids: tuple[str, ...]


def draw(workspace: Workspace, kind: str, of: str | None, seed: bytes, size: int | None = None) -> Sample:
    """Draw a sample, keep it, and write down that it was drawn.

    Args:
        workspace: an open workspace.
        kind: one of KINDS.
        of: id of a source, of which every document is offered, whatever was decided; with "manual" and "technical"
            the name of a release, of which what was released is offered, the newest where it is None.
        seed: whoever has it draws the same documents from the same ones offered.
        size: more documents than the kind asks for.

    Raises:
        ConfigError: no such kind, source or release, or `size` is less than the kind asks for.
    """
    if kind not in KINDS:
        raise ConfigError(f"assessment {kind!r}: expected one of {', '.join(KINDS)}; name one of them")
    where, offered = _offered(workspace, kind, of)
    asked = _asked(KINDS[kind], len(offered))
    if size is not None and size < asked:
        raise ConfigError(f"--size {size}: expected {asked} or more of {len(offered)} documents; {KINDS[kind].asks}")
    chosen = verdicts.draw(offered, seed, size or asked)
    body = {"kind": kind, "of": where, "seed": seed.hex(), "offered": len(offered), "doc_ids": chosen}
    digest = _put(workspace, "sample", body)
    data = {"kind": kind, "of": where, "seed": seed.hex(), "offered": len(offered), "drawn": len(chosen)}
    acts.record(workspace, SAMPLE_DRAWN, {"sample": digest}, data)
    return _sample(digest, body)


def record(workspace: Workspace, digest: str, rows: Iterable[Mapping[str, Any]], by: str) -> dict[str, Any]:
    """Write down what somebody found in documents of a sample; a later verdict on a document replaces an earlier one.

    Args:
        workspace: an open workspace.
        digest: of the sample, or the first 8 digits and more of it.
        rows: doc_id, and risk: an id such as A1h, or "none".
        by: who looked; an actor whose key is here signs, anybody else's word is claimed.

    Returns:
        sample, counted, bad and risks (documents by risk) of these rows.

    Raises:
        ConfigError: no such sample; a document is not in it or stands there twice; a risk is none of the standard's.
    """
    sample = _named(workspace, digest)
    known, found = set(sample.doc_ids), {}
    for number, row in enumerate(rows, 1):
        doc_id, risk = row.get("doc_id"), row.get("risk")
        if doc_id not in known or doc_id in found:
            problem = "stands there twice" if doc_id in found else "is not in the sample"
            raise ConfigError(f"verdict {number}: doc_id {str(doc_id)[:32]!r} {problem}; give each drawn document once")
        if not isinstance(risk, str) or (risk != "none" and not _RISK.fullmatch(risk)):
            raise ConfigError(f"verdict {number}: risk is {risk!r}, expected 'none' or an id such as 'A1h'; say which")
        found[doc_id] = risk
    if not found:
        raise ConfigError("found no verdict, expected rows with doc_id and risk; fill in the sheet that was drawn")
    risks = Counter(risk for risk in found.values() if risk != "none")
    written = _put(workspace, "verdicts", {"sample": sample.digest, "verdicts": found})
    data = {"kind": sample.kind, "of": sample.of, "counted": len(found), "bad": risks.total(), "risks": dict(risks)}
    signer = actors.signer(workspace, by) if by in actors.registered(workspace) else None
    subject = {"sample": sample.digest, "verdicts": written}
    acts.record(workspace, VERDICTS_GIVEN, subject, data, actor=by, actor_signer=signer)
    return {"sample": sample.digest, "counted": len(found), "bad": risks.total(), "risks": dict(sorted(risks.items()))}


def report(workspace: Workspace) -> list[dict[str, Any]]:
    """Say what follows from the verdicts on every sample, in the order that they were drawn.

    Returns:
        For each: sample, kind, of, seed, asks, offered, drawn, risks, by (who looked), last (the day of the last
        verdict), and the fields of verdicts.Verdict. A sample that was not looked at whole is accepted by nobody:
        its verdict is reject or undecided.

    Raises:
        IntegrityError: a sample or verdicts are not what the ledger says.
    """
    entries = list(workspace.ledger().entries())
    drawn = dict.fromkeys(entry.subject["sample"] for entry in entries if entry.type == SAMPLE_DRAWN)
    return [
        _reported(workspace, _sample(digest, _get(workspace, "sample", digest)), _given(entries, digest))
        for digest in drawn
    ]


def assessed(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the last assessment of what each sample was drawn from, for run.json: without names of people."""
    kept = ("sample", "kind", "offered", "drawn", "counted", "bad", "share", "lower", "upper", "verdict", "last")
    return {f"{one['kind']} {one['of']}": {name: one[name] for name in kept} for one in report(workspace)}


def for_dossier(one: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a reported assessment as `assessments.before` or `after` of a dossier takes it.

    None for samples of releases, and before anybody can tell: an undecided source is looked at further.
    """
    if one["kind"] != "source" or one["verdict"] == verdicts.UNDECIDED:
        return None
    return {
        "day": one["last"],
        "by": ", ".join(one["by"]),
        "outcome": "passed" if one["verdict"] == verdicts.ACCEPT else "failed",
        "reference": f"sample {one['sample'][:16]}",
        "documents": one["counted"],
        "illegal": one["bad"],
    }


def _asked(kind: Kind, offered: int) -> int:
    return min(offered, max(kind.least, -(-offered * kind.share // 10_000)))


def _offered(workspace: Workspace, kind: str, of: str | None) -> tuple[str, list[str]]:
    """Return what documents are drawn from, and their ids."""
    if kind != "source":
        release = workspace.release(of)
        manifest = release.table("manifest", ("doc_id", "disposition"))
        columns = zip(manifest["doc_id"].to_pylist(), manifest["disposition"].to_pylist(), strict=True)
        return f"release:{release.name}", [doc_id for doc_id, said in columns if said in _RELEASED]
    shards = [shard for shard in workspace.shards() if shard.source_id == of]
    if not shards:
        known = sorted({shard.source_id for shard in workspace.shards()})
        raise ConfigError(f"source {of!r}: found none with documents, expected one of {known!r}; ingest it first")
    tables = [artefacts.decode(read_shard(workspace.store, shard, "documents"), ["doc_id"]) for shard in shards]
    return f"source:{of}", [doc_id for table in tables for doc_id in table["doc_id"].to_pylist()]


def _given(entries: Sequence[Entry], sample: str) -> list[Entry]:
    return [entry for entry in entries if entry.type == VERDICTS_GIVEN and entry.subject["sample"] == sample]


def _reported(workspace: Workspace, sample: Sample, given: Sequence[Entry]) -> dict[str, Any]:
    found: dict[str, str] = {}
    for entry in given:
        found |= _get(workspace, "verdicts", entry.subject["verdicts"])["verdicts"]
    kind, risks = KINDS[sample.kind], Counter(risk for risk in found.values() if risk != "none")
    said = vars(verdicts.verdict(risks.total(), len(found), kind.limit))
    if len(found) < len(sample.doc_ids) and said["verdict"] == verdicts.ACCEPT:
        said = {**said, "verdict": verdicts.UNDECIDED}
    return {
        "sample": sample.digest,
        "kind": sample.kind,
        "of": sample.of,
        "seed": sample.seed,
        "asks": kind.asks,
        "offered": sample.offered,
        "drawn": len(sample.doc_ids),
        "risks": dict(sorted(risks.items())),
        "by": sorted({entry.actor for entry in given}),
        "last": max((entry.time[:10] for entry in given), default=None),
        **said,
    }


def _named(workspace: Workspace, digest: str) -> Sample:
    drawn = {e.subject["sample"] for e in workspace.ledger().entries() if e.type == SAMPLE_DRAWN}
    found = [one for one in sorted(drawn) if len(digest) >= 8 and one.startswith(digest)]
    if len(found) != 1:
        raise ConfigError(
            f"sample {digest!r}: found {len(found)} of that name, expected one; `assess report` lists them"
        )
    return _sample(found[0], _get(workspace, "sample", found[0]))


def _sample(digest: str, body: Mapping[str, Any]) -> Sample:
    return Sample(digest, body["kind"], body["of"], body["seed"], body["offered"], tuple(body["doc_ids"]))


def _put(workspace: Workspace, what: str, body: Mapping[str, Any]) -> str:
    data = canonical(body)
    digest = sha256(data).hexdigest()
    workspace.store.put(_name(what, digest), data)
    return digest


def _get(workspace: Workspace, what: str, digest: str) -> dict[str, Any]:
    data = workspace.store.read(_name(what, digest))
    if sha256(data).hexdigest() != digest:
        raise IntegrityError(f"{_name(what, digest)}: it is not what the ledger says; restore it from a backup")
    body: dict[str, Any] = json.loads(data)
    return body


def _name(what: str, digest: str) -> str:
    return f"assessments/{what}.{digest}.json"
