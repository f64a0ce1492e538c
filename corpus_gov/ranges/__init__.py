"""Ranges of numbers and lists of names that change: kept as data, each file with its source and date at its head."""

from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

_FOLDER: Final = "corpus_gov.ranges"


class Issuer(NamedTuple):
    """A range of card numbers: those whose first digits lie between two numbers, and how long they are."""

    first: int
    last: int
    digits: int
    lengths: frozenset[int]
    network: str


def lines(name: str) -> list[str]:
    """Return the lines of a file of this folder, without comments and empty ones."""
    text = files(_FOLDER).joinpath(name).read_text("utf-8")
    return [line for line in (one.partition("#")[0].strip() for one in text.splitlines()) if line]


@cache
def mobile_prefixes() -> frozenset[str]:
    """Return the first three or four digits of the mobile numbers of the Chinese mainland in use."""
    return frozenset(prefix for line in lines("cn_mobile.txt") for prefix in line.split()[1:])


@cache
def area_codes() -> frozenset[str]:
    """Return the area codes of the Chinese mainland, with their leading 0."""
    spans = [span.partition("-") for line in lines("cn_area_codes.txt") for span in line.split()]
    return frozenset(
        f"{number:0{len(first)}d}" for first, _, last in spans for number in range(int(first), int(last or first) + 1)
    )


@cache
def surnames() -> frozenset[str]:
    """Return Chinese surnames of one and two characters, in simplified form."""
    return frozenset(name for line in lines("cn_surnames.txt") for name in line.split())


@cache
def issuers() -> tuple[Issuer, ...]:
    """Return the ranges of payment cards, the longest prefixes first."""
    found = []
    for line in lines("card_issuers.txt"):
        network, span, lengths = line.split()
        first, _, last = span.partition("-")
        sizes = frozenset(int(size) for size in lengths.split(","))
        found.append(Issuer(int(first), int(last or first), len(first), sizes, network))
    return tuple(sorted(found, key=lambda one: (-one.digits, one.first)))
