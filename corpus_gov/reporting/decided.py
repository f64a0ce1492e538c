"""Sections about what was decided: the funnel, decisions and reasons, duplicates, personal data."""

from collections.abc import Mapping
from typing import Any, Final

from corpus_gov.reporting import charts
from corpus_gov.reporting.blocks import Block, Section, Table, Text, Word, percent, scaled, table
from corpus_gov.reporting.gathered import Gathered
from corpus_gov.reporting.origins import parts_of, picture
from corpus_gov.reporting.phrases import Phrases
from corpus_gov.schemas import DISPOSITIONS

REASONS_MOST: Final = 20


def funnel(say: Phrases, of: Gathered) -> Section:
    """Say how many are left after each step."""
    counts = of.counts
    documents, dropped = counts["documents"], counts["dispositions"].get("drop", 0)
    duplicates = sum(n for code, n in counts["reasons"].items() if code.partition(":")[0] == "duplicate")
    steps = {
        "records": counts["records"],
        "documents": documents,
        # A document with a worse reason beside is dropped once: never more than were dropped.
        "distinct": documents - min(duplicates, dropped),
        "not_dropped": documents - dropped,
        "released": of.released,
        "kept": counts["dispositions"].get("keep", 0),
    }
    named = {say(f"funnel.{name}"): n for name, n in steps.items()}
    rows = [(name, n, percent(n, documents)) for name, n in named.items()]
    rows[0] = (*rows[0][:2], "–")
    shown = {name: n for name, n in named.items() if name != say("funnel.distinct") or duplicates}
    blocks: list[Block] = [
        Text(say("funnel.text", records=counts["records"], documents=documents, released=of.released)),
        picture(say, say("funnel.chart"), charts.bars(shown, title=say("documents"))),
        table(
            say, say("funnel.table"), (say("funnel.step"), say("funnel.left"), say("share")),
            [row for row in rows if row[0] in shown],
        ),
    ]  # fmt: skip
    return Section("funnel", say("funnel.title"), blocks)


def decided(say: Phrases, of: Gathered) -> Section:
    """Say what was decided, for each source, and the most frequent reasons."""
    counts = of.counts
    cells = {(source, part): n for source, all_ in counts["by_source"].items() for part, n in all_.items()}
    svg = charts.stacked(
        cells, parts_of(say, "disposition", DISPOSITIONS), others=say("others"), title=say("documents")
    )
    rows: list[tuple[Any, ...]] = [
        (
            Word(source),
            *(n.get(one, 0) for one in DISPOSITIONS),
            sum(n.values()),
            scaled(counts["removal_rate"][source]),
        )
        for source, n in counts["by_source"].items()
    ]
    if len(rows) > 1:
        totals = [counts["dispositions"].get(one, 0) for one in DISPOSITIONS]
        rows.append((say("total"), *totals, sum(totals), percent(sum(totals[2:]), sum(totals))))
    called = parts_of(say, "disposition", DISPOSITIONS).values()
    headings = (say("came.source"), *called, say("total"), say("decided.removed"))
    overrides = of.run.get("overrides", {})
    blocks: list[Block] = [
        Text(say("decided.text")),
        picture(say, say("decided.chart"), svg),
        table(say, say("decided.table"), headings, rows),
        _reasons(say, of),
    ]
    if of.counts.get("erased"):
        blocks.append(Text(say("decided.erased", n=of.counts["erased"])))
    if overrides:
        said = overrides["counts"]
        blocks.append(
            Text(
                say(
                    "decided.overrides_text", force=said["in force"], waiting=said["waiting"], expired=said["expired"],
                    changed=len(overrides["changed"]), overruled=len(overrides["overruled"]),
                )
            )
        )  # fmt: skip
    return Section("decided", say("decided.title"), blocks)


def _reasons(say: Phrases, of: Gathered) -> Block:
    clauses = {one["id"]: one for one in of.run["policy"]["clauses"]}
    ordered = sorted(of.counts["reasons"].items(), key=lambda item: (-item[1], item[0]))
    rows = [
        (_called(say, code, clauses), Word(code), _asks(say, code, clauses), n, percent(n, of.counts["documents"]))
        for code, n in ordered[:REASONS_MOST]
    ]
    headings = (
        say("decided.reason"), say("decided.code"), say("decided.asks"), say("documents"), say("share")
    )  # fmt: skip
    left = len(ordered) - len(rows)
    return Table(say("decided.reasons"), headings, rows, say("more", n=left) if left else "")


def _called(say: Phrases, code: str, clauses: Mapping[str, Any]) -> str:
    """Return the plain name of a reason; of an operator's own clause what its author wrote."""
    clause = code.partition(":")[0]
    named = say.table.get(f"clause.{clause}") or say.table.get(f"clause.{clause.partition('.')[0]}")
    return named or clauses.get(clause, {}).get("why") or clause


def _asks(say: Phrases, code: str, clauses: Mapping[str, Any]) -> str:
    clause = code.partition(":")[0]
    asked = (
        "drop"
        if clause.partition(".")[0] in {"duplicate", "suppressed", "erasure"}
        else clauses.get(clause, {}).get("disposition")
    )
    return say.name("disposition", asked) if asked else "–"


def copies(say: Phrases, of: Gathered) -> Section:
    """Say how many duplicates there were, by size of their clusters."""
    clusters, counts = of.counts["clusters"], of.counts
    if not clusters["clusters"]:
        return Section("copies", say("copies.title"), [Text(say("copies.none"))])
    rates = [(Word(source), scaled(rate)) for source, rate in counts["duplicate_rate"].items()]
    title = say("copies.clusters")
    blocks: list[Block] = [
        Text(say("copies.text", **{name: clusters[name] for name in ("clusters", "documents", "largest")})),
        picture(say, say("copies.chart"), charts.bars(clusters["sizes"], title=title)),
        table(say, say("copies.table"), (say("copies.size"), title), list(clusters["sizes"].items())),
        table(say, say("copies.rates"), (say("came.source"), say("share")), rates),
    ]
    return Section("copies", say("copies.title"), blocks)


def personal(say: Phrases, of: Gathered) -> Section:
    """Count findings of personal data by class; no value, no document."""
    replaced = {one.strip("[]") for one in of.run["policy"]["placeholders"].values()}
    rows = [
        (
            say.table.get(f"entity.{name}") or Word(name),
            Word(f"[{name}]") if name in replaced else say("personal.not_replaced"),
            findings,
            documents,
        )
        for name, (findings, documents) in of.counted.personal.items()
    ]
    names = ("class", "placeholder", "findings")
    headings = [*(say(f"personal.{name}") for name in names), say("documents")]
    counted = table(say, say("personal.table"), headings, rows) if rows else Text(say("personal.none"))
    items = [
        (Word(source), one["50"], one["500"], one["5000"], f"{one['sum'] / 10_000:.2f}")
        for source, one in of.counts.get("items", {}).items()
    ]
    minors = of.counted.by("minor")
    blocks: list[Block] = [Text(say("personal.text")), counted]
    if of.counted.missing:
        blocks.insert(1, Text(say("came.missing", n=of.counted.missing), "warn"))
    if items:
        kinds = [say(f"personal.items_{name}") for name in ("50", "500", "5000", "sum")]
        blocks.append(table(say, say("personal.items"), (say("came.source"), *kinds), items))
    blocks.append(Text(say("personal.minors", n=minors.get(True, 0))))
    if minors.get(None):
        blocks.append(Text(say("personal.minors_unscreened")))
    return Section("personal", say("personal.title"), blocks)
