"""Commands about rule packs: `corpus-gov rules`."""

import sys
from datetime import date
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


def _show(facts: dict[str, Any]) -> None:
    rows = [
        (one["risk"], one["entries"], one["alone"], one["least"], ", ".join(one["slots"]) or "–")
        for one in facts["risks"]
    ]
    rows.append(("total", facts["total"]["entries"], "–", facts["total"]["least"], "–"))
    terminal.table(("risk", "entries", "enough alone", "asked for", "slots without a list"), rows)
    say("Beside these risks: " + (", ".join(f"{risk} {n}" for risk, n in facts["beyond"].items()) or "none"))
    say(
        f"{len(facts['left_out'])} entries find nothing of their own (--json names them); {facts['sealed']} are sealed."
    )
    for slot in facts["slots"]:
        say(f"Slot {slot['rule']} ({slot['risk']}): waits for {slot['file']}. {slot['asks']}.")
    if facts["met"]:
        return say("All minima are met.")
    say("Missing:")
    return say("\n".join(f"  {sentence}" for sentence in facts["missing"]))
