"""One entry of the ledger: who did what to what, when, and who signed that.

An entry is stored as canonical JSON with sorted keys. Signatures cover the DSSE pre-authentication encoding
of the entry without its `signatures`; the log's origin and the index lie inside, so that a signed entry fits
nowhere else.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Final

from corpus_gov.errors import ConfigError, IntegrityError
from corpus_gov.signatures import Signer, Verifier, canonical, decode_base64, pae, parse_canonical

ENTRY_TYPE: Final = "application/vnd.corpus-gov.entry+json"

KEY_ADDED: Final = "key_added"
"""Type of the entry that registers a key; data: {"vkey": text form}. The first one is the pipeline's own."""

KEY_ROTATED: Final = "key_rotated"
"""Type of the entry by which the pipeline takes another key; data: {"before", "vkey"}, text forms, signed by both."""

PIPELINE: Final = "pipeline"
"""The actor that is the pipeline itself, whatever its key is called."""


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Attributes:
        origin: name of the log.
        index: place in the log, from 0.
        time: UTC, "2026-01-31T12:00:00.000000Z", as the writer's clock said.
        actor: who did it: PIPELINE, or the name of a person's key.
        type: what kind of thing.
        subject: SHA-256, hex, by name of what it was done to.
        data: what else belongs to it; no floats.
        fencing: number of the writer's lease.
        signatures: base64, by key reference ("name+key id").
    """

    origin: str
    index: int
    time: str
    actor: str
    type: str
    subject: Mapping[str, str]
    data: Mapping[str, Any]
    fencing: int
    signatures: Mapping[str, str] = field(default_factory=dict)

    @property
    def claimed(self) -> bool:
        """Say whether only others signed it, so that the actor is the pipeline's word."""
        names = {reference.rpartition("+")[0] for reference in self.signatures}
        return self.actor != PIPELINE and self.actor not in names

    @property
    def state(self) -> str:
        """How to show it: "signed" by its actor, or "claimed" by the pipeline."""
        return "claimed" if self.claimed else "signed"

    def signed(self, *signers: Signer) -> "Entry":
        """Return the entry with the signatures of these keys."""
        message = self._message()
        made = {s.verifier.reference: b64encode(s.key.sign(message)).decode() for s in signers}
        return replace(self, signatures=made)

    def encode(self) -> bytes:
        """Return the stored form, over which the leaf hash goes.

        Raises:
            SchemaError: subject or data hold what canonical JSON does not know.
        """
        return canonical(self._body() | {"signatures": self.signatures})

    @classmethod
    def parse(cls, raw: bytes, origin: str, index: int, where: str) -> "Entry":
        """Read the stored form of entry `index` of the log `origin`.

        Raises:
            IntegrityError: it is malformed, or an entry of another place or log.
        """
        value = parse_canonical(raw, where)
        kinds = {"index": int, "fencing": int, "subject": dict, "data": dict, "signatures": dict}
        names = {item.name for item in fields(cls)}
        if not isinstance(value, dict) or value.keys() != names:
            raise IntegrityError(f"{where}: no entry with {', '.join(sorted(names))}; it was changed")
        wrong = [name for name in sorted(names) if type(value[name]) is not kinds.get(name, str)]
        if wrong or not all(
            isinstance(text, str) for text in (*value["subject"].values(), *value["signatures"].values())
        ):
            raise IntegrityError(f"{where}: another type than expected in {wrong or ['subject', 'signatures']!r}")
        if (value["origin"], value["index"]) != (origin, index):
            raise IntegrityError(
                f"{where}: is entry {value['index']} of {value['origin']!r}, expected {index} of {origin!r}; "
                "entries were moved or exchanged"
            )
        return cls(**value)

    @classmethod
    def shown(cls, value: Any, kind: str, where: str) -> "Entry":
        """Read an entry that a proof shows, wherever in its log it stands.

        Args:
            value: its JSON.
            kind: the type that it must have.
            where: for messages.

        Raises:
            IntegrityError: it is none of this type.
        """
        index, origin = (value.get("index"), value.get("origin")) if isinstance(value, dict) else (None, None)
        if type(index) is not int or not isinstance(origin, str):
            raise IntegrityError(f"{where}: entry without origin and index; it was changed")
        entry = cls.parse(canonical(value), origin, index, where)
        if entry.type != kind:
            raise IntegrityError(f"{where}: the entry is {entry.type!r}, expected {kind!r}; it was changed")
        return entry

    def verify(self, keys: Mapping[str, Verifier], pipeline: Verifier, where: str) -> None:
        """Check every signature.

        Args:
            keys: registered so far, by reference.
            pipeline: the key that must have signed.
            where: for messages.

        Raises:
            IntegrityError: the pipeline's signature is missing, a key is not registered, or one does not hold.
        """
        if pipeline.reference not in self.signatures:
            raise IntegrityError(f"{where}: no signature of {pipeline.reference!r}; the pipeline did not write it")
        for reference, signature in sorted(self.signatures.items()):
            if reference not in keys:
                raise IntegrityError(f"{where}: signed by {reference!r}, which no earlier entry registers")
            keys[reference].verify(decode_base64(signature, where), self._message(), where)

    def added_key(self, where: str) -> Verifier:
        """Return the key that a KEY_ADDED or KEY_ROTATED entry registers.

        Raises:
            IntegrityError: it holds none.
        """
        return self._key("vkey", where)

    def replaced_key(self, where: str) -> Verifier:
        """Return the key that a KEY_ROTATED entry takes out of use.

        Raises:
            IntegrityError: it holds none.
        """
        return self._key("before", where)

    def _key(self, name: str, where: str) -> Verifier:
        try:
            return Verifier.parse(str(self.data.get(name)))
        except ConfigError as error:
            raise IntegrityError(f"{where}: registers no readable key; it was not written by corpus_gov") from error

    def _message(self) -> bytes:
        return pae(ENTRY_TYPE, canonical(self._body()))

    def _body(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "signatures"}


def utc(time: datetime) -> str:
    """Write a time as entries hold it.

    Raises:
        ConfigError: it has no zone.
    """
    if time.tzinfo is None:
        raise ConfigError(f"time {time.isoformat()!r}: expected one with its zone; use datetime.now(UTC)")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
