"""Do the word lists in force meet what the standard asks of a keyword library, and what is missing?

Counted are entries that can each find something of their own: distinct after folding, and not containing a shorter
entry of the same list, which would find whatever the longer one finds. Variants count where their source is stated,
which the format of lists enforces. Words that only accompany others (`near`, `without`, `allow`) do not count. Entries
that need another word near them count, and `alone` says how many do not. Sealed entries count as they are: they are
distinct, and whether one contains another nobody can see. There is no goal on the number: filler would raise it and
find nothing.

What no package can bring with it are slots: what they wait for is said, and once somebody filled them, with how many
entries. A slot that waits means that nothing is screened for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeAlias

import pyarrow as pa

from corpus_gov import screens, wordlists
from corpus_gov.errors import RuleError
from corpus_gov.kernels import wordtokens
from corpus_gov.rules import Rule, RulePack, concern
from corpus_gov.schemas import DOCUMENTS
from corpus_gov.stages import NOT_OF_TEXT

TOTAL_LEAST: Final = 10_000
RISKS: Final[Mapping[str, int]] = {f"A1{letter}": 200 for letter in "abcdefgh"} | {
    f"A2{letter}": 100 for letter in "abcdefghi"
}
"""Entries that the standard asks for, by risk. Source: GB/T 45654-2025, B.1.1 (draft numbering)."""
AGE_MOST: Final = 7
"""Days since the words were last gone through; the same clause."""

Form: TypeAlias = tuple[int, ...]
Entry: TypeAlias = Form | str
"""What counts once: what an entry folds to, or the digest of a sealed one."""


def lint(packs: Sequence[RulePack], as_of: date) -> dict[str, Any]:
    """Count the entries of packs against the standard's minima.

    Args:
        packs: the packs in force.
        as_of: the day that ages are counted to.

    Returns:
        `total`, `risks` and `packs` with what there is and what is asked for; `slots`, each with whether it is `filled`
        and by how many `plain` and `sealed` entries; `left_out`, entries that count for nothing and why; `missing`, one
        sentence for each minimum that is not met; `met`, whether there is none.

    Raises:
        RuleError: a pack says an impossible day.
    """
    words = [pack for pack in packs if any(rule.screen == "keywords" for rule in (*pack.rules, *pack.slots))]
    distinct: dict[str, set[Entry]] = defaultdict(set)
    alone: dict[str, set[Entry]] = defaultdict(set)
    left_out: list[dict[str, Any]] = []
    for pack in words:
        for rule in pack.rules:
            if rule.screen == "keywords":
                found, enough, lost = _of_rule(rule)
                distinct[rule.category] |= found
                alone[rule.category] |= enough
                left_out += lost
    slots = [_slot(pack, rule) for pack in packs for rule in (*pack.rules, *pack.slots) if "slot" in rule.params]
    risks = [_risk(risk, least, distinct[risk], len(alone[risk]), slots) for risk, least in RISKS.items()]
    total = len(set().union(*(distinct[risk] for risk in RISKS)))
    ages = [_age(pack, as_of) for pack in words]
    missing = [*_too_few(total, risks), *_too_old(ages)]
    return {
        "as_of": as_of.isoformat(),
        "total": {"entries": total, "least": TOTAL_LEAST},
        "beyond": {risk: len(forms) for risk, forms in sorted(distinct.items()) if risk not in RISKS and forms},
        "sealed": _sealed(set().union(*distinct.values())),
        "risks": risks,
        "packs": ages,
        "slots": slots,
        "left_out": left_out,
        "missing": missing,
        "met": not missing,
    }


def compiled(packs: Sequence[RulePack]) -> None:
    """Run every screen of the packs on no document: all that their rules say is read, checked and compiled by that.

    Raises:
        RuleError: a rule is wrong, or a pattern takes more than linear time.
    """
    nothing = pa.RecordBatch.from_pylist([], schema=DOCUMENTS)
    for name in sorted({rule.screen for pack in packs for rule in pack.rules}.difference(NOT_OF_TEXT)):
        screens.look(name, nothing, concern(packs, name))


def _of_rule(rule: Rule) -> tuple[set[Entry], set[Entry], list[dict[str, Any]]]:
    """Return the entries that count, those of them that are enough by themselves, and what does not count."""
    counted: set[Entry] = set()
    enough: set[Entry] = set()
    by_itself = {way["word"] for way in rule.params["find"] if not {"near", "distinct", "least"} & set(way)}
    left_out: list[dict[str, Any]] = []
    for name in sorted({way["word"] for way in rule.params["find"]}):
        words = rule.params["words"].get(name, ())
        entries = wordlists.entries([word for word in words if not wordlists.is_sealed(word)])
        hidden = {word["sealed"] for word in words if wordlists.is_sealed(word)}
        counted |= hidden
        enough |= hidden if name in by_itself else set()
        forms = wordtokens.forms(entries)
        known: set[Form] = set()
        for entry, form in zip(entries, forms, strict=True):
            reason = "folds to another entry" if form in known else _within(form, set(forms))
            known.add(form)
            if reason:
                left_out.append({"rule": rule.id, "list": name, "entry": entry, "why": reason})
            else:
                counted.add(form)
                enough |= {form} if name in by_itself else set()
    return counted, enough, left_out


def _sealed(entries: Iterable[Entry]) -> int:
    return sum(isinstance(entry, str) for entry in entries)


def _within(form: Form, forms: set[Form]) -> str:
    for length in range(1, len(form)):
        if any(form[at : at + length] in forms for at in range(len(form) - length + 1)):
            return "contains a shorter entry"
    return ""


def _risk(risk: str, least: int, entries: set[Entry], alone: int, slots: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    waiting = [slot["rule"] for slot in slots if slot["risk"] == risk and not slot["filled"]]
    counts = {"entries": len(entries), "sealed": _sealed(entries), "alone": alone, "least": least}
    return {"risk": risk, **counts, "slots": waiting}


def _slot(pack: RulePack, rule: Rule) -> dict[str, Any]:
    """Say what a slot waits for, or how many entries of the operator's it has.

    Lists that the rule only excuses by, and those of `files`, are none of the slot's.
    """
    folder = "/".join(pack.name.split(".")[:-1])
    filled = rule in pack.rules
    named = {way[key] for way in rule.params.get("find", ()) for key in ("word", "near", "without") if key in way}
    lists = rule.params.get("words", {}) if filled else {}
    words = [word for name, listed in lists.items() if name in named or not named for word in listed]
    return {
        "rule": rule.id,
        "risk": rule.category,
        "file": f"{folder}/{rule.params['slot']}",
        "why": rule.why,
        "asks": rule.source,
        "filled": filled,
        "plain": len(wordlists.entries([word for word in words if not wordlists.is_sealed(word)])),
        "sealed": len({word["sealed"] for word in words if wordlists.is_sealed(word)}),
    }


def _age(pack: RulePack, as_of: date) -> dict[str, Any]:
    try:
        days = (as_of - date.fromisoformat(pack.updated)).days if pack.updated else None
    except ValueError as error:
        raise RuleError(f"pack {pack.name!r}: updated is {pack.updated!r}, expected a day; correct it") from error
    return {"pack": pack.name, "version": pack.version, "updated": pack.updated or None, "days": days}


def _too_few(total: int, risks: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    if total < TOTAL_LEAST:
        yield f"total: {total} entries, {TOTAL_LEAST} asked for, {TOTAL_LEAST - total} missing"
    for risk in risks:
        if risk["entries"] < risk["least"]:
            waiting = f"; slots without a list: {', '.join(risk['slots'])}" if risk["slots"] else ""
            lacking = risk["least"] - risk["entries"]
            yield f"{risk['risk']}: {risk['entries']} entries, {risk['least']} asked for, {lacking} missing{waiting}"


def _too_old(ages: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for age in ages:
        if age["days"] is None:
            yield f"{age['pack']}: says no day on which it was updated, at most {AGE_MOST} days asked for"
        elif age["days"] > AGE_MOST:
            yield f"{age['pack']}: updated {age['days']} days ago, at most {AGE_MOST} asked for"
