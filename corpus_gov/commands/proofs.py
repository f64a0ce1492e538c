"""Commands about proofs of single documents: `corpus-gov prove`, `corpus-gov verify-proof`."""

from pathlib import Path
from typing import Annotated

import typer

from corpus_gov import arguments
from corpus_gov.arguments import Folder, Json, Key, Known
from corpus_gov.terminal import print_json, say


def prove(
    folder: Folder,
    doc_id: Annotated[str, typer.Argument(metavar="DOC_ID", help="32 hex digits.")],
    release: Annotated[str | None, typer.Option(help="Release to prove it of; the newest by default.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; DOC_ID.proof.json.gz by default.")] = None,
    as_json: Json = False,  # noqa: FBT002 - typer reads flags as parameters with defaults
) -> None:
    """Write a file that proves what a release says of one document; `verify-proof` checks it without the corpus."""
    from corpus_gov import proofs  # noqa: PLC0415 - heavy imports wait until a command needs them
    from corpus_gov.store import open_store  # noqa: PLC0415

    data = proofs.prove(open_store(str(folder)), release, doc_id)
    path = out or Path(f"{doc_id.lower()}.proof.json.gz")
    arguments.write(path, data, "--out")
    proven = proofs.check(data)
    if as_json:
        return print_json({"proof": str(path), "bytes": len(data), "doc_id": proven.doc_id, "release": proven.release})
    say(f"{path}: {len(data):,} bytes, proves the row of {proven.doc_id} in {proven.release}.")
    return say("It shows this row and its salt to whoever has it: addresses and reasons, no text.")


def verify_proof(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="File that `prove` wrote.")],
    key: Key = None,
    known: Known = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check the proof of one document, without the corpus. Exit code 5 where something does not hold."""
    from dataclasses import asdict  # noqa: PLC0415

    from corpus_gov import proofs  # noqa: PLC0415

    data = arguments.file(proof, "proof")
    proven = proofs.check(data, arguments.vkey(key), [arguments.file(path, "--known") for path in known or []])
    if as_json:
        return print_json(asdict(proven))
    return say("\n".join(proofs.lines(proven)))
