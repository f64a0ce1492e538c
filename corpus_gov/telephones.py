"""Telephone numbers of every country: the only importer of phonenumbers, a library of numbering plans."""

import re
from typing import Final

import phonenumbers

UNKNOWN: Final = "ZZ"
"""The region of a number that says its country itself."""

REGIONS: Final = ("US", "GB", "DE", "FR", "IT", "ES", "NL", "CH", "AT", "AU", "IN", "JP")
"""Plans to try, in this order, for a number without a country code of which nothing else is known."""


def is_valid(value: str, regions: tuple[str, ...]) -> bool:
    """Say whether a number is one of a numbering plan.

    Args:
        value: as written, in ASCII; 00 and 011 before a country code count as a plus.
        regions: plans to try for a number without a country code, two letters each.
    """
    return _parsed(value, regions) is not None


def e164(value: str, regions: tuple[str, ...] = ()) -> str | None:
    """Return a number as a plus and digits, or None where no plan knows it.

    Source: ITU-T E.164.
    """
    number = _parsed(value, regions)
    return None if number is None else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parsed(value: str, regions: tuple[str, ...]) -> phonenumbers.PhoneNumber | None:
    value = re.sub(r"^(?:00|011)(?=[ .-]?[1-9])", "+", value.strip())
    for region in (UNKNOWN,) if value.startswith("+") else regions:
        try:
            number = phonenumbers.parse(value, None if region == UNKNOWN else region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return number
    return None
