"""Sections about what came in: records, sources, rights, languages."""

from collections.abc import Iterator
from typing import Any

from corpus_gov.reporting import charts
from corpus_gov.reporting.blocks import Bar, Block, Chart, Section, Table, Text, Word, percent, scaled, table
from corpus_gov.reporting.gathered import RELEASED, Gathered
from corpus_gov.reporting.phrases import Phrases
from corpus_gov.schemas import AIGC_STATES, DISPOSITIONS, OPTOUT_STATES, OUTCOMES, RIGHTS_STATES
from corpus_gov.verdicts import LIMIT


def picture(say: Phrases, title: str, svg: str) -> Chart:
    """Put a chart beside the sentence that stands for it."""
    return Chart(svg, say("chart_of", title=title))


def parts_of(say: Phrases, kind: str, names: tuple[str, ...]) -> dict[str, str]:
    """Return what each value of a column is called."""
    return {name: say.name(kind, name) for name in names}


def came(say: Phrases, of: Gathered) -> Section:
    """Say what became of every record, by source."""
    cells = dict(of.counted.outcomes)
    outcomes = tuple(one for one in OUTCOMES if any(outcome == one for _, outcome in cells))
    sources = sorted({source for source, _ in cells})
    rows = [
        (
            Word(source),
            *(cells.get((source, one), 0) for one in outcomes),
            sum(n for (s, _), n in cells.items() if s == source),
        )
        for source in sources
    ]
    if len(rows) > 1:
        totals = [sum(cells.get((source, one), 0) for source in sources) for one in outcomes]
        rows.append((say("total"), *totals, sum(totals)))
    headings = (say("came.source"), *(say.name("outcome", one) for one in outcomes), say("came.records"))
    blocks: list[Block] = [
        Text(say("came.text")),
        picture(
            say, say("came.chart"),
            charts.stacked(cells, parts_of(say, "outcome", outcomes), others=say("others"), title=say("came.records")),
        ),
        table(say, say("came.table"), headings, rows),
    ]  # fmt: skip
    why = sorted(of.counted.why.items(), key=lambda item: (-item[1], item[0]))
    if why:
        reasons = [(Word(reason), say.name("outcome", outcome), n) for (outcome, reason), n in why]
        blocks.append(
            table(say, say("came.why"), (say("came.reason"), say("came.outcome"), say("came.records")), reasons)
        )
    if of.counted.missing:
        blocks.insert(1, Text(say("came.missing", n=of.counted.missing), "warn"))
    if of.counts.get("labelled_files"):
        blocks.append(Text(say("came.labelled", n=of.counts["labelled_files"])))
    if of.counts.get("superseded"):
        blocks.append(Text(say("came.superseded", n=of.counts["superseded"])))
    return Section("came", say("came.title"), blocks)


def sources(say: Phrases, of: Gathered) -> Section:
    """Say how each source stands: dossier, verdict, samples."""
    dossiers = of.run.get("dossiers", {})
    kinds = [
        (
            Word(source),
            of.titles.get(source, say("unknown")),
            say.name("kind", one["kind"]),
            say.name("status", one["status"]),
            Word(one["valid_until"]) if one["valid_until"] else "–",
            ", ".join(one["missing"]) or say("none"),
            ", ".join(one["damaged"]) or say("none"),
        )
        for source, one in dossiers.items()
    ]
    names = ("name", "titled", "kind", "status", "until", "missing", "damaged")
    origin = of.run.get("diversity", {}).get("origin")
    blocks: list[Block] = [
        Text(say("sources.text")),
        table(say, say("sources.dossiers"), [say(f"sources.{name}") for name in names], kinds),
        *_verdicts(say, of),
        *_samples(say, of),
    ]
    if origin:
        blocks.append(Text(say("sources.origin", **origin)))
    return Section("sources", say("sources.title"), blocks)


def _verdicts(say: Phrases, of: Gathered) -> Iterator[Block]:
    found = [(source, name, one) for source, all_ in of.counts["verdicts"].items() for name, one in all_.items()]
    drawn = [
        {"name": source, "share": one["share"] / 100, "lower": one["lower"] / 100, "upper": one["upper"] / 100}
        for source, _, one in sorted(found, key=lambda item: -(item[2] or {"upper": 0})["upper"])
        if one and one["counted"]
    ]
    if drawn:
        title = f"{say('share')}, %"
        svg = charts.intervals(drawn, limit=LIMIT / 100, title=title, limit_title=say("sources.limit"))
        yield picture(say, say("sources.chart"), svg)
    rows = [
        (Word(source), say.name("tally", name), *_bounds(say, one)) for source, name, one in found
    ]  # fmt: skip
    names = ("name", "tally", "counted", "bad")
    headings = [*(say(f"sources.{name}") for name in names), *_headings(say)]
    if rows:
        yield table(say, say("sources.verdicts"), headings, rows)


def _headings(say: Phrases) -> tuple[str, ...]:
    return say("share"), say("sources.bounds"), say("sources.verdict")


def _bounds(say: Phrases, one: dict[str, Any] | None) -> tuple[Any, ...]:
    """Return what was counted and the verdict on it, as cells."""
    if one is None:
        return ("–", "–", "–", "–", say("sources.unscreened"))
    bounds = f"{scaled(one['lower'])} – {scaled(one['upper'])}"
    return one["counted"], one["bad"], scaled(one["share"]), bounds, say.name("verdict", one["verdict"])


def _samples(say: Phrases, of: Gathered) -> Iterator[Block]:
    samples = of.run.get("assessments", {})
    if not samples:
        yield Text(say("sources.no_samples"))
        return
    rows = [
        (Word(name), one["drawn"], *_bounds(say, one), Word(one["last"]) if one["last"] else "–")
        for name, one in samples.items()
    ]
    names = ("sample", "drawn", "counted", "bad")
    headings = [*(say(f"sources.{name}") for name in names), *_headings(say), say("sources.last")]
    yield table(say, say("sources.samples"), headings, rows)


def rights(say: Phrases, of: Gathered) -> Section:
    """Say what the evidence permits, which licences were found, and who opted out."""
    cells = of.counted.by("rights_state", "disposition")
    named = {(say.name("rights_state", state), part): n for (state, part), n in cells.items()}
    svg = charts.stacked(
        named, parts_of(say, "disposition", DISPOSITIONS), others=say("others"), title=say("documents")
    )
    released = of.counted.by("rights_licence", where=lambda row: row["disposition"] in RELEASED)
    licences = [
        (Word(name) if name else say("rights.no_licence"), n, released.get(name, 0))
        for name, n in of.counted.by("rights_licence").most_common()
    ]
    bases = [
        (say.name("basis", name) if name else say("rights.no_basis"), n)
        for name, n in of.counted.by("rights_basis").most_common()
    ]
    headings = (say("rights.licence"), say("documents"), say("rights.released"))
    blocks: list[Block] = [
        Text(say("rights.text")),
        picture(say, say("rights.chart"), svg),
        by_disposition(say, say("rights.table"), say("rights.state"), "rights_state", RIGHTS_STATES, cells),
        table(say, say("rights.licences"), headings, licences),
        table(say, say("rights.bases"), (say("rights.basis"), say("documents")), bases),
        Text(say("rights.optouts_text")),
        by_disposition(
            say, say("rights.optouts"), say("rights.optout"), "optout_state", OPTOUT_STATES,
            of.counted.by("optout_state", "disposition"),
        ),
    ]  # fmt: skip
    return Section("rights", say("rights.title"), blocks)


def aigc(say: Phrases, of: Gathered) -> Section:
    """Say what is known of machines as authors."""
    cells = of.counted.by("aigc_state", "disposition")
    block = by_disposition(say, say("aigc.table"), say("aigc.state"), "aigc_state", AIGC_STATES, cells)
    return Section("aigc", say("aigc.title"), [Text(say("aigc.text")), block])


def languages(say: Phrases, of: Gathered) -> Section:
    """Count documents, released ones and sources by language."""
    counted = of.counted.by("language").most_common()
    released = of.counted.by("language", where=lambda row: row["disposition"] in RELEASED)
    places: dict[str, set[str]] = {}
    for source, language in of.counted.by("source_id", "language"):
        places.setdefault(language, set()).add(source)
    called = {name: f"{say.name('language', name)} ({name})" for name, _ in counted}
    drawn = {called[name]: released.get(name, 0) for name, _ in counted}
    rows = [
        (called[name], n, released.get(name, 0), percent(released.get(name, 0), of.released), len(places[name]))
        for name, n in counted
    ]
    headings = (
        say("languages.language"), say("documents"), say("rights.released"), say("share"), say("languages.sources")
    )  # fmt: skip
    svg = charts.bars(drawn, title=say("documents"), others=say("others"))
    blocks: list[Block] = [
        Text(say("languages.text")),
        picture(say, say("languages.chart"), svg),
        table(say, say("languages.table"), headings, rows),
    ]
    return Section("languages", say("languages.title"), blocks)


def by_disposition(
    say: Phrases, caption: str, heading: str, kind: str, names: tuple[str, ...], cells: dict[tuple[str, str], int]
) -> Table:
    """Build a table of documents by a state and the decision on them; states that nothing has are left out."""
    counted = {name: [cells.get((name, one), 0) for one in DISPOSITIONS] for name in names}
    whole = max(1, sum(cells.values()))
    rows = [
        (say.name(kind, name), *counts, sum(counts), Bar(sum(counts) / whole))
        for name, counts in counted.items()
        if any(counts)
    ]
    headings = (heading, *(say.name("disposition", one) for one in DISPOSITIONS), say("total"), say("share"))
    return table(say, caption, headings, rows)
