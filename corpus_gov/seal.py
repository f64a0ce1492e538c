"""Evidence without exposure: a keyed digest and a short mask in place of each value that a screen found.

Look-up by value works because the digest covers a normal form: "Li@Example.COM" and "li@example.com" are one
address. The rule's `normaliser` names the form; a rule without one is not sealed. The key is an argument of
every function and is kept in none.
"""

import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa

from corpus_gov.apply import check_span, locate
from corpus_gov.errors import ConfigError
from corpus_gov.kernels import views
from corpus_gov.kernels.digests import hmac_hex
from corpus_gov.kernels.percent import MAX_LAYERS
from corpus_gov.rules import Rule
from corpus_gov.schemas import FINDINGS

MIN_KEY_BYTES: Final = 16
"""A shorter key could be guessed; the workspace's own have 32."""

_EXTENSION = re.compile(r"(?i) ?(?:转|ext\.?|x|#) ?(?=\d)")

_HIDDEN: Final = "****"
"""Stands for what a mask leaves out, however long it is."""


def seal(documents: pa.RecordBatch, findings: pa.RecordBatch, rules: Mapping[str, Rule], key: bytes) -> pa.RecordBatch:
    """Fill masked, hmac and key_id of every finding whose rule names a normaliser.

    hmac is HMAC-SHA256(key, rule id ‖ 0x00 ‖ normal form in UTF-8). In the uri column, %XX is decoded first.

    Args:
        documents: DOCUMENTS, the batch that was screened.
        findings: FINDINGS of it, m rows.
        rules: every rule in force, by id; a finding of no rule, such as screen.failed, is not sealed.
        key: the workspace's seal key.

    Returns:
        FINDINGS, m rows in the same order.

    Raises:
        ConfigError: the key is too short.
        IntegrityError: a finding's document is not in the batch.
        RuleError: a rule names a normal form that does not exist.
        SchemaError: a span is empty or reaches outside its column.
    """
    _check_key(key)
    normalise = {name: _normaliser(rule) for name, rule in rules.items() if rule.normaliser is not None}
    rows = locate(documents.column("doc_id"), findings.column("doc_id"))
    masks: list[str | None] = []
    digests: list[str | None] = []
    spans = (findings.column(name).to_pylist() for name in ("rule", "column", "start", "end"))
    place, text = None, ""
    for row, rule, column, start, end in zip(rows, *spans, strict=True):
        if rule not in normalise:
            masks.append(None)
            digests.append(None)
            continue
        # Findings come in document order: decode a text once for all that was found in it.
        if place != (row, column):
            place, text = (row, column), documents.column(column)[row].as_py() or ""
        doc_id = findings.column("doc_id")[len(masks)].as_py()
        check_span(start, end, len(text), f"document {doc_id!r}: rule {rule!r}, column {column!r}")
        value = _unquoted(text[start:end]) if column == "uri" else text[start:end]
        masks.append(mask(value))
        digests.append(keyed_digest(rule, normalise[rule](value), key))
    which = key_id(key)
    sealed: dict[str, Any] = {
        "masked": masks,
        "hmac": digests,
        "key_id": [which if digest else None for digest in digests],
    }
    return pa.RecordBatch.from_arrays(
        [pa.array(sealed[f.name], f.type) if f.name in sealed else findings.column(f.name) for f in FINDINGS],
        schema=FINDINGS,
    )


def keyed_digest(rule: str, normal: str, key: bytes) -> str:
    """Digest a normal form under a rule's id, as `seal` does: hex."""
    return hmac.digest(key, rule.encode() + b"\0" + normal.encode(), "sha256").hex()


def key_id(key: bytes) -> str:
    """Name a key without showing it: the first 8 hex digits of SHA-256("corpus-gov seal key" ‖ key)."""
    return sha256(b"corpus-gov seal key" + key).hexdigest()[:8]


def uri_hmacs(uris: pa.Array, key: bytes) -> pa.Array:
    """Digest URIs for look-up: HMAC-SHA256(key, "uri" ‖ 0x00 ‖ URI as recorded); a null stays null.

    Args:
        uris: string or large_string, n rows.
        key: the workspace's seal key.

    Returns:
        string, n rows of 64 hex digits.

    Raises:
        ConfigError: the key is too short.
    """
    return reference_hmacs(uris, "uri", key)


def reference_hmacs(references: pa.Array, kind: str, key: bytes) -> pa.Array:
    """Digest references for look-up: HMAC-SHA256(key, kind ‖ 0x00 ‖ reference); a null stays null.

    Args:
        references: string, n rows.
        kind: such as consent.
        key: the workspace's seal key.

    Raises:
        ConfigError: the key is too short.
    """
    _check_key(key)
    return hmac_hex(references, key, f"{kind}\0".encode())


def mask(value: str) -> str:
    """Show at most 4 code points of a value, and of its length only whether it is over 3, 6 and 10."""
    value = value.strip()
    # 0, 1, 2 or 4: a few known characters of a short value would leave little to guess.
    shown = sum(len(value) > bound for bound in (3, 6, 10, 10))
    return value[: (shown + 1) // 2] + _HIDDEN + value[len(value) - shown // 2 :]


def email(value: str) -> str:
    """Fold an address to lower case, its domain to the ASCII form of IDNA 2003.

    Case of the local part is folded although RFC 5321 allows it to differ: no provider in use tells them apart.
    A domain that IDNA refuses, such as one with a label of over 63 bytes, stays in lower case as it is.
    """
    local, at, domain = _plain(value).lower().rpartition("@")
    domain = domain.rstrip(".。 ")
    # The tables of the standard library are frozen at Unicode 3.2: a digest outlives library versions.
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode("ascii")
    return local + at + domain


def email_spelled(value: str) -> str:
    """Write an address that is spelled out, such as name (at) host dot com, in the normal form of `email`."""
    plain = re.sub(" +", " ", _plain(value))
    plain = re.sub(r"(?i) ?[\[({<] ?(?:at|艾特|a|@) ?[\])}>] ?| (?:at|艾特) |艾特| ?@ ?|#", "@", plain, count=1)
    return email(re.sub(r"(?i) ?[\[({<] ?(?:dot|点|\.) ?[\])}>] ?| (?:dot|点) |点", ".", plain))


def phone_cn(value: str) -> str:
    """Write a telephone number as E.164, taking one without a country code as Chinese: +86 and the digits.

    An extension is left out: it is dialled after the call is answered.

    Source: ITU-T E.164; 00 is the international prefix of China, a single 0 its trunk prefix.
    """
    number = digits(_EXTENSION.split(_plain(value))[0])
    if number.startswith("00"):
        number = number[2:]
    # 86 and eleven digits from 1: a mobile number with its country code but without the plus.
    elif not re.match(r"\D*\+", _plain(value)) and not re.fullmatch(r"861\d{10}", number):
        number = "86" + number
    # "+86 (0)10": the trunk prefix is dialled inside the country only.
    return "+" + re.sub(r"^860", "86", number)


def phone(value: str) -> str:
    """Write a telephone number of any country as E.164; one that no numbering plan knows as its digits.

    Source: ITU-T E.164; without a country code the plans are those of the rule pii.phone.
    """
    from corpus_gov import telephones  # noqa: PLC0415 - its tables take a tenth of a second to load

    written = _EXTENSION.split(_plain(value))[0]
    plus = "+" if re.match(r"\D*\+", written) else ""
    number = plus + digits(written)
    return telephones.e164(written, telephones.REGIONS) or telephones.e164(number, telephones.REGIONS) or number


def id_upper(value: str) -> str:
    """Keep letters and digits of an identity document's number, in upper case."""
    return "".join(char for char in views.numerals(_plain(value)) if char.isalnum()).upper()


def digits(value: str) -> str:
    """Keep the decimal digits of any script, and Chinese numerals, as 0 to 9."""
    return "".join(str(unicodedata.decimal(char)) for char in views.numerals(_plain(value)) if char.isdecimal())


def ip(value: str) -> str:
    """Write an IP address in the form of RFC 5952; what is none stays as it is."""
    plain = _plain(value)
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return plain.lower()


def hexadecimal(value: str) -> str:
    """Keep hexadecimal digits, in lower case: the address of a device."""
    return "".join(char for char in _plain(value).lower() if char in "0123456789abcdef")


def account(value: str) -> str:
    """Fold the name of an account to lower case, without the sign in front; no network in use tells cases apart."""
    return _plain(value).lower().lstrip("@ ")


def exact(value: str) -> str:
    """Keep a value as it is but for compatibility forms and invisible characters: keys and wallets."""
    return _plain(value)


def compact(value: str) -> str:
    """Leave out spaces and signs, and fold to lower case: names, addresses, dates, places."""
    return "".join(char for char in _plain(value).casefold() if char.isalnum())


NORMALISERS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "email": email,
        "email_spelled": email_spelled,
        "phone_cn": phone_cn,
        "phone": phone,
        "id_upper": id_upper,
        "digits": digits,
        "ip": ip,
        "hex": hexadecimal,
        "account": account,
        "exact": exact,
        "compact": compact,
    }
)
"""Normal forms that a rule may name. Changing what one returns breaks look-up: add another name instead."""


def _unquoted(value: str) -> str:
    """Undo percent-encoding as often as the screens do: an address inside of a parameter is encoded twice."""
    for _ in range(MAX_LAYERS):
        value = unquote(value)
    return value


def _plain(value: str) -> str:
    """Fold what hides a value from look-up: invisible characters, full-width and other compatibility forms."""
    visible = "".join(char for char in views.plain(value) if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", visible).strip()


def _normaliser(rule: Rule) -> Callable[[str], str]:
    form = NORMALISERS.get(rule.normaliser or "")
    if form is None:
        raise rule.error(
            f"found normaliser {rule.normaliser!r}, expected one of {sorted(NORMALISERS)!r}; name one of these"
        )
    return form


def _check_key(key: bytes) -> None:
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(
            f"seal key: found {len(key)} bytes, expected at least {MIN_KEY_BYTES}; create keys with `corpus-gov init`"
        )
