"""Commands about sources and their papers: `corpus-gov source`."""

import sys
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import AsOf, Folder, Json
from corpus_gov.errors import ConfigError
from corpus_gov.terminal import print_json, say

UNMET: Final = 6
"""Exit code of `check` where a dossier carries no decision: that of the gate's expectations."""
ALARM: Final = 7
"""Exit code of `check` where one ends soon."""

LABELS: Final = (("needed", "missing"), ("asked for by auditors", "advised"), ("not as filed", "damaged"))
"""What `check` calls the lists of `diversity.described_sources`."""

SKELETON: Final = {
    "collector": "{agent: examplebot/1.0, period: {first: 2026-10-01, last: 2026-10-31}, robots_policy: obeyed, "
    "rate: 1 request a second and host, impact: nightly}",
    "licence": "CC-BY-4.0",
    "licence_file": "{title: …, reference: where it is filed}",
    "contract": "{title: …, reference: its number, party: who gave it}",
    "commitment": "{title: the supplier's word on source, quality and safety, reference: …}",
    "valid_until": "2027-12-31",
    "service": "name of the service",
    "consent": "{title: …, reference: …}",
    "fields": "{consent_ref: the delivery's name of it}",
    "generator": "{name: …, version: …, acquired: 2026-10-01, "
    "assessment: {title: …, reference: …, file: evidence/…, sha256: its digest}}",
    "responsible": "a role",
    "country": "CN",
    "assessments": "{before: {day: 2026-10-01, by: …, outcome: passed}}",
    "kind": "one of self_collected, open_licence, commercial, user_input, synthetic, own",
}
"""Lines that `new` writes as comments, for the keys that are left to fill in."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Write, check and list dossiers of sources.")


@app.command()
def new(
    folder: Folder,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Id of the source, such as news-2026.")],
    inputs: Annotated[list[str], typer.Option("--input", help="Glob of its files; may be repeated.")],
    kind: Annotated[str, typer.Option(help="self_collected, open_licence, commercial, user_input, synthetic, own.")],
    title: Annotated[str, typer.Option(help="What people call it.")] = "",
    licence: Annotated[str | None, typer.Option(help="SPDX id of the licence of the source as a whole.")] = None,
    papers: Annotated[
        list[str] | None, typer.Option("--paper", help="KEY=FILE, such as contract=c7.pdf; filed under evidence/.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Write the dossier of a new source: what is known, and as comments what its kind needs."""
    from corpus_gov import config, dossier, register  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    arguments.check_source(source)
    workspace = open_workspace(folder)
    if source in workspace.dossiers:
        raise ConfigError(f"sources/{source}.yaml: is there already, expected a new id; edit it, or give another id")
    filed: dict[str, Any] = {}
    for paper in papers or ():
        key, data, name = _paper(paper, source)
        _put(filed, key, {"title": name, "reference": name, "sha256": sha256(data).hexdigest(), "file": name})
        workspace.store.put(name, data)
    stated = {
        "source_id": source,
        "kind": kind,
        "title": title or source,
        "licence": licence,
        "inputs": inputs,
        **filed,
    }
    made = config.checked(dossier.Dossier, {k: v for k, v in stated.items() if v is not None}, {}, "source new")
    asked = dict.fromkeys(key.partition(".")[0] for key in (*made.missing(), *made.advised()))
    needed = {key.partition(".")[0] for key in made.missing()}
    lines = [
        f"# {key}: {SKELETON[key]}" + ("   # needed" if key in needed else "")
        for key in asked
        if key in SKELETON and key not in filed
    ]
    text = dossier.dump_dossier(made) + "".join(f"{line}\n" for line in lines)
    register.add(workspace.store, f"sources/{source}.yaml", text.encode())
    if as_json:
        return print_json({"dossier": f"sources/{source}.yaml", "missing": made.missing(), "advised": made.advised()})
    return say(f"{folder}/sources/{source}.yaml is written; fill in: {', '.join(made.missing()) or 'nothing more'}.")


@app.command()
def check(
    folder: Folder,
    as_of: AsOf = None,
    days: Annotated[int, typer.Option(help="Days ahead in which an end is an alarm.")] = 30,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Check every dossier and its papers; exit code 6 where one carries no decision, 7 where one ends soon."""
    facts = _described(folder, as_of)
    unmet = [source for source, one in facts.items() if one["status"] != "valid"]
    ending = [source for source, one in facts.items() if (left := one["days_left"]) is not None and 0 <= left <= days]
    if as_json:
        print_json({"sources": facts, "unmet": unmet, "ending": ending})
    else:
        for source, one in facts.items():
            say(f"{source}: {one['kind']}, {one['status']}")
            for label, key in (
                ("needed", "missing"),
                ("asked for by auditors", "advised"),
                ("not as filed", "damaged"),
            ):
                if one[key]:
                    say(f"  {label}: {', '.join(one[key])}")
            if source in ending:
                say(f"  ENDS in {one['days_left']} days, on {one['valid_until']}")
    if unmet or ending:
        sys.exit(UNMET if unmet else ALARM)


@app.command("list")
def listing(
    folder: Folder,
    as_of: AsOf = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """List the sources, and how many there are of each language and origin in the newest release."""
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415 - heavy

    facts, workspace = _described(folder, as_of), open_workspace(folder)
    found = workspace.release().run.get("diversity") if workspace.releases() else None
    if as_json:
        return print_json({"sources": facts, "diversity": found})
    rows = [(s, o["kind"], o["status"], o["valid_until"] or "-", o["responsible"] or "-") for s, o in facts.items()]
    terminal.table(("source", "kind", "dossier", "valid until", "responsible"), rows)
    if found is None:
        return say("No release says how many sources there are of each language.")
    types = [(o["language"], o["documents"], len(o["sources"]), "" if o["several"] else "one") for o in found["types"]]
    terminal.table(("language of texts", "documents released", "sources", "fewer than several"), types)
    return say("Documents released by origin: " + ", ".join(f"{n:,} {name}" for name, n in found["origin"].items()))


def _described(folder: str, as_of: str | None) -> dict[str, Any]:
    from corpus_gov.diversity import described_sources  # noqa: PLC0415 - heavy
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    today = arguments.as_date(as_of) or date.today()  # noqa: DTZ011 - a dossier's last day is a local calendar day
    return described_sources(open_workspace(folder), today)


def _paper(text: str, source: str) -> tuple[str, bytes, str]:
    """Read --paper KEY=FILE: the key, the bytes, and the name under which they are filed."""
    from corpus_gov.dossier import EVIDENCE, PAPERS  # noqa: PLC0415 - heavy

    key, _, path = text.partition("=")
    if key not in PAPERS or not path:
        raise ConfigError(f"--paper {text!r}: expected KEY=FILE with a key of {', '.join(PAPERS)}; correct it")
    try:
        return key, Path(path).read_bytes(), f"{EVIDENCE}{source}/{Path(path).name}"
    except OSError as error:
        raise ConfigError(f"--paper {text!r}: {error.strerror}; expected a file that can be read") from error


def _put(filed: dict[str, Any], key: str, value: dict[str, str]) -> None:
    above, _, name = key.rpartition(".")
    (filed.setdefault(above, {}) if above else filed)[name] = value
