"""Commands about sampling audits: `corpus-gov assess`."""

import json
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from corpus_gov import arguments, terminal
from corpus_gov.arguments import Folder, Json
from corpus_gov.errors import ConfigError, StoreError
from corpus_gov.terminal import print_json, say

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Draw samples, record verdicts, report shares.")

Draw = Annotated[str, typer.Option("--kind", help="manual, technical or source.")]
Sheet = Annotated[Path, typer.Argument(metavar="SHEET", help="JSON lines with doc_id and risk: none, or such as A1h.")]


@app.callback()
def about() -> None:
    """Draw samples, record verdicts, report shares."""


@app.command()
def draw(
    folder: Folder,
    kind: Draw = "manual",
    source: Annotated[str | None, typer.Option(help="With --kind source: its id; all of its documents count.")] = None,
    release: Annotated[str | None, typer.Option(help="Release to draw from; the newest by default.")] = None,
    seed: Annotated[
        str | None, typer.Option(help="Hex digits that draw the same sample again; random by default.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="More documents than the kind asks for.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Sheet to write; SAMPLE.jsonl by default.")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Draw a random sample of documents, and write a sheet to fill in."""
    from corpus_gov import assessments  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    if (source is None) == (kind == "source"):
        raise ConfigError(f"--kind {kind}: --source goes with --kind source, and with no other; correct the options")
    sample = assessments.draw(open_workspace(folder), kind, source or release, _seed(seed), size)
    path = out or Path(f"{sample.digest[:16]}.jsonl")
    rows = "".join(json.dumps({"doc_id": doc_id, "risk": None}) + "\n" for doc_id in sample.doc_ids)
    try:
        path.write_text(rows, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{str(path)!r}: {error.strerror}; give another file with --out") from error
    facts = {name: getattr(sample, name) for name in ("digest", "kind", "of", "seed", "offered")}
    if as_json:
        return print_json({**facts, "drawn": len(sample.doc_ids), "sheet": str(path)})
    say(f"Sample {sample.digest[:16]}: {len(sample.doc_ids):,} of {sample.offered:,} documents of {sample.of}.")
    say(f"Seed {sample.seed} draws it again. What is asked for: {assessments.KINDS[kind].asks}.")
    return say(f"{path}: write a risk such as A1h, or none, beside each, then `corpus-gov assess record`.")


@app.command()
def record(
    folder: Folder,
    sample: Annotated[str, typer.Argument(metavar="SAMPLE", help="Digest of the sample, or its first digits.")],
    sheet: Sheet,
    by: Annotated[str, typer.Option("--by", help="Who looked.")],
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Record what somebody found in documents of a sample; lines without a risk are left for later."""
    from corpus_gov import assessments  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    found = assessments.record(open_workspace(folder), sample, _rows(sheet), by)
    if as_json:
        return print_json(found)
    return say(f"Sample {found['sample'][:16]}: {found['counted']:,} verdicts, {found['bad']:,} with a risk.")


@app.command()
def report(folder: Folder, as_json: Json = False) -> None:  # noqa: FBT002
    """Show shares with their bounds, and what follows: accept, reject or undecided."""
    from corpus_gov import assessments  # noqa: PLC0415
    from corpus_gov.workspace import open_workspace  # noqa: PLC0415

    found = [{**one, "dossier": assessments.for_dossier(one)} for one in assessments.report(open_workspace(folder))]
    if as_json:
        return print_json({"assessments": found})
    heads = ("sample", "of", "seen", "risk", "share, 95 % bounds", "verdict")
    terminal.table(heads, [_row(one) for one in found])
    for one in found:
        if one["dossier"]:
            say(f"For assessments of {one['of']}: {json.dumps(one['dossier'], ensure_ascii=False)}")
    return None


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    share, lower, upper = (f"{one[name] / 100:.2f}" for name in ("share", "lower", "upper"))
    counted = f"{one['counted']:,}/{one['drawn']:,}"
    of = f"{one['kind']} {one['of'].removeprefix('source:').removeprefix('release:')}"
    return one["sample"][:12], of, counted, f"{one['bad']:,}", f"{share} ({lower} to {upper}) %", one["verdict"]


def _seed(text: str | None) -> bytes:
    if text is None:
        return secrets.token_bytes(16)
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ConfigError(
            f"--seed {text!r}: expected hex digits, two a byte; give those of the earlier draw"
        ) from error


def _rows(sheet: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(arguments.file(sheet, "sheet").splitlines(), 1):
        try:
            row = json.loads(line) if line.strip() else {"risk": None}
        except ValueError as error:
            raise ConfigError(f"{sheet}:{number}: found no JSON object; write doc_id and risk in braces") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{sheet}:{number}: found no JSON object; write doc_id and risk in braces")
        if row.get("risk") is not None:
            rows.append(row)
    return rows
