"""Sections about what the release rests on: rules, checks, releases before, the run, how to verify."""

from datetime import date
from typing import Any

from corpus_gov.reporting import charts
from corpus_gov.reporting.blocks import Block, Code, Section, Text, Word, scaled, table
from corpus_gov.reporting.gathered import Gathered
from corpus_gov.reporting.origins import parts_of, picture
from corpus_gov.reporting.phrases import Phrases
from corpus_gov.schemas import DISPOSITIONS


def rules(say: Phrases, of: Gathered) -> Section:
    """Name the rule packs with their age, and hold the keyword lists against the standard's minima."""
    today = date.fromisoformat(of.run["as_of"])
    packs = [_pack(say, ref, of, today) for ref in of.run["packs"]]
    names = ("pack", "version", "updated", "age", "digest")
    blocks: list[Block] = [
        Text(say("rules.text")),
        table(say, say("rules.packs"), [say(f"rules.{name}") for name in names], packs),
    ]
    if of.coverage is None:
        return Section("rules", say("rules.title"), [*blocks, Text(say("rules.changed"), "warn")])
    missing = len(of.coverage["missing"])
    risks = [
        (
            f"{one['risk']} {say.name('risk', one['risk'])}",
            one["entries"],
            one["least"],
            one["alone"],
            Word(", ".join(one["slots"])) if one["slots"] else "–",
        )
        for one in of.coverage["risks"]
    ]
    names = ("risk", "entries", "least", "alone", "slots")
    return Section(
        "rules",
        say("rules.title"),
        [
            *blocks,
            Text(say("rules.coverage_text", **of.coverage["total"])),
            Text(say("rules.not_met", n=missing), "warn") if missing else Text(say("rules.met")),
            table(say, say("rules.coverage"), [say(f"rules.{name}") for name in names], risks),
        ],
    )


def _pack(say: Phrases, ref: str, of: Gathered, today: date) -> tuple[Any, ...]:
    name, _, rest = ref.partition("@")
    version, _, digest = rest.partition(":")
    updated = of.updated.get(name)
    age = say("days", n=max(0, (today - date.fromisoformat(updated)).days)) if updated else "–"
    return Word(name), int(version), Word(updated) if updated else "–", age, Word(digest)


def checks(say: Phrases, of: Gathered) -> Section:
    """Show what was expected of the release's tables, and which alarms sounded."""
    results = of.run.get("gate", [])
    blocks: list[Block] = []
    if results:
        held = sum(one["ok"] for one in results)
        rows = [
            (
                one["says"][say.language],
                Word(one["table"]),
                _seen(say, one),
                say("answer.yes" if one["ok"] else "answer.no"),
            )
            for one in results
        ]
        names = ("expectation", "looked", "seen", "held")
        blocks = [
            Text(say("checks.text", held=held, asked=len(results))),
            table(say, say("checks.table"), [say(f"checks.{name}") for name in names], rows),
        ]
    else:
        blocks.append(Text(say("checks.none"), "warn"))
    alarms = [(Word(one["alarm"]), scaled(one["value"]), scaled(one["limit"])) for one in of.run.get("alarms", [])]
    if alarms:
        headings = [say(f"checks.{name}") for name in ("alarm", "value", "limit")]
        blocks += [Text(say("checks.accepted"), "warn"), table(say, say("checks.alarms"), headings, alarms)]
    else:
        blocks.append(Text(say("checks.no_alarms")))
    return Section("checks", say("checks.title"), blocks)


def _seen(say: Phrases, one: dict[str, Any]) -> str:
    seen = str(one["seen"])
    return say("checks.rows", n=one["rows"]) if seen.endswith(" rows") else seen


def trend(say: Phrases, of: Gathered) -> Section:
    """Show the decisions of every release up to this one."""
    rows = [
        (Word(name), Word(when[:10]), *(counts.get(one, 0) for one in DISPOSITIONS), sum(counts.values()))
        for name, when, counts in of.trend
    ]
    cells = {(name, part): n for name, _, counts in of.trend for part, n in counts.items()}
    svg = charts.stacked(
        cells, parts_of(say, "disposition", DISPOSITIONS), others=say("others"), title=say("documents"), keep_order=True
    )
    headings = (
        say("trend.release"), say("trend.when"), *(say.name("disposition", one) for one in DISPOSITIONS), say("total")
    )  # fmt: skip
    built = table(say, say("trend.table"), headings, rows)
    if len(of.trend) == 1:
        return Section("trend", say("trend.title"), [Text(say("trend.first")), built])
    return Section("trend", say("trend.title"), [Text(say("trend.text")), picture(say, say("trend.chart"), svg), built])


def run(say: Phrases, of: Gathered) -> Section:
    """Show which code made the release, of what, and how long each stage took."""
    run = of.run
    libraries = ", ".join(f"{name} {version}" for name, version in run["libraries"].items())
    rows = [
        (say("run.code"), run["code_version"]),
        (say("run.id"), Word(run["run_id"])),
        (say("run.key"), Word(run["run_key"])),
        (say("run.policy"), Word(run["policy"]["digest"])),
        (say("run.machine"), f"Python {run['engine']['python']}, {run['engine']['machine']}"),
        (say("run.libraries"), libraries),
        (say("run.bytes"), f"{of.counts['text_bytes']:,}"),
        (say("run.rebuilt"), f"{len(run['rebuilt']):,}"),
    ]
    stages = [(Word(name), f"{one['seconds']:,.2f}") for name, one in sorted(run["stages"].items()) if ":" not in name]
    blocks: list[Block] = [table(say, say("run.table"), (say("run.fact"), say("run.value")), rows)]
    if stages:
        blocks.append(table(say, say("run.stages"), (say("run.stage"), say("seconds")), stages))
    return Section("run", say("run.title"), blocks)


def verify(say: Phrases, of: Gathered) -> Section:
    """Say how to check the release without trusting the page, and what must come out."""
    name, seal = of.name, of.seal
    command = "corpus-gov {} WORKSPACE"
    key_id = "+".join(seal["vkey"].split("+")[:2])
    rows = [
        (say("verify.root"), Word(seal["root"])),
        (say("verify.size"), f"{seal['size']:,}"),
        (say("verify.statement"), Word(seal["statement"])),
        (say("verify.run_json"), Word(seal["run_json"])),
        (say("verify.key"), Word(seal["vkey"])),
        (say("verify.key_id"), Word(key_id)),
        (say("verify.entry"), Word(f"ledger/{seal['entry']}")),
    ]
    blocks: list[Block] = [
        Text(say("verify.text")),
        Text(say("verify.whole")),
        Code(f"{command.format('verify')} --release {name} --key '{seal['vkey']}'"),
        Text(say("verify.known")),
        Code(f"{command.format('verify')} --release {name} --key '{seal['vkey']}' --known checkpoint.txt"),
        Text(say("verify.one")),
        Code(f"{command.format('explain')} DOC_ID --release {name}\n{command.format('prove')} DOC_ID"),
        Text(say("verify.again")),
        Code(f"{command.format('report')} {name} --language {say.language} --out report.html"),
        table(say, say("verify.compare"), (say("run.fact"), say("run.value")), rows),
        Text(say("verify.checkpoint")),
        Code(seal["checkpoint"]),
        Text(say("verify.limits")),
    ]
    return Section("verify", say("verify.title"), blocks)
