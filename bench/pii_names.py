"""Which name stands for what: the labelled sets', the peers' and our rules' names, by entity of pii_texts.py.

A name may stand for several entities: Presidio's PHONE_NUMBER is a mobile number, a landline and a foreign number. It
is right where it is one of them. Names without an entity here (URLs, dates, organisations, American bank accounts, file
paths) are left out of account, and so are labels that nobody here looks for (age, gender, occupation, title).
"""

from collections.abc import Mapping
from typing import Final

from pii_texts import CHECKED, VALUES

PERSON: Final = "person"
HEALTH: Final = "health"
RECALL_ONLY: Final = frozenset({PERSON, HEALTH})
"""Labelled in part only, so that precision cannot be told."""

ENTITIES: Final = (*VALUES, PERSON, HEALTH)

_CARDS: Final = frozenset({"bank_card", "payment_card"})
_PHONES: Final = frozenset({"mobile", "landline", "service_number", "phone"})
_IPS: Final = frozenset({"ipv4", "ipv6"})
_IDS: Final = frozenset({"resident_id", "residence_permit"})

LABELS: Final[Mapping[str, Mapping[str, str]]] = {
    "injected_zh": {
        "PERSON": PERSON, "PHONE": "mobile", "LANDLINE": "landline", "ID_CARD": "resident_id", "EMAIL": "email",
        "ADDRESS": "address", "USCC": "uscc", "PASSPORT": "passport", "QQ": "qq", "WECHAT": "wechat",
        "BANK_CARD": "bank_card", "IP": "ip", "PLATE": "plate",
    },
    "multipriv_zh": {
        "PERSON": PERSON, "HEALTH": HEALTH, "PHONE": "mobile", "ID_CARD": "resident_id", "EMAIL": "email",
        "ADDRESS": "address",
    },
    "presidio_synth_v2_en": {
        "PERSON": PERSON, "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "CREDIT_CARD": "payment_card",
        "IBAN_CODE": "iban", "US_SSN": "us_ssn", "IP_ADDRESS": "ip",
    },
}  # fmt: skip
"""By set: entities of its labels; "ip" is settled by the value."""

PEERS: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "presidio": {
        "EMAIL_ADDRESS": frozenset({"email"}), "PHONE_NUMBER": _PHONES, "IP_ADDRESS": _IPS, "CREDIT_CARD": _CARDS,
        "IBAN_CODE": frozenset({"iban"}), "US_SSN": frozenset({"us_ssn"}), "US_ITIN": frozenset({"us_itin"}),
        "UK_NHS": frozenset({"uk_nhs"}), "CRYPTO": frozenset({"crypto_wallet"}), "MAC_ADDRESS": frozenset({"mac"}),
        "PERSON": frozenset({PERSON}), "LOCATION": frozenset({"address"}),
    },
    "data-juicer": {"email": frozenset({"email"}), "ip": _IPS},
    "data-juicer redaction": {
        "email_re": frozenset({"email"}), "ipv4_re": frozenset({"ipv4"}), "ipv6_re": frozenset({"ipv6"}),
        "mac_re": frozenset({"mac"}), "phone_cn": frozenset({"mobile"}),
        "phone_intl": frozenset({"mobile", "phone"}), "id_card_cn": _IDS,
        "secret_kv": frozenset({"password", "secret"}), "jwt_re": frozenset({"secret"}),
        "pem_block": frozenset({"secret"}),
    },
    "datatrove": {"email": frozenset({"email"}), "ip": frozenset({"ipv4"})},
    "dolma": {"EMAIL_ADDRESS": frozenset({"email"}), "PHONE_NUMBER": _PHONES, "IP_ADDRESS": frozenset({"ipv4"})},
}  # fmt: skip
"""By peer: entities of its names. Presidio has more (UK_NINO, ES_NIF, IT_FISCAL_CODE, PL_PESEL…), and loads them for
other languages or when asked."""

RULES: Final[Mapping[str, frozenset[str]]] = {
    "pii.email_spelled": frozenset({"email"}),
    "pii.phone": _PHONES,
    "pii.payment_card": _CARDS,
    "pii.cn_bank_card": _CARDS,
    "pii.cn_resident_id": _IDS,
    "pii.cn_residence_permit": _IDS,
    "pii.cn_permanent_residence": frozenset({"residence_permit"}),
    "pii.cn_permanent_residence_2017": frozenset({"residence_permit"}),
    "pii.cn_travel_permit": frozenset({"permit"}),
    "pii.cn_plate": frozenset({"plate", "plate_nev"}),
    "pii.es_nif": frozenset({"es_dni"}),
    "pii.cn_name": frozenset({PERSON}),
    "pii.cn_name_titled": frozenset({PERSON}),
    "pii.name": frozenset({PERSON}),
    "secret.password_line": frozenset({"password"}),
    "secret.url_password": frozenset({"password"}),
}
"""Entities of our rules; every other rule has the entity whose name it ends in: pii.iban, pii.cn_qq;
and secret.* is a secret."""

FLOORS: Final[Mapping[str, float]] = {
    **dict.fromkeys(CHECKED, 0.97),
    **dict.fromkeys(("mobile", "email", "ipv4", "ipv6"), 0.95),
    **dict.fromkeys(("qq", "wechat", "address"), 0.85),
}
"""Goals of F1, on each set with enough labels."""


def of_rule(rule: str) -> frozenset[str]:
    """Return the entities of one of our rules; none where it has no counterpart here."""
    name = rule.rpartition(".")[2]
    own = frozenset({name, name.removeprefix("cn_"), rule.partition(".")[0]}).intersection(ENTITIES)
    return RULES.get(rule, own)


def known(peer: str) -> frozenset[str]:
    """Return the entities that a peer has a name for."""
    return frozenset().union(*PEERS[peer].values())
