"""Ed25519 signatures: signed notes (C2SP signed-note), DSSE envelopes, in-toto statements.

Everything that is signed is canonical JSON or a note's text, and says in the signed bytes what it is, so
that no signature can be read as one over something else.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from corpus_gov.errors import ConfigError, IntegrityError, SchemaError

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:corpus-gov:release:v1"
AMENDMENT_TYPE: Final = "urn:corpus-gov:amendment:v1"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"

_ED25519: Final = b"\x01"
_DASH: Final = "\N{EM DASH} "


@dataclass(frozen=True)
class Verifier:
    """A public key with its name."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read the text form "name+key id+base64(0x01 ‖ public key)".

        Raises:
            ConfigError: it is not of that form, or its key id is of another name or key.
        """
        name, _, rest = vkey.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raw = b""
        verifier = cls(name, raw[1:])
        if raw[:1] != _ED25519 or len(raw) != 33 or key_id != verifier.key_id.hex():
            raise ConfigError(f"verifier key {vkey!r}: expected name+key id+base64 of an Ed25519 key; copy it again")
        return verifier

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def reference(self) -> str:
        """The key as signatures name it: "name+key id"."""
        return f"{self.name}+{self.key_id.hex()}"

    @property
    def vkey(self) -> str:
        """Text form, safe to publish."""
        return f"{self.reference}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def verify(self, signature: bytes, message: bytes, where: str) -> None:
        """Check one signature.

        Raises:
            IntegrityError: names `where` and the key.
        """
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise IntegrityError(
                f"{where}: the signature of {self.reference!r} does not hold; it was changed"
            ) from None


@dataclass(frozen=True)
class Signer:
    """A private key with the name that its signatures carry.

    Raises:
        ConfigError: the name is empty or holds white space or "+", which separate the parts of a note.
    """

    name: str
    key: Ed25519PrivateKey

    def __post_init__(self) -> None:
        """Refuse a name that a note could not carry."""
        if "+" in self.name or self.name.split() != [self.name]:
            raise ConfigError(f"key name {self.name!r}: expected one word without '+'; choose another name")

    @property
    def verifier(self) -> Verifier:
        """The public half."""
        return Verifier(self.name, self.key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """Text form of the public half, to publish and to keep where the corpus is not."""
        return self.verifier.vkey

    def sign_note(self, text: str) -> bytes:
        """Sign a note: the text, an empty line, the signature line.

        Args:
            text: ends with a line feed.
        """
        signature = base64.b64encode(self.verifier.key_id + self.key.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.name} {signature}\n".encode()


def carries(note: bytes, verifier: Verifier) -> bool:
    """Say whether a note has a signature line of this key; whether it holds is the question of `open_note`."""
    return any(signature[:4] == verifier.key_id for signature in _lines(note, verifier.name, "note"))


def open_note(note: bytes, verifier: Verifier, where: str) -> str:
    """Return the text of a note that carries a signature of `verifier`; those of other keys are not looked at.

    Raises:
        IntegrityError: it is no note, or the signature is missing or does not hold.
    """
    head, mark, _ = note.rpartition(b"\n\n")
    text = head + b"\n"
    for signature in _lines(note, verifier.name, where):
        if signature[:4] == verifier.key_id:
            verifier.verify(signature[4:], text, where)
            return text.decode()
    found = "no signature of" if mark else "no signed note, expected one by"
    raise IntegrityError(f"{where}: {found} {verifier.reference!r}; it was cut, or is of another workspace")


def _lines(note: bytes, name: str, where: str) -> Iterator[bytes]:
    """Decode the signatures under a name, each after its key id."""
    for line in note.rpartition(b"\n\n")[2].decode(errors="replace").splitlines():
        signer, _, encoded = line.removeprefix(_DASH).partition(" ")
        if line.startswith(_DASH) and signer == name:
            yield decode_base64(encoded, where)


def canonical(value: Any) -> bytes:
    """Write JSON in the one form that is signed and hashed: keys sorted by code point, no spaces, UTF-8.

    Raises:
        SchemaError: it holds a float, a whole number beyond ±2^53, a key that is no string, or lone surrogates.
    """
    _check_plain(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise SchemaError(f"canonical JSON: a lone surrogate at {error.start}; expected valid Unicode") from error


def parse_canonical(raw: bytes, where: str) -> Any:
    """Read canonical JSON.

    Raises:
        IntegrityError: the bytes are not the canonical form of what they say (a repeated key, spaces, a float).
    """
    try:
        value = json.loads(raw)
        same = canonical(value) == raw
    except (ValueError, RecursionError, SchemaError) as error:
        raise IntegrityError(f"{where}: no canonical JSON ({type(error).__name__}); it was changed or cut") from error
    if not same:
        raise IntegrityError(f"{where}: JSON is not in canonical form; it was not written by corpus_gov")
    return value


def pae(payload_type: str, body: bytes) -> bytes:
    """Build what DSSE signs (pre-authentication encoding, version 1)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def statement(subjects: Mapping[str, str], predicate: Mapping[str, Any], kind: str = PREDICATE_TYPE) -> dict[str, Any]:
    """Build an in-toto Statement v1 about the files of a release.

    Args:
        subjects: SHA-256, hex, by file name inside the release.
        predicate: its `root` and `size` are the manifest's (docs/manifest-format.md).
        kind: type of the predicate, PREDICATE_TYPE or AMENDMENT_TYPE.

    Raises:
        SchemaError: the predicate lacks root or size.
    """
    if missing := sorted({"root", "size"} - predicate.keys()):
        raise SchemaError(f"statement: predicate lacks {missing!r}; give the manifest's root and number of rows")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(subjects.items())],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def dsse_sign(body: Mapping[str, Any], signer: Signer) -> bytes:
    """Put a statement into a signed DSSE envelope, as canonical JSON."""
    payload = canonical(body)
    signature = signer.key.sign(pae(PAYLOAD_TYPE, payload))
    return canonical(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": signer.verifier.reference, "sig": base64.b64encode(signature).decode()}],
        }
    )


def dsse_verify(
    envelope: bytes, vkey: str, where: str = "statement.json", predicate: str = PREDICATE_TYPE
) -> dict[str, Any]:
    """Return the statement of an envelope that the key `vkey` signed, its predicate being of the type `predicate`.

    Raises:
        IntegrityError: the envelope is malformed, or no signature of that key holds; names `where`.
    """
    verifier, outer = Verifier.parse(vkey), parse_canonical(envelope, where)
    try:
        kind, payload = outer["payloadType"], decode_base64(outer["payload"], where)
        signatures = {item["keyid"]: decode_base64(item["sig"], where) for item in outer["signatures"]}
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"{where}: no DSSE envelope ({type(error).__name__}); it was changed") from error
    if kind != PAYLOAD_TYPE or verifier.reference not in signatures:
        raise IntegrityError(
            f"{where}: {kind!r} signed by {sorted(signatures)!r}, expected {PAYLOAD_TYPE!r} by {verifier.reference!r}"
        )
    verifier.verify(signatures[verifier.reference], pae(kind, payload), where)
    body = parse_canonical(payload, where)
    if not isinstance(body, dict) or body.get("_type") != STATEMENT_TYPE or body.get("predicateType") != predicate:
        raise IntegrityError(f"{where}: signed, but no {STATEMENT_TYPE!r} with {predicate!r}; it is something else")
    return body


def stated_key(envelope: bytes, where: str) -> str:
    """Return the public key that the predicate of an envelope names as `vkey`: trust in it is trust in the envelope.

    Raises:
        IntegrityError: it names none; names `where`.
    """
    try:
        payload = parse_canonical(decode_base64(parse_canonical(envelope, where)["payload"], where), where)
        return Verifier.parse(payload["predicate"]["vkey"]).vkey
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise IntegrityError(f"{where}: names no key ({type(error).__name__}); it was changed") from error


def decode_base64(encoded: Any, where: str) -> bytes:
    """Decode standard base64.

    Raises:
        IntegrityError: it is not; names `where`.
    """
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise IntegrityError(f"{where}: base64 does not decode; it was changed or cut") from error


def _check_plain(value: Any) -> None:
    """Refuse what two JSON writers could write in two ways."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise SchemaError(f"canonical JSON: key {key!r} is no string")
            _check_plain(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check_plain(item)
    elif isinstance(value, int):
        if abs(value) > 2**53:
            raise SchemaError(f"canonical JSON: {value} is beyond 2^53; write it as a string")
    elif value is not None and not isinstance(value, str):
        raise SchemaError(f"canonical JSON: a {type(value).__name__}; expected whole numbers, strings, lists, mappings")
