"""Checks of values that a pattern found: check digits, dates, number ranges, and what only looks like one.

A validator gets the value as the reading view writes it and the rule that found it.
"""

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib import import_module
from typing import Any, Final

from corpus_gov import ranges
from corpus_gov.rules import Rule

Validator = Callable[[str, Rule], bool | None]
"""True: it holds, so the rule's `checked_score` counts. False: certainly none. None: the form is all there is."""

_NOT_DIGITS = re.compile(r"[^0-9]")
_SPACED = re.compile(r"[ .\-·_~/*+|]")
_MIXED = re.compile(r"(?=.*[A-Za-z])(?=.*[0-9])|(?=.*[a-z])(?=.*[A-Z])(?=.*[!#$%&*+?@^~])")
_EARLIEST_BIRTH: Final = 1850
_LATEST_BIRTH: Final = 2100


def _digits(value: str) -> str:
    return _NOT_DIGITS.sub("", value)


def _calendar(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _resident_id(value: str, rule: Rule) -> bool:
    """Check province (params.allowed), calendar date and the ISO 7064 mod 11-2 check character."""
    digits = _SPACED.sub("", value).upper()
    if not _calendar(int(digits[6:10]), int(digits[10:12]), int(digits[12:14])):
        return False
    # mod 11-2: the character at place i from the right weighs 2^i, X counts ten, the sum is 1 modulo 11.
    total = sum((10 if digit == "X" else int(digit)) << i for i, digit in enumerate(reversed(digits)))
    return total % 11 == 1 and any(digits.startswith(prefix) for prefix in rule.params["allowed"])


def _resident_id_15(value: str, rule: Rule) -> bool | None:
    """Check province (params.allowed) and the date of birth, which is of 19xx; there is no check digit."""
    digits = _digits(value)
    born = _calendar(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12]))
    return None if born and digits[:2] in rule.params["allowed"] else False


def _email(value: str, rule: Rule) -> bool | None:
    """Refuse last labels that are file name endings (params.refused), empty labels and labels with outer hyphens."""
    labels = value.rpartition("@")[2].lower().split(".")
    if labels[-1] in rule.params["refused"] or any(label.startswith("-") or label.endswith("-") for label in labels):
        return False
    return None


def _email_spelled(value: str, rule: Rule) -> bool | None:
    """Ask for a well-known last label (params.endings), and for a spelled dot behind an at that is a bare word."""
    parts = re.split(
        r"(?i) ?(?:\[|\(|\{|<) ?(?:at|艾特|a|@) ?(?:\]|\)|\}|>) ?|(?<= )at(?= )|#|艾特| ?@ ?", value, maxsplit=1
    )
    ending = re.split(r"[^A-Za-z]+", value)[-1].lower()
    if len(parts) != 2 or ending not in rule.params["endings"]:
        return False
    bare = re.search(r"(?i)[a-z0-9] at [a-z0-9]", value) is not None
    spelled = re.search(r"(?i)(?:\bdot\b|点|[\[({<] ?\. ?[\])}>])", parts[1]) is not None
    return None if spelled or not bare else False


def _mobile(value: str, _rule: Rule) -> bool | None:
    """Check the prefix against the ranges in use; True behind the country code."""
    number = _digits(value)[-11:]
    known = ranges.mobile_prefixes()
    if number[:4] == "1740":
        # 1740 was given out for numbers with 00 to 12 in their fourth and fifth places only.
        return None if int(number[3:5]) <= 12 else False
    if number[:3] not in known and number[:4] not in known:
        return False
    return True if re.match(r"\(?(?:\+|00)86", value) else None


def _area_code(value: str, _rule: Rule) -> bool | None:
    """Check the area code, if there is one, and that seven or eight digits from 2 to 8 follow it."""
    digits = _digits(re.split(r"(?i) ?(?:转|ext|x|#)|(?<=[0-9]{7})-", value)[0])
    code = next((digits[:size] for size in (3, 4) if digits[:size] in ranges.area_codes()), "")
    local = digits[len(code) :]
    fits = (code or digits[0] != "0") and len(local) in {7, 8} and local[0] in "2345678"
    return None if fits else False


def _phone(value: str, rule: Rule) -> bool | None:
    """Ask the numbering plans of params.regions, or that of the country code; True where one has the number."""
    from corpus_gov import telephones  # noqa: PLC0415 - its tables take a tenth of a second to load

    value = re.split(r"(?i) ?(?:转|ext|x|#)", value)[0]
    if re.fullmatch(r"(?:00)?(?:86)?1[3-9]\d{9}", _digits(value)) and not value.startswith("+1"):
        # A rule of its own knows the ranges of the Chinese mainland, and the country code may be missing.
        return False
    return True if telephones.is_valid(value, rule.params["regions"]) else _phone_form(value, rule)


def _phone_form(value: str, rule: Rule) -> bool | None:
    """Leave the form to the context where the rule says that plans are not all there is (params.lenient)."""
    return None if rule.params.get("lenient") and 7 <= len(_digits(value)) <= 15 else False


def _card(value: str, rule: Rule) -> bool | None:
    """Check the Luhn digit, and issuer range and length (networks of params.networks).

    None where the digit holds and nobody is known to issue the range: new ones come every year, and words tell.
    """
    digits = _digits(value)
    # One digit over and over passes the check and is nobody's.
    if _luhn_sum(digits) != 0 or len(set(digits)) == 1:
        return False
    for issuer in ranges.issuers():
        if issuer.first <= int(digits[: issuer.digits]) <= issuer.last:
            return issuer.network in rule.params["networks"] if len(digits) in issuer.lengths else None
    return None


def _luhn_sum(digits: str) -> int:
    """Return the Luhn sum modulo ten. Source: ISO/IEC 7812-1, annex B."""
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(number - 9 * (number > 9) for number in doubled)) % 10


def _luhn(value: str, _rule: Rule) -> bool:
    digits = _digits(value)
    return _luhn_sum(digits) == 0 and len(set(digits)) > 1


def _stdnum(value: str, rule: Rule) -> bool | None:
    """Ask python-stdnum's module params.number; params.lenient leaves a number that fails to its context."""
    module = _standard(rule.params["number"])
    try:
        module.validate(value)
    except _errors():
        return None if rule.params.get("lenient") else False
    return True


def credit_code(value: str) -> bool:
    """Say whether a unified social credit code holds its check digits (GB 32100-2015)."""
    valid: bool = _standard("cn.uscc").is_valid(value)
    return valid


@cache
def _standard(number: str) -> Any:
    return import_module(f"stdnum.{number}")


@cache
def _errors() -> tuple[type[Exception], ...]:
    # Some modules read what is no date or no region with an error of Python's own.
    return (import_module("stdnum.exceptions").ValidationError, KeyError, ValueError, IndexError)


def _ip(value: str, rule: Rule) -> bool | None:
    """Refuse what is no address of a host: unspecified, loopback, multicast, what params.refused begins.

    True where a number has three digits: versions and sections of four small numbers have the same form.
    """
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    if (
        address.is_unspecified
        or address.is_loopback
        or address.is_multicast
        or value.startswith(rule.params["refused"])
    ):
        return False
    return True if address.version == 4 and re.search("[0-9]{3}", value) else None


def _gps(value: str, _rule: Rule) -> bool | None:
    """Check that one number is a latitude and the other a longitude; None where both are small, as shares are."""
    first, second = (abs(float(one)) for one in re.findall(r"\d{1,3}\.\d+", value)[:2])
    if min(first, second) > 90 or max(first, second) > 180:
        return False
    return True if max(first, second) >= 10 else None


def _born(value: str, _rule: Rule) -> bool | None:
    """Check that it is a date; days and months may stand in either order."""
    months = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    numbers = [int(number) for number in re.findall(r"\d+", value)]
    if named := re.search("|".join(months), value.lower()):
        years, days = [one for one in numbers if one > 31], [one for one in numbers if one <= 31]
        numbers = [*years[:1], months.index(named[0]) + 1, *days[:1]]
    if len(numbers) == 1:
        whole = f"{numbers[0]:08d}"
        numbers = [int(whole[:4]), int(whole[4:6]), int(whole[6:])]
    if numbers and numbers[0] <= 31:
        numbers.reverse()
    if not numbers or not _EARLIEST_BIRTH <= numbers[0] <= _LATEST_BIRTH:
        return False
    year, month, day = (*numbers, 1, 1)[:3]
    return None if _calendar(year, month, day) or _calendar(year, day, month) else False


def _name(value: str, rule: Rule) -> bool | None:
    """Ask for a surname, and for no word that begins like one (params.refused)."""
    known = ranges.surnames()
    if value[:2] in known and len(value) > 2:
        return None
    fits = value[0] in known and len(value) <= 3 and not value.startswith(rule.params["refused"])
    return None if fits and value[1:] not in rule.params["refused"] else False


def _english_name(value: str, rule: Rule) -> bool | None:
    words = re.findall(r"[^\W\d_]+", value)
    return False if not words or any(word.lower() in rule.params["refused"] for word in words) else None


def _handle(value: str, rule: Rule) -> bool | None:
    """Refuse words that are no account (params.refused); without a digit or a sign it may be any word."""
    if value.lower().strip("-_") in rule.params["refused"] or value.lower().startswith(("http", "www.")):
        return False
    return None


def _secret(value: str, rule: Rule) -> bool | None:
    """Refuse what stands for a secret in examples: few different characters, words of params.refused.

    Where params.mixed asks for it, letters stand in it beside digits, or letters of both cases beside a sign that
    names do not have.
    """
    lowered = value.lower()
    if rule.params.get("mixed") and not _MIXED.search(value):
        return False
    if any(word in lowered for word in rule.params["refused"]):
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return None if bits >= rule.params["least_bits"] else False


def _wallet(value: str, _rule: Rule) -> bool | None:
    """Check Base58Check or Bech32 of a Bitcoin address; the form of Ethereum and Tron addresses is all there is."""
    if value.startswith(("0x", "T")):
        return None if len(set(value)) > 8 else False
    try:
        _standard("bitcoin").validate(value)
    except _errors():
        return False
    return True


_LETTERS: Final = {letter: number for number, letter in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")}
# In the order of the household registration offices, not of the alphabet.
_TAIWAN: Final = {letter: number + 10 for number, letter in enumerate("ABCDEFGHJKLMNPQRSTUVXYWZIO")}
_SINGAPORE: Final = {"S": (0, "JZIHGFEDCBA"), "T": (4, "JZIHGFEDCBA"), "F": (0, "XWUTRQPNMLK"), "G": (4, "XWUTRQPNMLK"),
                     "M": (3, "XWUTRQPNJLK")}  # fmt: skip


def _hk_id(value: str, _rule: Rule) -> bool:
    """Check that the weighted sum of letters (A is 10), digits and check character is 0 modulo 11; a blank is 36."""
    number = re.sub("[^0-9A-Z]", "", value)
    values = [36] * (9 - len(number)) + [_LETTERS[char] for char in number]
    return sum(weight * one for weight, one in zip(range(9, 0, -1), values, strict=True)) % 11 == 0


def _tw_id(value: str, _rule: Rule) -> bool:
    """Check that the letter's two digits and the rest, weighted, make 0 modulo 10."""
    head = _TAIWAN[value[0]]
    # A letter in the second place is of a foreign resident, and counts by its last digit.
    rest = [_TAIWAN[value[1]] % 10 if value[1].isalpha() else int(value[1]), *map(int, value[2:])]
    return (head // 10 + head % 10 * 9 + sum(map(int.__mul__, (8, 7, 6, 5, 4, 3, 2, 1, 1), rest))) % 10 == 0


def _sg_nric(value: str, _rule: Rule) -> bool:
    """Check the last letter against the weighted sum of the digits modulo 11, which depends on the first letter."""
    offset, letters = _SINGAPORE[value[0]]
    total = offset + sum(map(int.__mul__, (2, 7, 6, 5, 4, 3, 2), map(int, value[1:8])))
    return letters[total % 11] == value[8]


VALIDATORS: Final[Mapping[str, tuple[Validator, tuple[str, ...]]]] = {
    "iso7064_mod11_2": (_resident_id, ("allowed",)),
    "cn_resident_id_15": (_resident_id_15, ("allowed",)),
    "email": (_email, ("refused",)),
    "email_spelled": (_email_spelled, ("endings",)),
    "cn_mobile": (_mobile, ()),
    "cn_area_code": (_area_code, ()),
    "phone": (_phone, ("regions",)),
    "card": (_card, ("networks",)),
    "luhn": (_luhn, ()),
    "stdnum": (_stdnum, ("number",)),
    "ip": (_ip, ("refused",)),
    "gps": (_gps, ()),
    "birth_date": (_born, ()),
    "cn_name": (_name, ("refused",)),
    "name": (_english_name, ("refused",)),
    "handle": (_handle, ("refused",)),
    "secret": (_secret, ("refused", "least_bits")),
    "wallet": (_wallet, ()),
    "hk_id": (_hk_id, ()),
    "tw_id": (_tw_id, ()),
    "sg_nric": (_sg_nric, ()),
}
"""By the name that a rule gives: the check, and the params that it reads."""
