"""Commands about rule packs: `corpus-gov rules`."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import AsOf, Json, Rules
from corpus_gov.terminal import print_json, say

UNMET: Final = 6
"""Exit code of `--check` where a minimum is not met: that of the gate's expectations."""

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at rule packs.")


@app.callback()
def about() -> None:
    """Look at rule packs."""


@app.command()
def lint(
    packs: Annotated[
        list[str] | None, typer.Argument(metavar="[PACK]…", help="Such as cn.harm; all by default.")
    ] = None,
    rules: Rules = None,
    as_of: AsOf = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 6 where a minimum is not met.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Compile every rule, count keywords by risk against the minima of GB/T 45654-2025, and say what is missing."""
    from corpus_gov import lint as linting  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.config import PACKS  # noqa: PLC0415
    from corpus_gov.rules import load_packs  # noqa: PLC0415

    today = date.today()  # noqa: DTZ011 - the age of a list is a number of local calendar days
    loaded = load_packs(packs or PACKS, rules)
    linting.compiled(loaded)
    facts = linting.lint(loaded, arguments.as_date(as_of) or today)
    if as_json:
        print_json(facts)
    else:
        _show(facts)
    if check and not facts["met"]:
        sys.exit(UNMET)


@app.command("seal-list")
def seal_list(
    plain: Annotated[Path, typer.Argument(metavar="PLAIN", help="File of word lists, as slots take it.")],
    sealed: Annotated[Path, typer.Argument(metavar="SEALED", help="New file; nobody can read the entries in it.")],
    hosts: Annotated[bool, typer.Option("--hosts", help="Entries are domains of a blocklist, not words.")] = False,  # noqa: FBT002
    key: Annotated[str | None, typer.Option("--list-key", help="Id of a key that is there; a new one without.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write a file of word lists so that texts can be searched for its entries and nobody can read them."""
    from corpus_gov import wordsealing  # noqa: PLC0415

    made = wordsealing.seal_file(plain, sealed, hosts=hosts, name=key)
    if as_json:
        return print_json(made)
    say(f"{sealed} holds {made['entries']} entries under the key {made['key']}, which lies in {made['file']}.")
    return say(
        "Back the key up apart from the list: without it nothing is screened. Keep the plain file where it is safe."
    )


def _filled(slot: dict[str, Any]) -> str:
    """Say in words how many entries a slot has, or which file it waits for."""
    if not slot["filled"]:
        return f"waits for {slot['file']}. {slot['asks']}"
    return f"{slot['file']} has {slot['plain']} plain and {slot['sealed']} sealed entries"


def _show(facts: dict[str, Any]) -> None:
    rows = [
        (one["risk"], one["entries"], one["sealed"], one["alone"], one["least"], ", ".join(one["slots"]) or "–")
        for one in facts["risks"]
    ]
    rows.append(("total", facts["total"]["entries"], facts["sealed"], "–", facts["total"]["least"], "–"))
    terminal.table(("risk", "entries", "sealed", "enough alone", "asked for", "slots without a list"), rows)
    say("Beside these risks: " + (", ".join(f"{risk} {n}" for risk, n in facts["beyond"].items()) or "none"))
    say(f"{len(facts['left_out'])} entries find nothing of their own (--json names them).")
    say("Slots: what no package brings, and only the operator can list. Nothing is screened for one that waits.")
    for slot in facts["slots"]:
        say(f"  {slot['rule']} ({slot['risk']}): {_filled(slot)}.")
    if facts["met"]:
        return say("All minima are met.")
    say("Missing:")
    return say("\n".join(f"  {sentence}" for sentence in facts["missing"]))
