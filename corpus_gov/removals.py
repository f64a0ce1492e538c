"""What holders of an earlier release have to give up: a list of ids and digests, and a signed certificate over it.

Neither holds a text, an address or a person's name. The certificate is an in-toto statement in a DSSE envelope, as the
statement of a release is, and the ledger has an entry with the digest of the list.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from corpus_gov import acts, artefacts, changes, handovers, published
from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.signatures import dsse_sign, dsse_verify, stated_key, statement
from corpus_gov.workspace import Workspace

REMOVALS_LISTED: Final = "removals_listed"
"""Type of the entry; subject: the list and the statements of both releases; data: since, until, removed, redacted."""

KIND: Final = "urn:corpus-gov:removals:v1"
"""Type of the certificate's predicate."""

LIST: Final = "removals.parquet"
CERTIFICATE: Final = "certificate.json"


def write(
    workspace: Workspace, since: str, folder: Path, *, until: str | None = None, receiver: str | None = None
) -> dict[str, Any]:
    """List what was released in `since` and is not in `until`, sign it, and note it in the ledger.

    Args:
        workspace: an open workspace.
        since: the release that somebody holds.
        folder: where LIST and CERTIFICATE are written.
        until: the later release; the newest by default.
        receiver: who holds it, as in the distribution register; the certificate has the digest of the handover.

    Returns:
        The predicate of the certificate.

    Raises:
        ConfigError: no such releases, or nobody of that name received `since`.
        StoreError: as for `acts.record`.
    """
    store, known = workspace.store, workspace.releases()
    until = until or (known[-1] if known else since)
    for name in (since, until):
        if name not in known:
            raise ConfigError(f"removals: found no release {name!r}, expected one of {known!r}; name one of those")
    if known.index(since) >= known.index(until):
        raise ConfigError(f"removals: {until!r} is not later than {since!r}; name an earlier release with --since")
    held = handed(workspace, since, receiver)
    found = changes.removed(changes.files_of(store, since), changes.files_of(store, until))
    data = artefacts.encode(found)
    digest = sha256(data).hexdigest()
    counts = {name: found["change"].to_pylist().count(name) for name in ("removed", "redacted")}
    entries = published.committed(workspace.ledger())
    with workspace.writing():
        signer = workspace.signer()
        predicate = {
            "workspace": workspace.settings.id,
            "since": since,
            "until": until,
            "root": entries[until].data["root"],
            "size": entries[until].data["size"],
            "root_since": entries[since].data["root"],
            "handovers": held,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "vkey": signer.vkey,
            **counts,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LIST).write_bytes(data)
        (folder / CERTIFICATE).write_bytes(dsse_sign(statement({LIST: digest}, predicate, KIND), signer))
        subject = {LIST: digest, **entries[since].subject, **entries[until].subject}
        acts.record(workspace, REMOVALS_LISTED, subject, {"since": since, "until": until, **counts})
    return predicate


def handed(workspace: Workspace, release: str, receiver: str | None) -> dict[str, str]:
    """Return the digests of the handovers of a release, by name; of one receiver where one is named.

    Raises:
        ConfigError: nobody of that name received it.
    """
    listed = handovers.listed(workspace, [release])
    mine = [one for one in listed if receiver is None or one.get("receiver") == receiver]
    if receiver is not None and not mine:
        raise ConfigError(f"removals: {receiver!r} received no {release!r}; `handover list` shows who received what")
    return {one["handover"]: sha256(workspace.store.read(one["handover"])).hexdigest() for one in mine}


def owed(workspace: Workspace) -> list[dict[str, Any]]:
    """Say of every release that was handed over, but the newest, how much its holders have to give up.

    Returns:
        release, receivers, removed, redacted; oldest first.
    """
    known = workspace.releases()
    of = {one["release"] for one in handovers.listed(workspace)}
    found = []
    for release in known[:-1]:
        if release in of:
            rows = changes.removed(
                changes.files_of(workspace.store, release), changes.files_of(workspace.store, known[-1])
            )
            kinds = rows["change"].to_pylist()
            names = sorted({one.get("receiver", "erased") for one in handovers.listed(workspace, [release])})
            found.append({"release": release, "receivers": names,
                          **{kind: kinds.count(kind) for kind in ("removed", "redacted")}})  # fmt: skip
    return found


def verify(folder: Path, vkey: str | None = None) -> dict[str, Any]:
    """Check a list against its certificate, without the workspace.

    Args:
        folder: with LIST and CERTIFICATE.
        vkey: the pipeline's public key as kept elsewhere; without it the certificate's own is taken, and `trusted`
            says so.

    Returns:
        The predicate, with `rows` and `trusted`.

    Raises:
        IntegrityError: the signature does not hold, or the list is another one.
        ConfigError: a file is not there, or the key is malformed.
    """
    try:
        envelope, data = ((folder / name).read_bytes() for name in (CERTIFICATE, LIST))
    except OSError as error:
        raise ConfigError(f"{folder}: found no {LIST} with a {CERTIFICATE}; give the folder of both") from error
    body = dsse_verify(envelope, vkey or stated_key(envelope, CERTIFICATE), CERTIFICATE, KIND)
    stated = {one["name"]: one["digest"]["sha256"] for one in body["subject"]}
    if stated != {LIST: sha256(data).hexdigest()}:
        raise IntegrityError(f"{LIST}: is not the list that {CERTIFICATE} was signed for; ask for both again")
    rows, said = artefacts.decode(data), body["predicate"]
    kinds = rows["change"].to_pylist()
    if rows.schema.names != changes.REMOVALS.names or any(kinds.count(k) != said[k] for k in ("removed", "redacted")):
        raise IntegrityError(f"{LIST}: its rows are not what {CERTIFICATE} counts; it was not written by corpus_gov")
    note = "the public key was taken from the certificate itself: whoever wrote it may have made both"
    return {**said, "rows": rows.num_rows, "trusted": [] if vkey else [note]}


def lines(found: Sequence[dict[str, Any]]) -> list[str]:
    """Render what `owed` returned."""
    return [
        f"{one['release']}, held by {', '.join(one['receivers'])}: {one['removed']:,} documents to give up, "
        f"{one['redacted']:,} to exchange"
        for one in found
    ] or ["No earlier release was handed over."]
